/* Objects in YAML: unknown fields, the API's rules, decoding, and warnings on what was decoded. */
#include "dra/fields.h"
#include "dra/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void *context, uint32_t line, const char *path, const char *reason)
{
    (void)context;
    (void)line;
    (void)path;
    (void)reason;
}

static void no_warning(void *context, const char *object, const char *text)
{
    (void)context;
    (void)object;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    struct arena *arena = arena_new(64 << 20);
    struct dra_store *store = dra_store_new(64 << 20);
    const struct doc *doc = NULL;
    struct err err = {0};
    if (doc_parse_yaml(arena, (struct str){(const char *)data, size}, 1 << 16, &doc, &err) == 0) {
        dra_fields_check(doc, nothing, NULL);
        (void)dra_validate(doc, nothing, NULL, &err);
        if (dra_store_add(store, doc, &err) == 0) {
            struct dra_setup setup = {.features = dra_variant_features(DRA_VARIANT_INCUBATING)};
            dra_store_apply_rules(store);
            struct dra_engine *e = dra_engine_new(store, &setup);
            dra_lint(e, no_warning, NULL);
            (void)dra_engine_free(e);
        }
    }
    (void)dra_store_free(store);
    (void)arena_free(arena);
    return 0;
}
