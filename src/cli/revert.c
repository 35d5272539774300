/* cli/revert.c - the verb `slicewright revert`: nodes back to what they were before Slicewright. */
#include "ctl/revert.h"
#include "base/civil.h"
#include "base/json.h"
#include "base/num.h"
#include "cli/connect.h"
#include "cli/verbs.h"
#include "ctl/fetch.h"
#include "ctl/names.h"
#include "os/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64 << 20, POLICIES_BYTES_MAX = 8 << 20 };

#define POLICIES_PATH "/apis/sharing.slicewright.io/v1alpha1/sharingpolicies"

struct options {
    const char *kubeconfig, *context, *operator_namespace, *timeout;
    uint32_t output;
    bool all, dry_run, force;
};

static const struct cli_option options[] = {
        {.name = "all",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, all),
                .help = "every node that carries our mark"},
        {.name = "dry-run",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, dry_run),
                .help = "show what would be done"},
        {.name = "force",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, force),
                .help = "although a SharingPolicy is not suspended: a controller may\n"
                        "share the nodes again"},
        {.name = "timeout",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, timeout),
                .value_name = "DURATION",
                .default_text = "15m",
                .help = "for emptying a node, and for its coming back, each"},
        {.name = "kubeconfig",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, kubeconfig),
                .value_name = "FILE",
                .help = "how to reach the cluster; else $KUBECONFIG, the pod's own\n"
                        "service account, ~/.kube/config"},
        {.name = "context",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, context),
                .value_name = "NAME",
                .help = "which context of the kubeconfig"},
        {.name = "operator-namespace",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, operator_namespace),
                .value_name = "NAME",
                .help = "of NVIDIA's GPU Operator; else where its DaemonSets are"},
        CLI_OPTION_OUTPUT(struct options, output),
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "NODE", .help = "which nodes", .optional = true, .repeated = true},
        {0},
};

/* One use of the verb. */
struct job {
    const struct cli_call *call;
    const struct options *o;
    struct arena *a;
    struct os_loop *loop;
    struct kube_config config;
    struct kube_client *client;
    struct ctl_snapshot *snapshot;
    const struct ctl_revert_node *nodes;
    uint32_t node_count;
    int64_t timeout_ns;
    bool answered;
    struct kube_answer answer;
    const char *governs; /* a SharingPolicy that is not suspended; NULL = none */
};

static bool is_wanted(const struct job *j, const struct ctl_revert_node *n)
{
    for (unsigned i = 0; i < j->call->argument_count; i++) {
        if (str_eq_c(n->node->name, j->call->arguments[i]))
            return true;
    }
    return j->o->all;
}

static int check(struct job *j, struct err *reterr)
{
    for (unsigned i = 0; i < j->call->argument_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < j->node_count && !found; k++)
            found = str_eq_c(j->nodes[k].node->name, j->call->arguments[i]);
        if (!found) {
            return err_set(reterr, -EINVAL, "node '%s' does not exist, or carries no mark of ours",
                    j->call->arguments[i]);
        }
    }
    if (!j->o->dry_run && !j->o->all && j->call->argument_count == 0)
        return err_set(reterr, -EINVAL, "name nodes, or --all; --dry-run shows which there are");
    if (j->o->all && j->call->argument_count > 0)
        return err_set(reterr, -EINVAL, "--all excludes names of nodes");
    if (!j->o->dry_run && !j->o->force && j->governs != NULL) {
        return err_set(reterr, -EBUSY,
                "SharingPolicy '%s' is not suspended: a controller would share the nodes again; "
                "kubectl patch sharingpolicy %s --type merge -p '{\"spec\":{\"suspend\":true}}', "
                "or "
                "--force",
                j->governs, j->governs);
    }
    return 0;
}

/* -- what there is ------------------------------------------------------------------------------
 */

static void on_answer(void *user, const struct kube_answer *answer)
{
    struct job *j = user;
    j->answered = true;
    j->answer = *answer;
    j->answer.body = arena_str(j->a, answer->body);
}

