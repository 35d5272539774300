/* sim/scale.c - the cluster autoscaler: nodes for pods that would fit a fresh one, and away again.
 *
 * Pure.  Looks every 10 s; a node is there 5 minutes after it was asked for and leaves after 10
 * minutes without workload pods.  Fresh nodes are exclusive, so a pod that asks for a shared
 * resource or a pool never makes it add one (as the real one, which knows only templates).
 * LIMIT: the real one also drains nodes whose requests are below half; here only empty ones go. */
#include "sim/world-priv.h"

#include <assert.h>

#define SCAN_NS (10 * SIM_SECOND)
#define UP_NS   (5 * SIM_MINUTE)
#define DOWN_NS (10 * SIM_MINUTE)

/* What is still free on nodes that are coming, in the order they were asked for. */
struct coming {
    uint32_t group, partitioned;
    uint32_t slots, cpu_milli, memory_mib;
};

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

static bool group_fits(const struct sim_world *w, const struct sim_pod *p, uint32_t group,
        struct coming *ret_fresh)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    bool partitioned;
    if (g->cluster != s->cluster || p->tpl.pool[0] != '\0')
        return false;
    if (p->tpl.gpu_models != 0 && (p->tpl.gpu_models >> g->gpu & 1) == 0)
        return false;
    uint32_t slots = slots_of(w, g, &p->tpl.resource, &partitioned);
    *ret_fresh = (struct coming){group, partitioned, slots, g->cpu_milli, g->memory_mib};
    return slots >= p->tpl.count && s->cpu_milli <= g->cpu_milli && s->memory_mib <= g->memory_mib;
}

static bool take(struct coming *c, const struct sim_world *w, const struct sim_pod *p)
{
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    struct coming fresh;
    if (!group_fits(w, p, c->group, &fresh) || fresh.partitioned != c->partitioned)
        return false;
    if (c->slots < p->tpl.count || c->cpu_milli < s->cpu_milli || c->memory_mib < s->memory_mib)
        return false;
    c->slots -= p->tpl.count;
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

/* Nodes on their way, so that one pod does not ask for two. */
static uint32_t add_ordered(const struct sim_world *w, struct coming *coming)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->heap.count; i++) {
        const struct sim_event *e = &w->heap.events[i];
        if (e->kind != SIM_EVENT_NODE_UP)
            continue;
        const struct sim_group_spec *g = &w->scenario->groups[e->a];
        struct model_resource whole = {.kind = MODEL_RESOURCE_GPU};
        struct coming c = {e->a, (uint32_t)e->b, 0, g->cpu_milli, g->memory_mib};
        bool partitioned;
        /* What a partitioned one offers depends on the resource: set by the first that asks. */
        c.slots = e->b != 0 ? UINT32_MAX : slots_of(w, g, &whole, &partitioned);
        coming[count++] = c;
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
    struct coming *coming =
            ARENA_ARRAY(w->scratch, struct coming, w->pending.count + w->heap.count + 1);
    uint32_t *taken = ARENA_ARRAY(w->scratch, uint32_t, w->nodes_live.count + 1);
    uint32_t count = add_ordered(w, coming);
    for (uint32_t i = 0; i < w->pending.count; i++) {
        const struct sim_pod *p = &w->pods[w->pending.items[i]];
        if (!p->unschedulable || fits_existing(w, p, taken))
            continue;
        bool covered = false;
        for (uint32_t k = 0; k < count && !covered; k++) {
            struct coming fresh;
            if (coming[k].slots == UINT32_MAX && group_fits(w, p, coming[k].group, &fresh))
                coming[k].slots = fresh.slots;
            covered = take(&coming[k], w, p);
        }
        struct coming fresh;
        uint32_t group = covered ? SIM_NONE : best_group(w, p, &fresh);
        if (group == SIM_NONE)
            continue;
        w->group_nodes[group]++;
        sim_event_add(w, w->now_ns + UP_NS, SIM_EVENT_NODE_UP, group, fresh.partitioned);
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
