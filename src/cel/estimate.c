/* cel/estimate.c - worst-case cost of an expression, as the API server computes it at admission.
 *
 * Pure.  Follows cel-go's checker/cost.go with Kubernetes' estimator (library/cost.go) and the
 * libraries' own.  Sizes are ranges; a declared type stands for upstream's "path" to a declaration,
 * whose max_elements bound what the host can put there.  Upstream multiplies in float64, so the
 * same doubles are used here. */
#include "cel/estimate-priv.h"
#include "cel/node-priv.h"

#include <assert.h>
#include <string.h>

/* Notes on one expression. */
struct note {
    const struct cel_expr *expr;
    struct known size;
    struct entry entry;
    const struct cel_decl_type *decl; /* the declaration that its path leads to */
    bool has_path;
};

struct local {
    struct str name;
    struct known size;
    struct entry entry;
    const struct cel_decl_type *decl;
    bool has_path;
};

struct coster {
    const struct cel_program *program;
    struct arena *arena;
    struct note *notes; /* open addressing by address */
    uint32_t note_count, note_cap;
    struct local *locals;
    uint32_t local_count, local_cap;
};

static struct cel_cost_range cost_of(struct coster *c, const struct cel_expr *e);

/* ---- notes ---- */

static void grow_notes(struct coster *c)
{
    uint32_t cap = c->note_cap == 0 ? 64 : 2 * c->note_cap;
    struct note *old = c->notes;
    uint32_t old_cap = c->note_cap;
    c->notes = ARENA_ARRAY(c->arena, struct note, cap);
    c->note_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i].expr == NULL)
            continue;
        uint32_t at = (uint32_t)((uintptr_t)old[i].expr >> 4) & (cap - 1);
        while (c->notes[at].expr != NULL)
            at = (at + 1) & (cap - 1);
        c->notes[at] = old[i];
    }
}

/* The notes on `e`, made when there are none yet.  Valid until the next call. */
static struct note *note_of(struct coster *c, const struct cel_expr *e)
{
    if (2 * (c->note_count + 1) > c->note_cap)
        grow_notes(c);
    uint32_t at = (uint32_t)((uintptr_t)e >> 4) & (c->note_cap - 1);
    while (c->notes[at].expr != NULL && c->notes[at].expr != e)
        at = (at + 1) & (c->note_cap - 1);
    if (c->notes[at].expr == NULL) {
        c->notes[at].expr = e;
        c->note_count++;
    }
    return &c->notes[at];
}

static void set_size(struct coster *c, const struct cel_expr *e, struct known size)
{
    if (size.known)
        note_of(c, e)->size = size;
}

static void set_entry(struct coster *c, const struct cel_expr *e, struct entry entry)
{
    if (entry.known)
        note_of(c, e)->entry = entry;
}

static const struct local *find_local(const struct coster *c, struct str name)
{
    for (uint32_t i = c->local_count; i-- > 0;) {
        if (str_eq(c->locals[i].name, name))
            return &c->locals[i];
    }
    return NULL;
}

static const struct local *local_of(const struct coster *c, const struct cel_expr *e)
{
    return e->kind == CEL_EXPR_IDENT && e->ident.from == CEL_IDENT_LOCAL
                   ? find_local(c, e->ident.name)
                   : NULL;
}

/* The declaration that the path of `e` leads to; *ret_path tells whether it has a path. */
static const struct cel_decl_type *decl_of(
        struct coster *c, const struct cel_expr *e, bool *ret_path)
{
    const struct local *v = local_of(c, e);
    if (v != NULL) {
        *ret_path = v->has_path;
        return v->decl;
    }
    const struct note *n = note_of(c, e);
    *ret_path = n->has_path;
    return n->decl;
}

static void push(struct coster *c, struct local v)
{
    if (c->local_count == c->local_cap) {
        uint32_t cap = c->local_cap == 0 ? 16 : 2 * c->local_cap;
        struct local *grown = ARENA_ARRAY(c->arena, struct local, cap);
        if (c->local_count > 0)
            memcpy(grown, c->locals, c->local_count * sizeof *grown);
        c->locals = grown;
        c->local_cap = cap;
    }
    c->locals[c->local_count++] = v;
}

/* ---- sizes ---- */

