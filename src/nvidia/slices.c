/* nvidia/slices.c - dynamic MIG as partitionable devices.  Pure. */
#include "nvidia/slices.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define DRIVER "gpu.nvidia.com"

enum { SETS_A_SLICE = 8, NAME_BYTES = 64, COUNTERS_MAX = 32 };

/* One counter of a GPU, and what takes of it. */
struct counter {
    char name[NAME_BYTES];
    uint64_t total;
    uint64_t takes[MIG_PROFILES_MAX]; /* by profile, wherever it begins */
    int unit;                         /* a memory unit: taken by the runs that cover it; else -1 */
};

struct counters {
    uint32_t count;
    struct counter items[COUNTERS_MAX];
};

static const char *const engine_counters[MIG_ENGINE_COUNT] = {[MIG_ENGINE_DEC] = "decoders",
        [MIG_ENGINE_ENC] = "encoders",
        [MIG_ENGINE_JPEG] = "jpeg-engines",
        [MIG_ENGINE_OFA] = "ofa-engines"};
static const char *const engine_capacities[MIG_ENGINE_COUNT] = {[MIG_ENGINE_DEC] = "decoders",
        [MIG_ENGINE_ENC] = "encoders",
        [MIG_ENGINE_JPEG] = "jpegEngines",
        [MIG_ENGINE_OFA] = "ofaEngines"};

static struct counter *counter_add(struct counters *c, const char *name, int unit)
{
    assert(c->count < COUNTERS_MAX);
    struct counter *counter = &c->items[c->count++];
    (void)snprintf(counter->name, sizeof counter->name, "%s", name);
    counter->unit = unit;
    return counter;
}

/* A counter that runs along with the memory units must not forbid what units allow: the total is
 * what the hardware has, or what the fullest set of instances takes. */
static void total_raise(const struct mig_model *m, struct counter *c)
{
    uint64_t best[MIG_UNITS_MAX + 1] = {0};
    for (unsigned units = 1; units <= m->units; units++) {
        best[units] = best[units - 1];
        for (unsigned p = 0; p < m->profile_count; p++) {
            if (m->profiles[p].units > units)
                continue;
            uint64_t with = best[units - m->profiles[p].units] + c->takes[p];
            best[units] = with > best[units] ? with : best[units];
        }
    }
    c->total = best[m->units] > c->total ? best[m->units] : c->total;
}

static void add_resources(const struct mig_model *m, struct counters *c)
{
    bool sms = m->sm_visible > 0;
    bool copies = true;
    bool memory = true;
    for (unsigned p = 0; p < m->profile_count; p++) {
        sms = sms && m->profiles[p].sm_count > 0;
        copies = copies && m->profiles[p].copy_engines > 0;
        memory = memory && m->profiles[p].memory_mib > 0;
    }
    struct counter *kinds[3] = {sms ? counter_add(c, "multiprocessors", -1) : NULL,
            copies ? counter_add(c, "copy-engines", -1) : NULL,
            memory ? counter_add(c, "memory", -1) : NULL};
    for (unsigned p = 0; p < m->profile_count; p++) {
        const struct mig_profile *profile = &m->profiles[p];
        if (kinds[0])
            kinds[0]->takes[p] = profile->sm_count;
        if (kinds[1])
            kinds[1]->takes[p] = profile->copy_engines;
        if (kinds[2])
            kinds[2]->takes[p] = (uint64_t)profile->memory_mib << 20;
    }
    if (kinds[0])
        kinds[0]->total = m->sm_visible;
    for (int i = 0; i < 3; i++) {
        if (kinds[i])
            total_raise(m, kinds[i]);
    }
}

static void add_engines(const struct mig_model *m, struct counters *c)
{
    if (!m->engine_totals_known)
        return;
    for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++) {
        struct counter *counter = counter_add(c, engine_counters[e], -1);
        counter->total = m->engine_totals[e];
        for (unsigned p = 0; p < m->profile_count; p++) {
            if (m->profiles[p].engines_known)
                counter->takes[p] = m->profiles[p].engines[e];
        }
    }
}

static void counters_init(const struct mig_model *m, struct counters *c)
{
    *c = (struct counters){0};
    add_resources(m, c);
    add_engines(m, c);
    for (unsigned u = 0; u < m->units; u++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof name, "memory-slice-%u", u);
        counter_add(c, name, (int)u)->total = 1;
    }
    for (unsigned p = 0; p < m->profile_count; p++) {
        const struct mig_profile *profile = &m->profiles[p];
        char name[NAME_BYTES];
        if ((unsigned)__builtin_popcount(profile->starts) <= profile->max_instances)
            continue;
        (void)snprintf(name, sizeof name, "profile-%u", profile->gi_profile_id);
        struct counter *counter = counter_add(c, name, -1);
        counter->total = profile->max_instances;
        counter->takes[p] = 1;
    }
}

static void value(struct json_writer *w, const char *name, uint64_t amount)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)amount);
    jw_key(w, name);
    jw_object(w);
    jw_kv_cstr(w, "value", text);
    jw_object_end(w);
}

