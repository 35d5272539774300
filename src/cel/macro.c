/* cel/macro.c - macros: calls that the parser replaces by comprehensions or tests.
 *
 * Pure.  Standard macros (has, all, exists, exists_one, map, filter), two-variable comprehensions,
 * optMap and optFlatMap, cel.bind and sortBy.  The trees are upstream's node for node, since every
 * node has its cost. */
#include "cel/ast-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { COPY_NODES_MAX = 4096 };

/* What all expanders get. */
struct macro_call {
    struct arena *arena;
    const struct cel_expr *call;
    struct cel_expr *target;
    struct cel_expr **args;
    uint32_t arg_count;
    uint32_t at;
    struct err *err;
};

typedef int macro_fn(struct macro_call *m, struct cel_expr **ret_expr);

static struct cel_expr *accumulator(const struct macro_call *m)
{
    return cel_expr_ident(m->arena, CEL_ACCUMULATOR, m->at);
}

static struct cel_expr *call1(const struct macro_call *m, const char *name, struct cel_expr *a)
{
    return cel_expr_call(m->arena, name, m->at, 1, &a);
}

static struct cel_expr *call2(
        const struct macro_call *m, const char *name, struct cel_expr *a, struct cel_expr *b)
{
    struct cel_expr *args[2] = {a, b};
    return cel_expr_call(m->arena, name, m->at, 2, args);
}

static struct cel_expr *conditional(const struct macro_call *m, struct cel_expr *condition,
        struct cel_expr *yes, struct cel_expr *no)
{
    struct cel_expr *args[3] = {condition, yes, no};
    return cel_expr_call(m->arena, "_?_:_", m->at, 3, args);
}

static struct cel_expr *literal_bool(const struct macro_call *m, bool value)
{
    return cel_expr_literal(m->arena, cel_bool(value), m->at);
}

static struct cel_expr *literal_int(const struct macro_call *m, int64_t value)
{
    return cel_expr_literal(m->arena, cel_int(value), m->at);
}

static struct cel_expr *list_of(const struct macro_call *m, struct cel_expr *item)
{
    struct cel_expr *e = cel_expr_new(m->arena, CEL_EXPR_LIST, m->at);
    if (item != NULL) {
        e->list.items = ARENA_ARRAY(m->arena, struct cel_expr *, 1);
        e->list.items[0] = item;
        e->list.count = 1;
    }
    return e;
}

static struct cel_expr *member_call(
        const struct macro_call *m, const char *name, struct cel_expr *target)
{
    struct cel_expr *e = cel_expr_new(m->arena, CEL_EXPR_CALL, m->at);
    e->call.name = str_from(name);
    e->call.target = target;
    return e;
}

static struct cel_expr *fold_of(const struct macro_call *m, struct cel_fold fold)
{
    struct cel_expr *e = cel_expr_new(m->arena, CEL_EXPR_FOLD, m->at);
    e->fold = ARENA_NEW(m->arena, struct cel_fold);
    *e->fold = fold;
    return e;
}

static int variable_name(struct macro_call *m, const struct cel_expr *e, struct str *ret_name)
{
    if (e->kind != CEL_EXPR_IDENT)
        return err_set_at(m->err, -EINVAL, e->at, "argument must be a simple name");
    if (str_eq_c(e->ident.name, "__result__")) {
        return err_set_at(
                m->err, -EINVAL, e->at, "iteration variable overwrites accumulator variable");
    }
    *ret_name = e->ident.name;
    return 0;
}

/* The variables of a comprehension: one in args[0], or two in args[0] and args[1]. */
static int variables(struct macro_call *m, bool two, struct cel_fold *fold)
{
    fold->range = m->target;
    fold->accu = CEL_ACCUMULATOR;
    int r = variable_name(m, m->args[0], &fold->var);
    if (r < 0 || !two)
        return r;
    if ((r = variable_name(m, m->args[1], &fold->var2)) < 0)
        return r;
    if (str_eq(fold->var, fold->var2)) {
        return err_set_at(m->err, -EINVAL, m->args[1]->at, "duplicate variable name: %.*s",
                STR_ARG_SHORT(fold->var));
    }
    return 0;
}

