/* core/fact.h - what the core is told: observations of a cluster, each with its source and time.
 *
 * Pure: plain data.  Views (struct str, pointers) are valid during the core_step() that gets them;
 * the core copies what it keeps.  Uids are unique for one incarnation of an object: the simulator
 * numbers them, the live controller derives them from Kubernetes UIDs.  0 is no object.
 * Contract: DESIGN "Core", section 5. */
#ifndef CORE_FACT_H
#define CORE_FACT_H

#include "base/str.h"
#include "mig/layout.h"
#include "model/price.h"
#include "model/workload.h"
#include "policy/policy.h"

struct place_solution;

/* One wall clock, one monotonic clock and the count of controller starts, read once per step.
 * Deadlines and dwell use mono_ns; windows and recorded times use wall_ns. */
struct core_now {
    int64_t wall_ns;
    int64_t mono_ns;
    uint32_t epoch;
};

/* Where facts come from; each (cluster, source) is complete or lost, see CORE_FACT_SYNC. */
enum core_source {
    CORE_SOURCE_NODES,
    CORE_SOURCE_PODS,
    CORE_SOURCE_OWNERS,
    CORE_SOURCE_CONFIG,
    CORE_SOURCE_METRICS,
    CORE_SOURCE_OFFERS,
    CORE_SOURCE_POLICY,
    CORE_SOURCE_ACTIONS, /* outcomes and solutions; always in sync */
    CORE_SOURCE_COUNT
};

enum core_fact_kind {
    CORE_FACT_SYNC,
    CORE_FACT_GONE,
    CORE_FACT_NODE,
    CORE_FACT_POD,
    CORE_FACT_OWNER,
    CORE_FACT_CONFIG,
    CORE_FACT_SAMPLE,
    CORE_FACT_INCIDENT,
    CORE_FACT_OFFER,
    CORE_FACT_POLICY,
    CORE_FACT_WINDOW,
    CORE_FACT_APPROVAL,
    CORE_FACT_OUTCOME,
    CORE_FACT_SOLUTION,
    CORE_FACT_HISTORY,
    CORE_FACT_EVICTED,
    CORE_FACT_COUNT
};

/* DESIGN section 4, "Node caps". */
enum core_share_scope { CORE_SHARE_NONE, CORE_SHARE_NODE_RESOURCE, CORE_SHARE_GPU };
enum core_relayout_scope {
    CORE_RELAYOUT_NONE,
    CORE_RELAYOUT_NODE_RESET, /* every mode change resets all GPUs of the node */
    CORE_RELAYOUT_GPU_REBUILD,
    CORE_RELAYOUT_INSTANCE
};
enum core_steer { CORE_STEER_NONE, CORE_STEER_POOL, CORE_STEER_CLASS, CORE_STEER_DEVICE };
enum core_known_at { CORE_KNOWN_NODE, CORE_KNOWN_GPU, CORE_KNOWN_INSTANCE, CORE_KNOWN_PROCESS };

struct core_node_caps {
    enum core_share_scope share;
    enum core_relayout_scope relayout;
    bool mode_change_resets_node; /* Ampere */
    enum core_steer steer;
    /* Who is on a device, as readings name it: NODE: of a device that pods share one of them, the
     * others may be on any of the node; else all of them. */
    enum core_known_at occupant;
    enum core_known_at usage; /* of what there is a reading of its own */
};

enum { CORE_RESOURCES_MAX = 16, CORE_GPUS_MAX = 16, CORE_POD_DEVICES_MAX = 16 };

struct core_resource_count {
    struct model_resource resource;
    uint32_t count;
};

