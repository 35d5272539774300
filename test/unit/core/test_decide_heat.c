/* GPUs that are too busy, and gains that are asked for again: each limit from both its sides. */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"

#include <string.h>

#define START_NS     (INT64_C(1772409600) * NUM_NS_PER_SECOND) /* a whole half hour */
#define HALF_HOUR_NS (30 * 60 * NUM_NS_PER_SECOND)

enum { OWNER = 7, NODE = 100, NODES = 2, POD = 200, READINGS = 1000, FULL = 980, REPLICAS = 4 };

/* Two shared nodes of one GPU and one pool; a pod on the first. */
struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    struct policy policy;
    struct decide_node nodes[NODES];
    struct decide_pool pool;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

static uint16_t gpu_index(const char *key)
{
    const struct model_gpu *gpu;
    assert_int_equal(model_gpu_find(str_from(key), &gpu, NULL), 0);
    return (uint16_t)model_gpu_index(gpu);
}

static struct core_owner_fact owner_of(enum model_class workload_class)
{
    return (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/work"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = workload_class,
            .replicas = 1,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 1000,
            .resource = {.kind = MODEL_RESOURCE_GPU}};
}

static void tell_pod(struct world *w, uint64_t uid, uint64_t node)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = uid,
            .owner = OWNER,
            .node = node,
            .name = STR_LIT("p"),
            .phase = CORE_POD_RUNNING,
            .created_wall_ns = w->now.wall_ns,
            .started_wall_ns = w->now.wall_ns,
            .device_count = 1,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1};
    f.pod.devices[0].start = UINT8_MAX;
    tell(w, f, CORE_SOURCE_PODS);
}

static void world_init(struct world *w)
{
    const struct core_options options = {.seed = 1};
    *w = (struct world){
            .now = {.wall_ns = START_NS}, .policy = *policy_preset(STR_LIT("balanced"))};
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    tell(w, (struct core_fact){.kind = CORE_FACT_POLICY, .policy = &w->policy}, CORE_SOURCE_POLICY);
    for (uint64_t i = 0; i < NODES; i++) {
        struct core_fact f = {.kind = CORE_FACT_NODE};
        f.node = (struct core_node_fact){.uid = NODE + i,
                .name = STR_LIT("n"),
                .gpu = gpu_index("A100-80GB"),
                .gpu_count = 1,
                .ready = true};
        tell(w, f, CORE_SOURCE_NODES);
        w->nodes[i] = (struct decide_node){.mode = DECIDE_MODE_SHARED,
                .replicas = REPLICAS,
                .slots = REPLICAS,
                .cpu_free = 64000,
                .ram_free = 512000,
                .usable = true,
                .movable = true,
                .settled = true};
    }
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    f.owner = owner_of(MODEL_CLASS_INTERACTIVE);
    tell(w, f, CORE_SOURCE_OWNERS);
    tell_pod(w, POD, NODE);
    w->pool = (struct decide_pool){
            .technique = MODEL_TECHNIQUE_TIME_SLICING, .name = "ts-a100-80gb", .replicas = 4};
}

static void world_clear(struct world *w)
{
    core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

/* `count` readings of the first node's GPU with so many pods on it. */
static void readings(struct world *w, uint32_t count, uint16_t busy, uint32_t occupants)
{
    static const uint64_t pods[] = {POD, POD + 1};
    const struct core_sample_fact s = {.node = NODE,
            .scope = CORE_SAMPLE_GPU,
            .start = UINT8_MAX,
            .valid = CORE_VALID_BUSY,
            .busy_permille = busy,
            .occupant_count = occupants,
            .occupants = pods};
    for (uint32_t i = 0; i < count; i++)
        decide_heat_take(w->decider, &s, occupants, w->now.wall_ns);
}

/* The replicas that the first node is asked to have instead; 0 = it keeps what it has. */
static uint32_t lowered(struct world *w)
{
    struct decide_node nodes[NODES];
    struct decide_pool pool = w->pool;
    memcpy(nodes, w->nodes, sizeof(nodes));
    struct decide_run run = {.d = w->decider,
            .pic = &w->store.pic,
            .now = &w->now,
            .policy = &w->policy,
            .nodes = nodes,
            .pools = &pool,
            .pool_count = 1};
    arena_reset(w->decider->scratch);
    w->decider->intent_count = 0;
    decide_lower(&run);
    if (w->decider->intent_count == 0)
        return 0;
    const struct core_intent *i = &w->decider->intents[0];
    assert_int_equal(w->decider->intent_count, 1);
    assert_int_equal(i->node, NODE);
    assert_int_equal(i->change, CORE_CHANGE_REPLICAS_LOWER);
    assert_true(i->urgent);
    return i->target.replicas;
}

/* How many of READINGS may be full: twenty times the share of time that the policy allows. */
static uint32_t full_allowed(const struct world *w)
{
    uint64_t full = (uint64_t)decide_conflict_allowed_ppm(&w->policy) * 20 * READINGS;
    assert_int_equal(full % 1000000, 0);
    assert_in_range(full / 1000000, 1, READINGS - 1);
    return (uint32_t)(full / 1000000);
}

static void full_for_longer_than_allowed_is_hot(void **state)
{
    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        struct world w;
        world_init(&w);
        uint32_t full = full_allowed(&w) + more;
        readings(&w, full, FULL, 2);
        readings(&w, READINGS - full, FULL - 1, 2);
        assert_int_equal(lowered(&w), more > 0 ? REPLICAS - 1 : 0);
        bool pressed = map_u64_find(&w.decider->pressed, NODE) != MAP_NONE;
        assert_int_equal(pressed, more > 0);
        world_clear(&w);
    }
}

