/* sim/scale.c - the cluster autoscaler: nodes for pods that would fit a fresh one, and away again.
 *
 * Pure.  Looks every 10 s; a node is there 5 minutes after it was asked for and leaves after 10
 * minutes without workload pods.  Fresh nodes are exclusive.  What a fresh node would offer, it
 * believes from the group's nodes that are there, as the real one takes its template from a node of
 * the group: so pods of a pool do make it add a node once the group has one of that pool; it comes
 * exclusive, and the controller has to convert it.
 * LIMIT: the real one also drains nodes whose requests are below half; here only empty ones go. */
#include "sim/world-priv.h"

#include <assert.h>

#define SCAN_NS (10 * SIM_SECOND)
#define UP_NS   (5 * SIM_MINUTE)
#define DOWN_NS (10 * SIM_MINUTE)

/* What is still free on nodes that are coming, in the order they were asked for. */
struct coming {
    uint32_t group;
    uint32_t kind; /* 0 exclusive, 1 of a static baseline, else a hash of its pool */
    bool open;     /* kind and slots are set by the first pod that takes from it */
    uint32_t slots, cpu_milli, memory_mib;
};

enum { KIND_EXCLUSIVE, KIND_STATIC };

static uint32_t slots_of(const struct sim_world *w, const struct sim_group_spec *g,
        const struct model_resource *r, bool *ret_partitioned)
{
    *ret_partitioned = false;
    if (r->kind == MODEL_RESOURCE_GPU)
        return g->gpus_per_node;
    *ret_partitioned = true;
    if (w->regime == SIM_REGIME_TIMESLICING_X4 && r->kind == MODEL_RESOURCE_GPU_SHARED)
        return g->gpus_per_node * 4;
    const char *key = model_gpu_get(g->gpu)->mig_key;
    const struct mig_model *m = key != NULL ? mig_model_find(key) : NULL;
    int profile = m != NULL && m->profile_count > 0 ? mig_profile_find_kind(m, "1g") : -1;
    if (w->regime == SIM_REGIME_ALL_1G && r->kind == MODEL_RESOURCE_MIG && profile >= 0)
        return g->gpus_per_node * m->profiles[profile].max_instances;
    return 0;
}

/* Slots of a pod's pool on a node of the group that is there; 0 when there is none. */
static uint32_t pool_slots(const struct sim_world *w, const struct sim_pod *p, uint32_t group)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        const struct sim_node *n = &w->nodes[node];
        if (n->group == group && n->ready && str_eq(str_from(n->pool), str_from(p->tpl.pool)))
            slots = num_max_u32(slots, sim_node_offered(w, node, &p->tpl.resource));
    }
    return slots;
}

/* Slots that a pod takes of what is coming: of claims, parts of GPUs, whatever their classes. */
static uint32_t slots_asked(const struct sim_world *w, const struct sim_pod *p, uint32_t group)
{
    return w->caps == SIM_CAPS_DRA ? sim_claim_units(&p->tpl, w->scenario->groups[group].gpu)
                                   : p->tpl.count;
}

/* The same for claims: every group of the class's model has them. */
static bool group_fits_claim(const struct sim_world *w, const struct sim_pod *p, uint32_t group,
        struct coming *ret_fresh)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    struct core_share share;
    bool shared = p->tpl.resource.kind == MODEL_RESOURCE_GPU_SHARED;
    if (shared && (!core_share_parse(str_from(p->tpl.pool), &share) || share.gpu != g->gpu))
        return false;
    *ret_fresh = (struct coming){group, KIND_EXCLUSIVE, false, g->gpus_per_node * CORE_SHARE_UNITS,
            g->cpu_milli, g->memory_mib};
    return ret_fresh->slots >= slots_asked(w, p, group) && s->cpu_milli <= g->cpu_milli &&
           s->memory_mib <= g->memory_mib;
}

static bool group_fits(const struct sim_world *w, const struct sim_pod *p, uint32_t group,
        struct coming *ret_fresh)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    bool partitioned = false;
    if (g->cluster != s->cluster)
        return false;
    if (p->tpl.gpu_models != 0 && (p->tpl.gpu_models >> g->gpu & 1) == 0)
        return false;
    if (w->caps == SIM_CAPS_DRA)
        return group_fits_claim(w, p, group, ret_fresh);
    bool pool = p->tpl.pool[0] != '\0';
    uint32_t slots =
            pool ? pool_slots(w, p, group) : slots_of(w, g, &p->tpl.resource, &partitioned);
    uint32_t kind = pool          ? (uint32_t)str_hash(str_from(p->tpl.pool), 0) | 2
                    : partitioned ? KIND_STATIC
                                  : KIND_EXCLUSIVE;
    *ret_fresh = (struct coming){group, kind, false, slots, g->cpu_milli, g->memory_mib};
    return slots >= p->tpl.count && s->cpu_milli <= g->cpu_milli && s->memory_mib <= g->memory_mib;
}

static bool take(struct coming *c, const struct sim_world *w, const struct sim_pod *p)
{
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    struct coming fresh;
    if (!group_fits(w, p, c->group, &fresh))
        return false;
    if (c->open && (c->kind == fresh.kind || c->kind == UINT32_MAX) && fresh.kind >= KIND_STATIC) {
        c->kind = fresh.kind;
        c->slots = fresh.slots;
        c->open = false;
    }
    if (c->open || fresh.kind != c->kind || c->slots < slots_asked(w, p, c->group) ||
            c->cpu_milli < s->cpu_milli || c->memory_mib < s->memory_mib)
        return false;
    c->slots -= slots_asked(w, p, c->group);
    c->cpu_milli -= s->cpu_milli;
    c->memory_mib -= s->memory_mib;
    return true;
}

