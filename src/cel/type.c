/* cel/type.c - types, their unification, and look-ups in the tables of functions.
 *
 * Pure.  Follows cel-go's checker/types.go case by case: what is assignable decides which
 * expressions compile and which overloads stay possible, and both are seen in costs. */
#include "cel/decl-priv.h"

#include <assert.h>
#include <string.h>

const struct cel_type cel_type_error = {.kind = CEL_KIND_ERROR, .name = "!error!"};
const struct cel_type cel_type_null = {.kind = CEL_KIND_NULL, .name = "null_type"};
const struct cel_type cel_type_bool = {.kind = CEL_KIND_BOOL, .name = "bool"};
const struct cel_type cel_type_int = {.kind = CEL_KIND_INT, .name = "int"};
const struct cel_type cel_type_uint = {.kind = CEL_KIND_UINT, .name = "uint"};
const struct cel_type cel_type_double = {.kind = CEL_KIND_DOUBLE, .name = "double"};
const struct cel_type cel_type_string = {.kind = CEL_KIND_STRING, .name = "string"};
const struct cel_type cel_type_bytes = {.kind = CEL_KIND_BYTES, .name = "bytes"};
const struct cel_type cel_type_timestamp = {
        .kind = CEL_KIND_TIMESTAMP, .name = "google.protobuf.Timestamp"};
const struct cel_type cel_type_duration = {
        .kind = CEL_KIND_DURATION, .name = "google.protobuf.Duration"};
const struct cel_type cel_type_dyn = {.kind = CEL_KIND_DYN, .name = "dyn"};
const struct cel_type cel_type_any = {.kind = CEL_KIND_ANY, .name = "any"};
const struct cel_type cel_type_quantity = {
        .kind = CEL_KIND_QUANTITY, .name = "kubernetes.Quantity"};
const struct cel_type cel_type_semver = {.kind = CEL_KIND_SEMVER, .name = "kubernetes.Semver"};
const struct cel_type cel_type_list = {
        .kind = CEL_KIND_LIST, .name = "list", .param = {&cel_type_dyn, NULL}};
const struct cel_type cel_type_map = {
        .kind = CEL_KIND_MAP, .name = "map", .param = {&cel_type_dyn, &cel_type_dyn}};
const struct cel_type cel_type_type = {.kind = CEL_KIND_TYPE, .name = "type"};
const struct cel_type cel_type_optional = {
        .kind = CEL_KIND_OPTIONAL, .name = "optional_type", .param = {&cel_type_param[0], NULL}};
const struct cel_type cel_type_param[CEL_PARAM_COUNT] = {
        {.kind = CEL_KIND_PARAM, .variable = 0, .name = "A"},
        {.kind = CEL_KIND_PARAM, .variable = 1, .name = "B"},
        {.kind = CEL_KIND_PARAM, .variable = 2, .name = "C"},
};

