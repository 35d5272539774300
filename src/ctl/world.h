/* ctl/world.h - a cluster's objects judged and turned into the core's facts.
 *
 * No I/O.  Says of each node and owner whether it may be touched, and if not, why: another owner of
 * its partitioning, another scheduler, a quota, a template that is not known.  What could not be
 * told is said too, never guessed.  Rules and their sources: docs/PLAN.md. */
#ifndef CTL_WORLD_H
#define CTL_WORLD_H

#include "core/fact.h"
#include "ctl/snapshot.h"

struct ctl_world_options {
    const struct policy *policy;
    const struct model_price_book *prices;  /* NULL = none */
    int64_t (*price_default)(uint16_t gpu); /* micro-USD per GPU hour */
    int64_t wall_ns;                        /* when the objects were read */
    bool seen[CTL_KIND_COUNT];              /* collections that could be read */
    const char *why[CTL_KIND_COUNT];        /* why not, or NULL */
    /* Owners scaled to none and CronJobs between their Jobs too: what was learned of them is to be
     * kept. */
    bool resting_owners;
};

/* Where a node's price is from. */
enum ctl_price_source { CTL_PRICE_INSTANCE, CTL_PRICE_MODEL, CTL_PRICE_DEFAULT };

/* What is known of a node with GPUs beside its fact. */
struct ctl_node_note {
    const struct ctl_node *node;
    const char *excluded_why; /* fact.excluded: why; else NULL */
    uint32_t stay_count;      /* pods and marks that keep the node when it is empty otherwise */
    const char *stay_first;   /* the first of them; fact.keeps says it and the count */
    enum ctl_price_source price;
    bool autoscaled;       /* of a node group that an autoscaler may resize */
    struct str autoscaler; /* the label that says so */
};

/* The same of an owner. */
struct ctl_owner_note {
    const struct ctl_workload *workload; /* NULL: not known (bare pods, controllers of others) */
    struct str namespace, name;
    const char *kind;       /* "Deployment", "RayCluster", ... */
    const char *managed_by; /* "Argo CD", "Helm", ...: where a change belongs; NULL = nobody seen */
    uint32_t pods, pending;
};

/* Something that users should know, whatever is decided. */
enum ctl_finding_kind { CTL_FINDING_WARNING, CTL_FINDING_UNSEEN };
struct ctl_finding {
    enum ctl_finding_kind kind;
    const char *subject; /* "node gpu-1", "ConfigMap a/b", "12 nodes" */
    const char *text;    /* what is so */
    const char *advice;  /* what to do, or what it costs in certainty */
};

/* Rows are parallel to notes; all text lives in the world's arena or the snapshot's. */
struct ctl_world {
    struct arena *a;
    const struct ctl_snapshot *snapshot;
    uint32_t node_count, owner_count, pod_count, config_count, finding_count, finding_cap;
    struct core_fact *nodes, *owners, *pods, *configs; /* of those kinds */
    struct ctl_node_note *node_notes;
    struct ctl_owner_note *owner_notes;
    const struct ctl_pod **pod_rows; /* of the pod facts */
    struct ctl_finding *findings;
    struct map_str node_index;               /* name -> row */
    struct map_str pod_index;                /* "namespace/name" -> row */
    struct map_u64 owner_index, node_by_uid; /* uid -> row */
    bool taint_pools;           /* of the policy: patches for owners carry the toleration */
    uint32_t unknown_gpu_nodes; /* nodes with GPUs of a model that is not known: left out */
};

/* The uid of an object in facts: of its Kubernetes UID, never 0. */
uint64_t ctl_uid(struct str kubernetes_uid);

/* Builds everything into `a`.  -EINVAL when there is no node with a GPU that is known. */
int ctl_world_build(struct arena *a, const struct ctl_snapshot *s,
        const struct ctl_world_options *options, struct ctl_world *ret_world, struct err *reterr);
void ctl_world_clear(struct ctl_world *w);

/* Notes a finding; texts are made with arena_printf() or static. */
void ctl_world_find(struct ctl_world *w, enum ctl_finding_kind kind, const char *subject,
        const char *text, const char *advice);

/* The owner that a pod called so would have, by the names that controllers give their pods
 * (REPLICASET-xxxxx, STATEFULSET-N, JOB-xxxxx); 0 when none fits.  For pods that are gone. */
uint64_t ctl_world_owner_by_name(const struct ctl_world *w, struct str namespace, struct str pod);

#endif
