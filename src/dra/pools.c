/* dra/pools.c - which pools and slices a node sees, in the order in which they are searched.  Pure.
 *
 * As upstream's GatherPools: slices that are relevant for the node, grouped by pool, the newest
 * generation of each; a pool is complete when all its slices are there, on this node or another.
 * Built once a node and kept; only the counters left move with what is taken. */
#include "dra/engine-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The relevant slices of one pool while they are collected. */
struct group {
    uint32_t ident, count, cap;
    const struct dra_slice **slices;
};

struct gather {
    struct dra_engine *e;
    const struct dra_node *node;
    struct group *groups;
    uint32_t group_count, group_cap;
    struct map_u64 index; /* pool ident -> group */
    struct err *err;
};

/* 1, 0, or a fatal error. */
static int slice_relevant(struct gather *g, const struct dra_slice *slice)
{
    const struct dra_names *names = &g->e->store->names;
    if (slice->node_name)
        return slice->node_name == g->node->name;
    if (slice->all_nodes)
        return 1;
    if (slice->selector)
        return dra_node_matches(names, g->node, slice->selector, g->err);
    if (!slice->per_device)
        return 0;
    for (uint32_t i = 0; i < slice->device_count; i++) {
        int r = dra_device_on_node(names, g->node, &slice->devices[i], g->err);
        if (r)
            return r;
    }
    return 0;
}

static void group_put(struct gather *g, const struct dra_slice *slice)
{
    uint32_t found = map_u64_find(&g->index, slice->pool_ident);
    struct group *group = found == MAP_NONE ? NULL : &g->groups[found];
    if (!group) {
        (void)map_u64_set(&g->index, slice->pool_ident, g->group_count);
        if (g->group_count == g->group_cap) {
            g->group_cap = g->group_cap ? g->group_cap * 2 : 8;
            g->groups = mem_grow(g->groups, g->group_cap, sizeof *g->groups);
        }
        group = &g->groups[g->group_count++];
        *group = (struct group){.ident = slice->pool_ident};
    }
    if (group->count > 0 && slice->generation < group->slices[0]->generation)
        return;
    if (group->count > 0 && slice->generation > group->slices[0]->generation)
        group->count = 0;
    if (group->count == group->cap) {
        group->cap = group->cap ? group->cap * 2 : 4;
        group->slices = mem_grow(group->slices, group->cap, sizeof *group->slices);
    }
    group->slices[group->count++] = slice;
}

static int gather_slice(struct gather *g, const struct dra_slice *slice)
{
    const struct dra_engine *e = g->e;
    if (!dra_has(e, DRA_FEATURE_PARTITIONABLE) && (slice->has_per_device || slice->set_count > 0))
        return 0;
    if (!dra_has(e, DRA_FEATURE_GROUPS) && slice->has_groups)
        return 0;
    int r = slice_relevant(g, slice);
    if (r < 0) {
        return err_wrap(g->err,
                "gather pool information: failed to perform node selection for "
                "slice %.*s",
                STR_ARG_SHORT(dra_name(&e->store->names, slice->name)));
    }
    if (r > 0)
        group_put(g, slice);
    return 0;
}

static int gather_slices(struct gather *g)
{
    struct dra_engine *e = g->e;
    uint32_t row = map_u64_find(&e->node_index, g->node->name);
    if (row != MAP_NONE && g->node->name) {
        for (uint32_t i = e->node_first[row]; i < e->node_first[row + 1]; i++) {
            int r = gather_slice(g, e->node_slices[i]);
            if (r)
                return r;
        }
    }
    for (uint32_t i = 0; i < e->open_count; i++) {
        int r = gather_slice(g, e->open_slices[i]);
        if (r)
            return r;
    }
    return 0;
}

/* All slices of the pool with that generation; false when a newer one exists. */
static bool same_generation(struct gather *g, const struct group *group,
        const struct dra_slice ***ret, uint32_t *ret_count)
{
    struct dra_engine *e = g->e;
    uint32_t first = e->pool_first[group->ident];
    uint32_t end = e->pool_first[group->ident + 1];
    const struct dra_slice **all = ARENA_ARRAY(e->scratch, const struct dra_slice *, end - first);
    uint32_t count = 0;
    for (uint32_t i = first; i < end; i++) {
        const struct dra_slice *slice = e->pool_slices[i];
        if (slice->generation > group->slices[0]->generation)
            return false;
        if (slice->generation < group->slices[0]->generation)
            continue;
        if (dra_has(e, DRA_FEATURE_GROUPS) || !slice->has_groups)
            all[count++] = slice;
    }
    *ret = all;
    *ret_count = count;
    return true;
}

