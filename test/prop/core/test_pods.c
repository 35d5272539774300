/* core: what is asked of owners and done to single pods: proposals that wait and are taken back,
 * assignments, moves, evictions within budgets. */
#include "test.h"

#include "world.h"

static struct core_intent owner_intent(enum model_resource_kind kind)
{
    return (struct core_intent){.kind = CORE_INTENT_OWNER,
            .change = CORE_CHANGE_OWNER_POINT,
            .reason = CORE_REASON_COST,
            .owner = 50,
            .saving_microusd_per_hour = 700000,
            .owner_target = {.resource = {.kind = kind}, .count = 1}};
}

static void want(struct core_intent in)
{
    script_intents[0] = in;
    script_count = 1;
}

static int64_t blocked(const struct world *w)
{
    struct core_totals totals;
    core_totals_get(w->core, &totals);
    return totals.blocked_microusd_per_hour;
}

static const struct core_owner_view *owner(const struct world *w)
{
    const struct core_picture *pic = core_picture_get(w->core);
    return &pic->owners[core_picture_owner(pic, 50)];
}

static void proposes_once_and_waits(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 1, MODEL_RESOURCE_GPU);
    world_settle(&w, 30, 30);
    want(owner_intent(MODEL_RESOURCE_GPU_SHARED));
    world_settle(&w, 3600, 3600);
    assert_int_equal(w.twin.proposals, 1);
    assert_int_equal(blocked(&w), 700000);
    assert_true(owner(&w)->patch.open);
    assert_int_equal(owner(&w)->patch.resource.kind, MODEL_RESOURCE_GPU_SHARED);
    assert_int_equal(w.verdicts[CORE_VERDICT_PROPOSED], 1);
    assert_int_equal(w.verdicts[CORE_VERDICT_DONE], 0);
    /* A controller that starts again proposes again: the world knows it already. */
    world_restart(&w);
    world_settle(&w, 60, 60);
    assert_int_equal(w.twin.proposals, 2);
    assert_int_equal(blocked(&w), 700000);
    twin_owner_act(&w.twin);
    world_settle(&w, 60, 60);
    assert_int_equal(blocked(&w), 0);
    assert_false(owner(&w)->patch.open);
    assert_int_equal(w.verdicts[CORE_VERDICT_DONE], 1);
    assert_null(w.violation);
    world_clear(&w);
}

static void takes_a_proposal_back(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 1, MODEL_RESOURCE_GPU);
    world_settle(&w, 30, 30);
    want(owner_intent(MODEL_RESOURCE_GPU_SHARED));
    world_settle(&w, 60, 60);
    want(owner_intent(MODEL_RESOURCE_GPU));
    world_settle(&w, 60, 60);
    assert_int_equal(w.twin.proposals, 2);
    assert_int_equal(w.twin.proposed.owner.resource.kind, MODEL_RESOURCE_GPU);
    assert_int_equal(blocked(&w), 0);
    world_clear(&w);
}

static void an_owner_that_goes_takes_its_proposal_along(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 1, MODEL_RESOURCE_GPU);
    world_settle(&w, 30, 30);
    want(owner_intent(MODEL_RESOURCE_GPU_SHARED));
    world_settle(&w, 60, 60);
    script_count = 0;
    struct core_fact gone = twin_fact(&w.twin, CORE_FACT_GONE, CORE_SOURCE_OWNERS);
    gone.gone = 50;
    twin_tell(&w.twin, &gone, 0);
    world_settle(&w, 60, 60);
    assert_int_equal(blocked(&w), 0);
    world_clear(&w);
}

static void native_world(struct world *w, uint32_t pods)
{
    world_init(w, 1);
    w->twin.native = true;
    twin_tell_all(&w->twin);
    twin_owner_add(&w->twin, 0, MODEL_OWNER_DEPLOYMENT, pods, MODEL_RESOURCE_GPU);
    world_settle(w, 30, 30);
}

static struct core_intent pod_intent(
        enum core_intent_kind kind, uint64_t pod, uint64_t node, uint8_t gpu)
{
    bool move = kind == CORE_INTENT_MOVE;
    return (struct core_intent){.kind = kind,
            .change = move ? CORE_CHANGE_POD_MOVE : CORE_CHANGE_POD_ASSIGN,
            .reason = CORE_REASON_REBALANCE,
            .node = node,
            .pod = pod,
            .owner = 50,
            .gpu = gpu};
}

