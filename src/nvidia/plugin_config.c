/* nvidia/plugin_config.c - reading the device plugin's config file as the plugin does.  Pure. */
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    RESOURCE_NAME_MAX = 63,
    REPLICAS_SENSIBLE = 100,
    ARENA_BYTES = 64 << 20, /* for a file of NVIDIA_PLUGIN_TEXT_MAX */
};

static const char *const strategy_names[] = {"none", "single", "mixed", NULL};

/* What stands under a key. */
enum key_type { KEY_BOOL, KEY_STRING, KEY_STRINGS, KEY_DURATION, KEY_MAP };

struct key {
    const char *name;
    enum key_type type;
};

static const struct key flag_keys[] = {
        {"migStrategy", KEY_STRING},
        {"failOnInitError", KEY_BOOL},
        {"gdrcopyEnabled", KEY_BOOL},
        {"gdsEnabled", KEY_BOOL},
        {"mofedEnabled", KEY_BOOL},
        {"useNodeFeatureAPI", KEY_BOOL},
        {"nvidiaDriverRoot", KEY_STRING},
        {"nvidiaDevRoot", KEY_STRING},
        {"mpsRoot", KEY_STRING},
        {"deviceDiscoveryStrategy", KEY_STRING},
        {"plugin", KEY_MAP},
        {"gfd", KEY_MAP},
        {NULL, KEY_MAP},
};
static const struct key plugin_keys[] = {
        {"passDeviceSpecs", KEY_BOOL},
        {"deviceListStrategy", KEY_STRINGS},
        {"deviceIDStrategy", KEY_STRING},
        {"cdiAnnotationPrefix", KEY_STRING},
        {"nvidiaCTKPath", KEY_STRING},
        {"containerDriverRoot", KEY_STRING},
        {"sharedDevicesAllocationPolicy", KEY_STRING},
        {NULL, KEY_MAP},
};
static const struct key gfd_keys[] = {
        {"oneshot", KEY_BOOL},
        {"noTimestamp", KEY_BOOL},
        {"sleepInterval", KEY_DURATION},
        {"outputFile", KEY_STRING},
        {"machineTypeFile", KEY_STRING},
        {NULL, KEY_MAP},
};

struct reader {
    struct arena *arena;
    struct nvidia_lint *lint;
    struct nvidia_plugin_config config;
};

const char *nvidia_mig_strategy_name(enum nvidia_mig_strategy s)
{
    assert(s < NVIDIA_MIG_STRATEGY_COUNT);
    return strategy_names[s];
}

#define ERROR(r, at, rule, ...)   nvidia_lint_error((r)->lint, at, rule, __VA_ARGS__)
#define WARNING(r, at, rule, ...) nvidia_lint_warning((r)->lint, at, rule, __VA_ARGS__)

/* True for a member that counts: there and not null, which Go's decoder takes for absent. */
static bool is_set(const struct doc *d)
{
    return d && d->kind != DOC_NULL;
}

static void unknown_key(
        struct reader *r, const struct doc *m, const char *where, const char *const *names)
{
    const char *nearest = str_nearest(m->key, names);
    bool sharing_key =
            str_eq_c(m->key, "renameByDefault") || str_eq_c(m->key, "failRequestsGreaterThanOne");
    if (sharing_key) {
        WARNING(r, m, "unknown-key",
                "'%.*s' does nothing under %s: it belongs under "
                "sharing.timeSlicing",
                STR_ARG_SHORT(m->key), where);
    } else {
        WARNING(r, m, "unknown-key", "'%.*s' is no key of %s and is ignored in silence%s%s",
                STR_ARG_SHORT(m->key), where, nearest ? "; did you mean " : "",
                nearest ? nearest : "");
    }
}

static bool kind_fits(const struct doc *d, enum key_type type)
{
    bool fits = true;
    switch (type) {
    case KEY_BOOL:
        return d->kind == DOC_BOOL;
    case KEY_STRING:
        return d->kind == DOC_STRING;
    case KEY_STRINGS:
        for (uint32_t i = 0; d->kind == DOC_ARRAY && i < d->count; i++)
            fits = fits && d->first[i].kind == DOC_STRING;
        return fits && (d->kind == DOC_STRING || d->kind == DOC_ARRAY);
    case KEY_DURATION:
        return d->kind == DOC_STRING || d->kind == DOC_INT || d->kind == DOC_REAL;
    case KEY_MAP:
        return d->kind == DOC_OBJECT;
    }
    return false;
}

