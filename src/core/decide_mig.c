/* core/decide_mig.c - may an owner have MIG instances, and which is the smallest that will do.
 *
 * Pure.  Memory as for sharing.  On an instance with several pods the peaks of all must always fit,
 * whatever risk the policy takes on whole GPUs, for nobody is evicted from one in time.  Compute
 * only on SM activity: busy time says nothing of a size, so without SM readings an instance must
 * have all of the GPU's SMs, which none smaller has. */
#include "core/decide-priv.h"

enum { SM_LEAST = 60, REACH_PERMILLE = 990, SLO_MARGIN_PERMILLE = 800 };

/* SMs that the kernels fill while one runs, permille of the reference GPU's: mean activity over
 * mean busy time, and a tenth more because readings are binned.  1000 when not known. */
static uint32_t compute_need(const struct usage_digest *digest)
{
    struct usage_histogram busy;
    struct usage_histogram sm;

    usage_digest_all(digest, USAGE_METRIC_BUSY, &busy);
    usage_digest_all(digest, USAGE_METRIC_SM, &sm);
    uint32_t busy_mean = usage_histogram_mean(&busy);
    if (sm.total < SM_LEAST || busy_mean == 0)
        return 1000;
    uint32_t need = usage_histogram_mean(&sm) * 1000 / busy_mean;
    return num_min_u32(1000, need * 11 / 10);
}

/* How much slower the owner runs on `given` of the SMs, permille of alone on the whole GPU. */
static uint32_t slowdown(uint32_t need, uint32_t given)
{
    return need <= given ? 1000 : need * 1000 / given;
}

static bool compute_fits(const struct policy *p, const struct core_decider *d,
        const struct core_owner_fact *owner, const struct usage_digest *digest, uint32_t slow)
{
    struct usage_histogram busy;
    usage_digest_all(digest, USAGE_METRIC_BUSY, &busy);
    uint32_t peak = usage_histogram_quantile(&busy, REACH_PERMILLE);
    uint32_t slo = owner->slo_permille > 0 ? owner->slo_permille : p->latency_slo_permille;
    bool latency = decide_owner_class(d, owner) == MODEL_CLASS_LATENCY_SENSITIVE;

    if (latency && slow > 1000 && slow > slo * SLO_MARGIN_PERMILLE / 1000)
        return false;
    return slow == 1000 || peak * slow / 1000 <= p->target_utilization_permille;
}

/* Does the policy name MIG before time-slicing? */
static bool mig_preferred(const struct policy *p)
{
    return p->technique_count > 0 && p->techniques[0] == MODEL_TECHNIQUE_MIG;
}

static enum core_reason judge_kind(
        const struct core_decider *d, const struct policy *p, const struct core_owner_fact *owner)
{
    enum model_class c = decide_owner_class(d, owner);
    enum model_isolation isolation =
            owner->isolation > p->isolation ? owner->isolation : p->isolation;

    if (!core_owner_pointable(owner))
        return CORE_REASON_GUARD_FOREIGN;
    if (owner->kind == MODEL_OWNER_BARE || owner->kind == MODEL_OWNER_DAEMONSET)
        return CORE_REASON_GUARD_BARE_POD;
    if (c == MODEL_CLASS_TRAINING || owner->gpus_per_pod != 1)
        return CORE_REASON_GUARD_TRAINING;
    if (isolation == MODEL_ISOLATION_EXCLUSIVE)
        return CORE_REASON_GUARD_ISOLATION;
    bool latency = c == MODEL_CLASS_LATENCY_SENSITIVE;
    if (latency && p->latency_treatment == MODEL_TECHNIQUE_EXCLUSIVE)
        return CORE_REASON_GUARD_LATENCY;
    /* Instances change in windows only: others follow demand better on time-sliced GPUs. */
    if (!latency && isolation == MODEL_ISOLATION_NONE && !mig_preferred(p))
        return CORE_REASON_GUARD_CAPS;
    if (owner->preallocates && owner->declared_memory_mib == 0)
        return CORE_REASON_GUARD_PREALLOCATES;
    return CORE_REASON_NONE;
}

/* TUNING: how long an owner that was on a tight instance has one of its own: what it took may come
 * again with the day. */
static const int64_t tight_ns = 24 * NUM_NS_PER_HOUR;

/* Several pods on an instance: the rules of time-slicing as well. */
static enum core_reason judge_shared_kind(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *owner)
{
    const struct decide_owner *row = decide_owner_find(d, owner->uid);
    enum core_reason no = decide_judge_kind(d, p, owner);
    if (no == CORE_REASON_NONE && row != NULL && row->tight_wall_ns > 0 &&
            now->wall_ns - row->tight_wall_ns < tight_ns)
        no = CORE_REASON_GUARD_MEMORY;
    return no;
}

struct decide_judgement decide_judge_mig(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *owner, struct decide_slice slice)
{
    const char *key = model_gpu_get(slice.gpu)->mig_key;
    const struct mig_model *mig = key != NULL ? mig_model_find(key) : NULL;
    const struct decide_owner *row = decide_owner_find(d, owner->uid);
    struct decide_judgement j = {.replicas = (uint16_t)slice.replicas};

    j.reason = mig == NULL || mig->profile_count == 0 ? CORE_REASON_GUARD_CAPS
                                                      : judge_kind(d, p, owner);
    if (j.reason == CORE_REASON_NONE && slice.replicas > 1)
        j.reason = judge_shared_kind(d, p, now, owner);
    if (j.reason == CORE_REASON_NONE)
        j.reason = decide_judge_history(p, now, row, &j);
    if (j.reason != CORE_REASON_NONE)
        return j;
    struct usage_reserve_query query = {.quantile_permille = 1000,
            .declared_mib = owner->declared_memory_mib,
            .preallocates = owner->preallocates};
    j.reserve_mib = usage_memory_reserve(&row->digest.memory, &query).mib;
    j.compute_need_permille = compute_need(&row->digest);
    j.reason = CORE_REASON_GUARD_MEMORY;
    for (unsigned i = 0; i < mig->profile_count; i++) {
        const struct mig_profile *profile = &mig->profiles[i];
        uint32_t room = profile->memory_mib * (1000 - p->memory_headroom_permille) / 1000;
        if (!profile->base || profile->compute_slices >= mig->compute_slices ||
                (uint64_t)j.reserve_mib * slice.replicas > room)
            continue;
        uint32_t given = (uint32_t)profile->compute_slices * 1000 / mig->compute_slices;
        uint32_t slow = slowdown(j.compute_need_permille, given);
        struct decide_demand all = {&row->digest,
                model_gpu_get(slice.gpu)->speed_permille * 1000 / slow, slice.replicas};
        if (!compute_fits(p, d, owner, &row->digest, slow) ||
                (slice.replicas > 1 && !decide_busy_fits(p, &all, &j))) {
            if (j.reason != CORE_REASON_NONE)
                j.reason = CORE_REASON_GUARD_BUSY;
            continue;
        }
        bool better = j.reason != CORE_REASON_NONE ||
                      profile->units < mig->profiles[j.profile].units ||
                      (profile->units == mig->profiles[j.profile].units &&
                              profile->compute_slices < mig->profiles[j.profile].compute_slices);
        if (!better)
            continue;
        j.reason = CORE_REASON_NONE;
        j.profile = (uint8_t)i;
        j.limit_mib = room;
        j.compute_given_permille = given;
    }
    return j;
}
