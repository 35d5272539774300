/* test/unit/usage/test_attribution.c - whose demand it is, on cases known by hand. */
#include "test.h"

#include "base/num.h"
#include "usage/attribution.h"

#define DAY (24 * NUM_NS_PER_HOUR)

static enum usage_attribution attribute(
        uint32_t sum, const struct usage_prior *priors, uint32_t count, struct usage_share *ret)
{
    struct usage_attribution_query q = {
            .sum = sum, .saturated = 950, .error_max = 100, .count = count, .priors = priors};
    return usage_attribute(&q, ret);
}

static void test_alone(void **state)
{
    (void)state;
    struct usage_prior prior = {.known = false};
    struct usage_share s;
    assert_int_equal(attribute(1000, &prior, 1, &s), USAGE_ATTRIBUTION_OK);
    assert_true(s.known);
    assert_int_equal(s.value, 1000);
    assert_int_equal(s.error, 0);
}

static void test_others_bound_it(void **state)
{
    (void)state;
    struct usage_share s[2];
    /* The neighbour takes 100 to 150, so the unknown pod takes 350 to 400 of 500. */
    struct usage_prior priors[] = {{.known = false}, {.known = true, .low = 100, .high = 150}};
    assert_int_equal(attribute(500, priors, 2, s), USAGE_ATTRIBUTION_OK);
    assert_int_equal(s[0].low, 350);
    assert_int_equal(s[0].high, 400);
    assert_int_equal(s[1].low, 100);
    assert_int_equal(s[1].high, 150);
    assert_int_equal(s[0].value + s[1].value, 500);
    assert_int_equal(s[0].value, 375);
    assert_int_equal(s[0].error, 25);
    assert_true(s[0].known && s[1].known);

    priors[1].high = 400;
    assert_int_equal(attribute(500, priors, 2, s), USAGE_ATTRIBUTION_OK);
    assert_int_equal(s[0].error, 150);
    assert_false(s[0].known || s[1].known);
}

static void test_contradicted(void **state)
{
    (void)state;
    struct usage_share s[3];
    struct usage_prior priors[] = {{true, 100, 200}, {true, 300, 300}, {true, 0, 0}};
    assert_int_equal(attribute(100, priors, 3, s), USAGE_ATTRIBUTION_CONTRADICTED);
    assert_int_equal(s[0].value, 25);
    assert_int_equal(s[1].value, 75);
    assert_int_equal(s[2].value, 0);
    assert_false(s[0].known || s[1].known || s[2].known);
    assert_int_equal(attribute(750, priors, 3, s), USAGE_ATTRIBUTION_CONTRADICTED);
    assert_int_equal(s[0].value, 300);
    assert_int_equal(s[1].value, 450);
    assert_false(s[0].known || s[1].known || s[2].known);
    struct usage_prior nothing[] = {{true, 0, 0}, {true, 0, 0}};
    assert_int_equal(attribute(7, nothing, 2, s), USAGE_ATTRIBUTION_CONTRADICTED);
    assert_int_equal(s[0].value, 4);
    assert_int_equal(s[1].value, 3);
}

static void test_saturated(void **state)
{
    (void)state;
    struct usage_share s[2];
    struct usage_prior priors[] = {{true, 400, 700}, {false, 0, 0}};
    assert_int_equal(attribute(950, priors, 2, s), USAGE_ATTRIBUTION_SATURATED);
    assert_int_equal(s[0].value + s[1].value, 950);
    assert_int_equal(s[0].low, 400);
    assert_int_equal(s[0].high, 700);
    assert_int_equal(s[1].high, UINT32_MAX); /* demand above the cap cannot be seen */
    assert_false(s[0].known || s[1].known);
    /* More than the GPU can do is no contradiction then. */
    priors[1] = (struct usage_prior){true, 900, 1000};
    assert_int_equal(attribute(990, priors, 2, s), USAGE_ATTRIBUTION_SATURATED);
    assert_int_equal(s[1].high, 1000);
}

static void test_trust(void **state)
{
    (void)state;
    struct usage_trust t = {.error_permille = 0};
    assert_int_equal(usage_trust_error(&t, 5 * DAY), 1000);
    assert_false(usage_trust_may_tighten(&t, 5 * DAY, 1000, INT64_MAX));

    usage_trust_exclusive(&t, 10 * DAY);
    assert_int_equal(usage_trust_error(&t, 10 * DAY), 0);
    assert_int_equal(usage_trust_error(&t, 14 * DAY), 20);
    assert_int_equal(usage_trust_error(&t, INT64_MAX), 1000);
    assert_int_equal(usage_trust_error(&t, 3 * DAY), 0); /* a clock set back adds nothing */
    assert_true(usage_trust_may_tighten(&t, 14 * DAY, 20, 4 * DAY));
    assert_false(usage_trust_may_tighten(&t, 14 * DAY, 19, 4 * DAY));
    assert_false(usage_trust_may_tighten(&t, 14 * DAY + 1, 20, 4 * DAY));

    struct usage_share s = {.error = 300};
    usage_trust_attributed(&t, 14 * DAY, &s); /* rises at once */
    assert_int_equal(usage_trust_error(&t, 14 * DAY), 320);
    assert_true(usage_trust_may_tighten(&t, 15 * DAY, 325, 2 * DAY));
    s.error = 100;
    usage_trust_attributed(&t, 14 * DAY, &s); /* falls slowly */
    assert_int_equal(t.error_permille, 296);
    for (unsigned i = 0; i < 1000; i++)
        usage_trust_attributed(&t, 14 * DAY, &s);
    assert_int_equal(t.error_permille, 100);
    s.error = UINT32_MAX;
    usage_trust_attributed(&t, 14 * DAY, &s);
    assert_int_equal(t.error_permille, 1000);
    usage_trust_exclusive(&t, 15 * DAY);
    assert_int_equal(usage_trust_error(&t, 15 * DAY), 0);
}

static void test_prior(void **state)
{
    (void)state;
    static struct usage_digest d;
    int64_t nine = 4 * DAY + 9 * NUM_NS_PER_HOUR; /* a Monday in 1970 */
    assert_false(usage_prior_busy(&d, nine, 0).known);
    for (unsigned i = 0; i < 100; i++) {
        struct usage_sample s = {.wall_ns = nine,
                .busy_permille = i < 10 ? 120 : 180 + i,
                .valid = USAGE_VALID_BUSY,
                .weight = 1};
        usage_digest_add(&d, &s);
    }
    struct usage_prior prior = usage_prior_busy(&d, nine, 100);
    assert_true(prior.known);
    assert_int_equal(prior.low, 100); /* the lower edge of 120's bin */
    assert_int_equal(prior.high, 300);
    assert_false(usage_prior_busy(&d, nine, 101).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_alone),
            cmocka_unit_test(test_others_bound_it),
            cmocka_unit_test(test_contradicted),
            cmocka_unit_test(test_saturated),
            cmocka_unit_test(test_trust),
            cmocka_unit_test(test_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
