/* test/prop/mig/prop_diff.c - mig_diff against breadth-first search over all states.
 *
 * A state is a legal layout; a move creates or destroys one instance that is not in use. */
#include "test.h"

#include "mig/diff.h"

#include "naive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNREACHED = 255 };

static struct naive_layouts *all; /* of the model under test */
static const struct mig_model *model;

static struct mig_layout layout_of(uint64_t bits, uint64_t in_use)
{
    struct mig_layout layout;
    mig_layout_init(&layout, model);
    for (unsigned i = 0; i < all->pairs.count; i++) {
        struct mig_instance inst = {
                all->pairs.at[i].profile, all->pairs.at[i].start, (in_use >> i & 1) != 0};
        if (bits >> i & 1)
            assert_int_equal(mig_layout_add(&layout, inst, NULL, NULL), 0);
    }
    return layout;
}

static uint64_t pair_bit(struct mig_instance inst)
{
    for (unsigned i = 0; i < all->pairs.count; i++) {
        if (all->pairs.at[i].profile == inst.profile && all->pairs.at[i].start == inst.start)
            return UINT64_C(1) << i;
    }
    fail();
    return 0;
}

static unsigned state_of(uint64_t bits)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (all->bits[i] == bits)
            return i;
    }
    return UINT32_MAX;
}

/* Moves from `from` to every state, never destroying what is in use. */
static void search(uint64_t from, uint64_t in_use, uint8_t *ret_distance)
{
    unsigned queue[NAIVE_LAYOUTS_MAX], head = 0, tail = 0;
    memset(ret_distance, UNREACHED, all->count);
    queue[tail++] = state_of(from);
    ret_distance[queue[0]] = 0;
    while (head < tail) {
        unsigned at = queue[head++];
        for (unsigned i = 0; i < all->pairs.count; i++) {
            uint64_t bit = UINT64_C(1) << i, next = all->bits[at] ^ bit;
            if (bit & in_use || !naive_is_legal(model, &all->pairs, next))
                continue;
            unsigned to = state_of(next);
            if (ret_distance[to] != UNREACHED)
                continue;
            ret_distance[to] = (uint8_t)(ret_distance[at] + 1);
            queue[tail++] = to;
        }
    }
}

/* The steps lead from `from` to the target through legal states and touch nothing in use. */
static void check_steps(const struct mig_layout *from, uint64_t in_use, const struct mig_diff *diff)
{
    struct mig_layout state = *from;
    uint64_t freed = 0;
    for (unsigned i = 0; i < diff->blocker_count; i++)
        freed |= pair_bit(diff->blockers[i]);
    assert_true((freed & ~in_use) == 0);
    for (unsigned i = 0; i < diff->step_count; i++) {
        struct mig_instance inst = diff->steps[i].instance;
        if (diff->steps[i].create) {
            assert_int_equal(mig_layout_add(&state, inst, NULL, NULL), 0);
        } else {
            assert_true((pair_bit(inst) & in_use & ~freed) == 0);
            int at = mig_layout_find(&state, inst.profile, inst.start);
            assert_true(at >= 0);
            mig_layout_remove(&state, (unsigned)at);
        }
        assert_int_equal(state.used, diff->steps[i].used_after);
        assert_true(mig_layout_is_legal(&state));
    }
    assert_true(mig_layout_eq(&state, &diff->target));
}

static void set_model(const char *key, bool base_only)
{
    model = mig_model_find(key);
    all = malloc(sizeof *all);
    assert_non_null(all);
    naive_enumerate(model, base_only ? model->profiles_base : model->profiles_all, all);
}

