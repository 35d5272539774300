/* test/prop/usage/prop_memory.c - reserves and risks on drawn owners, against enumeration. */
#include "test.h"

#include "base/num.h"
#include "base/prng.h"
#include "usage/memory.h"

#include <string.h>

#define MINUTE (60 * NUM_NS_PER_SECOND)

enum { PODS = 40, MEMBERS_MAX = 4, STEPS = 6 };

static void pod_step(struct prng *p, struct usage_memory *m, struct usage_memory_track *t)
{
    int64_t age = t->age_ns + prng_between(p, 0, 40) * MINUTE;
    uint32_t mib = prng_below(p, 4) ? t->now_mib : (uint32_t)prng_below(p, 100000);
    usage_memory_observe(m, t, age, mib);
}

static void reserve_is_sane(uint64_t seed)
{
    static struct usage_memory_track tracks[PODS];
    struct usage_memory m = {.pods = 0};
    struct prng p;
    prng_init(&p, seed);
    memset(tracks, 0, sizeof(tracks));
    uint64_t pods = 1 + prng_below(&p, PODS);
    struct usage_reserve_query q = {.preallocates = prng_below(&p, 4) == 0,
            .own_growth_permille = (uint32_t)prng_below(&p, 1500),
            .declared_mib = prng_below(&p, 2) ? (uint32_t)prng_below(&p, 200000) : 0};
    for (unsigned step = 0; step < 400; step++) {
        struct usage_memory_track *t = &tracks[prng_below(&p, pods)];
        pod_step(&p, &m, t);
        q.track = prng_below(&p, 5) ? t : NULL;
        uint32_t last = 0;
        for (q.quantile_permille = 500; q.quantile_permille <= 1000; q.quantile_permille += 50) {
            struct usage_reserve r = usage_memory_reserve(&m, &q);
            assert_true(r.mib >= last && r.mib <= USAGE_MEMORY_MIB_MAX);
            assert_true(q.track == NULL || r.mib >= t->peak_mib);
            assert_int_equal(r.basis == USAGE_BASIS_NONE,
                    q.track == NULL && r.siblings < USAGE_MEMORY_PEERS_MIN && q.declared_mib == 0);
            assert_true(r.basis != USAGE_BASIS_NONE || r.mib == USAGE_MEMORY_MIB_MAX);
            last = r.mib;
        }
    }
    assert_true(m.pods_flat <= m.pods_aged && m.pods_aged <= m.pods && m.pods <= pods);
}

/* Counts follow the pods: each stands in one bin of each histogram that it is counted in. */
static void counts_are_pods(uint64_t seed)
{
    static struct usage_memory_track tracks[PODS];
    struct usage_memory m = {.pods = 0};
    struct usage_memory halves[2] = {{.pods = 0}};
    struct usage_memory_track twin[PODS];
    struct prng p;
    prng_init(&p, seed);
    memset(tracks, 0, sizeof(tracks));
    memset(twin, 0, sizeof(twin));
    for (unsigned step = 0; step < 1500; step++) {
        uint64_t pod = prng_below(&p, PODS);
        pod_step(&p, &m, &tracks[pod]);
        usage_memory_observe(&halves[pod % 2], &twin[pod], tracks[pod].age_ns, tracks[pod].now_mib);
    }
    usage_memory_merge(&halves[0], &halves[1]);
    assert_memory_equal(&m, &halves[0], sizeof(m));
    for (unsigned age = 0; age < USAGE_AGES; age++) {
        unsigned counted = 0;
        unsigned sum = 0;
        for (unsigned pod = 0; pod < PODS; pod++)
            counted += tracks[pod].growth_bin[age] != 0;
        for (unsigned bin = 0; bin < USAGE_GROWTH_BINS; bin++)
            sum += m.growth[age][bin];
        assert_int_equal(sum, counted);
    }
}

/* An owner whose siblings grew, after 15 minutes, by 0 or by upper edges of bins. */
struct known {
    struct usage_memory memory;
    struct usage_memory_track track; /* of a pod that is not counted in `memory` */
    uint32_t siblings, growth_mib[8];
};

static void known_draw(struct prng *p, struct known *ret)
{
    static const uint32_t edges[] = {0, 0, 64, 512, 1536, 4096, 10240};
    memset(ret, 0, sizeof(*ret));
    ret->siblings = 3 + (uint32_t)prng_below(p, 4);
    for (uint32_t i = 0; i < ret->siblings; i++) {
        struct usage_memory_track t = {.age_ns = 0};
        ret->growth_mib[i] = edges[prng_below(p, sizeof(edges) / sizeof(edges[0]))];
        for (int64_t age = 0; age <= 60; age += 5) {
            usage_memory_observe(
                    &ret->memory, &t, age * MINUTE, 3000 + (age > 15 ? ret->growth_mib[i] : 0));
        }
    }
    struct usage_memory scratch = {.pods = 0};
    uint32_t mib = 1 + (uint32_t)prng_below(p, 20000);
    for (int64_t age = 0; age <= 20; age += 5)
        usage_memory_observe(&scratch, &ret->track, age * MINUTE, mib);
    memset(ret->track.growth_bin, 0, sizeof(ret->track.growth_bin));
}

/* Ways, of all ways to draw one sibling for each member, in which the sum passes the limit. */
static uint32_t ways_above(
        const struct known *known, unsigned count, int64_t limit, uint32_t *ret_all)
{
    uint32_t at[MEMBERS_MAX] = {0};
    uint32_t above = 0;
    *ret_all = 0;
    for (;;) {
        int64_t sum = 0;
        for (unsigned i = 0; i < count; i++)
            sum += known[i].track.peak_mib + known[i].growth_mib[at[i]];
        above += sum > limit;
        (*ret_all)++;
        unsigned i = 0;
        while (i < count && ++at[i] == known[i].siblings)
            at[i++] = 0;
        if (i == count)
            return above;
    }
}

static void risk_is_enumeration(uint64_t seed)
{
    static struct known known[MEMBERS_MAX];
    struct usage_memory_member members[MEMBERS_MAX];
    struct prng p;
    prng_init(&p, seed);
    unsigned count = 1 + (unsigned)prng_below(&p, MEMBERS_MAX);
    int64_t base = 0;
    for (unsigned i = 0; i < count; i++) {
        known_draw(&p, &known[i]);
        members[i] =
                (struct usage_memory_member){.owner = &known[i].memory, .track = &known[i].track};
        base += known[i].track.peak_mib;
    }
    for (int64_t limit = base - 100; limit < base + 24000; limit += 531) {
        uint32_t all;
        uint32_t ppm = usage_memory_risk_ppm(members, count, (uint32_t)(limit > 0 ? limit : 0));
        uint32_t exact = ways_above(known, count, limit > 0 ? limit : 0, &all);
        assert_true((uint64_t)ppm * all >= (uint64_t)exact * 1000000);
        /* Not above what a limit lower by the grid's rounding would give. */
        int64_t slack = limit > base ? ((limit - base) / USAGE_RISK_CELLS + 1) * count : 0;
        uint32_t most = ways_above(known, count, limit - slack, &all);
        assert_true((uint64_t)ppm * all <= (uint64_t)most * 1000000 + 2 * (uint64_t)all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(reserve_is_sane, 40),
            TEST_PROP(counts_are_pods, 40),
            TEST_PROP(risk_is_enumeration, 60),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
