/* core/decide_judge.c - may this owner share a GPU, and with how many: hard rules, then numbers.
 *
 * Pure.  The order of the rules is the order in which they are told: what the owner is comes before
 * what it was seen to use.  Each answer carries the numbers it rests on. */
#include "core/decide-priv.h"

#include <string.h>

/* TUNING: an owner counts as known after so many readings, whatever their span (a metric gap is no
 * history); the error bound past which attributed demand tightens nothing. */
enum { READINGS_MIN = 60, HOUR_LEAST = 40, ERROR_MAX_PERMILLE = 250 };

/* TUNING: a guessed class leads by so much of its points, or it is not believed. */
enum { CONFIDENCE_LEAST = 300 };

/* TUNING: in the busiest hour pods may meet this many times as often as over all time. */
enum { PEAK_FACTOR = 5 };

uint32_t decide_conflict_allowed_ppm(const struct policy *p)
{
    return (1000 - num_min_u32(p->percentile_permille, 1000)) * 1000;
}

enum model_class decide_owner_class(const struct core_decider *d, const struct core_owner_fact *o)
{
    const struct decide_owner *row = decide_owner_find(d, o->uid);
    if (o->class_declared != MODEL_CLASS_UNKNOWN)
        return o->class_declared;
    if (o->gpus_per_pod > 1)
        return MODEL_CLASS_TRAINING;
    if (row == NULL)
        return MODEL_CLASS_UNKNOWN;
    /* A guess takes no protection away: without a clear lead the more careful class counts. */
    bool careful = row->guess.workload_class == MODEL_CLASS_TRAINING ||
                   row->guess.confidence_permille >= CONFIDENCE_LEAST;
    bool read = row->readings >= READINGS_MIN;
    return careful || !read ? row->guess.workload_class : MODEL_CLASS_LATENCY_SENSITIVE;
}

/* The histogram of the busiest hour that was seen often enough; of all time when none was. */
static void busiest_hour(const struct usage_digest *digest, struct usage_histogram *ret)
{
    uint32_t best_mean = 0;
    usage_digest_all(digest, USAGE_METRIC_BUSY, ret);
    for (unsigned slot = 0; slot < USAGE_SLOTS; slot++) {
        struct usage_histogram h;
        usage_digest_slot(digest, USAGE_METRIC_BUSY, slot, &h);
        uint32_t mean = h.total >= HOUR_LEAST ? usage_histogram_mean(&h) : 0;
        if (mean > best_mean) {
            best_mean = mean;
            *ret = h;
        }
    }
}

/* Joint demand of a growing number of equal pods. */
struct conflict {
    struct usage_joint joint;
    struct usage_dist pod;
    uint32_t limit_permille;
    uint32_t alone_ppm; /* one pod passes the limit by itself */
    uint32_t none_ppm;  /* no one of `count` independent pods does */
    uint32_t mean_ppm;  /* of a pod's busy time */
};

static void conflict_init(struct conflict *c, const struct usage_histogram *h, uint32_t speed,
        uint32_t limit_permille)
{
    struct usage_dist reference;
    usage_dist_from(h, USAGE_EDGE_MIDDLE, &reference);
    usage_dist_scale(&reference, 1000 * 1000 / speed, &c->pod);
    usage_joint_init(&c->joint);
    c->limit_permille = limit_permille;
    struct usage_joint one;
    usage_joint_init(&one);
    usage_joint_add(&one, &c->pod);
    c->alone_ppm = usage_joint_exceeds_ppm(&one, limit_permille, 0);
    c->none_ppm = 1000000;
    c->mean_ppm = usage_dist_mean_ppm(&c->pod);
}

/* Adds a pod.  Returns the share of time (ppm) in which the pods together pass the limit while none
 * does by itself: what sharing, and nothing else, is to blame for. */
static uint32_t conflict_add(struct conflict *c)
{
    usage_joint_add(&c->joint, &c->pod);
    c->none_ppm = (uint32_t)num_muldiv_i64(c->none_ppm, 1000000 - (int64_t)c->alone_ppm, 1000000);
    uint32_t together = DECIDE_TOGETHER_PERMILLE;
    int64_t any = num_muldiv_i64(1000000 - (int64_t)c->none_ppm, 1000 - together, 1000) +
                  num_muldiv_i64(c->alone_ppm, together, 1000);
    int64_t above = usage_joint_exceeds_ppm(&c->joint, c->limit_permille, together);
    return (uint32_t)num_max_i64(0, above - any);
}

