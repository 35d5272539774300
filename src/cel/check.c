/* cel/check.c - types of all nodes, and which overloads each call may mean.
 *
 * Pure.  Follows cel-go's checker/checker.go; a second walk replaces what stayed open by dyn and
 * applies the validators of Kubernetes' environment (homogeneous literals, literal durations,
 * timestamps and patterns).  Stops at the first error. */
#include "cel/ast-priv.h"
#include "cel/regex.h"
#include "cel/time-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct scope_var {
    struct str name;
    const struct cel_type *type;
    uint32_t slot;
};

enum { SLOTS_PER_FOLD = 3, SCOPE_MAX = SLOTS_PER_FOLD * (CEL_DEPTH_MAX + 2), SCOPE_FIRST = 12 };

struct checker {
    const struct cel_env *env;
    struct arena *arena;
    struct cel_unify unify;
    struct scope_var *scope;
    uint32_t scope_count, scope_cap;
    uint32_t slot_count, slot_max;
    const struct cel_type **var_types; /* of env->vars */
    const struct cel_expr *left_out;   /* first call of what we leave out */
    uint32_t formats;                  /* calls of format() around the node in the second walk */
    struct err *err;
};

static int check(struct checker *c, struct cel_expr *e);

/* The type's text for an error. */
static const char *type_text(struct checker *c, const struct cel_type *t)
{
    struct buf out = BUF_INIT(200);
    cel_type_print(&out, cel_unify_substitute(&c->unify, t, true));
    const char *text = arena_printf(c->arena, "%s", out.len > 0 ? out.ptr : t->name);
    buf_clear(&out);
    return text;
}

static int mismatch(struct checker *c, const struct cel_expr *e, const struct cel_type *expected,
        const struct cel_type *actual)
{
    return err_set_at(c->err, -EINVAL, e->at, "expected type '%s' but found '%s'",
            type_text(c, expected), type_text(c, actual));
}

static int undeclared(struct checker *c, const struct cel_expr *e, struct str name)
{
    if (str_eq_c(name, "google") || str_eq_c(name, "kubernetes")) {
        return err_set_at(c->err, -ENOTSUP, e->at, "type names of '%.*s' are not supported",
                STR_ARG_SHORT(name));
    }
    return err_set_at(c->err, -EINVAL, e->at, "undeclared reference to '%.*s' (in container '')",
            STR_ARG_SHORT(name));
}

static const struct scope_var *find_local(const struct checker *c, struct str name)
{
    for (uint32_t i = c->scope_count; i-- > 0;) {
        if (str_eq(c->scope[i].name, name))
            return &c->scope[i];
    }
    return NULL;
}

/* Resolves a variable of the environment or a type's name into `e`; false when it is none. */
static bool resolve_global(struct checker *c, struct cel_expr *e, struct str name)
{
    for (uint32_t i = 0; i < c->env->var_count; i++) {
        if (!str_eq_c(name, c->env->vars[i].name))
            continue;
        e->kind = CEL_EXPR_IDENT;
        e->ident.name = name;
        e->ident.from = CEL_IDENT_GLOBAL;
        e->ident.slot = i;
        e->type = c->var_types[i];
        return true;
    }
    const struct cel_type *meant = cel_type_named(name);
    if (meant == NULL)
        return false;
    e->kind = CEL_EXPR_IDENT;
    e->ident.name = name;
    e->ident.from = CEL_IDENT_TYPE;
    e->ident.meant = meant;
    e->type = cel_type_make(c->arena, CEL_KIND_TYPE, meant, NULL);
    return true;
}

static int check_ident(struct checker *c, struct cel_expr *e)
{
    struct str name = e->ident.name;
    bool outermost = name.len > 0 && name.ptr[0] == '.';
    if (outermost)
        name = (struct str){name.ptr + 1, name.len - 1};
    const struct scope_var *local = outermost ? NULL : find_local(c, name);
    if (local != NULL) {
        e->ident.from = CEL_IDENT_LOCAL;
        e->ident.slot = local->slot;
        e->type = local->type;
        return 0;
    }
    return resolve_global(c, e, name) ? 0 : undeclared(c, e, name);
}

