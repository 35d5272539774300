/* Policies as documents: presets, every kind of value, every kind of error, the docs page. */
#include "test.h"

#include "base/doc.h"
#include "base/num.h"
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#define HEAD                                                                                       \
    "apiVersion: sharing.slicewright.io/v1alpha1\n"                                                \
    "kind: SharingPolicy\n"                                                                        \
    "metadata:\n  name: p\n"
#define SPEC HEAD "spec:\n"

static const struct policy *parse(struct arena *a, const char *text)
{
    const struct policy *p = NULL;
    struct err e = {0};
    if (policy_parse(a, str_from(text), &p, &e) < 0)
        fail_msg("%s", e.text);
    return p;
}

static void test_empty_spec_is_the_preset(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    for (const char *const *name = policy_preset_names(); *name; name++) {
        const struct policy *preset = policy_preset(str_from(*name));
        assert_non_null(preset);
        const char *text = arena_printf(a,
                "apiVersion: " POLICY_API_VERSION "\nkind: SharingPolicy\n"
                "metadata: {name: %s}\nspec: {preset: %s}\n",
                *name, *name);
        assert_true(policy_eq(parse(a, text), preset));
    }
    assert_null(policy_preset(STR_LIT("bold")));
    const struct policy *p = parse(a, HEAD "spec: {}\n");
    assert_int_equal(p->replicas_max, policy_preset(STR_LIT("balanced"))->replicas_max);
    arena_free(a);
}

static void test_preset_windows_match_their_cron(void **state)
{
    (void)state;
    for (const char *const *name = policy_preset_names(); *name; name++) {
        const struct policy *p = policy_preset(str_from(*name));
        for (uint32_t i = 0; i < p->window_count; i++) {
            struct policy_window w = {0};
            assert_int_equal(policy_cron_parse(p->windows[i].cron, &w, NULL), 0);
            w.duration_ns = p->windows[i].duration_ns;
            struct policy q = *p;
            q.windows[i] = w;
            assert_true(policy_eq(p, &q));
        }
        uint32_t first = 0;
        uint32_t second = 0;
        assert_false(policy_windows_overlap(p->windows, p->window_count, &first, &second));
    }
}

static void test_presets_keep_their_promises(void **state)
{
    (void)state;
    const struct policy *c = policy_preset(STR_LIT("conservative"));
    const struct policy *b = policy_preset(STR_LIT("balanced"));
    const struct policy *g = policy_preset(STR_LIT("aggressive"));
    assert_int_equal(c->memory_risk_ppm, 0);
    assert_int_equal(c->latency_treatment, MODEL_TECHNIQUE_EXCLUSIVE);
    assert_int_not_equal(b->latency_treatment, MODEL_TECHNIQUE_TIME_SLICING);
    assert_true(c->memory_headroom_permille > b->memory_headroom_permille);
    assert_true(b->memory_headroom_permille > g->memory_headroom_permille);
    assert_true(c->memory_risk_ppm <= b->memory_risk_ppm);
    assert_true(b->memory_risk_ppm <= g->memory_risk_ppm);
    assert_true(c->min_history_ns >= b->min_history_ns);
    assert_true(b->min_history_ns >= g->min_history_ns);
    assert_true(c->max_evictions_per_hour <= b->max_evictions_per_hour);
    assert_true(c->window_count > 0 && b->window_count > 0 && g->window_count > 0);
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct policy *p = parse(a,
            SPEC "  suspend: true\n"
                 "  nodeSelector: {pool.example.com/gpu: \"true\", zone: a}\n"
                 "  techniques: [{technique: mig, mode: recommend}]\n"
                 "  isolation: instance\n"
                 "  timeSlicing: {minReplicas: 3, maxReplicas: 5, maxReplicasPerInstance: 2}\n"
                 "  demand: {targetUtilization: 72.5%, percentile: 99.9%}\n"
                 "  memory: {headroom: 0%, riskPerPodHour: 12ppm, alarm: 100%}\n"
                 "  latencySensitive:\n"
                 "    labels: {}\n"
                 "    treatment: mig\n"
                 "    slo: 150%\n"
                 "  history: {minimum: 1d12h, staleAfter: 90s}\n"
                 "  gain: {minimum: 3%, minimumUsdPerHour: 0.25}\n"
                 "  disruption: {maxEvictionsPerHour: 0}\n"
                 "  maintenance:\n"
                 "    windows:\n"
                 "      - {cron: \"0 1 * * mon-fri\", duration: 3h}\n"
                 "      - cron: 0 12 * * sun\n"
                 "        duration: 30m\n"
                 "    coverAllChanges: true\n"
                 "  consolidation: {enabled: false, mode: observe, spareSlots: 50%}\n");
    assert_true(str_eq_c(p->name, "p"));
    assert_true(p->suspend && p->windows_cover_all && !p->scale_down);
    assert_int_equal(p->node_selector_count, 2);
    assert_true(str_eq_c(p->node_selector[0].key, "pool.example.com/gpu"));
    assert_true(str_eq_c(p->node_selector[0].value, "true"));
    assert_int_equal(p->technique_count, 1);
    assert_int_equal(p->techniques[0], MODEL_TECHNIQUE_MIG);
    assert_int_equal(p->mode[MODEL_TECHNIQUE_MIG], POLICY_MODE_RECOMMEND);
    assert_int_equal(p->mode[MODEL_TECHNIQUE_TIME_SLICING], POLICY_MODE_OBSERVE);
    assert_int_equal(p->mode[MODEL_TECHNIQUE_EXCLUSIVE], POLICY_MODE_OBSERVE);
    assert_int_equal(p->isolation, MODEL_ISOLATION_INSTANCE);
    assert_int_equal(p->replicas_min, 3);
    assert_int_equal(p->target_utilization_permille, 725);
    assert_int_equal(p->percentile_permille, 999);
    assert_int_equal(p->memory_headroom_permille, 0);
    assert_int_equal(p->memory_risk_ppm, 12);
    assert_int_equal(p->latency_label_count, 0);
    assert_int_equal(p->latency_slo_permille, 1500);
    assert_true(p->min_history_ns == 36 * NUM_NS_PER_HOUR);
    assert_true(p->stale_after_ns == 90 * NUM_NS_PER_SECOND);
    assert_int_equal(p->min_gain_microusd_per_hour, 250000);
    assert_int_equal(p->max_evictions_per_hour, 0);
    assert_int_equal(p->window_count, 2);
    assert_true(p->windows[1].duration_ns == 30 * 60 * NUM_NS_PER_SECOND);
    assert_int_equal(p->spare_slots_permille, 500);
    arena_free(a);
}

