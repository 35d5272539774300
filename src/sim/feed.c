/* sim/feed.c - what the controller is told, and when: watches, samples, lists after a restart.
 *
 * Pure.  Changes of one object between two steps come as its last state, as from a watch that
 * coalesces; facts of one source keep the order of their versions.  The controller's steps fall on
 * whole seconds of the virtual clock: that is the latency of the watches. */
#include "sim/world-priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int64_t sim_feed_wall(const struct sim_world *w)
{
    return sim_world_wall(w) + w->skew_ns;
}

void sim_feed_wake(struct sim_world *w, int64_t at_ns)
{
    if (w->core == NULL)
        return;
    at_ns = num_max_i64(at_ns, w->now_ns);
    int64_t at = at_ns == INT64_MAX ? INT64_MAX : (at_ns / SIM_SECOND + 1) * SIM_SECOND;
    if (at > w->end_ns || (w->core_at_ns != 0 && w->core_at_ns <= at))
        return;
    w->core_at_ns = at;
    sim_event_add(w, at, SIM_EVENT_CORE, 0, ++w->core_generation);
}

static void mark(struct sim_world *w, struct sim_list *list, uint64_t uid, uint32_t row)
{
    if (w->core == NULL)
        return;
    if (map_u64_find(&w->dirty.seen, uid) == MAP_NONE) {
        (void)map_u64_set(&w->dirty.seen, uid, 1);
        sim_list_add(list, row);
    }
    sim_feed_wake(w, w->now_ns);
}

void sim_feed_node(struct sim_world *w, uint32_t node)
{
    mark(w, &w->dirty.nodes, sim_uid(SIM_UID_NODE, node), node);
}

void sim_feed_pod(struct sim_world *w, uint32_t pod)
{
    mark(w, &w->dirty.pods, sim_uid(SIM_UID_POD, pod), pod);
}

void sim_feed_owner(struct sim_world *w, uint32_t owner)
{
    mark(w, &w->dirty.owners, sim_uid(SIM_UID_OWNER, owner), owner);
}

void sim_feed_config(struct sim_world *w, uint32_t config)
{
    mark(w, &w->dirty.configs, (uint64_t)4 << 60 | config, config);
}

void sim_feed_gone(struct sim_world *w, uint64_t uid, enum core_source source, uint16_t cluster)
{
    if (w->core == NULL)
        return;
    if (w->gone_count == w->gone_cap) {
        w->gone_cap = w->gone_cap == 0 ? 64 : w->gone_cap * 2;
        w->gone = mem_grow(w->gone, w->gone_cap, sizeof *w->gone);
    }
    w->gone[w->gone_count++] = (struct sim_gone){uid, ++w->version, cluster, source};
    sim_feed_wake(w, w->now_ns);
}

struct core_fact *sim_feed_direct(
        struct sim_world *w, enum core_fact_kind kind, enum core_source source, uint16_t cluster)
{
    if (w->direct_count == w->direct_cap) {
        w->direct_cap = w->direct_cap == 0 ? 256 : w->direct_cap * 2;
        w->direct = mem_grow(w->direct, w->direct_cap, sizeof *w->direct);
    }
    struct core_fact *f = &w->direct[w->direct_count++];
    memset(f, 0, sizeof *f);
    f->kind = kind;
    f->source = source;
    f->cluster = cluster;
    f->version = ++w->version;
    f->observed_wall_ns = sim_feed_wall(w);
    return f;
}

void sim_feed_incident(struct sim_world *w, uint16_t cluster, const struct core_incident_fact *f)
{
    w->incidents++;
    if (w->core == NULL)
        return;
    sim_feed_direct(w, CORE_FACT_INCIDENT, CORE_SOURCE_METRICS, cluster)->incident = *f;
    sim_feed_wake(w, w->now_ns);
}

/* -- facts of objects ---------------------------------------------------------------------------
 */

