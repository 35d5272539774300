/* web/metrics.h - the Prometheus text format (0.0.4): families, samples, escaping.  Pure. */
#ifndef WEB_METRICS_H
#define WEB_METRICS_H

#include "base/buf.h"

struct web_metrics {
    struct buf *out;
    const char *family;
};

enum web_metric { WEB_GAUGE, WEB_COUNTER, WEB_HISTOGRAM };

/* Begins a family: HELP and TYPE lines.  Names are static and legal (asserted). */
void web_metrics_family(
        struct web_metrics *m, enum web_metric type, const char *name, const char *help);

/* A sample of the family begun last.  labels: NULL-ended key, value, key, value ...; value_fixed
 * with `decimals` digits after the point: no floating point. */
void web_metrics_sample(
        struct web_metrics *m, const char *const *labels, int64_t value_fixed, unsigned decimals);

#endif
