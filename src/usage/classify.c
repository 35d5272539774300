/* usage/classify.c - points for each class by what an owner is and how its pods use their GPU.
 *
 * Pure.  TUNING: the points are judgement, not fitted: no public trace has usage with declared
 * classes.  They are small so that one rule alone never makes a confident answer except for Jobs,
 * whose kind says that nobody waits on the other end of a socket. */
#include "usage/classify.h"

#include "base/num.h"

enum {
    DAY_FROM_HOUR = 8, /* UTC; a shifted working day still overlaps half of it */
    DAY_TO_HOUR = 20,
    HIGH_PERMILLE = 800,
    IDLE_PERMILLE = 20,
    BURST_PERMILLE = 300,
};

/* What the rules look at. */
struct evidence {
    const struct usage_traits *traits;
    bool read; /* enough readings: the figures below mean something */
    uint32_t mean, p10, p50, p99;
    uint32_t day, night; /* mean of the hours of day and of night; equal when one is not known */
};

static bool is_job(const struct evidence *e)
{
    return e->traits->kind == MODEL_OWNER_JOB;
}

static bool is_multi_gpu(const struct evidence *e)
{
    return e->traits->gpus_per_pod > 1;
}

static bool is_replicated(const struct evidence *e)
{
    return e->traits->kind == MODEL_OWNER_DEPLOYMENT && e->traits->replicas > 1;
}

static bool is_deployment(const struct evidence *e)
{
    return e->traits->kind == MODEL_OWNER_DEPLOYMENT;
}

static bool is_single_stateful(const struct evidence *e)
{
    return e->traits->kind == MODEL_OWNER_STATEFULSET && e->traits->replicas <= 1;
}

static bool is_bare(const struct evidence *e)
{
    return e->traits->kind == MODEL_OWNER_BARE;
}

static bool ends_itself(const struct evidence *e)
{
    return e->traits->pods_ended > 0 && e->traits->pod_life_mean_ns < 24 * NUM_NS_PER_HOUR;
}

static bool never_ends(const struct evidence *e)
{
    return e->traits->pods_ended == 0 && e->traits->pod_age_max_ns >= 72 * NUM_NS_PER_HOUR;
}

static bool is_steady_high(const struct evidence *e)
{
    return e->read && e->p10 >= HIGH_PERMILLE;
}

static bool is_mostly_high(const struct evidence *e)
{
    return e->read && e->p50 >= HIGH_PERMILLE;
}

static bool is_bursty(const struct evidence *e)
{
    return e->read && e->p50 <= IDLE_PERMILLE && e->p99 >= BURST_PERMILLE;
}

static bool is_always_lightly_used(const struct evidence *e)
{
    return e->read && e->p10 > 0 && e->mean < HIGH_PERMILLE / 2;
}

static bool follows_the_day(const struct evidence *e)
{
    return e->read && e->day >= 2 * e->night && e->day > 0;
}