static const char *type_name(enum key_type type)
{
    static const char *const names[] = {
            "true or false", "a string", "a string or a list of strings", "a duration", "a map"};
    return names[type];
}

/* Checks the members of a map of flags against its keys. */
static void keys_check(
        struct reader *r, const struct doc *map, const char *where, const struct key *keys)
{
    const char *names[24];
    unsigned count = 0;
    for (; keys[count].name; count++)
        names[count] = keys[count].name;
    assert(count < sizeof names / sizeof names[0]);
    names[count] = NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct doc *m = &map->first[i];
        unsigned k = 0;
        while (k < count && !str_eq_c(m->key, names[k]))
            k++;
        if (k == count) {
            unknown_key(r, m, where, names);
        } else if (m->kind != DOC_NULL && !kind_fits(m, keys[k].type)) {
            ERROR(r, m, "type", "%s.%s: %s, expected %s", where, names[k], doc_kind_name(m->kind),
                    type_name(keys[k].type));
        }
    }
}

/* A flag that is one of a few words. */
static int word_check(
        struct reader *r, const struct doc *d, const char *where, const char *const *words)
{
    if (!is_set(d) || d->kind != DOC_STRING)
        return -1;
    for (int i = 0; words[i]; i++) {
        if (str_eq_c(d->text, words[i]))
            return i;
    }
    ERROR(r, d, "value", "%s: '%.*s': expected %s, %s%s%s", where, STR_ARG_SHORT(d->text), words[0],
            words[1], words[2] ? " or " : "", words[2] ? words[2] : "");
    return -1;
}

static void flags_read(struct reader *r, const struct doc *flags)
{
    static const char *const discovery[] = {"auto", "nvml", "tegra", NULL};
    static const char *const id_strategies[] = {"uuid", "index", NULL};
    static const char *const policies[] = {"distributed", "packed", NULL};
    if (flags->kind != DOC_OBJECT) {
        ERROR(r, flags, "type", "flags: %s, expected a map", doc_kind_name(flags->kind));
        return;
    }
    keys_check(r, flags, "flags", flag_keys);
    int strategy =
            word_check(r, doc_get(flags, "migStrategy"), "flags.migStrategy", strategy_names);
    if (strategy >= 0) {
        r->config.mig_strategy = (enum nvidia_mig_strategy)strategy;
        r->config.mig_strategy_set = true;
    }
    (void)word_check(r, doc_get(flags, "deviceDiscoveryStrategy"), "flags.deviceDiscoveryStrategy",
            discovery);
    const struct doc *plugin = doc_get(flags, "plugin");
    if (is_set(plugin) && plugin->kind == DOC_OBJECT) {
        keys_check(r, plugin, "flags.plugin", plugin_keys);
        (void)word_check(r, doc_get(plugin, "deviceIDStrategy"), "flags.plugin.deviceIDStrategy",
                id_strategies);
        (void)word_check(r, doc_get(plugin, "sharedDevicesAllocationPolicy"),
                "flags.plugin.sharedDevicesAllocationPolicy", policies);
    }
    const struct doc *gfd = doc_get(flags, "gfd");
    if (is_set(gfd) && gfd->kind == DOC_OBJECT)
        keys_check(r, gfd, "flags.gfd", gfd_keys);
}

/* DNS subdomain, as Kubernetes checks it. */
static bool is_subdomain(struct str s)
{
    char before = '.';
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && !(c == '.' && before != '.' && before != '-') && !(c == '-' && before != '.'))
            return false;
        before = c;
    }
    return s.len > 0 && before != '.' && before != '-';
}

