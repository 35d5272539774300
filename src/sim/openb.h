/* sim/openb.h - reading the openb traces: GPU nodes, pod lists, arrival orders.
 *
 * Pure: parses bytes that the caller read.  Strict: every fault is one line naming line, column,
 * value and what was expected.
 * Source: Alibaba clusterdata "GPU v2023" (openb), used by Weng et al., USENIX ATC'23. */
#ifndef SIM_OPENB_H
#define SIM_OPENB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SIM_OPENB_NODES_MAX = 100000,
    SIM_OPENB_PODS_MAX = 1000000,
    SIM_OPENB_GPUS_MAX = 16, /* of a node, and of a pod */
    SIM_OPENB_MODELS = 8,
};

/* A GPU model as the trace names it.  Some are masked: their real name and memory are not public.
 * These are no rows of the GPU table (model/gpu.h): openb calls several cards by one name. */
struct sim_openb_model {
    const char *name;
    uint32_t memory_mib; /* 0 = masked */
};

/* The models of the trace, in a fixed order; a number into it is a `model` below. */
extern const struct sim_openb_model sim_openb_models[SIM_OPENB_MODELS];

/* Text is views into the input, which must outlive the result. */
struct sim_openb_node {
    struct str name;
    uint32_t cpu_milli, memory_mib;
    uint8_t gpus;
    uint8_t model; /* 0 when gpus is 0 */
};

struct sim_openb_nodes {
    const struct sim_openb_node *rows; /* in file order */
    uint32_t count;
    uint64_t gpu_milli; /* capacity: 1000 x GPUs */
};

/* Columns sn, cpu_milli, memory_mib, gpu, model.  -EINVAL on a bad row, an unknown model, a name
 * used twice, no rows; -E2BIG over the limits. */
int sim_openb_nodes_parse(
        struct arena *a, struct str csv, struct sim_openb_nodes *ret_nodes, struct err *reterr);

struct sim_openb_pod {
    struct str name;
    uint32_t cpu_milli, memory_mib;
    uint8_t gpus;
    uint16_t gpu_milli;           /* of each GPU: 1..1000 with one GPU, 1000 with more, 0 without */
    uint32_t models;              /* bit m: model m allowed; 0 = any */
    struct str qos;               /* "LS", "BE", ...; "" when the list has no such column */
    bool times_known;             /* the list has the columns below, and this row's are not empty */
    int64_t created_s, deleted_s; /* seconds from the start of the trace */
};

struct sim_openb_pods {
    const struct sim_openb_pod *rows; /* in file order */
    uint32_t count;
    uint64_t gpu_milli; /* asked for in all */
};

/* Columns name, cpu_milli, memory_mib, num_gpu, gpu_milli, and, where the list has them, gpu_spec
 * (models joined by '|'), qos, creation_time, deletion_time.  Codes as above. */
int sim_openb_pods_parse(
        struct arena *a, struct str csv, struct sim_openb_pods *ret_pods, struct err *reterr);

/* An order in which the pods of a list arrive, some more than once. */
struct sim_openb_order {
    const uint32_t *pods; /* row numbers of the list */
    uint32_t count;
    uint64_t gpu_milli;
    /* What the file says of the published run, else NULL: the node (number in `nodes`) that was
     * chosen for each arrival (UINT32_MAX = dropped), and by node its place in the order of ties
     * (UINT32_MAX = not said). */
    const uint32_t *node_chosen;
    const uint32_t *node_rank;
};

struct sim_openb_cluster {
    const struct sim_openb_nodes *nodes;
    const struct sim_openb_pods *pods;
};

/* Columns base_pod and, where the file has it, fgd_node ("RANK-NAME" or empty); they refer to
 * `cluster`.
 * -EINVAL also on a name that it does not have, or on ranks that contradict each other. */
int sim_openb_order_parse(struct arena *a, struct str csv, const struct sim_openb_cluster *cluster,
        struct sim_openb_order *ret_order, struct err *reterr);

/* Makes an order as the published experiment does: the whole list once, plus uniform redraws until
 * the requests reach load_permille of `capacity_milli`, shuffled; all by `seed`.
 * -EINVAL when the list asks for no GPU; -E2BIG past SIM_OPENB_PODS_MAX arrivals. */
struct sim_openb_load {
    uint64_t capacity_milli;
    uint32_t load_permille;
    uint64_t seed;
};
int sim_openb_order_make(struct arena *a, const struct sim_openb_pods *pods,
        const struct sim_openb_load *load, struct sim_openb_order *ret_order, struct err *reterr);

#endif
