/* cel/eval.c - runs a plan.
 *
 * Pure; all memory from the evaluation's arena.  Every step adds the cost that cel-go's observer
 * (interpreter/runtimecost.go) would add at it; the cost only grows, so it is compared with the
 * limit in loops and at the end. */
#include "cel/node-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { COST_SELECT = 1, COST_LIST = 10, COST_MAP = 30 };

struct cel_value cel_fault(struct cel_state *s, enum cel_fault_kind kind, struct cel_value subject)
{
    struct cel_fault *f = ARENA_NEW(s->arena, struct cel_fault);
    f->kind = kind;
    f->subject = subject;
    return (struct cel_value){.kind = CEL_KIND_ERROR, .fault = f};
}

struct cel_value cel_fault_text(struct cel_state *s, const char *text)
{
    struct cel_fault *f = ARENA_NEW(s->arena, struct cel_fault);
    f->kind = CEL_FAULT_TEXT;
    f->text = text;
    return (struct cel_value){.kind = CEL_KIND_ERROR, .fault = f};
}

struct cel_value cel_fault_overload(void)
{
    static const struct cel_fault fault = {.kind = CEL_FAULT_NO_SUCH_OVERLOAD};
    return (struct cel_value){.kind = CEL_KIND_ERROR, .fault = &fault};
}

struct cel_value cel_fault_give_up(struct cel_state *s, const char *text)
{
    static const struct cel_fault fault = {.kind = CEL_FAULT_GAVE_UP};
    if (!s->gave_up) {
        s->gave_up = true;
        s->why = text;
    }
    return (struct cel_value){.kind = CEL_KIND_ERROR, .fault = &fault};
}

static struct cel_value out_of_cost(void)
{
    static const struct cel_fault fault = {.kind = CEL_FAULT_COST};
    return (struct cel_value){.kind = CEL_KIND_ERROR, .fault = &fault};
}

static bool must_stop(const struct cel_state *s)
{
    return s->cost > s->cost_limit || s->gave_up;
}

/* ---- attributes ---- */

/* The element of a list that `index` names; false when the index is outside. */
static bool list_index(struct cel_value index, int64_t *ret_index)
{
    switch (index.kind) {
    case CEL_KIND_INT:
        *ret_index = index.i;
        return true;
    case CEL_KIND_UINT:
        *ret_index = (int64_t)index.u;
        return index.u <= INT64_MAX;
    case CEL_KIND_DOUBLE:
        if (!(index.d >= -9223372036854775808.0 && index.d < 9223372036854775808.0))
            return false;
        *ret_index = (int64_t)index.d;
        return (double)*ret_index == index.d;
    default:
        return false;
    }
}

/* One part of `object`.  1 with *ret_value; 0 when it is not there and `presence` is asked for; -1
 * with an ERROR in *ret_value. */
static int part_of(struct cel_state *s, struct cel_value object, const struct cel_qual *q,
        bool presence, struct cel_value *ret_value)
{
    if (object.kind == CEL_KIND_MAP) {
        bool found = q->index.kind == CEL_KIND_STRING
                             ? object.map->ops->find(object.map, &q->key, ret_value)
                             : cel_map_find(object.map, q->index, ret_value);
        if (found)
            return 1;
        if (object.map->ops->default_empty) {
            *ret_value = cel_map_new(s, 0);
            return 1;
        }
    } else if (object.kind == CEL_KIND_LIST) {
        int64_t i = 0;
        if (!list_index(q->index, &i)) {
            *ret_value = cel_fault_text(s, "unsupported index type in list");
            return -1;
        }
        if (i >= 0 && i < (int64_t)object.list->count) {
            *ret_value = object.list->items[i];
            return 1;
        }
        if (!presence) {
            *ret_value = cel_fault(s, CEL_FAULT_NO_SUCH_INDEX, q->index);
            return -1;
        }
    }
    if (presence)
        return 0;
    *ret_value = cel_fault(s, CEL_FAULT_NO_SUCH_KEY, q->index);
    return -1;
}

static struct cel_value resolve(struct cel_state *s, const struct cel_attr *a);

