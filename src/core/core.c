/* core/core.c - the life of the core and one step of it.
 *
 * Pure.  A step: facts into the picture and to the decider; what runs goes on; the decider says
 * what it wants; what it wants is begun, as far as the guards let it; the checks look at all that.
 */
#include "core/core-priv.h"

#include <assert.h>
#include <string.h>

static const int64_t PROPAGATION_DEFAULT_NS = CORE_SECONDS(150);
static const int64_t DECIDE_DEFAULT_NS = CORE_MINUTES(5);
static const int64_t WAKE_LEAST_NS = CORE_SECONDS(1);
static const int64_t CLOCK_MAX_NS = INT64_MAX / 2; /* the year 2116 */

/* A batch of facts that no honest world sends in one step; the step's arena is bounded by it. */
enum { STEP_ARENA_BYTES = 64 << 20 };

struct core *core_new(const struct core_options *options)
{
    struct core *c = mem_alloc(1, sizeof(*c));
    c->options = *options;
    if (c->options.propagation_ns == 0)
        c->options.propagation_ns = PROPAGATION_DEFAULT_NS;
    if (c->options.decide_every_ns == 0)
        c->options.decide_every_ns = DECIDE_DEFAULT_NS;
    core_picture_init(&c->store);
    c->step = arena_new(STEP_ARENA_BYTES);
    c->decider = core_decider_new(&c->options);
    c->collect_try.op = CORE_NO_INDEX;
    c->solve_try.op = CORE_NO_INDEX;
    return c;
}

struct core *core_free(struct core *c)
{
    if (c == NULL)
        return NULL;
    core_decider_free(c->decider);
    core_picture_clear(&c->store);
    (void)arena_free(c->step);
    map_u64_clear(&c->op_by_id);
    mem_free(c->approvals);
    mem_free(c->ops);
    mem_free(c->rollouts);
    mem_free(c->taints);
    mem_free(c->pods);
    mem_free(c->owners);
    mem_free(c->evictions);
    mem_free(c->actions);
    mem_free(c->decisions);
    mem_free(c);
    return NULL;
}

/* ---- rows beside the picture's ---- */

static void rows_follow(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    if (pic->node_count > c->rollout_cap) {
        uint32_t cap = pic->node_count * 2;
        c->rollouts = mem_grow(c->rollouts, cap, sizeof(*c->rollouts));
        for (uint32_t i = c->rollout_cap; i < cap; i++)
            c->rollouts[i] = (struct core_rollout){.try.op = CORE_NO_INDEX};
        c->taints = mem_grow(c->taints, cap, sizeof(*c->taints));
        for (uint32_t i = c->rollout_cap; i < cap; i++)
            c->taints[i] = (struct core_taint_work){.try.op = CORE_NO_INDEX};
        c->rollout_cap = cap;
    }
    if (pic->pod_count > c->pod_cap) {
        uint32_t cap = pic->pod_count * 2;
        c->pods = mem_grow(c->pods, cap, sizeof(*c->pods));
        for (uint32_t i = c->pod_cap; i < cap; i++)
            c->pods[i] = (struct core_pod_work){.try.op = CORE_NO_INDEX};
        c->pod_cap = cap;
    }
    if (pic->owner_count > c->owner_cap) {
        uint32_t cap = pic->owner_count * 2;
        c->owners = mem_grow(c->owners, cap, sizeof(*c->owners));
        for (uint32_t i = c->owner_cap; i < cap; i++) {
            c->owners[i] =
                    (struct core_owner_work){.try.op = CORE_NO_INDEX, .begun_mono_ns = INT64_MIN};
        }
        c->owner_cap = cap;
    }
}

/* ---- facts ---- */

static void take_solution(struct core *c, const struct core_fact *fact)
{
    if (c->solve_try.op == CORE_NO_INDEX || c->ops[c->solve_try.op].id != fact->solution.action)
        return; /* of a controller before us, or too late */
    core_try_drop(c, &c->solve_try);
    c->totals.solves++;
    core_decider_solved(c->decider, core_pic(c), &c->now, fact->solution.solution);
}

static void take_fact(struct core *c, const struct core_fact *fact)
{
    if (!core_picture_take(&c->store, &c->now, fact))
        return;
    rows_follow(c);
    if (fact->kind == CORE_FACT_OUTCOME) {
        core_op_answer(c, &fact->outcome);
    } else if (fact->kind == CORE_FACT_SOLUTION) {
        take_solution(c, fact);
    } else if (fact->kind == CORE_FACT_APPROVAL) {
        core_approve(c, fact->approval, fact->observed_wall_ns);
    } else if (fact->kind == CORE_FACT_EVICTED) {
        core_evicted(c, fact->cluster, &fact->evicted);
    }
    core_decider_learn(c->decider, core_pic(c), &c->now, fact);
}

/* ---- deciding ---- */

/* A SOLVE that was refused or got lost: the decider may ask again. */
static void solve_advance(struct core *c)
{
    if (c->solve_try.op == CORE_NO_INDEX)
        return;
    enum core_op_state state = c->ops[c->solve_try.op].state;
    if (state != CORE_OP_REJECTED && state != CORE_OP_UNKNOWN)
        return;
    core_try_drop(c, &c->solve_try);
    core_decider_solved(c->decider, core_pic(c), &c->now, NULL);
}

