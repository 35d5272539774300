/* dra/decode_slice.c - ResourceSlice, DeviceClass, DeviceTaintRule, Node and Pod.  Pure. */
#include "base/civil.h"
#include "base/json.h"
#include "dra/decode-priv.h"

#include <errno.h>
#include <string.h>

static uint32_t pool_ident(struct dra_store *s, uint32_t driver, uint32_t pool)
{
    uint64_t key = (uint64_t)driver << 32 | pool;
    uint32_t found = map_u64_find(&s->pool_idents, key);
    if (found != MAP_NONE)
        return found;
    found = s->pool_idents.entry_count;
    (void)map_u64_set(&s->pool_idents, key, found);
    return found;
}

static void counter_sets(struct dra_dec *d, const struct dra_at *spec, struct dra_slice *slice)
{
    struct dra_at list = dra_at_field(spec, "sharedCounters");
    uint32_t count = dra_dec_list(d, &list);
    struct dra_counter_set *sets = dra_dec_alloc(d, count, sizeof *sets);
    for (uint32_t i = 0; sets && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at counters = dra_at_field(&item, "counters");
        (void)dra_dec_map(d, &item);
        sets[i].name = dra_dec_name(d, &item, "name");
        sets[i].counters = dra_dec_counters(d, &counters);
    }
    slice->sets = sets;
    slice->set_count = sets ? count : 0;
}

static void slice_nodes(struct dra_dec *d, const struct dra_at *spec, struct dra_slice *slice)
{
    struct dra_at node = dra_at_field(spec, "nodeName");
    struct dra_at selector = dra_at_field(spec, "nodeSelector");
    slice->has_node_name = node.doc != NULL;
    slice->node_name = dra_dec_name(d, spec, "nodeName");
    slice->all_nodes = dra_dec_bool(d, spec, "allNodes", NULL);
    slice->per_device = dra_dec_bool(d, spec, "perDeviceNodeSelection", &slice->has_per_device);
    if (selector.doc)
        slice->selector = dra_dec_node_selector(d, &selector);
}

void dra_dec_slice(struct dra_dec *d, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at pool = dra_at_field(&spec, "pool");
    struct dra_at devices = dra_at_field(&spec, "devices");
    struct dra_slice *slice = dra_dec_alloc(d, 1, sizeof *slice);
    if (!slice)
        return;
    slice->name = dra_dec_name(d, &meta, "name");
    slice->driver = dra_dec_name(d, &spec, "driver");
    slice->pool = dra_dec_name(d, &pool, "name");
    slice->generation = dra_dec_int(d, &pool, "generation", 0);
    slice->slice_count = dra_dec_int(d, &pool, "resourceSliceCount", 0);
    slice->skip_operations = dra_dec_names(d, &spec, "skipNodeOperations");
    slice->pool_ident = pool_ident(d->s, slice->driver, slice->pool);
    slice_nodes(d, &spec, slice);
    counter_sets(d, &spec, slice);
    uint32_t count = dra_dec_list(d, &devices);
    slice->devices = dra_dec_alloc(d, count, sizeof *slice->devices);
    slice->device_count = slice->devices ? count : 0;
    for (uint32_t i = 0; i < slice->device_count && !d->code; i++) {
        struct dra_at item = dra_at_item(&devices, i);
        dra_dec_device(d, &item, slice, &slice->devices[i]);
    }
    if (!d->code)
        dra_refs_add(&d->s->slices, slice);
}

/* Compact JSON of a subtree, as it came. */
static void json_text(struct json_writer *w, const struct doc *doc)
{
    switch (doc->kind) {
    case DOC_NULL:
        jw_null(w);
        return;
    case DOC_BOOL:
        jw_bool(w, doc->boolean);
        return;
    case DOC_INT:
        jw_i64(w, doc->integer);
        return;
    case DOC_REAL:
        jw_raw(w, doc->text);
        return;
    case DOC_STRING:
        jw_str(w, doc->text);
        return;
    case DOC_ARRAY:
        jw_array(w);
        for (uint32_t i = 0; i < doc->count; i++)
            json_text(w, &doc->first[i]);
        jw_array_end(w);
        return;
    case DOC_OBJECT:
        jw_object(w);
        for (uint32_t i = 0; i < doc->count; i++) {
            jw_key_str(w, doc->first[i].key);
            json_text(w, &doc->first[i]);
        }
        jw_object_end(w);
        return;
    }
}

