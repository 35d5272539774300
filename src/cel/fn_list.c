/* cel/fn_list.c - lists: Kubernetes' library, the extension lists, sets, optionals, map insertion.
 *
 * Pure. */
#include "cel/node-priv.h"

#include <assert.h>
#include <string.h>

enum { RANGE_MAX = 10000000 };

static bool is_true(struct cel_value v)
{
    return v.kind == CEL_KIND_BOOL && v.b;
}

static struct cel_value is_sorted(const struct cel_list *list)
{
    for (uint32_t i = 1; i < list->count; i++) {
        int order = 0;
        if (cel_compare(list->items[i - 1], list->items[i], &order) && order > 0)
            return cel_bool(false);
    }
    return cel_bool(true);
}

/* The sum starts from the zero of the overload that was chosen. */
static struct cel_value sum(struct cel_state *s, uint16_t ov, const struct cel_list *list)
{
    static const struct {
        uint16_t ov, add;
        uint32_t kind;
    } kinds[] = {
            {CEL_OV_LIST_INT_SUM_INT, CEL_OV_ADD_INT64, CEL_KIND_INT},
            {CEL_OV_LIST_UINT_SUM_UINT, CEL_OV_ADD_UINT64, CEL_KIND_UINT},
            {CEL_OV_LIST_DOUBLE_SUM_DOUBLE, CEL_OV_ADD_DOUBLE, CEL_KIND_DOUBLE},
            {CEL_OV_LIST_DURATION_SUM_DURATION, CEL_OV_ADD_DURATION_DURATION, CEL_KIND_DURATION},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (kinds[k].ov != ov)
            continue;
        struct cel_value pair[2] = {{.kind = kinds[k].kind}, {0}};
        for (uint32_t i = 0; i < list->count; i++) {
            pair[1] = list->items[i];
            if (pair[1].kind != kinds[k].kind)
                return cel_fault_overload();
            pair[0] = cel_call_operator(s, kinds[k].add, pair);
            if (cel_is_error(pair[0]))
                return cel_fault_overload();
        }
        return pair[0];
    }
    return cel_fault_overload();
}

static struct cel_value extreme(struct cel_state *s, const struct cel_list *list, bool max)
{
    if (list->count == 0)
        return cel_fault_text(s, max ? "max called on empty list" : "min called on empty list");
    struct cel_value best = list->items[0];
    for (uint32_t i = 1; i < list->count; i++) {
        int order = 0;
        if (cel_compare(best, list->items[i], &order) && (max ? order < 0 : order > 0))
            best = list->items[i];
    }
    return best;
}

static struct cel_value index_of(const struct cel_list *list, struct cel_value item, bool last)
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = last ? list->count - 1 - i : i;
        if (is_true(cel_equal(list->items[at], item)))
            return cel_int(at);
    }
    return cel_int(-1);
}

static struct cel_value includes(struct cel_value target, struct cel_value item)
{
    if (target.kind == CEL_KIND_LIST)
        return cel_bool(index_of(target.list, item, false).i >= 0);
    /* null equals null by upstream's own method too */
    return cel_bool(is_true(cel_equal(target, item)));
}

/* ---- sets ---- */

/* Every item of `sub` is in `list`. */
static bool contains_all(const struct cel_list *list, const struct cel_list *sub)
{
    for (uint32_t i = 0; i < sub->count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < list->count && !found; j++)
            found = is_true(cel_equal(sub->items[i], list->items[j]));
        if (!found)
            return false;
    }
    return true;
}

static bool intersects(const struct cel_list *a, const struct cel_list *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t j = 0; j < b->count; j++) {
            if (is_true(cel_equal(a->items[i], b->items[j])))
                return true;
        }
    }
    return false;
}

/* ---- the extension ---- */

static struct cel_value slice(
        struct cel_state *s, const struct cel_list *list, int64_t start, int64_t end)
{
    if (start < 0 || end < 0)
        return cel_fault_text(s, "cannot slice, negative indexes not supported");
    if (start > end) {
        return cel_fault_text(
                s, "cannot slice, start index must be less than or equal to end index");
    }
    if (end > (int64_t)list->count)
        return cel_fault_text(s, "cannot slice, the list is shorter");
    struct cel_list *part = ARENA_NEW(s->arena, struct cel_list);
    part->items = list->items + start;
    part->count = (uint32_t)(end - start);
    return cel_list(part);
}

/* How many items flattening gives; UINT64_MAX when too deep. */
static uint64_t flat_count(const struct cel_list *list, int64_t depth, unsigned level)
{
    uint64_t count = 0;
    if (level > CEL_DEPTH_MAX)
        return UINT64_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t more = 1;
        if (list->items[i].kind == CEL_KIND_LIST && depth > 0)
            more = flat_count(list->items[i].list, depth - 1, level + 1);
        if (__builtin_add_overflow(count, more, &count))
            return UINT64_MAX;
    }
    return count;
}

