/* usage/attribution.c - splitting a GPU's reading over the pods that share it, with an error.
 *
 * Pure.  The set of splits that the priors and the sum allow is a box cut by a plane; each pod's
 * bounds are the box's extent along its axis after the cut. */
#include "usage/attribution.h"

#include "base/num.h"

#include <assert.h>

#define DAY_NS (24 * NUM_NS_PER_HOUR)

enum {
    DRIFT_PERMILLE_A_DAY = 5,
    ERROR_MAX = 1000,
    FALL_SHARE = 64, /* TUNING: of an error's excess a reading takes away; an hour of minutes */
    PRIOR_LOW_PERMILLE = 50,
    PRIOR_HIGH_PERMILLE = 990,
};

/* One pod while the sum is split. */
struct part {
    uint64_t low, high; /* its prior; [0, sum] when not known */
    uint64_t base, weight;
};

static void split(const struct usage_attribution_query *q, const struct part *parts,
        struct usage_share *ret_shares)
{
    uint64_t rest = q->sum;
    uint64_t weights = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        assert(parts[i].base <= rest);
        rest -= parts[i].base;
        weights += parts[i].weight;
    }
    assert(weights > 0 || rest == 0);
    weights = weights > 0 ? weights : 1;

    uint64_t left = rest;
    for (uint32_t i = 0; i < q->count; i++) {
        uint64_t more = rest * parts[i].weight / weights;
        ret_shares[i].value = (uint32_t)(parts[i].base + more);
        left -= more;
    }
    /* What rounding left over: one unit each to the first of those that were rounded down. */
    for (uint32_t i = 0; i < q->count && left > 0; i++) {
        if (rest * parts[i].weight % weights != 0) {
            ret_shares[i].value++;
            left--;
        }
    }
    assert(left == 0);
}

static void share_bound(
        struct usage_share *share, uint64_t low, uint64_t high, const uint32_t *error_max)
{
    share->low = (uint32_t)low;
    share->high = (uint32_t)high;
    share->error = num_max_u32(share->value - share->low, share->high - share->value);
    share->known = error_max != NULL && share->error <= *error_max;
}

/* The sum lies within the priors: each pod's bounds tightened by what the others can take. */
static void split_within(const struct usage_attribution_query *q, struct part *parts, uint64_t lows,
        uint64_t highs, struct usage_share *ret_shares)
{
    struct part tight[USAGE_SHARERS_MAX];
    for (uint32_t i = 0; i < q->count; i++) {
        uint64_t others_high = highs - parts[i].high;
        uint64_t others_low = lows - parts[i].low;
        uint64_t least = q->sum > others_high ? q->sum - others_high : 0;
        uint64_t most = q->sum - others_low;
        tight[i].low = parts[i].low > least ? parts[i].low : least;
        tight[i].high = parts[i].high < most ? parts[i].high : most;
        tight[i].base = tight[i].low;
        tight[i].weight = tight[i].high - tight[i].low;
    }
    split(q, tight, ret_shares);
    for (uint32_t i = 0; i < q->count; i++)
        share_bound(&ret_shares[i], tight[i].low, tight[i].high, &q->error_max);
}

/* The priors are wrong, or would be if the sum could be seen: in proportion to them. */
static void split_outside(const struct usage_attribution_query *q, struct part *parts, bool above,
        struct usage_share *ret_shares)
{
    uint64_t weights = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        parts[i].base = above ? parts[i].high : 0;
        parts[i].weight = above ? parts[i].high : parts[i].low;
        weights += parts[i].weight;
    }
    for (uint32_t i = 0; i < q->count && weights == 0; i++)
        parts[i].weight = 1;
    split(q, parts, ret_shares);
    for (uint32_t i = 0; i < q->count; i++)
        share_bound(&ret_shares[i], 0, q->sum, NULL);
}

