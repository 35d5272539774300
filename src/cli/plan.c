/* cli/plan.c - the verb `slicewright plan`: what a cluster could save, read only. */
#include "report/plan.h"
#include "base/civil.h"
#include "base/num.h"
#include "cli/connect.h"
#include "cli/input.h"
#include "cli/plan_make.h"
#include "cli/verbs.h"
#include "ctl/fetch.h"
#include "ctl/observe.h"
#include "ctl/readings.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/progress.h"
#include "report/html.h"
#include "sim/prices.h"
#include "sim/trace_facts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_PATCHES };
enum { METRICS_AUTO, METRICS_EXPORTERS, METRICS_PROXY, METRICS_NONE };
enum { PRICES_BYTES_MAX = 64 << 20, TEXT_BYTES_MAX = 256 << 20 };

#define OBJECTS_BYTES_MAX   ((size_t)4 << 30)
#define RECORDING_BYTES_MAX ((size_t)4 << 30)

struct options {
    const char *kubeconfig, *context, *file, *policy, *prices, *history, *step, *watch, *record,
            *report, *operator_namespace, *timeout;
    struct ctl_prometheus_options prometheus;
    uint64_t top;
    uint32_t output, metrics;
    bool quiet, no_again;
};

static const char *const output_choices[] = {"table", "json", "yaml", "patches", NULL};
static const char *const metrics_choices[] = {"auto", "exporters", "proxy", "none", NULL};

#define TEXT(long_name, field, value, fallback, words)                                             \
    {                                                                                              \
        .name = long_name, .kind = CLI_OPTION_TEXT, CLI_AT(struct options, field),                 \
        .value_name = value, .default_text = fallback, .help = words                               \
    }
#define FILE_OPTION(long_name, short_name, field, words)                                           \
    {                                                                                              \
        .name = long_name, .letter = short_name, .kind = CLI_OPTION_FILE,                          \
        CLI_AT(struct options, field), .value_name = "FILE", .help = words                         \
    }

static const struct cli_option options[] = {
        FILE_OPTION("kubeconfig", 0, kubeconfig,
                "how to reach the cluster; else $KUBECONFIG, the pod's own\n"
                "service account, ~/.kube/config"),
        TEXT("context", context, "NAME", NULL, "which context of the kubeconfig"),
        FILE_OPTION("file", 'f', file,
                "read objects from a file instead, as 'kubectl get -o json'\n"
                "prints them; - is standard input"),
        {.name = "policy",
                .letter = 'p',
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, policy),
                .value_name = "FILE",
                .default_text = "balanced",
                .choices = cli_policy_choices,
                .help = "a SharingPolicy file, or a preset; its modes are not looked\n"
                        "at: a plan is what it would do if it were applied"},
        FILE_OPTION("prices", 0, prices, "prices by cloud, region, instance type (CSV)"),
        CLI_CONNECT_PROMETHEUS(struct options, prometheus,
                "where dcgm-exporter's metrics are kept: history makes savings\n"
                "proven"),
        TEXT("history", history, "DURATION", "7d", "how far back Prometheus is asked"),
        TEXT("step", step, "DURATION", "5m", "between readings of Prometheus"),
        {.name = "metrics",
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, metrics),
                .value_name = "FROM",
                .default_text = "auto",
                .choices = metrics_choices,
                .help = "readings beside Prometheus: exporters asks the pods of\n"
                        "dcgm-exporter on port 9400, proxy asks them through the API\n"
                        "server; auto does the first inside a cluster"},
        TEXT("watch", watch, "DURATION", NULL,
                "gather readings from exporters for so long before planning"),
        TEXT("operator-namespace", operator_namespace, "NAME", NULL,
                "of NVIDIA's GPU Operator; else where its DaemonSets are"),
        TEXT("timeout", timeout, "DURATION", "2m", "for reading the cluster"),
        FILE_OPTION("record", 0, record, "write what was seen, for replay, explain and simulate"),
        FILE_OPTION("report", 0, report,
                "write the recorded time, run again under the policy, as a\n"
                "self-contained HTML page"),
        {.name = "no-rerun",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, no_again),
                .help = "do not run the recorded time again"},
        {.name = "top",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, top),
                .value_name = "N",
                .default_text = "20",
                .min = 1,
                .max = 1000000,
                .help = "how many rows of each table are printed"},
        {.name = "output",
                .letter = 'o',
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, output),
                .value_name = "FORMAT",
                .default_text = "table",
                .choices = output_choices,
                .help = "what is printed; patches: a script of kubectl lines"},
        {.name = "quiet",
                .letter = 'q',
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, quiet),
                .help = "no progress on standard error"},
        {0},
};

