/* core/share.c - names and sums of classes of shares.  Pure. */
#include "core/share.h"

#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool core_share_key_leads(struct str text, const char *key)
{
    for (size_t i = 0; key[i] != '\0'; i++) {
        if (i == text.len || text.ptr[i] != lower(key[i]))
            return false;
    }
    return true;
}

static void model_prefix(uint16_t gpu, char ret_text[CORE_SHARE_NAME_MAX])
{
    int len = snprintf(ret_text, CORE_SHARE_NAME_MAX, "share-%s-", model_gpu_get(gpu)->key);
    assert(len > 0 && len < CORE_SHARE_NAME_MAX);
    for (char *c = ret_text; *c != '\0'; c++)
        *c = lower(*c);
}

void core_share_name(const struct core_share *s, char ret_name[CORE_SHARE_NAME_MAX])
{
    char prefix[CORE_SHARE_NAME_MAX];
    assert(s->memory_mib > 0 && s->pods >= 2 && s->pods <= CORE_SHARE_PODS_MAX);
    model_prefix(s->gpu, prefix);
    int len = snprintf(
            ret_name, CORE_SHARE_NAME_MAX, "%s%um-r%u", prefix, s->memory_mib, (unsigned)s->pods);
    assert(len > 0 && len < CORE_SHARE_NAME_MAX);
}

/* "20224m-r4" */
static bool size_parse(struct str text, struct core_share *ret)
{
    struct str memory = {0};
    uint64_t mib = 0;
    uint64_t pods = 0;
    (void)str_split(&text, 'm', &memory);
    if (!str_starts(text, STR_LIT("-r")))
        return false;
    text.ptr += 2;
    text.len -= 2;
    if (str_to_u64(memory, 1, UINT32_MAX, &mib) != 0 ||
            str_to_u64(text, 2, CORE_SHARE_PODS_MAX, &pods) != 0)
        return false;
    ret->memory_mib = (uint32_t)mib;
    ret->pods = (uint16_t)pods;
    return true;
}

/* Asked for every pod in every step: it compares and formats nothing. */
bool core_share_parse(struct str name, struct core_share *ret_share)
{
    const struct str prefix = STR_LIT("share-");
    struct core_share share = {0};
    if (!str_starts(name, prefix))
        return false;
    struct str rest = {.ptr = name.ptr + prefix.len, .len = name.len - prefix.len};
    for (uint32_t row = 0; row < model_gpu_count(); row++) {
        const char *key = model_gpu_get(row)->key;
        size_t len = strlen(key);
        if (!core_share_key_leads(rest, key) || rest.len == len || rest.ptr[len] != '-')
            continue;
        /* A key may begin another one: "H100-80GB", "H100-80GB-PCIe". */
        if (!size_parse((struct str){rest.ptr + len + 1, rest.len - len - 1}, &share))
            continue;
        share.gpu = (uint16_t)row;
        *ret_share = share;
        return true;
    }
    return false;
}

bool core_share_fits(const struct core_share_load *load, const struct core_share *s)
{
    return !load->whole && load->units + CORE_SHARE_UNITS / s->pods <= CORE_SHARE_UNITS &&
           load->memory_mib + s->memory_mib <= model_gpu_get(s->gpu)->memory_usable_mib;
}

void core_share_take(struct core_share_load *load, const struct core_share *s)
{
    load->memory_mib += s->memory_mib;
    load->units += (uint32_t)CORE_SHARE_UNITS / s->pods;
}

uint32_t core_share_most(const struct core_share *s)
{
    return num_min_u32(s->pods, model_gpu_get(s->gpu)->memory_usable_mib / s->memory_mib);
}
