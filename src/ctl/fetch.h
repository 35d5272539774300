/* ctl/fetch.h - reads a cluster once: every collection into a snapshot.
 *
 * Below the purity line; reads only.  A collection that is refused or not served is no failure: it
 * is not `seen`, and why.  Nodes and Pods are needed. */
#ifndef CTL_FETCH_H
#define CTL_FETCH_H

#include "ctl/snapshot.h"
#include "kube/client.h"

struct ctl_fetch_options {
    const char *operator_namespace; /* of the ConfigMaps; NULL = where NVIDIA's DaemonSets are */
    int64_t timeout_ns;             /* of the whole; 0 = 2 min */
    void (*on_progress)(void *user, uint32_t permille); /* NULL = nobody looks */
    void *user;
};

struct ctl_fetch_result {
    bool seen[CTL_KIND_COUNT];
    const char *why[CTL_KIND_COUNT]; /* not seen: one line, in the snapshot's arena */
    uint64_t objects;
};

/* Runs the client's loop until everything was read.  -EACCES, -ETIMEDOUT and the like when Nodes or
 * Pods could not be read. */
int ctl_fetch(struct kube_client *client, struct ctl_snapshot *s,
        const struct ctl_fetch_options *options, struct ctl_fetch_result *ret_result,
        struct err *reterr);

/* Where the operator's ConfigMaps are: `given`, or, when that is NULL, where the snapshot shows
 * NVIDIA's DaemonSets. */
struct str ctl_operator_namespace(const struct ctl_snapshot *s, const char *given);

#endif
