/* A small scripted cluster for tests of the core: API server, scheduler, kubelet, device plugin,
 * mig-manager, owners and autoscaler, each in a few lines and to the facts that matter here.
 *
 * Truth is kept apart from what is told: a GPU that two pods hold against the rules is seen here by
 * device id, as kubelet sees it, whatever the core believes.  All times are virtual. */
#ifndef TEST_CORE_TWIN_H
#define TEST_CORE_TWIN_H

#include "base/arena.h"
#include "base/num.h"
#include "base/prng.h"
#include "core/core.h"
#include "core/intent.h"
#include "core/picture.h"
#include "core/rollout.h"
#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    TWIN_NODES = 4,
    TWIN_GPUS = 2,
    TWIN_PODS = 64,
    TWIN_OWNERS = 8,
    TWIN_CONFIGS = 32,
    TWIN_QUEUE = 4096,
    TWIN_INSTANCES = 8
};

#define TWIN_S(n)     ((n)*NUM_NS_PER_SECOND)
#define TWIN_START_NS INT64_C(1772409600000000000) /* 2026-03-02T00:00:00Z */

struct twin_node {
    bool live;
    uint64_t uid;
    char name[24];
    bool cordon, frozen, excluded, foreign, cannot_share;
    char plugin[64], mig[64], mig_state[16], pool[32], pool_taint[32];
    bool startup_taint;
    int64_t created_wall_ns;                                /* 0 = long ago */
    const char *pool_taint_refused, *startup_taint_refused; /* NULL = nobody */
    const char *keeps;                                      /* NULL = nothing */
    char annotation[2100];
    /* what really runs there */
    uint32_t replicas;
    uint32_t instances[TWIN_GPUS]; /* of one profile; 0 = MIG off */
    char profile[24];
    int64_t plugin_down_until, plugin_move_at, mig_begin_at, mig_end_at;
    char plugin_applied[64], mig_applied[64];
    int64_t empty_since;
    uint64_t version; /* as last told: an older precondition is a conflict */
    bool dirty;
};

struct twin_pod {
    bool live, dirty, terminating;
    uint64_t uid;
    int owner, node; /* node -1 = pending */
    struct model_resource resource;
    char pool[32];
    uint8_t gpu, start;
    uint8_t id; /* 255 = the whole-GPU id, else the replica or instance */
    int64_t created_at, gone_at, bound_at;
};

struct twin_owner {
    bool live, dirty;
    uint64_t uid;
    enum model_owner_kind kind;
    uint32_t replicas, max_unavailable;
    struct model_resource resource;
    char pool[32];
};

struct twin_config {
    bool live, dirty;
    enum core_config_map map;
    char key[64];
    char *text;
    int64_t written;
};

struct twin {
    int64_t mono;
    uint64_t version, next_uid;
    struct twin_node nodes[TWIN_NODES];
    struct twin_pod pods[TWIN_PODS];
    struct twin_owner owners[TWIN_OWNERS];
    struct twin_config configs[TWIN_CONFIGS];
    struct policy policy;
    bool devices_known;
    bool autoscaler;
    bool native; /* admission binds pods where the core says, and nowhere else */
    /* facts that wait to be told: copied texts live in `arena` */
    struct core_fact queue[TWIN_QUEUE];
    int64_t due[TWIN_QUEUE];
    uint32_t queue_count;
    struct arena *arena;
    struct prng prng;
    uint32_t fault_ppm;   /* of a write, and of a fact */
    bool mig_broken;      /* mig-manager fails whatever it is asked */
    int64_t mig_takes_ns; /* how long it is pending */
    struct core_window_fact windows[2];
    bool plugin_broken;     /* the plugin does not come back */
    int64_t grace_ns;       /* that an evicted pod takes to go */
    uint64_t double_booked; /* times that kubelet handed a GPU in use out again */
    uint64_t evictions;
    struct core_action proposed; /* the last owner patch; its views are not to be looked at */
    uint64_t proposals;
};

/* ---- making one ---- */