static void assigns_and_moves(void **state)
{
    (void)state;
    struct world w;
    native_world(&w, 1);
    want(pod_intent(CORE_INTENT_ASSIGN, 100, 2, 1));
    world_settle(&w, 60, 60);
    assert_int_equal(w.twin.pods[0].node, 1);
    assert_int_equal(w.twin.pods[0].gpu, 1);
    assert_int_equal(w.verdicts[CORE_VERDICT_DONE], 1);
    /* Moved: evicted, and the pod that its owner makes instead goes where the move was for. */
    want(pod_intent(CORE_INTENT_MOVE, 100, 3, 0));
    world_settle(&w, 120, 120);
    assert_int_equal(w.twin.evictions, 1);
    int at = -1;
    for (int p = 0; p < TWIN_PODS; p++) {
        if (w.twin.pods[p].live)
            at = p;
    }
    assert_true(at >= 0);
    assert_int_equal(w.twin.pods[at].node, 2);
    assert_int_equal(core_picture_get(w.core)->move_count, 0);
    assert_null(w.violation);
    world_clear(&w);
}

static void assigns_nothing_to_a_closed_node(void **state)
{
    (void)state;
    struct world w;
    native_world(&w, 1);
    w.twin.nodes[1].cordon = true;
    w.twin.nodes[1].dirty = true;
    world_settle(&w, 10, 10);
    want(pod_intent(CORE_INTENT_ASSIGN, 100, 2, 1));
    world_settle(&w, 600, 600);
    assert_int_equal(w.twin.pods[0].node, -1);
    assert_int_equal(w.verdicts[CORE_VERDICT_REFUSED], 1); /* told once */
    world_clear(&w);
}

/* Two an hour: five pods take three hours, whoever is in charge. */
static void evicts_within_the_budget(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    w.twin.policy.max_evictions_per_hour = 2;
    w.twin.policy.drain_timeout_ns = TWIN_S(86400);
    twin_tell_policy(&w.twin);
    want(world_intent(1, CORE_CHANGE_SHARE, 4));
    world_settle(&w, 600, 3600);
    twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 5, MODEL_RESOURCE_GPU_SHARED);
    world_settle(&w, 60, 60);
    want(world_intent(1, CORE_CHANGE_RETIRE, 1));
    uint64_t before = 0;
    for (int hour = 0; hour < 4; hour++) {
        for (int i = 0; i < 3600 / WORLD_STEP_S; i++) {
            world_step(&w, true);
            if (hour == 1 && i == 300)
                world_restart(&w);
        }
        assert_true(w.twin.evictions - before <= 2);
        before = w.twin.evictions;
    }
    assert_int_equal(w.twin.evictions, 5);
    assert_null(w.violation);
    world_clear(&w);
}

static void tell_record(struct world *w, int64_t age_ns, uint32_t count)
{
    struct core_fact f = twin_fact(&w->twin, CORE_FACT_EVICTED, CORE_SOURCE_ACTIONS);
    f.evicted = (struct core_evicted_fact){age_ns, count};
    twin_tell(&w->twin, &f, 0);
}

static uint64_t evictions_within(struct world *w, uint32_t seconds)
{
    uint64_t before = w->twin.evictions;
    for (uint32_t i = 0; i < seconds / WORLD_STEP_S; i++)
        world_step(w, true);
    return w->twin.evictions - before;
}

/* Two an hour are allowed, five pods are to go.  Nobody can see by the pods, all of them hours old,
 * that somebody was evicted: the record of the controller before says it, and says as well that
 * nobody was where all pods are young. */
static void counts_what_the_record_says(void **state)
{
    (void)state;
    for (int young = 0; young < 2; young++) {
        struct world w;
        world_init(&w, 1);
        w.twin.policy.max_evictions_per_hour = 2;
        w.twin.policy.drain_timeout_ns = TWIN_S(86400);
        twin_tell_policy(&w.twin);
        want(world_intent(1, CORE_CHANGE_SHARE, 4));
        world_settle(&w, 600, 3600);
        twin_owner_add(&w.twin, 0, MODEL_OWNER_DEPLOYMENT, 5, MODEL_RESOURCE_GPU_SHARED);
        world_settle(&w, 60, 60);
        if (!young)
            (void)evictions_within(&w, 2 * 3600);
        world_restart(&w);
        tell_record(&w, TWIN_S(3600), 0);
        if (!young)
            tell_record(&w, TWIN_S(1200), 2);
        world_step(&w, true);
        want(world_intent(1, CORE_CHANGE_RETIRE, 1));
        uint64_t first = evictions_within(&w, 2300);
        uint64_t then = evictions_within(&w, 600);
        if (young) {
            assert_true(first == 2 && then == 0);
        } else {
            assert_true(first == 0 && then == 2);
        }
        assert_null(w.violation);
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(proposes_once_and_waits),
            cmocka_unit_test(takes_a_proposal_back),
            cmocka_unit_test(an_owner_that_goes_takes_its_proposal_along),
            cmocka_unit_test(assigns_and_moves),
            cmocka_unit_test(assigns_nothing_to_a_closed_node),
            cmocka_unit_test(evicts_within_the_budget),
            cmocka_unit_test(counts_what_the_record_says),
    };
    return cmocka_run_group_tests_name("core/pods", tests, NULL, NULL);
}