/* A Node object as the API shows it. */
struct core_node_fact {
    uint64_t uid;
    uint16_t cluster;
    struct str name, region;
    uint16_t gpu;       /* GPU table index */
    uint32_t gpu_count; /* physical */
    uint32_t cpu_milli, memory_mib;
    int64_t microusd_per_hour; /* of the whole node */
    enum model_purchase purchase;
    struct core_node_caps caps;
    bool ready;
    bool unschedulable;
    bool frozen;        /* the user's freeze annotation */
    bool excluded;      /* its labels do not match the policy's node selector (the world, which
                           sees all labels, evaluates it) */
    struct str foreign; /* another owner of its partitioning ("DRA driver", ...), "" when none */
    struct str keeps;   /* what keeps an empty node from going, for people; "" = nothing */
    struct str plugin_config; /* label nvidia.com/device-plugin.config, "" when unset */
    struct str mig_config;    /* label nvidia.com/mig.config */
    struct str mig_state;     /* label nvidia.com/mig.config.state */
    struct str pool;          /* our pool label, "" when unset */
    struct str pool_taint;    /* our pool taint's value, "" when it is not there */
    bool startup_taint;       /* our start-up taint is there */
    /* Who does not tolerate that taint and has to run there: "" = nobody, so it may be set. */
    struct str pool_taint_refused, startup_taint_refused;
    struct str annotation; /* our rollout annotation, "" when unset */
    int64_t created_wall_ns;
    uint32_t allocatable_count;
    struct core_resource_count allocatable[CORE_RESOURCES_MAX];
};

enum core_pod_phase {
    CORE_POD_PENDING, /* not bound, or bound and not started */
    CORE_POD_RUNNING,
    CORE_POD_TERMINATING,
    CORE_POD_ENDED /* succeeded or failed: holds no device */
};

struct core_pod_fact {
    uint64_t uid;
    uint64_t owner;
    uint64_t node; /* 0 = not bound */
    uint16_t cluster;
    struct str name;
    enum core_pod_phase phase;
    bool unschedulable; /* condition PodScheduled=False, Unschedulable */
    struct model_resource resource;
    uint32_t count;  /* of the resource */
    struct str pool; /* its node selector on our pool label, "" when none */
    int64_t created_wall_ns, started_wall_ns;
    /* Devices, when known: physical index and first MIG unit (255 = whole GPU). */
    uint32_t device_count;
    struct {
        uint8_t gpu, start;
    } devices[CORE_POD_DEVICES_MAX];
};

/* An owner and its pod template. */
struct core_owner_fact {
    uint64_t uid;
    uint16_t cluster;
    struct str name; /* "namespace/name" */
    enum model_owner_kind kind;
    enum model_class class_declared;
    enum model_isolation isolation;
    bool preallocates;
    uint32_t declared_memory_mib;   /* per GPU; 0 = not declared */
    uint32_t replicas;              /* wanted now */
    uint32_t max_unavailable;       /* PodDisruptionBudget; UINT32_MAX = no budget */
    uint32_t gpus_per_pod;          /* the original request: whole GPUs */
    uint64_t gpu_models;            /* bit i: GPU table row i allowed; 0 = any */
    uint32_t cpu_milli, memory_mib; /* per pod */
    uint32_t slo_permille;          /* latency limit against alone; 0 = the policy's */
    struct model_resource resource; /* what the template asks for now */
    struct str pool;                /* the template's pool selector, "" when none */
    struct str foreign; /* "Kueue", "another schedulerName", ... : left alone; "" when ours */
    struct str fixed; /* a quota on what it asks for, ...: its pods may be moved, its template must
                       * go on asking for the same; "" when free */
};

/* May the owner's template be pointed at another resource or model? */
static inline bool core_owner_pointable(const struct core_owner_fact *owner)
{
    return owner->foreign.len == 0 && owner->fixed.len == 0;
}

/* One key of one of our ConfigMaps.  A deleted key comes as CORE_FACT_CONFIG with present=false. */
enum core_config_map { CORE_CONFIG_PLUGIN, CORE_CONFIG_MIG, CORE_CONFIG_COUNT };
struct core_config_fact {
    uint16_t cluster;
    enum core_config_map map;
    struct str key;
    struct str text;
    bool present;
};

