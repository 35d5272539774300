/* report/plan.c - the plan as JSON, YAML and patches; see plan.h.  Pure. */
#include "report/plan.h"

#include "base/civil.h"
#include "base/doc.h"
#include "base/json.h"
#include "base/num.h"
#include "report/format.h"
#include "report/json.h"

#include <assert.h>

const char *report_certainty_name(enum report_certainty c)
{
    static const char *const names[] = {"proven", "forecast", "unproven"};
    return names[c];
}

/* -- JSON ---------------------------------------------------------------------------------------
 */

static void put_item(struct json_writer *w, const struct report_plan_item *i)
{
    jw_object(w);
    jw_kv_str(w, "subject", i->subject);
    jw_kv_cstr(w, "change", i->change);
    jw_kv_cstr(w, "reason", i->reason);
    jw_kv_str(w, "from", i->from);
    jw_kv_str(w, "to", i->to);
    jw_kv_u64(w, "pods", i->pods);
    jw_kv_fixed(w, "saving_usd_per_day", i->saving_microusd_per_day, 6);
    jw_kv_fixed(w, "room_usd_per_day", i->room_microusd_per_day, 6);
    jw_kv_cstr(w, "certainty", report_certainty_name(i->certainty));
    jw_kv_u64(w, "samples", i->samples);
    jw_kv_fixed(w, "history_hours", i->history_ns / (NUM_NS_PER_HOUR / 1000), 3);
    jw_kv_str(w, "why", i->why);
    jw_key(w, "evidence");
    jw_object(w);
    for (uint32_t e = 0; e < i->evidence_count; e++)
        jw_kv_i64(w, i->evidence[e].name, i->evidence[e].value);
    jw_object_end(w);
    if (i->managed_by.len > 0)
        jw_kv_str(w, "managed_by", i->managed_by);
    jw_kv_str(w, "command", i->command);
    jw_kv_str(w, "patch", i->patch);
    jw_object_end(w);
}

