/* place/problem.h - the regular solve: which pool each owner should be in, and what that costs.
 *
 * Pure, plain data: no pointers into a picture, no strings, so that a problem or a solution can be
 * hashed, compared and kept.  Money is micro-USD an hour.  How it is solved: place/README.md.
 *
 * A pool is (kind of node, technique): exclusive nodes, time-sliced nodes, MIG nodes of one GPU
 * model.  There may be several time-sliced pools of a kind (tiers), so that quiet owners need not
 * follow a busy one.  An owner goes as a whole into one pool.  A time-sliced pool has one replica
 * count: the least of what its owners bear by memory, so that any set of its pods may meet on a
 * GPU, and what they bear by busy time in the mean over the pool's pods, which kubelet mixes.  Node
 * counts are exact ceilings over slots, CPU and RAM. */
#ifndef PLACE_PROBLEM_H
#define PLACE_PROBLEM_H

#include "base/arena.h"
#include "mig/layout.h"
#include "model/workload.h"

enum {
    PLACE_KINDS_MAX = 256,
    PLACE_OWNERS_MAX = 65536,
    PLACE_OPTIONS_MAX = 64, /* of one owner */
    PLACE_TIERS = 3,        /* time-sliced pools of one kind */
    PLACE_NODE_GPUS_MAX = 16,
    PLACE_REPLICAS_MAX = 64,
    PLACE_NO_MIG = UINT16_MAX,
};

/* A kind of node: one GPU model, size and price in one cluster. */
struct place_kind {
    uint16_t cluster;
    uint16_t gpu; /* GPU table index */
    uint16_t mig; /* index of the MIG model (mig_model_get), PLACE_NO_MIG when it has none */
    uint16_t gpus_per_node;
    int64_t microusd_per_hour;   /* of a node */
    uint32_t cpu_milli, ram_mib; /* of a node */
    uint32_t nodes_now;
    uint32_t nodes_max; /* how many there may be; UINT32_MAX = the autoscaler adds as needed */
};

/* One way to serve an owner; hard rules were applied before it got here. */
struct place_option {
    uint16_t kind;
    uint8_t technique; /* enum model_technique */
    uint8_t tier;      /* which pool of the kind and technique, 0..PLACE_TIERS-1 */
    uint8_t profile;   /* MIG: number in the model's profiles */
    /* Time-slicing: the most of this owner's pods that one GPU bears by what may never be passed
     * (memory, the policy), 2..PLACE_REPLICAS_MAX.  MIG: pods on one instance.  Else 1. */
    uint16_t replicas_max;
    /* Time-slicing: the part of a GPU's busy time that a pod stands for, ppm: 1,000,000 / (pods
     * that a GPU bears, which need not be whole).  1..1,000,000; not read otherwise. */
    uint32_t size_ppm;
    int64_t extra_microusd_per_hour; /* switching, spread over the dwell, and slower hardware */
};

struct place_owner {
    uint64_t uid;
    uint32_t pods; /* > 0 */
    uint32_t gpus_per_pod;
    uint32_t cpu_milli, ram_mib;         /* of a pod */
    uint32_t option_first, option_count; /* into options; option 0 is what holds today */
};

struct place_problem {
    uint32_t kind_count, owner_count, option_count;
    const struct place_kind *kinds;
    const struct place_owner *owners;
    const struct place_option *options;
    uint32_t spare_slots_permille; /* of a shared or MIG pool's pods, kept free for arrivals */
};

/* What a solution wants of one kind of node. */
struct place_pools {
    uint32_t nodes_exclusive, nodes_mig;
    uint32_t nodes_shared[PLACE_TIERS];
    uint16_t replicas[PLACE_TIERS];       /* 0 when the pool has no owner */
    uint32_t mig_count[MIG_PROFILES_MAX]; /* instances wanted */
};

struct place_solution {
    uint64_t problem_digest;
    uint32_t owner_count, kind_count;
    const uint32_t *choice;          /* per owner, 0..option_count-1 */
    const struct place_pools *pools; /* per kind */
    int64_t microusd_per_hour;       /* of all nodes under `choice` */
    int64_t microusd_per_hour_now;   /* the same with every owner at option 0 */
    uint32_t evaluated;              /* assignments looked at */
};

/* Replicas of a time-sliced pool of `pods` whose sizes add up to `size_ppm` and of which memory
 * bears `hard` (0 = no owner): 0, or at least 2. */
uint32_t place_pool_replicas(uint32_t hard, uint64_t pods, uint64_t size_ppm);

/* FNV-1a over every field that the solver reads. */
uint64_t place_problem_digest(const struct place_problem *p);

/* Every field equal but `evaluated`. */
bool place_solution_eq(const struct place_solution *a, const struct place_solution *b);

/* Solves by local search from today's assignment: deterministic in (problem, seed, iterations).
 *
 * iterations: assignments to look at, 0 = default.  The solution lives in `a`.  Never worse than
 * today by the objective; feasible whenever today is.  Returns 0; -EINVAL for a problem whose
 * indexes or sums are out of range.
 * Cost: about 3 us an assignment. */
int place_solve(struct arena *a, const struct place_problem *p, uint64_t seed, uint32_t iterations,
        const struct place_solution **ret_solution);

#endif
