/* core/decide_pool.c - the nodes and pools as they are in this run, counted from the picture.
 *
 * Pure.  Everything is counted afresh: nothing here can drift from what the cluster shows.  A node
 * on its way into a pool already counts as that pool's capacity, so that a shortage is met once. */
#include "core/decide-priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* By tier.  No model's key begins with "x2-". */
static const char *const PREFIX_SHARED[PLACE_TIERS] = {"ts-", "ts1-", "ts2-"};
static const char *const PREFIX_MIG[PLACE_TIERS] = {"mig-", "mig-x2-", "mig-x4-"};

void decide_pool_name(enum model_technique technique, uint16_t gpu, unsigned tier,
        char ret_name[DECIDE_POOL_NAME_MAX])
{
    assert(technique != MODEL_TECHNIQUE_EXCLUSIVE);
    assert(tier < PLACE_TIERS);
    const char *prefix = technique == MODEL_TECHNIQUE_MIG ? PREFIX_MIG[tier] : PREFIX_SHARED[tier];
    int len = snprintf(ret_name, DECIDE_POOL_NAME_MAX, "%s%s", prefix, model_gpu_get(gpu)->key);
    assert(len > 0 && len < DECIDE_POOL_NAME_MAX);
    for (char *c = ret_name; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
}

/* Asked for every object in every step: it compares and formats nothing. */
bool decide_pool_parse(
        struct str name, enum model_technique *ret_technique, uint16_t *ret_gpu, uint8_t *ret_tier)
{
    for (unsigned i = 0; i < 2 * PLACE_TIERS; i++) {
        bool mig = i >= PLACE_TIERS;
        unsigned tier = i % PLACE_TIERS;
        struct str prefix = str_from(mig ? PREFIX_MIG[tier] : PREFIX_SHARED[tier]);
        if (!str_starts(name, prefix))
            continue;
        struct str key = {.ptr = name.ptr + prefix.len, .len = name.len - prefix.len};
        for (uint32_t row = 0; row < model_gpu_count(); row++) {
            const char *model = model_gpu_get(row)->key;
            if (!core_share_key_leads(key, model) || key.len != strlen(model))
                continue;
            *ret_technique = mig ? MODEL_TECHNIQUE_MIG : MODEL_TECHNIQUE_TIME_SLICING;
            *ret_gpu = (uint16_t)row;
            *ret_tier = (uint8_t)tier;
            return true;
        }
    }
    return false;
}

uint32_t decide_pool_get(struct decide_run *run, uint16_t cluster, struct str name)
{
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier;

    for (uint32_t i = 0; i < run->pool_count; i++) {
        if (run->pools[i].cluster == cluster && str_eq_c(name, run->pools[i].name))
            return i;
    }
    if (run->pool_count == DECIDE_POOLS_MAX || !decide_pool_parse(name, &technique, &gpu, &tier))
        return CORE_NO_INDEX;
    struct decide_pool *pool = &run->pools[run->pool_count];
    *pool = (struct decide_pool){
            .cluster = cluster, .gpu = gpu, .technique = technique, .tier = tier};
    memcpy(pool->name, name.ptr, name.len);
    return run->pool_count++;
}

struct decide_pool_memory *decide_pool_remember(
        struct core_decider *d, const struct decide_pool *pool)
{
    for (uint32_t i = 0; i < d->pool_memory_count; i++) {
        struct decide_pool_memory *m = &d->pool_memory[i];
        if (m->cluster == pool->cluster && strcmp(m->name, pool->name) == 0)
            return m;
    }
    if (d->pool_memory_count == DECIDE_POOLS_MAX)
        return NULL;
    struct decide_pool_memory *m = &d->pool_memory[d->pool_memory_count++];
    *m = (struct decide_pool_memory){.cluster = pool->cluster};
    memcpy(m->name, pool->name, sizeof(m->name));
    return m;
}

/* ---- nodes ---- */

static bool node_usable(const struct core_node_view *view, struct core_rollout_view rollout)
{
    const struct core_node_fact *f = &view->fact;
    bool ours = rollout.active || rollout.held || rollout.retiring;

    if (!view->live || !f->ready || f->frozen || f->foreign.len > 0 || rollout.frozen)
        return false;
    if (f->caps.share != CORE_SHARE_NODE_RESOURCE || f->caps.steer != CORE_STEER_POOL)
        return false;
    return !f->unschedulable || ours; /* somebody else's cordon is theirs */
}

/* Why the controller does not evict a pod to gain something, "" when it may.  Alarms ask a weaker
 * question. */
static struct str pod_stays(
        const struct core_decider *d, const struct core_picture *pic, uint32_t pod)
{
    const struct core_pod_view *view = &pic->pods[pod];
    if (view->owner == CORE_NO_INDEX || !pic->owners[view->owner].live)
        return STR_LIT("its owner is not known");
    const struct core_owner_fact *owner = &pic->owners[view->owner].fact;
    enum model_class workload_class = decide_owner_class(d, owner);
    if (owner->kind == MODEL_OWNER_JOB)
        return STR_LIT("a Job would start again from zero");
    if (owner->kind != MODEL_OWNER_DEPLOYMENT && owner->kind != MODEL_OWNER_STATEFULSET)
        return STR_LIT("it would not come back");
    if (owner->foreign.len > 0)
        return owner->foreign;
    if (owner->max_unavailable == 0)
        return STR_LIT("its PodDisruptionBudget allows no disruption");
    if (workload_class == MODEL_CLASS_LATENCY_SENSITIVE)
        return STR_LIT("latency-sensitive work is not moved to empty a node");
    if (workload_class == MODEL_CLASS_TRAINING)
        return STR_LIT("training is not interrupted to empty a node");
    return STR_LIT("");
}

bool decide_pod_movable(const struct decide_run *run, uint32_t pod)
{
    return pod_stays(run->d, run->pic, pod).len == 0;
}

bool core_decider_node_stays(const struct core_decider *d, const struct core_picture *pic,
        uint32_t node, struct str *ret_pod, struct str *ret_why)
{
    const struct core_node_view *view = &pic->nodes[node];
    for (uint32_t i = 0; i < view->pod_count; i++) {
        struct str why = pod_stays(d, pic, view->pods[i]);
        if (why.len == 0)
            continue;
        *ret_pod = pic->pods[view->pods[i]].fact.name;
        *ret_why = why;
        return true;
    }
    return false;
}

static enum decide_mode mode_of(const struct decide_run *run, uint32_t node, uint32_t replicas)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier;
    bool mig = false;

    for (uint32_t i = 0; i < f->allocatable_count; i++)
        mig |= decide_of_mig(&f->allocatable[i].resource) && f->allocatable[i].count > 0;
    if (f->pool.len > 0) {
        if (!decide_pool_parse(f->pool, &technique, &gpu, &tier) || gpu != f->gpu)
            return DECIDE_MODE_OTHER;
        return technique == MODEL_TECHNIQUE_MIG ? DECIDE_MODE_MIG : DECIDE_MODE_SHARED;
    }
    return replicas == 1 && !mig ? DECIDE_MODE_EXCLUSIVE : DECIDE_MODE_OTHER;
}

