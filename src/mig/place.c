/* mig/place.c - exact search over starts and multisets.  Pure, no allocation. */
#include "mig/place.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What `base` and `add` come to together. */
struct totals {
    unsigned instances, units, compute;
    unsigned engines[MIG_ENGINE_COUNT];
};

static struct totals sum_totals(const struct mig_layout *base, const struct mig_counts *add)
{
    const struct mig_model *model = base->model;
    struct totals sum = {0};
    for (unsigned p = 0; p < model->profile_count; p++) {
        unsigned n = (unsigned)base->counts.n[p] + add->n[p];
        sum.instances += n;
        sum.units += n * model->profiles[p].units;
        sum.compute += n * model->profiles[p].compute_slices;
        for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++)
            sum.engines[e] += n * model->profiles[p].engines[e];
    }
    return sum;
}

/* The rule that the sums alone break, whatever the starts; MIG_RULE_OK if none.  *ret_which is the
 * profile (cap) or the engine. */
static enum mig_rule sums_rule(
        const struct mig_layout *base, const struct mig_counts *add, unsigned *ret_which)
{
    const struct mig_model *model = base->model;
    for (unsigned p = 0; p < model->profile_count; p++) {
        *ret_which = p;
        if (add->n[p] > 0 &&
                (unsigned)base->counts.n[p] + add->n[p] > model->profiles[p].max_instances)
            return MIG_RULE_CAP;
    }
    struct totals sum = sum_totals(base, add);
    if (sum.units > model->units)
        return MIG_RULE_UNITS;
    if (sum.compute > model->compute_slices)
        return MIG_RULE_COMPUTE;
    for (unsigned e = 0; e < MIG_ENGINE_COUNT && model->engine_totals_known; e++) {
        *ret_which = e;
        if (sum.engines[e] > model->engine_totals[e])
            return MIG_RULE_ENGINE;
    }
    return MIG_RULE_OK;
}

void mig_place_iter_init(
        struct mig_place_iter *it, const struct mig_layout *base, const struct mig_counts *add)
{
    *it = (struct mig_place_iter){.left = *add, .layout = *base};
    for (unsigned p = base->model->profile_count; p < MIG_PROFILES_MAX; p++)
        assert(add->n[p] == 0);
    unsigned which;
    it->done = sums_rule(base, add, &which) != MIG_RULE_OK ||
               sum_totals(base, add).instances > MIG_INSTANCES_MAX;
}

/* Opens a frame for the next instance to be placed; false when none is left.  Large profiles come
 * first (they have the fewest starts), and equal ones in rising order, so that each set of
 * (profile, start) is met once. */
static bool push_frame(struct mig_place_iter *it)
{
    const struct mig_model *model = it->layout.model;
    unsigned profile = model->profile_count;
    while (profile > 0 && it->left.n[profile - 1] == 0)
        profile--;
    if (profile == 0)
        return false;
    profile--;
    uint16_t starts = mig_layout_fits(model, it->layout.used, &it->layout.counts, profile);
    if (it->depth > 0 && it->stack[it->depth - 1].profile == profile)
        starts &= (uint16_t)(0xffffu << it->stack[it->depth - 1].start);
    assert(it->depth < MIG_INSTANCES_MAX);
    it->stack[it->depth].profile = (uint8_t)profile;
    it->stack[it->depth].start = 0;
    it->stack[it->depth].starts = starts;
    it->depth++;
    return true;
}

static void take_back(struct mig_place_iter *it)
{
    unsigned profile = it->stack[it->depth - 1].profile;
    int index = mig_layout_find(&it->layout, profile, it->stack[it->depth - 1].start);
    assert(index >= 0);
    mig_layout_remove(&it->layout, (unsigned)index);
    it->left.n[profile]++;
}

bool mig_place_iter_next(struct mig_place_iter *it)
{
    if (it->done)
        return false;
    if (!it->started) {
        it->started = true;
        if (!push_frame(it)) {
            it->done = true;
            return true; /* nothing to add: the base alone, once */
        }
    } else {
        take_back(it);
    }
    for (;;) {
        unsigned top = it->depth - 1u, starts = it->stack[top].starts;
        if (starts == 0) {
            it->depth--;
            if (it->depth == 0) {
                it->done = true;
                return false;
            }
            take_back(it);
            continue;
        }
        it->stack[top].start = (uint8_t)__builtin_ctz(starts);
        it->stack[top].starts = (uint16_t)(starts & (starts - 1));
        struct mig_instance inst = {it->stack[top].profile, it->stack[top].start, false};
        int r = mig_layout_add(&it->layout, inst, NULL, NULL);
        assert(r == 0);
        it->left.n[inst.profile]--;
        if (!push_frame(it))
            return true;
    }
}

