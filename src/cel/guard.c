/* cel/guard.c - see guard.h.
 *
 * Pure.  Two walks over the checked tree: facts() says what must hold when a part is true or false,
 * visit() looks for accesses with the facts of all that stands beside them. */
#include "cel/guard.h"

#include "cel/node-priv.h"

/* TUNING: names of cel.bind are looked through where they are read, which could double the work
 * with each; no selector that people write comes near. */
enum { STEPS_MAX = 200000 };

#define KIND_TESTED (UINT64_C(1) << 63)
#define EVERYTHING  UINT64_MAX /* of a part that cannot come out so */

/* A name of cel.bind, and what it stands for. */
struct binding {
    const struct binding *outer;
    uint32_t slot;
    const struct cel_expr *init;
};

struct walk {
    struct cel_guards *guards;
    const struct binding *bindings;
    struct str text;
    cel_access_fn *on_access;
    void *context;
    uint64_t told;
    uint32_t steps;
};

/* Looks through names of cel.bind. */
static const struct cel_expr *meant(const struct walk *w, const struct cel_expr *e)
{
    const struct binding *b = w->bindings;
    while (b != NULL && e->kind == CEL_EXPR_IDENT && e->ident.from == CEL_IDENT_LOCAL) {
        if (b->slot == e->ident.slot)
            e = b->init;
        b = b->outer;
    }
    return e;
}

static bool is_call(const struct cel_expr *e, const char *name, uint32_t arg_count)
{
    return e->kind == CEL_EXPR_CALL && e->call.arg_count == arg_count &&
           str_eq_c(e->call.name, name);
}

static bool is_text(const struct cel_expr *e, struct str *ret_text)
{
    if (e->kind != CEL_EXPR_LITERAL || e->literal.kind != CEL_KIND_STRING)
        return false;
    *ret_text = cel_value_str(e->literal);
    return true;
}

/* VAR.field */
static bool is_field(const struct walk *w, const struct cel_expr *e, const char *field)
{
    e = meant(w, e);
    if (e->kind != CEL_EXPR_SELECT || e->select.test || !str_eq_c(e->select.field, field))
        return false;
    const struct cel_expr *var = meant(w, e->select.operand);
    return var->kind == CEL_EXPR_IDENT && var->ident.from == CEL_IDENT_GLOBAL &&
           str_eq_c(var->ident.name, w->guards->names->var);
}

static bool is_map(const struct walk *w, const struct cel_expr *e)
{
    for (int i = 0; i < CEL_GUARD_MAPS_MAX && w->guards->names->maps[i] != NULL; i++) {
        if (is_field(w, e, w->guards->names->maps[i]))
            return true;
    }
    return false;
}

/* VAR.MAP["key"] */
static bool is_entry(const struct walk *w, const struct cel_expr *e, struct str *ret_key)
{
    e = meant(w, e);
    return is_call(e, "_[_]", 2) && is_map(w, e->call.args[0]) && is_text(e->call.args[1], ret_key);
}

/* VAR.MAP["key"].field, VAR.MAP["key"]["field"] */
static bool is_access(const struct walk *w, const struct cel_expr *e, struct cel_access *ret)
{
    if (e->kind == CEL_EXPR_SELECT && !e->select.test) {
        ret->field = e->select.field;
        return is_entry(w, e->select.operand, &ret->key);
    }
    return is_call(e, "_[_]", 2) && is_text(e->call.args[1], &ret->field) &&
           is_entry(w, e->call.args[0], &ret->key);
}

/* The key's bit; 0 when there are too many keys: nothing is told of it. */
static uint64_t bit_of(struct cel_guards *g, struct str key)
{
    for (uint32_t i = 0; i < g->key_count; i++) {
        if (str_eq(g->keys[i], key))
            return UINT64_C(1) << i;
    }
    if (g->key_count == CEL_GUARD_KEYS_MAX)
        return 0;
    g->keys[g->key_count] = key;
    return UINT64_C(1) << g->key_count++;
}

static uint64_t facts(struct walk *w, const struct cel_expr *e, bool wanted);

