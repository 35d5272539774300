/* core/plan: which steps lie between two setups, and what kubelet should offer under one. */
#include "test.h"

#include "core/plan.h"

#include <stdio.h>
#include <string.h>

static struct core_setup setup(uint32_t replicas, const char *pool)
{
    struct core_setup s = {.replicas = replicas, .mig_replicas = 1};
    (void)snprintf(s.pool, sizeof(s.pool), "%s", pool);
    if (replicas > 1)
        (void)snprintf(s.plugin_key, sizeof(s.plugin_key), "shared-x%u", replicas);
    return s;
}

static struct core_setup cut(const char *gpu0, const char *gpu1)
{
    struct core_setup s = {.replicas = 1, .mig_replicas = 1, .layout_count = 2};
    (void)snprintf(s.layouts[0], sizeof(s.layouts[0]), "%s", gpu0);
    (void)snprintf(s.layouts[1], sizeof(s.layouts[1]), "%s", gpu1);
    (void)snprintf(s.mig_key, sizeof(s.mig_key), "mig-%s-%s", gpu0, gpu1);
    return s;
}

static const struct core_node_caps hopper = {
        .share = CORE_SHARE_NODE_RESOURCE, .relayout = CORE_RELAYOUT_GPU_REBUILD};
static const struct core_node_caps ampere = {.share = CORE_SHARE_NODE_RESOURCE,
        .relayout = CORE_RELAYOUT_GPU_REBUILD,
        .mode_change_resets_node = true};

static void steps_are(const struct core_plan *plan, const char *want)
{
    struct buf out = BUF_INIT(1024);
    core_plan_format(plan, &out);
    assert_string_equal(out.ptr, want);
    buf_clear(&out);
}

static struct core_plan make(struct core_setup from, struct core_setup to)
{
    struct core_plan plan;
    core_plan_make(CORE_PLAN_CONFIG, &from, &to, &ampere, &plan);
    return plan;
}

static void sharing_closes_and_empties(void **state)
{
    (void)state;
    struct core_plan plan = make(setup(1, ""), setup(4, "ts"));
    steps_are(&plan,
            "publish-plugin > propagate > claim > evict > wait-empty > set-plugin > set-pool > "
            "wait-allocatable > verify > release");
    assert_true(plan.cordons);
    assert_int_equal(plan.clear_gpus, UINT16_MAX);
    plan = make(setup(4, "ts"), setup(2, "ts"));
    assert_int_equal(plan.clear_gpus, UINT16_MAX);
    /* Back to the default config there is nothing to publish. */
    plan = make(setup(4, ""), setup(1, ""));
    steps_are(
            &plan, "claim > evict > wait-empty > set-plugin > wait-allocatable > verify > release");
}

static void raising_is_done_in_place(void **state)
{
    (void)state;
    struct core_plan plan = make(setup(2, "ts"), setup(4, "ts"));
    steps_are(&plan,
            "publish-plugin > propagate > claim > set-plugin > wait-allocatable > verify > "
            "release");
    assert_false(plan.cordons);
    assert_int_equal(plan.clear_gpus, 0);
}

static void a_pool_alone_needs_no_restart(void **state)
{
    (void)state;
    struct core_plan plan = make(setup(2, "a"), setup(2, "b"));
    steps_are(&plan, "claim > set-pool > verify > release");
}

static void a_relayout_clears_what_differs(void **state)
{
    (void)state;
    struct core_plan plan = make(cut("7x1g.5gb", "7x1g.5gb"), cut("3x2g.10gb", "7x1g.5gb"));
    assert_int_equal(plan.clear_gpus, 1);
    assert_true(plan.cordons);
    steps_are(&plan,
            "publish-mig > propagate > claim > evict > wait-empty > set-mig > wait-mig-started > "
            "wait-mig-done > wait-allocatable > verify > release");
    /* On Ampere a mode change resets every GPU of the node; later models reset one. */
    struct core_setup from = cut("", "7x1g.5gb");
    struct core_setup to = cut("7x1g.5gb", "7x1g.5gb");
    core_plan_make(CORE_PLAN_CONFIG, &from, &to, &ampere, &plan);
    assert_int_equal(plan.clear_gpus, UINT16_MAX);
    core_plan_make(CORE_PLAN_CONFIG, &from, &to, &hopper, &plan);
    assert_int_equal(plan.clear_gpus, 1);
}

