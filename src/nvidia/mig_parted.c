/* nvidia/mig_parted.c - reading mig-parted's config file.  Pure.
 *
 * Maps are decoded key by key, so keys match by exact case; null is an absent value of Go's type.
 */
#include "nvidia/mig_parted.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    WHERE_BYTES = 112,
    COUNT_HUGE = 64, /* more instances than any GPU holds */
    LABEL_VALUE_MAX = 63,
};

#define ADD(at, rule, ...)              (void)nvidia_lint_add(r->lint, at, rule, __VA_ARGS__)
#define ADD_INSTEAD(at, rule, fix, ...) NVIDIA_LINT_INSTEAD(r->lint, at, rule, fix, __VA_ARGS__)

static const char hex_digits[] = "0123456789abcdefABCDEF";

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

/* A number that fits Go's int, up to `end` of the text; the rest is what follows it. */
static bool eat_number(struct str *s, char end)
{
    const char *stop = s->len > 0 ? memchr(s->ptr, end, s->len) : NULL;
    int64_t value = 0;
    if (!stop)
        return false;
    struct str digits = {s->ptr, (size_t)(stop - s->ptr)};
    *s = (struct str){stop + 1, s->len - digits.len - 1};
    return digits.len > 0 && digits.ptr[0] != '-' && str_to_i64(digits, 0, INT64_MAX, &value) == 0;
}

static bool eat(struct str *s, const char *word)
{
    struct str w = str_from(word);
    if (!str_starts(*s, w))
        return false;
    *s = (struct str){s->ptr + w.len, s->len - w.len};
    return true;
}

/* One attribute: letters, digits and dots, a letter first, no dot last; "me.all" is one too. */
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

/* True when an attribute before `at` in the list is the one at `at`. */
static bool attribute_is_repeated(struct str list, struct str attribute)
{
    struct str part = {0};
    while (str_split(&list, ',', &part) && part.ptr != attribute.ptr) {
        if (str_eq(part, attribute))
            return true;
    }
    return false;
}

static bool attributes_are_valid(struct str list)
{
    struct str rest = list;
    struct str part = {0};
    if (list.len == 0 || list.ptr[list.len - 1] == ',')
        return false;
    while (str_split(&rest, ',', &part)) {
        if (!attribute_is_valid(part) || attribute_is_repeated(list, part))
            return false;
    }
    return true;
}

/* The C, if any, and the G and GB of a name without attributes. */
static bool sizes_are_valid(struct str s)
{
    struct str compute = s;
    if (eat_number(&compute, 'c') && eat(&compute, "."))
        s = compute;
    if (!eat_number(&s, 'g') || !eat(&s, "."))
        return false;
    return eat_number(&s, 'g') && str_eq_c(s, "b");
}

bool nvidia_mig_profile_is_valid(struct str name)
{
    const char *plus = name.len > 0 ? memchr(name.ptr, '+', name.len) : NULL;
    const char *minus = name.len > 0 ? memchr(name.ptr, '-', name.len) : NULL;
    const char *sign = plus ? plus : minus;
    if (plus && minus)
        return false;
    if (!sign)
        return sizes_are_valid(name);
    size_t at = (size_t)(sign - name.ptr);
    return sizes_are_valid((struct str){name.ptr, at}) &&
           attributes_are_valid((struct str){sign + 1, name.len - at - 1});
}

/* Eats "0x" and 1 to 8 hex digits below 2^31, as mig-parted reads an id; decimal forms are numbers
 * too, but nobody means them. */
static bool eat_id(struct str *s)
{
    size_t digits = 0;
    if (!eat(s, "0x") && !eat(s, "0X"))
        return false;
    while (digits < s->len && memchr(hex_digits, s->ptr[digits], sizeof hex_digits - 1))
        digits++;
    bool ok = digits >= 1 && digits <= 8 && !(digits == 8 && s->ptr[0] > '7');
    *s = (struct str){s->ptr + digits, s->len - digits};
    return ok;
}

static void filter_check(
        struct reader *r, const struct doc *d, struct str filter, const char *where)
{
    struct str rest = filter;
    if (filter.len == 0)
        return;
    if (!eat_id(&rest) || (rest.len > 0 && (!eat(&rest, ":") || !eat_id(&rest) || rest.len > 0))) {
        ADD_INSTEAD(d, "filter", "0x<device><vendor>, as in 0x20B010DE",
                "%s.device-filter: '%.*s' matches no GPU", where, STR_ARG_SHORT(filter));
    } else if (memchr(filter.ptr, ':', filter.len)) {
        ADD_INSTEAD(d, "filter-subsystem", "0x<device><vendor> alone",
                "%s.device-filter: '%.*s' matches no GPU up to mig-parted v0.13", where,
                STR_ARG_SHORT(filter));
    }
}

