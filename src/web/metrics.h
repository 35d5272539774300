/* web/metrics.h - the Prometheus text format (0.0.4): families, samples, escaping.  Pure. */
#ifndef WEB_METRICS_H
#define WEB_METRICS_H

#include "base/buf.h"

#define WEB_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct web_metrics {
    struct buf *out;
    const char *family;
    unsigned type; /* private: enum web_metric */
};

enum web_metric { WEB_GAUGE, WEB_COUNTER, WEB_HISTOGRAM };

/* Begins a family: HELP and TYPE lines.  Names are static and legal (asserted): of counters they
 * end in "_total". */
void web_metrics_family(
        struct web_metrics *m, enum web_metric type, const char *name, const char *help);

/* A sample of the gauge or counter begun last.  labels: NULL-ended key, value, key, value ..., or
 * NULL; value_fixed with `decimals` digits after the point: no floating point. */
void web_metrics_sample(
        struct web_metrics *m, const char *const *labels, int64_t value_fixed, unsigned decimals);

enum { WEB_BUCKETS_MAX = 32 };

/* What was counted, with bounds and sum in units of 10^-decimals. */
struct web_histogram {
    unsigned decimals;
    unsigned bucket_count;
    const int64_t *bounds;  /* of the buckets, rising; inclusive */
    const uint64_t *counts; /* bucket_count + 1: of each bucket alone, the last one above all */
    int64_t sum;
};

/* Buckets (cumulative, as the format has them), sum and count of the histogram begun last. */
void web_metrics_histogram(
        struct web_metrics *m, const char *const *labels, const struct web_histogram *h);

#endif
