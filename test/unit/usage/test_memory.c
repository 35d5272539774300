/* test/unit/usage/test_memory.c - memory by age: what is counted, what is kept, what it risks. */
#include "test.h"

#include "base/num.h"
#include "usage/memory.h"

#include <string.h>

#define MINUTE (60 * NUM_NS_PER_SECOND)

/* One reading a minute: `start` MiB until `grown_at`, then `end`. */
static void pod_run(struct usage_memory *m, struct usage_memory_track *t, const uint32_t *mib,
        int64_t grown_at, int64_t life)
{
    memset(t, 0, sizeof(*t));
    for (int64_t age = 0; age <= life; age += MINUTE)
        usage_memory_observe(m, t, age, age < grown_at ? mib[0] : mib[1]);
}

static struct usage_reserve reserve(
        const struct usage_memory *m, const struct usage_memory_track *t, uint32_t quantile)
{
    struct usage_reserve_query q = {
            .track = t, .quantile_permille = quantile, .own_growth_permille = 300};
    return usage_memory_reserve(m, &q);
}

static void test_counts(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t = {.age_ns = 0};
    pod_run(&m, &t, (uint32_t[]){1000, 1100}, 20 * MINUTE, 29 * MINUTE);
    assert_int_equal(m.pods, 1);
    assert_int_equal(m.pods_aged, 1);
    assert_int_equal(m.pods_flat, 0); /* 10 % more than at first */
    assert_int_equal(m.peak_max_mib, 1100);
    assert_int_equal(t.ages_passed, 2);
    assert_int_equal(t.peak_at_mib[0], 1000);
    assert_int_equal(t.peak_at_mib[1], 1000);
    assert_int_equal(t.growth_bin[0], 2 + 1); /* 100 MiB: (64, 128] */
    assert_int_equal(m.growth[0][2], 1);
    assert_int_equal(m.growth[0][0], 0);
    assert_int_equal(t.growth_bin[1], 0); /* it has not passed 30 minutes */

    usage_memory_observe(&m, &t, 30 * MINUTE, 900);
    assert_int_equal(t.peak_at_mib[2], 1100);
    assert_int_equal(m.growth[1][2], 1);
    assert_int_equal(t.now_mib, 900);
    usage_memory_observe(&m, &t, 29 * MINUTE, 5000); /* older: ignored */
    assert_int_equal(t.peak_mib, 1100);
    unsigned peaks = 0;
    for (unsigned bin = 0; bin < USAGE_PEAK_BINS; bin++)
        peaks += m.peaks[bin];
    assert_int_equal(peaks, 1);
}

/* A pod first seen at an age says nothing of its growth since earlier ages. */
static void test_first_seen_late(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t = {.age_ns = 0};
    usage_memory_observe(&m, &t, 70 * MINUTE, 4000);
    usage_memory_observe(&m, &t, 130 * MINUTE, 9000);
    for (unsigned age = 0; age < 4; age++)
        assert_int_equal(t.growth_bin[age], 0);
    assert_int_equal(t.peak_at_mib[4], 4000); /* what passed between readings counts as growth */
    usage_memory_observe(&m, &t, 240 * MINUTE, 9000);
    assert_int_equal(m.growth[4][10], 1); /* 5000: (4096, 6144] */
    assert_int_equal(t.growth_bin[4], 10 + 1);
}

static void test_peak_bins(void **state)
{
    (void)state;
    /* First sight at quantile 1000 shows the bin's upper edge: at most 9.1 % too large. */
    for (uint32_t mib = 1; mib < 200000; mib += 1 + mib / 50) {
        struct usage_memory m = {.pods = 0};
        for (unsigned pod = 0; pod < 3; pod++) {
            struct usage_memory_track t = {.age_ns = 0};
            usage_memory_observe(&m, &t, 0, mib);
            usage_memory_observe(&m, &t, 20 * MINUTE, mib);
        }
        struct usage_reserve r = reserve(&m, NULL, 1000);
        assert_int_equal(r.basis, USAGE_BASIS_SIBLINGS);
        assert_true(r.mib >= mib);
        assert_true(r.mib <= 512 || (uint64_t)r.mib * 1000 <= (uint64_t)mib * 1091);
    }
}

