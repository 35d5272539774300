/* test/fake/nvml.c - a stand-in for libnvidia-ml.so.1, so that NVIDIA's own programs run without a
 * GPU: devices, MIG mode, GPU and compute instances, by the rules of src/mig.
 *
 *   FAKE_NVML_GPUS   models of the node's GPUs, with commas between ("A100-40GB,A100-40GB")
 *   FAKE_NVML_STATE  a file that keeps modes and instances from one process to the next
 *
 * Memory is that of the tables where NVIDIA's way to name profiles (memory in eighths of the GPU's)
 * then gives the catalog's names; where it does not, or is not known, memory is made to fit the
 * names.
 *
 * What it does like a driver: MIG mode takes effect at once (no reset is simulated); a created
 * GPU instance is placed where it leaves the most open; compute instances fill a GPU instance by
 * slices; ids count up.  Anything not here is not there: a caller that needs it ends with a symbol
 * lookup error.  Calls and structs are those of nvml.h, API 13. */
#include "mig/layout.h"
#include "model/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum {
    OK = 0,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    IN_USE = 19,
    INSUFFICIENT_RESOURCES = 23,
    GPUS_MAX = 16,
    CI_MAX = 8,
    GI_ENUMS = 17,
    CI_ENUMS = 8,
    NAME_BYTES = 96,
};

struct ci {
    bool used;
    unsigned id, slices;
    struct gi *gi;
};
struct gi {
    bool used;
    unsigned id;
    struct mig_instance instance;
    struct ci cis[CI_MAX];
    struct gpu *gpu;
};
struct gpu {
    const struct model_gpu *model;
    const struct mig_model *mig; /* NULL: without MIG */
    unsigned index;
    bool made_memory; /* its figures are made to fit the names of its profiles */
    int mode, pending;
    struct mig_layout layout;
    struct gi gis[MIG_INSTANCES_MAX];
};
/* What nvmlDevice_t points at: a GPU, or a compute instance of one as a MIG device. */
struct device {
    struct gpu *gpu;
    struct ci *ci;
};

static struct gpu gpus[GPUS_MAX];
static unsigned gpu_count;
static struct device devices[GPUS_MAX];
static struct device mig_devices[GPUS_MAX][MIG_INSTANCES_MAX * CI_MAX];

/* The catalog's kind behind each number of the enum NVML_GPU_INSTANCE_PROFILE_*. */
static const char *const gi_kinds[GI_ENUMS] = {"1g", "2g", "3g", "4g", "7g", NULL, NULL, "1g+me",
        "2g+me", "1g.x2", "1g+gfx", "2g+gfx", "4g+gfx", "1g-me", "2g-me", "1g+me.all", "2g+me.all"};
/* The slices behind NVML_COMPUTE_INSTANCE_PROFILE_*; its last one, 1_SLICE_REV1, is not made. */
static const unsigned ci_slices[CI_ENUMS] = {1, 2, 3, 4, 7, 8, 6, 0};

struct gi_profile_info {
    unsigned id, p2p, slices, instances, multiprocessors, copy, dec, enc, jpeg, ofa;
    unsigned long long memory_mb;
};
struct ci_profile_info {
    unsigned id, slices, instances, multiprocessors, copy, dec, enc, jpeg, ofa;
};
struct placement {
    unsigned start, size;
};
struct gi_info {
    struct device *device;
    unsigned id, profile;
    struct placement placement;
};
struct ci_info {
    struct device *device;
    struct gi *gi;
    unsigned id, profile;
    struct placement placement;
};
struct attributes {
    unsigned multiprocessors, copy, dec, enc, jpeg, ofa, gi_slices, ci_slices;
    unsigned long long memory_mb;
};
struct memory {
    unsigned long long total, free, used;
};
struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
_Static_assert(sizeof(struct gi_profile_info) == 48, "as in nvml.h");
_Static_assert(sizeof(struct gi_info) == 24, "as in nvml.h");
_Static_assert(sizeof(struct ci_info) == 32, "as in nvml.h");
_Static_assert(sizeof(struct attributes) == 40, "as in nvml.h");
_Static_assert(sizeof(struct pci_info) == 68, "as in nvml.h");

