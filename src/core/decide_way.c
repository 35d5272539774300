/* core/decide_way.c - the ways in which owners may be served, and the problem made of them.
 *
 * Pure.  A regular solve compares all owners at once; what it chooses becomes a wish a owner, kept
 * until a later solve sees a clear gain in another, and told as an OWNER intent in every run. */
#include "core/decide-priv.h"

#include <stdio.h>
#include <string.h>

/* TUNING: a move costs an owner five minutes of its GPUs, spread over the owner's dwell. */
enum { SWITCH_COST_DIVISOR = 12 };

/* TUNING: an owner may have a further pool of a kind when it fills so many nodes of it alone.  Each
 * pool has a last node that is not full, and spare slots: with pools for the asking the built-in
 * week costs 4.6 % more, evicts a fifth more, and pods wait for pools that have lost their nodes.
 */
enum { NODES_OF_OWN = 2 };

struct decide_way decide_way_now(const struct core_owner_fact *owner)
{
    struct decide_way way = {
            .technique = MODEL_TECHNIQUE_EXCLUSIVE, .gpu = DECIDE_NO_GPU, .replicas = 1};
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier;

    if (owner->pool.len == 0 || !decide_pool_parse(owner->pool, &technique, &gpu, &tier))
        return way;
    way.technique = technique;
    way.gpu = gpu;
    way.tier = tier;
    if (technique == MODEL_TECHNIQUE_MIG) {
        const char *key = model_gpu_get(gpu)->mig_key;
        const struct mig_model *mig = key != NULL ? mig_model_find(key) : NULL;
        unsigned profile = 0;
        if (mig != NULL &&
                mig_profile_find(mig, str_from(owner->resource.profile), &profile, NULL) == 0)
            way.profile = (uint8_t)profile;
        way.replicas = (uint16_t)decide_tier_replicas(tier);
    }
    return way;
}

bool decide_way_eq(const struct decide_way *a, const struct decide_way *b)
{
    return a->technique == b->technique && a->gpu == b->gpu && a->tier == b->tier &&
           a->profile == b->profile;
}

bool decide_way_shown(const struct decide_way *wanted, const struct core_owner_fact *owner)
{
    struct decide_way now = decide_way_now(owner);
    if (wanted->technique != MODEL_TECHNIQUE_EXCLUSIVE || now.technique != wanted->technique)
        return decide_way_eq(wanted, &now);
    return wanted->gpu == DECIDE_NO_GPU || owner->gpu_models == UINT64_C(1) << wanted->gpu;
}

/* What the building of a problem passes around. */
struct builder {
    struct decide_run *run;
    struct arena *a;
    struct place_kind kinds[PLACE_KINDS_MAX];
    uint32_t kind_count;
    struct place_owner *owners;
    struct place_option *options;
    uint32_t owner_count, option_count, option_cap;
};

static void kinds_collect(struct builder *b)
{
    const struct core_picture *pic = b->run->pic;
    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_fact *f = &pic->nodes[i].fact;
        if (!pic->nodes[i].live || !b->run->nodes[i].usable || f->gpu_count == 0)
            continue;
        uint32_t k = 0;
        while (k < b->kind_count &&
                (b->kinds[k].cluster != f->cluster || b->kinds[k].gpu != f->gpu ||
                        b->kinds[k].gpus_per_node != f->gpu_count))
            k++;
        if (k == PLACE_KINDS_MAX)
            continue;
        if (k == b->kind_count) {
            const char *key =
                    f->caps.relayout != CORE_RELAYOUT_NONE ? model_gpu_get(f->gpu)->mig_key : NULL;
            uint16_t mig = PLACE_NO_MIG;
            for (unsigned m = 0; key != NULL && m < mig_model_count(); m++) {
                if (strcmp(mig_model_get(m)->key, key) == 0)
                    mig = (uint16_t)m;
            }
            b->kinds[b->kind_count++] = (struct place_kind){.cluster = f->cluster,
                    .gpu = f->gpu,
                    .mig = mig,
                    .gpus_per_node = (uint16_t)f->gpu_count,
                    .microusd_per_hour = f->microusd_per_hour,
                    .cpu_milli = f->cpu_milli,
                    .ram_mib = f->memory_mib,
                    .nodes_max = UINT32_MAX};
        }
        b->kinds[k].nodes_now++;
    }
}

