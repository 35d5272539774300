/* MIG pools: pods that wait for instances get a node, be it one with pods that are being replaced
 * anyway; where no node can be had, that is told.  An instance's readings are no whole GPU's. */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"

#include <string.h>

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND)
#define POOL     "mig-a100-80gb"

enum { POINTED = 7, STAYS = 8, NODE = 100, POD = 200, GPUS = 2 };

struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    uint16_t gpu;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

static void tell_owner(struct world *w, uint64_t uid, uint32_t max_unavailable)
{
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    f.owner = (struct core_owner_fact){.uid = uid,
            .name = STR_LIT("team/server"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = MODEL_CLASS_LATENCY_SENSITIVE,
            .replicas = 2,
            .max_unavailable = max_unavailable,
            .gpus_per_pod = 1,
            .resource = {.kind = MODEL_RESOURCE_GPU}};
    if (uid == POINTED) {
        f.owner.resource =
                (struct model_resource){.kind = MODEL_RESOURCE_MIG, .profile = "1g.10gb"};
        f.owner.pool = STR_LIT(POOL);
    }
    tell(w, f, CORE_SOURCE_OWNERS);
}

/* A pod on a whole GPU of the node, or one that waits for an instance. */
static void tell_pod(struct world *w, uint64_t uid, uint64_t owner, uint64_t node)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = uid,
            .owner = owner,
            .node = node,
            .name = STR_LIT("team/server-1"),
            .phase = node != 0 ? CORE_POD_RUNNING : CORE_POD_PENDING,
            .unschedulable = node == 0,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1,
            .created_wall_ns = START_NS - NUM_NS_PER_HOUR,
            .started_wall_ns = node != 0 ? START_NS - NUM_NS_PER_HOUR : 0};
    if (node == 0) {
        f.pod.resource = (struct model_resource){.kind = MODEL_RESOURCE_MIG, .profile = "1g.10gb"};
        f.pod.pool = STR_LIT(POOL);
    }
    tell(w, f, CORE_SOURCE_PODS);
}

/* Two nodes, each with a pod of `owner` on a whole GPU, and a pod that waits for an instance. */
static void world_init(struct world *w, uint64_t owner, uint32_t max_unavailable)
{
    const struct core_options options = {.seed = 1};
    const struct model_gpu *gpu;
    *w = (struct world){.now = {.wall_ns = START_NS, .mono_ns = NUM_NS_PER_SECOND}};
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    w->gpu = (uint16_t)model_gpu_index(gpu);
    struct core_fact f = {.kind = CORE_FACT_POLICY, .policy = policy_preset(STR_LIT("balanced"))};
    tell(w, f, CORE_SOURCE_POLICY);
    f = (struct core_fact){.kind = CORE_FACT_WINDOW,
            .window = {START_NS - NUM_NS_PER_HOUR, START_NS + NUM_NS_PER_HOUR}};
    tell(w, f, CORE_SOURCE_POLICY);
    for (uint64_t n = 0; n < 2; n++) {
        f = (struct core_fact){.kind = CORE_FACT_NODE};
        f.node = (struct core_node_fact){.uid = NODE + n,
                .name = STR_LIT("n"),
                .gpu = w->gpu,
                .gpu_count = GPUS,
                .cpu_milli = 64000,
                .memory_mib = 512000,
                .microusd_per_hour = 8000000,
                .ready = true,
                .caps = {.share = CORE_SHARE_NODE_RESOURCE,
                        .relayout = CORE_RELAYOUT_GPU_REBUILD,
                        .steer = CORE_STEER_POOL},
                .allocatable_count = 1,
                .allocatable = {{.resource = {.kind = MODEL_RESOURCE_GPU}, .count = GPUS}}};
        tell(w, f, CORE_SOURCE_NODES);
    }
    tell_owner(w, POINTED, owner == POINTED ? max_unavailable : UINT32_MAX);
    tell_owner(w, STAYS, owner == STAYS ? max_unavailable : UINT32_MAX);
    for (uint64_t n = 0; n < 2; n++)
        tell_pod(w, POD + n, owner, NODE + n);
    tell_pod(w, POD + 2, POINTED, 0);
    for (int s = 0; s < CORE_SOURCE_COUNT; s++) {
        f = (struct core_fact){.kind = CORE_FACT_SYNC, .sync_complete = true};
        tell(w, f, (enum core_source)s);
    }
}

