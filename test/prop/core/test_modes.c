/* core: what waits for a person.  A plan that is only recommended is proposed under its digest;
 * nothing is done until that digest is approved, and an approval is none once the facts that the
 * plan rests on have changed.  Observe proposes nothing; suspend begins nothing and ends what runs.
 */
#include "test.h"

#include "world.h"

enum { HOUR = 3600 };

struct seen {
    struct world w;
    uint64_t plan; /* of the last proposal */
    uint64_t proposals, writes;
};

static void step(struct seen *s)
{
    struct world *w = &s->w;
    uint64_t before = w->actions;
    world_step(w, true);
    s->writes += w->actions - before;
    if (w->last_plan != 0) {
        s->plan = w->last_plan;
        s->proposals++;
    }
}

static void play(struct seen *s, uint32_t seconds)
{
    for (uint32_t t = 0; t < seconds; t += WORLD_STEP_S)
        step(s);
}

static void begin(struct seen *s, enum policy_mode mode)
{
    memset(s, 0, sizeof(*s));
    world_init(&s->w, 1);
    for (int t = 0; t < MODEL_TECHNIQUE_COUNT; t++)
        s->w.twin.policy.mode[t] = mode;
    twin_tell_policy(&s->w.twin);
    twin_owner_add(&s->w.twin, 0, MODEL_OWNER_DEPLOYMENT, 8, MODEL_RESOURCE_GPU);
    world_settle(&s->w, 60, 60);
    s->writes = 0;
}

static void want_share(struct seen *s, uint32_t replicas)
{
    (void)s;
    script_intents[0] = world_intent(1, CORE_CHANGE_SHARE, replicas);
    script_count = 1;
}

static void approve(struct seen *s, uint64_t plan)
{
    struct core_fact f = twin_fact(&s->w.twin, CORE_FACT_APPROVAL, CORE_SOURCE_POLICY);
    f.approval = plan;
    twin_tell(&s->w.twin, &f, 0);
}

static void end(struct seen *s)
{
    assert_null(s->w.violation);
    world_clear(&s->w);
}

static void waits_for_its_own_approval(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    want_share(&s, 4);
    play(&s, 3 * HOUR);
    assert_int_equal(s.writes, 0);
    assert_in_range(s.proposals, 2, 4); /* told again every hour */
    approve(&s, s.plan + 1);
    play(&s, HOUR);
    assert_int_equal(s.writes, 0);
    approve(&s, s.plan);
    play(&s, HOUR);
    assert_int_equal(s.w.twin.nodes[0].replicas, 4);
    assert_int_equal(s.w.twin.nodes[0].cordon, false);
    /* The approval is spent: going back is a plan of its own, and so is coming here again. */
    uint64_t first = s.plan;
    script_intents[0] = world_intent(1, CORE_CHANGE_UNSHARE, 1);
    play(&s, HOUR);
    assert_int_not_equal(s.plan, first);
    approve(&s, s.plan);
    play(&s, HOUR);
    assert_int_equal(s.w.twin.nodes[0].replicas, 1);
    s.writes = 0;
    want_share(&s, 4);
    play(&s, HOUR);
    assert_int_equal(s.writes, 0);
    end(&s);
}

static void another_change_is_not_approved_with_it(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    want_share(&s, 4);
    play(&s, 60);
    uint64_t four = s.plan;
    want_share(&s, 8);
    play(&s, 60);
    assert_int_not_equal(s.plan, four);
    approve(&s, four);
    play(&s, HOUR);
    assert_int_equal(s.writes, 0);
    end(&s);
}

/* Somebody else's pods come to the node: who is disturbed is a fact that the plan rests on. */
static void facts_that_change_take_the_approval_away(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    want_share(&s, 4);
    play(&s, 60);
    uint64_t before = s.plan;
    s.w.twin.owners[0].replicas = 0;
    s.w.twin.owners[0].live = false;
    for (int p = 0; p < TWIN_PODS; p++) {
        s.w.twin.pods[p].terminating = s.w.twin.pods[p].live;
        s.w.twin.pods[p].dirty = s.w.twin.pods[p].live;
    }
    script_count = 0;
    play(&s, 60);
    twin_owner_add(&s.w.twin, 1, MODEL_OWNER_DEPLOYMENT, 8, MODEL_RESOURCE_GPU);
    play(&s, 60);
    approve(&s, before);
    want_share(&s, 4);
    play(&s, HOUR);
    assert_int_equal(s.writes, 0);
    assert_int_not_equal(s.plan, before);
    approve(&s, s.plan);
    play(&s, HOUR);
    assert_int_equal(s.w.twin.nodes[0].replicas, 4);
    end(&s);
}

