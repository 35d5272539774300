/* core/decide_node.c - the capacity of pools: share, raise, unshare, retire, in every run.
 *
 * Pure.  Works on this run's counts alone.  A shortage takes the node that hurts least; a surplus
 * must have lasted before a node is emptied; a latency-sensitive pod that waits for a whole GPU
 * may have a shared node at once, if the pods of that pool fit on the others. */
#include "core/decide-priv.h"

#include <stdio.h>
#include <string.h>

/* TUNING: a higher replica count is taken over when it was right for so long. */
static const int64_t raise_after_ns = 20 * 60 * NUM_NS_PER_SECOND;

/* TUNING: a surplus is acted upon when it lasted as long as the policy says (shorter than the
 * autoscaler's own ten minutes pays twice), and longer by as much for every pod that has to move:
 * what lasted is likely to last as long again, and an eviction must be worth it. */
int64_t decide_surplus_after(const struct decide_run *run, uint32_t pods)
{
    return run->policy->surplus_after_ns * (1 + (int64_t)pods);
}

/* TUNING: pods that may have to make room at once for a latency-sensitive one. */
enum { TAKE_PODS_MAX = 5 };
static const int64_t take_every_ns = 2 * NUM_NS_PER_HOUR;
static const int64_t take_again_ns = 10 * 60 * NUM_NS_PER_SECOND; /* the same wish, told again */

static int64_t node_price(const struct decide_run *run, uint32_t node)
{
    return run->pic->nodes[node].fact.microusd_per_hour;
}

/* ---- replicas of a pool ---- */

static void pool_replicas_settle(struct decide_run *run, struct decide_pool *pool)
{
    struct decide_pool_memory *m = decide_pool_remember(run->d, pool);
    if (m == NULL || pool->technique != MODEL_TECHNIQUE_TIME_SLICING)
        return;
    uint32_t least = num_max_u32(2, run->policy->replicas_min);
    uint32_t wanted = pool->replicas > 0 ? num_max_u32(pool->replicas, least) : least;
    if (m->replicas == 0)
        m->replicas = wanted;
    if (wanted != m->next_replicas) {
        m->next_replicas = wanted;
        m->next_since_mono_ns = run->now->mono_ns;
    }
    /* Down for new nodes at once; up when it lasted. */
    if (wanted < m->replicas) {
        m->replicas = wanted;
    } else if (run->now->mono_ns - m->next_since_mono_ns >= raise_after_ns) {
        m->replicas = wanted;
    }
    pool->replicas = m->replicas;
}

/* ---- shortage ---- */

/* TUNING: to share a node that could go and be saved hurts as much as to move so many more pods. */
enum { GOES_PODS = 16 };

/* How much it hurts to give the node to the pool; UINT32_MAX = not to be had. */
static uint32_t share_harm(
        const struct decide_run *run, uint32_t node, const struct decide_pool *to)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct decide_node *s = &run->nodes[node];
    uint32_t goes = view->fact.keeps.len == 0 ? GOES_PODS : 0;
    uint32_t strangers = 0;

    if (s->mode != DECIDE_MODE_EXCLUSIVE || !s->usable || s->busy_rollout || s->taken)
        return UINT32_MAX;
    if (view->fact.cluster != to->cluster || view->fact.gpu != to->gpu || !s->settled)
        return UINT32_MAX;
    if (view->pod_count == 0)
        return goes;
    if (!s->movable)
        return UINT32_MAX;
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[view->pods[i]];
        const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
        if (!str_eq_c(o->pool, to->name))
            strangers++;
    }
    /* They would wait for a fresh node: no gain, unless the pool has no node at all.  Then no
     * autoscaler knows what one would offer, and its pods wait for ever. */
    bool fit = strangers == 0 || decide_pods_fit_elsewhere(run, node);
    if (!fit && (to->have > 0 || to->stuck == 0))
        return UINT32_MAX;
    return goes + 1 + view->pod_count + 16 * strangers + (fit ? 0 : 1024);
}

/* Gives the node to the pool with as many replicas as the shortage asks for; more come in place.
 * Returns the slots that the pool gains. */
