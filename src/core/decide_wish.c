/* core/decide_wish.c - from a solution to what each owner should be pointed at.
 *
 * Pure.  A wish changes only for a gain that passes the policy's least gain, or because a hard rule
 * takes the present way back; it is told in every run until the owner's template shows it. */
#include "core/decide-priv.h"

#include <stdio.h>
#include <string.h>

/* A wish whose gain is gone is dropped after so many solves in a row that say so. */
enum { DROP_AFTER = 6 };

/* What a pod costs an hour under an option, by the share of a node it takes. */
static int64_t option_cost(const struct place_problem *p, const struct place_owner *owner,
        const struct place_option *o, const struct place_solution *s)
{
    const struct place_kind *kind = &p->kinds[o->kind];
    int64_t gpu = decide_gpu_price(kind);
    switch ((enum model_technique)o->technique) {
    case MODEL_TECHNIQUE_TIME_SLICING: {
        uint16_t r = s->pools[o->kind].replicas[o->tier];
        return gpu / num_max_i64(1, r > 0 ? r : o->replicas_max);
    }
    case MODEL_TECHNIQUE_MIG: {
        const struct mig_model *mig = mig_model_get(kind->mig);
        return num_muldiv_i64(gpu, mig->profiles[o->profile].units, mig->units) / o->replicas_max;
    }
    case MODEL_TECHNIQUE_EXCLUSIVE:
    case MODEL_TECHNIQUE_COUNT:
        break;
    }
    return gpu * owner->gpus_per_pod;
}

/* Whole GPUs are any that the owner allows, unless it had some and other ones are better. */
static struct decide_way way_of(
        const struct place_problem *p, const struct place_option *now, const struct place_option *o)
{
    bool back = o->technique == MODEL_TECHNIQUE_EXCLUSIVE && now->technique != o->technique;
    return (struct decide_way){.technique = (enum model_technique)o->technique,
            .gpu = back ? DECIDE_NO_GPU : p->kinds[o->kind].gpu,
            .tier = o->tier,
            .profile = o->profile,
            .replicas = o->replicas_max};
}

bool decide_gains(const struct policy *policy, int64_t cost_now, int64_t gain)
{
    return gain > 0 && gain >= policy->min_gain_microusd_per_hour &&
           gain >= num_muldiv_i64(cost_now, policy->min_gain_permille, 1000);
}

struct wish {
    const struct core_decider *d;
    const struct place_problem *p;
    const struct place_solution *s;
    const struct policy *policy;
    const struct core_now *now;
};

static void wish_take(const struct wish *w, struct decide_owner *row, uint32_t index)
{
    const struct place_owner *owner = &w->p->owners[index];
    const struct place_option *now = &w->p->options[owner->option_first];
    const struct place_option *then = now + w->s->choice[index];
    struct decide_way way = way_of(w->p, now, then);

    if (w->s->choice[index] == 0) {
        if (row->way_set && ++row->way_doubts >= DROP_AFTER)
            row->way_set = false;
        return;
    }
    int64_t cost_now = option_cost(w->p, owner, now, w->s) * owner->pods;
    int64_t cost_then = option_cost(w->p, owner, then, w->s) * owner->pods;
    if (then->technique == MODEL_TECHNIQUE_EXCLUSIVE && now->technique == then->technique)
        cost_then += then->extra_microusd_per_hour; /* the longer time on a slower model */
    bool forced = now->extra_microusd_per_hour > then->extra_microusd_per_hour + cost_now;
    bool planted = w->d->options.plant_bug[CORE_REASON_GUARD_GAIN];
    if (!forced && !planted && !decide_gains(w->policy, cost_now, cost_now - cost_then))
        return;
    row->way_forced = forced;
    row->way_doubts = 0;
    row->way_saving = cost_now - cost_then;
    row->way_cost_now = cost_now;
    if (row->way_set && decide_way_eq(&row->way, &way)) {
        row->way.replicas = way.replicas;
        return;
    }
    if (row->way_set && w->now->wall_ns - row->way_since_wall_ns < w->policy->owner_dwell_ns &&
            !forced)
        return;
    row->way = way;
    row->way_set = true;
    row->way_since_wall_ns = w->now->wall_ns;
}

void decide_ways_take(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct place_solution *solution)
{
    struct wish w = {d, d->problem, solution, pic->policy, now};
    for (uint32_t i = 0; i < w.p->owner_count; i++) {
        struct decide_owner *row = decide_owner_find(d, w.p->owners[i].uid);
        if (row != NULL)
            wish_take(&w, row, i);
    }
}

