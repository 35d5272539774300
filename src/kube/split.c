/* kube/split.c - the item splitter: counts brackets outside of strings, copies only what a chunk
 * cut. Pure. */
#define _GNU_SOURCE /* memmem */
#include "kube/split.h"

#include "kube/item.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

void kube_split_init(struct kube_split *s, enum kube_split_form form, size_t item_bytes_max)
{
    *s = (struct kube_split){
            .form = form,
            .item_bytes_max = item_bytes_max,
            .part = BUF_INIT(item_bytes_max),
            .rest = BUF_INIT(KUBE_SPLIT_REST_MAX),
    };
}

void kube_split_clear(struct kube_split *s)
{
    buf_clear(&s->part);
    buf_clear(&s->rest);
}

struct str kube_split_rest(const struct kube_split *s)
{
    return buf_str(&s->rest);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t blank_back(struct str s, size_t at)
{
    while (at > 0 && is_blank(s.ptr[at - 1]))
        at--;
    return at;
}

/* True when what was read of a list ends in its key `items` and a colon.  The key's quote must
 * follow a brace or a comma, which no quote within a string does without a backslash before it. */
static bool is_at_items(struct str rest)
{
    static const char key[] = "\"items\"";
    size_t at = blank_back(rest, rest.len);
    if (at == 0 || rest.ptr[at - 1] != ':')
        return false;
    at = blank_back(rest, at - 1);
    if (at < sizeof key - 1 || memcmp(rest.ptr + at - (sizeof key - 1), key, sizeof key - 1) != 0)
        return false;
    at = blank_back(rest, at - (sizeof key - 1));
    return at > 0 && (rest.ptr[at - 1] == '{' || rest.ptr[at - 1] == ',');
}

static int fault(const struct kube_split *s, size_t at, const char *what, struct err *reterr)
{
    return err_set(reterr, -EINVAL, "byte %" PRIu64 ": %s", s->offset + at, what);
}

/* The first "name" in the beginning of an item, which in practice is the object's. */
static struct str name_in(struct str json)
{
    static const char key[] = "\"name\":\"";
    const char *at = json.len == 0 ? NULL : memmem(json.ptr, json.len, key, sizeof key - 1);
    if (at == NULL)
        return (struct str){0};
    at += sizeof key - 1;
    size_t left = json.len - (size_t)(at - json.ptr);
    const char *end = memchr(at, '"', left);
    return (struct str){at, end == NULL ? 0 : (size_t)(end - at)};
}

static int too_large(const struct kube_split *s, struct str chunk, struct err *reterr)
{
    struct str name = name_in(buf_str(&s->part));
    if (name.len == 0)
        name = name_in(chunk);
    return err_set(reterr, -E2BIG, "item %" PRIu64 " ('%.*s') is larger than %zu bytes", s->count,
            STR_ARG_SHORT(name), s->item_bytes_max);
}

/* Hands over part + chunk[start, end). */
static int hand_over(
        struct kube_split *s, struct str chunk, size_t start, size_t end, struct err *reterr)
{
    struct str json = {chunk.ptr + start, end - start};
    if (s->part.len > 0) {
        buf_put(&s->part, json);
        if (s->part.overflow)
            return too_large(s, json, reterr);
        json = buf_str(&s->part);
    } else if (json.len > s->item_bytes_max) {
        return too_large(s, json, reterr);
    }
    int r = s->item(s->user, json);
    s->count++;
    buf_reset(&s->part);
    s->in_item = false;
    return r;
}

/* The end of a string that goes on at `at`: the index after its quote, or chunk.len. */
static size_t skip_string(struct kube_split *s, struct str chunk, size_t at)
{
    while (at < chunk.len) {
        char c = chunk.ptr[at++];
        if (s->escaped) {
            s->escaped = false;
        } else if (c == '\\') {
            s->escaped = true;
        } else if (c == '"') {
            s->in_string = false;
            break;
        }
    }
    return at;
}

/* The rest of the item that begins or goes on at `at`; *ret_at is the index after what was used. */
static int take_item(
        struct kube_split *s, struct str chunk, size_t at, size_t *ret_at, struct err *reterr)
{
    size_t start = at;
    while (at < chunk.len) {
        if (s->in_string) {
            at = skip_string(s, chunk, at);
            continue;
        }
        char c = chunk.ptr[at++];
        if (c == '"') {
            s->in_string = true;
        } else if (c == '{' || c == '[') {
            if (++s->depth > s->base + KUBE_ITEM_DEPTH_MAX)
                return fault(s, at - 1, "nested too deep", reterr);
        } else if ((c == '}' || c == ']') && --s->depth == s->base) {
            *ret_at = at;
            return hand_over(s, chunk, start, at, reterr);
        }
    }
    struct str tail = {chunk.ptr + start, chunk.len - start};
    buf_put(&s->part, tail);
    *ret_at = chunk.len;
    return s->part.overflow ? too_large(s, tail, reterr) : 0;
}

/* Between items. */
static int between_items(struct kube_split *s, struct str chunk, size_t *at, struct err *reterr)
{
    char c = chunk.ptr[*at];
    if (c == '{') {
        s->in_item = true;
        return 0;
    }
    if (s->form == KUBE_SPLIT_LIST && c == ']') {
        s->base = 0;
        s->depth--;
        buf_putc(&s->rest, ']');
    } else if (!is_blank(c) && !(s->form == KUBE_SPLIT_LIST && c == ',')) {
        return fault(s, *at, "expected an object", reterr);
    }
    ++*at;
    return 0;
}

/* One byte of a list that is in no item. */
static int outside(struct kube_split *s, char c, size_t at, struct err *reterr)
{
    if (s->depth == 1 && c == '[' && is_at_items(buf_str(&s->rest))) {
        if (s->items_seen)
            return fault(s, at, "a second list of items", reterr);
        s->items_seen = true;
        s->base = 2;
    }
    if (s->depth == 0 && c != '{' && !is_blank(c))
        return fault(s, at, "expected a list object", reterr);
    if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        if (++s->depth > KUBE_ITEM_DEPTH_MAX)
            return fault(s, at, "nested too deep", reterr);
    } else if (c == '}' || c == ']') {
        s->depth--;
    }
    return 0;
}