static void world_clear(struct world *w)
{
    core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

static struct core_decider_output run(struct world *w)
{
    struct core_decider_output out = {0};
    core_decider_run(w->decider, &w->store.pic, &w->now, &out);
    return out;
}

/* The first intent, or refusal, about MIG layouts; NULL when there is none. */
static const struct core_intent *cut_of(const struct core_decider_output *out)
{
    for (uint32_t i = 0; i < out->intent_count; i++) {
        if (out->intents[i].change == CORE_CHANGE_MIG_RELAYOUT)
            return &out->intents[i];
    }
    return NULL;
}

static const struct core_decision *refusal_of(const struct core_decider_output *out)
{
    for (uint32_t i = 0; i < out->refusal_count; i++) {
        if (out->refusals[i].change == CORE_CHANGE_MIG_RELAYOUT)
            return &out->refusals[i];
    }
    return NULL;
}

static void pods_that_are_replaced_make_room(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, POINTED, UINT32_MAX);
    struct core_decider_output out = run(&w);
    const struct core_intent *cut = cut_of(&out);
    assert_non_null(cut);
    assert_true(cut->target.mig);
    assert_string_equal(cut->target.pool, POOL);
    assert_true(strstr(cut->target.layouts[0], "1g.10gb") != NULL);
    assert_null(refusal_of(&out));
    world_clear(&w);
}

static void pods_of_others_do_not(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, STAYS, UINT32_MAX);
    struct core_decider_output out = run(&w);
    assert_null(cut_of(&out));
    const struct core_decision *no = refusal_of(&out);
    assert_non_null(no);
    assert_int_equal(no->reason, CORE_REASON_GUARD_ROOM);
    assert_string_equal(no->evidence[2].name, "nodes_with_pods_that_stay");
    assert_int_equal(no->evidence[2].value, 2);
    world_clear(&w);
}

static void nor_pods_whose_budget_allows_none(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, POINTED, 0);
    struct core_decider_output out = run(&w);
    assert_null(cut_of(&out));
    assert_non_null(refusal_of(&out));
    world_clear(&w);
}

static void tell_cut_node(struct world *w)
{
    static const char text[] = "version: v1\nmig-configs:\n  cut:\n    - devices: [0, 1]\n"
                               "      mig-enabled: true\n      mig-devices: {\"1g.10gb\": 7}\n";
    struct core_fact f = {.kind = CORE_FACT_CONFIG};
    f.config = (struct core_config_fact){
            .map = CORE_CONFIG_MIG, .key = STR_LIT("cut"), .text = STR_LIT(text), .present = true};
    tell(w, f, CORE_SOURCE_CONFIG);
    f = (struct core_fact){.kind = CORE_FACT_NODE, .node = w->store.pic.nodes[0].fact};
    f.node.pool = STR_LIT(POOL);
    f.node.mig_config = STR_LIT("cut");
    f.node.allocatable[0] = (struct core_resource_count){
            .resource = {.kind = MODEL_RESOURCE_MIG, .profile = "1g.10gb"}, .count = 14};
    tell(w, f, CORE_SOURCE_NODES);
    w->now.wall_ns += NUM_NS_PER_HOUR / 2; /* the policy's dwell */
    w->now.mono_ns += NUM_NS_PER_HOUR / 2;
}

