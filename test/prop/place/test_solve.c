/* The regular solve against exhaustive search: never cheaper than the optimum (it would count
 * something wrong), never dearer than today, near the optimum on small problems; same input, same
 * solution. */
#include "test.h"

#include "base/prng.h"
#include "place/problem.h"

#include <string.h>

enum { OWNERS = 5, OPTIONS = 5 };

struct instance {
    struct place_problem problem;
    struct place_kind kinds[3];
    struct place_owner owners[OWNERS];
    struct place_option options[OWNERS * OPTIONS];
};

static uint16_t mig_index(const char *key)
{
    for (uint16_t i = 0; i < mig_model_count(); i++) {
        if (strcmp(mig_model_get(i)->key, key) == 0)
            return i;
    }
    return PLACE_NO_MIG;
}

static struct place_option option_draw(
        struct prng *r, const struct instance *in, const struct place_owner *owner)
{
    struct place_option o = {.kind = (uint16_t)prng_below(r, in->problem.kind_count),
            .replicas_max = 1,
            .extra_microusd_per_hour = prng_between(r, 0, 50000)};
    const struct place_kind *kind = &in->kinds[o.kind];
    if (owner->gpus_per_pod == 1 && kind->mig != PLACE_NO_MIG && prng_chance_ppm(r, 300000)) {
        o.technique = MODEL_TECHNIQUE_MIG;
        o.profile = (uint8_t)prng_below(r, mig_model_get(kind->mig)->profile_count);
        o.tier = (uint8_t)prng_below(r, PLACE_TIERS); /* 1, 2 or 4 pods on an instance */
        o.replicas_max = (uint16_t)(1u << o.tier);
    } else if (owner->gpus_per_pod == 1 && prng_chance_ppm(r, 700000)) {
        o.technique = MODEL_TECHNIQUE_TIME_SLICING;
        o.tier = (uint8_t)prng_below(r, PLACE_TIERS);
        o.replicas_max = (uint16_t)prng_between(r, 2, 8);
    }
    return o;
}

static void instance_draw(struct prng *r, struct instance *in)
{
    static const uint16_t gpus[] = {1, 2, 4, 8};
    *in = (struct instance){0};
    in->problem = (struct place_problem){.kind_count = (uint32_t)prng_between(r, 1, 3),
            .owner_count = (uint32_t)prng_between(r, 1, OWNERS),
            .kinds = in->kinds,
            .owners = in->owners,
            .options = in->options,
            .spare_slots_permille = 100};
    for (uint32_t k = 0; k < in->problem.kind_count; k++)
        in->kinds[k] = (struct place_kind){.gpu = (uint16_t)k,
                .mig = k == 0 ? mig_index("A100-40GB") : PLACE_NO_MIG,
                .gpus_per_node = k == 0 ? 8 : gpus[prng_below(r, 4)],
                .microusd_per_hour = prng_between(r, 500000, 30000000),
                .cpu_milli = 64000,
                .ram_mib = 500000,
                .nodes_max = UINT32_MAX};
    for (uint32_t i = 0; i < in->problem.owner_count; i++) {
        struct place_owner *owner = &in->owners[i];
        *owner = (struct place_owner){.uid = i + 1,
                .pods = (uint32_t)prng_between(r, 1, 30),
                .gpus_per_pod = 1,
                .cpu_milli = (uint32_t)prng_between(r, 0, 8000),
                .ram_mib = 4096,
                .option_first = in->problem.option_count,
                .option_count = (uint32_t)prng_between(r, 1, OPTIONS)};
        for (uint32_t k = 0; k < owner->option_count; k++)
            in->options[in->problem.option_count++] = option_draw(r, in, owner);
    }
}

/* The cost of one assignment, by a solve in which each owner has that option only. */
static int64_t cost_of(struct arena *a, const struct instance *in, const uint32_t *choice)
{
    struct instance one = *in;
    const struct place_solution *s;
    one.problem.kinds = one.kinds;
    one.problem.owners = one.owners;
    for (uint32_t i = 0; i < in->problem.owner_count; i++) {
        one.owners[i].option_first += choice[i];
        one.owners[i].option_count = 1;
    }
    assert_int_equal(place_solve(a, &one.problem, 1, 1, &s), 0);
    assert_int_equal(s->microusd_per_hour, s->microusd_per_hour_now);
    return s->microusd_per_hour;
}

