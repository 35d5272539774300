/* sim/record.c - runs a world without a controller and writes down what its replicas want.  Pure.
 */
#include "sim/record.h"

#include "sim/world-priv.h"

#include <errno.h>

struct recorder {
    struct sim_world *w;
    struct arena *arena;
    struct sim_trace_pod *pods;        /* by life */
    struct sim_trace_sample **samples; /* by life */
    uint32_t ticks, pod_max;
};

static void take_slot(struct recorder *r, uint32_t owner, const struct sim_slot *s)
{
    uint32_t life = s->life;
    struct sim_trace_pod *p = &r->pods[life];
    if (r->samples[life] == NULL) {
        r->samples[life] = ARENA_ARRAY(r->arena, struct sim_trace_sample, r->ticks);
        p->name = r->w->owners[owner].spec->name;
        p->samples = r->samples[life];
        p->start_ns = r->w->now_ns;
    }
    r->samples[life][p->sample_count++] = (struct sim_trace_sample){.at_ns = r->w->now_ns,
            .memory_mib = s->memory_mib,
            .busy_permille = (uint16_t)s->busy_permille};
    p->end_ns = r->w->now_ns + 1;
}

/* True while every life has its place. */
static bool take_tick(struct recorder *r)
{
    const struct sim_world *w = r->w;
    uint32_t fresh = 0;
    if (w->life_count > r->pod_max)
        return false;
    for (uint32_t i = 0; i < w->life_count; i++)
        fresh += r->samples[i] == NULL;
    if (!arena_fits(r->arena, (size_t)fresh * r->ticks, sizeof(struct sim_trace_sample)))
        return false;
    for (uint32_t o = 0; o < w->owner_count; o++) {
        for (uint32_t i = 0; i < w->owners[o].slot_count; i++) {
            if (w->owners[o].slots[i].live)
                take_slot(r, o, &w->owners[o].slots[i]);
        }
    }
    return true;
}

int sim_demand_record(const struct sim_config *config, struct arena *a,
        const struct sim_trace_pod **ret_pods, uint32_t *ret_count, struct err *reterr)
{
    struct recorder r = {.arena = a, .pod_max = SIM_TRACE_PODS_MAX};
    r.w = sim_world_new(config, SIM_REGIME_ONE_GPU_A_POD);
    r.ticks = (uint32_t)(r.w->end_ns / r.w->period_ns + 2);
    r.pods = ARENA_ARRAY(a, struct sim_trace_pod, r.pod_max);
    r.samples = ARENA_ARRAY(a, struct sim_trace_sample *, r.pod_max);
    bool fits = true;
    for (int64_t at = 0; at <= r.w->end_ns && fits; at += r.w->period_ns) {
        (void)sim_world_run_until(r.w, at);
        fits = take_tick(&r);
    }
    *ret_count = num_min_u32(r.w->life_count, r.pod_max);
    *ret_pods = r.pods;
    sim_world_free(r.w);
    return fits ? 0 : err_set(reterr, -E2BIG, "the scenario is too large to be recorded");
}
