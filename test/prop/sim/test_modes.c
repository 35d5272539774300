/* sim: the modes of a policy end to end.  In recommend mode the controller proposes plans and does
 * nothing; a person approves some by their digest, and those alone are carried out.  In observe
 * mode it proposes nothing.  Controllers that die in between change neither. */
#include "test.h"

#include "sim/world-priv.h"

#include <string.h>

#define HOURS(n) ((n)*NUM_NS_PER_HOUR)

enum { APPROVALS_MAX = 4096 };

struct run {
    struct arena *arena;
    struct sim_config config;
    struct policy policy;
    struct sim_world *world;
    uint32_t read; /* decisions seen so far */
    uint32_t writes_read;
    uint32_t shared_instance_writes; /* configs of several pods on an instance */
    /* What was approved: the object, and the decision that proposed it. */
    uint64_t object[APPROVALS_MAX];
    uint32_t approved;
};

static void run_init(struct run *r, enum policy_mode mode, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->arena = arena_new(0);
    assert_int_equal(
            sim_scenario_builtin(r->arena, STR_LIT("small"), &r->config.scenario, NULL), 0);
    r->policy = *policy_preset(STR_LIT("balanced"));
    for (int t = 0; t < MODEL_TECHNIQUE_COUNT; t++)
        r->policy.mode[t] = mode;
    r->config.policy = &r->policy;
    r->config.seed = seed;
    r->config.owner_patch_delay_ns = HOURS(1);
    r->config.duration_ns = HOURS(48);
    r->world = sim_world_new(&r->config, SIM_REGIME_CORE);
}

static void run_clear(struct run *r)
{
    r->world = sim_world_free(r->world);
    arena_free(r->arena);
}

static uint64_t object_of(const struct core_decision *d)
{
    return d->node != 0 ? d->node : d->owner;
}

static uint64_t plan_of(const struct core_decision *d)
{
    for (uint32_t i = 0; d->verdict == CORE_VERDICT_PROPOSED && i < d->evidence_count; i++) {
        if (strcmp(d->evidence[i].name, "plan") == 0)
            return (uint64_t)d->evidence[i].value;
    }
    return 0;
}

static bool was_approved(const struct run *r, uint64_t object)
{
    for (uint32_t i = 0; i < r->approved; i++) {
        if (r->object[i] == object)
            return true;
    }
    return false;
}

/* Reads the new decisions: whatever begins must have been approved; approves owners, and nodes when
 * asked to. */
static void read_decisions(struct run *r, bool approve_nodes)
{
    struct sim_world *w = r->world;
    for (; r->read < w->log_count; r->read++) {
        const struct core_decision *d = &w->log[r->read];
        if (d->verdict == CORE_VERDICT_BEGUN && !was_approved(r, object_of(d)))
            fail_msg("nobody approved: %.*s", STR_ARG(d->text));
        uint64_t plan = plan_of(d);
        if (plan == 0 || r->approved == APPROVALS_MAX || (d->node != 0 && !approve_nodes))
            continue;
        r->object[r->approved++] = object_of(d);
        sim_world_approve(w, plan);
    }
}

/* A write's texts are there until it has reached the API server, later than the step that asks. */
static void read_writes(struct run *r)
{
    for (; r->writes_read < r->world->write_count; r->writes_read++) {
        const struct core_action *a = &r->world->writes[r->writes_read].action;
        r->shared_instance_writes += a->kind == CORE_ACTION_NODE_PATCH &&
                                     str_starts(a->node.plugin_config, STR_LIT("exclusive-mig-x"));
    }
}

static void play(struct run *r, bool approve, bool approve_nodes)
{
    uint64_t uid = 0;
    while (sim_world_step(r->world) == 1) {
        read_writes(r);
        if (approve)
            read_decisions(r, approve_nodes);
        if (sim_world_steps(r->world) % 700 == 0)
            sim_world_restart_core(r->world);
    }
    const char *violation = sim_world_violation(r->world, &uid);
    if (violation != NULL)
        fail_msg("%s at %llx", violation, (unsigned long long)uid);
}

static uint32_t count(const struct run *r, enum core_verdict verdict)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->world->log_count; i++)
        n += r->world->log[i].verdict == verdict;
    return n;
}

static uint32_t writes(const struct run *r, enum core_action_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->world->write_count; i++)
        n += r->world->writes[i].action.kind == kind;
    return n;
}

static void nothing_is_done_unapproved(uint64_t seed)
{
    struct run r;
    run_init(&r, POLICY_MODE_RECOMMEND, seed);
    play(&r, false, false);
    assert_int_equal(r.world->write_count, 0);
    assert_true(count(&r, CORE_VERDICT_PROPOSED) > 0);
    for (uint32_t i = 0; i < r.world->log_count; i++) {
        const struct core_decision *d = &r.world->log[i];
        if (d->verdict == CORE_VERDICT_PROPOSED && plan_of(d) == 0)
            fail_msg("proposed without a digest: %.*s", STR_ARG(d->text));
    }
    run_clear(&r);
}

static void only_what_is_approved_is_done(uint64_t seed)
{
    struct run r;
    run_init(&r, POLICY_MODE_RECOMMEND, seed);
    play(&r, true, false);
    assert_true(writes(&r, CORE_ACTION_OWNER_PATCH) > 0);
    assert_int_equal(writes(&r, CORE_ACTION_NODE_PATCH), 0);
    assert_int_equal(writes(&r, CORE_ACTION_CONFIG_PUT), 0);
    run_clear(&r);
}