static int make_all(struct macro_call *m, bool two, struct cel_expr **ret_expr)
{
    struct cel_fold f = {0};
    int r = variables(m, two, &f);
    if (r < 0)
        return r;
    f.init = literal_bool(m, true);
    f.condition = call1(m, "@not_strictly_false", accumulator(m));
    f.step = call2(m, "_&&_", accumulator(m), m->args[1 + two]);
    f.result = accumulator(m);
    *ret_expr = fold_of(m, f);
    return 0;
}

static int make_exists(struct macro_call *m, bool two, struct cel_expr **ret_expr)
{
    struct cel_fold f = {0};
    int r = variables(m, two, &f);
    if (r < 0)
        return r;
    f.init = literal_bool(m, false);
    f.condition = call1(m, "@not_strictly_false", call1(m, "!_", accumulator(m)));
    f.step = call2(m, "_||_", accumulator(m), m->args[1 + two]);
    f.result = accumulator(m);
    *ret_expr = fold_of(m, f);
    return 0;
}

static int make_exists_one(struct macro_call *m, bool two, struct cel_expr **ret_expr)
{
    struct cel_fold f = {0};
    int r = variables(m, two, &f);
    if (r < 0)
        return r;
    f.init = literal_int(m, 0);
    f.condition = literal_bool(m, true);
    f.step = conditional(m, m->args[1 + two], call2(m, "_+_", accumulator(m), literal_int(m, 1)),
            accumulator(m));
    f.result = call2(m, "_==_", accumulator(m), literal_int(m, 1));
    *ret_expr = fold_of(m, f);
    return 0;
}

/* map, filter and transformList: a list grows by `item` where `filter` (if any) holds. */
static int make_list(
        struct macro_call *m, bool two, struct cel_expr *filter, struct cel_expr **item)
{
    struct cel_fold f = {0};
    int r = variables(m, two, &f);
    if (r < 0)
        return r;
    f.init = list_of(m, NULL);
    f.condition = literal_bool(m, true);
    f.step = call2(m, "_+_", accumulator(m), list_of(m, *item));
    if (filter != NULL)
        f.step = conditional(m, filter, f.step, accumulator(m));
    f.result = accumulator(m);
    *item = fold_of(m, f);
    return 0;
}

/* transformMap and transformMapEntry. */
static int make_map(struct macro_call *m, bool entry, struct cel_expr **ret_expr)
{
    struct cel_fold f = {0};
    int r = variables(m, true, &f);
    if (r < 0)
        return r;
    struct cel_expr *transform = m->args[m->arg_count - 1];
    f.init = cel_expr_new(m->arena, CEL_EXPR_MAP, m->at);
    f.condition = literal_bool(m, true);
    if (entry) {
        f.step = call2(m, "cel.@mapInsert", accumulator(m), transform);
    } else {
        struct cel_expr *args[3] = {
                accumulator(m), cel_expr_ident(m->arena, f.var, m->at), transform};
        f.step = cel_expr_call(m->arena, "cel.@mapInsert", m->at, 3, args);
    }
    if (m->arg_count == 4)
        f.step = conditional(m, m->args[2], f.step, accumulator(m));
    f.result = accumulator(m);
    *ret_expr = fold_of(m, f);
    return 0;
}

/* `name` stands for the value of `init` in `body`. */
static struct cel_expr *make_bind(
        const struct macro_call *m, struct str name, struct cel_expr *init, struct cel_expr *body)
{
    return fold_of(m, (struct cel_fold){
                              .range = list_of(m, NULL),
                              .var = STR_LIT("#unused"),
                              .accu = name,
                              .init = init,
                              .condition = literal_bool(m, false),
                              .step = cel_expr_ident(m->arena, name, m->at),
                              .result = body,
                              .is_bind = true,
                      });
}

static int macro_has(struct macro_call *m, struct cel_expr **ret_expr)
{
    if (m->args[0]->kind != CEL_EXPR_SELECT || m->args[0]->select.test)
        return err_set_at(m->err, -EINVAL, m->args[0]->at, "invalid argument to has() macro");
    struct cel_expr *e = cel_expr_new(m->arena, CEL_EXPR_SELECT, m->at);
    e->select = m->args[0]->select;
    e->select.test = true;
    *ret_expr = e;
    return 0;
}

static int macro_all(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_all(m, m->arg_count == 3, ret_expr);
}

static int macro_exists(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_exists(m, m->arg_count == 3, ret_expr);
}

static int macro_exists_one(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_exists_one(m, m->arg_count == 3, ret_expr);
}