/* "a.b.c" when `e` is a chain of selections from an identifier; ptr NULL when it is none. */
static struct str qualified_name(struct checker *c, const struct cel_expr *e)
{
    if (e->kind == CEL_EXPR_IDENT)
        return e->ident.name;
    if (e->kind != CEL_EXPR_SELECT || e->select.test)
        return (struct str){0};
    struct str prefix = qualified_name(c, e->select.operand);
    if (prefix.ptr == NULL)
        return prefix;
    size_t len = prefix.len + 1 + e->select.field.len;
    char *text = ARENA_ARRAY(c->arena, char, len);
    memcpy(text, prefix.ptr, prefix.len);
    text[prefix.len] = '.';
    memcpy(text + prefix.len + 1, e->select.field.ptr, e->select.field.len);
    return (struct str){text, len};
}

/* Whether a chain of selections that begins with `name` may be a qualified name. */
static bool may_be_qualified(struct checker *c, const struct cel_expr *e)
{
    while (e->kind == CEL_EXPR_SELECT && !e->select.test)
        e = e->select.operand;
    return e->kind == CEL_EXPR_IDENT && find_local(c, e->ident.name) == NULL;
}

static const struct cel_type *optional_of(struct checker *c, const struct cel_type *t)
{
    return cel_type_make(c->arena, CEL_KIND_OPTIONAL, t, NULL);
}

/* The type of field `field` of the checked `operand`. */
static int select_type(struct checker *c, const struct cel_expr *e, const struct cel_expr *operand,
        struct str field, const struct cel_type **ret_type)
{
    const struct cel_type *t = cel_unify_substitute(&c->unify, operand->type, false);
    bool optional = t->kind == CEL_KIND_OPTIONAL;
    if (optional)
        t = t->param[0];
    const struct cel_type *result = NULL;
    switch ((unsigned)t->kind) {
    case CEL_KIND_MAP:
        result = t->param[1];
        break;
    case CEL_KIND_OBJECT:
        for (uint32_t i = 0; t->decl != NULL && i < t->decl->field_count; i++) {
            if (str_eq_c(field, t->decl->fields[i].name))
                result = cel_type_declared(c->arena, t->decl->fields[i].type);
        }
        if (result == NULL) {
            return err_set_at(
                    c->err, -EINVAL, e->at, "undefined field '%.*s'", STR_ARG_SHORT(field));
        }
        break;
    case CEL_KIND_PARAM:
        (void)cel_unify_assignable(&c->unify, &cel_type_dyn, t);
        result = &cel_type_dyn;
        break;
    default:
        if (!cel_type_is_dyn(t)) {
            return err_set_at(c->err, -EINVAL, e->at, "type '%s' does not support field selection",
                    type_text(c, t));
        }
        result = &cel_type_dyn;
        break;
    }
    *ret_type = optional ? optional_of(c, result) : result;
    return 0;
}

static int check_select(struct checker *c, struct cel_expr *e)
{
    if (!e->select.test && may_be_qualified(c, e)) {
        struct str name = qualified_name(c, e);
        if (name.ptr != NULL && resolve_global(c, e, name))
            return 0;
    }
    int r = check(c, e->select.operand);
    if (r < 0)
        return r;
    r = select_type(c, e, e->select.operand, e->select.field, &e->type);
    if (r == 0 && e->select.test) {
        e->type = &cel_type_bool;
    } else if (r == 0) {
        e->type = cel_unify_substitute(&c->unify, e->type, false);
    }
    return r;
}