/* Everything of a list that is in no item goes to the rest. */
static int take_rest(struct kube_split *s, struct str chunk, size_t *at, struct err *reterr)
{
    size_t start = *at;
    int r = 0;
    if (s->in_string) {
        *at = skip_string(s, chunk, *at);
    } else {
        r = outside(s, chunk.ptr[*at], *at, reterr);
        ++*at;
    }
    buf_put(&s->rest, (struct str){chunk.ptr + start, *at - start});
    if (r == 0 && s->rest.overflow) {
        r = err_set(reterr, -E2BIG, "a list has more than %d bytes beside its items",
                KUBE_SPLIT_REST_MAX);
    }
    return r;
}

int kube_split_feed(struct kube_split *s, struct str chunk, struct err *reterr)
{
    assert(s->item != NULL);
    size_t at = 0;
    int r = 0;
    while (at < chunk.len && r == 0) {
        if (s->in_item) {
            r = take_item(s, chunk, at, &at, reterr);
        } else if (s->base > 0 || s->form == KUBE_SPLIT_EVENTS) {
            r = between_items(s, chunk, &at, reterr);
        } else {
            r = take_rest(s, chunk, &at, reterr);
        }
    }
    s->offset += chunk.len;
    return r;
}

int kube_split_end(const struct kube_split *s, struct err *reterr)
{
    if (s->in_item)
        return err_set(reterr, -EINVAL, "the stream ended within item %" PRIu64, s->count);
    if (s->form == KUBE_SPLIT_LIST && (s->depth > 0 || s->in_string || s->rest.len == 0)) {
        return err_set(
                reterr, -EINVAL, "the list ended after item %" PRIu64 ", before its end", s->count);
    }
    return 0;
}