/* Where between `replicas` and one more the conflicts reach what is allowed: one over that. */
static uint32_t size_between(const struct decide_busy *b, uint32_t allowed_ppm)
{
    uint64_t bears_milli = (uint64_t)b->replicas * 1000;
    if (b->next_ppm > allowed_ppm && b->next_ppm > b->conflict_ppm) {
        bears_milli +=
                (uint64_t)(allowed_ppm - b->conflict_ppm) * 1000 / (b->next_ppm - b->conflict_ppm);
    }
    return (uint32_t)(1000000000 / (bears_milli > 1000 ? bears_milli : 1000));
}

/* Busy time adds up: what pods ask for in the mean must fit, whoever is busy when.  Without this
 * rule pods that are busy all the time would never conflict: each passes the limit by itself. */
static bool means_fit(const struct conflict *c, uint32_t pods, uint32_t limit_permille)
{
    return (uint64_t)c->mean_ppm * pods <= (uint64_t)limit_permille * 1000;
}

/* The part of a GPU that a pod stands for by its mean alone, ppm. */
static uint32_t size_by_mean(const struct conflict *c, uint32_t limit_permille)
{
    return num_min_u32(
            (uint32_t)num_ceildiv_u64((uint64_t)c->mean_ppm * 1000, limit_permille), 1000000);
}

static void busy_replicas(const struct policy *p, const struct usage_digest *digest, uint16_t gpu,
        uint32_t replicas_max, struct decide_busy *ret)
{
    struct conflict all;
    struct conflict peak;
    struct usage_histogram h;
    uint32_t allowed = decide_conflict_allowed_ppm(p);

    usage_digest_all(digest, USAGE_METRIC_BUSY, &h);
    uint32_t speed = model_gpu_get(gpu)->speed_permille;
    conflict_init(&all, &h, speed, p->target_utilization_permille);
    busiest_hour(digest, &h);
    conflict_init(&peak, &h, speed, p->target_utilization_permille);
    *ret = (struct decide_busy){.gpu = gpu};
    for (uint32_t r = 1; r <= replicas_max + 1; r++) {
        uint32_t over_time = conflict_add(&all);
        uint32_t in_peak = conflict_add(&peak);
        bool fit = means_fit(&all, r, p->target_utilization_permille) && means_fit(&peak, r, 1000);
        if (r > replicas_max || over_time > allowed || in_peak / PEAK_FACTOR > allowed ||
                (r > 1 && !fit)) {
            ret->next_ppm = num_max_u32(over_time, in_peak / PEAK_FACTOR);
            ret->size_ppm = num_max_u32(
                    size_between(ret, allowed), size_by_mean(&all, p->target_utilization_permille));
            return;
        }
        ret->replicas = (uint16_t)r;
        ret->conflict_ppm = num_max_u32(over_time, in_peak / PEAK_FACTOR);
    }
}

bool decide_busy_fits(
        const struct policy *p, const struct decide_demand *demand, struct decide_judgement *j)
{
    const uint32_t limit = p->target_utilization_permille;
    struct usage_histogram h[2];
    uint32_t worst = 0;
    bool fit = true;

    usage_digest_all(demand->digest, USAGE_METRIC_BUSY, &h[0]);
    busiest_hour(demand->digest, &h[1]);
    for (unsigned peak = 0; peak < 2; peak++) {
        struct conflict c;
        uint32_t over = 0;
        conflict_init(&c, &h[peak], num_max_u32(demand->speed_permille, 1), limit);
        for (uint32_t i = 0; i < demand->pods; i++)
            over = conflict_add(&c);
        worst = num_max_u32(worst, peak ? over / PEAK_FACTOR : over);
        fit = fit && means_fit(&c, demand->pods, peak ? 1000 : limit);
    }
    j->conflict_ppm = worst;
    j->conflict_allowed_ppm = decide_conflict_allowed_ppm(p);
    return fit && worst <= j->conflict_allowed_ppm;
}

/* As busy_replicas, kept for a while: demand of an hour's history does not change in a minute. */
static const struct decide_busy *busy_cached(const struct policy *p, const struct core_now *now,
        struct decide_owner *row, uint16_t gpu, uint32_t replicas_max)
{
    struct decide_busy *slot = &row->busy[gpu % DECIDE_GPU_CACHE];
    bool fresh = slot->wall_ns != 0 && slot->gpu == gpu && slot->asked == replicas_max &&
                 slot->target_permille == p->target_utilization_permille &&
                 now->wall_ns - slot->wall_ns < NUM_NS_PER_HOUR / 2;
    if (fresh)
        return slot;
    busy_replicas(p, &row->digest, gpu, replicas_max, slot);
    slot->wall_ns = now->wall_ns;
    slot->asked = replicas_max;
    slot->target_permille = p->target_utilization_permille;
    return slot;
}

