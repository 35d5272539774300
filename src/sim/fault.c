/* sim/fault.c - what goes wrong: writes, fact batches, node-hours; each kind counted.  Pure.
 *
 * faults_ppm is the chance of a write, of a batch of facts and of a node-hour to be struck; which
 * fault of its class it is, is drawn evenly.  A MIG fault waits on its node for the next apply. */
#include "sim/world-priv.h"

#include "core/picture.h"

#include <assert.h>

const char *sim_fault_name(enum sim_fault f)
{
    static const char *const names[SIM_FAULT_COUNT] = {
            [SIM_FAULT_REJECTED_409] = "rejected-409",
            [SIM_FAULT_REJECTED_429] = "rejected-429",
            [SIM_FAULT_REJECTED_500] = "rejected-500",
            [SIM_FAULT_UNKNOWN_DONE] = "unknown-done",
            [SIM_FAULT_UNKNOWN_LOST] = "unknown-lost",
            [SIM_FAULT_FACTS_LATE] = "facts-late",
            [SIM_FAULT_SAMPLES_LOST] = "samples-lost",
            [SIM_FAULT_SAMPLES_STALE] = "samples-stale",
            [SIM_FAULT_WATCH_LOST] = "watch-lost",
            [SIM_FAULT_CONFIG_LAG] = "config-lag",
            [SIM_FAULT_NODE_DEATH] = "node-death",
            [SIM_FAULT_MIG_STUCK] = "mig-stuck",
            [SIM_FAULT_MIG_FAILED] = "mig-failed",
            [SIM_FAULT_MIG_LIES] = "mig-lies",
            [SIM_FAULT_CLOCK_JUMP] = "clock-jump",
            [SIM_FAULT_KILLED] = "controller-killed",
            [SIM_FAULT_XID_APPLICATION] = "xid-application",
            [SIM_FAULT_XID_GPU] = "xid-gpu",
    };
    assert(f < SIM_FAULT_COUNT);
    return names[f];
}

static enum core_change change_of(const struct sim_world *w, uint32_t node)
{
    if (w->core == NULL || node == SIM_NONE)
        return CORE_CHANGE_COUNT;
    const struct core_picture *pic = core_picture_get(w->core);
    uint32_t row = core_picture_node(pic, sim_uid(SIM_UID_NODE, node));
    if (row == CORE_NO_INDEX)
        return CORE_CHANGE_COUNT;
    struct core_rollout_view v = core_picture_rollout(pic, row);
    return v.active ? v.change : CORE_CHANGE_COUNT;
}

void sim_fault_count(
        struct sim_world *w, enum sim_fault f, enum core_action_kind kind, uint32_t node)
{
    struct sim_coverage *c = w->config->coverage;
    if (c == NULL)
        return;
    c->faults[f]++;
    c->cells[kind][change_of(w, node)][f]++;
}

/* True when a fault that was drawn does not strike here: it waits for a rollout to come by. */
static bool waits(struct sim_world *w, struct prng *rng, enum sim_fault f)
{
    return prng_below(rng, 2) == 0 && sim_cover_lie_in_wait(w, rng, f);
}

enum sim_fault sim_fault_write(struct sim_world *w, const struct core_action *a)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_WRITE];
    if (w->config->faults_ppm == 0)
        return SIM_FAULT_COUNT;
    if (prng_chance_ppm(rng, w->config->faults_ppm)) {
        enum sim_fault f = (enum sim_fault)(SIM_FAULT_REJECTED_409 + prng_below(rng, 5));
        if (!waits(w, rng, f))
            return f;
    }
    return sim_cover_spring_write(w, a);
}

bool sim_fault_kill(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_WRITE];
    return w->config->faults_ppm > 0 && prng_chance_ppm(rng, w->config->faults_ppm / 5) &&
           !waits(w, rng, SIM_FAULT_KILLED);
}

static bool lose_watch(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_FACTS];
    static const enum core_source sources[] = {CORE_SOURCE_NODES, CORE_SOURCE_PODS,
            CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG, CORE_SOURCE_METRICS};
    uint16_t cluster = (uint16_t)prng_below(rng, w->scenario->cluster_count);
    enum core_source source = sources[prng_below(rng, 5)];
    if (w->watch_lost[cluster][source])
        return false;
    for (uint32_t i = 0; i < w->direct_count; i++) {
        const struct core_fact *f = &w->direct[i];
        if (f->kind == CORE_FACT_SYNC && f->cluster == cluster && f->source == source)
            return false; /* a list is under way: its end must not be told without it */
    }
    w->watch_lost[cluster][source] = true;
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_SYNC, source, cluster);
    f->sync_complete = false;
    int64_t wait = prng_between(rng, 2, 120) * SIM_SECOND;
    sim_event_add(w, w->now_ns + wait, SIM_EVENT_RELIST, cluster, source);
    sim_fault_count(w, SIM_FAULT_WATCH_LOST, CORE_ACTION_SOLVE, SIM_NONE);
    return true;
}

