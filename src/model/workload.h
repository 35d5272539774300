/* model/workload.h - what a workload asks for, what it was given and how it must be treated.
 *
 * Pure: vocabulary shared by usage, policy, place, core and sim.  A workload is an owner's pods
 * (Deployment, StatefulSet, Job, bare pod). */
#ifndef MODEL_WORKLOAD_H
#define MODEL_WORKLOAD_H

#include "base/err.h"
#include "base/str.h"

/* How a workload wants to be treated; declared by label, annotation or PriorityClass, else
 * inferred from usage. */
enum model_class {
    MODEL_CLASS_UNKNOWN,
    MODEL_CLASS_LATENCY_SENSITIVE,
    MODEL_CLASS_INTERACTIVE,
    MODEL_CLASS_BATCH,
    MODEL_CLASS_TRAINING,
    MODEL_CLASS_COUNT
};

/* "latency-sensitive", "interactive", ...; static storage. */
const char *model_class_name(enum model_class c);
int model_class_parse(struct str text, enum model_class *ret_class, struct err *reterr);

/* How far a fault of a neighbour may reach: with GPU, the workload accepts neighbours on its GPU;
 * with INSTANCE, only neighbours outside its MIG instance; with EXCLUSIVE, none on its GPU. */
enum model_isolation {
    MODEL_ISOLATION_NONE,
    MODEL_ISOLATION_INSTANCE,
    MODEL_ISOLATION_EXCLUSIVE,
    MODEL_ISOLATION_COUNT
};

const char *model_isolation_name(enum model_isolation i);
int model_isolation_parse(struct str text, enum model_isolation *ret_isolation, struct err *reterr);

/* How a GPU, or an instance of it, is given to workloads. */
enum model_technique {
    MODEL_TECHNIQUE_EXCLUSIVE,
    MODEL_TECHNIQUE_TIME_SLICING,
    MODEL_TECHNIQUE_MIG,
    MODEL_TECHNIQUE_COUNT
};

const char *model_technique_name(enum model_technique t); /* "exclusive", "time-slicing", "mig" */
int model_technique_parse(struct str text, enum model_technique *ret_technique, struct err *reterr);

/* Who owns a pod, which says what an eviction does to it. */
enum model_owner_kind {
    MODEL_OWNER_DEPLOYMENT,  /* recreated at once; rolling update may surge */
    MODEL_OWNER_STATEFULSET, /* recreated under the same name, after the old one is gone */
    MODEL_OWNER_JOB,         /* recreated, starts again from zero */
    MODEL_OWNER_BARE,        /* does not come back: never evicted by us */
    MODEL_OWNER_DAEMONSET,   /* bound to its node; not a workload */
    MODEL_OWNER_COUNT
};

const char *model_owner_kind_name(enum model_owner_kind k);

/* An extended resource as a pod requests it.  `profile` only for MIG: "1g.5gb" (view; owner of the
 * enclosing struct says how long it lives). */
enum model_resource_kind {
    MODEL_RESOURCE_NONE,
    MODEL_RESOURCE_GPU,        /* nvidia.com/gpu */
    MODEL_RESOURCE_GPU_SHARED, /* nvidia.com/gpu.shared */
    MODEL_RESOURCE_MIG,        /* nvidia.com/mig-<profile> */
    MODEL_RESOURCE_MIG_SHARED, /* nvidia.com/mig-<profile>.shared */
    MODEL_RESOURCE_COUNT
};

enum { MODEL_PROFILE_NAME_MAX = 24, MODEL_RESOURCE_NAME_MAX = 48 };

struct model_resource {
    enum model_resource_kind kind;
    char profile[MODEL_PROFILE_NAME_MAX]; /* NUL-terminated; "" unless MIG */
};

bool model_resource_eq(const struct model_resource *a, const struct model_resource *b);

/* Writes "nvidia.com/gpu.shared" and the like into text[MODEL_RESOURCE_NAME_MAX]; returns text. */
char *model_resource_format(const struct model_resource *r, char *text);

/* Parses a resource name; -ENOENT for a name that is no NVIDIA GPU resource. */
int model_resource_parse(struct str name, struct model_resource *ret_resource);

#endif