static size_t flatten_into(const struct cel_list *list, int64_t depth, struct cel_value *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == CEL_KIND_LIST && depth > 0) {
            count += flatten_into(list->items[i].list, depth - 1, out + count);
        } else {
            out[count++] = list->items[i];
        }
    }
    return count;
}

static struct cel_value flatten(struct cel_state *s, const struct cel_list *list, int64_t depth)
{
    if (depth < 0)
        return cel_fault_text(s, "level must be non-negative");
    uint64_t count = flat_count(list, depth, 0);
    struct cel_value *items = count > UINT32_MAX ? NULL : cel_items_new(s, count);
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    return cel_list_new(s, items, flatten_into(list, depth, items));
}

static struct cel_value reverse(struct cel_state *s, const struct cel_list *list)
{
    struct cel_value *items = cel_items_new(s, list->count);
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    for (uint32_t i = 0; i < list->count; i++)
        items[i] = list->items[list->count - 1 - i];
    return cel_list_new(s, items, list->count);
}

static struct cel_value distinct(struct cel_state *s, const struct cel_list *list)
{
    struct cel_value *items = cel_items_new(s, list->count);
    size_t count = 0;
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    for (uint32_t i = 0; i < list->count; i++) {
        bool seen = false;
        for (size_t j = 0; j < count && !seen; j++)
            seen = is_true(cel_equal(list->items[i], items[j]));
        if (!seen)
            items[count++] = list->items[i];
    }
    return cel_list_new(s, items, count);
}

static struct cel_value range(struct cel_state *s, int64_t n)
{
    if (n < 0)
        return cel_fault_text(s, "lists.range: size must be non-negative");
    if (n > RANGE_MAX)
        return cel_fault_text(s, "lists.range: size exceeds the maximum allowed");
    struct cel_value *items = cel_items_new(s, (size_t)n);
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    for (int64_t i = 0; i < n; i++)
        items[i] = cel_int(i);
    return cel_list_new(s, items, (size_t)n);
}

/* Merges two sorted runs of indexes; an index of the left run goes first among equals. */
static void merge(
        const struct cel_value *keys, const uint32_t *from, uint32_t *to, size_t left, size_t end)
{
    size_t middle = left;
    size_t half = (end - left + 1) / 2;
    size_t a = left;
    middle += half;
    size_t b = middle;
    for (size_t i = left; i < end; i++) {
        int order = 0;
        bool take_b = a == middle ||
                      (b < end && cel_compare(keys[from[b]], keys[from[a]], &order) && order < 0);
        to[i] = take_b ? from[b++] : from[a++];
    }
}

static void merge_sort(
        const struct cel_value *keys, uint32_t *order, uint32_t *scratch, size_t left, size_t end)
{
    if (end - left < 2)
        return;
    size_t middle = left + (end - left + 1) / 2;
    merge_sort(keys, order, scratch, left, middle);
    merge_sort(keys, order, scratch, middle, end);
    memcpy(scratch + left, order + left, (end - left) * sizeof *order);
    merge(keys, scratch, order, left, end);
}

/* `list` in the order of `keys`. */
static struct cel_value sort_by(
        struct cel_state *s, const struct cel_list *list, const struct cel_list *keys)
{
    uint32_t n = keys->count;
    if (list->count != n)
        return cel_fault_text(s, "@sortByAssociatedKeys() expected lists of the same size");
    for (uint32_t i = 0; i < n && n > 1; i++) {
        int order = 0;
        if (keys->items[i].kind != keys->items[0].kind)
            return cel_fault_text(s, "list elements must have the same type");
        if (keys->items[i].kind != CEL_KIND_DOUBLE &&
                !cel_compare(keys->items[i], keys->items[0], &order))
            return cel_fault_text(s, "list elements must be comparable");
    }
    struct cel_value *items = cel_items_new(s, 2 * (size_t)n);
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    uint32_t *order = ARENA_ARRAY(s->arena, uint32_t, 2 * (size_t)n);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    merge_sort(keys->items, order, order + n, 0, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = list->items[order[i]];
    return cel_list_new(s, items, n);
}

/* ---- optionals ---- */

static struct cel_value optional_of(struct cel_state *s, struct cel_value v)
{
    struct cel_value *boxed = ARENA_NEW(s->arena, struct cel_value);
    *boxed = v;
    return (struct cel_value){.kind = CEL_KIND_OPTIONAL, .optional = boxed};
}

static bool is_zero(struct cel_value v)
{
    switch (v.kind) {
    case CEL_KIND_NULL:
        return true;
    case CEL_KIND_BOOL:
        return !v.b;
    case CEL_KIND_INT:
    case CEL_KIND_UINT:
    case CEL_KIND_DURATION:
        return v.i == 0;
    case CEL_KIND_DOUBLE:
        return v.d == 0;
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES:
        return v.size == 0;
    case CEL_KIND_LIST:
        return v.list->count == 0;
    case CEL_KIND_MAP:
        return v.map->count == 0;
    case CEL_KIND_TIMESTAMP: /* Go's zero time is the first second of year 1 */
        return v.time->seconds == INT64_C(-62135596800) && v.time->nanos == 0;
    default:
        return false;
    }
}

static struct cel_value unwrap(struct cel_state *s, const struct cel_list *list)
{
    struct cel_value *items = cel_items_new(s, list->count);
    size_t count = 0;
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind != CEL_KIND_OPTIONAL)
            return cel_fault_text(s, "value is not optional");
        if (list->items[i].optional != NULL)
            items[count++] = *list->items[i].optional;
    }
    return cel_list_new(s, items, count);
}

