/* ctl/world: whose a node or an owner is, what it costs, how much of it may be away. */
#include "cluster.h"

#include "model/price.h"

#include <errno.h>

/* -- nodes --------------------------------------------------------------------------------------
 */

/* Labels that say who else partitions a node's GPUs. */
static void foreign_nodes_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *who; /* NULL: ours to change */
    } table[] = {
            {"", NULL},
            {",\"nvidia.com/gpu.sharing-strategy\":\"none\"", NULL},
            {",\"nvidia.com/gpu.sharing-strategy\":\"mps\"", "MPS"},
            {",\"nvidia.com/gpu.sharing-strategy\":\"time-slicing\",\"nvidia.com/gpu.replicas\":"
             "\"4\"",
                    "time-slicing x 4, set up by somebody else"},
            {",\"nvidia.com/device-plugin.config\":\"theirs\"", "'theirs', set by somebody else"},
            {",\"nvidia.com/device-plugin.config\":\"exclusive-43ed1d17\"", NULL},
            {",\"cloud.google.com/gke-accelerator\":\"nvidia-tesla-a100\"", "GKE"},
            {",\"cloud.google.com/gke-gpu-partition-size\":\"1g.5gb\"", "GKE's MIG"},
            {",\"eks.amazonaws.com/compute-type\":\"auto\"", "EKS Auto Mode"},
            {",\"eks.amazonaws.com/compute-type\":\"ec2\"", NULL},
            {",\"kubernetes.azure.com/mig\":\"x\"", "AKS"},
            /* what we set up ourselves stays ours, but never what a cloud manages */
            {",\"nvidia.com/gpu.sharing-strategy\":\"time-slicing\","
             "\"sharing.slicewright.io/pool\":\"ts-4\"",
                    NULL},
            {",\"cloud.google.com/gke-accelerator\":\"x\",\"sharing.slicewright.io/pool\":\"p\"",
                    "GKE"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        put_node(c, "n", 2, table[i].labels);
        build(c);
        const struct core_node_fact *n = node_get(c, "n");
        if (table[i].who == NULL)
            assert_int_equal(n->foreign.len, 0);
        else
            assert_says(n->foreign, table[i].who);
        assert_int_equal(n->gpu_count, 2);
        assert_true(n->ready && !n->frozen && !n->excluded);
        cluster_free(c);
    }
}

static void offered_resources_tell_too(void **state)
{
    (void)state;
    static const struct {
        const char *capacity, *who;
    } table[] = {
            {"\"nvidia.com/gpu\":\"2\"", NULL},
            {"\"nvidia.com/gpu\":\"8\"", "time-slicing"}, /* of two GPUs */
            {"\"nvidia.com/gpu.shared\":\"2\"", "time-slicing"},
            {"\"nvidia.com/mig-1g.5gb\":\"14\"", "MIG layout"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        buf_printf(&c->text,
                "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"uid\":\"1\",\"labels\":{"
                "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\",\"nvidia.com/gpu.count\":"
                "\"2\"}},\"status\":{\"capacity\":{%s}}}",
                table[i].capacity);
        build(c);
        if (table[i].who == NULL)
            assert_int_equal(node_get(c, "n")->foreign.len, 0);
        else
            assert_says(node_get(c, "n")->foreign, table[i].who);
        cluster_free(c);
    }
}

static void slices_are_their_drivers(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "a", 1, "");
    put_node(c, "b", 1, "");
    put_node(c, "c", 1, ",\"sharing.slicewright.io/pool\":\"p\"");
    static const char *const rows[][2] = {
            {"a", "gpu.nvidia.com"}, {"b", "nic.example.com"}, {"c", "gpu.nvidia.com"}};
    for (unsigned i = 0; i < 3; i++) {
        buf_printf(&c->text,
                "{\"kind\":\"ResourceSlice\",\"metadata\":{\"name\":\"s%u\",\"uid\":\"s%u\"},"
                "\"spec\":{\"driver\":\"%s\",\"nodeName\":\"%s\"}}\n",
                i, i, rows[i][1], rows[i][0]);
    }
    build(c);
    assert_says(node_get(c, "a")->foreign, "DRA driver");
    assert_int_equal(node_get(c, "b")->foreign.len, 0);
    assert_says(node_get(c, "c")->foreign, "DRA driver");
    cluster_free(c);
}

