/* dra/emit.c - writing status.allocation.  Pure. */
#include "dra/emit.h"

static void key_name(
        struct json_writer *w, const struct dra_names *n, const char *key, uint32_t name)
{
    jw_kv_str(w, key, dra_name(n, name));
}

static void name_list(struct json_writer *w, const struct dra_names *n, const char *key,
        struct dra_name_list list)
{
    if (list.count == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < list.count; i++)
        jw_str(w, dra_name(n, list.names[i]));
    jw_array_end(w);
}

static void tolerations(struct json_writer *w, const struct dra_names *n, const struct dra_ask *ask)
{
    if (ask->toleration_count == 0)
        return;
    jw_key(w, "tolerations");
    jw_array(w);
    for (uint32_t i = 0; i < ask->toleration_count; i++) {
        const struct dra_toleration *t = &ask->tolerations[i];
        jw_object(w);
        if (t->key)
            key_name(w, n, "key", t->key);
        if (t->operator_text)
            key_name(w, n, "operator", t->operator_text);
        if (t->value)
            key_name(w, n, "value", t->value);
        if (t->effect_text)
            key_name(w, n, "effect", t->effect_text);
        if (t->has_seconds)
            jw_kv_i64(w, "tolerationSeconds", t->seconds);
        jw_object_end(w);
    }
    jw_array_end(w);
}

void dra_request_name(struct buf *out, const struct dra_store *store,
        const struct dra_request *request, uint32_t ask)
{
    buf_put(out, dra_name(&store->names, request->name));
    if (!request->has_subs)
        return;
    buf_putc(out, '/');
    buf_put(out, dra_name(&store->names, request->asks[ask].name));
}

static void consumed(struct json_writer *w, const struct dra_names *n, const struct dra_pick *pick)
{
    jw_kv_cstr(w, "shareID", pick->share_id);
    if (pick->consumed_count == 0)
        return;
    jw_key(w, "consumedCapacity");
    jw_object(w);
    for (uint32_t i = 0; i < pick->consumed_count; i++) {
        char text[QUANTITY_TEXT_MAX];
        (void)quantity_text(&pick->consumed[i].value, text);
        jw_key_str(w, dra_name(n, pick->consumed[i].name));
        jw_cstr(w, text);
    }
    jw_object_end(w);
}

static void pick_emit(struct json_writer *w, const struct dra_store *store,
        const struct dra_request *request, const struct dra_pick *pick)
{
    const struct dra_names *n = &store->names;
    const struct dra_ask *ask = &request->asks[pick->ask];
    struct buf name = BUF_INIT(4096);
    dra_request_name(&name, store, request, pick->ask);
    jw_object(w);
    jw_kv_str(w, "request", buf_str(&name));
    buf_clear(&name);
    key_name(w, n, "driver", pick->slice->driver);
    key_name(w, n, "pool", pick->slice->pool);
    key_name(w, n, "device", pick->device->name);
    if (ask->admin)
        jw_kv_bool(w, "adminAccess", true);
    tolerations(w, n, ask);
    name_list(w, n, "bindingConditions", pick->binding);
    name_list(w, n, "bindingFailureConditions", pick->binding_failure);
    if (pick->shared)
        consumed(w, n, pick);
    name_list(w, n, "skipNodeOperations", pick->skip_operations);
    jw_object_end(w);
}

static void config_emit(
        struct json_writer *w, const struct dra_names *n, const struct dra_result_config *config)
{
    jw_object(w);
    jw_kv_cstr(w, "source", config->from_class ? "FromClass" : "FromClaim");
    if (config->request_count) {
        jw_key(w, "requests");
        jw_array(w);
        for (uint32_t i = 0; i < config->request_count; i++)
            jw_str(w, config->requests[i]);
        jw_array_end(w);
    }
    if (config->config->has_opaque) {
        jw_key(w, "opaque");
        jw_object(w);
        key_name(w, n, "driver", config->config->driver);
        jw_key(w, "parameters");
        if (config->config->parameters.len) {
            jw_raw(w, config->config->parameters);
        } else {
            jw_null(w);
        }
        jw_object_end(w);
    }
    jw_object_end(w);
}

static void requirements(struct json_writer *w, const struct dra_names *n, const char *key,
        const struct dra_requirement *items, uint32_t count)
{
    if (count == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        jw_object(w);
        key_name(w, n, "key", items[i].key);
        key_name(w, n, "operator", items[i].operator_text);
        name_list(w, n, "values", items[i].values);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void node_selector(struct json_writer *w, const struct dra_names *n,
        const struct dra_allocation *a, const struct dra_node *node)
{
    if (!a->one_node && !a->selector)
        return;
    jw_key(w, "nodeSelector");
    jw_object(w);
    jw_key(w, "nodeSelectorTerms");
    jw_array(w);
    jw_object(w);
    if (a->one_node) {
        jw_key(w, "matchFields");
        jw_array(w);
        jw_object(w);
        jw_kv_cstr(w, "key", "metadata.name");
        jw_kv_cstr(w, "operator", "In");
        jw_key(w, "values");
        jw_array(w);
        jw_str(w, dra_name(n, node->name));
        jw_array_end(w);
        jw_object_end(w);
        jw_array_end(w);
    } else {
        const struct dra_term *term = &a->selector->terms[0];
        requirements(w, n, "matchExpressions", term->expressions, term->expression_count);
        requirements(w, n, "matchFields", term->fields, term->field_count);
    }
    jw_object_end(w);
    jw_array_end(w);
    jw_object_end(w);
}

void dra_allocation_emit(struct json_writer *w, const struct dra_store *store,
        const struct dra_claim *claim, const struct dra_allocation *allocation,
        const struct dra_node *node)
{
    const struct dra_names *n = &store->names;
    jw_object(w);
    jw_key(w, "devices");
    jw_object(w);
    if (allocation->pick_count) {
        jw_key(w, "results");
        jw_array(w);
        for (uint32_t i = 0; i < allocation->pick_count; i++) {
            const struct dra_pick *pick = &allocation->picks[i];
            pick_emit(w, store, &claim->requests[pick->request], pick);
        }
        jw_array_end(w);
    }
    if (allocation->config_count) {
        jw_key(w, "config");
        jw_array(w);
        for (uint32_t i = 0; i < allocation->config_count; i++)
            config_emit(w, n, &allocation->configs[i]);
        jw_array_end(w);
    }
    jw_object_end(w);
    node_selector(w, n, allocation, node);
    jw_object_end(w);
}
