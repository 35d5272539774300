/* core/decide_class.c - class caps: which class of shares each owner's claims ask for.
 *
 * Pure.  Where the scheduler shares GPUs by consumable capacity (NVIDIA's DRA driver), a node is
 * not configured: what a pod takes of a GPU is said in its claim.  So there are no pools to size
 * and nothing couples the owners: each is judged by itself, and its class keeps its reserve and its
 * part of the busy time for every pod, whoever is beside it.  A class is a claim template that
 * never changes; an owner that outgrows its class is pointed to another one. */
#include "core/decide-priv.h"

#include <stdio.h>
#include <string.h>

/* A class that seems too large by busy time is left after so many looks in a row that say so. */
enum { LEAVE_AFTER = 6 };

bool decide_class_node(const struct core_node_view *view)
{
    const struct core_node_fact *f = &view->fact;
    return view->live && f->caps.steer == CORE_STEER_CLASS && f->caps.share == CORE_SHARE_GPU &&
           f->ready && !f->frozen && !f->excluded && f->foreign.len == 0 && f->gpu_count > 0;
}

/* What a whole GPU of the model costs in the cluster, at the cheapest of its nodes that are there;
 * 0 when there is none. */
static int64_t gpu_price(const struct decide_run *run, uint16_t cluster, uint16_t gpu)
{
    int64_t best = 0;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        if (!decide_class_node(view) || view->fact.cluster != cluster || view->fact.gpu != gpu)
            continue;
        int64_t price = view->fact.microusd_per_hour / view->fact.gpu_count;
        if (best == 0 || price < best)
            best = price;
    }
    return best;
}

/* The model that most of the owner's pods are on; UINT16_MAX when none is bound. */
static uint16_t gpu_now(const struct decide_run *run, uint32_t owner)
{
    uint32_t *counts = ARENA_ARRAY(run->d->scratch, uint32_t, model_gpu_count() + 1);
    uint16_t best = UINT16_MAX;
    for (uint32_t i = 0; i < run->pic->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[i];
        if (!pod->live || pod->owner != owner || pod->node == CORE_NO_INDEX)
            continue;
        uint16_t gpu = run->pic->nodes[pod->node].fact.gpu;
        counts[gpu]++;
        if (best == UINT16_MAX || counts[gpu] > counts[best])
            best = gpu;
    }
    return best;
}

/* The class that the owner's judgement asks for.  Memory is cut in equal parts of the GPU, headroom
 * included: few sizes, so that a reserve that moves a little moves nobody. */
static struct core_share share_of(const struct decide_judgement *j, uint16_t gpu)
{
    uint32_t by_memory = num_max_u32(2, j->replicas_memory);
    uint32_t by_busy = num_max_u32(2, 1000000 / num_max_u32(j->size_ppm, 1));
    return (struct core_share){.gpu = gpu,
            .pods = (uint16_t)num_min_u32(by_memory, by_busy),
            .memory_mib = model_gpu_get(gpu)->memory_usable_mib / by_memory};
}

/* An owner that is looked at. */
struct look {
    struct decide_run *run;
    uint32_t owner_row;
    const struct core_owner_fact *owner;
    struct decide_owner *row;
    uint32_t pods; /* usual */
};

static bool wish_eq(const struct decide_class_wish *a, const struct decide_class_wish *b)
{
    return a->shared == b->shared && a->share.gpu == b->share.gpu &&
           a->share.pods == b->share.pods && a->share.memory_mib == b->share.memory_mib;
}

/* Takes a wish over; in place of another one only after the policy's dwell, unless urgent. */
static void wish_take(const struct look *l, const struct decide_class_wish *wish)
{
    struct decide_class_wish *mine = &l->row->class_wish;
    int64_t wall = l->run->now->wall_ns;
    bool same = wish_eq(mine, wish);
    bool early = mine->set && wall - mine->since_wall_ns < l->run->policy->owner_dwell_ns;
    if (!same && !wish->urgent && early)
        return;
    int64_t since = same ? mine->since_wall_ns : wall;
    uint32_t doubts = mine->doubts;
    *mine = *wish;
    mine->since_wall_ns = since;
    mine->doubts = doubts;
}

