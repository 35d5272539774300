/* dra/engine.c - an engine's indexes and what is taken.  Pure. */
#include "dra/engine-priv.h"

#include <assert.h>
#include <errno.h>

static const struct {
    const char *name;
    unsigned bit;
} feature_names[] = {
        {"AdminAccess", DRA_FEATURE_ADMIN_ACCESS},
        {"CompatibilityGroups", DRA_FEATURE_GROUPS},
        {"ConsumableCapacity", DRA_FEATURE_CONSUMABLE},
        {"DerivedAttributes", DRA_FEATURE_DERIVED},
        {"DeviceBindingAndStatus", DRA_FEATURE_BINDING},
        {"DeviceTaints", DRA_FEATURE_TAINTS},
        {"FractionalCapacityRange", DRA_FEATURE_FRACTIONAL},
        {"ListTypeAttributes", DRA_FEATURE_LISTS},
        {"OptionalNodeOperations", DRA_FEATURE_OPTIONAL_OPS},
        {"PartitionableDevices", DRA_FEATURE_PARTITIONABLE},
        {"PrioritizedList", DRA_FEATURE_PRIORITIZED},
};

unsigned dra_feature_find(struct str name)
{
    for (size_t i = 0; i < sizeof feature_names / sizeof feature_names[0]; i++) {
        if (str_eq_c(name, feature_names[i].name))
            return feature_names[i].bit;
    }
    return 0;
}

unsigned dra_variant_features(enum dra_variant variant)
{
    unsigned experimental =
            DRA_FEATURE_GROUPS | DRA_FEATURE_DERIVED | DRA_FEATURE_LISTS | DRA_FEATURE_OPTIONAL_OPS;
    return variant == DRA_VARIANT_EXPERIMENTAL ? DRA_FEATURES_ALL
                                               : DRA_FEATURES_ALL & ~experimental;
}

const char *dra_variant_name(enum dra_variant variant)
{
    return variant == DRA_VARIANT_EXPERIMENTAL ? "experimental" : "incubating";
}

const char *dra_outcome_name(enum dra_outcome outcome)
{
    static const char *const names[DRA_OUTCOME_COUNT] = {
            [DRA_OUTCOME_ALLOCATED] = "allocated",
            [DRA_OUTCOME_NO_FIT] = "no-fit",
            [DRA_OUTCOME_NODE_ERROR] = "node-error",
            [DRA_OUTCOME_ERROR] = "error",
            [DRA_OUTCOME_UNSUPPORTED] = "unsupported",
    };
    return names[outcome];
}

/* Rows of slices by node name, and those without one, all in the order of arrival. */
static void index_nodes(struct dra_engine *e)
{
    const struct dra_store *s = e->store;
    uint32_t named = 0;
    for (uint32_t i = 0; i < s->slices.count; i++) {
        uint32_t node = dra_slice_at(s, i)->node_name;
        named += node != 0;
        if (node && map_u64_find(&e->node_index, node) == MAP_NONE)
            (void)map_u64_set(&e->node_index, node, e->node_index.entry_count);
    }
    uint32_t rows = e->node_index.entry_count;
    e->node_first = ARENA_ARRAY(e->arena, uint32_t, rows + 2);
    e->node_slices = ARENA_ARRAY(e->arena, const struct dra_slice *, named + 1);
    e->open_slices = ARENA_ARRAY(e->arena, const struct dra_slice *, s->slices.count - named + 1);
    /* Counting sort: row r is filled at node_first[r + 1], which ends where row r + 1 begins. */
    for (uint32_t i = 0; i < s->slices.count; i++) {
        uint32_t node = dra_slice_at(s, i)->node_name;
        if (node)
            e->node_first[map_u64_find(&e->node_index, node) + 2]++;
    }
    for (uint32_t r = 2; r < rows + 2; r++)
        e->node_first[r] += e->node_first[r - 1];
    for (uint32_t i = 0; i < s->slices.count; i++) {
        const struct dra_slice *slice = dra_slice_at(s, i);
        if (slice->node_name == 0) {
            e->open_slices[e->open_count++] = slice;
        } else {
            e->node_slices[e->node_first[map_u64_find(&e->node_index, slice->node_name) + 1]++] =
                    slice;
        }
    }
}

