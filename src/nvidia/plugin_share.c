/* nvidia/plugin_share.c - the blocks sharing and resources of the device plugin's config.  Pure.
 *
 * These types decode themselves: their keys match by exact case, and null is no way to leave a
 * value out. */
#include "nvidia/plugin_config-priv.h"

#include <stdio.h>
#include <string.h>

enum { RESOURCE_NAME_MAX = 63, REPLICAS_SENSIBLE = 100, INSTEAD_BYTES = 192 };

#define READER                          struct nvidia_plugin_reader *r

#define ADD(at, rule, ...)              (void)nvidia_lint_add(r->lint, at, rule, __VA_ARGS__)
#define ADD_INSTEAD(at, rule, fix, ...) NVIDIA_LINT_INSTEAD(r->lint, at, rule, fix, __VA_ARGS__)

static const char hex_digits[] = "0123456789abcdefABCDEF";
static const struct str prefix = {"nvidia.com/", 11};

/* DNS subdomain, as Kubernetes checks it. */
static bool is_subdomain(struct str s)
{
    char before = '.';
    for (size_t i = 0; s.ptr && i < s.len; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && !(c == '.' && before != '.' && before != '-') && !(c == '-' && before != '.'))
            return false;
        before = c;
    }
    return s.len > 0 && before != '.' && before != '-';
}

/* A resource name with its prefix, or a finding and "". */
static struct str resource_name(READER, const struct doc *d, const char *where)
{
    struct str none = {0};
    struct str given = d->kind == DOC_STRING ? d->text : none; /* null reads as "" */
    if (d->kind != DOC_STRING && d->kind != DOC_NULL) {
        ADD(d, "type", "%s: %s, expected a string", where, doc_kind_name(d->kind));
        return none;
    }
    bool full = str_starts(given, prefix);
    size_t len = given.len + (full ? 0 : prefix.len);
    if (len > RESOURCE_NAME_MAX) {
        ADD(d, "resource-name",
                "%s: '%.*s' has %zu characters with nvidia.com/, expected %d at most", where,
                STR_ARG_SHORT(given), len, RESOURCE_NAME_MAX);
        return none;
    }
    struct str name =
            full ? given : str_from(arena_printf(r->arena, "nvidia.com/%.*s", STR_ARG(given)));
    if (!is_subdomain((struct str){name.ptr + prefix.len, name.len - prefix.len})) {
        ADD_INSTEAD(d, "resource-name", "nvidia.com/gpu or nvidia.com/mig-<profile>",
                "%s: '%.*s' is no resource name: small letters, digits, '-' and '.'", where,
                STR_ARG_SHORT(given));
        return none;
    }
    return name;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!memchr(hex_digits, s.ptr[i], sizeof hex_digits - 1))
            return false;
    }
    return true;
}

/* The four forms that google/uuid reads: 8-4-4-4-12, in braces, behind urn:uuid:, or 32 digits. */
static bool is_uuid(struct str s)
{
    static const unsigned parts[] = {8, 4, 4, 4, 12};
    if (s.len == 32)
        return is_hex(s);
    if (s.len == 45) { /* the prefix in any case */
        for (size_t i = 0; i < 9; i++) {
            char c = s.ptr[i];
            if ((c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) != "urn:uuid:"[i])
                return false;
        }
        s = (struct str){s.ptr + 9, 36};
    }
    if (s.len == 38) /* whatever stands for the braces */
        s = (struct str){s.ptr + 1, 36};
    size_t at = 0;
    for (unsigned i = 0; i < 5; i++) {
        if (s.len != 36 || !is_hex((struct str){s.ptr + at, parts[i]}))
            return false;
        at += parts[i];
        if (i < 4 && s.ptr[at++] != '-')
            return false;
    }
    return true;
}

static bool is_index(struct str s)
{
    uint64_t value = 0;
    return str_to_u64(s, 0, UINT64_MAX, &value) == 0;
}

static bool is_gpu_uuid(struct str s)
{
    return str_starts(s, STR_LIT("GPU-")) && is_uuid((struct str){s.ptr + 4, s.len - 4});
}

/* "0", "0:1", "GPU-<uuid>", "MIG-<uuid>", "MIG-GPU-<uuid>/3/0". */
static bool is_device_ref(struct str s)
{
    struct str first = {0};
    struct str second = {0};
    struct str rest = s;
    if (is_index(s) || is_gpu_uuid(s))
        return true;
    if (!str_starts(s, STR_LIT("MIG-")))
        return str_split(&rest, ':', &first) && is_index(first) && is_index(rest);
    rest = (struct str){s.ptr + 4, s.len - 4};
    if (is_uuid(rest))
        return true;
    return str_split(&rest, '/', &first) && str_split(&rest, '/', &second) && is_gpu_uuid(first) &&
           is_index(second) && is_index(rest);
}

