/* kube/auth.c - reading, renewing and forgetting credentials. */
#include "kube/auth.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/doc.h"
#include "base/json.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PLUGIN_RETRY_NS INT64_C(5000000000)

enum { ENVIRON_MAX = 4096, CREDENTIAL_ARENA_BYTES = 16 << 20 };

static void wipe(struct buf *b)
{
    if (b->ptr != NULL)
        explicit_bzero(b->ptr, b->cap);
    buf_clear(b);
}

void kube_auth_clear(struct kube_auth *auth)
{
    if (auth->plugin != NULL)
        os_exec_cancel(auth->plugin);
    auth->plugin = NULL;
    wipe(&auth->authorization);
    wipe(&auth->ca);
    wipe(&auth->cert);
    wipe(&auth->key);
}

/* Replaces what `held` has; true when that changed it. */
static bool replace(struct buf *held, struct str bytes)
{
    if (str_eq(buf_str(held), bytes))
        return false;
    wipe(held);
    *held = BUF_INIT((size_t)KUBE_PEM_BYTES_MAX * 2);
    buf_put(held, bytes);
    return true;
}

/* Bytes of the configuration, or of the file that it names. */
static int read_secret(
        const struct kube_secret *secret, struct buf *held, bool *changed, struct err *reterr)
{
    if (secret->file == NULL) {
        *changed |= replace(held, secret->inline_bytes);
        return 0;
    }
    struct buf content = {0};
    int r = os_file_read(secret->file, KUBE_PEM_BYTES_MAX, &content, reterr);
    if (r < 0)
        return r;
    *changed |= replace(held, buf_str(&content));
    wipe(&content);
    return 0;
}

static void set_bearer(struct kube_auth *auth, struct str token)
{
    struct buf line = BUF_INIT((size_t)KUBE_PEM_BYTES_MAX * 2);
    token = str_trim(token);
    if (token.len > 0) {
        buf_puts(&line, "Bearer ");
        buf_put(&line, token);
    }
    (void)replace(&auth->authorization, buf_str(&line));
    wipe(&line);
}

static void put_base64(struct buf *out, struct str in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < in.len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < in.len ? (unsigned char)in.ptr[i + k] : 0u);
        buf_putc(out, digits[bits >> 18 & 63]);
        buf_putc(out, digits[bits >> 12 & 63]);
        buf_putc(out, i + 1 < in.len ? digits[bits >> 6 & 63] : '=');
        buf_putc(out, i + 2 < in.len ? digits[bits & 63] : '=');
    }
}

static void set_basic(struct kube_auth *auth)
{
    struct buf pair = BUF_INIT(1 << 16), line = BUF_INIT(1 << 17);
    buf_put(&pair, auth->config->username);
    buf_putc(&pair, ':');
    buf_put(&pair, auth->config->password);
    buf_puts(&line, "Basic ");
    put_base64(&line, buf_str(&pair));
    (void)replace(&auth->authorization, buf_str(&line));
    wipe(&pair);
    wipe(&line);
}

/* Reads what the configuration names in files, or holds itself. */
static int read_files(struct kube_auth *auth, bool *changed, struct err *reterr)
{
    const struct kube_config *c = auth->config;
    int r = read_secret(&c->ca, &auth->ca, changed, reterr);
    if (r < 0)
        return err_wrap(reterr, "certificate-authority");
    if (c->exec.command != NULL)
        return 0;
    r = read_secret(&c->client_cert, &auth->cert, changed, reterr);
    if (r < 0)
        return err_wrap(reterr, "client-certificate");
    r = read_secret(&c->client_key, &auth->key, changed, reterr);
    if (r < 0)
        return err_wrap(reterr, "client-key");
    struct buf token = {0};
    bool ignored = false;
    r = read_secret(&c->token, &token, &ignored, reterr);
    if (r < 0)
        return err_wrap(reterr, "token");
    if (token.len > 0 || c->username.len == 0) {
        set_bearer(auth, buf_str(&token));
    } else {
        set_basic(auth);
    }
    wipe(&token);
    return 0;
}

