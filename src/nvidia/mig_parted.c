/* nvidia/mig_parted.c - reading and linting mig-parted's file; see mig_parted.h. */
#include "nvidia/mig_parted.h"

#include "mig/place.h"
#include "mig/text.h"

#include <errno.h>
#include <string.h>

static bool take_number(struct str *s)
{
    size_t n = 0;
    while (n < s->len && n < 4 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    *s = (struct str){s->ptr + n, s->len - n};
    return n > 0;
}

static bool take_text(struct str *s, const char *text)
{
    size_t len = strlen(text);
    if (s->len < len || memcmp(s->ptr, text, len) != 0)
        return false;
    *s = (struct str){s->ptr + len, s->len - len};
    return true;
}

/* One attribute: letters, digits, dots. */
static bool take_attribute(struct str *s)
{
    size_t n = 0;
    while (n < s->len && ((s->ptr[n] >= 'a' && s->ptr[n] <= 'z') ||
                                 (s->ptr[n] >= '0' && s->ptr[n] <= '9') || s->ptr[n] == '.'))
        n++;
    *s = (struct str){s->ptr + n, s->len - n};
    return n > 0;
}

bool nvidia_mig_profile_is_valid(struct str name)
{
    if (name.len >= MODEL_PROFILE_NAME_MAX || !take_number(&name))
        return false;
    if (take_text(&name, "c.") && !take_number(&name))
        return false;
    if (!take_text(&name, "g.") || !take_number(&name) || !take_text(&name, "gb"))
        return false;
    if (name.len == 0)
        return true;
    char sign = name.ptr[0];
    if (sign != '+' && sign != '-')
        return false;
    const char mark[2] = {sign, '\0'};
    if (!take_text(&name, mark) || !take_attribute(&name))
        return false;
    while (name.len > 0) {
        if (!take_text(&name, ",") || !take_attribute(&name))
            return false;
    }
    return true;
}

/* -- reading ------------------------------------------------------------------------------------
 */

struct reader {
    struct arena *arena;
    struct nvidia_lint *lint;
};

static void wrong_kind(
        const struct reader *r, const struct doc *d, const char *what, const char *expected)
{
    nvidia_lint_add(r->lint, NVIDIA_ERROR, d, "type", "%s is %s: expected %s", what,
            doc_kind_name(d->kind), expected);
}

static void refuse_unknown(const struct reader *r, const struct doc *d, const char *const *keys)
{
    for (uint32_t i = 0; i < d->count; i++) {
        bool known = false;
        for (unsigned k = 0; keys[k] != NULL; k++)
            known = known || str_eq_c(d->first[i].key, keys[k]);
        if (known)
            continue;
        const char *nearest = str_nearest(d->first[i].key, keys);
        nvidia_lint_add(r->lint, NVIDIA_ERROR, &d->first[i], "unknown-key",
                "unknown field '%.*s'%s%s", STR_ARG(d->first[i].key),
                nearest ? "; did you mean " : "", nearest ? nearest : "");
    }
}

static bool filter_ok(struct str f)
{
    size_t expected = f.len > 10 ? 21 : 10;
    if (f.len != expected || (expected == 21 && f.ptr[10] != ':'))
        return false;
    for (size_t i = 0; i < f.len; i++) {
        size_t at = i % 11;
        char c = f.ptr[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (at == 0 ? c != '0' : at == 1 ? c != 'x' && c != 'X' : at < 10 && !hex)
            return false;
    }
    return true;
}

static void read_filters(const struct reader *r, const struct doc *d, struct nvidia_mig_entry *e)
{
    if (d == NULL || d->kind == DOC_NULL)
        return;
    if (d->kind != DOC_STRING && d->kind != DOC_ARRAY) {
        wrong_kind(r, d, "device-filter", "a string or a list of strings");
        return;
    }
    uint32_t count = d->kind == DOC_STRING ? 1 : d->count;
    const struct doc *items = d->kind == DOC_STRING ? d : d->first;
    struct str *filters = ARENA_ARRAY(r->arena, struct str, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        filters[i] = items[i].text;
        if (items[i].kind != DOC_STRING || !filter_ok(items[i].text)) {
            nvidia_lint_add(r->lint, NVIDIA_ERROR, &items[i], "device-filter",
                    "'%.*s': expected 0x<device><vendor>, as 0x20B010DE", STR_ARG(items[i].text));
        }
    }
    e->filters = filters;
    e->filter_count = count;
}

static void read_devices(
        const struct reader *r, const struct doc *entry, struct nvidia_mig_entry *e)
{
    const struct doc *d = doc_get(entry, "devices");
    if (d == NULL) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, entry, "devices",
                "devices is missing: expected all or a list of indexes");
        return;
    }
    if (d->kind == DOC_STRING && str_eq_c(d->text, "all")) {
        e->all_devices = true;
        return;
    }
    if (d->kind != DOC_ARRAY) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, d, "devices",
                "devices '%.*s': expected all or a list of indexes", STR_ARG(d->text));
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *index = &d->first[i];
        if (index->kind != DOC_INT || index->integer < 0 ||
                index->integer >= NVIDIA_MIG_DEVICES_MAX) {
            nvidia_lint_add(r->lint, NVIDIA_ERROR, index, "devices",
                    "device '%.*s': expected an index from 0 to %d", STR_ARG(index->text),
                    NVIDIA_MIG_DEVICES_MAX - 1);
            continue;
        }
        uint64_t bit = UINT64_C(1) << index->integer;
        if (e->devices & bit) {
            nvidia_lint_add(r->lint, NVIDIA_WARNING, index, "devices", "device %lld stands twice",
                    (long long)index->integer);
        }
        e->devices |= bit;
    }
}

