/* bench/faults.c - the loop under faults, over many seeds: what struck where, and that nothing gave
 * way; and for each guard and check, that a bug planted there is noticed.
 *
 *   build/bench/faults --seeds 200 --days 2 --jobs 2 --rate 0.05
 *   build/bench/faults --caps dra|native --seeds 60
 *   build/bench/faults --plant guard-memory | --plant all
 * Exit code 1 when a bar is missed.  docs/FAULTS.md explains the table. */
#include "base/num.h"
#include "cli/input.h"
#include "cli/option.h"
#include "jobs.h"
#include "os/file.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PLANT_SEEDS = 2 }; /* how many seeds a planted bug is given to show */

enum { FAULTS_AT_LEAST = 500, ROLLOUTS_A_DAY = 20, NODES_AT_LEAST = 40, CELLS_BYTES_MAX = 1 << 16 };

struct options {
    struct cli_world_options world;
    uint64_t seeds, first, jobs;
    const char *plant, *unreachable;
};

static const struct cli_option options[] = {
        CLI_WORLD_SCENARIO(struct options, world.scenario, "bench/faults.yaml"),
        {.name = "policy",
                .letter = 'p',
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, world.policy),
                .value_name = "FILE",
                .default_text = "bench/faults-policy.yaml",
                .choices = cli_policy_choices,
                .help = "a preset or a SharingPolicy file"},
        CLI_WORLD_CAPS(struct options, world.caps, "operator"),
        {.name = "rate",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, world.faults),
                .value_name = "RATE",
                .default_text = "0.05",
                .help = "chance of a fault of a write, a fact batch, a node-hour"},
        CLI_WORLD_OWNER_PATCH_DELAY(struct options, world.owner_patch_delay, "0.5"),
        {.name = "days",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, world.days),
                .value_name = "N",
                .default_text = "2",
                .min = 1,
                .max = 366,
                .help = "virtual days"},
        {.name = "seeds",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seeds),
                .value_name = "N",
                .default_text = "200",
                .min = 1,
                .max = 100000,
                .help = "how many seeds"},
        {.name = "first",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, first),
                .value_name = "SEED",
                .default_text = "1",
                .max = UINT32_MAX,
                .help = "the first of them"},
        BENCH_OPTION_JOBS(struct options, jobs),
        {.name = "plant",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, plant),
                .value_name = "REASON",
                .help = "a guard or check to plant a bug in, or all"},
        {.name = "unreachable",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, unreachable),
                .value_name = "FILE",
                .help = "the cells that cannot be, with the reason; default: those of the caps"},
        {0},
};

/* What a seed came to; no pointers, it crosses processes. */
struct outcome {
    struct sim_coverage coverage;
    uint64_t rollouts, undone, abandoned, steps, kills;
    uint32_t nodes; /* that the scenario always has */
    int64_t gpus_mean_milli;
    char violation[sizeof(((struct err *)0)->text)]; /* "" = none */
};

struct run {
    const struct options *options;
    enum core_reason plant; /* NONE = no bug */
    enum core_reason scene; /* the guard that the scenario is changed for */
    bool world_judges;      /* the core's own checks are off */
};

static uint32_t least_nodes(const struct sim_scenario *s)
{
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < s->group_count; i++)
        nodes += s->groups[i].min;
    return nodes;
}

static void take_result(const struct report_result *r, struct outcome *o)
{
    for (unsigned i = 0; i < CORE_CHANGE_COUNT; i++) {
        bool of_a_node = i < CORE_CHANGE_OWNER_POINT;
        o->rollouts += of_a_node ? r->totals.begun[i] : 0;
    }
    o->undone = r->totals.undone;
    o->abandoned = r->totals.abandoned;
    o->steps = r->steps;
    o->kills = r->after.harm.memory_kills;
    o->gpus_mean_milli = r->after.gpus_provisioned_mean_milli;
}

/* Some guards look at what the scenario has none of: this brings it.  Scenario and policy are
 * copied into `a`. */
