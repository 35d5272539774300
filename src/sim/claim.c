/* sim/claim.c - DRA: the structured allocator places pods' claims on what nodes publish.  Pure.
 *
 * A class of shares asks for memory and units of a GPU (core/share.h), other claims for whole GPUs
 * or for a MIG instance.  Which device a claim gets, and whether a node serves it, is
 * dra/allocate's answer.  It depends on the node's shape, on what is taken there and on the claim:
 * the same question is asked once, the answer kept. */
#include "sim/publish-priv.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { SHAPES_MAX = 256, ANSWERS_MAX = 1 << 16 };

/* What is taken of a GPU.  Without holes, as it is part of a key. */
struct gpu_state {
    uint32_t memory_mib; /* of shares, with their units */
    uint16_t units;
    uint8_t whole;                     /* held alone, or lost */
    uint8_t instance_count;            /* of MIG, by start */
    uint8_t mig[MIG_INSTANCES_MAX][2]; /* profile, start */
};

/* A question: shape, claim, and what is taken. */
struct question {
    uint32_t shape;
    uint32_t kind;         /* enum model_resource_kind */
    uint32_t amount, part; /* GPUs; MiB and units of a share; MIG profile */
    struct gpu_state gpus[SIM_GPUS_MAX];
};

struct answer {
    uint32_t count; /* 0 = no fit */
    struct sim_published devices[SIM_GPUS_MAX];
};

struct sim_claims {
    struct arena *arena; /* of shapes */
    struct arena *answers;
    struct arena *scratch;
    uint32_t shape_count;
    struct sim_shape shapes[SHAPES_MAX];
    struct map_str index; /* question -> row */
    struct answer **rows;
};

struct sim_claims *sim_claims_new(void)
{
    struct sim_claims *c = mem_alloc(1, sizeof *c);
    c->arena = arena_new(0);
    c->answers = arena_new(0);
    c->scratch = arena_new(0);
    c->rows = mem_alloc(ANSWERS_MAX, sizeof(struct answer *));
    return c;
}

struct sim_claims *sim_claims_free(struct sim_claims *c)
{
    if (c == NULL)
        return NULL;
    for (uint32_t i = 0; i < c->shape_count; i++)
        sim_shape_clear(&c->shapes[i]);
    map_str_clear(&c->index);
    mem_free((void *)c->rows);
    (void)arena_free(c->arena);
    (void)arena_free(c->answers);
    (void)arena_free(c->scratch);
    mem_free(c);
    return NULL;
}

/* The baseline of 1g instances has the driver's gate DynamicMIG on; the core's caps have it off. */
static uint32_t shape_of(const struct sim_world *w, const struct sim_node *n)
{
    struct sim_claims *c = w->claims;
    bool dynamic_mig = w->regime != SIM_REGIME_CORE;
    for (uint32_t i = 0; i < c->shape_count; i++) {
        if (c->shapes[i].gpu == n->gpu && c->shapes[i].gpu_count == n->gpu_count)
            return i;
    }
    assert(c->shape_count < SHAPES_MAX);
    sim_shape_init(&c->shapes[c->shape_count], c->arena, n, dynamic_mig);
    return c->shape_count++;
}

/* -- what is taken ------------------------------------------------------------------------------
 */

static void state_take(struct gpu_state *s, const struct question *q, const struct sim_published *d)
{
    if (q->kind == MODEL_RESOURCE_GPU_SHARED) {
        s->memory_mib += q->amount;
        s->units = (uint16_t)(s->units + q->part);
    } else if (d->profile == SIM_WHOLE_GPU) {
        s->whole = 1;
    } else {
        unsigned at = s->instance_count++;
        assert(at < MIG_INSTANCES_MAX);
        for (; at > 0 && s->mig[at - 1][1] > d->start; at--)
            memcpy(s->mig[at], s->mig[at - 1], sizeof s->mig[at]);
        s->mig[at][0] = d->profile;
        s->mig[at][1] = d->start;
    }
}

/* What the pods' claims on the node have taken, from the pods. */
static void state_of(const struct sim_world *w, const struct sim_node *n, struct question *q)
{
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        struct gpu_state *s = &q->gpus[g];
        const struct mig_layout *l = &n->gpus[g].layout;
        s->whole = n->gpus[g].lost;
        for (unsigned i = 0; n->gpus[g].mig_on && i < l->count; i++) {
            s->mig[i][0] = l->instances[i].profile;
            s->mig[i][1] = l->instances[i].start;
        }
        s->instance_count = n->gpus[g].mig_on ? l->count : 0;
    }
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        struct core_share share;
        for (uint32_t d = 0; d < p->device_count; d++) {
            struct gpu_state *s = &q->gpus[p->devices[d].gpu];
            if (p->devices[d].start != SIM_WHOLE_GPU)
                continue; /* its instance is in the layout */
            if (p->devices[d].shared && core_share_parse(str_from(p->tpl.pool), &share)) {
                s->memory_mib += share.memory_mib;
                s->units = (uint16_t)(s->units + CORE_SHARE_UNITS / share.pods);
            } else {
                s->whole = 1;
            }
        }
    }
}