static void index_pools(struct dra_engine *e)
{
    const struct dra_store *s = e->store;
    uint32_t rows = s->pool_idents.entry_count;
    e->pool_first = ARENA_ARRAY(e->arena, uint32_t, rows + 2);
    e->pool_slices = ARENA_ARRAY(e->arena, const struct dra_slice *, s->slices.count + 1);
    e->pool_epoch = ARENA_ARRAY(e->arena, uint64_t, rows + 1);
    for (uint32_t i = 0; i < s->slices.count; i++)
        e->pool_first[dra_slice_at(s, i)->pool_ident + 2]++;
    for (uint32_t r = 2; r < rows + 2; r++)
        e->pool_first[r] += e->pool_first[r - 1];
    for (uint32_t i = 0; i < s->slices.count; i++) {
        const struct dra_slice *slice = dra_slice_at(s, i);
        e->pool_slices[e->pool_first[slice->pool_ident + 1]++] = slice;
    }
    for (uint32_t r = 0; r < rows; r++)
        e->pool_epoch[r] = 1;
}

struct dra_engine *dra_engine_new(const struct dra_store *store, const struct dra_setup *setup)
{
    struct dra_engine *e = mem_alloc(1, sizeof *e);
    e->store = store;
    e->setup = *setup;
    if (e->setup.step_limit == 0)
        e->setup.step_limit = UINT64_C(1) << 40;
    e->arena = arena_new(0);
    e->scratch = arena_new(0);
    e->eval = arena_new(64 << 20);
    e->program_arena = arena_new(0);
    e->taken = mem_alloc(store->device_idents.entry_count + 1, 1);
    index_nodes(e);
    index_pools(e);
    return e;
}

struct dra_engine *dra_engine_free(struct dra_engine *e)
{
    if (!e)
        return NULL;
    dra_programs_clear(e);
    for (uint32_t i = 0; i < e->usage_count; i++)
        mem_free(e->usages[i].items);
    mem_free(e->usages);
    mem_free(e->programs);
    mem_free(e->view_items);
    mem_free(e->taken);
    map_u64_clear(&e->usage_index);
    map_u64_clear(&e->node_index);
    map_u64_clear(&e->views);
    (void)arena_free(e->arena);
    (void)arena_free(e->scratch);
    (void)arena_free(e->eval);
    (void)arena_free(e->program_arena);
    mem_free(e);
    return NULL;
}

const struct dra_usage *dra_usage_find(const struct dra_engine *e, uint32_t ident)
{
    uint32_t found = map_u64_find(&e->usage_index, ident);
    return found == MAP_NONE ? NULL : &e->usages[found];
}

static struct dra_usage *usage_of(struct dra_engine *e, uint32_t ident)
{
    uint32_t found = map_u64_find(&e->usage_index, ident);
    if (found != MAP_NONE)
        return &e->usages[found];
    if (e->usage_count == e->usage_cap) {
        e->usage_cap = e->usage_cap ? e->usage_cap * 2 : 16;
        e->usages = mem_grow(e->usages, e->usage_cap, sizeof *e->usages);
    }
    e->usages[e->usage_count] = (struct dra_usage){0};
    (void)map_u64_set(&e->usage_index, ident, e->usage_count);
    return &e->usages[e->usage_count++];
}

