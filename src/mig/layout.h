/* mig/layout.h - which memory units of one GPU its MIG instances occupy, and what still fits.
 *
 * Pure: no I/O, no clock, no allocation.  Rules: mig/README.md, "The rules".
 *
 * A layout is legal when the runs of its instances begin where the catalog allows, share no unit,
 * keep each profile's cap, and need no more of an engine (dec, enc, jpeg, ofa) than the GPU has. */
#ifndef MIG_LAYOUT_H
#define MIG_LAYOUT_H

#include "base/buf.h"
#include "mig/catalog.h"

/* The rule that stops an instance or a set of them. */
enum mig_rule {
    MIG_RULE_OK,
    MIG_RULE_START,   /* the profile may not begin at that unit */
    MIG_RULE_OVERLAP, /* a unit is taken */
    MIG_RULE_CAP,     /* the GPU may hold no more of the profile */
    MIG_RULE_ENGINE,  /* an engine's total would be passed */
    MIG_RULE_UNITS,   /* more memory units than the GPU has */
    MIG_RULE_COMPUTE, /* compute instances need more slices than their GPU instance has */
    MIG_RULE_STARTS,  /* no choice of starts keeps the runs apart */
    MIG_RULE_COUNT
};

/* How many of each profile; the order is that of the model's `profiles`. */
struct mig_counts {
    uint8_t n[MIG_PROFILES_MAX];
};

struct mig_instance {
    uint8_t profile; /* number in the model's `profiles` */
    uint8_t start;   /* first memory unit, 0-based */
    bool in_use;     /* holds work: never destroyed, never moved */
};

/* Initialise with mig_layout_init().  INVARIANT: legal at all times; instances are sorted by start;
 * `used` is the union of their runs; `counts` counts them. */
struct mig_layout {
    const struct mig_model *model; /* static storage */
    uint16_t used;                 /* bit i: unit i is taken */
    uint8_t count;
    struct mig_counts counts;
    struct mig_instance instances[MIG_INSTANCES_MAX];
};

/* The run of `profile` begun at `start`, as a mask.  start + units <= MIG_UNITS_MAX. */
static inline uint16_t mig_run_mask(const struct mig_profile *profile, unsigned start)
{
    return (uint16_t)(((1u << profile->units) - 1) << start);
}

/* The legal starts (bit i = unit i) of one more `profile` when the units in `used` are taken by
 * `counts` instances; 0 when it does not fit.  For solvers: no allocation, no branch on layout.
 * Cost: O(starts + profiles). */
uint16_t mig_layout_fits(const struct mig_model *model, uint16_t used,
        const struct mig_counts *counts, unsigned profile);

/* How much a state leaves open, for comparing states of one model: first the most compute slices
 * still to be had by plain profiles, then the number of legal (profile, start) pairs. */
uint32_t mig_layout_score(
        const struct mig_model *model, uint16_t used, const struct mig_counts *counts);

/* Of the bits of `starts` (not 0) the one after which mig_layout_score() is greatest; at a tie the
 * highest.  On an empty A100 this puts 3g at 4, 1g at 6. */
unsigned mig_layout_prefer(const struct mig_model *model, uint16_t used,
        const struct mig_counts *counts, unsigned profile, uint16_t starts);

/* An empty GPU.  model: with known geometry (profile_count > 0). */
void mig_layout_init(struct mig_layout *layout, const struct mig_model *model);

/* Adds an instance.  profile, start: any value is safe.
 * Returns 0; -EINVAL (start), -EBUSY (overlap), -ENOSPC (cap or engine); then `layout` is
 * unchanged, *ret_rule (may be NULL) is the rule and `reterr` says why. */
int mig_layout_add(struct mig_layout *layout, struct mig_instance instance, enum mig_rule *ret_rule,
        struct err *reterr);

/* Removes instance `index` (< count), in use or not. */
void mig_layout_remove(struct mig_layout *layout, unsigned index);

/* The index of the instance of `profile` at `start`, or -1. */
int mig_layout_find(const struct mig_layout *layout, unsigned profile, unsigned start);

/* Checks every invariant from scratch (for data that did not come through mig_layout_add). */
bool mig_layout_is_legal(const struct mig_layout *layout);

/* True when no profile of the mask `profiles` fits any more. */
bool mig_layout_is_maximal(const struct mig_layout *layout, uint16_t profiles);

/* Sum of compute slices, and of memory units, of the instances. */
unsigned mig_layout_compute(const struct mig_layout *layout);

/* Same model, same (profile, start) pairs; in_use is not looked at. */
bool mig_layout_eq(const struct mig_layout *a, const struct mig_layout *b);

/* "2g.10gb@0,1g.5gb@2*,3g.20gb@4": sorted by start; "none" when empty. */
void mig_layout_format(const struct mig_layout *layout, struct buf *out);

/* One word for a rule: "start", "overlap", "cap", ... */
const char *mig_rule_name(enum mig_rule rule);

/* Walks all legal non-empty layouts of a model, each once, in a fixed order. */
struct mig_layout_iter {
    const struct mig_model *model;
    uint16_t profiles;
    struct mig_layout layout;
    uint8_t next_start; /* where the search goes on */
    uint8_t next_profile;
};

/* profiles: mask of the profiles that may be used (model->profiles_all, profiles_base, ...). */
void mig_layout_iter_init(
        struct mig_layout_iter *it, const struct mig_model *model, uint16_t profiles);

/* Moves to the next layout, which is then it->layout.  Returns false at the end. */
bool mig_layout_iter_next(struct mig_layout_iter *it);

#endif