static inline void twin_init(struct twin *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    t->arena = arena_new(0);
    t->next_uid = 100;
    t->grace_ns = TWIN_S(30);
    t->mig_takes_ns = TWIN_S(60);
    t->windows[0] = (struct core_window_fact){TWIN_START_NS, TWIN_START_NS + TWIN_S(86400 * 30)};
    prng_init(&t->prng, seed);
    t->policy = (struct policy){.name = STR_LIT("twin"),
            .max_nodes_in_change = 2,
            .max_evictions_per_hour = 60,
            .drain_timeout_ns = TWIN_S(1800),
            .replicas_min = 2,
            .replicas_max = 8};
    for (int i = 0; i < MODEL_TECHNIQUE_COUNT; i++)
        t->policy.mode[i] = POLICY_MODE_APPLY;
    for (int i = 0; i < TWIN_NODES; i++) {
        struct twin_node *n = &t->nodes[i];
        *n = (struct twin_node){.live = true, .uid = (uint64_t)i + 1, .replicas = 1, .dirty = true};
        (void)snprintf(n->name, sizeof(n->name), "node-%d", i);
    }
}

static inline void twin_clear(struct twin *t)
{
    for (int i = 0; i < TWIN_CONFIGS; i++)
        mem_free(t->configs[i].text);
    t->arena = arena_free(t->arena);
}

static inline void twin_owner_add(struct twin *t, int i, enum model_owner_kind kind,
        uint32_t replicas, enum model_resource_kind resource)
{
    t->owners[i] = (struct twin_owner){.live = true,
            .dirty = true,
            .uid = 50 + (uint64_t)i,
            .kind = kind,
            .replicas = replicas,
            .max_unavailable = UINT32_MAX,
            .resource = {.kind = resource}};
}

/* ---- what kubelet offers ---- */

static inline uint32_t twin_offered(
        const struct twin *t, const struct twin_node *n, const struct model_resource *r)
{
    uint32_t whole = 0;
    uint32_t instances = 0;
    if (t->mono < n->plugin_down_until)
        return 0;
    for (int g = 0; g < TWIN_GPUS; g++) {
        whole += n->instances[g] == 0;
        instances += n->instances[g];
    }
    if (r->kind == MODEL_RESOURCE_GPU)
        return n->replicas == 1 ? whole : 0;
    if (r->kind == MODEL_RESOURCE_GPU_SHARED)
        return n->replicas > 1 ? whole * n->replicas : 0;
    if (r->kind == MODEL_RESOURCE_MIG && strcmp(r->profile, n->profile) == 0)
        return instances;
    return 0;
}

/* Picks a device by id, as kubelet does: ids of another configuration do not count as in use. */
static inline bool twin_device(struct twin *t, int node, struct twin_pod *pod)
{
    const struct twin_node *n = &t->nodes[node];
    uint32_t ids = pod->resource.kind == MODEL_RESOURCE_GPU          ? 1
                   : pod->resource.kind == MODEL_RESOURCE_GPU_SHARED ? n->replicas
                                                                     : TWIN_INSTANCES;
    for (uint32_t id = 0; id < ids; id++) {
        for (unsigned g = 0; g < TWIN_GPUS; g++) {
            bool mig = pod->resource.kind == MODEL_RESOURCE_MIG;
            uint8_t name = pod->resource.kind == MODEL_RESOURCE_GPU ? 255 : (uint8_t)id;
            bool used = mig ? id >= n->instances[g] : n->instances[g] > 0;
            bool shared = false;
            for (int i = 0; i < TWIN_PODS && !used; i++) {
                const struct twin_pod *p = &t->pods[i];
                if (!p->live || p == pod || p->node != node || p->gpu != g)
                    continue;
                used = p->id == name && p->resource.kind == pod->resource.kind;
                shared |= p->resource.kind == MODEL_RESOURCE_GPU ||
                          pod->resource.kind == MODEL_RESOURCE_GPU ||
                          p->resource.kind != pod->resource.kind;
            }
            if (used)
                continue;
            t->double_booked += shared;
            pod->gpu = (uint8_t)g;
            pod->id = name;
            pod->start = mig ? (uint8_t)id : 255;
            return true;
        }
    }
    return false;
}

/* ---- what happens by itself ---- */

