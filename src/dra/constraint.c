/* dra/constraint.c - matchAttribute and distinctAttribute while devices come and go.  Pure.
 *
 * With list attributes (experimental) every value is a set: matching devices share an element,
 * distinct ones are pairwise disjoint.  What a device narrowed is kept by device, so removing the
 * last one brings back what was before it. */
#include "dra/search-priv.h"

#include <errno.h>
#include <string.h>

static bool versions_equal(const struct cel_value *a, const struct cel_value *b)
{
    const struct dra_version *va = dra_attr_version(a);
    const struct dra_version *vb = dra_attr_version(b);
    if (va->bad || vb->bad)
        return va->text == vb->text && va->bad == vb->bad;
    return va->version.major == vb->version.major && va->version.minor == vb->version.minor &&
           va->version.patch == vb->version.patch && str_eq(va->version.pre, vb->version.pre) &&
           str_eq(va->version.build, vb->version.build);
}

bool dra_values_equal(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == CEL_KIND_INT)
        return a->i == b->i;
    if (a->kind == CEL_KIND_BOOL)
        return a->b == b->b;
    if (a->kind == CEL_KIND_STRING)
        return str_eq(cel_value_str(*a), cel_value_str(*b));
    return a->kind == CEL_KIND_SEMVER && versions_equal(a, b);
}

static bool scalar(const struct cel_value *v)
{
    return v->kind == CEL_KIND_INT || v->kind == CEL_KIND_BOOL || v->kind == CEL_KIND_STRING ||
           v->kind == CEL_KIND_SEMVER;
}

/* The items of a value as a set; count 0 when it has none. */
static struct dra_value_set as_set(const struct cel_value *v)
{
    if (v->kind == CEL_KIND_LIST) {
        const struct dra_list *list = dra_attr_list(v);
        return (struct dra_value_set){.count = list->list.count,
                .kind = list->kind,
                .items = (struct cel_value *)list->list.items};
    }
    return (struct dra_value_set){
            .count = scalar(v) ? 1 : 0, .kind = v->kind, .items = (struct cel_value *)v};
}

static bool set_has(const struct dra_value_set *set, const struct cel_value *v)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (dra_values_equal(&set->items[i], v))
            return true;
    }
    return false;
}

static bool sets_meet(const struct dra_value_set *a, const struct dra_value_set *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (a->kind == b->kind && set_has(a, &b->items[i]))
            return true;
    }
    return false;
}

/* A derived attribute's value, kept beyond the evaluation. */
static struct cel_value keep(struct dra_search *s, struct cel_value v)
{
    if (v.kind == CEL_KIND_STRING)
        return cel_string(arena_str(s->arena, cel_value_str(v)));
    if (v.kind == CEL_KIND_SEMVER) {
        struct dra_version *version = ARENA_NEW(s->arena, struct dra_version);
        version->version = *v.semver;
        version->version.pre = arena_str(s->arena, v.semver->pre);
        version->version.build = arena_str(s->arena, v.semver->build);
        return cel_semver(&version->version);
    }
    if (v.kind != CEL_KIND_LIST)
        return v;
    struct dra_list *list = ARENA_NEW(s->arena, struct dra_list);
    struct cel_value *items = ARENA_ARRAY(s->arena, struct cel_value, v.list->count);
    list->list = (struct cel_list){.items = items, .count = v.list->count};
    list->kind = v.list->count ? (enum cel_kind)v.list->items[0].kind : CEL_KIND_STRING;
    for (uint32_t i = 0; i < v.list->count; i++)
        items[i] = keep(s, v.list->items[i]);
    return cel_list(&list->list);
}

static int derived_check(struct dra_search *s, const struct cel_value *v)
{
    bool good = scalar(v);
    if (v->kind == CEL_KIND_LIST) {
        good = true;
        for (uint32_t i = 0; i < v->list->count; i++) {
            good = good && scalar(&v->list->items[i]) &&
                   v->list->items[i].kind == v->list->items[0].kind;
        }
    }
    return good ? 0
                : err_set(s->err, -EINVAL, "unsupported CEL return type: %s",
                          cel_value_type_name(*v));
}

static int derived_eval(
        struct dra_search *s, uint32_t program, uint32_t cand, struct cel_value *ret)
{
    const struct dra_program *p = &s->e->programs[program];
    const struct dra_cand *c = &s->cands[cand];
    if (p->code)
        return err_set(s->err, p->code, "compile derived attribute failed: %s", p->error);
    struct dra_device_view view;
    arena_reset(s->e->eval);
    dra_device_view_init(&view, &s->e->store->names, c->device, c->slice->driver, s->e->eval);
    if (c->device->poisoned)
        return err_set(s->err, -EINVAL, "an attribute of the device has no valid value");
    struct cel_value vars[1] = {dra_device_value(&view)};
    struct cel_run run = {.vars = vars, .arena = s->e->eval, .cost_limit = DRA_SELECTOR_COST_MAX};
    int r = cel_eval(p->program, &run, ret, NULL, s->err);
    if (r == 0)
        r = derived_check(s, ret);
    if (r == 0)
        *ret = keep(s, *ret);
    return r;
}

