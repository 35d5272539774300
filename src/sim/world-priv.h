/* sim/world-priv.h - the state of a virtual Kubernetes, for sim/ alone.
 *
 * Objects are rows of growing arrays and are named by index; a row is never reused within a run, so
 * an index in an old event can be checked (generation or `live`).  Uids are made of kind and index.
 */
#ifndef SIM_WORLD_PRIV_H
#define SIM_WORLD_PRIV_H

#include "base/map.h"
#include "base/num.h"
#include "base/prng.h"
#include "core/share.h"
#include "mig/layout.h"
#include "model/gpu.h"
#include "sim/sim.h"

#define SIM_NONE      UINT32_MAX
#define SIM_WHOLE_GPU 255
#define SIM_SECOND    NUM_NS_PER_SECOND
#define SIM_MINUTE    (60 * NUM_NS_PER_SECOND)

enum { SIM_LABEL_MAX = 64, SIM_TEXT_MAX = 64, SIM_GPUS_MAX = CORE_GPUS_MAX, SIM_NAME_MAX = 96 };

/* One stream of random numbers for each concern: docs/SIMULATION.md, "Determinism". */
enum sim_stream {
    SIM_STREAM_SCHEDULER = 1,
    SIM_STREAM_KUBELET,
    SIM_STREAM_NVIDIA,
    SIM_STREAM_API,
    SIM_STREAM_FAULT_WRITE,
    SIM_STREAM_FAULT_FACTS,
    SIM_STREAM_FAULT_NODE,
    SIM_STREAM_MEMORY,
    SIM_STREAM_XID,
    SIM_STREAM_RECLAIM,
    SIM_STREAM_COUNT,
    SIM_STREAM_OWNERS = 1000 /* + owner, and + slot by prng_mix */
};

enum sim_event_kind {
    SIM_EVENT_SAMPLE,
    SIM_EVENT_HOUR,
    SIM_EVENT_SCHEDULE,
    SIM_EVENT_SCALE,
    SIM_EVENT_NODE_UP,     /* a: group; b: 0 exclusive, 1 partitioned, else for a pool */
    SIM_EVENT_NODE_DEATH,  /* a: node */
    SIM_EVENT_RECLAIM,     /* a: node */
    SIM_EVENT_NODE_REMOVE, /* a: node */
    SIM_EVENT_POD_STARTED, /* a: pod */
    SIM_EVENT_POD_ENDED,   /* a: pod, whose grace period is over */
    SIM_EVENT_OWNER,       /* a: owner, reconcile */
    SIM_EVENT_OWNER_PATCH, /* a: owner; b: generation of the patch */
    SIM_EVENT_JOB_ARRIVE,  /* a: owner */
    SIM_EVENT_PLUGIN,      /* a: node; b: generation: config-manager looks */
    SIM_EVENT_PLUGIN_UP,   /* a: node; b: generation: plugin has registered again */
    SIM_EVENT_MIG,         /* a: node; b: generation: next phase of mig-manager */
    SIM_EVENT_WRITE,       /* a: index into writes: reaches the API server */
    SIM_EVENT_CORE,        /* b: generation */
    SIM_EVENT_RELIST,      /* a: cluster; b: source: the watch is back */
    SIM_EVENT_CLOCK_BACK,
    SIM_EVENT_COUNT
};

struct sim_event {
    int64_t at_ns;
    uint64_t seq;
    enum sim_event_kind kind;
    uint32_t a;
    uint64_t b;
};

/* A min-heap by (time, seq). */
struct sim_heap {
    struct sim_event *events;
    uint32_t count, cap;
};

struct sim_list {
    uint32_t *items;
    uint32_t count, cap;
};

void sim_list_add(struct sim_list *l, uint32_t item);
void sim_list_remove(struct sim_list *l, uint32_t item); /* keeps the order; must be there */
void sim_list_clear(struct sim_list *l);

/* An id of a device as kubelet knows it: GPU-x is (gpu, whole, 0, false), GPU-x::2 (.., 2, true).
 */
struct sim_device {
    uint8_t gpu, start;
    uint16_t replica;
    bool shared;
};

/* What a pod template asks. */
struct sim_template {
    struct model_resource resource;
    uint32_t count;
    char pool[SIM_LABEL_MAX];
    uint64_t gpu_models;
    uint32_t generation;
};

