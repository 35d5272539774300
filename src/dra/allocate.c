/* dra/allocate.c - one call of the allocator, and what it answers.  Pure. */
#include "dra/search-priv.h"

#include "base/prng.h"

#include <errno.h>
#include <stdio.h>

/* A UUID of version 4 from the seed and a counter: the same run gives the same ids. */
static void share_id(struct dra_engine *e, char *ret_text)
{
    uint64_t hi = prng_mix(e->setup.seed, ++e->share_count);
    uint64_t lo = prng_mix(hi, e->share_count);
    (void)snprintf(ret_text, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(hi >> 32),
            (unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xfff),
            (unsigned)(lo >> 48 & 0x3fff) | 0x8000, (unsigned long long)(lo & 0xffffffffffffULL));
}

static void pick_fill(struct dra_search *s, const struct dra_picked *picked, struct arena *arena,
        struct dra_pick *ret)
{
    const struct dra_cand *c = &s->cands[picked->cand];
    const struct dra_ask_run *ask = &s->asks[picked->ask];
    *ret = (struct dra_pick){.slice = c->slice,
            .device = c->device,
            .request = ask->request_index,
            .ask = ask->sub,
            .shared = picked->shared};
    if (s->e->setup.variant == DRA_VARIANT_EXPERIMENTAL)
        ret->skip_operations = c->slice->skip_operations;
    if (dra_has(s->e, DRA_FEATURE_BINDING) && c->device->extra) {
        ret->binding = c->device->extra->binding;
        ret->binding_failure = c->device->extra->binding_failure;
    }
    if (!picked->shared)
        return;
    share_id(s->e, ret->share_id);
    uint32_t count = c->device->capacities ? c->device->capacities->count : 0;
    struct dra_consumed *consumed = ARENA_ARRAY(arena, struct dra_consumed, count);
    for (uint32_t i = 0; i < count; i++) {
        consumed[i] = (struct dra_consumed){
                .name = c->device->capacities->items[i].name, .value = picked->consumed[i]};
    }
    ret->consumed = consumed;
    ret->consumed_count = count;
}

/* "r", or "r/s" of the alternative that was chosen. */
static struct str chosen_name(struct dra_search *s, const struct dra_claim_run *run,
        uint32_t request, struct arena *arena)
{
    const struct dra_names *n = &s->e->store->names;
    const struct dra_request *r = &run->claim->requests[request];
    if (!r->has_subs)
        return dra_name(n, r->name);
    const struct dra_ask *ask = &r->asks[run->requests[request].chosen];
    return str_from(arena_printf(
            arena, "%.*s/%.*s", STR_ARG(dra_name(n, r->name)), STR_ARG(dra_name(n, ask->name))));
}

static bool names_have(const struct str *names, uint32_t count, struct str name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (str_eq(names[i], name))
            return true;
    }
    return false;
}

/* The configurations of the chosen classes, each once, with the requests that use it. */
static uint32_t class_configs(struct dra_search *s, const struct dra_claim_run *run,
        struct arena *arena, struct dra_result_config *configs)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < run->claim->request_count; r++) {
        const struct dra_request_run *request = &run->requests[r];
        const struct dra_class *class = s->asks[request->first + request->chosen].class;
        uint32_t from = 0;
        while (from < r) {
            const struct dra_request_run *other = &run->requests[from];
            if (s->asks[other->first + other->chosen].class->name == class->name)
                break;
            from++;
        }
        if (from < r)
            continue;
        struct str *names = ARENA_ARRAY(arena, struct str, run->claim->request_count);
        uint32_t name_count = 0;
        for (uint32_t k = r; k < run->claim->request_count; k++) {
            const struct dra_request_run *other = &run->requests[k];
            if (s->asks[other->first + other->chosen].class->name == class->name)
                names[name_count++] = chosen_name(s, run, k, arena);
        }
        for (uint32_t i = 0; i < class->config_count; i++) {
            configs[count++] = (struct dra_result_config){.from_class = true,
                    .config = &class->configs[i],
                    .request_count = name_count,
                    .requests = names};
        }
    }
    return count;
}