/* A resource name with its prefix, or an error; "" then. */
static struct str resource_name(struct reader *r, const struct doc *d, const char *where)
{
    static const struct str prefix = {"nvidia.com/", 11};
    struct str none = {0};
    if (d->kind != DOC_STRING) {
        ERROR(r, d, "type", "%s: %s, expected a string", where, doc_kind_name(d->kind));
        return none;
    }
    struct str name = d->text;
    if (name.len > RESOURCE_NAME_MAX) {
        ERROR(r, d, "name", "%s: over %d characters with its prefix", where, RESOURCE_NAME_MAX);
        return none;
    }
    if (!str_starts(name, prefix))
        name = str_from(arena_printf(r->arena, "nvidia.com/%.*s", STR_ARG(name)));
    if (name.len > RESOURCE_NAME_MAX) {
        ERROR(r, d, "name", "%s: '%.*s' is over %d characters", where, STR_ARG_SHORT(name),
                RESOURCE_NAME_MAX);
        return none;
    }
    if (!is_subdomain((struct str){name.ptr + prefix.len, name.len - prefix.len})) {
        ERROR(r, d, "name", "%s: '%.*s' is no resource name", where, STR_ARG_SHORT(d->text));
        return none;
    }
    return name;
}

static bool is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 8-4-4-4-12 hex digits. */
static bool is_uuid(struct str s)
{
    if (s.len != 36)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.ptr[i] != '-' : !is_hex_digit(s.ptr[i]))
            return false;
    }
    return true;
}

static bool is_index(struct str s)
{
    uint64_t value = 0;
    return str_to_u64(s, 0, UINT64_MAX, &value) == 0;
}

/* "0", "0:1", "GPU-<uuid>", "MIG-<uuid>", "MIG-GPU-<uuid>/3/0". */
static bool is_device_ref(struct str s)
{
    struct str part = {0};
    struct str gpu = STR_LIT("GPU-");
    struct str mig = STR_LIT("MIG-");
    if (is_index(s))
        return true;
    if (str_starts(s, gpu))
        return is_uuid((struct str){s.ptr + 4, s.len - 4});
    if (!str_starts(s, mig)) {
        struct str rest = s;
        return str_split(&rest, ':', &part) && is_index(part) && is_index(rest);
    }
    s = (struct str){s.ptr + 4, s.len - 4};
    if (is_uuid(s))
        return true;
    struct str first = {0};
    struct str second = {0};
    if (!str_starts(s, gpu) || !str_split(&s, '/', &first) || !str_split(&s, '/', &second))
        return false;
    return is_uuid((struct str){first.ptr + 4, first.len - 4}) && is_index(second) && is_index(s);
}

static void devices_check(struct reader *r, const struct doc *d, const char *where)
{
    bool ok = true;
    if (d->kind == DOC_STRING) {
        ok = str_eq_c(d->text, "all");
    } else if (d->kind == DOC_INT) {
        ok = d->integer > 0;
    } else if (d->kind == DOC_ARRAY) {
        for (uint32_t i = 0; i < d->count; i++) {
            const struct doc *item = &d->first[i];
            ok = ok && ((item->kind == DOC_INT && item->integer >= 0) ||
                               (item->kind == DOC_STRING && is_device_ref(item->text)));
        }
    } else {
        ok = d->kind == DOC_NULL;
    }
    if (!ok) {
        ERROR(r, d, "devices",
                "%s.devices: expected all, a count above 0, or a list of indexes "
                "and UUIDs",
                where);
    } else if (d->kind != DOC_NULL && !(d->kind == DOC_STRING)) {
        WARNING(r, d, "devices", "%s.devices is disabled in the plugin: all devices are shared",
                where);
    }
}

