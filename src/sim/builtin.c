/* sim/builtin.c - the scenarios that come with the program.  Pure.
 *
 * "default" is a company with a product and a research team in two regions: inference by day,
 * notebooks that are mostly idle, nightly and ad hoc batch, and training on whole GPUs.  How busy
 * inference and notebooks are, and what memory they take, is fitted to a real trace; the shape of
 * the company and all else is assumed: docs/SIMULATION.md. */
#include "sim/scenario.h"

#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define START_WALL_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND) /* Monday 2026-03-02T00:00:00Z */
#define MINUTE        (60 * NUM_NS_PER_SECOND)
#define HOUR          NUM_NS_PER_HOUR

struct builder {
    struct arena *arena;
    struct sim_scenario *s;
};

static uint16_t gpu_of(const char *key)
{
    const struct model_gpu *gpu = NULL;
    int rc = model_gpu_find(str_from(key), &gpu, NULL);
    assert(rc == 0);
    return (uint16_t)model_gpu_index(gpu);
}

static uint64_t models(const char *a, const char *b)
{
    uint64_t mask = UINT64_C(1) << gpu_of(a);
    return b != NULL ? mask | UINT64_C(1) << gpu_of(b) : mask;
}

static struct sim_scenario *scenario_new(struct arena *a, const char *name, int64_t duration_ns)
{
    enum { GROUPS = 16, OWNERS = 64 };
    struct sim_scenario *s = ARENA_NEW(a, struct sim_scenario);
    s->name = str_from(name);
    s->start_wall_ns = START_WALL_NS;
    s->duration_ns = duration_ns;
    s->sample_period_ns = MINUTE;
    s->clusters = ARENA_ARRAY(a, struct sim_cluster_spec, SIM_CLUSTERS_MAX);
    s->groups = ARENA_ARRAY(a, struct sim_group_spec, GROUPS);
    s->owners = ARENA_ARRAY(a, struct sim_owner_spec, OWNERS);
    return s;
}

struct group_text {
    const char *name, *gpu;
    uint32_t gpus, cpu, gib, max;
    int64_t microusd;
};

static void add_group(struct sim_scenario *s, uint16_t cluster, const struct group_text *t)
{
    s->groups[s->group_count++] = (struct sim_group_spec){.name = str_from(t->name),
            .cluster = cluster,
            .gpu = gpu_of(t->gpu),
            .gpus_per_node = t->gpus,
            .cpu_milli = t->cpu * 1000,
            .memory_mib = t->gib * 1024,
            .microusd_per_hour = t->microusd,
            .max = t->max};
}

/* Traffic by hour in UTC, permille of the mean. */
static const uint16_t traffic[24] = {420, 340, 300, 290, 320, 420, 620, 900, 1150, 1300, 1380, 1420,
        1400, 1380, 1360, 1360, 1400, 1480, 1520, 1480, 1300, 1050, 800, 580};

static void set_hours(uint32_t *ret_hours, const uint16_t *day, uint32_t scale, uint32_t weekend)
{
    for (unsigned h = 0; h < 24; h++) {
        ret_hours[h] = (day[h] * scale + 500) / 1000;
        ret_hours[24 + h] = (day[h] * scale / 1000 * weekend + 500) / 1000;
    }
}

static void set_flat(uint32_t *ret_hours, uint32_t value)
{
    for (unsigned h = 0; h < SIM_HOURS; h++)
        ret_hours[h] = value;
}

static struct sim_owner_spec *add_owner(struct sim_scenario *s, uint16_t cluster, const char *name,
        enum model_owner_kind kind, enum model_class class)
{
    struct sim_owner_spec *o = &s->owners[s->owner_count++];
    *o = (struct sim_owner_spec){.name = str_from(name),
            .cluster = cluster,
            .kind = kind,
            .class_declared = class,
            .gpus_per_pod = 1,
            .cpu_milli = 4000,
            .memory_mib = 16 * 1024,
            .max_unavailable = UINT32_MAX,
            .grace_ns = 30 * NUM_NS_PER_SECOND,
            .demand = {.kind = SIM_DEMAND_BURSTY,
                    .active_permille = 300,
                    .stay_permille = 600,
                    .level_permille = 200,
                    .tail_permille = 80,
                    .spread_permille = 600,
                    .tide_permille = 700,
                    .sm_need_permille = 500,
                    .dram_need_permille = 300,
                    .memory_mib = 8000,
                    .memory_spread_mib = 1500,
                    .memory_peak_mib = 16000}};
    return o;
}

