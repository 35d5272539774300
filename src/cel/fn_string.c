/* cel/fn_string.c - strings: the standard functions and the extension, version 2.
 *
 * Pure.  Offsets count code points, as upstream's runes do. */
#define _GNU_SOURCE /* memmem */
#include "cel/node-priv.h"

#include <assert.h>
#include <string.h>

/* The byte offset of code point `index`; s.len when that is the end. */
static size_t rune_offset(struct str s, int64_t index)
{
    size_t at = 0;
    for (int64_t i = 0; at < s.len; at++) {
        if (((unsigned char)s.ptr[at] & 0xc0) == 0x80)
            continue;
        if (i++ == index)
            return at;
    }
    return s.len;
}

static struct cel_value out_of_range(struct cel_state *s, int64_t index)
{
    return cel_fault_text(s, arena_printf(s->arena, "index out of range: %lld", (long long)index));
}

/* A part of the subject, without a copy. */
static struct cel_value part(struct str s, size_t start, size_t end)
{
    return cel_string((struct str){s.ptr + start, end - start});
}

static bool find_bytes(struct str s, size_t from, struct str needle, size_t *ret_at)
{
    if (from > s.len)
        return false;
    if (s.ptr == NULL) /* an empty subject */
        s.ptr = "";
    const char *found = needle.len == 0 ? s.ptr + from
                                        : (s.len - from == 0 ? NULL
                                                             : memmem(s.ptr + from, s.len - from,
                                                                       needle.ptr, needle.len));
    if (found == NULL)
        return false;
    *ret_at = (size_t)(found - s.ptr);
    return true;
}

static struct cel_value char_at(struct cel_state *s, struct str subject, int64_t index)
{
    int64_t count = cel_rune_count(subject);
    if (index < 0 || index > count)
        return out_of_range(s, index);
    size_t start = rune_offset(subject, index);
    return part(subject, start, start < subject.len ? rune_offset(subject, index + 1) : start);
}

static struct cel_value substring(
        struct cel_state *s, struct str subject, int64_t start, int64_t end)
{
    int64_t count = cel_rune_count(subject);
    if (start > end)
        return cel_fault_text(s, "invalid substring range");
    if (start < 0 || start > count)
        return out_of_range(s, start);
    if (end > count)
        return out_of_range(s, end);
    return part(subject, rune_offset(subject, start), rune_offset(subject, end));
}

static struct cel_value index_of(
        struct cel_state *s, struct str subject, struct str needle, int64_t offset)
{
    int64_t count = cel_rune_count(subject);
    if (offset < 0)
        return out_of_range(s, offset);
    if (needle.len == 0)
        return cel_int(offset > count ? count : offset);
    size_t at = 0;
    if (offset >= count || !find_bytes(subject, rune_offset(subject, offset), needle, &at))
        return cel_int(-1);
    return cel_int(cel_rune_count((struct str){subject.ptr, at}));
}

static struct cel_value last_index_of(
        struct cel_state *s, struct str subject, struct str needle, int64_t offset)
{
    int64_t count = cel_rune_count(subject);
    int64_t needle_count = cel_rune_count(needle);
    if (offset < 0)
        return out_of_range(s, offset);
    if (needle.len == 0)
        return cel_int(offset > count ? count : offset);
    if (offset >= count)
        return cel_int(-1);
    if (offset > count - needle_count)
        offset = count - needle_count;
    assert(subject.ptr != NULL); /* it has a character at the offset */
    for (int64_t i = offset; i >= 0; i--) {
        size_t at = rune_offset(subject, i);
        if (subject.len - at >= needle.len && memcmp(subject.ptr + at, needle.ptr, needle.len) == 0)
            return cel_int(i);
    }
    return cel_int(-1);
}