/* Seven 1g and a 2g are wanted of a node with fourteen 1g: one GPU has what is wanted already. */
static void a_gpu_that_has_what_is_wanted_keeps_it(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, STAYS, UINT32_MAX);
    tell_cut_node(&w);
    tell_pod(&w, POD, STAYS, NODE + 1);
    struct core_fact f = {.kind = CORE_FACT_OWNER,
            .owner = w.store.pic.owners[core_picture_owner(&w.store.pic, POINTED)].fact};
    f.owner.replicas = 7;
    tell(&w, f, CORE_SOURCE_OWNERS);
    f.owner.uid = STAYS;
    f.owner.replicas = 1;
    f.owner.resource = (struct model_resource){.kind = MODEL_RESOURCE_MIG, .profile = "2g.20gb"};
    tell(&w, f, CORE_SOURCE_OWNERS);
    struct core_decider_output out = run(&w);
    const struct core_intent *cut = cut_of(&out);
    assert_non_null(cut);
    assert_int_equal(cut->node, NODE);
    assert_string_equal(cut->target.layouts[0], "7x1g.10gb");
    assert_true(strstr(cut->target.layouts[1], "2g.20gb") != NULL);
    world_clear(&w);
}

/* Readings of a device that two pods share: of GPU 0, or of an instance on it. */
static uint64_t learned(struct world *w, uint8_t start)
{
    const uint64_t both[] = {POD, POD + 1};
    for (int i = 0; i < 100; i++) {
        w->now.wall_ns += 60 * NUM_NS_PER_SECOND;
        struct core_fact f = {.kind = CORE_FACT_SAMPLE};
        f.sample = (struct core_sample_fact){.node = NODE,
                .start = start,
                .scope = CORE_SAMPLE_GPU,
                .valid = CORE_VALID_BUSY,
                .busy_permille = 10,
                .occupant_count = 2,
                .occupants = both};
        tell(w, f, CORE_SOURCE_METRICS);
    }
    struct usage_histogram busy;
    const struct decide_owner *row = decide_owner_find(w->decider, STAYS);
    if (row == NULL)
        return 0;
    usage_digest_all(&row->digest, USAGE_METRIC_BUSY, &busy);
    return busy.total;
}

static void a_shared_instance_is_no_whole_gpu(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, STAYS, UINT32_MAX);
    assert_int_equal(learned(&w, 0), 0);
    assert_true(learned(&w, UINT8_MAX) > 0);
    world_clear(&w);
}

/* ---- several pods on an instance ---- */

/* MIG first, up to four pods on an instance. */
static struct policy sharing(void)
{
    struct policy p = *policy_preset(STR_LIT("balanced"));
    p.techniques[0] = MODEL_TECHNIQUE_MIG;
    p.techniques[1] = MODEL_TECHNIQUE_TIME_SLICING;
    p.replicas_instance_max = 4;
    return p;
}

static void tell_policy(struct world *w, const struct policy *p)
{
    struct core_fact f = {.kind = CORE_FACT_POLICY, .policy = p};
    tell(w, f, CORE_SOURCE_POLICY);
}

/* Two hours of readings of the two pods of STAYS, each alone on its GPU. */
static void tell_readings(struct world *w, uint16_t busy_permille, uint32_t memory_mib)
{
    for (int i = 0; i < 240; i++) {
        const uint64_t pod = POD + (uint64_t)i % 2;
        struct core_fact f = {.kind = CORE_FACT_SAMPLE};
        w->now.wall_ns += 30 * NUM_NS_PER_SECOND;
        f.sample = (struct core_sample_fact){.node = NODE + (uint64_t)i % 2,
                .start = UINT8_MAX,
                .scope = CORE_SAMPLE_GPU,
                .valid = CORE_VALID_BUSY | CORE_VALID_SM | CORE_VALID_MEMORY,
                .busy_permille = busy_permille,
                .sm_permille = (uint16_t)(busy_permille / 10),
                .memory_used_mib = memory_mib,
                .occupant_count = 1,
                .occupants = &pod};
        tell(w, f, CORE_SOURCE_METRICS);
    }
}

