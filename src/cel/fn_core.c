/* cel/fn_core.c - operators, conversions, size.
 *
 * Pure.  Integer overflow, division by zero and conversions that lose something are errors, as in
 * common/types of cel-go. */
#include "cel/node-priv.h"
#include "cel/number-priv.h"
#include "cel/time-priv.h"

#include <assert.h>
#include <string.h>

static struct cel_value make_uint(uint64_t u)
{
    return (struct cel_value){.kind = CEL_KIND_UINT, .u = u};
}

static struct cel_value make_double(double d)
{
    return (struct cel_value){.kind = CEL_KIND_DOUBLE, .d = d};
}

static struct cel_value make_duration(int64_t ns)
{
    return (struct cel_value){.kind = CEL_KIND_DURATION, .i = ns};
}

static struct cel_value make_time(struct cel_state *s, struct cel_time t)
{
    struct cel_time *copy = ARENA_NEW(s->arena, struct cel_time);
    *copy = t;
    return (struct cel_value){.kind = CEL_KIND_TIMESTAMP, .time = copy};
}

static struct cel_value int_arithmetic(struct cel_state *s, unsigned function, int64_t a, int64_t b)
{
    int64_t v = 0;
    bool overflow = false;
    switch (function) {
    case CEL_FN_ADD:
        overflow = __builtin_add_overflow(a, b, &v);
        break;
    case CEL_FN_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &v);
        break;
    case CEL_FN_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &v);
        break;
    default:
        if (b == 0) {
            return cel_fault_text(
                    s, function == CEL_FN_DIVIDE ? "division by zero" : "modulus by zero");
        }
        overflow = a == INT64_MIN && b == -1;
        if (!overflow)
            v = function == CEL_FN_DIVIDE ? a / b : a % b;
        break;
    }
    return overflow ? cel_fault_text(s, "integer overflow") : cel_int(v);
}

static struct cel_value uint_arithmetic(
        struct cel_state *s, unsigned function, uint64_t a, uint64_t b)
{
    uint64_t v = 0;
    bool overflow = false;
    switch (function) {
    case CEL_FN_ADD:
        overflow = __builtin_add_overflow(a, b, &v);
        break;
    case CEL_FN_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &v);
        break;
    case CEL_FN_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &v);
        break;
    default:
        if (b == 0) {
            return cel_fault_text(
                    s, function == CEL_FN_DIVIDE ? "division by zero" : "modulus by zero");
        }
        v = function == CEL_FN_DIVIDE ? a / b : a % b;
        break;
    }
    return overflow ? cel_fault_text(s, "unsigned integer overflow") : make_uint(v);
}

static struct cel_value double_arithmetic(unsigned function, double a, double b)
{
    switch (function) {
    case CEL_FN_ADD:
        return make_double(a + b);
    case CEL_FN_SUBTRACT:
        return make_double(a - b);
    case CEL_FN_MULTIPLY:
        return make_double(a * b);
    default:
        return make_double(a / b);
    }
}

static struct cel_value time_arithmetic(
        struct cel_state *s, unsigned function, struct cel_value a, struct cel_value b)
{
    struct cel_time t = {0};
    int64_t ns = 0;
    if (a.kind == CEL_KIND_DURATION && b.kind == CEL_KIND_DURATION) {
        bool overflow = function == CEL_FN_ADD ? __builtin_add_overflow(a.i, b.i, &ns)
                                               : __builtin_sub_overflow(a.i, b.i, &ns);
        return overflow ? cel_fault_text(s, "duration overflow") : make_duration(ns);
    }
    if (a.kind == CEL_KIND_TIMESTAMP && b.kind == CEL_KIND_TIMESTAMP) {
        if (!cel_time_subtract(a.time, b.time, &ns))
            return cel_fault_text(s, "duration overflow");
        return make_duration(ns);
    }
    const struct cel_time *base = a.kind == CEL_KIND_TIMESTAMP ? a.time : b.time;
    ns = a.kind == CEL_KIND_TIMESTAMP ? b.i : a.i;
    if (function == CEL_FN_SUBTRACT && ns == INT64_MIN)
        return cel_fault_text(s, "timestamp overflow");
    if (!cel_time_add(base, function == CEL_FN_SUBTRACT ? -ns : ns, &t))
        return cel_fault_text(s, "timestamp overflow");
    return make_time(s, t);
}

