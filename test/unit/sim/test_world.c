/* test_world.c - the virtual Kubernetes: scheduler, autoscaler, kubelet ids, NVIDIA's parts. */
#include "test.h"

#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"
#include "sim/world-priv.h"

#include <stdio.h>
#include <string.h>

#define MINUTES(n) ((n)*SIM_MINUTE)

struct lab {
    struct arena *arena;
    struct sim_scenario scenario;
    struct sim_cluster_spec cluster;
    struct sim_group_spec group;
    struct sim_owner_spec owners[2];
    struct sim_config config;
    struct sim_world *world;
};

/* One group of A100 nodes and one owner; the caller changes what it wants, then opens. */
static void lab_init(struct lab *l)
{
    const struct model_gpu *gpu = NULL;
    memset(l, 0, sizeof *l);
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    l->arena = arena_new(0);
    l->cluster = (struct sim_cluster_spec){STR_LIT("lab"), STR_LIT("us-east-1")};
    l->group = (struct sim_group_spec){.name = STR_LIT("a100"),
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpus_per_node = 2,
            .cpu_milli = 32000,
            .memory_mib = 256 * 1024,
            .max = 4};
    l->owners[0] = (struct sim_owner_spec){.name = STR_LIT("lab/web"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .class_declared = MODEL_CLASS_LATENCY_SENSITIVE,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 1024,
            .max_unavailable = UINT32_MAX,
            .grace_ns = 30 * SIM_SECOND,
            .demand = {.kind = SIM_DEMAND_STEADY,
                    .level_permille = 500,
                    .sm_need_permille = 1000,
                    .memory_mib = 10000,
                    .memory_peak_mib = 12000}};
    for (unsigned h = 0; h < SIM_HOURS; h++)
        l->owners[0].replicas[h] = 2;
    l->scenario = (struct sim_scenario){.name = STR_LIT("lab"),
            .start_wall_ns = INT64_C(1772409600) * SIM_SECOND,
            .duration_ns = 24 * NUM_NS_PER_HOUR,
            .cluster_count = 1,
            .group_count = 1,
            .owner_count = 1};
    l->config = (struct sim_config){.policy = policy_preset(STR_LIT("balanced")), .seed = 5};
}

static struct sim_world *lab_open(struct lab *l, enum sim_regime regime)
{
    l->scenario.clusters = &l->cluster;
    l->scenario.groups = &l->group;
    l->scenario.owners = l->owners;
    l->config.scenario = &l->scenario;
    l->world = sim_world_new(&l->config, regime);
    return l->world;
}

static void lab_close(struct lab *l)
{
    sim_world_free(l->world);
    arena_free(l->arena);
}

/* A policy that holds the caller's numbers, under which MIG may change at any time. */
static struct policy *lab_policy(struct lab *l)
{
    static const char text[] = "apiVersion: sharing.slicewright.io/v1alpha1\n"
                               "kind: SharingPolicy\n"
                               "metadata: {name: lab}\n"
                               "spec:\n"
                               "  maintenance: {windows: [{cron: \"0 0 * * *\", duration: 1d}]}\n";
    const struct policy *p = NULL;
    struct policy *copy = ARENA_NEW(l->arena, struct policy);
    struct err e = {0};
    if (policy_parse(l->arena, str_from(text), &p, &e) != 0)
        fail_msg("%s", e.text);
    *copy = *p;
    l->config.policy = copy;
    return copy;
}

static void act(struct sim_world *w, struct core_action *a)
{
    w->step_wall_ns = sim_world_wall(w);
    sim_act(w, a);
    assert_int_equal(sim_world_run_until(w, w->now_ns + SIM_SECOND), 0);
}

static void put_plugin_config(struct sim_world *w, uint32_t replicas, char *ret_key)
{
    const struct nvidia_plugin_plan plan = {.gpu_replicas = replicas, .mig_replicas = 1};
    struct buf text = BUF_INIT(1 << 16);
    nvidia_plugin_config_emit(&plan, &text);
    (void)nvidia_plugin_config_key(&plan, ret_key);
    struct core_action a = {.kind = CORE_ACTION_CONFIG_PUT,
            .config = {
                    .map = CORE_CONFIG_PLUGIN, .key = str_from(ret_key), .text = buf_str(&text)}};
    act(w, &a);
    buf_clear(&text);
}

static void label_node(struct sim_world *w, uint32_t node, uint32_t field, const char *value)
{
    struct core_action a = {.kind = CORE_ACTION_NODE_PATCH, .target = sim_uid(SIM_UID_NODE, node)};
    a.node.fields = field;
    if (field == CORE_PATCH_PLUGIN_CONFIG)
        a.node.plugin_config = str_from(value);
    else
        a.node.mig_config = str_from(value);
    act(w, &a);
}

static uint32_t offered(struct sim_world *w, uint32_t node, enum model_resource_kind kind)
{
    struct model_resource r = {.kind = kind};
    return sim_node_offered(w, node, &r);
}

static void autoscaler_adds_in_five_minutes_and_removes_after_ten(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.owners[0].until_ns = NUM_NS_PER_HOUR;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    struct sim_world_counts c;
    assert_int_equal(sim_world_run_until(w, MINUTES(5)), 0);
    sim_world_count(w, &c);
    assert_int_equal(c.nodes, 0);
    assert_int_equal(c.pods_pending, 2);
    assert_int_equal(sim_world_run_until(w, MINUTES(6)), 0);
    sim_world_count(w, &c);
    assert_int_equal(c.nodes, 1); /* two pods, one node of two GPUs, not two */
    assert_int_equal(c.pods_running, 2);
    assert_int_equal(sim_world_run_until(w, MINUTES(70)), 0);
    sim_world_count(w, &c);
    assert_int_equal(c.nodes, 1); /* empty since 60 min and a grace period: not ten minutes yet */
    assert_int_equal(c.pods_running, 0);
    assert_int_equal(sim_world_run_until(w, MINUTES(72)), 0);
    sim_world_count(w, &c);
    assert_int_equal(c.nodes, 0);
    lab_close(&l);
}

static void a_group_does_not_grow_past_its_maximum(void **state)
{
    (void)state;
    struct lab l;
    struct sim_world_counts c;
    lab_init(&l);
    for (unsigned h = 0; h < SIM_HOURS; h++)
        l.owners[0].replicas[h] = 11;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(60)), 0);
    sim_world_count(w, &c);
    assert_int_equal(c.nodes, 4);
    assert_int_equal(c.pods_running, 8);
    assert_int_equal(c.pods_pending, 3);
    lab_close(&l);
}

