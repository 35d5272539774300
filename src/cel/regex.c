/* cel/regex.c - from tree to program, and the matchers that run it.
 *
 * Pure.  A Pike machine: all alternatives advance rune by rune, in order of preference, so time is
 * linear in the text.  Whether a text matches at all is answered by a small automaton where the
 * pattern has one. */
#include "cel/regex-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- compiling ---- */

struct compiler {
    struct arena *arena;
    struct cel_regex_inst *insts;
    uint32_t count, cap;
    bool too_large;
};

static uint32_t emit(struct compiler *c, struct cel_regex_inst inst)
{
    if (c->count == REGEX_INST_MAX) {
        c->too_large = true;
        return 0;
    }
    if (c->count == c->cap) {
        uint32_t cap = c->cap == 0 ? 32 : 2 * c->cap;
        struct cel_regex_inst *grown = ARENA_ARRAY(c->arena, struct cel_regex_inst, cap);
        if (c->count > 0)
            memcpy(grown, c->insts, c->count * sizeof *grown);
        c->insts = grown;
        c->cap = cap;
    }
    c->insts[c->count] = inst;
    return c->count++;
}

static uint32_t split(struct compiler *c, uint32_t preferred, uint32_t other, bool lazy)
{
    return emit(c, (struct cel_regex_inst){.op = OP_SPLIT,
                           .out = lazy ? other : preferred,
                           .out2 = lazy ? preferred : other});
}

static bool can_be_empty(const struct cel_regex_node *n)
{
    switch (n->kind) {
    case REGEX_CLASS:
        return false;
    case REGEX_REPEAT:
        return n->min == 0 || can_be_empty(n->first);
    case REGEX_CONCAT:
        for (const struct cel_regex_node *i = n->first; i != NULL; i = i->next) {
            if (!can_be_empty(i))
                return false;
        }
        return true;
    case REGEX_ALTERNATE:
        for (const struct cel_regex_node *i = n->first; i != NULL; i = i->next) {
            if (can_be_empty(i))
                return true;
        }
        return false;
    case REGEX_EMPTY:
    case REGEX_ASSERT:
        return true;
    }
    return true;
}

static uint32_t compile(struct compiler *c, const struct cel_regex_node *n, uint32_t next);

/* One or more; returns where it begins. */
static uint32_t compile_plus(
        struct compiler *c, const struct cel_regex_node *n, uint32_t next, bool lazy)
{
    uint32_t loop = split(c, 0, next, lazy);
    uint32_t begin = compile(c, n, loop);
    if (c->too_large)
        return 0;
    if (lazy) {
        c->insts[loop].out2 = begin;
    } else {
        c->insts[loop].out = begin;
    }
    return begin;
}

static uint32_t compile_star(
        struct compiler *c, const struct cel_regex_node *n, uint32_t next, bool lazy)
{
    /* What can be empty is (x+)?, which keeps the order of preference. */
    if (can_be_empty(n))
        return split(c, compile_plus(c, n, next, lazy), next, lazy);
    uint32_t loop = split(c, 0, next, lazy);
    uint32_t begin = compile(c, n, loop);
    if (c->too_large)
        return 0;
    if (lazy) {
        c->insts[loop].out2 = begin;
    } else {
        c->insts[loop].out = begin;
    }
    return loop;
}

static uint32_t compile_repeat(struct compiler *c, const struct cel_regex_node *n, uint32_t next)
{
    const struct cel_regex_node *sub = n->first;
    int copies = n->min;
    if (n->max < 0) {
        if (n->min == 0)
            return compile_star(c, sub, next, n->lazy);
        next = compile_plus(c, sub, next, n->lazy);
        copies--;
    } else {
        /* x{2,5} = xx(x(x(x)?)?)? */
        uint32_t end = next;
        for (int i = n->min; i < n->max && !c->too_large; i++)
            next = split(c, compile(c, sub, next), end, n->lazy);
    }
    for (int i = 0; i < copies && !c->too_large; i++)
        next = compile(c, sub, next);
    return next;
}

/* Parts from the last to the first. */
static uint32_t compile_concat(
        struct compiler *c, const struct cel_regex_node *first, uint32_t next)
{
    uint32_t count = 0;
    for (const struct cel_regex_node *n = first; n != NULL; n = n->next)
        count++;
    const struct cel_regex_node **parts =
            ARENA_ARRAY(c->arena, const struct cel_regex_node *, count);
    for (const struct cel_regex_node *n = first; n != NULL; n = n->next)
        *parts++ = n;
    for (uint32_t i = 0; i < count && !c->too_large; i++)
        next = compile(c, *--parts, next);
    return next;
}

