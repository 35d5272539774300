/* usage/memory-priv.h - the bins of the memory sketch, for memory.c and memory_reserve.c. */
#ifndef USAGE_MEMORY_PRIV_H
#define USAGE_MEMORY_PRIV_H

#include "usage/memory.h"

/* In usage_memory_track.peak_at_mib: the pod was not watched when it passed that age. */
#define USAGE_PEAK_UNKNOWN UINT32_MAX

/* Bin b holds (upper(b - 1), upper(b)] MiB; the last bin's upper edge is USAGE_MEMORY_MIB_MAX. */
uint32_t usage_growth_upper(unsigned bin);
unsigned usage_growth_bin_of(uint32_t mib);
uint32_t usage_peak_upper(unsigned bin);
unsigned usage_peak_bin_of(uint32_t mib);

/* Whether the pod was ever sampled. */
static inline bool usage_track_read(const struct usage_memory_track *t)
{
    return t->peak_bin != 0;
}

#endif