enum sim_pod_phase {
    SIM_POD_PENDING,
    SIM_POD_STARTING,
    SIM_POD_RUNNING,
    SIM_POD_STOPPING,
    SIM_POD_GONE
};

struct sim_pod {
    uint32_t owner, slot;
    uint32_t node; /* SIM_NONE = not bound */
    enum sim_pod_phase phase;
    bool unschedulable, surge, evicted;
    struct sim_template tpl;
    char name[SIM_NAME_MAX];
    uint64_t version; /* resourceVersion of the last change */
    int64_t created_ns, bound_ns, started_ns, next_try_ns, deadline_ns;
    uint32_t attempts;
    uint32_t device_count;
    struct sim_device devices[SIM_GPUS_MAX];
    /* The last sample. */
    uint32_t busy_permille, sm_permille, dram_permille, memory_mib, latency_permille;
};

/* Demand of one replica: goes on whether or not its pod runs, but for Jobs. */
struct sim_slot {
    bool live;
    uint32_t pod, surge_pod; /* SIM_NONE = none now */
    struct prng rng;
    bool on;
    double factor;        /* of this pod within its owner */
    double memory_target; /* MiB */
    struct sim_service_pod service;
    uint32_t leaked_minutes;  /* since its process started, for the leak */
    int64_t work_ns, done_ns; /* Jobs: work in all, and done by the running pod */
    int64_t next_create_ns;
    uint32_t restarts;
    uint32_t trace;                     /* index of the trace pod */
    uint32_t trace_next;                /* cursor */
    uint32_t busy_permille, memory_mib; /* demand of now, on the reference GPU */
    uint32_t life;                      /* row of its sim_life */
};

struct sim_owner {
    const struct sim_owner_spec *spec;
    bool live;
    struct sim_template tpl, patch; /* patch: proposed, applied at patch_at_ns */
    int64_t patch_at_ns;            /* 0 = none open */
    uint32_t replicas;              /* wanted */
    struct sim_slot *slots;
    uint32_t slot_count, slot_cap, slots_live;
    uint32_t jobs_started, pods_made;
    struct prng rng;
    double tide;
    struct sim_service_shared service[SIM_SERVICE_KINDS_MAX];
    uint64_t version;
    uint32_t evicting; /* pods of it that are going away or not yet running: PDB */
    int64_t event_ns;  /* when its next reconcile is queued; 0 = none */
};

struct sim_gpu {
    bool mig_on, lost;
    struct mig_layout layout; /* model NULL when the GPU has no MIG */
};

enum sim_mig_phase {
    SIM_MIG_IDLE,
    SIM_MIG_NOTICED,
    SIM_MIG_PAUSING,
    SIM_MIG_APPLYING,
    SIM_MIG_RESUMING,
    SIM_MIG_HUNG,
    SIM_MIG_STUCK
};

/* What the controller's annotation says of a node. */
enum sim_claim { SIM_CLAIM_NONE, SIM_CLAIM_CHANGE, SIM_CLAIM_RETIRE };

struct sim_node {
    uint32_t group;
    uint16_t cluster, gpu;
    bool live, ready, unschedulable;
    char name[SIM_LABEL_MAX];
    char plugin_label[SIM_LABEL_MAX], mig_label[SIM_LABEL_MAX], mig_state[16], pool[SIM_LABEL_MAX];
    char pool_taint[SIM_LABEL_MAX]; /* value of the controller's pool taint, "" = not there */
    bool startup_taint;
    char *annotation; /* mem_alloc; NULL = none */
    uint64_t version;
    int64_t created_ns, empty_since_ns, price; /* price: micro-USD an hour of the node now */
    bool removal_queued, dying;
    bool reclaimed; /* tainted by the cloud: nothing is scheduled there any more */
    uint32_t gpu_count;
    struct sim_gpu gpus[SIM_GPUS_MAX];
    struct sim_list pods; /* bound here and not gone */
    uint32_t cpu_used, memory_used;
    /* Device plugin and config-manager. */
    bool plugin_up, plugin_paused, plugin_broken;
    uint32_t replicas, mig_replicas, wanted_replicas, wanted_mig_replicas;
    uint64_t plugin_generation;
    uint32_t plugin_retries;
    /* mig-manager. */
    enum sim_mig_phase mig_phase;
    uint64_t mig_generation;
    bool mig_ok;        /* of the apply that is ending */
    uint32_t mig_fault; /* armed: enum sim_fault, or SIM_FAULT_COUNT */
    int64_t extra_lag_until_ns;
    uint32_t mig_bitten; /* the fault that struck the last apply, or SIM_FAULT_COUNT */
    uint32_t cover_mask; /* cover.c: the faults that were in force when it looked last */
    enum sim_claim claim;
    int64_t claimed_ns; /* since when it says so */
};