static inline void twin_schedule(struct twin *t, struct twin_pod *pod)
{
    for (int i = 0; i < TWIN_NODES; i++) {
        struct twin_node *n = &t->nodes[i];
        if (!n->live || n->cordon || (pod->pool[0] != 0 && strcmp(pod->pool, n->pool) != 0))
            continue;
        uint32_t held = 0;
        for (int p = 0; p < TWIN_PODS; p++) {
            held += t->pods[p].live && t->pods[p].node == i &&
                    model_resource_eq(&t->pods[p].resource, &pod->resource);
        }
        if (held >= twin_offered(t, n, &pod->resource) || !twin_device(t, i, pod))
            continue;
        pod->node = i;
        pod->bound_at = t->mono;
        pod->dirty = true;
        return;
    }
}

static inline void twin_owners_run(struct twin *t)
{
    for (int o = 0; o < TWIN_OWNERS; o++) {
        const struct twin_owner *w = &t->owners[o];
        uint32_t have = 0;
        for (int p = 0; p < TWIN_PODS; p++)
            have += t->pods[p].live && t->pods[p].owner == o && !t->pods[p].terminating;
        for (int p = 0; w->live && p < TWIN_PODS && have < w->replicas; p++) {
            if (t->pods[p].live)
                continue;
            t->pods[p] = (struct twin_pod){.live = true,
                    .dirty = true,
                    .uid = t->next_uid++,
                    .owner = o,
                    .node = -1,
                    .created_at = t->mono,
                    .resource = w->resource};
            memcpy(t->pods[p].pool, w->pool, sizeof(w->pool));
            have++;
        }
    }
}

static inline struct twin_config *twin_config_find(
        struct twin *t, enum core_config_map map, const char *key)
{
    for (int i = 0; i < TWIN_CONFIGS; i++) {
        if (t->configs[i].live && t->configs[i].map == map && strcmp(t->configs[i].key, key) == 0)
            return &t->configs[i];
    }
    return NULL;
}

/* config-manager: follows the label once the key is mounted, up to two minutes after the write. */
static inline void twin_plugin(struct twin *t, struct twin_node *n)
{
    static const struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};
    if (strcmp(n->plugin, n->plugin_applied) == 0)
        return;
    struct twin_config *c = twin_config_find(t, CORE_CONFIG_PLUGIN, n->plugin);
    if (n->plugin[0] != 0 && (c == NULL || t->mono < c->written + TWIN_S(120)))
        return; /* ends with an error, is started again: a bounded retry */
    n->replicas = c == NULL ? 1 : nvidia_plugin_config_replicas(str_from(c->text), &gpu);
    n->plugin_down_until = t->mono + (t->plugin_broken ? INT64_MAX / 2 : TWIN_S(20));
    memcpy(n->plugin_applied, n->plugin, sizeof(n->plugin));
    n->dirty = true;
}

static inline bool twin_mig_apply(struct twin *t, int node, struct twin_node *n)
{
    struct twin_config *c = twin_config_find(t, CORE_CONFIG_MIG, n->mig);
    if (c == NULL || t->mig_broken)
        return false;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct nvidia_mig_parted file;
    if (nvidia_mig_parted_parse(a, str_from(c->text), &file, NULL, NULL) < 0)
        return false;
    const struct nvidia_mig_config *config = nvidia_mig_parted_find(&file, str_from(n->mig));
    for (uint32_t g = 0; config != NULL && g < TWIN_GPUS; g++) {
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, g);
        uint32_t want = e != NULL && e->mig_enabled ? e->profiles[0].count : 0;
        bool busy = false;
        for (int p = 0; p < TWIN_PODS; p++)
            busy |= t->pods[p].live && t->pods[p].node == node && t->pods[p].gpu == g;
        if (busy && want != n->instances[g])
            return false; /* in use */
        n->instances[g] = want;
        if (want > 0)
            memcpy(n->profile, e->profiles[0].profile, sizeof(n->profile));
    }
    return config != NULL;
}