static void set_scene(struct arena *a, enum core_reason guard, struct sim_config *config)
{
    struct sim_scenario *s = ARENA_NEW(a, struct sim_scenario);
    struct policy *p = ARENA_NEW(a, struct policy);
    *s = *config->scenario;
    *p = *config->policy;
    s->owners = ARENA_ARRAY(a, struct sim_owner_spec, s->owner_count);
    memcpy(s->owners, config->scenario->owners, s->owner_count * sizeof *s->owners);
    for (uint32_t i = 0; i < s->owner_count; i++) {
        struct sim_owner_spec *o = &s->owners[i];
        if (guard == CORE_REASON_GUARD_PREALLOCATES)
            o->preallocates = true;
        if (guard == CORE_REASON_GUARD_ISOLATION)
            o->isolation = MODEL_ISOLATION_EXCLUSIVE;
        if (guard == CORE_REASON_GUARD_TRAINING)
            o->class_declared = MODEL_CLASS_TRAINING;
        if (guard == CORE_REASON_GUARD_MEMORY)
            o->demand.memory_mib = o->demand.memory_peak_mib = 20000;
        if (guard == CORE_REASON_GUARD_BUSY)
            o->demand.active_permille = o->demand.level_permille = 950;
        if (guard == CORE_REASON_GUARD_LATENCY) {
            o->class_declared = MODEL_CLASS_LATENCY_SENSITIVE;
            o->demand.active_permille = o->demand.level_permille = 50;
        }
        if (guard == CORE_REASON_GUARD_BARE_POD && i % 2 == 0 && o->kind == MODEL_OWNER_DEPLOYMENT)
            o->kind = MODEL_OWNER_BARE;
    }
    p->suspend = p->suspend || guard == CORE_REASON_GUARD_SUSPENDED;
    for (unsigned t = 0; t < MODEL_TECHNIQUE_COUNT && guard == CORE_REASON_GUARD_MODE; t++)
        p->mode[t] = POLICY_MODE_RECOMMEND;
    if (guard == CORE_REASON_GUARD_HISTORY)
        p->min_history_ns = 36 * NUM_NS_PER_HOUR;
    if (guard == CORE_REASON_GUARD_GAIN)
        p->min_gain_permille = 700;
    if (guard == CORE_REASON_GUARD_STALE)
        p->stale_after_ns = 1;
    if (guard == CORE_REASON_GUARD_LATENCY)
        p->latency_treatment = MODEL_TECHNIQUE_EXCLUSIVE;
    if (guard == CORE_REASON_GUARD_DWELL)
        p->owner_dwell_ns = 48 * NUM_NS_PER_HOUR;
    if (guard == CORE_REASON_GUARD_BUDGET_NODES || guard == CORE_REASON_CHECK_BUDGET)
        p->max_nodes_in_change = 1;
    if (guard == CORE_REASON_GUARD_BUDGET_EVICTIONS)
        p->max_evictions_per_hour = 2;
    /* Most of the time is outside a window. */
    for (uint32_t i = 0; i < p->window_count; i++) {
        if (guard == CORE_REASON_GUARD_WINDOW || guard == CORE_REASON_CHECK_WINDOW)
            p->windows[i].duration_ns = 10 * 60 * NUM_NS_PER_SECOND;
    }
    config->scenario = s;
    config->policy = p;
}

