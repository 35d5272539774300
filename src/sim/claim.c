/* sim/claim.c - DRA: what claims take of a node's GPUs, and which GPUs a pod's claim gets.  Pure.
 *
 * SOURCE: the structured allocator takes the first devices that satisfy a claim; consumable
 * capacity (KEP-5075) lets claims share a device as long as what they ask for adds up to no more
 * than it offers.  A class of shares asks for memory and units (core/share.h); a claim without a
 * class asks for whole GPUs. */
#include "sim/world-priv.h"

static void load_count(
        const struct sim_world *w, uint32_t node, struct core_share_load loads[SIM_GPUS_MAX])
{
    const struct sim_node *n = &w->nodes[node];
    for (uint32_t g = 0; g < SIM_GPUS_MAX; g++)
        loads[g] = (struct core_share_load){.whole = g >= n->gpu_count || n->gpus[g].lost};
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        struct core_share share;
        for (uint32_t d = 0; d < p->device_count; d++) {
            struct core_share_load *load = &loads[p->devices[d].gpu];
            if (p->devices[d].shared && core_share_parse(str_from(p->tpl.pool), &share)) {
                core_share_take(load, &share);
            } else {
                load->whole = true;
            }
        }
    }
}

/* The first GPUs that serve the template's claim, taken from `loads`; false when there are none. */
static bool claim_take(const struct sim_node *n, const struct sim_template *tpl,
        struct core_share_load loads[SIM_GPUS_MAX], uint8_t ret_gpus[SIM_GPUS_MAX])
{
    struct core_share share;
    uint32_t count = 0;
    if (tpl->resource.kind == MODEL_RESOURCE_GPU_SHARED) {
        if (!core_share_parse(str_from(tpl->pool), &share) || share.gpu != n->gpu)
            return false;
        for (uint32_t g = 0; g < n->gpu_count; g++) {
            if (!core_share_fits(&loads[g], &share))
                continue;
            core_share_take(&loads[g], &share);
            ret_gpus[0] = (uint8_t)g;
            return true;
        }
        return false;
    }
    if (tpl->resource.kind != MODEL_RESOURCE_GPU)
        return false; /* no MIG by claims */
    for (uint32_t g = 0; g < n->gpu_count && count < tpl->count; g++) {
        if (!loads[g].whole && loads[g].units == 0)
            ret_gpus[count++] = (uint8_t)g;
    }
    if (count < tpl->count)
        return false;
    for (uint32_t k = 0; k < count; k++)
        loads[ret_gpus[k]].whole = true;
    return true;
}

uint32_t sim_claim_room(
        const struct sim_world *w, const struct sim_pod *p, uint32_t node, uint32_t max)
{
    struct core_share_load loads[SIM_GPUS_MAX];
    uint8_t gpus[SIM_GPUS_MAX];
    uint32_t room = 0;
    load_count(w, node, loads);
    while (room < max && claim_take(&w->nodes[node], &p->tpl, loads, gpus))
        room++;
    return room;
}

bool sim_claim_allocate(struct sim_world *w, uint32_t node, uint32_t pod)
{
    struct core_share_load loads[SIM_GPUS_MAX];
    uint8_t gpus[SIM_GPUS_MAX];
    struct sim_pod *p = &w->pods[pod];
    bool shared = p->tpl.resource.kind == MODEL_RESOURCE_GPU_SHARED;
    p->device_count = 0;
    load_count(w, node, loads);
    if (!claim_take(&w->nodes[node], &p->tpl, loads, gpus))
        return false;
    p->device_count = shared ? 1 : p->tpl.count;
    for (uint32_t d = 0; d < p->device_count; d++)
        p->devices[d] = (struct sim_device){gpus[d], SIM_WHOLE_GPU, 0, shared};
    return true;
}

uint32_t sim_claim_units(const struct sim_template *tpl)
{
    struct core_share share;
    if (tpl->resource.kind == MODEL_RESOURCE_GPU_SHARED &&
            core_share_parse(str_from(tpl->pool), &share))
        return CORE_SHARE_UNITS / core_share_most(&share);
    return tpl->count * CORE_SHARE_UNITS;
}
