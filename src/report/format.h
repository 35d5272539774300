/* report/format.h - integers as text for people: GPUs, money, percent, time spans.
 *
 * Pure.  Each function writes into `text` of REPORT_TEXT_MAX bytes and returns it. */
#ifndef REPORT_FORMAT_H
#define REPORT_FORMAT_H

#include "base/buf.h"

#include <stdint.h>

enum { REPORT_TEXT_MAX = 48 };

/* value / 10^scale with `decimals` digits after the point (rounded half up in magnitude) and
 * thousands separated by commas: (12345678, 3, 1) is "12,345.7".  decimals <= scale <= 9. */
char *report_decimal(char *text, int64_t value, unsigned scale, unsigned decimals);

/* Whole dollars from 100 up, cents below: "$5,210", "$7.25", "-$3.10". */
char *report_money(char *text, int64_t microusd);

/* part / whole as percent with `decimals` digits; "-" when whole is 0. */
char *report_percent(char *text, int64_t part, int64_t whole, unsigned decimals);

/* The change from `before` to `after` in percent with a sign: "-33.4 %"; "-" when before is 0. */
char *report_change(char *text, int64_t before, int64_t after);

/* "45 s", "12 min", "3.5 h", "2.0 d". */
char *report_span(char *text, int64_t ns);

/* Appends `s` with & < > " ' replaced for HTML text and attributes. */
void report_html_escape(struct buf *out, struct str s);

#endif