static void filter_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    bool list = d->kind == DOC_ARRAY;
    uint32_t count = list ? d->count : 1;
    struct str *filters = room(r, count, sizeof *filters);
    for (uint32_t i = 0; filters && i < count; i++) {
        const struct doc *item = list ? &d->first[i] : d;
        if (item->kind != DOC_STRING && item->kind != DOC_NULL) {
            ADD_INSTEAD(d, "field-type", "device-filter: \"0x20B010DE\"",
                    "%s.device-filter: expected a string or a list of strings", where);
            return;
        }
        filters[i] = item->kind == DOC_STRING ? item->text : (struct str){0};
        filter_check(r, d, filters[i], where);
    }
    e->filters = filters;
    e->filter_count = !filters || (!list && filters[0].len == 0) ? 0 : count;
}

static void devices_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    e->all_devices = d->kind == DOC_STRING && str_eq_c(d->text, "all");
    if (e->all_devices)
        return;
    if (d->kind != DOC_ARRAY) {
        ADD_INSTEAD(d, "field-type", "devices: all, or devices: [0, 1]",
                "%s.devices: expected all or a list of indexes", where);
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *item = &d->first[i];
        int64_t index = 0;
        if (item->kind != DOC_NULL && !doc_go_int(item, &index)) {
            ADD_INSTEAD(item, "field-type", "devices: all, or devices: [0, 1]",
                    "%s.devices: '%.*s': expected an index", where, STR_ARG_SHORT(item->text));
            return;
        }
        if (index < 0 || index >= NVIDIA_MIG_DEVICES_MAX) {
            ADD(item, "index", "%s.devices: no node has a GPU %lld", where, (long long)index);
        } else {
            e->devices |= UINT64_C(1) << index;
        }
    }
    if (d->count == 0)
        ADD_INSTEAD(d, "index", "devices: all", "%s.devices: an empty list matches no GPU", where);
}

/* Takes one wish into the entry; false when our own limits are passed. */
static bool profile_keep(
        struct reader *r, const struct doc *m, int64_t count, struct nvidia_mig_entry *e)
{
    if (e->profile_count == NVIDIA_MIG_PROFILES_MAX || m->key.len >= MODEL_PROFILE_NAME_MAX) {
        ADD(m, "limit", "'%.*s': more profiles, or a longer name, than any GPU has",
                STR_ARG_SHORT(m->key));
        return false;
    }
    struct nvidia_mig_count *c = &e->profiles[e->profile_count++];
    memcpy(c->profile, m->key.ptr, m->key.len);
    c->profile[m->key.len] = '\0';
    c->count = count > COUNT_HUGE ? COUNT_HUGE : (uint32_t)count;
    return true;
}

static void profiles_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    bool any = d->count == 0;
    uint32_t refused = r->lint->refused;
    if (d->kind != DOC_OBJECT) {
        ADD_INSTEAD(d, "field-type", "mig-devices: {1g.5gb: 7}",
                "%s.mig-devices: %s, expected a map of profiles", where, doc_kind_name(d->kind));
        return;
    }
    e->devices_line = d->key_line;
    e->devices_column = d->key_column;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *m = &d->first[i];
        int64_t count = 0;
        if (!nvidia_mig_profile_is_valid(m->key)) {
            ADD_INSTEAD(m, "profile-name", "<G>g.<GB>gb, as in 1g.5gb",
                    "%s.mig-devices: '%.*s' is no profile name", where, STR_ARG_SHORT(m->key));
        } else if ((m->kind != DOC_NULL && !doc_go_int(m, &count)) || count < 0) {
            ADD_INSTEAD(m, "profile-count", "a whole number of at least 1",
                    "%s.mig-devices.%.*s: '%.*s', expected a count", where, STR_ARG_SHORT(m->key),
                    STR_ARG_SHORT(m->text));
        } else if (count > COUNT_HUGE) {
            any = true;
            ADD(m, "count-huge", "%s.mig-devices.%.*s: %.*s instances fit no GPU", where,
                    STR_ARG_SHORT(m->key), STR_ARG_SHORT(m->text));
        } else {
            any = any || count > 0;
            if (!profile_keep(r, m, count, e))
                return;
        }
    }
    if (!any && r->lint->refused == refused) {
        ADD_INSTEAD(&d->first[0], "profile-count", "mig-devices: {}",
                "%s.mig-devices: all counts are 0, as of %.*s", where,
                STR_ARG_SHORT(d->first[0].key));
        return;
    }
    for (uint32_t i = 0; i < e->profile_count; i++) {
        if (e->profiles[i].count == 0) {
            ADD_INSTEAD(d, "count-zero", "leave the profile out",
                    "%s.mig-devices: %s with count 0 keeps the config from ever being done", where,
                    e->profiles[i].profile);
        }
    }
}

