/* sim/trace_openb.c - makes a scenario of an openb node list and pod list.  Pure.
 *
 * Node shapes (GPUs, CPU, memory) and their numbers are the trace's; their cards are all of the
 * model that the trace is run on, since most models of the trace are masked (no public memory), so
 * `gpu_spec` is left out too.  Pods live from creation to deletion.  The trace knows the share of a
 * GPU that a pod was given, not what it used: that share stands for its busy time and its part of
 * the memory.  Pods of one request and QoS are one owner.  Pods without GPUs are left out. */
#include "base/map.h"
#include "base/num.h"
#include "model/gpu.h"
#include "sim/openb.h"
#include "sim/scenario.h"

#include <errno.h>

enum { MEMORY_PERMILLE = 900 }; /* of its share that a pod fills: the rest is the driver's */

static enum model_class class_of(struct str qos)
{
    if (str_eq_c(qos, "LS") || str_eq_c(qos, "Guaranteed"))
        return MODEL_CLASS_LATENCY_SENSITIVE;
    if (str_eq_c(qos, "BE"))
        return MODEL_CLASS_BATCH;
    return MODEL_CLASS_UNKNOWN;
}

/* The shapes of the nodes that have GPUs, each a group that grows to as many as the list has. */
static int make_groups(struct arena *a, const struct sim_openb_nodes *nodes, uint16_t gpu,
        struct sim_scenario *s, struct err *reterr)
{
    s->groups = ARENA_ARRAY(a, struct sim_group_spec, SIM_GROUPS_MAX);
    for (uint32_t i = 0; i < nodes->count; i++) {
        const struct sim_openb_node *n = &nodes->rows[i];
        uint32_t g = 0;
        if (n->gpus == 0)
            continue;
        while (g < s->group_count &&
                (s->groups[g].gpus_per_node != n->gpus || s->groups[g].cpu_milli != n->cpu_milli ||
                        s->groups[g].memory_mib != n->memory_mib))
            g++;
        if (g == SIM_GROUPS_MAX)
            return err_set(reterr, -E2BIG, "more than %d shapes of nodes", SIM_GROUPS_MAX);
        if (g == s->group_count) {
            s->groups[s->group_count++] = (struct sim_group_spec){
                    .name = str_from(arena_printf(a, "shape-%u", g)),
                    .gpu = gpu,
                    .gpus_per_node = n->gpus,
                    .cpu_milli = n->cpu_milli,
                    .memory_mib = n->memory_mib,
            };
        }
        s->groups[g].max++;
    }
    return 0;
}

/* A pod of the list becomes a trace pod with one sample that holds for its life. */
static struct sim_trace_pod trace_pod(
        struct arena *a, const struct sim_openb_pod *p, uint16_t gpu, int64_t origin_s)
{
    struct sim_trace_sample *sample = ARENA_NEW(a, struct sim_trace_sample);
    uint64_t memory = model_gpu_get(gpu)->memory_usable_mib;
    sample->at_ns = (p->created_s - origin_s) * NUM_NS_PER_SECOND;
    sample->busy_permille = p->gpu_milli;
    sample->memory_mib = (uint32_t)(memory * p->gpu_milli * MEMORY_PERMILLE / 1000000);
    return (struct sim_trace_pod){
            .name = p->name,
            .start_ns = sample->at_ns,
            .end_ns = (p->deleted_s - origin_s) * NUM_NS_PER_SECOND,
            .sample_count = 1,
            .samples = sample,
            .cpu_milli = p->cpu_milli,
            .memory_mib = p->memory_mib,
    };
}

static bool is_used(const struct sim_openb_pod *p)
{
    return p->gpus > 0 && p->times_known && p->deleted_s > p->created_s;
}

/* The owner that each used pod belongs to, and how many owners there are. */
static uint32_t number_owners(
        struct arena *a, const struct sim_openb_pods *pods, uint32_t *ret_owner)
{
    struct map_str owners = {0};
    for (uint32_t i = 0; i < pods->count; i++) {
        const struct sim_openb_pod *p = &pods->rows[i];
        ret_owner[i] = UINT32_MAX;
        if (!is_used(p))
            continue;
        struct str key = str_from(arena_printf(a, "%.*s/%ux%u-%u-%u", STR_ARG(p->qos), p->gpus,
                p->gpu_milli, p->cpu_milli, p->memory_mib));
        ret_owner[i] = map_str_find(&owners, key);
        if (ret_owner[i] == MAP_NONE) {
            ret_owner[i] = owners.live_count;
            (void)map_str_set(&owners, key, ret_owner[i]);
        }
    }
    uint32_t count = owners.live_count;
    map_str_clear(&owners);
    return count;
}