static int profile_find(const struct mig_model *m, const char *resource)
{
    for (unsigned p = 0; m != NULL && p < m->profile_count; p++) {
        char name[MODEL_PROFILE_NAME_MAX];
        sim_profile_resource(&m->profiles[p], name);
        if (strcmp(name, resource) == 0)
            return (int)p;
    }
    return -1;
}

/* The claim's part of the question; false when nodes of that kind have nothing of it. */
static bool claim_of(const struct sim_shape *shape, const struct sim_node *n,
        const struct sim_template *tpl, struct question *q)
{
    struct core_share share;
    int profile = -1;
    q->kind = tpl->resource.kind;
    q->amount = tpl->count;
    switch (tpl->resource.kind) {
    case MODEL_RESOURCE_GPU:
        return tpl->count > 0 && tpl->count <= n->gpu_count;
    case MODEL_RESOURCE_GPU_SHARED:
        if (!core_share_parse(str_from(tpl->pool), &share) || share.gpu != n->gpu)
            return false;
        q->amount = share.memory_mib;
        q->part = (uint32_t)CORE_SHARE_UNITS / share.pods;
        return true;
    case MODEL_RESOURCE_MIG:
        profile = profile_find(n->gpus[0].layout.model, tpl->resource.profile);
        q->part = (uint32_t)profile;
        return shape->dynamic_mig && tpl->count == 1 && profile >= 0;
    case MODEL_RESOURCE_NONE:
    case MODEL_RESOURCE_MIG_SHARED:
    case MODEL_RESOURCE_COUNT:
        break;
    }
    return false;
}

/* -- the allocator ------------------------------------------------------------------------------
 */

static void tell_gpu(const struct sim_shape *shape, const struct gpu_state *s, uint32_t gpu)
{
    const struct dra_capacity_request used[2] = {
            {shape->memory, quantity_from_i64((int64_t)s->memory_mib << 20, QUANTITY_DECIMAL_SI)},
            {shape->units, quantity_from_i64(s->units, QUANTITY_DECIMAL_SI)}};
    struct dra_allocated taken[MIG_INSTANCES_MAX + 2];
    const struct dra_allocated one = {.driver = shape->driver, .pool = shape->pool};
    struct dra_claim claim = {.has_allocation = true, .allocated = taken};
    for (uint32_t d = 0; d < shape->store->device_count; d++) {
        const struct sim_published *device = &shape->devices[d];
        struct dra_allocated *t = &taken[claim.allocated_count];
        if (device->gpu != gpu)
            continue;
        *t = one;
        t->device = device->name;
        if (device->profile == SIM_WHOLE_GPU) {
            if (!s->whole && s->units == 0)
                continue;
            t->has_share = t->has_capacity = !s->whole;
            t->share = shape->share_id;
            t->capacities = used;
            t->capacity_count = s->whole ? 0 : 2;
            claim.allocated_count++;
            continue;
        }
        for (unsigned i = 0; i < s->instance_count; i++) {
            if (s->mig[i][0] == device->profile && s->mig[i][1] == device->start)
                claim.allocated_count++;
        }
    }
    struct err e = {0};
    int r = dra_engine_take(shape->engine, &claim, &e);
    assert(r == 0);
}

/* The question's claim as an object: the shape's own, with its amounts. */
static void claim_make(const struct sim_shape *shape, const struct question *q,
        struct dra_capacity_request amounts[2], struct dra_ask *ask, struct dra_request *request,
        struct dra_claim *ret_claim)
{
    *ret_claim = q->kind == MODEL_RESOURCE_GPU          ? *shape->whole
                 : q->kind == MODEL_RESOURCE_GPU_SHARED ? *shape->share
                                                        : *shape->mig[q->part];
    *request = ret_claim->requests[0];
    *ask = request->asks[0];
    if (q->kind == MODEL_RESOURCE_GPU) {
        ask->count = q->amount;
    } else if (q->kind == MODEL_RESOURCE_GPU_SHARED) {
        assert(ask->capacity_count == 2);
        for (unsigned i = 0; i < 2; i++) {
            amounts[i] = ask->capacities[i];
            amounts[i].value = quantity_from_i64(
                    amounts[i].name == shape->memory ? (int64_t)q->amount << 20 : (int64_t)q->part,
                    QUANTITY_DECIMAL_SI);
        }
        ask->capacities = amounts;
    }
    request->asks = ask;
    ret_claim->requests = request;
}

static void ask_allocator(struct sim_claims *c, const struct question *q, struct answer *ret_answer)
{
    const struct sim_shape *shape = &c->shapes[q->shape];
    struct dra_capacity_request amounts[2];
    struct dra_ask ask;
    struct dra_request request;
    struct dra_claim claim;
    struct dra_result result;
    struct err e = {0};
    dra_engine_reset(shape->engine);
    for (uint32_t g = 0; g < shape->gpu_count; g++)
        tell_gpu(shape, &q->gpus[g], g);
    claim_make(shape, q, amounts, &ask, &request, &claim);
    const struct dra_claim *claims[1] = {&claim};
    const struct dra_input input = {.node = shape->node, .claims = claims, .claim_count = 1};
    arena_reset(c->scratch);
    *ret_answer = (struct answer){0};
    enum dra_outcome outcome = dra_allocate(shape->engine, &input, c->scratch, &result, &e);
    assert(outcome == DRA_OUTCOME_ALLOCATED || outcome == DRA_OUTCOME_NO_FIT);
    if (outcome == DRA_OUTCOME_NO_FIT)
        return;
    const struct dra_allocation *got = &result.allocations[0];
    assert(got->pick_count > 0 && got->pick_count <= SIM_GPUS_MAX);
    ret_answer->count = got->pick_count;
    for (uint32_t i = 0; i < got->pick_count; i++)
        ret_answer->devices[i] = shape->devices[got->picks[i].device->number];
}

