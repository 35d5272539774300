/* sim/scenario.h - what a simulation starts from: clusters, node groups, owners and their demand.
 *
 * Pure: plain data, built in code ("default"), read from YAML (docs/SIMULATION.md) or from traces.
 * All memory is in the arena it was built in.  Demand is busy time on a reference GPU
 * (A100-80GB, speed 1000), so that a slower GPU is busy for longer. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "base/arena.h"
#include "base/err.h"
#include "base/prng.h"
#include "model/price.h"
#include "model/workload.h"
#include "sim/service.h"

enum {
    SIM_CLUSTERS_MAX = 64,
    SIM_GROUPS_MAX = 1024,
    SIM_OWNERS_MAX = 20000,
    SIM_HOURS = 48, /* 24 of weekdays, then 24 of weekends */
    SIM_NODES_MAX = 20000,
    SIM_REPLICAS_MAX = 10000,
    SIM_TRACE_PODS_MAX = 20000,
    SIM_TRACE_SAMPLES_MAX = 20000000
};

struct sim_cluster_spec {
    struct str name, region;
};

/* Nodes of one kind, as an autoscaler sees them.  Fresh nodes are exclusive, without MIG. */
struct sim_group_spec {
    struct str name;
    uint16_t cluster;
    uint16_t gpu;           /* GPU table index */
    uint32_t gpus_per_node; /* 1..16 */
    uint32_t cpu_milli, memory_mib;
    int64_t microusd_per_hour; /* of a node; 0 = from the price book */
    enum model_purchase purchase;
    uint32_t initial, min, max; /* nodes */
    bool foreign;               /* partitioned by somebody else: to be left alone */
};

/* How busy a pod is, and how much memory it holds: docs/SIMULATION.md, "Demand". */
enum sim_demand_kind {
    SIM_DEMAND_BURSTY,  /* on and off by a Markov chain, common tide, tail of long kernels */
    SIM_DEMAND_STEADY,  /* training and batch: level with small noise */
    SIM_DEMAND_SERVICE, /* a production service by its statistics: sim/service.h */
    SIM_DEMAND_TRACE    /* samples of a recorded pod at its wall time */
};

/* A sample of a recorded pod; memory UINT32_MAX = not known. */
struct sim_trace_sample {
    int64_t at_ns; /* from the start of the scenario */
    uint32_t memory_mib;
    uint16_t busy_permille;
};

struct sim_trace_pod {
    struct str name;
    int64_t start_ns, end_ns; /* it lives in [start, end) */
    uint32_t sample_count;
    const struct sim_trace_sample *samples; /* by time; between two the earlier one holds */
    /* openb: what the pod asks beside the GPU; 0 = the owner's. */
    uint32_t cpu_milli, memory_mib;
};

struct sim_demand_spec {
    enum sim_demand_kind kind;
    const struct sim_service *service; /* SERVICE */
    struct sim_service_scale scale;
    uint32_t active_permille;          /* BURSTY: share of time that is on, at mean tide */
    uint32_t stay_permille;            /* chance that a burst goes on with the next minute */
    uint32_t level_permille;           /* typical busy time of an on minute, or the steady level */
    uint32_t tail_permille;            /* share of on minutes with a long tail up to 1000 */
    uint32_t spread_permille;          /* pods differ by up to this factor around the above */
    uint32_t tide_permille;            /* how much of it follows the owner's common tide, 0..1000 */
    uint32_t hour_permille[SIM_HOURS]; /* tide by hour, mean 1000; all 0 = flat */
    uint32_t speed_permille;           /* of the GPU that busy time was measured on; 0 = 1000 */
    uint32_t sm_need_permille;         /* share of the SMs that its kernels fill while busy */
    uint32_t dram_need_permille;
    uint32_t memory_mib, memory_spread_mib; /* usual memory and how far pods and time differ */
    uint32_t memory_peak_mib;               /* never above */
    uint32_t leak_mib_per_hour;             /* grows until its guard or a kill */
};

/* As the table says; what sim_service_demand starts from. */
#define SIM_SERVICE_SCALE ((struct sim_service_scale){1000, 1000, 1000, 0, 0})

/* Makes it the demand of a pod of sim_service_images at d->scale; hours, sm and dram needs stay. */
void sim_service_demand(struct sim_demand_spec *d);

