/* core/picture.c - facts into the validated picture: who is where, since when, and what is known.
 *
 * Owns every string that the picture shows.  Pure; memory by mem_alloc.
 *
 * Order of facts: within a (cluster, source) versions rise; an object's older version is dropped,
 * and what is gone stays gone until a version after that says otherwise.  A source that was lost
 * and is complete again has listed everything there is: what it did not list is gone. */
#include "core/picture-priv.h"

#include "base/arena.h"
#include "base/num.h"
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { GONE_RING = 8192, CONFIGS_MAX = 4096, OFFERS_MAX = 65536, WINDOWS_MAX = 4096 };

static const int64_t WINDOW_KEPT_NS = 24 * NUM_NS_PER_HOUR;

void core_picture_init(struct core_picture_store *st)
{
    memset(st, 0, sizeof(*st));
    st->gone_ring = mem_alloc(GONE_RING, sizeof(*st->gone_ring));
}

/* Makes room for `want` rows; new ones are zero. */
static void *rows_grow(void *rows, uint32_t *cap, uint32_t want, size_t size)
{
    if (want <= *cap)
        return rows;
    uint32_t next = *cap == 0 ? 16 : *cap * 2;
    while (next < want)
        next *= 2;
    rows = mem_grow(rows, next, size);
    memset((char *)rows + (size_t)*cap * size, 0, (size_t)(next - *cap) * size);
    *cap = next;
    return rows;
}

/* Makes *dst an owned copy of `src`; keeps the memory when nothing changes. */
static void str_own(struct str *dst, struct str src)
{
    if (str_eq(*dst, src))
        return;
    char *copy = NULL;
    if (src.len > 0) {
        copy = mem_alloc(src.len + 1, 1);
        memcpy(copy, src.ptr, src.len);
    }
    mem_free((void *)(uintptr_t)dst->ptr);
    *dst = (struct str){copy, src.len};
}

static void str_drop(struct str *s)
{
    mem_free((void *)(uintptr_t)s->ptr);
    *s = (struct str){0};
}

/* ---- rows ---- */

static uint32_t row_new(uint32_t *free_rows, uint32_t *free_count, uint32_t *count)
{
    if (*free_count > 0)
        return free_rows[--*free_count];
    return (*count)++;
}

static void row_release(uint32_t **free_rows, uint32_t *free_count, uint32_t cap, uint32_t row)
{
    *free_rows = mem_grow(*free_rows, cap, sizeof(**free_rows));
    (*free_rows)[(*free_count)++] = row;
}

static void uid_gone(struct core_picture_store *st, uint64_t uid, uint64_t version)
{
    struct core_gone *slot = &st->gone_ring[st->gone_next];
    if (slot->uid != 0)
        (void)map_u64_remove(&st->gone, slot->uid);
    /* Who says it without a version means it for good. */
    *slot = (struct core_gone){uid, version != 0 ? version : UINT64_MAX};
    (void)map_u64_set(&st->gone, uid, st->gone_next);
    st->gone_next = (st->gone_next + 1) % GONE_RING;
}

/* True for a fact from before its object went.  A later one says that it is back: an owner without
 * pods may not be seen for a while. */
static bool is_late(struct core_picture_store *st, uint64_t uid, const struct core_fact *fact)
{
    uint32_t slot = map_u64_find(&st->gone, uid);
    if (slot == MAP_NONE)
        return false;
    if (fact->version <= st->gone_ring[slot].version)
        return true;
    st->gone_ring[slot] = (struct core_gone){0};
    (void)map_u64_remove(&st->gone, uid);
    return false;
}

/* ---- who sits on which node ---- */

static bool pod_occupies(const struct core_picture *pic, const struct core_pod_view *pod)
{
    return pod->live && pod->node != CORE_NO_INDEX && pod->fact.phase != CORE_POD_ENDED &&
           core_picture_pod_is_workload(pic, pod);
}

