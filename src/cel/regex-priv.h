/* cel/regex-priv.h - what parser, compiler and matchers of regular expressions share.
 *
 * Pure. */
#ifndef CEL_REGEX_PRIV_H
#define CEL_REGEX_PRIV_H

#include "cel/regex.h"

enum { REGEX_RUNE_MAX = 0x10ffff };

struct cel_rune_range {
    uint32_t low, high;
};

/* ---- Unicode, generated ---- */

/* A category or script. */
struct cel_unicode_table {
    const char *name;
    const struct cel_rune_range *ranges;
    uint32_t count;
};
extern const struct cel_unicode_table cel_unicode_tables[]; /* sorted by name */
extern const uint32_t cel_unicode_table_count;

/* Each rune of the range folds to itself + delta, the next of its orbit; with `alternates` every
 * second one, from the second on, to itself - delta. */
struct cel_unicode_fold {
    uint32_t low, high;
    int32_t delta;
    bool alternates;
};
extern const struct cel_unicode_fold cel_unicode_folds[]; /* sorted, apart */
extern const uint32_t cel_unicode_fold_count;

/* The next rune that is equal but for case; `rune` itself when there is none. */
uint32_t cel_rune_fold(uint32_t rune);

/* ---- tree ---- */

enum cel_regex_kind {
    REGEX_EMPTY,
    REGEX_CLASS, /* one rune of `ranges`; nothing when there are none */
    REGEX_ASSERT,
    REGEX_CONCAT,
    REGEX_ALTERNATE,
    REGEX_REPEAT,
};

enum cel_regex_assert {
    ASSERT_TEXT_START = 1,
    ASSERT_TEXT_END = 2,
    ASSERT_LINE_START = 4,
    ASSERT_LINE_END = 8,
    ASSERT_WORD = 16,
    ASSERT_NO_WORD = 32,
};

struct cel_regex_node {
    enum cel_regex_kind kind;
    uint8_t assertion;            /* ASSERT: enum cel_regex_assert */
    bool lazy;                    /* REPEAT */
    int min, max;                 /* REPEAT; max -1: no end */
    struct cel_regex_node *first; /* CONCAT, ALTERNATE: the parts; REPEAT: what is repeated */
    struct cel_regex_node *next;  /* in its parent's list */
    const struct cel_rune_range *ranges; /* CLASS: sorted, apart */
    uint32_t range_count;
};

int cel_regex_parse(
        struct arena *a, struct str pattern, struct cel_regex_node **ret_node, struct err *reterr);

/* ---- program ---- */

enum cel_regex_op { OP_MATCH, OP_CLASS, OP_SPLIT, OP_JUMP, OP_ASSERT, OP_FAIL };

struct cel_regex_inst {
    uint8_t op;
    uint8_t assertion;
    uint32_t out;  /* next; of SPLIT the preferred one */
    uint32_t out2; /* of SPLIT the other one */
    uint32_t range_count;
    const struct cel_rune_range *ranges;
};

enum { REGEX_INST_MAX = 200000 };

/* A deterministic automaton over classes of runes, for patterns that have a small one: answers
 * whether some part matches. */
struct cel_regex_dfa {
    uint8_t ascii[128];     /* rune -> class */
    const uint32_t *starts; /* first rune of each interval past ASCII, sorted */
    const uint8_t *classes; /* the class of each interval */
    uint32_t interval_count;
    uint32_t class_count;
    const uint8_t *next;    /* state * class_count + class -> state */
    const uint8_t *accepts; /* state -> 1: matched, 2: matches at the end of the text */
};

struct cel_regex {
    const struct cel_regex_inst *insts;
    uint32_t count;
    uint32_t start;
    const struct cel_regex_dfa *dfa; /* NULL: none */
};

/* Builds the automaton; NULL when it would be large or the pattern looks at its surroundings. */
const struct cel_regex_dfa *cel_regex_dfa_build(struct arena *a, const struct cel_regex *re);

bool cel_regex_dfa_match(const struct cel_regex_dfa *dfa, struct str text);

/* The rune at text.ptr[at] and its length; U+FFFD and 1 where the text is not UTF-8. */
uint32_t cel_rune_decode(struct str text, size_t at, size_t *ret_length);

bool cel_regex_inst_accepts(const struct cel_regex_inst *inst, uint32_t rune);

#endif
