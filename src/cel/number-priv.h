/* cel/number-priv.h - numbers as text, the way Go reads and prints them.
 *
 * Pure. */
#ifndef CEL_NUMBER_PRIV_H
#define CEL_NUMBER_PRIV_H

#include "base/buf.h"
#include "base/decimal.h"

/* Digits of base 10 or 16, nothing else; false when there are none or they do not fit. */
bool cel_number_to_u64(struct str digits, unsigned base, uint64_t *ret_value);

/* strconv.ParseInt and ParseUint in base 10. */
bool cel_number_parse_i64(struct str text, int64_t *ret_value);

/* strconv.ParseFloat but for hexadecimal: 1, 0 when it is no number, -1 when we cannot tell. */
int cel_number_parse_double(struct str text, double *ret_value);

/* Appends d as Go's %g ("1e+06", "+Inf") or as %f with the shortest digits. */
void cel_number_print_g(struct buf *out, double d);
void cel_number_print_f(struct buf *out, double d);

#endif
