/* ctl/snapshot.h - what a cluster's API shows, reduced to what sharing decisions need.
 *
 * Objects come one at a time, in any order; only the fields below are kept.  Nothing is judged
 * here: ctl/facts.h makes facts of it.  No I/O.  Limits are errors, never a silent cut. */
#ifndef CTL_SNAPSHOT_H
#define CTL_SNAPSHOT_H

#include "base/arena.h"
#include "base/map.h"
#include "kube/fields.h"

enum {
    CTL_NODES_MAX = 100000,
    CTL_PODS_MAX = 2000000,
    CTL_WORKLOADS_MAX = 1000000,
    CTL_LABELS_MAX = 128, /* kept of one object */
};

/* What is read of a cluster; each is one collection of the API. */
enum ctl_kind {
    CTL_NODES,
    CTL_PODS,
    CTL_DEPLOYMENTS,
    CTL_STATEFULSETS,
    CTL_REPLICASETS,
    CTL_DAEMONSETS,
    CTL_JOBS,
    CTL_CRONJOBS,
    CTL_BUDGETS,
    CTL_QUOTAS,
    CTL_CONFIGMAPS,
    CTL_CLUSTER_POLICIES,
    CTL_SLICES,
    CTL_KIND_COUNT
};

/* A kind of object and where it is served. */
struct ctl_kind_info {
    const char *kind;   /* "Deployment" */
    const char *plural; /* "deployments" */
    const char *group;  /* "apps", "" for the core group */
    const char *path;   /* "/apis/apps/v1/deployments" */
    bool optional;      /* may be absent from a cluster (404): then there are none */
    bool vital;         /* without it there is no plan at all */
    const char *cost;   /* what is not known without it, for people */
};
const struct ctl_kind_info *ctl_kind_info(enum ctl_kind k);

/* The kind of an object by its "kind" field; CTL_KIND_COUNT for one that is not read. */
enum ctl_kind ctl_kind_find(struct str kind);

/* Labels or annotations kept of an object. */
struct ctl_labels {
    uint32_t count;
    const struct kube_pair *list;
};
struct str ctl_labels_get(const struct ctl_labels *l, const char *key); /* "" when absent */
struct str ctl_labels_get_str(const struct ctl_labels *l, struct str key);

struct ctl_node {
    struct str name, uid;
    uint64_t version;
    struct kube_node fields; /* strings in the snapshot's arena */
    struct ctl_labels labels, annotations;
};

/* What a pod asks for, from a pod or a template. */
struct ctl_pod_spec {
    struct str gpu_resource; /* "nvidia.com/gpu"; "" = asks for none */
    uint32_t gpu_count;
    uint32_t gpu_kinds; /* different nvidia.com resources asked at once */
    int64_t cpu_milli, memory_bytes;
    struct str scheduler, priority_class;
    bool affinity_required, claims, gated, local_storage;
    uint32_t gpu_containers;
    struct str gpu_container; /* the first of them */
    uint32_t selector_count;
    const struct kube_pair *selector;
    uint32_t toleration_count;
    const struct kube_toleration *tolerations;
    bool preallocates_seen;       /* an image or command that is known to reserve memory */
    const char *preallocates_why; /* "vLLM", static; NULL */
};

struct ctl_pod {
    struct str namespace, name, uid, node;
    uint64_t version;
    struct kube_owner owner; /* strings in the snapshot's arena */
    enum kube_pod_phase phase;
    bool unschedulable;
    int64_t created_wall_ns, started_wall_ns, deleted_wall_ns;
    struct ctl_pod_spec spec;
    struct ctl_labels labels, annotations;
};

/* A pod without GPUs that an autoscaler does not evict: it keeps its node. */
enum ctl_stay_why {
    CTL_STAY_NOT,
    CTL_STAY_ANNOTATION, /* its owner says so */
    CTL_STAY_BARE,       /* nobody makes it again */
    CTL_STAY_SYSTEM,     /* of kube-system: unless a PodDisruptionBudget covers it */
    CTL_STAY_STORAGE,    /* what it wrote to the node's disk would be lost */
    CTL_STAY_BUDGET,     /* its PodDisruptionBudget allows no disruption */
    CTL_STAY_NODE,       /* no pod: the node's own annotation */
    CTL_STAY_COUNT
};
struct ctl_stay {
    struct str node, namespace, name;
    enum ctl_stay_why why;
    struct ctl_labels labels;
};

