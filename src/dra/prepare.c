/* dra/prepare.c - what is checked and laid out before the search.  Pure.
 *
 * Every failure here is fatal for the pod, as upstream: all requests and alternatives are checked
 * in order, also those that the search would never reach. */
#include "dra/search-priv.h"

#include <errno.h>
#include <stdio.h>

__attribute__((format(printf, 4, 5))) static int fail(
        struct dra_search *s, const struct dra_claim *claim, uint32_t request, const char *fmt, ...)
{
    const struct dra_names *n = &s->e->store->names;
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(s->err, -EINVAL, "claim %.*s%s%.*s, request %.*s: %s",
            STR_ARG_SHORT(dra_name(n, claim->namespace_name)), claim->namespace_name ? "/" : "",
            STR_ARG_SHORT(dra_name(n, claim->name)), STR_ARG_SHORT(dra_name(n, request)), text);
}

static int selector_wrap(
        struct dra_search *s, const struct dra_ask_run *ask, uint32_t index, uint32_t cand)
{
    const struct dra_names *n = &s->e->store->names;
    struct str device = dra_name(n, s->cands[cand].device->name);
    const struct dra_claim *claim = s->claims[ask->claim].claim;
    if (index < ask->class_program_count) {
        return err_wrap(s->err, "class %.*s: selector #%u on device %.*s",
                STR_ARG_SHORT(dra_name(n, ask->class->name)), index, STR_ARG_SHORT(device));
    }
    return err_wrap(s->err, "claim %.*s%s%.*s: selector #%u on device %.*s",
            STR_ARG_SHORT(dra_name(n, claim->namespace_name)), claim->namespace_name ? "/" : "",
            STR_ARG_SHORT(dra_name(n, claim->name)), index - ask->class_program_count,
            STR_ARG_SHORT(device));
}

int dra_selectable(struct dra_search *s, struct dra_ask_run *ask, uint32_t cand)
{
    const struct dra_cand *c = &s->cands[cand];
    if (ask->memo[cand])
        return ask->memo[cand] == 2;
    if (!dra_has(s->e, DRA_FEATURE_BINDING) && c->device->extra &&
            c->device->extra->binding.count > 0)
        return 0;
    int r = 1;
    for (uint32_t i = 0; i < ask->program_count && r > 0; i++) {
        r = dra_program_verdict(s->e, ask->programs[i], c->device, c->slice->driver, s->err);
        if (r < 0) {
            (void)selector_wrap(s, ask, i, cand);
            return r;
        }
    }
    if (r > 0 && c->slice->per_device) {
        r = dra_device_on_node(&s->e->store->names, s->node, c->device, s->err);
        if (r < 0)
            return r;
    }
    ask->memo[cand] = r > 0 ? 2 : 1;
    return r > 0;
}

static void lay_out_candidates(struct dra_search *s)
{
    const struct dra_view *view = s->view;
    s->cands = ARENA_ARRAY(s->arena, struct dra_cand, view->device_count);
    s->pool_first = ARENA_ARRAY(s->arena, uint32_t, view->pool_count + 1);
    s->pools = ARENA_ARRAY(s->arena, struct dra_pool_run, view->pool_count);
    for (uint32_t p = 0; p < view->pool_count; p++) {
        const struct dra_pool_view *pool = &view->pools[p];
        s->pool_first[p] = s->cand_count;
        if (pool->incomplete || pool->invalid)
            continue;
        for (uint32_t i = 0; i < pool->slice_count; i++) {
            for (uint32_t d = 0; d < pool->slices[i]->device_count; d++) {
                s->cands[s->cand_count++] =
                        (struct dra_cand){.device = &pool->slices[i]->devices[d],
                                .slice = pool->slices[i],
                                .pool = p};
            }
        }
    }
    s->pool_first[view->pool_count] = s->cand_count;
    s->in_use = ARENA_ARRAY(s->arena, uint64_t, s->cand_count);
    s->shares = ARENA_ARRAY(s->arena, uint32_t, s->cand_count);
    s->allocating = ARENA_ARRAY(s->arena, struct quantity *, s->cand_count);
}

/* Whether the ask's result counts under a constraint: by "request" or "request/alternative". */
static bool constraint_applies(
        struct dra_search *s, const struct dra_constraint *c, const struct dra_ask_run *ask)
{
    const struct dra_names *n = &s->e->store->names;
    if (c->requests.count == 0)
        return true;
    struct str request = dra_name(n, ask->request->name);
    struct str sub = dra_name(n, ask->ask->name);
    for (uint32_t i = 0; i < c->requests.count; i++) {
        struct str text = dra_name(n, c->requests.names[i]);
        if (str_eq(text, request))
            return true;
        if (ask->request->has_subs && text.len == request.len + 1 + sub.len &&
                str_starts(text, request) && text.ptr[request.len] == '/' && str_ends(text, sub))
            return true;
    }
    return false;
}

