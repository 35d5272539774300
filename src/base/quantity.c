/* base/quantity.c - see quantity.h.
 *
 * Pure.  Source: k8s.io/apimachinery/pkg/api/resource (quantity.go, amount.go, math.go, suffix.go).
 * Upstream keeps an int64 with a power of ten and falls back to big decimals; which of the two
 * holds a value is visible to CEL (isInteger), so `dec` follows it while the digits stay in 128
 * bits. */
#include "base/quantity.h"

#include "base/decimal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;
typedef __int128 i128;

enum { NANO = -9, DIGITS_MAX = 38, FAST_DIGITS = 18, EXPONENT_MAX = 100000 };

static const char wrong_format[] = "quantities must match the regular expression "
                                   "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/* Text taken apart; views. */
struct parts {
    bool negative;
    struct str whole, part, suffix; /* digits before and after the point */
    bool has_value;                 /* some digit stands in front of the suffix */
};

/* What a suffix means: base^exponent. */
struct suffix {
    int base;
    int32_t exponent;
    enum quantity_format format;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct str s, size_t at)
{
    while (at < s.len && is_digit(s.ptr[at]))
        at++;
    return at;
}

static bool split_text(struct str s, struct parts *p)
{
    size_t at = 0;
    *p = (struct parts){0};
    if (s.ptr[0] == '-' || s.ptr[0] == '+') {
        p->negative = s.ptr[0] == '-';
        at = 1;
    }
    size_t first = at;
    while (at < s.len && s.ptr[at] == '0')
        at++;
    size_t end = skip_digits(s, at);
    p->whole = (struct str){s.ptr + at, end - at};
    p->has_value = end > first;
    at = end;
    if (at < s.len && s.ptr[at] == '.') {
        end = skip_digits(s, at + 1);
        p->part = (struct str){s.ptr + at + 1, end - at - 1};
        p->has_value = p->has_value || p->part.len > 0;
        at = end;
    }
    size_t start = at;
    while (at < s.len && strchr("eEinumkKMGTP", s.ptr[at]) != NULL && s.ptr[at] != '\0')
        at++;
    if (at < s.len && (s.ptr[at] == '-' || s.ptr[at] == '+'))
        at++;
    at = skip_digits(s, at);
    p->suffix = (struct str){s.ptr + start, at - start};
    return at == s.len;
}

static bool parse_exponent(struct str s, int32_t *ret_exponent)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t value = 0;
    if (negative || (s.len > 0 && s.ptr[0] == '+'))
        s = (struct str){s.ptr + 1, s.len - 1};
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]) || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
                __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_exponent = (int32_t)(uint32_t)(negative ? -value : value); /* upstream cuts it too */
    return true;
}

