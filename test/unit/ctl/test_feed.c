/* ctl/feed: what a live core is told of a world, and when. */
#include "cluster.h"

#include "ctl/feed.h"

static const bool all_synced[CORE_SOURCE_COUNT] = {true, true, true, true};
static const bool no_pods[CORE_SOURCE_COUNT] = {
        [CORE_SOURCE_NODES] = true, [CORE_SOURCE_OWNERS] = true, [CORE_SOURCE_CONFIG] = true};

enum { WALL_NS = 1000 };

static const char operator_policy[] =
        "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"p\",\"uid\":\"p\"},\"spec\":{"
        "\"devicePlugin\":{\"config\":{\"name\":\"sharing\"}}}}\n";

/* A node, a Deployment with a pod, and a ConfigMap with a key.  text: more objects. */
static struct cluster *make(const char *node_labels, const char *text)
{
    struct cluster *c = cluster_new();
    put_node(c, "n1", 2, node_labels);
    put_node(c, "n2", 2, "");
    put_deployment(c, "web", 1, "", "");
    put_pod(c, "web", "aaaaa", "n1");
    buf_puts(&c->text, operator_policy);
    buf_puts(&c->text, text);
    build(c);
    return c;
}

static const char one_key[] =
        "{\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"op\",\"name\":\"sharing\",\"uid\":"
        "\"cm\"},\"data\":{\"ts-4\":\"version: v1\"}}\n";

/* Tells the world, lets it go, and gives the facts. */
static uint32_t tell(struct ctl_feed *f, struct cluster *c, const bool *synced,
        const struct core_fact **ret_facts)
{
    ctl_feed_world(f, &c->w, synced);
    cluster_free(c);
    return ctl_feed_take(f, WALL_NS, ret_facts);
}

static uint32_t count_kind(const struct core_fact *facts, uint32_t count, enum core_fact_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n += facts[i].kind == kind;
    return n;
}

/* A feed that has told make("", one_key). */
static struct ctl_feed *feed_with_world(void)
{
    const struct core_fact *facts;
    struct ctl_feed *f = ctl_feed_new();
    assert_int_not_equal(tell(f, make("", one_key), all_synced, &facts), 0);
    return f;
}

static void the_first_world_is_told_whole(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = ctl_feed_new();
    uint32_t count = tell(f, make("", one_key), all_synced, &facts);
    assert_int_equal(count, 9);
    assert_int_equal(count_kind(facts, count, CORE_FACT_NODE), 2);
    assert_int_equal(count_kind(facts, count, CORE_FACT_POD), 1);
    assert_int_equal(count_kind(facts, count, CORE_FACT_OWNER), 1);
    assert_int_equal(count_kind(facts, count, CORE_FACT_CONFIG), 1);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(facts[i].observed_wall_ns, WALL_NS);
        assert_int_equal(facts[i].version, i + 1);
        assert_int_equal(facts[i].kind == CORE_FACT_SYNC, i >= 5);
    }
    assert_int_equal(ctl_feed_take(f, WALL_NS, &facts), 0);
    (void)ctl_feed_free(f);
}

/* Another resourceVersion alone is no news, but what a write has to name. */
static void what_was_told_is_not_told_again(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    struct ctl_object before, after;
    uint64_t uid = ctl_uid(STR_LIT("node-n1"));
    assert_true(ctl_feed_node(f, uid, &before));
    assert_true(str_eq_c(before.name, "n1") && str_eq_c(before.uid, "node-n1"));
    assert_int_equal(before.resource_version, 0);
    struct cluster *c = make("", one_key);
    c->w.nodes[map_str_find(&c->w.node_index, STR_LIT("n1"))].version = 77;
    assert_int_equal(tell(f, c, all_synced, &facts), 0);
    assert_true(ctl_feed_node(f, uid, &after));
    assert_int_equal(after.resource_version, 77);
    assert_int_equal(after.version, before.version);
    struct ctl_object pod;
    assert_true(ctl_feed_pod(f, ctl_uid(STR_LIT("pod-web-aaaaa")), &pod));
    assert_true(str_eq_c(pod.namespace, "ml") && str_eq_c(pod.name, "web-5d-aaaaa"));
    assert_false(ctl_feed_pod(f, uid, &pod));
    (void)ctl_feed_free(f);
}

