/* The deciding half, fed facts through the picture: who may share, what is told, what is refused.
 */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/intent.h"
#include "core/picture-priv.h"
#include "model/gpu.h"
#include "place/problem.h"

#include <string.h>

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND) /* Monday 2026-03-02 */

enum { OWNER = 7, NODE = 100, POD = 200, MINUTE = 60 };

struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
    struct core_owner_fact owner;
    uint16_t gpu;
    uint32_t busy; /* of each pod */
    int64_t price; /* of a node */
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

static void tell_node(struct world *w, uint64_t uid, enum core_steer steer)
{
    struct core_fact f = {.kind = CORE_FACT_NODE};
    bool device = steer == CORE_STEER_DEVICE;
    bool gpu = steer != CORE_STEER_POOL;
    f.node = (struct core_node_fact){.uid = uid,
            .name = STR_LIT("n"),
            .gpu = w->gpu,
            .gpu_count = 1,
            .cpu_milli = 64000,
            .memory_mib = 512000,
            .microusd_per_hour = w->price,
            .ready = true,
            .caps = {.share = gpu ? CORE_SHARE_GPU : CORE_SHARE_NODE_RESOURCE, .steer = steer},
            .allocatable_count = 1,
            .allocatable = {{.resource = {.kind = MODEL_RESOURCE_GPU}, .count = 1}}};
    if (device)
        f.node.caps.usage = CORE_KNOWN_PROCESS;
    tell(w, f, CORE_SOURCE_NODES);
}

static void tell_pod(struct world *w, uint64_t uid, uint64_t node)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = uid,
            .owner = OWNER,
            .node = node,
            .name = STR_LIT("p"),
            .phase = node != 0 ? CORE_POD_RUNNING : CORE_POD_PENDING,
            .unschedulable = node == 0,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1,
            .created_wall_ns = w->now.wall_ns,
            .started_wall_ns = node != 0 ? w->now.wall_ns : 0,
            .device_count = node != 0 ? 1 : 0};
    f.pod.devices[0].start = UINT8_MAX;
    tell(w, f, CORE_SOURCE_PODS);
}

static void tell_sample(struct world *w, uint64_t node, uint64_t pod, enum core_sample_scope scope)
{
    struct core_fact f = {.kind = CORE_FACT_SAMPLE};
    f.sample = (struct core_sample_fact){.node = node,
            .start = UINT8_MAX,
            .scope = scope,
            .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
            .busy_permille = (uint16_t)w->busy,
            .memory_used_mib = 12000,
            .occupant_count = 1,
            .occupants = &pod};
    tell(w, f, CORE_SOURCE_METRICS);
}

/* One node a pod, four pods of one owner, each 6 % busy with 12,000 MiB. */
static void world_init_on(
        struct world *w, enum core_steer steer, enum model_class workload_class, const char *gpu)
{
    const struct core_options options = {.seed = 1};
    *w = (struct world){
            .now = {.wall_ns = START_NS}, .gpu = gpu_index(gpu), .busy = 60, .price = 4000000};
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    struct core_fact f = {.kind = CORE_FACT_POLICY, .policy = policy_preset(STR_LIT("balanced"))};
    tell(w, f, CORE_SOURCE_POLICY);
    for (uint64_t i = 0; i < 4; i++)
        tell_node(w, NODE + i, steer);
    f = (struct core_fact){.kind = CORE_FACT_OWNER};
    w->owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/notebooks"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = workload_class,
            .replicas = 4,
            .max_unavailable = UINT32_MAX,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 1000,
            .resource = {.kind = MODEL_RESOURCE_GPU}};
    f.owner = w->owner;
    tell(w, f, CORE_SOURCE_OWNERS);
    for (uint64_t i = 0; i < 4; i++)
        tell_pod(w, POD + i, NODE + i);
    for (int s = 0; s < CORE_SOURCE_COUNT; s++) {
        f = (struct core_fact){.kind = CORE_FACT_SYNC, .sync_complete = true};
        tell(w, f, (enum core_source)s);
    }
}

