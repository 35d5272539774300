/* core/pod.c - what is done to single pods: evictions, assignments, and moves made of both.
 *
 * Pure.  A move (native caps) is an eviction with a memory: the owner makes a new pod, and the next
 * pending pod of that owner is assigned to the destination.  The memory dies with the controller;
 * then the new pod is placed like any other. */
#include "core/core-priv.h"

#include <string.h>

static const int64_t MOVE_WAIT_NS = CORE_MINUTES(15);

struct core_pod_work *core_pod_work_get(struct core *c, uint32_t pod)
{
    struct core_pod_work *w = &c->pods[pod];
    uint64_t uid = core_pic(c)->pods[pod].fact.uid;
    if (w->uid != uid) {
        core_try_drop(c, &w->try);
        *w = (struct core_pod_work){.uid = uid, .try.op = CORE_NO_INDEX};
    }
    return w;
}

static void work_end(struct core *c, struct core_pod_work *w)
{
    core_try_drop(c, &w->try);
    w->task = CORE_POD_TASK_NONE;
    w->moving = false;
    w->accepted = false;
}

static void log_pod(struct core *c, uint32_t pod, const struct core_pod_work *w,
        enum core_verdict verdict, const struct core_intent *intent)
{
    const struct core_pod_fact *f = &core_pic(c)->pods[pod].fact;
    struct core_decision d = {.cluster = f->cluster,
            .change =
                    w->task == CORE_POD_TASK_EVICT ? CORE_CHANGE_POD_MOVE : CORE_CHANGE_POD_ASSIGN,
            .verdict = verdict,
            .reason = w->reason,
            .node = w->node,
            .pod = f->uid,
            .owner = f->owner,
            .to_value = w->gpu};
    if (intent != NULL) {
        d.saving_microusd_per_hour = intent->saving_microusd_per_hour;
        d.evidence_count = num_min_u32(intent->evidence_count, CORE_EVIDENCE_MAX);
        memcpy(d.evidence, intent->evidence, sizeof(d.evidence));
    }
    core_log(c, &d, intent != NULL ? intent->why : NULL);
}

/* ---- evictions ---- */

static void evict_issue(struct core *c, uint32_t pod, struct core_pod_work *w)
{
    const struct core_pod_view *v = &core_pic(c)->pods[pod];
    struct core_request request = {.action = {.kind = CORE_ACTION_POD_EVICT,
                                           .cluster = v->fact.cluster,
                                           .target = v->fact.uid,
                                           .precondition = v->version,
                                           .reason = w->reason},
            .plan = v->fact.uid,
            .step = CORE_STEP_EVICT};
    core_issue(c, &w->try, &request);
    core_picture_evicting_set(&c->store, pod, true);
}

enum core_step_result core_pod_evict(
        struct core *c, uint32_t pod, enum core_reason reason, enum core_reason *ret_reason)
{
    struct core_pod_work *w = core_pod_work_get(c, pod);
    if (w->task == CORE_POD_TASK_NONE) {
        w->task = CORE_POD_TASK_EVICT;
        w->reason = reason;
    }
    *ret_reason = CORE_REASON_NONE;
    enum core_try_state state = core_try_poll(c, &w->try, core_pic(c)->pods[pod].version);
    if (state != CORE_TRY_WAIT)
        core_picture_evicting_set(&c->store, pod, false);
    if (state == CORE_TRY_FATAL) {
        *ret_reason = CORE_REASON_GUARD_PDB;
        return CORE_STEP_FAIL;
    }
    if (state != CORE_TRY_GO)
        return CORE_STEP_WAIT;
    struct core_why why = {0};
    *ret_reason = core_guard_evict(c, pod, false, &why);
    if (*ret_reason == CORE_REASON_GUARD_BARE_POD)
        return CORE_STEP_FAIL;
    if (*ret_reason == CORE_REASON_NONE) {
        evict_issue(c, pod, w);
    } else {
        core_wake(c, c->now.mono_ns + CORE_SECONDS(30));
    }
    return CORE_STEP_WAIT;
}

/* ---- assignments ---- */

/* w->node, w->gpu and w->reason are set. */
static void assign_start(struct core *c, uint32_t pod, const struct core_intent *intent)
{
    struct core_pod_work *w = core_pod_work_get(c, pod);
    const struct core_pod_view *v = &core_pic(c)->pods[pod];
    w->task = CORE_POD_TASK_ASSIGN;
    struct core_request request = {.action = {.kind = CORE_ACTION_POD_ASSIGN,
                                           .cluster = v->fact.cluster,
                                           .target = v->fact.uid,
                                           .precondition = v->version,
                                           .reason = w->reason,
                                           .assign = {.node = w->node, .gpu = w->gpu}},
            .plan = v->fact.uid,
            .step = CORE_STEP_COUNT};
    if (intent != NULL) {
        request.action.evidence_count = num_min_u32(intent->evidence_count, CORE_EVIDENCE_MAX);
        memcpy(request.action.evidence, intent->evidence, sizeof(request.action.evidence));
    }
    core_issue(c, &w->try, &request);
    core_picture_assigned_set(&c->store, pod, core_picture_node(core_pic(c), w->node), w->gpu);
    log_pod(c, pod, w, CORE_VERDICT_BEGUN, intent);
}