const struct cel_function *cel_function_find(struct str name)
{
    uint32_t low = 0;
    uint32_t high = CEL_FN_COUNT;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = str_cmp(cel_functions[middle].name, name);
        if (order == 0)
            return &cel_functions[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct cel_type *cel_type_named(struct str name)
{
    static const struct cel_type *const named[] = {
            &cel_type_bool,
            &cel_type_bytes,
            &cel_type_double,
            &cel_type_duration,
            &cel_type_int,
            &cel_type_list,
            &cel_type_map,
            &cel_type_null,
            &cel_type_string,
            &cel_type_timestamp,
            &cel_type_type,
            &cel_type_uint,
            &cel_type_optional,
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (str_eq_c(name, named[i]->name))
            return named[i];
    }
    return NULL;
}

const struct cel_type *cel_type_make(struct arena *a, enum cel_kind kind,
        const struct cel_type *first, const struct cel_type *second)
{
    struct cel_type *t = ARENA_NEW(a, struct cel_type);
    t->kind = kind;
    t->param[0] = first;
    t->param[1] = second;
    t->name = kind == CEL_KIND_LIST   ? "list"
              : kind == CEL_KIND_MAP  ? "map"
              : kind == CEL_KIND_TYPE ? "type"
                                      : "optional_type";
    return t;
}

const struct cel_type *cel_type_declared(struct arena *a, const struct cel_decl_type *decl)
{
    static const struct cel_type *const simple[CEL_KIND_COUNT] = {
            [CEL_KIND_NULL] = &cel_type_null,
            [CEL_KIND_BOOL] = &cel_type_bool,
            [CEL_KIND_INT] = &cel_type_int,
            [CEL_KIND_UINT] = &cel_type_uint,
            [CEL_KIND_DOUBLE] = &cel_type_double,
            [CEL_KIND_STRING] = &cel_type_string,
            [CEL_KIND_BYTES] = &cel_type_bytes,
            [CEL_KIND_TIMESTAMP] = &cel_type_timestamp,
            [CEL_KIND_DURATION] = &cel_type_duration,
            [CEL_KIND_QUANTITY] = &cel_type_quantity,
            [CEL_KIND_SEMVER] = &cel_type_semver,
            [CEL_KIND_DYN] = &cel_type_dyn,
            [CEL_KIND_ANY] = &cel_type_any,
    };
    if (simple[decl->kind] != NULL)
        return simple[decl->kind];
    struct cel_type *t = ARENA_NEW(a, struct cel_type);
    t->kind = decl->kind;
    t->decl = decl;
    switch ((unsigned)decl->kind) {
    case CEL_KIND_LIST:
        t->name = "list";
        t->param[0] = cel_type_declared(a, decl->elem);
        break;
    case CEL_KIND_MAP:
        t->name = "map";
        t->param[0] = cel_type_declared(a, decl->key);
        t->param[1] = cel_type_declared(a, decl->elem);
        break;
    default:
        assert(decl->kind == CEL_KIND_OBJECT);
        t->name = decl->name;
        break;
    }
    return t;
}

bool cel_type_is_dyn(const struct cel_type *t)
{
    return t->kind == CEL_KIND_DYN || t->kind == CEL_KIND_ANY;
}

static bool is_opaque(const struct cel_type *t)
{
    return t->kind == CEL_KIND_OPTIONAL || t->kind == CEL_KIND_LIST || t->kind == CEL_KIND_MAP;
}

bool cel_type_same(const struct cel_type *a, const struct cel_type *b, bool names)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    if (a->kind == CEL_KIND_PARAM)
        return !names || a->variable == b->variable;
    if (a->kind == CEL_KIND_OBJECT)
        return strcmp(a->name, b->name) == 0;
    for (int i = 0; i < 2; i++) {
        if ((a->param[i] == NULL) != (b->param[i] == NULL))
            return false;
        if (a->param[i] != NULL && !cel_type_same(a->param[i], b->param[i], names))
            return false;
    }
    return true;
}

const struct cel_type *cel_unify_new_variable(struct cel_unify *u)
{
    if (u->count == u->cap) {
        uint32_t cap = u->cap == 0 ? 32 : 2 * u->cap;
        const struct cel_type **grown = ARENA_ARRAY(u->arena, const struct cel_type *, cap);
        if (u->count > 0)
            memcpy(grown, u->bound, u->count * sizeof(struct cel_type *));
        u->bound = grown;
        u->cap = cap;
    }
    struct cel_type *t = ARENA_NEW(u->arena, struct cel_type);
    t->kind = CEL_KIND_PARAM;
    t->variable = CEL_PARAM_COUNT + u->count;
    t->name = "_var";
    u->bound[u->count++] = NULL;
    return t;
}

/* What a variable is bound to; NULL when it is free or `t` is no variable. */
static const struct cel_type *find_bound(const struct cel_unify *u, const struct cel_type *t)
{
    if (t->kind != CEL_KIND_PARAM || t->variable < CEL_PARAM_COUNT)
        return NULL;
    return u->bound[t->variable - CEL_PARAM_COUNT];
}

static void bind(struct cel_unify *u, const struct cel_type *variable, const struct cel_type *t)
{
    assert(variable->kind == CEL_KIND_PARAM && variable->variable >= CEL_PARAM_COUNT);
    uint32_t index = variable->variable - CEL_PARAM_COUNT;
    if (u->trail_count == u->trail_cap) {
        uint32_t cap = u->trail_cap == 0 ? 32 : 2 * u->trail_cap;
        struct cel_unify_undo *grown = ARENA_ARRAY(u->arena, struct cel_unify_undo, cap);
        if (u->trail_count > 0)
            memcpy(grown, u->trail, u->trail_count * sizeof *grown);
        u->trail = grown;
        u->trail_cap = cap;
    }
    u->trail[u->trail_count++] = (struct cel_unify_undo){index, u->bound[index]};
    u->bound[index] = t;
}

static void undo_to(struct cel_unify *u, uint32_t mark)
{
    while (u->trail_count > mark) {
        struct cel_unify_undo *step = &u->trail[--u->trail_count];
        u->bound[step->variable] = step->old;
    }
}

/* The occurs check. */
static bool not_referenced_in(
        const struct cel_unify *u, const struct cel_type *t, const struct cel_type *within)
{
    if (cel_type_same(t, within, true))
        return false;
    if (within->kind == CEL_KIND_PARAM) {
        const struct cel_type *sub = find_bound(u, within);
        return sub == NULL || not_referenced_in(u, t, sub);
    }
    for (int i = 0; i < 2; i++) {
        if (within->param[i] != NULL && !not_referenced_in(u, t, within->param[i]))
            return false;
    }
    return true;
}

/* True when `a` is as general as `b`, or more. */
static bool equal_or_less_specific(const struct cel_type *a, const struct cel_type *b)
{
    if (cel_type_is_dyn(a) || a->kind == CEL_KIND_PARAM)
        return true;
    if (cel_type_is_dyn(b) || b->kind == CEL_KIND_PARAM || a->kind != b->kind)
        return false;
    if (a->kind == CEL_KIND_TYPE)
        return true;
    if (!is_opaque(a))
        return cel_type_same(a, b, true);
    for (int i = 0; i < 2; i++) {
        if (a->param[i] != NULL && !equal_or_less_specific(a->param[i], b->param[i]))
            return false;
    }
    return true;
}

const struct cel_type *cel_type_general(const struct cel_type *a, const struct cel_type *b)
{
    return equal_or_less_specific(a, b) ? a : b;
}

static bool assignable(struct cel_unify *u, const struct cel_type *from, const struct cel_type *to);

/* Whether `variable` may stand for `t`; *ret_bound tells whether it had a value already. */
static bool valid_substitution(struct cel_unify *u, const struct cel_type *t,
        const struct cel_type *variable, bool *ret_bound)
{
    *ret_bound = true;
    if (t->kind == CEL_KIND_PARAM && cel_type_same(t, variable, true))
        return true;
    const struct cel_type *sub = find_bound(u, variable);
    if (sub != NULL) {
        if (t->kind == sub->kind && cel_type_same(t, sub, true))
            return true;
        if (!assignable(u, t, sub))
            return false;
        const struct cel_type *general = cel_type_general(t, sub);
        if (not_referenced_in(u, variable, general))
            bind(u, variable, general);
        return true;
    }
    *ret_bound = false;
    if (!not_referenced_in(u, variable, t))
        return false;
    bind(u, variable, t);
    return true;
}

static bool null_assignable(const struct cel_type *t)
{
    switch ((unsigned)t->kind) {
    case CEL_KIND_OPTIONAL:
    case CEL_KIND_OBJECT:
    case CEL_KIND_QUANTITY:
    case CEL_KIND_SEMVER:
    case CEL_KIND_ANY:
    case CEL_KIND_DURATION:
    case CEL_KIND_TIMESTAMP:
    case CEL_KIND_NULL:
        return true;
    default:
        return false;
    }
}

static bool assignable(struct cel_unify *u, const struct cel_type *from, const struct cel_type *to)
{
    bool bound;
    if (to->kind == CEL_KIND_PARAM) {
        if (valid_substitution(u, from, to, &bound))
            return true;
        if (bound)
            return false;
    }
    if (from->kind == CEL_KIND_PARAM)
        return valid_substitution(u, to, from, &bound);
    if (cel_type_is_dyn(from) || cel_type_is_dyn(to) || from->kind == CEL_KIND_ERROR ||
            to->kind == CEL_KIND_ERROR)
        return true;
    if (from->kind == CEL_KIND_NULL)
        return null_assignable(to);
    if (to->kind == CEL_KIND_NULL)
        return null_assignable(from);
    if (from->kind != to->kind)
        return false;
    if (from->kind == CEL_KIND_TYPE)
        return true;
    if (!is_opaque(from))
        return from->kind != CEL_KIND_OBJECT || strcmp(from->name, to->name) == 0;
    for (int i = 0; i < 2; i++) {
        if (from->param[i] != NULL && !assignable(u, from->param[i], to->param[i]))
            return false;
    }
    return true;
}

bool cel_unify_assignable(
        struct cel_unify *u, const struct cel_type *from, const struct cel_type *to)
{
    uint32_t mark = u->trail_count;
    if (assignable(u, from, to))
        return true;
    undo_to(u, mark);
    return false;
}

bool cel_unify_assignable_list(struct cel_unify *u, const struct cel_type *const *from,
        const struct cel_type *const *to, uint32_t count)
{
    uint32_t mark = u->trail_count;
    for (uint32_t i = 0; i < count; i++) {
        if (!assignable(u, from[i], to[i])) {
            undo_to(u, mark);
            return false;
        }
    }
    return true;
}

const struct cel_type *cel_unify_substitute(
        struct cel_unify *u, const struct cel_type *t, bool free_to_dyn)
{
    const struct cel_type *sub = find_bound(u, t);
    if (sub != NULL)
        return cel_unify_substitute(u, sub, free_to_dyn);
    if (t->kind == CEL_KIND_PARAM)
        return free_to_dyn ? &cel_type_dyn : t;
    if (!is_opaque(t) && t->kind != CEL_KIND_TYPE)
        return t;
    const struct cel_type *parts[2] = {NULL, NULL};
    bool changed = false;
    for (int i = 0; i < 2; i++) {
        if (t->param[i] != NULL)
            parts[i] = cel_unify_substitute(u, t->param[i], free_to_dyn);
        changed = changed || parts[i] != t->param[i];
    }
    return changed ? cel_type_make(u->arena, t->kind, parts[0], parts[1]) : t;
}

const struct cel_type *cel_unify_instantiate(
        struct cel_unify *u, const struct cel_type *t, const struct cel_type *const *variables)
{
    if (t->kind == CEL_KIND_PARAM)
        return variables[t->variable];
    if (!is_opaque(t) && t->kind != CEL_KIND_TYPE)
        return t;
    const struct cel_type *parts[2] = {NULL, NULL};
    bool changed = false;
    for (int i = 0; i < 2; i++) {
        if (t->param[i] != NULL)
            parts[i] = cel_unify_instantiate(u, t->param[i], variables);
        changed = changed || parts[i] != t->param[i];
    }
    return changed ? cel_type_make(u->arena, t->kind, parts[0], parts[1]) : t;
}

void cel_type_print(struct buf *out, const struct cel_type *t)
{
    buf_puts(out, t->name);
    if (t->param[0] == NULL)
        return;
    buf_putc(out, '(');
    cel_type_print(out, t->param[0]);
    if (t->param[1] != NULL) {
        buf_puts(out, ", ");
        cel_type_print(out, t->param[1]);
    }
    buf_putc(out, ')');
}
