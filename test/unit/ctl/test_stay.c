/* ctl/world_stay, ctl/world_taint, ctl/taint: what keeps a node; who does not bear a taint of ours;
 * and the patch that changes ours and no other. */
#include "cluster.h"

#include "ctl/taint.h"

/* -- what keeps a node --------------------------------------------------------------------------
 */

static void pods_keep_their_node(void **state)
{
    (void)state;
    static const char owned[] = ",\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"r\","
                                "\"uid\":\"r\",\"controller\":true}]";
    static const char daemon[] = ",\"ownerReferences\":[{\"kind\":\"DaemonSet\",\"name\":\"d\","
                                 "\"uid\":\"d\",\"controller\":true}]";
    static const struct {
        const char *namespace, *owner, *marks, *volumes, *says; /* says NULL: it goes */
    } table[] = {
            {"web", owned, "", "", NULL},
            {"web", daemon, "", "{\"hostPath\":{}}", NULL},
            {"web", "", "", "", "pod web/p: a bare pod would not come back"},
            {"web", owned, "", "{\"emptyDir\":{}}", "node's disk"},
            {"web", owned, "", "{\"emptyDir\":{\"medium\":\"Memory\"}}", NULL},
            {"web", owned, "", "{\"hostPath\":{\"path\":\"/x\"}}", "node's disk"},
            {"web", owned, "\"cluster-autoscaler.kubernetes.io/safe-to-evict\":\"true\"",
                    "{\"emptyDir\":{}}", NULL},
            {"web", owned, "\"cluster-autoscaler.kubernetes.io/safe-to-evict\":\"false\"", "",
                    "annotation forbids eviction"},
            {"web", owned, "\"karpenter.sh/do-not-disrupt\":\"true\"", "", "annotation"},
            {"kube-system", owned, "", "", "of kube-system"},
            {"covered", owned, "", "", NULL},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        put_node(c, "n", 2, "");
        buf_printf(&c->text,
                "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"%s\",\"name\":\"p\",\"uid\":\"p\","
                "\"annotations\":{%s}%s},\"spec\":{\"nodeName\":\"n\",\"volumes\":[%s],"
                "\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]},"
                "\"status\":{\"phase\":\"Running\"}}\n",
                table[i].namespace, table[i].marks, table[i].owner, table[i].volumes);
        build(c);
        if (table[i].says == NULL)
            assert_int_equal(node_get(c, "n")->keeps.len, 0);
        else
            assert_says(node_get(c, "n")->keeps, table[i].says);
        assert_int_equal(c->w.finding_count > 0 && table[i].says == NULL &&
                                 strstr(c->w.findings[0].text, "would stay") != NULL,
                false);
        cluster_free(c);
    }
}

/* One of kube-system goes with a budget that allows it; a pod with GPUs stays with one that does
 * not; the node's own word counts, and all are counted. */
static void budgets_and_marks(void **state)
{
    (void)state;
    struct cluster *c = cluster_new();
    buf_puts(&c->text,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"kept\",\"uid\":\"k\",\"labels\":{"
            "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\","
            "\"nvidia.com/gpu.count\":\"1\"},\"annotations\":{"
            "\"cluster-autoscaler.kubernetes.io/scale-down-disabled\":\"true\"}}}\n");
    put_node(c, "a", 2, "");
    put_node(c, "b", 2, "");
    buf_puts(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"dns\","
            "\"uid\":\"dns\",\"labels\":{\"app\":\"dns\"},\"ownerReferences\":[{\"kind\":"
            "\"ReplicaSet\",\"name\":\"r\",\"uid\":\"r\",\"controller\":true}]},\"spec\":{"
            "\"nodeName\":\"a\",\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]},"
            "\"status\":{\"phase\":\"Running\"}}\n"
            "{\"kind\":\"PodDisruptionBudget\",\"metadata\":{\"namespace\":\"kube-system\","
            "\"name\":\"dns\"},\"spec\":{\"maxUnavailable\":1,\"selector\":{\"matchLabels\":{"
            "\"app\":\"dns\"}}}}\n"
            "{\"kind\":\"PodDisruptionBudget\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"v\"},"
            "\"spec\":{\"maxUnavailable\":0,\"selector\":{\"matchLabels\":{\"app\":\"v\"}}}}\n");
    put_deployment(c, "v", 2, "\"app\":\"v\"", "");
    put_pod(c, "v", "1", "b");
    put_pod(c, "v", "2", "b");
    build(c);
    assert_says(node_get(c, "kept")->keeps, "the node: its annotation forbids scale-down");
    assert_int_equal(node_get(c, "a")->keeps.len, 0);
    assert_says(node_get(c, "b")->keeps, "pod ml/v-5d-1: its PodDisruptionBudget allows no");
    assert_says(node_get(c, "b")->keeps, "and 1 more");
    cluster_free(c);
}

/* -- who does not bear a taint ------------------------------------------------------------------
 */

#define TOLERATION(k) "{\"key\":\"" k "\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}"
#define GPU           TOLERATION("nvidia.com/gpu")
#define POOL          TOLERATION("sharing.slicewright.io/pool")
#define STARTUP       TOLERATION("sharing.slicewright.io/startup")

