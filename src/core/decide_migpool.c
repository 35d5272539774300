/* core/decide_migpool.c - MIG pools: which instances are wanted, and which node is cut up for them.
 *
 * Pure.  Layouts change only inside a maintenance window and only on empty nodes, so a pool is cut
 * for the peak of the day before, not for now.  Each layout is the one that serves the most of what
 * is missing (mig/place.h, exact for a GPU). */
#include "core/decide-priv.h"
#include "core/plan.h"
#include "mig/place.h"

#include <stdio.h>
#include <string.h>

/* TUNING: instances cut beyond yesterday's peak, since more cannot be had before the next window.
 */
enum { MARGIN_PERMILLE = 300 };

/* TUNING: enough for a cut (3 to 7 minutes).  Much earlier, and the autoscaler takes the node away
 * before the morning's pods come. */
static const int64_t closing_ns = 9 * 60 * NUM_NS_PER_SECOND;

bool decide_in_window(const struct core_picture *pic, const struct core_now *now)
{
    for (uint32_t i = 0; i < pic->window_count; i++) {
        if (pic->windows[i].start_wall_ns <= now->wall_ns &&
                now->wall_ns < pic->windows[i].end_wall_ns)
            return true;
    }
    return false;
}

/* True in the last part of a window.  A cut for demand that comes later is made as late as the
 * window allows: a node without pods is taken away by the autoscaler after ten minutes. */
static bool window_closes(const struct core_picture *pic, const struct core_now *now)
{
    for (uint32_t i = 0; i < pic->window_count; i++) {
        const struct core_window_fact *w = &pic->windows[i];
        if (w->start_wall_ns <= now->wall_ns && now->wall_ns < w->end_wall_ns)
            return w->end_wall_ns - now->wall_ns <= closing_ns;
    }
    return false;
}

/* A node on its way into the pool: what waits may be served by it. */
static bool cut_under_way(const struct decide_run *run, uint32_t index)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        if (run->pic->nodes[i].live && run->nodes[i].pool == index && run->nodes[i].entering)
            return true;
    }
    return false;
}

const struct mig_model *decide_mig_model(uint16_t gpu)
{
    const char *key = model_gpu_get(gpu)->mig_key;
    return key != NULL ? mig_model_find(key) : NULL;
}

/* ---- wanted and had ---- */

/* Instances by profile that a pool should have: the pods of the owners that are pointed here, at
 * their peak of the last day.  Owners that are only wished here do not count: instances without
 * pods are an empty node, which the autoscaler takes away before their pods come. */
static void wanted(const struct decide_run *run, const struct decide_pool *pool, uint32_t *want)
{
    for (uint32_t i = 0; i < run->pic->owner_count; i++) {
        const struct core_owner_view *view = &run->pic->owners[i];
        if (!view->live || view->fact.cluster != pool->cluster)
            continue;
        struct decide_way way = decide_way_now(&view->fact);
        if (way.technique != MODEL_TECHNIQUE_MIG || way.gpu != pool->gpu || way.tier != pool->tier)
            continue;
        /* Pods that all wait were never read: nothing was learned of them, and they count. */
        const struct decide_owner *row = decide_owner_find(run->d, view->fact.uid);
        uint32_t peak = row != NULL ? decide_owner_peak(row) : 0;
        want[way.profile] += num_max_u32(peak, view->fact.replicas);
    }
    for (unsigned p = 0; p < MIG_PROFILES_MAX; p++)
        want[p] = (uint32_t)num_ceildiv_u64(want[p], decide_tier_replicas(pool->tier));
}

/* Instances that the peak lacks.  The margin is no reason to cut another node: it would stand
 * empty, and the autoscaler would take it away. */
static uint32_t missing_now(const uint32_t *want, const uint32_t *have)
{
    uint32_t missing = 0;
    for (unsigned p = 0; p < MIG_PROFILES_MAX; p++)
        missing += want[p] > have[p] ? want[p] - have[p] : 0;
    return missing;
}

/* What a node is cut for, once it has to be cut. */
static void with_margin(uint32_t *want)
{
    for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
        want[i] += want[i] * MARGIN_PERMILLE / 1000;
}

