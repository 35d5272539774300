/* core/picture.h - the validated picture of the clusters, built from facts only.
 *
 * Pure.  Rows are dense arrays; an index is stable for the life of the object, a freed row is
 * reused only after GONE.  What is unknown is marked unknown.  decide and rollout read it; only
 * picture.c writes it. */
#ifndef CORE_PICTURE_H
#define CORE_PICTURE_H

#include "base/map.h"
#include "core/action.h"
#include "core/share.h"

enum { CORE_CLUSTERS_MAX = 64, CORE_NODE_PODS_MAX = 512 };

#define CORE_NO_INDEX UINT32_MAX

struct core_gpu_view {
    /* The last whole-GPU sample, and per valid bit when it was observed (wall ns; 0 = never). */
    struct core_sample_fact sample; /* occupants pointer is NULL here */
    int64_t observed_wall_ns;
};

/* What the rollout half is doing with a node.  active: a rollout runs, or the node is retiring;
 * a held node (closed to new pods, at rest) is not active. */
struct core_rollout_view {
    bool active;
    enum core_change change;
    bool held;
    bool retiring;
    bool frozen; /* abandoned: not touched until next_retry */
    int64_t next_retry_mono_ns;
};
struct core_node_view {
    bool live;
    struct core_node_fact fact; /* strings owned by the picture */
    uint64_t version;
    int64_t observed_wall_ns;
    int64_t empty_since_mono_ns;  /* since when no workload pod holds a device here; 0 = occupied */
    int64_t config_since_wall_ns; /* since when plugin_config/mig_config is as it is */
    struct core_gpu_view gpus[CORE_GPUS_MAX];
    uint32_t pod_count; /* workload pods bound here that are not ENDED, in order of uid arrival */
    uint32_t pods[CORE_NODE_PODS_MAX]; /* indexes into pods */
    uint32_t pods_beyond;              /* further pods bound here that found no room in `pods` */
    uint64_t seen_relist;              /* private to picture.c */
    struct core_rollout_view rollout;  /* what core_picture_rollout() answers */
};

struct core_pod_view {
    bool live;
    struct core_pod_fact fact;
    uint64_t version;
    int64_t observed_wall_ns;
    uint32_t node;  /* index or CORE_NO_INDEX */
    uint32_t owner; /* index or CORE_NO_INDEX when the owner is not known (yet) */
    /* Native caps: where an assignment that was issued, and is not yet seen in a pod fact, will put
     * it; CORE_NO_INDEX when none.  Count it as taken. */
    uint32_t assigned_node;
    uint8_t assigned_gpu;
    bool evicting;        /* an eviction of ours is out, or the API took it */
    uint64_t seen_relist; /* private to picture.c */
};

/* What was proposed to an owner and does not show in its template yet. */
struct core_patch_view {
    bool open;
    struct model_resource resource;
    uint32_t count;
    char pool[CORE_SHARE_NAME_MAX];
    uint64_t gpu_models;
    int64_t since_mono_ns;
    int64_t saving_microusd_per_hour;
};

struct core_owner_view {
    bool live;
    struct core_owner_fact fact;
    uint64_t version;
    int64_t observed_wall_ns;
    uint32_t pending_count, running_count; /* of its pods */
    struct core_patch_view patch;
    uint64_t seen_relist; /* private to picture.c */
};

struct core_config_view {
    bool live;
    uint16_t cluster;
    enum core_config_map map;
    struct str key, text;
    uint64_t version;
    int64_t observed_wall_ns, observed_mono_ns; /* when its present text was first seen */
    uint32_t replicas; /* PLUGIN: of whole GPUs, from the text; 1 = exclusive, 0 = not readable */
    uint64_t seen_relist; /* private to picture.c */
};

/* A move that is under way (native caps): the pod was evicted, and the next pod of its owner goes
 * to `gpu` of `node`.  Count that place as taken. */
struct core_move_view {
    uint64_t owner;
    uint64_t node;
    uint8_t gpu;
    int64_t deadline_mono_ns;
};

struct core_picture {
    struct core_node_view *nodes;
    uint32_t node_count; /* rows, live or not */
    struct core_pod_view *pods;
    uint32_t pod_count;
    struct core_owner_view *owners;
    uint32_t owner_count;
    struct core_config_view *configs;
    uint32_t config_count;
    struct model_offer *offers;
    uint32_t offer_count;
    struct core_window_fact *windows; /* sorted by start */
    uint32_t window_count;
    const struct policy *policy; /* NULL until the fact came */
    bool sync[CORE_CLUSTERS_MAX][CORE_SOURCE_COUNT];
    bool cluster_known[CORE_CLUSTERS_MAX];
    struct core_move_view *moves;
    uint32_t move_count;
    struct map_u64 node_index, pod_index, owner_index; /* uid -> row */
};

/* Index of a uid, or CORE_NO_INDEX. */
uint32_t core_picture_node(const struct core_picture *pic, uint64_t uid);
uint32_t core_picture_pod(const struct core_picture *pic, uint64_t uid);
uint32_t core_picture_owner(const struct core_picture *pic, uint64_t uid);

/* Replicas of whole GPUs that the node's plugin config expresses (1 = exclusive), from the config
 * key's text that its label names; 0 when the key is not known to us. */
uint32_t core_picture_node_replicas(const struct core_picture *pic, uint32_t node);

/* Count of `resource` that the node can give and that its pods hold. */
uint32_t core_picture_allocatable(
        const struct core_picture *pic, uint32_t node, const struct model_resource *resource);
uint32_t core_picture_held(
        const struct core_picture *pic, uint32_t node, const struct model_resource *resource);

/* What the rollout half knows of the node. */
struct core_rollout_view core_picture_rollout(const struct core_picture *pic, uint32_t node);

#endif
