/* base/doc.c - what YAML and JSON documents have in common.  Pure. */
#include "base/doc.h"

#include "base/doc-priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

const struct doc *doc_get(const struct doc *object, const char *key)
{
    if (object == NULL || object->kind != DOC_OBJECT)
        return NULL;
    struct str wanted = str_from(key);
    for (uint32_t i = 0; i < object->count; i++) {
        if (str_eq(object->first[i].key, wanted))
            return &object->first[i];
    }
    return NULL;
}

const char *doc_kind_name(enum doc_kind kind)
{
    switch (kind) {
    case DOC_NULL:
        return "null";
    case DOC_BOOL:
        return "true or false";
    case DOC_INT:
        return "a whole number";
    case DOC_REAL:
        return "a number";
    case DOC_STRING:
        return "a string";
    case DOC_ARRAY:
        return "a list";
    case DOC_OBJECT:
        return "a map";
    }
    assert(false); /* a kind that does not exist */
    return "?";
}

static size_t digit_run(struct str s, size_t at)
{
    size_t end = at;
    while (end < s.len && s.ptr[end] >= '0' && s.ptr[end] <= '9')
        end++;
    return end - at;
}

static bool is_one_of(char c, const char *set)
{
    for (; *set != '\0'; set++) {
        if (*set == c)
            return true;
    }
    return false;
}

/* ".inf", ".NaN" and the like, without a sign. */
static bool is_not_finite(struct str s)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq_c(s, words[i]))
            return true;
    }
    return false;
}

/* "0x1F", "0o17", "0b1": a prefix and only digits of some base behind it. */
static bool has_base_prefix(struct str s)
{
    if (s.len < 3 || s.ptr[0] != '0' || !is_one_of(s.ptr[1], "xXoObB"))
        return false;
    for (size_t i = 2; i < s.len; i++) {
        if (!is_one_of(s.ptr[i], "0123456789abcdefABCDEF_"))
            return false;
    }
    return true;
}

enum doc_number doc_number_classify(struct str text)
{
    struct str s = text;
    if (s.len > 0 && is_one_of(s.ptr[0], "-+"))
        s = (struct str){s.ptr + 1, s.len - 1};
    if (is_not_finite(s) || has_base_prefix(s))
        return DOC_NUMBER_REFUSED;
    size_t whole = digit_run(s, 0);
    size_t at = whole;
    size_t fraction = 0;
    if (at < s.len && s.ptr[at] == '.') {
        fraction = digit_run(s, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return DOC_NUMBER_NONE;
    if (at < s.len && is_one_of(s.ptr[at], "eE")) {
        size_t sign = at + 1 < s.len && is_one_of(s.ptr[at + 1], "-+");
        size_t exponent = digit_run(s, at + 1 + sign);
        if (exponent == 0)
            return DOC_NUMBER_NONE;
        at += 1 + sign + exponent;
    }
    if (at != s.len)
        return DOC_NUMBER_NONE;
    if (whole > 1 && s.ptr[0] == '0')
        return DOC_NUMBER_REFUSED;
    return at == whole ? DOC_NUMBER_INT : DOC_NUMBER_REAL;
}

void doc_number_set(struct doc *node, enum doc_number number)
{
    assert(number == DOC_NUMBER_INT || number == DOC_NUMBER_REAL);
    struct str digits = node->text;
    if (digits.ptr[0] == '+')
        digits = (struct str){digits.ptr + 1, digits.len - 1};
    node->kind = DOC_REAL;
    if (number == DOC_NUMBER_INT && str_to_i64(digits, INT64_MIN, INT64_MAX, &node->integer) == 0)
        node->kind = DOC_INT;
}

/* By key, then by place: members are contiguous, so their addresses are their order. */
static int compare_members(const void *left, const void *right)
{
    const struct doc *a = *(const struct doc *const *)left;
    const struct doc *b = *(const struct doc *const *)right;
    int order = str_cmp(a->key, b->key);
    return order != 0 ? order : (a > b) - (a < b);
}

bool doc_find_duplicate(const struct doc *members, uint32_t count, const struct doc **ret_before,
        const struct doc **ret_again)
{
    if (count < 2)
        return false;
    SCOPED(mem_scoped_free) const struct doc **sorted = mem_alloc(count, sizeof *sorted);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &members[i];
    qsort(sorted, count, sizeof *sorted, compare_members);
    const struct doc *again = NULL;
    for (uint32_t i = 1; i < count; i++) {
        if (str_eq(sorted[i - 1]->key, sorted[i]->key) && (again == NULL || sorted[i] < again)) {
            again = sorted[i];
            *ret_before = sorted[i - 1];
        }
    }
    if (again == NULL)
        return false;
    *ret_again = again;
    return true;
}

int doc_check_input(struct str input, size_t max_bytes, struct err *reterr)
{
    if (input.len > max_bytes || input.len > UINT32_MAX) {
        return err_set(reterr, -E2BIG, "%zu bytes, expected at most %zu", input.len,
                max_bytes < UINT32_MAX ? max_bytes : UINT32_MAX);
    }
    size_t good = str_utf8_prefix(input);
    if (good != input.len)
        return err_set_at(reterr, -EINVAL, (uint32_t)good, "byte %zu is not UTF-8", good);
    return 0;
}
