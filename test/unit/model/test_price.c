/* Price files: the whole real one, hand-made medians, and what is refused. */
#include "test.h"

#include "model/gpu.h"
#include "model/price.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "cloud,region,instance_type,gpu_model,gpu_count,on_demand_usd_per_hour,spot_usd_per_hour"

static uint16_t gpu_index(const char *name)
{
    const struct model_gpu *gpu = NULL;
    assert_int_equal(model_gpu_find(str_from(name), &gpu, NULL), 0);
    return (uint16_t)model_gpu_index(gpu);
}

static void test_parse_small(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct model_price_book book;
    struct err e = {0};
    const char *text = HEAD ",note\n"
                            "x,eu,n1,T4,1,0.50,0.2,\n"
                            "x,eu,n3,T4,3,1.0,,later\n"
                            "x,us,n4,T4,4,,2.000001,\n";
    assert_int_equal(model_price_book_parse(a, str_from(text), &book, &e), 0);
    assert_int_equal(book.count, 4);
    assert_int_equal(book.offers[0].microusd_per_gpu_hour, 500000);
    assert_int_equal(book.offers[0].purchase, MODEL_PURCHASE_ON_DEMAND);
    assert_int_equal(book.offers[1].purchase, MODEL_PURCHASE_SPOT);
    assert_int_equal(book.offers[2].microusd_per_gpu_hour, 333334); /* rounded up */
    assert_int_equal(book.offers[2].gpus_per_node, 3);
    assert_int_equal(book.offers[3].microusd_per_gpu_hour, 500001);
    assert_true(str_eq_c(book.offers[3].region, "us"));
    assert_true(book.offers[3].start_ns == INT64_MIN && book.offers[3].end_ns == INT64_MAX);

    int64_t price = 0;
    uint16_t t4 = gpu_index("T4");
    assert_int_equal(
            model_price_find(&book, t4, (struct str){0}, MODEL_PURCHASE_ON_DEMAND, &price), 0);
    assert_int_equal(price, 333334); /* the lower median of two */
    assert_int_equal(model_price_find(&book, t4, STR_LIT("us"), MODEL_PURCHASE_SPOT, &price), 0);
    assert_int_equal(price, 500001);
    assert_int_equal(
            model_price_find(&book, t4, STR_LIT("us"), MODEL_PURCHASE_ON_DEMAND, &price), -ENOENT);
    assert_int_equal(
            model_price_find(&book, gpu_index("L4"), (struct str){0}, MODEL_PURCHASE_SPOT, &price),
            -ENOENT);
    arena_free(a);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
            {"", ""},
            {"cloud,region\n", ""},
            {HEAD "\n", "price file: no rows"},
            {HEAD "\nx,eu,n1,T4,0,0.5,\n", ""},
            {HEAD "\nx,eu,n1,T4,65,0.5,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,-0.5,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,0,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,nan,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,1e3,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,99999999999999999999,\n", ""},
            {HEAD "\nx,eu,n1,T4,1,,\n",
                    "line 2: neither on_demand_usd_per_hour nor spot_usd_per_hour is given"},
            {HEAD "\nx,eu,,T4,1,1,\n", "line 2, column instance_type: expected a name"},
            {HEAD "\nx,eu,n,T4,1,1,\nx,eu,n,T4,1,2,\n",
                    "line 3: 'n' of x in eu is on line 2 already"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *a = arena_new(0);
        struct model_price_book book = {.count = 77};
        struct err e = {0};
        assert_true(model_price_book_parse(a, str_from(cases[i].text), &book, &e) < 0);
        assert_int_equal(book.count, 77);
        assert_true(strlen(e.text) > 0 && !strchr(e.text, '\n'));
        if (cases[i].want[0] != '\0')
            assert_string_equal(e.text, cases[i].want);
        arena_free(a);
    }
}

static void test_unknown_model_names_line(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct model_price_book book;
    struct err e = {0};
    const char *text = HEAD "\nx,eu,n1,RTX-Banana,1,0.5,\n";
    assert_int_equal(model_price_book_parse(a, str_from(text), &book, &e), -ENOENT);
    assert_non_null(strstr(e.text, "line 2, column gpu_model: "));
    assert_non_null(strstr(e.text, "RTX-Banana"));
    arena_free(a);
}

static void test_real_file(void **state)
{
    (void)state;
    char *path = test_data_path("gpu_prices.csv");
    if (!path)
        test_data_missing("gpu_prices.csv");
    size_t size = 0;
    char *text = test_file_read(path, &size);
    struct arena *a = arena_new(0);
    struct model_price_book book;
    struct err e = {0};
    int r = model_price_book_parse(a, (struct str){text, size}, &book, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    assert_true(book.count > 779);
    int64_t price = 0;
    assert_int_equal(model_price_find(&book, gpu_index("A100-80GB"), (struct str){0},
                             MODEL_PURCHASE_ON_DEMAND, &price),
            0);
    assert_true(price > 1000000 && price < 10000000);
    print_message("# %u offers; A100-80GB %ld micro-USD\n", book.count, (long)price);
    arena_free(a);
    free(text);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_parse_small),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_unknown_model_names_line),
            cmocka_unit_test(test_real_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
