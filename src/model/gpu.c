/* model/gpu.c - the table of GPU models and look-ups in it.  Pure.
 *
 * SOURCE (memory_usable_mib): for MIG boards with an observed table the memory of the instance that
 * spans the GPU (data/mig/catalog.json), which is what one pod can allocate there; where only the
 * board's name is known, the least memory that gives it that name: the G in "80gb" is the total
 * rounded up to GiB, so G - 1 GiB.  For boards without MIG the total that nvidia-smi shows.
 * SOURCE (speed_permille): dense FP16/BF16 tensor throughput of NVIDIA's data sheets over the
 * A100's 312 TFLOPS.  It ranks models for compute-bound work; decoding and other memory-bound work
 * follows memory bandwidth instead, so a policy may override it. */
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIG_SPAN   "catalog: the profile that spans the GPU"
#define NAME_RULE  "least total that gives the board its name: (G - 1) GiB"
#define SMI_TOTAL  "nvidia-smi memory.total"
#define DATA_SHEET "data sheet, dense FP16 tensor TFLOPS: "
#define INFERRED   "inferred: "

static const struct model_gpu gpus[] = {
        {
                .key = "A100-40GB",
                .aliases = {"A100", "A100-SXM4", "A100-PCIe"},
                .products = {"NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB"},
                .mig_key = "A100-40GB",
                .memory_usable_mib = 40448,
                .sm_count = 108,
                .speed_permille = 1000,
                .mig_mode_needs_reset = true,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "312",
        },
        {
                .key = "A100-80GB",
                .aliases = {"A100", "A100-SXM4", "A100-PCIe", "A100-PCIE-80GB"},
                .products = {"NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"},
                .mig_key = "A100-80GB",
                .memory_usable_mib = 80640,
                .sm_count = 108,
                .speed_permille = 1000,
                .mig_mode_needs_reset = true,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "312",
        },
        {
                .key = "A30-24GB",
                .aliases = {"A30"},
                .products = {"NVIDIA-A30"},
                .mig_key = "A30-24GB",
                .memory_usable_mib = 24000,
                .sm_count = 56,
                .speed_permille = 529,
                .mig_mode_needs_reset = true,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "165",
        },
        {
                .key = "H100-80GB",
                .aliases = {"H100", "H100-80GB-SXM5", "H100-SXM5", "H100-SXM"},
                .products = {"NVIDIA-H100-80GB-HBM3"},
                .mig_key = "H100-80GB-SXM5",
                .memory_usable_mib = 81152,
                .sm_count = 132,
                .speed_permille = 3171,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "989.4",
        },
        {
                .key = "H100-80GB-PCIe",
                .aliases = {"H100"},
                .products = {"NVIDIA-H100-PCIe"},
                .mig_key = "H100-80GB-PCIe",
                .memory_usable_mib = 81152,
                .sm_count = 114,
                .speed_permille = 2423,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "756",
        },
        {
                .key = "H100-94GB-NVL",
                .aliases = {"H100", "H100-94GB", "H100-NVL-94GB"},
                .products = {"NVIDIA-H100-NVL"},
                .mig_key = "H100-NVL-94GB",
                .memory_usable_mib = 95360,
                .sm_count = 132,
                .speed_permille = 2678,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "835.5",
        },
        {
                .key = "H100-94GB-SXM5",
                .aliases = {"H100", "H100-94GB", "H100-SXM5", "H100-SXM"},
                .mig_key = "H100-94GB-SXM5",
                .memory_usable_mib = 95232,
                .speed_permille = 3171,
                .memory_source = NAME_RULE,
                .speed_source = INFERRED "as H100-80GB, the same chip and form",
        },
        {
                .key = "H100-64GB-SXM5",
                .aliases = {"H100", "H100-64GB", "H100-SXM5", "H100-SXM"},
                .mig_key = "H100-64GB-SXM5",
                .memory_usable_mib = 64512,
                .speed_permille = 3171,
                .memory_source = NAME_RULE,
                .speed_source = INFERRED "as H100-80GB, the same chip and form",
        },
        {
                .key = "GH200-96GB",
                .aliases = {"GH200"},
                .products = {"NVIDIA-GH200-480GB"},
                .mig_key = "GH200-96GB",
                .memory_usable_mib = 95232,
                .sm_count = 132,
                .speed_permille = 3171,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "989.4",
        },
        {
                .key = "GH200-144GB",
                .aliases = {"GH200"},
                .mig_key = "GH200-144GB",
                .memory_usable_mib = 146432,
                .sm_count = 132,
                .speed_permille = 3171,
                .memory_source = NAME_RULE,
                .speed_source = DATA_SHEET "989.4",
        },
        {
                .key = "H20-96GB",
                .aliases = {"H20"},
                .products = {"NVIDIA-H20"},
                .mig_key = "H20-96GB",
                .memory_usable_mib = 97280,
                .sm_count = 78,
                .speed_permille = 474,
                .memory_source = NAME_RULE,
                .speed_source = DATA_SHEET "148",
        },
        {
                .key = "H20-3e-141GB",
                .aliases = {"H20-3e", "H20-141GB"},
                .mig_key = "H20-3e-141GB",
                .memory_usable_mib = 143360,
                .speed_permille = 474,
                .memory_source = NAME_RULE,
                .speed_source = INFERRED "as H20-96GB, the same chip",
        },
        {
                .key = "H200-141GB",
                .aliases = {"H200"},
                .products = {"NVIDIA-H200", "NVIDIA-H200-NVL"},
                .mig_key = "H200-141GB",
                .memory_usable_mib = 143104,
                .sm_count = 132,
                .speed_permille = 3171,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "989.4 (SXM; the NVL board has 835.5)",
        },
        {
                .key = "B200-180GB",
                .aliases = {"B200"},
                .products = {"NVIDIA-B200"},
                .mig_key = "B200-180GB",
                .memory_usable_mib = 183359,
                .sm_count = 148,
                .speed_permille = 7212,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "2250",
        },
        {
                .key = "GB200-186GB",
                .aliases = {"GB200"},
                .products = {"NVIDIA-GB200"},
                .mig_key = "GB200-186GB",
                .memory_usable_mib = 189471,
                .speed_permille = 8013,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "2500",
        },
        {
                .key = "B300-269GB",
                .aliases = {"B300"},
                .products = {"NVIDIA-B300-SXM6-AC"},
                .mig_key = "B300-269GB",
                .memory_usable_mib = 274432,
                .speed_permille = 7212,
                .memory_source = NAME_RULE,
                .speed_source = DATA_SHEET "2250",
        },
        {
                .key = "GB300-278GB",
                .aliases = {"GB300"},
                .products = {"NVIDIA-GB300"},
                .mig_key = "GB300-278GB",
                .memory_usable_mib = 284208,
                .speed_permille = 8013,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "2500",
        },
        {
                .key = "RTX-PRO-6000-Blackwell-96GB",
                .aliases = {"RTX-PRO-6000", "RTX-PRO-6000-Blackwell"},
                .products = {"NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
                        "NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition",
                        "NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition"},
                .mig_key = "RTX-PRO-6000-Blackwell-96GB",
                .memory_usable_mib = 97408,
                .sm_count = 188,
                .speed_permille = 1603,
                .memory_source = MIG_SPAN,
                .speed_source = DATA_SHEET "500, an eighth of its sparse FP4 figure",
        },
        {
                .key = "RTX-PRO-6000D-84GB",
                .aliases = {"RTX-PRO-6000D"},
                .mig_key = "RTX-PRO-6000D-84GB",
                .memory_usable_mib = 84992,
                .speed_permille = 1603,
                .memory_source = NAME_RULE,
                .speed_source = INFERRED "as RTX-PRO-6000, the same chip; no data sheet was found",
        },
        {
                .key = "RTX-PRO-5000-Blackwell-48GB",
                .aliases = {"RTX-PRO-5000", "RTX-PRO-5000-Blackwell"},
                .products = {"NVIDIA-RTX-PRO-5000-Blackwell"},
                .mig_key = "RTX-PRO-5000-Blackwell-48GB",
                .memory_usable_mib = 48128,
                .sm_count = 110,
                .speed_permille = 827,
                .memory_source = NAME_RULE,
                .speed_source = DATA_SHEET "258, an eighth of its sparse FP4 figure",
        },
        {
                .key = "RTX-PRO-4500-Blackwell-32GB",
                .aliases = {"RTX-PRO-4500", "RTX-PRO-4500-Blackwell"},
                .products = {"NVIDIA-RTX-PRO-4500-Blackwell"},
                .mig_key = "RTX-PRO-4500-Blackwell-32GB",
                .memory_usable_mib = 31744,
                .sm_count = 82,
                .speed_permille = 705,
                .memory_source = NAME_RULE,
                .speed_source = DATA_SHEET "220, an eighth of its sparse FP4 figure",
        },
        {
                .key = "L40S",
                .aliases = {"L40S-48GB"},
                .products = {"NVIDIA-L40S"},
                .memory_usable_mib = 46068,
                .sm_count = 142,
                .speed_permille = 1160,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "362",
        },
        {
                .key = "L4",
                .aliases = {"L4-24GB"},
                .products = {"NVIDIA-L4"},
                .memory_usable_mib = 23034,
                .sm_count = 58,
                .speed_permille = 388,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "121",
        },
        {
                .key = "A10G",
                .aliases = {"A10G-24GB"},
                .products = {"NVIDIA-A10G"},
                .memory_usable_mib = 23028,
                .sm_count = 80,
                .speed_permille = 224,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "70",
        },
        {
                .key = "T4",
                .aliases = {"T4-16GB"},
                .products = {"Tesla-T4", "NVIDIA-T4"},
                .memory_usable_mib = 15360,
                .sm_count = 40,
                .speed_permille = 208,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "65",
        },
        {
                .key = "V100-16GB",
                .aliases = {"V100"},
                .products = {"Tesla-V100-SXM2-16GB", "Tesla-V100-PCIE-16GB"},
                .memory_usable_mib = 16384,
                .sm_count = 80,
                .speed_permille = 401,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "125 (SXM2; PCIe has 112)",
        },
        {
                .key = "V100-32GB",
                .aliases = {"V100"},
                .products = {"Tesla-V100-SXM2-32GB", "Tesla-V100-SXM3-32GB",
                        "Tesla-V100-PCIE-32GB"},
                .memory_usable_mib = 32768,
                .sm_count = 80,
                .speed_permille = 401,
                .memory_source = SMI_TOTAL,
                .speed_source = DATA_SHEET "125 (SXM2; PCIe has 112)",
        },
};

