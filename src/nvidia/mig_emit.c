/* nvidia/mig_emit.c - writing mig-parted config files.  Pure. */
#include "nvidia/mig_parted.h"

#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void quoted_put(struct str text, struct buf *out)
{
    buf_putc(out, '"');
    json_escape(out, text);
    buf_putc(out, '"');
}

static void entry_put(const struct nvidia_mig_entry *e, struct buf *out)
{
    if (e->filter_count > 0) {
        buf_puts(out, "    - device-filter: [");
        for (uint32_t i = 0; i < e->filter_count; i++) {
            buf_puts(out, i > 0 ? ", " : "");
            quoted_put(e->filters[i], out);
        }
        buf_puts(out, "]\n      devices: ");
    } else {
        buf_puts(out, "    - devices: ");
    }
    if (e->all_devices) {
        buf_puts(out, "all");
    } else {
        const char *between = "";
        buf_putc(out, '[');
        for (uint32_t i = 0; i < NVIDIA_MIG_DEVICES_MAX; i++) {
            if (!(e->devices >> i & 1))
                continue;
            buf_printf(out, "%s%u", between, i);
            between = ", ";
        }
        buf_putc(out, ']');
    }
    buf_printf(out, "\n      mig-enabled: %s\n      mig-devices: {",
            e->mig_enabled ? "true" : "false");
    for (uint32_t i = 0; i < e->profile_count; i++) {
        buf_printf(out, "%s\"%s\": %u", i > 0 ? ", " : "", e->profiles[i].profile,
                e->profiles[i].count);
    }
    buf_puts(out, "}\n");
}

/* A name as a YAML key, quoted unless it is plainly a word. */
static void key_put(struct str name, struct buf *out)
{
    bool plain = name.len > 0 && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
    for (size_t i = 0; i < name.len && plain; i++) {
        char c = name.ptr[i];
        plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    }
    bool word = str_eq_c(name, "null") || str_eq_c(name, "true") || str_eq_c(name, "false");
    if (plain && !word) {
        buf_put(out, name);
        return;
    }
    quoted_put(name, out);
}

void nvidia_mig_parted_emit(
        const struct nvidia_mig_config *configs, uint32_t count, struct buf *out)
{
    buf_puts(out, "version: v1\n");
    if (count > 0)
        buf_puts(out, "mig-configs:\n");
    for (uint32_t i = 0; i < count; i++) {
        buf_puts(out, "  ");
        key_put(configs[i].name, out);
        buf_puts(out, ":\n");
        for (uint32_t k = 0; k < configs[i].entry_count; k++)
            entry_put(&configs[i].entries[k], out);
    }
}

/* Adds `count` instances of `profile`; keeps the list sorted by name. */
static int profile_add(struct nvidia_mig_entry *e, struct str profile, uint32_t count)
{
    uint32_t at = 0;
    while (at < e->profile_count && str_cmp(str_from(e->profiles[at].profile), profile) < 0)
        at++;
    if (at == e->profile_count || !str_eq_c(profile, e->profiles[at].profile)) {
        if (e->profile_count == NVIDIA_MIG_PROFILES_MAX)
            return -E2BIG;
        memmove(&e->profiles[at + 1], &e->profiles[at],
                (e->profile_count - at) * sizeof e->profiles[0]);
        e->profile_count++;
        e->profiles[at].count = 0;
        memcpy(e->profiles[at].profile, profile.ptr, profile.len);
        e->profiles[at].profile[profile.len] = '\0';
    }
    e->profiles[at].count += count;
    return 0;
}

/* One item: [Nx]PROFILE[@START][*]. */
static int item_add(struct nvidia_mig_entry *e, struct str item)
{
    uint64_t count = 1;
    const char *x = item.len > 0 ? memchr(item.ptr, 'x', item.len) : NULL;
    if (x && str_to_u64((struct str){item.ptr, (size_t)(x - item.ptr)}, 1, MIG_INSTANCES_MAX,
                     &count) == 0)
        item = (struct str){x + 1, item.len - (size_t)(x - item.ptr) - 1};
    if (item.len > 0 && item.ptr[item.len - 1] == '*')
        item.len--;
    const char *start = item.len > 0 ? memchr(item.ptr, '@', item.len) : NULL;
    if (start)
        item.len = (size_t)(start - item.ptr);
    if (item.len >= MODEL_PROFILE_NAME_MAX || !nvidia_mig_profile_is_valid(item))
        return -EINVAL;
    return profile_add(e, item, (uint32_t)count);
}