static int run_seed(uint32_t index, void *ret_result, const void *context)
{
    const struct run *run = context;
    struct outcome *o = ret_result;
    struct cli_world_options world = run->options->world;
    world.seed = run->options->first + index;
    struct arena *a = arena_new((size_t)8 << 30);
    struct sim_config config;
    struct err e = {0};
    struct report_result *result = ARENA_NEW(a, struct report_result);
    int rc = cli_input_load(a, &world, &config, &e);
    config.skip_bounds = true;
    config.skip_baselines = true;
    config.coverage = &o->coverage;
    if (rc == 0 && run->scene != CORE_REASON_NONE)
        set_scene(a, run->scene, &config);
    config.core.plant_bug[run->plant] = run->plant != CORE_REASON_NONE;
    config.core.checks_off = run->world_judges;
    if (rc == 0) {
        o->nodes = least_nodes(config.scenario);
        rc = sim_run(&config, a, result, &e);
    }
    if (rc == 0 || rc == -EPROTO)
        take_result(result, o);
    if (rc == -EPROTO) {
        (void)snprintf(o->violation, sizeof o->violation, "%s", e.text);
    } else if (rc < 0) {
        (void)fprintf(stderr, "faults: seed %llu: %s\n", (unsigned long long)world.seed, e.text);
    }
    (void)arena_free(a);
    return rc == -EPROTO ? 0 : rc;
}

/* -- the table ---------------------------------------------------------------------------------
 */

struct sum {
    struct sim_coverage coverage;
    uint64_t rollouts, rollouts_least, undone, abandoned, steps, kills;
    uint32_t nodes_least, violations;
    int64_t gpus_milli;
};

static void add_up(struct sum *sum, const struct outcome *o)
{
    for (unsigned a = 0; a < CORE_ACTION_COUNT; a++) {
        for (unsigned c = 0; c <= CORE_CHANGE_COUNT; c++) {
            for (unsigned f = 0; f < SIM_FAULT_COUNT; f++)
                sum->coverage.cells[a][c][f] += o->coverage.cells[a][c][f];
        }
    }
    for (unsigned f = 0; f < SIM_FAULT_COUNT; f++)
        sum->coverage.faults[f] += o->coverage.faults[f];
    for (unsigned s = 0; s < CORE_STEP_COUNT; s++) {
        for (unsigned r = 0; r < CORE_ROLLOUT_STATE_COUNT; r++) {
            sum->coverage.visits[s][r] += o->coverage.visits[s][r];
            for (unsigned f = 0; f < SIM_FAULT_COUNT; f++)
                sum->coverage.table[s][r][f] += o->coverage.table[s][r][f];
        }
    }
    sum->coverage.actions += o->coverage.actions;
    sum->rollouts += o->rollouts;
    sum->undone += o->undone;
    sum->abandoned += o->abandoned;
    sum->steps += o->steps;
    sum->kills += o->kills;
    sum->gpus_milli += o->gpus_mean_milli;
    sum->violations += o->violation[0] != '\0';
    if (o->violation[0] == '\0' && o->rollouts < sum->rollouts_least)
        sum->rollouts_least = o->rollouts;
    if (o->nodes < sum->nodes_least)
        sum->nodes_least = o->nodes;
}

/* Where nodes are shared through mig-manager and the device plugin; elsewhere nothing of a node is
 * changed but that it is emptied to go. */
static bool changes_nodes(const struct options *o)
{
    return o->world.caps == SIM_CAPS_OPERATOR;
}

static bool of_mig_manager(unsigned fault)
{
    return fault == SIM_FAULT_MIG_STUCK || fault == SIM_FAULT_MIG_FAILED ||
           fault == SIM_FAULT_MIG_LIES;
}

static bool print_faults(const struct options *o, const struct sum *sum)
{
    bool enough = true;
    uint64_t seeds = o->seeds;
    (void)puts("fault                   count");
    for (unsigned f = 0; f < SIM_FAULT_COUNT; f++) {
        /* The bar is for 200 seeds; fewer are measured in proportion. */
        bool few = sum->coverage.faults[f] * 200 <
                           FAULTS_AT_LEAST * num_min_u32((uint32_t)seeds, 200) &&
                   (changes_nodes(o) || !of_mig_manager(f));
        (void)printf("%-20s %8llu%s\n", sim_fault_name((enum sim_fault)f),
                (unsigned long long)sum->coverage.faults[f], few ? "  too few" : "");
        enough = enough && !few;
    }
    return enough;
}

