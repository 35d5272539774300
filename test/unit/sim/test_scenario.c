/* test_scenario.c - scenarios: built-in ones hold, documents are read strictly. */
#include "test.h"

#include "base/num.h"
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
    "name: x\nduration: 2d\nclusters: [{name: c, region: r}]\n"                                    \
    "nodeGroups: [{name: g, cluster: c, gpu: A100-80GB, gpusPerNode: 2, cpu: 8, memoryGiB: 64, "   \
    "max: 3}]\n"

static void builtin_scenarios_hold(void **state)
{
    static const char *const names[] = {"default", "fitted", "small", "fleet"};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct arena *a = arena_new(0);
        const struct sim_scenario *s = NULL;
        struct err e = {0};
        assert_int_equal(sim_scenario_builtin(a, str_from(names[i]), &s, &e), 0);
        assert_int_equal(sim_scenario_check(s, &e), 0);
        assert_true(str_eq_c(s->name, names[i]));
        arena_free(a);
    }
}

static void unknown_builtin_names_the_known(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    assert_int_equal(sim_scenario_builtin(a, STR_LIT("nope"), &s, &e), -ENOENT);
    assert_non_null(strstr(e.text, "default"));
    arena_free(a);
}

static void document_gives_what_it_says(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    int rc = sim_scenario_parse(a,
            STR_LIT(HEAD "owners:\n"
                         "- {name: a, cluster: c, replicas: 3, cpu: 2.5, memoryGiB: 1.5,\n"
                         "   gpus: [A100-80GB], grace: 45s, demand: {levelPercent: 12.5}}\n"
                         "- {name: b, like: a, replicas: 4}\n"
                         "offers:\n"
                         "- {gpu: T4, usdPerGpuHour: 0.35, hourFrom: 1, hourUntil: 5}\n"),
            &s, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(s->owner_count, 2);
    assert_int_equal(s->owners[1].replicas[30], 4);
    assert_int_equal(s->owners[1].cpu_milli, 2500);
    assert_int_equal(s->owners[1].memory_mib, 1536);
    assert_int_equal(s->owners[1].grace_ns, 45 * NUM_NS_PER_SECOND);
    assert_int_equal(s->owners[1].demand.level_permille, 125);
    assert_true(str_eq_c(s->owners[1].name, "b"));
    assert_true(s->offer_count >= 2);
    assert_int_equal(s->offers[0].end_ns - s->offers[0].start_ns, 4 * NUM_NS_PER_HOUR);
    arena_free(a);
}

static void service_takes_its_scale(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    int rc = sim_scenario_parse(a,
            STR_LIT(HEAD "owners:\n"
                         "- {name: a, cluster: c, replicas: 3, demand: {kind: service,\n"
                         "   busyPercent: 30, memoryPercent: 50, baseMiB: 700, dayHour: 13}}\n"
                         "- {name: b, like: a, demand: {baseMiB: 800}}\n"),
            &s, &e);
    assert_string_equal(e.text, "");
    assert_int_equal(rc, 0);
    const struct sim_demand_spec *d = &s->owners[1].demand;
    assert_int_equal(d->kind, SIM_DEMAND_SERVICE);
    assert_ptr_equal(d->service, &sim_service_images);
    assert_int_equal(d->scale.on_permille, 1000);
    assert_int_equal(d->scale.busy_permille, 300);
    assert_int_equal(d->scale.day_hour, 13);
    assert_int_equal(d->memory_mib, 800 + sim_service_images.fresh_mib / 2);
    assert_int_equal(d->memory_peak_mib, s->owners[0].demand.memory_peak_mib + 100);
    arena_free(a);
}

/* Everything but Jobs has the demand that was fitted to the trace, which has no Jobs. */
static void default_runs_on_the_fitted_generator(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    assert_int_equal(sim_scenario_builtin(a, STR_LIT("default"), &s, &e), 0);
    for (uint32_t i = 0; i < s->owner_count; i++) {
        bool job = s->owners[i].kind == MODEL_OWNER_JOB;
        assert_int_equal(s->owners[i].demand.kind, job ? SIM_DEMAND_STEADY : SIM_DEMAND_SERVICE);
    }
    arena_free(a);
}

static void faults_are_named_with_line_and_key(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"", ""},
            {"name: x\n", "'duration' is missing"},
            {"nam: x\n", "did you mean 'name'"},
            {HEAD "owners: []\n", "owners"},
            {HEAD "owners: [{name: a, cluster: d, replicas: 1}]\n", "one of the clusters"},
            {HEAD "owners: [{name: a, cluster: c, replicas: -1}]\n", "'-1'"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1e99}]\n", "replicas"},
            {HEAD "owners: [{name: a, cluster: c, replicas: .nan}]\n", ""},
            {HEAD "owners: [{name: a, cluster: c, replicas: [1, 2]}]\n", "24"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 0}]\n", "never has a pod"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, gpus: [B1000]}]\n", "B1000"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, gpus: [T4]}]\n", "no node group"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, gpusPerPod: 4}]\n", "no node group"},
            {HEAD "owners: [{name: a, cluster: c, kind: job, arrivalsPerHour: 1}]\n", "run time"},
            {HEAD "owners: [{name: a, like: a}]\n", "like"},
            {HEAD "owners: [{name: a, like: b}, {name: b, like: a}]\n", "like"},
            {HEAD "owners: [{name: a, like: z}]\n", "name of an owner"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1}, {name: a, cluster: c}]\n",
                    "no other has"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, replicas: 2}]\n", "line 5"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, kind: cronjob}]\n", "one of"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, grace: 5x}]\n", "duration"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, demand: {memoryMiB: 9, "
                  "memoryPeakMiB: 8}}]\n",
                    "memoryPeakMiB"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, demand: {kind: service, "
                  "levelPercent: 9}}]\n",
                    "levelPercent"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, demand: {onPercent: 50}}]\n",
                    "onPercent"},
            {HEAD "owners: [{name: a, cluster: c, replicas: 1, demand: {kind: service, "
                  "dayHour: 24}}]\n",
                    "dayHour"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        const struct sim_scenario *s = NULL;
        struct err e = {0};
        int rc = sim_scenario_parse(a, str_from(cases[i].text), &s, &e);
        if (rc == 0 || strstr(e.text, cases[i].want) == NULL || strchr(e.text, '\n') != NULL)
            fail_msg("case %u: rc %d: '%s', expected '%s'", i, rc, e.text, cases[i].want);
        assert_null(s);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(builtin_scenarios_hold),
            cmocka_unit_test(unknown_builtin_names_the_known),
            cmocka_unit_test(document_gives_what_it_says),
            cmocka_unit_test(service_takes_its_scale),
            cmocka_unit_test(default_runs_on_the_fitted_generator),
            cmocka_unit_test(faults_are_named_with_line_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
