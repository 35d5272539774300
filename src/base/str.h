/* base/str.h - views of bytes: pointer and length, not NUL-terminated, never owned.
 *
 * Pure.  C strings live only at the libc edge. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; `ptr` may be NULL only when `len` is 0. */
struct str {
    const char *ptr;
    size_t len;
};

/* A view of a string literal, usable in static initialisers. */
#define STR_LIT(s) ((struct str){(s), sizeof(s) - 1})

/* For printf's "%.*s"; `s` is evaluated twice. */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

/* The same for input that is quoted in an error: at most 64 bytes of it. */
#define STR_ARG_SHORT(s) (int)((s).len < 64 ? (s).len : 64), (s).ptr ? (s).ptr : ""

/* A view of the NUL-terminated `s`; NULL gives the empty view. */
struct str str_from(const char *s);

bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Bytewise order: <0, 0 or >0; a prefix sorts first. */
int str_cmp(struct str a, struct str b);

/* The part of `s` before the first `sep`; `*s` becomes what follows it (empty when none is left).
 * Returns false when `*s` was empty at entry with NULL ptr: the end of a split loop. */
bool str_split(struct str *s, char sep, struct str *ret_part);

/* `s` without leading and trailing blanks, tabs, CR and LF. */
struct str str_trim(struct str s);

/* FNV-1a 64 over the bytes, its offset basis XORed with `seed` (0 = plain FNV-1a). */
uint64_t str_hash(struct str s, uint64_t seed);

/* How many bytes at the start of `s` are well-formed UTF-8; s.len when all are.  The rest begins
 * with a byte that no well-formed sequence begins with, or with one that is cut short. */
size_t str_utf8_prefix(struct str s);

/* Whole-string decimal numbers: no blanks, no sign for u64, one leading '-' allowed for i64.
 * Returns 0; -EINVAL when not a number; -ERANGE when out of [min, max]. */
int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value);
int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value);

/* Sixteen lowercase hexadecimal digits and nothing else: 0 or -EINVAL. */
int str_to_hex64(struct str s, uint64_t *ret_value);

/* A decimal with at most `decimals` digits after the point ("0.1234"), as an integer scaled by
 * 10^decimals.  decimals: 0..9.  A point needs digits on both sides and digits past `decimals` must
 * be zero, else -EINVAL; so are exponents, NaN and infinities.  -ERANGE outside [min, max]
 * (scaled). */
int str_to_fixed(struct str s, unsigned decimals, int64_t min, int64_t max, int64_t *ret_value);

enum { STR_FIXED_BYTES = 48 };

/* The shortest text of value / 10^decimals ("-0.05", "12"), the inverse of str_to_fixed, into
 * `ret_text` of STR_FIXED_BYTES; returns ret_text.  decimals: 0..18. */
char *str_format_fixed(int64_t value, unsigned decimals, char *ret_text);

/* The candidate nearest to `s` by edit distance (a swap of neighbours is one edit), if within a
 * third of its length and at least one edit, else NULL; the first of equals; NULL for names over 64
 * bytes.  names: NULL-terminated array.  For "unknown key; did you mean" messages. */
const char *str_nearest(struct str s, const char *const *names);

#endif
