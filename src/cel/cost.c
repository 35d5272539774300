/* cel/cost.c - what a call costs at run time.
 *
 * Pure.  In this order, as upstream: the trackers of the sets and lists libraries by overload,
 * Kubernetes' estimator by function (apiserver's library/cost.go), cel-go's own by overload
 * (interpreter/runtimecost.go), else 1.  Upstream computes in float64; the products here are the
 * same doubles, rounded up by hand since pure code calls no libm. */
#include "cel/node-priv.h"

enum { CALL = 1, LIST_BASE = 10 };

static uint64_t ceil_of(double d)
{
    if (!(d < 0x1p63))
        return UINT64_MAX;
    uint64_t whole = (uint64_t)d;
    return (double)whole < d ? whole + 1 : whole;
}

static uint64_t string_cost(uint64_t size, double times)
{
    return ceil_of((double)size * (times * 0.1));
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* Without a look into optionals, as Kubernetes counts. */
static uint64_t plain_size(struct cel_value v)
{
    switch (v.kind) {
    case CEL_KIND_STRING:
        return cel_rune_count(cel_value_str(v));
    case CEL_KIND_BYTES:
        return v.size;
    case CEL_KIND_LIST:
        return v.list->count;
    case CEL_KIND_MAP:
        return v.map->count;
    default:
        return 1;
    }
}

uint64_t cel_value_size(struct cel_value v)
{
    while (v.kind == CEL_KIND_OPTIONAL && v.optional != NULL)
        v = *v.optional;
    return plain_size(v);
}

uint64_t cel_value_traversal(struct cel_value v)
{
    uint64_t cost = 0;
    switch (v.kind) {
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES:
        return (uint64_t)((double)v.size * 0.1);
    case CEL_KIND_LIST:
        for (uint32_t i = 0; i < v.list->count; i++)
            cost += cel_value_traversal(v.list->items[i]);
        return cost;
    case CEL_KIND_MAP:
        for (uint32_t i = 0; i < v.map->count; i++) {
            struct cel_value key = {0};
            struct cel_value value = {0};
            v.map->ops->entry(v.map, i, &key, &value);
            cost += cel_value_traversal(key) + cel_value_traversal(value);
        }
        return cost;
    default:
        return 1;
    }
}

static uint64_t list_cost(double factor, uint64_t size)
{
    if (factor < 0)
        factor = 1;
    double d = (double)size * factor;
    return add(d < 0x1p63 ? (uint64_t)d : UINT64_MAX, CALL + LIST_BASE);
}

static uint64_t self_compare(struct cel_value list)
{
    uint64_t size = plain_size(list);
    if (list.kind != CEL_KIND_LIST || size == 0)
        return list_cost(2, 0);
    uint32_t kind = list.list->items[0].kind;
    double factor = kind == CEL_KIND_STRING || kind == CEL_KIND_BYTES ? 2.0 + 0.1 : 2.0;
    return list_cost(factor, multiply(size, size));
}

static uint64_t sets_cost(const struct cel_value *args, double factor)
{
    double d = (double)(plain_size(args[0]) * plain_size(args[1])) * factor;
    return add(CALL, (uint64_t)d);
}

/* The trackers of libraries, which belong to single overloads. */
static bool library_cost(const struct cel_node *n, const struct cel_value *args,
        struct cel_value result, uint64_t *ret_cost)
{
    switch (n->overload) {
    case CEL_OV_LIST_SETS_CONTAINS_LIST:
    case CEL_OV_LIST_SETS_INTERSECTS_LIST:
        *ret_cost = sets_cost(args, 1);
        return true;
    case CEL_OV_LIST_SETS_EQUIVALENT_LIST:
        *ret_cost = sets_cost(args, 2);
        return true;
    case CEL_OV_LIST_SLICE:
    case CEL_OV_LISTS_RANGE:
    case CEL_OV_LIST_REVERSE:
        *ret_cost = list_cost(1, plain_size(result));
        return true;
    case CEL_OV_LIST_FLATTEN:
        *ret_cost = list_cost(1, plain_size(args[0]));
        return true;
    case CEL_OV_LIST_FLATTEN_INT:
        *ret_cost = list_cost(
                args[1].kind == CEL_KIND_INT ? (double)args[1].i : 1, plain_size(args[0]));
        return true;
    case CEL_OV_LIST_DISTINCT:
        *ret_cost = self_compare(args[0]);
        return true;
    default:
        break;
    }
    if (n->overload == CEL_OVERLOAD_ANY)
        return false;
    if (n->function == CEL_FN_SORT) {
        *ret_cost = self_compare(args[0]);
    } else if (n->function == CEL_FN__SORTBYASSOCIATEDKEYS) {
        *ret_cost = self_compare(args[1]);
    }
    return n->function == CEL_FN_SORT || n->function == CEL_FN__SORTBYASSOCIATEDKEYS;
}

/* Kubernetes' estimator. */
static bool kubernetes_cost(const struct cel_node *n, const struct cel_value *args,
        struct cel_value result, uint64_t *ret_cost)
{
    switch (n->function) {
    case CEL_FN_ISSORTED:
    case CEL_FN_SUM:
    case CEL_FN_MAX:
    case CEL_FN_MIN:
    case CEL_FN_INDEXOF:
    case CEL_FN_LASTINDEXOF:
    case CEL_FN_INCLUDES:
        *ret_cost = cel_value_traversal(args[0]);
        return true;
    case CEL_FN_LOWERASCII:
    case CEL_FN_UPPERASCII:
    case CEL_FN_SUBSTRING:
    case CEL_FN_TRIM:
    case CEL_FN_QUANTITY:
    case CEL_FN_ISQUANTITY:
    case CEL_FN_SEMVER:
    case CEL_FN_ISSEMVER:
        *ret_cost = string_cost(plain_size(args[0]), 1);
        return true;
    case CEL_FN_REPLACE:
    case CEL_FN_SPLIT:
        *ret_cost = ceil_of((double)plain_size(args[0]) * 2 * 0.1);
        return true;
    case CEL_FN_JOIN:
        *ret_cost = ceil_of((double)plain_size(result) * 2 * 0.1);
        return true;
    case CEL_FN_FIND:
    case CEL_FN_FINDALL:
        *ret_cost = ceil_of((1.0 + (double)plain_size(args[0])) * 0.1) *
                    ceil_of((double)plain_size(args[1]) * 0.25);
        return true;
    case CEL_FN_SIGN:
    case CEL_FN_ASINTEGER:
    case CEL_FN_ISINTEGER:
    case CEL_FN_ASAPPROXIMATEFLOAT:
    case CEL_FN_ISGREATERTHAN:
    case CEL_FN_ISLESSTHAN:
    case CEL_FN_COMPARETO:
    case CEL_FN_QUANTITY_ADD:
    case CEL_FN_SUB:
    case CEL_FN_MAJOR:
    case CEL_FN_MINOR:
    case CEL_FN_PATCH:
        *ret_cost = CALL;
        return true;
    case CEL_FN_EQ:
        *ret_cost = CALL;
        return args[0].kind == CEL_KIND_QUANTITY || args[0].kind == CEL_KIND_SEMVER;
    default:
        return false;
    }
}

static bool compares_text(uint16_t ov)
{
    switch (ov) {
    case CEL_OV_LESS_STRING:
    case CEL_OV_GREATER_STRING:
    case CEL_OV_LESS_EQUALS_STRING:
    case CEL_OV_GREATER_EQUALS_STRING:
    case CEL_OV_LESS_BYTES:
    case CEL_OV_GREATER_BYTES:
    case CEL_OV_LESS_EQUALS_BYTES:
    case CEL_OV_GREATER_EQUALS_BYTES:
        return true;
    default:
        return false;
    }
}

uint64_t cel_call_cost(const struct cel_node *n, const struct cel_value *args, uint32_t count,
        struct cel_value result)
{
    uint64_t cost = 0;
    if (library_cost(n, args, result, &cost) ||
            (count > 0 && kubernetes_cost(n, args, result, &cost)))
        return cost;
    if (n->op == CEL_OP_EQ || n->op == CEL_OP_NE || compares_text(n->overload)) {
        uint64_t left = cel_value_size(args[0]);
        uint64_t right = cel_value_size(args[1]);
        return string_cost(left < right ? left : right, 1);
    }
    switch (n->overload) {
    case CEL_OV_STARTS_WITH_STRING:
    case CEL_OV_ENDS_WITH_STRING:
        return string_cost(cel_value_size(args[1]), 1);
    case CEL_OV_STRING_TO_BYTES:
    case CEL_OV_BYTES_TO_STRING:
    case CEL_OV_STRINGS_QUOTE:
    case CEL_OV_STRING_FORMAT:
        return string_cost(cel_value_size(args[0]), 1);
    case CEL_OV_IN_LIST:
        return cel_value_size(args[1]);
    case CEL_OV_ADD_STRING:
    case CEL_OV_ADD_BYTES:
        return string_cost(cel_value_size(args[0]) + cel_value_size(args[1]), 1);
    case CEL_OV_MATCHES:
    case CEL_OV_MATCHES_STRING:
        return ceil_of((1.0 + (double)cel_value_size(args[0])) * 0.1) *
               ceil_of((double)cel_value_size(args[1]) * 0.25);
    case CEL_OV_CONTAINS_STRING:
        return string_cost(cel_value_size(args[0]), 1) * string_cost(cel_value_size(args[1]), 1);
    default:
        return CALL;
    }
}
