/* ctl/revert.h - brings nodes back to what they were before Slicewright first changed them.
 *
 * Below the purity line; runs the client's loop.  The originals are the node's own annotation
 * (CTL_ANNOTATION_ORIGINAL): no controller, policy or disk is needed.  A node whose GPUs were
 * configured otherwise is closed and emptied of GPU pods first (evictions, so budgets hold), as any
 * switch needs it: GPUs would be handed out twice.  Nobody else's label, taint or cordon is
 * touched. */
#ifndef CTL_REVERT_H
#define CTL_REVERT_H

#include "ctl/snapshot.h"
#include "kube/client.h"

/* A node that carries our mark. */
struct ctl_revert_node {
    const struct ctl_node *node;
    struct str plugin_config, mig_config, pool; /* to be set; "" removes the label */
    bool original_known; /* else: our labels go, those of NVIDIA that name our keys too */
    bool drains;         /* its GPUs are configured otherwise now */
    bool waits;          /* closed by a revert that did not see it come back */
    bool ours_cordon;    /* it is closed, by us */
    bool tainted;        /* by us */
    uint32_t pods;       /* with GPUs, that have to go */
};

/* The nodes of the snapshot that carry our mark, into `a`. */
uint32_t ctl_revert_find(
        struct arena *a, const struct ctl_snapshot *s, const struct ctl_revert_node **ret_nodes);

struct ctl_revert_options {
    int64_t timeout_ns; /* of one node's draining and of its coming back, each; 0 = 15 min */
    int64_t poll_ns;    /* 0 = 2 s */
    /* A line about what is done now ("evicting a/b"). */
    void (*say)(void *user, const struct ctl_revert_node *n, const char *what);
    void *user;
};

/* Brings one node back.  On failure the node stays closed if it was emptied and not yet brought
 * back, its originals stay, and calling again goes on.  -ETIMEDOUT, -EBUSY when its pods may not be
 * evicted in time; -ESTALE when somebody changed it in between. */
int ctl_revert_node(struct kube_client *client, const struct ctl_revert_node *n,
        const struct ctl_revert_options *options, struct err *reterr);

#endif
