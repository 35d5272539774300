/* cli/controller_web.c - see controller_web.h. */
#include "cli/controller_web.h"

#include "base/civil.h"
#include "base/json.h"
#include "base/num.h"
#include "core/rollout.h"
#include "model/gpu.h"
#include "web/metrics.h"

#include <stdio.h>
#include <string.h>

enum { HTTP_OK = 200, HTTP_UNAVAILABLE = 503, MICROUSD_DECIMALS = 6, TIME_BYTES = 32 };

static const char json_type[] = "application/json";

static const char *source_name(enum core_source s)
{
    static const char *const names[CORE_SOURCE_COUNT] = {
            "nodes", "pods", "owners", "config", "metrics", "offers", "policy", "actions"};
    return names[s];
}

/* -- metrics ------------------------------------------------------------------------------------
 */

static void one(struct web_metrics *m, enum web_metric type, const char *name, const char *help,
        int64_t value)
{
    web_metrics_family(m, type, name, help);
    web_metrics_sample(m, NULL, value, 0);
}

static void money(struct web_metrics *m, const char *name, const char *help, int64_t microusd)
{
    web_metrics_family(m, WEB_GAUGE, name, help);
    web_metrics_sample(m, NULL, microusd, MICROUSD_DECIMALS);
}

static void put_cluster(struct web_metrics *m, const struct ctl_controller_stats *s)
{
    one(m, WEB_GAUGE, "slicewright_leading", "1 while this process holds the Lease.", s->leads);
    one(m, WEB_GAUGE, "slicewright_held_up", "1 while nothing can be applied: see /api/v1/status.",
            s->holdup != NULL);
    web_metrics_family(
            m, WEB_GAUGE, "slicewright_source_synced", "1 while a source of facts is complete.");
    for (enum core_source i = 0; i < CORE_SOURCE_ACTIONS; i++) {
        const char *const labels[] = {"source", source_name(i), NULL};
        web_metrics_sample(m, labels, s->synced[i], 0);
    }
    one(m, WEB_GAUGE, "slicewright_nodes", "Nodes with GPUs.", s->nodes);
    one(m, WEB_GAUGE, "slicewright_nodes_shared", "Nodes that offer shared GPUs or MIG instances.",
            s->nodes_shared);
    one(m, WEB_GAUGE, "slicewright_gpus_provisioned", "GPUs of existing nodes.",
            s->gpus_provisioned);
    one(m, WEB_GAUGE, "slicewright_gpus_requested", "Whole GPUs that live pods asked for.",
            s->gpus_requested);
    web_metrics_family(
            m, WEB_GAUGE, "slicewright_gpus_used", "Sum of the GPUs' busy fractions, last round.");
    web_metrics_sample(m, NULL, (int64_t)s->gpus_used_milli, 3);
    one(m, WEB_GAUGE, "slicewright_gpus_read", "GPUs with a reading in the last round.",
            (int64_t)s->gpus_read);
    one(m, WEB_GAUGE, "slicewright_pods_pending", "Pods with a GPU that do not run.",
            s->pods_pending);
    money(m, "slicewright_cost_usd_per_hour", "Cost of the existing GPU nodes.",
            s->cost_microusd_per_hour);
    money(m, "slicewright_saving_usd_per_hour",
            "Cost when this process began, less the cost now: Node objects that are gone.",
            s->first_cost_microusd_per_hour - s->cost_microusd_per_hour);
    money(m, "slicewright_saving_forecast_usd_per_hour",
            "Promised by the owners' steps that were carried out since this process began.",
            s->forecast_microusd_per_hour);
    money(m, "slicewright_saving_blocked_usd_per_hour", "Waits for owners to act.",
            s->totals.blocked_microusd_per_hour);
}

static void put_decisions(struct web_metrics *m, const struct ctl_controller_stats *s)
{
    web_metrics_family(m, WEB_COUNTER, "slicewright_decisions_total", "By verdict and change.");
    for (enum core_verdict v = 0; v < CORE_VERDICT_COUNT; v++) {
        for (enum core_change c = 0; c < CORE_CHANGE_COUNT; c++) {
            const char *const labels[] = {
                    "verdict", core_verdict_name(v), "change", core_change_name(c), NULL};
            if (s->decisions[v][c] > 0)
                web_metrics_sample(m, labels, (int64_t)s->decisions[v][c], 0);
        }
    }
    web_metrics_family(m, WEB_COUNTER, "slicewright_refusals_total", "By the guard that refused.");
    for (enum core_reason r = 0; r < CORE_REASON_COUNT; r++) {
        const char *const labels[] = {"reason", core_reason_name(r), NULL};
        if (s->refusals[r] > 0)
            web_metrics_sample(m, labels, (int64_t)s->refusals[r], 0);
    }
    web_metrics_family(m, WEB_COUNTER, "slicewright_actions_total", "Writes, by kind and outcome.");
    for (enum core_action_kind k = 0; k < CORE_ACTION_COUNT; k++) {
        const uint64_t counts[] = {s->acts.done[k], s->acts.rejected[k], s->acts.unknown[k]};
        static const char *const names[] = {"done", "rejected", "unknown"};
        for (unsigned i = 0; i < 3; i++) {
            const char *const labels[] = {"action", core_action_name(k), "outcome", names[i], NULL};
            if (counts[i] > 0)
                web_metrics_sample(m, labels, (int64_t)counts[i], 0);
        }
    }
    one(m, WEB_COUNTER, "slicewright_check_violations_total",
            "Checks that failed: their nodes are left alone.", (int64_t)s->violations);
}

