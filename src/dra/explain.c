/* dra/explain.c - the funnel.  Pure.
 *
 * Every check is asked of every device, also of those that an earlier one stopped: so the nearest
 * miss can be named.  What the checks do together is found by trying: the claim without one of its
 * constraints or requests. */
#include "dra/explain.h"

#include "dra/emit.h"
#include "dra/search-priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FIXES_MAX = 64, NOTES_MAX = 128, TRIAL_STEPS = 200000 };

struct explain {
    struct dra_ask_run *ask; /* the request at hand, and its checks */
    struct dra_stage *stages;
    uint32_t stage_count;
    struct dra_search *s;
    struct arena *arena;
    struct dra_engine *e;
    const char **notes;
    uint32_t note_count;
};

/* What one check says of one device. */
struct finding {
    bool passed, fatal;
    const char *why, *fix;
};

const char *dra_stage_name(enum dra_stage_kind kind)
{
    static const char *const names[DRA_STAGE_COUNT] = {
            [DRA_STAGE_FREE] = "free",
            [DRA_STAGE_CLASS] = "class selector",
            [DRA_STAGE_SELECTOR] = "selector",
            [DRA_STAGE_NODE] = "device on node",
            [DRA_STAGE_CAPACITY] = "capacity",
            [DRA_STAGE_COUNTERS] = "counters",
            [DRA_STAGE_TAINTS] = "taints",
            [DRA_STAGE_CONSTRAINT] = "constraint attribute",
    };
    return names[kind];
}

static const struct dra_names *names_of(const struct explain *x)
{
    return &x->e->store->names;
}

static const char *text_of(const struct explain *x, uint32_t name)
{
    return arena_printf(x->arena, "%.*s", STR_ARG(dra_name(names_of(x), name)));
}

static const char *device_text(const struct explain *x, uint32_t cand)
{
    const struct dra_cand *c = &x->s->cands[cand];
    return arena_printf(x->arena, "%.*s/%.*s/%.*s",
            STR_ARG(dra_name(names_of(x), c->slice->driver)),
            STR_ARG(dra_name(names_of(x), c->slice->pool)),
            STR_ARG(dra_name(names_of(x), c->device->name)));
}

/* The claim that holds a device, or NULL. */
static const struct dra_claim *holder(const struct explain *x, const struct dra_cand *c)
{
    const struct dra_store *s = x->e->store;
    for (uint32_t i = 0; i < s->claims.count; i++) {
        const struct dra_claim *claim = dra_claim_at(s, i);
        for (uint32_t k = 0; k < claim->allocated_count; k++) {
            if (claim->allocated[k].device == c->device->name &&
                    claim->allocated[k].pool == c->slice->pool &&
                    claim->allocated[k].driver == c->slice->driver)
                return claim;
        }
    }
    return NULL;
}

static void check_free(
        struct explain *x, const struct dra_ask_run *ask, uint32_t cand, struct finding *f)
{
    const struct dra_cand *c = &x->s->cands[cand];
    f->passed = ask->ask->admin || !(x->e->taken[c->device->ident] & DRA_TAKEN);
    if (f->passed)
        return;
    const struct dra_claim *by = holder(x, c);
    f->why = by ? arena_printf(x->arena, "held by claim %s/%s", text_of(x, by->namespace_name),
                          text_of(x, by->name))
                : "held by another claim";
    f->fix = arena_printf(x->arena, "free it: it is %s", f->why);
}

/* Expressions fit on a line. */
static const char *short_text(const struct explain *x, struct str text)
{
    return text.len <= 100 ? arena_printf(x->arena, "%.*s", STR_ARG(text))
                           : arena_printf(x->arena, "%.*s...", 97, text.ptr);
}

