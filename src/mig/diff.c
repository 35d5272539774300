/* mig/diff.c - choosing the target that changes least, and ordering the steps.  Pure. */
#include "mig/diff.h"

#include <assert.h>
#include <errno.h>

/* What a target costs; smaller is better from the top down, but a greater score and `used`. */
struct change_cost {
    unsigned blockers, blocked_compute, steps;
    uint32_t score;
    uint16_t used;
};

static struct change_cost rate_target(
        const struct mig_layout *from, const struct mig_layout *target)
{
    struct change_cost cost = {0};
    unsigned kept = 0;
    for (unsigned i = 0; i < from->count; i++) {
        const struct mig_instance *inst = &from->instances[i];
        if (mig_layout_find(target, inst->profile, inst->start) >= 0) {
            kept++;
        } else if (inst->in_use) {
            cost.blockers++;
            cost.blocked_compute += from->model->profiles[inst->profile].compute_slices;
        }
    }
    cost.steps = (unsigned)from->count + target->count - 2 * kept;
    cost.score = mig_layout_score(target->model, target->used, &target->counts);
    cost.used = target->used;
    return cost;
}

static bool is_cheaper(const struct change_cost *a, const struct change_cost *b)
{
    if (a->blockers != b->blockers)
        return a->blockers < b->blockers;
    if (a->blocked_compute != b->blocked_compute)
        return a->blocked_compute < b->blocked_compute;
    if (a->steps != b->steps)
        return a->steps < b->steps;
    return a->score != b->score ? a->score > b->score : a->used > b->used;
}

static void put_step(struct mig_diff *diff, bool create, struct mig_instance inst, uint16_t used)
{
    assert(diff->step_count < MIG_STEPS_MAX);
    diff->steps[diff->step_count++] = (struct mig_step){create, inst, used};
}

/* Creates the first missing instance that fits now.  Returns false when none does. */
static bool create_one(struct mig_diff *diff, struct mig_layout *state)
{
    for (unsigned i = 0; i < diff->target.count; i++) {
        struct mig_instance inst = diff->target.instances[i];
        if (mig_layout_find(state, inst.profile, inst.start) >= 0 ||
                mig_layout_add(state, inst, NULL, NULL) < 0)
            continue;
        put_step(diff, true, inst, state->used);
        return true;
    }
    return false;
}

/* The instances of `state` that are no part of the target and stand in the run of `inst`. */
static unsigned count_in_way(
        const struct mig_layout *state, const struct mig_layout *target, struct mig_instance inst)
{
    const struct mig_profile *profiles = state->model->profiles;
    uint16_t run = mig_run_mask(&profiles[inst.profile], inst.start);
    unsigned count = 0;
    for (unsigned i = 0; i < state->count; i++) {
        struct mig_instance old = state->instances[i];
        if (mig_layout_find(target, old.profile, old.start) < 0 &&
                (mig_run_mask(&profiles[old.profile], old.start) & run) != 0)
            count++;
    }
    return count;
}

/* The run of the missing instance that has the fewest others in its way; all units when caps or
 * engines stand in the way, or nothing is missing. */
static uint16_t next_run(const struct mig_layout *state, const struct mig_layout *target)
{
    uint16_t run = UINT16_MAX;
    unsigned least = UINT16_MAX;
    for (unsigned i = 0; i < target->count; i++) {
        struct mig_instance inst = target->instances[i];
        unsigned in_way = count_in_way(state, target, inst);
        if (mig_layout_find(state, inst.profile, inst.start) < 0 && in_way > 0 && in_way < least) {
            least = in_way;
            run = mig_run_mask(&state->model->profiles[inst.profile], inst.start);
        }
    }
    return run;
}

/* Destroys one instance that is no part of the target.  Returns false when there is none. */
static bool destroy_one(struct mig_diff *diff, struct mig_layout *state)
{
    uint16_t run = next_run(state, &diff->target);
    for (unsigned i = 0; i < state->count; i++) {
        struct mig_instance old = state->instances[i];
        uint16_t old_run = mig_run_mask(&state->model->profiles[old.profile], old.start);
        if (mig_layout_find(&diff->target, old.profile, old.start) >= 0 || (old_run & run) == 0)
            continue;
        mig_layout_remove(state, i);
        put_step(diff, false, old, state->used);
        return true;
    }
    return false;
}

/* Fills in the rest of `diff` from its target. */
static void plan_steps(const struct mig_layout *from, struct mig_diff *diff)
{
    for (unsigned i = 0; i < diff->target.count; i++)
        diff->target.instances[i].in_use = false;
    for (unsigned i = 0; i < from->count; i++) {
        struct mig_instance inst = from->instances[i];
        int at = mig_layout_find(&diff->target, inst.profile, inst.start);
        if (at >= 0) {
            diff->kept_count++;
            diff->target.instances[at].in_use = inst.in_use;
        } else if (inst.in_use) {
            diff->blockers[diff->blocker_count++] = inst;
        }
    }
    struct mig_layout state = *from;
    while (create_one(diff, &state) || destroy_one(diff, &state)) {
    }
    assert(mig_layout_eq(&state, &diff->target));
}

static int refuse_blocked(const struct mig_diff *diff, struct err *reterr)
{
    if (reterr == NULL)
        return -EBUSY;
    struct mig_layout blockers;
    mig_layout_init(&blockers, diff->target.model);
    for (unsigned i = 0; i < diff->blocker_count; i++) {
        int r = mig_layout_add(&blockers, diff->blockers[i], NULL, NULL);
        assert(r == 0);
    }
    struct buf text = BUF_INIT(ERR_TEXT_MAX);
    mig_layout_format(&blockers, &text);
    (void)err_set(reterr, -EBUSY, "in use and in the way: %.*s must become free first",
            STR_ARG(buf_str(&text)));
    buf_clear(&text);
    return -EBUSY;
}

int mig_diff(const struct mig_layout *from, const struct mig_layout *to_fixed,
        const struct mig_counts *to_add, struct mig_diff *ret_diff, struct err *reterr)
{
    static const struct mig_counts nothing;
    assert(from->model == to_fixed->model);
    if (to_add == NULL)
        to_add = &nothing;

    struct mig_diff diff = {0};
    struct change_cost best = {0};
    struct mig_place_iter it;
    bool found = false;
    mig_place_iter_init(&it, to_fixed, to_add);
    while (mig_place_iter_next(&it)) {
        struct change_cost cost = rate_target(from, &it.layout);
        if (!found || is_cheaper(&cost, &best)) {
            found = true;
            best = cost;
            diff.target = it.layout;
        }
    }
    if (!found) {
        struct mig_layout none;
        return mig_place(to_fixed, to_add, &none, NULL, reterr);
    }
    plan_steps(from, &diff);
    assert(diff.step_count == best.steps && diff.blocker_count == best.blockers);
    *ret_diff = diff;
    return diff.blocker_count > 0 ? refuse_blocked(&diff, reterr) : 0;
}