static void wish_shared(const struct look *l, const struct decide_judgement *j,
        const struct decide_class_wish *wish)
{
    struct decide_class_wish w = *wish;
    int64_t price = gpu_price(l->run, l->owner->cluster, w.share.gpu);
    w.set = true;
    w.shared = true;
    w.reserve_mib = j->reserve_mib;
    w.limit_mib = j->limit_mib;
    w.conflict_ppm = j->conflict_ppm;
    w.saving = w.cost_now - price * l->pods / w.share.pods;
    wish_take(l, &w);
}

static void wish_whole(const struct look *l, enum core_reason reason, int64_t cost_now)
{
    uint16_t gpu = gpu_now(l->run, l->owner_row);
    int64_t price = gpu == UINT16_MAX ? 0 : gpu_price(l->run, l->owner->cluster, gpu);
    struct decide_class_wish w = {.set = true,
            .urgent = true,
            .reason = reason,
            .cost_now = cost_now,
            .saving = cost_now - price * l->pods};
    wish_take(l, &w);
}

static void refuse(const struct look *l, const struct decide_judgement *j, uint16_t gpu)
{
    struct decide_run *run = l->run;
    const struct core_owner_fact *o = l->owner;
    struct core_decision *r =
            decide_refuse(run->d, run->now, CORE_CHANGE_OWNER_POINT, j->reason, o->uid);
    if (r == NULL)
        return;
    r->cluster = o->cluster;
    r->owner = o->uid;
    r->from_value = 1;
    r->to_value = j->replicas;
    r->text = str_from(arena_printf(run->d->scratch,
            "%.*s keeps whole GPUs of %s: %s; history %lld min, reserve %u of %u MiB a pod; %u "
            "pods a GPU conflict %u ppm of the time (one more: %u), allowed %u",
            STR_ARG(o->name), model_gpu_get(gpu)->key, core_reason_name(j->reason),
            (long long)(j->history_ns / (60 * NUM_NS_PER_SECOND)), j->reserve_mib, j->limit_mib,
            j->replicas, j->conflict_ppm, j->conflict_next_ppm, j->conflict_allowed_ppm));
    decide_refusal_evidence(r, "history_ns", j->history_ns);
    decide_refusal_evidence(r, "reserve_mib", j->reserve_mib);
    decide_refusal_evidence(r, "memory_limit_mib", j->limit_mib);
    decide_refusal_evidence(r, "conflict_next_ppm", j->conflict_next_ppm);
    decide_refusal_evidence(r, "conflict_allowed_ppm", j->conflict_allowed_ppm);
    decide_refusal_evidence(r, "pod_gpu_microusd_per_hour", gpu_price(run, o->cluster, gpu));
}

/* It has whole GPUs: the cheapest class among the models that it may use, where that gains. */
static void look_whole(const struct look *l)
{
    const struct core_owner_fact *o = l->owner;
    uint16_t now = gpu_now(l->run, l->owner_row);
    struct decide_judgement best_j = {0};
    struct core_share best = {0};
    int64_t best_cost = INT64_MAX;

    if (now == UINT16_MAX) {
        l->row->class_wish.set = false; /* nothing runs: there is nothing to gain */
        return;
    }
    int64_t cost_now = gpu_price(l->run, o->cluster, now) * l->pods;
    for (unsigned row = 0; row < model_gpu_count(); row++) {
        uint16_t gpu = (uint16_t)row;
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> gpu & 1) != 0;
        int64_t price = allowed ? gpu_price(l->run, o->cluster, gpu) : 0;
        if (price == 0)
            continue;
        struct decide_judgement j =
                decide_judge_shared(l->run->d, l->run->policy, l->run->now, o, gpu);
        if (j.reason != CORE_REASON_NONE) {
            if (gpu == now)
                refuse(l, &j, gpu);
            continue;
        }
        struct core_share share = share_of(&j, gpu);
        int64_t cost = price * l->pods / share.pods;
        if (cost < best_cost || (cost == best_cost && gpu == now)) {
            best_cost = cost;
            best = share;
            best_j = j;
        }
    }
    if (best_cost == INT64_MAX || !decide_gains(l->run->policy, cost_now, cost_now - best_cost)) {
        l->row->class_wish.set = false;
        return;
    }
    wish_shared(l, &best_j,
            &(struct decide_class_wish){
                    .share = best, .reason = CORE_REASON_COST, .cost_now = cost_now});
}

