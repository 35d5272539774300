/* core/core-priv.h - the state of the core, and what its parts offer each other.
 *
 *   core.c      life, one step, totals and digest
 *   door.c      the one way out: actions and decisions leave here, are audited and counted
 *   guard.c     may it be done now
 *   check.c     what must never be seen
 *   rollout.c   the machine that walks a plan on a node; rollout_step.c its single steps
 *   adopt.c     taking up what an earlier controller left in annotations
 *   owner.c     proposals to owners;  pod.c  evictions, assignments and moves
 *   approval.c  plans that wait for a person
 *   collect.c   old config keys
 *
 * Pure.  Private to core/. */
#ifndef CORE_CORE_PRIV_H
#define CORE_CORE_PRIV_H

#include "base/arena.h"
#include "base/num.h"
#include "core/annotation.h"
#include "core/core.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "core/plan.h"
#include "core/rollout.h"

#define CORE_SECONDS(n) ((n)*NUM_NS_PER_SECOND)
#define CORE_MINUTES(n) ((n)*60 * NUM_NS_PER_SECOND)
#define CORE_HOURS(n)   ((n)*NUM_NS_PER_HOUR)

/* ---- actions in flight ---- */

enum core_op_state {
    CORE_OP_FREE,
    CORE_OP_SENT,     /* no outcome yet */
    CORE_OP_DONE,     /* accepted; the effect is still to be seen */
    CORE_OP_REJECTED, /* http_status says why */
    CORE_OP_UNKNOWN   /* lost, or no outcome before its deadline: look at the facts */
};

struct core_op {
    enum core_op_state state;
    enum core_action_kind kind;
    uint64_t id, target, precondition;
    int64_t sent_mono_ns, answered_mono_ns, deadline_mono_ns, retry_after_ns;
    uint32_t http_status;
    uint16_t cluster;
};

/* A write that is tried until its effect is seen: embedded in whatever wants the effect. */
struct core_try {
    uint32_t op; /* row, or CORE_NO_INDEX */
    uint32_t attempt;
    uint32_t unseen; /* of those, accepted and without effect: somebody may have set it back */
    int64_t not_before_mono_ns;
};

enum core_try_state {
    CORE_TRY_GO,   /* nothing is open: issue it (again) */
    CORE_TRY_WAIT, /* open, or backing off */
    CORE_TRY_GONE, /* the object is not there any more (404) */
    CORE_TRY_FATAL /* refused for good (422), or tried too often */
};

/* The last refusal that was told, so that it is not told at every step. */
struct core_refusal {
    enum core_reason reason;
    uint64_t plan;
    int64_t mono_ns; /* 0 = none yet */
};

/* ---- a rollout ---- */

enum core_direction {
    CORE_DIRECTION_NONE,
    CORE_DIRECTION_FORWARD,
    CORE_DIRECTION_UNDO,
    CORE_DIRECTION_ABANDON
};

struct core_rollout {
    uint64_t uid; /* of the node; 0 = this row was never used */
    enum core_direction direction;
    enum core_change change;
    enum core_reason reason;   /* why it began */
    enum core_reason turned;   /* why it turned back */
    enum core_reason waits_on; /* guard that holds the next write */
    uint64_t content_id;       /* digest of the plan, as it was begun */
    uint64_t plan_id;          /* of this attempt at it */
    uint64_t found_annotation; /* hash of the annotation that the begin saw */
    char name[64];             /* of the node, for when it is gone */
    int64_t since_wall_ns;
    struct core_setup from, to;
    struct core_plan plan;
    uint32_t at; /* step of the plan */
    struct core_try try;
    int64_t step_since_mono_ns;
    int64_t closed_since_mono_ns; /* when our cordon was first seen; 0 = not */
    bool adopted;                 /* taken up from an annotation: its begin was decided already */
    bool claimed;   /* a write of this rollout to the Node was issued: it counts in the budget */
    bool wrote;     /* a write to the Node was issued: it can no longer be just dropped */
    bool uncordons; /* the cordon is ours to lift at the end */
    uint32_t taken; /* times that somebody took away the key which it published */
    /* At rest half-way between two MIG configs: `from` is to be brought back at retry_mono_ns. */
    bool owes;
    struct core_intent intent;
    char record[CORE_ANNOTATION_MAX + 1]; /* the annotation that the node should carry */
    uint32_t record_len;
    uint16_t entered[CORE_ROLLOUT_STATE_COUNT]; /* at entered_mono_ns: steps by state, bits */
    int64_t entered_mono_ns;
    /* What outlives a rollout on its node. */
    bool held;
    int64_t held_until_mono_ns;  /* then it is lifted and may be asked for anew */
    uint64_t adopted_annotation; /* hash of the one last looked at */
    uint32_t tries;
    int64_t retry_mono_ns; /* nothing begins before */
    struct core_refusal refusal;
};

