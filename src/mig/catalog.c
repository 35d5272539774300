/* mig/catalog.c - look-ups in the generated tables.  Pure. */
#include "mig/catalog-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { NAME_BYTES_SHOWN_MAX = 64 };

unsigned mig_model_count(void)
{
    return mig_catalog_model_count;
}

const struct mig_model *mig_model_get(unsigned index)
{
    assert(index < mig_catalog_model_count);
    return &mig_catalog_models[index];
}

const struct mig_model *mig_model_find(const char *key)
{
    for (unsigned i = 0; i < mig_catalog_model_count; i++) {
        if (strcmp(mig_catalog_models[i].key, key) == 0)
            return &mig_catalog_models[i];
    }
    return NULL;
}

/* ASCII only: the C library's depends on the locale. */
static char fold_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool fold_eq(struct str a, const char *b)
{
    size_t i = 0;
    for (; i < a.len && b[i] != '\0'; i++) {
        if (fold_char(a.ptr[i]) != fold_char(b[i]))
            return false;
    }
    return i == a.len && b[i] == '\0';
}

static bool profile_has_alt_name(const struct mig_profile *profile, struct str name)
{
    for (unsigned i = 0; i < MIG_NAMES_ALT_MAX && profile->alt_names[i] != NULL; i++) {
        if (fold_eq(name, profile->alt_names[i]))
            return true;
    }
    return false;
}

/* The name of today's driver wins over an id, an id over a name of another driver. */
static int find_profile(const struct mig_model *model, struct str name)
{
    for (unsigned i = 0; i < model->profile_count; i++) {
        if (fold_eq(name, model->profiles[i].name))
            return (int)i;
    }
    uint64_t id = 0;
    if (str_to_u64(name, 0, UINT8_MAX, &id) == 0)
        return mig_profile_find_id(model, (unsigned)id);
    for (unsigned i = 0; i < model->profile_count; i++) {
        if (profile_has_alt_name(&model->profiles[i], name))
            return (int)i;
    }
    return -1;
}

int mig_profile_find(
        const struct mig_model *model, struct str name, unsigned *ret_profile, struct err *reterr)
{
    int found = find_profile(model, name);
    if (found >= 0) {
        *ret_profile = (unsigned)found;
        return 0;
    }
    const char *names[MIG_PROFILES_MAX + 1] = {NULL};
    for (unsigned i = 0; i < model->profile_count; i++)
        names[i] = model->profiles[i].name;
    const char *nearest = str_nearest(name, names);
    if (name.len > NAME_BYTES_SHOWN_MAX)
        name.len = NAME_BYTES_SHOWN_MAX;
    if (nearest == NULL) {
        return err_set(reterr, -ENOENT,
                "profile '%.*s' is not known on %s: expected a name such as '%s', or a GPU "
                "instance "
                "profile id (names move with the driver, ids do not)",
                STR_ARG(name), model->key, names[0] != NULL ? names[0] : "1g.5gb");
    }
    return err_set(reterr, -ENOENT,
            "profile '%.*s' is not known on %s: did you mean '%s'? (names move with the driver, "
            "GPU "
            "instance profile ids do not)",
            STR_ARG(name), model->key, nearest);
}

int mig_profile_find_id(const struct mig_model *model, unsigned gi_profile_id)
{
    for (unsigned i = 0; i < model->profile_count; i++) {
        if (model->profiles[i].gi_profile_id == gi_profile_id)
            return (int)i;
    }
    return -1;
}

int mig_profile_find_kind(const struct mig_model *model, const char *kind)
{
    for (unsigned i = 0; i < model->profile_count; i++) {
        if (strcmp(model->profiles[i].kind, kind) == 0)
            return (int)i;
    }
    return -1;
}

const char *mig_confidence_name(enum mig_confidence confidence)
{
    static const char *const names[MIG_CONFIDENCE_COUNT] = {
            [MIG_CONFIDENCE_OBSERVED] = "observed",
            [MIG_CONFIDENCE_PARTIAL] = "partial",
            [MIG_CONFIDENCE_INFERRED] = "inferred",
            [MIG_CONFIDENCE_NAME_ONLY] = "name-only",
    };
    assert(confidence < MIG_CONFIDENCE_COUNT);
    return names[confidence];
}

const char *mig_engine_name(enum mig_engine engine)
{
    static const char *const names[MIG_ENGINE_COUNT] = {
            [MIG_ENGINE_DEC] = "dec",
            [MIG_ENGINE_ENC] = "enc",
            [MIG_ENGINE_JPEG] = "jpeg",
            [MIG_ENGINE_OFA] = "ofa",
    };
    assert(engine < MIG_ENGINE_COUNT);
    return names[engine];
}
