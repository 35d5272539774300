/* cel/cel.c - the library's face: compile, evaluate, print errors, explain.
 *
 * Pure. */
#include "cel/cel.h"

#include "cel/node-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int cel_compile(const struct cel_env *env, struct str text, struct arena *arena,
        const struct cel_program **ret_program, struct err *reterr)
{
    struct cel_expr *root = NULL;
    const struct cel_node *plan = NULL;
    uint32_t slots = 0;
    struct buf name = BUF_INIT(500);
    text = arena_str(arena, text);
    int r = cel_parse(arena, text, &root, reterr);
    if (r < 0 || (r = cel_check(env, arena, root, &slots, reterr)) < 0 ||
            (r = cel_plan(arena, root, &plan, reterr)) < 0)
        return r;
    struct cel_program *p = ARENA_NEW(arena, struct cel_program);
    p->env = env;
    p->text = text;
    p->root = root;
    p->plan = plan;
    p->slot_count = slots;
    if (root->type->param[0] == NULL) {
        p->result_name = root->type->name;
    } else {
        cel_type_print(&name, root->type);
        p->result_name = arena_printf(arena, "%s", name.len > 0 ? name.ptr : "");
        buf_clear(&name);
    }
    *ret_program = p;
    return 0;
}

bool cel_program_result_is(const struct cel_program *p, enum cel_kind kind)
{
    return p->root->type->kind == kind;
}

const char *cel_program_result_name(const struct cel_program *p)
{
    return p->result_name;
}

struct str cel_program_text(const struct cel_program *p)
{
    return p->text;
}

int cel_fault_report(const struct cel_state *s, const struct cel_fault *f, struct err *reterr)
{
    struct buf subject = BUF_INIT(200);
    int r = -EINVAL;
    switch (f->kind) {
    case CEL_FAULT_TEXT:
        return err_set(reterr, -EINVAL, "%s", f->text);
    case CEL_FAULT_NO_SUCH_OVERLOAD:
        return err_set(reterr, -EINVAL, "no such overload");
    case CEL_FAULT_GAVE_UP:
        if (s->why != NULL)
            return err_set(reterr, -ENOTSUP, "%s", s->why);
        return err_set(reterr, -E2BIG, "the evaluation needs more memory than it may have");
    case CEL_FAULT_COST:
        return err_set(reterr, -EDQUOT, "operation cancelled: actual cost limit exceeded");
    case CEL_FAULT_NO_SUCH_KEY:
    case CEL_FAULT_NO_SUCH_INDEX:
        if (f->subject.kind == CEL_KIND_STRING) {
            buf_put(&subject, cel_value_str(f->subject));
        } else {
            cel_value_print(&subject, f->subject);
        }
        r = err_set(reterr, -EINVAL, "%s: %s",
                f->kind == CEL_FAULT_NO_SUCH_KEY ? "no such key" : "index out of bounds",
                subject.len > 0 ? subject.ptr : "");
        buf_clear(&subject);
        return r;
    }
    return r;
}

enum { SLOTS_ON_STACK = 12 };

/* Evaluates one node of the plan with variables, from a cost of 0. */
static int eval_plan(const struct cel_program *p, const struct cel_node *n,
        const struct cel_run *run, struct cel_value *ret_value, uint64_t *ret_cost,
        struct err *reterr)
{
    struct cel_slot few[SLOTS_ON_STACK];
    struct cel_state s = {
            .run = run, .arena = run->arena, .slots = few, .cost_limit = run->cost_limit};
    if (p->slot_count > SLOTS_ON_STACK)
        s.slots = ARENA_ARRAY(run->arena, struct cel_slot, p->slot_count);
    struct cel_value v = cel_eval_node(&s, n);
    if (ret_cost != NULL)
        *ret_cost = s.cost;
    if (s.gave_up) {
        v = cel_fault_give_up(&s, NULL);
    } else if (s.cost > s.cost_limit) {
        return err_set(reterr, -EDQUOT, "operation cancelled: actual cost limit exceeded");
    }
    if (cel_is_error(v))
        return cel_fault_report(&s, v.fault, reterr);
    *ret_value = v;
    return 0;
}

