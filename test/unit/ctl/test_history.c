/* ctl/history: series of exporters and Prometheus joined to readings of GPUs. */
#include "cluster.h"

#include "ctl/history.h"

/* Two nodes with two GPUs each; ml/web has two pods. */
static struct cluster *make(void)
{
    struct cluster *c = cluster_new();
    put_node(c, "n1", 2, "");
    put_node(c, "n2", 2, "");
    put_deployment(c, "web", 2, "", "");
    put_pod(c, "web", "aaaaa", "n1");
    put_pod(c, "web", "bbbbb", "n1");
    build(c);
    return c;
}

static void add_prom(struct ctl_history *h, struct arena *a, const char *metric, const char *series)
{
    struct net_prom answer;
    struct err e = {0};
    const char *text = arena_printf(a,
            "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[%s]}}",
            series);
    if (net_prom_parse(a, str_from(text), &answer, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(ctl_history_add_prom(h, metric, &answer, &e), 0);
}

/* One series of two samples, a minute apart. */
static const char *series(struct arena *a, const char *host, const char *pod, const char *values)
{
    return arena_printf(a,
            "{\"metric\":{\"Hostname\":\"%s\",\"gpu\":\"1\",\"UUID\":\"GPU-1\","
            "\"exported_namespace\":\"ml\",\"exported_pod\":\"%s\"},\"values\":[%s]}",
            host, pod, values);
}

static void metrics_of_a_gpu_become_one_reading(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *pod = "web-5d-aaaaa";
    add_prom(h, c->a, "DCGM_FI_DEV_GPU_UTIL", series(c->a, "n1", pod, "[60,\"40\"],[120,\"50\"]"));
    add_prom(h, c->a, "DCGM_FI_DEV_FB_USED", series(c->a, "n1", pod, "[60,\"2048\"]"));
    add_prom(h, c->a, "DCGM_FI_PROF_SM_ACTIVE", series(c->a, "n1", pod, "[60,\"0.25\"]"));
    add_prom(h, c->a, "DCGM_FI_PROF_DRAM_ACTIVE", series(c->a, "n1", pod, "[60,\"NaN\"]"));
    ctl_history_finish(h);
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.wall_ns, 60 * NUM_NS_PER_SECOND);
    assert_int_equal(g.all.gpu, 1);
    assert_int_equal(g.all.valid, CORE_VALID_BUSY | CORE_VALID_MEMORY | CORE_VALID_SM);
    assert_int_equal(g.all.busy_permille, 400);
    assert_int_equal(g.all.memory_used_mib, 2048);
    assert_int_equal(g.all.sm_permille, 250);
    assert_int_equal(g.occupant_count, 1);
    assert_true(h->pods[g.occupants[0]].uid == c->w.pods[0].pod.uid);
    assert_true(h->pods[g.occupants[0]].owner == owner_get(c, "web")->uid);
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.valid, CORE_VALID_BUSY);
    assert_int_equal(g.all.busy_permille, 500);
    assert_false(ctl_history_next(h, &cursor, &g));
    assert_int_equal(h->pods[0].first_wall_ns, 60 * NUM_NS_PER_SECOND);
    assert_int_equal(h->pods[0].last_wall_ns, 120 * NUM_NS_PER_SECOND);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* Each pod that shares a GPU has a series with the values of the whole GPU. */
static void shared_values_are_not_added_up(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    for (unsigned i = 0; i < 2; i++) {
        const char *pod = i == 0 ? "web-5d-aaaaa" : "web-5d-bbbbb";
        add_prom(h, c->a, "DCGM_FI_DEV_GPU_UTIL", series(c->a, "n1", pod, "[60,\"70\"]"));
        add_prom(h, c->a, "DCGM_FI_DEV_FB_USED", series(c->a, "n1", pod, "[60,\"9000\"]"));
    }
    ctl_history_finish(h);
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.busy_permille, 700);
    assert_int_equal(g.all.memory_used_mib, 9000);
    assert_int_equal(g.all.pod, UINT32_MAX);
    assert_int_equal(g.occupant_count, 2);
    assert_false(ctl_history_next(h, &cursor, &g));
    (void)ctl_history_free(h);
    cluster_free(c);
}

