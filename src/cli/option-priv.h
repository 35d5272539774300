/* cli/option-priv.h - what the files behind option.h share. */
#ifndef CLI_OPTION_PRIV_H
#define CLI_OPTION_PRIV_H

#include "cli/option.h"

/* Fills `values` (the verb's struct, zeroed by the caller) and ret_call's arguments and `given`
 * from defaults, environment, then argv; argv[0] is skipped. */
int cli_option_parse(const struct cli_verb *verb, struct cli_call *ret_call, void *values, int argc,
        char **argv, struct err *reterr);

/* "owner-patch-delay" -> "SLICEWRIGHT_OWNER_PATCH_DELAY". */
enum { CLI_ENVIRONMENT_NAME_MAX = 80 };
void cli_option_environment(const char *name, char *ret_text);

/* The text of --help; `path` is how the verb is called, "slicewright mig check". */
void cli_help_write(const struct cli_verb *verb, const char *path, struct buf *out);

/* A candidate's line that stands for the names of files. */
#define CLI_COMPLETE_FILES ":files\n"

/* Appends what the last of `words` (those behind the program's name; none = an empty one) may be
 * completed to, a line each: the whole word, a tab, the first line of its help or nothing;
 * CLI_COMPLETE_FILES where a file may stand.  Nothing for what is not a command line of `top`. */
void cli_complete_write(
        const struct cli_verb *top, unsigned count, const char *const *words, struct buf *out);

#endif
