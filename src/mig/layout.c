/* mig/layout.c - legality of layouts, what still fits, and the walk over all of them.  Pure. */
#include "mig/layout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

_Static_assert(MIG_UNITS_MAX <= 16, "a mask of units fits a uint16_t");
_Static_assert(MIG_PROFILES_MAX <= 16, "a mask of profiles fits a uint16_t");

/* True when one more `profile` keeps the engine totals. */
static bool engines_fit(
        const struct mig_model *model, const struct mig_counts *counts, unsigned profile)
{
    const struct mig_profile *wanted = &model->profiles[profile];
    if (!model->engine_totals_known || !wanted->engines_known)
        return true;
    for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++) {
        if (wanted->engines[e] == 0)
            continue;
        unsigned sum = wanted->engines[e];
        for (unsigned p = 0; p < model->profile_count; p++)
            sum += (unsigned)counts->n[p] * model->profiles[p].engines[e];
        if (sum > model->engine_totals[e])
            return false;
    }
    return true;
}

uint16_t mig_layout_fits(const struct mig_model *model, uint16_t used,
        const struct mig_counts *counts, unsigned profile)
{
    assert(profile < model->profile_count);
    const struct mig_profile *wanted = &model->profiles[profile];
    if (counts->n[profile] >= wanted->max_instances || !engines_fit(model, counts, profile))
        return 0;
    uint16_t starts = 0;
    for (unsigned left = wanted->starts; left != 0; left &= left - 1) {
        unsigned start = (unsigned)__builtin_ctz(left);
        if ((used & mig_run_mask(wanted, start)) == 0)
            starts |= (uint16_t)(1u << start);
    }
    return starts;
}

/* How many legal (profile, start) pairs are left. */
static unsigned count_choices(
        const struct mig_model *model, uint16_t used, const struct mig_counts *counts)
{
    unsigned sum = 0;
    for (unsigned p = 0; p < model->profile_count; p++)
        sum += (unsigned)__builtin_popcount(mig_layout_fits(model, used, counts, p));
    return sum;
}

uint32_t mig_layout_score(
        const struct mig_model *model, uint16_t used, const struct mig_counts *counts)
{
    return ((uint32_t)model->compute_left[used] << 16) + count_choices(model, used, counts);
}

unsigned mig_layout_prefer(const struct mig_model *model, uint16_t used,
        const struct mig_counts *counts, unsigned profile, uint16_t starts)
{
    assert(profile < model->profile_count);
    assert(starts != 0);
    struct mig_counts after = *counts;
    after.n[profile]++;
    unsigned best_start = 0;
    uint32_t best_score = 0;
    for (unsigned left = starts; left != 0; left &= left - 1) {
        unsigned start = (unsigned)__builtin_ctz(left);
        uint16_t used_after = used | mig_run_mask(&model->profiles[profile], start);
        uint32_t score = mig_layout_score(model, used_after, &after);
        if (score >= best_score) { /* at a tie the highest start */
            best_score = score;
            best_start = start;
        }
    }
    return best_start;
}

void mig_layout_init(struct mig_layout *layout, const struct mig_model *model)
{
    assert(model->profile_count > 0);
    *layout = (struct mig_layout){.model = model};
}

static void put_rule(enum mig_rule *ret_rule, enum mig_rule rule)
{
    if (ret_rule != NULL)
        *ret_rule = rule;
}

static int refuse_start(const struct mig_model *model, const struct mig_profile *profile,
        unsigned start, struct err *reterr)
{
    char list[64] = "";
    size_t len = 0;
    for (unsigned left = profile->starts; left != 0; left &= left - 1) {
        unsigned unit = (unsigned)__builtin_ctz(left);
        list[len++] = ' ';
        if (unit >= 10)
            list[len++] = (char)('0' + unit / 10);
        list[len++] = (char)('0' + unit % 10);
    }
    return err_set(reterr, -EINVAL, "%s may not start at unit %u of %s: expected one of%s",
            profile->name, start, model->key, list);
}

