/* cli/simulate.c - the verb `slicewright simulate`: what sharing would save, and risk. */
#include "base/num.h"
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
                    "--measure-from 6",
        .options = options,
};

/* What the run reports to while it goes on. */
struct watch {
    struct os_progress progress;
    char label[48];
    struct cli_tape_writer tape;
};

static void on_progress(void *context, const char *run, uint32_t permille)
{
    struct watch *w = context;
    (void)snprintf(w->label, sizeof w->label, "simulating: %.24s", run);
    os_progress_update(&w->progress, permille, 1000);
}

static void on_step(void *context, const struct sim_step *step)
{
    struct watch *w = context;
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
    if (output == OUTPUT_JSON)
        report_json_write(result, &text);
    else
        report_table_write(result, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, &text);
    int rc = os_file_write("-", buf_str(&text), OS_FILE_PLAIN, reterr);
    buf_clear(&text);
    return rc;
}

/* Runs and writes what was asked for; a violated check still prints what there is. */
static int simulate(
        struct arena *a, const struct options *o, struct sim_config *config, struct err *reterr)
{
    struct watch watch = {0};
    os_progress_init(&watch.progress, watch.label, getenv("NO_COLOR") == NULL);
    config->context = &watch;
    if (!o->quiet)
        config->progress = on_progress;
    if (o->record != NULL) {
        config->after_step = on_step;
        cli_tape_begin(&watch.tape, &o->world, config);
    }
    config->with_native = o->with_native;
    int64_t start_ns = os_clock_mono_ns();
    struct report_result *result = ARENA_NEW(a, struct report_result);
    int rc = sim_run(config, a, result, reterr);
    os_progress_end(&watch.progress);
    /* A violated check is when a recording is wanted most. */
    struct err tape_err = {0};
    int tape_rc = o->record != NULL ? cli_tape_end(&watch.tape, o->record, &tape_err) : 0;
    if (rc < 0)
        return rc;
    if (tape_rc < 0) {
        *reterr = tape_err;
        return tape_rc;
    }
    result->wall_time_ns = os_clock_mono_ns() - start_ns;
    result->peak_rss_mib = (uint32_t)os_usage_peak_rss_mib();
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
    struct sim_config config;
    int rc = cli_input_load(a, &o.world, &config, &e);
    if (rc == 0)
        rc = simulate(a, &o, &config, &e);
    int code = CLI_EXIT_OK;
    if (rc == -EPROTO) {
        (void)fprintf(stderr, "slicewright simulate: %s\n", e.text);
        code = CLI_EXIT_VIOLATION;
    } else if (rc < 0) {
        code = cli_fail(verb.name, &e);
    }
    (void)arena_free(a);
    return code;
}