static bool read_suffix(struct str s, struct suffix *ret_suffix)
{
    static const struct {
        const char *text;
        struct suffix meaning;
    } known[] = {
            {"", {10, 0, QUANTITY_DECIMAL_SI}},
            {"n", {10, -9, QUANTITY_DECIMAL_SI}},
            {"u", {10, -6, QUANTITY_DECIMAL_SI}},
            {"m", {10, -3, QUANTITY_DECIMAL_SI}},
            {"k", {10, 3, QUANTITY_DECIMAL_SI}},
            {"M", {10, 6, QUANTITY_DECIMAL_SI}},
            {"G", {10, 9, QUANTITY_DECIMAL_SI}},
            {"T", {10, 12, QUANTITY_DECIMAL_SI}},
            {"P", {10, 15, QUANTITY_DECIMAL_SI}},
            {"E", {10, 18, QUANTITY_DECIMAL_SI}},
            {"Ki", {2, 10, QUANTITY_BINARY_SI}},
            {"Mi", {2, 20, QUANTITY_BINARY_SI}},
            {"Gi", {2, 30, QUANTITY_BINARY_SI}},
            {"Ti", {2, 40, QUANTITY_BINARY_SI}},
            {"Pi", {2, 50, QUANTITY_BINARY_SI}},
            {"Ei", {2, 60, QUANTITY_BINARY_SI}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (str_eq_c(s, known[i].text)) {
            *ret_suffix = known[i].meaning;
            return true;
        }
    }
    *ret_suffix = (struct suffix){10, 0, QUANTITY_DECIMAL_EXPONENT};
    return s.len > 1 && (s.ptr[0] == 'e' || s.ptr[0] == 'E') &&
           parse_exponent((struct str){s.ptr + 1, s.len - 1}, &ret_suffix->exponent);
}

/* value = value * 10 + digit for all digits; false when that passes 127 bits. */
static bool add_digits(u128 *value, struct str digits)
{
    for (size_t i = 0; i < digits.len; i++) {
        u128 limit = (((u128)1 << 127) - 10) / 10;
        if (*value > limit)
            return false;
        *value = *value * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    return true;
}

/* Upstream's int64 path: few enough digits, and at most nine of them below the unit. */
static bool parse_fast(const struct parts *p, const struct suffix *s, struct quantity *q)
{
    int64_t digits = (int64_t)(p->whole.len == 0 ? 1 : p->whole.len) + (int64_t)p->part.len;
    int64_t precision = FAST_DIGITS - digits;
    int64_t mantissa = 1;
    int32_t scale = s->exponent;
    if (s->base == 2) {
        if (p->part.len > 0)
            return false;
        mantissa = INT64_C(1) << s->exponent;
        precision = 15 - (digits - (int64_t)p->part.len) - s->exponent * 3 / 10 - 1;
        scale = 0;
    }
    if (precision < 0)
        return false;
    scale = (int32_t)((uint32_t)scale - (uint32_t)p->part.len);
    if (scale < NANO)
        return false;
    u128 value = 0;
    bool fits = add_digits(&value, p->whole) && add_digits(&value, p->part);
    assert(fits && value <= INT64_MAX);
    int64_t result;
    if (__builtin_mul_overflow((int64_t)value, mantissa, &result))
        return false;
    *q = (struct quantity){.value = p->negative ? -result : result,
            .exponent = scale,
            .format = (uint8_t)s->format};
    return true;
}

static u128 power_of_ten(unsigned n)
{
    u128 power = 1;
    while (n-- > 0)
        power *= 10;
    return power;
}

/* Drops zeros at the end. */
static void normalize(struct quantity *q)
{
    while (q->value != 0 && q->value % 10 == 0) {
        q->value /= 10;
        q->exponent++;
    }
    if (q->value == 0)
        q->exponent = 0;
}

/* Rounds away from zero to a multiple of 10^exponent. */
static void round_up(struct quantity *q, int32_t exponent)
{
    if (q->value == 0 || q->exponent >= exponent)
        return;
    int64_t drop = (int64_t)exponent - q->exponent;
    i128 sign = q->value < 0 ? -1 : 1;
    if (drop > DIGITS_MAX) {
        q->value = sign;
    } else {
        u128 power = power_of_ten((unsigned)drop);
        u128 magnitude = (u128)(q->value < 0 ? -q->value : q->value);
        q->value = sign * (i128)(magnitude / power + (magnitude % power != 0));
    }
    q->exponent = exponent;
}

/* The digits of `p`, without zeros at the front and the end, as value * 10^exponent.  What stands
 * below `floor` only counts as "something" (rounded away from zero). */
static int read_digits(const struct parts *p, int64_t shift, struct quantity *q, struct err *reterr)
{
    u128 value = 0;
    int64_t exponent = shift - (int64_t)p->part.len;
    int64_t keep_part = (int64_t)p->part.len;
    bool rest = false;
    if (exponent < NANO) { /* digits below 10^-9 of the result */
        for (int64_t below = NANO - exponent; below > 0 && keep_part > 0; below--) {
            keep_part--;
            rest = rest || p->part.ptr[keep_part] != '0';
        }
        exponent = shift - keep_part;
    }
    struct str part = {p->part.ptr, (size_t)keep_part};
    struct str whole = p->whole;
    int64_t zeros = 0;
    while (part.len > 0 && part.ptr[part.len - 1] == '0') {
        part.len--;
        zeros++;
    }
    while (part.len == 0 && whole.len > 0 && whole.ptr[whole.len - 1] == '0') {
        whole.len--;
        zeros++;
    }
    if (rest && zeros > 0) { /* the rounding needs them back */
        part = (struct str){p->part.ptr, (size_t)keep_part};
        whole = p->whole;
        zeros = 0;
    }
    exponent += zeros;
    if (!add_digits(&value, whole) || !add_digits(&value, part))
        return err_set(reterr, -ERANGE, "a quantity of more than %d digits", DIGITS_MAX);
    if (exponent > EXPONENT_MAX)
        return err_set(reterr, -ERANGE, "a quantity of exponent %lld", (long long)exponent);
    q->value = (i128)value + rest;
    q->exponent = (int32_t)exponent;
    if (exponent < -EXPONENT_MAX) { /* the least there is, or nothing */
        q->value = q->value != 0;
        q->exponent = NANO;
    }
    return 0;
}

static int parse_slow(
        const struct parts *p, const struct suffix *s, struct quantity *q, struct err *reterr)
{
    if (!p->has_value)
        return err_set(reterr, -EINVAL, "unable to parse numeric part of quantity");
    struct quantity r = {.format = (uint8_t)s->format, .dec = true, .dec_exponent = NANO};
    /* A binary suffix is multiplied before the rounding, so its digits are all needed. */
    int code = read_digits(p, s->base == 2 ? (int64_t)p->part.len + 0 : s->exponent, &r, reterr);
    if (code < 0)
        return code;
    if (s->base == 2) {
        r.exponent -= (int32_t)p->part.len;
        u128 limit = (((u128)1 << 127) - 1) >> s->exponent;
        if ((u128)r.value > limit) {
            /* Capped below if the whole part alone is past 2^63; else it needs too many digits. */
            struct quantity whole = r;
            round_up(&whole, 0);
            if (whole.exponent < 0 || whole.value < ((i128)1 << 63))
                return err_set(reterr, -ERANGE, "a quantity of more than %d digits", DIGITS_MAX);
            r.value = INT64_MAX;
            r.exponent = 0;
        } else {
            r.value <<= s->exponent;
        }
    }
    round_up(&r, NANO);
    normalize(&r);
    struct quantity max = {.value = INT64_MAX};
    if (s->format == QUANTITY_BINARY_SI && quantity_cmp(&r, &max) > 0) {
        r.value = INT64_MAX;
        r.exponent = 0;
        r.dec_exponent = 0;
    }
    struct quantity one = {.value = 1};
    if (s->format == QUANTITY_BINARY_SI && r.value > 0 && quantity_cmp(&r, &one) < 0)
        r.format = QUANTITY_DECIMAL_SI;
    if (r.value == 0)
        r.dec_exponent = -(int32_t)p->part.len + (s->base == 10 ? s->exponent : 0);
    if (p->negative)
        r.value = -r.value;
    *q = r;
    return 0;
}

int quantity_parse(struct str text, struct quantity *ret_quantity, struct err *reterr)
{
    struct parts p;
    struct suffix s = {0};
    if (text.len == 0 || !split_text(text, &p))
        return err_set(reterr, -EINVAL, "%s", wrong_format);
    if (!read_suffix(p.suffix, &s))
        return err_set(reterr, -EINVAL, "unable to parse quantity's suffix");
    if (parse_fast(&p, &s, ret_quantity))
        return 0;
    return parse_slow(&p, &s, ret_quantity, reterr);
}

struct quantity quantity_from_i64(int64_t value, enum quantity_format format)
{
    return (struct quantity){.value = value, .format = (uint8_t)format};
}

struct quantity quantity_from_scaled(int64_t value, int32_t exponent, enum quantity_format format)
{
    return (struct quantity){.value = value, .exponent = exponent, .format = (uint8_t)format};
}

int quantity_sign(const struct quantity *q)
{
    return (q->value > 0) - (q->value < 0);
}

static unsigned digit_count(u128 value)
{
    unsigned count = 0;
    for (; value > 0; value /= 10)
        count++;
    return count;
}

int quantity_cmp(const struct quantity *a, const struct quantity *b)
{
    int sign = quantity_sign(a);
    if (sign != quantity_sign(b))
        return sign < quantity_sign(b) ? -1 : 1;
    if (sign == 0)
        return 0;
    if (a->exponent == b->exponent)
        return (a->value > b->value) - (a->value < b->value);
    u128 x = (u128)(sign < 0 ? -a->value : a->value);
    u128 y = (u128)(sign < 0 ? -b->value : b->value);
    /* By the place of the first digit; if that is the same, the shift below is small. */
    int64_t top_x = (int64_t)digit_count(x) + a->exponent;
    int64_t top_y = (int64_t)digit_count(y) + b->exponent;
    if (top_x != top_y)
        return top_x < top_y ? -sign : sign;
    int64_t shift = (int64_t)a->exponent - b->exponent;
    if (shift > 0) {
        x *= power_of_ten((unsigned)shift);
    } else {
        y *= power_of_ten((unsigned)-shift);
    }
    return x == y ? 0 : x < y ? -sign : sign;
}

/* value * 10^n in 128 bits. */
static bool scale_up(i128 value, int64_t n, i128 *ret_value)
{
    if (value == 0) {
        *ret_value = 0;
        return true;
    }
    if (n > DIGITS_MAX)
        return false;
    for (; n > 0; n--) {
        if (__builtin_mul_overflow(value, (i128)10, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

static bool fits_i64(i128 value)
{
    return value >= INT64_MIN && value <= INT64_MAX;
}

/* Upstream's int64Amount.Add: false when it would leave int64. */
static bool add_int64(struct quantity *q, i128 y_value, int32_t y_exponent)
{
    i128 a = q->value;
    i128 b = y_value;
    if (b == 0)
        return true;
    int32_t exponent = q->value == 0 || y_exponent < q->exponent ? y_exponent : q->exponent;
    if (q->value != 0 && (!scale_up(a, (int64_t)q->exponent - exponent, &a) || !fits_i64(a)))
        return false;
    if (!scale_up(b, (int64_t)y_exponent - exponent, &b) || !fits_i64(b) || !fits_i64(a + b))
        return false;
    q->value = a + b;
    q->exponent = exponent;
    return true;
}

static bool add(struct quantity *q, i128 y_value, const struct quantity *y)
{
    struct quantity r = *q;
    if (r.value == 0)
        r.format = y->format;
    if (!r.dec && !y->dec && fits_i64(y_value) && add_int64(&r, y_value, y->exponent)) {
        *q = r;
        return true;
    }
    int32_t low = q->exponent < y->exponent ? q->exponent : y->exponent;
    if (q->value == 0) {
        low = y->exponent;
    } else if (y_value == 0) {
        low = q->exponent;
    }
    i128 a = 0;
    i128 b = 0;
    i128 sum = 0;
    if (!scale_up(q->value, (int64_t)q->exponent - low, &a) ||
            !scale_up(y_value, (int64_t)y->exponent - low, &b) ||
            __builtin_add_overflow(a, b, &sum))
        return false;
    int32_t dec_q = q->dec ? q->dec_exponent : q->exponent;
    int32_t dec_y = y->dec ? y->dec_exponent : y->exponent;
    r.value = sum;
    r.exponent = low;
    r.dec = true;
    r.dec_exponent = dec_q < dec_y ? dec_q : dec_y;
    normalize(&r);
    *q = r;
    return true;
}

bool quantity_add(struct quantity *q, const struct quantity *y)
{
    return add(q, y->value, y);
}

bool quantity_sub(struct quantity *q, const struct quantity *y)
{
    return add(q, -y->value, y);
}

bool quantity_as_i64(const struct quantity *q, int64_t *ret_value)
{
    i128 value = q->value;
    if (q->dec || q->exponent < 0 || !scale_up(value, q->exponent, &value) || !fits_i64(value))
        return false;
    *ret_value = (int64_t)value;
    return true;
}

bool quantity_scaled(const struct quantity *q, int32_t exponent, int64_t *ret_value)
{
    struct quantity r = *q;
    i128 value;
    round_up(&r, exponent);
    if (r.value == 0) {
        *ret_value = 0;
        return true;
    }
    if (!scale_up(r.value, (int64_t)r.exponent - exponent, &value) || !fits_i64(value))
        return false;
    *ret_value = (int64_t)value;
    return true;
}

bool quantity_is_multiple(const struct quantity *q, int32_t exponent)
{
    struct quantity r = *q;
    round_up(&r, exponent);
    return quantity_cmp(&r, q) == 0;
}

/* The decimal digits of `value` at out; returns how many. */
static unsigned put_digits(u128 value, char *out)
{
    char text[48];
    unsigned n = 0;
    do {
        text[n++] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value > 0);
    for (unsigned i = 0; i < n; i++)
        out[i] = text[n - 1 - i];
    out[n] = '\0';
    return n;
}

double quantity_approximate(const struct quantity *q)
{
    char text[128];
    double base = 0;
    double power = 0;
    int32_t exponent = q->dec ? q->dec_exponent : q->exponent;
    u128 magnitude = (u128)(q->value < 0 ? -q->value : q->value);
    size_t n = put_digits(magnitude, text);
    /* upstream's unscaled integer, correctly rounded */
    int64_t zeros = magnitude == 0 ? 0 : (int64_t)q->exponent - exponent;
    int len = snprintf(text + n, sizeof text - n, "e%lld", (long long)zeros);
    if (!decimal_to_double((struct str){text, n + (size_t)len}, &base))
        base = __builtin_inf();
    if (q->value < 0)
        base = -base;
    if (exponent == 0 || base == 0)
        return base;
    len = snprintf(text, sizeof text, "1e%d", exponent);
    if (!decimal_to_double((struct str){text, (size_t)len}, &power))
        power = exponent > 0 ? __builtin_inf() : 0;
    return base * power;
}

/* The suffix of 10^exponent or 1024^exponent; NULL when there is none, as upstream prints then. */
static const char *suffix_text(int32_t exponent, bool binary)
{
    static const char *const decimal[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    static const char *const powers[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    if (binary)
        return exponent <= 6 ? powers[exponent] : "";
    return exponent >= -9 && exponent <= 18 ? decimal[(exponent + 9) / 3] : "";
}

static unsigned finish_text(
        char *ret_text, bool negative, u128 digits, unsigned zeros, const char *suffix)
{
    unsigned n = 0;
    if (negative)
        ret_text[n++] = '-';
    n += put_digits(digits, ret_text + n);
    while (zeros-- > 0)
        ret_text[n++] = '0';
    size_t len = strlen(suffix);
    memcpy(ret_text + n, suffix, len + 1);
    return n + (unsigned)len;
}

/* Whether the binary form shows the value without loss. */
static bool prints_binary(const struct quantity *q)
{
    struct quantity low = {.value = -1024};
    struct quantity high = {.value = 1024};
    if (q->format != QUANTITY_BINARY_SI)
        return false;
    if (quantity_cmp(q, &low) > 0 && quantity_cmp(q, &high) < 0)
        return false;
    return quantity_is_multiple(q, 0);
}

unsigned quantity_text(const struct quantity *q, char *ret_text)
{
    if (q->value == 0)
        return finish_text(ret_text, false, 0, 0, "");
    bool negative = q->value < 0;
    i128 whole = 0;
    if (prints_binary(q) && scale_up(q->value, q->exponent < 0 ? 0 : q->exponent, &whole)) {
        struct quantity r = *q;
        round_up(&r, 0);
        (void)scale_up(r.value, r.exponent, &whole);
        u128 magnitude = (u128)(negative ? -whole : whole);
        int32_t exponent = 0;
        for (; magnitude >= 1024 && magnitude % 1024 == 0; exponent++)
            magnitude /= 1024;
        return finish_text(ret_text, negative, magnitude, 0, suffix_text(exponent, true));
    }
    struct quantity r = *q;
    normalize(&r);
    unsigned zeros = (unsigned)((r.exponent % 3 + 3) % 3);
    int32_t exponent = r.exponent - (int32_t)zeros;
    u128 magnitude = (u128)(negative ? -r.value : r.value);
    char suffix[16] = "";
    if (q->format == QUANTITY_DECIMAL_EXPONENT) {
        if (exponent != 0)
            (void)snprintf(suffix, sizeof suffix, "e%d", exponent);
        return finish_text(ret_text, negative, magnitude, zeros, suffix);
    }
    return finish_text(ret_text, negative, magnitude, zeros, suffix_text(exponent, false));
}
