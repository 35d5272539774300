/* report/table.c - see table.h. */
#include "report/table.h"

#include "base/civil.h"
#include "base/num.h"
#include "report/format.h"

#include <stdio.h>
#include <string.h>

struct style {
    const char *bold, *dim, *good, *off;
};

static struct style style_for(bool color)
{
    if (!color)
        return (struct style){"", "", "", ""};
    return (struct style){"\033[1m", "\033[2m", "\033[32m", "\033[0m"};
}

/* Where another run was left. */
static void put_from(const struct report_result *r, const struct style *s, struct buf *out)
{
    char when[32];
    buf_printf(out, "  %sas recorded in %.*s up to step %llu, %s, with %llu facts edited%s\n\n",
            s->dim, STR_ARG(r->from), (unsigned long long)r->from_step,
            civil_format(r->from_wall_ns, when), (unsigned long long)r->from_edits, s->off);
}

static void put_head(const struct report_result *r, const struct style *s, struct buf *out)
{
    char t1[REPORT_TEXT_MAX], t2[REPORT_TEXT_MAX], t3[REPORT_TEXT_MAX];
    const struct report_run *b = &r->before, *a = &r->after;
    buf_printf(out, "%s%.*s%s: %s, caps %.*s, policy %.*s, seed %llu\n\n", s->bold,
            STR_ARG(r->scenario), s->off, report_span(t1, r->duration_ns), STR_ARG(r->caps),
            STR_ARG(r->policy), (unsigned long long)r->seed);
    if (r->from.len > 0)
        put_from(r, s, out);
    buf_printf(out, "  GPUs      %10s -> %s%-10s%s %s\n",
            report_decimal(t1, b->gpus_provisioned_mean_milli, 3, 1), s->bold,
            report_decimal(t2, a->gpus_provisioned_mean_milli, 3, 1), s->off,
            report_change(t3, b->gpus_provisioned_mean_milli, a->gpus_provisioned_mean_milli));
    buf_printf(out, "  cost/day  %10s -> %s%-10s%s %s\n",
            report_money(t1, b->cost_microusd_per_day), s->bold,
            report_money(t2, a->cost_microusd_per_day), s->off,
            report_change(t3, b->cost_microusd_per_day, a->cost_microusd_per_day));
    char u1[REPORT_TEXT_MAX], u2[REPORT_TEXT_MAX];
    (void)report_percent(t1, b->gpus_used_mean_milli, b->gpus_provisioned_mean_milli, 1);
    (void)report_percent(t2, a->gpus_used_mean_milli, a->gpus_provisioned_mean_milli, 1);
    (void)snprintf(u1, sizeof u1, "%.40s %%", t1);
    (void)snprintf(u2, sizeof u2, "%.40s %%", t2);
    buf_printf(out, "  used      %10s -> %s%-10s%s of what is provisioned\n\n", u1, s->bold, u2,
            s->off);
}

static void put_row(
        const struct report_run *run, const struct style *s, const char *mark, struct buf *out)
{
    char t[8][REPORT_TEXT_MAX];
    const struct report_harm *h = &run->harm;
    buf_printf(out, "%s%-25.25s%s %7s %6s %9s %6llu %7s %8s %6llu %7s %6llu\n", mark, run->title,
            s->off, report_decimal(t[0], run->gpus_provisioned_mean_milli, 3, 1),
            report_percent(t[1], run->gpus_used_mean_milli, run->gpus_provisioned_mean_milli, 1),
            report_money(t[2], run->cost_microusd_per_day), (unsigned long long)h->memory_kills,
            report_percent(t[3], (int64_t)h->overloaded_samples, (int64_t)h->gpu_samples, 2),
            report_percent(t[4], (int64_t)h->latency_violations, (int64_t)h->latency_samples, 2),
            (unsigned long long)h->evictions, report_span(t[5], h->pending_ns_p95),
            (unsigned long long)h->neighbours_lost);
}

static void put_bound_row(
        const char *title, const struct report_bound *b, const struct style *s, struct buf *out)
{
    if (!b->known)
        return;
    char t1[REPORT_TEXT_MAX], t2[REPORT_TEXT_MAX];
    buf_printf(out, "%s%-25s %7s %6s %9s%s\n", s->dim, title,
            report_decimal(t1, b->gpus_mean_milli, 3, 1), "",
            report_money(t2, b->cost_microusd_per_day), s->off);
}

static void put_runs(const struct report_result *r, const struct style *s, struct buf *out)
{
    buf_printf(out, "%s%-25s %7s %6s %9s %6s %7s %8s %6s %7s %6s%s\n", s->dim, "", "GPUs", "used%",
            "cost/day", "kills", "over%", "latency%", "evict", "p95wait", "lost", s->off);
    put_row(&r->before, s, "", out);
    for (uint32_t i = 0; i < r->baseline_count; i++) {
        if (strcmp(r->baselines[i].key, "one_gpu_a_pod") != 0)
            put_row(&r->baselines[i], s, "", out);
    }
    put_row(&r->after, s, s->bold, out);
    if (r->dra_known)
        put_row(&r->dra, s, "", out);
    if (r->native_known)
        put_row(&r->native, s, "", out);
    put_bound_row("bound, policy's demands", &r->bound_policy, s, out);
    put_bound_row("bound, true peaks", &r->bound_actual, s, out);
}

static void put_changes(const struct report_result *r, const struct style *s, struct buf *out)
{
    buf_printf(out, "\n%sdecisions%s %llu in %llu steps:", s->dim, s->off,
            (unsigned long long)r->decisions, (unsigned long long)r->steps);
    const char *separator = " ";
    for (unsigned c = 0; c < CORE_CHANGE_COUNT; c++) {
        if (r->totals.done[c] == 0)
            continue;
        buf_printf(out, "%s%s %llu", separator, core_change_name((enum core_change)c),
                (unsigned long long)r->totals.done[c]);
        separator = ", ";
    }
    buf_printf(out, "%sundone %llu, abandoned %llu\n", separator,
            (unsigned long long)r->totals.undone, (unsigned long long)r->totals.abandoned);
    if (r->blocked_saving_microusd_per_day > 0) {
        char t[REPORT_TEXT_MAX];
        buf_printf(out, "%sblocked%s   %s a day waits for owners to patch their pods\n", s->dim,
                s->off, report_money(t, r->blocked_saving_microusd_per_day));
    }
    buf_printf(out, "%sviolations%s %llu\n", s->dim, s->off, (unsigned long long)r->violations);
}

void report_table_write(const struct report_result *r, bool color, struct buf *out)
{
    struct style s = style_for(color);
    put_head(r, &s, out);
    put_runs(r, &s, out);
    put_changes(r, &s, out);
}