static void check_program(struct explain *x, uint32_t program, uint32_t cand, struct finding *f)
{
    const struct dra_cand *c = &x->s->cands[cand];
    struct err err = {0};
    int r = dra_program_verdict(x->e, program, c->device, c->slice->driver, &err);
    f->passed = r > 0;
    if (f->passed)
        return;
    f->fatal = r < 0;
    f->why = arena_printf(x->arena, "%s", err.text);
    f->fix = f->why;
    const struct cel_program *p = x->e->programs[program].program;
    if (!p || c->device->poisoned)
        return;
    struct dra_device_view view;
    struct arena *a = arena_new(64 << 20);
    struct cel_reason reason;
    dra_device_view_init(&view, names_of(x), c->device, c->slice->driver, a);
    struct cel_value vars[1] = {dra_device_value(&view)};
    struct cel_run run = {.vars = vars, .arena = a, .cost_limit = DRA_SELECTOR_COST_MAX};
    if (cel_explain(p, &run, &reason, &err)) {
        struct str text = cel_program_text(p);
        struct str part = {text.ptr + reason.start, reason.end - reason.start};
        f->why = arena_printf(x->arena, "%s is %s: %s", short_text(x, part),
                f->fatal ? "an error" : "false", f->fatal ? err.text : reason.values);
        f->fix = arena_printf(x->arena, "%s would have to hold: %s", short_text(x, part),
                reason.values ? reason.values : err.text);
    }
    (void)arena_free(a);
}

static void check_node(struct explain *x, uint32_t cand, struct finding *f)
{
    const struct dra_cand *c = &x->s->cands[cand];
    bool binding = c->device->extra && c->device->extra->binding.count > 0;
    if (binding && !dra_has(x->e, DRA_FEATURE_BINDING)) {
        f->why = "has binding conditions, and their feature is off";
        f->fix = f->why;
        return;
    }
    f->passed = !c->slice->per_device ||
                dra_device_on_node(names_of(x), x->s->node, c->device, NULL) > 0;
    f->why = "its nodeName, nodeSelector or allNodes leaves the node out";
    f->fix = f->why;
}

