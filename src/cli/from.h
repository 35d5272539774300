/* cli/from.h - `simulate --from RECORDING@STEP`: a recorded run made again up to a step, then on
 * under other terms.
 *
 * The world is built from the recording's own options and simulated; up to STEP the controller is
 * told the recorded facts, so a fact that was edited in the file is what it sees.  Each step is
 * compared with the recording on the way. */
#ifndef CLI_FROM_H
#define CLI_FROM_H

#include "cli/tape.h"

struct cli_from {
    char *path; /* owned */
    uint64_t step;
    struct cli_tape tape;
    struct core_recording_step recorded; /* the step being made */
    uint64_t edits;                      /* facts that are not what the world said */
    struct err err;                      /* why the run was ended */
};

/* Opens what `text`, RECORDING@STEP, names.  -EINVAL or the reader's error, with one line. */
int cli_from_open(struct cli_from *f, const char *text, struct err *reterr);
void cli_from_close(struct cli_from *f);

/* The options that the recording was made with; views into `f`.  -EINVAL when it does not say. */
int cli_from_options(
        const struct cli_from *f, struct cli_world_options *ret_options, struct err *reterr);

/* For a sim_config's before_step and after_step, with `f`. */
bool cli_from_before_step(
        struct cli_from *f, uint64_t step, struct core_fact *facts, uint32_t count);
void cli_from_after_step(struct cli_from *f, const struct sim_step *step);

#endif
