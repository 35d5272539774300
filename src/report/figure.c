/* report/figure.c - see figure.h. */
#include "report/figure.h"

#include "base/civil.h"
#include "base/num.h"
#include "report/format.h"

#include <assert.h>

/* The drawing in SVG user units; tenths of a unit are used for positions. */
enum { WIDTH = 720, WIDTH_WIDE = 1440, HEIGHT = 220, LEFT = 62, RIGHT = 8, TOP = 10, BOTTOM = 24 };

enum series { SERIES_PROVISIONED, SERIES_REQUESTED, SERIES_USED, SERIES_COST };

struct frame {
    int64_t start_ns, end_ns;
    int64_t top; /* value at the top edge */
    int width;
};

static int64_t value_of(const struct report_point *p, enum series series)
{
    switch (series) {
    case SERIES_PROVISIONED:
        return p->provisioned_milli;
    case SERIES_REQUESTED:
        return p->requested_milli;
    case SERIES_USED:
        return p->used_milli;
    case SERIES_COST:
        return p->microusd_per_hour * 24;
    }
    assert(false);
    return 0;
}

static int64_t x_tenths(const struct frame *f, int64_t wall_ns)
{
    int64_t span = num_max_i64(f->end_ns - f->start_ns, 1);
    return LEFT * 10 + num_muldiv_i64(wall_ns - f->start_ns, (f->width - LEFT - RIGHT) * 10, span);
}

static int64_t y_tenths(const struct frame *f, int64_t value)
{
    return (HEIGHT - BOTTOM) * 10 - num_muldiv_i64(value, (HEIGHT - TOP - BOTTOM) * 10, f->top);
}

static void put_xy(
        const struct frame *f, const struct report_point *p, enum series series, struct buf *out)
{
    int64_t x10 = x_tenths(f, p->wall_ns), y10 = y_tenths(f, value_of(p, series));
    buf_printf(out, "%lld.%lld %lld.%lld ", (long long)x10 / 10, (long long)x10 % 10,
            (long long)y10 / 10, (long long)(y10 < 0 ? -y10 : y10) % 10);
}

static void put_line(const struct frame *f, const struct report_run *run, enum series series,
        const char *css, struct buf *out)
{
    if (run->point_count == 0)
        return;
    buf_printf(out, "<path class=\"%s\" d=\"M", css);
    for (uint32_t i = 0; i < run->point_count; i++)
        put_xy(f, &run->points[i], series, out);
    buf_puts(out, "\"/>\n");
}

static void put_area(const struct frame *f, const struct report_run *run, enum series series,
        const char *css, struct buf *out)
{
    if (run->point_count == 0)
        return;
    int64_t floor10 = (HEIGHT - BOTTOM) * 10;
    buf_printf(out, "<path class=\"%s\" d=\"M%lld %lld ", css,
            (long long)x_tenths(f, run->points[0].wall_ns) / 10, (long long)floor10 / 10);
    for (uint32_t i = 0; i < run->point_count; i++)
        put_xy(f, &run->points[i], series, out);
    buf_printf(out, "%lld %lld Z\"/>\n",
            (long long)x_tenths(f, run->points[run->point_count - 1].wall_ns) / 10,
            (long long)floor10 / 10);
}

/* The smallest of 1, 2, 5 x 10^k that is at least value / 5, so that 3 to 6 grid lines show. */
static int64_t grid_step(int64_t value, int64_t unit)
{
    int64_t step = unit;
    static const int64_t factors[] = {2, 5, 10};
    for (int64_t base = unit; step * 5 < value; base *= 10) {
        for (unsigned i = 0; i < 3 && step * 5 < value; i++)
            step = base * factors[i];
    }
    return step;
}

static void put_grid(const struct frame *f, int64_t step, bool money, struct buf *out)
{
    char text[REPORT_TEXT_MAX];
    for (int64_t v = 0; v <= f->top; v += step) {
        long long y = (long long)y_tenths(f, v) / 10;
        buf_printf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%lld\" y2=\"%lld\"/>", LEFT,
                f->width - RIGHT, y, y);
        buf_printf(out, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%lld\">%s</text>\n",
                LEFT - 6, y + 4, money ? report_money(text, v) : report_decimal(text, v, 3, 0));
    }
}

