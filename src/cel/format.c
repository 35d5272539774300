/* cel/format.c - string.format() of the strings extension.
 *
 * Pure.  Clauses %s %d %f %b %x %X %o and %%; %f groups thousands, as upstream's en_US does.  %e,
 * and %f of what is not finite, print typographic forms upstream: not supported. */
#include "cel/node-priv.h"
#include "cel/number-priv.h"
#include "cel/time-priv.h"

#include <stdio.h>
#include <string.h>

enum { PRECISION_DEFAULT = 6, PRECISION_MAX = 300, FORMAT_MAX = 16 * 1024 * 1024 };

/* What a piece of formatting ended in. */
enum format_result { FORMAT_OK, FORMAT_BAD, FORMAT_LEFT_OUT };

static enum format_result put_value(struct buf *out, struct cel_value v, bool nested);

static void put_hex(struct buf *out, struct str s, bool upper)
{
    for (size_t i = 0; i < s.len; i++)
        buf_printf(out, upper ? "%02X" : "%02x", (unsigned)(unsigned char)s.ptr[i]);
}

/* Go's %q of a string that is printable. */
static enum format_result put_quoted(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c >= 0x7f)
            return FORMAT_LEFT_OUT;
        if (c == '"' || c == '\\')
            buf_putc(out, '\\');
        buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
    return FORMAT_OK;
}

static enum format_result put_list(struct buf *out, const struct cel_list *list)
{
    buf_putc(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        enum format_result r = put_value(out, list->items[i], true);
        if (r != FORMAT_OK)
            return r;
    }
    buf_putc(out, ']');
    return FORMAT_OK;
}

/* One entry of a map as text. */
static enum format_result put_entry(
        struct buf *out, const struct cel_map *map, uint32_t index, bool key_only)
{
    struct cel_value key = {0};
    struct cel_value value = {0};
    map->ops->entry(map, index, &key, &value);
    if (key.kind != CEL_KIND_STRING && key.kind != CEL_KIND_BOOL && key.kind != CEL_KIND_INT &&
            key.kind != CEL_KIND_UINT)
        return FORMAT_BAD;
    enum format_result r = put_value(out, key, true);
    if (r != FORMAT_OK || key_only)
        return r;
    buf_putc(out, ':');
    return put_value(out, value, true);
}

/* Entries in the order of their keys' text. */
static enum format_result put_map(struct buf *out, const struct cel_map *map)
{
    struct buf last = BUF_INIT(FORMAT_MAX);
    struct buf text = BUF_INIT(FORMAT_MAX);
    enum format_result r = FORMAT_OK;
    buf_putc(out, '{');
    for (uint32_t n = 0; n < map->count && r == FORMAT_OK; n++) {
        uint32_t best = UINT32_MAX;
        struct buf best_text = BUF_INIT(FORMAT_MAX);
        for (uint32_t i = 0; i < map->count && r == FORMAT_OK; i++) {
            buf_reset(&text);
            r = put_entry(&text, map, i, true);
            bool later = n == 0 || str_cmp(buf_str(&text), buf_str(&last)) > 0;
            if (later && (best == UINT32_MAX || str_cmp(buf_str(&text), buf_str(&best_text)) < 0)) {
                best = i;
                buf_reset(&best_text);
                buf_put(&best_text, buf_str(&text));
            }
        }
        if (r == FORMAT_OK && best != UINT32_MAX) {
            buf_puts(out, n > 0 ? ", " : "");
            r = put_entry(out, map, best, false);
        }
        buf_reset(&last);
        buf_put(&last, buf_str(&best_text));
        buf_clear(&best_text);
    }
    buf_putc(out, '}');
    buf_clear(&last);
    buf_clear(&text);
    return r;
}

static enum format_result put_double(struct buf *out, double d, bool nested)
{
    if (!nested) {
        cel_number_print_g(out, d);
    } else if (d != d || __builtin_isinf(d)) {
        return FORMAT_LEFT_OUT;
    } else {
        buf_printf(out, "%.6f", d);
    }
    return FORMAT_OK;
}

