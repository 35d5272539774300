/* bench/kube.c - follows nodes and pods of an API server as a controller would, and measures
 * itself.
 *
 * bench/kube/informers does the same with client-go; bench/kube/run compares.  Prints one JSON
 * object.
 *
 *   kube --kubeconfig FILE --seconds 20 */
#include "base/arena.h"
#include "kube/fields.h"
#include "kube/watch.h"
#include "os/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { KINDS = 2 };

/* What is kept of a pod; strings follow in this order, each after its length of two bytes: node,
 * scheduler, priority class, owner's kind, name and uid, ip, selector pairs, resource names. */
struct pod_row {
    int64_t created_ns, started_ns, deleted_ns;
    int64_t cpu_milli, memory_bytes;
    int64_t counts[4];
    uint8_t phase, ready, unschedulable, resource_count, selector_count;
};

/* Of a node: provider id, labels that matter, taints, resource names. */
struct node_row {
    int64_t created_ns, deleted_ns;
    int64_t cpu_milli, memory_bytes, pods;
    int64_t counts[8];
    uint8_t ready, unschedulable, resource_count, taint_count, label_count;
};

struct bench {
    struct os_loop *loop;
    struct kube_watch *watches[KINDS];
    unsigned synced;
    uint64_t changes;
    int64_t began_ns;
    struct os_timer end;
    int64_t seconds;
    int64_t sync_ns, sync_cpu_ms;
    uint64_t changes_before;
};

static void put_text(struct buf *row, struct str s)
{
    uint16_t len = (uint16_t)(s.len > UINT16_MAX ? UINT16_MAX : s.len);
    buf_put(row, (struct str){(const char *)&len, sizeof len});
    buf_put(row, (struct str){s.ptr, len});
}

static int keep_pod(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    struct kube_pod p;
    kube_pod_read(item, &p);
    struct pod_row r;
    memset(&r, 0, sizeof r); /* the row is compared bytewise, padding too */
    r.created_ns = p.created_wall_ns;
    r.started_ns = p.started_wall_ns;
    r.deleted_ns = p.deleted_wall_ns;
    r.cpu_milli = p.spec.requests.cpu_milli;
    r.memory_bytes = p.spec.requests.memory_bytes;
    r.phase = (uint8_t)p.phase;
    r.ready = p.ready;
    r.unschedulable = p.unschedulable;
    for (uint32_t i = 0; i < p.spec.requests.count && i < 4; i++, r.resource_count++)
        r.counts[i] = p.spec.requests.list[i].count;
    r.selector_count = (uint8_t)p.spec.selector_count;
    buf_put(row, (struct str){(const char *)&r, sizeof r});
    put_text(row, p.spec.node);
    put_text(row, p.spec.scheduler);
    put_text(row, p.spec.priority_class);
    put_text(row, p.owner.kind);
    put_text(row, p.owner.name);
    put_text(row, p.owner.uid);
    put_text(row, p.ip);
    for (uint32_t i = 0; i < p.spec.selector_count; i++) {
        put_text(row, p.spec.selector[i].key);
        put_text(row, p.spec.selector[i].value);
    }
    for (uint32_t i = 0; i < r.resource_count; i++)
        put_text(row, p.spec.requests.list[i].name);
    return 0;
}

static bool is_kept_label(struct str key)
{
    return str_starts(key, STR_LIT("nvidia.com/")) ||
           str_starts(key, STR_LIT("topology.kubernetes.io/")) ||
           str_eq_c(key, "node.kubernetes.io/instance-type");
}