static void slices_sort(
        const struct dra_names *names, const struct dra_slice **slices, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct dra_slice *slice = slices[i];
        uint32_t to = i;
        for (; to > 0 &&
                str_cmp(dra_name(names, slices[to - 1]->name), dra_name(names, slice->name)) > 0;
                to--)
            slices[to] = slices[to - 1];
        slices[to] = slice;
    }
}

static bool slice_named(const struct group *group, uint32_t name)
{
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->slices[i]->name == name)
            return true;
    }
    return false;
}

/* Sorts the pool's slices into those with devices, others' and counters. */
static uint32_t pool_fill(struct gather *g, const struct group *group,
        const struct dra_slice *const *all, uint32_t all_count, struct dra_pool_view *pool)
{
    struct arena *a = g->e->arena;
    bool counters = dra_has(g->e, DRA_FEATURE_PARTITIONABLE);
    uint32_t most = group->count > all_count ? group->count : all_count;
    const struct dra_slice **holders =
            ARENA_ARRAY(g->e->scratch, const struct dra_slice *, most + group->count);
    uint32_t holder_count = 0;
    uint32_t sets = 0;
    pool->slices = ARENA_ARRAY(a, const struct dra_slice *, group->count);
    pool->hidden = ARENA_ARRAY(g->e->scratch, const struct dra_slice *, most);
    for (uint32_t i = 0; i < group->count; i++) {
        const struct dra_slice *slice = group->slices[i];
        if (counters && slice->set_count > 0) {
            holders[holder_count++] = slice;
        } else {
            pool->slices[pool->slice_count++] = slice;
        }
    }
    for (uint32_t i = 0; group->count < all_count && i < all_count; i++) {
        if (slice_named(group, all[i]->name))
            continue;
        if (counters && all[i]->set_count > 0) {
            holders[holder_count++] = all[i];
        } else {
            pool->hidden[pool->hidden_count++] = all[i];
        }
    }
    for (uint32_t i = 0; i < holder_count; i++)
        sets += holders[i]->set_count;
    pool->sets = ARENA_ARRAY(a, const struct dra_counter_set *, sets);
    for (uint32_t i = 0; i < holder_count; i++) {
        for (uint32_t k = 0; k < holders[i]->set_count; k++)
            pool->sets[pool->set_count++] = &holders[i]->sets[k];
    }
    return sets;
}

static void pool_refuse(
        struct gather *g, struct dra_pool_view *pool, const char *what, uint32_t name)
{
    pool->invalid = true;
    pool->reason = arena_printf(
            g->e->arena, "%s %.*s", what, STR_ARG_SHORT(dra_name(&g->e->store->names, name)));
}

static bool names_unique(struct gather *g, struct dra_pool_view *pool)
{
    struct map_u64 seen = {0};
    bool unique = true;
    for (uint32_t s = 0; s < pool->slice_count && unique; s++) {
        for (uint32_t i = 0; i < pool->slices[s]->device_count && unique; i++) {
            uint32_t name = pool->slices[s]->devices[i].name;
            if (map_u64_set(&seen, name, 1) != MAP_NONE) {
                pool_refuse(g, pool, "duplicate device name", name);
                unique = false;
            }
        }
    }
    map_u64_clear(&seen);
    return unique;
}

uint32_t dra_pool_set(const struct dra_pool_view *pool, uint32_t set, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < pool->set_count; i++) {
        if (pool->sets[i]->name != set)
            continue;
        *ret_index = i;
        return pool->set_first[i];
    }
    return UINT32_MAX;
}