static void update_views(struct kube_auth *auth)
{
    auth->tls = (struct net_tls){
            .ca_pem = buf_str(&auth->ca),
            .cert_pem = buf_str(&auth->cert),
            .key_pem = buf_str(&auth->key),
            .server_name = auth->config->tls_server_name,
            .insecure = auth->config->insecure,
    };
}

/* -------------------------------------------------------------------------------- exec plugins */

/* A member of `status` as text; "" when absent, -EINVAL when no string. */
static int status_text(
        const struct doc *status, const char *key, struct str *ret_text, struct err *reterr)
{
    const struct doc *d = doc_get(status, key);
    *ret_text = (struct str){0};
    if (d == NULL || d->kind == DOC_NULL)
        return 0;
    if (d->kind != DOC_STRING)
        return err_set(reterr, -EINVAL, "status.%s: expected a string", key);
    *ret_text = d->text;
    return 0;
}

int kube_auth_parse_credential(struct arena *a, struct str text, struct str api_version,
        struct kube_exec_credential *ret_credential, struct err *reterr)
{
    const struct doc *root = NULL;
    /* The parser's own words may quote what it read. */
    if (doc_parse_json(a, text, OS_EXEC_OUTPUT_MAX, &root, NULL) < 0)
        return err_set(reterr, -EINVAL, "it printed no JSON");
    const struct doc *version = doc_get(root, "apiVersion"), *kind = doc_get(root, "kind");
    if (kind == NULL || !str_eq_c(kind->text, "ExecCredential"))
        return err_set(reterr, -EINVAL, "it printed no ExecCredential");
    if (version == NULL || !str_eq(version->text, api_version))
        return err_set(reterr, -EINVAL, "its apiVersion is not %.*s", STR_ARG(api_version));
    const struct doc *status = doc_get(root, "status");
    struct kube_exec_credential c = {0};
    struct str expiry = {0};
    int r = status_text(status, "token", &c.token, reterr);
    if (r == 0)
        r = status_text(status, "clientCertificateData", &c.cert_pem, reterr);
    if (r == 0)
        r = status_text(status, "clientKeyData", &c.key_pem, reterr);
    if (r == 0)
        r = status_text(status, "expirationTimestamp", &expiry, reterr);
    if (r < 0)
        return r;
    if (c.token.len == 0 && c.cert_pem.len == 0)
        return err_set(reterr, -EINVAL, "it printed neither a token nor a client certificate");
    if ((c.cert_pem.len == 0) != (c.key_pem.len == 0))
        return err_set(reterr, -EINVAL, "it printed only one of client certificate and key");
    if (expiry.len > 0 && civil_parse(expiry, &c.expiry_wall_ns, NULL) < 0)
        return err_set(reterr, -EINVAL, "status.expirationTimestamp: not an RFC 3339 time");
    *ret_credential = c;
    return 0;
}

static int take_credential(struct kube_auth *auth, struct str output, struct err *reterr)
{
    struct arena *a = arena_new(CREDENTIAL_ARENA_BYTES);
    struct kube_exec_credential c;
    int r = kube_auth_parse_credential(a, output, auth->config->exec.api_version, &c, reterr);
    if (r == 0) {
        bool changed = replace(&auth->cert, c.cert_pem);
        changed |= replace(&auth->key, c.key_pem);
        set_bearer(auth, c.token);
        auth->expiry_wall_ns = c.expiry_wall_ns;
        update_views(auth);
        if (changed)
            auth->renewed(auth->user);
    }
    arena_free(a);
    return r;
}