struct service {
    const char *name;
    uint16_t cluster;
    uint64_t gpu_models;
    uint32_t replicas_mean; /* x 1000 */
    uint32_t on, busy;      /* permille of the trace's */
    uint32_t base, peak;    /* MiB; between them memory is spread as in the trace */
    uint32_t sm;
    bool latency;
};

/* The UTC hour at which the trace's day, which begins in the morning, begins in each cluster. */
static const uint32_t day_hour[] = {13, 7};

/* Demand as in the trace, at a scale of its own. */
static void set_service(
        struct sim_owner_spec *o, uint32_t on, uint32_t busy, uint32_t base, uint32_t peak)
{
    struct sim_demand_spec *d = &o->demand;
    *d = (struct sim_demand_spec){.sm_need_permille = d->sm_need_permille,
            .dram_need_permille = d->dram_need_permille,
            .scale = SIM_SERVICE_SCALE};
    sim_service_demand(d);
    d->scale = (struct sim_service_scale){.on_permille = on,
            .busy_permille = busy,
            .memory_permille = (peak - base) * 1000 / d->memory_peak_mib,
            .base_mib = base,
            .day_hour = day_hour[o->cluster]};
    sim_service_demand(d);
}

static void add_service(struct sim_scenario *s, const struct service *v)
{
    struct sim_owner_spec *o = add_owner(s, v->cluster, v->name, MODEL_OWNER_DEPLOYMENT,
            v->latency ? MODEL_CLASS_LATENCY_SENSITIVE : MODEL_CLASS_INTERACTIVE);
    o->gpu_models = v->gpu_models;
    o->max_unavailable = 1;
    /* Replicas follow the traffic, too late and too little: by night they have less to do. */
    set_hours(o->replicas, traffic, v->replicas_mean, 700);
    for (unsigned h = 0; h < SIM_HOURS; h++)
        o->replicas[h] = num_max_u32((o->replicas[h] + 500) / 1000, 1);
    o->demand.sm_need_permille = v->sm;
    set_service(o, v->on, v->busy, v->base, v->peak);
    for (unsigned h = 0; h < SIM_HOURS; h++)
        o->demand.hour_permille[h] = h < 24 ? 1000 : 800;
}

struct notebooks {
    const char *name;
    uint16_t cluster;
    uint64_t gpu_models;
    uint32_t users;
    uint32_t busy; /* permille of the trace's */
    uint32_t peak; /* MiB */
};

static void add_notebooks(struct sim_scenario *s, const struct notebooks *n)
{
    struct sim_owner_spec *o =
            add_owner(s, n->cluster, n->name, MODEL_OWNER_STATEFULSET, MODEL_CLASS_INTERACTIVE);
    o->gpu_models = n->gpu_models;
    set_flat(o->replicas, n->users);
    o->cpu_milli = 3000;
    o->memory_mib = 12 * 1024;
    o->demand.sm_need_permille = 450;
    set_service(o, 400, n->busy, 0, n->peak);
    for (unsigned h = 0; h < SIM_HOURS; h++)
        o->demand.hour_permille[h] = h < 24 ? 1000 : 250;
}

struct jobs {
    const char *name;
    uint16_t cluster;
    uint64_t gpu_models;
    uint32_t gpus, per_hour; /* mean, x 1000 */
    uint32_t minutes_min, minutes_max, active_max, level, sm, memory, peak;
    bool night, training;
};

static void add_jobs(struct sim_scenario *s, const struct jobs *j)
{
    struct sim_owner_spec *o = add_owner(s, j->cluster, j->name, MODEL_OWNER_JOB,
            j->training ? MODEL_CLASS_TRAINING : MODEL_CLASS_BATCH);
    o->gpu_models = j->gpu_models;
    o->gpus_per_pod = j->gpus;
    o->cpu_milli = 5000 * j->gpus;
    o->memory_mib = 24 * 1024 * j->gpus;
    o->run_min_ns = j->minutes_min * MINUTE;
    o->run_max_ns = j->minutes_max * MINUTE;
    o->active_max = j->active_max;
    o->grace_ns = 60 * NUM_NS_PER_SECOND;
    o->preallocates = j->training;
    for (unsigned h = 0; h < SIM_HOURS; h++) {
        bool night = h % 24 >= 20 || h % 24 < 6;
        uint32_t base = j->night ? (night ? j->per_hour * 2 : j->per_hour / 4) : j->per_hour;
        o->arrivals_milli[h] = j->night || h < 24 ? base : base / 2;
    }
    o->demand.kind = SIM_DEMAND_STEADY;
    o->demand.level_permille = j->level;
    o->demand.spread_permille = 150;
    o->demand.tide_permille = 0;
    o->demand.sm_need_permille = j->sm;
    o->demand.dram_need_permille = 600;
    o->demand.memory_mib = j->memory;
    o->demand.memory_spread_mib = j->memory / 20;
    o->demand.memory_peak_mib = j->peak;
}

