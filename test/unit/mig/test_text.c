/* test/unit/mig/test_text.c - layouts as text: reading, compute instances, drawing. */
#include "test.h"

#include "mig/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct mig_model *a100;

static int setup(void **state)
{
    (void)state;
    a100 = mig_model_find("A100-40GB");
    return a100 == NULL;
}

static void test_items(void **state)
{
    (void)state;
    struct mig_wish w;
    assert_int_equal(mig_wish_parse(a100, STR_LIT(" 3g.20gb@4 , 2g.10gb,1g.5gb* "), &w, NULL), 0);
    assert_int_equal(w.count, 3);
    assert_int_equal(w.items[0].start, 4);
    assert_int_equal(w.items[1].start, MIG_START_ANY);
    assert_false(w.items[1].in_use);
    assert_true(w.items[2].in_use);
    assert_int_equal(mig_wish_parse(a100, STR_LIT("2x1g.5gb*,9@0*"), &w, NULL), 0);
    assert_int_equal(w.count, 3);
    assert_true(w.items[0].in_use && w.items[1].in_use && w.items[2].in_use);
    assert_int_equal(a100->profiles[w.items[2].profile].gi_profile_id, 9);
    assert_int_equal(mig_wish_parse(a100, STR_LIT("none"), &w, NULL), 0);
    assert_int_equal(w.count, 0);
    assert_int_equal(mig_wish_parse(a100, STR_LIT("  "), &w, NULL), 0);
    assert_int_equal(w.count, 0);
    assert_int_equal(mig_wish_parse(a100, (struct str){NULL, 0}, &w, NULL), 0);
    /* A compute instance that fills its GPU instance is just that. */
    assert_int_equal(mig_wish_parse(a100, STR_LIT("3c.3g.20gb,1c.3g.20gb"), &w, NULL), 0);
    assert_int_equal(w.items[0].compute_slices, 0);
    assert_int_equal(w.items[1].compute_slices, 1);
}

static void test_bad_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        unsigned pos;
        const char *part;
    } cases[] = {
            {",", -EINVAL, 0, "empty"},
            {"3g.20gb,", -EINVAL, 8, "empty"},
            {"3g.20gb,,1g.5gb", -EINVAL, 8, "empty"},
            {"3g.20gb@", -EINVAL, 0, "expected a memory unit of A100-40GB, 0 to 7, after '@'"},
            {"3g.20gb@-1", -EINVAL, 0, "after '@'"},
            {"3g.20gb@four", -EINVAL, 0, "after '@'"},
            {"3g.20gb@255", -EINVAL, 0, "after '@'"},
            {"3g.20gb@99999999999999999999", -EINVAL, 0, "after '@'"},
            {"1g.5gb,3g.21gb", -ENOENT, 7, "did you mean '3g.20gb'"},
            {"*", -ENOENT, 0, "is not known"},
            {"@3", -ENOENT, 0, "is not known"},
            {"3g.20gb**", -ENOENT, 0, "is not known"},
            {"0x1g.5gb", -EINVAL, 0, "expected 1 to 64 in front of 'x'"},
            {"65x1g.5gb", -EINVAL, 0, "expected 1 to 64 in front of 'x'"},
            {"99999999999999999999x1g.5gb", -EINVAL, 0, "in front of 'x'"},
            {"60x1g.5gb,5x1g.5gb", -E2BIG, 10, "more than 64 instances"},
            {"2x1g.5gb@3", -EINVAL, 0, "expected 'x' or '@', not both"},
            {"2c.1g.5gb", -EINVAL, 0, "no such compute instance in 1g.5gb: expected one of 1c"},
            {"3c.4g.20gb", -EINVAL, 0, "expected one of 1c 2c 4c"},
            {"0c.4g.20gb", -EINVAL, 0, "no such compute instance"},
            {"99c.4g.20gb", -EINVAL, 0, "no such compute instance"},
            {"1c3g.20gb", -EINVAL, 0, "expected a form such as '1c.3g.20gb'"},
            {"none,1g.5gb", -ENOENT, 0, "is not known"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mig_wish w = {0};
        struct err e = {0};
        int r = mig_wish_parse(a100, str_from(cases[i].text), &w, &e);
        if (r != cases[i].code || strstr(e.text, cases[i].part) == NULL || e.pos != cases[i].pos)
            print_error("case '%s': %d, at %u: %s\n", cases[i].text, r, e.pos, e.text);
        assert_int_equal(r, cases[i].code);
        assert_int_equal(e.pos, cases[i].pos);
        assert_non_null(strstr(e.text, cases[i].part));
        assert_null(w.model); /* untouched */
    }
    static char big[MIG_TEXT_BYTES_MAX + 1];
    memset(big, 'x', sizeof big);
    struct mig_wish w;
    assert_int_equal(mig_wish_parse(a100, (struct str){big, sizeof big}, &w, NULL), -E2BIG);
}

