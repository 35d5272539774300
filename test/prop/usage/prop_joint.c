/* test/prop/usage/prop_joint.c - sums of distributions against enumeration of every outcome. */
#include "test.h"

#include "base/prng.h"
#include "usage/joint.h"

#include <string.h>

enum { LAST = USAGE_CELLS - 1, PODS_MAX = 5 };

static void histogram_draw(struct prng *p, struct usage_histogram *ret)
{
    memset(ret, 0, sizeof(*ret));
    uint64_t bins = 1 + prng_below(p, 5);
    uint64_t most = prng_below(p, 3) == 0 ? UINT32_MAX : 1 + prng_below(p, 50);
    for (uint64_t i = 0; i < bins; i++) {
        uint64_t count = 1 + prng_below(p, most);
        ret->counts[prng_below(p, USAGE_BINS)] += count;
        ret->total += count;
    }
}

static void check_valid(const struct usage_dist *d)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < USAGE_CELLS; i++) {
        sum += d->p[i];
        assert_true(d->p[i] == 0 || i <= d->top);
    }
    assert_int_equal(sum, USAGE_ONE);
    assert_true(d->p[d->top] > 0);
}

/* Exact chances of the sum of `count` pods, in units of 1 / (total_0 * total_1 * ...). */
static void enumerate(const struct usage_histogram *h, unsigned count, double *ret_cells)
{
    unsigned at[PODS_MAX] = {0};
    memset(ret_cells, 0, USAGE_CELLS * sizeof(*ret_cells));
    for (;;) {
        double chance = 1;
        unsigned cell = 0;
        for (unsigned i = 0; i < count; i++) {
            chance *= (double)h[i].counts[at[i]] / (double)h[i].total;
            cell += (usage_bin_upper(at[i]) + 9) / 10;
        }
        ret_cells[cell < LAST ? cell : LAST] += chance;
        unsigned i = 0;
        while (i < count && ++at[i] == USAGE_BINS)
            at[i++] = 0;
        if (i == count)
            return;
    }
}

/* P(sum >= cell) may be too high by rounding, never too low. */
static void check_tails(const struct usage_dist *d, const double *exact, unsigned steps)
{
    const double unit = 1.0 / USAGE_ONE;
    double want = 0;
    uint64_t got = 0;
    for (unsigned cell = USAGE_CELLS; cell-- > 0;) {
        want += exact[cell];
        got += d->p[cell];
        double tail = (double)got * unit;
        assert_true(tail >= want - 1e-12);
        assert_true(tail <= want + steps * unit + 1e-12);
    }
}

static void convolution_is_enumeration(uint64_t seed)
{
    struct prng p;
    struct usage_histogram h[PODS_MAX];
    struct usage_joint j;
    double exact[USAGE_CELLS];
    prng_init(&p, seed);
    unsigned count = 1 + (unsigned)prng_below(&p, 4);
    usage_joint_init(&j);
    for (unsigned i = 0; i < count; i++) {
        struct usage_dist pod;
        histogram_draw(&p, &h[i]);
        usage_dist_from(&h[i], USAGE_EDGE_UPPER, &pod);
        check_valid(&pod);
        usage_joint_add(&j, &pod);
        check_valid(&j.independent);
        check_valid(&j.comonotone);
    }
    enumerate(h, count, exact);
    /* One rounding a histogram and one a sum. */
    check_tails(&j.independent, exact, 2 * count);
}

/* The worst case: at each quantile, the sum of the pods' quantiles. */
static void comonotone_adds_quantiles(uint64_t seed)
{
    struct prng p;
    struct usage_joint j;
    struct usage_dist pods[PODS_MAX];
    prng_init(&p, seed);
    unsigned count = 1 + (unsigned)prng_below(&p, PODS_MAX);
    usage_joint_init(&j);
    for (unsigned i = 0; i < count; i++) {
        struct usage_histogram h;
        histogram_draw(&p, &h);
        usage_dist_from(&h, USAGE_EDGE_MIDDLE, &pods[i]);
        usage_joint_add(&j, &pods[i]);
    }
    for (unsigned permille = 1; permille <= 1000; permille += 7) {
        uint32_t sum = 0;
        for (unsigned i = 0; i < count; i++) {
            struct usage_joint one;
            usage_joint_init(&one);
            usage_joint_add(&one, &pods[i]);
            sum += usage_joint_percentile(&one, permille, 1000);
        }
        uint32_t got = usage_joint_percentile(&j, permille, 1000);
        assert_int_equal(got, sum < LAST * 10 ? sum : UINT32_MAX);
    }
}