static int macro_map(struct macro_call *m, struct cel_expr **ret_expr)
{
    *ret_expr = m->args[m->arg_count - 1];
    return make_list(m, false, m->arg_count == 3 ? m->args[1] : NULL, ret_expr);
}

static int macro_filter(struct macro_call *m, struct cel_expr **ret_expr)
{
    *ret_expr = m->args[0];
    return make_list(m, false, m->args[1], ret_expr);
}

static int macro_transform_list(struct macro_call *m, struct cel_expr **ret_expr)
{
    *ret_expr = m->args[m->arg_count - 1];
    return make_list(m, true, m->arg_count == 4 ? m->args[2] : NULL, ret_expr);
}

static int macro_transform_map(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_map(m, false, ret_expr);
}

static int macro_transform_map_entry(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_map(m, true, ret_expr);
}

/* How many nodes `e` has, counted up to `limit`. */
static uint32_t node_count(const struct cel_expr *e, uint32_t limit)
{
    uint32_t count = 1;
    if (e == NULL || limit == 0)
        return 0;
    const struct cel_expr *parts[5] = {NULL};
    struct cel_expr *const *items = NULL;
    uint32_t item_count = 0;
    if (e->kind == CEL_EXPR_SELECT) {
        parts[0] = e->select.operand;
    } else if (e->kind == CEL_EXPR_CALL) {
        parts[0] = e->call.target;
        items = e->call.args;
        item_count = e->call.arg_count;
    } else if (e->kind == CEL_EXPR_LIST || e->kind == CEL_EXPR_MAP) {
        items = e->kind == CEL_EXPR_LIST ? e->list.items : e->map.items;
        item_count = e->kind == CEL_EXPR_LIST ? e->list.count : 2 * e->map.count;
    } else if (e->kind == CEL_EXPR_FOLD) {
        parts[0] = e->fold->range;
        parts[1] = e->fold->init;
        parts[2] = e->fold->condition;
        parts[3] = e->fold->step;
        parts[4] = e->fold->result;
    }
    for (int i = 0; i < 5 && count < limit; i++)
        count += node_count(parts[i], limit - count);
    for (uint32_t i = 0; i < item_count && count < limit; i++)
        count += node_count(items[i], limit - count);
    return count;
}

/* target.hasValue() ? BODY : optional.none(), the variable bound to target.value() in BODY. */
static int make_optional_map(struct macro_call *m, bool wrap, struct cel_expr **ret_expr)
{
    if (m->args[0]->kind != CEL_EXPR_IDENT) {
        return err_set_at(m->err, -EINVAL, m->args[0]->at,
                "%s() variable name must be a simple identifier", wrap ? "optMap" : "optFlatMap");
    }
    /* The copy doubles a chain of these at each step. */
    if (node_count(m->target, COPY_NODES_MAX) == COPY_NODES_MAX) {
        return err_set_at(m->err, -ENOTSUP, m->at,
                "an optMap() target of more than %d nodes is not supported", COPY_NODES_MAX);
    }
    struct cel_expr *value = member_call(m, "value", cel_expr_copy(m->arena, m->target));
    struct cel_expr *body = make_bind(m, m->args[0]->ident.name, value, m->args[1]);
    if (wrap)
        body = call1(m, "optional.of", body);
    *ret_expr = conditional(m, member_call(m, "hasValue", m->target), body,
            cel_expr_call(m->arena, "optional.none", m->at, 0, &body));
    return 0;
}

static int macro_opt_map(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_optional_map(m, true, ret_expr);
}

static int macro_opt_flat_map(struct macro_call *m, struct cel_expr **ret_expr)
{
    return make_optional_map(m, false, ret_expr);
}

/* cel.bind(name, init, body): a receiver macro on the identifier "cel" only. */
static int macro_bind(struct macro_call *m, struct cel_expr **ret_expr)
{
    if (m->target->kind != CEL_EXPR_IDENT || !str_eq_c(m->target->ident.name, "cel"))
        return -ENOENT;
    if (m->args[0]->kind != CEL_EXPR_IDENT) {
        return err_set_at(m->err, -EINVAL, m->args[0]->at,
                "cel.bind() variable names must be simple identifiers");
    }
    *ret_expr = make_bind(m, m->args[0]->ident.name, m->args[1], m->args[2]);
    return 0;
}

