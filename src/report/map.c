/* report/map.c - the section of the page that shows each GPU and what stands on its slices. */
#include "report/html.h"

#include "base/num.h"
#include "report/format.h"

/* One slot: as wide as its MIG units, or an equal part of a time-sliced GPU; as dark as busy. */
static void put_slot(const struct report_map_slot *slot, uint32_t grow, struct buf *out)
{
    char used[REPORT_TEXT_MAX], total[REPORT_TEXT_MAX];
    uint32_t opacity = 8 + num_min_u32(slot->busy_permille, 1000) * 62 / 1000;
    buf_printf(
            out, "<div class=\"slot%s\" style=\"flex:%u 1 0", slot->pod_count ? "" : " free", grow);
    if (slot->pod_count > 0)
        buf_printf(out, ";background:rgba(var(--heat),.%02u)", opacity);
    buf_puts(out, "\" title=\"");
    if (slot->profile.len > 0) {
        report_html_escape(out, slot->profile);
        buf_printf(out, " at unit %u: ", slot->start);
    }
    report_html_escape(out, slot->pods);
    buf_printf(out, "; busy %u.%u %%, memory %s of %s GiB\">", slot->busy_permille / 10,
            slot->busy_permille % 10,
            report_decimal(used, (int64_t)slot->memory_used_mib * 1000 / 1024, 3, 1),
            report_decimal(total, (int64_t)slot->memory_total_mib * 1000 / 1024, 3, 1));
    if (slot->profile.len > 0) {
        report_html_escape(out, slot->profile);
        buf_putc(out, ' ');
    }
    if (slot->pod_count > 1)
        buf_printf(out, "%u pods: ", slot->pod_count);
    report_html_escape(out, slot->pod_count ? slot->pods : STR_LIT("free"));
    buf_puts(out, "</div>");
}

static void put_gpu(const struct report_map_gpu *gpu, struct buf *out)
{
    buf_printf(out, "<div class=\"gpu\"><span>%u</span><div class=\"slots\">", gpu->index);
    for (uint32_t i = 0; i < gpu->slot_count; i++) {
        uint32_t grow = gpu->slots[i].size ? gpu->slots[i].size : 1;
        put_slot(&gpu->slots[i], grow, out);
    }
    buf_puts(out, "</div></div>\n");
}

void report_map_write(const struct report_result *r, struct buf *out)
{
    buf_puts(out,
            "<section id=\"map\"><h2>Where everything stands at the end</h2>\n<p class=\"dim\">"
            "One row a GPU; the darker, the busier in the last sample. MIG instances are as "
            "wide as the memory they hold.</p>\n<div class=\"nodes\">\n");
    for (uint32_t i = 0; i < r->map_count; i++) {
        const struct report_map_gpu *gpu = &r->map[i];
        bool same = i > 0 && str_eq(gpu->node, r->map[i - 1].node) &&
                    str_eq(gpu->cluster, r->map[i - 1].cluster);
        if (!same) {
            if (i > 0)
                buf_puts(out, "</div>\n");
            buf_puts(out, "<div class=\"node\"><header><b>");
            report_html_escape(out, gpu->node);
            buf_puts(out, "</b><span>");
            report_html_escape(out, gpu->model);
            buf_puts(out, " <span class=\"chip\">");
            report_html_escape(out, gpu->mode);
            buf_puts(out, "</span></span></header>\n");
        }
        put_gpu(gpu, out);
    }
    buf_puts(out, r->map_count > 0 ? "</div>\n</div></section>\n" : "</div></section>\n");
}
