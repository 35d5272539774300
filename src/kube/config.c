/* kube/config.c - kubeconfig files to one cluster and user.
 *
 * Not pure: kube_config_load() reads files; kube_config_parse() does not.  Errors name file, line,
 * entry and key; values of secrets never. */
#include "kube/config.h"

#include "base/buf.h"
#include "base/doc.h"
#include "kube/config-priv.h"
#include "os/file.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* One file, parsed. */
struct file {
    const char *name;
    const struct doc *root;
};

/* What all steps of one resolution need. */
struct resolver {
    struct arena *a;
    struct file files[KUBE_CONFIG_FILES_MAX];
    unsigned file_count;
    struct kube_config *c;
    struct err *reterr;
};

/* A named entry of a list, with where it stands. */
struct entry {
    const struct file *file;
    const char *list; /* "clusters" */
    struct str name;
    const struct doc *body; /* the map below "cluster", "user" or "context"; NULL when empty */
};

static int fault(const struct resolver *r, const struct entry *e, const struct doc *at,
        const char *key, const char *what)
{
    return err_set(r->reterr, -EINVAL, "%s:%u: %s '%.*s': %s%s%s", e->file->name,
            at == NULL ? 0 : at->line, e->list, STR_ARG_SHORT(e->name), key,
            key[0] == '\0' ? "" : ": ", what);
}

/* --------------------------------------------------------------------------------------- fields */

/* A string of the entry; "" when absent or null. */
static int get_str(const struct resolver *r, const struct entry *e, const struct doc *map,
        const char *key, struct str *ret_text)
{
    const struct doc *d = doc_get(map, key);
    *ret_text = (struct str){0};
    if (d == NULL || d->kind == DOC_NULL)
        return 0;
    if (d->kind == DOC_ARRAY || d->kind == DOC_OBJECT)
        return fault(r, e, d, key, "expected a string");
    for (size_t i = 0; i < d->text.len; i++) {
        if (d->text.ptr[i] == '\0')
            return fault(r, e, d, key, "a NUL character");
    }
    *ret_text = d->text;
    return 0;
}

static int get_bool(const struct resolver *r, const struct entry *e, const struct doc *map,
        const char *key, bool *ret_value)
{
    const struct doc *d = doc_get(map, key);
    *ret_value = false;
    if (d == NULL || d->kind == DOC_NULL)
        return 0;
    if (d->kind != DOC_BOOL)
        return fault(r, e, d, key, "expected true or false");
    *ret_value = d->boolean;
    return 0;
}

/* A path as the file means it: relative to the file's folder. */
static const char *resolve_path(struct arena *a, const struct file *file, struct str path)
{
    const char *slash = strrchr(file->name, '/');
    if (path.ptr[0] == '/' || slash == NULL)
        return arena_str(a, path).ptr;
    return arena_printf(a, "%.*s/%.*s", (int)(slash - file->name), file->name, STR_ARG(path));
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int config_base64_decode(struct arena *a, struct str text, struct str *ret_bytes)
{
    char *out = arena_alloc(a, text.len / 4 * 3 + 3, 1);
    size_t len = 0, digits = 0, pads = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r')
            continue;
        if (c == '=') {
            pads++;
            continue;
        }
        int digit = base64_digit(c);
        if (digit < 0 || pads > 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)digit;
        digits++;
        if (digits % 4 != 1)
            out[len++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xFF);
    }
    if ((digits + pads) % 4 != 0 || pads > 2 || digits % 4 == 1)
        return -EINVAL;
    *ret_bytes = (struct str){out, len};
    return 0;
}