static void check_capacity(
        struct explain *x, const struct dra_ask_run *ask, uint32_t cand, struct finding *f)
{
    const struct dra_device *device = x->s->cands[cand].device;
    struct err err = {0};
    struct err *kept = x->s->err;
    x->s->err = &err;
    int r = dra_has(x->e, DRA_FEATURE_CONSUMABLE) ? dra_cand_capacity(x->s, ask, cand) : 1;
    x->s->err = kept;
    f->passed = r > 0;
    f->fatal = r < 0;
    if (f->passed)
        return;
    struct buf text = BUF_INIT(4096);
    for (uint32_t i = 0; i < ask->ask->capacity_count; i++) {
        char asked[QUANTITY_TEXT_MAX];
        char has[QUANTITY_TEXT_MAX] = "none";
        const struct dra_capacity_request *q = &ask->ask->capacities[i];
        (void)quantity_text(&q->value, asked);
        for (uint32_t k = 0; device->capacities && k < device->capacities->count; k++) {
            if (device->capacities->items[k].name == q->name)
                (void)quantity_text(&device->capacities->items[k].value, has);
        }
        buf_printf(&text, "%s%.*s: asks %s, has %s", i ? "; " : "",
                STR_ARG(dra_name(names_of(x), q->name)), asked, has);
    }
    const struct dra_usage *used = dra_usage_find(x->e, device->ident);
    for (uint32_t i = 0; used && i < used->count; i++) {
        char taken[QUANTITY_TEXT_MAX];
        (void)quantity_text(&used->items[i].value, taken);
        buf_printf(&text, "%s%.*s: %s taken by shares", text.len ? "; " : "",
                STR_ARG(dra_name(names_of(x), used->items[i].name)), taken);
    }
    f->why = r < 0 ? arena_printf(x->arena, "%s", err.text)
                   : arena_printf(x->arena, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
    f->fix = arena_printf(x->arena, "ask for less, or free shares (%s)", f->why);
    buf_clear(&text);
}

static const char *nano_text(struct explain *x, __int128 nano)
{
    char text[QUANTITY_TEXT_MAX];
    struct quantity q = {.value = nano, .exponent = -9};
    if (nano % 1000000000 == 0)
        q = (struct quantity){.value = nano / 1000000000};
    if (q.exponent == 0 && q.value != 0 && q.value % 1024 == 0)
        q.format = QUANTITY_BINARY_SI;
    (void)quantity_text(&q, text);
    return arena_printf(x->arena, "%s", text);
}

static void check_counters(struct explain *x, uint32_t cand, struct finding *f)
{
    const struct dra_cand *c = &x->s->cands[cand];
    f->passed = true;
    if (c->device->consumption_count == 0 ||
            (dra_cand_shareable(x->s, cand) && (x->e->taken[c->device->ident] & DRA_TAKEN_SHARED)))
        return;
    struct dra_pool_view *view = &x->s->view->pools[c->pool];
    dra_pool_refresh(x->e, view);
    for (uint32_t k = 0; k < c->device->consumption_count; k++) {
        const struct dra_consumption *use = &c->device->consumptions[k];
        uint32_t index = 0;
        uint32_t first = dra_pool_set(view, use->set, &index);
        const struct dra_counters *have = view->sets[index]->counters;
        uint32_t at = 0;
        for (uint32_t i = 0; use->counters && i < use->counters->count; i++) {
            while (have->items[at].name != use->counters->items[i].name)
                at++;
            if (view->available[first + at] >= use->counters->items[i].nano)
                continue;
            f->passed = false;
            f->why = arena_printf(x->arena, "counter %s of set %s: needs %s, %s left of %s",
                    text_of(x, have->items[at].name), text_of(x, use->set),
                    nano_text(x, use->counters->items[i].nano),
                    nano_text(x, view->available[first + at]), nano_text(x, have->items[at].nano));
            f->fix = arena_printf(
                    x->arena, "free devices of its set %s (%s)", text_of(x, use->set), f->why);
            return;
        }
    }
}

static void check_taints(
        struct explain *x, const struct dra_ask_run *ask, uint32_t cand, struct finding *f)
{
    const struct dra_device *device = x->s->cands[cand].device;
    f->passed = !dra_has(x->e, DRA_FEATURE_TAINTS) || !dra_taints_block(device, ask->ask);
    for (uint32_t i = 0; !f->passed && i < device->extra->taint_count; i++) {
        struct dra_device_extra one = {.taint_count = 1, .taints = &device->extra->taints[i]};
        struct dra_device tainted = {.extra = &one};
        if (!dra_taints_block(&tainted, ask->ask))
            continue;
        f->why = arena_printf(x->arena, "taint %s=%s:%s is not tolerated",
                text_of(x, one.taints->key), text_of(x, one.taints->value),
                text_of(x, one.taints->effect_text));
        f->fix = arena_printf(x->arena, "add a toleration: %s", f->why);
        return;
    }
}

static void check_constraint(struct explain *x, const struct dra_ask_run *ask, uint32_t constraint,
        uint32_t cand, struct finding *f)
{
    const struct dra_constraint *c = &x->s->claims[ask->claim].claim->constraints[constraint];
    struct cel_value value = {0};
    struct err err = {0};
    struct err *kept = x->s->err;
    x->s->err = &err;
    int r = dra_constraint_value(x->s, c, ask, cand, &value);
    x->s->err = kept;
    f->passed = r > 0;
    f->fatal = r < 0;
    f->why = r < 0 ? arena_printf(x->arena, "%s", err.text) : "the device does not have it";
    f->fix =
            arena_printf(x->arena, "the driver would have to publish %s", text_of(x, c->attribute));
}

/* The checks of one request, as stages without counts. */
static uint32_t stages_list(
        struct explain *x, const struct dra_ask_run *ask, struct dra_stage *stages)
{
    uint32_t count = 0;
    stages[count++] = (struct dra_stage){.kind = DRA_STAGE_FREE, .text = ""};
    for (uint32_t i = 0; i < ask->program_count; i++) {
        bool of_class = i < ask->class_program_count;
        uint32_t text = of_class ? ask->class->selectors[i].text
                                 : ask->ask->selectors[i - ask->class_program_count].text;
        stages[count++] = (struct dra_stage){
                .kind = of_class ? DRA_STAGE_CLASS : DRA_STAGE_SELECTOR, .text = text_of(x, text)};
    }
    stages[count++] = (struct dra_stage){.kind = DRA_STAGE_NODE, .text = ""};
    stages[count++] = (struct dra_stage){.kind = DRA_STAGE_CAPACITY, .text = ""};
    stages[count++] = (struct dra_stage){.kind = DRA_STAGE_COUNTERS, .text = ""};
    stages[count++] = (struct dra_stage){.kind = DRA_STAGE_TAINTS, .text = ""};
    const struct dra_claim *claim = x->s->claims[ask->claim].claim;
    for (uint32_t i = 0; i < claim->constraint_count; i++) {
        if (ask->constraints >> i & 1) {
            stages[count++] = (struct dra_stage){.kind = DRA_STAGE_CONSTRAINT,
                    .text = text_of(x, claim->constraints[i].attribute)};
        }
    }
    return count;
}

static void check(struct explain *x, uint32_t stage, uint32_t cand, struct finding *f)
{
    const struct dra_ask_run *ask = x->ask;
    const struct dra_stage *stages = x->stages;
    uint32_t constraint = 0;
    uint32_t nth = 0;
    *f = (struct finding){.why = "", .fix = ""};
    switch (stages[stage].kind) {
    case DRA_STAGE_FREE:
        check_free(x, ask, cand, f);
        return;
    case DRA_STAGE_CLASS:
    case DRA_STAGE_SELECTOR:
        check_program(x, ask->programs[stage - 1], cand, f);
        return;
    case DRA_STAGE_NODE:
        check_node(x, cand, f);
        return;
    case DRA_STAGE_CAPACITY:
        check_capacity(x, ask, cand, f);
        return;
    case DRA_STAGE_COUNTERS:
        check_counters(x, cand, f);
        return;
    case DRA_STAGE_TAINTS:
        check_taints(x, ask, cand, f);
        return;
    case DRA_STAGE_CONSTRAINT:
        /* The n-th stage of constraints is the n-th bit that is set. */
        for (uint32_t i = stage; i > 0 && stages[i - 1].kind == DRA_STAGE_CONSTRAINT; i--)
            nth++;
        while (!(ask->constraints >> constraint & 1) || nth-- > 0)
            constraint++;
        check_constraint(x, ask, constraint, cand, f);
        return;
    case DRA_STAGE_COUNT:
        return;
    }
}

/* One device through all stages; fills what the nearest miss needs. */
static uint32_t device_through(struct explain *x, uint32_t cand, const char **fixes)
{
    struct dra_stage *stages = x->stages;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < x->stage_count; i++) {
        struct finding f;
        check(x, i, cand, &f);
        if (f.passed) {
            stages[i].left += failed == 0;
            continue;
        }
        if (failed == 0 && !stages[i].device) {
            stages[i].device = device_text(x, cand);
            stages[i].why = f.why;
            stages[i].fatal = f.fatal;
        }
        if (failed < FIXES_MAX)
            fixes[failed] = arena_printf(x->arena, "%s: %s", dra_stage_name(stages[i].kind), f.fix);
        failed++;
    }
    return failed;
}

