/* report/json.h - a result as JSON with stable keys (docs/REPORT.md).
 *
 * Pure.  Everything but the object "run" is the same in two runs of one configuration. */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "base/buf.h"
#include "report/result.h"

/* Appends the JSON document, indented, with a final newline. */
void report_json_write(const struct report_result *r, struct buf *out);

/* The same object as a value within another document. */
struct json_writer;
void report_json_put(struct json_writer *w, const struct report_result *r);

#endif