/* Fills `index` of a qualifier that is computed; an ERROR value when that fails. */
static struct cel_value compute_index(struct cel_state *s, struct cel_qual *q)
{
    struct cel_value v = resolve(s, q->attr);
    switch (v.kind) {
    case CEL_KIND_STRING:
        q->key = (struct cel_key){cel_value_str(v), str_hash(cel_value_str(v), 0), UINT32_MAX};
        break;
    case CEL_KIND_INT:
    case CEL_KIND_UINT:
    case CEL_KIND_BOOL:
    case CEL_KIND_DOUBLE:
    case CEL_KIND_ERROR:
        break;
    default:
        return cel_fault_text(s, "invalid qualifier type");
    }
    q->index = v;
    return v;
}

static struct cel_value *box(struct cel_state *s, struct cel_value v)
{
    struct cel_value *boxed = ARENA_NEW(s->arena, struct cel_value);
    *boxed = v;
    return boxed;
}

static struct cel_value optional_of(struct cel_state *s, struct cel_value v)
{
    return (struct cel_value){.kind = CEL_KIND_OPTIONAL, .optional = box(s, v)};
}

static const struct cel_value optional_none = {.kind = CEL_KIND_OPTIONAL};

/* Walks from `object` through the qualifiers. */
static struct cel_value qualify(
        struct cel_state *s, struct cel_value object, const struct cel_attr *a)
{
    bool optional = object.kind == CEL_KIND_OPTIONAL;
    if (optional && object.optional == NULL)
        return object;
    if (optional)
        object = *object.optional;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct cel_qual *q = &a->quals[i];
        struct cel_qual computed;
        optional = optional || q->optional;
        if (!q->constant) {
            computed = *q;
            q = &computed;
            struct cel_value index = compute_index(s, &computed);
            if (cel_is_error(index)) {
                s->cost += optional ? 0 : COST_SELECT;
                return index;
            }
        }
        struct cel_value part = {0};
        int found = part_of(s, object, q, optional || q->test, &part);
        if (q->test && found >= 0) {
            s->cost += optional && found == 0 ? 0 : COST_SELECT;
            if (optional && found == 0)
                return optional_none;
            object = cel_bool(found > 0);
            continue;
        }
        s->cost += optional && found <= 0 ? 0 : COST_SELECT;
        if (found < 0)
            return part;
        if (found == 0)
            return optional_none;
        object = part;
    }
    return optional ? optional_of(s, object) : object;
}

static struct cel_value slot_value(struct cel_state *s, uint32_t slot)
{
    struct cel_slot *var = &s->slots[slot];
    if (var->lazy != NULL) {
        const struct cel_node *init = var->lazy;
        var->lazy = NULL;
        var->value = cel_eval_node(s, init);
        if (var->value.kind == CEL_KIND_LIST && var->value.list->count == 0) {
            struct cel_list_growing *list = ARENA_NEW(s->arena, struct cel_list_growing);
            var->value = cel_list(&list->list);
            var->value.size = CEL_SIZE_MUTABLE;
        } else if (var->value.kind == CEL_KIND_MAP && var->value.map->count == 0) {
            var->value = cel_map_new(s, 0);
        }
    }
    return var->value;
}

static struct cel_value resolve(struct cel_state *s, const struct cel_attr *a)
{
    struct cel_value v;
    switch (a->base) {
    case CEL_ATTR_GLOBAL:
        v = s->run->vars[a->slot];
        break;
    case CEL_ATTR_LOCAL:
        v = slot_value(s, a->slot);
        break;
    case CEL_ATTR_RELATIVE:
        v = cel_eval_node(s, a->operand);
        break;
    case CEL_ATTR_CONDITIONAL:
        v = cel_eval_node(s, a->operand);
        if (cel_is_error(v))
            return v;
        if (v.kind != CEL_KIND_BOOL)
            return cel_fault_overload();
        v = resolve(s, v.b ? a->yes : a->no);
        break;
    default:
        assert(!"a kind of attribute");
        return cel_fault_overload();
    }
    if (cel_is_error(v) || (a->count == 0 && v.kind != CEL_KIND_OPTIONAL))
        return v;
    return a->count == 0 ? v : qualify(s, v, a);
}

/* ---- operators ---- */

