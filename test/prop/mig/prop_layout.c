/* test/prop/mig/prop_layout.c - every model, exhaustively, against the naive rules. */
#include "test.h"

#include "mig/place.h"

#include "naive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct naive_layouts *new_naive(const struct mig_model *m, uint16_t profiles)
{
    struct naive_layouts *all = malloc(sizeof *all);
    assert_non_null(all);
    naive_enumerate(m, profiles, all);
    return all;
}

static uint64_t bits_of(const struct mig_layout *layout, const struct naive_pairs *pairs)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < layout->count; i++) {
        for (unsigned k = 0; k < pairs->count; k++) {
            if (pairs->at[k].profile == layout->instances[i].profile &&
                    pairs->at[k].start == layout->instances[i].start)
                bits |= UINT64_C(1) << k;
        }
    }
    assert_int_equal(__builtin_popcountll(bits), layout->count);
    return bits;
}

static struct mig_layout layout_of(
        const struct mig_model *m, const struct naive_pairs *pairs, uint64_t bits)
{
    struct mig_layout layout;
    mig_layout_init(&layout, m);
    for (unsigned i = 0; i < pairs->count; i++) {
        struct mig_instance inst = {pairs->at[i].profile, pairs->at[i].start, false};
        if (bits >> i & 1)
            assert_int_equal(mig_layout_add(&layout, inst, NULL, NULL), 0);
    }
    return layout;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The walk gives the same layouts as the naive search, each once, all legal and sorted. */
static void check_walk(const struct mig_model *m, uint16_t profiles)
{
    struct naive_layouts *all = new_naive(m, profiles);
    uint64_t *seen = calloc(all->count + 1, sizeof *seen);
    assert_non_null(seen);
    unsigned count = 0;
    struct mig_layout_iter it;
    mig_layout_iter_init(&it, m, profiles);
    while (mig_layout_iter_next(&it)) {
        assert_true(count < all->count);
        assert_true(mig_layout_is_legal(&it.layout));
        seen[count++] = bits_of(&it.layout, &all->pairs);
    }
    assert_false(mig_layout_iter_next(&it)); /* the end stays the end */
    assert_int_equal(count, all->count - 1); /* naive has the empty one */
    qsort(seen, count, sizeof *seen, compare_u64);
    qsort(all->bits, all->count, sizeof *all->bits, compare_u64);
    assert_memory_equal(seen, all->bits + 1, count * sizeof *seen);
    free(seen);
    free(all);
}

static void test_walk_equals_naive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        if (m->profile_count == 0)
            continue;
        check_walk(m, m->profiles_all);
        check_walk(m, m->profiles_base);
    }
}

/* From each legal layout, adding any (profile, start) whatever agrees with the naive rules, and so
 * do mig_layout_fits and mig_layout_is_maximal. */
static void check_adds(const struct mig_model *m, const struct naive_layouts *all, uint64_t bits)
{
    const struct naive_pairs *pairs = &all->pairs;
    struct mig_layout layout = layout_of(m, pairs, bits);
    bool maximal = true;
    uint16_t fits[MIG_PROFILES_MAX] = {0};
    for (unsigned k = 0; k < pairs->count; k++) {
        bool legal = !(bits >> k & 1) && naive_is_legal(m, pairs, bits | UINT64_C(1) << k);
        struct mig_layout more = layout;
        struct mig_instance inst = {pairs->at[k].profile, pairs->at[k].start, false};
        enum mig_rule rule;
        int r = mig_layout_add(&more, inst, &rule, NULL);
        assert_int_equal(r == 0, legal);
        assert_int_equal(rule == MIG_RULE_OK, legal);
        if (legal) {
            maximal = false;
            fits[inst.profile] |= (uint16_t)(1u << inst.start);
            int at = mig_layout_find(&more, inst.profile, inst.start);
            assert_true(at >= 0);
            mig_layout_remove(&more, (unsigned)at);
        }
        assert_memory_equal(&more, &layout, sizeof layout);
    }
    for (unsigned p = 0; p < m->profile_count; p++)
        assert_int_equal(mig_layout_fits(m, layout.used, &layout.counts, p), fits[p]);
    assert_int_equal(mig_layout_is_maximal(&layout, m->profiles_all), maximal);
    /* Compute slices need no rule of their own. */
    assert_int_equal(mig_layout_compute(&layout), naive_compute_of(m, pairs, bits));
    assert_true(mig_layout_compute(&layout) <= m->compute_slices);
}