/* mig-manager: pending after a while, then success or failed; the plugin restarts with it. */
static inline void twin_mig(struct twin *t, int node, struct twin_node *n)
{
    if (n->mig_end_at != 0) {
        if (t->mono < n->mig_end_at)
            return;
        bool ok = twin_mig_apply(t, node, n);
        (void)snprintf(n->mig_state, sizeof(n->mig_state), "%s", ok ? "success" : "failed");
        n->mig_end_at = 0;
        n->plugin_down_until = num_max_i64(n->plugin_down_until, t->mono + TWIN_S(20));
        n->dirty = true;
        return;
    }
    if (n->mig[0] == 0 || strcmp(n->mig, n->mig_applied) == 0)
        return;
    memcpy(n->mig_applied, n->mig, sizeof(n->mig));
    (void)snprintf(n->mig_state, sizeof(n->mig_state), "pending");
    n->mig_end_at = t->mono + t->mig_takes_ns;
    n->dirty = true;
}

static inline void twin_pods_run(struct twin *t)
{
    for (int p = 0; p < TWIN_PODS; p++) {
        struct twin_pod *pod = &t->pods[p];
        if (!pod->live)
            continue;
        if (pod->terminating && t->mono >= pod->gone_at) {
            pod->live = false;
            pod->dirty = true;
        } else if (pod->node < 0 && !pod->terminating && !t->native) {
            twin_schedule(t, pod);
        }
    }
}

static inline bool twin_empty(const struct twin *t, int node)
{
    for (int p = 0; p < TWIN_PODS; p++) {
        if (t->pods[p].live && t->pods[p].node == node)
            return false;
    }
    return true;
}

static inline void twin_run(struct twin *t)
{
    for (int i = 0; i < TWIN_NODES; i++) {
        struct twin_node *n = &t->nodes[i];
        if (!n->live)
            continue;
        bool was_down = t->mono < n->plugin_down_until + TWIN_S(6);
        twin_mig(t, i, n);
        twin_plugin(t, n);
        n->dirty |= was_down;
        if (!twin_empty(t, i))
            n->empty_since = t->mono;
        if (t->autoscaler && n->cordon && t->mono > n->empty_since + TWIN_S(600)) {
            n->live = false;
            n->dirty = true;
        }
    }
    twin_owners_run(t);
    twin_pods_run(t);
}

/* ---- telling ---- */

static inline void twin_tell(struct twin *t, const struct core_fact *fact, int64_t lag)
{
    assert(t->queue_count < TWIN_QUEUE);
    /* a later fact of the same source never overtakes */
    int64_t due = t->mono + lag;
    for (uint32_t i = 0; i < t->queue_count; i++) {
        if (t->queue[i].source == fact->source)
            due = num_max_i64(due, t->due[i]);
    }
    t->queue[t->queue_count] = *fact;
    t->due[t->queue_count++] = due;
}

static inline struct core_fact twin_fact(
        struct twin *t, enum core_fact_kind kind, enum core_source source)
{
    return (struct core_fact){.kind = kind,
            .source = source,
            .version = ++t->version,
            .observed_wall_ns = TWIN_START_NS + t->mono};
}

static inline struct str twin_str(struct twin *t, const char *s)
{
    return arena_str(t->arena, str_from(s));
}

