/* core: random changes on a small cluster whose writes fail, whose facts come late and whose
 * controller dies, hour after hour: no check fires, no GPU is handed out twice, and once the faults
 * are over nothing is left in change and no node is left closed. */
#include "test.h"

#include "world.h"

static struct core_coverage reached; /* over all cases */

enum { FAULT_PPM = 50000, HOURS = 16, STEPS = HOURS * 3600 / WORLD_STEP_S };

/* Something else to want of some node, once in a while. */
static void change_mind(struct world *w, struct prng *p)
{
    static const enum core_change changes[] = {CORE_CHANGE_SHARE, CORE_CHANGE_SHARE,
            CORE_CHANGE_UNSHARE, CORE_CHANGE_MIG_RELAYOUT, CORE_CHANGE_HOLD, CORE_CHANGE_RELEASE,
            CORE_CHANGE_RETIRE, CORE_CHANGE_RELEASE};
    uint32_t node = (uint32_t)prng_below(p, TWIN_NODES);
    enum core_change change = changes[prng_below(p, sizeof(changes) / sizeof(changes[0]))];
    uint32_t replicas = change == CORE_CHANGE_SHARE ? 2 + (uint32_t)prng_below(p, 7) : 1;
    script_intents[node] = world_intent(w->twin.nodes[node].uid, change, replicas);
    script_count = TWIN_NODES;
    if (prng_below(p, 8) == 0)
        w->twin.mig_broken = !w->twin.mig_broken;
    if (prng_below(p, 8) == 0) {
        w->twin.plugin_broken = !w->twin.plugin_broken;
        for (int i = 0; i < TWIN_NODES && !w->twin.plugin_broken; i++)
            w->twin.nodes[i].plugin_down_until = 0; /* somebody mended it */
    }
}

static void survives(uint64_t seed)
{
    struct world w;
    struct prng p;
    prng_init_stream(&p, seed, 2);
    world_init(&w, seed);
    w.twin.devices_known = seed % 2 == 0;
    twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 3, MODEL_RESOURCE_GPU);
    twin_owner_add(&w.twin, 1, MODEL_OWNER_DEPLOYMENT, 6, MODEL_RESOURCE_GPU_SHARED);
    twin_owner_add(&w.twin, 2, MODEL_OWNER_STATEFULSET, 2, MODEL_RESOURCE_GPU);
    w.twin.fault_ppm = FAULT_PPM;
    for (uint32_t i = 0; i < STEPS; i++) {
        if (prng_below(&p, 120) == 0)
            change_mind(&w, &p);
        bool kill = prng_below(&p, 400) == 0;
        world_step(&w, !kill || prng_below(&p, 2) == 0);
        if (kill)
            world_restart(&w);
        if (w.violation != NULL)
            fail_msg("step %u: %s", i, w.violation);
        assert_int_equal(w.twin.double_booked, 0);
    }
    w.twin.fault_ppm = 0;
    w.twin.mig_broken = false;
    w.twin.plugin_broken = false;
    for (uint32_t i = 0; i < TWIN_NODES; i++)
        w.twin.nodes[i].plugin_down_until = 0;
    for (uint32_t i = 0; i < TWIN_NODES; i++)
        script_intents[i] = world_intent(w.twin.nodes[i].uid, CORE_CHANGE_RELEASE, 1);
    world_settle(&w, 1800, 12 * 3600);
    for (uint32_t i = 0; i < TWIN_NODES; i++) {
        if (w.twin.nodes[i].cordon)
            fail_msg("node %u is left closed: %s", i, w.twin.nodes[i].annotation);
    }
    assert_false(world_is_active(&w));
    assert_null(w.violation);
    world_coverage(&w, &reached);
    world_clear(&w);
}

/* The table of step kinds and states has no cell that can be reached and was not. */
static void reaches_every_cell(void **state)
{
    (void)state;
    for (int s = 0; s < CORE_STEP_COUNT; s++) {
        for (int r = 1; r < CORE_ROLLOUT_STATE_COUNT; r++) {
            if (!core_rollout_cell_reachable((enum core_step_kind)s, (enum core_rollout_state)r))
                continue;
            printf("# %-16s %-9s %6llu\n", core_step_name((enum core_step_kind)s),
                    core_rollout_state_name((enum core_rollout_state)r),
                    (unsigned long long)reached.cells[s][r]);
            /* A replay of one case does not get everywhere. */
            if (reached.cells[CORE_STEP_CLAIM][CORE_ROLLOUT_PENDING] > 500)
                assert_true(reached.cells[s][r] > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(survives, 12),
            cmocka_unit_test(reaches_every_cell),
    };
    return cmocka_run_group_tests_name("core/faults", tests, NULL, NULL);
}
