/* sim/world.c - a world's life: event heap, virtual clock, sums over time, stepping.  Pure. */
#include "sim/world-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

void sim_event_add(
        struct sim_world *w, int64_t at_ns, enum sim_event_kind kind, uint32_t a, uint64_t b)
{
    struct sim_heap *h = &w->heap;
    assert(at_ns >= w->now_ns);
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 256 : h->cap * 2;
        h->events = mem_grow(h->events, h->cap, sizeof *h->events);
    }
    uint32_t i = h->count++;
    struct sim_event e = {.at_ns = at_ns, .seq = w->seq++, .kind = kind, .a = a, .b = b};
    while (i > 0 && earlier(&e, &h->events[(i - 1) / 2])) {
        h->events[i] = h->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->events[i] = e;
}

static struct sim_event heap_pop(struct sim_heap *h)
{
    assert(h->count > 0);
    struct sim_event top = h->events[0], last = h->events[--h->count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && earlier(&h->events[child + 1], &h->events[child]))
            child++;
        if (!earlier(&h->events[child], &last))
            break;
        h->events[i] = h->events[child];
        i = child;
    }
    h->events[i] = last;
    return top;
}

void sim_list_add(struct sim_list *l, uint32_t item)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 8 : l->cap * 2;
        l->items = mem_grow(l->items, l->cap, sizeof *l->items);
    }
    l->items[l->count++] = item;
}

void sim_list_remove(struct sim_list *l, uint32_t item)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->items[i] == item) {
            memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof *l->items);
            l->count--;
            return;
        }
    }
    assert(!"the item is in the list");
}

void sim_list_clear(struct sim_list *l)
{
    mem_free(l->items);
    *l = (struct sim_list){0};
}

int64_t sim_world_wall(const struct sim_world *w)
{
    return w->scenario->start_wall_ns + w->now_ns;
}

bool sim_world_measuring(const struct sim_world *w)
{
    return w->now_ns >= w->config->measure_from_ns;
}

void sim_world_violate(struct sim_world *w, const char *check, uint64_t uid)
{
    if (w->violation == NULL) {
        w->violation = check;
        w->violation_uid = uid;
    }
}

const struct model_gpu *sim_node_model(const struct sim_node *n)
{
    return model_gpu_get(n->gpu);
}

static void integrate_part(struct sim_world *w, int64_t from_ns, int64_t to_ns, uint32_t bucket)
{
    int64_t length = to_ns - from_ns;
    struct sim_bucket *b = &w->buckets[bucket];
    b->length_ns += length;
    b->provisioned += (__int128)w->sum_provisioned * length;
    b->requested += (__int128)w->sum_requested * length;
    b->used += (__int128)w->sum_used * length;
    b->cost += (__int128)w->sum_cost * length;
    if (from_ns < w->config->measure_from_ns)
        length = to_ns > w->config->measure_from_ns ? to_ns - w->config->measure_from_ns : 0;
    if (length == 0)
        return;
    struct sim_sums *s = &w->sums;
    s->measured_ns += length;
    s->provisioned += (__int128)w->sum_provisioned * length;
    s->requested += (__int128)w->sum_requested * length;
    s->used += (__int128)w->sum_used * length;
    s->cost += (__int128)w->sum_cost * length;
    s->pod_running += (__int128)w->sum_running * length;
    s->provisioned_max = num_max_u32(s->provisioned_max, (uint32_t)(w->sum_provisioned / 1000));
}

void sim_world_integrate(struct sim_world *w)
{
    while (w->integrated_ns < w->now_ns) {
        uint32_t bucket = (uint32_t)(w->integrated_ns / w->bucket_ns);
        int64_t end = (int64_t)(bucket + 1) * w->bucket_ns;
        end = num_min_i64(end, w->now_ns);
        integrate_part(w, w->integrated_ns, end, num_min_u32(bucket, w->bucket_count - 1));
        w->integrated_ns = end;
    }
}