/* ---- taints of a node ---- */

struct core_taint_work {
    uint64_t uid; /* of the node; another one in the row means that the rest is void */
    struct core_try try;
    bool asked; /* a write is under way; what was there before, and why it is changed: */
    bool startup_was;
    char pool_was[CORE_POOL_MAX];
    enum core_reason startup_why, pool_why;
    bool startup_there;           /* when it was looked at last */
    bool lifted;                  /* its start-up taint was lifted: it is not new any more */
    int64_t rests_since_mono_ns;  /* it is as its labels say, and nobody changes it; 0 = not */
    int64_t closed_since_mono_ns; /* by the start-up taint; 0 = not */
    int64_t again_mono_ns;        /* nothing is written before */
    struct core_refusal pool_refusal, startup_refusal;
};

/* ---- pods and owners that we act on ---- */

enum core_pod_task { CORE_POD_TASK_NONE, CORE_POD_TASK_EVICT, CORE_POD_TASK_ASSIGN };

struct core_pod_work {
    uint64_t uid; /* of the pod; another uid in the row means that the work is void */
    enum core_pod_task task;
    struct core_try try;
    uint64_t node; /* ASSIGN: where to */
    uint8_t gpu;
    bool accepted; /* EVICT: the API took it */
    bool moving;   /* EVICT: for a move; then node and gpu are its destination */
    uint64_t owner;
    enum core_reason reason;
    uint64_t plan; /* MOVE: its digest */
    struct core_refusal refusal;
};

struct core_owner_work {
    uint64_t uid;
    bool open; /* proposed, or being proposed */
    bool accepted;
    struct core_try try;
    struct model_resource resource;
    uint32_t count;
    char pool[CORE_SHARE_NAME_MAX];
    uint64_t gpu_models;
    enum core_reason reason;
    int64_t saving_microusd_per_hour;
    int64_t since_mono_ns;
    int64_t begun_mono_ns; /* of the last proposal of anything; INT64_MIN = never */
    uint64_t plan;         /* digest */
    struct core_refusal refusal;
};

/* What a person allowed. */
struct core_approval {
    uint64_t plan; /* digest */
    int64_t given_mono_ns;
};

struct core_eviction {
    int64_t mono_ns;
    uint32_t count; /* at that time */
    uint16_t cluster;
};

/* Somebody, such as a tool that keeps a cluster as Git has it, sets back what we write. */
struct core_hand {
    uint32_t count;        /* since the last change that was let be */
    int64_t until_mono_ns; /* no change is begun before */
};

/* Evidence under construction. */
struct core_why {
    uint32_t count;
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
};

struct core {
    struct core_options options;
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    bool started;
    struct arena *step; /* of this step's output */

    struct core_op *ops;
    uint32_t op_count, op_cap;
    struct map_u64 op_by_id;

    struct core_rollout *rollouts;  /* by node row */
    struct core_taint_work *taints; /* by node row */
    uint32_t rollout_cap;
    struct core_pod_work *pods; /* by pod row */
    uint32_t pod_cap;
    struct core_owner_work *owners; /* by owner row */
    uint32_t owner_cap;

