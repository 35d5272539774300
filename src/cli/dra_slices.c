/* cli/dra_slices.c - `slicewright dra slices`: a node's ResourceSlices without the hardware. */
#include "cli/dra.h"
#include "mig/catalog.h"
#include "model/gpu.h"
#include "nvidia/slices.h"

#include <errno.h>
#include <stdio.h>

enum { OUTPUT_BYTES_MAX = 256 << 20, JSON_INDENT = 2, GPUS_MAX = 16, NAME_BYTES = 64 };

struct slices_options {
    const char *gpu, *node, *driver;
    uint64_t gpus;
};

static const struct cli_option slices_options[] = {
        {.name = "gpu",
                .letter = 'g',
                .kind = CLI_OPTION_TEXT,
                .required = true,
                CLI_AT(struct slices_options, gpu),
                .value_name = "MODEL",
                .help = "a key (A100-40GB), a product name, or an alias\n"
                        "that fits one model alone"},
        {.name = "gpus",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct slices_options, gpus),
                .value_name = "N",
                .default_text = "8",
                .min = 1,
                .max = GPUS_MAX,
                .help = "how many of them the node has"},
        {.name = "node",
                .letter = 'n',
                .kind = CLI_OPTION_TEXT,
                .required = true,
                CLI_AT(struct slices_options, node),
                .value_name = "NODE",
                .help = "the node's name, which is its pool's too"},
        {.name = "driver-version",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct slices_options, driver),
                .value_name = "SEMVER",
                .default_text = "580.95.5",
                .help = "the attribute driverVersion"},
        {0},
};

/* What the GPUs have that differs. */
struct gpu_names {
    char uuid[NAME_BYTES], root[NAME_BYTES];
};

static void gpus_make(const struct slices_options *o, const struct model_gpu *gpu,
        struct gpu_names *names, struct nvidia_slices_gpu *ret_gpus)
{
    const struct mig_model *model = mig_model_find(gpu->mig_key);
    uint64_t hash = str_hash(str_from(o->node), 0);
    for (uint32_t i = 0; i < o->gpus; i++) {
        (void)snprintf(names[i].uuid, NAME_BYTES, "GPU-%08x-%04x-4%03x-8000-%012x",
                (unsigned)(hash >> 32), (unsigned)(hash >> 16 & 0xffff), (unsigned)(hash & 0xfff),
                i);
        (void)snprintf(names[i].root, NAME_BYTES, "pci0000:%02x", i * 16);
        ret_gpus[i] = (struct nvidia_slices_gpu){.model = model,
                .minor = i,
                .uuid = names[i].uuid,
                .product = gpu->products[0] ? gpu->products[0] : gpu->key,
                .pcie_root = names[i].root,
                .whole = !model->mode_needs_reset};
    }
}

static int run_slices(const struct cli_call *call, struct err *reterr)
{
    const struct slices_options *o = call->options;
    const struct model_gpu *gpu = NULL;
    struct gpu_names names[GPUS_MAX];
    struct nvidia_slices_gpu gpus[GPUS_MAX];
    if (model_gpu_find(str_from(o->gpu), &gpu, reterr) < 0)
        return err_wrap(reterr, "--gpu");
    if (!gpu->mig_key || mig_model_find(gpu->mig_key)->profile_count == 0)
        return err_set(reterr, -EINVAL, "--gpu: %s has no MIG geometry that is known", gpu->key);
    gpus_make(o, gpu, names, gpus);
    const struct nvidia_slices_node node = {.name = o->node,
            .driver_version = o->driver,
            .generation = 1,
            .gpu_count = (uint32_t)o->gpus,
            .gpus = gpus};
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, JSON_INDENT);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "v1");
    jw_kv_cstr(&w, "kind", "List");
    jw_key(&w, "items");
    jw_array(&w);
    for (uint32_t i = 0; i < nvidia_slices_count(&node); i++)
        nvidia_slices_emit(&node, i, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    buf_putc(&out, '\n');
    int rc = cli_print(&out, reterr);
    buf_clear(&out);
    return rc < 0 ? rc : CLI_EXIT_OK;
}

const struct cli_verb cli_dra_slices_verb = {
        .name = "slices",
        .brief = "the ResourceSlices of a node with dynamic MIG",
        .summary = "Prints the ResourceSlices that NVIDIA's DRA driver publishes for a node with\n"
                   "dynamic MIG: counters, and a device for every profile and place (and for the\n"
                   "whole GPU, from Hopper on).  To try claims before there is hardware.",
        .examples = "  slicewright dra slices --gpu H100-80GB --gpus 8 --node h100-0 > node.json\n"
                    "  slicewright dra slices -g A30-24GB -n a30-0 | kubectl create -f -",
        .options = slices_options,
        .options_size = sizeof(struct slices_options),
        .run = run_slices,
};