/* True when the list names the request, or the alternative of it that was chosen. */
static bool names_cover(struct dra_search *s, const struct dra_claim_run *run, uint32_t request,
        const struct dra_result_config *config, struct arena *arena)
{
    struct str name = dra_name(&s->e->store->names, run->claim->requests[request].name);
    return names_have(config->requests, config->request_count, name) ||
           (run->claim->requests[request].has_subs &&
                   names_have(config->requests, config->request_count,
                           chosen_name(s, run, request, arena)));
}

static void claim_configs(struct dra_search *s, const struct dra_claim_run *run,
        struct arena *arena, struct dra_allocation *ret)
{
    uint32_t most = run->claim->config_count;
    for (uint32_t r = 0; r < run->claim->request_count; r++)
        most += s->asks[run->requests[r].first + run->requests[r].chosen].class->config_count;
    struct dra_result_config *configs = ARENA_ARRAY(arena, struct dra_result_config, most);
    uint32_t count = class_configs(s, run, arena, configs);
    for (uint32_t i = 0; i < run->claim->config_count; i++) {
        const struct dra_config *config = &run->claim->configs[i];
        struct str *names = ARENA_ARRAY(arena, struct str, config->requests.count);
        for (uint32_t k = 0; k < config->requests.count; k++)
            names[k] = dra_name(&s->e->store->names, config->requests.names[k]);
        struct dra_result_config *to = &configs[count];
        *to = (struct dra_result_config){
                .config = config, .request_count = config->requests.count, .requests = names};
        bool used = config->requests.count == 0;
        for (uint32_t r = 0; r < run->claim->request_count && !used; r++)
            used = names_cover(s, run, r, to, arena);
        count += used;
    }
    /* A list that names every request says the same as no list. */
    for (uint32_t i = 0; i < count; i++) {
        bool all = true;
        for (uint32_t r = 0; r < run->claim->request_count && all; r++)
            all = names_cover(s, run, r, &configs[i], arena);
        if (all)
            configs[i].request_count = 0;
    }
    ret->configs = configs;
    ret->config_count = count;
}

static bool list_equal_as_set(struct dra_name_list a, struct dra_name_list b)
{
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < a.count; i++) {
            uint32_t k = 0;
            while (k < b.count && b.names[k] != a.names[i])
                k++;
            if (k == b.count)
                return false;
        }
        struct dra_name_list other = a;
        a = b;
        b = other;
    }
    return true;
}

static void requirements_merge(const struct dra_requirement *from, uint32_t count,
        struct dra_requirement *to, uint32_t *to_count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = 0;
        while (k < *to_count &&
                !(to[k].key == from[i].key && to[k].operator_text == from[i].operator_text &&
                        list_equal_as_set(to[k].values, from[i].values)))
            k++;
        if (k == *to_count)
            to[(*to_count)++] = from[i];
    }
}

static const struct dra_node_selector *pick_selector(const struct dra_pick *pick)
{
    if (!pick->slice->per_device)
        return pick->slice->selector;
    return pick->device->extra ? pick->device->extra->selector : NULL;
}

static bool pick_local(const struct dra_pick *pick)
{
    const struct dra_device_extra *x = pick->device->extra;
    if (x && x->binds_to_node)
        return true;
    return pick->slice->per_device ? x && x->has_node_name : pick->slice->has_node_name;
}

/* Where the allocation may be used: this node, or where all its devices can be reached. */
static int node_selector(struct dra_search *s, struct arena *arena, struct dra_allocation *ret)
{
    uint32_t fields = 0;
    uint32_t expressions = 0;
    for (uint32_t i = 0; i < ret->pick_count; i++) {
        const struct dra_node_selector *selector = pick_selector(&ret->picks[i]);
        if (pick_local(&ret->picks[i])) {
            ret->one_node = true;
            return 0;
        }
        if (selector && selector->term_count > 1) {
            return err_set(s->err, -EINVAL, "unsupported ResourceSlice.NodeSelector with %u terms",
                    selector->term_count);
        }
        if (selector && selector->term_count == 1) {
            fields += selector->terms[0].field_count;
            expressions += selector->terms[0].expression_count;
        }
    }
    if (fields + expressions == 0)
        return 0;
    struct dra_node_selector *merged = ARENA_NEW(arena, struct dra_node_selector);
    struct dra_term *term = ARENA_NEW(arena, struct dra_term);
    struct dra_requirement *field_items = ARENA_ARRAY(arena, struct dra_requirement, fields);
    struct dra_requirement *items = ARENA_ARRAY(arena, struct dra_requirement, expressions);
    for (uint32_t i = 0; i < ret->pick_count; i++) {
        const struct dra_node_selector *selector = pick_selector(&ret->picks[i]);
        if (!selector || selector->term_count == 0)
            continue;
        const struct dra_term *from = &selector->terms[0];
        requirements_merge(from->fields, from->field_count, field_items, &term->field_count);
        requirements_merge(
                from->expressions, from->expression_count, items, &term->expression_count);
    }
    term->fields = field_items;
    term->expressions = items;
    merged->term_count = 1;
    merged->terms = term;
    ret->selector = merged;
    return 0;
}

