/* cel/plan.c - the checked tree made ready to run.
 *
 * Pure.  Follows cel-go's interpreter/planner.go with the decorators that Kubernetes switches on:
 * optional or, constant folding, constant patterns. */
#include "cel/node-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct planner {
    struct arena *arena;
    struct err *err;
};

static int plan(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node);

static struct cel_node *new_node(struct planner *p, enum cel_op op, const struct cel_expr *e)
{
    struct cel_node *n = ARENA_NEW(p->arena, struct cel_node);
    n->op = op;
    n->overload = CEL_OVERLOAD_ANY;
    n->start = e->start;
    n->end = e->end;
    return n;
}

static const struct cel_node *constant(
        struct planner *p, const struct cel_expr *e, struct cel_value v)
{
    struct cel_node *n = new_node(p, CEL_OP_CONST, e);
    n->value = v;
    return n;
}

static struct cel_attr *new_attr(struct planner *p, enum cel_attr_base base)
{
    struct cel_attr *a = ARENA_NEW(p->arena, struct cel_attr);
    a->base = base;
    return a;
}

static const struct cel_node *attr_node(
        struct planner *p, const struct cel_expr *e, const struct cel_attr *attr)
{
    struct cel_node *n = new_node(p, CEL_OP_ATTR, e);
    n->attr = attr;
    return n;
}

/* The attribute that `n` is, to be extended; else one relative to its value. */
static struct cel_attr *attr_of(struct planner *p, const struct cel_node *n)
{
    struct cel_attr *a;
    if (n->op == CEL_OP_ATTR && !n->attr->test) {
        a = ARENA_NEW(p->arena, struct cel_attr);
        *a = *n->attr;
        return a;
    }
    a = new_attr(p, CEL_ATTR_RELATIVE);
    a->operand = n;
    return a;
}

static struct cel_qual *add_qual(struct planner *p, struct cel_attr *a)
{
    if (a->count == a->cap) {
        uint32_t cap = a->cap == 0 ? 4 : 2 * a->cap;
        struct cel_qual *grown = ARENA_ARRAY(p->arena, struct cel_qual, cap);
        if (a->count > 0)
            memcpy(grown, a->quals, a->count * sizeof *grown);
        a->quals = grown;
        a->cap = cap;
    }
    return &a->quals[a->count++];
}

static void set_constant_index(struct cel_qual *q, struct cel_value index)
{
    q->constant = true;
    q->index = index;
    q->key.field = UINT32_MAX;
    if (index.kind == CEL_KIND_STRING) {
        q->key.text = cel_value_str(index);
        q->key.hash = str_hash(q->key.text, 0);
    }
}

static int plan_ident(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    if (e->ident.from == CEL_IDENT_TYPE) {
        *ret_node =
                constant(p, e, (struct cel_value){.kind = CEL_KIND_TYPE, .type = e->ident.meant});
        return 0;
    }
    struct cel_attr *a =
            new_attr(p, e->ident.from == CEL_IDENT_LOCAL ? CEL_ATTR_LOCAL : CEL_ATTR_GLOBAL);
    a->slot = e->ident.slot;
    *ret_node = attr_node(p, e, a);
    return 0;
}

/* The number of the declared field, so that a host need not look for its name. */
static uint32_t field_index(const struct cel_type *t, struct str field)
{
    for (uint32_t i = 0; t->decl != NULL && i < t->decl->field_count; i++) {
        if (str_eq_c(field, t->decl->fields[i].name))
            return i;
    }
    return UINT32_MAX;
}

static int plan_select(
        struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    const struct cel_node *operand = NULL;
    int r = plan(p, e->select.operand, &operand);
    if (r < 0)
        return r;
    struct cel_attr *a = attr_of(p, operand);
    struct cel_qual *q = add_qual(p, a);
    set_constant_index(q, cel_string(e->select.field));
    q->key.field = field_index(e->select.operand->type, e->select.field);
    q->test = a->test = e->select.test;
    *ret_node = attr_node(p, e, a);
    return 0;
}

static int plan_index(struct planner *p, const struct cel_expr *e, const struct cel_node **args,
        const struct cel_node **ret_node)
{
    bool optional = cel_function_id(e->call.function) != CEL_FN_INDEX;
    struct cel_attr *a = attr_of(p, args[0]);
    struct cel_qual *q = add_qual(p, a);
    q->optional = optional;
    if (args[1]->op == CEL_OP_CONST) {
        switch (args[1]->value.kind) {
        case CEL_KIND_STRING:
        case CEL_KIND_INT:
        case CEL_KIND_UINT:
        case CEL_KIND_BOOL:
        case CEL_KIND_DOUBLE:
            set_constant_index(q, args[1]->value);
            break;
        default:
            return err_set_at(p->err, -EINVAL, e->at,
                    "program instantiation failed: invalid qualifier type: %s",
                    cel_value_type_name(args[1]->value));
        }
    } else {
        q->attr = args[1]->op == CEL_OP_ATTR ? args[1]->attr : attr_of(p, args[1]);
    }
    *ret_node = attr_node(p, e, a);
    return 0;
}