/* One use of the verb. */
struct job {
    const struct options *o;
    struct arena *a;
    const struct policy *policy; /* as it would be applied */
    const struct model_price_book *prices;
    int64_t history_ns, step_ns, watch_ns, timeout_ns;
    struct ctl_snapshot *snapshot;
    struct ctl_world world;
    bool world_built;
    struct ctl_prometheus prometheus;
    struct ctl_history *history;
    struct os_loop *loop;
    struct kube_client *client;
    struct net_http *http;
    struct kube_config config;
    bool in_cluster;
    struct str cluster;
    int64_t wall_ns;
    struct ctl_fetch_result fetched;
    struct sim_trace_facts *trace;
    struct err trace_err;
    struct buf tape;
    struct os_progress progress;
    char label[64];
    struct report_result *again;
};

/* -- options ------------------------------------------------------------------------------------
 */

static int read_duration(
        const char *name, const char *text, int64_t min_ns, int64_t *ret_ns, struct err *reterr)
{
    int64_t ns = 0;
    if (civil_parse_duration(str_from(text), &ns, reterr) < 0 || ns < min_ns) {
        char least[64];
        return err_set(reterr, -EINVAL,
                "--%s: '%s': expected a duration of at least %s, such as 6h", name, text,
                civil_format_duration(min_ns, least));
    }
    *ret_ns = ns;
    return 0;
}

/* What the policy would do if it were applied: modes and suspend say when, not what. */
static int load_policy(struct job *j, struct err *reterr)
{
    const struct policy *named = NULL;
    if (cli_input_policy(j->a, j->o->policy, &named, reterr) < 0)
        return reterr->code;
    struct policy *p = ARENA_NEW(j->a, struct policy);
    *p = *named;
    p->suspend = false;
    for (unsigned t = 0; t < MODEL_TECHNIQUE_COUNT; t++)
        p->mode[t] = POLICY_MODE_APPLY;
    j->policy = p;
    return 0;
}

static int load_prices(struct job *j, struct err *reterr)
{
    struct buf text = {0};
    if (j->o->prices == NULL)
        return 0;
    if (os_file_read(j->o->prices, PRICES_BYTES_MAX, &text, reterr) < 0)
        return reterr->code;
    struct model_price_book *book = ARENA_NEW(j->a, struct model_price_book);
    int rc = model_price_book_parse(j->a, buf_str(&text), book, reterr);
    buf_clear(&text);
    if (rc < 0)
        return err_wrap(reterr, "%s", j->o->prices);
    j->prices = book;
    return 0;
}

static int load(struct job *j, struct err *reterr)
{
    const struct options *o = j->o;
    if (o->file != NULL && (o->kubeconfig != NULL || o->context != NULL))
        return err_set(reterr, -EINVAL, "--file excludes --kubeconfig and --context");
    bool exporters = o->metrics == METRICS_EXPORTERS || o->metrics == METRICS_PROXY;
    if (o->file != NULL && (o->watch != NULL || exporters))
        return err_set(reterr, -EINVAL, "--file has no exporters to ask: --prometheus does");
    if (read_duration("history", o->history, NUM_NS_PER_HOUR, &j->history_ns, reterr) < 0 ||
            read_duration("step", o->step, 15 * NUM_NS_PER_SECOND, &j->step_ns, reterr) < 0 ||
            read_duration("timeout", o->timeout, NUM_NS_PER_SECOND, &j->timeout_ns, reterr) < 0 ||
            (o->watch != NULL && read_duration("watch", o->watch, 30 * NUM_NS_PER_SECOND,
                                         &j->watch_ns, reterr) < 0))
        return reterr->code;
    if (j->history_ns < j->step_ns)
        return err_set(reterr, -EINVAL, "--history is shorter than --step");
    if (load_policy(j, reterr) < 0)
        return reterr->code;
    assert(j->policy != NULL);
    if (cli_connect_prometheus(&o->prometheus, &j->prometheus, reterr) < 0)
        return reterr->code;
    if (o->prometheus.url != NULL && j->step_ns > j->policy->stale_after_ns) {
        char most[64];
        return err_set(reterr, -EINVAL,
                "--step: '%s': the policy takes readings older than %s for stale", o->step,
                civil_format_duration(j->policy->stale_after_ns, most));
    }
    return load_prices(j, reterr);
}

