/* core/rollout.c - the machine that walks a plan on a node: begin, advance, turn back, finish.
 *
 * Pure.  What a single step does is in rollout_step.c; taking one up after a restart in adopt.c. */
#include "core/core-priv.h"

#include "base/prng.h"

#include <assert.h>
#include <string.h>

/* TUNING: after a change that ended badly the node is left alone this long, doubling. */
static const int64_t RETRY_FIRST_NS = CORE_MINUTES(10);
static const int64_t RETRY_MAX_NS = CORE_HOURS(6);
enum { HANDS_MAX = 3 }; /* changes set back by somebody before none is begun for RETRY_FIRST_NS */
static const int64_t HOLD_NS = CORE_HOURS(6);           /* a hold that nobody renews is lifted */
static const int64_t WINDOW_WAIT_NS = CORE_MINUTES(10); /* of a node that is closed and empty */

/* ---- the record ---- */

void core_rollout_record(struct core *c, struct core_rollout *r, enum core_record_state state)
{
    struct core_record record = {.plan = r->plan_id,
            .state = state,
            .change = r->change,
            .reason = r->direction == CORE_DIRECTION_FORWARD ? r->reason : r->turned,
            .since_wall_ns = r->since_wall_ns,
            .tries = r->tries,
            .cordon = r->uncordons && state != CORE_RECORD_REST,
            .to = r->to,
            .from = r->from};
    if (state == CORE_RECORD_HOLD) {
        record.retry_wall_ns = c->now.wall_ns + HOLD_NS;
    } else if (r->retry_mono_ns > c->now.mono_ns) {
        record.retry_wall_ns = c->now.wall_ns + (r->retry_mono_ns - c->now.mono_ns);
    }
    if (state == CORE_RECORD_REST && !r->owes) {
        record.to = (struct core_setup){.replicas = r->to.replicas};
        record.from = (struct core_setup){.replicas = r->from.replicas};
    }
    struct buf out = BUF_INIT(CORE_ANNOTATION_MAX);
    r->record_len = 0;
    if (r->owes && core_record_write(&record, &out, NULL) != 0) {
        r->owes = false; /* no room for the originals: what a person then finds is the reason */
        buf_clear(&out);
        core_rollout_record(c, r, state);
        return;
    }
    if (out.len > 0 || core_record_write(&record, &out, NULL) == 0) {
        r->record_len = (uint32_t)out.len;
        memcpy(r->record, out.ptr, out.len);
    }
    r->record[r->record_len] = 0;
    buf_clear(&out);
}

static void record_clear(struct core_rollout *r)
{
    r->record_len = 0;
    r->record[0] = 0;
}

/* ---- state ---- */

static enum core_rollout_state forward_state(enum core_step_kind step)
{
    switch (step) {
    case CORE_STEP_PUBLISH_PLUGIN:
    case CORE_STEP_PUBLISH_MIG:
    case CORE_STEP_PROPAGATE:
    case CORE_STEP_CLAIM:
        return CORE_ROLLOUT_PENDING;
    case CORE_STEP_EVICT:
    case CORE_STEP_WAIT_EMPTY:
    case CORE_STEP_SET_MIG:
    case CORE_STEP_WAIT_MIG_STARTED:
    case CORE_STEP_WAIT_MIG_DONE:
    case CORE_STEP_SET_PLUGIN:
    case CORE_STEP_SET_POOL:
        return CORE_ROLLOUT_ISSUED;
    case CORE_STEP_WAIT_ALLOCATABLE:
    case CORE_STEP_VERIFY:
        return CORE_ROLLOUT_OBSERVED;
    case CORE_STEP_RELEASE:
    case CORE_STEP_WAIT_GONE:
        return CORE_ROLLOUT_VERIFIED;
    case CORE_STEP_COUNT:
        break;
    }
    assert(step != CORE_STEP_COUNT);
    return CORE_ROLLOUT_NONE;
}

enum core_rollout_state core_rollout_state(const struct core_rollout *r)
{
    switch (r->direction) {
    case CORE_DIRECTION_NONE:
        return CORE_ROLLOUT_NONE;
    case CORE_DIRECTION_FORWARD:
        return forward_state(core_rollout_step(r));
    case CORE_DIRECTION_UNDO:
        return core_rollout_step(r) == CORE_STEP_RELEASE ? CORE_ROLLOUT_UNDONE
                                                         : CORE_ROLLOUT_UNDOING;
    case CORE_DIRECTION_ABANDON:
        return CORE_ROLLOUT_ABANDONED;
    }
    assert(r->direction == CORE_DIRECTION_NONE);
    return CORE_ROLLOUT_NONE;
}