static void test_copy_outlives_its_source(void **state)
{
    (void)state;
    static const char text[] =
            SPEC "  nodeSelector: {zone: a}\n"
                 "  latencySensitive: {labels: {tier: front}}\n"
                 "  maintenance: {windows: [{cron: 0 1 * * sun, duration: 3h}]}\n";
    struct arena *source = arena_new(0);
    struct arena *a = arena_new(0);
    struct policy copy;
    policy_copy(a, parse(source, text), &copy);
    arena_free(source);
    assert_true(policy_eq(&copy, parse(a, text)));
    arena_free(a);
}

static void test_json(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct policy *p = parse(a,
            "{\"apiVersion\": \"sharing.slicewright.io/v1alpha1\", \"kind\": \"SharingPolicy\",\n"
            " \"metadata\": {\"name\": \"p\"}, \"spec\": {\"demand\": {\"percentile\": \"95%\"}}}");
    assert_int_equal(p->percentile_permille, 950);
    arena_free(a);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"", ""},
            {"spec: {}\n", "line 1: apiVersion: missing"},
            {"apiVersion: v1\nkind: SharingPolicy\nmetadata: {name: p}\nspec: {}\n",
                    "line 1: apiVersion: 'v1': expected sharing.slicewright.io/v1alpha1"},
            {HEAD "spec: []\n", "line 5: spec: a list: expected a map"},
            {HEAD "sepc: {}\n", "line 5: sepc: unknown key: did you mean spec"},
            {SPEC "  preset: bold\n",
                    "line 6: spec.preset: 'bold': expected conservative, balanced or aggressive"},
            {SPEC "  suspended: true\n",
                    "line 6: spec.suspended: unknown key: did you mean suspend"},
            {SPEC "  timeSlicing:\n    maxReplica: 4\n",
                    "line 7: spec.timeSlicing.maxReplica: unknown key: did you mean maxReplicas"},
            {SPEC "  gain: {x: 1}\n",
                    "line 6: spec.gain.x: unknown key: expected one of minimum, minimumUsdPerHour"},
            {SPEC "  timeSlicing: 4\n", "line 6: spec.timeSlicing: '4': expected a map"},
            {SPEC "  timeSlicing: {maxReplicas: 65}\n",
                    "line 6: spec.timeSlicing.maxReplicas: '65': expected a whole number, 2 to 64"},
            {SPEC "  timeSlicing: {maxReplicas: \"4\"}\n",
                    "line 6: spec.timeSlicing.maxReplicas: '4': expected a whole number, 2 to 64"},
            {SPEC "  timeSlicing: {maxReplicasPerInstance: 5}\n",
                    "line 6: spec.timeSlicing.maxReplicasPerInstance: '5': expected a whole "
                    "number, 1 to 4"},
            {SPEC "  timeSlicing: {minReplicas: 8, maxReplicas: 4}\n",
                    "line 6: spec.timeSlicing: minReplicas 8 is above maxReplicas 4: expected at "
                    "most that"},
            {SPEC "  demand: {percentile: 0.99}\n",
                    "line 6: spec.demand.percentile: '0.99': expected a percentage such as 95% or "
                    "99.5%, 50% to 100%"},
            {SPEC "  demand: {percentile: 99.95%}\n", ""},
            {SPEC "  demand: {percentile: 101%}\n", ""},
            {SPEC "  demand: {percentile: -5%}\n", ""},
            {SPEC "  memory: {headroom: .nan}\n", ""},
            {SPEC "  memory: {riskPerPodHour: 5}\n",
                    "line 6: spec.memory.riskPerPodHour: '5': expected parts per million such as "
                    "100ppm, 0ppm to 100000ppm"},
            {SPEC "  dwell: {node: 30}\n",
                    "line 6: spec.dwell.node: '30': expected a duration such as 30m or 1d12h, 0s "
                    "to 30d"},
            {SPEC "  dwell: {node: 31d}\n", ""},
            {SPEC "  gain: {minimumUsdPerHour: 1e400}\n", ""},
            {SPEC "  suspend: yes\n", "line 6: spec.suspend: 'yes': expected true or false"},
            {SPEC "  isolation: strong\n",
                    "line 6: spec.isolation: 'strong': expected one of none, instance, exclusive"},
            {SPEC "  nodeSelector: {a: true}\n",
                    "line 6: spec.nodeSelector: 'true': expected a label value (quote numbers and "
                    "booleans)"},
            {SPEC "  nodeSelector: {-a: b}\n",
                    "line 6: spec.nodeSelector: '-a': expected a label key"},
            {SPEC "  nodeSelector: {a: b, a: c}\n", ""},
            {SPEC "  techniques: [{technique: mps, mode: apply}]\n",
                    "line 6: spec.techniques: 'mps': expected time-slicing or mig"},
            {SPEC "  techniques: [{technique: mig}]\n", "line 6: spec.techniques.mode: missing"},
            {SPEC "  techniques: [{technique: mig, mode: apply}, {technique: mig, mode: apply}]\n",
                    "line 6: spec.techniques: 'mig': expected each technique once"},
            {SPEC "  techniques: []\n",
                    "line 6: spec.latencySensitive.treatment: 'mig': expected exclusive or one of "
                    "spec.techniques"},
            {SPEC "  maintenance:\n    windows:\n      - {cron: \"0 2 * *\", duration: 1h}\n",
                    "line 8: spec.maintenance.windows: cron '0 2 * *': expected five fields: "
                    "minute hour day-of-month month day-of-week"},
            {SPEC "  maintenance:\n    windows:\n      - {cron: \"0 2 * * *\", duration: 25h}\n",
                    "line 8: spec.maintenance.windows: '25h': expected a duration of whole "
                    "minutes, 1m to 1d"},
            {SPEC "  maintenance:\n    windows:\n      - {cron: \"0 2 * * *\", duration: 4h}\n"
                  "      - {cron: \"0 5 * * sun\", duration: 1h}\n",
                    "line 9: spec.maintenance.windows: '0 5 * * sun' overlaps '0 2 * * *' of line "
                    "8: expected no overlap"},
            {SPEC "  maintenance:\n    windows:\n      - {cron: \"0 2,3 * * *\", duration: 4h}\n",
                    "line 8: spec.maintenance.windows: cron '0 2,3 * * *' starts again before its "
                    "window ends: expected no overlap"},
            {SPEC "  maintenance: {windows: nightly}\n",
                    "line 6: spec.maintenance.windows: 'nightly': expected a list of {cron, "
                    "duration}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        const struct policy *p = NULL;
        struct err e = {0};
        int r = policy_parse(a, str_from(cases[i].text), &p, &e);
        if (r >= 0)
            fail_msg("case %zu was accepted", i);
        assert_null(p);
        assert_true(strlen(e.text) > 0 && !strchr(e.text, '\n'));
        if (cases[i].want[0] != '\0')
            assert_string_equal(e.text, cases[i].want);
        arena_free(a);
    }
}

