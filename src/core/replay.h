/* core/replay.h - a recording through a fresh core: every decision computed again.
 *
 * Pure.  Solves are solved again with the problem, seed and budget of their action, so nothing of
 * the recorded run's outputs is trusted. */
#ifndef CORE_REPLAY_H
#define CORE_REPLAY_H

#include "core/recording.h"

struct core_replay;

struct core_replay *core_replay_new(const struct core_recording_header *header);
struct core_replay *core_replay_free(struct core_replay *r); /* NULL is accepted and returned */

/* What came of a step, beside its output. */
struct core_replay_verdict {
    bool digest_differs;  /* from the recorded one: another build, or edited facts before */
    bool outcome_unknown; /* a fact answers an action that this replay never issued: nothing after
                             this step is what would have happened */
    uint64_t unknown_action;
};

/* Makes the step; a step marked `restart` begins with a new core.  Outputs are views until the next
 * call.  A solution that answers no open SOLVE is handed on empty (the core ignores it). */
void core_replay_step(struct core_replay *r, const struct core_recording_step *step,
        struct core_output *ret_output, struct core_replay_verdict *ret_verdict);

/* The core after the last step. */
const struct core *core_replay_core(const struct core_replay *r);

#endif
