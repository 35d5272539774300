/* kube/fields.h - the fields of built-in kinds that Slicewright uses, as small structs.
 *
 * Pure readers of one item; views point into it and live as long.  Lists are bounded by fixed
 * arrays: what does not fit is counted in `*_beyond`, so that nothing is lost silently.  A quantity
 * that is malformed reads as 0.  For labels and annotations use kube/item.h. */
#ifndef KUBE_FIELDS_H
#define KUBE_FIELDS_H

#include "kube/item.h"

enum {
    KUBE_RESOURCES_MAX = 16,
    KUBE_TAINTS_MAX = 16,
    KUBE_TOLERATIONS_MAX = 32,
    KUBE_SELECTOR_MAX = 16,
    KUBE_CONTAINERS_MAX = 16,
    KUBE_CLAIMS_MAX = 8,
    KUBE_ADDRESSES_MAX = 4,
};

/* An extended resource ("nvidia.com/gpu"): every name with a domain that is not kubernetes.io. */
struct kube_resource {
    struct str name;
    int64_t count; /* units */
};

struct kube_resources {
    int64_t cpu_milli, memory_bytes, pods;
    uint32_t count, beyond;
    struct kube_resource list[KUBE_RESOURCES_MAX]; /* in order of the object */
};

/* The count of `name`, 0 when it is not listed. */
int64_t kube_resources_get(const struct kube_resources *r, struct str name);

struct kube_taint {
    struct str key, value, effect;
};

struct kube_toleration {
    struct str key, op, value, effect; /* op "" = Equal */
    int64_t seconds;                   /* tolerationSeconds; -1 = none, for ever */
};

struct kube_node {
    struct str provider_id, internal_ip;
    bool ready;                               /* condition Ready is True */
    bool unschedulable;                       /* spec.unschedulable */
    int64_t created_wall_ns, deleted_wall_ns; /* 0 = not being deleted */
    struct kube_resources capacity, allocatable;
    uint32_t taint_count, taints_beyond;
    struct kube_taint taints[KUBE_TAINTS_MAX];
};
void kube_node_read(const struct kube_item *item, struct kube_node *ret_node);

/* metadata.ownerReferences, the controller's entry. */
struct kube_owner {
    struct str kind, name, uid, api_version; /* "" when there is none */
};
struct kube_owner kube_item_owner(const struct kube_item *item);

struct kube_pair {
    struct str key, value;
};

struct kube_container {
    struct str name, image;
    struct kube_value command, args, env; /* arrays */
};

/* A pod's spec, in a pod or in a template. */
struct kube_pod_spec {
    struct str node, scheduler, priority_class, runtime_class;
    bool affinity_required; /* required node affinity is set: placement has terms not read here */
    struct kube_resources requests; /* as the scheduler counts: max of init steps and the sum of
                                       containers with sidecars; limits stand for extended ones */
    uint32_t gpu_containers;        /* that ask for an nvidia.com resource */
    struct str gpu_container;       /* the first of them; "" when that is a sidecar */
    uint32_t selector_count, selector_beyond;
    struct kube_pair selector[KUBE_SELECTOR_MAX];
    uint32_t toleration_count, tolerations_beyond;
    struct kube_toleration tolerations[KUBE_TOLERATIONS_MAX];
    uint32_t container_count, containers_beyond; /* init containers are not listed */
    struct kube_container containers[KUBE_CONTAINERS_MAX];
    uint32_t claim_count, claims_beyond;
    struct {
        struct str name, claim, template;
    } claims[KUBE_CLAIMS_MAX];
    uint32_t scheduling_gates;
    bool local_storage; /* a hostPath, or an emptyDir that is not memory: gone with the node */
};
void kube_pod_spec_read(struct kube_value spec, struct kube_pod_spec *ret_spec);

enum kube_pod_phase {
    KUBE_POD_PENDING,
    KUBE_POD_RUNNING,
    KUBE_POD_SUCCEEDED,
    KUBE_POD_FAILED,
    KUBE_POD_UNKNOWN
};

struct kube_pod {
    struct kube_pod_spec spec;
    struct kube_owner owner;
    enum kube_pod_phase phase;
    bool unschedulable; /* PodScheduled is False for reason Unschedulable */
    bool ready;
    struct str ip;
    int64_t created_wall_ns, started_wall_ns, deleted_wall_ns; /* 0 = not */
    uint32_t restarts;
    bool oom_killed;                  /* a container's last or present state says so */
    struct kube_value claim_statuses; /* status.resourceClaimStatuses */
};
void kube_pod_read(const struct kube_item *item, struct kube_pod *ret_pod);

/* Deployment, StatefulSet, ReplicaSet, DaemonSet, Job: the counts and the template. */
struct kube_workload {
    struct kube_owner owner; /* of a ReplicaSet: its Deployment; of a Job: its CronJob */
    int64_t replicas;        /* wanted: spec.replicas (1 when absent), a Job's parallelism, a
                                DaemonSet's status.desiredNumberScheduled */
    int64_t ready_replicas, updated_replicas;
    struct str strategy; /* "RollingUpdate", "Recreate", "OnDelete", "" */
    bool suspended;      /* a Job's spec.suspend */
    int64_t generation, observed_generation, deleted_wall_ns;
    struct kube_value selector; /* spec.selector */
    struct kube_value template_metadata;
    struct kube_pod_spec spec; /* of the template */
};
void kube_workload_read(const struct kube_item *item, struct kube_workload *ret_workload);

struct kube_pdb {
    struct kube_value selector;
    bool selects_all;                                                      /* an empty selector */
    char min_available[KUBE_SCALAR_MAX], max_unavailable[KUBE_SCALAR_MAX]; /* "" = not set */
    int64_t disruptions_allowed, expected_pods, current_healthy, desired_healthy;
    bool observed; /* status.observedGeneration is the object's generation */
};
void kube_pdb_read(const struct kube_item *item, struct kube_pdb *ret_pdb);

/* True when a LabelSelector (matchLabels, matchExpressions; NULL or empty matches everything, an
 * unknown operator nothing) matches metadata.labels of `labels`. */
bool kube_selector_matches(struct kube_value selector, struct kube_value labels);

/* ResourceQuota: hard limits and use of extended resources, names as in the object
 * ("requests.nvidia.com/gpu"). */
struct kube_quota {
    uint32_t count, beyond;
    struct {
        struct str name;
        int64_t hard, used;
    } list[KUBE_RESOURCES_MAX];
};
void kube_quota_read(const struct kube_item *item, struct kube_quota *ret_quota);

/* coordination.k8s.io Lease. */
struct kube_lease {
    struct str holder;
    int64_t duration_s, transitions;
    struct str renew_time, acquire_time; /* as written: compared, never used as a clock */
};
void kube_lease_read(const struct kube_item *item, struct kube_lease *ret_lease);

/* ConfigMap: walk kube_item_at(item, "data") by KUBE_FOREACH. */

#endif
