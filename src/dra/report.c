/* dra/report.c - an explanation as text and as JSON.  Pure. */
#include "dra/emit.h"
#include "dra/explain.h"

enum { BAR_WIDTH = 24 };

/* A bar whose length shows how many of all devices are left. */
static void bar(struct buf *out, uint32_t left, uint32_t all)
{
    uint32_t width = all ? (uint32_t)((uint64_t)left * BAR_WIDTH / all) : 0;
    if (left > 0 && width == 0)
        width = 1;
    uint32_t side = (BAR_WIDTH - width) / 2;
    for (uint32_t i = 0; i < BAR_WIDTH; i++)
        buf_putc(out, i >= side && i < side + width ? '#' : ' ');
}

static void ask_text(struct buf *out, const struct dra_ask_report *ask)
{
    buf_printf(out, "  request %s (class %s): ", ask->name, ask->class_name);
    if (ask->need < 0) {
        buf_puts(out, "all devices");
    } else {
        buf_printf(out, "%lld device%s", (long long)ask->need, ask->need == 1 ? "" : "s");
    }
    buf_puts(out, "\n    ");
    bar(out, ask->devices, ask->devices);
    buf_printf(out, " %5u  on the node\n", ask->devices);
    for (uint32_t i = 0; i < ask->stage_count; i++) {
        const struct dra_stage *stage = &ask->stages[i];
        buf_puts(out, "    ");
        bar(out, stage->left, ask->devices);
        buf_printf(out, " %5u  %s", stage->left, dra_stage_name(stage->kind));
        if (stage->text[0])
            buf_printf(out, " %.120s", stage->text);
        buf_putc(out, '\n');
        if (stage->device) {
            buf_printf(out, "    %*s        %s%s: %s\n", BAR_WIDTH, "",
                    stage->fatal ? "ends the attempt at " : "", stage->device, stage->why);
        }
    }
    if (!ask->near_device)
        return;
    buf_printf(out, "    nearest miss: %s\n", ask->near_device);
    for (uint32_t i = 0; i < ask->near_count; i++)
        buf_printf(out, "      %s\n", ask->near_fix[i]);
}

static void verdict_text(struct buf *out, const struct dra_store *store,
        const struct dra_claim *claim, const struct dra_report *r)
{
    switch (r->outcome) {
    case DRA_OUTCOME_ALLOCATED:
        buf_puts(out, "fits\n");
        break;
    case DRA_OUTCOME_NO_FIT:
        buf_puts(out, "does not fit\n");
        break;
    case DRA_OUTCOME_NODE_ERROR:
    case DRA_OUTCOME_ERROR:
    case DRA_OUTCOME_UNSUPPORTED:
    case DRA_OUTCOME_COUNT:
        if (r->gave_up) {
            buf_printf(out, "%s\n", r->message);
            break;
        }
        buf_printf(out, "%s: %s\n",
                r->outcome == DRA_OUTCOME_ERROR ? "the scheduler gives up on the pod"
                                                : dra_outcome_name(r->outcome),
                r->message ? r->message : "");
        break;
    }
    for (uint32_t i = 0; i < r->allocation.pick_count; i++) {
        const struct dra_pick *pick = &r->allocation.picks[i];
        struct buf name = BUF_INIT(4096);
        dra_request_name(&name, store, &claim->requests[pick->request], pick->ask);
        buf_printf(out, "  %.*s -> %.*s/%.*s/%.*s\n", (int)name.len, name.ptr ? name.ptr : "",
                STR_ARG(dra_name(&store->names, pick->slice->driver)),
                STR_ARG(dra_name(&store->names, pick->slice->pool)),
                STR_ARG(dra_name(&store->names, pick->device->name)));
        buf_clear(&name);
    }
}

void dra_report_text(struct buf *out, const struct dra_store *store, const struct dra_node *node,
        const struct dra_claim *claim, const struct dra_report *report)
{
    const struct dra_names *n = &store->names;
    buf_printf(out, "claim %.*s/%.*s on node %.*s: ", STR_ARG(dra_name(n, claim->namespace_name)),
            STR_ARG(dra_name(n, claim->name)), STR_ARG(dra_name(n, node->name)));
    verdict_text(out, store, claim, report);
    if (report->times_out && !report->gave_up)
        buf_puts(out, "  the scheduler would time out here: its search takes more than 10 s\n");
    for (uint32_t i = 0; i < report->ask_count; i++)
        ask_text(out, &report->asks[i]);
    for (uint32_t i = 0; i < report->note_count; i++)
        buf_printf(out, "  %s\n", report->notes[i]);
}

static void ask_json(struct json_writer *w, const struct dra_ask_report *ask)
{
    jw_object(w);
    jw_kv_cstr(w, "request", ask->name);
    jw_kv_cstr(w, "deviceClass", ask->class_name);
    if (ask->need < 0) {
        jw_kv_cstr(w, "count", "all");
    } else {
        jw_kv_i64(w, "count", ask->need);
    }
    jw_kv_u64(w, "devices", ask->devices);
    jw_key(w, "stages");
    jw_array(w);
    for (uint32_t i = 0; i < ask->stage_count; i++) {
        const struct dra_stage *stage = &ask->stages[i];
        jw_object(w);
        jw_kv_cstr(w, "check", dra_stage_name(stage->kind));
        if (stage->text[0])
            jw_kv_cstr(w, "text", stage->text);
        jw_kv_u64(w, "left", stage->left);
        if (stage->device) {
            jw_kv_cstr(w, "device", stage->device);
            jw_kv_cstr(w, "why", stage->why);
            jw_kv_bool(w, "fatal", stage->fatal);
        }
        jw_object_end(w);
    }
    jw_array_end(w);
    if (ask->near_device) {
        jw_key(w, "nearestMiss");
        jw_object(w);
        jw_kv_cstr(w, "device", ask->near_device);
        jw_key(w, "fixes");
        jw_array(w);
        for (uint32_t i = 0; i < ask->near_count; i++)
            jw_cstr(w, ask->near_fix[i]);
        jw_array_end(w);
        jw_object_end(w);
    }
    jw_object_end(w);
}

void dra_report_json(struct json_writer *w, const struct dra_store *store,
        const struct dra_node *node, const struct dra_claim *claim, const struct dra_report *report)
{
    const struct dra_names *n = &store->names;
    jw_object(w);
    jw_kv_str(w, "namespace", dra_name(n, claim->namespace_name));
    jw_kv_str(w, "claim", dra_name(n, claim->name));
    jw_kv_str(w, "node", dra_name(n, node->name));
    jw_kv_cstr(w, "outcome", report->gave_up ? DRA_GAVE_UP : dra_outcome_name(report->outcome));
    if (report->message)
        jw_kv_cstr(w, "message", report->message);
    jw_kv_bool(w, "schedulerTimesOut", report->times_out);
    if (report->outcome == DRA_OUTCOME_ALLOCATED) {
        jw_key(w, "allocation");
        dra_allocation_emit(w, store, claim, &report->allocation, node);
    }
    jw_key(w, "requests");
    jw_array(w);
    for (uint32_t i = 0; i < report->ask_count; i++)
        ask_json(w, &report->asks[i]);
    jw_array_end(w);
    jw_key(w, "notes");
    jw_array(w);
    for (uint32_t i = 0; i < report->note_count; i++)
        jw_cstr(w, report->notes[i]);
    jw_array_end(w);
    jw_object_end(w);
}
