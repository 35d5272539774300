/* dra/search-priv.h - the state of one dra_allocate().
 *
 * All of it lives in the engine's scratch arena and is gone with the next call. */
#ifndef DRA_SEARCH_PRIV_H
#define DRA_SEARCH_PRIV_H

#include "dra/engine-priv.h"

/* What a step of the search found; a negative errno ends the search. */
enum { DRA_STEP_NO, DRA_STEP_YES, DRA_STEP_MAX }; /* MAX: over 32 results, whatever the devices */

/* A device of a usable pool, by its position in the search. */
struct dra_cand {
    const struct dra_device *device;
    const struct dra_slice *slice;
    uint32_t pool; /* index in the view */
};

/* A request, or one alternative of it. */
struct dra_ask_run {
    const struct dra_ask *ask;
    const struct dra_request *request;
    const struct dra_class *class;
    uint32_t claim, request_index, sub;
    int64_t need;  /* devices */
    uint32_t *all; /* mode All: which */
    uint8_t *memo; /* by candidate: 0 not asked yet, 1 not selectable, 2 selectable */
    uint32_t program_count, class_program_count;
    uint32_t *programs;   /* the class's selectors, then its own */
    uint64_t constraints; /* bits: the claim's constraints that apply */
};

/* A request: its alternatives stand at asks[first..first+count). */
struct dra_request_run {
    uint32_t first, count;
    uint32_t chosen; /* set when it was satisfied */
};

struct dra_value_set {
    uint32_t count, cap;
    uint32_t kind; /* of the items; scalar values are sets of one */
    struct cel_value *items;
};

struct dra_constraint_run {
    const struct dra_constraint *constraint;
    uint32_t count;             /* devices under it */
    struct cel_value *values;   /* one a device; scalar match: the first decides */
    struct dra_value_set *sets; /* lists: match: what is common to the first n */
};

struct dra_group_state {
    bool members, all_empty;
    uint32_t count;
    uint32_t groups[DRA_GROUPS_MAX];
};

struct dra_group_save {
    uint32_t pool, set;
    struct dra_group_state state;
};

/* What the run has taken from a pool. */
struct dra_pool_run {
    bool ready;
    __int128 *used;                 /* by counter */
    struct dra_group_state *groups; /* by set; NULL without the feature */
};

struct dra_picked {
    uint32_t cand, ask; /* index in asks */
    bool shared;
    struct quantity *consumed; /* by capacity; with `shared` */
    uint32_t consumed_cap;
};

struct dra_claim_run {
    const struct dra_claim *claim;
    struct dra_request_run *requests;
    struct dra_constraint_run *constraints;
    uint32_t pick_count;
    struct dra_picked *picks; /* room for 32 */
};

struct dra_bound;

struct dra_search {
    struct dra_engine *e;
    const struct dra_node *node;
    struct dra_view *view;
    struct arena *arena;
    struct err *err;

    uint32_t cand_count;
    struct dra_cand *cands;
    uint32_t *pool_first;         /* by pool of the view, + 1: where its candidates begin */
    uint64_t *in_use;             /* by candidate: which claims take it whole */
    uint32_t *shares;             /* by candidate: shares given in this run */
    struct quantity **allocating; /* by candidate: by capacity, what they consume */
    struct dra_pool_run *pools;

    uint32_t claim_count, ask_count;
    struct dra_claim_run *claims;
    struct dra_ask_run *asks;

    struct dra_group_save *saves;
    uint32_t save_count, save_cap;
    struct map_u64 derived; /* candidate << 32 | program -> value */
    struct cel_value *derived_values;
    uint32_t derived_count, derived_cap;

    uint64_t steps;
    bool pruned;
    bool bound_tried;        /* dra_bound_new was called */
    struct dra_bound *bound; /* NULL: walk as upstream does */
};

/* Where the search stands. */
struct dra_spot {
    uint32_t claim, request, sub, device;
    bool in_sub;    /* `sub` was chosen */
    uint32_t start; /* first candidate for the device */
};

/* What dra_device_allocate changed. */
struct dra_undo {
    uint32_t cand, claim;
    uint64_t constraints; /* bits: those that the device was added to */
    uint32_t save_count;
    bool counters, marked, shared, picked;
};

/* prepare.c: all that is decided before the search; a negative errno is fatal. */
int dra_search_prepare(struct dra_search *s, const struct dra_input *input);
/* 1, 0 or a fatal error: the selectors and the device's own node. */
int dra_selectable(struct dra_search *s, struct dra_ask_run *ask, uint32_t cand);

/* allocate.c: fills a result from the picks. */
int dra_search_result(struct dra_search *s, struct arena *arena, struct dra_result *ret_result);

/* search.c */
int dra_search_run(struct dra_search *s);

/* place.c: one device for one request. */
int dra_device_allocate(struct dra_search *s, const struct dra_spot *at, uint32_t cand, bool must,
        struct dra_undo *ret_undo);
void dra_device_release(struct dra_search *s, const struct dra_undo *undo);
int dra_cand_capacity(struct dra_search *s, const struct dra_ask_run *ask, uint32_t cand);
bool dra_taints_block(const struct dra_device *device, const struct dra_ask *ask);
bool dra_operations_block(const struct dra_search *s, const struct dra_slice *slice);
bool dra_cand_shareable(const struct dra_search *s, uint32_t cand);
struct dra_pool_run *dra_pool_run_get(struct dra_search *s, uint32_t pool);

/* constraint.c */
/* 1 added, 0 not met, a negative errno is fatal. */
int dra_constraint_add(struct dra_search *s, struct dra_constraint_run *c,
        const struct dra_ask_run *ask, uint32_t cand);
void dra_constraint_remove(struct dra_constraint_run *c);
/* The value that the constraint sees on a candidate: 1, 0 none, or fatal. */
int dra_constraint_value(struct dra_search *s, const struct dra_constraint *c,
        const struct dra_ask_run *ask, uint32_t cand, struct cel_value *ret);
bool dra_values_equal(const struct cel_value *a, const struct cel_value *b);
/* Whether a candidate with that value could still be added. */
bool dra_constraint_admits(const struct dra_search *s, const struct dra_constraint_run *c,
        const struct cel_value *value);

/* bound.c: proofs that no solution lies below a spot. */
/* NULL when a branch may end in an error, which must then be found. */
struct dra_bound *dra_bound_new(struct dra_search *s);
bool dra_bound_possible(struct dra_search *s, const struct dra_spot *at);
/* Alike for the rest of the run: if one leads nowhere, so does the other. */
uint32_t dra_bound_class(const struct dra_search *s, uint32_t cand);
/* Marks the class as tried at that depth since the loop of `stamp` began; true when it was. */
bool dra_bound_tried(struct dra_search *s, uint32_t depth, uint32_t class, uint64_t stamp);
void dra_bound_try(struct dra_search *s, uint32_t depth, uint32_t class, uint64_t stamp);

static inline struct dra_ask_run *dra_ask_at(const struct dra_search *s, const struct dra_spot *at)
{
    return &s->asks[s->claims[at->claim].requests[at->request].first + at->sub];
}

#endif
