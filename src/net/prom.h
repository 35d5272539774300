/* net/prom.h - Prometheus' query API: URLs and answers.  Pure but for the memory of the arena.
 *
 * Values are kept as scaled integers (thousandths); a sample that is NaN, infinite or out of range
 * is not valid, never 0.  Answers are bounded: -E2BIG over a limit. */
#ifndef NET_PROM_H
#define NET_PROM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    NET_PROM_BYTES_MAX = 256 << 20,
    NET_PROM_SERIES_MAX = 1 << 18,
    NET_PROM_LABELS_MAX = 64,
    NET_PROM_SAMPLES_MAX = 1 << 24,
};

struct net_prom_label {
    struct str name, value;
};

struct net_prom_sample {
    int64_t wall_ns;
    int64_t value_milli;
    bool valid;
};

struct net_prom_series {
    uint32_t label_count;
    const struct net_prom_label *labels;   /* sorted by name */
    uint32_t sample_count;                 /* 1 for an instant query */
    const struct net_prom_sample *samples; /* rising time */
};

struct net_prom {
    uint32_t count;
    const struct net_prom_series *series;
    /* What the server says beside a result that it gives: parts of it may be missing. */
    uint32_t warning_count;
    const struct str *warnings;
};

/* "" when the series has no such label. */
struct str net_prom_label_get(const struct net_prom_series *s, const char *name);

/* Appends "BASE/api/v1/query?query=...&time=..." (wall_ns 0 = now), or query_range with start, end
 * and step.  base: as the user gave it, with or without a slash at its end. */
void net_prom_query_url(struct buf *url, struct str base, struct str query, int64_t wall_ns);
struct net_prom_range {
    int64_t start_wall_ns, end_wall_ns, step_ns;
};
void net_prom_range_url(
        struct buf *url, struct str base, struct str query, const struct net_prom_range *range);

/* Parses the answer of either (result types vector, matrix; a scalar is one series without labels).
 * Views lie in `a`.  An answer of status "error" is -EREMOTEIO with its errorType and error;
 * -EMSGSIZE when it is that too much was asked for at once (points, samples, time): asked for less,
 * the same server may answer. */
int net_prom_parse(
        struct arena *a, struct str text, struct net_prom *ret_result, struct err *reterr);

#endif