static void set_name(const struct nvidia_slices_gpu *gpu, char *ret_name)
{
    (void)snprintf(ret_name, NAME_BYTES, "gpu-%u-counter-set", gpu->minor);
}

char *nvidia_slices_device_name(
        const struct nvidia_slices_gpu *gpu, unsigned profile, unsigned start, char *ret_name)
{
    const struct mig_profile *p = &gpu->model->profiles[profile];
    char name[NAME_BYTES];
    size_t len = 0;
    for (const char *c = p->name; *c && len + 1 < sizeof name; c++) {
        if (*c != '.')
            name[len++] = *c == '+' ? '-' : *c; /* profile names are lower case */
    }
    name[len] = '\0';
    (void)snprintf(ret_name, NVIDIA_DEVICE_NAME_MAX, "gpu-%u-mig-%.24s-%u-%u", gpu->minor, name,
            p->gi_profile_id, start);
    return ret_name;
}

static void text_attribute(
        struct json_writer *w, const char *name, const char *kind, const char *text)
{
    if (!text)
        return;
    jw_key(w, name);
    jw_object(w);
    jw_kv_cstr(w, kind, text);
    jw_object_end(w);
}

static void common_attributes(struct json_writer *w, const struct nvidia_slices_node *node,
        const struct nvidia_slices_gpu *gpu)
{
    text_attribute(w, "productName", "string", gpu->product);
    text_attribute(w, "brand", "string", "Nvidia");
    if (gpu->model) {
        char family[NAME_BYTES];
        (void)snprintf(family, sizeof family, "%s", gpu->model->family);
        char *blank = strchr(family, ' ');
        if (blank)
            *blank = '\0';
        text_attribute(w, "architecture", "string", family);
    }
    text_attribute(w, "driverVersion", "version", node->driver_version);
    text_attribute(w, "resource.kubernetes.io/pcieRoot", "string", gpu->pcie_root);
}

static void consumption_begin(struct json_writer *w, const struct nvidia_slices_gpu *gpu)
{
    char set[NAME_BYTES];
    set_name(gpu, set);
    jw_key(w, "consumesCounters");
    jw_array(w);
    jw_object(w);
    jw_kv_cstr(w, "counterSet", set);
    jw_key(w, "counters");
    jw_object(w);
}

static void consumption_end(struct json_writer *w)
{
    jw_object_end(w);
    jw_object_end(w);
    jw_array_end(w);
}

static void mig_capacity(struct json_writer *w, const struct mig_profile *p)
{
    jw_key(w, "capacity");
    jw_object(w);
    if (p->sm_count)
        value(w, "multiprocessors", p->sm_count);
    if (p->copy_engines)
        value(w, "copyEngines", p->copy_engines);
    for (unsigned e = 0; p->engines_known && e < MIG_ENGINE_COUNT; e++)
        value(w, engine_capacities[e], p->engines[e]);
    if (p->memory_mib)
        value(w, "memory", (uint64_t)p->memory_mib << 20);
    jw_object_end(w);
}

static void mig_device(struct json_writer *w, const struct nvidia_slices_node *node,
        const struct nvidia_slices_gpu *gpu, unsigned profile, unsigned start)
{
    const struct mig_profile *p = &gpu->model->profiles[profile];
    uint16_t run = mig_run_mask(p, start);
    char name[NVIDIA_DEVICE_NAME_MAX];
    struct counters counters;
    counters_init(gpu->model, &counters);
    jw_object(w);
    jw_kv_cstr(w, "name", nvidia_slices_device_name(gpu, profile, start, name));
    jw_key(w, "attributes");
    jw_object(w);
    text_attribute(w, "type", "string", "mig");
    text_attribute(w, "profile", "string", p->name);
    text_attribute(w, "parentUUID", "string", gpu->uuid);
    common_attributes(w, node, gpu);
    jw_object_end(w);
    mig_capacity(w, p);
    consumption_begin(w, gpu);
    for (uint32_t i = 0; i < counters.count; i++) {
        const struct counter *c = &counters.items[i];
        uint64_t takes = c->unit >= 0 ? (unsigned)run >> c->unit & 1u : c->takes[profile];
        if (takes)
            value(w, c->name, takes);
    }
    consumption_end(w);
    jw_object_end(w);
}

/* A capacity of which requests take all, or what they say in steps of `step`. */
static void shared_value(struct json_writer *w, const char *name, uint64_t amount, uint64_t step)
{
    const struct {
        const char *name;
        uint64_t value;
    } range[] = {{"min", step}, {"max", amount}, {"step", step}};
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)amount);
    jw_key(w, name);
    jw_object(w);
    jw_kv_cstr(w, "value", text);
    jw_key(w, "requestPolicy");
    jw_object(w);
    jw_kv_cstr(w, "default", text);
    jw_key(w, "validRange");
    jw_object(w);
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)range[i].value);
        jw_kv_cstr(w, range[i].name, text);
    }
    jw_object_end(w);
    jw_object_end(w);
    jw_object_end(w);
}

