/* nvidia/gfd.c - reading and writing the labels of GPU feature discovery.  Pure. */
#include "nvidia/gfd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    COUNT_MAX = 1 << 20,
    MEMORY_MIB_MAX = 1 << 24,
    NUMBER_MAX = 4096,
    LABELS_IN_MAX = 4096,
    KEY_BYTES = 96,
};

static const char *const strategy_names[] = {"none", "time-slicing", "mps", NULL};
static const char *const mig_strategy_names[] = {"none", "single", "mixed", NULL};

const char *nvidia_sharing_strategy_name(enum nvidia_sharing_strategy s)
{
    assert(s < NVIDIA_SHARING_COUNT);
    return strategy_names[s];
}

/* A number under a resource: which field of the struct it fills. */
struct number_key {
    const char *suffix;
    unsigned bit; /* of `valid`; slices need both halves */
    size_t offset;
    uint64_t max;
};

#define AT(member) offsetof(struct nvidia_gfd_resource, member)

/* Bits of `valid` while labels are read; see slices_settle(). */
enum { SLICES_GI = 1u << 29, SLICES_CI = 1u << 30 };

static const struct number_key number_keys[] = {
        {"count", NVIDIA_GFD_COUNT, AT(count), COUNT_MAX},
        {"replicas", NVIDIA_GFD_REPLICAS, AT(replicas), NVIDIA_REPLICAS_MAX},
        {"memory", NVIDIA_GFD_MEMORY, AT(memory_mib), MEMORY_MIB_MAX},
        {"multiprocessors", NVIDIA_GFD_SMS, AT(multiprocessors), NUMBER_MAX},
        {"slices.gi", SLICES_GI, AT(slices_gi), NUMBER_MAX},
        {"slices.ci", SLICES_CI, AT(slices_ci), NUMBER_MAX},
};
enum { NUMBER_KEYS = sizeof number_keys / sizeof number_keys[0] };

static int value_error(const struct nvidia_label *l, const char *expected, struct err *reterr)
{
    return err_set(reterr, -EINVAL, "label %.*s: '%.*s': expected %s", STR_ARG_SHORT(l->key),
            STR_ARG_SHORT(l->value), expected);
}

static int word_parse(const struct nvidia_label *l, const char *const *words, const char *expected,
        unsigned *ret_number, struct err *reterr)
{
    for (unsigned i = 0; words[i]; i++) {
        if (str_eq_c(l->value, words[i])) {
            *ret_number = i;
            return 0;
        }
    }
    return value_error(l, expected, reterr);
}