/* One entry of `resources`; returns false when it cannot be used. */
static bool shared_resource_read(struct reader *r, const struct doc *d, const char *where,
        struct nvidia_shared_resource *ret_resource)
{
    static const char *const names[] = {"name", "rename", "devices", "replicas", NULL};
    if (d->kind != DOC_OBJECT) {
        ERROR(r, d, "type", "%s: %s, expected a map", where, doc_kind_name(d->kind));
        return false;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const char *const *n = names;
        while (*n && !str_eq_c(d->first[i].key, *n))
            n++;
        if (!*n)
            unknown_key(r, &d->first[i], where, names);
    }
    const struct doc *name = doc_get(d, "name");
    const struct doc *replicas = doc_get(d, "replicas");
    const struct doc *devices = doc_get(d, "devices");
    const struct doc *rename = doc_get(d, "rename");
    *ret_resource = (struct nvidia_shared_resource){0};
    if (!name) {
        ERROR(r, d, "name", "%s: no resource name specified", where);
        return false;
    }
    ret_resource->name = resource_name(r, name, where);
    if (devices)
        devices_check(r, devices, where);
    if (!replicas) {
        ERROR(r, d, "replicas", "%s: no replicas specified", where);
        return false;
    }
    if (replicas->kind != DOC_INT) {
        ERROR(r, replicas, "replicas", "%s.replicas: %s, expected a whole number", where,
                doc_kind_name(replicas->kind));
        return false;
    }
    if (replicas->integer < 2 || replicas->integer > NVIDIA_REPLICAS_MAX) {
        ERROR(r, replicas, "replicas", "%s.replicas: %.*s: expected 2 to %d%s", where,
                STR_ARG_SHORT(replicas->text), NVIDIA_REPLICAS_MAX,
                replicas->integer == 1 ? "; leave the block out for no sharing" : "");
        return false;
    }
    if (replicas->integer > REPLICAS_SENSIBLE) {
        WARNING(r, replicas, "replicas",
                "%s.replicas: %.*s pods on one GPU, none with a share of "
                "memory or time of its own",
                where, STR_ARG_SHORT(replicas->text));
    }
    ret_resource->replicas = (uint32_t)replicas->integer;
    if (is_set(rename)) {
        ret_resource->rename = resource_name(r, rename, where);
        WARNING(r, rename, "rename", "%s.rename is disabled in the plugin; renameByDefault works",
                where);
    }
    return ret_resource->name.len > 0;
}

static void bool_read(
        struct reader *r, const struct doc *block, const char *key, const char *where, bool *value)
{
    const struct doc *d = doc_get(block, key);
    if (!is_set(d))
        return;
    if (d->kind == DOC_BOOL) {
        *value = d->boolean;
    } else {
        ERROR(r, d, "type", "%s.%s: %s, expected true or false", where, key,
                doc_kind_name(d->kind));
    }
}

static void resources_read(
        struct reader *r, const struct doc *list, const char *where, struct nvidia_sharing *sharing)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct nvidia_shared_resource res;
        if (!shared_resource_read(r, &list->first[i], where, &res))
            continue;
        for (uint32_t k = 0; k < sharing->count; k++) {
            if (str_eq(sharing->resources[k].name, res.name)) {
                WARNING(r, &list->first[i], "twice", "%s: '%.*s' is listed twice", where,
                        STR_ARG_SHORT(res.name));
            }
        }
        if (sharing->count == NVIDIA_SHARED_RESOURCES_MAX) {
            ERROR(r, &list->first[i], "limit", "%s: more than %d resources", where,
                    NVIDIA_SHARED_RESOURCES_MAX);
            return;
        }
        sharing->resources[sharing->count++] = res;
    }
}

static void sharing_read(struct reader *r, const struct doc *block, const char *where,
        struct nvidia_sharing *sharing)
{
    static const char *const names[] = {
            "renameByDefault", "failRequestsGreaterThanOne", "resources", NULL};
    bool is_map = block->kind == DOC_OBJECT;
    sharing->present = true;
    if (!is_map && block->kind != DOC_NULL) {
        ERROR(r, block, "type", "%s: %s, expected a map", where, doc_kind_name(block->kind));
        return;
    }
    for (uint32_t i = 0; is_map && i < block->count; i++) {
        const char *const *n = names;
        while (*n && !str_eq_c(block->first[i].key, *n))
            n++;
        if (!*n && !str_eq_c(block->first[i].key, "replicas"))
            unknown_key(r, &block->first[i], where, names);
    }
    bool_read(r, block, "renameByDefault", where, &sharing->rename_by_default);
    bool_read(r, block, "failRequestsGreaterThanOne", where,
            &sharing->fail_requests_greater_than_one);
    const struct doc *list = doc_get(block, "resources");
    if (is_set(list) && list->kind != DOC_ARRAY) {
        ERROR(r, list, "type", "%s.resources: %s, expected a list", where,
                doc_kind_name(list->kind));
        return;
    }
    if (!is_set(list) || list->count == 0) {
        bool article = doc_get(block, "replicas") != NULL;
        ERROR(r, block, "resources", "%s: no resources specified%s", where,
                article ? "; replicas belong under resources: [{name: nvidia.com/gpu, replicas: N}]"
                        : "");
        return;
    }
    resources_read(r, list, where, sharing);
    if (!sharing->rename_by_default) {
        WARNING(r, block, "rename",
                "%s: without renameByDefault, shared and whole GPUs have one "
                "name",
                where);
    }
}

