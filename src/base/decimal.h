/* base/decimal.h - decimal text to binary floating point and back, without the C library's locale.
 *
 * Pure.  For data formats whose values are doubles; decisions of ours use integers. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/str.h"

/* "1", "1.5", ".5", "5.", "1e-3", without sign or blanks, correctly rounded.  False when it is no
 * number or past the largest double. */
bool decimal_to_double(struct str text, double *ret_value);

enum { DECIMAL_DIGITS_MAX = 24 };

/* The shortest digits that read back as `d`: NUL-terminated into ret_digits[DECIMAL_DIGITS_MAX];
 * the value is DIGITS with the point after the first, times 10^exponent.  d: finite, not negative.
 * Returns how many digits. */
unsigned decimal_shortest(double d, char *ret_digits, int *ret_exponent);

#endif