/* -- memory ---------------------------------------------------------------------------------- */

/* The number before "gb" in "2g.10gb+me". */
static unsigned name_gib(const struct mig_profile *p)
{
    return (unsigned)strtoul(strchr(p->name, '.') + 1, NULL, 10);
}

static unsigned total_mib(const struct gpu *g)
{
    unsigned most = 0;
    for (unsigned i = 0; g->made_memory && i < g->mig->profile_count; i++) {
        const struct mig_profile *p = &g->mig->profiles[i];
        most = p->units == g->mig->units && name_gib(p) > most ? name_gib(p) : most;
    }
    return g->made_memory ? most * 1024 : g->model->memory_usable_mib;
}

static unsigned profile_mib(const struct gpu *g, const struct mig_profile *p)
{
    return g->made_memory ? total_mib(g) * p->units / g->mig->units - 1 : p->memory_mib;
}

/* Whether go-nvlib, from these figures, gives every profile its name: the share of the memory, up
 * to the next eighth, of the GPU's memory in whole GiB, rounded. */
static bool names_follow(const struct gpu *g)
{
    unsigned total = total_mib(g);
    for (unsigned i = 0; i < g->mig->profile_count; i++) {
        const struct mig_profile *p = &g->mig->profiles[i];
        unsigned eighths = (profile_mib(g, p) * 8 + total - 1) / total;
        if ((eighths * ((total + 1023) / 1024) + 4) / 8 != name_gib(p))
            return false;
    }
    return true;
}

/* -- state ----------------------------------------------------------------------------------- */

static const struct mig_profile *profile_of(const struct gi *gi)
{
    return &gi->gpu->mig->profiles[gi->instance.profile];
}

static struct gi *gi_put(struct gpu *g, struct mig_instance instance, unsigned id)
{
    struct gi *gi = g->gis;
    while (gi->used)
        gi++;
    if (mig_layout_add(&g->layout, instance, NULL, NULL) < 0)
        return NULL;
    *gi = (struct gi){.used = true, .id = id, .instance = instance, .gpu = g};
    return gi;
}

static struct ci *ci_put(struct gi *gi, unsigned slices, unsigned id)
{
    struct ci *ci = gi->cis;
    while (ci->used)
        ci++;
    *ci = (struct ci){.used = true, .id = id, .slices = slices, .gi = gi};
    return ci;
}

/* Lines "gpu INDEX MODE PENDING", "gi INDEX ID PROFILE START", "ci INDEX GI ID SLICES". */
static void state_load(void)
{
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *f = path ? fopen(path, "r") : NULL;
    char line[128];
    while (f && fgets(line, sizeof line, f)) {
        unsigned n[4] = {0};
        char word[8] = "";
        int got = sscanf(line, "%7s %u %u %u %u", word, &n[0], &n[1], &n[2], &n[3]);
        if (got < 4 || n[0] >= gpu_count)
            continue;
        struct gpu *g = &gpus[n[0]];
        if (strcmp(word, "gpu") == 0) {
            g->mode = (int)n[1];
            g->pending = (int)n[2];
        } else if (strcmp(word, "gi") == 0) {
            int profile = mig_profile_find_id(g->mig, n[2]);
            (void)gi_put(g,
                    (struct mig_instance){.profile = (uint8_t)profile, .start = (uint8_t)n[3]},
                    n[1]);
        } else {
            for (unsigned i = 0; i < MIG_INSTANCES_MAX; i++) {
                if (g->gis[i].used && g->gis[i].id == n[1])
                    (void)ci_put(&g->gis[i], n[3], n[2]);
            }
        }
    }
    if (f)
        (void)fclose(f);
}