/* An owner as it stands, with a class, and the memory that its pods declare. */
static struct core_owner_fact owner_of(
        const struct world *w, uint64_t uid, enum model_class c, uint32_t memory_mib)
{
    struct core_owner_fact o = w->store.pic.owners[core_picture_owner(&w->store.pic, uid)].fact;
    o.class_declared = c;
    o.declared_memory_mib = memory_mib;
    return o;
}

static struct decide_judgement judge(
        const struct world *w, const struct policy *p, const struct core_owner_fact *o, uint32_t n)
{
    struct decide_slice slice = {w->gpu, n};
    return decide_judge_mig(w->decider, p, &w->now, o, slice);
}

static void readings_init(struct world *w, uint16_t busy_permille, uint32_t memory_mib)
{
    world_init(w, STAYS, UINT32_MAX);
    tell_readings(w, busy_permille, memory_mib);
}

/* Quiet pods share an instance that holds all their peaks. */
static void quiet_pods_share_an_instance(void **state)
{
    (void)state;
    const struct policy p = sharing();
    struct world w;
    readings_init(&w, 50, 4000);
    struct core_owner_fact o = owner_of(&w, STAYS, MODEL_CLASS_INTERACTIVE, 4000);
    for (uint32_t n = 1; n <= 4; n *= 2) {
        struct decide_judgement j = judge(&w, &p, &o, n);
        assert_int_equal(j.reason, CORE_REASON_NONE);
        assert_int_equal(j.replicas, n);
        assert_true(j.reserve_mib >= 4000);
        assert_true(j.reserve_mib * n <= j.limit_mib);
    }
    world_clear(&w);
}

/* The rules of time-slicing hold beside those of MIG. */
static void others_do_not(void **state)
{
    (void)state;
    struct policy p = sharing();
    struct world w;
    readings_init(&w, 50, 4000);
    struct core_owner_fact o = owner_of(&w, STAYS, MODEL_CLASS_LATENCY_SENSITIVE, 4000);
    assert_int_equal(judge(&w, &p, &o, 1).reason, CORE_REASON_NONE);
    assert_int_equal(judge(&w, &p, &o, 2).reason, CORE_REASON_GUARD_LATENCY);
    o.class_declared = MODEL_CLASS_INTERACTIVE;
    p.isolation = MODEL_ISOLATION_INSTANCE;
    assert_int_equal(judge(&w, &p, &o, 1).reason, CORE_REASON_NONE);
    assert_int_equal(judge(&w, &p, &o, 2).reason, CORE_REASON_GUARD_ISOLATION);
    world_clear(&w);
    p = sharing();
    readings_init(&w, 50, 24000); /* two do not fit into half of an A100-80GB */
    o = owner_of(&w, STAYS, MODEL_CLASS_INTERACTIVE, 24000);
    assert_int_equal(judge(&w, &p, &o, 1).reason, CORE_REASON_NONE);
    assert_int_equal(judge(&w, &p, &o, 2).reason, CORE_REASON_GUARD_MEMORY);
    world_clear(&w);
    readings_init(&w, 600, 4000); /* busy more than half of the time */
    o = owner_of(&w, STAYS, MODEL_CLASS_INTERACTIVE, 4000);
    assert_int_equal(judge(&w, &p, &o, 1).reason, CORE_REASON_NONE);
    assert_int_equal(judge(&w, &p, &o, 2).reason, CORE_REASON_GUARD_BUSY);
    world_clear(&w);
}

/* Options of the regular solve that share instances. */
static uint32_t options_shared(struct world *w)
{
    uint32_t count = 0;
    (void)run(w);
    assert_non_null(w->decider->problem);
    for (uint32_t i = 0; i < w->decider->problem->option_count; i++) {
        const struct place_option *o = &w->decider->problem->options[i];
        bool is = o->technique == MODEL_TECHNIQUE_MIG && o->tier > 0;
        if (is)
            assert_int_equal(o->replicas_max, decide_tier_replicas(o->tier));
        count += is;
    }
    return count;
}

