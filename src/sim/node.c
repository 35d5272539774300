/* sim/node.c - Node objects, their GPUs, and kubelet's choice of device ids.  Pure.
 *
 * INVARIANT: an id of a device is (GPU or instance, replica, shared or not): "GPU-x" and "GPU-x::0"
 * are different ids, so a switch of the config can hand an occupied GPU to a new pod.  That is what
 * kubelet does, and it is caught here as a violation (DESIGN section 4, "Double booking"). */
#include "sim/world-priv.h"

#include "mig/place.h"
#include "sim/prices.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct model_offer *sim_group_offer(
        const struct sim_world *w, uint32_t group, int64_t wall_ns)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    struct str region = w->scenario->clusters[g->cluster].region;
    for (uint32_t i = 0; i < w->scenario->offer_count; i++) {
        const struct model_offer *o = &w->scenario->offers[i];
        if (o->gpu == g->gpu && o->purchase == g->purchase && o->start_ns <= wall_ns &&
                wall_ns < o->end_ns && (o->region.len == 0 || str_eq(o->region, region)) &&
                (o->gpus_per_node == 0 || o->gpus_per_node == g->gpus_per_node))
            return o;
    }
    return NULL;
}

int64_t sim_group_price(const struct sim_world *w, uint32_t group, int64_t wall_ns)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    struct str region = w->scenario->clusters[g->cluster].region;
    const struct model_offer *offer = sim_group_offer(w, group, wall_ns);
    if (offer != NULL)
        return offer->microusd_per_gpu_hour * g->gpus_per_node;
    if (g->microusd_per_hour > 0)
        return g->microusd_per_hour;
    int64_t price = 0;
    if (w->config->prices != NULL && w->config->prices->count > 0 &&
            (model_price_find(w->config->prices, g->gpu, region, g->purchase, &price) == 0 ||
                    model_price_find(
                            w->config->prices, g->gpu, (struct str){0}, g->purchase, &price) == 0))
        return price * g->gpus_per_node;
    return sim_price_default(g->gpu) * g->gpus_per_node;
}

void sim_node_reprice(struct sim_world *w)
{
    int64_t wall = sim_world_wall(w);
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        struct sim_node *n = &w->nodes[node];
        int64_t price = sim_group_price(w, n->group, wall);
        if (price == n->price)
            continue;
        w->sum_cost += price - n->price;
        n->price = price;
        sim_node_changed(w, node);
    }
}

void sim_node_changed(struct sim_world *w, uint32_t node)
{
    w->nodes[node].version = ++w->version;
    sim_feed_node(w, node);
    sim_schedule_wake(w);
}

/* Nodes of the static baselines are configured once, when they are made. */
static void static_config(const struct sim_world *w, struct sim_node *n)
{
    if (w->regime == SIM_REGIME_TIMESLICING_X4)
        n->replicas = 4;
    if (w->regime != SIM_REGIME_ALL_1G)
        return;
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        struct sim_gpu *gpu = &n->gpus[g];
        if (gpu->layout.model == NULL)
            continue;
        int profile = mig_profile_find_kind(gpu->layout.model, "1g");
        struct mig_counts add = {0};
        if (profile < 0)
            continue;
        add.n[profile] = gpu->layout.model->profiles[profile].max_instances;
        struct mig_layout layout;
        if (mig_place(&gpu->layout, &add, &layout, NULL, NULL) == 0) {
            gpu->layout = layout;
            gpu->mig_on = true;
        }
    }
}

