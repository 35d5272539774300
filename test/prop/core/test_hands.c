/* core: somebody else writes what we write, again and again.  We step back with the reason, leave
 * the node as it can be used, and write a bounded number of times. */
#include "test.h"

#include "world.h"

enum { PODS = TWIN_NODES * TWIN_GPUS, HOUR_S = 3600 };

/* All nodes are wanted as shared ones. */
static void begin(struct world *w)
{
    world_init(w, 1);
    twin_owner_add(&w->twin, 0, MODEL_OWNER_DEPLOYMENT, PODS / 2, MODEL_RESOURCE_GPU);
    world_settle(w, 30, 30);
    for (uint64_t i = 0; i < TWIN_NODES; i++)
        script_intents[i] = world_intent(i + 1, CORE_CHANGE_SHARE, 4);
    script_count = TWIN_NODES;
}

/* Given up as another's business, and nothing else is wrong. */
static void check_left(const struct world *w, uint32_t at)
{
    if (w->violation != NULL || w->twin.double_booked > 0)
        fail_msg("at step %u: %s, booked twice %llu", at, w->violation,
                (unsigned long long)w->twin.double_booked);
    if (w->turned != CORE_REASON_GUARD_FOREIGN)
        fail_msg("at step %u: ended for %s", at, core_reason_name(w->turned));
}

/* Takes every key of ours away; how many there were. */
static uint32_t take_keys(struct twin *t)
{
    uint32_t taken = 0;
    for (int i = 0; i < TWIN_CONFIGS; i++) {
        struct twin_config *c = &t->configs[i];
        taken += c->live;
        c->dirty |= c->live;
        c->live = false;
    }
    return taken;
}

/* Taken in every step no key is ever seen; taken in some, it goes while it propagates. */
static void keys_that_do_not_stay_are_given_up(void **state)
{
    (void)state;
    for (uint32_t every = 1; every <= 4; every += 3) {
        struct world w;
        begin(&w);
        uint32_t first = 0, all = 0;
        for (uint32_t s = 0; s < 4 * HOUR_S; s += WORLD_STEP_S) {
            world_step(&w, true);
            if (s / WORLD_STEP_S % every == 0)
                all += take_keys(&w.twin);
            first = s < HOUR_S / 10 ? all : first;
            for (int i = 0; i < TWIN_NODES; i++) {
                assert_false(w.twin.nodes[i].cordon);
                assert_string_equal(w.twin.nodes[i].annotation, "");
            }
        }
        check_left(&w, every);
        assert_in_range(first, 1, 2 * TWIN_NODES);
        assert_in_range(all, first, 8 * first); /* each wait is twice the one before */
        world_clear(&w);
    }
}

static void keys_that_come_back_are_used(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    for (uint32_t s = 0; s < 2 * HOUR_S; s += WORLD_STEP_S) {
        world_step(&w, true);
        if (s < HOUR_S / 2)
            (void)take_keys(&w.twin);
    }
    for (int i = 0; i < TWIN_NODES; i++) {
        assert_int_equal(w.twin.nodes[i].replicas, 4);
        assert_false(w.twin.nodes[i].cordon);
    }
    world_clear(&w);
}

static void labels_that_do_not_stay_are_given_up(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    uint32_t first = 0, all = 0;
    for (uint32_t s = 0; s < 4 * HOUR_S; s += WORLD_STEP_S) {
        world_step(&w, true);
        for (int i = 0; i < TWIN_NODES; i++) {
            struct twin_node *n = &w.twin.nodes[i];
            all += n->plugin[0] != 0;
            n->dirty |= n->plugin[0] != 0;
            n->plugin[0] = 0;
        }
        first = s < HOUR_S ? all : first;
    }
    check_left(&w, 0);
    for (int i = 0; i < TWIN_NODES; i++)
        assert_false(w.twin.nodes[i].cordon);
    assert_in_range(first, 1, 24);
    assert_in_range(all, first, 2 * first); /* each wait is twice the one before */
    world_clear(&w);
}

/* Steps that a share of a node takes from its begin. */
static uint32_t share_steps(void)
{
    struct world w;
    uint32_t steps = 0;
    begin(&w);
    script_count = 1;
    do {
        world_step(&w, true);
        steps++;
    } while (world_is_active(&w));
    assert_int_equal(w.twin.nodes[0].replicas, 4);
    world_clear(&w);
    return steps;
}