/* Every counter that the slices' devices consume exists. */
static bool consumption_known(
        struct gather *g, struct dra_pool_view *pool, const struct dra_slice *slice)
{
    for (uint32_t d = 0; d < slice->device_count; d++) {
        const struct dra_device *device = &slice->devices[d];
        for (uint32_t k = 0; k < device->consumption_count; k++) {
            const struct dra_consumption *use = &device->consumptions[k];
            uint32_t index = 0;
            if (dra_pool_set(pool, use->set, &index) == UINT32_MAX) {
                pool_refuse(g, pool, "counter set not found:", use->set);
                return false;
            }
            const struct dra_counters *have = pool->sets[index]->counters;
            if (!use->counters || use->counters == have)
                continue;
            uint32_t at = 0;
            for (uint32_t i = 0; i < use->counters->count; i++) {
                while (have && at < have->count &&
                        have->items[at].name < use->counters->items[i].name)
                    at++;
                if (have && at < have->count &&
                        have->items[at].name == use->counters->items[i].name)
                    continue;
                pool_refuse(g, pool, "counter not found:", use->counters->items[i].name);
                return false;
            }
        }
    }
    return true;
}

static bool sets_valid(struct gather *g, struct dra_pool_view *pool)
{
    pool->set_first = ARENA_ARRAY(g->e->arena, uint32_t, pool->set_count);
    for (uint32_t i = 0; i < pool->set_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (pool->sets[k]->name == pool->sets[i]->name) {
                pool_refuse(g, pool, "duplicate counter set name", pool->sets[i]->name);
                return false;
            }
        }
        pool->set_first[i] = pool->counter_count;
        pool->counter_count += pool->sets[i]->counters ? pool->sets[i]->counters->count : 0;
    }
    for (uint32_t s = 0; s < pool->slice_count; s++) {
        if (!consumption_known(g, pool, pool->slices[s]))
            return false;
    }
    for (uint32_t s = 0; s < pool->hidden_count; s++) {
        if (!consumption_known(g, pool, pool->hidden[s]))
            return false;
    }
    pool->available = ARENA_ARRAY(g->e->arena, __int128, pool->counter_count);
    return true;
}

static bool any_binding(const struct dra_pool_view *pool)
{
    for (uint32_t s = 0; s < pool->slice_count; s++) {
        for (uint32_t i = 0; i < pool->slices[s]->device_count; i++) {
            if (pool->slices[s]->devices[i].extra && pool->slices[s]->devices[i].extra->has_binding)
                return true;
        }
    }
    return false;
}

/* Other nodes' slices matter beyond this check for their counters only.  A pool over all nodes of a
 * cluster would otherwise be held once a node. */
static void hidden_keep(struct gather *g, struct dra_pool_view *pool)
{
    const struct dra_slice **kept = NULL;
    if (pool->set_count == 0 || pool->invalid) {
        pool->hidden_count = 0;
    } else {
        kept = ARENA_ARRAY(g->e->arena, const struct dra_slice *, pool->hidden_count);
    }
    for (uint32_t i = 0; i < pool->hidden_count; i++)
        kept[i] = pool->hidden[i];
    pool->hidden = kept;
}

/* False when the pool is obsolete. */
static bool pool_build(struct gather *g, struct group *group, struct dra_pool_view *pool)
{
    const struct dra_slice **all = NULL;
    uint32_t all_count = 0;
    *pool = (struct dra_pool_view){.ident = group->ident};
    if (group->count != group->slices[0]->slice_count) {
        if (!same_generation(g, group, &all, &all_count))
            return false;
        if (all_count != group->slices[0]->slice_count) {
            pool->incomplete = true;
            /* For its name only. */
            pool->slices = ARENA_ARRAY(g->e->arena, const struct dra_slice *, 1);
            pool->slices[0] = group->slices[0];
            return true;
        }
    }
    slices_sort(&g->e->store->names, group->slices, group->count);
    (void)pool_fill(g, group, all, all_count, pool);
    if (pool->slice_count == 0)
        pool->slices[0] = group->slices[0]; /* for its name only */
    if (names_unique(g, pool) && dra_has(g->e, DRA_FEATURE_PARTITIONABLE))
        (void)sets_valid(g, pool);
    hidden_keep(g, pool);
    pool->has_binding = !pool->invalid && any_binding(pool);
    return true;
}

/* By driver, then pool name; those with binding conditions after all others. */
static int pool_cmp(
        struct gather *g, const struct group *ga, bool ba, const struct group *gb, bool bb)
{
    const struct dra_names *names = &g->e->store->names;
    if (ba != bb)
        return ba ? 1 : -1;
    const struct dra_slice *a = ga->slices[0];
    const struct dra_slice *b = gb->slices[0];
    int r = str_cmp(dra_name(names, a->driver), dra_name(names, b->driver));
    return r ? r : str_cmp(dra_name(names, a->pool), dra_name(names, b->pool));
}

