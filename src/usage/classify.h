/* usage/classify.h - what kind of workload an owner runs, when nobody declared it.
 *
 * Pure.  A short list of rules with points, all on integers; the winner's lead is the confidence.
 * A guess never takes protection away: callers treat a guess of low confidence as
 * latency-sensitive where the policy protects such work. */
#ifndef USAGE_CLASSIFY_H
#define USAGE_CLASSIFY_H

#include "model/workload.h"
#include "usage/digest.h"

struct usage_traits {
    enum model_owner_kind kind;
    uint32_t gpus_per_pod;
    uint32_t replicas;
    uint32_t pods_ended;      /* of this owner, by themselves */
    int64_t pod_life_mean_ns; /* of ended pods; 0 = none ended */
    int64_t pod_age_max_ns;   /* of living pods */
};

struct usage_guess {
    enum model_class workload_class; /* MODEL_CLASS_UNKNOWN: too little to say */
    uint32_t confidence_permille;
    const char *because; /* the strongest rule, one phrase; static storage */
};

/* least: readings below which the answer is UNKNOWN unless the kind alone decides. */
struct usage_guess usage_classify(
        const struct usage_digest *d, const struct usage_traits *traits, uint64_t least);

#endif
