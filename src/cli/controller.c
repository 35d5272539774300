/* cli/controller.c - the verb `slicewright controller`: GPU sharing on a live cluster. */
#include "ctl/controller.h"
#include "base/civil.h"
#include "base/num.h"
#include "base/prng.h"
#include "cli/connect.h"
#include "cli/controller_web.h"
#include "cli/input.h"
#include "cli/verbs.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "os/loop.h"
#include "sim/prices.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METRICS_EXPORTERS, METRICS_PROXY, METRICS_NONE };
enum { PRICES_BYTES_MAX = 64 << 20, SMALL_FILE_MAX = 1 << 20, IDENTITY_MAX = 128 };

/* Where a pod finds the namespace that it runs in. */
#define NAMESPACE_FILE "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
#define STEP_BYTES_MAX ((size_t)1 << 30)

struct options {
    const char *kubeconfig, *context, *namespace, *policy, *policy_file, *prices, *metrics_every,
            *operator_namespace, *listen, *api, *record, *log_level, *decide_every, *propagation,
            *parts_timeout, *lease, *identity, *history;
    struct ctl_prometheus_options prometheus;
    uint64_t seed;
    uint32_t metrics;
    bool no_election;
};

static const char *const metrics_choices[] = {"exporters", "proxy", "none", NULL};
static const char *const level_choices[] = {"debug", "info", "warn", "error", "off", NULL};

#define TEXT(long_name, field, value, fallback, words)                                             \
    {                                                                                              \
        .name = long_name, .kind = CLI_OPTION_TEXT, CLI_AT(struct options, field),                 \
        .value_name = value, .default_text = fallback, .help = words                               \
    }
#define FILE_OPTION(long_name, field, words)                                                       \
    {                                                                                              \
        .name = long_name, .kind = CLI_OPTION_FILE, CLI_AT(struct options, field),                 \
        .value_name = "FILE", .help = words                                                        \
    }

static const struct cli_option options[] = {
        FILE_OPTION("kubeconfig", kubeconfig,
                "how to reach the cluster; else $KUBECONFIG, the pod's own\n"
                "service account, ~/.kube/config"),
        TEXT("context", context, "NAME", NULL, "which context of the kubeconfig"),
        TEXT("namespace", namespace, "NAME", NULL,
                "of the Lease; else the pod's own, else 'slicewright'"),
        TEXT("policy", policy, "NAME", NULL,
                "the SharingPolicy object that governs; else the only one"),
        {.name = "policy-file",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, policy_file),
                .value_name = "FILE",
                .choices = cli_policy_choices,
                .help = "a SharingPolicy file, or a preset, governs instead of objects"},
        FILE_OPTION("prices", prices, "prices by cloud, region, instance type (CSV)"),
        CLI_CONNECT_PROMETHEUS(struct options, prometheus,
                "where dcgm-exporter's metrics are kept; else its pods are asked"),
        TEXT("history", history, "DURATION", "1d",
                "how far back Prometheus is asked before anything is decided"),
        {.name = "metrics",
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, metrics),
                .value_name = "FROM",
                .default_text = "exporters",
                .choices = metrics_choices,
                .help = "readings without --prometheus; proxy asks the exporters through the\n"
                        "API server (deploy/controller-proxy.yaml); none: nothing is ever shared"},
        TEXT("metrics-every", metrics_every, "DURATION", "30s", "between rounds of readings"),
        TEXT("operator-namespace", operator_namespace, "NAME", NULL,
                "of NVIDIA's GPU Operator; else where its DaemonSets are"),
        TEXT("decide-every", decide_every, "DURATION", "5m", "between regular decisions"),
        TEXT("propagation", propagation, "DURATION", "150s",
                "how long kubelets take to mount a changed ConfigMap"),
        TEXT("parts-timeout", parts_timeout, "DURATION", NULL,
                "how long NVIDIA's parts may take over a step; else 10m to 20m"),
        {.name = "no-leader-election",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, no_election),
                .help = "act at once: only when no other controller can run"},
        TEXT("lease", lease, "DURATION", "15s", "how long a leader that went silent is waited for"),
        TEXT("identity", identity, "NAME", NULL, "in the Lease; else host name and a number"),
        TEXT("listen", listen, "ADDRESS", ":8080", "/metrics, /healthz, /readyz; '' = nowhere"),
        TEXT("api", api, "ADDRESS", "127.0.0.1:8081", "the JSON API; '' = nowhere"),
        FILE_OPTION("record", record, "write every step, for replay and explain (JSON lines)"),
        {.name = "seed",
                .letter = 's',
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seed),
                .value_name = "N",
                .default_text = "1",
                .max = UINT64_MAX,
                .help = "of the solver"},
        {.name = "log-level",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, log_level),
                .value_name = "LEVEL",
                .default_text = "info",
                .choices = level_choices,
                .help = "debug, info, warn, error, off"},
        {0},
};

