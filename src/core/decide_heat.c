/* core/decide_heat.c - shared GPUs that are too busy for too long, and replica counts taken back.
 *
 * Pure.  A pool is sized by what its owners showed while alone; here is what its GPUs show now.  A
 * GPU that was full for much of an hour is a measured signal: its node is closed for an hour, and
 * when it offers more replicas than its pool bears today, the count is taken back: at once where
 * nobody is on the node, else by moving its pods, if they fit on others.  DESIGN section 4: a lower
 * count hands GPUs out twice unless the node is empty. */
#include "core/decide-priv.h"

#include <string.h>

/* TUNING: full is what the exporter cannot tell from more; a GPU is too busy when it was full for
 * this many times the share of time that the policy allows, over at least so many readings. */
enum { FULL_PERMILLE = 980, ALARM_TIMES = 20, READINGS_LEAST = 20 };

static const int64_t half_hour_ns = 30 * 60 * NUM_NS_PER_SECOND;

static struct decide_heat *heat_get(struct core_decider *d, uint64_t node)
{
    uint32_t row = map_u64_find(&d->heat_rows, node);
    if (row != MAP_NONE)
        return &d->heats[row];
    row = 0;
    while (row < d->heat_count && d->heats[row].node != 0)
        row++;
    if (row == d->heat_count) {
        if (d->heat_count == d->heat_cap) {
            d->heat_cap = d->heat_cap > 0 ? 2 * d->heat_cap : 64;
            d->heats = mem_grow(d->heats, d->heat_cap, sizeof(*d->heats));
        }
        d->heat_count++;
    }
    memset(&d->heats[row], 0, sizeof(d->heats[row]));
    d->heats[row].node = node;
    map_u64_set(&d->heat_rows, node, row);
    return &d->heats[row];
}

void decide_heat_forget(struct core_decider *d, uint64_t node)
{
    uint32_t row = map_u64_remove(&d->heat_rows, node);
    if (row != MAP_NONE)
        d->heats[row].node = 0;
}

void decide_heat_take(
        struct core_decider *d, const struct core_sample_fact *s, uint32_t sharers, int64_t wall_ns)
{
    bool whole = s->scope == CORE_SAMPLE_GPU && s->start == UINT8_MAX && s->gpu < CORE_GPUS_MAX;
    if (!whole || num_max_u32(s->occupant_count, sharers) < 2 || (s->valid & CORE_VALID_BUSY) == 0)
        return;
    struct decide_heat_gpu *g = &heat_get(d, s->node)->gpus[s->gpu];
    int64_t half_hour = wall_ns / half_hour_ns;
    if (half_hour != g->half_hour) {
        bool next = half_hour == g->half_hour + 1;
        g->seen[1] = next ? g->seen[0] : 0;
        g->full[1] = next ? g->full[0] : 0;
        g->seen[0] = g->full[0] = 0;
        g->half_hour = half_hour;
    }
    if (g->seen[0] < UINT16_MAX) {
        g->seen[0]++;
        g->full[0] = (uint16_t)(g->full[0] + (s->busy_permille >= FULL_PERMILLE));
    }
}

/* The share of the last hour's readings, ppm, in which the fullest GPU of the node was full. */
static uint32_t node_full_ppm(const struct decide_run *run, uint32_t node, uint8_t *ret_gpu)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    uint32_t row = map_u64_find(&run->d->heat_rows, f->uid);
    int64_t half_hour = run->now->wall_ns / half_hour_ns;
    uint32_t worst = 0;

    for (uint8_t i = 0; row != MAP_NONE && i < CORE_GPUS_MAX; i++) {
        const struct decide_heat_gpu *g = &run->d->heats[row].gpus[i];
        uint32_t seen = (uint32_t)g->seen[0] + g->seen[1];
        uint32_t full = (uint32_t)g->full[0] + g->full[1];
        if (g->half_hour != half_hour || seen < READINGS_LEAST)
            continue;
        uint32_t ppm = (uint32_t)((uint64_t)full * 1000000 / seen);
        if (ppm > worst) {
            worst = ppm;
            *ret_gpu = i;
        }
    }
    return worst;
}

