/* place/bound.h - the least cost, and the least number of GPUs, that the workloads alive need.
 *
 * Pure.  A true lower bound: no placement that keeps the rules below can be cheaper.  It relaxes
 * what is costly to know (nodes, CPU and host memory, moves, time), never a rule the other way.
 * Floating point only searches; what is returned was checked in integers against every pattern, so
 * a rounding error can make it weaker, never wrong.  Method: place/README.md, "The bound".
 *
 * Rules of a GPU.  It is used in one of three ways:
 *   alone    one item, whatever its demand;
 *   shared   items that may share, the sum of memory and the sum of busy time within the type's
 *            capacities (an item above a capacity only ever goes alone or into MIG);
 *   MIG      a legal layout, one item an instance that has its mig_memory_mib and
 *            mig_compute_slices; with `mig_shared` an instance may also hold several items that may
 *            share, the sum of their memory within the instance's.
 * An item of several GPUs takes that many alone, all of one type. */
#ifndef PLACE_BOUND_H
#define PLACE_BOUND_H

#include "mig/catalog.h"

enum {
    PLACE_BOUND_TYPES_MAX = 16,
    PLACE_BOUND_ITEMS_MAX = 65536,
};

#define PLACE_BOUND_UNLIMITED UINT32_MAX

/* A kind of GPU that may be rented. */
struct place_bound_type {
    int64_t microusd_per_gpu_hour; /* 1..10^10 */
    uint32_t memory_mib;           /* for sharing items, up to 2^30; 0 = no sharing */
    uint32_t busy_permille;        /* likewise busy time, up to 10^5; UINT32_MAX = not limited */
    uint32_t count_max;            /* GPUs, or PLACE_BOUND_UNLIMITED */
    const struct mig_model *mig;   /* its MIG geometry, NULL = no MIG */
    bool mig_shared;
};

struct place_bound_item {
    uint64_t id;            /* the caller's; not looked at: items of equal demands are one class */
    uint32_t memory_mib;    /* shared demand; 0 is fine */
    uint32_t busy_permille; /* of one such GPU, any type */
    uint32_t gpus;          /* >= 1; above 1 it does not share and takes no MIG instance */
    uint32_t types;         /* bit t: type t allowed; not 0 */
    bool may_share;
    uint8_t mig_compute_slices; /* the smallest instance that will do; 0 = no MIG */
    uint32_t mig_memory_mib;
};

enum place_bound_method {
    PLACE_BOUND_NONE,    /* no items */
    PLACE_BOUND_LP,      /* configuration LP by column generation, its dual checked */
    PLACE_BOUND_L2,      /* Martello and Toth's L2 on memory */
    PLACE_BOUND_COUNTED, /* items that cannot share, counted */
    PLACE_BOUND_METHOD_COUNT
};

const char *place_bound_method_name(enum place_bound_method method); /* "lp", "l2", ... */

struct place_bound_result {
    int64_t cost_microusd_per_hour; /* no feasible placement costs less */
    uint32_t gpus;                  /* no feasible placement uses fewer GPUs of any mix */
    int64_t gpus_micro;             /* the same before rounding up, in millionths */
    enum place_bound_method cost_method, gpus_method;
    uint32_t columns; /* generated in all: for tuning and tests */
    bool infeasible;  /* the count limits leave no placement at all; the numbers still hold */
};

/* Keeps the types, their MIG multisets, and the last tick's columns as a start for the next. */
struct place_bound;

/* types[type_count]: copied; 1..PLACE_BOUND_TYPES_MAX of them. */
struct place_bound *place_bound_new(const struct place_bound_type *types, uint32_t type_count);
struct place_bound *place_bound_free(struct place_bound *bound); /* NULL is accepted, returned */

/* The bound for items[count] (count <= PLACE_BOUND_ITEMS_MAX).  Past calls may change how tight it
 * is in the last digits, never whether it holds: a run repeated from the start gives equal numbers.
 * Cost, 80 items that share: about 1 ms when memory binds alone, 3 to 5 ms with busy time or MIG.
 */
void place_bound_solve(struct place_bound *bound, const struct place_bound_item *items,
        uint32_t count, struct place_bound_result *ret_result);

/* Martello and Toth's L2: GPUs of capacity `capacity` that sizes[count] (each 1..capacity) need at
 * least.  O(n log n). */
uint32_t place_bound_l2(const uint32_t *sizes, uint32_t count, uint32_t capacity);

#endif
