/* core/picture: versions, lists after a loss, what sits where, in whatever order facts come. */
#include "test.h"

#include "core/picture-priv.h"

#include <string.h>

static struct core_picture_store st;
static const struct core_now now = {.wall_ns = 1000, .mono_ns = 1000};

static bool take(struct core_fact f)
{
    return core_picture_take(&st, &now, &f);
}

static bool node(uint64_t uid, uint64_t version, const char *pool)
{
    return take((struct core_fact){.kind = CORE_FACT_NODE,
            .source = CORE_SOURCE_NODES,
            .version = version,
            .observed_wall_ns = (int64_t)version,
            .node = {.uid = uid, .name = STR_LIT("n"), .gpu_count = 2, .pool = str_from(pool)}});
}

static bool pod(uint64_t uid, uint64_t version, uint64_t on, enum core_pod_phase phase)
{
    return take((struct core_fact){.kind = CORE_FACT_POD,
            .source = CORE_SOURCE_PODS,
            .version = version,
            .pod = {.uid = uid,
                    .owner = 50,
                    .node = on,
                    .phase = phase,
                    .resource = {.kind = MODEL_RESOURCE_GPU},
                    .count = 1}});
}

static bool owner(uint64_t uid, uint64_t version, enum model_owner_kind kind)
{
    return take((struct core_fact){.kind = CORE_FACT_OWNER,
            .source = CORE_SOURCE_OWNERS,
            .version = version,
            .owner = {.uid = uid, .kind = kind}});
}

static bool sync(enum core_source source, bool complete)
{
    return take((struct core_fact){
            .kind = CORE_FACT_SYNC, .source = source, .sync_complete = complete});
}

static bool gone(enum core_source source, uint64_t uid)
{
    return take((struct core_fact){.kind = CORE_FACT_GONE, .source = source, .gone = uid});
}

static int begin(void **state)
{
    (void)state;
    core_picture_init(&st);
    return 0;
}

static int end(void **state)
{
    (void)state;
    core_picture_clear(&st);
    return 0;
}

static void drops_older_versions(void **state)
{
    (void)state;
    assert_true(node(1, 5, "a"));
    assert_false(node(1, 4, "b"));
    assert_false(node(1, 5, "b"));
    uint32_t row = core_picture_node(&st.pic, 1);
    assert_true(str_eq_c(st.pic.nodes[row].fact.pool, "a"));
    assert_true(node(1, 6, "b"));
    assert_true(str_eq_c(st.pic.nodes[row].fact.pool, "b"));
}

static void what_is_gone_stays_gone(void **state)
{
    (void)state;
    assert_true(node(1, 5, ""));
    assert_true(gone(CORE_SOURCE_NODES, 1));
    assert_false(gone(CORE_SOURCE_NODES, 1));
    assert_false(node(1, 6, ""));
    assert_int_equal(core_picture_node(&st.pic, 1), CORE_NO_INDEX);
    /* The row is used again. */
    assert_true(node(2, 7, ""));
    assert_int_equal(core_picture_node(&st.pic, 2), 0);
}

static void what_is_gone_may_be_back(void **state)
{
    (void)state;
    assert_true(owner(50, 5, MODEL_OWNER_JOB));
    struct core_fact f = {.kind = CORE_FACT_GONE, .source = CORE_SOURCE_OWNERS, .version = 8};
    f.gone = 50;
    assert_true(take(f));
    assert_false(owner(50, 7, MODEL_OWNER_JOB)); /* from before it went */
    assert_false(owner(50, 8, MODEL_OWNER_JOB));
    assert_true(owner(50, 9, MODEL_OWNER_JOB));
    assert_int_equal(core_picture_owner(&st.pic, 50), 0);
    f.version = 10;
    assert_true(take(f));
    assert_false(owner(50, 10, MODEL_OWNER_JOB));
}

static void links_whatever_the_order(void **state)
{
    (void)state;
    assert_true(pod(10, 1, 1, CORE_POD_RUNNING)); /* before its node and owner */
    assert_true(node(1, 2, ""));
    uint32_t row = core_picture_node(&st.pic, 1);
    assert_int_equal(st.pic.nodes[row].pod_count, 1);
    assert_int_equal(st.pic.nodes[row].empty_since_mono_ns, 0);
    assert_true(owner(50, 3, MODEL_OWNER_DEPLOYMENT));
    assert_int_equal(st.pic.owners[0].running_count, 1);
    assert_true(pod(10, 4, 1, CORE_POD_TERMINATING));
    assert_int_equal(st.pic.owners[0].running_count, 0);
    assert_int_equal(st.pic.nodes[row].pod_count, 1); /* it still holds its device */
    assert_true(pod(10, 5, 1, CORE_POD_ENDED));
    assert_int_equal(st.pic.nodes[row].pod_count, 0);
    assert_int_equal(st.pic.nodes[row].empty_since_mono_ns, 1000);
}