static int check_optional_select(struct checker *c, struct cel_expr *e)
{
    static const uint16_t overload = CEL_OV_SELECT_OPTIONAL_FIELD;
    struct cel_expr *operand = e->call.args[0];
    struct cel_expr *field = e->call.args[1];
    int r = check(c, operand);
    if (r < 0 || (r = check(c, field)) < 0)
        return r;
    const struct cel_type *t = NULL;
    if ((r = select_type(c, e, operand, cel_value_str(field->literal), &t)) < 0)
        return r;
    if (cel_unify_substitute(&c->unify, operand->type, false)->kind != CEL_KIND_OPTIONAL)
        t = optional_of(c, t);
    e->type = cel_unify_substitute(&c->unify, t, false);
    e->call.function = &cel_functions[CEL_FN_OPT_SELECT];
    e->call.overloads = &overload;
    e->call.overload_count = 1;
    return 0;
}

/* && and || take any number of terms. */
static int check_logic(struct checker *c, struct cel_expr *e)
{
    static const uint16_t overload_and = CEL_OV_LOGICAL_AND;
    static const uint16_t overload_or = CEL_OV_LOGICAL_OR;
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        if (!cel_unify_assignable(&c->unify, e->call.args[i]->type, &cel_type_bool))
            return mismatch(c, e->call.args[i], &cel_type_bool, e->call.args[i]->type);
    }
    bool is_and = cel_function_id(e->call.function) == CEL_FN_AND;
    e->call.overloads = is_and ? &overload_and : &overload_or;
    e->call.overload_count = 1;
    e->type = &cel_type_bool;
    return 0;
}

static int no_overload(struct checker *c, const struct cel_expr *e,
        const struct cel_type *const *args, uint32_t count)
{
    struct buf out = BUF_INIT(300);
    uint32_t first = e->call.target != NULL ? 1 : 0;
    if (first == 1)
        buf_printf(&out, "%s.", type_text(c, args[0]));
    buf_putc(&out, '(');
    for (uint32_t i = first; i < count; i++)
        buf_printf(&out, "%s%s", i > first ? ", " : "", type_text(c, args[i]));
    buf_putc(&out, ')');
    int r = err_set_at(c->err, -EINVAL, e->at,
            "found no matching overload for '%.*s' applied to '%s'",
            STR_ARG_SHORT(e->call.function->name), out.len > 0 ? out.ptr : "");
    buf_clear(&out);
    return r;
}

/* Whether overload `o` fits; then *ret_type is its result. */
static bool overload_fits(struct checker *c, const struct cel_overload *o,
        const struct cel_type *const *args, uint32_t count, const struct cel_type **ret_type)
{
    const struct cel_type *variables[CEL_PARAM_COUNT] = {0};
    const struct cel_type *wanted[CEL_ARGS_MAX] = {0};
    if (o->arg_count != count)
        return false;
    for (uint32_t i = 0; i < o->param_count; i++)
        variables[i] = cel_unify_new_variable(&c->unify);
    for (uint32_t i = 0; i < count; i++)
        wanted[i] = cel_unify_instantiate(&c->unify, o->args[i], variables);
    if (!cel_unify_assignable_list(&c->unify, args, wanted, count))
        return false;
    *ret_type = cel_unify_substitute(
            &c->unify, cel_unify_instantiate(&c->unify, o->result, variables), false);
    return true;
}