static int derived_value(
        struct dra_search *s, uint32_t expression, uint32_t cand, struct cel_value *ret)
{
    uint32_t program = dra_program_get(s->e, expression, false);
    uint64_t key = (uint64_t)cand << 32 | program;
    uint32_t found = map_u64_find(&s->derived, key);
    if (found != MAP_NONE) {
        *ret = s->derived_values[found];
        return 1;
    }
    int r = derived_eval(s, program, cand, ret);
    if (r) {
        (void)err_wrap(s->err, "evaluate derived attribute on device %.*s failed",
                STR_ARG_SHORT(dra_name(&s->e->store->names, s->cands[cand].device->name)));
        return r;
    }
    if (s->derived_count == s->derived_cap) {
        s->derived_cap = s->derived_cap ? s->derived_cap * 2 : 16;
        s->derived_values = mem_grow(s->derived_values, s->derived_cap, sizeof *s->derived_values);
    }
    s->derived_values[s->derived_count] = *ret;
    (void)map_u64_set(&s->derived, key, s->derived_count++);
    return 1;
}

int dra_constraint_value(struct dra_search *s, const struct dra_constraint *c,
        const struct dra_ask_run *ask, uint32_t cand, struct cel_value *ret)
{
    /* Of two with one name the last counts, as in upstream's map. */
    for (uint32_t i = ask->ask->derived_count; i > 0; i--) {
        if (ask->ask->derived[i - 1].name == c->attribute)
            return derived_value(s, ask->ask->derived[i - 1].expression, cand, ret);
    }
    const struct dra_attr *attr =
            dra_device_attr(s->cands[cand].device, s->cands[cand].slice->driver, c->domain, c->id);
    if (!attr)
        return 0;
    *ret = attr->value;
    return 1;
}

static bool match_admits(const struct dra_constraint_run *c, const struct cel_value *v, bool lists)
{
    if (lists) {
        struct dra_value_set set = as_set(v);
        if (set.count == 0)
            return false;
        return c->count == 0 || sets_meet(&c->sets[c->count - 1], &set);
    }
    return c->count == 0 || (scalar(v) && dra_values_equal(&c->values[0], v));
}

static bool distinct_admits(
        const struct dra_constraint_run *c, const struct cel_value *v, bool lists)
{
    struct dra_value_set set = as_set(v);
    if (lists && set.count == 0)
        return false;
    for (uint32_t i = 0; i < c->count; i++) {
        struct dra_value_set other = as_set(&c->values[i]);
        if (lists ? sets_meet(&other, &set) : !scalar(v) || dra_values_equal(&c->values[i], v))
            return false;
    }
    return true;
}

bool dra_constraint_admits(const struct dra_search *s, const struct dra_constraint_run *c,
        const struct cel_value *value)
{
    bool lists = dra_has(s->e, DRA_FEATURE_LISTS);
    return c->constraint->kind == DRA_CONSTRAINT_MATCH ? match_admits(c, value, lists)
                                                       : distinct_admits(c, value, lists);
}

/* What the devices so far and this one have in common. */
static void narrow(struct dra_search *s, struct dra_constraint_run *c, const struct cel_value *v)
{
    struct dra_value_set with = as_set(v);
    struct dra_value_set *to = &c->sets[c->count];
    if (to->cap < with.count) {
        to->cap = with.count > DRA_ATTRIBUTES_MAX ? with.count : DRA_ATTRIBUTES_MAX;
        to->items = ARENA_ARRAY(s->arena, struct cel_value, to->cap);
    }
    to->kind = with.kind;
    to->count = 0;
    for (uint32_t i = 0; i < with.count; i++) {
        if (c->count == 0 || set_has(&c->sets[c->count - 1], &with.items[i]))
            to->items[to->count++] = with.items[i];
    }
}

int dra_constraint_add(struct dra_search *s, struct dra_constraint_run *c,
        const struct dra_ask_run *ask, uint32_t cand)
{
    struct cel_value value = {0};
    int r = dra_constraint_value(s, c->constraint, ask, cand, &value);
    if (r <= 0)
        return r;
    if (!dra_constraint_admits(s, c, &value))
        return 0;
    if (c->constraint->kind == DRA_CONSTRAINT_MATCH && dra_has(s->e, DRA_FEATURE_LISTS))
        narrow(s, c, &value);
    c->values[c->count++] = value;
    return 1;
}

void dra_constraint_remove(struct dra_constraint_run *c)
{
    c->count--;
}
