/* cli/verbs.h - the verbs of slicewright.  option.h says how to add one. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/option.h"

extern const struct cli_verb cli_verb_completion;
extern const struct cli_verb cli_verb_controller;
extern const struct cli_verb cli_verb_dra;
extern const struct cli_verb cli_verb_explain;
extern const struct cli_verb cli_verb_lint;
extern const struct cli_verb cli_verb_mig;
extern const struct cli_verb cli_verb_plan;
extern const struct cli_verb cli_verb_policy;
extern const struct cli_verb cli_verb_replay;
extern const struct cli_verb cli_verb_revert;
extern const struct cli_verb cli_verb_simulate;
extern const struct cli_verb cli_verb_version;

#endif
