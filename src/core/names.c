/* core/names.c - the words for reasons, actions, verdicts, changes, steps and states.
 *
 * Pure: const tables.  Log lines, Events, metrics, report and explain all speak through here. */
#include "core/action.h"
#include "core/rollout.h"

#include <assert.h>

static const char *const reason_names[CORE_REASON_COUNT] = {
#define NAME(id, text) [CORE_REASON_##id] = text,
        CORE_REASONS(NAME)
#undef NAME
};

static const char *const reason_texts[CORE_REASON_COUNT] = {
        [CORE_REASON_NONE] = "no reason was recorded",
        [CORE_REASON_COST] = "the same work costs less this way",
        [CORE_REASON_DEMAND_RISES] = "measured demand has grown",
        [CORE_REASON_DEMAND_FALLS] = "measured demand has shrunk",
        [CORE_REASON_LATENCY_ARRIVAL] = "latency-sensitive work waits for a GPU of its own",
        [CORE_REASON_MEMORY_ALARM] = "memory in use on a shared GPU comes near its capacity",
        [CORE_REASON_BUSY_ALARM] = "a shared GPU is busier than the policy's target",
        [CORE_REASON_PENDING_PODS] = "pods wait for room of this kind",
        [CORE_REASON_INCIDENT] = "a kill or a GPU fault was observed",
        [CORE_REASON_SCALE_DOWN] = "the node's pods fit elsewhere, so it can go",
        [CORE_REASON_REBALANCE] = "pods are spread better this way",
        [CORE_REASON_TIMEOUT] = "the expected effect was not seen before the deadline",
        [CORE_REASON_STATE_FAILED] = "mig-manager reported that it failed",
        [CORE_REASON_VERIFY_FAILED] = "the node does not show what was asked of it",
        [CORE_REASON_RETRY] = "an earlier attempt was given up and its waiting time is over",
        [CORE_REASON_RESTORE] =
                "an earlier change was left half-way; its originals are brought back",
        [CORE_REASON_NODE_GONE] = "the Node object is gone",
        [CORE_REASON_OWNER_MUST_ACT] = "the pods' owner has to change its own template",
        [CORE_REASON_COLLECT] = "no node names this config key any more",
        [CORE_REASON_GUARD_SYNC] = "a source that this rests on is not complete right now",
        [CORE_REASON_GUARD_SUSPENDED] = "the policy is suspended",
        [CORE_REASON_GUARD_MODE] = "the policy's mode for this technique does not allow it",
        [CORE_REASON_GUARD_FROZEN] = "the node is frozen, by annotation or after a failed change",
        [CORE_REASON_GUARD_FOREIGN] = "somebody else owns this node's or workload's partitioning",
        [CORE_REASON_GUARD_SELECTOR] = "the policy's node selector leaves this node out",
        [CORE_REASON_GUARD_CAPS] = "the node cannot express it",
        [CORE_REASON_GUARD_CAPACITY_IN_USE] = "capacity that pods hold would shrink",
        [CORE_REASON_GUARD_DOUBLE_BOOKING] =
                "pods of the old configuration remain; their GPUs would be handed out twice",
        [CORE_REASON_GUARD_INSTANCE_IN_USE] = "a GPU that would be rebuilt is in use",
        [CORE_REASON_GUARD_MEMORY] = "memory peaks plus headroom do not fit",
        [CORE_REASON_GUARD_BUSY] = "joint busy time would pass the target",
        [CORE_REASON_GUARD_LATENCY] = "latency-sensitive work keeps its compute to itself",
        [CORE_REASON_GUARD_ISOLATION] = "the workload's isolation boundary forbids the neighbour",
        [CORE_REASON_GUARD_PREALLOCATES] =
                "it preallocates GPU memory, so its real need is not known",
        [CORE_REASON_GUARD_HISTORY] = "there is not enough history of its demand",
        [CORE_REASON_GUARD_STALE] = "metrics are stale or missing, which never tightens",
        [CORE_REASON_GUARD_DWELL] = "it was changed too short a time ago",
        [CORE_REASON_GUARD_GAIN] = "the gain is below the policy's least",
        [CORE_REASON_GUARD_WINDOW] = "it must wait for a maintenance window",
        [CORE_REASON_GUARD_BUDGET_NODES] = "as many nodes as allowed are in change already",
        [CORE_REASON_GUARD_BUDGET_EVICTIONS] = "the evictions allowed in an hour are used up",
        [CORE_REASON_GUARD_PDB] = "the owner's disruption budget allows no more pods to go",
        [CORE_REASON_GUARD_BARE_POD] = "a bare pod would not come back",
        [CORE_REASON_GUARD_OWNER_MARK] = "the cordon is not ours, so it is not ours to lift",
        [CORE_REASON_GUARD_ROOM] = "its pods would fit nowhere else",
        [CORE_REASON_GUARD_TRAINING] = "training and multi-GPU work keeps whole GPUs",
        [CORE_REASON_POLICY] = "the policy asks for it",
        [CORE_REASON_CONFIGURED] = "the node is configured",
        [CORE_REASON_GUARD_TAINT] =
                "somebody who has to run on the node does not tolerate the taint",
        [CORE_REASON_GUARD_KEPT] = "something else on the node would keep it from going",
        [CORE_REASON_GUARD_SOLUTION] = "the cluster moved on since the solution was computed",
        [CORE_REASON_CHECK_TWO_PLANS] = "two plans hold one node",
        [CORE_REASON_CHECK_NO_RECORD] = "a node was written without its record",
        [CORE_REASON_CHECK_DOUBLE_OFFER] = "a GPU in use was offered to other pods again",
        [CORE_REASON_CHECK_TWO_OPEN] = "two actions are open on one object",
        [CORE_REASON_CHECK_KEY_IN_USE] = "a config key that a label names was collected",
        [CORE_REASON_CHECK_WINDOW] = "a MIG change was begun outside its window",
        [CORE_REASON_CHECK_FOREIGN_UNDONE] = "a mark of somebody else's was undone",
        [CORE_REASON_CHECK_BUDGET] = "a budget was passed",
        [CORE_REASON_CHECK_GUARD] = "an action went out that its guard refuses",
        [CORE_REASON_CHECK_STUCK] = "a node is cordoned by us without a reason or a retry",
        [CORE_REASON_CHECK_UNREACHABLE] = "a rollout is in a state that cannot be reached",
};

