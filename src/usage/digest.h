/* usage/digest.h - what an owner's pods used over time, in at most 4 KiB.
 *
 * Pure.  Count sketches: for each hour of a weekday or weekend day (48 slots, UTC) a histogram of
 * 16 bins of busy time and one of SM activity, both of one pod's own demand (permille of one GPU).
 * Replicas of an owner share one digest: what one pod showed, its siblings are expected to do.
 * Beside them the memory sketch of usage/memory.h.  Digests merge by addition.
 *
 * Counts are u16.  A slot in which a bin would pass 65535 is halved as a whole (rounding up, so a
 * rare peak is never forgotten), which weighs recent readings more.  Merging is commutative always
 * and associative as long as no slot is halved.  */
#ifndef USAGE_DIGEST_H
#define USAGE_DIGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "usage/memory.h"

enum {
    USAGE_BINS = 16,
    USAGE_HOURS = 24,
    USAGE_SLOTS = 2 * USAGE_HOURS, /* 0..23: Monday to Friday; 24..47: Saturday and Sunday */
    USAGE_DIGEST_BYTES_MAX = 4096, /* of the binary form */
    USAGE_DIGEST_TEXT_MAX = 5464,  /* of the base64 form */
    USAGE_WEIGHT_MAX = 1024,
};

enum usage_metric { USAGE_METRIC_BUSY, USAGE_METRIC_SM, USAGE_METRIC_COUNT };

/* Which of a sample's readings are known; a reading that is not known is not 0. */
enum { USAGE_VALID_BUSY = 1, USAGE_VALID_SM = 2 };

/* Zero-initialise for an owner of whom nothing is known.  Plain data: may be copied. */
struct usage_digest {
    uint16_t counts[USAGE_METRIC_COUNT][USAGE_SLOTS][USAGE_BINS];
    int64_t first_wall_ns, last_wall_ns; /* of the samples taken in; both 0 when there is none */
    uint64_t weight[USAGE_METRIC_COUNT]; /* sum of all weights ever added: not halved */
    struct usage_memory memory;
};

/* A histogram without its time: what a query answers. */
struct usage_histogram {
    uint64_t counts[USAGE_BINS];
    uint64_t total;
};

/* Bin b holds demands in (upper(b - 1), upper(b)]; bin 0 holds exactly 0.  Small values get most of
 * the bins, since most GPUs idle: 0 10 20 35 50 75 100 150 200 300 400 500 650 800 950 1000. */
unsigned usage_bin_of(uint32_t permille); /* above 1000 counts as 1000 */
uint32_t usage_bin_upper(unsigned bin);
uint32_t usage_bin_middle(unsigned bin); /* halfway, rounded up */

/* The slot of an instant (UTC). */
unsigned usage_slot_of(int64_t wall_ns);

struct usage_sample {
    int64_t wall_ns;
    uint32_t busy_permille, sm_permille; /* of one GPU, of this pod alone */
    unsigned valid;                      /* USAGE_VALID_* */
    uint32_t weight; /* 1..USAGE_WEIGHT_MAX; 1 a reading, or the minutes that it stands for */
};

/* Takes one reading of one pod in.  A reading with weight 0 or nothing valid is ignored. */
void usage_digest_add(struct usage_digest *d, const struct usage_sample *s);

/* Adds `from` to `d`: as if d had seen both (up to halving). */
void usage_digest_merge(struct usage_digest *d, const struct usage_digest *from);

/* The histogram of one slot, of an hour of the day (weekdays and weekends), or of everything. */
void usage_digest_slot(const struct usage_digest *d, enum usage_metric m, unsigned slot,
        struct usage_histogram *ret_histogram);
void usage_digest_hour(const struct usage_digest *d, enum usage_metric m, unsigned hour,
        struct usage_histogram *ret_histogram);
void usage_digest_all(
        const struct usage_digest *d, enum usage_metric m, struct usage_histogram *ret_histogram);

/* What is expected from `wall_ns` for `duration_ns` (capped at a week): the slots that the time
 * touches.  Falls back to the hours of the day, then to everything, when these slots hold fewer
 * than `least` counts.  ret_histogram->total is 0 when nothing is known. */
void usage_digest_ahead(const struct usage_digest *d, enum usage_metric m, int64_t wall_ns,
        int64_t duration_ns, uint64_t least, struct usage_histogram *ret_histogram);

/* The least bin upper edge that at least `permille` of the counts do not pass; 0 when empty.
 * Exact quantile q of the samples: edge(bin(q) - 1) < q <= the answer. */
uint32_t usage_histogram_quantile(const struct usage_histogram *h, uint32_t permille);

/* Mean demand by bin middles, permille; 0 when empty. */
uint32_t usage_histogram_mean(const struct usage_histogram *h);

/* Binary form: canonical (one digest, one byte string), versioned, at most USAGE_DIGEST_BYTES_MAX.
 * Appended to `out`. */
void usage_digest_encode(const struct usage_digest *d, struct buf *out);

/* Returns 0; -EINVAL with one line on anything that usage_digest_encode() does not write
 * (wrong magic, length, checksum, or not canonical); -ENOTSUP on another version. */
int usage_digest_decode(struct str bytes, struct usage_digest *ret_digest, struct err *reterr);

/* The same as base64 (RFC 4648, padded), for a ConfigMap or an annotation. */
void usage_digest_format(const struct usage_digest *d, struct buf *out);
int usage_digest_parse(struct str text, struct usage_digest *ret_digest, struct err *reterr);

#endif