bool core_rollout_cell_reachable(enum core_step_kind step, enum core_rollout_state state)
{
    switch (state) {
    case CORE_ROLLOUT_PENDING:
    case CORE_ROLLOUT_ISSUED:
    case CORE_ROLLOUT_OBSERVED:
    case CORE_ROLLOUT_VERIFIED:
        return forward_state(step) == state;
    case CORE_ROLLOUT_UNDOING:
        /* Nothing new is published, nobody is evicted on the way back: the node was kept closed. */
        return step == CORE_STEP_CLAIM || step == CORE_STEP_WAIT_EMPTY ||
               step == CORE_STEP_SET_MIG || step == CORE_STEP_WAIT_MIG_STARTED ||
               step == CORE_STEP_WAIT_MIG_DONE || step == CORE_STEP_SET_PLUGIN ||
               step == CORE_STEP_SET_POOL || step == CORE_STEP_WAIT_ALLOCATABLE;
    case CORE_ROLLOUT_UNDONE:
    case CORE_ROLLOUT_ABANDONED:
        return step == CORE_STEP_RELEASE;
    case CORE_ROLLOUT_NONE:
    case CORE_ROLLOUT_STATE_COUNT:
        break;
    }
    return false;
}

void core_rollout_enter(struct core *c, struct core_rollout *r, uint32_t at)
{
    assert(at < r->plan.count);
    core_try_drop(c, &r->try);
    r->at = at;
    r->waits_on = CORE_REASON_NONE;
    r->step_since_mono_ns = c->now.mono_ns;
    if (core_rollout_step(r) == CORE_STEP_RELEASE) {
        if (r->direction == CORE_DIRECTION_FORWARD) {
            record_clear(r);
        } else {
            core_rollout_record(c, r, CORE_RECORD_REST);
        }
    }
    enum core_rollout_state state = core_rollout_state(r);
    c->coverage.cells[core_rollout_step(r)][state]++;
    if (r->entered_mono_ns != c->now.mono_ns)
        memset(r->entered, 0, sizeof(r->entered));
    r->entered_mono_ns = c->now.mono_ns;
    r->entered[state] |= (uint16_t)(1u << core_rollout_step(r));
    if (!core_rollout_cell_reachable(core_rollout_step(r), state))
        core_violate(c, CORE_REASON_CHECK_UNREACHABLE, r->uid);
}

/* What decide and reports see. */
void core_rollout_show(struct core *c, uint32_t node)
{
    const struct core_rollout *r = &c->rollouts[node];
    struct core_rollout_view view = {.active = core_rollout_active(r),
            .change = r->change,
            .held = r->held,
            .retiring = core_rollout_active(r) && r->plan.kind == CORE_PLAN_RETIRE &&
                        r->direction == CORE_DIRECTION_FORWARD,
            .frozen = c->now.mono_ns < r->retry_mono_ns,
            .next_retry_mono_ns = r->retry_mono_ns};
    core_picture_rollout_set(&c->store, node, &view);
}

/* ---- decisions ---- */

void core_rollout_log(struct core *c, uint32_t node, enum core_verdict verdict,
        enum core_reason reason, const struct core_why *why)
{
    const struct core_rollout *r = &c->rollouts[node];
    struct core_decision d = {.cluster = r->intent.cluster,
            .change = r->change,
            .verdict = verdict,
            .reason = reason,
            .node = r->uid,
            .from_value = num_max_u32(r->from.replicas, r->from.mig_replicas),
            .to_value = num_max_u32(r->to.replicas, r->to.mig_replicas),
            .saving_microusd_per_hour = r->intent.saving_microusd_per_hour};
    if (why != NULL && why->count > 0) {
        d.evidence_count = why->count;
        memcpy(d.evidence, why->evidence, sizeof(d.evidence));
    } else {
        d.evidence_count = num_min_u32(r->intent.evidence_count, CORE_EVIDENCE_MAX);
        memcpy(d.evidence, r->intent.evidence, sizeof(d.evidence));
    }
    bool told = verdict == CORE_VERDICT_BEGUN || verdict == CORE_VERDICT_PROPOSED;
    core_log(c, &d, told ? r->intent.why : NULL);
}