static void few_readings_say_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    readings(&w, 50, FULL, 1); /* one pod alone may be as busy as it likes */
    readings(&w, 19, FULL, 2);
    assert_int_equal(lowered(&w), 0);
    readings(&w, 1, FULL, 2);
    assert_int_equal(lowered(&w), REPLICAS - 1);
    decide_heat_forget(w.decider, NODE);
    assert_int_equal(lowered(&w), 0);
    world_clear(&w);
}

static void the_half_hour_before_counts_and_no_older_one(void **state)
{
    (void)state;
    for (unsigned later = 1; later <= 2; later++) {
        struct world w;
        world_init(&w);
        readings(&w, 19, FULL, 2);
        w.now.wall_ns += later * HALF_HOUR_NS;
        assert_int_equal(lowered(&w), 0);
        readings(&w, 1, FULL, 2);
        assert_int_equal(lowered(&w), later == 1 ? REPLICAS - 1 : 0);
        w.now.wall_ns += HALF_HOUR_NS - 1;
        assert_int_equal(lowered(&w), later == 1 ? REPLICAS - 1 : 0);
        w.now.wall_ns += 1; /* silence is no signal */
        assert_int_equal(lowered(&w), 0);
        world_clear(&w);
    }
}

static void pods_move_only_where_they_fit(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    readings(&w, 20, FULL, 2);
    w.nodes[0].used = 1;
    w.nodes[0].room = 3;
    w.pool.want = 1;
    w.pool.have = 5; /* what stays when the node's four are gone */
    assert_int_equal(lowered(&w), REPLICAS - 1);
    w.pool.have = 4;
    assert_int_equal(lowered(&w), 0);
    w.pool.have = 5;
    w.nodes[1].used = REPLICAS;
    assert_int_equal(lowered(&w), 0); /* full */
    w.nodes[1].used = REPLICAS - 1;
    assert_int_equal(lowered(&w), REPLICAS - 1);
    w.pool.stuck = 1;
    assert_int_equal(lowered(&w), 0); /* a pod waits: it comes first */
    w.pool.stuck = 0;
    w.nodes[0].replicas = 2;
    assert_int_equal(lowered(&w), 0); /* one pod a GPU is not sharing */
    world_clear(&w);
}

/* What a GPU bears today takes a count back only while it is known. */
static void only_what_is_known_takes_back(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.nodes[1].usable = false;
    w.pool.hard = 3;
    w.pool.replicas = REPLICAS;
    assert_int_equal(lowered(&w), 0);
    w.pool.replicas = 3;
    assert_int_equal(lowered(&w), 3);
    w.pool.replicas = 1;
    assert_int_equal(lowered(&w), 2);
    w.pool.guessed = true;
    assert_int_equal(lowered(&w), 0);
    w.pool.guessed = false;
    w.pool.hard = 0;
    assert_int_equal(lowered(&w), 0);
    world_clear(&w);
}

static enum core_reason guarded(struct world *w, const struct core_intent *intent)
{
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
    uint32_t count;
    return core_decider_guard(w->decider, &w->store.pic, &w->now, intent, evidence, &count);
}

/* Four hours of readings of four pods, so that they may share. */
static void learn(struct world *w)
{
    for (uint64_t i = 1; i < 4; i++)
        tell_pod(w, POD + i, NODE + 1);
    for (unsigned m = 0; m < 240; m++) {
        w->now.mono_ns += 60 * NUM_NS_PER_SECOND;
        w->now.wall_ns += 60 * NUM_NS_PER_SECOND;
        for (uint64_t i = 0; i < 4; i++) {
            const uint64_t pod = POD + i;
            struct core_fact f = {.kind = CORE_FACT_SAMPLE};
            f.sample = (struct core_sample_fact){.node = i == 0 ? NODE : NODE + 1,
                    .start = UINT8_MAX,
                    .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
                    .busy_permille = 60,
                    .memory_used_mib = 1000,
                    .occupant_count = 1,
                    .occupants = &pod};
            tell(w, f, CORE_SOURCE_METRICS);
        }
    }
}

