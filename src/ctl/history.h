/* ctl/history.h - readings of GPUs over time, from exporters and Prometheus, joined to a world.
 *
 * No I/O.  A series says one thing (busy, memory, ...) of one GPU as one pod sees it; series of the
 * same GPU and time become one reading with its occupants.  Once a GPU is shared each pod has a
 * series with the whole GPU's values: these are not added up.  Series of MIG instances and of hosts
 * that are no node of the world are counted, not guessed at. */
#ifndef CTL_HISTORY_H
#define CTL_HISTORY_H

#include "ctl/world.h"
#include "net/prom.h"
#include "nvidia/dcgm.h"

enum {
    CTL_READINGS_MAX = 32000000,
    CTL_OCCUPANTS_MAX = 64, /* of one GPU at one time */
    CTL_PAST_PODS_MAX = 1000000,
};

/* A pod that a series named: alive now (pod is its row in the world), or gone. */
struct ctl_past_pod {
    struct str namespace, name;
    uint32_t pod; /* row, UINT32_MAX when it is gone */
    uint64_t uid, owner;
    uint32_t node, gpu; /* where it was seen last */
    int64_t first_wall_ns, last_wall_ns;
};

struct ctl_reading {
    int64_t wall_ns;
    uint32_t node; /* row in the world */
    uint8_t gpu;
    uint8_t valid; /* CORE_VALID_* */
    uint16_t busy_permille, sm_permille, dram_permille;
    uint32_t memory_used_mib;
    uint32_t pod; /* index of a past pod; UINT32_MAX: nobody was named */
};

struct ctl_history_skips {
    uint64_t no_node, no_gpu, instance, no_owner;
};

struct ctl_history {
    const struct ctl_world *w;    /* outlives the history */
    struct arena *a;              /* owned */
    struct ctl_reading *readings; /* after ctl_history_finish(): by time, node, GPU, pod */
    uint32_t count, cap;
    struct ctl_past_pod *pods;
    uint32_t pod_count, pod_cap;
    struct map_str pod_index;
    struct ctl_history_skips skipped; /* series that could not be joined, by why */
    uint64_t series;
};

struct ctl_history *ctl_history_new(const struct ctl_world *w);
struct ctl_history *ctl_history_free(struct ctl_history *h); /* NULL is accepted and returned */

/* The metrics that are asked of Prometheus, in this order; NULL-ended. */
extern const char *const ctl_history_metrics[];

/* A node's scrape, read at wall_ns; a series without a host is of node `node` (UINT32_MAX: none).
 * -E2BIG over the limit. */
int ctl_history_add_scrape(struct ctl_history *h, const struct nvidia_dcgm *scrape, uint32_t node,
        int64_t wall_ns, struct err *reterr);

/* An answer of Prometheus for `metric` (one of ctl_history_metrics). */
int ctl_history_add_prom(struct ctl_history *h, const char *metric, const struct net_prom *answer,
        struct err *reterr);

/* Sorts and joins; then the readings can be walked. */
void ctl_history_finish(struct ctl_history *h);

/* The readings of one GPU at one time, from *cursor on (0 at first); false at the end. */
struct ctl_gpu_reading {
    struct ctl_reading all; /* pod is UINT32_MAX */
    uint32_t occupant_count;
    uint32_t occupants[CTL_OCCUPANTS_MAX]; /* past pods */
};
bool ctl_history_next(
        const struct ctl_history *h, uint32_t *cursor, struct ctl_gpu_reading *ret_reading);

#endif
