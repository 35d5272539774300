/* sim/cover.c - which faults met which step of which rollout; faults that lie in wait.  Pure.
 *
 * A cell is (step kind, rollout state, fault).  A write's fault counts where the rollout stood that
 * issued it; one that is over at once (an XID, a kill) where the rollouts stood that it met (an
 * application fault meets one on the GPUs that must be empty for it, if it is not in place); one
 * that lasts (a lost watch, a dead node, a wrong clock ...) once in every step that a rollout was
 * at while it was in force.
 *
 * Some steps are over within a second, and some are rare: a fault drawn by the hour never meets
 * them.  So half of the faults do not strike where they were drawn but lie in wait: a cell is drawn
 * evenly, and the next rollout that comes to it is struck there. */
#include "sim/world-priv.h"

#include <assert.h>

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
static void count_cells(struct sim_world *w, const struct core_rollout_status *s, uint32_t mask)
{
    struct sim_coverage *c = w->config->coverage;
    for (unsigned state = 0; c != NULL && state < CORE_ROLLOUT_STATE_COUNT; state++) {
        for (unsigned step = 0; s->entered[state] >> step != 0; step++) {
            for (unsigned f = 0; (s->entered[state] >> step & 1) != 0 && mask >> f != 0; f++)
                c->table[step][state][f] += mask >> f & 1;
        }
    }
}

static void count_visits(struct sim_world *w, const struct core_rollout_status *s)
{
    struct sim_coverage *c = w->config->coverage;
    for (unsigned state = 0; c != NULL && state < CORE_ROLLOUT_STATE_COUNT; state++) {
        for (unsigned step = 0; s->entered[state] >> step != 0; step++)
            c->visits[step][state] += s->entered[state] >> step & 1;
    }
}

enum { RARE_WEIGHT = 8 };

static bool is_write_fault(unsigned f)
{
    return f <= SIM_FAULT_UNKNOWN_LOST;
}

/* Away from a run of its own mig-manager can fail only when it restarts. */
static bool strike(struct sim_world *w, uint32_t node, enum core_step_kind step, enum sim_fault f)
{
    bool restart = f == SIM_FAULT_MIG_FAILED || f == SIM_FAULT_MIG_STUCK;
    return restart && step != CORE_STEP_SET_MIG ? sim_mig_restart(w, node, f)
                                                : sim_fault_strike(w, node, f);
}

/* A fault that waits for this cell strikes the node that came to it: one a visit. */
static void spring(
        struct sim_world *w, uint32_t node, enum core_step_kind step, enum core_rollout_state state)
{
    uint32_t *waiting = &w->ambushes[step][state];
    if (*waiting >> (SIM_FAULT_UNKNOWN_LOST + 1) == 0)
        return;
    unsigned first = (unsigned)prng_below(&w->rng[SIM_STREAM_FAULT_NODE], SIM_FAULT_COUNT);
    for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
        unsigned f = (first + i) % SIM_FAULT_COUNT;
        bool here = (*waiting >> f & 1) != 0 && !is_write_fault(f) && f != SIM_FAULT_KILLED;
        if (here && strike(w, node, step, (enum sim_fault)f)) {
            *waiting &= ~(1u << f);
            return;
        }
    }
}

/* Steps that were passed at once included: what strikes now does so before anything that the step
 * asks for has left the controller. */