/* One use of the verb. */
struct job {
    const struct options *o;
    struct arena *a;
    struct os_loop *loop;
    struct kube_config config;
    struct kube_client *client;
    struct net_http *http;
    struct web_server *pod_server, *api_server;
    struct cli_controller_view view;
    struct ctl_controller *controller;
    struct ctl_prometheus prometheus;
    struct os_signal terminate, interrupt;
    FILE *record;
    struct buf line;
    struct err record_err;
    struct ctl_controller_options how;
};

static int read_duration(
        const char *name, const char *text, int64_t min_ns, int64_t *ret_ns, struct err *reterr)
{
    int64_t ns = 0;
    if (civil_parse_duration(str_from(text), &ns, reterr) < 0 || ns < min_ns) {
        char least[64];
        return err_set(reterr, -EINVAL,
                "--%s: '%s': expected a duration of at least %s, such as 30s", name, text,
                civil_format_duration(min_ns, least));
    }
    *ret_ns = ns;
    return 0;
}

static int read_small(struct job *j, const char *path, struct str *ret_text, struct err *reterr)
{
    struct buf text = {0};
    if (os_file_read(path, SMALL_FILE_MAX, &text, reterr) < 0)
        return reterr->code;
    *ret_text = arena_str(j->a, str_trim(buf_str(&text)));
    buf_clear(&text);
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
    j->how.prices = book;
    return 0;
}

/* Who we are in the Lease: no two processes are the same. */
static const char *make_identity(struct job *j)
{
    char host[IDENTITY_MAX] = "";
    if (j->o->identity != NULL)
        return j->o->identity;
    if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
        (void)snprintf(host, sizeof host, "slicewright");
    uint64_t draw = prng_mix((uint64_t)os_clock_wall_ns(), (uint64_t)getpid());
    return arena_printf(j->a, "%s_%08x", host, (unsigned)(draw & UINT32_MAX));
}

