/* cel/regex_parse.c - Go's regular expressions (syntax.Perl) to a tree.
 *
 * Pure.  What regexp/syntax refuses is refused here; groups only group. */
#include "cel/regex-priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000, REPEAT_MAX = 1000 };

enum { FLAG_FOLD = 1, FLAG_MULTI = 2, FLAG_DOT_NL = 4, FLAG_LAZY = 8 };

struct parser {
    struct arena *arena;
    struct str text;
    size_t at;
    unsigned flags;
    unsigned depth;
    struct err *err;
};

/* A class being collected. */
struct class
{
    struct cel_rune_range *ranges;
    uint32_t count, cap;
};

static int parse_alternate(struct parser *p, struct cel_regex_node **ret_node);

static int refuse(struct parser *p, size_t from, const char *what)
{
    struct str part = {p->text.ptr + from, p->at > from ? p->at - from : p->text.len - from};
    return err_set_at(p->err, -EINVAL, (uint32_t)from, "error parsing regexp: %s: `%.*s`", what,
            STR_ARG_SHORT(part));
}

static bool at_end(const struct parser *p)
{
    return p->at >= p->text.len;
}

static char peek(const struct parser *p)
{
    return at_end(p) ? '\0' : p->text.ptr[p->at];
}

static bool looking_at(const struct parser *p, const char *word)
{
    size_t len = strlen(word);
    return p->text.len - p->at >= len && memcmp(p->text.ptr + p->at, word, len) == 0;
}

static uint32_t next_rune(struct parser *p)
{
    size_t length = 0;
    uint32_t rune = cel_rune_decode(p->text, p->at, &length);
    p->at += length;
    return rune;
}

static struct cel_regex_node *new_node(struct parser *p, enum cel_regex_kind kind)
{
    struct cel_regex_node *n = ARENA_NEW(p->arena, struct cel_regex_node);
    n->kind = kind;
    return n;
}

/* ---- classes ---- */

static void add_range(struct parser *p, struct class *c, uint32_t low, uint32_t high)
{
    if (low > high)
        return;
    if (c->count == c->cap) {
        uint32_t cap = c->cap == 0 ? 4 : 2 * c->cap;
        struct cel_rune_range *grown = ARENA_ARRAY(p->arena, struct cel_rune_range, cap);
        if (c->count > 0)
            memcpy(grown, c->ranges, c->count * sizeof *grown);
        c->ranges = grown;
        c->cap = cap;
    }
    c->ranges[c->count++] = (struct cel_rune_range){low, high};
}

/* Adds what equals a rune of the range but for case. */
static void add_folds(struct parser *p, struct class *c, uint32_t low, uint32_t high)
{
    for (uint32_t i = 0; i < cel_unicode_fold_count; i++) {
        const struct cel_unicode_fold *f = &cel_unicode_folds[i];
        uint32_t first = low > f->low ? low : f->low;
        uint32_t last = high < f->high ? high : f->high;
        for (uint32_t r = first; r <= last; r++) {
            for (uint32_t other = cel_rune_fold(r); other != r; other = cel_rune_fold(other))
                add_range(p, c, other, other);
        }
    }
}

static void add_folded(struct parser *p, struct class *c, uint32_t low, uint32_t high)
{
    add_range(p, c, low, high);
    if ((p->flags & FLAG_FOLD) == 0 || low > high)
        return;
    if (high < 128 && low == high) { /* the usual case, without the table */
        for (uint32_t r = cel_rune_fold(low); r != low; r = cel_rune_fold(r))
            add_range(p, c, r, r);
        return;
    }
    add_folds(p, c, low, high);
}

