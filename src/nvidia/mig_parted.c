/* nvidia/mig_parted.c - reading and checking mig-parted's config file.  Pure. */
#include "nvidia/mig_parted.h"

#include "mig/place.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WHERE_BYTES = 96, COUNT_MAX = 1000000 };

#define ERROR(r, at, rule, ...)   nvidia_lint_error((r)->lint, at, rule, __VA_ARGS__)
#define WARNING(r, at, rule, ...) nvidia_lint_warning((r)->lint, at, rule, __VA_ARGS__)

struct reader {
    struct arena *arena;
    struct nvidia_lint *lint;
    bool too_large; /* the arena's cap would be passed */
};

/* Memory for `count` objects, or NULL with too_large set. */
static void *room(struct reader *r, size_t count, size_t size)
{
    if (!arena_fits(r->arena, count + 1, size)) {
        r->too_large = true;
        return NULL;
    }
    return arena_alloc(r->arena, count, size);
}

static bool eat_number(struct str *s)
{
    size_t n = 0;
    while (n < s->len && n < 6 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    *s = (struct str){s->ptr + n, s->len - n};
    return n > 0;
}

static bool eat(struct str *s, const char *word)
{
    struct str w = str_from(word);
    if (!str_starts(*s, w))
        return false;
    *s = (struct str){s->ptr + w.len, s->len - w.len};
    return true;
}

/* One attribute: a letter, then letters and digits; "me.all" is one too. */
static bool attribute_is_valid(struct str s)
{
    bool ok = s.len > 0;
    for (size_t i = 0; i < s.len && ok; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        ok = letter || (i > 0 && digit) || (i > 0 && i + 1 < s.len && c == '.');
    }
    return ok;
}

bool nvidia_mig_profile_is_valid(struct str name)
{
    struct str rest = name;
    struct str part = name;
    if (name.len >= MODEL_PROFILE_NAME_MAX)
        return false;
    if (eat_number(&part) && eat(&part, "c."))
        rest = part;
    if (!eat_number(&rest) || !eat(&rest, "g.") || !eat_number(&rest) || !eat(&rest, "gb"))
        return false;
    if (rest.len == 0)
        return true;
    char sign = rest.ptr[0]; /* + and - forms do not mix */
    if (sign != '+' && sign != '-')
        return false;
    struct str list = {rest.ptr + 1, rest.len - 1};
    for (;;) {
        const char *comma = list.len > 0 ? memchr(list.ptr, ',', list.len) : NULL;
        size_t len = comma ? (size_t)(comma - list.ptr) : list.len;
        if (!attribute_is_valid((struct str){list.ptr, len}))
            return false;
        if (!comma)
            return true;
        list = (struct str){comma + 1, list.len - len - 1};
    }
}

/* Eats "0x" and eight hex digits. */
static bool eat_id(struct str *s)
{
    if (!eat(s, "0x") && !eat(s, "0X"))
        return false;
    bool ok = s->len >= 8;
    for (size_t i = 0; i < 8 && ok; i++)
        ok = strchr("0123456789abcdefABCDEF", s->ptr[i]) && s->ptr[i] != '\0';
    if (ok)
        *s = (struct str){s->ptr + 8, s->len - 8};
    return ok;
}

/* 0x<device><vendor>[:0x<subsystem><subvendor>] */
static bool filter_is_valid(struct str s)
{
    return eat_id(&s) && (s.len == 0 || (eat(&s, ":") && eat_id(&s) && s.len == 0));
}

static void filter_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    bool list = d->kind == DOC_ARRAY;
    uint32_t count = list ? d->count : 1;
    struct str *filters = room(r, count, sizeof *filters);
    if (!filters)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct doc *item = list ? &d->first[i] : d;
        if (item->kind != DOC_STRING) {
            ERROR(r, d, "type", "%s.device-filter: expected a string or a list of strings", where);
            return;
        }
        if (item->text.len > 0 && !filter_is_valid(item->text)) {
            WARNING(r, d, "filter",
                    "%s.device-filter: '%.*s' matches nothing: expected 0x<device><vendor>", where,
                    STR_ARG_SHORT(item->text));
        }
        filters[i] = item->text;
    }
    e->filters = filters;
    e->filter_count = !list && d->text.len == 0 ? 0 : count;
}

static void devices_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    if (d->kind == DOC_STRING && str_eq_c(d->text, "all")) {
        e->all_devices = true;
        return;
    }
    if (d->kind != DOC_ARRAY) {
        ERROR(r, d, "devices", "%s.devices: expected all or a list of indexes", where);
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *item = &d->first[i];
        if (item->kind != DOC_INT || item->integer < 0 || item->integer >= NVIDIA_MIG_DEVICES_MAX) {
            ERROR(r, item, "devices", "%s.devices: '%.*s': expected an index, 0 to %d", where,
                    STR_ARG_SHORT(item->text), NVIDIA_MIG_DEVICES_MAX - 1);
            return;
        }
        e->devices |= UINT64_C(1) << item->integer;
    }
    if (d->count == 0)
        WARNING(r, d, "devices", "%s.devices: an empty list matches no GPU", where);
}