/* Takes one label of a resource; keys that we do not need are skipped. */
static int resource_label(struct nvidia_gfd_resource *r, const struct nvidia_label *l,
        struct str suffix, struct err *reterr)
{
    unsigned word = 0;
    if (str_eq_c(suffix, "product")) {
        if (l->value.len == 0)
            return value_error(l, "a product name", reterr);
        r->product = l->value;
        r->valid |= NVIDIA_GFD_PRODUCT;
        return 0;
    }
    if (str_eq_c(suffix, "sharing-strategy")) {
        if (l->value.len == 0) /* on a node whose product ends in -MIG-INVALID */
            return 0;
        int rc = word_parse(l, strategy_names, "none, time-slicing or mps", &word, reterr);
        if (rc < 0)
            return rc;
        r->strategy = (enum nvidia_sharing_strategy)word;
        r->valid |= NVIDIA_GFD_STRATEGY;
        return 0;
    }
    for (unsigned i = 0; i < NUMBER_KEYS; i++) {
        uint64_t value = 0;
        if (!str_eq_c(suffix, number_keys[i].suffix))
            continue;
        if (str_to_u64(l->value, 0, number_keys[i].max, &value) < 0) {
            char expected[48];
            (void)snprintf(
                    expected, sizeof expected, "a whole number, 0 to %" PRIu64, number_keys[i].max);
            return value_error(l, expected, reterr);
        }
        memcpy((char *)r + number_keys[i].offset, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
        r->valid |= number_keys[i].bit;
        return 0;
    }
    return 0;
}

/* Splits "mig-1g.5gb.me.slices.gi" (without "nvidia.com/") into the resource and the rest, by the
 * endings that GFD writes. */
static bool mig_key_split(struct str key, struct model_resource *ret_resource, struct str *ret_rest)
{
    static const char *const endings[] = {"product", "count", "replicas", "sharing-strategy",
            "memory", "multiprocessors", "slices.gi", "slices.ci", "engines.copy",
            "engines.decoder", "engines.encoder", "engines.jpeg", "engines.ofa", NULL};
    for (unsigned i = 0; endings[i]; i++) {
        struct str ending = str_from(endings[i]);
        if (key.len <= ending.len + 1 || !str_ends(key, ending) ||
                key.ptr[key.len - ending.len - 1] != '.')
            continue;
        struct str name = {key.ptr, key.len - ending.len - 1};
        if (model_resource_parse(name, ret_resource) < 0 ||
                ret_resource->kind != MODEL_RESOURCE_MIG)
            return false;
        *ret_rest = ending;
        return true;
    }
    return false;
}

static int mig_label(struct nvidia_gfd *gfd, const struct nvidia_label *l, struct err *reterr)
{
    struct model_resource resource;
    struct str suffix = {0};
    if (!mig_key_split(l->key, &resource, &suffix))
        return 0; /* nvidia.com/mig.capable and mig-manager's labels come here too */
    uint32_t at = 0;
    while (at < gfd->mig_count && strcmp(gfd->mig[at].profile, resource.profile) != 0)
        at++;
    if (at == NVIDIA_GFD_MIG_MAX) {
        return err_set(reterr, -E2BIG, "label %.*s: more than %d MIG profiles",
                STR_ARG_SHORT(l->key), NVIDIA_GFD_MIG_MAX);
    }
    if (at == gfd->mig_count) {
        gfd->mig_count++;
        memcpy(gfd->mig[at].profile, resource.profile, sizeof resource.profile);
    }
    return resource_label(&gfd->mig[at], l, suffix, reterr);
}

static int label_parse(struct nvidia_gfd *gfd, const struct nvidia_label *l, struct err *reterr)
{
    static const struct str gpu_prefix = STR_LIT("nvidia.com/gpu.");
    static const struct str mig_prefix = STR_LIT("nvidia.com/mig-");
    unsigned word = 0;
    if (l->value.len > NVIDIA_LABEL_VALUE_MAX) {
        return err_set(reterr, -EINVAL, "label %.*s: over %d characters", STR_ARG_SHORT(l->key),
                NVIDIA_LABEL_VALUE_MAX);
    }
    if (str_starts(l->key, gpu_prefix)) {
        struct str suffix = {l->key.ptr + gpu_prefix.len, l->key.len - gpu_prefix.len};
        return resource_label(&gfd->gpu, l, suffix, reterr);
    }
    if (str_starts(l->key, mig_prefix))
        return mig_label(gfd, l, reterr);
    if (str_eq_c(l->key, "nvidia.com/mig.capable")) {
        gfd->mig_capable = str_eq_c(l->value, "true");
        if (!gfd->mig_capable && !str_eq_c(l->value, "false"))
            return value_error(l, "true or false", reterr);
        return 0;
    }
    if (!str_eq_c(l->key, "nvidia.com/mig.strategy"))
        return 0;
    int r = word_parse(l, mig_strategy_names, "none, single or mixed", &word, reterr);
    if (r < 0)
        return r;
    gfd->mig_strategy = (enum nvidia_mig_strategy)word;
    gfd->mig_strategy_set = true;
    return 0;
}

/* Both halves of the slices make the field valid; one alone is not written by GFD. */
static void slices_settle(struct nvidia_gfd_resource *r)
{
    if ((r->valid & SLICES_GI) && (r->valid & SLICES_CI))
        r->valid |= NVIDIA_GFD_SLICES;
    r->valid &= ~(unsigned)(SLICES_GI | SLICES_CI);
}

int nvidia_gfd_parse(const struct nvidia_label *labels, uint32_t count, struct nvidia_gfd *ret_gfd,
        struct err *reterr)
{
    struct nvidia_gfd gfd = {0};
    if (count > LABELS_IN_MAX)
        return err_set(reterr, -E2BIG, "more than %d labels", LABELS_IN_MAX);
    for (uint32_t i = 0; i < count; i++) {
        int r = label_parse(&gfd, &labels[i], reterr);
        if (r < 0)
            return r;
    }
    slices_settle(&gfd.gpu);
    for (uint32_t i = 0; i < gfd.mig_count; i++)
        slices_settle(&gfd.mig[i]);
    gfd.mig_invalid = str_ends(gfd.gpu.product, STR_LIT("-MIG-INVALID"));
    *ret_gfd = gfd;
    return 0;
}

struct writer {
    struct arena *arena;
    struct nvidia_label *labels;
    uint32_t count;
};

/* Adds "<prefix><suffix>" = value, keeping the keys sorted. */
static void label_put(struct writer *w, const char *prefix, const char *suffix, struct str value)
{
    struct nvidia_label l = {.value = value};
    l.key = str_from(arena_printf(w->arena, "%s%s", prefix, suffix));
    assert(w->count < NVIDIA_GFD_LABELS_MAX);
    uint32_t at = w->count++;
    while (at > 0 && str_cmp(w->labels[at - 1].key, l.key) > 0) {
        w->labels[at] = w->labels[at - 1];
        at--;
    }
    w->labels[at] = l;
}

static void resource_put(struct writer *w, const struct nvidia_gfd_resource *r, const char *prefix)
{
    if (r->valid & NVIDIA_GFD_PRODUCT)
        label_put(w, prefix, "product", r->product);
    if (r->valid & NVIDIA_GFD_STRATEGY) {
        label_put(
                w, prefix, "sharing-strategy", str_from(nvidia_sharing_strategy_name(r->strategy)));
    }
    for (unsigned i = 0; i < NUMBER_KEYS; i++) {
        uint32_t value = 0;
        bool slices = number_keys[i].bit == (unsigned)SLICES_GI ||
                      number_keys[i].bit == (unsigned)SLICES_CI;
        if (!(r->valid & (slices ? (unsigned)NVIDIA_GFD_SLICES : number_keys[i].bit)))
            continue;
        memcpy(&value, (const char *)r + number_keys[i].offset, sizeof value);
        label_put(w, prefix, number_keys[i].suffix,
                str_from(arena_printf(w->arena, "%" PRIu32, value)));
    }
}

uint32_t nvidia_gfd_emit(const struct nvidia_gfd *gfd, struct arena *a,
        struct nvidia_label ret_labels[NVIDIA_GFD_LABELS_MAX])
{
    struct writer w = {.arena = a, .labels = ret_labels};
    assert(gfd->mig_count <= NVIDIA_GFD_MIG_MAX);
    label_put(&w, "nvidia.com/mig.", "capable", str_from(gfd->mig_capable ? "true" : "false"));
    if (gfd->mig_strategy_set) {
        label_put(&w, "nvidia.com/mig.", "strategy",
                str_from(nvidia_mig_strategy_name(gfd->mig_strategy)));
    }
    resource_put(&w, &gfd->gpu, "nvidia.com/gpu.");
    for (uint32_t i = 0; i < gfd->mig_count; i++) {
        struct model_resource resource = {.kind = MODEL_RESOURCE_MIG};
        char name[MODEL_RESOURCE_NAME_MAX];
        char prefix[KEY_BYTES];
        memcpy(resource.profile, gfd->mig[i].profile, sizeof resource.profile);
        (void)snprintf(prefix, sizeof prefix, "%s.", model_resource_format(&resource, name));
        resource_put(&w, &gfd->mig[i], prefix);
    }
    return w.count;
}