static void world_init(struct world *w, enum core_steer steer, enum model_class workload_class)
{
    world_init_on(w, steer, workload_class, "A100-80GB");
}

static void world_clear(struct world *w)
{
    core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

/* Lets `minutes` pass with a reading of each pod in each; answers solves; returns the last run. */
static struct core_decider_output live(
        struct world *w, uint32_t minutes, enum core_sample_scope scope)
{
    struct core_decider_output out = {0};
    for (uint32_t m = 0; m < minutes; m++) {
        w->now.mono_ns += MINUTE * NUM_NS_PER_SECOND;
        w->now.wall_ns = START_NS + w->now.mono_ns;
        for (uint64_t i = 0; i < 4; i++)
            tell_sample(w, NODE + i, POD + i, scope);
        core_decider_run(w->decider, &w->store.pic, &w->now, &out);
        if (out.problem == NULL)
            continue;
        struct arena *a = arena_new(0);
        const struct place_solution *s;
        assert_int_equal(place_solve(a, out.problem, out.solve_seed, out.solve_iterations, &s), 0);
        core_decider_solved(w->decider, &w->store.pic, &w->now, s);
        arena_free(a);
    }
    return out;
}

static void owner_is_pointed_once_it_is_known(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE);
    struct core_decider_output out = live(&w, 30, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 0); /* balanced wants an hour of history */
    out = live(&w, 60, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 1);
    const struct core_intent *i = &out.intents[0];
    assert_int_equal(i->kind, CORE_INTENT_OWNER);
    assert_int_equal(i->owner, OWNER);
    assert_int_equal(i->owner_target.resource.kind, MODEL_RESOURCE_GPU_SHARED);
    assert_string_equal(i->owner_target.pool, "ts-a100-80gb");
    assert_true(i->saving_microusd_per_hour > 0);
    assert_true(i->saving_microusd_per_hour < 16000000);
    assert_true(i->evidence_count > 0);
    assert_true(strlen(i->why) > 0);

    struct core_evidence evidence[CORE_EVIDENCE_MAX];
    uint32_t count;
    assert_int_equal(core_decider_guard(w.decider, &w.store.pic, &w.now, i, evidence, &count),
            CORE_REASON_NONE);
    assert_true(count > 0);
    struct core_intent stale = *i; /* later, with no reading since */
    w.now.wall_ns += 24 * NUM_NS_PER_HOUR;
    assert_int_equal(core_decider_guard(w.decider, &w.store.pic, &w.now, &stale, evidence, &count),
            CORE_REASON_GUARD_STALE);
    world_clear(&w);
}

/* Tells again of node `i`, which would stay when empty. */
static void keep_node(struct world *w, uint64_t i)
{
    struct core_fact f = {.kind = CORE_FACT_NODE, .node = w->store.pic.nodes[i].fact};
    f.node.keeps = STR_LIT("its annotation forbids scale-down");
    tell(w, f, CORE_SOURCE_NODES);
}

static int64_t evidence_of(const struct core_intent *i, const char *key)
{
    for (uint32_t e = 0; e < i->evidence_count; e++) {
        if (strcmp(i->evidence[e].name, key) == 0)
            return i->evidence[e].value;
    }
    fail_msg("%s is not told", key);
    return 0;
}

