/* base/json.c - writing JSON.  Pure; output into the caller's buf. */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>

static void line_break(struct json_writer *w)
{
    if (w->indent == 0)
        return;
    buf_putc(w->out, '\n');
    for (unsigned i = 0; i < w->depth * w->indent; i++)
        buf_putc(w->out, ' ');
}

/* What stands between the item before and the one that now begins. */
static void begin_item(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (w->has_item[w->depth - 1])
        buf_putc(w->out, ',');
    w->has_item[w->depth - 1] = true;
    line_break(w);
}

static void open_level(struct json_writer *w, char bracket)
{
    assert(w->depth < JSON_DEPTH_MAX);
    begin_item(w);
    buf_putc(w->out, bracket);
    w->has_item[w->depth++] = false;
}

static void close_level(struct json_writer *w, char bracket)
{
    assert(w->depth > 0);
    assert(!w->after_key);
    bool had_item = w->has_item[--w->depth];
    if (had_item)
        line_break(w);
    buf_putc(w->out, bracket);
}

void jw_object(struct json_writer *w)
{
    open_level(w, '{');
}

void jw_object_end(struct json_writer *w)
{
    close_level(w, '}');
}

void jw_array(struct json_writer *w)
{
    open_level(w, '[');
}

void jw_array_end(struct json_writer *w)
{
    close_level(w, ']');
}

static void put_quoted(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    json_escape(out, s);
    buf_putc(out, '"');
}

void jw_key_str(struct json_writer *w, struct str key)
{
    assert(w->depth > 0);
    assert(!w->after_key);
    begin_item(w);
    put_quoted(w->out, key);
    buf_putc(w->out, ':');
    if (w->indent != 0)
        buf_putc(w->out, ' ');
    w->after_key = true;
}

void jw_key(struct json_writer *w, const char *key)
{
    jw_key_str(w, str_from(key));
}

static void put_word(struct json_writer *w, const char *word)
{
    begin_item(w);
    buf_puts(w->out, word);
}

void jw_null(struct json_writer *w)
{
    put_word(w, "null");
}

void jw_bool(struct json_writer *w, bool value)
{
    put_word(w, value ? "true" : "false");
}

void jw_i64(struct json_writer *w, int64_t value)
{
    begin_item(w);
    buf_printf(w->out, "%" PRId64, value);
}

void jw_u64(struct json_writer *w, uint64_t value)
{
    begin_item(w);
    buf_printf(w->out, "%" PRIu64, value);
}

void jw_str(struct json_writer *w, struct str value)
{
    begin_item(w);
    put_quoted(w->out, value);
}

void jw_raw(struct json_writer *w, struct str json)
{
    begin_item(w);
    buf_put(w->out, json);
}

void jw_cstr(struct json_writer *w, const char *value)
{
    jw_str(w, str_from(value));
}

void jw_fixed(struct json_writer *w, int64_t value, unsigned decimals)
{
    char text[STR_FIXED_BYTES];
    put_word(w, str_format_fixed(value, decimals, text));
}

void jw_kv_i64(struct json_writer *w, const char *key, int64_t value)
{
    jw_key(w, key);
    jw_i64(w, value);
}

void jw_kv_u64(struct json_writer *w, const char *key, uint64_t value)
{
    jw_key(w, key);
    jw_u64(w, value);
}

void jw_kv_bool(struct json_writer *w, const char *key, bool value)
{
    jw_key(w, key);
    jw_bool(w, value);
}

void jw_kv_str(struct json_writer *w, const char *key, struct str value)
{
    jw_key(w, key);
    jw_str(w, value);
}

void jw_kv_cstr(struct json_writer *w, const char *key, const char *value)
{
    jw_key(w, key);
    jw_cstr(w, value);
}

void jw_kv_fixed(struct json_writer *w, const char *key, int64_t value, unsigned decimals)
{
    jw_key(w, key);
    jw_fixed(w, value, decimals);
}

/* How many bytes at the start of `s` need no escape; they may be any UTF-8. */
static size_t plain_run(struct str s)
{
    size_t i = 0;
    while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return i;
}

static void put_escape(struct buf *out, char c)
{
    switch (c) {
    case '"':
        buf_puts(out, "\\\"");
        break;
    case '\\':
        buf_puts(out, "\\\\");
        break;
    case '\n':
        buf_puts(out, "\\n");
        break;
    case '\r':
        buf_puts(out, "\\r");
        break;
    case '\t':
        buf_puts(out, "\\t");
        break;
    default:
        buf_printf(out, "\\u%04x", (unsigned char)c);
        break;
    }
}

/* json_escape for a part that is UTF-8. */
static void escape_utf8(struct buf *out, struct str s)
{
    while (s.len > 0) {
        size_t run = plain_run(s);
        buf_put(out, (struct str){s.ptr, run});
        if (run == s.len)
            return;
        put_escape(out, s.ptr[run]);
        s = (struct str){s.ptr + run + 1, s.len - run - 1};
    }
}

void json_escape(struct buf *out, struct str s)
{
    for (;;) {
        size_t good = str_utf8_prefix(s);
        escape_utf8(out, (struct str){s.ptr, good});
        if (good == s.len)
            return;
        buf_puts(out, "\xEF\xBF\xBD"); /* U+FFFD */
        s = (struct str){s.ptr + good + 1, s.len - good - 1};
    }
}