static void changes_are_told(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    struct ctl_object before, after;
    uint64_t uid = ctl_uid(STR_LIT("node-n1"));
    assert_true(ctl_feed_node(f, uid, &before));
    struct cluster *c = make(",\"nvidia.com/device-plugin.config\":\"ts-4\"", one_key);
    assert_int_equal(tell(f, c, all_synced, &facts), 1);
    assert_int_equal(facts[0].kind, CORE_FACT_NODE);
    assert_true(str_eq_c(facts[0].node.plugin_config, "ts-4")); /* its world is gone by now */
    assert_true(ctl_feed_node(f, uid, &after));
    assert_true(after.version > before.version);
    assert_int_equal(after.version, facts[0].version);
    (void)ctl_feed_free(f);
}

static void what_left_is_gone(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    struct cluster *c = cluster_new();
    put_node(c, "n1", 2, "");
    buf_puts(&c->text, operator_policy);
    build(c);
    /* the pod, the other node, the owner, the key */
    assert_int_equal(tell(f, c, all_synced, &facts), 4);
    assert_int_equal(facts[0].kind, CORE_FACT_GONE);
    assert_int_equal(facts[0].source, CORE_SOURCE_PODS);
    assert_int_equal(facts[0].gone, ctl_uid(STR_LIT("pod-web-aaaaa")));
    assert_int_equal(facts[1].source, CORE_SOURCE_NODES);
    assert_int_equal(facts[1].gone, ctl_uid(STR_LIT("node-n2")));
    assert_int_equal(facts[2].source, CORE_SOURCE_OWNERS);
    assert_int_equal(facts[3].kind, CORE_FACT_CONFIG);
    assert_true(str_eq_c(facts[3].config.key, "ts-4"));
    assert_false(facts[3].config.present);
    struct ctl_object o;
    assert_false(ctl_feed_node(f, ctl_uid(STR_LIT("node-n2")), &o));
    (void)ctl_feed_free(f);
}

/* Same name, other uid. */
static void another_object_of_the_name_is_another(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    struct cluster *c = make("", one_key);
    uint32_t row = map_str_find(&c->w.node_index, STR_LIT("n2"));
    c->w.nodes[row].node.uid = 4711;
    c->s->nodes[1].uid = STR_LIT("another");
    assert_int_equal(tell(f, c, all_synced, &facts), 2);
    assert_int_equal(facts[0].kind, CORE_FACT_GONE);
    assert_int_equal(facts[1].kind, CORE_FACT_NODE);
    assert_int_equal(facts[1].node.uid, 4711);
    struct ctl_object o;
    assert_true(ctl_feed_node(f, 4711, &o));
    assert_true(str_eq_c(o.name, "n2") && str_eq_c(o.uid, "another"));
    (void)ctl_feed_free(f);
}

static void a_loss_is_told_once_and_then_all(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    assert_int_equal(tell(f, make("", one_key), no_pods, &facts), 1);
    assert_int_equal(facts[0].kind, CORE_FACT_SYNC);
    assert_int_equal(facts[0].source, CORE_SOURCE_PODS);
    assert_false(facts[0].sync_complete);
    assert_int_equal(tell(f, make("", one_key), no_pods, &facts), 0);
    /* Nothing of pods while they are lost, also when they go. */
    struct cluster *c = cluster_new();
    put_node(c, "n1", 2, "");
    build(c);
    uint32_t count = tell(f, c, no_pods, &facts);
    for (uint32_t i = 0; i < count; i++)
        assert_int_not_equal(facts[i].source, CORE_SOURCE_PODS);
    count = tell(f, make("", one_key), all_synced, &facts);
    assert_int_equal(count_kind(facts, count, CORE_FACT_POD), 1);
    assert_int_equal(facts[count - 1].kind, CORE_FACT_SYNC);
    assert_true(facts[count - 1].sync_complete);
    (void)ctl_feed_free(f);
}

