/* report/html.c - see html.h. */
#include "report/html.h"

#include "base/civil.h"
#include "base/num.h"
#include "report/figure.h"
#include "report/format.h"

#include <string.h>

static void put_escaped(struct buf *out, const char *text)
{
    report_html_escape(out, str_from(text));
}

static void put_header(const struct report_result *r, struct buf *out)
{
    char from[32], span[REPORT_TEXT_MAX];
    buf_puts(out, "<h1>");
    report_html_escape(out, r->scenario);
    buf_puts(out, "</h1>\n<p class=\"dim\">Slicewright simulation of ");
    buf_printf(out, "%s from %s; caps ", report_span(span, r->duration_ns),
            civil_format(r->start_wall_ns, from));
    report_html_escape(out, r->caps);
    buf_puts(out, ", policy ");
    report_html_escape(out, r->policy);
    buf_printf(out, ", seed %llu", (unsigned long long)r->seed);
    if (r->measure_from_ns > 0)
        buf_printf(out, "; figures count from %s on", report_span(span, r->measure_from_ns));
    buf_puts(out, ".</p>\n");
}

static void put_tile(
        const char *title, const char *before, const char *after, const char *note, struct buf *out)
{
    buf_printf(out, "<div class=\"tile\"><span class=\"dim\">%s</span><b>", title);
    if (before != NULL)
        buf_printf(out, "<s>%s &rarr;</s> ", before);
    buf_printf(out, "%s</b>%s</div>\n", after, note);
}

static void put_change_note(char *ret_note, size_t size, int64_t before, int64_t after)
{
    char change[REPORT_TEXT_MAX];
    struct buf b = BUF_INIT(size - 1);
    buf_printf(&b, "<span class=\"%s\">%s</span>", after <= before ? "good" : "bad",
            report_change(change, before, after));
    memcpy(ret_note, b.ptr, b.len + 1);
    buf_clear(&b);
}

static void put_tiles(const struct report_result *r, struct buf *out)
{
    const struct report_run *b = &r->before, *a = &r->after;
    char t1[REPORT_TEXT_MAX], t2[REPORT_TEXT_MAX], note[128];
    buf_puts(out, "<div class=\"tiles\">\n");
    put_change_note(
            note, sizeof note, b->gpus_provisioned_mean_milli, a->gpus_provisioned_mean_milli);
    put_tile("GPUs, mean", report_decimal(t1, b->gpus_provisioned_mean_milli, 3, 1),
            report_decimal(t2, a->gpus_provisioned_mean_milli, 3, 1), note, out);
    put_change_note(note, sizeof note, b->cost_microusd_per_day, a->cost_microusd_per_day);
    put_tile("cost a day", report_money(t1, b->cost_microusd_per_day),
            report_money(t2, a->cost_microusd_per_day), note, out);
    (void)report_percent(t1, b->gpus_used_mean_milli, b->gpus_provisioned_mean_milli, 1);
    (void)report_percent(t2, a->gpus_used_mean_milli, a->gpus_provisioned_mean_milli, 1);
    put_tile("utilization, percent", t1, t2, "<span class=\"dim\">used of provisioned</span>", out);
    char kills[REPORT_TEXT_MAX];
    (void)report_decimal(kills, (int64_t)a->harm.memory_kills, 0, 0);
    put_tile("memory kills", NULL, kills,
            "<span class=\"dim\">pods ended because a shared GPU ran out of memory</span>", out);
    if (r->blocked_saving_microusd_per_day > 0) {
        put_tile("blocked saving a day", NULL, report_money(t1, r->blocked_saving_microusd_per_day),
                "<span class=\"dim\">waits for owners to patch their pods</span>", out);
    }
    buf_puts(out, "</div>\n");
}

static void put_gpu_figures(const struct report_result *r, struct buf *out)
{
    int64_t top = num_max_i64(report_figure_top(&r->before), report_figure_top(&r->after));
    buf_puts(out, "<section id=\"gpus\"><h2>GPUs over time</h2>\n<p class=\"legend\">"
                  "<span><i class=\"k-prov\"></i>provisioned</span>"
                  "<span><i class=\"k-req\"></i>requested by pods alive</span>"
                  "<span><i class=\"k-used\"></i>used (busy time)</span></p>\n<div class=\"two\">"
                  "<div><h3>before: a whole GPU a pod</h3>\n");
    report_figure_gpus(&r->before, top, out);
    buf_puts(out, "</div><div><h3>after: Slicewright</h3>\n");
    report_figure_gpus(&r->after, top, out);
    buf_puts(out, "</div></div></section>\n<section id=\"cost\"><h2>Cost a day</h2>\n"
                  "<p class=\"legend\"><span><i class=\"k-before\"></i>before</span>"
                  "<span><i class=\"k-after\"></i>after</span></p>\n");
    report_figure_cost(&r->before, &r->after, out);
    buf_puts(out, "</section>\n");
}

