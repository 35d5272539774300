/* cli/complete.c - what may stand next on a command line, from the verbs' tables. */
#include "cli/option-priv.h"

#include <stdio.h>
#include <string.h>

/* A walk over the words before the one that is being completed. */
struct walk {
    const struct cli_verb *verb;
    const struct cli_option *pending; /* whose value comes next; NULL = none */
    uint64_t given;                   /* options: bit = index in the table */
    unsigned arguments;
    bool only_arguments; /* behind -- */
    struct str prefix;   /* of the word, kept before each candidate: "--output=" */
    struct buf *out;
};

/* -- candidates ---------------------------------------------------------------------------------
 */

/* The first line of a help text. */
static void put(const struct walk *w, struct str word, const char *dashes, const char *name,
        const char *help)
{
    char text[96];
    struct str rest = str_from(help != NULL ? help : "");
    struct str line = {0};
    (void)snprintf(text, sizeof text, "%s%s", dashes, name);
    if (!str_starts(str_from(text), word))
        return;
    (void)str_split(&rest, '\n', &line);
    buf_printf(w->out, "%.*s%s\t%.*s\n", STR_ARG(w->prefix), text, STR_ARG(line));
}

static void put_choices(const struct walk *w, struct str word, const char *const *choices)
{
    for (uint32_t i = 0; choices != NULL && choices[i] != NULL; i++)
        put(w, word, "", choices[i], NULL);
}

static void put_values(const struct walk *w, struct str word, const struct cli_option *o)
{
    put_choices(w, word, o->choices);
    if (o->kind == CLI_OPTION_FILE)
        buf_puts(w->out, CLI_COMPLETE_FILES);
}

static void put_options(const struct walk *w, struct str word)
{
    const struct cli_option *table = w->verb->options;
    for (const struct cli_option *o = table; o != NULL && o->name != NULL; o++) {
        if ((w->given >> (o - table) & 1) == 0)
            put(w, word, "--", o->name, o->help);
    }
    put(w, word, "--", "help", "what it does, and its options");
}

static void put_argument(const struct walk *w, struct str word)
{
    const struct cli_argument *a = w->verb->arguments;
    for (unsigned i = 0; i < w->arguments && a != NULL && a->name != NULL; i++)
        a += !a->repeated;
    if (a == NULL || a->name == NULL) {
        if (word.len == 0 && !w->only_arguments)
            put_options(w, word);
        return;
    }
    put_choices(w, word, a->choices);
    if (a->file)
        buf_puts(w->out, CLI_COMPLETE_FILES);
}

static void put_verbs(const struct walk *w, struct str word, bool top)
{
    for (unsigned i = 0; w->verb->verbs[i] != NULL; i++)
        put(w, word, "", w->verb->verbs[i]->name, w->verb->verbs[i]->brief);
    if (top)
        put(w, word, "", "help", "what a verb does, and its options");
}

/* -- the walk -----------------------------------------------------------------------------------
 */

static const struct cli_option *find_long(const struct walk *w, struct str name)
{
    for (const struct cli_option *o = w->verb->options; o != NULL && o->name != NULL; o++) {
        if (str_eq_c(name, o->name))
            return o;
    }
    return NULL;
}

/* "-qo": the option that the word ends with, when its value is not in the word. */
static const struct cli_option *take_short(struct walk *w, const char *letters)
{
    for (const char *p = letters; *p != '\0'; p++) {
        const struct cli_option *o = w->verb->options;
        while (o != NULL && o->name != NULL && o->letter != *p)
            o++;
        if (o == NULL || o->name == NULL)
            return NULL;
        w->given |= UINT64_C(1) << (o - w->verb->options);
        if (o->kind != CLI_OPTION_FLAG)
            return p[1] == '\0' ? o : NULL;
    }
    return NULL;
}

/* The option that "--name" or "--name=value" names; ret_value: the value, ptr NULL without one. */
static const struct cli_option *split_long(
        const struct walk *w, const char *word, struct str *ret_value)
{
    const char *equals = strchr(word, '=');
    *ret_value = equals != NULL ? str_from(equals + 1) : (struct str){0};
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    return find_long(w, (struct str){word + 2, len - 2});
}

static void take_word(struct walk *w, const char *word)
{
    struct str value = {0};
    if (w->pending != NULL) {
        /* bash has --output=json as three words. */
        if (strcmp(word, "=") != 0)
            w->pending = NULL;
    } else if (w->only_arguments || word[0] != '-' || word[1] == '\0') {
        w->arguments++;
    } else if (strcmp(word, "--") == 0) {
        w->only_arguments = true;
    } else if (word[1] == '-') {
        const struct cli_option *o = split_long(w, word, &value);
        if (o == NULL)
            return;
        w->given |= UINT64_C(1) << (o - w->verb->options);
        w->pending = o->kind != CLI_OPTION_FLAG && value.ptr == NULL ? o : NULL;
    } else {
        w->pending = take_short(w, word + 1);
    }
}

/* Goes down the groups; the index of the first word that is no verb. */
static unsigned descend(struct walk *w, unsigned count, const char *const *words)
{
    unsigned i = count > 1 && strcmp(words[0], "help") == 0 ? 1 : 0;
    for (; w->verb->verbs != NULL && i + 1 < count; i++) {
        unsigned v = 0;
        while (w->verb->verbs[v] != NULL && strcmp(w->verb->verbs[v]->name, words[i]) != 0)
            v++;
        if (w->verb->verbs[v] == NULL)
            break;
        w->verb = w->verb->verbs[v];
    }
    return i;
}

void cli_complete_write(
        const struct cli_verb *top, unsigned count, const char *const *words, struct buf *out)
{
    struct walk w = {.verb = top, .out = out};
    const char *word = count > 0 ? words[count - 1] : "";
    struct str value = {0};
    unsigned i = descend(&w, count, words);
    if (w.verb->verbs != NULL && i + 1 < count)
        return; /* a word that is no verb: nothing is known of what follows it */
    if (w.verb->verbs != NULL && word[0] != '-') {
        put_verbs(&w, str_from(word), i == 0);
        return;
    }
    for (; i + 1 < count; i++)
        take_word(&w, words[i]);
    if (w.pending != NULL) {
        put_values(&w, str_from(strcmp(word, "=") == 0 ? "" : word), w.pending);
    } else if (!w.only_arguments && word[0] == '-' && word[1] == '-' && strchr(word, '=') != NULL) {
        const struct cli_option *o = split_long(&w, word, &value);
        w.prefix = (struct str){word, (size_t)(value.ptr - word)};
        if (o != NULL && o->kind != CLI_OPTION_FLAG)
            put_values(&w, value, o);
    } else if (!w.only_arguments && word[0] == '-') {
        put_options(&w, str_from(word));
    } else {
        put_argument(&w, str_from(word));
    }
}