static void test_add_equals_naive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        if (m->profile_count == 0)
            continue;
        struct naive_layouts *all = new_naive(m, m->profiles_all);
        for (unsigned k = 0; k < all->count; k++)
            check_adds(m, all, all->bits[k]);
        free(all);
    }
}

/* Starts that the catalog does not have are refused, from any layout. */
static void test_foreign_starts_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        if (m->profile_count == 0)
            continue;
        struct mig_layout layout;
        mig_layout_init(&layout, m);
        for (unsigned p = 0; p <= UINT8_MAX; p++) {
            for (unsigned s = 0; s <= UINT8_MAX; s++) {
                bool known =
                        p < m->profile_count && s < m->units && (m->profiles[p].starts >> s & 1);
                struct mig_layout more = layout;
                struct mig_instance inst = {(uint8_t)p, (uint8_t)s, false};
                int r = mig_layout_add(&more, inst, NULL, NULL);
                assert_int_equal(r, known ? 0 : -EINVAL);
            }
        }
    }
}

/* Feasibility of every multiset up to the caps, and the best placement of each feasible one. */
static void check_multisets(const struct mig_model *m)
{
    struct naive_layouts *all = new_naive(m, m->profiles_all);
    struct mig_layout empty;
    mig_layout_init(&empty, m);
    struct mig_counts counts = {{0}};
    unsigned feasible = 0, p;
    do {
        uint32_t best = 0;
        bool naive_fits = false;
        unsigned units = 0;
        for (p = 0; p < m->profile_count; p++)
            units += (unsigned)counts.n[p] * m->profiles[p].units;
        for (unsigned k = 0; k < all->count && units <= m->units; k++) {
            bool same = true;
            for (p = 0; p < m->profile_count && same; p++)
                same = naive_count_of(&all->pairs, all->bits[k], p) == counts.n[p];
            if (!same)
                continue;
            struct mig_layout l = layout_of(m, &all->pairs, all->bits[k]);
            uint32_t score = mig_layout_score(m, l.used, &l.counts);
            best = score > best ? score : best;
            naive_fits = true;
        }
        assert_int_equal(mig_place_fits(&empty, &counts), naive_fits);
        feasible += naive_fits;
        struct mig_layout placed;
        enum mig_rule rule;
        int r = mig_place(&empty, &counts, &placed, &rule, NULL);
        assert_int_equal(r, naive_fits ? 0 : -ENOSPC);
        assert_int_equal(rule == MIG_RULE_OK, naive_fits);
        if (naive_fits) {
            assert_true(mig_layout_is_legal(&placed));
            assert_memory_equal(&placed.counts, &counts, sizeof counts);
            assert_int_equal(mig_layout_score(m, placed.used, &placed.counts), best);
        }
        /* On to the next counts up to cap + 1, an odometer. */
        for (p = 0; p < m->profile_count; p++) {
            unsigned cap = m->profiles[p].max_instances + (m->profile_count > 8 ? 0u : 1u);
            if (counts.n[p] < cap) {
                counts.n[p]++;
                break;
            }
            counts.n[p] = 0;
        }
    } while (p < m->profile_count);

    unsigned walked = 0;
    struct mig_multiset_iter it;
    mig_multiset_iter_init(&it, m, m->profiles_all);
    while (mig_multiset_iter_next(&it))
        walked++;
    assert_int_equal(walked, feasible - 1); /* the walk leaves the empty one out */
    free(all);
}

static void test_multisets_a100(void **state)
{
    (void)state;
    check_multisets(mig_model_find("A100-40GB"));
}

