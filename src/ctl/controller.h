/* ctl/controller.h - the live controller: a cluster's facts into the core, its actions out again.
 *
 * Below the purity line; on the loop, single-threaded.  Watches the cluster (ctl/mirror.h), reads
 * metrics (ctl/pulse.h), and while it holds the Lease steps a core and carries its actions out
 * (ctl/act.h); what waits for people becomes SharingPlans (ctl/plans.h).  A controller that does
 * not lead watches only, so that it can go on at once.  What must survive it is in the cluster. */
#ifndef CTL_CONTROLLER_H
#define CTL_CONTROLLER_H

#include "core/core.h"
#include "core/recording.h"
#include "ctl/act.h"
#include "ctl/mirror.h"
#include "ctl/plans.h"
#include "ctl/pulse.h"
#include "model/price.h"

struct ctl_controller;

enum { CTL_DECISIONS_KEPT = 4096 };

struct ctl_controller_options {
    struct kube_client *client;
    struct net_http *http;
    const char *namespace, *identity;  /* of the Lease "slicewright"; identity unique of us */
    bool no_election;                  /* lead at once: for one process outside of a cluster */
    const char *policy;                /* ctl_plans_options.policy */
    const struct policy *fixed_policy; /* governs instead of any object; NULL = objects */
    const char *operator_namespace;
    const struct model_price_book *prices; /* NULL = none */
    int64_t (*price_default)(uint16_t gpu);
    struct ctl_prometheus *prometheus; /* outlives the controller; NULL = the exporters */
    bool metrics_by_proxy;             /* the exporters are asked through the API server */
    bool no_metrics;
    int64_t history_ns;       /* learned from Prometheus before acting; 0 = none */
    int64_t metrics_every_ns; /* 0 = 30 s */
    int64_t lease_ns;         /* 0 = 15 s */
    int64_t keep_every_ns;    /* what was learned, in the cluster; 0 = 1 h */
    int64_t decide_every_ns, propagation_ns, parts_timeout_ns; /* core_options; 0 = its defaults */
    uint64_t seed;
    uint32_t epoch; /* of the controllers before this process; rises with each core */
    /* Each step of the core with its inputs; `restart` marks a new core.  NULL = nobody records. */
    void (*on_step)(void *user, const struct core_recording_step *step);
    void *user;
};

/* Starts watching; `client` and `http` are on one loop, and outlive the controller. */
int ctl_controller_start(const struct ctl_controller_options *options,
        struct ctl_controller **ret_controller, struct err *reterr);

/* Runs the loop until ctl_controller_stop().  Then the Lease is given back. */
int ctl_controller_run(struct ctl_controller *c, struct err *reterr);

/* Ends run() soon; from a signal's callback.  What is under way stays as it is in the cluster. */
void ctl_controller_stop(struct ctl_controller *c);

void ctl_controller_free(struct ctl_controller *c); /* NULL is accepted */

/* -- what it shows ------------------------------------------------------------------------------
 */

enum { CTL_SUBJECT_MAX = 320 };

/* A decision as it is kept: texts owned by the controller. */
struct ctl_decision {
    struct core_decision decision; /* its text lasts until the decision is dropped */
    char node[CTL_SUBJECT_MAX], workload[CTL_SUBJECT_MAX], pod[CTL_SUBJECT_MAX]; /* "" = none */
};

/* The last decisions, oldest first; index < count. */
uint32_t ctl_controller_decision_count(const struct ctl_controller *c);
const struct ctl_decision *ctl_controller_decision(const struct ctl_controller *c, uint32_t index);

struct ctl_controller_stats {
    bool leads, ready; /* ready: every watched kind has answered */
    bool synced[CORE_SOURCE_COUNT];
    const char *holdup; /* why nothing can be applied now, for people; NULL = nothing holds it */
    uint64_t steps, facts, worlds, violations, step_ns_sum, step_ns_max, world_ns_sum, world_ns_max;
    uint64_t decisions[CORE_VERDICT_COUNT][CORE_CHANGE_COUNT];
    uint64_t refusals[CORE_REASON_COUNT];
    struct core_totals totals;
    /* Of the cluster as it is now. */
    uint32_t nodes, nodes_shared, gpus_provisioned, gpus_requested, pods_pending, owners;
    uint64_t gpus_used_milli, gpus_read;
    int64_t cost_microusd_per_hour;
    int64_t first_cost_microusd_per_hour; /* when this process saw it first */
    int64_t forecast_microusd_per_hour;   /* promised by the owners' steps done since then */
    struct ctl_actor_stats acts;
    struct ctl_pulse_stats pulse;
    struct ctl_plans_stats plans;
    struct ctl_mirror_stats mirror;
};
void ctl_controller_stats_get(
        const struct ctl_controller *c, struct ctl_controller_stats *ret_stats);

/* The world as it was seen last and the core's picture of it; NULL = none yet. */
const struct ctl_world *ctl_controller_world(const struct ctl_controller *c);
const struct core *ctl_controller_core(const struct ctl_controller *c);

#endif