static void default_groups(struct sim_scenario *s)
{
    static const struct group_text us[] = {
            {"us-a100-80", "A100-80GB", 4, 96, 680, 15, 13723552},
            {"us-h100", "H100-80GB", 8, 192, 2048, 3, 55040000},
            {"us-l4", "L4", 4, 48, 192, 10, 4601600},
            {"us-t4", "T4", 4, 48, 192, 8, 3912000},
    };
    static const struct group_text eu[] = {
            {"eu-a100-40", "A100-40GB", 4, 48, 340, 9, 14991900},
            {"eu-l4", "L4", 1, 16, 64, 16, 1205800},
            {"eu-h100", "H100-80GB", 2, 52, 468, 4, 28135100},
    };
    for (unsigned i = 0; i < sizeof us / sizeof us[0]; i++)
        add_group(s, 0, &us[i]);
    for (unsigned i = 0; i < sizeof eu / sizeof eu[0]; i++)
        add_group(s, 1, &eu[i]);
}

/* Latency-sensitive pods that fill whole GPUs, for some hours of each day, while these are scarce:
 * shared nodes have to become exclusive again. */
static void add_bursts(struct sim_scenario *s)
{
    static const struct {
        const char *name, *gpu;
        uint16_t cluster;
        uint32_t base, peak, few, many;
    } bursts[] = {
            {"shop/flash-sale", "A100-80GB", 0, 34000, 56000, 3, 7},
            {"media/live-event", "A100-40GB", 1, 18000, 30000, 2, 5},
    };
    for (unsigned i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
        struct sim_owner_spec *o = add_owner(s, bursts[i].cluster, bursts[i].name,
                MODEL_OWNER_DEPLOYMENT, MODEL_CLASS_LATENCY_SENSITIVE);
        o->gpu_models = models(bursts[i].gpu, NULL);
        o->max_unavailable = 1;
        o->demand.sm_need_permille = 1000;
        set_service(o, 1500, 2000, bursts[i].base, bursts[i].peak);
        static const uint8_t hours[] = {5, 7, 9, 11, 12, 14, 16, 18, 19, 21, 23};
        for (unsigned k = 0; k < sizeof hours; k++) {
            o->replicas[hours[k]] = k % 2 == 0 ? bursts[i].few : bursts[i].many;
            o->replicas[24 + hours[k]] = k % 2 == 0 ? bursts[i].few : 0;
        }
    }
}

static void default_services(struct sim_scenario *s)
{
    uint64_t a80 = models("A100-80GB", NULL), a40 = models("A100-40GB", NULL);
    uint64_t l4 = models("L4", NULL), small = models("L4", "T4");
    const struct service services[] = {
            {"shop/search-ranker", 0, a80, 6000, 1000, 1000, 4700, 9200, 250, true},
            {"shop/embedder", 0, a80, 6000, 1100, 1100, 3500, 8800, 280, false},
            {"shop/vision-tagger", 0, a80, 5000, 800, 900, 2700, 8400, 250, false},
            {"shop/fraud-score", 0, small, 5000, 900, 300, 1700, 4600, 500, true},
            {"shop/thumbnails", 0, small, 4000, 700, 300, 1000, 4200, 600, false},
            {"assist/chat-llm", 0, a80, 3000, 1300, 1800, 50000, 70000, 900, true},
            {"assist/rerank", 0, a80, 5000, 900, 800, 3300, 8600, 240, true},
            {"media/speech", 1, l4, 5000, 800, 400, 2100, 6200, 600, false},
            {"media/captions", 1, a40, 5000, 900, 1100, 2000, 4500, 260, false},
            {"media/live-translate", 1, a40, 5000, 1000, 900, 2100, 4400, 250, true},
            {"media/moderation", 1, a40, 4000, 700, 800, 1700, 4300, 250, false},
    };
    for (unsigned i = 0; i < sizeof services / sizeof services[0]; i++)
        add_service(s, &services[i]);
    /* Launches and ends: demand that the controller must follow both ways. */
    s->owners[1].growth_permille_per_day = 60;
    s->owners[2].step_day = 3;
    s->owners[2].step_permille = 1700;
    s->owners[6].growth_permille_per_day = 150;
    s->owners[8].step_day = 4;
    s->owners[8].step_permille = 500;
    s->owners[9].growth_permille_per_day = 120;
    add_bursts(s);
}

