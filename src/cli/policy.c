/* cli/policy.c - the verb `slicewright policy`: show a preset or file in full, check one, or print
 * the reference of every field. */
#include "policy/policy.h"
#include "base/doc.h"
#include "cli/input.h"
#include "cli/option.h"
#include "cli/verbs.h"
#include "os/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {{0}};

static const struct cli_verb verb = {
        .name = "policy",
        .usage = "show PRESET|FILE | check FILE | fields",
        .summary =
                "Shows a SharingPolicy with every default filled in, checks a file, or lists all "
                "fields\nwith units, ranges and defaults.",
        .examples = "  slicewright policy show balanced > policy.yaml\n"
                    "  slicewright policy check policy.yaml\n"
                    "  slicewright policy fields",
        .options = options,
        .positional_min = 1,
        .positional_max = 2,
};

enum { TEXT_BYTES_MAX = 1 << 20 };

static int print_text(struct buf *text, struct err *reterr)
{
    int rc = os_file_write("-", buf_str(text), OS_FILE_PLAIN, reterr);
    buf_clear(text);
    return rc;
}

static int run(struct arena *a, const struct cli_positionals *pos, struct err *reterr)
{
    const char *word = pos->values[0];
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    if (strcmp(word, "fields") == 0 && pos->count == 1) {
        policy_docs_emit(&text);
        return print_text(&text, reterr);
    }
    bool show = strcmp(word, "show") == 0, check = strcmp(word, "check") == 0;
    if (!show && !check) {
        return err_set(reterr, -EINVAL, "'%s': expected show, check or fields", word);
    }
    if (pos->count < 2)
        return err_set(reterr, -EINVAL, "%s: expected a preset or a file", word);
    const struct policy *p = NULL;
    if (cli_input_policy(a, pos->values[1], &p, reterr) < 0)
        return reterr->code;
    if (show) {
        policy_emit(p, &text);
    } else {
        buf_printf(&text, "%s: ok\n", pos->values[1]);
    }
    return print_text(&text, reterr);
}

int cli_policy_run(int argc, char **argv)
{
    struct cli_positionals pos;
    struct err e = {0};
    char nothing = 0;
    switch (cli_option_parse(&verb, argc, argv, &nothing, &pos, &e)) {
    case CLI_PARSED_HELP:
        return cli_option_print_help(&verb);
    case CLI_PARSED_ERROR:
        return cli_usage_error(verb.name, &e);
    case CLI_PARSED:
        break;
    }
    struct arena *a = arena_new(0);
    int code = run(a, &pos, &e) == 0 ? CLI_EXIT_OK : cli_fail(verb.name, &e);
    (void)arena_free(a);
    return code;
}