static struct core_node_caps caps_of(const struct sim_world *w, const struct sim_node *n)
{
    bool mig = n->gpus[0].layout.model != NULL;
    bool reset = mig && sim_node_model(n)->mig_mode_needs_reset;
    switch (w->caps) {
    case SIM_CAPS_NATIVE:
        return (struct core_node_caps){CORE_SHARE_GPU, CORE_RELAYOUT_NONE, reset, CORE_STEER_DEVICE,
                CORE_KNOWN_PROCESS, CORE_KNOWN_PROCESS};
    case SIM_CAPS_DRA:
        return (struct core_node_caps){CORE_SHARE_GPU, CORE_RELAYOUT_NONE, reset, CORE_STEER_CLASS,
                CORE_KNOWN_INSTANCE, CORE_KNOWN_INSTANCE};
    case SIM_CAPS_OPERATOR:
    case SIM_CAPS_COUNT:
        break;
    }
    return (struct core_node_caps){CORE_SHARE_NODE_RESOURCE,
            mig ? CORE_RELAYOUT_GPU_REBUILD : CORE_RELAYOUT_NONE, reset, CORE_STEER_POOL,
            CORE_KNOWN_GPU, CORE_KNOWN_GPU};
}

static void add_allocatable(const struct sim_world *w, uint32_t node, struct core_node_fact *f,
        const struct model_resource *r)
{
    uint32_t count = sim_node_offered(w, node, r);
    if (count == 0 || f->allocatable_count == CORE_RESOURCES_MAX)
        return;
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        if (model_resource_eq(&f->allocatable[i].resource, r))
            return;
    }
    f->allocatable[f->allocatable_count++] = (struct core_resource_count){*r, count};
}

static void fill_allocatable(const struct sim_world *w, uint32_t node, struct core_node_fact *f)
{
    const struct sim_node *n = &w->nodes[node];
    struct model_resource r = {.kind = MODEL_RESOURCE_GPU};
    add_allocatable(w, node, f, &r);
    r.kind = MODEL_RESOURCE_GPU_SHARED;
    if (w->caps == SIM_CAPS_OPERATOR)
        add_allocatable(w, node, f, &r);
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        const struct mig_layout *l = &n->gpus[g].layout;
        for (unsigned i = 0; n->gpus[g].mig_on && i < l->count; i++) {
            sim_profile_resource(&l->model->profiles[l->instances[i].profile], r.profile);
            r.kind = MODEL_RESOURCE_MIG;
            add_allocatable(w, node, f, &r);
            r.kind = MODEL_RESOURCE_MIG_SHARED;
            add_allocatable(w, node, f, &r);
        }
    }
}

static void node_fact(const struct sim_world *w, uint32_t node, struct core_fact *f)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_group_spec *g = &w->scenario->groups[n->group];
    f->kind = CORE_FACT_NODE;
    f->source = CORE_SOURCE_NODES;
    f->cluster = n->cluster;
    f->version = n->version;
    f->node = (struct core_node_fact){.uid = sim_uid(SIM_UID_NODE, node),
            .cluster = n->cluster,
            .name = str_from(n->name),
            .region = w->scenario->clusters[n->cluster].region,
            .gpu = n->gpu,
            .gpu_count = n->gpu_count,
            .cpu_milli = g->cpu_milli,
            .memory_mib = g->memory_mib,
            .microusd_per_hour = n->price,
            .purchase = g->purchase,
            .caps = caps_of(w, n),
            .ready = n->ready,
            .unschedulable = n->unschedulable,
            .foreign = g->foreign ? STR_LIT("another controller") : (struct str){0},
            .plugin_config = str_from(n->plugin_label),
            .mig_config = str_from(n->mig_label),
            .mig_state = str_from(n->mig_state),
            .pool = str_from(n->pool),
            .pool_taint = str_from(n->pool_taint),
            .startup_taint = n->startup_taint,
            .annotation = str_from(n->annotation),
            .created_wall_ns = w->scenario->start_wall_ns + n->created_ns};
    fill_allocatable(w, node, &f->node);
}

static enum core_pod_phase phase_of(const struct sim_pod *p)
{
    switch (p->phase) {
    case SIM_POD_PENDING:
    case SIM_POD_STARTING:
        return CORE_POD_PENDING;
    case SIM_POD_RUNNING:
        return CORE_POD_RUNNING;
    case SIM_POD_STOPPING:
        return CORE_POD_TERMINATING;
    case SIM_POD_GONE:
        break;
    }
    return CORE_POD_ENDED;
}

