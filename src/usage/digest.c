/* usage/digest.c - counting demand by hour and kind of day, and reading the counts back.
 *
 * Pure.  The binary and text forms are in digest_code.c. */
#include "usage/digest.h"

#include "base/num.h"

#include <assert.h>
#include <string.h>

/* TUNING: upper edges.  Of the GPUs in the traces most are below 10 % busy most of the time, so
 * half of the bins lie below 200; the last two keep "nearly full" apart from "full". */
static const uint16_t bin_upper[USAGE_BINS] = {
        0, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500, 650, 800, 950, 1000};

static const unsigned metric_valid[USAGE_METRIC_COUNT] = {
        [USAGE_METRIC_BUSY] = USAGE_VALID_BUSY,
        [USAGE_METRIC_SM] = USAGE_VALID_SM,
};

_Static_assert(USAGE_SLOTS <= 64, "a set of slots fits one word");

unsigned usage_bin_of(uint32_t permille)
{
    unsigned bin = 0;
    while (bin < USAGE_BINS - 1 && permille > bin_upper[bin])
        bin++;
    return bin;
}

uint32_t usage_bin_upper(unsigned bin)
{
    assert(bin < USAGE_BINS);
    return bin_upper[bin];
}

uint32_t usage_bin_middle(unsigned bin)
{
    assert(bin < USAGE_BINS);
    return bin == 0 ? 0 : ((uint32_t)bin_upper[bin - 1] + bin_upper[bin] + 1) / 2;
}

/* Whole hours since the epoch, toward the past. */
static int64_t hour_number(int64_t wall_ns)
{
    int64_t hour = wall_ns / NUM_NS_PER_HOUR;
    return wall_ns % NUM_NS_PER_HOUR < 0 ? hour - 1 : hour;
}