/* The cheapest group, by GPU that the pod would pay for, that may still grow. */
static uint32_t best_group(
        const struct sim_world *w, const struct sim_pod *p, struct coming *ret_fresh)
{
    uint32_t best = SIM_NONE;
    int64_t best_price = INT64_MAX;
    for (uint32_t g = 0; g < w->scenario->group_count; g++) {
        struct coming fresh;
        const struct sim_group_spec *spec = &w->scenario->groups[g];
        if (w->group_nodes[g] >= spec->max || !group_fits(w, p, g, &fresh))
            continue;
        int64_t price = sim_group_price(w, g, sim_world_wall(w)) / spec->gpus_per_node;
        if (price < best_price) {
            best = g;
            best_price = price;
            *ret_fresh = fresh;
        }
    }
    return best;
}

/* Nodes on their way, so that one pod does not ask for two; and empty ones that have just come:
 * they may yet be converted to a pool (the real one treats GPU nodes whose devices are not there
 * yet as coming). */
static uint32_t add_ordered(const struct sim_world *w, struct coming *coming)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->heap.count; i++) {
        const struct sim_event *e = &w->heap.events[i];
        if (e->kind != SIM_EVENT_NODE_UP)
            continue;
        const struct sim_group_spec *g = &w->scenario->groups[e->a];
        coming[count++] = (struct coming){.group = e->a,
                .kind = (uint32_t)e->b,
                .open = e->b != KIND_EXCLUSIVE,
                .slots = g->gpus_per_node * (w->caps == SIM_CAPS_DRA ? CORE_SHARE_UNITS : 1),
                .cpu_milli = g->cpu_milli,
                .memory_mib = g->memory_mib};
    }
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        const struct sim_node *n = &w->nodes[w->nodes_live.items[i]];
        const struct sim_group_spec *g = &w->scenario->groups[n->group];
        if (n->pods.count > 0 || w->now_ns - n->created_ns > UP_NS || !n->ready)
            continue;
        coming[count++] = (struct coming){.group = n->group,
                .kind = UINT32_MAX,
                .open = true,
                .cpu_milli = g->cpu_milli,
                .memory_mib = g->memory_mib};
    }
    return count;
}

/* True when a node that is there has room for the pod beside those counted before: it only waits
 * for its back-off (or for admission), as the real autoscaler's simulation finds out too. */
static bool fits_existing(const struct sim_world *w, const struct sim_pod *p, uint32_t *taken)
{
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        if (!sim_schedule_fits(w, p, node))
            continue;
        if (w->caps == SIM_CAPS_DRA) {
            if (sim_claim_room(w, p, node, taken[i] + 1) <= taken[i])
                continue;
            taken[i]++;
            return true;
        }
        uint32_t free = sim_node_offered(w, node, &p->tpl.resource);
        uint32_t held = sim_node_requested(w, node, &p->tpl.resource) + taken[i];
        if (held + p->tpl.count > free)
            continue;
        taken[i] += p->tpl.count;
        return true;
    }
    return false;
}

static void scale_up(struct sim_world *w)
{
    uint32_t stuck = 0;
    for (uint32_t i = 0; i < w->pending.count; i++)
        stuck += w->pods[w->pending.items[i]].unschedulable;
    if (stuck == 0)
        return;
    arena_reset(w->scratch);
    struct coming *coming = ARENA_ARRAY(
            w->scratch, struct coming, w->pending.count + w->heap.count + w->nodes_live.count + 1);
    uint32_t *taken = ARENA_ARRAY(w->scratch, uint32_t, w->nodes_live.count + 1);
    uint32_t count = add_ordered(w, coming);
    for (uint32_t i = 0; i < w->pending.count; i++) {
        const struct sim_pod *p = &w->pods[w->pending.items[i]];
        if (!p->unschedulable || fits_existing(w, p, taken))
            continue;
        bool covered = false;
        for (uint32_t k = 0; k < count && !covered; k++)
            covered = take(&coming[k], w, p);
        struct coming fresh;
        uint32_t group = covered ? SIM_NONE : best_group(w, p, &fresh);
        if (group == SIM_NONE)
            continue;
        w->group_nodes[group]++;
        sim_event_add(w, w->now_ns + UP_NS, SIM_EVENT_NODE_UP, group, fresh.kind);
        (void)take(&fresh, w, p);
        coming[count++] = fresh;
    }
}

static void scale_down(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        const struct sim_node *n = &w->nodes[node];
        if (n->pods.count > 0 || n->removal_queued || n->dying)
            continue;
        if (w->now_ns - n->empty_since_ns < DOWN_NS)
            continue;
        if (w->group_nodes[n->group] <= w->scenario->groups[n->group].min)
            continue;
        sim_node_remove(w, node);
        i--;
    }
}

void sim_scale(struct sim_world *w)
{
    scale_up(w);
    scale_down(w);
    sim_event_add(w, w->now_ns + SCAN_NS, SIM_EVENT_SCALE, 0, 0);
}