/* ---- begin ---- */

static enum core_plan_kind plan_kind(const struct core_intent *intent)
{
    if (intent->target.retire)
        return CORE_PLAN_RETIRE;
    if (intent->target.hold)
        return CORE_PLAN_HOLD;
    return intent->change == CORE_CHANGE_RELEASE ? CORE_PLAN_RELEASE : CORE_PLAN_CONFIG;
}

static bool setup_same(const struct core_setup *a, const struct core_setup *b)
{
    return strcmp(a->plugin_key, b->plugin_key) == 0 && strcmp(a->mig_key, b->mig_key) == 0 &&
           strcmp(a->pool, b->pool) == 0;
}

static void name_copy(struct core_rollout *r, struct str name)
{
    size_t len = name.len < sizeof(r->name) - 1 ? name.len : sizeof(r->name) - 1;
    memset(r->name, 0, sizeof(r->name));
    if (len > 0)
        memcpy(r->name, name.ptr, len);
}

/* Fills `next` with the rollout that `intent` asks of a node that is at rest, held or retiring. One
 * that brings originals back leads exactly there. */
static void rollout_prepare(
        struct core *c, uint32_t node, const struct core_intent *intent, struct core_rollout *next)
{
    const struct core_setup originals = next->from;
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    enum core_plan_kind kind = plan_kind(intent);
    bool ours = next->held || core_rollout_active(next); /* the cordon that is there already */
    next->held = false;
    next->direction = CORE_DIRECTION_FORWARD;
    next->change = intent->change;
    next->reason = intent->reason;
    next->turned = CORE_REASON_NONE;
    next->owes = false;
    next->intent = *intent;
    next->intent.why[sizeof(next->intent.why) - 1] = 0;
    next->since_wall_ns = c->now.wall_ns;
    next->adopted = false;
    name_copy(next, f->name);
    core_setup_read(core_pic(c), node, &next->from);
    next->to = next->from;
    if (kind == CORE_PLAN_CONFIG && intent->reason == CORE_REASON_RESTORE) {
        next->to = originals;
    } else if (kind == CORE_PLAN_CONFIG) {
        core_setup_from_target(&intent->target, &next->from, f->gpu_count, &next->to);
    }
    if (next->from.mig_key[0] == 0 && next->to.mig_key[0] != 0)
        core_setup_mig_off(f->gpu_count, &next->from);
    if (kind == CORE_PLAN_CONFIG && ours && setup_same(&next->from, &next->to))
        kind = CORE_PLAN_RELEASE;
    core_plan_make(kind, &next->from, &next->to, &f->caps, &next->plan);
    next->uncordons = ours || next->plan.cordons;
    next->wrote = ours;
    next->claimed = false;
    next->taken = 0;
    next->found_annotation = str_hash(f->annotation, 0);
    next->content_id = core_digest_node(c, node, next);
    next->plan_id = prng_mix(next->content_id, (uint64_t)c->now.wall_ns);
}

static enum core_record_state record_state(const struct core_rollout *r)
{
    if (r->plan.kind == CORE_PLAN_HOLD)
        return CORE_RECORD_HOLD;
    return r->plan.kind == CORE_PLAN_RETIRE ? CORE_RECORD_RETIRE : CORE_RECORD_FORWARD;
}

/* True when the intent asks for nothing that is not there, or comes at the wrong time. */
static bool intent_is_moot(struct core *c, uint32_t node, const struct core_intent *intent)
{
    struct core_rollout *r = &c->rollouts[node];
    enum core_plan_kind kind = plan_kind(intent);
    bool planted = c->options.plant_bug[CORE_REASON_CHECK_TWO_PLANS];
    if (core_rollout_active(r)) {
        bool retiring = r->direction == CORE_DIRECTION_FORWARD && r->plan.kind == CORE_PLAN_RETIRE;
        return planted ? r->content_id == 0 : !retiring || kind == CORE_PLAN_RETIRE;
    }
    if (kind == CORE_PLAN_HOLD && r->held) {
        r->held_until_mono_ns = c->now.mono_ns + HOLD_NS;
        return true;
    }
    return kind == CORE_PLAN_RELEASE && !r->held;
}

