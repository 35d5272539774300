/* sim/demand.c - how busy each replica is and how much memory it holds, minute by minute.
 *
 * Pure.  Floating point only with + - * / (the same on every machine).  Each replica draws from a
 * stream of its own (seed, owner, slot), so where its pod runs does not change what it wants.
 * The service process is fitted to the statistics of a production trace: bench/fit. */
#include "sim/world-priv.h"

#include <assert.h>

/* A factor in [1/(1+spread), 1+spread], peaked at 1. */
static double draw_factor(struct prng *rng, uint32_t spread_permille)
{
    double u = prng_unit(rng) + prng_unit(rng) - 1.0, s = (double)spread_permille / 1000.0;
    return u >= 0 ? 1.0 + s * u : 1.0 / (1.0 - s * u);
}

static double clamp(double x, double min, double max)
{
    return x < min ? min : x > max ? max : x;
}

static double draw_memory(struct sim_slot *s, const struct sim_demand_spec *d)
{
    double m = (double)d->memory_mib + (double)d->memory_spread_mib * prng_normal(&s->rng);
    return clamp(m, (double)d->memory_mib / 8, (double)d->memory_peak_mib);
}

void sim_demand_init(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_owner *o = &w->owners[owner];
    struct sim_slot *s = &o->slots[slot];
    const struct sim_demand_spec *d = &o->spec->demand;
    uint64_t stream = prng_mix(SIM_STREAM_OWNERS + owner, prng_mix(slot, o->jobs_started));
    prng_init_stream(&s->rng, w->config->seed, stream);
    s->factor = draw_factor(&s->rng, d->spread_permille);
    if (d->kind == SIM_DEMAND_SERVICE) {
        sim_service_begin(d->service, slot, w->now_ns == 0, &s->rng, &s->service);
        s->memory_mib = sim_service_memory(&d->scale, s->service.memory_mib);
        return;
    }
    s->memory_target = draw_memory(s, d);
    s->memory_mib = (uint32_t)s->memory_target;
}

static double tide_of(const struct sim_world *w, const struct sim_owner *o)
{
    const struct sim_demand_spec *d = &o->spec->demand;
    uint32_t hour = d->hour_permille[sim_owner_hour_index(w)];
    double common = o->tide * (hour > 0 ? (double)hour / 1000.0 : 1.0);
    double part = (double)d->tide_permille / 1000.0;
    return 1.0 - part + part * common;
}

static uint32_t bursty(struct sim_slot *s, const struct sim_demand_spec *d, double tide)
{
    double active = clamp((double)d->active_permille / 1000.0 * s->factor * tide, 0.0005, 0.97);
    double stay = (double)d->stay_permille / 1000.0;
    /* A Markov chain whose share of on minutes is `active`; long bursts when that is high. */
    stay = clamp(stay, active > 0.5 ? active : 0.0, 0.995);
    double start = clamp(active * (1.0 - stay) / (1.0 - active), 0.0, 1.0);
    double u = prng_unit(&s->rng);
    s->on = s->on ? u < stay : u < start;
    double level = (double)d->level_permille, v = prng_unit(&s->rng), x = prng_unit(&s->rng);
    if (!s->on)
        return 0;
    if (v < (double)d->tail_permille / 1000.0)
        return (uint32_t)clamp(level * (1.0 + 4.0 * x), 1.0, 1000.0);
    return (uint32_t)clamp(level * (0.1 + 1.5 * x), 1.0, 1000.0);
}

static uint32_t steady(struct sim_slot *s, const struct sim_demand_spec *d, double tide)
{
    double level = (double)d->level_permille * s->factor * tide;
    level += (double)d->level_permille * 0.05 * prng_normal(&s->rng);
    return (uint32_t)clamp(level, 0.0, 1000.0);
}

static void tick_memory(struct sim_slot *s, const struct sim_demand_spec *d)
{
    /* Memory moves toward a level that is drawn anew now and then: model swaps, other batches. */
    if (prng_chance_ppm(&s->rng, 12000))
        s->memory_target = draw_memory(s, d);
    double now = (double)s->memory_mib;
    now += (s->memory_target - now) * 0.5;
    now += (double)d->memory_spread_mib * 0.02 * prng_normal(&s->rng);
    s->memory_mib = (uint32_t)clamp(now, 1.0, (double)d->memory_peak_mib);
}

