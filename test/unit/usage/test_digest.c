/* test/unit/usage/test_digest.c - bins, slots, counting and the forms of a digest. */
#include "test.h"

#include "base/civil.h"
#include "base/num.h"
#include "usage/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOUR NUM_NS_PER_HOUR

/* 2026-03-02 is a Monday, 2026-03-07 a Saturday. */
#define MONDAY   (INT64_C(1772409600) * NUM_NS_PER_SECOND)
#define SATURDAY (MONDAY + 5 * 24 * HOUR)

static struct usage_sample sample(int64_t wall_ns, uint32_t busy, uint32_t weight)
{
    return (struct usage_sample){
            .wall_ns = wall_ns, .busy_permille = busy, .valid = USAGE_VALID_BUSY, .weight = weight};
}

static void add(struct usage_digest *d, int64_t wall_ns, uint32_t busy, uint32_t weight)
{
    struct usage_sample s = sample(wall_ns, busy, weight);
    usage_digest_add(d, &s);
}

static void test_bins(void **state)
{
    (void)state;
    assert_int_equal(usage_bin_of(0), 0);
    assert_int_equal(usage_bin_of(1), 1);
    assert_int_equal(usage_bin_of(1000), USAGE_BINS - 1);
    assert_int_equal(usage_bin_of(UINT32_MAX), USAGE_BINS - 1);
    for (uint32_t permille = 1; permille <= 1000; permille++) {
        unsigned bin = usage_bin_of(permille);
        assert_true(permille <= usage_bin_upper(bin) && permille > usage_bin_upper(bin - 1));
        assert_true(usage_bin_middle(bin) <= usage_bin_upper(bin));
        assert_true(usage_bin_middle(bin) > usage_bin_upper(bin - 1));
    }
    assert_int_equal(usage_bin_upper(USAGE_BINS - 1), 1000);
    assert_int_equal(usage_bin_middle(0), 0);
    assert_int_equal(usage_bin_middle(3), 28);
}

static void test_slots(void **state)
{
    (void)state;
    assert_int_equal(usage_slot_of(MONDAY), 0);
    assert_int_equal(usage_slot_of(MONDAY - 1), USAGE_HOURS + 23);
    assert_int_equal(usage_slot_of(SATURDAY), USAGE_HOURS);
    assert_int_equal(usage_slot_of(SATURDAY - 1), 23);
    /* Before the epoch, and against the calendar: every 7 hours over some years around it. */
    for (int64_t wall = -20000 * HOUR; wall < 20000 * HOUR; wall += 7 * HOUR - 1) {
        struct civil c = civil_from_ns(wall);
        bool weekend = c.weekday == 0 || c.weekday == 6;
        assert_int_equal(usage_slot_of(wall), c.hour + (weekend ? USAGE_HOURS : 0));
    }
    assert_true(usage_slot_of(INT64_MIN) < USAGE_SLOTS);
    assert_true(usage_slot_of(INT64_MAX) < USAGE_SLOTS);
}

static void test_ignored(void **state)
{
    (void)state;
    static struct usage_digest d;
    static const struct usage_digest empty;
    struct usage_sample s = sample(MONDAY, 500, 0);
    usage_digest_add(&d, &s);
    s = sample(MONDAY, 500, 1);
    s.valid = 0;
    usage_digest_add(&d, &s);
    assert_memory_equal(&d, &empty, sizeof(d));

    /* A reading that is not known is not 0. */
    s.valid = USAGE_VALID_SM;
    s.sm_permille = 40;
    usage_digest_add(&d, &s);
    struct usage_histogram h;
    usage_digest_all(&d, USAGE_METRIC_BUSY, &h);
    assert_int_equal(h.total, 0);
    assert_int_equal(usage_histogram_quantile(&h, 990), 0);
    assert_int_equal(usage_histogram_mean(&h), 0);
    usage_digest_all(&d, USAGE_METRIC_SM, &h);
    assert_int_equal(h.total, 1);
    assert_int_equal(usage_histogram_quantile(&h, 990), 50);
}