/* The same, of quiet pods under a policy. */
static uint32_t options_under(const struct policy *p)
{
    struct world w;
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    readings_init(&w, 50, 4000);
    tell_policy(&w, p);
    f.owner = owner_of(&w, STAYS, MODEL_CLASS_INTERACTIVE, 4000);
    tell(&w, f, CORE_SOURCE_OWNERS);
    uint32_t count = options_shared(&w);
    world_clear(&w);
    return count;
}

static void only_where_the_policy_says_so(void **state)
{
    (void)state;
    static const uint32_t options[] = {[1] = 0, [2] = 1, [3] = 1, [4] = 2};
    struct policy p = sharing();
    for (uint32_t max = 1; max <= 4; max++) {
        p.replicas_instance_max = max;
        assert_int_equal(options_under(&p), options[max]);
    }
    p.mode[MODEL_TECHNIQUE_TIME_SLICING] = POLICY_MODE_OBSERVE;
    assert_int_equal(options_under(&p), 0);
    p = sharing();
    p.technique_count = 1; /* not time-slicing */
    assert_int_equal(options_under(&p), 0);
}

/* An owner that is wished there is told the resource and the pool. */
static void owners_are_pointed_to_shared_instances(void **state)
{
    (void)state;
    const struct policy p = sharing();
    struct world w;
    unsigned profile = 0;
    readings_init(&w, 50, 4000);
    tell_policy(&w, &p);
    struct core_fact f = {
            .kind = CORE_FACT_WINDOW, .window = {START_NS, START_NS + 8 * NUM_NS_PER_HOUR}};
    tell(&w, f, CORE_SOURCE_POLICY);
    struct decide_owner *row = decide_owner_find(w.decider, STAYS);
    assert_int_equal(
            mig_profile_find(decide_mig_model(w.gpu), STR_LIT("1g.10gb"), &profile, NULL), 0);
    row->way_set = true;
    row->way = (struct decide_way){.technique = MODEL_TECHNIQUE_MIG,
            .gpu = w.gpu,
            .tier = 1,
            .profile = (uint8_t)profile,
            .replicas = 2};
    struct core_decider_output out = run(&w);
    const struct core_intent *point = NULL;
    for (uint32_t i = 0; i < out.intent_count; i++) {
        if (out.intents[i].change == CORE_CHANGE_OWNER_POINT && out.intents[i].owner == STAYS)
            point = &out.intents[i];
    }
    assert_non_null(point);
    assert_int_equal(point->owner_target.resource.kind, MODEL_RESOURCE_MIG_SHARED);
    assert_string_equal(point->owner_target.resource.profile, "1g.10gb");
    assert_string_equal(point->owner_target.pool, "mig-x2-a100-80gb");
    world_clear(&w);
}

/* Nine pods, two on an instance, wait: a node gets five instances, two replicas each. */
static void a_node_is_cut_for_pods_that_share(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, POINTED, UINT32_MAX);
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    f.owner = owner_of(&w, POINTED, MODEL_CLASS_INTERACTIVE, 4000);
    f.owner.replicas = 9;
    f.owner.pool = STR_LIT("mig-x2-a100-80gb");
    f.owner.resource.kind = MODEL_RESOURCE_MIG_SHARED;
    tell(&w, f, CORE_SOURCE_OWNERS);
    f = (struct core_fact){.kind = CORE_FACT_POD};
    f.pod = w.store.pic.pods[core_picture_pod(&w.store.pic, POD + 2)].fact;
    f.pod.pool = STR_LIT("mig-x2-a100-80gb");
    f.pod.resource.kind = MODEL_RESOURCE_MIG_SHARED;
    tell(&w, f, CORE_SOURCE_PODS);
    struct core_decider_output out = run(&w);
    const struct core_intent *cut = cut_of(&out);
    assert_non_null(cut);
    assert_int_equal(cut->target.mig_replicas, 2);
    assert_string_equal(cut->target.pool, "mig-x2-a100-80gb");
    assert_string_equal(cut->evidence[0].name, "instances_served");
    assert_in_range(cut->evidence[0].value, 5, 6); /* and the margin */
    world_clear(&w);
}

