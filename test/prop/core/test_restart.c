/* core: whatever a rollout is doing when the controller dies, a new one with an empty memory ends
 * it as the old one would have: in the target or the old state, no GPU handed out twice, no node
 * left closed.  The kill is put at every single step in turn, before and after its writes. */
#include "test.h"

#include "world.h"

enum { MOST_S = 14 * 3600, QUIET_S = 300 };

enum scenario {
    SHARE,
    RAISE,
    LOWER,
    UNSHARE,
    MIG,
    RETIRE,
    HOLD,
    RELEASE,
    SHARE_BROKEN,
    MIG_BROKEN,
    RAISE_BROKEN,
    SCENARIO_COUNT
};

static const struct {
    const char *name;
    enum core_change change;
    uint32_t replicas;     /* wanted */
    uint32_t replicas_end; /* 0 = either way */
    bool from_shared, broken;
} scenarios[SCENARIO_COUNT] = {
        [SHARE] = {"share", CORE_CHANGE_SHARE, 4, 4, false, false},
        [RAISE] = {"raise", CORE_CHANGE_REPLICAS_RAISE, 8, 8, true, false},
        [LOWER] = {"lower", CORE_CHANGE_REPLICAS_LOWER, 2, 2, true, false},
        [UNSHARE] = {"unshare", CORE_CHANGE_UNSHARE, 1, 1, true, false},
        [MIG] = {"mig", CORE_CHANGE_MIG_RELAYOUT, 1, 1, false, false},
        [RETIRE] = {"retire", CORE_CHANGE_RETIRE, 1, 1, false, false},
        [HOLD] = {"hold", CORE_CHANGE_HOLD, 1, 1, false, false},
        [RELEASE] = {"release", CORE_CHANGE_RELEASE, 1, 1, false, false},
        [SHARE_BROKEN] = {"share, plugin broken", CORE_CHANGE_SHARE, 4, 0, false, true},
        [MIG_BROKEN] = {"mig, manager broken", CORE_CHANGE_MIG_RELAYOUT, 1, 1, false, true},
        [RAISE_BROKEN] = {"raise, plugin broken", CORE_CHANGE_REPLICAS_RAISE, 8, 0, true, true},
};

static void want(enum core_change change, uint32_t replicas)
{
    script_intents[0] = world_intent(1, change, replicas);
    script_count = 1;
}

/* The state that the scenario starts from, with pods on the node. */
static void begin(struct world *w, enum scenario s)
{
    struct twin *t = &w->twin;
    world_init(w, 1);
    t->autoscaler = s == RETIRE;
    world_settle(w, 20, 20);
    if (scenarios[s].from_shared)
        want(CORE_CHANGE_SHARE, 4);
    if (s == RELEASE)
        want(CORE_CHANGE_HOLD, 1);
    world_settle(w, QUIET_S, MOST_S);
    assert_int_equal(t->nodes[0].replicas, scenarios[s].from_shared ? 4 : 1);
    assert_int_equal(t->nodes[0].cordon, s == RELEASE);
    script_count = 0;
    twin_owner_add(t, 0, MODEL_OWNER_DEPLOYMENT, 3,
            scenarios[s].from_shared ? MODEL_RESOURCE_GPU_SHARED : MODEL_RESOURCE_GPU);
    world_settle(w, 100, 100);
    t->plugin_broken = s == SHARE_BROKEN || s == RAISE_BROKEN;
    t->mig_broken = s == MIG_BROKEN;
    memset(w->verdicts, 0, sizeof(w->verdicts));
    want(scenarios[s].change, scenarios[s].replicas);
}

static void check_end(const struct world *w, enum scenario s, const char *when)
{
    const struct twin_node *n = &w->twin.nodes[0];
    const char *name = scenarios[s].name;
    if (w->violation != NULL)
        fail_msg("%s, %s: %s", name, when, w->violation);
    if (w->twin.double_booked > 0)
        fail_msg("%s, %s: a GPU in use was handed out again", name, when);
    if (n->live == (s == RETIRE))
        fail_msg("%s, %s: the node is %s", name, when, n->live ? "still there" : "gone");
    if (!n->live)
        return;
    if (n->cordon != (s == HOLD))
        fail_msg("%s, %s: the node is %s", name, when, n->cordon ? "closed" : "open");
    if (scenarios[s].replicas_end != 0 && n->replicas != scenarios[s].replicas_end)
        fail_msg("%s, %s: %u replicas", name, when, n->replicas);
    if ((s == MIG) != (n->instances[0] > 0))
        fail_msg("%s, %s: %u instances", name, when, n->instances[0]);
    /* Given up for now: the node says so itself, with the time of the next try. */
    if (scenarios[s].broken != (strstr(n->annotation, "\"state\":\"rest\"") != NULL) ||
            (!scenarios[s].broken && s != HOLD && n->annotation[0] != 0))
        fail_msg("%s, %s: annotation '%s'", name, when, n->annotation);
}

/* Runs the scenario with a kill at step `kill_at` (none when UINT32_MAX); returns how many steps it
 * took until the end. */
static uint32_t run(enum scenario s, uint32_t kill_at, bool perform)
{
    struct world w;
    char when[80];
    (void)snprintf(when, sizeof(when), "killed at step %u %s its writes", kill_at,
            perform ? "after" : "before");
    begin(&w, s);
    uint32_t steps = 0;
    uint32_t quiet = 0;
    while (steps < MOST_S / WORLD_STEP_S && quiet < QUIET_S / WORLD_STEP_S) {
        bool kill = steps++ == kill_at;
        world_step(&w, !kill || perform);
        if (kill)
            world_restart(&w);
        /* What is broken is wanted for ever: one attempt is enough here. */
        if (w.verdicts[CORE_VERDICT_UNDONE] + w.verdicts[CORE_VERDICT_ABANDONED] > 0)
            script_count = 0;
        quiet = world_is_active(&w) ? 0 : quiet + 1;
    }
    check_end(&w, s, when);
    world_clear(&w);
    return steps;
}

static void ends_well_without_a_kill(void **state)
{
    (void)state;
    for (int s = 0; s < SCENARIO_COUNT; s++)
        (void)run((enum scenario)s, UINT32_MAX, true);
}

static void ends_well_whenever_it_is_killed(void **state)
{
    (void)state;
    for (int s = 0; s < SCENARIO_COUNT; s++) {
        uint32_t steps = run((enum scenario)s, UINT32_MAX, true) - QUIET_S / WORLD_STEP_S;
        for (uint32_t k = 0; k < steps; k++) {
            (void)run((enum scenario)s, k, true);
            (void)run((enum scenario)s, k, false);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(ends_well_without_a_kill),
            cmocka_unit_test(ends_well_whenever_it_is_killed),
    };
    return cmocka_run_group_tests_name("core/restart", tests, NULL, NULL);
}