static uint32_t share_node(struct decide_run *run, uint32_t node, uint32_t index, uint32_t missing)
{
    struct decide_pool *pool = &run->pools[index];
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    struct core_intent *i = decide_node_intent(run, node, CORE_CHANGE_SHARE,
            pool->pending > 0 ? CORE_REASON_PENDING_PODS : CORE_REASON_DEMAND_RISES);
    uint32_t asked = (missing + f->gpu_count - 1) / f->gpu_count;
    uint32_t least = num_max_u32(2, run->policy->replicas_min);
    uint32_t replicas = num_min_u32(num_max_u32(asked, least), pool->replicas);
    uint32_t slots = decide_pool_room(pool, f->gpu_count * replicas, f->cpu_milli, f->memory_mib);
    uint32_t served = num_min_u32(missing, slots);
    int64_t apart = num_muldiv_i64(f->microusd_per_hour, served, f->gpu_count);

    i->target.replicas = replicas;
    i->target.mig = false;
    i->target.layout_count = 0;
    memcpy(i->target.pool, pool->name, sizeof(i->target.pool));
    i->saving_microusd_per_hour = num_max_i64(apart - f->microusd_per_hour,
            num_muldiv_i64(f->microusd_per_hour, replicas - 1, replicas));
    decide_why(i,
            "pool %s lacks %u slots (wants %u, has %u); %u GPUs x %u of %u borne serve %u pods "
            "that alone cost %lld micro-USD/h",
            pool->name, missing, pool->want, pool->have, f->gpu_count, replicas, pool->replicas,
            served, (long long)apart);
    decide_evidence(i, "slots_wanted", pool->want);
    decide_evidence(i, "slots_had", pool->have);
    decide_evidence(i, "pods_pending", pool->pending);
    decide_evidence(i, "replicas", replicas);
    decide_evidence(i, "node_microusd_per_hour", f->microusd_per_hour);
    decide_evidence(i, "alone_microusd_per_hour", apart);
    map_u64_set(&run->d->raising, f->uid, replicas);
    return slots;
}

/* The most pods that the node may hold with so many replicas, and what raising it to them brings.
 */
static uint32_t raise_gain(const struct decide_run *run, const struct decide_pool *pool,
        uint32_t node, uint32_t replicas)
{
    const struct decide_node *s = &run->nodes[node];
    uint32_t slots = run->pic->nodes[node].fact.gpu_count * replicas;
    uint32_t room =
            decide_pool_room(pool, slots - num_min_u32(s->used, slots), s->cpu_free, s->ram_free);
    return room > s->room ? room - s->room : 0;
}

static void raise_node(
        struct decide_run *run, uint32_t node, struct decide_pool *pool, uint32_t replicas)
{
    struct decide_node *s = &run->nodes[node];
    uint32_t gain = raise_gain(run, pool, node, replicas);
    uint32_t gpus = run->pic->nodes[node].fact.gpu_count;
    struct core_intent *i = decide_node_intent(run, node, CORE_CHANGE_REPLICAS_RAISE,
            pool->stuck > 0 ? CORE_REASON_PENDING_PODS : CORE_REASON_DEMAND_RISES);

    i->target.replicas = replicas;
    i->saving_microusd_per_hour =
            num_muldiv_i64(node_price(run, node), replicas - s->replicas, replicas);
    decide_why(i,
            "pool %s wants %u slots and has %u; %u a GPU instead of %u give %u more of the %u that "
            "a GPU bears; another node costs %lld micro-USD/h",
            pool->name, pool->want, pool->have, replicas, s->replicas, gain, pool->replicas,
            (long long)node_price(run, node));
    decide_evidence(i, "replicas_now", s->replicas);
    decide_evidence(i, "replicas_borne", pool->replicas);
    decide_evidence(i, "pods_in_pool", pool->pods);
    decide_evidence(i, "slots_wanted", pool->want);
    decide_evidence(i, "slots_had", pool->have);
    map_u64_set(&run->d->raising, run->pic->nodes[node].fact.uid, replicas);
    pool->have += gain;
    s->slots = gpus * replicas;
    s->room += gain;
    s->taken = true;
}

