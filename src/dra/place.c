/* dra/place.c - giving one device to one request, and taking it back.  Pure.
 *
 * The order of the checks is upstream's allocateDevice: it decides which failure is found, and in
 * mode All a failed constraint is an error while all else is a plain no. */
#include "dra/search-priv.h"

#include <assert.h>
#include <errno.h>

bool dra_cand_shareable(const struct dra_search *s, uint32_t cand)
{
    return s->cands[cand].device->shareable && dra_has(s->e, DRA_FEATURE_CONSUMABLE);
}

static bool tolerated(const struct dra_taint *taint, const struct dra_ask *ask)
{
    for (uint32_t i = 0; i < ask->toleration_count; i++) {
        const struct dra_toleration *t = &ask->tolerations[i];
        if ((t->effect_text && t->effect_text != taint->effect_text) ||
                (t->key && t->key != taint->key))
            continue;
        if (t->operator== DRA_OPERATOR_EXISTS ||(
                    t->operator== DRA_OPERATOR_EQUAL && t->value == taint->value))
            return true;
    }
    return false;
}

bool dra_taints_block(const struct dra_device *device, const struct dra_ask *ask)
{
    for (uint32_t i = 0; device->extra && i < device->extra->taint_count; i++) {
        const struct dra_taint *taint = &device->extra->taints[i];
        if ((taint->effect == DRA_EFFECT_SCHEDULE || taint->effect == DRA_EFFECT_EXECUTE) &&
                !tolerated(taint, ask))
            return true;
    }
    return false;
}

static struct dra_capacity_check capacity_check(
        const struct dra_search *s, const struct dra_ask_run *ask, uint32_t cand)
{
    const struct dra_device *device = s->cands[cand].device;
    return (struct dra_capacity_check){.capacities = device->capacities,
            .requests = ask->ask->capacities,
            .request_count = ask->ask->capacity_count,
            .used = dra_usage_find(s->e, device->ident),
            .allocating = s->shares[cand] ? s->allocating[cand] : NULL,
            .fractional = dra_has(s->e, DRA_FEATURE_FRACTIONAL)};
}

int dra_cand_capacity(struct dra_search *s, const struct dra_ask_run *ask, uint32_t cand)
{
    const struct dra_capacities *list = s->cands[cand].device->capacities;
    if (ask->ask->capacity_count == 0 &&
            (!list || (list->plain && !s->shares[cand] && s->e->usage_count == 0)))
        return 1;
    struct dra_capacity_check check = capacity_check(s, ask, cand);
    return dra_capacity_fits(&check, s->err);
}

static void groups_add(struct dra_group_state *state, struct dra_name_list groups)
{
    if (!state->members) {
        state->members = true;
        state->all_empty = groups.count == 0;
        for (uint32_t i = 0; i < groups.count; i++)
            state->groups[state->count++] = groups.names[i];
        return;
    }
    if (state->all_empty || groups.count == 0)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < groups.count; k++)
            found = found || groups.names[k] == state->groups[i];
        if (found)
            state->groups[kept++] = state->groups[i];
    }
    state->count = kept;
}

static bool groups_admit(const struct dra_group_state *state, struct dra_name_list groups)
{
    if (!state->members)
        return true;
    if (groups.count == 0)
        return state->all_empty;
    if (state->all_empty)
        return false;
    struct dra_group_state with = *state;
    groups_add(&with, groups);
    return with.count > 0;
}

/* What devices that are taken already leave of each set's groups. */
static void groups_begin(
        struct dra_search *s, const struct dra_pool_view *pool, struct dra_group_state *states)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        const struct dra_slice **slices = hidden ? pool->hidden : pool->slices;
        uint32_t count = hidden ? pool->hidden_count : pool->slice_count;
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t d = 0; d < slices[i]->device_count; d++) {
                const struct dra_device *device = &slices[i]->devices[d];
                for (uint32_t k = 0; s->e->taken[device->ident] && k < device->consumption_count;
                        k++) {
                    uint32_t index = 0;
                    (void)dra_pool_set(pool, device->consumptions[k].set, &index);
                    groups_add(&states[index], device->consumptions[k].groups);
                }
            }
        }
    }
}

struct dra_pool_run *dra_pool_run_get(struct dra_search *s, uint32_t pool)
{
    struct dra_pool_run *run = &s->pools[pool];
    if (run->ready)
        return run;
    struct dra_pool_view *view = &s->view->pools[pool];
    dra_pool_refresh(s->e, view);
    run->used = ARENA_ARRAY(s->arena, __int128, view->counter_count);
    if (dra_has(s->e, DRA_FEATURE_GROUPS)) {
        run->groups = ARENA_ARRAY(s->arena, struct dra_group_state, view->set_count);
        groups_begin(s, view, run->groups);
    }
    run->ready = true;
    return run;
}