static void node_add_pod(struct core_picture *pic, uint32_t node, uint32_t pod)
{
    struct core_node_view *v = &pic->nodes[node];
    v->empty_since_mono_ns = 0;
    if (v->pod_count == CORE_NODE_PODS_MAX) {
        v->pods_beyond++;
    } else {
        v->pods[v->pod_count++] = pod;
    }
}

static bool node_lists_pod(const struct core_node_view *v, uint32_t pod)
{
    for (uint32_t i = 0; i < v->pod_count; i++) {
        if (v->pods[i] == pod)
            return true;
    }
    return false;
}

/* Fills the list again from those that found no room; they come in row order.  `leaving` is on its
 * way out. */
static void node_refill(struct core_picture *pic, uint32_t node, uint32_t leaving)
{
    struct core_node_view *v = &pic->nodes[node];
    for (uint32_t i = 0; i < pic->pod_count && v->pods_beyond > 0; i++) {
        if (v->pod_count == CORE_NODE_PODS_MAX)
            return;
        if (i != leaving && pic->pods[i].node == node && pod_occupies(pic, &pic->pods[i]) &&
                !node_lists_pod(v, i)) {
            v->pods[v->pod_count++] = i;
            v->pods_beyond--;
        }
    }
}

static void node_remove_pod(
        struct core_picture *pic, uint32_t node, uint32_t pod, const struct core_now *now)
{
    struct core_node_view *v = &pic->nodes[node];
    uint32_t at = 0;
    while (at < v->pod_count && v->pods[at] != pod)
        at++;
    if (at == v->pod_count) {
        assert(v->pods_beyond > 0);
        v->pods_beyond--;
        return;
    }
    v->pod_count--;
    memmove(&v->pods[at], &v->pods[at + 1], (v->pod_count - at) * sizeof(v->pods[0]));
    if (v->pods_beyond > 0)
        node_refill(pic, node, pod);
    /* mono_ns may be 0 at the first step; 0 means occupied, so the first ns stands for it. */
    if (v->pod_count == 0)
        v->empty_since_mono_ns = num_max_i64(now->mono_ns, 1);
}

static void owner_count(struct core_picture *pic, const struct core_pod_view *pod, int sign)
{
    if (!pod->live || pod->owner == CORE_NO_INDEX)
        return;
    struct core_owner_view *o = &pic->owners[pod->owner];
    uint32_t step = sign > 0 ? 1 : UINT32_MAX; /* adds 1, or takes 1 away */
    if (pod->fact.phase == CORE_POD_PENDING) {
        o->pending_count += step;
    } else if (pod->fact.phase == CORE_POD_RUNNING) {
        o->running_count += step;
    }
}

/* Takes the pod's marks out of its node and owner, or puts them in. */
static void pod_unlink(struct core_picture *pic, uint32_t row, const struct core_now *now)
{
    struct core_pod_view *pod = &pic->pods[row];
    if (pod_occupies(pic, pod))
        node_remove_pod(pic, pod->node, row, now);
    owner_count(pic, pod, -1);
}

static void pod_link(struct core_picture *pic, uint32_t row)
{
    struct core_pod_view *pod = &pic->pods[row];
    if (pod_occupies(pic, pod))
        node_add_pod(pic, pod->node, row);
    owner_count(pic, pod, 1);
}

/* ---- objects ---- */

/* Where the strings of a fact lie, so that copying and freeing cannot miss one. */
enum { STRINGS_MAX = 12 }; /* of a fact */

struct string_fields {
    size_t size; /* of the fact */
    uint32_t count;
    size_t offset[STRINGS_MAX];
};

