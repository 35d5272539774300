/* nvidia/slices.h - the ResourceSlices that NVIDIA's DRA driver publishes with dynamic MIG.
 *
 * Pure.  A node's GPUs are one pool: counter sets in slices of their own, then one slice a GPU with
 * a device for every (profile, start), and for the whole GPU where it is offered.  Counters are
 * those of the driver (multiprocessors, copy-engines, decoders, encoders, jpeg-engines,
 * ofa-engines, memory, memory-slice-<i>); where they alone would admit more instances of a profile
 * than the GPU holds, a counter profile-<id> of our own keeps the cap.  What a model's catalog does
 * not know has no counter.  Without MIG devices there are no counters.  So the allocator admits
 * exactly the layouts that mig/layout.h calls legal. Source: facts on k8s-dra-driver-gpu's
 * DynamicMIG. */
#ifndef NVIDIA_SLICES_H
#define NVIDIA_SLICES_H

#include "base/json.h"
#include "mig/layout.h"

struct nvidia_slices_gpu {
    const struct mig_model *model; /* with known geometry */
    uint32_t minor;
    const char *uuid, *product;
    const char *pcie_root; /* resource.kubernetes.io/pcieRoot; NULL = none */
    bool whole;            /* the whole GPU is a device too (not on Ampere with MIG mode on) */
    bool no_mig;           /* no device for any profile, and no counters; `model` may be NULL */
    /* The whole GPU is shared by its memory and a number of units (--consumable-shares): a request
     * takes all of both unless it says less.  0 = not shared. */
    uint32_t share_units;
    uint32_t share_memory_mib;
};

struct nvidia_slices_node {
    const char *name;           /* of the node, and of its pool */
    const char *driver_version; /* SemVer; NULL = not published */
    int64_t generation;
    uint32_t gpu_count;
    const struct nvidia_slices_gpu *gpus;
};

uint32_t nvidia_slices_count(const struct nvidia_slices_node *node);

/* Writes ResourceSlice `index` < nvidia_slices_count() as one object. */
void nvidia_slices_emit(
        const struct nvidia_slices_node *node, uint32_t index, struct json_writer *w);

/* The name of the device for a profile (number in the model) at a start: gpu-0-mig-1g5gb-19-0. */
enum { NVIDIA_DEVICE_NAME_MAX = 64 };
char *nvidia_slices_device_name(
        const struct nvidia_slices_gpu *gpu, unsigned profile, unsigned start, char *ret_name);

#endif
