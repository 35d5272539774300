/* sim/trace_facts.c - see trace_facts.h.  Pure. */
#include "sim/trace_facts.h"

#include "base/map.h"
#include "base/num.h"
#include "mig/catalog.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { GRACE_SECONDS = 30 };

struct seen_node {
    struct core_node_fact fact; /* strings in the arena; as first seen */
    int64_t seen_wall_ns;
};

struct seen_owner {
    struct core_owner_fact fact;
    uint32_t pods; /* with a life */
};

struct seen_pod {
    struct str name;
    uint32_t owner;
    uint16_t gpu; /* GPU table index of its first node */
    bool has_gpu;
    uint16_t part_permille; /* of that GPU's compute that it holds: an instance has some */
    int64_t start_wall_ns, end_wall_ns; /* end 0 = lives on */
    struct sim_trace_sample *samples;   /* at_ns: wall time as yet */
    uint32_t sample_count, sample_cap;
};

struct sim_trace_facts {
    struct arena *a;
    struct map_u64 node_index, owner_index, pod_index;
    struct seen_node *nodes;
    struct seen_owner *owners;
    struct seen_pod *pods;
    uint32_t node_count, node_cap, owner_count, owner_cap, pod_count, pod_cap;
    int64_t first_wall_ns, last_wall_ns; /* of readings */
    uint64_t sample_total;
    struct sim_trace_facts_counts counts;
};

struct sim_trace_facts *sim_trace_facts_new(void)
{
    struct sim_trace_facts *t = mem_alloc(1, sizeof *t);
    t->a = arena_new((size_t)1 << 30);
    t->first_wall_ns = INT64_MAX;
    t->last_wall_ns = INT64_MIN;
    return t;
}

struct sim_trace_facts *sim_trace_facts_free(struct sim_trace_facts *t)
{
    if (t == NULL)
        return NULL;
    for (uint32_t i = 0; i < t->pod_count; i++)
        mem_free(t->pods[i].samples);
    mem_free(t->nodes);
    mem_free(t->owners);
    mem_free(t->pods);
    map_u64_clear(&t->node_index);
    map_u64_clear(&t->owner_index);
    map_u64_clear(&t->pod_index);
    (void)arena_free(t->a);
    mem_free(t);
    return NULL;
}

/* -- taking facts in ----------------------------------------------------------------------------
 */

static int take_node(struct sim_trace_facts *t, const struct core_now *now,
        const struct core_node_fact *f, struct err *reterr)
{
    if (map_u64_find(&t->node_index, f->uid) != MAP_NONE)
        return 0;
    if (t->node_count >= SIM_NODES_MAX)
        return err_set(reterr, -E2BIG, "more than %d nodes", SIM_NODES_MAX);
    if (t->node_count == t->node_cap) {
        t->node_cap = t->node_cap == 0 ? 64 : t->node_cap * 2;
        t->nodes = mem_grow(t->nodes, t->node_cap, sizeof *t->nodes);
    }
    struct core_node_fact *kept = &t->nodes[t->node_count].fact;
    *kept = *f;
    t->nodes[t->node_count].seen_wall_ns = now->wall_ns;
    kept->name = arena_str(t->a, f->name);
    kept->region = arena_str(t->a, f->region);
    kept->foreign = arena_str(t->a, f->foreign);
    (void)map_u64_set(&t->node_index, f->uid, t->node_count++);
    return 0;
}

static int take_owner(
        struct sim_trace_facts *t, const struct core_owner_fact *f, struct err *reterr)
{
    if (map_u64_find(&t->owner_index, f->uid) != MAP_NONE)
        return 0;
    if (t->owner_count >= SIM_OWNERS_MAX)
        return err_set(reterr, -E2BIG, "more than %d owners", SIM_OWNERS_MAX);
    if (t->owner_count == t->owner_cap) {
        t->owner_cap = t->owner_cap == 0 ? 64 : t->owner_cap * 2;
        t->owners = mem_grow(t->owners, t->owner_cap, sizeof *t->owners);
    }
    t->owners[t->owner_count] = (struct seen_owner){.fact = *f};
    t->owners[t->owner_count].fact.name = arena_str(t->a, f->name);
    (void)map_u64_set(&t->owner_index, f->uid, t->owner_count++);
    return 0;
}