static bool is_scalar(const struct cel_type *t)
{
    switch ((unsigned)t->kind) {
    case CEL_KIND_BOOL:
    case CEL_KIND_DOUBLE:
    case CEL_KIND_DURATION:
    case CEL_KIND_INT:
    case CEL_KIND_TIMESTAMP:
    case CEL_KIND_UINT:
        return true;
    case CEL_KIND_OPTIONAL:
        return t->param[0] != NULL && is_scalar(t->param[0]);
    default:
        return false;
    }
}

static struct known exactly(uint64_t n)
{
    return (struct known){true, {n, n}};
}

static struct known literal_size(const struct cel_expr *e)
{
    switch (e->kind) {
    case CEL_EXPR_LITERAL:
        if (e->literal.kind == CEL_KIND_STRING)
            return exactly(cel_rune_count(cel_value_str(e->literal)));
        return exactly(e->literal.kind == CEL_KIND_BYTES ? e->literal.size : 1);
    case CEL_EXPR_LIST:
        return exactly(e->list.count);
    case CEL_EXPR_MAP:
        return exactly(e->map.count);
    case CEL_EXPR_IDENT:
    case CEL_EXPR_SELECT:
    case CEL_EXPR_CALL:
    case CEL_EXPR_FOLD:
        break;
    }
    return (struct known){0};
}

static struct known decl_size(const struct cel_decl_type *decl)
{
    if (decl == NULL)
        return (struct known){0};
    return (struct known){true, {0, decl->max_elements}};
}

static struct known size_of(struct coster *c, const struct cel_expr *e)
{
    struct known size = note_of(c, e)->size;
    if (size.known || (size = literal_size(e)).known)
        return size;
    bool path = false;
    const struct cel_decl_type *decl = decl_of(c, e, &path);
    size = decl_size(path ? decl : NULL);
    if (size.known) {
        note_of(c, e)->size = size;
        return size;
    }
    if (is_scalar(e->type))
        return exactly(1);
    const struct local *v = local_of(c, e);
    return v != NULL ? v->size : (struct known){0};
}

static struct size size_or_unknown(struct coster *c, const struct cel_expr *e)
{
    struct known size = size_of(c, e);
    return size.known ? size.size : unknown_size;
}

static struct entry entry_of(struct coster *c, const struct cel_expr *e)
{
    struct entry entry = note_of(c, e)->entry;
    const struct local *v = entry.known ? NULL : local_of(c, e);
    return v != NULL ? v->entry : entry;
}

static struct entry entry_union(struct entry a, struct entry b)
{
    if (!a.known || !b.known)
        return (struct entry){0};
    return (struct entry){true, a.list, size_union(a.key, b.key), size_union(a.value, b.value)};
}

/* ---- calls ---- */

struct estimate {
    struct cel_cost_range cost;
    struct known result;
};

static struct estimate priced(struct cel_cost_range cost)
{
    return (struct estimate){.cost = cost};
}

static struct estimate priced_sized(struct cel_cost_range cost, struct size result)
{
    return (struct estimate){cost, {true, result}};
}

/* A literal int as a size: below zero 0, something else `otherwise`. */
static uint64_t literal_or(const struct cel_expr *e, uint64_t otherwise)
{
    if (e->kind != CEL_EXPR_LITERAL || e->literal.kind != CEL_KIND_INT)
        return otherwise;
    return e->literal.i < 0 ? 0 : (uint64_t)e->literal.i;
}

static struct estimate allocating(double factor, struct size size)
{
    return priced_sized(sum(times(size, factor), fixed(1 + 10)), size);
}

static struct estimate sorting(struct size size, const struct cel_type *elem)
{
    double factor = 2.0;
    if (elem != NULL && (elem->kind == CEL_KIND_STRING || elem->kind == CEL_KIND_BYTES))
        factor += 0.1;
    return allocating(factor, size_mul(size, size));
}