static void tick_generated(
        struct sim_world *w, struct sim_owner *o, struct sim_slot *s, double tide)
{
    const struct sim_demand_spec *d = &o->spec->demand;
    s->busy_permille = d->kind == SIM_DEMAND_BURSTY ? bursty(s, d, tide) : steady(s, d, tide);
    tick_memory(s, d);
    s->leaked_minutes += (uint32_t)(w->period_ns / SIM_MINUTE);
}

static void tick_service(
        struct sim_world *w, struct sim_owner *o, struct sim_slot *s, struct sim_service_load load)
{
    const struct sim_demand_spec *d = &o->spec->demand;
    sim_service_tick(d->service, load, &o->service[s->service.kind], &s->rng, &s->service);
    s->busy_permille = num_min_u32(s->service.busy_permille * d->scale.busy_permille / 1000, 1000);
    s->memory_mib = sim_service_memory(&d->scale, s->service.memory_mib);
    s->leaked_minutes += (uint32_t)(w->period_ns / SIM_MINUTE);
}

/* The load of a service at this minute: its half hour by its own day, and what the hour adds. */
static struct sim_service_load load_of(const struct sim_world *w, const struct sim_demand_spec *d)
{
    int64_t half_ns = NUM_NS_PER_HOUR / 2;
    int64_t half = (w->scenario->start_wall_ns + w->now_ns) / half_ns;
    uint32_t hour = d->hour_permille[sim_owner_hour_index(w)];
    half += SIM_SERVICE_HALVES - 2 * (int64_t)d->scale.day_hour;
    return (struct sim_service_load){.half = (uint32_t)(half % SIM_SERVICE_HALVES),
            .on_permille = d->scale.on_permille * (hour > 0 ? hour : 1000) / 1000};
}

/* Between two samples the earlier one holds; an unknown memory is as it was before. */
static void tick_trace(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_slot *s = &w->owners[owner].slots[slot];
    const struct sim_trace_pod *t = &w->owners[owner].spec->trace[s->trace];
    if (w->now_ns >= t->end_ns) {
        sim_owner_job_done(w, owner, slot);
        return;
    }
    while (s->trace_next < t->sample_count && t->samples[s->trace_next].at_ns <= w->now_ns) {
        const struct sim_trace_sample *x = &t->samples[s->trace_next++];
        s->busy_permille = x->busy_permille;
        if (x->memory_mib != UINT32_MAX)
            s->memory_mib = x->memory_mib;
    }
}

static void tick_job(struct sim_world *w, uint32_t owner, uint32_t slot)
{
    struct sim_slot *s = &w->owners[owner].slots[slot];
    if (s->pod == SIM_NONE || w->pods[s->pod].phase != SIM_POD_RUNNING)
        return;
    /* Work advances by what its last sample really got: a crowded GPU makes the Job longer. */
    const struct sim_pod *p = &w->pods[s->pod];
    int64_t slow = num_max_i64(p->latency_permille, 1000);
    s->done_ns += w->period_ns * 1000 / slow;
    if (s->done_ns >= s->work_ns)
        sim_owner_job_done(w, owner, slot);
}

void sim_demand_tick(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->owner_count; i++) {
        struct sim_owner *o = &w->owners[i];
        if (!o->live)
            continue;
        o->tide += 0.01 * (1.0 - o->tide) + 0.05 * prng_normal(&o->rng) * 0.7;
        o->tide = clamp(o->tide, 0.15, 3.0);
        double tide = tide_of(w, o);
        const struct sim_service *service = o->spec->demand.service;
        struct sim_service_load load = load_of(w, &o->spec->demand);
        for (uint32_t k = 0; service != NULL && k < service->kind_count; k++)
            sim_service_tick_shared(service, k, &o->rng, &o->service[k]);
        for (uint32_t k = 0; k < o->slot_count; k++) {
            struct sim_slot *s = &o->slots[k];
            if (!s->live)
                continue;
            if (o->spec->demand.kind == SIM_DEMAND_TRACE) {
                tick_trace(w, i, k);
            } else if (o->spec->demand.kind == SIM_DEMAND_SERVICE) {
                tick_service(w, o, s, load);
            } else {
                tick_generated(w, o, s, tide);
            }
            if (s->live && o->spec->kind == MODEL_OWNER_JOB)
                tick_job(w, i, k);
            struct sim_life *life = &w->lives[s->life];
            life->peak_mib = num_max_u32(life->peak_mib, s->memory_mib);
            life->busy_sum += s->busy_permille;
            life->samples++;
        }
    }
}
