/* base/doc_go_scalar.c - plain scalars by the rules of Go's YAML reader.  Pure, without floating
 * point: a number's text is enough to say whether it is whole. */
#include "base/doc_go-priv.h"
#include "base/doc_go.h"

#include <string.h>

enum {
    DIGITS_EXACT = 16,  /* more significant digits a float64 does not hold */
    EXPONENT_MAX = 308, /* of a float64; larger numbers are strings */
    EXPONENT_TEXT = 20, /* from here on Go writes an exponent, which is no int */
};

/* A float64 above this may be written as a number past int64. */
static const int64_t real_int_max = INT64_C(9223372036854769999);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_any(struct str s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (str_eq_c(s, *words))
            return true;
    }
    return false;
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* The base that a prefix says, and the prefix taken off. */
static unsigned base_take(struct str *s)
{
    unsigned base = 10;
    size_t skip = 0;
    if (s->len > 1 && s->ptr[0] == '0') {
        char c = s->ptr[1];
        bool letter = c == 'x' || c == 'X' || c == 'o' || c == 'O' || c == 'b' || c == 'B';
        base = c == 'x' || c == 'X' ? 16 : (c == 'b' || c == 'B' ? 2 : 8);
        skip = letter ? 2 : 1;
    }
    *s = (struct str){s->ptr + skip, s->len - skip};
    return base;
}

enum whole { WHOLE_NONE, WHOLE_INT, WHOLE_LARGE };

/* A whole number by strconv.ParseInt with base 0, underscores skipped. */
static enum whole whole_parse(struct str s, int64_t *ret_value)
{
    bool minus = s.len > 0 && s.ptr[0] == '-';
    uint64_t value = 0;
    bool large = false;
    size_t digits = 0;
    if (s.len > 0 && (minus || s.ptr[0] == '+'))
        s = (struct str){s.ptr + 1, s.len - 1};
    unsigned base = base_take(&s);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '_')
            continue;
        int digit = digit_value(s.ptr[i]);
        if (digit >= (int)base)
            return WHOLE_NONE;
        large = large || __builtin_mul_overflow(value, base, &value) ||
                __builtin_add_overflow(value, (uint64_t)digit, &value);
        digits++;
    }
    if (digits == 0 || (large && base != 10))
        return WHOLE_NONE; /* too large for uint64 and no float either: a string */
    if (large || value > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return base == 10 || !minus ? WHOLE_LARGE : WHOLE_NONE;
    *ret_value = minus ? (int64_t)(0 - value) : (int64_t)value;
    return WHOLE_INT;
}

/* A decimal split up: 0.DIGITS times ten to `point`. */
struct decimal {
    char digits[DIGITS_EXACT]; /* significant ones, no zeros at the ends */
    unsigned count;
    int64_t point;
};

static void decimal_digit(struct decimal *d, char c, bool fraction)
{
    bool leading = d->count == 0 && c == '0';
    if (!leading && d->count < DIGITS_EXACT)
        d->digits[d->count++] = c;
    if (!fraction && !leading)
        d->point++;
    if (fraction && leading)
        d->point--;
}

/* [-+]?(.D+|D+(.D*)?)([eE][-+]?D+)?, underscores skipped. */
static bool decimal_parse(struct str s, struct decimal *ret_decimal)
{
    struct decimal d = {0};
    size_t at = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    size_t whole = 0;
    size_t part = 0;
    for (; at < s.len && (is_digit(s.ptr[at]) || s.ptr[at] == '_'); at++) {
        whole += s.ptr[at] != '_';
        if (s.ptr[at] != '_')
            decimal_digit(&d, s.ptr[at], false);
    }
    if (at < s.len && s.ptr[at] == '.') {
        for (at++; at < s.len && (is_digit(s.ptr[at]) || s.ptr[at] == '_'); at++) {
            part += s.ptr[at] != '_';
            if (s.ptr[at] != '_')
                decimal_digit(&d, s.ptr[at], true);
        }
    }
    if (whole + part == 0)
        return false;
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        int64_t exponent = 0;
        at++;
        bool minus = at < s.len && s.ptr[at] == '-';
        at += at < s.len && (minus || s.ptr[at] == '+');
        if (at == s.len)
            return false;
        for (; at < s.len && (is_digit(s.ptr[at]) || s.ptr[at] == '_'); at++) {
            if (s.ptr[at] != '_' && exponent < 100000)
                exponent = exponent * 10 + (s.ptr[at] - '0');
        }
        d.point += minus ? -exponent : exponent;
    }
    while (d.count > 0 && d.digits[d.count - 1] == '0')
        d.count--;
    *ret_decimal = d;
    return at == s.len;
}

