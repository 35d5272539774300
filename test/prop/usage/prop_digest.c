/* test/prop/usage/prop_digest.c - digests against the samples that went into them. */
#include "test.h"

#include "base/num.h"
#include "base/prng.h"
#include "usage/digest.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 3000 };

static struct usage_sample sample_draw(struct prng *p)
{
    uint32_t most = prng_below(p, 2) ? 1200 : 60;
    return (struct usage_sample){
            .wall_ns = prng_between(p, INT64_C(1772000000), INT64_C(1774000000)) * 1000000000,
            .busy_permille = (uint32_t)prng_below(p, most),
            .sm_permille = (uint32_t)prng_below(p, most),
            .valid = (unsigned)prng_below(p, 4),
            .weight = 1 + (uint32_t)prng_below(p, 5)};
}

static void pod_draw(struct prng *p, struct usage_memory *m)
{
    struct usage_memory_track t = {.age_ns = 0};
    int64_t age = 0;
    for (uint64_t i = prng_below(p, 40); i > 0; i--) {
        usage_memory_observe(
                m, &t, age, (uint32_t)prng_below(p, 1 + (uint64_t)prng_below(p, 90000)));
        age += prng_between(p, 1, 90) * 60 * NUM_NS_PER_SECOND;
    }
}

static void digest_draw(struct prng *p, struct usage_digest *ret, unsigned samples)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < samples; i++) {
        struct usage_sample s = sample_draw(p);
        usage_digest_add(ret, &s);
    }
    for (uint64_t pods = prng_below(p, 30); pods > 0; pods--)
        pod_draw(p, &ret->memory);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* edge(bin(q) - 1) < exact <= edge(bin(q)): within one bin, never too low. */
static void quantiles_hold_the_exact_ones(uint64_t seed)
{
    static struct usage_digest d;
    static uint32_t values[SAMPLES];
    struct prng p;
    prng_init(&p, seed);
    memset(&d, 0, sizeof(d));
    unsigned count = 1 + (unsigned)prng_below(&p, SAMPLES);
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        struct usage_sample s = sample_draw(&p);
        s.weight = 1;
        s.valid = USAGE_VALID_BUSY;
        usage_digest_add(&d, &s);
        values[i] = s.busy_permille < 1000 ? s.busy_permille : 1000;
        sum += values[i];
    }
    qsort(values, count, sizeof(values[0]), compare_u32);
    struct usage_histogram h;
    usage_digest_all(&d, USAGE_METRIC_BUSY, &h);
    assert_int_equal(h.total, count);
    for (uint32_t permille = 1; permille <= 1000; permille++) {
        uint32_t exact = values[num_ceildiv_u64((uint64_t)count * permille, 1000) - 1];
        uint32_t answer = usage_histogram_quantile(&h, permille);
        unsigned bin = usage_bin_of(answer);
        assert_true(exact <= answer);
        assert_true(bin == 0 || exact > usage_bin_upper(bin - 1));
    }
    int64_t off = (int64_t)usage_histogram_mean(&h) - (int64_t)(sum / count);
    assert_true(off <= 80 && off >= -80); /* half of the widest bin, and rounding */
}

static void merging_is_adding(uint64_t seed)
{
    static struct usage_digest parts[3], all, ab, ba, a_bc, ab_c;
    struct prng p;
    prng_init(&p, seed);
    memset(&all, 0, sizeof(all));
    memset(parts, 0, sizeof(parts));
    for (unsigned i = 0; i < 2000; i++) {
        struct usage_sample s = sample_draw(&p);
        usage_digest_add(&all, &s);
        usage_digest_add(&parts[prng_below(&p, 3)], &s);
    }
    ab = parts[0];
    usage_digest_merge(&ab, &parts[1]);
    ba = parts[1];
    usage_digest_merge(&ba, &parts[0]);
    assert_memory_equal(&ab, &ba, sizeof(ab));
    ab_c = ab;
    usage_digest_merge(&ab_c, &parts[2]);
    a_bc = parts[1];
    usage_digest_merge(&a_bc, &parts[2]);
    usage_digest_merge(&a_bc, &parts[0]);
    assert_memory_equal(&ab_c, &a_bc, sizeof(ab_c));
    assert_memory_equal(&ab_c, &all, sizeof(all));
}