static inline void twin_tell_node(struct twin *t, int i, int64_t lag)
{
    struct twin_node *n = &t->nodes[i];
    struct core_fact f = twin_fact(t, n->live ? CORE_FACT_NODE : CORE_FACT_GONE, CORE_SOURCE_NODES);
    n->dirty = false;
    n->version = f.version;
    if (!n->live) {
        f.gone = n->uid;
        twin_tell(t, &f, lag);
        return;
    }
    f.node = (struct core_node_fact){.uid = n->uid,
            .name = twin_str(t, n->name),
            .gpu_count = TWIN_GPUS,
            .cpu_milli = 64000,
            .memory_mib = 500000,
            .microusd_per_hour = 8000000,
            .caps = {.share = n->cannot_share ? CORE_SHARE_NONE : CORE_SHARE_NODE_RESOURCE,
                    .relayout = CORE_RELAYOUT_GPU_REBUILD,
                    .mode_change_resets_node = true,
                    .steer = t->native ? CORE_STEER_DEVICE : CORE_STEER_POOL},
            .ready = true,
            .frozen = n->frozen,
            .excluded = n->excluded,
            .keeps = str_from(n->keeps),
            .foreign = twin_str(t, n->foreign ? "DRA driver" : ""),
            .unschedulable = n->cordon,
            .plugin_config = twin_str(t, n->plugin),
            .mig_config = twin_str(t, n->mig),
            .mig_state = twin_str(t, n->mig_state),
            .pool = twin_str(t, n->pool),
            .pool_taint = twin_str(t, n->pool_taint),
            .startup_taint = n->startup_taint,
            .created_wall_ns = n->created_wall_ns,
            .pool_taint_refused = str_from(n->pool_taint_refused),
            .startup_taint_refused = str_from(n->startup_taint_refused),
            .annotation = twin_str(t, n->annotation)};
    struct model_resource kinds[3] = {{.kind = MODEL_RESOURCE_GPU},
            {.kind = MODEL_RESOURCE_GPU_SHARED}, {.kind = MODEL_RESOURCE_MIG}};
    memcpy(kinds[2].profile, n->profile, sizeof(n->profile));
    for (int k = 0; k < 3; k++) {
        f.node.allocatable[f.node.allocatable_count++] = (struct core_resource_count){
                .resource = kinds[k], .count = twin_offered(t, n, &kinds[k])};
    }
    twin_tell(t, &f, lag);
}

static inline void twin_tell_pod(struct twin *t, int i, int64_t lag)
{
    struct twin_pod *p = &t->pods[i];
    struct core_fact f = twin_fact(t, p->live ? CORE_FACT_POD : CORE_FACT_GONE, CORE_SOURCE_PODS);
    p->dirty = false;
    if (!p->live) {
        f.gone = p->uid;
        twin_tell(t, &f, lag);
        return;
    }
    f.pod = (struct core_pod_fact){.uid = p->uid,
            .owner = t->owners[p->owner].uid,
            .node = p->node < 0 ? 0 : t->nodes[p->node].uid,
            .name = twin_str(t, "pod"),
            .phase = p->terminating ? CORE_POD_TERMINATING
                     : p->node < 0  ? CORE_POD_PENDING
                                    : CORE_POD_RUNNING,
            .resource = p->resource,
            .count = 1,
            .pool = twin_str(t, p->pool),
            .created_wall_ns = TWIN_START_NS + p->created_at,
            .device_count = t->devices_known && p->node >= 0};
    f.pod.devices[0].gpu = p->gpu;
    f.pod.devices[0].start = p->start;
    twin_tell(t, &f, lag);
}

static inline void twin_tell_owner(struct twin *t, int i)
{
    struct twin_owner *o = &t->owners[i];
    struct core_fact f = twin_fact(t, CORE_FACT_OWNER, CORE_SOURCE_OWNERS);
    o->dirty = false;
    f.owner = (struct core_owner_fact){.uid = o->uid,
            .name = twin_str(t, "ns/owner"),
            .kind = o->kind,
            .replicas = o->replicas,
            .max_unavailable = o->max_unavailable,
            .gpus_per_pod = 1,
            .resource = o->resource,
            .pool = twin_str(t, o->pool)};
    twin_tell(t, &f, 0);
}

static inline void twin_tell_config(struct twin *t, int i, int64_t lag)
{
    struct twin_config *c = &t->configs[i];
    struct core_fact f = twin_fact(t, CORE_FACT_CONFIG, CORE_SOURCE_CONFIG);
    c->dirty = false;
    f.config = (struct core_config_fact){.map = c->map,
            .key = twin_str(t, c->key),
            .text = c->live ? twin_str(t, c->text) : (struct str){0},
            .present = c->live};
    twin_tell(t, &f, lag);
}

static inline int64_t twin_lag(struct twin *t)
{
    bool slow = t->fault_ppm > 0 && prng_chance_ppm(&t->prng, t->fault_ppm);
    return slow ? prng_between(&t->prng, 0, TWIN_S(25)) : 0;
}

