/* kube/fields: nodes, pods, workloads, budgets, quotas as the API server writes them. */
#include "test.h"

#include "base/buf.h"
#include "kube/fields.h"
#include "kube/write.h"

#include <string.h>

static struct arena *arena;

static struct kube_item item_of(const char *text)
{
    struct kube_item item;
    struct err e = {0};
    arena_free(arena);
    arena = arena_new(1 << 20);
    if (kube_item_parse(arena, str_from(text), &item, &e) < 0)
        fail_msg("%s", e.text);
    return item;
}

static int end(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

static void a_node(void **state)
{
    (void)state;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"n\",\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},"
            "\"spec\":{"
            "\"providerID\":\"aws:///x\",\"unschedulable\":true,\"taints\":[{\"key\":\"nvidia.com/"
            "gpu\","
            "\"effect\":\"NoSchedule\"}]},\"status\":{\"allocatable\":{\"cpu\":\"95500m\","
            "\"memory\":"
            "\"1Gi\",\"pods\":\"110\",\"nvidia.com/gpu\":\"8\",\"hugepages-1Gi\":\"0\","
            "\"kubernetes.io/batch\":\"1\",\"nvidia.com/"
            "mig-1g.10gb\":\"7\"},\"conditions\":[{\"type\":"
            "\"Ready\",\"status\":\"True\"}],\"addresses\":[{\"type\":\"InternalIP\",\"address\":"
            "\"10.0.0.1\"}]}}");
    struct kube_node n;
    kube_node_read(&item, &n);
    assert_true(n.ready && n.unschedulable);
    assert_int_equal(n.allocatable.cpu_milli, 95500);
    assert_int_equal(n.allocatable.memory_bytes, 1 << 30);
    assert_int_equal(n.allocatable.pods, 110);
    assert_int_equal(n.allocatable.count, 2);
    assert_int_equal(kube_resources_get(&n.allocatable, STR_LIT("nvidia.com/gpu")), 8);
    assert_int_equal(kube_resources_get(&n.allocatable, STR_LIT("nvidia.com/mig-1g.10gb")), 7);
    assert_int_equal(kube_resources_get(&n.allocatable, STR_LIT("kubernetes.io/batch")), 0);
    assert_int_equal(n.taint_count, 1);
    assert_true(str_eq_c(n.taints[0].effect, "NoSchedule"));
    assert_true(str_eq_c(n.internal_ip, "10.0.0.1"));
    assert_int_equal(n.created_wall_ns, 1795341600000000000);
}

#define GPU(count) "\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"" count "\",\"cpu\":\"2\"}}"