/* The kind with the most nodes of a model in a cluster; kind_count when there is none. */
static uint32_t kind_of(const struct builder *b, uint16_t cluster, uint16_t gpu)
{
    uint32_t best = b->kind_count;
    for (uint32_t k = 0; k < b->kind_count; k++) {
        if (b->kinds[k].cluster == cluster && b->kinds[k].gpu == gpu &&
                (best == b->kind_count || b->kinds[k].nodes_now > b->kinds[best].nodes_now))
            best = k;
    }
    return best;
}

/* The kind on which most of the owner's pods run; else the cheapest that it may use. */
static uint32_t kind_now(const struct builder *b, uint32_t owner_row)
{
    const struct core_picture *pic = b->run->pic;
    const struct core_owner_fact *o = &pic->owners[owner_row].fact;
    uint32_t counts[PLACE_KINDS_MAX] = {0};
    uint32_t best = b->kind_count;

    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[i];
        if (!pod->live || pod->owner != owner_row || pod->node == CORE_NO_INDEX)
            continue;
        const struct core_node_fact *n = &pic->nodes[pod->node].fact;
        for (uint32_t k = 0; k < b->kind_count; k++) {
            if (b->kinds[k].cluster == n->cluster && b->kinds[k].gpu == n->gpu &&
                    b->kinds[k].gpus_per_node == n->gpu_count)
                counts[k]++;
        }
    }
    for (uint32_t k = 0; k < b->kind_count; k++) {
        const struct place_kind *kind = &b->kinds[k];
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> kind->gpu & 1) != 0;
        if (kind->cluster != o->cluster || kind->gpus_per_node < o->gpus_per_pod)
            continue;
        if (counts[k] == 0 && !allowed)
            continue;
        if (best == b->kind_count || counts[k] > counts[best] ||
                (counts[k] == counts[best] &&
                        kind->microusd_per_hour * b->kinds[best].gpus_per_node <
                                b->kinds[best].microusd_per_hour * kind->gpus_per_node))
            best = k;
    }
    return best;
}

static void option_add(struct builder *b, struct place_owner *owner, struct place_option option)
{
    if (owner->option_count == PLACE_OPTIONS_MAX)
        return;
    if (b->option_count == b->option_cap) {
        uint32_t cap = b->option_cap * 2;
        struct place_option *grown = ARENA_ARRAY(b->a, struct place_option, cap);
        memcpy(grown, b->options, b->option_count * sizeof(*grown));
        b->options = grown;
        b->option_cap = cap;
    }
    b->options[b->option_count++] = option;
    owner->option_count++;
}

int64_t decide_gpu_price(const struct place_kind *kind)
{
    return kind->microusd_per_hour / kind->gpus_per_node;
}

/* An owner that was moved once stays, unless much is gained: a tenth of what it costs alone. */
enum { STAY_DIVISOR = 10 };

static int64_t switch_cost(const struct builder *b, const struct place_owner *owner, uint32_t kind)
{
    const struct place_option *now = &b->options[owner->option_first];
    if (now->technique != MODEL_TECHNIQUE_EXCLUSIVE)
        return num_muldiv_i64(decide_gpu_price(&b->kinds[kind]), owner->pods, STAY_DIVISOR);
    int64_t hours = num_max_i64(1, b->run->policy->owner_dwell_ns / NUM_NS_PER_HOUR);
    return num_muldiv_i64(
            decide_gpu_price(&b->kinds[kind]), owner->pods, hours * SWITCH_COST_DIVISOR);
}

static bool technique_listed(const struct policy *p, enum model_technique technique)
{
    for (uint32_t i = 0; i < p->technique_count; i++) {
        if (p->techniques[i] == technique)
            return true;
    }
    return false;
}

/* What is told when an owner that could gain is left alone. */
static void refuse_shared(struct builder *b, const struct core_owner_fact *o, uint32_t kind,
        const struct decide_judgement *j)
{
    struct core_decider *d = b->run->d;
    struct core_decision *r =
            decide_refuse(d, b->run->now, CORE_CHANGE_OWNER_POINT, j->reason, o->uid);
    if (r == NULL)
        return;
    r->cluster = o->cluster;
    r->owner = o->uid;
    r->from_value = 1;
    r->to_value = j->replicas;
    bool bounded = j->reserve_mib > 0 && j->reserve_mib < USAGE_MEMORY_MIB_MAX;
    char reserve[64] = "memory not known well enough";
    if (bounded) {
        (void)snprintf(reserve, sizeof(reserve), "reserve %u of %u MiB a pod", j->reserve_mib,
                j->limit_mib);
    }
    r->text = str_from(arena_printf(d->scratch,
            "%.*s stays exclusive on %s: %s; history %lld min, %s; %u pods a GPU meet above %u "
            "permille in %u ppm of the time (one more: %u), allowed %u",
            STR_ARG(o->name), model_gpu_get(b->kinds[kind].gpu)->key, core_reason_name(j->reason),
            (long long)(j->history_ns / (60 * NUM_NS_PER_SECOND)), reserve, j->replicas,
            b->run->policy->target_utilization_permille, j->conflict_ppm, j->conflict_next_ppm,
            j->conflict_allowed_ppm));
    decide_refusal_evidence(r, "history_ns", j->history_ns);
    if (bounded)
        decide_refusal_evidence(r, "reserve_mib", j->reserve_mib);
    decide_refusal_evidence(r, "memory_limit_mib", j->limit_mib);
    decide_refusal_evidence(r, "conflict_ppm", j->conflict_ppm);
    decide_refusal_evidence(r, "conflict_next_ppm", j->conflict_next_ppm);
    decide_refusal_evidence(r, "conflict_allowed_ppm", j->conflict_allowed_ppm);
    decide_refusal_evidence(r, "pod_gpu_microusd_per_hour", decide_gpu_price(&b->kinds[kind]));
}