/* `decisive` ends a chain: false for &&, true for ||.  An error counts only if nothing decides. */
static struct cel_value eval_logic(struct cel_state *s, const struct cel_node *n, bool decisive)
{
    struct cel_value error = {0};
    bool failed = false;
    for (uint32_t i = 0; i < n->count; i++) {
        struct cel_value v = cel_eval_node(s, n->args[i]);
        if (v.kind == CEL_KIND_BOOL) {
            if (v.b == decisive)
                return v;
        } else if (!failed) {
            failed = true;
            error = cel_is_error(v) ? v : cel_fault_overload();
        }
    }
    return failed ? error : cel_bool(!decisive);
}

static struct cel_value eval_equality(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value args[2] = {cel_eval_node(s, n->args[0]), cel_eval_node(s, n->args[1])};
    struct cel_value v;
    if (cel_is_error(args[0])) {
        v = args[0];
    } else if (cel_is_error(args[1])) {
        v = args[1];
    } else if (n->op == CEL_OP_EQ) {
        v = cel_equal(args[0], args[1]);
    } else {
        struct cel_value equal = cel_equal(args[0], args[1]);
        v = cel_bool(cel_is_error(equal) || !equal.b);
    }
    s->cost += cel_call_cost(n, args, 2, v);
    return v;
}

/* Whether an error reaches the function: only this one looks at errors. */
static struct cel_value not_strictly_false(struct cel_value v)
{
    return v.kind == CEL_KIND_BOOL ? v : cel_bool(true);
}

static struct cel_value eval_call(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value args[CEL_ARGS_MAX] = {0};
    struct cel_value error = {0};
    bool failed = false;
    for (uint32_t i = 0; i < n->count; i++) {
        args[i] = cel_eval_node(s, n->args[i]);
        if (!cel_is_error(args[i]))
            continue;
        /* Upstream charges a call whose last argument was looked at. */
        if (n->varargs && i + 1 < n->count)
            return args[i];
        if (!failed)
            error = args[i];
        failed = true;
    }
    struct cel_value v;
    if (n->function == CEL_FN_NOT_STRICTLY_FALSE) {
        v = not_strictly_false(args[0]);
    } else {
        v = failed ? error : cel_call(s, n, args);
    }
    s->cost += cel_call_cost(n, args, n->count, v);
    return v;
}

static struct cel_value eval_in_set(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value v = cel_eval_node(s, n->args[0]);
    if (cel_is_error(v))
        return v;
    const struct cel_list *list = n->value.list;
    for (uint32_t i = 0; i < list->count; i++) {
        struct cel_value equal = cel_equal(list->items[i], v);
        if (equal.kind == CEL_KIND_BOOL && equal.b)
            return equal;
    }
    return cel_bool(false);
}

static struct cel_value eval_optional_or(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value v = cel_eval_node(s, n->args[0]);
    if (cel_is_error(v))
        return v;
    if (v.kind != CEL_KIND_OPTIONAL)
        return cel_fault_overload();
    if (v.optional == NULL)
        return cel_eval_node(s, n->args[1]);
    return n->op == CEL_OP_OPTIONAL_OR ? v : *v.optional;
}

/* ---- literals ---- */

static struct cel_value build_list(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value *items = cel_items_new(s, n->count);
    size_t count = 0;
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    for (uint32_t i = 0; i < n->count; i++) {
        struct cel_value v = cel_eval_node(s, n->args[i]);
        if (cel_is_error(v))
            return v;
        if (n->optional != NULL && n->optional[i]) {
            if (v.kind != CEL_KIND_OPTIONAL) {
                return cel_fault_text(
                        s, "cannot initialize optional list element from non-optional value");
            }
            if (v.optional == NULL)
                continue;
            v = *v.optional;
        }
        items[count++] = v;
    }
    return cel_list_new(s, items, count);
}

