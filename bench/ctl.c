/* Times what the live controller does once a second at most, on a cluster made up here: slim
 * objects from whole ones, a snapshot and a world from caches, and what the feed tells of it.
 *
 * Usage: ctl [GPU_NODES [GPU_PODS [OTHER_PODS]]]     5000 20000 0 when left out */
#include "base/json.h"
#include "base/num.h"
#include "ctl/feed.h"
#include "ctl/slim.h"
#include "os/clock.h"
#include "os/usage.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RUNS = 7, OBJECT_MAX = 1 << 16, PODS_AN_OWNER = 10 };

struct bench {
    uint32_t nodes, pods, others;
    struct kube_cache *caches[CTL_KIND_COUNT];
    struct arena *a;
    struct buf text, slim;
    uint64_t whole_bytes;
    int64_t slim_ns;
};

static int64_t price_of(uint16_t gpu)
{
    return 1000000 + gpu;
}

static void die(const struct err *e)
{
    (void)fprintf(stderr, "ctl: %s\n", e->text);
    exit(2);
}

/* Of this process: others may be busy here too. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NUM_NS_PER_SECOND + t.tv_nsec;
}

/* -- the cluster --------------------------------------------------------------------------------
 */

/* Takes the object in `text` as a watch does. */
static void take(struct bench *b, enum ctl_kind kind)
{
    struct kube_item item;
    struct kube_row row;
    enum kube_cache_verdict verdict;
    struct err e = {0};
    int64_t begin_ns = cpu_ns();
    arena_reset(b->a);
    buf_reset(&b->slim);
    if (kube_item_parse(b->a, buf_str(&b->text), &item, &e) < 0)
        die(&e);
    if (ctl_slim_write(kind, &item, &b->slim) == 0)
        (void)kube_cache_put(b->caches[kind], &item, buf_str(&b->slim), &verdict, &row);
    b->slim_ns += cpu_ns() - begin_ns;
    b->whole_bytes += b->text.len;
    buf_reset(&b->text);
}

/* As kubelet, NVIDIA's GPU feature discovery and node feature discovery leave it. */
static void put_node(struct bench *b, uint32_t i)
{
    struct buf *t = &b->text;
    buf_printf(t,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"gpu-node-%05u\",\"uid\":"
            "\"5ad0a1f0-7a1d-4a52-9a55-%012u\",\"resourceVersion\":\"%u\",\"creationTimestamp\":"
            "\"2026-01-01T00:00:00Z\",\"annotations\":{\"node.alpha.kubernetes.io/ttl\":\"0\"},"
            "\"labels\":{\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\","
            "\"nvidia.com/gpu.count\":\"8\",\"topology.kubernetes.io/region\":\"us-east-1\","
            "\"node.kubernetes.io/instance-type\":\"p4d.24xlarge\",\"zone\":\"z%u\"",
            i, i, 1000 + i, i % 3);
    for (unsigned l = 0; l < 24; l++)
        buf_printf(t, ",\"nvidia.com/some.label-%u\":\"value-%u\"", l, l);
    for (unsigned l = 0; l < 40; l++)
        buf_printf(t, ",\"feature.node.kubernetes.io/cpu-cpuid.FEATURE%u\":\"true\"", l);
    buf_printf(t,
            "}},\"spec\":{\"providerID\":\"aws:///us-east-1a/i-%08u\",\"taints\":[{\"key\":"
            "\"nvidia.com/gpu\",\"effect\":\"NoSchedule\"},{\"key\":\"team\",\"value\":\"t\","
            "\"effect\":\"NoSchedule\"}]},\"status\":{\"capacity\":{\"cpu\":\"96\",\"memory\":"
            "\"1176329Mi\",\"pods\":\"110\",\"nvidia.com/gpu\":\"8\"},\"allocatable\":{\"cpu\":"
            "\"95690m\",\"memory\":\"1167Gi\",\"pods\":\"110\",\"nvidia.com/gpu\":\"8\"},"
            "\"conditions\":[{\"type\":\"MemoryPressure\",\"status\":\"False\"},{\"type\":"
            "\"Ready\",\"status\":\"True\",\"lastHeartbeatTime\":\"2026-01-01T00:00:00Z\"}],"
            "\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}]}}",
            i);
    take(b, CTL_NODES);
}