static void pod_fact(const struct sim_world *w, uint32_t pod, struct core_fact *f)
{
    const struct sim_pod *p = &w->pods[pod];
    f->kind = CORE_FACT_POD;
    f->source = CORE_SOURCE_PODS;
    f->cluster = w->owners[p->owner].spec->cluster;
    f->version = p->version;
    f->pod = (struct core_pod_fact){.uid = sim_uid(SIM_UID_POD, pod),
            .owner = sim_uid(SIM_UID_OWNER, p->owner),
            .node = p->node != SIM_NONE ? sim_uid(SIM_UID_NODE, p->node) : 0,
            .cluster = f->cluster,
            .name = str_from(p->name),
            .phase = phase_of(p),
            .unschedulable = p->unschedulable,
            .resource = p->tpl.resource,
            .count = p->tpl.count,
            .pool = str_from(p->tpl.pool),
            .created_wall_ns = w->scenario->start_wall_ns + p->created_ns,
            .started_wall_ns = p->started_ns > 0 ? w->scenario->start_wall_ns + p->started_ns : 0};
    /* The pod-resources socket, through the exporter, tells the device. */
    for (uint32_t d = 0; d < p->device_count && d < CORE_POD_DEVICES_MAX; d++) {
        f->pod.devices[d].gpu = p->devices[d].gpu;
        f->pod.devices[d].start = p->devices[d].start;
        f->pod.device_count++;
    }
}

static void owner_fact(const struct sim_world *w, uint32_t owner, struct core_fact *f)
{
    const struct sim_owner *o = &w->owners[owner];
    const struct sim_owner_spec *s = o->spec;
    f->kind = CORE_FACT_OWNER;
    f->source = CORE_SOURCE_OWNERS;
    f->cluster = s->cluster;
    f->version = o->version;
    f->owner = (struct core_owner_fact){.uid = sim_uid(SIM_UID_OWNER, owner),
            .cluster = s->cluster,
            .name = s->name,
            .kind = s->kind,
            .class_declared = s->class_declared,
            .isolation = s->isolation,
            .preallocates = s->preallocates,
            .declared_memory_mib = s->declared_memory_mib,
            .replicas = o->replicas,
            .max_unavailable = s->max_unavailable,
            .gpus_per_pod = s->gpus_per_pod,
            .gpu_models = o->tpl.gpu_models,
            .cpu_milli = s->cpu_milli,
            .memory_mib = s->memory_mib,
            .slo_permille = s->slo_permille,
            .resource = o->tpl.resource,
            .pool = str_from(o->tpl.pool)};
}

static void config_fact(const struct sim_world *w, uint32_t config, struct core_fact *f)
{
    const struct sim_config_key *k = &w->configs[config];
    f->kind = CORE_FACT_CONFIG;
    f->source = CORE_SOURCE_CONFIG;
    f->cluster = k->cluster;
    f->version = k->version;
    f->config = (struct core_config_fact){.cluster = k->cluster,
            .map = k->map,
            .key = str_from(k->key),
            .text = k->present ? buf_str(&k->text) : (struct str){0},
            .present = k->present};
}

/* -- steps --------------------------------------------------------------------------------------
 */

static int by_version(const void *a, const void *b)
{
    const struct core_fact *x = a, *y = b;
    return (x->version > y->version) - (x->version < y->version);
}

struct filler {
    struct sim_world *w;
    uint32_t count;
};

static struct core_fact *next_fact(struct filler *b)
{
    struct sim_world *w = b->w;
    if (b->count == w->batch_cap) {
        w->batch_cap = w->batch_cap == 0 ? 1024 : w->batch_cap * 2;
        w->batch = mem_grow(w->batch, w->batch_cap, sizeof *w->batch);
    }
    struct core_fact *f = &w->batch[b->count++];
    memset(f, 0, sizeof *f);
    f->observed_wall_ns = sim_feed_wall(w);
    return f;
}