static void profiles_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    bool any = false;
    if (d->kind != DOC_OBJECT) {
        ERROR(r, d, "type", "%s.mig-devices: %s, expected a map of profiles", where,
                doc_kind_name(d->kind));
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *m = &d->first[i];
        if (!nvidia_mig_profile_is_valid(m->key)) {
            ERROR(r, m, "profile", "%s.mig-devices: '%.*s' is no profile name", where,
                    STR_ARG_SHORT(m->key));
            continue;
        }
        if (m->kind != DOC_INT || m->integer < 0 || m->integer > COUNT_MAX) {
            ERROR(r, m, "count", "%s.mig-devices.%.*s: expected a count, 0 or more", where,
                    STR_ARG_SHORT(m->key));
            continue;
        }
        if (e->profile_count == NVIDIA_MIG_PROFILES_MAX) {
            ERROR(r, m, "limit", "%s.mig-devices: more than %d profiles", where,
                    NVIDIA_MIG_PROFILES_MAX);
            return;
        }
        struct nvidia_mig_count *c = &e->profiles[e->profile_count++];
        memcpy(c->profile, m->key.ptr, m->key.len);
        c->profile[m->key.len] = '\0';
        c->count = (uint32_t)m->integer;
        any = any || c->count > 0;
    }
    if (d->count > 0 && !any)
        ERROR(r, d, "count", "%s.mig-devices: all counts are 0", where);
}

/* The fields of an entry; unknown ones are errors. */
static bool members_find(
        struct reader *r, const struct doc *d, const char *where, const struct doc *ret_members[4])
{
    static const char *const names[] = {
            "device-filter", "devices", "mig-enabled", "mig-devices", NULL};
    memset(ret_members, 0, 4 * sizeof *ret_members);
    if (d->kind != DOC_OBJECT) {
        ERROR(r, d, "type", "%s: %s, expected a map", where, doc_kind_name(d->kind));
        return false;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *m = &d->first[i];
        const char *nearest = str_nearest(m->key, names);
        unsigned k = 0;
        while (names[k] && !str_eq_c(m->key, names[k]))
            k++;
        if (names[k]) {
            ret_members[k] = m;
        } else {
            ERROR(r, m, "unknown-key", "%s: unexpected field '%.*s'%s%s", where,
                    STR_ARG_SHORT(m->key), nearest ? "; did you mean " : "",
                    nearest ? nearest : "");
        }
    }
    for (unsigned k = 1; k <= 2; k++) {
        if (!ret_members[k])
            ERROR(r, d, "missing", "%s: missing required field %s", where, names[k]);
    }
    return ret_members[1] && ret_members[2];
}

static void entry_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    const struct doc *m[4];
    if (!members_find(r, d, where, m))
        return;
    if (m[0])
        filter_read(r, m[0], where, e);
    devices_read(r, m[1], where, e);
    if (m[2]->kind == DOC_BOOL) {
        e->mig_enabled = m[2]->boolean;
    } else {
        ERROR(r, m[2], "type", "%s.mig-enabled: expected true or false", where);
    }
    if (m[3] && m[3]->kind != DOC_NULL)
        profiles_read(r, m[3], where, e);
    if (e->mig_enabled && !m[3]) {
        ERROR(r, d, "missing", "%s: missing required field mig-devices when mig-enabled is true",
                where);
    }
    if (!e->mig_enabled && e->profile_count > 0)
        ERROR(r, m[3], "mig-devices", "%s: MIG devices included when mig-enabled is false", where);
}

static void config_read(struct reader *r, const struct doc *d, struct nvidia_mig_config *config)
{
    char where[WHERE_BYTES];
    config->name = d->key;
    (void)snprintf(where, sizeof where, "mig-configs.%.*s", STR_ARG_SHORT(d->key));
    if (d->kind != DOC_ARRAY || d->count == 0) {
        ERROR(r, d, "type", "%s: expected a list of at least one entry", where);
        return;
    }
    if (d->count > NVIDIA_MIG_ENTRIES_MAX) {
        ERROR(r, d, "limit", "%s: more than %d entries", where, NVIDIA_MIG_ENTRIES_MAX);
        return;
    }
    struct nvidia_mig_entry *entries = room(r, d->count, sizeof *entries);
    if (!entries)
        return;
    config->entries = entries;
    config->entry_count = d->count;
    for (uint32_t i = 0; i < d->count && !r->too_large; i++)
        entry_read(r, &d->first[i], where, &entries[i]);
}

static void version_check(struct reader *r, const struct doc *root)
{
    const struct doc *v = doc_get(root, "version");
    if (!v) {
        ERROR(r, root, "version", "missing field version, expected v1");
    } else if (v->kind != DOC_STRING || !str_eq_c(v->text, "v1")) {
        ERROR(r, v, "version", "unknown version: '%.*s', expected v1", STR_ARG_SHORT(v->text));
    }
}

