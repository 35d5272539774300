/* fuzz/fuzz_openb.c - any bytes as an openb node list, pod list or arrival order: refused in one
 * line, or rows that keep the ranges of sim/openb.h.  The first byte picks the reader. */
#include "sim/openb.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str some_nodes = STR_LIT("sn,cpu_milli,memory_mib,gpu,model\n"
                                             "n-1,64000,262144,2,P100\nn-2,8000,32768,1,T4\n");
static const struct str some_pods = STR_LIT("name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"
                                            "p,1000,2048,1,460\nq,1000,2048,0,0\n");

static void assert_error(int rc, const struct err *e)
{
    assert(rc < 0 && e->code < 0 && e->text[0] != '\0' && strchr(e->text, '\n') == NULL);
}

static void try_nodes(struct arena *a, struct str text)
{
    struct sim_openb_nodes nodes;
    struct err e = {0};
    uint64_t milli = 0;
    int rc = sim_openb_nodes_parse(a, text, &nodes, &e);

    if (rc < 0) {
        assert_error(rc, &e);
        return;
    }
    assert(nodes.count > 0);
    for (uint32_t i = 0; i < nodes.count; i++) {
        assert(nodes.rows[i].name.len > 0 && nodes.rows[i].model < SIM_OPENB_MODELS);
        milli += UINT64_C(1000) * nodes.rows[i].gpus;
    }
    assert(milli == nodes.gpu_milli);
}

static void try_pods(struct arena *a, struct str text)
{
    struct sim_openb_pods pods;
    struct err e = {0};
    int rc = sim_openb_pods_parse(a, text, &pods, &e);

    if (rc < 0) {
        assert_error(rc, &e);
        return;
    }
    assert(pods.count > 0);
    for (uint32_t i = 0; i < pods.count; i++) {
        const struct sim_openb_pod *p = &pods.rows[i];

        assert(p->gpus <= SIM_OPENB_GPUS_MAX && p->gpu_milli <= 1000);
        assert((p->gpus == 0) == (p->gpu_milli == 0));
        assert(!p->times_known || p->created_s <= p->deleted_s);
    }
}

static void try_order(struct arena *a, struct str text)
{
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    struct sim_openb_cluster cluster = {.nodes = &nodes, .pods = &pods};
    struct sim_openb_order order;
    struct err e = {0};
    int rc = sim_openb_nodes_parse(a, some_nodes, &nodes, &e);

    assert(rc == 0);
    rc = sim_openb_pods_parse(a, some_pods, &pods, &e);
    assert(rc == 0);
    rc = sim_openb_order_parse(a, text, &cluster, &order, &e);
    if (rc < 0) {
        assert_error(rc, &e);
        return;
    }
    for (uint32_t i = 0; i < order.count; i++) {
        assert(order.pods[i] < pods.count);
        assert(order.node_chosen == NULL || order.node_chosen[i] == UINT32_MAX ||
                order.node_chosen[i] < nodes.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a;
    struct str text;

    if (size == 0)
        return 0;
    a = arena_new((size_t)64 << 20);
    text = (struct str){(const char *)data + 1, size - 1};
    if (data[0] == 'p') {
        try_pods(a, text);
    } else if (data[0] == 'o') {
        try_order(a, text);
    } else {
        try_nodes(a, text);
    }
    arena_free(a);
    return 0;
}
