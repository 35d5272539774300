/* test_claim.c - DRA in the virtual world: shares of GPUs by memory and count, and whole GPUs. */
#include "test.h"

#include "sim/world-priv.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) ((n)*NUM_NS_PER_HOUR)

enum { OWNERS = 4 };

struct lab {
    struct arena *arena;
    struct sim_scenario scenario;
    struct sim_cluster_spec cluster;
    struct sim_group_spec group;
    struct sim_owner_spec owners[OWNERS];
    char names[OWNERS][16];
    struct sim_config config;
    struct sim_world *world;
    uint16_t gpu;
};

/* Owners of small pods on nodes of two A100s; nobody controls, the test patches the owners. */
static void lab_open(struct lab *l, uint32_t nodes_max)
{
    const struct model_gpu *gpu = NULL;
    memset(l, 0, sizeof *l);
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    l->gpu = (uint16_t)model_gpu_index(gpu);
    l->arena = arena_new(0);
    l->cluster = (struct sim_cluster_spec){STR_LIT("lab"), STR_LIT("us-east-1")};
    l->group = (struct sim_group_spec){.name = STR_LIT("a100"),
            .gpu = l->gpu,
            .gpus_per_node = 2,
            .cpu_milli = 64000,
            .memory_mib = 256 * 1024,
            .max = nodes_max};
    for (uint32_t i = 0; i < OWNERS; i++) {
        (void)snprintf(l->names[i], sizeof l->names[i], "lab/o%u", i);
        l->owners[i] = (struct sim_owner_spec){.name = str_from(l->names[i]),
                .kind = MODEL_OWNER_DEPLOYMENT,
                .class_declared = MODEL_CLASS_INTERACTIVE,
                .gpus_per_pod = 1,
                .cpu_milli = 1000,
                .memory_mib = 1024,
                .max_unavailable = UINT32_MAX,
                .grace_ns = 30 * SIM_SECOND,
                .demand = {.kind = SIM_DEMAND_STEADY,
                        .level_permille = 50,
                        .sm_need_permille = 1000,
                        .memory_mib = 1000,
                        .memory_peak_mib = 1200}};
        for (unsigned h = 0; h < SIM_HOURS; h++)
            l->owners[i].replicas[h] = 3 + i;
    }
    l->scenario = (struct sim_scenario){.name = STR_LIT("lab"),
            .start_wall_ns = INT64_C(1772409600) * SIM_SECOND,
            .duration_ns = 96 * NUM_NS_PER_HOUR,
            .cluster_count = 1,
            .group_count = 1,
            .owner_count = OWNERS,
            .clusters = &l->cluster,
            .groups = &l->group,
            .owners = l->owners};
    l->config = (struct sim_config){
            .policy = policy_preset(STR_LIT("balanced")), .seed = 5, .scenario = &l->scenario};
    l->world = sim_world_new(&l->config, SIM_REGIME_ONE_GPU_A_POD);
    l->world->caps = SIM_CAPS_DRA;
}

static void lab_close(struct lab *l)
{
    sim_world_free(l->world);
    arena_free(l->arena);
}

/* Points an owner to a class; pods 0 means whole GPUs. */
static void point(struct lab *l, uint32_t owner, uint32_t pods, uint32_t memory_mib)
{
    struct core_action a = {
            .kind = CORE_ACTION_OWNER_PATCH, .target = sim_uid(SIM_UID_OWNER, owner)};
    char name[CORE_SHARE_NAME_MAX] = "";
    a.owner.count = 1;
    a.owner.resource.kind = MODEL_RESOURCE_GPU;
    if (pods > 0) {
        struct core_share s = {l->gpu, (uint16_t)pods, memory_mib};
        core_share_name(&s, name);
        a.owner.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    }
    a.owner.pool = str_from(name);
    sim_act(l->world, &a);
}

/* Recounts a GPU from its pods alone; returns how many are on it. */
static uint32_t gpu_check(const struct sim_world *w, uint32_t node, uint32_t gpu)
{
    const struct sim_node *n = &w->nodes[node];
    uint32_t shared = 0, whole = 0;
    uint64_t memory_mib = 0;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        struct core_share s, other;
        uint32_t alike = 0;
        for (uint32_t d = 0; d < p->device_count; d++) {
            if (p->devices[d].gpu != gpu)
                continue;
            if (p->tpl.resource.kind == MODEL_RESOURCE_GPU) {
                whole++;
                continue;
            }
            if (p->tpl.resource.kind == MODEL_RESOURCE_MIG)
                continue; /* layout_check() looks at these */
            shared++;
            assert_true(core_share_parse(str_from(p->tpl.pool), &s));
            memory_mib += s.memory_mib;
            for (uint32_t k = 0; k < n->pods.count; k++) {
                const struct sim_pod *o = &w->pods[n->pods.items[k]];
                alike += o->device_count > 0 && o->devices[0].gpu == gpu &&
                         core_share_parse(str_from(o->tpl.pool), &other) && other.pods <= s.pods;
            }
            assert_true(alike <= s.pods);
        }
    }
    assert_true(whole <= 1);
    assert_false(whole > 0 && shared > 0);
    assert_true(memory_mib <= sim_node_model(n)->memory_usable_mib);
    return shared + whole;
}

