/* sim/nvparts.c - NVIDIA's parts on a node: config-manager, device plugin, mig-manager.  Pure.
 *
 * SOURCE: k8s-device-plugin (config-manager: label -> key -> SIGHUP; a key that is not there ends
 * the sidecar), mig-parted and the GPU Operator's mig-manager (pending -> success or failed; it
 * pauses the operands of the whole node; it neither cordons nor drains; a busy GPU makes it fail;
 * it rebuilds every GPU whose wanted set differs).  docs/SIMULATION.md, "NVIDIA's parts". */
#include "sim/world-priv.h"

#include "mig/place.h"
#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void sim_profile_resource(const struct mig_profile *profile, char *ret_text)
{
    (void)snprintf(ret_text, MODEL_PROFILE_NAME_MAX, "%s", profile->name);
    for (char *c = ret_text; *c != '\0'; c++) {
        if (*c == '+')
            *c = '.';
    }
}

/* When kubelet's copy of a key on a node is there: up to two minutes after the write, the same for
 * everyone who looks (kubelet syncs by period plus its cache's TTL). */
static int64_t key_visible_ns(
        const struct sim_world *w, uint32_t node, const struct sim_config_key *key)
{
    uint64_t draw = prng_mix(prng_mix(w->config->seed, node), prng_mix(key->version, 0x6b6579));
    int64_t lag = (int64_t)(draw % 120) * SIM_SECOND;
    /* A kubelet whose watch hangs is late by minutes, or by most of an hour. */
    if (w->nodes[node].extra_lag_until_ns > key->put_ns)
        lag += (5 + (int64_t)(draw >> 32) % 40) * SIM_MINUTE;
    return key->put_ns + lag;
}

/* -- device plugin ------------------------------------------------------------------------------
 */

void sim_plugin_notice(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    n->plugin_generation++;
    n->plugin_retries = 0;
    int64_t lag = prng_between(&w->rng[SIM_STREAM_NVIDIA], 100, 3000) * 1000000;
    sim_event_add(w, w->now_ns + lag, SIM_EVENT_PLUGIN, node, n->plugin_generation);
}

static void plugin_restart(
        struct sim_world *w, uint32_t node, uint32_t replicas, uint32_t mig_replicas)
{
    struct sim_node *n = &w->nodes[node];
    n->wanted_replicas = replicas;
    n->wanted_mig_replicas = mig_replicas;
    n->plugin_up = false;
    n->plugin_broken = false;
    sim_node_changed(w, node);
    int64_t gap = prng_between(&w->rng[SIM_STREAM_NVIDIA], 3, 20) * SIM_SECOND;
    sim_event_add(w, w->now_ns + gap, SIM_EVENT_PLUGIN_UP, node, n->plugin_generation);
}

/* Replicas of MIG resources: one count for all profiles of the node, the largest that is named. */
static uint32_t mig_replicas_of(const struct sim_node *n, struct str text)
{
    uint32_t replicas = 1;
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        const struct mig_layout *l = &n->gpus[g].layout;
        for (unsigned i = 0; l->model != NULL && i < l->model->profile_count; i++) {
            struct model_resource r = {.kind = MODEL_RESOURCE_MIG};
            sim_profile_resource(&l->model->profiles[i], r.profile);
            replicas = num_max_u32(replicas, nvidia_plugin_config_replicas(text, &r));
        }
        if (l->model != NULL)
            break; /* GPUs of a node are alike */
    }
    return replicas;
}

void sim_plugin_look(struct sim_world *w, uint32_t node, uint64_t generation)
{
    struct sim_node *n = &w->nodes[node];
    if (!n->live || !n->ready || generation != n->plugin_generation)
        return;
    if (n->plugin_label[0] == '\0') {
        plugin_restart(w, node, 1, 1);
        return;
    }
    uint32_t config = sim_config_find(w, n->cluster, CORE_CONFIG_PLUGIN, str_from(n->plugin_label));
    const struct sim_config_key *key = config != SIM_NONE ? &w->configs[config] : NULL;
    if (key == NULL || !key->present || key_visible_ns(w, node, key) > w->now_ns) {
        /* "specified config does not exist": the sidecar ends, kubelet restarts it with back-off.
         * The plugin goes on with what it has. */
        int64_t wait = 10 * SIM_SECOND << num_min_u32(n->plugin_retries++, 5);
        sim_event_add(w, w->now_ns + num_min_i64(wait, 5 * SIM_MINUTE), SIM_EVENT_PLUGIN, node,
                generation);
        return;
    }
    struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};
    struct str text = buf_str(&key->text);
    uint32_t replicas = nvidia_plugin_config_replicas(text, &gpu);
    if (replicas == 0) {
        /* The plugin refuses the file and does not start: the node has no GPUs until it changes. */
        n->plugin_broken = true;
        sim_node_changed(w, node);
        return;
    }
    plugin_restart(w, node, replicas, mig_replicas_of(n, text));
}

