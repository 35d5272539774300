/* ctl/act.h - carries the core's actions out against the API server, each answered by an outcome.
 *
 * Below the purity line.  One request an action; what it writes is a level, its precondition the
 * resourceVersion that the decision saw.  Nothing is retried here: the core does that.  Every write
 * has field manager CTL_FIELD_MANAGER. */
#ifndef CTL_ACT_H
#define CTL_ACT_H

#include "core/action.h"
#include "ctl/feed.h"
#include "kube/client.h"

#define CTL_FIELD_MANAGER "slicewright"

struct ctl_actor;

struct ctl_actor_options {
    const struct ctl_feed *feed; /* names behind uids */
    /* The node as it was seen last, NULL when it is gone: for the originals that `slicewright
     * revert` brings back.  They are written with the first change and go when nothing differs. */
    const struct ctl_node *(*node)(void *user, uint64_t uid);
    void (*outcome)(void *user, const struct core_outcome_fact *outcome); /* never from within */
    void *user;
};

/* Where the configurations are: of the ClusterPolicy, as last seen.  Views are copied. */
struct ctl_actor_maps {
    struct str namespace;
    struct str map[CORE_CONFIG_COUNT]; /* "" = there is none to write: such actions are refused */
};

struct ctl_actor *ctl_actor_new(
        struct kube_client *client, const struct ctl_actor_options *options);
struct ctl_actor *ctl_actor_free(struct ctl_actor *a); /* cancels; NULL is accepted and returned */
void ctl_actor_maps_set(struct ctl_actor *a, const struct ctl_actor_maps *maps);

/* Begins the action; SOLVE, OWNER_PATCH and POD_ASSIGN are not its business (assert). */
void ctl_actor_do(struct ctl_actor *a, const struct core_action *action);

/* Requests whose answer is not in. */
uint32_t ctl_actor_open(const struct ctl_actor *a);

struct ctl_actor_stats {
    uint64_t done[CORE_ACTION_COUNT], rejected[CORE_ACTION_COUNT], unknown[CORE_ACTION_COUNT];
};
struct ctl_actor_stats ctl_actor_stats(const struct ctl_actor *a);

#endif