static void a_pod(void **state)
{
    (void)state;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"p\",\"ownerReferences\":[{\"kind\":\"X\",\"name\":\"no\"},{"
            "\"kind\":"
            "\"ReplicaSet\",\"name\":\"r\",\"uid\":\"u\",\"controller\":true}]},\"spec\":{"
            "\"nodeName\":\"n\","
            "\"schedulerName\":\"default-scheduler\",\"nodeSelector\":{\"a\":\"b\"},"
            "\"tolerations\":[{"
            "\"operator\":\"Exists\"}],\"containers\":[{\"name\":\"c\",\"image\":\"vllm\",\"args\":"
            "[\"x\"]," GPU("2") "},{\"name\":\"d\",\"resources\":{\"requests\":{\"cpu\":\"100m\","
                                "\"memory\":\"1Mi\"}}}],"
                                "\"initContainers\":[{\"name\":\"side\",\"restartPolicy\":"
                                "\"Always\",\"resources\":{"
                                "\"requests\":{\"cpu\":\"1\"}}},{\"name\":\"i\"," GPU(
                                        "4") "}],\"overhead\":{\"cpu\":\"10m\"},\"resourceClaims\":"
                                             "[{\"name\":\"g\","
                                             "\"resourceClaimTemplateName\":\"t\"}],"
                                             "\"schedulingGates\":[{\"name\":\"w\"}]},"
                                             "\"status\":{\"phase\":\"Running\",\"startTime\":"
                                             "\"2026-11-22T10:00:00Z\","
                                             "\"containerStatuses\":[{\"restartCount\":3,"
                                             "\"lastState\":{\"terminated\":{"
                                             "\"reason\":\"OOMKilled\"}}}],\"conditions\":[{"
                                             "\"type\":\"Ready\",\"status\":"
                                             "\"True\"}]}}");
    struct kube_pod p;
    kube_pod_read(&item, &p);
    assert_true(str_eq_c(p.owner.kind, "ReplicaSet"));
    assert_int_equal(p.phase, KUBE_POD_RUNNING);
    assert_true(p.ready && p.oom_killed && !p.unschedulable);
    assert_int_equal(p.restarts, 3);
    assert_true(str_eq_c(p.spec.node, "n"));
    /* The init step wants 4 GPUs, more than the 2 of the containers.  CPU: containers 2.1 + sidecar
     * 1; init 2 + sidecar 1 is less; overhead on top. */
    assert_int_equal(kube_resources_get(&p.spec.requests, STR_LIT("nvidia.com/gpu")), 4);
    assert_int_equal(p.spec.requests.cpu_milli, 3110);
    assert_int_equal(p.spec.requests.memory_bytes, 1 << 20);
    assert_int_equal(p.spec.gpu_containers, 1);
    assert_int_equal(p.spec.container_count, 2);
    assert_int_equal(kube_value_count(p.spec.containers[0].args), 1);
    assert_int_equal(p.spec.selector_count, 1);
    assert_true(str_eq_c(p.spec.tolerations[0].op, "Exists"));
    assert_true(str_eq_c(p.spec.claims[0].template, "t"));
    assert_int_equal(p.spec.scheduling_gates, 1);
}

static void a_waiting_pod(void **state)
{
    (void)state;
    struct kube_item item = item_of("{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"2026-11-"
                                    "22T10:00:00Z\"},\"spec\":{},"
                                    "\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":"
                                    "\"PodScheduled\",\"status\":"
                                    "\"False\",\"reason\":\"Unschedulable\"}]}}");
    struct kube_pod p;
    kube_pod_read(&item, &p);
    assert_true(p.unschedulable && p.deleted_wall_ns > 0);
    assert_int_equal(p.phase, KUBE_POD_PENDING);
}

static void workloads(void **state)
{
    (void)state;
    struct kube_workload w;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"d\",\"generation\":3},\"spec\":{\"replicas\":4,"
            "\"strategy\":{\"type\":\"Recreate\"},\"template\":{\"metadata\":{\"labels\":{}},"
            "\"spec\":{\"containers\":[{\"name\":\"c\"," GPU(
                    "1") "}]}}},\"status\":{"
                         "\"readyReplicas\":2,\"updatedReplicas\":1,\"observedGeneration\":3}}");
    kube_workload_read(&item, &w);
    assert_int_equal(w.replicas, 4);
    assert_int_equal(w.ready_replicas, 2);
    assert_int_equal(w.updated_replicas, 1);
    assert_int_equal(w.generation, w.observed_generation);
    assert_true(str_eq_c(w.strategy, "Recreate"));
    assert_int_equal(kube_resources_get(&w.spec.requests, STR_LIT("nvidia.com/gpu")), 1);
    item = item_of("{\"metadata\":{\"name\":\"j\"},\"spec\":{\"parallelism\":2,\"suspend\":true},"
                   "\"status\":{"
                   "\"ready\":1}}");
    kube_workload_read(&item, &w);
    assert_int_equal(w.replicas, 2);
    assert_int_equal(w.ready_replicas, 1);
    assert_true(w.suspended);
    item = item_of(
            "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}},"
            "\"status\":{\"desiredNumberScheduled\":40,\"numberReady\":39}}");
    kube_workload_read(&item, &w);
    assert_int_equal(w.replicas, 40);
    assert_int_equal(w.ready_replicas, 39);
    assert_true(str_eq_c(w.strategy, "OnDelete"));
}

