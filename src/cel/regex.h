/* cel/regex.h - regular expressions in RE2's language, matched in linear time.
 *
 * Pure.  Syntax and limits are those of Go's regexp package (which CEL uses): UTF-8,
 * leftmost-first, repeat counts to 1000 with their product bounded, nesting to 1000, no
 * backreferences or look-around.  Time is O(program * text), memory O(program). */
#ifndef CEL_REGEX_H
#define CEL_REGEX_H

#include "base/arena.h"
#include "base/err.h"

struct cel_regex; /* immutable; lives in the arena it was compiled into */

/* Returns 0; -EINVAL with e.pos and Go's wording when the pattern is not one of Go's; -E2BIG when
 * the compiled program would pass our cap of instructions (Go's own caps come first for all but
 * huge Unicode classes). */
int cel_regex_compile(struct arena *a, struct str pattern, const struct cel_regex **ret_regex,
        struct err *reterr);

/* True when some part of `text` matches.  Scratch memory comes from `a` unless the pattern is
 * simple (a literal, a prefix, a one-pass automaton). */
bool cel_regex_match(const struct cel_regex *re, struct str text, struct arena *a);

/* The leftmost-first match that starts at or after byte `from`: true with its bounds. */
bool cel_regex_find(const struct cel_regex *re, struct str text, size_t from, struct arena *a,
        size_t *ret_start, size_t *ret_end);

#endif
