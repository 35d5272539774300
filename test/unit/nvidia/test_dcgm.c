/* Scrapes of dcgm-exporter: real forms, both label generations, readings that are none, bad lines.
 */
#include "test.h"

#include "base/buf.h"
#include "nvidia/dcgm.h"

#include <errno.h>
#include <string.h>

static const char scrape[] =
        "# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).\n"
        "# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n"
        "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-a\",pci_bus_id=\"00000000:07:00.0\","
        "device=\"nvidia0\",modelName=\"NVIDIA A100-SXM4-40GB\",Hostname=\"n1\","
        "container=\"main\",namespace=\"ml\",pod=\"train-0\"} 37\n"
        "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-a\",Hostname=\"n1\",container=\"main\","
        "namespace=\"ml\",pod=\"train-0\"} 21012 1767225600000\n"
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu=\"1\",UUID=\"GPU-b\",GPU_I_PROFILE=\"1g.5gb\","
        "GPU_I_ID=\"7\",hostname=\"n1\"} 0.123456\n"
        "DCGM_FI_PROF_SM_ACTIVE{gpu=\"1\",UUID=\"GPU-b\",GPU_I_PROFILE=\"1g.5gb\",GPU_I_ID=\"7\","
        "hostname=\"n1\"} 1.2e-05\n"
        "DCGM_FI_DEV_POWER_USAGE{gpu=\"1\",UUID=\"GPU-b\"} 61.5\n"
        "\n"
        "DCGM_FI_DEV_GPU_UTIL{gpu=\"2\",UUID=\"GPU-c\",pod=\"exporter\",namespace=\"mon\","
        "exported_pod=\"a\\\"b\\\\\",exported_namespace=\"ml\",vgpu=\"3\",} 1e2\r\n";