/* The replicas that the node should have instead; 0 = it may keep what it has. */
static uint32_t lower_to(const struct decide_run *run, const struct decide_pool *pool,
        uint32_t node, uint32_t full_ppm)
{
    const struct decide_node *s = &run->nodes[node];
    uint32_t least = num_max_u32(2, run->policy->replicas_min);
    uint32_t limit = decide_conflict_allowed_ppm(run->policy) * ALARM_TIMES;
    uint32_t to = s->replicas;

    /* What is not known, or not any more, takes nothing back. */
    if (pool->hard > 0 && !pool->guessed)
        to = num_max_u32(least, pool->replicas);
    if (full_ppm > limit && s->replicas > least)
        to = num_min_u32(to, s->replicas - 1);
    return to < s->replicas ? to : 0;
}

static void lower_node(struct decide_run *run, uint32_t node, uint32_t to, uint32_t full_ppm)
{
    const struct decide_node *s = &run->nodes[node];
    const struct decide_pool *pool = &run->pools[s->pool];
    bool busy = to >= pool->replicas && full_ppm > 0;
    struct core_intent *i = decide_node_intent(run, node, CORE_CHANGE_REPLICAS_LOWER,
            busy ? CORE_REASON_BUSY_ALARM : CORE_REASON_MEMORY_ALARM);

    i->target.replicas = to;
    i->urgent = true;
    decide_why(i,
            "%u a GPU become %u: pool %s bears %u today; full in %u ppm of the last hour (allowed "
            "%u); %u pods move, nobody is booked twice",
            s->replicas, to, pool->name, pool->replicas, full_ppm,
            decide_conflict_allowed_ppm(run->policy) * ALARM_TIMES, s->used);
    decide_evidence(i, "replicas_now", s->replicas);
    decide_evidence(i, "replicas_borne", pool->replicas);
    decide_evidence(i, "full_ppm", full_ppm);
    decide_evidence(i, "pods_to_move", run->pic->nodes[node].pod_count);
}

/* Too many a GPU on a node that is there: nobody waits, nothing else changes in the pool, and its
 * pods, if it has any more than it should, fit on the others. */
static bool may_lower(const struct decide_run *run, uint32_t node, uint32_t to, bool hot)
{
    const struct decide_node *s = &run->nodes[node];
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    const struct decide_pool *pool = &run->pools[s->pool];

    if (s->busy_rollout || s->entering || s->taken || s->retiring || !s->settled)
        return false;
    if (s->used == 0)
        return true;
    bool over = hot || s->used > f->gpu_count * to;
    uint32_t gone = s->used + (s->held ? 0 : s->room);
    return over && s->movable && pool->stuck == 0 && pool->have >= pool->want + gone &&
           decide_pods_fit_elsewhere(run, node);
}

void decide_lower(struct decide_run *run)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        struct decide_node *s = &run->nodes[i];
        uint8_t gpu = 0;
        if (!run->pic->nodes[i].live || !s->usable || s->mode != DECIDE_MODE_SHARED ||
                s->pool == CORE_NO_INDEX)
            continue;
        struct decide_pool *pool = &run->pools[s->pool];
        uint32_t full = node_full_ppm(run, i, &gpu);
        bool hot = full > decide_conflict_allowed_ppm(run->policy) * ALARM_TIMES;
        if (hot)
            decide_press(run->d, run->pic->nodes[i].fact.uid, run->now->wall_ns);
        uint32_t to = lower_to(run, pool, i, full);
        if (to == 0 || !may_lower(run, i, to, hot))
            continue;
        lower_node(run, i, to, full);
        s->taken = true;
        pool->have -= num_min_u32(pool->have, s->used + (s->held ? 0 : s->room));
    }
}