static inline void twin_tell_changes(struct twin *t)
{
    for (int i = 0; i < TWIN_OWNERS; i++) {
        if (t->owners[i].dirty)
            twin_tell_owner(t, i);
    }
    for (int i = 0; i < TWIN_NODES; i++) {
        if (t->nodes[i].dirty)
            twin_tell_node(t, i, twin_lag(t));
    }
    for (int i = 0; i < TWIN_PODS; i++) {
        if (t->pods[i].dirty)
            twin_tell_pod(t, i, twin_lag(t));
    }
    for (int i = 0; i < TWIN_CONFIGS; i++) {
        if (t->configs[i].dirty)
            twin_tell_config(t, i, twin_lag(t));
    }
}

/* To be called after each change of t->policy. */
static inline void twin_tell_policy(struct twin *t)
{
    struct core_fact f = twin_fact(t, CORE_FACT_POLICY, CORE_SOURCE_POLICY);
    f.policy = &t->policy;
    twin_tell(t, &f, 0);
}

/* Everything anew, as a controller that starts lists it. */
static inline void twin_tell_all(struct twin *t)
{
    t->queue_count = 0;
    twin_tell_policy(t);
    for (int i = 0; i < 2 && t->windows[i].end_wall_ns > 0; i++) {
        struct core_fact window = twin_fact(t, CORE_FACT_WINDOW, CORE_SOURCE_POLICY);
        window.window = t->windows[i];
        twin_tell(t, &window, 0);
    }
    for (int i = 0; i < TWIN_OWNERS; i++) {
        if (t->owners[i].live)
            twin_tell_owner(t, i);
    }
    for (int i = 0; i < TWIN_NODES; i++) {
        if (t->nodes[i].live)
            twin_tell_node(t, i, 0);
    }
    for (int i = 0; i < TWIN_PODS; i++) {
        t->pods[i].dirty = false;
        if (t->pods[i].live)
            twin_tell_pod(t, i, 0);
    }
    for (int i = 0; i < TWIN_CONFIGS; i++) {
        t->configs[i].dirty = false;
        if (t->configs[i].live)
            twin_tell_config(t, i, 0);
    }
    for (int s = 0; s < CORE_SOURCE_ACTIONS; s++) {
        struct core_fact sync = twin_fact(t, CORE_FACT_SYNC, (enum core_source)s);
        sync.sync_complete = true;
        twin_tell(t, &sync, 0);
    }
}

/* Moves what is due into `ret_facts`, in order; returns the count. */
static inline uint32_t twin_due(struct twin *t, struct core_fact *ret_facts)
{
    uint32_t out = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->queue_count; i++) {
        if (t->due[i] <= t->mono) {
            ret_facts[out++] = t->queue[i];
        } else {
            t->due[kept] = t->due[i];
            t->queue[kept++] = t->queue[i];
        }
    }
    t->queue_count = kept;
    return out;
}

/* ---- taking actions ---- */

static inline void twin_set(char *dst, size_t size, struct str s)
{
    assert(s.len < size);
    memset(dst, 0, size);
    if (s.len > 0)
        memcpy(dst, s.ptr, s.len);
}

static inline void twin_patch_node(struct twin_node *n, const struct core_action *a)
{
    if ((a->node.fields & CORE_PATCH_CORDON) != 0)
        n->cordon = a->node.cordon;
    if ((a->node.fields & CORE_PATCH_PLUGIN_CONFIG) != 0)
        twin_set(n->plugin, sizeof(n->plugin), a->node.plugin_config);
    if ((a->node.fields & CORE_PATCH_MIG_CONFIG) != 0)
        twin_set(n->mig, sizeof(n->mig), a->node.mig_config);
    if ((a->node.fields & CORE_PATCH_POOL) != 0)
        twin_set(n->pool, sizeof(n->pool), a->node.pool);
    if ((a->node.fields & CORE_PATCH_TAINTS) != 0) {
        twin_set(n->pool_taint, sizeof(n->pool_taint), a->node.pool_taint);
        n->startup_taint = a->node.startup_taint;
    }
    if ((a->node.fields & CORE_PATCH_ANNOTATION) != 0)
        twin_set(n->annotation, sizeof(n->annotation), a->node.annotation);
    n->dirty = true;
}

