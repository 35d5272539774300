/* sim/tick.c - one sample: contention, memory and its kills, harm, and what the exporter says.
 *
 * Pure.  SOURCE (contention): time-slicing latency 1.11 x n for n busy pods, MIG flat (nos demo,
 * YOLOS-small on A100-80GB); step times by MIG slice relative to the whole GPU (MISO, SoCC'22,
 * medians over models and batches).  Formulas: docs/SIMULATION.md, "Contention". */
#include "sim/world-priv.h"

#include <assert.h>

enum { DOMAINS_MAX = SIM_GPUS_MAX * (MIG_INSTANCES_MAX + 1), OCCUPANTS_MAX = 64 };

/* A whole GPU or a MIG instance, with what runs on it now. */
struct domain {
    uint32_t pods, memory_mib;
    uint32_t busy; /* summed demand, permille of this GPU or instance; may pass 1000 */
    uint32_t sm, dram;
    uint32_t capacity_mib;
    uint32_t compute_permille; /* of the whole GPU */
    uint32_t slow_permille;    /* MIG: how much longer work takes that fills more SMs */
    uint8_t gpu, start;
    bool used;
};

/* MISO medians, speed of a slice relative to 7g, permille, by compute slices. */
static const uint16_t slice_speed[9] = {0, 310, 520, 670, 750, 830, 910, 1000, 1000};

static unsigned domain_index(const struct sim_node *n, const struct sim_device *d)
{
    const struct sim_gpu *g = &n->gpus[d->gpu];
    unsigned base = d->gpu * (MIG_INSTANCES_MAX + 1u);
    if (!g->mig_on || d->start == SIM_WHOLE_GPU)
        return base;
    for (unsigned i = 0; i < g->layout.count; i++) {
        if (g->layout.instances[i].start == d->start)
            return base + 1 + i;
    }
    return base;
}

static void domains_init(const struct sim_node *n, struct domain *domains)
{
    uint32_t memory = sim_node_model(n)->memory_usable_mib;
    for (unsigned g = 0; g < n->gpu_count; g++) {
        struct domain *d = &domains[g * (MIG_INSTANCES_MAX + 1u)];
        const struct sim_gpu *gpu = &n->gpus[g];
        for (unsigned i = 0; i <= MIG_INSTANCES_MAX; i++)
            d[i] = (struct domain){.gpu = (uint8_t)g};
        d[0].used = !gpu->mig_on;
        d[0].start = SIM_WHOLE_GPU;
        d[0].capacity_mib = memory;
        d[0].compute_permille = d[0].slow_permille = 1000;
        for (unsigned i = 0; gpu->mig_on && i < gpu->layout.count; i++) {
            const struct mig_model *m = gpu->layout.model;
            const struct mig_profile *p = &m->profiles[gpu->layout.instances[i].profile];
            d[1 + i].used = true;
            d[1 + i].start = gpu->layout.instances[i].start;
            d[1 + i].capacity_mib =
                    p->memory_mib > 0 ? p->memory_mib : memory * p->units / m->units;
            d[1 + i].compute_permille = 1000u * p->compute_slices / m->compute_slices;
            /* Slices of other geometries by their share of the GPU's compute. */
            unsigned seventh = (p->compute_slices * 7u + m->compute_slices - 1) / m->compute_slices;
            d[1 + i].slow_permille = 1000000u / slice_speed[num_min_u32(seventh, 7)];
        }
    }
}

/* Busy time of a pod on a domain, and what it adds to SM and DRAM activity. */
static uint32_t busy_on(const struct sim_world *w, const struct sim_pod *p, const struct domain *d,
        uint32_t speed_permille)
{
    const struct sim_owner *o = &w->owners[p->owner];
    const struct sim_demand_spec *spec = &o->spec->demand;
    uint32_t reference = spec->speed_permille > 0 ? spec->speed_permille : 1000;
    uint64_t busy = (uint64_t)o->slots[p->slot].busy_permille * reference / speed_permille;
    if (spec->sm_need_permille > d->compute_permille)
        busy = busy * d->slow_permille / 1000;
    return (uint32_t)num_min_i64((int64_t)busy, 4000);
}

