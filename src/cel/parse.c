/* cel/parse.c - source text to tree.
 *
 * Pure.  A recursive descent over the grammar CEL.g4; the counters follow ANTLR's, so that the
 * limit of nesting falls where upstream's does.  && and || keep all their terms in one node. */
#include "cel/ast-priv.h"
#include "cel/lex-priv.h"
#include "cel/number-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum rule { RULE_EXPR, RULE_RELATION, RULE_CALC, RULE_UNARY, RULE_MEMBER, RULE_COUNT };

struct parser {
    struct arena *arena;
    struct str text;
    struct cel_token token; /* the next one */
    uint32_t last_end;      /* where the token before it ended */
    uint32_t depth[RULE_COUNT];
    struct err *err;
};

/* A list that grows in the arena. */
struct items {
    struct cel_expr **ptr;
    bool *optional;
    uint32_t count, cap;
    bool any_optional;
};

static int parse_expr(struct parser *p, struct cel_expr **ret_expr);
static int parse_member(struct parser *p, struct cel_expr **ret_expr);

static int advance(struct parser *p)
{
    p->last_end = p->token.at + (uint32_t)p->token.text.len;
    return cel_lex(p->text, p->last_end, &p->token, p->err);
}

static int unexpected(struct parser *p, const char *wanted)
{
    if (p->token.kind == CEL_TOKEN_END) {
        return err_set_at(p->err, -EINVAL, p->token.at,
                "Syntax error: mismatched input '<EOF>' expecting %s", wanted);
    }
    return err_set_at(p->err, -EINVAL, p->token.at,
            "Syntax error: mismatched input '%.*s' expecting %s", STR_ARG_SHORT(p->token.text),
            wanted);
}

static int expect(struct parser *p, int kind, const char *wanted)
{
    return p->token.kind == kind ? advance(p) : unexpected(p, wanted);
}

static int enter(struct parser *p, enum rule rule)
{
    if (++p->depth[rule] > CEL_DEPTH_MAX) {
        return err_set_at(p->err, -E2BIG, p->token.at, "expression recursion limit exceeded: %d",
                CEL_DEPTH_MAX);
    }
    return 0;
}

static void add_item(struct parser *p, struct items *list, struct cel_expr *e, bool optional)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap == 0 ? 4 : 2 * list->cap;
        struct cel_expr **grown = ARENA_ARRAY(p->arena, struct cel_expr *, cap);
        bool *flags = ARENA_ARRAY(p->arena, bool, cap);
        if (list->count > 0) {
            memcpy(grown, list->ptr, list->count * sizeof(struct cel_expr *));
            memcpy(flags, list->optional, list->count);
        }
        list->ptr = grown;
        list->optional = flags;
        list->cap = cap;
    }
    list->optional[list->count] = optional;
    list->ptr[list->count++] = e;
    list->any_optional = list->any_optional || optional;
}

struct cel_expr *cel_expr_new(struct arena *a, enum cel_expr_kind kind, uint32_t at)
{
    struct cel_expr *e = ARENA_NEW(a, struct cel_expr);
    e->kind = kind;
    e->at = e->start = e->end = at;
    return e;
}

struct cel_expr *cel_expr_literal(struct arena *a, struct cel_value value, uint32_t at)
{
    struct cel_expr *e = cel_expr_new(a, CEL_EXPR_LITERAL, at);
    e->literal = value;
    return e;
}

struct cel_expr *cel_expr_ident(struct arena *a, struct str name, uint32_t at)
{
    struct cel_expr *e = cel_expr_new(a, CEL_EXPR_IDENT, at);
    e->ident.name = name;
    return e;
}

struct cel_expr *cel_expr_call(struct arena *a, const char *name, uint32_t at, uint32_t arg_count,
        struct cel_expr *const *args)
{
    struct cel_expr *e = cel_expr_new(a, CEL_EXPR_CALL, at);
    e->call.name = str_from(name);
    e->call.args = ARENA_ARRAY(a, struct cel_expr *, arg_count);
    memcpy(e->call.args, args, arg_count * sizeof(struct cel_expr *));
    e->call.arg_count = arg_count;
    return e;
}

