/* cli/mig.h - the verb `slicewright mig`. */
#ifndef CLI_MIG_H
#define CLI_MIG_H

/* Runs the verb.  argv[0] is "mig".  Returns the exit code: 0 yes or done, 1 no (an illegal layout,
 * a change that is blocked), 2 bad input or usage. */
int cli_mig_run(int argc, char **argv);

#endif
