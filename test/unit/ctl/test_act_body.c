/* ctl/act_body: what requests say, byte for byte. */
#include "cluster.h"

#include "ctl/act_body.h"
#include "ctl/names.h"
#include "nvidia/mig_parted.h"

#include <errno.h>

#define RECORD    "{\"v\":1}"
#define NODE_HEAD "{\"metadata\":{\"uid\":\"u-1\",\"resourceVersion\":\"77\""

static const struct ctl_object object = {
        .name = {"n1", 2}, .uid = {"u-1", 3}, .resource_version = 77, .version = 5};

static void assert_body(const struct core_action *a, const struct ctl_node *seen, const char *want)
{
    struct buf body = BUF_INIT(CTL_ACT_BODY_MAX);
    ctl_act_node_body(a, &object, seen, &body);
    assert_false(body.overflow);
    assert_string_equal(body.ptr, want);
    buf_clear(&body);
}

static struct core_action node_patch(uint32_t fields)
{
    return (struct core_action){.kind = CORE_ACTION_NODE_PATCH,
            .target = 1,
            .node = {.fields = fields,
                    .cordon = true,
                    .plugin_config = STR_LIT("shared-x4-0a"),
                    .pool = STR_LIT("ts"),
                    .annotation = STR_LIT(RECORD)}};
}

/* Only what is meant is there: what is not named stays as it is on the server. */
static void fields_that_are_not_meant_are_not_written(void **state)
{
    (void)state;
    static const struct {
        uint32_t fields;
        const char *want;
    } table[] = {
            {0, NODE_HEAD "}}"},
            {CORE_PATCH_PLUGIN_CONFIG, NODE_HEAD ",\"labels\":{\"nvidia.com/device-plugin.config\":"
                                                 "\"shared-x4-0a\"}}}"},
            {CORE_PATCH_POOL, NODE_HEAD ",\"labels\":{\"sharing.slicewright.io/pool\":\"ts\"}}}"},
            {CORE_PATCH_MIG_CONFIG, NODE_HEAD ",\"labels\":{\"nvidia.com/mig.config\":null}}}"},
            {CORE_PATCH_CORDON, NODE_HEAD "},\"spec\":{\"unschedulable\":true}}"},
            {CORE_PATCH_CORDON | CORE_PATCH_ANNOTATION,
                    NODE_HEAD ",\"annotations\":{\"sharing.slicewright.io/rollout\":"
                              "\"{\\\"v\\\":1}\"}},\"spec\":{\"unschedulable\":true}}"},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct core_action a = node_patch(table[i].fields);
        assert_body(&a, NULL, table[i].want);
    }
}

/* "" takes a label or our record away, and an uncordon is no `false` that would stay ours. */
static void what_is_empty_goes(void **state)
{
    (void)state;
    struct core_action a = node_patch(CORE_PATCH_POOL | CORE_PATCH_ANNOTATION | CORE_PATCH_CORDON);
    a.node.pool = a.node.annotation = (struct str){0};
    a.node.cordon = false;
    assert_body(&a, NULL,
            NODE_HEAD ",\"labels\":{\"sharing.slicewright.io/pool\":null},\"annotations\":{"
                      "\"sharing.slicewright.io/rollout\":null}},\"spec\":{\"unschedulable\":"
                      "null}}");
}

#define ORIGINALS(pool)                                                                            \
    "{\"nvidia.com/device-plugin.config\":\"theirs\",\"nvidia.com/mig.config\":\"\","              \
    "\"sharing.slicewright.io/pool\":\"" pool "\"}"
#define QUOTED                                                                                     \
    "\"{\\\"nvidia.com/device-plugin.config\\\":\\\"theirs\\\",\\\"nvidia.com/mig.config\\\":"     \
    "\\\"\\\",\\\"sharing.slicewright.io/pool\\\":\\\"\\\"}\""

/* The originals are written with the first record, kept by every later one, and go with the last
 * only when the labels are what they were: else `slicewright revert` still needs them. */
static void originals_come_first_and_go_last(void **state)
{
    (void)state;
    const struct kube_pair label[] = {{STR_LIT(CTL_LABEL_PLUGIN_CONFIG), STR_LIT("theirs")}};
    const struct kube_pair same[] = {{STR_LIT(CTL_ANNOTATION_ORIGINAL), STR_LIT(ORIGINALS(""))}};
    const struct kube_pair other[] = {
            {STR_LIT(CTL_ANNOTATION_ORIGINAL), STR_LIT(ORIGINALS("pool"))}};
    struct ctl_node n = {.labels = {1, label}};
    struct core_action a = node_patch(CORE_PATCH_ANNOTATION);
    assert_body(&a, &n,
            NODE_HEAD ",\"annotations\":{\"sharing.slicewright.io/rollout\":\"{\\\"v\\\":1}\","
                      "\"sharing.slicewright.io/original\":" QUOTED "}}}");
    n.annotations = (struct ctl_labels){1, other};
    assert_body(&a, &n,
            NODE_HEAD ",\"annotations\":{\"sharing.slicewright.io/rollout\":\"{\\\"v\\\":1}\"}}}");
    a.node.annotation = (struct str){0};
    assert_body(&a, &n, NODE_HEAD ",\"annotations\":{\"sharing.slicewright.io/rollout\":null}}}");
    n.annotations.list = same;
    assert_body(&a, &n,
            NODE_HEAD ",\"annotations\":{\"sharing.slicewright.io/rollout\":null,"
                      "\"sharing.slicewright.io/original\":null}}}");
}