/* What each owner bears in its shared pool, from today's numbers: the pool takes the least. */
static void bears_update(struct decide_run *run, const struct core_owner_fact *o,
        struct decide_owner *row, const struct decide_way *now)
{
    uint16_t gpu = now->technique == MODEL_TECHNIQUE_TIME_SLICING ? now->gpu : row->way.gpu;
    bool shared = now->technique == MODEL_TECHNIQUE_TIME_SLICING ||
                  (row->way_set && row->way.technique == MODEL_TECHNIQUE_TIME_SLICING);
    if (!shared)
        return;
    struct decide_judgement j = decide_judge_shared(run->d, run->policy, run->now, o, gpu);
    row->bears_measured =
            j.reason != CORE_REASON_GUARD_HISTORY && j.reason != CORE_REASON_GUARD_STALE;
    if (j.reason == CORE_REASON_NONE) {
        row->bears = j.replicas_memory;
        row->size_ppm = j.size_ppm;
    } else if (row->bears == 0 || j.reason == CORE_REASON_GUARD_MEMORY) {
        row->bears = num_max_u32(2, run->policy->replicas_min); /* it is there; rise no higher */
    }
    if (j.reason == CORE_REASON_GUARD_BUSY || row->size_ppm == 0)
        row->size_ppm = j.size_ppm > 0 ? j.size_ppm : 500000;
    /* Lost or aged history freezes what is. */
}

/* reach_ppm: what of the saving becomes money. */
static void point(struct decide_run *run, const struct core_owner_fact *o, struct decide_owner *row,
        uint32_t reach_ppm)
{
    int64_t saving = num_muldiv_i64(row->way_saving, reach_ppm, 1000000);
    struct core_intent *i =
            decide_intent_new(run->d, CORE_INTENT_OWNER, CORE_CHANGE_OWNER_POINT, CORE_REASON_COST);
    i->cluster = o->cluster;
    i->owner = o->uid;
    i->saving_microusd_per_hour = saving;
    i->owner_target.count = 1;
    switch (row->way.technique) {
    case MODEL_TECHNIQUE_TIME_SLICING:
        i->owner_target.resource.kind = MODEL_RESOURCE_GPU_SHARED;
        break;
    case MODEL_TECHNIQUE_MIG: {
        const struct mig_model *mig = mig_model_find(model_gpu_get(row->way.gpu)->mig_key);
        i->owner_target.resource.kind =
                row->way.tier > 0 ? MODEL_RESOURCE_MIG_SHARED : MODEL_RESOURCE_MIG;
        (void)snprintf(i->owner_target.resource.profile, MODEL_PROFILE_NAME_MAX, "%s",
                mig->profiles[row->way.profile].name);
        break;
    }
    case MODEL_TECHNIQUE_EXCLUSIVE:
    case MODEL_TECHNIQUE_COUNT:
        i->owner_target.resource.kind = MODEL_RESOURCE_GPU;
        i->owner_target.count = o->gpus_per_pod;
        if (row->way.gpu != DECIDE_NO_GPU)
            i->owner_target.gpu_models = UINT64_C(1) << row->way.gpu;
        break;
    }
    if (row->way.technique != MODEL_TECHNIQUE_EXCLUSIVE)
        decide_pool_name(row->way.technique, row->way.gpu, row->way.tier, i->owner_target.pool);
    struct usage_reserve reserve = decide_reserve(run->policy, row, o, NULL);
    decide_why(i,
            "%.*s: %s on %s, %u %s; %lld micro-USD/h saved and %lld more of room, of %lld; "
            "reserve %u MiB",
            DECIDE_NAME(o->name), model_technique_name(row->way.technique),
            row->way.gpu != DECIDE_NO_GPU ? model_gpu_get(row->way.gpu)->key : "any model",
            row->way.replicas, row->way.technique == MODEL_TECHNIQUE_MIG ? "an instance" : "a GPU",
            (long long)saving, (long long)(row->way_saving - saving), (long long)row->way_cost_now,
            reserve.mib);
    decide_evidence(i, "saving_microusd_per_hour", saving);
    decide_evidence(i, "room_microusd_per_hour", row->way_saving - saving);
    decide_evidence(i, "cost_now_microusd_per_hour", row->way_cost_now);
    decide_evidence(i, "replicas", row->way.replicas);
    decide_evidence(i, "reserve_mib", reserve.mib);
    decide_evidence(i, "readings", (int64_t)row->readings);
}

void decide_owners_point(struct decide_run *run)
{
    const uint32_t *reach = NULL;
    for (uint32_t r = 0; r < run->pic->owner_count; r++) {
        const struct core_owner_view *view = &run->pic->owners[r];
        struct decide_owner *row = view->live ? decide_owner_find(run->d, view->fact.uid) : NULL;
        if (row == NULL)
            continue;
        struct decide_way now = decide_way_now(&view->fact);
        bears_update(run, &view->fact, row, &now);
        if (!row->way_set || decide_way_shown(&row->way, &view->fact) ||
                !core_owner_pointable(&view->fact))
            continue;
        /* Instances come in windows: an owner that acts a day later acts in one, too. */
        bool mig = row->way.technique == MODEL_TECHNIQUE_MIG && !view->patch.open;
        if (mig && (!decide_in_window(run->pic, run->now) || view->running_count == 0))
            continue; /* nor one that comes and goes: empty instances are taken away */
        if (reach == NULL)
            reach = decide_reach(run);
        point(run, &view->fact, row, reach[r]);
    }
}
