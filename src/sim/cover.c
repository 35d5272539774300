/* sim/cover.c - which faults met which step of which rollout; faults that lie in wait.  Pure.
 *
 * A cell is (step kind, rollout state, fault).  A write's fault counts where the rollout stood that
 * issued it; one that is over at once (an XID, a kill) where the rollouts stood that it met; one
 * that lasts (a lost watch, a dead node, a wrong clock ...) once in every step that a rollout was
 * at while it was in force.
 *
 * Some steps are over within a second, and a fault drawn by the hour never meets them: half of the
 * node-hour faults therefore wait for the next node whose rollout comes to a cell drawn evenly. */
#include "sim/world-priv.h"

#include <assert.h>

enum { AMBUSHES_MAX = 4096 };

static bool status_of(
        const struct sim_world *w, uint32_t node, struct core_rollout_status *ret_status)
{
    *ret_status = (struct core_rollout_status){0};
    return w->core != NULL && node != SIM_NONE && w->nodes[node].live &&
           core_rollout_status_get(w->core, sim_uid(SIM_UID_NODE, node), ret_status);
}

static void count_cell(struct sim_world *w, const struct core_rollout_status *s, enum sim_fault f)
{
    struct sim_coverage *c = w->config->coverage;
    if (c != NULL)
        c->table[s->step][s->state][f]++;
}

static bool watch_is_lost(const struct sim_world *w, uint16_t cluster)
{
    for (unsigned s = 0; s < CORE_SOURCE_COUNT; s++) {
        if (w->watch_lost[cluster][s])
            return true;
    }
    return false;
}

/* The faults that are in force on a node now, bit by enum sim_fault. */
static uint32_t in_force(const struct sim_world *w, uint32_t node)
{
    const struct sim_node *n = &w->nodes[node];
    uint32_t mask = 0;
    const struct {
        bool on;
        enum sim_fault fault;
    } faults[] = {
            {w->now_ns < w->late_until_ns, SIM_FAULT_FACTS_LATE},
            {watch_is_lost(w, n->cluster), SIM_FAULT_WATCH_LOST},
            {w->skew_ns != 0, SIM_FAULT_CLOCK_JUMP},
            {w->now_ns < w->samples_lost_until_ns, SIM_FAULT_SAMPLES_LOST},
            {w->now_ns < w->samples_stale_until_ns, SIM_FAULT_SAMPLES_STALE},
            {w->now_ns < n->extra_lag_until_ns, SIM_FAULT_CONFIG_LAG},
            {!n->ready, SIM_FAULT_NODE_DEATH},
            {n->mig_bitten == SIM_FAULT_MIG_STUCK, SIM_FAULT_MIG_STUCK},
            {n->mig_bitten == SIM_FAULT_MIG_FAILED, SIM_FAULT_MIG_FAILED},
            {n->mig_bitten == SIM_FAULT_MIG_LIES, SIM_FAULT_MIG_LIES},
    };
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++)
        mask |= faults[i].on ? 1u << faults[i].fault : 0;
    return mask;
}

/* Adds the faults of `mask` to the cells that the rollout came to in the controller's step. */
static void count_entered(struct sim_world *w, const struct core_rollout_status *s, uint32_t mask)
{
    struct sim_coverage *c = w->config->coverage;
    for (unsigned state = 0; c != NULL && state < CORE_ROLLOUT_STATE_COUNT; state++) {
        for (unsigned step = 0; s->entered[state] >> step != 0; step++) {
            if ((s->entered[state] >> step & 1) == 0)
                continue;
            c->visits[step][state]++;
            for (unsigned f = 0; mask >> f != 0; f++)
                c->table[step][state][f] += mask >> f & 1;
        }
    }
}

/* The first fault that waits for this cell strikes the node that came to it. */
static void spring(struct sim_world *w, uint32_t node, const struct core_rollout_status *s)
{
    for (uint32_t i = 0; i < w->ambush_count; i++) {
        struct sim_ambush a = w->ambushes[i];
        if (a.step != s->step || a.state != s->state)
            continue;
        if (sim_fault_strike(w, node, a.fault))
            w->ambushes[i] = w->ambushes[--w->ambush_count];
        return;
    }
}

