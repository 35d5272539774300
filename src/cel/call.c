/* cel/call.c - from a call to the overload that its values select, and that overload's library.
 *
 * Pure.  Upstream guards every overload by the run-time kinds of its arguments and tries a
 * function's overloads in their order of declaration. */
#include "cel/node-priv.h"

#include <assert.h>

bool cel_value_matches(const struct cel_type *t, struct cel_value v)
{
    if (t->kind == CEL_KIND_PARAM || cel_type_is_dyn(t))
        return true;
    if (v.kind != (uint32_t)t->kind)
        return false;
    if (t->kind == CEL_KIND_LIST)
        return v.list->count == 0 || cel_value_matches(t->param[0], v.list->items[0]);
    if (t->kind == CEL_KIND_MAP) {
        struct cel_value key = {0};
        struct cel_value value = {0};
        if (v.map->count == 0)
            return true;
        v.map->ops->entry(v.map, 0, &key, &value);
        return cel_value_matches(t->param[0], key) && cel_value_matches(t->param[1], value);
    }
    return true;
}

static bool overload_matches(
        const struct cel_overload *o, const struct cel_value *args, uint32_t count)
{
    if (o->arg_count != count || (o->flags & CEL_OVERLOAD_LEFT_OUT) != 0)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!cel_value_matches(o->args[i], args[i]))
            return false;
    }
    return true;
}

/* The file that knows a function; lists are the rest. */
enum family {
    FAMILY_LIST,
    FAMILY_OPERATOR,
    FAMILY_CONVERT,
    FAMILY_TIME,
    FAMILY_REGEX,
    FAMILY_STRING,
    FAMILY_EXTRA,
};

static const uint8_t families[CEL_FN_COUNT] = {
        [CEL_FN_ADD] = FAMILY_OPERATOR,
        [CEL_FN_SUBTRACT] = FAMILY_OPERATOR,
        [CEL_FN_MULTIPLY] = FAMILY_OPERATOR,
        [CEL_FN_DIVIDE] = FAMILY_OPERATOR,
        [CEL_FN_MODULO] = FAMILY_OPERATOR,
        [CEL_FN_NEGATE] = FAMILY_OPERATOR,
        [CEL_FN_NOT] = FAMILY_OPERATOR,
        [CEL_FN_LT] = FAMILY_OPERATOR,
        [CEL_FN_LE] = FAMILY_OPERATOR,
        [CEL_FN_GT] = FAMILY_OPERATOR,
        [CEL_FN_GE] = FAMILY_OPERATOR,
        [CEL_FN_IN] = FAMILY_OPERATOR,
        [CEL_FN_BOOL] = FAMILY_CONVERT,
        [CEL_FN_BYTES] = FAMILY_CONVERT,
        [CEL_FN_DOUBLE] = FAMILY_CONVERT,
        [CEL_FN_DURATION] = FAMILY_CONVERT,
        [CEL_FN_DYN] = FAMILY_CONVERT,
        [CEL_FN_INT] = FAMILY_CONVERT,
        [CEL_FN_STRING] = FAMILY_CONVERT,
        [CEL_FN_TIMESTAMP] = FAMILY_CONVERT,
        [CEL_FN_TYPE] = FAMILY_CONVERT,
        [CEL_FN_UINT] = FAMILY_CONVERT,
        [CEL_FN_SIZE] = FAMILY_CONVERT,
        [CEL_FN_GETDATE] = FAMILY_TIME,
        [CEL_FN_GETDAYOFMONTH] = FAMILY_TIME,
        [CEL_FN_GETDAYOFWEEK] = FAMILY_TIME,
        [CEL_FN_GETDAYOFYEAR] = FAMILY_TIME,
        [CEL_FN_GETFULLYEAR] = FAMILY_TIME,
        [CEL_FN_GETHOURS] = FAMILY_TIME,
        [CEL_FN_GETMILLISECONDS] = FAMILY_TIME,
        [CEL_FN_GETMINUTES] = FAMILY_TIME,
        [CEL_FN_GETMONTH] = FAMILY_TIME,
        [CEL_FN_GETSECONDS] = FAMILY_TIME,
        [CEL_FN_MATCHES] = FAMILY_REGEX,
        [CEL_FN_FIND] = FAMILY_REGEX,
        [CEL_FN_FINDALL] = FAMILY_REGEX,
        [CEL_FN_CONTAINS] = FAMILY_STRING,
        [CEL_FN_STARTSWITH] = FAMILY_STRING,
        [CEL_FN_ENDSWITH] = FAMILY_STRING,
        [CEL_FN_CHARAT] = FAMILY_STRING,
        [CEL_FN_LOWERASCII] = FAMILY_STRING,
        [CEL_FN_UPPERASCII] = FAMILY_STRING,
        [CEL_FN_REPLACE] = FAMILY_STRING,
        [CEL_FN_SPLIT] = FAMILY_STRING,
        [CEL_FN_SUBSTRING] = FAMILY_STRING,
        [CEL_FN_TRIM] = FAMILY_STRING,
        [CEL_FN_JOIN] = FAMILY_STRING,
        [CEL_FN_STRINGS_QUOTE] = FAMILY_STRING,
        [CEL_FN_FORMAT] = FAMILY_STRING,
        [CEL_FN_QUANTITY] = FAMILY_EXTRA,
        [CEL_FN_ISQUANTITY] = FAMILY_EXTRA,
        [CEL_FN_ISINTEGER] = FAMILY_EXTRA,
        [CEL_FN_ASINTEGER] = FAMILY_EXTRA,
        [CEL_FN_ASAPPROXIMATEFLOAT] = FAMILY_EXTRA,
        [CEL_FN_SIGN] = FAMILY_EXTRA,
        [CEL_FN_QUANTITY_ADD] = FAMILY_EXTRA,
        [CEL_FN_SUB] = FAMILY_EXTRA,
        [CEL_FN_ISGREATERTHAN] = FAMILY_EXTRA,
        [CEL_FN_ISLESSTHAN] = FAMILY_EXTRA,
        [CEL_FN_COMPARETO] = FAMILY_EXTRA,
        [CEL_FN_SEMVER] = FAMILY_EXTRA,
        [CEL_FN_ISSEMVER] = FAMILY_EXTRA,
        [CEL_FN_MAJOR] = FAMILY_EXTRA,
        [CEL_FN_MINOR] = FAMILY_EXTRA,
        [CEL_FN_PATCH] = FAMILY_EXTRA,
};