/* Writes by what they are: a kind that is struck at all must have met every fault of a write. */
static bool print_writes(const struct sum *sum)
{
    bool all = true;
    (void)printf("\n%-16s", "write");
    for (unsigned f = 0; f <= SIM_FAULT_UNKNOWN_LOST; f++)
        (void)printf(" %12s", sim_fault_name((enum sim_fault)f));
    (void)putchar('\n');
    for (unsigned a = 0; a < CORE_ACTION_COUNT; a++) {
        uint64_t by_fault[SIM_FAULT_UNKNOWN_LOST + 1] = {0}, sum_all = 0;
        for (unsigned f = 0; f <= SIM_FAULT_UNKNOWN_LOST; f++) {
            for (unsigned change = 0; change <= CORE_CHANGE_COUNT; change++)
                by_fault[f] += sum->coverage.cells[a][change][f];
            sum_all += by_fault[f];
        }
        if (sum_all == 0)
            continue;
        (void)printf("%-16s", core_action_name((enum core_action_kind)a));
        for (unsigned f = 0; f <= SIM_FAULT_UNKNOWN_LOST; f++) {
            (void)printf(" %12llu", (unsigned long long)by_fault[f]);
            all = all && by_fault[f] > 0;
        }
        (void)putchar('\n');
    }
    return all;
}

/* One line a cell of (step, state); 'x' = cannot be, '!' = cannot be and was, '0' = empty.  True
 * when no cell is empty that could be filled, and none is filled that cannot be. */
static bool print_table(const struct sum *sum, const struct sim_cells *cells)
{
    uint32_t empty = 0, wrong = 0, filled = 0;
    (void)printf("\n%-16s %-9s %8s", "step", "state", "visits");
    for (unsigned f = 0; f < SIM_FAULT_COUNT; f++)
        (void)printf(" %6.6s", sim_fault_name((enum sim_fault)f));
    (void)putchar('\n');
    for (unsigned s = 0; s < CORE_STEP_COUNT; s++) {
        for (unsigned r = 0; r < CORE_ROLLOUT_STATE_COUNT; r++) {
            bool reachable = core_rollout_cell_reachable(s, r);
            bool none = true; /* nothing to tell of this line */
            for (unsigned f = 0; f < SIM_FAULT_COUNT && none; f++)
                none = cells->unreachable[s][r][f] && sum->coverage.table[s][r][f] == 0;
            reachable = reachable && !none;
            if (reachable) {
                (void)printf("%-16s %-9s %8llu", core_step_name(s), core_rollout_state_name(r),
                        (unsigned long long)sum->coverage.visits[s][r]);
            }
            for (unsigned f = 0; f < SIM_FAULT_COUNT; f++) {
                uint64_t count = sum->coverage.table[s][r][f];
                bool dead = cells->unreachable[s][r][f];
                empty += !dead && count == 0;
                wrong += dead && count > 0;
                filled += !dead && count > 0;
                if (reachable && dead) {
                    (void)printf(count > 0 ? " !%5llu" : "      x", (unsigned long long)count);
                } else if (reachable) {
                    (void)printf(" %6llu", (unsigned long long)count);
                }
            }
            if (reachable)
                (void)putchar('\n');
        }
    }
    (void)printf("cells: %u filled, %u empty, %u reached that are listed as unreachable\n", filled,
            empty, wrong);
    return empty == 0 && wrong == 0;
}

/* The list must name every cell of a step that a rollout never is at. */
static bool list_agrees(const struct sim_cells *cells)
{
    bool agrees = true;
    for (unsigned s = 0; s < CORE_STEP_COUNT; s++) {
        for (unsigned r = 0; r < CORE_ROLLOUT_STATE_COUNT; r++) {
            bool any = false, all = true;
            for (unsigned f = 0; f < SIM_FAULT_COUNT; f++) {
                any = any || cells->unreachable[s][r][f];
                all = all && cells->unreachable[s][r][f];
            }
            if (core_rollout_cell_reachable(s, r) == all) {
                (void)printf("the list disagrees with the core on %s %s\n", core_step_name(s),
                        core_rollout_state_name(r));
                agrees = false;
            }
        }
    }
    return agrees;
}