static struct seen_pod *pod_of(struct sim_trace_facts *t, uint64_t uid)
{
    uint32_t i = map_u64_find(&t->pod_index, uid);
    return i == MAP_NONE ? NULL : &t->pods[i];
}

/* What a resource holds of a GPU's compute; all of it where that is not known, so that nobody's
 * demand is taken for less. */
static uint16_t part_of(uint16_t gpu, const struct model_resource *r)
{
    const char *key = model_gpu_get(gpu)->mig_key;
    const struct mig_model *model = key != NULL ? mig_model_find(key) : NULL;
    struct err e;
    unsigned profile = 0;
    if ((r->kind != MODEL_RESOURCE_MIG && r->kind != MODEL_RESOURCE_MIG_SHARED) || model == NULL ||
            mig_profile_find(model, str_from(r->profile), &profile, &e) < 0)
        return 1000;
    return (uint16_t)(model->profiles[profile].compute_slices * 1000u / model->compute_slices);
}

static int take_pod(struct sim_trace_facts *t, const struct core_now *now,
        const struct core_pod_fact *f, struct err *reterr)
{
    struct seen_pod *p = pod_of(t, f->uid);
    uint32_t owner = map_u64_find(&t->owner_index, f->owner);
    if (p == NULL && (owner == MAP_NONE || f->phase == CORE_POD_ENDED))
        return 0;
    if (p == NULL) {
        if (t->pod_count >= SIM_TRACE_PODS_MAX)
            return err_set(reterr, -E2BIG, "more than %d pods", SIM_TRACE_PODS_MAX);
        if (t->pod_count == t->pod_cap) {
            t->pod_cap = t->pod_cap == 0 ? 256 : t->pod_cap * 2;
            t->pods = mem_grow(t->pods, t->pod_cap, sizeof *t->pods);
        }
        assert(t->pods != NULL);
        p = &t->pods[t->pod_count];
        *p = (struct seen_pod){.name = arena_str(t->a, f->name),
                .owner = owner,
                .part_permille = 1000,
                .start_wall_ns = f->created_wall_ns != 0
                                         ? num_min_i64(f->created_wall_ns, now->wall_ns)
                                         : now->wall_ns};
        (void)map_u64_set(&t->pod_index, f->uid, t->pod_count++);
    }
    uint32_t node = map_u64_find(&t->node_index, f->node);
    if (!p->has_gpu && node != MAP_NONE) {
        p->gpu = t->nodes[node].fact.gpu;
        p->has_gpu = true;
        p->part_permille = part_of(p->gpu, &f->resource);
    }
    if (f->phase == CORE_POD_ENDED && p->end_wall_ns == 0)
        p->end_wall_ns = now->wall_ns;
    return 0;
}

static int add_sample(struct sim_trace_facts *t, struct seen_pod *p,
        const struct sim_trace_sample *s, struct err *reterr)
{
    struct sim_trace_sample *last = p->sample_count > 0 ? &p->samples[p->sample_count - 1] : NULL;
    if (last != NULL && last->at_ns >= s->at_ns) {
        /* Another GPU of the same pod: a pod is as busy as its busiest. */
        last->busy_permille = (uint16_t)num_max_u32(last->busy_permille, s->busy_permille);
        if (s->memory_mib != UINT32_MAX) {
            last->memory_mib = last->memory_mib == UINT32_MAX
                                       ? s->memory_mib
                                       : num_max_u32(last->memory_mib, s->memory_mib);
        }
        return 0;
    }
    if (++t->sample_total > SIM_TRACE_SAMPLES_MAX)
        return err_set(reterr, -E2BIG, "more than %d readings", SIM_TRACE_SAMPLES_MAX);
    if (p->sample_count == p->sample_cap) {
        p->sample_cap = p->sample_cap == 0 ? 64 : p->sample_cap * 2;
        p->samples = mem_grow(p->samples, p->sample_cap, sizeof *p->samples);
    }
    assert(p->samples != NULL);
    p->samples[p->sample_count++] = *s;
    return 0;
}