const struct dra_config *dra_dec_configs(
        struct dra_dec *d, const struct dra_at *at, uint32_t *ret_count)
{
    uint32_t count = dra_dec_list(d, at);
    struct dra_config *items = dra_dec_alloc(d, count, sizeof *items);
    *ret_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        struct dra_at opaque = dra_at_field(&item, "opaque");
        struct dra_at parameters = dra_at_field(&opaque, "parameters");
        (void)dra_dec_map(d, &item);
        items[i].requests = dra_dec_names(d, &item, "requests");
        items[i].has_opaque = opaque.doc != NULL;
        items[i].driver = dra_dec_name(d, &opaque, "driver");
        if (!parameters.doc)
            continue;
        struct buf text = BUF_INIT(1 << 20);
        struct json_writer w = JSON_WRITER(&text, 0);
        json_text(&w, parameters.doc);
        if (text.overflow) {
            dra_dec_fail(d, &parameters, -E2BIG, "longer than %d bytes", 1 << 20);
        } else if (arena_fits(d->s->arena, text.len + 1, 1)) {
            items[i].parameters = arena_str(d->s->arena, buf_str(&text));
        }
        buf_clear(&text);
    }
    return items;
}

const struct dra_selector *dra_dec_selectors(
        struct dra_dec *d, const struct dra_at *owner, uint32_t *ret_count)
{
    struct dra_at list = dra_at_field(owner, "selectors");
    uint32_t count = dra_dec_list(d, &list);
    struct dra_selector *items = dra_dec_alloc(d, count, sizeof *items);
    *ret_count = items ? count : 0;
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at cel = dra_at_field(&item, "cel");
        (void)dra_dec_map(d, &item);
        items[i].has_cel = cel.doc != NULL;
        items[i].text = dra_dec_name(d, &cel, "expression");
    }
    return items;
}

void dra_dec_class(struct dra_dec *d, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at configs = dra_at_field(&spec, "config");
    struct dra_class *c = dra_dec_alloc(d, 1, sizeof *c);
    if (!c)
        return;
    int64_t created_ns = 0;
    struct str created = dra_dec_text(d, &meta, "creationTimestamp");
    if (created.len && civil_parse(created, &created_ns, NULL) == 0)
        c->created = created_ns / 1000000000;
    c->name = dra_dec_name(d, &meta, "name");
    c->extended_resource = dra_dec_name(d, &spec, "extendedResourceName");
    c->selectors = dra_dec_selectors(d, &spec, &c->selector_count);
    c->configs = dra_dec_configs(d, &configs, &c->config_count);
    if (!d->code)
        dra_refs_add(&d->s->classes, c);
}

void dra_dec_rule(struct dra_dec *d, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at selector = dra_at_field(&spec, "deviceSelector");
    struct dra_at taint = dra_at_field(&spec, "taint");
    struct dra_taint_rule *rule = dra_dec_alloc(d, 1, sizeof *rule);
    if (!rule)
        return;
    rule->name = dra_dec_name(d, &meta, "name");
    rule->has_selector = selector.doc != NULL;
    rule->has_driver = dra_at_field(&selector, "driver").doc != NULL;
    rule->has_pool = dra_at_field(&selector, "pool").doc != NULL;
    rule->has_device = dra_at_field(&selector, "device").doc != NULL;
    rule->driver = dra_dec_name(d, &selector, "driver");
    rule->pool = dra_dec_name(d, &selector, "pool");
    rule->device = dra_dec_name(d, &selector, "device");
    dra_dec_taint(d, &taint, &rule->taint);
    if (!d->code)
        dra_refs_add(&d->s->rules, rule);
}

void dra_dec_node(struct dra_dec *d, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at labels = dra_at_field(&meta, "labels");
    struct dra_at status = dra_at_field(root, "status");
    struct dra_node *node = dra_dec_alloc(d, 1, sizeof *node);
    uint32_t count = dra_dec_map(d, &labels);
    struct dra_label *items = dra_dec_alloc(d, count, sizeof *items);
    if (!node)
        return;
    node->name = dra_dec_name(d, &meta, "name");
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&labels, i);
        items[i].key = dra_names_add(&d->s->names, item.key);
        items[i].value = dra_names_add(&d->s->names, dra_dec_scalar_text(d, &item));
    }
    node->labels = items;
    node->label_count = items ? count : 0;
    struct dra_name_list features = dra_dec_names(d, &status, "declaredFeatures");
    for (uint32_t i = 0; i < features.count; i++) {
        if (str_eq_c(dra_name(&d->s->names, features.names[i]), "DRAOptionalNodeOperations"))
            node->optional_operations = true;
    }
    if (!d->code)
        dra_refs_add(&d->s->nodes, node);
}

