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
    for (uint32_t i = 0; i < count; i++)
        if (!cel_value_matches(o->args[i], args[i]))
            return false;
    return true;
}

static struct cel_value run(
        struct cel_state *s, const struct cel_node *n, uint16_t ov, const struct cel_value *args)
{
    switch (cel_overloads[ov].function) {
    case CEL_FN_ADD:
    case CEL_FN_SUBTRACT:
    case CEL_FN_MULTIPLY:
    case CEL_FN_DIVIDE:
    case CEL_FN_MODULO:
    case CEL_FN_NEGATE:
    case CEL_FN_NOT:
    case CEL_FN_LT:
    case CEL_FN_LE:
    case CEL_FN_GT:
    case CEL_FN_GE:
    case CEL_FN_IN:
        return cel_call_operator(s, ov, args);
    case CEL_FN_BOOL:
    case CEL_FN_BYTES:
    case CEL_FN_DOUBLE:
    case CEL_FN_DURATION:
    case CEL_FN_DYN:
    case CEL_FN_INT:
    case CEL_FN_STRING:
    case CEL_FN_TIMESTAMP:
    case CEL_FN_TYPE:
    case CEL_FN_UINT:
    case CEL_FN_SIZE:
        return cel_call_convert(s, ov, args[0]);
    case CEL_FN_GETDATE:
    case CEL_FN_GETDAYOFMONTH:
    case CEL_FN_GETDAYOFWEEK:
    case CEL_FN_GETDAYOFYEAR:
    case CEL_FN_GETFULLYEAR:
    case CEL_FN_GETHOURS:
    case CEL_FN_GETMILLISECONDS:
    case CEL_FN_GETMINUTES:
    case CEL_FN_GETMONTH:
    case CEL_FN_GETSECONDS:
        return cel_call_time(s, ov, args[0]);
    case CEL_FN_MATCHES:
    case CEL_FN_FIND:
    case CEL_FN_FINDALL:
        return cel_call_regex(s, n, args);
    case CEL_FN_CONTAINS:
    case CEL_FN_STARTSWITH:
    case CEL_FN_ENDSWITH:
    case CEL_FN_CHARAT:
    case CEL_FN_LOWERASCII:
    case CEL_FN_UPPERASCII:
    case CEL_FN_REPLACE:
    case CEL_FN_SPLIT:
    case CEL_FN_SUBSTRING:
    case CEL_FN_TRIM:
    case CEL_FN_JOIN:
    case CEL_FN_STRINGS_QUOTE:
    case CEL_FN_FORMAT:
        return cel_call_string(s, ov, args);
    case CEL_FN_INDEXOF:
    case CEL_FN_LASTINDEXOF:
        return args[0].kind == CEL_KIND_STRING ? cel_call_string(s, ov, args)
                                               : cel_call_list(s, ov, args);
    case CEL_FN_QUANTITY:
    case CEL_FN_ISQUANTITY:
    case CEL_FN_ISINTEGER:
    case CEL_FN_ASINTEGER:
    case CEL_FN_ASAPPROXIMATEFLOAT:
    case CEL_FN_SIGN:
    case CEL_FN_QUANTITY_ADD:
    case CEL_FN_SUB:
    case CEL_FN_ISGREATERTHAN:
    case CEL_FN_ISLESSTHAN:
    case CEL_FN_COMPARETO:
    case CEL_FN_SEMVER:
    case CEL_FN_ISSEMVER:
    case CEL_FN_MAJOR:
    case CEL_FN_MINOR:
    case CEL_FN_PATCH:
        return cel_call_extra(s, ov, args);
    default:
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
    for (uint16_t ov = f->first; ov < f->first + f->count; ov++)
        if (overload_matches(&cel_overloads[ov], args, n->count))
            return run(s, n, ov, args);
    /* Upstream negates whatever knows how to, declared or not. */
    if (f == &cel_functions[CEL_FN_NEGATE] && args[0].kind == CEL_KIND_DURATION &&
            args[0].i != INT64_MIN)
        return (struct cel_value){.kind = CEL_KIND_DURATION, .i = -args[0].i};
    return cel_fault_overload();
}