static void add_allocatable(
        const struct mig_model *mig, const struct core_node_fact *f, uint32_t *have)
{
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        const struct core_resource_count *c = &f->allocatable[i];
        unsigned profile;
        if (decide_of_mig(&c->resource) &&
                mig_profile_find(mig, str_from(c->resource.profile), &profile, NULL) == 0)
            have[profile] += decide_instances(f, c);
    }
}

/* Instances on the pool's nodes, and on nodes that are being cut for it. */
static void had(const struct decide_run *run, uint32_t index, uint32_t *have)
{
    const struct mig_model *mig = decide_mig_model(run->pools[index].gpu);
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        const struct core_node_fact *f = &run->pic->nodes[i].fact;
        if (!run->pic->nodes[i].live || s->pool != index || !s->usable || s->retiring)
            continue;
        if (!s->entering) {
            add_allocatable(mig, f, have);
            continue;
        }
        const struct decide_promise *promise = decide_promise_find(run->d, f->uid);
        for (unsigned p = 0; promise != NULL && p < mig->profile_count; p++)
            have[p] += promise->counts[p];
    }
}

/* ---- cutting a node ---- */

struct cut {
    uint32_t counts[MIG_PROFILES_MAX]; /* over the node's GPUs */
    uint32_t served;                   /* of what is missing */
    uint32_t gpus;                     /* cut; the others stay whole */
    char layouts[CORE_INTENT_LAYOUTS_MAX][CORE_LAYOUT_TEXT_MAX];
};

static void layout_text(const struct mig_layout *layout, char text[CORE_LAYOUT_TEXT_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < layout->count; i++) {
        const char *name = layout->model->profiles[layout->instances[i].profile].name;
        if (len + strlen(name) + 2 > CORE_LAYOUT_TEXT_MAX)
            return;
        len += (size_t)snprintf(
                text + len, CORE_LAYOUT_TEXT_MAX - len, "%s%s", len > 0 ? "," : "", name);
    }
}

/* What a node is cut for. */
struct cut_ask {
    const struct mig_model *mig;
    uint32_t gpu_count;
    const uint32_t *want, *have;
    const struct core_setup *now; /* of a node that is cut already, else NULL */
};

/* The instances of a GPU as the node's MIG config has them. */
static struct mig_counts present_counts(const struct cut_ask *ask, uint32_t gpu)
{
    struct core_setup one = {.replicas = 1, .mig_replicas = 1, .layout_count = 1};
    struct core_resource_count list[CORE_RESOURCES_MAX];
    struct mig_counts counts = {{0}};

    memcpy(one.layouts[0], ask->now->layouts[gpu], sizeof(one.layouts[0]));
    uint32_t n = core_setup_expected(&one, 1, list);
    for (uint32_t i = 0; i < n; i++) {
        unsigned profile;
        if (list[i].resource.kind == MODEL_RESOURCE_MIG &&
                mig_profile_find(ask->mig, str_from(list[i].resource.profile), &profile, NULL) == 0)
            counts.n[profile] = (uint8_t)(counts.n[profile] + list[i].count);
    }
    return counts;
}

/* Takes what a GPU gives into the cut. */
static void cut_take(struct cut *cut, const struct mig_model *mig, const struct mig_counts *gives,
        uint32_t *missing)
{
    for (unsigned p = 0; p < mig->profile_count; p++) {
        uint32_t here = num_min_u32(missing[p], gives->n[p]);
        missing[p] -= here;
        cut->served += here;
        cut->counts[p] += gives->n[p];
    }
    cut->gpus++;
}

/* GPUs whose instances are all wanted as they are keep them: mig-parted rebuilds what differs. */
static uint32_t cut_keep(const struct cut_ask *ask, uint32_t *missing, struct cut *cut)
{
    uint32_t kept = 0;
    for (uint32_t g = 0; ask->now != NULL && g < ask->now->layout_count; g++) {
        struct mig_counts counts = present_counts(ask, g);
        uint32_t sum = 0;
        bool all = true;
        for (unsigned p = 0; p < ask->mig->profile_count; p++) {
            all = all && counts.n[p] <= missing[p];
            sum += counts.n[p];
        }
        if (!all || sum == 0)
            continue;
        cut_take(cut, ask->mig, &counts, missing);
        memcpy(cut->layouts[g], ask->now->layouts[g], sizeof(cut->layouts[g]));
        kept |= 1u << g;
    }
    return kept;
}

