/* cel/node-priv.h - the plan that is evaluated, and what evaluation shares among its files.
 *
 * Pure.  A plan is what cel-go's planner and its decorators make of the tree: selections and
 * indexes gathered into attributes, constant parts folded, membership in constant lists made a
 * look-up.  All of this shows in the run-time cost, so it is followed exactly. */
#ifndef CEL_NODE_PRIV_H
#define CEL_NODE_PRIV_H

#include "cel/ast-priv.h"
#include "cel/regex.h"

enum cel_op {
    CEL_OP_CONST,
    CEL_OP_ATTR,
    CEL_OP_AND,
    CEL_OP_OR,
    CEL_OP_EQ,
    CEL_OP_NE,
    CEL_OP_CALL,
    CEL_OP_LIST,
    CEL_OP_MAP,
    CEL_OP_FOLD,
    CEL_OP_IN_SET, /* args[0] in a constant list of primitive values */
    CEL_OP_OPTIONAL_OR,
    CEL_OP_OPTIONAL_OR_VALUE,
};

enum { CEL_OVERLOAD_ANY = UINT16_MAX };

struct cel_attr;

struct cel_node {
    enum cel_op op;
    uint16_t function; /* CALL: enum cel_function_id */
    uint16_t overload; /* CALL: the one overload that fits, or CEL_OVERLOAD_ANY */
    bool varargs;      /* CALL: evaluation stops at the first argument that fails */
    uint32_t start, end;
    uint32_t count;               /* args; of MAP entries */
    const struct cel_node **args; /* of MAP key, value, key, value ... */
    const bool *optional;         /* LIST, MAP; NULL when none is */
    union {
        struct cel_value value;      /* CONST; IN_SET: the list */
        const struct cel_attr *attr; /* ATTR */
        const struct cel_plan_fold *fold;
        const struct cel_regex *regex; /* CALL of matches, find, findAll with a constant pattern */
    };
};

enum cel_attr_base {
    CEL_ATTR_GLOBAL,
    CEL_ATTR_LOCAL,
    CEL_ATTR_RELATIVE,    /* of a computed value */
    CEL_ATTR_CONDITIONAL, /* of one of two attributes */
};

/* A qualifier: one step from a value to a part of it. */
struct cel_qual {
    bool optional;
    bool test;     /* has(): only whether it is there */
    bool constant; /* else `attr` gives the index */
    struct cel_value index;
    struct cel_key key; /* ready when `index` is a string */
    const struct cel_attr *attr;
};

struct cel_attr {
    enum cel_attr_base base;
    uint32_t slot;                   /* GLOBAL, LOCAL */
    const struct cel_node *operand;  /* RELATIVE; CONDITIONAL: the condition */
    const struct cel_attr *yes, *no; /* CONDITIONAL */
    bool test;                       /* its last qualifier is has() */
    uint32_t count, cap;
    struct cel_qual *quals;
};

struct cel_plan_fold {
    const struct cel_node *range, *init, *condition, *step, *result;
    uint32_t slot;
    bool two;
};

struct cel_program {
    const struct cel_env *env;
    struct str text;
    const struct cel_expr *root; /* for the estimate */
    const struct cel_node *plan;
    const char *result_name;
    uint32_t slot_count;
};

/* What went wrong; made into text only when it reaches the caller. */
enum cel_fault_kind {
    CEL_FAULT_TEXT, /* `text` says it */
    CEL_FAULT_NO_SUCH_OVERLOAD,
    CEL_FAULT_NO_SUCH_KEY,
    CEL_FAULT_NO_SUCH_INDEX,
    CEL_FAULT_GAVE_UP, /* the state says why */
    CEL_FAULT_COST,
};

struct cel_fault {
    enum cel_fault_kind kind;
    const char *text;
    struct cel_value subject;
};

/* A variable of a comprehension while it runs. */
struct cel_slot {
    struct cel_value value;
    const struct cel_node *lazy; /* accumulator not computed yet */
};

struct cel_state {
    const struct cel_run *run;
    struct arena *arena;
    struct cel_slot *slots;
    uint64_t cost;
    uint64_t cost_limit;
    bool gave_up;    /* a fault that no operator may absorb */
    const char *why; /* what we leave out; NULL: the arena is full */
};