/* -- progress -----------------------------------------------------------------------------------
 */

static void label(struct job *j, const char *what)
{
    os_progress_end(&j->progress);
    (void)snprintf(j->label, sizeof j->label, "%s", what);
    os_progress_init(&j->progress, j->label, getenv("NO_COLOR") == NULL);
}

static void on_progress(void *user, uint32_t permille)
{
    struct job *j = user;
    if (!j->o->quiet)
        os_progress_update(&j->progress, permille, 1000);
}

static void on_sim_progress(void *user, const char *run, uint32_t permille)
{
    (void)run;
    on_progress(user, permille);
}

/* -- reading the cluster ------------------------------------------------------------------------
 */

static int read_file(struct job *j, struct err *reterr)
{
    struct buf text = {0};
    uint32_t ignored = 0;
    if (os_file_read(j->o->file, OBJECTS_BYTES_MAX, &text, reterr) < 0)
        return reterr->code;
    int rc = ctl_snapshot_read(j->snapshot, buf_str(&text), &ignored, reterr);
    buf_clear(&text);
    if (rc < 0)
        return err_wrap(reterr, "%s", j->o->file);
    /* A file says nothing of what was not asked for when it was written. */
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        j->fetched.seen[k] = j->snapshot->taken[k] > 0 || ctl_kind_info(k)->optional;
    j->cluster = str_from(j->o->file);
    return 0;
}

static int connect(struct job *j, struct err *reterr)
{
    const struct cli_connect_options how = {j->o->kubeconfig, j->o->context, "slicewright-plan"};
    if (cli_connect(j->a, j->loop, &how, &j->config, &j->client, reterr) < 0)
        return reterr->code;
    j->in_cluster = str_eq_c(j->config.context, "in-cluster");
    j->cluster = j->config.context;
    return 0;
}

static int read_live(struct job *j, struct err *reterr)
{
    if (connect(j, reterr) < 0)
        return reterr->code;
    label(j, "reading the cluster");
    const struct ctl_fetch_options fetch = {.operator_namespace = j->o->operator_namespace,
            .timeout_ns = j->timeout_ns,
            .on_progress = on_progress,
            .user = j};
    int rc = ctl_fetch(j->client, j->snapshot, &fetch, &j->fetched, reterr);
    os_progress_end(&j->progress);
    return rc;
}

static int read_cluster(struct job *j, struct err *reterr)
{
    j->snapshot = ctl_snapshot_new();
    int rc = j->o->file != NULL ? read_file(j, reterr) : read_live(j, reterr);
    if (rc < 0)
        return rc;
    j->wall_ns = os_clock_wall_ns();
    struct ctl_world_options world = {.policy = j->policy,
            .prices = j->prices,
            .price_default = sim_price_default,
            .wall_ns = j->wall_ns};
    memcpy(world.seen, j->fetched.seen, sizeof world.seen);
    memcpy(world.why, j->fetched.why, sizeof world.why);
    if (ctl_world_build(j->a, j->snapshot, &world, &j->world, reterr) < 0)
        return reterr->code;
    j->world_built = true;
    return 0;
}

/* -- readings -----------------------------------------------------------------------------------
 */

static void unread(struct job *j, const char *subject, const struct ctl_readings_result *r)
{
    if (r->answered == r->asked && r->asked > 0)
        return;
    ctl_world_find(&j->world, CTL_FINDING_UNSEEN, subject,
            r->asked == 0 ? "nothing to ask"
                          : arena_printf(j->a, "%u of %u did not answer: %s",
                                    r->asked - r->answered, r->asked, r->why),
            "GPUs without readings are never proposed to be shared");
}

