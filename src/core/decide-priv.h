/* core/decide-priv.h - the deciding half of the core: its memory and the parts that share it.
 *
 * Pure.  Private to core/decide*.c.
 *
 *   decide.c         life, one run, the solve's coming and going
 *   decide_learn.c   facts -> what owners and pods were seen to use
 *   decide_judge.c   may an owner share, and with how many: hard rules, then numbers
 *   decide_heat.c    shared GPUs that are too busy; replica counts taken back
 *   decide_memory.c  reserves, and the chance that pods which meet take too much
 *   decide_way.c     the ways in which owners may be served, the problem made of them
 *   decide_wish.c    the answer: where each owner is wished to be pointed
 *   decide_reach.c   what of their savings leaves as whole nodes
 *   decide_pool.c    the nodes and pools of now, counted afresh in each run
 *   decide_node.c    pool capacity: share, raise, unshare, retire
 *   decide_migpool.c MIG pools: instances wanted, nodes cut up for them in windows
 *   decide_hold.c    memory alarms, holds and releases on shared nodes
 *   decide_device.c  native caps: admission, relief, emptying of nodes
 *   decide_class.c   class caps: which class of shares each owner is pointed to
 *   decide_classnode.c  class caps: nodes closed for memory, emptied to concentrate
 *   decide_guard.c   questions of the rollout half
 *   decide_out.c     intents and refusals with their texts */
#ifndef CORE_DECIDE_PRIV_H
#define CORE_DECIDE_PRIV_H

#include "base/arena.h"
#include "base/map.h"
#include "base/num.h"
#include "core/core.h"
#include "core/intent.h"
#include "core/picture.h"
#include "core/share.h"
#include "model/gpu.h"
#include "place/problem.h"
#include "usage/attribution.h"
#include "usage/classify.h"
#include "usage/digest.h"
#include "usage/joint.h"

enum {
    DECIDE_POOL_NAME_MAX = 40,
    DECIDE_POOLS_MAX = 512,
    DECIDE_REFUSALS_MAX = 64, /* a run */
    DECIDE_NO_GPU = UINT16_MAX,
    DECIDE_WINDOW = 64,         /* recent readings of a pod */
    DECIDE_GPU_CACHE = 8,       /* answers kept by GPU model */
    DECIDE_RISK_MEMBERS = 17,   /* 16 pods and one more: larger sets are reckoned anew */
    DECIDE_RISKS = 1024,        /* answers kept about sets of pods */
    DECIDE_REPLICAS_LIMIT = 16, /* more pods a GPU than that were never tried on hardware */
};

/* TUNING: how far pods of one owner are busy together, of 1000: near the mean correlation of the
 * genai trace's pods. */
enum { DECIDE_TOGETHER_PERMILLE = 100 };

/* TUNING: what is added to peaks while no sibling is old enough to tell how far pods grow; see
 * decide_hold.c. */
enum { DECIDE_UNRIPE_GROWTH_PERMILLE = 250 };

/* How an owner is, or should be, served. */
struct decide_way {
    enum model_technique technique;
    uint16_t gpu; /* GPU table index; DECIDE_NO_GPU: any that the owner allows (exclusive only) */
    uint8_t tier; /* time-slicing: which pool; MIG: decide_tier_replicas() */
    uint8_t profile; /* MIG */
    uint16_t
            replicas; /* time-slicing: the most that the owner bears; MIG: on an instance; else 1 */
};

/* Pods on one instance of a MIG pool's nodes: its name says it, so that it never changes. */
static inline uint32_t decide_tier_replicas(uint8_t tier)
{
    return 1u << tier;
}

/* How many pods of an owner a GPU bears by joint busy time; kept for half an hour. */
struct decide_busy {
    int64_t wall_ns; /* 0 = empty */
    uint32_t asked, target_permille;
    uint16_t gpu, replicas;
    uint32_t conflict_ppm, next_ppm; /* at `replicas`, and with one more */
    uint32_t size_ppm;               /* part of a GPU's busy time that a pod stands for */
};

/* How many pods of an owner a GPU's memory bears; holds while what it was asked with is the same.
 */