static void assert_key_body(const struct str *text, const char *version, const char *want)
{
    struct buf body = BUF_INIT(CTL_ACT_BODY_MAX);
    ctl_act_key_body(STR_LIT("k"), text, str_from(version), &body);
    assert_string_equal(body.ptr, want);
    buf_clear(&body);
}

static void a_key_is_put_or_taken(void **state)
{
    (void)state;
    const struct str text = STR_LIT("version: v1\n");
    assert_key_body(&text, "", "{\"data\":{\"k\":\"version: v1\\n\"}}");
    assert_key_body(&text, "9",
            "{\"metadata\":{\"resourceVersion\":\"9\"},\"data\":{\"k\":\"version: v1\\n\"}}");
    assert_key_body(NULL, "", "{\"data\":{\"k\":null}}");
}

#define CONFIG(name) "  " name ":\n    - devices: all\n      mig-enabled: false\n"
#define MIG_FILE     "version: v1\nmig-configs:\n"

/* The names of the file's configs, with a comma after each. */
static void assert_configs(struct str file, const char *want)
{
    struct arena *a = arena_new(1 << 20);
    struct nvidia_mig_parted p;
    struct err e = {0};
    struct buf names = BUF_INIT(1024);
    if (nvidia_mig_parted_parse(a, file, &p, NULL, &e) < 0)
        fail_msg("%s", e.text);
    for (uint32_t i = 0; i < p.count; i++)
        buf_printf(&names, "%.*s,", STR_ARG(p.configs[i].name));
    assert_string_equal(names.ptr, want);
    buf_clear(&names);
    (void)arena_free(a);
}

static void mig_configs_of_others_stay(void **state)
{
    (void)state;
    const struct str theirs = STR_LIT(MIG_FILE CONFIG("a") CONFIG("mig-1") CONFIG("b"));
    const struct str ours = STR_LIT(MIG_FILE CONFIG("mig-1"));
    struct buf out = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    struct err e = {0};
    assert_int_equal(ctl_act_mig_file((struct str){0}, STR_LIT("mig-1"), &ours, &out, &e), 0);
    assert_configs(buf_str(&out), "mig-1,");
    buf_reset(&out);
    assert_int_equal(ctl_act_mig_file(theirs, STR_LIT("mig-1"), &ours, &out, &e), 0);
    assert_configs(buf_str(&out), "a,b,mig-1,");
    buf_reset(&out);
    assert_int_equal(ctl_act_mig_file(theirs, STR_LIT("mig-1"), NULL, &out, &e), 0);
    assert_configs(buf_str(&out), "a,b,");
    buf_reset(&out);
    assert_int_equal(ctl_act_mig_file(theirs, STR_LIT("mig-2"), NULL, &out, &e), -ENOENT);
    assert_says(str_from(e.text), "no config 'mig-2'");
    assert_true(ctl_act_mig_file(STR_LIT("mig-configs: 3\n"), STR_LIT("a"), NULL, &out, &e) < 0);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

static void levels_are_words(void **state)
{
    (void)state;
    char text[CTL_ACT_LEVEL_MAX];
    struct core_action a = node_patch(CORE_PATCH_CORDON | CORE_PATCH_ANNOTATION);
    assert_string_equal(ctl_act_level(&a, text), "cordon record");
    a = node_patch(CORE_PATCH_PLUGIN_CONFIG | CORE_PATCH_MIG_CONFIG | CORE_PATCH_POOL);
    assert_string_equal(ctl_act_level(&a, text), "plugin-config=shared-x4-0a mig-config- pool=ts");
    a = node_patch(CORE_PATCH_CORDON | CORE_PATCH_ANNOTATION);
    a.node.cordon = false;
    a.node.annotation = (struct str){0};
    assert_string_equal(ctl_act_level(&a, text), "uncordon record-");
    a = (struct core_action){
            .kind = CORE_ACTION_CONFIG_PUT, .config = {.key = STR_LIT("shared-x2-1")}};
    assert_string_equal(ctl_act_level(&a, text), "shared-x2-1");
    a = (struct core_action){.kind = CORE_ACTION_POD_EVICT};
    assert_string_equal(ctl_act_level(&a, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(fields_that_are_not_meant_are_not_written),
            cmocka_unit_test(what_is_empty_goes),
            cmocka_unit_test(originals_come_first_and_go_last),
            cmocka_unit_test(a_key_is_put_or_taken),
            cmocka_unit_test(mig_configs_of_others_stay),
            cmocka_unit_test(levels_are_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