/* The first policy that is not suspended.  Without the CRD there is none. */
static int find_policy(struct job *j, struct err *reterr)
{
    struct kube_request *request;
    struct kube_value list;
    const struct kube_request_spec spec = {.method = "GET",
            .path = POLICIES_PATH,
            .body_bytes_max = POLICIES_BYTES_MAX,
            .retry_max = 3,
            .done = on_answer,
            .user = j};
    if (kube_client_start(j->client, &spec, &request, reterr) < 0)
        return reterr->code;
    while (!j->answered) {
        int rc = os_loop_turn(j->loop, -1, reterr);
        if (rc < 0)
            return rc;
    }
    if (j->answer.outcome != KUBE_DONE)
        return 0;
    if (kube_value_parse(j->a, j->answer.body, &list, reterr) < 0)
        return reterr->code;
    KUBE_FOREACH(it, kube_value_get(list, "items"))
    {
        if (!kube_value_bool(kube_value_at(it.value, "spec.suspend"), false)) {
            j->governs =
                    arena_str(j->a, kube_value_str(kube_value_at(it.value, "metadata.name"))).ptr;
        }
    }
    return 0;
}

static int look(struct job *j, struct err *reterr)
{
    const struct cli_connect_options how = {j->o->kubeconfig, j->o->context, "slicewright-revert"};
    const struct ctl_fetch_options fetch = {.operator_namespace = j->o->operator_namespace};
    struct ctl_fetch_result fetched;
    if (civil_parse_duration(str_from(j->o->timeout), &j->timeout_ns, reterr) < 0 ||
            j->timeout_ns < NUM_NS_PER_SECOND) {
        return err_set(
                reterr, -EINVAL, "--timeout: '%s': expected a duration such as 15m", j->o->timeout);
    }
    if (os_loop_new(&j->loop, reterr) < 0 ||
            cli_connect(j->a, j->loop, &how, &j->config, &j->client, reterr) < 0)
        return reterr->code;
    j->snapshot = ctl_snapshot_new();
    if (ctl_fetch(j->client, j->snapshot, &fetch, &fetched, reterr) < 0 ||
            find_policy(j, reterr) < 0)
        return reterr->code;
    j->node_count = ctl_revert_find(j->a, j->snapshot, &j->nodes);
    return 0;
}

/* -- showing ------------------------------------------------------------------------------------
 */

static void change_text(struct buf *out, const char *label, struct str from, struct str to)
{
    if (str_eq(from, to))
        return;
    buf_printf(out, "  %s: %.*s -> %.*s\n", label, STR_ARG(from.len > 0 ? from : STR_LIT("(none)")),
            STR_ARG(to.len > 0 ? to : STR_LIT("(none)")));
}

static void node_text(const struct ctl_revert_node *n, struct buf *out)
{
    const struct ctl_labels *l = &n->node->labels;
    buf_printf(out, "node %.*s%s\n", STR_ARG(n->node->name),
            n->original_known ? "" : " (its originals are not known: our labels go)");
    change_text(out, CTL_LABEL_PLUGIN_CONFIG, ctl_labels_get(l, CTL_LABEL_PLUGIN_CONFIG),
            n->plugin_config);
    change_text(out, CTL_LABEL_MIG_CONFIG, ctl_labels_get(l, CTL_LABEL_MIG_CONFIG), n->mig_config);
    change_text(out, CTL_LABEL_POOL, ctl_labels_get(l, CTL_LABEL_POOL), n->pool);
    if (n->tainted)
        buf_puts(out, "  its taints of sharing.slicewright.io go\n");
    if (n->drains) {
        buf_printf(out, "  is closed and emptied first: %u pod%s with GPUs\n", n->pods,
                n->pods == 1 ? "" : "s");
    }
    if (n->ours_cordon)
        buf_puts(out, "  is opened: its cordon is ours\n");
}

static void node_json(const struct ctl_revert_node *n, struct json_writer *w)
{
    jw_object(w);
    jw_kv_str(w, "node", n->node->name);
    jw_kv_bool(w, "originals_known", n->original_known);
    jw_kv_str(w, "plugin_config", n->plugin_config);
    jw_kv_str(w, "mig_config", n->mig_config);
    jw_kv_str(w, "pool", n->pool);
    jw_kv_bool(w, "drains", n->drains);
    jw_kv_bool(w, "tainted", n->tainted);
    jw_kv_u64(w, "pods", n->pods);
    jw_object_end(w);
}