static struct cel_expr *spanned(struct cel_expr *e, uint32_t start, uint32_t end)
{
    e->start = start;
    e->end = end;
    return e;
}

/* A call that may be a macro. */
static int finish_call(struct parser *p, struct cel_expr *call, struct cel_expr **ret_expr)
{
    struct cel_expr *expanded = NULL;
    int r = cel_macro_expand(p->arena, call, &expanded, p->err);
    if (r < 0)
        return r;
    *ret_expr = r > 0 ? spanned(expanded, call->start, call->end) : call;
    return 0;
}

static int binary(struct parser *p, const char *name, uint32_t at, struct cel_expr **left,
        struct cel_expr *right)
{
    assert(*left != NULL && right != NULL);
    struct cel_expr *args[2] = {*left, right};
    struct cel_expr *e = cel_expr_call(p->arena, name, at, 2, args);
    *left = spanned(e, args[0]->start, p->last_end);
    return 0;
}

static int parse_number(struct parser *p, bool negative, struct cel_expr **ret_expr)
{
    struct cel_token t = p->token;
    struct cel_value v = {0};
    bool ok = false;
    struct str digits = t.text;
    if (t.kind == CEL_TOKEN_UINT)
        digits.len--;
    bool hex = digits.len > 2 && digits.ptr[0] == '0' && digits.ptr[1] == 'x';
    if (hex)
        digits = (struct str){digits.ptr + 2, digits.len - 2};
    if (t.kind == CEL_TOKEN_DOUBLE) {
        v.kind = CEL_KIND_DOUBLE;
        ok = decimal_to_double(digits, &v.d);
        if (negative)
            v.d = -v.d;
    } else if (t.kind == CEL_TOKEN_UINT) {
        v.kind = CEL_KIND_UINT;
        ok = cel_number_to_u64(digits, hex ? 16 : 10, &v.u);
    } else {
        uint64_t magnitude = 0;
        v.kind = CEL_KIND_INT;
        ok = cel_number_to_u64(digits, hex ? 16 : 10, &magnitude) &&
             magnitude <= (uint64_t)INT64_MAX + negative;
        v.i = (int64_t)(negative ? -magnitude : magnitude);
    }
    if (!ok) {
        return err_set_at(p->err, -EINVAL, t.at, "invalid %s literal",
                v.kind == CEL_KIND_DOUBLE ? "double"
                : v.kind == CEL_KIND_UINT ? "uint"
                                          : "int");
    }
    *ret_expr = cel_expr_literal(p->arena, v, t.at);
    return advance(p);
}

static int parse_literal(struct parser *p, struct cel_expr **ret_expr)
{
    struct cel_value v = {0};
    uint32_t at = p->token.at;
    switch (p->token.kind) {
    case CEL_TOKEN_INT:
    case CEL_TOKEN_UINT:
    case CEL_TOKEN_DOUBLE:
        return parse_number(p, false, ret_expr);
    case CEL_TOKEN_TRUE:
    case CEL_TOKEN_FALSE:
        v = cel_bool(p->token.kind == CEL_TOKEN_TRUE);
        break;
    case CEL_TOKEN_NULL:
        v.kind = CEL_KIND_NULL;
        break;
    case CEL_TOKEN_STRING:
    case CEL_TOKEN_BYTES: {
        struct str s = {0};
        int r = cel_unquote(p->arena, &p->token, &s, p->err);
        if (r < 0)
            return r;
        v = cel_string(s);
        if (p->token.kind == CEL_TOKEN_BYTES)
            v.kind = CEL_KIND_BYTES;
        break;
    }
    default:
        return unexpected(p, "an expression");
    }
    *ret_expr = cel_expr_literal(p->arena, v, at);
    return advance(p);
}

/* Expressions up to `close`, each with an optional '?' when `optional` may stand.  `trailing`: a
 * comma may stand before `close`. */