static void node_pods_count(struct decide_run *run, uint32_t node)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    struct decide_node *state = &run->nodes[node];
    uint64_t cpu = 0;
    uint64_t ram = 0;

    state->movable = true;
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[view->pods[i]];
        state->used += pod->fact.count;
        if (pod->fact.phase == CORE_POD_TERMINATING)
            state->leaving += pod->fact.count;
        if (!decide_pod_movable(run, view->pods[i]))
            state->movable = false;
        if (pod->owner != CORE_NO_INDEX) {
            cpu += run->pic->owners[pod->owner].fact.cpu_milli;
            ram += run->pic->owners[pod->owner].fact.memory_mib;
        }
    }
    state->cpu_free = cpu < view->fact.cpu_milli ? view->fact.cpu_milli - (uint32_t)cpu : 0;
    state->ram_free = ram < view->fact.memory_mib ? view->fact.memory_mib - (uint32_t)ram : 0;
}

static uint32_t mig_slots(const struct core_node_fact *f)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        if (decide_of_mig(&f->allocatable[i].resource))
            slots += f->allocatable[i].count;
    }
    return slots;
}

static void node_count(struct decide_run *run, uint32_t node)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    struct core_rollout_view rollout = core_picture_rollout(run->pic, node);
    struct decide_node *state = &run->nodes[node];

    *state = (struct decide_node){.pool = CORE_NO_INDEX};
    if (!view->live)
        return;
    state->replicas = core_picture_node_replicas(run->pic, node);
    state->mode = mode_of(run, node, state->replicas);
    state->usable = node_usable(view, rollout);
    state->busy_rollout = rollout.active;
    state->change = rollout.change;
    state->retiring = rollout.retiring;
    state->held = rollout.held;
    state->closed = view->fact.unschedulable || rollout.held || rollout.retiring ||
                    (rollout.active && rollout.change != CORE_CHANGE_REPLICAS_RAISE);
    /* A node that was never configured has no configuration to keep. */
    bool fresh = view->fact.plugin_config.len == 0 && view->fact.mig_config.len == 0;
    state->settled =
            fresh || run->now->wall_ns - view->config_since_wall_ns >= run->policy->dwell_ns;
    node_pods_count(run, node);
    switch (state->mode) {
    case DECIDE_MODE_EXCLUSIVE:
        state->slots = view->fact.gpu_count;
        break;
    case DECIDE_MODE_SHARED:
        state->slots = view->fact.gpu_count * num_max_u32(state->replicas, 1);
        break;
    case DECIDE_MODE_MIG:
        state->slots = mig_slots(&view->fact);
        break;
    case DECIDE_MODE_OTHER:
        break;
    }
}