/* "KEY-data" decoded, else the file that "KEY" names. */
static int get_secret(const struct resolver *r, const struct entry *e, const char *key,
        const char *data_key, struct kube_secret *ret_secret)
{
    struct str data = {0}, path = {0};
    int code = get_str(r, e, e->body, data_key, &data);
    if (code == 0)
        code = get_str(r, e, e->body, key, &path);
    if (code < 0)
        return code;
    if (data.len > 2 * KUBE_PEM_BYTES_MAX)
        return fault(r, e, doc_get(e->body, data_key), data_key, "too long");
    if (data.len > 0 && config_base64_decode(r->a, data, &ret_secret->inline_bytes) < 0)
        return fault(r, e, doc_get(e->body, data_key), data_key, "not base64");
    if (data.len == 0 && path.len > 0)
        ret_secret->file = resolve_path(r->a, e->file, path);
    return 0;
}

/* -------------------------------------------------------------------------------------- entries */

/* Finds the entry `name` of the list `list` in the files; the first file that has it wins. */
static int find_entry(const struct resolver *r, const char *list, const char *member,
        struct str name, struct entry *ret_entry)
{
    for (unsigned i = 0; i < r->file_count; i++) {
        const struct doc *entries = doc_get(r->files[i].root, list);
        for (uint32_t k = 0; entries != NULL && entries->kind == DOC_ARRAY && k < entries->count;
                k++) {
            const struct doc *its_name = doc_get(&entries->first[k], "name");
            if (its_name == NULL || !str_eq(its_name->text, name))
                continue;
            *ret_entry =
                    (struct entry){&r->files[i], list, name, doc_get(&entries->first[k], member)};
            if (ret_entry->body != NULL && ret_entry->body->kind != DOC_OBJECT &&
                    ret_entry->body->kind != DOC_NULL)
                return fault(r, ret_entry, ret_entry->body, member, "expected a map");
            return 0;
        }
    }
    return -ENOENT;
}

static int missing_entry(
        const struct resolver *r, const struct entry *from, const char *what, struct str name)
{
    return err_set(r->reterr, -EINVAL, "%s: %s '%.*s' names the %s '%.*s', which no file defines",
            from->file->name, from->list, STR_ARG_SHORT(from->name), what, STR_ARG_SHORT(name));
}

static void warn(struct kube_config *c, const char *line)
{
    if (c->warning_count < sizeof c->warnings / sizeof c->warnings[0])
        c->warnings[c->warning_count++] = line;
}

static int check_server(const struct resolver *r, const struct entry *e, struct str server)
{
    if (server.len == 0)
        return fault(r, e, e->body, "server", "missing; expected https://HOST:PORT");
    bool known = str_starts(server, STR_LIT("https://")) || str_starts(server, STR_LIT("http://"));
    for (size_t i = 0; known && i < server.len; i++)
        known = (unsigned char)server.ptr[i] > ' ';
    if (!known)
        return fault(r, e, doc_get(e->body, "server"), "server", "expected https://HOST:PORT");
    return 0;
}

static int read_cluster(const struct resolver *r, const struct entry *e)
{
    struct kube_config *c = r->c;
    int code = get_str(r, e, e->body, "server", &c->server);
    if (code == 0)
        code = check_server(r, e, c->server);
    if (code == 0)
        code = get_str(r, e, e->body, "proxy-url", &c->proxy_url);
    if (code == 0)
        code = get_str(r, e, e->body, "tls-server-name", &c->tls_server_name);
    if (code == 0)
        code = get_bool(r, e, e->body, "insecure-skip-tls-verify", &c->insecure);
    if (code == 0)
        code = get_secret(r, e, "certificate-authority", "certificate-authority-data", &c->ca);
    if (code < 0)
        return code;
    while (c->server.len > 0 && c->server.ptr[c->server.len - 1] == '/')
        c->server.len--;
    if (c->insecure && (c->ca.file != NULL || c->ca.inline_bytes.len > 0)) {
        return fault(r, e, doc_get(e->body, "insecure-skip-tls-verify"), "insecure-skip-tls-verify",
                "true beside a certificate-authority: use one of the two");
    }
    if (c->insecure) {
        warn(c, arena_printf(r->a,
                        "%s: clusters '%.*s' sets insecure-skip-tls-verify: anyone on the way can "
                        "read and change what is sent, the credentials too",
                        e->file->name, STR_ARG_SHORT(e->name)));
    }
    return 0;
}