static uint32_t latency_of(const struct domain *d, uint32_t own, bool slowed)
{
    /* While the pod is busy, the others are busy with their shares: n = 1 + others; the 1.11 of
     * the measurement applies to the shared part. */
    uint64_t others = d->busy > own ? d->busy - own : 0;
    uint64_t latency = 1000 + others;
    latency = latency * (1000 + 110 * num_min_u32((uint32_t)others, 1000) / 1000) / 1000;
    if (slowed)
        latency = latency * d->slow_permille / 1000;
    if (own > 1000)
        latency = latency * own / 1000; /* the GPU itself is too slow for the demand */
    return (uint32_t)num_min_i64((int64_t)latency, 100000);
}

static uint32_t slo_of(const struct sim_world *w, const struct sim_owner_spec *s)
{
    return s->slo_permille > 0 ? s->slo_permille : w->config->policy->latency_slo_permille;
}

static void load_pods(struct sim_world *w, const struct sim_node *n, struct domain *domains)
{
    uint32_t speed = sim_node_model(n)->speed_permille;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        struct sim_pod *p = &w->pods[n->pods.items[i]];
        const struct sim_owner_spec *s = w->owners[p->owner].spec;
        const struct sim_slot *slot = &w->owners[p->owner].slots[p->slot];
        p->busy_permille = p->sm_permille = p->dram_permille = 0;
        if (p->phase != SIM_POD_RUNNING && p->phase != SIM_POD_STOPPING) {
            p->memory_mib = 0;
            continue;
        }
        uint32_t leak = s->demand.leak_mib_per_hour * slot->leaked_minutes / 60;
        p->memory_mib = slot->memory_mib + leak;
        for (uint32_t k = 0; k < p->device_count; k++) {
            struct domain *d = &domains[domain_index(n, &p->devices[k])];
            uint32_t busy = busy_on(w, p, d, speed);
            p->busy_permille = num_max_u32(p->busy_permille, busy);
            uint32_t fill = num_min_u32(
                    s->demand.sm_need_permille * 1000 / num_max_u32(d->compute_permille, 1), 1000);
            p->sm_permille = num_min_u32(busy, 1000) * fill / 1000;
            p->dram_permille = num_min_u32(busy, 1000) * s->demand.dram_need_permille / 1000;
            d->pods++;
            d->busy += busy;
            d->sm += p->sm_permille;
            d->dram += p->dram_permille;
            d->memory_mib += p->memory_mib;
        }
    }
}

/* The pod whose memory grew last: among those of the domain, drawn by what they hold (a process
 * with more memory asks more often), the draw coming from a stream of its own. */
static uint32_t last_asker(struct sim_world *w, const struct sim_node *n, const struct domain *d)
{
    uint64_t sum = 0;
    uint32_t chosen = SIM_NONE;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t k = 0; k < p->device_count; k++) {
            if (p->devices[k].gpu != d->gpu ||
                    (d->start != SIM_WHOLE_GPU && p->devices[k].start != d->start))
                continue;
            if (p->memory_mib == 0)
                continue;
            sum += p->memory_mib;
            if (prng_below(&w->rng[SIM_STREAM_MEMORY], sum) < p->memory_mib)
                chosen = n->pods.items[i];
            break;
        }
    }
    return chosen;
}

