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
    (void)dra_member(c, at, "key", false, &key);
    struct str op_text = dra_member(c, at, "operator", false, &op);
    (void)dra_member(c, at, "value", false, &value);
    struct str effect_text = dra_member(c, at, "effect", false, &effect);
    bool exists = str_eq_c(op_text, "Exists");
    if (op.doc && !exists && !str_eq_c(op_text, "Equal")) {
        dra_problem(c, &op, "Unsupported value: \"%.*s\": supported values: \"Equal\", \"Exists\"",
                STR_ARG_SHORT(op_text));
    }
    if (!key.doc && !exists) {
        dra_problem(c, &op,
                "Invalid value: \"%.*s\": operator must be `Exists` when `key` is empty",
                STR_ARG_SHORT(op_text));
    }
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
    } else if (!all && value <= 0) {
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
    (void)dra_items(c, &derived, DERIVED_MAX);
    count = dra_entries(c, &requests);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&requests, i);
        struct quantity q = {0};
        dra_check_qualified(c, &item, item.key, false);
        if (dra_check_quantity(c, &item, &q) && quantity_sign(&q) < 0)
            dra_invalid(c, &item, "must be greater than or equal to 0");
    }
}

static void check_request(struct dra_check *c, const struct dra_at *at)
{
    struct dra_at name;
    struct dra_at exactly = dra_at_field(at, "exactly");
    struct dra_at subs = dra_at_field(at, "firstAvailable");
    (void)dra_member(c, at, "name", true, &name);
    if (name.doc)
        dra_check_label(c, &name);
    uint32_t count = dra_items(c, &subs, SUBREQUESTS_MAX);
    if ((count > 0) == (exactly.doc != NULL)) {
        dra_problem(c, at, "%s: exactly one of `exactly` or `firstAvailable` is required",
                exactly.doc ? "Invalid value" : "Required value");
    } else if (exactly.doc) {
        check_ask(c, &exactly);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&subs, i);
        struct dra_at admin = dra_at_field(&item, "adminAccess");
        (void)dra_member(c, &item, "name", true, &name);
        if (name.doc)
            dra_check_label(c, &name);
        if (admin.doc)
            dra_problem(c, &admin, "Forbidden: not allowed in firstAvailable");
        check_ask(c, &item);
    }
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
    for (uint32_t i = 0; requests->doc && i < requests->doc->count; i++) {
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
        if (dra_is_string(c, &item) && !request_exists(requests, item.doc->text)) {
            dra_invalid(c, &item,
                    "must be the name of a request in the claim or the name of a request and a "
                    "subrequest separated by '/'");
        }
    }
    dra_check_unique(c, &list, NULL);
}

static void check_constraint(
        struct dra_check *c, const struct dra_at *at, const struct dra_at *requests)
{
    struct dra_at match;
    struct dra_at distinct;
    check_references(c, at, requests);
    struct str match_text = dra_member(c, at, "matchAttribute", false, &match);
    struct str distinct_text = dra_member(c, at, "distinctAttribute", false, &distinct);
    if (match.doc && distinct.doc) {
        dra_problem(c, at,
                "Invalid value: matchAttribute and distinctAttribute are mutually exclusive");
    }
    if (!match.doc && !distinct.doc)
        dra_problem(c, at, "Required value: exactly one of matchAttribute, distinctAttribute");
    if (match.doc)
        dra_check_qualified(c, &match, match_text, true);
    if (distinct.doc)
        dra_check_qualified(c, &distinct, distinct_text, true);
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
    dra_check_unique(c, &requests, "name");
    count = dra_items(c, &constraints, CONSTRAINTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&constraints, i);
        check_constraint(c, &item, &requests);
    }
    count = dra_items(c, &configs, CONFIGS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&configs, i);
        check_references(c, &item, &requests);
        dra_check_opaque(c, &item);
    }
}
