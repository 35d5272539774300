/* core/reason.h - why something was done or refused: one vocabulary for log lines, Events,
 * metrics, report and explain.
 *
 * Pure.  GUARD_ names refuse an action before it is issued; CHECK_ names are violations of what we
 * control: the simulator stops, the live controller freezes the node.  DESIGN section 5. */
#ifndef CORE_REASON_H
#define CORE_REASON_H

#define CORE_REASONS(X)                                                                            \
    X(NONE, "none")                                                                                \
    /* why something is done */                                                                    \
    X(COST, "cost")                                                                                \
    X(DEMAND_RISES, "demand-rises")                                                                \
    X(DEMAND_FALLS, "demand-falls")                                                                \
    X(LATENCY_ARRIVAL, "latency-sensitive-arrival")                                                \
    X(MEMORY_ALARM, "memory-alarm")                                                                \
    X(BUSY_ALARM, "busy-alarm")                                                                    \
    X(PENDING_PODS, "pending-pods")                                                                \
    X(INCIDENT, "incident")                                                                        \
    X(SCALE_DOWN, "scale-down")                                                                    \
    X(REBALANCE, "rebalance")                                                                      \
    X(TIMEOUT, "timeout")                                                                          \
    X(STATE_FAILED, "state-failed")                                                                \
    X(VERIFY_FAILED, "verify-failed")                                                              \
    X(RETRY, "retry")                                                                              \
    X(RESTORE, "restore-originals")                                                                \
    X(NODE_GONE, "node-gone")                                                                      \
    X(OWNER_MUST_ACT, "owner-must-act")                                                            \
    X(COLLECT, "collect-old-key")                                                                  \
    X(POLICY, "policy")                                                                            \
    X(CONFIGURED, "node-configured")                                                               \
    /* guards */                                                                                   \
    X(GUARD_SYNC, "guard-sync") /* a source is not complete */                                     \
    X(GUARD_SUSPENDED, "guard-suspended")                                                          \
    X(GUARD_MODE, "guard-mode")     /* observe or recommend, not approved */                       \
    X(GUARD_FROZEN, "guard-frozen") /* annotation or earlier abandonment */                        \
    X(GUARD_FOREIGN, "guard-foreign-owner")                                                        \
    X(GUARD_SELECTOR, "guard-node-selector")                                                       \
    X(GUARD_CAPS, "guard-node-caps")                  /* the node cannot express it */             \
    X(GUARD_CAPACITY_IN_USE, "guard-capacity-in-use") /* requested capacity in use shrinks */      \
    X(GUARD_DOUBLE_BOOKING, "guard-double-booking")   /* pods of the old config remain */          \
    X(GUARD_INSTANCE_IN_USE, "guard-instance-in-use")                                              \
    X(GUARD_MEMORY, "guard-memory") /* peaks plus headroom do not fit */                           \
    X(GUARD_BUSY, "guard-busy")                                                                    \
    X(GUARD_LATENCY, "guard-latency-sensitive")                                                    \
    X(GUARD_ISOLATION, "guard-isolation")                                                          \
    X(GUARD_PREALLOCATES, "guard-preallocates")                                                    \
    X(GUARD_HISTORY, "guard-history")                                                              \
    X(GUARD_STALE, "guard-stale-metrics")                                                          \
    X(GUARD_DWELL, "guard-dwell")                                                                  \
    X(GUARD_GAIN, "guard-gain")                                                                    \
    X(GUARD_WINDOW, "guard-window")                                                                \
    X(GUARD_BUDGET_NODES, "guard-budget-nodes")                                                    \
    X(GUARD_BUDGET_EVICTIONS, "guard-budget-evictions")                                            \
    X(GUARD_PDB, "guard-pod-disruption-budget")                                                    \
    X(GUARD_BARE_POD, "guard-bare-pod")                                                            \
    X(GUARD_OWNER_MARK, "guard-owner-mark") /* not ours: never undone */                           \
    X(GUARD_ROOM, "guard-room")             /* its pods would fit nowhere */                       \
    X(GUARD_TRAINING, "guard-training")     /* whole GPUs for training, multi-GPU */               \
    X(GUARD_SOLUTION, "guard-solution")     /* the world moved on since the solve */               \
    X(GUARD_KEPT, "guard-node-kept")        /* empty of GPU pods it would stay all the same */     \
    X(GUARD_TAINT, "guard-taint")           /* NVIDIA's own pods could not come back */            \
    /* checks */                                                                                   \
    X(CHECK_TWO_PLANS, "check-two-plans-on-a-node")                                                \
    X(CHECK_NO_RECORD, "check-action-without-record")                                              \
    X(CHECK_DOUBLE_OFFER, "check-occupied-device-offered-again")                                   \
    X(CHECK_TWO_OPEN, "check-two-open-actions-on-an-object")                                       \
    X(CHECK_KEY_IN_USE, "check-config-key-in-use-collected")                                       \
    X(CHECK_WINDOW, "check-mig-change-outside-window")                                             \
    X(CHECK_FOREIGN_UNDONE, "check-foreign-mark-undone")                                           \
    X(CHECK_BUDGET, "check-budget-exceeded")                                                       \
    X(CHECK_GUARD, "check-action-that-a-guard-refuses")                                            \
    X(CHECK_STUCK, "check-node-stuck-without-reason")                                              \
    X(CHECK_UNREACHABLE, "check-unreachable-cell-reached")

enum core_reason {
#define CORE_REASON_ENUM(id, text) CORE_REASON_##id,
    CORE_REASONS(CORE_REASON_ENUM)
#undef CORE_REASON_ENUM
            CORE_REASON_COUNT
};

/* "guard-memory"; static storage. */
const char *core_reason_name(enum core_reason r);

/* A sentence for people: what the guard protects, or why the change is made; static storage. */
const char *core_reason_text(enum core_reason r);

#endif