struct sim_owner_spec {
    struct str name; /* "namespace/name" */
    uint16_t cluster;
    enum model_owner_kind kind;
    enum model_class class_declared;
    enum model_isolation isolation;
    bool preallocates;
    uint32_t declared_memory_mib;
    uint32_t gpus_per_pod; /* whole GPUs asked at first */
    uint64_t gpu_models;   /* bit i: GPU table row i; 0 = any */
    uint32_t cpu_milli, memory_mib;
    uint32_t slo_permille;    /* 0 = the policy's */
    uint32_t max_unavailable; /* PodDisruptionBudget; UINT32_MAX = none */
    int64_t grace_ns;
    int64_t from_ns, until_ns;        /* exists in this part of the run; until 0 = to the end */
    uint32_t replicas[SIM_HOURS];     /* not of Jobs */
    uint32_t growth_permille_per_day; /* replicas and arrivals grow by so much a day */
    int32_t step_day;                 /* from this day on ... */
    int32_t step_permille;            /* ... replicas and arrivals times this; 0 = no step */
    /* Jobs of one template: arrivals an hour x 1000, and how long one runs alone. */
    uint32_t arrivals_milli[SIM_HOURS];
    int64_t run_min_ns, run_max_ns;
    uint32_t active_max; /* Jobs at a time, as a quota does */
    struct sim_demand_spec demand;
    uint32_t trace_count; /* SIM_DEMAND_TRACE: one pod each */
    const struct sim_trace_pod *trace;
};

struct sim_scenario {
    struct str name;
    int64_t start_wall_ns;
    int64_t duration_ns;
    int64_t sample_period_ns; /* 0 = 60 s */
    uint32_t cluster_count;
    struct sim_cluster_spec *clusters;
    uint32_t group_count;
    struct sim_group_spec *groups;
    uint32_t owner_count;
    struct sim_owner_spec *owners;
    uint32_t offer_count;
    struct model_offer *offers; /* by hour and region; told to the controller as facts */
    uint32_t faults_ppm;        /* of the scenario file; sim_config may set its own */
    uint32_t xid_application_per_million_gpu_hours; /* with a pod on the GPU */
    uint32_t xid_gpu_per_million_gpu_hours;
};

/* "default": inference, notebooks, batch and training on A100, H100, L4 and T4 nodes of two
 * clusters, seven days.  "fitted": the genai trace's statistics on 1-GPU nodes.  "small": a few
 * nodes, for tests.  "fleet": 40 to 100 nodes with rollouts all day, for fault runs.  -ENOENT (with
 * the names) for another. */
int sim_scenario_builtin(struct arena *a, struct str name, const struct sim_scenario **ret_scenario,
        struct err *reterr);

/* Reads a scenario document (YAML or JSON), strictly; "line L: KEY: 'VALUE': expected ...". */
int sim_scenario_parse(struct arena *a, struct str text, const struct sim_scenario **ret_scenario,
        struct err *reterr);

/* Where a trace is run. */
struct sim_trace_place {
    uint16_t gpu;           /* GPU table index */
    uint32_t gpus_per_node; /* 1..16 */
    uint32_t sample_pods;   /* only so many pods, chosen by seed; 0 = all */
    uint64_t seed;
};

/* The genai trace (time_s,pod,gpu_util_percent,gpu_memory_used_bytes) as a scenario: pods live from
 * their first to their last sample and are interactive, of one owner, replaceable. */
int sim_scenario_genai(struct arena *a, struct str csv, const struct sim_trace_place *place,
        const struct sim_scenario **ret_scenario, struct err *reterr);

/* The bytes of an openb node list and pod list (sim/openb.h). */
struct sim_openb_texts {
    struct str nodes, pods;
};

/* The openb trace as a scenario: see sim/trace_openb.c for what stands for what.  The texts must
 * outlive the scenario. */
int sim_scenario_openb(struct arena *a, const struct sim_openb_texts *texts,
        const struct sim_trace_place *place, const struct sim_scenario **ret_scenario,
        struct err *reterr);

/* Nodes asked, checks that references hold and that something runs; called by all readers. */
int sim_scenario_check(const struct sim_scenario *s, struct err *reterr);

#endif