struct decide_borne {
    bool filled;
    uint64_t version; /* decide_owner.memory_version */
    uint32_t limit_mib, most, risk_limit_ppm, declared_mib;
    bool preallocates;
    uint16_t replicas;                        /* 0 = none */
    uint32_t reserve_mib, risk_ppm, next_ppm; /* chance of too much at `replicas`; with one more */
};

/* The chance that a set of pods takes more than a limit, kept while nothing about them changed. */
struct decide_risk {
    uint32_t count, limit_mib, ppm; /* count 0 = empty */
    struct decide_risk_member {
        uint64_t owner_version, pod_version; /* pod 0 = one that is to come */
        uint64_t floor_mib;
    } members[DECIDE_RISK_MEMBERS];
};

/* Class caps: where an owner is wished to be pointed. */
struct decide_class_wish {
    bool set;
    bool shared;             /* else to whole GPUs */
    bool urgent;             /* a measured signal: the class bears less than it was made for */
    struct core_share share; /* when shared */
    enum core_reason reason;
    uint32_t doubts;       /* looks in a row that found the class of now too small */
    int64_t since_wall_ns; /* when this target was first wished */
    uint32_t reserve_mib, limit_mib, conflict_ppm;
    int64_t cost_now, saving; /* micro-USD an hour, of the owner's usual pods */
};

struct decide_owner {
    uint64_t uid; /* 0 = free row */
    struct usage_digest digest;
    struct usage_trust trust;
    uint64_t readings;
    struct usage_guess guess; /* of its class; refreshed at each solve */
    uint64_t memory_version;  /* core_decider.memory_version of the last change of what is known */
    struct decide_busy busy[DECIDE_GPU_CACHE];
    struct decide_borne borne[DECIDE_GPU_CACHE];
    uint32_t kills;
    int64_t kill_wall_ns;  /* of the last, 0 = none */
    int64_t tight_wall_ns; /* when an instance that it shares was last seen short of memory, 0 =
                              never */
    uint32_t peak_pods[2]; /* the most alive at once: of this half day, of the two before */
    uint32_t peak_older;
    uint32_t pods_mean_milli; /* alive, mean over about half a day */
    int64_t pods_mean_wall_ns;
    int64_t peak_half_day;
    uint32_t pods_ended;
    int64_t life_sum_ns; /* of the ended pods */
    bool way_set;
    struct decide_way way; /* wanted, when way_set */
    int64_t way_since_wall_ns;
    uint32_t size_ppm;        /* part of a GPU's busy time that a pod of it stands for */
    uint32_t bears;           /* pods of it that a GPU of its shared pool bears; 0 = not judged */
    bool bears_measured;      /* on readings that still hold; else it is kept from before */
    uint32_t way_doubts;      /* solves in a row that would rather stay */
    int64_t way_cost_now;     /* micro-USD an hour of the way of then, when the wish was made */
    bool way_forced;          /* a hard rule asks for it: it need not save */
    int64_t way_saving;       /* micro-USD an hour, expected when it was chosen */
    enum core_reason refused; /* last refusal told, so that it is told once */
    struct decide_class_wish class_wish;
};

struct decide_pod {
    uint64_t uid;  /* 0 = free row, or a name that waits for its next pod */
    uint64_t name; /* of a StatefulSet's pod: hash of owner and name, else 0; its successor goes on
                    * with what was learned */
    uint64_t owner;
    uint64_t node;        /* where it was last; 0 = nowhere yet */
    int64_t born_wall_ns; /* start of the first pod of this row */
    struct usage_memory_track track;
    uint64_t memory_version;               /* as its owner's, of its own track; never 0 */
    struct usage_histogram busy;           /* own readings, reference permille */
    uint16_t recent[DECIDE_WINDOW];        /* by minute % DECIDE_WINDOW: the highest of it */
    uint32_t recent_minute[DECIDE_WINDOW]; /* which minute that is; 0 = none */
    int64_t sampled_wall_ns;
    uint32_t memory_mib; /* last own reading */
    bool ended;
    uint8_t gpu;    /* physical GPU by the last sample that named it; 255 = unknown */
    uint32_t moves; /* by us on `move_day` */
    int64_t move_day;
};