/* Of the terms of && or ||: of all together when the result needs each, else what they share. */
static uint64_t facts_of_terms(
        struct walk *w, const struct cel_expr *e, bool wanted, bool needs_each)
{
    uint64_t all = 0;
    uint64_t shared = EVERYTHING;
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        uint64_t one = facts(w, e->call.args[i], wanted);
        all |= one;
        shared &= one;
    }
    return needs_each ? all : shared;
}

/* "k" in VAR.MAP, "f" in VAR.MAP["k"], VAR.KIND in [...]. */
static uint64_t facts_of_in(struct walk *w, const struct cel_expr *e)
{
    struct str text;
    if (is_field(w, e->call.args[0], w->guards->names->kind))
        return KIND_TESTED;
    if (is_text(e->call.args[0], &text) && is_map(w, e->call.args[1]))
        return bit_of(w->guards, text);
    return is_entry(w, e->call.args[1], &text) ? bit_of(w->guards, text) : 0;
}

/* A test of the kind or of an optional field by a call. */
static uint64_t facts_of_test(struct walk *w, const struct cel_expr *e)
{
    struct str key;
    const char *kind = w->guards->names->kind;
    if (is_call(e, "_==_", 2)) {
        bool tests = is_field(w, e->call.args[0], kind) || is_field(w, e->call.args[1], kind);
        return tests ? KIND_TESTED : 0;
    }
    if (is_call(e, "@in", 2))
        return facts_of_in(w, e);
    if (e->call.target == NULL)
        return 0;
    if (is_field(w, e->call.target, kind))
        return KIND_TESTED;
    const struct cel_expr *target = meant(w, e->call.target);
    bool optional = is_call(target, "_?._", 2) || is_call(target, "_[?_]", 2);
    return optional && is_call(e, "hasValue", 0) && is_entry(w, target->call.args[0], &key)
                   ? bit_of(w->guards, key)
                   : 0;
}

static uint64_t facts_of_call(struct walk *w, const struct cel_expr *e, bool wanted)
{
    if (is_call(e, "!_", 1))
        return facts(w, e->call.args[0], !wanted);
    if (str_eq_c(e->call.name, "_&&_"))
        return facts_of_terms(w, e, wanted, wanted);
    if (str_eq_c(e->call.name, "_||_"))
        return facts_of_terms(w, e, wanted, !wanted);
    if (is_call(e, "_?_:_", 3)) {
        return (facts(w, e->call.args[0], true) | facts(w, e->call.args[1], wanted)) &
               (facts(w, e->call.args[0], false) | facts(w, e->call.args[2], wanted));
    }
    if (is_call(e, "_!=_", 2)) {
        const char *kind = w->guards->names->kind;
        bool tests = is_field(w, e->call.args[0], kind) || is_field(w, e->call.args[1], kind);
        return tests && !wanted ? KIND_TESTED : 0;
    }
    return wanted ? facts_of_test(w, e) : 0;
}

/* What holds when `e` comes out as `wanted`. */
static uint64_t facts(struct walk *w, const struct cel_expr *e, bool wanted)
{
    struct str key;
    if (w->steps++ > STEPS_MAX)
        return 0;
    e = meant(w, e);
    switch (e->kind) {
    case CEL_EXPR_LITERAL:
        return e->literal.kind == CEL_KIND_BOOL && e->literal.b != wanted ? EVERYTHING : 0;
    case CEL_EXPR_SELECT:
        return e->select.test && wanted && is_entry(w, e->select.operand, &key)
                       ? bit_of(w->guards, key)
                       : 0;
    case CEL_EXPR_CALL:
        return facts_of_call(w, e, wanted);
    case CEL_EXPR_FOLD: {
        if (!e->fold->is_bind)
            return 0;
        struct binding b = {w->bindings, e->fold->slot, e->fold->init};
        w->bindings = &b; /* cppcheck-suppress autoVariables ; taken back below */
        uint64_t found = facts(w, e->fold->result, wanted);
        w->bindings = b.outer;
        return found;
    }
    case CEL_EXPR_IDENT:
    case CEL_EXPR_LIST:
    case CEL_EXPR_MAP:
        return 0;
    }
    return 0;
}

