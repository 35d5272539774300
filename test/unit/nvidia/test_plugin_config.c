/* The device plugin's config: what it accepts and refuses, as the real parsers were seen to do; the
 * files that we write.  prop_parsers.c puts NVIDIA's own code beside ours. */
#include "test.h"

#include "nvidia/plugin_config.h"

#include <errno.h>
#include <string.h>

#define TS(rest) "version: v1\nsharing:\n  timeSlicing:\n" rest
#define RES(rest)                                                                                  \
    TS("    renameByDefault: true\n    failRequestsGreaterThanOne: true\n    resources:\n" rest)
#define MPS(rest)                                                                                  \
    "version: v1\nflags: {mpsRoot: /run/nvidia/mps" rest                                           \
    "}\nsharing:\n  mps:\n    renameByDefault: true\n"

static const struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};

static const struct {
    const char *text;
    uint32_t replicas; /* of nvidia.com/gpu; 0 = refused */
    const char *rules; /* of all findings, in their order */
} cases[] = {
        {"version: v1\n", 1, ""},
        {"version: v1\nflags: {migStrategy: mixed}\n", 1, ""},
        {"", 1, ""},
        {"# nothing\n", 1, ""},
        {"null\n", 1, ""},
        {"flags: {}\n", 1, "no-version"},
        {"version: \"\"\n", 1, ""},
        {"version: v2\n", 0, "version"},
        {"version: 1\n", 0, "version"},
        {"version: []\n", 0, "version"},
        {"[]\n", 0, "type"},
        {"version: v1\nflags: {migStrategy: many}\n", 0, "flag-value"},
        {"version: v1\nflags: {migStrategy: 1}\n", 0, "type"},
        {"version: v1\nflags: {failOnInitError: \"true\"}\n", 0, "type"},
        {"version: v1\nflags: {failOnInitError: yes}\n", 1, "yaml-word"},
        {"version: v1\nflags: {renameByDefault: true}\n", 1, "misplaced-key"},
        {"version: v1\nflags: {migStrateg: mixed}\n", 1, "unknown-key"},
        {"version: v1\nFLAGS: {MIGSTRATEGY: mixed}\n", 1, "key-case key-case"},
        {"version: v1\nflags: {migStrategy: mixed}\nFlags: {migStrategy: x}\n", 1, "key-case"},
        {"version: v1\nflags: {migStrategy: x}\nFlags: {migStrategy: mixed}\n", 0,
                "flag-value key-case"},
        {"version: v1\nflags: {plugin: {deviceListStrategy: [envvar, cdi-cri]}}\n", 1, ""},
        {"version: v1\nflags: {plugin: {deviceListStrategy: [envvar, cdi]}}\n", 0, "flag-value"},
        {"version: v1\nflags: {plugin: {deviceIDStrategy: name}}\n", 0, "flag-value"},
        {"version: v1\nflags: {plugin: {deviceIDStrategy: name}, Plugin: null}\n", 0,
                "flag-value key-case"},
        {"version: v1\nflags: {gfd: {sleepInterval: 60s, oneshot: false}}\n", 1, ""},
        {"version: v1\nflags: {gfd: {sleepInterval: 1h2.5m-3s}}\n", 0, "type"},
        {"version: v1\nflags: {gfd: {sleepInterval: infinite}}\n", 1, ""},
        {"version: v1\nflags: {gfd: {sleepInterval: 60}}\n", 1, "duration"},
        {"version: v1\nimex: {channelIDs: [0]}\n", 1, ""},
        {"version: v1\nimex: {channelIDs: [1]}\n", 0, "imex"},
        {"version: v1\nimex: {channelIDs: [\"0\"]}\n", 0, "type"},
        {"version: v1\nunknown: .inf\n", 0, "not-finite unknown-key"},
        {"version: v1\n---\nversion: v2\n", 1, "other-documents"},
        {"version: v2\nversion: v1\n", 1, "duplicate-key"},
        {"version: v1\nversion: v2\n", 0, "duplicate-key version"},
        {RES("      - {name: nvidia.com/gpu, replicas: 4}\n"), 4, ""},
        {RES("      - {name: gpu, replicas: 4}\n"), 4, ""},
        {RES("      - {name: gpu, replicas: 4.0}\n"), 4, "number"},
        {RES("      - {name: gpu, replicas: 0x10}\n"), 16, "yaml-number"},
        {RES("      - &r {name: gpu, replicas: 4}\n"), 4, ""},
        {RES("      - {<<: {name: gpu, replicas: 2}, replicas: 4}\n"), 4, "duplicate-key"},
        {RES("      - {name: nvidia.com/mig-1g.5gb, replicas: 3}\n"), 1, ""},
        {TS("    resources: [{name: gpu, replicas: 2}]\n"), 2, "one-name fail-requests"},
        {TS("    replicas: 4\n"), 0, "no-resources"},
        {"version: v1\nsharing: {timeSlicing: {}}\n", 0, "no-resources"},
        {"version: v1\nsharing: {timeSlicing: null}\n", 0, "no-resources"},
        {"version: v1\nsharing: null\n", 1, ""},
        {TS("    resources: []\n"), 0, "no-resources"},
        {TS("    Resources: [{name: gpu, replicas: 2}]\n"), 0, "no-resources unknown-key"},
        {RES("      - {replicas: 4}\n"), 0, "resource-name"},
        {RES("      - {name: gpu}\n"), 0, "replicas"},
        {RES("      - null\n"), 0, "resource-name replicas"},
        {RES("      - {name: gpu, replicas: 1}\n"), 0, "replicas"},
        {RES("      - {name: gpu, replicas: 0}\n"), 0, "replicas"},
        {RES("      - {name: gpu, replicas: null}\n"), 0, "replicas"},
        {RES("      - {name: gpu, replicas: \"4\"}\n"), 0, "replicas"},
        {RES("      - {name: gpu, replicas: 4.5}\n"), 0, "replicas"},
        {RES("      - {name: gpu, replicas: 100000}\n"), 100000, "replicas-many"},
        {RES("      - {name: GPU, replicas: 4}\n"), 0, "resource-name"},
        {RES("      - {name: gpu, replicas: 4, devices: \"0\"}\n"), 0, "devices"},
        {RES("      - {name: gpu, replicas: 4, devices: null}\n"), 0, "devices"},
        {RES("      - {name: gpu, replicas: 4, devices: all}\n"), 4, ""},
        {RES("      - {name: gpu, replicas: 4, devices: [0, \"0:1\", "
             "GPU-b1028956-cfa2-0990-bf4a-5da9abb51763, "
             "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/3/0]}\n"),
                4, "devices-ignored"},
        {RES("      - {name: gpu, replicas: 4, devices: [GPU-b1028956]}\n"), 0, "devices"},
        {RES("      - {name: gpu, replicas: 4, rename: shared-gpu}\n"), 4, "rename"},
        {RES("      - {name: gpu, replicas: 4, rename: null}\n"), 0, "resource-name"},
        {RES("      - {name: gpu, replicas: 4}\n      - {name: gpu, replicas: 2}\n"), 4, "twice"},
        {"version: v1\nresources: {gpus: [{pattern: \"*\", name: gpu}]}\n", 1, "patterns-ignored"},
        {"version: v1\nresources: {gpus: [{name: gpu}]}\n", 0, "patterns-ignored patterns"},
        {MPS("") "    resources: [{name: gpu, replicas: 3}]\n", 3, ""},
        {"sharing: {mps: {resources: [{name: gpu, replicas: 3}]}}\n", 3, "no-version mps-root"},
        {MPS(", migStrategy: mixed") "    resources: [{name: gpu, replicas: 3}]\n", 0, "mps-mixed"},
        {MPS("") "    failRequestsGreaterThanOne: false\n    resources: [{name: gpu, replicas: 3}]"
                 "\n",
                3, "mps-fail-requests"},
        {"version: v1\nsharing: {mps: null}\n", 1, ""},
        {MPS("") "    resources: [{name: mig-1g.5gb, replicas: 3}]\n", 0, "mps-mig"},
        {"flags: {migStrategy: single}\n" RES("      - {name: mig-1g.5gb, replicas: 3}\n"), 1,
                "resource-absent"},
        {RES("      - {name: nvidia.com/gpu.shared, replicas: 3}\n"), 1, "resource-absent"},
        {RES("      - {name: nvidia.com/a100, replicas: 3}\n"), 1, "resource-absent"},
};