/* Answers that the server itself says may be incomplete. */
static void partly_read(struct job *j, const struct ctl_readings_result *r)
{
    if (r->warned == 0)
        return;
    ctl_world_find(&j->world, CTL_FINDING_UNSEEN, "Prometheus",
            arena_printf(j->a, "%u of %u answers came with a warning: %s", r->warned, r->answered,
                    r->warning),
            "they may be incomplete: a peak may be missing");
}

static int ask_prometheus(struct job *j, struct err *reterr)
{
    struct ctl_readings_result result;
    label(j, "asking Prometheus");
    const struct ctl_readings_options range = {.prometheus = &j->prometheus,
            .end_wall_ns = j->wall_ns,
            .span_ns = j->history_ns,
            .step_ns = j->step_ns,
            .on_progress = on_progress,
            .user = j};
    int rc = ctl_readings_range(j->http, j->history, &range, &result, reterr);
    os_progress_end(&j->progress);
    if (rc == 0) {
        unread(j, "Prometheus", &result);
        partly_read(j, &result);
    }
    return rc;
}

/* Rounds over the exporters: one, or for as long as --watch says, each half minute. */
static int ask_exporters(struct job *j, struct err *reterr)
{
    struct ctl_readings_result result = {0};
    int64_t begin_ns = os_clock_mono_ns(), period_ns = 30 * NUM_NS_PER_SECOND;
    label(j, "gathering readings");
    for (int64_t at_ns = 0; at_ns <= j->watch_ns; at_ns += period_ns) {
        while (os_clock_mono_ns() < begin_ns + at_ns) {
            int64_t left_ns = begin_ns + at_ns - os_clock_mono_ns();
            if (os_loop_turn(j->loop, num_max_i64(left_ns, 0), reterr) < 0)
                return reterr->code;
        }
        int rc = j->o->metrics == METRICS_PROXY
                         ? ctl_readings_proxy(j->client, j->history, &result, reterr)
                         : ctl_readings_scrape(j->http, j->history, &result, reterr);
        if (rc < 0)
            return rc;
        if (j->watch_ns > 0)
            on_progress(j, (uint32_t)(at_ns * 1000 / j->watch_ns));
        j->wall_ns = os_clock_wall_ns();
    }
    os_progress_end(&j->progress);
    unread(j, "dcgm-exporter", &result);
    return 0;
}

static void note_unjoined(struct job *j)
{
    const struct ctl_history_skips *s = &j->history->skipped;
    unsigned long long lost = s->no_node + s->no_gpu + s->instance;
    if (lost > 0) {
        ctl_world_find(&j->world, CTL_FINDING_UNSEEN, "metrics",
                arena_printf(j->a,
                        "%llu of %llu series could not be joined (%llu of hosts that are no node "
                        "with GPUs, %llu of GPUs that a node has not, %llu of MIG instances of "
                        "unknown profiles)",
                        lost, (unsigned long long)j->history->series,
                        (unsigned long long)s->no_node, (unsigned long long)s->no_gpu,
                        (unsigned long long)s->instance),
                "what they say is not used");
    }
    if (s->no_layout > 0) {
        ctl_world_find(&j->world, CTL_FINDING_UNSEEN, "metrics",
                arena_printf(j->a,
                        "%llu readings of MIG instances that cannot be on a GPU together: its "
                        "layout changed within a step",
                        (unsigned long long)s->no_layout),
                "they are not used");
    }
}

static int read_metrics(struct job *j, struct err *reterr)
{
    bool exporters = j->o->metrics == METRICS_EXPORTERS || j->o->metrics == METRICS_PROXY ||
                     j->watch_ns > 0 || (j->o->metrics == METRICS_AUTO && j->in_cluster);
    j->history = ctl_history_new(&j->world);
    if (j->o->prometheus.url != NULL && ask_prometheus(j, reterr) < 0)
        return reterr->code;
    if (exporters && ask_exporters(j, reterr) < 0)
        return reterr->code;
    if (j->o->prometheus.url == NULL && !exporters) {
        ctl_world_find(&j->world, CTL_FINDING_UNSEEN, "metrics", "nobody was asked for readings",
                "no saving is proven: name --prometheus URL, or gather with --watch 30m");
    }
    ctl_history_finish(j->history);
    note_unjoined(j);
    return 0;
}