/* More pods a GPU on a node that is there: no pod notices, and nothing is cheaper.  The node that
 * gains most, with no more replicas than the shortage asks for. */
static bool pool_raise(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    uint32_t missing = pool->want - pool->have;
    uint32_t best = CORE_NO_INDEX;
    uint32_t best_gain = 0;
    uint32_t best_replicas = 0;

    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        if (s->pool != index || !s->usable || s->closed || s->busy_rollout || s->entering)
            continue;
        if (s->replicas == 0 || s->replicas >= pool->replicas || !s->settled || s->taken)
            continue;
        uint32_t gpus = run->pic->nodes[i].fact.gpu_count;
        uint32_t replicas = num_min_u32(pool->replicas, s->replicas + (missing + gpus - 1) / gpus);
        uint32_t gain = raise_gain(run, pool, i, replicas);
        if (gain > best_gain) {
            best = i;
            best_gain = gain;
            best_replicas = replicas;
        }
    }
    if (best == CORE_NO_INDEX)
        return false;
    raise_node(run, best, pool, best_replicas);
    return true;
}

/* A node of the pool that is being retired or held open again costs nothing. */
static bool take_back(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        struct decide_node *s = &run->nodes[i];
        if (s->pool != index || !s->usable || !s->retiring || s->taken)
            continue;
        struct core_intent *intent =
                decide_node_intent(run, i, CORE_CHANGE_RELEASE, CORE_REASON_DEMAND_RISES);
        decide_why(intent, "pool %s wants %u slots and has %u; this retiring node has %u",
                pool->name, pool->want, pool->have, s->slots);
        decide_evidence(intent, "slots_wanted", pool->want);
        decide_evidence(intent, "slots_had", pool->have);
        s->taken = true;
        pool->have += s->used + s->room;
        return true;
    }
    return false;
}

static void pool_grow(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    while (pool->have < pool->want) {
        uint32_t best = CORE_NO_INDEX;
        uint32_t best_harm = UINT32_MAX;
        if (take_back(run, index) || pool_raise(run, index))
            continue;
        for (uint32_t i = 0; i < run->pic->node_count; i++) {
            uint32_t harm = run->pic->nodes[i].live ? share_harm(run, i, pool) : UINT32_MAX;
            if (harm < best_harm) {
                best_harm = harm;
                best = i;
            }
        }
        if (best == CORE_NO_INDEX)
            return;
        uint32_t gained = share_node(run, best, index, pool->want - pool->have);
        run->nodes[best].taken = true;
        struct decide_pool_memory *m = decide_pool_remember(run->d, pool);
        if (m != NULL) {
            map_u64_set(&run->d->entering, run->pic->nodes[best].fact.uid,
                    (uint32_t)(m - run->d->pool_memory));
        }
        if (gained == 0)
            return; /* not one of the pool's pods would fit on it */
        pool->have += gained;
    }
}

/* ---- surplus ---- */

/* What keeps a node that could be emptied is told once, so that people may lift it. */
static void kept_tell(struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    struct core_decision *r =
            decide_refuse(run->d, run->now, CORE_CHANGE_RETIRE, CORE_REASON_GUARD_KEPT, f->uid);
    if (r == NULL)
        return;
    r->cluster = f->cluster;
    r->node = f->uid;
    r->saving_microusd_per_hour = f->microusd_per_hour;
    r->text = str_from(arena_printf(run->d->scratch,
            "%.*s: its pods fit elsewhere, and it would stay all the same: %.*s",
            STR_ARG_SHORT(f->name), STR_ARG(f->keeps)));
    decide_refusal_evidence(r, "node_microusd_per_hour", f->microusd_per_hour);
}

/* True for a node that would not go if it was emptied. */
static bool kept(struct decide_run *run, uint32_t node)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    if (view->fact.keeps.len == 0 || run->nodes[node].retiring)
        return false;
    if (view->pod_count == 0 || decide_pods_fit_elsewhere(run, node))
        kept_tell(run, node);
    return true;
}

/* The node of the pool whose leaving hurts least and is borne: slots without it still cover `need`
 * and its pods fit on the others.  gpus: that a pod waits for; 0 = the node is to go. */