static void hour_event(struct sim_world *w)
{
    sim_node_reprice(w);
    for (uint32_t i = 0; i < w->owner_count; i++)
        sim_owner_hour(w, i);
    sim_reclaim_hour(w);
    sim_fault_hour(w);
    sim_event_add(w, w->now_ns + NUM_NS_PER_HOUR, SIM_EVENT_HOUR, 0, 0);
}

static void sample_event(struct sim_world *w)
{
    sim_demand_tick(w);
    sim_tick(w);
    sim_event_add(w, w->now_ns + w->period_ns, SIM_EVENT_SAMPLE, 0, 0);
}

/* True when a step of the controller was made. */
static bool dispatch(struct sim_world *w, const struct sim_event *e)
{
    switch (e->kind) {
    case SIM_EVENT_SAMPLE:
        sample_event(w);
        break;
    case SIM_EVENT_HOUR:
        hour_event(w);
        break;
    case SIM_EVENT_SCHEDULE:
        sim_schedule(w);
        break;
    case SIM_EVENT_SCALE:
        sim_scale(w);
        break;
    case SIM_EVENT_NODE_UP:
        (void)sim_node_add(w, e->a, e->b == 1);
        break;
    case SIM_EVENT_NODE_DEATH:
        (void)sim_fault_strike(w, e->a, SIM_FAULT_NODE_DEATH);
        break;
    case SIM_EVENT_RECLAIM:
        sim_reclaim_notice(w, e->a);
        break;
    case SIM_EVENT_NODE_REMOVE:
        sim_node_remove(w, e->a);
        break;
    case SIM_EVENT_POD_STARTED:
        sim_pod_started(w, e->a);
        break;
    case SIM_EVENT_POD_ENDED:
        sim_pod_end(w, e->a);
        break;
    case SIM_EVENT_OWNER:
        sim_owner_reconcile(w, e->a);
        break;
    case SIM_EVENT_OWNER_PATCH:
        sim_owner_patch_apply(w, e->a, e->b);
        break;
    case SIM_EVENT_JOB_ARRIVE:
        sim_owner_job_arrive(w, e->a, (uint32_t)e->b);
        break;
    case SIM_EVENT_PLUGIN:
        sim_plugin_look(w, e->a, e->b);
        break;
    case SIM_EVENT_PLUGIN_UP:
        sim_plugin_back(w, e->a, e->b);
        break;
    case SIM_EVENT_MIG:
        sim_mig_go_on(w, e->a, e->b);
        break;
    case SIM_EVENT_WRITE:
        sim_act_write(w, e->a);
        break;
    case SIM_EVENT_CORE:
        if (w->core == NULL || e->b != w->core_generation)
            break;
        sim_feed_step(w, e->b);
        return true;
    case SIM_EVENT_RELIST:
        sim_feed_relist(w, (uint16_t)e->a, (enum core_source)e->b);
        break;
    case SIM_EVENT_CLOCK_BACK:
        w->skew_ns = 0;
        break;
    case SIM_EVENT_COUNT:
        assert(!"a real event");
    }
    return false;
}

/* Runs events up to and including `until_ns`; stops after a step of the controller if asked. */
static int run_events(struct sim_world *w, int64_t until_ns, bool stop_after_step)
{
    until_ns = num_min_i64(until_ns, w->end_ns);
    while (w->violation == NULL && !w->cancelled && w->heap.count > 0 &&
            w->heap.events[0].at_ns <= until_ns) {
        struct sim_event e = heap_pop(&w->heap);
        w->now_ns = e.at_ns;
        sim_world_integrate(w);
        if (dispatch(w, &e) && stop_after_step && w->violation == NULL && !w->cancelled)
            return 1;
    }
    if (w->violation != NULL || w->cancelled)
        return w->violation != NULL ? -EPROTO : -ECANCELED;
    w->now_ns = num_max_i64(w->now_ns, until_ns);
    sim_world_integrate(w);
    return 0;
}

int sim_world_step(struct sim_world *w)
{
    return run_events(w, w->end_ns, true);
}

