/* report/html.h - a result as one self-contained HTML page, light and dark.
 *
 * Pure.  No external resource: style, figures and the small filter script stand in the page.
 * Everything shown from outside (names, texts) is escaped. */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include "base/buf.h"
#include "report/result.h"

enum { REPORT_HTML_DECISIONS_MAX = 2000 };

/* Appends the page.  The decision log is cut to the last REPORT_HTML_DECISIONS_MAX, and says so. */
void report_html_write(const struct report_result *r, struct buf *out);

/* The style sheet and the script of the page; static storage. */
const char *report_style_css(void);
const char *report_style_script(void);

/* The section with the GPUs of the cluster and what stands on each slice. */
void report_map_write(const struct report_result *r, struct buf *out);

#endif