    struct core_eviction *evictions; /* of the last hour, oldest first */
    uint32_t eviction_count, eviction_cap;
    bool evictions_known[CORE_CLUSTERS_MAX]; /* those of a controller before us were counted */
    int64_t evictions_since_ns[CORE_CLUSTERS_MAX]; /* how far back its record goes */
    struct core_hand hands[CORE_CLUSTERS_MAX];
    struct core_approval *approvals; /* in the order of their coming */
    uint32_t approval_count, approval_cap;
    int64_t collect_mono_ns; /* of the last collection */
    struct core_try collect_try;

    struct core_try solve_try;
    uint64_t solve_action;

    struct core_action *actions;
    uint32_t action_count, action_cap;
    struct core_decision *decisions;
    uint32_t decision_count, decision_cap;
    int64_t wake_mono_ns;
    const char *violation;
    uint64_t violation_uid;

    struct core_totals totals;
    struct core_coverage coverage;
    uint64_t digest;
    uint64_t decision_seq;
};

static inline const struct core_picture *core_pic(const struct core *c)
{
    return &c->store.pic;
}

/* Wants to be called again at `mono_ns`. */
static inline void core_wake(struct core *c, int64_t mono_ns)
{
    if (mono_ns < c->wake_mono_ns)
        c->wake_mono_ns = mono_ns;
}

/* Our cordon, or somebody else's?  Ours shows by our annotation beside it; one that only remembers
 * an attempt that failed holds no cordon. */
bool core_cordon_is_foreign(const struct core_node_fact *node);

static inline bool core_rollout_active(const struct core_rollout *r)
{
    return r->direction != CORE_DIRECTION_NONE;
}

static inline enum core_step_kind core_rollout_step(const struct core_rollout *r)
{
    return (enum core_step_kind)r->plan.steps[r->at];
}

static inline void core_why_add(struct core_why *why, const char *name, int64_t value)
{
    if (why->count < CORE_EVIDENCE_MAX)
        why->evidence[why->count++] = (struct core_evidence){name, value};
}

/* ---- door.c ---- */

/* What leaves: `action` without id; the id is made of plan, target, step and attempt. */
struct core_request {
    struct core_action action;
    uint64_t plan;
    uint32_t step;
    const struct core_rollout *rollout; /* whose step it is, or NULL */
    const struct core_intent *intent;   /* of an owner's proposal that begins, else NULL */
};

/* Issues the action, opens its op in `try`, audits it. */
void core_issue(struct core *c, struct core_try *try, const struct core_request *request);

void core_op_answer(struct core *c, const struct core_outcome_fact *outcome);
void core_ops_expire(struct core *c);
const struct core_op *core_op_on_target(
        const struct core *c, uint64_t target, enum core_action_kind kind);

/* Whether a write may be tried now; settles ops that were answered.  version: of the object as
 * known now (a conflict waits for a newer one).  The caller asks only while the effect is not
 * seen. */
enum core_try_state core_try_poll(struct core *c, struct core_try *try, uint64_t version);

/* The effect is seen.  False while the outcome is still out: then wait for it, so that no late
 * write of ours can follow the next one. */
bool core_try_settle(struct core *c, struct core_try *try);
void core_try_drop(struct core *c, struct core_try *try);

/* A decision without seq, time and text; `why` is one line or NULL. */
void core_log(struct core *c, const struct core_decision *decision, const char *why);

/* An eviction that counts in the budget of the hour after its time. */
void core_eviction_add(struct core *c, const struct core_eviction *eviction);

void core_violate(struct core *c, enum core_reason check, uint64_t uid);
uint64_t core_config_target(uint16_t cluster, enum core_config_map map, struct str key);

/* ---- guard.c: strict asks without the planted bugs ---- */

/* Why a rollout that runs must give way: somebody took the node, or closed it before we did. */
enum core_reason core_guard_hand(const struct core *c, uint32_t node, const struct core_rollout *r);

enum core_reason core_guard_claim(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why);
enum core_reason core_guard_step(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why);
enum core_reason core_guard_empty(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why);
enum core_reason core_guard_evict(
        const struct core *c, uint32_t pod, bool strict, struct core_why *why);
enum core_reason core_guard_owner(const struct core *c, uint32_t owner,
        const struct core_intent *intent, bool strict, struct core_why *why);