/* The rules of all findings, with blanks between. */
static void rules_format(const struct nvidia_lint *lint, struct buf *out)
{
    for (uint32_t i = 0; i < lint->count; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", lint->findings[i].rule->name);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        static struct nvidia_lint lint;
        struct nvidia_plugin_config c;
        struct err e = {0};
        struct str text = str_from(cases[i].text);
        lint = (struct nvidia_lint){0};
        int r = nvidia_plugin_config_parse(a, text, &c, &lint, &e);
        if ((r == 0) != (cases[i].replicas > 0))
            fail_msg("case %zu: %d %s", i, r, e.text);
        struct buf rules = BUF_INIT(4096);
        rules_format(&lint, &rules);
        if (!str_eq_c(buf_str(&rules), cases[i].rules))
            fail_msg("case %zu: %.*s", i, STR_ARG(buf_str(&rules)));
        buf_clear(&rules);
        for (uint32_t k = 0; k < lint.count; k++) {
            bool whole_file = strcmp(lint.findings[k].rule->name, "other-documents") == 0;
            assert_true(whole_file || lint.findings[k].line > 0);
        }
        if (r < 0)
            assert_true(strlen(e.text) > 0 && !strchr(e.text, '\n'));
        assert_int_equal(nvidia_plugin_config_replicas(text, &gpu), cases[i].replicas);
        arena_free(a);
    }
}

