/* cel/value.c - equality, order, lists and maps, and values as text.
 *
 * Pure.  Equality and order as common/types of cel-go 0.29, oddities included: a list compares
 * equal when the comparison of two elements fails, unless it was made by +. */
#include "cel/node-priv.h"
#include "cel/number-priv.h"
#include "cel/time-priv.h"

#include <assert.h>
#include <string.h>

/* ---- numbers ---- */

static int order_of(bool less, bool greater)
{
    return less ? -1 : greater ? 1 : 0;
}

static int compare_double_int(double d, int64_t i)
{
    if (d < -0x1p63)
        return -1;
    if (d > 0x1p63)
        return 1;
    return order_of(d<(double)i, d>(double) i);
}

static int compare_double_uint(double d, uint64_t u)
{
    if (d < 0)
        return -1;
    if (d > 0x1p64)
        return 1;
    return order_of(d<(double)u, d>(double) u);
}

static int compare_int_uint(int64_t i, uint64_t u)
{
    if (i < 0 || u > INT64_MAX)
        return -1;
    return order_of((uint64_t)i<u, (uint64_t)i> u);
}

static bool is_number(struct cel_value v)
{
    return v.kind == CEL_KIND_INT || v.kind == CEL_KIND_UINT || v.kind == CEL_KIND_DOUBLE;
}

static bool is_nan(struct cel_value v)
{
    return v.kind == CEL_KIND_DOUBLE && v.d != v.d;
}

/* Both numbers, none NaN. */
static int compare_numbers(struct cel_value a, struct cel_value b)
{
    if (a.kind == CEL_KIND_DOUBLE) {
        if (b.kind == CEL_KIND_DOUBLE)
            return order_of(a.d<b.d, a.d> b.d);
        return b.kind == CEL_KIND_INT ? compare_double_int(a.d, b.i)
                                      : compare_double_uint(a.d, b.u);
    }
    if (b.kind == CEL_KIND_DOUBLE)
        return -compare_numbers(b, a);
    if (a.kind == CEL_KIND_INT) {
        if (b.kind == CEL_KIND_INT)
            return order_of(a.i<b.i, a.i> b.i);
        return compare_int_uint(a.i, b.u);
    }
    if (b.kind == CEL_KIND_INT)
        return -compare_int_uint(b.i, a.u);
    return order_of(a.u<b.u, a.u> b.u);
}

bool cel_compare(struct cel_value a, struct cel_value b, int *ret_order)
{
    if (is_number(a) && is_number(b)) {
        if (is_nan(a) || is_nan(b))
            return false;
        *ret_order = compare_numbers(a, b);
        return true;
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case CEL_KIND_BOOL:
        *ret_order = (int)a.b - (int)b.b;
        return true;
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES: {
        int order = str_cmp(cel_value_str(a), cel_value_str(b));
        *ret_order = order_of(order<0, order> 0);
        return true;
    }
    case CEL_KIND_DURATION:
        *ret_order = order_of(a.i<b.i, a.i> b.i);
        return true;
    case CEL_KIND_TIMESTAMP:
        *ret_order = a.time->seconds != b.time->seconds
                             ? order_of(a.time->seconds < b.time->seconds, true)
                             : order_of(a.time->nanos<b.time->nanos, a.time->nanos> b.time->nanos);
        return true;
    default:
        return false;
    }
}

/* ---- equality ---- */

static struct cel_value equal_lists(struct cel_value a, struct cel_value b)
{
    if (b.kind != CEL_KIND_LIST || a.list->count != b.list->count)
        return cel_bool(false);
    struct cel_value error = {0};
    bool failed = false;
    for (uint32_t i = 0; i < a.list->count; i++) {
        struct cel_value equal = cel_equal(a.list->items[i], b.list->items[i]);
        if (equal.kind == CEL_KIND_BOOL && !equal.b)
            return equal;
        if (cel_is_error(equal) && !failed) {
            failed = true;
            error = equal;
        }
    }
    return failed && a.size == CEL_SIZE_CONCAT ? error : cel_bool(true);
}

static struct cel_value equal_maps(struct cel_value a, struct cel_value b)
{
    if (b.kind != CEL_KIND_MAP || a.map->count != b.map->count)
        return cel_bool(false);
    for (uint32_t i = 0; i < a.map->count; i++) {
        struct cel_value key = {0};
        struct cel_value mine = {0};
        struct cel_value other = {0};
        a.map->ops->entry(a.map, i, &key, &mine);
        if (!cel_map_find(b.map, key, &other))
            return cel_bool(false);
        struct cel_value equal = cel_equal(mine, other);
        if (equal.kind == CEL_KIND_BOOL && !equal.b)
            return equal;
    }
    return cel_bool(true);
}

