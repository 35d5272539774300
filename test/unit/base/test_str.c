/* base/str: views, numbers from text, the nearest name. */
#include "test.h"

#include "base/num.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void compares_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR_LIT("ab"), str_from("ab")));
    assert_false(str_eq(STR_LIT("ab"), STR_LIT("abc")));
    assert_true(str_eq(str_from(NULL), STR_LIT("")));
    assert_true(str_cmp(STR_LIT("a"), STR_LIT("ab")) < 0);
    assert_true(str_cmp(STR_LIT("\xFF"), STR_LIT("a")) > 0);
    assert_int_equal(str_cmp(STR_LIT("x"), STR_LIT("x")), 0);
    assert_true(str_starts(STR_LIT("2g.10gb"), STR_LIT("2g")));
    assert_false(str_starts(STR_LIT("2"), STR_LIT("2g")));
    assert_true(str_ends(STR_LIT("a.gz"), STR_LIT(".gz")));
    assert_true(str_ends(STR_LIT("a"), STR_LIT("")));
    assert_false(str_ends(STR_LIT("gz"), STR_LIT(".gz")));
}

static void splits_every_part(void **state)
{
    (void)state;
    struct str rest = STR_LIT("a,,bc,");
    const char *const want[] = {"a", "", "bc", ""};
    struct str part;
    unsigned count = 0;
    while (str_split(&rest, ',', &part)) {
        assert_true(count < 4);
        assert_true(str_eq_c(part, want[count++]));
    }
    assert_int_equal(count, 4);
    struct str none = {NULL, 0};
    assert_false(str_split(&none, ',', &part));
}

static void trims_blanks(void **state)
{
    (void)state;
    assert_true(str_eq_c(str_trim(STR_LIT(" \t a b\r\n")), "a b"));
    assert_int_equal(str_trim(STR_LIT(" \n ")).len, 0);
}

/* Vectors of the FNV authors (http://www.isthe.com/chongo/src/fnv/test_fnv.c). */
static void hashes_as_published(void **state)
{
    (void)state;
    assert_true(str_hash(STR_LIT(""), 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(str_hash(STR_LIT("a"), 0) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(str_hash(STR_LIT("foobar"), 0) == UINT64_C(0x85944171f73967e8));
    assert_true(str_hash(STR_LIT("a"), 1) != str_hash(STR_LIT("a"), 0));
}

static void reads_whole_numbers(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_int_equal(str_to_u64(STR_LIT("18446744073709551615"), 0, UINT64_MAX, &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_u64(STR_LIT("18446744073709551616"), 0, UINT64_MAX, &u), -ERANGE);
    assert_int_equal(str_to_u64(STR_LIT("5"), 6, 9, &u), -ERANGE);
    assert_true(u == UINT64_MAX); /* untouched by failures */
    assert_int_equal(str_to_i64(STR_LIT("-9223372036854775808"), INT64_MIN, INT64_MAX, &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(str_to_i64(STR_LIT("9223372036854775808"), INT64_MIN, INT64_MAX, &i), -ERANGE);
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "0x1", "1.0", "--1", "1e3"};
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        assert_int_equal(str_to_u64(str_from(bad[n]), 0, UINT64_MAX, &u), -EINVAL);
        assert_int_equal(str_to_i64(str_from(bad[n]), INT64_MIN, INT64_MAX, &i), -EINVAL);
    }
    assert_int_equal(str_to_u64(STR_LIT("-1"), 0, UINT64_MAX, &u), -EINVAL);
}

static void reads_hexadecimal_digits(void **state)
{
    (void)state;
    uint64_t u = 7;
    assert_int_equal(str_to_hex64(STR_LIT("0123456789abcdef"), &u), 0);
    assert_true(u == UINT64_C(0x0123456789abcdef));
    assert_int_equal(str_to_hex64(STR_LIT("ffffffffffffffff"), &u), 0);
    assert_true(u == UINT64_MAX);
    static const char *const bad[] = {"", "0", "0123456789abcde", "00123456789abcdef",
            "0123456789ABCDEF", "0123456789abcdeg", "0x23456789abcdef", " 123456789abcdef"};
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++)
        assert_int_equal(str_to_hex64(str_from(bad[n]), &u), -EINVAL);
    assert_true(u == UINT64_MAX); /* untouched by failures */
}

static void reads_decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned decimals;
        int r;
        int64_t value;
    } cases[] = {
            {"0.1234", 4, 0, 1234},
            {"-0.5", 1, 0, -5},
            {"12", 3, 0, 12000},
            {"1.2300", 2, 0, 123},
            {"1.234", 2, -EINVAL, 0},
            {".5", 1, -EINVAL, 0},
            {"5.", 1, -EINVAL, 0},
            {"1e3", 3, -EINVAL, 0},
            {"nan", 3, -EINVAL, 0},
            {"inf", 3, -EINVAL, 0},
            {"", 3, -EINVAL, 0},
            {"-", 3, -EINVAL, 0},
            {"1.2.3", 3, -EINVAL, 0},
            {"9223372036.854775807", 9, 0, INT64_MAX},
            {"9223372036.854775808", 9, -ERANGE, 0},
            {"-9223372036.854775808", 9, 0, INT64_MIN},
            {"99999999999999999999999", 0, -ERANGE, 0},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        int64_t value = 42;
        int r = str_to_fixed(
                str_from(cases[n].text), cases[n].decimals, INT64_MIN, INT64_MAX, &value);
        assert_int_equal(r, cases[n].r);
        assert_true(value == (r == 0 ? cases[n].value : 42));
    }
}

static void formats_decimals(void **state)
{
    (void)state;
    char text[STR_FIXED_BYTES];
    assert_string_equal(str_format_fixed(12340, 4, text), "1.234");
    assert_string_equal(str_format_fixed(-5, 2, text), "-0.05");
    assert_string_equal(str_format_fixed(0, 9, text), "0");
    assert_string_equal(str_format_fixed(1200, 2, text), "12");
    assert_string_equal(str_format_fixed(INT64_MIN, 18, text), "-9.223372036854775808");
}

static void finds_where_utf8_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t good;
    } cases[] = {
            {"plain text that is long", 23},
            {"\xC3\xA9", 2},
            {"\xE2\x82\xAC", 3},
            {"\xF0\x9F\x98\x80", 4},
            {"a\xFF", 1},
            {"12345678\x80", 8},
            {"\xC0\x80", 0},         /* overlong */
            {"\xE0\x80\x80", 0},     /* overlong */
            {"\xED\xA0\x80", 0},     /* surrogate */
            {"\xF4\x90\x80\x80", 0}, /* past U+10FFFF */
            {"\xE2\x82", 0},         /* cut short */
            {"\xE2\x82\x41", 0},     /* broken */
            {"\xF4\x8F\xBF\xBF", 4}, /* the last code point */
            {"\xEF\xBF\xBF", 3},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++)
        assert_int_equal(str_utf8_prefix(str_from(cases[n].text)), cases[n].good);
}

