/* Native packing on tables small enough to reckon by hand. */
#include "test.h"

#include "model/gpu.h"
#include "place/pack.h"

enum { NODES = 4, PODS = 6 };

struct table {
    struct arena *arena;
    struct place_pack pack;
    struct place_pack_node nodes[NODES];
    struct place_pack_gpu gpus[NODES];
    struct place_pack_pod pods[PODS];
    struct usage_dist quiet, hot;
    uint16_t recent[PODS][PLACE_PACK_WINDOW];
};

/* Four one-GPU nodes of 80,000 MiB and no pods. */
static void table_init(struct table *t)
{
    const struct model_gpu *gpu;
    *t = (struct table){.arena = arena_new(0)};
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    usage_dist_point(&t->quiet, 100);
    usage_dist_point(&t->hot, 700);
    t->pack = (struct place_pack){.rules = {.join_ppm = 10000,
                                          .split_ppm = 60000,
                                          .capacity_permille = 1000,
                                          .split_memory_permille = 1100,
                                          .pods_max = 4},
            .nodes = t->nodes,
            .node_count = NODES,
            .gpus = t->gpus,
            .gpu_count = NODES,
            .pods = t->pods};
    for (uint32_t n = 0; n < NODES; n++) {
        t->nodes[n] = (struct place_pack_node){
                .cpu_milli = 8000, .ram_mib = 64000, .microusd_per_hour = 1000000, .open = true};
        t->gpus[n] = (struct place_pack_gpu){.node = n,
                .model = (uint16_t)model_gpu_index(gpu),
                .limit_mib = 76000,
                .alarm_mib = 74000};
    }
}

static void add(struct table *t, uint32_t gpu, uint32_t reserve_mib, const struct usage_dist *busy)
{
    uint32_t i = t->pack.pod_count++;
    for (unsigned k = 0; k < PLACE_PACK_WINDOW; k++)
        t->recent[i][k] = 50;
    t->pods[i] = (struct place_pack_pod){.id = i + 1,
            .gpu = gpu,
            .reserve_mib = reserve_mib,
            .used_mib = reserve_mib / 2,
            .busy = busy,
            .recent = t->recent[i],
            .cpu_milli = 1000,
            .ram_mib = 1000,
            .movable = true};
}

static void joins_what_fits_best(void **state)
{
    (void)state;
    struct table t;
    uint32_t conflict;
    table_init(&t);
    add(&t, 0, 30000, &t.quiet);
    add(&t, 1, 40000, &t.quiet);
    add(&t, 2, 20000, &t.hot);
    add(&t, PLACE_PACK_NONE, 36000, &t.quiet);
    place_pack_prepare(&t.pack, t.arena);
    assert_int_equal(place_pack_best(&t.pack, 3, PLACE_PACK_NONE), 1); /* 76,000: just full */
    t.pods[3].reserve_mib = 36001;
    assert_int_equal(place_pack_best(&t.pack, 3, PLACE_PACK_NONE), 0);
    assert_int_equal(place_pack_fits(&t.pack, 3, 1, &conflict), PLACE_PACK_MEMORY);
    assert_int_equal(place_pack_best(&t.pack, 3, 0), 2); /* node 0 is avoided */
    t.pods[3].busy = &t.hot;                             /* 700 + 700 permille is always too much */
    assert_int_equal(place_pack_fits(&t.pack, 3, 2, &conflict), PLACE_PACK_BUSY);
    assert_int_equal(conflict, 1000000);
    t.pods[3].alone = true;
    assert_int_equal(place_pack_fits(&t.pack, 3, 0, &conflict), PLACE_PACK_ALONE);
    assert_int_equal(place_pack_fits(&t.pack, 3, 3, &conflict), PLACE_PACK_OK);
    t.nodes[3].open = false;
    assert_int_equal(place_pack_fits(&t.pack, 3, 3, &conflict), PLACE_PACK_CLOSED);
    arena_free(t.arena);
}

static void recent_minutes_count(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    add(&t, 0, 10000, &t.quiet);
    add(&t, PLACE_PACK_NONE, 10000, &t.quiet);
    place_pack_prepare(&t.pack, t.arena);
    assert_int_equal(place_pack_conflict_ppm(&t.pack, 0, 1), 0);
    t.recent[1][3] = 960; /* 50 + 960 pass 1000 in one of 64 minutes */
    assert_int_equal(place_pack_conflict_ppm(&t.pack, 0, 1), 1000000 / 64);
    arena_free(t.arena);
}

static void empties_the_node_with_the_fewest_moves(void **state)
{
    (void)state;
    struct table t;
    struct place_pack_move moves[4];
    uint32_t node;
    table_init(&t);
    add(&t, 0, 30000, &t.quiet);
    add(&t, 0, 30000, &t.quiet);
    add(&t, 1, 35000, &t.quiet);
    add(&t, 2, 36000, &t.quiet);
    place_pack_prepare(&t.pack, t.arena);
    assert_int_equal(place_pack_empty(&t.pack, t.arena, 4, moves, &node), 1);
    assert_int_equal(node, 1);
    assert_int_equal(moves[0].pod, 2);
    assert_int_equal(moves[0].to, 2);
    assert_int_equal(moves[0].reserve_mib, 71000);
    t.pods[2].movable = t.pods[3].movable = false;
    place_pack_prepare(&t.pack, t.arena);
    /* The two of node 0 go onto nodes 1 and 2. */
    assert_int_equal(place_pack_empty(&t.pack, t.arena, 4, moves, &node), 2);
    assert_int_equal(node, 0);
    assert_int_equal(place_pack_empty(&t.pack, t.arena, 1, moves, &node), 0);
    arena_free(t.arena);
}

static void relieves_memory_first(void **state)
{
    (void)state;
    struct table t;
    struct place_pack_move move;
    table_init(&t);
    add(&t, 0, 45000, &t.quiet);
    add(&t, 0, 40000, &t.quiet); /* 85,000 of 76,000: above 1.1 times */
    add(&t, 1, 40000, &t.quiet);
    add(&t, 1, 20000, &t.quiet);
    place_pack_prepare(&t.pack, t.arena);
    assert_int_equal(place_pack_relieve(&t.pack, &move), 1);
    assert_int_equal(move.from, 0);
    assert_int_equal(move.pod, 1);
    t.gpus[1].used_mib = 75000; /* the alarm comes before any estimate */
    t.pods[3].used_mib = 5000;
    assert_int_equal(place_pack_relieve(&t.pack, &move), 2);
    assert_int_equal(move.from, 1);
    assert_int_equal(move.pod, 3);
    t.gpus[1].used_mib = 0;
    t.pods[0].reserve_mib = 43600; /* 83,600 = 1.1 x 76,000 is still borne */
    place_pack_prepare(&t.pack, t.arena);
    assert_int_equal(place_pack_relieve(&t.pack, &move), 0);
    arena_free(t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(joins_what_fits_best),
            cmocka_unit_test(recent_minutes_count),
            cmocka_unit_test(empties_the_node_with_the_fewest_moves),
            cmocka_unit_test(relieves_memory_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