static void world_check(const struct sim_world *w, uint32_t *ret_most)
{
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        for (uint32_t g = 0; g < w->nodes[node].gpu_count; g++)
            *ret_most = num_max_u32(*ret_most, gpu_check(w, node, g));
    }
}

/* Owners come and go between random classes and whole GPUs; what a GPU offers is never passed. */
static void a_gpu_is_never_passed(void **state)
{
    (void)state;
    struct lab l;
    struct prng rng;
    uint32_t most = 0;
    lab_open(&l, 12);
    prng_init(&rng, 7);
    for (int64_t minute = 1; minute <= 48 * 60; minute++) {
        assert_int_equal(sim_world_run_until(l.world, minute * SIM_MINUTE), 0);
        world_check(l.world, &most);
        if (minute % 20 != 0)
            continue;
        uint32_t usable = model_gpu_get(l.gpu)->memory_usable_mib;
        uint32_t pods = (uint32_t)prng_below(&rng, 9);
        uint32_t cut = 1 + (uint32_t)prng_below(&rng, 9);
        point(&l, (uint32_t)prng_below(&rng, OWNERS), pods == 1 ? 0 : pods, usable / cut);
    }
    assert_true(most > 2);
    lab_close(&l);
}

/* Points an owner to claims for one instance of a profile. */
static void point_mig(struct lab *l, uint32_t owner, unsigned profile)
{
    struct core_action a = {
            .kind = CORE_ACTION_OWNER_PATCH, .target = sim_uid(SIM_UID_OWNER, owner)};
    const struct mig_model *m = mig_model_find(model_gpu_get(l->gpu)->mig_key);
    a.owner.count = 1;
    a.owner.resource.kind = MODEL_RESOURCE_MIG;
    sim_profile_resource(&m->profiles[profile], a.owner.resource.profile);
    sim_act(l->world, &a);
}

/* The profile that a pod's template names. */
static uint8_t profile_of(const struct mig_model *m, const struct sim_pod *p)
{
    for (unsigned i = 0; i < m->profile_count; i++) {
        char name[MODEL_PROFILE_NAME_MAX];
        sim_profile_resource(&m->profiles[i], name);
        if (strcmp(name, p->tpl.resource.profile) == 0)
            return (uint8_t)i;
    }
    fail();
    return 0;
}

/* Lays the pods' instances on an empty GPU anew: they must be legal together, be what the GPU
 * shows, and have it without anybody else.  Returns how many there are. */
static uint32_t layout_check(const struct sim_world *w, uint32_t node, uint32_t gpu)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_gpu *g = &n->gpus[gpu];
    struct mig_layout fresh;
    uint32_t others = 0;
    mig_layout_init(&fresh, g->layout.model);
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < p->device_count; d++) {
            if (p->devices[d].gpu != gpu)
                continue;
            if (p->devices[d].start == SIM_WHOLE_GPU) {
                others++;
                continue;
            }
            struct mig_instance instance = {
                    profile_of(g->layout.model, p), p->devices[d].start, true};
            enum mig_rule rule;
            struct err e = {0};
            assert_int_equal(mig_layout_add(&fresh, instance, &rule, &e), 0);
        }
    }
    assert_true(mig_layout_eq(&fresh, &g->layout));
    assert_int_equal(g->mig_on, fresh.count > 0);
    assert_true(others == 0 || fresh.count == 0);
    return fresh.count;
}