static void set_owner(
        struct arena *a, const struct sim_openb_pod *p, uint16_t gpu, struct sim_owner_spec *o)
{
    if (o->name.len > 0)
        return;
    *o = (struct sim_owner_spec){
            .name = str_from(arena_printf(a, "openb/%ux%u-%u-%u-%.*s", p->gpus, p->gpu_milli,
                    p->cpu_milli, p->memory_mib, STR_ARG(p->qos))),
            .kind = MODEL_OWNER_STATEFULSET,
            .class_declared = class_of(p->qos),
            .gpus_per_pod = p->gpus,
            .cpu_milli = p->cpu_milli,
            .memory_mib = p->memory_mib,
            .max_unavailable = UINT32_MAX,
            .grace_ns = 30 * NUM_NS_PER_SECOND,
            .demand = {.kind = SIM_DEMAND_TRACE,
                    .speed_permille = model_gpu_get(gpu)->speed_permille,
                    .sm_need_permille = p->gpu_milli,
                    .dram_need_permille = p->gpu_milli / 2},
            .trace_count = o->trace_count,
    };
}

static int make_owners(struct arena *a, const struct sim_openb_pods *pods, uint16_t gpu,
        struct sim_scenario *s, struct err *reterr)
{
    uint32_t *owner = ARENA_ARRAY(a, uint32_t, pods->count + 1);
    s->owner_count = number_owners(a, pods, owner);
    if (s->owner_count == 0)
        return err_set(reterr, -EINVAL, "no pod with GPUs, creation_time and deletion_time");
    if (s->owner_count > SIM_OWNERS_MAX)
        return err_set(reterr, -E2BIG, "more than %d kinds of request", SIM_OWNERS_MAX);
    s->owners = ARENA_ARRAY(a, struct sim_owner_spec, s->owner_count);
    int64_t origin_s = INT64_MAX, end_s = 0;
    for (uint32_t i = 0; i < pods->count; i++) {
        if (owner[i] == UINT32_MAX)
            continue;
        s->owners[owner[i]].trace_count++;
        origin_s = num_min_i64(origin_s, pods->rows[i].created_s);
        end_s = num_max_i64(end_s, pods->rows[i].deleted_s);
    }
    struct sim_trace_pod **next = ARENA_ARRAY(a, struct sim_trace_pod *, s->owner_count);
    for (uint32_t i = 0; i < pods->count; i++) {
        if (owner[i] == UINT32_MAX)
            continue;
        struct sim_owner_spec *o = &s->owners[owner[i]];
        set_owner(a, &pods->rows[i], gpu, o);
        if (o->trace == NULL) {
            next[owner[i]] = ARENA_ARRAY(a, struct sim_trace_pod, o->trace_count);
            o->trace = next[owner[i]];
        }
        *next[owner[i]]++ = trace_pod(a, &pods->rows[i], gpu, origin_s);
    }
    s->duration_ns = (end_s - origin_s) * NUM_NS_PER_SECOND;
    return 0;
}

int sim_scenario_openb(struct arena *a, const struct sim_openb_texts *texts,
        const struct sim_trace_place *place, const struct sim_scenario **ret_scenario,
        struct err *reterr)
{
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    if (sim_openb_nodes_parse(a, texts->nodes, &nodes, reterr) < 0)
        return err_wrap(reterr, "nodes");
    if (sim_openb_pods_parse(a, texts->pods, &pods, reterr) < 0)
        return err_wrap(reterr, "pods");
    struct sim_scenario *s = ARENA_NEW(a, struct sim_scenario);
    s->name = STR_LIT("openb");
    s->start_wall_ns = INT64_C(1772409600) * NUM_NS_PER_SECOND; /* 2026-03-02T00:00:00Z */
    s->sample_period_ns = 300 * NUM_NS_PER_SECOND;
    s->cluster_count = 1;
    s->clusters = ARENA_NEW(a, struct sim_cluster_spec);
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("openb"), STR_LIT("us-east-1")};
    if (make_groups(a, &nodes, place->gpu, s, reterr) < 0 ||
            make_owners(a, &pods, place->gpu, s, reterr) < 0 || sim_scenario_check(s, reterr) < 0)
        return reterr->code;
    *ret_scenario = s;
    return 0;
}