static void programs_fill(struct dra_search *s, struct dra_ask_run *ask)
{
    ask->class_program_count = ask->class->selector_count;
    ask->program_count = ask->class->selector_count + ask->ask->selector_count;
    ask->programs = ARENA_ARRAY(s->arena, uint32_t, ask->program_count);
    for (uint32_t i = 0; i < ask->program_count; i++) {
        const struct dra_selector *selector =
                i < ask->class_program_count ? &ask->class->selectors[i]
                                             : &ask->ask->selectors[i - ask->class_program_count];
        ask->programs[i] = dra_program_get(s->e, selector->text, true);
    }
}

/* Mode All: every device that the request selects, in the order of the search. */
static int collect_all(struct dra_search *s, const struct dra_claim *claim, struct dra_ask_run *ask)
{
    ask->all = ARENA_ARRAY(s->arena, uint32_t, s->cand_count);
    for (uint32_t p = 0; p < s->view->pool_count; p++) {
        const struct dra_pool_view *pool = &s->view->pools[p];
        if (pool->incomplete || pool->invalid) {
            return fail(s, claim, ask->ask->name,
                    "asks for all devices, but resource pool %.*s/%.*s is currently %s",
                    STR_ARG_SHORT(dra_name(&s->e->store->names, pool->slices[0]->driver)),
                    STR_ARG_SHORT(dra_name(&s->e->store->names, pool->slices[0]->pool)),
                    pool->incomplete ? "being updated" : "invalid");
        }
        for (uint32_t i = s->pool_first[p]; i < s->pool_first[p + 1]; i++) {
            int r = dra_selectable(s, ask, i);
            if (r > 0 && dra_has(s->e, DRA_FEATURE_CONSUMABLE)) {
                struct dra_capacity_check check = {.capacities = s->cands[i].device->capacities,
                        .requests = ask->ask->capacities,
                        .request_count = ask->ask->capacity_count,
                        .fractional = dra_has(s->e, DRA_FEATURE_FRACTIONAL)};
                r = dra_capacity_fits(&check, s->err);
            }
            if (r < 0)
                return r;
            if (r > 0)
                ask->all[ask->need++] = i;
        }
    }
    return 0;
}

static int ask_check(struct dra_search *s, const struct dra_claim *claim, struct dra_ask_run *ask)
{
    if (ask->ask->derived_count > 0 && !dra_has(s->e, DRA_FEATURE_DERIVED)) {
        return fail(s, claim, ask->ask->name,
                "cannot handle request with derived attributes, the feature is disabled");
    }
    for (uint32_t i = 0; i < ask->ask->selector_count; i++) {
        if (!ask->ask->selectors[i].has_cel) {
            return fail(
                    s, claim, ask->ask->name, "CEL expression empty (unsupported selector type?)");
        }
    }
    if (ask->ask->has_admin && !dra_has(s->e, DRA_FEATURE_ADMIN_ACCESS)) {
        return fail(
                s, claim, ask->ask->name, "admin access is requested, but the feature is disabled");
    }
    if (ask->ask->class_name == 0) {
        return fail(
                s, claim, ask->ask->name, "missing device class name (unsupported request type?)");
    }
    ask->class = dra_class_find(s->e->store, ask->ask->class_name);
    if (!ask->class) {
        return fail(s, claim, ask->ask->name, "could not retrieve device class %.*s: not found",
                STR_ARG_SHORT(dra_name(&s->e->store->names, ask->ask->class_name)));
    }
    for (uint32_t i = 0; i < ask->class->selector_count; i++) {
        if (!ask->class->selectors[i].has_cel)
            return fail(s, claim, ask->ask->name, "its class has a selector without CEL");
    }
    if (ask->ask->mode == DRA_MODE_OTHER) {
        return fail(s, claim, ask->ask->name, "unsupported count mode %.*s",
                STR_ARG_SHORT(dra_name(&s->e->store->names, ask->ask->mode_text)));
    }
    return 0;
}

static int prepare_ask(struct dra_search *s, struct dra_ask_run *ask)
{
    const struct dra_claim *claim = s->claims[ask->claim].claim;
    int r = ask_check(s, claim, ask);
    if (r)
        return r;
    ask->memo = ARENA_ARRAY(s->arena, uint8_t, s->cand_count);
    programs_fill(s, ask);
    for (uint32_t i = 0; i < claim->constraint_count; i++) {
        if (constraint_applies(s, &claim->constraints[i], ask))
            ask->constraints |= UINT64_C(1) << i;
    }
    if (ask->ask->mode == DRA_MODE_ALL)
        return collect_all(s, claim, ask);
    ask->need = ask->ask->count;
    return 0;
}

