/* base/buf: growing up to its cap, and not past it. */
#include "test.h"

#include "base/buf.h"

#include <string.h>

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    assert_int_equal(buf_str(&b).len, 0);
    assert_non_null(buf_str(&b).ptr);
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 20000);
    assert_int_equal(strlen(b.ptr), 20000);
    assert_memory_equal(b.ptr + 19996, "8,9,", 5);
    assert_false(b.overflow);
    buf_reset(&b);
    assert_int_equal(buf_str(&b).len, 0);
    buf_puts(&b, "again");
    assert_string_equal(b.ptr, "again");
    buf_clear(&b);
    assert_null(b.ptr);
    buf_put(&b, STR_LIT("and again"));
    assert_string_equal(b.ptr, "and again");
    buf_clear(&b);
}

static void stops_at_its_cap(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(8);
    buf_puts(&b, "12345678");
    assert_false(b.overflow);
    buf_putc(&b, '9');
    assert_true(b.overflow);
    assert_string_equal(b.ptr, "12345678");
    buf_puts(&b, "");
    assert_true(b.overflow);
    buf_reset(&b);
    assert_false(b.overflow);
    buf_puts(&b, "12345");
    buf_printf(&b, "%s", "6789");
    assert_true(b.overflow);
    assert_string_equal(b.ptr, "12345"); /* whole or not at all */
    buf_putc(&b, '6');
    assert_string_equal(b.ptr, "12345"); /* nothing after an overflow */
    buf_clear(&b);

    struct buf none = BUF_INIT(0);
    buf_putc(&none, 'x');
    assert_true(none.overflow);
    assert_int_equal(buf_str(&none).len, 0);
    buf_clear(&none);
}

static void takes_any_byte(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(SIZE_MAX);
    buf_put(&b, (struct str){"a\0b", 3});
    buf_put(&b, (struct str){NULL, 0});
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.ptr, "a\0b", 4);
    buf_clear(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(grows_and_stays_terminated),
            cmocka_unit_test(stops_at_its_cap),
            cmocka_unit_test(takes_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