static void kill_for_memory(struct sim_world *w, uint32_t node, struct domain *d)
{
    while (d->memory_mib > d->capacity_mib) {
        uint32_t pod = last_asker(w, &w->nodes[node], d);
        if (pod == SIM_NONE)
            return;
        struct sim_pod *p = &w->pods[pod];
        struct core_incident_fact f = {.kind = CORE_INCIDENT_MEMORY_KILL,
                .node = sim_uid(SIM_UID_NODE, node),
                .pod = sim_uid(SIM_UID_POD, pod),
                .gpu = d->gpu};
        d->memory_mib -= num_min_u32(p->memory_mib, d->memory_mib);
        d->busy -= num_min_u32(p->busy_permille, d->busy);
        d->pods--;
        /* A kill is harm by sharing; a pod that outgrows a GPU of its own would have died there
         * in any regime, and is counted all the same. */
        if (sim_world_measuring(w))
            w->harm.memory_kills++;
        sim_feed_incident(w, w->nodes[node].cluster, &f);
        sim_pod_crash(w, pod);
    }
}

static void judge_pods(struct sim_world *w, const struct sim_node *n, const struct domain *domains)
{
    for (uint32_t i = 0; i < n->pods.count; i++) {
        struct sim_pod *p = &w->pods[n->pods.items[i]];
        const struct sim_owner_spec *s = w->owners[p->owner].spec;
        p->latency_permille = 1000;
        for (uint32_t k = 0; k < p->device_count; k++) {
            const struct domain *d = &domains[domain_index(n, &p->devices[k])];
            bool slowed = s->demand.sm_need_permille > d->compute_permille;
            p->latency_permille =
                    num_max_u32(p->latency_permille, latency_of(d, p->busy_permille, slowed));
        }
        if (s->class_declared != MODEL_CLASS_LATENCY_SENSITIVE || p->phase != SIM_POD_RUNNING ||
                !sim_world_measuring(w))
            continue;
        w->harm.latency_samples++;
        w->harm.latency_violations += p->latency_permille > slo_of(w, s);
    }
}

/* Whose pods the exporter names: all that kubelet's pod-resources socket gives for the device. */
static uint32_t occupants(const struct sim_world *w, const struct sim_node *n,
        const struct domain *d, uint64_t *ret_uids)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->pods.count && count < OCCUPANTS_MAX; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        if (p->phase != SIM_POD_RUNNING && p->phase != SIM_POD_STOPPING)
            continue;
        for (uint32_t k = 0; k < p->device_count; k++) {
            if (p->devices[k].gpu == d->gpu &&
                    (d->start == SIM_WHOLE_GPU || p->devices[k].start == d->start)) {
                ret_uids[count++] = sim_uid(SIM_UID_POD, n->pods.items[i]);
                break;
            }
        }
    }
    return count;
}

static void sample_process(
        struct sim_world *w, uint32_t node, const struct domain *d, uint64_t uid, uint32_t pods)
{
    assert(w->pods != NULL);
    const struct sim_pod *p = &w->pods[sim_row(SIM_UID_POD, uid, w->pod_count)];
    bool latency = w->owners[p->owner].spec->class_declared == MODEL_CLASS_LATENCY_SENSITIVE;
    bool process = w->caps == SIM_CAPS_NATIVE;
    if (!process && (!latency || pods < 2))
        return; /* a lone occupant's reading carries its latency already */
    struct core_fact *f =
            sim_feed_direct(w, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS, w->nodes[node].cluster);
    uint64_t *occupant = ARENA_NEW(w->batch_arena, uint64_t);
    *occupant = uid;
    f->sample = (struct core_sample_fact){.node = sim_uid(SIM_UID_NODE, node),
            .gpu = d->gpu,
            .start = d->start,
            .scope = CORE_SAMPLE_PROCESS,
            .occupant_count = 1,
            .occupants = occupant};
    if (process) {
        f->sample.valid = CORE_VALID_BUSY | CORE_VALID_SM | CORE_VALID_DRAM | CORE_VALID_MEMORY;
        f->sample.busy_permille = (uint16_t)num_min_u32(p->busy_permille, 1000);
        f->sample.sm_permille = (uint16_t)p->sm_permille;
        f->sample.dram_permille = (uint16_t)p->dram_permille;
        f->sample.memory_used_mib = p->memory_mib;
    }
    if (latency) {
        f->sample.valid |= CORE_VALID_LATENCY;
        f->sample.latency_permille = p->latency_permille;
    }
}

