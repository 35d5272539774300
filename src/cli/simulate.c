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

enum { REPORT_BYTES_MAX = 256 << 20 };

struct options {
    struct cli_world_options world;
    const char *record, *report;
    uint32_t output;
    bool with_dra, with_native, quiet;
};

static const struct cli_option options[] = {
        CLI_WORLD_SCENARIO(struct options, world.scenario, NULL),
        {.name = "trace",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, world.trace),
                .value_name = "KIND:FILE",
                .help = "run a recorded trace: genai:FILE, openb:NODES,PODS, or\n"
                        "recorded:FILE, what plan or simulate --record wrote;\n"
                        ".gz is read everywhere"},
        CLI_WORLD_POLICY(struct options, world.policy),
        {.name = "prices",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, world.prices),
                .value_name = "FILE",
                .help = "prices by cloud, region, instance type (CSV)"},
        CLI_WORLD_CAPS(struct options, world.caps, "operator"),
        CLI_WORLD_GPU(struct options, world.gpu),
        CLI_WORLD_GPUS_PER_NODE(struct options, world.gpus_per_node),
        CLI_WORLD_SAMPLE_PODS(struct options, world.sample_pods),
        CLI_WORLD_OWNER_PATCH_DELAY(struct options, world.owner_patch_delay, "24"),
        CLI_WORLD_SEED(struct options, world.seed),
        CLI_WORLD_DAYS(struct options, world.days, NULL),
        CLI_WORLD_MEASURE_FROM(struct options, world.measure_from_hours, "0"),
        {.name = "faults",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, world.faults),
                .value_name = "RATE",
                .default_text = "0",
                .help = "chance of a fault of a write, a fact batch, a node-hour:\n"
                        "0 to 1; a violated check ends with exit code 3"},
        {.name = "from",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, world.from),
                .value_name = "RECORDING@STEP",
                .help = "make a recorded run again up to STEP, with the facts that\n"
                        "stand in the file, then go on; --policy, --owner-patch-delay\n"
                        "and --faults hold from there, all else is as recorded"},
        {.name = "with-dra",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, with_dra),
                .help = "also show what NVIDIA's DRA driver would give: claims"},
        {.name = "with-native",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, with_native),
                .help = "also show what native caps would give"},
        {.name = "record",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, record),
                .value_name = "FILE",
                .help = "write what the controller saw, for replay and explain"},
        {.name = "report",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, report),
                .value_name = "FILE",
                .help = "write a self-contained HTML page"},
        CLI_OPTION_OUTPUT(struct options, output),
        {.name = "quiet",
                .letter = 'q',
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, quiet),
                .help = "no progress on standard error"},
        {0},
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
    if (output == CLI_OUTPUT_JSON) {
        report_json_write(result, &text);
    } else {
        report_table_write(result, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, &text);
    }
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

/* What a run reads and may write. */
struct job {
    const struct cli_call *call;
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
        if ((j->call->given >> i & 1) != 0 && !goes_with_from(&options[i]))
            return err_set(reterr, -EINVAL, "--%s: with --from it is as recorded", options[i].name);
    }
    if (cli_from_open(&j->from, o->world.from, reterr) < 0 ||
            cli_from_options(&j->from, &recorded, reterr) < 0)
        return reterr->code;
    if (cli_option_given(j->call, options, offsetof(struct options, world.measure_from_hours)))
        recorded.measure_from_hours = o->world.measure_from_hours;
    then = recorded;
    if (cli_option_given(j->call, options, offsetof(struct options, world.policy)))
        then.policy = o->world.policy;
    if (cli_option_given(j->call, options, offsetof(struct options, world.owner_patch_delay)))
        then.owner_patch_delay = o->world.owner_patch_delay;
    if (cli_option_given(j->call, options, offsetof(struct options, world.faults)))
        then.faults = o->world.faults;
    if (cli_input_load(a, &recorded, &j->config, reterr) < 0)
        return err_wrap(reterr, "as recorded");
    j->then = j->config;
    if (cli_input_terms(a, &then, &j->then, reterr) < 0)
        return reterr->code;
    if (!cli_option_given(j->call, options, offsetof(struct options, world.policy)))
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
    j->config.with_dra = o->with_dra;
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
    if (o->report != NULL && o->output == CLI_OUTPUT_TABLE && strcmp(o->report, "-") != 0)
        (void)printf("\nreport: %s\n", o->report);
    return 0;
}

static int run_verb(const struct cli_call *call, struct err *reterr)
{
    struct arena *a = arena_new((size_t)8 << 30);
    struct job job = {.call = call, .options = call->options};
    int rc = load(a, &job, reterr);
    if (rc == 0)
        rc = simulate(a, &job, reterr);
    cli_from_close(&job.from);
    (void)arena_free(a);
    return rc;
}

const struct cli_verb cli_verb_simulate = {
        .name = "simulate",
        .brief = "what sharing would save, and what it would risk",
        .summary = "Runs the production controller on a virtual cluster, and compares GPUs, cost "
                   "and harm\nbefore and after with static baselines and a lower bound.",
        .examples = "  slicewright simulate --report report.html\n"
                    "  slicewright simulate --policy conservative --days 2 -o json\n"
                    "  slicewright simulate --trace genai:trace.csv.gz --caps native "
                    "--measure-from 6\n"
                    "  slicewright simulate --from run.gz@1200 --policy aggressive",
        .options = options,
        .options_size = sizeof(struct options),
        .run = run_verb,
};