static int parse_items(
        struct parser *p, struct items *list, int close, bool optional, bool trailing)
{
    int r = 0;
    while (p->token.kind != close) {
        bool marked = false;
        if (list->count > 0) {
            if ((r = expect(p, ',', "',' or the end of the list")) < 0)
                return r;
            if (trailing && p->token.kind == close)
                break;
        } else if (trailing && p->token.kind == ',') {
            if ((r = advance(p)) < 0)
                return r;
            break;
        }
        if (optional && p->token.kind == '?') {
            marked = true;
            if ((r = advance(p)) < 0)
                return r;
        }
        struct cel_expr *e = NULL;
        if ((r = parse_expr(p, &e)) < 0)
            return r;
        add_item(p, list, e, marked);
    }
    return expect(p, close, close == ')' ? "')'" : close == ']' ? "']'" : "'}'");
}

static int parse_list(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t at = p->token.at;
    struct items items = {0};
    int r = advance(p);
    if (r < 0 || (r = parse_items(p, &items, ']', true, true)) < 0)
        return r;
    struct cel_expr *e = cel_expr_new(p->arena, CEL_EXPR_LIST, at);
    e->list.items = items.ptr;
    e->list.count = items.count;
    e->list.optional = items.any_optional ? items.optional : NULL;
    *ret_expr = e;
    return 0;
}

static int parse_map_entry(struct parser *p, struct items *keys, struct items *values)
{
    int r = 0;
    bool marked = p->token.kind == '?';
    struct cel_expr *e = NULL;
    if (marked && (r = advance(p)) < 0)
        return r;
    if ((r = parse_expr(p, &e)) < 0)
        return r;
    add_item(p, keys, e, marked);
    if ((r = expect(p, ':', "':'")) < 0 || (r = parse_expr(p, &e)) < 0)
        return r;
    add_item(p, values, e, false);
    return 0;
}

static int parse_map(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t at = p->token.at;
    struct items keys = {0};
    struct items values = {0};
    int r = advance(p);
    if (r < 0)
        return r;
    while (p->token.kind != '}') {
        if (keys.count > 0 || p->token.kind == ',') {
            bool first = keys.count == 0;
            if ((r = expect(p, ',', "',' or '}'")) < 0)
                return r;
            if (first || p->token.kind == '}')
                break;
        }
        if ((r = parse_map_entry(p, &keys, &values)) < 0)
            return r;
    }
    if ((r = expect(p, '}', "'}'")) < 0)
        return r;
    struct cel_expr *e = cel_expr_new(p->arena, CEL_EXPR_MAP, at);
    e->map.count = keys.count;
    e->map.optional = keys.any_optional ? keys.optional : NULL;
    e->map.items = ARENA_ARRAY(p->arena, struct cel_expr *, 2 * (size_t)keys.count);
    for (uint32_t i = 0; i < keys.count; i++) {
        e->map.items[2 * i] = keys.ptr[i];
        e->map.items[2 * i + 1] = values.ptr[i];
    }
    *ret_expr = e;
    return 0;
}

static bool is_reserved(struct str name)
{
    static const char *const words[] = {"as", "break", "const", "continue", "else", "for",
            "function", "if", "import", "let", "loop", "package", "namespace", "return", "var",
            "void", "while"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq_c(name, words[i]))
            return true;
    }
    return false;
}

/* Whether "IDENT (. IDENT)* {" stands here: a message literal. */
static bool is_message(const struct parser *p)
{
    struct cel_token t = p->token;
    struct err ignored = {0};
    while (t.kind == CEL_TOKEN_IDENT) {
        if (cel_lex(p->text, t.at + (uint32_t)t.text.len, &t, &ignored) < 0)
            return false;
        if (t.kind == '{')
            return true;
        if (t.kind != '.' || cel_lex(p->text, t.at + 1, &t, &ignored) < 0)
            return false;
    }
    return false;
}

/* Messages are protocol buffers: of the environment's types none can be built, the well-known ones
 * are left out. */