static void taints_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *plugin, *discovery, *owner; /* tolerations */
        const char *pool, *startup;                      /* who refuses; NULL = nobody */
    } table[] = {
            {GPU, GPU, GPU, "", "ClusterPolicy", "ClusterPolicy"},
            {GPU "," POOL, GPU "," POOL, GPU "," POOL, "", "Deployment ml/w", "ClusterPolicy"},
            {GPU "," POOL, GPU "," POOL, GPU "," POOL, POOL, NULL, "ClusterPolicy"},
            /* the Operator has not brought its DaemonSets there yet, or never will */
            {GPU "," POOL, GPU, GPU "," POOL, POOL, "DaemonSet gpu-operator/nvidia-device-plugin",
                    "ClusterPolicy"},
            {POOL "," STARTUP, POOL "," STARTUP, GPU, POOL,
                    "DaemonSet gpu-operator/node-feature-discovery-worker",
                    "DaemonSet gpu-operator/node-feature-discovery-worker"},
            {POOL "," STARTUP, POOL "," STARTUP, "{\"operator\":\"Exists\"}", POOL, NULL, NULL},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cluster *c = cluster_new();
        struct policy p = *c->o.policy;
        p.taint_pools = p.taint_startup = true;
        c->o.policy = &p;
        char spec[256];
        (void)snprintf(spec, sizeof spec,
                "\"nodeSelector\":{\"sharing.slicewright.io/pool\":\"ts\"},\"tolerations\":[%s],",
                table[i].owner);
        put_node(c, "n", 2, ",\"sharing.slicewright.io/pool\":\"ts\"");
        put_deployment(c, "w", 1, "\"app\":\"w\"", spec);
        buf_printf(&c->text,
                "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"c\"},\"spec\":{"
                "\"daemonsets\":{\"tolerations\":[%s]}}}\n",
                table[i].policy);
        const char *const sets[][2] = {{"nvidia-device-plugin", table[i].plugin},
                {"node-feature-discovery-worker", table[i].discovery}};
        for (unsigned d = 0; d < 2; d++) {
            buf_printf(&c->text,
                    "{\"kind\":\"DaemonSet\",\"metadata\":{\"namespace\":\"gpu-operator\","
                    "\"name\":\"%s\",\"uid\":\"%s\"},\"spec\":{\"template\":{\"spec\":{"
                    "\"tolerations\":[%s],\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]}}}}\n",
                    sets[d][0], sets[d][0], sets[d][1]);
        }
        build(c);
        const struct core_node_fact *n = node_get(c, "n");
        if (table[i].pool == NULL)
            assert_int_equal(n->pool_taint_refused.len, 0);
        else
            assert_says(n->pool_taint_refused, table[i].pool);
        if (table[i].startup == NULL)
            assert_int_equal(n->startup_taint_refused.len, 0);
        else
            assert_says(n->startup_taint_refused, table[i].startup);
        cluster_free(c);
    }
}

/* -- the patch ----------------------------------------------------------------------------------
 */

#define HEAD                                                                                       \
    "[{\"op\":\"replace\",\"path\":\"/metadata/uid\",\"value\":\"u\"},{\"op\":\"replace\","        \
    "\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"}"

static void only_ours_are_changed(void **state)
{
    (void)state;
    const struct kube_taint theirs = {STR_LIT("a"), STR_LIT("b"), STR_LIT("NoExecute")};
    const struct kube_taint pool = {
            STR_LIT("sharing.slicewright.io/pool"), STR_LIT("ts"), STR_LIT("NoSchedule")};
    const struct kube_taint startup = {
            STR_LIT("sharing.slicewright.io/startup"), {0}, STR_LIT("NoSchedule")};
    const struct {
        uint32_t count;
        struct kube_taint taints[3];
        struct ctl_taints wanted;
        const char *patch; /* NULL: nothing to change */
    } table[] = {
            {.wanted = {{0}, false}},
            {2, {theirs, pool}, {STR_LIT("ts"), false}, NULL},
            {1, {startup}, {{0}, true}, NULL}, /* of any value */
            {.wanted = {STR_LIT("ts"), false},
                    .patch = HEAD ",{\"op\":\"add\",\"path\":\"/spec/taints\",\"value\":[{\"key\":"
                                  "\"sharing.slicewright.io/pool\",\"value\":\"ts\",\"effect\":"
                                  "\"NoSchedule\"}]}]"},
            {1, {theirs}, {{0}, true},
                    HEAD ",{\"op\":\"add\",\"path\":\"/spec/taints/-\",\"value\":{\"key\":"
                         "\"sharing.slicewright.io/startup\",\"value\":\"unconfigured\","
                         "\"effect\":\"NoSchedule\"}}]"},
            {3, {startup, theirs, pool}, {{0}, false},
                    HEAD ",{\"op\":\"remove\",\"path\":\"/spec/taints/2\"},"
                         "{\"op\":\"remove\",\"path\":\"/spec/taints/0\"}]"},
            {2, {theirs, pool}, {STR_LIT("other"), false},
                    HEAD ",{\"op\":\"remove\",\"path\":\"/spec/taints/1\"},"
                         "{\"op\":\"add\",\"path\":\"/spec/taints/-\",\"value\":{\"key\":"
                         "\"sharing.slicewright.io/pool\",\"value\":\"other\",\"effect\":"
                         "\"NoSchedule\"}}]"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ctl_node node = {.uid = STR_LIT("u"), .version = 7};
        struct buf out = BUF_INIT(1 << 12);
        node.fields.taint_count = table[i].count;
        memcpy(node.fields.taints, table[i].taints, sizeof table[i].taints);
        bool changes = ctl_taint_patch(&node, &table[i].wanted, &out);
        assert_int_equal(changes, table[i].patch != NULL);
        if (changes)
            assert_string_equal(out.ptr, table[i].patch);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pods_keep_their_node),
            cmocka_unit_test(budgets_and_marks),
            cmocka_unit_test(taints_are_checked),
            cmocka_unit_test(only_ours_are_changed),
    };
    return cmocka_run_group_tests_name("ctl/stay", tests, NULL, NULL);
}