static void sample_domain(struct sim_world *w, uint32_t node, const struct domain *d)
{
    const struct sim_node *n = &w->nodes[node];
    uint64_t uids[OCCUPANTS_MAX];
    uint32_t count = occupants(w, n, d, uids);
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS, n->cluster);
    f->sample = (struct core_sample_fact){.node = sim_uid(SIM_UID_NODE, node),
            .gpu = d->gpu,
            .start = d->start,
            .scope = d->start == SIM_WHOLE_GPU ? CORE_SAMPLE_GPU : CORE_SAMPLE_INSTANCE,
            .valid = CORE_VALID_BUSY | CORE_VALID_SM | CORE_VALID_DRAM | CORE_VALID_MEMORY,
            .busy_permille = (uint16_t)num_min_u32(d->busy, 1000),
            .sm_permille = (uint16_t)num_min_u32(d->sm, 1000),
            .dram_permille = (uint16_t)num_min_u32(d->dram, 1000),
            .memory_used_mib = d->memory_mib,
            .occupant_count = count};
    /* Profiling counters need Volta or newer data-centre parts; the T4 has no DRAM or SM fields
     * in the default exporter setup. */
    if (sim_node_model(n)->mig_key == NULL)
        f->sample.valid = CORE_VALID_BUSY | CORE_VALID_MEMORY;
    if (count > 0) {
        uint64_t *list = ARENA_ARRAY(w->batch_arena, uint64_t, count);
        for (uint32_t i = 0; i < count; i++)
            list[i] = uids[i];
        f->sample.occupants = list;
    }
    const struct sim_pod *p =
            count == 1 ? &w->pods[sim_row(SIM_UID_POD, uids[0], w->pod_count)] : NULL;
    if (p != NULL && w->owners[p->owner].spec->class_declared == MODEL_CLASS_LATENCY_SENSITIVE) {
        f->sample.valid |= CORE_VALID_LATENCY;
        f->sample.latency_permille = p->latency_permille;
    }
    for (uint32_t i = 0; i < count; i++)
        sample_process(w, node, d, uids[i], count);
}

static void tick_node(struct sim_world *w, uint32_t node)
{
    struct domain domains[DOMAINS_MAX];
    struct sim_node *n = &w->nodes[node];
    domains_init(n, domains);
    if (n->ready)
        load_pods(w, n, domains);
    for (unsigned i = 0; i < n->gpu_count * (MIG_INSTANCES_MAX + 1u); i++) {
        if (domains[i].used && domains[i].memory_mib > domains[i].capacity_mib)
            kill_for_memory(w, node, &domains[i]);
    }
    n = &w->nodes[node];
    judge_pods(w, n, domains);
    for (unsigned g = 0; g < n->gpu_count; g++) {
        bool over = false;
        int64_t used = 0;
        for (unsigned i = 0; i <= MIG_INSTANCES_MAX; i++) {
            const struct domain *d = &domains[g * (MIG_INSTANCES_MAX + 1u) + i];
            if (!d->used)
                continue;
            over = over || (d->pods >= 2 && d->busy > 1000);
            used += (int64_t)num_min_u32(d->busy, 1000) *
                    (d->start == SIM_WHOLE_GPU ? 1000 : d->compute_permille) / 1000;
            if (n->ready && w->core != NULL && !n->gpus[g].lost)
                sample_domain(w, node, d);
        }
        w->sum_used += num_min_i64(used, 1000);
        if (sim_world_measuring(w)) {
            w->harm.gpu_samples++;
            w->harm.overloaded_samples += over;
        }
    }
}

void sim_tick(struct sim_world *w)
{
    w->sum_used = 0;
    for (uint32_t i = 0; i < w->nodes_live.count; i++)
        tick_node(w, w->nodes_live.items[i]);
    if (w->core != NULL)
        sim_feed_wake(w, w->now_ns);
}
