/* base/civil: dates and durations as text. */
#include "test.h"

#include "base/civil.h"
#include "base/num.h"

#include <errno.h>

static void knows_some_days(void **state)
{
    (void)state;
    struct civil c = civil_from_ns(0);
    assert_int_equal(c.year, 1970);
    assert_int_equal(c.weekday, 4);
    c = civil_from_ns(-1);
    assert_int_equal(c.year, 1969);
    assert_int_equal(c.month, 12);
    assert_int_equal(c.day, 31);
    assert_int_equal(c.second, 59);
    assert_int_equal(c.weekday, 3);
    c = civil_from_ns(INT64_C(951782400) * NUM_NS_PER_SECOND);
    assert_int_equal(c.month, 2);
    assert_int_equal(c.day, 29);
    assert_int_equal(c.weekday, 2);
    assert_true(civil_to_ns(&c) == INT64_C(951782400) * NUM_NS_PER_SECOND);
    char text[32];
    assert_string_equal(civil_format(INT64_MAX, text), "2262-04-11T23:47:16Z");
    assert_string_equal(civil_format(INT64_MIN, text), "1677-09-21T00:12:43Z");
}

static void reads_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
        int64_t below_second_ns;
    } cases[] = {
            {"2026-11-22T18:14:00Z", "2026-11-22T18:14:00Z", 0},
            {"2026-11-22t18:14:00.5z", "2026-11-22T18:14:00Z", 500000000},
            {"2026-11-22 18:14:00.123456789Z", "2026-11-22T18:14:00Z", 123456789},
            {"2026-11-22T18:14:00+05:30", "2026-11-22T12:44:00Z", 0},
            {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z", 0},
            {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", 0},
            {"2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16Z", 854775807},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = 0;
        struct err e = {0};
        char text[32];
        assert_int_equal(civil_parse(str_from(cases[i].text), &ns, &e), 0);
        assert_string_equal(civil_format(ns, text), cases[i].want);
        assert_int_equal(ns % NUM_NS_PER_SECOND, cases[i].below_second_ns);
    }
}

static void refuses_times(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "2026-11-22", "2026-11-22T18:14:00",
            "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-22T24:00:00Z",
            "2026-11-22T18:60:00Z", "2026-11-22T18:14:60Z", "2026-11-22T18:14:00.Z",
            "2026-11-22T18:14:00.1234567890Z", "2026-11-22T18:14:00+24:00",
            "2026-11-22T18:14:00+0530", "2026-11-22T18:14:00Zx", "26-11-22T18:14:00Z",
            "2026-1-2T18:14:00Z", "-026-11-22T18:14:00Z"};
    int64_t ns = 5;
    struct err e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(civil_parse(str_from(bad[i]), &ns, &e), -EINVAL);
    assert_string_equal(e.text, "'-026-11-22T18:14:00Z': expected a time such as "
                                "2026-11-22T18:14:00Z (RFC 3339)");
    static const char *const far[] = {"2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43Z",
            "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        assert_int_equal(civil_parse(str_from(far[i]), &ns, &e), -ERANGE);
    assert_int_equal(ns, 5);
}

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int r;
        int64_t ms;
        const char *formatted;
    } cases[] = {
            {"90s", 0, 90000, "1m30s"},
            {"15m", 0, 900000, "15m"},
            {"2h30m", 0, 9000000, "2h30m"},
            {"1d", 0, 86400000, "1d"},
            {"36h", 0, 129600000, "1d12h"},
            {"0s", 0, 0, "0s"},
            {"0d0ms", 0, 0, "0s"},
            {"250ms", 0, 250, "250ms"},
            {"1d2h3m4s5ms", 0, 93784005, "1d2h3m4s5ms"},
            {"36500d", 0, INT64_C(36500) * 86400000, "36500d"},
            {"36500d1ms", -ERANGE, 0, NULL},
            {"99999999999999999999d", -ERANGE, 0, NULL},
            {"9223372036854775807s", -ERANGE, 0, NULL},
            {"", -EINVAL, 0, NULL},
            {"5", -EINVAL, 0, NULL},
            {"s", -EINVAL, 0, NULL},
            {"-5s", -EINVAL, 0, NULL},
            {"1.5h", -EINVAL, 0, NULL},
            {"1h 5m", -EINVAL, 0, NULL},
            {"5m2h", -EINVAL, 0, NULL},
            {"5m5m", -EINVAL, 0, NULL},
            {"5y", -EINVAL, 0, NULL},
            {"5S", -EINVAL, 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = 5;
        struct err e = {0};
        char text[40];
        assert_int_equal(civil_parse_duration(str_from(cases[i].text), &ns, &e), cases[i].r);
        if (cases[i].r < 0) {
            assert_int_equal(ns, 5);
            continue;
        }
        assert_true(ns == cases[i].ms * 1000000);
        assert_string_equal(civil_format_duration(ns, text), cases[i].formatted);
    }
}

static void formats_any_duration(void **state)
{
    (void)state;
    char text[40];
    assert_string_equal(civil_format_duration(999999, text), "0s");
    assert_string_equal(civil_format_duration(-1500000000, text), "-1s500ms");
    assert_string_equal(civil_format_duration(INT64_MIN, text), "-106751d23h47m16s854ms");
    assert_string_equal(civil_format_duration(INT64_MAX, text), "106751d23h47m16s854ms");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(knows_some_days),
            cmocka_unit_test(reads_times),
            cmocka_unit_test(refuses_times),
            cmocka_unit_test(reads_durations),
            cmocka_unit_test(formats_any_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
