/* The openb reader: what it reads, each way in which it refuses, and the orders that it makes. */
#include "test.h"

#include "sim/openb.h"

#include <errno.h>
#include <string.h>

#define NODE_HEADER "sn,cpu_milli,memory_mib,gpu,model\n"
#define POD_HEADER                                                                                 \
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,"                                    \
    "creation_time,deletion_time\n"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

static void assert_line(int rc, const struct err *e, const char *text)
{
    assert_int_equal(rc, -EINVAL);
    assert_null(strchr(e->text, '\n'));
    if (strstr(e->text, text) == NULL)
        fail_msg("'%s' does not say '%s'", e->text, text);
}

static void nodes_read(void **state)
{
    struct str csv = STR_LIT(NODE_HEADER "a,64000,262144,2,P100\nb,8000,1024,0,\nc,1,2,8,G2\n");
    struct sim_openb_nodes nodes;
    struct err e = {0};

    (void)state;
    assert_int_equal(sim_openb_nodes_parse(arena, csv, &nodes, &e), 0);
    assert_int_equal(nodes.count, 3);
    assert_int_equal(nodes.gpu_milli, 10000);
    assert_true(str_eq_c(nodes.rows[0].name, "a"));
    assert_int_equal(nodes.rows[0].cpu_milli, 64000);
    assert_int_equal(nodes.rows[0].memory_mib, 262144);
    assert_int_equal(nodes.rows[0].gpus, 2);
    assert_string_equal(sim_openb_models[nodes.rows[0].model].name, "P100");
    assert_int_equal(sim_openb_models[nodes.rows[2].model].memory_mib, 0); /* masked */
    assert_int_equal(nodes.rows[1].gpus, 0);
}