static const struct string_fields NODE_STRINGS = {
        .size = sizeof(struct core_node_fact),
        .count = 12,
        .offset = {offsetof(struct core_node_fact, name), offsetof(struct core_node_fact, region),
                offsetof(struct core_node_fact, foreign), offsetof(struct core_node_fact, keeps),
                offsetof(struct core_node_fact, plugin_config),
                offsetof(struct core_node_fact, mig_config),
                offsetof(struct core_node_fact, mig_state), offsetof(struct core_node_fact, pool),
                offsetof(struct core_node_fact, pool_taint),
                offsetof(struct core_node_fact, pool_taint_refused),
                offsetof(struct core_node_fact, startup_taint_refused),
                offsetof(struct core_node_fact, annotation)},
};
static const struct string_fields POD_STRINGS = {
        .size = sizeof(struct core_pod_fact),
        .count = 2,
        .offset = {offsetof(struct core_pod_fact, name), offsetof(struct core_pod_fact, pool)},
};
static const struct string_fields OWNER_STRINGS = {
        .size = sizeof(struct core_owner_fact),
        .count = 4,
        .offset = {offsetof(struct core_owner_fact, name), offsetof(struct core_owner_fact, pool),
                offsetof(struct core_owner_fact, foreign), offsetof(struct core_owner_fact, fixed)},
};
static const struct string_fields OFFER_STRINGS = {
        .size = sizeof(struct model_offer),
        .count = 3,
        .offset = {offsetof(struct model_offer, cloud), offsetof(struct model_offer, region),
                offsetof(struct model_offer, instance)},
};

static struct str *string_at(void *fact, const struct string_fields *f, uint32_t i)
{
    return (struct str *)(void *)((char *)fact + f->offset[i]);
}

/* *dst = *src, with dst owning copies of the strings. */
static void fact_own(void *dst, const void *src, const struct string_fields *f)
{
    struct str owned[STRINGS_MAX];
    for (uint32_t i = 0; i < f->count; i++) {
        owned[i] = *string_at(dst, f, i);
        str_own(&owned[i], *(const struct str *)(const void *)((const char *)src + f->offset[i]));
    }
    memcpy(dst, src, f->size);
    for (uint32_t i = 0; i < f->count; i++)
        *string_at(dst, f, i) = owned[i];
}

static void fact_drop(void *fact, const struct string_fields *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        str_drop(string_at(fact, f, i));
}

/* What every object has in common when a fact about it comes. */
struct arrival {
    const struct core_now *now;
    const struct core_fact *fact;
    uint64_t relist;
};

/* Pods and owners may come before what they refer to. */
static void node_adopt_pods(struct core_picture *pic, uint32_t node)
{
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        struct core_pod_view *pod = &pic->pods[i];
        if (!pod->live || pod->node != CORE_NO_INDEX || pod->fact.node != pic->nodes[node].fact.uid)
            continue;
        pod->node = node;
        if (pod_occupies(pic, pod))
            node_add_pod(pic, node, i);
    }
}

static void owner_adopt_pods(struct core_picture *pic, uint32_t owner, const struct core_now *now)
{
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        struct core_pod_view *pod = &pic->pods[i];
        if (!pod->live || pod->owner != CORE_NO_INDEX ||
                pod->fact.owner != pic->owners[owner].fact.uid)
            continue;
        pod_unlink(pic, i, now); /* whether it is a workload may depend on the owner's kind */
        pod->owner = owner;
        pod_link(pic, i);
    }
}

