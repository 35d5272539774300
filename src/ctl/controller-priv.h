/* ctl/controller-priv.h - between controller.c (when) and controller_out.c (what comes out). */
#ifndef CTL_CONTROLLER_PRIV_H
#define CTL_CONTROLLER_PRIV_H

#include "ctl/controller.h"
#include "ctl/keeper.h"
#include "ctl/ledger.h"
#include "kube/event.h"
#include "kube/lease.h"

/* A cluster at one time. */
struct controller_world {
    struct arena *a;
    struct ctl_snapshot *snapshot;
    struct ctl_fetch_result seen;
    struct ctl_world w;
};

struct controller_kept {
    struct ctl_decision row;
    char *text;
};

/* Evictions that wait to be written or answered. */
struct controller_eviction {
    struct core_action action; /* no views in it */
    int64_t added_ns;
    bool sent;
};
struct controller_evictions {
    struct ctl_ledger ledger;
    struct controller_eviction *items;
    uint32_t count, cap;
};

struct ctl_controller {
    struct ctl_controller_options o;
    struct os_loop *loop;
    struct ctl_mirror *mirror;
    struct ctl_feed *feed;
    struct ctl_pulse *pulse;
    struct ctl_plans *plans;
    struct ctl_actor *actor;
    struct kube_elector *elector;
    struct controller_evictions evictions;
    struct kube_recorder *events;
    struct ctl_keeper *keeper;
    struct os_timer tick;
    bool stop, released;

    struct controller_world *now; /* NULL = none was seen yet */
    uint64_t generation;          /* of the mirror when `now` was built */
    int64_t built_mono_ns;
    bool rebuild; /* the world is to be told again */

    struct core *core; /* NULL while we do not lead */
    bool leads;
    bool begin;             /* the core is to be begun when the cluster is known */
    bool holding;           /* the world must not go: history is being joined to it */
    bool fresh;             /* the core has not been stepped yet */
    bool told;              /* it was told of the world, and what had been kept of it */
    int64_t mono_offset_ns; /* of the core's clock to ours */
    uint64_t step;
    int64_t wake_mono_ns;
    struct arena *solutions; /* until the step that tells them */

    const struct policy *governing; /* NULL = none */
    struct policy policy;           /* as the core is told: modes clamped, texts of `governing` */
    bool policy_known, policy_changed;
    int64_t windows_until_wall_ns;
    const char *holdup;
    bool names_partial; /* readings name one pod of a shared GPU: told */
    char holdup_text[256];

    struct controller_kept *kept; /* ring */
    uint32_t kept_first, kept_count;
    struct ctl_controller_stats stats;
};

/* controller_evict.c */

void controller_evictions_elect(struct ctl_controller *c, struct kube_elector_options *options);

/* We lead from now on: takes up the record of who led before, if there is one. */
void controller_evictions_lead(struct ctl_controller *c);

/* Tells a new core of it. */
void controller_evictions_tell(struct ctl_controller *c);

/* Evicts once the Lease says so. */
void controller_evict(struct ctl_controller *c, const struct core_action *a);

/* Any action's answer. */
void controller_evicted(struct ctl_controller *c, const struct core_outcome_fact *outcome);

/* controller_out.c */

/* What a step asks for: solved, begun, or left to people. */
void controller_perform(struct ctl_controller *c, const struct core_output *out);

/* Keeps, counts, logs and publishes decisions. */
void controller_tell(struct ctl_controller *c, const struct core_output *out);

/* Counts what the world is like. */
void controller_survey(struct ctl_controller *c);

/* Sums what the GPUs do by the readings of a round. */
void controller_take_use(struct ctl_controller *c, const struct ctl_history *h);

#endif
