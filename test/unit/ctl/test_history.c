/* ctl/history: series of exporters and Prometheus joined to readings of GPUs. */
#include "cluster.h"

#include "ctl/history.h"
#include "mig/layout.h"

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
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"0\",\"GPU_I_PROFILE\":\"9g.5gb\","
            "\"GPU_I_ID\":\"7\"},\"values\":[[60,\"1\"]]},"
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"0\",\"GPU_I_PROFILE\":\"1g.5gb\"},"
            "\"values\":[[60,\"1\"]]}");
    assert_int_equal(h->skipped.instance, 2);
    /* pods that are gone: of an owner that is still there, and of one that is not */
    add_prom(h, c->a, util, series(c->a, "n2", "web-77-ccccc", "[60,\"1\"]"));
    assert_int_equal(h->skipped.no_owner, 0);
    add_prom(h, c->a, util, series(c->a, "n2", "gone-77-ccccc", "[60,\"1\"]"));
    assert_int_equal(h->skipped.no_owner, 1);
    assert_int_equal(h->series, 8);
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
    assert_int_equal(g.all.busy_permille, 900); /* of two that mean the same the greater */
    assert_int_equal(g.all.memory_used_mib, 77);
    assert_false(ctl_history_next(h, &cursor, &g));
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* GPU_UTIL and GR_ENGINE_ACTIVE mean the same: whichever is the greater, and comes in whatever
 * order, counts. */
