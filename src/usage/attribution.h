/* usage/attribution.h - whose demand it is, when pods share a GPU and only the sum is known.
 *
 * Pure.  Exporters give every pod on a time-sliced GPU the whole GPU's value.  Each pod's part is
 * bounded by what it (or its siblings) showed while alone, [low, high], and by the sum: what is
 * left for it when all others take their most, or their least.  The answer is a point within these
 * bounds with its error.  Wide bounds give known = false: such a reading may widen a reserve, it
 * never tightens one. */
#ifndef USAGE_ATTRIBUTION_H
#define USAGE_ATTRIBUTION_H

#include "usage/digest.h"

enum { USAGE_SHARERS_MAX = 64 };

/* What is known of one sharing pod, in any one unit (permille of busy time, MiB). */
struct usage_prior {
    bool known;
    uint32_t low, high; /* exclusive history or siblings, low <= high; not read unless known */
};

struct usage_share {
    bool known;         /* error <= the limit given, sum not saturated, bounds not contradicted */
    uint32_t value;     /* best estimate */
    uint32_t low, high; /* bounds that hold if the priors hold */
    uint32_t error;     /* largest distance of `value` from its bounds */
};

enum usage_attribution {
    USAGE_ATTRIBUTION_OK,
    USAGE_ATTRIBUTION_SATURATED,   /* sum at its cap: demand above it cannot be seen */
    USAGE_ATTRIBUTION_CONTRADICTED /* the sum lies outside of what the priors allow */
};

struct usage_attribution_query {
    uint32_t sum; /* the GPU's reading */
    uint32_t
            saturated; /* a sum of at least this says "at least": 950 for busy; UINT32_MAX: never */
    uint32_t error_max; /* larger errors give known = false */
    uint32_t count;     /* 1..USAGE_SHARERS_MAX */
    const struct usage_prior *priors;
};

/* Splits query->sum over the pods; ret_shares[count] add up to the sum exactly.  A pod alone gets
 * the whole sum with error 0. */
enum usage_attribution usage_attribute(
        const struct usage_attribution_query *query, struct usage_share *ret_shares);

/* How far an owner's learned demand may be off, carried over time: attributed readings add their
 * error, time without an exclusive reading adds drift, an exclusive reading resets it. */
struct usage_trust {
    uint32_t error_permille;    /* running mean of the errors, rising at once, falling slowly */
    int64_t exclusive_wall_ns;  /* last reading of a pod alone on its GPU or instance; 0 = never */
    int64_t attributed_wall_ns; /* last attributed reading; 0 = never */
};

void usage_trust_exclusive(struct usage_trust *t, int64_t wall_ns);
void usage_trust_attributed(struct usage_trust *t, int64_t wall_ns, const struct usage_share *s);

/* The error bound at `wall_ns`: the running error plus 5 permille a day without an exclusive
 * reading, at most 1000; 1000 when nothing was ever read. */
uint32_t usage_trust_error(const struct usage_trust *t, int64_t wall_ns);

/* May something be tightened on this owner's history?  False once the error bound passes the limit
 * or the last reading of any kind is older than stale_after_ns. */
bool usage_trust_may_tighten(const struct usage_trust *t, int64_t wall_ns,
        uint32_t error_max_permille, int64_t stale_after_ns);

/* The prior of a pod from its owner's digest: quantiles 5 % and 99 % of busy time in the hours
 * ahead; known = false below `least` readings. */
struct usage_prior usage_prior_busy(const struct usage_digest *d, int64_t wall_ns, uint64_t least);

#endif
