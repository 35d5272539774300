/* sim/pod.c - the life of a pod: made, bound, started, stopped within its grace period, gone.
 *
 * Pure.  A pod that is going away holds its devices until it has ended. */
#include "sim/world-priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool sim_pod_alive(const struct sim_pod *p)
{
    return p->phase != SIM_POD_STOPPING && p->phase != SIM_POD_GONE;
}

void sim_pod_changed(struct sim_world *w, uint32_t pod)
{
    w->pods[pod].version = ++w->version;
    sim_feed_pod(w, pod);
}

uint32_t sim_pod_make(struct sim_world *w, uint32_t owner, uint32_t slot, bool surge)
{
    if (w->pod_count == w->pod_cap) {
        w->pod_cap = w->pod_cap == 0 ? 256 : w->pod_cap * 2;
        w->pods = mem_grow(w->pods, w->pod_cap, sizeof *w->pods);
    }
    uint32_t pod = w->pod_count++;
    struct sim_owner *o = &w->owners[owner];
    struct sim_pod *p = &w->pods[pod];
    *p = (struct sim_pod){.owner = owner,
            .slot = slot,
            .node = SIM_NONE,
            .phase = SIM_POD_PENDING,
            .surge = surge,
            .tpl = o->tpl,
            .created_ns = w->now_ns,
            .next_try_ns = w->now_ns};
    struct str name = o->spec->name;
    const char *slash = memchr(name.ptr, '/', name.len);
    if (slash != NULL) {
        name.len -= (size_t)(slash + 1 - name.ptr);
        name.ptr = slash + 1;
    }
    if (o->spec->trace_count > 0)
        name = o->spec->trace[o->slots[slot].trace].name;
    if (name.len > 60)
        name.len = 60;
    if (o->spec->kind == MODEL_OWNER_STATEFULSET && o->spec->trace_count == 0) {
        (void)snprintf(p->name, sizeof p->name, "%.*s-%u", STR_ARG(name), slot);
    } else if (o->spec->kind == MODEL_OWNER_STATEFULSET) {
        (void)snprintf(p->name, sizeof p->name, "%.*s", STR_ARG(name));
    } else {
        (void)snprintf(p->name, sizeof p->name, "%.*s-%05x", STR_ARG(name),
                (unsigned)(prng_mix(owner, o->pods_made) & 0xfffff));
    }
    o->pods_made++;
    sim_list_add(&w->pending, pod);
    sim_pod_changed(w, pod);
    sim_schedule_at(w, w->now_ns + SIM_SECOND / 10);
    return pod;
}

void sim_pod_bind(struct sim_world *w, uint32_t pod, uint32_t node)
{
    struct sim_pod *p = &w->pods[pod];
    struct sim_node *n = &w->nodes[node];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    assert(p->phase == SIM_POD_PENDING);
    sim_list_remove(&w->pending, pod);
    p->node = node;
    p->phase = SIM_POD_STARTING;
    p->bound_ns = w->now_ns;
    p->unschedulable = false;
    sim_list_add(&n->pods, pod);
    n->cpu_used += s->cpu_milli;
    n->memory_used += s->memory_mib;
    n->empty_since_ns = INT64_MAX;
    sim_pod_changed(w, pod);
    int64_t start = prng_between(&w->rng[SIM_STREAM_KUBELET], 2000, 12000) * 1000000;
    sim_event_add(w, w->now_ns + start, SIM_EVENT_POD_STARTED, pod, 0);
}

void sim_pod_started(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    if (p->phase != SIM_POD_STARTING)
        return;
    struct sim_owner *o = &w->owners[p->owner];
    struct sim_slot *s = &o->slots[p->slot];
    p->phase = SIM_POD_RUNNING;
    p->started_ns = w->now_ns;
    s->leaked_minutes = 0;
    if (o->spec->kind == MODEL_OWNER_JOB)
        s->done_ns = 0; /* a Job starts again from zero */
    w->sum_running += 1000;
    if (p->created_ns >= w->config->measure_from_ns)
        sim_report_wait(w, w->now_ns - p->created_ns);
    sim_pod_changed(w, pod);
    sim_owner_queue(w, p->owner, w->now_ns + SIM_SECOND);
}

/* The owner no longer counts on this pod. */
static void detach(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    struct sim_owner *o = &w->owners[p->owner];
    struct sim_slot *s = &o->slots[p->slot];
    bool mine = s->pod == pod;
    if (s->pod == pod)
        s->pod = SIM_NONE;
    if (s->surge_pod == pod)
        s->surge_pod = SIM_NONE;
    if (mine && s->live && o->spec->kind == MODEL_OWNER_BARE) {
        sim_owner_slot_end(w, p->owner, p->slot); /* nobody makes it again */
        o->replicas = o->slots_live;
    }
    if (mine && s->live && o->spec->kind == MODEL_OWNER_JOB)
        s->next_create_ns = num_max_i64(s->next_create_ns, w->now_ns + 10 * SIM_SECOND);
    sim_owner_queue(w, p->owner, w->now_ns + SIM_SECOND / 2);
}

void sim_pod_stop(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    if (!sim_pod_alive(p))
        return;
    if (p->phase == SIM_POD_PENDING) {
        sim_pod_end(w, pod);
        return;
    }
    if (p->phase == SIM_POD_RUNNING)
        w->sum_running -= 1000;
    p->phase = SIM_POD_STOPPING;
    sim_pod_changed(w, pod);
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    sim_event_add(w, w->now_ns + s->grace_ns, SIM_EVENT_POD_ENDED, pod, 0);
    if (s->kind == MODEL_OWNER_DEPLOYMENT)
        detach(w, pod); /* a ReplicaSet makes the next one at once */
}

void sim_pod_end(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    if (p->phase == SIM_POD_GONE)
        return;
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    if (p->phase == SIM_POD_RUNNING)
        w->sum_running -= 1000;
    if (p->node == SIM_NONE) {
        if (p->created_ns >= w->config->measure_from_ns && p->unschedulable)
            sim_report_wait(w, w->now_ns - p->created_ns);
        sim_list_remove(&w->pending, pod);
    } else {
        struct sim_node *n = &w->nodes[p->node];
        sim_claim_release(w, pod);
        sim_list_remove(&n->pods, pod);
        n->cpu_used -= s->cpu_milli;
        n->memory_used -= s->memory_mib;
        if (n->pods.count == 0)
            n->empty_since_ns = w->now_ns;
    }
    p->phase = SIM_POD_GONE;
    p->device_count = 0;
    p->busy_permille = p->memory_mib = 0;
    p->version = ++w->version;
    sim_feed_gone(w, sim_uid(SIM_UID_POD, pod), CORE_SOURCE_PODS, s->cluster);
    detach(w, pod);
    sim_schedule_wake(w);
}

void sim_pod_crash(struct sim_world *w, uint32_t pod)
{
    struct sim_pod *p = &w->pods[pod];
    struct sim_slot *s = &w->owners[p->owner].slots[p->slot];
    /* CrashLoopBackOff: 10 s doubling to 5 min, forgotten after 10 minutes of running. */
    if (w->now_ns - p->started_ns > 10 * SIM_MINUTE)
        s->restarts = 0;
    int64_t wait = 10 * SIM_SECOND << num_min_u32(s->restarts++, 5);
    s->next_create_ns = w->now_ns + num_min_i64(wait, 5 * SIM_MINUTE);
    sim_pod_end(w, pod);
}
