/* test/unit/sim/test_service.c - the fitted service draws what its tables say. */
#include "test.h"

#include "sim/scenario.h"

#include <stdlib.h>
#include <string.h>

enum { PODS = 79, HALF_MINUTES = 30, RUNS = 40 };

static void test_kinds_come_by_weight(void **state)
{
    (void)state;
    const struct sim_service *s = &sim_service_images;
    struct prng rng;
    uint32_t counts[SIM_SERVICE_KINDS_MAX] = {0}, weights = 0;
    prng_init(&rng, 1);
    for (uint32_t n = 0; n < 200; n++) {
        struct sim_service_pod pod;
        sim_service_begin(s, n, true, &rng, &pod);
        counts[pod.kind]++;
        for (uint32_t k = 0; k < s->kind_count; k++) {
            double expected = (n + 1) * s->kinds[k].weight / 1000.0;
            assert_true(counts[k] > expected - 2 && counts[k] < expected + 2);
        }
    }
    for (uint32_t k = 0; k < s->kind_count; k++)
        weights += s->kinds[k].weight;
    assert_int_equal(weights, 1000);
    for (uint32_t n = 0; n < 50; n++) {
        struct sim_service_pod late;
        sim_service_begin(s, n, false, &rng, &late);
        assert_int_equal(late.kind, 0);
        assert_int_equal(late.memory_mib, s->fresh_mib);
    }
}

/* PODS pods of kind `kind` through half hour `half`, RUNS times over. */
struct tally {
    uint32_t minutes, on, kept, large, largest_mib; /* kept: on after an on minute */
    uint64_t busy;
};

static void run_load(
        uint32_t kind, struct sim_service_load load, uint64_t seed, struct tally *ret_tally)
{
    const struct sim_service *s = &sim_service_images;
    struct sim_service_shared shared = {0};
    struct sim_service_pod pods[PODS];
    struct prng rng;
    prng_init(&rng, seed);
    *ret_tally = (struct tally){0};
    for (uint32_t n = 0; n < PODS; n++)
        pods[n] = (struct sim_service_pod){.kind = kind, .memory_mib = s->fresh_mib};
    for (uint32_t m = 0; m < HALF_MINUTES * RUNS; m++) {
        sim_service_tick_shared(s, kind, &rng, &shared);
        for (uint32_t n = 0; n < PODS; n++) {
            uint32_t before = pods[n].memory_mib;
            bool was = pods[n].on;
            sim_service_tick(s, load, &shared, &rng, &pods[n]);
            ret_tally->kept += was && pods[n].on;
            ret_tally->minutes++;
            ret_tally->on += pods[n].on;
            ret_tally->busy += pods[n].busy_permille;
            bool large = pods[n].memory_mib >= s->kinds[kind].large_from_mib;
            ret_tally->large += large && before < s->kinds[kind].large_from_mib;
            if (pods[n].memory_mib > ret_tally->largest_mib)
                ret_tally->largest_mib = pods[n].memory_mib;
        }
    }
}

static void run_half(uint32_t kind, uint32_t half, uint64_t seed, struct tally *ret_tally)
{
    run_load(kind, (struct sim_service_load){half, 1000}, seed, ret_tally);
}

static void test_on_minutes_follow_the_half_hours(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        for (uint32_t half = 0; half < SIM_SERVICE_HALVES; half += 3) {
            struct tally t;
            run_half(kind, half, half + 1, &t);
            double share = 1000.0 * t.on / t.minutes;
            double wanted = sim_service_images.kinds[kind].halves[half].on;
            assert_true(share < wanted * 1.06 + 5 && share > wanted * 0.94 - 5);
        }
    }
}

/* The wave moves the odds, so it neither shifts the mean nor runs into the ends. */
static void test_on_share_scales(void **state)
{
    (void)state;
    static const uint32_t scales[] = {200, 500, 1000};
    for (unsigned i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        struct tally t;
        run_load(0, (struct sim_service_load){14, scales[i]}, 3, &t);
        double wanted = sim_service_images.kinds[0].halves[14].on * scales[i] / 1000.0;
        double share = 1000.0 * t.on / t.minutes;
        assert_true(share < wanted * 1.05 + 5 && share > wanted * 0.95 - 5);
    }
    struct tally none;
    run_load(0, (struct sim_service_load){14, 0}, 3, &none);
    assert_int_equal(none.on, 0);
}