/* A reading of one GPU, one MIG instance, or one pod's processes on it. */
enum core_sample_scope { CORE_SAMPLE_GPU, CORE_SAMPLE_INSTANCE, CORE_SAMPLE_PROCESS };
enum {
    CORE_VALID_BUSY = 1,
    CORE_VALID_SM = 2,
    CORE_VALID_DRAM = 4,
    CORE_VALID_MEMORY = 8,
    CORE_VALID_LATENCY = 16
};
struct core_sample_fact {
    uint64_t node;
    uint8_t gpu;
    uint8_t start; /* first MIG unit; 255 = whole GPU */
    enum core_sample_scope scope;
    uint8_t valid; /* CORE_VALID_* : a reading that is not valid is not known, not 0 */
    uint16_t busy_permille, sm_permille, dram_permille;
    uint32_t memory_used_mib;
    uint32_t latency_permille; /* of the pod's latency alone, when its owner exports it */
    uint32_t occupant_count;   /* pods named by the exporter; 0 = not named */
    const uint64_t *occupants; /* pod uids */
};

enum core_incident_kind {
    CORE_INCIDENT_MEMORY_KILL,
    CORE_INCIDENT_XID_APPLICATION, /* 13, 31: that pod only */
    CORE_INCIDENT_XID_GPU          /* 48, 79: every pod on the GPU */
};
struct core_incident_fact {
    enum core_incident_kind kind;
    uint64_t node, pod; /* pod 0 when not named */
    uint8_t gpu;        /* 255 when not known */
    uint32_t xid;
};

enum core_outcome { CORE_OUTCOME_DONE, CORE_OUTCOME_REJECTED, CORE_OUTCOME_UNKNOWN };
struct core_outcome_fact {
    uint64_t action;
    enum core_outcome outcome;
    uint32_t http_status; /* of a rejection: 409, 404, 422, 429 ... */
    int64_t retry_after_ns;
};

/* What an earlier core had learned of an owner (core_history_get()), kept by the world.  It counts
 * where it says more than what this core knows of the owner, and then instead of that. */
struct core_history_fact {
    uint64_t owner;
    struct str digest; /* usage_digest_format() */
    uint64_t readings;
    uint32_t error_permille; /* the rest: struct usage_trust */
    int64_t exclusive_wall_ns, attributed_wall_ns;
};

/* What controllers before this one asked to evict, from the record that they wrote before they
 * asked: `count` pods, `age_ns` before this fact was observed.  Ages, since clocks differ.  Count 0
 * says how far back the record goes; for the time before it the core guesses from the pods.  Such
 * facts come with the first lists, or not at all. */
enum { CORE_EVICTED_MAX = 100000 };
struct core_evicted_fact {
    int64_t age_ns;
    uint32_t count; /* 0..CORE_EVICTED_MAX */
};

/* Windows expanded by the world from the policy's crons, [start, end) wall time.  They follow the
 * policy's fact, which withdraws those of the policy before it. */
struct core_window_fact {
    int64_t start_wall_ns, end_wall_ns;
};

struct core_fact {
    enum core_fact_kind kind;
    enum core_source source;
    uint16_t cluster;
    uint64_t version; /* of the source (resourceVersion); rises within (cluster, source) */
    int64_t observed_wall_ns;
    union {
        bool sync_complete; /* CORE_FACT_SYNC: false = lost */
        uint64_t gone;      /* uid; source says of what kind */
        struct core_node_fact node;
        struct core_pod_fact pod;
        struct core_owner_fact owner;
        struct core_config_fact config;
        struct core_sample_fact sample;
        struct core_incident_fact incident;
        struct model_offer offer;
        const struct policy *policy;
        struct core_window_fact window;
        uint64_t approval; /* digest of a plan: evidence "plan" of what was proposed; holds for a
                              day from observed_wall_ns, or until the plan's facts change */
        struct core_outcome_fact outcome;
        struct core_history_fact history;
        struct core_evicted_fact evicted;
        struct {
            uint64_t action;
            const struct place_solution *solution;
        } solution;
    };
};

#endif
