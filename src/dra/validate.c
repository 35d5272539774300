/* dra/validate.c - DeviceClass, DeviceTaintRule, claims' outer parts, and the walk.  Pure. */
#include "dra/validate.h"

#include "dra/validate-priv.h"

#include <errno.h>
#include <string.h>

enum { CLASS_CONFIGS_MAX = 32 };

static void metadata(struct dra_check *c, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at name;
    struct str generate = dra_member(c, &meta, "generateName", false, &name);
    (void)dra_member(c, &meta, "name", generate.len == 0, &name);
    if (name.doc)
        dra_check_subdomain(c, &name, 253);
}

static void check_class(struct dra_check *c, const struct dra_at *root)
{
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at configs = dra_at_field(&spec, "config");
    struct dra_at extended;
    metadata(c, root);
    dra_check_selectors(c, &spec);
    uint32_t count = dra_items(c, &configs, CLASS_CONFIGS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&configs, i);
        dra_check_opaque(c, &item);
    }
    struct str name = dra_member(c, &spec, "extendedResourceName", false, &extended);
    if (!extended.doc)
        return;
    if (!memchr(name.ptr, '/', name.len) || str_starts(name, STR_LIT("kubernetes.io/")) ||
            str_starts(name, STR_LIT("requests.")))
        dra_invalid(c, &extended, "must be a valid extended resource name");
}

static void check_rule(struct dra_check *c, const struct dra_at *root)
{
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at selector = dra_at_field(&spec, "deviceSelector");
    struct dra_at taint = dra_at_field(&spec, "taint");
    struct dra_at device = dra_at_field(&selector, "device");
    struct dra_at at;
    metadata(c, root);
    (void)dra_member(c, &selector, "driver", dra_at_field(&selector, "driver").doc != NULL, &at);
    if (at.doc)
        dra_check_driver(c, &at);
    (void)dra_member(c, &selector, "pool", dra_at_field(&selector, "pool").doc != NULL, &at);
    if (at.doc)
        dra_check_pool(c, &at);
    dra_check_label(c, &device);
    dra_check_taint(c, &taint);
}

static void check_claim(struct dra_check *c, const struct dra_at *root, bool is_template)
{
    struct dra_at outer = dra_at_field(root, "spec");
    struct dra_at inner = dra_at_field(&outer, "spec");
    metadata(c, root);
    dra_check_claim_spec(c, is_template ? &inner : &outer);
}

static void check_object(struct dra_check *c, const struct dra_at *root, struct str kind)
{
    if (str_eq_c(kind, "ResourceSlice")) {
        metadata(c, root);
        dra_check_slice(c, root);
    } else if (str_eq_c(kind, "DeviceClass")) {
        check_class(c, root);
    } else if (str_eq_c(kind, "DeviceTaintRule")) {
        check_rule(c, root);
    } else if (str_eq_c(kind, "ResourceClaim")) {
        check_claim(c, root, false);
    } else if (str_eq_c(kind, "ResourceClaimTemplate")) {
        check_claim(c, root, true);
    }
}

static void walk(struct dra_check *c, const struct dra_at *at)
{
    const struct doc *kind = doc_get(at->doc, "kind");
    if (!at->doc || at->doc->kind != DOC_OBJECT || !kind || kind->kind != DOC_STRING) {
        dra_problem(c, at, "expected an object with kind and apiVersion");
        return;
    }
    check_object(c, at, kind->text);
    struct dra_at items = dra_at_field(at, "items");
    if (!str_ends(kind->text, STR_LIT("List")) || !items.doc || items.doc->kind != DOC_ARRAY)
        return;
    for (uint32_t i = 0; i < items.doc->count; i++) {
        struct dra_at item = dra_at_item(&items, i);
        walk(c, &item);
    }
}

int dra_validate(
        const struct doc *doc, dra_problem_fn *on_problem, void *context, struct err *reterr)
{
    struct dra_check c = {.on_problem = on_problem, .context = context, .err = reterr};
    struct dra_at root = dra_at_root(doc);
    walk(&c, &root);
    return c.stop ? -EINVAL : 0;
}