static const struct cel_node *plan_conditional(
        struct planner *p, const struct cel_expr *e, const struct cel_node **args)
{
    struct cel_attr *a = new_attr(p, CEL_ATTR_CONDITIONAL);
    a->operand = args[0];
    const struct cel_attr *branches[2];
    for (int i = 0; i < 2; i++) {
        if (args[1 + i]->op == CEL_OP_ATTR) {
            branches[i] = args[1 + i]->attr;
        } else {
            struct cel_attr *relative = new_attr(p, CEL_ATTR_RELATIVE);
            relative->operand = args[1 + i];
            branches[i] = relative;
        }
    }
    a->yes = branches[0];
    a->no = branches[1];
    return attr_node(p, e, a);
}

/* Evaluates a node all of whose parts are constant. */
static struct cel_value fold_constant(
        struct planner *p, const struct cel_node *n, struct cel_state *s)
{
    *s = (struct cel_state){.arena = p->arena, .cost_limit = UINT64_MAX};
    return cel_eval_node(s, n);
}

static bool all_constant(const struct cel_node *const *args, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (args[i]->op != CEL_OP_CONST)
            return false;
    }
    return true;
}

/* Replaces *node by its value; an error then is one of compilation. */
static int fold_now(struct planner *p, const struct cel_expr *e, const struct cel_node **node)
{
    struct cel_state s;
    struct cel_value v = fold_constant(p, *node, &s);
    if (cel_is_error(v)) {
        struct err why = {0};
        int r = cel_fault_report(&s, v.fault, &why);
        return err_set_at(p->err, r, e->at, "program instantiation failed: %s", why.text);
    }
    v.size &= v.kind == CEL_KIND_LIST ? ~(uint32_t)CEL_SIZE_MUTABLE : UINT32_MAX;
    *node = constant(p, e, v);
    return 0;
}

static bool is_conversion(enum cel_function_id id)
{
    switch ((unsigned)id) {
    case CEL_FN_BOOL:
    case CEL_FN_BYTES:
    case CEL_FN_DOUBLE:
    case CEL_FN_DURATION:
    case CEL_FN_DYN:
    case CEL_FN_INT:
    case CEL_FN_STRING:
    case CEL_FN_TIMESTAMP:
    case CEL_FN_TYPE:
    case CEL_FN_UINT:
        return true;
    default:
        return false;
    }
}

static bool is_primitive(struct cel_value v)
{
    return v.kind == CEL_KIND_BOOL || v.kind == CEL_KIND_DOUBLE || v.kind == CEL_KIND_INT ||
           v.kind == CEL_KIND_STRING || v.kind == CEL_KIND_UINT;
}

/* x in [constants] becomes a look-up that costs nothing. */
static const struct cel_node *plan_membership(
        struct planner *p, const struct cel_expr *e, struct cel_node *call)
{
    struct cel_value list = call->args[1]->value;
    if (list.kind != CEL_KIND_LIST)
        return call;
    if (list.list->count == 0)
        return constant(p, e, cel_bool(false));
    for (uint32_t i = 0; i < list.list->count; i++) {
        if (!is_primitive(list.list->items[i]))
            return call;
    }
    call->op = CEL_OP_IN_SET;
    call->value = list;
    return call;
}

static int plan_pattern(struct planner *p, const struct cel_expr *e, struct cel_node *call)
{
    const struct cel_node *pattern = call->args[1];
    if (pattern->op != CEL_OP_CONST || pattern->value.kind != CEL_KIND_STRING)
        return 0;
    struct err why = {0};
    const struct cel_regex *re = NULL;
    int r = cel_regex_compile(p->arena, cel_value_str(pattern->value), &re, &why);
    if (r < 0)
        return err_set_at(p->err, r, e->at, "program instantiation failed: %s", why.text);
    call->regex = re;
    call->varargs = true;
    return 0;
}

/* Upstream binds these in a way that ends at the first argument that fails. */
static bool is_varargs(const struct cel_node *n)
{
    if (n->count > 2 || n->overload == CEL_OV_STRING_FORMAT)
        return true;
    const struct cel_function *f = &cel_functions[n->function];
    return n->overload == CEL_OVERLOAD_ANY && !f->singleton && f->count > 1;
}

