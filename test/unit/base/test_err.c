/* base/err: one line, one code, cut where it is too long. */
#include "test.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void keeps_code_place_and_text(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, -EINVAL, "'%s': expected %d", "x", 3), -EINVAL);
    assert_int_equal(e.code, -EINVAL);
    assert_int_equal(e.pos, 0);
    assert_string_equal(e.text, "'x': expected 3");
    assert_int_equal(err_set_at(&e, -E2BIG, 17, "large"), -E2BIG);
    assert_int_equal(e.pos, 17);
    assert_int_equal(err_set(NULL, -ENOENT, "nobody listens"), -ENOENT);
    assert_int_equal(err_set_at(NULL, -ENOENT, 1, "nobody listens"), -ENOENT);
    assert_int_equal(err_wrap(NULL, "nobody listens"), -EINVAL);
}

static void wraps_from_the_front(void **state)
{
    (void)state;
    struct err e = {0};
    (void)err_set(&e, -EBUSY, "slice 2 is taken");
    assert_int_equal(err_wrap(&e, "node %s", "gpu-1"), -EBUSY);
    assert_int_equal(err_wrap(&e, "plan"), -EBUSY);
    assert_string_equal(e.text, "plan: node gpu-1: slice 2 is taken");
}

static void cuts_what_is_too_long(void **state)
{
    (void)state;
    char text[2 * ERR_TEXT_MAX];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct err e = {0};
    (void)err_set(&e, -EINVAL, "%s", text);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    (void)err_wrap(&e, "front");
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_memory_equal(e.text, "front: aaa", 10);
    for (int drop = 1; drop < 6; drop++) { /* around the place where the context alone fills it */
        (void)err_set(&e, -EINVAL, "inner");
        (void)err_wrap(&e, "%.*s", ERR_TEXT_MAX - drop, text);
        assert_true(strlen(e.text) < ERR_TEXT_MAX);
    }
}

static void stays_one_line(void **state)
{
    (void)state;
    struct err e = {0};
    (void)err_set(&e, -EINVAL, "'%s'", "a\n\033[2Jb\x7F");
    assert_string_equal(e.text, "'a??[2Jb?'");
    (void)err_wrap(&e, "x\ry");
    assert_string_equal(e.text, "x?y: 'a??[2Jb?'");
}

static void names_codes(void **state)
{
    (void)state;
    assert_string_equal(err_name(-EINVAL), "EINVAL");
    assert_string_equal(err_name(-EACCES), "EACCES");
    assert_string_equal(err_name(-123456), "E?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(keeps_code_place_and_text),
            cmocka_unit_test(wraps_from_the_front),
            cmocka_unit_test(cuts_what_is_too_long),
            cmocka_unit_test(stays_one_line),
            cmocka_unit_test(names_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