static void put_notes(struct json_writer *w, const char *key, const struct report_plan_note *notes,
        uint32_t count)
{
    jw_key(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        jw_object(w);
        jw_kv_str(w, "subject", notes[i].subject);
        jw_kv_str(w, "text", notes[i].text);
        jw_kv_str(w, "advice", notes[i].advice);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void put_now(struct json_writer *w, const struct report_plan *p)
{
    jw_key(w, "now");
    jw_object(w);
    jw_kv_u64(w, "nodes", p->nodes);
    jw_kv_u64(w, "nodes_shared", p->nodes_shared);
    jw_kv_u64(w, "nodes_mig", p->nodes_mig);
    jw_kv_u64(w, "nodes_of_others", p->nodes_foreign);
    jw_kv_u64(w, "nodes_idle", p->nodes_idle);
    jw_kv_u64(w, "gpus_provisioned", p->gpus);
    jw_kv_u64(w, "gpus_requested", p->gpus_requested);
    jw_key(w, "gpus_used");
    if (p->used_known) {
        jw_fixed(w, (int64_t)p->gpus_used_milli, 3);
    } else {
        jw_null(w);
    }
    jw_kv_u64(w, "gpus_read", p->gpus_read);
    jw_kv_u64(w, "owners", p->owners);
    jw_kv_u64(w, "pods", p->pods);
    jw_kv_u64(w, "pods_pending", p->pods_pending);
    jw_kv_fixed(w, "cost_usd_per_day", p->cost_microusd_per_day, 6);
    jw_kv_fixed(w, "idle_usd_per_day", p->idle_microusd_per_day, 6);
    jw_object_end(w);
}

void report_plan_json(const struct report_plan *p, struct buf *out)
{
    char when[32];
    struct json_writer w = JSON_WRITER(out, 2);
    jw_object(&w);
    jw_kv_str(&w, "cluster", p->cluster);
    jw_kv_str(&w, "policy", p->policy);
    jw_kv_cstr(&w, "read_at", civil_format(p->wall_ns, when));
    put_now(&w, p);
    jw_kv_fixed(&w, "history_hours", p->history_ns / (NUM_NS_PER_HOUR / 1000), 3);
    jw_kv_u64(&w, "readings", p->readings);
    int64_t saving = 0;
    jw_key(&w, "savings");
    jw_array(&w);
    for (uint32_t i = 0; i < p->item_count; i++) {
        put_item(&w, &p->items[i]);
        saving += p->items[i].saving_microusd_per_day;
    }
    jw_array_end(&w);
    jw_kv_fixed(&w, "saving_usd_per_day", saving, 6);
    jw_key(&w, "left_alone");
    jw_array(&w);
    for (uint32_t i = 0; i < p->left_count; i++) {
        const struct report_plan_left *l = &p->left[i];
        jw_object(&w);
        jw_kv_str(&w, "subject", l->subject);
        jw_kv_cstr(&w, "reason", l->reason);
        jw_kv_str(&w, "why", l->why);
        jw_kv_u64(&w, "pods", l->pods);
        jw_kv_fixed(&w, "cost_usd_per_day", l->cost_microusd_per_day, 6);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    put_notes(&w, "warnings", p->warnings, p->warning_count);
    put_notes(&w, "unseen", p->unseen, p->unseen_count);
    jw_key(&w, "run_again");
    if (p->again == NULL) {
        jw_null(&w);
    } else {
        report_json_put(&w, p->again);
    }
    jw_key(&w, "run");
    jw_object(&w);
    jw_kv_fixed(&w, "wall_seconds", p->took_ns / 1000000, 3);
    jw_object_end(&w);
    jw_object_end(&w);
    buf_putc(out, '\n');
}

/* -- YAML ---------------------------------------------------------------------------------------
 */

static void put_scalar(const struct doc *d, struct buf *out)
{
    if (d->kind == DOC_STRING) {
        buf_putc(out, '"');
        json_escape(out, d->text);
        buf_putc(out, '"');
    } else {
        buf_put(out, d->kind == DOC_NULL ? STR_LIT("null") : d->text);
    }
}

/* Block style; a JSON string is a YAML string as it stands. */
static void put_yaml(const struct doc *d, unsigned indent, bool in_list, struct buf *out)
{
    bool map = d->kind == DOC_OBJECT;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *c = &d->first[i];
        bool nested = (c->kind == DOC_OBJECT || c->kind == DOC_ARRAY) && c->count > 0;
        if (i > 0 || !in_list)
            buf_printf(out, "%*s", (int)indent, "");
        if (map) {
            buf_printf(out, "%.*s:", STR_ARG(c->key));
        } else {
            buf_puts(out, "-");
        }
        if (!nested) {
            buf_putc(out, ' ');
            if (c->kind == DOC_OBJECT || c->kind == DOC_ARRAY) {
                buf_puts(out, c->kind == DOC_OBJECT ? "{}" : "[]");
            } else {
                put_scalar(c, out);
            }
            buf_putc(out, '\n');
        } else if (map) {
            buf_putc(out, '\n');
            put_yaml(c, indent + 2, false, out);
        } else {
            buf_putc(out, ' ');
            put_yaml(c, indent + 2, true, out);
        }
    }
}

void report_plan_yaml(const struct report_plan *p, struct buf *out)
{
    struct arena *a = arena_new((size_t)2 << 30);
    struct buf json = BUF_INIT(out->max);
    const struct doc *doc = NULL;
    struct err e = {0};
    report_plan_json(p, &json);
    int rc = doc_parse_json(a, buf_str(&json), json.max, &doc, &e);
    assert(rc == 0 || json.overflow);
    if (rc == 0)
        put_yaml(doc, 0, false, out);
    out->overflow |= json.overflow;
    buf_clear(&json);
    (void)arena_free(a);
}

/* -- patches ------------------------------------------------------------------------------------
 */

void report_plan_patches(const struct report_plan *p, struct buf *out)
{
    char when[32], money[REPORT_TEXT_MAX];
    buf_printf(out,
            "#!/bin/sh\n# Plan for %.*s, policy %.*s, read at %s.  Nothing here was done.\n",
            STR_ARG(p->cluster), STR_ARG(p->policy), civil_format(p->wall_ns, when));
    buf_puts(out, "# Lines that are commented out are not proven: read why first.\nset -eu\n");
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->item_count; i++) {
        const struct report_plan_item *item = &p->items[i];
        if (item->command.len == 0)
            continue;
        count++;
        buf_printf(out, "\n# %.*s: %s, %s a day, %s\n# %.*s\n", STR_ARG(item->subject),
                item->change, report_money(money, item->saving_microusd_per_day),
                report_certainty_name(item->certainty), STR_ARG(item->why));
        if (item->managed_by.len > 0) {
            buf_printf(out, "# %.*s writes this object: make the change there, or it is undone.\n",
                    STR_ARG(item->managed_by));
        }
        bool safe = item->certainty == REPORT_CERTAIN_PROVEN && item->managed_by.len == 0;
        buf_printf(out, "%s%.*s\n", safe ? "" : "# ", STR_ARG(item->command));
    }
    if (count == 0)
        buf_puts(out, "\n# No patches.\n");
}