static void add_fault(void *user, const char *text)
{
    buf_printf(user, "%s\n", text);
}

/* All that is wrong, each as it is said alone; what stands between keys once each is right. */
static void test_every_fault_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
            {SPEC "  suspend: 1\n  presett: x\n  timeSlicing: {minReplicas: 99, x: 1}\n",
                    "line 6: spec.suspend: '1': expected true or false\n"
                    "line 7: spec.presett: unknown key: did you mean preset\n"
                    "line 8: spec.timeSlicing.minReplicas: '99': expected a whole number, 2 to 64\n"
                    "line 8: spec.timeSlicing.x: unknown key: expected one of minReplicas, "
                    "maxReplicas, maxReplicasPerInstance\n"},
            {"apiVersion: v1\nkind: SharingPolicy\nmetadata: {nam: a}\nspec: {suspend: maybe}\n",
                    "line 1: apiVersion: 'v1': expected " POLICY_API_VERSION "\n"
                    "line 3: metadata.nam: unknown key: did you mean name\n"
                    "line 3: metadata.name: missing\n"
                    "line 4: spec.suspend: 'maybe': expected true or false\n"},
            {"kind: SharingPolicy\n", "line 1: apiVersion: missing\nline 1: metadata: missing\n"
                                      "line 1: spec: missing\n"},
            {SPEC "  suspend: true\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        const struct doc *doc = NULL;
        struct buf said = BUF_INIT(4096);
        const struct policy_fault_sink sink = {add_fault, &said};
        struct err e = {0};
        assert_int_equal(doc_parse_yaml(a, str_from(cases[i].text), 4096, &doc, &e), 0);
        uint32_t count = policy_faults_find(doc, &sink);
        buf_putc(&said, '\0');
        assert_string_equal(said.ptr, cases[i].want);
        for (const char *c = said.ptr; *c != '\0'; c++)
            count -= *c == '\n';
        assert_int_equal(count, 0);
        buf_clear(&said);
        arena_free(a);
    }
}