static void instances_are_counted_behind_their_replicas(void **state)
{
    (void)state;
    struct core_node_fact f = {.pool = STR_LIT("mig-x4-a100-80gb")};
    struct core_resource_count c = {
            .resource = {.kind = MODEL_RESOURCE_MIG_SHARED, .profile = "1g.10gb"}, .count = 28};
    assert_int_equal(decide_instances(&f, &c), 7);
    c.resource.kind = MODEL_RESOURCE_MIG;
    assert_int_equal(decide_instances(&f, &c), 28);
    c.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    assert_int_equal(decide_instances(&f, &c), 0);
}

static void a_pool_name_says_what_it_is(void **state)
{
    (void)state;
    for (uint32_t gpu = 0; gpu < model_gpu_count(); gpu++) {
        for (unsigned i = 0; i < 2 * PLACE_TIERS; i++) {
            enum model_technique wanted =
                    i < PLACE_TIERS ? MODEL_TECHNIQUE_TIME_SLICING : MODEL_TECHNIQUE_MIG;
            enum model_technique technique;
            char name[DECIDE_POOL_NAME_MAX];
            uint16_t row;
            uint8_t tier;
            decide_pool_name(wanted, (uint16_t)gpu, i % PLACE_TIERS, name);
            assert_true(decide_pool_parse(str_from(name), &technique, &row, &tier));
            assert_int_equal(technique, wanted);
            assert_int_equal(row, gpu);
            assert_int_equal(tier, i % PLACE_TIERS);
        }
    }
}

/* Memory of an instance with two pods nears its end: their owner shares none for a day. */
static void a_tight_instance_ends_sharing(void **state)
{
    (void)state;
    const struct policy p = sharing();
    const uint64_t both[] = {POD, POD + 1};
    struct world w;
    readings_init(&w, 50, 4000);
    tell_policy(&w, &p);
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    f.owner = owner_of(&w, STAYS, MODEL_CLASS_INTERACTIVE, 4000);
    f.owner.resource =
            (struct model_resource){.kind = MODEL_RESOURCE_MIG_SHARED, .profile = "1g.10gb"};
    tell(&w, f, CORE_SOURCE_OWNERS);
    struct core_owner_fact o = f.owner;
    static const struct {
        uint32_t memory_mib;
        enum core_reason reason;
    } rows[] = {{8000, CORE_REASON_NONE}, {9300, CORE_REASON_GUARD_MEMORY}};
    for (unsigned i = 0; i < 2; i++) {
        f = (struct core_fact){.kind = CORE_FACT_SAMPLE};
        f.sample = (struct core_sample_fact){.node = NODE,
                .start = 0,
                .scope = CORE_SAMPLE_INSTANCE,
                .valid = CORE_VALID_MEMORY,
                .memory_used_mib = rows[i].memory_mib,
                .occupant_count = 2,
                .occupants = both};
        tell(&w, f, CORE_SOURCE_METRICS);
        assert_int_equal(judge(&w, &p, &o, 2).reason, rows[i].reason);
        assert_int_equal(judge(&w, &p, &o, 1).reason, CORE_REASON_NONE);
    }
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pods_that_are_replaced_make_room),
            cmocka_unit_test(pods_of_others_do_not),
            cmocka_unit_test(nor_pods_whose_budget_allows_none),
            cmocka_unit_test(a_gpu_that_has_what_is_wanted_keeps_it),
            cmocka_unit_test(a_shared_instance_is_no_whole_gpu),
            cmocka_unit_test(quiet_pods_share_an_instance),
            cmocka_unit_test(others_do_not),
            cmocka_unit_test(only_where_the_policy_says_so),
            cmocka_unit_test(owners_are_pointed_to_shared_instances),
            cmocka_unit_test(a_node_is_cut_for_pods_that_share),
            cmocka_unit_test(instances_are_counted_behind_their_replicas),
            cmocka_unit_test(a_pool_name_says_what_it_is),
            cmocka_unit_test(a_tight_instance_ends_sharing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