static void only_nodes_that_can_go_are_promised_as_money(void **state)
{
    (void)state;
    /* Nodes that stay, of four with a pod each that share one GPU later: what goes of the others.
     */
    static const struct {
        uint32_t kept;
        bool pod_waits;
        int64_t money;
    } cases[] = {{0, false, 12000000}, {1, false, 8000000}, {2, false, 4000000}, {3, false, 0},
            {4, false, 0}, {4, true, 4000000}, {2, true, 8000000}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct world w;
        world_init(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE);
        for (uint32_t i = 0; i < cases[c].kept; i++)
            keep_node(&w, i);
        (void)live(&w, 75, CORE_SAMPLE_GPU);
        if (cases[c].pod_waits)
            tell_pod(&w, POD + 4, 0);
        struct core_decider_output out = live(&w, 1, CORE_SAMPLE_GPU);
        assert_true(out.intent_count > 0);
        const struct core_intent *i = &out.intents[0];
        assert_int_equal(i->change, CORE_CHANGE_OWNER_POINT);
        int64_t room = evidence_of(i, "room_microusd_per_hour");
        int64_t money = i->saving_microusd_per_hour;
        assert_int_equal(evidence_of(i, "saving_microusd_per_hour"), money);
        assert_int_equal(
                (money + room + 100) / 1000, 13333); /* 16 for four whole GPUs, less one of six */
        assert_in_range(money, num_max_i64(cases[c].money - 100, 0), cases[c].money);
        world_clear(&w);
    }
}

enum { QUOTA_OWNER = 8, QUOTA_POD = 300 };

/* A second GPU in each of the nodes, held by a pod of a second owner. */
static void add_second_owner(struct world *w, struct core_owner_fact fact)
{
    fact.uid = QUOTA_OWNER;
    fact.name = STR_LIT("team/counted");
    struct core_fact f = {.kind = CORE_FACT_OWNER, .owner = fact};
    tell(w, f, CORE_SOURCE_OWNERS);
    for (uint32_t i = 0; i < 4; i++) {
        f = (struct core_fact){.kind = CORE_FACT_NODE, .node = w->store.pic.nodes[i].fact};
        f.node.gpu_count = 2;
        f.node.allocatable[0].count = 2;
        f.node.microusd_per_hour = 2 * w->price;
        tell(w, f, CORE_SOURCE_NODES);
        f = (struct core_fact){.kind = CORE_FACT_POD, .pod = w->store.pic.pods[i].fact};
        f.pod.uid = QUOTA_POD + i;
        f.pod.owner = QUOTA_OWNER;
        f.pod.devices[0].gpu = 1;
        tell(w, f, CORE_SOURCE_PODS);
    }
}

/* A quota fixes what its owner asks for, and so its template; it does not fix where its pods are.
 */
static void what_is_under_a_quota_moves_and_is_not_pointed(void **state)
{
    (void)state;
    /* Four nodes of two GPUs.  Four pods that share one GPU and four that need a whole one are five
     * GPUs, on three nodes: one node goes, if the pods of whole GPUs may move. */
    static const struct {
        const char *foreign, *fixed;
        int64_t money;
    } cases[] = {{"Kueue queue 'q' counts its GPUs", "", 0},
            {"", "ResourceQuota 'q' counts requests.nvidia.com/gpu", 8000000}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct world w;
        world_init(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE);
        struct core_owner_fact fact = w.owner;
        fact.foreign = str_from(cases[c].foreign);
        fact.fixed = str_from(cases[c].fixed);
        add_second_owner(&w, fact);
        struct core_decider_output out = live(&w, 80, CORE_SAMPLE_GPU);
        uint32_t pointed = 0;
        for (uint32_t i = 0; i < out.intent_count; i++) {
            const struct core_intent *intent = &out.intents[i];
            if (intent->kind != CORE_INTENT_OWNER)
                continue;
            assert_int_equal(intent->owner, OWNER);
            assert_in_range(intent->saving_microusd_per_hour, num_max_i64(cases[c].money - 100, 0),
                    cases[c].money);
            pointed++;
        }
        assert_int_equal(pointed, 1);
        world_clear(&w);

        world_init(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE); /* would be, but for the mark */
        struct core_fact f = {.kind = CORE_FACT_OWNER, .owner = w.owner};
        f.owner.foreign = fact.foreign;
        f.owner.fixed = fact.fixed;
        tell(&w, f, CORE_SOURCE_OWNERS);
        out = live(&w, 90, CORE_SAMPLE_GPU);
        assert_int_equal(out.intent_count, 0);
        world_clear(&w);
    }
}