static void daemons_are_no_workload(void **state)
{
    (void)state;
    assert_true(node(1, 1, ""));
    assert_true(pod(10, 2, 1, CORE_POD_RUNNING));
    assert_int_equal(st.pic.nodes[0].pod_count, 1); /* not known better yet */
    assert_true(owner(50, 3, MODEL_OWNER_DAEMONSET));
    assert_int_equal(st.pic.nodes[0].pod_count, 0);
}

static void a_new_list_ends_what_it_leaves_out(void **state)
{
    (void)state;
    assert_true(node(1, 1, ""));
    assert_true(node(2, 2, ""));
    assert_true(sync(CORE_SOURCE_NODES, true));
    assert_true(st.pic.sync[0][CORE_SOURCE_NODES]);
    assert_true(sync(CORE_SOURCE_NODES, false));
    assert_false(st.pic.sync[0][CORE_SOURCE_NODES]);
    assert_false(node(2, 2, "")); /* listed again, unchanged */
    assert_true(sync(CORE_SOURCE_NODES, true));
    assert_int_equal(core_picture_node(&st.pic, 1), CORE_NO_INDEX);
    assert_int_not_equal(core_picture_node(&st.pic, 2), CORE_NO_INDEX);
    assert_false(node(1, 9, "")); /* a late fact does not bring it back */
}

static void takes_more_pods_than_the_list_holds(void **state)
{
    (void)state;
    enum { PODS = CORE_NODE_PODS_MAX + 5 };
    assert_true(node(1, 1, ""));
    for (uint64_t i = 0; i < PODS; i++)
        assert_true(pod(100 + i, 2 + i, 1, CORE_POD_RUNNING));
    assert_int_equal(st.pic.nodes[0].pod_count, CORE_NODE_PODS_MAX);
    assert_int_equal(st.pic.nodes[0].pods_beyond, 5);
    for (uint64_t i = 0; i < PODS; i++)
        assert_true(gone(CORE_SOURCE_PODS, 100 + i));
    assert_int_equal(st.pic.nodes[0].pod_count, 0);
    assert_int_equal(st.pic.nodes[0].pods_beyond, 0);
}

static void keeps_windows_in_order(void **state)
{
    (void)state;
    static const int64_t starts[] = {500, 100, 900, 100};
    for (size_t i = 0; i < 4; i++) {
        struct core_fact f = {.kind = CORE_FACT_WINDOW,
                .source = CORE_SOURCE_POLICY,
                .window = {starts[i], starts[i] + 50}};
        assert_int_equal(take(f), i < 3);
    }
    assert_int_equal(st.pic.window_count, 3);
    assert_int_equal(st.pic.windows[0].start_wall_ns, 100);
    assert_int_equal(st.pic.windows[2].start_wall_ns, 900);
}

static void reads_replicas_of_a_node(void **state)
{
    (void)state;
    static const char text[] = "version: v1\nsharing:\n  timeSlicing:\n    renameByDefault: true\n"
                               "    resources:\n    - name: nvidia.com/gpu\n      replicas: 4\n";
    struct core_fact config = {.kind = CORE_FACT_CONFIG,
            .source = CORE_SOURCE_CONFIG,
            .version = 1,
            .config = {.key = STR_LIT("k"), .text = str_from(text), .present = true}};
    assert_true(take(config));
    struct core_fact f = {.kind = CORE_FACT_NODE,
            .source = CORE_SOURCE_NODES,
            .version = 1,
            .node = {.uid = 1, .gpu_count = 2, .plugin_config = STR_LIT("k")}};
    assert_true(take(f));
    assert_int_equal(core_picture_node_replicas(&st.pic, 0), 4);
    f.version = 2;
    f.node.plugin_config = STR_LIT("not ours");
    assert_true(take(f));
    assert_int_equal(core_picture_node_replicas(&st.pic, 0), 0);
    f.version = 3;
    f.node.plugin_config = (struct str){0};
    assert_true(take(f));
    assert_int_equal(core_picture_node_replicas(&st.pic, 0), 1);
}

static void refuses_numbers_out_of_range(void **state)
{
    (void)state;
    assert_false(node(0, 1, ""));
    assert_false(take((struct core_fact){.kind = CORE_FACT_SYNC, .cluster = CORE_CLUSTERS_MAX}));
    assert_false(take((struct core_fact){.kind = CORE_FACT_COUNT}));
    assert_false(take((struct core_fact){.kind = CORE_FACT_SYNC, .source = CORE_SOURCE_COUNT}));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
            CASE(drops_older_versions),
            CASE(what_is_gone_stays_gone),
            CASE(what_is_gone_may_be_back),
            CASE(links_whatever_the_order),
            CASE(daemons_are_no_workload),
            CASE(a_new_list_ends_what_it_leaves_out),
            CASE(takes_more_pods_than_the_list_holds),
            CASE(keeps_windows_in_order),
            CASE(reads_replicas_of_a_node),
            CASE(refuses_numbers_out_of_range),
    };
    return cmocka_run_group_tests_name("core/picture", tests, NULL, NULL);
}