static uint32_t spare_node(
        struct decide_run *run, uint32_t index, uint32_t need, uint64_t gpu_models, uint32_t gpus)
{
    const struct decide_pool *pool = &run->pools[index];
    uint32_t best = CORE_NO_INDEX;

    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        const struct core_node_view *view = &run->pic->nodes[i];
        if (s->pool != index || !s->usable || s->busy_rollout != s->retiring || s->taken)
            continue;
        if (s->entering || (gpu_models != 0 && !(gpu_models >> view->fact.gpu & 1)))
            continue;
        uint32_t counted = s->retiring ? 0 : s->used + (s->held ? 0 : s->room);
        if (view->fact.gpu_count < gpus || pool->have - counted < need)
            continue;
        if ((gpus == 0 && kept(run, i)) || !s->movable)
            continue;
        if (best != CORE_NO_INDEX && run->nodes[best].used <= s->used)
            continue;
        if (view->pod_count == 0 || decide_pods_fit_elsewhere(run, i))
            best = i;
    }
    return best;
}

void decide_retire(struct decide_run *run, uint32_t node, const char *from, uint32_t spare)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    struct core_intent *i =
            decide_node_intent(run, node, CORE_CHANGE_RETIRE, CORE_REASON_SCALE_DOWN);
    i->target.retire = true;
    i->saving_microusd_per_hour = view->fact.microusd_per_hour;
    decide_why(i,
            "%u pods of it fit on other nodes of %s, which keep %u slots free; the node costs %lld "
            "micro-USD/h",
            view->pod_count, from, spare, (long long)view->fact.microusd_per_hour);
    decide_evidence(i, "pods_to_move", view->pod_count);
    decide_evidence(i, "slots_free_after", spare);
    decide_evidence(i, "node_microusd_per_hour", view->fact.microusd_per_hour);
    run->nodes[node].taken = true;
}

/* The pods of a node of this kind are still on their way out: where they land is not counted yet.
 */
static bool emptying(const struct decide_run *run, uint16_t cluster, uint16_t gpu)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        if (view->live && view->fact.cluster == cluster && view->fact.gpu == gpu &&
                run->nodes[i].busy_rollout && view->pod_count > 0 &&
                run->nodes[i].change != CORE_CHANGE_REPLICAS_RAISE)
            return true;
    }
    return false;
}

static void pool_shrink(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    struct decide_pool_memory *m = decide_pool_remember(run->d, pool);
    uint32_t node = spare_node(run, index, pool->want, 0, 0);

    if (m == NULL)
        return;
    if (node == CORE_NO_INDEX || run->nodes[node].retiring || pool->pending > 0) {
        m->surplus_since_mono_ns = 0;
        return;
    }
    if (emptying(run, pool->cluster, pool->gpu))
        return;
    if (m->surplus_since_mono_ns == 0)
        m->surplus_since_mono_ns = run->now->mono_ns + 1;
    int64_t after = decide_surplus_after(run, run->pic->nodes[node].pod_count);
    if (run->now->mono_ns - m->surplus_since_mono_ns < after || !run->policy->scale_down)
        return;
    uint32_t counted = run->nodes[node].used + (run->nodes[node].held ? 0 : run->nodes[node].room);
    pool->have -= num_min_u32(pool->have, counted);
    decide_retire(run, node, pool->name, pool->have > pool->pods ? pool->have - pool->pods : 0);
}

/* ---- whole GPUs that are waited for ---- */

