/* mig/place.h - from how many of each profile to legal starts: fit, place, enumerate, fill in.
 *
 * Pure, no allocation, exact: the spaces are small (an A100 has 2,318 layouts), so nothing here is
 * a heuristic that can miss a layout.  Search: mig/README.md. */
#ifndef MIG_PLACE_H
#define MIG_PLACE_H

#include "mig/layout.h"

/* Walks the layouts that are `base` plus exactly `add` more instances, each set of (profile, start)
 * once.  Used by everything below; open to callers that have an aim of their own. */
struct mig_place_iter {
    struct mig_counts left; /* still to be placed */
    struct mig_layout layout;
    uint8_t depth; /* frames on the stack, one for each instance placed */
    bool started, done;
    struct {
        uint8_t profile;
        uint8_t start;   /* of the instance placed */
        uint16_t starts; /* not yet tried */
    } stack[MIG_INSTANCES_MAX];
};

void mig_place_iter_init(
        struct mig_place_iter *it, const struct mig_layout *base, const struct mig_counts *add);

/* Moves to the next layout, which is then it->layout.  Returns false at the end. */
bool mig_place_iter_next(struct mig_place_iter *it);

/* True when `add` fits beside what `base` holds.  Cost: some µs at worst. */
bool mig_place_fits(const struct mig_layout *base, const struct mig_counts *add);

/* Chooses starts for `add` beside `base` so that mig_layout_score() is greatest, at a tie so that
 * the highest units are taken.
 * Returns 0; -ENOSPC when it does not fit, with the rule that stops it and one line in `reterr`. */
int mig_place(const struct mig_layout *base, const struct mig_counts *add,
        struct mig_layout *ret_layout, enum mig_rule *ret_rule, struct err *reterr);

/* Walks all feasible non-empty multisets of a model over the mask `profiles`, each once. */
struct mig_multiset_iter {
    const struct mig_model *model;
    uint16_t profiles;
    struct mig_counts counts;
};

void mig_multiset_iter_init(
        struct mig_multiset_iter *it, const struct mig_model *model, uint16_t profiles);

/* Moves to the next multiset, which is then it->counts.  Returns false at the end. */
bool mig_multiset_iter_next(struct mig_multiset_iter *it);

/* Maximal among multisets: no profile of the mask can be added, under any choice of starts. */
bool mig_multiset_is_maximal(
        const struct mig_model *model, const struct mig_counts *counts, uint16_t profiles);

/* Maximal under some choice of starts: a maximal layout has these counts.  Weaker than the above:
 * 3g at unit 0 can trap a GPU in such a state. */
bool mig_multiset_has_maximal_layout(
        const struct mig_model *model, const struct mig_counts *counts, uint16_t profiles);

/* "3x1g.5gb,1x4g.20gb", in catalog order; "none" when empty. */
void mig_multiset_format(
        const struct mig_model *model, const struct mig_counts *counts, struct buf *out);

/* What mig_place_fill() is asked for. */
struct mig_fill {
    const struct mig_layout *base;    /* what must stay; usually empty or the instances in use */
    struct mig_counts demand;         /* wanted, possibly more than one GPU can hold */
    uint32_t value[MIG_PROFILES_MAX]; /* worth of one served instance; all 0 = compute slices */
    uint16_t spare_profiles;          /* what may fill the rest up; 0 = leave it free */
};

/* The best layout for a demand: serves the greatest sum of value, among those with the fewest
 * compute slices, then with the greatest score, with starts as in mig_place(); then fills up with
 * the spare profiles that give the most compute slices in the fewest instances, which makes it
 * maximal over them.  ret_served (may be NULL) = the part of the demand that it serves.
 * Exact over the multisets of the model.  Serving nothing is a result, not an error. */
void mig_place_fill(
        const struct mig_fill *fill, struct mig_layout *ret_layout, struct mig_counts *ret_served);

#endif