bool mig_place_fits(const struct mig_layout *base, const struct mig_counts *add)
{
    struct mig_place_iter it;
    mig_place_iter_init(&it, base, add);
    return mig_place_iter_next(&it);
}

/* "4g.20gb may start at 0, 2g.10gb at 0 2 4" over the profiles of `add`. */
static void put_starts(const struct mig_model *model, const struct mig_counts *add, struct buf *out)
{
    bool first = true;
    for (unsigned p = model->profile_count; p-- > 0;) {
        if (add->n[p] == 0)
            continue;
        buf_printf(out, first ? "%s may start at" : ", %s at", model->profiles[p].name);
        for (unsigned left = model->profiles[p].starts; left != 0; left &= left - 1)
            buf_printf(out, " %d", __builtin_ctz(left));
        first = false;
    }
}

static int refuse_starts(
        const struct mig_layout *base, const struct mig_counts *add, struct err *reterr)
{
    if (reterr == NULL)
        return -ENOSPC;
    struct buf text = BUF_INIT(ERR_TEXT_MAX), beside = BUF_INIT(ERR_TEXT_MAX);
    put_starts(base->model, add, &text);
    if (base->count > 0) {
        buf_puts(&beside, " beside ");
        mig_layout_format(base, &beside);
    }
    (void)err_set(reterr, -ENOSPC, "no choice of starts fits%.*s on %s: %.*s",
            STR_ARG(buf_str(&beside)), base->model->key, STR_ARG(buf_str(&text)));
    buf_clear(&text);
    buf_clear(&beside);
    return -ENOSPC;
}

/* Says why `add` has no place beside `base`. */
static int refuse(const struct mig_layout *base, const struct mig_counts *add,
        enum mig_rule *ret_rule, struct err *reterr)
{
    const struct mig_model *model = base->model;
    unsigned which = 0;
    enum mig_rule rule = sums_rule(base, add, &which);
    struct totals sum = sum_totals(base, add);
    if (rule == MIG_RULE_OK)
        rule = MIG_RULE_STARTS;
    if (ret_rule != NULL)
        *ret_rule = rule;
    if (rule == MIG_RULE_CAP) {
        return err_set(reterr, -ENOSPC, "%s holds at most %u of %s, not %u", model->key,
                model->profiles[which].max_instances, model->profiles[which].name,
                (unsigned)base->counts.n[which] + add->n[which]);
    }
    if (rule == MIG_RULE_UNITS) {
        return err_set(reterr, -ENOSPC, "the instances take %u memory units: %s has %u", sum.units,
                model->key, model->units);
    }
    if (rule == MIG_RULE_COMPUTE) {
        return err_set(reterr, -ENOSPC, "the instances take %u compute slices: %s has %u",
                sum.compute, model->key, model->compute_slices);
    }
    if (rule == MIG_RULE_ENGINE) {
        return err_set(reterr, -ENOSPC, "the instances take %u %s engines: %s has %u",
                sum.engines[which], mig_engine_name((enum mig_engine)which), model->key,
                model->engine_totals[which]);
    }
    return refuse_starts(base, add, reterr);
}

int mig_place(const struct mig_layout *base, const struct mig_counts *add,
        struct mig_layout *ret_layout, enum mig_rule *ret_rule, struct err *reterr)
{
    struct mig_place_iter it;
    struct mig_layout best = {0};
    uint32_t best_score = 0;
    bool found = false;
    mig_place_iter_init(&it, base, add);
    while (mig_place_iter_next(&it)) {
        const struct mig_layout *l = &it.layout;
        uint32_t score = mig_layout_score(l->model, l->used, &l->counts);
        if (!found || score > best_score || (score == best_score && l->used > best.used)) {
            found = true;
            best = *l;
            best_score = score;
        }
    }
    if (!found)
        return refuse(base, add, ret_rule, reterr);
    if (ret_rule != NULL)
        *ret_rule = MIG_RULE_OK;
    *ret_layout = best;
    return 0;
}

/* Moves `counts` on to the next feasible multiset that is within `limit`.  Feasibility is monotone
 * (part of what fits, fits), so an odometer may carry as soon as a digit does not fit. */
static bool next_counts(
        const struct mig_layout *base, const struct mig_counts *limit, struct mig_counts *counts)
{
    for (unsigned p = base->model->profile_count; p-- > 0;) {
        if (counts->n[p] < limit->n[p]) {
            counts->n[p]++;
            if (mig_place_fits(base, counts))
                return true;
        }
        counts->n[p] = 0;
    }
    return false;
}

static struct mig_counts caps_of(const struct mig_model *model, uint16_t profiles)
{
    struct mig_counts caps = {{0}};
    for (unsigned p = 0; p < model->profile_count; p++)
        caps.n[p] = profiles & 1u << p ? model->profiles[p].max_instances : 0;
    return caps;
}