static void test_places(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct nvidia_lint lint = {0};
    struct nvidia_plugin_config c;
    struct err e = {0};
    struct buf out = BUF_INIT(4096);
    const char *text = "version: v1\n"
                       "flags:\n"
                       "  renameByDefault: true\n"
                       "sharing:\n"
                       "  timeSlicing:\n"
                       "    resources:\n"
                       "    - name: nvidia.com/gpu\n"
                       "      replicas: 1\n";
    assert_int_equal(nvidia_plugin_config_parse(a, str_from(text), &c, &lint, &e), -EINVAL);
    assert_string_equal(e.text, "line 8, column 7: sharing.timeSlicing.resources.replicas: 1: "
                                "expected at least 2");
    nvidia_lint_format(&lint, "cm.yaml", &out);
    assert_string_equal(out.ptr,
            "cm.yaml:3:3: warning: 'renameByDefault' does nothing under flags [misplaced-key]\n"
            "    instead: under sharing.timeSlicing\n"
            "cm.yaml:8:7: error: sharing.timeSlicing.resources.replicas: 1: expected at least 2 "
            "[replicas]\n"
            "    instead: leave the sharing block out for no sharing\n");
    buf_clear(&out);
    arena_free(a);
}

/* The article's form is refused, and the answer names the form that works. */
static void test_article(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct nvidia_lint lint = {0};
    struct nvidia_plugin_config c;
    struct buf fixed = BUF_INIT(4096);
    const char *text = "version: v1\nsharing:\n  timeSlicing:\n    replicas: 4\n";
    assert_int_equal(nvidia_plugin_config_parse(a, str_from(text), &c, &lint, NULL), -EINVAL);
    assert_int_equal(lint.count, 1);
    assert_int_equal(lint.findings[0].line, 4);
    buf_printf(&fixed, "version: v1\nsharing:\n  %s\n", lint.findings[0].instead);
    lint = (struct nvidia_lint){0};
    assert_int_equal(nvidia_plugin_config_parse(a, buf_str(&fixed), &c, &lint, NULL), 0);
    assert_int_equal(lint.count, 0);
    assert_int_equal(nvidia_plugin_config_replicas(buf_str(&fixed), &gpu), 4);
    buf_clear(&fixed);
    arena_free(a);
}

