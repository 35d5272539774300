/* cli/option.c - see option.h. */
#include "cli/option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64 };

static void *field(void *values, const struct cli_option *o)
{
    return (char *)values + o->offset;
}

static int set_number(
        const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    uint64_t value = 0;
    if (str_to_u64(str_from(text), o->min, o->max, &value) < 0) {
        return err_set(reterr, -EINVAL, "--%s: '%s': expected a whole number from %llu to %llu",
                o->name, text, (unsigned long long)o->min, (unsigned long long)o->max);
    }
    memcpy(field(values, o), &value, sizeof value);
    return 0;
}

static int set_choice(
        const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    struct buf list = BUF_INIT(256);
    for (uint32_t i = 0; o->choices[i] != NULL; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            memcpy(field(values, o), &i, sizeof i);
            buf_clear(&list);
            return 0;
        }
        buf_printf(&list, "%s%s", i == 0 ? "" : ", ", o->choices[i]);
    }
    int rc = err_set(reterr, -EINVAL, "--%s: '%s': expected one of %.*s", o->name, text,
            STR_ARG(buf_str(&list)));
    buf_clear(&list);
    return rc;
}

static int set_value(const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    switch (o->kind) {
    case CLI_OPTION_FLAG: {
        bool on = strcmp(text, "0") != 0 && strcmp(text, "false") != 0;
        memcpy(field(values, o), &on, sizeof on);
        return 0;
    }
    case CLI_OPTION_TEXT:
        memcpy(field(values, o), &text, sizeof text);
        return 0;
    case CLI_OPTION_NUMBER:
        return set_number(o, text, values, reterr);
    case CLI_OPTION_CHOICE:
        return set_choice(o, text, values, reterr);
    }
    assert(false);
    return -EINVAL;
}

/* "owner-patch-delay" -> "SLICEWRIGHT_OWNER_PATCH_DELAY". */
static void environment_name(const char *name, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "SLICEWRIGHT_%s", name);
    for (char *p = ret_text; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static int set_defaults(
        const struct cli_verb *verb, void *values, uint64_t *given, struct err *reterr)
{
    for (const struct cli_option *o = verb->options; o->name != NULL; o++) {
        char name[64];
        environment_name(o->name, name, sizeof name);
        if (o->default_text != NULL) {
            int rc = set_value(o, o->default_text, values, reterr);
            assert(rc == 0);
            (void)rc;
        }
        const char *text = getenv(name);
        if (text == NULL)
            continue;
        if (set_value(o, text, values, reterr) < 0)
            return err_wrap(reterr, "environment %s", name);
        *given |= 1ull << (o - verb->options);
    }
    return 0;
}

static const struct cli_option *find_long(const struct cli_verb *verb, struct str name)
{
    for (const struct cli_option *o = verb->options; o->name != NULL; o++) {
        if (str_eq_c(name, o->name))
            return o;
    }
    return NULL;
}

static int unknown_long(const struct cli_verb *verb, struct str name, struct err *reterr)
{
    const char *names[NAMES_MAX];
    unsigned count = 0;
    for (const struct cli_option *o = verb->options; o->name != NULL; o++) {
        assert(count < NAMES_MAX - 1);
        names[count++] = o->name;
    }
    names[count] = NULL;
    const char *nearest = str_nearest(name, names);
    if (nearest == NULL)
        return err_set(reterr, -EINVAL, "unknown option --%.*s", STR_ARG(name));
    return err_set(
            reterr, -EINVAL, "unknown option --%.*s; did you mean --%s?", STR_ARG(name), nearest);
}

/* The state of a walk over argv. */
struct walk {
    const struct cli_verb *verb;
    int argc;
    char **argv;
    int index;
    void *values;
    uint64_t given;
};

/* Sets `o` from `inline_value`, or from the next word when the option takes one. */
static int take_value(
        struct walk *w, const struct cli_option *o, const char *inline_value, struct err *reterr)
{
    w->given |= 1ull << (o - w->verb->options);
    if (o->kind == CLI_OPTION_FLAG) {
        if (inline_value != NULL)
            return err_set(reterr, -EINVAL, "--%s takes no value", o->name);
        return set_value(o, "1", w->values, reterr);
    }
    if (inline_value == NULL) {
        if (w->index + 1 >= w->argc)
            return err_set(reterr, -EINVAL, "--%s needs a value: %s", o->name, o->value_name);
        inline_value = w->argv[++w->index];
    }
    return set_value(o, inline_value, w->values, reterr);
}

static int take_long(struct walk *w, const char *word, struct err *reterr)
{
    const char *equals = strchr(word, '=');
    struct str name = equals ? (struct str){word, (size_t)(equals - word)} : str_from(word);
    const struct cli_option *o = find_long(w->verb, name);
    if (o == NULL)
        return unknown_long(w->verb, name, reterr);
    return take_value(w, o, equals ? equals + 1 : NULL, reterr);
}

static int take_short(struct walk *w, const char *word, struct err *reterr)
{
    for (const struct cli_option *o = w->verb->options; o->name != NULL; o++) {
        if (o->letter == word[0] && o->letter != 0) {
            const char *rest = word[1] != '\0' ? word + 1 : NULL;
            if (rest != NULL && rest[0] == '=')
                rest++;
            return take_value(w, o, rest, reterr);
        }
    }
    return err_set(reterr, -EINVAL, "unknown option -%c", word[0]);
}

static int take_positional(const struct cli_verb *verb, const char *word,
        struct cli_positionals *pos, struct err *reterr)
{
    if (pos->count >= verb->positional_max) {
        if (verb->positional_max == 0)
            return err_set(reterr, -EINVAL, "unexpected argument '%s'", word);
        return err_set(reterr, -EINVAL, "unexpected argument '%s': at most %u expected", word,
                verb->positional_max);
    }
    pos->values[pos->count++] = word;
    return 0;
}

enum cli_parsed cli_option_parse(const struct cli_verb *verb, int argc, char **argv, void *values,
        struct cli_positionals *ret_positionals, struct err *reterr)
{
    assert(verb->positional_max <= CLI_POSITIONALS_MAX);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return CLI_PARSED_HELP;
    }
    struct cli_positionals pos = {0};
    struct walk w = {.verb = verb, .argc = argc, .argv = argv, .values = values};
    if (set_defaults(verb, values, &w.given, reterr) < 0)
        return CLI_PARSED_ERROR;
    bool only_positionals = false;
    for (w.index = 1; w.index < argc; w.index++) {
        const char *word = argv[w.index];
        int rc = 0;
        if (only_positionals || word[0] != '-' || word[1] == '\0') {
            rc = take_positional(verb, word, &pos, reterr);
        } else if (strcmp(word, "--") == 0) {
            only_positionals = true;
        } else if (word[1] == '-') {
            rc = take_long(&w, word + 2, reterr);
        } else {
            rc = take_short(&w, word + 1, reterr);
        }
        if (rc < 0)
            return CLI_PARSED_ERROR;
    }
    if (pos.count < verb->positional_min) {
        (void)err_set(reterr, -EINVAL, "an argument is missing: usage: slicewright %s %s",
                verb->name, verb->usage);
        return CLI_PARSED_ERROR;
    }
    pos.given = w.given;
    *ret_positionals = pos;
    return CLI_PARSED;
}