static void state_save(void)
{
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *f = path ? fopen(path, "w") : NULL;
    for (unsigned i = 0; f && i < gpu_count; i++) {
        (void)fprintf(f, "gpu %u %d %d\n", i, gpus[i].mode, gpus[i].pending);
        for (unsigned k = 0; k < MIG_INSTANCES_MAX; k++) {
            const struct gi *gi = &gpus[i].gis[k];
            if (!gi->used)
                continue;
            (void)fprintf(f, "gi %u %u %u %u\n", i, gi->id, profile_of(gi)->gi_profile_id,
                    gi->instance.start);
            for (unsigned c = 0; c < CI_MAX; c++) {
                if (gi->cis[c].used)
                    (void)fprintf(
                            f, "ci %u %u %u %u\n", i, gi->id, gi->cis[c].id, gi->cis[c].slices);
            }
        }
    }
    if (f)
        (void)fclose(f);
}

API int nvmlInit_v2(void);
API int nvmlInit_v2(void)
{
    const char *list = getenv("FAKE_NVML_GPUS");
    struct str rest = str_from(list ? list : "A100-40GB");
    struct str key = {0};
    gpu_count = 0;
    memset(gpus, 0, sizeof gpus);
    while (gpu_count < GPUS_MAX && str_split(&rest, ',', &key)) {
        struct gpu *g = &gpus[gpu_count];
        if (model_gpu_find(key, &g->model, NULL) < 0)
            return NOT_FOUND;
        g->mig = g->model->mig_key ? mig_model_find(g->model->mig_key) : NULL;
        g->index = gpu_count;
        if (g->mig && g->mig->profile_count > 0) {
            mig_layout_init(&g->layout, g->mig);
            g->made_memory = !names_follow(g);
        }
        devices[gpu_count] = (struct device){.gpu = g};
        gpu_count++;
    }
    state_load();
    return OK;
}

API int nvmlShutdown(void);
API int nvmlShutdown(void)
{
    return OK;
}

API const char *nvmlErrorString(int code);
API const char *nvmlErrorString(int code)
{
    switch (code) {
    case OK:
        return "Success";
    case INVALID_ARGUMENT:
        return "Invalid Argument";
    case NOT_SUPPORTED:
        return "Not Supported";
    case NOT_FOUND:
        return "Not Found";
    case INSUFFICIENT_SIZE:
        return "Insufficient Size";
    case IN_USE:
        return "In use by another client";
    case INSUFFICIENT_RESOURCES:
        return "Insufficient Resources";
    default:
        return "Unknown Error";
    }
}

/* -- what does not change -------------------------------------------------------------------- */

static int text_put(char *to, unsigned size, const char *text)
{
    if (size <= strlen(text))
        return INSUFFICIENT_SIZE;
    (void)snprintf(to, size, "%s", text);
    return OK;
}

API int nvmlSystemGetNVMLVersion(char *text, unsigned size);
API int nvmlSystemGetNVMLVersion(char *text, unsigned size)
{
    return text_put(text, size, "13.580.95.05");
}

API int nvmlSystemGetDriverVersion(char *text, unsigned size);
API int nvmlSystemGetDriverVersion(char *text, unsigned size)
{
    return text_put(text, size, "580.95.05");
}

API int nvmlSystemGetCudaDriverVersion(int *version);
API int nvmlSystemGetCudaDriverVersion(int *version)
{
    *version = 13000;
    return OK;
}

API int nvmlSystemGetCudaDriverVersion_v2(int *version);
API int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

API int nvmlDeviceGetCount_v2(unsigned *count);
API int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = gpu_count;
    return OK;
}

API int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device);
API int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device)
{
    if (index >= gpu_count)
        return INVALID_ARGUMENT;
    *device = &devices[index];
    return OK;
}

/* GPU i is at 0000:10+i:00.0. */
API int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, struct device **device);
API int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, struct device **device)
{
    unsigned domain = 0;
    unsigned bus = 0;
    if (sscanf(bus_id, "%x:%x:", &domain, &bus) != 2 || bus < 0x10)
        return NOT_FOUND;
    return bus - 0x10 < gpu_count ? nvmlDeviceGetHandleByIndex_v2(bus - 0x10, device) : NOT_FOUND;
}