/* Which instance holds a unit of `run`; there is one. */
static const struct mig_instance *find_overlap(const struct mig_layout *layout, uint16_t run)
{
    for (unsigned i = 0; i < layout->count; i++) {
        const struct mig_instance *inst = &layout->instances[i];
        if (mig_run_mask(&layout->model->profiles[inst->profile], inst->start) & run)
            return inst;
    }
    assert(false && "the union of runs holds a unit that no run has");
    return NULL;
}

static int refuse_engine(const struct mig_layout *layout, unsigned profile, struct err *reterr)
{
    const struct mig_model *model = layout->model;
    for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++) {
        unsigned wanted = model->profiles[profile].engines[e], sum = 0;
        for (unsigned p = 0; p < model->profile_count; p++)
            sum += (unsigned)layout->counts.n[p] * model->profiles[p].engines[e];
        if (wanted > 0 && sum + wanted > model->engine_totals[e]) {
            return err_set(reterr, -ENOSPC, "%s needs %u %s engine%s: %u of %u are taken on %s",
                    model->profiles[profile].name, wanted, mig_engine_name((enum mig_engine)e),
                    wanted == 1 ? "" : "s", sum, model->engine_totals[e], model->key);
        }
    }
    assert(false && "called for a profile whose engines fit");
    return -ENOSPC;
}

int mig_layout_add(struct mig_layout *layout, struct mig_instance instance, enum mig_rule *ret_rule,
        struct err *reterr)
{
    const struct mig_model *model = layout->model;
    put_rule(ret_rule, MIG_RULE_START);
    if (instance.profile >= model->profile_count) {
        return err_set(reterr, -EINVAL, "profile number %u is not known on %s: expected 0 to %u",
                instance.profile, model->key, model->profile_count - 1u);
    }
    const struct mig_profile *profile = &model->profiles[instance.profile];
    if (instance.start >= MIG_UNITS_MAX || !(profile->starts & 1u << instance.start))
        return refuse_start(model, profile, instance.start, reterr);

    uint16_t run = mig_run_mask(profile, instance.start);
    if (layout->used & run) {
        const struct mig_instance *other = find_overlap(layout, run);
        put_rule(ret_rule, MIG_RULE_OVERLAP);
        return err_set(reterr, -EBUSY, "%s@%u overlaps %s@%u on %s", profile->name, instance.start,
                model->profiles[other->profile].name, other->start, model->key);
    }
    if (layout->counts.n[instance.profile] >= profile->max_instances) {
        put_rule(ret_rule, MIG_RULE_CAP);
        return err_set(reterr, -ENOSPC, "%s holds at most %u of %s", model->key,
                profile->max_instances, profile->name);
    }
    if (!engines_fit(model, &layout->counts, instance.profile)) {
        put_rule(ret_rule, MIG_RULE_ENGINE);
        return refuse_engine(layout, instance.profile, reterr);
    }

    /* Runs are disjoint and take a compute slice each, so there is room in the array. */
    assert(layout->count < MIG_INSTANCES_MAX);
    unsigned at = layout->count;
    for (; at > 0 && layout->instances[at - 1].start > instance.start; at--)
        layout->instances[at] = layout->instances[at - 1];
    layout->instances[at] = instance;
    layout->count++;
    layout->counts.n[instance.profile]++;
    layout->used |= run;
    put_rule(ret_rule, MIG_RULE_OK);
    return 0;
}

void mig_layout_remove(struct mig_layout *layout, unsigned index)
{
    assert(index < layout->count);
    struct mig_instance gone = layout->instances[index];
    layout->used &= (uint16_t)~mig_run_mask(&layout->model->profiles[gone.profile], gone.start);
    assert(layout->counts.n[gone.profile] > 0);
    layout->counts.n[gone.profile]--;
    layout->count--;
    for (unsigned i = index; i < layout->count; i++)
        layout->instances[i] = layout->instances[i + 1];
    layout->instances[layout->count] = (struct mig_instance){0};
}