static void lose_samples(struct sim_world *w, bool stale)
{
    uint32_t kept = 0, samples = 0;
    for (uint32_t i = 0; i < w->direct_count; i++) {
        struct core_fact *f = &w->direct[i];
        if (f->kind != CORE_FACT_SAMPLE) {
            w->direct[kept++] = *f;
            continue;
        }
        /* Stale: the exporter repeats a reading of ten minutes ago, and its time says so. */
        if (stale && samples++ % 2 == 0) {
            f->observed_wall_ns -= 10 * SIM_MINUTE;
            w->direct[kept++] = *f;
        }
    }
    w->direct_count = kept;
}

static bool jump_clock(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_FACTS];
    if (w->skew_ns != 0)
        return false;
    w->skew_ns = prng_between(rng, -3600, 3600) * SIM_SECOND;
    int64_t wait = prng_between(rng, 1, 30) * SIM_MINUTE;
    sim_event_add(w, w->now_ns + wait, SIM_EVENT_CLOCK_BACK, 0, 0);
    sim_fault_count(w, SIM_FAULT_CLOCK_JUMP, CORE_ACTION_SOLVE, SIM_NONE);
    return true;
}

/* A fault of what is told; that of samples is in force for one period of theirs. */
static bool strike_batch(struct sim_world *w, enum sim_fault f)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_FACTS];
    switch ((int)f) {
    case SIM_FAULT_FACTS_LATE:
        w->late_until_ns = w->now_ns + prng_between(rng, 1, 60) * SIM_SECOND;
        break;
    case SIM_FAULT_SAMPLES_LOST:
        w->samples_lost_until_ns = w->now_ns + w->period_ns;
        break;
    case SIM_FAULT_SAMPLES_STALE:
        w->samples_stale_until_ns = w->now_ns + w->period_ns;
        break;
    case SIM_FAULT_WATCH_LOST:
        return lose_watch(w);
    default:
        assert(f == SIM_FAULT_CLOCK_JUMP);
        return jump_clock(w);
    }
    sim_fault_count(w, f, CORE_ACTION_SOLVE, SIM_NONE);
    return true;
}

void sim_fault_batch(struct sim_world *w, bool has_samples)
{
    static const enum sim_fault faults[] = {SIM_FAULT_FACTS_LATE, SIM_FAULT_WATCH_LOST,
            SIM_FAULT_CLOCK_JUMP, SIM_FAULT_SAMPLES_LOST, SIM_FAULT_SAMPLES_STALE};
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_FACTS];
    if (prng_chance_ppm(rng, w->config->faults_ppm)) {
        enum sim_fault f = faults[prng_below(rng, has_samples ? 5 : 3)];
        if (!waits(w, rng, f))
            (void)strike_batch(w, f);
    }
    if (w->now_ns < w->samples_lost_until_ns) {
        lose_samples(w, false);
    } else if (w->now_ns < w->samples_stale_until_ns) {
        lose_samples(w, true);
    }
}

/* The pods on a GPU, first come first. */
static uint32_t pods_on(
        const struct sim_world *w, uint32_t node, unsigned gpu, uint32_t *ret_pods, uint32_t max)
{
    const struct sim_node *n = &w->nodes[node];
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < p->device_count && p->phase == SIM_POD_RUNNING; d++) {
            if (p->devices[d].gpu == gpu && count < max) {
                ret_pods[count++] = n->pods.items[i];
                break;
            }
        }
    }
    return count;
}

/* The GPUs of a node that a rollout works on, by index as bits; all of them when it is in place. */
static uint16_t gpus_of_rollout(const struct sim_world *w, uint32_t node)
{
    struct core_rollout_status s;
    bool active =
            w->core != NULL && core_rollout_status_get(w->core, sim_uid(SIM_UID_NODE, node), &s);
    return active && s.clear_gpus != 0 ? s.clear_gpus : UINT16_MAX;
}

/* An application fault that was aimed at a rollout finds a pod on its GPUs if there is one. */
static unsigned gpu_in_use(const struct sim_world *w, uint32_t node, unsigned gpu)
{
    uint32_t gpus = w->nodes[node].gpu_count;
    uint32_t pod;
    for (unsigned i = 0; i < gpus; i++) {
        unsigned g = (gpu + i) % gpus;
        if ((gpus_of_rollout(w, node) >> g & 1) != 0 && pods_on(w, node, g, &pod, 1) > 0)
            return g;
    }
    return gpus;
}