static void freeze_and_taints_exclude(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "plain", 1, "");
    static const char *const rows[][2] = {
            {"frozen", "\"annotations\":{\"sharing.slicewright.io/freeze\":\"true\"},"},
            {"thawed", "\"annotations\":{\"sharing.slicewright.io/freeze\":\"false\"},"}};
    for (unsigned i = 0; i < 2; i++) {
        buf_printf(&c->text,
                "{\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",%s\"labels\":{"
                "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"}},\"spec\":{\"taints\":[{"
                "\"key\":\"nvidia.com/gpu\",\"effect\":\"NoSchedule\"}]},\"status\":{\"capacity\":"
                "{\"nvidia.com/gpu\":\"1\"}}}\n",
                rows[i][0], rows[i][0], rows[i][1]);
    }
    buf_puts(&c->text,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"tainted\",\"uid\":\"t\",\"labels\":{"
            "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"}},\"spec\":{\"taints\":[{"
            "\"key\":\"team\",\"value\":\"a\",\"effect\":\"NoSchedule\"}]},\"status\":{"
            "\"capacity\":{\"nvidia.com/gpu\":\"1\"}}}\n");
    put_deployment(c, "web", 1, "", "");
    put_pod(c, "web", "aaaaa", "plain");
    build(c);
    assert_true(node_get(c, "frozen")->frozen);
    assert_false(node_get(c, "thawed")->frozen);
    assert_false(node_get(c, "thawed")->excluded); /* NVIDIA's own taint is on every GPU node */
    assert_true(node_get(c, "tainted")->excluded);
    assert_says(str_from(c->w.node_notes[map_str_find(&c->w.node_index, STR_LIT("tainted"))]
                                 .excluded_why),
            "team:NoSchedule");
    cluster_free(c);
}

static void prices_follow_the_purchase(void **state)
{
    (void)state;
    static const char csv[] = "cloud,region,instance_type,gpu_model,gpu_count,"
                              "on_demand_usd_per_hour,spot_usd_per_hour\n"
                              "aws,us-east-1,p4d,A100-40GB,8,32,8\n"
                              "aws,eu-west-1,p4d,A100-40GB,8,40,16\n";
    struct cluster *c = cluster_new();
    struct model_price_book book;
    struct err e = {0};
    assert_int_equal(model_price_book_parse(c->a, str_from(csv), &book, &e), 0);
    c->o.prices = &book;
    static const struct {
        const char *name, *labels;
        enum ctl_price_source source;
        int64_t per_gpu;
    } table[] = {
            {"demand", ",\"node.kubernetes.io/instance-type\":\"p4d\"", CTL_PRICE_INSTANCE, 0},
            {"east",
                    ",\"node.kubernetes.io/instance-type\":\"p4d\","
                    "\"topology.kubernetes.io/region\":\"us-east-1\"",
                    CTL_PRICE_INSTANCE, 4000000},
            {"west",
                    ",\"node.kubernetes.io/instance-type\":\"p4d\","
                    "\"topology.kubernetes.io/region\":\"eu-west-1\"",
                    CTL_PRICE_INSTANCE, 5000000},
            {"spot",
                    ",\"node.kubernetes.io/instance-type\":\"p4d\","
                    "\"topology.kubernetes.io/region\":\"us-east-1\","
                    "\"eks.amazonaws.com/capacityType\":\"SPOT\"",
                    CTL_PRICE_INSTANCE, 1000000},
            {"karpenter",
                    ",\"node.kubernetes.io/instance-type\":\"p4d\","
                    "\"topology.kubernetes.io/region\":\"eu-west-1\","
                    "\"karpenter.sh/capacity-type\":\"spot\"",
                    CTL_PRICE_INSTANCE, 2000000},
            {"model", ",\"topology.kubernetes.io/region\":\"us-east-1\"", CTL_PRICE_MODEL, 4000000},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        put_node(c, table[i].name, 2, table[i].labels);
    build(c);
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct core_node_fact *n = node_get(c, table[i].name);
        assert_int_equal(
                c->w.node_notes[map_str_find(&c->w.node_index, n->name)].price, table[i].source);
        if (table[i].per_gpu != 0)
            assert_int_equal(n->microusd_per_hour, 2 * table[i].per_gpu);
    }
    cluster_free(c);
}

