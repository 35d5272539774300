/* core/core.h - the one state machine: facts in, actions and decisions out.
 *
 * Pure, single-threaded, deterministic: the same facts in the same steps give the same bytes.
 * The controller and the simulator call the same function.  Contract: DESIGN section 5. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "base/buf.h"
#include "core/action.h"
#include "core/fact.h"

struct core;

struct core_options {
    uint64_t seed;
    int64_t decide_every_ns; /* between regular solves; default 5 min when 0 */
    int64_t propagation_ns;  /* kubelet's ConfigMap sync: wait from the fact of the write; 150 s */
    /* NVIDIA's parts may take this long over each step of a change; 0 = 10 to 20 min by step. */
    int64_t parts_timeout_ns;
    uint32_t solve_iterations; /* 0 = default */
    /* Test only, by enum core_reason: a guard's entry switches the guard off; a check's entry makes
     * the core commit the fault that the check is there to find. */
    bool plant_bug[CORE_REASON_COUNT];
    bool checks_off; /* test only: so that what the world sees of a planted bug shows */
};

/* A core that knows nothing yet; it acts only when each source that a guard reads is in SYNC.
 * Rollouts that were running before a restart are taken up from node annotations. */
struct core *core_new(const struct core_options *options);
struct core *core_free(struct core *core);

/* What a step wants done; views into the core, valid until the next step. */
struct core_output {
    const struct core_action *actions;
    uint32_t action_count;
    const struct core_decision *decisions;
    uint32_t decision_count;
    int64_t next_wake_mono_ns; /* call again by then even without facts; INT64_MAX = only on facts
                                */
    const char *violation;     /* a check that failed (static name), or NULL: the world must stop */
    uint64_t violation_uid;
};

/* Takes a batch of facts (in order) and the clock, returns bounded work.  Never fails: facts that
 * contradict each other are refused with a decision or a violation. */
void core_step(struct core *core, const struct core_now *now, const struct core_fact *facts,
        uint32_t fact_count, struct core_output *ret_output);

/* What the core believes, for reports and explain; const views valid until the next step. */
struct core_picture;
const struct core_picture *core_picture_get(const struct core *core);

/* Sums that the report shows. */
struct core_totals {
    uint64_t decisions, solves, violations;
    uint64_t begun[CORE_CHANGE_COUNT], done[CORE_CHANGE_COUNT], refused[CORE_CHANGE_COUNT];
    uint64_t undone, abandoned;
    int64_t blocked_microusd_per_hour; /* savings behind open owner patches, now */
};
void core_totals_get(const struct core *core, struct core_totals *ret_totals);

/* What was learned of an owner, to be told to a later core; appends the digest's text to `text`,
 * which ret_history views until more is appended.  False when nothing was. */
bool core_history_get(const struct core *core, uint64_t owner, struct buf *text,
        struct core_history_fact *ret_history);

/* Why the pods of a node are not moved to empty it: the name of the first that stays, and the
 * reason in words, valid until the next step.  False when all of them may be moved. */
bool core_node_stays(
        const struct core *core, uint64_t node, struct str *ret_pod, struct str *ret_why);

/* FNV-1a over every action and decision so far: equal in a run and in its replay. */
uint64_t core_digest(const struct core *core);

#endif
