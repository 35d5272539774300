/* dra/decode_claim.c - ResourceClaim and ResourceClaimTemplate, with the API's defaults.  Pure. */
#include "dra/decode-priv.h"

#include <errno.h>

static const struct dra_toleration *tolerations(
        struct dra_dec *d, const struct dra_at *owner, uint32_t *ret_count)
{
    struct dra_at list = dra_at_field(owner, "tolerations");
    uint32_t count = dra_dec_list(d, &list);
    struct dra_toleration *items = dra_dec_alloc(d, count, sizeof *items);
    *ret_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_toleration *t = &items[i];
        struct dra_at seconds = dra_at_field(&item, "tolerationSeconds");
        (void)dra_dec_map(d, &item);
        t->key = dra_dec_name(d, &item, "key");
        t->value = dra_dec_name(d, &item, "value");
        t->effect_text = dra_dec_name(d, &item, "effect");
        struct str operator= dra_dec_text(d, &item, "operator");
        if (operator.len == 0)
            operator= STR_LIT("Equal");
        t->operator_text = dra_names_add(&d->s->names, operator);
        t->operator= str_eq_c(operator, "Equal") ? DRA_OPERATOR_EQUAL
        : str_eq_c(operator, "Exists")           ? DRA_OPERATOR_EXISTS
                                                 : DRA_OPERATOR_OTHER;
        t->has_seconds = seconds.doc != NULL;
        t->seconds = dra_dec_scalar_int(d, &seconds);
    }
    return items;
}

static const struct dra_capacity_request *capacity_requests(
        struct dra_dec *d, const struct dra_at *map, uint32_t *ret_count)
{
    uint32_t count = dra_dec_map(d, map);
    struct dra_capacity_request *items = dra_dec_alloc(d, count, sizeof *items);
    *ret_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(map, i);
        items[i].name = dra_names_add(&d->s->names, item.key);
        dra_dec_scalar_quantity(d, &item, &items[i].value);
    }
    return items;
}

static const struct dra_derived *derived(
        struct dra_dec *d, const struct dra_at *owner, uint32_t *ret_count)
{
    struct dra_at list = dra_at_field(owner, "derivedAttributes");
    uint32_t count = dra_dec_list(d, &list);
    struct dra_derived *items = dra_dec_alloc(d, count, sizeof *items);
    *ret_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        items[i].name = dra_dec_name(d, &item, "name");
        items[i].expression = dra_dec_name(d, &item, "expression");
    }
    return items;
}

/* What `at`, an exactly or a firstAvailable entry, asks. */
static void ask(struct dra_dec *d, const struct dra_at *at, struct dra_ask *ret)
{
    struct dra_at capacity = dra_at_field(at, "capacity");
    struct dra_at amounts = dra_at_field(&capacity, "requests");
    (void)dra_dec_map(d, at);
    ret->class_name = dra_dec_name(d, at, "deviceClassName");
    struct str mode = dra_dec_text(d, at, "allocationMode");
    if (mode.len == 0)
        mode = STR_LIT("ExactCount");
    ret->mode_text = dra_names_add(&d->s->names, mode);
    ret->mode = str_eq_c(mode, "ExactCount") ? DRA_MODE_EXACT
                : str_eq_c(mode, "All")      ? DRA_MODE_ALL
                                             : DRA_MODE_OTHER;
    ret->count = dra_dec_int(d, at, "count", 0);
    if (ret->count == 0 && ret->mode == DRA_MODE_EXACT)
        ret->count = 1;
    ret->admin = dra_dec_bool(d, at, "adminAccess", &ret->has_admin);
    ret->has_capacity = capacity.doc != NULL;
    ret->capacities = capacity_requests(d, &amounts, &ret->capacity_count);
    ret->selectors = dra_dec_selectors(d, at, &ret->selector_count);
    ret->tolerations = tolerations(d, at, &ret->toleration_count);
    ret->derived = derived(d, at, &ret->derived_count);
}

static void request(struct dra_dec *d, const struct dra_at *at, struct dra_request *ret)
{
    struct dra_at exactly = dra_at_field(at, "exactly");
    struct dra_at subs = dra_at_field(at, "firstAvailable");
    (void)dra_dec_map(d, at);
    ret->name = dra_dec_name(d, at, "name");
    uint32_t count = dra_dec_list(d, &subs);
    if (count > 0 && exactly.doc)
        dra_dec_fail(d, at, -EINVAL, "exactly one of exactly and firstAvailable is required");
    ret->has_subs = count > 0;
    ret->ask_count = count > 0 ? count : 1;
    struct dra_ask *asks = dra_dec_alloc(d, ret->ask_count, sizeof *asks);
    ret->asks = asks;
    if (!asks)
        return;
    if (count == 0) {
        if (!exactly.doc)
            dra_dec_fail(d, at, -EINVAL, "exactly one of exactly and firstAvailable is required");
        ask(d, &exactly, &asks[0]);
        asks[0].name = ret->name;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&subs, i);
        ask(d, &item, &asks[i]);
        asks[i].name = dra_dec_name(d, &item, "name");
        asks[i].admin = asks[i].has_admin = false;
    }
}