static void print_violations(const struct options *o, const struct outcome *outcomes)
{
    for (uint32_t i = 0; i < o->seeds; i++) {
        if (outcomes[i].violation[0] == '\0')
            continue;
        (void)printf("VIOLATION %s\n  slicewright simulate --scenario %s --policy %s --caps %s "
                     "--owner-patch-delay %s --days %llu --seed %llu --faults %s\n",
                outcomes[i].violation, o->world.scenario, o->world.policy,
                cli_caps_choices[o->world.caps], o->world.owner_patch_delay,
                (unsigned long long)o->world.days, (unsigned long long)(o->first + i),
                o->world.faults);
    }
}

static int read_cells(const struct options *o, struct sim_cells *ret_cells, struct err *reterr)
{
    static const char *const lists[SIM_CAPS_COUNT] = {
            [SIM_CAPS_OPERATOR] = "test/data/faults_unreachable.txt",
            [SIM_CAPS_DRA] = "test/data/faults_unreachable_dra.txt",
            [SIM_CAPS_NATIVE] = "test/data/faults_unreachable_native.txt",
    };
    const char *path = o->unreachable != NULL ? o->unreachable : lists[o->world.caps];
    struct buf text = {0};
    int rc = os_file_read(path, CELLS_BYTES_MAX, &text, reterr);
    if (rc == 0 && sim_cells_parse(buf_str(&text), ret_cells, reterr) < 0)
        rc = err_wrap(reterr, "%s", path);
    buf_clear(&text);
    return rc;
}

static bool report(const struct options *o, const struct outcome *outcomes, const struct sum *sum,
        const struct sim_cells *cells)
{
    char gpus[32];
    print_violations(o, outcomes);
    bool ok = print_faults(o, sum);
    ok = print_writes(sum) && ok;
    ok = print_table(sum, cells) && ok;
    ok = (!changes_nodes(o) || list_agrees(cells)) && ok;
    (void)printf("%llu seeds x %llu days, %u nodes or more, %s GPUs, %llu steps, %llu actions\n",
            (unsigned long long)o->seeds, (unsigned long long)o->world.days, sum->nodes_least,
            str_format_fixed(sum->gpus_milli / (int64_t)o->seeds, 3, gpus),
            (unsigned long long)sum->steps, (unsigned long long)sum->coverage.actions);
    (void)printf("rollouts a day: %llu in the mean, %llu in the least seed; %llu undone, %llu "
                 "abandoned; %llu memory kills\n",
            (unsigned long long)(sum->rollouts / o->seeds / o->world.days),
            (unsigned long long)(sum->rollouts_least / o->world.days),
            (unsigned long long)sum->undone, (unsigned long long)sum->abandoned,
            (unsigned long long)sum->kills);
    (void)printf("violations: %u\n", sum->violations);
    bool many = !changes_nodes(o) || sum->rollouts_least >= ROLLOUTS_A_DAY * o->world.days;
    return ok && many && sum->violations == 0 && sum->nodes_least >= NODES_AT_LEAST;
}

static int bench(const struct options *o, struct err *reterr)
{
    struct run run = {.options = o};
    struct bench_jobs jobs = {
            .count = (uint32_t)o->seeds,
            .processes = (uint32_t)o->jobs,
            .result_size = sizeof(struct outcome),
            .run = run_seed,
            .context = &run,
            .label = "faults",
    };
    static struct sim_cells cells;
    static struct sum sum = {.rollouts_least = UINT64_MAX, .nodes_least = UINT32_MAX};
    void *memory = NULL;
    if (read_cells(o, &cells, reterr) < 0)
        return reterr->code;
    int failed = bench_jobs_run(&jobs, &memory);
    if (failed < 0)
        return err_set(reterr, failed, "no processes: %s", strerror(-failed));
    const struct outcome *outcomes = memory;
    for (uint32_t i = 0; i < jobs.count; i++)
        add_up(&sum, &outcomes[i]);
    bool ok = report(o, outcomes, &sum, &cells);
    (void)printf("%s, %d seeds did not run\n", ok ? "every bar is met" : "a bar is missed", failed);
    bench_jobs_release(&jobs, memory);
    return ok && failed == 0 ? 0 : 1;
}

