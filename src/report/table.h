/* report/table.h - a result as a terminal table: before, after, baselines, bound.
 *
 * Pure. */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include "base/buf.h"
#include "report/result.h"

/* color: ANSI emphasis.  Appends a block of at most 100 columns, with a final newline. */
void report_table_write(const struct report_result *r, bool color, struct buf *out);

#endif