/* Adds the amounts of a list whose names are not there yet. */
static void amounts(struct dra_dec *d, const struct dra_at *list, struct dra_pod_resource *items,
        uint32_t *count)
{
    uint32_t before = *count, more = dra_dec_map(d, list);
    for (uint32_t i = 0; i < more; i++) {
        struct dra_at item = dra_at_item(list, i);
        struct quantity q = {0};
        int64_t amount = 0;
        uint32_t name = dra_names_add(&d->s->names, item.key), k = 0;
        dra_dec_scalar_quantity(d, &item, &q);
        (void)quantity_as_i64(&q, &amount);
        while (k < before && items[k].name != name)
            k++;
        if (k == before)
            items[(*count)++] = (struct dra_pod_resource){.name = name, .count = amount};
    }
}

/* A limit without a request is one, as the API server fills in. */
static void container(
        struct dra_dec *d, const struct dra_at *at, bool init, struct dra_container *ret)
{
    struct dra_at resources = dra_at_field(at, "resources");
    struct dra_at requests = dra_at_field(&resources, "requests");
    struct dra_at limits = dra_at_field(&resources, "limits");
    uint32_t most = dra_dec_map(d, &requests) + dra_dec_map(d, &limits);
    struct dra_pod_resource *items = dra_dec_alloc(d, most, sizeof *items);
    ret->init = init;
    ret->sidecar = init && str_eq_c(dra_dec_text(d, at, "restartPolicy"), "Always");
    ret->resources = items;
    if (items) {
        amounts(d, &requests, items, &ret->resource_count);
        amounts(d, &limits, items, &ret->resource_count);
    }
}

/* The claim that was made of the entry's template; where none was needed the template goes. */
static void made_claim(struct dra_dec *d, const struct dra_at *status, struct dra_pod_claim *entry)
{
    struct dra_at made = dra_at_field(status, "resourceClaimStatuses");
    uint32_t count = dra_dec_list(d, &made);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&made, i);
        if (dra_dec_name(d, &item, "name") != entry->name)
            continue;
        entry->claim = dra_dec_name(d, &item, "resourceClaimName");
        entry->from_template = entry->claim ? entry->from_template : 0;
    }
}

static void pod_claims(struct dra_dec *d, const struct dra_at *root, struct dra_pod *ret)
{
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at status = dra_at_field(root, "status");
    struct dra_at claims = dra_at_field(&spec, "resourceClaims");
    uint32_t count = dra_dec_list(d, &claims);
    struct dra_pod_claim *items = dra_dec_alloc(d, count, sizeof *items);
    ret->has_extended = dra_at_field(&status, "extendedResourceClaimStatus").doc != NULL;
    ret->claims = items;
    ret->claim_count = items ? count : 0;
    for (uint32_t i = 0; i < ret->claim_count; i++) {
        struct dra_at item = dra_at_item(&claims, i);
        items[i].name = dra_dec_name(d, &item, "name");
        items[i].claim = dra_dec_name(d, &item, "resourceClaimName");
        items[i].from_template = dra_dec_name(d, &item, "resourceClaimTemplateName");
        if (items[i].from_template)
            made_claim(d, &status, &items[i]);
    }
}

void dra_dec_pod(struct dra_dec *d, const struct dra_at *root)
{
    struct dra_at meta = dra_at_field(root, "metadata");
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at init = dra_at_field(&spec, "initContainers");
    struct dra_at main = dra_at_field(&spec, "containers");
    uint32_t init_count = dra_dec_list(d, &init);
    uint32_t main_count = dra_dec_list(d, &main);
    struct dra_pod *pod = dra_dec_alloc(d, 1, sizeof *pod);
    struct dra_container *items = dra_dec_alloc(d, init_count + main_count, sizeof *items);
    if (!pod)
        return;
    pod->namespace_name = dra_dec_name(d, &meta, "namespace");
    pod->name = dra_dec_name(d, &meta, "name");
    pod->uid = dra_dec_name(d, &meta, "uid");
    pod->containers = items;
    pod->container_count = items ? init_count + main_count : 0;
    for (uint32_t i = 0; i < pod->container_count; i++) {
        bool is_init = i < init_count;
        struct dra_at item = dra_at_item(is_init ? &init : &main, is_init ? i : i - init_count);
        container(d, &item, is_init, &items[i]);
    }
    pod_claims(d, root, pod);
    if (!d->code)
        dra_refs_add(&d->s->pods, pod);
}