/* The strings of a list, NULL-terminated. */
static int get_list(const struct resolver *r, const struct entry *e, const struct doc *list,
        const char *key, const char *const **ret_list)
{
    uint32_t count = list == NULL || list->kind == DOC_NULL ? 0 : list->count;
    if (count > 0 && list->kind != DOC_ARRAY)
        return fault(r, e, list, key, "expected a list");
    if (count > KUBE_CONFIG_ARGS_MAX)
        return fault(r, e, list, key, "too many");
    const char **texts = ARENA_ARRAY(r->a, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *d = &list->first[i];
        if (d->kind == DOC_ARRAY || d->kind == DOC_OBJECT || memchr(d->text.ptr, 0, d->text.len))
            return fault(r, e, d, key, "expected strings");
        texts[i] = arena_str(r->a, d->text).ptr;
    }
    *ret_list = texts;
    return 0;
}

/* [{name: A, value: B}] as "A=B". */
static int get_environ(const struct resolver *r, const struct entry *e, const struct doc *list,
        const char *const **ret_list)
{
    uint32_t count = list == NULL || list->kind == DOC_NULL ? 0 : list->count;
    if (count > 0 && list->kind != DOC_ARRAY)
        return fault(r, e, list, "exec.env", "expected a list");
    if (count > KUBE_CONFIG_ARGS_MAX)
        return fault(r, e, list, "exec.env", "too many");
    const char **texts = ARENA_ARRAY(r->a, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct str name = {0}, value = {0};
        int code = get_str(r, e, &list->first[i], "name", &name);
        if (code == 0)
            code = get_str(r, e, &list->first[i], "value", &value);
        if (code < 0)
            return code;
        if (name.len == 0 || memchr(name.ptr, '=', name.len) != NULL)
            return fault(r, e, &list->first[i], "exec.env", "an entry without a usable name");
        texts[i] = arena_printf(r->a, "%.*s=%.*s", STR_ARG(name), STR_ARG(value));
    }
    *ret_list = texts;
    return 0;
}

static int read_exec(const struct resolver *r, const struct entry *e, const struct doc *exec)
{
    struct kube_exec_plugin *x = &r->c->exec;
    struct str command = {0}, mode = {0};
    int code = get_str(r, e, exec, "command", &command);
    if (code == 0)
        code = get_str(r, e, exec, "apiVersion", &x->api_version);
    if (code == 0)
        code = get_str(r, e, exec, "interactiveMode", &mode);
    if (code == 0)
        code = get_str(r, e, exec, "installHint", &x->install_hint);
    if (code == 0)
        code = get_bool(r, e, exec, "provideClusterInfo", &x->provide_cluster_info);
    if (code == 0)
        code = get_list(r, e, doc_get(exec, "args"), "exec.args", &x->args);
    if (code == 0)
        code = get_environ(r, e, doc_get(exec, "env"), &x->environ);
    if (code < 0)
        return code;
    if (command.len == 0)
        return fault(r, e, exec, "exec.command", "missing");
    if (!str_eq_c(x->api_version, "client.authentication.k8s.io/v1") &&
            !str_eq_c(x->api_version, "client.authentication.k8s.io/v1beta1")) {
        return fault(r, e, exec, "exec.apiVersion",
                "expected client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1");
    }
    if (str_eq_c(mode, "Always"))
        return fault(r, e, exec, "exec.interactiveMode", "Always: there is no terminal to ask on");
    bool has_slash = memchr(command.ptr, '/', command.len) != NULL;
    x->command = has_slash ? resolve_path(r->a, e->file, command) : arena_str(r->a, command).ptr;
    return 0;
}

