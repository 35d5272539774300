/* cel/regex_dfa.c - a small deterministic automaton for "does some part match".
 *
 * Pure.  Built when the pattern is compiled: runes fall into classes that no instruction tells
 * apart, states are sets of instructions.  Given up past a few dozen states, or when the pattern
 * looks at words or lines: then the Pike machine answers. */
#include "cel/regex-priv.h"

#include <assert.h>
#include <string.h>

enum {
    INST_MAX = 256,
    STATE_MAX = 48,
    CLASS_MAX = 48,
    BOUND_MAX = 512,
    WORDS = INST_MAX / 64,
};

enum { ACCEPT_NOW = 1, ACCEPT_AT_END = 2 };

/* A set of instructions. */
struct set {
    uint64_t bits[WORDS];
};

struct builder {
    struct arena *arena;
    const struct cel_regex *re;
    uint32_t bounds[BOUND_MAX]; /* first runes of the intervals, sorted */
    uint32_t bound_count;
    uint8_t class_of[BOUND_MAX];
    uint32_t representatives[CLASS_MAX];
    uint32_t class_count;
    struct set *states;
    uint32_t state_count;
    uint8_t *next;
    uint8_t *accepts;
};

static bool has(const struct set *s, uint32_t pc)
{
    return (s->bits[pc / 64] >> (pc % 64) & 1) != 0;
}

static void put(struct set *s, uint32_t pc)
{
    s->bits[pc / 64] |= UINT64_C(1) << (pc % 64);
}

/* Adds `pc` and what follows without a rune where `flags` hold. */
static void close_over(const struct builder *b, struct set *s, uint32_t pc, unsigned flags)
{
    uint32_t stack[2 * INST_MAX + 2];
    uint32_t depth = 0;
    stack[depth++] = pc;
    while (depth > 0) {
        pc = stack[--depth];
        if (has(s, pc))
            continue;
        put(s, pc);
        const struct cel_regex_inst *inst = &b->re->insts[pc];
        if (inst->op == OP_SPLIT) {
            stack[depth++] = inst->out2;
            stack[depth++] = inst->out;
        } else if (inst->op == OP_JUMP ||
                   (inst->op == OP_ASSERT && (inst->assertion & flags) != 0)) {
            stack[depth++] = inst->out;
        }
    }
}

/* ---- classes of runes ---- */

static bool add_bound(struct builder *b, uint32_t rune)
{
    uint32_t i = b->bound_count;
    while (i > 0 && b->bounds[i - 1] > rune)
        i--;
    if (i > 0 && b->bounds[i - 1] == rune)
        return true;
    if (b->bound_count == BOUND_MAX)
        return false;
    memmove(b->bounds + i + 1, b->bounds + i, (b->bound_count - i) * sizeof *b->bounds);
    b->bounds[i] = rune;
    b->bound_count++;
    return true;
}

static bool find_bounds(struct builder *b)
{
    if (!add_bound(b, 0) || !add_bound(b, 128))
        return false;
    for (uint32_t i = 0; i < b->re->count; i++) {
        const struct cel_regex_inst *inst = &b->re->insts[i];
        if (inst->op == OP_ASSERT && (inst->assertion & ~(ASSERT_TEXT_START | ASSERT_TEXT_END)))
            return false;
        for (uint32_t r = 0; inst->op == OP_CLASS && r < inst->range_count; r++) {
            if (!add_bound(b, inst->ranges[r].low) || !add_bound(b, inst->ranges[r].high + 1))
                return false;
        }
    }
    return true;
}

/* Intervals that the same instructions accept are one class. */
static bool find_classes(struct builder *b)
{
    struct set *accepting = ARENA_ARRAY(b->arena, struct set, CLASS_MAX);
    for (uint32_t i = 0; i < b->bound_count; i++) {
        struct set accepts = {{0}};
        for (uint32_t pc = 0; pc < b->re->count; pc++) {
            if (b->re->insts[pc].op == OP_CLASS &&
                    cel_regex_inst_accepts(&b->re->insts[pc], b->bounds[i]))
                put(&accepts, pc);
        }
        uint32_t c = 0;
        while (c < b->class_count && memcmp(&accepting[c], &accepts, sizeof accepts) != 0)
            c++;
        if (c == CLASS_MAX)
            return false;
        if (c == b->class_count) {
            accepting[c] = accepts;
            b->representatives[c] = b->bounds[i];
            b->class_count++;
        }
        b->class_of[i] = (uint8_t)c;
    }
    return true;
}

/* ---- states ---- */