enum decide_mode { DECIDE_MODE_OTHER, DECIDE_MODE_EXCLUSIVE, DECIDE_MODE_SHARED, DECIDE_MODE_MIG };

/* A node as the controller sees it in this run; index as in the picture. */
struct decide_node {
    enum decide_mode mode;
    uint32_t pool; /* index into decide_run.pools, CORE_NO_INDEX for exclusive nodes */
    uint32_t replicas;
    uint32_t slots;   /* of its mode: GPUs, or GPUs x replicas, or instances */
    uint32_t used;    /* of them, by pods that are not ended */
    uint32_t leaving; /* of those, by pods that are terminating */
    uint32_t room;    /* of those left, what CPU and RAM let the pool's pods use */
    uint32_t cpu_free, ram_free;
    bool usable;             /* ours, ready, no other owner, not frozen */
    bool busy_rollout;       /* a rollout runs on it ... */
    enum core_change change; /* ... of this kind */
    bool entering;           /* on its way into `pool` */
    bool closed;             /* cordoned, held, retiring or changing: takes no new pods */
    bool retiring, held;
    bool movable;      /* its pods may be evicted by us */
    bool settled;      /* dwell is over */
    uint32_t promised; /* free slots that pods which wait will take */
    bool taken;        /* chosen for a change in this run */
};

/* A pool of now. */
struct decide_pool {
    uint16_t cluster, gpu;
    enum model_technique technique;
    uint8_t tier;
    char name[DECIDE_POOL_NAME_MAX];
    uint32_t hard;               /* replicas by memory and policy; 0 = not judged */
    bool guessed;                /* some owner is not judged on readings that hold */
    uint64_t weight, size_ppm;   /* usual pods of its owners x 1000, and their sizes added up */
    uint32_t replicas;           /* wanted */
    uint32_t owners;             /* whose template points here */
    uint32_t lasting;            /* pods, alive or expected, of owners that keep a count */
    uint32_t cpu_milli, ram_mib; /* of the largest pod that may come */
    uint32_t pods;               /* alive here */
    uint32_t pending;            /* of them, not bound */
    uint32_t stuck;              /* of those, found no place though the scheduler had its time */
    uint32_t want;               /* slots: pods alive or expected, and the spare */
    uint32_t have;               /* slots on nodes that stay, in use or open */
    uint32_t open;               /* free slots that take pods now */
    uint32_t want_profile[MIG_PROFILES_MAX]; /* MIG */
};

/* What lasts between runs about a pool. */
struct decide_pool_memory {
    char name[DECIDE_POOL_NAME_MAX];
    uint16_t cluster;
    uint64_t node;                 /* taken last, see decide_node.c */
    int64_t surplus_since_mono_ns; /* 0 = no surplus */
    uint32_t replicas;             /* now in force */
    uint32_t next_replicas;        /* wanted since ... */
    int64_t next_since_mono_ns;
};

/* The instances that a node will have once it is cut: what was last asked of it. */
struct decide_promise {
    uint64_t node;
    uint32_t counts[MIG_PROFILES_MAX];
};

/* How often a node's shared GPUs were full, by half hours: the present one and the one before. */
struct decide_heat {
    uint64_t node; /* 0 = free row */
    struct decide_heat_gpu {
        int64_t half_hour;
        uint16_t seen[2], full[2]; /* readings */
    } gpus[CORE_GPUS_MAX];
};

enum { DECIDE_PROMISES_MAX = 256 };

struct core_decider {
    struct core_options options;
    bool planted;                        /* some plant_bug of the options is set */
    struct map_u64 owner_rows, pod_rows; /* uid -> row */
    struct map_u64 pod_names;            /* decide_pod.name -> row */
    struct decide_owner *owners;
    uint32_t owner_count, owner_cap;
    struct decide_pod *pods;
    uint32_t pod_count, pod_cap;
    uint32_t *pod_free; /* free rows of pods */
    uint32_t pod_free_count;
    uint64_t memory_version;   /* counts changes of memory tracks, over all owners */
    struct decide_risk *risks; /* DECIDE_RISKS, by hash */
    struct decide_pool_memory pool_memory[DECIDE_POOLS_MAX];
    uint32_t pool_memory_count;

