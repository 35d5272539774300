/* A pod that waits for a whole GPU: a shared node goes back for latency-sensitive work in the run
 * that hears of it, for other work when the scheduler had its time. */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND)

enum { OWNER = 7, SHARED = 100, WHOLE = 101, POD = 200, REPLICAS = 4, PATIENCE_S = 20 };

/* An empty shared node, a node whose only GPU is taken, and a pod that found no place. */
struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    struct policy policy;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

static void world_init(struct world *w, enum model_class workload_class)
{
    const struct core_options options = {.seed = 1};
    const struct model_gpu *gpu;
    *w = (struct world){
            .now = {.wall_ns = START_NS}, .policy = *policy_preset(STR_LIT("balanced"))};
    w->policy.scale_down = false;
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    for (uint64_t uid = SHARED; uid <= WHOLE; uid++) {
        struct core_fact f = {.kind = CORE_FACT_NODE};
        f.node = (struct core_node_fact){.uid = uid,
                .name = STR_LIT("n"),
                .gpu = (uint16_t)model_gpu_index(gpu),
                .gpu_count = 1,
                .ready = true,
                .pool = uid == SHARED ? STR_LIT("ts-a100-80gb") : (struct str){0}};
        tell(w, f, CORE_SOURCE_NODES);
    }
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    f.owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/chat"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = workload_class,
            .replicas = 1,
            .gpus_per_pod = 1,
            .resource = {.kind = MODEL_RESOURCE_GPU}};
    tell(w, f, CORE_SOURCE_OWNERS);
    f = (struct core_fact){.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = POD,
            .owner = OWNER,
            .name = STR_LIT("team/chat-1"),
            .phase = CORE_POD_PENDING,
            .unschedulable = true,
            .created_wall_ns = w->now.wall_ns,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1};
    tell(w, f, CORE_SOURCE_PODS);
}

static void world_clear(struct world *w)
{
    core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

/* The reason for which the shared node is given back so long after the arrival; NONE = it is not.
 * leaving: GPUs of the other node that a terminating pod still holds. */
static enum core_reason given(struct world *w, int64_t seconds, uint32_t leaving)
{
    struct decide_node nodes[] = {{.mode = DECIDE_MODE_SHARED,
                                          .replicas = REPLICAS,
                                          .slots = REPLICAS,
                                          .room = REPLICAS,
                                          .usable = true,
                                          .movable = true,
                                          .settled = true},
            {.mode = DECIDE_MODE_EXCLUSIVE,
                    .pool = CORE_NO_INDEX,
                    .replicas = 1,
                    .slots = 1,
                    .used = 1,
                    .leaving = leaving,
                    .usable = true}};
    struct decide_pool pool = {.technique = MODEL_TECHNIQUE_TIME_SLICING,
            .name = "ts-a100-80gb",
            .gpu = w->store.pic.nodes[0].fact.gpu,
            .replicas = REPLICAS,
            .have = REPLICAS};
    w->now.wall_ns = START_NS + seconds * NUM_NS_PER_SECOND;
    w->now.mono_ns = seconds * NUM_NS_PER_SECOND;
    struct decide_run run = {.d = w->decider,
            .pic = &w->store.pic,
            .now = &w->now,
            .policy = &w->policy,
            .nodes = nodes,
            .pools = &pool,
            .pool_count = 1};
    arena_reset(w->decider->scratch);
    w->decider->intent_count = 0;
    decide_capacity(&run);
    if (w->decider->intent_count == 0)
        return CORE_REASON_NONE;
    const struct core_intent *i = &w->decider->intents[0];
    assert_int_equal(w->decider->intent_count, 1);
    assert_int_equal(i->node, SHARED);
    assert_int_equal(i->change, CORE_CHANGE_UNSHARE);
    assert_int_equal(i->urgent, i->reason == CORE_REASON_LATENCY_ARRIVAL);
    return i->reason;
}

static void latency_sensitive_work_is_served_at_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, MODEL_CLASS_LATENCY_SENSITIVE);
    assert_int_equal(given(&w, 0, 0), CORE_REASON_LATENCY_ARRIVAL);
    world_clear(&w);
}

static void a_gpu_that_is_being_left_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, MODEL_CLASS_LATENCY_SENSITIVE);
    assert_int_equal(given(&w, 0, 1), CORE_REASON_NONE);
    assert_int_equal(given(&w, PATIENCE_S - 1, 1), CORE_REASON_NONE);
    assert_int_equal(given(&w, PATIENCE_S, 1), CORE_REASON_LATENCY_ARRIVAL);
    world_clear(&w);
}

static void other_work_waits_for_the_scheduler(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, MODEL_CLASS_BATCH);
    assert_int_equal(given(&w, 0, 0), CORE_REASON_NONE);
    assert_int_equal(given(&w, PATIENCE_S - 1, 0), CORE_REASON_NONE);
    assert_int_equal(given(&w, PATIENCE_S, 0), CORE_REASON_PENDING_PODS);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(latency_sensitive_work_is_served_at_once),
            cmocka_unit_test(a_gpu_that_is_being_left_is_waited_for),
            cmocka_unit_test(other_work_waits_for_the_scheduler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