enum {
    CEL_SIZE_CONCAT = 1,  /* value.size of a LIST: made by +, compared as upstream does there */
    CEL_SIZE_MUTABLE = 2, /* value.size of a LIST: grows in place inside a comprehension */
};

/* A list that grows in place, for comprehensions. */
struct cel_list_growing {
    struct cel_list list;
    uint32_t cap;
};

/* Our own maps: keys and values in order of insertion. */
struct cel_map_own {
    struct cel_map map;
    struct cel_value *entries; /* key, value, key, value ... */
    uint32_t cap;
};

/* Plans a checked tree. */
int cel_plan(struct arena *a, const struct cel_expr *root, const struct cel_node **ret_plan,
        struct err *reterr);

struct cel_value cel_eval_node(struct cel_state *s, const struct cel_node *n);

/* Faults. */
struct cel_value cel_fault(struct cel_state *s, enum cel_fault_kind kind, struct cel_value subject);
struct cel_value cel_fault_text(struct cel_state *s, const char *text); /* text: static or arena */
struct cel_value cel_fault_overload(void);
struct cel_value cel_fault_give_up(struct cel_state *s, const char *text); /* text as in `why` */
int cel_fault_report(const struct cel_state *s, const struct cel_fault *f, struct err *reterr);

static inline bool cel_is_error(struct cel_value v)
{
    return v.kind == CEL_KIND_ERROR;
}

/* Calls (call.c): the function or its one overload on values that are no errors. */
struct cel_value cel_call(
        struct cel_state *s, const struct cel_node *n, const struct cel_value *args);

/* Whether a value may be passed where a declaration says `t`. */
bool cel_value_matches(const struct cel_type *t, struct cel_value v);

/* What a call costs (cost.c). */
uint64_t cel_call_cost(const struct cel_node *n, const struct cel_value *args, uint32_t count,
        struct cel_value result);
uint64_t cel_value_size(struct cel_value v); /* runes, bytes, elements; else 1 */
uint64_t cel_value_traversal(struct cel_value v);

/* Values (value.c).  Equality gives BOOL or ERROR. */
struct cel_value cel_equal(struct cel_value a, struct cel_value b);
/* -1, 0, 1; false when the kinds have no order between them (NaN included). */
bool cel_compare(struct cel_value a, struct cel_value b, int *ret_order);
uint32_t cel_rune_count(struct str s);

/* Maps of any making. */
bool cel_map_find(const struct cel_map *m, struct cel_value key, struct cel_value *ret_value);
struct cel_value cel_map_new(struct cel_state *s, uint32_t cap);
/* Adds or replaces; false when memory is out. */
bool cel_map_put(
        struct cel_state *s, struct cel_value map, struct cel_value key, struct cel_value value);

/* Lists and strings in the evaluation's arena; NULL or an ERROR when its cap would be passed. */
struct cel_value *cel_items_new(struct cel_state *s, size_t count);
struct cel_value cel_list_new(struct cel_state *s, struct cel_value *items, size_t count);
char *cel_bytes_new(struct cel_state *s, size_t len);
struct cel_value cel_string_copy(struct cel_state *s, struct str text);
struct cel_value cel_concat(struct cel_state *s, struct cel_value a, struct cel_value b);

/* Libraries, by overload. */
struct cel_value cel_call_operator(struct cel_state *s, uint16_t ov, const struct cel_value *args);
struct cel_value cel_call_convert(struct cel_state *s, uint16_t ov, struct cel_value v);
struct cel_value cel_call_string(struct cel_state *s, uint16_t ov, const struct cel_value *args);
struct cel_value cel_call_list(struct cel_state *s, uint16_t ov, const struct cel_value *args);
struct cel_value cel_call_extra(struct cel_state *s, uint16_t ov, const struct cel_value *args);
struct cel_value cel_call_time(struct cel_state *s, uint16_t ov, struct cel_value v);
struct cel_value cel_call_regex(
        struct cel_state *s, const struct cel_node *n, const struct cel_value *args);
struct cel_value cel_format(struct cel_state *s, struct str format, const struct cel_list *args);

#endif