static void put_days(const struct frame *f, struct buf *out)
{
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const int64_t day_ns = 24 * NUM_NS_PER_HOUR;
    int64_t span = f->end_ns - f->start_ns;
    int64_t step = span > 3 * day_ns ? day_ns
                   : span > day_ns   ? 12 * NUM_NS_PER_HOUR
                                     : 4 * NUM_NS_PER_HOUR;
    if (span > 20 * day_ns)
        step = num_muldiv_i64(span, 1, 10 * day_ns) * day_ns;
    int64_t first = f->start_ns - f->start_ns % step;
    for (int64_t t = first; t < f->end_ns; t += step) {
        if (t < f->start_ns)
            continue;
        struct civil c = civil_from_ns(t);
        long long x = (long long)x_tenths(f, t) / 10;
        buf_printf(out, "<line class=\"grid\" x1=\"%lld\" x2=\"%lld\" y1=\"%d\" y2=\"%d\"/>", x, x,
                HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
        buf_printf(out, "<text class=\"tick\" x=\"%lld\" y=\"%d\">", x + 3, HEIGHT - 8);
        if (step >= day_ns || c.hour == 0) {
            buf_printf(out, "%s</text>\n", names[c.weekday]);
        } else {
            buf_printf(out, "%02u:00</text>\n", c.hour);
        }
    }
}

static struct frame frame_for(const struct report_run *run, int64_t top, int width)
{
    struct frame f = {.top = num_max_i64(top, 1), .width = width};
    if (run->point_count > 0) {
        f.start_ns = run->points[0].wall_ns;
        f.end_ns = num_max_i64(run->points[run->point_count - 1].wall_ns, f.start_ns + 1);
    }
    return f;
}

int64_t report_figure_top(const struct report_run *run)
{
    int64_t top = 1000;
    for (uint32_t i = 0; i < run->point_count; i++) {
        top = num_max_i64(top, run->points[i].provisioned_milli);
        top = num_max_i64(top, run->points[i].requested_milli);
    }
    return top + top / 20;
}

static void begin_svg(const struct frame *f, const char *label, struct buf *out)
{
    buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", f->width,
            HEIGHT, label);
}

void report_figure_gpus(const struct report_run *run, int64_t top_milli, struct buf *out)
{
    struct frame f = frame_for(run, top_milli, WIDTH);
    begin_svg(&f, "GPUs over time: provisioned, requested, used", out);
    put_grid(&f, grid_step(f.top, 1000), false, out);
    put_days(&f, out);
    put_area(&f, run, SERIES_PROVISIONED, "area-provisioned", out);
    put_area(&f, run, SERIES_USED, "area-used", out);
    put_line(&f, run, SERIES_PROVISIONED, "line-provisioned", out);
    put_line(&f, run, SERIES_REQUESTED, "line-requested", out);
    put_line(&f, run, SERIES_USED, "line-used", out);
    buf_puts(out, "</svg>\n");
}

void report_figure_cost(
        const struct report_run *before, const struct report_run *after, struct buf *out)
{
    int64_t top = NUM_MICROUSD_PER_USD;
    const struct report_run *runs[] = {before, after};
    for (unsigned r = 0; r < 2; r++) {
        for (uint32_t i = 0; i < runs[r]->point_count; i++)
            top = num_max_i64(top, value_of(&runs[r]->points[i], SERIES_COST));
    }
    struct frame f = frame_for(before, top + top / 20, WIDTH_WIDE);
    begin_svg(&f, "cost a day over time, before and after", out);
    put_grid(&f, grid_step(f.top, NUM_MICROUSD_PER_USD), true, out);
    put_days(&f, out);
    put_area(&f, after, SERIES_COST, "area-after", out);
    put_line(&f, before, SERIES_COST, "line-before", out);
    put_line(&f, after, SERIES_COST, "line-after", out);
    buf_puts(out, "</svg>\n");
}