static void read_profiles(const struct reader *r, const struct doc *d, struct nvidia_mig_entry *e)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *m = &d->first[i];
        if (!nvidia_mig_profile_is_valid(m->key)) {
            nvidia_lint_add(r->lint, NVIDIA_ERROR, m, "profile",
                    "'%.*s' is no MIG profile: expected a name such as 1g.5gb or 1c.3g.20gb",
                    STR_ARG(m->key));
            continue;
        }
        if (m->kind != DOC_INT || m->integer < 0 || m->integer > 1000) {
            nvidia_lint_add(r->lint, NVIDIA_ERROR, m, "count",
                    "%.*s: '%.*s': expected a count of 0 or more", STR_ARG(m->key),
                    STR_ARG(m->text));
            continue;
        }
        if (e->profile_count == NVIDIA_MIG_PROFILES_MAX) {
            nvidia_lint_add(r->lint, NVIDIA_ERROR, m, "limit", "more than %d profiles",
                    NVIDIA_MIG_PROFILES_MAX);
            return;
        }
        struct nvidia_mig_count *c = &e->profiles[e->profile_count++];
        memcpy(c->profile, m->key.ptr, m->key.len);
        c->profile[m->key.len] = '\0';
        c->count = (uint32_t)m->integer;
        sum += c->count;
    }
    if (d->count > 0 && e->profile_count == d->count && sum == 0) {
        nvidia_lint_add(
                r->lint, NVIDIA_ERROR, d, "count", "all counts are 0: write {} for no instances");
    }
}

static void read_mig(const struct reader *r, const struct doc *entry, struct nvidia_mig_entry *e)
{
    const struct doc *enabled = doc_get(entry, "mig-enabled");
    const struct doc *devices = doc_get(entry, "mig-devices");
    if (enabled == NULL) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, entry, "mig-enabled",
                "mig-enabled is missing: expected true or false");
        return;
    }
    if (enabled->kind != DOC_BOOL) {
        wrong_kind(r, enabled, "mig-enabled", "true or false");
        return;
    }
    e->mig_enabled = enabled->boolean;
    bool empty = devices == NULL || devices->kind == DOC_NULL ||
                 (devices->kind == DOC_OBJECT && devices->count == 0);
    if (devices != NULL && devices->kind != DOC_NULL && devices->kind != DOC_OBJECT) {
        wrong_kind(r, devices, "mig-devices", "a map of profile: count");
    } else if (!e->mig_enabled && !empty) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, devices, "mig-devices",
                "mig-devices must be empty while mig-enabled is false");
    } else if (e->mig_enabled && devices == NULL) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, entry, "mig-devices",
                "mig-devices is missing: {} means MIG mode without instances");
    } else if (!empty) {
        read_profiles(r, devices, e);
    }
}

static void read_entry(const struct reader *r, const struct doc *d, struct nvidia_mig_entry *e)
{
    static const char *const keys[] = {
            "device-filter", "devices", "mig-enabled", "mig-devices", NULL};
    if (d->kind != DOC_OBJECT) {
        wrong_kind(r, d, "an entry", "a map");
        return;
    }
    refuse_unknown(r, d, keys);
    read_filters(r, doc_get(d, "device-filter"), e);
    read_devices(r, d, e);
    read_mig(r, d, e);
}

static void read_config(const struct reader *r, const struct doc *d, struct nvidia_mig_config *c)
{
    c->name = d->key;
    if (d->kind != DOC_ARRAY || d->count == 0) {
        wrong_kind(r, d, "a config", "a list with at least one entry");
        return;
    }
    if (d->count > NVIDIA_MIG_ENTRIES_MAX) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, d, "limit", "%u entries: expected at most %d",
                d->count, NVIDIA_MIG_ENTRIES_MAX);
        return;
    }
    struct nvidia_mig_entry *entries = ARENA_ARRAY(r->arena, struct nvidia_mig_entry, d->count);
    for (uint32_t i = 0; i < d->count; i++)
        read_entry(r, &d->first[i], &entries[i]);
    c->entries = entries;
    c->entry_count = d->count;
}