enum member { MEMBER_FILTER, MEMBER_DEVICES, MEMBER_ENABLED, MEMBER_PROFILES, MEMBER_COUNT };

/* The fields of an entry; unknown ones are errors. */
static bool members_find(struct reader *r, const struct doc *d, const char *where,
        const struct doc *ret_members[MEMBER_COUNT])
{
    static const char *const names[] = {
            "device-filter", "devices", "mig-enabled", "mig-devices", NULL};
    static const char *const fixes[] = {"", "devices: all", "mig-enabled: true"};
    memset(ret_members, 0, MEMBER_COUNT * sizeof *ret_members);
    if (d->kind != DOC_OBJECT && d->kind != DOC_NULL) {
        ADD(d, "field-type", "%s: %s, expected a map", where, doc_kind_name(d->kind));
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
            ADD_INSTEAD(m, "unknown-field", nearest ? nearest : "", "%s: unexpected field '%.*s'",
                    where, STR_ARG_SHORT(m->key));
        }
    }
    for (unsigned k = MEMBER_DEVICES; k <= MEMBER_ENABLED; k++) {
        if (!ret_members[k]) {
            ADD_INSTEAD(
                    d, "missing-field", fixes[k], "%s: missing required field %s", where, names[k]);
        }
    }
    return ret_members[MEMBER_DEVICES] && ret_members[MEMBER_ENABLED];
}

static void entry_read(
        struct reader *r, const struct doc *d, const char *where, struct nvidia_mig_entry *e)
{
    const struct doc *m[MEMBER_COUNT];
    e->line = d->line;
    e->column = d->column;
    if (!members_find(r, d, where, m))
        return;
    const struct doc *enabled = m[MEMBER_ENABLED];
    const struct doc *profiles = m[MEMBER_PROFILES];
    if (m[MEMBER_FILTER])
        filter_read(r, m[MEMBER_FILTER], where, e);
    devices_read(r, m[MEMBER_DEVICES], where, e);
    if (enabled->kind != DOC_BOOL && enabled->kind != DOC_NULL) {
        ADD_INSTEAD(enabled, "field-type", "mig-enabled: true",
                "%s.mig-enabled: %s, expected true or false", where, doc_kind_name(enabled->kind));
        return;
    }
    e->mig_enabled = enabled->kind == DOC_BOOL && enabled->boolean;
    if (profiles && profiles->kind != DOC_NULL)
        profiles_read(r, profiles, where, e);
    if (e->mig_enabled && (!profiles || profiles->kind == DOC_NULL)) {
        ADD_INSTEAD(profiles ? profiles : d, "missing-field", "mig-devices: {1g.5gb: 7}",
                "%s: missing required field mig-devices when mig-enabled is true", where);
    }
    if (!e->mig_enabled && profiles && profiles->kind == DOC_OBJECT && profiles->count > 0) {
        ADD_INSTEAD(profiles, "devices-while-off", "mig-enabled: true, or mig-devices: {}",
                "%s.mig-devices: not empty while mig-enabled is false", where);
    }
}

/* What a node label's value may be. */
static bool label_value_is_valid(struct str s)
{
    bool ok = s.len > 0 && s.len <= LABEL_VALUE_MAX;
    for (size_t i = 0; i < s.len && ok; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ok = alnum || (i > 0 && i + 1 < s.len && (c == '-' || c == '_' || c == '.'));
    }
    return ok;
}