static struct cel_value arithmetic(
        struct cel_state *s, unsigned function, struct cel_value a, struct cel_value b)
{
    switch (a.kind) {
    case CEL_KIND_INT:
        return int_arithmetic(s, function, a.i, b.i);
    case CEL_KIND_UINT:
        return uint_arithmetic(s, function, a.u, b.u);
    case CEL_KIND_DOUBLE:
        return double_arithmetic(function, a.d, b.d);
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES:
    case CEL_KIND_LIST:
        return cel_concat(s, a, b);
    default:
        return time_arithmetic(s, function, a, b);
    }
}

static struct cel_value relation(
        struct cel_state *s, unsigned function, struct cel_value a, struct cel_value b)
{
    int order = 0;
    if (!cel_compare(a, b, &order)) {
        if (a.kind == CEL_KIND_DOUBLE || b.kind == CEL_KIND_DOUBLE)
            return cel_fault_text(s, "NaN values cannot be ordered");
        return cel_fault_overload();
    }
    switch (function) {
    case CEL_FN_LT:
        return cel_bool(order < 0);
    case CEL_FN_LE:
        return cel_bool(order <= 0);
    case CEL_FN_GT:
        return cel_bool(order > 0);
    default:
        return cel_bool(order >= 0);
    }
}

static struct cel_value contained(struct cel_value item, struct cel_value in)
{
    struct cel_value found = {0};
    if (in.kind == CEL_KIND_MAP)
        return cel_bool(cel_map_find(in.map, item, &found));
    for (uint32_t i = 0; i < in.list->count; i++) {
        struct cel_value equal = cel_equal(item, in.list->items[i]);
        if (equal.kind == CEL_KIND_BOOL && equal.b)
            return equal;
    }
    return cel_bool(false);
}

struct cel_value cel_call_operator(struct cel_state *s, uint16_t ov, const struct cel_value *args)
{
    unsigned function = cel_overloads[ov].function;
    switch (function) {
    case CEL_FN_NOT:
        return cel_bool(!args[0].b);
    case CEL_FN_NEGATE:
        if (args[0].kind == CEL_KIND_DOUBLE)
            return make_double(-args[0].d);
        if (args[0].i == INT64_MIN)
            return cel_fault_text(s, "integer overflow");
        return cel_int(-args[0].i);
    case CEL_FN_IN:
        return contained(args[0], args[1]);
    case CEL_FN_LT:
    case CEL_FN_LE:
    case CEL_FN_GT:
    case CEL_FN_GE:
        return relation(s, function, args[0], args[1]);
    default:
        return arithmetic(s, function, args[0], args[1]);
    }
}

/* ---- conversions ---- */

static struct cel_value bad_conversion(struct cel_state *s, struct cel_value v, const char *to)
{
    return cel_fault_text(s, arena_printf(s->arena, "type conversion error from '%s' to '%s'",
                                     cel_value_type_name(v), to));
}

static struct cel_value to_int(struct cel_state *s, struct cel_value v)
{
    int64_t i = 0;
    switch (v.kind) {
    case CEL_KIND_UINT:
        return v.u <= INT64_MAX ? cel_int((int64_t)v.u) : cel_fault_text(s, "integer overflow");
    case CEL_KIND_DOUBLE: /* both ends are refused: 2^63 as a double is past the largest int */
        if (!(v.d > -9223372036854775808.0 && v.d < 9223372036854775808.0))
            return cel_fault_text(s, "integer overflow");
        return cel_int((int64_t)v.d);
    case CEL_KIND_STRING:
        return cel_number_parse_i64(cel_value_str(v), &i) ? cel_int(i)
                                                          : bad_conversion(s, v, "int");
    case CEL_KIND_TIMESTAMP:
        return cel_int(v.time->seconds);
    case CEL_KIND_DURATION:
        return cel_int(v.i);
    default:
        return v;
    }
}

static struct cel_value to_uint(struct cel_state *s, struct cel_value v)
{
    uint64_t u = 0;
    switch (v.kind) {
    case CEL_KIND_INT:
        return v.i >= 0 ? make_uint((uint64_t)v.i) : cel_fault_text(s, "unsigned integer overflow");
    case CEL_KIND_DOUBLE:
        if (!(v.d >= 0 && v.d < 0x1p64))
            return cel_fault_text(s, "unsigned integer overflow");
        return make_uint((uint64_t)v.d);
    case CEL_KIND_STRING:
        return cel_number_to_u64(cel_value_str(v), 10, &u) ? make_uint(u)
                                                           : bad_conversion(s, v, "uint");
    default:
        return v;
    }
}