static int read_impersonation(const struct resolver *r, const struct entry *e)
{
    struct kube_config *c = r->c;
    const struct doc *extra = doc_get(e->body, "as-user-extra");
    if (extra != NULL && extra->kind != DOC_NULL && extra->count > 0)
        return fault(r, e, extra, "as-user-extra", "not supported");
    const struct doc *groups = doc_get(e->body, "as-groups");
    const char *const *checked = NULL;
    int code = get_str(r, e, e->body, "as", &c->as_user);
    if (code == 0)
        code = get_str(r, e, e->body, "as-uid", &c->as_uid);
    if (code == 0)
        code = get_list(r, e, groups, "as-groups", &checked);
    if (code < 0)
        return code;
    uint32_t count = groups == NULL || groups->kind != DOC_ARRAY ? 0 : groups->count;
    if (count > KUBE_CONFIG_GROUPS_MAX)
        return fault(r, e, groups, "as-groups", "too many");
    struct str *views = ARENA_ARRAY(r->a, struct str, count + 1);
    for (uint32_t i = 0; i < count; i++)
        views[i] = groups->first[i].text;
    c->as_groups = views;
    c->as_group_count = count;
    return 0;
}

static int read_user(const struct resolver *r, const struct entry *e)
{
    struct kube_config *c = r->c;
    struct str token_file = {0};
    int code = get_secret(r, e, "client-certificate", "client-certificate-data", &c->client_cert);
    if (code == 0)
        code = get_secret(r, e, "client-key", "client-key-data", &c->client_key);
    if (code == 0)
        code = get_str(r, e, e->body, "token", &c->token.inline_bytes);
    if (code == 0)
        code = get_str(r, e, e->body, "tokenFile", &token_file);
    if (code == 0)
        code = get_str(r, e, e->body, "username", &c->username);
    if (code == 0)
        code = get_str(r, e, e->body, "password", &c->password);
    if (code == 0)
        code = read_impersonation(r, e);
    if (code < 0)
        return code;
    if (token_file.len > 0) {
        c->token.inline_bytes = (struct str){0};
        c->token.file = resolve_path(r->a, e->file, token_file);
    }
    bool has_cert = c->client_cert.file != NULL || c->client_cert.inline_bytes.len > 0;
    bool has_key = c->client_key.file != NULL || c->client_key.inline_bytes.len > 0;
    if (has_cert != has_key) {
        return fault(r, e, e->body, has_cert ? "client-key" : "client-certificate",
                "missing beside the other one");
    }
    const struct doc *provider = doc_get(e->body, "auth-provider");
    if (provider != NULL && provider->kind != DOC_NULL)
        return fault(r, e, provider, "auth-provider", "gone since Kubernetes 1.26; use exec");
    const struct doc *exec = doc_get(e->body, "exec");
    return exec == NULL || exec->kind == DOC_NULL ? 0 : read_exec(r, e, exec);
}

/* ------------------------------------------------------------------------------------ resolving */

static int parse_files(struct resolver *r, const struct kube_config_text *files, unsigned count)
{
    static const char *const lists[] = {"clusters", "users", "contexts"};
    assert(count <= KUBE_CONFIG_FILES_MAX);
    for (unsigned i = 0; i < count; i++) {
        const struct doc *root = NULL;
        if (str_trim(files[i].text).len == 0) /* as kubectl takes it */
            continue;
        int code = doc_parse_yaml(r->a, files[i].text, KUBE_CONFIG_BYTES_MAX, &root, r->reterr);
        if (code < 0) {
            (void)err_wrap(r->reterr, "%s", files[i].file);
            return code;
        }
        if (root->kind == DOC_NULL)
            continue;
        if (root->kind != DOC_OBJECT) {
            return err_set(r->reterr, -EINVAL,
                    "%s:1: expected a map with clusters, users and "
                    "contexts, not %s",
                    files[i].file, doc_kind_name(root->kind));
        }
        for (unsigned k = 0; k < sizeof lists / sizeof lists[0]; k++) {
            const struct doc *list = doc_get(root, lists[k]);
            if (list != NULL && list->kind != DOC_NULL && list->kind != DOC_ARRAY) {
                return err_set(r->reterr, -EINVAL, "%s:%u: %s: expected a list", files[i].file,
                        list->line, lists[k]);
            }
            if (list != NULL && list->count > KUBE_CONFIG_ENTRIES_MAX) {
                return err_set(r->reterr, -E2BIG, "%s:%u: %s: more than %d entries", files[i].file,
                        list->line, lists[k], KUBE_CONFIG_ENTRIES_MAX);
            }
        }
        r->files[r->file_count++] = (struct file){files[i].file, root};
    }
    return 0;
}