static int capacity_disabled(struct dra_search *s, const struct dra_claim *claim,
        const struct dra_request *request, const struct dra_ask *ask)
{
    const struct dra_names *n = &s->e->store->names;
    return err_set(s->err, -EINVAL,
            "claim %.*s%s%.*s, %s %.*s: has capacity requests, but the DRAConsumableCapacity "
            "feature is disabled",
            STR_ARG_SHORT(dra_name(n, claim->namespace_name)), claim->namespace_name ? "/" : "",
            STR_ARG_SHORT(dra_name(n, claim->name)), request->has_subs ? "subrequest" : "request",
            STR_ARG_SHORT(dra_name(n, ask->name)));
}

/* One request and its alternatives; *ret_least gets the fewest devices it can have. */
static int prepare_request(
        struct dra_search *s, uint32_t claim_index, uint32_t index, int64_t *ret_least)
{
    struct dra_claim_run *run = &s->claims[claim_index];
    const struct dra_request *request = &run->claim->requests[index];
    if (request->has_subs && !dra_has(s->e, DRA_FEATURE_PRIORITIZED)) {
        return fail(s, run->claim, request->name,
                "has subrequests, but the DRAPrioritizedList feature is disabled");
    }
    for (uint32_t i = 0; i < request->ask_count; i++) {
        if (request->asks[i].has_capacity && !dra_has(s->e, DRA_FEATURE_CONSUMABLE))
            return capacity_disabled(s, run->claim, request, &request->asks[i]);
    }
    run->requests[index] =
            (struct dra_request_run){.first = s->ask_count, .count = request->ask_count};
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < request->ask_count; i++) {
        struct dra_ask_run *ask = &s->asks[s->ask_count];
        *ask = (struct dra_ask_run){.ask = &request->asks[i],
                .request = request,
                .claim = claim_index,
                .request_index = index,
                .sub = i};
        int r = prepare_ask(s, ask);
        if (r)
            return r;
        s->ask_count++;
        least = ask->need < least ? ask->need : least;
    }
    *ret_least = least;
    return 0;
}

static int prepare_constraints(struct dra_search *s, struct dra_claim_run *run)
{
    uint32_t count = run->claim->constraint_count;
    run->constraints = ARENA_ARRAY(s->arena, struct dra_constraint_run, count);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_constraint_run *c = &run->constraints[i];
        c->constraint = &run->claim->constraints[i];
        if (c->constraint->kind == DRA_CONSTRAINT_NONE) {
            return err_set(s->err, -EINVAL,
                    "claim %.*s, constraint #%u: empty constraint (unsupported constraint type?)",
                    STR_ARG_SHORT(dra_name(&s->e->store->names, run->claim->name)), i);
        }
        c->values = ARENA_ARRAY(s->arena, struct cel_value, DRA_CLAIM_RESULTS_MAX + 1);
        if (dra_has(s->e, DRA_FEATURE_LISTS))
            c->sets = ARENA_ARRAY(s->arena, struct dra_value_set, DRA_CLAIM_RESULTS_MAX + 1);
    }
    return 0;
}

static int prepare_claim(struct dra_search *s, uint32_t index)
{
    struct dra_claim_run *run = &s->claims[index];
    int64_t total = 0;
    run->requests = ARENA_ARRAY(s->arena, struct dra_request_run, run->claim->request_count);
    run->picks = ARENA_ARRAY(s->arena, struct dra_picked, DRA_CLAIM_RESULTS_MAX);
    for (uint32_t i = 0; i < run->claim->request_count; i++) {
        int64_t least = 0;
        int r = prepare_request(s, index, i, &least);
        if (r)
            return r;
        if (least > DRA_CLAIM_RESULTS_MAX - total) {
            return fail(s, run->claim, run->claim->requests[i].name,
                    "exceeds the claim limit of 32 devices");
        }
        total += least;
    }
    return prepare_constraints(s, run);
}

int dra_search_prepare(struct dra_search *s, const struct dra_input *input)
{
    uint32_t asks = 0;
    if (input->claim_count > DRA_RUN_CLAIMS_MAX)
        return err_set(s->err, -ENOTSUP, "more than %d claims", DRA_RUN_CLAIMS_MAX);
    for (uint32_t c = 0; c < input->claim_count; c++) {
        if (input->claims[c]->constraint_count > DRA_CONSTRAINTS_MAX)
            return err_set(s->err, -ENOTSUP, "more than %d constraints", DRA_CONSTRAINTS_MAX);
        for (uint32_t i = 0; i < input->claims[c]->request_count; i++)
            asks += input->claims[c]->requests[i].ask_count;
    }
    s->view = dra_view_get(s->e, s->node);
    if (s->view->code)
        return err_set(s->err, s->view->code, "%s", s->view->error);
    lay_out_candidates(s);
    s->asks = ARENA_ARRAY(s->arena, struct dra_ask_run, asks);
    s->claims = ARENA_ARRAY(s->arena, struct dra_claim_run, input->claim_count);
    s->claim_count = input->claim_count;
    for (uint32_t c = 0; c < input->claim_count; c++) {
        s->claims[c].claim = input->claims[c];
        int r = prepare_claim(s, c);
        if (r)
            return r;
    }
    return 0;
}
