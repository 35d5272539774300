/* dra/validate_claim.c - the API's rules for a claim's spec.  Pure. */
#include "dra/validate-priv.h"

#include <string.h>

enum {
    REQUESTS_MAX = 32,
    SUBREQUESTS_MAX = 8,
    CONSTRAINTS_MAX = 32,
    CONFIGS_MAX = 32,
    TOLERATIONS_MAX = 16,
    DERIVED_MAX = 32,
};

static void check_toleration(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at key;
    struct dra_at op;
    struct dra_at value;
    struct dra_at effect;
    struct str key_text = dra_member(c, at, "key", false, &key);
    struct str op_text = dra_member(c, at, "operator", false, &op);
    struct str value_text = dra_member(c, at, "value", false, &value);
    struct str effect_text = dra_member(c, at, "effect", false, &effect);
    bool exists = str_eq_c(op_text, "Exists");
    if (op.doc && !exists && !str_eq_c(op_text, "Equal")) {
        dra_problem(c, &op, "Unsupported value: \"%.*s\": supported values: \"Equal\", \"Exists\"",
                STR_ARG_SHORT(op_text));
    }
    if (key.doc)
        dra_check_label_key(c, &key, key_text);
    if (!exists)
        dra_check_label_value(c, &value, value_text);
    if (exists && value.doc)
        dra_invalid(c, &value, "must be empty for operator `Exists`");
    if (effect.doc && !str_eq_c(effect_text, "NoSchedule") && !str_eq_c(effect_text, "NoExecute")) {
        dra_problem(c, &effect,
                "Unsupported value: \"%.*s\": supported values: \"NoExecute\", \"NoSchedule\"",
                STR_ARG_SHORT(effect_text));
    }
}

static void check_mode(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at mode;
    struct dra_at count = dra_at_field(at, "count");
    struct str text = dra_member(c, at, "allocationMode", false, &mode);
    bool all = str_eq_c(text, "All");
    int64_t value = 0;
    if (mode.doc && !all && !str_eq_c(text, "ExactCount")) {
        dra_problem(c, &mode,
                "Unsupported value: \"%.*s\": supported values: \"All\", \"ExactCount\"",
                STR_ARG_SHORT(text));
        return;
    }
    if (!dra_check_integer(c, &count, &value))
        return;
    if (all && value != 0) {
        dra_problem(c, &count,
                "Invalid value: %lld: must not be specified when allocationMode is 'All'",
                (long long)value);
    } else if (!all && value < 0) { /* 0 is filled in as 1 */
        dra_problem(c, &count, "Invalid value: %lld: must be greater than zero", (long long)value);
    }
}

static void check_ask(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at class;
    struct dra_at tolerations = dra_at_field(at, "tolerations");
    struct dra_at derived = dra_at_field(at, "derivedAttributes");
    struct dra_at capacity = dra_at_field(at, "capacity");
    struct dra_at requests = dra_at_field(&capacity, "requests");
    (void)dra_member(c, at, "deviceClassName", true, &class);
    if (class.doc)
        dra_check_subdomain(c, &class, 253);
    dra_check_selectors(c, at);
    check_mode(c, at);
    uint32_t count = dra_items(c, &tolerations, TOLERATIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&tolerations, i);
        check_toleration(c, &item);
    }
    count = dra_items(c, &derived, DERIVED_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&derived, i);
        struct dra_at expression = dra_at_field(&item, "expression");
        struct dra_at name;
        struct str text = dra_member(c, &item, "name", true, &name);
        if (name.doc)
            dra_check_qualified(c, &name, text, true);
        if (!expression.doc || expression.doc->text.len == 0) {
            dra_problem(c, &expression, "Required value");
        } else if (dra_is_string(c, &expression)) {
            dra_check_expression(c, &expression, false);
        }
    }
    if (count > 0)
        dra_check_unique(c, &derived, "name");
    count = dra_entries(c, &requests);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&requests, i);
        struct quantity q = {0};
        if (dra_check_quantity(c, &item, &q) && quantity_sign(&q) < 0)
            dra_invalid(c, &item, "must be greater than or equal to 0");
    }
}

static void check_request(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at name = dra_at_field(at, "name");
    struct dra_at exactly = dra_at_field(at, "exactly");
    struct dra_at subs = dra_at_field(at, "firstAvailable");
    dra_check_name(c, &name);
    uint32_t count = dra_items(c, &subs, SUBREQUESTS_MAX);
    bool either = subs.doc && subs.doc->count > 0;
    if (either == (exactly.doc != NULL)) {
        dra_problem(c, at, "%s: exactly one of `exactly` or `firstAvailable` is required",
                exactly.doc ? "Invalid value" : "Required value");
    } else if (exactly.doc) {
        check_ask(c, &exactly);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&subs, i);
        struct dra_at admin = dra_at_field(&item, "adminAccess");
        name = dra_at_field(&item, "name");
        dra_check_name(c, &name);
        if (admin.doc)
            dra_problem(c, &admin, "Forbidden: not allowed in firstAvailable");
        check_ask(c, &item);
    }
    if (count > 0)
        dra_check_unique(c, &subs, "name");
}

/* "r", or "r/s" for an alternative. */
static bool request_exists(const struct dra_at *requests, struct str text)
{
    struct str request;
    struct str sub;
    dra_split_name(text, &request, &sub);
    if (request.len == 0) {
        request = sub;
        sub = STR_LIT("");
    }
    /* Of two with one name upstream knows the last. */
    for (uint32_t i = requests->doc ? requests->doc->count : 0; i-- > 0;) {
        const struct doc *r = &requests->doc->first[i];
        const struct doc *name = doc_get(r, "name");
        if (!name || !str_eq(name->text, request))
            continue;
        const struct doc *subs = doc_get(r, "firstAvailable");
        for (uint32_t k = 0; sub.len && subs && k < subs->count; k++) {
            const struct doc *sub_name = doc_get(&subs->first[k], "name");
            if (sub_name && str_eq(sub_name->text, sub))
                return true;
        }
        return sub.len == 0;
    }
    return false;
}