const char *core_reason_name(enum core_reason r)
{
    assert((unsigned)r < CORE_REASON_COUNT);
    return reason_names[r];
}

const char *core_reason_text(enum core_reason r)
{
    assert((unsigned)r < CORE_REASON_COUNT);
    return reason_texts[r];
}

const char *core_action_name(enum core_action_kind k)
{
    static const char *const names[CORE_ACTION_COUNT] = {
            [CORE_ACTION_CONFIG_PUT] = "config-put",
            [CORE_ACTION_CONFIG_DELETE] = "config-delete",
            [CORE_ACTION_NODE_PATCH] = "node-patch",
            [CORE_ACTION_POD_EVICT] = "pod-evict",
            [CORE_ACTION_OWNER_PATCH] = "owner-patch",
            [CORE_ACTION_POD_ASSIGN] = "pod-assign",
            [CORE_ACTION_SOLVE] = "solve",
    };
    assert((unsigned)k < CORE_ACTION_COUNT);
    return names[k];
}

const char *core_verdict_name(enum core_verdict v)
{
    static const char *const names[CORE_VERDICT_COUNT] = {
            [CORE_VERDICT_DONE] = "done",
            [CORE_VERDICT_BEGUN] = "begun",
            [CORE_VERDICT_PROPOSED] = "proposed",
            [CORE_VERDICT_REFUSED] = "refused",
            [CORE_VERDICT_UNDONE] = "undone",
            [CORE_VERDICT_ABANDONED] = "abandoned",
    };
    assert((unsigned)v < CORE_VERDICT_COUNT);
    return names[v];
}

const char *core_change_name(enum core_change c)
{
    static const char *const names[CORE_CHANGE_COUNT] = {
            [CORE_CHANGE_SHARE] = "share",
            [CORE_CHANGE_REPLICAS_RAISE] = "replicas-raise",
            [CORE_CHANGE_REPLICAS_LOWER] = "replicas-lower",
            [CORE_CHANGE_UNSHARE] = "unshare",
            [CORE_CHANGE_MIG_RELAYOUT] = "mig-relayout",
            [CORE_CHANGE_RETIRE] = "retire",
            [CORE_CHANGE_HOLD] = "hold",
            [CORE_CHANGE_RELEASE] = "release",
            [CORE_CHANGE_OWNER_POINT] = "owner-point",
            [CORE_CHANGE_POD_MOVE] = "pod-move",
            [CORE_CHANGE_POD_ASSIGN] = "pod-assign",
            [CORE_CHANGE_TAINT] = "taint",
    };
    assert((unsigned)c < CORE_CHANGE_COUNT);
    return names[c];
}

const char *core_step_name(enum core_step_kind k)
{
    static const char *const names[CORE_STEP_COUNT] = {
            [CORE_STEP_PUBLISH_PLUGIN] = "publish-plugin",
            [CORE_STEP_PUBLISH_MIG] = "publish-mig",
            [CORE_STEP_PROPAGATE] = "propagate",
            [CORE_STEP_CLAIM] = "claim",
            [CORE_STEP_EVICT] = "evict",
            [CORE_STEP_WAIT_EMPTY] = "wait-empty",
            [CORE_STEP_SET_MIG] = "set-mig",
            [CORE_STEP_WAIT_MIG_STARTED] = "wait-mig-started",
            [CORE_STEP_WAIT_MIG_DONE] = "wait-mig-done",
            [CORE_STEP_SET_PLUGIN] = "set-plugin",
            [CORE_STEP_SET_POOL] = "set-pool",
            [CORE_STEP_WAIT_ALLOCATABLE] = "wait-allocatable",
            [CORE_STEP_VERIFY] = "verify",
            [CORE_STEP_RELEASE] = "release",
            [CORE_STEP_WAIT_GONE] = "wait-gone",
    };
    assert((unsigned)k < CORE_STEP_COUNT);
    return names[k];
}

const char *core_rollout_state_name(enum core_rollout_state s)
{
    static const char *const names[CORE_ROLLOUT_STATE_COUNT] = {
            [CORE_ROLLOUT_NONE] = "none",
            [CORE_ROLLOUT_PENDING] = "pending",
            [CORE_ROLLOUT_ISSUED] = "issued",
            [CORE_ROLLOUT_OBSERVED] = "observed",
            [CORE_ROLLOUT_VERIFIED] = "verified",
            [CORE_ROLLOUT_UNDOING] = "undoing",
            [CORE_ROLLOUT_UNDONE] = "undone",
            [CORE_ROLLOUT_ABANDONED] = "abandoned",
    };
    assert((unsigned)s < CORE_ROLLOUT_STATE_COUNT);
    return names[s];
}
