/* The bound never passes the optimum: against brute force on small instances, against a feasible
 * packing on large ones, L2 against the volume bound and brute force; how far it stays below. */
#include "test.h"

#include "base/arena.h"
#include "base/num.h"
#include "base/prng.h"
#include "mig/place.h"
#include "place/bound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_ITEMS = 6, SMALL_TYPES = 3, LARGE_ITEMS = 60 };

/* ---- brute force: all partitions of the items, all types and uses of each part ---- */

struct brute {
    const struct place_bound_type *types;
    uint32_t type_count;
    const struct place_bound_item *items;
    uint32_t item_count;
    bool feasible[SMALL_TYPES][1 << SMALL_ITEMS]; /* on one GPU of the type, by set of items */
    uint32_t left[SMALL_TYPES];                   /* GPUs of the type not used yet */
    int64_t best_cost;
    uint32_t best_gpus;
};

/* Instances opened so far on one MIG GPU. */
struct mig_try {
    const struct place_bound_type *type;
    const struct place_bound_item *items;
    uint32_t item_count;
    struct mig_counts counts;
    uint32_t instance_count;
    struct {
        unsigned profile;
        uint64_t memory_used;
        bool shared; /* holds items that may share; else one item, and full */
    } instances[MIG_INSTANCES_MAX];
};

static bool mig_try_items(struct mig_try *m, uint32_t set, uint32_t depth_left);

/* Opens an instance of `profile` for item i, if that is legal. */
static bool mig_try_open(
        struct mig_try *m, uint32_t i, unsigned profile, bool shared, uint32_t set, uint32_t depth)
{
    const struct mig_profile *p = &m->type->mig->profiles[profile];
    const struct place_bound_item *item = &m->items[i];
    struct mig_layout empty;
    bool ok = false;

    if (m->instance_count == MIG_INSTANCES_MAX)
        return false;
    if (shared) {
        if (!m->type->mig_shared || !item->may_share || item->memory_mib > p->memory_mib)
            return false;
    } else if (item->mig_compute_slices == 0 || p->compute_slices < item->mig_compute_slices ||
               p->memory_mib < item->mig_memory_mib) {
        return false;
    }
    mig_layout_init(&empty, m->type->mig);
    m->counts.n[profile]++;
    if (mig_place_fits(&empty, &m->counts)) {
        m->instances[m->instance_count].profile = profile;
        m->instances[m->instance_count].memory_used = item->memory_mib;
        m->instances[m->instance_count].shared = shared;
        m->instance_count++;
        ok = mig_try_items(m, set & ~(1u << i), depth - 1);
        m->instance_count--;
    }
    m->counts.n[profile]--;
    return ok;
}

/* True when the items of `set` can be added to what m holds. */
static bool mig_try_items(struct mig_try *m, uint32_t set, uint32_t depth)
{
    uint32_t i;

    if (set == 0)
        return true;
    assert_true(depth > 0);
    i = (uint32_t)__builtin_ctz(set);
    for (uint32_t k = 0; k < m->instance_count && m->items[i].may_share; k++) {
        const struct mig_profile *p = &m->type->mig->profiles[m->instances[k].profile];
        bool ok;

        if (!m->instances[k].shared ||
                m->instances[k].memory_used + m->items[i].memory_mib > p->memory_mib)
            continue;
        m->instances[k].memory_used += m->items[i].memory_mib;
        ok = mig_try_items(m, set & ~(1u << i), depth - 1);
        m->instances[k].memory_used -= m->items[i].memory_mib;
        if (ok)
            return true;
    }
    for (unsigned p = 0; p < m->type->mig->profile_count; p++) {
        if (mig_try_open(m, i, p, false, set, depth) || mig_try_open(m, i, p, true, set, depth))
            return true;
    }
    return false;
}

static bool set_feasible(const struct brute *b, uint32_t t, uint32_t set)
{
    const struct place_bound_type *type = &b->types[t];
    bool share = type->memory_mib > 0, mig = type->mig != NULL;
    uint64_t memory = 0, busy = 0;

    for (uint32_t i = 0; i < b->item_count; i++) {
        const struct place_bound_item *item = &b->items[i];

        if ((set >> i & 1) == 0)
            continue;
        if ((item->types >> t & 1) == 0)
            return false;
        if (set == 1u << i)
            return true; /* alone; several GPUs are counted by the caller */
        if (item->gpus > 1)
            return false;
        share = share && item->may_share;
        mig = mig && (item->may_share || item->mig_compute_slices > 0);
        memory += item->memory_mib;
        busy += item->busy_permille;
    }
    if (share && memory <= type->memory_mib &&
            (type->busy_permille == UINT32_MAX || busy <= type->busy_permille))
        return true;
    if (mig) {
        struct mig_try m = {.type = type, .items = b->items, .item_count = b->item_count};

        return mig_try_items(&m, set, b->item_count);
    }
    return false;
}

