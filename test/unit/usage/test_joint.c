/* test/unit/usage/test_joint.c - distributions of demand and their sums, on cases known by hand. */
#include "test.h"

#include "usage/joint.h"

#include <string.h>

/* 0 or `permille`, one half each. */
static void coin(struct usage_dist *ret, uint32_t permille)
{
    struct usage_histogram h = {.total = 2};
    h.counts[0] = 1;
    h.counts[usage_bin_of(permille)] = 1;
    usage_dist_from(&h, USAGE_EDGE_UPPER, ret);
}

static void test_point(void **state)
{
    (void)state;
    struct usage_dist d;
    usage_dist_point(&d, 0);
    assert_int_equal(d.top, 0);
    assert_int_equal(d.p[0], USAGE_ONE);
    usage_dist_point(&d, 501);
    assert_int_equal(d.top, 51);
    assert_int_equal(usage_dist_mean_ppm(&d), 510000);
    usage_dist_point(&d, UINT32_MAX);
    assert_int_equal(d.top, USAGE_CELLS - 1);
    assert_int_equal(usage_dist_mean_ppm(&d), 2550000);
}

static void test_from(void **state)
{
    (void)state;
    struct usage_dist d;
    struct usage_histogram h = {.total = 0};
    usage_dist_from(&h, USAGE_EDGE_UPPER, &d);
    assert_int_equal(d.p[100], USAGE_ONE); /* nothing known: a whole GPU */

    h.counts[0] = 1;
    h.counts[8] = 1; /* (150, 200] */
    h.counts[15] = 1;
    h.total = 3;
    usage_dist_from(&h, USAGE_EDGE_UPPER, &d);
    assert_int_equal(d.p[100], USAGE_ONE / 3 + 1); /* rounding goes up */
    assert_int_equal(d.p[20], USAGE_ONE / 3);
    assert_int_equal(d.p[0], USAGE_ONE / 3);
    usage_dist_from(&h, USAGE_EDGE_MIDDLE, &d);
    assert_int_equal(d.p[98], USAGE_ONE / 3 + 1);
    assert_int_equal(d.p[18], USAGE_ONE / 3);
    assert_int_equal(d.top, 98);
}

static void test_scale(void **state)
{
    (void)state;
    struct usage_dist d;
    struct usage_dist half;
    coin(&d, 500);
    usage_dist_scale(&d, 500, &half);
    assert_int_equal(half.p[25], USAGE_ONE / 2);
    assert_int_equal(half.top, 25);
    usage_dist_scale(&d, 3000, &half);
    assert_int_equal(half.p[100], USAGE_ONE / 2); /* at most a whole GPU */
    assert_int_equal(half.p[0], USAGE_ONE / 2);
    usage_dist_scale(&d, 1, &half);
    assert_int_equal(half.p[1], USAGE_ONE / 2);
    usage_dist_point(&d, 9999); /* the last cell has no upper end */
    usage_dist_scale(&d, 100, &half);
    assert_int_equal(half.p[100], USAGE_ONE);
}

static void test_two_coins(void **state)
{
    (void)state;
    struct usage_joint j;
    struct usage_dist pod;
    coin(&pod, 500);
    usage_joint_init(&j);
    assert_int_equal(usage_joint_percentile(&j, 1000, 0), 0);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 0, 0), 0);
    usage_joint_add(&j, &pod);
    usage_joint_add(&j, &pod);
    assert_int_equal(j.count, 2);

    /* Independent: 1/4 1/2 1/4 at 0, 500, 1000; together: 1/2 at 0 and at 1000. */
    assert_int_equal(usage_joint_percentile(&j, 250, 0), 0);
    assert_int_equal(usage_joint_percentile(&j, 251, 0), 500);
    assert_int_equal(usage_joint_percentile(&j, 750, 0), 500);
    assert_int_equal(usage_joint_percentile(&j, 751, 0), 1000);
    assert_int_equal(usage_joint_percentile(&j, 500, 1000), 0);
    assert_int_equal(usage_joint_percentile(&j, 501, 1000), 1000);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 999, 0), 250000);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 999, 1000), 500000);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 999, 500), 375000);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 1000, 1000), 0);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 499, 0), 750000);
}

static void test_last_cell(void **state)
{
    (void)state;
    struct usage_joint j;
    struct usage_dist whole;
    usage_dist_point(&whole, 1000);
    usage_joint_init(&j);
    usage_joint_add_many(&j, &whole, 3);
    assert_int_equal(j.independent.p[USAGE_CELLS - 1], USAGE_ONE);
    assert_int_equal(j.comonotone.p[USAGE_CELLS - 1], USAGE_ONE);
    assert_int_equal(usage_joint_percentile(&j, 1, 300), UINT32_MAX);
    assert_int_equal(usage_joint_exceeds_ppm(&j, 2550, 300), 1000000);
    assert_int_equal(usage_joint_exceeds_ppm(&j, UINT32_MAX, 0), 1000000);
    usage_joint_add_many(&j, &whole, UINT32_MAX - 3);
    assert_int_equal(j.independent.p[USAGE_CELLS - 1], USAGE_ONE);
}

static void test_aliases(void **state)
{
    (void)state;
    struct usage_dist a, b, sum, alias;
    coin(&a, 300);
    coin(&b, 800);
    usage_dist_add(&a, &b, &sum);
    alias = a;
    usage_dist_add(&alias, &b, &alias);
    assert_memory_equal(sum.p, alias.p, sizeof(sum.p));
    alias = b;
    usage_dist_add(&a, &alias, &alias);
    assert_memory_equal(sum.p, alias.p, sizeof(sum.p));
    alias = a;
    usage_dist_add(&alias, &alias, &alias);
    usage_dist_add(&a, &a, &sum);
    assert_memory_equal(sum.p, alias.p, sizeof(sum.p));
    usage_dist_add_comonotone(&a, &b, &sum);
    alias = b;
    usage_dist_add_comonotone(&a, &alias, &alias);
    assert_memory_equal(sum.p, alias.p, sizeof(sum.p));
    /* A result that was larger leaves nothing behind. */
    usage_dist_point(&sum, 9999);
    usage_dist_point(&a, 10);
    usage_dist_add(&a, &a, &sum);
    assert_int_equal(sum.top, 2);
    assert_int_equal(sum.p[USAGE_CELLS - 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_point),
            cmocka_unit_test(test_from),
            cmocka_unit_test(test_scale),
            cmocka_unit_test(test_two_coins),
            cmocka_unit_test(test_last_cell),
            cmocka_unit_test(test_aliases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
