/* web/metrics: what is written is what Prometheus reads; promtool has the last word where it is. */
#include "test.h"

#include "web/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_families_samples_and_escapes(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 16);
    struct web_metrics m = {.out = &out};
    web_metrics_family(&m, WEB_GAUGE, "slicewright_gpus", "GPUs by \"use\".\nC:\\gpu");
    web_metrics_sample(&m, NULL, 40, 0);
    web_metrics_sample(
            &m, (const char *const[]){"use", "a\"b\\c\nd", "model", "A100", NULL}, -5, 2);
    web_metrics_family(&m, WEB_COUNTER, "slicewright_api_requests_total", "Requests.");
    web_metrics_sample(&m, (const char *const[]){NULL}, INT64_MAX, 6);
    assert_string_equal(out.ptr, "# HELP slicewright_gpus GPUs by \"use\".\\nC:\\\\gpu\n"
                                 "# TYPE slicewright_gpus gauge\n"
                                 "slicewright_gpus 40\n"
                                 "slicewright_gpus{use=\"a\\\"b\\\\c\\nd\",model=\"A100\"} -0.05\n"
                                 "# HELP slicewright_api_requests_total Requests.\n"
                                 "# TYPE slicewright_api_requests_total counter\n"
                                 "slicewright_api_requests_total 9223372036854.775807\n");
    buf_clear(&out);
}

static void put_histogram(struct buf *out)
{
    static const int64_t bounds[] = {1, 10, 100};
    static const uint64_t counts[] = {2, 0, 5, 1};
    const struct web_histogram h = {
            .decimals = 3, .bucket_count = 3, .bounds = bounds, .counts = counts, .sum = 1234};
    struct web_metrics m = {.out = out};
    web_metrics_family(&m, WEB_HISTOGRAM, "slicewright_loop_seconds", "Time of a loop.");
    web_metrics_histogram(&m, (const char *const[]){"part", "core", NULL}, &h);
    web_metrics_histogram(&m, NULL, &h);
}

static void test_buckets_add_up(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 16);
    put_histogram(&out);
    assert_string_equal(out.ptr, "# HELP slicewright_loop_seconds Time of a loop.\n"
                                 "# TYPE slicewright_loop_seconds histogram\n"
                                 "slicewright_loop_seconds_bucket{part=\"core\",le=\"0.001\"} 2\n"
                                 "slicewright_loop_seconds_bucket{part=\"core\",le=\"0.01\"} 2\n"
                                 "slicewright_loop_seconds_bucket{part=\"core\",le=\"0.1\"} 7\n"
                                 "slicewright_loop_seconds_bucket{part=\"core\",le=\"+Inf\"} 8\n"
                                 "slicewright_loop_seconds_sum{part=\"core\"} 1.234\n"
                                 "slicewright_loop_seconds_count{part=\"core\"} 8\n"
                                 "slicewright_loop_seconds_bucket{le=\"0.001\"} 2\n"
                                 "slicewright_loop_seconds_bucket{le=\"0.01\"} 2\n"
                                 "slicewright_loop_seconds_bucket{le=\"0.1\"} 7\n"
                                 "slicewright_loop_seconds_bucket{le=\"+Inf\"} 8\n"
                                 "slicewright_loop_seconds_sum 1.234\n"
                                 "slicewright_loop_seconds_count 8\n");
    buf_clear(&out);
}

static void test_what_is_no_utf8_is_cut(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 16);
    struct web_metrics m = {.out = &out};
    web_metrics_family(&m, WEB_GAUGE, "a", "A.");
    buf_reset(&out);
    web_metrics_sample(&m, (const char *const[]){"k", "ok\xff", NULL}, 1, 0);
    assert_string_equal(out.ptr, "a{k=\"ok\"} 1\n");
    buf_clear(&out);
}

/* The folder of promtool, "" when it is not here. */
static void promtool_find(char *ret_path, size_t size)
{
    char command[512];
    const char *root = getenv("SLICEWRIGHT_ROOT");
    (void)snprintf(command, sizeof command, "%s/tools/prometheus --check 2>/dev/null",
            root != NULL ? root : ".");
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c): a fixed command of ours */
    assert_non_null(f);
    if (fgets(ret_path, (int)size, f) == NULL)
        ret_path[0] = '\0';
    ret_path[strcspn(ret_path, "\n")] = '\0';
    (void)pclose(f);
}

static void test_promtool_finds_nothing(void **state)
{
    (void)state;
    char folder[256] = "";
    char command[300];
    promtool_find(folder, sizeof folder);
    if (folder[0] == '\0') {
        print_message("# promtool is not here: tools/prometheus fetches it\n");
        skip();
    }
    struct buf out = BUF_INIT(1 << 16);
    struct web_metrics m = {.out = &out};
    web_metrics_family(&m, WEB_COUNTER, "slicewright_writes_total", "Writes.");
    web_metrics_sample(&m, (const char *const[]){"why", "\"\\\n\xc3\xa9", NULL}, 7, 0);
    put_histogram(&out);
    (void)snprintf(command, sizeof command, "%s/promtool check metrics", folder);
    FILE *f = popen(command, "w"); /* NOLINT(cert-env33-c) */
    assert_non_null(f);
    assert_int_equal(fwrite(out.ptr, 1, out.len, f), out.len);
    assert_int_equal(pclose(f), 0);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_families_samples_and_escapes),
            cmocka_unit_test(test_buckets_add_up),
            cmocka_unit_test(test_what_is_no_utf8_is_cut),
            cmocka_unit_test(test_promtool_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