static void test_queries(void **state)
{
    (void)state;
    static struct usage_digest d;
    struct usage_histogram h;
    for (unsigned i = 0; i < 10; i++)
        add(&d, MONDAY + 9 * HOUR + i, 100, 1);
    add(&d, SATURDAY + 9 * HOUR, 900, 5);
    assert_int_equal(d.first_wall_ns, MONDAY + 9 * HOUR);
    assert_int_equal(d.last_wall_ns, SATURDAY + 9 * HOUR);
    assert_int_equal(d.weight[USAGE_METRIC_BUSY], 15);

    usage_digest_slot(&d, USAGE_METRIC_BUSY, 9, &h);
    assert_int_equal(h.total, 10);
    usage_digest_slot(&d, USAGE_METRIC_BUSY, USAGE_HOURS + 9, &h);
    assert_int_equal(h.total, 5);
    usage_digest_hour(&d, USAGE_METRIC_BUSY, 9, &h);
    assert_int_equal(h.total, 15);
    assert_int_equal(usage_histogram_quantile(&h, 666), 100);
    assert_int_equal(usage_histogram_quantile(&h, 667), 950);
    assert_int_equal(usage_histogram_mean(&h), (10 * 88 + 5 * 875 + 14) / 15);
    usage_digest_hour(&d, USAGE_METRIC_BUSY, 10, &h);
    assert_int_equal(h.total, 0);

    /* Exactly half at most 0 is enough for the median. */
    h = (struct usage_histogram){.counts = {2, 1, 1}, .total = 4};
    assert_int_equal(usage_histogram_quantile(&h, 500), 0);
    assert_int_equal(usage_histogram_quantile(&h, 501), 10);
    assert_int_equal(usage_histogram_quantile(&h, 750), 10);
    assert_int_equal(usage_histogram_quantile(&h, 0), 0);
}

static void test_ahead(void **state)
{
    (void)state;
    static struct usage_digest d;
    struct usage_histogram h;
    add(&d, MONDAY + 9 * HOUR, 100, 10);
    add(&d, SATURDAY + 9 * HOUR, 900, 5);
    add(&d, MONDAY + 11 * HOUR, 300, 7);

    int64_t tuesday = MONDAY + 24 * HOUR;
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday + 9 * HOUR, HOUR, 10, &h);
    assert_int_equal(h.total, 10);
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday + 9 * HOUR, HOUR, 11, &h);
    assert_int_equal(h.total, 15); /* hours of the day */
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday + 9 * HOUR, HOUR, 16, &h);
    assert_int_equal(h.total, 22); /* everything */
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday + 10 * HOUR - 1, 2 * HOUR, 1, &h);
    assert_int_equal(h.total, 17); /* 9:59 to 11:59 */
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday + 9 * HOUR, 0, 1, &h);
    assert_int_equal(h.total, 10);
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, tuesday, INT64_MAX, 1, &h);
    assert_int_equal(h.total, 22); /* a week touches all */
    usage_digest_ahead(&d, USAGE_METRIC_BUSY, INT64_MAX - 5, HOUR, 0, &h);
    assert_int_equal(h.total, 22);
    usage_digest_ahead(&d, USAGE_METRIC_SM, tuesday, HOUR, 0, &h);
    assert_int_equal(h.total, 0);
}

static void test_halving_keeps_rare_peaks(void **state)
{
    (void)state;
    static struct usage_digest d;
    add(&d, MONDAY, 1000, 1); /* once in all that time */
    for (unsigned i = 0; i < 1000; i++)
        add(&d, MONDAY, 5, USAGE_WEIGHT_MAX);
    const uint16_t *counts = d.counts[USAGE_METRIC_BUSY][0];
    assert_int_equal(counts[USAGE_BINS - 1], 1);
    assert_true(counts[1] >= UINT16_MAX / 2);
    assert_int_equal(d.weight[USAGE_METRIC_BUSY], 1000u * USAGE_WEIGHT_MAX + 1);

    /* Halved by a merge with one that never saw it. */
    static struct usage_digest other;
    other = d;
    other.counts[USAGE_METRIC_BUSY][0][USAGE_BINS - 1] = 0;
    usage_digest_merge(&d, &other);
    assert_true(counts[1] < 2 * other.counts[USAGE_METRIC_BUSY][0][1]);
    assert_int_equal(counts[USAGE_BINS - 1], 1);
    struct usage_histogram h;
    usage_digest_all(&d, USAGE_METRIC_BUSY, &h);
    assert_int_equal(usage_histogram_quantile(&h, 1000), 1000);
}

