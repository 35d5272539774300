/* core/picture-priv.h - taking facts into the picture; only core.c calls these. */
#ifndef CORE_PICTURE_PRIV_H
#define CORE_PICTURE_PRIV_H

#include "base/arena.h"
#include "core/picture.h"

/* The picture with what only its maintenance needs. */
struct core_picture_store {
    struct core_picture pic;
    struct policy policy; /* what pic.policy points to; its text lies in policy_arena */
    struct arena *policy_arena;
    uint32_t node_cap, pod_cap, owner_cap, config_cap, offer_cap, window_cap, move_cap;
    uint32_t *node_free, *pod_free, *owner_free; /* rows to be used again, last freed first */
    uint32_t node_free_count, pod_free_count, owner_free_count;
    /* How often each source was lost: objects not seen since the last loss are gone once it is
     * complete again. */
    uint64_t relist[CORE_CLUSTERS_MAX][CORE_SOURCE_COUNT];
    int64_t sync_since_mono_ns[CORE_CLUSTERS_MAX][CORE_SOURCE_COUNT];
    /* Uids that are gone, by the version that said so: a late fact must not bring them back.  A
     * ring, the oldest falls out. */
    struct map_u64 gone;
    struct core_gone {
        uint64_t uid, version;
    } * gone_ring;
    uint32_t gone_next;
};

void core_picture_init(struct core_picture_store *st);
void core_picture_clear(struct core_picture_store *st);

/* Takes one fact in.  Returns false when it is no news: an older version than what is known, an
 * object that is gone, an unknown cluster number, or a kind that the picture does not keep. */
bool core_picture_take(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact);

/* What the rollout half shows of itself. */
void core_picture_rollout_set(
        struct core_picture_store *st, uint32_t node, const struct core_rollout_view *view);
void core_picture_assigned_set(
        struct core_picture_store *st, uint32_t pod, uint32_t node, uint8_t gpu);
void core_picture_evicting_set(struct core_picture_store *st, uint32_t pod, bool evicting);
void core_picture_patch_set(
        struct core_picture_store *st, uint32_t owner, const struct core_patch_view *patch);
void core_picture_move_add(struct core_picture_store *st, const struct core_move_view *move);
void core_picture_move_remove(struct core_picture_store *st, uint32_t index);

/* True for a pod that is a workload of ours to think about: it asks for GPUs and no DaemonSet owns
 * it.  Ended pods are not left out. */
bool core_picture_pod_is_workload(const struct core_picture *pic, const struct core_pod_view *pod);

/* The row of a config key, or CORE_NO_INDEX. */
uint32_t core_picture_config(
        const struct core_picture *pic, uint16_t cluster, enum core_config_map map, struct str key);

#endif