uint32_t sim_node_add(struct sim_world *w, uint32_t group, bool partitioned)
{
    const struct sim_group_spec *g = &w->scenario->groups[group];
    if (w->node_count == w->node_cap) {
        w->node_cap = w->node_cap == 0 ? 64 : w->node_cap * 2;
        w->nodes = mem_grow(w->nodes, w->node_cap, sizeof *w->nodes);
    }
    uint32_t node = w->node_count++;
    struct sim_node *n = &w->nodes[node];
    *n = (struct sim_node){.group = group,
            .cluster = g->cluster,
            .gpu = g->gpu,
            .live = true,
            .ready = true,
            .created_ns = w->now_ns,
            .empty_since_ns = w->now_ns,
            .price = sim_group_price(w, group, sim_world_wall(w)),
            .gpu_count = g->gpus_per_node,
            .plugin_up = true,
            .replicas = 1,
            .mig_replicas = 1,
            .wanted_replicas = 1,
            .wanted_mig_replicas = 1,
            .mig_fault = SIM_FAULT_COUNT,
            .mig_bitten = SIM_FAULT_COUNT};
    (void)snprintf(n->name, sizeof n->name, "%.*s-%u", (int)num_min_i64((int64_t)g->name.len, 50),
            g->name.ptr, w->group_serial[group]++);
    const char *mig_key = model_gpu_get(g->gpu)->mig_key;
    const struct mig_model *mig = mig_key != NULL ? mig_model_find(mig_key) : NULL;
    if (mig != NULL && mig->profile_count > 0) {
        for (uint32_t i = 0; i < n->gpu_count; i++)
            mig_layout_init(&n->gpus[i].layout, mig);
    }
    if (partitioned && w->caps != SIM_CAPS_DRA)
        static_config(w, n);
    sim_list_add(&w->nodes_live, node);
    w->sum_provisioned += (int64_t)n->gpu_count * 1000;
    w->sum_cost += n->price;
    sim_node_changed(w, node);
    return node;
}

void sim_node_die(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    if (!n->live || !n->ready)
        return;
    n->ready = false;
    n->dying = true;
    n->plugin_generation++;
    n->mig_generation++;
    sim_node_changed(w, node);
    /* Its pods end with it; the control plane notices, taints and replaces within some minutes. */
    int64_t wait = prng_between(&w->rng[SIM_STREAM_FAULT_NODE], 60, 360) * SIM_SECOND;
    sim_event_add(w, w->now_ns + wait, SIM_EVENT_NODE_REMOVE, node, 0);
}

void sim_node_remove(struct sim_world *w, uint32_t node)
{
    if (!w->nodes[node].live)
        return;
    while (w->nodes[node].pods.count > 0) {
        uint32_t pod = w->nodes[node].pods.items[0];
        sim_pod_end(w, pod);
    }
    struct sim_node *n = &w->nodes[node];
    n->live = false;
    sim_list_remove(&w->nodes_live, node);
    w->group_nodes[n->group]--;
    w->sum_provisioned -= (int64_t)n->gpu_count * 1000;
    w->sum_cost -= n->price;
    n->version = ++w->version;
    sim_feed_gone(w, sim_uid(SIM_UID_NODE, node), CORE_SOURCE_NODES, n->cluster);
    sim_schedule_wake(w);
}

/* Calls for each id that the plugin offers of `r` now; returns how many there are. */
static uint32_t devices_of(const struct sim_world *w, const struct sim_node *n,
        const struct model_resource *r, struct sim_device *ret_ids, uint32_t max)
{
    uint32_t count = 0;
    bool shared = r->kind == MODEL_RESOURCE_GPU_SHARED || r->kind == MODEL_RESOURCE_MIG_SHARED;
    bool mig = r->kind == MODEL_RESOURCE_MIG || r->kind == MODEL_RESOURCE_MIG_SHARED;
    uint32_t replicas = mig ? n->mig_replicas : n->replicas;
    if (w->caps == SIM_CAPS_OPERATOR && shared != (replicas > 1))
        return 0;
    if (!shared)
        replicas = 1;
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        const struct sim_gpu *gpu = &n->gpus[g];
        if (gpu->lost || gpu->mig_on != mig)
            continue;
        unsigned instances = mig ? gpu->layout.count : 1;
        for (unsigned i = 0; i < instances; i++) {
            char profile[MODEL_PROFILE_NAME_MAX];
            uint8_t start = SIM_WHOLE_GPU;
            if (mig) {
                const struct mig_instance *inst = &gpu->layout.instances[i];
                sim_profile_resource(&gpu->layout.model->profiles[inst->profile], profile);
                if (strcmp(profile, r->profile) != 0)
                    continue;
                start = inst->start;
            }
            for (uint32_t k = 0; k < replicas; k++, count++) {
                if (ret_ids != NULL && count < max)
                    ret_ids[count] = (struct sim_device){(uint8_t)g, start, (uint16_t)k, shared};
            }
        }
    }
    return count;
}

uint32_t sim_node_offered(const struct sim_world *w, uint32_t node, const struct model_resource *r)
{
    const struct sim_node *n = &w->nodes[node];
    if (!n->live || !n->ready || !n->plugin_up || n->plugin_paused || n->plugin_broken)
        return 0;
    return devices_of(w, n, r, NULL, 0);
}