static void test_reserve_nothing_known(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_reserve r = reserve(&m, NULL, 990);
    assert_int_equal(r.basis, USAGE_BASIS_NONE);
    assert_int_equal(r.mib, USAGE_MEMORY_MIB_MAX);

    struct usage_reserve_query q = {.quantile_permille = 990, .declared_mib = 7000};
    r = usage_memory_reserve(&m, &q);
    assert_int_equal(r.basis, USAGE_BASIS_DECLARED);
    assert_int_equal(r.mib, 7000);

    /* A sibling that took more than was declared counts, though one says nothing of a quantile. */
    struct usage_memory_track t = {.age_ns = 0};
    pod_run(&m, &t, (uint32_t[]){9000, 9000}, 0, 20 * MINUTE);
    r = usage_memory_reserve(&m, &q);
    assert_int_equal(r.basis, USAGE_BASIS_DECLARED);
    assert_int_equal(r.mib, 9000);
    r = reserve(&m, NULL, 990);
    assert_int_equal(r.basis, USAGE_BASIS_NONE);
}

static void test_reserve_own(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t = {.age_ns = 0};
    usage_memory_observe(&m, &t, 0, 10000);
    struct usage_reserve r = reserve(&m, &t, 990);
    assert_int_equal(r.basis, USAGE_BASIS_OWN);
    assert_int_equal(r.mib, 13000); /* 30 % on top */
    uint32_t last = r.mib;
    for (int64_t age = 0; age <= 30 * 60 * MINUTE; age += 5 * MINUTE) {
        usage_memory_observe(&m, &t, age, 10000);
        r = reserve(&m, &t, 990);
        assert_int_equal(r.basis, USAGE_BASIS_OWN);
        assert_true(r.mib <= last && r.mib >= 10300);
        last = r.mib;
    }
    assert_int_equal(last, 10300);
}

static void test_reserve_siblings(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t;
    for (unsigned pod = 0; pod < 9; pod++)
        pod_run(&m, &t, (uint32_t[]){4000, 4000}, 0, 60 * MINUTE);
    pod_run(&m, &t, (uint32_t[]){4000, 6000}, 20 * MINUTE, 60 * MINUTE);

    struct usage_memory_track young;
    pod_run(&m, &young, (uint32_t[]){1000, 1000}, 0, 16 * MINUTE);
    struct usage_reserve r = reserve(&m, &young, 900);
    assert_int_equal(r.basis, USAGE_BASIS_SIBLINGS);
    assert_int_equal(r.siblings, 10);
    assert_int_equal(r.mib, 1000); /* nine of ten do not grow */
    r = reserve(&m, &young, 901);
    assert_int_equal(r.mib, 1000 + 2048);

    /* Older than all siblings: their growth since a younger age. */
    struct usage_memory_track old;
    pod_run(&m, &old, (uint32_t[]){1000, 1000}, 0, 300 * MINUTE);
    r = reserve(&m, &old, 1000);
    assert_int_equal(r.basis, USAGE_BASIS_YOUNGER);
    assert_int_equal(r.mib, 1000); /* since 30 minutes nobody grew */
}

/* A pod is not its own sibling, neither by its peak nor by its growth. */
static void test_reserve_not_of_itself(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t[3];
    for (unsigned pod = 0; pod < 3; pod++)
        pod_run(&m, &t[pod], (uint32_t[]){1000, 1000}, 0, 60 * MINUTE);
    struct usage_reserve r = reserve(&m, &t[2], 990);
    assert_int_equal(r.basis, USAGE_BASIS_OWN);
    assert_int_equal(r.siblings, 2);
    struct usage_memory_track first;
    pod_run(&m, &first, (uint32_t[]){700, 700}, 0, 0);
    r = reserve(&m, &first, 990);
    assert_int_equal(r.basis, USAGE_BASIS_SIBLINGS);
    assert_int_equal(r.siblings, 3);
}

/* Growth that the pod has behind it is not reserved twice. */
static void test_reserve_growth_done(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t;
    for (unsigned pod = 0; pod < 5; pod++)
        pod_run(&m, &t, (uint32_t[]){4000, 14000}, 20 * MINUTE, 60 * MINUTE);
    pod_run(&m, &t, (uint32_t[]){4000, 14000}, 20 * MINUTE, 25 * MINUTE);
    struct usage_reserve r = reserve(&m, &t, 990);
    assert_int_equal(r.basis, USAGE_BASIS_SIBLINGS);
    assert_int_equal(r.mib, 4000 + 10240); /* its bin's upper edge, not 14000 + 10240 */

    /* It grew more than any sibling did: theirs on top. */
    usage_memory_observe(&m, &t, 26 * MINUTE, 30000);
    r = reserve(&m, &t, 990);
    assert_int_equal(r.mib, 30000 + 10240);
}