/* -- deciding -----------------------------------------------------------------------------------
 */

static void on_step(void *user, const struct core_recording_step *step)
{
    struct job *j = user;
    if (j->o->record != NULL)
        core_recording_step_write(step, &j->tape);
    if (j->trace != NULL && j->trace_err.code == 0) {
        (void)sim_trace_facts_take(
                j->trace, &step->now, step->facts, step->fact_count, &j->trace_err);
    }
}

/* A check of the core that fails on what others did: nothing of it is ours, but users should know.
 * Nodes that are booked twice were found before, each by name. */
static void note_violation(struct job *j, const struct ctl_observation *o)
{
    if (o->violation == NULL ||
            strcmp(o->violation, core_reason_name(CORE_REASON_CHECK_DOUBLE_OFFER)) == 0)
        return;
    uint32_t node = map_u64_find(&j->world.node_by_uid, o->violation_uid);
    const char *subject = node == MAP_NONE ? "cluster"
                                           : arena_printf(j->a, "node %.*s",
                                                     STR_ARG(j->world.nodes[node].node.name));
    ctl_world_find(&j->world, CTL_FINDING_WARNING, subject, o->violation,
            "a check that never fails where one controller is at work: somebody else changed it");
}

static int observe(struct job *j, struct ctl_observation *ret_observation, struct err *reterr)
{
    const struct core_recording_source source[] = {
            {STR_LIT("cluster"), j->cluster}, {STR_LIT("policy"), j->policy->name}};
    const struct core_recording_header header = {.seed = 1, .source_count = 2, .source = source};
    const struct ctl_observe_options o = {.world = &j->world,
            .history = j->history,
            .policy = j->policy,
            .seed = 1,
            .wall_ns = j->wall_ns,
            .on_step = on_step,
            .on_progress = on_progress,
            .user = j};
    j->tape = BUF_INIT(RECORDING_BYTES_MAX);
    if (j->o->record != NULL)
        core_recording_header_write(&header, &j->tape);
    if (j->history->count > 0 && !j->o->no_again)
        j->trace = sim_trace_facts_new();
    label(j, "deciding");
    ctl_observe(j->a, &o, ret_observation);
    os_progress_end(&j->progress);
    note_violation(j, ret_observation);
    if (j->o->record == NULL)
        return 0;
    size_t len = strlen(j->o->record);
    bool plain = (len > 5 && strcmp(j->o->record + len - 5, ".json") == 0) ||
                 (len > 6 && strcmp(j->o->record + len - 6, ".jsonl") == 0);
    if (j->tape.overflow)
        return err_set(reterr, -E2BIG, "%s: the recording would pass 4 GiB", j->o->record);
    return os_file_write(
            j->o->record, buf_str(&j->tape), plain ? OS_FILE_PLAIN : OS_FILE_GZIP, reterr);
}

/* The time that was recorded, under the policy from its start.  Nothing of it is needed for the
 * plan itself: what stops it is a note. */
static int run_again(struct job *j, struct err *reterr)
{
    const struct sim_scenario *scenario = NULL;
    struct sim_trace_facts_counts counts;
    struct err e = j->trace_err;
    if (j->trace == NULL)
        return 0;
    if (e.code == 0)
        (void)sim_trace_facts_finish(j->trace, j->a, &scenario, &counts, &e);
    if (e.code == 0 && scenario->duration_ns < NUM_NS_PER_HOUR)
        return 0; /* too little to say anything */
    struct sim_config config = {.scenario = scenario,
            .policy = j->policy,
            .prices = j->prices,
            .seed = 1,
            .context = j,
            .progress = on_sim_progress};
    j->again = ARENA_NEW(j->a, struct report_result);
    if (e.code == 0) {
        label(j, "running the history again");
        (void)sim_run(&config, j->a, j->again, &e);
        os_progress_end(&j->progress);
    }
    if (e.code == 0)
        return 0;
    j->again = NULL;
    if (j->o->report != NULL)
        return err_set(reterr, e.code, "--report: %s", e.text);
    ctl_world_find(&j->world, CTL_FINDING_UNSEEN, "history",
            arena_printf(j->a, "it could not be run again: %s", e.text),
            "the harm is not forecast");
    return 0;
}

