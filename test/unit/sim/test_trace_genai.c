/* test_trace_genai.c - the reader of GPU use traces. */
#include "test.h"

#include "base/num.h"
#include "sim/scenario.h"

#include <errno.h>
#include <string.h>

#define HEAD "time_s,pod,gpu_util_percent,gpu_memory_used_bytes\n"

static int parse(struct arena *a, const char *text, uint32_t sample, const struct sim_scenario **s,
        struct err *e)
{
    const struct sim_trace_place place = {
            .gpu = 1, .gpus_per_node = 1, .sample_pods = sample, .seed = 7};
    return sim_scenario_genai(a, str_from(text), &place, s, e);
}

static void pods_live_from_first_to_last_sample(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    assert_int_equal(
            parse(a, HEAD "0,p,12.345,1048577\n57,p,100,\n57,q,0,5\n228.5,p,0.05,1048576\n", 0, &s,
                    &e),
            0);
    assert_int_equal(s->owners[0].trace_count, 2);
    const struct sim_trace_pod *p = &s->owners[0].trace[0];
    assert_true(str_eq_c(p->name, "p"));
    assert_int_equal(p->sample_count, 3);
    assert_int_equal(p->samples[0].busy_permille, 123);
    assert_int_equal(p->samples[0].memory_mib, 2);
    assert_int_equal(p->samples[1].memory_mib, UINT32_MAX);
    assert_int_equal(p->start_ns, 0);
    assert_int_equal(p->end_ns, 228500000001);
    assert_int_equal(s->sample_period_ns, 57 * NUM_NS_PER_SECOND);
    arena_free(a);
}

static void sample_pods_chooses_so_many(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    assert_int_equal(parse(a, HEAD "0,p,1,1\n0,q,1,1\n0,r,1,1\n0,s,1,1\n9,p,1,1\n", 2, &s, &e), 0);
    assert_int_equal(s->owners[0].trace_count, 2);
    arena_free(a);
}

static void faults_are_named(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"", ""},
            {HEAD, "no samples"},
            {"time_s,pod\n0,p\n", "gpu_util_percent"},
            {HEAD "0,p,101,1\n", "'101'"},
            {HEAD "0,p,-1,1\n", "'-1'"},
            {HEAD "0,p,nan,1\n", "'nan'"},
            {HEAD "0,p,1.,1\n", "'1.'"},
            {HEAD "0,p,1,-5\n", "gpu_memory_used_bytes"},
            {HEAD "0,p,1,99999999999999999999\n", "gpu_memory_used_bytes"},
            {HEAD "1e5,p,1,1\n", "time_s"},
            {HEAD "0,,1,1\n", "column pod"},
            {HEAD "5,p,1,1\n5,p,1,1\n", "must rise"},
            {HEAD "5,p,1\n", "line 2"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        const struct sim_scenario *s = NULL;
        struct err e = {0};
        int rc = parse(a, cases[i].text, 0, &s, &e);
        if (rc == 0 || strstr(e.text, cases[i].want) == NULL)
            fail_msg("case %u: rc %d: '%s', expected '%s'", i, rc, e.text, cases[i].want);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(pods_live_from_first_to_last_sample),
            cmocka_unit_test(sample_pods_chooses_so_many),
            cmocka_unit_test(faults_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
