/* test/unit/mig/test_diff.c - changes as a person would check them; exhaustive: prop/mig. */
#include "test.h"

#include "mig/diff.h"
#include "mig/text.h"

#include <errno.h>
#include <string.h>

static const struct mig_model *a100;

static int setup(void **state)
{
    (void)state;
    a100 = mig_model_find("A100-40GB");
    return a100 == NULL;
}

/* "-3g.20gb@0 +4g.20gb@0 ...", behind "blocked by ...: " when something in use is in the way. */
static void put_change(const struct mig_diff *d, struct buf *out)
{
    for (unsigned i = 0; i < d->blocker_count; i++) {
        buf_printf(out, "%s%s@%u%s", i == 0 ? "blocked by " : " ",
                a100->profiles[d->blockers[i].profile].name, d->blockers[i].start,
                i + 1u == d->blocker_count ? ": " : "");
    }
    for (unsigned i = 0; i < d->step_count; i++) {
        const struct mig_step *s = &d->steps[i];
        buf_printf(out, "%s%c%s@%u", i == 0 ? "" : " ", s->create ? '+' : '-',
                a100->profiles[s->instance.profile].name, s->instance.start);
    }
}

static void check_change(const char *from_text, const char *to_text, const char *want)
{
    struct mig_wish from_wish, to_wish;
    struct mig_layout from;
    struct mig_wish_parts to;
    struct mig_diff d;
    struct buf out = BUF_INIT(1024);
    assert_int_equal(mig_wish_parse(a100, str_from(from_text), &from_wish, NULL), 0);
    assert_int_equal(mig_wish_parse(a100, str_from(to_text), &to_wish, NULL), 0);
    assert_int_equal(mig_wish_place(&from_wish, &from, NULL, NULL), 0);
    assert_int_equal(mig_wish_split(&to_wish, &to, NULL, NULL), 0);
    struct err e = {0};
    int r = mig_diff(&from, &to.fixed, &to.add, &d, &e);
    assert_true(r == 0 || r == -EBUSY);
    assert_int_equal(r == -EBUSY, d.blocker_count > 0);
    assert_int_equal(r == -EBUSY, strstr(e.text, "must become free first") != NULL);
    put_change(&d, &out);
    buf_puts(&out, "");
    assert_string_equal(out.ptr == NULL ? "" : out.ptr, want);
    buf_clear(&out);
}

static void test_changes(void **state)
{
    (void)state;
    check_change("none", "none", "");
    check_change("7g.40gb@0", "7g.40gb", "");
    check_change("7g.40gb@0", "none", "-7g.40gb@0");
    check_change("none", "3g.20gb", "+3g.20gb@4");
    check_change("7g.40gb@0", "4g.20gb,3g.20gb", "-7g.40gb@0 +4g.20gb@0 +3g.20gb@4");
    /* The one in use stays where it is, so the new one goes elsewhere. */
    check_change("3g.20gb@4*", "2x3g.20gb", "+3g.20gb@0");
    check_change("3g.20gb@0*", "3g.20gb,2g.10gb", "+2g.10gb@4");
    /* 1g at 3 is given up, the one in use is kept. */
    check_change("1g.5gb@2*,1g.5gb@3", "1g.5gb,3g.20gb", "+3g.20gb@4 -1g.5gb@3");
    /* A create that is already legal comes before the destroys. */
    check_change("2g.10gb@0", "2g.10gb@4", "+2g.10gb@4 -2g.10gb@0");
    check_change(
            "7x1g.5gb", "3x1g.5gb,4g.20gb", "-1g.5gb@0 -1g.5gb@1 -1g.5gb@2 -1g.5gb@3 +4g.20gb@0");
}

static void test_blocked_changes(void **state)
{
    (void)state;
    check_change("3g.20gb@0*", "4g.20gb,3g.20gb",
            "blocked by 3g.20gb@0: +3g.20gb@4 -3g.20gb@0 +4g.20gb@0");
    check_change(
            "1g.5gb@0*,1g.5gb@6*", "none", "blocked by 1g.5gb@0 1g.5gb@6: -1g.5gb@0 -1g.5gb@6");
    /* One of the two is enough. */
    check_change(
            "1g.5gb@0*,1g.5gb@6*", "3g.20gb,1g.5gb", "blocked by 1g.5gb@6: -1g.5gb@6 +3g.20gb@4");
    /* Of 2g and 1g, both in use, the smaller one has to go. */
    check_change(
            "2g.10gb@0*,1g.5gb@4*", "3g.20gb,2g.10gb", "blocked by 1g.5gb@4: -1g.5gb@4 +3g.20gb@4");
}

static void test_impossible_target(void **state)
{
    (void)state;
    struct mig_layout empty;
    struct mig_counts add = {{0}};
    struct mig_diff d = {0};
    struct err e = {0};
    mig_layout_init(&empty, a100);
    add.n[mig_profile_find_kind(a100, "3g")] = 3;
    assert_int_equal(mig_diff(&empty, &empty, &add, &d, &e), -ENOSPC);
    assert_string_equal(e.text, "A100-40GB holds at most 2 of 3g.20gb, not 3");
    assert_null(d.target.model);
}

static void test_in_use_marks_move_along(void **state)
{
    (void)state;
    struct mig_wish wish;
    struct mig_layout from, to;
    struct mig_diff d;
    assert_int_equal(mig_wish_parse(a100, STR_LIT("3g.20gb@4*,1g.5gb@0"), &wish, NULL), 0);
    assert_int_equal(mig_wish_place(&wish, &from, NULL, NULL), 0);
    assert_int_equal(mig_wish_parse(a100, STR_LIT("3g.20gb@4,1g.5gb@1"), &wish, NULL), 0);
    assert_int_equal(mig_wish_place(&wish, &to, NULL, NULL), 0);
    assert_int_equal(mig_diff(&from, &to, NULL, &d, NULL), 0);
    assert_int_equal(d.kept_count, 1);
    assert_false(d.target.instances[0].in_use);
    assert_true(d.target.instances[1].in_use);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_changes),
            cmocka_unit_test(test_blocked_changes),
            cmocka_unit_test(test_impossible_target),
            cmocka_unit_test(test_in_use_marks_move_along),
    };
    return cmocka_run_group_tests_name("mig diff", tests, setup, NULL);
}