static void a_switch_over_running_pods_books_twice(void **state)
{
    (void)state;
    struct lab l;
    char key[NVIDIA_CONFIG_KEY_MAX];
    lab_init(&l);
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    put_plugin_config(w, 4, key);
    label_node(w, 0, CORE_PATCH_PLUGIN_CONFIG, key);
    assert_int_equal(sim_world_run_until(w, MINUTES(20)), 0);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU), 0);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU_SHARED), 8);
    /* GPU-x is held, GPU-x::0 is free: a pod that asks for a share gets an occupied GPU. */
    w->owners[0].tpl.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    uint32_t pod = sim_pod_make(w, 0, 0, true);
    sim_pod_bind(w, pod, 0);
    assert_true(sim_kubelet_allocate(w, 0, pod));
    assert_string_equal(sim_world_violation(w, NULL), "world-double-booking");
    lab_close(&l);
}

static void an_empty_node_switches_without_harm(void **state)
{
    (void)state;
    struct lab l;
    char key[NVIDIA_CONFIG_KEY_MAX];
    lab_init(&l);
    l.group.min = l.group.initial = 1;
    l.owners[0].from_ns = 2 * NUM_NS_PER_HOUR;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU), 2);
    /* The label before the key: the sidecar fails and tries again until the key is there. */
    const struct nvidia_plugin_plan plan = {.gpu_replicas = 3, .mig_replicas = 1};
    (void)nvidia_plugin_config_key(&plan, key);
    label_node(w, 0, CORE_PATCH_PLUGIN_CONFIG, key);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU), 2);
    put_plugin_config(w, 3, key);
    assert_int_equal(sim_world_run_until(w, MINUTES(20)), 0);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU_SHARED), 6);
    assert_null(sim_world_violation(w, NULL));
    lab_close(&l);
}