int sim_world_run_until(struct sim_world *w, int64_t mono_ns)
{
    return run_events(w, mono_ns, false);
}

static void expand_windows(struct sim_world *w)
{
    w->window_count = 0;
    int64_t at = w->scenario->start_wall_ns - 2 * 24 * NUM_NS_PER_HOUR;
    int64_t end = w->scenario->start_wall_ns + w->end_ns + 2 * 24 * NUM_NS_PER_HOUR;
    unsigned max = sizeof w->windows / sizeof w->windows[0];
    while (at < end && w->window_count < max) {
        struct core_window_fact f;
        if (policy_window_at(w->config->policy, at, &f.start_wall_ns, &f.end_wall_ns) < 0)
            return;
        if (w->window_count == 0 ||
                w->windows[w->window_count - 1].start_wall_ns != f.start_wall_ns)
            w->windows[w->window_count++] = f;
        assert(f.end_wall_ns > at);
        at = f.end_wall_ns;
    }
}

static void world_start(struct sim_world *w)
{
    const struct sim_scenario *s = w->scenario;
    for (uint32_t g = 0; g < s->group_count; g++) {
        /* The static baselines begin with what must be there; the autoscaler adds the rest. */
        uint32_t first = w->regime == SIM_REGIME_CORE || w->regime == SIM_REGIME_ONE_GPU_A_POD
                                 ? num_max_u32(s->groups[g].initial, s->groups[g].min)
                                 : s->groups[g].min;
        for (uint32_t i = 0; i < first; i++) {
            w->group_nodes[g]++;
            (void)sim_node_add(w, g, false);
        }
    }
    for (uint32_t i = 0; i < w->owner_count; i++)
        sim_owner_start(w, i);
    if (w->regime == SIM_REGIME_CORE) {
        expand_windows(w);
        sim_world_restart_core(w);
    }
    sim_event_add(w, 0, SIM_EVENT_SAMPLE, 0, 0);
    sim_event_add(w, NUM_NS_PER_HOUR, SIM_EVENT_HOUR, 0, 0);
    sim_event_add(w, 10 * SIM_SECOND, SIM_EVENT_SCALE, 0, 0);
}

struct sim_world *sim_world_new(const struct sim_config *config, enum sim_regime regime)
{
    assert(config->scenario != NULL && config->policy != NULL);
    assert(regime < SIM_REGIME_COUNT);
    struct sim_world *w = mem_alloc(1, sizeof *w);
    w->config = config;
    w->scenario = config->scenario;
    w->regime = regime;
    /* Pods that keep whole GPUs or share by four are as the stock device plugin has them. */
    bool claims = config->caps == SIM_CAPS_DRA &&
                  (regime == SIM_REGIME_CORE || regime == SIM_REGIME_ALL_1G);
    w->caps = config->caps == SIM_CAPS_DRA && !claims ? SIM_CAPS_OPERATOR : config->caps;
    w->arena = arena_new((size_t)8 << 30);
    w->batch_arena = arena_new((size_t)1 << 30);
    w->scratch = arena_new((size_t)1 << 30);
    w->end_ns = config->duration_ns > 0 ? config->duration_ns : config->scenario->duration_ns;
    w->period_ns = config->scenario->sample_period_ns > 0 ? config->scenario->sample_period_ns
                                                          : SIM_MINUTE;
    for (unsigned i = 0; i < SIM_STREAM_COUNT; i++)
        prng_init_stream(&w->rng[i], config->seed, i);
    w->version = 1000;
    w->group_nodes = ARENA_ARRAY(w->arena, uint32_t, config->scenario->group_count);
    w->group_serial = ARENA_ARRAY(w->arena, uint32_t, config->scenario->group_count);
    w->owner_count = config->scenario->owner_count;
    w->owners = ARENA_ARRAY(w->arena, struct sim_owner, w->owner_count);
    w->claims = sim_claims_new();
    sim_report_init(w);
    world_start(w);
    return w;
}

