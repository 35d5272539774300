/* sim/scenario.c - checks of a scenario, whoever made it, and names of caps.  Pure. */
#include "sim/sim.h"

#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>

const char *sim_caps_name(enum sim_caps c)
{
    static const char *const names[SIM_CAPS_COUNT] = {"operator", "dra", "native"};
    assert(c < SIM_CAPS_COUNT);
    return names[c];
}

int sim_caps_parse(struct str text, enum sim_caps *ret_caps, struct err *reterr)
{
    for (unsigned i = 0; i < SIM_CAPS_COUNT; i++) {
        if (str_eq_c(text, sim_caps_name((enum sim_caps)i))) {
            *ret_caps = (enum sim_caps)i;
            return 0;
        }
    }
    return err_set(reterr, -EINVAL, "caps '%.*s': expected operator, dra or native", STR_ARG(text));
}

static int check_group(
        const struct sim_scenario *s, const struct sim_group_spec *g, struct err *reterr)
{
    if (g->cluster >= s->cluster_count)
        return err_set(reterr, -EINVAL, "node group %.*s: unknown cluster", STR_ARG(g->name));
    if (g->gpus_per_node == 0 || g->gpus_per_node > CORE_GPUS_MAX) {
        return err_set(reterr, -EINVAL, "node group %.*s: %u GPUs a node: expected 1..%d",
                STR_ARG(g->name), g->gpus_per_node, CORE_GPUS_MAX);
    }
    if (g->gpu >= model_gpu_count())
        return err_set(reterr, -EINVAL, "node group %.*s: unknown GPU model", STR_ARG(g->name));
    if (g->min > g->max || g->initial > g->max || g->max > SIM_NODES_MAX) {
        return err_set(reterr, -EINVAL,
                "node group %.*s: expected min and initial within max, and max within %d",
                STR_ARG(g->name), SIM_NODES_MAX);
    }
    return 0;
}

static bool some_group_fits(const struct sim_scenario *s, const struct sim_owner_spec *o)
{
    for (uint32_t i = 0; i < s->group_count; i++) {
        const struct sim_group_spec *g = &s->groups[i];
        bool model = o->gpu_models == 0 || (o->gpu_models >> g->gpu & 1) != 0;
        if (g->cluster == o->cluster && model && g->gpus_per_node >= o->gpus_per_pod &&
                g->cpu_milli >= o->cpu_milli && g->memory_mib >= o->memory_mib && g->max > 0)
            return true;
    }
    return false;
}

static int check_owner(
        const struct sim_scenario *s, const struct sim_owner_spec *o, struct err *reterr)
{
    uint32_t pods = o->trace_count;
    if (o->cluster >= s->cluster_count)
        return err_set(reterr, -EINVAL, "owner %.*s: unknown cluster", STR_ARG(o->name));
    if (o->gpus_per_pod == 0 || o->gpus_per_pod > CORE_GPUS_MAX) {
        return err_set(reterr, -EINVAL, "owner %.*s: %u GPUs a pod: expected 1..%d",
                STR_ARG(o->name), o->gpus_per_pod, CORE_GPUS_MAX);
    }
    for (unsigned h = 0; h < SIM_HOURS; h++) {
        if (o->replicas[h] > SIM_REPLICAS_MAX) {
            return err_set(reterr, -EINVAL, "owner %.*s: more than %d replicas", STR_ARG(o->name),
                    SIM_REPLICAS_MAX);
        }
        pods += o->replicas[h] + o->arrivals_milli[h];
    }
    if (pods == 0)
        return err_set(reterr, -EINVAL, "owner %.*s never has a pod", STR_ARG(o->name));
    if (o->kind == MODEL_OWNER_JOB && (o->run_min_ns <= 0 || o->run_max_ns < o->run_min_ns))
        return err_set(reterr, -EINVAL, "owner %.*s: a Job needs a run time", STR_ARG(o->name));
    if (!some_group_fits(s, o)) {
        return err_set(reterr, -EINVAL,
                "owner %.*s: no node group of its cluster can ever hold one of its pods",
                STR_ARG(o->name));
    }
    return 0;
}

int sim_scenario_check(const struct sim_scenario *s, struct err *reterr)
{
    if (s->cluster_count == 0 || s->group_count == 0 || s->owner_count == 0) {
        return err_set(reterr, -EINVAL,
                "scenario %.*s is empty: expected at least one cluster, node group and owner",
                STR_ARG(s->name));
    }
    if (s->duration_ns <= 0 || s->duration_ns > 366 * 24 * NUM_NS_PER_HOUR) {
        return err_set(reterr, -EINVAL, "scenario %.*s: expected a duration of up to 366 days",
                STR_ARG(s->name));
    }
    for (uint32_t i = 0; i < s->group_count; i++) {
        int rc = check_group(s, &s->groups[i], reterr);
        if (rc != 0)
            return rc;
    }
    for (uint32_t i = 0; i < s->owner_count; i++) {
        int rc = check_owner(s, &s->owners[i], reterr);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void sim_service_demand(struct sim_demand_spec *d)
{
    const struct sim_service *service = &sim_service_images;
    d->kind = SIM_DEMAND_SERVICE;
    d->service = service;
    uint32_t peak = 0;
    for (uint32_t k = 0; k < service->kind_count; k++)
        peak = num_max_u32(peak, service->kinds[k].again_mib[SIM_SERVICE_LARGES - 1]);
    d->memory_mib = sim_service_memory(&d->scale, service->fresh_mib);
    d->memory_peak_mib = sim_service_memory(&d->scale, peak);
}