/* A key of one of our ConfigMaps. */
struct sim_config_key {
    uint16_t cluster;
    enum core_config_map map;
    char key[128];
    struct buf text;
    bool present;
    int64_t put_ns;
    uint64_t version;
};

/* A write under way, with copies of all its text. */
struct sim_write {
    struct core_action action;
    char *text[5];         /* mem_alloc, what the views of `action` point to */
    uint32_t epoch;        /* of the core that asked */
    int64_t asked_wall_ns; /* by its clock */
    bool open;
    enum sim_fault fault; /* SIM_FAULT_COUNT = none */
};

/* What waits to be told: objects whose last change the controller has not seen. */
struct sim_dirty {
    struct sim_list nodes, pods, owners, configs;
    struct map_u64 seen; /* uid -> 0 */
};

struct sim_approval {
    uint64_t plan;
    int64_t given_wall_ns;
};

/* Evictions of the last hour, oldest first. */
struct sim_evictions {
    int64_t *at_ns;
    uint32_t count, cap;
};

struct sim_gone {
    uint64_t uid, version;
    uint16_t cluster;
    enum core_source source;
};

/* One replica or Job from its beginning to its end, for the lower bound. */
struct sim_life {
    uint32_t owner;
    int64_t start_ns, end_ns; /* end: INT64_MAX while it lives */
    uint32_t peak_mib;
    uint64_t busy_sum, samples; /* mean demand on the reference GPU */
};

struct sim_sums {
    __int128 provisioned, requested, used, cost, pod_running; /* milli or micro times ns */
    int64_t measured_ns;
    uint32_t provisioned_max;
};

struct sim_bucket {
    int64_t length_ns;
    __int128 provisioned, requested, used, cost;
};

struct sim_world {
    const struct sim_config *config;
    const struct sim_scenario *scenario;
    enum sim_regime regime;
    enum sim_caps caps;
    int64_t now_ns, end_ns, period_ns, skew_ns;
    uint64_t seq, version;
    struct sim_heap heap;
    struct prng rng[SIM_STREAM_COUNT];

    struct sim_node *nodes;
    uint32_t node_count, node_cap;
    struct sim_list nodes_live;
    struct sim_pod *pods;
    uint32_t pod_count, pod_cap;
    struct sim_list pending; /* not bound, in queue order */
    struct sim_owner *owners;
    uint32_t owner_count;
    struct sim_config_key *configs;
    uint32_t config_count, config_cap;
    struct sim_write *writes;
    uint32_t write_count, write_cap;
    struct arena *arena;                 /* of the run */
    struct arena *batch_arena;           /* of one step's facts */
    struct arena *scratch;               /* of one call, reset at its start */
    int64_t schedule_at_ns, scale_at_ns; /* 0 = not queued */
    uint32_t *group_nodes;               /* per group, nodes there or coming */
    uint32_t *group_serial;

    /* The controller and what it is told. */
    struct sim_claims *claims;
    struct core *core;
    bool cancelled; /* before_step ended the run */
    uint32_t epoch;
    bool listed; /* it has had its full list */
    struct sim_dirty dirty;
    struct sim_gone *gone;
    uint32_t gone_count, gone_cap;
    struct core_fact *direct; /* outcomes, incidents, samples, SYNC: ready as they are */
    uint32_t direct_count, direct_cap;
    struct core_fact *batch;
    uint32_t batch_cap;
    struct core_fact *stale; /* readings of an earlier tick, for SIM_FAULT_SAMPLES_STALE */
    uint32_t stale_count, stale_cap;
    bool watch_lost[SIM_CLUSTERS_MAX][CORE_SOURCE_COUNT];
    int64_t core_at_ns;
    uint64_t core_generation, steps, actions, incidents;
    int64_t step_wall_ns;  /* what the controller's clock said in its last step */
    int64_t late_until_ns; /* object facts are held back until then */
    int64_t samples_lost_until_ns, samples_stale_until_ns; /* the minute whose readings were */
    /* Bit f: fault f lies in wait for the next rollout that comes to the cell. */
    uint32_t ambushes[CORE_STEP_COUNT][CORE_ROLLOUT_STATE_COUNT];
    struct core_window_fact windows[512];
    uint32_t window_count;
    const char *violation;
    uint64_t violation_uid;
    uint64_t mig_outside_window, reclaims;
    struct sim_approval *approvals;
    uint32_t approval_count, approval_cap;
    struct sim_evictions evictions[SIM_CLUSTERS_MAX]; /* by the controller */
    int64_t policy_changed_ns;                        /* 0 = never */

