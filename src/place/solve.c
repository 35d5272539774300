/* place/solve.c - chooses a pool for every owner: local search with restarts, from today's choice.
 *
 * Pure.  Integers only; the order of moves comes from the seed, so equal problems give equal
 * solutions.  The search and what does not hold: place/README.md, "The regular solve". */
#include "base/num.h"
#include "base/prng.h"
#include "place/pools-priv.h"

#include <assert.h>
#include <errno.h>

/* TUNING: enough that 60 owners with 8 options settle from three starts; more did not find a
 * cheaper assignment on 200 random problems of that size. */
enum { ITERATIONS_DEFAULT = 4000, RESTARTS = 4 };

struct search {
    const struct place_problem *p;
    struct pool_kind *load; /* per kind */
    int64_t *cost, *smooth; /* per kind, of load */
    uint32_t *choice;       /* per owner */
    uint32_t *order;
    int64_t extra; /* sum over the chosen options */
    struct prng prng;
    uint32_t left, used;
};

static const struct place_option *option_of(
        const struct place_problem *p, uint32_t owner, uint32_t choice)
{
    assert(choice < p->owners[owner].option_count);
    return &p->options[p->owners[owner].option_first + choice];
}

static void kind_refresh(struct search *s, uint32_t kind)
{
    struct place_pools pools;
    place_pools_need(
            s->p, &s->p->kinds[kind], &s->load[kind], &pools, &s->cost[kind], &s->smooth[kind]);
}

/* The search follows three parts of whole nodes and one part of the sum without rounding, so that
 * it can cross a plateau on which no node becomes free yet. */
static int64_t kind_goal(const struct search *s, uint32_t kind)
{
    return 3 * s->cost[kind] + s->smooth[kind];
}

static int64_t total_cost(const struct search *s)
{
    int64_t sum = s->extra;
    for (uint32_t k = 0; k < s->p->kind_count; k++)
        sum += s->cost[k];
    return sum;
}

static void move(struct search *s, uint32_t owner, uint32_t to)
{
    const struct place_option *old = option_of(s->p, owner, s->choice[owner]);
    const struct place_option *new = option_of(s->p, owner, to);
    place_pools_apply(&s->load[old->kind], &s->p->owners[owner], old, -1);
    place_pools_apply(&s->load[new->kind], &s->p->owners[owner], new, 1);
    s->extra += new->extra_microusd_per_hour - old->extra_microusd_per_hour;
    s->choice[owner] = to;
    kind_refresh(s, old->kind);
    if (new->kind != old->kind)
        kind_refresh(s, new->kind);
}

/* The goal over the two kinds that a move between `old` and `to` touches. */
static int64_t goal_touched(const struct search *s, uint16_t old, uint16_t to)
{
    int64_t goal = kind_goal(s, old) + 4 * s->extra;
    return to == old ? goal : goal + kind_goal(s, to);
}

/* Tries the options of one owner, keeps the best; true when it changed. */
static bool improve_owner(struct search *s, uint32_t owner)
{
    uint32_t count = s->p->owners[owner].option_count;
    bool changed = false;
    for (uint32_t k = 0; k < count && s->left > 0; k++) {
        uint32_t was = s->choice[owner];
        if (k == was)
            continue;
        uint16_t from = option_of(s->p, owner, was)->kind;
        uint16_t to = option_of(s->p, owner, k)->kind;
        int64_t before = goal_touched(s, from, to);
        move(s, owner, k);
        s->left--;
        s->used++;
        if (goal_touched(s, from, to) < before) {
            changed = true;
        } else {
            move(s, owner, was);
        }
    }
    return changed;
}

static bool same_way(const struct place_option *a, const struct place_option *b)
{
    return a->kind == b->kind && a->technique == b->technique && a->tier == b->tier;
}

/* Sends every owner that can follow into the pool of `lead`'s option `k`: opening a pool pays only
 * for several at once. */
static void gather(struct search *s, uint32_t lead, uint32_t k)
{
    const struct place_option *way = option_of(s->p, lead, k);
    for (uint32_t i = 0; i < s->p->owner_count; i++) {
        for (uint32_t j = 0; j < s->p->owners[i].option_count; j++) {
            const struct place_option *o = option_of(s->p, i, j);
            if (same_way(o, way) && o->replicas_max >= way->replicas_max && s->choice[i] != j) {
                move(s, i, j);
                break;
            }
        }
    }
}

static void shuffle(struct search *s)
{
    for (uint32_t i = s->p->owner_count; i > 1; i--) {
        uint32_t j = (uint32_t)prng_below(&s->prng, i);
        uint32_t t = s->order[i - 1];
        s->order[i - 1] = s->order[j];
        s->order[j] = t;
    }
}