/* What the libraries of sets and lists say about their overloads. */
static bool library_estimate(
        struct coster *c, const struct cel_expr *e, uint16_t ov, struct estimate *ret_estimate)
{
    const struct cel_expr *target = e->call.target;
    struct cel_expr **args = e->call.args;
    struct size size = target != NULL ? size_or_unknown(c, target) : unknown_size;
    switch (ov) {
    case CEL_OV_LIST_SETS_CONTAINS_LIST:
    case CEL_OV_LIST_SETS_INTERSECTS_LIST:
    case CEL_OV_LIST_SETS_EQUIVALENT_LIST:
        size = size_mul(size_or_unknown(c, args[0]), size_or_unknown(c, args[1]));
        *ret_estimate = priced(
                sum(times(size, ov == CEL_OV_LIST_SETS_EQUIVALENT_LIST ? 2.0 : 1.0), fixed(1)));
        return true;
    case CEL_OV_LIST_SLICE:
        *ret_estimate =
                allocating(1, fixed_size(literal_or(args[1], size.max) - literal_or(args[0], 0)));
        return true;
    case CEL_OV_LISTS_RANGE:
        *ret_estimate = allocating(1, fixed_size(literal_or(args[0], UINT64_MAX)));
        return true;
    case CEL_OV_LIST_REVERSE:
        *ret_estimate = allocating(1, size);
        return true;
    case CEL_OV_LIST_FLATTEN:
        *ret_estimate = allocating(1, size);
        return true;
    case CEL_OV_LIST_FLATTEN_INT:
        *ret_estimate = allocating((double)literal_or(args[0], UINT64_MAX), size);
        return true;
    case CEL_OV_LIST_DISTINCT:
        *ret_estimate = allocating(2.0, size_mul(size, size));
        return true;
    default:
        break;
    }
    switch (cel_overloads[ov].function) {
    case CEL_FN_SORT:
        *ret_estimate = sorting(size, cel_overloads[ov].args[0]->param[0]);
        return true;
    case CEL_FN__SORTBYASSOCIATEDKEYS:
        *ret_estimate = sorting(size_or_unknown(c, args[0]), cel_overloads[ov].args[1]->param[0]);
        return true;
    default:
        return false;
    }
}

/* The size of the elements of `list`, by declaration. */
static struct size element_size(struct coster *c, const struct cel_expr *list)
{
    bool path = false;
    const struct cel_decl_type *decl = decl_of(c, list, &path);
    struct known size = {0};
    if (path && decl != NULL)
        size = decl_size(decl->elem);
    return size.known ? size.size : unknown_size;
}

/* Functions that look at every element of a list (or at a string). */
static struct estimate traversing(struct coster *c, const struct cel_expr *target, unsigned fn)
{
    assert(target != NULL); /* all of these are members */
    struct size size = size_or_unknown(c, target);
    const struct cel_type *elem = target->type->param[0];
    struct cel_cost_range each = fixed(1);
    if (elem == NULL)
        return priced(times(size, fn == CEL_FN_INCLUDES ? 1 : 0.1));
    if (elem->kind == CEL_KIND_STRING || elem->kind == CEL_KIND_BYTES)
        each = sum(each, times(element_size(c, target), 0.1));
    return priced((struct cel_cost_range){mul64(size.min, each.min), mul64(size.max, each.max)});
}

static struct estimate replacing(struct coster *c, const struct cel_expr *e)
{
    struct size size = size_or_unknown(c, e->call.target);
    struct size old = size_or_unknown(c, e->call.args[0]);
    struct size with = size_or_unknown(c, e->call.args[1]);
    struct size count = {0};
    struct size kept = {0};
    if (old.min == 0) {
        count.max = add64(size.max, 1);
        kept.max = size.max;
    } else if (with.max <= old.min) {
        kept.max = size.max;
    } else {
        double d = (double)size.max / (double)old.min;
        count.max = d >= 0x1p64 ? UINT64_C(1) << 63 : factor64(1, d);
    }
    if (old.max == 0) {
        count.min = add64(size.min, 1);
        kept.min = size.min;
    } else if (old.max <= with.min) {
        kept.min = size.min;
    } else {
        count.min = factor64(1, (double)size.min / (double)old.max);
    }
    return priced_sized(times(size, 2 * 0.1), size_add(size_mul(count, with), kept));
}

static struct estimate splitting(struct coster *c, const struct cel_expr *e)
{
    struct size size = size_or_unknown(c, e->call.target);
    uint64_t max = size.max;
    if (e->call.arg_count > 1 && e->call.args[1]->kind == CEL_EXPR_LITERAL &&
            e->call.args[1]->literal.kind == CEL_KIND_INT)
        max = (uint64_t)e->call.args[1]->literal.i;
    return priced_sized(times(size, 2 * 0.1), (struct size){0, max});
}

