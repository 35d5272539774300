/* test/diff/cel_batch.c - the C side of celoracle: one JSON object a line in, one out.
 *
 * {"expr", "device"}: what dra_batch_eval() answers, and the estimate of the expression's cost.
 * {"pattern", "text"}: whether the pattern compiles, matches, and all its matches.
 * {"quantity", "other"}: text, order, sum and difference, as Kubernetes prints them.
 * {"version", "other"}: whether both parse, and their order.
 * {"value"}: an expression without variables: its type and what it evaluates to. */
#include "batch.h"

#include "base/arena.h"
#include "base/doc.h"
#include "base/json.h"
#include "base/quantity.h"
#include "cel/regex.h"
#include "cel/semver.h"
#include "dra/batch.h"
#include "dra/device.h"

#include <errno.h>
#include <stdio.h>

static struct str text_of(const struct doc *d, const char *key)
{
    const struct doc *v = doc_get(d, key);
    return v != NULL && v->kind == DOC_STRING ? v->text : STR_LIT("");
}

static void answer_expr(const struct doc *d, struct str line, struct arena *a, struct buf *out)
{
    const struct cel_program *p = NULL;
    struct err e = {0};
    buf_puts(out, "{\"eval\":");
    dra_batch_eval(line, out);
    if (cel_compile(&dra_device_env, text_of(d, "expr"), a, &p, &e) == 0) {
        buf_printf(out, ",\"estimate\":%llu", (unsigned long long)cel_program_estimate(p, a).max);
    }
    buf_putc(out, '}');
}

static void answer_pattern(const struct doc *d, struct arena *a, struct json_writer *w)
{
    const struct cel_regex *re = NULL;
    struct err e = {0};
    struct str text = text_of(d, "text");
    int r = cel_regex_compile(a, text_of(d, "pattern"), &re, &e);
    jw_object(w);
    jw_kv_cstr(w, "outcome", r == 0 ? "ok" : r == -EINVAL ? "bad" : "unsupported");
    if (r == 0) {
        jw_kv_bool(w, "match", cel_regex_match(re, text, a));
        jw_key(w, "found");
        jw_array(w);
        size_t start = 0;
        size_t end = 0;
        for (size_t from = 0; from <= text.len; from = end > from ? end : from + 1) {
            if (!cel_regex_find(re, text, from, a, &start, &end))
                break;
            jw_i64(w, (int64_t)start);
            jw_i64(w, (int64_t)end);
            if (end <= from)
                break;
        }
        jw_array_end(w);
    }
    jw_object_end(w);
}

static void put_quantity(struct json_writer *w, const char *key, const struct quantity *q)
{
    char text[QUANTITY_TEXT_MAX];
    int64_t value = 0;
    (void)quantity_text(q, text);
    jw_kv_cstr(w, key, text);
    if (quantity_as_i64(q, &value)) {
        jw_key(w, "int");
        jw_i64(w, value);
    }
}

static void answer_quantity(const struct doc *d, struct json_writer *w)
{
    struct quantity a = {0};
    struct quantity b = {0};
    struct err e = {0};
    int r = quantity_parse(text_of(d, "quantity"), &a, &e);
    int s = quantity_parse(text_of(d, "other"), &b, &e);
    jw_object(w);
    jw_kv_cstr(w, "outcome",
            r == -ERANGE || s == -ERANGE ? "unsupported"
            : r < 0 || s < 0             ? "bad"
                                         : "ok");
    if (r == 0 && s == 0) {
        struct quantity sum = a;
        struct quantity difference = a;
        char approximate[40];
        jw_kv_i64(w, "order", quantity_cmp(&a, &b));
        put_quantity(w, "text", &a);
        (void)snprintf(approximate, sizeof approximate, "%.17g", quantity_approximate(&a));
        jw_kv_cstr(w, "float", approximate);
        if (quantity_add(&sum, &b) && quantity_sub(&difference, &b)) {
            char text[QUANTITY_TEXT_MAX];
            (void)quantity_text(&sum, text);
            jw_kv_cstr(w, "sum", text);
            (void)quantity_text(&difference, text);
            jw_kv_cstr(w, "difference", text);
        }
    }
    jw_object_end(w);
}

static void answer_version(const struct doc *d, struct json_writer *w)
{
    struct cel_semver a;
    struct cel_semver b;
    struct err e = {0};
    bool ok = cel_semver_parse(text_of(d, "version"), &a, &e) == 0 &&
              cel_semver_parse(text_of(d, "other"), &b, &e) == 0;
    jw_object(w);
    jw_kv_cstr(w, "outcome", ok ? "ok" : "bad");
    if (ok)
        jw_kv_i64(w, "order", cel_semver_cmp(&a, &b));
    jw_object_end(w);
}

