/* mig/diff.h - the smallest change from one MIG layout to another, legal at every step.
 *
 * Pure, no allocation, exact.  The size of a change is the number of instances destroyed plus those
 * created; nothing in use is destroyed or moved (MIG cannot move: another start is another
 * instance). */
#ifndef MIG_DIFF_H
#define MIG_DIFF_H

#include "mig/layout.h"
#include "mig/place.h"

enum { MIG_STEPS_MAX = 2 * MIG_INSTANCES_MAX };

struct mig_step {
    bool create; /* else destroy */
    struct mig_instance instance;
    uint16_t used_after; /* the units taken once the step is done */
};

struct mig_diff {
    struct mig_layout target; /* TO with the chosen starts; kept instances keep in_use */
    uint8_t kept_count;
    uint8_t step_count;
    struct mig_step steps[MIG_STEPS_MAX];
    /* Instances in use that must become free first; with blocker_count > 0 the steps hold only once
     * they are (they then destroy them). */
    uint8_t blocker_count;
    struct mig_instance blockers[MIG_INSTANCES_MAX];
};

/* The smallest change from `from` to a layout with the instances of `to_fixed` where they are and
 * `to_add` wherever it is best: fewest blockers, then fewest compute slices of blockers, then
 * fewest steps, then the starts of mig_place().
 *
 * to_fixed: same model as `from`; its in_use is not looked at.  to_add may be NULL (TO is placed).
 * Steps: a create comes as early as it is legal, a destroy as late as that allows, so that the
 * least is missing in between; every state on the way is legal. Returns 0; -EBUSY when something in
 * use stands in the way (ret_diff is filled all the same and names the blockers); -ENOSPC when
 * `to_fixed` + `to_add` is no legal layout at all. */
int mig_diff(const struct mig_layout *from, const struct mig_layout *to_fixed,
        const struct mig_counts *to_add, struct mig_diff *ret_diff, struct err *reterr);

#endif