static int refuse_message(struct parser *p)
{
    struct cel_token t = p->token;
    if (str_starts(t.text, STR_LIT("google"))) {
        return err_set_at(
                p->err, -ENOTSUP, t.at, "message literals of google.protobuf are not supported");
    }
    return err_set_at(p->err, -EINVAL, t.at, "undeclared reference to '%.*s' (in container '')",
            STR_ARG_SHORT(t.text));
}

static int parse_ident(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t start = p->token.at;
    int r = 0;
    bool dot = p->token.kind == '.';
    if (dot && (r = advance(p)) < 0)
        return r;
    struct cel_token t = p->token;
    if (t.kind != CEL_TOKEN_IDENT)
        return unexpected(p, "IDENTIFIER");
    if (is_message(p))
        return refuse_message(p);
    if (is_reserved(t.text)) {
        return err_set_at(
                p->err, -EINVAL, t.at, "reserved identifier: %.*s", STR_ARG_SHORT(t.text));
    }
    struct str name = t.text;
    if (dot) /* keep the dot: it means the outermost scope */
        name = str_from(arena_printf(p->arena, ".%.*s", STR_ARG(t.text)));
    if ((r = advance(p)) < 0)
        return r;
    if (p->token.kind != '(') {
        *ret_expr = cel_expr_ident(p->arena, name, start);
        return 0;
    }
    struct cel_expr *call = cel_expr_new(p->arena, CEL_EXPR_CALL, p->token.at);
    struct items args = {0};
    if ((r = advance(p)) < 0 || (r = parse_items(p, &args, ')', false, false)) < 0)
        return r;
    call->call.name = name;
    call->call.args = args.ptr;
    call->call.arg_count = args.count;
    return finish_call(p, spanned(call, start, p->last_end), ret_expr);
}

static int parse_primary(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t start = p->token.at;
    int r = 0;
    switch (p->token.kind) {
    case '(':
        if ((r = advance(p)) < 0 || (r = parse_expr(p, ret_expr)) < 0)
            return r;
        return expect(p, ')', "')'");
    case '[':
        r = parse_list(p, ret_expr);
        break;
    case '{':
        r = parse_map(p, ret_expr);
        break;
    case '.':
    case CEL_TOKEN_IDENT:
        r = parse_ident(p, ret_expr);
        break;
    case '-':
        if ((r = advance(p)) < 0)
            return r;
        if (p->token.kind != CEL_TOKEN_INT && p->token.kind != CEL_TOKEN_DOUBLE)
            return unexpected(p, "a number");
        r = parse_number(p, true, ret_expr);
        break;
    default:
        r = parse_literal(p, ret_expr);
        break;
    }
    if (r < 0)
        return r;
    assert(*ret_expr != NULL);
    if ((*ret_expr)->kind != CEL_EXPR_FOLD)
        (void)spanned(*ret_expr, start, p->last_end);
    return r;
}

static int parse_select(struct parser *p, struct cel_expr **target)
{
    uint32_t at = p->token.at;
    int r = advance(p);
    bool optional = r == 0 && p->token.kind == '?';
    assert(*target != NULL);
    if (r < 0 || (optional && (r = advance(p)) < 0))
        return r;
    struct cel_token name = p->token;
    bool escaped = name.kind == CEL_TOKEN_ESCAPED;
    if (escaped) {
        name.text = (struct str){name.text.ptr + 1, name.text.len - 2};
    } else if (name.kind != CEL_TOKEN_IDENT) {
        return unexpected(p, "IDENTIFIER");
    }
    if ((r = advance(p)) < 0)
        return r;
    if (p->token.kind == '(' && !optional && !escaped) {
        struct cel_expr *call = cel_expr_new(p->arena, CEL_EXPR_CALL, p->token.at);
        struct items args = {0};
        if ((r = advance(p)) < 0 || (r = parse_items(p, &args, ')', false, false)) < 0)
            return r;
        call->call.name = name.text;
        call->call.target = *target;
        call->call.args = args.ptr;
        call->call.arg_count = args.count;
        return finish_call(p, spanned(call, (*target)->start, p->last_end), target);
    }
    if (optional) {
        struct cel_expr *field = cel_expr_literal(p->arena, cel_string(name.text), name.at);
        return binary(p, "_?._", at, target, field);
    }
    struct cel_expr *e = cel_expr_new(p->arena, CEL_EXPR_SELECT, at);
    e->select.operand = *target;
    e->select.field = name.text;
    *target = spanned(e, e->select.operand->start, p->last_end);
    return 0;
}