static void what_cannot_be_joined_is_counted(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *util = "DCGM_FI_DEV_GPU_UTIL";
    add_prom(h, c->a, util, series(c->a, "elsewhere", "x", "[60,\"1\"]"));
    assert_int_equal(h->skipped.no_node, 1);
    add_prom(h, c->a, util, series(c->a, "n1.example.com", "web-5d-aaaaa", "[60,\"1\"]"));
    assert_int_equal(h->count, 1);
    add_prom(h, c->a, util,
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"2\"},\"values\":[[60,\"1\"]]},"
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"x\"},\"values\":[[60,\"1\"]]}");
    assert_int_equal(h->skipped.no_gpu, 2);
    add_prom(h, c->a, util,
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"0\",\"GPU_I_PROFILE\":\"1g.5gb\"},"
            "\"values\":[[60,\"1\"]]}");
    assert_int_equal(h->skipped.instance, 1);
    /* pods that are gone: of an owner that is still there, and of one that is not */
    add_prom(h, c->a, util, series(c->a, "n2", "web-77-ccccc", "[60,\"1\"]"));
    assert_int_equal(h->skipped.no_owner, 0);
    add_prom(h, c->a, util, series(c->a, "n2", "gone-77-ccccc", "[60,\"1\"]"));
    assert_int_equal(h->skipped.no_owner, 1);
    assert_int_equal(h->series, 7);
    assert_int_equal(h->pod_count, 3);
    assert_int_equal(h->pods[1].pod, UINT32_MAX);
    assert_true(h->pods[1].owner == owner_get(c, "web")->uid);
    assert_true(h->pods[2].owner == 0);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* The exporter's own pod, put on a series by the scrape, is no occupant. */
static void the_exporter_is_no_occupant(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    add_prom(h, c->a, "DCGM_FI_DEV_GPU_UTIL",
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"0\",\"pod\":\"nvidia-dcgm-exporter-x\","
            "\"namespace\":\"gpu-operator\",\"container\":\"nvidia-dcgm-exporter\"},"
            "\"values\":[[60,\"3\"]]}");
    ctl_history_finish(h);
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.occupant_count, 0);
    assert_int_equal(h->pod_count, 0);
    (void)ctl_history_free(h);
    cluster_free(c);
}

static void scrapes_join_by_host_or_by_node(void **state)
{
    (void)state;
    static const char text[] =
            "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-0\",Hostname=\"n2\"} 10\n"
            "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-0\",Hostname=\"n2\"} 77\n"
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu=\"0\",UUID=\"GPU-0\",Hostname=\"n2\"} 0.9\n"
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu=\"1\",UUID=\"GPU-1\"} 0.5\n";
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    struct nvidia_dcgm scrape;
    struct err e = {0};
    if (nvidia_dcgm_parse(c->a, str_from(text), &scrape, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(ctl_history_add_scrape(h, &scrape, 0, TODAY_NS, &e), 0);
    ctl_history_finish(h);
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    assert_true(ctl_history_next(h, &cursor, &g)); /* by the node that was asked */
    assert_int_equal(g.all.node, 0);
    assert_int_equal(g.all.gpu, 1);
    assert_int_equal(g.all.busy_permille, 500); /* the engine stands in */
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.node, map_str_find(&c->w.node_index, STR_LIT("n2")));
    assert_int_equal(g.all.busy_permille, 100);
    assert_int_equal(g.all.memory_used_mib, 77);
    assert_false(ctl_history_next(h, &cursor, &g));
    (void)ctl_history_free(h);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(metrics_of_a_gpu_become_one_reading),
            cmocka_unit_test(shared_values_are_not_added_up),
            cmocka_unit_test(what_cannot_be_joined_is_counted),
            cmocka_unit_test(the_exporter_is_no_occupant),
            cmocka_unit_test(scrapes_join_by_host_or_by_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
