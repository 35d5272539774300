/* cli/simulate.c - the verb `slicewright simulate`: what sharing would save, and risk. */
#include "base/num.h"
#include "cli/from.h"
#include "cli/input.h"
#include "cli/option.h"
#include "cli/tape.h"
#include "cli/verbs.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/progress.h"
#include "os/usage.h"
#include "report/html.h"
#include "report/json.h"
#include "report/table.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_TABLE, OUTPUT_JSON };
enum { REPORT_BYTES_MAX = 256 << 20 };

struct options {
    struct cli_world_options world;
    const char *record, *report;
    uint32_t output;
    uint64_t given; /* by index of the table below */
    bool with_native, quiet;
};

static const char *const output_choices[] = {"table", "json", NULL};

#define WORLD(field) offsetof(struct options, world.field)

static const struct cli_option options[] = {
        {"scenario", 0, CLI_OPTION_TEXT, WORLD(scenario), "FILE", NULL, 0, 0, NULL,
                "a built-in scenario (default, fitted, small) or a YAML file;\n"
                "see docs/SIMULATION.md"},
        {"trace", 0, CLI_OPTION_TEXT, WORLD(trace), "KIND:FILE", NULL, 0, 0, NULL,
                "run a recorded trace: genai:FILE or openb:NODES,PODS;\n"
                ".gz is read everywhere"},
        {"policy", 'p', CLI_OPTION_TEXT, WORLD(policy), "FILE", "balanced", 0, 0, NULL,
                "a SharingPolicy file, or a preset:\n"
                "conservative, balanced, aggressive"},
        {"prices", 0, CLI_OPTION_TEXT, WORLD(prices), "FILE", NULL, 0, 0, NULL,
                "prices by cloud, region, instance type (CSV)"},
        {"caps", 0, CLI_OPTION_CHOICE, WORLD(caps), "CAPS", "operator", 0, 0, cli_caps_choices,
                "what the nodes can express: NVIDIA's GPU Operator as it is,\n"
                "its DRA driver, or our own agent and admission"},
        {"gpu", 0, CLI_OPTION_TEXT, WORLD(gpu), "MODEL", NULL, 0, 0, NULL,
                "GPU model of a trace's nodes (default A100-80GB)"},
        {"gpus-per-node", 0, CLI_OPTION_NUMBER, WORLD(gpus_per_node), "N", "1", 1, 16, NULL,
                "GPUs of a trace's node"},
        {"sample-pods", 0, CLI_OPTION_NUMBER, WORLD(sample_pods), "N", NULL, 0, 1000000, NULL,
                "only so many pods of a trace, chosen by the seed; 0 = all"},
        {"owner-patch-delay", 0, CLI_OPTION_TEXT, WORLD(owner_patch_delay), "HOURS", "24", 0, 0,
                NULL,
                "how long an owner takes to point its pods at another\n"
                "resource when we propose it; 'never' shows what is blocked"},
        {"seed", 's', CLI_OPTION_NUMBER, WORLD(seed), "N", "1", 0, UINT64_MAX, NULL,
                "the same seed gives the same run"},
        {"days", 0, CLI_OPTION_NUMBER, WORLD(days), "N", NULL, 0, 366, NULL,
                "virtual days; 0 = the scenario's"},
        {"measure-from", 0, CLI_OPTION_NUMBER, WORLD(measure_from_hours), "HOURS", "0", 0, 8784,
                NULL, "means, kills and evictions count from here"},
        {"faults", 0, CLI_OPTION_TEXT, WORLD(faults), "RATE", "0", 0, 0, NULL,
                "chance of a fault of a write, a fact batch, a node-hour:\n"
                "0 to 1; a violated check ends with exit code 3"},
        {"from", 0, CLI_OPTION_TEXT, WORLD(from), "RECORDING@STEP", NULL, 0, 0, NULL,
                "make a recorded run again up to STEP, with the facts that\n"
                "stand in the file, then go on; --policy, --owner-patch-delay\n"
                "and --faults hold from there, all else is as recorded"},
        {"with-native", 0, CLI_OPTION_FLAG, offsetof(struct options, with_native), NULL, NULL, 0, 0,
                NULL, "also show what native caps would give"},
        {"record", 0, CLI_OPTION_TEXT, offsetof(struct options, record), "FILE", NULL, 0, 0, NULL,
                "write what the controller saw, for replay and explain"},
        {"report", 0, CLI_OPTION_TEXT, offsetof(struct options, report), "FILE", NULL, 0, 0, NULL,
                "write a self-contained HTML page"},
        {"output", 'o', CLI_OPTION_CHOICE, offsetof(struct options, output), "FORMAT", "table", 0,
                0, output_choices, "what is printed"},
        {"quiet", 'q', CLI_OPTION_FLAG, offsetof(struct options, quiet), NULL, NULL, 0, 0, NULL,
                "no progress on standard error"},
        {0},
};

