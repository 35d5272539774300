/* report/json.c - see json.h. */
#include "report/json.h"

#include "base/json.h"
#include "base/num.h"

/* part / whole in percent with four digits after the point. */
static void put_ratio(struct json_writer *w, const char *key, uint64_t part, uint64_t whole)
{
    int64_t value = whole == 0 ? 0 : num_muldiv_i64((int64_t)part, 1000000, (int64_t)whole);
    jw_kv_fixed(w, key, value, 4);
}

static void put_harm(struct json_writer *w, const struct report_harm *h)
{
    jw_key(w, "harm");
    jw_object(w);
    jw_kv_u64(w, "memory_kills", h->memory_kills);
    put_ratio(w, "overloaded_sample_percent", h->overloaded_samples, h->gpu_samples);
    put_ratio(w, "latency_violation_percent", h->latency_violations, h->latency_samples);
    jw_kv_u64(w, "evictions", h->evictions);
    jw_kv_i64(w, "pending_seconds_p95", h->pending_ns_p95 / NUM_NS_PER_SECOND);
    jw_kv_u64(w, "neighbours_lost", h->neighbours_lost);
    jw_object_end(w);
}

static void put_run(struct json_writer *w, const struct report_run *run)
{
    jw_object(w);
    jw_kv_fixed(w, "gpus_provisioned_mean", run->gpus_provisioned_mean_milli, 3);
    jw_kv_u64(w, "gpus_provisioned_max", run->gpus_provisioned_max);
    jw_kv_fixed(w, "gpus_requested_mean", run->gpus_requested_mean_milli, 3);
    jw_kv_fixed(w, "gpus_used_mean", run->gpus_used_mean_milli, 3);
    put_ratio(w, "utilization_percent_mean", (uint64_t)run->gpus_used_mean_milli,
            (uint64_t)run->gpus_provisioned_mean_milli);
    jw_kv_fixed(w, "cost_usd_per_day", run->cost_microusd_per_day, 6);
    jw_kv_fixed(w, "pod_hours", (int64_t)run->pod_hours_milli, 3);
    put_harm(w, &run->harm);
    jw_object_end(w);
}

static void put_bound(struct json_writer *w, const char *key, const struct report_bound *b)
{
    jw_key(w, key);
    if (!b->known) {
        jw_null(w);
        return;
    }
    jw_object(w);
    jw_kv_fixed(w, "gpus_mean", b->gpus_mean_milli, 3);
    jw_kv_fixed(w, "cost_usd_per_day", b->cost_microusd_per_day, 6);
    jw_object_end(w);
}

static void put_changes(struct json_writer *w, const struct report_result *r)
{
    jw_key(w, "changes");
    jw_object(w);
    for (unsigned c = 0; c < CORE_CHANGE_COUNT; c++) {
        jw_key(w, core_change_name((enum core_change)c));
        jw_object(w);
        jw_kv_u64(w, "begun", r->totals.begun[c]);
        jw_kv_u64(w, "done", r->totals.done[c]);
        jw_kv_u64(w, "refused", r->totals.refused[c]);
        jw_object_end(w);
    }
    jw_kv_u64(w, "undone", r->totals.undone);
    jw_kv_u64(w, "abandoned", r->totals.abandoned);
    jw_kv_u64(w, "solves", r->totals.solves);
    jw_kv_u64(w, "returns_by_latency_arrival", r->totals.unshare_by_latency);
    jw_kv_u64(w, "mig_changes_outside_window", r->totals.mig_outside_window);
    jw_object_end(w);
}

void report_json_put(struct json_writer *w, const struct report_result *r)
{
    jw_object(w);
    jw_kv_str(w, "scenario", r->scenario);
    jw_kv_u64(w, "seed", r->seed);
    jw_kv_str(w, "caps", r->caps);
    jw_kv_str(w, "policy", r->policy);
    if (r->from.len > 0) {
        jw_key(w, "from");
        jw_object(w);
        jw_kv_str(w, "recording", r->from);
        jw_kv_u64(w, "step", r->from_step);
        jw_kv_u64(w, "edited_facts", r->from_edits);
        jw_object_end(w);
    }
    jw_kv_fixed(w, "days", num_muldiv_i64(r->duration_ns, 1000, 24 * NUM_NS_PER_HOUR), 3);
    jw_kv_fixed(
            w, "measure_from_hours", num_muldiv_i64(r->measure_from_ns, 1000, NUM_NS_PER_HOUR), 3);
    jw_key(w, "before");
    put_run(w, &r->before);
    jw_key(w, "after");
    put_run(w, &r->after);
    jw_key(w, "baselines");
    jw_object(w);
    for (uint32_t i = 0; i < r->baseline_count; i++) {
        jw_key(w, r->baselines[i].key);
        put_run(w, &r->baselines[i]);
    }
    jw_object_end(w);
    if (r->dra_known) {
        jw_key(w, "dra");
        put_run(w, &r->dra);
    }
    if (r->native_known) {
        jw_key(w, "native");
        put_run(w, &r->native);
    }
    jw_key(w, "bound");
    jw_object(w);
    put_bound(w, "policy", &r->bound_policy);
    put_bound(w, "actual", &r->bound_actual);
    jw_object_end(w);
    jw_kv_fixed(w, "blocked_saving_usd_per_day", r->blocked_saving_microusd_per_day, 6);
    jw_kv_u64(w, "decisions", r->decisions);
    jw_kv_u64(w, "violations", r->violations);
    jw_kv_u64(w, "steps", r->steps);
    put_changes(w, r);
    jw_key(w, "run");
    jw_object(w);
    jw_kv_fixed(w, "wall_seconds", r->wall_time_ns / 1000000, 3);
    jw_kv_u64(w, "peak_rss_mib", r->peak_rss_mib);
    jw_object_end(w);
    jw_object_end(w);
}

void report_json_write(const struct report_result *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 2);
    report_json_put(&w, r);
    buf_putc(out, '\n');
}