/* -- planted bugs ------------------------------------------------------------------------------
 */

struct catch
{
    uint32_t seeds; /* how many were run until it was seen; 0 = it was not */
    char by[160];
    char without[160]; /* the same scene without the bug: "" = clean, as it must be */
};

static bool is_guard_or_check(enum core_reason r)
{
    const char *name = core_reason_name(r);
    return strncmp(name, "guard-", 6) == 0 || strncmp(name, "check-", 6) == 0;
}

/* Guards and checks that nothing in this world leads to: its nodes carry no marks of others, and
 * the deciding half never wants what these guards refuse.  A scripted test brings them about. */
static bool scripted(enum core_reason r)
{
    static const enum core_reason list[] = {CORE_REASON_GUARD_FROZEN, CORE_REASON_GUARD_FOREIGN,
            CORE_REASON_GUARD_SELECTOR, CORE_REASON_GUARD_CAPS, CORE_REASON_GUARD_CAPACITY_IN_USE,
            CORE_REASON_GUARD_OWNER_MARK, CORE_REASON_GUARD_SOLUTION, CORE_REASON_CHECK_TWO_PLANS,
            CORE_REASON_CHECK_TWO_OPEN, CORE_REASON_CHECK_FOREIGN_UNDONE};
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i] == r)
            return true;
    }
    return false;
}

/* What the world checks itself: a bug that leads there, and the scene for it.  The core's own
 * checks are off, so that only the world can see it.  (world-bare-pod-evicted: the deciding half
 * leaves such nodes alone; test/unit/sim/test_world.c evicts one.) */
static const struct {
    const char *name;
    enum core_reason plant, scene;
} world_plants[] = {
        {"world-double-booking", CORE_REASON_CHECK_DOUBLE_OFFER, CORE_REASON_CHECK_DOUBLE_OFFER},
        {"world-config-key-in-use-deleted", CORE_REASON_CHECK_KEY_IN_USE,
                CORE_REASON_CHECK_KEY_IN_USE},
        {"world-cordon-without-reason", CORE_REASON_CHECK_NO_RECORD, CORE_REASON_CHECK_NO_RECORD},
        {"world-mig-change-outside-window", CORE_REASON_CHECK_WINDOW, CORE_REASON_CHECK_WINDOW},
        {"world-node-budget", CORE_REASON_CHECK_BUDGET, CORE_REASON_GUARD_BUDGET_NODES},
        {"world-eviction-budget", CORE_REASON_CHECK_BUDGET, CORE_REASON_GUARD_BUDGET_EVICTIONS},
};

enum {
    WORLD_PLANTS = sizeof world_plants / sizeof world_plants[0],
    PLANTS = CORE_REASON_COUNT + WORLD_PLANTS
};

static const char *plant_name(uint32_t plant)
{
    return plant < CORE_REASON_COUNT ? core_reason_name((enum core_reason)plant)
                                     : world_plants[plant - CORE_REASON_COUNT].name;
}

/* True for one that --plant asks for. */
static bool plant_asked(const struct options *o, uint32_t plant)
{
    if (plant < CORE_REASON_COUNT && !is_guard_or_check((enum core_reason)plant))
        return false;
    return strcmp(o->plant, "all") == 0 || strcmp(o->plant, plant_name(plant)) == 0;
}

static struct run plant_run(const struct options *o, uint32_t plant)
{
    enum core_reason reason = (enum core_reason)plant;
    if (plant < CORE_REASON_COUNT)
        return (struct run){.options = o, .plant = reason, .scene = reason};
    uint32_t i = plant - CORE_REASON_COUNT;
    return (struct run){.options = o,
            .plant = world_plants[i].plant,
            .scene = world_plants[i].scene,
            .world_judges = true};
}