static void refuse(struct core *c, uint32_t node, const struct core_rollout *next,
        enum core_reason reason, const struct core_why *why)
{
    struct core_rollout *r = &c->rollouts[node];
    bool proposed = core_proposes(c, core_change_technique(next->change), reason);
    uint64_t plan = proposed ? next->content_id : (uint64_t)next->change;
    if (core_refusal_told(c, &r->refusal, reason, plan))
        return;
    enum core_verdict verdict = proposed ? CORE_VERDICT_PROPOSED : CORE_VERDICT_REFUSED;
    struct core_decision d = {.cluster = next->intent.cluster,
            .change = next->change,
            .verdict = verdict,
            .reason = reason,
            .node = next->uid,
            .from_value = num_max_u32(next->from.replicas, next->from.mig_replicas),
            .to_value = num_max_u32(next->to.replicas, next->to.mig_replicas),
            .saving_microusd_per_hour = next->intent.saving_microusd_per_hour,
            .evidence_count = why->count};
    memcpy(d.evidence, why->evidence, sizeof(d.evidence));
    if (proposed && d.evidence_count < CORE_EVIDENCE_MAX)
        d.evidence[d.evidence_count++] = (struct core_evidence){"plan", (int64_t)plan};
    core_log(c, &d, proposed ? next->intent.why : NULL);
}

static void rest(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    core_try_drop(c, &r->try);
    r->direction = CORE_DIRECTION_NONE;
    r->wrote = false;
    r->claimed = false;
    r->uncordons = false;
    r->closed_since_mono_ns = 0;
    r->waits_on = CORE_REASON_NONE;
}

void core_rollout_begin(struct core *c, uint32_t node, const struct core_intent *intent)
{
    struct core_rollout *r = &c->rollouts[node];
    bool unclaimed = core_rollout_active(r) && !r->wrote;
    if (unclaimed && r->plan.kind == CORE_PLAN_RETIRE && plan_kind(intent) != CORE_PLAN_RETIRE)
        rest(c, node); /* not begun in earnest: just dropped */
    if (intent_is_moot(c, node, intent))
        return;
    struct core_rollout next = *r;
    rollout_prepare(c, node, intent, &next);
    if (next.plan.kind == CORE_PLAN_CONFIG && setup_same(&next.from, &next.to))
        return; /* the node is what it should be */
    core_rollout_record(c, &next, record_state(&next));
    struct core_why why = {0};
    enum core_reason no = next.record_len == 0 ? CORE_REASON_GUARD_CAPS
                                               : core_guard_claim(c, node, &next, false, &why);
    if (no != CORE_REASON_NONE) {
        refuse(c, node, &next, no, &why);
        return;
    }
    core_try_drop(c, &r->try);
    next.try = r->try;
    next.refusal = (struct core_refusal){0};
    *r = next;
    core_rollout_log(c, node, CORE_VERDICT_BEGUN, r->reason, NULL);
    core_rollout_enter(c, r, 0);
    core_rollout_advance(c, node);
}

/* ---- turning back ---- */

static void back_off(struct core *c, struct core_rollout *r)
{
    uint32_t shift = num_min_u32(r->tries, 8);
    r->tries++;
    r->retry_mono_ns = c->now.mono_ns + num_min_i64(RETRY_FIRST_NS << shift, RETRY_MAX_NS);
}

/* Who sets back what we write would set back the next change too: after some, none is begun for a
 * while.  Keys are for all nodes, so one that does not stay is enough. */
static void note_hand(struct core *c, const struct core_rollout *r)
{
    struct core_hand *hand = &c->hands[r->intent.cluster];
    enum core_step_kind step = core_rollout_step(r);
    bool key = step == CORE_STEP_PUBLISH_PLUGIN || step == CORE_STEP_PUBLISH_MIG ||
               (step == CORE_STEP_PROPAGATE && r->taken > 0);
    hand->count = key ? num_max_u32(hand->count + 1, HANDS_MAX) : hand->count + 1;
    if (hand->count < HANDS_MAX)
        return;
    int64_t wait = RETRY_FIRST_NS << num_min_u32(hand->count - HANDS_MAX, 8);
    hand->until_mono_ns = c->now.mono_ns + num_min_i64(wait, RETRY_MAX_NS);
}

static bool restores(const struct core_rollout *r)
{
    return r->direction == CORE_DIRECTION_FORWARD && r->reason == CORE_REASON_RESTORE;
}

