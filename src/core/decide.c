/* core/decide.c - the deciding half: its life, one run, and the regular solve's coming and going.
 *
 * Pure.  A run does three things: watch memory (always), keep pools at their size (when something
 * but a sample changed, and every half minute), and every few minutes ask for a solve over all
 * owners.  Contract: core/intent.h. */
#include "core/decide-priv.h"

#include "base/prng.h"

#include <assert.h>

static const int64_t control_every_ns = 30 * NUM_NS_PER_SECOND;
static const int64_t solve_every_default_ns = 5 * 60 * NUM_NS_PER_SECOND;

struct core_decider *core_decider_new(const struct core_options *options)
{
    struct core_decider *d = mem_alloc(1, sizeof(*d));
    d->options = *options;
    for (unsigned i = 0; i < CORE_REASON_COUNT; i++)
        d->planted |= options->plant_bug[i];
    if (d->options.decide_every_ns <= 0)
        d->options.decide_every_ns = solve_every_default_ns;
    d->risks = mem_alloc(DECIDE_RISKS, sizeof(*d->risks));
    d->pools = mem_alloc(DECIDE_POOLS_MAX, sizeof(*d->pools));
    d->scratch = arena_new(0);
    d->problem_arena = arena_new(0);
    d->control_mono_ns = INT64_MIN;
    d->solve_mono_ns = INT64_MIN;
    d->class_mono_ns = INT64_MIN;
    d->pack_mono_ns = INT64_MIN;
    return d;
}

struct core_decider *core_decider_free(struct core_decider *d)
{
    if (d == NULL)
        return NULL;
    map_u64_clear(&d->owner_rows);
    map_u64_clear(&d->pod_rows);
    map_u64_clear(&d->pod_names);
    map_u64_clear(&d->entering);
    map_u64_clear(&d->raising);
    map_u64_clear(&d->heat_rows);
    map_u64_clear(&d->pressed);
    map_u64_clear(&d->left);
    map_u64_clear(&d->told);
    mem_free(d->owners);
    mem_free(d->pods);
    mem_free(d->pod_free);
    mem_free(d->intents);
    mem_free(d->heats);
    mem_free(d->risks);
    mem_free(d->pools);
    arena_free(d->scratch);
    arena_free(d->problem_arena);
    mem_free(d);
    return NULL;
}

void core_decider_learn(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_fact *fact)
{
    if (fact->kind == CORE_FACT_SAMPLE) {
        decide_learn_sample(d, pic, fact);
        return;
    }
    d->dirty = true;
    if (fact->kind == CORE_FACT_POD) {
        decide_learn_pod(d, pic, now, fact);
    } else if (fact->kind == CORE_FACT_INCIDENT) {
        decide_learn_incident(d, pic, fact);
    } else if (fact->kind == CORE_FACT_HISTORY) {
        decide_learn_history(d, pic, &fact->history);
    } else if (fact->kind == CORE_FACT_GONE) {
        decide_forget(d, now, fact);
    }
}

const struct decide_promise *decide_promise_find(const struct core_decider *d, uint64_t node)
{
    for (uint32_t i = 0; i < DECIDE_PROMISES_MAX; i++) {
        if (d->promises[i].node == node)
            return &d->promises[i];
    }
    return NULL;
}

void decide_promise_set(struct core_decider *d, uint64_t node, const uint32_t *counts)
{
    struct decide_promise *p = NULL;
    for (uint32_t i = 0; i < DECIDE_PROMISES_MAX && p == NULL; i++) {
        if (d->promises[i].node == node)
            p = &d->promises[i];
    }
    if (p == NULL)
        p = &d->promises[d->promise_next++ % DECIDE_PROMISES_MAX];
    p->node = node;
    for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
        p->counts[i] = counts[i];
}

/* Every known cluster's objects are complete: an empty cache must not read as an empty cluster. */
static bool in_sync(const struct core_picture *pic)
{
    static const enum core_source needed[] = {
            CORE_SOURCE_NODES, CORE_SOURCE_PODS, CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG};
    bool any = false;
    for (unsigned c = 0; c < CORE_CLUSTERS_MAX; c++) {
        if (!pic->cluster_known[c])
            continue;
        any = true;
        for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
            if (!pic->sync[c][needed[i]])
                return false;
        }
    }
    return any;
}

/* How long ended pods lived, and who they belong to: what the class is guessed from. */
static void guess_classes(struct decide_run *run)
{
    for (uint32_t i = 0; i < run->pic->owner_count; i++) {
        const struct core_owner_view *view = &run->pic->owners[i];
        struct decide_owner *row = view->live ? decide_owner_find(run->d, view->fact.uid) : NULL;
        if (row == NULL || view->fact.class_declared != MODEL_CLASS_UNKNOWN)
            continue;
        struct usage_traits traits = {.kind = view->fact.kind,
                .gpus_per_pod = view->fact.gpus_per_pod,
                .replicas = view->fact.replicas,
                .pods_ended = row->pods_ended,
                .pod_life_mean_ns = row->pods_ended > 0 ? row->life_sum_ns / row->pods_ended : 0};
        row->guess = usage_classify(&row->digest, &traits, 60);
    }
}

static void ask_solve(struct decide_run *run, struct core_decider_output *out)
{
    struct core_decider *d = run->d;
    bool due = d->solve_mono_ns == INT64_MIN ||
               run->now->mono_ns - d->solve_mono_ns >= d->options.decide_every_ns;
    if (!due || d->solving)
        return;
    d->solve_mono_ns = run->now->mono_ns;
    guess_classes(run);
    d->problem = decide_problem_build(run);
    if (d->problem == NULL)
        return;
    d->solving = true;
    d->solve_count++;
    out->problem = d->problem;
    out->solve_seed = prng_mix(d->options.seed, d->solve_count);
    out->solve_iterations = d->options.solve_iterations;
}

void core_decider_run(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, struct core_decider_output *ret_output)
{
    struct decide_run run = {.d = d, .pic = pic, .now = now, .policy = pic->policy};
    struct core_decider_output out = {.next_wake_mono_ns = now->mono_ns + control_every_ns};

    d->intent_count = 0;
    d->refusal_count = 0;
    if (pic->policy != NULL && in_sync(pic)) {
        arena_reset(d->scratch);
        decide_pools_count(&run);
        decide_learn_counts(&run);
        decide_owners_point(&run);
        decide_lower(&run);
        decide_holds(&run);
        decide_mig_pools(&run);
        decide_capacity(&run);
        decide_devices(&run);
        decide_classes(&run);
        decide_class_nodes(&run);
        ask_solve(&run, &out);
        d->dirty = false;
    }
    out.intents = d->intents;
    out.intent_count = d->intent_count;
    out.refusals = d->refusals;
    out.refusal_count = d->refusal_count;
    *ret_output = out;
}

/* The owners and kinds of the problem must still be those of the picture. */
static bool solution_valid(const struct core_decider *d, const struct place_solution *s)
{
    if (d->problem == NULL || s->problem_digest != place_problem_digest(d->problem))
        return false;
    if (s->owner_count != d->problem->owner_count || s->kind_count != d->problem->kind_count)
        return false;
    for (uint32_t i = 0; i < s->owner_count; i++) {
        if (s->choice[i] >= d->problem->owners[i].option_count)
            return false;
    }
    return s->microusd_per_hour <= s->microusd_per_hour_now;
}

void core_decider_solved(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct place_solution *solution)
{
    if (!d->solving)
        return;
    d->solving = false;
    if (solution != NULL && pic->policy != NULL && solution_valid(d, solution))
        decide_ways_take(d, pic, now, solution);
    d->problem = NULL;
}
