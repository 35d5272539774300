/* dra/allocate.h - the structured allocator: which devices a pod's claims get on one node.
 *
 * Pure.  Behaves as k8s.io/dynamic-resource-allocation/structured 1.37.2 in its variants
 * "incubating" (what a default cluster runs) and "experimental"; README.md lists the differences.
 *
 *     struct dra_engine *e = dra_engine_new(store, &setup);
 *     r = dra_engine_take(e, claim, &err);          // every claim that is allocated already
 *     outcome = dra_allocate(e, &input, arena, &result, &err);
 *
 * An engine keeps compiled selectors, their verdicts and every node's pools between calls; it reads
 * the store, which must not change meanwhile. */
#ifndef DRA_ALLOCATE_H
#define DRA_ALLOCATE_H

#include "dra/store.h"

enum dra_variant { DRA_VARIANT_INCUBATING, DRA_VARIANT_EXPERIMENTAL, DRA_VARIANT_COUNT };

enum dra_feature {
    DRA_FEATURE_ADMIN_ACCESS = 1 << 0,
    DRA_FEATURE_GROUPS = 1 << 1, /* DRADeviceCompatibilityGroups */
    DRA_FEATURE_CONSUMABLE = 1 << 2,
    DRA_FEATURE_DERIVED = 1 << 3,
    DRA_FEATURE_BINDING = 1 << 4,
    DRA_FEATURE_TAINTS = 1 << 5,
    DRA_FEATURE_FRACTIONAL = 1 << 6,
    DRA_FEATURE_LISTS = 1 << 7,
    DRA_FEATURE_OPTIONAL_OPS = 1 << 8,
    DRA_FEATURE_PARTITIONABLE = 1 << 9,
    DRA_FEATURE_PRIORITIZED = 1 << 10,
    DRA_FEATURES_ALL = (1 << 11) - 1,
};

/* What a variant can do; features outside it are refused by dra_allocate(). */
unsigned dra_variant_features(enum dra_variant variant);
const char *dra_variant_name(enum dra_variant variant);
/* The feature of upstream's name ("ConsumableCapacity"), or 0. */
unsigned dra_feature_find(struct str name);

struct dra_setup {
    enum dra_variant variant;
    unsigned features;
    uint64_t step_limit; /* search steps before giving up with -ETIME; 0 = 2^40 */
    uint64_t seed;       /* of share ids */
    bool no_pruning;     /* search as upstream does, step by step */
};

struct dra_engine;

struct dra_engine *dra_engine_new(const struct dra_store *store, const struct dra_setup *setup);
struct dra_engine *dra_engine_free(struct dra_engine *e); /* NULL accepted; returns NULL */

/* Marks the devices of an allocated claim as taken; a claim without allocation takes nothing.
 * -ERANGE when consumed capacities do not add up in 128 bits. */
int dra_engine_take(struct dra_engine *e, const struct dra_claim *claim, struct err *reterr);

/* Forgets what is taken, of all nodes; selectors and their verdicts are kept. */
void dra_engine_reset(struct dra_engine *e);

enum dra_outcome {
    DRA_OUTCOME_ALLOCATED,
    DRA_OUTCOME_NO_FIT,      /* this node cannot; others may */
    DRA_OUTCOME_NODE_ERROR,  /* the same, because a pool on the node is invalid */
    DRA_OUTCOME_ERROR,       /* the scheduling attempt of the pod ends */
    DRA_OUTCOME_UNSUPPORTED, /* we cannot tell */
    DRA_OUTCOME_COUNT,
};
const char *dra_outcome_name(enum dra_outcome outcome);

struct dra_input {
    const struct dra_node *node;
    const struct dra_claim *const *claims; /* unallocated ones, in the pod's order */
    uint32_t claim_count;
};

struct dra_consumed {
    uint32_t name;
    struct quantity value;
};

struct dra_pick {
    const struct dra_slice *slice;
    const struct dra_device *device;
    uint32_t request; /* index in the claim */
    uint32_t ask;     /* index in the request */
    bool shared;      /* has a share id */
    char share_id[37];
    uint32_t consumed_count;
    const struct dra_consumed *consumed;
    struct dra_name_list skip_operations;
    struct dra_name_list binding, binding_failure;
};

struct dra_result_config {
    bool from_class;
    const struct dra_config *config;
    uint32_t request_count; /* 0 = all */
    const struct str *requests;
};

/* One claim's allocation. */
struct dra_allocation {
    uint32_t pick_count, config_count;
    const struct dra_pick *picks; /* in the order of status.allocation.devices.results */
    const struct dra_result_config *configs;
    bool one_node;                            /* node selector: this node only */
    const struct dra_node_selector *selector; /* else this, else NULL: usable anywhere */
};

struct dra_result {
    enum dra_outcome outcome;
    const struct dra_allocation *allocations; /* per claim; with ALLOCATED only */
    uint64_t steps; /* upstream's NumAllocateOneInvocations, where nothing was pruned */
    bool pruned;    /* some branch was cut: upstream would have walked on */
};

/* Allocates all claims or none.  Memory of the result: `arena`.  Writes *ret_result in any case;
 * reterr says why when the outcome is not ALLOCATED or NO_FIT. */
enum dra_outcome dra_allocate(struct dra_engine *e, const struct dra_input *input,
        struct arena *arena, struct dra_result *ret_result, struct err *reterr);

/* Takes the devices of a result as dra_engine_take() does after the API has it. */
int dra_engine_commit(struct dra_engine *e, const struct dra_input *input,
        const struct dra_result *result, struct err *reterr);

#endif
