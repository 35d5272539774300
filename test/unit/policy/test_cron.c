/* Cron fields, windows in time, overlap: hand-made cases. */
#include "test.h"

#include "base/civil.h"
#include "base/num.h"
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

static int64_t at(const char *text)
{
    int64_t ns = 0;
    assert_int_equal(civil_parse(str_from(text), &ns, NULL), 0);
    return ns;
}

static struct policy_window window(const char *cron, int64_t hours)
{
    struct policy_window w = {0};
    struct err e = {0};
    if (policy_cron_parse(str_from(cron), &w, &e) < 0)
        fail_msg("%s: %s", cron, e.text);
    w.duration_ns = hours * NUM_NS_PER_HOUR;
    return w;
}

static void test_fields(void **state)
{
    (void)state;
    struct policy_window w = window("0,30 2-4 1,15-16 */3 mon-fri", 1);
    assert_true(w.minutes == (UINT64_C(1) | UINT64_C(1) << 30));
    assert_int_equal(w.hours, 1u << 2 | 1u << 3 | 1u << 4);
    assert_int_equal(w.days_of_month, 1u << 1 | 1u << 15 | 1u << 16);
    assert_int_equal(w.months, 1u << 1 | 1u << 4 | 1u << 7 | 1u << 10);
    assert_int_equal(w.days_of_week, 0x3e);
    assert_false(w.day_of_month_any || w.day_of_week_any);
    w = window("0 0 * * 7", 1);
    assert_int_equal(w.days_of_week, 1);
    w = window(" 5/20  0 * DEC * ", 1);
    assert_true(w.minutes == (UINT64_C(1) << 5 | UINT64_C(1) << 25 | UINT64_C(1) << 45));
    assert_int_equal(w.months, 1u << 12);
}

static void test_fields_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"", "expected five fields: minute hour day-of-month month day-of-week"},
            {"0 2 * *", "expected five fields: minute hour day-of-month month day-of-week"},
            {"0 2 * * * *", "'*' follows the fifth field"},
            {"60 2 * * *", "'60' is no minute, 0 to 59"},
            {"0 24 * * *", "'24' is no hour, 0 to 23"},
            {"0 2 0 * *", "'0' is no day of month, 1 to 31"},
            {"0 2 * 13 *", "'13' is no month, 1 to 12"},
            {"0 2 * * 8", "'8' is no day of week, 0 to 7"},
            {"0 5-2 * * *", "hour '5-2' runs backwards"},
            {"*/0 2 * * *", "'0' is no step of minute, 1 to 59"},
            {"0 2 * * monday", "'monday' is no day of week, 0 to 7"},
            {"0,,1 2 * * *", "'' is no minute, 0 to 59"},
            {"-1 2 * * *", "'' is no minute, 0 to 59"},
            {"*/5 * * * *", "more than 48 starts a day"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct policy_window w = {.minutes = 99};
        struct err e = {0};
        assert_int_equal(policy_cron_parse(str_from(cases[i].text), &w, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].want);
        assert_int_equal(w.minutes, 99);
    }
}

static void test_window_at(void **state)
{
    (void)state;
    struct policy p = {.windows = {window("0 22 * * sat", 6)}, .window_count = 1};
    int64_t start = 0;
    int64_t end = 0;
    /* 2026-03-02 is a Monday. */
    assert_int_equal(policy_window_at(&p, at("2026-03-02T00:00:00Z"), &start, &end), 0);
    assert_true(start == at("2026-03-07T22:00:00Z") && end == at("2026-03-08T04:00:00Z"));
    assert_int_equal(policy_window_at(&p, start, &start, &end), 1);
    assert_int_equal(policy_window_at(&p, at("2026-03-08T03:59:59Z"), &start, &end), 1);
    assert_true(start == at("2026-03-07T22:00:00Z"));
    assert_int_equal(policy_window_at(&p, end, &start, &end), 0);
    assert_true(start == at("2026-03-14T22:00:00Z"));

    p.windows[0] = window("0 0 29 2 *", 1);
    assert_int_equal(policy_window_at(&p, at("2026-03-02T00:00:00Z"), &start, &end), -ENOENT);
    assert_int_equal(policy_window_at(&p, at("2027-03-01T00:00:00Z"), &start, &end), 0);
    assert_true(start == at("2028-02-29T00:00:00Z"));
    p.window_count = 0;
    assert_int_equal(policy_window_at(&p, 0, &start, &end), -ENOENT);
}

static void test_either_day_field(void **state)
{
    (void)state;
    struct policy p = {.windows = {window("0 3 13 * fri", 1)}, .window_count = 1};
    struct policy_span spans[16];
    uint32_t count = policy_windows_expand(
            &p, at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"), spans, 16);
    assert_int_equal(count, 4); /* Fridays 6, 13, 20, 27; the 13th is one of them */
    count = policy_windows_expand(
            &p, at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"), spans, 16);
    assert_int_equal(count, 5); /* Fridays 3, 10, 17, 24 and Monday the 13th */
    assert_true(spans[2].start_ns == at("2026-04-13T03:00:00Z"));
}

static void test_overlap(void **state)
{
    (void)state;
    uint32_t a = 9;
    uint32_t b = 9;
    struct policy_window apart[] = {window("0 2 * * *", 4), window("0 6 * * *", 20)};
    assert_false(policy_windows_overlap(apart, 2, &a, &b));
    struct policy_window across[] = {window("0 23 * * fri", 6), window("0 4 * * sat", 1)};
    assert_true(policy_windows_overlap(across, 2, &a, &b));
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    struct policy_window own[] = {window("0 2,3 * * *", 2)};
    assert_true(policy_windows_overlap(own, 1, &a, &b));
    assert_true(a == 0 && b == 0);
    /* Both only on a 29 February that is a Sunday: 2032 is the next one after 2004. */
    struct policy_window rare[] = {window("0 0 29 2 *", 2), window("0 1 * feb */7", 1)};
    assert_true(policy_windows_overlap(rare, 2, &a, &b));
    /* Whole days in a row touch and do not overlap. */
    struct policy_window whole[] = {window("0 0 * * *", 24)};
    assert_false(policy_windows_overlap(whole, 1, &a, &b));
}

static void test_ends_of_time(void **state)
{
    (void)state;
    struct policy p = {.windows = {window("0 0 * * *", 24)}, .window_count = 1};
    struct policy_span spans[4];
    (void)policy_windows_expand(&p, INT64_MAX - 5, INT64_MAX, spans, 4);
    (void)policy_windows_expand(&p, INT64_MIN, INT64_MIN + 5, spans, 4);
    assert_int_equal(policy_windows_expand(&p, 0, 1, spans, 4), 1);
    assert_int_equal(spans[0].start_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fields),
            cmocka_unit_test(test_fields_refused),
            cmocka_unit_test(test_window_at),
            cmocka_unit_test(test_either_day_field),
            cmocka_unit_test(test_overlap),
            cmocka_unit_test(test_ends_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