static void test_preallocators(void **state)
{
    (void)state;
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track t;
    assert_int_equal(usage_memory_prealloc_permille(&m, 80000), 0);
    for (unsigned pod = 0; pod < 9; pod++)
        pod_run(&m, &t, (uint32_t[]){72000, 72100}, 5 * MINUTE, 60 * MINUTE);
    assert_int_equal(m.pods_flat, 9);
    assert_int_equal(usage_memory_prealloc_permille(&m, 80000), 900);
    assert_int_equal(usage_memory_prealloc_permille(&m, 190000), 0); /* less than half of it */

    struct usage_reserve_query q = {
            .track = &t, .quantile_permille = 990, .preallocates = true, .declared_mib = 9000};
    struct usage_reserve r = usage_memory_reserve(&m, &q);
    assert_int_equal(r.mib, 72100);
    assert_int_equal(r.basis, USAGE_BASIS_OWN);
    q.declared_mib = 75000;
    r = usage_memory_reserve(&m, &q);
    assert_int_equal(r.mib, 75000);
    assert_int_equal(r.basis, USAGE_BASIS_DECLARED);

    /* Pods that grow later take back that they were flat. */
    usage_memory_observe(&m, &t, 61 * MINUTE, 79000);
    assert_int_equal(m.pods_flat, 8);
    assert_int_equal(m.pods_aged, 9);
}

static void test_halving(void **state)
{
    (void)state;
    static struct usage_memory m;
    struct usage_memory_track t;
    pod_run(&m, &t, (uint32_t[]){60000, 60000}, 0, 0); /* the one large pod */
    for (unsigned pod = 0; pod < 200000; pod++) {
        memset(&t, 0, sizeof(t));
        usage_memory_observe(&m, &t, 0, 2000);
    }
    assert_true(reserve(&m, NULL, 1000).mib >= 60000);
    struct usage_memory twice = m;
    usage_memory_merge(&twice, &m);
    assert_true(reserve(&twice, NULL, 1000).mib >= 60000);
    assert_int_equal(twice.pods, 400002);
}

static void test_risk_known(void **state)
{
    (void)state;
    static struct usage_memory even, none;
    struct usage_memory_track t;
    /* Of four siblings past 15 minutes two grow by 1024 MiB. */
    for (unsigned pod = 0; pod < 4; pod++)
        pod_run(&even, &t, (uint32_t[]){4000, pod < 2 ? 5024 : 4000}, 20 * MINUTE, 60 * MINUTE);
    struct usage_memory scratch = even;
    struct usage_memory_track a;
    pod_run(&scratch, &a, (uint32_t[]){3000, 3000}, 0, 16 * MINUTE);

    struct usage_memory_member both[2] = {
            {.owner = &even, .track = &a}, {.owner = &even, .track = &a}};
    /* The track is not counted in `even`, so its own bins must not be taken off. */
    memset(a.growth_bin, 0, sizeof(a.growth_bin));
    assert_int_equal(usage_memory_risk_ppm(both, 0, 0), 0);
    assert_int_equal(usage_memory_risk_ppm(both, 1, 2999), 1000000);
    assert_int_equal(usage_memory_risk_ppm(both, 1, 3000), 500000);
    assert_int_equal(usage_memory_risk_ppm(both, 1, 3000 + 1024), 0);
    assert_int_equal(usage_memory_risk_ppm(both, 2, 6000), 750000);
    assert_int_equal(usage_memory_risk_ppm(both, 2, 6000 + 1024), 250000);
    assert_int_equal(usage_memory_risk_ppm(both, 2, 6000 + 2047), 250000);
    assert_int_equal(usage_memory_risk_ppm(both, 2, 6000 + 2048), 0);

    /* Unknown: the floor for certain, or anything. */
    both[1] = (struct usage_memory_member){.owner = &none, .floor_mib = 10000};
    assert_int_equal(usage_memory_risk_ppm(both, 2, 12999), 1000000);
    assert_int_equal(usage_memory_risk_ppm(both, 2, 13000), 500000);
    both[1].floor_mib = 0;
    assert_int_equal(usage_memory_risk_ppm(both, 2, UINT32_MAX), 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_counts),
            cmocka_unit_test(test_first_seen_late),
            cmocka_unit_test(test_peak_bins),
            cmocka_unit_test(test_reserve_nothing_known),
            cmocka_unit_test(test_reserve_own),
            cmocka_unit_test(test_reserve_siblings),
            cmocka_unit_test(test_reserve_not_of_itself),
            cmocka_unit_test(test_reserve_growth_done),
            cmocka_unit_test(test_preallocators),
            cmocka_unit_test(test_halving),
            cmocka_unit_test(test_risk_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