/* One bug in a scene made for it, and the scene without the bug. */
static int run_plant(uint32_t index, void *ret_result, const void *context)
{
    const struct options *o = context;
    struct catch *c = ret_result;
    if (!plant_asked(o, index))
        return 0;
    struct run run = plant_run(o, index);
    struct outcome *outcome = mem_alloc(1, sizeof *outcome);
    int rc = 0;
    for (uint32_t seed = 0; seed < PLANT_SEEDS && rc == 0 && c->seeds == 0; seed++) {
        memset(outcome, 0, sizeof *outcome);
        rc = run_seed(seed, outcome, &run);
        const char *text = strstr(outcome->violation, "s: ");
        if (text != NULL) {
            (void)snprintf(c->by, sizeof c->by, "%.150s", text + 3);
        } else if (outcome->kills > 0) {
            (void)snprintf(c->by, sizeof c->by, "harm: %llu memory kills",
                    (unsigned long long)outcome->kills);
        }
        c->seeds = c->by[0] != '\0' ? seed + 1 : 0;
    }
    memset(outcome, 0, sizeof *outcome);
    run.plant = CORE_REASON_NONE;
    run.world_judges = false;
    if (rc == 0 && c->seeds > 0)
        rc = run_seed(c->seeds - 1, outcome, &run);
    (void)snprintf(c->without, sizeof c->without, "%.150s", outcome->violation);
    mem_free(outcome);
    return rc;
}

/* The world must be the one to see what is planted for it, a check what is planted for that. */
static bool caught_well(uint32_t plant, const struct catch *c)
{
    const char *name = plant_name(plant);
    bool named = strncmp(name, "guard-", 6) == 0 || strstr(c->by, name) != NULL;
    return c->seeds > 0 && c->without[0] == '\0' && named;
}

static int plants(const struct options *o, struct err *reterr)
{
    struct bench_jobs jobs = {
            .count = PLANTS,
            .processes = (uint32_t)o->jobs,
            .result_size = sizeof(struct catch),
            .run = run_plant,
            .context = o,
            .label = "planted bugs",
    };
    void *memory = NULL;
    int failed = bench_jobs_run(&jobs, &memory);
    if (failed < 0)
        return err_set(reterr, failed, "no processes: %s", strerror(-failed));
    const struct catch *catches = memory;
    uint32_t asked = 0, caught = 0, others = 0;
    (void)puts("planted bug                               seeds  caught by");
    for (uint32_t p = 0; p < PLANTS; p++) {
        const struct catch *c = &catches[p];
        if (!plant_asked(o, p))
            continue;
        asked++;
        bool good = caught_well(p, c);
        bool other = !good && p < CORE_REASON_COUNT && scripted((enum core_reason)p);
        const char *by = c->seeds > 0 ? c->by
                         : other      ? "not reached here; test/prop/core/test_plants.c catches it"
                                      : "NOBODY SAW IT";
        caught += good;
        others += other;
        (void)printf("%-40s %6u  %s%s%s%s\n", plant_name(p), c->seeds, by,
                good || other ? "" : " (NOT WHAT WAS EXPECTED)",
                c->without[0] != '\0' ? "; WITHOUT IT: " : "", c->without);
    }
    (void)printf("%u guards, checks and checks of the world: %u planted bugs caught here, %u in "
                 "test_plants.c, %d did not run\n",
            asked, caught, others, failed);
    bench_jobs_release(&jobs, memory);
    if (asked == 0)
        return err_set(reterr, -EINVAL, "--plant: '%s' is no guard and no check", o->plant);
    return caught + others == asked && failed == 0 ? 0 : 1;
}

static int run_verb(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    return o->plant != NULL ? plants(o, reterr) : bench(o, reterr);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "faults",
            .summary = "The loop under faults, over many seeds; or planted bugs, each to be seen.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = run_verb,
    };
    return cli_verb_main(&verb, argc, argv);
}