static void explain_ask(struct explain *x, struct dra_ask_run *ask, struct dra_ask_report *ret)
{
    uint32_t most = 6 + ask->program_count + DRA_CONSTRAINTS_MAX;
    struct dra_stage *stages = ARENA_ARRAY(x->arena, struct dra_stage, most);
    const char **near = ARENA_ARRAY(x->arena, const char *, FIXES_MAX);
    const char **fixes = ARENA_ARRAY(x->arena, const char *, FIXES_MAX);
    struct buf name = BUF_INIT(4096);
    dra_request_name(&name, x->e->store, ask->request, ask->sub);
    *ret = (struct dra_ask_report){.name = arena_printf(x->arena, "%s", name.ptr ? name.ptr : ""),
            .class_name = text_of(x, ask->ask->class_name),
            .need = ask->ask->mode == DRA_MODE_ALL ? -1 : ask->ask->count,
            .devices = x->s->cand_count,
            .near_fix = near,
            .near_count = UINT32_MAX,
            .stages = stages};
    buf_clear(&name);
    ret->stage_count = stages_list(x, ask, stages);
    x->ask = ask;
    x->stages = stages;
    x->stage_count = ret->stage_count;
    for (uint32_t cand = 0; cand < x->s->cand_count; cand++) {
        uint32_t failed = device_through(x, cand, fixes);
        if (failed == 0 || failed >= ret->near_count)
            continue;
        ret->near_count = failed;
        ret->near_device = device_text(x, cand);
        memcpy(near, fixes, (failed < FIXES_MAX ? failed : FIXES_MAX) * sizeof *near);
    }
    int64_t left = stages[ret->stage_count - 1].left;
    if (ret->near_count == UINT32_MAX || left >= (ret->need < 0 ? 1 : ret->need)) {
        ret->near_count = 0;
        ret->near_device = NULL;
    }
    ret->near_count = ret->near_count < FIXES_MAX ? ret->near_count : FIXES_MAX;
}

