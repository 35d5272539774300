/* nvidia/dcgm.h - readings of dcgm-exporter, from its Prometheus text.
 *
 * Pure.  Lines of one series set (same GPU, instance, pod, container, virtual GPU) become one row.
 * A metric that is absent, N/A, NaN or outside of its range is not valid, never 0.  Under
 * time-slicing every sharing pod has a row with the same whole-GPU values: never add those up
 * (usage/attribution.h).  Source: dcgm-exporter d5e5f510; labels in facts of the project's docs. */
#ifndef NVIDIA_DCGM_H
#define NVIDIA_DCGM_H

#include "base/arena.h"
#include "base/err.h"

enum {
    NVIDIA_DCGM_TEXT_MAX = 64 << 20,
    NVIDIA_DCGM_LINE_MAX = 16384,
    NVIDIA_DCGM_LABELS_MAX = 64,
    NVIDIA_DCGM_ROWS_MAX = 65536,
    NVIDIA_DCGM_NO_INSTANCE = 0xffffffff
};

enum nvidia_dcgm_metric {
    NVIDIA_DCGM_GPU_UTIL,         /* permille; some kernel ran; N/A on MIG */
    NVIDIA_DCGM_GR_ENGINE_ACTIVE, /* permille */
    NVIDIA_DCGM_SM_ACTIVE,        /* permille; off by default in the exporter */
    NVIDIA_DCGM_SM_OCCUPANCY,     /* permille; off by default */
    NVIDIA_DCGM_TENSOR_ACTIVE,    /* permille */
    NVIDIA_DCGM_DRAM_ACTIVE,      /* permille */
    NVIDIA_DCGM_FB_USED,          /* MiB */
    NVIDIA_DCGM_FB_FREE,          /* MiB */
    NVIDIA_DCGM_FB_RESERVED,      /* MiB */
    NVIDIA_DCGM_XID,              /* last XID, 0 = none */
    NVIDIA_DCGM_METRIC_COUNT
};

const char *nvidia_dcgm_metric_name(enum nvidia_dcgm_metric m); /* "DCGM_FI_DEV_GPU_UTIL" */

struct nvidia_dcgm_row {
    uint32_t gpu; /* index */
    struct str uuid, model, host;
    struct str gi_profile; /* "1g.5gb", "" for a whole GPU */
    uint32_t gi_id;        /* NVML GPU instance id, or NVIDIA_DCGM_NO_INSTANCE */
    struct str pod_namespace, pod, container, pod_uid; /* "" when not named */
    struct str vgpu; /* replica number under time-slicing, "" when absent */
    unsigned valid;  /* bit m: value[m] is known */
    uint32_t value[NVIDIA_DCGM_METRIC_COUNT];
    int64_t timestamp_ms; /* of the newest line that gave one; 0 = none did */
};

struct nvidia_dcgm {
    uint32_t count;
    const struct nvidia_dcgm_row *rows; /* in order of first line */
    uint32_t ignored_lines;             /* series of metrics that we do not read */
};

/* Parses a scrape.  Views lie in `a`.  Both label generations are read: pod/exported_pod/pod_name,
 * hostname/Hostname.  Strict on form: -EINVAL with "line L: ..." on a line that is not Prometheus
 * text, a label twice, a metric of ours without `gpu` and `UUID`, or one series twice; -E2BIG over
 * the limits. */
int nvidia_dcgm_parse(
        struct arena *a, struct str text, struct nvidia_dcgm *ret_scrape, struct err *reterr);

#endif