static int choose_context(const struct resolver *r, const char *wanted, struct str *ret_name)
{
    if (wanted != NULL) {
        *ret_name = str_from(wanted);
        return 0;
    }
    for (unsigned i = 0; i < r->file_count; i++) {
        const struct doc *d = doc_get(r->files[i].root, "current-context");
        if (d != NULL && d->kind != DOC_ARRAY && d->kind != DOC_OBJECT && d->text.len > 0) {
            *ret_name = d->text;
            return 0;
        }
    }
    return err_set(r->reterr, -EINVAL, "%s: no current-context; name one with --context",
            r->file_count > 0 ? r->files[0].name : "kubeconfig");
}

static int resolve(struct resolver *r, struct str context)
{
    struct entry ctx = {0}, cluster = {0}, user = {0};
    struct str cluster_name = {0}, user_name = {0};
    int code = find_entry(r, "contexts", "context", context, &ctx);
    if (code == -ENOENT) {
        return err_set(r->reterr, -EINVAL, "%s: no context is named '%.*s'",
                r->file_count > 0 ? r->files[0].name : "kubeconfig", STR_ARG_SHORT(context));
    }
    if (code == 0)
        code = get_str(r, &ctx, ctx.body, "cluster", &cluster_name);
    if (code == 0)
        code = get_str(r, &ctx, ctx.body, "user", &user_name);
    if (code == 0)
        code = get_str(r, &ctx, ctx.body, "namespace", &r->c->namespace);
    if (code < 0)
        return code;
    code = find_entry(r, "clusters", "cluster", cluster_name, &cluster);
    if (code == -ENOENT)
        return missing_entry(r, &ctx, "cluster", cluster_name);
    if (code == 0)
        code = read_cluster(r, &cluster);
    if (code < 0 || user_name.len == 0)
        return code;
    code = find_entry(r, "users", "user", user_name, &user);
    if (code == -ENOENT)
        return missing_entry(r, &ctx, "user", user_name);
    return code < 0 ? code : read_user(r, &user);
}

int kube_config_parse(struct arena *a, const struct kube_config_text *files, unsigned file_count,
        const struct kube_config_spec *spec, struct kube_config *ret_config, struct err *reterr)
{
    struct kube_config c = {.environ = spec->environ};
    struct resolver *r = ARENA_NEW(a, struct resolver);
    r->a = a;
    r->c = &c;
    r->reterr = reterr;
    int code = parse_files(r, files, file_count);
    if (code == 0)
        code = choose_context(r, spec->context, &c.context);
    if (code == 0)
        code = resolve(r, c.context);
    if (code < 0)
        return code;
    if (c.namespace.len == 0)
        c.namespace = STR_LIT("default");
    config_choose_proxy(spec, &c);
    *ret_config = c;
    return 0;
}

/* -------------------------------------------------------------------------------------- loading */

/* Reads one file into the arena. */
static int read_into(
        struct arena *a, const char *path, size_t max, struct str *ret_text, struct err *reterr)
{
    struct buf content = {0};
    int code = os_file_read(path, max, &content, reterr);
    if (code < 0)
        return code;
    *ret_text = arena_str(a, buf_str(&content));
    if (content.ptr != NULL)
        explicit_bzero(content.ptr, content.len);
    buf_clear(&content);
    return 0;
}

