/* Objects: any bytes give one line, or an item that every reader takes. */
#include "base/buf.h"
#include "kube/fields.h"
#include "kube/write.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct kube_item *item)
{
    struct kube_node node;
    struct kube_pod pod;
    struct kube_workload workload;
    struct kube_pdb pdb;
    struct kube_quota quota;
    struct kube_lease lease;
    kube_node_read(item, &node);
    assert(node.allocatable.count <= KUBE_RESOURCES_MAX && node.taint_count <= KUBE_TAINTS_MAX);
    kube_pod_read(item, &pod);
    assert(pod.spec.container_count <= KUBE_CONTAINERS_MAX);
    assert(pod.spec.toleration_count <= KUBE_TOLERATIONS_MAX);
    kube_workload_read(item, &workload);
    kube_pdb_read(item, &pdb);
    (void)kube_selector_matches(pdb.selector, kube_item_at(item, "metadata.labels"));
    kube_quota_read(item, &quota);
    assert(quota.count <= KUBE_RESOURCES_MAX);
    kube_lease_read(item, &lease);
    struct buf out = BUF_INIT(1 << 16);
    kube_write_field_managers(item, STR_LIT("spec\nunschedulable"), STR_LIT("x"), &out);
    kube_value_write(item->root, &out);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct kube_item item;
    struct err e = {0};
    if (kube_item_parse(a, (struct str){(const char *)data, size}, &item, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        assert(item.name.len > 0 && item.name.len <= KUBE_NAME_MAX);
        read_all(&item);
    }
    arena_free(a);
    return 0;
}
