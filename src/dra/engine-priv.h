/* dra/engine-priv.h - what an engine keeps between calls. */
#ifndef DRA_ENGINE_PRIV_H
#define DRA_ENGINE_PRIV_H

#include "dra/allocate.h"
#include "dra/device.h"

enum {
    DRA_PAGE_DEVICES = 4096, /* verdicts a page: two bits each */
    DRA_PROGRAMS_MAX = 1024, /* then all are forgotten */
};

/* A compiled expression and what it said of each device. */
struct dra_program {
    const struct cel_program *program; /* NULL: `code` */
    int code;
    const char *error;
    bool typed; /* a selector: checked for bool */
    uint8_t **pages;
};

struct dra_usage_item {
    uint32_t name; /* of the capacity, as written */
    struct quantity value;
};

/* Consumed capacity of one device; a device is in `usage` when there is an entry, even an empty
 * one. */
struct dra_usage {
    uint32_t count, cap;
    struct dra_usage_item *items;
};

enum { DRA_TAKEN = 1, DRA_TAKEN_SHARED = 2 };

/* A pool as one node sees it. */
struct dra_pool_view {
    uint32_t ident; /* of (driver, pool) */
    bool incomplete, invalid, has_binding;
    const char *reason; /* with invalid */
    uint32_t slice_count, hidden_count, set_count;
    const struct dra_slice **slices; /* with devices for the node */
    const struct dra_slice **hidden; /* of the same generation, other nodes' */
    const struct dra_counter_set **sets;
    uint32_t *set_first; /* where each set's counters begin in `available` */
    uint32_t counter_count;
    __int128 *available; /* less what is taken; valid at `epoch` */
    uint64_t epoch;
    uint32_t negative; /* counters below zero */
};

struct dra_view {
    uint32_t pool_count, device_count;
    struct dra_pool_view *pools;
    int code; /* with `error`: a fatal one */
    const char *error;
};

struct dra_engine {
    const struct dra_store *store;
    struct dra_setup setup;
    struct arena *arena;   /* views, indexes */
    struct arena *scratch; /* one call's */
    struct arena *eval;    /* one evaluation's */

    struct arena *program_arena;
    struct map_u64 program_index; /* expression's name * 2 + typed -> program */
    struct dra_program *programs;
    uint32_t program_count, program_cap;

    /* slices by node name, by pool; without a node */
    struct map_u64 node_index; /* node name -> row in node_first */
    uint32_t *node_first;      /* rows + 1 */
    const struct dra_slice **node_slices;
    uint32_t *pool_first; /* by pool ident, + 1 */
    const struct dra_slice **pool_slices;
    const struct dra_slice **open_slices;
    uint32_t open_count;

    struct map_u64 views; /* address of a node -> index */
    struct dra_view **view_items;
    uint32_t view_count, view_cap;

    uint8_t *taken;             /* by device ident */
    struct map_u64 usage_index; /* device ident -> usage */
    struct dra_usage *usages;
    uint32_t usage_count, usage_cap;
    uint64_t *pool_epoch; /* by pool ident; moves with every take */
    uint64_t share_count; /* for share ids */
};

static inline bool dra_has(const struct dra_engine *e, unsigned feature)
{
    return (e->setup.features & feature) != 0;
}

/* engine.c */
const struct dra_usage *dra_usage_find(const struct dra_engine *e, uint32_t ident);

/* program.c: the program's index; never fails (the error is kept with it). */
uint32_t dra_program_get(struct dra_engine *e, uint32_t expression, bool typed);
void dra_programs_clear(struct dra_engine *e);
/* 1, 0, or a negative errno with the text. */
int dra_program_verdict(struct dra_engine *e, uint32_t program, const struct dra_device *device,
        uint32_t driver, struct err *reterr);

/* node.c: 1, 0; -EINVAL for a selector that does not parse. */
int dra_node_matches(const struct dra_names *names, const struct dra_node *node,
        const struct dra_node_selector *selector, struct err *reterr);
int dra_device_on_node(const struct dra_names *names, const struct dra_node *node,
        const struct dra_device *device, struct err *reterr);

/* pools.c */
struct dra_view *dra_view_get(struct dra_engine *e, const struct dra_node *node);
/* Brings `available` up to date. */
void dra_pool_refresh(struct dra_engine *e, struct dra_pool_view *pool);
/* Where the counters of `set` begin, or UINT32_MAX. */
uint32_t dra_pool_set(const struct dra_pool_view *pool, uint32_t set, uint32_t *ret_index);

/* capacity.c: 1 fits, 0 does not, a negative errno is fatal. */
struct dra_capacity_check {
    const struct dra_capacities *capacities; /* NULL = none */
    const struct dra_capacity_request *requests;
    uint32_t request_count;
    const struct dra_usage *used;      /* NULL = nothing */
    const struct quantity *allocating; /* by capacity; NULL = nothing */
    bool fractional;
};
int dra_capacity_fits(const struct dra_capacity_check *check, struct err *reterr);
/* What a share consumes, by capacity, into ret_values[capacities->count]. */
int dra_capacity_consume(
        const struct dra_capacity_check *check, struct quantity *ret_values, struct err *reterr);

#endif
