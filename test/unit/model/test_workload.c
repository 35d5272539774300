/* Names of classes, techniques and resources: both ways, and what is refused. */
#include "test.h"

#include "model/workload.h"

#include <errno.h>
#include <string.h>

static void test_names_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MODEL_CLASS_COUNT; i++) {
        enum model_class got = MODEL_CLASS_COUNT;
        assert_int_equal(model_class_parse(str_from(model_class_name(i)), &got, NULL), 0);
        assert_int_equal(got, i);
    }
    for (unsigned i = 0; i < MODEL_ISOLATION_COUNT; i++) {
        enum model_isolation got = MODEL_ISOLATION_COUNT;
        assert_int_equal(model_isolation_parse(str_from(model_isolation_name(i)), &got, NULL), 0);
        assert_int_equal(got, i);
    }
    for (unsigned i = 0; i < MODEL_TECHNIQUE_COUNT; i++) {
        enum model_technique got = MODEL_TECHNIQUE_COUNT;
        assert_int_equal(model_technique_parse(str_from(model_technique_name(i)), &got, NULL), 0);
        assert_int_equal(got, i);
    }
    for (unsigned i = 0; i < MODEL_OWNER_COUNT; i++)
        assert_true(strlen(model_owner_kind_name(i)) > 0);
}

static void test_names_refused(void **state)
{
    (void)state;
    struct err e = {0};
    enum model_technique t = MODEL_TECHNIQUE_MIG;
    assert_int_equal(model_technique_parse(STR_LIT("mps"), &t, &e), -EINVAL);
    assert_string_equal(
            e.text, "unknown technique 'mps': expected one of exclusive, time-slicing, mig");
    assert_int_equal(t, MODEL_TECHNIQUE_MIG);
    enum model_class c = MODEL_CLASS_BATCH;
    assert_int_equal(model_class_parse(STR_LIT(""), &c, NULL), -EINVAL);
    assert_int_equal(model_class_parse(STR_LIT("Batch"), &c, NULL), -EINVAL);
    assert_int_equal(c, MODEL_CLASS_BATCH);
}

static void test_resources(void **state)
{
    (void)state;
    static const struct {
        const char *name, *profile;
        enum model_resource_kind kind;
    } cases[] = {
            {"nvidia.com/gpu", "", MODEL_RESOURCE_GPU},
            {"nvidia.com/gpu.shared", "", MODEL_RESOURCE_GPU_SHARED},
            {"nvidia.com/mig-1g.5gb", "1g.5gb", MODEL_RESOURCE_MIG},
            {"nvidia.com/mig-1g.5gb.shared", "1g.5gb", MODEL_RESOURCE_MIG_SHARED},
            {"nvidia.com/mig-1g.5gb.me", "1g.5gb+me", MODEL_RESOURCE_MIG},
            {"nvidia.com/mig-1g.24gb.me.all", "1g.24gb+me.all", MODEL_RESOURCE_MIG},
            {"nvidia.com/mig-1g.24gb-me.shared", "1g.24gb-me", MODEL_RESOURCE_MIG_SHARED},
            {"nvidia.com/mig-1c.3g.20gb", "1c.3g.20gb", MODEL_RESOURCE_MIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model_resource r = {0};
        assert_int_equal(model_resource_parse(str_from(cases[i].name), &r), 0);
        assert_int_equal(r.kind, cases[i].kind);
        assert_string_equal(r.profile, cases[i].profile);
        char text[MODEL_RESOURCE_NAME_MAX];
        assert_string_equal(model_resource_format(&r, text), cases[i].name);
        struct model_resource again = {0};
        assert_int_equal(model_resource_parse(str_from(text), &again), 0);
        assert_true(model_resource_eq(&r, &again));
    }
}

static void test_resources_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "gpu", "nvidia.com/", "nvidia.com/gpu.", "amd.com/gpu",
            "nvidia.com/mig-", "nvidia.com/mig-1g", "nvidia.com/mig-1g.5gb.",
            "nvidia.com/mig-g.5gb", "nvidia.com/mig-1g.5gbx", "nvidia.com/mig-1g.5gb+me",
            "nvidia.com/gpushared", "nvidia.com/gpu.shared.shared", "nvidia.com/mig-1g.5gb.ME",
            "nvidia.com/mig-1111111111111111111111111111111111g.5gb"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct model_resource r = {.kind = MODEL_RESOURCE_COUNT};
        assert_int_equal(model_resource_parse(str_from(names[i]), &r), -ENOENT);
        assert_int_equal(r.kind, MODEL_RESOURCE_COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_names_round_trip),
            cmocka_unit_test(test_names_refused),
            cmocka_unit_test(test_resources),
            cmocka_unit_test(test_resources_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