static struct cel_value to_double(struct cel_state *s, struct cel_value v)
{
    double d = 0;
    switch (v.kind) {
    case CEL_KIND_INT:
        return make_double((double)v.i);
    case CEL_KIND_UINT:
        return make_double((double)v.u);
    case CEL_KIND_STRING: {
        int r = cel_number_parse_double(cel_value_str(v), &d);
        if (r < 0)
            return cel_fault_give_up(s, "hexadecimal floating point is not supported");
        return r > 0 ? make_double(d) : bad_conversion(s, v, "double");
    }
    default:
        return v;
    }
}

static struct cel_value to_bool(struct cel_state *s, struct cel_value v)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    if (v.kind == CEL_KIND_BOOL)
        return v;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (str_eq_c(cel_value_str(v), yes[i]))
            return cel_bool(true);
        if (str_eq_c(cel_value_str(v), no[i]))
            return cel_bool(false);
    }
    return bad_conversion(s, v, "bool");
}

static struct cel_value to_string(struct cel_state *s, struct cel_value v)
{
    struct buf out = BUF_INIT(400);
    switch (v.kind) {
    case CEL_KIND_STRING:
        return v;
    case CEL_KIND_BYTES:
        if (str_utf8_prefix(cel_value_str(v)) < v.size) {
            return cel_fault_text(s, "invalid UTF-8 in bytes, cannot convert to string");
        }
        v.kind = CEL_KIND_STRING;
        return v;
    case CEL_KIND_INT:
        buf_printf(&out, "%lld", (long long)v.i);
        break;
    case CEL_KIND_UINT:
        buf_printf(&out, "%llu", (unsigned long long)v.u);
        break;
    case CEL_KIND_BOOL:
        buf_puts(&out, v.b ? "true" : "false");
        break;
    case CEL_KIND_DOUBLE:
        cel_number_print_g(&out, v.d);
        break;
    case CEL_KIND_DURATION:
        cel_duration_print(&out, v.i);
        break;
    default:
        cel_time_print(&out, v.time);
        break;
    }
    struct cel_value text = cel_string_copy(s, buf_str(&out));
    buf_clear(&out);
    return text;
}

static struct cel_value to_time(struct cel_state *s, struct cel_value v)
{
    struct cel_time t = {0};
    if (v.kind == CEL_KIND_TIMESTAMP)
        return v;
    if (v.kind == CEL_KIND_INT) {
        if (v.i < CEL_TIME_MIN || v.i > CEL_TIME_MAX)
            return cel_fault_text(s, "timestamp overflow");
        t.seconds = v.i;
    } else if (!cel_time_parse(cel_value_str(v), &t)) {
        return bad_conversion(s, v, "google.protobuf.Timestamp");
    }
    return make_time(s, t);
}

static struct cel_value to_duration(struct cel_state *s, struct cel_value v)
{
    int64_t ns = 0;
    if (v.kind == CEL_KIND_DURATION)
        return v;
    if (!cel_duration_parse(cel_value_str(v), &ns))
        return bad_conversion(s, v, "google.protobuf.Duration");
    return make_duration(ns);
}

static struct cel_value type_of(struct cel_state *s, struct cel_value v)
{
    struct cel_type *t = ARENA_NEW(s->arena, struct cel_type);
    t->kind = v.kind;
    t->name = cel_value_type_name(v);
    return (struct cel_value){.kind = CEL_KIND_TYPE, .type = t};
}

struct cel_value cel_call_convert(struct cel_state *s, uint16_t ov, struct cel_value v)
{
    switch (cel_overloads[ov].function) {
    case CEL_FN_INT:
        return to_int(s, v);
    case CEL_FN_UINT:
        return to_uint(s, v);
    case CEL_FN_DOUBLE:
        return to_double(s, v);
    case CEL_FN_BOOL:
        return to_bool(s, v);
    case CEL_FN_STRING:
        return to_string(s, v);
    case CEL_FN_BYTES:
        v.kind = CEL_KIND_BYTES;
        return v;
    case CEL_FN_TIMESTAMP:
        return to_time(s, v);
    case CEL_FN_DURATION:
        return to_duration(s, v);
    case CEL_FN_TYPE:
        return type_of(s, v);
    case CEL_FN_SIZE:
        return cel_int((int64_t)cel_value_size(v));
    default:
        return v; /* dyn */
    }
}
