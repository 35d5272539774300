/* nvidia/mig_parted_emit.c - writing mig-parted's file; see mig_parted.h. */
#include "nvidia/mig_parted.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void emit_devices(const struct nvidia_mig_entry *e, struct buf *out)
{
    if (e->all_devices) {
        buf_puts(out, "  - devices: all\n");
        return;
    }
    const char *separator = "";
    buf_puts(out, "  - devices: [");
    for (unsigned i = 0; i < NVIDIA_MIG_DEVICES_MAX; i++) {
        if (e->devices & UINT64_C(1) << i) {
            buf_printf(out, "%s%u", separator, i);
            separator = ", ";
        }
    }
    buf_puts(out, "]\n");
}

static void emit_entry(const struct nvidia_mig_entry *e, struct buf *out)
{
    emit_devices(e, out);
    if (e->filter_count > 0) {
        buf_puts(out, "    device-filter: [");
        for (uint32_t i = 0; i < e->filter_count; i++)
            buf_printf(out, "%s\"%.*s\"", i ? ", " : "", STR_ARG(e->filters[i]));
        buf_puts(out, "]\n");
    }
    buf_printf(out, "    mig-enabled: %s\n", e->mig_enabled ? "true" : "false");
    if (!e->mig_enabled)
        return;
    buf_puts(out, "    mig-devices: {");
    for (uint32_t i = 0; i < e->profile_count; i++)
        buf_printf(
                out, "%s\"%s\": %u", i ? ", " : "", e->profiles[i].profile, e->profiles[i].count);
    buf_puts(out, "}\n");
}

void nvidia_mig_parted_emit(
        const struct nvidia_mig_config *configs, uint32_t count, struct buf *out)
{
    buf_puts(out, "version: v1\nmig-configs:\n");
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(out, "  \"%.*s\":\n", STR_ARG(configs[i].name));
        for (uint32_t k = 0; k < configs[i].entry_count; k++)
            emit_entry(&configs[i].entries[k], out);
    }
}

/* "2x1g.5gb@4*" -> count 2, profile "1g.5gb". */
static int read_item(struct str item, struct nvidia_mig_count *ret, struct err *reterr)
{
    struct str whole = item, head = item;
    uint64_t count = 1;
    struct str rest = item;
    if (str_split(&rest, 'x', &head) && rest.len > 0 && str_to_u64(head, 1, 1000, &count) == 0)
        item = rest;
    size_t len = 0;
    while (len < item.len && item.ptr[len] != '@' && item.ptr[len] != '*')
        len++;
    item.len = len;
    if (!nvidia_mig_profile_is_valid(item)) {
        return err_set(
                reterr, -EINVAL, "'%.*s': expected a MIG profile, as 1g.5gb", STR_ARG(whole));
    }
    *ret = (struct nvidia_mig_count){.count = (uint32_t)count};
    memcpy(ret->profile, item.ptr, item.len);
    return 0;
}

/* Adds `c` to the entry, keeping profiles sorted by name so that equal sets are equal texts. */
static int add_count(
        struct nvidia_mig_entry *e, const struct nvidia_mig_count *c, struct err *reterr)
{
    uint32_t at = 0;
    while (at < e->profile_count && strcmp(e->profiles[at].profile, c->profile) < 0)
        at++;
    if (at < e->profile_count && strcmp(e->profiles[at].profile, c->profile) == 0) {
        e->profiles[at].count += c->count;
        return 0;
    }
    if (e->profile_count == NVIDIA_MIG_PROFILES_MAX)
        return err_set(reterr, -E2BIG, "more than %d profiles", NVIDIA_MIG_PROFILES_MAX);
    memmove(&e->profiles[at + 1], &e->profiles[at],
            (e->profile_count - at) * sizeof e->profiles[0]);
    e->profiles[at] = *c;
    e->profile_count++;
    return 0;
}

static int read_layout(struct str layout, struct nvidia_mig_entry *ret, struct err *reterr)
{
    *ret = (struct nvidia_mig_entry){0};
    struct str part;
    while (str_split(&layout, ',', &part)) {
        struct nvidia_mig_count c;
        part = str_trim(part);
        if (part.len == 0)
            continue;
        if (read_item(part, &c, reterr) < 0 || add_count(ret, &c, reterr) < 0)
            return reterr != NULL ? reterr->code : -EINVAL;
    }
    ret->mig_enabled = ret->profile_count > 0;
    return 0;
}

static bool same_wish(const struct nvidia_mig_entry *a, const struct nvidia_mig_entry *b)
{
    if (a->mig_enabled != b->mig_enabled || a->profile_count != b->profile_count)
        return false;
    for (uint32_t i = 0; i < a->profile_count; i++) {
        if (a->profiles[i].count != b->profiles[i].count ||
                strcmp(a->profiles[i].profile, b->profiles[i].profile) != 0)
            return false;
    }
    return true;
}

/* The plan as entries, GPUs of one wish together, in order of their first GPU. */
static int plan_entries(const struct nvidia_mig_plan *plan, struct nvidia_mig_entry *entries,
        uint32_t *ret_count, struct err *reterr)
{
    uint32_t count = 0;
    assert(plan->gpu_count <= NVIDIA_MIG_DEVICES_MAX);
    for (uint32_t gpu = 0; gpu < plan->gpu_count; gpu++) {
        struct nvidia_mig_entry e;
        if (read_layout(plan->layouts[gpu], &e, reterr) < 0)
            return err_wrap(reterr, "GPU %u", gpu);
        uint32_t at = 0;
        while (at < count && !same_wish(&entries[at], &e))
            at++;
        if (at == count)
            entries[count++] = e;
        entries[at].devices |= UINT64_C(1) << gpu;
    }
    *ret_count = count;
    return 0;
}

int nvidia_mig_plan_emit(
        const struct nvidia_mig_plan *plan, struct str name, struct buf *out, struct err *reterr)
{
    struct nvidia_mig_entry entries[NVIDIA_MIG_DEVICES_MAX];
    uint32_t count = 0;
    struct err own = {0};
    int rc = plan_entries(plan, entries, &count, reterr != NULL ? reterr : &own);
    if (rc < 0)
        return rc;
    const struct nvidia_mig_config config = {
            .name = name, .entry_count = count, .entries = entries};
    nvidia_mig_parted_emit(&config, 1, out);
    return 0;
}

char *nvidia_mig_plan_name(const struct nvidia_mig_plan *plan, char *text)
{
    struct buf content = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    struct err e = {0};
    int rc = nvidia_mig_plan_emit(plan, STR_LIT("x"), &content, &e);
    assert(rc == 0);
    (void)rc;
    bool any = false;
    for (uint32_t i = 0; i < plan->gpu_count; i++)
        any = any || plan->layouts[i].len > 0;
    unsigned hash = (unsigned)(str_hash(buf_str(&content), 0) >> 32);
    (void)snprintf(text, 64, "%s%08x", any ? "mig-" : "mig-off-", hash);
    buf_clear(&content);
    return text;
}
