/* Whole GPUs by memory, speed and price: whatever nodes, prices and owners there are, nobody is
 * pointed to a model that the owner does not allow, that is too slow for its SLO, that lacks the
 * memory, or that costs more for the same work. */
#include "test.h"

#include "base/num.h"
#include "base/prng.h"
#include "core/core.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"
#include "place/problem.h"

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND)

enum { OWNER = 7, NODE = 100, POD = 200, KINDS = 3, PODS = 4, MINUTES = 90 };

struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    struct core_owner_fact owner;
    uint16_t models[KINDS];
    int64_t prices[KINDS]; /* of a node with one GPU */
    uint32_t busy, memory_mib;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

static void tell_node(struct world *w, uint64_t uid, uint32_t kind)
{
    struct core_fact f = {.kind = CORE_FACT_NODE};
    f.node = (struct core_node_fact){.uid = uid,
            .name = STR_LIT("n"),
            .gpu = w->models[kind],
            .gpu_count = 1,
            .cpu_milli = 64000,
            .memory_mib = 512000,
            .microusd_per_hour = w->prices[kind],
            .ready = true,
            .caps = {.share = CORE_SHARE_NODE_RESOURCE, .steer = CORE_STEER_POOL},
            .allocatable_count = 1,
            .allocatable = {{.resource = {.kind = MODEL_RESOURCE_GPU}, .count = 1}}};
    tell(w, f, CORE_SOURCE_NODES);
}

static void tell_pod(struct world *w, uint64_t uid, uint64_t node)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = uid,
            .owner = OWNER,
            .node = node,
            .name = STR_LIT("p"),
            .phase = CORE_POD_RUNNING,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1,
            .created_wall_ns = w->now.wall_ns,
            .started_wall_ns = w->now.wall_ns,
            .device_count = 1,
            .devices = {{.gpu = 0, .start = UINT8_MAX}}};
    tell(w, f, CORE_SOURCE_PODS);
}

/* Four pods on nodes of the first model, and a node of each other one. */
static void world_init(struct world *w, struct prng *p)
{
    const struct core_options options = {.seed = 1};
    static const enum model_class classes[] = {MODEL_CLASS_BATCH, MODEL_CLASS_TRAINING,
            MODEL_CLASS_INTERACTIVE, MODEL_CLASS_LATENCY_SENSITIVE};
    *w = (struct world){.now = {.wall_ns = START_NS}};
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    struct core_fact f = {.kind = CORE_FACT_POLICY, .policy = policy_preset(STR_LIT("balanced"))};
    tell(w, f, CORE_SOURCE_POLICY);
    for (uint32_t k = 0; k < KINDS; k++) {
        w->models[k] = (uint16_t)prng_below(p, model_gpu_count());
        w->prices[k] = 500000 + (int64_t)prng_below(p, 8000000);
    }
    w->busy = 20 + (uint32_t)prng_below(p, 900);
    w->memory_mib = 1000 + (uint32_t)prng_below(p, 40000);
    for (uint64_t i = 0; i < PODS; i++)
        tell_node(w, NODE + i, 0);
    for (uint32_t k = 1; k < KINDS; k++)
        tell_node(w, NODE + PODS + k, k);
    w->owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/work"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = classes[prng_below(p, 4)],
            .isolation = MODEL_ISOLATION_EXCLUSIVE, /* nothing but whole GPUs */
            .replicas = PODS,
            .max_unavailable = UINT32_MAX,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 1000,
            .slo_permille = 1500 + (uint32_t)prng_below(p, 3000),
            .resource = {.kind = MODEL_RESOURCE_GPU}};
    if (prng_below(p, 2) == 0) { /* a list: the model of now, and perhaps others */
        w->owner.gpu_models = UINT64_C(1) << w->models[0];
        for (uint32_t k = 1; k < KINDS; k++)
            w->owner.gpu_models |= (uint64_t)prng_below(p, 2) << w->models[k];
    }
    f = (struct core_fact){.kind = CORE_FACT_OWNER, .owner = w->owner};
    tell(w, f, CORE_SOURCE_OWNERS);
    for (uint64_t i = 0; i < PODS; i++)
        tell_pod(w, POD + i, NODE + i);
    for (int s = 0; s < CORE_SOURCE_COUNT; s++) {
        f = (struct core_fact){.kind = CORE_FACT_SYNC, .sync_complete = true};
        tell(w, f, (enum core_source)s);
    }
}