static void spring_entered(struct sim_world *w, uint32_t node, const struct core_rollout_status *s)
{
    for (unsigned state = 0; state < CORE_ROLLOUT_STATE_COUNT; state++) {
        for (unsigned step = 0; s->entered[state] >> step != 0; step++) {
            if ((s->entered[state] >> step & 1) != 0)
                spring(w, node, (enum core_step_kind)step, (enum core_rollout_state)state);
        }
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
        if (stepped)
            spring_entered(w, node, &s);
        uint32_t mask = in_force(w, node);
        uint32_t fresh = mask & ~n->cover_mask;
        n->cover_mask = mask;
        if (stepped) {
            count_visits(w, &s);
            count_cells(w, &s, mask);
        }
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

bool sim_cover_spring_kill(struct sim_world *w)
{
    const uint32_t bit = 1u << SIM_FAULT_KILLED;
    struct core_rollout_status s;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        (void)status_of(w, w->nodes_live.items[i], &s);
        for (unsigned state = 0; state < CORE_ROLLOUT_STATE_COUNT; state++) {
            for (unsigned step = 0; s.entered[state] >> step != 0; step++) {
                uint32_t *waiting = &w->ambushes[step][state];
                if ((s.entered[state] >> step & 1) != 0 && (*waiting & bit) != 0) {
                    *waiting &= ~bit;
                    return true;
                }
            }
        }
    }
    return false;
}

/* A controller that dies before anything left it is seen by nobody in the steps that it has just
 * passed: it might as well have died in any of them. */
void sim_cover_kill(struct sim_world *w, bool early)
{
    struct core_rollout_status s;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        bool active = status_of(w, w->nodes_live.items[i], &s);
        bool entered = active && (s.entered[s.state] >> s.step & 1) != 0;
        if (early)
            count_cells(w, &s, 1u << SIM_FAULT_KILLED);
        if (active && !(early && entered))
            count_cell(w, &s, SIM_FAULT_KILLED);
    }
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

/* Where the rollout stands that issued a write; false when none did. */
static bool cell_of_write(const struct sim_world *w, const struct core_action *a,
        struct core_rollout_status *ret_status)
{
    uint32_t node = SIM_NONE;
    if (a->kind == CORE_ACTION_NODE_PATCH)
        node = sim_row(SIM_UID_NODE, a->target, w->node_count);
    if (a->kind == CORE_ACTION_CONFIG_PUT)
        node = publisher_of(w, a);
    if (a->kind == CORE_ACTION_POD_EVICT) {
        uint32_t pod = sim_row(SIM_UID_POD, a->target, w->pod_count);
        node = pod == SIM_NONE ? SIM_NONE : w->pods[pod].node;
        /* Another step's eviction is none of the rollout's: a pod is moved. */
        return status_of(w, node, ret_status) && ret_status->step == CORE_STEP_EVICT;
    }
    return status_of(w, node, ret_status);
}

void sim_cover_write(struct sim_world *w, const struct core_action *a, enum sim_fault f)
{
    struct core_rollout_status s;
    if (cell_of_write(w, a, &s))
        count_cell(w, &s, f);
}

enum sim_fault sim_cover_spring_write(struct sim_world *w, const struct core_action *a)
{
    struct core_rollout_status s;
    if (!cell_of_write(w, a, &s))
        return SIM_FAULT_COUNT;
    enum { KINDS = SIM_FAULT_UNKNOWN_LOST + 1 };
    uint32_t *waiting = &w->ambushes[s.step][s.state];
    if ((*waiting & ((1u << KINDS) - 1)) == 0)
        return SIM_FAULT_COUNT;
    unsigned first = (unsigned)prng_below(&w->rng[SIM_STREAM_FAULT_WRITE], KINDS);
    for (unsigned i = 0; i < KINDS; i++) {
        unsigned f = (first + i) % KINDS;
        if ((*waiting >> f & 1) != 0) {
            *waiting &= ~(1u << f);
            return (enum sim_fault)f;
        }
    }
    return SIM_FAULT_COUNT;
}

/* Cells where it makes sense to wait: a write fault where something is written, a MIG fault where
 * mig-manager is about to run.  It may also restart: and fail then on the way back, or hang while a
 * change begins, is verified, or a node waits to go. */
static bool waits_at(enum sim_fault f, unsigned step, unsigned state)
{
    static const uint32_t writes = 1u << CORE_STEP_PUBLISH_PLUGIN | 1u << CORE_STEP_PUBLISH_MIG |
                                   1u << CORE_STEP_CLAIM | 1u << CORE_STEP_EVICT |
                                   1u << CORE_STEP_SET_MIG | 1u << CORE_STEP_SET_PLUGIN |
                                   1u << CORE_STEP_SET_POOL | 1u << CORE_STEP_RELEASE;
    if (!core_rollout_cell_reachable((enum core_step_kind)step, (enum core_rollout_state)state))
        return false;
    if (is_write_fault(f))
        return (writes >> step & 1) != 0;
    if (f == SIM_FAULT_MIG_FAILED && state == CORE_ROLLOUT_UNDOING)
        return true;
    if (f == SIM_FAULT_MIG_STUCK && state != CORE_ROLLOUT_UNDOING &&
            (step == CORE_STEP_CLAIM || step == CORE_STEP_VERIFY || step == CORE_STEP_WAIT_GONE))
        return true;
    bool mig = f == SIM_FAULT_MIG_STUCK || f == SIM_FAULT_MIG_FAILED || f == SIM_FAULT_MIG_LIES;
    return !mig || step == CORE_STEP_SET_MIG;
}

bool sim_cover_lie_in_wait(struct sim_world *w, struct prng *rng, enum sim_fault f)
{
    uint32_t *cells[RARE_WEIGHT * CORE_STEP_COUNT * CORE_ROLLOUT_STATE_COUNT] = {0};
    uint32_t count = 0;
    for (unsigned step = 0; step < CORE_STEP_COUNT; step++) {
        for (unsigned state = 0; state < CORE_ROLLOUT_STATE_COUNT; state++) {
            /* Few nodes are given up with pods on them. */
            bool rare = f == SIM_FAULT_XID_APPLICATION && state == CORE_ROLLOUT_ABANDONED;
            for (unsigned i = 0; i < (rare ? RARE_WEIGHT : 1) && waits_at(f, step, state); i++)
                cells[count++] = &w->ambushes[step][state];
        }
    }
    assert(count > 0);
    uint32_t *chosen = cells[prng_below(rng, count)];
    bool fresh = (*chosen >> f & 1) == 0;
    *chosen |= 1u << f;
    return fresh;
}
