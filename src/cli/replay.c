/* cli/replay.c - the verb `slicewright replay`: computes every decision of a recording again. */
#include "base/civil.h"
#include "cli/option.h"
#include "cli/tape.h"
#include "cli/verbs.h"
#include "report/format.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *against;
    uint64_t most;
};

static const struct cli_option options[] = {
        {.name = "against",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, against),
                .value_name = "EDITED",
                .help = "an edited copy of FILE: print the decisions that change,\n"
                        "with the facts that differ, up to the first outcome of an\n"
                        "action that is no longer taken"},
        {.name = "most",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, most),
                .value_name = "N",
                .default_text = "20",
                .min = 1,
                .max = 1000000,
                .help = "how many changed steps are printed"},
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "FILE", .help = "a recording, by simulate --record", .file = true},
        {0},
};

static int replay_one(const char *path, struct err *reterr)
{
    struct cli_tape tape;
    struct cli_tape_step step = {0};
    uint64_t steps = 0, decisions = 0, actions = 0;
    int rc = cli_tape_open(&tape, path, reterr);
    if (rc < 0)
        return rc;
    while ((rc = cli_tape_next(&tape, &step, reterr)) == 1) {
        steps++;
        decisions += step.output.decision_count;
        actions += step.output.action_count;
        if (!step.verdict.digest_differs)
            continue;
        (void)printf("%s: line %u: step %llu comes out differently: edited, or another version\n",
                path, tape.line, (unsigned long long)step.inputs.step);
        cli_tape_close(&tape);
        return CLI_EXIT_NO;
    }
    if (rc == 0) {
        (void)printf("%s: %llu steps, %llu actions and %llu decisions computed again: all the same "
                     "(digest %016llx)\n",
                path, (unsigned long long)steps, (unsigned long long)actions,
                (unsigned long long)decisions,
                (unsigned long long)core_digest(core_replay_core(tape.replay)));
    }
    cli_tape_close(&tape);
    return rc;
}

/* -- against an edited copy ---------------------------------------------------------------------
 */

static void print_decision(
        const char *mark, const struct cli_tape *t, const struct core_decision *d)
{
    char when[32];
    uint64_t uid = d->node ? d->node : d->owner ? d->owner : d->pod;
    (void)printf("  %s %s %.*s: %s %s, %s: %.*s\n", mark, civil_format(d->wall_ns, when),
            STR_ARG(cli_tape_name(t, uid)), core_change_name(d->change),
            core_verdict_name(d->verdict), core_reason_name(d->reason), STR_ARG(d->text));
}

static bool same_decision(const struct core_decision *a, const struct core_decision *b)
{
    return a->change == b->change && a->verdict == b->verdict && a->reason == b->reason &&
           a->node == b->node && a->pod == b->pod && a->owner == b->owner &&
           a->from_value == b->from_value && a->to_value == b->to_value && str_eq(a->text, b->text);
}

/* What is printed of a step stands below its number, which stands there once. */
static void print_head(const struct cli_tape_step *step, bool *printed)
{
    if (!*printed)
        (void)printf("step %llu\n", (unsigned long long)step->inputs.step);
    *printed = true;
}

/* Prints the facts of the step that are not the same in both. */
static void print_facts(
        const struct cli_tape_step *one, const struct cli_tape_step *two, bool *printed)
{
    struct buf a = BUF_INIT(64 << 20), b = BUF_INIT(64 << 20);
    uint32_t count = one->inputs.fact_count > two->inputs.fact_count ? one->inputs.fact_count
                                                                     : two->inputs.fact_count;
    for (uint32_t i = 0; i < count; i++) {
        buf_reset(&a);
        buf_reset(&b);
        if (i < one->inputs.fact_count)
            core_recording_fact_write(&one->inputs.facts[i], &a);
        if (i < two->inputs.fact_count)
            core_recording_fact_write(&two->inputs.facts[i], &b);
        if (str_eq(buf_str(&a), buf_str(&b)))
            continue;
        print_head(two, printed);
        (void)printf("  fact %u\n    was %.*s\n    is  %.*s\n", i, STR_ARG(buf_str(&a)),
                STR_ARG(buf_str(&b)));
    }
    buf_clear(&a);
    buf_clear(&b);
}

static void print_decisions(const struct cli_tape *t, const struct cli_tape_step *one,
        const struct cli_tape_step *two, bool *printed)
{
    const struct core_output *a = &one->output, *b = &two->output;
    uint32_t count = a->decision_count > b->decision_count ? a->decision_count : b->decision_count;
    for (uint32_t i = 0; i < count; i++) {
        bool in_a = i < a->decision_count, in_b = i < b->decision_count;
        if (in_a && in_b && same_decision(&a->decisions[i], &b->decisions[i]))
            continue;
        print_head(two, printed);
        if (in_a)
            print_decision("-", t, &a->decisions[i]);
        if (in_b)
            print_decision("+", t, &b->decisions[i]);
    }
}

static int walk_pair(struct cli_tape *a, struct cli_tape *b, uint64_t most, struct err *reterr)
{
    struct cli_tape_step one = {0}, two = {0};
    uint64_t changed = 0;
    for (;;) {
        int ra = cli_tape_next(a, &one, reterr);
        int rb = ra < 0 ? ra : cli_tape_next(b, &two, reterr);
        if (ra < 0 || rb < 0)
            return ra < 0 ? ra : rb;
        if (ra == 0 || rb == 0)
            break;
        if (two.verdict.outcome_unknown) {
            (void)printf("step %llu: an outcome answers action %016llx, which is no longer taken: "
                         "from here on it would be another story\n",
                    (unsigned long long)two.inputs.step,
                    (unsigned long long)two.verdict.unknown_action);
            return CLI_EXIT_NO;
        }
        if (changed < most) {
            bool printed = false;
            print_facts(&one, &two, &printed);
            print_decisions(a, &one, &two, &printed);
            changed += printed;
        }
    }
    if (core_digest(core_replay_core(a->replay)) != core_digest(core_replay_core(b->replay)))
        return CLI_EXIT_NO;
    (void)puts("no decision changes");
    return CLI_EXIT_OK;
}

static int replay_pair(const char *path, const struct options *o, struct err *reterr)
{
    struct cli_tape a, b;
    int rc = cli_tape_open(&a, path, reterr);
    if (rc < 0)
        return rc;
    rc = cli_tape_open(&b, o->against, reterr);
    if (rc == 0) {
        rc = walk_pair(&a, &b, o->most, reterr);
        cli_tape_close(&b);
    }
    cli_tape_close(&a);
    return rc;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    return o->against != NULL ? replay_pair(call->arguments[0], o, reterr)
                              : replay_one(call->arguments[0], reterr);
}

const struct cli_verb cli_verb_replay = {
        .name = "replay",
        .brief = "recompute every decision of a recording",
        .summary = "Feeds a recording through a fresh core and compares every decision, byte for "
                   "byte.",
        .details =
                "A recording holds what the controller was told, one JSON object a step (gzip or "
                "plain).\nSolves are solved again.  Exit code 0: every step came out the same; "
                "1: it did not.",
        .examples = "  slicewright simulate --days 1 --record run.jsonl\n"
                    "  slicewright replay run.jsonl\n"
                    "  sed 's/\"ready\":true/\"ready\":false/' run.jsonl > edited.jsonl\n"
                    "  slicewright replay run.jsonl --against edited.jsonl",
        .options = options,
        .options_size = sizeof(struct options),
        .arguments = arguments,
        .run = run,
};
