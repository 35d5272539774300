/* mig-parted's config: what it accepts and refuses, checks against a model, the files that we
 * write. */
#include "test.h"

#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_OF(entry) "version: v1\nmig-configs:\n  c:\n" entry

static const struct {
    const char *text;
    bool accepted;
    const char *rules; /* of all findings, in their order */
} cases[] = {
        {FILE_OF("    - {devices: all, mig-enabled: false, mig-devices: {}}\n"), true, ""},
        {FILE_OF("    - {devices: all, mig-enabled: false}\n"), true, ""},
        {FILE_OF("    - {devices: all, mig-enabled: null, mig-devices: null}\n"), true, ""},
        {FILE_OF("    - {devices: [0, 3.0], mig-enabled: true, mig-devices: {1g.5gb: 2, "
                 "\"1g.5gb+me\": 1}}\n"),
                true, ""},
        {FILE_OF("    - {device-filter: \"0x20B010DE\", devices: all, mig-enabled: true, "
                 "mig-devices: {}}\n"),
                true, ""},
        {FILE_OF("    - {device-filter: [\"0x20B010DE:0x134F10DE\"], devices: all, mig-enabled: "
                 "true, mig-devices: {2g.10gb: 1}}\n"),
                true, "filter-subsystem"},
        {"", true, "no-configs"},
        {"{}", false, "spec-version no-configs"},
        {"version: v1\n", true, "no-configs"},
        {"mig-configs: {c: [{devices: all, mig-enabled: false}]}\n", false, "spec-version"},
        {"version: v2\nmig-configs: {c: [{devices: all, mig-enabled: false}]}\n", false,
                "spec-version"},
        {"version: v1\nmig-configs: {}\n", false, "empty"},
        {"version: v1\nmig-configs: null\n", false, "empty"},
        {"version: v1\nmig-configs: {c: []}\n", false, "empty"},
        {"version: v1\nextra: 1\nmig-configs: {c: [{devices: all, mig-enabled: false}]}\n", false,
                "unknown-field"},
        {"version: v1\nmig-configs: {c c: [{devices: all, mig-enabled: false}]}\n", true,
                "config-name"},
        {FILE_OF("    - {device: all, devices: all, mig-enabled: false}\n"), false,
                "unknown-field"},
        {FILE_OF("    - null\n"), false, "missing-field missing-field"},
        {FILE_OF("    - {mig-enabled: false}\n"), false, "missing-field"},
        {FILE_OF("    - {devices: all}\n"), false, "missing-field"},
        {FILE_OF("    - {devices: all, mig-enabled: true}\n"), false, "missing-field"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: null}\n"), false,
                "missing-field"},
        {FILE_OF("    - {devices: all, mig-enabled: false, mig-devices: {1g.5gb: 1}}\n"), false,
                "devices-while-off"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 0}}\n"), false,
                "profile-count"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: -1}}\n"), false,
                "profile-count"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 1.5}}\n"), false,
                "profile-count"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 0, 2g.10gb: 1}}"
                 "\n"),
                false, "count-zero"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 1000}}\n"), false,
                "count-huge"},
        {FILE_OF("    - {devices: all, mig-enabled: true, mig-devices: {1g: 1}}\n"), false,
                "profile-name"},
        {FILE_OF("    - {devices: none, mig-enabled: false}\n"), false, "field-type"},
        {FILE_OF("    - {devices: [\"0\"], mig-enabled: false}\n"), false, "field-type"},
        {FILE_OF("    - {devices: [-1, 99], mig-enabled: false}\n"), true, "index index"},
        {FILE_OF("    - {devices: all, mig-enabled: \"true\", mig-devices: {}}\n"), false,
                "field-type"},
        {FILE_OF("    - {device-filter: A100, devices: all, mig-enabled: false}\n"), true,
                "filter"},
        {FILE_OF("    - {devices: all, devices: [0], mig-enabled: false}\n"), true,
                "duplicate-key"},
};

/* Fails unless the rules of all findings, with blanks between, are `want`. */
static void assert_rules(const struct nvidia_lint *lint, const char *want, const char *text)
{
    struct buf out = BUF_INIT(4096);
    for (uint32_t i = 0; i < lint->count; i++)
        buf_printf(&out, "%s%s", i > 0 ? " " : "", lint->findings[i].rule->name);
    if (!str_eq_c(buf_str(&out), want))
        fail_msg("%s: %.*s", text, STR_ARG(buf_str(&out)));
    buf_clear(&out);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        struct nvidia_lint lint = {0};
        struct nvidia_mig_parted file;
        struct err e = {0};
        int r = nvidia_mig_parted_parse(a, str_from(cases[i].text), &file, &lint, &e);
        if ((r == 0) != cases[i].accepted)
            fail_msg("case %zu: %d %s", i, r, e.text);
        assert_rules(&lint, cases[i].rules, cases[i].text);
    }
}