static inline void twin_put_config(struct twin *t, const struct core_action *a)
{
    int i = 0;
    char key[64];
    twin_set(key, sizeof(key), a->config.key);
    struct twin_config *c = twin_config_find(t, a->config.map, key);
    while (c == NULL && (t->configs[i].live || t->configs[i].dirty))
        i++;
    c = c == NULL ? &t->configs[i] : c;
    mem_free(c->text);
    c->live = a->kind == CORE_ACTION_CONFIG_PUT;
    c->dirty = true;
    c->map = a->config.map;
    memcpy(c->key, key, sizeof(key));
    c->text = mem_alloc(a->config.text.len + 1, 1);
    memcpy(c->text, a->config.text.ptr, a->config.text.len);
    c->written = t->mono;
}

static inline bool twin_apply(struct twin *t, const struct core_action *a)
{
    switch (a->kind) {
    case CORE_ACTION_CONFIG_PUT:
    case CORE_ACTION_CONFIG_DELETE:
        twin_put_config(t, a);
        return true;
    case CORE_ACTION_NODE_PATCH:
        if (!t->nodes[a->target - 1].live)
            return false;
        twin_patch_node(&t->nodes[a->target - 1], a);
        return true;
    case CORE_ACTION_POD_EVICT:
        for (int p = 0; p < TWIN_PODS; p++) {
            struct twin_pod *pod = &t->pods[p];
            if (!pod->live || pod->uid != a->target)
                continue;
            t->evictions += !pod->terminating;
            if (!pod->terminating)
                pod->gone_at = t->mono + t->grace_ns;
            pod->terminating = true;
            pod->dirty = true;
            return true;
        }
        return false;
    case CORE_ACTION_OWNER_PATCH:
        if (!t->owners[a->target - 50].live)
            return false;
        t->proposed = *a;
        t->proposals++;
        return true;
    case CORE_ACTION_POD_ASSIGN:
        for (int p = 0; p < TWIN_PODS; p++) {
            struct twin_pod *pod = &t->pods[p];
            if (!pod->live || pod->uid != a->target || pod->node >= 0)
                continue;
            pod->node = (int)a->assign.node - 1;
            pod->gpu = a->assign.gpu;
            pod->bound_at = t->mono;
            pod->dirty = true;
            return true;
        }
        return false;
    case CORE_ACTION_SOLVE:
    case CORE_ACTION_COUNT:
        break;
    }
    return false;
}

static inline bool twin_conflict(const struct twin *t, const struct core_action *a)
{
    return a->kind == CORE_ACTION_NODE_PATCH && t->nodes[a->target - 1].live &&
           a->precondition < t->nodes[a->target - 1].version;
}

/* The owner does what was proposed to it last. */
static inline void twin_owner_act(struct twin *t)
{
    struct twin_owner *o = &t->owners[t->proposed.target - 50];
    o->resource = t->proposed.owner.resource;
    o->dirty = true;
}

/* Carries an action out, with a fault now and then, and tells the outcome. */
static inline void twin_act(struct twin *t, const struct core_action *a)
{
    struct core_fact f = twin_fact(t, CORE_FACT_OUTCOME, CORE_SOURCE_ACTIONS);
    f.outcome = (struct core_outcome_fact){.action = a->id, .outcome = CORE_OUTCOME_DONE};
    bool fault = t->fault_ppm > 0 && prng_chance_ppm(&t->prng, t->fault_ppm);
    uint64_t which = fault ? prng_below(&t->prng, 6) : 99;
    static const uint32_t statuses[] = {409, 429, 500};
    if (which < 3) {
        f.outcome.outcome = CORE_OUTCOME_REJECTED;
        f.outcome.http_status = statuses[which];
    } else if (which == 3) {
        f.outcome.outcome = CORE_OUTCOME_UNKNOWN;
    } else if (twin_conflict(t, a)) {
        f.outcome.outcome = CORE_OUTCOME_REJECTED;
        f.outcome.http_status = 409;
    } else if (!twin_apply(t, a)) {
        f.outcome.outcome = CORE_OUTCOME_REJECTED;
        f.outcome.http_status = 404;
    } else if (which == 4) {
        f.outcome.outcome = CORE_OUTCOME_UNKNOWN;
    } else if (which == 5) {
        return; /* the answer never comes */
    }
    twin_tell(t, &f, 0);
}

#endif