typedef void fact_fn(const struct sim_world *w, uint32_t row, struct core_fact *f);

/* Moves what may be told now from a list of changed rows into the batch. */
static void drain(struct filler *b, struct sim_list *list, unsigned kind, fact_fn *fill)
{
    struct sim_world *w = b->w;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t row = list->items[i];
        uint64_t uid = kind == 4 ? (uint64_t)4 << 60 | row : sim_uid(kind, row);
        bool gone = (kind == SIM_UID_NODE && !w->nodes[row].live) ||
                    (kind == SIM_UID_POD && w->pods[row].phase == SIM_POD_GONE);
        struct core_fact *f = next_fact(b);
        fill(w, row, f);
        if (!gone && w->watch_lost[f->cluster][f->source]) {
            list->items[kept++] = row;
            b->count--;
            continue;
        }
        if (gone)
            b->count--;
        (void)map_u64_remove(&w->dirty.seen, uid);
    }
    list->count = kept;
}

static void drain_gone(struct filler *b)
{
    struct sim_world *w = b->w;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->gone_count; i++) {
        struct sim_gone *g = &w->gone[i];
        if (w->watch_lost[g->cluster][g->source]) {
            w->gone[kept++] = *g;
            continue;
        }
        struct core_fact *f = next_fact(b);
        f->kind = CORE_FACT_GONE;
        f->source = g->source;
        f->cluster = g->cluster;
        f->version = g->version;
        f->gone = g->uid;
    }
    w->gone_count = kept;
}

static bool lost_sync(const struct core_fact *f)
{
    return f->kind == CORE_FACT_SYNC && !f->sync_complete;
}

static uint32_t collect(struct sim_world *w)
{
    struct filler b = {.w = w};
    bool late = w->now_ns < w->late_until_ns;
    for (uint32_t i = 0; i < w->direct_count; i++) {
        if (lost_sync(&w->direct[i]))
            *next_fact(&b) = w->direct[i]; /* before what is told after it */
    }
    uint32_t first = b.count;
    if (!late) {
        drain_gone(&b);
        drain(&b, &w->dirty.nodes, SIM_UID_NODE, node_fact);
        drain(&b, &w->dirty.pods, SIM_UID_POD, pod_fact);
        drain(&b, &w->dirty.owners, SIM_UID_OWNER, owner_fact);
        drain(&b, &w->dirty.configs, 4, config_fact);
        if (b.count > first)
            qsort(w->batch + first, b.count - first, sizeof *w->batch, by_version);
    } else {
        sim_feed_wake(w, w->late_until_ns);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->direct_count; i++) {
        const struct core_fact f = w->direct[i];
        if (lost_sync(&f))
            continue;
        if (f.kind == CORE_FACT_SAMPLE && w->watch_lost[f.cluster][CORE_SOURCE_METRICS])
            continue;
        /* A list is complete only once its objects have come. */
        if (f.kind == CORE_FACT_SYNC && late) {
            w->direct[kept++] = f;
        } else {
            *next_fact(&b) = f;
        }
    }
    w->direct_count = kept;
    return b.count;
}

static void copy_decisions(struct sim_world *w, const struct core_output *out)
{
    for (uint32_t i = 0; i < out->decision_count; i++) {
        if (w->log_count == w->log_cap) {
            w->log_cap = w->log_cap == 0 ? 1024 : w->log_cap * 2;
            w->log = mem_grow(w->log, w->log_cap, sizeof *w->log);
        }
        struct core_decision *d = &w->log[w->log_count++];
        *d = out->decisions[i];
        d->text = arena_str(w->arena, d->text);
        if (d->change == CORE_CHANGE_UNSHARE && d->verdict == CORE_VERDICT_DONE &&
                d->reason == CORE_REASON_LATENCY_ARRIVAL)
            w->unshare_by_latency++;
    }
}

/* Begins the actions of a step; a kill ends it before the first of them or after any.  True when
 * the core died. */