static void plugin_failed(struct kube_auth *auth)
{
    auth->failed_mono_ns = os_loop_now_ns(auth->loop);
    auth->has_plugin_answer = false;
    (void)err_wrap(&auth->fault, "exec plugin %s", auth->config->exec.command);
    os_log_warn("kube", "no credentials", OS_LOG_CSTR("reason", auth->fault.text));
}

static void plugin_done(void *user, const struct os_exec_result *result)
{
    struct kube_auth *auth = user;
    auth->plugin = NULL;
    auth->fault = (struct err){0};
    int r = 0;
    if (result->code == -ETIMEDOUT) {
        r = err_set(&auth->fault, -ETIMEDOUT, "no answer within 60 s");
    } else if (result->code == -E2BIG) {
        r = err_set(&auth->fault, -E2BIG, "it printed more than %d bytes", OS_EXEC_OUTPUT_MAX);
    } else if (result->code < 0) {
        r = err_set(&auth->fault, -EACCES, "it ended with status %d", result->exit_status);
    } else {
        r = take_credential(auth, result->output, &auth->fault);
    }
    if (r == 0) {
        auth->has_plugin_answer = true;
    } else {
        plugin_failed(auth);
    }
    auth->ready(auth->user);
}

/* KUBERNETES_EXEC_INFO=..., with the cluster when the plugin asked for it. */
static const char *exec_info(struct arena *a, const struct kube_auth *auth)
{
    const struct kube_config *c = auth->config;
    struct buf text = BUF_INIT((size_t)KUBE_PEM_BYTES_MAX * 4);
    struct json_writer w = JSON_WRITER(&text, 0);
    buf_puts(&text, "KUBERNETES_EXEC_INFO=");
    jw_object(&w);
    jw_kv_str(&w, "apiVersion", c->exec.api_version);
    jw_kv_cstr(&w, "kind", "ExecCredential");
    jw_key(&w, "spec");
    jw_object(&w);
    jw_kv_bool(&w, "interactive", false);
    if (c->exec.provide_cluster_info) {
        struct buf ca = BUF_INIT((size_t)KUBE_PEM_BYTES_MAX * 2);
        put_base64(&ca, buf_str(&auth->ca));
        jw_key(&w, "cluster");
        jw_object(&w);
        jw_kv_str(&w, "server", c->server);
        if (c->tls_server_name.len > 0)
            jw_kv_str(&w, "tls-server-name", c->tls_server_name);
        if (c->insecure)
            jw_kv_bool(&w, "insecure-skip-tls-verify", true);
        if (ca.len > 0)
            jw_kv_str(&w, "certificate-authority-data", buf_str(&ca));
        if (c->proxy_url.len > 0)
            jw_kv_str(&w, "proxy-url", c->proxy_url);
        jw_object_end(&w);
        buf_clear(&ca);
    }
    jw_object_end(&w);
    jw_object_end(&w);
    const char *line = arena_str(a, buf_str(&text)).ptr;
    buf_clear(&text);
    return line;
}

/* True when `list` sets the variable of `line` ("NAME=..."). */
static bool sets(const char *const *list, const char *line)
{
    size_t name_len = strcspn(line, "=") + 1;
    for (; list != NULL && *list != NULL; list++) {
        if (strncmp(*list, line, name_len) == 0)
            return true;
    }
    return false;
}

/* The caller's environment, less what the plugin's own overrides, with both. */
static const char *const *plugin_environ(struct arena *a, const struct kube_auth *auth)
{
    const struct kube_config *c = auth->config;
    const char **list = ARENA_ARRAY(a, const char *, ENVIRON_MAX + KUBE_CONFIG_ARGS_MAX + 2);
    unsigned count = 0;
    for (unsigned i = 0; c->environ != NULL && c->environ[i] != NULL && count < ENVIRON_MAX; i++) {
        if (!sets(c->exec.environ, c->environ[i]))
            list[count++] = c->environ[i];
    }
    for (unsigned i = 0; c->exec.environ[i] != NULL; i++)
        list[count++] = c->exec.environ[i];
    list[count++] = exec_info(a, auth);
    return list;
}