/* Cuts as many GPUs of a node as the missing instances need, each filled up with profiles that the
 * pool uses. */
static void cut_node(const struct cut_ask *ask, struct cut *ret)
{
    const struct mig_model *mig = ask->mig;
    struct mig_layout empty;
    uint32_t missing[MIG_PROFILES_MAX];
    uint16_t in_use = 0;

    *ret = (struct cut){0};
    mig_layout_init(&empty, mig);
    for (unsigned p = 0; p < MIG_PROFILES_MAX; p++) {
        missing[p] = ask->want[p] > ask->have[p] ? ask->want[p] - ask->have[p] : 0;
        if (ask->want[p] > 0)
            in_use |= (uint16_t)(1u << p);
    }
    uint32_t kept = cut_keep(ask, missing, ret);
    for (uint32_t g = 0; g < ask->gpu_count && g < CORE_INTENT_LAYOUTS_MAX; g++) {
        struct mig_fill fill = {.base = &empty, .spare_profiles = in_use};
        struct mig_layout layout;
        struct mig_counts served;
        uint32_t here = 0;
        if ((kept >> g & 1) != 0)
            continue;
        for (unsigned p = 0; p < mig->profile_count; p++)
            fill.demand.n[p] = (uint8_t)num_min_u32(missing[p], MIG_INSTANCES_MAX);
        mig_place_fill(&fill, &layout, &served);
        for (unsigned p = 0; p < mig->profile_count; p++)
            here += served.n[p];
        if (here == 0)
            return; /* the other GPUs stay whole */
        cut_take(ret, mig, &layout.counts, missing);
        layout_text(&layout, ret->layouts[g]);
    }
}

/* Why a node cannot be cut, for the refusal that tells it. */
enum cut_block {
    CUT_FREE,
    CUT_OTHER,    /* another model, cluster, or technique */
    CUT_CLOSED,   /* not ours to change now: closed, frozen, changing, changed a moment ago */
    CUT_PODS_STAY /* pods on it may not be evicted, or use its instances */
};

/* May all pods of the node be evicted for a cut?  Those of an owner that has been pointed to this
 * pool are on their way out already, whatever their class: while they hold whole GPUs on every
 * node, their successors would wait for ever. */
static bool node_clearable(const struct decide_run *run, uint32_t node, const char *pool)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    if (view->pods_beyond > 0)
        return false;
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[view->pods[i]];
        if (decide_pod_movable(run, view->pods[i]))
            continue;
        if (pod->owner == CORE_NO_INDEX || !run->pic->owners[pod->owner].live)
            return false;
        const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
        bool leaves = str_eq_c(o->pool, pool) && !str_eq(pod->fact.pool, o->pool);
        if (!leaves || o->kind != MODEL_OWNER_DEPLOYMENT || o->foreign.len > 0 ||
                o->max_unavailable == 0)
            return false;
    }
    return true;
}

static enum cut_block cut_blocked(const struct decide_run *run, uint32_t node, uint32_t index)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct decide_node *s = &run->nodes[node];
    const struct decide_pool *pool = &run->pools[index];
    bool own = s->mode == DECIDE_MODE_MIG && s->pool == index;

    if (!view->live || view->fact.cluster != pool->cluster || view->fact.gpu != pool->gpu ||
            view->fact.caps.relayout == CORE_RELAYOUT_NONE ||
            (s->mode != DECIDE_MODE_EXCLUSIVE && s->mode != DECIDE_MODE_SHARED && !own))
        return CUT_OTHER;
    if (!s->usable || s->taken || !s->settled || s->busy_rollout != s->retiring)
        return CUT_CLOSED;
    if ((own && view->pod_count > 0) || !node_clearable(run, node, pool->name))
        return CUT_PODS_STAY;
    return CUT_FREE;
}