static void destination_set(struct core_pod_work *w, uint64_t node, uint8_t gpu)
{
    w->node = node;
    w->gpu = gpu;
}

/* Bound is done; anything but acceptance ends it too: the next decision sees the world anew. */
static void assign_advance(struct core *c, uint32_t pod, struct core_pod_work *w)
{
    const struct core_pod_view *v = &core_pic(c)->pods[pod];
    if (v->fact.node != 0) {
        if (!core_try_settle(c, &w->try))
            return;
        if (v->fact.node == w->node)
            log_pod(c, pod, w, CORE_VERDICT_DONE, NULL);
        work_end(c, w);
        return;
    }
    bool rejected = w->try.op != CORE_NO_INDEX && c->ops[w->try.op].state == CORE_OP_REJECTED;
    if (!rejected && core_try_poll(c, &w->try, v->version) == CORE_TRY_WAIT)
        return;
    core_picture_assigned_set(&c->store, pod, CORE_NO_INDEX, 0);
    work_end(c, w);
    core_wake(c, c->now.mono_ns + CORE_SECONDS(1));
}

static bool is_waiting(const struct core_pod_view *v)
{
    return v->live && v->fact.node == 0 && v->fact.phase == CORE_POD_PENDING &&
           v->assigned_node == CORE_NO_INDEX;
}

/* ---- moves ---- */

static void move_remember(struct core *c, const struct core_pod_work *w)
{
    struct core_move_view move = {.owner = w->owner,
            .node = w->node,
            .gpu = w->gpu,
            .deadline_mono_ns = c->now.mono_ns + MOVE_WAIT_NS};
    core_picture_move_add(&c->store, &move);
}

static void move_advance(struct core *c, uint32_t pod, struct core_pod_work *w)
{
    const struct core_pod_view *v = &core_pic(c)->pods[pod];
    bool gone = !v->live || v->fact.uid != w->uid;
    bool going = gone || v->fact.phase == CORE_POD_TERMINATING || v->fact.phase == CORE_POD_ENDED;
    if (going) {
        if (!core_try_settle(c, &w->try) && !gone)
            return;
        if (w->node != 0)
            move_remember(c, w);
        if (!gone)
            log_pod(c, pod, w, CORE_VERDICT_DONE, NULL);
        core_approval_spend(c, w->plan);
        work_end(c, w);
        return;
    }
    enum core_reason no = CORE_REASON_NONE;
    enum core_step_result result = core_pod_evict(c, pod, w->reason, &no);
    if (result == CORE_STEP_FAIL || no != CORE_REASON_NONE)
        work_end(c, w); /* what the guard saw has changed since: decide anew */
}

/* The pod that an owner made in place of a moved one goes where the move was for. */
static void moves_advance(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    for (uint32_t i = 0; i < pic->move_count;) {
        struct core_move_view move = pic->moves[i];
        uint32_t pod = 0;
        while (pod < pic->pod_count &&
                !(is_waiting(&pic->pods[pod]) && pic->pods[pod].fact.owner == move.owner))
            pod++;
        struct core_why why = {0};
        bool found = pod < pic->pod_count;
        bool late = c->now.mono_ns >= move.deadline_mono_ns;
        if (!found && !late) {
            core_wake(c, move.deadline_mono_ns);
            i++;
            continue;
        }
        core_picture_move_remove(&c->store, i);
        if (!found || core_guard_assign(c, pod, move.node, false, &why) != CORE_REASON_NONE)
            continue;
        struct core_pod_work *w = core_pod_work_get(c, pod);
        destination_set(w, move.node, move.gpu);
        w->reason = CORE_REASON_REBALANCE;
        assign_start(c, pod, NULL);
    }
}

/* ---- intents, and every step ---- */