int dra_search_result(struct dra_search *s, struct arena *arena, struct dra_result *ret_result)
{
    struct dra_allocation *allocations = ARENA_ARRAY(arena, struct dra_allocation, s->claim_count);
    for (uint32_t c = 0; c < s->claim_count; c++) {
        const struct dra_claim_run *run = &s->claims[c];
        struct dra_pick *picks = ARENA_ARRAY(arena, struct dra_pick, run->pick_count);
        for (uint32_t i = 0; i < run->pick_count; i++)
            pick_fill(s, &run->picks[i], arena, &picks[i]);
        allocations[c].picks = picks;
        allocations[c].pick_count = run->pick_count;
        claim_configs(s, run, arena, &allocations[c]);
        int r = node_selector(s, arena, &allocations[c]);
        if (r)
            return r;
    }
    ret_result->allocations = allocations;
    return 0;
}

static enum dra_outcome failed(int code)
{
    return code == -ENOTSUP || code == -E2BIG || code == -ETIME ? DRA_OUTCOME_UNSUPPORTED
                                                                : DRA_OUTCOME_ERROR;
}

static enum dra_outcome not_found(struct dra_search *s)
{
    for (uint32_t p = 0; p < s->view->pool_count; p++) {
        const struct dra_pool_view *pool = &s->view->pools[p];
        if (!pool->invalid)
            continue;
        const struct dra_names *n = &s->e->store->names;
        (void)err_set(s->err, -EINVAL, "invalid resource pools were encountered: %.*s/%.*s: %s",
                STR_ARG_SHORT(dra_name(n, pool->slices[0]->driver)),
                STR_ARG_SHORT(dra_name(n, pool->slices[0]->pool)), pool->reason);
        return DRA_OUTCOME_NODE_ERROR;
    }
    return DRA_OUTCOME_NO_FIT;
}

static enum dra_outcome allocate(struct dra_search *s, const struct dra_input *input,
        struct arena *arena, struct dra_result *ret_result)
{
    unsigned beyond = s->e->setup.features & ~dra_variant_features(s->e->setup.variant);
    if (beyond) {
        (void)err_set(s->err, -EINVAL,
                "internal error: no allocator available for feature set, enabled allocators: %s",
                dra_variant_name(s->e->setup.variant));
        return DRA_OUTCOME_ERROR;
    }
    int r = dra_search_prepare(s, input);
    if (r)
        return failed(r);
    r = dra_search_run(s);
    if (r < 0)
        return failed(r);
    if (r != DRA_STEP_YES)
        return not_found(s);
    r = dra_search_result(s, arena, ret_result);
    return r ? failed(r) : DRA_OUTCOME_ALLOCATED;
}

enum dra_outcome dra_allocate(struct dra_engine *e, const struct dra_input *input,
        struct arena *arena, struct dra_result *ret_result, struct err *reterr)
{
    struct err ignored = {0};
    if (e->program_count > DRA_PROGRAMS_MAX)
        dra_programs_clear(e);
    arena_reset(e->scratch);
    struct dra_search s = {
            .e = e, .node = input->node, .arena = e->scratch, .err = reterr ? reterr : &ignored};
    *ret_result = (struct dra_result){0};
    ret_result->outcome = allocate(&s, input, arena, ret_result);
    ret_result->steps = s.steps;
    ret_result->pruned = s.pruned;
    mem_free(s.saves);
    mem_free(s.derived_values);
    map_u64_clear(&s.derived);
    return ret_result->outcome;
}
