/* nvidia/plugin_config.c - reading the device plugin's config file as the plugin does: the top
 * level and how Go fills structs.  Pure. */
#include "nvidia/plugin_config-priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIELDS_MAX = 24,
    ARENA_BYTES = 64 << 20, /* for a file of NVIDIA_PLUGIN_TEXT_MAX */
};

#define READER struct nvidia_plugin_reader *r

const char *nvidia_mig_strategy_name(enum nvidia_mig_strategy s)
{
    static const char *const names[] = {"none", "single", "mixed"};
    assert(s < NVIDIA_MIG_STRATEGY_COUNT);
    return names[s];
}

/* Equal but for ASCII case, as encoding/json matches the keys of structs. */
static bool fold_eq(struct str s, const char *name)
{
    if (s.len != strlen(name))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char a = s.ptr[i];
        char b = name[i];
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
        if (a != b)
            return false;
    }
    return true;
}

void nvidia_plugin_unknown_key(
        READER, const struct doc *member, const char *where, const char *const *names)
{
    const char *nearest = str_nearest(member->key, names);
    bool sharing_key = str_eq_c(member->key, "renameByDefault") ||
                       str_eq_c(member->key, "failRequestsGreaterThanOne");
    if (sharing_key) {
        NVIDIA_LINT_INSTEAD(r->lint, member, "misplaced-key", "under sharing.timeSlicing",
                "'%.*s' does nothing under %s", STR_ARG_SHORT(member->key),
                where[0] != '\0' ? where : "the file");
        return;
    }
    for (unsigned i = 0; !nearest && names[i]; i++)
        nearest = fold_eq(member->key, names[i]) ? names[i] : NULL;
    NVIDIA_LINT_INSTEAD(r->lint, member, "unknown-key", nearest ? nearest : "",
            "'%.*s' is no key of %s and is ignored in silence", STR_ARG_SHORT(member->key),
            where[0] != '\0' ? where : "the file");
}

void nvidia_plugin_bool_read(READER, const struct doc *d, const char *where, bool *value)
{
    if (d->kind == DOC_BOOL) {
        *value = d->boolean;
    } else if (d->kind != DOC_NULL) {
        (void)nvidia_lint_add(r->lint, d, "type", "%s: %s, expected true or false", where,
                doc_kind_name(d->kind));
    }
}

static void member_read(READER, const struct doc *member, const char *where,
        const struct nvidia_plugin_field *fields)
{
    const char *names[FIELDS_MAX];
    const struct nvidia_plugin_field *found = NULL;
    char path[96];
    unsigned count = 0;
    for (; fields[count].name; count++) {
        assert(count + 1 < FIELDS_MAX);
        names[count] = fields[count].name;
        if (str_eq_c(member->key, names[count]) || (!found && fold_eq(member->key, names[count])))
            found = &fields[count];
    }
    names[count] = NULL;
    if (!found) {
        nvidia_plugin_unknown_key(r, member, where, names);
        return;
    }
    if (!str_eq_c(member->key, found->name)) {
        NVIDIA_LINT_INSTEAD(r->lint, member, "key-case", found->name, "'%.*s' is read as %s",
                STR_ARG_SHORT(member->key), found->name);
    }
    (void)snprintf(path, sizeof path, "%s%s%s", where, where[0] != '\0' ? "." : "", found->name);
    found->read(r, member, path);
}

static int compare_keys(const void *left, const void *right)
{
    const struct doc *a = *(const struct doc *const *)left;
    const struct doc *b = *(const struct doc *const *)right;
    return str_cmp(a->key, b->key);
}

void nvidia_plugin_struct_read(
        READER, const struct doc *map, const char *where, const struct nvidia_plugin_field *fields)
{
    if (map->kind == DOC_NULL)
        return;
    if (map->kind != DOC_OBJECT) {
        (void)nvidia_lint_add(r->lint, map, "type", "%s%s%s, expected a map", where,
                where[0] != '\0' ? ": " : "", doc_kind_name(map->kind));
        return;
    }
    /* In the order of their names: Go writes JSON objects so before it decodes them, which matters
     * for keys that differ in case only. */
    const struct doc **sorted = ARENA_ARRAY(r->arena, const struct doc *, map->count);
    for (uint32_t i = 0; i < map->count; i++)
        sorted[i] = &map->first[i];
    qsort(sorted, map->count, sizeof *sorted, compare_keys);
    for (uint32_t i = 0; i < map->count; i++)
        member_read(r, sorted[i], where, fields);
}