/* The profiles of a layout text, added up; "" is MIG off, "none" is MIG on without instances. */
static int layout_parse(struct str text, struct nvidia_mig_entry *ret_entry)
{
    struct str rest = str_trim(text);
    struct str item = {0};
    *ret_entry = (struct nvidia_mig_entry){.mig_enabled = rest.len > 0};
    if (rest.len == 0 || str_eq_c(rest, "none"))
        return 0;
    while (str_split(&rest, ',', &item)) {
        int r = item_add(ret_entry, str_trim(item));
        if (r < 0)
            return r;
    }
    return 0;
}

static bool entry_same(const struct nvidia_mig_entry *a, const struct nvidia_mig_entry *b)
{
    bool same = a->mig_enabled == b->mig_enabled && a->profile_count == b->profile_count;
    for (uint32_t i = 0; i < a->profile_count && same; i++) {
        same = a->profiles[i].count == b->profiles[i].count &&
               strcmp(a->profiles[i].profile, b->profiles[i].profile) == 0;
    }
    return same;
}

/* Gathers the GPUs of equal layout; returns the count of entries, or a negative errno. */
static int entries_make(const struct nvidia_mig_plan *plan,
        struct nvidia_mig_entry entries[NVIDIA_MIG_DEVICES_MAX], struct err *reterr)
{
    int count = 0;
    assert(plan->gpu_count <= NVIDIA_MIG_DEVICES_MAX);
    for (uint32_t gpu = 0; gpu < plan->gpu_count; gpu++) {
        struct nvidia_mig_entry e;
        int r = layout_parse(plan->layouts[gpu], &e);
        if (r < 0) {
            return err_set(reterr, r, "layout '%.*s' of GPU %u: expected a list of MIG profiles",
                    STR_ARG_SHORT(plan->layouts[gpu]), gpu);
        }
        int at = 0;
        while (at < count && !entry_same(&entries[at], &e))
            at++;
        if (at == count)
            entries[count++] = e;
        entries[at].devices |= UINT64_C(1) << gpu;
    }
    if (count == 0)
        entries[count++] = (struct nvidia_mig_entry){0}; /* no GPU: nothing is on */
    if (count == 1)
        entries[0].all_devices = true;
    return count;
}

int nvidia_mig_plan_emit(
        const struct nvidia_mig_plan *plan, struct str name, struct buf *out, struct err *reterr)
{
    struct nvidia_mig_entry entries[NVIDIA_MIG_DEVICES_MAX] = {{0}};
    int count = entries_make(plan, entries, reterr);
    if (count < 0)
        return count;
    const struct nvidia_mig_config config = {
            .name = name, .entries = entries, .entry_count = (uint32_t)count};
    nvidia_mig_parted_emit(&config, 1, out);
    return 0;
}

char *nvidia_mig_plan_name(const struct nvidia_mig_plan *plan, char *text)
{
    struct buf content = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    bool on = false;
    /* A text that cannot be written has no config to name: the name is of what could be. */
    (void)nvidia_mig_plan_emit(plan, STR_LIT("plan"), &content, NULL);
    for (uint32_t gpu = 0; gpu < plan->gpu_count; gpu++)
        on = on || str_trim(plan->layouts[gpu]).len > 0;
    uint32_t hash = (uint32_t)(str_hash(buf_str(&content), 0) >> 32);
    buf_clear(&content);
    int wrote =
            snprintf(text, NVIDIA_CONFIG_KEY_MAX, "%s-%08" PRIx32, on ? "mig" : "mig-off", hash);
    assert(wrote > 0 && wrote < NVIDIA_CONFIG_KEY_MAX);
    return text;
}