static void descend(struct search *s)
{
    bool changed = true;
    while (changed && s->left > 0) {
        changed = false;
        shuffle(s);
        for (uint32_t i = 0; i < s->p->owner_count && s->left > 0; i++)
            changed |= improve_owner(s, s->order[i]);
    }
}

static void keep_best(struct search *s, uint32_t *best, int64_t *best_cost)
{
    int64_t cost = total_cost(s);
    if (cost >= *best_cost)
        return;
    *best_cost = cost;
    for (uint32_t i = 0; i < s->p->owner_count; i++)
        best[i] = s->choice[i];
}

static void go_to(struct search *s, const uint32_t *choice)
{
    for (uint32_t i = 0; i < s->p->owner_count; i++) {
        if (s->choice[i] != choice[i])
            move(s, i, choice[i]);
    }
}

static void search_run(struct search *s, uint32_t *best)
{
    int64_t best_cost = total_cost(s);
    descend(s);
    keep_best(s, best, &best_cost);
    for (unsigned restart = 0; restart < RESTARTS && s->left > 0; restart++) {
        uint32_t lead = (uint32_t)prng_below(&s->prng, s->p->owner_count);
        uint32_t k = (uint32_t)prng_below(&s->prng, s->p->owners[lead].option_count);
        go_to(s, best);
        gather(s, lead, k);
        descend(s);
        keep_best(s, best, &best_cost);
    }
    go_to(s, best);
}

static bool option_valid(const struct place_problem *p, const struct place_owner *owner,
        const struct place_option *o)
{
    if (o->kind >= p->kind_count || o->technique >= MODEL_TECHNIQUE_COUNT)
        return false;
    const struct place_kind *kind = &p->kinds[o->kind];
    if (o->tier >= PLACE_TIERS || o->replicas_max < 1 || o->replicas_max > PLACE_REPLICAS_MAX)
        return false;
    if (owner->gpus_per_pod < 1 || owner->gpus_per_pod > kind->gpus_per_node)
        return false;
    if (o->technique != MODEL_TECHNIQUE_EXCLUSIVE && owner->gpus_per_pod != 1)
        return false;
    if (o->size_ppm > 1000000)
        return false;
    if (o->technique != MODEL_TECHNIQUE_MIG)
        return true;
    return kind->mig < mig_model_count() && o->profile < mig_model_get(kind->mig)->profile_count;
}

static bool problem_valid(const struct place_problem *p)
{
    if (p->kind_count > PLACE_KINDS_MAX || p->owner_count > PLACE_OWNERS_MAX)
        return false;
    for (uint32_t k = 0; k < p->kind_count; k++) {
        uint16_t gpus = p->kinds[k].gpus_per_node;
        if (gpus < 1 || gpus > PLACE_NODE_GPUS_MAX || p->kinds[k].microusd_per_hour < 0)
            return false;
    }
    for (uint32_t i = 0; i < p->owner_count; i++) {
        const struct place_owner *o = &p->owners[i];
        if (o->option_count < 1 || o->option_count > PLACE_OPTIONS_MAX || o->pods == 0)
            return false;
        if (o->option_first > p->option_count ||
                o->option_count > p->option_count - o->option_first)
            return false;
        for (uint32_t k = 0; k < o->option_count; k++) {
            if (!option_valid(p, o, &p->options[o->option_first + k]))
                return false;
        }
    }
    return true;
}

static void search_init(struct search *s, struct arena *a, const struct place_problem *p)
{
    s->p = p;
    s->load = ARENA_ARRAY(a, struct pool_kind, p->kind_count + 1);
    s->cost = ARENA_ARRAY(a, int64_t, p->kind_count + 1);
    s->smooth = ARENA_ARRAY(a, int64_t, p->kind_count + 1);
    s->choice = ARENA_ARRAY(a, uint32_t, p->owner_count + 1);
    s->order = ARENA_ARRAY(a, uint32_t, p->owner_count + 1);
    for (uint32_t i = 0; i < p->owner_count; i++) {
        const struct place_option *o = option_of(p, i, 0);
        s->order[i] = i;
        s->extra += o->extra_microusd_per_hour;
        place_pools_apply(&s->load[o->kind], &p->owners[i], o, 1);
    }
    for (uint32_t k = 0; k < p->kind_count; k++) {
        if (p->kinds[k].mig != PLACE_NO_MIG)
            s->load[k].cuts = ARENA_NEW(a, struct pool_cuts);
        kind_refresh(s, k);
    }
}