/* False when an application fault finds nobody. */
static bool xid(struct sim_world *w, uint32_t node, bool gpu_wide, bool aimed)
{
    enum { PODS_MAX = 256 };
    uint32_t pods[PODS_MAX];
    struct prng *rng = &w->rng[SIM_STREAM_XID];
    unsigned gpu = (unsigned)prng_below(rng, w->nodes[node].gpu_count);
    if (aimed && !gpu_wide)
        gpu = gpu_in_use(w, node, gpu);
    bool off_the_bus = prng_below(rng, 5) == 0;
    uint64_t pick = prng_u64(rng);
    uint32_t count = pods_on(w, node, gpu, pods, PODS_MAX);
    if (count == 0 && !gpu_wide)
        return false;
    uint32_t guilty = count > 0 ? (uint32_t)(pick % count) : 0;
    struct core_incident_fact f = {
            .kind = gpu_wide ? CORE_INCIDENT_XID_GPU : CORE_INCIDENT_XID_APPLICATION,
            .node = sim_uid(SIM_UID_NODE, node),
            .pod = gpu_wide ? 0 : sim_uid(SIM_UID_POD, pods[guilty]),
            .gpu = (uint8_t)gpu,
            .xid = !gpu_wide     ? 13
                   : off_the_bus ? 79
                                 : 48};
    sim_feed_incident(w, w->nodes[node].cluster, &f);
    enum sim_fault kind = gpu_wide ? SIM_FAULT_XID_GPU : SIM_FAULT_XID_APPLICATION;
    sim_fault_count(w, kind, CORE_ACTION_SOLVE, node);
    if (gpu_wide || (gpus_of_rollout(w, node) >> gpu & 1) != 0)
        sim_cover_strike(w, node, kind);
    for (uint32_t i = 0; i < count; i++) {
        if (!gpu_wide && i != guilty)
            continue;
        if (i != guilty && sim_world_measuring(w))
            w->harm.neighbours_lost++;
        sim_pod_crash(w, pods[i]);
    }
    if (gpu_wide && off_the_bus) {
        /* A device that has fallen off the bus does not come back: the node is replaced. */
        w->nodes[node].gpus[gpu].lost = true;
        w->nodes[node].dying = true;
        sim_node_changed(w, node);
        sim_event_add(w, w->now_ns + 30 * SIM_MINUTE, SIM_EVENT_NODE_REMOVE, node, 0);
    }
    return true;
}

bool sim_fault_strike(struct sim_world *w, uint32_t node, enum sim_fault f)
{
    struct sim_node *n = &w->nodes[node];
    if (f == SIM_FAULT_FACTS_LATE || f == SIM_FAULT_WATCH_LOST || f == SIM_FAULT_CLOCK_JUMP ||
            f == SIM_FAULT_SAMPLES_LOST || f == SIM_FAULT_SAMPLES_STALE)
        return strike_batch(w, f);
    if (!n->live || !n->ready || n->dying)
        return false;
    switch ((int)f) {
    case SIM_FAULT_NODE_DEATH:
        sim_fault_count(w, f, CORE_ACTION_NODE_PATCH, node);
        sim_node_die(w, node);
        return true;
    case SIM_FAULT_MIG_STUCK:
    case SIM_FAULT_MIG_FAILED:
    case SIM_FAULT_MIG_LIES:
        n->mig_fault = f;
        return true;
    case SIM_FAULT_CONFIG_LAG:
        n->extra_lag_until_ns = w->now_ns + NUM_NS_PER_HOUR;
        sim_fault_count(w, f, CORE_ACTION_CONFIG_PUT, node);
        return true;
    case SIM_FAULT_XID_APPLICATION:
        return xid(w, node, false, true);
    case SIM_FAULT_XID_GPU:
        return xid(w, node, true, true);
    default:
        break;
    }
    assert(!"a fault that lies in wait");
    return false;
}

/* Which fault a struck node-hour brings; half of them wait for a rollout to come by. */
static void draw_strike(struct sim_world *w, uint32_t node)
{
    static const enum sim_fault faults[] = {SIM_FAULT_NODE_DEATH, SIM_FAULT_MIG_STUCK,
            SIM_FAULT_MIG_FAILED, SIM_FAULT_MIG_LIES, SIM_FAULT_CONFIG_LAG,
            SIM_FAULT_XID_APPLICATION, SIM_FAULT_XID_GPU};
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_NODE];
    enum sim_fault f = faults[prng_below(rng, sizeof faults / sizeof faults[0])];
    int64_t at = w->now_ns + prng_between(rng, 0, NUM_NS_PER_HOUR - 1);
    if (waits(w, rng, f))
        return;
    if (f == SIM_FAULT_NODE_DEATH) {
        sim_event_add(w, at, SIM_EVENT_NODE_DEATH, node, 0);
    } else {
        (void)sim_fault_strike(w, node, f);
    }
}

void sim_fault_hour(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_XID];
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        uint32_t gpus = w->nodes[node].gpu_count;
        if (!w->nodes[node].ready || w->nodes[node].dying)
            continue;
        if (prng_chance_ppm(rng, w->scenario->xid_application_per_million_gpu_hours * gpus))
            (void)xid(w, node, false, false);
        if (prng_chance_ppm(rng, w->scenario->xid_gpu_per_million_gpu_hours * gpus))
            (void)xid(w, node, true, false);
        /* Faults of a run are for the controller's eyes; static baselines go without. */
        if (w->config->faults_ppm > 0 && w->regime == SIM_REGIME_CORE &&
                prng_chance_ppm(&w->rng[SIM_STREAM_FAULT_NODE], w->config->faults_ppm))
            draw_strike(w, node);
    }
}