/* Owners that were pointed at shared resources: only they can point back. */
static void owner_text(const struct ctl_workload *w, struct buf *out)
{
    buf_printf(out,
            "%s %.*s/%.*s asked for %.*s whole GPU(s) before it was pointed at %.*s: set its "
            "template back\n",
            ctl_kind_info(w->kind)->kind, STR_ARG(w->namespace), STR_ARG(w->name),
            STR_ARG(ctl_labels_get(&w->annotations, CTL_KEY_REQUEST)),
            STR_ARG(w->spec.gpu_resource));
}

static void show(const struct job *j, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 2);
    if (j->o->output == CLI_OUTPUT_JSON) {
        jw_object(&w);
        jw_key(&w, "nodes");
        jw_array(&w);
    }
    for (uint32_t i = 0; i < j->node_count; i++) {
        if (!is_wanted(j, &j->nodes[i]) && !j->o->dry_run)
            continue;
        if (j->o->output == CLI_OUTPUT_JSON) {
            node_json(&j->nodes[i], &w);
        } else {
            node_text(&j->nodes[i], out);
        }
    }
    if (j->o->output == CLI_OUTPUT_JSON) {
        jw_array_end(&w);
        jw_object_end(&w);
        buf_putc(out, '\n');
        return;
    }
    if (j->node_count == 0)
        buf_puts(out, "no node carries our mark\n");
    for (uint32_t i = 0; i < j->snapshot->workload_count; i++) {
        const struct ctl_workload *wl = &j->snapshot->workloads[i];
        if (ctl_labels_get(&wl->annotations, CTL_KEY_REQUEST).len > 0 && wl->owner.kind.len == 0)
            owner_text(wl, out);
    }
}

static void say(void *user, const struct ctl_revert_node *n, const char *what)
{
    (void)user;
    (void)fprintf(stderr, "node %.*s: %s\n", STR_ARG(n->node->name), what);
}

/* -- doing --------------------------------------------------------------------------------------
 */

static int revert(struct job *j, struct err *reterr)
{
    const struct ctl_revert_options how = {.timeout_ns = j->timeout_ns, .say = say};
    unsigned failed = 0;
    for (uint32_t i = 0; i < j->node_count; i++) {
        struct err e = {0};
        if (!is_wanted(j, &j->nodes[i]))
            continue;
        if (ctl_revert_node(j->client, &j->nodes[i], &how, &e) == 0) {
            say(NULL, &j->nodes[i], "back");
            continue;
        }
        failed++;
        say(NULL, &j->nodes[i], e.text);
    }
    if (failed > 0) {
        return err_set(reterr, -EIO, "%u node%s did not come back: run it again", failed,
                failed == 1 ? "" : "s");
    }
    return 0;
}

static int run_job(struct job *j, struct err *reterr)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    if (look(j, reterr) < 0 || check(j, reterr) < 0)
        return reterr->code;
    int rc = j->o->dry_run ? 0 : revert(j, reterr);
    if (rc == 0) {
        show(j, &text);
        rc = cli_print(&text, reterr);
    }
    buf_clear(&text);
    return rc;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    struct job j = {.call = call, .o = call->options, .a = arena_new((size_t)1 << 30)};
    int rc = run_job(&j, reterr);
    (void)ctl_snapshot_free(j.snapshot);
    kube_client_free(j.client);
    os_loop_free(j.loop);
    (void)arena_free(j.a);
    return rc;
}

const struct cli_verb cli_verb_revert = {
        .name = "revert",
        .brief = "nodes back to what they were",
        .summary = "Brings nodes back to the labels that they had before Slicewright first changed "
                   "them, from\nthe originals recorded on each; needs no controller.",
        .details = "A node whose GPUs are configured otherwise is closed and emptied first: its "
                   "pods are\nevicted, PodDisruptionBudgets hold.  Owners that were pointed at "
                   "shared GPUs are listed:\nonly they can point back.",
        .examples = "  slicewright revert --dry-run\n"
                    "  slicewright revert gpu-1 gpu-2\n"
                    "  slicewright revert --all\n",
        .options = options,
        .arguments = arguments,
        .options_size = sizeof(struct options),
        .run = run,
};