/* -- showing ------------------------------------------------------------------------------------
 */

static int write_page(const struct job *j, struct err *reterr)
{
    if (j->o->report == NULL)
        return 0;
    if (j->again == NULL)
        return err_set(reterr, -EINVAL, "--report: there is less than an hour of history to show");
    struct buf page = BUF_INIT(TEXT_BYTES_MAX);
    report_html_write(j->again, &page);
    int rc = os_file_write(j->o->report, buf_str(&page), OS_FILE_PLAIN, reterr);
    buf_clear(&page);
    return rc;
}

static int show(struct job *j, const struct report_plan *plan, struct err *reterr)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    switch (j->o->output) {
    case OUTPUT_JSON:
        report_plan_json(plan, &text);
        break;
    case OUTPUT_YAML:
        report_plan_yaml(plan, &text);
        break;
    case OUTPUT_PATCHES:
        report_plan_patches(plan, &text);
        break;
    default:
        report_plan_table(plan, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL,
                (uint32_t)j->o->top, &text);
        break;
    }
    int rc = write_page(j, reterr);
    if (rc == 0)
        rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static int plan(struct job *j, struct err *reterr)
{
    struct ctl_observation observation;
    struct report_plan shown;
    int64_t begin_ns = os_clock_mono_ns();
    if (load(j, reterr) < 0 || os_loop_new(&j->loop, reterr) < 0 ||
            net_http_new(j->loop, &j->http, reterr) < 0)
        return reterr->code;
    if (read_cluster(j, reterr) < 0 || read_metrics(j, reterr) < 0 ||
            observe(j, &observation, reterr) < 0 || run_again(j, reterr) < 0)
        return reterr->code;
    const struct cli_plan_input in = {.world = &j->world,
            .history = j->history,
            .observation = &observation,
            .policy = j->policy,
            .again = j->again,
            .cluster = j->cluster,
            .wall_ns = j->wall_ns};
    cli_plan_make(j->a, &in, &shown);
    shown.took_ns = os_clock_mono_ns() - begin_ns;
    return show(j, &shown, reterr);
}

static int run(const struct cli_call *call, struct err *reterr)
{
    struct job j = {
            .o = call->options, .a = arena_new((size_t)8 << 30), .wall_ns = os_clock_wall_ns()};
    int rc = plan(&j, reterr);
    os_progress_end(&j.progress);
    (void)sim_trace_facts_free(j.trace);
    (void)ctl_history_free(j.history);
    if (j.world_built)
        ctl_world_clear(&j.world);
    (void)ctl_snapshot_free(j.snapshot);
    kube_client_free(j.client);
    net_http_free(j.http);
    ctl_prometheus_clear(&j.prometheus);
    os_loop_free(j.loop);
    buf_clear(&j.tape);
    (void)arena_free(j.a);
    return rc;
}

const struct cli_verb cli_verb_plan = {
        .name = "plan",
        .brief = "what a cluster could save, read only",
        .summary = "Reads a Kubernetes cluster, changes nothing, and says what sharing its GPUs "
                   "would save:\nthe largest saving first, each with its risk and the exact patch.",
        .details =
                "With --prometheus the recorded time is run again under the policy: GPUs, cost "
                "and harm\nas they would have been. Without history every saving is unproven and "
                "no patch is called\nsafe. What the account may not read is said, with what that "
                "costs in certainty.",
        .examples =
                "  slicewright plan\n"
                "  slicewright plan --prometheus http://localhost:9090 --report plan.html\n"
                "  slicewright plan --prometheus http://localhost:9090 -o patches > apply.sh\n"
                "  kubectl get nodes,pods,deploy,sts,rs,ds,jobs,cronjobs,pdb,quota -A -o json |\n"
                "    slicewright plan -f -\n",
        .options = options,
        .options_size = sizeof(struct options),
        .run = run,
};