static void version_read(READER, const struct doc *d, const char *where)
{
    bool scalar = d->kind != DOC_ARRAY && d->kind != DOC_OBJECT;
    if (!scalar) {
        NVIDIA_LINT_INSTEAD(r->lint, d, "version", "version: v1", "%s: %s, expected v1", where,
                doc_kind_name(d->kind));
    } else if (d->kind != DOC_NULL) {
        r->version = d;
    }
}

static void version_check(READER)
{
    const struct doc *d = r->version;
    if (d && d->text.len > 0 && !str_eq_c(d->text, "v1")) {
        NVIDIA_LINT_INSTEAD(r->lint, d, "version", "version: v1",
                "unknown version: '%.*s', expected v1", STR_ARG_SHORT(d->text));
    }
}

/* .inf and .nan anywhere end the reading. */
static void finite_check(READER, const struct doc *d, unsigned depth)
{
    if (doc_go_not_finite(d)) {
        (void)nvidia_lint_add(
                r->lint, d, "not-finite", "'%.*s' is no number for JSON", STR_ARG_SHORT(d->text));
    }
    for (uint32_t i = 0; depth < DOC_DEPTH_MAX && i < d->count; i++)
        finite_check(r, &d->first[i], depth + 1);
}

static void root_read(READER, const struct doc *root)
{
    static const struct nvidia_plugin_field fields[] = {
            {"version", version_read},
            {"flags", nvidia_plugin_flags_read},
            {"resources", nvidia_plugin_resources_read},
            {"sharing", nvidia_plugin_sharing_read},
            {"imex", nvidia_plugin_imex_read},
            {NULL, NULL},
    };
    finite_check(r, root, 0);
    nvidia_plugin_struct_read(r, root, "", fields);
    if (root->kind == DOC_OBJECT && !doc_get(root, "version")) {
        NVIDIA_LINT_INSTEAD(r->lint, root, "no-version", "version: v1", "no version: read as v1");
    }
    version_check(r);
    nvidia_plugin_flags_check(r);
    nvidia_plugin_sharing_check(r, root);
}

void nvidia_plugin_config_read(struct arena *a, const struct doc *root,
        struct nvidia_plugin_config *ret_config, struct nvidia_lint *lint)
{
    struct nvidia_plugin_reader r = {.arena = a, .lint = lint};
    root_read(&r, root);
    *ret_config = r.config;
}

int nvidia_plugin_config_parse(struct arena *a, struct str text,
        struct nvidia_plugin_config *ret_config, struct nvidia_lint *lint, struct err *reterr)
{
    struct nvidia_lint own = {0};
    struct nvidia_plugin_config config = {0};
    struct doc_go go = {0};
    if (!lint)
        lint = &own;
    int rc = doc_go_parse(a, text, NVIDIA_PLUGIN_TEXT_MAX, &go, reterr);
    if (rc < 0)
        return rc;
    /* Prefixes of names are the only thing that is allocated from here on. */
    if (!arena_fits(a, 1, 16 * text.len + 4096))
        return err_set(reterr, -E2BIG, "plugin config: too large");
    if (go.count > 0) {
        nvidia_lint_notes(lint, &go, &go.documents[0]);
        nvidia_plugin_config_read(a, go.documents[0].root, &config, lint);
    }
    if (go.count > 1 || go.tail.code != 0)
        (void)nvidia_lint_add(lint, NULL, "other-documents", "only the first document is read");
    nvidia_lint_sort(lint);
    rc = nvidia_lint_result(lint, reterr);
    if (rc == 0)
        *ret_config = config;
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

/* -- releases --------------------------------------------------------------------------------- */

bool nvidia_config_manager_acts_first(struct str release)
{
    enum { PARTS = 3, DIGITS_MAX = 4, STEP = 10000 };
    struct str rest = release;
    struct str word = {0};
    uint64_t number = 0;
    if (rest.len > 0 && rest.ptr[0] == 'v')
        rest = (struct str){rest.ptr + 1, rest.len - 1};
    for (unsigned i = 0; i < PARTS; i++) {
        unsigned part = 0;
        size_t digits = 0;
        if (!str_split(&rest, '.', &word))
            return false;
        for (; digits < word.len && digits < DIGITS_MAX; digits++) {
            if (word.ptr[digits] < '0' || word.ptr[digits] > '9')
                break;
            part = part * 10 + (unsigned)(word.ptr[digits] - '0');
        }
        bool build = i == PARTS - 1 && digits < word.len && word.ptr[digits] == '-';
        if (digits == 0 || (digits < word.len && !build))
            return false;
        number = number * STEP + part;
    }
    return number >= 18 * STEP + 2 && number < 20 * STEP;
}