static void the_greater_busy_time_counts(void **state)
{
    (void)state;
    static const char *const metrics[] = {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"};
    struct cluster *c = make();
    for (unsigned first = 0; first < 2; first++) {
        struct ctl_history *h = ctl_history_new(&c->w);
        for (unsigned i = 0; i < 2; i++) {
            unsigned m = (first + i) % 2;
            add_prom(h, c->a, metrics[m],
                    series(c->a, "n1", "web-5d-aaaaa",
                            m == 0 ? "[60,\"40\"],[120,\"90\"]" : "[60,\"0.7\"],[120,\"0\"]"));
        }
        ctl_history_finish(h);
        struct ctl_gpu_reading g;
        uint32_t cursor = 0;
        assert_true(ctl_history_next(h, &cursor, &g));
        assert_int_equal(g.all.busy_permille, 700);
        assert_true(ctl_history_next(h, &cursor, &g));
        assert_int_equal(g.all.busy_permille, 900);
        (void)ctl_history_free(h);
    }
    cluster_free(c);
}

/* What DCGM writes for what it does not know is no reading. */
static void huge_values_are_not_known(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *pod = "web-5d-aaaaa";
    add_prom(h, c->a, "DCGM_FI_DEV_FB_USED", series(c->a, "n1", pod, "[60,\"2147483632\"]"));
    add_prom(h, c->a, "DCGM_FI_DEV_GPU_UTIL", series(c->a, "n1", pod, "[60,\"101\"],[120,\"-1\"]"));
    add_prom(h, c->a, "DCGM_FI_PROF_SM_ACTIVE", series(c->a, "n1", pod, "[60,\"1.01\"]"));
    ctl_history_finish(h);
    assert_int_equal(h->count, 0);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* One series of an instance on GPU 1 of n1, at a minute. */
static const char *instance(
        struct arena *a, const char *profile, unsigned id, const char *pod, const char *value)
{
    return arena_printf(a,
            "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"1\",\"GPU_I_PROFILE\":\"%s\","
            "\"GPU_I_ID\":\"%u\",\"exported_namespace\":\"ml\",\"exported_pod\":\"%s\"},"
            "\"values\":[[60,\"%s\"]]}",
            profile, id, pod, value);
}

/* 3g + 2g + 1g + 1g as ids name them: each is one reading, at a start of its own, of a layout that
 * an A100 can have; the ids of a profile rise with the starts. */
static void instances_are_told_apart(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *engine = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";
    add_prom(h, c->a, engine, instance(c->a, "1g.5gb", 13, "web-5d-bbbbb", "0.13"));
    add_prom(h, c->a, engine, instance(c->a, "3g.20gb", 2, "", "0.02"));
    add_prom(h, c->a, engine, instance(c->a, "1g.5gb", 9, "web-5d-aaaaa", "0.09"));
    add_prom(h, c->a, engine, instance(c->a, "2g.10gb", 3, "", "0.03"));
    add_prom(h, c->a, "DCGM_FI_DEV_FB_USED", instance(c->a, "1g.5gb", 9, "web-5d-aaaaa", "900"));
    ctl_history_finish(h);
    assert_int_equal(h->skipped.instance + h->skipped.no_layout, 0);
    struct mig_layout layout;
    struct ctl_gpu_reading g;
    uint32_t cursor = 0, found = 0;
    uint8_t start_of[16] = {0};
    struct err e;
    mig_layout_init(&layout, mig_model_find("A100-40GB"));
    for (; ctl_history_next(h, &cursor, &g); found++) {
        const struct mig_instance i = {g.all.profile, g.all.start, false};
        if (mig_layout_add(&layout, i, NULL, &e) < 0)
            fail_msg("%s", e.text);
        assert_int_equal(g.all.busy_permille, g.all.instance * 10);
        assert_int_equal((g.all.valid & CORE_VALID_MEMORY) != 0, g.all.instance == 9);
        assert_int_equal(g.occupant_count, g.all.instance >= 9);
        start_of[g.all.instance] = g.all.start;
        struct core_sample_fact s = ctl_history_sample(h, &g);
        assert_int_equal(s.scope, CORE_SAMPLE_INSTANCE);
        assert_int_equal(s.start, g.all.start);
    }
    assert_int_equal(found, 4);
    assert_true(start_of[9] < start_of[13]);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* Two layouts within a step: their instances cannot be there together, the GPU's own reading can.
 */
static void instances_of_no_layout_are_counted(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *engine = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";
    add_prom(h, c->a, engine, instance(c->a, "7g.40gb", 0, "web-5d-aaaaa", "0.5"));
    add_prom(h, c->a, engine, instance(c->a, "1g.5gb", 7, "", "0.5"));
    add_prom(h, c->a, engine, series(c->a, "n1", "web-5d-bbbbb", "[60,\"0.2\"],[120,\"0.3\"]"));
    ctl_history_finish(h);
    assert_int_equal(h->skipped.no_layout, 2);
    assert_int_equal(h->count, 2);
    assert_int_equal(h->readings[0].start, UINT8_MAX);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* A profile's size is rounded otherwise by some exporters. */
static void a_rounded_profile_is_the_nearest(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *engine = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";
    add_prom(h, c->a, engine, instance(c->a, "3g.21gb", 1, "", "0.5"));
    add_prom(h, c->a, engine, instance(c->a, "1g.7gb", 9, "", "0.5"));
    add_prom(h, c->a, engine, instance(c->a, "1g.5gb+xx", 10, "", "0.5"));
    assert_int_equal(h->skipped.instance, 2);
    ctl_history_finish(h);
    assert_int_equal(h->count, 1);
    const struct mig_model *model = mig_model_find("A100-40GB");
    assert_string_equal(model->profiles[h->readings[0].profile].name, "3g.20gb");
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* Where the host's name is that of the exporter's container, its pod or address says the node. */
static void the_exporter_says_the_node(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n1", 2, "");
    put_node(c, "n2", 2, "");
    buf_printf(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"mon\",\"name\":\"metrics-7xk\","
            "\"uid\":\"pod-x\",\"labels\":{\"app\":\"nvidia-dcgm-exporter\"}},\"spec\":{"
            "\"nodeName\":\"n2\",\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]},"
            "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.7\"}}\n");
    build(c);
    assert_int_equal(c->s->exporter_count, 1);
    struct ctl_history *h = ctl_history_new(&c->w);
    const char *util = "DCGM_FI_DEV_GPU_UTIL";
    add_prom(h, c->a, util,
            "{\"metric\":{\"Hostname\":\"metrics-7xk\",\"gpu\":\"0\",\"pod\":\"metrics-7xk\","
            "\"namespace\":\"mon\"},\"values\":[[60,\"3\"]]}");
    add_prom(h, c->a, util,
            "{\"metric\":{\"Hostname\":\"unknown\",\"gpu\":\"1\","
            "\"instance\":\"10.0.0.7:9400\"},\"values\":[[60,\"3\"]]}");
    ctl_history_finish(h);
    assert_int_equal(h->count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(h->readings[i].node, map_str_find(&c->w.node_index, STR_LIT("n2")));
        assert_int_equal(h->readings[i].pod, UINT32_MAX);
    }
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* In whatever order the answers come, the same comes out. */
static void the_order_of_answers_does_not_matter(void **state)
{
    (void)state;
    struct cluster *c = make();
    uint64_t hash[2];
    for (unsigned turn = 0; turn < 2; turn++) {
        struct ctl_history *h = ctl_history_new(&c->w);
        const char *util = "DCGM_FI_DEV_GPU_UTIL";
        for (unsigned i = 0; i < 3; i++) {
            static const char *const pods[] = {"web-5d-bbbbb", "gone-77-x", "web-5d-aaaaa"};
            add_prom(h, c->a, util,
                    series(c->a, i == 0 ? "n2" : "n1", pods[turn == 0 ? i : 2 - i],
                            "[60,\"1\"],[120,\"2\"]"));
            if (turn == 0 ? i == 2 : i == 0)
                add_prom(h, c->a, util, series(c->a, "n2", "web-5d-aaaaa", "[180,\"1\"]"));
        }
        ctl_history_finish(h);
        hash[turn] = 0;
        for (uint32_t i = 0; i < h->pod_count; i++)
            hash[turn] = str_hash(h->pods[i].name, hash[turn]);
        assert_int_equal(h->pod_count, 3);
        assert_true(str_eq_c(h->pods[1].name, "web-5d-aaaaa"));
        assert_int_equal(h->pods[1].node, map_str_find(&c->w.node_index, STR_LIT("n2")));
        assert_int_equal(h->pods[1].last_wall_ns, 180 * NUM_NS_PER_SECOND);
        (void)ctl_history_free(h);
    }
    assert_true(hash[0] == hash[1]);
    cluster_free(c);
}

static void a_time_may_be_forgotten(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = ctl_history_new(&c->w);
    add_prom(h, c->a, "DCGM_FI_DEV_GPU_UTIL",
            series(c->a, "n1", "web-5d-aaaaa", "[60,\"1\"],[120,\"2\"],[180,\"3\"]"));
    ctl_history_forget(h, 61 * NUM_NS_PER_SECOND, 120 * NUM_NS_PER_SECOND);
    ctl_history_finish(h);
    assert_int_equal(h->count, 2);
    assert_int_equal(h->readings[1].busy_permille, 30);
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
            cmocka_unit_test(the_greater_busy_time_counts),
            cmocka_unit_test(huge_values_are_not_known),
            cmocka_unit_test(instances_are_told_apart),
            cmocka_unit_test(instances_of_no_layout_are_counted),
            cmocka_unit_test(a_rounded_profile_is_the_nearest),
            cmocka_unit_test(the_exporter_says_the_node),
            cmocka_unit_test(the_order_of_answers_does_not_matter),
            cmocka_unit_test(a_time_may_be_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
