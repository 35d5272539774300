/* sim/owner.c - Deployments, StatefulSets, Jobs and bare pods: they make, replace and roll pods.
 *
 * Pure.  A slot is one replica: it keeps its demand when its pod is replaced.  A patched Deployment
 * rolls with a surge (maxSurge 25 %), a StatefulSet recreates pod by pod, a Job or bare pod takes
 * the new template for the next pod only. */
#include "sim/world-priv.h"

#include "mig/catalog.h"
#include "sim/prices.h"

#include <assert.h>
#include <string.h>

uint32_t sim_owner_hour_index(const struct sim_world *w)
{
    int64_t hours = sim_world_wall(w) / NUM_NS_PER_HOUR;
    int64_t weekday = (hours / 24 + 4) % 7; /* 1970-01-01 was a Thursday; 0 = Sunday */
    return (uint32_t)(hours % 24 + (weekday == 0 || weekday == 6 ? 24 : 0));
}

void sim_owner_queue(struct sim_world *w, uint32_t owner, int64_t at_ns)
{
    struct sim_owner *o = &w->owners[owner];
    if (o->event_ns != 0 && o->event_ns <= at_ns)
        return;
    o->event_ns = at_ns;
    sim_event_add(w, at_ns, SIM_EVENT_OWNER, owner, 0);
}

static void owner_changed(struct sim_world *w, uint32_t owner)
{
    w->owners[owner].version = ++w->version;
    sim_feed_owner(w, owner);
}

/* Replicas or arrivals by hour, with growth by day and a step. */
static uint32_t scaled(const struct sim_world *w, const struct sim_owner_spec *s, uint32_t value)
{
    int64_t day = w->now_ns / (24 * NUM_NS_PER_HOUR);
    int64_t permille = 1000 + (int64_t)(int32_t)s->growth_permille_per_day * day;
    if (s->step_permille != 0 && day >= s->step_day)
        permille = permille * s->step_permille / 1000;
    permille = num_max_i64(permille, 0);
    return (uint32_t)(((int64_t)value * permille + 500) / 1000);
}

static uint32_t life_begin(struct sim_world *w, uint32_t owner)
{
    if (w->life_count == w->life_cap) {
        w->life_cap = w->life_cap == 0 ? 256 : w->life_cap * 2;
        w->lives = mem_grow(w->lives, w->life_cap, sizeof *w->lives);
    }
    w->lives[w->life_count] =
            (struct sim_life){.owner = owner, .start_ns = w->now_ns, .end_ns = INT64_MAX};
    return w->life_count++;
}

/* A slot that was live is no more: its replica was scaled away, its Job is done. */
void sim_owner_slot_end(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_owner *o = &w->owners[owner];
    struct sim_slot *s = &o->slots[slot];
    assert(s->live);
    s->live = false;
    o->slots_live--;
    w->lives[s->life].end_ns = w->now_ns;
    w->sum_requested -= (int64_t)o->spec->gpus_per_pod * 1000;
}

static uint32_t slot_add(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    uint32_t slot = o->slot_count;
    /* A Job's place is free again once it is done; replicas keep their ordinal. */
    for (uint32_t i = 0; i < o->slot_count && slot == o->slot_count; i++) {
        const struct sim_slot *s = &o->slots[i];
        if (!s->live && s->pod == SIM_NONE && s->surge_pod == SIM_NONE)
            slot = i;
    }
    if (slot == o->slot_cap) {
        o->slot_cap = o->slot_cap == 0 ? 8 : o->slot_cap * 2;
        o->slots = mem_grow(o->slots, o->slot_cap, sizeof *o->slots);
    }
    if (slot == o->slot_count) {
        o->slot_count++;
        o->slots[slot] = (struct sim_slot){.pod = SIM_NONE, .surge_pod = SIM_NONE};
    }
    struct sim_slot *s = &o->slots[slot];
    *s = (struct sim_slot){
            .live = true, .pod = SIM_NONE, .surge_pod = SIM_NONE, .life = life_begin(w, owner)};
    o->slots_live++;
    w->sum_requested += (int64_t)o->spec->gpus_per_pod * 1000;
    sim_demand_init(w, owner, slot);
    return slot;
}

static void slot_drop(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_owner *o = &w->owners[owner];
    struct sim_slot *s = &o->slots[slot];
    if (!s->live)
        return;
    sim_owner_slot_end(w, owner, slot);
    if (s->surge_pod != SIM_NONE)
        sim_pod_stop(w, s->surge_pod);
    if (s->pod != SIM_NONE)
        sim_pod_stop(w, s->pod);
}