/* resources: {gpus: [{pattern, name}], mig: [...]}: checked there, then thrown away. */
static void patterns_check(struct reader *r, const struct doc *d)
{
    static const char *const lists[] = {"gpus", "mig"};
    if (d->kind != DOC_OBJECT) {
        ERROR(r, d, "type", "resources: %s, expected a map", doc_kind_name(d->kind));
        return;
    }
    WARNING(r, d, "resources", "the resources block is checked, then ignored by the plugin");
    for (unsigned i = 0; i < 2; i++) {
        const struct doc *list = doc_get(d, lists[i]);
        if (is_set(list) && list->kind != DOC_ARRAY) {
            ERROR(r, list, "type", "resources.%s: %s, expected a list", lists[i],
                    doc_kind_name(list->kind));
        }
        for (uint32_t k = 0; is_set(list) && list->kind == DOC_ARRAY && k < list->count; k++) {
            const struct doc *item = &list->first[k];
            const struct doc *name = doc_get(item, "name");
            const struct doc *pattern = doc_get(item, "pattern");
            if (!pattern || pattern->kind != DOC_STRING || !name) {
                ERROR(r, item, "resources", "resources.%s: expected {pattern, name}", lists[i]);
            } else {
                (void)resource_name(r, name, "resources");
            }
        }
    }
}

static void version_check(struct reader *r, const struct doc *root)
{
    const struct doc *d = doc_get(root, "version");
    if (!d) {
        WARNING(r, root, "version", "no version: read as v1");
    } else if (d->kind != DOC_STRING && d->kind != DOC_NULL) {
        ERROR(r, d, "version", "version: %s, expected v1", doc_kind_name(d->kind));
    } else if (d->kind == DOC_STRING && d->text.len > 0 && !str_eq_c(d->text, "v1")) {
        ERROR(r, d, "version", "unknown version: '%.*s', expected v1", STR_ARG_SHORT(d->text));
    }
}

/* Names that the plugin takes and that match no device: the sharing then does nothing. */
static void names_check(struct reader *r, const struct doc *block, const struct nvidia_sharing *s,
        const char *where)
{
    bool mixed = r->config.mig_strategy == NVIDIA_MIG_STRATEGY_MIXED;
    bool mps = s == &r->config.mps;
    for (uint32_t i = 0; i < s->count; i++) {
        struct str name = s->resources[i].name;
        bool mig = str_starts(name, STR_LIT("nvidia.com/mig-"));
        if (mig && mps) {
            ERROR(r, block, "mps", "%s: '%.*s': MPS does not work on MIG devices", where,
                    STR_ARG_SHORT(name));
        } else if (mig && r->config.mig_strategy_set && !mixed) {
            WARNING(r, block, "name", "%s: '%.*s' is there under migStrategy mixed only", where,
                    STR_ARG_SHORT(name));
        }
        if (str_ends(name, STR_LIT(".shared"))) {
            WARNING(r, block, "name",
                    "%s: '%.*s' matches no device: name what is shared, without "
                    ".shared",
                    where, STR_ARG_SHORT(name));
        }
    }
}