static void unshare_node(struct decide_run *run, uint32_t node, uint32_t pod, bool latency)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    const struct core_owner_fact *o = &run->pic->owners[run->pic->pods[pod].owner].fact;
    const struct decide_pool *pool = &run->pools[run->nodes[node].pool];
    struct core_intent *i = decide_node_intent(run, node, CORE_CHANGE_UNSHARE,
            latency ? CORE_REASON_LATENCY_ARRIVAL : CORE_REASON_PENDING_PODS);

    i->pod = run->pic->pods[pod].fact.uid;
    i->owner = o->uid;
    i->urgent = latency;
    i->target.replicas = 1;
    i->target.mig = false;
    i->target.layout_count = 0;
    memset(i->target.pool, 0, sizeof(i->target.pool));
    i->saving_microusd_per_hour = f->microusd_per_hour;
    decide_why(i,
            "a %s pod of %.*s waits for %u GPUs; pool %s needs %u of %u slots; a fresh node costs "
            "%lld micro-USD/h",
            model_class_name(decide_owner_class(run->d, o)), DECIDE_NAME(o->name),
            run->pic->pods[pod].fact.count, pool->name, pool->want, pool->have,
            (long long)f->microusd_per_hour);
    decide_evidence(i, "gpus_waited_for", run->pic->pods[pod].fact.count);
    decide_evidence(i, "slots_wanted", pool->want);
    decide_evidence(i, "slots_had", pool->have);
    decide_evidence(i, "fresh_node_microusd_per_hour", f->microusd_per_hour);
    run->nodes[node].taken = true;
}

/* GPUs of allowed models that are on their way to being exclusive, less what is promised of them.
 */
static uint32_t *coming_node(struct decide_run *run, const struct core_pod_view *pod,
        const struct core_owner_fact *o, uint32_t *left)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_fact *f = &run->pic->nodes[i].fact;
        if (!run->pic->nodes[i].live || f->cluster != pod->fact.cluster)
            continue;
        bool model = o->gpu_models == 0 || (o->gpu_models >> f->gpu & 1) != 0;
        if (model && left[i] >= pod->fact.count)
            return &left[i];
    }
    return NULL;
}

/* An exclusive node that is being retired has room for a pod that waits: it stays. */
static bool take_back_exclusive(struct decide_run *run, uint32_t row, uint32_t *left)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        struct decide_node *s = &run->nodes[i];
        const struct core_node_fact *f = &run->pic->nodes[i].fact;
        bool model = o->gpu_models == 0 || (o->gpu_models >> f->gpu & 1) != 0;
        if (!run->pic->nodes[i].live || s->mode != DECIDE_MODE_EXCLUSIVE || !s->retiring ||
                !s->usable || s->taken || !model || f->cluster != pod->fact.cluster)
            continue;
        if (s->used + pod->fact.count > s->slots || s->cpu_free < o->cpu_milli ||
                s->ram_free < o->memory_mib)
            continue;
        struct core_intent *intent =
                decide_node_intent(run, i, CORE_CHANGE_RELEASE, CORE_REASON_PENDING_PODS);
        intent->pod = pod->fact.uid;
        intent->owner = o->uid;
        decide_why(intent, "a pod of %.*s waits for %u GPUs; this retiring node has %u free",
                DECIDE_NAME(o->name), pod->fact.count, s->slots - s->used);
        decide_evidence(intent, "gpus_waited_for", pod->fact.count);
        decide_evidence(intent, "gpus_free", s->slots - s->used);
        s->taken = true;
        left[i] = s->slots - s->used - pod->fact.count;
        return true;
    }
    return false;
}

/* Room on an open exclusive node that nothing else of this run was promised.  What terminating pods
 * hold is room for a pod that the scheduler still tries, as in a rolling update. */
static bool room_open(struct decide_run *run, uint32_t row)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    bool stuck = decide_pod_stuck(run, pod);
    const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        struct decide_node *s = &run->nodes[i];
        const struct core_node_fact *f = &run->pic->nodes[i].fact;
        bool model = o->gpu_models == 0 || (o->gpu_models >> f->gpu & 1) != 0;
        if (!run->pic->nodes[i].live || s->mode != DECIDE_MODE_EXCLUSIVE || !s->usable ||
                s->closed || s->taken || !model || f->cluster != pod->fact.cluster)
            continue;
        uint32_t used = stuck ? s->used : s->used - s->leaving;
        if (used + s->promised + pod->fact.count > s->slots || s->cpu_free < o->cpu_milli ||
                s->ram_free < o->memory_mib)
            continue;
        s->promised += pod->fact.count;
        return true;
    }
    return false;
}