static void put_mig_config(struct sim_world *w, const char *layout, char *ret_name)
{
    struct nvidia_mig_plan plan = {.gpu_count = 2, .layouts = {str_from(layout), str_from(layout)}};
    struct buf text = BUF_INIT(1 << 16);
    (void)nvidia_mig_plan_name(&plan, ret_name);
    assert_int_equal(nvidia_mig_plan_emit(&plan, str_from(ret_name), &text, NULL), 0);
    struct core_action a = {.kind = CORE_ACTION_CONFIG_PUT,
            .config = {.map = CORE_CONFIG_MIG, .key = str_from(ret_name), .text = buf_str(&text)}};
    act(w, &a);
    buf_clear(&text);
}

static void mig_manager_goes_by_pending_to_success_or_failed(void **state)
{
    (void)state;
    struct lab l;
    char name[64];
    lab_init(&l);
    l.group.min = l.group.initial = 1;
    l.owners[0].from_ns = 12 * NUM_NS_PER_HOUR;
    (void)lab_policy(&l);
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    label_node(w, 0, CORE_PATCH_MIG_CONFIG, "no-such-config");
    assert_int_equal(sim_world_run_until(w, MINUTES(2)), 0);
    assert_string_equal(w->nodes[0].mig_state, "failed");
    put_mig_config(w, "3g.40gb,3g.40gb", name);
    assert_int_equal(sim_world_run_until(w, MINUTES(6)), 0);
    label_node(w, 0, CORE_PATCH_MIG_CONFIG, name);
    assert_int_equal(sim_world_run_until(w, w->now_ns + 8 * SIM_SECOND), 0);
    assert_string_equal(w->nodes[0].mig_state, "pending");
    assert_int_equal(sim_world_run_until(w, MINUTES(12)), 0);
    assert_string_equal(w->nodes[0].mig_state, "success");
    struct model_resource r = {.kind = MODEL_RESOURCE_MIG, .profile = "3g.40gb"};
    assert_int_equal(sim_node_offered(w, 0, &r), 4);
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU), 0);
    lab_close(&l);
}

static void mig_manager_fails_on_a_gpu_in_use(void **state)
{
    (void)state;
    struct lab l;
    char name[64];
    lab_init(&l);
    (void)lab_policy(&l);
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    put_mig_config(w, "7g.80gb", name);
    assert_int_equal(sim_world_run_until(w, MINUTES(14)), 0);
    label_node(w, 0, CORE_PATCH_MIG_CONFIG, name);
    assert_int_equal(sim_world_run_until(w, MINUTES(20)), 0);
    assert_string_equal(w->nodes[0].mig_state, "failed");
    assert_int_equal(offered(w, 0, MODEL_RESOURCE_GPU), 2);
    lab_close(&l);
}

static void a_mig_change_outside_the_window_is_a_violation(void **state)
{
    (void)state;
    struct lab l;
    char name[64];
    int64_t start, end;
    lab_init(&l);
    l.group.min = l.group.initial = 1;
    l.owners[0].from_ns = 12 * NUM_NS_PER_HOUR;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    put_mig_config(w, "7g.80gb", name);
    int64_t at = w->now_ns + MINUTES(5);
    while (policy_window_at(l.config.policy, sim_world_wall(w) + at - w->now_ns, &start, &end) == 1)
        at += MINUTES(10);
    assert_int_equal(sim_world_run_until(w, at), 0);
    struct core_action a = {.kind = CORE_ACTION_NODE_PATCH, .target = sim_uid(SIM_UID_NODE, 0)};
    a.node.fields = CORE_PATCH_MIG_CONFIG;
    a.node.mig_config = str_from(name);
    w->step_wall_ns = sim_world_wall(w); /* the caller stands in for the controller */
    sim_act(w, &a);
    assert_true(sim_world_run_until(w, at + MINUTES(1)) < 0);
    assert_string_equal(sim_world_violation(w, NULL), "world-mig-change-outside-window");
    lab_close(&l);
}

static void two_busy_pods_on_one_gpu_wait_for_each_other(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.group.gpus_per_node = 1;
    l.owners[0].demand.level_permille = 1000;
    struct sim_world *w = lab_open(&l, SIM_REGIME_TIMESLICING_X4);
    assert_int_equal(sim_world_run_until(w, MINUTES(30)), 0);
    const struct sim_node *n = &w->nodes[0];
    assert_int_equal(n->pods.count, 2);
    uint32_t latency = w->pods[n->pods.items[0]].latency_permille;
    /* 1.11 x n for n = 2 that are busy all the time, less what the generator is below 100 %. */
    assert_in_range(latency, 1900, 2220);
    lab_close(&l);
}