static unsigned slot_of_hour(int64_t hour)
{
    unsigned of_day = (unsigned)((hour % USAGE_HOURS + USAGE_HOURS) % USAGE_HOURS);
    int64_t day = (hour - of_day) / USAGE_HOURS;
    int64_t weekday = ((day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; 0 = Sunday */
    bool weekend = weekday == 0 || weekday == 6;
    return of_day + (weekend ? USAGE_HOURS : 0);
}

unsigned usage_slot_of(int64_t wall_ns)
{
    return slot_of_hour(hour_number(wall_ns));
}

static void halve(uint16_t *counts)
{
    for (unsigned bin = 0; bin < USAGE_BINS; bin++)
        counts[bin] = (uint16_t)(counts[bin] / 2 + counts[bin] % 2);
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool is_empty(const struct usage_digest *d)
{
    for (unsigned m = 0; m < USAGE_METRIC_COUNT; m++) {
        if (d->weight[m] > 0)
            return false;
    }
    return true;
}

static void widen(struct usage_digest *d, int64_t first_wall_ns, int64_t last_wall_ns)
{
    bool empty = is_empty(d);
    d->first_wall_ns = empty ? first_wall_ns : num_min_i64(d->first_wall_ns, first_wall_ns);
    d->last_wall_ns = empty ? last_wall_ns : num_max_i64(d->last_wall_ns, last_wall_ns);
}

void usage_digest_add(struct usage_digest *d, const struct usage_sample *s)
{
    const uint32_t permille[USAGE_METRIC_COUNT] = {
            [USAGE_METRIC_BUSY] = s->busy_permille,
            [USAGE_METRIC_SM] = s->sm_permille,
    };

    assert(s->weight <= USAGE_WEIGHT_MAX);
    if (s->weight == 0 || !(s->valid & (USAGE_VALID_BUSY | USAGE_VALID_SM)))
        return;
    widen(d, s->wall_ns, s->wall_ns);
    for (unsigned m = 0; m < USAGE_METRIC_COUNT; m++) {
        if (!(s->valid & metric_valid[m]))
            continue;
        uint16_t *counts = d->counts[m][usage_slot_of(s->wall_ns)];
        unsigned bin = usage_bin_of(permille[m]);
        if (counts[bin] + s->weight > UINT16_MAX)
            halve(counts);
        counts[bin] = (uint16_t)(counts[bin] + s->weight);
        d->weight[m] = add_saturating(d->weight[m], s->weight);
    }
}

static void slot_merge(uint16_t *counts, const uint16_t *from)
{
    uint32_t sums[USAGE_BINS];
    unsigned shift = 0;
    for (unsigned bin = 0; bin < USAGE_BINS; bin++) {
        sums[bin] = (uint32_t)counts[bin] + from[bin];
        if (sums[bin] > UINT16_MAX)
            shift = 1;
    }
    for (unsigned bin = 0; bin < USAGE_BINS; bin++)
        counts[bin] = (uint16_t)((sums[bin] + shift) >> shift);
}

void usage_digest_merge(struct usage_digest *d, const struct usage_digest *from)
{
    if (!is_empty(from))
        widen(d, from->first_wall_ns, from->last_wall_ns);
    for (unsigned m = 0; m < USAGE_METRIC_COUNT; m++) {
        for (unsigned slot = 0; slot < USAGE_SLOTS; slot++)
            slot_merge(d->counts[m][slot], from->counts[m][slot]);
        d->weight[m] = add_saturating(d->weight[m], from->weight[m]);
    }
    usage_memory_merge(&d->memory, &from->memory);
}

/* The sum over the slots of a set (bit s = slot s). */
static void slots_sum(const struct usage_digest *d, enum usage_metric m, uint64_t slots,
        struct usage_histogram *ret_histogram)
{
    struct usage_histogram h = {.total = 0};
    assert((unsigned)m < USAGE_METRIC_COUNT);
    for (unsigned slot = 0; slot < USAGE_SLOTS; slot++) {
        if (!(slots >> slot & 1))
            continue;
        for (unsigned bin = 0; bin < USAGE_BINS; bin++) {
            h.counts[bin] += d->counts[m][slot][bin];
            h.total += d->counts[m][slot][bin];
        }
    }
    *ret_histogram = h;
}

/* The same hours on both kinds of day. */
static uint64_t both_kinds(uint64_t slots)
{
    uint64_t hours = (slots | slots >> USAGE_HOURS) & ((UINT64_C(1) << USAGE_HOURS) - 1);
    return hours | hours << USAGE_HOURS;
}

void usage_digest_slot(const struct usage_digest *d, enum usage_metric m, unsigned slot,
        struct usage_histogram *ret_histogram)
{
    assert(slot < USAGE_SLOTS);
    slots_sum(d, m, UINT64_C(1) << slot, ret_histogram);
}

void usage_digest_hour(const struct usage_digest *d, enum usage_metric m, unsigned hour,
        struct usage_histogram *ret_histogram)
{
    assert(hour < USAGE_HOURS);
    slots_sum(d, m, both_kinds(UINT64_C(1) << hour), ret_histogram);
}

void usage_digest_all(
        const struct usage_digest *d, enum usage_metric m, struct usage_histogram *ret_histogram)
{
    slots_sum(d, m, (UINT64_C(1) << USAGE_SLOTS) - 1, ret_histogram);
}

void usage_digest_ahead(const struct usage_digest *d, enum usage_metric m, int64_t wall_ns,
        int64_t duration_ns, uint64_t least, struct usage_histogram *ret_histogram)
{
    const int64_t week_ns = 7 * USAGE_HOURS * NUM_NS_PER_HOUR;
    int64_t last_ns;
    uint64_t slots = 0;

    duration_ns = num_min_i64(duration_ns, week_ns);
    if (!num_add_i64(wall_ns, num_max_i64(duration_ns, 1) - 1, &last_ns))
        last_ns = INT64_MAX;
    int64_t last = hour_number(last_ns);
    for (int64_t hour = hour_number(wall_ns); hour <= last; hour++)
        slots |= UINT64_C(1) << slot_of_hour(hour);

    slots_sum(d, m, slots, ret_histogram);
    if (ret_histogram->total == 0 || ret_histogram->total < least)
        slots_sum(d, m, both_kinds(slots), ret_histogram);
    if (ret_histogram->total == 0 || ret_histogram->total < least)
        usage_digest_all(d, m, ret_histogram);
}

uint32_t usage_histogram_quantile(const struct usage_histogram *h, uint32_t permille)
{
    unsigned __int128 seen = 0;
    assert(permille <= 1000);
    if (h->total == 0)
        return 0;
    for (unsigned bin = 0; bin < USAGE_BINS - 1; bin++) {
        seen += h->counts[bin];
        if (seen * 1000 >= (unsigned __int128)h->total * permille)
            return bin_upper[bin];
    }
    return bin_upper[USAGE_BINS - 1];
}

uint32_t usage_histogram_mean(const struct usage_histogram *h)
{
    unsigned __int128 sum = 0;
    if (h->total == 0)
        return 0;
    for (unsigned bin = 0; bin < USAGE_BINS; bin++)
        sum += (unsigned __int128)h->counts[bin] * usage_bin_middle(bin);
    return (uint32_t)((sum + h->total - 1) / h->total);
}