/* What the owner is: rules that no number changes. */
enum core_reason decide_judge_kind(
        const struct core_decider *d, const struct policy *p, const struct core_owner_fact *owner)
{
    enum model_class c = decide_owner_class(d, owner);
    enum model_isolation isolation =
            owner->isolation > p->isolation ? owner->isolation : p->isolation;
    const struct {
        bool refuses;
        enum core_reason guard;
    } rules[] = {
            {!core_owner_pointable(owner), CORE_REASON_GUARD_FOREIGN},
            {owner->kind == MODEL_OWNER_BARE || owner->kind == MODEL_OWNER_DAEMONSET,
                    CORE_REASON_GUARD_BARE_POD},
            {c == MODEL_CLASS_TRAINING || owner->gpus_per_pod != 1, CORE_REASON_GUARD_TRAINING},
            {isolation != MODEL_ISOLATION_NONE, CORE_REASON_GUARD_ISOLATION},
            {c == MODEL_CLASS_LATENCY_SENSITIVE &&
                            p->latency_treatment != MODEL_TECHNIQUE_TIME_SLICING,
                    CORE_REASON_GUARD_LATENCY},
            {owner->preallocates && owner->declared_memory_mib == 0,
                    CORE_REASON_GUARD_PREALLOCATES},
    };
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].refuses && !d->options.plant_bug[rules[i].guard])
            return rules[i].guard;
    }
    return CORE_REASON_NONE;
}

/* Is enough known, and lately? */
enum core_reason decide_judge_history(const struct policy *p, const struct core_now *now,
        const struct decide_owner *row, struct decide_judgement *j)
{
    if (row == NULL || row->digest.last_wall_ns == 0)
        return CORE_REASON_GUARD_HISTORY;
    j->history_ns = row->digest.last_wall_ns - row->digest.first_wall_ns;
    j->error_permille = usage_trust_error(&row->trust, now->wall_ns);
    if (j->history_ns < p->min_history_ns || row->readings < READINGS_MIN)
        return CORE_REASON_GUARD_HISTORY;
    if (!usage_trust_may_tighten(&row->trust, now->wall_ns, ERROR_MAX_PERMILLE, p->stale_after_ns))
        return CORE_REASON_GUARD_STALE;
    return CORE_REASON_NONE;
}

struct decide_judgement decide_judge_shared(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *owner, uint16_t gpu)
{
    struct decide_judgement j = {.limit_mib = decide_memory_limit(p, gpu),
            .conflict_allowed_ppm = decide_conflict_allowed_ppm(p)};
    struct decide_owner *row = decide_owner_find(d, owner->uid);

    j.reason = decide_judge_kind(d, p, owner);
    if (j.reason == CORE_REASON_NONE)
        j.reason = decide_judge_history(p, now, row, &j);
    if (j.reason != CORE_REASON_NONE && (row == NULL || !d->options.plant_bug[j.reason]))
        return j;
    j.reason = CORE_REASON_NONE;
    uint32_t least = num_max_u32(2, p->replicas_min);
    const struct decide_borne *borne = decide_memory_borne(p, row, owner, gpu);
    j.reserve_mib = borne->reserve_mib;
    j.memory_ppm = borne->risk_ppm;
    j.memory_next_ppm = borne->next_ppm;
    j.replicas = borne->replicas;
    uint32_t by_memory = borne->replicas;
    if (d->options.plant_bug[CORE_REASON_GUARD_MEMORY])
        by_memory = p->replicas_max;
    if (by_memory < least) {
        j.reason = CORE_REASON_GUARD_MEMORY;
        return j;
    }
    const struct decide_busy *busy = busy_cached(p, now, row, gpu, by_memory);
    j.replicas_memory = (uint16_t)by_memory;
    j.size_ppm = busy->size_ppm;
    j.replicas = busy->replicas;
    j.conflict_ppm = busy->conflict_ppm;
    j.conflict_next_ppm = busy->next_ppm;
    if (d->options.plant_bug[CORE_REASON_GUARD_BUSY]) {
        j.replicas = (uint16_t)by_memory;
    } else if (busy->replicas < least) {
        j.reason = CORE_REASON_GUARD_BUSY;
    }
    return j;
}