API int nvmlDeviceGetPciInfo_v3(const struct device *d, struct pci_info *info);
API int nvmlDeviceGetPciInfo_v3(const struct device *d, struct pci_info *info)
{
    *info = (struct pci_info){.bus = 0x10 + d->gpu->index, .device_id = 0x20B010DE};
    (void)snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", info->bus);
    (void)snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "0000:%02X:00.0", info->bus);
    return OK;
}

API int nvmlDeviceGetName(const struct device *d, char *text, unsigned size);
API int nvmlDeviceGetName(const struct device *d, char *text, unsigned size)
{
    char name[NAME_BYTES];
    const char *product = d->gpu->model->products[0];
    (void)snprintf(name, sizeof name, "%s", product ? product : d->gpu->model->key);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' && c - name < 7 ? ' ' : *c; /* NVML writes "NVIDIA A100-SXM4-40GB" */
    if (!d->ci)
        return text_put(text, size, name);
    char mig[NAME_BYTES + 40];
    (void)snprintf(mig, sizeof mig, "%s MIG %s", name, profile_of(d->ci->gi)->name);
    return text_put(text, size, mig);
}

API int nvmlDeviceGetUUID(const struct device *d, char *text, unsigned size);
API int nvmlDeviceGetUUID(const struct device *d, char *text, unsigned size)
{
    char uuid[64];
    unsigned gi = d->ci ? d->ci->gi->id : 0;
    unsigned ci = d->ci ? d->ci->id : 0;
    (void)snprintf(uuid, sizeof uuid, "%s-%08x-0000-0000-%04x-%012x", d->ci ? "MIG" : "GPU",
            d->gpu->index, gi, ci);
    return text_put(text, size, uuid);
}

API int nvmlDeviceGetMinorNumber(const struct device *d, unsigned *minor);
API int nvmlDeviceGetMinorNumber(const struct device *d, unsigned *minor)
{
    *minor = d->gpu->index;
    return OK;
}

API int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory);
API int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory)
{
    uint64_t mib = d->ci ? profile_mib(d->gpu, profile_of(d->ci->gi)) : total_mib(d->gpu);
    *memory = (struct memory){.total = mib << 20, .free = mib << 20};
    return OK;
}

API int nvmlDeviceGetCudaComputeCapability(const struct device *d, int *major, int *minor);
API int nvmlDeviceGetCudaComputeCapability(const struct device *d, int *major, int *minor)
{
    static const struct {
        const char *family;
        int major, minor;
    } all[] = {
            {"Ampere", 8, 0}, {"Hopper", 9, 0}, {"Blackwell GB202", 12, 0}, {"Blackwell", 10, 0}};
    *major = 7;
    *minor = 5;
    for (unsigned i = 0; d->gpu->mig && i < sizeof all / sizeof all[0]; i++) {
        if (strncmp(d->gpu->mig->family, all[i].family, strlen(all[i].family)) == 0) {
            *major = all[i].major;
            *minor = all[i].minor;
            break;
        }
    }
    return OK;
}

API int nvmlDeviceGetBrand(const struct device *d, int *brand);
API int nvmlDeviceGetBrand(const struct device *d, int *brand)
{
    (void)d;
    *brand = 14; /* NVML_BRAND_NVIDIA */
    return OK;
}

/* -- MIG mode -------------------------------------------------------------------------------- */

API int nvmlDeviceGetMigMode(const struct device *d, unsigned *current, unsigned *pending);
API int nvmlDeviceGetMigMode(const struct device *d, unsigned *current, unsigned *pending)
{
    if (!d->gpu->mig || d->gpu->mig->profile_count == 0 || d->ci)
        return NOT_SUPPORTED;
    *current = (unsigned)d->gpu->mode;
    *pending = (unsigned)d->gpu->pending;
    return OK;
}

API int nvmlDeviceSetMigMode(const struct device *d, unsigned mode, int *activation);
API int nvmlDeviceSetMigMode(const struct device *d, unsigned mode, int *activation)
{
    if (!d->gpu->mig || d->gpu->mig->profile_count == 0)
        return NOT_SUPPORTED;
    if (mode > 1)
        return INVALID_ARGUMENT;
    *activation = OK;
    if (d->gpu->layout.count > 0 && mode == 0) {
        *activation = IN_USE;
        return OK;
    }
    d->gpu->mode = (int)mode;
    d->gpu->pending = (int)mode;
    state_save();
    return OK;
}