/* A node is given back, or wholly there, whoever wrote what when. */
static bool half_configured(const struct twin_node *n)
{
    bool back = n->plugin[0] == 0 && n->replicas == 1 && n->pool[0] == 0;
    bool there = n->plugin[0] != 0 && n->replicas == 4 && n->pool[0] != 0;
    return !back && !there;
}

static void another_owner_is_given_way(void **state)
{
    (void)state;
    uint32_t steps = share_steps();
    for (uint32_t at = 1; at + 1 < steps; at++) {
        struct world w;
        begin(&w);
        script_count = 1;
        for (uint32_t s = 0; s < at; s++)
            world_step(&w, true);
        w.twin.nodes[0].foreign = true;
        w.twin.nodes[0].dirty = true;
        world_settle(&w, 60, HOUR_S);
        uint64_t actions = w.actions;
        world_settle(&w, 2 * HOUR_S, 2 * HOUR_S);
        const struct twin_node *n = &w.twin.nodes[0];
        if (n->cordon || world_is_active(&w) || w.actions != actions)
            fail_msg("at step %u of %u: %s, %llu writes later", at, steps,
                    n->cordon ? "closed" : "open", (unsigned long long)(w.actions - actions));
        if (half_configured(n))
            fail_msg("at step %u: half configured: plugin '%s', %u replicas, pool '%s'", at,
                    n->plugin, n->replicas, n->pool);
        if (n->replicas == 1)
            check_left(&w, at);
        world_clear(&w);
    }
}

static void an_admins_cordon_stays(void **state)
{
    (void)state;
    for (uint32_t at = 0;; at++) {
        struct world w;
        begin(&w);
        script_count = 1;
        for (uint32_t s = 0; s < at; s++)
            world_step(&w, true);
        bool ours = w.twin.nodes[0].cordon;
        w.twin.nodes[0].cordon = true;
        w.twin.nodes[0].dirty = true;
        world_settle(&w, 60, HOUR_S);
        if (!ours) {
            assert_true(w.twin.nodes[0].cordon);
            assert_false(world_is_active(&w));
            assert_int_equal(w.twin.nodes[0].replicas, 1);
            assert_string_equal(w.twin.nodes[0].annotation, "");
            assert_int_equal(w.verdicts[CORE_VERDICT_UNDONE], at > 0 ? 1 : 0);
        }
        world_clear(&w);
        if (ours)
            return; /* from now on it is our own */
        assert_in_range(at, 0, HOUR_S);
    }
}

static void an_admin_opens_what_we_closed(void **state)
{
    (void)state;
    uint32_t steps = share_steps(), met = 0;
    for (uint32_t at = 1; at + 1 < steps; at++) {
        struct world w;
        begin(&w);
        script_count = 1;
        for (uint32_t s = 0; s < at; s++)
            world_step(&w, true);
        struct twin_node *n = &w.twin.nodes[0];
        bool ours = n->cordon && world_is_active(&w);
        n->cordon = false;
        n->dirty |= ours;
        world_settle(&w, 60, HOUR_S / 12); /* before it is tried again */
        if (n->cordon || world_is_active(&w) || half_configured(n) || w.violation != NULL ||
                w.twin.double_booked > 0)
            fail_msg("at step %u of %u: %s, plugin '%s', %u replicas, pool '%s', violation %s, "
                     "booked twice %llu",
                    at, steps, n->cordon ? "closed" : "open", n->plugin, n->replicas, n->pool,
                    w.violation != NULL ? w.violation : "none",
                    (unsigned long long)w.twin.double_booked);
        met += ours;
        world_clear(&w);
    }
    assert_in_range(met, 3, steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_that_do_not_stay_are_given_up),
            cmocka_unit_test(keys_that_come_back_are_used),
            cmocka_unit_test(labels_that_do_not_stay_are_given_up),
            cmocka_unit_test(another_owner_is_given_way),
            cmocka_unit_test(an_admins_cordon_stays),
            cmocka_unit_test(an_admin_opens_what_we_closed),
    };
    return cmocka_run_group_tests_name("core/hands", tests, NULL, NULL);
}