static bool static_1g(
        const struct sim_world *w, const struct sim_owner_spec *s, struct sim_template *tpl)
{
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < w->scenario->group_count; i++) {
        const struct sim_group_spec *g = &w->scenario->groups[i];
        const struct model_gpu *gpu = model_gpu_get(g->gpu);
        const struct mig_model *m = gpu->mig_key != NULL ? mig_model_find(gpu->mig_key) : NULL;
        bool allowed = s->gpu_models == 0 || (s->gpu_models >> g->gpu & 1) != 0;
        int profile = m != NULL && m->profile_count > 0 ? mig_profile_find_kind(m, "1g") : -1;
        if (g->cluster != s->cluster || !allowed || profile < 0)
            continue;
        uint32_t peak = s->demand.memory_peak_mib;
        for (uint32_t t = 0; t < s->trace_count; t++) {
            for (uint32_t k = 0; k < s->trace[t].sample_count; k++) {
                uint32_t mib = s->trace[t].samples[k].memory_mib;
                peak = mib != UINT32_MAX ? num_max_u32(peak, mib) : peak;
            }
        }
        int64_t price = sim_group_price(w, i, w->scenario->start_wall_ns) / g->gpus_per_node /
                        num_max_u32(m->profiles[profile].max_instances, 1);
        if (peak > m->profiles[profile].memory_mib || price >= best)
            continue;
        best = price;
        tpl->resource = (struct model_resource){.kind = MODEL_RESOURCE_MIG};
        sim_profile_resource(&m->profiles[profile], tpl->resource.profile);
        tpl->gpu_models = UINT64_C(1) << g->gpu;
    }
    return best != INT64_MAX;
}

static void first_template(const struct sim_world *w, struct sim_owner *o)
{
    const struct sim_owner_spec *s = o->spec;
    o->tpl = (struct sim_template){.resource = {.kind = MODEL_RESOURCE_GPU},
            .count = s->gpus_per_pod,
            .gpu_models = s->gpu_models,
            .generation = 1};
    if (s->gpus_per_pod != 1)
        return;
    if (w->regime == SIM_REGIME_TIMESLICING_X4) {
        o->tpl.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    } else if (w->regime == SIM_REGIME_ALL_1G) {
        (void)static_1g(w, s, &o->tpl);
    }
}

void sim_owner_start(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    o->spec = &w->scenario->owners[owner];
    prng_init_stream(&o->rng, w->config->seed, SIM_STREAM_OWNERS + owner);
    o->tide = 1.0;
    first_template(w, o);
    if (o->spec->trace_count > 0) {
        o->live = true;
        owner_changed(w, owner);
        for (uint32_t t = 0; t < o->spec->trace_count; t++)
            sim_event_add(w, o->spec->trace[t].start_ns, SIM_EVENT_JOB_ARRIVE, owner, t);
        return;
    }
    sim_owner_hour(w, owner);
}

/* Arrivals of the hour that begins, at times of their own. */
static void draw_arrivals(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    uint32_t rate = scaled(w, o->spec, o->spec->arrivals_milli[sim_owner_hour_index(w)]);
    uint32_t count = rate / 1000 + prng_chance_ppm(&o->rng, rate % 1000 * 1000);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = w->now_ns + prng_between(&o->rng, 0, NUM_NS_PER_HOUR - 1);
        sim_event_add(w, at, SIM_EVENT_JOB_ARRIVE, owner, 0);
    }
}

void sim_owner_hour(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    const struct sim_owner_spec *s = o->spec;
    if (s->trace_count > 0)
        return;
    bool live = w->now_ns >= s->from_ns && (s->until_ns == 0 || w->now_ns < s->until_ns);
    if (!live && !o->live)
        return;
    if (live && s->kind == MODEL_OWNER_JOB)
        draw_arrivals(w, owner);
    uint32_t want = live ? scaled(w, s, s->replicas[sim_owner_hour_index(w)]) : 0;
    if (s->kind == MODEL_OWNER_JOB)
        want = o->slots_live;
    bool changed = want != o->replicas || live != o->live;
    o->live = live;
    o->replicas = want;
    if (!changed)
        return;
    while (o->slots_live < want)
        (void)slot_add(w, owner);
    for (uint32_t i = o->slot_count; i-- > 0 && o->slots_live > want;)
        slot_drop(w, owner, i);
    owner_changed(w, owner);
    sim_owner_queue(w, owner, w->now_ns + prng_between(&o->rng, 1, 20) * SIM_SECOND / 10);
}

void sim_owner_job_arrive(struct sim_world *w, uint32_t owner, uint32_t trace)
{
    struct sim_owner *o = &w->owners[owner];
    if (o->spec->trace_count == 0 &&
            (!o->live || (o->spec->active_max > 0 && o->slots_live >= o->spec->active_max)))
        return;
    uint32_t slot = slot_add(w, owner);
    struct sim_slot *s = &o->slots[slot];
    s->trace = trace;
    o->jobs_started++;
    if (o->spec->trace_count == 0)
        s->work_ns = prng_between(&o->rng, o->spec->run_min_ns, o->spec->run_max_ns);
    o->replicas = o->slots_live;
    owner_changed(w, owner);
    sim_owner_queue(w, owner, w->now_ns + SIM_SECOND / 2);
}