/* Jobs come and go: a pool that is theirs alone is empty at times, loses its last node, and then no
 * autoscaler knows what a node of it would offer.  They follow owners that last. */
static bool pool_lasts(struct decide_run *run, uint16_t cluster, uint16_t gpu, unsigned tier)
{
    char name[DECIDE_POOL_NAME_MAX];
    decide_pool_name(MODEL_TECHNIQUE_TIME_SLICING, gpu, tier, name);
    uint32_t pool = decide_pool_get(run, cluster, str_from(name));
    return pool != CORE_NO_INDEX && run->pools[pool].lasting > 0 && run->pools[pool].have > 0;
}

/* Time-slicing on every model that the owner may use. */
static void options_shared(
        struct builder *b, const struct core_owner_fact *o, struct place_owner *owner, uint32_t now)
{
    for (uint32_t k = 0; k < b->kind_count; k++) {
        const struct place_kind *kind = &b->kinds[k];
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> kind->gpu & 1) != 0;
        if (kind->cluster != o->cluster || !allowed || kind_of(b, kind->cluster, kind->gpu) != k)
            continue;
        struct decide_judgement j =
                decide_judge_shared(b->run->d, b->run->policy, b->run->now, o, kind->gpu);
        if (j.reason != CORE_REASON_NONE) {
            if (k == now)
                refuse_shared(b, o, k, &j);
            continue;
        }
        for (unsigned tier = 0; tier < PLACE_TIERS; tier++) {
            if (o->kind == MODEL_OWNER_JOB && !pool_lasts(b->run, o->cluster, kind->gpu, tier))
                continue;
            if (tier > 0 && owner->pods < NODES_OF_OWN * kind->gpus_per_node * j.replicas_memory)
                continue;
            struct place_option option = {.kind = (uint16_t)k,
                    .technique = MODEL_TECHNIQUE_TIME_SLICING,
                    .tier = (uint8_t)tier,
                    .replicas_max = j.replicas_memory,
                    .size_ppm = j.size_ppm,
                    .extra_microusd_per_hour = switch_cost(b, owner, k)};
            option_add(b, owner, option);
        }
    }
}

/* As refuse_shared, for an instance of its own; what says nothing of the owner is not told. */
static void refuse_mig(struct builder *b, const struct core_owner_fact *o, uint32_t kind,
        const struct decide_judgement *j)
{
    bool numbers = j->reason == CORE_REASON_GUARD_BUSY || j->reason == CORE_REASON_GUARD_MEMORY;
    struct core_decision *r = numbers ? decide_refuse(b->run->d, b->run->now,
                                                CORE_CHANGE_MIG_RELAYOUT, j->reason, o->uid)
                                      : NULL;
    if (r == NULL)
        return;
    r->cluster = o->cluster;
    r->owner = o->uid;
    bool bounded = j->reserve_mib < USAGE_MEMORY_MIB_MAX;
    char reserve[64] = "memory not known well enough";
    if (bounded)
        (void)snprintf(reserve, sizeof(reserve), "reserve %u MiB a pod", j->reserve_mib);
    r->text = str_from(arena_printf(b->run->d->scratch,
            "%.*s gets no MIG instance on %s: %s; its kernels fill %u permille of the SMs%s; %s",
            STR_ARG(o->name), model_gpu_get(b->kinds[kind].gpu)->key, core_reason_name(j->reason),
            j->compute_need_permille,
            j->compute_need_permille == 1000 ? ", or their activity is not read" : "", reserve));
    decide_refusal_evidence(r, "compute_need_permille", j->compute_need_permille);
    if (bounded)
        decide_refusal_evidence(r, "reserve_mib", j->reserve_mib);
    decide_refusal_evidence(r, "pod_gpu_microusd_per_hour", decide_gpu_price(&b->kinds[kind]));
}