int place_solve(struct arena *a, const struct place_problem *p, uint64_t seed, uint32_t iterations,
        const struct place_solution **ret_solution)
{
    if (!problem_valid(p))
        return -EINVAL;

    struct search s = {.left = iterations > 0 ? iterations : ITERATIONS_DEFAULT};
    struct place_solution *solution = ARENA_NEW(a, struct place_solution);
    struct place_pools *pools = ARENA_ARRAY(a, struct place_pools, p->kind_count + 1);
    uint32_t *best = ARENA_ARRAY(a, uint32_t, p->owner_count + 1);

    prng_init(&s.prng, seed);
    search_init(&s, a, p);
    solution->microusd_per_hour_now = total_cost(&s);
    if (p->owner_count > 0)
        search_run(&s, best);
    for (uint32_t k = 0; k < p->kind_count; k++)
        place_pools_need(p, &p->kinds[k], &s.load[k], &pools[k], &s.cost[k], &s.smooth[k]);
    solution->problem_digest = place_problem_digest(p);
    solution->owner_count = p->owner_count;
    solution->kind_count = p->kind_count;
    solution->choice = s.choice;
    solution->pools = pools;
    solution->microusd_per_hour = total_cost(&s);
    solution->evaluated = s.used;
    *ret_solution = solution;
    return 0;
}

static uint64_t hash_word(uint64_t h, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++) {
        h ^= word & 0xff;
        h *= UINT64_C(0x100000001b3);
        word >>= 8;
    }
    return h;
}

static uint64_t hash_kind(uint64_t h, const struct place_kind *k)
{
    h = hash_word(h, (uint64_t)k->cluster << 48 | (uint64_t)k->gpu << 32 | (uint64_t)k->mig << 16 |
                             k->gpus_per_node);
    h = hash_word(h, (uint64_t)k->microusd_per_hour);
    h = hash_word(h, (uint64_t)k->cpu_milli << 32 | k->ram_mib);
    return hash_word(h, (uint64_t)k->nodes_now << 32 | k->nodes_max);
}

static uint64_t hash_owner(uint64_t h, const struct place_owner *o)
{
    h = hash_word(h, o->uid);
    h = hash_word(h, (uint64_t)o->pods << 32 | o->gpus_per_pod);
    h = hash_word(h, (uint64_t)o->cpu_milli << 32 | o->ram_mib);
    return hash_word(h, (uint64_t)o->option_first << 32 | o->option_count);
}

static uint64_t hash_option(uint64_t h, const struct place_option *o)
{
    h = hash_word(h, (uint64_t)o->kind << 48 | (uint64_t)o->technique << 40 |
                             (uint64_t)o->tier << 32 | (uint64_t)o->profile << 16 |
                             o->replicas_max);
    h = hash_word(h, o->size_ppm);
    return hash_word(h, (uint64_t)o->extra_microusd_per_hour);
}

uint64_t place_problem_digest(const struct place_problem *p)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    h = hash_word(h, (uint64_t)p->kind_count << 32 | p->owner_count);
    h = hash_word(h, (uint64_t)p->option_count << 32 | p->spare_slots_permille);
    for (uint32_t i = 0; i < p->kind_count; i++)
        h = hash_kind(h, &p->kinds[i]);
    for (uint32_t i = 0; i < p->owner_count; i++)
        h = hash_owner(h, &p->owners[i]);
    for (uint32_t i = 0; i < p->option_count; i++)
        h = hash_option(h, &p->options[i]);
    return h;
}

static bool pools_eq(const struct place_pools *a, const struct place_pools *b)
{
    bool eq = a->nodes_exclusive == b->nodes_exclusive && a->nodes_mig == b->nodes_mig;
    for (unsigned t = 0; t < PLACE_TIERS; t++)
        eq = eq && a->nodes_shared[t] == b->nodes_shared[t] && a->replicas[t] == b->replicas[t];
    for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
        eq = eq && a->mig_count[i] == b->mig_count[i];
    return eq;
}

bool place_solution_eq(const struct place_solution *a, const struct place_solution *b)
{
    if (a->problem_digest != b->problem_digest || a->owner_count != b->owner_count)
        return false;
    if (a->kind_count != b->kind_count || a->microusd_per_hour != b->microusd_per_hour)
        return false;
    if (a->microusd_per_hour_now != b->microusd_per_hour_now)
        return false;
    for (uint32_t i = 0; i < a->owner_count; i++) {
        if (a->choice[i] != b->choice[i])
            return false;
    }
    for (uint32_t k = 0; k < a->kind_count; k++) {
        if (!pools_eq(&a->pools[k], &b->pools[k]))
            return false;
    }
    return true;
}