static int load(struct job *j, struct err *reterr)
{
    const struct options *o = j->o;
    struct ctl_controller_options *h = &j->how;
    enum os_log_level level;
    struct str text = {0};
    struct err ignored = {0};
    if (os_log_level_parse(str_from(o->log_level), &level) < 0) {
        return err_set(reterr, -EINVAL,
                "--log-level: '%s': expected debug, info, warn, error or off", o->log_level);
    }
    os_log_set_level(level);
    if (o->policy != NULL && o->policy_file != NULL)
        return err_set(reterr, -EINVAL, "--policy-file excludes --policy");
    if (read_duration("metrics-every", o->metrics_every, NUM_NS_PER_SECOND, &h->metrics_every_ns,
                reterr) < 0 ||
            read_duration("decide-every", o->decide_every, NUM_NS_PER_SECOND, &h->decide_every_ns,
                    reterr) < 0 ||
            read_duration("propagation", o->propagation, NUM_NS_PER_SECOND, &h->propagation_ns,
                    reterr) < 0 ||
            (o->parts_timeout != NULL &&
                    read_duration("parts-timeout", o->parts_timeout, NUM_NS_PER_SECOND,
                            &h->parts_timeout_ns, reterr) < 0) ||
            read_duration("history", o->history, 0, &h->history_ns, reterr) < 0 ||
            read_duration("lease", o->lease, 3 * NUM_NS_PER_SECOND, &h->lease_ns, reterr) < 0)
        return reterr->code;
    if (o->policy_file != NULL &&
            cli_input_policy(j->a, o->policy_file, &h->fixed_policy, reterr) < 0)
        return reterr->code;
    if (load_prices(j, reterr) < 0)
        return reterr->code;
    if (cli_connect_prometheus(&o->prometheus, &j->prometheus, reterr) < 0)
        return reterr->code;
    h->namespace = o->namespace;
    if (h->namespace == NULL) {
        h->namespace =
                read_small(j, NAMESPACE_FILE, &text, &ignored) == 0 ? text.ptr : "slicewright";
    }
    h->identity = make_identity(j);
    h->policy = o->policy;
    h->operator_namespace = o->operator_namespace;
    h->price_default = sim_price_default;
    h->prometheus = o->prometheus.url != NULL ? &j->prometheus : NULL;
    h->metrics_by_proxy = o->metrics == METRICS_PROXY;
    h->no_metrics = h->prometheus == NULL && o->metrics == METRICS_NONE;
    h->no_election = o->no_election;
    h->seed = o->seed;
    return 0;
}

/* -- recording ----------------------------------------------------------------------------------
 */

static void write_line(struct job *j)
{
    bool ok = !j->line.overflow && fwrite(j->line.ptr, 1, j->line.len, j->record) == j->line.len &&
              fflush(j->record) == 0;
    if (ok)
        return;
    os_log_error("controller", "the recording ends here: it could not be written",
            OS_LOG_CSTR("file", j->o->record), OS_LOG_CSTR("why", strerror(errno)));
    (void)fclose(j->record);
    j->record = NULL;
}

static void on_step(void *user, const struct core_recording_step *step)
{
    struct job *j = user;
    if (j->record == NULL)
        return;
    buf_reset(&j->line);
    core_recording_step_write(step, &j->line);
    write_line(j);
}

static int begin_record(struct job *j, struct err *reterr)
{
    const char *name = j->o->policy_file != NULL ? j->o->policy_file
                       : j->o->policy != NULL    ? j->o->policy
                                                 : "objects";
    const struct core_recording_source source[] = {
            {STR_LIT("cluster"), j->config.context}, {STR_LIT("policy"), str_from(name)}};
    const struct core_recording_header header = {.seed = j->how.seed,
            .decide_every_ns = j->how.decide_every_ns,
            .propagation_ns = j->how.propagation_ns,
            .parts_timeout_ns = j->how.parts_timeout_ns,
            .source_count = 2,
            .source = source};
    j->line = BUF_INIT(STEP_BYTES_MAX);
    if (j->o->record == NULL)
        return 0;
    j->record = fopen(j->o->record, "we");
    if (j->record == NULL)
        return err_set(reterr, -errno, "%s: %s", j->o->record, strerror(errno));
    core_recording_header_write(&header, &j->line);
    write_line(j);
    j->how.on_step = on_step;
    j->how.user = j;
    return 0;
}

/* -- running ------------------------------------------------------------------------------------
 */

static void on_terminate(struct os_signal *s, int number)
{
    struct job *j = (struct job *)((char *)s - offsetof(struct job, terminate));
    os_log_info("controller", "ending", OS_LOG_I64("signal", number));
    ctl_controller_stop(j->controller);
}

static void on_interrupt(struct os_signal *s, int number)
{
    struct job *j = (struct job *)((char *)s - offsetof(struct job, interrupt));
    on_terminate(&j->terminate, number);
}