/* Numbers that begin with a digit, a sign or a point. */
static enum doc_go_look number_resolve(struct doc *d)
{
    struct decimal decimal;
    int64_t value = 0;
    struct str s = d->text;
    bool underscore = memchr(s.ptr, '_', s.len) != NULL;
    bool point = s.ptr[0] == '.';
    enum whole whole = point ? WHOLE_NONE : whole_parse(s, &value);
    if (whole == WHOLE_INT) {
        size_t sign = s.ptr[0] == '-' || s.ptr[0] == '+';
        bool prefix = s.len > sign + 1 && s.ptr[sign] == '0';
        d->kind = DOC_INT;
        d->integer = value;
        return prefix || underscore ? DOC_GO_LOOK_NUMBER : DOC_GO_LOOK_PLAIN;
    }
    if (whole == WHOLE_LARGE) {
        d->kind = DOC_REAL;
        return DOC_GO_LOOK_PLAIN;
    }
    if (point && underscore)
        return DOC_GO_LOOK_PLAIN;
    if (decimal_parse(s, &decimal) && (decimal.count == 0 || decimal.point <= EXPONENT_MAX + 1)) {
        d->kind = DOC_REAL;
        return underscore ? DOC_GO_LOOK_NUMBER : DOC_GO_LOOK_PLAIN;
    }
    return DOC_GO_LOOK_PLAIN;
}

static const char *const not_finite[] = {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf",
        "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL};

bool doc_go_not_finite(const struct doc *d)
{
    return d->kind == DOC_REAL && is_any(d->text, not_finite);
}

enum doc_go_look doc_go_resolve(struct doc *d)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL};
    static const char *const no[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL};
    struct str s = d->text;
    d->kind = DOC_STRING;
    if (is_any(s, nulls)) {
        d->kind = DOC_NULL;
    } else if (is_any(s, trues) || is_any(s, yes)) {
        d->kind = DOC_BOOL;
        d->boolean = true;
    } else if (is_any(s, falses) || is_any(s, no)) {
        d->kind = DOC_BOOL;
    } else if (is_any(s, not_finite)) {
        d->kind = DOC_REAL;
    } else if (is_digit(s.ptr[0]) || s.ptr[0] == '-' || s.ptr[0] == '+' || s.ptr[0] == '.') {
        return number_resolve(d);
    }
    return is_any(s, yes) || is_any(s, no) ? DOC_GO_LOOK_WORD : DOC_GO_LOOK_PLAIN;
}

bool doc_go_int(const struct doc *d, int64_t *ret_value)
{
    struct decimal n;
    char text[EXPONENT_TEXT + 4] = "";
    size_t len = 0;
    if (d->kind == DOC_INT) {
        *ret_value = d->integer;
        return true;
    }
    if (d->kind != DOC_REAL || !decimal_parse(d->text, &n))
        return false;
    if (n.count == 0) {
        *ret_value = 0;
        return true;
    }
    if (n.point < n.count || n.point > EXPONENT_TEXT)
        return false; /* digits behind the point, or too large */
    if (d->text.ptr[0] == '-')
        text[len++] = '-';
    for (int64_t i = 0; i < n.point; i++)
        text[len++] = i < n.count ? n.digits[i] : '0';
    return str_to_i64((struct str){text, len}, -real_int_max, real_int_max, ret_value) == 0;
}
