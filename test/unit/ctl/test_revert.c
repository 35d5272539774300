/* ctl/revert: which nodes carry our mark, and what they go back to. */
#include "cluster.h"

#include "core/annotation.h"
#include "ctl/names.h"
#include "ctl/revert.h"

/* A node with labels and annotations, JSON members without braces; "" = none. */
static void put(struct cluster *c, const char *name, const char *labels, const char *annotations,
        bool closed)
{
    buf_printf(&c->text,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"uid\":\"node-%s\",\"labels\":{"
            "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"%s%s},\"annotations\":{%s}},"
            "\"spec\":{\"unschedulable\":%s}}\n",
            name, name, labels[0] != '\0' ? "," : "", labels, annotations,
            closed ? "true" : "false");
}

static const struct ctl_revert_node *find(
        const struct ctl_revert_node *nodes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (str_eq_c(nodes[i].node->name, name))
            return &nodes[i];
    }
    return NULL;
}

#define PLUGIN(key) "\"nvidia.com/device-plugin.config\":\"" key "\""
#define POOL        "\"sharing.slicewright.io/pool\":\"ts\""
#define ORIGINAL(key, mig)                                                                         \
    "\"sharing.slicewright.io/original\":\"{\\\"nvidia.com/device-plugin.config\\\":\\\"" key      \
    "\\\",\\\"nvidia.com/mig.config\\\":\\\"" mig                                                  \
    "\\\",\\\"sharing.slicewright.io/pool\\\":\\\"\\\"}\""

/* A record as the core writes it, quoted once more. */
static void put_record(struct buf *out, bool cordon)
{
    struct buf text = BUF_INIT(CORE_ANNOTATION_MAX);
    const struct core_record r = {.state = CORE_RECORD_FORWARD, .cordon = cordon};
    struct err e = {0};
    assert_int_equal(core_record_write(&r, &text, &e), 0);
    buf_puts(out, "\"sharing.slicewright.io/rollout\":\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_putc(out, '\\');
        buf_putc(out, text.ptr[i]);
    }
    buf_putc(out, '"');
    buf_clear(&text);
}

static void put_cluster(struct cluster *c)
{
    struct buf ours = BUF_INIT(2 * CORE_ANNOTATION_MAX), theirs = BUF_INIT(2 * CORE_ANNOTATION_MAX);
    put_record(&ours, true);
    put_record(&theirs, false);
    put(c, "plain", "", "", false);
    put(c, "admin", PLUGIN("by-hand"), "", true);
    put(c, "shared", PLUGIN("shared-x4-0a1b2c3d") "," POOL, ORIGINAL("", ""), false);
    put(c, "same", PLUGIN("by-hand"), ORIGINAL("by-hand", ""), false);
    put(c, "midway", PLUGIN("by-hand"), ours.ptr, true);
    put(c, "not-closed-by-us", PLUGIN("by-hand"), theirs.ptr, true);
    put(c, "unreadable", "", "\"sharing.slicewright.io/rollout\":\"{\"", true);
    put(c, "half-reverted", POOL, "\"sharing.slicewright.io/revert\":\"closed\"", true);
    put(c, "lost", PLUGIN("shared-x4-0a1b2c3d") "," POOL, "", false);
    put(c, "broken", POOL, "\"sharing.slicewright.io/original\":\"{\"", false);
    put_deployment(c, "web", 2, "", "");
    put_pod(c, "web", "a", "shared");
    put_pod(c, "web", "b", "same");
    buf_puts(&c->text,
            "{\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"gpu-operator\",\"name\":\"m\","
            "\"labels\":{\"app.kubernetes.io/managed-by\":\"slicewright\"}},\"data\":{"
            "\"shared-x4-0a1b2c3d\":\"version: v1\"}}\n"
            "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"devicePlugin\":{"
            "\"config\":{\"name\":\"m\"}}}}\n");
    uint32_t ignored = 0;
    struct err e = {0};
    if (ctl_snapshot_read(c->s, buf_str(&c->text), &ignored, &e) < 0)
        fail_msg("%s", e.text);
    buf_clear(&ours);
    buf_clear(&theirs);
}

static void only_marked_nodes_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *name, *plugin;
        bool known, drains, ours;
        uint32_t pods;
        bool waits;
    } want[] = {
            {"shared", "", true, true, false, 1, false},
            {"same", "by-hand", true, false, false, 0,
                    false}, /* nothing to change: nobody has to go */
            {"midway", "by-hand", false, false, true, 0, false},
            {"not-closed-by-us", "by-hand", false, false, false, 0, false},
            {"unreadable", "", false, false, false, 0, false}, /* a cordon of unknown hand stays */
            {"half-reverted", "", false, false, true, 0, true},
            {"lost", "", false, true, false, 0, false}, /* its label names a key of ours */
            {"broken", "", false, false, false, 0, false},
    };
    enum { WANTED = sizeof want / sizeof want[0] };
    struct cluster *c = cluster_new();
    const struct ctl_revert_node *nodes;
    put_cluster(c);
    uint32_t count = ctl_revert_find(c->a, c->s, &nodes);
    for (unsigned i = 0; i < WANTED; i++) {
        const struct ctl_revert_node *n = find(nodes, count, want[i].name);
        if (n == NULL) {
            fail_msg("%s is not found", want[i].name);
            continue; /* it ends the test, which no analyzer knows */
        }
        if (!str_eq_c(n->plugin_config, want[i].plugin) || n->pool.len != 0 ||
                n->original_known != want[i].known || n->drains != want[i].drains ||
                n->ours_cordon != want[i].ours || n->pods != want[i].pods ||
                n->waits != want[i].waits) {
            fail_msg("%s: '%.*s' known %d drains %d ours %d pods %u waits %d", want[i].name,
                    STR_ARG_SHORT(n->plugin_config), n->original_known, n->drains, n->ours_cordon,
                    n->pods, n->waits);
        }
    }
    assert_int_equal(count, WANTED);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_marked_nodes_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