/* Splits from the last alternative to the first, so that the first is preferred. */
static uint32_t compile_alternate(
        struct compiler *c, const struct cel_regex_node *first, uint32_t next)
{
    uint32_t count = 0;
    for (const struct cel_regex_node *n = first; n != NULL; n = n->next)
        count++;
    uint32_t *starts = ARENA_ARRAY(c->arena, uint32_t, count);
    uint32_t i = 0;
    for (const struct cel_regex_node *n = first; n != NULL && !c->too_large; n = n->next)
        starts[i++] = compile(c, n, next);
    uint32_t start = starts[count - 1];
    for (i = count - 1; i-- > 0 && !c->too_large;)
        start = split(c, starts[i], start, false);
    return start;
}

/* Emits code for `n` that goes on at `next`; returns where it begins. */
static uint32_t compile(struct compiler *c, const struct cel_regex_node *n, uint32_t next)
{
    if (c->too_large)
        return 0;
    switch (n->kind) {
    case REGEX_EMPTY:
        return next;
    case REGEX_CLASS:
        return emit(c, (struct cel_regex_inst){.op = n->range_count > 0 ? OP_CLASS : OP_FAIL,
                               .out = next,
                               .ranges = n->ranges,
                               .range_count = n->range_count});
    case REGEX_ASSERT:
        return emit(c,
                (struct cel_regex_inst){.op = OP_ASSERT, .assertion = n->assertion, .out = next});
    case REGEX_CONCAT:
        return compile_concat(c, n->first, next);
    case REGEX_ALTERNATE:
        return compile_alternate(c, n->first, next);
    case REGEX_REPEAT:
        return compile_repeat(c, n, next);
    }
    return next;
}

int cel_regex_compile(
        struct arena *a, struct str pattern, const struct cel_regex **ret_regex, struct err *reterr)
{
    struct cel_regex_node *root = NULL;
    int r = cel_regex_parse(a, pattern, &root, reterr);
    if (r < 0)
        return r;
    struct compiler c = {.arena = a};
    uint32_t match = emit(&c, (struct cel_regex_inst){.op = OP_MATCH});
    uint32_t start = compile(&c, root, match);
    if (c.too_large) {
        return err_set(reterr, -E2BIG, "the regular expression needs more than %d instructions",
                REGEX_INST_MAX);
    }
    struct cel_regex *re = ARENA_NEW(a, struct cel_regex);
    re->insts = c.insts;
    re->count = c.count;
    re->start = start;
    re->dfa = cel_regex_dfa_build(a, re);
    *ret_regex = re;
    return 0;
}

uint32_t cel_rune_fold(uint32_t rune)
{
    uint32_t low = 0;
    uint32_t high = cel_unicode_fold_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct cel_unicode_fold *f = &cel_unicode_folds[middle];
        if (rune < f->low) {
            high = middle;
        } else if (rune > f->high) {
            low = middle + 1;
        } else {
            return (uint32_t)((int32_t)rune +
                              (f->alternates && ((rune - f->low) & 1) ? -f->delta : f->delta));
        }
    }
    return rune;
}

/* ---- matching ---- */

uint32_t cel_rune_decode(struct str text, size_t at, size_t *ret_length)
{
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    size_t left = text.len - at;
    *ret_length = 1;
    if (p[0] < 0x80)
        return p[0];
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (length == 0 || length > left || str_utf8_prefix((struct str){(const char *)p, length}) == 0)
        return 0xfffd;
    uint32_t rune = p[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        rune = rune << 6 | (p[i] & 0x3fu);
    *ret_length = length;
    return rune;
}

bool cel_regex_inst_accepts(const struct cel_regex_inst *inst, uint32_t rune)
{
    uint32_t low = 0;
    uint32_t high = inst->range_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (rune > inst->ranges[middle].high) {
            low = middle + 1;
        } else if (rune < inst->ranges[middle].low) {
            high = middle;
        } else {
            return true;
        }
    }
    return false;
}

/* Threads in order of preference: instruction and where its match began. */
struct threads {
    uint32_t *dense;  /* instructions */
    uint32_t *sparse; /* instruction -> place in dense */
    size_t *begins;
    uint32_t count;
};

