/* ctl/mirror.h - a cluster kept up to date by watches, and given out as a snapshot.
 *
 * Below the purity line; reads only.  One watch for each kind of ctl/snapshot.h, each with a cache
 * that keeps of an object only what ctl_snapshot_put() reads.  What changed since the last snapshot
 * is known by a generation that rises with each change that is kept: heartbeats do not count. */
#ifndef CTL_MIRROR_H
#define CTL_MIRROR_H

#include "core/fact.h"
#include "ctl/fetch.h"
#include "ctl/snapshot.h"
#include "kube/watch.h"

struct ctl_mirror;

struct ctl_mirror_options {
    const char *operator_namespace; /* of the ConfigMaps; NULL = where NVIDIA's DaemonSets are */
    int64_t lost_after_ns;          /* kube_watch_options.lost_after_ns; 0 = its default */
    /* Something that is kept changed, or a watch was lost or completed; may be called often, does
     * little.  Required. */
    void (*dirty)(void *user);
    void *user;
};

/* Starts the watches; nothing is called from within. */
int ctl_mirror_start(struct kube_client *client, const struct ctl_mirror_options *options,
        struct ctl_mirror **ret_mirror, struct err *reterr);
void ctl_mirror_stop(struct ctl_mirror *m); /* not from a callback; NULL is accepted */

/* Rises with each change. */
uint64_t ctl_mirror_generation(const struct ctl_mirror *m);

/* True when every kind has answered once: complete, or refused, or not served. */
bool ctl_mirror_ready(const struct ctl_mirror *m);

/* COMPLETE when the caches of the kinds that make `source` are; a kind that the cluster does not
 * serve or that we may not read counts as complete and empty (result.seen says so).  Nodes and Pods
 * have to be readable.  Only for the sources NODES, PODS, OWNERS, CONFIG. */
bool ctl_mirror_synced(const struct ctl_mirror *m, enum core_source source);

/* The cluster as it is known now, a new snapshot for the caller.  -E2BIG over a limit.
 * ret_result: as of ctl_fetch(); its texts live in the snapshot. */
int ctl_mirror_snapshot(struct ctl_mirror *m, struct ctl_snapshot **ret_snapshot,
        struct ctl_fetch_result *ret_result, struct err *reterr);

/* The newest resourceVersion known of an object, 0 when it is not there or nothing is kept of it.
 * Nodes: namespace "". */
uint64_t ctl_mirror_version(
        const struct ctl_mirror *m, enum ctl_kind kind, struct str namespace, struct str name);

struct ctl_mirror_stats {
    uint64_t objects, bytes, lists, events, lost;
};
struct ctl_mirror_stats ctl_mirror_stats(const struct ctl_mirror *m);

#endif