/* Adds (sign 1) or takes back (-1) what the device consumes; true when every counter suffices. */
static bool counters_charge(struct dra_search *s, const struct dra_cand *c, int sign)
{
    struct dra_pool_run *run = dra_pool_run_get(s, c->pool);
    const struct dra_pool_view *view = &s->view->pools[c->pool];
    bool enough = view->negative == 0;
    for (uint32_t k = 0; k < c->device->consumption_count; k++) {
        const struct dra_counters *use = c->device->consumptions[k].counters;
        uint32_t index = 0;
        uint32_t first = dra_pool_set(view, c->device->consumptions[k].set, &index);
        assert(first != UINT32_MAX);
        uint32_t at = 0;
        for (uint32_t i = 0; use && i < use->count; i++) {
            while (view->sets[index]->counters->items[at].name != use->items[i].name)
                at++;
            run->used[first + at] += sign * use->items[i].nano;
            enough = enough && view->available[first + at] >= run->used[first + at];
        }
    }
    return enough;
}

static void groups_save(struct dra_search *s, uint32_t pool, uint32_t set)
{
    if (s->save_count == s->save_cap) {
        s->save_cap = s->save_cap ? s->save_cap * 2 : 16;
        s->saves = mem_grow(s->saves, s->save_cap, sizeof *s->saves);
    }
    s->saves[s->save_count++] =
            (struct dra_group_save){.pool = pool, .set = set, .state = s->pools[pool].groups[set]};
}

static bool groups_charge(struct dra_search *s, const struct dra_cand *c)
{
    struct dra_pool_run *run = dra_pool_run_get(s, c->pool);
    for (uint32_t k = 0; k < c->device->consumption_count; k++) {
        const struct dra_consumption *use = &c->device->consumptions[k];
        uint32_t set = 0;
        (void)dra_pool_set(&s->view->pools[c->pool], use->set, &set);
        if (!groups_admit(&run->groups[set], use->groups))
            return false;
        groups_save(s, c->pool, set);
        groups_add(&run->groups[set], use->groups);
    }
    return true;
}

/* 1, 0: the device's counters and groups, unless a share of it holds them already. */
static int charge(struct dra_search *s, uint32_t cand, struct dra_undo *undo)
{
    const struct dra_cand *c = &s->cands[cand];
    if (c->device->consumption_count == 0)
        return 1;
    if (dra_cand_shareable(s, cand) &&
            ((s->e->taken[c->device->ident] & DRA_TAKEN_SHARED) || s->shares[cand] > 0))
        return 1;
    if (dra_has(s->e, DRA_FEATURE_GROUPS) && !groups_charge(s, c))
        return 0;
    undo->counters = true;
    return counters_charge(s, c, 1);
}

static int constraints_add(
        struct dra_search *s, const struct dra_spot *at, uint32_t cand, struct dra_undo *undo)
{
    struct dra_claim_run *claim = &s->claims[at->claim];
    const struct dra_ask_run *ask = dra_ask_at(s, at);
    for (uint32_t i = 0; i < claim->claim->constraint_count; i++) {
        if (!(ask->constraints >> i & 1))
            continue;
        int r = dra_constraint_add(s, &claim->constraints[i], ask, cand);
        if (r <= 0)
            return r;
        undo->constraints |= UINT64_C(1) << i;
    }
    return 1;
}

/* The share of a device that the request gets. */
static int share(struct dra_search *s, const struct dra_ask_run *ask, uint32_t cand,
        struct dra_picked *picked)
{
    const struct dra_capacities *list = s->cands[cand].device->capacities;
    uint32_t count = list ? list->count : 0;
    if (picked->consumed_cap < count) {
        picked->consumed_cap = count;
        picked->consumed = ARENA_ARRAY(s->arena, struct quantity, count);
    }
    struct dra_capacity_check check = capacity_check(s, ask, cand);
    int r = dra_capacity_consume(&check, picked->consumed, s->err);
    if (r)
        return r;
    if (!s->allocating[cand])
        s->allocating[cand] = ARENA_ARRAY(s->arena, struct quantity, count);
    if (s->shares[cand] == 0) {
        for (uint32_t i = 0; i < count; i++)
            s->allocating[cand][i] = (struct quantity){0};
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!quantity_add(&s->allocating[cand][i], &picked->consumed[i]))
            return err_set(s->err, -ENOTSUP, "consumed capacity needs more than 128 bits");
    }
    s->shares[cand]++;
    return 0;
}