static void a_class_must_still_gain(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    learn(&w);
    struct decide_owner *row = decide_owner_find(w.decider, OWNER);
    assert_non_null(row);
    struct core_intent intent = {.kind = CORE_INTENT_OWNER, .owner = OWNER};
    const struct core_share share = {gpu_index("A100-80GB"), 3, 20000};
    core_share_name(&share, intent.owner_target.pool);
    const int64_t cost = 10000000;
    int64_t least = num_max_i64(
            w.policy.min_gain_microusd_per_hour, cost * w.policy.min_gain_permille / 1000);
    assert_in_range(least, 2, cost);
    row->class_wish = (struct decide_class_wish){.set = true,
            .shared = true,
            .reason = CORE_REASON_COST,
            .cost_now = cost,
            .saving = least};
    assert_int_equal(guarded(&w, &intent), CORE_REASON_NONE);
    row->class_wish.saving = least - 1;
    assert_int_equal(guarded(&w, &intent), CORE_REASON_GUARD_GAIN);
    row->class_wish.reason = CORE_REASON_GUARD_MEMORY; /* a measured need need not save */
    assert_int_equal(guarded(&w, &intent), CORE_REASON_NONE);

    /* From a class to one that is no tighter nothing is asked; else everything is. */
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    char name[CORE_SHARE_NAME_MAX];
    row->class_wish.reason = CORE_REASON_COST;
    for (unsigned more = 0; more < 2; more++) {
        const struct core_share had = {share.gpu, share.pods, share.memory_mib + more};
        f.owner = owner_of(MODEL_CLASS_INTERACTIVE);
        f.owner.resource.kind = MODEL_RESOURCE_GPU_SHARED;
        core_share_name(&had, name);
        f.owner.pool = str_from(name);
        tell(&w, f, CORE_SOURCE_OWNERS);
        assert_int_equal(
                guarded(&w, &intent), more > 0 ? CORE_REASON_GUARD_GAIN : CORE_REASON_NONE);
    }
    world_clear(&w);
}

/* Another model of whole GPUs: memory, the SLO and the target utilization, each at its edge. */
static void another_model_must_do(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    learn(&w);
    const struct decide_models pair = {gpu_index("A100-80GB"), gpu_index("L4")};
    uint32_t slow = decide_match_slowdown(pair.from, pair.to);
    assert_true(slow > 1000);
    assert_int_equal(decide_match_slowdown(pair.to, pair.from), 1000);
    struct core_owner_fact o = owner_of(MODEL_CLASS_INTERACTIVE);
    struct policy p = w.policy;

    o.slo_permille = (slow * 1000 + 799) / 800;
    p.target_utilization_permille = 1000;
    struct decide_judgement j = decide_judge_match(w.decider, &p, &w.now, &o, &pair);
    assert_int_equal(j.reason, CORE_REASON_NONE);
    o.slo_permille--;
    j = decide_judge_match(w.decider, &p, &w.now, &o, &pair);
    assert_int_equal(j.reason, CORE_REASON_GUARD_LATENCY);
    o.slo_permille++;

    uint32_t least = 0; /* utilization that its peak needs there */
    for (p.target_utilization_permille = 1; least == 0; p.target_utilization_permille++) {
        j = decide_judge_match(w.decider, &p, &w.now, &o, &pair);
        if (j.reason == CORE_REASON_NONE) {
            least = p.target_utilization_permille;
        } else {
            assert_int_equal(j.reason, CORE_REASON_GUARD_BUSY);
        }
    }
    uint32_t speed = model_gpu_get(pair.to)->speed_permille;
    assert_in_range(least, 60 * 1000 / speed - 1, 2 * 60 * 1000 / speed); /* readings are binned */

    p.target_utilization_permille = 1000;
    uint32_t usable = model_gpu_get(pair.to)->memory_usable_mib;
    uint32_t headroom = 0; /* the first that leaves too little */
    for (; headroom < 1000; headroom++) {
        p.memory_headroom_permille = headroom;
        j = decide_judge_match(w.decider, &p, &w.now, &o, &pair);
        if (j.reason != CORE_REASON_NONE)
            break;
    }
    assert_in_range(headroom, 1, 999);
    assert_int_equal(j.reason, CORE_REASON_GUARD_MEMORY);
    assert_true(j.reserve_mib > usable * (1000 - headroom) / 1000);
    assert_true(j.reserve_mib <= usable * (1000 - headroom + 1) / 1000);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(full_for_longer_than_allowed_is_hot),
            cmocka_unit_test(few_readings_say_nothing),
            cmocka_unit_test(the_half_hour_before_counts_and_no_older_one),
            cmocka_unit_test(pods_move_only_where_they_fit),
            cmocka_unit_test(only_what_is_known_takes_back),
            cmocka_unit_test(a_class_must_still_gain),
            cmocka_unit_test(another_model_must_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