static void check_references(
        struct dra_check *c, const struct dra_at *owner, const struct dra_at *requests)
{
    struct dra_at list = dra_at_field(owner, "requests");
    uint32_t count = dra_items(c, &list, REQUESTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        if (!dra_is_string(c, &item))
            continue;
        struct str request;
        struct str sub;
        dra_split_name(item.doc->text, &request, &sub);
        bool labels = dra_is_label(sub) && (request.len == 0 || dra_is_label(request));
        if (!labels || !request_exists(requests, item.doc->text)) {
            dra_invalid(c, &item,
                    "must be the name of a request in the claim or the name of a request and a "
                    "subrequest separated by '/'");
        }
    }
    if (count > 0)
        dra_check_unique(c, &list, NULL);
}

static void check_constraint(
        struct dra_check *c, const struct dra_at *at, const struct dra_at *requests)
{
    struct dra_at match = dra_at_field(at, "matchAttribute");
    struct dra_at distinct = dra_at_field(at, "distinctAttribute");
    check_references(c, at, requests);
    if (match.doc && distinct.doc) {
        dra_problem(c, at,
                "Invalid value: matchAttribute and distinctAttribute are mutually exclusive");
    }
    if (!match.doc && !distinct.doc)
        dra_problem(c, at, "Required value: exactly one of matchAttribute, distinctAttribute");
    if (match.doc && dra_is_string(c, &match))
        dra_check_qualified(c, &match, match.doc->text, true);
    if (distinct.doc && dra_is_string(c, &distinct))
        dra_check_qualified(c, &distinct, distinct.doc->text, true);
}

/* Whether a constraint over the request, or over its alternative `sub`, compares the attribute. */
static bool is_compared(
        const struct dra_at *constraints, struct str request, struct str sub, struct str attribute)
{
    for (uint32_t i = 0; constraints->doc && i < constraints->doc->count; i++) {
        const struct doc *item = &constraints->doc->first[i];
        const struct doc *match = doc_get(item, "matchAttribute");
        const struct doc *distinct = doc_get(item, "distinctAttribute");
        const struct doc *names = doc_get(item, "requests");
        if (!(match && str_eq(match->text, attribute)) &&
                !(distinct && str_eq(distinct->text, attribute)))
            continue;
        if (!names || names->count == 0)
            return true;
        for (uint32_t k = 0; k < names->count; k++) {
            struct str outer;
            struct str inner;
            dra_split_name(names->first[k].text, &outer, &inner);
            if (outer.len == 0) {
                outer = inner;
                inner = STR_LIT("");
            }
            if (str_eq(outer, request) && (inner.len == 0 || str_eq(inner, sub)))
                return true;
        }
    }
    return false;
}

/* Attributes that a request derives are there to be compared. */
static void check_derived(struct dra_check *c, const struct dra_at *ask,
        const struct dra_at *constraints, struct str request, struct str sub)
{
    struct dra_at list = dra_at_field(ask, "derivedAttributes");
    for (uint32_t i = 0; list.doc && list.doc->kind == DOC_ARRAY && i < list.doc->count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at name = dra_at_field(&item, "name");
        if (name.doc && name.doc->kind == DOC_STRING &&
                !is_compared(constraints, request, sub, name.doc->text)) {
            dra_invalid(c, &name,
                    "must be referenced by at least one matchAttribute or distinctAttribute "
                    "constraint targeting this request");
        }
    }
}

static void check_all_derived(
        struct dra_check *c, const struct dra_at *requests, const struct dra_at *constraints)
{
    for (uint32_t i = 0; requests->doc && i < requests->doc->count; i++) {
        struct dra_at request = dra_at_item(requests, i);
        struct dra_at exactly = dra_at_field(&request, "exactly");
        struct dra_at subs = dra_at_field(&request, "firstAvailable");
        const struct doc *name = doc_get(request.doc, "name");
        struct str outer = name ? name->text : STR_LIT("");
        check_derived(c, &exactly, constraints, outer, STR_LIT(""));
        for (uint32_t k = 0; subs.doc && k < subs.doc->count; k++) {
            struct dra_at sub = dra_at_item(&subs, k);
            const struct doc *inner = doc_get(sub.doc, "name");
            check_derived(c, &sub, constraints, outer, inner ? inner->text : STR_LIT(""));
        }
    }
}

void dra_check_claim_spec(struct dra_check *c, const struct dra_at *spec)
{
    struct dra_at devices = dra_at_field(spec, "devices");
    struct dra_at requests = dra_at_field(&devices, "requests");
    struct dra_at constraints = dra_at_field(&devices, "constraints");
    struct dra_at configs = dra_at_field(&devices, "config");
    uint32_t count = dra_items(c, &requests, REQUESTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&requests, i);
        check_request(c, &item);
    }
    if (count > 0)
        dra_check_unique(c, &requests, "name");
    count = dra_items(c, &constraints, CONSTRAINTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&constraints, i);
        check_constraint(c, &item, &requests);
    }
    if (requests.doc && requests.doc->count <= REQUESTS_MAX)
        check_all_derived(c, &requests, &constraints);
    count = dra_items(c, &configs, CONFIGS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&configs, i);
        check_references(c, &item, &requests);
        dra_check_opaque(c, &item);
    }
}