static int resolve_overloads(struct checker *c, struct cel_expr *e)
{
    const struct cel_function *f = e->call.function;
    if (cel_function_id(f) == CEL_FN_AND || cel_function_id(f) == CEL_FN_OR)
        return check_logic(c, e);
    const struct cel_type *args[CEL_ARGS_MAX + 1] = {NULL};
    uint32_t count = 0;
    bool member = e->call.target != NULL;
    if (member)
        args[count++] = e->call.target->type;
    if (e->call.arg_count + count > CEL_ARGS_MAX)
        return no_overload(c, e, args, count);
    for (uint32_t i = 0; i < e->call.arg_count; i++)
        args[count++] = e->call.args[i]->type;

    uint16_t *fitting = ARENA_ARRAY(c->arena, uint16_t, f->count);
    uint32_t fitting_count = 0;
    bool all_left_out = true;
    e->type = NULL;
    for (uint16_t i = f->first; i < f->first + f->count; i++) {
        const struct cel_overload *o = &cel_overloads[i];
        const struct cel_type *result = NULL;
        if (((o->flags & CEL_OVERLOAD_MEMBER) != 0) != member ||
                !overload_fits(c, o, args, count, &result))
            continue;
        fitting[fitting_count++] = i;
        all_left_out = all_left_out && (o->flags & CEL_OVERLOAD_LEFT_OUT) != 0;
        if (e->type == NULL) {
            e->type = result;
        } else if (!cel_type_is_dyn(e->type) && !cel_type_same(result, e->type, true)) {
            e->type = &cel_type_dyn;
        }
    }
    if (e->type == NULL)
        return no_overload(c, e, args, count);
    if (all_left_out && c->left_out == NULL)
        c->left_out = e;
    e->call.overloads = fitting;
    e->call.overload_count = fitting_count;
    return 0;
}

/* The function of that name in this environment. */
static const struct cel_function *find_function(const struct checker *c, struct str name)
{
    if (name.len > 0 && name.ptr[0] == '.')
        name = (struct str){name.ptr + 1, name.len - 1};
    const struct cel_function *f = cel_function_find(name);
    if (f != NULL && cel_function_id(f) == CEL_FN_INCLUDES &&
            (c->env->options & CEL_OPTION_NO_INCLUDES) != 0)
        return NULL;
    return f;
}

static int check_call(struct checker *c, struct cel_expr *e)
{
    if (str_eq_c(e->call.name, "_?._"))
        return check_optional_select(c, e);
    int r = 0;
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        if ((r = check(c, e->call.args[i])) < 0)
            return r;
    }
    struct cel_expr *target = e->call.target;
    if (target != NULL) {
        struct str prefix = qualified_name(c, target);
        if (prefix.ptr != NULL) {
            struct str name = str_from(
                    arena_printf(c->arena, "%.*s.%.*s", STR_ARG(prefix), STR_ARG(e->call.name)));
            e->call.function = find_function(c, name);
            if (e->call.function != NULL) {
                e->call.target = NULL; /* a name space, no receiver */
                return resolve_overloads(c, e);
            }
        }
        if ((r = check(c, target)) < 0)
            return r;
    }
    e->call.function = find_function(c, e->call.name);
    if (e->call.function == NULL)
        return undeclared(c, e, e->call.name);
    return resolve_overloads(c, e);
}

/* The common type of what came before and `t`; dyn when they differ, which only arguments of
 * format() may (the second walk). */
static void join(struct checker *c, const struct cel_type *t, const struct cel_type **joined)
{
    if (*joined == NULL) {
        *joined = t;
    } else if (cel_unify_assignable(&c->unify, *joined, t)) {
        *joined = cel_type_general(*joined, t);
    } else {
        *joined = &cel_type_dyn;
    }
}

/* What an element marked with '?' contributes. */
static int optional_element(
        struct checker *c, const struct cel_expr *e, const struct cel_type **type)
{
    const struct cel_type *t = *type;
    if (t->kind == CEL_KIND_OPTIONAL) {
        *type = t->param[0];
    } else if (!cel_type_is_dyn(t)) {
        return mismatch(c, e, optional_of(c, t), t);
    }
    return 0;
}

static int check_list(struct checker *c, struct cel_expr *e)
{
    const struct cel_type *joined = NULL;
    for (uint32_t i = 0; i < e->list.count; i++) {
        struct cel_expr *item = e->list.items[i];
        int r = check(c, item);
        if (r < 0)
            return r;
        const struct cel_type *t = item->type;
        if (e->list.optional != NULL && e->list.optional[i] &&
                (r = optional_element(c, item, &t)) < 0)
            return r;
        join(c, t, &joined);
    }
    if (joined == NULL)
        joined = cel_unify_new_variable(&c->unify);
    e->type = cel_type_make(c->arena, CEL_KIND_LIST, joined, NULL);
    return 0;
}