static bool take_node(struct core_picture_store *st, const struct arrival *in)
{
    struct core_picture *pic = &st->pic;
    const struct core_node_fact *f = &in->fact->node;
    uint32_t row = core_picture_node(pic, f->uid);
    bool fresh = row == CORE_NO_INDEX;
    if (fresh) {
        row = row_new(st->node_free, &st->node_free_count, &pic->node_count);
        pic->nodes = rows_grow(pic->nodes, &st->node_cap, pic->node_count, sizeof(*pic->nodes));
        (void)map_u64_set(&pic->node_index, f->uid, row);
        pic->nodes[row] = (struct core_node_view){.live = true,
                .empty_since_mono_ns = num_max_i64(in->now->mono_ns, 1),
                .config_since_wall_ns = in->fact->observed_wall_ns};
    }
    struct core_node_view *v = &pic->nodes[row];
    v->seen_relist = in->relist;
    if (!fresh && in->fact->version <= v->version)
        return false;
    if (!str_eq(v->fact.plugin_config, f->plugin_config) ||
            !str_eq(v->fact.mig_config, f->mig_config))
        v->config_since_wall_ns = in->fact->observed_wall_ns;
    fact_own(&v->fact, f, &NODE_STRINGS);
    v->fact.allocatable_count = num_min_u32(f->allocatable_count, CORE_RESOURCES_MAX);
    v->fact.gpu_count = num_min_u32(f->gpu_count, CORE_GPUS_MAX);
    v->version = in->fact->version;
    v->observed_wall_ns = in->fact->observed_wall_ns;
    if (fresh)
        node_adopt_pods(pic, row);
    return true;
}

/* Once a pod shows a node, or has ended, what we had asked for it is answered. */
static void pod_settle(struct core_pod_view *v)
{
    if (v->fact.node != 0 || v->fact.phase == CORE_POD_ENDED)
        v->assigned_node = CORE_NO_INDEX;
    if (v->fact.phase == CORE_POD_TERMINATING || v->fact.phase == CORE_POD_ENDED)
        v->evicting = false;
}

static bool take_pod(struct core_picture_store *st, const struct arrival *in)
{
    struct core_picture *pic = &st->pic;
    const struct core_pod_fact *f = &in->fact->pod;
    uint32_t row = core_picture_pod(pic, f->uid);
    bool fresh = row == CORE_NO_INDEX;
    if (fresh) {
        row = row_new(st->pod_free, &st->pod_free_count, &pic->pod_count);
        pic->pods = rows_grow(pic->pods, &st->pod_cap, pic->pod_count, sizeof(*pic->pods));
        (void)map_u64_set(&pic->pod_index, f->uid, row);
        pic->pods[row] = (struct core_pod_view){
                .node = CORE_NO_INDEX, .owner = CORE_NO_INDEX, .assigned_node = CORE_NO_INDEX};
    }
    struct core_pod_view *v = &pic->pods[row];
    v->seen_relist = in->relist;
    if (!fresh && in->fact->version <= v->version)
        return false;
    pod_unlink(pic, row, in->now);
    fact_own(&v->fact, f, &POD_STRINGS);
    v->fact.device_count = num_min_u32(f->device_count, CORE_POD_DEVICES_MAX);
    v->live = true;
    v->version = in->fact->version;
    v->observed_wall_ns = in->fact->observed_wall_ns;
    v->node = core_picture_node(pic, f->node);
    v->owner = core_picture_owner(pic, f->owner);
    pod_settle(v);
    pod_link(pic, row);
    return true;
}

static bool take_owner(struct core_picture_store *st, const struct arrival *in)
{
    struct core_picture *pic = &st->pic;
    const struct core_owner_fact *f = &in->fact->owner;
    uint32_t row = core_picture_owner(pic, f->uid);
    bool fresh = row == CORE_NO_INDEX;
    if (fresh) {
        row = row_new(st->owner_free, &st->owner_free_count, &pic->owner_count);
        pic->owners =
                rows_grow(pic->owners, &st->owner_cap, pic->owner_count, sizeof(*pic->owners));
        (void)map_u64_set(&pic->owner_index, f->uid, row);
        pic->owners[row] = (struct core_owner_view){.live = true};
    }
    struct core_owner_view *v = &pic->owners[row];
    v->seen_relist = in->relist;
    if (!fresh && in->fact->version <= v->version)
        return false;
    fact_own(&v->fact, f, &OWNER_STRINGS);
    v->version = in->fact->version;
    v->observed_wall_ns = in->fact->observed_wall_ns;
    if (fresh)
        owner_adopt_pods(pic, row, in->now);
    return true;
}

