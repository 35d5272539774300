/* Files of objects: any bytes give one line, or a snapshot of which a world can be built. */
#include "base/buf.h"
#include "ctl/world.h"
#include "policy/policy.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t price_of(uint16_t gpu)
{
    return gpu + 1;
}

static void assert_line(const struct err *e)
{
    assert(e->code < 0 && e->text[0] != '\0' && strchr(e->text, '\n') == NULL);
}

/* Rows hang together: pods have owners, and nodes when they are placed. */
static void check(const struct ctl_world *w)
{
    assert(w->node_count > 0);
    for (uint32_t i = 0; i < w->node_count; i++)
        assert(w->nodes[i].node.uid != 0 && w->nodes[i].node.gpu_count > 0);
    for (uint32_t i = 0; i < w->pod_count; i++) {
        assert(map_u64_find(&w->owner_index, w->pods[i].pod.owner) < w->owner_count);
        assert(w->pods[i].pod.node == 0 ||
                map_u64_find(&w->node_by_uid, w->pods[i].pod.node) < w->node_count);
        (void)ctl_world_owner_by_name(w, w->pod_rows[i]->namespace, w->pod_rows[i]->name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl_snapshot *s = ctl_snapshot_new();
    struct arena *a = arena_new(256 << 20);
    struct ctl_world_options o = {
            .policy = policy_preset(STR_LIT("balanced")), .price_default = price_of, .wall_ns = 1};
    struct ctl_world w = {0};
    struct err e = {0};
    uint32_t ignored = 0;
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        o.seen[k] = size % 2 == 0;
    if (ctl_snapshot_read(s, (struct str){(const char *)data, size}, &ignored, &e) < 0) {
        assert_line(&e);
    } else if (ctl_world_build(a, s, &o, &w, &e) < 0) {
        assert_line(&e);
    } else {
        check(&w);
        ctl_world_clear(&w);
    }
    (void)arena_free(a);
    (void)ctl_snapshot_free(s);
    return 0;
}
