/* sim/sim.h - virtual Kubernetes with NVIDIA's parts under a virtual clock; drives the real core.
 *
 * Pure and deterministic: the same configuration and seed give the same bytes (but for the wall
 * time and memory that the caller measures).  What is modelled, from which source, and what is not:
 * docs/SIMULATION.md.  Each concern draws from a random stream of its own, so faults do not move
 * workloads and workloads do not move faults. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "core/core.h"
#include "core/rollout.h"
#include "report/result.h"
#include "sim/scenario.h"

enum sim_caps { SIM_CAPS_OPERATOR, SIM_CAPS_DRA, SIM_CAPS_NATIVE, SIM_CAPS_COUNT };

const char *sim_caps_name(enum sim_caps c);
int sim_caps_parse(struct str text, enum sim_caps *ret_caps, struct err *reterr);

/* Who decides in a run. */
enum sim_regime {
    SIM_REGIME_ONE_GPU_A_POD, /* nobody: pods keep their whole GPUs */
    SIM_REGIME_TIMESLICING_X4,
    SIM_REGIME_ALL_1G,
    SIM_REGIME_CORE,
    SIM_REGIME_COUNT
};

/* What may go wrong, counted each. */
enum sim_fault {
    SIM_FAULT_REJECTED_409,
    SIM_FAULT_REJECTED_429,
    SIM_FAULT_REJECTED_500,
    SIM_FAULT_UNKNOWN_DONE, /* the write happened, the answer was lost */
    SIM_FAULT_UNKNOWN_LOST, /* neither */
    SIM_FAULT_FACTS_LATE,
    SIM_FAULT_SAMPLES_LOST,
    SIM_FAULT_SAMPLES_STALE, /* an old reading comes again, with its old time */
    SIM_FAULT_WATCH_LOST,    /* SYNC lost, later a full list and SYNC complete */
    SIM_FAULT_CONFIG_LAG,    /* kubelet sees a ConfigMap later than the usual lag */
    SIM_FAULT_NODE_DEATH,
    SIM_FAULT_MIG_STUCK,  /* pending for good */
    SIM_FAULT_MIG_FAILED, /* state failed */
    SIM_FAULT_MIG_LIES,   /* state success, nothing made */
    SIM_FAULT_CLOCK_JUMP, /* wall clock steps by up to an hour and back */
    SIM_FAULT_KILLED,     /* the controller dies at an action; a new one starts with nothing */
    SIM_FAULT_XID_APPLICATION,
    SIM_FAULT_XID_GPU,
    SIM_FAULT_COUNT
};

const char *sim_fault_name(enum sim_fault f);

/* Which faults struck which writes, while the node was in which kind of rollout. */
struct sim_coverage {
    uint64_t faults[SIM_FAULT_COUNT];
    /* [action kind][change of the rollout that the node is in, or CORE_CHANGE_COUNT][fault] */
    uint64_t cells[CORE_ACTION_COUNT][CORE_CHANGE_COUNT + 1][SIM_FAULT_COUNT];
    uint64_t actions;
    /* [step kind][state of the rollout][fault], and how often a rollout came to (step, state):
     * sim/cover.c says when a fault counts in a cell. */
    uint64_t table[CORE_STEP_COUNT][CORE_ROLLOUT_STATE_COUNT][SIM_FAULT_COUNT];
    uint64_t visits[CORE_STEP_COUNT][CORE_ROLLOUT_STATE_COUNT];
};

/* The cells of that table that no run may ever fill. */
struct sim_cells {
    bool unreachable[CORE_STEP_COUNT][CORE_ROLLOUT_STATE_COUNT][SIM_FAULT_COUNT];
};

/* Reads a list of them: a line is STEPS STATES FAULTS REASON, the first three comma-separated names
 * ("wait-*": all that begin so), the reason free text that is not empty; '#' begins a comment line.
 * Returns 0; -EINVAL with "line N: ..." for anything else, a name that matches nothing included. */
int sim_cells_parse(struct str text, struct sim_cells *ret_cells, struct err *reterr);

/* One step of the controller as it was: for recorders.  Views are valid during the call. */
struct sim_step {
    uint64_t step; /* 0-based, over restarts */
    const struct core_now *now;
    const struct core_fact *facts;
    uint32_t fact_count;
    bool restarted; /* this step is the first of a new core */
    const struct core_output *output;
    const struct core *core;
};

