/* test/unit/model/test_gpu.c - the GPU table and look-ups in it. */
#include "test.h"

#include "base/csv.h"
#include "model/gpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check_found(const char *name, const char *key)
{
    const struct model_gpu *gpu = NULL;
    struct err e = {0};
    int r = model_gpu_find(str_from(name), &gpu, &e);
    if (r != 0)
        print_error("'%s': %s\n", name, e.text);
    assert_int_equal(r, 0);
    assert_string_equal(gpu->key, key);
}

static void test_table_is_sound(void **state)
{
    (void)state;
    for (unsigned i = 0; i < model_gpu_count(); i++) {
        const struct model_gpu *g = model_gpu_get(i);
        check_found(g->key, g->key);
        assert_int_equal(model_gpu_index(g), i);
        assert_true(g->memory_usable_mib > 0 && g->speed_permille > 0);
        assert_non_null(g->memory_source);
        assert_non_null(g->speed_source);
        assert_null(g->aliases[MODEL_GPU_NAMES_MAX - 1]);
        assert_null(g->products[MODEL_GPU_NAMES_MAX - 1]);
        for (unsigned k = 0; g->products[k] != NULL; k++) {
            check_found(g->products[k], g->key); /* no product belongs to two models */
            assert_null(strchr(g->products[k], ' '));
        }
    }
    const struct model_gpu *a100 = NULL;
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &a100, NULL), 0);
    assert_int_equal(a100->speed_permille, 1000);
    assert_int_equal(a100->memory_usable_mib, 80640);
}

static void test_names(void **state)
{
    (void)state;
    check_found("a100-40gb", "A100-40GB");
    check_found("NVIDIA-A100-SXM4-40GB", "A100-40GB");
    check_found("NVIDIA A100-SXM4-40GB", "A100-40GB");
    check_found("A100-SXM4-40GB", "A100-40GB");
    check_found("NVIDIA-A100-SXM4-80GB-SHARED", "A100-80GB");
    check_found("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "A100-40GB");
    check_found("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED", "A100-40GB");
    check_found("NVIDIA-H100-80GB-HBM3-MIG-INVALID", "H100-80GB");
    check_found("H100-80GB-SXM5", "H100-80GB");
    check_found("H100-NVL-94GB", "H100-94GB-NVL");
    check_found("H200", "H200-141GB");
    check_found("NVIDIA H200 NVL", "H200-141GB");
    check_found("A30", "A30-24GB");
    check_found("Tesla-T4", "T4");
    check_found("NVIDIA L4", "L4");
    check_found("RTX-PRO-6000", "RTX-PRO-6000-Blackwell-96GB");
}

static void test_ambiguous_alias_lists_the_keys(void **state)
{
    (void)state;
    const struct model_gpu *gpu = NULL;
    struct err e = {0};
    assert_int_equal(model_gpu_find(STR_LIT("A100"), &gpu, &e), -EEXIST);
    assert_string_equal(
            e.text, "GPU model 'A100' fits several: expected one of A100-40GB, A100-80GB");
    assert_null(gpu);
    assert_int_equal(model_gpu_find(STR_LIT("h100"), &gpu, &e), -EEXIST);
    assert_non_null(strstr(e.text, "H100-80GB, H100-80GB-PCIe, H100-94GB-NVL"));
    assert_int_equal(model_gpu_find(STR_LIT("V100"), &gpu, &e), -EEXIST);
}

static void test_unknown_names_the_nearest(void **state)
{
    (void)state;
    const struct model_gpu *gpu = NULL;
    struct err e = {0};
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GBs"), &gpu, &e), -ENOENT);
    assert_non_null(strstr(e.text, "did you mean 'A100-80GB'"));
    assert_int_equal(model_gpu_find(STR_LIT("abacus"), &gpu, &e), -ENOENT);
    assert_non_null(strstr(e.text, "'abacus' is not known"));
    assert_int_equal(model_gpu_find((struct str){NULL, 0}, &gpu, &e), -ENOENT);
    static char big[5000];
    memset(big, 'A', sizeof big);
    assert_int_equal(model_gpu_find((struct str){big, sizeof big}, &gpu, &e), -ENOENT);
    /* Masked models of the openb trace are its reader's. */
    static const char *const masked[] = {"P100", "G2", "G3", "A10", "V100M16", "V100M32"};
    for (unsigned i = 0; i < sizeof masked / sizeof masked[0]; i++)
        assert_int_equal(model_gpu_find(str_from(masked[i]), &gpu, &e), -ENOENT);
}

/* Every model that the price list names is in the table. */
static void test_every_priced_model_is_known(void **state)
{
    (void)state;
    char *path = test_data_path("gpu_prices.csv");
    if (path == NULL)
        test_data_missing("gpu_prices.csv");
    size_t size = 0;
    char *text = test_file_read(path, &size);
    struct csv c;
    struct err e = {0};
    unsigned column = 0, rows = 0;
    assert_int_equal(csv_init(&c, (struct str){text, size}, &e), 0);
    assert_int_equal(csv_column(&c, "gpu_model", &column, &e), 0);
    while (csv_next(&c, &e) == 1) {
        const struct model_gpu *gpu = NULL;
        assert_int_equal(model_gpu_find(c.cell[column], &gpu, &e), 0);
        assert_true(str_eq_c(c.cell[column], gpu->key)); /* by its key, not an alias */
        rows++;
    }
    assert_true(rows > 0);
    csv_clear(&c);
    free(text);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_table_is_sound),
            cmocka_unit_test(test_names),
            cmocka_unit_test(test_ambiguous_alias_lists_the_keys),
            cmocka_unit_test(test_unknown_names_the_nearest),
            cmocka_unit_test(test_every_priced_model_is_known),
    };
    return cmocka_run_group_tests_name("model gpu", tests, NULL, NULL);
}