/* A disabled rule gives no finding and no refusal; a name is one rule. */
static void test_rules(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct nvidia_plugin_config c;
    unsigned index = 0;
    assert_non_null(nvidia_rule_find(STR_LIT("version"), &index));
    struct nvidia_lint lint = {0};
    nvidia_rule_set_add(&lint.disabled, index);
    assert_int_equal(nvidia_plugin_config_parse(a, STR_LIT("version: v2"), &c, &lint, NULL), 0);
    assert_int_equal(lint.count, 0);
    for (unsigned i = 0; i < nvidia_rule_count(); i++) {
        unsigned found = 0;
        const struct nvidia_rule *rule = nvidia_rule_get(i);
        assert_ptr_equal(nvidia_rule_find(str_from(rule->name), &found), rule);
        assert_int_equal(found, i);
        struct nvidia_rule_set one = {0};
        nvidia_rule_set_add(&one, i);
        for (unsigned k = 0; k < NVIDIA_RULES_MAX; k++)
            assert_int_equal(nvidia_rule_set_has(&one, k), k == i);
        assert_true(strlen(rule->why) > 0 && strlen(rule->source) > 0);
    }
    arena_free(a);
}

static void test_first_error_survives_many_warnings(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(65536);
    struct nvidia_plugin_config c;
    struct err e = {0};
    buf_puts(&text, "version: v1\nflags:\n");
    for (int i = 0; i < 200; i++)
        buf_printf(&text, "  unknown%d: 1\n", i);
    buf_puts(&text, "sharing: {timeSlicing: {}}\n");
    struct nvidia_lint lint = {0};
    assert_int_equal(nvidia_plugin_config_parse(a, buf_str(&text), &c, &lint, &e), -EINVAL);
    assert_non_null(strstr(e.text, "no resources specified"));
    assert_int_equal(lint.warnings, 200);
    buf_clear(&text);
    arena_free(a);
}

static void test_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(65536);
    struct nvidia_plugin_plan plan = {.gpu_replicas = 1, .mig_replicas = 1};
    nvidia_plugin_config_emit(&plan, &out);
    assert_string_equal(out.ptr, "version: v1\nflags:\n  migStrategy: mixed\n");
    buf_reset(&out);
    plan = (struct nvidia_plugin_plan){.gpu_replicas = 4,
            .mig_replicas = 2,
            .profile_count = 3,
            .profiles = {"2g.10gb", "1g.5gb+me", "2g.10gb"}};
    nvidia_plugin_config_emit(&plan, &out);
    assert_string_equal(out.ptr, "version: v1\n"
                                 "flags:\n"
                                 "  migStrategy: mixed\n"
                                 "sharing:\n"
                                 "  timeSlicing:\n"
                                 "    renameByDefault: true\n"
                                 "    failRequestsGreaterThanOne: true\n"
                                 "    resources:\n"
                                 "      - name: nvidia.com/gpu\n"
                                 "        replicas: 4\n"
                                 "      - name: nvidia.com/mig-1g.5gb.me\n"
                                 "        replicas: 2\n"
                                 "      - name: nvidia.com/mig-2g.10gb\n"
                                 "        replicas: 2\n");
    struct model_resource r = {.kind = MODEL_RESOURCE_GPU_SHARED};
    assert_int_equal(nvidia_plugin_config_replicas(buf_str(&out), &r), 4);
    r = (struct model_resource){.kind = MODEL_RESOURCE_MIG, .profile = "1g.5gb+me"};
    assert_int_equal(nvidia_plugin_config_replicas(buf_str(&out), &r), 2);
    r = (struct model_resource){.kind = MODEL_RESOURCE_MIG_SHARED, .profile = "3g.20gb"};
    assert_int_equal(nvidia_plugin_config_replicas(buf_str(&out), &r), 1);
    buf_clear(&out);
}