/* Of nodes that would do, the one that no autoscaler would take is shared: another may go. */
static void a_node_that_stays_anyhow_is_shared_first(void **state)
{
    (void)state;
    for (uint32_t stays = 0; stays < 4; stays++) {
        struct world w;
        world_init(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE);
        (void)live(&w, 90, CORE_SAMPLE_GPU);
        keep_node(&w, stays);
        struct core_fact f = {.kind = CORE_FACT_OWNER, .owner = w.owner};
        f.owner.resource.kind = MODEL_RESOURCE_GPU_SHARED;
        f.owner.pool = STR_LIT("ts-a100-80gb");
        tell(&w, f, CORE_SOURCE_OWNERS);
        struct core_decider_output out = live(&w, 1, CORE_SAMPLE_GPU);
        assert_int_equal(out.intent_count, 1);
        assert_int_equal(out.intents[0].change, CORE_CHANGE_SHARE);
        assert_int_equal(out.intents[0].node, NODE + stays);
        world_clear(&w);
    }
}

static void latency_sensitive_work_is_refused_with_its_guard(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_POOL, MODEL_CLASS_LATENCY_SENSITIVE);
    w.now.mono_ns += MINUTE * NUM_NS_PER_SECOND;
    w.now.wall_ns = START_NS + w.now.mono_ns;
    struct core_decider_output out;
    core_decider_run(w.decider, &w.store.pic, &w.now, &out);
    assert_int_equal(out.refusal_count, 1);
    assert_int_equal(out.refusals[0].reason, CORE_REASON_GUARD_LATENCY);
    assert_int_equal(out.refusals[0].owner, OWNER);
    out = live(&w, 120, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 0);
    assert_int_equal(out.refusal_count, 0); /* told once */
    world_clear(&w);
}

/* A Deployment of one that idles between bursts is interactive by one point in four: too little to
 * take the protection of latency-sensitive work away. */
static void a_class_without_a_clear_lead_is_not_believed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_POOL, MODEL_CLASS_UNKNOWN);
    w.owner.replicas = 1;
    tell(&w, (struct core_fact){.kind = CORE_FACT_OWNER, .owner = w.owner}, CORE_SOURCE_OWNERS);
    for (uint32_t m = 0; m < 90; m++) {
        struct core_decider_output out;
        w.busy = m % 10 == 0 ? 900 : 0;
        out = live(&w, 1, CORE_SAMPLE_GPU);
        for (uint32_t i = 0; i < out.intent_count; i++)
            assert_string_not_equal(out.intents[i].owner_target.pool, "ts-a100-80gb");
    }
    const struct decide_owner *row = decide_owner_find(w.decider, OWNER);
    assert_non_null(row);
    assert_int_equal(row->guess.workload_class, MODEL_CLASS_INTERACTIVE);
    assert_in_range(row->guess.confidence_permille, 1, 299);
    assert_int_equal(decide_owner_class(w.decider, &w.owner), MODEL_CLASS_LATENCY_SENSITIVE);
    world_clear(&w);
}

/* Half of a T4 is less than a fifth of the reference: what two pods show together is split in the
 * units of the GPU that they share, and learned in those of the reference. */
static void shared_readings_are_split_in_the_units_of_the_gpu(void **state)
{
    (void)state;
    struct world w;
    const uint64_t both[] = {POD, POD + 1};
    world_init_on(&w, CORE_STEER_POOL, MODEL_CLASS_INTERACTIVE, "T4");
    assert_true(model_gpu_get(gpu_index("T4"))->speed_permille < 500);
    w.busy = 300;
    (void)live(&w, 90, CORE_SAMPLE_GPU);
    const struct decide_owner *row = decide_owner_find(w.decider, OWNER);
    assert_non_null(row);
    uint64_t readings = row->readings;
    struct usage_histogram before;
    usage_digest_all(&row->digest, USAGE_METRIC_BUSY, &before);
    struct core_fact f = {.kind = CORE_FACT_SAMPLE};
    f.sample = (struct core_sample_fact){.node = NODE,
            .start = UINT8_MAX,
            .valid = CORE_VALID_BUSY,
            .busy_permille = 600,
            .occupant_count = 2,
            .occupants = both};
    tell(&w, f, CORE_SOURCE_METRICS);
    assert_int_equal(row->readings, readings + 2);
    struct usage_histogram after;
    usage_digest_all(&row->digest, USAGE_METRIC_BUSY, &after);
    assert_int_equal(
            usage_histogram_quantile(&after, 1000), usage_histogram_quantile(&before, 1000));
    world_clear(&w);
}

