/* base/str.c - views of bytes.  Pure; no allocation. */
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Names longer than this get no suggestion: the distance table lives on the stack. */
enum { NEAREST_LEN_MAX = 64 };

enum { FIXED_DECIMALS_MAX = 18 };

struct str str_from(const char *s)
{
    return s == NULL ? (struct str){NULL, 0} : (struct str){s, strlen(s)};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_c(struct str a, const char *b)
{
    return str_eq(a, str_from(b));
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq((struct str){s.ptr, prefix.len}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    if (s.len < suffix.len)
        return false;
    if (suffix.len == 0)
        return true;
    return memcmp(s.ptr + (s.len - suffix.len), suffix.ptr, suffix.len) == 0;
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_split(struct str *s, char sep, struct str *ret_part)
{
    if (s->ptr == NULL)
        return false;
    const char *at = s->len == 0 ? NULL : memchr(s->ptr, sep, s->len);
    if (at == NULL) {
        *ret_part = *s;
        *s = (struct str){NULL, 0};
        return true;
    }
    size_t part_len = (size_t)(at - s->ptr);
    *ret_part = (struct str){s->ptr, part_len};
    *s = (struct str){at + 1, s->len - part_len - 1};
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

uint64_t str_hash(struct str s, uint64_t seed)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.len; i++) {
        hash ^= (unsigned char)s.ptr[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The length of the well-formed UTF-8 sequence at the start of p[len], or 0.  Table 3-7 of the
 * Unicode standard: no overlong forms, no surrogates, nothing past U+10FFFF. */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
    unsigned char first = p[0];
    if (first < 0x80)
        return 1;
    size_t need = first >= 0xC2 && first <= 0xDF   ? 2
                  : (first & 0xF0) == 0xE0         ? 3
                  : first >= 0xF0 && first <= 0xF4 ? 4
                                                   : 0;
    if (need == 0 || need > len)
        return 0;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    return need;
}

size_t str_utf8_prefix(struct str s)
{
    size_t at = 0;
    while (at < s.len) {
        uint64_t word;
        if (s.len - at >= sizeof word) {
            memcpy(&word, s.ptr + at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof word;
                continue;
            }
        }
        size_t step = utf8_sequence((const unsigned char *)s.ptr + at, s.len - at);
        if (step == 0)
            return at;
        at += step;
    }
    return at;
}

/* Adds `digit` to `*value` as its next decimal digit; false on overflow. */
static bool push_digit(uint64_t *value, char digit)
{
    return !__builtin_mul_overflow(*value, UINT64_C(10), value) &&
           !__builtin_add_overflow(*value, (uint64_t)(digit - '0'), value);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int str_to_u64(struct str s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    bool fits = true;
    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return -EINVAL;
        fits = fits && push_digit(&value, s.ptr[i]);
    }
    if (!fits || value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

/* magnitude, negated when `negative`, into *ret_value if in [min, max]. */
static int put_signed(
        uint64_t magnitude, bool negative, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value;
    if (negative ? __builtin_sub_overflow(INT64_C(0), magnitude, &value)
                 : __builtin_add_overflow(INT64_C(0), magnitude, &value))
        return -ERANGE;
    if (value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

/* Takes one leading '-' off `s`. */
static bool take_minus(struct str *s)
{
    if (s->len == 0 || s->ptr[0] != '-')
        return false;
    s->ptr++;
    s->len--;
    return true;
}

int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = take_minus(&s);
    uint64_t magnitude;
    int r = str_to_u64(s, 0, UINT64_MAX, &magnitude);
    if (r < 0)
        return r;
    return put_signed(magnitude, negative, min, max, ret_value);
}

int str_to_hex64(struct str s, uint64_t *ret_value)
{
    enum { DIGITS = 16 };
    uint64_t value = 0;
    if (s.len != DIGITS)
        return -EINVAL;
    for (size_t i = 0; i < DIGITS; i++) {
        char c = s.ptr[i];
        bool letter = c >= 'a' && c <= 'f';
        if (!letter && !is_digit(c))
            return -EINVAL;
        value = value << 4 | (uint64_t)(letter ? c - 'a' + 10 : c - '0');
    }
    *ret_value = value;
    return 0;
}

int str_to_fixed(struct str s, unsigned decimals, int64_t min, int64_t max, int64_t *ret_value)
{
    assert(decimals <= 9);
    bool negative = take_minus(&s);
    uint64_t magnitude = 0;
    bool fits = true;
    size_t i = 0;
    for (; i < s.len && is_digit(s.ptr[i]); i++)
        fits = fits && push_digit(&magnitude, s.ptr[i]);
    if (i == 0)
        return -EINVAL;
    unsigned kept = 0;
    if (i < s.len) {
        if (s.ptr[i] != '.' || i + 1 == s.len)
            return -EINVAL;
        for (i++; i < s.len; i++) {
            if (!is_digit(s.ptr[i]))
                return -EINVAL;
            if (kept == decimals) {
                if (s.ptr[i] != '0')
                    return -EINVAL;
                continue;
            }
            fits = fits && push_digit(&magnitude, s.ptr[i]);
            kept++;
        }
    }
    for (; kept < decimals; kept++)
        fits = fits && push_digit(&magnitude, '0');
    return fits ? put_signed(magnitude, negative, min, max, ret_value) : -ERANGE;
}

char *str_format_fixed(int64_t value, unsigned decimals, char *ret_text)
{
    assert(decimals <= FIXED_DECIMALS_MAX);
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    while (decimals > 0 && magnitude % 10 == 0) {
        magnitude /= 10;
        decimals--;
    }
    uint64_t scale = 1;
    for (unsigned i = 0; i < decimals; i++)
        scale *= 10;
    const char *sign = value < 0 ? "-" : "";
    if (decimals == 0) {
        (void)snprintf(ret_text, STR_FIXED_BYTES, "%s%" PRIu64, sign, magnitude);
    } else {
        (void)snprintf(ret_text, STR_FIXED_BYTES, "%s%" PRIu64 ".%0*" PRIu64, sign,
                magnitude / scale, (int)decimals, magnitude % scale);
    }
    return ret_text;
}

static unsigned min_unsigned(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b; both at most NEAREST_LEN_MAX. */
static unsigned edit_distance(struct str a, struct str b)
{
    unsigned row[3][NEAREST_LEN_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++)
        row[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = row[i % 3];
        const unsigned *above = row[(i - 1) % 3];
        const unsigned *above2 = row[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned replace = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            now[j] = min_unsigned(replace, min_unsigned(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                now[j] = min_unsigned(now[j], above2[j - 2] + 1);
        }
    }
    return row[a.len % 3][b.len];
}

const char *str_nearest(struct str s, const char *const *names)
{
    if (s.len == 0 || s.len > NEAREST_LEN_MAX)
        return NULL;
    const char *best = NULL;
    unsigned best_distance = s.len < 6 ? 2 : (unsigned)s.len / 3 + 1;
    for (size_t i = 0; names[i] != NULL; i++) {
        struct str name = str_from(names[i]);
        if (name.len == 0 || name.len > NEAREST_LEN_MAX)
            continue;
        unsigned distance = edit_distance(s, name);
        if (distance < best_distance && distance < s.len) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