/* The rollout was the way back itself: what it was to bring back are the originals still. */
static void originals_keep(struct core_rollout *r)
{
    struct core_setup originals = r->to;
    r->to = r->from;
    r->from = originals;
}

/* How long until the MIG label may be written; a policy without windows may get some. */
static int64_t until_window_ns(const struct core *c)
{
    int64_t next = 0;
    if (core_in_window(c, &next))
        return 0;
    return next == INT64_MAX ? RETRY_MAX_NS : next - c->now.wall_ns;
}

static void abandon(struct core *c, uint32_t node, enum core_reason why)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    if (restores(r))
        originals_keep(r);
    r->owes = str_eq_c(f->mig_config, r->to.mig_key) && r->from.mig_key[0] != 0 &&
              strcmp(r->from.mig_key, r->to.mig_key) != 0;
    if (r->owes)
        r->retry_mono_ns = num_max_i64(r->retry_mono_ns, c->now.mono_ns + until_window_ns(c));
    r->direction = CORE_DIRECTION_ABANDON;
    r->turned = why;
    core_plan_make(CORE_PLAN_RELEASE, &r->from, &r->to, &f->caps, &r->plan);
    core_rollout_enter(c, r, 0);
}

static void undo(struct core *c, uint32_t node, enum core_reason why)
{
    struct core_rollout *r = &c->rollouts[node];
    struct core_plan back;
    core_plan_undo(&r->from, &r->to, &core_pic(c)->nodes[node].fact, r->plan.clear_gpus, &back);
    if (c->options.plant_bug[CORE_REASON_CHECK_UNREACHABLE])
        back = r->plan; /* the planted bug: walks forward again while undoing */
    /* A raise in place lets pods in: taking the ids away again could hand a GPU out twice. */
    if (back.plugin_changes && back.clear_gpus == 0) {
        abandon(c, node, why);
        return;
    }
    /* The MIG label waits for a window; a node does not, closed and empty, for hours. */
    if (back.mig_changes && until_window_ns(c) > WINDOW_WAIT_NS) {
        abandon(c, node, CORE_REASON_GUARD_WINDOW);
        return;
    }
    r->direction = CORE_DIRECTION_UNDO;
    r->turned = why;
    r->plan = back;
    core_rollout_record(c, r, CORE_RECORD_UNDO);
    core_rollout_enter(c, r, 0);
}

void core_rollout_turn(struct core *c, uint32_t node, enum core_reason why)
{
    struct core_rollout *r = &c->rollouts[node];
    if (r->direction == CORE_DIRECTION_FORWARD)
        back_off(c, r);
    if (r->direction == CORE_DIRECTION_FORWARD && why == CORE_REASON_GUARD_FOREIGN)
        note_hand(c, r);
    if (!r->wrote) {
        core_rollout_log(c, node, CORE_VERDICT_UNDONE, why, NULL);
        if (restores(r)) {
            originals_keep(r);
            r->owes = true;
        }
        rest(c, node);
    } else if (r->direction == CORE_DIRECTION_FORWARD && !restores(r)) {
        undo(c, node, why);
    } else {
        abandon(c, node, why);
    }
}

/* ---- the end ---- */

static void finish(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    if (r->direction == CORE_DIRECTION_FORWARD) {
        core_rollout_log(c, node, CORE_VERDICT_DONE, r->reason, NULL);
        core_approval_spend(c, r->content_id);
        if (r->plan.kind == CORE_PLAN_CONFIG)
            c->hands[r->intent.cluster] = (struct core_hand){0};
        r->tries = 0;
        r->retry_mono_ns = 0;
        r->held = r->plan.kind == CORE_PLAN_HOLD;
        r->held_until_mono_ns = c->now.mono_ns + HOLD_NS;
    } else {
        core_rollout_log(c, node,
                r->direction == CORE_DIRECTION_UNDO ? CORE_VERDICT_UNDONE : CORE_VERDICT_ABANDONED,
                r->turned, NULL);
    }
    rest(c, node);
}

