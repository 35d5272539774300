/* base/str, base/civil, base/prng: numbers, times and durations against the libc, 128-bit sums and
 * their own inverse. */
#include "test.h"

#include "base/civil.h"
#include "base/num.h"
#include "base/prng.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 2000 };

/* A number with as many bits as a draw says, so that small and huge ones both come up. */
static uint64_t any_u64(struct prng *p)
{
    return prng_u64(p) >> prng_below(p, 64);
}

static int64_t any_i64(struct prng *p)
{
    uint64_t magnitude = any_u64(p) & INT64_MAX;
    return prng_chance_ppm(p, 500000) ? -(int64_t)magnitude : (int64_t)magnitude;
}

static void integers_come_back(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[32];
        uint64_t u = any_u64(&p);
        uint64_t u_back = 0;
        (void)snprintf(text, sizeof text, "%" PRIu64, u);
        assert_int_equal(str_to_u64(str_from(text), u, u, &u_back), 0);
        assert_true(u == u_back);
        int64_t n = any_i64(&p);
        int64_t n_back = 0;
        (void)snprintf(text, sizeof text, "%" PRId64, n);
        assert_int_equal(str_to_i64(str_from(text), n, n, &n_back), 0);
        assert_true(n == n_back);
    }
}

/* What the digits of `text` mean, in 128 bits; the text has at most 30 digits. */
static int fixed_exactly(const char *text, unsigned decimals, int64_t *ret_value)
{
    bool negative = *text == '-';
    unsigned kept = 0;
    bool after_point = false;
    __int128 value = 0;
    for (text += negative; *text != '\0'; text++) {
        if (*text == '.') {
            after_point = true;
            continue;
        }
        if (after_point && kept == decimals) {
            if (*text != '0')
                return -EINVAL;
            continue;
        }
        kept += after_point;
        value = value * 10 + (*text - '0');
    }
    for (; kept < decimals; kept++)
        value *= 10;
    value = negative ? -value : value;
    if (value < INT64_MIN || value > INT64_MAX)
        return -ERANGE;
    *ret_value = (int64_t)value;
    return 0;
}

static void decimals_are_exact(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[64];
        size_t len = 0;
        if (prng_chance_ppm(&p, 300000))
            text[len++] = '-';
        uint64_t whole = prng_below(&p, 19) + 1;
        for (uint64_t d = 0; d < whole; d++)
            text[len++] = (char)('0' + prng_below(&p, 10));
        uint64_t fraction = prng_below(&p, 11);
        if (fraction > 0)
            text[len++] = '.';
        for (uint64_t d = 0; d < fraction; d++)
            text[len++] = prng_chance_ppm(&p, 400000) ? '0' : (char)('0' + prng_below(&p, 10));
        text[len] = '\0';
        unsigned decimals = (unsigned)prng_below(&p, 10);
        int64_t want = 0;
        int64_t have = 0;
        int want_r = fixed_exactly(text, decimals, &want);
        int have_r = str_to_fixed(str_from(text), decimals, INT64_MIN, INT64_MAX, &have);
        /* A text that is both inexact and too large may be refused for either. */
        assert_true(have_r == want_r || (have_r < 0 && want_r < 0));
        assert_true(have == want);
    }
}

static void decimals_come_back(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[STR_FIXED_BYTES];
        int64_t value = any_i64(&p);
        unsigned decimals = (unsigned)prng_below(&p, 10);
        int64_t back = 0;
        str_format_fixed(value, decimals, text);
        assert_int_equal(str_to_fixed(str_from(text), decimals, value, value, &back), 0);
        assert_true(back == value);
    }
}

static void times_agree_with_libc(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t ns = prng_chance_ppm(&p, 500000) ? (int64_t)prng_u64(&p) : any_i64(&p);
        struct civil c = civil_from_ns(ns);
        time_t seconds = (time_t)(ns / NUM_NS_PER_SECOND - (ns % NUM_NS_PER_SECOND < 0));
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(c.weekday, tm.tm_wday);
        char text[32];
        char want[64];
        assert_true(strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
        assert_string_equal(civil_format(ns, text), want);
        if (seconds < INT64_MIN / NUM_NS_PER_SECOND)
            continue; /* the second in which int64 begins is not whole */
        assert_true(timegm(&tm) == seconds);
        assert_true(civil_to_ns(&c) == seconds * NUM_NS_PER_SECOND);
        int64_t back = 0;
        assert_int_equal(civil_parse(str_from(text), &back, NULL), 0);
        assert_true(back == seconds * NUM_NS_PER_SECOND);
    }
}

static void durations_come_back(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t ms = (int64_t)(any_u64(&p) % (UINT64_C(36500) * 86400000 + 1));
        char text[40];
        int64_t back = -1;
        civil_format_duration(ms * 1000000, text);
        assert_int_equal(civil_parse_duration(str_from(text), &back, NULL), 0);
        assert_true(back == ms * 1000000);
    }
}

/* Below 3 * 2^62, taking the high word of a product alone would give every third number twice as
 * often as the others: four draws share three results. */
static void bounds_are_unbiased(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    unsigned seen[3] = {0};
    for (unsigned i = 0; i < 30000; i++)
        seen[prng_below(&p, UINT64_C(3) << 62) % 3]++;
    for (unsigned i = 0; i < 3; i++)
        assert_true(seen[i] > 9500 && seen[i] < 10500); /* six standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(integers_come_back, 20),
            TEST_PROP(decimals_are_exact, 40),
            TEST_PROP(decimals_come_back, 20),
            TEST_PROP(times_agree_with_libc, 40),
            TEST_PROP(durations_come_back, 20),
            TEST_PROP(bounds_are_unbiased, 10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
