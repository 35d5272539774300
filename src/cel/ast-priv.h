/* cel/ast-priv.h - the tree between parser, checker, planner and estimator.
 *
 * Pure.  Nodes live in the arena of the compilation; the checker writes types and resolutions into
 * them, after that they are not changed. */
#ifndef CEL_AST_PRIV_H
#define CEL_AST_PRIV_H

#include "cel/decl-priv.h"

enum cel_expr_kind {
    CEL_EXPR_LITERAL,
    CEL_EXPR_IDENT,
    CEL_EXPR_SELECT,
    CEL_EXPR_CALL,
    CEL_EXPR_LIST,
    CEL_EXPR_MAP,
    CEL_EXPR_FOLD,
};

/* Where the value of an identifier comes from; set by the checker. */
enum cel_ident_from {
    CEL_IDENT_LOCAL,  /* variable of a comprehension, `slot` */
    CEL_IDENT_GLOBAL, /* variable of the environment, `slot` */
    CEL_IDENT_TYPE,   /* a type's name */
};

struct cel_fold;

struct cel_expr {
    enum cel_expr_kind kind;
    uint32_t at;         /* where errors point: the operator, else the first byte */
    uint32_t start, end; /* bytes of the text that it was read from */
    const struct cel_type *type;
    union {
        struct cel_value literal;
        struct {
            struct str name;
            enum cel_ident_from from;
            uint32_t slot;
            const struct cel_type *meant; /* of a type's name */
        } ident;
        struct {
            struct cel_expr *operand;
            struct str field;
            bool test; /* has(operand.field) */
        } select;
        struct {
            struct str name;
            struct cel_expr *target; /* receiver, or NULL; the checker clears a name space */
            struct cel_expr **args;
            uint32_t arg_count;
            const struct cel_function *function;
            const uint16_t *overloads; /* those that stay possible */
            uint32_t overload_count;
        } call;
        struct {
            struct cel_expr **items;
            const bool *optional; /* NULL when none is */
            uint32_t count;
        } list;
        struct {
            struct cel_expr **items; /* key, value, key, value ... */
            const bool *optional;    /* an entry each; NULL when none is */
            uint32_t count;          /* entries */
        } map;
        struct cel_fold *fold;
    };
};

/* A comprehension: what the macros become. */
struct cel_fold {
    struct cel_expr *range;
    struct str var, var2, accu; /* var2 empty: one variable */
    struct cel_expr *init, *condition, *step, *result;
    uint32_t slot; /* accumulator; var is slot + 1, var2 is slot + 2 */
    bool is_bind;  /* cel.bind and its like: no iteration */
};

enum {
    CEL_DEPTH_MAX = 250, /* upstream's limit of nesting */
    CEL_CODE_POINTS_MAX = 100000,
};

/* Parses with macros expanded.  -EINVAL, -E2BIG. */
int cel_parse(struct arena *a, struct str text, struct cel_expr **ret_expr, struct err *reterr);

/* For macros. */
struct cel_expr *cel_expr_new(struct arena *a, enum cel_expr_kind kind, uint32_t at);
struct cel_expr *cel_expr_literal(struct arena *a, struct cel_value value, uint32_t at);
struct cel_expr *cel_expr_ident(struct arena *a, struct str name, uint32_t at);
struct cel_expr *cel_expr_call(struct arena *a, const char *name, uint32_t at, uint32_t arg_count,
        struct cel_expr *const *args);

/* Expands `call` when it is a macro: 1 with *ret_expr, 0 when it is none, or a negative errno. */
int cel_macro_expand(struct arena *a, const struct cel_expr *call, struct cel_expr **ret_expr,
        struct err *reterr);

/* A deep copy. */
struct cel_expr *cel_expr_copy(struct arena *a, const struct cel_expr *e);

/* The hidden accumulator's name. */
#define CEL_ACCUMULATOR STR_LIT("@result")

/* What is wrong with "FORMAT".format(LIST), both literals, and where; NULL: nothing (format.c). */
const char *cel_format_check(
        struct str format, const struct cel_expr *list, const struct cel_expr **ret_at);

/* Types the tree and resolves its calls.  *ret_slots: the frame's size at run time. */
int cel_check(const struct cel_env *env, struct arena *a, struct cel_expr *root,
        uint32_t *ret_slots, struct err *reterr);

#endif
