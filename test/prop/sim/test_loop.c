/* test_loop.c - the production core in the virtual world: determinism, faults, kills. */
#include "test.h"

#include "sim/world-priv.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) ((n)*NUM_NS_PER_HOUR)

struct run {
    struct arena *arena;
    struct sim_config config;
    struct sim_world *world;
};

static void run_init(struct run *r, const char *scenario, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->arena = arena_new(0);
    assert_int_equal(
            sim_scenario_builtin(r->arena, str_from(scenario), &r->config.scenario, NULL), 0);
    r->config.policy = policy_preset(STR_LIT("balanced"));
    r->config.seed = seed;
}

static void run_play(struct run *r, int64_t until_ns)
{
    uint64_t uid = 0;
    r->config.duration_ns = until_ns;
    r->world = sim_world_new(&r->config, SIM_REGIME_CORE);
    (void)sim_world_run_until(r->world, until_ns);
    const char *violation = sim_world_violation(r->world, &uid);
    if (violation != NULL)
        fail_msg("%s at %llx, step %llu", violation, (unsigned long long)uid,
                (unsigned long long)sim_world_steps(r->world));
}

static void run_clear(struct run *r)
{
    r->world = sim_world_free(r->world);
    arena_free(r->arena);
}

static void same_seed_same_decisions(uint64_t seed)
{
    struct run a, b;
    struct report_run x, y;
    run_init(&a, "small", seed);
    run_init(&b, "small", seed);
    a.config.faults_ppm = b.config.faults_ppm = 20000;
    run_play(&a, HOURS(24));
    run_play(&b, HOURS(24));
    assert_int_equal(core_digest(a.world->core), core_digest(b.world->core));
    assert_int_equal(a.world->digest, b.world->digest);
    assert_int_equal(a.world->log_count, b.world->log_count);
    for (uint32_t i = 0; i < a.world->log_count; i++)
        assert_true(str_eq(a.world->log[i].text, b.world->log[i].text));
    sim_world_report(a.world, a.arena, &x);
    sim_world_report(b.world, b.arena, &y);
    assert_int_equal(x.cost_microusd_per_day, y.cost_microusd_per_day);
    assert_int_equal(x.point_count, y.point_count);
    for (uint32_t i = 0; i < x.point_count; i++)
        assert_memory_equal(&x.points[i], &y.points[i], sizeof x.points[i]);
    run_clear(&a);
    run_clear(&b);
}

static void no_check_fails_under_faults(uint64_t seed)
{
    struct run r;
    run_init(&r, "small", seed);
    r.config.faults_ppm = 50000;
    run_play(&r, HOURS(48));
    run_clear(&r);
}

static void no_check_fails_with_native_caps_under_faults(uint64_t seed)
{
    struct run r;
    run_init(&r, "small", seed);
    r.config.caps = SIM_CAPS_NATIVE;
    r.config.faults_ppm = 50000;
    run_play(&r, HOURS(24));
    run_clear(&r);
}

static void no_check_fails_with_classes_under_faults(uint64_t seed)
{
    struct run r;
    run_init(&r, "small", seed);
    r.config.caps = SIM_CAPS_DRA;
    r.config.faults_ppm = 50000;
    run_play(&r, HOURS(48));
    run_clear(&r);
}

/* Owners go to classes, nodes empty and leave, and nobody is killed for it. */
static void classes_need_fewer_nodes(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, "small", 3);
    r.config.caps = SIM_CAPS_DRA;
    run_play(&r, HOURS(48));
    struct report_run told;
    sim_world_report(r.world, r.arena, &told);
    assert_int_equal(told.harm.memory_kills, 0);
    uint32_t classes = 0;
    for (uint32_t i = 0; i < r.world->owner_count; i++)
        classes += r.world->owners[i].tpl.resource.kind == MODEL_RESOURCE_GPU_SHARED;
    assert_true(classes > 0);
    int64_t cost = told.cost_microusd_per_day;
    struct arena *a = r.arena;
    r.world = sim_world_free(r.world);
    r.world = sim_world_new(&r.config, SIM_REGIME_ONE_GPU_A_POD);
    (void)sim_world_run_until(r.world, HOURS(48));
    sim_world_report(r.world, a, &told);
    assert_true(cost < told.cost_microusd_per_day);
    run_clear(&r);
}

/* Faults and placement may not change what the replicas want. */
static void faults_do_not_move_workloads(uint64_t seed)
{
    struct run a, b;
    run_init(&a, "small", seed);
    run_init(&b, "small", seed);
    b.config.faults_ppm = 50000;
    run_play(&a, HOURS(12));
    run_play(&b, HOURS(12));
    uint32_t compared = 0;
    for (uint32_t o = 0; o < a.world->owner_count; o++) {
        const struct sim_owner *x = &a.world->owners[o], *y = &b.world->owners[o];
        if (x->spec->kind == MODEL_OWNER_JOB)
            continue; /* a Job ends when its work is done */
        assert_int_equal(x->slot_count, y->slot_count);
        for (uint32_t i = 0; i < x->slot_count; i++) {
            const struct sim_life *p = &a.world->lives[x->slots[i].life];
            const struct sim_life *q = &b.world->lives[y->slots[i].life];
            assert_int_equal(p->busy_sum, q->busy_sum);
            assert_int_equal(p->peak_mib, q->peak_mib);
            compared++;
        }
    }
    assert_true(compared > 0);
    run_clear(&a);
    run_clear(&b);
}

/* One life of a node: exclusive, shared, exclusive for the latency-sensitive pods at 10 o'clock. */
static void a_controller_killed_at_any_action_does_no_harm(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, "small", 3);
    run_play(&r, HOURS(15));
    uint64_t actions = r.world->actions;
    run_clear(&r);
    assert_true(actions > 10);
    uint64_t stride = actions / 50 + 1;
    for (uint64_t k = 1; k <= actions; k += stride) {
        run_init(&r, "small", 3);
        r.config.kill_at_action = k;
        run_play(&r, HOURS(15));
        assert_int_equal(r.world->epoch, 2);
        struct sim_world_counts c;
        sim_world_count(r.world, &c);
        assert_true(c.nodes_shared > 0);
        run_clear(&r);
    }
}

static void nothing_happens_when_the_policy_suspends(void **state)
{
    (void)state;
    struct run r;
    run_init(&r, "small", 3);
    struct policy suspended = *r.config.policy;
    suspended.suspend = true;
    r.config.policy = &suspended;
    run_play(&r, HOURS(24));
    for (uint32_t i = 0; i < r.world->write_count; i++)
        fail_msg("a suspended controller wrote");
    run_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(same_seed_same_decisions, 3),
            TEST_PROP(no_check_fails_under_faults, 6),
            TEST_PROP(no_check_fails_with_native_caps_under_faults, 4),
            TEST_PROP(no_check_fails_with_classes_under_faults, 4),
            cmocka_unit_test(classes_need_fewer_nodes),
            TEST_PROP(faults_do_not_move_workloads, 3),
            cmocka_unit_test(a_controller_killed_at_any_action_does_no_harm),
            cmocka_unit_test(nothing_happens_when_the_policy_suspends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