static void test_profiles(void **state)
{
    (void)state;
    static const char *const good[] = {"1g.5gb", "7g.80gb", "1c.3g.20gb", "1g.5gb+me",
            "1g.24gb+me.all", "1g.24gb+gfx", "1g.24gb+gfx,me", "1g.24gb-me", "1111111g.5gb",
            "1g.5gb+aaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const bad[] = {"", "1g", "g.5gb", "1g.5", "1g.5gb+", "1g.5gb+1a",
            "1g.5gb+me-x", "1g.5gb+me,", "1g.5gb+.me", "1g.5gb+me.", "1c.1g.5gbx", " 1g.5gb",
            "1g.5gb+me,me", "99999999999999999999g.5gb", "1g.5gb-me-x", "1c1g.5gb"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(nvidia_mig_profile_is_valid(str_from(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(nvidia_mig_profile_is_valid(str_from(bad[i])));
}

static void test_later_entries_override(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct nvidia_mig_parted file;
    const char *text = FILE_OF("    - {devices: all, mig-enabled: false}\n"
                               "    - {devices: [1], mig-enabled: true, mig-devices: {1g.5gb: 7}}"
                               "\n");
    assert_int_equal(nvidia_mig_parted_parse(a, str_from(text), &file, NULL, NULL), 0);
    assert_null(nvidia_mig_parted_find(&file, STR_LIT("x")));
    const struct nvidia_mig_config *c = nvidia_mig_parted_find(&file, STR_LIT("c"));
    assert_non_null(c);
    assert_false(nvidia_mig_config_entry(c, 0)->mig_enabled);
    assert_true(nvidia_mig_config_entry(c, 1)->mig_enabled);
    assert_int_equal(nvidia_mig_config_entry(c, 1)->profiles[0].count, 7);
}

/* The first finding of a check of `entry` on a node, or "". */
static void check_one(const char *entry, const char *model, uint32_t gpus, char *text, size_t size)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct nvidia_mig_parted file;
    struct nvidia_lint lint = {0};
    struct err e = {0};
    struct buf all = BUF_INIT(65536);
    buf_puts(&all, FILE_OF(""));
    buf_puts(&all, entry);
    if (nvidia_mig_parted_parse(a, buf_str(&all), &file, NULL, &e) < 0)
        fail_msg("%s", e.text);
    nvidia_mig_config_check(&file.configs[0], model ? mig_model_find(model) : NULL, gpus, &lint);
    (void)snprintf(text, size, "%s", lint.count > 0 ? lint.findings[0].text : "");
    buf_clear(&all);
}

static void test_check_against_model(void **state)
{
    (void)state;
    char text[256];
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {3g.20gb: 1, 2g.10gb: 1, "
              "1g.5gb: 2}}\n",
            "A100-40GB", 8, text, sizeof text);
    assert_string_equal(text, "");
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {3g.20gb: 2, 1g.5gb: 1}}\n",
            "A100-40GB", 8, text, sizeof text);
    assert_non_null(strstr(text, "c: cannot be placed on a A100-40GB"));
    check_one("    - {devices: [0], mig-enabled: false}\n", "A100-40GB", 2, text, sizeof text);
    assert_string_equal(text, "c: GPU 1 is not matched: it is never reported done");
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 1}}\n", NULL, 1, text,
            sizeof text);
    assert_string_equal(text, "c: GPU 0 has no MIG");
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {9g.5gb: 1}}\n", "A100-40GB", 1,
            text, sizeof text);
    assert_non_null(strstr(text, "9g.5gb"));
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 8}}\n", "A100-40GB", 1,
            text, sizeof text);
    assert_non_null(strstr(text, "c: cannot be placed on a A100-40GB"));
    check_one("    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 7}}\n", "A100-40GB", 1,
            text, sizeof text);
    assert_string_equal(text, "");
}