static void pools_sort(struct gather *g, struct dra_view *view, const struct group **order)
{
    for (uint32_t i = 1; i < view->pool_count; i++) {
        struct dra_pool_view pool = view->pools[i];
        const struct group *group = order[i];
        uint32_t to = i;
        for (; to > 0 && pool_cmp(g, order[to - 1], view->pools[to - 1].has_binding, group,
                                 pool.has_binding) > 0;
                to--) {
            view->pools[to] = view->pools[to - 1];
            order[to] = order[to - 1];
        }
        view->pools[to] = pool;
        order[to] = group;
    }
}

static struct dra_view *view_build(struct gather *g)
{
    struct arena *a = g->e->arena;
    struct dra_view *view = ARENA_NEW(a, struct dra_view);
    view->code = gather_slices(g);
    if (view->code) {
        view->error = arena_printf(a, "%s", g->err->text);
        return view;
    }
    view->pools = ARENA_ARRAY(a, struct dra_pool_view, g->group_count);
    const struct group **order = ARENA_ARRAY(g->e->scratch, const struct group *, g->group_count);
    for (uint32_t i = 0; i < g->group_count; i++) {
        if (!pool_build(g, &g->groups[i], &view->pools[view->pool_count]))
            continue;
        order[view->pool_count++] = &g->groups[i];
    }
    pools_sort(g, view, order);
    for (uint32_t p = 0; p < view->pool_count; p++) {
        if (!view->pools[p].incomplete && !view->pools[p].invalid) {
            for (uint32_t s = 0; s < view->pools[p].slice_count; s++)
                view->device_count += view->pools[p].slices[s]->device_count;
        }
    }
    return view;
}

struct dra_view *dra_view_get(struct dra_engine *e, const struct dra_node *node)
{
    uint32_t found = map_u64_find(&e->views, (uintptr_t)node);
    if (found != MAP_NONE)
        return e->view_items[found];
    struct err err = {0};
    struct gather g = {.e = e, .node = node, .err = &err};
    struct dra_view *view = view_build(&g);
    for (uint32_t i = 0; i < g.group_count; i++)
        mem_free(g.groups[i].slices);
    mem_free(g.groups);
    map_u64_clear(&g.index);
    if (e->view_count == e->view_cap) {
        e->view_cap = e->view_cap ? e->view_cap * 2 : 16;
        e->view_items = mem_grow(e->view_items, e->view_cap, sizeof *e->view_items);
    }
    e->view_items[e->view_count] = view;
    (void)map_u64_set(&e->views, (uintptr_t)node, e->view_count++);
    return view;
}

static void charge(struct dra_engine *e, struct dra_pool_view *pool, const struct dra_slice *slice)
{
    for (uint32_t d = 0; d < slice->device_count; d++) {
        const struct dra_device *device = &slice->devices[d];
        if (!e->taken[device->ident])
            continue;
        for (uint32_t k = 0; k < device->consumption_count; k++) {
            const struct dra_counters *use = device->consumptions[k].counters;
            uint32_t index = 0;
            uint32_t first = dra_pool_set(pool, device->consumptions[k].set, &index);
            uint32_t at = 0;
            for (uint32_t i = 0; use && i < use->count; i++) {
                assert(pool->sets[index]->counters != NULL);
                while (pool->sets[index]->counters->items[at].name != use->items[i].name)
                    at++;
                pool->available[first + at] -= use->items[i].nano;
            }
        }
    }
}

void dra_pool_refresh(struct dra_engine *e, struct dra_pool_view *pool)
{
    assert(!pool->invalid && !pool->incomplete);
    if (pool->epoch == e->pool_epoch[pool->ident])
        return;
    for (uint32_t i = 0; i < pool->set_count; i++) {
        for (uint32_t k = 0; pool->sets[i]->counters && k < pool->sets[i]->counters->count; k++)
            pool->available[pool->set_first[i] + k] = pool->sets[i]->counters->items[k].nano;
    }
    for (uint32_t s = 0; s < pool->slice_count; s++)
        charge(e, pool, pool->slices[s]);
    for (uint32_t s = 0; s < pool->hidden_count; s++)
        charge(e, pool, pool->hidden[s]);
    pool->negative = 0;
    for (uint32_t i = 0; i < pool->counter_count; i++)
        pool->negative += pool->available[i] < 0;
    pool->epoch = e->pool_epoch[pool->ident];
}