/* How much it hurts to cut the node up; UINT32_MAX = not to be had. */
static uint32_t cut_harm(const struct decide_run *run, uint32_t node, uint32_t index)
{
    const struct core_node_view *view = &run->pic->nodes[node];

    if (cut_blocked(run, node, index) != CUT_FREE)
        return UINT32_MAX;
    if (view->pod_count == 0)
        return run->nodes[node].pool == index ? 0 : 1;
    /* Pods that fit nowhere else wait for a fresh node: it happens at night, and once. */
    return 2 + view->pod_count + (decide_pods_fit_elsewhere(run, node) ? 0 : 64);
}

static void relayout(struct decide_run *run, uint32_t node, uint32_t index, const struct cut *cut)
{
    const struct decide_pool *pool = &run->pools[index];
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    const struct mig_model *mig = decide_mig_model(pool->gpu);
    struct core_intent *i =
            decide_node_intent(run, node, CORE_CHANGE_MIG_RELAYOUT, CORE_REASON_DEMAND_RISES);
    int64_t apart = num_muldiv_i64(f->microusd_per_hour, cut->served, f->gpu_count);

    i->target.replicas = 1;
    i->target.mig = true;
    i->target.mig_replicas = decide_tier_replicas(pool->tier);
    memset(i->target.pool, 0, sizeof(i->target.pool));
    memcpy(i->target.pool, pool->name, sizeof(pool->name));
    i->target.layout_count = num_min_u32(f->gpu_count, CORE_INTENT_LAYOUTS_MAX);
    memcpy(i->target.layouts, cut->layouts, sizeof(cut->layouts));
    int64_t cost = num_muldiv_i64(f->microusd_per_hour, cut->gpus, f->gpu_count);
    i->saving_microusd_per_hour = num_max_i64(apart - cost, cost / mig->units);
    decide_why(i,
            "pool %s lacks %u instances that %u GPUs of this node give (GPU 0: %.40s); apart they "
            "cost "
            "%lld micro-USD/h, cut %lld",
            pool->name, cut->served, cut->gpus, cut->layouts[0], (long long)apart, (long long)cost);
    decide_evidence(i, "instances_served", cut->served);
    decide_evidence(i, "gpus_cut", cut->gpus);
    decide_evidence(i, "apart_microusd_per_hour", apart);
    decide_evidence(i, "cut_microusd_per_hour", cost);
    decide_promise_set(run->d, f->uid, cut->counts);
}

/* What the wait for a window is told as, once. */
static void refuse_window(struct decide_run *run, const struct decide_pool *pool, uint32_t missing)
{
    struct core_decision *r = decide_refuse(run->d, run->now, CORE_CHANGE_MIG_RELAYOUT,
            CORE_REASON_GUARD_WINDOW, str_hash(str_from(pool->name), pool->cluster));
    if (r == NULL)
        return;
    r->cluster = pool->cluster;
    r->to_value = missing;
    r->text = str_from(arena_printf(run->d->scratch,
            "pool %s lacks %u instances; MIG layouts change in a maintenance window only",
            pool->name, missing));
    decide_refusal_evidence(r, "instances_missing", missing);
}

/* Pods wait for instances, and no node can be had for them: told once, with what stands in the way.
 */
static void refuse_no_node(struct decide_run *run, uint32_t index, uint32_t missing)
{
    const struct decide_pool *pool = &run->pools[index];
    uint32_t blocked[CUT_PODS_STAY + 1] = {0};
    for (uint32_t i = 0; i < run->pic->node_count; i++)
        blocked[cut_blocked(run, i, index)]++;
    struct core_decision *r = decide_refuse(run->d, run->now, CORE_CHANGE_MIG_RELAYOUT,
            CORE_REASON_GUARD_ROOM, str_hash(str_from(pool->name), pool->cluster));
    if (r == NULL)
        return;
    r->cluster = pool->cluster;
    r->to_value = missing;
    r->text = str_from(arena_printf(run->d->scratch,
            "pool %s lacks %u instances; no %s node can be cut: %u are closed, frozen or in "
            "change, "
            "%u have pods that may not be evicted",
            pool->name, missing, model_gpu_get(pool->gpu)->key, blocked[CUT_CLOSED],
            blocked[CUT_PODS_STAY]));
    decide_refusal_evidence(r, "instances_missing", missing);
    decide_refusal_evidence(r, "nodes_closed", blocked[CUT_CLOSED]);
    decide_refusal_evidence(r, "nodes_with_pods_that_stay", blocked[CUT_PODS_STAY]);
}