/* What may stand in the list: an index, or a string that names a device; null is index 0. */
static bool device_item_is_valid(const struct doc *d)
{
    int64_t index = 0;
    uint64_t large = 0;
    if (d->kind == DOC_NULL)
        return true;
    if (d->kind == DOC_STRING)
        return is_device_ref(d->text);
    if (doc_go_int(d, &index))
        return index >= 0;
    return d->kind == DOC_REAL && str_to_u64(d->text, 0, UINT64_MAX, &large) == 0;
}

static void devices_check(READER, const struct doc *d, const char *where)
{
    bool all = d->kind == DOC_STRING && str_eq_c(d->text, "all");
    int64_t count = 0;
    bool ok = all || (d->kind == DOC_ARRAY) || (doc_go_int(d, &count) && count > 0);
    for (uint32_t i = 0; d->kind == DOC_ARRAY && i < d->count; i++)
        ok = ok && device_item_is_valid(&d->first[i]);
    if (!ok) {
        ADD_INSTEAD(d, "devices", "leave devices out: every device is shared",
                "%s.devices: expected all, a count above 0, or a list of indexes and UUIDs", where);
    } else if (!all) {
        ADD_INSTEAD(d, "devices-ignored", "leave it out",
                "%s.devices is disabled in the plugin: all devices are shared", where);
    }
}

/* The number of replicas, or 0 with a finding. */
static uint32_t replicas_read(READER, const struct doc *d, const char *where)
{
    int64_t value = 0;
    bool is_int = doc_go_int(d, &value);
    if (!is_int && d->kind != DOC_NULL) {
        char fix[INSTEAD_BYTES] = "";
        if (d->kind == DOC_STRING && str_to_i64(d->text, 2, NVIDIA_REPLICAS_MAX, &value) == 0)
            (void)snprintf(fix, sizeof fix, "replicas: %.*s", STR_ARG_SHORT(d->text));
        ADD_INSTEAD(d, "replicas", fix, "%s.replicas: %s, expected a whole number", where,
                doc_kind_name(d->kind));
        return 0;
    }
    if (value < 2) {
        ADD_INSTEAD(d, "replicas",
                value == 1 ? "leave the sharing block out for no sharing" : "replicas: 2 or more",
                "%s.replicas: %.*s: expected at least 2", where, STR_ARG_SHORT(d->text));
        return 0;
    }
    if (d->kind == DOC_REAL) {
        ADD(d, "number", "%s.replicas: %.*s is read as %lld", where, STR_ARG_SHORT(d->text),
                (long long)value);
    }
    if (value > REPLICAS_SENSIBLE) {
        ADD(d, "replicas-many",
                "%s.replicas: %.*s pods on one GPU, none with a share of memory or time of its own",
                where, STR_ARG_SHORT(d->text));
    }
    return value > NVIDIA_REPLICAS_MAX ? NVIDIA_REPLICAS_MAX : (uint32_t)value;
}

/* One entry of `resources`; returns false when the plugin refuses it. */
static bool shared_resource_read(
        READER, const struct doc *d, const char *where, struct nvidia_shared_resource *ret_resource)
{
    static const char *const names[] = {"name", "rename", "devices", "replicas", NULL};
    struct nvidia_shared_resource res = {0};
    uint32_t refused = r->lint->refused;
    if (d->kind != DOC_OBJECT && d->kind != DOC_NULL) {
        ADD_INSTEAD(d, "type", "- {name: nvidia.com/gpu, replicas: 4}", "%s: %s, expected a map",
                where, doc_kind_name(d->kind));
        return false;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const char *const *n = names;
        while (*n && !str_eq_c(d->first[i].key, *n))
            n++;
        if (!*n)
            nvidia_plugin_unknown_key(r, &d->first[i], where, names);
    }
    const struct doc *name = doc_get(d, "name");
    const struct doc *replicas = doc_get(d, "replicas");
    const struct doc *devices = doc_get(d, "devices");
    const struct doc *rename = doc_get(d, "rename");
    if (name) {
        res.name = resource_name(r, name, where);
    } else {
        ADD_INSTEAD(d, "resource-name", "name: nvidia.com/gpu", "%s: no resource name specified",
                where);
    }
    if (devices)
        devices_check(r, devices, where);
    if (replicas) {
        res.replicas = replicas_read(r, replicas, where);
    } else {
        ADD_INSTEAD(d, "replicas", "replicas: 4", "%s: no replicas specified", where);
    }
    if (rename) {
        res.rename = resource_name(r, rename, where);
        if (res.rename.len > 0) {
            ADD_INSTEAD(rename, "rename", "renameByDefault: true, which adds .shared",
                    "%s.rename is disabled in the plugin", where);
        }
    }
    *ret_resource = res;
    return r->lint->refused == refused;
}