static void undo_touches_only_what_we_moved(void **state)
{
    (void)state;
    struct core_setup from = setup(1, "");
    struct core_setup to = setup(4, "ts");
    struct core_node_fact now = {.plugin_config = STR_LIT("shared-x4")};
    struct core_plan plan;
    core_plan_undo(&from, &to, &now, UINT16_MAX, &plan);
    steps_are(&plan, "claim > wait-empty > set-plugin > wait-allocatable > release");
    now.plugin_config = (struct str){0};
    core_plan_undo(&from, &to, &now, UINT16_MAX, &plan);
    steps_are(&plan, "release");
    now.plugin_config = STR_LIT("somebody-elses");
    now.pool = STR_LIT("ts");
    core_plan_undo(&from, &to, &now, UINT16_MAX, &plan);
    steps_are(&plan, "claim > wait-empty > set-pool > release");
}

static void the_other_kinds(void **state)
{
    (void)state;
    struct core_setup s = setup(1, "");
    struct core_plan plan;
    core_plan_make(CORE_PLAN_RETIRE, &s, &s, &ampere, &plan);
    steps_are(&plan, "claim > evict > wait-empty > wait-gone");
    core_plan_make(CORE_PLAN_HOLD, &s, &s, &ampere, &plan);
    steps_are(&plan, "claim");
    assert_int_equal(plan.clear_gpus, 0);
    core_plan_make(CORE_PLAN_RELEASE, &s, &s, &ampere, &plan);
    steps_are(&plan, "release");
}

static void expects_what_kubelet_offers(void **state)
{
    (void)state;
    struct core_setup s = cut("2x1g.5gb,1g.5gb+me", "");
    s.replicas = 4;
    struct core_resource_count e[CORE_RESOURCES_MAX];
    assert_int_equal(core_setup_expected(&s, 2, e), 3);
    assert_int_equal(e[0].resource.kind, MODEL_RESOURCE_GPU_SHARED);
    assert_int_equal(e[0].count, 4);
    assert_string_equal(e[1].resource.profile, "1g.5gb");
    assert_int_equal(e[1].count, 2);
    assert_string_equal(e[2].resource.profile, "1g.5gb.me"); /* "+" is "." in resource names */

    struct core_node_fact node = {.gpu_count = 2, .allocatable_count = 4};
    memcpy(node.allocatable, e, 3 * sizeof(e[0]));
    node.allocatable[3].resource.kind = MODEL_RESOURCE_GPU; /* an old name stays with count 0 */
    assert_true(core_setup_is_offered(&s, &node));
    node.allocatable[3].count = 1;
    assert_false(core_setup_is_offered(&s, &node));
    node.allocatable[3].count = 0;
    node.allocatable[0].count = 3;
    assert_false(core_setup_is_offered(&s, &node));
}

static void keeps_labels_that_say_the_same(void **state)
{
    (void)state;
    struct core_setup plain = setup(1, "");
    struct core_node_target target = {.replicas = 1, .mig_replicas = 1};
    struct core_setup to;
    core_setup_from_target(&target, &plain, 2, &to);
    assert_string_equal(to.plugin_key, "");
    assert_string_equal(to.mig_key, "");
    target.replicas = 4;
    core_setup_from_target(&target, &plain, 2, &to);
    assert_memory_equal(to.plugin_key, "shared-x4-", 10);
    struct core_setup again;
    core_setup_from_target(&target, &to, 2, &again);
    assert_string_equal(again.plugin_key, to.plugin_key);
    assert_int_equal(core_plan_change(&plain, &to), CORE_CHANGE_SHARE);
    assert_int_equal(core_plan_change(&to, &plain), CORE_CHANGE_UNSHARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(sharing_closes_and_empties),
            cmocka_unit_test(raising_is_done_in_place),
            cmocka_unit_test(a_pool_alone_needs_no_restart),
            cmocka_unit_test(a_relayout_clears_what_differs),
            cmocka_unit_test(undo_touches_only_what_we_moved),
            cmocka_unit_test(the_other_kinds),
            cmocka_unit_test(expects_what_kubelet_offers),
            cmocka_unit_test(keeps_labels_that_say_the_same),
    };
    return cmocka_run_group_tests_name("core/plan", tests, NULL, NULL);
}