static void take_intent(struct core *c, const struct core_intent *intent)
{
    uint32_t node;
    switch (intent->kind) {
    case CORE_INTENT_NODE:
        node = core_picture_node(core_pic(c), intent->node);
        if (node != CORE_NO_INDEX) {
            core_rollout_begin(c, node, intent);
            core_rollout_show(c, node);
        }
        return;
    case CORE_INTENT_OWNER:
        core_owner_intent(c, intent);
        return;
    case CORE_INTENT_ASSIGN:
    case CORE_INTENT_MOVE:
        core_pod_intent(c, intent);
        return;
    }
}

static void decide(struct core *c)
{
    struct core_decider_output out = {.next_wake_mono_ns = INT64_MAX};
    core_decider_run(c->decider, core_pic(c), &c->now, &out);
    for (uint32_t i = 0; i < out.refusal_count; i++)
        core_log(c, &out.refusals[i], NULL);
    for (uint32_t i = 0; i < out.intent_count; i++)
        take_intent(c, &out.intents[i]);
    if (out.problem != NULL && c->solve_try.op == CORE_NO_INDEX) {
        struct core_request request = {.action = {.kind = CORE_ACTION_SOLVE,
                                               .reason = CORE_REASON_COST,
                                               .solve = {.problem = out.problem,
                                                       .seed = out.solve_seed,
                                                       .iterations = out.solve_iterations}},
                .plan = out.solve_seed,
                .step = (uint32_t)c->totals.solves};
        core_issue(c, &c->solve_try, &request);
    }
    core_wake(c, out.next_wake_mono_ns);
}

/* ---- one step ---- */

void core_step(struct core *c, const struct core_now *now, const struct core_fact *facts,
        uint32_t fact_count, struct core_output *ret_output)
{
    /* Clocks of a damaged recording must not overflow the sums made with them. */
    c->now = (struct core_now){.wall_ns = num_max_i64(num_min_i64(now->wall_ns, CLOCK_MAX_NS), 0),
            .mono_ns = num_max_i64(num_min_i64(now->mono_ns, CLOCK_MAX_NS), 0),
            .epoch = now->epoch};
    if (!c->started) {
        c->started = true;
        c->collect_mono_ns = c->now.mono_ns;
    }
    arena_reset(c->step);
    c->action_count = 0;
    c->decision_count = 0;
    c->wake_mono_ns = INT64_MAX;
    c->violation = NULL;
    c->violation_uid = 0;

    for (uint32_t i = 0; i < fact_count; i++)
        take_fact(c, &facts[i]);
    core_evictions_take_over(c);
    core_ops_expire(c);
    solve_advance(c);
    for (uint32_t i = 0; i < core_pic(c)->node_count; i++)
        core_rollout_advance(c, i);
    core_pods_advance(c);
    core_owners_advance(c);
    decide(c);
    for (uint32_t i = 0; i < core_pic(c)->node_count; i++)
        core_taint_advance(c, i);
    core_collect(c);
    core_check_state(c);

    *ret_output = (struct core_output){.actions = c->actions,
            .action_count = c->action_count,
            .decisions = c->decisions,
            .decision_count = c->decision_count,
            .next_wake_mono_ns = num_max_i64(c->wake_mono_ns, c->now.mono_ns + WAKE_LEAST_NS),
            .violation = c->violation,
            .violation_uid = c->violation_uid};
}

/* ---- looking in ---- */

const struct core_picture *core_picture_get(const struct core *core)
{
    return core_pic(core);
}

void core_totals_get(const struct core *core, struct core_totals *ret_totals)
{
    *ret_totals = core->totals;
}

bool core_history_get(const struct core *core, uint64_t owner, struct buf *text,
        struct core_history_fact *ret_history)
{
    return core_decider_history(core->decider, owner, text, ret_history);
}

uint64_t core_digest(const struct core *core)
{
    return core->digest;
}

const struct core_coverage *core_coverage_get(const struct core *core)
{
    return &core->coverage;
}

bool core_node_stays(
        const struct core *core, uint64_t node, struct str *ret_pod, struct str *ret_why)
{
    uint32_t row = core_picture_node(core_pic(core), node);
    return row != CORE_NO_INDEX &&
           core_decider_node_stays(core->decider, core_pic(core), row, ret_pod, ret_why);
}

bool core_rollout_status_get(
        const struct core *core, uint64_t node, struct core_rollout_status *ret_status)
{
    *ret_status = (struct core_rollout_status){0};
    uint32_t row = core_picture_node(core_pic(core), node);
    if (row == CORE_NO_INDEX)
        return false;
    const struct core_rollout *r = &core->rollouts[row];
    ret_status->next_retry_mono_ns = r->retry_mono_ns;
    if (r->entered_mono_ns == core->now.mono_ns)
        memcpy(ret_status->entered, r->entered, sizeof(r->entered));
    if (!core_rollout_active(r))
        return false;
    ret_status->state = core_rollout_state(r);
    ret_status->step = core_rollout_step(r);
    ret_status->change = r->change;
    ret_status->reason = r->direction == CORE_DIRECTION_FORWARD ? r->reason : r->turned;
    ret_status->waits_on = r->waits_on;
    ret_status->plan = r->plan_id;
    ret_status->attempt = r->try.attempt;
    ret_status->clear_gpus = r->plan.clear_gpus;
    ret_status->since_wall_ns = r->since_wall_ns;
    return true;
}
