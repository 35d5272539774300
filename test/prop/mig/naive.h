/* test/prop/mig/naive.h - MIG rules once more, the slow and obvious way, to compare with src/mig.
 *
 * Nothing here calls mig_layout_* or mig_place_*: units are an array, rules are loops. */
#ifndef TEST_PROP_MIG_NAIVE_H
#define TEST_PROP_MIG_NAIVE_H

#include "mig/catalog.h"

enum { NAIVE_PAIRS_MAX = 64, NAIVE_LAYOUTS_MAX = 4096 };

/* All (profile, start) pairs of a model. */
struct naive_pairs {
    unsigned count;
    struct {
        uint8_t profile, start;
    } at[NAIVE_PAIRS_MAX];
};

static inline struct naive_pairs naive_pairs_of(const struct mig_model *m, uint16_t profiles)
{
    struct naive_pairs pairs = {0};
    for (unsigned p = 0; p < m->profile_count; p++) {
        for (unsigned s = 0; s < MIG_UNITS_MAX; s++) {
            if ((profiles >> p & 1) && (m->profiles[p].starts >> s & 1)) {
                assert_true(pairs.count < NAIVE_PAIRS_MAX);
                pairs.at[pairs.count].profile = (uint8_t)p;
                pairs.at[pairs.count++].start = (uint8_t)s;
            }
        }
    }
    return pairs;
}

/* Whether the pairs in the set `bits` can be on one GPU together. */
static inline bool naive_is_legal(
        const struct mig_model *m, const struct naive_pairs *pairs, uint64_t bits)
{
    unsigned taken[MIG_UNITS_MAX] = {0}, counts[MIG_PROFILES_MAX] = {0};
    unsigned engines[MIG_ENGINE_COUNT] = {0};
    for (unsigned i = 0; i < pairs->count; i++) {
        if (!(bits >> i & 1))
            continue;
        const struct mig_profile *p = &m->profiles[pairs->at[i].profile];
        for (unsigned u = 0; u < p->units; u++) {
            unsigned unit = pairs->at[i].start + u;
            if (unit >= m->units || taken[unit]++ > 0)
                return false;
        }
        if (++counts[pairs->at[i].profile] > p->max_instances)
            return false;
        for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++)
            engines[e] += p->engines[e];
    }
    for (unsigned e = 0; e < MIG_ENGINE_COUNT && m->engine_totals_known; e++) {
        if (engines[e] > m->engine_totals[e])
            return false;
    }
    return true;
}

/* Every legal set, the empty one first. */
struct naive_layouts {
    struct naive_pairs pairs;
    unsigned count;
    uint64_t bits[NAIVE_LAYOUTS_MAX];
};

static inline void naive_extend(
        const struct mig_model *m, struct naive_layouts *all, uint64_t bits, unsigned from)
{
    assert_true(all->count < NAIVE_LAYOUTS_MAX);
    all->bits[all->count++] = bits;
    for (unsigned i = from; i < all->pairs.count; i++) {
        if (naive_is_legal(m, &all->pairs, bits | UINT64_C(1) << i))
            naive_extend(m, all, bits | UINT64_C(1) << i, i + 1);
    }
}

static inline void naive_enumerate(
        const struct mig_model *m, uint16_t profiles, struct naive_layouts *ret_all)
{
    ret_all->pairs = naive_pairs_of(m, profiles);
    ret_all->count = 0;
    naive_extend(m, ret_all, 0, 0);
}

static inline unsigned naive_count_of(
        const struct naive_pairs *pairs, uint64_t bits, unsigned profile)
{
    unsigned n = 0;
    for (unsigned i = 0; i < pairs->count; i++)
        n += (bits >> i & 1) && pairs->at[i].profile == profile;
    return n;
}

static inline unsigned naive_compute_of(
        const struct mig_model *m, const struct naive_pairs *pairs, uint64_t bits)
{
    unsigned n = 0;
    for (unsigned i = 0; i < pairs->count; i++)
        n += (bits >> i & 1) ? m->profiles[pairs->at[i].profile].compute_slices : 0;
    return n;
}

#endif
