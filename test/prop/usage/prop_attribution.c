/* test/prop/usage/prop_attribution.c - splits against every split that the priors allow, and that
 * a growing error never lets anything be tightened. */
#include "test.h"

#include "base/num.h"
#include "base/prng.h"
#include "usage/attribution.h"

#include <string.h>

#define DAY (24 * NUM_NS_PER_HOUR)

static uint32_t draw(struct prng *p, uint32_t bound)
{
    return (uint32_t)prng_below(p, bound);
}

static void shares_check(const struct usage_attribution_query *q, const struct usage_share *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        sum += s[i].value;
        assert_true(s[i].low <= s[i].value && s[i].value <= s[i].high);
        assert_true(s[i].error >= s[i].value - s[i].low);
        assert_true(s[i].error >= s[i].high - s[i].value);
        assert_true(!s[i].known || s[i].error <= q->error_max);
    }
    assert_int_equal(sum, q->sum);
}

/* Small numbers: the bounds are exactly the least and most over all splits. */
static void bounds_are_those_of_all_splits(uint64_t seed)
{
    struct prng p;
    struct usage_prior priors[3] = {{.known = false}};
    struct usage_share s[3];
    uint32_t low[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
    uint32_t high[3] = {0};
    uint32_t splits = 0;
    prng_init(&p, seed);
    struct usage_attribution_query q = {.sum = draw(&p, 30),
            .saturated = UINT32_MAX,
            .error_max = draw(&p, 10),
            .count = 3,
            .priors = priors};
    for (uint32_t i = 0; i < 3; i++) {
        priors[i].known = draw(&p, 4) != 0;
        priors[i].low = draw(&p, 12);
        priors[i].high = priors[i].low + draw(&p, 12);
    }
    for (uint32_t a = 0; a <= q.sum; a++) {
        for (uint32_t b = 0; a + b <= q.sum; b++) {
            uint32_t split[3] = {a, b, q.sum - a - b};
            bool allowed = true;
            for (uint32_t i = 0; i < 3; i++) {
                allowed = allowed && (!priors[i].known || (split[i] >= priors[i].low &&
                                                                  split[i] <= priors[i].high));
            }
            for (uint32_t i = 0; i < 3 && allowed; i++) {
                low[i] = num_min_u32(low[i], split[i]);
                high[i] = num_max_u32(high[i], split[i]);
            }
            splits += allowed;
        }
    }
    enum usage_attribution how = usage_attribute(&q, s);
    shares_check(&q, s);
    assert_int_equal(how == USAGE_ATTRIBUTION_CONTRADICTED, splits == 0);
    for (uint32_t i = 0; i < 3; i++) {
        if (splits > 0) {
            assert_int_equal(s[i].low, low[i]);
            assert_int_equal(s[i].high, high[i]);
            assert_int_equal(s[i].known, s[i].error <= q.error_max);
        } else {
            assert_false(s[i].known);
        }
    }
}

/* True demands within the priors: each lies within its share's bounds and error. */
static void truth_is_within_the_error(uint64_t seed)
{
    struct prng p;
    struct usage_prior priors[USAGE_SHARERS_MAX];
    struct usage_share narrow[USAGE_SHARERS_MAX];
    struct usage_share wide[USAGE_SHARERS_MAX];
    uint32_t truth[USAGE_SHARERS_MAX];
    prng_init(&p, seed);
    struct usage_attribution_query q = {.saturated = UINT32_MAX,
            .error_max = draw(&p, 200),
            .count = 2 + draw(&p, USAGE_SHARERS_MAX - 1),
            .priors = priors};
    for (uint32_t i = 0; i < q.count; i++) {
        truth[i] = draw(&p, 1000);
        q.sum += truth[i];
        priors[i] = (struct usage_prior){.known = draw(&p, 10) != 0,
                .low = truth[i] - num_min_u32(truth[i], draw(&p, 100)),
                .high = truth[i] + draw(&p, 100)};
    }
    assert_int_equal(usage_attribute(&q, narrow), USAGE_ATTRIBUTION_OK);
    shares_check(&q, narrow);
    for (uint32_t i = 0; i < q.count; i++) {
        assert_true(narrow[i].low <= truth[i] && truth[i] <= narrow[i].high);
        uint32_t off = truth[i] > narrow[i].value ? truth[i] - narrow[i].value
                                                  : narrow[i].value - truth[i];
        assert_true(off <= narrow[i].error);
    }
    /* Knowing less never makes a bound tighter. */
    uint32_t worse = draw(&p, q.count);
    priors[worse].low -= num_min_u32(priors[worse].low, draw(&p, 300));
    priors[worse].high += draw(&p, 300);
    if (draw(&p, 3) == 0)
        priors[worse].known = false;
    assert_int_equal(usage_attribute(&q, wide), USAGE_ATTRIBUTION_OK);
    for (uint32_t i = 0; i < q.count; i++)
        assert_true(wide[i].low <= narrow[i].low && wide[i].high >= narrow[i].high);
    /* A saturated sum is known of nobody, and its bounds still hold. */
    q.saturated = q.sum;
    assert_int_equal(usage_attribute(&q, wide), USAGE_ATTRIBUTION_SATURATED);
    shares_check(&q, wide);
    for (uint32_t i = 0; i < q.count; i++)
        assert_true(!wide[i].known && wide[i].low <= truth[i] && truth[i] <= wide[i].high);
}

/* The same history with larger errors, fewer exclusive readings or later: never more trust. */
static void growing_error_never_tightens(uint64_t seed)
{
    struct prng p;
    struct usage_trust good = {.error_permille = 0};
    struct usage_trust bad = {.error_permille = 0};
    prng_init(&p, seed);
    int64_t wall = 20000 * DAY;
    for (unsigned i = 0; i < 300; i++) {
        wall += prng_between(&p, 0, DAY / 4);
        if (i == 0 || draw(&p, 20) == 0) {
            usage_trust_exclusive(&good, wall);
            if (i == 0 || draw(&p, 2)) {
                usage_trust_exclusive(&bad, wall);
            } else {
                usage_trust_attributed(&bad, wall, &(struct usage_share){.error = 50});
            }
            continue;
        }
        struct usage_share small = {.error = draw(&p, 400)};
        struct usage_share large = {.error = small.error + draw(&p, 50) * draw(&p, 40)};
        usage_trust_attributed(&good, wall, &small);
        usage_trust_attributed(&bad, wall, &large);
        int64_t later = wall + prng_between(&p, 0, 30 * DAY);
        assert_true(usage_trust_error(&good, wall) <= usage_trust_error(&bad, wall));
        assert_true(usage_trust_error(&good, wall) <= usage_trust_error(&good, later));
        assert_true(usage_trust_error(&bad, wall) >= num_min_u32(large.error, 1000));
        uint32_t most = draw(&p, 1001);
        assert_true(!usage_trust_may_tighten(&bad, wall, most, DAY) ||
                    usage_trust_may_tighten(&good, wall, most, DAY));
        assert_true(!usage_trust_may_tighten(&good, later, most, DAY) ||
                    usage_trust_may_tighten(&good, wall, most, DAY));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(bounds_are_those_of_all_splits, 2000),
            TEST_PROP(truth_is_within_the_error, 500),
            TEST_PROP(growing_error_never_tightens, 100),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
