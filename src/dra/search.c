/* dra/search.c - the depth-first search for a pod's devices.  Pure.
 *
 * The order of upstream's allocateOne is kept exactly: claims, requests, alternatives, devices by
 * position; the first solution wins.  After STEPS_FREE steps branches are cut, but only where
 * bound.c proves that no solution lies below, so that the first solution stays the same. */
#include "dra/search-priv.h"

#include <errno.h>

/* TUNING: upstream's own tests and common pods end within some dozens of steps, so their counts
 * equal upstream's; a proof costs about a microsecond a candidate. */
enum { STEPS_FREE = 256 };

static int step(struct dra_search *s, struct dra_spot at);

/* All alternatives in turn. */
static int try_subs(struct dra_search *s, struct dra_spot at)
{
    struct dra_request_run *request = &s->claims[at.claim].requests[at.request];
    bool all_exceed = true;
    for (uint32_t sub = 0; sub < request->count; sub++) {
        struct dra_spot next = at;
        next.sub = sub;
        next.in_sub = true;
        int r = step(s, next);
        if (r == DRA_STEP_MAX)
            continue;
        all_exceed = false;
        if (r < 0)
            return r;
        if (r == DRA_STEP_YES) {
            request->chosen = sub;
            return DRA_STEP_YES;
        }
    }
    return all_exceed ? DRA_STEP_MAX : DRA_STEP_NO;
}

/* Mode All: the device that is up next, in the list's order only. */
static int try_next_of_all(struct dra_search *s, struct dra_spot at, const struct dra_ask_run *ask)
{
    struct dra_undo undo;
    int r = dra_device_allocate(s, &at, ask->all[at.device], true, &undo);
    if (r <= 0)
        return r;
    struct dra_spot next = at;
    next.device++;
    next.start = 0;
    r = step(s, next);
    if (r == DRA_STEP_YES)
        return r;
    dra_device_release(s, &undo);
    return r;
}

static bool pruning(struct dra_search *s)
{
    if (s->steps <= STEPS_FREE || s->e->setup.no_pruning)
        return false;
    if (!s->bound_tried) {
        s->bound_tried = true;
        s->bound = dra_bound_new(s);
    }
    return s->bound != NULL;
}

/* 1 when the candidate may be allocated next, as far as it can be told before trying. */
static int cand_usable(struct dra_search *s, struct dra_ask_run *ask, uint32_t cand)
{
    if (ask->ask->admin) {
        if (s->in_use[cand] >> ask->claim & 1)
            return 0;
    } else if (s->in_use[cand] || (s->e->taken[s->cands[cand].device->ident] & DRA_TAKEN)) {
        return 0;
    }
    int r = dra_selectable(s, ask, cand);
    if (r <= 0)
        return r;
    return dra_has(s->e, DRA_FEATURE_CONSUMABLE) ? dra_cand_capacity(s, ask, cand) : 1;
}

/* The candidate and all that follows from it. */
static int try_cand(struct dra_search *s, const struct dra_spot *at, uint32_t cand)
{
    struct dra_undo undo;
    int r = dra_device_allocate(s, at, cand, false, &undo);
    if (r <= 0)
        return r;
    struct dra_spot next = *at;
    next.device++;
    next.start = cand + 1;
    r = step(s, next);
    if (r != DRA_STEP_YES)
        dra_device_release(s, &undo);
    return r;
}

static int try_cands(struct dra_search *s, const struct dra_spot *at, struct dra_ask_run *ask)
{
    uint64_t stamp = s->steps;
    uint32_t depth = at->claim * DRA_CLAIM_RESULTS_MAX + s->claims[at->claim].pick_count;
    bool proved_late = false;
    if (pruning(s) && !dra_bound_possible(s, at)) {
        s->pruned = true;
        return DRA_STEP_NO;
    }
    for (uint32_t cand = at->start; cand < s->cand_count; cand++) {
        int r = cand_usable(s, ask, cand);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (s->bound && dra_bound_tried(s, depth, dra_bound_class(s, cand), stamp)) {
            s->pruned = true;
            continue;
        }
        r = try_cand(s, at, cand);
        if (r != DRA_STEP_NO)
            return r;
        if (!pruning(s))
            continue;
        dra_bound_try(s, depth, dra_bound_class(s, cand), stamp);
        struct dra_spot rest = *at;
        rest.start = cand + 1;
        if (!proved_late && !dra_bound_possible(s, &rest)) {
            s->pruned = true;
            return DRA_STEP_NO;
        }
        proved_late = true;
    }
    return DRA_STEP_NO;
}

static int step(struct dra_search *s, struct dra_spot at)
{
    s->steps++;
    if (s->steps > s->e->setup.step_limit) {
        return err_set(s->err, -ETIME, "gave up after %llu steps of the search",
                (unsigned long long)s->e->setup.step_limit);
    }
    if (at.claim >= s->claim_count)
        return DRA_STEP_YES;
    struct dra_claim_run *claim = &s->claims[at.claim];
    if (at.request >= claim->claim->request_count) {
        int r = step(s, (struct dra_spot){.claim = at.claim + 1});
        return r == DRA_STEP_MAX ? DRA_STEP_NO : r;
    }
    if (!at.in_sub && claim->claim->requests[at.request].has_subs)
        return try_subs(s, at);
    struct dra_ask_run *ask = dra_ask_at(s, &at);
    bool all = ask->ask->mode == DRA_MODE_ALL;
    if (all && ask->need == 0)
        return DRA_STEP_NO;
    if (at.device >= ask->need)
        return step(s, (struct dra_spot){.claim = at.claim, .request = at.request + 1});
    if (ask->need - at.device > DRA_CLAIM_RESULTS_MAX - (int64_t)claim->pick_count)
        return DRA_STEP_MAX;
    return all ? try_next_of_all(s, at, ask) : try_cands(s, &at, ask);
}

int dra_search_run(struct dra_search *s)
{
    return step(s, (struct dra_spot){0});
}