struct sim_world *sim_world_free(struct sim_world *w)
{
    if (w == NULL)
        return NULL;
    for (uint32_t i = 0; i < w->node_count; i++) {
        sim_list_clear(&w->nodes[i].pods);
        mem_free(w->nodes[i].annotation);
    }
    for (uint32_t i = 0; i < w->owner_count; i++)
        mem_free(w->owners[i].slots);
    for (uint32_t i = 0; i < w->config_count; i++)
        buf_clear(&w->configs[i].text);
    for (uint32_t i = 0; i < w->write_count; i++) {
        for (unsigned k = 0; k < 4; k++)
            mem_free(w->writes[i].text[k]);
    }
    w->core = core_free(w->core);
    w->claims = sim_claims_free(w->claims);
    sim_list_clear(&w->nodes_live);
    sim_list_clear(&w->pending);
    sim_list_clear(&w->dirty.nodes);
    sim_list_clear(&w->dirty.pods);
    sim_list_clear(&w->dirty.owners);
    sim_list_clear(&w->dirty.configs);
    map_u64_clear(&w->dirty.seen);
    mem_free(w->heap.events);
    mem_free(w->nodes);
    mem_free(w->pods);
    mem_free(w->configs);
    mem_free(w->writes);
    mem_free(w->gone);
    mem_free(w->direct);
    mem_free(w->batch);
    mem_free(w->stale);
    mem_free(w->pending_waits);
    for (unsigned c = 0; c < SIM_CLUSTERS_MAX; c++)
        mem_free(w->evictions[c].at_ns);
    mem_free(w->approvals);
    mem_free(w->log);
    mem_free(w->lives);
    arena_free(w->batch_arena);
    arena_free(w->scratch);
    arena_free(w->arena);
    mem_free(w);
    return NULL;
}

void sim_world_go_on(struct sim_world *w, const struct sim_config *config)
{
    assert(config->scenario == w->scenario && config->caps == w->caps);
    assert(config->seed == w->config->seed);
    bool other_policy = config->policy != w->config->policy;
    w->config = config;
    if (!other_policy || w->regime != SIM_REGIME_CORE)
        return;
    w->policy_changed_ns = w->now_ns;
    expand_windows(w);
    sim_feed_policy(w);
    sim_feed_wake(w, w->now_ns);
}

void sim_world_approve(struct sim_world *w, uint64_t plan)
{
    if (w->approval_count == w->approval_cap) {
        w->approval_cap = w->approval_cap == 0 ? 16 : w->approval_cap * 2;
        w->approvals = mem_grow(w->approvals, w->approval_cap, sizeof *w->approvals);
    }
    struct sim_approval *a = &w->approvals[w->approval_count++];
    *a = (struct sim_approval){plan, sim_world_wall(w)};
    if (w->core == NULL)
        return;
    sim_feed_approval(w, a);
    sim_feed_wake(w, w->now_ns);
}

int64_t sim_world_now(const struct sim_world *w)
{
    return w->now_ns;
}

uint64_t sim_world_steps(const struct sim_world *w)
{
    return w->steps;
}

const struct core *sim_world_core(const struct sim_world *w)
{
    return w->core;
}

const char *sim_world_violation(const struct sim_world *w, uint64_t *ret_uid)
{
    if (ret_uid != NULL)
        *ret_uid = w->violation_uid;
    return w->violation;
}

void sim_world_count(const struct sim_world *w, struct sim_world_counts *ret_counts)
{
    struct sim_world_counts c = {0};
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        const struct sim_node *n = &w->nodes[w->nodes_live.items[i]];
        bool mig = false;
        for (uint32_t g = 0; g < n->gpu_count; g++)
            mig = mig || n->gpus[g].mig_on;
        c.nodes++;
        c.nodes_shared += n->replicas > 1;
        c.nodes_mig += mig;
        c.nodes_cordoned += n->unschedulable;
        for (uint32_t p = 0; p < n->pods.count; p++)
            c.pods_running += w->pods[n->pods.items[p]].phase == SIM_POD_RUNNING;
    }
    c.pods_pending = w->pending.count;
    *ret_counts = c;
}