/* -- GPU instances --------------------------------------------------------------------------- */

API int nvmlDeviceGetGpuInstanceProfileInfo(
        const struct device *d, unsigned number, struct gi_profile_info *info);
API int nvmlDeviceGetGpuInstanceProfileInfo(
        const struct device *d, unsigned number, struct gi_profile_info *info)
{
    const struct gpu *g = d->gpu;
    if (number >= GI_ENUMS)
        return INVALID_ARGUMENT;
    int profile = g->mig && gi_kinds[number] ? mig_profile_find_kind(g->mig, gi_kinds[number]) : -1;
    if (profile < 0)
        return NOT_SUPPORTED;
    const struct mig_profile *p = &g->mig->profiles[profile];
    *info = (struct gi_profile_info){
            .id = p->gi_profile_id,
            .slices = p->compute_slices,
            .instances = p->max_instances,
            .multiprocessors = p->sm_count,
            .copy = p->copy_engines,
            .dec = p->engines[MIG_ENGINE_DEC],
            .enc = p->engines[MIG_ENGINE_ENC],
            .jpeg = p->engines[MIG_ENGINE_JPEG],
            .ofa = p->engines[MIG_ENGINE_OFA],
            .memory_mb = profile_mib(g, p),
    };
    return OK;
}

API int nvmlDeviceGetGpuInstances(
        const struct device *d, unsigned profile_id, struct gi **gis, unsigned *count);
API int nvmlDeviceGetGpuInstances(
        const struct device *d, unsigned profile_id, struct gi **gis, unsigned *count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MIG_INSTANCES_MAX; i++) {
        struct gi *gi = &d->gpu->gis[i];
        if (gi->used && profile_of(gi)->gi_profile_id == profile_id)
            gis[n++] = gi;
    }
    *count = n;
    return OK;
}

API int nvmlDeviceCreateGpuInstance(
        const struct device *d, unsigned profile_id, struct gi **ret_gi);
API int nvmlDeviceCreateGpuInstance(const struct device *d, unsigned profile_id, struct gi **ret_gi)
{
    struct gpu *g = d->gpu;
    int profile = g->mig && g->mode ? mig_profile_find_id(g->mig, profile_id) : -1;
    unsigned id = 1;
    if (profile < 0)
        return NOT_SUPPORTED;
    uint16_t starts = mig_layout_fits(g->mig, g->layout.used, &g->layout.counts, (unsigned)profile);
    if (starts == 0)
        return INSUFFICIENT_RESOURCES;
    unsigned start =
            mig_layout_prefer(g->mig, g->layout.used, &g->layout.counts, (unsigned)profile, starts);
    for (unsigned i = 0; i < MIG_INSTANCES_MAX; i++)
        id = g->gis[i].used && g->gis[i].id >= id ? g->gis[i].id + 1 : id;
    *ret_gi = gi_put(
            g, (struct mig_instance){.profile = (uint8_t)profile, .start = (uint8_t)start}, id);
    state_save();
    return *ret_gi ? OK : INSUFFICIENT_RESOURCES;
}

API int nvmlGpuInstanceDestroy(struct gi *gi);
API int nvmlGpuInstanceDestroy(struct gi *gi)
{
    for (unsigned i = 0; i < CI_MAX; i++) {
        if (gi->cis[i].used)
            return IN_USE;
    }
    int at = mig_layout_find(&gi->gpu->layout, gi->instance.profile, gi->instance.start);
    mig_layout_remove(&gi->gpu->layout, (unsigned)at);
    gi->used = false;
    state_save();
    return OK;
}

