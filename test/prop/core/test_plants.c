/* core: for each guard and each check one planted bug, in a case made for it.  Without the bug the
 * run is clean and what the guard forbids does not happen; with it the run is stopped by a check.
 */
#include "test.h"

#include "world.h"

/* ---- cases: each brings a world to where its guard matters, and wants something ---- */

static void want(uint32_t slot, uint64_t node, enum core_change change, uint32_t replicas)
{
    script_intents[slot] = world_intent(node, change, replicas);
    script_count = slot + 1 > script_count ? slot + 1 : script_count;
}

static void pods(struct world *w, enum model_owner_kind kind, uint32_t count)
{
    twin_owner_add(&w->twin, 0, kind, count, MODEL_RESOURCE_GPU);
    world_settle(w, 30, 30);
}

static void reach(struct world *w, enum core_change change, uint32_t replicas)
{
    want(0, 1, change, replicas);
    world_settle(w, 60, 4 * 3600);
    script_count = 0;
}

static void set_sync(struct world *w)
{
    struct core_fact lost = twin_fact(&w->twin, CORE_FACT_SYNC, CORE_SOURCE_PODS);
    twin_tell(&w->twin, &lost, 0);
    world_step(w, true);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void set_suspended(struct world *w)
{
    w->twin.policy.suspend = true;
    twin_tell_policy(&w->twin);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void set_mode(struct world *w)
{
    w->twin.policy.mode[MODEL_TECHNIQUE_TIME_SLICING] = POLICY_MODE_RECOMMEND;
    twin_tell_policy(&w->twin);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void touch(struct world *w)
{
    w->twin.nodes[0].dirty = true;
    world_step(w, true);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void set_frozen(struct world *w)
{
    w->twin.nodes[0].frozen = true;
    touch(w);
}

static void set_foreign(struct world *w)
{
    w->twin.nodes[0].foreign = true;
    touch(w);
}

static void set_selector(struct world *w)
{
    w->twin.nodes[0].excluded = true;
    touch(w);
}

/* A pool node that NVIDIA's plugin could not come back to. */
static void set_taint(struct world *w)
{
    w->twin.policy.taint_pools = true;
    w->twin.policy.techniques[w->twin.policy.technique_count++] = MODEL_TECHNIQUE_TIME_SLICING;
    twin_tell_policy(&w->twin);
    w->twin.nodes[0].pool_taint_refused = "the ClusterPolicy";
    reach(w, CORE_CHANGE_SHARE, 4);
}

static void set_kept(struct world *w)
{
    w->twin.nodes[0].keeps = "a pod of kube-system";
    w->twin.nodes[0].dirty = true;
    want(0, 1, CORE_CHANGE_RETIRE, 1);
}

static void set_caps(struct world *w)
{
    w->twin.nodes[0].cannot_share = true;
    touch(w);
}

static void set_owner_mark(struct world *w)
{
    w->twin.nodes[0].cordon = true;
    touch(w);
}

static void set_window(struct world *w)
{
    /* The only window lies a month ahead. */
    w->core = core_free(w->core);
    w->core = core_new(&w->options);
    twin_tell_all(&w->twin);
    for (uint32_t i = 0; i < w->twin.queue_count; i++) {
        if (w->twin.queue[i].kind == CORE_FACT_WINDOW)
            w->twin.queue[i].window.start_wall_ns += TWIN_S(86400 * 29);
    }
    want(0, 1, CORE_CHANGE_MIG_RELAYOUT, 1);
}

static void set_budget_nodes(struct world *w)
{
    w->twin.policy.max_nodes_in_change = 1;
    twin_tell_policy(&w->twin);
    want(0, 1, CORE_CHANGE_SHARE, 4);
    want(1, 2, CORE_CHANGE_SHARE, 4);
}

static void set_budget_evictions(struct world *w)
{
    pods(w, MODEL_OWNER_DEPLOYMENT, 2);
    w->twin.policy.max_evictions_per_hour = 1;
    twin_tell_policy(&w->twin);
    want(0, 1, CORE_CHANGE_RETIRE, 1);
}

static void set_pdb(struct world *w)
{
    w->twin.grace_ns = TWIN_S(300);
    pods(w, MODEL_OWNER_DEPLOYMENT, 2);
    w->twin.owners[0].max_unavailable = 1;
    w->twin.owners[0].dirty = true;
    world_step(w, true);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void set_bare_pod(struct world *w)
{
    pods(w, MODEL_OWNER_BARE, 1);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

static void set_double_booking(struct world *w)
{
    w->twin.grace_ns = TWIN_S(600);
    pods(w, MODEL_OWNER_DEPLOYMENT, 2);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

/* GPU 0 is laid out anew; a pod on it must go first, one on GPU 1 may stay. */
static void set_instance_in_use(struct world *w)
{
    w->twin.devices_known = true;
    w->twin.grace_ns = TWIN_S(600);
    reach(w, CORE_CHANGE_MIG_RELAYOUT, 1);
    twin_owner_add(&w->twin, 0, MODEL_OWNER_DEPLOYMENT, 9, MODEL_RESOURCE_MIG);
    (void)snprintf(w->twin.owners[0].resource.profile, MODEL_PROFILE_NAME_MAX, "1g.5gb");
    world_settle(w, 30, 30);
    want(0, 1, CORE_CHANGE_MIG_RELAYOUT, 1);
    (void)snprintf(script_intents[0].target.layouts[0], CORE_LAYOUT_TEXT_MAX, "5x1g.5gb");
}

/* A pod that was let in by hand holds what the raised configuration would not offer. */
static void set_capacity(struct world *w)
{
    reach(w, CORE_CHANGE_SHARE, 4);
    twin_owner_add(&w->twin, 0, MODEL_OWNER_DEPLOYMENT, 1, MODEL_RESOURCE_MIG);
    w->twin.pods[0] = (struct twin_pod){.live = true,
            .dirty = true,
            .uid = w->twin.next_uid++,
            .resource = w->twin.owners[0].resource};
    world_settle(w, 30, 30);
    want(0, 1, CORE_CHANGE_REPLICAS_RAISE, 8);
}

static void set_dwell(struct world *w)
{
    pods(w, MODEL_OWNER_DEPLOYMENT, 1);
    w->twin.policy.owner_dwell_ns = TWIN_S(86400);
    twin_tell_policy(&w->twin);
    script_intents[0] = (struct core_intent){.kind = CORE_INTENT_OWNER,
            .change = CORE_CHANGE_OWNER_POINT,
            .owner = w->twin.owners[0].uid,
            .owner_target = {.resource = {.kind = MODEL_RESOURCE_GPU_SHARED}, .count = 1}};
    script_count = 1;
    world_settle(w, 60, 60);
    script_intents[0].owner_target.resource.kind = MODEL_RESOURCE_GPU;
}

/* The pool that the owner is to be pointed at went while the plan was made. */
static void set_solution(struct world *w)
{
    pods(w, MODEL_OWNER_DEPLOYMENT, 1);
    script_gone_pool = "ts-gone";
    script_intents[0] = (struct core_intent){.kind = CORE_INTENT_OWNER,
            .change = CORE_CHANGE_OWNER_POINT,
            .owner = w->twin.owners[0].uid,
            .owner_target = {.resource = {.kind = MODEL_RESOURCE_GPU_SHARED},
                    .count = 1,
                    .pool = "ts-gone"}};
    script_count = 1;
}

static void set_share(struct world *w)
{
    pods(w, MODEL_OWNER_DEPLOYMENT, 2);
    want(0, 1, CORE_CHANGE_SHARE, 4);
}

/* A second plan is wanted while the first runs. */
static void set_two_plans(struct world *w)
{
    set_share(w);
    world_settle(w, 170, 170);
    want(0, 1, CORE_CHANGE_RETIRE, 1);
}

static void set_two_open(struct world *w)
{
    set_share(w);
    w->twin.fault_ppm = 1000000; /* every write meets a fault, so each stays open for a while */
}

static void set_key_in_use(struct world *w)
{
    reach(w, CORE_CHANGE_SHARE, 4);
}

static void set_stuck(struct world *w)
{
    want(0, 1, CORE_CHANGE_SHARE, 4);
    world_step(w, true);
}

static void set_unreachable(struct world *w)
{
    want(0, 1, CORE_CHANGE_SHARE, 4);
    w->twin.plugin_broken = true;
}

/* ---- the table ---- */

static const struct {
    enum core_reason bug;
    void (*set)(struct world *w);
} cases[] = {
        {CORE_REASON_GUARD_SYNC, set_sync},
        {CORE_REASON_GUARD_SUSPENDED, set_suspended},
        {CORE_REASON_GUARD_MODE, set_mode},
        {CORE_REASON_GUARD_FROZEN, set_frozen},
        {CORE_REASON_GUARD_FOREIGN, set_foreign},
        {CORE_REASON_GUARD_SELECTOR, set_selector},
        {CORE_REASON_GUARD_KEPT, set_kept},
        {CORE_REASON_GUARD_TAINT, set_taint},
        {CORE_REASON_GUARD_CAPS, set_caps},
        {CORE_REASON_GUARD_CAPACITY_IN_USE, set_capacity},
        {CORE_REASON_GUARD_DOUBLE_BOOKING, set_double_booking},
        {CORE_REASON_GUARD_INSTANCE_IN_USE, set_instance_in_use},
        {CORE_REASON_GUARD_DWELL, set_dwell},
        {CORE_REASON_GUARD_WINDOW, set_window},
        {CORE_REASON_GUARD_BUDGET_NODES, set_budget_nodes},
        {CORE_REASON_GUARD_BUDGET_EVICTIONS, set_budget_evictions},
        {CORE_REASON_GUARD_PDB, set_pdb},
        {CORE_REASON_GUARD_BARE_POD, set_bare_pod},
        {CORE_REASON_GUARD_OWNER_MARK, set_owner_mark},
        {CORE_REASON_GUARD_SOLUTION, set_solution},
        {CORE_REASON_CHECK_TWO_PLANS, set_two_plans},
        {CORE_REASON_CHECK_NO_RECORD, set_share},
        {CORE_REASON_CHECK_DOUBLE_OFFER, set_double_booking},
        {CORE_REASON_CHECK_TWO_OPEN, set_two_open},
        {CORE_REASON_CHECK_KEY_IN_USE, set_key_in_use},
        {CORE_REASON_CHECK_WINDOW, set_window},
        {CORE_REASON_CHECK_FOREIGN_UNDONE, set_owner_mark},
        {CORE_REASON_CHECK_BUDGET, set_budget_nodes},
        {CORE_REASON_CHECK_BUDGET, set_budget_evictions},
        {CORE_REASON_CHECK_STUCK, set_stuck},
        {CORE_REASON_CHECK_UNREACHABLE, set_unreachable},
};

static const char *run(size_t i, bool plant)
{
    struct world w;
    world_init(&w, 1);
    world_settle(&w, 20, 20);
    w.core = core_free(w.core);
    w.options.plant_bug[cases[i].bug] = plant;
    w.core = core_new(&w.options);
    twin_tell_all(&w.twin);
    world_settle(&w, 20, 20);
    cases[i].set(&w);
    for (int s = 0; s < 4 * 3600 / WORLD_STEP_S && w.violation == NULL; s++)
        world_step(&w, true);
    const char *violation = w.violation;
    if (!plant)
        assert_int_equal(w.twin.double_booked, 0);
    world_clear(&w);
    return violation;
}

static void is_clean_without_the_bug(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *violation = run(i, false);
        if (violation != NULL)
            fail_msg("%s: %s", core_reason_name(cases[i].bug), violation);
    }
}

static void catches_the_bug(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *violation = run(i, true);
        const char *name = core_reason_name(cases[i].bug);
        if (violation == NULL)
            fail_msg("%s: nobody saw it", name);
        printf("# %s: caught by %s\n", name, violation);
        if (strncmp(name, "check-", 6) == 0)
            assert_string_equal(violation, name);
    }
}

/* ---- what is collected ---- */

static void put_key(struct twin *t, enum core_config_map map, const char *key)
{
    const struct core_action put = {.kind = CORE_ACTION_CONFIG_PUT,
            .config = {.map = map, .key = str_from(key), .text = STR_LIT("version: v1\n")}};
    twin_put_config(t, &put);
}

/* Of two keys that no label names the one that we made goes; what people put into the same map, and
 * what the ClusterPolicy names as the default, is theirs. */
static void keys_of_others_are_never_collected(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    put_key(&w.twin, CORE_CONFIG_PLUGIN, "default");
    put_key(&w.twin, CORE_CONFIG_PLUGIN, "shared-x9-01234567");
    put_key(&w.twin, CORE_CONFIG_MIG, "all-disabled");
    for (int s = 0; s < 5 * 3600 / WORLD_STEP_S; s++)
        world_step(&w, true);
    assert_null(w.violation);
    assert_null(twin_config_find(&w.twin, CORE_CONFIG_PLUGIN, "shared-x9-01234567"));
    assert_non_null(twin_config_find(&w.twin, CORE_CONFIG_PLUGIN, "default"));
    assert_non_null(twin_config_find(&w.twin, CORE_CONFIG_MIG, "all-disabled"));
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_of_others_are_never_collected),
            cmocka_unit_test(is_clean_without_the_bug),
            cmocka_unit_test(catches_the_bug),
    };
    return cmocka_run_group_tests_name("core/plants", tests, NULL, NULL);
}
