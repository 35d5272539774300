/* ctl/observe.h - the core over a cluster that is only looked at: history first, then today.
 *
 * No I/O.  The history goes in under the policy with `suspend` set, so that the core learns and
 * asks for nothing; then today's objects under the policy itself, with nothing carried out: what
 * the core asks for now is the plan.  Every step is handed to the recorder, so that a replay makes
 * the same decisions. */
#ifndef CTL_OBSERVE_H
#define CTL_OBSERVE_H

#include "core/core.h"
#include "core/recording.h"
#include "ctl/history.h"

struct ctl_observe_options {
    const struct ctl_world *world;
    const struct ctl_history *history; /* finished; NULL = none */
    const struct policy *policy;
    uint64_t seed;
    int64_t wall_ns; /* of today: after every reading */
    /* Each step with the core's digest after it; NULL = nobody records. */
    void (*on_step)(void *user, const struct core_recording_step *step);
    void (*on_progress)(void *user, uint32_t permille); /* NULL = nobody looks */
    void *user;
};

/* What is asked for now: an owner to be pointed elsewhere, a node to be changed. */
struct ctl_wish {
    struct core_action action; /* views in the observation's arena */
};

struct ctl_observation {
    struct arena *a; /* of what follows; the caller's */
    uint32_t wish_count, decision_count;
    const struct ctl_wish *wishes; /* as asked for, each once */
    const struct core_decision
            *decisions; /* the last one about each subject and change, in order */
    uint64_t steps, digest;
    int64_t history_ns; /* from the first reading to the last */
    uint64_t readings;  /* of a GPU at a time */
    /* The first check of the core that failed, or NULL, and the object.  Nothing was done here: it
     * is the cluster that somebody else left so. */
    const char *violation;
    uint64_t violation_uid;
};

/* Between the core's regular decisions; a recording's header says it too. */
#define CTL_OBSERVE_DECIDE_NS INT64_C(300000000000)

/* The first half alone, for a core that then goes on live: learns from the history, with nothing
 * begun and no rollout taken up; then every source is told as lost, so that all is told again.
 * `epoch` is that of the core's clock. */
struct ctl_learned {
    uint64_t steps, version; /* the highest that a fact had: later facts have to have more */
    int64_t mono_ns;         /* the core's clock at wall_ns of the options */
};
void ctl_observe_learn(struct core *core, uint32_t epoch, const struct ctl_observe_options *o,
        struct ctl_learned *ret_learned);

/* Runs it. */
void ctl_observe(struct arena *a, const struct ctl_observe_options *o,
        struct ctl_observation *ret_observation);

#endif