struct cel_value cel_equal(struct cel_value a, struct cel_value b)
{
    if (a.kind == CEL_KIND_NULL || b.kind == CEL_KIND_NULL)
        return cel_bool(a.kind == b.kind);
    switch (a.kind) {
    case CEL_KIND_INT:
    case CEL_KIND_UINT:
    case CEL_KIND_DOUBLE:
        return cel_bool(is_number(b) && !is_nan(a) && !is_nan(b) && compare_numbers(a, b) == 0);
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES:
        return cel_bool(a.kind == b.kind && str_eq(cel_value_str(a), cel_value_str(b)));
    case CEL_KIND_BOOL:
    case CEL_KIND_DURATION:
    case CEL_KIND_TIMESTAMP: {
        int order = 1;
        return cel_bool(cel_compare(a, b, &order) && order == 0);
    }
    case CEL_KIND_LIST:
        return equal_lists(a, b);
    case CEL_KIND_MAP:
        return equal_maps(a, b);
    case CEL_KIND_TYPE:
        return cel_bool(b.kind == CEL_KIND_TYPE && strcmp(a.type->name, b.type->name) == 0);
    case CEL_KIND_OPTIONAL:
        if (b.kind != CEL_KIND_OPTIONAL || a.optional == NULL || b.optional == NULL)
            return cel_bool(b.kind == CEL_KIND_OPTIONAL && a.optional == b.optional);
        return cel_equal(*a.optional, *b.optional);
    case CEL_KIND_QUANTITY: /* upstream fails on sums and differences at the right */
        if (b.kind != CEL_KIND_QUANTITY || b.size != 0)
            return cel_fault_overload();
        return cel_bool(quantity_cmp(a.quantity, b.quantity) == 0);
    case CEL_KIND_SEMVER:
        if (b.kind != CEL_KIND_SEMVER)
            return cel_fault_overload();
        return cel_bool(cel_semver_cmp(a.semver, b.semver) == 0);
    default:
        return cel_fault_overload();
    }
}

uint32_t cel_rune_count(struct str s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* ---- lists and strings ---- */

struct cel_value *cel_items_new(struct cel_state *s, size_t count)
{
    if (!arena_fits(s->arena, count + 1, sizeof(struct cel_value)))
        return NULL;
    return ARENA_ARRAY(s->arena, struct cel_value, count);
}

struct cel_value cel_list_new(struct cel_state *s, struct cel_value *items, size_t count)
{
    if (count > UINT32_MAX)
        return cel_fault_give_up(s, NULL);
    struct cel_list *list = ARENA_NEW(s->arena, struct cel_list);
    list->items = items;
    list->count = (uint32_t)count;
    return cel_list(list);
}

char *cel_bytes_new(struct cel_state *s, size_t len)
{
    if (len > UINT32_MAX || !arena_fits(s->arena, len + 64, 1))
        return NULL;
    return ARENA_ARRAY(s->arena, char, len + 1);
}

struct cel_value cel_string_copy(struct cel_state *s, struct str text)
{
    char *bytes = cel_bytes_new(s, text.len);
    if (bytes == NULL)
        return cel_fault_give_up(s, NULL);
    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    return cel_string((struct str){bytes, text.len});
}

/* Appends in place: the accumulator of a comprehension is seen by nobody else. */
static struct cel_value append(
        struct cel_state *s, struct cel_value growing, const struct cel_list *more)
{
    struct cel_list_growing *g = (struct cel_list_growing *)(uintptr_t)growing.list;
    uint32_t count = g->list.count + more->count;
    if (count > g->cap) {
        uint32_t cap = count < 8 ? 8 : 2 * count;
        struct cel_value *items = cel_items_new(s, cap);
        if (items == NULL)
            return cel_fault_give_up(s, NULL);
        if (g->list.count > 0)
            memcpy(items, g->list.items, g->list.count * sizeof *items);
        g->list.items = items;
        g->cap = cap;
    }
    struct cel_value *items = (struct cel_value *)(uintptr_t)g->list.items;
    if (more->count > 0)
        memcpy(items + g->list.count, more->items, more->count * sizeof *items);
    g->list.count = count;
    return growing;
}

struct cel_value cel_concat(struct cel_state *s, struct cel_value a, struct cel_value b)
{
    if (a.kind == CEL_KIND_LIST) {
        if (a.size == CEL_SIZE_MUTABLE)
            return append(s, a, b.list);
        if (a.list->count == 0)
            return b;
        if (b.list->count == 0)
            return a;
        size_t count = (size_t)a.list->count + b.list->count;
        struct cel_value *items = cel_items_new(s, count);
        if (items == NULL)
            return cel_fault_give_up(s, NULL);
        memcpy(items, a.list->items, a.list->count * sizeof *items);
        memcpy(items + a.list->count, b.list->items, b.list->count * sizeof *items);
        struct cel_value v = cel_list_new(s, items, count);
        v.size = CEL_SIZE_CONCAT;
        return v;
    }
    size_t len = (size_t)a.size + b.size;
    char *bytes = cel_bytes_new(s, len);
    if (bytes == NULL)
        return cel_fault_give_up(s, NULL);
    if (a.size > 0)
        memcpy(bytes, a.s, a.size);
    if (b.size > 0)
        memcpy(bytes + a.size, b.s, b.size);
    struct cel_value v = cel_string((struct str){bytes, len});
    v.kind = a.kind;
    return v;
}

/* ---- maps ---- */

static bool same_key(struct cel_value a, struct cel_value b)
{
    struct cel_value equal = cel_equal(a, b);
    return equal.kind == CEL_KIND_BOOL && equal.b;
}

static bool own_find_value(
        const struct cel_map_own *m, struct cel_value key, struct cel_value *ret_value)
{
    for (uint32_t i = 0; i < m->map.count; i++) {
        if (same_key(m->entries[2 * i], key)) {
            *ret_value = m->entries[2 * i + 1];
            return true;
        }
    }
    return false;
}

static bool own_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    const struct cel_map_own *m = (const struct cel_map_own *)map;
    return own_find_value(m, cel_string(key->text), ret_value);
}

