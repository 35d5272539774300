/* cli/option.h - command-line options from one table a verb.
 *
 * The table gives parsing, defaults, ranges, the environment name (SLICEWRIGHT_<NAME>), --help and
 * the error texts.  Order never matters; an unknown option is an error that names the nearest. */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/buf.h"
#include "base/err.h"

enum cli_option_kind {
    CLI_OPTION_FLAG,   /* bool */
    CLI_OPTION_TEXT,   /* const char *; NULL when not given and without default */
    CLI_OPTION_NUMBER, /* uint64_t in [min, max] */
    CLI_OPTION_CHOICE, /* uint32_t: index into `choices` */
};

struct cli_option {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short name, 0 = none */
    enum cli_option_kind kind;
    size_t offset;              /* of the value in the verb's struct */
    const char *value_name;     /* "FILE"; NULL for flags */
    const char *default_text;   /* parsed like user input; NULL = zero / NULL */
    uint64_t min, max;          /* numbers */
    const char *const *choices; /* NULL-terminated */
    const char *help;           /* one line or more, without final stop */
};

enum { CLI_POSITIONALS_MAX = 64 };

struct cli_verb {
    const char *name;
    const char *usage;   /* after the verb: "[options] FILE" */
    const char *summary; /* one line */
    const char *details; /* more paragraphs, or NULL */
    const char *examples;
    const struct cli_option *options;
    unsigned positional_min, positional_max;
};

struct cli_positionals {
    unsigned count;
    const char *values[CLI_POSITIONALS_MAX];
    uint64_t
            given; /* bit i: the table's option i stood on the command line or in the environment */
};

enum cli_parsed { CLI_PARSED, CLI_PARSED_HELP, CLI_PARSED_ERROR };

/* Fills `values` (the verb's struct, zeroed by the caller) from defaults, environment, then argv.
 * argv[0] is the verb.  On CLI_PARSED_HELP, help was asked for and nothing else is filled. */
enum cli_parsed cli_option_parse(const struct cli_verb *verb, int argc, char **argv, void *values,
        struct cli_positionals *ret_positionals, struct err *reterr);

/* The verb's --help text. */
void cli_option_help(const struct cli_verb *verb, struct buf *out);

/* Prints that text and returns the exit code 0. */
int cli_option_print_help(const struct cli_verb *verb);

/* Prints "slicewright VERB: TEXT" with a hint to --help, and returns the exit code 2. */
int cli_usage_error(const char *verb, const struct err *e);

/* Prints "slicewright VERB: TEXT" and returns the exit code for the error (2 bad input, 1 else). */
int cli_fail(const char *verb, const struct err *e);

#endif
