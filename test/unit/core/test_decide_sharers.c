/* Whose a reading of a shared GPU is: dcgm-exporter names one pod of those on it unless told to
 * name all, and a reading that others may have a part in teaches nothing of the one that is named.
 */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/decide-priv.h"
#include "core/picture-priv.h"
#include "model/gpu.h"

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND) /* Monday 2026-03-02 */

enum { OWNER = 7, NODE = 100, POD = 200, STRANGER = 999, USED_MIB = 12000 };

struct world {
    struct core_picture_store store;
    struct core_decider *decider;
    struct core_now now;
    uint64_t version;
};

static void tell(struct world *w, struct core_fact fact, enum core_source source)
{
    fact.source = source;
    fact.version = ++w->version;
    fact.observed_wall_ns = w->now.wall_ns;
    (void)core_picture_take(&w->store, &w->now, &fact);
    core_decider_learn(w->decider, &w->store.pic, &w->now, &fact);
}

/* A node of two GPUs, each offered `replicas` times, whose exporter names pods as `occupant`. */
static void world_init(struct world *w, uint32_t replicas, enum core_known_at occupant)
{
    static const struct core_options options = {.seed = 1};
    const struct model_gpu *gpu;
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    *w = (struct world){.now = {.wall_ns = START_NS}};
    core_picture_init(&w->store);
    w->decider = core_decider_new(&options);
    tell(w,
            (struct core_fact){
                    .kind = CORE_FACT_POLICY, .policy = policy_preset(STR_LIT("balanced"))},
            CORE_SOURCE_POLICY);
    struct core_fact f = {.kind = CORE_FACT_NODE};
    f.node = (struct core_node_fact){.uid = NODE,
            .name = STR_LIT("n"),
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpu_count = 2,
            .ready = true,
            .caps = {.share = CORE_SHARE_NODE_RESOURCE, .occupant = occupant},
            .allocatable_count = 1};
    const struct model_resource resource = {
            .kind = replicas > 1 ? MODEL_RESOURCE_GPU_SHARED : MODEL_RESOURCE_GPU};
    f.node.allocatable[0].resource = resource;
    f.node.allocatable[0].count = 2 * replicas;
    tell(w, f, CORE_SOURCE_NODES);
    f = (struct core_fact){.kind = CORE_FACT_OWNER};
    f.owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/notebooks"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .replicas = 3,
            .gpus_per_pod = 1,
            .resource = resource};
    tell(w, f, CORE_SOURCE_OWNERS);
}

static void world_clear(struct world *w)
{
    (void)core_decider_free(w->decider);
    core_picture_clear(&w->store);
}

static void tell_pod(struct world *w, unsigned i, enum core_pod_phase phase)
{
    struct core_fact f = {.kind = CORE_FACT_POD};
    f.pod = (struct core_pod_fact){.uid = POD + i,
            .owner = OWNER,
            .node = NODE,
            .name = STR_LIT("p"),
            .phase = phase,
            .resource = w->store.pic.owners[0].fact.resource,
            .count = 1,
            .created_wall_ns = w->now.wall_ns,
            .started_wall_ns = w->now.wall_ns};
    tell(w, f, CORE_SOURCE_PODS);
}

/* A reading of a GPU that names these pods; what is known of the first one's memory after it. */
static uint32_t learnt_of(
        struct world *w, uint8_t gpu, const uint64_t *pods, uint32_t count, uint32_t used_mib)
{
    struct core_fact f = {.kind = CORE_FACT_SAMPLE};
    f.sample = (struct core_sample_fact){.node = NODE,
            .gpu = gpu,
            .start = UINT8_MAX,
            .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
            .busy_permille = 400,
            .memory_used_mib = used_mib,
            .occupant_count = count,
            .occupants = pods};
    w->now.wall_ns += NUM_NS_PER_SECOND;
    tell(w, f, CORE_SOURCE_METRICS);
    const struct decide_pod *pod = decide_pod_find(w->decider, pods[0]);
    uint32_t learnt = pod->memory_mib;
    const struct decide_owner *owner = decide_owner_find(w->decider, OWNER);
    /* The owner's peak is learnt with its pods', or not at all. */
    assert_int_equal(owner != NULL && owner->digest.memory.peak_max_mib >= USED_MIB, learnt > 0);
    return learnt;
}