/* What a text comes to: the layout, or the rule that stops it. */
static void check_text(const char *text, const char *want)
{
    struct mig_wish wish;
    struct mig_layout layout;
    enum mig_rule rule;
    struct buf out = BUF_INIT(512);
    assert_int_equal(mig_wish_parse(a100, str_from(text), &wish, NULL), 0);
    if (mig_wish_place(&wish, &layout, &rule, NULL) == 0) {
        mig_layout_format(&layout, &out);
    } else {
        buf_printf(&out, "rule %s", mig_rule_name(rule));
    }
    assert_string_equal(out.ptr, want);
    buf_clear(&out);
}

static void test_text_to_layout(void **state)
{
    (void)state;
    check_text("none", "none");
    check_text("3g.20gb,2g.10gb,1g.5gb,1g.5gb", "2g.10gb@0,1g.5gb@2,1g.5gb@3,3g.20gb@4");
    check_text("1g.5gb@0*,1g.5gb*,1g.5gb", "1g.5gb@0*,1g.5gb@1*,1g.5gb@6");
    check_text("3g.20gb@1", "rule start");
    check_text("3g.20gb@8", "rule start");
    check_text("1g.5gb@7", "rule start");
    check_text("1g.5gb@3,1g.5gb@3", "rule overlap");
    check_text("1g.5gb+me@3,1g.5gb+me@4", "rule cap");
}

static void test_compute_instances(void **state)
{
    (void)state;
    check_text("1c.3g.20gb", "3g.20gb@4");
    check_text("1c.3g.20gb,2c.3g.20gb", "3g.20gb@4"); /* they share one */
    check_text("3x1c.3g.20gb", "3g.20gb@4");
    check_text("4x1c.3g.20gb", "3g.20gb@0,3g.20gb@4");
    check_text("2x2c.3g.20gb,2x1c.3g.20gb", "3g.20gb@0,3g.20gb@4");
    check_text("7x1c.3g.20gb", "rule cap"); /* three GPU instances */
    check_text("3x1c.3g.20gb,3g.20gb", "3g.20gb@0,3g.20gb@4");
    check_text("2x1c.3g.20gb@0,1c.3g.20gb*", "3g.20gb@0*");
    check_text("2c.3g.20gb@0,2c.3g.20gb@0", "rule compute");
    check_text("3g.20gb@0,1c.3g.20gb@0", "rule overlap"); /* a full one has no room */
    check_text("1c.7g.40gb,2c.7g.40gb,4c.7g.40gb", "7g.40gb@0");
    check_text("3c.7g.40gb,2c.7g.40gb,4c.7g.40gb", "rule cap");
    check_text("1c.1g.5gb", "1g.5gb@6");
}

static void check_drawing(const char *model, const char *text, const char *want)
{
    const struct mig_model *m = mig_model_find(model);
    struct mig_wish wish;
    struct mig_layout layout;
    struct buf out = BUF_INIT(4096);
    assert_int_equal(mig_wish_parse(m, str_from(text), &wish, NULL), 0);
    assert_int_equal(mig_wish_place(&wish, &layout, NULL, NULL), 0);
    mig_layout_draw(&layout, &out);
    assert_string_equal(out.ptr, want);
    buf_clear(&out);
}

static void test_drawings(void **state)
{
    (void)state;
    check_drawing("A100-40GB", "3g.20gb*,2g.10gb@0",
            "unit       0     1     2     3     4     5     6     7\n"
            "          +-----------+-----+-----+-----------------------+\n"
            "instance  | 2g.10gb   |     |     | 3g.20gb*              |\n"
            "          +-----------+-----+-----+-----------------------+\n");
    check_drawing("A100-40GB", "3g.20gb@0,2g.10gb@4,1g.5gb@6", /* the trap */
            "unit       0        1        2        3        4        5        6        7\n"
            "          +-----------------------------------+-----------------+--------+--------+\n"
            "instance  | 3g.20gb                           | 2g.10gb         | 1g.5gb | -      |\n"
            "          "
            "+-----------------------------------+-----------------+--------+--------+\n");
    check_drawing("A30-24GB", "none",
            "unit       0     1     2     3\n"
            "          +-----+-----+-----+-----+\n"
            "instance  |     |     |     |     |\n"
            "          +-----+-----+-----+-----+\n");
}

/* What mig_layout_format writes, mig_wish_parse reads, for every layout of every model. */
static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        if (m->profile_count == 0)
            continue;
        struct mig_layout_iter it;
        mig_layout_iter_init(&it, m, m->profiles_all);
        while (mig_layout_iter_next(&it)) {
            struct mig_wish wish;
            struct mig_layout back;
            struct buf text = BUF_INIT(512);
            mig_layout_format(&it.layout, &text);
            assert_int_equal(mig_wish_parse(m, buf_str(&text), &wish, NULL), 0);
            assert_int_equal(mig_wish_place(&wish, &back, NULL, NULL), 0);
            assert_true(mig_layout_eq(&back, &it.layout));
            buf_clear(&text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_items),
            cmocka_unit_test(test_bad_forms),
            cmocka_unit_test(test_text_to_layout),
            cmocka_unit_test(test_compute_instances),
            cmocka_unit_test(test_drawings),
            cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests_name("mig text", tests, setup, NULL);
}