static const char *path_in(const char *const *environ)
{
    for (; environ != NULL && *environ != NULL; environ++) {
        if (strncmp(*environ, "PATH=", 5) == 0)
            return *environ + 5;
    }
    return NULL;
}

static int plugin_start(struct kube_auth *auth, struct err *reterr)
{
    const struct kube_exec_plugin *x = &auth->config->exec;
    struct arena *a = arena_new(CREDENTIAL_ARENA_BYTES);
    const char **argv = ARENA_ARRAY(a, const char *, KUBE_CONFIG_ARGS_MAX + 2);
    unsigned count = 0;
    argv[count++] = x->command;
    for (unsigned i = 0; x->args[i] != NULL; i++)
        argv[count++] = x->args[i];
    struct os_exec_spec spec = {
            .command = x->command,
            .path = path_in(auth->config->environ),
            .argv = argv,
            .environ = plugin_environ(a, auth),
            .timeout_ns = KUBE_AUTH_EXEC_NS,
            .done = plugin_done,
            .user = auth,
    };
    int r = os_exec_start(auth->loop, &spec, &auth->plugin, reterr);
    arena_free(a);
    if (r < 0 && x->install_hint.len > 0) {
        struct err hinted = *reterr;
        r = err_set(reterr, hinted.code, "%s; %.*s", hinted.text, STR_ARG(x->install_hint));
    }
    auth->logins++;
    return r;
}

/* ---------------------------------------------------------------------------------------- asking
 */

static enum kube_auth_state get_from_plugin(struct kube_auth *auth)
{
    if (auth->plugin != NULL)
        return KUBE_AUTH_WAIT;
    bool expired = auth->expiry_wall_ns != 0 &&
                   auth->expiry_wall_ns - KUBE_AUTH_EARLY_NS <= os_clock_wall_ns();
    if (auth->has_plugin_answer && !expired && !auth->is_stale)
        return KUBE_AUTH_READY;
    int64_t now_ns = os_loop_now_ns(auth->loop);
    if (auth->failed_mono_ns != 0 && now_ns - auth->failed_mono_ns < PLUGIN_RETRY_NS)
        return KUBE_AUTH_FAILED;
    auth->is_stale = false;
    auth->fault = (struct err){0};
    if (plugin_start(auth, &auth->fault) == 0)
        return KUBE_AUTH_WAIT;
    plugin_failed(auth);
    return KUBE_AUTH_FAILED;
}

enum kube_auth_state kube_auth_get(struct kube_auth *auth)
{
    int64_t now_ns = os_loop_now_ns(auth->loop);
    bool first = auth->read_mono_ns == 0;
    if (first || auth->is_stale || now_ns - auth->read_mono_ns >= KUBE_AUTH_REREAD_NS) {
        bool changed = false;
        struct err fault = {0};
        int r = read_files(auth, &changed, &fault);
        if (r < 0 && first) {
            auth->fault = fault;
            return KUBE_AUTH_FAILED;
        }
        if (r < 0) /* in the middle of being replaced, say: what we have may still be good */
            os_log_warn("kube", "credentials not read again", OS_LOG_CSTR("reason", fault.text));
        auth->read_mono_ns = now_ns;
        update_views(auth);
        if (changed && !first)
            auth->renewed(auth->user);
        if (auth->config->exec.command == NULL)
            auth->is_stale = false;
    }
    return auth->config->exec.command == NULL ? KUBE_AUTH_READY : get_from_plugin(auth);
}

bool kube_auth_refused(struct kube_auth *auth)
{
    const struct kube_config *c = auth->config;
    bool changes = c->exec.command != NULL || c->token.file != NULL ||
                   c->client_cert.file != NULL || c->ca.file != NULL;
    auth->is_stale |= changes;
    return changes;
}
