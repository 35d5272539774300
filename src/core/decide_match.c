/* core/decide_match.c - whole GPUs by memory, speed and price: may an owner do on another model.
 *
 * Pure.  Work that runs to an end may take longer on a slower model, and pays for every hour of it;
 * work that somebody waits for must stay within its SLO, with a margin, and under the policy's
 * utilization.  Nobody leaves the models that the owner allows, and nothing is done on a guess:
 * history, memory and class are judged as for sharing. */
#include "core/decide-priv.h"

/* TUNING: of the SLO that a slower model may use up; the most that a Job may be stretched; the
 * quantile of busy time that must fit. */
enum { SLO_MARGIN_PERMILLE = 800, STRETCH_MAX_PERMILLE = 3000, BUSY_QUANTILE = 990 };

static bool runs_to_an_end(enum model_class c)
{
    return c == MODEL_CLASS_BATCH || c == MODEL_CLASS_TRAINING;
}

uint32_t decide_match_slowdown(uint16_t from, uint16_t to)
{
    uint32_t slow = model_gpu_get(from)->speed_permille * 1000 / model_gpu_get(to)->speed_permille;
    return num_max_u32(slow, 1000); /* faster hardware earns nothing that was not measured */
}

int64_t decide_match_cost(const struct core_decider *d, const struct core_owner_fact *o,
        int64_t gpu_price, uint32_t slow)
{
    return runs_to_an_end(decide_owner_class(d, o)) ? num_muldiv_i64(gpu_price, slow, 1000)
                                                    : gpu_price;
}

static enum core_reason judge_kind(const struct core_owner_fact *o)
{
    if (!core_owner_pointable(o))
        return CORE_REASON_GUARD_FOREIGN;
    if (o->kind == MODEL_OWNER_BARE || o->kind == MODEL_OWNER_DAEMONSET)
        return CORE_REASON_GUARD_BARE_POD;
    if (o->gpus_per_pod != 1)
        return CORE_REASON_GUARD_TRAINING; /* links between GPUs are not compared */
    if (o->preallocates && o->declared_memory_mib == 0)
        return CORE_REASON_GUARD_PREALLOCATES;
    return CORE_REASON_NONE;
}

struct decide_judgement decide_judge_match(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *o,
        const struct decide_models *models)
{
    struct decide_judgement j = {.replicas = 1, .limit_mib = decide_memory_limit(p, models->to)};
    const struct decide_owner *row = decide_owner_find(d, o->uid);
    enum model_class c = decide_owner_class(d, o);
    uint32_t slow = decide_match_slowdown(models->from, models->to);
    struct usage_histogram busy;

    j.reason = judge_kind(o);
    if (j.reason == CORE_REASON_NONE)
        j.reason = decide_judge_history(p, now, row, &j);
    if (j.reason != CORE_REASON_NONE)
        return j;
    struct usage_reserve_query query = {.quantile_permille = 1000,
            .declared_mib = o->declared_memory_mib,
            .preallocates = o->preallocates};
    j.reserve_mib = usage_memory_reserve(&row->digest.memory, &query).mib;
    j.slow_permille = slow;
    if (j.reserve_mib > j.limit_mib) {
        j.reason = CORE_REASON_GUARD_MEMORY;
    } else if (runs_to_an_end(c)) {
        j.reason = slow <= STRETCH_MAX_PERMILLE ? CORE_REASON_NONE : CORE_REASON_GUARD_BUSY;
    } else {
        uint32_t slo = o->slo_permille > 0 ? o->slo_permille : p->latency_slo_permille;
        uint32_t speed = model_gpu_get(models->to)->speed_permille;
        usage_digest_all(&row->digest, USAGE_METRIC_BUSY, &busy);
        uint32_t peak = usage_histogram_quantile(&busy, BUSY_QUANTILE) * 1000 / speed;
        if (slow > 1000 && slow > slo * SLO_MARGIN_PERMILLE / 1000)
            j.reason = CORE_REASON_GUARD_LATENCY;
        if (slow > 1000 && peak > p->target_utilization_permille)
            j.reason = CORE_REASON_GUARD_BUSY;
    }
    return j;
}