static int plan_call(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    bool member = e->call.target != NULL;
    uint32_t count = e->call.arg_count + member;
    const struct cel_node **args = ARENA_ARRAY(p->arena, const struct cel_node *, count);
    int r = 0;
    if (member && (r = plan(p, e->call.target, &args[0])) < 0)
        return r;
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        if ((r = plan(p, e->call.args[i], &args[i + member])) < 0)
            return r;
    }

    enum cel_function_id id = cel_function_id(e->call.function);
    static const struct {
        enum cel_function_id id;
        enum cel_op op;
    } special[] = {
            {CEL_FN_AND, CEL_OP_AND},
            {CEL_FN_OR, CEL_OP_OR},
            {CEL_FN_EQ, CEL_OP_EQ},
            {CEL_FN_NE, CEL_OP_NE},
            {CEL_FN_OPTIONAL_OR, CEL_OP_OPTIONAL_OR},
            {CEL_FN_ORVALUE, CEL_OP_OPTIONAL_OR_VALUE},
    };
    if (id == CEL_FN_INDEX || id == CEL_FN_OPT_INDEX || id == CEL_FN_OPT_SELECT)
        return plan_index(p, e, args, ret_node);
    if (id == CEL_FN_CONDITIONAL) {
        *ret_node = plan_conditional(p, e, args);
        return 0;
    }
    struct cel_node *n = new_node(p, CEL_OP_CALL, e);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (special[i].id == id)
            n->op = special[i].op;
    }
    n->function = (uint16_t)id;
    n->overload = e->call.overload_count == 1 ? e->call.overloads[0] : CEL_OVERLOAD_ANY;
    n->count = count;
    n->args = args;
    *ret_node = n;
    if (n->op != CEL_OP_CALL)
        return 0;
    n->varargs = is_varargs(n);
    if (n->overload == CEL_OV_IN_LIST && args[1]->op == CEL_OP_CONST) {
        *ret_node = plan_membership(p, e, n);
    } else if (id == CEL_FN_MATCHES || id == CEL_FN_FIND || id == CEL_FN_FINDALL) {
        r = plan_pattern(p, e, n);
    } else if (is_conversion(id) && count == 1 && args[0]->op == CEL_OP_CONST) {
        r = fold_now(p, e, ret_node);
    }
    return r;
}

static int plan_items(struct planner *p, const struct cel_expr *e, struct cel_expr *const *items,
        uint32_t count, struct cel_node *n)
{
    n->args = ARENA_ARRAY(p->arena, const struct cel_node *, count);
    n->start = e->start;
    for (uint32_t i = 0; i < count; i++) {
        int r = plan(p, items[i], &n->args[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int plan_list(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    struct cel_node *n = new_node(p, CEL_OP_LIST, e);
    n->count = e->list.count;
    n->optional = e->list.optional;
    int r = plan_items(p, e, e->list.items, n->count, n);
    *ret_node = n;
    if (r == 0 && all_constant(n->args, n->count))
        r = fold_now(p, e, ret_node);
    return r;
}

static int plan_map(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    struct cel_node *n = new_node(p, CEL_OP_MAP, e);
    n->count = e->map.count;
    n->optional = e->map.optional;
    int r = plan_items(p, e, e->map.items, 2 * n->count, n);
    *ret_node = n;
    if (r == 0 && all_constant(n->args, 2 * n->count))
        r = fold_now(p, e, ret_node);
    return r;
}

static int plan_fold(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    const struct cel_fold *f = e->fold;
    struct cel_plan_fold *fold = ARENA_NEW(p->arena, struct cel_plan_fold);
    int r = 0;
    if ((r = plan(p, f->init, &fold->init)) < 0 || (r = plan(p, f->range, &fold->range)) < 0 ||
            (r = plan(p, f->condition, &fold->condition)) < 0 ||
            (r = plan(p, f->step, &fold->step)) < 0 || (r = plan(p, f->result, &fold->result)) < 0)
        return r;
    fold->slot = f->slot;
    fold->two = f->var2.len > 0;
    struct cel_node *n = new_node(p, CEL_OP_FOLD, e);
    n->fold = fold;
    *ret_node = n;
    return 0;
}

static int plan(struct planner *p, const struct cel_expr *e, const struct cel_node **ret_node)
{
    switch (e->kind) {
    case CEL_EXPR_LITERAL:
        *ret_node = constant(p, e, e->literal);
        return 0;
    case CEL_EXPR_IDENT:
        return plan_ident(p, e, ret_node);
    case CEL_EXPR_SELECT:
        return plan_select(p, e, ret_node);
    case CEL_EXPR_CALL:
        return plan_call(p, e, ret_node);
    case CEL_EXPR_LIST:
        return plan_list(p, e, ret_node);
    case CEL_EXPR_MAP:
        return plan_map(p, e, ret_node);
    case CEL_EXPR_FOLD:
        return plan_fold(p, e, ret_node);
    }
    assert(!"a kind of expression");
    return 0;
}

int cel_plan(struct arena *a, const struct cel_expr *root, const struct cel_node **ret_plan,
        struct err *reterr)
{
    struct planner p = {a, reterr};
    return plan(&p, root, ret_plan);
}