static int keep_node(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    struct kube_node n;
    kube_node_read(item, &n);
    struct node_row r;
    memset(&r, 0, sizeof r);
    r.created_ns = n.created_wall_ns;
    r.deleted_ns = n.deleted_wall_ns;
    r.cpu_milli = n.allocatable.cpu_milli;
    r.memory_bytes = n.allocatable.memory_bytes;
    r.pods = n.allocatable.pods;
    r.ready = n.ready;
    r.unschedulable = n.unschedulable;
    r.taint_count = (uint8_t)n.taint_count;
    for (uint32_t i = 0; i < n.allocatable.count && i < 8; i++, r.resource_count++)
        r.counts[i] = n.allocatable.list[i].count;
    KUBE_FOREACH(it, kube_item_at(item, "metadata.labels"))
    {
        r.label_count = (uint8_t)(r.label_count + is_kept_label(it.key));
    }
    buf_put(row, (struct str){(const char *)&r, sizeof r});
    put_text(row, n.provider_id);
    KUBE_FOREACH(it, kube_item_at(item, "metadata.labels"))
    {
        if (!is_kept_label(it.key))
            continue;
        put_text(row, it.key);
        put_text(row, kube_value_str(it.value));
    }
    for (uint32_t i = 0; i < n.taint_count; i++) {
        put_text(row, n.taints[i].key);
        put_text(row, n.taints[i].value);
        put_text(row, n.taints[i].effect);
    }
    for (uint32_t i = 0; i < r.resource_count; i++)
        put_text(row, n.allocatable.list[i].name);
    return 0;
}

static int64_t cpu_ms(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    (void)change;
    (void)row;
    (void)item;
    ((struct bench *)user)->changes++;
}

static void told_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    struct bench *b = user;
    if (sync == KUBE_SYNC_LOST) {
        fprintf(stderr, "kube: %s\n", reason->text);
        exit(1);
    }
    if (++b->synced < KINDS)
        return;
    b->sync_ns = os_clock_mono_ns() - b->began_ns;
    b->sync_cpu_ms = cpu_ms();
    b->changes_before = b->changes;
    os_loop_timer_set(b->loop, &b->end, os_clock_mono_ns() + b->seconds * 1000000000);
}

static void on_end(struct os_timer *t)
{
    os_loop_stop(((struct bench *)((char *)t - offsetof(struct bench, end)))->loop);
}

static void report(const struct bench *b)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    printf("{\"nodes\": %u, \"pods\": %u, \"sync_ms\": %" PRId64 ", \"sync_cpu_ms\": %" PRId64
           ", \"changes\": %" PRIu64 ", \"change_cpu_ms\": %" PRId64 ", \"peak_kib\": %ld, "
           "\"cache_kib\": %zu}\n",
            kube_cache_count(kube_watch_cache(b->watches[0])),
            kube_cache_count(kube_watch_cache(b->watches[1])), b->sync_ns / 1000000, b->sync_cpu_ms,
            b->changes - b->changes_before, cpu_ms() - b->sync_cpu_ms, u.ru_maxrss,
            (kube_cache_bytes(kube_watch_cache(b->watches[0])) +
                    kube_cache_bytes(kube_watch_cache(b->watches[1]))) /
                    1024);
}

int main(int argc, char **argv)
{
    static const char *const paths[KINDS] = {"/api/v1/nodes", "/api/v1/pods"};
    struct bench b = {.began_ns = os_clock_mono_ns(), .end.fire = on_end, .seconds = 20};
    struct kube_config_spec spec = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--kubeconfig") == 0) {
            spec.path = argv[i + 1];
        } else if (strcmp(argv[i], "--seconds") == 0) {
            (void)str_to_i64(str_from(argv[i + 1]), 0, 3600, &b.seconds);
        }
    }
    struct arena *a = arena_new(0);
    struct kube_config config;
    struct kube_client_options options = {.seed = 1};
    struct kube_client *client = NULL;
    struct err e = {0};
    if (os_loop_new(&b.loop, &e) < 0 || kube_config_load(a, &spec, &config, &e) < 0 ||
            kube_client_new(b.loop, &config, &options, &client, &e) < 0) {
        fprintf(stderr, "kube: %s\n", e.text);
        return 2;
    }
    for (unsigned i = 0; i < KINDS; i++) {
        struct kube_watch_options watch = {.path = paths[i]};
        struct kube_watch_handler handler = {.project = i == 0 ? keep_node : keep_pod,
                .changed = changed,
                .sync = told_sync,
                .user = &b};
        if (kube_watch_start(client, &watch, &handler, &b.watches[i], &e) < 0) {
            fprintf(stderr, "kube: %s\n", e.text);
            return 2;
        }
    }
    if (os_loop_run(b.loop, &e) < 0)
        return 1;
    report(&b);
    for (unsigned i = 0; i < KINDS; i++)
        kube_watch_stop(b.watches[i]);
    kube_client_free(client);
    os_loop_free(b.loop);
    arena_free(a);
    return 0;
}
