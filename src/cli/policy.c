/* cli/policy.c - the verb `slicewright policy`: show a preset or file in full, check one, or print
 * the reference of every field. */
#include "policy/policy.h"
#include "base/doc.h"
#include "cli/input.h"
#include "cli/option.h"
#include "cli/verbs.h"

#include <stdio.h>

enum { TEXT_BYTES_MAX = 1 << 20 };

static const struct cli_argument policy_arguments[] = {
        {.name = "POLICY",
                .help = "a preset (conservative, balanced, aggressive) or a file",
                .file = true,
                .choices = cli_policy_choices},
        {0},
};

/* Reads the policy that is named and prints it in full, or that it is good. */
static int print_policy(const char *name, bool in_full, struct err *reterr)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    const struct policy *p = NULL;
    int rc = cli_input_policy(a, name, &p, reterr);
    if (rc < 0)
        return rc;
    if (in_full) {
        policy_emit(p, &text);
    } else {
        buf_printf(&text, "%s: ok\n", name);
    }
    rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static int run_show(const struct cli_call *call, struct err *reterr)
{
    return print_policy(call->arguments[0], true, reterr);
}

static int run_check(const struct cli_call *call, struct err *reterr)
{
    return print_policy(call->arguments[0], false, reterr);
}

static int run_fields(const struct cli_call *call, struct err *reterr)
{
    (void)call;
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    policy_docs_emit(&text);
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static int run_crd(const struct cli_call *call, struct err *reterr)
{
    (void)call;
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    policy_crd_emit(&text);
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static const struct cli_verb show_verb = {
        .name = "show",
        .brief = "a preset or file with every default filled in",
        .summary = "Shows a SharingPolicy with every default filled in.",
        .examples = "  slicewright policy show balanced > policy.yaml",
        .arguments = policy_arguments,
        .run = run_show,
};

static const struct cli_verb check_verb = {
        .name = "check",
        .brief = "whether a file is a good SharingPolicy",
        .summary = "Checks a SharingPolicy file: one line names line, key, value and what was "
                   "expected.",
        .examples = "  slicewright policy check policy.yaml",
        .arguments = policy_arguments,
        .run = run_check,
};

static const struct cli_verb fields_verb = {
        .name = "fields",
        .brief = "every field with unit, range and default",
        .summary = "Lists every field of a SharingPolicy with unit, range and default.",
        .examples = "  slicewright policy fields",
        .run = run_fields,
};

static const struct cli_verb crd_verb = {
        .name = "crd",
        .brief = "the CustomResourceDefinitions for a cluster",
        .summary = "Prints the CustomResourceDefinitions of SharingPolicy and SharingPlan.",
        .examples = "  slicewright policy crd | kubectl apply --server-side -f -",
        .run = run_crd,
};

const struct cli_verb cli_verb_policy = {
        .name = "policy",
        .brief = "show a preset, or check a SharingPolicy file",
        .summary = "SharingPolicy: what workloads may be given, and within which limits.",
        .verbs = (const struct cli_verb *const[]){&show_verb, &check_verb, &fields_verb, &crd_verb,
                NULL},
};
