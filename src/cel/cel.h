/* cel/cel.h - compile and evaluate CEL expressions as Kubernetes' device selectors do.
 *
 * Pure.  Language, libraries, errors and costs are those of cel-go 0.29 in the environment of
 * k8s.io/dynamic-resource-allocation/cel 1.37 (README.md lists what is left out).  The environment
 * names no Kubernetes object: the host declares its variables and gives their values.
 *
 *     static const struct cel_env env = { .vars = &device_var, .var_count = 1 };
 *     const struct cel_program *p = NULL;
 *     r = cel_compile(&env, text, arena, &p, &e);           // once
 *     r = cel_eval(p, &run, &value, &cost, &e);             // many times, from any thread
 */
#ifndef CEL_CEL_H
#define CEL_CEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cel/value.h"

/* A declared type.  Static data of the host; compared by address for `cel_program_type_is`. */
struct cel_decl_type {
    enum cel_kind kind;
    const char *name;      /* OBJECT: its type name */
    uint64_t max_elements; /* for the cost estimate: most bytes of a string, entries of a map or
                              list; of a scalar 0 */
    const struct cel_decl_type *key;     /* MAP */
    const struct cel_decl_type *elem;    /* MAP, LIST */
    const struct cel_decl_field *fields; /* OBJECT */
    uint32_t field_count;
};

struct cel_decl_field {
    const char *name;
    const struct cel_decl_type *type;
};

struct cel_decl_var {
    const char *name;
    const struct cel_decl_type *type;
};

enum cel_option {
    /* without x.includes(y), as in an API server whose list attributes are off */
    CEL_OPTION_NO_INCLUDES = 1 << 0,
};

/* An environment is constant data of the host. */
struct cel_env {
    const struct cel_decl_var *vars;
    uint32_t var_count;
    unsigned options; /* enum cel_option */
};

struct cel_program; /* immutable; may be shared by threads; lives in its arena */

enum { CEL_TEXT_MAX_BYTES = 100000 };

/* Parses, checks and plans `text`.
 *
 * arena: holds the program, a copy of `text` and scratch (about 100 bytes a byte of text).
 * Returns 0; -EINVAL: a compile error; -ENOTSUP: it uses a function of the environment that is left
 * out, so there is no verdict; -E2BIG: longer or deeper than the limits (upstream: compile error).
 * On failure reterr->pos is the byte offset; cel_error_print() draws the caret. */
int cel_compile(const struct cel_env *env, struct str text, struct arena *arena,
        const struct cel_program **ret_program, struct err *reterr);

/* True when the expression's type is exactly the kind (and, for ANY and DYN, just that one). */
bool cel_program_result_is(const struct cel_program *p, enum cel_kind kind);

/* The name of the result's type ("bool", "map(string, int)"), in the program's arena. */
const char *cel_program_result_name(const struct cel_program *p);

struct str cel_program_text(const struct cel_program *p);

/* Worst-case cost as the API server estimates it; saturates at UINT64_MAX.  scratch: reset or freed
 * by the caller afterwards. */
struct cel_cost_range {
    uint64_t min, max;
};
struct cel_cost_range cel_program_estimate(const struct cel_program *p, struct arena *scratch);

/* One evaluation.  vars[i] is the value of env->vars[i]. */
struct cel_run {
    const struct cel_value *vars;
    struct arena *arena; /* all memory of the evaluation, results included */
    uint64_t cost_limit; /* run-time cost above it is an error; UINT64_MAX = none */
};

/* Evaluates.  Returns 0 with the value; -EINVAL: run-time error; -EDQUOT: the cost limit was
 * passed; -ENOTSUP: it needs what we leave out (a quantity of more than 38 digits); -E2BIG: more
 * memory than the arena's cap.  ret_cost (may be NULL) is written in every case. */
int cel_eval(const struct cel_program *p, const struct cel_run *run, struct cel_value *ret_value,
        uint64_t *ret_cost, struct err *reterr);

/* Appends upstream's three lines for a compile error: "ERROR: <input>:1:8: text", the source line,
 * the caret.  e: as cel_compile left it. */
void cel_error_print(struct buf *out, struct str text, const struct err *e);

/* What made a selector not true, for people. */
struct cel_reason {
    uint32_t start, end; /* bytes of the first conjunct (by order in the text) that is not true */
    int code;            /* as cel_eval: 0 = it was false */
    const char *values;  /* "device.driver = \"a.example\"; ..." : its operands; in the arena */
};

/* Why `p`, evaluated with `run`, is not true.  Returns false when it is true. */
bool cel_explain(const struct cel_program *p, const struct cel_run *run,
        struct cel_reason *ret_reason, struct err *reterr);

/* Appends a value as CEL text would write it. */
void cel_value_print(struct buf *out, struct cel_value v);

/* The name of the value's type at run time ("int", "kubernetes.Quantity"). */
const char *cel_value_type_name(struct cel_value v);

#endif