/* ---- pools ---- */

uint32_t decide_pool_room(
        const struct decide_pool *pool, uint32_t slots, uint32_t cpu, uint32_t ram)
{
    uint32_t by_cpu = pool->cpu_milli > 0 ? cpu / pool->cpu_milli : slots;
    uint32_t by_ram = pool->ram_mib > 0 ? ram / pool->ram_mib : slots;
    return num_min_u32(slots, num_min_u32(by_cpu, by_ram));
}

/* Slots are worth what pods can use of them: a node whose CPU is spent takes nobody. */
static void node_room(struct decide_run *run, uint32_t node, const struct decide_pool *pool)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    struct decide_node *state = &run->nodes[node];
    if (state->busy_rollout && state->change == CORE_CHANGE_REPLICAS_RAISE) {
        uint32_t asked = map_u64_find(&run->d->raising, view->fact.uid);
        if (asked != MAP_NONE && asked > state->replicas)
            state->slots = view->fact.gpu_count * asked; /* a minute away */
    }
    state->room = decide_pool_room(pool, state->slots - num_min_u32(state->used, state->slots),
            state->cpu_free, state->ram_free);
}

static void pool_add_node(struct decide_run *run, uint32_t node)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    struct decide_node *state = &run->nodes[node];
    struct str name = view->fact.pool;
    uint32_t entering = map_u64_find(&run->d->entering, view->fact.uid);
    bool changes = state->busy_rollout && (state->change == CORE_CHANGE_SHARE ||
                                                  state->change == CORE_CHANGE_MIG_RELAYOUT);

    if (changes && entering != MAP_NONE)
        name = str_from(run->d->pool_memory[entering].name);
    if (name.len == 0)
        return;
    state->pool = decide_pool_get(run, view->fact.cluster, name);
    if (state->pool == CORE_NO_INDEX)
        return;
    struct decide_pool *pool = &run->pools[state->pool];
    if (changes) {
        const struct decide_pool_memory *m = decide_pool_remember(run->d, pool);
        state->entering = true;
        uint32_t asked = map_u64_find(&run->d->raising, view->fact.uid);
        if (asked == MAP_NONE)
            asked = m != NULL ? num_max_u32(m->replicas, 1) : 1;
        if (pool->technique == MODEL_TECHNIQUE_TIME_SLICING) {
            pool->have += decide_pool_room(pool, view->fact.gpu_count * asked, view->fact.cpu_milli,
                    view->fact.memory_mib);
        }
        return;
    }
    node_room(run, node, pool);
    if (state->usable && !state->retiring) {
        bool leaves = state->busy_rollout && state->change == CORE_CHANGE_UNSHARE;
        if (!leaves)
            pool->have += state->used + (state->held ? 0 : state->room);
        if (!state->closed)
            pool->open += state->room;
    }
}

/* The scheduler's own retries come first. */
static const int64_t patience_ns = 20 * NUM_NS_PER_SECOND;