static void config_remove(struct core_picture *pic, uint32_t row)
{
    str_drop(&pic->configs[row].key);
    str_drop(&pic->configs[row].text);
    pic->configs[row] = (struct core_config_view){0};
}

static uint32_t config_row_new(struct core_picture_store *st)
{
    struct core_picture *pic = &st->pic;
    for (uint32_t i = 0; i < pic->config_count; i++) {
        if (!pic->configs[i].live)
            return i;
    }
    if (pic->config_count == CONFIGS_MAX)
        return CORE_NO_INDEX;
    uint32_t row = pic->config_count++;
    pic->configs =
            rows_grow(pic->configs, &st->config_cap, pic->config_count, sizeof(*pic->configs));
    return row;
}

static bool take_config(struct core_picture_store *st, const struct arrival *in)
{
    struct core_picture *pic = &st->pic;
    const struct core_config_fact *f = &in->fact->config;
    uint32_t row = core_picture_config(pic, in->fact->cluster, f->map, f->key);
    if (row != CORE_NO_INDEX) {
        pic->configs[row].seen_relist = in->relist;
        if (in->fact->version <= pic->configs[row].version)
            return false;
    }
    if (!f->present) {
        if (row != CORE_NO_INDEX)
            config_remove(pic, row);
        return row != CORE_NO_INDEX;
    }
    bool fresh = row == CORE_NO_INDEX;
    if (fresh && (row = config_row_new(st)) == CORE_NO_INDEX)
        return false;
    struct core_config_view *c = &pic->configs[row];
    if (fresh || !str_eq(c->text, f->text)) {
        static const struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};
        c->observed_wall_ns = in->fact->observed_wall_ns;
        c->observed_mono_ns = in->now->mono_ns;
        if (f->map == CORE_CONFIG_PLUGIN)
            c->replicas = nvidia_plugin_config_replicas(f->text, &gpu);
    }
    str_own(&c->key, f->key);
    str_own(&c->text, f->text);
    c->live = true;
    c->cluster = in->fact->cluster;
    c->map = f->map;
    c->version = in->fact->version;
    c->seen_relist = in->relist;
    return true;
}

/* ---- readings, offers, windows, policy ---- */

/* The fact's policy is a view of this step: what stays is a copy. */
static void take_policy(struct core_picture_store *st, const struct policy *p)
{
    struct arena *arena = arena_new(POLICY_TEXT_BYTES_MAX * 4);
    struct policy copy;
    policy_copy(arena, p, &copy);
    (void)arena_free(st->policy_arena);
    st->policy_arena = arena;
    st->policy = copy;
    st->pic.policy = &st->policy;
    st->pic.window_count = 0; /* they were the former policy's */
}

static bool take_sample(struct core_picture *pic, const struct core_fact *fact)
{
    const struct core_sample_fact *s = &fact->sample;
    uint32_t node = core_picture_node(pic, s->node);
    if (node == CORE_NO_INDEX || s->gpu >= CORE_GPUS_MAX)
        return false;
    if (s->scope != CORE_SAMPLE_GPU)
        return true;
    struct core_gpu_view *g = &pic->nodes[node].gpus[s->gpu];
    if (fact->observed_wall_ns < g->observed_wall_ns)
        return false;
    g->sample = *s;
    g->sample.occupants = NULL;
    g->observed_wall_ns = fact->observed_wall_ns;
    return true;
}

static bool offer_same(const struct model_offer *a, const struct model_offer *b)
{
    return a->gpu == b->gpu && a->purchase == b->purchase && a->gpus_per_node == b->gpus_per_node &&
           a->start_ns == b->start_ns && str_eq(a->cloud, b->cloud) &&
           str_eq(a->region, b->region) && str_eq(a->instance, b->instance);
}