static int usage_add(
        struct dra_usage *usage, uint32_t name, const struct quantity *value, struct err *reterr)
{
    for (uint32_t i = 0; i < usage->count; i++) {
        if (usage->items[i].name != name)
            continue;
        return quantity_add(&usage->items[i].value, value)
                       ? 0
                       : err_set(reterr, -ERANGE, "consumed capacity needs more than 128 bits");
    }
    if (usage->count == usage->cap) {
        usage->cap = usage->cap ? usage->cap * 2 : 4;
        usage->items = mem_grow(usage->items, usage->cap, sizeof *usage->items);
    }
    usage->items[usage->count++] = (struct dra_usage_item){.name = name, .value = *value};
    return 0;
}

/* The number of a device, or UINT32_MAX when no slice has it: then it constrains nothing. */
static uint32_t ident_find(const struct dra_engine *e, const struct dra_allocated *r)
{
    uint64_t pool_key = (uint64_t)r->driver << 32 | r->pool;
    uint32_t pool = map_u64_find(&e->store->pool_idents, pool_key);
    if (pool == MAP_NONE)
        return UINT32_MAX;
    uint32_t ident = map_u64_find(&e->store->device_idents, (uint64_t)pool << 32 | r->device);
    if (ident != MAP_NONE)
        e->pool_epoch[pool]++;
    return ident;
}

int dra_engine_take(struct dra_engine *e, const struct dra_claim *claim, struct err *reterr)
{
    for (uint32_t i = 0; i < claim->allocated_count; i++) {
        const struct dra_allocated *r = &claim->allocated[i];
        uint32_t ident = r->admin ? UINT32_MAX : ident_find(e, r);
        if (ident == UINT32_MAX)
            continue;
        if (!r->has_share || !dra_has(e, DRA_FEATURE_CONSUMABLE)) {
            e->taken[ident] |= DRA_TAKEN;
            continue;
        }
        e->taken[ident] |= DRA_TAKEN_SHARED;
        struct dra_usage *usage = r->has_capacity ? usage_of(e, ident) : NULL;
        for (uint32_t k = 0; k < r->capacity_count; k++) {
            int code = usage_add(usage, r->capacities[k].name, &r->capacities[k].value, reterr);
            if (code)
                return code;
        }
    }
    return 0;
}

void dra_engine_reset(struct dra_engine *e)
{
    uint32_t pools = e->store->pool_idents.entry_count;
    for (uint32_t i = 0; i < e->store->device_idents.entry_count; i++)
        e->taken[i] = 0;
    for (uint32_t i = 0; i < e->usage_count; i++)
        mem_free(e->usages[i].items);
    e->usage_count = 0;
    map_u64_clear(&e->usage_index);
    for (uint32_t i = 0; i < pools; i++)
        e->pool_epoch[i]++;
}

static int commit_pick(
        struct dra_engine *e, const struct dra_pick *pick, bool admin, struct err *reterr)
{
    if (admin)
        return 0;
    uint32_t ident = pick->device->ident;
    e->pool_epoch[pick->slice->pool_ident]++;
    if (!pick->shared) {
        e->taken[ident] |= DRA_TAKEN;
        return 0;
    }
    e->taken[ident] |= DRA_TAKEN_SHARED;
    struct dra_usage *usage = pick->consumed_count ? usage_of(e, ident) : NULL;
    for (uint32_t i = 0; i < pick->consumed_count; i++) {
        int r = usage_add(usage, pick->consumed[i].name, &pick->consumed[i].value, reterr);
        if (r)
            return r;
    }
    return 0;
}

int dra_engine_commit(struct dra_engine *e, const struct dra_input *input,
        const struct dra_result *result, struct err *reterr)
{
    assert(result->outcome == DRA_OUTCOME_ALLOCATED);
    for (uint32_t c = 0; c < input->claim_count; c++) {
        for (uint32_t i = 0; i < result->allocations[c].pick_count; i++) {
            const struct dra_pick *pick = &result->allocations[c].picks[i];
            const struct dra_request *request = &input->claims[c]->requests[pick->request];
            int r = commit_pick(e, pick, request->asks[pick->ask].admin, reterr);
            if (r)
                return r;
        }
    }
    return 0;
}