static struct estimate joining(struct coster *c, const struct cel_expr *e)
{
    assert(e->call.target != NULL);
    struct size list = size_or_unknown(c, e->call.target);
    struct size size = {0};
    if (e->call.target->type->param[0] != NULL)
        size = size_mul(list, element_size(c, e->call.target));
    if (e->call.arg_count > 0) {
        struct size gaps = {list.min > 0 ? list.min - 1 : 0, list.max > 0 ? list.max - 1 : 0};
        size = size_add(size, size_mul(size_or_unknown(c, e->call.args[0]), gaps));
    }
    return priced_sized(times(size, 0.1), size);
}

static struct cel_cost_range pattern_cost(struct size text, struct size pattern)
{
    struct cel_cost_range a = times(size_add(text, fixed_size(1)), 0.1);
    struct cel_cost_range b = times(pattern, 0.25);
    return (struct cel_cost_range){mul64(a.min, b.min), mul64(a.max, b.max)};
}

/* Kubernetes' estimator. */
static bool kubernetes_estimate(
        struct coster *c, const struct cel_expr *e, struct estimate *ret_estimate)
{
    const struct cel_expr *target = e->call.target;
    struct cel_expr **args = e->call.args;
    unsigned fn = (unsigned)cel_function_id(e->call.function);
    struct size size = {0};
    switch (fn) {
    case CEL_FN_ISSORTED:
    case CEL_FN_SUM:
    case CEL_FN_MAX:
    case CEL_FN_MIN:
    case CEL_FN_INDEXOF:
    case CEL_FN_LASTINDEXOF:
    case CEL_FN_INCLUDES:
        *ret_estimate = traversing(c, target, fn);
        return true;
    case CEL_FN_LOWERASCII:
    case CEL_FN_UPPERASCII:
    case CEL_FN_SUBSTRING:
    case CEL_FN_TRIM:
        size = size_or_unknown(c, target);
        *ret_estimate = priced_sized(times(size, 0.1), size);
        return true;
    case CEL_FN_REPLACE:
        *ret_estimate = replacing(c, e);
        return true;
    case CEL_FN_SPLIT:
        *ret_estimate = splitting(c, e);
        return true;
    case CEL_FN_JOIN:
        *ret_estimate = joining(c, e);
        return true;
    case CEL_FN_FIND:
    case CEL_FN_FINDALL:
        size = size_or_unknown(c, target);
        *ret_estimate = priced_sized(
                pattern_cost(size, size_or_unknown(c, args[0])), (struct size){0, size.max});
        return true;
    case CEL_FN_QUANTITY:
    case CEL_FN_ISQUANTITY:
    case CEL_FN_SEMVER:
    case CEL_FN_ISSEMVER:
        *ret_estimate = priced(times(size_or_unknown(c, args[0]), 0.1));
        return true;
    case CEL_FN_SIGN:
    case CEL_FN_ASINTEGER:
    case CEL_FN_ISINTEGER:
    case CEL_FN_ASAPPROXIMATEFLOAT:
    case CEL_FN_ISGREATERTHAN:
    case CEL_FN_ISLESSTHAN:
    case CEL_FN_COMPARETO:
    case CEL_FN_QUANTITY_ADD:
    case CEL_FN_SUB:
    case CEL_FN_MAJOR:
    case CEL_FN_MINOR:
    case CEL_FN_PATCH:
        *ret_estimate = priced(fixed(1));
        return true;
    case CEL_FN_EQ:
        *ret_estimate = priced(fixed(1));
        return args[0]->type->kind == args[1]->type->kind &&
               (args[0]->type->kind == CEL_KIND_QUANTITY || args[0]->type->kind == CEL_KIND_SEMVER);
    default:
        return false;
    }
}

static bool compares_text(uint16_t ov)
{
    const struct cel_overload *o = &cel_overloads[ov];
    switch (o->function) {
    case CEL_FN_EQ:
    case CEL_FN_NE:
        return true;
    case CEL_FN_LT:
    case CEL_FN_LE:
    case CEL_FN_GT:
    case CEL_FN_GE:
        return o->args[0]->kind == CEL_KIND_STRING || o->args[0]->kind == CEL_KIND_BYTES;
    default:
        return false;
    }
}

static struct estimate comparing(struct coster *c, const struct cel_expr *e)
{
    struct size a = size_or_unknown(c, e->call.args[0]);
    struct size b = size_or_unknown(c, e->call.args[1]);
    uint64_t max = a.max < b.max ? a.max : b.max;
    return priced(times((struct size){max > 0, max}, 0.1));
}