static const struct rule {
    bool (*holds)(const struct evidence *e);
    const char *because;
    uint8_t points[MODEL_CLASS_COUNT];
} rules[] = {
        {is_job, "it is a Job", {[MODEL_CLASS_BATCH] = 6, [MODEL_CLASS_TRAINING] = 3}},
        {is_multi_gpu, "its pods use several GPUs",
                {[MODEL_CLASS_TRAINING] = 5, [MODEL_CLASS_LATENCY_SENSITIVE] = 1}},
        {is_replicated, "it is a Deployment with replicas", {[MODEL_CLASS_LATENCY_SENSITIVE] = 4}},
        {is_deployment, "it is a Deployment",
                {[MODEL_CLASS_LATENCY_SENSITIVE] = 2, [MODEL_CLASS_INTERACTIVE] = 1}},
        {is_single_stateful, "it is a StatefulSet of one",
                {[MODEL_CLASS_INTERACTIVE] = 3, [MODEL_CLASS_LATENCY_SENSITIVE] = 1}},
        {is_bare, "it is a bare pod", {[MODEL_CLASS_INTERACTIVE] = 2, [MODEL_CLASS_BATCH] = 1}},
        {ends_itself, "its pods end by themselves within a day",
                {[MODEL_CLASS_BATCH] = 3, [MODEL_CLASS_TRAINING] = 1}},
        {never_ends, "its pods live for days",
                {[MODEL_CLASS_LATENCY_SENSITIVE] = 2, [MODEL_CLASS_TRAINING] = 1}},
        {is_steady_high, "its GPU is always busy",
                {[MODEL_CLASS_TRAINING] = 3, [MODEL_CLASS_BATCH] = 1}},
        {is_mostly_high, "its GPU is busy most of the time",
                {[MODEL_CLASS_TRAINING] = 2, [MODEL_CLASS_BATCH] = 2}},
        {is_bursty, "it idles between bursts",
                {[MODEL_CLASS_INTERACTIVE] = 3, [MODEL_CLASS_LATENCY_SENSITIVE] = 1}},
        {is_always_lightly_used, "it is never idle and never full",
                {[MODEL_CLASS_LATENCY_SENSITIVE] = 3}},
        {follows_the_day, "it follows the working day",
                {[MODEL_CLASS_INTERACTIVE] = 2, [MODEL_CLASS_LATENCY_SENSITIVE] = 2}},
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

/* Mean of the hours [from, to) of all days. */
static uint32_t hours_mean(const struct usage_digest *d, unsigned from, unsigned to, bool *ret_any)
{
    struct usage_histogram sum = {.total = 0};
    for (unsigned hour = from; hour < to; hour++) {
        struct usage_histogram h;
        usage_digest_hour(d, USAGE_METRIC_BUSY, hour % USAGE_HOURS, &h);
        for (unsigned bin = 0; bin < USAGE_BINS; bin++)
            sum.counts[bin] += h.counts[bin];
        sum.total += h.total;
    }
    *ret_any = sum.total > 0;
    return usage_histogram_mean(&sum);
}

static struct evidence evidence_of(
        const struct usage_digest *d, const struct usage_traits *traits, uint64_t least)
{
    struct evidence e = {.traits = traits};
    struct usage_histogram h;
    bool day = false;
    bool night = false;

    usage_digest_all(d, USAGE_METRIC_BUSY, &h);
    e.read = d->weight[USAGE_METRIC_BUSY] >= least && h.total > 0;
    e.mean = usage_histogram_mean(&h);
    e.p10 = usage_histogram_quantile(&h, 100);
    e.p50 = usage_histogram_quantile(&h, 500);
    e.p99 = usage_histogram_quantile(&h, 990);
    e.day = hours_mean(d, DAY_FROM_HOUR, DAY_TO_HOUR, &day);
    e.night = hours_mean(d, DAY_TO_HOUR, DAY_FROM_HOUR + USAGE_HOURS, &night);
    if (!day || !night)
        e.day = e.night = e.mean;
    return e;
}

/* The class with the most points; of equals the one that is treated with more care. */
static enum model_class winner_of(const uint32_t *points)
{
    static const enum model_class by_care[] = {MODEL_CLASS_LATENCY_SENSITIVE,
            MODEL_CLASS_INTERACTIVE, MODEL_CLASS_TRAINING, MODEL_CLASS_BATCH};
    enum model_class winner = by_care[0];
    for (unsigned i = 1; i < sizeof(by_care) / sizeof(by_care[0]); i++) {
        if (points[by_care[i]] > points[winner])
            winner = by_care[i];
    }
    return winner;
}

struct usage_guess usage_classify(
        const struct usage_digest *d, const struct usage_traits *traits, uint64_t least)
{
    struct evidence e = evidence_of(d, traits, least);
    uint32_t points[MODEL_CLASS_COUNT] = {0};
    bool holds[RULES];

    if (traits->kind == MODEL_OWNER_DAEMONSET)
        return (struct usage_guess){.because = "a DaemonSet is no workload"};
    if (!e.read && !is_job(&e))
        return (struct usage_guess){.because = "too few readings"};
    for (unsigned i = 0; i < RULES; i++) {
        holds[i] = rules[i].holds(&e);
        for (unsigned c = 0; c < MODEL_CLASS_COUNT && holds[i]; c++)
            points[c] += rules[i].points[c];
    }
    struct usage_guess guess = {.workload_class = winner_of(points), .because = "no rule holds"};
    uint32_t second = 0;
    for (unsigned c = 0; c < MODEL_CLASS_COUNT; c++) {
        if (c != (unsigned)guess.workload_class)
            second = num_max_u32(second, points[c]);
    }
    uint32_t best = points[guess.workload_class];
    if (best == 0)
        return (struct usage_guess){.because = guess.because};
    guess.confidence_permille = (best - second) * 1000 / best;

    uint32_t strongest = 0;
    for (unsigned i = 0; i < RULES; i++) {
        if (holds[i] && rules[i].points[guess.workload_class] > strongest) {
            strongest = rules[i].points[guess.workload_class];
            guess.because = rules[i].because;
        }
    }
    return guess;
}
