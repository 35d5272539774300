/* nvidia/plugin_flags.c - the blocks flags and imex of the device plugin's config.  Pure. */
#include "nvidia/plugin_config-priv.h"

#include <stdio.h>
#include <string.h>

#define READER struct nvidia_plugin_reader *r

static void type_error(READER, const struct doc *d, const char *where, const char *expected)
{
    (void)nvidia_lint_add(
            r->lint, d, "type", "%s: %s, expected %s", where, doc_kind_name(d->kind), expected);
}

static void any_bool(READER, const struct doc *d, const char *where)
{
    bool value = false;
    nvidia_plugin_bool_read(r, d, where, &value);
}

static void any_string(READER, const struct doc *d, const char *where)
{
    if (d->kind != DOC_STRING && d->kind != DOC_NULL)
        type_error(r, d, where, "a string");
}

/* Notes a string that is checked later; null takes it back. */
static void string_note(
        READER, const struct doc *d, const char *where, const struct doc **ret_field)
{
    any_string(r, d, where);
    *ret_field = d->kind == DOC_STRING ? d : NULL;
}

static void mig_strategy(READER, const struct doc *d, const char *where)
{
    string_note(r, d, where, &r->mig_strategy);
}

static void discovery(READER, const struct doc *d, const char *where)
{
    string_note(r, d, where, &r->discovery_strategy);
}

static void mps_root(READER, const struct doc *d, const char *where)
{
    string_note(r, d, where, &r->mps_root);
}

static void id_strategy(READER, const struct doc *d, const char *where)
{
    string_note(r, d, where, &r->device_id_strategy);
}

static void allocation_policy(READER, const struct doc *d, const char *where)
{
    string_note(r, d, where, &r->allocation_policy);
}

static void list_strategy(READER, const struct doc *d, const char *where)
{
    bool fits = d->kind == DOC_STRING || d->kind == DOC_ARRAY || d->kind == DOC_NULL;
    for (uint32_t i = 0; d->kind == DOC_ARRAY && i < d->count; i++)
        fits = fits && (d->first[i].kind == DOC_STRING || d->first[i].kind == DOC_NULL);
    if (!fits)
        type_error(r, d, where, "a string or a list of strings");
    r->device_list_strategy = fits && d->kind != DOC_NULL ? d : NULL;
}

/* [-+]?(D+(.D*)?|.D+)UNIT..., as Go's time.ParseDuration; "0" has no unit. */
static bool duration_is_valid(struct str s)
{
    static const char *const units[] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs", "ms", "s", "m", "h"};
    size_t at = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+');
    if (s.len - at == 1 && s.ptr[at] == '0')
        return true;
    bool any = false;
    while (at < s.len) {
        size_t digits = 0;
        for (; at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9'; at++)
            digits++;
        if (at < s.len && s.ptr[at] == '.') {
            for (at++; at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9'; at++)
                digits++;
        }
        size_t end = at;
        while (end < s.len && s.ptr[end] != '.' && (s.ptr[end] < '0' || s.ptr[end] > '9'))
            end++;
        bool known = false;
        for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
            known = known || str_eq_c((struct str){s.ptr + at, end - at}, units[i]);
        if (digits == 0 || !known)
            return false;
        at = end;
        any = true;
    }
    return any;
}

static void duration(READER, const struct doc *d, const char *where)
{
    bool number = d->kind == DOC_INT || d->kind == DOC_REAL;
    if (number) {
        NVIDIA_LINT_INSTEAD(r->lint, d, "duration", "a number with a unit, as in 60s",
                "%s: %.*s nanoseconds", where, STR_ARG_SHORT(d->text));
    } else if (d->kind == DOC_STRING) {
        if (!str_eq_c(d->text, "infinite") && !duration_is_valid(d->text)) {
            NVIDIA_LINT_INSTEAD(r->lint, d, "type", "a number with a unit, as in 60s",
                    "%s: '%.*s', expected a duration", where, STR_ARG_SHORT(d->text));
        }
    } else if (d->kind != DOC_NULL) {
        type_error(r, d, where, "a duration");
    }
}

static void plugin_flags(READER, const struct doc *d, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"passDeviceSpecs", any_bool},
            {"deviceListStrategy", list_strategy},
            {"deviceIDStrategy", id_strategy},
            {"cdiAnnotationPrefix", any_string},
            {"nvidiaCTKPath", any_string},
            {"containerDriverRoot", any_string},
            {"sharedDevicesAllocationPolicy", allocation_policy},
            {NULL, NULL},
    };
    if (d->kind == DOC_NULL) { /* the pointer is set back, and with it what stood there before */
        r->device_list_strategy = NULL;
        r->device_id_strategy = NULL;
        r->allocation_policy = NULL;
        return;
    }
    nvidia_plugin_struct_read(r, d, where, fields);
}