static void resources_add(
        READER, const struct doc *list, const char *where, struct nvidia_sharing *sharing)
{
    char item[64];
    (void)snprintf(item, sizeof item, "%s.resources", where);
    for (uint32_t i = 0; i < list->count; i++) {
        struct nvidia_shared_resource res;
        if (!shared_resource_read(r, &list->first[i], item, &res))
            continue;
        for (uint32_t k = 0; k < sharing->count; k++) {
            if (str_eq(sharing->resources[k].name, res.name)) {
                ADD_INSTEAD(&list->first[i], "twice", "one entry", "%s: '%.*s' is listed twice",
                        item, STR_ARG_SHORT(res.name));
            }
        }
        if (sharing->count == NVIDIA_SHARED_RESOURCES_MAX) {
            ADD(&list->first[i], "limit", "%s: more than %d resources", item,
                    NVIDIA_SHARED_RESOURCES_MAX);
            return;
        }
        sharing->resources[sharing->count++] = res;
    }
}

/* A block that is there and lists nothing; the article's form has its replicas here. */
static void no_resources(READER, const struct doc *block, const char *where)
{
    const struct doc *replicas = doc_get(block, "replicas");
    const char *key = str_ends(str_from(where), STR_LIT("mps")) ? "mps" : "timeSlicing";
    char fix[INSTEAD_BYTES];
    if (!replicas) {
        ADD_INSTEAD(block, "no-resources", "leave the block out for no sharing",
                "%s: no resources specified", where);
        return;
    }
    (void)snprintf(fix, sizeof fix,
            "%s: {renameByDefault: true, failRequestsGreaterThanOne: true, resources: [{name: "
            "nvidia.com/gpu, replicas: %.*s}]}",
            key, STR_ARG_SHORT(replicas->text));
    ADD_INSTEAD(replicas, "no-resources", fix,
            "%s: no resources specified: replicas belong to a resource", where);
}

static void block_read(
        READER, const struct doc *block, const char *where, struct nvidia_sharing *sharing)
{
    static const char *const names[] = {
            "renameByDefault", "failRequestsGreaterThanOne", "resources", NULL};
    char path[64];
    *sharing = (struct nvidia_sharing){.present = true};
    if (block->kind != DOC_OBJECT && block->kind != DOC_NULL) {
        ADD(block, "type", "%s: %s, expected a map", where, doc_kind_name(block->kind));
        return;
    }
    const struct doc *list = doc_get(block, "resources");
    bool listed = list && list->kind == DOC_ARRAY && list->count > 0;
    for (uint32_t i = 0; i < block->count; i++) {
        const struct doc *m = &block->first[i];
        const char *const *n = names;
        while (*n && !str_eq_c(m->key, *n))
            n++;
        (void)snprintf(path, sizeof path, "%s.%s", where, *n ? *n : "");
        if (!*n && (listed || !str_eq_c(m->key, "replicas"))) {
            nvidia_plugin_unknown_key(r, m, where, names);
        } else if (*n == names[0]) {
            nvidia_plugin_bool_read(r, m, path, &sharing->rename_by_default);
        } else if (*n == names[1]) {
            nvidia_plugin_bool_read(r, m, path, &sharing->fail_requests_greater_than_one);
        }
    }
    if (list && list->kind != DOC_ARRAY && list->kind != DOC_NULL) {
        ADD_INSTEAD(list, "type", "resources: [{name: nvidia.com/gpu, replicas: 4}]",
                "%s.resources: %s, expected a list", where, doc_kind_name(list->kind));
    } else if (!listed) {
        no_resources(r, block, where);
    } else {
        resources_add(r, list, where, sharing);
    }
}

static void time_slicing_read(READER, const struct doc *d, const char *where)
{
    struct nvidia_sharing *s = &r->config.time_slicing;
    block_read(r, d, where, s);
    if (s->count > 0 && !s->rename_by_default) {
        ADD_INSTEAD(d, "one-name", "renameByDefault: true",
                "%s: without renameByDefault shared and whole GPUs have one name", where);
    }
    if (s->count > 0 && !s->fail_requests_greater_than_one) {
        ADD_INSTEAD(d, "fail-requests", "failRequestsGreaterThanOne: true",
                "%s: a pod may ask for several replicas and gets no more for it", where);
    }
}

