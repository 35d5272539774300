/* test/unit/mig/test_layout.c - single layouts: rules, messages, preferred starts. */
#include "test.h"

#include "mig/layout.h"
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

static struct mig_instance inst(const char *kind, unsigned start)
{
    return (struct mig_instance){(uint8_t)mig_profile_find_kind(a100, kind), (uint8_t)start, false};
}

/* The five claims about A100-40GB of the article that this project grew from, on hardware: (a) to
 * (c) were said to be invalid and are not, (d) and (e) are valid as said. */
static void test_claims_of_the_article(void **state)
{
    (void)state;
    static const struct {
        const char *wish, *layout;
    } claims[] = {
            {"3g.20gb,3g.20gb", "3g.20gb@0,3g.20gb@4"},
            {"2g.10gb,2g.10gb,2g.10gb", "2g.10gb@0,2g.10gb@2,2g.10gb@4"},
            {"2g.10gb@0,5x1g.5gb", "2g.10gb@0,1g.5gb@2,1g.5gb@3,1g.5gb@4,1g.5gb@5,1g.5gb@6"},
            {"3g.20gb,2g.10gb@0,1g.5gb,1g.5gb", "2g.10gb@0,1g.5gb@2,1g.5gb@3,3g.20gb@4"},
            {"4g.20gb,1g.5gb,1g.5gb,1g.5gb", "4g.20gb@0,1g.5gb@4,1g.5gb@5,1g.5gb@6"},
    };
    for (unsigned i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        struct mig_wish wish;
        struct mig_layout layout;
        struct buf text = BUF_INIT(512);
        assert_int_equal(mig_wish_parse(a100, str_from(claims[i].wish), &wish, NULL), 0);
        assert_int_equal(mig_wish_place(&wish, &layout, NULL, NULL), 0);
        mig_layout_format(&layout, &text);
        assert_string_equal(text.ptr, claims[i].layout);
        buf_clear(&text);
    }
    /* (d) holds on one condition: with 3g at 0 there is no place for both 1g. */
    struct mig_wish wish;
    struct mig_layout layout;
    assert_int_equal(mig_wish_parse(a100, STR_LIT("3g.20gb@0,2g.10gb,2x1g.5gb"), &wish, NULL), 0);
    assert_int_equal(mig_wish_place(&wish, &layout, NULL, NULL), -ENOSPC);
}

static void test_add_says_which_rule(void **state)
{
    (void)state;
    struct mig_layout l;
    enum mig_rule rule;
    struct err e = {0};
    mig_layout_init(&l, a100);
    assert_int_equal(mig_layout_add(&l, inst("3g", 2), &rule, &e), -EINVAL);
    assert_int_equal(rule, MIG_RULE_START);
    assert_string_equal(
            e.text, "3g.20gb may not start at unit 2 of A100-40GB: expected one of 0 4");
    assert_int_equal(mig_layout_add(&l, inst("3g", 4), &rule, &e), 0);
    assert_int_equal(rule, MIG_RULE_OK);
    assert_int_equal(mig_layout_add(&l, inst("1g", 5), &rule, &e), -EBUSY);
    assert_int_equal(rule, MIG_RULE_OVERLAP);
    assert_string_equal(e.text, "1g.5gb@5 overlaps 3g.20gb@4 on A100-40GB");
    assert_int_equal(mig_layout_add(&l, inst("1g+me", 0), &rule, &e), 0);
    assert_int_equal(mig_layout_add(&l, inst("1g+me", 1), &rule, &e), -ENOSPC);
    assert_int_equal(rule, MIG_RULE_CAP);
    assert_string_equal(e.text, "A100-40GB holds at most 1 of 1g.5gb+me");
    assert_int_equal(l.count, 2);
    assert_int_equal(mig_layout_add(&l, (struct mig_instance){99, 0, false}, &rule, &e), -EINVAL);
    assert_non_null(strstr(e.text, "profile number 99"));
}