void sim_plugin_back(struct sim_world *w, uint32_t node, uint64_t generation)
{
    struct sim_node *n = &w->nodes[node];
    if (!n->live || !n->ready || generation != n->plugin_generation)
        return;
    n->plugin_up = true;
    n->replicas = n->wanted_replicas;
    n->mig_replicas = n->wanted_mig_replicas;
    sim_node_changed(w, node);
}

/* -- mig-manager --------------------------------------------------------------------------------
 */

static void mig_state(struct sim_world *w, uint32_t node, const char *state)
{
    struct sim_node *n = &w->nodes[node];
    (void)snprintf(n->mig_state, sizeof n->mig_state, "%s", state);
    sim_node_changed(w, node);
}

static void mig_phase(struct sim_world *w, uint32_t node, enum sim_mig_phase phase, int64_t wait_ns)
{
    struct sim_node *n = &w->nodes[node];
    n->mig_phase = phase;
    sim_event_add(w, w->now_ns + wait_ns, SIM_EVENT_MIG, node, n->mig_generation);
}

static int64_t seconds(struct sim_world *w, int64_t min, int64_t max)
{
    return prng_between(&w->rng[SIM_STREAM_NVIDIA], min, max) * SIM_SECOND;
}

void sim_mig_notice(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    n->mig_generation++;
    n->mig_bitten = SIM_FAULT_COUNT;
    mig_phase(w, node, SIM_MIG_NOTICED, seconds(w, 1, 5));
}

bool sim_mig_restart(struct sim_world *w, uint32_t node, enum sim_fault f)
{
    struct sim_node *n = &w->nodes[node];
    assert(f == SIM_FAULT_MIG_FAILED || f == SIM_FAULT_MIG_STUCK);
    if (!n->live || !n->ready || n->mig_label[0] == '\0' || n->mig_phase != SIM_MIG_IDLE)
        return false;
    sim_fault_count(w, f, CORE_ACTION_NODE_PATCH, node);
    n->mig_bitten = f;
    if (f == SIM_FAULT_MIG_FAILED) {
        mig_state(w, node, "failed");
        return true;
    }
    n->plugin_paused = true;
    n->mig_generation++;
    mig_state(w, node, "pending");
    mig_phase(w, node, SIM_MIG_HUNG, seconds(w, 1200, 3600));
    return true;
}

/* Where the named config stands, as this node's mig-manager sees its ConfigMap now. */
static bool mig_find_config(
        struct sim_world *w, uint32_t node, struct arena *a, struct nvidia_mig_config *ret_config)
{
    const struct sim_node *n = &w->nodes[node];
    for (uint32_t i = 0; i < w->config_count; i++) {
        const struct sim_config_key *key = &w->configs[i];
        struct nvidia_mig_parted file;
        if (!key->present || key->cluster != n->cluster || key->map != CORE_CONFIG_MIG ||
                key_visible_ns(w, node, key) > w->now_ns)
            continue;
        if (nvidia_mig_parted_parse(a, buf_str(&key->text), &file, NULL, NULL) != 0)
            continue;
        const struct nvidia_mig_config *c = nvidia_mig_parted_find(&file, str_from(n->mig_label));
        if (c != NULL) {
            *ret_config = *c;
            return true;
        }
    }
    return false;
}

/* The layout of one GPU after an apply; mig-parted tries orders, so any legal starts will do. */
static int wanted_layout(const struct sim_gpu *gpu, const struct nvidia_mig_entry *entry,
        struct mig_layout *ret_layout)
{
    struct mig_layout empty;
    struct mig_counts add = {0};
    mig_layout_init(&empty, gpu->layout.model);
    *ret_layout = empty;
    if (!entry->mig_enabled)
        return 0;
    for (uint32_t i = 0; i < entry->profile_count; i++) {
        unsigned profile;
        if (mig_profile_find(
                    gpu->layout.model, str_from(entry->profiles[i].profile), &profile, NULL) != 0)
            return -ENOENT;
        uint32_t sum = add.n[profile] + entry->profiles[i].count;
        if (sum > MIG_INSTANCES_MAX)
            return -ENOSPC;
        add.n[profile] = (uint8_t)sum;
    }
    return mig_place(&empty, &add, ret_layout, NULL, NULL);
}

/* Applies a config to the GPUs whose wanted set differs.  Returns false when something is in use,
 * does not exist or does not fit: mig-parted then fails (GPUs done before stay changed). */
