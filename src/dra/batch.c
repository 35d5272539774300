/* dra/batch.c - lines of JSON to the allocator and back.  Pure. */
#include "dra/batch.h"

#include "dra/device.h"
#include "dra/emit.h"
#include "dra/extended.h"

#include <errno.h>

struct batch {
    struct dra_store *store;
    struct arena *arena;
    const struct doc *doc;
    struct dra_setup setup;
    struct err err;
};

static const struct doc *list_get(struct batch *b, const char *key, uint32_t *ret_count, int *code)
{
    const struct doc *list = doc_get(b->doc, key);
    *ret_count = 0;
    if (!list || list->kind == DOC_NULL)
        return NULL;
    if (list->kind != DOC_ARRAY) {
        *code = err_set(&b->err, -EINVAL, "%s: expected a list", key);
        return NULL;
    }
    *ret_count = list->count;
    return list;
}

static int add_all(struct batch *b, const char *key, enum dra_kind kind)
{
    uint32_t count = 0;
    int r = 0;
    const struct doc *list = list_get(b, key, &count, &r);
    for (uint32_t i = 0; i < count && !r; i++) {
        r = dra_store_add_kind(b->store, kind, &list->first[i], &b->err);
        if (r)
            (void)err_wrap(&b->err, "%s[%u]", key, i);
    }
    return r;
}

static int setup_read(struct batch *b)
{
    const struct doc *variant = doc_get(b->doc, "variant");
    const struct doc *features = doc_get(b->doc, "features");
    const struct doc *seed = doc_get(b->doc, "seed");
    const struct doc *walk = doc_get(b->doc, "noPruning");
    b->setup.variant = DRA_VARIANT_INCUBATING;
    if (variant && str_eq_c(variant->text, "experimental")) {
        b->setup.variant = DRA_VARIANT_EXPERIMENTAL;
    } else if (variant && !str_eq_c(variant->text, "incubating")) {
        return err_set(&b->err, -EINVAL, "variant: expected incubating or experimental");
    }
    b->setup.seed = seed && seed->kind == DOC_INT ? (uint64_t)seed->integer : 0;
    b->setup.no_pruning = walk && walk->kind == DOC_BOOL && walk->boolean;
    b->setup.features = dra_variant_features(b->setup.variant);
    if (!features || features->kind != DOC_OBJECT)
        return 0;
    b->setup.features = 0;
    for (uint32_t i = 0; i < features->count; i++) {
        unsigned bit = dra_feature_find(features->first[i].key);
        if (bit == 0 || features->first[i].kind != DOC_BOOL) {
            return err_set(&b->err, -EINVAL, "features: %.*s: expected a known name and a bool",
                    STR_ARG_SHORT(features->first[i].key));
        }
        if (features->first[i].boolean)
            b->setup.features |= bit;
    }
    return 0;
}

static int objects_read(struct batch *b, uint32_t *ret_claims)
{
    const struct doc *node = doc_get(b->doc, "node");
    const struct doc *pod = doc_get(b->doc, "pod");
    if (!node || node->kind != DOC_OBJECT)
        return err_set(&b->err, -EINVAL, "node: expected an object");
    int r = dra_store_add_kind(b->store, DRA_KIND_NODE, node, &b->err);
    r = r ? r : add_all(b, "slices", DRA_KIND_SLICE);
    r = r ? r : add_all(b, "classes", DRA_KIND_CLASS);
    r = r ? r : add_all(b, "taintRules", DRA_KIND_RULE);
    r = r ? r : add_all(b, "claims", DRA_KIND_CLAIM);
    *ret_claims = b->store->claims.count;
    r = r ? r : add_all(b, "allocatedClaims", DRA_KIND_CLAIM);
    if (!r && pod && pod->kind == DOC_OBJECT)
        r = dra_store_add_kind(b->store, DRA_KIND_POD, pod, &b->err);
    return r;
}

static void answer(struct batch *b, const struct dra_input *input, const struct dra_result *result,
        struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "outcome", dra_outcome_name(result->outcome));
    if (result->outcome == DRA_OUTCOME_ALLOCATED) {
        jw_key(&w, "allocations");
        jw_array(&w);
        for (uint32_t i = 0; i < input->claim_count; i++) {
            dra_allocation_emit(
                    &w, b->store, input->claims[i], &result->allocations[i], input->node);
        }
        jw_array_end(&w);
    } else if (result->outcome != DRA_OUTCOME_NO_FIT) {
        jw_kv_cstr(&w, "message", b->err.text);
    }
    jw_kv_u64(&w, "steps", result->steps);
    jw_kv_bool(&w, "pruned", result->pruned);
    jw_object_end(&w);
}

