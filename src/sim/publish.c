/* sim/publish.c - ResourceSlices of a node, DeviceClasses and claims as objects.  Pure.
 *
 * SOURCE: k8s-dra-driver-gpu: classes gpu.nvidia.com and mig.nvidia.com, --consumable-shares,
 * the gate DynamicMIG; KEP-5075 (consumable capacity), KEP-4815 (partitionable devices). */
#include "sim/publish-priv.h"

#include "nvidia/slices.h"

#include <assert.h>
#include <stdio.h>

#define DRIVER "gpu.nvidia.com"

enum { OBJECT_BYTES = 1 << 20 };

/* The object in `out`, which is emptied, goes into the store; it is ours, so it is well formed. */
static void add(struct sim_shape *shape, struct arena *a, struct buf *out)
{
    const struct doc *doc = NULL;
    struct err e = {0};
    int r = doc_parse_json(a, buf_str(out), OBJECT_BYTES, &doc, &e);
    assert(r == 0);
    r = dra_store_add(shape->store, doc, &e);
    assert(r == 0);
    out->len = 0;
}

static void add_slices(
        struct sim_shape *shape, struct arena *a, struct buf *out, const struct mig_model *model)
{
    const struct model_gpu *row = model_gpu_get(shape->gpu);
    struct nvidia_slices_gpu gpus[SIM_GPUS_MAX];
    char uuids[SIM_GPUS_MAX][16];
    for (uint32_t g = 0; g < shape->gpu_count; g++) {
        (void)snprintf(uuids[g], sizeof uuids[g], "GPU-%u", g);
        gpus[g] = (struct nvidia_slices_gpu){.model = model,
                .minor = g,
                .uuid = uuids[g],
                .product = row->key,
                .whole = true,
                .no_mig = !shape->dynamic_mig,
                .share_units = CORE_SHARE_UNITS,
                .share_memory_mib = row->memory_usable_mib};
    }
    const struct nvidia_slices_node node = {
            .name = "node", .generation = 1, .gpu_count = shape->gpu_count, .gpus = gpus};
    for (uint32_t i = 0; i < nvidia_slices_count(&node); i++) {
        struct json_writer w = JSON_WRITER(out, 0);
        nvidia_slices_emit(&node, i, &w);
        add(shape, a, out);
    }
}

static void add_class(struct sim_shape *shape, struct arena *a, struct buf *out, const char *type)
{
    buf_printf(out,
            "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"DeviceClass\","
            "\"metadata\":{\"name\":\"%s.nvidia.com\"},\"spec\":{\"selectors\":[{\"cel\":"
            "{\"expression\":\"device.driver == '" DRIVER "' && device.attributes['" DRIVER
            "'].type == '%s'\"}}]}}",
            type, type);
    add(shape, a, out);
}

/* A claim for one device of a class; `more`: members of its request. */
static const struct dra_claim *add_claim(
        struct sim_shape *shape, struct arena *a, const char *class, const char *more)
{
    struct buf out = BUF_INIT(OBJECT_BYTES);
    buf_printf(&out,
            "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\","
            "\"metadata\":{\"name\":\"claim\",\"namespace\":\"pods\"},\"spec\":{\"devices\":"
            "{\"requests\":[{\"name\":\"gpu\",\"exactly\":{\"deviceClassName\":"
            "\"%s.nvidia.com\"%s}}]}}}",
            class, more);
    add(shape, a, &out);
    buf_clear(&out);
    return dra_claim_at(shape->store, shape->store->claims.count - 1);
}

static void add_claims(struct sim_shape *shape, struct arena *a, const struct mig_model *model)
{
    shape->whole = add_claim(shape, a, "gpu", "");
    shape->share = add_claim(
            shape, a, "gpu", ",\"capacity\":{\"requests\":{\"memory\":\"1Mi\",\"units\":\"1\"}}");
    for (unsigned p = 0; shape->dynamic_mig && p < model->profile_count; p++) {
        char more[256];
        (void)snprintf(more, sizeof more,
                ",\"selectors\":[{\"cel\":{\"expression\":\"device.attributes['" DRIVER
                "'].profile == '%s'\"}}]",
                model->profiles[p].name);
        shape->mig[p] = add_claim(shape, a, "mig", more);
    }
}

/* Which device of which GPU each number is: in the order in which nvidia/slices.c emits them. */
static void number_devices(struct sim_shape *shape, struct arena *a, const struct mig_model *model)
{
    struct sim_published *d = ARENA_ARRAY(a, struct sim_published, shape->store->device_count + 1);
    uint32_t gpu = 0;
    unsigned profiles = shape->dynamic_mig && model != NULL ? model->profile_count : 0;
    for (uint32_t s = 0; s < shape->store->slices.count; s++) {
        const struct dra_slice *slice = dra_slice_at(shape->store, s);
        if (slice->device_count == 0)
            continue; /* counter sets */
        const struct dra_device *device = slice->devices;
        d[device->number] =
                (struct sim_published){(uint8_t)gpu, SIM_WHOLE_GPU, SIM_WHOLE_GPU, device->name};
        for (unsigned p = 0; p < profiles; p++) {
            for (unsigned start = 0; start < MIG_UNITS_MAX; start++) {
                if ((model->profiles[p].starts >> start & 1) == 0)
                    continue;
                device++;
                d[device->number] = (struct sim_published){
                        (uint8_t)gpu, (uint8_t)p, (uint8_t)start, device->name};
            }
        }
        assert(device + 1 == slice->devices + slice->device_count);
        gpu++;
    }
    assert(gpu == shape->gpu_count);
    shape->devices = d;
}

void sim_shape_init(
        struct sim_shape *shape, struct arena *a, const struct sim_node *n, bool dynamic_mig)
{
    const struct mig_model *model = n->gpus[0].layout.model;
    *shape = (struct sim_shape){.gpu = n->gpu,
            .gpu_count = n->gpu_count,
            .dynamic_mig = dynamic_mig && model != NULL,
            .store = dra_store_new(0)};
    struct buf out = BUF_INIT(OBJECT_BYTES);
    add_slices(shape, a, &out, model);
    add_class(shape, a, &out, "gpu");
    add_class(shape, a, &out, "mig");
    buf_puts(&out, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"node\"}}");
    add(shape, a, &out);
    buf_clear(&out);
    add_claims(shape, a, model);
    number_devices(shape, a, model);
    struct dra_names *names = &shape->store->names;
    shape->driver = dra_names_add(names, STR_LIT(DRIVER));
    shape->pool = dra_names_add(names, STR_LIT("node"));
    shape->memory = dra_names_add(names, STR_LIT("memory"));
    shape->units = dra_names_add(names, STR_LIT("units"));
    shape->share_id = dra_names_add(names, STR_LIT("share"));
    shape->node = dra_node_at(shape->store, 0);
    const struct dra_setup setup = {.features = dra_variant_features(DRA_VARIANT_INCUBATING)};
    shape->engine = dra_engine_new(shape->store, &setup);
}

void sim_shape_clear(struct sim_shape *shape)
{
    shape->engine = dra_engine_free(shape->engine);
    shape->store = dra_store_free(shape->store);
}