static void put_run_row(const struct report_run *run, int64_t top_cost, bool ours, struct buf *out)
{
    char t[REPORT_TEXT_MAX];
    const struct report_harm *h = &run->harm;
    buf_printf(out, "<tr%s><td>", ours ? " class=\"ours\"" : "");
    put_escaped(out, run->title);
    buf_printf(out, "</td><td>%s</td>", report_decimal(t, run->gpus_provisioned_mean_milli, 3, 1));
    buf_printf(out, "<td>%s</td>",
            report_percent(t, run->gpus_used_mean_milli, run->gpus_provisioned_mean_milli, 1));
    buf_printf(out, "<td>%s</td>", report_money(t, run->cost_microusd_per_day));
    buf_printf(out, "<td class=\"l\"><span class=\"bar\" style=\"width:%lldpx\"></span></td>",
            (long long)num_muldiv_i64(run->cost_microusd_per_day, 80, num_max_i64(top_cost, 1)));
    buf_printf(out, "<td%s>%llu</td>", h->memory_kills ? " class=\"bad\"" : "",
            (unsigned long long)h->memory_kills);
    buf_printf(out, "<td>%s</td>",
            report_percent(t, (int64_t)h->overloaded_samples, (int64_t)h->gpu_samples, 2));
    buf_printf(out, "<td>%s</td>",
            report_percent(t, (int64_t)h->latency_violations, (int64_t)h->latency_samples, 2));
    buf_printf(out, "<td>%llu</td><td>%s</td><td>%llu</td></tr>\n",
            (unsigned long long)h->evictions, report_span(t, h->pending_ns_p95),
            (unsigned long long)h->neighbours_lost);
}

static void put_bound_row(
        const char *title, const struct report_bound *b, int64_t top_cost, struct buf *out)
{
    char t[REPORT_TEXT_MAX];
    if (!b->known)
        return;
    buf_printf(out, "<tr class=\"bound\"><td>%s</td><td>%s</td><td></td>", title,
            report_decimal(t, b->gpus_mean_milli, 3, 1));
    buf_printf(out,
            "<td>%s</td><td class=\"l\"><span class=\"bar\" style=\"width:%lldpx\"></span>"
            "</td><td colspan=\"6\"></td></tr>\n",
            report_money(t, b->cost_microusd_per_day),
            (long long)num_muldiv_i64(b->cost_microusd_per_day, 80, num_max_i64(top_cost, 1)));
}

static void put_runs(const struct report_result *r, struct buf *out)
{
    int64_t top = r->before.cost_microusd_per_day;
    for (uint32_t i = 0; i < r->baseline_count; i++)
        top = num_max_i64(top, r->baselines[i].cost_microusd_per_day);
    buf_puts(out, "<section id=\"harm\"><h2>What it saves and what it risks</h2>\n"
                  "<div class=\"scroll\"><table><thead><tr><th></th><th>GPUs</th><th>used %</th>"
                  "<th>cost a day</th><th class=\"l\"></th><th>kills</th>"
                  "<th>overload %</th><th>latency %</th><th>evictions</th><th>p95 wait</th>"
                  "<th>lost</th></tr></thead><tbody>\n");
    put_run_row(&r->before, top, false, out);
    for (uint32_t i = 0; i < r->baseline_count; i++) {
        if (strcmp(r->baselines[i].key, "one_gpu_a_pod") != 0)
            put_run_row(&r->baselines[i], top, false, out);
    }
    put_run_row(&r->after, top, true, out);
    if (r->dra_known)
        put_run_row(&r->dra, top, false, out);
    if (r->native_known)
        put_run_row(&r->native, top, false, out);
    put_bound_row("bound, policy's demands", &r->bound_policy, top, out);
    put_bound_row("bound, true peaks", &r->bound_actual, top, out);
    buf_puts(out, "</tbody></table></div>\n<p class=\"dim\">Kills: pods ended because the "
                  "memory in use passed what the GPU has. Overload: (GPU, sample) pairs with two "
                  "or more pods whose busy time adds up to more than 100 %. Latency: "
                  "(latency-sensitive pod, sample) pairs slower than their limit. Lost: "
                  "pods ended by another pod's fault. Evictions are ours. Bound: nobody can be "
                  "below it.</p></section>\n");
}

