/* cel/guard.h - accesses in an expression that fail on values which lack a key, and what guards
 * them.
 *
 * Pure.  A host's variable has maps of maps, VAR.MAP[KEY].FIELD, whose keys depend on the kind of
 * the value, VAR.KIND.  VAR.MAP["k"].f is an error where f is missing.  It is guarded when the
 * expression cannot come out otherwise than false (or true, on the other side of ||) without it:
 *
 *     VAR.KIND == "..."           ... in [...], ... .startsWith("...") and the like
 *     "k" in VAR.MAP              "f" in VAR.MAP["k"], has(VAR.MAP["k"].f), ....?f.hasValue()
 *
 * on the same side of &&, in any order (CEL drops the error when the other side decides), negated
 * before ||, or as the condition of ?:.  VAR.MAP["k"].?f cannot fail.  Any of the second line
 * counts for all of "k", since values that have one field of a kind are of that kind. Not seen:
 * keys that are not literal, guards in comprehensions. */
#ifndef CEL_GUARD_H
#define CEL_GUARD_H

#include "cel/cel.h"

enum { CEL_GUARD_KEYS_MAX = 63, CEL_GUARD_MAPS_MAX = 2 };

struct cel_guard_names {
    const char *var, *kind;
    const char *maps[CEL_GUARD_MAPS_MAX]; /* NULL after the last */
};

/* What is known when an expression is evaluated.  Begin with {.names = &names}. */
struct cel_guards {
    const struct cel_guard_names *names;
    uint32_t key_count;
    struct str keys[CEL_GUARD_KEYS_MAX]; /* views into the programs' arenas; more are not told */
    uint64_t held;                       /* bit i: keys[i] is there; bit 63: the kind was tested */
};

struct cel_access {
    struct str key, field; /* VAR.MAP["key"].field */
    struct str text;       /* as written */
};

typedef void cel_access_fn(void *context, const struct cel_access *access);

/* Tells of the first unguarded access to each key in `p`, then adds to `guards` what `p` makes sure
 * of when it is true: so expressions that are evaluated while all before them were true are given
 * in that order.  on_access: NULL = only add. */
void cel_guard_find(const struct cel_program *p, struct cel_guards *guards,
        cel_access_fn *on_access, void *context);

#endif