static void visit(struct walk *w, const struct cel_expr *e, uint64_t held);

static void visit_all(struct walk *w, struct cel_expr *const *items, uint32_t count, uint64_t held)
{
    for (uint32_t i = 0; i < count; i++)
        visit(w, items[i], held);
}

/* Each term of && is evaluated for nothing unless the others are true (of ||: false). */
static void visit_terms(struct walk *w, const struct cel_expr *e, bool wanted, uint64_t held)
{
    uint64_t once = 0;
    uint64_t twice = 0;
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        uint64_t one = facts(w, e->call.args[i], wanted);
        twice |= once & one;
        once |= one;
    }
    for (uint32_t i = 0; i < e->call.arg_count; i++) {
        uint64_t others = twice | (once & ~facts(w, e->call.args[i], wanted));
        visit(w, e->call.args[i], held | others);
    }
}

static void visit_call(struct walk *w, const struct cel_expr *e, uint64_t held)
{
    if (str_eq_c(e->call.name, "_&&_") || str_eq_c(e->call.name, "_||_")) {
        visit_terms(w, e, str_eq_c(e->call.name, "_&&_"), held);
        return;
    }
    if (is_call(e, "_?_:_", 3)) {
        visit(w, e->call.args[0], held);
        visit(w, e->call.args[1], held | facts(w, e->call.args[0], true));
        visit(w, e->call.args[2], held | facts(w, e->call.args[0], false));
        return;
    }
    if (e->call.target != NULL)
        visit(w, e->call.target, held);
    visit_all(w, e->call.args, e->call.arg_count, held);
}

static void visit_fold(struct walk *w, const struct cel_fold *f, uint64_t held)
{
    if (f->is_bind) {
        /* The value is computed when the name is first read: under the guards that stand there. */
        struct binding b = {w->bindings, f->slot, f->init};
        w->bindings = &b; /* cppcheck-suppress autoVariables ; taken back below */
        visit(w, f->result, held);
        w->bindings = b.outer;
        return;
    }
    struct cel_expr *const parts[] = {f->range, f->init, f->condition, f->step, f->result};
    visit_all(w, parts, sizeof parts / sizeof parts[0], held);
}

static void tell(struct walk *w, const struct cel_expr *e, struct cel_access *access, uint64_t held)
{
    uint64_t bit = bit_of(w->guards, access->key);
    if ((held & (bit | KIND_TESTED)) != 0 || (w->told & bit) != 0 || bit == 0)
        return;
    w->told |= bit;
    access->text = (struct str){w->text.ptr + e->start, e->end - e->start};
    if (w->on_access != NULL)
        w->on_access(w->context, access);
}

static void visit(struct walk *w, const struct cel_expr *e, uint64_t held)
{
    struct cel_access access;
    if (w->steps++ > STEPS_MAX)
        return;
    e = meant(w, e);
    if (is_access(w, e, &access))
        tell(w, e, &access, held);
    switch (e->kind) {
    case CEL_EXPR_SELECT:
        visit(w, e->select.operand, held);
        return;
    case CEL_EXPR_CALL:
        visit_call(w, e, held);
        return;
    case CEL_EXPR_LIST:
        visit_all(w, e->list.items, e->list.count, held);
        return;
    case CEL_EXPR_MAP:
        visit_all(w, e->map.items, 2 * e->map.count, held);
        return;
    case CEL_EXPR_FOLD:
        visit_fold(w, e->fold, held);
        return;
    case CEL_EXPR_LITERAL:
    case CEL_EXPR_IDENT:
        return;
    }
}

void cel_guard_find(const struct cel_program *p, struct cel_guards *guards,
        cel_access_fn *on_access, void *context)
{
    struct walk w = {.guards = guards, .text = p->text, .on_access = on_access, .context = context};
    visit(&w, p->root, guards->held);
    guards->held |= facts(&w, p->root, true);
}
