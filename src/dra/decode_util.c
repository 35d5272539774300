/* dra/decode_util.c - typed access to a document's members, with paths in errors.  Pure. */
#include "dra/decode-priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct doc *present(const struct doc *doc)
{
    return doc && doc->kind != DOC_NULL ? doc : NULL;
}

struct dra_at dra_at_root(const struct doc *doc)
{
    return (struct dra_at){.doc = present(doc)};
}

struct dra_at dra_at_field(const struct dra_at *up, const char *field)
{
    return (struct dra_at){.up = up, .field = field, .doc = present(doc_get(up->doc, field))};
}

struct dra_at dra_at_item(const struct dra_at *up, uint32_t index)
{
    const struct doc *item = &up->doc->first[index];
    struct dra_at at = {.up = up, .index = index, .doc = present(item)};
    if (up->doc->kind == DOC_OBJECT) {
        at.keyed = true;
        at.key = item->key;
    } else {
        at.indexed = true;
    }
    return at;
}

static size_t path_print(const struct dra_at *at, char *text, size_t room)
{
    size_t len = at->up ? path_print(at->up, text, room) : 0;
    if (len + 1 >= room)
        return len;
    int added = 0;
    if (at->indexed) {
        added = snprintf(text + len, room - len, "[%" PRIu32 "]", at->index);
    } else if (at->keyed) {
        added = snprintf(text + len, room - len, "[%.*s]", STR_ARG_SHORT(at->key));
    } else if (at->field) {
        added = snprintf(text + len, room - len, "%s%s", len ? "." : "", at->field);
    }
    size_t total = len + (added > 0 ? (size_t)added : 0);
    return total < room ? total : room - 1;
}

const char *dra_at_path(const struct dra_at *at, char *ret_text)
{
    ret_text[0] = '\0';
    (void)path_print(at, ret_text, DRA_PATH_MAX);
    return ret_text;
}

void dra_dec_fail(struct dra_dec *d, const struct dra_at *at, int code, const char *fmt, ...)
{
    if (d->code)
        return;
    char path[DRA_PATH_MAX];
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dra_at_path(at, path);
    uint32_t line = 0;
    for (const struct dra_at *p = at; p && !line; p = p->up)
        line = p->doc ? p->doc->line : 0;
    d->code = line ? err_set(d->err, code, "line %" PRIu32 ": %s: %s", line, path, text)
                   : err_set(d->err, code, "%s%s%s", path, path[0] ? ": " : "", text);
}

static void wrong_kind(struct dra_dec *d, const struct dra_at *at, const char *expected)
{
    dra_dec_fail(d, at, -EINVAL, "expected %s, not %s", expected, doc_kind_name(at->doc->kind));
}

struct str dra_dec_scalar_text(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return STR_LIT("");
    if (at->doc->kind != DOC_STRING) {
        wrong_kind(d, at, "a string");
        return STR_LIT("");
    }
    return at->doc->text;
}

int64_t dra_dec_scalar_int(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return 0;
    if (at->doc->kind != DOC_INT) {
        wrong_kind(d, at, "an integer of 64 bits");
        return 0;
    }
    return at->doc->integer;
}

bool dra_dec_scalar_bool(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return false;
    if (at->doc->kind != DOC_BOOL) {
        wrong_kind(d, at, "true or false");
        return false;
    }
    return at->doc->boolean;
}

void dra_dec_scalar_quantity(struct dra_dec *d, const struct dra_at *at, struct quantity *ret)
{
    if (!at->doc)
        return;
    if (at->doc->kind != DOC_STRING && at->doc->kind != DOC_INT && at->doc->kind != DOC_REAL) {
        wrong_kind(d, at, "a quantity");
        return;
    }
    struct err e = {0};
    int r = quantity_parse(str_trim(at->doc->text), ret, &e);
    if (r)
        dra_dec_fail(d, at, r, "\"%.*s\": %s", STR_ARG_SHORT(at->doc->text), e.text);
}

struct str dra_dec_text(struct dra_dec *d, const struct dra_at *at, const char *field)
{
    struct dra_at member = dra_at_field(at, field);
    return dra_dec_scalar_text(d, &member);
}

uint32_t dra_dec_name(struct dra_dec *d, const struct dra_at *at, const char *field)
{
    return dra_names_add(&d->s->names, dra_dec_text(d, at, field));
}

int64_t dra_dec_int(struct dra_dec *d, const struct dra_at *at, const char *field, int64_t absent)
{
    struct dra_at member = dra_at_field(at, field);
    return member.doc ? dra_dec_scalar_int(d, &member) : absent;
}

