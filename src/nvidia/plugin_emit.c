/* nvidia/plugin_emit.c - writing our keys of the device plugin's ConfigMap.  Pure. */
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void resource_put(struct buf *out, const struct model_resource *r, uint32_t replicas)
{
    char name[MODEL_RESOURCE_NAME_MAX];
    buf_printf(out, "      - name: %s\n        replicas: %u\n", model_resource_format(r, name),
            replicas);
}

/* The profile that follows `after` in byte order, or NULL: so that each is written once, sorted. */
static const char *profile_next(const struct nvidia_plugin_plan *plan, const char *after)
{
    const char *next = NULL;
    for (uint32_t i = 0; i < plan->profile_count; i++) {
        const char *p = plan->profiles[i];
        if (strcmp(p, after) > 0 && (!next || strcmp(p, next) < 0))
            next = p;
    }
    return next;
}

void nvidia_plugin_config_emit(const struct nvidia_plugin_plan *plan, struct buf *out)
{
    assert(plan->gpu_replicas >= 1 && plan->mig_replicas >= 1);
    assert(plan->profile_count < NVIDIA_SHARED_RESOURCES_MAX);
    bool mig_shared = plan->mig_replicas > 1 && plan->profile_count > 0;
    buf_puts(out, "version: v1\nflags:\n  migStrategy: mixed\n");
    if (plan->gpu_replicas == 1 && !mig_shared)
        return;
    buf_puts(out, "sharing:\n"
                  "  timeSlicing:\n"
                  "    renameByDefault: true\n"
                  "    failRequestsGreaterThanOne: true\n"
                  "    resources:\n");
    struct model_resource r = {.kind = MODEL_RESOURCE_GPU};
    if (plan->gpu_replicas > 1)
        resource_put(out, &r, plan->gpu_replicas);
    r.kind = MODEL_RESOURCE_MIG;
    for (const char *p = profile_next(plan, ""); mig_shared && p; p = profile_next(plan, p)) {
        (void)snprintf(r.profile, sizeof r.profile, "%s", p);
        resource_put(out, &r, plan->mig_replicas);
    }
}

char *nvidia_plugin_config_key(const struct nvidia_plugin_plan *plan, char *text)
{
    struct buf content = BUF_INIT(NVIDIA_PLUGIN_TEXT_MAX);
    nvidia_plugin_config_emit(plan, &content);
    uint32_t hash = (uint32_t)(str_hash(buf_str(&content), 0) >> 32);
    buf_clear(&content);
    char mode[24] = "exclusive";
    char mig[24] = "";
    if (plan->gpu_replicas > 1)
        (void)snprintf(mode, sizeof mode, "shared-x%" PRIu32, plan->gpu_replicas);
    if (plan->mig_replicas > 1 && plan->profile_count > 0)
        (void)snprintf(mig, sizeof mig, "-mig-x%" PRIu32, plan->mig_replicas);
    int wrote = snprintf(text, NVIDIA_CONFIG_KEY_MAX, "%s%s-%08" PRIx32, mode, mig, hash);
    assert(wrote > 0 && wrote < NVIDIA_CONFIG_KEY_MAX);
    return text;
}

bool nvidia_config_key_is_made(struct str key)
{
    enum { HASH_DIGITS = 8 };
    static const char *const begins[] = {"exclusive-", "shared-x", "mig-"};
    bool known = false;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        known = known || str_starts(key, str_from(begins[i]));
    if (!known || key.len <= HASH_DIGITS || key.ptr[key.len - HASH_DIGITS - 1] != '-')
        return false;
    for (size_t i = key.len - HASH_DIGITS; i < key.len; i++) {
        char c = key.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}