/* Marks and records a device that passed every check before. */
static int record(
        struct dra_search *s, const struct dra_spot *at, uint32_t cand, struct dra_undo *undo)
{
    struct dra_claim_run *claim = &s->claims[at->claim];
    struct dra_ask_run *ask = dra_ask_at(s, at);
    struct dra_picked *picked = &claim->picks[claim->pick_count];
    bool shareable = dra_cand_shareable(s, cand);
    if (!shareable) {
        s->in_use[cand] |= UINT64_C(1) << at->claim;
        undo->marked = true;
    }
    if (dra_has(s->e, DRA_FEATURE_CONSUMABLE)) {
        int r = dra_cand_capacity(s, ask, cand);
        if (r <= 0)
            return r;
        r = shareable ? share(s, ask, cand, picked) : 0;
        if (r)
            return r;
    }
    undo->shared = shareable;
    picked->cand = cand;
    picked->ask = (uint32_t)(ask - s->asks);
    picked->shared = shareable;
    claim->pick_count++;
    undo->picked = true;
    return 1;
}

/* skipNodeOperations wants the node to know how. */
bool dra_operations_block(const struct dra_search *s, const struct dra_slice *slice)
{
    if (slice->skip_operations.count == 0 || s->e->setup.variant != DRA_VARIANT_EXPERIMENTAL)
        return false;
    return !dra_has(s->e, DRA_FEATURE_OPTIONAL_OPS) || !s->node->optional_operations;
}

/* It makes no sense to ask for all devices under a constraint that they cannot meet. */
static int must_fail(struct dra_search *s, const struct dra_ask_run *ask, const struct dra_cand *c)
{
    const struct dra_names *n = &s->e->store->names;
    const struct dra_claim *claim = s->claims[ask->claim].claim;
    return err_set(s->err, -EINVAL,
            "claim %.*s%s%.*s, request %.*s: cannot add device %.*s/%.*s/%.*s because a claim "
            "constraint would not be satisfied",
            STR_ARG_SHORT(dra_name(n, claim->namespace_name)), claim->namespace_name ? "/" : "",
            STR_ARG_SHORT(dra_name(n, claim->name)), STR_ARG_SHORT(dra_name(n, ask->ask->name)),
            STR_ARG_SHORT(dra_name(n, c->slice->driver)),
            STR_ARG_SHORT(dra_name(n, c->slice->pool)),
            STR_ARG_SHORT(dra_name(n, c->device->name)));
}

int dra_device_allocate(struct dra_search *s, const struct dra_spot *at, uint32_t cand, bool must,
        struct dra_undo *ret_undo)
{
    const struct dra_cand *c = &s->cands[cand];
    const struct dra_ask_run *ask = dra_ask_at(s, at);
    struct dra_undo *undo = ret_undo;
    *undo = (struct dra_undo){.cand = cand, .claim = at->claim, .save_count = s->save_count};
    if (ask->ask->admin) {
        if (s->in_use[cand] >> at->claim & 1)
            return 0;
    } else if (s->in_use[cand] || (s->e->taken[c->device->ident] & DRA_TAKEN)) {
        return 0;
    }
    if (dra_operations_block(s, c->slice) ||
            (!dra_has(s->e, DRA_FEATURE_PARTITIONABLE) && c->device->consumption_count > 0))
        return 0;
    int r = charge(s, cand, undo);
    if (r > 0 && dra_has(s->e, DRA_FEATURE_TAINTS))
        r = !dra_taints_block(c->device, ask->ask);
    if (r > 0) {
        r = constraints_add(s, at, cand, undo);
        if (r == 0 && must)
            r = must_fail(s, ask, c);
    }
    if (r > 0)
        r = record(s, at, cand, undo);
    if (r <= 0)
        dra_device_release(s, undo);
    return r;
}

void dra_device_release(struct dra_search *s, const struct dra_undo *undo)
{
    struct dra_claim_run *claim = &s->claims[undo->claim];
    if (undo->picked)
        claim->pick_count--;
    if (undo->shared) {
        const struct dra_picked *picked = &claim->picks[claim->pick_count];
        const struct dra_capacities *list = s->cands[undo->cand].device->capacities;
        for (uint32_t i = 0; list && i < list->count; i++)
            (void)quantity_sub(&s->allocating[undo->cand][i], &picked->consumed[i]);
        s->shares[undo->cand]--;
    }
    if (undo->marked)
        s->in_use[undo->cand] &= ~(UINT64_C(1) << undo->claim);
    for (uint32_t i = 0; i < claim->claim->constraint_count; i++) {
        if (undo->constraints >> i & 1)
            dra_constraint_remove(&claim->constraints[i]);
    }
    while (s->save_count > undo->save_count) {
        const struct dra_group_save *save = &s->saves[--s->save_count];
        s->pools[save->pool].groups[save->set] = save->state;
    }
    if (undo->counters)
        (void)counters_charge(s, &s->cands[undo->cand], -1);
}