static void put_counts(const struct report_result *r, struct buf *out)
{
    buf_puts(out,
            "<div class=\"scroll\"><table class=\"counts\"><thead><tr><th>change</th><th>begun</th>"
            "<th>done</th><th>refused by a guard</th></tr></thead><tbody>\n");
    for (unsigned c = 0; c < CORE_CHANGE_COUNT; c++) {
        if (r->totals.begun[c] + r->totals.done[c] + r->totals.refused[c] == 0)
            continue;
        buf_printf(out, "<tr><td>%s</td><td>%llu</td><td>%llu</td><td>%llu</td></tr>\n",
                core_change_name((enum core_change)c), (unsigned long long)r->totals.begun[c],
                (unsigned long long)r->totals.done[c], (unsigned long long)r->totals.refused[c]);
    }
    buf_printf(out,
            "</tbody></table></div>\n<p class=\"dim\">Rolled back %llu, abandoned %llu, "
            "returns to exclusive for a latency-sensitive arrival %llu, MIG changes outside "
            "a window %llu, violations of a check %llu.</p>\n",
            (unsigned long long)r->totals.undone, (unsigned long long)r->totals.abandoned,
            (unsigned long long)r->totals.unshare_by_latency,
            (unsigned long long)r->totals.mig_outside_window, (unsigned long long)r->violations);
}

static void put_decision(const struct core_decision *d, struct buf *out)
{
    char when[32], saving[REPORT_TEXT_MAX];
    buf_printf(out,
            "<tr><td>%s</td><td class=\"l\">%s</td><td class=\"l\">"
            "<span class=\"chip %s\">%s</span></td><td class=\"l\">",
            civil_format(d->wall_ns, when), core_change_name(d->change),
            core_verdict_name(d->verdict), core_verdict_name(d->verdict));
    buf_printf(out, "<span title=\"%s\">%s</span></td><td class=\"text\">",
            core_reason_text(d->reason), core_reason_name(d->reason));
    report_html_escape(out, d->text);
    buf_printf(out, "</td><td>%s</td></tr>\n",
            d->saving_microusd_per_hour ? report_money(saving, d->saving_microusd_per_hour * 24)
                                        : "");
}

static void put_decisions(const struct report_result *r, struct buf *out)
{
    uint32_t first =
            r->log_count > REPORT_HTML_DECISIONS_MAX ? r->log_count - REPORT_HTML_DECISIONS_MAX : 0;
    buf_puts(out, "<section id=\"decisions\"><h2>Decisions, with reasons</h2>\n");
    put_counts(r, out);
    if (first > 0) {
        buf_printf(out, "<p class=\"dim\">The last %u of %u.</p>\n", r->log_count - first,
                r->log_count);
    }
    buf_puts(out,
            "<input type=\"search\" placeholder=\"filter: a node, a pod, a reason ...\" "
            "aria-label=\"filter decisions\">\n<div class=\"scroll\" "
            "style=\"max-height:560px;overflow-y:auto\"><table><thead><tr><th>time (UTC)</th>"
            "<th class=\"l\">change</th><th class=\"l\">verdict</th><th class=\"l\">reason</th>"
            "<th class=\"l\">on what numbers</th><th>saves a day</th></tr></thead><tbody "
            "id=\"log\">\n");
    for (uint32_t i = first; i < r->log_count; i++)
        put_decision(&r->log[i], out);
    buf_puts(out, "</tbody></table></div></section>\n");
}

void report_html_write(const struct report_result *r, struct buf *out)
{
    buf_puts(out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
    report_html_escape(out, r->scenario);
    buf_printf(out, " - Slicewright</title>\n<style>%s</style></head>\n<body><main>\n",
            report_style_css());
    put_header(r, out);
    put_tiles(r, out);
    put_gpu_figures(r, out);
    put_runs(r, out);
    report_map_write(r, out);
    put_decisions(r, out);
    buf_printf(out,
            "<footer>Simulated with the production core; every number can be recomputed: "
            "<code>slicewright simulate --seed %llu --record FILE</code>, then "
            "<code>slicewright replay FILE</code>. What the simulator models, with sources "
            "and limits, stands in docs/SIMULATION.md.</footer>\n"
            "</main><script>%s</script></body></html>\n",
            (unsigned long long)r->seed, report_style_script());
}
