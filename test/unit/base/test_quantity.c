/* Quantities: canonical text, order and sums, as k8s.io/apimachinery prints them. */
#include "base/quantity.h"
#include "test.h"

#include <errno.h>

static struct quantity parse(const char *text)
{
    struct quantity q = {0};
    struct err e = {0};
    if (quantity_parse(str_from(text), &q, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    return q;
}

static void test_text(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {{"0", "0"}, {"1.5Gi", "1536Mi"}, {"1500m", "1500m"}, {"0.1m", "100u"},
            {"1024", "1024"}, {"1Ki", "1Ki"}, {"1000", "1k"}, {"1e3", "1e3"}, {"0.5Ki", "512"},
            {"-1.5", "-1500m"}, {"0.0000000001", "1n"}, {"9Ei", "9223372036854775807"},
            {".5", "500m"}, {"12345678901234567890", "12345678901234567890"}, {"+7", "7"}};
    char text[QUANTITY_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct quantity q = parse(rows[i].from);
        (void)quantity_text(&q, text);
        assert_string_equal(text, rows[i].to);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
            "x", "1x", "1.2.3", "1 Gi", "1ki", "1Kii", "1e", "e3x", "1e1.5"};
    struct quantity q = {0};
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(quantity_parse(str_from(bad[i]), &q, &e), -EINVAL);
    assert_int_equal(
            quantity_parse(str_from("1234567890123456789012345678901234567890123"), &q, &e),
            -ERANGE);
}

static void test_arithmetic(void **state)
{
    struct quantity big = parse("9223372036854775807");
    struct quantity one = parse("1");
    struct quantity milli = parse("1500m");
    struct quantity sum = big;
    int64_t value = 0;
    (void)state;
    assert_true(quantity_add(&sum, &one));
    assert_true(quantity_cmp(&sum, &big) > 0);
    assert_false(quantity_as_i64(&sum, &value)); /* upstream holds it as a big decimal */
    assert_true(quantity_sub(&sum, &one));
    assert_int_equal(quantity_cmp(&sum, &big), 0);
    assert_true(quantity_scaled(&milli, 0, &value));
    assert_int_equal(value, 2);
    assert_true(quantity_scaled(&milli, -3, &value));
    assert_int_equal(value, 1500);
    assert_false(quantity_is_multiple(&milli, 0));
    assert_true(quantity_is_multiple(&milli, -3));
    struct quantity huge = parse("1e2000000000");
    assert_true(quantity_cmp(&huge, &big) > 0);
    assert_false(quantity_add(&huge, &one)); /* past 38 digits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_text),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