static void suggests_the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = {"replicas", "memoryHeadroom", "mode", "gpu", NULL};
    assert_string_equal(str_nearest(STR_LIT("replica"), names), "replicas");
    assert_string_equal(str_nearest(STR_LIT("memroyHeadroom"), names), "memoryHeadroom");
    assert_string_equal(str_nearest(STR_LIT("gup"), names), "gpu");
    assert_null(str_nearest(STR_LIT("schedule"), names));
    assert_null(str_nearest(STR_LIT("x"), names));
    assert_null(str_nearest(STR_LIT("gxx"), names));      /* two edits of three letters */
    assert_null(str_nearest(STR_LIT("rexxxcas"), names)); /* three of eight */
    assert_null(str_nearest(STR_LIT(""), names));
    char long_name[200];
    memset(long_name, 'a', sizeof long_name);
    assert_null(str_nearest((struct str){long_name, sizeof long_name}, names));
}

static void computes_in_128_bits(void **state)
{
    (void)state;
    int64_t sum;
    assert_false(num_add_i64(INT64_MAX, 1, &sum));
    assert_true(num_mul_i64(-4, 5, &sum));
    assert_int_equal(sum, -20);
    assert_true(num_muldiv_i64(INT64_MAX, 1000, 1000) == INT64_MAX);
    assert_true(num_muldiv_i64(-7, 1, 2) == -3);
    assert_true(num_ceildiv_u64(UINT64_MAX, 2) == UINT64_C(1) << 63);
    assert_int_equal(num_ceildiv_u64(0, 5), 0);
    assert_int_equal(num_ceildiv_u64(6, 5), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(compares_bytes),
            cmocka_unit_test(splits_every_part),
            cmocka_unit_test(trims_blanks),
            cmocka_unit_test(hashes_as_published),
            cmocka_unit_test(reads_whole_numbers),
            cmocka_unit_test(reads_hexadecimal_digits),
            cmocka_unit_test(reads_decimals),
            cmocka_unit_test(formats_decimals),
            cmocka_unit_test(finds_where_utf8_ends),
            cmocka_unit_test(suggests_the_nearest_name),
            cmocka_unit_test(computes_in_128_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