static void give_up(struct decide_run *run, uint32_t node, uint32_t row, uint32_t *left)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    struct decide_pool *pool = &run->pools[run->nodes[node].pool];
    bool latency = decide_owner_class(run->d, &run->pic->owners[pod->owner].fact) ==
                   MODEL_CLASS_LATENCY_SENSITIVE;
    unshare_node(run, node, row, latency);
    left[node] = run->pic->nodes[node].fact.gpu_count - pod->fact.count;
    if (!run->nodes[node].retiring)
        pool->have -= num_min_u32(pool->have, run->nodes[node].used + run->nodes[node].room);
}

/* No pool can spare a node: the shared node with the fewest pods that may be moved, a handful at
 * most.  They wait in place of the latency-sensitive pod, for the fresh node that the autoscaler
 * brings; one such node of a model at a time. */
static uint32_t lightest_node(const struct decide_run *run, uint32_t row)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    uint64_t models = run->pic->owners[pod->owner].fact.gpu_models;
    uint32_t best = CORE_NO_INDEX;

    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        const struct core_node_view *view = &run->pic->nodes[i];
        if (!view->live || view->fact.cluster != pod->fact.cluster || s->mode != DECIDE_MODE_SHARED)
            continue;
        if (models != 0 && !(models >> view->fact.gpu & 1))
            continue;
        if (s->busy_rollout && s->change == CORE_CHANGE_UNSHARE)
            return CORE_NO_INDEX;
        if (!s->usable || s->busy_rollout || s->taken || s->entering || !s->movable ||
                s->pool == CORE_NO_INDEX || view->pod_count > TAKE_PODS_MAX ||
                view->fact.gpu_count < pod->fact.count)
            continue;
        if (best == CORE_NO_INDEX || view->pod_count < run->pic->nodes[best].pod_count)
            best = i;
    }
    return best;
}

/* Pods are not made to leave for another more often than that, a model. */
static bool take_allowed(struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    struct decide_pool key = {.cluster = f->cluster};
    (void)snprintf(key.name, sizeof(key.name), "take-%u", f->gpu);
    struct decide_pool_memory *m = decide_pool_remember(run->d, &key);
    if (m == NULL)
        return false;
    bool same = m->node == f->uid && run->now->mono_ns - m->surplus_since_mono_ns < take_again_ns;
    bool rested = m->surplus_since_mono_ns == 0 ||
                  run->now->mono_ns - m->surplus_since_mono_ns >= take_every_ns;
    if (!same && !rested)
        return false;
    if (!same)
        m->surplus_since_mono_ns = run->now->mono_ns + 1;
    m->node = f->uid;
    return true;
}

static void serve_waiting(struct decide_run *run, uint32_t row, uint32_t *left)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
    bool latency = decide_owner_class(run->d, o) == MODEL_CLASS_LATENCY_SENSITIVE;
    uint32_t *coming = coming_node(run, pod, o, left);

    if (coming != NULL) {
        *coming -= pod->fact.count;
        return;
    }
    if (room_open(run, row) || take_back_exclusive(run, row, left))
        return;
    for (uint32_t p = 0; p < run->pool_count; p++) {
        struct decide_pool *pool = &run->pools[p];
        if (pool->cluster != pod->fact.cluster || pool->technique != MODEL_TECHNIQUE_TIME_SLICING)
            continue;
        uint32_t need = latency ? pool->pods : pool->want;
        uint32_t node = spare_node(run, p, need, o->gpu_models, pod->fact.count);
        if (node != CORE_NO_INDEX) {
            give_up(run, node, row, left);
            return;
        }
    }
    uint32_t node = latency ? lightest_node(run, row) : CORE_NO_INDEX;
    if (node != CORE_NO_INDEX && take_allowed(run, node))
        give_up(run, node, row, left);
}

