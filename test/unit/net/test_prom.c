/* net/prom: URLs, and answers with what they may hold. */
#include "test.h"

#include "net/prom.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *text, struct net_prom *p, struct err *e)
{
    static struct arena *a = NULL;
    arena_free(a);
    a = NULL;
    if (text == NULL)
        return 0;
    a = arena_new(1 << 20);
    return net_prom_parse(a, str_from(text), p, e);
}

static void urls(void **state)
{
    (void)state;
    struct buf url = BUF_INIT(1000);
    net_prom_query_url(&url, STR_LIT("http://p:9090/"), STR_LIT("a{b=\"c\"}"), 0);
    assert_string_equal(url.ptr, "http://p:9090/api/v1/query?query=a%7Bb%3D%22c%22%7D");
    buf_reset(&url);
    struct net_prom_range range = {1700000000500000000, 1700003600000000000, 60000000000};
    net_prom_range_url(&url, STR_LIT("http://p:9090"), STR_LIT("x"), &range);
    assert_string_equal(url.ptr, "http://p:9090/api/v1/query_range?query=x&start=1700000000.5"
                                 "&end=1700003600&step=60");
    buf_clear(&url);
}

static void values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t milli;
    } table[] = {
            {"0", true, 0},
            {"-1.5", true, -1500},
            {"0.0004", true, 0},
            {"0.0005", true, 1},
            {"1e+06", true, 1000000000},
            {"1.25e-2", true, 13},
            {"85899345920", true, 85899345920000},
            {"0.30000000000000004", true, 300},
            {"NaN", false, 0},
            {"+Inf", false, 0},
            {"1e300", false, 0},
            {"1e-300", true, 0},
            {"", false, 0},
            {"1x", false, 0},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[200];
        struct net_prom p;
        struct err e = {0};
        (void)snprintf(text, sizeof text,
                "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1.5,\"%"
                "s\"]}}",
                table[i].text);
        assert_int_equal(parse(text, &p, &e), 0);
        assert_int_equal(p.series[0].samples[0].valid, table[i].valid);
        if (table[i].valid)
            assert_int_equal(p.series[0].samples[0].value_milli, table[i].milli);
        assert_int_equal(p.series[0].samples[0].wall_ns, 1500000000);
    }
    (void)parse(NULL, NULL, NULL);
}

static void a_matrix(void **state)
{
    (void)state;
    struct net_prom p;
    struct err e = {0};
    assert_int_equal(
            parse("{\"status\":\"success\",\"warnings\":[\"slow\"],\"data\":{\"resultType\":"
                  "\"matrix\",\"result\":[{\"metric\":{\"pod\":\"b\",\"__name__\":\"m\"},"
                  "\"values\":[[1700000000.781,\"1\"],[1700000060.781,\"2.5\"]]}]}}",
                    &p, &e),
            0);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.series[0].sample_count, 2);
    assert_int_equal(p.series[0].samples[0].wall_ns, 1700000000781000000);
    assert_int_equal(p.series[0].samples[1].value_milli, 2500);
    assert_true(str_eq_c(p.series[0].labels[0].name, "__name__"));
    assert_true(str_eq_c(net_prom_label_get(&p.series[0], "pod"), "b"));
    assert_int_equal(net_prom_label_get(&p.series[0], "x").len, 0);
    assert_int_equal(p.warning_count, 1);
    (void)parse(NULL, NULL, NULL);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        const char *words;
    } table[] = {
            {"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}",
                    -EREMOTEIO, "Prometheus answered bad_data: parse error"},
            /* asked for less, these may be answered */
            {"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"exceeded maximum "
             "resolution of 11,000 points per timeseries\"}",
                    -EMSGSIZE, "exceeded maximum resolution"},
            {"{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"query processing would "
             "load too many samples into memory in query execution\"}",
                    -EMSGSIZE, "too many samples"},
            {"{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out\"}",
                    -EMSGSIZE, "query timed out"},
            {"<html>", -EINVAL, "not JSON at byte 0"},
            {"{}", -EINVAL, "no answer of Prometheus' query API"},
            {"{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"a\"]}}",
                    -EINVAL, "result type 'string'"},
            {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{"
             "\"a\":"
             "\"1\",\"a\":\"2\"},\"value\":[1,\"1\"]}]}}",
                    -EINVAL, "label twice"},
            {"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{"
             "},"
             "\"values\":[[2,\"1\"],[1,\"1\"]]}]}}",
                    -EINVAL, "not in order"},
            {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{"
             "},"
             "\"value\":[1e99,\"1\"]}]}}",
                    -EINVAL, "time is out of range"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct net_prom p;
        struct err e = {0};
        assert_int_equal(parse(table[i].text, &p, &e), table[i].code);
        if (strstr(e.text, table[i].words) == NULL)
            fail_msg("'%s' does not say '%s'", e.text, table[i].words);
    }
    (void)parse(NULL, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(urls),
            cmocka_unit_test(values),
            cmocka_unit_test(a_matrix),
            cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