/* Puts what is left (`set`) on GPUs in every way. */
static void brute_walk(struct brute *b, uint32_t set, int64_t cost, uint32_t gpus, uint32_t depth)
{
    uint32_t first;

    if (set == 0) {
        b->best_cost = num_min_i64(b->best_cost, cost);
        b->best_gpus = num_min_u32(b->best_gpus, gpus);
        return;
    }
    assert_true(depth > 0);
    first = set & -set;
    for (uint32_t part = set; part != 0; part = (part - 1) & set) {
        uint32_t width = 1;

        if ((part & first) == 0)
            continue;
        if ((part & (part - 1)) == 0)
            width = b->items[__builtin_ctz(part)].gpus;
        for (uint32_t t = 0; t < b->type_count; t++) {
            if (!b->feasible[t][part] || b->left[t] < width)
                continue;
            b->left[t] -= width;
            brute_walk(b, set & ~part, cost + width * b->types[t].microusd_per_gpu_hour,
                    gpus + width, depth - 1);
            b->left[t] += width;
        }
    }
}

static void brute_solve(struct brute *b)
{
    for (uint32_t t = 0; t < b->type_count; t++) {
        b->left[t] = b->types[t].count_max;
        for (uint32_t set = 1; set < 1u << b->item_count; set++)
            b->feasible[t][set] = set_feasible(b, t, set);
    }
    b->best_cost = INT64_MAX;
    b->best_gpus = UINT32_MAX;
    brute_walk(b, (1u << b->item_count) - 1, 0, 0, b->item_count);
}

/* ---- random instances ---- */

static void random_type(struct prng *p, struct place_bound_type *type)
{
    static const char *const migs[] = {NULL, NULL, "A30-24GB", "A100-40GB"};
    const char *mig = migs[prng_below(p, 4)];

    *type = (struct place_bound_type){.microusd_per_gpu_hour = prng_between(p, 1, 30) * 100000,
            .memory_mib = prng_chance_ppm(p, 100000) ? 0 : (uint32_t)prng_between(p, 10, 40) * 1000,
            .busy_permille = prng_chance_ppm(p, 300000) ? UINT32_MAX
                                                        : (uint32_t)prng_between(p, 5, 10) * 100,
            .count_max = prng_chance_ppm(p, 700000) ? PLACE_BOUND_UNLIMITED
                                                    : (uint32_t)prng_between(p, 0, 4),
            .mig = mig != NULL ? mig_model_find(mig) : NULL,
            .mig_shared = prng_chance_ppm(p, 500000)};
}

static void random_item(struct prng *p, uint32_t type_count, struct place_bound_item *item)
{
    *item = (struct place_bound_item){.id = prng_u64(p),
            .memory_mib = (uint32_t)prng_between(p, 0, 25) * 1000,
            .busy_permille = (uint32_t)prng_between(p, 0, 12) * 50,
            .gpus = prng_chance_ppm(p, 100000) ? (uint32_t)prng_between(p, 2, 4) : 1,
            .types = (uint32_t)prng_between(p, 1, (1 << type_count) - 1),
            .may_share = prng_chance_ppm(p, 750000)};
    if (prng_chance_ppm(p, 500000)) {
        item->mig_compute_slices = (uint8_t)prng_between(p, 1, 4);
        item->mig_memory_mib = (uint32_t)prng_between(p, 1, 20) * 1000;
    }
}

static struct {
    uint64_t cases, exact_gpus, exact_cost, gap_gpus, infeasible, infeasible_seen;
    int64_t gap_cost_permille;
} seen;

static void assert_below(const struct brute *b, const struct place_bound_result *r)
{
    if (b->best_gpus == UINT32_MAX) {
        seen.infeasible++;
        seen.infeasible_seen += r->infeasible;
        return; /* no placement at all: any bound holds */
    }
    assert_false(r->infeasible);
    assert_true(r->cost_microusd_per_hour <= b->best_cost);
    assert_true(r->gpus <= b->best_gpus);
    assert_true(r->gpus_micro <= (int64_t)b->best_gpus * 1000000);
    seen.cases++;
    seen.exact_gpus += r->gpus == b->best_gpus;
    seen.exact_cost += r->cost_microusd_per_hour == b->best_cost;
    seen.gap_gpus += b->best_gpus - r->gpus;
    seen.gap_cost_permille +=
            1000 - 1000 * r->cost_microusd_per_hour / num_max_i64(b->best_cost, 1);
}

static void never_above_brute_force(uint64_t seed)
{
    struct place_bound_type types[SMALL_TYPES];
    struct place_bound_item items[SMALL_ITEMS];
    struct brute b = {.types = types, .items = items};
    struct place_bound_result result;
    struct place_bound *bound;
    struct prng p;

    prng_init(&p, seed);
    b.type_count = (uint32_t)prng_between(&p, 1, SMALL_TYPES);
    for (uint32_t t = 0; t < b.type_count; t++)
        random_type(&p, &types[t]);
    bound = place_bound_new(types, b.type_count);
    b.item_count = (uint32_t)prng_between(&p, 1, SMALL_ITEMS);
    for (uint32_t i = 0; i < b.item_count; i++)
        random_item(&p, b.type_count, &items[i]);
    /* The second call starts from what the first one kept, with one item changed. */
    for (unsigned call = 0; call < 2; call++) {
        brute_solve(&b);
        place_bound_solve(bound, items, b.item_count, &result);
        assert_below(&b, &result);
        random_item(&p, b.type_count, &items[prng_below(&p, b.item_count)]);
    }
    place_bound_free(bound);
}