static void tell_samples(struct world *w)
{
    for (uint64_t i = 0; i < PODS; i++) {
        uint64_t pod = POD + i;
        struct core_fact f = {.kind = CORE_FACT_SAMPLE};
        f.sample = (struct core_sample_fact){.node = NODE + i,
                .start = UINT8_MAX,
                .scope = CORE_SAMPLE_GPU,
                .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
                .busy_permille = (uint16_t)w->busy,
                .memory_used_mib = w->memory_mib,
                .occupant_count = 1,
                .occupants = &pod};
        tell(w, f, CORE_SOURCE_METRICS);
    }
}

/* What is wrong with pointing the owner to `to`, or NULL. */
static const char *wrong(const struct world *w, uint16_t to)
{
    const struct model_gpu *a = model_gpu_get(w->models[0]);
    const struct model_gpu *b = model_gpu_get(to);
    bool ends = w->owner.class_declared == MODEL_CLASS_BATCH ||
                w->owner.class_declared == MODEL_CLASS_TRAINING;
    int64_t slow = num_max_i64(1000, (int64_t)a->speed_permille * 1000 / b->speed_permille);
    int64_t now = INT64_MAX;
    int64_t then = INT64_MAX;
    for (uint32_t k = 0; k < KINDS; k++) { /* models may come twice, at other prices */
        if (w->models[k] == w->models[0])
            now = num_min_i64(now, w->prices[k]);
        if (w->models[k] == to)
            then = num_min_i64(then, w->prices[k]);
    }
    if (w->owner.gpu_models != 0 && (w->owner.gpu_models >> to & 1) == 0)
        return "a model that is not allowed";
    if (w->memory_mib > b->memory_usable_mib)
        return "too little memory";
    if (!ends && slow > 1000 && slow > w->owner.slo_permille)
        return "slower than the SLO allows";
    if (then == INT64_MAX)
        return "a model that no node has";
    if (num_max_i64(w->prices[0], now) < (ends ? then * slow / 1000 : then))
        return "dearer";
    return NULL;
}

/* Lives for an hour and a half; returns whether the owner was pointed to another model. */
static bool play(uint64_t seed)
{
    struct world w;
    struct prng p;
    bool pointed = false;
    prng_init(&p, seed);
    world_init(&w, &p);
    for (uint32_t m = 0; m < MINUTES; m++) {
        struct core_decider_output out;
        w.now.mono_ns += 60 * NUM_NS_PER_SECOND;
        w.now.wall_ns = START_NS + w.now.mono_ns;
        tell_samples(&w);
        core_decider_run(w.decider, &w.store.pic, &w.now, &out);
        for (uint32_t i = 0; i < out.intent_count; i++) {
            uint64_t models = out.intents[i].owner_target.gpu_models;
            if (out.intents[i].kind != CORE_INTENT_OWNER)
                continue;
            assert_int_equal(__builtin_popcountll(models), 1);
            const char *fault = wrong(&w, (uint16_t)__builtin_ctzll(models));
            if (fault != NULL)
                fail_msg("pointed to %s", fault);
            pointed = true;
        }
        if (out.problem == NULL)
            continue;
        struct arena *a = arena_new(0);
        const struct place_solution *s;
        assert_int_equal(place_solve(a, out.problem, out.solve_seed, out.solve_iterations, &s), 0);
        core_decider_solved(w.decider, &w.store.pic, &w.now, s);
        arena_free(a);
    }
    core_decider_free(w.decider);
    core_picture_clear(&w.store);
    return pointed;
}

static void models_fit_and_are_cheaper(uint64_t seed)
{
    (void)play(seed);
}

static void some_are_pointed(void **state)
{
    unsigned pointed = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        pointed += play(seed);
    assert_in_range(pointed, 5, 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(models_fit_and_are_cheaper, 60),
            cmocka_unit_test(some_are_pointed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