static void pool_cut(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    const struct mig_model *mig = decide_mig_model(pool->gpu);
    uint32_t want[MIG_PROFILES_MAX] = {0};
    uint32_t have[MIG_PROFILES_MAX] = {0};
    uint32_t aim[MIG_PROFILES_MAX];

    if (mig == NULL)
        return;
    wanted(run, pool, want);
    had(run, index, have);
    memcpy(aim, want, sizeof(aim));
    with_margin(aim);
    for (unsigned turn = 0; turn < 8; turn++) {
        uint32_t missing = missing_now(want, have);
        uint32_t best = CORE_NO_INDEX;
        uint32_t best_harm = UINT32_MAX;
        if (missing == 0)
            return;
        if (!decide_in_window(run->pic, run->now)) {
            if (pool->pending > 0)
                refuse_window(run, pool, missing);
            return;
        }
        bool waited_for = turn == 0 && pool->stuck > 0 && !cut_under_way(run, index);
        if (!waited_for && !window_closes(run->pic, run->now))
            return;
        for (uint32_t i = 0; i < run->pic->node_count; i++) {
            uint32_t harm = cut_harm(run, i, index);
            if (harm < best_harm) {
                best_harm = harm;
                best = i;
            }
        }
        if (best == CORE_NO_INDEX) {
            if (waited_for)
                refuse_no_node(run, index, missing);
            return;
        }
        struct cut cut;
        bool own = run->nodes[best].pool == index;
        if (own) { /* its present instances go */
            uint32_t here[MIG_PROFILES_MAX] = {0};
            add_allocatable(mig, &run->pic->nodes[best].fact, here);
            for (unsigned p = 0; p < mig->profile_count; p++)
                have[p] -= num_min_u32(have[p], here[p]);
        }
        struct core_setup now;
        core_setup_read(run->pic, best, &now);
        struct cut_ask ask = {
                mig, run->pic->nodes[best].fact.gpu_count, aim, have, own ? &now : NULL};
        cut_node(&ask, &cut);
        run->nodes[best].taken = true;
        if (cut.served == 0)
            return;
        relayout(run, best, index, &cut);
        struct decide_pool_memory *m = decide_pool_remember(run->d, pool);
        if (m != NULL) {
            map_u64_set(&run->d->entering, run->pic->nodes[best].fact.uid,
                    (uint32_t)(m - run->d->pool_memory));
        }
        for (unsigned p = 0; p < mig->profile_count; p++)
            have[p] += cut.counts[p];
    }
}

/* ---- surplus ---- */

/* An empty node of the pool that is not needed for the peak either. */
static void pool_spare(struct decide_run *run, uint32_t index)
{
    struct decide_pool *pool = &run->pools[index];
    const struct mig_model *mig = decide_mig_model(pool->gpu);
    uint32_t want[MIG_PROFILES_MAX] = {0};
    uint32_t have[MIG_PROFILES_MAX] = {0};

    if (mig == NULL || !run->policy->scale_down)
        return;
    wanted(run, pool, want);
    had(run, index, have);
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct decide_node *s = &run->nodes[i];
        const struct core_node_view *view = &run->pic->nodes[i];
        uint32_t here[MIG_PROFILES_MAX] = {0};
        bool needed = false;
        if (!view->live || s->pool != index || s->entering || !s->usable || s->busy_rollout ||
                s->taken || view->pod_count > 0 || !s->settled)
            continue;
        add_allocatable(mig, &view->fact, here);
        for (unsigned p = 0; p < mig->profile_count; p++)
            needed |= have[p] - num_min_u32(have[p], here[p]) < want[p];
        if (needed)
            continue;
        decide_retire(run, i, pool->name, 0);
        return;
    }
}

void decide_mig_pools(struct decide_run *run)
{
    for (uint32_t p = 0; p < run->pool_count; p++) {
        if (run->pools[p].technique != MODEL_TECHNIQUE_MIG)
            continue;
        pool_cut(run, p);
        pool_spare(run, p);
    }
}