static uint32_t learnt_of_as(struct world *w, uint8_t gpu, unsigned i, uint32_t used_mib)
{
    const uint64_t pod = POD + i;
    return learnt_of(w, gpu, &pod, 1, used_mib);
}

static uint32_t learnt_of_one(struct world *w, uint8_t gpu, unsigned i)
{
    return learnt_of_as(w, gpu, i, USED_MIB);
}

static void a_pod_alone_on_its_node_is_itself(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4, CORE_KNOWN_NODE);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    assert_int_equal(learnt_of_one(&w, 0, 0), USED_MIB);
    world_clear(&w);
}

static void one_that_may_be_there_too_hides_it(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4, CORE_KNOWN_NODE);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_RUNNING);
    assert_int_equal(learnt_of_one(&w, 0, 0), 0);
    assert_int_equal(learnt_of_one(&w, 0, 1), 0); /* both on GPU 0, as names tell in turn */
    assert_int_equal(learnt_of_one(&w, 0, 0), 0);
    world_clear(&w);
}

static void one_known_on_another_gpu_does_not(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4, CORE_KNOWN_NODE);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_RUNNING);
    assert_int_equal(learnt_of_one(&w, 0, 0), 0);
    assert_int_equal(learnt_of_one(&w, 1, 1), USED_MIB);
    assert_int_equal(learnt_of_one(&w, 0, 0), USED_MIB);
    uint64_t version = decide_owner_find(w.decider, OWNER)->memory_version;
    tell_pod(&w, 2, CORE_POD_RUNNING); /* on one of the two */
    (void)learnt_of_as(&w, 0, 0, 2 * USED_MIB);
    assert_int_equal(decide_owner_find(w.decider, OWNER)->memory_version, version);
    assert_int_equal(decide_pod_find(w.decider, POD)->memory_mib, USED_MIB);
    world_clear(&w);
}

static void one_that_left_is_in_readings_for_a_while(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4, CORE_KNOWN_NODE);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_ENDED);
    assert_int_equal(learnt_of_one(&w, 0, 0), 0);
    w.now.wall_ns += 60 * NUM_NS_PER_SECOND;
    assert_int_equal(learnt_of_one(&w, 0, 0), 0);
    w.now.wall_ns += 30 * NUM_NS_PER_SECOND;
    assert_int_equal(learnt_of_one(&w, 0, 0), USED_MIB);

    tell_pod(&w, 2, CORE_POD_RUNNING); /* deleted, its end never seen */
    tell(&w, (struct core_fact){.kind = CORE_FACT_GONE, .gone = POD + 2}, CORE_SOURCE_PODS);
    assert_int_equal(learnt_of_as(&w, 0, 0, 2 * USED_MIB), USED_MIB);
    w.now.wall_ns += 90 * NUM_NS_PER_SECOND;
    assert_int_equal(learnt_of_as(&w, 0, 0, 2 * USED_MIB), 2 * USED_MIB);
    world_clear(&w);
}

static void an_exporter_that_names_all_is_believed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4, CORE_KNOWN_GPU);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_RUNNING);
    assert_int_equal(learnt_of_one(&w, 0, 0), USED_MIB);
    world_clear(&w);
}

static void a_gpu_that_is_not_shared_has_one(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1, CORE_KNOWN_NODE);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    tell_pod(&w, 1, CORE_POD_RUNNING);
    assert_int_equal(learnt_of_one(&w, 0, 0), USED_MIB);
    world_clear(&w);
}

static void somebody_unknown_hides_it(void **state)
{
    (void)state;
    static const uint64_t pods[] = {POD, STRANGER};
    struct world w;
    world_init(&w, 4, CORE_KNOWN_GPU);
    tell_pod(&w, 0, CORE_POD_RUNNING);
    assert_int_equal(learnt_of(&w, 0, pods, 2, USED_MIB), 0);
    assert_int_equal(learnt_of(&w, 0, pods, 1, USED_MIB), USED_MIB);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_pod_alone_on_its_node_is_itself),
            cmocka_unit_test(one_that_may_be_there_too_hides_it),
            cmocka_unit_test(one_known_on_another_gpu_does_not),
            cmocka_unit_test(one_that_left_is_in_readings_for_a_while),
            cmocka_unit_test(an_exporter_that_names_all_is_believed),
            cmocka_unit_test(a_gpu_that_is_not_shared_has_one),
            cmocka_unit_test(somebody_unknown_hides_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
