/* core/intent.h - what the deciding half of the core wants; the rollout half carries it out.
 *
 * Pure: plain data between core/decide_*.c (which only reads the picture) and core/rollout_*.c
 * (which alone issues actions and enforces guards).  An intent is a desired level, never a delta:
 * giving the same intent twice is harmless. */
#ifndef CORE_INTENT_H
#define CORE_INTENT_H

#include "base/buf.h"
#include "core/action.h"
#include "core/share.h"

enum { CORE_INTENT_LAYOUTS_MAX = CORE_GPUS_MAX, CORE_LAYOUT_TEXT_MAX = 96 };

/* How a node should be configured.  Which micro-steps that takes is the rollout's business:
 *   same pool and a higher replica count: publish key, wait, label, wait for allocatable, verify;
 *   exclusive <-> shared, a lower count, another layout: cordon and empty the node first;
 *   retire: cordon, evict, wait until the Node object is gone (or demand returns);
 *   hold / release: cordon or uncordon only, with the reason in the annotation. */
struct core_node_target {
    uint32_t replicas;     /* of whole GPUs: 1 = exclusive, 2.. = time-slicing */
    uint32_t mig_replicas; /* of every MIG instance: 1 = plain */
    char pool[40];         /* pool label value, "" = none */
    bool retire;
    bool hold;
    bool mig;              /* any GPU in MIG mode */
    uint32_t layout_count; /* entries in use, by physical index; 0 = no MIG */
    char layouts[CORE_INTENT_LAYOUTS_MAX][CORE_LAYOUT_TEXT_MAX]; /* "3g.20gb,1g.5gb", "" = whole */
};

enum core_intent_kind { CORE_INTENT_NODE, CORE_INTENT_OWNER, CORE_INTENT_ASSIGN, CORE_INTENT_MOVE };

struct core_intent {
    enum core_intent_kind kind;
    enum core_change change;
    enum core_reason reason;
    uint16_t cluster;
    uint64_t node, pod, owner;
    int64_t saving_microusd_per_hour;
    bool urgent; /* leads toward exclusive after a measured signal: dwell and gain do not hold it */
    struct core_node_target target; /* CORE_INTENT_NODE */
    struct {
        struct model_resource resource;
        uint32_t count;
        char pool[CORE_SHARE_NAME_MAX];
        uint64_t gpu_models;
    } owner_target; /* CORE_INTENT_OWNER */
    uint8_t gpu;    /* CORE_INTENT_ASSIGN, CORE_INTENT_MOVE: destination on `node` */
    char why[160];  /* one line: the numbers, the best alternative and its cost */
    uint32_t evidence_count;
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
};

struct core_options;
struct core_picture;

/* The deciding half.  Holds its own memory of demand (usage digests), open solves and hysteresis;
 * reads the picture; never issues an action itself.  Implemented in core/decide*.c. */
struct core_decider;
struct core_decider *core_decider_new(const struct core_options *options);
struct core_decider *core_decider_free(struct core_decider *d);

/* Every fact, after the picture took it in (digests learn from samples and incidents). */
void core_decider_learn(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_fact *fact);

/* core_history_get(). */
bool core_decider_history(const struct core_decider *d, uint64_t owner, struct buf *text,
        struct core_history_fact *ret_history);

/* core_node_stays(), of a row of the picture. */
bool core_decider_node_stays(const struct core_decider *d, const struct core_picture *pic,
        uint32_t node, struct str *ret_pod, struct str *ret_why);

struct core_decider_output {
    const struct core_intent *intents; /* in order of urgency; views until the next call */
    uint32_t intent_count;
    const struct core_decision *refusals; /* what was considered and refused, with reason */
    uint32_t refusal_count;
    const struct place_problem
            *problem; /* to be solved, or NULL: the core makes the SOLVE action */
    uint64_t solve_seed;
    uint32_t solve_iterations;
    int64_t next_wake_mono_ns;
};

/* Called once a step after all facts. */
void core_decider_run(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, struct core_decider_output *ret_output);

/* The answer to a SOLVE; the decider validates it against the picture of now and may use it in the
 * next run.  `ok` is false when it was lost or too late. */
void core_decider_solved(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct place_solution *solution);

/* Guard questions that only demand can answer; asked by the rollout half right before an action.
 * Returns CORE_REASON_NONE when allowed, else the guard that refuses, with evidence filled in. */
enum core_reason core_decider_guard(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent,
        struct core_evidence evidence[CORE_EVIDENCE_MAX], uint32_t *ret_evidence_count);

#endif
