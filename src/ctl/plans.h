/* ctl/plans.h - SharingPolicy and SharingPlan objects: what governs, what is proposed, who agreed.
 *
 * Below the purity line.  Watches both kinds.  The policy that governs is the one named, or the
 * only one; others get a condition that says why they do not.  What the core proposes (verdict
 * PROPOSED, evidence "plan") and what owners are asked to patch becomes steps of a SharingPlan for
 * each GPU model, at most CTL_PLAN_STEPS_MAX of them, largest saving first; its digest covers all
 * its steps. A person approves by writing that digest to spec.approve; then each step's own digest
 * is handed to the core.  While a plan is approved its steps only change state; new proposals wait
 * for the next. Writes only while `leads`. */
#ifndef CTL_PLANS_H
#define CTL_PLANS_H

#include "core/core.h"
#include "ctl/world.h"
#include "kube/client.h"
#include "kube/event.h"

struct ctl_plans;

enum { CTL_PLAN_STEPS_MAX = 200 };

struct ctl_plans_options {
    const char *policy;           /* name of the SharingPolicy that governs; NULL = the only one */
    int64_t lost_after_ns;        /* of the watches; 0 = their default */
    struct kube_recorder *events; /* Events on plans and policies; NULL = none */
    /* Another policy governs, or the same with other contents; lasts until the next call.  NULL:
     * none governs (suspended, deleted, unreadable, several without a name: `why`). */
    void (*policy_changed)(void *user, const struct policy *policy, const char *why);
    void (*policy_sync)(void *user, bool complete);
    /* A step's digest was approved at that time (from managedFields; now when they do not say). */
    void (*approved)(void *user, uint64_t digest, int64_t wall_ns);
    void *user;
};

int ctl_plans_start(struct kube_client *client, const struct ctl_plans_options *options,
        struct ctl_plans **ret_plans, struct err *reterr);
void ctl_plans_stop(struct ctl_plans *p); /* not from a callback; NULL is accepted */

void ctl_plans_lead(struct ctl_plans *p, bool leads);

/* The core was begun anew: hands out again the approvals that still hold. */
void ctl_plans_restart(struct ctl_plans *p);

/* Takes note of what the core decided in a step and of what it asks owners to do (OWNER_PATCH: the
 * step carries the patch and the kubectl line).  `world` is that of the step. */
void ctl_plans_step(struct ctl_plans *p, const struct ctl_world *world,
        const struct core_output *output, int64_t wall_ns);

/* Writes what changed, a write a plan at a time, at most each 2 s; call it after each step. */
void ctl_plans_flush(struct ctl_plans *p);

struct ctl_plans_stats {
    uint64_t plans, steps_proposed, steps_approved, steps_done, writes, conflicts;
};
struct ctl_plans_stats ctl_plans_stats(const struct ctl_plans *p);

#endif