/* Per process where that is told; else the GPU's or instance's, split among those who are on it, in
 * terms of a whole GPU: that is what the run asks for. */
static int take_sample(struct sim_trace_facts *t, int64_t wall_ns, const struct core_sample_fact *f,
        struct err *reterr)
{
    t->counts.readings++;
    t->first_wall_ns = num_min_i64(t->first_wall_ns, wall_ns);
    t->last_wall_ns = num_max_i64(t->last_wall_ns, wall_ns);
    if (f->occupant_count == 0) {
        t->counts.unnamed_readings++;
        return 0;
    }
    bool shared = f->occupant_count > 1 && f->scope != CORE_SAMPLE_PROCESS;
    t->counts.shared_readings += shared;
    uint32_t parts = shared ? f->occupant_count : 1;
    for (uint32_t i = 0; i < f->occupant_count; i++) {
        struct seen_pod *p = pod_of(t, f->occupants[i]);
        if (p == NULL)
            continue;
        struct sim_trace_sample s = {.at_ns = wall_ns, .memory_mib = UINT32_MAX};
        uint32_t of_gpu = f->scope == CORE_SAMPLE_INSTANCE ? p->part_permille : 1000;
        if ((f->valid & CORE_VALID_BUSY) != 0) {
            uint32_t busy = (f->busy_permille + parts - 1) / parts;
            s.busy_permille = (uint16_t)((busy * of_gpu + 999) / 1000);
        }
        if ((f->valid & CORE_VALID_MEMORY) != 0)
            s.memory_mib = (f->memory_used_mib + parts - 1) / parts;
        if ((f->valid & (CORE_VALID_BUSY | CORE_VALID_MEMORY)) != 0 &&
                add_sample(t, p, &s, reterr) < 0)
            return reterr->code;
    }
    return 0;
}

int sim_trace_facts_take(struct sim_trace_facts *t, const struct core_now *now,
        const struct core_fact *facts, uint32_t count, struct err *reterr)
{
    int rc = 0;
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        const struct core_fact *f = &facts[i];
        if (f->kind == CORE_FACT_NODE) {
            rc = take_node(t, now, &f->node, reterr);
        } else if (f->kind == CORE_FACT_OWNER) {
            rc = take_owner(t, &f->owner, reterr);
        } else if (f->kind == CORE_FACT_POD) {
            rc = take_pod(t, now, &f->pod, reterr);
        } else if (f->kind == CORE_FACT_SAMPLE) {
            rc = take_sample(t, f->observed_wall_ns, &f->sample, reterr);
        }
        struct seen_pod *gone = f->kind == CORE_FACT_GONE ? pod_of(t, f->gone) : NULL;
        if (gone != NULL && gone->end_wall_ns == 0)
            gone->end_wall_ns = now->wall_ns;
    }
    return rc;
}

/* -- the scenario -------------------------------------------------------------------------------
 */

static bool same_group(const struct sim_group_spec *g, const struct core_node_fact *f)
{
    return g->cluster == f->cluster && g->gpu == f->gpu && g->gpus_per_node == f->gpu_count &&
           g->microusd_per_hour == f->microusd_per_hour && g->purchase == f->purchase &&
           g->foreign == (f->foreign.len > 0 || f->excluded || f->frozen);
}

/* Nodes that differ only in what other pods leave of them are one group, as small as the least. The
 * run begins with those that were there at the first reading; an autoscaler may add the others. */
