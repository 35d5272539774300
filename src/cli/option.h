/* cli/option.h - a verb from tables: its options, its arguments, its help, its exit code.
 *
 * How to add the verb `slicewright lint FILE... [--strict] [-o table|json]`:
 *
 *   1. src/cli/lint.c (and a line in meson.build):
 *
 *      struct options {
 *          bool strict;
 *          uint32_t output; // enum cli_output
 *      };
 *      static const struct cli_option options[] = {
 *              {.name = "strict", .kind = CLI_OPTION_FLAG, CLI_AT(struct options, strict),
 *                      .help = "warnings count as errors"},
 *              CLI_OPTION_OUTPUT(struct options, output),
 *              {0},
 *      };
 *      static const struct cli_argument arguments[] = {
 *              {.name = "FILE", .help = "a ConfigMap or device-plugin config", .file = true,
 *                      .repeated = true},
 *              {0},
 *      };
 *      static int run(const struct cli_call *call, struct err *reterr)
 *      {
 *          const struct options *o = call->options;
 *          struct buf text = BUF_INIT(1 << 20);
 *          ...
 *          int rc = cli_print(&text, reterr);  // standard output, in one piece, when all is known
 *          buf_clear(&text);
 *          return rc < 0 ? rc : legal ? CLI_EXIT_OK : CLI_EXIT_NO;
 *      }
 *      const struct cli_verb cli_verb_lint = {
 *              .name = "lint", .brief = "...", .summary = "...", .options = options,
 *              .arguments = arguments, .options_size = sizeof(struct options), .run = run,
 *      };
 *
 *   2. verbs.h declares cli_verb_lint, main.c lists it; test/golden/cli/help.sh gets a line.
 *
 * A verb with words below it (`mig check`) is a group: `.verbs` instead of `.options` and `.run`.
 * From the same tables come the environment (SLICEWRIGHT_<NAME>), "did you mean", shell completion
 * and docs/CLI.md.  A bench is a verb too: its main() is one cli_verb_main(). */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* What a program ends with. */
enum {
    CLI_EXIT_OK,
    CLI_EXIT_NO,        /* no (an illegal layout, a difference, a missed bar), or the system */
    CLI_EXIT_BAD_INPUT, /* bad input or usage */
    CLI_EXIT_VIOLATION, /* a check was violated */
};

enum cli_option_kind {
    CLI_OPTION_FLAG,   /* bool */
    CLI_OPTION_TEXT,   /* const char *; NULL when not given and without default */
    CLI_OPTION_FILE,   /* as TEXT: a path, or one of `choices` (may be NULL) */
    CLI_OPTION_NUMBER, /* uint64_t in [min, max] */
    CLI_OPTION_CHOICE, /* uint32_t: index into `choices` */
};

struct cli_option {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short name, 0 = none */
    enum cli_option_kind kind;
    bool required;
    size_t offset, size;        /* of the value in the verb's struct: CLI_AT */
    const char *value_name;     /* "FILE"; NULL for flags */
    const char *default_text;   /* parsed like user input; NULL = zero / NULL */
    uint64_t min, max;          /* numbers */
    const char *const *choices; /* NULL-terminated */
    const char *help;           /* one line or more, without final stop */
};

/* Where an option's value goes: the member of the verb's struct. */
#define CLI_AT(type, member)                                                                       \
    .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* What stands alone in argv; in order, the optional and the repeated one last. */
struct cli_argument {
    const char *name; /* "LAYOUT"; NULL ends the table */
    const char *help; /* as of an option; NULL = the name says it */
    bool optional, repeated, file;
    const char *const *choices; /* words that complete it; others may be right too; or NULL */
};

struct cli_verb;

enum { CLI_ARGUMENTS_MAX = 64, CLI_OPTIONS_MAX = 64 };

/* One use of a verb. */
struct cli_call {
    const char *name;           /* what messages begin with: "slicewright mig check" */
    const struct cli_verb *top; /* that cli_verb_main() was given */
    const void *options;        /* the verb's struct, filled */
    unsigned argument_count;
    const char *arguments[CLI_ARGUMENTS_MAX];
    uint64_t
            given; /* bit i: the table's option i stood on the command line or in the environment */
};

/* Does the work.  Returns an exit code, or a negative errno with one line in reterr: it is printed
 * behind the verb's name, and the program ends with CLI_EXIT_VIOLATION for -EPROTO, CLI_EXIT_NO for
 * -ENODATA, -EIO and -ENOSPC, else CLI_EXIT_BAD_INPUT. */
typedef int cli_run_fn(const struct cli_call *call, struct err *reterr);

struct cli_verb {
    const char *name;    /* one word; of the topmost: the program's name */
    const char *brief;   /* in the list of verbs: few words, without final stop */
    const char *summary; /* whole sentences, at the top of --help; NULL = brief */
    const char *details; /* more paragraphs, or NULL */
    const char *examples;
    const struct cli_verb *const *verbs;  /* a group: the verbs below, ended by NULL; else NULL */
    const struct cli_option *options;     /* or NULL */
    const struct cli_argument *arguments; /* or NULL */
    size_t options_size;                  /* of the struct that options fill; 0 without options */
    cli_run_fn *run;
};

/* Finds the verb in argv below `top`, fills its options from defaults, environment and argv, and
 * runs it; prints help and errors.  argv[0] is skipped.  Returns the exit code. */
int cli_verb_main(const struct cli_verb *top, int argc, char **argv);

/* Whether the option whose value is at `offset` stood on the command line or in the environment. */
bool cli_option_given(const struct cli_call *call, const struct cli_option *options, size_t offset);

/* Writes text to standard output, whole or as far as the system takes it: -EIO and the like with a
 * line; -E2BIG when the buffer has overflowed (then nothing is written). */
int cli_print(const struct buf *text, struct err *reterr);

/* -- options that many verbs have --------------------------------------------------------------
 */

enum cli_output { CLI_OUTPUT_TABLE, CLI_OUTPUT_JSON };

extern const char *const cli_output_choices[];

#define CLI_OPTION_OUTPUT(type, member)                                                            \
    {                                                                                              \
        .name = "output", .letter = 'o', .kind = CLI_OPTION_CHOICE, CLI_AT(type, member),          \
        .value_name = "FORMAT", .default_text = "table", .choices = cli_output_choices,            \
        .help = "what is printed"                                                                  \
    }

#endif