static int serve(struct job *j, const char *listen, const struct web_route *routes, uint32_t count,
        struct web_server **ret_server, struct err *reterr)
{
    const struct web_server_options o = {
            .listen = listen, .routes = routes, .route_count = count, .user = &j->view};
    if (listen == NULL || listen[0] == '\0')
        return 0;
    if (web_server_start(j->loop, &o, ret_server, reterr) < 0)
        return reterr->code;
    os_log_info("controller", "serving", OS_LOG_CSTR("address", listen),
            OS_LOG_U64("port", web_server_port(*ret_server)));
    return 0;
}

static int control(struct job *j, struct err *reterr)
{
    const struct cli_connect_options how = {
            j->o->kubeconfig, j->o->context, "slicewright-controller"};
    if (load(j, reterr) < 0 || os_loop_new(&j->loop, reterr) < 0 ||
            net_http_new(j->loop, &j->http, reterr) < 0 ||
            cli_connect(j->a, j->loop, &how, &j->config, &j->client, reterr) < 0 ||
            begin_record(j, reterr) < 0)
        return reterr->code;
    (void)signal(SIGPIPE, SIG_IGN);
    j->view.client = j->client;
    j->how.client = j->client;
    j->how.http = j->http;
    if (serve(j, j->o->listen, cli_controller_pod_routes, cli_controller_pod_route_count,
                &j->pod_server, reterr) < 0 ||
            serve(j, j->o->api, cli_controller_api_routes, cli_controller_api_route_count,
                    &j->api_server, reterr) < 0)
        return reterr->code;
    if (ctl_controller_start(&j->how, &j->controller, reterr) < 0)
        return reterr->code;
    j->view.controller = j->controller;
    j->terminate.fire = on_terminate;
    j->interrupt.fire = on_interrupt;
    if (os_loop_signal_set(j->loop, &j->terminate, SIGTERM, reterr) < 0 ||
            os_loop_signal_set(j->loop, &j->interrupt, SIGINT, reterr) < 0)
        return reterr->code;
    return ctl_controller_run(j->controller, reterr);
}

static int run(const struct cli_call *call, struct err *reterr)
{
    struct job j = {.o = call->options, .a = arena_new((size_t)1 << 30)};
    int rc = control(&j, reterr);
    if (j.terminate.number != 0)
        os_loop_signal_clear(j.loop, &j.terminate);
    if (j.interrupt.number != 0)
        os_loop_signal_clear(j.loop, &j.interrupt);
    j.view.controller = NULL;
    web_server_stop(j.pod_server);
    web_server_stop(j.api_server);
    ctl_controller_free(j.controller);
    kube_client_free(j.client);
    net_http_free(j.http);
    ctl_prometheus_clear(&j.prometheus);
    os_loop_free(j.loop);
    if (j.record != NULL)
        (void)fclose(j.record);
    buf_clear(&j.line);
    (void)arena_free(j.a);
    return rc;
}

const struct cli_verb cli_verb_controller = {
        .name = "controller",
        .brief = "share a cluster's GPUs, live",
        .summary =
                "Watches a Kubernetes cluster, decides how its GPUs are shared, and carries that "
                "out as far\nas its SharingPolicy allows: observe, recommend or apply.",
        .details = "Nothing is written before a SharingPolicy says apply, or a person approved a "
                   "SharingPlan.\nWhat must survive it is kept in the cluster: it can be killed at "
                   "any moment and started\nelsewhere.  docs/CONTROLLER.md: from observe to apply "
                   "in a week, permissions, undoing all.",
        .examples = "  slicewright controller --policy-file balanced --no-leader-election\n"
                    "  slicewright controller --prometheus http://prometheus.monitoring:9090\n"
                    "  curl -s localhost:8081/api/v1/status\n",
        .options = options,
        .options_size = sizeof(struct options),
        .run = run,
};