__attribute__((format(printf, 2, 3))) static void note(struct explain *x, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    if (x->note_count == NOTES_MAX)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    x->notes[x->note_count++] = arena_printf(x->arena, "%s", text);
}

static void note_pools(struct explain *x)
{
    for (uint32_t p = 0; p < x->s->view->pool_count; p++) {
        const struct dra_pool_view *pool = &x->s->view->pools[p];
        if (!pool->incomplete && !pool->invalid)
            continue;
        note(x, "pool %s/%s is left out: %s", text_of(x, pool->slices[0]->driver),
                text_of(x, pool->slices[0]->pool),
                pool->incomplete ? "not all its slices are there" : pool->reason);
    }
}

/* Whether a changed claim would fit. */
static bool fits(struct explain *x, const struct dra_claim *claim)
{
    struct arena *arena = arena_new(0);
    struct dra_result result;
    struct dra_input input = {.node = x->s->node, .claims = &claim, .claim_count = 1};
    uint64_t limit = x->e->setup.step_limit;
    x->e->setup.step_limit = TRIAL_STEPS;
    enum dra_outcome outcome = dra_allocate(x->e, &input, arena, &result, NULL);
    x->e->setup.step_limit = limit;
    (void)arena_free(arena);
    return outcome == DRA_OUTCOME_ALLOCATED;
}

/* The claim as a whole: which part keeps it from fitting. */
static void note_whole(struct explain *x, const struct dra_claim *claim)
{
    for (uint32_t i = 0; i < claim->constraint_count; i++) {
        struct dra_claim without = *claim;
        struct dra_constraint *kept =
                ARENA_ARRAY(x->arena, struct dra_constraint, claim->constraint_count);
        without.constraint_count = 0;
        for (uint32_t k = 0; k < claim->constraint_count; k++) {
            if (k != i)
                kept[without.constraint_count++] = claim->constraints[k];
        }
        without.constraints = kept;
        if (fits(x, &without)) {
            note(x, "it would fit without the constraint %s %s",
                    claim->constraints[i].kind == DRA_CONSTRAINT_MATCH ? "matchAttribute"
                                                                       : "distinctAttribute",
                    text_of(x, claim->constraints[i].attribute));
        }
    }
    for (uint32_t i = 0; claim->request_count > 1 && i < claim->request_count; i++) {
        struct dra_claim without = *claim;
        struct dra_request *kept = ARENA_ARRAY(x->arena, struct dra_request, claim->request_count);
        without.request_count = 0;
        for (uint32_t k = 0; k < claim->request_count; k++) {
            if (k != i)
                kept[without.request_count++] = claim->requests[k];
        }
        without.requests = kept;
        if (fits(x, &without))
            note(x, "it would fit without the request %s", text_of(x, claim->requests[i].name));
    }
}