/* On the A30 two of the +me kinds would need two OFA engines. */
static void test_engines_bind_on_a30(void **state)
{
    (void)state;
    const struct mig_model *a30 = mig_model_find("A30-24GB");
    struct mig_layout l;
    enum mig_rule rule;
    struct err e = {0};
    mig_layout_init(&l, a30);
    struct mig_instance one = {(uint8_t)mig_profile_find_kind(a30, "1g+me"), 0, false};
    struct mig_instance two = {(uint8_t)mig_profile_find_kind(a30, "2g+me"), 2, false};
    assert_int_equal(mig_layout_add(&l, one, &rule, &e), 0);
    assert_int_equal(mig_layout_add(&l, two, &rule, &e), -ENOSPC);
    assert_int_equal(rule, MIG_RULE_ENGINE);
    assert_string_equal(e.text, "2g.12gb+me needs 1 jpeg engine: 1 of 1 are taken on A30-24GB");
}

/* Holding all media engines of an RTX PRO 6000 leaves room only for the kinds without any. */
static void test_all_media_blocks_others(void **state)
{
    (void)state;
    const struct mig_model *rtx = mig_model_find("RTX-PRO-6000-Blackwell-96GB");
    struct mig_layout l;
    mig_layout_init(&l, rtx);
    struct mig_instance all = {(uint8_t)mig_profile_find_kind(rtx, "1g+me.all"), 0, false};
    assert_int_equal(mig_layout_add(&l, all, NULL, NULL), 0);
    for (unsigned p = 0; p < rtx->profile_count; p++) {
        bool without = strstr(rtx->profiles[p].kind, "-me") != NULL;
        assert_int_equal(mig_layout_fits(rtx, l.used, &l.counts, p) != 0, without);
    }
}

static unsigned preferred(const struct mig_layout *l, const char *kind)
{
    unsigned p = (unsigned)mig_profile_find_kind(a100, kind);
    uint16_t starts = mig_layout_fits(a100, l->used, &l->counts, p);
    return mig_layout_prefer(a100, l->used, &l->counts, p, starts);
}

static void test_preferred_starts_leave_the_most(void **state)
{
    (void)state;
    struct mig_layout l;
    mig_layout_init(&l, a100);
    assert_int_equal(preferred(&l, "3g"), 4); /* keeps 4g at 0 */
    assert_int_equal(preferred(&l, "1g"), 6); /* keeps 4g at 0 and 2g at 4 */
    assert_int_equal(preferred(&l, "2g"), 4);
    assert_int_equal(preferred(&l, "1g.x2"), 6); /* takes the unit that nothing else can begin at */
    assert_int_equal(mig_layout_add(&l, inst("1g", 6), NULL, NULL), 0);
    assert_int_equal(preferred(&l, "1g"), 5);
}

static void test_instances_stay_sorted(void **state)
{
    (void)state;
    struct mig_layout l;
    struct buf text = BUF_INIT(256);
    mig_layout_init(&l, a100);
    mig_layout_format(&l, &text);
    assert_string_equal(text.ptr, "none");
    buf_reset(&text);
    struct mig_instance used = inst("1g", 6);
    used.in_use = true;
    assert_int_equal(mig_layout_add(&l, used, NULL, NULL), 0);
    assert_int_equal(mig_layout_add(&l, inst("1g", 0), NULL, NULL), 0);
    assert_int_equal(mig_layout_add(&l, inst("2g", 2), NULL, NULL), 0);
    mig_layout_format(&l, &text);
    assert_string_equal(text.ptr, "1g.5gb@0,2g.10gb@2,1g.5gb@6*");
    assert_true(mig_layout_is_legal(&l));
    struct mig_layout broken = l;
    broken.used ^= 1;
    assert_false(mig_layout_is_legal(&broken));
    broken = l;
    broken.instances[0].start = 6;
    assert_false(mig_layout_is_legal(&broken));
    broken = l;
    broken.counts.n[0]++;
    assert_false(mig_layout_is_legal(&broken));
    mig_layout_remove(&l, 1);
    assert_int_equal(l.count, 2);
    assert_true(mig_layout_is_legal(&l));
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_claims_of_the_article),
            cmocka_unit_test(test_add_says_which_rule),
            cmocka_unit_test(test_engines_bind_on_a30),
            cmocka_unit_test(test_all_media_blocks_others),
            cmocka_unit_test(test_preferred_starts_leave_the_most),
            cmocka_unit_test(test_instances_stay_sorted),
    };
    return cmocka_run_group_tests_name("mig layout", tests, setup, NULL);
}