/* The number of the state `s`, new or known; false past the limit. */
static bool state_of(struct builder *b, const struct set *s, uint32_t *ret_state)
{
    for (uint32_t i = 0; i < b->state_count; i++) {
        if (memcmp(&b->states[i], s, sizeof *s) == 0) {
            *ret_state = i;
            return true;
        }
    }
    if (b->state_count == STATE_MAX)
        return false;
    *ret_state = b->state_count;
    b->states[b->state_count++] = *s;
    return true;
}

static uint8_t acceptance(const struct builder *b, const struct set *s)
{
    struct set at_end = {{0}};
    uint8_t accepts = 0;
    for (uint32_t pc = 0; pc < b->re->count; pc++) {
        if (!has(s, pc))
            continue;
        if (b->re->insts[pc].op == OP_MATCH)
            accepts |= ACCEPT_NOW;
        close_over(b, &at_end, pc, ASSERT_TEXT_END);
    }
    for (uint32_t pc = 0; pc < b->re->count; pc++) {
        if (has(&at_end, pc) && b->re->insts[pc].op == OP_MATCH)
            accepts |= ACCEPT_AT_END;
    }
    return accepts;
}

/* An empty text is both start and end, which no state after the first can be. */
static uint8_t start_acceptance(const struct builder *b)
{
    struct set both = {{0}};
    uint8_t accepts = acceptance(b, &b->states[0]);
    close_over(b, &both, b->re->start, ASSERT_TEXT_START | ASSERT_TEXT_END);
    for (uint32_t pc = 0; pc < b->re->count; pc++) {
        if (has(&both, pc) && b->re->insts[pc].op == OP_MATCH)
            accepts |= ACCEPT_AT_END;
    }
    return accepts;
}

static bool explore(struct builder *b)
{
    struct set start = {{0}};
    uint32_t state = 0;
    close_over(b, &start, b->re->start, ASSERT_TEXT_START);
    put(&start, b->re->count); /* no instruction: keeps the start apart from all other states */
    (void)state_of(b, &start, &state);
    for (uint32_t i = 0; i < b->state_count; i++) {
        b->accepts[i] = i == 0 ? start_acceptance(b) : acceptance(b, &b->states[i]);
        for (uint32_t c = 0; c < b->class_count; c++) {
            struct set to = {{0}};
            /* A match may begin at every rune. */
            close_over(b, &to, b->re->start, 0);
            for (uint32_t pc = 0; pc < b->re->count; pc++) {
                if (has(&b->states[i], pc) && b->re->insts[pc].op == OP_CLASS &&
                        cel_regex_inst_accepts(&b->re->insts[pc], b->representatives[c]))
                    close_over(b, &to, b->re->insts[pc].out, 0);
            }
            if (!state_of(b, &to, &state))
                return false;
            b->next[i * b->class_count + c] = (uint8_t)state;
        }
    }
    return true;
}

const struct cel_regex_dfa *cel_regex_dfa_build(struct arena *a, const struct cel_regex *re)
{
    if (re->count >= INST_MAX)
        return NULL;
    struct builder *b = ARENA_NEW(a, struct builder);
    b->arena = a;
    b->re = re;
    if (!find_bounds(b) || !find_classes(b))
        return NULL;
    b->states = ARENA_ARRAY(a, struct set, STATE_MAX);
    b->next = ARENA_ARRAY(a, uint8_t, STATE_MAX * (size_t)b->class_count);
    b->accepts = ARENA_ARRAY(a, uint8_t, STATE_MAX);
    if (!explore(b))
        return NULL;
    struct cel_regex_dfa *dfa = ARENA_NEW(a, struct cel_regex_dfa);
    for (uint32_t rune = 0, i = 0; rune < 128; rune++) {
        while (i + 1 < b->bound_count && b->bounds[i + 1] <= rune)
            i++;
        dfa->ascii[rune] = b->class_of[i];
    }
    dfa->starts = b->bounds;
    dfa->classes = b->class_of;
    dfa->interval_count = b->bound_count;
    dfa->class_count = b->class_count;
    dfa->next = b->next;
    dfa->accepts = b->accepts;
    return dfa;
}

static uint32_t class_of(const struct cel_regex_dfa *dfa, uint32_t rune)
{
    uint32_t low = 0;
    uint32_t high = dfa->interval_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (dfa->starts[middle] <= rune) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return dfa->classes[low];
}

bool cel_regex_dfa_match(const struct cel_regex_dfa *dfa, struct str text)
{
    uint32_t state = 0;
    for (size_t at = 0; at < text.len;) {
        if ((dfa->accepts[state] & ACCEPT_NOW) != 0)
            return true;
        size_t length = 1;
        unsigned char c = (unsigned char)text.ptr[at];
        uint32_t class =
                c < 128 ? dfa->ascii[c] : class_of(dfa, cel_rune_decode(text, at, &length));
        state = dfa->next[state * dfa->class_count + class];
        at += length;
    }
    return dfa->accepts[state] != 0;
}