/* How many MIG pools of a model there may be: by pods on an instance.  What is only watched or
 * proposed of time-slicing is not done by MIG's mode. */
static uint8_t mig_tiers(const struct policy *p)
{
    uint8_t tiers = 1;
    if (!technique_listed(p, MODEL_TECHNIQUE_TIME_SLICING) ||
            p->mode[MODEL_TECHNIQUE_TIME_SLICING] < p->mode[MODEL_TECHNIQUE_MIG])
        return 1;
    while (tiers < PLACE_TIERS && decide_tier_replicas(tiers) <= p->replicas_instance_max)
        tiers++;
    return tiers;
}

/* Instances on every MIG model that the owner may use: of its own, and with others. */
static void options_mig(
        struct builder *b, const struct core_owner_fact *o, struct place_owner *owner, uint32_t now)
{
    /* The pods of a StatefulSet would be gone until a window cuts instances for them. */
    if (o->kind != MODEL_OWNER_DEPLOYMENT)
        return;
    for (uint32_t k = 0; k < b->kind_count; k++) {
        const struct place_kind *kind = &b->kinds[k];
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> kind->gpu & 1) != 0;
        if (kind->cluster != o->cluster || !allowed || kind->mig == PLACE_NO_MIG ||
                kind_of(b, kind->cluster, kind->gpu) != k)
            continue;
        for (uint8_t tier = 0; tier < mig_tiers(b->run->policy); tier++) {
            struct decide_slice slice = {kind->gpu, decide_tier_replicas(tier)};
            struct decide_judgement j =
                    decide_judge_mig(b->run->d, b->run->policy, b->run->now, o, slice);
            if (j.reason != CORE_REASON_NONE && k == now && tier == 0)
                refuse_mig(b, o, k, &j);
            if (j.reason != CORE_REASON_NONE)
                continue;
            option_add(b, owner,
                    (struct place_option){.kind = (uint16_t)k,
                            .technique = MODEL_TECHNIQUE_MIG,
                            .tier = tier,
                            .profile = j.profile,
                            .replicas_max = j.replicas,
                            .extra_microusd_per_hour = switch_cost(b, owner, k)});
        }
    }
}

/* What it costs more to leave an owner with others on its instance although it must not be: any
 * other way is better.  Lost or aged history freezes what is. */
static int64_t shared_instance_cost(
        struct builder *b, const struct core_owner_fact *o, const struct place_option *now)
{
    const struct place_kind *kind = &b->kinds[now->kind];
    struct decide_slice slice = {kind->gpu, now->replicas_max};
    struct decide_judgement j = decide_judge_mig(b->run->d, b->run->policy, b->run->now, o, slice);
    if (j.reason == CORE_REASON_NONE || j.reason == CORE_REASON_GUARD_HISTORY ||
            j.reason == CORE_REASON_GUARD_STALE)
        return 0;
    return 2 * decide_gpu_price(kind);
}

/* Whole GPUs of the other models that the owner may use and does as well on.  Jobs pay for the time
 * that slower work takes. */
static void options_match(
        struct builder *b, const struct core_owner_fact *o, struct place_owner *owner, uint32_t now)
{
    for (uint32_t k = 0; k < b->kind_count; k++) {
        const struct place_kind *kind = &b->kinds[k];
        struct decide_models models = {b->kinds[now].gpu, kind->gpu};
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> kind->gpu & 1) != 0;
        if (kind->cluster != o->cluster || !allowed || models.to == models.from ||
                kind_of(b, kind->cluster, kind->gpu) != k || o->cpu_milli > kind->cpu_milli ||
                o->memory_mib > kind->ram_mib)
            continue;
        struct decide_judgement j =
                decide_judge_match(b->run->d, b->run->policy, b->run->now, o, &models);
        if (j.reason != CORE_REASON_NONE)
            continue;
        int64_t price = decide_gpu_price(kind);
        int64_t longer = decide_match_cost(b->run->d, o, price, j.slow_permille) - price;
        option_add(b, owner,
                (struct place_option){.kind = (uint16_t)k,
                        .technique = MODEL_TECHNIQUE_EXCLUSIVE,
                        .replicas_max = 1,
                        .extra_microusd_per_hour =
                                switch_cost(b, owner, k) + longer * owner->pods});
    }
}

