/* ctl/snapshot-priv.h - what of an object counts, for those who cut objects down to it (slim.c). */
#ifndef CTL_SNAPSHOT_PRIV_H
#define CTL_SNAPSHOT_PRIV_H

#include "ctl/snapshot.h"

/* The word by which a container is known to reserve a GPU's memory when it starts; NULL when it is
 * not, or is told not to.  An image of that name is known by the same word. */
const char *snapshot_preallocator(const struct kube_container *c);

/* Asks for an nvidia.com resource, or by a claim. */
bool snapshot_asks_gpu(const struct kube_pod_spec *spec);

/* A pod without GPUs counts against its node's CPU and memory while it is bound and has not ended,
 * and no further. */
bool snapshot_pod_takes_room(const struct kube_pod *p);
void snapshot_put_other(
        struct ctl_snapshot *s, struct str node, int64_t cpu_milli, int64_t memory_bytes);

/* Why an autoscaler would not evict a pod, from the pod alone; SOURCE: kubernetes/autoscaler,
 * simulator/drainability. */
enum ctl_stay_why snapshot_stay_why(const struct kube_item *item, const struct kube_pod *p);

int snapshot_put_stay(struct ctl_snapshot *s, const struct ctl_stay *stay, struct err *reterr);

bool snapshot_is_exporter(const struct kube_item *item); /* by the labels of a pod */

bool snapshot_quota_counts(struct str resource);    /* a quota on it matters to us */
bool snapshot_slice_counts(struct kube_value spec); /* a DRA driver holds a node's GPUs */

void snapshot_read_workload(
        enum ctl_kind kind, const struct kube_item *item, struct kube_workload *ret_workload);

#endif