/* The labels that say what a node has are missing for a while. */
static void a_node_left_out_is_not_gone(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    struct cluster *c = cluster_new();
    buf_puts(&c->text, "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"uid\":\"node-n1\"}}\n");
    put_node(c, "n2", 2, "");
    put_deployment(c, "web", 1, "", "");
    put_pod(c, "web", "aaaaa", "n1");
    buf_puts(&c->text, operator_policy);
    buf_puts(&c->text, one_key);
    build(c);
    assert_int_equal(c->w.node_count, 1);
    assert_int_equal(c->w.pod_count, 0);
    assert_int_equal(tell(f, c, all_synced, &facts), 1);
    assert_int_equal(facts[0].kind, CORE_FACT_NODE);
    assert_true(str_eq_c(facts[0].node.name, "n1"));
    assert_false(facts[0].node.ready);
    assert_int_equal(facts[0].node.gpu_count, 2);
    struct ctl_object o;
    assert_true(ctl_feed_pod(f, ctl_uid(STR_LIT("pod-web-aaaaa")), &o));
    assert_int_equal(tell(f, make("", one_key), all_synced, &facts), 1);
    assert_true(facts[0].node.ready);
    (void)ctl_feed_free(f);
}

static void frozen_nodes_stay_frozen(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = feed_with_world();
    ctl_feed_freeze(f, ctl_uid(STR_LIT("node-n2")));
    assert_int_equal(tell(f, make("", one_key), all_synced, &facts), 1);
    assert_true(str_eq_c(facts[0].node.name, "n2") && facts[0].node.frozen);
    ctl_feed_restart(f);
    uint32_t count = tell(f, make("", one_key), all_synced, &facts);
    assert_int_equal(count, 9);
    for (uint32_t i = 0; i < count; i++) {
        if (facts[i].kind == CORE_FACT_NODE)
            assert_int_equal(facts[i].node.frozen, str_eq_c(facts[i].node.name, "n2"));
    }
    (void)ctl_feed_free(f);
}

static void sources_of_others_are_told_when_they_change(void **state)
{
    (void)state;
    const struct core_fact *facts;
    struct ctl_feed *f = ctl_feed_new();
    ctl_feed_sync(f, CORE_SOURCE_METRICS, false);
    ctl_feed_sync(f, CORE_SOURCE_METRICS, false);
    ctl_feed_sync(f, CORE_SOURCE_METRICS, true);
    ctl_feed_sync(f, CORE_SOURCE_METRICS, true);
    ctl_feed_sync(f, CORE_SOURCE_OFFERS, true);
    assert_int_equal(ctl_feed_take(f, WALL_NS, &facts), 3);
    assert_false(facts[0].sync_complete);
    assert_true(facts[1].sync_complete && facts[1].source == CORE_SOURCE_METRICS);
    assert_true(facts[2].sync_complete && facts[2].source == CORE_SOURCE_OFFERS);
    /* A fact of the caller's, with a time of its own, goes on from there. */
    struct core_fact *mine = ctl_feed_add(f, CORE_FACT_APPROVAL, CORE_SOURCE_POLICY);
    mine->approval = 5;
    mine->observed_wall_ns = 12;
    ctl_feed_skip(f, 100);
    (void)ctl_feed_add(f, CORE_FACT_OUTCOME, CORE_SOURCE_ACTIONS);
    assert_int_equal(ctl_feed_take(f, WALL_NS, &facts), 2);
    assert_int_equal(facts[0].version, 4);
    assert_int_equal(facts[0].observed_wall_ns, 12);
    assert_int_equal(facts[1].version, 101);
    (void)ctl_feed_free(f);
}

