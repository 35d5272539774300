/* core/taint: set, kept, taken away and not set again; at every moment a controller may die. */
#include "test.h"

#include "world.h"

static void ask(struct world *w, bool pools, bool startup)
{
    struct policy *p = &w->twin.policy;
    p->taint_pools = pools;
    p->taint_startup = startup;
    p->techniques[0] = MODEL_TECHNIQUE_TIME_SLICING;
    p->technique_count = 1;
    twin_tell_policy(&w->twin);
}

static void run(struct world *w, int seconds, bool dies)
{
    for (int s = 0; s < seconds; s += WORLD_STEP_S) {
        world_step(w, true);
        if (dies && s % 35 == 0)
            world_restart(w);
    }
    assert_null(w->violation);
}

/* A new node is closed, opened when it rests, and not closed again; nobody else is touched. */
static void a_new_node_is_closed_once(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    struct twin_node *n = &w.twin.nodes[0];
    n->created_wall_ns = TWIN_START_NS;
    n->dirty = true;
    ask(&w, false, true);
    uint32_t closed = 0, opened = 0;
    bool was = false;
    for (int s = 0; s < 1800; s += WORLD_STEP_S) {
        world_step(&w, true);
        closed += n->startup_taint && !was;
        opened += !n->startup_taint && was;
        was = n->startup_taint;
        for (int i = 1; i < TWIN_NODES; i++)
            assert_false(w.twin.nodes[i].startup_taint);
    }
    assert_int_equal(closed, 1);
    assert_int_equal(opened, 1);
    assert_null(w.violation);
    world_clear(&w);
}

/* It brought the taint along and never gets its GPUs, or its policy ends, or somebody there does
 * not tolerate it: it does not stay. */
static void no_node_stays_closed(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world w;
        world_init(&w, 2);
        struct twin_node *n = &w.twin.nodes[0];
        n->startup_taint = n->dirty = true;
        n->plugin_down_until = i == 0 ? INT64_MAX / 2 : 0;
        n->startup_taint_refused = i == 2 ? "DaemonSet a/b" : NULL;
        ask(&w, false, i != 1);
        run(&w, i == 0 ? 2400 : 300, i == 3);
        assert_false(n->startup_taint);
        world_clear(&w);
    }
}

/* The pool's nodes, as long as all tolerate it. */
static void pools_follow_their_label(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3);
    struct twin_node *n = &w.twin.nodes[0];
    ask(&w, true, false);
    script_intents[0] = world_intent(1, CORE_CHANGE_SHARE, 4);
    script_count = 1;
    world_settle(&w, 60, 4 * 3600);
    script_count = 0;
    run(&w, 300, true);
    assert_string_equal(n->pool, "ts");
    assert_string_equal(n->pool_taint, "ts");
    n->pool_taint_refused = "Deployment ml/late";
    n->dirty = true;
    run(&w, 300, false);
    assert_string_equal(n->pool_taint, "");
    n->pool_taint_refused = NULL;
    n->dirty = true;
    run(&w, 300, false);
    assert_string_equal(n->pool_taint, "ts");
    script_intents[0] = world_intent(1, CORE_CHANGE_UNSHARE, 1);
    script_count = 1;
    world_settle(&w, 60, 4 * 3600);
    run(&w, 300, false);
    assert_string_equal(n->pool, "");
    assert_string_equal(n->pool_taint, "");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_new_node_is_closed_once),
            cmocka_unit_test(no_node_stays_closed),
            cmocka_unit_test(pools_follow_their_label),
    };
    return cmocka_run_group_tests_name("core/taints", tests, NULL, NULL);
}