static void test_docs_page(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    policy_docs_emit(&out);
    assert_false(out.overflow);
    test_golden("docs/POLICY.md", out.ptr, out.len);
    buf_clear(&out);
}

static void test_an_object_as_kubectl_prints_it(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    const struct policy *p = NULL;
    struct err e = {0};
    int r = policy_parse(a,
            STR_LIT("apiVersion: sharing.slicewright.io/v1alpha1\nkind: SharingPolicy\n"
                    "metadata:\n  annotations: {a: b}\n  creationTimestamp: "
                    "\"2026-11-23T01:00:00Z\"\n"
                    "  generation: 2\n  labels: {}\n  managedFields: []\n  name: live\n"
                    "  resourceVersion: \"426\"\n  uid: x\nspec: {suspend: true}\n"
                    "status:\n  conditions: []\n"),
            &p, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    assert_true(p->suspend && str_eq_c(p->name, "live"));
    assert_int_equal(
            policy_parse(a,
                    STR_LIT("apiVersion: sharing.slicewright.io/v1alpha1\n"
                            "kind: SharingPolicy\nmetadata: {name: x, label: {}}\nspec: {}\n"),
                    &p, &e),
            -EINVAL);
    assert_string_equal(e.text, "line 3: metadata.label: unknown key: expected one of name");
    arena_free(a);
}

static void test_crds(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    policy_crd_emit(&out);
    assert_false(out.overflow);
    test_golden("deploy/crds/slicewright.yaml", out.ptr, out.len);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_empty_spec_is_the_preset),
            cmocka_unit_test(test_preset_windows_match_their_cron),
            cmocka_unit_test(test_presets_keep_their_promises),
            cmocka_unit_test(test_every_kind_of_value),
            cmocka_unit_test(test_copy_outlives_its_source),
            cmocka_unit_test(test_json),
            cmocka_unit_test(test_errors),
            cmocka_unit_test(test_every_fault_is_found),
            cmocka_unit_test(test_docs_page),
            cmocka_unit_test(test_an_object_as_kubectl_prints_it),
            cmocka_unit_test(test_crds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