static int parse_index(struct parser *p, struct cel_expr **target)
{
    uint32_t at = p->token.at;
    int r = advance(p);
    bool optional = r == 0 && p->token.kind == '?';
    if (r < 0 || (optional && (r = advance(p)) < 0))
        return r;
    struct cel_expr *index = NULL;
    if ((r = parse_expr(p, &index)) < 0 || (r = expect(p, ']', "']'")) < 0)
        return r;
    return binary(p, optional ? "_[?_]" : "_[_]", at, target, index);
}

static int parse_member(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t depth = p->depth[RULE_MEMBER];
    int r = enter(p, RULE_MEMBER);
    if (r < 0 || (r = parse_primary(p, ret_expr)) < 0)
        return r;
    while (p->token.kind == '.' || p->token.kind == '[') {
        if ((r = enter(p, RULE_MEMBER)) < 0)
            return r;
        r = p->token.kind == '.' ? parse_select(p, ret_expr) : parse_index(p, ret_expr);
        if (r < 0)
            return r;
    }
    p->depth[RULE_MEMBER] = depth;
    return 0;
}

static int parse_unary(struct parser *p, struct cel_expr **ret_expr)
{
    struct cel_token first = p->token;
    if (first.kind != '!' && first.kind != '-')
        return parse_member(p, ret_expr);
    uint32_t count = 0;
    int r = 0;
    if (first.kind == '-') { /* "-1" is a literal, "--1" is not */
        struct cel_token next;
        if ((r = cel_lex(p->text, first.at + 1, &next, p->err)) < 0)
            return r;
        if (next.kind == CEL_TOKEN_INT || next.kind == CEL_TOKEN_DOUBLE)
            return parse_member(p, ret_expr);
    }
    for (; p->token.kind == first.kind; count++) {
        if ((r = advance(p)) < 0)
            return r;
    }
    if ((r = parse_member(p, ret_expr)) < 0)
        return r;
    if (count % 2 == 1) {
        struct cel_expr *e =
                cel_expr_call(p->arena, first.kind == '!' ? "!_" : "-_", first.at, 1, ret_expr);
        *ret_expr = spanned(e, first.at, p->last_end);
    }
    return 0;
}

static const char *calc_operator(int kind, bool product)
{
    switch (kind) {
    case '*':
        return product ? "_*_" : NULL;
    case '/':
        return product ? "_/_" : NULL;
    case '%':
        return product ? "_%_" : NULL;
    case '+':
        return product ? NULL : "_+_";
    case '-':
        return product ? NULL : "_-_";
    default:
        return NULL;
    }
}

/* Sums of products; both levels are the rule "calc". */
static int parse_calc(struct parser *p, bool product, struct cel_expr **ret_expr)
{
    uint32_t depth = p->depth[RULE_CALC];
    int r = 0;
    if (!product && (r = enter(p, RULE_CALC)) < 0)
        return r;
    r = product ? parse_unary(p, ret_expr) : parse_calc(p, true, ret_expr);
    const char *name;
    while (r == 0 && (name = calc_operator(p->token.kind, product)) != NULL) {
        uint32_t at = p->token.at;
        struct cel_expr *right = NULL;
        if ((r = enter(p, RULE_CALC)) < 0 || (r = advance(p)) < 0)
            return r;
        r = product ? parse_unary(p, &right) : parse_calc(p, true, &right);
        if (r == 0)
            r = binary(p, name, at, ret_expr, right);
    }
    p->depth[RULE_CALC] = depth;
    return r;
}