static void all_approved_is_all_done(uint64_t seed)
{
    struct run r;
    struct sim_world_counts c;
    run_init(&r, POLICY_MODE_RECOMMEND, seed);
    play(&r, true, true);
    sim_world_count(r.world, &c);
    assert_true(writes(&r, CORE_ACTION_NODE_PATCH) > 0);
    assert_true(count(&r, CORE_VERDICT_DONE) > 0);
    assert_true(c.nodes_shared > 0);
    run_clear(&r);
}

static void observing_writes_and_proposes_nothing(uint64_t seed)
{
    struct run r;
    run_init(&r, POLICY_MODE_OBSERVE, seed);
    play(&r, false, false);
    assert_int_equal(r.world->write_count, 0);
    assert_int_equal(count(&r, CORE_VERDICT_PROPOSED), 0);
    assert_true(count(&r, CORE_VERDICT_REFUSED) > 0);
    run_clear(&r);
}

/* Time-slicing is applied, everything else only observed: nodes are shared, none is emptied to go.
 */
static void modes_are_by_technique(uint64_t seed)
{
    struct run r;
    run_init(&r, POLICY_MODE_OBSERVE, seed);
    r.policy.mode[MODEL_TECHNIQUE_TIME_SLICING] = POLICY_MODE_APPLY;
    play(&r, false, false);
    for (uint32_t i = 0; i < r.world->log_count; i++) {
        const struct core_decision *d = &r.world->log[i];
        if (d->verdict == CORE_VERDICT_BEGUN &&
                (d->change == CORE_CHANGE_RETIRE || d->change == CORE_CHANGE_MIG_RELAYOUT))
            fail_msg("only observed: %.*s", STR_ARG(d->text));
    }
    struct sim_world_counts c;
    sim_world_count(r.world, &c);
    assert_true(c.nodes_shared > 0);
    run_clear(&r);
}

/* With several pods on an instance allowed, nodes get it in windows alone, and the world's own
 * checks (double booking, windows, budgets) hold through restarts; with 1 none does. */
static void instances_are_shared_only_where_allowed(uint64_t seed)
{
    for (uint32_t max = 1; max <= 4; max += 3) {
        struct run r;
        run_init(&r, POLICY_MODE_APPLY, seed);
        r.policy.techniques[0] = MODEL_TECHNIQUE_MIG;
        r.policy.techniques[1] = MODEL_TECHNIQUE_TIME_SLICING;
        r.policy.replicas_instance_max = max;
        r.world = sim_world_free(r.world); /* the small scenario has nobody who gains by it */
        assert_int_equal(
                sim_scenario_builtin(r.arena, STR_LIT("default"), &r.config.scenario, NULL), 0);
        r.world = sim_world_new(&r.config, SIM_REGIME_CORE);
        play(&r, false, false);
        if ((r.shared_instance_writes > 0) != (max > 1))
            fail_msg("%u writes of shared instances, at most %u pods on one",
                    r.shared_instance_writes, max);
        run_clear(&r);
    }
}

/* Suspended in the middle: what has touched a node is ended within hours, nothing begins after. */
static void suspending_ends_what_runs(uint64_t seed)
{
    struct run r;
    run_init(&r, POLICY_MODE_APPLY, seed);
    int64_t at = HOURS(6) + (int64_t)(seed % 600) * SIM_MINUTE;
    assert_int_equal(sim_world_run_until(r.world, at), 0);
    uint32_t before = r.world->log_count;
    struct policy suspended = r.policy;
    struct sim_config then = r.config;
    suspended.suspend = true;
    then.policy = &suspended;
    sim_world_go_on(r.world, &then);
    assert_int_equal(sim_world_run_until(r.world, at + HOURS(4)), 0);
    for (uint32_t i = before; i < r.world->log_count; i++) {
        const struct core_decision *d = &r.world->log[i];
        if (d->verdict == CORE_VERDICT_BEGUN && d->wall_ns > sim_world_wall(r.world) - HOURS(4) &&
                d->change != CORE_CHANGE_RELEASE)
            fail_msg("begun under a suspended policy: %.*s", STR_ARG(d->text));
    }
    struct core_rollout_status s;
    for (uint32_t i = 0; i < r.world->nodes_live.count; i++) {
        uint64_t uid = sim_uid(SIM_UID_NODE, r.world->nodes_live.items[i]);
        bool active = core_rollout_status_get(r.world->core, uid, &s);
        if (active && s.step != CORE_STEP_WAIT_GONE)
            fail_msg("node %llx still %s", (unsigned long long)uid, core_step_name(s.step));
    }
    run_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(nothing_is_done_unapproved, 2),
            TEST_PROP(only_what_is_approved_is_done, 2),
            TEST_PROP(all_approved_is_all_done, 2),
            TEST_PROP(observing_writes_and_proposes_nothing, 2),
            TEST_PROP(modes_are_by_technique, 2),
            TEST_PROP(instances_are_shared_only_where_allowed, 1),
            TEST_PROP(suspending_ends_what_runs, 6),
    };
    return cmocka_run_group_tests_name("sim/modes", tests, NULL, NULL);
}