static void default_batch(struct sim_scenario *s)
{
    uint64_t a80 = models("A100-80GB", NULL), a40 = models("A100-40GB", NULL);
    uint64_t h100 = models("H100-80GB", NULL), small = models("L4", "T4");
    const struct jobs jobs[] = {
            {"research/eval", 0, a80, 1, 2500, 20, 110, 12, 320, 500, 11000, 17000, false, false},
            {"research/features", 0, small, 1, 3000, 10, 60, 10, 70, 700, 3500, 5200, true, false},
            {"research/finetune", 0, a80, 4, 130, 180, 540, 2, 880, 1000, 62000, 72000, false,
                    true},
            {"research/pretrain", 0, h100, 8, 25, 480, 1200, 1, 930, 1000, 68000, 76000, false,
                    true},
            {"media/transcode-index", 1, a40, 1, 2200, 15, 80, 10, 300, 350, 3600, 4700, true,
                    false},
            {"media/train-asr", 1, a40, 4, 120, 120, 420, 1, 850, 1000, 30000, 36000, false, true},
    };
    for (unsigned i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        add_jobs(s, &jobs[i]);
    add_notebooks(s, &(struct notebooks){"research/notebooks", 0, a80, 18, 1200, 18000});
    add_notebooks(s, &(struct notebooks){"analytics/notebooks", 0, small, 12, 350, 4600});
    add_notebooks(s, &(struct notebooks){"media/notebooks", 1, a40, 10, 1200, 4700});
}

static struct sim_scenario *build_default(struct arena *a)
{
    struct sim_scenario *s = scenario_new(a, "default", 7 * 24 * HOUR);
    s->cluster_count = 2;
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("us"), STR_LIT("us-east-1")};
    s->clusters[1] = (struct sim_cluster_spec){STR_LIT("eu"), STR_LIT("europe-west4")};
    default_groups(s);
    default_services(s);
    default_batch(s);
    s->xid_application_per_million_gpu_hours = 400;
    s->xid_gpu_per_million_gpu_hours = 60;
    return s;
}

/* The statistics of a production image-generation service, on 1-GPU nodes. */
static struct sim_scenario *build_fitted(struct arena *a)
{
    struct sim_scenario *s = scenario_new(a, "fitted", 23 * HOUR);
    s->sample_period_ns = 57 * NUM_NS_PER_SECOND;
    s->cluster_count = 1;
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("fitted"), STR_LIT("us-east-1")};
    add_group(s, 0, &(struct group_text){"gpu", "A100-80GB", 1, 64, 512, 1000, 3430888});
    struct sim_owner_spec *o =
            add_owner(s, 0, "fitted/service", MODEL_OWNER_STATEFULSET, MODEL_CLASS_INTERACTIVE);
    /* As many pods as the trace had alive at each hour. */
    static const uint8_t alive[24] = {79, 79, 79, 79, 79, 79, 74, 75, 75, 75, 75, 75, 75, 75, 76,
            75, 75, 79, 79, 79, 79, 76, 78, 78};
    for (unsigned h = 0; h < SIM_HOURS; h++)
        o->replicas[h] = alive[h % 24];
    o->cpu_milli = 1000;
    o->memory_mib = 4096;
    o->demand = (struct sim_demand_spec){
            .sm_need_permille = 600, .dram_need_permille = 400, .scale = SIM_SERVICE_SCALE};
    sim_service_demand(&o->demand);
    return s;
}

