/* cli/help.c - the text of --help from a verb's tables. */
#include "cli/option-priv.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 34 };

/* Writes `text` where the line stands, further lines aligned to `indent`. */
static void put_block(struct buf *out, const char *text, unsigned indent)
{
    struct str rest = str_from(text);
    struct str line;
    bool first = true;
    while (str_split(&rest, '\n', &line)) {
        if (!first)
            buf_printf(out, "%*s", (int)indent, "");
        buf_printf(out, "%.*s\n", STR_ARG(line));
        first = false;
        if (rest.len == 0)
            break;
    }
}

/* `head`, then `help` in its column: below a head that is too wide. */
static void put_row(struct buf *out, const char *head, const char *help)
{
    if (strlen(head) > HELP_COLUMN - 4) {
        buf_printf(out, "  %s\n%*s", head, HELP_COLUMN, "");
    } else {
        buf_printf(out, "  %-*s", HELP_COLUMN - 2, head);
    }
    put_block(out, help, HELP_COLUMN);
}

static void put_option(const struct cli_option *o, struct buf *out)
{
    char head[64], letter[8] = "    ";
    if (o->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(head, sizeof head, "%s--%s%s%s", letter, o->name, o->value_name ? " " : "",
            o->value_name ? o->value_name : "");
    put_row(out, head, o->help);
    if (o->kind == CLI_OPTION_CHOICE) {
        buf_printf(out, "%*sone of:", HELP_COLUMN, "");
        for (uint32_t i = 0; o->choices[i] != NULL; i++)
            buf_printf(out, "%s %s", i == 0 ? "" : ",", o->choices[i]);
        buf_putc(out, '\n');
    }
    if (o->default_text != NULL)
        buf_printf(out, "%*sdefault: %s\n", HELP_COLUMN, "", o->default_text);
}

/* "[FILE]", "FILE...", "[FILE...]". */
static void put_argument_name(const struct cli_argument *a, struct buf *out)
{
    buf_printf(out, "%s%s%s%s", a->optional ? "[" : "", a->name, a->repeated ? "..." : "",
            a->optional ? "]" : "");
}

/* "slicewright mig check --gpu MODEL [options] LAYOUT" */
static void put_usage(const struct cli_verb *verb, const char *path, struct buf *out)
{
    bool rest = false;
    buf_puts(out, path);
    if (verb->verbs != NULL)
        buf_puts(out, " VERB");
    for (const struct cli_option *o = verb->options; o != NULL && o->name != NULL; o++) {
        if (o->required)
            buf_printf(out, " --%s %s", o->name, o->value_name);
        rest = rest || !o->required;
    }
    if (rest || verb->verbs != NULL)
        buf_puts(out, " [options]");
    for (const struct cli_argument *a = verb->arguments; a != NULL && a->name != NULL; a++) {
        buf_putc(out, ' ');
        put_argument_name(a, out);
    }
}

static void put_arguments(const struct cli_verb *verb, struct buf *out)
{
    bool any = false;
    for (const struct cli_argument *a = verb->arguments; a != NULL && a->name != NULL; a++)
        any = any || a->help != NULL;
    if (any)
        buf_puts(out, "\nArguments:\n");
    for (const struct cli_argument *a = verb->arguments; any && a->name != NULL; a++)
        put_row(out, a->name, a->help != NULL ? a->help : "");
}

static void put_verbs(const struct cli_verb *verb, const char *path, struct buf *out)
{
    size_t width = 8;
    for (unsigned i = 0; verb->verbs[i] != NULL; i++) {
        size_t length = strlen(verb->verbs[i]->name);
        width = length > width ? length : width;
    }
    buf_puts(out, "\nVerbs:\n");
    for (unsigned i = 0; verb->verbs[i] != NULL; i++) {
        buf_printf(out, "  %-*s  %s\n", (int)width, verb->verbs[i]->name, verb->verbs[i]->brief);
    }
    buf_printf(out, "\n'%s VERB --help' lists the options of a verb.\n", path);
}

void cli_help_write(const struct cli_verb *verb, const char *path, struct buf *out)
{
    buf_printf(out, "%s\n\nUsage: ", verb->summary != NULL ? verb->summary : verb->brief);
    put_usage(verb, path, out);
    buf_putc(out, '\n');
    if (verb->details != NULL)
        buf_printf(out, "\n%s\n", verb->details);
    if (verb->verbs != NULL)
        put_verbs(verb, path, out);
    put_arguments(verb, out);
    if (verb->options != NULL && verb->options->name != NULL)
        buf_puts(out, "\nOptions:\n");
    for (const struct cli_option *o = verb->options; o != NULL && o->name != NULL; o++)
        put_option(o, out);
    if (verb->options != NULL && verb->options->name != NULL) {
        buf_puts(out, "\nEach option can also be set by the environment: SLICEWRIGHT_<NAME>, in "
                      "capitals,\nwith _ for -. The command line wins.\n");
    }
    if (verb->examples != NULL)
        buf_printf(out, "\nExamples:\n%s\n", verb->examples);
}
