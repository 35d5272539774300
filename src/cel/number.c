/* cel/number.c - numbers as text, the way Go's strconv reads and prints them.
 *
 * Pure. */
#include "cel/number-priv.h"

#include <string.h>

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

bool cel_number_to_u64(struct str digits, unsigned base, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (digits.len == 0)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        int d = digit_value(digits.ptr[i]);
        if (d >= (int)base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
                __builtin_add_overflow(value, (uint64_t)d, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool cel_number_parse_i64(struct str text, int64_t *ret_value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative || (text.len > 0 && text.ptr[0] == '+'))
        text = (struct str){text.ptr + 1, text.len - 1};
    uint64_t magnitude = 0;
    if (!cel_number_to_u64(text, 10, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_value = (int64_t)(negative ? -magnitude : magnitude);
    return true;
}

static bool equals_ignoring_case(struct str s, const char *word)
{
    if (s.len != strlen(word))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if ((s.ptr[i] | 0x20) != word[i])
            return false;
    }
    return true;
}

int cel_number_parse_double(struct str text, double *ret_value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative || (text.len > 0 && text.ptr[0] == '+'))
        text = (struct str){text.ptr + 1, text.len - 1};
    double d = 0;
    if (equals_ignoring_case(text, "inf") || equals_ignoring_case(text, "infinity")) {
        d = __builtin_inf();
    } else if (equals_ignoring_case(text, "nan")) {
        d = __builtin_nan("");
    } else if (text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x') {
        return -1;
    } else if (!decimal_to_double(text, &d)) {
        return 0;
    }
    *ret_value = negative ? -d : d;
    return 1;
}

/* What is no number or has no end; true when it was one of these. */
static bool print_special(struct buf *out, double *d)
{
    if (*d != *d) {
        buf_puts(out, "NaN");
        return true;
    }
    if (__builtin_isinf(*d)) {
        buf_puts(out, *d < 0 ? "-Inf" : "+Inf");
        return true;
    }
    if (__builtin_signbit(*d)) {
        buf_putc(out, '-');
        *d = -*d;
    }
    return false;
}

/* Digits with the point after position `point` (below 1: zeros in front). */
static void print_fixed(struct buf *out, const char *digits, unsigned count, int point)
{
    if (point <= 0) {
        buf_puts(out, "0.");
        for (int i = point; i < 0; i++)
            buf_putc(out, '0');
        buf_puts(out, digits);
        return;
    }
    for (unsigned i = 0; i < count || i < (unsigned)point; i++) {
        if (i == (unsigned)point)
            buf_putc(out, '.');
        buf_putc(out, i < count ? digits[i] : '0');
    }
}

void cel_number_print_f(struct buf *out, double d)
{
    char digits[DECIMAL_DIGITS_MAX];
    int exponent = 0;
    if (print_special(out, &d))
        return;
    unsigned count = decimal_shortest(d, digits, &exponent);
    if (count == 1 && digits[0] == '0') {
        buf_putc(out, '0');
    } else {
        print_fixed(out, digits, count, exponent + 1);
    }
}

void cel_number_print_g(struct buf *out, double d)
{
    char digits[DECIMAL_DIGITS_MAX];
    int exponent = 0;
    if (print_special(out, &d))
        return;
    unsigned count = decimal_shortest(d, digits, &exponent);
    if (count == 1 && digits[0] == '0') {
        buf_putc(out, '0');
        return;
    }
    /* Go's %g with the shortest digits changes to an exponent at 10^6. */
    if (exponent >= -4 && exponent < 6) {
        print_fixed(out, digits, count, exponent + 1);
        return;
    }
    buf_putc(out, digits[0]);
    if (count > 1) {
        buf_putc(out, '.');
        buf_puts(out, digits + 1);
    }
    buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}