/* list.sortBy(e, KEY) = bind(list, list.@sortByAssociatedKeys(list.map(e, KEY))). */
static int macro_sort_by(struct macro_call *m, struct cel_expr **ret_expr)
{
    struct str name = STR_LIT("@__sortBy_input__");
    if (m->target->kind == CEL_EXPR_LITERAL || m->target->kind == CEL_EXPR_MAP) {
        return err_set_at(m->err, -EINVAL, m->target->at,
                "sortBy can only be applied to a list, identifier, comprehension, call or select "
                "expression");
    }
    struct macro_call map = *m;
    struct cel_expr *keys = NULL;
    map.target = cel_expr_ident(m->arena, name, m->at);
    int r = macro_map(&map, &keys);
    if (r < 0)
        return r;
    struct cel_expr *sorted =
            member_call(m, "@sortByAssociatedKeys", cel_expr_ident(m->arena, name, m->at));
    sorted->call.args = ARENA_ARRAY(m->arena, struct cel_expr *, 1);
    sorted->call.args[0] = keys;
    sorted->call.arg_count = 1;
    *ret_expr = make_bind(m, name, m->target, sorted);
    return 0;
}

int cel_macro_expand(struct arena *a, const struct cel_expr *call, struct cel_expr **ret_expr,
        struct err *reterr)
{
    static const struct {
        const char *name;
        bool receiver;
        uint8_t min, max; /* arguments */
        macro_fn *make;
    } macros[] = {
            {"has", false, 1, 1, macro_has},
            {"all", true, 2, 3, macro_all},
            {"exists", true, 2, 3, macro_exists},
            {"exists_one", true, 2, 3, macro_exists_one},
            {"existsOne", true, 3, 3, macro_exists_one},
            {"map", true, 2, 3, macro_map},
            {"filter", true, 2, 2, macro_filter},
            {"optMap", true, 2, 2, macro_opt_map},
            {"optFlatMap", true, 2, 2, macro_opt_flat_map},
            {"transformList", true, 3, 4, macro_transform_list},
            {"transformMap", true, 3, 4, macro_transform_map},
            {"transformMapEntry", true, 3, 4, macro_transform_map_entry},
            {"sortBy", true, 2, 2, macro_sort_by},
            {"bind", true, 3, 3, macro_bind},
    };
    struct macro_call m = {
            a, call, call->call.target, call->call.args, call->call.arg_count, call->at, reterr};
    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++) {
        if (macros[i].receiver != (m.target != NULL) || m.arg_count < macros[i].min ||
                m.arg_count > macros[i].max || !str_eq_c(call->call.name, macros[i].name))
            continue;
        int r = macros[i].make(&m, ret_expr);
        if (r == -ENOENT)
            return 0;
        return r < 0 ? r : 1;
    }
    return 0;
}

static struct cel_expr **copy_all(struct arena *a, struct cel_expr *const *items, uint32_t count)
{
    struct cel_expr **copy = ARENA_ARRAY(a, struct cel_expr *, count);
    for (uint32_t i = 0; i < count; i++)
        copy[i] = cel_expr_copy(a, items[i]);
    return copy;
}

struct cel_expr *cel_expr_copy(struct arena *a, const struct cel_expr *e)
{
    if (e == NULL)
        return NULL;
    struct cel_expr *copy = ARENA_NEW(a, struct cel_expr);
    *copy = *e;
    switch (e->kind) {
    case CEL_EXPR_SELECT:
        copy->select.operand = cel_expr_copy(a, e->select.operand);
        break;
    case CEL_EXPR_CALL:
        copy->call.target = cel_expr_copy(a, e->call.target);
        copy->call.args = copy_all(a, e->call.args, e->call.arg_count);
        break;
    case CEL_EXPR_LIST:
        copy->list.items = copy_all(a, e->list.items, e->list.count);
        break;
    case CEL_EXPR_MAP:
        copy->map.items = copy_all(a, e->map.items, 2 * e->map.count);
        break;
    case CEL_EXPR_FOLD:
        copy->fold = ARENA_NEW(a, struct cel_fold);
        *copy->fold = *e->fold;
        copy->fold->range = cel_expr_copy(a, e->fold->range);
        copy->fold->init = cel_expr_copy(a, e->fold->init);
        copy->fold->condition = cel_expr_copy(a, e->fold->condition);
        copy->fold->step = cel_expr_copy(a, e->fold->step);
        copy->fold->result = cel_expr_copy(a, e->fold->result);
        break;
    case CEL_EXPR_LITERAL:
    case CEL_EXPR_IDENT:
        break;
    }
    return copy;
}