    bool dirty; /* something but samples changed since the last run of the controller */
    int64_t control_mono_ns;
    int64_t solve_mono_ns; /* when the last solve was asked for; INT64_MIN = never */
    bool solving;
    uint64_t solve_count;
    int64_t class_mono_ns; /* class caps: when owners were last looked at; INT64_MIN = never */
    int64_t pack_mono_ns;  /* native: when a node was last emptied; INT64_MIN = never */
    struct arena *problem_arena;
    struct place_problem *problem; /* open solve, in problem_arena */

    struct arena *scratch;     /* one run's memory */
    struct decide_pool *pools; /* DECIDE_POOLS_MAX, of one run */
    struct core_intent *intents;
    uint32_t intent_count, intent_cap;
    struct core_decision refusals[DECIDE_REFUSALS_MAX];
    uint32_t refusal_count;
    struct map_u64 raising;  /* node uid -> the replicas that it was last asked to have */
    struct map_u64 entering; /* node uid -> pool_memory row: the pool that we last gave it to */
    struct decide_promise promises[DECIDE_PROMISES_MAX]; /* a ring */
    uint32_t promise_next;
    struct map_u64 heat_rows; /* node uid -> row */
    struct decide_heat *heats;
    uint32_t heat_count, heat_cap;
    struct map_u64 pressed; /* node uid -> minute of its last memory alarm or kill */
    struct map_u64 left;    /* node uid -> second in which a pod last left it */
    struct map_u64 told;    /* hash of a refusal -> 1: told once until it changes */
};

/* One run: what the parts pass around. */
struct decide_run {
    struct core_decider *d;
    const struct core_picture *pic;
    const struct core_now *now;
    const struct policy *policy;
    struct decide_node *nodes; /* by picture index */
    struct decide_pool *pools;
    uint32_t pool_count;
};

/* ---- decide.c ---- */
const struct decide_promise *decide_promise_find(const struct core_decider *d, uint64_t node);
void decide_promise_set(struct core_decider *d, uint64_t node, const uint32_t *counts);

/* ---- decide_learn.c ---- */

/* The most pods that the owner had alive within the last day or so. */
uint32_t decide_owner_peak(const struct decide_owner *row);
void decide_learn_counts(struct decide_run *run);
struct decide_owner *decide_owner_find(const struct core_decider *d, uint64_t uid);
struct decide_pod *decide_pod_find(const struct core_decider *d, uint64_t uid);
void decide_learn_sample(
        struct core_decider *d, const struct core_picture *pic, const struct core_fact *fact);
void decide_learn_pod(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_fact *fact);
void decide_learn_history(struct core_decider *d, const struct core_picture *pic,
        const struct core_history_fact *history);
void decide_learn_incident(
        struct core_decider *d, const struct core_picture *pic, const struct core_fact *fact);
void decide_forget(
        struct core_decider *d, const struct core_now *now, const struct core_fact *fact);

/* ---- decide_judge.c ---- */

/* The class that an owner is treated as: declared, else inferred. */
enum model_class decide_owner_class(const struct core_decider *d, const struct core_owner_fact *o);

uint32_t decide_conflict_allowed_ppm(const struct policy *p);
/* The numbers behind a judgement, for texts and evidence. */
struct decide_judgement {
    enum core_reason reason; /* NONE = allowed */
    uint16_t replicas;       /* the most that is allowed */
    uint32_t reserve_mib, limit_mib;
    uint32_t memory_ppm, memory_next_ppm; /* chance that peaks pass the limit; with one more */
    /* Share of time in which pods pass the target together while none does alone: at `replicas`,
     * with one more, and what the policy's percentile allows. */
    uint32_t conflict_ppm, conflict_next_ppm, conflict_allowed_ppm;
    uint32_t size_ppm;        /* part of a GPU's busy time that a pod stands for */
    uint16_t replicas_memory; /* the most by memory and policy */
    int64_t history_ns;
    uint32_t error_permille;
    uint8_t profile;                                        /* MIG: the smallest that will do */
    uint32_t compute_need_permille, compute_given_permille; /* SMs while busy, of the whole GPU */
    uint32_t slow_permille; /* another model: how much longer the same work takes */
};