static void put_bytes(struct json_writer *w, const char *kind, struct str bytes)
{
    struct buf hex = BUF_INIT(1 << 24);
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(&hex, "%02x", (unsigned char)bytes.ptr[i]);
    jw_kv_str(w, kind, buf_str(&hex));
    buf_clear(&hex);
}

/* A value as {"<kind>": ...}; numbers as text, strings in hexadecimal digits.  Values nest as deep
 * as the expression that made them. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void put_value(struct json_writer *w, struct cel_value v)
{
    char text[64];
    struct cel_value key = {0};
    struct cel_value item = {0};
    jw_object(w);
    switch (v.kind) {
    case CEL_KIND_STRING:
    case CEL_KIND_BYTES:
        put_bytes(w, v.kind == CEL_KIND_STRING ? "string" : "bytes", cel_value_str(v));
        break;
    case CEL_KIND_DOUBLE:
        (void)snprintf(text, sizeof text, "%.17g", v.d);
        jw_kv_cstr(w, "double", text);
        break;
    case CEL_KIND_TIMESTAMP:
        (void)snprintf(text, sizeof text, "%lld.%09d", (long long)v.time->seconds, v.time->nanos);
        jw_kv_cstr(w, "timestamp", text);
        break;
    case CEL_KIND_LIST:
        jw_key(w, "list");
        jw_array(w);
        for (uint32_t i = 0; i < v.list->count; i++)
            put_value(w, v.list->items[i]);
        jw_array_end(w);
        break;
    case CEL_KIND_MAP:
        jw_key(w, "map");
        jw_array(w);
        for (uint32_t i = 0; i < v.map->count; i++) {
            v.map->ops->entry(v.map, i, &key, &item);
            jw_array(w);
            put_value(w, key);
            put_value(w, item);
            jw_array_end(w);
        }
        jw_array_end(w);
        break;
    case CEL_KIND_OPTIONAL:
        jw_key(w, "optional");
        jw_array(w);
        if (v.optional != NULL)
            put_value(w, *v.optional);
        jw_array_end(w);
        break;
    default: {
        struct buf printed = BUF_INIT(4096);
        cel_value_print(&printed, v);
        jw_kv_str(w, cel_value_type_name(v), buf_str(&printed));
        buf_clear(&printed);
        break;
    }
    }
    jw_object_end(w);
}

static void answer_value(const struct doc *d, struct arena *a, struct json_writer *w)
{
    static const struct cel_env env = {0};
    const struct cel_program *p = NULL;
    struct cel_value v = {0};
    struct err e = {0};
    int r = cel_compile(&env, text_of(d, "value"), a, &p, &e);
    jw_object(w);
    if (r < 0) {
        jw_kv_cstr(w, "outcome", r == -ENOTSUP ? "unsupported" : "compile-error");
        jw_kv_cstr(w, "message", e.text);
        jw_object_end(w);
        return;
    }
    struct cel_run run = {.arena = a, .cost_limit = UINT64_MAX};
    jw_kv_cstr(w, "type", cel_program_result_name(p));
    r = cel_eval(p, &run, &v, NULL, &e);
    jw_kv_cstr(w, "outcome", r == 0 ? "value" : r == -ENOTSUP ? "unsupported" : "runtime-error");
    if (r < 0)
        jw_kv_cstr(w, "message", e.text);
    if (r == 0) {
        jw_key(w, "value");
        put_value(w, v);
    }
    jw_object_end(w);
}

static void answer(struct str line, struct buf *out)
{
    struct arena *a = arena_new(0);
    const struct doc *d = NULL;
    struct err e = {0};
    struct json_writer w = JSON_WRITER(out, 0);
    if (doc_parse_json(a, line, line.len + 1, &d, &e) < 0)
        buf_printf(out, "{\"outcome\":\"input\",\"message\":\"%s\"}", e.text);
    else if (doc_get(d, "expr") != NULL)
        answer_expr(d, line, a, out);
    else if (doc_get(d, "value") != NULL)
        answer_value(d, a, &w);
    else if (doc_get(d, "pattern") != NULL)
        answer_pattern(d, a, &w);
    else if (doc_get(d, "quantity") != NULL)
        answer_quantity(d, &w);
    else
        answer_version(d, &w);
    arena_free(a);
}

int main(void)
{
    return batch_main(answer);
}
