/* cel/fn_extra.c - quantities, versions and patterns: Kubernetes' libraries and matches().
 *
 * Pure. */
#include "cel/node-priv.h"

#include <assert.h>
#include <errno.h>

static struct cel_value make_quantity(struct cel_state *s, const struct quantity *q, bool computed)
{
    struct quantity *copy = ARENA_NEW(s->arena, struct quantity);
    *copy = *q;
    struct cel_value v = cel_quantity(copy);
    v.size = computed;
    return v;
}

static struct cel_value parse_quantity(struct cel_state *s, struct str text, bool test)
{
    struct quantity q = {0};
    struct err e = {0};
    int r = quantity_parse(text, &q, &e);
    if (test) /* what has too many digits for us is a quantity all the same */
        return cel_bool(r == 0 || r == -ERANGE);
    if (r == -ERANGE)
        return cel_fault_give_up(s, arena_printf(s->arena, "%s", e.text));
    return r == 0 ? make_quantity(s, &q, false)
                  : cel_fault_text(s, arena_printf(s->arena, "%s", e.text));
}

static struct cel_value quantity_sum(
        struct cel_state *s, const struct quantity *a, struct cel_value b, bool subtract)
{
    struct quantity q = *a;
    struct quantity y;
    if (b.kind == CEL_KIND_INT) {
        y = quantity_from_i64(b.i, QUANTITY_DECIMAL_EXPONENT);
    } else {
        y = *b.quantity;
    }
    if (!(subtract ? quantity_sub(&q, &y) : quantity_add(&q, &y)))
        return cel_fault_give_up(s, "a quantity of more than 38 digits is not supported");
    return make_quantity(s, &q, true);
}

static struct cel_value compare_result(unsigned function, int order)
{
    switch (function) {
    case CEL_FN_ISGREATERTHAN:
        return cel_bool(order > 0);
    case CEL_FN_ISLESSTHAN:
        return cel_bool(order < 0);
    default:
        return cel_int(order);
    }
}

static struct cel_value call_quantity(
        struct cel_state *s, unsigned function, const struct cel_value *args)
{
    const struct quantity *q = args[0].quantity;
    int64_t i = 0;
    switch (function) {
    case CEL_FN_ISINTEGER:
        return cel_bool(quantity_as_i64(q, &i));
    case CEL_FN_ASINTEGER:
        return quantity_as_i64(q, &i) ? cel_int(i)
                                      : cel_fault_text(s, "cannot convert value to integer");
    case CEL_FN_ASAPPROXIMATEFLOAT:
        return (struct cel_value){.kind = CEL_KIND_DOUBLE, .d = quantity_approximate(q)};
    case CEL_FN_SIGN:
        return cel_int(quantity_sign(q));
    case CEL_FN_QUANTITY_ADD:
    case CEL_FN_SUB:
        return quantity_sum(s, q, args[1], function == CEL_FN_SUB);
    default:
        return compare_result(function, quantity_cmp(q, args[1].quantity));
    }
}

static struct cel_value parse_semver(
        struct cel_state *s, struct str text, bool normalize, bool test)
{
    struct cel_semver v = {0};
    struct err e = {0};
    int r = 0;
    if (normalize) {
        char *out = cel_bytes_new(s, text.len + CEL_SEMVER_NORMALIZE_EXTRA);
        if (out == NULL)
            return cel_fault_give_up(s, NULL);
        size_t len = 0;
        r = cel_semver_normalize(text, out, &len, &e);
        text = (struct str){out, len};
    }
    if (r == 0)
        r = cel_semver_parse(text, &v, &e);
    if (test)
        return cel_bool(r == 0);
    if (r < 0)
        return cel_fault_text(s, arena_printf(s->arena, "%s", e.text));
    struct cel_semver *copy = ARENA_NEW(s->arena, struct cel_semver);
    *copy = v;
    return cel_semver(copy);
}

struct cel_value cel_call_extra(struct cel_state *s, uint16_t ov, const struct cel_value *args)
{
    const struct cel_overload *o = &cel_overloads[ov];
    struct str text = args[0].kind == CEL_KIND_STRING ? cel_value_str(args[0]) : STR_LIT("");
    switch (o->function) {
    case CEL_FN_QUANTITY:
    case CEL_FN_ISQUANTITY:
        return parse_quantity(s, text, o->function == CEL_FN_ISQUANTITY);
    case CEL_FN_SEMVER:
    case CEL_FN_ISSEMVER:
        return parse_semver(
                s, text, o->arg_count == 2 && args[1].b, o->function == CEL_FN_ISSEMVER);
    case CEL_FN_MAJOR:
        return cel_int((int64_t)args[0].semver->major);
    case CEL_FN_MINOR:
        return cel_int((int64_t)args[0].semver->minor);
    case CEL_FN_PATCH:
        return cel_int((int64_t)args[0].semver->patch);
    default:
        if (args[0].kind == CEL_KIND_SEMVER)
            return compare_result(o->function, cel_semver_cmp(args[0].semver, args[1].semver));
        return call_quantity(s, o->function, args);
    }
}

/* All matches, at most `limit` (below 0: all); an empty one right after a match does not count. */
static struct cel_value find_all(
        struct cel_state *s, const struct cel_regex *re, struct str text, int64_t limit)
{
    struct cel_list_growing found = {0};
    struct cel_value list = cel_list(&found.list);
    list.size = CEL_SIZE_MUTABLE;
    size_t from = 0;
    size_t last_end = SIZE_MAX;
    for (int64_t n = 0; from <= text.len && (limit < 0 || n < limit);) {
        size_t start = 0;
        size_t end = 0;
        if (!cel_regex_find(re, text, from, s->arena, &start, &end))
            break;
        bool accept = end > start || start != last_end;
        if (end > from) {
            from = end;
        } else {
            for (from++; from < text.len && ((unsigned char)text.ptr[from] & 0xc0) == 0x80;)
                from++;
        }
        last_end = end;
        if (!accept)
            continue;
        struct cel_value item = cel_string((struct str){text.ptr + start, end - start});
        struct cel_list one = {&item, 1};
        struct cel_value grown = cel_concat(s, list, cel_list(&one));
        if (cel_is_error(grown))
            return grown;
        n++;
    }
    return cel_list_new(s, (struct cel_value *)(uintptr_t)found.list.items, found.list.count);
}

struct cel_value cel_call_regex(
        struct cel_state *s, const struct cel_node *n, const struct cel_value *args)
{
    struct str text = cel_value_str(args[0]);
    const struct cel_regex *re = n->regex;
    if (text.ptr == NULL)
        text = STR_LIT("");
    if (re == NULL) {
        struct err e = {0};
        int r = cel_regex_compile(s->arena, cel_value_str(args[1]), &re, &e);
        if (r < 0) {
            const char *why = arena_printf(s->arena, "%s", e.text);
            return r == -EINVAL ? cel_fault_text(s, why) : cel_fault_give_up(s, why);
        }
    }
    if (n->function == CEL_FN_MATCHES)
        return cel_bool(cel_regex_match(re, text, s->arena));
    if (n->function == CEL_FN_FINDALL)
        return find_all(s, re, text, n->count == 3 ? args[2].i : -1);
    size_t start = 0;
    size_t end = 0;
    if (!cel_regex_find(re, text, 0, s->arena, &start, &end))
        return cel_string(STR_LIT(""));
    return cel_string((struct str){text.ptr + start, end - start});
}