/* May the owner be time-sliced on `gpu`, and with how many of its pods on a GPU? */
struct decide_judgement decide_judge_shared(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *owner, uint16_t gpu);

/* What the owner is, for sharing: rules that no number changes. */
enum core_reason decide_judge_kind(
        const struct core_decider *d, const struct policy *p, const struct core_owner_fact *owner);

/* A MIG instance for `replicas` pods of an owner on a GPU model. */
struct decide_slice {
    uint16_t gpu;
    uint32_t replicas; /* 1 = an instance of its own */
};
/* May it have that?  profile of what is returned: the smallest that will do. */
struct decide_judgement decide_judge_mig(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *owner, struct decide_slice slice);
/* Whether the joint busy time of `pods` pods with this demand, on hardware of this speed (1000 =
 * the reference GPU), stays within the policy; with its numbers. */
struct decide_demand {
    const struct usage_digest *digest;
    uint32_t speed_permille, pods;
};
bool decide_busy_fits(
        const struct policy *p, const struct decide_demand *demand, struct decide_judgement *j);

/* The same for history alone: NONE, GUARD_HISTORY or GUARD_STALE. */
enum core_reason decide_judge_history(const struct policy *p, const struct core_now *now,
        const struct decide_owner *row, struct decide_judgement *j);

/* ---- decide_heat.c ---- */
/* sharers: pods that are or may be on the device, besides those that the reading names. */
void decide_heat_take(struct core_decider *d, const struct core_sample_fact *s, uint32_t sharers,
        int64_t wall_ns);
void decide_heat_forget(struct core_decider *d, uint64_t node);
/* Closes nodes whose GPUs are full too often, and takes replica counts back. */
void decide_lower(struct decide_run *run);

/* ---- decide_memory.c ---- */

/* GPU memory that the policy lets pods use together, MiB of one GPU. */
uint32_t decide_memory_limit(const struct policy *p, uint16_t gpu);

/* What to keep for a pod: with its own track when it has one, else for a newcomer of the owner. */
struct usage_reserve decide_reserve(const struct policy *p, const struct decide_owner *row,
        const struct core_owner_fact *owner, const struct decide_pod *pod);

/* The quantile of siblings' peaks that a pool reserves for a pod, permille. */
uint32_t decide_memory_quantile(const struct policy *p);
/* The chance, ppm, that peaks which meet on a GPU may pass its memory, when a pool is dimensioned;
 * 0 = never. */
uint32_t decide_memory_risk_limit(const struct policy *p);

/* Pods of the owner that a GPU's memory bears; valid until the next call. */
const struct decide_borne *decide_memory_borne(const struct policy *p, struct decide_owner *row,
        const struct core_owner_fact *owner, uint16_t gpu);

struct decide_gpu_set;
/* The chance, ppm, that the peaks of the pods on a GPU and of one more of owner row `owner` pass
 * `limit_mib`. */
uint32_t decide_memory_risk_with(const struct decide_run *run, const struct decide_gpu_set *set,
        uint32_t owner, uint32_t limit_mib);
/* Is anything known of what every pod on the GPU, and the next one, may come to take?  After a
 * restart it may not be: the reading of a shared GPU is nobody's own. */
bool decide_reserves_known(
        const struct decide_run *run, const struct decide_gpu_set *set, uint32_t owner);

/* ---- decide_match.c ---- */

/* GPU table rows. */
struct decide_models {
    uint16_t from, to;
};

/* How much longer work takes on `to`, permille; 1000 when it is not slower. */
uint32_t decide_match_slowdown(uint16_t from, uint16_t to);
/* What an hour of the owner's work costs on a GPU at `gpu_price`, micro-USD. */
int64_t decide_match_cost(const struct core_decider *d, const struct core_owner_fact *o,
        int64_t gpu_price, uint32_t slow_permille);
