/* GFD's labels: what nodes really carry, values that GFD never writes, writing and reading back. */
#include "test.h"

#include "base/prng.h"
#include "nvidia/gfd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define L(k, v)                                                                                    \
    {                                                                                              \
        STR_LIT(k), STR_LIT(v)                                                                     \
    }

static void test_shared_node(void **state)
{
    (void)state;
    static const struct nvidia_label labels[] = {L("kubernetes.io/hostname", "n1"),
            L("nvidia.com/gpu.product", "NVIDIA-A100-SXM4-80GB-SHARED"),
            L("nvidia.com/gpu.count", "8"), L("nvidia.com/gpu.replicas", "4"),
            L("nvidia.com/gpu.sharing-strategy", "time-slicing"),
            L("nvidia.com/gpu.memory", "81920"), L("nvidia.com/gpu.family", "ampere"),
            L("nvidia.com/gpu.present", "true"), L("nvidia.com/gpu.deploy.dcgm", "true"),
            L("nvidia.com/mig.capable", "true"), L("nvidia.com/mig.strategy", "mixed"),
            L("nvidia.com/mig.config", "all-disabled"),
            L("nvidia.com/mig.config.state", "success")};
    struct nvidia_gfd g;
    struct err e = {0};
    if (nvidia_gfd_parse(labels, sizeof labels / sizeof labels[0], &g, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(g.gpu.valid, NVIDIA_GFD_PRODUCT | NVIDIA_GFD_COUNT | NVIDIA_GFD_REPLICAS |
                                          NVIDIA_GFD_STRATEGY | NVIDIA_GFD_MEMORY);
    assert_true(str_eq_c(g.gpu.product, "NVIDIA-A100-SXM4-80GB-SHARED"));
    assert_int_equal(g.gpu.count, 8);
    assert_int_equal(g.gpu.replicas, 4);
    assert_int_equal(g.gpu.strategy, NVIDIA_SHARING_TIME_SLICING);
    assert_int_equal(g.gpu.memory_mib, 81920);
    assert_true(g.mig_capable && g.mig_strategy_set && !g.mig_invalid);
    assert_int_equal(g.mig_strategy, NVIDIA_MIG_STRATEGY_MIXED);
    assert_int_equal(g.mig_count, 0);
}

static void test_mig_node(void **state)
{
    (void)state;
    static const struct nvidia_label labels[] = {L("nvidia.com/gpu.count", "8"),
            L("nvidia.com/gpu.replicas", "0"), L("nvidia.com/mig-1g.5gb.me.count", "3"),
            L("nvidia.com/mig-3g.20gb.count", "2"), L("nvidia.com/mig-3g.20gb.replicas", "1"),
            L("nvidia.com/mig-3g.20gb.slices.gi", "3"), L("nvidia.com/mig-3g.20gb.slices.ci", "3"),
            L("nvidia.com/mig-3g.20gb.engines.copy", "3"),
            L("nvidia.com/mig-3g.20gb.multiprocessors", "42"),
            L("nvidia.com/mig-1g.5gb.me.slices.gi", "1")};
    struct nvidia_gfd g;
    assert_int_equal(nvidia_gfd_parse(labels, sizeof labels / sizeof labels[0], &g, NULL), 0);
    assert_int_equal(g.gpu.replicas, 0);
    assert_int_equal(g.mig_count, 2);
    assert_string_equal(g.mig[0].profile, "1g.5gb+me");
    assert_int_equal(g.mig[0].count, 3);
    assert_int_equal(g.mig[0].valid, NVIDIA_GFD_COUNT); /* half of the slices is none */
    assert_string_equal(g.mig[1].profile, "3g.20gb");
    assert_int_equal(g.mig[1].slices_ci, 3);
    assert_int_equal(g.mig[1].valid,
            NVIDIA_GFD_COUNT | NVIDIA_GFD_REPLICAS | NVIDIA_GFD_SLICES | NVIDIA_GFD_SMS);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        struct nvidia_label label;
        const char *want;
    } cases[] = {
            {L("nvidia.com/gpu.count", "eight"),
                    "label nvidia.com/gpu.count: 'eight': expected a whole number, 0 to 1048576"},
            {L("nvidia.com/gpu.count", "-1"),
                    "label nvidia.com/gpu.count: '-1': expected a whole number, 0 to 1048576"},
            {L("nvidia.com/gpu.memory", "99999999999999999999"),
                    "label nvidia.com/gpu.memory: '99999999999999999999': expected a whole number, "
                    "0 to 16777216"},
            {L("nvidia.com/gpu.sharing-strategy", "both"),
                    "label nvidia.com/gpu.sharing-strategy: 'both': expected none, time-slicing or "
                    "mps"},
            {L("nvidia.com/mig.strategy", "all"),
                    "label nvidia.com/mig.strategy: 'all': expected none, single or mixed"},
            {L("nvidia.com/mig.capable", "yes"),
                    "label nvidia.com/mig.capable: 'yes': expected true or false"},
            {L("nvidia.com/gpu.product", ""),
                    "label nvidia.com/gpu.product: '': expected a product name"},
            {L("nvidia.com/x", "0123456789012345678901234567890123456789012345678901234567890123"),
                    "label nvidia.com/x: over 63 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nvidia_gfd g = {.mig_count = 77};
        struct err e = {0};
        assert_int_equal(nvidia_gfd_parse(&cases[i].label, 1, &g, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].want);
        assert_int_equal(g.mig_count, 77);
    }
}

static void test_invalid_single(void **state)
{
    (void)state;
    static const struct nvidia_label label = L("nvidia.com/gpu.product", "NVIDIA-A100-MIG-INVALID");
    struct nvidia_gfd g;
    assert_int_equal(nvidia_gfd_parse(&label, 1, &g, NULL), 0);
    assert_true(g.mig_invalid);
}

static struct nvidia_gfd_resource resource_draw(struct prng *r)
{
    struct nvidia_gfd_resource res = {.valid = (unsigned)prng_below(r, 128)};
    if (res.valid & NVIDIA_GFD_PRODUCT)
        res.product = STR_LIT("NVIDIA-H100-80GB-HBM3");
    if (res.valid & NVIDIA_GFD_COUNT)
        res.count = (uint32_t)prng_below(r, 17);
    if (res.valid & NVIDIA_GFD_REPLICAS)
        res.replicas = (uint32_t)prng_below(r, 65);
    if (res.valid & NVIDIA_GFD_STRATEGY)
        res.strategy = (enum nvidia_sharing_strategy)prng_below(r, NVIDIA_SHARING_COUNT);
    if (res.valid & NVIDIA_GFD_MEMORY)
        res.memory_mib = (uint32_t)prng_below(r, 200000);
    if (res.valid & NVIDIA_GFD_SMS)
        res.multiprocessors = (uint32_t)prng_below(r, 145);
    if (res.valid & NVIDIA_GFD_SLICES) {
        res.slices_gi = (uint32_t)prng_below(r, 8);
        res.slices_ci = (uint32_t)prng_below(r, 8);
    }
    return res;
}

static void prop_written_reads_back(uint64_t seed)
{
    static const char *const profiles[] = {"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb",
            "4g.40gb", "7g.80gb", "1g.24gb-me", "1g.24gb+me.all"};
    struct prng r;
    struct arena *a = arena_new(0);
    struct nvidia_gfd g = {0};
    struct nvidia_gfd back;
    struct nvidia_label labels[NVIDIA_GFD_LABELS_MAX];
    struct nvidia_label again[NVIDIA_GFD_LABELS_MAX];
    struct err e = {0};
    prng_init(&r, seed);
    g.gpu = resource_draw(&r);
    g.mig_capable = prng_below(&r, 2);
    g.mig_strategy_set = prng_below(&r, 2);
    g.mig_strategy = (enum nvidia_mig_strategy)(g.mig_strategy_set ? prng_below(&r, 3) : 0);
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (!prng_below(&r, 2))
            continue;
        g.mig[g.mig_count] = resource_draw(&r);
        g.mig[g.mig_count].valid |= NVIDIA_GFD_COUNT;
        (void)snprintf(g.mig[g.mig_count++].profile, MODEL_PROFILE_NAME_MAX, "%s", profiles[i]);
    }
    uint32_t count = nvidia_gfd_emit(&g, a, labels);
    for (uint32_t i = 1; i < count; i++)
        assert_true(str_cmp(labels[i - 1].key, labels[i].key) < 0);
    if (nvidia_gfd_parse(labels, count, &back, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(back.mig_count, g.mig_count);
    assert_int_equal(back.gpu.valid, g.gpu.valid);
    assert_int_equal(nvidia_gfd_emit(&back, a, again), count);
    for (uint32_t i = 0; i < count; i++)
        assert_true(str_eq(labels[i].key, again[i].key) && str_eq(labels[i].value, again[i].value));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_shared_node),
            cmocka_unit_test(test_mig_node),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_invalid_single),
            TEST_PROP(prop_written_reads_back, 300),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