static void allocate(struct batch *b, uint32_t claim_count, struct buf *out)
{
    struct dra_result result = {.outcome = DRA_OUTCOME_ERROR};
    const struct dra_claim **claims =
            ARENA_ARRAY(b->arena, const struct dra_claim *, claim_count + 1);
    for (uint32_t i = 0; i < claim_count; i++)
        claims[i] = dra_claim_at(b->store, i);
    uint32_t count = claim_count;
    const struct dra_claim *extended =
            b->store->pods.count ? dra_extended_claim(b->store, b->store->pods.items[0]) : NULL;
    if (extended)
        claims[count++] = extended;
    dra_store_apply_rules(b->store);
    struct dra_engine *e = dra_engine_new(b->store, &b->setup);
    struct dra_input input = {
            .node = dra_node_at(b->store, 0), .claims = claims, .claim_count = count};
    int r = 0;
    for (uint32_t i = 0; i < b->store->claims.count && !r; i++)
        r = dra_engine_take(e, dra_claim_at(b->store, i), &b->err);
    if (r) {
        result.outcome = DRA_OUTCOME_UNSUPPORTED;
    } else {
        (void)dra_allocate(e, &input, b->arena, &result, &b->err);
    }
    answer(b, &input, &result, out);
    (void)dra_engine_free(e);
}

static int batch_open(struct batch *b, struct str line)
{
    b->arena = arena_new(0);
    b->store = dra_store_new(0);
    int r = doc_parse_json(b->arena, line, DRA_BATCH_LINE_MAX, &b->doc, &b->err);
    if (r == 0 && b->doc->kind != DOC_OBJECT)
        r = err_set(&b->err, -EINVAL, "expected an object a line");
    return r;
}

static void batch_close(struct batch *b)
{
    (void)dra_store_free(b->store);
    (void)arena_free(b->arena);
}

void dra_batch_allocate(struct str line, struct buf *out)
{
    dra_batch_allocate_within(line, 0, out);
}

void dra_batch_allocate_within(struct str line, uint64_t steps, struct buf *out)
{
    struct batch b = {.setup.step_limit = steps};
    uint32_t claims = 0;
    int r = batch_open(&b, line);
    r = r ? r : setup_read(&b);
    r = r ? r : objects_read(&b, &claims);
    if (r) {
        struct dra_result result = {
                .outcome = r == -ENOTSUP ? DRA_OUTCOME_UNSUPPORTED : DRA_OUTCOME_ERROR};
        answer(&b, NULL, &result, out);
    } else {
        allocate(&b, claims, out);
    }
    batch_close(&b);
}

static void eval_answer(
        struct buf *out, const char *outcome, const char *message, const uint64_t *cost)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "outcome", outcome);
    if (message)
        jw_kv_cstr(&w, "message", message);
    if (cost)
        jw_kv_u64(&w, "cost", *cost);
    jw_object_end(&w);
}

static void eval_device(struct batch *b, const struct cel_program *program,
        const struct dra_device *device, uint32_t driver, struct buf *out)
{
    struct dra_device_view view;
    bool match = false;
    uint64_t cost = 0;
    dra_device_view_init(&view, &b->store->names, device, driver, b->arena);
    int r = dra_selector_eval(program, &view, &match, &cost, &b->err);
    if (r) {
        eval_answer(out, r == -ENOTSUP ? "unsupported" : "runtime-error", b->err.text, NULL);
    } else {
        eval_answer(out, match ? "match" : "no-match", NULL, &cost);
    }
}

void dra_batch_eval(struct str line, struct buf *out)
{
    struct batch b = {0};
    const struct cel_program *program = NULL;
    const struct dra_device *device = NULL;
    uint32_t driver = 0;
    int r = batch_open(&b, line);
    const struct doc *expr = r ? NULL : doc_get(b.doc, "expr");
    const struct doc *object = r ? NULL : doc_get(b.doc, "device");
    if (!r && (!expr || expr->kind != DOC_STRING || !object || object->kind != DOC_OBJECT))
        r = err_set(&b.err, -EINVAL, "expected expr, a string, and device, an object");
    struct str text = expr && expr->kind == DOC_STRING ? expr->text : STR_LIT("");
    r = r ? r : dra_store_device(b.store, object, &device, &driver, &b.err);
    if (r) {
        eval_answer(out, r == -ENOTSUP ? "unsupported" : "runtime-error", b.err.text, NULL);
    } else if ((r = dra_selector_compile(text, b.arena, &program, &b.err)) != 0) {
        eval_answer(out, r == -ENOTSUP ? "unsupported" : "compile-error", b.err.text, NULL);
    } else {
        eval_device(&b, program, device, driver, out);
    }
    batch_close(&b);
}