static void no_known_gpu_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *says;
    } table[] = {
            {"", "no node has GPUs"},
            {"\"nvidia.com/gpu.product\":\"Warp-9\"", "none of a model that is known"},
    };
    for (unsigned i = 0; i < 2; i++) {
        struct cluster *c = cluster_new();
        struct err e = {0};
        uint32_t ignored = 0;
        buf_printf(&c->text,
                "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"uid\":\"1\",\"labels\":{%s}}}",
                table[i].labels);
        assert_int_equal(ctl_snapshot_read(c->s, buf_str(&c->text), &ignored, &e), 0);
        assert_int_equal(ctl_world_build(c->a, c->s, &c->o, &c->w, &e), -ENODATA);
        assert_says(str_from(e.text), table[i].says);
        cluster_free(c);
    }
}

/* -- owners -------------------------------------------------------------------------------------
 */

static void foreign_owners_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *spec, *says;
    } table[] = {
            {"", "", NULL},
            {"\"kueue.x-k8s.io/queue-name\":\"team-a\"", "", "Kueue queue 'team-a'"},
            {"\"runai/queue\":\"q\"", "", "Run:ai queue 'q'"},
            {"", "\"schedulerName\":\"volcano\",", "scheduled by 'volcano'"},
            {"", "\"schedulerName\":\"default-scheduler\",", NULL},
            {"", "\"resourceClaims\":[{\"name\":\"g\",\"resourceClaimName\":\"x\"}],",
                    "resource claim"},
            {"", "\"nodeSelector\":{\"zone\":\"a\"},", "zone=a, which only some nodes"},
            {"", "\"nodeSelector\":{\"zone\":\"c\"},", "zone=c, which no node"},
            {"", "\"nodeSelector\":{\"gpu\":\"yes\"},", NULL},
            {"",
                    "\"affinity\":{\"nodeAffinity\":{"
                    "\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{"
                    "\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"Exists\"}]}]}}},",
                    "node affinity"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        put_node(c, "a", 1, ",\"gpu\":\"yes\",\"zone\":\"a\"");
        put_node(c, "b", 1, ",\"gpu\":\"yes\",\"zone\":\"b\"");
        put_deployment(c, "web", 3, table[i].labels, table[i].spec);
        put_pod(c, "web", "aaaaa", "a");
        build(c);
        const struct core_owner_fact *o = owner_get(c, "web");
        if (table[i].says == NULL)
            assert_int_equal(o->foreign.len, 0);
        else
            assert_says(o->foreign, table[i].says);
        assert_int_equal(o->kind, MODEL_OWNER_DEPLOYMENT);
        assert_int_equal(o->replicas, 3);
        assert_int_equal(c->w.owner_count, 1);
        assert_int_equal(c->w.owner_notes[0].pods, 1);
        cluster_free(c);
    }
}

/* A release whose config-manager acts before it has seen its node is warned of, if nodes choose. */
static void a_plugin_that_offers_the_default_first_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *version, *config;
        unsigned warnings;
    } table[] = {{"v0.18.0", "configs", 0}, {"v0.19.1", "configs", 1}, {"v0.19.1", "", 0}};
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        unsigned warnings = 0;
        put_node(c, "a", 1, "");
        buf_printf(&c->text,
                "{\"kind\":\"ClusterPolicy\",\"apiVersion\":\"nvidia.com/v1\",\"metadata\":{"
                "\"name\":\"p\",\"uid\":\"p\"},\"spec\":{\"devicePlugin\":{\"version\":\"%s\","
                "\"config\":{\"name\":\"%s\"}},\"mig\":{\"strategy\":\"mixed\"}}}\n",
                table[i].version, table[i].config);
        build(c);
        for (uint32_t f = 0; f < c->w.finding_count; f++)
            warnings += strstr(c->w.findings[f].text, "offers the default configuration") != NULL;
        assert_int_equal(warnings, table[i].warnings);
        cluster_free(c);
    }
}

