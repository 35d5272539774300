/* core/share.c - names and sums of classes of shares.  Pure. */
#include "core/share.h"

#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <stdio.h>

static void model_prefix(uint16_t gpu, char ret_text[CORE_SHARE_NAME_MAX])
{
    int len = snprintf(ret_text, CORE_SHARE_NAME_MAX, "share-%s-", model_gpu_get(gpu)->key);
    assert(len > 0 && len < CORE_SHARE_NAME_MAX);
    for (char *c = ret_text; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
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

bool core_share_parse(struct str name, struct core_share *ret_share)
{
    char prefix[CORE_SHARE_NAME_MAX];
    struct core_share share = {0};
    if (!str_starts(name, STR_LIT("share-")))
        return false;
    for (uint32_t row = 0; row < model_gpu_count(); row++) {
        model_prefix((uint16_t)row, prefix);
        struct str head = str_from(prefix);
        if (!str_starts(name, head))
            continue;
        /* A key may begin another one: "H100-80GB", "H100-80GB-PCIe". */
        if (!size_parse((struct str){name.ptr + head.len, name.len - head.len}, &share))
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