static struct cel_value change_case(struct cel_state *s, struct str subject, bool upper)
{
    char *out = cel_bytes_new(s, subject.len);
    if (out == NULL)
        return cel_fault_give_up(s, NULL);
    for (size_t i = 0; i < subject.len; i++) {
        char c = subject.ptr[i];
        if (upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
            c = (char)(c ^ 0x20);
        out[i] = c;
    }
    return cel_string((struct str){out, subject.len});
}

/* Bytes of the character at `at`. */
static size_t rune_length(struct str s, size_t at)
{
    size_t len = 1;
    while (at + len < s.len && ((unsigned char)s.ptr[at + len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* The next place where `old` stands at or after `from`; an empty one stands before every character
 * and at the end. */
static bool next_match(struct str s, size_t from, struct str old, bool first, size_t *ret_at)
{
    if (old.len > 0)
        return find_bytes(s, from, old, ret_at);
    if (from >= s.len && !first)
        return false;
    *ret_at = first ? 0 : from + rune_length(s, from);
    return true;
}

struct replacement {
    struct str subject, old, with;
    uint64_t limit;
};

/* Writes the result to `out` unless it is NULL; returns its length, SIZE_MAX when that overflows.
 */
static size_t replace_into(const struct replacement *r, char *out)
{
    size_t len = 0;
    size_t done = 0;
    size_t at = 0;
    bool first = true;
    for (uint64_t i = 0; i < r->limit; i++) {
        if (!next_match(r->subject, at, r->old, first, &at))
            break;
        if (out != NULL) {
            memcpy(out + len, r->subject.ptr + done, at - done);
            memcpy(out + len + (at - done), r->with.len > 0 ? r->with.ptr : "", r->with.len);
        }
        if (__builtin_add_overflow(len, at - done + r->with.len, &len) || len > UINT32_MAX)
            return SIZE_MAX;
        done = at + r->old.len;
        at = r->old.len > 0 ? done : at;
        first = false;
    }
    if (out != NULL)
        memcpy(out + len, r->subject.ptr + done, r->subject.len - done);
    return len + (r->subject.len - done);
}

static struct cel_value replace(struct cel_state *s, const struct cel_value *args, int64_t limit)
{
    struct replacement r = {cel_value_str(args[0]), cel_value_str(args[1]), cel_value_str(args[2]),
            limit < 0 ? UINT64_MAX : (uint64_t)limit};
    if (r.limit == 0 || str_eq(r.old, r.with) || r.subject.ptr == NULL)
        r.subject = r.subject.ptr == NULL ? STR_LIT("") : r.subject;
    if (r.limit == 0)
        return args[0];
    size_t len = replace_into(&r, NULL);
    char *out = len == SIZE_MAX ? NULL : cel_bytes_new(s, len);
    if (out == NULL)
        return cel_fault_give_up(s, NULL);
    (void)replace_into(&r, out);
    return cel_string((struct str){out, len});
}

/* Go's SplitN: at most `limit` parts (below 0: all, 0: none). */
static struct cel_value split(
        struct cel_state *s, struct str subject, struct str separator, int64_t limit)
{
    size_t count = 1;
    size_t at = 0;
    if (limit == 0)
        return cel_list_new(s, NULL, 0);
    if (separator.len == 0) {
        count = cel_rune_count(subject);
    } else {
        for (size_t from = 0; find_bytes(subject, from, separator, &at); count++)
            from = at + separator.len;
    }
    if (limit > 0 && count > (uint64_t)limit)
        count = (size_t)limit;
    struct cel_value *items = cel_items_new(s, count);
    if (items == NULL)
        return cel_fault_give_up(s, NULL);
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = subject.len;
        if (i + 1 < count) {
            if (separator.len == 0) {
                end = start + rune_length(subject, start);
            } else {
                (void)find_bytes(subject, start, separator, &end);
            }
        }
        items[i] = part(subject, start, end);
        start = end + separator.len;
    }
    return cel_list_new(s, items, count);
}

static struct cel_value join(struct cel_state *s, const struct cel_list *list, struct str separator)
{
    size_t len = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind != CEL_KIND_STRING)
            return cel_fault_text(s, "join: invalid input");
        len += list->items[i].size + (i > 0 ? separator.len : 0);
    }
    char *out = cel_bytes_new(s, len);
    if (out == NULL)
        return cel_fault_give_up(s, NULL);
    size_t at = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (i > 0 && separator.len > 0) {
            memcpy(out + at, separator.ptr, separator.len);
            at += separator.len;
        }
        if (list->items[i].size > 0)
            memcpy(out + at, list->items[i].s, list->items[i].size);
        at += list->items[i].size;
    }
    return cel_string((struct str){out, len});
}

/* Bytes of the blank (as Go's unicode.IsSpace) at the front of s[at..]; 0 when there is none. */
static size_t blank_length(struct str s, size_t at)
{
    static const char *const wide[] = {"\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8",
            "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    char c = s.ptr[at];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        size_t len = strlen(wide[i]);
        if (s.len - at >= len && memcmp(s.ptr + at, wide[i], len) == 0)
            return len;
    }
    /* U+2000 to U+200A */
    if (s.len - at >= 3 && memcmp(s.ptr + at, "\xe2\x80", 2) == 0 &&
            (unsigned char)s.ptr[at + 2] >= 0x80 && (unsigned char)s.ptr[at + 2] <= 0x8a)
        return 3;
    return 0;
}

static struct cel_value trim(struct str s)
{
    size_t start = 0;
    size_t len;
    while (start < s.len && (len = blank_length(s, start)) > 0)
        start += len;
    size_t end = s.len;
    while (end > start) {
        size_t last = end - 1;
        while (last > start && ((unsigned char)s.ptr[last] & 0xc0) == 0x80)
            last--;
        if (blank_length((struct str){s.ptr, end}, last) != end - last)
            break;
        end = last;
    }
    return part(s, start, end);
}

static struct cel_value quote(struct cel_state *s, struct str subject)
{
    static const char special[] = "\a\b\f\n\r\t\v\\\"";
    static const char letters[] = "abfnrtv\\\"";
    char *out = cel_bytes_new(s, 2 * subject.len + 2);
    size_t len = 0;
    if (out == NULL)
        return cel_fault_give_up(s, NULL);
    out[len++] = '"';
    for (size_t i = 0; i < subject.len; i++) {
        char c = subject.ptr[i];
        const char *found = c == '\0' ? NULL : strchr(special, c);
        if (found != NULL)
            out[len++] = '\\';
        out[len++] = found != NULL ? letters[found - special] : c;
    }
    out[len++] = '"';
    return cel_string((struct str){out, len});
}

static struct cel_value search(
        struct cel_state *s, unsigned function, const struct cel_value *args, bool has_offset)
{
    struct str subject = cel_value_str(args[0]);
    struct str needle = cel_value_str(args[1]);
    if (function == CEL_FN_INDEXOF)
        return index_of(s, subject, needle, has_offset ? args[2].i : 0);
    if (has_offset)
        return last_index_of(s, subject, needle, args[2].i);
    if (needle.len == 0)
        return cel_int(cel_rune_count(subject));
    if (subject.len < needle.len)
        return cel_int(-1);
    return last_index_of(s, subject, needle, (int64_t)cel_rune_count(subject) - 1);
}

struct cel_value cel_call_string(struct cel_state *s, uint16_t ov, const struct cel_value *args)
{
    const struct cel_overload *o = &cel_overloads[ov];
    struct str subject = o->function == CEL_FN_JOIN ? STR_LIT("") : cel_value_str(args[0]);
    size_t at = 0;
    if (subject.ptr == NULL)
        subject = STR_LIT("");
    switch (o->function) {
    case CEL_FN_CONTAINS:
        return cel_bool(find_bytes(subject, 0, cel_value_str(args[1]), &at));
    case CEL_FN_STARTSWITH:
        return cel_bool(str_starts(subject, cel_value_str(args[1])));
    case CEL_FN_ENDSWITH:
        return cel_bool(str_ends(subject, cel_value_str(args[1])));
    case CEL_FN_CHARAT:
        return char_at(s, subject, args[1].i);
    case CEL_FN_INDEXOF:
    case CEL_FN_LASTINDEXOF:
        return search(s, o->function, args, o->arg_count == 3);
    case CEL_FN_LOWERASCII:
        return change_case(s, subject, false);
    case CEL_FN_UPPERASCII:
        return change_case(s, subject, true);
    case CEL_FN_REPLACE:
        return replace(s, args, o->arg_count == 4 ? args[3].i : -1);
    case CEL_FN_SPLIT:
        return split(s, subject, cel_value_str(args[1]), o->arg_count == 3 ? args[2].i : -1);
    case CEL_FN_SUBSTRING:
        if (o->arg_count == 3)
            return substring(s, subject, args[1].i, args[2].i);
        if (args[1].i < 0 || args[1].i > (int64_t)cel_rune_count(subject))
            return out_of_range(s, args[1].i);
        return part(subject, rune_offset(subject, args[1].i), subject.len);
    case CEL_FN_TRIM:
        return trim(subject);
    case CEL_FN_JOIN:
        return join(s, args[0].list, o->arg_count == 2 ? cel_value_str(args[1]) : STR_LIT(""));
    case CEL_FN_STRINGS_QUOTE:
        return quote(s, subject);
    default:
        assert(o->function == CEL_FN_FORMAT);
        return cel_format(s, subject, args[1].list);
    }
}