static int64_t brute(struct arena *a, const struct instance *in)
{
    uint32_t choice[OWNERS] = {0};
    int64_t best = INT64_MAX;
    for (;;) {
        int64_t cost = cost_of(a, in, choice);
        best = cost < best ? cost : best;
        uint32_t i = 0;
        while (i < in->problem.owner_count && ++choice[i] == in->owners[i].option_count)
            choice[i++] = 0;
        if (i == in->problem.owner_count)
            return best;
    }
}

static void near_the_optimum(uint64_t seed)
{
    struct arena *a = arena_new(0);
    struct instance in;
    struct prng r;
    const struct place_solution *s, *again;
    prng_init(&r, seed);
    instance_draw(&r, &in);
    assert_int_equal(place_solve(a, &in.problem, seed, 0, &s), 0);
    assert_int_equal(place_solve(a, &in.problem, seed, 0, &again), 0);
    assert_true(place_solution_eq(s, again));
    assert_int_equal(s->problem_digest, place_problem_digest(&in.problem));
    assert_true(s->microusd_per_hour <= s->microusd_per_hour_now);
    assert_int_equal(cost_of(a, &in, s->choice), s->microusd_per_hour);
    int64_t best = brute(a, &in);
    assert_true(s->microusd_per_hour >= best);
    /* Local search may miss a joint move; it must not be lost by more than one node in eight. */
    assert_true(s->microusd_per_hour <= best + best / 8 + 30000000);
    arena_free(a);
}

static void refuses_what_is_out_of_range(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct instance in;
    struct prng r;
    const struct place_solution *s;
    prng_init(&r, 7);
    instance_draw(&r, &in);
    in.options[0].kind = 9;
    assert_int_equal(place_solve(a, &in.problem, 1, 0, &s), -22);
    instance_draw(&r, &in);
    in.owners[0].option_count = PLACE_OPTIONS_MAX + 1;
    assert_int_equal(place_solve(a, &in.problem, 1, 0, &s), -22);
    instance_draw(&r, &in);
    in.owners[0].pods = 0;
    assert_int_equal(place_solve(a, &in.problem, 1, 0, &s), -22);
    arena_free(a);
}

/* Two owners of eight quiet pods each on 4-GPU nodes: shared four a GPU they need one node. */
static void shares_where_it_pays(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct place_kind kind = {.mig = PLACE_NO_MIG,
            .gpus_per_node = 4,
            .microusd_per_hour = 8000000,
            .nodes_max = UINT32_MAX};
    const struct place_option options[] = {{.replicas_max = 1},
            {.technique = MODEL_TECHNIQUE_TIME_SLICING, .replicas_max = 4}, {.replicas_max = 1},
            {.technique = MODEL_TECHNIQUE_TIME_SLICING, .replicas_max = 6}};
    const struct place_owner owners[] = {
            {.uid = 1, .pods = 8, .gpus_per_pod = 1, .option_first = 0, .option_count = 2},
            {.uid = 2, .pods = 8, .gpus_per_pod = 1, .option_first = 2, .option_count = 2}};
    const struct place_problem p = {.kind_count = 1,
            .owner_count = 2,
            .option_count = 4,
            .kinds = &kind,
            .owners = owners,
            .options = options};
    const struct place_solution *s;
    assert_int_equal(place_solve(a, &p, 1, 0, &s), 0);
    assert_int_equal(s->microusd_per_hour_now, 4 * 8000000);
    assert_int_equal(s->microusd_per_hour, 8000000);
    assert_int_equal(s->choice[0], 1);
    assert_int_equal(s->choice[1], 1);
    assert_int_equal(s->pools[0].replicas[0], 4);
    assert_int_equal(s->pools[0].nodes_shared[0], 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(near_the_optimum, 200),
            cmocka_unit_test(refuses_what_is_out_of_range),
            cmocka_unit_test(shares_where_it_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