bool dra_dec_bool(struct dra_dec *d, const struct dra_at *at, const char *field, bool *ret_present)
{
    struct dra_at member = dra_at_field(at, field);
    if (ret_present)
        *ret_present = member.doc != NULL;
    return dra_dec_scalar_bool(d, &member);
}

bool dra_dec_quantity(
        struct dra_dec *d, const struct dra_at *at, const char *field, struct quantity *ret)
{
    struct dra_at member = dra_at_field(at, field);
    dra_dec_scalar_quantity(d, &member, ret);
    return member.doc != NULL;
}

uint32_t dra_dec_list(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return 0;
    if (at->doc->kind != DOC_ARRAY) {
        wrong_kind(d, at, "a list");
        return 0;
    }
    return at->doc->count;
}

uint32_t dra_dec_map(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return 0;
    if (at->doc->kind != DOC_OBJECT) {
        wrong_kind(d, at, "a map");
        return 0;
    }
    return at->doc->count;
}

void *dra_dec_alloc(struct dra_dec *d, size_t count, size_t size)
{
    if (d->code || count == 0)
        return NULL;
    if (!arena_fits(d->s->arena, count, size)) {
        d->code = err_set(d->err, -E2BIG, "more objects than fit the memory set aside for them");
        return NULL;
    }
    return arena_alloc(d->s->arena, count, size);
}

struct dra_name_list dra_dec_names(struct dra_dec *d, const struct dra_at *at, const char *field)
{
    struct dra_at list = dra_at_field(at, field);
    uint32_t count = dra_dec_list(d, &list);
    uint32_t *names = dra_dec_alloc(d, count, sizeof *names);
    if (!names)
        return (struct dra_name_list){0};
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        names[i] = dra_names_add(&d->s->names, dra_dec_scalar_text(d, &item));
    }
    return (struct dra_name_list){count, names};
}

static void requirements(struct dra_dec *d, const struct dra_at *at,
        const struct dra_requirement **ret, uint32_t *ret_count)
{
    uint32_t count = dra_dec_list(d, at);
    struct dra_requirement *items = dra_dec_alloc(d, count, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        items[i].key = dra_dec_name(d, &item, "key");
        items[i].operator_text = dra_dec_name(d, &item, "operator");
        items[i].values = dra_dec_names(d, &item, "values");
    }
    *ret = items;
    *ret_count = count;
}

const struct dra_node_selector *dra_dec_node_selector(struct dra_dec *d, const struct dra_at *at)
{
    struct dra_at terms = dra_at_field(at, "nodeSelectorTerms");
    uint32_t count = dra_dec_list(d, &terms);
    struct dra_node_selector *selector = dra_dec_alloc(d, 1, sizeof *selector);
    struct dra_term *items = dra_dec_alloc(d, count, sizeof *items);
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at term = dra_at_item(&terms, i);
        struct dra_at expressions = dra_at_field(&term, "matchExpressions");
        struct dra_at fields = dra_at_field(&term, "matchFields");
        requirements(d, &expressions, &items[i].expressions, &items[i].expression_count);
        requirements(d, &fields, &items[i].fields, &items[i].field_count);
    }
    if (!selector)
        return NULL;
    selector->terms = items;
    selector->term_count = items ? count : 0;
    return selector;
}

void dra_dec_taint(struct dra_dec *d, const struct dra_at *at, struct dra_taint *ret)
{
    ret->key = dra_dec_name(d, at, "key");
    ret->value = dra_dec_name(d, at, "value");
    struct str effect = dra_dec_text(d, at, "effect");
    ret->effect_text = dra_names_add(&d->s->names, effect);
    ret->effect = DRA_EFFECT_OTHER;
    if (str_eq_c(effect, "NoSchedule")) {
        ret->effect = DRA_EFFECT_SCHEDULE;
    } else if (str_eq_c(effect, "NoExecute")) {
        ret->effect = DRA_EFFECT_EXECUTE;
    } else if (str_eq_c(effect, "None")) {
        ret->effect = DRA_EFFECT_NONE;
    }
}

void dra_split_name(struct str text, struct str *ret_domain, struct str *ret_id)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (!slash) {
        *ret_domain = STR_LIT("");
        *ret_id = text;
        return;
    }
    size_t len = (size_t)(slash - text.ptr);
    *ret_domain = (struct str){text.ptr, len};
    *ret_id = (struct str){slash + 1, text.len - len - 1};
}
