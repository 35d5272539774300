/* cli/verb.c - from argv to the verb that runs, and from what it returns to the exit code. */
#include "cli/option-priv.h"
#include "os/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 96, HELP_BYTES_MAX = 1 << 16, VERBS_MAX = 64, VALUES_BYTES_MAX = 1024 };

/* Where a walk down the verbs stands. */
struct place {
    const struct cli_verb *top, *verb;
    char path[PATH_MAX_BYTES]; /* "slicewright mig check" */
    int argc;                  /* what follows; argv[0] is the verb's own word */
    char **argv;
};

int cli_print(const struct buf *text, struct err *reterr)
{
    if (text->overflow) {
        return err_set(reterr, -E2BIG, "the output would pass %zu MiB",
                text->max >> 20 > 0 ? text->max >> 20 : 1);
    }
    return os_file_write("-", buf_str(text), OS_FILE_PLAIN, reterr);
}

static int print_help(const struct place *at, bool asked)
{
    struct buf help = BUF_INIT(HELP_BYTES_MAX);
    struct err e = {0};
    cli_help_write(at->verb, at->path, &help);
    if (!asked) {
        (void)fputs(help.ptr, stderr);
        buf_clear(&help);
        return CLI_EXIT_BAD_INPUT;
    }
    int rc = cli_print(&help, &e);
    buf_clear(&help);
    if (rc < 0)
        (void)fprintf(stderr, "%s: %s\n", at->path, e.text);
    return rc < 0 ? CLI_EXIT_NO : CLI_EXIT_OK;
}

static int usage_error(const struct place *at, const struct err *e)
{
    (void)fprintf(stderr, "%s: %s\nTry '%s --help'.\n", at->path, e->text, at->path);
    return CLI_EXIT_BAD_INPUT;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Takes one word down from a group. */
static int descend(struct place *at, struct err *reterr)
{
    const char *names[VERBS_MAX + 1], *word = at->argv[1];
    struct buf list = BUF_INIT(HELP_BYTES_MAX);
    unsigned count = 0;
    for (; at->verb->verbs[count] != NULL; count++) {
        assert(count < VERBS_MAX);
        names[count] = at->verb->verbs[count]->name;
        buf_printf(&list, "%s%s", count == 0 ? "" : ", ", names[count]);
        if (strcmp(names[count], word) != 0)
            continue;
        size_t length = strlen(at->path);
        (void)snprintf(at->path + length, sizeof at->path - length, " %s", word);
        at->verb = at->verb->verbs[count];
        at->argc--;
        at->argv++;
        buf_clear(&list);
        return 0;
    }
    names[count] = NULL;
    const char *nearest = str_nearest(str_from(word), names);
    int rc = nearest != NULL ? err_set(reterr, -EINVAL, "unknown verb '%s'; did you mean '%s'?",
                                       word, nearest)
                             : err_set(reterr, -EINVAL, "unknown verb '%s': expected %.*s", word,
                                       STR_ARG(buf_str(&list)));
    buf_clear(&list);
    return rc;
}

static int exit_code(int rc)
{
    if (rc == -EPROTO)
        return CLI_EXIT_VIOLATION;
    return rc == -ENODATA || rc == -EIO || rc == -ENOSPC ? CLI_EXIT_NO : CLI_EXIT_BAD_INPUT;
}

static int run(const struct place *at)
{
    _Alignas(max_align_t) unsigned char values[VALUES_BYTES_MAX] = {0};
    struct cli_call call = {.name = at->path, .top = at->top};
    struct err e = {0};
    assert(at->verb->options_size <= sizeof values);
    if (cli_option_parse(at->verb, &call, values, at->argc, at->argv, &e) < 0)
        return usage_error(at, &e);
    int rc = at->verb->run(&call, &e);
    if (rc >= 0)
        return rc;
    (void)fprintf(stderr, "%s: %s\n", at->path, e.text);
    return exit_code(rc);
}

int cli_verb_main(const struct cli_verb *top, int argc, char **argv)
{
    struct place at = {.top = top, .verb = top, .argc = argc, .argv = argv};
    struct err e = {0};
    (void)snprintf(at.path, sizeof at.path, "%s", top->name);
    /* `help mig check` is `mig check --help`. */
    bool help = top->verbs != NULL && argc > 1 && strcmp(argv[1], "help") == 0;
    if (help) {
        at.argc--;
        at.argv++;
    }
    while (at.verb->verbs != NULL && at.argc > 1 && !asks_for_help(at.argv[1])) {
        if (descend(&at, &e) < 0)
            return usage_error(&at, &e);
    }
    for (int i = 1; i < at.argc && strcmp(at.argv[i], "--") != 0; i++)
        help = help || asks_for_help(at.argv[i]);
    return help || at.verb->verbs != NULL ? print_help(&at, help) : run(&at);
}