static bool perform(struct sim_world *w, const struct core_output *out)
{
    bool killed = sim_cover_spring_kill(w) || (out->action_count > 0 && sim_fault_kill(w));
    uint32_t begun = 0;
    while (!killed && begun < out->action_count) {
        const struct core_action *a = &out->actions[begun++];
        sim_act(w, a);
        w->actions++;
        killed = a->kind != CORE_ACTION_SOLVE && sim_fault_kill(w);
        if (w->config->kill_at_action != 0 && w->actions == w->config->kill_at_action)
            return true;
    }
    if (killed) {
        enum core_action_kind last = begun > 0 ? out->actions[begun - 1].kind : CORE_ACTION_SOLVE;
        sim_fault_count(w, SIM_FAULT_KILLED, last, SIM_NONE);
        sim_cover_kill(w, begun == 0);
    }
    return killed;
}

void sim_feed_step(struct sim_world *w, uint64_t generation)
{
    if (generation != w->core_generation)
        return;
    w->core_at_ns = 0;
    if (w->config->faults_ppm > 0 && w->listed)
        sim_fault_batch(w, w->direct_count > 0);
    sim_cover_mark(w, false);
    bool restarted = !w->listed;
    uint32_t count = collect(w);
    struct core_now now = {sim_feed_wall(w), w->now_ns, w->epoch};
    struct core_output out;
    if (w->config->before_step != NULL &&
            !w->config->before_step(w->config->context, w->steps, w->batch, count)) {
        w->cancelled = true;
        return;
    }
    core_step(w->core, &now, w->batch, count, &out);
    w->step_wall_ns = now.wall_ns;
    w->listed = true;
    sim_cover_mark(w, true);
    struct sim_step step = {w->steps, &now, w->batch, count, restarted, &out, w->core};
    if (w->config->after_step != NULL)
        w->config->after_step(w->config->context, &step);
    w->steps++;
    copy_decisions(w, &out);
    if (out.violation != NULL)
        sim_world_violate(w, out.violation, out.violation_uid);
    arena_reset(w->batch_arena);
    bool killed = perform(w, &out);
    sim_audit_step(w);
    if (killed) {
        sim_world_restart_core(w);
    } else if (out.next_wake_mono_ns != INT64_MAX) {
        sim_feed_wake(w, num_max_i64(out.next_wake_mono_ns - 1, w->now_ns));
    }
}

/* -- start and relist ---------------------------------------------------------------------------
 */

static void mark_source(struct sim_world *w, uint16_t cluster, enum core_source source)
{
    for (uint32_t i = 0; source == CORE_SOURCE_NODES && i < w->nodes_live.count; i++) {
        if (w->nodes[w->nodes_live.items[i]].cluster == cluster)
            sim_feed_node(w, w->nodes_live.items[i]);
    }
    for (uint32_t i = 0; source == CORE_SOURCE_PODS && i < w->pod_count; i++) {
        if (w->pods[i].phase != SIM_POD_GONE &&
                w->owners[w->pods[i].owner].spec->cluster == cluster)
            sim_feed_pod(w, i);
    }
    for (uint32_t i = 0; source == CORE_SOURCE_OWNERS && i < w->owner_count; i++) {
        if (w->owners[i].version > 0 && w->owners[i].spec->cluster == cluster)
            sim_feed_owner(w, i);
    }
    for (uint32_t i = 0; source == CORE_SOURCE_CONFIG && i < w->config_count; i++) {
        if (w->configs[i].cluster == cluster)
            sim_feed_config(w, i);
    }
}

static void sync_fact(struct sim_world *w, uint16_t cluster, enum core_source source, bool complete)
{
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_SYNC, source, cluster);
    f->sync_complete = complete;
}

void sim_feed_relist(struct sim_world *w, uint16_t cluster, enum core_source source)
{
    w->watch_lost[cluster][source] = false;
    if (w->core == NULL)
        return;
    mark_source(w, cluster, source);
    sync_fact(w, cluster, source, true);
    sim_feed_wake(w, w->now_ns);
}