struct ctl_workload {
    enum ctl_kind kind;
    struct str namespace, name, uid;
    uint64_t version;
    struct kube_owner owner;
    int64_t replicas;
    struct ctl_pod_spec spec;
    struct ctl_labels labels, annotations; /* of the template, over those of the object */
};

struct ctl_budget {
    struct str namespace, name;
    bool selects_all, simple; /* simple: matchLabels alone; else it is taken to cover all */
    uint32_t label_count;
    const struct kube_pair *labels;
    struct str min_available, max_unavailable;
};

struct ctl_quota {
    struct str namespace, name, resource; /* the first GPU resource that it limits, or has beyond */
    bool beyond;                          /* more of it is used than it allows */
};

struct ctl_config_key {
    struct str namespace, map, key, text;
    uint64_t version;
};

/* A ConfigMap that was read; ours: labelled CTL_LABEL_MANAGED_BY=slicewright. */
struct ctl_config_map {
    struct str namespace, name;
    uint64_t version;
    bool ours;
};

/* The GPU Operator's ClusterPolicy. */
struct ctl_operator {
    bool present;
    struct str plugin_config, plugin_default; /* devicePlugin.config.{name,default} */
    struct str plugin_version;                /* devicePlugin.version, a release or a digest */
    struct str mig_config, mig_default;       /* migManager.config.{name,default} */
    struct str mig_strategy;                  /* mig.strategy */
    bool exporter_names_all; /* dcgmExporter.env: every pod of a shared GPU is named in readings */
    uint32_t toleration_count;
    const struct kube_toleration *tolerations; /* daemonsets.tolerations */
};

/* A pod of dcgm-exporter, which is asked for readings. */
struct ctl_exporter {
    struct str node, ip, namespace, name;
};

struct ctl_snapshot {
    struct arena *a; /* owned */
    struct ctl_node *nodes;
    struct ctl_pod *pods;           /* that ask for GPUs, and those only */
    struct ctl_workload *workloads; /* of all kinds; those without GPUs too: they may own Pods */
    struct ctl_budget *budgets;
    struct ctl_quota *quotas;
    struct ctl_config_key *configs;
    struct ctl_config_map *maps; /* those of `configs`, and those without a key */
    struct ctl_exporter *exporters;
    struct ctl_stay *stays;
    uint32_t exporter_count, exporter_cap, stay_count, stay_cap;
    uint32_t node_count, node_cap, pod_count, pod_cap, workload_count, workload_cap, budget_count,
            budget_cap, quota_count, quota_cap, config_count, config_cap, map_count, map_cap;
    struct ctl_operator operator;
    struct map_str dra_nodes; /* node names with ResourceSlices of gpu.nvidia.com */
    /* What pods without GPUs take of a node: node name -> index. */
    struct map_str others;
    struct ctl_other {
        int64_t cpu_milli, memory_bytes;
        uint32_t pods;
    } * other;
    uint32_t other_cap;
    struct map_str workload_by_uid;
    struct map_str seen;            /* uids: a list that broke off comes again */
    bool each_once;                 /* set by who knows that objects do not: they are not noted */
    uint64_t taken[CTL_KIND_COUNT]; /* objects */
};

struct ctl_snapshot *ctl_snapshot_new(void);
struct ctl_snapshot *ctl_snapshot_free(struct ctl_snapshot *s); /* NULL is accepted and returned */

/* Takes an object in; one that is there already is left as it is.  -E2BIG over a limit. */
int ctl_snapshot_put(struct ctl_snapshot *s, enum ctl_kind kind, const struct kube_item *item,
        struct err *reterr);

/* Reads a file of objects as `kubectl get ... -o json` prints them: one object, a List, or several
 * one after another.  Unknown kinds are counted in ret_ignored.  -EINVAL with the byte offset. */
int ctl_snapshot_read(
        struct ctl_snapshot *s, struct str text, uint32_t *ret_ignored, struct err *reterr);

#endif