static void seconds(struct web_metrics *m, enum web_metric type, const char *name, const char *help,
        uint64_t ns)
{
    web_metrics_family(m, type, name, help);
    web_metrics_sample(m, NULL, (int64_t)(ns / 1000), 6);
}

static void put_self(struct web_metrics *m, const struct cli_controller_view *v,
        const struct ctl_controller_stats *s)
{
    const struct kube_client_stats k = kube_client_stats(v->client);
    one(m, WEB_COUNTER, "slicewright_steps_total", "Steps of the core.", (int64_t)s->steps);
    seconds(m, WEB_COUNTER, "slicewright_step_seconds_total", "Time in steps of the core.",
            s->step_ns_sum);
    seconds(m, WEB_GAUGE, "slicewright_step_seconds_max", "The longest step.", s->step_ns_max);
    one(m, WEB_COUNTER, "slicewright_worlds_total", "Times that the cluster was judged anew.",
            (int64_t)s->worlds);
    seconds(m, WEB_COUNTER, "slicewright_world_seconds_total", "Time in judging the cluster.",
            s->world_ns_sum);
    one(m, WEB_COUNTER, "slicewright_facts_total", "Facts told to the core.", (int64_t)s->facts);
    one(m, WEB_GAUGE, "slicewright_watched_objects", "Objects kept.", (int64_t)s->mirror.objects);
    one(m, WEB_GAUGE, "slicewright_watched_bytes", "Bytes held for them.",
            (int64_t)s->mirror.bytes);
    one(m, WEB_COUNTER, "slicewright_api_requests_total", "Requests to the API server.",
            (int64_t)k.requests);
    one(m, WEB_COUNTER, "slicewright_api_retries_total", "Requests that were tried again.",
            (int64_t)k.retries);
    one(m, WEB_COUNTER, "slicewright_api_lost_total", "Requests without an answer.",
            (int64_t)k.lost);
    one(m, WEB_COUNTER, "slicewright_metric_rounds_total", "Rounds of readings.",
            (int64_t)s->pulse.rounds);
    one(m, WEB_COUNTER, "slicewright_readings_total", "Readings of GPUs.",
            (int64_t)s->pulse.readings);
    one(m, WEB_GAUGE, "slicewright_plans", "SharingPlans that are open.", (int64_t)s->plans.plans);
}

static unsigned get_metrics(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    const struct cli_controller_view *v = user;
    struct ctl_controller_stats s;
    struct web_metrics m = {.out = body};
    (void)request;
    *ret_type = "text/plain; version=0.0.4; charset=utf-8";
    if (v->controller == NULL)
        return HTTP_UNAVAILABLE;
    ctl_controller_stats_get(v->controller, &s);
    put_cluster(&m, &s);
    put_decisions(&m, &s);
    put_self(&m, v, &s);
    return HTTP_OK;
}

/* -- health -------------------------------------------------------------------------------------
 */

static unsigned get_healthz(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    (void)user;
    (void)request;
    (void)ret_type;
    buf_puts(body, "ok\n"); /* the loop turns, or nobody would answer */
    return HTTP_OK;
}

static unsigned get_readyz(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    const struct cli_controller_view *v = user;
    struct ctl_controller_stats s = {0};
    (void)request;
    (void)ret_type;
    if (v->controller != NULL)
        ctl_controller_stats_get(v->controller, &s);
    if (v->controller == NULL || !s.ready) {
        buf_puts(body, "the cluster has not been read yet\n");
        return HTTP_UNAVAILABLE;
    }
    buf_puts(body, "ok\n");
    return HTTP_OK;
}

/* -- the API ------------------------------------------------------------------------------------
 */

static void put_time(struct json_writer *w, const char *key, int64_t wall_ns)
{
    char text[TIME_BYTES];
    jw_kv_cstr(w, key, civil_format(wall_ns, text));
}