static void nothing_before_sync(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_DEVICE, MODEL_CLASS_INTERACTIVE);
    tell_pod(&w, POD + 9, 0);
    struct core_fact lost = {.kind = CORE_FACT_SYNC, .sync_complete = false};
    tell(&w, lost, CORE_SOURCE_PODS);
    struct core_decider_output out;
    core_decider_run(w.decider, &w.store.pic, &w.now, &out);
    assert_int_equal(out.intent_count, 0);
    assert_null(out.problem);
    world_clear(&w);
}

static void native_admission_shares_once_siblings_are_known(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_DEVICE, MODEL_CLASS_INTERACTIVE);
    struct core_decider_output out = live(&w, 20, CORE_SAMPLE_PROCESS);
    assert_int_equal(out.intent_count, 0);
    tell_pod(&w, POD + 9, 0);
    core_decider_run(w.decider, &w.store.pic, &w.now, &out);
    assert_int_equal(out.intent_count, 0); /* too little history: a GPU of its own, none is free */
    out = live(&w, 60, CORE_SAMPLE_PROCESS);
    assert_true(out.intent_count >= 1);
    assert_int_equal(out.intents[0].kind, CORE_INTENT_ASSIGN);
    assert_int_equal(out.intents[0].pod, POD + 9);
    assert_in_range(out.intents[0].node, NODE, NODE + 3);
    world_clear(&w);
}

/* Where the controller places, a pod that stays alone goes where its work costs least. */
static void native_admission_puts_batch_on_the_cheaper_model(void **state)
{
    (void)state;
    for (unsigned cheap = 0; cheap < 2; cheap++) {
        struct world w;
        world_init(&w, CORE_STEER_DEVICE, MODEL_CLASS_TRAINING);
        (void)live(&w, 90, CORE_SAMPLE_PROCESS);
        tell_node(&w, NODE + 10, CORE_STEER_DEVICE);
        w.gpu = gpu_index("L4");
        w.price = cheap ? 500000 : 3900000; /* of work that takes longer */
        tell_node(&w, NODE + 11, CORE_STEER_DEVICE);
        tell_pod(&w, POD + 10, 0);
        struct core_decider_output out;
        core_decider_run(w.decider, &w.store.pic, &w.now, &out);
        assert_true(out.intent_count > 0);
        assert_int_equal(out.intents[0].kind, CORE_INTENT_ASSIGN);
        assert_int_equal(out.intents[0].node, cheap ? NODE + 11 : NODE + 10);
        world_clear(&w);
    }
}

static void native_packing_empties_a_node(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_DEVICE, MODEL_CLASS_INTERACTIVE);
    struct core_decider_output out = live(&w, 61, CORE_SAMPLE_PROCESS);
    for (unsigned i = 0; i < 20 && out.intent_count == 0; i++)
        out = live(&w, 1, CORE_SAMPLE_PROCESS);
    assert_int_equal(out.intent_count, 1);
    assert_int_equal(out.intents[0].kind, CORE_INTENT_MOVE);
    assert_int_equal(out.intents[0].reason, CORE_REASON_SCALE_DOWN);
    assert_int_equal(out.intents[0].saving_microusd_per_hour, 4000000);
    world_clear(&w);
}

