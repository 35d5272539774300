/* report/figure.h - charts as inline SVG that follows the page's colors.
 *
 * Pure.  Colors are CSS classes (report/style.c), so light and dark need one drawing. */
#ifndef REPORT_FIGURE_H
#define REPORT_FIGURE_H

#include "base/buf.h"
#include "report/result.h"

/* Provisioned (line), requested (line) and used (area) GPUs of one run over time.
 * top_milli: the value at the top edge, so that two figures share a scale; > 0. */
void report_figure_gpus(const struct report_run *run, int64_t top_milli, struct buf *out);

/* Cost a day of two runs over time, in one figure. */
void report_figure_cost(
        const struct report_run *before, const struct report_run *after, struct buf *out);

/* The largest value that report_figure_gpus would draw for `run`. */
int64_t report_figure_top(const struct report_run *run);

#endif
