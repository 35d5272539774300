/* ctl/names.h - the labels, annotations and field managers that Slicewright writes or reads in a
 * cluster, and the ones of others by which it knows whose a thing is.
 *
 * What each means to users: docs/PLAN.md. */
#ifndef CTL_NAMES_H
#define CTL_NAMES_H

#define CTL_DOMAIN "sharing.slicewright.io/"

/* On nodes. */
#define CTL_LABEL_POOL          CTL_DOMAIN "pool"
#define CTL_TAINT_POOL          CTL_LABEL_POOL       /* the value is the pool's; NoSchedule */
#define CTL_TAINT_STARTUP       CTL_DOMAIN "startup" /* NoSchedule */
#define CTL_ANNOTATION_ROLLOUT  CTL_DOMAIN "rollout"
#define CTL_ANNOTATION_ORIGINAL CTL_DOMAIN "original" /* its labels before our first change */
#define CTL_ANNOTATION_REVERT   CTL_DOMAIN "revert"   /* closed by `slicewright revert` */
#define CTL_ANNOTATION_FREEZE   CTL_DOMAIN "freeze"   /* "true": leave this node alone */

/* On our Lease. */
#define CTL_ANNOTATION_EVICTIONS CTL_DOMAIN "evictions" /* ctl/ledger.h */

/* On owners' pod templates: labels or annotations. */
#define CTL_KEY_CLASS        CTL_DOMAIN "class"         /* model_class_name() */
#define CTL_KEY_ISOLATION    CTL_DOMAIN "isolation"     /* model_isolation_name() */
#define CTL_KEY_MEMORY       CTL_DOMAIN "gpu-memory"    /* a quantity per GPU: "10Gi" */
#define CTL_KEY_PREALLOCATES CTL_DOMAIN "preallocates"  /* "true", "false" */
#define CTL_KEY_SLO          CTL_DOMAIN "slo-permille"  /* of the latency alone */
#define CTL_KEY_REQUEST      CTL_DOMAIN "original-gpus" /* whole GPUs asked before we pointed it */

/* NVIDIA's. */
#define CTL_LABEL_PLUGIN_CONFIG "nvidia.com/device-plugin.config"
#define CTL_LABEL_MIG_CONFIG    "nvidia.com/mig.config"
#define CTL_LABEL_MIG_STATE     "nvidia.com/mig.config.state"
#define CTL_LABEL_GPU_PRODUCT   "nvidia.com/gpu.product"
#define CTL_LABEL_GPU_COUNT     "nvidia.com/gpu.count"

/* Autoscalers': what people write so that a pod or a node stays.  Never written by us. */
#define CTL_ANNOTATION_SAFE_TO_EVICT  "cluster-autoscaler.kubernetes.io/safe-to-evict"
#define CTL_ANNOTATION_NO_SCALE_DOWN  "cluster-autoscaler.kubernetes.io/scale-down-disabled"
#define CTL_ANNOTATION_DO_NOT_DISRUPT "karpenter.sh/do-not-disrupt"

/* The key of mig-manager's ConfigMap that holds all its configs. */
#define CTL_MIG_CONFIG_KEY "config.yaml"

/* dcgm-exporter's variable: "true" = it names every pod of a time-sliced GPU, else one of them. */
#define CTL_ENV_VIRTUAL_GPUS "KUBERNETES_VIRTUAL_GPUS"

/* Kubernetes'. */
#define CTL_LABEL_MANAGED_BY    "app.kubernetes.io/managed-by" /* "slicewright": ours */
#define CTL_LABEL_INSTANCE_TYPE "node.kubernetes.io/instance-type"
#define CTL_LABEL_REGION        "topology.kubernetes.io/region"

#endif