static void refuse(struct core *c, uint32_t pod, const struct core_intent *intent,
        enum core_reason reason, const struct core_why *why)
{
    struct core_pod_work *w = core_pod_work_get(c, pod);
    bool proposed = core_proposes(c, core_change_technique(intent->change), reason);
    uint64_t plan = proposed ? core_digest_move(c, pod, intent) : 0;
    if (core_refusal_told(c, &w->refusal, reason, plan))
        return;
    struct core_decision d = {.cluster = intent->cluster,
            .change = intent->change,
            .verdict = proposed ? CORE_VERDICT_PROPOSED : CORE_VERDICT_REFUSED,
            .reason = reason,
            .node = intent->node,
            .pod = intent->pod,
            .owner = intent->owner,
            .saving_microusd_per_hour = intent->saving_microusd_per_hour,
            .evidence_count = why->count};
    memcpy(d.evidence, why->evidence, sizeof(d.evidence));
    if (proposed && d.evidence_count < CORE_EVIDENCE_MAX)
        d.evidence[d.evidence_count++] = (struct core_evidence){"plan", (int64_t)plan};
    core_log(c, &d, proposed ? intent->why : NULL);
}

static void intent_assign(struct core *c, uint32_t pod, const struct core_intent *intent)
{
    struct core_pod_work *w = core_pod_work_get(c, pod);
    struct core_why why = {0};
    if (!is_waiting(&core_pic(c)->pods[pod]) || w->task != CORE_POD_TASK_NONE)
        return;
    enum core_reason no = core_guard_assign(c, pod, intent->node, false, &why);
    if (no == CORE_REASON_NONE)
        no = core_decider_guard(c->decider, core_pic(c), &c->now, intent, why.evidence, &why.count);
    if (no != CORE_REASON_NONE) {
        refuse(c, pod, intent, no, &why);
        return;
    }
    destination_set(w, intent->node, intent->gpu);
    w->reason = intent->reason;
    assign_start(c, pod, intent);
}

static void intent_move(struct core *c, uint32_t pod, const struct core_intent *intent)
{
    struct core_pod_work *w = core_pod_work_get(c, pod);
    struct core_why why = {0};
    if (w->task != CORE_POD_TASK_NONE || core_pic(c)->pods[pod].fact.phase != CORE_POD_RUNNING)
        return;
    enum core_reason no = core_guard_move(c, pod, intent, false);
    if (no == CORE_REASON_NONE)
        no = core_guard_evict(c, pod, false, &why);
    if (no == CORE_REASON_NONE && intent->node != 0) /* 0: away from here, wherever it lands */
        no = core_guard_assign(c, pod, intent->node, false, &why);
    if (no == CORE_REASON_NONE)
        no = core_decider_guard(c->decider, core_pic(c), &c->now, intent, why.evidence, &why.count);
    if (no != CORE_REASON_NONE) {
        refuse(c, pod, intent, no, &why);
        return;
    }
    w->task = CORE_POD_TASK_EVICT;
    w->moving = true;
    w->plan = core_digest_move(c, pod, intent);
    w->owner = core_pic(c)->pods[pod].fact.owner;
    destination_set(w, intent->node, intent->gpu);
    w->reason = intent->reason;
    log_pod(c, pod, w, CORE_VERDICT_BEGUN, intent);
    evict_issue(c, pod, w);
}

void core_pod_intent(struct core *c, const struct core_intent *intent)
{
    uint32_t pod = core_picture_pod(core_pic(c), intent->pod);
    if (pod == CORE_NO_INDEX)
        return;
    if (intent->kind == CORE_INTENT_ASSIGN) {
        intent_assign(c, pod, intent);
    } else {
        intent_move(c, pod, intent);
    }
}

/* An eviction that no rollout wants any more is forgotten, once its outcome is known. */
static void evict_forget(struct core *c, uint32_t pod, struct core_pod_work *w)
{
    const struct core_pod_view *v = &core_pic(c)->pods[pod];
    const struct core_rollout *r = v->node == CORE_NO_INDEX ? NULL : &c->rollouts[v->node];
    bool wanted = r != NULL && r->direction == CORE_DIRECTION_FORWARD &&
                  (core_rollout_step(r) == CORE_STEP_EVICT ||
                          core_rollout_step(r) == CORE_STEP_WAIT_EMPTY);
    if (wanted && v->fact.phase != CORE_POD_TERMINATING)
        return;
    if (core_try_settle(c, &w->try)) {
        core_picture_evicting_set(&c->store, pod, false);
        work_end(c, w);
    }
}

void core_pods_advance(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        struct core_pod_work *w = &c->pods[i];
        if (w->task == CORE_POD_TASK_NONE)
            continue;
        if (w->moving) {
            move_advance(c, i, w);
            continue;
        }
        if (!pic->pods[i].live || pic->pods[i].fact.uid != w->uid) {
            core_try_drop(c, &w->try);
            *w = (struct core_pod_work){.try.op = CORE_NO_INDEX};
        } else if (w->task == CORE_POD_TASK_ASSIGN) {
            assign_advance(c, i, w);
        } else {
            evict_forget(c, i, w);
        }
    }
    moves_advance(c);
}