enum core_reason core_guard_assign(
        const struct core *c, uint32_t pod, uint64_t node, bool strict, struct core_why *why);
enum core_reason core_guard_move(
        const struct core *c, uint32_t pod, const struct core_intent *intent, bool strict);
enum model_technique core_change_technique(enum core_change change);
/* Leading an owner back to whole GPUs is the business of the technique that it leaves. */
enum model_technique core_owner_technique(
        const struct core_owner_fact *owner, const struct core_intent *intent);
bool core_in_window(const struct core *c, int64_t *ret_next_start_wall_ns);
uint32_t core_evictions_in_hour(const struct core *c, uint16_t cluster);
void core_evictions_take_over(struct core *c); /* once per cluster, when its lists are complete */
void core_evicted(struct core *c, uint16_t cluster, const struct core_evicted_fact *fact);
uint32_t core_nodes_in_change(const struct core *c, uint16_t cluster);
bool core_pod_must_go(const struct core *c, const struct core_pod_view *pod, uint16_t clear_gpus);

/* ---- approval.c ---- */

/* What a person approves: the same as long as the plan and what it rests on are the same. */
uint64_t core_digest_node(const struct core *c, uint32_t node, const struct core_rollout *r);
uint64_t core_digest_owner(const struct core *c, uint32_t owner, const struct core_intent *intent);
uint64_t core_digest_move(const struct core *c, uint32_t pod, const struct core_intent *intent);
void core_approve(struct core *c, uint64_t plan, int64_t given_wall_ns);
bool core_approved(const struct core *c, uint64_t plan);
void core_approval_spend(struct core *c, uint64_t plan); /* its change is done */
/* True when what was refused is a plan that waits for a person. */
bool core_proposes(const struct core *c, enum model_technique technique, enum core_reason no);
/* True when the same was told within the hour; else remembers that it is told now. */
bool core_refusal_told(
        const struct core *c, struct core_refusal *last, enum core_reason no, uint64_t plan);

/* ---- check.c ---- */

void core_check_action(struct core *c, const struct core_request *request);
void core_check_state(struct core *c);
bool core_key_in_use(
        const struct core *c, uint16_t cluster, enum core_config_map map, struct str key);

/* ---- rollout.c, rollout_step.c, adopt.c ---- */

void core_rollout_begin(struct core *c, uint32_t node, const struct core_intent *intent);
void core_rollout_advance(struct core *c, uint32_t node);
void core_rollout_turn(struct core *c, uint32_t node, enum core_reason why);
enum core_rollout_state core_rollout_state(const struct core_rollout *r);
void core_rollout_record(struct core *c, struct core_rollout *r, enum core_record_state state);
void core_rollout_enter(struct core *c, struct core_rollout *r, uint32_t at);
void core_rollout_show(struct core *c, uint32_t node);
void core_rollout_log(struct core *c, uint32_t node, enum core_verdict verdict,
        enum core_reason reason, const struct core_why *why);

enum core_step_result {
    CORE_STEP_WAIT,
    CORE_STEP_DONE,  /* go on to the next step */
    CORE_STEP_BACK,  /* the step before has to be done again */
    CORE_STEP_AGAIN, /* undo: the way back has to be derived anew */
    CORE_STEP_FAIL   /* turn back, for the reason given */
};
enum core_step_result core_step_run(struct core *c, uint32_t node, enum core_reason *ret_reason);

void core_adopt(struct core *c, uint32_t node);

/* ---- taint.c ---- */

void core_taint_advance(struct core *c, uint32_t node);

/* ---- pod.c, owner.c, collect.c ---- */

struct core_pod_work *core_pod_work_get(struct core *c, uint32_t pod);
enum core_step_result core_pod_evict(
        struct core *c, uint32_t pod, enum core_reason reason, enum core_reason *ret_reason);
void core_pods_advance(struct core *c);
void core_pod_intent(struct core *c, const struct core_intent *intent);

void core_owners_advance(struct core *c);
void core_owner_intent(struct core *c, const struct core_intent *intent);

void core_collect(struct core *c);

#endif
