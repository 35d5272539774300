/* core/decide_guard.c - what only demand can answer, asked again right before an action.
 *
 * Pure.  Between a decision and its action minutes pass; the numbers may have moved. */
#include "core/decide-priv.h"

#include <string.h>

struct answer {
    struct core_evidence *evidence;
    uint32_t count;
};

static void tell(struct answer *a, const char *name, int64_t value)
{
    if (a->count < CORE_EVIDENCE_MAX)
        a->evidence[a->count++] = (struct core_evidence){.name = name, .value = value};
}

/* What is saved still passes the policy's least gain; what a hard rule asks for need not save. */
static bool gain_kept(const struct core_decider *d, const struct policy *policy,
        const struct core_intent *intent, struct answer *a)
{
    const struct decide_owner *row = decide_owner_find(d, intent->owner);
    struct core_share share;
    if (row != NULL && core_share_parse(str_from(intent->owner_target.pool), &share)) {
        const struct decide_class_wish *wish = &row->class_wish;
        if (!wish->set || wish->reason != CORE_REASON_COST)
            return true; /* a larger share for a measured need */
        tell(a, "saving_microusd_per_hour", wish->saving);
        tell(a, "cost_now_microusd_per_hour", wish->cost_now);
        return decide_gains(policy, wish->cost_now, wish->saving);
    }
    if (row == NULL || !row->way_set || row->way_forced)
        return true;
    tell(a, "saving_microusd_per_hour", row->way_saving);
    tell(a, "cost_now_microusd_per_hour", row->way_cost_now);
    return decide_gains(policy, row->way_cost_now, row->way_saving);
}

/* The model that most of the owner's pods are on; UINT16_MAX when none is bound. */
static uint16_t model_of(const struct core_picture *pic, uint32_t owner)
{
    uint32_t counts[64] = {0}; /* as many models as a mask of them has bits */
    uint16_t best = UINT16_MAX;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[i];
        if (!pod->live || pod->owner != owner || pod->node == CORE_NO_INDEX)
            continue;
        uint16_t gpu = pic->nodes[pod->node].fact.gpu;
        counts[gpu]++;
        if (best == UINT16_MAX || counts[gpu] > counts[best])
            best = gpu;
    }
    return best;
}

/* Whole GPUs of another model: it must still do there, and gain. */
static enum core_reason guard_match(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent, struct answer *a)
{
    uint32_t row = core_picture_owner(pic, intent->owner);
    const struct core_owner_fact *o = &pic->owners[row].fact;
    uint64_t models = intent->owner_target.gpu_models;
    uint16_t from = model_of(pic, row);
    struct decide_models pair = {from, (uint16_t)__builtin_ctzll(models)};

    if ((o->gpu_models != 0 && (models & ~o->gpu_models) != 0) || from == UINT16_MAX)
        return CORE_REASON_GUARD_SOLUTION;
    struct decide_judgement j = decide_judge_match(d, pic->policy, now, o, &pair);
    tell(a, "history_ns", j.history_ns);
    tell(a, "reserve_mib", j.reserve_mib);
    tell(a, "memory_limit_mib", j.limit_mib);
    tell(a, "slowdown_permille", j.slow_permille);
    if (j.reason == CORE_REASON_NONE && !gain_kept(d, pic->policy, intent, a))
        return CORE_REASON_GUARD_GAIN;
    return j.reason;
}

static enum core_reason guard_owner(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent, struct answer *a)
{
    uint32_t row = core_picture_owner(pic, intent->owner);
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier = 0;

    if (row == CORE_NO_INDEX)
        return CORE_REASON_GUARD_SOLUTION;
    if (intent->owner_target.pool[0] == '\0') {
        return intent->owner_target.gpu_models == 0 ? CORE_REASON_NONE /* toward exclusive */
                                                    : guard_match(d, pic, now, intent, a);
    }
    struct core_share share;
    struct core_share had;
    if (core_share_parse(str_from(intent->owner_target.pool), &share)) {
        if (core_share_parse(pic->owners[row].fact.pool, &had) && had.gpu == share.gpu &&
                share.memory_mib >= had.memory_mib && share.pods <= had.pods)
            return CORE_REASON_NONE; /* a larger share: toward exclusive */
        technique = MODEL_TECHNIQUE_TIME_SLICING;
        gpu = share.gpu;
    } else if (!decide_pool_parse(str_from(intent->owner_target.pool), &technique, &gpu, &tier)) {
        return CORE_REASON_GUARD_SOLUTION;
    }
    struct decide_slice slice = {gpu, decide_tier_replicas(tier)};
    struct decide_judgement j =
            technique == MODEL_TECHNIQUE_MIG
                    ? decide_judge_mig(d, pic->policy, now, &pic->owners[row].fact, slice)
                    : decide_judge_shared(d, pic->policy, now, &pic->owners[row].fact, gpu);
    tell(a, "history_ns", j.history_ns);
    tell(a, "reserve_mib", j.reserve_mib);
    tell(a, "memory_limit_mib", j.limit_mib);
    tell(a, "memory_risk_ppm", j.memory_ppm);
    tell(a, "conflict_ppm", j.conflict_ppm);
    tell(a, "conflict_allowed_ppm", j.conflict_allowed_ppm);
    if (j.reason == CORE_REASON_NONE && !gain_kept(d, pic->policy, intent, a))
        return CORE_REASON_GUARD_GAIN;
    return j.reason;
}