/* Of the pods on a shared GPU readings name one, unless the exporter is told to name all. */
static void an_exporter_that_names_one_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *env;
        bool all;
    } table[] = {
            {"", false},
            {",\"dcgmExporter\":{\"env\":[{\"name\":\"KUBERNETES_VIRTUAL_GPUS\",\"value\":"
             "\"true\"}]}",
                    true},
            {",\"dcgmExporter\":{\"env\":[{\"name\":\"KUBERNETES_VIRTUAL_GPUS\",\"value\":"
             "\"false\"}]}",
                    false},
            {",\"dcgmExporter\":{\"env\":[{\"name\":\"OTHER\",\"value\":\"true\"}]}", false},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        unsigned warnings = 0;
        put_node(c, "a", 1, "");
        buf_printf(&c->text,
                "{\"kind\":\"ClusterPolicy\",\"apiVersion\":\"nvidia.com/v1\",\"metadata\":{"
                "\"name\":\"p\",\"uid\":\"p\"},\"spec\":{\"mig\":{\"strategy\":\"mixed\"}%s}}\n",
                table[i].env);
        build(c);
        for (uint32_t f = 0; f < c->w.finding_count; f++)
            warnings += strstr(c->w.findings[f].text, "KUBERNETES_VIRTUAL_GPUS") != NULL;
        assert_int_equal(warnings, table[i].all ? 0 : 1);
        assert_int_equal(
                c->w.nodes[0].node.caps.occupant, table[i].all ? CORE_KNOWN_GPU : CORE_KNOWN_NODE);
        cluster_free(c);
    }
}

static void quotas_count_in_their_namespace(void **state)
{
    (void)state;
    static const struct {
        const char *namespace, *resource, *used;
        bool fixed, foreign;
    } table[] = {
            {"ml", "requests.nvidia.com/gpu", "1", true, false},
            {"ml", "requests.nvidia.com/gpu", "4", true, false},
            {"ml", "requests.nvidia.com/gpu", "5", true, true}, /* whoever goes stays away */
            {"other", "requests.nvidia.com/gpu", "5", false, false},
            {"ml", "requests.cpu", "5", false, false},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        put_node(c, "n", 1, "");
        put_deployment(c, "web", 1, "", "");
        buf_printf(&c->text,
                "{\"kind\":\"ResourceQuota\",\"metadata\":{\"namespace\":\"%s\",\"name\":\"q\","
                "\"uid\":\"q\"},\"spec\":{\"hard\":{\"%s\":\"4\"}},\"status\":{\"hard\":{\"%s\":"
                "\"4\"},\"used\":{\"%s\":\"%s\"}}}\n",
                table[i].namespace, table[i].resource, table[i].resource, table[i].resource,
                table[i].used);
        build(c);
        const struct core_owner_fact *o = owner_get(c, "web");
        assert_int_equal(o->fixed.len > 0, table[i].fixed);
        assert_int_equal(o->foreign.len > 0, table[i].foreign);
        assert_int_equal(core_owner_pointable(o), !table[i].fixed);
        assert_int_equal(o->gpu_models, 0); /* where its pods may go is still told */
        cluster_free(c);
    }
}

/* Pods whose controller is not read, and pods of nobody. */
static void unknown_templates_are_left_alone(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n", 2, "");
    put_pod(c, "lost", "aaaaa", "n"); /* its ReplicaSet is not in the file */
    buf_puts(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"bare\",\"uid\":\"b\"},"
            "\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\",\"resources\":{"
            "\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]},\"status\":{\"phase\":\"Running\"}}\n");
    build(c);
    assert_says(owner_get(c, "lost-5d")->foreign, "template of its ReplicaSet is not known");
    assert_int_equal(owner_get(c, "bare")->foreign.len, 0);
    assert_int_equal(owner_get(c, "bare")->kind, MODEL_OWNER_BARE);
    assert_int_equal(owner_get(c, "bare")->max_unavailable, 0);
    assert_string_equal(c->w.owner_notes[owner_row(c, "bare")].kind, "Pod");
    cluster_free(c);
}