/* -- readings -----------------------------------------------------------------------------------
 */

/* Busy time of GPU 0 of n1 at these seconds, each as one pod sees it. */
static struct ctl_history *history(
        const struct cluster *c, const int64_t *seconds, unsigned count, const char *const *pods)
{
    struct ctl_history *h = ctl_history_new(&c->w);
    struct err e = {0};
    for (unsigned i = 0; i < count; i++) {
        struct nvidia_dcgm_row row = {.host = STR_LIT("n1"),
                .gi_id = NVIDIA_DCGM_NO_INSTANCE,
                .pod_namespace = STR_LIT("ml"),
                .pod = str_from(pods[i]),
                .valid = 1u << NVIDIA_DCGM_GPU_UTIL};
        row.value[NVIDIA_DCGM_GPU_UTIL] = 100 + i;
        const struct nvidia_dcgm scrape = {.count = 1, .rows = &row};
        assert_int_equal(
                ctl_history_add_scrape(h, &scrape, MAP_NONE, seconds[i] * NUM_NS_PER_SECOND, &e),
                0);
    }
    ctl_history_finish(h);
    return h;
}

static void readings_are_told_once_with_who_is_there(void **state)
{
    (void)state;
    static const int64_t first[] = {60, 60, 70}, second[] = {70, 65, 80};
    static const char *const pods[] = {"web-5d-aaaaa", "web-5d-gone", "web-5d-gone"};
    const struct core_fact *facts;
    struct ctl_feed *f = ctl_feed_new();
    struct cluster *c = make("", one_key);
    struct ctl_history *h = history(c, first, 3, pods);
    ctl_feed_readings(f, h); /* of nodes that the core was not told of */
    assert_int_equal(ctl_feed_take(f, WALL_NS, &facts), 0);
    ctl_feed_world(f, &c->w, all_synced);
    (void)ctl_feed_take(f, WALL_NS, &facts);
    ctl_feed_readings(f, h);
    assert_int_equal(ctl_feed_take(f, 65 * NUM_NS_PER_SECOND, &facts), 2);
    assert_int_equal(facts[0].observed_wall_ns, 60 * NUM_NS_PER_SECOND);
    assert_int_equal(facts[0].sample.busy_permille, 101);
    assert_int_equal(facts[0].sample.occupant_count, 2); /* one is not alive, and has its part */
    assert_int_equal(facts[0].sample.occupants[0], ctl_uid(STR_LIT("pod-web-aaaaa")));
    assert_int_equal(facts[1].sample.occupant_count, 1);
    /* A clock ahead of ours. */
    assert_int_equal(facts[1].observed_wall_ns, 65 * NUM_NS_PER_SECOND);
    (void)ctl_history_free(h);
    h = history(c, second, 3, pods);
    ctl_feed_readings(f, h);
    assert_int_equal(ctl_feed_take(f, 90 * NUM_NS_PER_SECOND, &facts), 1);
    assert_int_equal(facts[0].observed_wall_ns, 80 * NUM_NS_PER_SECOND);
    (void)ctl_history_free(h);
    cluster_free(c);
    (void)ctl_feed_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_first_world_is_told_whole),
            cmocka_unit_test(what_was_told_is_not_told_again),
            cmocka_unit_test(changes_are_told),
            cmocka_unit_test(what_left_is_gone),
            cmocka_unit_test(another_object_of_the_name_is_another),
            cmocka_unit_test(a_loss_is_told_once_and_then_all),
            cmocka_unit_test(a_node_left_out_is_not_gone),
            cmocka_unit_test(frozen_nodes_stay_frozen),
            cmocka_unit_test(sources_of_others_are_told_when_they_change),
            cmocka_unit_test(readings_are_told_once_with_who_is_there),
    };
    return cmocka_run_group_tests_name("ctl/feed", tests, NULL, NULL);
}