    /* The result. */
    struct sim_sums sums;
    struct sim_bucket *buckets;
    uint32_t bucket_count;
    int64_t bucket_ns;
    int64_t sum_provisioned, sum_requested, sum_used, sum_cost,
            sum_running; /* of now, milli/µUSD */
    int64_t integrated_ns;
    struct report_harm harm;
    int64_t *pending_waits;
    uint32_t wait_count, wait_cap;
    uint64_t unshare_by_latency;
    struct sim_life *lives;
    uint32_t life_count, life_cap;
    struct core_decision *log; /* copies; texts in `arena` */
    uint32_t log_count, log_cap;
    struct core_totals totals_before; /* of cores that died */
    uint64_t digest;
};

/* -- uids ----------------------------------------------------------------------------------- */

enum { SIM_UID_NODE = 1, SIM_UID_POD = 2, SIM_UID_OWNER = 3 };

static inline uint64_t sim_uid(unsigned kind, uint32_t index)
{
    return (uint64_t)kind << 60 | (uint64_t)(index + 1);
}

/* The row of a uid of `kind`, or SIM_NONE. */
static inline uint32_t sim_row(unsigned kind, uint64_t uid, uint32_t count)
{
    uint64_t index = (uid & ((UINT64_C(1) << 60) - 1)) - 1;
    return uid >> 60 == kind && index < count ? (uint32_t)index : SIM_NONE;
}

/* -- world.c -------------------------------------------------------------------------------- */

void sim_event_add(
        struct sim_world *w, int64_t at_ns, enum sim_event_kind kind, uint32_t a, uint64_t b);
void sim_world_integrate(struct sim_world *w); /* sums up to now; before any change of the sums */
int64_t sim_world_wall(const struct sim_world *w); /* true wall clock */
void sim_world_violate(struct sim_world *w, const char *check, uint64_t uid);
bool sim_world_measuring(const struct sim_world *w);
const struct model_gpu *sim_node_model(const struct sim_node *n);

/* -- node.c --------------------------------------------------------------------------------- */

/* partitioned: as the static baselines want it; without meaning in the other regimes. */
uint32_t sim_node_add(struct sim_world *w, uint32_t group, bool partitioned);
void sim_node_remove(struct sim_world *w, uint32_t node); /* pods on it end */
void sim_node_die(struct sim_world *w, uint32_t node);
void sim_node_changed(struct sim_world *w, uint32_t node);
/* The offer that nodes of a group are paid by, or NULL: then a price list or our own table. */
const struct model_offer *sim_group_offer(
        const struct sim_world *w, uint32_t group, int64_t wall_ns);
int64_t sim_group_price(const struct sim_world *w, uint32_t group, int64_t wall_ns);
void sim_node_reprice(struct sim_world *w);
/* Devices that the plugin offers of `r`, and that pods hold (by count, as the scheduler sees). */
uint32_t sim_node_offered(const struct sim_world *w, uint32_t node, const struct model_resource *r);
uint32_t sim_node_requested(
        const struct sim_world *w, uint32_t node, const struct model_resource *r);
/* kubelet: picks free ids for `pod`, which is bound to `node`.  False: UnexpectedAdmissionError. */
bool sim_kubelet_allocate(struct sim_world *w, uint32_t node, uint32_t pod);
bool sim_node_gpu_in_use(const struct sim_world *w, uint32_t node, unsigned gpu, unsigned start);

/* -- claim.c: DRA ----------------------------------------------------------------------------- */

