/* base/decimal.c - see decimal.h.
 *
 * Pure.  The correctly rounding reader is yyjson's; snprintf() rounds correctly too, so the
 * shortest text is the first precision that survives the way back. */
#include "base/decimal.h"

#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

enum { TEXT_MAX = 4096, EXPONENT_MAX = 20000 };

/* What an exponent beyond EXPONENT_MAX makes of any mantissa that fits TEXT_MAX. */
enum far { FAR_NONE, FAR_LARGE, FAR_SMALL };

/* Copies digits from `*s`; false when there are none. */
static bool copy_digits(struct str *s, struct buf *out)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    buf_put(out, (struct str){s->ptr, n});
    *s = (struct str){s->ptr + n, s->len - n};
    return n > 0;
}

/* Whether the exponent in `digits` is so large that it alone decides. */
static enum far far_exponent(struct str digits, bool negative)
{
    uint64_t value = 0;
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = (struct str){digits.ptr + 1, digits.len - 1};
    if (digits.len <= 6 && str_to_u64(digits, 0, EXPONENT_MAX, &value) == 0)
        return FAR_NONE;
    return negative ? FAR_SMALL : FAR_LARGE;
}

/* JSON wants digits on both sides of a point and no zero in front. */
static bool to_json(struct str s, struct buf *out, enum far *ret_far)
{
    while (s.len > 1 && s.ptr[0] == '0' && s.ptr[1] >= '0' && s.ptr[1] <= '9')
        s = (struct str){s.ptr + 1, s.len - 1};
    bool whole = copy_digits(&s, out);
    if (!whole)
        buf_putc(out, '0');
    buf_putc(out, '.');
    bool part = false;
    if (s.len > 0 && s.ptr[0] == '.') {
        s = (struct str){s.ptr + 1, s.len - 1};
        part = copy_digits(&s, out);
    }
    if (!whole && !part)
        return false;
    if (!part)
        buf_putc(out, '0');
    if (s.len > 0 && (s.ptr[0] == 'e' || s.ptr[0] == 'E')) {
        buf_putc(out, 'e');
        s = (struct str){s.ptr + 1, s.len - 1};
        bool negative = s.len > 0 && s.ptr[0] == '-';
        if (s.len > 0 && (s.ptr[0] == '+' || s.ptr[0] == '-')) {
            buf_putc(out, s.ptr[0]);
            s = (struct str){s.ptr + 1, s.len - 1};
        }
        struct str exponent = s;
        if (!copy_digits(&s, out))
            return false;
        *ret_far = far_exponent((struct str){exponent.ptr, exponent.len - s.len}, negative);
    }
    return s.len == 0 && !out->overflow;
}

bool decimal_to_double(struct str text, double *ret_value)
{
    struct buf json = BUF_INIT(TEXT_MAX);
    enum far far = FAR_NONE;
    bool ok = to_json(text, &json, &far);
    if (ok && far != FAR_NONE) {
        bool zero = true;
        for (size_t i = 0; i < json.len && json.ptr[i] != 'e'; i++)
            zero = zero && (json.ptr[i] == '0' || json.ptr[i] == '.');
        *ret_value = 0;
        ok = zero || far == FAR_SMALL;
    } else if (ok) {
        yyjson_val val = {0};
        const char *end = yyjson_read_number(json.ptr, &val, YYJSON_READ_NOFLAG, NULL, NULL);
        ok = end == json.ptr + json.len && yyjson_is_real(&val);
        if (ok)
            *ret_value = yyjson_get_real(&val);
    }
    buf_clear(&json);
    return ok;
}

unsigned decimal_shortest(double d, char *ret_digits, int *ret_exponent)
{
    assert(d >= 0 && d <= 0x1.fffffffffffffp+1023);
    char text[40];
    for (int precision = 0;; precision++) {
        int n = snprintf(text, sizeof text, "%.*e", precision, d);
        assert(n > 0 && n < (int)sizeof text);
        double back = -1;
        bool ok = decimal_to_double((struct str){text, (size_t)n}, &back);
        if (precision < 17 && (!ok || back != d))
            continue;
        char *e = strchr(text, 'e');
        assert(e != NULL);
        int exponent = 0;
        for (const char *c = e + 2; *c != '\0'; c++)
            exponent = 10 * exponent + (*c - '0');
        *ret_exponent = e[1] == '-' ? -exponent : exponent;
        unsigned count = 0;
        for (const char *c = text; c < e; c++) {
            if (*c != '.')
                ret_digits[count++] = *c;
        }
        ret_digits[count] = '\0';
        return count;
    }
}
