/* base/quantity.h - Kubernetes quantities ("40Gi", "1500m", "1e3"): parse, compare, add, print.
 *
 * Pure, no floating point in any decision.  Behaves as k8s.io/apimachinery's resource.Quantity:
 * decimal values of arbitrary exponent, rounded away from zero below 10^-9, binary suffixes capped
 * at 2^63-1.  One limit of our own: at most 38 significant digits (128 bits); what would need more
 * is an error or `false`, never a rounded value.  In base, since every folder above reads them. */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include "base/err.h"
#include "base/str.h"

enum quantity_format {
    QUANTITY_DECIMAL_SI,       /* 12M */
    QUANTITY_BINARY_SI,        /* 12Mi */
    QUANTITY_DECIMAL_EXPONENT, /* 12e6 */
};

/* value * 10^exponent.  All zero is the quantity 0.  A plain value: copy it freely. */
struct quantity {
    __int128 value;
    int32_t exponent;
    int32_t dec_exponent; /* with `dec`: the exponent at which upstream holds the digits */
    uint8_t format;       /* enum quantity_format */
    bool dec;             /* upstream left its int64 form: then it is no integer to CEL */
};

enum { QUANTITY_TEXT_MAX = 64 };

/* Reads a whole string, without blanks.  Returns 0; -EINVAL when it is no quantity (text as the API
 * server's); -ERANGE when it needs more than 38 digits. */
int quantity_parse(struct str text, struct quantity *ret_quantity, struct err *reterr);

struct quantity quantity_from_i64(int64_t value, enum quantity_format format);

/* value * 10^exponent, as NewScaledQuantity and NewMilliQuantity (exponent -3) make it. */
struct quantity quantity_from_scaled(int64_t value, int32_t exponent, enum quantity_format format);

/* <0, 0 or >0 by value; the format does not count.  Always exact. */
int quantity_cmp(const struct quantity *a, const struct quantity *b);

int quantity_sign(const struct quantity *q); /* -1, 0, 1 */

/* *q += y, *q -= y; a zero *q takes y's format.  False, and *q unchanged, when the sum would need
 * more than 128 bits. */
bool quantity_add(struct quantity *q, const struct quantity *y);
bool quantity_sub(struct quantity *q, const struct quantity *y);

/* The integer value when upstream's AsInt64 gives one: false for fractions, for what does not fit
 * and for values that upstream holds as big decimals. */
bool quantity_as_i64(const struct quantity *q, int64_t *ret_value);

/* ceil away from zero of q / 10^exponent: exponent 0 is Value(), -3 MilliValue().  False when that
 * does not fit int64 (upstream wraps around there). */
bool quantity_scaled(const struct quantity *q, int32_t exponent, int64_t *ret_value);

/* True when q is a multiple of 10^exponent. */
bool quantity_is_multiple(const struct quantity *q, int32_t exponent);

/* upstream's AsApproximateFloat64, bit for bit; for CEL's function of that name only. */
double quantity_approximate(const struct quantity *q);

/* Canonical text, NUL-terminated, into ret_text of QUANTITY_TEXT_MAX bytes; returns its length. */
unsigned quantity_text(const struct quantity *q, char *ret_text);

#endif
