/* The three forms of a result: each shows every number, and the page is safe and self-contained. */
#include "report/html.h"
#include "report/json.h"
#include "report/table.h"
#include "test.h"

#include "base/doc.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

static const struct report_point points[] = {
        {0, 10000, 9000, 700, 30000000},
        {NUM_NS_PER_HOUR, 12000, 11000, 900, 36000000},
        {2 * NUM_NS_PER_HOUR, 8000, 8000, 400, 24000000},
};

static struct report_run make_run(const char *key, const char *title, int64_t gpus_milli)
{
    return (struct report_run){
            .key = key,
            .title = title,
            .gpus_provisioned_mean_milli = gpus_milli,
            .gpus_provisioned_max = 12,
            .gpus_requested_mean_milli = 9333,
            .gpus_used_mean_milli = 667,
            .cost_microusd_per_day = gpus_milli * 70000,
            .harm = {.memory_kills = 3,
                    .overloaded_samples = 5,
                    .gpu_samples = 1000,
                    .latency_violations = 1,
                    .latency_samples = 400,
                    .evictions = 7,
                    .pending_ns_p95 = 61 * NUM_NS_PER_SECOND,
                    .neighbours_lost = 2},
            .point_count = 3,
            .points = points,
    };
}

/* A result with hostile names, so that escaping is seen. */
static struct report_result make_result(void)
{
    static const struct report_map_slot slots[] = {
            {.start = 4,
                    .size = 4,
                    .profile = {"3g.20gb", 7},
                    .pod_count = 1,
                    .pods = {"<script>alert(1)</script>", 25},
                    .busy_permille = 420,
                    .memory_used_mib = 5000,
                    .memory_total_mib = 20096},
            {.start = 0, .size = 1, .profile = {"1g.5gb", 6}},
    };
    static const struct report_map_gpu map[] = {
            {.cluster = {"c\"1", 3},
                    .node = {"node<1>", 7},
                    .model = {"A100-40GB", 9},
                    .mode = {"MIG", 3},
                    .replicas = 1,
                    .units = 8,
                    .slot_count = 2,
                    .slots = slots},
    };
    static const struct core_decision log[] = {
            {.seq = 1,
                    .wall_ns = NUM_NS_PER_HOUR,
                    .change = CORE_CHANGE_SHARE,
                    .verdict = CORE_VERDICT_REFUSED,
                    .reason = CORE_REASON_GUARD_MEMORY,
                    .text = {"peak <99> & \"more\"", 18},
                    .saving_microusd_per_hour = 1500000},
    };
    struct report_result r = {
            .scenario = STR_LIT("a <b> & \"c\""),
            .caps = STR_LIT("operator"),
            .policy = STR_LIT("balanced"),
            .seed = UINT64_MAX,
            .duration_ns = 7 * 24 * NUM_NS_PER_HOUR,
            .before = make_run("before", "one GPU a pod", 10000),
            .after = make_run("after", "Slicewright", 6500),
            .baseline_count = 2,
            .bound_policy = {true, 5000, 350000000},
            .decisions = 1,
            .steps = 42,
            .log_count = 1,
            .log = log,
            .map_count = 1,
            .map = map,
            .wall_time_ns = 1234567890,
            .peak_rss_mib = 17,
    };
    r.baselines[0] = make_run("one_gpu_a_pod", "one GPU a pod", 10000);
    r.baselines[1] = make_run("static_timeslicing_x4", "time-slicing x4", 4000);
    return r;
}

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
