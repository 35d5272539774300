/* report/json.h - a result as JSON with stable keys (docs/REPORT.md).
 *
 * Pure.  Everything but the object "run" is the same in two runs of one configuration. */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "base/buf.h"
#include "report/result.h"

/* Appends the JSON document, indented, with a final newline. */
void report_json_write(const struct report_result *r, struct buf *out);

#endif