struct sim_claims *sim_claims_new(void);
struct sim_claims *sim_claims_free(struct sim_claims *c); /* NULL accepted; returns NULL */
/* How many pods like `p` the node's GPUs would take more, at most `max`. */
uint32_t sim_claim_room(
        const struct sim_world *w, const struct sim_pod *p, uint32_t node, uint32_t max);
/* Gives `pod`, which is bound to `node`, the devices that the allocator names; the driver makes a
 * MIG instance of them.  False when there are none. */
bool sim_claim_allocate(struct sim_world *w, uint32_t node, uint32_t pod);
/* `pod` ends: the driver takes its MIG instance down. */
void sim_claim_release(struct sim_world *w, uint32_t pod);
/* The part of GPUs of a model that a claim takes, in CORE_SHARE_UNITS of one. */
uint32_t sim_claim_units(const struct sim_template *tpl, uint16_t gpu);

/* -- nvparts.c: config-manager, device plugin, mig-manager --------------------------------------
 */

void sim_plugin_notice(struct sim_world *w, uint32_t node); /* its label changed */
void sim_plugin_look(struct sim_world *w, uint32_t node, uint64_t generation);
void sim_plugin_back(struct sim_world *w, uint32_t node, uint64_t generation);
void sim_mig_notice(struct sim_world *w, uint32_t node);
void sim_mig_go_on(struct sim_world *w, uint32_t node, uint64_t generation);
/* mig-manager restarts and looks at the GPUs again: MIG_FAILED, it cannot, and says so; MIG_STUCK,
 * it hangs with the plugin paused until somebody restarts it.  Nothing else is touched.  False
 * while it is at work, or has nothing to do on this node. */
bool sim_mig_restart(struct sim_world *w, uint32_t node, enum sim_fault f);
/* Resource name part of a profile: "1g.5gb+me" is "1g.5gb.me". */
void sim_profile_resource(const struct mig_profile *profile, char *ret_text);

/* -- owner.c, pod.c --------------------------------------------------------------------------- */

void sim_owner_start(struct sim_world *w, uint32_t owner);
void sim_owner_queue(struct sim_world *w, uint32_t owner, int64_t at_ns);
void sim_owner_reconcile(struct sim_world *w, uint32_t owner);
void sim_owner_hour(struct sim_world *w, uint32_t owner);
void sim_owner_job_arrive(struct sim_world *w, uint32_t owner, uint32_t trace);
void sim_owner_patch_apply(struct sim_world *w, uint32_t owner, uint64_t generation);
void sim_owner_slot_end(struct sim_world *w, uint32_t owner, uint32_t slot);
void sim_owner_job_done(struct sim_world *w, uint32_t owner, uint32_t slot);
uint32_t sim_pod_make(struct sim_world *w, uint32_t owner, uint32_t slot, bool surge);
void sim_pod_bind(struct sim_world *w, uint32_t pod, uint32_t node);
void sim_pod_started(struct sim_world *w, uint32_t pod);
void sim_pod_stop(struct sim_world *w, uint32_t pod);  /* graceful */
void sim_pod_end(struct sim_world *w, uint32_t pod);   /* at once; frees what it holds */
void sim_pod_crash(struct sim_world *w, uint32_t pod); /* ended by a fault: the owner backs off */
void sim_pod_changed(struct sim_world *w, uint32_t pod);
bool sim_pod_alive(const struct sim_pod *p); /* not stopping, not gone */
uint32_t sim_owner_hour_index(const struct sim_world *w);

/* -- sched.c, scale.c ------------------------------------------------------------------------- */

void sim_schedule(struct sim_world *w);
void sim_schedule_wake(struct sim_world *w); /* something changed: unschedulable pods try again */
/* All filters, with what is bound now. */
bool sim_schedule_fits(const struct sim_world *w, const struct sim_pod *p, uint32_t node);
void sim_schedule_at(struct sim_world *w, int64_t at_ns);
void sim_scale(struct sim_world *w);

/* -- demand.c, tick.c ------------------------------------------------------------------------- */

void sim_demand_init(struct sim_world *w, uint32_t owner, uint32_t slot);
void sim_demand_tick(struct sim_world *w);
void sim_tick(struct sim_world *w);

/* -- feed.c, act.c, fault.c ------------------------------------------------------------------- */