int cel_eval(const struct cel_program *p, const struct cel_run *run, struct cel_value *ret_value,
        uint64_t *ret_cost, struct err *reterr)
{
    return eval_plan(p, p->plan, run, ret_value, ret_cost, reterr);
}

/* ---- errors for people ---- */

void cel_error_print(struct buf *out, struct str text, const struct err *e)
{
    size_t at = e->pos < text.len ? e->pos : text.len;
    size_t start = at;
    while (start > 0 && text.ptr[start - 1] != '\n')
        start--;
    size_t end = at;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    unsigned line = 1;
    for (size_t i = 0; i < start; i++)
        line += text.ptr[i] == '\n';
    uint32_t column = cel_rune_count((struct str){text.ptr + start, at - start});
    buf_printf(out, "ERROR: <input>:%u:%u: %s\n | %.*s\n | ", line, column + 1, e->text,
            (int)(end - start), text.len > 0 ? text.ptr + start : "");
    for (uint32_t i = 0; i < column; i++)
        buf_putc(out, '.');
    buf_putc(out, '^');
}

/* ---- why a selector is not true ---- */

struct explainer {
    const struct cel_program *program;
    const struct cel_run *run;
    struct buf *out;
    unsigned shown;
};

enum { SHOWN_MAX = 8, VALUES_MAX_BYTES = 2000 };

static void show(struct explainer *x, const struct cel_node *n)
{
    struct cel_value v = {0};
    struct err e = {0};
    if (x->shown == SHOWN_MAX || n->end <= n->start)
        return;
    struct str text = {x->program->text.ptr + n->start, n->end - n->start};
    buf_printf(x->out, "%s%.*s = ", x->shown > 0 ? "; " : "", STR_ARG(text));
    x->shown++;
    if (eval_plan(x->program, n, x->run, &v, NULL, &e) < 0) {
        buf_printf(x->out, "error: %s", e.text);
    } else {
        cel_value_print(x->out, v);
    }
}

/* The values that decide about `n`: its attributes, outside comprehensions. */
static void show_operands(struct explainer *x, const struct cel_node *n)
{
    if (n->op == CEL_OP_ATTR && n->attr->base == CEL_ATTR_GLOBAL) {
        show(x, n);
        return;
    }
    if (n->op == CEL_OP_ATTR && n->attr->base == CEL_ATTR_RELATIVE)
        show_operands(x, n->attr->operand);
    if (n->op == CEL_OP_FOLD) {
        show_operands(x, n->fold->range);
        return;
    }
    uint32_t parts = n->op == CEL_OP_MAP ? 2 * n->count : n->count;
    if (n->op == CEL_OP_IN_SET)
        parts = 1;
    for (uint32_t i = 0; i < parts; i++)
        show_operands(x, n->args[i]);
}

/* The first part of a chain of && that is not true, or `n` itself; NULL when all are. */
static const struct cel_node *first_not_true(
        struct explainer *x, const struct cel_node *n, int *ret_code, struct err *reterr)
{
    struct cel_value v = {0};
    if (n->op == CEL_OP_AND) {
        for (uint32_t i = 0; i < n->count; i++) {
            const struct cel_node *found = first_not_true(x, n->args[i], ret_code, reterr);
            if (found != NULL)
                return found;
        }
        return NULL;
    }
    *ret_code = eval_plan(x->program, n, x->run, &v, NULL, reterr);
    if (*ret_code == 0 && v.kind == CEL_KIND_BOOL && v.b)
        return NULL;
    return n;
}

bool cel_explain(const struct cel_program *p, const struct cel_run *run,
        struct cel_reason *ret_reason, struct err *reterr)
{
    struct buf out = BUF_INIT(VALUES_MAX_BYTES);
    struct explainer x = {p, run, &out, 0};
    int code = 0;
    const struct cel_node *n = first_not_true(&x, p->plan, &code, reterr);
    if (n == NULL)
        return false;
    show_operands(&x, n);
    ret_reason->start = n->start;
    ret_reason->end = n->end;
    ret_reason->code = code;
    ret_reason->values = arena_printf(run->arena, "%s", out.len > 0 ? out.ptr : "");
    buf_clear(&out);
    return true;
}
