/* usage/memory.c - counting memory peaks and their growth by age.
 *
 * Pure.  What is asked of the counts is in memory_reserve.c; the bins are shared in memory-priv.h.
 */
#include "usage/memory.h"

#include "base/num.h"
#include "usage/memory-priv.h"

#include <assert.h>
#include <string.h>

#define MINUTE_NS (60 * NUM_NS_PER_SECOND)

/* Ages, and after them the one that a pod must pass to count for the last. */
static const int64_t age_ns[USAGE_AGES + 1] = {5 * MINUTE_NS, 15 * MINUTE_NS, 30 * MINUTE_NS,
        60 * MINUTE_NS, 120 * MINUTE_NS, 240 * MINUTE_NS, 480 * MINUTE_NS, 960 * MINUTE_NS,
        1440 * MINUTE_NS, 2880 * MINUTE_NS};

enum { AGE_FLAT = 1, FLAT_PERCENT = 3 };

/* TUNING: about half an octave where GPUs' memories lie, coarser below 1 GiB (a reserve that is
 * 128 MiB too large costs nothing) and above 64 GiB. */
static const uint32_t growth_upper[USAGE_GROWTH_BINS] = {0, 64, 128, 256, 512, 1024, 1536, 2048,
        3072, 4096, 6144, 8192, 10240, 12288, 16384, 20480, 24576, 32768, 40960, 49152, 65536,
        98304, 196608, USAGE_MEMORY_MIB_MAX};

uint32_t usage_growth_upper(unsigned bin)
{
    assert(bin < USAGE_GROWTH_BINS);
    return growth_upper[bin];
}

unsigned usage_growth_bin_of(uint32_t mib)
{
    unsigned bin = 0;
    while (bin < USAGE_GROWTH_BINS - 1 && mib > growth_upper[bin])
        bin++;
    return bin;
}

uint32_t usage_peak_upper(unsigned bin)
{
    /* 2^(k/8) in units of 2^-20 */
    static const uint32_t eighths[8] = {
            1048576, 1143480, 1246974, 1359835, 1482910, 1617125, 1763488, 1923097};
    assert(bin < USAGE_PEAK_BINS);
    if (bin == USAGE_PEAK_BINS - 1)
        return USAGE_MEMORY_MIB_MAX;
    return (uint32_t)((uint64_t)eighths[bin % 8] << bin / 8 >> 11);
}

unsigned usage_peak_bin_of(uint32_t mib)
{
    unsigned bin = 0;
    while (bin < USAGE_PEAK_BINS - 1 && mib > usage_peak_upper(bin))
        bin++;
    return bin;
}