/* May the owner's pods have whole GPUs of `models->to` instead of `models->from`? */
struct decide_judgement decide_judge_match(const struct core_decider *d, const struct policy *p,
        const struct core_now *now, const struct core_owner_fact *o,
        const struct decide_models *models);

/* ---- decide_way.c ---- */

/* Whether the template shows what is wanted. */
bool decide_way_shown(const struct decide_way *wanted, const struct core_owner_fact *owner);

/* The way that the owner's template asks for today. */
struct decide_way decide_way_now(const struct core_owner_fact *owner);
bool decide_way_eq(const struct decide_way *a, const struct decide_way *b);

/* Of one GPU of the kind, micro-USD an hour. */
int64_t decide_gpu_price(const struct place_kind *kind);

/* Builds the problem of the regular solve into d->problem_arena; NULL when there is nothing. */
struct place_problem *decide_problem_build(struct decide_run *run);

/* ---- decide_wish.c ---- */

/* Takes the ways of a valid solution over, where they gain enough. */
void decide_ways_take(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct place_solution *solution);

/* Emits OWNER intents where the template differs from the way wanted. */
void decide_owners_point(struct decide_run *run);

/* ---- decide_reach.c ---- */

/* By owner index, in ppm: what of the saving of owners that are asked to share becomes money,
 * because their nodes can go or their pods wait; 1,000,000 for all others.  Of the scratch. */
uint32_t *decide_reach(struct decide_run *run);

/* ---- decide_pool.c ---- */
void decide_pool_name(enum model_technique technique, uint16_t gpu, unsigned tier,
        char ret_name[DECIDE_POOL_NAME_MAX]);
/* False when `name` is no pool name of ours. */
bool decide_pool_parse(
        struct str name, enum model_technique *ret_technique, uint16_t *ret_gpu, uint8_t *ret_tier);
/* How many of `slots` the largest pods of the pool can use, given free CPU and RAM. */
uint32_t decide_pool_room(
        const struct decide_pool *pool, uint32_t slots, uint32_t cpu, uint32_t ram);
/* The run's pool of that name, made when new; CORE_NO_INDEX when the name is not ours. */
uint32_t decide_pool_get(struct decide_run *run, uint16_t cluster, struct str name);
/* The pod waits for a place and the scheduler found none. */
bool decide_pod_waits(const struct core_pod_view *pod);
/* As well, and the scheduler had its time to try again. */
bool decide_pod_stuck(const struct decide_run *run, const struct core_pod_view *pod);
/* May the controller evict this pod to gain something? */
bool decide_pod_movable(const struct decide_run *run, uint32_t pod);
void decide_pools_count(struct decide_run *run);
struct decide_pool_memory *decide_pool_remember(
        struct core_decider *d, const struct decide_pool *pool);
/* Writes the node's MIG layouts of now into ret_target (by physical GPU, profiles only). */
void decide_layouts_now(
        const struct core_picture *pic, uint32_t node, struct core_node_target *ret_target);
bool decide_of_mig(const struct model_resource *r);
/* MIG instances behind what a node offers of a resource, 0 for others: with several pods on one,
 * there are fewer. */
uint32_t decide_instances(const struct core_node_fact *f, const struct core_resource_count *c);
/* Whether saving `gain` of `cost_now` (micro-USD an hour) is worth a change to the policy. */
bool decide_gains(const struct policy *policy, int64_t cost_now, int64_t gain);
/* True when every pod of the node would find a free slot on other nodes of the same mode and pool,
 * CPU and RAM included. */
bool decide_pods_fit_elsewhere(const struct decide_run *run, uint32_t node);

/* ---- decide_device.c ---- */

/* Native caps: where pending pods go, which GPUs are relieved, which nodes are emptied. */
void decide_devices(struct decide_run *run);

/* ---- decide_class.c, decide_classnode.c ---- */