static struct cel_value build_map(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value map = cel_map_new(s, n->count);
    for (uint32_t i = 0; i < n->count; i++) {
        struct cel_value key = cel_eval_node(s, n->args[2 * i]);
        if (cel_is_error(key))
            return key;
        struct cel_value v = cel_eval_node(s, n->args[2 * i + 1]);
        if (cel_is_error(v))
            return v;
        if (n->optional != NULL && n->optional[i]) {
            if (v.kind != CEL_KIND_OPTIONAL) {
                return cel_fault_text(
                        s, "cannot initialize optional entry from non-optional value");
            }
            if (v.optional == NULL)
                continue;
            v = *v.optional;
        }
        if (!cel_map_put(s, map, key, v))
            return cel_fault_give_up(s, NULL);
    }
    return map;
}

/* ---- comprehensions ---- */

/* One turn of the loop; false ends it. */
static bool fold_turn(struct cel_state *s, const struct cel_plan_fold *f)
{
    struct cel_value condition = cel_eval_node(s, f->condition);
    if (condition.kind == CEL_KIND_BOOL && !condition.b)
        return false;
    struct cel_value v = cel_eval_node(s, f->step);
    s->slots[f->slot].value = v;
    s->slots[f->slot].lazy = NULL;
    return !must_stop(s);
}

static void fold_map(struct cel_state *s, const struct cel_plan_fold *f, const struct cel_map *map)
{
    for (uint32_t i = 0; i < map->count; i++) {
        map->ops->entry(
                map, i, &s->slots[f->slot + 1].value, f->two ? &s->slots[f->slot + 2].value : NULL);
        if (!fold_turn(s, f))
            return;
    }
}

static void fold_list(
        struct cel_state *s, const struct cel_plan_fold *f, const struct cel_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        s->slots[f->slot + 1].value = f->two ? cel_int(i) : list->items[i];
        if (f->two)
            s->slots[f->slot + 2].value = list->items[i];
        if (!fold_turn(s, f))
            return;
    }
}

static struct cel_value eval_fold(struct cel_state *s, const struct cel_node *n)
{
    const struct cel_plan_fold *f = n->fold;
    struct cel_value range = cel_eval_node(s, f->range);
    if (cel_is_error(range))
        return range;
    s->slots[f->slot] = (struct cel_slot){.lazy = f->init};
    s->slots[f->slot + 1] = s->slots[f->slot + 2] = (struct cel_slot){0};
    if (range.kind == CEL_KIND_MAP) {
        fold_map(s, f, range.map);
    } else if (range.kind == CEL_KIND_LIST) {
        fold_list(s, f, range.list);
    } else {
        return cel_fault_text(s, "unsupported comprehension range type");
    }
    if (s->cost > s->cost_limit)
        return out_of_cost();
    if (s->gave_up)
        return cel_fault_give_up(s, NULL);
    struct cel_value v = cel_eval_node(s, f->result);
    if (v.kind == CEL_KIND_LIST && v.size == CEL_SIZE_MUTABLE)
        v.size = 0;
    return v;
}

struct cel_value cel_eval_node(struct cel_state *s, const struct cel_node *n)
{
    struct cel_value v;
    switch (n->op) {
    case CEL_OP_CONST:
        return n->value;
    case CEL_OP_ATTR:
        v = resolve(s, n->attr);
        if (n->attr->base != CEL_ATTR_CONDITIONAL && !n->attr->test)
            s->cost += COST_SELECT;
        if (n->attr->test && v.kind == CEL_KIND_OPTIONAL)
            v = cel_bool(v.optional != NULL);
        return v;
    case CEL_OP_AND:
        return eval_logic(s, n, false);
    case CEL_OP_OR:
        return eval_logic(s, n, true);
    case CEL_OP_EQ:
    case CEL_OP_NE:
        return eval_equality(s, n);
    case CEL_OP_CALL:
        return eval_call(s, n);
    case CEL_OP_LIST:
        v = build_list(s, n);
        s->cost += COST_LIST;
        return v;
    case CEL_OP_MAP:
        v = build_map(s, n);
        s->cost += COST_MAP;
        return v;
    case CEL_OP_FOLD:
        return eval_fold(s, n);
    case CEL_OP_IN_SET:
        return eval_in_set(s, n);
    case CEL_OP_OPTIONAL_OR:
    case CEL_OP_OPTIONAL_OR_VALUE:
        return eval_optional_or(s, n);
    }
    assert(!"an operation");
    return cel_fault_overload();
}