struct machine {
    const struct cel_regex *re;
    struct str text;
    uint32_t *stack;
    struct threads now, next;
};

static bool word_at(struct str text, size_t at)
{
    if (at >= text.len)
        return false;
    char c = text.ptr[at];
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* Which assertions hold before byte `at`. */
static unsigned holding(struct str text, size_t at)
{
    unsigned flags = 0;
    if (at == 0) {
        flags |= ASSERT_TEXT_START | ASSERT_LINE_START;
    } else if (text.ptr[at - 1] == '\n') {
        flags |= ASSERT_LINE_START;
    }
    if (at == text.len) {
        flags |= ASSERT_TEXT_END | ASSERT_LINE_END;
    } else if (text.ptr[at] == '\n') {
        flags |= ASSERT_LINE_END;
    }
    bool boundary = (at > 0 && word_at(text, at - 1)) != word_at(text, at);
    return flags | (boundary ? ASSERT_WORD : ASSERT_NO_WORD);
}

static bool is_listed(const struct threads *t, uint32_t pc)
{
    uint32_t place = t->sparse[pc];
    return place < t->count && t->dense[place] == pc;
}

/* Adds instruction `pc` and all that it leads to without a rune. */
static void follow(struct machine *m, struct threads *t, uint32_t pc, size_t at, size_t begin)
{
    uint32_t depth = 0;
    unsigned flags = holding(m->text, at);
    m->stack[depth++] = pc;
    while (depth > 0) {
        pc = m->stack[--depth];
        if (is_listed(t, pc))
            continue;
        t->sparse[pc] = t->count;
        t->begins[t->count] = begin;
        t->dense[t->count++] = pc;
        const struct cel_regex_inst *inst = &m->re->insts[pc];
        if (inst->op == OP_SPLIT) {
            m->stack[depth++] = inst->out2;
            m->stack[depth++] = inst->out;
        } else if (inst->op == OP_JUMP ||
                   (inst->op == OP_ASSERT && (inst->assertion & flags) != 0)) {
            m->stack[depth++] = inst->out;
        }
    }
}

static struct threads new_threads(struct arena *a, uint32_t count)
{
    return (struct threads){ARENA_ARRAY(a, uint32_t, count), ARENA_ARRAY(a, uint32_t, count),
            ARENA_ARRAY(a, size_t, count), 0};
}

/* Lets the threads take the rune [at, after); a match ends those that are less preferred. */
static bool step(struct machine *m, uint32_t rune, size_t at, size_t after, size_t *ret_begin)
{
    m->next.count = 0;
    for (uint32_t i = 0; i < m->now.count; i++) {
        const struct cel_regex_inst *inst = &m->re->insts[m->now.dense[i]];
        if (inst->op == OP_MATCH) {
            *ret_begin = m->now.begins[i];
            return true;
        }
        if (inst->op == OP_CLASS && at < m->text.len && cel_regex_inst_accepts(inst, rune))
            follow(m, &m->next, inst->out, after, m->now.begins[i]);
    }
    return false;
}

bool cel_regex_find(const struct cel_regex *re, struct str text, size_t from, struct arena *a,
        size_t *ret_start, size_t *ret_end)
{
    struct machine m = {.re = re, .text = text};
    m.stack = ARENA_ARRAY(a, uint32_t, 2 * (size_t)re->count + 2);
    m.now = new_threads(a, re->count);
    m.next = new_threads(a, re->count);
    bool found = false;
    for (size_t at = from;;) {
        size_t length = 0;
        uint32_t rune = 0;
        if (at < text.len)
            rune = cel_rune_decode(text, at, &length);
        if (!found)
            follow(&m, &m.now, re->start, at, at);
        size_t begin = 0;
        if (step(&m, rune, at, at + length, &begin)) {
            found = true;
            *ret_start = begin;
            *ret_end = at;
        }
        struct threads swap = m.now;
        m.now = m.next;
        m.next = swap;
        if (at >= text.len || (found && m.now.count == 0))
            return found;
        at += length;
    }
}

bool cel_regex_match(const struct cel_regex *re, struct str text, struct arena *a)
{
    size_t start = 0;
    size_t end = 0;
    if (re->dfa != NULL)
        return cel_regex_dfa_match(re->dfa, text);
    return cel_regex_find(re, text, 0, a, &start, &end);
}