static void put_owner(struct bench *b, uint32_t i)
{
    buf_printf(&b->text,
            "{\"kind\":\"Deployment\",\"metadata\":{\"namespace\":\"team-%u\",\"name\":\"app-%u\","
            "\"uid\":\"deployment-%u\",\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":%u,"
            "\"template\":{\"metadata\":{\"labels\":{\"app\":\"app-%u\"}},\"spec\":{"
            "\"nodeSelector\":{\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"},"
            "\"tolerations\":[{\"key\":\"team\",\"operator\":\"Exists\"}],\"containers\":[{"
            "\"name\":\"c\",\"image\":\"app:1\",\"resources\":{\"limits\":{\"nvidia.com/gpu\":"
            "\"1\"}}}]}}}}",
            i % 50, i, i, PODS_AN_OWNER, i);
    take(b, CTL_DEPLOYMENTS);
    buf_printf(&b->text,
            "{\"kind\":\"ReplicaSet\",\"metadata\":{\"namespace\":\"team-%u\",\"name\":"
            "\"app-%u-5d8f\",\"uid\":\"set-%u\",\"resourceVersion\":\"1\",\"ownerReferences\":[{"
            "\"kind\":\"Deployment\",\"name\":\"app-%u\",\"uid\":\"deployment-%u\",\"controller\":"
            "true}]},\"spec\":{\"replicas\":1}}",
            i % 50, i, i, i, i);
    take(b, CTL_REPLICASETS);
    if (i % 4 != 0)
        return;
    buf_printf(&b->text,
            "{\"kind\":\"PodDisruptionBudget\",\"metadata\":{\"namespace\":\"team-%u\",\"name\":"
            "\"app-%u\",\"uid\":\"budget-%u\"},\"spec\":{\"maxUnavailable\":1,\"selector\":{"
            "\"matchLabels\":{\"app\":\"app-%u\"}}}}",
            i % 50, i, i, i);
    take(b, CTL_BUDGETS);
}

static void put_pod(struct bench *b, uint32_t i)
{
    uint32_t owner = i / PODS_AN_OWNER;
    buf_printf(&b->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"team-%u\",\"name\":"
            "\"app-%u-5d8f-%05u\",\"uid\":\"7c9e6679-7425-40de-944b-%012u\",\"resourceVersion\":"
            "\"%u\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{\"app\":\"app-%u\","
            "\"pod-template-hash\":\"5d8f\"},\"annotations\":{\"kubernetes.io/config.seen\":"
            "\"2026\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"app-%u-5d8f\","
            "\"uid\":\"set-%u\",\"controller\":true}]},\"spec\":{\"nodeName\":\"gpu-node-%05u\","
            "\"schedulerName\":\"default-scheduler\",\"nodeSelector\":{"
            "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"},\"tolerations\":[{\"key\":"
            "\"team\",\"operator\":\"Exists\"},{\"key\":\"node.kubernetes.io/not-ready\","
            "\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}],"
            "\"containers\":[{\"name\":\"c\",\"image\":\"registry.example/team/app:1.2.3\","
            "\"args\":[\"--serve\"],\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"resources\":{"
            "\"limits\":{\"nvidia.com/gpu\":\"1\"},\"requests\":{\"cpu\":\"4\",\"memory\":\"16Gi\","
            "\"nvidia.com/gpu\":\"1\"}}}]},\"status\":{\"phase\":\"Running\",\"podIP\":"
            "\"10.1.2.3\",\"startTime\":\"2026-01-01T00:00:01Z\",\"conditions\":[{\"type\":"
            "\"Ready\",\"status\":\"True\"}],\"containerStatuses\":[{\"restartCount\":0}]}}",
            owner % 50, owner, i, i, 5000 + i, owner, owner, owner, i % b->nodes);
    take(b, CTL_PODS);
}

static void put_other(struct bench *b, uint32_t i)
{
    buf_printf(&b->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"web\",\"name\":\"web-5d8f-%06u\","
            "\"uid\":\"1b4e28ba-2fa1-11d2-883f-%012u\",\"resourceVersion\":\"%u\",\"labels\":{"
            "\"app\":\"web\"}},\"spec\":{\"nodeName\":\"gpu-node-%05u\",\"containers\":[{\"name\":"
            "\"c\",\"image\":\"web\",\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":"
            "\"128Mi\"}}}]},\"status\":{\"phase\":\"Running\"}}",
            i, i, i, i % b->nodes);
    take(b, CTL_PODS);
}

static void fill(struct bench *b)
{
    for (unsigned k = 0; k < CTL_KIND_COUNT; k++)
        b->caches[k] = kube_cache_new(k);
    for (uint32_t i = 0; i < b->nodes; i++)
        put_node(b, i);
    for (uint32_t i = 0; i * PODS_AN_OWNER < b->pods; i++)
        put_owner(b, i);
    for (uint32_t i = 0; i < b->pods; i++)
        put_pod(b, i);
    for (uint32_t i = 0; i < b->others; i++)
        put_other(b, i);
    buf_puts(&b->text,
            "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"p\",\"uid\":\"p\"},\"spec\":{"
            "\"devicePlugin\":{\"config\":{\"name\":\"sharing\"}}}}");
    take(b, CTL_CLUSTER_POLICIES);
}

/* -- the times ----------------------------------------------------------------------------------
 */

enum phase { PHASE_SNAPSHOT, PHASE_WORLD, PHASE_FEED, PHASE_FREE, PHASE_COUNT };