static void budgets_say_how_many_may_go(void **state)
{
    (void)state;
    static const struct {
        const char *spec; /* NULL: no budget */
        uint32_t may;
    } table[] = {
            {NULL, UINT32_MAX},
            {"\"maxUnavailable\":2", 2},
            {"\"maxUnavailable\":\"25%\"", 3}, /* of 10, up: as the disruption controller does */
            {"\"maxUnavailable\":\"0%\"", 0},
            {"\"minAvailable\":9", 1},
            {"\"minAvailable\":\"75%\"", 2}, /* 8 stay */
            {"\"minAvailable\":\"100%\"", 0},
            {"\"minAvailable\":12", 0},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        put_node(c, "n", 1, "");
        put_deployment(c, "web", 10, "\"app\":\"web\"", "");
        put_deployment(c, "api", 10, "\"app\":\"api\"", "");
        if (table[i].spec != NULL) {
            buf_printf(&c->text,
                    "{\"kind\":\"PodDisruptionBudget\",\"metadata\":{\"namespace\":\"ml\","
                    "\"name\":\"b\",\"uid\":\"b\"},\"spec\":{%s,\"selector\":{\"matchLabels\":{"
                    "\"app\":\"web\"}}}}\n",
                    table[i].spec);
        }
        build(c);
        assert_int_equal(owner_get(c, "web")->max_unavailable, table[i].may);
        assert_int_equal(owner_get(c, "api")->max_unavailable, UINT32_MAX);
        cluster_free(c);
    }
}

/* Budgets that could not be read are not budgets that are not there. */
static void unseen_budgets_allow_nothing(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n", 1, "");
    put_deployment(c, "web", 10, "", "");
    c->o.seen[CTL_BUDGETS] = false;
    c->o.why[CTL_BUDGETS] = "forbidden";
    build(c);
    assert_int_equal(owner_get(c, "web")->max_unavailable, 0);
    bool said = false;
    for (uint32_t i = 0; i < c->w.finding_count; i++) {
        const struct ctl_finding *f = &c->w.findings[i];
        said |= f->kind == CTL_FINDING_UNSEEN && strcmp(f->text, "forbidden") == 0;
    }
    assert_true(said);
    cluster_free(c);
}

static void declarations_are_read(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n", 1, "");
    put_deployment(c, "web", 1,
            "\"sharing.slicewright.io/class\":\"latency-sensitive\","
            "\"sharing.slicewright.io/gpu-memory\":\"10Gi\","
            "\"sharing.slicewright.io/slo-permille\":\"1500\","
            "\"sharing.slicewright.io/preallocates\":\"true\"",
            "");
    put_deployment(c, "odd", 1,
            "\"sharing.slicewright.io/isolation\":\"sometimes\","
            "\"sharing.slicewright.io/gpu-memory\":\"lots\"",
            "");
    build(c);
    const struct core_owner_fact *web = owner_get(c, "web"), *odd = owner_get(c, "odd");
    assert_int_equal(web->class_declared, MODEL_CLASS_LATENCY_SENSITIVE);
    assert_int_equal(web->declared_memory_mib, 10 << 10);
    assert_int_equal(web->slo_permille, 1500);
    assert_true(web->preallocates);
    assert_int_equal(odd->isolation, MODEL_ISOLATION_EXCLUSIVE);
    assert_int_equal(odd->declared_memory_mib, 0);
    assert_false(odd->preallocates);
    unsigned ignored = 0;
    for (uint32_t i = 0; i < c->w.finding_count; i++)
        ignored += strstr(c->w.findings[i].text, "is ignored") != NULL;
    assert_int_equal(ignored, 2);
    cluster_free(c);
}

