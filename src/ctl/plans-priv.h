/* ctl/plans-priv.h - between plans.c (plans) and plans_policy.c (policies). */
#ifndef CTL_PLANS_PRIV_H
#define CTL_PLANS_PRIV_H

#include "ctl/plan_steps.h"
#include "ctl/plans.h"
#include "kube/watch.h"
#include "policy/policy.h"

#define CTL_POLICIES_PATH "/apis/sharing.slicewright.io/v1alpha1/sharingpolicies"
#define CTL_PLANS_PATH    "/apis/sharing.slicewright.io/v1alpha1/sharingplans"

enum { CTL_PLAN_NAME_BYTES = KUBE_NAME_MAX + 1 };

/* A plan that is known, whether or not its object is there. */
struct ctl_plan_object {
    struct ctl_plans *owner;
    struct ctl_plan_object *next;
    char name[CTL_PLAN_NAME_BYTES], policy[CTL_PLAN_NAME_BYTES];
    struct ctl_plan plan;
    bool loaded; /* what its object said is in */
    struct kube_request *request;
    int64_t next_mono_ns; /* no write before */
};

struct ctl_plans {
    struct kube_client *client;
    struct os_loop *loop;
    struct ctl_plans_options o;
    struct kube_watch *plan_watch, *policy_watch;
    bool plans_complete, policies_complete;
    bool leads;
    struct os_timer timer;
    struct ctl_plan_object *plans;
    int64_t gone_mono_ns; /* when to look next for subjects that are gone */
    struct ctl_plans_stats stats;

    /* plans_policy.c */
    struct arena *governing_arena;
    const struct policy *governing; /* NULL = none */
    uint64_t governing_hash;        /* of the document, or of why there is none */
    bool told, policies_changed;
    struct kube_request *policy_request;
    int64_t policy_next_mono_ns;
};

/* A plan's row in the cache: this, then approve, policy and status as JSON. */
struct ctl_plan_row {
    int64_t generation, given_wall_ns;
    uint32_t approve_len, policy_len, status_len, unused;
};

struct ctl_plan_row_view {
    int64_t generation, given_wall_ns;
    struct str approve, policy, status;
};
struct ctl_plan_row_view ctl_plan_row_view(const struct kube_row *row);

/* Flushes within `after_ns`. */
void ctl_plans_wake(struct ctl_plans *p, int64_t after_ns);

/* Another policy governs: plans of others are over. */
void ctl_plans_governed(struct ctl_plans *p);

int ctl_plans_follow_policies(struct ctl_plans *p, struct err *reterr);
void ctl_plans_unfollow_policies(struct ctl_plans *p);
void ctl_plans_flush_policies(struct ctl_plans *p);

#endif