static void config_read(struct reader *r, const struct doc *d, struct nvidia_mig_config *config)
{
    char where[WHERE_BYTES];
    *config = (struct nvidia_mig_config){
            .name = d->key, .line = d->key_line, .column = d->key_column};
    (void)snprintf(where, sizeof where, "mig-configs.%.*s", STR_ARG_SHORT(d->key));
    if (d->kind != DOC_ARRAY && d->kind != DOC_NULL) {
        ADD(d, "field-type", "%s: %s, expected a list of entries", where, doc_kind_name(d->kind));
        return;
    }
    if (d->count == 0) {
        ADD(d, "empty", "%s: expected at least one entry", where);
        return;
    }
    if (!label_value_is_valid(d->key)) {
        ADD(d, "config-name", "'%.*s' is no label value: no node can choose it",
                STR_ARG_SHORT(d->key));
    }
    if (d->count > NVIDIA_MIG_ENTRIES_MAX) {
        ADD(d, "limit", "%s: more than %d entries", where, NVIDIA_MIG_ENTRIES_MAX);
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
        ADD_INSTEAD(root, "spec-version", "version: v1", "missing field version");
    } else if (v->kind != DOC_STRING || !str_eq_c(v->text, "v1")) {
        ADD_INSTEAD(v, "spec-version", "version: v1", "unknown version: '%.*s'",
                STR_ARG_SHORT(v->text));
    }
}

static void configs_read(
        struct reader *r, const struct doc *configs, struct nvidia_mig_parted *file)
{
    if (configs->kind != DOC_OBJECT && configs->kind != DOC_NULL) {
        ADD(configs, "field-type", "mig-configs: %s, expected a map", doc_kind_name(configs->kind));
        return;
    }
    if (configs->count == 0) {
        ADD(configs, "empty", "mig-configs: expected at least one config");
        return;
    }
    if (configs->count > NVIDIA_MIG_CONFIGS_MAX) {
        ADD(configs, "limit", "mig-configs: more than %d", NVIDIA_MIG_CONFIGS_MAX);
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

/* .inf and .nan anywhere end the reading, known fields or not. */
static void finite_check(struct reader *r, const struct doc *d, unsigned depth)
{
    if (doc_go_not_finite(d)) {
        ADD(d, "not-finite", "'%.*s' is no number for JSON", STR_ARG_SHORT(d->text));
    }
    for (uint32_t i = 0; depth < DOC_DEPTH_MAX && i < d->count; i++)
        finite_check(r, &d->first[i], depth + 1);
}

static void root_read(struct reader *r, const struct doc *root, struct nvidia_mig_parted *file)
{
    if (root->kind == DOC_NULL) { /* the empty file */
        ADD(root, "no-configs", "no mig-configs: no label value will be known");
        return;
    }
    if (root->kind != DOC_OBJECT) {
        ADD(root, "field-type", "%s, expected a map", doc_kind_name(root->kind));
        return;
    }
    finite_check(r, root, 0);
    version_check(r, root);
    for (uint32_t i = 0; i < root->count; i++) {
        const struct doc *m = &root->first[i];
        if (!str_eq_c(m->key, "version") && !str_eq_c(m->key, "mig-configs"))
            ADD(m, "unknown-field", "unexpected field '%.*s'", STR_ARG_SHORT(m->key));
    }
    const struct doc *configs = doc_get(root, "mig-configs");
    if (configs) {
        configs_read(r, configs, file);
    } else {
        ADD(root, "no-configs", "no mig-configs: no label value will be known");
    }
}

static bool file_read(struct reader *r, const struct doc *root, struct nvidia_mig_parted *ret_file)
{
    *ret_file = (struct nvidia_mig_parted){0};
    root_read(r, root, ret_file);
    if (r->too_large)
        ADD(NULL, "limit", "too large for the memory that it may take");
    return !r->too_large;
}

void nvidia_mig_parted_read(struct arena *a, const struct doc *root,
        struct nvidia_mig_parted *ret_file, struct nvidia_lint *lint)
{
    struct reader r = {.arena = a, .lint = lint};
    if (!file_read(&r, root, ret_file))
        *ret_file = (struct nvidia_mig_parted){0};
}

int nvidia_mig_parted_parse(struct arena *a, struct str text, struct nvidia_mig_parted *ret_file,
        struct nvidia_lint *lint, struct err *reterr)
{
    static const struct doc nothing = {.kind = DOC_NULL};
    struct nvidia_lint own = {0};
    struct reader r = {.arena = a, .lint = lint ? lint : &own};
    struct nvidia_mig_parted file;
    struct doc_go go = {0};
    int rc = doc_go_parse(a, text, NVIDIA_MIG_TEXT_MAX, &go, reterr);
    if (rc < 0)
        return rc;
    if (go.count > 0)
        nvidia_lint_notes(r.lint, &go, &go.documents[0]);
    if (!file_read(&r, go.count > 0 ? go.documents[0].root : &nothing, &file))
        return err_set(reterr, -E2BIG, "mig-parted config: too large");
    if (go.count > 1 || go.tail.code != 0)
        (void)nvidia_lint_add(r.lint, NULL, "other-documents", "only the first document is read");
    nvidia_lint_sort(r.lint);
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
