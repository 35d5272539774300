/* cli/option.c - argv and environment into a verb's struct; see option.h. */
#include "cli/option-priv.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cli_output_choices[] = {"table", "json", NULL};

static void *field(void *values, const struct cli_option *o, size_t size)
{
    assert(o->size == size);
    return (char *)values + o->offset;
}

/* The table of a verb; an empty one when it has none. */
static const struct cli_option *options_of(const struct cli_verb *verb)
{
    static const struct cli_option none[] = {{0}};
    return verb->options != NULL ? verb->options : none;
}

static int set_number(
        const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    uint64_t value = 0;
    if (str_to_u64(str_from(text), o->min, o->max, &value) < 0) {
        return err_set(reterr, -EINVAL, "--%s: '%s': expected a whole number from %llu to %llu",
                o->name, text, (unsigned long long)o->min, (unsigned long long)o->max);
    }
    memcpy(field(values, o, sizeof value), &value, sizeof value);
    return 0;
}

static int set_choice(
        const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    struct buf list = BUF_INIT(256);
    for (uint32_t i = 0; o->choices[i] != NULL; i++) {
        if (strcmp(o->choices[i], text) == 0) {
            memcpy(field(values, o, sizeof i), &i, sizeof i);
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

static int set_flag(const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    bool on = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
    if (!on && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
        return err_set(reterr, -EINVAL, "--%s: '%s': expected true or false", o->name, text);
    memcpy(field(values, o, sizeof on), &on, sizeof on);
    return 0;
}

static int set_value(const struct cli_option *o, const char *text, void *values, struct err *reterr)
{
    switch (o->kind) {
    case CLI_OPTION_FLAG:
        return set_flag(o, text, values, reterr);
    case CLI_OPTION_TEXT:
    case CLI_OPTION_FILE:
        memcpy(field(values, o, sizeof text), &text, sizeof text);
        return 0;
    case CLI_OPTION_NUMBER:
        return set_number(o, text, values, reterr);
    case CLI_OPTION_CHOICE:
        return set_choice(o, text, values, reterr);
    }
    assert(false);
    return -EINVAL;
}

void cli_option_environment(const char *name, char *ret_text)
{
    (void)snprintf(ret_text, CLI_ENVIRONMENT_NAME_MAX, "SLICEWRIGHT_%s", name);
    for (char *p = ret_text; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* Defaults, then the environment. */
static int set_defaults(
        const struct cli_verb *verb, void *values, uint64_t *given, struct err *reterr)
{
    for (const struct cli_option *o = options_of(verb); o->name != NULL; o++) {
        char name[CLI_ENVIRONMENT_NAME_MAX];
        cli_option_environment(o->name, name);
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
    for (const struct cli_option *o = options_of(verb); o->name != NULL; o++) {
        if (str_eq_c(name, o->name))
            return o;
    }
    return NULL;
}

static int unknown_long(const struct cli_verb *verb, struct str name, struct err *reterr)
{
    const char *names[CLI_OPTIONS_MAX];
    unsigned count = 0;
    for (const struct cli_option *o = options_of(verb); o->name != NULL; o++) {
        assert(count < CLI_OPTIONS_MAX - 1);
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
    struct cli_call *call;
};

/* Sets `o` from `inline_value`, or from the next word when the option takes one. */
static int take_value(
        struct walk *w, const struct cli_option *o, const char *inline_value, struct err *reterr)
{
    w->call->given |= 1ull << (o - w->verb->options);
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

/* "-q", "-n5", "-n 5", "-o=json", and several flags in one word: "-qv". */
static int take_short(struct walk *w, const char *word, struct err *reterr)
{
    if (word[1] != '\0' && find_long(w->verb, str_from(word)) != NULL)
        return err_set(reterr, -EINVAL, "unknown option -%s; did you mean --%s?", word, word);
    for (const char *p = word; *p != '\0'; p++) {
        const struct cli_option *o = options_of(w->verb);
        while (o->name != NULL && (o->letter == 0 || o->letter != *p))
            o++;
        if (o->name == NULL)
            return err_set(reterr, -EINVAL, "unknown option -%c", *p);
        if (o->kind == CLI_OPTION_FLAG && p[1] != '=') {
            if (take_value(w, o, NULL, reterr) < 0)
                return reterr->code;
            continue;
        }
        const char *rest = p[1] == '=' ? p + 2 : p + 1;
        return take_value(w, o, p[1] != '\0' ? rest : NULL, reterr);
    }
    return 0;
}

/* How many arguments a verb takes. */
static void argument_bounds(const struct cli_verb *verb, unsigned *ret_min, unsigned *ret_max)
{
    *ret_min = *ret_max = 0;
    for (const struct cli_argument *a = verb->arguments; a != NULL && a->name != NULL; a++) {
        *ret_min += !a->optional;
        *ret_max = a->repeated ? CLI_ARGUMENTS_MAX : *ret_max + 1;
    }
    assert(*ret_max <= CLI_ARGUMENTS_MAX);
}

static int take_argument(struct walk *w, const char *word, struct err *reterr)
{
    unsigned min = 0, max = 0;
    argument_bounds(w->verb, &min, &max);
    if (w->call->argument_count < max) {
        w->call->arguments[w->call->argument_count++] = word;
        return 0;
    }
    if (max == 0)
        return err_set(reterr, -EINVAL, "unexpected argument '%s'", word);
    return err_set(reterr, -EINVAL, "unexpected argument '%s': at most %u expected", word, max);
}

/* Whatever must be there and is not. */
static int find_missing(const struct walk *w, struct err *reterr)
{
    unsigned min = 0, max = 0;
    argument_bounds(w->verb, &min, &max);
    if (w->call->argument_count < min) {
        return err_set(
                reterr, -EINVAL, "%s is missing", w->verb->arguments[w->call->argument_count].name);
    }
    for (const struct cli_option *o = options_of(w->verb); o->name != NULL; o++) {
        if (o->required && (w->call->given >> (o - w->verb->options) & 1) == 0) {
            struct str help = str_from(o->help), line = {0};
            (void)str_split(&help, '\n', &line);
            return err_set(reterr, -EINVAL, "--%s %s is missing: expected %.*s", o->name,
                    o->value_name, STR_ARG(line));
        }
    }
    return 0;
}

int cli_option_parse(const struct cli_verb *verb, struct cli_call *ret_call, void *values, int argc,
        char **argv, struct err *reterr)
{
    struct cli_call call = {.name = ret_call->name, .top = ret_call->top, .options = values};
    struct walk w = {.verb = verb, .argc = argc, .argv = argv, .values = values, .call = &call};
    if (set_defaults(verb, values, &call.given, reterr) < 0)
        return reterr->code;
    bool only_arguments = false;
    for (w.index = 1; w.index < argc; w.index++) {
        const char *word = argv[w.index];
        int rc = 0;
        if (only_arguments || word[0] != '-' || word[1] == '\0') {
            rc = take_argument(&w, word, reterr);
        } else if (strcmp(word, "--") == 0) {
            only_arguments = true;
        } else if (word[1] == '-') {
            rc = take_long(&w, word + 2, reterr);
        } else {
            rc = take_short(&w, word + 1, reterr);
        }
        if (rc < 0)
            return rc;
    }
    if (find_missing(&w, reterr) < 0)
        return reterr->code;
    *ret_call = call;
    return 0;
}

bool cli_option_given(const struct cli_call *call, const struct cli_option *options, size_t offset)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        if (o->offset == offset)
            return (call->given >> (o - options) & 1) != 0;
    }
    return false;
}