static void memory_past_the_gpu_kills_one_of_its_pods(void **state)
{
    (void)state;
    struct lab l;
    struct report_run r;
    lab_init(&l);
    l.group.gpus_per_node = 1;
    l.owners[0].demand.memory_mib = 45000;
    l.owners[0].demand.memory_peak_mib = 46000;
    struct sim_world *w = lab_open(&l, SIM_REGIME_TIMESLICING_X4);
    assert_int_equal(sim_world_run_until(w, MINUTES(60)), 0);
    sim_world_report(w, l.arena, &r);
    assert_true(r.harm.memory_kills > 0);
    lab_close(&l);
}

static void a_disruption_budget_refuses_evictions(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.owners[0].max_unavailable = 1;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    for (uint32_t pod = 0; pod < 2; pod++) {
        struct core_action a = {.kind = CORE_ACTION_POD_EVICT, .target = sim_uid(SIM_UID_POD, pod)};
        act(w, &a);
    }
    assert_int_equal(w->pods[0].phase, SIM_POD_STOPPING);
    assert_int_equal(w->pods[1].phase, SIM_POD_RUNNING);
    assert_int_equal(w->harm.evictions, 1);
    lab_close(&l);
}

/* A spot node is told, drained while pods are made anew elsewhere, and gone two minutes later. */
static void the_cloud_takes_spot_nodes_back(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    struct model_offer offer = {.gpu = l.group.gpu,
            .purchase = MODEL_PURCHASE_SPOT,
            .start_ns = INT64_MIN,
            .end_ns = INT64_MAX,
            .microusd_per_gpu_hour = 1000000,
            .nodes_free = UINT32_MAX,
            .reclaims_per_1000h = 1000000};
    l.group.purchase = MODEL_PURCHASE_SPOT;
    l.scenario.offers = &offer;
    l.scenario.offer_count = 1;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    int64_t notice = 0;
    while (w->reclaims == 0 && w->now_ns < 3 * NUM_NS_PER_HOUR)
        assert_int_equal(sim_world_run_until(w, w->now_ns + SIM_SECOND), 0);
    notice = w->now_ns;
    assert_true(notice > NUM_NS_PER_HOUR);
    const struct sim_node *n = &w->nodes[0];
    assert_true(n->live && n->unschedulable && n->reclaimed);
    for (uint32_t i = 0; i < n->pods.count; i++)
        assert_int_equal(w->pods[n->pods.items[i]].phase, SIM_POD_STOPPING);
    assert_int_equal(sim_world_run_until(w, notice + 119 * SIM_SECOND), 0);
    assert_true(w->nodes[0].live);
    assert_int_equal(w->nodes[0].pods.count, 0);
    assert_int_equal(sim_world_run_until(w, notice + 121 * SIM_SECOND), 0);
    assert_false(w->nodes[0].live);
    assert_int_equal(sim_world_run_until(w, notice + MINUTES(8)), 0);
    struct sim_world_counts c;
    sim_world_count(w, &c);
    assert_int_equal(c.pods_running, 2);
    lab_close(&l);
}

static void evict(struct sim_world *w, uint32_t pod)
{
    struct core_action a = {.kind = CORE_ACTION_POD_EVICT, .target = sim_uid(SIM_UID_POD, pod)};
    sim_act(w, &a);
    (void)sim_world_run_until(w, w->now_ns + SIM_SECOND);
}

static void more_evictions_than_the_policy_allows_are_a_violation(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    lab_policy(&l)->max_evictions_per_hour = 2;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    evict(w, 0);
    evict(w, 1);
    /* An hour later the two do not count any more. */
    assert_int_equal(sim_world_run_until(w, MINUTES(71)), 0);
    evict(w, 2);
    evict(w, 3);
    assert_null(sim_world_violation(w, NULL));
    assert_int_equal(sim_world_run_until(w, MINUTES(80)), 0);
    evict(w, 4);
    assert_string_equal(sim_world_violation(w, NULL), "world-eviction-budget");
    lab_close(&l);
}

static void an_eviction_of_a_bare_pod_is_a_violation(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.owners[0].kind = MODEL_OWNER_BARE;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    evict(w, 0);
    assert_string_equal(sim_world_violation(w, NULL), "world-bare-pod-evicted");
    lab_close(&l);
}