static void mps_read(READER, const struct doc *d, const char *where)
{
    struct nvidia_sharing *s = &r->config.mps;
    *s = (struct nvidia_sharing){0};
    if (d->kind == DOC_NULL)
        return;
    const struct doc *fail = doc_get(d, "failRequestsGreaterThanOne");
    block_read(r, d, where, s);
    if (fail && fail->kind == DOC_BOOL && !fail->boolean) {
        ADD(fail, "mps-fail-requests", "%s.failRequestsGreaterThanOne: always true under MPS",
                where);
    }
    s->fail_requests_greater_than_one = true;
}

void nvidia_plugin_sharing_read(READER, const struct doc *sharing, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"timeSlicing", time_slicing_read},
            {"mps", mps_read},
            {NULL, NULL},
    };
    nvidia_plugin_struct_read(r, sharing, where, fields);
}

static void patterns_read(READER, const struct doc *d, const char *where)
{
    if (d->kind != DOC_ARRAY && d->kind != DOC_NULL) {
        ADD(d, "type", "%s: %s, expected a list", where, doc_kind_name(d->kind));
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *item = &d->first[i];
        const struct doc *name = doc_get(item, "name");
        const struct doc *pattern = doc_get(item, "pattern");
        bool text = pattern && (pattern->kind == DOC_STRING || pattern->kind == DOC_NULL);
        if (!text || !name) {
            ADD_INSTEAD(item, "patterns", "leave the block out: the plugin throws it away",
                    "%s: expected {pattern, name}", where);
        } else {
            (void)resource_name(r, name, where);
        }
    }
}

void nvidia_plugin_resources_read(READER, const struct doc *resources, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"gpus", patterns_read},
            {"mig", patterns_read},
            {NULL, NULL},
    };
    if (resources->kind != DOC_NULL) {
        ADD_INSTEAD(resources, "patterns-ignored", "leave it out",
                "the resources block is checked, then ignored by the plugin");
    }
    nvidia_plugin_struct_read(r, resources, where, fields);
}

/* Names that the plugin takes and that match no device: the sharing then does nothing. */
static void names_check(
        READER, const struct doc *at, const struct nvidia_sharing *s, const char *where)
{
    bool mixed = r->config.mig_strategy == NVIDIA_MIG_STRATEGY_MIXED;
    for (uint32_t i = 0; i < s->count; i++) {
        struct str name = s->resources[i].name;
        struct str shared = STR_LIT(".shared");
        if (str_ends(name, shared)) {
            char fix[INSTEAD_BYTES];
            (void)snprintf(fix, sizeof fix, "%.*s", (int)(name.len - shared.len), name.ptr);
            ADD_INSTEAD(at, "resource-absent", fix,
                    "%s: '%.*s' matches no device: name what is shared, without .shared", where,
                    STR_ARG_SHORT(name));
        } else if (!str_starts(name, STR_LIT("nvidia.com/mig-"))) {
            if (!str_eq_c(name, "nvidia.com/gpu")) {
                ADD_INSTEAD(at, "resource-absent", "nvidia.com/gpu", "%s: '%.*s' matches no device",
                        where, STR_ARG_SHORT(name));
            }
        } else if (s == &r->config.mps) {
            ADD_INSTEAD(at, "mps-mig", "timeSlicing for MIG devices",
                    "%s: '%.*s': MPS does not work on MIG devices", where, STR_ARG_SHORT(name));
        } else if (!mixed && r->config.mig_strategy_set) {
            ADD_INSTEAD(at, "resource-absent", "flags.migStrategy: mixed",
                    "%s: '%.*s' is there under migStrategy mixed only", where, STR_ARG_SHORT(name));
        }
    }
}

void nvidia_plugin_sharing_check(READER, const struct doc *root)
{
    const struct doc *sharing = doc_get(root, "sharing");
    const struct doc *time_slicing = doc_get(sharing, "timeSlicing");
    const struct doc *mps = doc_get(sharing, "mps");
    struct nvidia_plugin_config *c = &r->config;
    names_check(r, time_slicing, &c->time_slicing, "sharing.timeSlicing");
    names_check(r, mps, &c->mps, "sharing.mps");
    if (c->mps.count == 0)
        return;
    if (c->time_slicing.count > 0) {
        ADD_INSTEAD(time_slicing, "mps-wins", "one of the two",
                "sharing.timeSlicing does nothing beside sharing.mps");
    }
    if (c->mig_strategy == NVIDIA_MIG_STRATEGY_MIXED) {
        ADD_INSTEAD(mps, "mps-mixed", "timeSlicing, or flags.migStrategy: none",
                "sharing.mps does not work with migStrategy mixed");
    }
    if (!r->mps_root || r->mps_root->text.len == 0) {
        ADD_INSTEAD(mps, "mps-root", "flags.mpsRoot: /run/nvidia/mps",
                "sharing.mps: no flags.mpsRoot: the plugin ends unless MPS_ROOT is set");
    }
}