static const char *relation_operator(int kind)
{
    switch (kind) {
    case '<':
        return "_<_";
    case '>':
        return "_>_";
    case CEL_TOKEN_LE:
        return "_<=_";
    case CEL_TOKEN_GE:
        return "_>=_";
    case CEL_TOKEN_EQ:
        return "_==_";
    case CEL_TOKEN_NE:
        return "_!=_";
    case CEL_TOKEN_IN:
        return "@in";
    default:
        return NULL;
    }
}

static int parse_relation(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t depth = p->depth[RULE_RELATION];
    int r = enter(p, RULE_RELATION);
    if (r < 0 || (r = parse_calc(p, false, ret_expr)) < 0)
        return r;
    const char *name;
    while ((name = relation_operator(p->token.kind)) != NULL) {
        uint32_t at = p->token.at;
        struct cel_expr *right = NULL;
        if ((r = enter(p, RULE_RELATION)) < 0 || (r = advance(p)) < 0 ||
                (r = parse_calc(p, false, &right)) < 0 ||
                (r = binary(p, name, at, ret_expr, right)) < 0)
            return r;
    }
    p->depth[RULE_RELATION] = depth;
    return 0;
}

/* Terms between && (or ||, whose terms are chains of &&). */
static int parse_logic(struct parser *p, int token, struct cel_expr **ret_expr)
{
    struct items terms = {0};
    uint32_t start = p->token.at;
    uint32_t at = 0;
    for (;;) {
        struct cel_expr *e = NULL;
        int r = token == CEL_TOKEN_OR ? parse_logic(p, CEL_TOKEN_AND, &e) : parse_relation(p, &e);
        if (r < 0)
            return r;
        add_item(p, &terms, e, false);
        if (p->token.kind != token)
            break;
        at = at == 0 ? p->token.at : at;
        if ((r = advance(p)) < 0)
            return r;
    }
    *ret_expr = terms.ptr[0];
    if (terms.count > 1) {
        struct cel_expr *e = cel_expr_call(
                p->arena, token == CEL_TOKEN_OR ? "_||_" : "_&&_", at, terms.count, terms.ptr);
        *ret_expr = spanned(e, start, p->last_end);
    }
    return 0;
}

static int parse_expr(struct parser *p, struct cel_expr **ret_expr)
{
    uint32_t depth = p->depth[RULE_EXPR];
    uint32_t start = p->token.at;
    int r = enter(p, RULE_EXPR);
    if (r < 0 || (r = parse_logic(p, CEL_TOKEN_OR, ret_expr)) < 0)
        return r;
    if (p->token.kind == '?') {
        uint32_t at = p->token.at;
        struct cel_expr *args[3] = {*ret_expr, NULL, NULL};
        if ((r = advance(p)) < 0 || (r = parse_logic(p, CEL_TOKEN_OR, &args[1])) < 0 ||
                (r = expect(p, ':', "':'")) < 0 || (r = parse_expr(p, &args[2])) < 0)
            return r;
        struct cel_expr *e = cel_expr_call(p->arena, "_?_:_", at, 3, args);
        *ret_expr = spanned(e, start, p->last_end);
    }
    p->depth[RULE_EXPR] = depth;
    return 0;
}

static uint32_t code_points(struct str s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}

int cel_parse(struct arena *a, struct str text, struct cel_expr **ret_expr, struct err *reterr)
{
    size_t good = str_utf8_prefix(text);
    if (good < text.len)
        return err_set_at(reterr, -EINVAL, (uint32_t)good, "the expression is not UTF-8");
    if (code_points(text) > CEL_CODE_POINTS_MAX) {
        return err_set(reterr, -E2BIG,
                "expression code point size exceeds limit: size: %u, limit %d", code_points(text),
                CEL_CODE_POINTS_MAX);
    }
    struct parser p = {.arena = a, .text = text, .err = reterr};
    int r = cel_lex(text, 0, &p.token, reterr);
    if (r < 0 || (r = parse_expr(&p, ret_expr)) < 0)
        return r;
    return p.token.kind == CEL_TOKEN_END ? 0 : unexpected(&p, "<EOF>");
}