static struct cel_value at_end(struct cel_state *s, const struct cel_list *list, bool last)
{
    if (list->count == 0)
        return (struct cel_value){.kind = CEL_KIND_OPTIONAL};
    return optional_of(s, list->items[last ? list->count - 1 : 0]);
}

/* ---- maps ---- */

static struct cel_value insert(
        struct cel_state *s, struct cel_value map, struct cel_value key, struct cel_value value)
{
    struct cel_value found = {0};
    if (cel_map_find(map.map, key, &found))
        return cel_fault_text(s, "insert failed: key already exists");
    return cel_map_put(s, map, key, value) ? map : cel_fault_give_up(s, NULL);
}

static struct cel_value insert_all(
        struct cel_state *s, struct cel_value map, const struct cel_map *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        struct cel_value key = {0};
        struct cel_value value = {0};
        from->ops->entry(from, i, &key, &value);
        struct cel_value v = insert(s, map, key, value);
        if (cel_is_error(v))
            return v;
    }
    return map;
}

static struct cel_value call_optional(
        struct cel_state *s, unsigned function, const struct cel_value *args)
{
    switch (function) {
    case CEL_FN_OPTIONAL_NONE:
        return (struct cel_value){.kind = CEL_KIND_OPTIONAL};
    case CEL_FN_OPTIONAL_OF:
        return optional_of(s, args[0]);
    case CEL_FN_OPTIONAL_OFNONZEROVALUE:
        if (is_zero(args[0]))
            return (struct cel_value){.kind = CEL_KIND_OPTIONAL};
        return optional_of(s, args[0]);
    case CEL_FN_HASVALUE:
        return cel_bool(args[0].optional != NULL);
    case CEL_FN_VALUE:
        return args[0].optional != NULL ? *args[0].optional
                                        : cel_fault_text(s, "optional.none() dereference");
    case CEL_FN_FIRST:
        return at_end(s, args[0].list, false);
    case CEL_FN_LAST:
        return at_end(s, args[0].list, true);
    case CEL_FN_OPTIONAL_UNWRAP:
    case CEL_FN_UNWRAPOPT:
        return unwrap(s, args[0].list);
    default:
        return cel_fault_overload();
    }
}

struct cel_value cel_call_list(struct cel_state *s, uint16_t ov, const struct cel_value *args)
{
    unsigned function = cel_overloads[ov].function;
    switch (function) {
    case CEL_FN_ISSORTED:
        return is_sorted(args[0].list);
    case CEL_FN_SUM:
        return sum(s, ov, args[0].list);
    case CEL_FN_MAX:
    case CEL_FN_MIN:
        return extreme(s, args[0].list, function == CEL_FN_MAX);
    case CEL_FN_INDEXOF:
    case CEL_FN_LASTINDEXOF:
        return index_of(args[0].list, args[1], function == CEL_FN_LASTINDEXOF);
    case CEL_FN_INCLUDES:
        return includes(args[0], args[1]);
    case CEL_FN_SETS_CONTAINS:
        return cel_bool(contains_all(args[0].list, args[1].list));
    case CEL_FN_SETS_EQUIVALENT:
        return cel_bool(contains_all(args[0].list, args[1].list) &&
                        contains_all(args[1].list, args[0].list));
    case CEL_FN_SETS_INTERSECTS:
        return cel_bool(intersects(args[0].list, args[1].list));
    case CEL_FN_SLICE:
        return slice(s, args[0].list, args[1].i, args[2].i);
    case CEL_FN_FLATTEN:
        return flatten(s, args[0].list, ov == CEL_OV_LIST_FLATTEN ? 1 : args[1].i);
    case CEL_FN_REVERSE:
        return reverse(s, args[0].list);
    case CEL_FN_DISTINCT:
        return distinct(s, args[0].list);
    case CEL_FN_LISTS_RANGE:
        return range(s, args[0].i);
    case CEL_FN_SORT:
        return sort_by(s, args[0].list, args[0].list);
    case CEL_FN__SORTBYASSOCIATEDKEYS:
        return sort_by(s, args[0].list, args[1].list);
    case CEL_FN_CEL__MAPINSERT:
        return ov == CEL_OV__MAPINSERT_MAP_MAP ? insert_all(s, args[0], args[1].map)
                                               : insert(s, args[0], args[1], args[2]);
    default:
        return call_optional(s, function, args);
    }
}
