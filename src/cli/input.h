/* cli/input.h - from file names and words on the command line to what simulate, explain and replay
 * work on. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/arena.h"
#include "base/err.h"
#include "cli/option.h"
#include "sim/sim.h"

/* The GPU model of a trace's nodes when none is named. */
#define CLI_GPU_DEFAULT "A100-80GB"

/* The options that choose a simulated world; a recording keeps them as text.  A bench that has no
 * option for a field leaves it zero: no trace, no faults, one GPU a node; policy and
 * owner_patch_delay it must give. */
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

extern const char *const cli_caps_choices[], *const cli_policy_choices[],
                                                     *const cli_scenario_choices[];

/* Entries of an option table (cli/option.h) for a member of a struct cli_world_options; a bench
 * says its own defaults. */
#define CLI_WORLD_POLICY(type, member)                                                             \
    {                                                                                              \
        .name = "policy", .letter = 'p', .kind = CLI_OPTION_FILE, CLI_AT(type, member),            \
        .value_name = "FILE", .default_text = "balanced", .choices = cli_policy_choices,           \
        .help = "a SharingPolicy file, or a preset:\nconservative, balanced, aggressive"           \
    }
#define CLI_WORLD_CAPS(type, member, default_caps)                                                 \
    {                                                                                              \
        .name = "caps", .kind = CLI_OPTION_CHOICE, CLI_AT(type, member), .value_name = "CAPS",     \
        .default_text = (default_caps), .choices = cli_caps_choices,                               \
        .help = "what the nodes can express: NVIDIA's GPU Operator as it is,\n"                    \
                "its DRA driver, or our own agent and admission"                                   \
    }
#define CLI_WORLD_SCENARIO(type, member, default_name)                                             \
    {                                                                                              \
        .name = "scenario", .kind = CLI_OPTION_FILE, CLI_AT(type, member), .value_name = "FILE",   \
        .default_text = (default_name), .choices = cli_scenario_choices,                           \
        .help = "a built-in scenario (default, fitted, small) or a YAML file;\n"                   \
                "see docs/SIMULATION.md"                                                           \
    }
#define CLI_WORLD_SEED(type, member)                                                               \
    {                                                                                              \
        .name = "seed", .letter = 's', .kind = CLI_OPTION_NUMBER, CLI_AT(type, member),            \
        .value_name = "N", .default_text = "1", .max = UINT64_MAX,                                 \
        .help = "the same seed gives the same run"                                                 \
    }
#define CLI_WORLD_DAYS(type, member, default_days)                                                 \
    {                                                                                              \
        .name = "days", .kind = CLI_OPTION_NUMBER, CLI_AT(type, member), .value_name = "N",        \
        .default_text = (default_days), .max = 366, .help = "virtual days; 0 = the scenario's"     \
    }
#define CLI_WORLD_OWNER_PATCH_DELAY(type, member, default_hours)                                   \
    {                                                                                              \
        .name = "owner-patch-delay", .kind = CLI_OPTION_TEXT, CLI_AT(type, member),                \
        .value_name = "HOURS", .default_text = (default_hours),                                    \
        .help = "how long an owner takes to point its pods at another\n"                           \
                "resource when we propose it; 'never' shows what is blocked"                       \
    }
#define CLI_WORLD_MEASURE_FROM(type, member, default_hours)                                        \
    {                                                                                              \
        .name = "measure-from", .kind = CLI_OPTION_NUMBER, CLI_AT(type, member),                   \
        .value_name = "HOURS", .default_text = (default_hours), .max = 8784,                       \
        .help = "means, kills and evictions count from here"                                       \
    }
#define CLI_WORLD_GPU(type, member)                                                                \
    {                                                                                              \
        .name = "gpu", .kind = CLI_OPTION_TEXT, CLI_AT(type, member), .value_name = "MODEL",       \
        .help = "GPU model of a trace's nodes (default A100-80GB)"                                 \
    }
#define CLI_WORLD_GPUS_PER_NODE(type, member)                                                      \
    {                                                                                              \
        .name = "gpus-per-node", .kind = CLI_OPTION_NUMBER, CLI_AT(type, member),                  \
        .value_name = "N", .default_text = "1", .min = 1, .max = 16,                               \
        .help = "GPUs of a trace's node"                                                           \
    }
#define CLI_WORLD_SAMPLE_PODS(type, member)                                                        \
    {                                                                                              \
        .name = "sample-pods", .kind = CLI_OPTION_NUMBER, CLI_AT(type, member), .value_name = "N", \
        .max = 1000000, .help = "only so many pods of a trace, chosen by the seed; 0 = all"        \
    }

#endif