struct sim_config {
    const struct sim_scenario *scenario;
    const struct policy *policy;
    const struct model_price_book *prices; /* NULL or empty: the scenario's own prices and ours */
    enum sim_caps caps;
    uint64_t seed;
    int64_t duration_ns;          /* 0 = the scenario's */
    int64_t owner_patch_delay_ns; /* -1 = owners never act */
    uint32_t faults_ppm;          /* of a write, a fact batch, a node-hour each */
    int64_t measure_from_ns;      /* means, kills and evictions count from here */
    bool with_dra, with_native;   /* further runs with those caps */
    bool skip_baselines;          /* only `after` (fault benches) */
    bool skip_bounds;
    uint64_t kill_at_action;  /* tests: the controller dies right after so many actions */
    struct core_options core; /* seed is set from `seed` when 0 */

    /* After step `then_step` the run goes on under the policy, owner_patch_delay_ns and faults_ppm
     * of `then`, which is this configuration otherwise; NULL = it does not. */
    const struct sim_config *then;
    uint64_t then_step;

    void *context; /* of the callbacks below, each may be NULL */
    /* Before a step: may edit the facts in place (what-if).  False ends the run: -ECANCELED. */
    bool (*before_step)(void *context, uint64_t step, struct core_fact *facts, uint32_t count);
    void (*after_step)(void *context, const struct sim_step *step);
    void (*progress)(void *context, const char *run, uint32_t permille);
    struct sim_coverage *coverage; /* added to; may be NULL */
};

/* Runs before, baselines, after (and native), and fills everything of the result but wall time and
 * memory.  Everything in it lives in `a`.
 * Returns 0; -EINVAL for an impossible configuration; -ECANCELED when before_step said so; -ERANGE
 * when the run ends before then_step; -EPROTO when a check failed (the text names seed, step and
 * check; result.violations is set and the rest filled so far). */
int sim_run(const struct sim_config *config, struct arena *a, struct report_result *ret_result,
        struct err *reterr);

/* -- one world, step by step: tests, replay, simulate --from ------------------------------------
 */

struct sim_world;

struct sim_world *sim_world_new(const struct sim_config *config, enum sim_regime regime);
struct sim_world *sim_world_free(struct sim_world *w); /* returns NULL; NULL is accepted */

/* Goes on to the next step of the controller, or to the end.  Returns 1 when a step was made, 0 at
 * the end, -EPROTO at a violation (see sim_world_violation), -ECANCELED when before_step said so.
 */
int sim_world_step(struct sim_world *w);

/* Goes on until `mono_ns` (capped by the run's end). */
int sim_world_run_until(struct sim_world *w, int64_t mono_ns);

int64_t sim_world_now(const struct sim_world *w); /* mono ns */
uint64_t sim_world_steps(const struct sim_world *w);
const struct core *sim_world_core(const struct sim_world *w); /* NULL without a controller */

/* The check that failed, or NULL; names the object in `ret_uid` (may be NULL). */
const char *sim_world_violation(const struct sim_world *w, uint64_t *ret_uid);

/* Goes on under the policy, owner_patch_delay_ns and faults_ppm of `config`, which must outlive the
 * world and name the same scenario, seed and caps.  A policy that is another object is told to the
 * controller as a new fact, with its windows. */
void sim_world_go_on(struct sim_world *w, const struct sim_config *config);

/* A person approves a plan that the controller proposed (evidence "plan" of the decision).  Told to
 * it now and to each later controller, as an object in the cluster would. */
void sim_world_approve(struct sim_world *w, uint64_t plan);

/* Drops the controller and starts a new one with the next epoch, as a kill does. */
void sim_world_restart_core(struct sim_world *w);

/* Counts for tests: Node objects, nodes whose plugin shares whole GPUs, nodes with MIG GPUs, nodes
 * that are cordoned, pods running and pending. */
struct sim_world_counts {
    uint32_t nodes, nodes_shared, nodes_mig, nodes_cordoned, pods_running, pods_pending;
};
void sim_world_count(const struct sim_world *w, struct sim_world_counts *ret_counts);

/* What the run came to so far; views live in `a`. */
void sim_world_report(const struct sim_world *w, struct arena *a, struct report_run *ret_run);

#endif