int mig_layout_find(const struct mig_layout *layout, unsigned profile, unsigned start)
{
    for (unsigned i = 0; i < layout->count; i++) {
        if (layout->instances[i].profile == profile && layout->instances[i].start == start)
            return (int)i;
    }
    return -1;
}

bool mig_layout_is_legal(const struct mig_layout *layout)
{
    if (layout->model == NULL || layout->count > MIG_INSTANCES_MAX)
        return false;
    struct mig_layout again;
    mig_layout_init(&again, layout->model);
    for (unsigned i = 0; i < layout->count; i++) {
        if (i > 0 && layout->instances[i].start <= layout->instances[i - 1].start)
            return false;
        if (mig_layout_add(&again, layout->instances[i], NULL, NULL) < 0)
            return false;
    }
    return again.used == layout->used &&
           memcmp(&again.counts, &layout->counts, sizeof again.counts) == 0;
}

bool mig_layout_is_maximal(const struct mig_layout *layout, uint16_t profiles)
{
    for (unsigned p = 0; p < layout->model->profile_count; p++) {
        if ((profiles & 1u << p) &&
                mig_layout_fits(layout->model, layout->used, &layout->counts, p) != 0)
            return false;
    }
    return true;
}

unsigned mig_layout_compute(const struct mig_layout *layout)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < layout->count; i++)
        sum += layout->model->profiles[layout->instances[i].profile].compute_slices;
    return sum;
}

bool mig_layout_eq(const struct mig_layout *a, const struct mig_layout *b)
{
    if (a->model != b->model || a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++) {
        if (a->instances[i].profile != b->instances[i].profile ||
                a->instances[i].start != b->instances[i].start)
            return false;
    }
    return true;
}

void mig_layout_format(const struct mig_layout *layout, struct buf *out)
{
    if (layout->count == 0)
        buf_puts(out, "none");
    for (unsigned i = 0; i < layout->count; i++) {
        const struct mig_instance *inst = &layout->instances[i];
        buf_printf(out, "%s%s@%u%s", i > 0 ? "," : "", layout->model->profiles[inst->profile].name,
                inst->start, inst->in_use ? "*" : "");
    }
}

const char *mig_rule_name(enum mig_rule rule)
{
    static const char *const names[MIG_RULE_COUNT] = {
            [MIG_RULE_OK] = "ok",
            [MIG_RULE_START] = "start",
            [MIG_RULE_OVERLAP] = "overlap",
            [MIG_RULE_CAP] = "cap",
            [MIG_RULE_ENGINE] = "engine",
            [MIG_RULE_UNITS] = "units",
            [MIG_RULE_COMPUTE] = "compute",
            [MIG_RULE_STARTS] = "starts",
    };
    assert(rule < MIG_RULE_COUNT);
    return names[rule];
}

void mig_layout_iter_init(
        struct mig_layout_iter *it, const struct mig_model *model, uint16_t profiles)
{
    *it = (struct mig_layout_iter){.model = model, .profiles = profiles};
    mig_layout_init(&it->layout, model);
}

/* Depth first over (start, profile) pairs in rising order: each layout is reached once, by adding
 * its instances from the lowest start up.  The layout itself is the stack. */
bool mig_layout_iter_next(struct mig_layout_iter *it)
{
    const struct mig_model *model = it->model;
    for (;;) {
        for (; it->next_start < model->units; it->next_start++, it->next_profile = 0) {
            for (; it->next_profile < model->profile_count; it->next_profile++) {
                struct mig_instance inst = {it->next_profile, it->next_start, false};
                if (!(it->profiles & 1u << inst.profile) ||
                        mig_layout_add(&it->layout, inst, NULL, NULL) < 0)
                    continue;
                it->next_start = (uint8_t)(inst.start + 1);
                it->next_profile = 0;
                return true;
            }
        }
        if (it->layout.count == 0)
            return false;
        struct mig_instance last = it->layout.instances[it->layout.count - 1];
        mig_layout_remove(&it->layout, it->layout.count - 1u);
        it->next_start = last.start;
        it->next_profile = (uint8_t)(last.profile + 1);
    }
}
