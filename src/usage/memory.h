/* usage/memory.h - memory peaks of an owner's pods and how they grow with age.
 *
 * Pure.  A pod's future peak is learned from its siblings: a pod of age a has peak p; siblings that
 * are older had, at that age, peaks that grew by g since.  So its reserve at quantile q is
 * p + quantile(g, q), and never less than p; what the pod itself grew since the last age that it
 * passed is compared with those siblings that grew at least as much, and not added twice.  A pod
 * that was not yet sampled gets the quantile of its siblings' peaks (first sight).  Integer MiB;
 * every answer rounds up to a bin edge. */
#ifndef USAGE_MEMORY_H
#define USAGE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    USAGE_AGES = 9, /* 5m 15m 30m 1h 2h 4h 8h 16h 24h: growth since that age */
    USAGE_GROWTH_BINS = 24,
    USAGE_PEAK_BINS = 72, /* 8 an octave from 512 MiB: an answer is at most 9 % too large */
    USAGE_MEMORY_MIB_MAX = 1 << 20,
    USAGE_RISK_CELLS =
            256, /* of usage_memory_risk_ppm(): each growth is rounded up to one of them */
    USAGE_MEMORY_PEERS_MIN = 3, /* fewer siblings than that say nothing about a quantile */
};

/* Zero-initialise.  Part of usage_digest; merged by addition. */
struct usage_memory {
    /* Siblings by their final (or so far highest) peak. */
    uint16_t peaks[USAGE_PEAK_BINS];
    /* growth[i]: siblings that passed age i and the age after it (48h for the last), by what their
     * peak grew since age i.  Pods still alive are counted with what they grew so far; pods first
     * seen after age i are not counted. */
    uint16_t growth[USAGE_AGES][USAGE_GROWTH_BINS];
    uint32_t pods;      /* siblings that were sampled */
    uint32_t pods_flat; /* of them, past 15 minutes and within 3 % of their first reading */
    uint32_t pods_aged; /* of them, past 15 minutes */
    uint32_t peak_max_mib;
};

/* One pod's own track: kept by the caller for as long as the pod lives (no need to persist; after a
 * restart the pod counts as a new sibling).  Zero-initialise. */
struct usage_memory_track {
    uint32_t first_mib, now_mib, peak_mib;
    int64_t age_ns;                   /* of the last reading */
    uint32_t peak_at_mib[USAGE_AGES]; /* peak when that age was passed; UINT32_MAX = not watched */
    uint8_t ages_passed;
    uint8_t growth_bin[USAGE_AGES]; /* what it is counted as, + 1; 0 = not counted */
    uint8_t peak_bin;               /* + 1; 0 = not counted */
    bool flat, aged;                /* how it is counted in pods_flat and pods_aged */
};

/* Takes a reading of `used_mib` at `age_ns` since the pod's container started and moves the pod's
 * counts in `m` along.  Readings must come in order of age; an older one is ignored.
 *
 * Returns true when an answer about the owner or the pod may now differ; most readings change
 * nothing, so answers can be kept. */
bool usage_memory_observe(
        struct usage_memory *m, struct usage_memory_track *t, int64_t age_ns, uint32_t used_mib);

void usage_memory_merge(struct usage_memory *m, const struct usage_memory *from);

/* How an answer came about: weaker ones come later. */
enum usage_basis {
    USAGE_BASIS_SIBLINGS, /* siblings older than this pod */
    USAGE_BASIS_YOUNGER,  /* growth since a younger age: none of the siblings is old enough; or
                             siblings' peaks plus `own_growth_permille`: none is past 15 minutes */
    USAGE_BASIS_OWN,      /* no siblings: own peak plus `own_growth_permille` */
    USAGE_BASIS_DECLARED, /* nothing seen: what was declared */
    USAGE_BASIS_NONE      /* nothing known: the whole GPU */
};

struct usage_reserve_query {
    const struct usage_memory_track *track; /* NULL, or without a reading: not sampled yet */
    uint32_t quantile_permille;             /* 500..1000; 1000 = the largest sibling */
    uint32_t declared_mib;        /* 0 = not declared; a floor only where nothing is seen */
    bool preallocates;            /* what is seen is a reservation: the reserve is the larger of
                                     declared and peak */
    uint32_t own_growth_permille; /* added to the own peak without siblings: all of it for a new
                                     pod, by a tenth less for each age passed */
};

struct usage_reserve {
    uint32_t mib;      /* USAGE_MEMORY_MIB_MAX when basis is NONE */
    uint32_t siblings; /* that the answer rests on */
    enum usage_basis basis;
};

/* The memory to keep for a pod. */
struct usage_reserve usage_memory_reserve(
        const struct usage_memory *m, const struct usage_reserve_query *q);

/* One pod of a set that shares a GPU. */
struct usage_memory_member {
    const struct usage_memory *owner;       /* its siblings */
    const struct usage_memory_track *track; /* NULL: not sampled yet */
    uint32_t floor_mib; /* what it needs at least when siblings say nothing; 0 and no track = the
                           whole GPU */
    uint32_t unripe_growth_permille; /* added to what siblings say while none of them is old: older
                                        than this pod, or past four hours for one not sampled */
};

/* The chance (ppm, rounded up) that the future peaks of the `count` members, drawn independently
 * from their siblings' growth, add up to more than `limit_mib`.  Unknown members count as certain
 * to need floor_mib, or as 1,000,000 ppm without one.  Cost: O(count * cells * bins). */
uint32_t usage_memory_risk_ppm(
        const struct usage_memory_member *members, uint32_t count, uint32_t limit_mib);

/* 0..1000: how sure it is that the owner's pods take their memory at start and keep it (vLLM,
 * TensorFlow): flat from the first reading and at least half of the GPU's memory. */
uint32_t usage_memory_prealloc_permille(const struct usage_memory *m, uint32_t gpu_memory_mib);

#endif
