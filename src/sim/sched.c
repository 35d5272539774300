/* sim/sched.c - kube-scheduler: filters, LeastAllocated, back-off, unschedulable flush.  Pure.
 *
 * SOURCE: kube-scheduler's defaults: NodeResourcesFit with LeastAllocated over cpu and memory,
 * pod back-off 1..10 s, unschedulable pods flushed after 5 minutes; ties are broken at random. */
#include "sim/world-priv.h"

#include <assert.h>

void sim_schedule_at(struct sim_world *w, int64_t at_ns)
{
    if (w->schedule_at_ns != 0 && w->schedule_at_ns <= at_ns)
        return;
    w->schedule_at_ns = at_ns;
    sim_event_add(w, at_ns, SIM_EVENT_SCHEDULE, 0, 0);
}

static int64_t backoff_ns(uint32_t attempts)
{
    return num_min_i64(
            SIM_SECOND << num_min_u32(attempts > 0 ? attempts - 1 : 0, 4), 10 * SIM_SECOND);
}

void sim_schedule_wake(struct sim_world *w)
{
    int64_t first = INT64_MAX;
    for (uint32_t i = 0; i < w->pending.count; i++) {
        struct sim_pod *p = &w->pods[w->pending.items[i]];
        if (p->attempts > 0)
            p->next_try_ns = num_min_i64(p->next_try_ns, w->now_ns + backoff_ns(p->attempts));
        first = num_min_i64(first, p->next_try_ns);
    }
    if (first != INT64_MAX)
        sim_schedule_at(w, num_max_i64(first, w->now_ns));
}

static uint32_t whole_gpus_free(const struct sim_world *w, uint32_t node)
{
    uint32_t free = 0;
    for (uint32_t g = 0; g < w->nodes[node].gpu_count; g++)
        free += !w->nodes[node].gpus[g].lost && !sim_node_gpu_in_use(w, node, g, SIM_WHOLE_GPU);
    return free;
}

bool sim_schedule_fits(const struct sim_world *w, const struct sim_pod *p, uint32_t node)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    if (!n->ready || n->unschedulable || n->reclaimed || n->cluster != s->cluster)
        return false;
    if (p->tpl.gpu_models != 0 && (p->tpl.gpu_models >> n->gpu & 1) == 0)
        return false;
    /* Owners that were pointed to a pool tolerate its taint: the patch for them says so. */
    if (n->startup_taint ||
            (n->pool_taint[0] != '\0' && !str_eq(str_from(p->tpl.pool), str_from(n->pool_taint))))
        return false;
    bool claims = w->caps == SIM_CAPS_DRA; /* its pool is a class, no label of nodes */
    if (!claims && p->tpl.pool[0] != '\0' && !str_eq(str_from(p->tpl.pool), str_from(n->pool)))
        return false;
    const struct sim_group_spec *g = &w->scenario->groups[n->group];
    if (n->cpu_used + s->cpu_milli > g->cpu_milli || n->memory_used + s->memory_mib > g->memory_mib)
        return false;
    if (claims)
        return sim_claim_room(w, p, node, 1) > 0;
    uint32_t offered = sim_node_offered(w, node, &p->tpl.resource);
    if (offered < p->tpl.count)
        return false;
    if (w->caps != SIM_CAPS_OPERATOR && p->tpl.resource.kind == MODEL_RESOURCE_GPU)
        return whole_gpus_free(w, node) >= p->tpl.count;
    return sim_node_requested(w, node, &p->tpl.resource) + p->tpl.count <= offered;
}

static uint32_t score(const struct sim_world *w, const struct sim_pod *p, uint32_t node)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_group_spec *g = &w->scenario->groups[n->group];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    uint64_t cpu_free = g->cpu_milli - n->cpu_used - s->cpu_milli;
    uint64_t memory_free = g->memory_mib - n->memory_used - s->memory_mib;
    uint64_t cpu = g->cpu_milli > 0 ? cpu_free * 100 / g->cpu_milli : 0;
    uint64_t memory = g->memory_mib > 0 ? memory_free * 100 / g->memory_mib : 0;
    return (uint32_t)((cpu + memory) / 2);
}

/* With native caps admission decides for pods of one GPU; the scheduler places the others. */
static bool waits_for_admission(const struct sim_world *w, const struct sim_pod *p)
{
    return w->regime == SIM_REGIME_CORE && w->caps == SIM_CAPS_NATIVE && p->tpl.count == 1;
}

static void try_pod(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    uint32_t best = SIM_NONE, best_score = 0, ties = 0;
    if (waits_for_admission(w, p)) {
        if (w->now_ns - p->created_ns < 20 * SIM_SECOND) {
            p->next_try_ns = p->created_ns + 20 * SIM_SECOND;
            return;
        }
    } else {
        for (uint32_t i = 0; i < w->nodes_live.count; i++) {
            uint32_t node = w->nodes_live.items[i];
            if (!sim_schedule_fits(w, p, node))
                continue;
            uint32_t value = score(w, p, node);
            if (best == SIM_NONE || value > best_score) {
                best = node;
                best_score = value;
                ties = 1;
            } else if (value == best_score &&
                       prng_below(&w->rng[SIM_STREAM_SCHEDULER], ++ties) == 0) {
                best = node;
            }
        }
    }
    if (best == SIM_NONE) {
        p->attempts++;
        p->next_try_ns = w->now_ns + 5 * SIM_MINUTE;
        if (!p->unschedulable) {
            p->unschedulable = true;
            sim_pod_changed(w, pod);
        }
        return;
    }
    sim_pod_bind(w, pod, best);
    if (!sim_kubelet_allocate(w, best, pod))
        sim_pod_crash(w, pod); /* UnexpectedAdmissionError: the pod has failed */
}

void sim_schedule(struct sim_world *w)
{
    if (w->schedule_at_ns > w->now_ns)
        return; /* an earlier pass was queued meanwhile and has done this one's work */
    w->schedule_at_ns = 0;
    /* A pass may bind, which takes from the list: go by a copy of what was there. */
    uint32_t count = w->pending.count;
    arena_reset(w->scratch);
    uint32_t *queue = ARENA_ARRAY(w->scratch, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++)
        queue[i] = w->pending.items[i];
    for (uint32_t i = 0; i < count; i++) {
        struct sim_pod *p = &w->pods[queue[i]];
        if (p->phase == SIM_POD_PENDING && p->next_try_ns <= w->now_ns)
            try_pod(w, queue[i]);
    }
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < w->pending.count; i++)
        next = num_min_i64(next, w->pods[w->pending.items[i]].next_try_ns);
    if (next != INT64_MAX)
        sim_schedule_at(w, num_max_i64(next, w->now_ns + SIM_SECOND / 10));
}