static void run(struct bench *b, struct ctl_feed *feed, int64_t *ret_ns, uint32_t *ret_facts)
{
    const bool synced[CORE_SOURCE_COUNT] = {true, true, true, true};
    struct ctl_world_options o = {.policy = policy_preset(STR_LIT("balanced")),
            .price_default = price_of,
            .wall_ns = os_clock_wall_ns(),
            .resting_owners = true};
    struct err e = {0};
    struct ctl_world w;
    const struct core_fact *facts;
    int64_t at[PHASE_COUNT + 1];
    for (unsigned k = 0; k < CTL_KIND_COUNT; k++)
        o.seen[k] = true;
    at[0] = cpu_ns();
    struct ctl_snapshot *s = ctl_snapshot_new();
    s->each_once = true;
    for (unsigned k = 0; k < CTL_KIND_COUNT; k++) {
        uint32_t cursor = 0;
        struct kube_row row;
        while (kube_cache_next(b->caches[k], &cursor, &row)) {
            if (ctl_slim_put(s, b->a, (enum ctl_kind)k, &row, &e) < 0)
                die(&e);
        }
    }
    at[1] = cpu_ns();
    struct arena *a = arena_new((size_t)4 << 30);
    if (ctl_world_build(a, s, &o, &w, &e) < 0)
        die(&e);
    at[2] = cpu_ns();
    ctl_feed_world(feed, &w, synced);
    *ret_facts = ctl_feed_take(feed, o.wall_ns, &facts);
    at[3] = cpu_ns();
    ctl_world_clear(&w);
    (void)arena_free(a);
    (void)ctl_snapshot_free(s);
    at[4] = cpu_ns();
    for (unsigned p = 0; p < PHASE_COUNT; p++)
        ret_ns[p] = at[p + 1] - at[p];
}

static uint32_t argument(int argc, char **argv, int i, uint32_t otherwise)
{
    uint64_t value = otherwise;
    if (i < argc && str_to_u64(str_from(argv[i]), 0, 1000000, &value) < 0) {
        (void)fprintf(stderr, "ctl: '%s': expected 0 to 1000000\n", argv[i]);
        exit(2);
    }
    return (uint32_t)value;
}

static void report(const struct bench *b, int64_t best[PHASE_COUNT], uint32_t first, uint32_t again)
{
    static const char *const names[] = {"snapshot_ms", "world_ms", "feed_ms", "free_ms"};
    struct buf out = BUF_INIT(1 << 16);
    struct json_writer w = JSON_WRITER(&out, 2);
    int64_t sum = 0;
    size_t bytes = 0;
    for (unsigned k = 0; k < CTL_KIND_COUNT; k++)
        bytes += kube_cache_bytes(b->caches[k]);
    jw_object(&w);
    jw_kv_u64(&w, "gpu_nodes", b->nodes);
    jw_kv_u64(&w, "gpu_pods", b->pods);
    jw_kv_u64(&w, "other_pods", b->others);
    jw_kv_u64(&w, "whole_mib", b->whole_bytes >> 20);
    jw_kv_u64(&w, "cached_mib", bytes >> 20);
    jw_kv_fixed(&w, "slim_ms", b->slim_ns / 1000, 3);
    for (unsigned p = 0; p < PHASE_COUNT; p++) {
        jw_kv_fixed(&w, names[p], best[p] / 1000, 3);
        sum += best[p];
    }
    jw_kv_fixed(&w, "rebuild_ms", sum / 1000, 3);
    jw_kv_u64(&w, "facts_first", first);
    jw_kv_u64(&w, "facts_again", again);
    jw_kv_u64(&w, "peak_rss_mib", os_usage_peak_rss_mib());
    jw_object_end(&w);
    (void)printf("%s\n", out.ptr);
    buf_clear(&out);
}

int main(int argc, char **argv)
{
    struct bench b = {.nodes = argument(argc, argv, 1, 5000),
            .pods = argument(argc, argv, 2, 20000),
            .others = argument(argc, argv, 3, 0),
            .a = arena_new(1 << 30),
            .text = BUF_INIT(OBJECT_MAX),
            .slim = BUF_INIT(OBJECT_MAX)};
    int64_t best[PHASE_COUNT], ns[PHASE_COUNT];
    uint32_t first = 0, again = 0;
    struct ctl_feed *feed = ctl_feed_new();
    fill(&b);
    for (unsigned i = 0; i < RUNS; i++) {
        run(&b, feed, ns, i == 0 ? &first : &again);
        for (unsigned p = 0; p < PHASE_COUNT; p++)
            best[p] = i <= 1 ? ns[p] : num_min_i64(best[p], ns[p]); /* the first warms up */
    }
    report(&b, best, first, again);
    (void)ctl_feed_free(feed);
    for (unsigned k = 0; k < CTL_KIND_COUNT; k++)
        kube_cache_free(b.caches[k]);
    buf_clear(&b.text);
    buf_clear(&b.slim);
    (void)arena_free(b.a);
    return 0;
}