static uint32_t add_saturating(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* Adds `add` to each count; halves all, rounding up, when one would not fit. */
static void counts_add(uint16_t *counts, const uint16_t *add, unsigned bins)
{
    unsigned shift = 0;
    for (unsigned i = 0; i < bins; i++) {
        if ((uint32_t)counts[i] + add[i] > UINT16_MAX)
            shift = 1;
    }
    for (unsigned i = 0; i < bins; i++)
        counts[i] = (uint16_t)(((uint32_t)counts[i] + add[i] + shift) >> shift);
}

/* Moves a pod from the bin `*at` (+ 1; 0 = none) to `bin`; false when it is there. */
static bool counts_move(uint16_t *counts, unsigned bins, uint8_t *at, unsigned bin)
{
    assert(bin < bins);
    if (*at == bin + 1)
        return false;
    /* Halving may have taken the pod's own count away already. */
    if (*at != 0 && counts[*at - 1] > 0)
        counts[*at - 1]--;
    if (counts[bin] == UINT16_MAX) {
        for (unsigned i = 0; i < bins; i++)
            counts[i] = (uint16_t)(counts[i] / 2 + counts[i] % 2);
    }
    counts[bin]++;
    *at = (uint8_t)(bin + 1);
    return true;
}

static bool is_flat(const struct usage_memory_track *t)
{
    uint64_t first = t->first_mib;
    return first > 0 && (uint64_t)t->peak_mib * 100 <= first * (100 + FLAT_PERCENT) &&
           (uint64_t)t->now_mib * 100 >= first * (100 - FLAT_PERCENT);
}

static bool flat_update(struct usage_memory *m, struct usage_memory_track *t)
{
    if (t->ages_passed <= AGE_FLAT)
        return false;
    if (!t->aged) {
        t->aged = true;
        t->flat = is_flat(t);
        m->pods_aged = add_saturating(m->pods_aged, 1);
        m->pods_flat = add_saturating(m->pods_flat, t->flat ? 1 : 0);
        return true;
    }
    if (!t->flat || is_flat(t))
        return false;
    t->flat = false;
    m->pods_flat -= m->pods_flat > 0;
    return true;
}

/* A pod counts for an age once it passed the next one, if its peak at that age is known. */
static bool growth_update(struct usage_memory *m, struct usage_memory_track *t)
{
    bool moved = false;
    for (unsigned age = 0; age < t->ages_passed; age++) {
        if (t->peak_at_mib[age] == USAGE_PEAK_UNKNOWN || t->age_ns < age_ns[age + 1])
            continue;
        moved |= counts_move(m->growth[age], USAGE_GROWTH_BINS, &t->growth_bin[age],
                usage_growth_bin_of(t->peak_mib - t->peak_at_mib[age]));
    }
    return moved;
}

bool usage_memory_observe(
        struct usage_memory *m, struct usage_memory_track *t, int64_t age, uint32_t used_mib)
{
    bool first = !usage_track_read(t);
    uint32_t before = t->peak_mib;
    uint8_t passed = t->ages_passed;

    if (age < t->age_ns)
        return false;
    used_mib = num_min_u32(used_mib, USAGE_MEMORY_MIB_MAX);
    if (first)
        m->pods = add_saturating(m->pods, 1);
    if (t->first_mib == 0) /* until it took any memory a pod has not begun */
        t->first_mib = used_mib;
    t->now_mib = used_mib;
    t->peak_mib = num_max_u32(t->peak_mib, used_mib);
    t->age_ns = age;
    m->peak_max_mib = num_max_u32(m->peak_max_mib, t->peak_mib);
    (void)counts_move(m->peaks, USAGE_PEAK_BINS, &t->peak_bin, usage_peak_bin_of(t->peak_mib));

    /* An age that passed between two readings takes the peak of the earlier one: growth is then
     * seen too large rather than too small.  Before the first reading nothing is known. */
    while (t->ages_passed < USAGE_AGES && age >= age_ns[t->ages_passed]) {
        uint32_t peak = age == age_ns[t->ages_passed] ? t->peak_mib : before;
        bool known = !first || age == age_ns[t->ages_passed];
        t->peak_at_mib[t->ages_passed++] = known ? peak : USAGE_PEAK_UNKNOWN;
    }
    bool changed = first || t->peak_mib != before || t->ages_passed != passed;
    changed |= flat_update(m, t);
    changed |= growth_update(m, t);
    return changed;
}

void usage_memory_merge(struct usage_memory *m, const struct usage_memory *from)
{
    counts_add(m->peaks, from->peaks, USAGE_PEAK_BINS);
    for (unsigned age = 0; age < USAGE_AGES; age++)
        counts_add(m->growth[age], from->growth[age], USAGE_GROWTH_BINS);
    m->pods = add_saturating(m->pods, from->pods);
    m->pods_flat = add_saturating(m->pods_flat, from->pods_flat);
    m->pods_aged = add_saturating(m->pods_aged, from->pods_aged);
    m->peak_max_mib = num_max_u32(m->peak_max_mib, from->peak_max_mib);
}

uint32_t usage_memory_prealloc_permille(const struct usage_memory *m, uint32_t gpu_memory_mib)
{
    uint64_t all = 0;
    uint64_t large = 0;
    for (unsigned bin = 0; bin < USAGE_PEAK_BINS; bin++) {
        all += m->peaks[bin];
        if (usage_peak_upper(bin) >= gpu_memory_mib / 2)
            large += m->peaks[bin];
    }
    if (all == 0)
        return 0;
    /* One pod more in the divisor: a single flat pod is no proof.  The lesser of the two shares is
     * the most that can be both, which errs toward protecting the owner. */
    uint64_t flat_permille = (uint64_t)m->pods_flat * 1000 / ((uint64_t)m->pods_aged + 1);
    uint64_t large_permille = large * 1000 / all;
    return (uint32_t)(flat_permille < large_permille ? flat_permille : large_permille);
}
