/* core/rollout.h - the life of a change on one node: its steps, its states, and what of it shows.
 *
 * Pure.  A rollout is a list of steps walked one at a time (core/plan.h derives it); its state is
 * what DESIGN section 5 names, read off the direction it runs in and the step it is at:
 *
 *   forward   publish.. propagate claim          PENDING   nothing but config keys and our mark
 *             evict wait-empty set-.. wait-mig-.. ISSUED    the node is being changed
 *             wait-allocatable verify             OBSERVED  the labels say the new state
 *             release wait-gone                   VERIFIED  it holds; give the node back
 *   undo      set-.. wait-..                      UNDOING   back to the recorded originals
 *             release                             UNDONE
 *   abandon   release                             ABANDONED frozen, schedulable, reason and retry
 */
#ifndef CORE_ROLLOUT_H
#define CORE_ROLLOUT_H

#include "core/action.h"

struct core;

enum core_step_kind {
    CORE_STEP_PUBLISH_PLUGIN,   /* write: the device plugin's config under a new key */
    CORE_STEP_PUBLISH_MIG,      /* write: the mig-parted config under a new key */
    CORE_STEP_PROPAGATE,        /* wait: kubelet mounts a ConfigMap late and says nothing */
    CORE_STEP_CLAIM,            /* write: our annotation, with the originals; cordon when needed */
    CORE_STEP_EVICT,            /* write: each pod that must go, within budgets */
    CORE_STEP_WAIT_EMPTY,       /* wait: they are gone, and the pod source has settled */
    CORE_STEP_SET_MIG,          /* write: label nvidia.com/mig.config */
    CORE_STEP_WAIT_MIG_STARTED, /* wait: mig-manager took it up (an old "success" proves nothing) */
    CORE_STEP_WAIT_MIG_DONE,    /* wait: its state is success */
    CORE_STEP_SET_PLUGIN,       /* write: label nvidia.com/device-plugin.config */
    CORE_STEP_SET_POOL,         /* write: our pool label */
    CORE_STEP_WAIT_ALLOCATABLE, /* wait: kubelet offers what the config should give */
    CORE_STEP_VERIFY,           /* wait: everything at once, in one fact, with the node ready */
    CORE_STEP_RELEASE,          /* write: uncordon, clear or settle the annotation */
    CORE_STEP_WAIT_GONE,        /* wait: the Node object goes, or another intent comes */
    CORE_STEP_COUNT
};

enum core_rollout_state {
    CORE_ROLLOUT_NONE,
    CORE_ROLLOUT_PENDING,
    CORE_ROLLOUT_ISSUED,
    CORE_ROLLOUT_OBSERVED,
    CORE_ROLLOUT_VERIFIED,
    CORE_ROLLOUT_UNDOING,
    CORE_ROLLOUT_UNDONE,
    CORE_ROLLOUT_ABANDONED,
    CORE_ROLLOUT_STATE_COUNT
};

const char *core_step_name(enum core_step_kind k);              /* "publish-plugin", ... */
const char *core_rollout_state_name(enum core_rollout_state s); /* "pending", ... */

/* True for the cells (step, state) that the machine can be in; the others are dead by design, and
 * reaching one is CHECK_UNREACHABLE. */
bool core_rollout_cell_reachable(enum core_step_kind step, enum core_rollout_state state);

/* Where the rollout of one node is. */
struct core_rollout_status {
    enum core_rollout_state state;
    enum core_step_kind step; /* meaningless when state is NONE */
    enum core_change change;
    enum core_reason reason;   /* why it began, or why it turned back */
    enum core_reason waits_on; /* the guard that holds its next write now, or NONE */
    uint64_t plan;
    uint32_t attempt;      /* of the step's write */
    uint16_t clear_gpus;   /* bit i: GPU i must be empty for it; 0 = none: it is in place */
    int64_t since_wall_ns; /* of the rollout */
    int64_t next_retry_mono_ns;
    /* [state] bit s: step s was entered in that state at the last core_step(), those that were
     * passed at once included; also of a rollout that ended then. */
    uint16_t entered[CORE_ROLLOUT_STATE_COUNT];
};

/* False, state NONE, when the node has no rollout. */
bool core_rollout_status_get(
        const struct core *core, uint64_t node, struct core_rollout_status *ret_status);

/* How often each cell was entered, for the fault table: cells[step][state]. */
struct core_coverage {
    uint64_t cells[CORE_STEP_COUNT][CORE_ROLLOUT_STATE_COUNT];
};
const struct core_coverage *core_coverage_get(const struct core *core);

#endif
