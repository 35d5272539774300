/* base/json.h - writing JSON, in order, with exact integers.
 *
 * Pure.  The caller opens and closes; commas, quoting and indentation are ours.  Strings that are
 * not UTF-8 have their bad bytes replaced by U+FFFD.  Decimals are written from scaled integers, so
 * output does not depend on the libc. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 64 };

/* Initialise with JSON_WRITER(buf, indent); indent 0 = one line. */
struct json_writer {
    struct buf *out;
    unsigned indent;
    unsigned depth;
    bool after_key;
    bool has_item[JSON_DEPTH_MAX];
};

#define JSON_WRITER(buf_ptr, indent_width)                                                         \
    ((struct json_writer){.out = (buf_ptr), .indent = (indent_width)})

void jw_object(struct json_writer *w);
void jw_object_end(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_array_end(struct json_writer *w);
void jw_key(struct json_writer *w, const char *key);
void jw_key_str(struct json_writer *w, struct str key);
void jw_null(struct json_writer *w);
void jw_bool(struct json_writer *w, bool value);
void jw_i64(struct json_writer *w, int64_t value);
void jw_u64(struct json_writer *w, uint64_t value);
void jw_str(struct json_writer *w, struct str value);
void jw_cstr(struct json_writer *w, const char *value);

/* A value that is JSON already (a number as it was read, a compact subtree); not checked. */
void jw_raw(struct json_writer *w, struct str json);

/* value / 10^decimals, trailing zeros cut: jw_fixed(w, 12340, 4) writes 1.234. */
void jw_fixed(struct json_writer *w, int64_t value, unsigned decimals);

/* key and value in one call. */
void jw_kv_i64(struct json_writer *w, const char *key, int64_t value);
void jw_kv_u64(struct json_writer *w, const char *key, uint64_t value);
void jw_kv_bool(struct json_writer *w, const char *key, bool value);
void jw_kv_str(struct json_writer *w, const char *key, struct str value);
void jw_kv_cstr(struct json_writer *w, const char *key, const char *value);
void jw_kv_fixed(struct json_writer *w, const char *key, int64_t value, unsigned decimals);

/* Appends `s` escaped as the inside of a JSON string, without quotes. */
void json_escape(struct buf *out, struct str s);

#endif