/* Every plan's file is accepted without a finding and says what the plan says; keys are label
 * values and differ whenever files do. */
static void test_written_reads_back(void **state)
{
    (void)state;
    char keys[64 * 4][NVIDIA_CONFIG_KEY_MAX];
    unsigned key_count = 0;
    for (uint32_t replicas = 1; replicas <= 64; replicas++) {
        for (uint32_t mig = 1; mig <= 4; mig++) {
            struct nvidia_plugin_plan plan = {.gpu_replicas = replicas,
                    .mig_replicas = mig,
                    .profile_count = mig > 1,
                    .profiles = {"1g.10gb"}};
            SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
            struct buf out = BUF_INIT(65536);
            struct nvidia_lint lint = {0};
            struct nvidia_plugin_config c;
            nvidia_plugin_config_emit(&plan, &out);
            assert_int_equal(nvidia_plugin_config_parse(a, buf_str(&out), &c, &lint, NULL), 0);
            assert_int_equal(lint.count, 0);
            assert_int_equal(c.mig_strategy, NVIDIA_MIG_STRATEGY_MIXED);
            assert_int_equal(nvidia_plugin_config_replicas(buf_str(&out), &gpu), replicas);
            char *key = nvidia_plugin_config_key(&plan, keys[key_count]);
            assert_true(strlen(key) < 64 &&
                        strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(key));
            assert_true(nvidia_config_key_is_made(str_from(key)));
            for (unsigned k = 0; k < key_count; k++)
                assert_string_not_equal(keys[k], key);
            key_count++;
            buf_clear(&out);
        }
    }
}

/* Names that people and other tools give: nothing that is theirs may be taken for ours. */
static void test_keys_of_others(void **state)
{
    (void)state;
    static const char *const theirs[] = {"", "default", "all-disabled", "all-1g.5gb", "by-hand",
            "exclusive", "exclusive-", "shared-x4", "mig-3g.20gb", "mig-1234567", "exclusive-gpu",
            "mig-ABCDEF01", "tenant-shared-x4-01234567", "custom-01234567", "shared-x401234567"};
    for (unsigned i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
        assert_false(nvidia_config_key_is_made(str_from(theirs[i])));
}

static void test_releases(void **state)
{
    (void)state;
    static const struct {
        const char *release;
        bool acts_first;
    } releases[] = {
            {"v0.17.4", false},
            {"v0.18.0", false},
            {"v0.18.1-ubi9", false},
            {"v0.18.2", true},
            {"0.18.2", true},
            {"v0.18.10", true},
            {"v0.19.1-ubi9", true},
            {"v0.19.x", false},
            {"v0.20.0", false},
            {"v1.18.2", false},
            {"v0.18", false},
            {"v0.18.2x", false},
            {"v0.00018.2", false},
            {"sha256:0.19.1", false},
            {"v", false},
            {"", false},
    };
    for (size_t i = 0; i < sizeof releases / sizeof releases[0]; i++) {
        bool got = nvidia_config_manager_acts_first(str_from(releases[i].release));
        if (got != releases[i].acts_first)
            fail_msg("%s: %d", releases[i].release, got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_cases),
            cmocka_unit_test(test_places),
            cmocka_unit_test(test_article),
            cmocka_unit_test(test_rules),
            cmocka_unit_test(test_first_error_survives_many_warnings),
            cmocka_unit_test(test_written),
            cmocka_unit_test(test_written_reads_back),
            cmocka_unit_test(test_keys_of_others),
            cmocka_unit_test(test_releases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