/* All pairs of placed layouts, every subset of FROM in use. */
static void check_placed_pairs(bool with_in_use)
{
    uint8_t distance[NAIVE_LAYOUTS_MAX];
    for (unsigned f = 0; f < all->count; f++) {
        uint64_t bits = all->bits[f], in_use = with_in_use ? bits : 0;
        for (;; in_use = (in_use - 1) & bits) { /* every subset, down to none */
            struct mig_layout from = layout_of(bits, in_use);
            search(bits, in_use, distance);
            for (unsigned t = 0; t < all->count; t++) {
                struct mig_layout to = layout_of(all->bits[t], 0);
                struct mig_diff diff;
                int r = mig_diff(&from, &to, NULL, &diff, NULL);
                assert_int_equal(r == 0, distance[t] != UNREACHED);
                assert_int_equal(r == -EBUSY, distance[t] == UNREACHED);
                /* Blocked by what is in use and not part of TO; else as short as the search. */
                unsigned blockers = (unsigned)__builtin_popcountll(in_use & ~all->bits[t]);
                assert_int_equal(diff.blocker_count, blockers);
                assert_true(r != 0 || diff.step_count == distance[t]);
                assert_true(mig_layout_eq(&diff.target, &to));
                check_steps(&from, in_use, &diff);
            }
            if (in_use == 0)
                break;
        }
    }
}

/* The least number of in-use instances that must become free to reach one of the states in
 * `targets`, and the fewest moves then. */
static void search_least(uint64_t from, uint64_t in_use, const bool *targets, unsigned *ret_freed,
        unsigned *ret_moves)
{
    uint8_t distance[NAIVE_LAYOUTS_MAX];
    *ret_freed = *ret_moves = UINT32_MAX;
    for (uint64_t freed = in_use;; freed = (freed - 1) & in_use) {
        unsigned n = (unsigned)__builtin_popcountll(freed);
        search(from, in_use & ~freed, distance);
        for (unsigned t = 0; t < all->count; t++) {
            if (!targets[t] || distance[t] == UNREACHED || n > *ret_freed)
                continue;
            if (n < *ret_freed || distance[t] < *ret_moves)
                *ret_moves = distance[t];
            *ret_freed = n;
        }
        if (freed == 0)
            break;
    }
}

/* All (FROM, subset in use, multiset): the choice of starts is the best one. */
static void check_multiset_pairs(void)
{
    struct mig_layout empty = layout_of(0, 0);
    bool targets[NAIVE_LAYOUTS_MAX] = {false};
    struct mig_multiset_iter it;
    mig_multiset_iter_init(&it, model, model->profiles_all);
    do { /* the first multiset is the empty one */
        for (unsigned t = 0; t < all->count; t++) {
            targets[t] = true;
            for (unsigned p = 0; p < model->profile_count; p++) {
                targets[t] = targets[t] &&
                             naive_count_of(&all->pairs, all->bits[t], p) == it.counts.n[p];
            }
        }
        for (unsigned f = 0; f < all->count; f++) {
            uint64_t bits = all->bits[f];
            for (uint64_t in_use = bits;; in_use = (in_use - 1) & bits) {
                struct mig_layout from = layout_of(bits, in_use);
                struct mig_diff diff;
                unsigned freed, moves;
                search_least(bits, in_use, targets, &freed, &moves);
                int r = mig_diff(&from, &empty, &it.counts, &diff, NULL);
                assert_int_equal(r, freed > 0 ? -EBUSY : 0);
                assert_int_equal(diff.blocker_count, freed);
                if (freed == 0)
                    assert_int_equal(diff.step_count, moves);
                check_steps(&from, in_use, &diff);
                if (in_use == 0)
                    break;
            }
        }
    } while (mig_multiset_iter_next(&it));
}

static void test_a30_placed(void **state)
{
    (void)state;
    set_model("A30-24GB", false);
    check_placed_pairs(true);
    free(all);
}

static void test_a30_multisets(void **state)
{
    (void)state;
    set_model("A30-24GB", false);
    check_multiset_pairs();
    free(all);
}

static void test_a100_base_placed(void **state)
{
    (void)state;
    set_model("A100-40GB", true);
    check_placed_pairs(false);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a30_placed),
            cmocka_unit_test(test_a30_multisets),
            cmocka_unit_test(test_a100_base_placed),
    };
    return cmocka_run_group_tests_name("mig diff", tests, NULL, NULL);
}