static void root_read(struct reader *r, const struct doc *root, struct nvidia_mig_parted *file)
{
    if (root->kind != DOC_OBJECT) {
        ERROR(r, root, "type", "%s, expected a map", doc_kind_name(root->kind));
        return;
    }
    version_check(r, root);
    for (uint32_t i = 0; i < root->count; i++) {
        const struct doc *m = &root->first[i];
        if (!str_eq_c(m->key, "version") && !str_eq_c(m->key, "mig-configs"))
            ERROR(r, m, "unknown-key", "unexpected field '%.*s'", STR_ARG_SHORT(m->key));
    }
    const struct doc *configs = doc_get(root, "mig-configs");
    if (!configs) {
        WARNING(r, root, "missing", "no mig-configs: no label value will be known");
        return;
    }
    if (configs->kind != DOC_OBJECT || configs->count == 0) {
        ERROR(r, configs, "type", "mig-configs: expected a map of at least one config");
        return;
    }
    if (configs->count > NVIDIA_MIG_CONFIGS_MAX) {
        ERROR(r, configs, "limit", "mig-configs: more than %d", NVIDIA_MIG_CONFIGS_MAX);
        return;
    }
    struct nvidia_mig_config *list = room(r, configs->count, sizeof *list);
    if (!list)
        return;
    file->configs = list;
    file->count = configs->count;
    for (uint32_t i = 0; i < configs->count && !r->too_large; i++)
        config_read(r, &configs->first[i], &list[i]);
}

int nvidia_mig_parted_parse(struct arena *a, struct str text, struct nvidia_mig_parted *ret_file,
        struct nvidia_lint *lint, struct err *reterr)
{
    struct nvidia_lint own = {0};
    struct reader r = {.arena = a, .lint = lint ? lint : &own};
    struct nvidia_mig_parted file = {0};
    const struct doc *root = NULL;
    int rc = doc_parse_yaml(a, text, NVIDIA_MIG_TEXT_MAX, &root, reterr);
    if (rc < 0)
        return rc;
    root_read(&r, root, &file);
    if (r.too_large)
        return err_set(reterr, -E2BIG, "mig-parted config: too large");
    rc = nvidia_lint_result(r.lint, reterr);
    if (rc == 0)
        *ret_file = file;
    return rc;
}

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
        if (e->all_devices || (index < NVIDIA_MIG_DEVICES_MAX && (e->devices >> index & 1)))
            found = e;
    }
    return found;
}

/* Checks one entry's set of profiles against the model. */
static void entry_check(struct reader *r, const struct nvidia_mig_entry *e,
        const struct nvidia_mig_config *config, const struct mig_model *model)
{
    struct mig_counts counts = {0};
    for (uint32_t i = 0; i < e->profile_count; i++) {
        unsigned profile = 0;
        struct err err = {0};
        const struct nvidia_mig_count *c = &e->profiles[i];
        if (c->count == 0)
            continue;
        struct str gi = str_from(c->profile);
        if (eat_number(&gi) && eat(&gi, "c.")) {
            WARNING(r, NULL, "compute", "%.*s: %s is a compute instance: fit is not checked",
                    STR_ARG_SHORT(config->name), c->profile);
            return;
        }
        if (mig_profile_find(model, str_from(c->profile), &profile, &err) < 0) {
            ERROR(r, NULL, "profile", "%.*s: %s", STR_ARG_SHORT(config->name), err.text);
            return;
        }
        if (c->count > MIG_INSTANCES_MAX) {
            ERROR(r, NULL, "count", "%.*s: %u of %s do not fit a %s", STR_ARG_SHORT(config->name),
                    c->count, c->profile, model->key);
            return;
        }
        counts.n[profile] = (uint8_t)(counts.n[profile] + c->count);
    }
    struct mig_layout empty;
    struct mig_layout placed;
    enum mig_rule rule = MIG_RULE_OK;
    struct err err = {0};
    mig_layout_init(&empty, model);
    if (mig_place(&empty, &counts, &placed, &rule, &err) < 0) {
        ERROR(r, NULL, "layout", "%.*s: cannot be placed on a %s: %s", STR_ARG_SHORT(config->name),
                model->key, err.text);
    }
}

void nvidia_mig_config_check(const struct nvidia_mig_config *config, const struct mig_model *model,
        uint32_t gpu_count, struct nvidia_lint *lint)
{
    struct reader r = {.lint = lint};
    bool geometry = model && model->profile_count > 0;
    const struct nvidia_mig_entry *checked = NULL;
    for (uint32_t gpu = 0; gpu < gpu_count; gpu++) {
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, gpu);
        if (!e) {
            ERROR(&r, NULL, "unmatched", "%.*s: GPU %u is not matched: it is never reported done",
                    STR_ARG_SHORT(config->name), gpu);
        } else if (!model && e->mig_enabled) {
            ERROR(&r, NULL, "capable", "%.*s: GPU %u has no MIG", STR_ARG_SHORT(config->name), gpu);
        } else if (geometry && e->mig_enabled && e != checked) {
            entry_check(&r, e, config, model);
            checked = e;
        }
    }
}