void sim_feed_node(struct sim_world *w, uint32_t node);
void sim_feed_pod(struct sim_world *w, uint32_t pod);
void sim_feed_owner(struct sim_world *w, uint32_t owner);
void sim_feed_config(struct sim_world *w, uint32_t config);
void sim_feed_gone(struct sim_world *w, uint64_t uid, enum core_source source, uint16_t cluster);
void sim_feed_incident(struct sim_world *w, uint16_t cluster, const struct core_incident_fact *f);
/* Room for a fact that goes out as it is. */
struct core_fact *sim_feed_direct(
        struct sim_world *w, enum core_fact_kind kind, enum core_source source, uint16_t cluster);
void sim_feed_wake(struct sim_world *w, int64_t at_ns);
void sim_feed_start(struct sim_world *w);  /* a new core */
void sim_feed_policy(struct sim_world *w); /* with its windows */
void sim_feed_approval(struct sim_world *w, const struct sim_approval *a);
void sim_feed_step(struct sim_world *w, uint64_t generation);
void sim_feed_relist(struct sim_world *w, uint16_t cluster, enum core_source source);
int64_t sim_feed_wall(const struct sim_world *w); /* the controller's clock */

void sim_act(struct sim_world *w, const struct core_action *action);
void sim_act_write(struct sim_world *w, uint32_t write);
uint32_t sim_config_find(
        const struct sim_world *w, uint16_t cluster, enum core_config_map map, struct str key);

/* -- audit.c: the world's own checks of its controller ------------------------------------------
 */

void sim_audit_eviction(struct sim_world *w, uint32_t pod); /* is being carried out */
void sim_audit_claim(struct sim_world *w, uint32_t node);   /* its annotation was written */
/* Its MIG label was written, as the controller asked for by its own clock. */
void sim_audit_mig(struct sim_world *w, uint32_t node, int64_t asked_wall_ns);
void sim_audit_step(struct sim_world *w); /* after each step of the controller */

void sim_fault_count(
        struct sim_world *w, enum sim_fault f, enum core_action_kind kind, uint32_t node);
/* The fault that strikes the write `a` of the step that was just made, or SIM_FAULT_COUNT. */
enum sim_fault sim_fault_write(struct sim_world *w, const struct core_action *a);
/* True when the controller dies here, between two actions. */
bool sim_fault_kill(struct sim_world *w);
/* A fault that is none of a write happens now: of a node-hour to `node`, of a batch to what is told
 * from now on.  False when there is nothing that it could hit. */
bool sim_fault_strike(struct sim_world *w, uint32_t node, enum sim_fault f);
void sim_fault_batch(struct sim_world *w, bool has_samples);
void sim_fault_hour(struct sim_world *w); /* node-hours: deaths, armed MIG faults, XIDs */

/* -- reclaim.c: spot nodes --------------------------------------------------------------------
 */

void sim_reclaim_hour(struct sim_world *w);
void sim_reclaim_notice(struct sim_world *w, uint32_t node);

/* -- cover.c: the table of (step kind, rollout state, fault) ----------------------------------
 */

/* Where the rollouts are, and what is in force; stepped: right after the controller's step. */
void sim_cover_mark(struct sim_world *w, bool stepped);
void sim_cover_strike(struct sim_world *w, uint32_t node, enum sim_fault f);
/* Before the controller is dropped; early: nothing that its last step asked for has left it. */
void sim_cover_kill(struct sim_world *w, bool early);
void sim_cover_write(struct sim_world *w, const struct core_action *a, enum sim_fault f);
/* Draws a cell where the fault waits for a rollout; false when it waits there already. */
bool sim_cover_lie_in_wait(struct sim_world *w, struct prng *rng, enum sim_fault f);
/* The write fault that waited for the cell of `a`, or SIM_FAULT_COUNT. */
enum sim_fault sim_cover_spring_write(struct sim_world *w, const struct core_action *a);
/* True when a kill waited for a cell that a rollout came to in the step just made. */
bool sim_cover_spring_kill(struct sim_world *w);

/* -- report.c --------------------------------------------------------------------------------- */

void sim_report_init(struct sim_world *w);
void sim_report_wait(struct sim_world *w, int64_t wait_ns);
void sim_report_map(const struct sim_world *w, struct arena *a, struct report_result *r);
void sim_report_names(const struct sim_world *w, struct arena *a, struct report_result *r);

#endif
