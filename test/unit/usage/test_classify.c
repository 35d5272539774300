/* test/unit/usage/test_classify.c - typical owners are recognised, thin evidence is not enough. */
#include "test.h"

#include "base/num.h"
#include "usage/classify.h"

#include <string.h>

#define HOUR NUM_NS_PER_HOUR

enum { LEAST = 60 };

/* One reading every five minutes for a week from a Monday: `busy(hour of day, n)`. */
static void week(struct usage_digest *d, uint32_t (*busy)(unsigned hour, unsigned n))
{
    memset(d, 0, sizeof(*d));
    for (unsigned n = 0; n < 7 * 24 * 12; n++) {
        struct usage_sample s = {.wall_ns = 4 * 24 * HOUR + (int64_t)n * 300 * NUM_NS_PER_SECOND,
                .busy_permille = busy(n / 12 % 24, n),
                .valid = USAGE_VALID_BUSY,
                .weight = 5};
        usage_digest_add(d, &s);
    }
}

static uint32_t serving(unsigned hour, unsigned n)
{
    return (hour >= 8 && hour < 20 ? 200 : 60) + n % 7 * 20;
}

static uint32_t notebook(unsigned hour, unsigned n)
{
    return hour >= 9 && hour < 18 && n % 20 == 0 ? 700 : 0;
}

static uint32_t full(unsigned hour, unsigned n)
{
    (void)hour;
    return n % 50 == 0 ? 850 : 980;
}

static void expect(const struct usage_digest *d, const struct usage_traits *traits,
        enum model_class want, uint32_t confidence_least)
{
    struct usage_guess g = usage_classify(d, traits, LEAST);
    assert_int_equal(g.workload_class, want);
    assert_true(g.confidence_permille >= confidence_least && g.confidence_permille <= 1000);
    assert_non_null(g.because);
}

static void test_typical(void **state)
{
    (void)state;
    static struct usage_digest d;
    week(&d, serving);
    expect(&d,
            &(struct usage_traits){
                    .kind = MODEL_OWNER_DEPLOYMENT, .gpus_per_pod = 1, .replicas = 4},
            MODEL_CLASS_LATENCY_SENSITIVE, 500);
    week(&d, notebook);
    expect(&d,
            &(struct usage_traits){
                    .kind = MODEL_OWNER_STATEFULSET, .gpus_per_pod = 1, .replicas = 1},
            MODEL_CLASS_INTERACTIVE, 300);
    week(&d, full);
    expect(&d, &(struct usage_traits){.kind = MODEL_OWNER_JOB, .gpus_per_pod = 8, .replicas = 1},
            MODEL_CLASS_TRAINING, 200);
    expect(&d,
            &(struct usage_traits){.kind = MODEL_OWNER_JOB,
                    .gpus_per_pod = 1,
                    .replicas = 1,
                    .pods_ended = 40,
                    .pod_life_mean_ns = HOUR},
            MODEL_CLASS_BATCH, 200);
}

static void test_thin_evidence(void **state)
{
    (void)state;
    static const struct usage_digest empty;
    struct usage_traits t = {.kind = MODEL_OWNER_DEPLOYMENT, .gpus_per_pod = 1, .replicas = 3};
    expect(&empty, &t, MODEL_CLASS_UNKNOWN, 0);
    assert_int_equal(usage_classify(&empty, &t, LEAST).confidence_permille, 0);
    t.kind = MODEL_OWNER_JOB; /* the kind alone decides */
    expect(&empty, &t, MODEL_CLASS_BATCH, 300);
    assert_string_equal(usage_classify(&empty, &t, LEAST).because, "it is a Job");
    t.gpus_per_pod = 4;
    expect(&empty, &t, MODEL_CLASS_TRAINING, 200);
    t.kind = MODEL_OWNER_DAEMONSET;
    expect(&empty, &t, MODEL_CLASS_UNKNOWN, 0);
}

/* Without a reason to prefer one class, the one that is treated with more care wins, unsurely. */
static void test_ties_go_to_care(void **state)
{
    (void)state;
    static struct usage_digest d;
    struct usage_sample s = {.wall_ns = 4 * 24 * HOUR,
            .busy_permille = 0,
            .valid = USAGE_VALID_BUSY,
            .weight = LEAST};
    memset(&d, 0, sizeof(d));
    usage_digest_add(&d, &s);
    struct usage_traits t = {.kind = MODEL_OWNER_STATEFULSET, .gpus_per_pod = 1, .replicas = 2};
    struct usage_guess g = usage_classify(&d, &t, LEAST);
    assert_int_equal(g.workload_class, MODEL_CLASS_UNKNOWN);
    assert_string_equal(g.because, "no rule holds");
    t.pods_ended = 1;
    t.pod_life_mean_ns = HOUR;
    t.kind = MODEL_OWNER_STATEFULSET;
    t.replicas = 1; /* 3 points for interactive, 3 for batch */
    g = usage_classify(&d, &t, LEAST);
    assert_int_equal(g.workload_class, MODEL_CLASS_INTERACTIVE);
    assert_int_equal(g.confidence_permille, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_typical),
            cmocka_unit_test(test_thin_evidence),
            cmocka_unit_test(test_ties_go_to_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
