/* sim/service.h - demand of the replicas of a production service, from a table of statistics.
 *
 * Pure.  A service has kinds of pods.  Each minute a pod is on or off: its chance follows the half
 * hour of the day (load balanced: all pods of a kind alike) and a wave that they share.  Memory
 * changes with what is asked: a request takes small or large memory, a caching allocator keeps what
 * the last one took, and large requests come in rows.  Pods that come later are of the first kind.
 *
 * What decides how much sharing saves are the rare large sizes and when they first come, so these
 * are not left to chance: the share of a kind among the pods, the number of large requests and the
 * spread of their sizes are drawn evenly (each seed has the whole distribution); which pod meets
 * one, and when within the half hour, is random.
 *
 * Numbers: src/sim/service_data.c, found by tools/fit-service; how good they are: bench/fit. */
#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "base/prng.h"

enum {
    SIM_SERVICE_KINDS_MAX = 4,
    SIM_SERVICE_HALVES = 48,
    SIM_SERVICE_LEVELS = 14,
    SIM_SERVICE_SMALLS = 11,
    SIM_SERVICE_LARGES = 8
};

/* A half hour of the day; permille. */
struct sim_service_half {
    uint16_t on;       /* share of the minutes that are on */
    uint16_t large;    /* chance that memory which changes from small becomes large */
    uint16_t from, to; /* the part of large_mib that is drawn then */
};

/* Chance of a change, permille: with no traffic, and with kinds[0] as busy as it gets; straight
 * between the two. */
struct sim_service_chance {
    uint16_t quiet, busy;
};

/* Tables are quantiles at the places that service.c lists; MiB and permille. */
struct sim_service_kind {
    uint32_t weight;          /* of all pods, permille */
    uint32_t sticky_permille; /* how much likelier an on minute is after one */
    uint32_t wave_permille;   /* spread of the shared wave: of the logarithm of the odds */
    uint32_t begin_mib[2];    /* memory of pods that are there at the start; 0, 0 = at rest */
    uint32_t settled_mib;     /* from here on memory changes rarely, and only with traffic */
    uint32_t large_from_mib;
    uint32_t move_permille; /* chance that an on minute changes memory, below settled */
    struct sim_service_chance settled_move; /* the same when settled */
    struct sim_service_chance settled_rest; /* the same at the end of a run of on minutes */
    struct sim_service_chance large_move;   /* at a large size */
    uint32_t again_permille;                /* that it is large again then */
    uint32_t level[SIM_SERVICE_LEVELS];     /* busy permille of on minutes */
    uint32_t small_mib[SIM_SERVICE_SMALLS], rest_mib[SIM_SERVICE_SMALLS];
    uint32_t large_mib[SIM_SERVICE_LARGES], again_mib[SIM_SERVICE_LARGES];
    struct sim_service_half halves[SIM_SERVICE_HALVES];
};

struct sim_service {
    uint32_t fresh_mib; /* of a pod that starts later: loaded, not yet asked */
    uint32_t kind_count;
    struct sim_service_kind kinds[SIM_SERVICE_KINDS_MAX]; /* kinds[0] is the traffic */
};

extern const struct sim_service sim_service_images;

/* How the service of one owner differs from that of the table; permille of the table's values. */
struct sim_service_scale {
    uint32_t on_permille;     /* share of on minutes */
    uint32_t busy_permille;   /* busy time of an on minute; none gets past 1000 */
    uint32_t memory_permille; /* of what a request takes */
    uint32_t base_mib;        /* memory beside that, always held */
    uint32_t day_hour;        /* UTC hour at which the table's day begins, 0..23 */
};

/* Load at one minute: the half hour of the table's day, 0..47, and the share of its on minutes. */
struct sim_service_load {
    uint32_t half, on_permille;
};

/* What the pods of a kind share; zero-initialise. */
struct sim_service_shared {
    bool begun;
    double wave;       /* about 0 */
    double large_due;  /* large requests that are owed, 0..1 */
    double size_at[2]; /* where the even draws of large_mib and again_mib stand, 0..1 */
};

struct sim_service_pod {
    uint32_t kind;
    bool on;
    uint32_t busy_permille, memory_mib;
};

/* What a pod of that scale holds where the table says `table_mib`. */
uint32_t sim_service_memory(const struct sim_service_scale *scale, uint32_t table_mib);

/* A new pod, the `ordinal`-th of its owner; `first` when the owner begins with it. */
void sim_service_begin(const struct sim_service *s, uint32_t ordinal, bool first, struct prng *rng,
        struct sim_service_pod *ret_pod);

/* Moves what kind `kind` shares by a minute. */
void sim_service_tick_shared(const struct sim_service *s, uint32_t kind, struct prng *rng,
        struct sim_service_shared *shared);

/* Moves a pod by a minute of `load`.  What it holds and how busy it is are the table's: scaling
 * them is the caller's. */
void sim_service_tick(const struct sim_service *s, struct sim_service_load load,
        struct sim_service_shared *shared, struct prng *rng, struct sim_service_pod *pod);

#endif