static bool walks_too_long(struct explain *x, const struct dra_input *input)
{
    struct arena *arena = arena_new(0);
    struct dra_result result;
    struct err err = {0};
    struct dra_setup kept = x->e->setup;
    x->e->setup.no_pruning = true;
    x->e->setup.step_limit = DRA_TIMEOUT_STEPS;
    (void)dra_allocate(x->e, input, arena, &result, &err);
    x->e->setup = kept;
    (void)arena_free(arena);
    return err.code == -ETIME;
}

/* The search's tables alone, for the funnel; errors are reported by the allocator's own run. */
static void funnel(struct explain *x, const struct dra_input *input, struct dra_report *ret)
{
    struct err err = {0};
    struct dra_search s = {.e = x->e, .node = input->node, .arena = arena_new(0), .err = &err};
    x->s = &s; /* cppcheck-suppress autoVariables ; taken back below */
    int r = dra_search_prepare(&s, input);
    if (!s.view || s.view->code) {
        (void)arena_free(s.arena);
        x->s = NULL;
        return;
    }
    note_pools(x);
    if (r == 0 || s.ask_count > 0) {
        struct dra_ask_report *asks = ARENA_ARRAY(x->arena, struct dra_ask_report, s.ask_count);
        for (uint32_t i = 0; i < s.ask_count; i++)
            explain_ask(x, &s.asks[i], &asks[i]);
        ret->asks = asks;
        ret->ask_count = s.ask_count;
    }
    if (ret->gave_up || ret->outcome == DRA_OUTCOME_NO_FIT ||
            ret->outcome == DRA_OUTCOME_NODE_ERROR)
        note_whole(x, input->claims[0]);
    mem_free(s.derived_values);
    map_u64_clear(&s.derived);
    (void)arena_free(s.arena);
    x->s = NULL;
}

void dra_gave_up(uint64_t step_limit, struct err *reterr)
{
    (void)err_set(reterr, -ETIME, "gave up after %llu steps%s", (unsigned long long)step_limit,
            step_limit >= DRA_STEPS_DEFAULT ? "; the scheduler would time out here (10 s)" : "");
}

void dra_explain(struct dra_engine *e, const struct dra_node *node, const struct dra_claim *claim,
        struct arena *arena, struct dra_report *ret_report)
{
    struct explain x = {
            .e = e, .arena = arena, .notes = ARENA_ARRAY(arena, const char *, NOTES_MAX)};
    struct dra_input input = {.node = node, .claims = &claim, .claim_count = 1};
    struct dra_result result;
    struct err err = {0};
    *ret_report = (struct dra_report){0};
    ret_report->outcome = dra_allocate(e, &input, arena, &result, &err);
    if (ret_report->outcome == DRA_OUTCOME_ALLOCATED) {
        ret_report->allocation = result.allocations[0];
    } else if (err.code == -ETIME) {
        ret_report->gave_up = true;
        ret_report->times_out = e->setup.step_limit >= DRA_STEPS_DEFAULT;
        dra_gave_up(e->setup.step_limit, &err);
    }
    if (err.text[0]) {
        ret_report->message = arena_printf(arena, "%s", err.text);
    }
    if (result.pruned && !ret_report->gave_up)
        ret_report->times_out = walks_too_long(&x, &input);
    funnel(&x, &input, ret_report);
    ret_report->notes = x.notes;
    ret_report->note_count = x.note_count;
}