static bool take_offer(struct core_picture_store *st, const struct core_fact *fact)
{
    struct core_picture *pic = &st->pic;
    uint32_t row = 0;
    while (row < pic->offer_count && !offer_same(&pic->offers[row], &fact->offer))
        row++;
    if (row == OFFERS_MAX)
        return false;
    if (row == pic->offer_count) {
        pic->offer_count++;
        pic->offers =
                rows_grow(pic->offers, &st->offer_cap, pic->offer_count, sizeof(*pic->offers));
    }
    fact_own(&pic->offers[row], &fact->offer, &OFFER_STRINGS);
    return true;
}

/* Windows are kept sorted by start; long ended ones go. */
static bool take_window(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact)
{
    struct core_picture *pic = &st->pic;
    const struct core_window_fact *w = &fact->window;
    if (w->end_wall_ns <= w->start_wall_ns)
        return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pic->window_count; i++) {
        if (pic->windows[i].end_wall_ns > now->wall_ns - WINDOW_KEPT_NS)
            pic->windows[kept++] = pic->windows[i];
    }
    pic->window_count = kept;
    uint32_t at = 0;
    while (at < kept && pic->windows[at].start_wall_ns < w->start_wall_ns)
        at++;
    if (at < kept && pic->windows[at].start_wall_ns == w->start_wall_ns) {
        bool news = pic->windows[at].end_wall_ns != w->end_wall_ns;
        pic->windows[at] = *w;
        return news;
    }
    if (kept == WINDOWS_MAX)
        return false;
    pic->window_count++;
    pic->windows =
            rows_grow(pic->windows, &st->window_cap, pic->window_count, sizeof(*pic->windows));
    memmove(&pic->windows[at + 1], &pic->windows[at], (kept - at) * sizeof(*pic->windows));
    pic->windows[at] = *w;
    return true;
}

/* ---- going ---- */

static void node_gone(struct core_picture_store *st, uint32_t row, uint64_t version)
{
    struct core_picture *pic = &st->pic;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        struct core_pod_view *pod = &pic->pods[i];
        if (pod->node == row)
            pod->node = CORE_NO_INDEX;
        if (pod->assigned_node == row)
            pod->assigned_node = CORE_NO_INDEX;
    }
    uint64_t uid = pic->nodes[row].fact.uid;
    fact_drop(&pic->nodes[row].fact, &NODE_STRINGS);
    pic->nodes[row] = (struct core_node_view){0};
    (void)map_u64_remove(&pic->node_index, uid);
    uid_gone(st, uid, version);
    row_release(&st->node_free, &st->node_free_count, st->node_cap, row);
}

static void pod_gone(struct core_picture_store *st, uint32_t row, const struct arrival *in)
{
    struct core_picture *pic = &st->pic;
    pod_unlink(pic, row, in->now);
    uint64_t uid = pic->pods[row].fact.uid;
    fact_drop(&pic->pods[row].fact, &POD_STRINGS);
    pic->pods[row] = (struct core_pod_view){
            .node = CORE_NO_INDEX, .owner = CORE_NO_INDEX, .assigned_node = CORE_NO_INDEX};
    (void)map_u64_remove(&pic->pod_index, uid);
    uid_gone(st, uid, in->fact->version);
    row_release(&st->pod_free, &st->pod_free_count, st->pod_cap, row);
}

static void owner_gone(struct core_picture_store *st, uint32_t row, uint64_t version)
{
    struct core_picture *pic = &st->pic;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        if (pic->pods[i].owner == row)
            pic->pods[i].owner = CORE_NO_INDEX;
    }
    uint64_t uid = pic->owners[row].fact.uid;
    fact_drop(&pic->owners[row].fact, &OWNER_STRINGS);
    pic->owners[row] = (struct core_owner_view){0};
    (void)map_u64_remove(&pic->owner_index, uid);
    uid_gone(st, uid, version);
    row_release(&st->owner_free, &st->owner_free_count, st->owner_cap, row);
}