static int make_groups(const struct sim_trace_facts *t, struct arena *a, struct sim_scenario *s,
        struct err *reterr)
{
    s->groups = ARENA_ARRAY(a, struct sim_group_spec, SIM_GROUPS_MAX);
    for (uint32_t i = 0; i < t->node_count; i++) {
        const struct core_node_fact *f = &t->nodes[i].fact;
        uint32_t g = 0;
        while (g < s->group_count && !same_group(&s->groups[g], f))
            g++;
        if (g == SIM_GROUPS_MAX)
            return err_set(reterr, -E2BIG, "more than %d kinds of nodes", SIM_GROUPS_MAX);
        struct sim_group_spec *spec = &s->groups[g];
        if (g == s->group_count) {
            s->group_count++;
            *spec = (struct sim_group_spec){
                    .name = str_from(arena_printf(a, "%s-%u", model_gpu_get(f->gpu)->key, g)),
                    .cluster = f->cluster,
                    .gpu = f->gpu,
                    .gpus_per_node = f->gpu_count,
                    .cpu_milli = f->cpu_milli,
                    .memory_mib = f->memory_mib,
                    .microusd_per_hour = f->microusd_per_hour,
                    .purchase = f->purchase,
                    .foreign = f->foreign.len > 0 || f->excluded || f->frozen};
        }
        spec->cpu_milli = num_min_u32(spec->cpu_milli, f->cpu_milli);
        spec->memory_mib = num_min_u32(spec->memory_mib, f->memory_mib);
        spec->initial += t->nodes[i].seen_wall_ns <= t->first_wall_ns;
        spec->max++;
    }
    return 0;
}

static int make_clusters(const struct sim_trace_facts *t, struct arena *a, struct sim_scenario *s,
        struct err *reterr)
{
    s->clusters = ARENA_ARRAY(a, struct sim_cluster_spec, SIM_CLUSTERS_MAX);
    for (uint32_t i = 0; i < t->node_count; i++) {
        const struct core_node_fact *f = &t->nodes[i].fact;
        if (f->cluster >= SIM_CLUSTERS_MAX)
            return err_set(reterr, -E2BIG, "more than %d clusters", SIM_CLUSTERS_MAX);
        for (; s->cluster_count <= f->cluster; s->cluster_count++) {
            s->clusters[s->cluster_count].name =
                    str_from(arena_printf(a, "cluster-%u", s->cluster_count));
        }
        if (s->clusters[f->cluster].region.len == 0)
            s->clusters[f->cluster].region = arena_str(a, f->region);
    }
    return 0;
}

/* A pod's life and readings in the scenario's time; false when it has no part in it. */
static bool make_pod(const struct sim_trace_facts *t, struct arena *a, const struct seen_pod *p,
        struct sim_trace_pod *ret_pod)
{
    int64_t from = t->first_wall_ns, end = p->end_wall_ns != 0 ? p->end_wall_ns : t->last_wall_ns;
    int64_t start_ns = num_max_i64(p->start_wall_ns, from) - from;
    int64_t end_ns = num_min_i64(end, t->last_wall_ns) - from + 1;
    if (end_ns <= start_ns)
        return false;
    uint32_t count = num_max_u32(p->sample_count, 1);
    struct sim_trace_sample *samples = ARENA_ARRAY(a, struct sim_trace_sample, count);
    /* Never read: as busy as can be, its memory not known, so that it is not shared. */
    samples[0] = (struct sim_trace_sample){start_ns, UINT32_MAX, 1000};
    for (uint32_t i = 0; i < p->sample_count; i++) {
        samples[i] = p->samples[i];
        samples[i].at_ns = num_max_i64(samples[i].at_ns - from, 0);
    }
    if (p->sample_count > 0)
        start_ns = num_min_i64(start_ns, samples[0].at_ns);
    *ret_pod = (struct sim_trace_pod){.name = arena_str(a, p->name),
            .start_ns = start_ns,
            .end_ns = num_max_i64(end_ns, samples[count - 1].at_ns + 1),
            .sample_count = count,
            .samples = samples};
    return true;
}

