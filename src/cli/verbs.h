/* cli/verbs.h - the verbs of slicewright; each runs with argv[0] = its name and returns the exit
 * code: 0 done or yes, 1 no (an illegal layout, a difference) or the system failed, 2 bad input or
 * usage, 3 a check was violated. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

enum { CLI_EXIT_OK, CLI_EXIT_NO, CLI_EXIT_BAD_INPUT, CLI_EXIT_VIOLATION };

int cli_simulate_run(int argc, char **argv);
int cli_replay_run(int argc, char **argv);
int cli_explain_run(int argc, char **argv);
int cli_policy_run(int argc, char **argv);

#endif
