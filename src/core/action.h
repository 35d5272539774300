/* core/action.h - what the core asks for: steps in flight, and decisions with their reasons.
 *
 * Pure: plain data.  Views are valid until the next core_step() on the same core. */
#ifndef CORE_ACTION_H
#define CORE_ACTION_H

#include "core/fact.h"
#include "core/reason.h"

struct place_problem;

enum core_action_kind {
    CORE_ACTION_CONFIG_PUT,    /* write one key of our ConfigMap */
    CORE_ACTION_CONFIG_DELETE, /* only a key that no label names and no rollout needs */
    CORE_ACTION_NODE_PATCH,    /* cordon, labels, annotation, in one patch */
    CORE_ACTION_POD_EVICT,     /* eviction API: PDB applies, 429 possible */
    CORE_ACTION_OWNER_PATCH,   /* propose to the owner another resource and pool */
    CORE_ACTION_POD_ASSIGN,    /* native caps: admission binds a pending pod to node and GPU */
    CORE_ACTION_SOLVE,
    CORE_ACTION_COUNT
};

const char *core_action_name(enum core_action_kind k); /* "config-put", "node-patch", ... */

/* Which parts of a NODE_PATCH are meant; the others stay as they are. */
enum {
    CORE_PATCH_CORDON = 1,
    CORE_PATCH_PLUGIN_CONFIG = 2,
    CORE_PATCH_MIG_CONFIG = 4,
    CORE_PATCH_POOL = 8,
    CORE_PATCH_ANNOTATION = 16,
    CORE_PATCH_TAINTS = 32 /* both of ours; never together with another part */
};

enum { CORE_EVIDENCE_MAX = 8 };

/* A number that a decision rests on: name (static storage, unit in the name) and value. */
struct core_evidence {
    const char *name;
    int64_t value;
};

struct core_action {
    uint64_t id; /* hash of (plan, object uid, step, attempt): a replay has the same ids */
    enum core_action_kind kind;
    uint16_t cluster;
    uint64_t target;       /* uid of the node, pod or owner; 0 for config and solve */
    uint64_t precondition; /* source version of the target that the decision saw; 0 = none */
    int64_t deadline_mono_ns;
    enum core_reason reason;
    uint32_t evidence_count;
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
    union {
        struct {
            enum core_config_map map;
            struct str key, text;
        } config;
        struct {
            uint32_t fields; /* CORE_PATCH_* */
            bool cordon;
            struct str plugin_config, mig_config, pool, annotation; /* "" removes */
            struct str pool_taint;                                  /* its value; "" removes */
            bool startup_taint;
        } node;
        struct {
            struct model_resource resource;
            uint32_t count;
            struct str pool;
            uint64_t gpu_models; /* the owner's pods should go to these models; 0 = as before */
        } owner;
        struct {
            uint64_t node;
            uint8_t gpu;
        } assign;
        struct {
            const struct place_problem *problem; /* owned by the core until the solution came */
            uint64_t seed;
            uint32_t iterations;
        } solve;
    };
};

enum core_verdict {
    CORE_VERDICT_DONE,      /* carried out and verified */
    CORE_VERDICT_BEGUN,     /* a rollout or patch begins */
    CORE_VERDICT_PROPOSED,  /* recommend mode, or waiting for the owner */
    CORE_VERDICT_REFUSED,   /* a guard said no; reason names it */
    CORE_VERDICT_UNDONE,    /* rolled back to the old state */
    CORE_VERDICT_ABANDONED, /* frozen, schedulable, with reason and next retry */
    CORE_VERDICT_COUNT
};

const char *core_verdict_name(enum core_verdict v);

/* What kind of change a decision is about, for counters and reports. */
enum core_change {
    CORE_CHANGE_SHARE, /* node exclusive -> time-sliced */
    CORE_CHANGE_REPLICAS_RAISE,
    CORE_CHANGE_REPLICAS_LOWER,
    CORE_CHANGE_UNSHARE, /* node back to exclusive */
    CORE_CHANGE_MIG_RELAYOUT,
    CORE_CHANGE_RETIRE, /* empty a node so that it can go */
    CORE_CHANGE_HOLD,   /* close a node to new pods, memory guard */
    CORE_CHANGE_RELEASE,
    CORE_CHANGE_OWNER_POINT, /* point an owner at another resource or pool */
    CORE_CHANGE_POD_MOVE,
    CORE_CHANGE_POD_ASSIGN,
    CORE_CHANGE_TAINT, /* who may come to a node: our taints on it */
    CORE_CHANGE_COUNT
};

const char *core_change_name(enum core_change c);

/* A line of the decision log.  Every number in it can be recomputed from the recording. */
struct core_decision {
    uint64_t seq;
    int64_t wall_ns;
    uint16_t cluster;
    enum core_change change;
    enum core_verdict verdict;
    enum core_reason reason;
    uint64_t node, pod, owner;        /* 0 when not about one */
    uint32_t from_value, to_value;    /* replicas, or counts, by change */
    int64_t saving_microusd_per_hour; /* expected; negative costs */
    struct str text; /* one line for people: subject, what, the numbers, the best alternative */
    uint32_t evidence_count;
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
};

#endif