static void gfd_flags(READER, const struct doc *d, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"oneshot", any_bool},
            {"noTimestamp", any_bool},
            {"sleepInterval", duration},
            {"outputFile", any_string},
            {"machineTypeFile", any_string},
            {NULL, NULL},
    };
    nvidia_plugin_struct_read(r, d, where, fields);
}

void nvidia_plugin_flags_read(READER, const struct doc *flags, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"migStrategy", mig_strategy},
            {"failOnInitError", any_bool},
            {"gdrcopyEnabled", any_bool},
            {"gdsEnabled", any_bool},
            {"mofedEnabled", any_bool},
            {"useNodeFeatureAPI", any_bool},
            {"nvidiaDriverRoot", any_string},
            {"nvidiaDevRoot", any_string},
            {"mpsRoot", mps_root},
            {"deviceDiscoveryStrategy", discovery},
            {"plugin", plugin_flags},
            {"gfd", gfd_flags},
            {NULL, NULL},
    };
    nvidia_plugin_struct_read(r, flags, where, fields);
}

static void channel_ids(READER, const struct doc *d, const char *where)
{
    bool ints = d->kind == DOC_ARRAY;
    for (uint32_t i = 0; ints && i < d->count; i++) {
        int64_t value = 0;
        ints = d->first[i].kind == DOC_NULL || doc_go_int(&d->first[i], &value);
    }
    if (!ints && d->kind != DOC_NULL)
        type_error(r, d, where, "a list of whole numbers");
    r->channel_ids = ints ? d : NULL;
}

void nvidia_plugin_imex_read(READER, const struct doc *imex, const char *where)
{
    static const struct nvidia_plugin_field fields[] = {
            {"channelIDs", channel_ids},
            {"required", any_bool},
            {NULL, NULL},
    };
    nvidia_plugin_struct_read(r, imex, where, fields);
}

/* The index of the word that `d` is, or -1 with a finding. */
static int word_check(
        READER, const struct doc *d, struct str value, const char *where, const char *const *words)
{
    char all[96] = "";
    size_t used = 0;
    for (int i = 0; words[i]; i++) {
        if (str_eq_c(value, words[i]))
            return i;
        const char *between = i == 0 ? "" : (words[i + 1] ? ", " : " or ");
        int wrote = snprintf(all + used, sizeof all - used, "%s%s", between, words[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    const char *nearest = str_nearest(value, words);
    NVIDIA_LINT_INSTEAD(r->lint, d, "flag-value", nearest ? nearest : "", "%s: '%.*s': expected %s",
            where, STR_ARG_SHORT(value), all);
    return -1;
}

static void channel_ids_check(READER)
{
    const struct doc *d = r->channel_ids;
    int64_t value = 0;
    bool zero = d && d->count == 1 && (!doc_go_int(&d->first[0], &value) || value == 0);
    if (d && d->count > 0 && !zero) {
        NVIDIA_LINT_INSTEAD(r->lint, d, "imex", "channelIDs: [0]",
                "imex.channelIDs: expected an empty list or the one channel 0");
    }
}

void nvidia_plugin_flags_check(READER)
{
    static const char *const discovery_words[] = {"auto", "nvml", "tegra", NULL};
    static const char *const id_words[] = {"uuid", "index", NULL};
    static const char *const policy_words[] = {"distributed", "packed", NULL};
    static const char *const list_words[] = {
            "envvar", "volume-mounts", "cdi-annotations", "cdi-cri", NULL};
    static const char *const mig_words[] = {"none", "single", "mixed", NULL};
    const struct doc *list = r->device_list_strategy;
    if (r->mig_strategy) {
        int strategy = word_check(
                r, r->mig_strategy, r->mig_strategy->text, "flags.migStrategy", mig_words);
        r->config.mig_strategy_set = strategy >= 0;
        if (strategy >= 0)
            r->config.mig_strategy = (enum nvidia_mig_strategy)strategy;
    }
    if (r->discovery_strategy) {
        (void)word_check(r, r->discovery_strategy, r->discovery_strategy->text,
                "flags.deviceDiscoveryStrategy", discovery_words);
    }
    if (r->device_id_strategy) {
        (void)word_check(r, r->device_id_strategy, r->device_id_strategy->text,
                "flags.plugin.deviceIDStrategy", id_words);
    }
    if (r->allocation_policy) {
        (void)word_check(r, r->allocation_policy, r->allocation_policy->text,
                "flags.plugin.sharedDevicesAllocationPolicy", policy_words);
    }
    channel_ids_check(r);
    if (list && list->kind == DOC_STRING)
        (void)word_check(r, list, list->text, "flags.plugin.deviceListStrategy", list_words);
    for (uint32_t i = 0; list && list->kind == DOC_ARRAY && i < list->count; i++) {
        const struct doc *item = &list->first[i];
        struct str word = item->kind == DOC_STRING ? item->text : (struct str){0};
        (void)word_check(r, item, word, "flags.plugin.deviceListStrategy", list_words);
    }
}