enum usage_attribution usage_attribute(
        const struct usage_attribution_query *query, struct usage_share *ret_shares)
{
    struct part parts[USAGE_SHARERS_MAX];
    uint64_t lows = 0;
    uint64_t highs = 0;

    assert(query->count >= 1);
    assert(query->count <= USAGE_SHARERS_MAX);
    if (query->count == 1) {
        ret_shares[0] = (struct usage_share){
                .known = true, .value = query->sum, .low = query->sum, .high = query->sum};
        return USAGE_ATTRIBUTION_OK;
    }
    for (uint32_t i = 0; i < query->count; i++) {
        const struct usage_prior *prior = &query->priors[i];
        parts[i] = (struct part){.low = prior->known ? prior->low : 0,
                .high = prior->known ? prior->high : query->sum};
        assert(parts[i].low <= parts[i].high);
        lows += parts[i].low;
        highs += parts[i].high;
    }
    bool within = lows <= query->sum && query->sum <= highs;
    if (within) {
        split_within(query, parts, lows, highs, ret_shares);
    } else {
        split_outside(query, parts, query->sum > highs, ret_shares);
    }
    if (query->sum < query->saturated)
        return within ? USAGE_ATTRIBUTION_OK : USAGE_ATTRIBUTION_CONTRADICTED;

    /* The sum is a lower bound only: it says nothing against a prior's upper end, and there is no
     * upper end where no prior gives one. */
    for (uint32_t i = 0; i < query->count; i++) {
        const struct usage_prior *prior = &query->priors[i];
        uint32_t value = ret_shares[i].value;
        share_bound(&ret_shares[i], num_min_u32(value, prior->known ? prior->low : 0),
                prior->known ? num_max_u32(value, prior->high) : UINT32_MAX, NULL);
    }
    return USAGE_ATTRIBUTION_SATURATED;
}

void usage_trust_exclusive(struct usage_trust *t, int64_t wall_ns)
{
    t->error_permille = 0;
    t->exclusive_wall_ns = num_max_i64(t->exclusive_wall_ns, wall_ns);
}

void usage_trust_attributed(struct usage_trust *t, int64_t wall_ns, const struct usage_share *s)
{
    uint32_t error = num_min_u32(s->error, ERROR_MAX);
    if (error >= t->error_permille) {
        t->error_permille = error;
    } else {
        t->error_permille -= (t->error_permille - error + FALL_SHARE - 1) / FALL_SHARE;
    }
    t->attributed_wall_ns = num_max_i64(t->attributed_wall_ns, wall_ns);
}

/* Time from `then` to `now`, 0 when the clock was set back, INT64_MAX when it does not fit. */
static int64_t elapsed(int64_t then_ns, int64_t now_ns)
{
    int64_t ns;
    if (now_ns <= then_ns)
        return 0;
    return __builtin_sub_overflow(now_ns, then_ns, &ns) ? INT64_MAX : ns;
}

uint32_t usage_trust_error(const struct usage_trust *t, int64_t wall_ns)
{
    int64_t since = t->exclusive_wall_ns != 0 ? t->exclusive_wall_ns : t->attributed_wall_ns;
    if (since == 0)
        return ERROR_MAX;
    int64_t drift = num_muldiv_i64(elapsed(since, wall_ns), DRIFT_PERMILLE_A_DAY, DAY_NS);
    return (uint32_t)num_min_i64(ERROR_MAX, drift + t->error_permille);
}

bool usage_trust_may_tighten(const struct usage_trust *t, int64_t wall_ns,
        uint32_t error_max_permille, int64_t stale_after_ns)
{
    int64_t last = num_max_i64(t->exclusive_wall_ns, t->attributed_wall_ns);
    if (t->exclusive_wall_ns == 0 && t->attributed_wall_ns == 0)
        return false;
    return elapsed(last, wall_ns) <= stale_after_ns &&
           usage_trust_error(t, wall_ns) <= error_max_permille;
}

struct usage_prior usage_prior_busy(const struct usage_digest *d, int64_t wall_ns, uint64_t least)
{
    struct usage_histogram h;
    usage_digest_ahead(d, USAGE_METRIC_BUSY, wall_ns, NUM_NS_PER_HOUR, least, &h);
    if (h.total == 0 || h.total < least)
        return (struct usage_prior){.known = false};
    /* A low bound is the lower edge of its bin, as a high bound is the upper edge. */
    unsigned low = usage_bin_of(usage_histogram_quantile(&h, PRIOR_LOW_PERMILLE));
    return (struct usage_prior){.known = true,
            .low = low > 0 ? usage_bin_upper(low - 1) : 0,
            .high = usage_histogram_quantile(&h, PRIOR_HIGH_PERMILLE)};
}