/* Commutative also where counts are halved and where memory is in it. */
static void merging_commutes_when_full(uint64_t seed)
{
    static struct usage_digest a, b, ab, ba;
    struct prng p;
    prng_init(&p, seed);
    digest_draw(&p, &a, 200);
    digest_draw(&p, &b, 200);
    for (unsigned i = 0; i < 17; i++) {
        ab = a;
        usage_digest_merge(&ab, &b);
        ba = b;
        usage_digest_merge(&ba, &a);
        assert_memory_equal(&ab, &ba, sizeof(ab));
        /* A bin that was not empty never becomes so. */
        for (unsigned slot = 0; slot < USAGE_SLOTS; slot++) {
            for (unsigned bin = 0; bin < USAGE_BINS; bin++) {
                assert_int_equal(ab.counts[0][slot][bin] == 0,
                        a.counts[0][slot][bin] == 0 && b.counts[0][slot][bin] == 0);
            }
        }
        usage_digest_merge(&a, &ab);
        usage_digest_merge(&b, &ab);
    }
}

static void forms_read_back(uint64_t seed)
{
    static struct usage_digest d, back;
    struct prng p;
    struct err e = {0};
    prng_init(&p, seed);
    digest_draw(&p, &d, (unsigned)prng_below(&p, 2) ? SAMPLES : 40);
    for (uint64_t times = prng_below(&p, 20); times > 0; times--)
        usage_digest_merge(&d, &d); /* fills the counts */

    struct buf bytes = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    usage_digest_encode(&d, &bytes);
    usage_digest_format(&d, &text);
    assert_false(bytes.overflow || text.overflow);
    assert_int_equal(usage_digest_decode(buf_str(&bytes), &back, &e), 0);
    assert_memory_equal(&back, &d, sizeof(d));
    memset(&back, 0, sizeof(back));
    assert_int_equal(usage_digest_parse(buf_str(&text), &back, &e), 0);
    assert_memory_equal(&back, &d, sizeof(d));
    buf_clear(&bytes);
    buf_clear(&text);
}

/* What decodes is what would be written: changed bytes under a right checksum. */
static void only_canonical_bytes_decode(uint64_t seed)
{
    static struct usage_digest d, back;
    static char changed[USAGE_DIGEST_BYTES_MAX];
    struct prng p;
    prng_init(&p, seed);
    digest_draw(&p, &d, 30);
    struct buf bytes = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    struct buf again = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    usage_digest_encode(&d, &bytes);
    for (unsigned i = 0; i < 200; i++) {
        memcpy(changed, bytes.ptr, bytes.len);
        for (uint64_t flips = 1 + prng_below(&p, 2); flips > 0; flips--) {
            uint64_t at = 5 + prng_below(&p, bytes.len - 5);
            changed[at] = (char)prng_below(&p, prng_below(&p, 2) ? 3 : 256);
        }
        uint64_t sum = str_hash((struct str){changed, bytes.len - 8}, 0);
        for (unsigned k = 0; k < 8; k++)
            changed[bytes.len - 8 + k] = (char)(sum >> 8 * k & 255);
        if (usage_digest_decode((struct str){changed, bytes.len}, &back, NULL) < 0)
            continue;
        buf_reset(&again);
        usage_digest_encode(&back, &again);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.ptr, changed, bytes.len);
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(quantiles_hold_the_exact_ones, 40),
            TEST_PROP(merging_is_adding, 40),
            TEST_PROP(merging_commutes_when_full, 40),
            TEST_PROP(forms_read_back, 100),
            TEST_PROP(only_canonical_bytes_decode, 30),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