/* True for a node whose GPUs the scheduler shares by class, and that we may use. */
bool decide_class_node(const struct core_node_view *view);
/* Class caps: points owners to classes of shares, or back. */
void decide_classes(struct decide_run *run);
/* Would every pod of the node have room on the open class nodes of its cluster that have pods? */
bool decide_class_room(const struct core_picture *pic, struct arena *scratch, uint32_t node);
/* Class caps: memory alarms and holds; nodes emptied onto others. */
void decide_class_nodes(struct decide_run *run);

/* ---- decide_migpool.c ---- */
bool decide_in_window(const struct core_picture *pic, const struct core_now *now);
const struct mig_model *decide_mig_model(uint16_t gpu); /* NULL when it has none */
void decide_mig_pools(struct decide_run *run);

/* ---- decide_node.c, decide_hold.c ---- */
/* How long a surplus must have lasted before a node with so many pods is emptied. */
int64_t decide_surplus_after(const struct decide_run *run, uint32_t pods);
void decide_retire(struct decide_run *run, uint32_t node, const char *from, uint32_t spare);
void decide_capacity(struct decide_run *run);
void decide_holds(struct decide_run *run);
/* Memory ran short on the node: nobody is let in for a while, lest the pod that left comes back. */
void decide_press(struct core_decider *d, uint64_t node, int64_t wall_ns);

bool decide_pressed(const struct decide_run *run, uint32_t node);
/* The chance, ppm, that one more pod is too many for a GPU, above which it is not let in. */
uint32_t decide_hold_risk_limit(const struct policy *p);

/* What is on one shared GPU. */
struct decide_gpu_set {
    uint32_t pods[USAGE_SHARERS_MAX]; /* picture rows */
    uint32_t count;
    bool known; /* which pods are on it */
};
void decide_gpu_set_collect(
        const struct decide_run *run, uint32_t node, uint8_t gpu, struct decide_gpu_set *set);
/* Evicts a pod when the memory in use on a shared GPU passes the policy's alarm. */
void decide_alarm_check(struct decide_run *run, uint32_t node, uint8_t gpu);

/* Whether one more pod has room. */
enum decide_fit { DECIDE_FITS, DECIDE_FITS_NOT, DECIDE_FIT_UNKNOWN };
/* By the memory in use on the GPU: UNKNOWN without a fresh reading.  Where there is no room the
 * node is closed for a while, since what is in use goes up and down. */
enum decide_fit decide_fit_measured(
        struct decide_run *run, uint32_t node, uint8_t gpu, uint32_t need_mib);
/* Asks for what follows: a node without room is closed, and stays so (a hold that nobody asks for
 * again is lifted); one with room is opened; one of which it is not known stays as it is, which is
 * told once.  The intent, for its reasons; NULL where there is none. */
struct core_intent *decide_hold_intent(struct decide_run *run, uint32_t node, enum decide_fit fit);
/* ---- decide_out.c ---- */
struct core_intent *decide_intent_new(struct core_decider *d, enum core_intent_kind kind,
        enum core_change change, enum core_reason reason);
/* The intent's one line for people; what is too long is cut. */
void decide_why(struct core_intent *intent, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
/* A view for "%.*s", at most 40 bytes of it. */
#define DECIDE_NAME(s) (int)num_min_u32((uint32_t)(s).len, 40), (s).ptr != NULL ? (s).ptr : ""
void decide_evidence(struct core_intent *intent, const char *name, int64_t value);
/* Starts a NODE intent that keeps the node as it is; the caller changes what it wants. */
struct core_intent *decide_node_intent(
        struct decide_run *run, uint32_t node, enum core_change change, enum core_reason reason);
void decide_refusal_evidence(struct core_decision *decision, const char *name, int64_t value);
/* Records a refusal, once until the subject's refusal changes;
 * NULL when it was told already. */
struct core_decision *decide_refuse(struct core_decider *d, const struct core_now *now,
        enum core_change change, enum core_reason reason, uint64_t subject);
/* It is refused no more: the next refusal is told again. */
void decide_refusal_over(struct core_decider *d, enum core_change change, uint64_t subject);

#endif