static void order_and_many_do_not_matter(uint64_t seed)
{
    struct prng p;
    struct usage_histogram h;
    struct usage_dist a, b, ab, ba;
    struct usage_joint one_by_one, many;
    prng_init(&p, seed);
    histogram_draw(&p, &h);
    usage_dist_from(&h, USAGE_EDGE_UPPER, &a);
    histogram_draw(&p, &h);
    usage_dist_from(&h, USAGE_EDGE_UPPER, &b);
    usage_dist_add(&a, &b, &ab);
    usage_dist_add(&b, &a, &ba);
    assert_memory_equal(ab.p, ba.p, sizeof(ab.p));
    usage_dist_add_comonotone(&a, &b, &ab);
    usage_dist_add_comonotone(&b, &a, &ba);
    assert_memory_equal(ab.p, ba.p, sizeof(ab.p));

    uint32_t times = (uint32_t)prng_below(&p, 20);
    usage_joint_init(&one_by_one);
    usage_joint_init(&many);
    usage_joint_add(&one_by_one, &b);
    usage_joint_add(&many, &b);
    for (uint32_t i = 0; i < times; i++)
        usage_joint_add(&one_by_one, &a);
    usage_joint_add_many(&many, &a, times);
    assert_int_equal(many.count, one_by_one.count);
    assert_memory_equal(many.comonotone.p, one_by_one.comonotone.p, sizeof(many.comonotone.p));
    int64_t above = 0; /* rounding only: up to a unit a sum, and 2^n pods double what they carry */
    for (unsigned cell = USAGE_CELLS; cell-- > 0;) {
        above += (int64_t)many.independent.p[cell] - (int64_t)one_by_one.independent.p[cell];
        assert_true(above <= 64 && above >= -64);
    }
}

/* More pods, a lower limit or more togetherness than a quantile's never look safer. */
static void answers_are_monotone(uint64_t seed)
{
    struct prng p;
    struct usage_histogram h;
    struct usage_dist pod;
    struct usage_joint j;
    prng_init(&p, seed);
    histogram_draw(&p, &h);
    usage_dist_from(&h, USAGE_EDGE_UPPER, &pod);
    usage_joint_init(&j);
    uint32_t together = (uint32_t)prng_below(&p, 1001);
    uint32_t limit = (uint32_t)prng_below(&p, 2000);
    uint32_t before = 0;
    for (unsigned pods = 1; pods <= 6; pods++) {
        usage_joint_add(&j, &pod);
        uint32_t ppm = usage_joint_exceeds_ppm(&j, limit, together);
        assert_true(ppm >= before && ppm <= 1000000);
        assert_true(usage_joint_exceeds_ppm(&j, limit + 10, together) <= ppm);
        before = ppm;
        uint32_t last = 0;
        for (uint32_t permille = 0; permille <= 1000; permille += 50) {
            uint32_t answer = usage_joint_percentile(&j, permille, together);
            assert_true(answer >= last);
            last = answer;
            /* Both questions agree. */
            if (answer != UINT32_MAX) {
                assert_true(
                        usage_joint_exceeds_ppm(&j, answer, together) <= (1000 - permille) * 1000);
            }
            if (answer != UINT32_MAX && answer > 0) {
                assert_true(usage_joint_exceeds_ppm(&j, answer - 10, together) >
                            (1000 - permille) * 1000 - (permille < 1000 ? 1 : 0));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(convolution_is_enumeration, 60),
            TEST_PROP(comonotone_adds_quantiles, 100),
            TEST_PROP(order_and_many_do_not_matter, 200),
            TEST_PROP(answers_are_monotone, 200),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