static bool take_gone(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact)
{
    struct core_picture *pic = &st->pic;
    uint32_t node = core_picture_node(pic, fact->gone);
    uint32_t pod = core_picture_pod(pic, fact->gone);
    uint32_t owner = core_picture_owner(pic, fact->gone);
    if (fact->source == CORE_SOURCE_NODES && node != CORE_NO_INDEX) {
        node_gone(st, node, fact->version);
    } else if (fact->source == CORE_SOURCE_PODS && pod != CORE_NO_INDEX) {
        pod_gone(st, pod, &(struct arrival){.now = now, .fact = fact});
    } else if (fact->source == CORE_SOURCE_OWNERS && owner != CORE_NO_INDEX) {
        owner_gone(st, owner, fact->version);
    } else {
        return false;
    }
    return true;
}

/* Removes what a complete list did not name. */
static void sweep(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact)
{
    struct core_picture *pic = &st->pic;
    uint64_t relist = st->relist[fact->cluster][fact->source];
    for (uint32_t i = 0; fact->source == CORE_SOURCE_NODES && i < pic->node_count; i++) {
        const struct core_node_view *v = &pic->nodes[i];
        if (v->live && v->fact.cluster == fact->cluster && v->seen_relist < relist)
            node_gone(st, i, fact->version);
    }
    for (uint32_t i = 0; fact->source == CORE_SOURCE_PODS && i < pic->pod_count; i++) {
        const struct core_pod_view *v = &pic->pods[i];
        if (v->live && v->fact.cluster == fact->cluster && v->seen_relist < relist)
            pod_gone(st, i, &(struct arrival){.now = now, .fact = fact});
    }
    for (uint32_t i = 0; fact->source == CORE_SOURCE_OWNERS && i < pic->owner_count; i++) {
        const struct core_owner_view *v = &pic->owners[i];
        if (v->live && v->fact.cluster == fact->cluster && v->seen_relist < relist)
            owner_gone(st, i, fact->version);
    }
    for (uint32_t i = 0; fact->source == CORE_SOURCE_CONFIG && i < pic->config_count; i++) {
        const struct core_config_view *v = &pic->configs[i];
        if (v->live && v->cluster == fact->cluster && v->seen_relist < relist)
            config_remove(pic, i);
    }
}

static bool take_sync(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact)
{
    bool *sync = &st->pic.sync[fact->cluster][fact->source];
    st->pic.cluster_known[fact->cluster] = true;
    if (!fact->sync_complete) {
        bool news = *sync;
        /* A second loss while the list is still running begins the list again. */
        st->relist[fact->cluster][fact->source]++;
        *sync = false;
        return news;
    }
    if (*sync)
        return false;
    sweep(st, now, fact);
    *sync = true;
    st->sync_since_mono_ns[fact->cluster][fact->source] = now->mono_ns;
    return true;
}

/* The cluster and uid of an object fact, 0 when the fact is of no object. */
static uint64_t fact_uid(const struct core_fact *fact, uint16_t *ret_cluster)
{
    *ret_cluster = fact->cluster;
    switch (fact->kind) {
    case CORE_FACT_NODE:
        *ret_cluster = fact->node.cluster;
        return fact->node.uid;
    case CORE_FACT_POD:
        *ret_cluster = fact->pod.cluster;
        return fact->pod.uid;
    case CORE_FACT_OWNER:
        *ret_cluster = fact->owner.cluster;
        return fact->owner.uid;
    case CORE_FACT_SYNC:
    case CORE_FACT_GONE:
    case CORE_FACT_CONFIG:
    case CORE_FACT_SAMPLE:
    case CORE_FACT_INCIDENT:
    case CORE_FACT_OFFER:
    case CORE_FACT_POLICY:
    case CORE_FACT_WINDOW:
    case CORE_FACT_APPROVAL:
    case CORE_FACT_OUTCOME:
    case CORE_FACT_SOLUTION:
    case CORE_FACT_HISTORY:
    case CORE_FACT_EVICTED:
    case CORE_FACT_COUNT:
        break;
    }
    return 0;
}