static void say_gaps(void **state)
{
    (void)state;
    if (seen.cases == 0)
        return;
    printf("# bound: %llu small instances; GPUs exact in %llu, gap %llu GPUs in all; cost exact in "
           "%llu, mean gap %lld permille; %llu of %llu infeasible ones seen\n",
            (unsigned long long)seen.cases, (unsigned long long)seen.exact_gpus,
            (unsigned long long)seen.gap_gpus, (unsigned long long)seen.exact_cost,
            (long long)(seen.gap_cost_permille / (int64_t)seen.cases),
            (unsigned long long)seen.infeasible_seen, (unsigned long long)seen.infeasible);
}

/* ---- large instances against first fit decreasing ---- */

static int compare_memory(const void *a, const void *b)
{
    const struct place_bound_item *x = a, *y = b;

    return x->memory_mib < y->memory_mib ? 1 : x->memory_mib > y->memory_mib ? -1 : 0;
}

static uint32_t first_fit(
        const struct place_bound_type *type, const struct place_bound_item *items, uint32_t count)
{
    uint64_t memory[LARGE_ITEMS], busy[LARGE_ITEMS];
    uint32_t gpus = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t g = 0;

        while (g < gpus && (memory[g] + items[i].memory_mib > type->memory_mib ||
                                   busy[g] + items[i].busy_permille > type->busy_permille))
            g++;
        if (g == gpus) {
            memory[g] = busy[g] = 0;
            gpus++;
        }
        memory[g] += items[i].memory_mib;
        busy[g] += items[i].busy_permille;
    }
    return gpus;
}

static void never_above_a_packing(uint64_t seed)
{
    struct place_bound_type type = {.microusd_per_gpu_hour = 2500000,
            .memory_mib = 80640,
            .busy_permille = 1000,
            .count_max = PLACE_BOUND_UNLIMITED};
    struct place_bound_item items[LARGE_ITEMS];
    struct place_bound_result result;
    struct place_bound *bound = place_bound_new(&type, 1);
    struct prng p;

    prng_init(&p, seed);
    for (unsigned tick = 0; tick < 3; tick++) {
        uint32_t count = (uint32_t)prng_between(&p, LARGE_ITEMS / 2, LARGE_ITEMS), packed;
        uint64_t memory = 0;

        for (uint32_t i = 0; i < count; i++) {
            items[i] =
                    (struct place_bound_item){.memory_mib = (uint32_t)prng_between(&p, 7600, 47300),
                            .busy_permille = (uint32_t)prng_between(&p, 0, 400),
                            .gpus = 1,
                            .types = 1,
                            .may_share = true};
            memory += items[i].memory_mib;
        }
        qsort(items, count, sizeof(*items), compare_memory);
        packed = first_fit(&type, items, count);
        place_bound_solve(bound, items, count, &result);
        assert_true(result.gpus <= packed);
        assert_true(result.gpus >= num_ceildiv_u64(memory, type.memory_mib));
        assert_true(result.gpus * 10 >= packed * 8); /* and is no trivial bound */
        assert_int_equal(result.cost_microusd_per_hour, result.gpus * INT64_C(2500000));
    }
    place_bound_free(bound);
}

/* ---- L2 ---- */

static uint32_t bins_by_force(
        const uint32_t *sizes, uint32_t count, uint32_t *room, uint32_t bins, uint32_t best)
{
    if (count == 0)
        return bins;
    if (bins >= best)
        return best;
    for (uint32_t b = 0; b <= bins; b++) {
        uint32_t now = b == bins ? bins + 1 : bins;

        if (now >= best || (b < bins && room[b] < sizes[0]))
            continue;
        if (b == bins)
            room[b] = 100;
        room[b] -= sizes[0];
        best = num_min_u32(best, bins_by_force(sizes + 1, count - 1, room, now, best));
        room[b] += sizes[0];
    }
    return best;
}

static void l2_below_optimum(uint64_t seed)
{
    uint32_t sizes[9], room[9], count, bound, optimum;
    uint64_t sum = 0, large = 0;
    struct prng p;

    prng_init(&p, seed);
    count = (uint32_t)prng_between(&p, 0, 9);
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = (uint32_t)prng_between(&p, 1, 100);
        sum += sizes[i];
        large += sizes[i] > 50;
    }
    bound = place_bound_l2(sizes, count, 100);
    optimum = bins_by_force(sizes, count, room, 0, count);
    assert_true(bound <= optimum);
    assert_true(bound >= num_ceildiv_u64(sum, 100));
    assert_true(bound >= large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(never_above_brute_force, 3000),
            cmocka_unit_test(say_gaps),
            TEST_PROP(never_above_a_packing, 60),
            TEST_PROP(l2_below_optimum, 3000),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
