/* core/decide_migpool.c - MIG pools: which instances are wanted, and which node is cut up for them.
 *
 * Pure.  Layouts change only inside a maintenance window and only on empty nodes, so a pool is cut
 * for the peak of the day before, not for now.  Each layout is the one that serves the most of what
 * is missing (mig/place.h, exact for a GPU). */
#include "core/decide-priv.h"
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
        const struct decide_owner *row =
                view->live ? decide_owner_find(run->d, view->fact.uid) : NULL;
        if (row == NULL || view->fact.cluster != pool->cluster)
            continue;
        struct decide_way way = decide_way_now(&view->fact);
        if (way.technique != MODEL_TECHNIQUE_MIG || way.gpu != pool->gpu)
            continue;
        want[way.profile] += num_max_u32(decide_owner_peak(row), view->fact.replicas);
    }
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
        if (c->resource.kind != MODEL_RESOURCE_MIG)
            continue;
        if (mig_profile_find(mig, str_from(c->resource.profile), &profile, NULL) == 0)
            have[profile] += c->count;
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

/* Cuts as many GPUs of a node as the missing instances need, each filled up with profiles that the
 * pool uses. */
static void cut_node(const struct mig_model *mig, uint32_t gpu_count, const uint32_t *want,
        const uint32_t *have, struct cut *ret)
{
    struct mig_layout empty;
    uint32_t missing[MIG_PROFILES_MAX];
    uint16_t in_use = 0;

    *ret = (struct cut){0};
    mig_layout_init(&empty, mig);
    for (unsigned p = 0; p < MIG_PROFILES_MAX; p++) {
        missing[p] = want[p] > have[p] ? want[p] - have[p] : 0;
        if (want[p] > 0)
            in_use |= (uint16_t)(1u << p);
    }
    for (uint32_t g = 0; g < gpu_count && g < CORE_INTENT_LAYOUTS_MAX; g++) {
        struct mig_fill fill = {.base = &empty, .spare_profiles = in_use};
        struct mig_layout layout;
        struct mig_counts served;
        uint32_t here = 0;
        for (unsigned p = 0; p < mig->profile_count; p++)
            fill.demand.n[p] = (uint8_t)num_min_u32(missing[p], MIG_INSTANCES_MAX);
        mig_place_fill(&fill, &layout, &served);
        for (unsigned p = 0; p < mig->profile_count; p++) {
            missing[p] -= served.n[p];
            here += served.n[p];
        }
        if (here == 0)
            return; /* the other GPUs stay whole */
        ret->served += here;
        ret->gpus++;
        for (unsigned p = 0; p < mig->profile_count; p++)
            ret->counts[p] += layout.counts.n[p];
        layout_text(&layout, ret->layouts[g]);
    }
}

/* How much it hurts to cut the node up; UINT32_MAX = not to be had. */
static uint32_t cut_harm(const struct decide_run *run, uint32_t node, uint32_t index)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct decide_node *s = &run->nodes[node];
    const struct decide_pool *pool = &run->pools[index];

    if (!view->live || !s->usable || s->taken || !s->settled || s->busy_rollout != s->retiring)
        return UINT32_MAX;
    if (view->fact.cluster != pool->cluster || view->fact.gpu != pool->gpu || !s->movable)
        return UINT32_MAX;
    if (view->fact.caps.relayout == CORE_RELAYOUT_NONE)
        return UINT32_MAX;
    bool own = s->mode == DECIDE_MODE_MIG && s->pool == index;
    if (s->mode != DECIDE_MODE_EXCLUSIVE && s->mode != DECIDE_MODE_SHARED && !own)
        return UINT32_MAX;
    if (view->pod_count == 0)
        return own ? 0 : 1;
    if (own)
        return UINT32_MAX; /* what it has is in use */
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
        if (best == CORE_NO_INDEX)
            return;
        struct cut cut;
        bool own = run->nodes[best].pool == index;
        if (own) { /* its present instances go */
            uint32_t here[MIG_PROFILES_MAX] = {0};
            add_allocatable(mig, &run->pic->nodes[best].fact, here);
            for (unsigned p = 0; p < mig->profile_count; p++)
                have[p] -= num_min_u32(have[p], here[p]);
        }
        cut_node(mig, run->pic->nodes[best].fact.gpu_count, aim, have, &cut);
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