static void test_empty_forms(void **state)
{
    (void)state;
    static struct usage_digest d;
    static const struct usage_digest empty;
    struct buf bytes = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    usage_digest_encode(&empty, &bytes);
    usage_digest_format(&empty, &text);
    assert_true(bytes.len < 64);
    add(&d, MONDAY, 1, 1);
    assert_int_equal(usage_digest_decode(buf_str(&bytes), &d, NULL), 0);
    assert_memory_equal(&d, &empty, sizeof(d));
    add(&d, MONDAY, 1, 1);
    assert_int_equal(usage_digest_parse(buf_str(&text), &d, NULL), 0);
    assert_memory_equal(&d, &empty, sizeof(d));
    buf_clear(&bytes);
    buf_clear(&text);
}

/* A digest whose every count is as large as it gets still fits. */
static void test_largest_form(void **state)
{
    (void)state;
    static struct usage_digest d, back;
    memset(d.counts, 0xff, sizeof(d.counts));
    memset(d.memory.peaks, 0xff, sizeof(d.memory.peaks));
    memset(d.memory.growth, 0xff, sizeof(d.memory.growth));
    d.first_wall_ns = INT64_MIN;
    d.last_wall_ns = INT64_MAX;
    d.weight[0] = d.weight[1] = UINT64_MAX;
    d.memory.pods = d.memory.pods_aged = d.memory.pods_flat = UINT32_MAX;
    d.memory.peak_max_mib = USAGE_MEMORY_MIB_MAX;

    struct buf bytes = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    usage_digest_encode(&d, &bytes);
    usage_digest_format(&d, &text);
    assert_false(bytes.overflow);
    assert_false(text.overflow);
    assert_int_equal(usage_digest_decode(buf_str(&bytes), &back, NULL), 0);
    assert_memory_equal(&d, &back, sizeof(d));
    assert_int_equal(usage_digest_parse(buf_str(&text), &back, NULL), 0);
    assert_memory_equal(&d, &back, sizeof(d));
    buf_clear(&bytes);
    buf_clear(&text);
}

/* Packed as long as that is shorter: counts below 2^14 take two bytes at most in either form. */
static void test_shorter_form(void **state)
{
    (void)state;
    static struct usage_digest d;
    struct buf b = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    for (unsigned large = 0; large < 2; large++) {
        for (unsigned i = 0; i < USAGE_METRIC_COUNT * USAGE_SLOTS * USAGE_BINS; i++)
            (&d.counts[0][0][0])[i] = large ? 20000 : 10000;
        for (unsigned i = 0; i < USAGE_PEAK_BINS; i++)
            d.memory.peaks[i] = 10000;
        for (unsigned i = 0; i < USAGE_AGES * USAGE_GROWTH_BINS; i++)
            (&d.memory.growth[0][0])[i] = 100;
        buf_reset(&b);
        usage_digest_encode(&d, &b);
        assert_int_equal(b.ptr[5], large);
        assert_true(large ? b.len == 3710 : b.len < 3710);
    }
    buf_clear(&b);
}

/* Digests outlive the program that wrote them: this text must stay readable and be written so. */
static void test_version_1(void **state)
{
    (void)state;
    static const char text[] = "U1dVRAEAAKD7spv6mBgAAAnTCmaaGL0FAAEAAa5JAJcBvAUA6AEBAP8IACIBACUABAE"
                               "AFgEAvAGj0Xhc4lBLCA==";
    static struct usage_digest d, back;
    struct usage_memory_track t = {.age_ns = 0};
    add(&d, MONDAY + 9 * HOUR, 120, 700);
    add(&d, SATURDAY, 0, 1);
    for (int64_t age = 0; age < 40; age++) {
        usage_memory_observe(
                &d.memory, &t, age * 60 * NUM_NS_PER_SECOND, 9000 + 10 * (uint32_t)age);
    }
    struct buf b = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    usage_digest_format(&d, &b);
    buf_putc(&b, '\0');
    assert_string_equal(b.ptr, text);
    assert_int_equal(usage_digest_parse(str_from(text), &back, NULL), 0);
    assert_memory_equal(&back, &d, sizeof(d));
    buf_clear(&b);
}

/* Gives bytes[len] the checksum that belongs to them. */
static void seal(char *bytes, size_t len)
{
    uint64_t sum = str_hash((struct str){bytes, len - 8}, 0);
    for (unsigned i = 0; i < 8; i++)
        bytes[len - 8 + i] = (char)(sum >> 8 * i & 255);
}