/* An on minute is likelier after one: by sticky_permille, and a little for the shared wave. */
static void test_on_minutes_come_in_rows(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct tally t;
        run_half(kind, 10, 5, &t);
        double share = (double)t.on / t.minutes, stay = (double)t.kept / t.on;
        double sticky = (stay - share) / (1 - share);
        double wanted = sim_service_images.kinds[kind].sticky_permille / 1000.0;
        assert_true(sticky > wanted - 0.02 && sticky < wanted + 0.1);
    }
}

static void test_memory_scales(void **state)
{
    (void)state;
    struct sim_demand_spec d = {.scale = SIM_SERVICE_SCALE};
    sim_service_demand(&d);
    uint32_t peak = d.memory_peak_mib;
    assert_int_equal(d.memory_mib, sim_service_images.fresh_mib);
    d.scale.base_mib = 1000;
    d.scale.memory_permille = 250;
    sim_service_demand(&d);
    assert_int_equal(d.memory_peak_mib, 1000 + peak / 4);
    sim_service_demand(&d); /* from the table, not from what it made before */
    assert_int_equal(d.memory_peak_mib, 1000 + peak / 4);
}

/* Large memory is dealt out, not drawn: its number varies far less than by chance. */
static void test_large_memory_falls_due_evenly(void **state)
{
    (void)state;
    uint32_t least = UINT32_MAX, most = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct tally t;
        run_half(0, 4, seed, &t);
        least = t.large < least ? t.large : least;
        most = t.large > most ? t.large : most;
        assert_true(t.largest_mib <= sim_service_images.kinds[0].again_mib[SIM_SERVICE_LARGES - 1]);
        assert_true(t.largest_mib > 40000);
    }
    /* By chance alone 20 seeds would lie a tenth apart; here only the on minutes vary. */
    assert_true(least > 1000);
    assert_true(most - least < least / 15);
}

static void test_same_seed_same_demand(void **state)
{
    (void)state;
    struct tally a, b, c;
    run_half(1, 8, 7, &a);
    run_half(1, 8, 7, &b);
    run_half(1, 8, 8, &c);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.busy != c.busy);
}

static void test_an_idle_pod_keeps_its_memory(void **state)
{
    (void)state;
    const struct sim_service *s = &sim_service_images;
    struct tally t;
    run_half(s->kind_count - 1, 20, 3, &t);
    assert_int_equal(t.on, 0);
    assert_int_equal(t.busy, 0);
    assert_int_equal(t.largest_mib, s->fresh_mib);
}

/* Every table rises, every chance is one. */
static void test_the_tables_are_sound(void **state)
{
    (void)state;
    const struct sim_service *s = &sim_service_images;
    for (uint32_t k = 0; k + 1 < s->kind_count; k++) {
        const struct sim_service_kind *kind = &s->kinds[k];
        for (unsigned i = 1; i < SIM_SERVICE_SMALLS; i++) {
            assert_true(kind->small_mib[i - 1] < kind->small_mib[i]);
            assert_true(kind->rest_mib[i - 1] < kind->rest_mib[i]);
        }
        for (unsigned i = 1; i < SIM_SERVICE_LARGES; i++) {
            assert_true(kind->large_mib[i - 1] < kind->large_mib[i]);
            assert_true(kind->again_mib[i - 1] < kind->again_mib[i]);
        }
        assert_true(kind->small_mib[SIM_SERVICE_SMALLS - 1] < kind->large_from_mib);
        assert_true(kind->large_mib[0] >= kind->large_from_mib);
        for (unsigned h = 0; h < SIM_SERVICE_HALVES; h++) {
            assert_true(kind->halves[h].on <= 1000 && kind->halves[h].large <= 1000);
            assert_true(kind->halves[h].from <= kind->halves[h].to && kind->halves[h].to <= 1000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_kinds_come_by_weight),
            cmocka_unit_test(test_on_minutes_follow_the_half_hours),
            cmocka_unit_test(test_on_share_scales),
            cmocka_unit_test(test_on_minutes_come_in_rows),
            cmocka_unit_test(test_memory_scales),
            cmocka_unit_test(test_large_memory_falls_due_evenly),
            cmocka_unit_test(test_same_seed_same_demand),
            cmocka_unit_test(test_an_idle_pod_keeps_its_memory),
            cmocka_unit_test(test_the_tables_are_sound),
    };
    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