static void sharing_blocks_read(struct reader *r, const struct doc *sharing)
{
    static const char *const names[] = {"timeSlicing", "mps", NULL};
    struct nvidia_plugin_config *c = &r->config;
    if (sharing->kind != DOC_OBJECT) {
        ERROR(r, sharing, "type", "sharing: %s, expected a map", doc_kind_name(sharing->kind));
        return;
    }
    for (uint32_t i = 0; i < sharing->count; i++) {
        const struct doc *m = &sharing->first[i];
        if (!str_eq_c(m->key, names[0]) && !str_eq_c(m->key, names[1]))
            unknown_key(r, m, "sharing", names);
    }
    const struct doc *time_slicing = doc_get(sharing, "timeSlicing");
    const struct doc *mps = doc_get(sharing, "mps");
    if (time_slicing) {
        sharing_read(r, time_slicing, "sharing.timeSlicing", &c->time_slicing);
        names_check(r, time_slicing, &c->time_slicing, "sharing.timeSlicing");
    }
    if (!is_set(mps))
        return;
    c->mps.fail_requests_greater_than_one = true;
    sharing_read(r, mps, "sharing.mps", &c->mps);
    names_check(r, mps, &c->mps, "sharing.mps");
    if (time_slicing)
        WARNING(r, mps, "both", "sharing.mps and sharing.timeSlicing: MPS wins");
    if (c->mig_strategy == NVIDIA_MIG_STRATEGY_MIXED)
        ERROR(r, mps, "mps", "sharing.mps does not work with migStrategy mixed");
}

static void root_read(struct reader *r, const struct doc *root)
{
    static const char *const names[] = {"version", "flags", "resources", "sharing", "imex", NULL};
    if (root->kind == DOC_NULL)
        return;
    if (root->kind != DOC_OBJECT) {
        ERROR(r, root, "type", "%s, expected a map", doc_kind_name(root->kind));
        return;
    }
    for (uint32_t i = 0; i < root->count; i++) {
        const char *const *n = names;
        while (*n && !str_eq_c(root->first[i].key, *n))
            n++;
        if (!*n)
            unknown_key(r, &root->first[i], "the file", names);
    }
    version_check(r, root);
    const struct doc *flags = doc_get(root, "flags");
    const struct doc *resources = doc_get(root, "resources");
    const struct doc *sharing = doc_get(root, "sharing");
    if (is_set(flags))
        flags_read(r, flags);
    if (is_set(resources))
        patterns_check(r, resources);
    if (is_set(sharing))
        sharing_blocks_read(r, sharing);
}

int nvidia_plugin_config_parse(struct arena *a, struct str text,
        struct nvidia_plugin_config *ret_config, struct nvidia_lint *lint, struct err *reterr)
{
    struct nvidia_lint own = {0};
    struct reader r = {.arena = a, .lint = lint ? lint : &own};
    const struct doc *root = NULL;
    if (str_trim(text).len == 0) { /* an empty file is an empty config */
        *ret_config = r.config;
        return 0;
    }
    int rc = doc_parse_yaml(a, text, NVIDIA_PLUGIN_TEXT_MAX, &root, reterr);
    if (rc < 0)
        return rc;
    /* Prefixes of names are the only thing that is allocated from here on. */
    if (!arena_fits(a, 1, 8 * text.len + 4096))
        return err_set(reterr, -E2BIG, "plugin config: too large");
    root_read(&r, root);
    rc = nvidia_lint_result(r.lint, reterr);
    if (rc == 0)
        *ret_config = r.config;
    return rc;
}

uint32_t nvidia_plugin_config_replicas(struct str text, const struct model_resource *resource)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(ARENA_BYTES);
    struct nvidia_plugin_config c = {0};
    char name[MODEL_RESOURCE_NAME_MAX];
    struct model_resource plain = *resource;
    if (plain.kind == MODEL_RESOURCE_GPU_SHARED)
        plain.kind = MODEL_RESOURCE_GPU;
    if (plain.kind == MODEL_RESOURCE_MIG_SHARED)
        plain.kind = MODEL_RESOURCE_MIG;
    if (nvidia_plugin_config_parse(a, text, &c, NULL, NULL) < 0)
        return 0;
    const struct nvidia_sharing *s = c.mps.present ? &c.mps : &c.time_slicing;
    (void)model_resource_format(&plain, name);
    for (uint32_t i = 0; i < s->count; i++) {
        if (str_eq_c(s->resources[i].name, name))
            return s->resources[i].replicas;
    }
    return 1;
}