/* A pod of the owner was killed for want of memory within the last day. */
static bool killed_lately(const struct look *l)
{
    return l->row->kill_wall_ns != 0 &&
           l->run->now->wall_ns - l->row->kill_wall_ns < 24 * NUM_NS_PER_HOUR;
}

/* It has a class, or was proposed one.  What it is may lead it back to whole GPUs, and so may a
 * kill; an estimate that rose only leads to a larger share, at most half a GPU, where memory in use
 * is watched.  A better class must gain.  Lost or aged history freezes what is. */
static void look_shared(const struct look *l, const struct core_share *now, bool proposed)
{
    struct decide_run *run = l->run;
    const struct core_owner_fact *o = l->owner;
    struct decide_class_wish *wish = &l->row->class_wish;
    int64_t price = gpu_price(run, o->cluster, now->gpu);
    int64_t cost_now = price * l->pods / now->pods;
    enum core_reason kind = decide_judge_kind(run->d, run->policy, o);

    if (kind != CORE_REASON_NONE) {
        wish_whole(l, kind, cost_now);
        return;
    }
    struct decide_judgement j = decide_judge_shared(run->d, run->policy, run->now, o, now->gpu);
    bool known = decide_reserve(run->policy, l->row, o, NULL).basis != USAGE_BASIS_NONE;
    if (j.reason == CORE_REASON_GUARD_HISTORY || j.reason == CORE_REASON_GUARD_STALE || !known)
        return;
    if (j.reason == CORE_REASON_GUARD_MEMORY && killed_lately(l)) {
        wish_whole(l, j.reason, cost_now);
        return;
    }
    struct decide_class_wish then = {
            .share = share_of(&j, now->gpu), .reason = CORE_REASON_COST, .cost_now = cost_now};
    wish->doubts = then.share.pods < now->pods ? wish->doubts + 1 : 0;
    if (then.share.memory_mib > now->memory_mib) {
        then.reason = CORE_REASON_GUARD_MEMORY;
        then.urgent = true;
    } else if (then.share.pods < now->pods) {
        if (wish->doubts < LEAVE_AFTER)
            return;
        then.reason = CORE_REASON_GUARD_BUSY;
    } else if (proposed ||
               !decide_gains(run->policy, cost_now, cost_now - price * l->pods / then.share.pods)) {
        return; /* and a proposal is not made anew before its owner acted */
    }
    wish_shared(l, &j, &then);
}

static void point(struct decide_run *run, const struct core_owner_fact *o, struct decide_owner *row)
{
    const struct decide_class_wish *wish = &row->class_wish;
    struct core_intent *i =
            decide_intent_new(run->d, CORE_INTENT_OWNER, CORE_CHANGE_OWNER_POINT, wish->reason);
    i->cluster = o->cluster;
    i->owner = o->uid;
    i->urgent = wish->urgent;
    i->saving_microusd_per_hour = wish->saving;
    i->owner_target.count = o->gpus_per_pod;
    i->owner_target.resource.kind = MODEL_RESOURCE_GPU;
    if (wish->shared) {
        i->owner_target.count = 1;
        i->owner_target.resource.kind = MODEL_RESOURCE_GPU_SHARED;
        core_share_name(&wish->share, i->owner_target.pool);
        decide_why(i,
                "%.*s: %u MiB of %s a pod, at most %u; reserve %u of %u MiB; %lld of %lld "
                "micro-USD/h saved",
                DECIDE_NAME(o->name), wish->share.memory_mib, model_gpu_get(wish->share.gpu)->key,
                wish->share.pods, wish->reserve_mib, wish->limit_mib, (long long)wish->saving,
                (long long)wish->cost_now);
    } else {
        decide_why(i, "%.*s: back to whole GPUs (%s); %lld micro-USD/h more", DECIDE_NAME(o->name),
                core_reason_name(wish->reason), (long long)-wish->saving);
    }
    decide_evidence(i, "saving_microusd_per_hour", wish->saving);
    decide_evidence(i, "cost_now_microusd_per_hour", wish->cost_now);
    decide_evidence(i, "pods_per_gpu", wish->shared ? wish->share.pods : 1);
    decide_evidence(i, "share_mib", wish->shared ? wish->share.memory_mib : 0);
    decide_evidence(i, "reserve_mib", wish->reserve_mib);
    decide_evidence(i, "memory_limit_mib", wish->limit_mib);
    decide_evidence(i, "conflict_ppm", wish->conflict_ppm);
    decide_evidence(i, "readings", (int64_t)row->readings);
}