static void test_refused_bytes(void **state)
{
    (void)state;
    static struct usage_digest d, back;
    struct err e = {0};
    char bytes[USAGE_DIGEST_BYTES_MAX];
    struct buf b = BUF_INIT(sizeof(bytes));
    add(&d, MONDAY + HOUR, 77, 3);
    usage_digest_encode(&d, &b);
    size_t len = b.len;
    assert_true(len < sizeof(bytes) - 16);

    /* Every flipped bit is seen. */
    for (size_t i = 0; i < len * 8; i++) {
        memcpy(bytes, b.ptr, len);
        bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
        int want = i / 8 == 4 ? -ENOTSUP : -EINVAL;
        assert_int_equal(usage_digest_decode((struct str){bytes, len}, &back, &e), want);
        assert_true(e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(usage_digest_decode((struct str){b.ptr, cut}, &back, NULL), -EINVAL);

    /* With a right checksum: a foreign form, a longer body, times in the wrong order. */
    memcpy(bytes, b.ptr, len);
    bytes[5] = 2;
    seal(bytes, len);
    assert_int_equal(usage_digest_decode((struct str){bytes, len}, &back, &e), -EINVAL);
    assert_non_null(strstr(e.text, "form 2"));
    memcpy(bytes, b.ptr, len);
    seal(bytes, len + 1);
    assert_int_equal(usage_digest_decode((struct str){bytes, len + 1}, &back, &e), -EINVAL);
    assert_non_null(strstr(e.text, "body"));
    memcpy(bytes, b.ptr, len);
    bytes[13] = 127; /* first sample in 2262 */
    seal(bytes, len);
    assert_int_equal(usage_digest_decode((struct str){bytes, len}, &back, &e), -EINVAL);
    assert_non_null(strstr(e.text, "ends before it begins"));
    buf_clear(&b);
}

/* The same digest in another way of writing is refused. */
static void test_only_canonical(void **state)
{
    (void)state;
    static struct usage_digest d, back;
    struct err e = {0};
    char bytes[128];
    struct buf b = BUF_INIT(sizeof(bytes));
    usage_digest_encode(&d, &b);

    /* Head 6, times 16, then the first weight as the varint 0: write it in two bytes. */
    size_t at = 6 + 16;
    assert_int_equal(b.ptr[at], 0);
    memcpy(bytes, b.ptr, at);
    bytes[at] = (char)0x80;
    memcpy(bytes + at + 1, b.ptr + at, b.len - at);
    seal(bytes, b.len + 1);
    assert_int_equal(usage_digest_decode((struct str){bytes, b.len + 1}, &back, &e), -EINVAL);
    assert_non_null(strstr(e.text, "canonical"));
    buf_clear(&b);
}

static void test_refused_text(void **state)
{
    (void)state;
    static struct usage_digest d, back;
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    char bad[512];
    add(&d, MONDAY, 77, 3);
    usage_digest_format(&d, &text);
    assert_true(text.len < sizeof(bad));
    static const char *const foreign[] = {
            "", "A", "AAAA", "====", "A===", "AA=A", "AAAA====", "\n"};
    for (unsigned i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_int_equal(usage_digest_parse(str_from(foreign[i]), &back, NULL), -EINVAL);
    for (size_t i = 0; i < text.len; i++) {
        memcpy(bad, text.ptr, text.len);
        bad[i] = bad[i] == '-' ? '_' : '-';
        assert_int_equal(usage_digest_parse((struct str){bad, text.len}, &back, NULL), -EINVAL);
        bad[i] = '\0';
        assert_int_equal(usage_digest_parse((struct str){bad, text.len}, &back, NULL), -EINVAL);
    }
    /* Bits behind the last byte must be 0, or one digest had several texts. */
    size_t digits = text.len;
    while (text.ptr[digits - 1] == '=')
        digits--;
    assert_true(digits < text.len);
    memcpy(bad, text.ptr, text.len);
    bad[digits - 1]++;
    struct err e = {0};
    assert_int_equal(usage_digest_parse((struct str){bad, text.len}, &back, &e), -EINVAL);
    assert_non_null(strstr(e.text, "bits"));
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_bins),
            cmocka_unit_test(test_slots),
            cmocka_unit_test(test_ignored),
            cmocka_unit_test(test_queries),
            cmocka_unit_test(test_ahead),
            cmocka_unit_test(test_halving_keeps_rare_peaks),
            cmocka_unit_test(test_empty_forms),
            cmocka_unit_test(test_largest_form),
            cmocka_unit_test(test_shorter_form),
            cmocka_unit_test(test_version_1),
            cmocka_unit_test(test_refused_bytes),
            cmocka_unit_test(test_only_canonical),
            cmocka_unit_test(test_refused_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