static int check_map(struct checker *c, struct cel_expr *e)
{
    const struct cel_type *keys = NULL;
    const struct cel_type *values = NULL;
    for (uint32_t i = 0; i < e->map.count; i++) {
        struct cel_expr *key = e->map.items[2 * i];
        struct cel_expr *value = e->map.items[2 * i + 1];
        int r = check(c, key);
        if (r < 0)
            return r;
        join(c, key->type, &keys);
        if ((r = check(c, value)) < 0)
            return r;
        const struct cel_type *t = value->type;
        if (e->map.optional != NULL && e->map.optional[i] &&
                (r = optional_element(c, value, &t)) < 0)
            return r;
        join(c, t, &values);
    }
    if (keys == NULL) {
        keys = cel_unify_new_variable(&c->unify);
        values = cel_unify_new_variable(&c->unify);
    }
    e->type = cel_type_make(c->arena, CEL_KIND_MAP, keys, values);
    return 0;
}

static void push_var(struct checker *c, struct str name, const struct cel_type *t, uint32_t slot)
{
    assert(c->scope_count < SCOPE_MAX);
    if (c->scope_count == c->scope_cap) {
        uint32_t cap = c->scope_cap == 0 ? SCOPE_FIRST : 2 * c->scope_cap;
        struct scope_var *grown = ARENA_ARRAY(c->arena, struct scope_var, cap);
        if (c->scope_count > 0)
            memcpy(grown, c->scope, c->scope_count * sizeof *grown);
        c->scope = grown;
        c->scope_cap = cap;
    }
    c->scope[c->scope_count++] = (struct scope_var){name, t, slot};
}

/* The types of the iteration variables over `range`. */
static int iteration_types(struct checker *c, const struct cel_fold *f,
        const struct cel_type **ret_first, const struct cel_type **ret_second)
{
    const struct cel_type *range = cel_unify_substitute(&c->unify, f->range->type, false);
    bool two = f->var2.len > 0;
    switch ((unsigned)range->kind) {
    case CEL_KIND_LIST:
        *ret_first = two ? &cel_type_int : range->param[0];
        *ret_second = range->param[0];
        return 0;
    case CEL_KIND_MAP:
        *ret_first = range->param[0];
        *ret_second = range->param[1];
        return 0;
    case CEL_KIND_DYN:
    case CEL_KIND_PARAM:
        (void)cel_unify_assignable(&c->unify, &cel_type_dyn, range);
        *ret_first = *ret_second = &cel_type_dyn;
        return 0;
    default:
        return err_set_at(c->err, -EINVAL, f->range->at,
                "expression of type '%s' cannot be range of a comprehension (must be list, map, "
                "or dynamic)",
                type_text(c, range));
    }
}

/* The accumulator is computed when it is first asked for, so whatever runs then must leave the
 * slots of its own comprehensions alone: ours come after them. */
static int check_init(struct checker *c, struct cel_fold *f)
{
    uint32_t max = c->slot_max;
    c->slot_max = c->slot_count;
    int r = check(c, f->init);
    f->slot = c->slot_max;
    if (max > c->slot_max)
        c->slot_max = max;
    return r;
}