/* %s; `nested`: inside a list or a map, where strings are quoted. */
static enum format_result put_value(struct buf *out, struct cel_value v, bool nested)
{
    switch (v.kind) {
    case CEL_KIND_NULL:
        buf_puts(out, "null");
        return FORMAT_OK;
    case CEL_KIND_BOOL:
        buf_puts(out, v.b ? "true" : "false");
        return FORMAT_OK;
    case CEL_KIND_INT:
        buf_printf(out, "%lld", (long long)v.i);
        return FORMAT_OK;
    case CEL_KIND_UINT:
        buf_printf(out, "%llu", (unsigned long long)v.u);
        return FORMAT_OK;
    case CEL_KIND_DOUBLE:
        return put_double(out, v.d, nested);
    case CEL_KIND_BYTES:
        if (str_utf8_prefix(cel_value_str(v)) < v.size)
            return FORMAT_BAD;
        buf_puts(out, nested ? "b" : "");
        __attribute__((fallthrough));
    case CEL_KIND_STRING:
        if (nested)
            return put_quoted(out, cel_value_str(v));
        buf_put(out, cel_value_str(v));
        return FORMAT_OK;
    case CEL_KIND_LIST:
        return put_list(out, v.list);
    case CEL_KIND_MAP:
        return put_map(out, v.map);
    case CEL_KIND_TIMESTAMP:
        buf_puts(out, nested ? "timestamp(\"" : "");
        cel_time_print(out, v.time);
        buf_puts(out, nested ? "\")" : "");
        return FORMAT_OK;
    case CEL_KIND_DURATION:
        buf_puts(out, nested ? "duration(\"" : "");
        cel_duration_print(out, v.i);
        buf_puts(out, nested ? "\")" : "");
        return FORMAT_OK;
    case CEL_KIND_TYPE:
        buf_puts(out, v.type->name);
        return FORMAT_OK;
    default:
        return FORMAT_BAD;
    }
}

/* Digits of `magnitude` to the base of 2, 8 or 16. */
static void put_base(struct buf *out, uint64_t magnitude, unsigned base, bool upper)
{
    char text[64];
    unsigned n = 0;
    do {
        text[n++] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base];
        magnitude /= base;
    } while (magnitude > 0);
    while (n > 0)
        buf_putc(out, text[--n]);
}

static enum format_result put_integer(struct buf *out, struct cel_value v, char clause)
{
    unsigned base = clause == 'b' ? 2 : clause == 'o' ? 8 : clause == 'd' ? 10 : 16;
    if (clause == 'b' && v.kind == CEL_KIND_BOOL) {
        buf_putc(out, v.b ? '1' : '0');
        return FORMAT_OK;
    }
    if ((clause == 'x' || clause == 'X') &&
            (v.kind == CEL_KIND_STRING || v.kind == CEL_KIND_BYTES)) {
        put_hex(out, cel_value_str(v), clause == 'X');
        return FORMAT_OK;
    }
    if (v.kind != CEL_KIND_INT && v.kind != CEL_KIND_UINT)
        return FORMAT_BAD;
    bool negative = v.kind == CEL_KIND_INT && v.i < 0;
    buf_puts(out, negative ? "-" : "");
    put_base(out, negative ? -v.u : v.u, base, clause == 'X');
    return FORMAT_OK;
}

/* Digits with a comma before each group of three. */
static enum format_result put_fixed(struct buf *out, struct cel_value v, int precision)
{
    char text[800];
    if (v.kind == CEL_KIND_STRING) {
        struct str s = cel_value_str(v);
        return str_eq_c(s, "NaN") || str_eq_c(s, "Infinity") || str_eq_c(s, "-Infinity")
                       ? FORMAT_LEFT_OUT
                       : FORMAT_BAD;
    }
    if (v.kind != CEL_KIND_DOUBLE)
        return FORMAT_BAD;
    if (v.d != v.d || __builtin_isinf(v.d) || precision > PRECISION_MAX)
        return FORMAT_LEFT_OUT;
    int n = snprintf(text, sizeof text, "%.*f", precision, v.d);
    const char *point = strchr(text, '.');
    long whole = point != NULL ? point - text : n;
    for (long i = 0; i < n; i++) {
        long left = whole - i;
        if (i > 0 && left > 0 && left % 3 == 0 && text[i - 1] != '-')
            buf_putc(out, ',');
        buf_putc(out, text[i]);
    }
    return FORMAT_OK;
}

/* ".N" at format[*at]; false when it does not end in a number. */
static bool read_precision(struct str format, size_t *at, int *ret_precision)
{
    *ret_precision = PRECISION_DEFAULT;
    if (*at >= format.len || format.ptr[*at] != '.')
        return true;
    size_t start = ++*at;
    int64_t value = 0;
    while (*at < format.len && format.ptr[*at] >= '0' && format.ptr[*at] <= '9') {
        value = value * 10 + (format.ptr[*at] - '0');
        if (value > INT32_MAX)
            value = INT32_MAX;
        ++*at;
    }
    *ret_precision = (int)value;
    return *at > start && *at < format.len;
}

