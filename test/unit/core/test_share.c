/* Classes of shares: their names, and what a GPU takes of them. */
#include "test.h"

#include "core/share.h"
#include "model/gpu.h"

static void names_say_it_all(void **state)
{
    (void)state;
    for (uint32_t gpu = 0; gpu < model_gpu_count(); gpu++) {
        for (uint32_t pods = 2; pods <= CORE_SHARE_PODS_MAX; pods += 7) {
            struct core_share s = {.gpu = (uint16_t)gpu,
                    .pods = (uint16_t)pods,
                    .memory_mib = model_gpu_get(gpu)->memory_usable_mib / pods};
            struct core_share back = {0};
            char name[CORE_SHARE_NAME_MAX];
            core_share_name(&s, name);
            assert_true(core_share_parse(str_from(name), &back));
            assert_int_equal(back.gpu, s.gpu);
            assert_int_equal(back.pods, s.pods);
            assert_int_equal(back.memory_mib, s.memory_mib);
        }
    }
}

static void other_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"", "share-", "ts-a100-80gb", "share-a100-80gb-", "share-x",
            "share-a100-80gb-0m-r4", "share-a100-80gb-10m-r1", "share-a100-80gb-10m-r65",
            "share-a100-80gb-10m", "share-a100-80gb-10m-r4x", "share-A100-80GB-10m-r4",
            "share-a100-80gb-10-r4", "share-a100-80gb-99999999999m-r4"};
    struct core_share s;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(core_share_parse(str_from(names[i]), &s));
    assert_true(core_share_parse(STR_LIT("share-a100-80gb-10m-r4"), &s));
}

/* Every count takes exactly as many units as lets that many in, and not one more. */
static void a_gpu_takes_as_many_as_the_class_says(void **state)
{
    (void)state;
    for (uint32_t pods = 2; pods <= CORE_SHARE_PODS_MAX; pods++) {
        struct core_share s = {.gpu = 0, .pods = (uint16_t)pods, .memory_mib = 1};
        struct core_share_load load = {0};
        uint32_t in = 0;
        for (; core_share_fits(&load, &s); in++)
            core_share_take(&load, &s);
        assert_int_equal(in, pods);
        assert_int_equal(core_share_most(&s), pods);
    }
}

static void memory_and_whole_claims_keep_pods_out(void **state)
{
    (void)state;
    uint32_t usable = model_gpu_get(0)->memory_usable_mib;
    struct core_share half = {.gpu = 0, .pods = 8, .memory_mib = usable / 2};
    struct core_share more = {.gpu = 0, .pods = 8, .memory_mib = usable / 2 + 1};
    struct core_share_load load = {0};
    core_share_take(&load, &half);
    assert_false(core_share_fits(&load, &(struct core_share){0, 8, usable - usable / 2 + 1}));
    assert_true(core_share_fits(&load, &half));
    core_share_take(&load, &half);
    assert_false(core_share_fits(&load, &half));
    assert_int_equal(core_share_most(&half), 2);
    assert_int_equal(core_share_most(&more), 1);
    struct core_share_load whole = {.whole = true};
    assert_false(core_share_fits(&whole, &half));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_say_it_all),
            cmocka_unit_test(other_names_are_not_ours),
            cmocka_unit_test(a_gpu_takes_as_many_as_the_class_says),
            cmocka_unit_test(memory_and_whole_claims_keep_pods_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