static struct cel_value run(
        struct cel_state *s, const struct cel_node *n, uint16_t ov, const struct cel_value *args)
{
    uint16_t function = cel_overloads[ov].function;
    switch (families[function]) {
    case FAMILY_OPERATOR:
        return cel_call_operator(s, ov, args);
    case FAMILY_CONVERT:
        return cel_call_convert(s, ov, args[0]);
    case FAMILY_TIME:
        return cel_call_time(s, ov, args[0]);
    case FAMILY_REGEX:
        return cel_call_regex(s, n, args);
    case FAMILY_STRING:
        return cel_call_string(s, ov, args);
    case FAMILY_EXTRA:
        return cel_call_extra(s, ov, args);
    default: /* indexOf() and lastIndexOf() are of lists and of strings */
        if ((function == CEL_FN_INDEXOF || function == CEL_FN_LASTINDEXOF) &&
                args[0].kind == CEL_KIND_STRING)
            return cel_call_string(s, ov, args);
        return cel_call_list(s, ov, args);
    }
}

struct cel_value cel_call(
        struct cel_state *s, const struct cel_node *n, const struct cel_value *args)
{
    const struct cel_function *f = &cel_functions[n->function];
    if (n->overload != CEL_OVERLOAD_ANY && !f->singleton) {
        if (overload_matches(&cel_overloads[n->overload], args, n->count))
            return run(s, n, n->overload, args);
        return cel_fault_overload();
    }
    for (uint16_t ov = f->first; ov < f->first + f->count; ov++) {
        if (overload_matches(&cel_overloads[ov], args, n->count))
            return run(s, n, ov, args);
    }
    /* Upstream negates whatever knows how to, declared or not. */
    if (f == &cel_functions[CEL_FN_NEGATE] && args[0].kind == CEL_KIND_DURATION &&
            args[0].i != INT64_MIN)
        return (struct cel_value){.kind = CEL_KIND_DURATION, .i = -args[0].i};
    return cel_fault_overload();
}