static void test_real_forms(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct nvidia_dcgm s;
    struct err e = {0};
    if (nvidia_dcgm_parse(a, str_from(scrape), &s, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.ignored_lines, 1);
    const struct nvidia_dcgm_row *r = &s.rows[0];
    assert_int_equal(r->valid, 1u << NVIDIA_DCGM_GPU_UTIL | 1u << NVIDIA_DCGM_FB_USED);
    assert_int_equal(r->value[NVIDIA_DCGM_GPU_UTIL], 370);
    assert_int_equal(r->value[NVIDIA_DCGM_FB_USED], 21012);
    assert_true(r->timestamp_ms == INT64_C(1767225600000));
    assert_int_equal(r->gi_id, NVIDIA_DCGM_NO_INSTANCE);
    assert_true(str_eq_c(r->model, "NVIDIA A100-SXM4-40GB") && str_eq_c(r->host, "n1"));
    assert_true(str_eq_c(r->pod, "train-0") && str_eq_c(r->pod_namespace, "ml"));
    r = &s.rows[1];
    assert_int_equal(r->gi_id, 7);
    assert_true(str_eq_c(r->gi_profile, "1g.5gb"));
    assert_int_equal(r->value[NVIDIA_DCGM_GR_ENGINE_ACTIVE], 123);
    assert_int_equal(r->value[NVIDIA_DCGM_SM_ACTIVE], 0);
    assert_int_equal(r->valid, 1u << NVIDIA_DCGM_GR_ENGINE_ACTIVE | 1u << NVIDIA_DCGM_SM_ACTIVE);
    r = &s.rows[2];
    assert_true(str_eq_c(r->pod, "a\"b\\") && str_eq_c(r->pod_namespace, "ml"));
    assert_true(str_eq_c(r->vgpu, "3"));
    assert_int_equal(r->value[NVIDIA_DCGM_GPU_UTIL], 1000);
    arena_free(a);
}

/* The value of one GPU_UTIL (permille) or GR_ENGINE (permille) line; -1 = not a reading. */
static int one_value(enum nvidia_dcgm_metric m, const char *number)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct nvidia_dcgm s;
    struct err e = {0};
    const char *line =
            arena_printf(a, "%s{gpu=\"0\",UUID=\"u\"} %s", nvidia_dcgm_metric_name(m), number);
    if (nvidia_dcgm_parse(a, str_from(line), &s, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(s.count, 1);
    return s.rows[0].valid >> m & 1 ? (int)s.rows[0].value[m] : -1;
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        enum nvidia_dcgm_metric metric;
        const char *number;
        int want;
    } cases[] = {
            {NVIDIA_DCGM_GPU_UTIL, "0", 0},
            {NVIDIA_DCGM_GPU_UTIL, "-0", 0},
            {NVIDIA_DCGM_GPU_UTIL, "100.04", 1000},
            {NVIDIA_DCGM_GPU_UTIL, "101", -1},
            {NVIDIA_DCGM_GPU_UTIL, "-1", -1},
            {NVIDIA_DCGM_GPU_UTIL, "NaN", -1},
            {NVIDIA_DCGM_GPU_UTIL, "+Inf", -1},
            {NVIDIA_DCGM_GPU_UTIL, "-Inf", -1},
            {NVIDIA_DCGM_GPU_UTIL, "0.05", 1},
            {NVIDIA_DCGM_GPU_UTIL, "0.0499999999999999999999", 0},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, ".5", 500},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "1.", 1000},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "1.0004", 1000},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "1.001", -1},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "9.99e-1", 999},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "1e-900", 0},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "1e+900", -1},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "0e900", 0},
            {NVIDIA_DCGM_GR_ENGINE_ACTIVE, "0.00000000000000000000000000001e29", 1000},
            {NVIDIA_DCGM_FB_USED, "2147483632", -1}, /* DCGM's "blank" */
            {NVIDIA_DCGM_FB_USED, "18446744073709551615", -1},
            {NVIDIA_DCGM_FB_USED, "80995.5", 80996},
            {NVIDIA_DCGM_XID, "79", 79},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int have = one_value(cases[i].metric, cases[i].number);
        if (have != cases[i].want)
            fail_msg("%s: %d, expected %d", cases[i].number, have, cases[i].want);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"DCGM_FI_DEV_GPU_UTIL 5\n", "line 1: label gpu: '': expected an index, 0 to 1023"},
            {"\n# x\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 5\n", "line 3: label UUID: expected one"},
            {"DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"u\",GPU_I_ID=\"x\"} 5\n",
                    "line 1: label GPU_I_ID: 'x': expected a number, 0 to 255"},
            {"a{b=\"1\",b=\"2\"} 5\n", "line 1: label b is there twice"},
            {"a{b=\"1\" c=\"2\"} 5\n", "line 1: expected ',' or '}' after label b"},
            {"a{b=1} 5\n", "line 1: label b: expected a quoted value"},
            {"a{b=\"1} 5\n", "line 1: label b: expected a quoted value"},
            {"a{b=\"\\x\"} 5\n", "line 1: label b: expected a quoted value"},
            {"a{b=\"1\" 5\n", "line 1: expected ',' or '}' after label b"},
            {"a{b=\"1\",\n", "line 1: labels without '}'"},
            {"a{=\"1\"} 5\n", "line 1: expected a label, NAME=\"VALUE\""},
            {"5a 5\n", "line 1: expected a metric name"},
            {"a\n", "line 1: a: expected a value"},
            {"a five\n", "line 1: a: 'five': expected a number"},
            {"a 0x10\n", "line 1: a: '0x10': expected a number"},
            {"a 1e\n", "line 1: a: '1e': expected a number"},
            {"a 5 then\n", "line 1: 'then': expected a timestamp in milliseconds"},
            {"a 5 6 7\n", "line 1: '6 7': expected a timestamp in milliseconds"},
            {"\xff 5\n", "line 1: not UTF-8 text"},
            {"DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"u\"} NaN\n"
             "DCGM_FI_DEV_GPU_UTIL{UUID=\"u\",gpu=\"0\"} 5\n",
                    "line 2: DCGM_FI_DEV_GPU_UTIL of this GPU and pod is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        struct nvidia_dcgm s = {.count = 77};
        struct err e = {0};
        assert_int_equal(nvidia_dcgm_parse(a, str_from(cases[i].text), &s, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].want);
        assert_int_equal(s.count, 77);
        arena_free(a);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(1 << 20);
    struct nvidia_dcgm s;
    struct err e = {0};
    buf_puts(&text, "a{");
    for (int i = 0; i < 65; i++)
        buf_printf(&text, "l%d=\"\",", i);
    buf_puts(&text, "} 1\n");
    assert_int_equal(nvidia_dcgm_parse(a, buf_str(&text), &s, &e), -E2BIG);
    assert_string_equal(e.text, "line 1: more than 64 labels");
    buf_reset(&text);
    for (int i = 0; i < NVIDIA_DCGM_LINE_MAX + 1; i++)
        buf_putc(&text, '#');
    assert_int_equal(nvidia_dcgm_parse(a, buf_str(&text), &s, &e), -E2BIG);
    assert_string_equal(e.text, "line 1: over 16384 bytes");
    buf_clear(&text);
    assert_int_equal(nvidia_dcgm_parse(a, STR_LIT(""), &s, NULL), 0);
    assert_int_equal(s.count, 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_real_forms),
            cmocka_unit_test(test_numbers),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
