/* Shared nodes are closed while another pod would be one too many, and not for a pod whose GPU the
 * next reading names. */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND)

/* Three pods of 22 GiB fit an 80 GB GPU, four do not. */
enum { OWNER = 7, NODE = 100, POD = 200, GPUS = 2, REPLICAS = 8, DECLARED_MIB = 22 * 1024 };

/* A shared node of two GPUs: two pods on the first, one on the second, all of them read. */
struct world {
    uint32_t changes; /* holds and releases */
    uint32_t refusals;
    enum core_reason refused;
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    struct policy policy;
    bool held;
    bool blind; /* readings without memory */
    uint32_t used_mib;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

static void pass(struct world *w, int64_t seconds)
{
    w->now.wall_ns += seconds * NUM_NS_PER_SECOND;
    w->now.mono_ns += seconds * NUM_NS_PER_SECOND;
}

static void land(struct world *w, uint64_t uid)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = uid,
            .owner = OWNER,
            .node = NODE,
            .name = STR_LIT("team/work-1"),
            .phase = CORE_POD_RUNNING,
            .created_wall_ns = w->now.wall_ns,
            .started_wall_ns = w->now.wall_ns,
            .resource = {.kind = MODEL_RESOURCE_GPU_SHARED},
            .count = 1,
            .pool = STR_LIT("ts-a100-80gb")};
    tell(w, f, CORE_SOURCE_PODS);
}

static void read_gpu(struct world *w, uint8_t gpu, const uint64_t *pods, uint32_t count)
{
    struct core_fact f = {.kind = CORE_FACT_SAMPLE};
    f.sample = (struct core_sample_fact){.node = NODE,
            .gpu = gpu,
            .start = UINT8_MAX,
            .scope = CORE_SAMPLE_GPU,
            .valid = w->blind ? CORE_VALID_BUSY : CORE_VALID_MEMORY,
            .memory_used_mib = w->used_mib,
            .occupant_count = count,
            .occupants = pods};
    tell(w, f, CORE_SOURCE_METRICS);
}

/* A reading of both GPUs; `also` is named on `gpu`, 0 = nobody. */
static void read_all(struct world *w, uint64_t also, uint8_t gpu)
{
    const uint64_t first[] = {POD, POD + 1, also}, second[] = {POD + 2, also};
    read_gpu(w, 0, first, also != 0 && gpu == 0 ? 3 : 2);
    read_gpu(w, 1, second, also != 0 && gpu == 1 ? 2 : 1);
}

static void world_init_declared(struct world *w, uint32_t declared_mib)
{
    const struct core_options options = {.seed = 1};
    const struct model_gpu *gpu;
    *w = (struct world){.now = {.wall_ns = START_NS},
            .used_mib = 1000,
            .policy = *policy_preset(STR_LIT("conservative"))};
    w->policy.memory_risk_ppm = 0;
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    struct core_fact f = {.kind = CORE_FACT_NODE};
    f.node = (struct core_node_fact){.uid = NODE,
            .name = STR_LIT("n"),
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpu_count = GPUS,
            .ready = true,
            .pool = STR_LIT("ts-a100-80gb")};
    tell(w, f, CORE_SOURCE_NODES);
    f = (struct core_fact){.kind = CORE_FACT_OWNER};
    f.owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/work"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = MODEL_CLASS_BATCH,
            .replicas = 4,
            .max_unavailable = UINT32_MAX,
            .gpus_per_pod = 1,
            .declared_memory_mib = declared_mib,
            .resource = {.kind = MODEL_RESOURCE_GPU_SHARED},
            .pool = STR_LIT("ts-a100-80gb")};
    tell(w, f, CORE_SOURCE_OWNERS);
    for (uint64_t i = 0; i < 3; i++)
        land(w, POD + i);
    pass(w, 30);
    read_all(w, 0, 0);
}

static void world_init(struct world *w)
{
    world_init_declared(w, DECLARED_MIB);
}