/* More pods a GPU: by memory every owner that is pointed there must bear it, by busy time their
 * mean.  An owner whose history aged bears what it bore. */
static enum core_reason guard_replicas(const struct core_decider *d, const struct core_picture *pic,
        const struct core_intent *intent, struct answer *a)
{
    uint32_t hard = 0;
    uint64_t weight = 0;
    uint64_t size_ppm = 0;

    for (uint32_t i = 0; i < pic->owner_count; i++) {
        const struct core_owner_fact *o = &pic->owners[i].fact;
        if (!pic->owners[i].live || o->cluster != intent->cluster ||
                !str_eq_c(o->pool, intent->target.pool))
            continue;
        const struct decide_owner *row = decide_owner_find(d, o->uid);
        if (row == NULL || row->bears == 0)
            return CORE_REASON_GUARD_HISTORY;
        uint32_t pods = num_max_u32(1, row->pods_mean_milli);
        hard = hard == 0 ? row->bears : num_min_u32(hard, row->bears);
        weight += pods;
        size_ppm += (uint64_t)pods * row->size_ppm;
    }
    uint32_t borne = place_pool_replicas(hard, weight, size_ppm);
    tell(a, "replicas_asked", intent->target.replicas);
    tell(a, "replicas_borne_memory", hard);
    tell(a, "replicas_borne", borne);
    if (intent->target.replicas <= borne)
        return CORE_REASON_NONE;
    return intent->target.replicas > hard ? CORE_REASON_GUARD_MEMORY : CORE_REASON_GUARD_BUSY;
}

/* The pods of a node that is to go need as much room elsewhere, on open nodes of its pool.  What a
 * MIG node's pods need is counted by instance when its layout is chosen. */
static enum core_reason guard_room(const struct core_decider *d, const struct core_picture *pic,
        const struct core_intent *intent, struct answer *a)
{
    uint32_t node = core_picture_node(pic, intent->node);
    uint32_t needed = 0, room = 0;

    if (node == CORE_NO_INDEX)
        return CORE_REASON_GUARD_SOLUTION;
    const struct core_node_view *from = &pic->nodes[node];
    if (from->fact.caps.steer == CORE_STEER_CLASS) {
        tell(a, "pods_to_move", from->pod_count);
        return decide_class_room(pic, d->scratch, node) ? CORE_REASON_NONE : CORE_REASON_GUARD_ROOM;
    }
    struct model_resource resource = {.kind = MODEL_RESOURCE_NONE};
    for (uint32_t i = 0; i < from->pod_count; i++) {
        const struct core_pod_fact *pod = &pic->pods[from->pods[i]].fact;
        if (pod->phase == CORE_POD_TERMINATING || pod->resource.kind > MODEL_RESOURCE_GPU_SHARED)
            continue;
        resource = pod->resource;
        needed += pod->count;
    }
    if (needed == 0)
        return CORE_REASON_NONE;
    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_view *to = &pic->nodes[i];
        if (i == node || !to->live || !to->fact.ready || to->fact.unschedulable ||
                to->fact.cluster != from->fact.cluster || !str_eq(to->fact.pool, from->fact.pool))
            continue;
        uint32_t offered = core_picture_allocatable(pic, i, &resource);
        uint32_t held = core_picture_held(pic, i, &resource);
        room += offered > held ? offered - held : 0;
    }
    tell(a, "gpus_to_move", needed);
    tell(a, "gpus_free_elsewhere", room);
    return room < needed ? CORE_REASON_GUARD_ROOM : CORE_REASON_NONE;
}

enum core_reason core_decider_guard(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent,
        struct core_evidence evidence[CORE_EVIDENCE_MAX], uint32_t *ret_evidence_count)
{
    struct answer a = {.evidence = evidence};
    enum core_reason reason = CORE_REASON_NONE;
    struct core_decider honest;

    if (d->planted) { /* planted bugs mislead decisions; what is asked here must be true */
        honest = *d;
        memset(honest.options.plant_bug, 0, sizeof(honest.options.plant_bug));
        d = &honest;
    }

    if (pic->policy == NULL) {
        reason = CORE_REASON_GUARD_SYNC;
    } else if (intent->kind == CORE_INTENT_OWNER) {
        reason = guard_owner(d, pic, now, intent, &a);
    } else if (intent->kind == CORE_INTENT_NODE && intent->change == CORE_CHANGE_REPLICAS_RAISE) {
        reason = guard_replicas(d, pic, intent, &a);
    } else if (intent->kind == CORE_INTENT_NODE && intent->change == CORE_CHANGE_RETIRE) {
        reason = guard_room(d, pic, intent, &a);
    }
    *ret_evidence_count = a.count;
    return reason;
}
