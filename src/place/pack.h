/* place/pack.h - which pods share which GPU, when each pod's own usage is known and each can be put
 * on a GPU of our choice (native caps).
 *
 * Pure.  Three questions on one table: does a pod fit beside the others, which GPU must be relieved
 * (memory first), and which node can be emptied.  Two pods conflict when their busy times together
 * pass the GPU; it is judged on the recent minutes, where they are seen together, and on their
 * histories, as if independent, and the worse of both counts.  Method: place/README.md. */
#ifndef PLACE_PACK_H
#define PLACE_PACK_H

#include "base/arena.h"
#include "usage/joint.h"

enum {
    PLACE_PACK_WINDOW = 64,   /* recent readings a pod, by slot of time */
    PLACE_PACK_GPU_PODS = 16, /* on one GPU */
    PLACE_PACK_NODE_GPUS = 16,
};

#define PLACE_PACK_NONE    UINT32_MAX /* no GPU, no pod */
#define PLACE_PACK_UNKNOWN UINT16_MAX /* no reading in that slot */

struct place_pack_node {
    uint32_t cpu_milli, ram_mib; /* free */
    int64_t microusd_per_hour;
    bool open;  /* takes pods */
    bool stays; /* not to be emptied now */
};

struct place_pack_gpu {
    uint32_t node;
    uint16_t model;     /* GPU table index */
    uint32_t limit_mib; /* that reserves may add up to */
    uint32_t alarm_mib; /* in use above this: relieve at once */
    uint32_t used_mib;  /* by the last reading */
};

struct place_pack_pod {
    uint64_t id;
    uint32_t gpu;         /* where it is, or is on its way to; PLACE_PACK_NONE = waiting */
    uint32_t reserve_mib; /* that it may come to use */
    uint32_t used_mib;
    const struct usage_dist *busy; /* history; NULL = not known */
    const uint16_t *recent;        /* [PLACE_PACK_WINDOW], permille of the reference GPU */
    uint32_t cpu_milli, ram_mib;
    uint64_t models; /* bit i: GPU table row i; 0 = any */
    bool alone;      /* shares its GPU with nobody */
    bool movable;
};

struct place_pack_rules {
    uint32_t join_ppm;              /* conflict up to which a pod may join others */
    uint32_t split_ppm;             /* conflict above which a GPU is split again; > join_ppm */
    uint32_t capacity_permille;     /* busy time that a GPU can give: 1000, or less */
    uint32_t split_memory_permille; /* of limit_mib: reserves above this are split */
    uint32_t pods_max;              /* on one GPU, <= PLACE_PACK_GPU_PODS */
};

struct place_pack {
    struct place_pack_rules rules;
    struct place_pack_node *nodes;
    uint32_t node_count;
    struct place_pack_gpu *gpus;
    uint32_t gpu_count;
    struct place_pack_pod *pods;
    uint32_t pod_count;
    struct place_pack_load *loads; /* by GPU; made by place_pack_prepare() */
};

/* What is on a GPU. */
struct place_pack_load {
    uint32_t count;
    uint32_t pods[PLACE_PACK_GPU_PODS];
    uint64_t reserve_mib, used_mib;
    bool alone; /* holds a pod that shares with nobody */
    bool dist_known;
    struct usage_dist busy;             /* of all of them, independent; valid when dist_known */
    uint16_t recent[PLACE_PACK_WINDOW]; /* their sum; PLACE_PACK_UNKNOWN where one is not known */
};

struct place_pack_move {
    uint32_t pod, from, to; /* `to` may be PLACE_PACK_NONE: a fresh node is needed */
    uint32_t conflict_ppm;  /* of `to` after the move */
    uint64_t reserve_mib;   /* on `to` after the move */
};

enum place_pack_no {
    PLACE_PACK_OK,
    PLACE_PACK_CLOSED,
    PLACE_PACK_MODEL,
    PLACE_PACK_ALONE,
    PLACE_PACK_COUNT,
    PLACE_PACK_HOST,
    PLACE_PACK_MEMORY,
    PLACE_PACK_BUSY,
};

/* Fills p->loads from where the pods are. */
void place_pack_prepare(struct place_pack *p, struct arena *a);

/* The share of time, ppm, in which the pods on `gpu` together with `pod` (PLACE_PACK_NONE = none)
 * ask for more than the GPU gives; 0 for fewer than two pods. */
uint32_t place_pack_conflict_ppm(const struct place_pack *p, uint32_t gpu, uint32_t pod);

/* Whether `pod` may go onto `gpu`, and if not, why. */
enum place_pack_no place_pack_fits(
        const struct place_pack *p, uint32_t pod, uint32_t gpu, uint32_t *ret_conflict_ppm);

/* The GPU in use that `pod` fits best: the least memory left, then the lowest number; never an
 * empty one, nor `avoid`'s node.  PLACE_PACK_NONE when there is none. */
uint32_t place_pack_best(const struct place_pack *p, uint32_t pod, uint32_t avoid_node);

/* Puts `pod` onto `gpu` in the table (loads included). */
void place_pack_put(struct place_pack *p, uint32_t pod, uint32_t gpu);

/* The GPU most in need of relief and the pod to take away from it.  Returns 2 when memory in use
 * passed the alarm (act now), 1 when reserves or conflicts passed what is borne, 0 when all is
 * well.  ret_move->to is a GPU in use or an empty one of an open node, else PLACE_PACK_NONE. */
int place_pack_relieve(const struct place_pack *p, struct place_pack_move *ret_move);

/* Finds the node that can be emptied with the fewest moves, at most `moves_max`, all onto GPUs in
 * use.  Returns the number of moves, 0 when no node can.  ret_node is the node. */
uint32_t place_pack_empty(const struct place_pack *p, struct arena *a, uint32_t moves_max,
        struct place_pack_move *ret_moves, uint32_t *ret_node);

#endif