static void names_of_pods_tell_owners(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    put_node(c, "n", 1, "");
    put_deployment(c, "web", 1, "", "");
    put_deployment(c, "web-front", 1, "", "");
    build(c);
    struct str ml = STR_LIT("ml");
    uint64_t web = owner_get(c, "web")->uid;
    assert_true(ctl_world_owner_by_name(&c->w, ml, STR_LIT("web-5d9c-x2x4z")) == web);
    assert_true(ctl_world_owner_by_name(&c->w, ml, STR_LIT("web-front-77-x2x4z")) ==
                owner_get(c, "web-front")->uid);
    assert_true(ctl_world_owner_by_name(&c->w, STR_LIT("other"), STR_LIT("web-5d9c-x2x4z")) == 0);
    assert_true(ctl_world_owner_by_name(&c->w, ml, STR_LIT("web-1")) == 0);
    assert_true(ctl_world_owner_by_name(&c->w, ml, STR_LIT("")) == 0);
    cluster_free(c);
}

/* Whole GPUs that pods hold while the node offers shared ones: found, whoever switched it; so is
 * the other way round, and nothing where only one kind is offered. */
static void nodes_booked_twice_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *name, *whole, *shared, *asks, *phase;
        const char *want; /* NULL: nothing is found */
    } cases[] = {
            {"a", "0", "8", "nvidia.com/gpu", "Running",
                    "it offers shared GPUs while 1 pod (ml/a) holds whole ones"},
            {"b", "2", "0", "nvidia.com/gpu.shared", "Running",
                    "it offers whole GPUs while 1 pod (ml/b) holds shared ones"},
            {"c", "2", "0", "nvidia.com/gpu", "Running", NULL},
            {"d", "0", "8", "nvidia.com/gpu.shared", "Running", NULL},
            {"e", "0", "8", "nvidia.com/gpu", "Succeeded", NULL},
    };
    struct cluster *c = cluster_new();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *n = cases[i].name;
        buf_printf(&c->text,
                "{\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"uid\":\"node-%s\",\"labels\":{"
                "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\",\"nvidia.com/gpu.count\":"
                "\"2\"}},\"status\":{\"allocatable\":{\"cpu\":\"64\",\"memory\":\"256Gi\","
                "\"nvidia.com/gpu\":\"%s\",\"nvidia.com/gpu.shared\":\"%s\"}}}\n",
                n, n, cases[i].whole, cases[i].shared);
        buf_printf(&c->text,
                "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"%s\",\"uid\":"
                "\"pod-%s\"},\"spec\":{\"nodeName\":\"%s\",\"containers\":[{\"name\":\"c\","
                "\"image\":\"x\",\"resources\":{\"limits\":{\"%s\":\"1\"}}}]},"
                "\"status\":{\"phase\":\"%s\",\"startTime\":\"2023-11-01T00:00:00Z\"}}\n",
                n, n, n, cases[i].asks, cases[i].phase);
    }
    build(c);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = NULL;
        for (uint32_t f = 0; f < c->w.finding_count; f++) {
            const struct ctl_finding *one = &c->w.findings[f];
            if (strncmp(one->subject, "node ", 5) == 0 &&
                    strcmp(one->subject + 5, cases[i].name) == 0)
                found = one->text;
        }
        if (cases[i].want == NULL) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_string_equal(found, cases[i].want);
        }
    }
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(foreign_nodes_are_known),
            cmocka_unit_test(offered_resources_tell_too),
            cmocka_unit_test(slices_are_their_drivers),
            cmocka_unit_test(freeze_and_taints_exclude),
            cmocka_unit_test(prices_follow_the_purchase),
            cmocka_unit_test(no_known_gpu_is_an_error),
            cmocka_unit_test(foreign_owners_are_known),
            cmocka_unit_test(a_plugin_that_offers_the_default_first_is_told),
            cmocka_unit_test(an_exporter_that_names_one_is_told),
            cmocka_unit_test(quotas_count_in_their_namespace),
            cmocka_unit_test(unknown_templates_are_left_alone),
            cmocka_unit_test(budgets_say_how_many_may_go),
            cmocka_unit_test(unseen_budgets_allow_nothing),
            cmocka_unit_test(declarations_are_read),
            cmocka_unit_test(names_of_pods_tell_owners),
            cmocka_unit_test(nodes_booked_twice_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