static void constraints(struct dra_dec *d, const struct dra_at *devices, struct dra_claim *claim)
{
    struct dra_at list = dra_at_field(devices, "constraints");
    uint32_t count = dra_dec_list(d, &list);
    struct dra_constraint *items = dra_dec_alloc(d, count, sizeof *items);
    claim->constraints = items;
    claim->constraint_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at match = dra_at_field(&item, "matchAttribute");
        struct dra_at distinct = dra_at_field(&item, "distinctAttribute");
        const struct dra_at *from = match.doc ? &match : &distinct;
        (void)dra_dec_map(d, &item);
        items[i].kind = match.doc      ? DRA_CONSTRAINT_MATCH
                        : distinct.doc ? DRA_CONSTRAINT_DISTINCT
                                       : DRA_CONSTRAINT_NONE;
        struct str text = dra_dec_scalar_text(d, from);
        struct str domain;
        struct str id;
        dra_split_name(text, &domain, &id);
        items[i].attribute = dra_names_add(&d->s->names, text);
        items[i].domain = dra_names_add(&d->s->names, domain);
        items[i].id = dra_names_add(&d->s->names, id);
        items[i].requests = dra_dec_names(d, &item, "requests");
    }
}

static void allocation(struct dra_dec *d, const struct dra_at *at, struct dra_claim *claim)
{
    struct dra_at devices = dra_at_field(at, "devices");
    struct dra_at results = dra_at_field(&devices, "results");
    struct dra_at selector = dra_at_field(at, "nodeSelector");
    uint32_t count = dra_dec_list(d, &results);
    struct dra_allocated *items = dra_dec_alloc(d, count, sizeof *items);
    claim->has_allocation = at->doc != NULL;
    claim->allocated = items;
    claim->allocated_count = items ? count : 0;
    if (selector.doc)
        claim->allocated_nodes = dra_dec_node_selector(d, &selector);
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&results, i);
        struct dra_at share = dra_at_field(&item, "shareID");
        struct dra_at consumed = dra_at_field(&item, "consumedCapacity");
        struct dra_allocated *r = &items[i];
        (void)dra_dec_map(d, &item);
        r->request = dra_dec_name(d, &item, "request");
        r->driver = dra_dec_name(d, &item, "driver");
        r->pool = dra_dec_name(d, &item, "pool");
        r->device = dra_dec_name(d, &item, "device");
        r->admin = dra_dec_bool(d, &item, "adminAccess", NULL);
        r->has_share = share.doc != NULL;
        r->share = dra_dec_name(d, &item, "shareID");
        r->has_capacity = consumed.doc != NULL;
        r->capacities = capacity_requests(d, &consumed, &r->capacity_count);
    }
}

void dra_dec_claim(struct dra_dec *d, const struct dra_at *root, bool is_template)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at outer = dra_at_field(root, "spec");
    struct dra_at inner = dra_at_field(&outer, "spec");
    const struct dra_at *spec = is_template ? &inner : &outer;
    struct dra_at devices = dra_at_field(spec, "devices");
    struct dra_at requests = dra_at_field(&devices, "requests");
    struct dra_at configs = dra_at_field(&devices, "config");
    struct dra_at status = dra_at_field(root, "status");
    struct dra_at allocated = dra_at_field(&status, "allocation");
    struct dra_claim *claim = dra_dec_alloc(d, 1, sizeof *claim);
    uint32_t count = dra_dec_list(d, &requests);
    struct dra_request *items = dra_dec_alloc(d, count, sizeof *items);
    if (!claim)
        return;
    claim->is_template = is_template;
    claim->namespace_name = dra_dec_name(d, &meta, "namespace");
    claim->name = dra_dec_name(d, &meta, "name");
    claim->uid = dra_dec_name(d, &meta, "uid");
    claim->requests = items;
    claim->request_count = items ? count : 0;
    for (uint32_t i = 0; i < claim->request_count && !d->code; i++) {
        struct dra_at item = dra_at_item(&requests, i);
        request(d, &item, &items[i]);
    }
    constraints(d, &devices, claim);
    claim->configs = dra_dec_configs(d, &configs, &claim->config_count);
    if (!is_template)
        allocation(d, &allocated, claim);
    if (!d->code)
        dra_refs_add(&d->s->claims, claim);
}