static void test_multisets_a30(void **state)
{
    (void)state;
    check_multisets(mig_model_find("A30-24GB"));
}

static void test_multisets_rtx_pro(void **state)
{
    (void)state;
    check_multisets(mig_model_find("RTX-PRO-6000-Blackwell-96GB"));
}

/* compute_left[used] is what the naive search finds among plain profiles on the free units. */
static void test_compute_left_equals_naive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        if (m->profile_count == 0)
            continue;
        struct naive_layouts *all = new_naive(m, m->profiles_base);
        for (unsigned used = 0; used < 1u << m->units; used++) {
            unsigned best = 0;
            for (unsigned k = 0; k < all->count; k++) {
                uint16_t taken = layout_of(m, &all->pairs, all->bits[k]).used;
                unsigned compute = naive_compute_of(m, &all->pairs, all->bits[k]);
                if ((taken & used) == 0 && compute > best)
                    best = compute;
            }
            assert_int_equal(m->compute_left[used], best);
        }
        free(all);
    }
}

/* mig_place_fill serves the greatest value that any layout within the demand reaches, beside what
 * must stay, and leaves nothing that a spare profile could still take. */
static void prop_fill_is_best(uint64_t seed)
{
    static const char *const keys[] = {"A100-40GB", "H100-80GB-SXM5", "A30-24GB"};
    uint64_t r = seed * UINT64_C(0x9e3779b97f4a7c15);
    const struct mig_model *m = mig_model_find(keys[(r >> 60) % 3]);
    struct naive_layouts *all = new_naive(m, m->profiles_all);
    struct mig_layout base = layout_of(m, &all->pairs, 0);
    uint64_t base_bits = all->bits[(r >> 20) % all->count];
    if (__builtin_popcountll(base_bits) > 2)
        base_bits = 0;
    base = layout_of(m, &all->pairs, base_bits);
    struct mig_fill fill = {.base = &base, .spare_profiles = m->profiles_base};
    for (unsigned p = 0; p < m->profile_count; p++) {
        fill.demand.n[p] = (uint8_t)(r >> (4 * p) & 3);
        fill.value[p] = (uint32_t)(r >> (5 * p + 7) & 31);
    }
    fill.value[0] |= 1;
    uint64_t best = 0;
    for (unsigned k = 0; k < all->count; k++) {
        if ((all->bits[k] & base_bits) != base_bits)
            continue;
        uint64_t value = 0;
        bool within = true;
        for (unsigned p = 0; p < m->profile_count; p++) {
            unsigned n = naive_count_of(&all->pairs, all->bits[k] & ~base_bits, p);
            within = within && n <= fill.demand.n[p];
            value += (uint64_t)n * fill.value[p];
        }
        best = within && value > best ? value : best;
    }
    struct mig_layout layout;
    struct mig_counts served;
    mig_place_fill(&fill, &layout, &served);
    uint64_t value = 0;
    for (unsigned p = 0; p < m->profile_count; p++) {
        value += (uint64_t)served.n[p] * fill.value[p];
        assert_true(served.n[p] <= fill.demand.n[p]);
        assert_true(layout.counts.n[p] >= served.n[p] + base.counts.n[p]);
    }
    assert_int_equal(value, best);
    assert_true(mig_layout_is_legal(&layout));
    assert_true(mig_layout_is_maximal(&layout, m->profiles_base));
    assert_true((bits_of(&layout, &all->pairs) & base_bits) == base_bits);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_walk_equals_naive),
            cmocka_unit_test(test_add_equals_naive),
            cmocka_unit_test(test_foreign_starts_are_refused),
            cmocka_unit_test(test_multisets_a100),
            cmocka_unit_test(test_multisets_a30),
            cmocka_unit_test(test_multisets_rtx_pro),
            cmocka_unit_test(test_compute_left_equals_naive),
            TEST_PROP(prop_fill_is_best, 300),
    };
    return cmocka_run_group_tests_name("mig layout", tests, NULL, NULL);
}