void sim_feed_policy(struct sim_world *w)
{
    sim_feed_direct(w, CORE_FACT_POLICY, CORE_SOURCE_POLICY, 0)->policy = w->config->policy;
    for (uint32_t i = 0; i < w->window_count; i++)
        sim_feed_direct(w, CORE_FACT_WINDOW, CORE_SOURCE_POLICY, 0)->window = w->windows[i];
}

void sim_feed_approval(struct sim_world *w, const struct sim_approval *a)
{
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_APPROVAL, CORE_SOURCE_POLICY, 0);
    f->observed_wall_ns = a->given_wall_ns;
    f->approval = a->plan;
}

void sim_feed_start(struct sim_world *w)
{
    w->dirty.nodes.count = w->dirty.pods.count = w->dirty.owners.count = 0;
    w->dirty.configs.count = 0;
    map_u64_clear(&w->dirty.seen);
    w->gone_count = w->direct_count = 0;
    w->late_until_ns = 0;
    w->listed = false;
    w->core_at_ns = 0;
    memset(w->watch_lost, 0, sizeof w->watch_lost);
    sim_feed_policy(w);
    for (uint32_t i = 0; i < w->approval_count; i++)
        sim_feed_approval(w, &w->approvals[i]);
    for (uint32_t i = 0; i < w->scenario->offer_count; i++)
        sim_feed_direct(w, CORE_FACT_OFFER, CORE_SOURCE_OFFERS, 0)->offer = w->scenario->offers[i];
    for (uint16_t c = 0; c < w->scenario->cluster_count; c++) {
        for (unsigned s = 0; s < CORE_SOURCE_COUNT; s++) {
            mark_source(w, c, (enum core_source)s);
            sync_fact(w, c, (enum core_source)s, true);
        }
    }
    sim_feed_wake(w, w->now_ns);
}

static void recorded(struct sim_world *w, uint16_t cluster, int64_t age_ns, uint32_t count)
{
    sim_feed_direct(w, CORE_FACT_EVICTED, CORE_SOURCE_ACTIONS, cluster)->evicted =
            (struct core_evicted_fact){age_ns, count};
}

/* The record of evictions that a controller leaves to the next: what was carried out and what is
 * asked for.  Of three, one is lost, as a Lease that somebody deletes, and one is of ten minutes.
 */
static void leave_record(struct sim_world *w)
{
    enum { LOST, YOUNG, KINDS = 3 };
    if (w->epoch == 1 || w->epoch % KINDS == LOST)
        return;
    bool young = w->epoch % KINDS == YOUNG;
    int64_t goes_back_ns = young ? 10 * SIM_MINUTE : NUM_NS_PER_HOUR;
    for (uint16_t c = 0; c < w->scenario->cluster_count; c++) {
        const struct sim_evictions *e = &w->evictions[c];
        recorded(w, c, goes_back_ns, 0);
        for (uint32_t i = 0; i < e->count; i++) {
            if (w->now_ns - e->at_ns[i] < goes_back_ns)
                recorded(w, c, w->now_ns - e->at_ns[i], 1);
        }
        for (uint32_t i = 0; i < w->write_count; i++) {
            const struct sim_write *wr = &w->writes[i];
            if (wr->open && wr->action.kind == CORE_ACTION_POD_EVICT && wr->action.cluster == c)
                recorded(w, c, 0, 1);
        }
    }
}

void sim_world_restart_core(struct sim_world *w)
{
    if (w->core != NULL) {
        struct core_totals t;
        core_totals_get(w->core, &t);
        struct core_totals *s = &w->totals_before;
        s->decisions += t.decisions;
        s->solves += t.solves;
        s->violations += t.violations;
        s->undone += t.undone;
        s->abandoned += t.abandoned;
        for (unsigned i = 0; i < CORE_CHANGE_COUNT; i++) {
            s->begun[i] += t.begun[i];
            s->done[i] += t.done[i];
            s->refused[i] += t.refused[i];
        }
        w->digest = prng_mix(w->digest, core_digest(w->core));
        core_free(w->core);
    }
    struct core_options options = w->config->core;
    if (options.seed == 0)
        options.seed = w->config->seed;
    w->core = core_new(&options);
    w->epoch++;
    sim_feed_start(w);
    leave_record(w);
}