enum { GPU_COUNT = sizeof gpus / sizeof gpus[0], NAME_BYTES_MAX = 96 };

unsigned model_gpu_count(void)
{
    return GPU_COUNT;
}

const struct model_gpu *model_gpu_get(unsigned index)
{
    assert(index < GPU_COUNT);
    return &gpus[index];
}

unsigned model_gpu_index(const struct model_gpu *gpu)
{
    assert(gpu >= gpus && gpu < gpus + GPU_COUNT);
    return (unsigned)(gpu - gpus);
}

/* ASCII only: the C library's depends on the locale. */
static char fold_char(char c)
{
    if (c == ' ' || c == '_')
        return '-';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool fold_eq(struct str a, const char *b)
{
    size_t i = 0;
    for (; i < a.len && b[i] != '\0'; i++) {
        if (fold_char(a.ptr[i]) != fold_char(b[i]))
            return false;
    }
    return i == a.len && b[i] == '\0';
}

static bool any_eq(struct str name, const char *const *names)
{
    for (unsigned i = 0; i < MODEL_GPU_NAMES_MAX && names[i] != NULL; i++) {
        if (fold_eq(name, names[i]))
            return true;
    }
    return false;
}

/* Product names are also accepted without their maker's prefix, as old drivers write them. */
static bool product_eq(struct str name, const struct model_gpu *gpu)
{
    if (any_eq(name, gpu->products))
        return true;
    for (unsigned i = 0; i < MODEL_GPU_NAMES_MAX && gpu->products[i] != NULL; i++) {
        const char *dash = strchr(gpu->products[i], '-');
        if (dash != NULL && fold_eq(name, dash + 1))
            return true;
    }
    return false;
}

/* "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED" without what GFD puts behind the product. */
static struct str cut_endings(struct str name)
{
    static const struct str mig = {"-mig-", 5}, shared = {"-shared", 7};
    for (size_t i = 0; i + mig.len <= name.len; i++) {
        if (fold_eq((struct str){name.ptr + i, mig.len}, mig.ptr)) {
            name.len = i;
            break;
        }
    }
    if (name.len > shared.len &&
            fold_eq((struct str){name.ptr + name.len - shared.len, shared.len}, shared.ptr))
        name.len -= shared.len;
    return name;
}

static int unknown_gpu(struct str name, struct err *reterr)
{
    const char *keys[GPU_COUNT + 1];
    for (unsigned i = 0; i < GPU_COUNT; i++)
        keys[i] = gpus[i].key;
    keys[GPU_COUNT] = NULL;
    const char *nearest = str_nearest(name, keys);
    int shown = name.len > NAME_BYTES_MAX ? NAME_BYTES_MAX : (int)name.len;
    if (nearest != NULL) {
        return err_set(reterr, -ENOENT, "GPU model '%.*s' is not known: did you mean '%s'?", shown,
                name.ptr, nearest);
    }
    return err_set(reterr, -ENOENT,
            "GPU model '%.*s' is not known: expected one such as 'A100-80GB', 'H100-80GB' or 'L4'",
            shown, shown > 0 ? name.ptr : "");
}

static int ambiguous_gpu(struct str name, struct err *reterr)
{
    char list[ERR_TEXT_MAX] = "";
    size_t len = 0;
    for (unsigned i = 0; i < GPU_COUNT; i++) {
        if (any_eq(name, gpus[i].aliases)) {
            int n = snprintf(
                    list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "", gpus[i].key);
            assert(n > 0 && len + (size_t)n < sizeof list);
            len += (size_t)n;
        }
    }
    return err_set(reterr, -EEXIST, "GPU model '%.*s' fits several: expected one of %s",
            (int)name.len, name.ptr, list);
}

int model_gpu_find(struct str name, const struct model_gpu **ret_gpu, struct err *reterr)
{
    struct str product = cut_endings(name);
    const struct model_gpu *found = NULL;
    for (unsigned i = 0; i < GPU_COUNT && found == NULL; i++)
        found = fold_eq(name, gpus[i].key) ? &gpus[i] : NULL;
    for (unsigned i = 0; i < GPU_COUNT && found == NULL; i++)
        found = product_eq(product, &gpus[i]) ? &gpus[i] : NULL;
    for (unsigned i = 0; i < GPU_COUNT && found == NULL; i++) {
        if (!any_eq(name, gpus[i].aliases))
            continue;
        found = &gpus[i];
        for (unsigned j = i + 1; j < GPU_COUNT; j++) {
            if (any_eq(name, gpus[j].aliases))
                return ambiguous_gpu(name, reterr);
        }
    }
    if (found == NULL)
        return unknown_gpu(name, reterr);
    *ret_gpu = found;
    return 0;
}
