/* sim/service.c - see service.h.  Pure.  Floating point only with + - * / (the same on every
 * machine). */
#include "sim/service.h"

#include <assert.h>

/* Where the tables of quantiles are taken, parts of 1000. */
static const double level_at[SIM_SERVICE_LEVELS] = {
        0, 10, 50, 100, 250, 500, 750, 900, 950, 980, 990, 996, 999, 1000};
static const double small_at[SIM_SERVICE_SMALLS] = {
        0, 10, 50, 100, 250, 500, 750, 900, 950, 990, 1000};
static const double large_at[SIM_SERVICE_LARGES] = {0, 100, 250, 500, 750, 900, 950, 1000};

static const double golden = 0.6180339887498949; /* even steps through [0, 1) */

static double clamp(double x, double min, double max)
{
    return x < min ? min : x > max ? max : x;
}

/* The value at `u` (0..1) of a table of `count` quantiles, straight between two. */
static uint32_t quantile(const double *at, const uint32_t *values, unsigned count, double u)
{
    unsigned i = 1;
    while (i + 1 < count && u * 1000.0 >= at[i])
        i++;
    double part = clamp((u * 1000.0 - at[i - 1]) / (at[i] - at[i - 1]), 0.0, 1.0);
    double low = (double)values[i - 1], high = (double)values[i];
    return (uint32_t)(low + part * (high - low));
}

static double even(double *at)
{
    *at += golden;
    if (*at >= 1.0)
        *at -= 1.0;
    return *at;
}

static bool chance(struct prng *rng, double p)
{
    return prng_unit(rng) < p;
}

uint32_t sim_service_memory(const struct sim_service_scale *scale, uint32_t table_mib)
{
    return scale->base_mib + (uint32_t)((uint64_t)table_mib * scale->memory_permille / 1000);
}

/* The kind of the n-th pod: any run of pods has each kind by its weight. */
static uint32_t kind_of(const struct sim_service *s, uint32_t ordinal)
{
    double at = ((double)ordinal + 0.5) * golden;
    at = (at - (double)(uint64_t)at) * 1000.0;
    for (uint32_t k = 0; k + 1 < s->kind_count; k++) {
        if (at < (double)s->kinds[k].weight)
            return k;
        at -= (double)s->kinds[k].weight;
    }
    return s->kind_count - 1;
}

void sim_service_begin(const struct sim_service *s, uint32_t ordinal, bool first, struct prng *rng,
        struct sim_service_pod *ret_pod)
{
    uint32_t number = first ? kind_of(s, ordinal) : 0;
    const struct sim_service_kind *kind = &s->kinds[number];
    *ret_pod = (struct sim_service_pod){.kind = number, .memory_mib = s->fresh_mib};
    if (!first)
        return;
    if (kind->begin_mib[1] > 0) {
        ret_pod->memory_mib = (uint32_t)prng_between(rng, kind->begin_mib[0], kind->begin_mib[1]);
    } else {
        ret_pod->memory_mib =
                quantile(small_at, kind->rest_mib, SIM_SERVICE_SMALLS, prng_unit(rng));
    }
}

void sim_service_tick_shared(const struct sim_service *s, uint32_t kind, struct prng *rng,
        struct sim_service_shared *shared)
{
    assert(kind < s->kind_count);
    if (!shared->begun)
        *shared = (struct sim_service_shared){.begun = true, .large_due = 0.5};
    /* TUNING: it forgets a quarter each minute: the on share of the trace's pods, less its mean of
     * 15 minutes, is forgotten within five.  0.66 keeps its spread at wave_permille. */
    double spread = 0.66 * (double)s->kinds[kind].wave_permille / 1000.0;
    shared->wave = clamp(0.75 * shared->wave + spread * prng_normal(rng), -2.5, 2.5);
}

/* The share of on minutes at the wave's place: it moves the odds, and leaves the mean. */
static double share_at(double share, double wave, double spread)
{
    double part = (8.0 + wave) / (8.0 - wave); /* to the fourth: the exponential of the wave */
    double odds = share / (1.0 - share) * part * part * part * part;
    odds /= 1.0 + spread * spread / 2.0 * (1.0 - 2.0 * share);
    return odds / (1.0 + odds);
}