static unsigned get_status(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    const struct cli_controller_view *v = user;
    struct ctl_controller_stats s;
    struct json_writer w = JSON_WRITER(body, 2);
    (void)request;
    *ret_type = json_type;
    if (v->controller == NULL)
        return HTTP_UNAVAILABLE;
    ctl_controller_stats_get(v->controller, &s);
    jw_object(&w);
    jw_kv_bool(&w, "leads", s.leads);
    jw_kv_bool(&w, "ready", s.ready);
    if (s.holdup != NULL)
        jw_kv_cstr(&w, "held_up", s.holdup);
    jw_key(&w, "synced");
    jw_object(&w);
    for (enum core_source i = 0; i < CORE_SOURCE_ACTIONS; i++)
        jw_kv_bool(&w, source_name(i), s.synced[i]);
    jw_object_end(&w);
    jw_kv_u64(&w, "nodes", s.nodes);
    jw_kv_u64(&w, "nodes_shared", s.nodes_shared);
    jw_kv_u64(&w, "gpus_provisioned", s.gpus_provisioned);
    jw_kv_u64(&w, "gpus_requested", s.gpus_requested);
    jw_kv_fixed(&w, "gpus_used", (int64_t)s.gpus_used_milli, 3);
    jw_kv_u64(&w, "gpus_read", s.gpus_read);
    jw_kv_u64(&w, "pods_pending", s.pods_pending);
    jw_kv_fixed(&w, "cost_usd_per_day", s.cost_microusd_per_hour * 24, MICROUSD_DECIMALS);
    jw_kv_fixed(&w, "cost_usd_per_day_at_first", s.first_cost_microusd_per_hour * 24,
            MICROUSD_DECIMALS);
    jw_kv_fixed(&w, "forecast_saving_usd_per_day", s.forecast_microusd_per_hour * 24,
            MICROUSD_DECIMALS);
    jw_kv_fixed(&w, "blocked_saving_usd_per_day", s.totals.blocked_microusd_per_hour * 24,
            MICROUSD_DECIMALS);
    jw_kv_u64(&w, "steps", s.steps);
    jw_kv_u64(&w, "violations", s.violations);
    jw_object_end(&w);
    buf_putc(body, '\n');
    return HTTP_OK;
}

static void put_rollout(struct json_writer *w, const struct core *core, uint64_t uid)
{
    struct core_rollout_status r;
    if (core == NULL || !core_rollout_status_get(core, uid, &r))
        return;
    jw_key(w, "rollout");
    jw_object(w);
    jw_kv_cstr(w, "change", core_change_name(r.change));
    jw_kv_cstr(w, "state", core_rollout_state_name(r.state));
    jw_kv_cstr(w, "step", core_step_name(r.step));
    jw_kv_cstr(w, "reason", core_reason_name(r.reason));
    if (r.waits_on != CORE_REASON_NONE)
        jw_kv_cstr(w, "waits_on", core_reason_name(r.waits_on));
    put_time(w, "since", r.since_wall_ns);
    jw_object_end(w);
}

/* As kept_by has it. */
static void put_stays(struct json_writer *w, struct str pod, struct str why)
{
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof text, "pod %.*s: %.*s", STR_ARG(pod), STR_ARG(why));
    jw_kv_cstr(w, "stays_for", text);
}

static void put_node(struct json_writer *w, const struct core *core, const struct core_node_fact *f,
        const struct ctl_node_note *note)
{
    char name[MODEL_RESOURCE_NAME_MAX];
    jw_object(w);
    jw_kv_str(w, "name", f->name);
    jw_kv_cstr(w, "gpu", model_gpu_get(f->gpu)->key);
    jw_kv_u64(w, "gpus", f->gpu_count);
    jw_kv_fixed(w, "cost_usd_per_day", f->microusd_per_hour * 24, MICROUSD_DECIMALS);
    jw_kv_bool(w, "ready", f->ready);
    jw_kv_bool(w, "cordoned", f->unschedulable);
    if (f->foreign.len > 0)
        jw_kv_str(w, "left_alone", f->foreign);
    if (f->excluded)
        jw_kv_cstr(w, "excluded", note->excluded_why);
    if (f->frozen)
        jw_kv_bool(w, "frozen", true);
    if (f->keeps.len > 0)
        jw_kv_str(w, "kept_by", f->keeps);
    struct str pod, why;
    if (core != NULL && core_node_stays(core, f->uid, &pod, &why))
        put_stays(w, pod, why);
    jw_kv_str(w, "pool", f->pool);
    if (f->pool_taint.len > 0)
        jw_kv_str(w, "pool_taint", f->pool_taint);
    if (f->pool_taint_refused.len > 0)
        jw_kv_str(w, "pool_taint_refused_by", f->pool_taint_refused);
    if (f->startup_taint)
        jw_kv_bool(w, "startup_taint", true);
    if (f->startup_taint_refused.len > 0)
        jw_kv_str(w, "startup_taint_refused_by", f->startup_taint_refused);
    jw_kv_str(w, "plugin_config", f->plugin_config);
    jw_kv_str(w, "mig_config", f->mig_config);
    jw_kv_str(w, "mig_state", f->mig_state);
    jw_key(w, "allocatable");
    jw_object(w);
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        (void)model_resource_format(&f->allocatable[i].resource, name);
        jw_kv_u64(w, name, f->allocatable[i].count);
    }
    jw_object_end(w);
    put_rollout(w, core, f->uid);
    jw_object_end(w);
}