bool decide_pod_waits(const struct core_pod_view *pod)
{
    return pod->live && pod->fact.phase == CORE_POD_PENDING && pod->node == CORE_NO_INDEX &&
           pod->fact.unschedulable;
}

bool decide_pod_stuck(const struct decide_run *run, const struct core_pod_view *pod)
{
    return decide_pod_waits(pod) && run->now->wall_ns - pod->fact.created_wall_ns >= patience_ns;
}

static void pool_add_pod(struct decide_run *run, uint32_t row, uint32_t *alive_of_owner)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    if (!pod->live || pod->fact.phase == CORE_POD_ENDED || pod->fact.pool.len == 0)
        return;
    if (pod->fact.phase == CORE_POD_TERMINATING)
        return; /* its slot is soon free, its successor is counted by the owner's replicas */
    uint32_t index = decide_pool_get(run, pod->fact.cluster, pod->fact.pool);
    if (index == CORE_NO_INDEX)
        return;
    run->pools[index].pods++;
    if (pod->node == CORE_NO_INDEX)
        run->pools[index].pending++;
    if (decide_pod_stuck(run, pod))
        run->pools[index].stuck++;
    if (pod->owner == CORE_NO_INDEX)
        return;
    if (str_eq(run->pic->owners[pod->owner].fact.pool, pod->fact.pool))
        alive_of_owner[pod->owner]++;
}

static void pool_add_owner(struct decide_run *run, uint32_t row, uint32_t alive)
{
    const struct core_owner_view *view = &run->pic->owners[row];
    const struct core_owner_fact *o = &view->fact;
    if (!view->live || o->pool.len == 0)
        return;
    uint32_t index = decide_pool_get(run, o->cluster, o->pool);
    if (index == CORE_NO_INDEX)
        return;
    struct decide_pool *pool = &run->pools[index];
    bool keeps_count = o->kind == MODEL_OWNER_DEPLOYMENT || o->kind == MODEL_OWNER_STATEFULSET;
    uint32_t expected = keeps_count && o->replicas > alive ? o->replicas - alive : 0;
    pool->owners++;
    pool->want += expected;
    pool->lasting += keeps_count ? alive + expected : 0;
    if (alive + expected > 0 || o->kind == MODEL_OWNER_JOB) {
        pool->cpu_milli = num_max_u32(pool->cpu_milli, o->cpu_milli);
        pool->ram_mib = num_max_u32(pool->ram_mib, o->memory_mib);
    }
    if (pool->technique == MODEL_TECHNIQUE_MIG) {
        struct decide_way way = decide_way_now(o);
        pool->want_profile[way.profile] += alive + expected;
    }
    const struct decide_owner *mine = decide_owner_find(run->d, o->uid);
    pool->guessed |= mine == NULL || !mine->bears_measured;
    if (pool->technique != MODEL_TECHNIQUE_TIME_SLICING || mine == NULL || mine->bears == 0)
        return;
    /* Memory: the least of its owners.  Busy time: their mean, by what they usually have. */
    uint32_t pods = num_max_u32(1, mine->pods_mean_milli);
    pool->hard = pool->hard == 0 ? mine->bears : num_min_u32(pool->hard, mine->bears);
    pool->weight += pods;
    pool->size_ppm += (uint64_t)pods * mine->size_ppm;
}

static void pool_finish(struct decide_run *run, struct decide_pool *pool)
{
    pool->want += pool->pods;
    pool->want += (uint32_t)((uint64_t)pool->want * run->policy->spare_slots_permille / 1000);
    if (pool->technique != MODEL_TECHNIQUE_TIME_SLICING)
        return;
    pool->replicas = num_min_u32(place_pool_replicas(pool->hard, pool->weight, pool->size_ppm),
            run->policy->replicas_max);
}

void decide_pools_count(struct decide_run *run)
{
    const struct core_picture *pic = run->pic;
    struct arena *a = run->d->scratch;
    uint32_t *alive = ARENA_ARRAY(a, uint32_t, pic->owner_count + 1);

    run->nodes = ARENA_ARRAY(a, struct decide_node, pic->node_count + 1);
    run->pools = run->d->pools; /* each is set up when it is first named */
    run->pool_count = 0;
    for (uint32_t i = 0; i < pic->pod_count; i++)
        pool_add_pod(run, i, alive);
    for (uint32_t i = 0; i < pic->owner_count; i++)
        pool_add_owner(run, i, alive[i]);
    for (uint32_t i = 0; i < pic->node_count; i++) {
        node_count(run, i);
        if (pic->nodes[i].live)
            pool_add_node(run, i);
    }
    for (uint32_t i = 0; i < run->pool_count; i++)
        pool_finish(run, &run->pools[i]);
}

