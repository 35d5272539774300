/* Answers of Prometheus and scrapes joined to a world of whole and split GPUs: any bytes give
 * readings in order, of nodes and GPUs that are there, with instances where they can be. */
#include "base/buf.h"
#include "ctl/history.h"
#include "mig/layout.h"
#include "model/gpu.h"
#include "policy/policy.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char objects[] =
        "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"uid\":\"1\",\"labels\":{"
        "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\",\"nvidia.com/gpu.count\":\"2\"}},"
        "\"status\":{\"capacity\":{\"nvidia.com/gpu\":\"2\"}}}"
        "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n2\",\"uid\":\"2\",\"labels\":{"
        "\"nvidia.com/gpu.product\":\"NVIDIA-L4\",\"nvidia.com/gpu.count\":\"1\"}},"
        "\"status\":{\"capacity\":{\"nvidia.com/gpu\":\"1\"}}}"
        "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"a\",\"name\":\"x\",\"uid\":\"3\","
        "\"labels\":{"
        "\"app\":\"nvidia-dcgm-exporter\"}},\"spec\":{\"nodeName\":\"n2\",\"containers\":[]},"
        "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}";

static int64_t price_of(uint16_t gpu)
{
    return gpu + 1;
}

/* Instances of a GPU at a time can be there together. */
static void check_instance(
        const struct ctl_world *w, const struct ctl_gpu_reading *g, struct mig_layout *layout)
{
    const struct model_gpu *gpu = model_gpu_get(w->nodes[g->all.node].node.gpu);
    struct err e;
    if (layout->model == NULL)
        mig_layout_init(layout, mig_model_find(gpu->mig_key));
    const struct mig_instance i = {g->all.profile, g->all.start, false};
    assert(mig_layout_add(layout, i, NULL, &e) == 0);
}

static void check(const struct ctl_world *w, const struct ctl_history *h)
{
    struct ctl_gpu_reading g, last = {.all = {.wall_ns = INT64_MIN}};
    struct mig_layout layout = {0};
    uint32_t cursor = 0;
    while (ctl_history_next(h, &cursor, &g)) {
        bool same = g.all.wall_ns == last.all.wall_ns && g.all.node == last.all.node &&
                    g.all.gpu == last.all.gpu;
        assert(g.all.wall_ns >= last.all.wall_ns && g.all.valid != 0);
        assert(g.all.node < w->node_count);
        assert(g.all.gpu < w->nodes[g.all.node].node.gpu_count);
        assert(g.all.busy_permille <= 1000 && g.all.sm_permille <= 1000);
        assert((g.all.start == UINT8_MAX) == (g.all.profile == UINT8_MAX));
        for (uint32_t i = 0; i < g.occupant_count; i++)
            assert(g.occupants[i] < h->pod_count);
        if (!same)
            layout.model = NULL;
        if (g.all.start != UINT8_MAX)
            check_instance(w, &g, &layout);
        last = g;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl_snapshot *s = ctl_snapshot_new();
    struct arena *a = arena_new(256 << 20);
    const struct ctl_world_options o = {
            .policy = policy_preset(STR_LIT("balanced")), .price_default = price_of, .wall_ns = 1};
    struct ctl_world w = {0};
    struct err e = {0};
    uint32_t ignored = 0;
    int rc = ctl_snapshot_read(s, str_from(objects), &ignored, &e);
    assert(rc == 0);
    rc = ctl_world_build(a, s, &o, &w, &e);
    assert(rc == 0);
    struct ctl_history *h = ctl_history_new(&w);
    struct str text = {(const char *)data, size};
    struct net_prom prom;
    struct nvidia_dcgm scrape;
    /* The same as each metric: series of several metrics join. */
    for (unsigned m = 0; ctl_history_metrics[m] != NULL; m++) {
        if (net_prom_parse(a, text, &prom, &e) == 0)
            (void)ctl_history_add_prom(h, ctl_history_metrics[m], &prom, &e);
    }
    if (nvidia_dcgm_parse(a, text, &scrape, &e) == 0)
        (void)ctl_history_add_scrape(h, &scrape, 0, 1000, &e);
    ctl_history_finish(h);
    check(&w, h);
    (void)ctl_history_free(h);
    ctl_world_clear(&w);
    (void)arena_free(a);
    (void)ctl_snapshot_free(s);
    return 0;
}