static void owner_add(struct builder *b, uint32_t row)
{
    const struct core_owner_view *view = &b->run->pic->owners[row];
    const struct core_owner_fact *o = &view->fact;
    const struct decide_owner *learned = decide_owner_find(b->run->d, o->uid);
    uint32_t pods = view->pending_count + view->running_count;

    /* Ways last for days: what an owner usually has counts, not what it has just now. */
    if (learned != NULL && pods > 0)
        pods = num_max_u32(1, (learned->pods_mean_milli + 500) / 1000);
    if (!view->live || o->kind == MODEL_OWNER_DAEMONSET || pods == 0 || o->gpus_per_pod == 0)
        return;
    struct decide_way now = decide_way_now(o);
    uint32_t kind = now.technique == MODEL_TECHNIQUE_EXCLUSIVE ? kind_now(b, row)
                                                               : kind_of(b, o->cluster, now.gpu);
    if (kind == b->kind_count)
        return;
    struct place_owner *owner = &b->owners[b->owner_count++];
    *owner = (struct place_owner){.uid = o->uid,
            .pods = pods,
            .gpus_per_pod = o->gpus_per_pod,
            .cpu_milli = o->cpu_milli,
            .ram_mib = o->memory_mib,
            .option_first = b->option_count};
    struct place_option same = {.kind = (uint16_t)kind,
            .technique = (uint8_t)now.technique,
            .tier = now.tier,
            .profile = now.profile,
            .replicas_max = now.technique == MODEL_TECHNIQUE_MIG ? now.replicas : 1};
    if (now.technique == MODEL_TECHNIQUE_MIG && now.replicas > 1)
        same.extra_microusd_per_hour = shared_instance_cost(b, o, &same) * pods;
    struct decide_owner *mine = decide_owner_find(b->run->d, o->uid);
    if (now.technique == MODEL_TECHNIQUE_TIME_SLICING) {
        struct decide_judgement j =
                decide_judge_shared(b->run->d, b->run->policy, b->run->now, o, now.gpu);
        bool judged = j.reason == CORE_REASON_NONE;
        uint32_t bears = mine != NULL ? num_max_u32(mine->bears, 2) : 2;
        same.replicas_max = (uint16_t)(judged ? j.replicas_memory : bears);
        same.size_ppm = judged ? j.size_ppm : mine != NULL ? mine->size_ppm : 500000;
        if (o->kind == MODEL_OWNER_JOB && !pool_lasts(b->run, o->cluster, now.gpu, now.tier)) {
            same.extra_microusd_per_hour = /* its pods would wait: any other way is better */
                    2 * decide_gpu_price(&b->kinds[kind]) * pods;
        }
    }
    option_add(b, owner, same);
    if (now.technique != MODEL_TECHNIQUE_EXCLUSIVE) {
        option_add(b, owner,
                (struct place_option){.kind = (uint16_t)kind_now(b, row),
                        .technique = MODEL_TECHNIQUE_EXCLUSIVE,
                        .replicas_max = 1,
                        .extra_microusd_per_hour = switch_cost(b, owner, kind)});
    }
    if (now.technique == MODEL_TECHNIQUE_EXCLUSIVE)
        options_match(b, o, owner, kind);
    if (technique_listed(b->run->policy, MODEL_TECHNIQUE_TIME_SLICING))
        options_shared(b, o, owner, kind);
    if (technique_listed(b->run->policy, MODEL_TECHNIQUE_MIG) && b->run->policy->window_count > 0)
        options_mig(b, o, owner, kind);
}

struct place_problem *decide_problem_build(struct decide_run *run)
{
    struct core_decider *d = run->d;
    arena_reset(d->problem_arena);
    struct builder *b = ARENA_NEW(d->problem_arena, struct builder);
    b->run = run;
    b->a = d->problem_arena;
    b->owners = ARENA_ARRAY(b->a, struct place_owner, run->pic->owner_count + 1);
    b->option_cap = 64 + 4 * run->pic->owner_count;
    b->options = ARENA_ARRAY(b->a, struct place_option, b->option_cap);
    kinds_collect(b);
    for (uint32_t i = 0; i < run->pic->owner_count; i++)
        owner_add(b, i);
    if (b->owner_count == 0 || b->kind_count == 0)
        return NULL;
    struct place_problem *p = ARENA_NEW(b->a, struct place_problem);
    *p = (struct place_problem){.kind_count = b->kind_count,
            .owner_count = b->owner_count,
            .option_count = b->option_count,
            .kinds = b->kinds,
            .owners = b->owners,
            .options = b->options,
            .spare_slots_permille = run->policy->spare_slots_permille};
    return p;
}