/* Writes `text` after `indent` blanks on its first line, further lines aligned to it. */
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

static void help_option(const struct cli_option *o, struct buf *out)
{
    char head[64];
    char letter[8] = "    ";
    if (o->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(head, sizeof head, "%s--%s%s%s", letter, o->name, o->value_name ? " " : "",
            o->value_name ? o->value_name : "");
    if (strlen(head) > 30) {
        buf_printf(out, "  %s\n%*s", head, 34, "");
    } else {
        buf_printf(out, "  %-31s ", head);
    }
    put_block(out, o->help, 34);
    if (o->kind == CLI_OPTION_CHOICE) {
        buf_printf(out, "%*sone of:", 34, "");
        for (uint32_t i = 0; o->choices[i] != NULL; i++)
            buf_printf(out, "%s %s", i == 0 ? "" : ",", o->choices[i]);
        buf_putc(out, '\n');
    }
    if (o->default_text != NULL)
        buf_printf(out, "%*sdefault: %s\n", 34, "", o->default_text);
}

void cli_option_help(const struct cli_verb *verb, struct buf *out)
{
    buf_printf(out, "%s\n\nUsage: slicewright %s %s\n", verb->summary, verb->name, verb->usage);
    if (verb->details != NULL)
        buf_printf(out, "\n%s\n", verb->details);
    if (verb->options->name != NULL)
        buf_puts(out, "\nOptions:\n");
    for (const struct cli_option *o = verb->options; o->name != NULL; o++)
        help_option(o, out);
    if (verb->options->name != NULL) {
        buf_puts(out, "\nEach option can also be set by the environment: SLICEWRIGHT_<NAME>, in "
                      "capitals,\nwith _ for -. The command line wins.\n");
    }
    if (verb->examples != NULL)
        buf_printf(out, "\nExamples:\n%s\n", verb->examples);
}

int cli_option_print_help(const struct cli_verb *verb)
{
    struct buf help = BUF_INIT(1 << 16);
    cli_option_help(verb, &help);
    (void)fputs(help.ptr, stdout);
    buf_clear(&help);
    return 0;
}

int cli_usage_error(const char *verb, const struct err *e)
{
    (void)fprintf(
            stderr, "slicewright %s: %s\nTry 'slicewright %s --help'.\n", verb, e->text, verb);
    return 2;
}

int cli_fail(const char *verb, const struct err *e)
{
    (void)fprintf(stderr, "slicewright %s: %s\n", verb, e->text);
    return e->code == -EIO ? 1 : 2;
}
