/* dra/store.c - which kind an object is, and where it goes.  Pure. */
#include "dra/store.h"

#include "dra/decode-priv.h"

#include <assert.h>
#include <errno.h>

struct dra_store *dra_store_new(size_t cap_bytes)
{
    struct dra_store *s = mem_alloc(1, sizeof *s);
    s->arena = arena_new(cap_bytes ? cap_bytes : DRA_STORE_CAP_BYTES);
    return s;
}

struct dra_store *dra_store_free(struct dra_store *s)
{
    if (!s)
        return NULL;
    struct dra_refs *refs[] = {&s->lists, &s->version_items, &s->slices, &s->classes, &s->claims,
            &s->rules, &s->nodes, &s->pods};
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++)
        mem_free(refs[i]->items);
    dra_names_clear(&s->names);
    map_u64_clear(&s->pool_idents);
    map_u64_clear(&s->device_idents);
    map_str_clear(&s->shared_lists);
    map_str_clear(&s->versions);
    (void)arena_free(s->arena);
    mem_free(s);
    return NULL;
}

void dra_refs_add(struct dra_refs *r, const void *item)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->items = mem_grow(r->items, r->cap, sizeof *r->items);
    }
    r->items[r->count++] = item;
}

int dra_store_add_kind(
        struct dra_store *s, enum dra_kind kind, const struct doc *doc, struct err *reterr)
{
    struct dra_dec d = {.s = s, .err = reterr};
    struct dra_at root = dra_at_root(doc);
    (void)dra_dec_map(&d, &root);
    switch (kind) {
    case DRA_KIND_SLICE:
        dra_dec_slice(&d, &root);
        break;
    case DRA_KIND_CLASS:
        dra_dec_class(&d, &root);
        break;
    case DRA_KIND_CLAIM:
        dra_dec_claim(&d, &root, false);
        break;
    case DRA_KIND_TEMPLATE:
        dra_dec_claim(&d, &root, true);
        break;
    case DRA_KIND_RULE:
        dra_dec_rule(&d, &root);
        break;
    case DRA_KIND_NODE:
        dra_dec_node(&d, &root);
        break;
    case DRA_KIND_POD:
        dra_dec_pod(&d, &root);
        break;
    case DRA_KIND_COUNT:
        assert(kind != DRA_KIND_COUNT);
    }
    return d.code;
}

static const char *const kind_names[DRA_KIND_COUNT] = {
        [DRA_KIND_SLICE] = "ResourceSlice",
        [DRA_KIND_CLASS] = "DeviceClass",
        [DRA_KIND_CLAIM] = "ResourceClaim",
        [DRA_KIND_TEMPLATE] = "ResourceClaimTemplate",
        [DRA_KIND_RULE] = "DeviceTaintRule",
        [DRA_KIND_NODE] = "Node",
        [DRA_KIND_POD] = "Pod",
};

static int add_list(struct dra_store *s, const struct doc *doc, struct err *reterr)
{
    const struct doc *items = doc_get(doc, "items");
    if (!items || items->kind == DOC_NULL)
        return 0;
    if (items->kind != DOC_ARRAY)
        return err_set(reterr, -EINVAL, "items: expected a list");
    for (uint32_t i = 0; i < items->count; i++) {
        int r = dra_store_add(s, &items->first[i], reterr);
        if (r) {
            (void)err_wrap(reterr, "items[%u]", i);
            return r;
        }
    }
    return 0;
}

/* resource.k8s.io of the versions whose objects have v1's shape; core/v1 for nodes and pods. */
static int version_check(struct str version, enum dra_kind kind, struct err *reterr)
{
    if (kind == DRA_KIND_NODE || kind == DRA_KIND_POD)
        return 0;
    if (str_eq_c(version, "resource.k8s.io/v1") || str_eq_c(version, "resource.k8s.io/v1beta2"))
        return 0;
    if (kind == DRA_KIND_RULE && str_eq_c(version, "resource.k8s.io/v1alpha3"))
        return 0;
    return err_set(reterr, -EINVAL,
            "apiVersion \"%.*s\": expected resource.k8s.io/v1 (or v1beta2) for a %s",
            STR_ARG_SHORT(version), kind_names[kind]);
}

int dra_store_add(struct dra_store *s, const struct doc *doc, struct err *reterr)
{
    const struct doc *kind = doc_get(doc, "kind");
    const struct doc *version = doc_get(doc, "apiVersion");
    if (doc->kind != DOC_OBJECT || !kind || kind->kind != DOC_STRING)
        return err_set(reterr, -EINVAL, "expected an object with kind and apiVersion");
    for (int k = 0; k < DRA_KIND_COUNT; k++) {
        if (!str_eq_c(kind->text, kind_names[k]))
            continue;
        int r = version_check(version && version->kind == DOC_STRING ? version->text : STR_LIT(""),
                (enum dra_kind)k, reterr);
        return r ? r : dra_store_add_kind(s, (enum dra_kind)k, doc, reterr);
    }
    return str_ends(kind->text, STR_LIT("List")) ? add_list(s, doc, reterr) : 0;
}

int dra_store_device(struct dra_store *s, const struct doc *doc, const struct dra_device **ret,
        uint32_t *ret_driver, struct err *reterr)
{
    struct dra_dec d = {.s = s, .err = reterr};
    struct dra_at root = dra_at_root(doc);
    struct dra_slice slice = {
            .driver = dra_dec_name(&d, &root, "driver"), .pool_ident = UINT32_MAX};
    struct dra_device *device = dra_dec_alloc(&d, 1, sizeof *device);
    if (device)
        dra_dec_device(&d, &root, &slice, device);
    if (d.code)
        return d.code;
    *ret = device;
    *ret_driver = slice.driver;
    return 0;
}

const struct dra_class *dra_class_find(const struct dra_store *s, uint32_t name)
{
    for (uint32_t i = 0; i < s->classes.count; i++) {
        if (dra_class_at(s, i)->name == name)
            return dra_class_at(s, i);
    }
    return NULL;
}

static bool rule_selects(
        const struct dra_taint_rule *rule, const struct dra_slice *slice, uint32_t device)
{
    if (!rule->has_selector || (rule->has_driver && rule->driver != slice->driver))
        return false;
    if (rule->has_pool && rule->pool != slice->pool)
        return false;
    return !rule->has_device || rule->device == device;
}

static void taint_device(struct arena *a, struct dra_device *device, const struct dra_taint *taint)
{
    struct dra_device_extra *extra = ARENA_NEW(a, struct dra_device_extra);
    if (device->extra)
        *extra = *device->extra;
    struct dra_taint *taints = ARENA_ARRAY(a, struct dra_taint, extra->taint_count + 1);
    for (uint32_t i = 0; i < extra->taint_count; i++)
        taints[i] = extra->taints[i];
    taints[extra->taint_count++] = *taint;
    extra->taints = taints;
    device->extra = extra;
}

void dra_store_apply_rules(struct dra_store *s)
{
    for (uint32_t i = 0; i < s->slices.count; i++) {
        const struct dra_slice *slice = dra_slice_at(s, i);
        for (uint32_t r = 0; r < s->rules.count; r++) {
            const struct dra_taint_rule *rule = s->rules.items[r];
            for (uint32_t k = 0; k < slice->device_count; k++) {
                if (rule_selects(rule, slice, slice->devices[k].name))
                    taint_device(s->arena, &slice->devices[k], &rule->taint);
            }
        }
    }
}