static void own_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    const struct cel_map_own *m = (const struct cel_map_own *)map;
    *ret_key = m->entries[2 * (size_t)index];
    if (ret_value != NULL)
        *ret_value = m->entries[2 * (size_t)index + 1];
}

static const struct cel_map_ops own_ops = {.find = own_find, .entry = own_entry};

bool cel_map_find(const struct cel_map *m, struct cel_value key, struct cel_value *ret_value)
{
    if (m->ops == &own_ops)
        return own_find_value((const struct cel_map_own *)m, key, ret_value);
    if (key.kind != CEL_KIND_STRING)
        return false;
    struct str text = cel_value_str(key);
    return m->ops->find(m, &(struct cel_key){text, str_hash(text, 0), UINT32_MAX}, ret_value);
}

struct cel_value cel_map_new(struct cel_state *s, uint32_t cap)
{
    struct cel_map_own *m = ARENA_NEW(s->arena, struct cel_map_own);
    m->map.ops = &own_ops;
    if (cap > 0) {
        m->entries = cel_items_new(s, 2 * (size_t)cap);
        m->cap = m->entries == NULL ? 0 : cap;
    }
    return cel_map(&m->map);
}

bool cel_map_put(
        struct cel_state *s, struct cel_value map, struct cel_value key, struct cel_value value)
{
    assert(map.kind == CEL_KIND_MAP && map.map->ops == &own_ops);
    struct cel_map_own *m = (struct cel_map_own *)(uintptr_t)map.map;
    for (uint32_t i = 0; i < m->map.count; i++) {
        if (m->entries[2 * i].kind == key.kind && same_key(m->entries[2 * i], key)) {
            m->entries[2 * i + 1] = value;
            return true;
        }
    }
    if (m->map.count == m->cap) {
        uint32_t cap = m->cap < 4 ? 4 : 2 * m->cap;
        struct cel_value *grown = cel_items_new(s, 2 * (size_t)cap);
        if (grown == NULL)
            return false;
        if (m->map.count > 0)
            memcpy(grown, m->entries, 2 * (size_t)m->map.count * sizeof *grown);
        m->entries = grown;
        m->cap = cap;
    }
    m->entries[2 * (size_t)m->map.count] = key;
    m->entries[2 * (size_t)m->map.count + 1] = value;
    m->map.count++;
    return true;
}

/* ---- text ---- */

