/* Recordings: what is written reads back the same, and what is broken is refused with its place. */
#include "core/recording.h"
#include "test.h"

#include "base/prng.h"

#include <errno.h>
#include <string.h>

static struct core_fact base_fact(struct prng *p, enum core_fact_kind kind, enum core_source source)
{
    return (struct core_fact){
            .kind = kind,
            .source = source,
            .cluster = (uint16_t)prng_below(p, 65536),
            .version = prng_u64(p),
            .observed_wall_ns = prng_between(p, INT64_MIN / 2, INT64_MAX / 2),
    };
}

static struct core_fact node_fact(struct prng *p)
{
    struct core_fact f = base_fact(p, CORE_FACT_NODE, CORE_SOURCE_NODES);
    f.node = (struct core_node_fact){
            .uid = prng_u64(p),
            .cluster = f.cluster,
            .name = STR_LIT("gpu-\"1\"\n"),
            .region = STR_LIT("eu-west-1"),
            .gpu = (uint16_t)prng_below(p, 30),
            .gpu_count = (uint32_t)prng_below(p, CORE_GPUS_MAX + 1),
            .cpu_milli = (uint32_t)prng_u64(p),
            .microusd_per_hour = prng_between(p, 0, INT64_MAX),
            .caps = {CORE_SHARE_GPU, CORE_RELAYOUT_GPU_REBUILD, true, CORE_STEER_POOL,
                    CORE_KNOWN_GPU, CORE_KNOWN_PROCESS},
            .ready = prng_below(p, 2) == 0,
            .unschedulable = prng_below(p, 2) == 0,
            .plugin_config = STR_LIT("shared-x4-01234567"),
            .annotation = STR_LIT("{\"a\":\"b\\\"c\"}"),
            .created_wall_ns = prng_between(p, -5, 5),
            .allocatable_count = 2,
            .allocatable = {{{MODEL_RESOURCE_GPU_SHARED, ""}, 8},
                    {{MODEL_RESOURCE_MIG, "1g.5gb"}, 0}},
    };
    return f;
}

static struct core_fact pod_fact(struct prng *p)
{
    struct core_fact f = base_fact(p, CORE_FACT_POD, CORE_SOURCE_PODS);
    f.pod = (struct core_pod_fact){
            .uid = prng_u64(p),
            .owner = prng_u64(p),
            .node = prng_below(p, 2) ? prng_u64(p) : 0,
            .cluster = f.cluster,
            .name = STR_LIT("ns/pod-0"),
            .phase = (enum core_pod_phase)prng_below(p, 4),
            .unschedulable = prng_below(p, 2) == 0,
            .resource = {MODEL_RESOURCE_MIG, "3g.20gb"},
            .count = 1,
            .started_wall_ns = prng_between(p, 0, INT64_MAX),
            .device_count = 2,
            .devices = {{3, 255}, {4, 0}},
    };
    return f;
}

static struct core_fact owner_fact(struct prng *p)
{
    struct core_fact f = base_fact(p, CORE_FACT_OWNER, CORE_SOURCE_OWNERS);
    f.owner = (struct core_owner_fact){
            .uid = prng_u64(p),
            .cluster = f.cluster,
            .name = STR_LIT("ns/owner"),
            .kind = (enum model_owner_kind)prng_below(p, MODEL_OWNER_COUNT),
            .class_declared = (enum model_class)prng_below(p, MODEL_CLASS_COUNT),
            .isolation = (enum model_isolation)prng_below(p, MODEL_ISOLATION_COUNT),
            .preallocates = prng_below(p, 2) == 0,
            .replicas = (uint32_t)prng_u64(p),
            .max_unavailable = UINT32_MAX,
            .gpu_models = prng_u64(p),
            .resource = {MODEL_RESOURCE_GPU, ""},
            .pool = STR_LIT("ts-a100"),
    };
    return f;
}

static struct core_fact sample_fact(struct prng *p, const uint64_t *occupants)
{
    struct core_fact f = base_fact(p, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS);
    f.sample = (struct core_sample_fact){
            .node = prng_u64(p),
            .gpu = (uint8_t)prng_below(p, 16),
            .start = 255,
            .scope = (enum core_sample_scope)prng_below(p, 3),
            .valid = (uint8_t)prng_below(p, 32),
            .busy_permille = (uint16_t)prng_below(p, 1001),
            .memory_used_mib = (uint32_t)prng_u64(p),
            .latency_permille = (uint32_t)prng_u64(p),
            .occupant_count = (uint32_t)prng_below(p, 3),
            .occupants = occupants,
    };
    return f;
}

