/* ctl/prometheus: what it takes for an address, and files that are rotated. */
#include "ctl/prometheus.h"

#include "lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"

struct files {
    char folder[64], ca[96], token[96];
};

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void put_ca(const struct files *f, const char *content)
{
    char text[256];
    (void)snprintf(text, sizeof text, PEM, content);
    put(f->ca, text);
}

static struct files files_new(void)
{
    struct files f = {.folder = "/tmp/slicewright-prometheus-XXXXXX"};
    assert_non_null(mkdtemp(f.folder));
    (void)snprintf(f.ca, sizeof f.ca, "%s/ca.crt", f.folder);
    (void)snprintf(f.token, sizeof f.token, "%s/token", f.folder);
    put_ca(&f, "one");
    put(f.token, "first\n");
    return f;
}

static void files_free(const struct files *f)
{
    (void)unlink(f->ca);
    (void)unlink(f->token);
    assert_int_equal(rmdir(f->folder), 0);
}

static void expect(const struct ctl_prometheus *p, const char *ca, const char *token)
{
    struct net_fetch_target t = ctl_prometheus_target(p, STR_LIT("https://p/x"));
    char text[256];
    (void)snprintf(text, sizeof text, PEM, ca);
    assert_true(str_eq_c(t.url, "https://p/x"));
    assert_true(str_eq_c(t.bearer, token));
    assert_non_null(t.tls);
    assert_true(str_eq_c(t.tls->ca_pem, text));
    assert_false(t.tls->insecure);
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url, *words; /* NULL = it is one */
    } rows[] = {
            {"http://p", NULL},
            {"http://p:9090/", NULL},
            {"https://[::1]:9090", NULL},
            {"https://mimir.example/prometheus", NULL},
            {"https://p/a@b", NULL},
            {"", "expected https://HOST:PORT"},
            {"p:9090", "'p:9090': expected https://HOST:PORT"},
            {"file:///etc/passwd", "expected https://HOST:PORT"},
            {"https://", "expected https://HOST:PORT"},
            {"https:///x", "expected https://HOST:PORT"},
            {"http://p?tenant=a", "and the path before /api/v1"},
            {"http://p/#x", "and the path before /api/v1"},
            {"https://me:secret@p/x", "--prometheus-token-file"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ctl_prometheus_options o = {.url = rows[i].url};
        struct ctl_prometheus p;
        struct err e = {0};
        int rc = ctl_prometheus_open(&o, &p, &e);
        assert_int_equal(rc, rows[i].words == NULL ? 0 : -EINVAL);
        if (rows[i].words != NULL && strstr(e.text, rows[i].words) == NULL)
            fail_msg("%s: %s", rows[i].url, e.text);
        assert_null(strstr(e.text, "secret"));
        if (rc == 0) {
            struct net_fetch_target t = ctl_prometheus_target(&p, str_from(rows[i].url));
            assert_null(t.tls); /* the system's authorities */
            assert_int_equal(t.bearer.len, 0);
        }
        ctl_prometheus_clear(&p);
    }
}

static void files_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *ca, *token, *words; /* a file's text; NULL = it is not there */
    } rows[] = {
            {NULL, "good", "--prometheus-ca: /tmp/"},
            {"no certificate", "good", "ca.crt: no certificate; expected PEM"},
            {"", "good", "ca.crt: no certificate; expected PEM"},
            {"-----BEGIN CERTIFICATE-----", NULL, "--prometheus-token-file: /tmp/"},
            {"-----BEGIN CERTIFICATE-----", " \n", "token: no token; expected one word"},
            {"-----BEGIN CERTIFICATE-----", "two words", "token: no token; expected one word"},
            {"-----BEGIN CERTIFICATE-----", "two\nlines", "token: no token; expected one word"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct files f = files_new();
        const struct ctl_prometheus_options o = {"https://p", f.ca, f.token};
        struct ctl_prometheus p;
        struct err e = {0};
        (void)unlink(rows[i].ca == NULL ? f.ca : "");
        (void)unlink(rows[i].token == NULL ? f.token : "");
        if (rows[i].ca != NULL)
            put(f.ca, rows[i].ca);
        if (rows[i].token != NULL)
            put(f.token, rows[i].token);
        assert_true(ctl_prometheus_open(&o, &p, &e) < 0);
        if (strstr(e.text, rows[i].words) == NULL || strstr(e.text, "two") != NULL)
            fail_msg("%u: %s", i, e.text);
        ctl_prometheus_clear(&p);
        files_free(&f);
    }
    const struct ctl_prometheus_options plain = {"http://p", "/nowhere", NULL};
    struct ctl_prometheus p;
    struct err e = {0};
    assert_int_equal(ctl_prometheus_open(&plain, &p, &e), -EINVAL);
    assert_non_null(strstr(e.text, "'http://p' has no certificate; expected https"));
}

/* New content counts; a file that is gone, or half written, changes nothing. */
static void rotation(void **state)
{
    (void)state;
    struct files f = files_new();
    const struct ctl_prometheus_options o = {"https://p", f.ca, f.token};
    struct ctl_prometheus p;
    struct err e = {0};
    assert_int_equal(ctl_prometheus_open(&o, &p, &e), 0);
    expect(&p, "one", "first");
    put(f.token, "second");
    put_ca(&f, "two");
    expect(&p, "one", "first");
    ctl_prometheus_refresh(&p);
    expect(&p, "two", "second");
    put(f.token, "");
    put(f.ca, "-----BEG");
    ctl_prometheus_refresh(&p);
    assert_true(p.stale);
    expect(&p, "two", "second");
    put_ca(&f, "three");
    (void)unlink(f.token);
    ctl_prometheus_refresh(&p);
    assert_true(p.stale);
    expect(&p, "three", "second");
    put(f.token, "third");
    ctl_prometheus_refresh(&p);
    assert_false(p.stale);
    expect(&p, "three", "third");
    ctl_prometheus_clear(&p);
    files_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(addresses),
            cmocka_unit_test(files_that_are_none),
            cmocka_unit_test(rotation),
    };
    return cmocka_run_group_tests_name("ctl/prometheus", tests, NULL, NULL);
}
