/* cel/decl-priv.h - types and the tables of functions, shared by checker, planner and estimator.
 *
 * Pure. */
#ifndef CEL_DECL_PRIV_H
#define CEL_DECL_PRIV_H

#include "cel/cel.h"
#include "cel/decl_ids-priv.h"

/* A type; immutable.  Of LIST and OPTIONAL param[0] is the element, of MAP key and value, of TYPE
 * the type meant (or NULL).  A PARAM with `variable` below CEL_PARAM_COUNT stands in a declaration,
 * one at or above it is a variable of the unification. */
struct cel_type {
    enum cel_kind kind;
    uint32_t variable;
    const char *name; /* the name at run time */
    const struct cel_type *param[2];
    const struct cel_decl_type *decl; /* what the host declared, for sizes and fields */
};

enum { CEL_PARAM_COUNT = 3, CEL_ARGS_MAX = 4 };

extern const struct cel_type cel_type_error, cel_type_null, cel_type_bool, cel_type_int,
        cel_type_uint, cel_type_double, cel_type_string, cel_type_bytes, cel_type_timestamp,
        cel_type_duration, cel_type_dyn, cel_type_any, cel_type_quantity, cel_type_semver,
        cel_type_list, cel_type_map, cel_type_type, cel_type_optional,
        cel_type_param[CEL_PARAM_COUNT];

enum {
    CEL_OVERLOAD_MEMBER = 1,
    CEL_OVERLOAD_LEFT_OUT = 2, /* declared upstream, not implemented here */
};

struct cel_overload {
    const struct cel_type *args[CEL_ARGS_MAX];
    const struct cel_type *result;
    uint16_t function; /* enum cel_function_id */
    uint8_t arg_count;
    uint8_t param_count;
    uint8_t flags;
};

struct cel_function {
    struct str name;
    uint16_t first, count; /* its overloads */
    bool singleton;        /* upstream has one implementation for all its overloads */
};

extern const struct cel_function cel_functions[CEL_FN_COUNT]; /* sorted by name */
extern const struct cel_overload cel_overloads[CEL_OV_COUNT];

/* The function of that name, or NULL. */
const struct cel_function *cel_function_find(struct str name);

static inline enum cel_function_id cel_function_id(const struct cel_function *f)
{
    return (enum cel_function_id)(f - cel_functions);
}

/* The type that an identifier names ("int", "optional_type"), or NULL. */
const struct cel_type *cel_type_named(struct str name);

const struct cel_type *cel_type_make(struct arena *a, enum cel_kind kind,
        const struct cel_type *first, const struct cel_type *second);

/* The type of a host's declaration. */
const struct cel_type *cel_type_declared(struct arena *a, const struct cel_decl_type *decl);

/* What the checker has found out about type variables. */
struct cel_unify {
    struct arena *arena;
    const struct cel_type **bound; /* variable - CEL_PARAM_COUNT -> type, or NULL */
    uint32_t count, cap;
    struct cel_unify_undo {
        uint32_t variable;
        const struct cel_type *old;
    } * trail;
    uint32_t trail_count, trail_cap;
};

const struct cel_type *cel_unify_new_variable(struct cel_unify *u);

/* True when from is assignable to to; then variables are bound, else nothing changes. */
bool cel_unify_assignable(
        struct cel_unify *u, const struct cel_type *from, const struct cel_type *to);

/* The same for lists of equal length, all or nothing. */
bool cel_unify_assignable_list(struct cel_unify *u, const struct cel_type *const *from,
        const struct cel_type *const *to, uint32_t count);

/* `t` with bound variables replaced, and free ones by dyn if asked. */
const struct cel_type *cel_unify_substitute(
        struct cel_unify *u, const struct cel_type *t, bool free_to_dyn);

/* `t` of a declaration with its parameters replaced by `variables`. */
const struct cel_type *cel_unify_instantiate(
        struct cel_unify *u, const struct cel_type *t, const struct cel_type *const *variables);

/* The more general of two types that unify. */
const struct cel_type *cel_type_general(const struct cel_type *a, const struct cel_type *b);

/* Equal in every part; without `names` any two parameters are equal. */
bool cel_type_same(const struct cel_type *a, const struct cel_type *b, bool names);

bool cel_type_is_dyn(const struct cel_type *t); /* dyn or any */

void cel_type_print(struct buf *out, const struct cel_type *t);

#endif