static void whole_capacity(
        struct json_writer *w, const struct nvidia_slices_gpu *gpu, uint64_t memory)
{
    if (memory == 0 && gpu->share_units == 0)
        return;
    jw_key(w, "capacity");
    jw_object(w);
    if (gpu->share_units == 0) {
        value(w, "memory", memory);
    } else {
        shared_value(w, "memory", (uint64_t)gpu->share_memory_mib << 20, 1 << 20);
        shared_value(w, "units", gpu->share_units, 1);
    }
    jw_object_end(w);
}

static void whole_device(struct json_writer *w, const struct nvidia_slices_node *node,
        const struct nvidia_slices_gpu *gpu)
{
    char name[NAME_BYTES];
    struct counters counters = {0};
    uint64_t memory = 0;
    if (!gpu->no_mig)
        counters_init(gpu->model, &counters);
    (void)snprintf(name, sizeof name, "gpu-%u", gpu->minor);
    jw_object(w);
    jw_kv_cstr(w, "name", name);
    jw_key(w, "attributes");
    jw_object(w);
    text_attribute(w, "type", "string", "gpu");
    text_attribute(w, "uuid", "string", gpu->uuid);
    common_attributes(w, node, gpu);
    jw_object_end(w);
    if (!gpu->no_mig)
        consumption_begin(w, gpu);
    for (uint32_t i = 0; i < counters.count; i++) {
        value(w, counters.items[i].name, counters.items[i].total);
        if (strcmp(counters.items[i].name, "memory") == 0)
            memory = counters.items[i].total;
    }
    if (!gpu->no_mig)
        consumption_end(w);
    if (gpu->share_units)
        jw_kv_bool(w, "allowMultipleAllocations", true);
    whole_capacity(w, gpu, memory);
    jw_object_end(w);
}

static uint32_t counter_slices(const struct nvidia_slices_node *node)
{
    /* A node's GPUs are alike. */
    if (node->gpu_count == 0 || node->gpus[0].no_mig)
        return 0;
    return (node->gpu_count + SETS_A_SLICE - 1) / SETS_A_SLICE;
}

uint32_t nvidia_slices_count(const struct nvidia_slices_node *node)
{
    return counter_slices(node) + node->gpu_count;
}

static void emit_sets(struct json_writer *w, const struct nvidia_slices_node *node, uint32_t index)
{
    jw_key(w, "sharedCounters");
    jw_array(w);
    for (uint32_t g = index * SETS_A_SLICE; g < node->gpu_count && g < (index + 1) * SETS_A_SLICE;
            g++) {
        struct counters counters;
        char name[NAME_BYTES];
        counters_init(node->gpus[g].model, &counters);
        set_name(&node->gpus[g], name);
        jw_object(w);
        jw_kv_cstr(w, "name", name);
        jw_key(w, "counters");
        jw_object(w);
        for (uint32_t i = 0; i < counters.count; i++)
            value(w, counters.items[i].name, counters.items[i].total);
        jw_object_end(w);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void emit_devices(struct json_writer *w, const struct nvidia_slices_node *node,
        const struct nvidia_slices_gpu *gpu)
{
    jw_key(w, "devices");
    jw_array(w);
    if (gpu->whole)
        whole_device(w, node, gpu);
    for (unsigned p = 0; !gpu->no_mig && p < gpu->model->profile_count; p++) {
        for (unsigned start = 0; start < MIG_UNITS_MAX; start++) {
            if (gpu->model->profiles[p].starts >> start & 1)
                mig_device(w, node, gpu, p, start);
        }
    }
    jw_array_end(w);
}

void nvidia_slices_emit(
        const struct nvidia_slices_node *node, uint32_t index, struct json_writer *w)
{
    char name[2 * NAME_BYTES + 256];
    assert(index < nvidia_slices_count(node));
    (void)snprintf(name, sizeof name, "%.200s-" DRIVER "-%05u", node->name, index);
    jw_object(w);
    jw_kv_cstr(w, "apiVersion", "resource.k8s.io/v1");
    jw_kv_cstr(w, "kind", "ResourceSlice");
    jw_key(w, "metadata");
    jw_object(w);
    jw_kv_cstr(w, "name", name);
    jw_object_end(w);
    jw_key(w, "spec");
    jw_object(w);
    jw_kv_cstr(w, "driver", DRIVER);
    jw_kv_cstr(w, "nodeName", node->name);
    jw_key(w, "pool");
    jw_object(w);
    jw_kv_cstr(w, "name", node->name);
    jw_kv_i64(w, "generation", node->generation);
    jw_kv_u64(w, "resourceSliceCount", nvidia_slices_count(node));
    jw_object_end(w);
    if (index < counter_slices(node)) {
        emit_sets(w, node, index);
    } else {
        emit_devices(w, node, &node->gpus[index - counter_slices(node)]);
    }
    jw_object_end(w);
    jw_object_end(w);
}