static const struct answer *answer(struct sim_claims *c, const struct question *q)
{
    size_t len = offsetof(struct question, gpus) +
                 c->shapes[q->shape].gpu_count * sizeof(struct gpu_state);
    struct str key = {(const char *)q, len};
    uint32_t row = map_str_find(&c->index, key);
    if (row != MAP_NONE)
        return c->rows[row];
    if (c->index.entry_count == ANSWERS_MAX) {
        map_str_clear(&c->index);
        arena_reset(c->answers);
    }
    row = c->index.entry_count;
    c->rows[row] = ARENA_ARRAY(c->answers, struct answer, 1);
    ask_allocator(c, q, c->rows[row]);
    (void)map_str_set(&c->index, key, row);
    return c->rows[row];
}

/* -- for the scheduler and kubelet --------------------------------------------------------------
 */

/* The claim of a template on the node as it is; false when it can have nothing there. */
static bool question_of(const struct sim_world *w, const struct sim_template *tpl, uint32_t node,
        struct question *ret)
{
    const struct sim_node *n = &w->nodes[node];
    memset(ret, 0, sizeof *ret);
    ret->shape = shape_of(w, n);
    if (!claim_of(&w->claims->shapes[ret->shape], n, tpl, ret))
        return false;
    state_of(w, n, ret);
    return true;
}

uint32_t sim_claim_room(
        const struct sim_world *w, const struct sim_pod *p, uint32_t node, uint32_t max)
{
    struct question q;
    uint32_t room = 0;
    if (!question_of(w, &p->tpl, node, &q))
        return 0;
    while (room < max) {
        const struct answer *a = answer(w->claims, &q);
        if (a->count == 0)
            break;
        room++;
        for (uint32_t i = 0; room < max && i < a->count; i++)
            state_take(&q.gpus[a->devices[i].gpu], &q, &a->devices[i]);
    }
    return room;
}

bool sim_claim_allocate(struct sim_world *w, uint32_t node, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    struct question q;
    p->device_count = 0;
    if (!question_of(w, &p->tpl, node, &q))
        return false;
    const struct answer *a = answer(w->claims, &q);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct sim_published *d = &a->devices[i];
        p->devices[p->device_count++] =
                (struct sim_device){d->gpu, d->start, 0, q.kind == MODEL_RESOURCE_GPU_SHARED};
        if (d->profile == SIM_WHOLE_GPU)
            continue;
        struct sim_gpu *gpu = &w->nodes[node].gpus[d->gpu];
        const struct mig_instance instance = {d->profile, d->start, true};
        enum mig_rule rule;
        struct err e = {0};
        if (mig_layout_add(&gpu->layout, instance, &rule, &e) != 0)
            sim_world_violate(w, "world-illegal-layout", sim_uid(SIM_UID_NODE, node));
        gpu->mig_on = true;
    }
    return a->count > 0;
}

void sim_claim_release(struct sim_world *w, uint32_t pod)
{
    const struct sim_pod *p = &w->pods[pod];
    if (w->caps != SIM_CAPS_DRA)
        return;
    for (uint32_t d = 0; d < p->device_count; d++) {
        struct sim_gpu *gpu = &w->nodes[p->node].gpus[p->devices[d].gpu];
        for (unsigned i = 0; p->devices[d].start != SIM_WHOLE_GPU && i < gpu->layout.count; i++) {
            if (gpu->layout.instances[i].start != p->devices[d].start)
                continue;
            mig_layout_remove(&gpu->layout, i);
            break;
        }
        gpu->mig_on = gpu->mig_on && gpu->layout.count > 0;
    }
}

uint32_t sim_claim_units(const struct sim_template *tpl, uint16_t gpu)
{
    struct core_share share;
    if (tpl->resource.kind == MODEL_RESOURCE_GPU_SHARED &&
            core_share_parse(str_from(tpl->pool), &share))
        return CORE_SHARE_UNITS / core_share_most(&share);
    if (tpl->resource.kind == MODEL_RESOURCE_MIG) {
        const char *key = model_gpu_get(gpu)->mig_key;
        const struct mig_model *m = key != NULL ? mig_model_find(key) : NULL;
        int profile = profile_find(m, tpl->resource.profile);
        if (profile < 0)
            return UINT32_MAX;
        return (uint32_t)CORE_SHARE_UNITS / m->profiles[profile].max_instances;
    }
    return tpl->count * CORE_SHARE_UNITS;
}
