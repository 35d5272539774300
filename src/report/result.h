/* report/result.h - what a simulated or watched run came to: plain numbers for text, JSON, HTML.
 *
 * Pure.  Filled by sim and later by ctl; the report modules only read it.  Ratios are integers:
 * "milli" = 1/1000 GPU, "ppm" = 1/1,000,000.  The JSON keys are documented in docs/REPORT.md. */
#ifndef REPORT_RESULT_H
#define REPORT_RESULT_H

#include "core/action.h"

struct report_harm {
    uint64_t memory_kills;
    uint64_t overloaded_samples, gpu_samples;     /* of (provisioned GPU, sample) pairs */
    uint64_t latency_violations, latency_samples; /* of (latency-sensitive pod, sample) pairs */
    uint64_t evictions;                           /* by us; baselines have none */
    int64_t pending_ns_p95;                       /* over pods, from creation to running */
    uint64_t neighbours_lost;                     /* pods ended by another pod's fault */
};

/* One point of a curve: means over the bucket. */
struct report_point {
    int64_t wall_ns;
    int64_t provisioned_milli, requested_milli, used_milli; /* GPUs x 1000 */
    int64_t microusd_per_hour;
};

enum { REPORT_POINTS_MAX = 2048, REPORT_BASELINES_MAX = 4 };

/* One run of the world under one regime. */
struct report_run {
    const char *key;   /* "before", "after", "one_gpu_a_pod", "static_timeslicing_x4", ... */
    const char *title; /* for people */
    int64_t gpus_provisioned_mean_milli;
    uint32_t gpus_provisioned_max;
    int64_t gpus_requested_mean_milli;
    int64_t gpus_used_mean_milli;
    int64_t cost_microusd_per_day;
    uint64_t pod_hours_milli;
    struct report_harm harm;
    uint32_t point_count;
    const struct report_point *points;
};

struct report_bound {
    bool known;
    int64_t gpus_mean_milli;
    int64_t cost_microusd_per_day;
};

/* One GPU of the map, at the end of the run or at `report_result.map_wall_ns`. */
struct report_map_slot {
    uint8_t start, size; /* MIG units; size 0 = whole GPU */
    struct str profile;  /* "" when whole */
    uint32_t pod_count;  /* pods on it */
    struct str pods;     /* "a, b, +3 more" */
    uint32_t busy_permille, memory_used_mib, memory_total_mib;
};
struct report_map_gpu {
    struct str cluster, node, model;
    uint8_t index;
    struct str mode;   /* "exclusive", "time-sliced x4", "MIG", "held", "retiring" */
    uint32_t replicas; /* 1 unless time-sliced */
    uint32_t units;    /* MIG units of the board, 0 when not capable */
    uint32_t slot_count;
    const struct report_map_slot *slots;
};

/* What each pod, node and owner uid is called, for texts. */
struct report_name {
    uint64_t uid;
    struct str name;
};

struct report_result {
    struct str scenario; /* name */
    struct str caps;     /* "operator", "dra", "native" */
    struct str policy;   /* the last one, when it changed */
    uint64_t seed;
    /* Where the run went on from a recording: its name, "" when it did not; the last step made as
     * recorded; facts of it that were edited. */
    struct str from;
    uint64_t from_step, from_edits;
    int64_t from_wall_ns;
    int64_t start_wall_ns, duration_ns, measure_from_ns;
    struct report_run before, after;
    uint32_t baseline_count;
    struct report_run baselines[REPORT_BASELINES_MAX];
    bool dra_known, native_known; /* what other caps would give */
    struct report_run dra, native;
    struct report_bound bound_policy, bound_actual;
    int64_t blocked_saving_microusd_per_day;
    uint64_t decisions, violations, steps;
    struct core_totals_copy {
        uint64_t begun[CORE_CHANGE_COUNT], done[CORE_CHANGE_COUNT], refused[CORE_CHANGE_COUNT];
        uint64_t undone, abandoned, solves;
        uint64_t
                unshare_by_latency; /* returns to exclusive caused by a latency-sensitive arrival */
        uint64_t mig_outside_window; /* must be 0 */
    } totals;
    uint32_t log_count;
    const struct core_decision *log; /* all decisions, in order (views owned by the result) */
    uint32_t map_count;
    const struct report_map_gpu *map;
    int64_t map_wall_ns;
    uint32_t name_count;
    const struct report_name *names;
    int64_t wall_time_ns; /* of the run on this machine: the only parts that may differ */
    uint32_t peak_rss_mib;
};

#endif