static struct estimate concatenating(struct coster *c, const struct cel_expr *e, uint16_t ov)
{
    struct cel_expr **args = e->call.args;
    struct size size = size_add(size_or_unknown(c, args[0]), size_or_unknown(c, args[1]));
    set_entry(c, e, entry_union(entry_of(c, args[0]), entry_of(c, args[1])));
    if (ov == CEL_OV_ADD_LIST)
        return priced_sized(fixed(1), size);
    return priced_sized(times(size, 0.1), size);
}

/* cel-go's own, by overload; without the cost of arguments. */
static struct estimate standard_estimate(struct coster *c, const struct cel_expr *e, uint16_t ov)
{
    struct cel_expr **args = e->call.args;
    const struct cel_expr *target = e->call.target;
    struct size size = {0};
    if (compares_text(ov))
        return comparing(c, e);
    switch (ov) {
    case CEL_OV_STRING_FORMAT:
        return priced(times(size_or_unknown(c, target), 0.1));
    case CEL_OV_STRING_TO_BYTES:
        size = size_or_unknown(c, args[0]);
        return priced_sized(times(size, 0.1), (struct size){size.min, size.max * 4});
    case CEL_OV_BYTES_TO_STRING:
        size = size_or_unknown(c, args[0]);
        return priced_sized(times(size, 0.1), (struct size){size.min / 4, size.max});
    case CEL_OV_STRINGS_QUOTE:
        size = size_or_unknown(c, args[0]);
        return priced_sized(times(size, 0.1), (struct size){size.min + 2, size.max * 2 + 2});
    case CEL_OV_STARTS_WITH_STRING:
    case CEL_OV_ENDS_WITH_STRING:
        return priced(times(size_or_unknown(c, args[0]), 0.1));
    case CEL_OV_IN_LIST:
        return priced(times(size_or_unknown(c, args[1]), 1));
    case CEL_OV_MATCHES:
        return priced(pattern_cost(size_or_unknown(c, args[0]), size_or_unknown(c, args[1])));
    case CEL_OV_MATCHES_STRING:
        return priced(pattern_cost(size_or_unknown(c, target), size_or_unknown(c, args[0])));
    case CEL_OV_CONTAINS_STRING: {
        struct cel_cost_range a = times(size_or_unknown(c, target), 0.1);
        struct cel_cost_range b = times(size_or_unknown(c, args[0]), 0.1);
        return priced((struct cel_cost_range){mul64(a.min, b.min), mul64(a.max, b.max)});
    }
    case CEL_OV_ADD_STRING:
    case CEL_OV_ADD_BYTES:
    case CEL_OV_ADD_LIST:
        return concatenating(c, e, ov);
    default:
        return priced(fixed(1));
    }
}

static struct estimate overload_estimate(
        struct coster *c, const struct cel_expr *e, uint16_t ov, struct cel_cost_range args)
{
    struct estimate result = {0};
    if (!library_estimate(c, e, ov, &result) && !kubernetes_estimate(c, e, &result))
        result = standard_estimate(c, e, ov);
    result.cost = sum(result.cost, args);
    return result;
}

/* The path that indexing gives, and the size of what is found. */
static void follow_index(
        struct coster *c, const struct cel_expr *e, uint16_t ov, struct known *result)
{
    if (ov != CEL_OV_INDEX_LIST && ov != CEL_OV_INDEX_MAP)
        return;
    struct entry entry = entry_of(c, e->call.args[0]);
    *result = (struct known){entry.known, entry.value};
    bool path = false;
    const struct cel_decl_type *decl = decl_of(c, e->call.args[0], &path);
    struct note *n = note_of(c, e);
    n->has_path = path;
    n->decl = decl != NULL ? decl->elem : NULL;
}

static struct cel_cost_range cost_logic(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost_range total = cost_of(c, e->call.args[0]);
    for (uint32_t i = 1; i < e->call.arg_count; i++)
        total.max = add64(total.max, cost_of(c, e->call.args[i]).max);
    set_size(c, e, exactly(1));
    return total;
}

static struct cel_cost_range cost_conditional(struct coster *c, const struct cel_expr *e)
{
    struct cel_expr **args = e->call.args;
    struct cel_cost_range condition = cost_of(c, args[0]);
    struct cel_cost_range yes = cost_of(c, args[1]);
    struct cel_cost_range no = cost_of(c, args[2]);
    set_entry(c, e, entry_union(entry_of(c, args[1]), entry_of(c, args[2])));
    set_size(c, e,
            (struct known){
                    true, size_union(size_or_unknown(c, args[1]), size_or_unknown(c, args[2]))});
    return sum(condition, (struct cel_cost_range){yes.min < no.min ? yes.min : no.min,
                                  yes.max > no.max ? yes.max : no.max});
}

