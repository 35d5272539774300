/* nvidia/gfd.h - the node labels of GPU feature discovery: read and write.
 *
 * Pure.  Only what the rest needs.  gpu.count is physical GPUs (MIG devices under strategy single),
 * gpu.replicas the factor for each device: 1 without sharing, 0 for whole GPUs that are in MIG mode
 * under mixed; capacity = count * replicas.  gpu.memory is the same with and without sharing.
 * Source: facts read at k8s-device-plugin 1b826acc, internal/lm/resource.go. */
#ifndef NVIDIA_GFD_H
#define NVIDIA_GFD_H

#include "model/workload.h"
#include "nvidia/plugin_config.h"

enum { NVIDIA_LABEL_VALUE_MAX = 63, NVIDIA_GFD_MIG_MAX = 16, NVIDIA_GFD_LABELS_MAX = 192 };

struct nvidia_label {
    struct str key, value;
};

enum nvidia_sharing_strategy {
    NVIDIA_SHARING_NONE,
    NVIDIA_SHARING_TIME_SLICING,
    NVIDIA_SHARING_MPS,
    NVIDIA_SHARING_COUNT
};

/* What GFD says of one resource; `valid` has a bit for each field that a label gave. */
enum {
    NVIDIA_GFD_PRODUCT = 1,
    NVIDIA_GFD_COUNT = 2,
    NVIDIA_GFD_REPLICAS = 4,
    NVIDIA_GFD_STRATEGY = 8,
    NVIDIA_GFD_MEMORY = 16,
    NVIDIA_GFD_SMS = 32,
    NVIDIA_GFD_SLICES = 64 /* both slices.gi and slices.ci */
};
struct nvidia_gfd_resource {
    char profile[MODEL_PROFILE_NAME_MAX]; /* "" for nvidia.com/gpu */
    unsigned valid;
    struct str product; /* as the label has it: "NVIDIA-A100-SXM4-40GB-SHARED" */
    uint32_t count, replicas;
    enum nvidia_sharing_strategy strategy;
    uint32_t memory_mib, multiprocessors, slices_gi, slices_ci;
};

struct nvidia_gfd {
    struct nvidia_gfd_resource gpu;
    bool mig_capable;
    bool mig_strategy_set;
    enum nvidia_mig_strategy mig_strategy;
    bool mig_invalid; /* product ends in -MIG-INVALID: the rules of strategy single are broken */
    uint32_t mig_count;
    struct nvidia_gfd_resource mig[NVIDIA_GFD_MIG_MAX]; /* in order of first label */
};

/* Reads a node's labels; those of others are ignored.  Views into the labels.
 * Returns 0; -EINVAL with one line on a value that GFD never writes; -E2BIG over the limits. */
int nvidia_gfd_parse(const struct nvidia_label *labels, uint32_t count, struct nvidia_gfd *ret_gfd,
        struct err *reterr);

/* The labels that GFD would write, sorted by key, views in `a`; returns their count
 * (<= NVIDIA_GFD_LABELS_MAX). */
uint32_t nvidia_gfd_emit(const struct nvidia_gfd *gfd, struct arena *a,
        struct nvidia_label ret_labels[NVIDIA_GFD_LABELS_MAX]);

const char *nvidia_sharing_strategy_name(enum nvidia_sharing_strategy s);

#endif