static void budgets_and_selectors(void **state)
{
    (void)state;
    struct kube_pdb p;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"b\",\"generation\":1},\"spec\":{\"minAvailable\":\"50%\","
            "\"selector\":{"
            "\"matchLabels\":{\"app\":\"x\"},\"matchExpressions\":[{\"key\":\"tier\",\"operator\":"
            "\"NotIn\","
            "\"values\":[\"dev\"]},{\"key\":\"app\",\"operator\":\"Exists\"}]}},\"status\":{"
            "\"disruptionsAllowed\":2,\"observedGeneration\":1},\"yes\":{\"app\":\"x\"},\"no\":{"
            "\"app\":\"x\","
            "\"tier\":\"dev\"},\"odd\":{\"matchExpressions\":[{\"key\":\"app\",\"operator\":"
            "\"Near\"}]},"
            "\"in\":{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\",\"values\":[\"y\","
            "\"x\"]}]}}");
    kube_pdb_read(&item, &p);
    assert_string_equal(p.min_available, "50%");
    assert_string_equal(p.max_unavailable, "");
    assert_int_equal(p.disruptions_allowed, 2);
    assert_true(p.observed && !p.selects_all);
    struct kube_value yes = kube_item_at(&item, "yes"), no = kube_item_at(&item, "no");
    assert_true(kube_selector_matches(p.selector, yes));
    assert_false(kube_selector_matches(p.selector, no));
    assert_false(kube_selector_matches(p.selector, (struct kube_value){0}));
    assert_false(kube_selector_matches(kube_item_at(&item, "odd"), yes));
    assert_true(kube_selector_matches(kube_item_at(&item, "in"), yes));
    assert_true(kube_selector_matches((struct kube_value){0}, no));
}

static void quotas(void **state)
{
    (void)state;
    struct kube_quota q;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"requests.nvidia.com/"
            "gpu\":\"8\",\"pods\":\"5\","
            "\"requests.cpu\":\"4\"}},\"status\":{\"used\":{\"requests.nvidia.com/gpu\":\"3\"}}}");
    kube_quota_read(&item, &q);
    assert_int_equal(q.count, 1);
    assert_int_equal(q.list[0].hard, 8);
    assert_int_equal(q.list[0].used, 3);
}

static void managers(void **state)
{
    (void)state;
    struct kube_item item = item_of(
            "{\"metadata\":{\"name\":\"n\",\"managedFields\":[{\"manager\":\"kubectl\","
            "\"fieldsV1\":{"
            "\"f:spec\":{\"f:unschedulable\":{}},\"f:metadata\":{\"f:labels\":{\"f:a.b/c\":{}}}}},"
            "{\"manager\":\"us\",\"fieldsV1\":{\"f:spec\":{\"f:unschedulable\":{}}}},{\"manager\":"
            "\"autoscaler\",\"fieldsV1\":{\"f:spec\":{\"f:unschedulable\":{}}}},{\"manager\":\"x\"}"
            "]}}");
    struct buf out = BUF_INIT(200);
    kube_write_field_managers(&item, STR_LIT("spec\nunschedulable"), STR_LIT("us"), &out);
    assert_string_equal(out.ptr, "kubectl,autoscaler");
    buf_reset(&out);
    kube_write_field_managers(&item, STR_LIT("metadata\nlabels\na.b/c"), STR_LIT("us"), &out);
    assert_true(str_eq_c(buf_str(&out), "kubectl"));
    buf_reset(&out);
    kube_write_field_managers(&item, STR_LIT("metadata\nlabels\nother"), STR_LIT("us"), &out);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_node),
            cmocka_unit_test(a_pod),
            cmocka_unit_test(a_waiting_pod),
            cmocka_unit_test(workloads),
            cmocka_unit_test(budgets_and_selectors),
            cmocka_unit_test(quotas),
            cmocka_unit_test(managers),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