static struct cel_cost_range cost_call(struct coster *c, const struct cel_expr *e)
{
    unsigned fn = (unsigned)cel_function_id(e->call.function);
    if (fn == CEL_FN_AND || fn == CEL_FN_OR)
        return cost_logic(c, e);
    if (fn == CEL_FN_CONDITIONAL)
        return cost_conditional(c, e);
    struct cel_cost_range args = {0};
    for (uint32_t i = 0; i < e->call.arg_count; i++)
        args = sum(args, cost_of(c, e->call.args[i]));
    if (fn == CEL_FN_DYN) {
        set_size(c, e, size_of(c, e->call.args[0]));
        set_entry(c, e, entry_of(c, e->call.args[0]));
        return sum(args, fixed(1));
    }
    struct cel_cost_range target = {0};
    if (e->call.target != NULL)
        target = cost_of(c, e->call.target);
    struct cel_cost_range total = {UINT64_MAX, 0};
    struct known result = {0};
    for (uint32_t i = 0; i < e->call.overload_count; i++) {
        uint16_t ov = e->call.overloads[i];
        struct estimate one = overload_estimate(c, e, ov, args);
        if (one.cost.min < total.min)
            total.min = one.cost.min;
        if (one.cost.max > total.max)
            total.max = one.cost.max;
        if (one.result.known && result.known) {
            result.size = size_union(result.size, one.result.size);
        } else if (one.result.known) {
            result = one.result;
        }
        follow_index(c, e, ov, &result);
        if (!result.known)
            result = size_of(c, e);
    }
    set_size(c, e, result);
    return sum(target, total);
}

/* ---- the other kinds ---- */

static struct cel_cost_range cost_ident(struct coster *c, const struct cel_expr *e)
{
    const struct local *v = local_of(c, e);
    struct note *n = note_of(c, e);
    if (v != NULL) {
        n->decl = v->decl;
        n->has_path = v->has_path;
    } else if (e->ident.from == CEL_IDENT_GLOBAL) {
        n->decl = c->program->env->vars[e->ident.slot].type;
        n->has_path = true;
    }
    return fixed(1);
}

/* The declaration of a selected field: of an object by name, of a map only when its values have no
 * static type (so does upstream's estimator). */
static const struct cel_decl_type *field_decl(const struct cel_decl_type *decl, struct str field)
{
    if (decl == NULL)
        return NULL;
    for (uint32_t i = 0; i < decl->field_count; i++) {
        if (str_eq_c(field, decl->fields[i].name))
            return decl->fields[i].type;
    }
    const struct cel_decl_type *elem = decl->kind == CEL_KIND_MAP ? decl->elem : NULL;
    return elem != NULL && (elem->kind == CEL_KIND_DYN || elem->kind == CEL_KIND_ANY) ? elem : NULL;
}

static struct cel_cost_range cost_select(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost_range total = cost_of(c, e->select.operand);
    if (e->select.test)
        return total;
    switch ((unsigned)e->select.operand->type->kind) {
    case CEL_KIND_MAP:
    case CEL_KIND_OBJECT:
    case CEL_KIND_PARAM:
    case CEL_KIND_QUANTITY:
    case CEL_KIND_SEMVER:
        total = sum(total, fixed(1));
        break;
    default:
        break;
    }
    bool path = false;
    const struct cel_decl_type *decl = decl_of(c, e->select.operand, &path);
    struct note *n = note_of(c, e);
    n->has_path = true;
    n->decl = path ? field_decl(decl, e->select.field) : NULL;
    return total;
}

static struct cel_cost_range cost_list(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost_range total = {0};
    struct size items = {UINT64_MAX, 0};
    if (e->list.count == 0)
        items.min = 0;
    for (uint32_t i = 0; i < e->list.count; i++) {
        total = sum(total, cost_of(c, e->list.items[i]));
        items = size_union(items, size_or_unknown(c, e->list.items[i]));
    }
    set_entry(c, e, (struct entry){true, true, fixed_size(1), items});
    return sum(total, fixed(10));
}

