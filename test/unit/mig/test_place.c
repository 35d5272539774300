/* test/unit/mig/test_place.c - placing multisets, the rules that stop them, filling in. */
#include "test.h"

#include "mig/place.h"
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

static struct mig_wish_parts parts_of(const char *text)
{
    struct mig_wish wish;
    struct mig_wish_parts parts;
    assert_int_equal(mig_wish_parse(a100, str_from(text), &wish, NULL), 0);
    assert_int_equal(mig_wish_split(&wish, &parts, NULL, NULL), 0);
    return parts;
}

static void test_refusals_name_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *wish;
        enum mig_rule rule;
        const char *text;
    } cases[] = {
            {"8x1g.5gb", MIG_RULE_CAP, "A100-40GB holds at most 7 of 1g.5gb, not 8"},
            {"3g.20gb@0,2x3g.20gb", MIG_RULE_CAP, "A100-40GB holds at most 2 of 3g.20gb, not 3"},
            {"2x3g.20gb,1g.5gb", MIG_RULE_UNITS,
                    "the instances take 9 memory units: A100-40GB has 8"},
            {"4g.20gb,2x2g.10gb", MIG_RULE_COMPUTE,
                    "the instances take 8 compute slices: A100-40GB has 7"},
            {"3g.20gb@0,2g.10gb,2x1g.5gb", MIG_RULE_STARTS,
                    "no choice of starts fits beside 3g.20gb@0 on A100-40GB: 2g.10gb may start at "
                    "0 2 4, 1g.5gb at 0 1 2 3 4 5 6"},
            {"3x1g.10gb,2g.10gb@0,1g.5gb", MIG_RULE_UNITS,
                    "the instances take 9 memory units: A100-40GB has 8"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mig_wish_parts parts = parts_of(cases[i].wish);
        struct mig_layout layout = {0};
        enum mig_rule rule;
        struct err e = {0};
        assert_int_equal(mig_place(&parts.fixed, &parts.add, &layout, &rule, &e), -ENOSPC);
        assert_string_equal(mig_rule_name(rule), mig_rule_name(cases[i].rule));
        assert_string_equal(e.text, cases[i].text);
        assert_null(layout.model); /* untouched */
        assert_false(mig_place_fits(&parts.fixed, &parts.add));
    }
}

static void test_engine_refusal(void **state)
{
    (void)state;
    const struct mig_model *a30 = mig_model_find("A30-24GB");
    struct mig_layout empty, layout;
    struct mig_counts add = {{0}};
    enum mig_rule rule;
    struct err e = {0};
    mig_layout_init(&empty, a30);
    add.n[mig_profile_find_kind(a30, "1g+me")] = 1;
    add.n[mig_profile_find_kind(a30, "2g+me")] = 1;
    assert_int_equal(mig_place(&empty, &add, &layout, &rule, &e), -ENOSPC);
    assert_int_equal(rule, MIG_RULE_ENGINE);
    assert_string_equal(e.text, "the instances take 2 jpeg engines: A30-24GB has 1");
}

static void check_placed(const char *wish, const char *want)
{
    struct mig_wish_parts parts = parts_of(wish);
    struct mig_layout layout;
    struct buf text = BUF_INIT(256);
    assert_int_equal(mig_place(&parts.fixed, &parts.add, &layout, NULL, NULL), 0);
    mig_layout_format(&layout, &text);
    assert_string_equal(text.ptr, want);
    buf_clear(&text);
}

static void test_placement_leaves_the_most(void **state)
{
    (void)state;
    check_placed("none", "none");
    check_placed("3g.20gb", "3g.20gb@4");
    check_placed("1g.5gb,1g.5gb", "1g.5gb@4,1g.5gb@5");   /* 1g.10gb stays possible too */
    check_placed("2g.10gb,1g.5gb", "2g.10gb@4,1g.5gb@6"); /* 4g.20gb stays possible */
    check_placed("3g.20gb,2g.10gb,1g.5gb", "1g.5gb@1,2g.10gb@2,3g.20gb@4");
    check_placed("1g.5gb@3,2g.10gb", "2g.10gb@0,1g.5gb@3"); /* 3g.20gb stays possible */
}

static void check_fill(const char *base, const char *demand, uint16_t spare, const char *want)
{
    struct mig_wish_parts b = parts_of(base), d = parts_of(demand);
    struct mig_fill fill = {.base = &b.fixed, .demand = d.add, .spare_profiles = spare};
    struct mig_layout layout;
    struct buf text = BUF_INIT(256);
    mig_place_fill(&fill, &layout, NULL);
    mig_layout_format(&layout, &text);
    assert_string_equal(text.ptr, want);
    buf_clear(&text);
}

static void test_fill(void **state)
{
    (void)state;
    uint16_t base = a100->profiles_base;
    check_fill("none", "none", 0, "none");
    check_fill("none", "none", base, "7g.40gb@0");
    check_fill("none", "3g.20gb", 0, "3g.20gb@4");
    check_fill("none", "3g.20gb", base, "4g.20gb@0,3g.20gb@4");
    check_fill("3g.20gb@0*", "2x3g.20gb,4g.20gb", base, "3g.20gb@0*,3g.20gb@4");
    check_fill("none", "2x3g.20gb,1g.5gb", base, "3g.20gb@0,3g.20gb@4");
}

/* Worth decides: two small ones can be worth more than what fills the GPU. */
static void test_fill_by_value(void **state)
{
    (void)state;
    struct mig_layout empty, layout;
    struct mig_counts served;
    mig_layout_init(&empty, a100);
    struct mig_fill fill = {.base = &empty};
    int big = mig_profile_find_kind(a100, "7g"), small = mig_profile_find_kind(a100, "1g");
    fill.demand.n[big] = 1;
    fill.demand.n[small] = 2;
    fill.value[big] = 10;
    fill.value[small] = 6;
    mig_place_fill(&fill, &layout, &served);
    assert_int_equal(served.n[big], 0);
    assert_int_equal(served.n[small], 2);
    assert_int_equal(layout.count, 2);
    fill.value[small] = 4;
    mig_place_fill(&fill, &layout, &served);
    assert_int_equal(served.n[big], 1);
    assert_int_equal(served.n[small], 0);
    fill.value[small] = 5; /* as much for fewer slices */
    mig_place_fill(&fill, &layout, &served);
    assert_int_equal(served.n[big], 0);
    assert_int_equal(served.n[small], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_refusals_name_the_rule),
            cmocka_unit_test(test_engine_refusal),
            cmocka_unit_test(test_placement_leaves_the_most),
            cmocka_unit_test(test_fill),
            cmocka_unit_test(test_fill_by_value),
    };
    return cmocka_run_group_tests_name("mig place", tests, setup, NULL);
}