static const struct cli_verb verb = {
        .name = "simulate",
        .usage = "[options]",
        .summary = "Runs the production controller on a virtual cluster, and compares GPUs, cost "
                   "and harm\nbefore and after with static baselines and a lower bound.",
        .examples = "  slicewright simulate --report report.html\n"
                    "  slicewright simulate --policy conservative --days 2 -o json\n"
                    "  slicewright simulate --trace genai:trace.csv.gz --caps native "
                    "--measure-from 6\n"
                    "  slicewright simulate --from run.gz@1200 --policy aggressive",
        .options = options,
};

/* What the run reports to while it goes on. */
struct watch {
    struct os_progress progress;
    char label[48];
    struct cli_tape_writer tape;
    struct cli_from *from; /* NULL from the start */
    bool record;
};

/* The options beside --from that are not the recording's. */
static bool goes_with_from(const struct cli_option *o)
{
    static const char *const names[] = {"from", "policy", "owner-patch-delay", "faults",
            "measure-from", "record", "report", "output", "quiet", NULL};
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcmp(o->name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_given(const struct options *o, size_t offset)
{
    for (unsigned i = 0; options[i].name != NULL; i++) {
        if (options[i].offset == offset)
            return (o->given >> i & 1) != 0;
    }
    return false;
}

static void on_progress(void *context, const char *run, uint32_t permille)
{
    struct watch *w = context;
    (void)snprintf(w->label, sizeof w->label, "simulating: %.24s", run);
    os_progress_update(&w->progress, permille, 1000);
}

static bool before_step(void *context, uint64_t step, struct core_fact *facts, uint32_t count)
{
    struct watch *w = context;
    return cli_from_before_step(w->from, step, facts, count);
}

static void after_step(void *context, const struct sim_step *step)
{
    struct watch *w = context;
    if (w->from != NULL)
        cli_from_after_step(w->from, step);
    if (w->record)
        cli_tape_on_step(&w->tape, step);
}

static int write_report(const struct report_result *result, const char *path, struct err *reterr)
{
    struct buf page = BUF_INIT(REPORT_BYTES_MAX);
    report_html_write(result, &page);
    int rc = page.overflow ? err_set(reterr, -E2BIG, "%s: the page would pass %d MiB", path,
                                     REPORT_BYTES_MAX >> 20)
                           : os_file_write(path, buf_str(&page), OS_FILE_PLAIN, reterr);
    buf_clear(&page);
    return rc;
}

static int print_result(const struct report_result *result, uint32_t output, struct err *reterr)
{
    struct buf text = BUF_INIT(REPORT_BYTES_MAX);
    if (output == OUTPUT_JSON) {
        report_json_write(result, &text);
    } else {
        report_table_write(result, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, &text);
    }
    int rc = os_file_write("-", buf_str(&text), OS_FILE_PLAIN, reterr);
    buf_clear(&text);
    return rc;
}

/* What a run reads and may write. */
struct job {
    const struct options *options;
    struct sim_config config;
    struct sim_config then; /* with --from: the terms after the step */
    struct cli_from from;
    struct watch watch;
};

/* The configuration of the job: of the options alone, or of the recording that they go on from. */
static int load(struct arena *a, struct job *j, struct err *reterr)
{
    const struct options *o = j->options;
    struct cli_world_options recorded, then;
    if (o->world.from == NULL)
        return cli_input_load(a, &o->world, &j->config, reterr);
    for (unsigned i = 0; options[i].name != NULL; i++) {
        if ((o->given >> i & 1) != 0 && !goes_with_from(&options[i]))
            return err_set(reterr, -EINVAL, "--%s: with --from it is as recorded", options[i].name);
    }
    if (cli_from_open(&j->from, o->world.from, reterr) < 0 ||
            cli_from_options(&j->from, &recorded, reterr) < 0)
        return reterr->code;
    if (is_given(o, WORLD(measure_from_hours)))
        recorded.measure_from_hours = o->world.measure_from_hours;
    then = recorded;
    if (is_given(o, WORLD(policy)))
        then.policy = o->world.policy;
    if (is_given(o, WORLD(owner_patch_delay)))
        then.owner_patch_delay = o->world.owner_patch_delay;
    if (is_given(o, WORLD(faults)))
        then.faults = o->world.faults;
    if (cli_input_load(a, &recorded, &j->config, reterr) < 0)
        return err_wrap(reterr, "as recorded");
    j->then = j->config;
    if (cli_input_terms(a, &then, &j->then, reterr) < 0)
        return reterr->code;
    if (!is_given(o, WORLD(policy)))
        j->then.policy = j->config.policy; /* another object would be another policy */
    return 0;
}

/* Gives the run its callbacks; after the step of --from it goes on under the terms of `then`. */
static void attach(struct job *j)
{
    const struct options *o = j->options;
    bool from = o->world.from != NULL;
    const struct sim_config terms = j->then;
    j->watch = (struct watch){.from = from ? &j->from : NULL, .record = o->record != NULL};
    os_progress_init(&j->watch.progress, j->watch.label, getenv("NO_COLOR") == NULL);
    j->config.context = &j->watch;
    j->config.progress = o->quiet ? NULL : on_progress;
    j->config.before_step = from ? before_step : NULL;
    j->config.after_step = from || j->watch.record ? after_step : NULL;
    j->config.with_native = o->with_native;
    if (!from)
        return;
    j->then = j->config;
    j->then.policy = terms.policy;
    j->then.owner_patch_delay_ns = terms.owner_patch_delay_ns;
    j->then.faults_ppm = terms.faults_ppm;
    j->config.then = &j->then;
    j->config.then_step = j->from.step;
}

/* Runs; a recording is written even of a run that a violated check ended: it is wanted most then.
 */
static int run(struct arena *a, struct job *j, struct report_result *ret_result, struct err *reterr)
{
    const struct options *o = j->options;
    attach(j);
    if (j->watch.record)
        cli_tape_begin(&j->watch.tape, &o->world, &j->config);
    int rc = sim_run(&j->config, a, ret_result, reterr);
    os_progress_end(&j->watch.progress);
    if (j->from.err.code != 0) {
        *reterr = j->from.err;
        rc = j->from.err.code;
    }
    if (!j->watch.record)
        return rc;
    struct err tape_err = {0};
    bool keep = rc == 0 || rc == -EPROTO;
    int tape_rc = keep ? cli_tape_end(&j->watch.tape, o->record, &tape_err)
                       : cli_tape_drop(&j->watch.tape);
    if (rc == 0 && tape_rc < 0) {
        *reterr = tape_err;
        rc = tape_rc;
    }
    return rc;
}

/* Runs and writes what was asked for. */
static int simulate(struct arena *a, struct job *j, struct err *reterr)
{
    const struct options *o = j->options;
    int64_t start_ns = os_clock_mono_ns();
    struct report_result *result = ARENA_NEW(a, struct report_result);
    int rc = run(a, j, result, reterr);
    if (rc < 0)
        return rc;
    result->wall_time_ns = os_clock_mono_ns() - start_ns;
    result->peak_rss_mib = (uint32_t)os_usage_peak_rss_mib();
    if (o->world.from != NULL) {
        result->from = str_from(j->from.path);
        result->from_step = j->from.step;
        result->from_edits = j->from.edits;
    }
    if (o->report != NULL && write_report(result, o->report, reterr) < 0)
        return reterr->code;
    if (print_result(result, o->output, reterr) < 0)
        return reterr->code;
    if (o->report != NULL && o->output == OUTPUT_TABLE && strcmp(o->report, "-") != 0)
        (void)printf("\nreport: %s\n", o->report);
    return 0;
}

int cli_simulate_run(int argc, char **argv)
{
    struct options o = {0};
    struct cli_positionals pos;
    struct err e = {0};
    switch (cli_option_parse(&verb, argc, argv, &o, &pos, &e)) {
    case CLI_PARSED_HELP:
        return cli_option_print_help(&verb);
    case CLI_PARSED_ERROR:
        return cli_usage_error(verb.name, &e);
    case CLI_PARSED:
        break;
    }
    struct arena *a = arena_new((size_t)8 << 30);
    struct job job = {.options = &o};
    o.given = pos.given;
    int rc = load(a, &job, &e);
    if (rc == 0)
        rc = simulate(a, &job, &e);
    int code = CLI_EXIT_OK;
    if (rc == -EPROTO) {
        (void)fprintf(stderr, "slicewright simulate: %s\n", e.text);
        code = CLI_EXIT_VIOLATION;
    } else if (rc < 0) {
        code = cli_fail(verb.name, &e);
    }
    cli_from_close(&job.from);
    (void)arena_free(a);
    return code;
}