bool core_picture_take(
        struct core_picture_store *st, const struct core_now *now, const struct core_fact *fact)
{
    uint16_t cluster;
    uint64_t uid = fact_uid(fact, &cluster);
    if (cluster != fact->cluster || cluster >= CORE_CLUSTERS_MAX ||
            (unsigned)fact->source >= CORE_SOURCE_COUNT)
        return false;
    if (uid != 0 && is_late(st, uid, fact))
        return false;
    struct arrival in = {.now = now, .fact = fact, .relist = st->relist[cluster][fact->source]};
    switch (fact->kind) {
    case CORE_FACT_SYNC:
        return take_sync(st, now, fact);
    case CORE_FACT_GONE:
        return take_gone(st, now, fact);
    case CORE_FACT_NODE:
        return uid != 0 && take_node(st, &in);
    case CORE_FACT_POD:
        return uid != 0 && take_pod(st, &in);
    case CORE_FACT_OWNER:
        return uid != 0 && take_owner(st, &in);
    case CORE_FACT_CONFIG:
        return take_config(st, &in);
    case CORE_FACT_SAMPLE:
        return take_sample(&st->pic, fact);
    case CORE_FACT_OFFER:
        return take_offer(st, fact);
    case CORE_FACT_WINDOW:
        return take_window(st, now, fact);
    case CORE_FACT_POLICY:
        take_policy(st, fact->policy);
        return true;
    case CORE_FACT_INCIDENT:
    case CORE_FACT_APPROVAL:
    case CORE_FACT_OUTCOME:
    case CORE_FACT_SOLUTION:
    case CORE_FACT_HISTORY:
    case CORE_FACT_EVICTED:
        return true; /* not kept here: for the decider and the rollouts */
    case CORE_FACT_COUNT:
        break;
    }
    return false;
}

/* ---- what the rollout half shows: moves ---- */

void core_picture_move_add(struct core_picture_store *st, const struct core_move_view *move)
{
    struct core_picture *pic = &st->pic;
    pic->move_count++;
    pic->moves = rows_grow(pic->moves, &st->move_cap, pic->move_count, sizeof(*pic->moves));
    pic->moves[pic->move_count - 1] = *move;
}

void core_picture_move_remove(struct core_picture_store *st, uint32_t index)
{
    struct core_picture *pic = &st->pic;
    assert(index < pic->move_count);
    pic->move_count--;
    memmove(&pic->moves[index], &pic->moves[index + 1],
            (pic->move_count - index) * sizeof(*pic->moves));
}

void core_picture_clear(struct core_picture_store *st)
{
    struct core_picture *pic = &st->pic;
    for (uint32_t i = 0; i < pic->node_count; i++)
        fact_drop(&pic->nodes[i].fact, &NODE_STRINGS);
    for (uint32_t i = 0; i < pic->pod_count; i++)
        fact_drop(&pic->pods[i].fact, &POD_STRINGS);
    for (uint32_t i = 0; i < pic->owner_count; i++)
        fact_drop(&pic->owners[i].fact, &OWNER_STRINGS);
    for (uint32_t i = 0; i < pic->config_count; i++)
        config_remove(pic, i);
    for (uint32_t i = 0; i < pic->offer_count; i++)
        fact_drop(&pic->offers[i], &OFFER_STRINGS);
    (void)arena_free(st->policy_arena);
    mem_free(pic->nodes);
    mem_free(pic->pods);
    mem_free(pic->owners);
    mem_free(pic->configs);
    mem_free(pic->offers);
    mem_free(pic->windows);
    mem_free(pic->moves);
    mem_free(st->node_free);
    mem_free(st->pod_free);
    mem_free(st->owner_free);
    mem_free(st->gone_ring);
    map_u64_clear(&st->gone);
    map_u64_clear(&pic->node_index);
    map_u64_clear(&pic->pod_index);
    map_u64_clear(&pic->owner_index);
    memset(st, 0, sizeof(*st));
}