/* How busy the service is, 0..1. */
static double traffic_of(const struct sim_service *s, struct sim_service_load load)
{
    /* TUNING: 850 permille is as busy as the trace's half hours get, but for three. */
    double on = (double)s->kinds[0].halves[load.half].on * (double)load.on_permille / 1000.0;
    return clamp(on / 850.0, 0.0, 1.0);
}

static bool chance_of(struct prng *rng, struct sim_service_chance c, double traffic)
{
    double quiet = (double)c.quiet, busy = (double)c.busy;
    return chance(rng, (quiet + (busy - quiet) * traffic) / 1000.0);
}

static uint32_t draw_small(const uint32_t *table, struct prng *rng)
{
    return quantile(small_at, table, SIM_SERVICE_SMALLS, prng_unit(rng));
}

/* Memory that changes from small: large ones are dealt out as they fall due. */
static uint32_t draw_memory(const struct sim_service_kind *kind, const struct sim_service_half *h,
        const uint32_t *small, struct sim_service_shared *shared, struct prng *rng)
{
    shared->large_due += (double)h->large / 1000.0;
    if (shared->large_due < 1.0)
        return draw_small(small, rng);
    shared->large_due -= 1.0;
    double from = (double)h->from / 1000.0, to = (double)h->to / 1000.0;
    double at = from + (to - from) * even(&shared->size_at[0]);
    return quantile(large_at, kind->large_mib, SIM_SERVICE_LARGES, at);
}

/* Memory after a row of large requests went on, or ended. */
static uint32_t draw_after_large(
        const struct sim_service_kind *kind, struct sim_service_shared *shared, struct prng *rng)
{
    if (chance(rng, (double)kind->again_permille / 1000.0))
        return quantile(large_at, kind->again_mib, SIM_SERVICE_LARGES, even(&shared->size_at[1]));
    return draw_small(kind->small_mib, rng);
}

static void tick_memory(const struct sim_service *s, struct sim_service_load load,
        struct sim_service_shared *shared, struct prng *rng, struct sim_service_pod *pod)
{
    const struct sim_service_kind *kind = &s->kinds[pod->kind];
    const struct sim_service_half *h = &kind->halves[load.half];
    double traffic = traffic_of(s, load);
    if (pod->memory_mib >= kind->large_from_mib) {
        if (pod->on && chance_of(rng, kind->large_move, traffic))
            pod->memory_mib = draw_after_large(kind, shared, rng);
        return;
    }
    bool settled = pod->memory_mib >= kind->settled_mib;
    bool move = settled ? chance_of(rng, pod->on ? kind->settled_move : kind->settled_rest, traffic)
                        : chance(rng, (double)kind->move_permille / 1000.0);
    if (move) {
        const uint32_t *small = pod->on ? kind->small_mib : kind->rest_mib;
        pod->memory_mib = draw_memory(kind, h, small, shared, rng);
    }
}

void sim_service_tick(const struct sim_service *s, struct sim_service_load load,
        struct sim_service_shared *shared, struct prng *rng, struct sim_service_pod *pod)
{
    assert(load.half < SIM_SERVICE_HALVES);
    const struct sim_service_kind *kind = &s->kinds[pod->kind];
    double share = (double)kind->halves[load.half].on * (double)load.on_permille / 1000000.0;
    if (share <= 0.0) {
        pod->on = false;
        pod->busy_permille = 0;
        return;
    }
    share = clamp(share, 0.0005, 0.98);
    share = share_at(share, shared->wave, (double)kind->wave_permille / 1000.0);
    double sticky = (double)kind->sticky_permille / 1000.0;
    double stay = share + sticky * (1.0 - share);
    double start = share * (1.0 - stay) / (1.0 - share);
    bool was = pod->on;
    pod->on = chance(rng, was ? stay : start);
    double level = prng_unit(rng);
    pod->busy_permille = pod->on ? quantile(level_at, kind->level, SIM_SERVICE_LEVELS, level) : 0;
    if (pod->on || was)
        tick_memory(s, load, shared, rng, pod);
}
