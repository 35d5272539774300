/* place/pools-priv.h - what a set of owners needs of each kind of node, kept up move by move.
 *
 * Pure.  Private to place/. */
#ifndef PLACE_POOLS_PRIV_H
#define PLACE_POOLS_PRIV_H

#include "place/problem.h"

/* Sums over the owners that are in one pool. */
struct pool_load {
    uint64_t pods, cpu_milli, ram_mib;
};

/* How many GPUs a demand for instances needs, as found before: a search asks the same few hundred
 * questions over and over, and each costs a walk through the model's multisets. */
enum { POOL_CUTS = 256 };
struct pool_cuts {
    unsigned last; /* most moves leave the instances as they are */
    struct {
        bool known;
        uint32_t want[MIG_PROFILES_MAX];
        uint32_t gpus;
    } rows[POOL_CUTS]; /* by hash of want; a newer answer takes the place of an older */
};

/* All pools of one kind, and the cost that follows from them. */
struct pool_kind {
    struct pool_load exclusive, mig, shared[PLACE_TIERS];
    uint32_t by_gpus[PLACE_NODE_GPUS_MAX + 1]; /* exclusive pods by GPUs asked for */
    uint32_t by_replicas[PLACE_TIERS][PLACE_REPLICAS_MAX + 1]; /* owners by what they bear */
    uint64_t size_ppm[PLACE_TIERS];                            /* of all pods */
    uint32_t mig_count[MIG_PROFILES_MAX];
    struct pool_cuts *cuts; /* NULL = remember nothing */
};

/* Adds (`sign` 1) or removes (-1) an owner under one of its options. */
void place_pools_apply(struct pool_kind *kind, const struct place_owner *owner,
        const struct place_option *option, int sign);

/* Nodes of each pool, and their sum in ret_microusd; ret_smooth is the same without rounding up to
 * whole nodes, which leads the search across plateaus. */
void place_pools_need(const struct place_problem *p, const struct place_kind *kind,
        const struct pool_kind *load, struct place_pools *ret_pools, int64_t *ret_microusd,
        int64_t *ret_smooth);

#endif