static int check_fold(struct checker *c, struct cel_expr *e)
{
    struct cel_fold *f = e->fold;
    const struct cel_type *first = NULL;
    const struct cel_type *second = NULL;
    int r = check(c, f->range);
    if (r < 0 || (r = check_init(c, f)) < 0 || (r = iteration_types(c, f, &first, &second)) < 0)
        return r;
    const struct cel_type *accu = f->init->type;
    uint32_t outer = c->scope_count;
    if (outer + SLOTS_PER_FOLD > SCOPE_MAX)
        return err_set_at(c->err, -E2BIG, e->at, "too many nested comprehensions");
    uint32_t slots_before = c->slot_count;
    c->slot_count = f->slot + SLOTS_PER_FOLD;
    if (c->slot_count > c->slot_max)
        c->slot_max = c->slot_count;
    push_var(c, f->accu, accu, f->slot);
    push_var(c, f->var, first, f->slot + 1);
    if (f->var2.len > 0)
        push_var(c, f->var2, second, f->slot + 2);
    if ((r = check(c, f->condition)) < 0)
        return r;
    if (!cel_unify_assignable(&c->unify, &cel_type_bool, f->condition->type))
        return mismatch(c, f->condition, &cel_type_bool, f->condition->type);
    if ((r = check(c, f->step)) < 0)
        return r;
    if (!cel_unify_assignable(&c->unify, accu, f->step->type))
        return mismatch(c, f->step, accu, f->step->type);
    c->scope_count = outer + 1; /* the result sees the accumulator only */
    if ((r = check(c, f->result)) < 0)
        return r;
    c->scope_count = outer;
    c->slot_count = slots_before;
    e->type = cel_unify_substitute(&c->unify, f->result->type, false);
    return 0;
}

static int check(struct checker *c, struct cel_expr *e)
{
    switch (e->kind) {
    case CEL_EXPR_LITERAL: {
        static const struct cel_type *const types[] = {
                [CEL_KIND_NULL] = &cel_type_null,
                [CEL_KIND_BOOL] = &cel_type_bool,
                [CEL_KIND_INT] = &cel_type_int,
                [CEL_KIND_UINT] = &cel_type_uint,
                [CEL_KIND_DOUBLE] = &cel_type_double,
                [CEL_KIND_STRING] = &cel_type_string,
                [CEL_KIND_BYTES] = &cel_type_bytes,
        };
        e->type = types[e->literal.kind];
        return 0;
    }
    case CEL_EXPR_IDENT:
        return check_ident(c, e);
    case CEL_EXPR_SELECT:
        return check_select(c, e);
    case CEL_EXPR_CALL:
        return check_call(c, e);
    case CEL_EXPR_LIST:
        return check_list(c, e);
    case CEL_EXPR_MAP:
        return check_map(c, e);
    case CEL_EXPR_FOLD:
        return check_fold(c, e);
    }
    assert(!"a kind of expression");
    return 0;
}

static int finish(struct checker *c, struct cel_expr *e);