/* With partitionable devices owners go between instances of all sizes, shares and whole GPUs. */
static void instances_are_legal_together(void **state)
{
    (void)state;
    struct lab l;
    struct prng rng;
    uint32_t most = 0, shared = 0;
    lab_open(&l, 12);
    for (uint32_t i = 0; i < OWNERS; i++) {
        for (unsigned h = 0; h < SIM_HOURS; h++)
            l.owners[i].replicas[h] = 12; /* from the first full hour on */
    }
    prng_init(&rng, 11);
    const struct mig_model *m = mig_model_find(model_gpu_get(l.gpu)->mig_key);
    for (int64_t minute = 1; minute <= 48 * 60; minute++) {
        assert_int_equal(sim_world_run_until(l.world, minute * SIM_MINUTE), 0);
        for (uint32_t i = 0; i < l.world->nodes_live.count; i++) {
            uint32_t node = l.world->nodes_live.items[i];
            for (uint32_t g = 0; g < l.world->nodes[node].gpu_count; g++)
                most = num_max_u32(most, layout_check(l.world, node, g));
        }
        world_check(l.world, &shared);
        if (minute % 10 != 0)
            continue;
        uint32_t owner = (uint32_t)prng_below(&rng, OWNERS);
        uint32_t way = (uint32_t)prng_below(&rng, 8);
        if (way < 2) {
            point(&l, owner, way * 3, 20000);
        } else {
            point_mig(&l, owner, (unsigned)prng_below(&rng, m->profile_count));
        }
    }
    assert_true(most > 2);
    assert_true(shared > 1);
    lab_close(&l);
}

/* 18 pods of whole GPUs on 4; on instances of 1g all run. */
static void instances_fill_a_gpu(void **state)
{
    (void)state;
    struct lab l;
    uint32_t instances = 0;
    lab_open(&l, 2);
    for (uint32_t i = 0; i < OWNERS; i++)
        point_mig(&l, i, 0);
    assert_int_equal(sim_world_run_until(l.world, HOURS(3)), 0);
    assert_int_equal(l.world->nodes_live.count, 2);
    for (uint32_t i = 0; i < l.world->nodes_live.count; i++) {
        for (uint32_t g = 0; g < 2; g++)
            instances += layout_check(l.world, l.world->nodes_live.items[i], g);
    }
    assert_int_equal(instances, 3 + 4 + 5 + 6);
    lab_close(&l);
}

static uint32_t running(const struct sim_world *w, uint32_t owner)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->owners[owner].slot_count; i++) {
        uint32_t pod = w->owners[owner].slots[i].pod;
        count += pod != SIM_NONE && w->pods[pod].phase == SIM_POD_RUNNING;
    }
    return count;
}

/* All on shares: 18 pods of at most 6 a GPU need three GPUs, and the nodes that emptied go. */
static void shares_need_fewer_nodes(void **state)
{
    (void)state;
    struct lab l;
    uint32_t most = 0;
    lab_open(&l, 12);
    assert_int_equal(sim_world_run_until(l.world, HOURS(1)), 0);
    assert_int_equal(l.world->nodes_live.count, 9);
    for (uint32_t i = 0; i < OWNERS; i++)
        point(&l, i, 6, 10000);
    assert_int_equal(sim_world_run_until(l.world, HOURS(3)), 0);
    world_check(l.world, &most);
    assert_true(most > 1 && most <= 6);
    for (uint32_t i = 0; i < OWNERS; i++)
        assert_int_equal(running(l.world, i), 3 + i);
    assert_true(l.world->nodes_live.count < 9);
    lab_close(&l);
}

/* With all GPUs shared an exclusive claim waits, and is served by a node of its own. */
static void a_whole_claim_waits_for_a_gpu_without_shares(void **state)
{
    (void)state;
    struct lab l;
    uint32_t most = 0;
    lab_open(&l, 12);
    for (uint32_t i = 0; i < OWNERS; i++)
        point(&l, i, i == 0 ? 0 : 2, 30000);
    assert_int_equal(sim_world_run_until(l.world, HOURS(2)), 0);
    world_check(l.world, &most);
    assert_int_equal(running(l.world, 0), 3);
    assert_int_equal(most, 2);
    lab_close(&l);
}

static void a_name_that_is_no_class_is_refused(void **state)
{
    (void)state;
    struct lab l;
    lab_open(&l, 12);
    struct core_action a = {.kind = CORE_ACTION_OWNER_PATCH, .target = sim_uid(SIM_UID_OWNER, 0)};
    a.owner.count = 1;
    a.owner.resource.kind = MODEL_RESOURCE_GPU_SHARED;
    a.owner.pool = STR_LIT("ts-a100-80gb");
    sim_act(l.world, &a);
    assert_int_equal(sim_world_run_until(l.world, HOURS(1)), 0);
    assert_int_equal(l.world->owners[0].patch_at_ns, 0);
    assert_int_equal(l.world->owners[0].tpl.resource.kind, MODEL_RESOURCE_GPU);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_gpu_is_never_passed),
            cmocka_unit_test(shares_need_fewer_nodes),
            cmocka_unit_test(a_whole_claim_waits_for_a_gpu_without_shares),
            cmocka_unit_test(instances_are_legal_together),
            cmocka_unit_test(instances_fill_a_gpu),
            cmocka_unit_test(a_name_that_is_no_class_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