/* ---- room elsewhere ---- */

struct room {
    uint32_t node, slots, cpu, ram;
};

bool decide_pods_fit_elsewhere(const struct decide_run *run, uint32_t node)
{
    const struct core_node_view *from = &run->pic->nodes[node];
    struct room *rooms = ARENA_ARRAY(run->d->scratch, struct room, run->pic->node_count + 1);
    uint32_t count = 0;

    if (run->d->options.plant_bug[CORE_REASON_GUARD_ROOM])
        return true;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        if (i == node || !s->usable || s->closed || s->taken || s->mode != run->nodes[node].mode)
            continue;
        if (run->pic->nodes[i].fact.cluster != from->fact.cluster || s->used >= s->slots)
            continue;
        if (s->pool != run->nodes[node].pool)
            continue;
        rooms[count++] = (struct room){i, s->slots - s->used, s->cpu_free, s->ram_free};
    }
    for (uint32_t i = 0; i < from->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[from->pods[i]];
        if (pod->owner == CORE_NO_INDEX)
            return false;
        const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
        uint32_t best = CORE_NO_INDEX;
        for (uint32_t k = 0; k < count; k++) {
            uint16_t gpu = run->pic->nodes[rooms[k].node].fact.gpu;
            bool model = o->gpu_models == 0 || (o->gpu_models >> gpu & 1) != 0;
            if (!model || rooms[k].slots < pod->fact.count || rooms[k].cpu < o->cpu_milli ||
                    rooms[k].ram < o->memory_mib)
                continue;
            if (best == CORE_NO_INDEX || rooms[k].slots < rooms[best].slots)
                best = k;
        }
        if (best == CORE_NO_INDEX)
            return false;
        rooms[best].slots -= pod->fact.count;
        rooms[best].cpu -= o->cpu_milli;
        rooms[best].ram -= o->memory_mib;
    }
    return true;
}

/* ---- MIG layouts of now ---- */

bool decide_of_mig(const struct model_resource *r)
{
    return r->kind == MODEL_RESOURCE_MIG || r->kind == MODEL_RESOURCE_MIG_SHARED;
}

uint32_t decide_instances(const struct core_node_fact *f, const struct core_resource_count *c)
{
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier = 0;
    if (!decide_of_mig(&c->resource))
        return 0;
    if (c->resource.kind == MODEL_RESOURCE_MIG ||
            !decide_pool_parse(f->pool, &technique, &gpu, &tier))
        return c->count;
    return c->count / decide_tier_replicas(tier);
}

/* The node's instances as one layout text a GPU.  Only counts a profile are known at node level;
 * they are spread evenly, as we write them. */
void decide_layouts_now(
        const struct core_picture *pic, uint32_t node, struct core_node_target *ret_target)
{
    const struct core_node_fact *f = &pic->nodes[node].fact;
    if (!ret_target->mig || f->gpu_count == 0)
        return;
    ret_target->layout_count = num_min_u32(f->gpu_count, CORE_INTENT_LAYOUTS_MAX);
    for (uint32_t g = 0; g < ret_target->layout_count; g++) {
        size_t len = 0;
        char *text = ret_target->layouts[g];
        for (uint32_t i = 0; i < f->allocatable_count; i++) {
            const struct core_resource_count *c = &f->allocatable[i];
            uint32_t count = decide_instances(f, c);
            uint32_t here = count / f->gpu_count + (g < count % f->gpu_count ? 1 : 0);
            for (uint32_t k = 0; k < here && len + MODEL_PROFILE_NAME_MAX < CORE_LAYOUT_TEXT_MAX;
                    k++) {
                len += (size_t)snprintf(text + len, CORE_LAYOUT_TEXT_MAX - len, "%s%s",
                        len > 0 ? "," : "", c->resource.profile);
            }
        }
    }
}