static int finish_all(struct checker *c, struct cel_expr *const *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int r = finish(c, items[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Kubernetes refuses literals whose elements are of different types even where one is dyn.  Items
 * are `stride` apart. */
static int homogeneous(struct checker *c, struct cel_expr *const *items, uint32_t count,
        uint32_t stride, const bool *optional)
{
    const struct cel_type *first = NULL;
    if (c->formats > 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct cel_expr *item = items[(size_t)i * stride];
        const struct cel_type *t = item->type;
        if (optional != NULL && optional[i] && t->param[0] != NULL)
            t = t->param[0];
        if (first == NULL) {
            first = t;
        } else if (!cel_type_same(first, t, false)) {
            return mismatch(c, item, first, t);
        }
    }
    return 0;
}

/* "...".format([...]): the number of arguments, and whether each suits its clause. */
static int validate_format(struct checker *c, const struct cel_expr *e)
{
    const struct cel_expr *format = e->call.target;
    const struct cel_expr *args = e->call.args[0];
    const struct cel_expr *bad = e;
    if (format == NULL || format->kind != CEL_EXPR_LITERAL || args->kind != CEL_EXPR_LIST)
        return 0;
    const char *why = cel_format_check(cel_value_str(format->literal), args, &bad);
    return why == NULL ? 0 : err_set_at(c->err, -EINVAL, bad->at, "%s", why);
}

/* Literal arguments that are wrong whatever the device. */
static int validate_literals(struct checker *c, const struct cel_expr *e)
{
    enum cel_function_id id = cel_function_id(e->call.function);
    if (id == CEL_FN_FORMAT && e->call.arg_count == 1)
        return validate_format(c, e);
    if (e->call.arg_count == 0 || e->call.args[0]->kind != CEL_EXPR_LITERAL)
        return 0;
    const struct cel_expr *arg = e->call.args[0];
    struct cel_value v = arg->literal;
    bool bad = false;
    if (id == CEL_FN_MATCHES && v.kind == CEL_KIND_STRING) {
        const struct cel_regex *re = NULL;
        struct err why = {0};
        int r = cel_regex_compile(c->arena, cel_value_str(v), &re, &why);
        if (r < 0 && r != -EINVAL)
            return err_set_at(c->err, r, arg->at, "%s", why.text);
        bad = r < 0;
    } else if (id == CEL_FN_DURATION && v.kind == CEL_KIND_STRING) {
        int64_t ns = 0;
        bad = !cel_duration_parse(cel_value_str(v), &ns);
    } else if (id == CEL_FN_TIMESTAMP && v.kind == CEL_KIND_STRING) {
        struct cel_time t = {0};
        bad = !cel_time_parse(cel_value_str(v), &t);
    } else if (id == CEL_FN_TIMESTAMP && v.kind == CEL_KIND_INT) {
        bad = v.i < CEL_TIME_MIN || v.i > CEL_TIME_MAX;
    }
    if (!bad)
        return 0;
    return err_set_at(
            c->err, -EINVAL, arg->at, "invalid %.*s argument", STR_ARG(e->call.function->name));
}

/* The second walk, once all variables of types are known. */
static int finish(struct checker *c, struct cel_expr *e)
{
    int r = 0;
    e->type = cel_unify_substitute(&c->unify, e->type, true);
    switch (e->kind) {
    case CEL_EXPR_LITERAL:
    case CEL_EXPR_IDENT:
        return 0;
    case CEL_EXPR_SELECT:
        return finish(c, e->select.operand);
    case CEL_EXPR_CALL:
        c->formats += cel_function_id(e->call.function) == CEL_FN_FORMAT;
        if (e->call.target != NULL && (r = finish(c, e->call.target)) < 0)
            return r;
        r = finish_all(c, e->call.args, e->call.arg_count);
        c->formats -= cel_function_id(e->call.function) == CEL_FN_FORMAT;
        return r < 0 ? r : validate_literals(c, e);
    case CEL_EXPR_LIST:
        r = finish_all(c, e->list.items, e->list.count);
        return r < 0 ? r : homogeneous(c, e->list.items, e->list.count, 1, e->list.optional);
    case CEL_EXPR_MAP:
        r = finish_all(c, e->map.items, 2 * e->map.count);
        if (r < 0 || (r = homogeneous(c, e->map.items, e->map.count, 2, NULL)) < 0)
            return r;
        if (e->map.count == 0)
            return 0;
        return homogeneous(c, e->map.items + 1, e->map.count, 2, e->map.optional);
    case CEL_EXPR_FOLD: {
        struct cel_expr *const parts[] = {
                e->fold->range, e->fold->init, e->fold->condition, e->fold->step, e->fold->result};
        return finish_all(c, parts, 5);
    }
    }
    return 0;
}

int cel_check(const struct cel_env *env, struct arena *a, struct cel_expr *root,
        uint32_t *ret_slots, struct err *reterr)
{
    struct checker c = {.env = env, .arena = a, .unify = {.arena = a}, .err = reterr};
    c.var_types = ARENA_ARRAY(a, const struct cel_type *, env->var_count);
    for (uint32_t i = 0; i < env->var_count; i++)
        c.var_types[i] = cel_type_declared(a, env->vars[i].type);
    int r = check(&c, root);
    if (r < 0 || (r = finish(&c, root)) < 0)
        return r;
    if (c.left_out != NULL) {
        return err_set_at(reterr, -ENOTSUP, c.left_out->at, "function '%.*s' is not supported",
                STR_ARG_SHORT(c.left_out->call.function->name));
    }
    *ret_slots = c.slot_max;
    return 0;
}