static void nodes_refused(void **state)
{
    static const struct {
        const char *csv, *says;
    } cases[] = {
            {"", "header"},
            {NODE_HEADER, "no nodes"},
            {"sn,cpu_milli,memory_mib,gpu\na,1,1,1\n", "model"},
            {NODE_HEADER "a,1,1,2,H100\n", "line 2, column model: 'H100': expected one of"},
            {NODE_HEADER "a,1,1,2,P100\na,1,1,2,T4\n", "line 3: 'a' is the name of row 1 already"},
            {NODE_HEADER "a,1,1,17,P100\n", "column gpu: '17'"},
            {NODE_HEADER "a,-1,1,1,P100\n", "column cpu_milli: '-1'"},
            {NODE_HEADER "a,nan,1,1,P100\n", "column cpu_milli: 'nan'"},
            {NODE_HEADER "a,1,99999999999999999999,1,P100\n", "column memory_mib"},
            {NODE_HEADER ",1,1,1,P100\n", "empty name"},
            {NODE_HEADER "a,1,1,0,P100\n", "expected none without GPUs"},
            {NODE_HEADER "a,1,1,1\n", "line 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_openb_nodes nodes = {.count = 7};
        struct err e = {0};
        int rc = sim_openb_nodes_parse(arena, str_from(cases[i].csv), &nodes, &e);

        assert_line(rc, &e, cases[i].says);
        assert_int_equal(nodes.count, 7); /* written on success only */
    }
}

static void pods_read(void **state)
{
    struct str csv = STR_LIT(POD_HEADER "a,1000,2048,1,460,,LS,5,9\nb,1000,2048,0,0,,BE,,\n"
                                        "c,1000,2048,8,1000,T4|P100|T4,LS,1,1\n");
    struct str plain = STR_LIT("name,cpu_milli,memory_mib,num_gpu,gpu_milli\n\"a\"\"b\",1,2,1,1\n");
    struct sim_openb_pods pods;
    struct err e = {0};

    (void)state;
    assert_int_equal(sim_openb_pods_parse(arena, csv, &pods, &e), 0);
    assert_int_equal(pods.count, 3);
    assert_int_equal(pods.gpu_milli, 8460);
    assert_int_equal(pods.rows[0].gpu_milli, 460);
    assert_true(pods.rows[0].times_known);
    assert_int_equal(pods.rows[0].deleted_s, 9);
    assert_false(pods.rows[1].times_known);
    assert_true(str_eq_c(pods.rows[1].qos, "BE"));
    assert_int_equal(__builtin_popcount(pods.rows[2].models), 2);
    assert_int_equal(sim_openb_pods_parse(arena, plain, &pods, &e), 0);
    assert_true(str_eq_c(pods.rows[0].name, "a\"b"));
    assert_int_equal(pods.rows[0].models, 0);
}

static void pods_refused(void **state)
{
    static const struct {
        const char *csv, *says;
    } cases[] = {
            {POD_HEADER "a,1,1,1,0,,,,\n", "expected 1 to 1000 with num_gpu 1"},
            {POD_HEADER "a,1,1,0,5,,,,\n", "expected 0 with num_gpu 0"},
            {POD_HEADER "a,1,1,2,500,,,,\n", "expected 1000 with num_gpu 2"},
            {POD_HEADER "a,1,1,1,1001,,,,\n", "column gpu_milli: '1001'"},
            {POD_HEADER "a,1,1,1,1,T4|X9,,,\n", "column gpu_spec: 'X9'"},
            {POD_HEADER "a,1,1,1,1,,,9,5\n", "column deletion_time: '5'"},
            {POD_HEADER "a,1,1,1,1,,,,\na,1,1,1,1,,,,\n", "is the name of row 1 already"},
            {POD_HEADER, "no pods"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_openb_pods pods;
        struct err e = {0};

        assert_line(
                sim_openb_pods_parse(arena, str_from(cases[i].csv), &pods, &e), &e, cases[i].says);
    }
}

static void lists_small(struct sim_openb_nodes *nodes, struct sim_openb_pods *pods)
{
    struct str node_csv = STR_LIT(NODE_HEADER "n-1,1,1,1,T4\nn-2,1,1,1,T4\n");
    struct str pod_csv = STR_LIT(POD_HEADER "p,1,1,1,500,,,,\nq,1,1,0,0,,,,\n");
    struct err e = {0};

    assert_int_equal(sim_openb_nodes_parse(arena, node_csv, nodes, &e), 0);
    assert_int_equal(sim_openb_pods_parse(arena, pod_csv, pods, &e), 0);
}

static void orders_read_and_refused(void **state)
{
    static const struct {
        const char *csv, *says;
    } cases[] = {
            {"base_pod,fgd_node\n", "no arrivals"},
            {"pod\np\n", "base_pod"},
            {"base_pod,fgd_node\nx,\n", "line 2, column base_pod: 'x': no such pod"},
            {"base_pod,fgd_node\np,0000-n-9\n", "'n-9': no such node"},
            {"base_pod,fgd_node\np,n\n", "expected RANK-NAME"},
            {"base_pod,fgd_node\np,1-n-1\np,2-n-1\n", "expected rank 1"},
    };
    struct str untold = STR_LIT("seq,base_pod\n0,p\n");
    struct str good = STR_LIT("base_pod,fgd_node\np,0007-n-2\nq,\np,7-n-2\n");
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    struct sim_openb_cluster cluster = {.nodes = &nodes, .pods = &pods};
    struct sim_openb_order order;
    struct err e = {0};

    (void)state;
    lists_small(&nodes, &pods);
    assert_int_equal(sim_openb_order_parse(arena, good, &cluster, &order, &e), 0);
    assert_int_equal(order.count, 3);
    assert_int_equal(order.gpu_milli, 1000);
    assert_int_equal(order.node_chosen[0], 1);
    assert_int_equal(order.node_chosen[1], UINT32_MAX);
    assert_int_equal(order.node_rank[1], 7);
    assert_int_equal(order.node_rank[0], UINT32_MAX);
    assert_int_equal(sim_openb_order_parse(arena, untold, &cluster, &order, &e), 0);
    assert_null(order.node_chosen);
    assert_null(order.node_rank);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_line(sim_openb_order_parse(arena, str_from(cases[i].csv), &cluster, &order, &e), &e,
                cases[i].says);
    }
}

static void orders_made(void **state)
{
    struct sim_openb_load load = {.capacity_milli = 10000, .load_permille = 1300, .seed = 4};
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    struct sim_openb_order one, two;
    struct err e = {0};
    uint32_t times[2] = {0};

    (void)state;
    lists_small(&nodes, &pods);
    assert_int_equal(sim_openb_order_make(arena, &pods, &load, &one, &e), 0);
    assert_int_equal(one.gpu_milli, 13000); /* in steps of 500 */
    for (uint32_t i = 0; i < one.count; i++)
        times[one.pods[i]]++;
    assert_int_equal(times[0], 26);
    assert_true(times[1] >= 1);
    assert_int_equal(sim_openb_order_make(arena, &pods, &load, &two, &e), 0);
    assert_memory_equal(one.pods, two.pods, one.count * sizeof(*one.pods));
    load.seed = 5;
    assert_int_equal(sim_openb_order_make(arena, &pods, &load, &two, &e), 0);
    assert_true(two.count != one.count ||
                memcmp(one.pods, two.pods, one.count * sizeof(*one.pods)) != 0);
    load.capacity_milli = UINT64_MAX / 2000;
    assert_int_equal(sim_openb_order_make(arena, &pods, &load, &two, &e), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(nodes_read, setup, teardown),
            cmocka_unit_test_setup_teardown(nodes_refused, setup, teardown),
            cmocka_unit_test_setup_teardown(pods_read, setup, teardown),
            cmocka_unit_test_setup_teardown(pods_refused, setup, teardown),
            cmocka_unit_test_setup_teardown(orders_read_and_refused, setup, teardown),
            cmocka_unit_test_setup_teardown(orders_made, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