void sim_cover_mark(struct sim_world *w, bool stepped)
{
    if (w->config->faults_ppm == 0)
        return;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        struct sim_node *n = &w->nodes[node];
        struct core_rollout_status s;
        bool active = status_of(w, node, &s);
        bool entered = stepped && active && s.entered[s.state] >> s.step & 1;
        if (entered)
            spring(w, node, &s);
        uint32_t mask = in_force(w, node);
        uint32_t fresh = mask & ~n->cover_mask;
        n->cover_mask = mask;
        if (stepped)
            count_entered(w, &s, mask);
        for (unsigned f = 0; active && !entered && fresh >> f != 0; f++) {
            if (fresh >> f & 1)
                count_cell(w, &s, (enum sim_fault)f);
        }
    }
}

void sim_cover_strike(struct sim_world *w, uint32_t node, enum sim_fault f)
{
    struct core_rollout_status s;
    if (status_of(w, node, &s))
        count_cell(w, &s, f);
}

void sim_cover_kill(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->nodes_live.count; i++)
        sim_cover_strike(w, w->nodes_live.items[i], SIM_FAULT_KILLED);
}

/* The node whose rollout writes this key: the first that is at the step that does. */
static uint32_t publisher_of(const struct sim_world *w, const struct core_action *a)
{
    enum core_step_kind step =
            a->config.map == CORE_CONFIG_PLUGIN ? CORE_STEP_PUBLISH_PLUGIN : CORE_STEP_PUBLISH_MIG;
    struct core_rollout_status s;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        if (w->nodes[node].cluster == a->cluster && status_of(w, node, &s) && s.step == step)
            return node;
    }
    return SIM_NONE;
}

void sim_cover_write(struct sim_world *w, const struct core_action *a, enum sim_fault f)
{
    struct core_rollout_status s;
    uint32_t node = SIM_NONE;
    if (a->kind == CORE_ACTION_NODE_PATCH)
        node = sim_row(SIM_UID_NODE, a->target, w->node_count);
    if (a->kind == CORE_ACTION_CONFIG_PUT)
        node = publisher_of(w, a);
    if (a->kind == CORE_ACTION_POD_EVICT) {
        uint32_t pod = sim_row(SIM_UID_POD, a->target, w->pod_count);
        node = pod == SIM_NONE ? SIM_NONE : w->pods[pod].node;
        /* Another step's eviction is none of the rollout's: a pod is moved. */
        if (!status_of(w, node, &s) || s.step != CORE_STEP_EVICT)
            return;
    }
    if (status_of(w, node, &s))
        count_cell(w, &s, f);
}

void sim_cover_lie_in_wait(struct sim_world *w, enum sim_fault f)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_NODE];
    struct sim_ambush cells[CORE_STEP_COUNT * CORE_ROLLOUT_STATE_COUNT] = {0};
    uint32_t count = 0;
    bool mig = f == SIM_FAULT_MIG_STUCK || f == SIM_FAULT_MIG_FAILED || f == SIM_FAULT_MIG_LIES;
    for (int step = 0; step < CORE_STEP_COUNT; step++) {
        for (int state = 0; state < CORE_ROLLOUT_STATE_COUNT; state++) {
            struct sim_ambush a = {f, (enum core_step_kind)step, (enum core_rollout_state)state};
            if (core_rollout_cell_reachable(a.step, a.state) &&
                    (!mig || a.step == CORE_STEP_SET_MIG))
                cells[count++] = a;
        }
    }
    assert(count > 0);
    struct sim_ambush chosen = cells[prng_below(rng, count)];
    if (w->ambush_count == AMBUSHES_MAX)
        return;
    if (w->ambush_count == w->ambush_cap) {
        w->ambush_cap = w->ambush_cap == 0 ? 64 : w->ambush_cap * 2;
        w->ambushes = mem_grow(w->ambushes, w->ambush_cap, sizeof *w->ambushes);
    }
    w->ambushes[w->ambush_count++] = chosen;
}
