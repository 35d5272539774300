/* cli/input.h - from file names and words on the command line to what simulate, explain and replay
 * work on. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/arena.h"
#include "base/err.h"
#include "sim/sim.h"

/* The options that choose a simulated world; a recording keeps them as text. */
struct cli_world_options {
    const char *scenario, *trace, *prices, *policy, *gpu, *owner_patch_delay, *faults;
    const char *from; /* RECORDING@STEP; NULL = from the start */
    uint64_t gpus_per_node, sample_pods, seed, days, measure_from_hours;
    uint32_t caps;
};

/* Reads and checks everything that `o` names into `a` and fills ret_config (callbacks left empty).
 * Returns 0, or a negative errno with one line that names file and place. */
int cli_input_load(struct arena *a, const struct cli_world_options *o,
        struct sim_config *ret_config, struct err *reterr);

/* Reads policy, owner patch delay and faults of `o` alone into `config`. */
int cli_input_terms(struct arena *a, const struct cli_world_options *o, struct sim_config *config,
        struct err *reterr);

/* A policy by preset name or file. */
int cli_input_policy(
        struct arena *a, const char *name, const struct policy **ret_policy, struct err *reterr);

extern const char *const cli_caps_choices[];

#endif