/* The node that the row was about is gone, whatever was being done with it. */
static void node_left(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    if (core_rollout_active(r)) {
        bool wanted = r->plan.kind == CORE_PLAN_RETIRE && r->direction == CORE_DIRECTION_FORWARD;
        struct core_decision d = {.cluster = r->intent.cluster,
                .change = r->change,
                .verdict = wanted ? CORE_VERDICT_DONE : CORE_VERDICT_ABANDONED,
                .reason = CORE_REASON_NODE_GONE,
                .node = r->uid,
                .from_value = r->from.replicas,
                .to_value = r->to.replicas,
                .saving_microusd_per_hour = r->intent.saving_microusd_per_hour};
        d.text = str_from(arena_printf(c->step, "%s: %s %s: the Node object is gone", r->name,
                core_change_name(r->change), core_verdict_name(d.verdict)));
        core_log(c, &d, NULL);
    }
    core_try_drop(c, &r->try);
    *r = (struct core_rollout){.try.op = CORE_NO_INDEX};
}

/* ---- walking ---- */

/* One step; true when there may be more to do at once. */
static bool walk(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    enum core_reason why = CORE_REASON_TIMEOUT;
    switch (core_step_run(c, node, &why)) {
    case CORE_STEP_WAIT:
        return false;
    case CORE_STEP_DONE:
        if (r->at + 1 < r->plan.count) {
            core_rollout_enter(c, r, r->at + 1);
        } else {
            finish(c, node);
        }
        return true;
    case CORE_STEP_BACK:
        core_rollout_enter(c, r, r->at - 1);
        return true;
    case CORE_STEP_AGAIN:
        undo(c, node, r->turned);
        return true;
    case CORE_STEP_FAIL:
        core_rollout_turn(c, node, why);
        return true;
    }
    return false;
}

static void hold_expire(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    if (!r->held || core_rollout_active(r))
        return;
    core_wake(c, r->held_until_mono_ns);
    if (c->now.mono_ns < r->held_until_mono_ns)
        return;
    struct core_intent lift = {.kind = CORE_INTENT_NODE,
            .change = CORE_CHANGE_RELEASE,
            .reason = CORE_REASON_RETRY,
            .cluster = core_pic(c)->nodes[node].fact.cluster,
            .node = r->uid};
    core_rollout_begin(c, node, &lift);
}

/* Brings the originals back once the waiting time is over: begun like any change, under its guards,
 * because pods may have come meanwhile.  Refused, it is asked for again later. */
static void restore(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    const bool *sync = core_pic(c)->sync[f->cluster];
    if (!r->owes || core_rollout_active(r) || c->now.mono_ns < r->retry_mono_ns ||
            !sync[CORE_SOURCE_NODES] || !sync[CORE_SOURCE_CONFIG])
        return;
    uint32_t key = core_picture_config(
            core_pic(c), f->cluster, CORE_CONFIG_MIG, str_from(r->from.mig_key));
    if (!str_eq_c(f->mig_config, r->to.mig_key) || key == CORE_NO_INDEX) {
        r->owes = false; /* somebody's hand was there first, or took the way back away */
        return;
    }
    struct core_intent back = {.kind = CORE_INTENT_NODE,
            .change = CORE_CHANGE_MIG_RELAYOUT,
            .reason = CORE_REASON_RESTORE,
            .cluster = f->cluster,
            .node = r->uid,
            .target.replicas = r->from.replicas};
    core_rollout_begin(c, node, &back);
    if (!core_rollout_active(r)) {
        int64_t wait = num_max_i64(until_window_ns(c), RETRY_FIRST_NS);
        r->retry_mono_ns = c->now.mono_ns + wait;
    }
}

void core_rollout_advance(struct core *c, uint32_t node)
{
    enum { WALK_MAX = 4 * CORE_PLAN_STEPS_MAX };
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    if (r->uid != 0 && (!v->live || v->fact.uid != r->uid))
        node_left(c, node);
    if (!v->live)
        return;
    if (r->uid == 0) {
        r->uid = v->fact.uid;
        r->intent.cluster = v->fact.cluster;
    }
    core_adopt(c, node);
    for (uint32_t i = 0; core_rollout_active(r) && walk(c, node); i++) {
        assert(i < WALK_MAX);
        /* A rollout that gave way to a record which is on the node already leaves it no step alone:
         * its cordon would be there without anybody who answers for it. */
        core_adopt(c, node);
    }
    restore(c, node);
    if (c->now.mono_ns < r->retry_mono_ns)
        core_wake(c, r->retry_mono_ns);
    hold_expire(c, node);
    core_rollout_show(c, node);
}