static enum format_result put_clause(
        struct buf *out, struct str format, size_t *at, struct cel_value v)
{
    int precision = 0;
    if (!read_precision(format, at, &precision) || *at >= format.len)
        return FORMAT_BAD;
    char clause = format.ptr[(*at)++];
    switch (clause) {
    case 's':
        return put_value(out, v, false);
    case 'd':
    case 'b':
    case 'o':
    case 'x':
    case 'X':
        return put_integer(out, v, clause);
    case 'f':
        return put_fixed(out, v, precision);
    case 'e':
        return v.kind == CEL_KIND_DOUBLE || v.kind == CEL_KIND_STRING ? FORMAT_LEFT_OUT
                                                                      : FORMAT_BAD;
    default:
        return FORMAT_BAD;
    }
}

struct cel_value cel_format(struct cel_state *s, struct str format, const struct cel_list *args)
{
    struct buf out = BUF_INIT(FORMAT_MAX);
    enum format_result r = FORMAT_OK;
    uint32_t used = 0;
    for (size_t i = 0; i < format.len && r == FORMAT_OK;) {
        if (format.ptr[i] != '%') {
            buf_putc(&out, format.ptr[i++]);
        } else if (i + 1 < format.len && format.ptr[i + 1] == '%') {
            buf_putc(&out, '%');
            i += 2;
        } else if (used >= args->count || ++i >= format.len) {
            r = FORMAT_BAD;
        } else {
            r = put_clause(&out, format, &i, args->items[used++]);
        }
    }
    struct cel_value v;
    if (r == FORMAT_LEFT_OUT) {
        v = cel_fault_give_up(s, "this form of string.format is not supported");
    } else if (out.overflow) {
        v = cel_fault_give_up(s, NULL);
    } else {
        v = r == FORMAT_OK ? cel_string_copy(s, buf_str(&out))
                           : cel_fault_text(s, "error during formatting");
    }
    buf_clear(&out);
    return v;
}

/* ---- at compile time ---- */

/* Whether a value of the static type of `e` has a text: the parts of literals too. */
static bool has_text(const struct cel_expr *e)
{
    uint32_t parts = 0;
    struct cel_expr *const *items = NULL;
    switch ((unsigned)e->type->kind) {
    case CEL_KIND_OPTIONAL:
    case CEL_KIND_OBJECT:
    case CEL_KIND_QUANTITY:
    case CEL_KIND_SEMVER:
    case CEL_KIND_ANY:
        return false;
    default:
        break;
    }
    if (e->kind == CEL_EXPR_LIST) {
        parts = e->list.count;
        items = e->list.items;
    } else if (e->kind == CEL_EXPR_MAP) {
        parts = 2 * e->map.count;
        items = e->map.items;
    }
    for (uint32_t i = 0; i < parts; i++) {
        if (!has_text(items[i]))
            return false;
    }
    return true;
}

static bool is_integer_kind(unsigned kind)
{
    return kind == CEL_KIND_INT || kind == CEL_KIND_UINT;
}

/* Whether an argument may go with a clause; dyn goes with all. */
static bool suits(char clause, const struct cel_expr *e)
{
    unsigned kind = (unsigned)e->type->kind;
    bool text = kind == CEL_KIND_STRING;
    if (clause == 's')
        return has_text(e);
    if (kind == CEL_KIND_DYN)
        return true;
    switch (clause) {
    case 'd':
    case 'o':
        return is_integer_kind(kind);
    case 'b':
        return is_integer_kind(kind) || kind == CEL_KIND_BOOL;
    case 'x':
    case 'X':
        return is_integer_kind(kind) || text || kind == CEL_KIND_BYTES;
    default:
        return kind == CEL_KIND_DOUBLE || text;
    }
}

const char *cel_format_check(
        struct str format, const struct cel_expr *list, const struct cel_expr **ret_at)
{
    uint32_t used = 0;
    for (size_t i = 0; i < format.len;) {
        if (format.ptr[i] != '%') {
            i++;
            continue;
        }
        if (i + 1 < format.len && format.ptr[i + 1] == '%') {
            i += 2;
            continue;
        }
        int precision = 0;
        i++;
        if (i >= format.len)
            return "unexpected end of string";
        if (used >= list->list.count)
            return "index out of range: too few arguments supplied to string.format";
        if (!read_precision(format, &i, &precision) || i >= format.len)
            return "could not parse formatting clause: error while parsing precision";
        char clause = format.ptr[i++];
        if (strchr("sdfebxXo", clause) == NULL || clause == '\0')
            return "could not parse formatting clause: unrecognized formatting clause";
        *ret_at = list->list.items[used++];
        if (!suits(clause, *ret_at))
            return "error during formatting: the type of the argument does not suit its clause";
    }
    *ret_at = list;
    return used < list->list.count ? "too many arguments supplied to string.format" : NULL;
}