void mig_multiset_iter_init(
        struct mig_multiset_iter *it, const struct mig_model *model, uint16_t profiles)
{
    assert(model->profile_count > 0);
    *it = (struct mig_multiset_iter){.model = model, .profiles = profiles};
}

bool mig_multiset_iter_next(struct mig_multiset_iter *it)
{
    struct mig_layout empty;
    mig_layout_init(&empty, it->model);
    struct mig_counts caps = caps_of(it->model, it->profiles);
    return next_counts(&empty, &caps, &it->counts);
}

bool mig_multiset_is_maximal(
        const struct mig_model *model, const struct mig_counts *counts, uint16_t profiles)
{
    struct mig_layout empty;
    mig_layout_init(&empty, model);
    for (unsigned p = 0; p < model->profile_count; p++) {
        struct mig_counts more = *counts;
        more.n[p]++;
        if ((profiles & 1u << p) && mig_place_fits(&empty, &more))
            return false;
    }
    return true;
}

bool mig_multiset_has_maximal_layout(
        const struct mig_model *model, const struct mig_counts *counts, uint16_t profiles)
{
    struct mig_layout empty;
    struct mig_place_iter it;
    mig_layout_init(&empty, model);
    mig_place_iter_init(&it, &empty, counts);
    while (mig_place_iter_next(&it)) {
        if (mig_layout_is_maximal(&it.layout, profiles))
            return true;
    }
    return false;
}

void mig_multiset_format(
        const struct mig_model *model, const struct mig_counts *counts, struct buf *out)
{
    bool first = true;
    for (unsigned p = 0; p < model->profile_count; p++) {
        if (counts->n[p] == 0)
            continue;
        if (!first)
            buf_putc(out, ',');
        if (counts->n[p] > 1)
            buf_printf(out, "%ux", counts->n[p]);
        buf_puts(out, model->profiles[p].name);
        first = false;
    }
    if (first)
        buf_puts(out, "none");
}

/* How good it is to serve `counts`. */
struct serving {
    uint64_t value;
    unsigned compute;
    uint32_t score;
};

static struct serving rate_serving(const struct mig_fill *fill, const struct mig_counts *counts)
{
    const struct mig_model *model = fill->base->model;
    bool by_compute = true;
    for (unsigned p = 0; p < model->profile_count; p++)
        by_compute = by_compute && fill->value[p] == 0;
    struct serving s = {0};
    for (unsigned p = 0; p < model->profile_count; p++) {
        unsigned compute = model->profiles[p].compute_slices;
        s.value += (uint64_t)counts->n[p] * (by_compute ? compute : fill->value[p]);
        s.compute += counts->n[p] * compute;
    }
    return s;
}

static bool is_better(const struct serving *a, const struct serving *b)
{
    if (a->value != b->value)
        return a->value > b->value;
    return a->compute != b->compute ? a->compute < b->compute : a->score > b->score;
}

/* Adds the spare profiles that give the most compute slices, then the fewest instances. */
static void fill_spare(struct mig_layout *layout, uint16_t spare)
{
    const struct mig_model *model = layout->model;
    struct mig_counts caps = caps_of(model, spare), counts = {{0}}, best = {{0}};
    unsigned best_compute = 0, best_instances = 0;
    while (next_counts(layout, &caps, &counts)) {
        unsigned compute = 0, instances = 0;
        for (unsigned p = 0; p < model->profile_count; p++) {
            compute += (unsigned)counts.n[p] * model->profiles[p].compute_slices;
            instances += counts.n[p];
        }
        if (compute > best_compute || (compute == best_compute && instances < best_instances)) {
            best = counts;
            best_compute = compute;
            best_instances = instances;
        }
    }
    int r = mig_place(layout, &best, layout, NULL, NULL);
    assert(r == 0);
}

void mig_place_fill(
        const struct mig_fill *fill, struct mig_layout *ret_layout, struct mig_counts *ret_served)
{
    const struct mig_layout *base = fill->base;
    struct mig_counts counts = {{0}}, served = {{0}};
    struct mig_layout best = *base;
    struct serving best_serving = {0};
    best_serving.score = mig_layout_score(base->model, base->used, &base->counts);
    while (next_counts(base, &fill->demand, &counts)) {
        struct serving s = rate_serving(fill, &counts);
        s.score = UINT32_MAX; /* the best it could have */
        if (!is_better(&s, &best_serving))
            continue;
        struct mig_layout layout = *base;
        int r = mig_place(base, &counts, &layout, NULL, NULL);
        assert(r == 0);
        s.score = mig_layout_score(layout.model, layout.used, &layout.counts);
        if (is_better(&s, &best_serving)) {
            best = layout;
            best_serving = s;
            served = counts;
        }
    }
    if (fill->spare_profiles != 0)
        fill_spare(&best, fill->spare_profiles);
    *ret_layout = best;
    if (ret_served != NULL)
        *ret_served = served;
}