const char *cel_value_type_name(struct cel_value v)
{
    static const struct cel_type *const types[CEL_KIND_COUNT] = {
            [CEL_KIND_ERROR] = &cel_type_error,
            [CEL_KIND_NULL] = &cel_type_null,
            [CEL_KIND_BOOL] = &cel_type_bool,
            [CEL_KIND_INT] = &cel_type_int,
            [CEL_KIND_UINT] = &cel_type_uint,
            [CEL_KIND_DOUBLE] = &cel_type_double,
            [CEL_KIND_STRING] = &cel_type_string,
            [CEL_KIND_BYTES] = &cel_type_bytes,
            [CEL_KIND_LIST] = &cel_type_list,
            [CEL_KIND_MAP] = &cel_type_map,
            [CEL_KIND_TIMESTAMP] = &cel_type_timestamp,
            [CEL_KIND_DURATION] = &cel_type_duration,
            [CEL_KIND_TYPE] = &cel_type_type,
            [CEL_KIND_OPTIONAL] = &cel_type_optional,
            [CEL_KIND_QUANTITY] = &cel_type_quantity,
            [CEL_KIND_SEMVER] = &cel_type_semver,
    };
    assert(v.kind < CEL_KIND_COUNT && types[v.kind] != NULL);
    return types[v.kind]->name;
}

static void print_quoted(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            buf_printf(out, "\\%c", c);
        } else if (c == '\n') {
            buf_puts(out, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_putc(out, (char)c);
        }
    }
    buf_putc(out, '"');
}

static void print_semver(struct buf *out, const struct cel_semver *v)
{
    buf_printf(out, "semver(\"%llu.%llu.%llu", (unsigned long long)v->major,
            (unsigned long long)v->minor, (unsigned long long)v->patch);
    if (v->pre.len > 0)
        buf_printf(out, "-%.*s", STR_ARG(v->pre));
    if (v->build.len > 0)
        buf_printf(out, "+%.*s", STR_ARG(v->build));
    buf_puts(out, "\")");
}

static void print_map(struct buf *out, const struct cel_map *m)
{
    buf_putc(out, '{');
    for (uint32_t i = 0; i < m->count; i++) {
        struct cel_value key = {0};
        struct cel_value value = {0};
        m->ops->entry(m, i, &key, &value);
        buf_puts(out, i > 0 ? ", " : "");
        cel_value_print(out, key);
        buf_puts(out, ": ");
        cel_value_print(out, value);
    }
    buf_putc(out, '}');
}

static void print_list(struct buf *out, const struct cel_list *list)
{
    buf_putc(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        cel_value_print(out, list->items[i]);
    }
    buf_putc(out, ']');
}

void cel_value_print(struct buf *out, struct cel_value v)
{
    char text[QUANTITY_TEXT_MAX];
    switch (v.kind) {
    case CEL_KIND_NULL:
        buf_puts(out, "null");
        break;
    case CEL_KIND_BOOL:
        buf_puts(out, v.b ? "true" : "false");
        break;
    case CEL_KIND_INT:
        buf_printf(out, "%lld", (long long)v.i);
        break;
    case CEL_KIND_UINT:
        buf_printf(out, "%lluu", (unsigned long long)v.u);
        break;
    case CEL_KIND_DOUBLE:
        cel_number_print_g(out, v.d);
        break;
    case CEL_KIND_STRING:
        print_quoted(out, cel_value_str(v));
        break;
    case CEL_KIND_BYTES:
        buf_putc(out, 'b');
        print_quoted(out, cel_value_str(v));
        break;
    case CEL_KIND_LIST:
        print_list(out, v.list);
        break;
    case CEL_KIND_MAP:
        print_map(out, v.map);
        break;
    case CEL_KIND_TIMESTAMP:
        buf_puts(out, "timestamp(\"");
        cel_time_print(out, v.time);
        buf_puts(out, "\")");
        break;
    case CEL_KIND_DURATION:
        buf_puts(out, "duration(\"");
        cel_duration_print(out, v.i);
        buf_puts(out, "\")");
        break;
    case CEL_KIND_OPTIONAL:
        buf_puts(out, v.optional == NULL ? "optional.none(" : "optional.of(");
        if (v.optional != NULL)
            cel_value_print(out, *v.optional);
        buf_putc(out, ')');
        break;
    case CEL_KIND_QUANTITY:
        (void)quantity_text(v.quantity, text);
        buf_printf(out, "quantity(\"%s\")", text);
        break;
    case CEL_KIND_SEMVER:
        print_semver(out, v.semver);
        break;
    default:
        buf_puts(out, v.kind == CEL_KIND_TYPE ? v.type->name : "?");
        break;
    }
}