/* Reads the files of a colon list; one that is not there is left out, as kubectl does. */
static int load_list(struct arena *a, const struct kube_config_spec *spec, struct str list,
        struct kube_config *ret_config, struct err *reterr)
{
    struct kube_config_text files[KUBE_CONFIG_FILES_MAX];
    unsigned count = 0;
    struct str path, rest = list;
    while (str_split(&rest, ':', &path)) {
        if (path.len == 0)
            continue;
        if (count == KUBE_CONFIG_FILES_MAX)
            return err_set(reterr, -E2BIG, "KUBECONFIG names more than %d files", count);
        files[count].file = arena_str(a, path).ptr;
        int code =
                read_into(a, files[count].file, KUBE_CONFIG_BYTES_MAX, &files[count].text, reterr);
        if (code < 0 && code != -ENOENT)
            return code;
        count += code == 0;
    }
    if (count == 0)
        return err_set(reterr, -ENOENT, "%.*s: no such kubeconfig", STR_ARG(list));
    return kube_config_parse(a, files, count, spec, ret_config, reterr);
}

static int load_in_cluster(struct arena *a, const struct kube_config_spec *spec, const char *dir,
        struct kube_config *ret_config, struct err *reterr)
{
    struct kube_config c = {.context = STR_LIT("in-cluster"), .environ = spec->environ};
    const char *port = spec->service_port == NULL ? "443" : spec->service_port;
    bool is_v6 = strchr(spec->service_host, ':') != NULL;
    c.server = str_from(
            arena_printf(a, is_v6 ? "https://[%s]:%s" : "https://%s:%s", spec->service_host, port));
    c.token.file = arena_printf(a, "%s/token", dir);
    c.ca.file = arena_printf(a, "%s/ca.crt", dir);
    struct str namespace = {0};
    int code = read_into(
            a, arena_printf(a, "%s/namespace", dir), KUBE_NAME_BYTES_MAX, &namespace, reterr);
    if (code < 0 && code != -ENOENT)
        return code;
    c.namespace = code == 0 ? str_trim(namespace) : STR_LIT("default");
    config_choose_proxy(spec, &c);
    *ret_config = c;
    return 0;
}

int kube_config_load(struct arena *a, const struct kube_config_spec *spec,
        struct kube_config *ret_config, struct err *reterr)
{
    if (spec->path != NULL) {
        struct kube_config_text file = {.file = spec->path};
        int code = read_into(a, spec->path, KUBE_CONFIG_BYTES_MAX, &file.text, reterr);
        return code < 0 ? code : kube_config_parse(a, &file, 1, spec, ret_config, reterr);
    }
    if (spec->paths != NULL && spec->paths[0] != '\0')
        return load_list(a, spec, str_from(spec->paths), ret_config, reterr);
    if (spec->service_host != NULL && spec->service_host[0] != '\0') {
        const char *dir =
                spec->service_account_dir == NULL ? SERVICE_ACCOUNT_DIR : spec->service_account_dir;
        struct str token;
        if (read_into(a, arena_printf(a, "%s/token", dir), KUBE_PEM_BYTES_MAX, &token, NULL) == 0)
            return load_in_cluster(a, spec, dir, ret_config, reterr);
    }
    if (spec->home == NULL)
        return err_set(reterr, -ENOENT, "no kubeconfig: name one with --kubeconfig");
    const char *path = arena_printf(a, "%s/.kube/config", spec->home);
    struct kube_config_text file = {.file = path};
    int code = read_into(a, path, KUBE_CONFIG_BYTES_MAX, &file.text, reterr);
    if (code == -ENOENT)
        return err_set(reterr, -ENOENT, "%s: no such kubeconfig; name one with --kubeconfig", path);
    return code < 0 ? code : kube_config_parse(a, &file, 1, spec, ret_config, reterr);
}
