/* cli/tape.h - recordings as files: written by simulate, read by replay and explain. */
#ifndef CLI_TAPE_H
#define CLI_TAPE_H

#include "base/map.h"
#include "cli/input.h"
#include "core/recording.h"
#include "core/replay.h"
#include "sim/sim.h"

/* -- writing ------------------------------------------------------------------------------------
 */

/* Collects a run's steps; `context` of a sim_config with cli_tape_on_step as after_step. */
struct cli_tape_writer {
    struct buf text;
};

/* Starts the text with the header of the run. */
void cli_tape_begin(struct cli_tape_writer *w, const struct cli_world_options *o,
        const struct sim_config *config);
void cli_tape_on_step(struct cli_tape_writer *w, const struct sim_step *step);

/* Writes the file (gzip unless `path` ends in .json or .jsonl) and frees the text. */
int cli_tape_end(struct cli_tape_writer *w, const char *path, struct err *reterr);

/* Frees the text without writing it; returns 0. */
int cli_tape_drop(struct cli_tape_writer *w);

/* -- reading ------------------------------------------------------------------------------------
 */

/* A recording being read, step by step, through a fresh core. */
struct cli_tape {
    const char *path;
    struct buf content;
    struct str rest;
    uint32_t line;
    struct arena *kept; /* header and names */
    struct arena *step_arena;
    struct core_recording_header header;
    struct core_replay *replay;
    struct map_u64 names; /* uid -> index into name_texts */
    struct str *name_texts;
    uint32_t name_count, name_cap;
};

int cli_tape_open(struct cli_tape *t, const char *path, struct err *reterr);
void cli_tape_close(struct cli_tape *t);

/* One step through the core. */
struct cli_tape_step {
    struct core_recording_step inputs; /* views until the next call, as the output */
    struct core_output output;
    struct core_replay_verdict verdict;
};

/* 1 = a step was made, 0 = the end, negative = broken ("PATH: line N: ..."). */
int cli_tape_next(struct cli_tape *t, struct cli_tape_step *ret_step, struct err *reterr);

/* Reads a step without making it; views until the next call.  Returns as cli_tape_next(). */
int cli_tape_read(struct cli_tape *t, struct core_recording_step *ret_step, struct err *reterr);

/* What the object `uid` was called, or "" when no fact named it yet. */
struct str cli_tape_name(const struct cli_tape *t, uint64_t uid);

#endif
