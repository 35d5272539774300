/* cel/semver.c - strict SemVer 2.0.0.
 *
 * Pure.  Source: Parse and Compare of github.com/blang/semver/v4; normalization as in Kubernetes'
 * CEL library. */
#include "cel/semver.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_identifier(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return false;
    }
    return true;
}

static int parse_number(struct str s, const char *what, uint64_t *ret_value, struct err *reterr)
{
    uint64_t value = 0;
    if (s.len == 0 || !all_digits(s)) {
        return err_set(reterr, -EINVAL, "Invalid character(s) found in %s number \"%.*s\"", what,
                STR_ARG_SHORT(s));
    }
    if (s.len > 1 && s.ptr[0] == '0') {
        return err_set(reterr, -EINVAL, "%s number must not contain leading zeroes \"%.*s\"", what,
                STR_ARG_SHORT(s));
    }
    for (size_t i = 0; i < s.len; i++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) {
            return err_set(
                    reterr, -EINVAL, "%s number \"%.*s\" is out of range", what, STR_ARG_SHORT(s));
        }
    }
    *ret_value = value;
    return 0;
}

/* The part of `s` before the first `c`, the rest into *ret_rest; false when there is no `c`. */
static bool cut(struct str *s, char c, struct str *ret_rest)
{
    const char *found = s->len == 0 ? NULL : memchr(s->ptr, c, s->len);
    if (found == NULL)
        return false;
    size_t len = (size_t)(found - s->ptr);
    *ret_rest = (struct str){found + 1, s->len - len - 1};
    s->len = len;
    return true;
}

static int check_pre(struct str part, struct err *reterr)
{
    uint64_t ignored = 0;
    if (part.len == 0)
        return err_set(reterr, -EINVAL, "Prerelease is empty");
    if (all_digits(part))
        return parse_number(part, "Prerelease", &ignored, reterr);
    for (size_t i = 0; i < part.len; i++) {
        if (!is_identifier(part.ptr[i])) {
            return err_set(reterr, -EINVAL, "Invalid character(s) found in prerelease \"%.*s\"",
                    STR_ARG_SHORT(part));
        }
    }
    return 0;
}

static int check_build(struct str part, struct err *reterr)
{
    if (part.len == 0)
        return err_set(reterr, -EINVAL, "Build meta data is empty");
    for (size_t i = 0; i < part.len; i++) {
        if (!is_identifier(part.ptr[i])) {
            return err_set(reterr, -EINVAL,
                    "Invalid character(s) found in build meta data \"%.*s\"", STR_ARG_SHORT(part));
        }
    }
    return 0;
}

/* Every part of `list` between dots passes `check`. */
static int check_parts(
        struct str list, int (*check)(struct str part, struct err *reterr), struct err *reterr)
{
    for (;;) {
        struct str rest = {0};
        bool more = cut(&list, '.', &rest);
        int r = check(list, reterr);
        if (r < 0 || !more)
            return r;
        list = rest;
    }
}

int cel_semver_parse(struct str text, struct cel_semver *ret_version, struct err *reterr)
{
    struct cel_semver v = {0};
    struct str minor = {0};
    struct str patch = {0};
    if (text.len == 0)
        return err_set(reterr, -EINVAL, "Version string empty");
    struct str major = text;
    if (!cut(&major, '.', &minor) || !cut(&minor, '.', &patch))
        return err_set(reterr, -EINVAL, "No Major.Minor.Patch elements found");
    int r = parse_number(major, "Major", &v.major, reterr);
    if (r < 0 || (r = parse_number(minor, "Minor", &v.minor, reterr)) < 0)
        return r;
    bool has_build = cut(&patch, '+', &v.build);
    bool has_pre = cut(&patch, '-', &v.pre);
    if ((r = parse_number(patch, "Patch", &v.patch, reterr)) < 0 ||
            (has_pre && (r = check_parts(v.pre, check_pre, reterr)) < 0) ||
            (has_build && (r = check_parts(v.build, check_build, reterr)) < 0))
        return r;
    *ret_version = v;
    return 0;
}

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Numbers before words; numbers by value, which for canonical digits is by length, then bytes. */
static int compare_pre(struct str a, struct str b)
{
    bool number_a = all_digits(a);
    bool number_b = all_digits(b);
    if (number_a != number_b)
        return number_a ? -1 : 1;
    if (number_a && a.len != b.len)
        return a.len < b.len ? -1 : 1;
    int cmp = str_cmp(a, b);
    return cmp < 0 ? -1 : cmp > 0;
}

int cel_semver_cmp(const struct cel_semver *a, const struct cel_semver *b)
{
    int cmp = order(a->major, b->major);
    if (cmp == 0)
        cmp = order(a->minor, b->minor);
    if (cmp == 0)
        cmp = order(a->patch, b->patch);
    if (cmp != 0)
        return cmp;
    if (a->pre.len == 0 || b->pre.len == 0)
        return (a->pre.len == 0) - (b->pre.len == 0);
    struct str left = a->pre;
    struct str right = b->pre;
    for (;;) {
        struct str rest_left = {0};
        struct str rest_right = {0};
        bool more_left = cut(&left, '.', &rest_left);
        bool more_right = cut(&right, '.', &rest_right);
        cmp = compare_pre(left, right);
        if (cmp != 0)
            return cmp;
        if (!more_left || !more_right)
            return more_left - more_right;
        left = rest_left;
        right = rest_right;
    }
}

/* Writes one part without zeros in front, as long as a digit stays. */
static size_t put_part(struct str part, char *out)
{
    size_t zeros = 0;
    if (part.len > 1) {
        while (zeros < part.len && part.ptr[zeros] == '0')
            zeros++;
    }
    size_t len = 0;
    if (zeros > 0 && (zeros == part.len || !is_digit(part.ptr[zeros]))) {
        out[len++] = '0';
    } else if (zeros == 0 && part.len > 1 && !is_digit(part.ptr[0])) {
        out[len++] = '0';
    }
    if (part.len > zeros)
        memcpy(out + len, part.ptr + zeros, part.len - zeros);
    return len + part.len - zeros;
}

int cel_semver_normalize(struct str text, char *ret_text, size_t *ret_len, struct err *reterr)
{
    if (text.len > 0 && text.ptr[0] == 'v')
        text = (struct str){text.ptr + 1, text.len - 1};
    struct str parts[3] = {text};
    unsigned count = 1;
    while (count < 3 && cut(&parts[count - 1], '.', &parts[count]))
        count++;
    const struct str *last = &parts[count - 1];
    if (count < 3 && last->len > 0 &&
            (memchr(last->ptr, '+', last->len) != NULL ||
                    memchr(last->ptr, '-', last->len) != NULL)) {
        return err_set(reterr, -EINVAL, "short version cannot contain PreRelease/Build meta data");
    }
    size_t len = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (i > 0)
            ret_text[len++] = '.';
        len += put_part(i < count ? parts[i] : STR_LIT("0"), ret_text + len);
    }
    assert(len <= text.len + CEL_SEMVER_NORMALIZE_EXTRA);
    *ret_len = len;
    return 0;
}