static bool template_shows(const struct core_owner_fact *o, const struct decide_class_wish *wish)
{
    char name[CORE_SHARE_NAME_MAX];
    if (!wish->shared)
        return o->resource.kind == MODEL_RESOURCE_GPU && o->pool.len == 0;
    core_share_name(&wish->share, name);
    return o->resource.kind == MODEL_RESOURCE_GPU_SHARED && str_eq_c(o->pool, name);
}

static bool time_slicing_listed(const struct policy *p)
{
    for (uint32_t i = 0; i < p->technique_count; i++) {
        if (p->techniques[i] == MODEL_TECHNIQUE_TIME_SLICING)
            return true;
    }
    return false;
}

static void look_at(struct decide_run *run, uint32_t owner_row, struct decide_owner *row)
{
    const struct core_owner_view *view = &run->pic->owners[owner_row];
    const struct core_owner_fact *o = &view->fact;
    uint32_t pods = view->pending_count + view->running_count;
    struct core_share now;

    if (pods == 0 || o->gpus_per_pod == 0)
        return;
    struct look l = {run, owner_row, o, row, num_max_u32(1, (row->pods_mean_milli + 500) / 1000)};
    if (o->resource.kind == MODEL_RESOURCE_GPU_SHARED && core_share_parse(o->pool, &now)) {
        look_shared(&l, &now, false);
    } else if (view->patch.open && core_share_parse(str_from(view->patch.pool), &now)) {
        look_shared(&l, &now, true);
    } else if (o->resource.kind == MODEL_RESOURCE_GPU && time_slicing_listed(run->policy)) {
        look_whole(&l);
    }
}

static bool cluster_has_classes(const struct decide_run *run, uint16_t cluster)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        if (decide_class_node(&run->pic->nodes[i]) && run->pic->nodes[i].fact.cluster == cluster)
            return true;
    }
    return false;
}

void decide_classes(struct decide_run *run)
{
    struct core_decider *d = run->d;
    bool due = d->class_mono_ns == INT64_MIN ||
               run->now->mono_ns - d->class_mono_ns >= d->options.decide_every_ns;
    bool has[CORE_CLUSTERS_MAX];

    for (unsigned c = 0; c < CORE_CLUSTERS_MAX; c++)
        has[c] = run->pic->cluster_known[c] && cluster_has_classes(run, (uint16_t)c);
    if (due)
        d->class_mono_ns = run->now->mono_ns;
    for (uint32_t r = 0; r < run->pic->owner_count; r++) {
        const struct core_owner_view *view = &run->pic->owners[r];
        struct decide_owner *row = view->live ? decide_owner_find(d, view->fact.uid) : NULL;
        if (row == NULL || view->fact.cluster >= CORE_CLUSTERS_MAX || !has[view->fact.cluster])
            continue;
        if (due)
            look_at(run, r, row);
        if (row->class_wish.set && view->fact.foreign.len == 0 &&
                !template_shows(&view->fact, &row->class_wish))
            point(run, &view->fact, row);
    }
}