static unsigned get_nodes(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    const struct cli_controller_view *v = user;
    struct json_writer w = JSON_WRITER(body, 0);
    const struct ctl_world *world =
            v->controller != NULL ? ctl_controller_world(v->controller) : NULL;
    struct str wanted = web_query(request, "name");
    *ret_type = json_type;
    if (world == NULL)
        return HTTP_UNAVAILABLE;
    jw_object(&w);
    jw_key(&w, "nodes");
    jw_array(&w);
    for (uint32_t i = 0; i < world->node_count; i++) {
        const struct core_node_fact *f = &world->nodes[i].node;
        if (wanted.len == 0 || str_eq(f->name, wanted))
            put_node(&w, ctl_controller_core(v->controller), f, &world->node_notes[i]);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    buf_putc(body, '\n');
    return HTTP_OK;
}

/* The keys are those of `slicewright explain -o json`. */
static void put_decision(struct json_writer *w, const struct ctl_decision *kept)
{
    const struct core_decision *d = &kept->decision;
    jw_object(w);
    jw_kv_u64(w, "decision", d->seq);
    put_time(w, "time", d->wall_ns);
    jw_kv_cstr(w, "change", core_change_name(d->change));
    jw_kv_cstr(w, "verdict", core_verdict_name(d->verdict));
    jw_kv_cstr(w, "reason", core_reason_name(d->reason));
    jw_kv_cstr(w, "reason_text", core_reason_text(d->reason));
    jw_kv_cstr(w, "node", kept->node);
    jw_kv_cstr(w, "workload", kept->workload);
    jw_kv_cstr(w, "pod", kept->pod);
    jw_kv_str(w, "text", d->text);
    jw_kv_fixed(w, "saving_usd_per_hour", d->saving_microusd_per_hour, MICROUSD_DECIMALS);
    jw_key(w, "evidence");
    jw_object(w);
    for (uint32_t i = 0; i < d->evidence_count; i++)
        jw_kv_i64(w, d->evidence[i].name, d->evidence[i].value);
    jw_object_end(w);
    jw_object_end(w);
}

static bool matches(struct str wanted, const char *name)
{
    return wanted.len == 0 || str_eq_c(wanted, name);
}

static unsigned get_decisions(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    const struct cli_controller_view *v = user;
    struct json_writer w = JSON_WRITER(body, 0);
    struct str node = web_query(request, "node"), workload = web_query(request, "workload"),
               pod = web_query(request, "pod");
    uint64_t last = CTL_DECISIONS_KEPT, first = 0, count = 0;
    *ret_type = json_type;
    if (v->controller == NULL)
        return HTTP_UNAVAILABLE;
    (void)str_to_u64(web_query(request, "last"), 1, CTL_DECISIONS_KEPT, &last);
    jw_array(&w);
    /* The newest `last` of those that match, oldest first. */
    for (uint32_t i = ctl_controller_decision_count(v->controller); i > 0 && count < last; i--) {
        const struct ctl_decision *d = ctl_controller_decision(v->controller, i - 1);
        if (matches(node, d->node) && matches(workload, d->workload) && matches(pod, d->pod)) {
            first = i - 1;
            count++;
        }
    }
    for (uint32_t i = (uint32_t)first; i < ctl_controller_decision_count(v->controller); i++) {
        const struct ctl_decision *d = ctl_controller_decision(v->controller, i);
        if (count > 0 && matches(node, d->node) && matches(workload, d->workload) &&
                matches(pod, d->pod))
            put_decision(&w, d);
    }
    jw_array_end(&w);
    buf_putc(body, '\n');
    return HTTP_OK;
}

const struct web_route cli_controller_pod_routes[] = {
        {"/metrics", get_metrics},
        {"/healthz", get_healthz},
        {"/readyz", get_readyz},
};
const uint32_t cli_controller_pod_route_count = 3;

const struct web_route cli_controller_api_routes[] = {
        {"/api/v1/status", get_status},
        {"/api/v1/nodes", get_nodes},
        {"/api/v1/decisions", get_decisions},
};
const uint32_t cli_controller_api_route_count = 3;
