/* dra/validate_util.c - names, quantities, taints, selectors and configurations.  Pure. */
#include "dra/device.h"
#include "dra/validate-priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SELECTORS_MAX = 32, OPAQUE_BYTES_MAX = 10240, LABEL_MAX = 63, DOMAIN_MAX = 63, ID_MAX = 32 };

#define LABEL_REASON                                                                               \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character"
#define SUBDOMAIN_REASON                                                                           \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character"

void dra_problem(struct dra_check *c, const struct dra_at *at, const char *fmt, ...)
{
    if (c->stop)
        return;
    char path[DRA_PATH_MAX];
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    uint32_t line = 0;
    for (const struct dra_at *p = at; p && !line; p = p->up)
        line = p->doc ? p->doc->line : 0;
    dra_at_path(at, path);
    c->count++;
    if (c->on_problem) {
        c->on_problem(c->context, line, path, text);
        return;
    }
    c->stop = true;
    if (line) {
        (void)err_set(c->err, -EINVAL, "line %" PRIu32 ": %s: %s", line, path, text);
    } else {
        (void)err_set(c->err, -EINVAL, "%s: %s", path, text);
    }
}

void dra_invalid(struct dra_check *c, const struct dra_at *at, const char *why)
{
    struct str text = at->doc ? at->doc->text : STR_LIT("");
    dra_problem(c, at, "Invalid value: \"%.*s\": %s", STR_ARG_SHORT(text), why);
}

static bool kind_is(struct dra_check *c, const struct dra_at *at, enum doc_kind kind)
{
    if (!at->doc)
        return false;
    if (at->doc->kind == kind)
        return true;
    dra_problem(c, at, "Invalid value: expected %s, not %s", doc_kind_name(kind),
            doc_kind_name(at->doc->kind));
    return false;
}

bool dra_is_string(struct dra_check *c, const struct dra_at *at)
{
    return kind_is(c, at, DOC_STRING);
}

struct str dra_member(struct dra_check *c, const struct dra_at *at, const char *field,
        bool required, struct dra_at *ret_at)
{
    *ret_at = dra_at_field(at, field);
    if (ret_at->doc && !dra_is_string(c, ret_at)) {
        ret_at->doc = NULL;
    } else if (required && (!ret_at->doc || ret_at->doc->text.len == 0)) {
        dra_problem(c, ret_at, "Required value");
    }
    if (ret_at->doc && ret_at->doc->text.len == 0)
        ret_at->doc = NULL;
    return ret_at->doc ? ret_at->doc->text : STR_LIT("");
}

uint32_t dra_items(struct dra_check *c, const struct dra_at *at, uint32_t most)
{
    if (!kind_is(c, at, DOC_ARRAY))
        return 0;
    if (at->doc->count > most) {
        dra_problem(c, at, "Too many: %" PRIu32 ": must have at most %" PRIu32 " items",
                at->doc->count, most);
        return 0; /* upstream looks no further */
    }
    return at->doc->count;
}

uint32_t dra_entries(struct dra_check *c, const struct dra_at *at)
{
    return kind_is(c, at, DOC_OBJECT) ? at->doc->count : 0;
}

void dra_check_unique(struct dra_check *c, const struct dra_at *list, const char *field)
{
    struct map_str seen = {0};
    for (uint32_t i = 0; list->doc && list->doc->kind == DOC_ARRAY && i < list->doc->count; i++) {
        struct dra_at item = dra_at_item(list, i);
        struct dra_at at = field && item.doc ? dra_at_field(&item, field) : item;
        struct str key = at.doc && at.doc->kind == DOC_STRING ? at.doc->text : STR_LIT("");
        if (map_str_set(&seen, key, 1) != MAP_NONE)
            dra_problem(c, &item, "Duplicate value: \"%.*s\"", STR_ARG_SHORT(key));
    }
    map_str_clear(&seen);
}