static struct cel_cost_range cost_map(struct coster *c, const struct cel_expr *e)
{
    struct cel_cost_range total = {0};
    struct size sizes[2] = {{UINT64_MAX, 0}, {UINT64_MAX, 0}};
    if (e->map.count == 0)
        sizes[0].min = sizes[1].min = 0;
    for (uint32_t i = 0; i < 2 * e->map.count; i++) {
        total = sum(total, cost_of(c, e->map.items[i]));
        sizes[i % 2] = size_union(sizes[i % 2], size_or_unknown(c, e->map.items[i]));
    }
    set_entry(c, e, (struct entry){true, false, sizes[0], sizes[1]});
    return sum(total, fixed(30));
}

/* A variable over `range`: its values (or the keys of a map). */
static void push_iteration(
        struct coster *c, struct str name, const struct cel_expr *range, bool value)
{
    struct entry entry = entry_of(c, range);
    bool list = entry.known ? entry.list : range->type->kind == CEL_KIND_LIST;
    bool path = false;
    const struct cel_decl_type *decl = decl_of(c, range, &path);
    struct local v = {.name = name, .has_path = path};
    v.size = (struct known){entry.known, value ? entry.value : entry.key};
    if (decl != NULL)
        v.decl = value ? decl->elem : list ? NULL : decl->key;
    push(c, v);
}

static void push_accumulator(struct coster *c, const struct cel_fold *f)
{
    struct local v = {.name = f->accu, .size = size_of(c, f->init), .entry = entry_of(c, f->init)};
    v.decl = decl_of(c, f->init, &v.has_path);
    push(c, v);
}

static struct cel_cost_range cost_bind(struct coster *c, const struct cel_expr *e)
{
    const struct cel_fold *f = e->fold;
    struct cel_cost_range total = sum(cost_of(c, f->range), cost_of(c, f->init));
    uint32_t outer = c->local_count;
    push_accumulator(c, f);
    total = sum(total, cost_of(c, f->result));
    c->local_count = outer; /* upstream asks for sizes after the variable has gone */
    set_size(c, e, size_of(c, f->result));
    set_entry(c, e, entry_of(c, f->result));
    return total;
}

static struct cel_cost_range cost_fold(struct coster *c, const struct cel_expr *e)
{
    const struct cel_fold *f = e->fold;
    if (f->is_bind)
        return cost_bind(c, e);
    struct cel_cost_range total = sum(cost_of(c, f->range), cost_of(c, f->init));
    uint32_t outer = c->local_count;
    push_accumulator(c, f);
    struct entry entry = entry_of(c, f->range);
    bool list = entry.known ? entry.list : f->range->type->kind == CEL_KIND_LIST;
    if (f->var2.len > 0) {
        push_iteration(c, f->var, f->range, false);
        push_iteration(c, f->var2, f->range, true);
    } else {
        push_iteration(c, f->var, f->range, list);
    }
    struct cel_cost_range loop = sum(cost_of(c, f->condition), cost_of(c, f->step));
    c->local_count = outer + 1;
    total = sum(total, cost_of(c, f->result));
    c->local_count = outer;
    struct size count = size_or_unknown(c, f->range);
    total = sum(
            total, (struct cel_cost_range){mul64(count.min, loop.min), mul64(count.max, loop.max)});
    if (f->init->kind == CEL_EXPR_LITERAL) {
        set_size(c, e, size_of(c, f->init));
    } else if (f->init->kind == CEL_EXPR_LIST || f->init->kind == CEL_EXPR_MAP) {
        set_size(c, e, (struct known){true, count});
        set_entry(c, e, entry_of(c, f->step));
    }
    return total;
}

static struct cel_cost_range cost_of(struct coster *c, const struct cel_expr *e)
{
    switch (e->kind) {
    case CEL_EXPR_LITERAL:
        return fixed(0);
    case CEL_EXPR_IDENT:
        return cost_ident(c, e);
    case CEL_EXPR_SELECT:
        return cost_select(c, e);
    case CEL_EXPR_CALL:
        return cost_call(c, e);
    case CEL_EXPR_LIST:
        return cost_list(c, e);
    case CEL_EXPR_MAP:
        return cost_map(c, e);
    case CEL_EXPR_FOLD:
        return cost_fold(c, e);
    }
    assert(!"a kind of expression");
    return fixed(0);
}

struct cel_cost_range cel_program_estimate(const struct cel_program *p, struct arena *scratch)
{
    struct coster c = {.program = p, .arena = scratch};
    return cost_of(&c, p->root);
}
