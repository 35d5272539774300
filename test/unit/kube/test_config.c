/* kube/config, kube/auth: every part of a kubeconfig, merging, refusals, secrets that stay secret.
 */
#include "test.h"

#include "kube/auth.h"
#include "kube/config.h"
#include "os/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What must show in no error and no log line. */
#define PLANTED "planted-secret"

static struct arena *arena;

static int parse(
        const char *text, const struct kube_config_spec *spec, struct kube_config *c, struct err *e)
{
    static const struct kube_config_spec none;
    struct kube_config_text file = {.file = "/etc/k/config", .text = str_from(text)};
    arena_free(arena);
    arena = arena_new(0);
    return kube_config_parse(arena, &file, 1, spec == NULL ? &none : spec, c, e);
}

static int end(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

static void all_parts(void **state)
{
    (void)state;
    struct kube_config c;
    struct err e = {0};
    int r = parse("apiVersion: v1\n"
                  "kind: Config\n"
                  "current-context: prod\n"
                  "contexts:\n"
                  "- {name: prod, context: {cluster: c, user: u, namespace: gpu}}\n"
                  "clusters:\n"
                  "- name: c\n"
                  "  cluster:\n"
                  "    server: https://k8s.example:6443/prefix/\n"
                  "    certificate-authority: ca.crt\n"
                  "    tls-server-name: kubernetes\n"
                  "    proxy-url: http://proxy:3128\n"
                  "    extensions: [{name: x, extension: {a: b}}]\n"
                  "users:\n"
                  "- name: u\n"
                  "  user:\n"
                  "    client-certificate-data: Q0VSVA==\n"
                  "    client-key: keys/u.key\n"
                  "    token: " PLANTED "\n"
                  "    tokenFile: /run/token\n"
                  "    username: joe\n"
                  "    password: pw\n"
                  "    as: robot\n"
                  "    as-groups: [a, b]\n",
            NULL, &c, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    assert_true(str_eq_c(c.context, "prod"));
    assert_true(str_eq_c(c.namespace, "gpu"));
    assert_true(str_eq_c(c.server, "https://k8s.example:6443/prefix"));
    assert_string_equal(c.ca.file, "/etc/k/ca.crt");
    assert_true(str_eq_c(c.tls_server_name, "kubernetes"));
    assert_true(str_eq_c(c.proxy_url, "http://proxy:3128"));
    assert_true(str_eq_c(c.client_cert.inline_bytes, "CERT"));
    assert_string_equal(c.client_key.file, "/etc/k/keys/u.key");
    assert_string_equal(c.token.file, "/run/token"); /* wins over token */
    assert_int_equal(c.token.inline_bytes.len, 0);
    assert_true(str_eq_c(c.username, "joe") && str_eq_c(c.password, "pw"));
    assert_true(str_eq_c(c.as_user, "robot"));
    assert_int_equal(c.as_group_count, 2);
    assert_int_equal(c.warning_count, 0);
}

static void an_exec_plugin(void **state)
{
    (void)state;
    struct kube_config c;
    struct err e = {0};
    assert_int_equal(parse("current-context: x\n"
                           "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                           "clusters: [{name: c, cluster: {server: 'https://h', "
                           "insecure-skip-tls-verify: true}}]\n"
                           "users:\n- name: u\n  user:\n    exec:\n"
                           "      apiVersion: client.authentication.k8s.io/v1\n"
                           "      command: bin/login\n      args: [--cluster, a]\n"
                           "      env: [{name: A, value: '1'}]\n"
                           "      provideClusterInfo: true\n      interactiveMode: IfAvailable\n",
                             NULL, &c, &e),
            0);
    assert_string_equal(c.exec.command, "/etc/k/bin/login");
    assert_string_equal(c.exec.args[1], "a");
    assert_null(c.exec.args[2]);
    assert_string_equal(c.exec.environ[0], "A=1");
    assert_true(c.exec.provide_cluster_info);
    assert_true(c.insecure);
    assert_int_equal(c.warning_count, 1);
    assert_non_null(strstr(c.warnings[0], "insecure-skip-tls-verify"));
}

#define HEAD   "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
#define SERVER "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } table[] = {
            {"", "no current-context"},
            {"[1]", "expected a map"},
            {"clusters: 3\n", "clusters: expected a list"},
            {"current-context: y\n", "no context is named 'y'"},
            {HEAD, "names the cluster 'c', which no file defines"},
            {HEAD SERVER, "names the user 'u', which no file defines"},
            {HEAD "clusters: [{name: c, cluster: {server: h}}]\n",
                    "server: expected https://HOST:PORT"},
            {HEAD "clusters: [{name: c}]\n", "server: missing"},
            {HEAD "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: "
                  "'" PLANTED "'}}]\n",
                    "clusters 'c': certificate-authority-data: not base64"},
            {HEAD "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: x, "
                  "insecure-skip-tls-verify: true}}]\n",
                    "use one of the two"},
            {HEAD SERVER "users: [{name: u, user: {token: [" PLANTED "]}}]\n",
                    "token: expected a string"},
            {HEAD SERVER "users: [{name: u, user: {client-key-data: '" PLANTED "!'}}]\n",
                    "client-key-data: not base64"},
            {HEAD SERVER "users: [{name: u, user: {client-certificate: x}}]\n",
                    "client-key: missing"},
            {HEAD SERVER "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "use exec"},
            {HEAD SERVER "users: [{name: u, user: {exec: {command: x, apiVersion: "
                         "client.authentication.k8s.io/v1alpha1}}}]\n",
                    "exec.apiVersion: expected client.authentication.k8s.io/v1 "},
            {HEAD SERVER "users: [{name: u, user: {exec: {command: x, interactiveMode: Always, "
                         "apiVersion: client.authentication.k8s.io/v1}}}]\n",
                    "no terminal"},
            {HEAD SERVER "users: [{name: u, user: {as-user-extra: {a: [b]}}}]\n", "as-user-extra"},
            {HEAD SERVER "users: [{name: u, user: {token: " PLANTED ", token: b}}]\n", "line 4"},
            {"a: [\n", "/etc/k/config"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct kube_config c;
        struct err e = {0};
        int r = parse(table[i].text, NULL, &c, &e);
        if (r >= 0 || strstr(e.text, table[i].words) == NULL)
            fail_msg("%u: '%s' does not say '%s'", i, e.text, table[i].words);
        assert_null(strstr(e.text, PLANTED));
        assert_null(strchr(e.text, '\n'));
    }
}

static void the_first_file_wins(void **state)
{
    (void)state;
    arena_free(arena);
    arena = arena_new(0);
    struct kube_config_text files[] = {
            {"/a/one", STR_LIT("contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                               "clusters: [{name: c, cluster: {server: 'https://one', "
                               "certificate-authority: ca}}]\n")},
            {"/b/two", STR_LIT(HEAD "clusters: [{name: c, cluster: {server: 'https://two'}}]\n"
                                    "users: [{name: u, user: {tokenFile: t}}]\n")},
    };
    struct kube_config_spec spec = {.https_proxy = "http://p:1", .no_proxy = "x,.two"};
    struct kube_config c;
    struct err e = {0};
    assert_int_equal(kube_config_parse(arena, files, 2, &spec, &c, &e), 0);
    assert_true(str_eq_c(c.server, "https://one"));
    assert_string_equal(c.ca.file, "/a/ca");
    assert_string_equal(c.token.file, "/b/t");
    assert_true(str_eq_c(c.proxy_url, "http://p:1"));
    spec.no_proxy = "one";
    assert_int_equal(kube_config_parse(arena, files, 2, &spec, &c, &e), 0);
    assert_int_equal(c.proxy_url.len, 0);
}

static void no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *list, *host;
        bool covered;
    } table[] = {
            {"*", "a", true},
            {"example.com", "example.com", true},
            {"example.com", "www.EXAMPLE.com", true},
            {"example.com", "badexample.com", false},
            {".example.com", "example.com", false},
            {".example.com", "a.example.com", true},
            {"*.example.com", "a.example.com", true},
            {"10.0.0.0/8", "10.200.3.4", true},
            {"10.0.0.0/8", "11.0.0.1", false},
            {"10.1.2.0/23", "10.1.3.9", true},
            {"10.1.2.3", "10.1.2.3", true},
            {"fd00::/8", "fd12::1", true},
            {"fd00::/8", "10.0.0.1", false},
            {"10.0.0.0/99", "10.0.0.1", false},
            {"a, b ,c", "b", true},
            {"", "b", false},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (kube_config_no_proxy(str_from(table[i].list), str_from(table[i].host)) !=
                table[i].covered)
            fail_msg("'%s' and '%s'", table[i].list, table[i].host);
    }
}

static void in_a_pod(void **state)
{
    (void)state;
    char dir[] = "/tmp/slicewright-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    const char *const names[] = {"token", "namespace", "ca.crt"};
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        (void)fprintf(f, "%s\n", names[i]);
        (void)fclose(f);
    }
    struct kube_config_spec spec = {
            .service_host = "fd00::1", .service_port = "6443", .service_account_dir = dir};
    struct kube_config c;
    struct err e = {0};
    arena_free(arena);
    arena = arena_new(0);
    assert_int_equal(kube_config_load(arena, &spec, &c, &e), 0);
    assert_true(str_eq_c(c.server, "https://[fd00::1]:6443"));
    assert_true(str_eq_c(c.namespace, "namespace"));
    assert_true(str_eq_c(c.context, "in-cluster"));
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    /* Nothing configured anywhere. */
    assert_int_equal(kube_config_load(arena, &spec, &c, &e), -ENOENT);
    assert_string_equal(e.text, "no kubeconfig: name one with --kubeconfig");
}

/* ------------------------------------------------------------------------------------- credentials
 */

static void printed_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words; /* words NULL: accepted */
    } table[] = {
            {"{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\","
             "\"expirationTimestamp\":\"2026-11-22T10:00:00Z\"}}",
                    NULL},
            {"{\"apiVersion\":\"w\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"" PLANTED
             "\"}}",
                    "its apiVersion is not v"},
            {"{\"apiVersion\":\"v\",\"kind\":\"X\"}", "no ExecCredential"},
            {PLANTED, "no JSON"},
            {"{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{}}", "neither a token"},
            {"{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{\"clientKeyData\":"
             "\"" PLANTED "\",\"token\":\"t\"}}",
                    "only one of client certificate and key"},
            {"{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{\"token\":[\"" PLANTED
             "\"]}}",
                    "status.token: expected a string"},
            {"{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\","
             "\"expirationTimestamp\":\"" PLANTED "\"}}",
                    "not an RFC 3339 time"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct kube_exec_credential c;
        struct err e = {0};
        arena_free(arena);
        arena = arena_new(0);
        int r = kube_auth_parse_credential(arena, str_from(table[i].text), STR_LIT("v"), &c, &e);
        if (table[i].words == NULL) {
            assert_int_equal(r, 0);
            assert_true(str_eq_c(c.token, "t"));
            assert_int_equal(c.expiry_wall_ns, 1795341600000000000);
            continue;
        }
        if (r >= 0 || strstr(e.text, table[i].words) == NULL)
            fail_msg("'%s' does not say '%s'", e.text, table[i].words);
        assert_null(strstr(e.text, PLANTED));
    }
}

struct asked {
    struct kube_auth auth;
    unsigned ready, renewed;
};

static void on_ready(void *user)
{
    ((struct asked *)user)->ready++;
}

static void on_renewed(void *user)
{
    ((struct asked *)user)->renewed++;
}

/* A plugin runs, its answer is used until the server refuses it, then it runs again. */
static void a_plugin_logs_in(void **state)
{
    (void)state;
    char path[] = "/tmp/slicewright-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char script[] =
            "#!/bin/sh\n"
            "case \"$KUBERNETES_EXEC_INFO\" in *'\"server\":\"https://h\"'*) ;; *) exit 9 ;; esac\n"
            "[ \"$A$KEEP\" = 12 ] || exit 8\n"
            "printf "
            "'{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
            "\"status\":{\"token\":\"%s\"}}' \"$1-$$\"\n";
    assert_int_equal(write(fd, script, sizeof script - 1), (ssize_t)sizeof script - 1);
    assert_int_equal(fchmod(fd, 0700), 0);
    assert_int_equal(close(fd), 0);
    const char *args[] = {"tok", NULL}, *set[] = {"A=1", NULL};
    const char *inherited[] = {"A=0", "KEEP=2", "PATH=/usr/bin:/bin", NULL};
    struct kube_config c = {.server = STR_LIT("https://h"),
            .environ = inherited,
            .exec = {.command = path,
                    .args = args,
                    .environ = set,
                    .provide_cluster_info = true,
                    .api_version = STR_LIT("client.authentication.k8s.io/v1")}};
    struct asked a = {.auth = {.config = &c, .ready = on_ready, .renewed = on_renewed, .user = &a}};
    assert_int_equal(os_loop_new(&a.auth.loop, NULL), 0);
    struct buf first = BUF_INIT(100);
    for (unsigned round = 1; round <= 2; round++) {
        assert_int_equal(kube_auth_get(&a.auth), KUBE_AUTH_WAIT);
        assert_int_equal(kube_auth_get(&a.auth), KUBE_AUTH_WAIT); /* still the same run */
        assert_int_equal(os_loop_run(a.auth.loop, NULL), 0);
        assert_int_equal(a.ready, round);
        if (kube_auth_get(&a.auth) != KUBE_AUTH_READY)
            fail_msg("%s", a.auth.fault.text);
        assert_true(str_starts(buf_str(&a.auth.authorization), STR_LIT("Bearer tok-")));
        if (round == 1)
            buf_put(&first, buf_str(&a.auth.authorization));
        assert_true(kube_auth_refused(&a.auth));
    }
    assert_false(str_eq(buf_str(&first), buf_str(&a.auth.authorization)));
    assert_int_equal(a.auth.logins, 2);
    buf_clear(&first);
    kube_auth_clear(&a.auth);
    os_loop_free(a.auth.loop);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(all_parts),
            cmocka_unit_test(an_exec_plugin),
            cmocka_unit_test(refusals),
            cmocka_unit_test(the_first_file_wins),
            cmocka_unit_test(no_proxy),
            cmocka_unit_test(in_a_pod),
            cmocka_unit_test(printed_credentials),
            cmocka_unit_test(a_plugin_logs_in),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