static void read_root(
        const struct reader *r, const struct doc *root, struct nvidia_mig_parted *file)
{
    static const char *const keys[] = {"version", "mig-configs", NULL};
    refuse_unknown(r, root, keys);
    const struct doc *version = doc_get(root, "version");
    if (version == NULL || !str_eq_c(version->text, "v1")) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, version ? version : root, "version",
                "version '%.*s': expected v1", STR_ARG(version ? version->text : STR_LIT("")));
    }
    const struct doc *configs = doc_get(root, "mig-configs");
    if (configs == NULL || configs->kind != DOC_OBJECT || configs->count == 0) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, configs ? configs : root, "mig-configs",
                "mig-configs: expected a map with at least one config");
        return;
    }
    if (configs->count > NVIDIA_MIG_CONFIGS_MAX) {
        nvidia_lint_add(r->lint, NVIDIA_ERROR, configs, "limit", "%u configs: expected at most %d",
                configs->count, NVIDIA_MIG_CONFIGS_MAX);
        return;
    }
    struct nvidia_mig_config *list =
            ARENA_ARRAY(r->arena, struct nvidia_mig_config, configs->count);
    for (uint32_t i = 0; i < configs->count; i++)
        read_config(r, &configs->first[i], &list[i]);
    file->configs = list;
    file->count = configs->count;
}

int nvidia_mig_parted_parse(struct arena *a, struct str text, struct nvidia_mig_parted *ret_file,
        struct nvidia_lint *lint, struct err *reterr)
{
    struct nvidia_lint own = {0};
    const struct reader r = {a, lint != NULL ? lint : &own};
    const struct doc *root = NULL;
    int rc = doc_parse_yaml(a, text, NVIDIA_MIG_TEXT_MAX, &root, reterr);
    if (rc < 0)
        return rc;
    struct nvidia_mig_parted file = {0};
    if (root->kind == DOC_OBJECT)
        read_root(&r, root, &file);
    else
        wrong_kind(&r, root, "the file", "a map");
    rc = nvidia_lint_result(r.lint, reterr);
    if (rc == 0)
        *ret_file = file;
    return rc;
}

/* -- questions ----------------------------------------------------------------------------------
 */

const struct nvidia_mig_config *nvidia_mig_parted_find(
        const struct nvidia_mig_parted *file, struct str name)
{
    for (uint32_t i = 0; i < file->count; i++) {
        if (str_eq(file->configs[i].name, name))
            return &file->configs[i];
    }
    return NULL;
}

const struct nvidia_mig_entry *nvidia_mig_config_entry(
        const struct nvidia_mig_config *config, uint32_t index)
{
    const struct nvidia_mig_entry *found = NULL;
    for (uint32_t i = 0; i < config->entry_count; i++) {
        const struct nvidia_mig_entry *e = &config->entries[i];
        if (e->all_devices || (index < NVIDIA_MIG_DEVICES_MAX && e->devices & UINT64_C(1) << index))
            found = e;
    }
    return found;
}

/* Whether what one entry wants of a GPU can be placed on `model`. */
static void check_set(const struct nvidia_mig_entry *e, const struct mig_model *model,
        uint32_t index, struct nvidia_lint *lint)
{
    struct buf text = BUF_INIT(MIG_TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < e->profile_count; i++) {
        if (e->profiles[i].count > 0)
            buf_printf(&text, "%s%ux%s", text.len > 0 ? "," : "", e->profiles[i].count,
                    e->profiles[i].profile);
    }
    struct mig_wish wish;
    struct mig_layout layout;
    struct err e2 = {0};
    if (mig_wish_parse(model, buf_str(&text), &wish, &e2) < 0 ||
            mig_wish_place(&wish, &layout, NULL, &e2) < 0) {
        nvidia_lint_add(lint, NVIDIA_ERROR, NULL, "layout", "GPU %u: %.180s", index, e2.text);
    }
    buf_clear(&text);
}

void nvidia_mig_config_check(const struct nvidia_mig_config *config, const struct mig_model *model,
        uint32_t gpu_count, struct nvidia_lint *lint)
{
    for (uint32_t i = 0; i < gpu_count; i++) {
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, i);
        if (e == NULL) {
            nvidia_lint_add(lint, NVIDIA_ERROR, NULL, "unmatched",
                    "GPU %u is matched by no entry: mig-parted will never report success", i);
        } else if (e->mig_enabled && model == NULL) {
            nvidia_lint_add(lint, NVIDIA_ERROR, NULL, "not-capable",
                    "GPU %u has no MIG: mig-enabled true is never reached", i);
        } else if (e->mig_enabled) {
            check_set(e, model, i, lint);
        }
    }
}