API int nvmlGpuInstanceGetInfo(const struct gi *gi, struct gi_info *info);
API int nvmlGpuInstanceGetInfo(const struct gi *gi, struct gi_info *info)
{
    *info = (struct gi_info){
            .device = &devices[gi->gpu->index],
            .id = gi->id,
            .profile = profile_of(gi)->gi_profile_id,
            .placement = {gi->instance.start, profile_of(gi)->units},
    };
    return OK;
}

API int nvmlDeviceGetGpuInstanceById(const struct device *d, unsigned id, struct gi **ret_gi);
API int nvmlDeviceGetGpuInstanceById(const struct device *d, unsigned id, struct gi **ret_gi)
{
    for (unsigned i = 0; i < MIG_INSTANCES_MAX; i++) {
        if (d->gpu->gis[i].used && d->gpu->gis[i].id == id) {
            *ret_gi = &d->gpu->gis[i];
            return OK;
        }
    }
    return NOT_FOUND;
}

/* -- compute instances ----------------------------------------------------------------------- */

static unsigned slices_left(const struct gi *gi)
{
    unsigned left = profile_of(gi)->compute_slices;
    for (unsigned i = 0; i < CI_MAX; i++)
        left -= gi->cis[i].used ? gi->cis[i].slices : 0;
    return left;
}

API int nvmlGpuInstanceGetComputeInstanceProfileInfo(
        const struct gi *gi, unsigned number, unsigned engine, struct ci_profile_info *info);
API int nvmlGpuInstanceGetComputeInstanceProfileInfo(
        const struct gi *gi, unsigned number, unsigned engine, struct ci_profile_info *info)
{
    const struct mig_profile *p = profile_of(gi);
    if (number >= CI_ENUMS || engine != 0)
        return INVALID_ARGUMENT;
    unsigned slices = ci_slices[number];
    if (slices == 0 || slices > p->compute_slices || !(p->compute_instances >> slices & 1))
        return NOT_SUPPORTED;
    *info = (struct ci_profile_info){
            .id = number,
            .slices = slices,
            .instances = p->compute_slices / slices,
            .multiprocessors = p->sm_count / p->compute_slices * slices,
            .copy = p->copy_engines,
            .dec = p->engines[MIG_ENGINE_DEC],
            .enc = p->engines[MIG_ENGINE_ENC],
            .jpeg = p->engines[MIG_ENGINE_JPEG],
            .ofa = p->engines[MIG_ENGINE_OFA],
    };
    return OK;
}

API int nvmlGpuInstanceGetComputeInstances(
        struct gi *gi, unsigned profile_id, struct ci **cis, unsigned *count);
API int nvmlGpuInstanceGetComputeInstances(
        struct gi *gi, unsigned profile_id, struct ci **cis, unsigned *count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CI_MAX; i++) {
        if (gi->cis[i].used && profile_id < CI_ENUMS && gi->cis[i].slices == ci_slices[profile_id])
            cis[n++] = &gi->cis[i];
    }
    *count = n;
    return OK;
}

API int nvmlGpuInstanceCreateComputeInstance(
        struct gi *gi, unsigned profile_id, struct ci **ret_ci);
API int nvmlGpuInstanceCreateComputeInstance(struct gi *gi, unsigned profile_id, struct ci **ret_ci)
{
    struct ci_profile_info info;
    unsigned id = 0;
    int r = nvmlGpuInstanceGetComputeInstanceProfileInfo(gi, profile_id, 0, &info);
    if (r != OK)
        return r;
    if (info.slices > slices_left(gi))
        return INSUFFICIENT_RESOURCES;
    for (unsigned i = 0; i < CI_MAX; i++)
        id = gi->cis[i].used && gi->cis[i].id >= id ? gi->cis[i].id + 1 : id;
    *ret_ci = ci_put(gi, info.slices, id);
    state_save();
    return OK;
}

API int nvmlComputeInstanceDestroy(struct ci *ci);
API int nvmlComputeInstanceDestroy(struct ci *ci)
{
    ci->used = false;
    state_save();
    return OK;
}