uint32_t sim_node_requested(
        const struct sim_world *w, uint32_t node, const struct model_resource *r)
{
    const struct sim_node *n = &w->nodes[node];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        if (model_resource_eq(&p->tpl.resource, r))
            sum += p->tpl.count;
    }
    return sum;
}

bool sim_node_gpu_in_use(const struct sim_world *w, uint32_t node, unsigned gpu, unsigned start)
{
    const struct sim_node *n = &w->nodes[node];
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < p->device_count; d++) {
            if (p->devices[d].gpu == gpu &&
                    (start == SIM_WHOLE_GPU || p->devices[d].start == SIM_WHOLE_GPU ||
                            p->devices[d].start == start))
                return true;
        }
    }
    return false;
}

/* How many ids of the same GPU or instance are held, and whether this very id is. */
static uint32_t id_load(const struct sim_world *w, const struct sim_node *n,
        const struct sim_device *id, bool *ret_taken)
{
    uint32_t load = 0;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < p->device_count; d++) {
            const struct sim_device *o = &p->devices[d];
            if (o->gpu != id->gpu || o->start != id->start)
                continue;
            /* kubelet sees only equal ids; the plugin's preference knows ids of its own kind. */
            if (o->shared == id->shared)
                load++;
            if (o->shared == id->shared && o->replica == id->replica)
                *ret_taken = true;
        }
    }
    return load;
}

static void check_double_booking(struct sim_world *w, uint32_t node, uint32_t pod)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_pod *p = &w->pods[pod];
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *o = &w->pods[n->pods.items[i]];
        if (o == p)
            continue;
        for (uint32_t a = 0; a < p->device_count; a++) {
            for (uint32_t b = 0; b < o->device_count; b++) {
                const struct sim_device *x = &p->devices[a], *y = &o->devices[b];
                bool same =
                        x->gpu == y->gpu && (x->start == y->start || x->start == SIM_WHOLE_GPU ||
                                                    y->start == SIM_WHOLE_GPU);
                if (same && !(x->shared && y->shared))
                    sim_world_violate(w, "world-double-booking", sim_uid(SIM_UID_NODE, node));
            }
        }
    }
}

/* Native caps: a pod alone needs a GPU without any, a sharing one a GPU without such a pod. */
static bool conflicts(
        const struct sim_world *w, const struct sim_node *n, const struct sim_device *id)
{
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < p->device_count; d++) {
            if (p->devices[d].gpu == id->gpu && !(p->devices[d].shared && id->shared))
                return true;
        }
    }
    return false;
}

static bool device_eq(const struct sim_device *a, const struct sim_device *b)
{
    return a->gpu == b->gpu && a->start == b->start && a->replica == b->replica &&
           a->shared == b->shared;
}

bool sim_kubelet_allocate(struct sim_world *w, uint32_t node, uint32_t pod)
{
    enum { IDS_MAX = SIM_GPUS_MAX * 64 };
    struct sim_device ids[IDS_MAX];
    const struct sim_node *n = &w->nodes[node];
    struct sim_pod *p = &w->pods[pod];
    if (w->caps == SIM_CAPS_DRA) {
        bool served = sim_claim_allocate(w, node, pod);
        check_double_booking(w, node, pod);
        return served;
    }
    if (sim_node_offered(w, node, &p->tpl.resource) == 0)
        return false;
    uint32_t count = num_min_u32(devices_of(w, n, &p->tpl.resource, ids, IDS_MAX), IDS_MAX);
    p->device_count = 0;
    while (p->device_count < p->tpl.count && p->device_count < SIM_GPUS_MAX) {
        uint32_t best = SIM_NONE, best_load = UINT32_MAX;
        for (uint32_t i = 0; i < count; i++) {
            bool taken = false;
            uint32_t load = id_load(w, n, &ids[i], &taken);
            for (uint32_t d = 0; d < p->device_count; d++)
                taken = taken || device_eq(&p->devices[d], &ids[i]);
            if (w->caps != SIM_CAPS_OPERATOR && conflicts(w, n, &ids[i]))
                continue;
            if (!taken && load < best_load) {
                best = i;
                best_load = load;
            }
        }
        if (best == SIM_NONE) {
            p->device_count = 0;
            return false;
        }
        p->devices[p->device_count++] = ids[best];
    }
    check_double_booking(w, node, pod);
    return true;
}