void sim_owner_job_done(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_owner *o = &w->owners[owner];
    struct sim_slot *s = &o->slots[slot];
    uint32_t pod = s->pod, surge = s->surge_pod;
    if (!s->live)
        return;
    sim_owner_slot_end(w, owner, slot);
    o->replicas = o->slots_live;
    if (surge != SIM_NONE)
        sim_pod_end(w, surge);
    if (pod != SIM_NONE)
        sim_pod_end(w, pod);
    owner_changed(w, owner);
}

void sim_owner_patch_apply(struct sim_world *w, uint32_t owner, uint64_t generation)
{
    struct sim_owner *o = &w->owners[owner];
    if (o->patch_at_ns == 0 || generation != o->patch.generation)
        return;
    o->patch_at_ns = 0;
    uint32_t generation_now = o->tpl.generation;
    o->tpl = o->patch;
    o->tpl.generation = generation_now + 1;
    owner_changed(w, owner);
    sim_owner_queue(w, owner, w->now_ns + SIM_SECOND);
}

static bool stale_pod(const struct sim_world *w, const struct sim_owner *o, uint32_t pod)
{
    return pod != SIM_NONE && w->pods[pod].tpl.generation != o->tpl.generation;
}

/* One step of a rolling update; true when another one may be due soon. */
static void roll_deployment(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    uint32_t surges = 0, surge_max = num_max_u32((o->slots_live + 3) / 4, 1);
    for (uint32_t i = 0; i < o->slot_count; i++) {
        struct sim_slot *s = &o->slots[i];
        if (s->surge_pod == SIM_NONE)
            continue;
        struct sim_pod *p = &w->pods[s->surge_pod];
        if (p->phase == SIM_POD_RUNNING && s->live) {
            /* The new one serves: the old one goes. */
            uint32_t old = s->pod;
            s->pod = s->surge_pod;
            s->surge_pod = SIM_NONE;
            w->pods[s->pod].surge = false;
            if (old != SIM_NONE)
                sim_pod_stop(w, old);
        } else if (stale_pod(w, o, s->surge_pod)) {
            sim_pod_stop(w, s->surge_pod);
        } else {
            surges++;
        }
    }
    for (uint32_t i = 0; i < o->slot_count && surges < surge_max; i++) {
        struct sim_slot *s = &o->slots[i];
        if (!s->live || s->surge_pod != SIM_NONE || !stale_pod(w, o, s->pod))
            continue;
        struct sim_pod *p = &w->pods[s->pod];
        if (!sim_pod_alive(p))
            continue;
        if (p->phase == SIM_POD_PENDING) {
            sim_pod_stop(w, s->pod); /* never ran: replaced in place */
            continue;
        }
        s->surge_pod = sim_pod_make(w, owner, i, true);
        surges++;
    }
}

/* A StatefulSet goes from the highest ordinal down, one pod at a time, and waits for each. */
static void roll_statefulset(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    for (uint32_t i = o->slot_count; i-- > 0;) {
        struct sim_slot *s = &o->slots[i];
        if (!s->live || s->pod == SIM_NONE || !stale_pod(w, o, s->pod))
            continue;
        if (w->pods[s->pod].phase == SIM_POD_PENDING) {
            sim_pod_stop(w, s->pod);
            return;
        }
    }
    for (uint32_t i = 0; i < o->slot_count; i++) {
        const struct sim_slot *s = &o->slots[i];
        if (s->live && (s->pod == SIM_NONE || w->pods[s->pod].phase != SIM_POD_RUNNING))
            return;
    }
    for (uint32_t i = o->slot_count; i-- > 0;) {
        struct sim_slot *s = &o->slots[i];
        if (s->live && stale_pod(w, o, s->pod)) {
            sim_pod_stop(w, s->pod);
            return;
        }
    }
}

void sim_owner_reconcile(struct sim_world *w, uint32_t owner)
{
    struct sim_owner *o = &w->owners[owner];
    if (o->event_ns == w->now_ns)
        o->event_ns = 0;
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < o->slot_count; i++) {
        struct sim_slot *s = &o->slots[i];
        if (!s->live || s->pod != SIM_NONE)
            continue;
        if (s->next_create_ns > w->now_ns) {
            next = num_min_i64(next, s->next_create_ns);
            continue;
        }
        if (s->surge_pod != SIM_NONE) {
            s->pod = s->surge_pod; /* the surge pod takes the place of one that went away */
            s->surge_pod = SIM_NONE;
            w->pods[s->pod].surge = false;
            continue;
        }
        uint32_t pod = sim_pod_make(w, owner, i, false);
        o->slots[i].pod = pod;
    }
    if (o->spec->kind == MODEL_OWNER_DEPLOYMENT) {
        roll_deployment(w, owner);
    } else if (o->spec->kind == MODEL_OWNER_STATEFULSET) {
        roll_statefulset(w, owner);
    }
    if (next != INT64_MAX)
        sim_owner_queue(w, owner, next);
}