static struct core_fact other_fact(struct prng *p, unsigned which)
{
    struct core_fact f = base_fact(p, CORE_FACT_SYNC, CORE_SOURCE_PODS);
    switch (which) {
    case 0:
        f.sync_complete = prng_below(p, 2) == 0;
        return f;
    case 1:
        f.kind = CORE_FACT_GONE;
        f.gone = prng_u64(p);
        return f;
    case 2:
        f.kind = CORE_FACT_POLICY;
        f.source = CORE_SOURCE_POLICY;
        f.policy = policy_preset(STR_LIT("balanced"));
        return f;
    case 3:
        f.kind = CORE_FACT_OUTCOME;
        f.source = CORE_SOURCE_ACTIONS;
        f.outcome = (struct core_outcome_fact){
                prng_u64(p), CORE_OUTCOME_REJECTED, 429, prng_between(p, 0, 1000)};
        return f;
    case 4:
        f.kind = CORE_FACT_CONFIG;
        f.source = CORE_SOURCE_CONFIG;
        f.config = (struct core_config_fact){
                f.cluster, CORE_CONFIG_MIG, STR_LIT("key"), STR_LIT("version: v1\n"), true};
        return f;
    default:
        f.kind = CORE_FACT_INCIDENT;
        f.source = CORE_SOURCE_PODS;
        f.incident = (struct core_incident_fact){
                CORE_INCIDENT_XID_GPU, prng_u64(p), prng_u64(p), 255, 79};
        return f;
    }
}

/* write(read(write(x))) == write(x), and the numbers that a test can compare are the same. */
static void prop_round_trip(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    const uint64_t occupants[] = {prng_u64(&p), prng_u64(&p), 7};
    const struct core_fact facts[] = {node_fact(&p), pod_fact(&p), owner_fact(&p),
            sample_fact(&p, occupants), other_fact(&p, (unsigned)prng_below(&p, 6))};
    struct core_recording_step s = {
            .step = prng_u64(&p),
            .now = {prng_between(&p, INT64_MIN, INT64_MAX), prng_between(&p, 0, INT64_MAX), 3},
            .restart = prng_below(&p, 2) == 0,
            .digest_known = true,
            .digest = prng_u64(&p),
            .fact_count = sizeof facts / sizeof facts[0],
            .facts = facts,
    };
    struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
    core_recording_step_write(&s, &one);
    struct arena *a = arena_new(0);
    struct core_recording_step back;
    struct err e = {0};
    if (core_recording_step_parse(a, buf_str(&one), &back, &e) < 0)
        fail_msg("%s\n%s", e.text, one.ptr);
    core_recording_step_write(&back, &two);
    assert_string_equal(one.ptr, two.ptr);
    assert_true(back.digest == s.digest && back.step == s.step && back.restart == s.restart);
    assert_true(back.now.wall_ns == s.now.wall_ns && back.now.mono_ns == s.now.mono_ns);
    assert_true(back.facts[0].node.uid == facts[0].node.uid);
    assert_true(str_eq(back.facts[0].node.annotation, facts[0].node.annotation));
    assert_true(str_eq(back.facts[0].node.name, facts[0].node.name));
    assert_int_equal(back.facts[0].node.caps.usage, CORE_KNOWN_PROCESS);
    assert_int_equal(back.facts[1].pod.devices[0].start, 255);
    assert_int_equal(back.facts[3].sample.occupant_count, facts[3].sample.occupant_count);
    if (back.facts[4].kind == CORE_FACT_POLICY)
        assert_true(policy_eq(back.facts[4].policy, facts[4].policy));
    (void)arena_free(a);
    buf_clear(&one);
    buf_clear(&two);
}

static void test_header(void **state)
{
    (void)state;
    const struct core_recording_source source[] = {
            {STR_LIT("scenario"), STR_LIT("default")}, {STR_LIT("seed"), STR_LIT("7")}};
    const struct core_recording_header h = {UINT64_MAX, 300, 150, 45, 9, 2, source};
    struct buf out = BUF_INIT(4096);
    core_recording_header_write(&h, &out);
    struct arena *a = arena_new(0);
    struct core_recording_header back;
    struct err e = {0};
    assert_int_equal(core_recording_header_parse(a, buf_str(&out), &back, &e), 0);
    assert_true(back.seed == UINT64_MAX && back.decide_every_ns == 300);
    assert_true(back.propagation_ns == 150 && back.parts_timeout_ns == 45);
    assert_int_equal(back.source_count, 2);
    assert_true(str_eq_c(back.source[1].value, "7"));
    (void)arena_free(a);
    buf_clear(&out);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
            {"{}", "step: missing"},
            {"[]", "expected a map"},
            {"{\"step\":1,\"now\":[1,2],\"facts\":[]}", "now: expected"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":{}}", "facts: expected a list"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"nod\"}]}", "expected a kind"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"pod\",\"uidd\":1}]}",
                    "fact 0: unknown key 'uidd'"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"pod\",\"phase\":9}]}",
                    "phase: '9': expected a number from 0 to 3"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"node\",\"gpu_count\":17}]}",
                    "gpu_count: '17'"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"node\",\"caps\":[9,0,0,0,0,0]}]}",
                    "caps: '9'"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[[\"sample\",1]]}", "a list: expected"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[{\"kind\":\"policy\"}]}", "policy: missing"},
            {"{\"step\":1,\"now\":[1,2,3],\"facts\":[],\"digest\":\"xyz\"}", "16 hexadecimal"},
            {"{\"step\":-1,\"now\":[1,2,3],\"facts\":[]}", "step: '-1'"},
            {"{\"step\":1,\"step\":2,\"now\":[1,2,3],\"facts\":[]}", "step"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        struct core_recording_step s;
        struct err e = {0};
        assert_true(core_recording_step_parse(a, str_from(cases[i].line), &s, &e) < 0);
        if (strstr(e.text, cases[i].says) == NULL)
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
        (void)arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(prop_round_trip, 500),
            cmocka_unit_test(test_header),
            cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