static bool mig_apply(struct sim_world *w, uint32_t node, const struct nvidia_mig_config *config)
{
    struct sim_node *n = &w->nodes[node];
    bool mode_change = false;
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, g);
        if (e == NULL || (n->gpus[g].layout.model == NULL && e->mig_enabled))
            return false;
        mode_change = mode_change || e->mig_enabled != n->gpus[g].mig_on;
    }
    /* A mode change on Ampere resets all GPUs of the node in one go. */
    bool reset_all = mode_change && sim_node_model(n)->mig_mode_needs_reset;
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        if (reset_all && sim_node_gpu_in_use(w, node, g, SIM_WHOLE_GPU))
            return false;
    }
    for (uint32_t g = 0; g < n->gpu_count; g++) {
        struct sim_gpu *gpu = &n->gpus[g];
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, g);
        struct mig_layout layout;
        if (gpu->layout.model == NULL)
            continue;
        if (wanted_layout(gpu, e, &layout) != 0)
            return false;
        if (e->mig_enabled == gpu->mig_on &&
                memcmp(&layout.counts, &gpu->layout.counts, sizeof layout.counts) == 0)
            continue;
        if (sim_node_gpu_in_use(w, node, g, SIM_WHOLE_GPU))
            return false;
        gpu->mig_on = e->mig_enabled;
        gpu->layout = layout;
    }
    return true;
}

/* A run of mig-manager is rare beside writes and batches of facts, and long: it is as likely to be
 * struck as eight of them. */
static enum sim_fault draw_fault(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_FAULT_NODE];
    uint32_t ppm = num_min_u32(w->config->faults_ppm, 125000) * 8;
    if (w->regime != SIM_REGIME_CORE || ppm == 0 || !prng_chance_ppm(rng, ppm))
        return SIM_FAULT_COUNT;
    return (enum sim_fault)(SIM_FAULT_MIG_STUCK + prng_below(rng, 3));
}

static void mig_applying(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    struct nvidia_mig_config config;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(64 << 20);
    bool lies = n->mig_fault == SIM_FAULT_MIG_LIES;
    bool ok = n->mig_fault != SIM_FAULT_MIG_FAILED && mig_find_config(w, node, a, &config) &&
              (lies || mig_apply(w, node, &config));
    if (n->mig_fault != SIM_FAULT_COUNT) {
        sim_fault_count(w, (enum sim_fault)n->mig_fault, CORE_ACTION_NODE_PATCH, node);
        n->mig_bitten = n->mig_fault;
        n->mig_fault = SIM_FAULT_COUNT;
    }
    n->plugin_paused = true;
    (void)snprintf(n->mig_state, sizeof n->mig_state, "pending");
    /* The outcome is kept in the phase's name: success and failure both restart the operands. */
    n->mig_ok = ok;
    mig_phase(w, node, SIM_MIG_RESUMING, seconds(w, 10, 40));
}

void sim_mig_go_on(struct sim_world *w, uint32_t node, uint64_t generation)
{
    struct sim_node *n = &w->nodes[node];
    if (!n->live || !n->ready || generation != n->mig_generation)
        return;
    SCOPED(arena_scoped_free) struct arena *a = NULL;
    struct nvidia_mig_config config;
    switch (n->mig_phase) {
    case SIM_MIG_NOTICED:
        a = arena_new(64 << 20);
        if (n->mig_label[0] == '\0')
            return;
        if (!mig_find_config(w, node, a, &config)) {
            mig_state(w, node, "failed"); /* assert --valid-config */
            n->mig_phase = SIM_MIG_IDLE;
            return;
        }
        mig_state(w, node, "pending");
        mig_phase(w, node, SIM_MIG_PAUSING, seconds(w, 2, 5));
        return;
    case SIM_MIG_PAUSING:
        n->plugin_paused = true;
        if (n->mig_fault == SIM_FAULT_COUNT)
            n->mig_fault = draw_fault(w);
        if (n->mig_fault == SIM_FAULT_MIG_STUCK) {
            /* mig-parted #485: a time-out leaves labels paused and state pending for good. */
            sim_fault_count(w, SIM_FAULT_MIG_STUCK, CORE_ACTION_NODE_PATCH, node);
            n->mig_bitten = n->mig_fault;
            n->mig_fault = SIM_FAULT_COUNT;
            n->mig_phase = SIM_MIG_STUCK;
            sim_node_changed(w, node);
            return;
        }
        sim_node_changed(w, node);
        mig_phase(w, node, SIM_MIG_APPLYING, seconds(w, 20, 90));
        return;
    case SIM_MIG_APPLYING:
        mig_applying(w, node);
        return;
    case SIM_MIG_HUNG: /* somebody has restarted it */
        n->mig_ok = true;
        n->mig_bitten = SIM_FAULT_COUNT;
        n->plugin_paused = false;
        n->mig_phase = SIM_MIG_IDLE;
        mig_state(w, node, "success");
        return;
    case SIM_MIG_RESUMING:
        n->plugin_paused = false;
        n->mig_phase = SIM_MIG_IDLE;
        mig_state(w, node, n->mig_ok ? "success" : "failed");
        return;
    case SIM_MIG_IDLE:
    case SIM_MIG_STUCK:
        return;
    }
}