static bool lower_or_digit(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

bool dra_is_label(struct str s)
{
    if (s.len == 0 || s.len > LABEL_MAX || !lower_or_digit(s.ptr[0]) ||
            !lower_or_digit(s.ptr[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!lower_or_digit(s.ptr[i]) && s.ptr[i] != '-')
            return false;
    }
    return true;
}

static bool is_subdomain(struct str s, size_t most)
{
    struct str part;
    bool good = s.len > 0 && s.len <= most;
    bool dot_last = s.len > 0 && s.ptr[s.len - 1] == '.';
    while (good && str_split(&s, '.', &part)) {
        good = part.len > 0 && lower_or_digit(part.ptr[0]) &&
               lower_or_digit(part.ptr[part.len - 1]);
        for (size_t i = 0; good && i < part.len; i++)
            good = lower_or_digit(part.ptr[i]) || part.ptr[i] == '-';
    }
    return good && !dot_last;
}

static bool is_identifier(struct str s)
{
    if (s.len == 0 || (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!lower_or_digit(s.ptr[i]) && !(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') && s.ptr[i] != '_')
            return false;
    }
    return true;
}

void dra_check_label(struct dra_check *c, const struct dra_at *at)
{
    if (dra_is_string(c, at) && !dra_is_label(at->doc->text))
        dra_invalid(c, at, LABEL_REASON);
}

void dra_check_subdomain(struct dra_check *c, const struct dra_at *at, size_t most)
{
    if (dra_is_string(c, at) && !is_subdomain(at->doc->text, most))
        dra_invalid(c, at, SUBDOMAIN_REASON);
}

void dra_check_name(struct dra_check *c, const struct dra_at *at)
{
    if (!at->doc) {
        dra_problem(c, at, "Invalid value: \"\": " LABEL_REASON);
    } else {
        dra_check_label(c, at);
    }
}

/* A DNS subdomain but for the case of letters. */
static bool is_driver(struct str text)
{
    struct buf lower = BUF_INIT(text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.ptr[i];
        buf_putc(&lower, ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch);
    }
    bool good = is_subdomain(buf_str(&lower), 253);
    buf_clear(&lower);
    return good;
}

void dra_check_driver(struct dra_check *c, const struct dra_at *at)
{
    if (!dra_is_string(c, at))
        return;
    if (!is_driver(at->doc->text))
        dra_invalid(c, at, SUBDOMAIN_REASON);
    if (at->doc->text.len > LABEL_MAX)
        dra_problem(c, at, "Too long: may not be more than %d bytes", LABEL_MAX);
}

void dra_check_pool(struct dra_check *c, const struct dra_at *at)
{
    if (!dra_is_string(c, at))
        return;
    struct str rest = at->doc->text;
    struct str part;
    if (rest.len > 253)
        dra_problem(c, at, "Too long: may not be more than 253 bytes");
    while (str_split(&rest, '/', &part)) {
        if (is_subdomain(part, 253))
            continue;
        dra_invalid(c, at, SUBDOMAIN_REASON);
        return;
    }
}

/* Letters, digits, '-', '_' and '.' inside, letters and digits at the ends; at most 63. */
static bool is_label_part(struct str s)
{
    if (s.len == 0 || s.len > LABEL_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool plain = lower_or_digit(ch) || (ch >= 'A' && ch <= 'Z');
        bool inside = i > 0 && i + 1 < s.len && (ch == '-' || ch == '_' || ch == '.');
        if (!plain && !inside)
            return false;
    }
    return true;
}

void dra_check_label_key(struct dra_check *c, const struct dra_at *at, struct str key)
{
    const char *slash = key.len > 0 ? memchr(key.ptr, '/', key.len) : NULL;
    struct str name = key;
    bool good = true;
    if (slash) {
        struct str prefix = {key.ptr, (size_t)(slash - key.ptr)};
        name = (struct str){slash + 1, key.len - prefix.len - 1};
        good = is_subdomain(prefix, 253);
    }
    if (!good || !is_label_part(name)) {
        dra_problem(c, at,
                "Invalid value: \"%.*s\": must be a qualified name: an optional DNS subdomain and "
                "'/', then at most 63 alphanumeric characters, '-', '_' or '.', with an "
                "alphanumeric character at both ends",
                STR_ARG_SHORT(key));
    }
}

void dra_check_label_value(struct dra_check *c, const struct dra_at *at, struct str value)
{
    if (value.len > 0 && !is_label_part(value)) {
        dra_invalid(c, at,
                "a valid label must be an empty string or at most 63 alphanumeric characters, '-', "
                "'_' or '.', with an alphanumeric character at both ends");
    }
}

void dra_check_qualified(struct dra_check *c, const struct dra_at *at, struct str name, bool full)
{
    struct str domain;
    struct str id;
    dra_split_name(name, &domain, &id);
    bool slash = name.len > 0 && memchr(name.ptr, '/', name.len);
    if (slash && domain.len > DOMAIN_MAX)
        dra_problem(c, at, "Too long: may not be more than %d bytes", DOMAIN_MAX);
    if (id.len > ID_MAX)
        dra_problem(c, at, "Too long: may not be more than %d bytes", ID_MAX);
    if (full && !slash) {
        dra_problem(c, at, "Invalid value: \"%.*s\": must include a domain", STR_ARG_SHORT(name));
    } else if (slash && !(full ? is_subdomain(domain, 253) : is_driver(domain))) {
        dra_problem(c, at, "Invalid value: \"%.*s\": the domain must be a DNS subdomain",
                STR_ARG_SHORT(name));
    } else if (!is_identifier(id)) {
        dra_problem(c, at,
                "Invalid value: \"%.*s\": a valid C identifier must start with "
                "alphabetic character or '_', followed by a string of alphanumeric "
                "characters or '_', at most 32 in all",
                STR_ARG_SHORT(name));
    }
}

bool dra_check_quantity(struct dra_check *c, const struct dra_at *at, struct quantity *ret)
{
    struct err e = {0};
    if (!at->doc) {
        dra_problem(c, at, "Required value");
        return false;
    }
    if (at->doc->kind != DOC_STRING && at->doc->kind != DOC_INT && at->doc->kind != DOC_REAL) {
        dra_problem(c, at, "Invalid value: expected a quantity");
        return false;
    }
    if (quantity_parse(str_trim(at->doc->text), ret, &e) == 0)
        return true;
    dra_invalid(c, at, e.text);
    return false;
}

bool dra_check_amount(struct dra_check *c, const struct dra_at *at, struct quantity *ret)
{
    if (at->doc)
        return dra_check_quantity(c, at, ret);
    *ret = quantity_from_i64(0, QUANTITY_DECIMAL_SI);
    return true;
}

bool dra_check_integer(struct dra_check *c, const struct dra_at *at, int64_t *ret)
{
    if (!kind_is(c, at, DOC_INT))
        return false;
    *ret = at->doc->integer;
    return true;
}

bool dra_check_bool(struct dra_check *c, const struct dra_at *at)
{
    return kind_is(c, at, DOC_BOOL) && at->doc->boolean;
}

void dra_check_taint(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at member;
    struct str key = dra_member(c, at, "key", false, &member);
    dra_check_label_key(c, &member, key);
    struct str value = dra_member(c, at, "value", false, &member);
    dra_check_label_value(c, &member, value);
    struct str effect = dra_member(c, at, "effect", true, &member);
    if (member.doc && !str_eq_c(effect, "None") && !str_eq_c(effect, "NoSchedule") &&
            !str_eq_c(effect, "NoExecute")) {
        dra_problem(c, &member,
                "Unsupported value: \"%.*s\": supported values: \"NoExecute\", "
                "\"NoSchedule\", \"None\"",
                STR_ARG_SHORT(effect));
    }
}

void dra_check_expression(struct dra_check *c, const struct dra_at *at, bool selector)
{
    if (at->doc->text.len > DRA_SELECTOR_TEXT_MAX) {
        dra_problem(c, at, "Too long: may not be more than %d bytes", DRA_SELECTOR_TEXT_MAX);
        return;
    }
    if (at->doc->text.len == 0) {
        dra_invalid(c, at, "compilation failed: Syntax error: mismatched input '<EOF>'");
        return;
    }
    struct arena *arena = arena_new(0);
    const struct cel_program *program = NULL;
    struct err e = {0};
    int r = selector ? dra_selector_compile(at->doc->text, arena, &program, &e)
                     : cel_compile(&dra_device_env, at->doc->text, arena, &program, &e);
    if (r == -EINVAL || r == -E2BIG) {
        dra_problem(c, at, "Invalid value: \"%.*s\": compilation failed: %s",
                STR_ARG_SHORT(at->doc->text), e.text);
    } else if (r == 0) {
        struct cel_cost_range cost = cel_program_estimate(program, arena);
        if (cost.max > DRA_SELECTOR_COST_MAX)
            dra_problem(c, at, "Forbidden: too complex, exceeds cost limit");
    }
    (void)arena_free(arena);
}

void dra_check_selectors(struct dra_check *c, const struct dra_at *owner)
{
    struct dra_at list = dra_at_field(owner, "selectors");
    uint32_t count = dra_items(c, &list, SELECTORS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at cel = dra_at_field(&item, "cel");
        struct dra_at text = dra_at_field(&cel, "expression");
        if (!cel.doc) {
            dra_problem(c, &cel, "Required value");
        } else if (!text.doc) {
            dra_problem(
                    c, &text, "Invalid value: \"\": compilation failed: there is no expression");
        } else if (dra_is_string(c, &text)) {
            dra_check_expression(c, &text, true);
        }
    }
}

/* Bytes of the subtree as compact JSON, near enough for the limit. */
static size_t tree_bytes(const struct doc *doc)
{
    size_t bytes = doc->key.len + doc->text.len + 4;
    for (uint32_t i = 0; i < doc->count; i++)
        bytes += tree_bytes(&doc->first[i]);
    return bytes;
}

void dra_check_opaque(struct dra_check *c, const struct dra_at *item)
{
    struct dra_at opaque = dra_at_field(item, "opaque");
    struct dra_at driver;
    if (!opaque.doc) {
        dra_problem(c, &opaque, "Required value");
        return;
    }
    struct dra_at parameters = dra_at_field(&opaque, "parameters");
    (void)dra_member(c, &opaque, "driver", true, &driver);
    if (driver.doc)
        dra_check_driver(c, &driver);
    if (!parameters.doc) {
        dra_problem(c, &parameters, "Required value");
    } else if (parameters.doc->kind != DOC_OBJECT) {
        dra_problem(c, &parameters, "Invalid value: must be a valid JSON object");
    } else if (tree_bytes(parameters.doc) > 2 * (size_t)OPAQUE_BYTES_MAX) {
        dra_problem(c, &parameters, "Too long: may not be more than %d bytes", OPAQUE_BYTES_MAX);
    }
}

static void check_requirement(struct dra_check *c, const struct dra_at *at, bool is_field)
{
    static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};
    struct dra_at member;
    struct dra_at values = dra_at_field(at, "values");
    struct str key = dra_member(c, at, "key", false, &member);
    if (!is_field) {
        dra_check_label_key(c, &member, key);
    } else if (!str_eq_c(key, "metadata.name")) {
        dra_problem(c, &member, "Invalid value: \"%.*s\": not a valid field selector key",
                STR_ARG_SHORT(key));
    }
    struct str op = dra_member(c, at, "operator", false, &member);
    if (op.len == 0)
        dra_problem(c, &member, "Invalid value: \"\": not a valid selector operator");
    uint32_t count = dra_items(c, &values, UINT32_MAX);
    size_t known = 0;
    while (known < (is_field ? 2 : 6) && !str_eq_c(op, operators[known]))
        known++;
    if (member.doc && known == (is_field ? 2 : 6)) {
        dra_invalid(c, &member, "not a valid selector operator");
    } else if (known < 2 && (count == 0 || (is_field && count != 1))) {
        dra_problem(
                c, &values, "Required value: must be specified when `operator` is 'In' or 'NotIn'");
    } else if (!is_field && (known == 2 || known == 3) && count > 0) {
        dra_problem(c, &values,
                "Forbidden: may not be specified when `operator` is 'Exists' or "
                "'DoesNotExist'");
    } else if (!is_field && (known == 4 || known == 5) && count != 1) {
        dra_problem(c, &values,
                "Required value: must be specified single value when `operator` is "
                "'Lt' or 'Gt'");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&values, i);
        if (!dra_is_string(c, &item))
            continue;
        if (!is_field) {
            dra_check_label_value(c, &item, item.doc->text);
        } else if (str_eq_c(key, "metadata.name")) {
            dra_check_subdomain(c, &item, 253);
        }
    }
}

void dra_check_node_selector(struct dra_check *c, const struct dra_at *at, bool one_term)
{
    struct dra_at terms = dra_at_field(at, "nodeSelectorTerms");
    uint32_t count = dra_items(c, &terms, UINT32_MAX);
    if (count == 0)
        dra_problem(c, &terms, "Required value: must have at least one node selector term");
    if (one_term && count != 1)
        dra_problem(c, &terms, "Invalid value: must have exactly one node selector term");
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at term = dra_at_item(&terms, i);
        for (int is_field = 0; is_field < 2; is_field++) {
            struct dra_at list = dra_at_field(&term, is_field ? "matchFields" : "matchExpressions");
            uint32_t items = dra_items(c, &list, UINT32_MAX);
            for (uint32_t k = 0; k < items; k++) {
                struct dra_at item = dra_at_item(&list, k);
                check_requirement(c, &item, is_field);
            }
        }
    }
}