static void world_clear(struct world *w)
{
    core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

/* Whether the node is held after a run. */
static bool held(struct world *w)
{
    struct decide_node node = {.mode = DECIDE_MODE_SHARED,
            .replicas = REPLICAS,
            .slots = GPUS * REPLICAS,
            .usable = true,
            .held = w->held};
    struct decide_pool pool = {.technique = MODEL_TECHNIQUE_TIME_SLICING, .name = "ts-a100-80gb"};
    struct decide_run run = {.d = w->decider,
            .pic = &w->store.pic,
            .now = &w->now,
            .policy = &w->policy,
            .nodes = &node,
            .pools = &pool,
            .pool_count = 1};
    w->decider->intent_count = 0;
    w->decider->refusal_count = 0;
    arena_reset(w->decider->scratch);
    decide_holds(&run);
    bool renewed = false;
    for (uint32_t i = 0; i < w->decider->intent_count; i++) {
        const struct core_intent *intent = &w->decider->intents[i];
        assert_true(intent->change == CORE_CHANGE_HOLD || intent->change == CORE_CHANGE_RELEASE);
        renewed = w->held && intent->change == CORE_CHANGE_HOLD;
        w->changes += renewed ? 0 : 1;
        w->held = intent->change == CORE_CHANGE_HOLD;
    }
    assert_int_equal(renewed, node.held && w->held); /* else it would be lifted */
    w->refusals += w->decider->refusal_count;
    if (w->decider->refusal_count > 0)
        w->refused = w->decider->refusals[0].reason;
    return w->held;
}

static void a_pod_that_lands_does_not_close_the_node(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_false(held(&w));
    pass(&w, 5);
    land(&w, POD + 3);
    assert_false(held(&w));
    pass(&w, 25);
    read_all(&w, POD + 3, 1);
    assert_false(held(&w));
    world_clear(&w);
}

static void a_full_gpu_closes_it_with_the_reading(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    pass(&w, 5);
    land(&w, POD + 3);
    assert_false(held(&w));
    pass(&w, 25);
    read_all(&w, POD + 3, 0);
    assert_true(held(&w));
    /* It stays closed for what lands all the same. */
    pass(&w, 5);
    land(&w, POD + 4);
    assert_true(held(&w));
    world_clear(&w);
}

static void a_reading_without_its_name_closes_it(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    pass(&w, 5);
    land(&w, POD + 3);
    assert_false(held(&w));
    pass(&w, 25);
    read_all(&w, 0, 0); /* an exporter that names one pod a GPU: it may be on any */
    assert_true(held(&w));
    world_clear(&w);
}

static void without_readings_it_is_not_waited_for_long(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    pass(&w, 5);
    land(&w, POD + 3);
    pass(&w, w.policy.stale_after_ns / NUM_NS_PER_SECOND);
    assert_false(held(&w));
    pass(&w, 1);
    assert_true(held(&w));
    world_clear(&w);
}

/* ---- nothing is known of the pods ---- */

/* A day of readings, each half minute, while pods come and go. */
static void a_day(struct world *w)
{
    for (int64_t s = 0; s < 24 * 3600; s += 30) {
        pass(w, 30);
        if (s % 1800 == 0)
            land(w, POD + 3 + (uint64_t)(s / 1800 % 5));
        read_all(w, 0, 0);
        (void)held(w);
    }
}

static void a_node_that_nothing_is_known_of_stays_as_it_is(void **state)
{
    (void)state;
    for (int closed = 0; closed < 2; closed++) {
        struct world w;
        world_init_declared(&w, 0);
        w.held = closed;
        w.blind = true;
        pass(&w, w.policy.stale_after_ns / NUM_NS_PER_SECOND + 1); /* the first readings are old */
        a_day(&w);
        assert_int_equal(w.held, closed);
        assert_int_equal(w.changes, 0);
        assert_int_equal(w.refusals, 1);
        assert_int_equal(w.refused, CORE_REASON_GUARD_STALE);
        /* Readings that come and go again are told of anew. */
        w.blind = false;
        read_all(&w, 0, 0);
        assert_false(held(&w));
        w.blind = true;
        pass(&w, w.policy.stale_after_ns / NUM_NS_PER_SECOND + 1);
        a_day(&w);
        assert_int_equal(w.refusals, 2);
        world_clear(&w);
    }
}

static void what_is_in_use_counts_where_nothing_else_is_known(void **state)
{
    (void)state;
    struct world w;
    world_init_declared(&w, 0);
    uint32_t limit = decide_memory_limit(&w.policy, w.store.pic.nodes[0].fact.gpu);
    w.used_mib = limit - limit / REPLICAS;
    a_day(&w);
    assert_false(w.held);
    w.used_mib++;
    read_all(&w, 0, 0);
    assert_true(held(&w));
    /* Up and down with every reading: closed at most once an hour. */
    w.changes = 0;
    for (int i = 0; i < 24 * 120; i++) {
        pass(&w, 30);
        w.used_mib = i % 2 == 0 ? 1000 : limit;
        read_all(&w, 0, 0);
        (void)held(&w);
    }
    assert_in_range(w.changes, 0, 48);
    w.used_mib = 1000;
    read_all(&w, 0, 0);
    pass(&w, 3601);
    read_all(&w, 0, 0);
    assert_false(held(&w));
    assert_int_equal(w.refusals, 0);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_pod_that_lands_does_not_close_the_node),
            cmocka_unit_test(a_full_gpu_closes_it_with_the_reading),
            cmocka_unit_test(a_reading_without_its_name_closes_it),
            cmocka_unit_test(without_readings_it_is_not_waited_for_long),
            cmocka_unit_test(a_node_that_nothing_is_known_of_stays_as_it_is),
            cmocka_unit_test(what_is_in_use_counts_where_nothing_else_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
