/* core/picture_view.c - questions to the picture, and the marks that the rollout half leaves in it.
 *
 * Pure. */
#include "core/picture-priv.h"

#include <assert.h>

static uint32_t row_find(const struct map_u64 *m, uint64_t uid)
{
    uint32_t row = uid == 0 ? MAP_NONE : map_u64_find(m, uid);
    return row == MAP_NONE ? CORE_NO_INDEX : row;
}

uint32_t core_picture_node(const struct core_picture *pic, uint64_t uid)
{
    return row_find(&pic->node_index, uid);
}

uint32_t core_picture_pod(const struct core_picture *pic, uint64_t uid)
{
    return row_find(&pic->pod_index, uid);
}

uint32_t core_picture_owner(const struct core_picture *pic, uint64_t uid)
{
    return row_find(&pic->owner_index, uid);
}

uint32_t core_picture_config(
        const struct core_picture *pic, uint16_t cluster, enum core_config_map map, struct str key)
{
    for (uint32_t i = 0; i < pic->config_count; i++) {
        const struct core_config_view *c = &pic->configs[i];
        if (c->live && c->cluster == cluster && c->map == map && str_eq(c->key, key))
            return i;
    }
    return CORE_NO_INDEX;
}

uint32_t core_picture_node_replicas(const struct core_picture *pic, uint32_t node)
{
    const struct core_node_view *v = &pic->nodes[node];
    if (v->fact.plugin_config.len > 0) {
        uint32_t row = core_picture_config(
                pic, v->fact.cluster, CORE_CONFIG_PLUGIN, v->fact.plugin_config);
        return row == CORE_NO_INDEX ? 0 : pic->configs[row].replicas;
    }
    /* No label: the cluster's default config, which only shows in what kubelet offers. */
    uint32_t shared = 0;
    for (uint32_t i = 0; i < v->fact.allocatable_count; i++) {
        if (v->fact.allocatable[i].resource.kind == MODEL_RESOURCE_GPU_SHARED)
            shared += v->fact.allocatable[i].count;
    }
    if (shared == 0 || v->fact.gpu_count == 0)
        return 1;
    return shared % v->fact.gpu_count == 0 ? shared / v->fact.gpu_count : 0;
}

uint32_t core_picture_allocatable(
        const struct core_picture *pic, uint32_t node, const struct model_resource *resource)
{
    const struct core_node_fact *f = &pic->nodes[node].fact;
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        if (model_resource_eq(&f->allocatable[i].resource, resource))
            return f->allocatable[i].count;
    }
    return 0;
}

uint32_t core_picture_held(
        const struct core_picture *pic, uint32_t node, const struct model_resource *resource)
{
    const struct core_node_view *v = &pic->nodes[node];
    uint32_t held = 0;
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct core_pod_fact *p = &pic->pods[v->pods[i]].fact;
        if (model_resource_eq(&p->resource, resource))
            held += p->count;
    }
    return held;
}

struct core_rollout_view core_picture_rollout(const struct core_picture *pic, uint32_t node)
{
    return pic->nodes[node].rollout;
}

bool core_picture_pod_is_workload(const struct core_picture *pic, const struct core_pod_view *pod)
{
    if (pod->fact.resource.kind == MODEL_RESOURCE_NONE || pod->fact.count == 0)
        return false;
    return pod->owner == CORE_NO_INDEX ||
           pic->owners[pod->owner].fact.kind != MODEL_OWNER_DAEMONSET;
}

/* ---- what the rollout half shows ---- */

void core_picture_rollout_set(
        struct core_picture_store *st, uint32_t node, const struct core_rollout_view *view)
{
    st->pic.nodes[node].rollout = *view;
}

void core_picture_assigned_set(
        struct core_picture_store *st, uint32_t pod, uint32_t node, uint8_t gpu)
{
    st->pic.pods[pod].assigned_node = node;
    st->pic.pods[pod].assigned_gpu = gpu;
}

void core_picture_evicting_set(struct core_picture_store *st, uint32_t pod, bool evicting)
{
    st->pic.pods[pod].evicting = evicting;
}

void core_picture_patch_set(
        struct core_picture_store *st, uint32_t owner, const struct core_patch_view *patch)
{
    st->pic.owners[owner].patch = *patch;
}