static int by_low(const void *a, const void *b)
{
    const struct cel_rune_range *x = a;
    const struct cel_rune_range *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* Sorts and joins what touches. */
static void clean(struct class *c)
{
    uint32_t kept = 0;
    if (c->count > 1)
        qsort(c->ranges, c->count, sizeof *c->ranges, by_low);
    for (uint32_t i = 0; i < c->count; i++) {
        struct cel_rune_range r = c->ranges[i];
        if (kept > 0 && r.low <= c->ranges[kept - 1].high + 1) {
            if (r.high > c->ranges[kept - 1].high)
                c->ranges[kept - 1].high = r.high;
        } else {
            c->ranges[kept++] = r;
        }
    }
    c->count = kept;
}

static void add_negated(struct parser *p, struct class *c, struct class *negated)
{
    uint32_t low = 0;
    clean(negated);
    for (uint32_t i = 0; i < negated->count; i++) {
        if (negated->ranges[i].low > low)
            add_range(p, c, low, negated->ranges[i].low - 1);
        low = negated->ranges[i].high + 1;
    }
    add_range(p, c, low, REGEX_RUNE_MAX);
}

static struct cel_regex_node *class_node(struct parser *p, struct class *c)
{
    struct cel_regex_node *n = new_node(p, REGEX_CLASS);
    clean(c);
    n->ranges = c->ranges;
    n->range_count = c->count;
    return n;
}

static struct cel_regex_node *literal(struct parser *p, uint32_t rune)
{
    struct class c = {0};
    add_folded(p, &c, rune, rune);
    return class_node(p, &c);
}

struct named_class {
    const char *name;
    struct cel_rune_range ranges[4];
    uint32_t count;
};

static void add_named(
        struct parser *p, struct class *c, const struct named_class *named, bool negate)
{
    struct class part = {0};
    for (uint32_t i = 0; i < named->count; i++)
        add_folded(p, &part, named->ranges[i].low, named->ranges[i].high);
    if (negate) {
        add_negated(p, c, &part);
    } else {
        for (uint32_t i = 0; i < part.count; i++)
            add_range(p, c, part.ranges[i].low, part.ranges[i].high);
    }
}

/* \d \s \w and their negations, at the backslash; false when it is none. */
static bool perl_class(struct parser *p, struct class *c)
{
    static const struct named_class classes[] = {
            {"d", {{'0', '9'}}, 1},
            {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3},
            {"w", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
    };
    if (p->text.len - p->at < 2)
        return false;
    char name = p->text.ptr[p->at + 1];
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if ((name | 0x20) != classes[i].name[0] || name == (classes[i].name[0] & ~0x60))
            continue;
        p->at += 2;
        add_named(p, c, &classes[i], (name & 0x20) == 0);
        return true;
    }
    return false;
}

/* [:alpha:] inside a class: 1, 0 when it is none, or an error. */
static int posix_class(struct parser *p, struct class *c)
{
    static const struct named_class classes[] = {
            {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
            {"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
            {"ascii", {{0, 0x7f}}, 1},
            {"blank", {{'\t', '\t'}, {' ', ' '}}, 2},
            {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}, 2},
            {"digit", {{'0', '9'}}, 1},
            {"graph", {{'!', '~'}}, 1},
            {"lower", {{'a', 'z'}}, 1},
            {"print", {{' ', '~'}}, 1},
            {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}, 4},
            {"space", {{'\t', '\r'}, {' ', ' '}}, 2},
            {"upper", {{'A', 'Z'}}, 1},
            {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
            {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
    };
    size_t start = p->at;
    size_t end = start + 2;
    while (end + 1 < p->text.len && !(p->text.ptr[end] == ':' && p->text.ptr[end + 1] == ']'))
        end++;
    if (end + 1 >= p->text.len)
        return 0;
    bool negate = p->text.ptr[start + 2] == '^';
    struct str name = {p->text.ptr + start + 2 + negate, end - start - 2 - negate};
    p->at = end + 2;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (str_eq_c(name, classes[i].name)) {
            add_named(p, c, &classes[i], negate);
            return 1;
        }
    }
    return refuse(p, start, "invalid character class range");
}

static const struct cel_unicode_table *find_table(struct str name)
{
    uint32_t low = 0;
    uint32_t high = cel_unicode_table_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = str_cmp(str_from(cel_unicode_tables[middle].name), name);
        if (order == 0)
            return &cel_unicode_tables[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* \pN, \p{Greek}, \P, \p{^..}: 1, 0 when it is none, or an error. */
static int unicode_class(struct parser *p, struct class *c)
{
    size_t start = p->at;
    if (p->text.len - p->at < 2 || (p->text.ptr[p->at + 1] | 0x20) != 'p')
        return 0;
    bool negate = p->text.ptr[p->at + 1] == 'P';
    p->at += 2;
    struct str name = {p->text.ptr + p->at, 0};
    if (at_end(p))
        return refuse(p, start, "invalid character class range");
    if (peek(p) == '{') {
        const char *end = memchr(name.ptr, '}', p->text.len - p->at);
        if (end == NULL)
            return refuse(p, start, "invalid character class range");
        name = (struct str){name.ptr + 1, (size_t)(end - name.ptr) - 1};
        p->at += name.len + 2;
    } else {
        (void)next_rune(p);
        name.len = (size_t)(p->text.ptr + p->at - name.ptr);
    }
    if (name.len > 0 && name.ptr[0] == '^') {
        negate = !negate;
        name = (struct str){name.ptr + 1, name.len - 1};
    }
    struct class part = {0};
    if (str_eq_c(name, "Any")) {
        add_range(p, &part, 0, REGEX_RUNE_MAX);
    } else {
        const struct cel_unicode_table *t = find_table(name);
        if (t == NULL)
            return refuse(p, start, "invalid character class range");
        for (uint32_t i = 0; i < t->count; i++)
            add_folded(p, &part, t->ranges[i].low, t->ranges[i].high);
    }
    if (negate) {
        add_negated(p, c, &part);
    } else {
        for (uint32_t i = 0; i < part.count; i++)
            add_range(p, c, part.ranges[i].low, part.ranges[i].high);
    }
    return 1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* \x7F or \x{10FFFF}, after the x. */
static bool hex_escape(struct parser *p, uint32_t *ret_rune)
{
    uint32_t value = 0;
    if (peek(p) == '{') {
        size_t digits = 0;
        for (p->at++; !at_end(p) && peek(p) != '}'; p->at++, digits++) {
            int digit = hex_value(peek(p));
            if (digit < 0)
                return false;
            value = value * 16 + (uint32_t)digit;
            if (value > REGEX_RUNE_MAX)
                return false;
        }
        if (at_end(p) || digits == 0)
            return false;
        p->at++;
    } else {
        for (int i = 0; i < 2; i++, p->at++) {
            if (at_end(p) || hex_value(peek(p)) < 0)
                return false;
            value = value * 16 + (uint32_t)hex_value(peek(p));
        }
    }
    *ret_rune = value;
    return true;
}

/* One escaped character, at the backslash. */
static int escape(struct parser *p, uint32_t *ret_rune)
{
    static const char letters[] = "afnrtv";
    static const char meaning[] = "\a\f\n\r\t\v";
    size_t start = p->at++;
    if (at_end(p))
        return refuse(p, start, "trailing backslash at end of expression");
    uint32_t c = next_rune(p);
    const char *found = c > 0 && c < 128 ? strchr(letters, (int)c) : NULL;
    bool octal = c == '0' || (c >= '1' && c <= '7' && peek(p) >= '0' && peek(p) <= '7');
    if (found != NULL) {
        *ret_rune = (uint32_t)meaning[found - letters];
    } else if (octal) {
        c -= '0';
        for (int i = 0; i < 2 && peek(p) >= '0' && peek(p) <= '7'; i++, p->at++)
            c = c * 8 + (uint32_t)(peek(p) - '0');
        *ret_rune = c;
    } else if (c == 'x') {
        if (!hex_escape(p, ret_rune)) {
            return refuse(p, start, "invalid escape sequence");
        }
    } else if (c < 128 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9')) {
        *ret_rune = c;
    } else {
        return refuse(p, start, "invalid escape sequence");
    }
    return 0;
}

static int class_rune(struct parser *p, size_t start, uint32_t *ret_rune)
{
    if (at_end(p))
        return refuse(p, start, "missing closing ]");
    if (peek(p) == '\\')
        return escape(p, ret_rune);
    *ret_rune = next_rune(p);
    return 0;
}

/* One item of a class: a named class, or a rune or a range of runes. */
static int class_item(struct parser *p, size_t start, struct class *c)
{
    int r = 0;
    if (looking_at(p, "[:") && (r = posix_class(p, c)) != 0)
        return r;
    if (peek(p) == '\\' && ((r = unicode_class(p, c)) != 0 || perl_class(p, c)))
        return r;
    size_t from = p->at;
    uint32_t low = 0;
    if ((r = class_rune(p, start, &low)) < 0)
        return r;
    uint32_t high = low;
    if (p->text.len - p->at >= 2 && peek(p) == '-' && p->text.ptr[p->at + 1] != ']') {
        p->at++;
        if ((r = class_rune(p, start, &high)) < 0)
            return r;
        if (high < low)
            return refuse(p, from, "invalid character class range");
    }
    add_folded(p, c, low, high);
    return 0;
}

static int parse_class(struct parser *p, struct cel_regex_node **ret_node)
{
    size_t start = p->at++;
    struct class c = {0};
    bool negate = peek(p) == '^';
    if (negate)
        p->at++;
    for (bool first = true; at_end(p) || peek(p) != ']' || first; first = false) {
        int r = at_end(p) ? refuse(p, start, "missing closing ]") : class_item(p, start, &c);
        if (r < 0)
            return r;
    }
    p->at++;
    if (negate) {
        struct class negated = {0};
        add_negated(p, &negated, &c);
        c = negated;
    }
    *ret_node = class_node(p, &c);
    return 0;
}

/* ---- groups and atoms ---- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* (?P<name> and (?<name>, after the "<". */
static int group_name(struct parser *p, size_t start)
{
    size_t begin = p->at;
    while (!at_end(p) && is_word(peek(p)))
        p->at++;
    if (at_end(p) || peek(p) != '>' || p->at == begin)
        return refuse(p, start, "invalid named capture");
    p->at++;
    return 0;
}

/* What follows "(?": 1 when a group opens, 0 when only flags were set. */
static int group_flags(struct parser *p, size_t start)
{
    unsigned flags = p->flags;
    bool negative = false;
    bool seen = false;
    while (!at_end(p)) {
        char c = p->text.ptr[p->at++];
        unsigned flag = c == 'i'   ? FLAG_FOLD
                        : c == 'm' ? FLAG_MULTI
                        : c == 's' ? FLAG_DOT_NL
                        : c == 'U' ? FLAG_LAZY
                                   : 0;
        if (flag != 0) {
            flags = negative ? flags & ~flag : flags | flag;
            seen = true;
        } else if (c == '-' && !negative) {
            negative = true;
            seen = false;
        } else if ((c == ':' || c == ')') && (!negative || seen)) {
            p->flags = flags;
            return c == ':';
        } else {
            break;
        }
    }
    if (at_end(p) && p->text.ptr[p->at - 1] != ')')
        return refuse(p, start, "missing argument to group or missing closing )");
    return refuse(p, start, "invalid or unsupported Perl syntax");
}

static int parse_group(struct parser *p, struct cel_regex_node **ret_node)
{
    size_t start = p->at++;
    unsigned outer = p->flags;
    int opens = 1;
    if (looking_at(p, "?P<") ||
            (looking_at(p, "?<") && !looking_at(p, "?<=") && !looking_at(p, "?<!"))) {
        p->at += looking_at(p, "?P<") ? 3 : 2;
        opens = group_name(p, start);
        opens = opens < 0 ? opens : 1;
    } else if (peek(p) == '?') {
        p->at++;
        opens = group_flags(p, start);
    }
    if (opens < 0)
        return opens;
    if (opens == 0) {
        *ret_node = NULL; /* flags only */
        return 0;
    }
    if (++p->depth > DEPTH_MAX)
        return refuse(p, start, "expression nests too deeply");
    int r = parse_alternate(p, ret_node);
    if (r < 0)
        return r;
    p->depth--;
    if (at_end(p))
        return refuse(p, start, "missing closing )");
    p->at++;
    p->flags = outer;
    return 0;
}

static struct cel_regex_node *assertion(struct parser *p, unsigned which)
{
    struct cel_regex_node *n = new_node(p, REGEX_ASSERT);
    n->assertion = (uint8_t)which;
    return n;
}

/* An atom that begins with a backslash, \Q aside. */
static int parse_escape(struct parser *p, struct cel_regex_node **ret_node)
{
    static const struct {
        char letter;
        uint8_t which;
    } asserts[] = {{'A', ASSERT_TEXT_START}, {'z', ASSERT_TEXT_END}, {'b', ASSERT_WORD},
            {'B', ASSERT_NO_WORD}};
    if (p->text.len - p->at >= 2) {
        for (size_t i = 0; i < sizeof asserts / sizeof asserts[0]; i++) {
            if (p->text.ptr[p->at + 1] == asserts[i].letter) {
                p->at += 2;
                *ret_node = assertion(p, asserts[i].which);
                return 0;
            }
        }
    }
    struct class c = {0};
    int r = unicode_class(p, &c);
    if (r < 0)
        return r;
    if (r > 0 || perl_class(p, &c)) {
        *ret_node = class_node(p, &c);
        return 0;
    }
    uint32_t rune = 0;
    if ((r = escape(p, &rune)) < 0)
        return r;
    *ret_node = literal(p, rune);
    return 0;
}

static struct cel_regex_node *any_rune(struct parser *p)
{
    struct class c = {0};
    if ((p->flags & FLAG_DOT_NL) != 0) {
        add_range(p, &c, 0, REGEX_RUNE_MAX);
    } else {
        add_range(p, &c, 0, '\n' - 1);
        add_range(p, &c, '\n' + 1, REGEX_RUNE_MAX);
    }
    return class_node(p, &c);
}

static int parse_atom(struct parser *p, struct cel_regex_node **ret_node)
{
    switch (peek(p)) {
    case '(':
        return parse_group(p, ret_node);
    case '[':
        return parse_class(p, ret_node);
    case '\\':
        return parse_escape(p, ret_node);
    case '^':
        p->at++;
        *ret_node =
                assertion(p, (p->flags & FLAG_MULTI) != 0 ? ASSERT_LINE_START : ASSERT_TEXT_START);
        return 0;
    case '$':
        p->at++;
        *ret_node = assertion(p, (p->flags & FLAG_MULTI) != 0 ? ASSERT_LINE_END : ASSERT_TEXT_END);
        return 0;
    case '.':
        p->at++;
        *ret_node = any_rune(p);
        return 0;
    default:
        *ret_node = literal(p, next_rune(p));
        return 0;
    }
}

/* ---- repetition ---- */

/* A number of a repeat: -1 when it is too large, -2 when it is none. */
static int repeat_number(const struct parser *p, size_t *at)
{
    size_t start = *at;
    int value = 0;
    while (*at < p->text.len && p->text.ptr[*at] >= '0' && p->text.ptr[*at] <= '9')
        ++*at;
    size_t len = *at - start;
    if (len == 0 || (len > 1 && p->text.ptr[start] == '0'))
        return -2;
    if (len > 7)
        return -1;
    for (size_t i = start; i < *at; i++)
        value = value * 10 + (p->text.ptr[i] - '0');
    return value;
}

/* "{2,5}" here: true with its bounds (max -1: none; min -2: too large) and `at` past it. */
static bool repeat_braces(struct parser *p, int *ret_min, int *ret_max)
{
    size_t at = p->at + 1;
    int min = repeat_number(p, &at);
    int max = min;
    if (min == -2 || at >= p->text.len)
        return false;
    if (p->text.ptr[at] == ',') {
        at++;
        max = at < p->text.len && p->text.ptr[at] == '}' ? -1 : repeat_number(p, &at);
        if (max == -2)
            return false;
        if (max == -1 && at < p->text.len && p->text.ptr[at - 1] != ',')
            min = -1; /* too large a maximum */
    }
    if (at >= p->text.len || p->text.ptr[at] != '}')
        return false;
    p->at = at + 1;
    *ret_min = min;
    *ret_max = max;
    return true;
}

/* Whether nested counts stay within `limit` when multiplied. */
static bool counts_fit(const struct cel_regex_node *n, int limit)
{
    if (n->kind == REGEX_REPEAT && (n->max > 1 || n->min > 1)) {
        int m = n->max < 0 ? n->min : n->max;
        if (m > limit)
            return false;
        limit /= m;
    } else if (n->kind == REGEX_REPEAT && n->max == 0 && n->min == 0) {
        return true;
    }
    for (const struct cel_regex_node *c = n->first; c != NULL; c = c->next) {
        if (!counts_fit(c, limit))
            return false;
    }
    return true;
}

/* A repetition of *node if one stands here; *repeated tells whether the atom before was one. */
static int parse_repeat(struct parser *p, struct cel_regex_node **node, bool *repeated)
{
    size_t start = p->at;
    int min = 0;
    int max = -1;
    switch (peek(p)) {
    case '*':
        p->at++;
        break;
    case '+':
        p->at++;
        min = 1;
        break;
    case '?':
        p->at++;
        max = 1;
        break;
    default:
        if (peek(p) != '{' || !repeat_braces(p, &min, &max))
            return 0;
        if (min < 0 || min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max))
            return refuse(p, start, "invalid repeat count");
        break;
    }
    bool lazy = (p->flags & FLAG_LAZY) != 0;
    if (peek(p) == '?') {
        p->at++;
        lazy = !lazy;
    }
    if (*node == NULL)
        return refuse(p, start, "missing argument to repetition operator");
    if (*repeated)
        return refuse(p, start, "invalid nested repetition operator");
    struct cel_regex_node *n = new_node(p, REGEX_REPEAT);
    n->min = min;
    n->max = max;
    n->lazy = lazy;
    n->first = *node;
    if (!counts_fit(n, REPEAT_MAX))
        return refuse(p, start, "invalid repeat count");
    *node = n;
    *repeated = true;
    return 1;
}

/* \Q...\E: its runes but the last become atoms of their own; the last may be repeated. */
static int parse_quoted(struct parser *p, struct cel_regex_node ***tail)
{
    p->at += 2;
    while (!at_end(p) && !looking_at(p, "\\E")) {
        struct cel_regex_node *n = literal(p, next_rune(p));
        **tail = n;
        *tail = &n->next;
    }
    if (!at_end(p))
        p->at += 2;
    return 0;
}

static int parse_concat(struct parser *p, struct cel_regex_node **ret_node)
{
    struct cel_regex_node *list = new_node(p, REGEX_CONCAT);
    struct cel_regex_node **tail = &list->first;
    struct cel_regex_node **last = NULL; /* where the atom before stands */
    bool repeated = false;
    while (!at_end(p) && peek(p) != '|' && peek(p) != ')') {
        struct cel_regex_node *nothing = NULL;
        int r = parse_repeat(p, last != NULL ? last : &nothing, &repeated);
        if (r < 0)
            return r;
        if (r > 0) {
            assert(last != NULL); /* without an atom before it, it is an error */
            tail = &(*last)->next;
            continue;
        }
        struct cel_regex_node **before = tail;
        if (looking_at(p, "\\Q")) {
            (void)parse_quoted(p, &tail);
            if (tail == before)
                continue;
            for (last = before; (*last)->next != NULL;)
                last = &(*last)->next;
            repeated = false;
            continue;
        }
        struct cel_regex_node *n = NULL;
        if ((r = parse_atom(p, &n)) < 0)
            return r;
        repeated = false;
        if (n == NULL) /* flags: a repetition after them is one of the atom before */
            continue;
        last = tail;
        *tail = n;
        tail = &n->next;
    }
    *ret_node = list;
    return 0;
}

static int parse_alternate(struct parser *p, struct cel_regex_node **ret_node)
{
    struct cel_regex_node *list = new_node(p, REGEX_ALTERNATE);
    struct cel_regex_node **tail = &list->first;
    for (;;) {
        struct cel_regex_node *n = NULL;
        int r = parse_concat(p, &n);
        if (r < 0)
            return r;
        *tail = n;
        tail = &n->next;
        if (at_end(p) || peek(p) != '|')
            break;
        p->at++;
    }
    *ret_node = list->first->next == NULL ? list->first : list;
    return 0;
}

int cel_regex_parse(
        struct arena *a, struct str pattern, struct cel_regex_node **ret_node, struct err *reterr)
{
    struct parser p = {.arena = a, .text = pattern, .err = reterr};
    if (p.text.ptr == NULL)
        p.text = STR_LIT("");
    int r = parse_alternate(&p, ret_node);
    if (r < 0)
        return r;
    if (!at_end(&p)) {
        return err_set_at(reterr, -EINVAL, (uint32_t)p.at,
                "error parsing regexp: unexpected ): `%.*s`", STR_ARG_SHORT(pattern));
    }
    return 0;
}