/* A Job's pod is run again as it ran: its life is known, how long it would take elsewhere is not.
 */
static void make_owner(const struct sim_trace_facts *t, struct arena *a, uint32_t owner,
        struct sim_scenario *s, struct sim_trace_facts_counts *counts)
{
    const struct core_owner_fact *f = &t->owners[owner].fact;
    struct sim_owner_spec *spec = &s->owners[s->owner_count];
    struct sim_trace_pod *pods = ARENA_ARRAY(a, struct sim_trace_pod, t->owners[owner].pods + 1);
    uint32_t speed = 1000;
    *spec = (struct sim_owner_spec){.name = arena_str(a, f->name),
            .cluster = f->cluster,
            .kind = f->kind == MODEL_OWNER_JOB ? MODEL_OWNER_STATEFULSET : f->kind,
            .class_declared = f->class_declared,
            .isolation = f->isolation,
            .preallocates = f->preallocates,
            .declared_memory_mib = f->declared_memory_mib,
            .gpus_per_pod = num_max_u32(f->gpus_per_pod, 1),
            .gpu_models = f->gpu_models,
            .cpu_milli = f->cpu_milli,
            .memory_mib = f->memory_mib,
            .slo_permille = f->slo_permille,
            .max_unavailable = f->max_unavailable,
            .grace_ns = GRACE_SECONDS * NUM_NS_PER_SECOND,
            .trace = pods};
    for (uint32_t i = 0; i < t->pod_count; i++) {
        if (t->pods[i].owner != owner || !make_pod(t, a, &t->pods[i], &pods[spec->trace_count]))
            continue;
        spec->trace_count++;
        counts->pods++;
        counts->pods_without_readings += t->pods[i].sample_count == 0;
        if (t->pods[i].has_gpu)
            speed = model_gpu_get(t->pods[i].gpu)->speed_permille;
    }
    spec->demand = (struct sim_demand_spec){.kind = SIM_DEMAND_TRACE,
            .speed_permille = speed,
            .sm_need_permille = 600,
            .dram_need_permille = 400};
    s->owner_count += spec->trace_count > 0;
}

static int64_t period_of(const struct sim_trace_facts *t)
{
    int64_t period = INT64_MAX;
    for (uint32_t p = 0; p < t->pod_count; p++) {
        for (uint32_t i = 1; i < t->pods[p].sample_count; i++) {
            period = num_min_i64(
                    period, t->pods[p].samples[i].at_ns - t->pods[p].samples[i - 1].at_ns);
        }
    }
    return num_max_i64(num_min_i64(period, 300 * NUM_NS_PER_SECOND), 15 * NUM_NS_PER_SECOND);
}

int sim_trace_facts_finish(struct sim_trace_facts *t, struct arena *a,
        const struct sim_scenario **ret_scenario, struct sim_trace_facts_counts *ret_counts,
        struct err *reterr)
{
    if (t->counts.readings == 0)
        return err_set(reterr, -ENODATA, "holds no readings of GPUs: nothing can be run again");
    struct sim_scenario *s = ARENA_NEW(a, struct sim_scenario);
    *s = (struct sim_scenario){.name = STR_LIT("recorded"),
            .start_wall_ns = t->first_wall_ns,
            .duration_ns = t->last_wall_ns - t->first_wall_ns + 1,
            .sample_period_ns = period_of(t)};
    if (make_clusters(t, a, s, reterr) < 0 || make_groups(t, a, s, reterr) < 0)
        return reterr->code;
    for (uint32_t i = 0; i < t->pod_count; i++)
        t->owners[t->pods[i].owner].pods++;
    s->owners = ARENA_ARRAY(a, struct sim_owner_spec, (size_t)t->owner_count + 1);
    for (uint32_t i = 0; i < t->owner_count; i++)
        make_owner(t, a, i, s, &t->counts);
    if (sim_scenario_check(s, reterr) < 0)
        return reterr->code;
    *ret_scenario = s;
    *ret_counts = t->counts;
    return 0;
}