/* Approved, begun, and not yet claimed when the facts change: then it is not claimed. */
static void facts_that_change_before_the_claim_stop_it(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    want_share(&s, 4);
    play(&s, 60);
    approve(&s, s.plan);
    play(&s, 60); /* the config key is under way to kubelet */
    assert_true(s.writes > 0);
    (void)snprintf(s.w.twin.nodes[0].pool, sizeof(s.w.twin.nodes[0].pool), "by-hand");
    s.w.twin.nodes[0].dirty = true;
    play(&s, 30 * 60);
    assert_int_equal(s.w.twin.nodes[0].cordon, false);
    assert_int_equal(s.w.twin.nodes[0].replicas, 1);
    assert_string_equal(s.w.twin.nodes[0].annotation, "");
    end(&s);
}

static void an_approval_lapses_after_a_day(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    want_share(&s, 4);
    play(&s, 60);
    script_count = 0;
    approve(&s, s.plan);
    play(&s, 25 * HOUR);
    want_share(&s, 4);
    play(&s, HOUR);
    assert_int_equal(s.writes, 0);
    end(&s);
}

static void owners_wait_too(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_RECOMMEND);
    script_intents[0] = (struct core_intent){.kind = CORE_INTENT_OWNER,
            .change = CORE_CHANGE_OWNER_POINT,
            .owner = s.w.twin.owners[0].uid,
            .owner_target = {.resource = {.kind = MODEL_RESOURCE_GPU_SHARED}, .count = 1}};
    script_count = 1;
    play(&s, HOUR);
    assert_int_equal(s.w.twin.proposals, 0);
    approve(&s, s.plan);
    play(&s, 60);
    assert_int_equal(s.w.twin.proposals, 1);
    end(&s);
}

static void observing_proposes_nothing(void **state)
{
    (void)state;
    struct seen s;
    begin(&s, POLICY_MODE_OBSERVE);
    want_share(&s, 4);
    play(&s, 2 * HOUR);
    assert_int_equal(s.proposals, 0);
    assert_int_equal(s.writes, 0);
    assert_int_equal(s.w.verdicts[CORE_VERDICT_PROPOSED], 0);
    assert_true(s.w.verdicts[CORE_VERDICT_REFUSED] > 0);
    assert_int_equal(s.w.last_reason, CORE_REASON_GUARD_MODE);
    end(&s);
}

/* Suspended at each moment of a change: one that has touched the node is ended, another is not. */
static void suspending_ends_what_runs(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < 400; at += 20) {
        struct seen s;
        begin(&s, POLICY_MODE_APPLY);
        want_share(&s, 4);
        play(&s, at);
        bool touched = s.w.twin.nodes[0].annotation[0] != 0 || s.w.twin.nodes[0].replicas == 4;
        s.w.twin.policy.suspend = true;
        twin_tell_policy(&s.w.twin);
        script_intents[1] = world_intent(2, CORE_CHANGE_SHARE, 4);
        script_count = 2;
        play(&s, 2 * HOUR);
        if (s.w.twin.nodes[0].cordon || s.w.twin.nodes[0].annotation[0] != 0)
            fail_msg("suspended at %u s: left '%s'", at, s.w.twin.nodes[0].annotation);
        assert_int_equal(s.w.twin.nodes[0].replicas, touched ? 4 : 1);
        assert_int_equal(s.w.twin.nodes[1].replicas, 1);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(waits_for_its_own_approval),
            cmocka_unit_test(another_change_is_not_approved_with_it),
            cmocka_unit_test(facts_that_change_take_the_approval_away),
            cmocka_unit_test(facts_that_change_before_the_claim_stop_it),
            cmocka_unit_test(an_approval_lapses_after_a_day),
            cmocka_unit_test(owners_wait_too),
            cmocka_unit_test(observing_proposes_nothing),
            cmocka_unit_test(suspending_ends_what_runs),
    };
    return cmocka_run_group_tests_name("core/modes", tests, NULL, NULL);
}
