/* core/decide_guard.c - what only demand can answer, asked again right before an action.
 *
 * Pure.  Between a decision and its action minutes pass; the numbers may have moved. */
#include "core/decide-priv.h"

struct answer {
    struct core_evidence *evidence;
    uint32_t count;
};

static void tell(struct answer *a, const char *name, int64_t value)
{
    if (a->count < CORE_EVIDENCE_MAX)
        a->evidence[a->count++] = (struct core_evidence){.name = name, .value = value};
}

static enum core_reason guard_owner(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent, struct answer *a)
{
    uint32_t row = core_picture_owner(pic, intent->owner);
    enum model_technique technique;
    uint16_t gpu;
    uint8_t tier;

    if (row == CORE_NO_INDEX)
        return CORE_REASON_GUARD_SOLUTION;
    if (intent->owner_target.pool[0] == '\0')
        return CORE_REASON_NONE; /* toward exclusive */
    if (!decide_pool_parse(str_from(intent->owner_target.pool), &technique, &gpu, &tier))
        return CORE_REASON_GUARD_SOLUTION;
    struct decide_judgement j =
            technique == MODEL_TECHNIQUE_MIG
                    ? decide_judge_mig(d, pic->policy, now, &pic->owners[row].fact, gpu)
                    : decide_judge_shared(d, pic->policy, now, &pic->owners[row].fact, gpu);
    tell(a, "history_ns", j.history_ns);
    tell(a, "reserve_mib", j.reserve_mib);
    tell(a, "memory_limit_mib", j.limit_mib);
    tell(a, "memory_risk_ppm", j.memory_ppm);
    tell(a, "conflict_ppm", j.conflict_ppm);
    tell(a, "conflict_allowed_ppm", j.conflict_allowed_ppm);
    return j.reason;
}

/* More pods a GPU: every owner with a pod there, or pointed there, must bear it. */
static enum core_reason guard_replicas(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent, struct answer *a)
{
    for (uint32_t i = 0; i < pic->owner_count; i++) {
        const struct core_owner_fact *o = &pic->owners[i].fact;
        if (!pic->owners[i].live || o->cluster != intent->cluster ||
                !str_eq_c(o->pool, intent->target.pool))
            continue;
        uint32_t node = core_picture_node(pic, intent->node);
        if (node == CORE_NO_INDEX)
            return CORE_REASON_GUARD_SOLUTION;
        struct decide_judgement j =
                decide_judge_shared(d, pic->policy, now, o, pic->nodes[node].fact.gpu);
        if (j.reason == CORE_REASON_NONE && j.replicas >= intent->target.replicas)
            continue;
        tell(a, "replicas_asked", intent->target.replicas);
        tell(a, "replicas_borne", j.replicas);
        tell(a, "conflict_ppm", j.conflict_next_ppm);
        tell(a, "memory_risk_ppm", j.memory_next_ppm);
        return j.reason != CORE_REASON_NONE ? j.reason : CORE_REASON_GUARD_BUSY;
    }
    return CORE_REASON_NONE;
}

enum core_reason core_decider_guard(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent,
        struct core_evidence evidence[CORE_EVIDENCE_MAX], uint32_t *ret_evidence_count)
{
    struct answer a = {.evidence = evidence};
    enum core_reason reason = CORE_REASON_NONE;

    if (pic->policy == NULL)
        reason = CORE_REASON_GUARD_SYNC;
    else if (intent->kind == CORE_INTENT_OWNER)
        reason = guard_owner(d, pic, now, intent, &a);
    else if (intent->kind == CORE_INTENT_NODE && intent->change == CORE_CHANGE_REPLICAS_RAISE)
        reason = guard_replicas(d, pic, now, intent, &a);
    *ret_evidence_count = a.count;
    return reason;
}