/* The rules of a file's check without a node in mind. */
static void test_check_without_node(void **state)
{
    (void)state;
    static const struct {
        const char *entries;
        const char *rules;
    } files[] = {
            {"    - {devices: all, mig-enabled: false}\n", ""},
            {"    - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 7}}\n", "all-devices"},
            {"    - {device-filter: \"0x20B010DE\", devices: all, mig-enabled: true, mig-devices: "
             "{1g.5gb: 7}}\n",
                    ""},
            {"    - {device-filter: \"0x20B010DE\", devices: all, mig-enabled: true, mig-devices: "
             "{1g.5gb: 8}}\n",
                    "layout"},
            {"    - {device-filter: \"0x20B210DE\", devices: all, mig-enabled: true, mig-devices: "
             "{1g.5gb: 7}}\n",
                    "profile-unknown"},
            {"    - {device-filter: [\"0x20B010DE\", \"0x20B210DE\"], devices: all, mig-enabled: "
             "true, mig-devices: {1g.10gb: 5}}\n",
                    "layout"},
            {"    - {devices: [0], mig-enabled: true, mig-devices: {4g.20gb: 2}}\n",
                    "some-gpus layout"},
            {"    - {devices: all, mig-enabled: true, mig-devices: {9g.5gb: 1}}\n",
                    "all-devices profile-unknown"},
            {"    - {device-filter: \"0x20B010DE\", devices: all, mig-enabled: true, mig-devices: "
             "{1c.3g.20gb: 6}}\n",
                    "compute-instance"},
            {"    - {device-filter: \"0x20B010DE\", devices: all, mig-enabled: true, mig-devices: "
             "{1c.3g.20gb: 7}}\n",
                    "layout compute-instance"},
            {"    - {device-filter: \"0x294110DE\", devices: all, mig-enabled: true, mig-devices: "
             "{7g.186gb: 1}}\n",
                    "name-moves"},
            {"    - {devices: [0], mig-enabled: false}\n    - {devices: all, mig-enabled: false}\n",
                    "overridden"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        struct nvidia_mig_parted file;
        struct nvidia_lint lint = {0};
        struct buf text = BUF_INIT(65536);
        buf_puts(&text, FILE_OF(""));
        buf_puts(&text, files[i].entries);
        assert_int_equal(nvidia_mig_parted_parse(a, buf_str(&text), &file, NULL, NULL), 0);
        nvidia_mig_parted_check(&file, NULL, &lint);
        nvidia_lint_sort(&lint);
        assert_rules(&lint, files[i].rules, files[i].entries);
        buf_clear(&text);
    }
}

static void test_written(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(65536);
    struct nvidia_mig_plan plan = {.gpu_count = 4,
            .layouts = {STR_LIT("3g.20gb@4,2x1g.5gb*"), STR_LIT(""),
                    STR_LIT("1g.5gb@0,3g.20gb@4,1g.5gb@1"), STR_LIT("none")}};
    assert_int_equal(nvidia_mig_plan_emit(&plan, STR_LIT("mig-x"), &out, NULL), 0);
    assert_string_equal(out.ptr, "version: v1\n"
                                 "mig-configs:\n"
                                 "  mig-x:\n"
                                 "    - devices: [0, 2]\n"
                                 "      mig-enabled: true\n"
                                 "      mig-devices: {\"1g.5gb\": 2, \"3g.20gb\": 1}\n"
                                 "    - devices: [1]\n"
                                 "      mig-enabled: false\n"
                                 "      mig-devices: {}\n"
                                 "    - devices: [3]\n"
                                 "      mig-enabled: true\n"
                                 "      mig-devices: {}\n");
    char name[NVIDIA_CONFIG_KEY_MAX];
    char other[NVIDIA_CONFIG_KEY_MAX];
    assert_int_equal(strncmp(nvidia_mig_plan_name(&plan, name), "mig-", 4), 0);
    plan.layouts[3] = STR_LIT("1g.5gb");
    assert_string_not_equal(name, nvidia_mig_plan_name(&plan, other));
    plan = (struct nvidia_mig_plan){.gpu_count = 2};
    assert_int_equal(strncmp(nvidia_mig_plan_name(&plan, name), "mig-off-", 8), 0);
    assert_true(nvidia_config_key_is_made(str_from(name)));
    assert_true(nvidia_config_key_is_made(str_from(other)));
    plan.gpu_count = 8; /* all GPUs alike: one config for nodes of any size */
    assert_string_equal(name, nvidia_mig_plan_name(&plan, other));

    struct err e = {0};
    plan.layouts[3] = STR_LIT("3g");
    assert_int_equal(nvidia_mig_plan_emit(&plan, STR_LIT("x"), &out, &e), -EINVAL);
    assert_string_equal(e.text, "layout '3g' of GPU 3: expected a list of MIG profiles");
    buf_clear(&out);
}

static void test_written_reads_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        struct nvidia_mig_parted file;
        struct nvidia_mig_parted back;
        struct buf out = BUF_INIT(65536);
        struct buf again = BUF_INIT(65536);
        if (nvidia_mig_parted_parse(a, str_from(cases[i].text), &file, NULL, NULL) < 0)
            continue;
        nvidia_mig_parted_emit(file.configs, file.count, &out);
        struct err e = {0};
        if (nvidia_mig_parted_parse(a, buf_str(&out), &back, NULL, &e) < 0)
            fail_msg("%s\n%s", e.text, out.ptr);
        nvidia_mig_parted_emit(back.configs, back.count, &again);
        assert_string_equal(out.ptr, again.ptr);
        buf_clear(&out);
        buf_clear(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_cases),
            cmocka_unit_test(test_profiles),
            cmocka_unit_test(test_later_entries_override),
            cmocka_unit_test(test_check_against_model),
            cmocka_unit_test(test_check_without_node),
            cmocka_unit_test(test_written),
            cmocka_unit_test(test_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
