/* The published experiment, on its exact arrivals: FGD chooses every node that the authors' program
 * chose, and BEST allocates more without taking it from the pods of many GPUs.  Needs the shared
 * traces. */
#include "test.h"

#include "os/file.h"
#include "place/online.h"
#include "sim/openb.h"

#include <stdlib.h>

enum { BYTES_MAX = 64 << 20, BIG_GPUS = 4 };

struct trace {
    struct arena *arena;
    struct buf texts[3];
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    struct sim_openb_order order;
    struct place_request *requests; /* by row of the pod list */
    uint32_t *row;                  /* number on the board -> row of the node list */
};

struct result {
    uint64_t allocated_milli, allocated_at_100_milli;
    uint32_t big_accepted, node_differs;
};

static struct str trace_read(struct trace *t, unsigned text, const char *relative)
{
    char *path = test_data_path(relative);
    struct err e = {0};

    if (path == NULL)
        test_data_missing(relative);
    if (os_file_read(path, BYTES_MAX, &t->texts[text], &e) < 0)
        fail_msg("%s", e.text);
    free(path);
    return buf_str(&t->texts[text]);
}

static int trace_open(void **state)
{
    static struct trace trace;

    trace = (struct trace){.arena = arena_new(0)};
    *state = &trace;
    return 0;
}

static int trace_close(void **state)
{
    struct trace *t = *state;

    for (unsigned i = 0; i < 3; i++)
        buf_clear(&t->texts[i]);
    arena_free(t->arena);
    return 0;
}

static void trace_load(struct trace *t)
{
    struct sim_openb_cluster cluster = {.nodes = &t->nodes, .pods = &t->pods};
    struct str nodes = trace_read(t, 0, "openb/openb_node_list_gpu_node.csv");
    struct str pods = trace_read(t, 1, "openb/openb_pod_list_default.csv");
    struct str order = trace_read(t, 2, "openb/arrival_default_seed42_fgd.csv.gz");
    struct err e = {0};

    if (sim_openb_nodes_parse(t->arena, nodes, &t->nodes, &e) < 0 ||
            sim_openb_pods_parse(t->arena, pods, &t->pods, &e) < 0 ||
            sim_openb_order_parse(t->arena, order, &cluster, &t->order, &e) < 0)
        fail_msg("%s", e.text);
    t->requests = ARENA_ARRAY(t->arena, struct place_request, t->pods.count);
    for (uint32_t i = 0; i < t->pods.count; i++) {
        const struct sim_openb_pod *p = &t->pods.rows[i];
        bool whole = p->gpus > 0 && p->gpu_milli == 1000;

        t->requests[i] = (struct place_request){.cpu_milli = p->cpu_milli,
                .memory_mib = p->memory_mib,
                .share = whole ? 0 : p->gpu_milli,
                .cards = p->gpus,
                .whole = whole,
                .models = p->models};
    }
}

/* The nodes in the order in which the published run broke its ties. */
static struct place_board *trace_board(struct trace *t, enum place_policy policy)
{
    struct place_shape_rule rule = {.cover_permille = 950, .ignore_memory = true};
    struct place_board_options options = {.policy = policy};
    struct place_board *b;

    if (policy == PLACE_POLICY_BEST)
        rule = (struct place_shape_rule){.cover_permille = 990};
    place_shapes_common(t->arena, t->requests, t->pods.count, &rule, &options.shapes);
    b = place_board_new(&options);
    t->row = ARENA_ARRAY(t->arena, uint32_t, t->nodes.count);
    for (uint32_t i = 0; i < t->nodes.count; i++) {
        assert_true(t->order.node_rank[i] < t->nodes.count);
        t->row[t->order.node_rank[i]] = i;
    }
    for (uint32_t i = 0; i < t->nodes.count; i++) {
        const struct sim_openb_node *n = &t->nodes.rows[t->row[i]];
        struct place_node node = {.cpu_milli = n->cpu_milli,
                .memory_mib = n->memory_mib,
                .card_share = 1000,
                .card_count = n->gpus,
                .model = n->model};

        place_board_node_add(b, &node);
    }
    return b;
}

static struct result trace_run(struct trace *t, enum place_policy policy)
{
    struct place_board *b = trace_board(t, policy);
    struct result r = {0};
    uint64_t asked = 0;

    for (uint32_t i = 0; i < t->order.count; i++) {
        uint32_t row = t->order.pods[i], node = UINT32_MAX;
        const struct sim_openb_pod *p = &t->pods.rows[row];
        struct place_ask ask = {.request = t->requests[row]};
        struct place_choice choice;

        asked += (uint64_t)p->gpus * p->gpu_milli;
        if (place_board_put(b, &ask, &choice) == 0) {
            node = t->row[choice.spot.node];
            r.allocated_milli += (uint64_t)p->gpus * p->gpu_milli;
            r.big_accepted += p->gpus >= BIG_GPUS;
        }
        r.node_differs += node != t->order.node_chosen[i];
        if (asked <= t->nodes.gpu_milli)
            r.allocated_at_100_milli = r.allocated_milli;
    }
    place_board_free(b);
    return r;
}

static void fgd_is_the_published_one(void **state)
{
    struct trace *t = *state;
    struct result r;

    trace_load(t);
    r = trace_run(t, PLACE_POLICY_FGD);
    assert_int_equal(t->order.count, 10866);
    assert_int_equal(r.node_differs, 0);
    assert_int_equal(r.allocated_milli, 5919410);
}

static void best_allocates_more_and_starves_nobody(void **state)
{
    struct trace *t = *state;
    struct result best, fgd;

    trace_load(t);
    best = trace_run(t, PLACE_POLICY_BEST);
    fgd = trace_run(t, PLACE_POLICY_FGD);
    assert_true(best.allocated_milli > fgd.allocated_milli);
    assert_true(best.allocated_at_100_milli > fgd.allocated_at_100_milli);
    assert_true(best.big_accepted >= fgd.big_accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(fgd_is_the_published_one, trace_open, trace_close),
            cmocka_unit_test_setup_teardown(
                    best_allocates_more_and_starves_nobody, trace_open, trace_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