/* What the owner's template says now. */
static void tell_template(struct world *w, const char *pool)
{
    struct core_fact f = {.kind = CORE_FACT_OWNER};
    w->owner.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    w->owner.pool = str_from(pool);
    f.owner = w->owner;
    tell(w, f, CORE_SOURCE_OWNERS);
}

static void owner_is_pointed_to_a_class_of_its_size(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_CLASS, MODEL_CLASS_INTERACTIVE);
    struct core_decider_output out = live(&w, 30, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 0);
    out = live(&w, 60, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 1);
    struct core_intent i = out.intents[0];
    struct core_share share;
    assert_int_equal(i.kind, CORE_INTENT_OWNER);
    assert_int_equal(i.owner_target.resource.kind, MODEL_RESOURCE_GPU_SHARED);
    assert_true(core_share_parse(str_from(i.owner_target.pool), &share));
    assert_true(share.memory_mib >= 12000);
    assert_true(share.pods >= 2);
    assert_true(
            (uint64_t)share.pods * share.memory_mib <= model_gpu_get(share.gpu)->memory_usable_mib);
    assert_true(i.saving_microusd_per_hour > 0 && i.saving_microusd_per_hour < 16000000);

    struct core_evidence evidence[CORE_EVIDENCE_MAX];
    uint32_t count;
    assert_int_equal(core_decider_guard(w.decider, &w.store.pic, &w.now, &i, evidence, &count),
            CORE_REASON_NONE);
    tell_template(&w, i.owner_target.pool);
    out = live(&w, 6, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 0); /* it has what it was wished */

    /* A class that is too small for it is left at once, though readings are old by then. */
    struct core_share tight = {share.gpu, 16, 4000};
    char name[CORE_SHARE_NAME_MAX];
    core_share_name(&tight, name);
    tell_template(&w, name);
    out = live(&w, 6, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 1);
    assert_true(out.intents[0].urgent);
    assert_int_equal(out.intents[0].reason, CORE_REASON_GUARD_MEMORY);
    i = out.intents[0];
    w.now.wall_ns += 24 * NUM_NS_PER_HOUR;
    assert_int_equal(core_decider_guard(w.decider, &w.store.pic, &w.now, &i, evidence, &count),
            CORE_REASON_NONE);
    world_clear(&w);
}

static void latency_sensitive_work_leaves_its_class(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, CORE_STEER_CLASS, MODEL_CLASS_LATENCY_SENSITIVE);
    struct core_decider_output out = live(&w, 90, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 0);
    tell_template(&w, "share-a100-80gb-20000m-r4");
    out = live(&w, 6, CORE_SAMPLE_GPU);
    assert_int_equal(out.intent_count, 1);
    assert_int_equal(out.intents[0].owner_target.resource.kind, MODEL_RESOURCE_GPU);
    assert_string_equal(out.intents[0].owner_target.pool, "");
    assert_true(out.intents[0].urgent);
    assert_int_equal(out.intents[0].reason, CORE_REASON_GUARD_LATENCY);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(owner_is_pointed_once_it_is_known),
            cmocka_unit_test(only_nodes_that_can_go_are_promised_as_money),
            cmocka_unit_test(what_is_under_a_quota_moves_and_is_not_pointed),
            cmocka_unit_test(a_node_that_stays_anyhow_is_shared_first),
            cmocka_unit_test(latency_sensitive_work_is_refused_with_its_guard),
            cmocka_unit_test(a_class_without_a_clear_lead_is_not_believed),
            cmocka_unit_test(shared_readings_are_split_in_the_units_of_the_gpu),
            cmocka_unit_test(nothing_before_sync),
            cmocka_unit_test(native_admission_shares_once_siblings_are_known),
            cmocka_unit_test(native_admission_puts_batch_on_the_cheaper_model),
            cmocka_unit_test(native_packing_empties_a_node),
            cmocka_unit_test(owner_is_pointed_to_a_class_of_its_size),
            cmocka_unit_test(latency_sensitive_work_leaves_its_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