static void waiting_serve(struct decide_run *run)
{
    const struct core_picture *pic = run->pic;
    uint32_t *left = ARENA_ARRAY(run->d->scratch, uint32_t, pic->node_count + 1);

    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        if (pic->nodes[i].live && s->busy_rollout && s->change == CORE_CHANGE_UNSHARE)
            left[i] = pic->nodes[i].fact.gpu_count;
    }
    for (int pass = 0; pass < 2; pass++) { /* latency-sensitive first */
        for (uint32_t i = 0; i < pic->pod_count; i++) {
            const struct core_pod_view *pod = &pic->pods[i];
            if (!decide_pod_waits(pod) || pod->fact.resource.kind != MODEL_RESOURCE_GPU ||
                    pod->owner == CORE_NO_INDEX)
                continue;
            const struct core_owner_fact *o = &pic->owners[pod->owner].fact;
            bool latency = decide_owner_class(run->d, o) == MODEL_CLASS_LATENCY_SENSITIVE;
            /* A latency-sensitive arrival is served in the step that tells of it. */
            if (latency == (pass == 0) && o->foreign.len == 0 &&
                    (latency || decide_pod_stuck(run, pod)))
                serve_waiting(run, i, left);
        }
    }
}

/* ---- exclusive nodes ---- */

/* Pods of the cluster that ask for whole GPUs and are not bound: they need the room themselves. */
static bool whole_gpus_wanted(const struct decide_run *run, uint16_t cluster)
{
    for (uint32_t i = 0; i < run->pic->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[i];
        if (pod->live && pod->fact.cluster == cluster && pod->node == CORE_NO_INDEX &&
                pod->fact.phase == CORE_POD_PENDING && pod->fact.pool.len == 0)
            return true;
    }
    return false;
}

/* The exclusive node of a kind with the fewest pods that all fit on others. */
static uint32_t exclusive_spare(struct decide_run *run, uint16_t cluster, uint16_t gpu)
{
    uint32_t best = CORE_NO_INDEX;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        const struct core_node_view *view = &run->pic->nodes[i];
        if (!view->live || s->mode != DECIDE_MODE_EXCLUSIVE || !s->usable || s->closed ||
                s->busy_rollout || s->taken || !s->settled || view->pod_count == 0)
            continue;
        if (view->fact.cluster != cluster || view->fact.gpu != gpu || kept(run, i) || !s->movable)
            continue;
        if (best != CORE_NO_INDEX && run->nodes[best].used <= s->used)
            continue;
        if (decide_pods_fit_elsewhere(run, i))
            best = i;
    }
    return best;
}

/* Empties an exclusive node when its pods fit on others, that lasted, and nobody waits. */
static void exclusive_shrink(struct decide_run *run, uint16_t cluster, uint16_t gpu)
{
    struct decide_pool key = {.cluster = cluster};
    uint32_t node = CORE_NO_INDEX;

    (void)snprintf(key.name, sizeof(key.name), "exclusive-%u", gpu);
    struct decide_pool_memory *m = decide_pool_remember(run->d, &key);
    if (m == NULL)
        return;
    if (!whole_gpus_wanted(run, cluster))
        node = exclusive_spare(run, cluster, gpu);
    if (node == CORE_NO_INDEX) {
        m->surplus_since_mono_ns = 0;
        return;
    }
    if (m->surplus_since_mono_ns == 0)
        m->surplus_since_mono_ns = run->now->mono_ns + 1;
    int64_t after = decide_surplus_after(run, run->pic->nodes[node].pod_count);
    if (run->now->mono_ns - m->surplus_since_mono_ns < after)
        return;
    decide_retire(run, node, "exclusive GPUs", 0);
}

static void exclusives_shrink(struct decide_run *run)
{
    if (!run->policy->scale_down)
        return;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_fact *f = &run->pic->nodes[i].fact;
        bool first = run->pic->nodes[i].live;
        for (uint32_t k = 0; k < i && first; k++) {
            const struct core_node_fact *g = &run->pic->nodes[k].fact;
            first = !run->pic->nodes[k].live || g->cluster != f->cluster || g->gpu != f->gpu;
        }
        if (first)
            exclusive_shrink(run, f->cluster, f->gpu);
    }
}

void decide_capacity(struct decide_run *run)
{
    for (uint32_t p = 0; p < run->pool_count; p++)
        pool_replicas_settle(run, &run->pools[p]);
    waiting_serve(run);
    for (uint32_t p = 0; p < run->pool_count; p++) {
        if (run->pools[p].technique != MODEL_TECHNIQUE_TIME_SLICING)
            continue;
        pool_grow(run, p);
        pool_shrink(run, p);
    }
    exclusives_shrink(run);
}