API int nvmlComputeInstanceGetInfo_v2(const struct ci *ci, struct ci_info *info);
API int nvmlComputeInstanceGetInfo_v2(const struct ci *ci, struct ci_info *info)
{
    unsigned profile = 0;
    while (profile < CI_ENUMS && ci_slices[profile] != ci->slices)
        profile++;
    *info = (struct ci_info){.device = &devices[ci->gi->gpu->index],
            .gi = ci->gi,
            .id = ci->id,
            .profile = profile,
            .placement = {0, ci->slices}};
    return OK;
}

API int nvmlGpuInstanceGetComputeInstanceById(struct gi *gi, unsigned id, struct ci **ret_ci);
API int nvmlGpuInstanceGetComputeInstanceById(struct gi *gi, unsigned id, struct ci **ret_ci)
{
    for (unsigned i = 0; i < CI_MAX; i++) {
        if (gi->cis[i].used && gi->cis[i].id == id) {
            *ret_ci = &gi->cis[i];
            return OK;
        }
    }
    return NOT_FOUND;
}

/* -- MIG devices ----------------------------------------------------------------------------- */

API int nvmlDeviceIsMigDeviceHandle(const struct device *d, unsigned *is_mig);
API int nvmlDeviceIsMigDeviceHandle(const struct device *d, unsigned *is_mig)
{
    *is_mig = d->ci != NULL;
    return OK;
}

API int nvmlDeviceGetMaxMigDeviceCount(const struct device *d, unsigned *count);
API int nvmlDeviceGetMaxMigDeviceCount(const struct device *d, unsigned *count)
{
    *count = d->gpu->mig && d->gpu->mig->profile_count > 0 ? MIG_INSTANCES_MAX * CI_MAX : 0;
    return OK;
}

API int nvmlDeviceGetMigDeviceHandleByIndex(
        const struct device *d, unsigned index, struct device **ret_device);
API int nvmlDeviceGetMigDeviceHandleByIndex(
        const struct device *d, unsigned index, struct device **ret_device)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MIG_INSTANCES_MAX * CI_MAX; i++) {
        struct gi *gi = &d->gpu->gis[i / CI_MAX];
        struct ci *ci = &gi->cis[i % CI_MAX];
        if (!gi->used || !ci->used || n++ != index)
            continue;
        *ret_device = &mig_devices[d->gpu->index][i];
        **ret_device = (struct device){.gpu = d->gpu, .ci = ci};
        return OK;
    }
    return NOT_FOUND;
}

API int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
        const struct device *d, struct device **ret_device);
API int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
        const struct device *d, struct device **ret_device)
{
    if (!d->ci)
        return INVALID_ARGUMENT;
    *ret_device = &devices[d->gpu->index];
    return OK;
}

API int nvmlDeviceGetGpuInstanceId(const struct device *d, unsigned *id);
API int nvmlDeviceGetGpuInstanceId(const struct device *d, unsigned *id)
{
    *id = d->ci ? d->ci->gi->id : 0;
    return d->ci ? OK : NOT_SUPPORTED;
}

API int nvmlDeviceGetComputeInstanceId(const struct device *d, unsigned *id);
API int nvmlDeviceGetComputeInstanceId(const struct device *d, unsigned *id)
{
    *id = d->ci ? d->ci->id : 0;
    return d->ci ? OK : NOT_SUPPORTED;
}

API int nvmlDeviceGetAttributes_v2(const struct device *d, struct attributes *attributes);
API int nvmlDeviceGetAttributes_v2(const struct device *d, struct attributes *attributes)
{
    if (!d->ci)
        return NOT_SUPPORTED;
    const struct mig_profile *p = profile_of(d->ci->gi);
    *attributes = (struct attributes){
            .multiprocessors = p->sm_count / p->compute_slices * d->ci->slices,
            .copy = p->copy_engines,
            .dec = p->engines[MIG_ENGINE_DEC],
            .enc = p->engines[MIG_ENGINE_ENC],
            .jpeg = p->engines[MIG_ENGINE_JPEG],
            .ofa = p->engines[MIG_ENGINE_OFA],
            .gi_slices = p->compute_slices,
            .ci_slices = d->ci->slices,
            .memory_mb = profile_mib(d->gpu, p),
    };
    return OK;
}