/* Marks a node as the controller does; the rest of a record does not matter here. */
static void claim_node(struct sim_world *w, uint32_t node, const char *record_state)
{
    char text[512];
    static const char setup[] = "{\"replicas\":1,\"mig_replicas\":1,\"pool\":\"\",\"plugin\":\"\","
                                "\"mig\":\"\",\"layouts\":[]}";
    (void)snprintf(text, sizeof text,
            "{\"v\":1,\"plan\":\"00000000000000aa\",\"state\":\"%s\",\"change\":\"share\","
            "\"reason\":\"cost\",\"since\":0,\"tries\":0,\"retry\":0,\"cordon\":true,\"to\":%s,"
            "\"from\":%s}",
            record_state, setup, setup);
    struct core_action a = {.kind = CORE_ACTION_NODE_PATCH, .target = sim_uid(SIM_UID_NODE, node)};
    a.node.fields = CORE_PATCH_ANNOTATION | CORE_PATCH_CORDON;
    a.node.cordon = true;
    a.node.annotation = str_from(text);
    sim_act(w, &a);
    (void)sim_world_run_until(w, w->now_ns + SIM_SECOND);
}

static void more_nodes_in_change_than_the_policy_allows_are_a_violation(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    l.group.min = l.group.initial = 4;
    lab_policy(&l)->max_nodes_in_change = 1;
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    uint32_t used = 0;
    uint32_t empty = 0;
    while (w->nodes[used].pods.count == 0)
        used++;
    while (w->nodes[empty].pods.count > 0)
        empty++;
    uint32_t other = (num_max_u32(used, empty) + 1) % 4;
    claim_node(w, used, "forward");
    claim_node(w, used, "undo"); /* the same change, on its way back */
    claim_node(w, other, "hold");
    claim_node(w, empty, "retire"); /* nobody is disrupted */
    assert_null(sim_world_violation(w, NULL));
    claim_node(w, other, "forward");
    assert_string_equal(sim_world_violation(w, NULL), "world-node-budget");
    lab_close(&l);
}

static void a_patched_deployment_rolls_with_a_surge(void **state)
{
    (void)state;
    struct lab l;
    lab_init(&l);
    struct sim_world *w = lab_open(&l, SIM_REGIME_ONE_GPU_A_POD);
    assert_int_equal(sim_world_run_until(w, MINUTES(10)), 0);
    struct core_action a = {.kind = CORE_ACTION_OWNER_PATCH, .target = sim_uid(SIM_UID_OWNER, 0)};
    a.owner.resource.kind = MODEL_RESOURCE_GPU;
    a.owner.count = 1;
    act(w, &a);
    assert_int_equal(sim_world_run_until(w, MINUTES(40)), 0);
    for (uint32_t i = 0; i < 2; i++) {
        const struct sim_pod *p = &w->pods[w->owners[0].slots[i].pod];
        assert_int_equal(p->phase, SIM_POD_RUNNING);
        assert_int_equal(p->tpl.generation, 2);
    }
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(autoscaler_adds_in_five_minutes_and_removes_after_ten),
            cmocka_unit_test(a_group_does_not_grow_past_its_maximum),
            cmocka_unit_test(a_switch_over_running_pods_books_twice),
            cmocka_unit_test(an_empty_node_switches_without_harm),
            cmocka_unit_test(mig_manager_goes_by_pending_to_success_or_failed),
            cmocka_unit_test(mig_manager_fails_on_a_gpu_in_use),
            cmocka_unit_test(a_mig_change_outside_the_window_is_a_violation),
            cmocka_unit_test(two_busy_pods_on_one_gpu_wait_for_each_other),
            cmocka_unit_test(memory_past_the_gpu_kills_one_of_its_pods),
            cmocka_unit_test(a_disruption_budget_refuses_evictions),
            cmocka_unit_test(the_cloud_takes_spot_nodes_back),
            cmocka_unit_test(more_evictions_than_the_policy_allows_are_a_violation),
            cmocka_unit_test(an_eviction_of_a_bare_pod_is_a_violation),
            cmocka_unit_test(more_nodes_in_change_than_the_policy_allows_are_a_violation),
            cmocka_unit_test(a_patched_deployment_rolls_with_a_surge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
