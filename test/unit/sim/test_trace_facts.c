/* sim/trace_facts: facts of a recording as what is run again. */
#include "test.h"

#include "base/num.h"
#include "model/gpu.h"
#include "sim/trace_facts.h"

#define START_NS (1700000000 * NUM_NS_PER_SECOND)

enum { NODE = 1, OWNER = 2, POD = 10 };

static struct core_fact *add(struct core_fact *facts, uint32_t *count, enum core_fact_kind kind)
{
    facts[*count] = (struct core_fact){.kind = kind, .observed_wall_ns = START_NS};
    return &facts[(*count)++];
}

/* A node of A100-40GB, an owner, and a pod that holds `resource`. */
static uint32_t begin(struct core_fact *facts, const char *resource)
{
    const struct model_gpu *gpu = NULL;
    uint32_t count = 0;
    assert_int_equal(model_gpu_find(STR_LIT("A100-40GB"), &gpu, NULL), 0);
    add(facts, &count, CORE_FACT_NODE)->node = (struct core_node_fact){.uid = NODE,
            .name = STR_LIT("n"),
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpu_count = 1,
            .cpu_milli = 64000,
            .memory_mib = 1 << 18,
            .microusd_per_hour = 1000000,
            .ready = true};
    add(facts, &count, CORE_FACT_OWNER)->owner = (struct core_owner_fact){
            .uid = OWNER, .name = STR_LIT("ml/web"), .gpus_per_pod = 1, .replicas = 1};
    struct core_fact *pod = add(facts, &count, CORE_FACT_POD);
    pod->pod = (struct core_pod_fact){.uid = POD,
            .owner = OWNER,
            .node = NODE,
            .name = STR_LIT("ml/web-0"),
            .phase = CORE_POD_RUNNING,
            .count = 1,
            .created_wall_ns = START_NS};
    assert_int_equal(model_resource_parse(str_from(resource), &pod->pod.resource), 0);
    return count;
}

/* What the pod is run again with after readings of 700 permille. */
static uint16_t busy_again(const char *resource, enum core_sample_scope scope, uint32_t sharers)
{
    struct sim_trace_facts *t = sim_trace_facts_new();
    struct arena *a = arena_new(0);
    struct core_fact facts[8];
    uint64_t occupants[2] = {POD, POD + 1};
    const struct sim_scenario *s = NULL;
    struct sim_trace_facts_counts counts;
    struct err e = {0};
    for (int i = 0; i < 3; i++) {
        uint32_t count = i == 0 ? begin(facts, resource) : 0;
        const struct core_now now = {START_NS + i * 1800 * NUM_NS_PER_SECOND, 0, 1};
        struct core_fact *f = add(facts, &count, CORE_FACT_SAMPLE);
        f->observed_wall_ns = now.wall_ns;
        f->sample = (struct core_sample_fact){.node = NODE,
                .start = scope == CORE_SAMPLE_INSTANCE ? 4 : UINT8_MAX,
                .scope = scope,
                .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
                .busy_permille = 700,
                .memory_used_mib = 2048,
                .occupant_count = sharers,
                .occupants = occupants};
        assert_int_equal(sim_trace_facts_take(t, &now, facts, count, &e), 0);
    }
    if (sim_trace_facts_finish(t, a, &s, &counts, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(s->owner_count, 1);
    assert_int_equal(s->owners[0].trace_count, 1);
    assert_int_equal(s->owners[0].trace[0].sample_count, 3);
    uint16_t busy = s->owners[0].trace[0].samples[1].busy_permille;
    (void)arena_free(a);
    (void)sim_trace_facts_free(t);
    return busy;
}

static void a_reading_of_an_instance_is_a_part(void **state)
{
    (void)state;
    assert_int_equal(busy_again("nvidia.com/gpu", CORE_SAMPLE_GPU, 1), 700);
    assert_int_equal(busy_again("nvidia.com/gpu.shared", CORE_SAMPLE_GPU, 2), 350);
    assert_int_equal(busy_again("nvidia.com/mig-1g.5gb", CORE_SAMPLE_INSTANCE, 1), 100);
    assert_int_equal(busy_again("nvidia.com/mig-3g.20gb", CORE_SAMPLE_INSTANCE, 1), 300);
    assert_int_equal(busy_again("nvidia.com/mig-7g.40gb", CORE_SAMPLE_INSTANCE, 1), 700);
    /* of a profile that the model has not: nobody's demand is taken for less */
    assert_int_equal(busy_again("nvidia.com/mig-9g.99gb", CORE_SAMPLE_INSTANCE, 1), 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_reading_of_an_instance_is_a_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
