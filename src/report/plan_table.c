/* report/plan_table.c - the plan for people; see plan.h.  Pure. */
#include "base/civil.h"
#include "base/num.h"
#include "report/format.h"
#include "report/plan.h"

struct paint {
    const char *bold, *dim, *good, *warn, *off;
};

static struct paint paint_for(bool color)
{
    if (!color)
        return (struct paint){"", "", "", "", ""};
    return (struct paint){"\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[0m"};
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void put_head(const struct report_plan *p, const struct paint *c, struct buf *out)
{
    char when[32], t[REPORT_TEXT_MAX], u[REPORT_TEXT_MAX];
    buf_printf(out, "%s%.*s%s, policy %.*s, read at %s\n\n", c->bold, STR_ARG(p->cluster), c->off,
            STR_ARG(p->policy), civil_format(p->wall_ns, when));
    buf_printf(out, "  nodes    %u with %u GPU%s, %s a day", p->nodes, p->gpus, plural(p->gpus),
            report_money(t, p->cost_microusd_per_day));
    if (p->nodes_shared + p->nodes_mig + p->nodes_foreign > 0) {
        buf_printf(out, "; %u shared, %u with MIG, %u partitioned by others", p->nodes_shared,
                p->nodes_mig, p->nodes_foreign);
    }
    buf_printf(out, "\n  asked    %llu GPU%s by %u pod%s of %u owner%s",
            (unsigned long long)p->gpus_requested, plural(p->gpus_requested), p->pods,
            plural(p->pods), p->owners, plural(p->owners));
    if (p->pods_pending > 0)
        buf_printf(out, " (%u pending)", p->pods_pending);
    if (p->used_known) {
        buf_printf(out, "\n  used     %s GPUs, %s %% of what is there (%u of %u GPUs read)",
                report_decimal(t, (int64_t)p->gpus_used_milli, 3, 1),
                report_percent(u, (int64_t)p->gpus_used_milli, (int64_t)p->gpus * 1000, 1),
                p->gpus_read, p->gpus);
    } else {
        buf_puts(out, "\n  used     not known: no readings");
    }
    if (p->nodes_idle > 0) {
        buf_printf(out, "\n  idle     %u node%s without a pod on a GPU: %s%s a day%s",
                p->nodes_idle, plural(p->nodes_idle), c->warn,
                report_money(t, p->idle_microusd_per_day), c->off);
    }
    buf_printf(out, "\n  history  %s, %llu readings\n", report_span(t, p->history_ns),
            (unsigned long long)p->readings);
}

static void put_again(const struct report_plan *p, const struct paint *c, struct buf *out)
{
    char t1[REPORT_TEXT_MAX], t2[REPORT_TEXT_MAX], t3[REPORT_TEXT_MAX];
    const struct report_result *r = p->again;
    if (r == NULL)
        return;
    const struct report_run *b = &r->before, *a = &r->after;
    buf_printf(out, "\n%sRUN AGAIN%s  the same %s with this policy in force from the start\n",
            c->bold, c->off, report_span(t1, r->duration_ns));
    buf_printf(out, "  GPUs      %10s -> %s%s%s %s\n",
            report_decimal(t1, b->gpus_provisioned_mean_milli, 3, 1), c->bold,
            report_decimal(t2, a->gpus_provisioned_mean_milli, 3, 1), c->off,
            report_change(t3, b->gpus_provisioned_mean_milli, a->gpus_provisioned_mean_milli));
    buf_printf(out, "  cost/day  %10s -> %s%s%s %s\n", report_money(t1, b->cost_microusd_per_day),
            c->bold, report_money(t2, a->cost_microusd_per_day), c->off,
            report_change(t3, b->cost_microusd_per_day, a->cost_microusd_per_day));
    const struct report_harm *h = &a->harm;
    buf_printf(out,
            "  harm      %llu memory kills, %s %% of samples overloaded, %s %% of latencies over "
            "their limit, %llu evictions\n",
            (unsigned long long)h->memory_kills,
            report_percent(t1, (int64_t)h->overloaded_samples, (int64_t)h->gpu_samples, 2),
            report_percent(t2, (int64_t)h->latency_violations, (int64_t)h->latency_samples, 2),
            (unsigned long long)h->evictions);
    if (r->bound_policy.known) {
        buf_printf(out, "  bound     %s GPUs at the policy's demands; nobody can do better\n",
                report_decimal(t1, r->bound_policy.gpus_mean_milli, 3, 1));
    }
}

static void put_items(
        const struct report_plan *p, const struct paint *c, uint32_t top, struct buf *out)
{
    char t[REPORT_TEXT_MAX], u[REPORT_TEXT_MAX];
    buf_printf(out, "\n%sSAVINGS%s\n", c->bold, c->off);
    if (p->item_count == 0)
        buf_puts(out, "  none found\n");
    for (uint32_t i = 0; i < p->item_count && i < top; i++) {
        const struct report_plan_item *item = &p->items[i];
        bool sure = item->certainty == REPORT_CERTAIN_PROVEN;
        buf_printf(out, "  %s%9s%s a day  %s%.*s%s (%u pod%s)  %s", c->good,
                report_money(t, item->saving_microusd_per_day), c->off, c->bold,
                STR_ARG(item->subject), c->off, item->pods, plural(item->pods),
                sure ? "" : c->warn);
        if (item->certainty == REPORT_CERTAIN_UNPROVEN) {
            buf_printf(out, "unproven (%llu samples)", (unsigned long long)item->samples);
        } else {
            buf_printf(out, "%s by %s", report_certainty_name(item->certainty),
                    report_span(u, item->history_ns));
        }
        buf_printf(out, "%s\n                   %.*s -> %.*s\n", c->off, STR_ARG(item->from),
                STR_ARG(item->to));
        if (item->room_microusd_per_day > 0) {
            buf_printf(out, "                   %s of GPUs more are freed, on nodes that stay\n",
                    report_money(t, item->room_microusd_per_day));
        }
        buf_printf(out, "                   %s%.*s%s\n", c->dim, STR_ARG(item->why), c->off);
    }
    if (p->item_count > top)
        buf_printf(out, "  ... and %u more: --top\n", p->item_count - top);
}

static void put_left(
        const struct report_plan *p, const struct paint *c, uint32_t top, struct buf *out)
{
    char t[REPORT_TEXT_MAX];
    if (p->left_count == 0)
        return;
    buf_printf(out, "\n%sLEFT ALONE%s\n", c->bold, c->off);
    for (uint32_t i = 0; i < p->left_count && i < top; i++) {
        const struct report_plan_left *l = &p->left[i];
        buf_printf(out, "  %9s a day  %.*s: %s%s%s\n", report_money(t, l->cost_microusd_per_day),
                STR_ARG(l->subject), c->dim, l->reason, c->off);
        buf_printf(out, "                   %s%.*s%s\n", c->dim, STR_ARG(l->why), c->off);
    }
    if (p->left_count > top)
        buf_printf(out, "  ... and %u more: --top\n", p->left_count - top);
}

static void put_notes(const char *title, const struct report_plan_note *notes, uint32_t count,
        const struct paint *c, struct buf *out)
{
    if (count == 0)
        return;
    buf_printf(out, "\n%s%s%s\n", c->bold, title, c->off);
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(out, "  %.*s: %.*s\n", STR_ARG(notes[i].subject), STR_ARG(notes[i].text));
        if (notes[i].advice.len > 0)
            buf_printf(out, "    %s%.*s%s\n", c->dim, STR_ARG(notes[i].advice), c->off);
    }
}

void report_plan_table(const struct report_plan *p, bool color, uint32_t top, struct buf *out)
{
    struct paint c = paint_for(color);
    put_head(p, &c, out);
    put_again(p, &c, out);
    put_items(p, &c, top, out);
    put_left(p, &c, top, out);
    put_notes("WARNINGS", p->warnings, p->warning_count, &c, out);
    put_notes("NOT SEEN", p->unseen, p->unseen_count, &c, out);
}
