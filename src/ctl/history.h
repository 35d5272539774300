/* ctl/history.h - readings of GPUs over time, from exporters and Prometheus, joined to a world.
 *
 * No I/O.  A series says one thing (busy, memory, ...) of one GPU, or of one MIG instance on it, as
 * one pod sees it; series of the same device and time become one reading with its occupants.  Once
 * a GPU is shared each pod has a series with the whole GPU's values: these are not added up.
 *
 * Of an instance the exporter says GPU, profile and id, not where it lies.  Which instance of a
 * layout it is does not matter to anybody, so the instances seen together on a GPU get the starts
 * that a layout of these profiles can have, by rising id.  Where there is none (a profile that the
 * model has not, instances of two layouts within one step) they are counted as not joined, as are
 * series of hosts that are no node of the world: nothing is guessed. */
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
    uint32_t node, gpu, start; /* where it was seen last, after ctl_history_finish() */
    int64_t first_wall_ns, last_wall_ns;
};

struct ctl_reading {
    int64_t wall_ns;
    uint32_t node; /* row in the world */
    uint8_t gpu;
    uint8_t start;    /* first MIG unit, known after ctl_history_finish(); UINT8_MAX = whole GPU */
    uint8_t profile;  /* of the instance, in the catalog of the node's GPU; UINT8_MAX = whole GPU */
    uint8_t instance; /* its id as the exporter says it; UINT8_MAX = whole GPU */
    uint8_t valid;    /* CORE_VALID_* */
    uint16_t busy_permille, sm_permille, dram_permille;
    uint32_t memory_used_mib;
    uint32_t pod; /* index of a past pod; UINT32_MAX: nobody was named */
};

struct ctl_history_skips {
    uint64_t no_node, no_gpu, no_owner; /* series */
    uint64_t instance;                  /* series of instances of a profile or id that is unknown */
    uint64_t no_layout;                 /* readings of instances that cannot be there together */
};

struct ctl_history {
    const struct ctl_world *w;    /* outlives the history */
    struct arena *a;              /* owned */
    struct ctl_reading *readings; /* after ctl_history_finish(): by time, node, GPU, device, pod */
    uint32_t count, cap;
    struct ctl_past_pod *pods;
    uint32_t pod_count, pod_cap;
    struct map_str pod_index;
    struct map_str exporter_index;    /* "namespace/name" and address of an exporter -> node row */
    struct ctl_history_skips skipped; /* what could not be joined, by why */
    uint64_t series;
};

struct ctl_history *ctl_history_new(const struct ctl_world *w);
struct ctl_history *ctl_history_free(struct ctl_history *h); /* NULL is accepted and returned */

/* The metrics that are asked of Prometheus, in this order; NULL-ended.  The one on memory is number
 * CTL_HISTORY_MEMORY. */
extern const char *const ctl_history_metrics[];
enum { CTL_HISTORY_MEMORY = 1 };

/* The labels that are read of a series, NULL-ended. */
extern const char *const ctl_history_labels[];

/* A node's scrape, read at wall_ns; a series without a host is of node `node` (UINT32_MAX: none).
 * -E2BIG over the limit. */
int ctl_history_add_scrape(struct ctl_history *h, const struct nvidia_dcgm *scrape, uint32_t node,
        int64_t wall_ns, struct err *reterr);

/* An answer of Prometheus for `metric` (one of ctl_history_metrics). */
int ctl_history_add_prom(struct ctl_history *h, const char *metric, const struct net_prom *answer,
        struct err *reterr);

/* Drops what was read of [from, to]: something needed to judge that time is not known.  Before
 * ctl_history_finish(). */
void ctl_history_forget(struct ctl_history *h, int64_t from_wall_ns, int64_t to_wall_ns);

/* Sorts and joins; then the readings can be walked.  What comes out is the same in whatever order
 * the series came. */
void ctl_history_finish(struct ctl_history *h);

/* The readings of one GPU or instance at one time, from *cursor on (0 at first); false at the end.
 */
struct ctl_gpu_reading {
    struct ctl_reading all; /* pod is UINT32_MAX */
    uint32_t occupant_count;
    uint32_t occupants[CTL_OCCUPANTS_MAX]; /* past pods */
};
bool ctl_history_next(
        const struct ctl_history *h, uint32_t *cursor, struct ctl_gpu_reading *ret_reading);

/* The same as the core is told it; the occupants, as uids, are the caller's to add. */
struct core_sample_fact ctl_history_sample(
        const struct ctl_history *h, const struct ctl_gpu_reading *g);

#endif
