/* The three forms of a result: each shows every number, and the page is safe and self-contained. */
#include "report/html.h"
#include "report/json.h"
#include "report/table.h"
#include "sample.h"
#include "test.h"

#include "base/doc.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

static void test_json_keys(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    report_json_write(&r, &out);
    struct arena *a = arena_new(0);
    struct err e = {0};
    const struct doc *d = NULL;
    assert_int_equal(doc_parse_json(a, buf_str(&out), out.len, &d, &e), 0);
    static const char *const keys[] = {"scenario", "seed", "caps", "before", "after", "baselines",
            "bound", "blocked_saving_usd_per_day", "decisions", "violations", "steps", "run"};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(doc_get(d, keys[i]));
    const struct doc *after = doc_get(d, "after");
    assert_true(str_eq_c(doc_get(after, "gpus_provisioned_mean")->text, "6.5"));
    assert_true(str_eq_c(doc_get(after, "cost_usd_per_day")->text, "455"));
    const struct doc *harm = doc_get(after, "harm");
    assert_int_equal(doc_get(harm, "memory_kills")->integer, 3);
    assert_true(str_eq_c(doc_get(harm, "overloaded_sample_percent")->text, "0.5"));
    assert_true(str_eq_c(doc_get(harm, "latency_violation_percent")->text, "0.25"));
    assert_int_equal(doc_get(harm, "pending_seconds_p95")->integer, 61);
    assert_non_null(doc_get(doc_get(d, "baselines"), "static_timeslicing_x4"));
    assert_int_equal(doc_get(doc_get(d, "bound"), "actual")->kind, DOC_NULL);
    (void)arena_free(a);
    buf_clear(&out);
}

/* Only "run" may differ between two runs: everything before it must not hold what was measured. */
static void test_json_run_is_apart(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
    report_json_write(&r, &one);
    r.wall_time_ns = 99;
    r.peak_rss_mib = 4000;
    report_json_write(&r, &two);
    const char *mark = strstr(one.ptr, "\"run\": {");
    assert_non_null(mark);
    assert_memory_equal(one.ptr, two.ptr, (size_t)(mark - one.ptr));
    buf_clear(&one);
    buf_clear(&two);
}

static void test_html_is_safe_and_alone(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 22);
    report_html_write(&r, &out);
    assert_false(out.overflow);
    assert_null(strstr(out.ptr, "<script>alert"));
    assert_non_null(strstr(out.ptr, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_null(strstr(out.ptr, "node<1>"));
    assert_non_null(strstr(out.ptr, "peak &lt;99&gt; &amp; &quot;more&quot;"));
    assert_null(strstr(out.ptr, "http:"));
    assert_null(strstr(out.ptr, "https:"));
    assert_null(strstr(out.ptr, "src="));
    assert_null(strstr(out.ptr, "@import"));
    assert_non_null(strstr(out.ptr, "prefers-color-scheme:dark"));
    assert_non_null(strstr(out.ptr, "guard-memory"));
    buf_clear(&out);
}

static void test_table_fits_100_columns(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    report_table_write(&r, false, &out);
    struct str rest = buf_str(&out), line;
    while (rest.len > 0 && str_split(&rest, '\n', &line))
        assert_in_range(line.len, 0, 100);
    assert_non_null(strstr(out.ptr, "-35.0 %"));
    assert_non_null(strstr(out.ptr, "time-slicing x4"));
    assert_null(strstr(out.ptr, "\033"));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_json_keys),
            cmocka_unit_test(test_json_run_is_apart),
            cmocka_unit_test(test_html_is_safe_and_alone),
            cmocka_unit_test(test_table_fits_100_columns),
    };
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