/* A few nodes of one model, two days: tests and fault runs. */
static struct sim_scenario *build_small(struct arena *a)
{
    struct sim_scenario *s = scenario_new(a, "small", 2 * 24 * HOUR);
    uint64_t a80 = models("A100-80GB", NULL);
    s->cluster_count = 1;
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("lab"), STR_LIT("us-east-1")};
    add_group(s, 0, &(struct group_text){"a100", "A100-80GB", 2, 48, 340, 8, 6861776});
    const struct service web = {"lab/web", 0, a80, 3000, 1000, 1000, 3300, 8800, 280, false};
    add_service(s, &web);
    add_notebooks(s, &(struct notebooks){"lab/notebooks", 0, a80, 4, 1200, 18000});
    struct sim_owner_spec *burst =
            add_owner(s, 0, "lab/realtime", MODEL_OWNER_DEPLOYMENT, MODEL_CLASS_LATENCY_SENSITIVE);
    burst->gpu_models = a80;
    for (unsigned h = 10; h < 14; h++)
        burst->replicas[h] = burst->replicas[24 + h] = 10;
    const struct jobs eval = {
            "lab/eval", 0, a80, 1, 1500, 20, 60, 4, 300, 500, 9000, 14000, false, false};
    add_jobs(s, &eval);
    return s;
}

/* Many nodes with few GPUs and demand that goes up and down by hours of their own: rollouts of all
 * kinds all day.  For fault runs. */
static struct sim_scenario *build_fleet(struct arena *a)
{
    enum { SERVICES = 12 };
    static const char *const names[SERVICES] = {"fleet/s0", "fleet/s1", "fleet/s2", "fleet/s3",
            "fleet/s4", "fleet/s5", "fleet/s6", "fleet/s7", "fleet/s8", "fleet/s9", "fleet/s10",
            "fleet/s11"};
    struct sim_scenario *s = scenario_new(a, "fleet", 2 * 24 * HOUR);
    uint64_t a80 = models("A100-80GB", NULL), h100 = models("H100-80GB", NULL);
    s->sample_period_ns = 2 * MINUTE;
    s->cluster_count = 1;
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("fleet"), STR_LIT("us-east-1")};
    add_group(s, 0, &(struct group_text){"a100", "A100-80GB", 1, 24, 170, 70, 3430888});
    add_group(s, 0, &(struct group_text){"h100", "H100-80GB", 1, 24, 200, 30, 6880000});
    for (unsigned i = 0; i < SERVICES; i++) {
        bool latency = i % 4 == 1;
        const struct service v = {names[i], 0, i % 3 == 2 ? h100 : a80, 1000, 900, 900,
                2500 + 300 * i, 7600 + 300 * i, 260, latency};
        add_service(s, &v);
        struct sim_owner_spec *o = &s->owners[s->owner_count - 1];
        for (unsigned h = 0; h < SIM_HOURS; h++) {
            unsigned phase = (h % 24 + i * 5) % 12;
            o->replicas[h] = phase < 6 ? 2 + i % 3 : 5 + i % 4;
        }
    }
    struct sim_owner_spec *whole =
            add_owner(s, 0, "fleet/whole", MODEL_OWNER_DEPLOYMENT, MODEL_CLASS_LATENCY_SENSITIVE);
    whole->gpu_models = a80;
    whole->demand.active_permille = 900;
    whole->demand.level_permille = 700;
    whole->demand.sm_need_permille = 1000;
    whole->demand.memory_mib = 60000;
    whole->demand.memory_peak_mib = 70000;
    for (unsigned h = 0; h < SIM_HOURS; h++)
        whole->replicas[h] = h % 8 < 3 ? 34 : 28;
    const struct jobs eval = {
            "fleet/eval", 0, a80, 1, 6000, 15, 70, 12, 300, 500, 9000, 14000, false, false};
    add_jobs(s, &eval);
    add_notebooks(s, &(struct notebooks){"fleet/notebooks", 0, a80, 10, 1200, 18000});
    return s;
}

int sim_scenario_builtin(struct arena *a, struct str name, const struct sim_scenario **ret_scenario,
        struct err *reterr)
{
    struct sim_scenario *s = NULL;
    if (str_eq_c(name, "default")) {
        s = build_default(a);
    } else if (str_eq_c(name, "fitted")) {
        s = build_fitted(a);
    } else if (str_eq_c(name, "small")) {
        s = build_small(a);
    } else if (str_eq_c(name, "fleet")) {
        s = build_fleet(a);
    }
    if (s == NULL) {
        return err_set(reterr, -ENOENT,
                "no built-in scenario '%.*s': expected default, fitted, fleet or small",
                STR_ARG(name));
    }
    int rc = sim_scenario_check(s, reterr);
    if (rc == 0)
        *ret_scenario = s;
    return rc;
}
