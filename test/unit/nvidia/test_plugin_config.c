/* The device plugin's config: what it accepts and refuses, as the real parsers were seen to do; the
 * files that we write.  Each case is (text, accepted, replicas), so that an oracle that runs
 * NVIDIA's own code can be put beside our parser over the same table. */
#include "test.h"

#include "nvidia/plugin_config.h"

#include <errno.h>
#include <string.h>

#define TS(rest)  "version: v1\nsharing:\n  timeSlicing:\n" rest
#define RES(rest) TS("    renameByDefault: true\n    resources:\n" rest)

static const struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};

static const struct {
    const char *text;
    uint32_t replicas; /* of nvidia.com/gpu; 0 = refused */
    const char *want;  /* first error or warning; NULL = none */
} cases[] = {
        {"version: v1\n", 1, NULL},
        {"version: v1\nflags: {migStrategy: mixed}\n", 1, NULL},
        {"", 1, NULL},
        {"flags: {}\n", 1, "no version: read as v1"},
        {"version: \"\"\n", 1, NULL},
        {"version: v2\n", 0, "unknown version: 'v2', expected v1"},
        {"version: 1\n", 0, "version: a whole number, expected v1"},
        {"[]\n", 0, "a list, expected a map"},
        {"version: v1\nflags: {migStrategy: many}\n", 0,
                "flags.migStrategy: 'many': expected none, single or mixed"},
        {"version: v1\nflags: {failOnInitError: \"true\"}\n", 0,
                "flags.failOnInitError: a string, expected true or false"},
        {"version: v1\nflags: {renameByDefault: true}\n", 1,
                "'renameByDefault' does nothing under flags: it belongs under "
                "sharing.timeSlicing"},
        {"version: v1\nflags: {migStrateg: mixed}\n", 1,
                "'migStrateg' is no key of flags and is ignored in silence; did you mean "
                "migStrategy"},
        {"version: v1\nflags: {plugin: {deviceListStrategy: [envvar, cdi-cri]}}\n", 1, NULL},
        {"version: v1\nflags: {plugin: {deviceIDStrategy: name}}\n", 0,
                "flags.plugin.deviceIDStrategy: 'name': expected uuid, index"},
        {"version: v1\nflags: {gfd: {sleepInterval: 60s, oneshot: false}}\n", 1, NULL},
        {RES("      - {name: nvidia.com/gpu, replicas: 4}\n"), 4, NULL},
        {RES("      - {name: gpu, replicas: 4}\n"), 4, NULL},
        {RES("      - {name: nvidia.com/mig-1g.5gb, replicas: 3}\n"), 1, NULL},
        {TS("    resources: [{name: gpu, replicas: 2}]\n"), 2,
                "sharing.timeSlicing: without renameByDefault, shared and whole GPUs have one "
                "name"},
        {TS("    replicas: 4\n"), 0,
                "sharing.timeSlicing: no resources specified; replicas belong under resources: "
                "[{name: nvidia.com/gpu, replicas: N}]"},
        {"version: v1\nsharing: {timeSlicing: {}}\n", 0,
                "sharing.timeSlicing: no resources specified"},
        {"version: v1\nsharing: {timeSlicing: null}\n", 0,
                "sharing.timeSlicing: no resources specified"},
        {TS("    resources: []\n"), 0, "sharing.timeSlicing: no resources specified"},
        {RES("      - {replicas: 4}\n"), 0, "sharing.timeSlicing: no resource name specified"},
        {RES("      - {name: gpu}\n"), 0, "sharing.timeSlicing: no replicas specified"},
        {RES("      - {name: gpu, replicas: 1}\n"), 0,
                "sharing.timeSlicing.replicas: 1: expected 2 to 1048576; leave the block out for "
                "no sharing"},
        {RES("      - {name: gpu, replicas: 0}\n"), 0,
                "sharing.timeSlicing.replicas: 0: expected 2 to 1048576"},
        {RES("      - {name: gpu, replicas: \"4\"}\n"), 0,
                "sharing.timeSlicing.replicas: a string, expected a whole number"},
        {RES("      - {name: gpu, replicas: 4.5}\n"), 0,
                "sharing.timeSlicing.replicas: a number, expected a whole number"},
        {RES("      - {name: gpu, replicas: 100000}\n"), 100000,
                "sharing.timeSlicing.replicas: 100000 pods on one GPU, none with a share of "
                "memory or time of its own"},
        {RES("      - {name: GPU, replicas: 4}\n"), 0,
                "sharing.timeSlicing: 'GPU' is no resource name"},
        {RES("      - {name: gpu, replicas: 4, devices: \"0\"}\n"), 0,
                "sharing.timeSlicing.devices: expected all, a count above 0, or a list of "
                "indexes and UUIDs"},
        {RES("      - {name: gpu, replicas: 4, devices: all}\n"), 4, NULL},
        {RES("      - {name: gpu, replicas: 4, devices: [0, \"0:1\", "
             "GPU-b1028956-cfa2-0990-bf4a-5da9abb51763, "
             "MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/3/0]}\n"),
                4, "sharing.timeSlicing.devices is disabled in the plugin: all devices are shared"},
        {RES("      - {name: gpu, replicas: 4, devices: [GPU-b1028956]}\n"), 0,
                "sharing.timeSlicing.devices: expected all, a count above 0, or a list of "
                "indexes and UUIDs"},
        {RES("      - {name: gpu, replicas: 4, rename: shared-gpu}\n"), 4,
                "sharing.timeSlicing.rename is disabled in the plugin; renameByDefault works"},
        {"version: v1\nresources: {gpus: [{pattern: \"*\", name: gpu}]}\n", 1,
                "the resources block is checked, then ignored by the plugin"},
        {"version: v1\nsharing:\n  mps:\n    renameByDefault: true\n    resources: [{name: gpu, "
         "replicas: 3}]\n",
                3, NULL},
        {"version: v1\nflags: {migStrategy: mixed}\nsharing:\n  mps:\n    renameByDefault: true\n"
         "    resources: [{name: gpu, replicas: 3}]\n",
                0, "sharing.mps does not work with migStrategy mixed"},
        {"version: v1\nsharing: {mps: null}\n", 1, NULL},
        {"version: v1\nsharing:\n  mps:\n    renameByDefault: true\n    resources: [{name: "
         "mig-1g.5gb, replicas: 3}]\n",
                0, "sharing.mps: 'nvidia.com/mig-1g.5gb': MPS does not work on MIG devices"},
        {"flags: {migStrategy: single}\n" RES("      - {name: mig-1g.5gb, replicas: 3}\n"), 1,
                "sharing.timeSlicing: 'nvidia.com/mig-1g.5gb' is there under migStrategy mixed "
                "only"},
        {RES("      - {name: nvidia.com/gpu.shared, replicas: 3}\n"), 1,
                "sharing.timeSlicing: 'nvidia.com/gpu.shared' matches no device: name what is "
                "shared, without .shared"},
        {"version: v1\nversion: v1\n", 0, NULL},
};

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
        if (cases[i].want) {
            assert_true(lint.count > 0);
            assert_string_equal(lint.findings[0].text, cases[i].want);
            assert_true(lint.findings[0].line > 0 && lint.findings[0].column > 0);
        } else if (r == 0) {
            assert_int_equal(lint.count, 0);
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
    assert_string_equal(e.text,
            "line 8, column 7: sharing.timeSlicing.replicas: 1: expected 2 to 1048576; leave the "
            "block out for no sharing");
    nvidia_lint_format(&lint, "cm.yaml", &out);
    assert_string_equal(out.ptr,
            "cm.yaml:3:3: warning: 'renameByDefault' does nothing under flags: it belongs under "
            "sharing.timeSlicing (unknown-key)\n"
            "cm.yaml:8:7: error: sharing.timeSlicing.replicas: 1: expected 2 to 1048576; leave "
            "the block out for no sharing (replicas)\n"
            "cm.yaml:5:3: warning: sharing.timeSlicing: without renameByDefault, shared and whole "
            "GPUs have one name (rename)\n");
    buf_clear(&out);
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
            for (unsigned k = 0; k < key_count; k++)
                assert_string_not_equal(keys[k], key);
            key_count++;
            buf_clear(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_cases),
            cmocka_unit_test(test_places),
            cmocka_unit_test(test_first_error_survives_many_warnings),
            cmocka_unit_test(test_written),
            cmocka_unit_test(test_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
