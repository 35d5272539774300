/* ctl/plan_steps: what a plan shows, what an approval is good for, what is left after a restart. */
#include "test.h"

#include "base/arena.h"
#include "base/num.h"
#include "ctl/plan_steps.h"
#include "policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t T0 = INT64_C(1800000000) * NUM_NS_PER_SECOND;

static const struct ctl_plan_news *news(
        enum ctl_step_state state, const char *node, uint64_t digest, int64_t saving)
{
    static struct ctl_plan_news n;
    n = (struct ctl_plan_news){
            .state = state, .digest = digest, .saving_microusd_per_hour = saving};
    n.text[CTL_STEP_KIND] = STR_LIT("Node");
    n.text[CTL_STEP_NAME] = str_from(node);
    n.text[CTL_STEP_CHANGE] = STR_LIT("share");
    return &n;
}

static const struct ctl_plan_news *asked(const char *owner, const char *patch)
{
    static struct ctl_plan_news n;
    n = (struct ctl_plan_news){.state = CTL_STEP_OWNER_MUST_ACT};
    n.text[CTL_STEP_KIND] = STR_LIT("Deployment");
    n.text[CTL_STEP_NAMESPACE] = STR_LIT("ml");
    n.text[CTL_STEP_NAME] = str_from(owner);
    n.text[CTL_STEP_CHANGE] = STR_LIT("owner-point");
    n.text[CTL_STEP_PATCH] = str_from(patch);
    return &n;
}

static struct str digest_text(const struct ctl_plan *p)
{
    static char text[17];
    (void)snprintf(text, sizeof text, "%016" PRIx64, p->digest);
    return str_from(text);
}

static const struct ctl_plan_step *step_of(const struct ctl_plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (strcmp(p->steps[i].text[CTL_STEP_NAME], name) == 0 && !p->steps[i].waits)
            return &p->steps[i];
    }
    return NULL;
}

static uint32_t handed_out(const struct ctl_plan *p, int64_t wall_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        count += ctl_plan_holds(p, i, wall_ns);
    return count;
}

/* Two nodes proposed at T0. */
static void propose_two(struct ctl_plan *p)
{
    *p = (struct ctl_plan){0};
    ctl_plan_note(p, news(CTL_STEP_PROPOSED, "a", 11, 1000000), T0);
    ctl_plan_note(p, news(CTL_STEP_PROPOSED, "b", 22, 5000000), T0);
    assert_int_equal(ctl_plan_review(p, (struct str){0}, 0, T0), CTL_PLAN_IS_NEW);
    assert_int_equal(p->phase, CTL_PLAN_PROPOSED);
    assert_int_equal(p->word, CTL_WORD_WAITING);
    assert_true(p->digest != 0);
}

static void approve_two(struct ctl_plan *p)
{
    propose_two(p);
    assert_int_equal(ctl_plan_review(p, digest_text(p), T0 + NUM_NS_PER_SECOND, T0 + 5),
            CTL_PLAN_IS_APPROVED);
}

static void test_largest_saving_first_and_one_digest(void **state)
{
    (void)state;
    struct ctl_plan p, q = {0};
    propose_two(&p);
    assert_string_equal(p.steps[0].text[CTL_STEP_NAME], "b");
    /* The order in which they came does not matter. */
    ctl_plan_note(&q, news(CTL_STEP_PROPOSED, "b", 22, 5000000), T0);
    ctl_plan_note(&q, news(CTL_STEP_PROPOSED, "a", 11, 1000000), T0);
    (void)ctl_plan_review(&q, (struct str){0}, 0, T0);
    assert_true(p.digest == q.digest);
    /* Told again: the same.  Another digest of a step: another plan. */
    p.changed = false;
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 11, 1000000), T0 + 5);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0 + 5), 0);
    assert_false(p.changed);
    /* Worth more now: another place, the same digest. */
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 11, 9000000), T0 + 5);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0 + 5), 0);
    assert_string_equal(p.steps[0].text[CTL_STEP_NAME], "a");
    assert_true(p.digest == q.digest);
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 12, 1000000), T0 + 5);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0 + 5), CTL_PLAN_IS_NEW);
    assert_true(p.digest != q.digest && p.step_count == 2);
    ctl_plan_clear(&p);
    ctl_plan_clear(&q);
}

static void test_approval_names_the_digest(void **state)
{
    (void)state;
    struct ctl_plan p;
    propose_two(&p);
    assert_int_equal(ctl_plan_review(&p, STR_LIT("0123456789abcdef"), T0, T0), CTL_PLAN_IS_REFUSED);
    assert_int_equal(p.word, CTL_WORD_CHANGED);
    assert_int_equal(handed_out(&p, T0), 0);
    /* Said once. */
    assert_int_equal(ctl_plan_review(&p, STR_LIT("0123456789abcdef"), T0, T0), 0);
    assert_int_equal(ctl_plan_review(&p, digest_text(&p), 0, T0), CTL_PLAN_IS_APPROVED);
    assert_int_equal(p.phase, CTL_PLAN_APPROVED);
    assert_int_equal(handed_out(&p, T0), 2);
    ctl_plan_clear(&p);
}

static void test_steps_change_state_until_all_is_over(void **state)
{
    (void)state;
    struct ctl_plan p;
    approve_two(&p);
    struct ctl_plan_news held = *news(CTL_STEP_APPROVED, "a", 0, 0);
    held.text[CTL_STEP_REASON] = STR_LIT("guard-window");
    ctl_plan_note(&p, &held, T0);
    assert_int_equal(step_of(&p, "a")->state, CTL_STEP_APPROVED);
    assert_string_equal(step_of(&p, "a")->text[CTL_STEP_REASON], "guard-window");
    ctl_plan_note(&p, news(CTL_STEP_BEGUN, "a", 0, 0), T0);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0), 0);
    ctl_plan_note(&p, news(CTL_STEP_DONE, "a", 0, 0), T0);
    ctl_plan_note(&p, news(CTL_STEP_FAILED, "b", 0, 0), T0);
    /* What is proposed meanwhile waits. */
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "c", 33, 1), T0);
    assert_null(step_of(&p, "c"));
    assert_int_equal(ctl_plan_review(&p, digest_text(&p), T0, T0 + 7 * NUM_NS_PER_SECOND),
            CTL_PLAN_IS_COMPLETED | CTL_PLAN_IS_NEW);
    /* The next plan: another digest, and the old word is none for it. */
    assert_int_equal(p.phase, CTL_PLAN_PROPOSED);
    assert_int_equal(p.step_count, 1);
    assert_non_null(step_of(&p, "c"));
    assert_int_equal(handed_out(&p, T0), 0);
    ctl_plan_clear(&p);
}

static void test_another_fact_ends_what_was_agreed(void **state)
{
    (void)state;
    struct ctl_plan p;
    approve_two(&p);
    uint64_t digest = p.digest;
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 99, 1000000), T0);
    (void)ctl_plan_review(&p, (struct str){0}, 0, T0);
    assert_int_equal(step_of(&p, "a")->state, CTL_STEP_WITHDRAWN);
    assert_int_equal(handed_out(&p, T0), 1);
    assert_true(p.digest == digest); /* of what was agreed to */
    ctl_plan_note(&p, news(CTL_STEP_DONE, "b", 0, 0), T0);
    assert_true((ctl_plan_review(&p, (struct str){0}, 0, T0) & CTL_PLAN_IS_NEW) != 0);
    assert_int_equal(step_of(&p, "a")->digest, 99);
    ctl_plan_clear(&p);
}

static void test_a_day_is_the_end_of_an_approval(void **state)
{
    (void)state;
    struct ctl_plan p;
    approve_two(&p);
    struct str old = digest_text(&p);
    ctl_plan_note(&p, news(CTL_STEP_BEGUN, "a", 0, 0), T0);
    int64_t later = T0 + 24 * NUM_NS_PER_HOUR;
    assert_int_equal(ctl_plan_review(&p, old, T0, later - NUM_NS_PER_SECOND), 0);
    assert_int_equal(handed_out(&p, later - NUM_NS_PER_SECOND), 2);
    later += 2 * NUM_NS_PER_SECOND;
    assert_int_equal(ctl_plan_review(&p, old, T0, later), CTL_PLAN_IS_EXPIRED);
    assert_int_equal(step_of(&p, "b")->state, CTL_STEP_LAPSED);
    assert_int_equal(step_of(&p, "a")->state, CTL_STEP_BEGUN);
    assert_int_equal(handed_out(&p, later), 0);
    /* The same proposal again is another plan: the old word does not count for it. */
    char was[17];
    (void)snprintf(was, sizeof was, "%.*s", STR_ARG(old));
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "b", 22, 5000000), later);
    unsigned r = ctl_plan_review(&p, str_from(was), T0, later);
    assert_int_equal(r, CTL_PLAN_IS_NEW); /* nobody did anything wrong */
    assert_int_equal(p.word, CTL_WORD_CHANGED);
    assert_int_equal(handed_out(&p, later), 0);
    ctl_plan_clear(&p);
}

/* The very same steps, proposed again: the digest is another one all the same. */
static void test_a_word_is_good_for_one_plan(void **state)
{
    (void)state;
    struct ctl_plan p;
    char was[17];
    approve_two(&p);
    (void)snprintf(was, sizeof was, "%.*s", STR_ARG(digest_text(&p)));
    int64_t later = T0 + 25 * NUM_NS_PER_HOUR;
    (void)ctl_plan_review(&p, str_from(was), T0, later);
    assert_int_equal(p.phase, CTL_PLAN_EXPIRED);
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 11, 1000000), later);
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "b", 22, 5000000), later);
    (void)ctl_plan_review(&p, str_from(was), later, later);
    assert_int_equal(p.step_count, 2);
    assert_int_equal(p.phase, CTL_PLAN_PROPOSED);
    assert_int_equal(handed_out(&p, later), 0);
    ctl_plan_clear(&p);
}

/* A word that is older than a day when we hear of it is none. */
static void test_an_old_word_has_lapsed(void **state)
{
    (void)state;
    struct ctl_plan p;
    propose_two(&p);
    int64_t now = T0 + 2 * NUM_NS_PER_HOUR;
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "a", 11, 1000000), now);
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "b", 22, 5000000), now);
    assert_int_equal(ctl_plan_review(&p, digest_text(&p), now - 25 * NUM_NS_PER_HOUR, now),
            CTL_PLAN_IS_EXPIRED);
    assert_int_equal(handed_out(&p, now), 0);
    assert_int_equal(p.phase, CTL_PLAN_EXPIRED);
    ctl_plan_clear(&p);
}

static void test_what_is_not_proposed_any_more_goes(void **state)
{
    (void)state;
    struct ctl_plan p;
    propose_two(&p);
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "b", 22, 5000000), T0 + 2 * NUM_NS_PER_HOUR);
    assert_int_equal(
            ctl_plan_review(&p, (struct str){0}, 0, T0 + 3 * NUM_NS_PER_HOUR), CTL_PLAN_IS_NEW);
    assert_null(step_of(&p, "a"));
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0 + 6 * NUM_NS_PER_HOUR), 0);
    assert_int_equal(p.step_count, 0);
    assert_int_equal(p.word, CTL_WORD_NOTHING);
    /* Of what was agreed to, that is withdrawn stays in the list. */
    ctl_plan_clear(&p);
    approve_two(&p);
    ctl_plan_withdraw(&p, 0);
    ctl_plan_withdraw(&p, 1);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0), CTL_PLAN_IS_COMPLETED);
    assert_int_equal(step_of(&p, "a")->state, CTL_STEP_WITHDRAWN);
    ctl_plan_clear(&p);
}

static void test_owners_take_their_time(void **state)
{
    (void)state;
    struct ctl_plan p;
    approve_two(&p);
    ctl_plan_note(&p, news(CTL_STEP_DONE, "a", 0, 0), T0);
    ctl_plan_note(&p, news(CTL_STEP_DONE, "b", 0, 0), T0);
    struct ctl_plan_news point = *asked("train", "");
    point.state = CTL_STEP_PROPOSED;
    point.digest = 77;
    ctl_plan_clear(&p);
    ctl_plan_note(&p, &point, T0);
    (void)ctl_plan_review(&p, (struct str){0}, 0, T0);
    (void)ctl_plan_review(&p, digest_text(&p), T0, T0);
    ctl_plan_note(&p, asked("train", "{\"spec\":{}}"), T0);
    assert_int_equal(step_of(&p, "train")->state, CTL_STEP_OWNER_MUST_ACT);
    assert_int_equal(step_of(&p, "train")->digest, 77);
    assert_string_equal(step_of(&p, "train")->text[CTL_STEP_PATCH], "{\"spec\":{}}");
    assert_int_equal(handed_out(&p, T0), 1); /* a core that begins anew asks again */
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0 + 30 * NUM_NS_PER_HOUR), 0);
    /* It goes on into the next plan. */
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "c", 33, 1), T0 + 30 * NUM_NS_PER_HOUR);
    (void)ctl_plan_review(&p, (struct str){0}, 0, T0 + 30 * NUM_NS_PER_HOUR);
    assert_int_equal(p.phase, CTL_PLAN_PROPOSED);
    assert_int_equal(p.step_count, 2);
    assert_int_equal(step_of(&p, "train")->state, CTL_STEP_OWNER_MUST_ACT);
    ctl_plan_clear(&p);
}

/* Of a technique that is applied: no digest, nothing to approve. */
static void test_what_needs_no_approval(void **state)
{
    (void)state;
    struct ctl_plan p = {0};
    ctl_plan_note(&p, asked("infer", "{}"), T0);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0), 0);
    assert_int_equal(p.word, CTL_WORD_NOTHING);
    assert_int_equal(step_of(&p, "infer")->state, CTL_STEP_OWNER_MUST_ACT);
    assert_int_equal(handed_out(&p, T0), 0);
    /* News of what is no step are none. */
    ctl_plan_note(&p, news(CTL_STEP_DONE, "z", 0, 0), T0);
    ctl_plan_note(&p, asked("other", ""), T0);
    assert_int_equal(p.step_count, 1);
    ctl_plan_clear(&p);
}

static void test_no_more_than_the_limit(void **state)
{
    (void)state;
    struct ctl_plan p = {0};
    char name[16];
    for (unsigned i = 0; i < POLICY_PLAN_STEPS_MAX + 50; i++) {
        (void)snprintf(name, sizeof name, "n%u", i);
        ctl_plan_note(&p, news(CTL_STEP_PROPOSED, name, i + 1, i), T0);
    }
    (void)ctl_plan_review(&p, (struct str){0}, 0, T0);
    /* One that saves more comes later: it takes the place of the one that saves least. */
    ctl_plan_note(&p, news(CTL_STEP_PROPOSED, "late", 777, 1000), T0);
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0), CTL_PLAN_IS_NEW);
    assert_string_equal(p.steps[0].text[CTL_STEP_NAME], "late");
    assert_null(step_of(&p, "n50"));
    assert_non_null(step_of(&p, "n51"));
    struct buf out = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&out, 0);
    jw_object(&w);
    ctl_plan_write(&p, STR_LIT("x"), 1, &w);
    jw_object_end(&w);
    assert_non_null(strstr(out.ptr, "\"stepCount\":200,"));
    assert_non_null(step_of(&p, "n249"));
    buf_clear(&out);
    ctl_plan_clear(&p);
}

static void assert_saves(struct ctl_plan *p, const char *usd_per_day)
{
    (void)ctl_plan_review(p, (struct str){0}, 0, T0);
    struct buf out = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&out, 0);
    char want[64];
    jw_object(&w);
    ctl_plan_write(p, STR_LIT("x"), 1, &w);
    jw_object_end(&w);
    (void)snprintf(want, sizeof want, "\"savingUSDPerDay\":\"%s\"", usd_per_day);
    const char *got = strstr(out.ptr, "\"savingUSDPerDay\"");
    if (strncmp(got, want, strlen(want)) != 0)
        fail_msg("%.40s, not %s", got, want);
    buf_clear(&out);
}

/* Nodes that share, owners that go there and nodes that are not needed then: money told once. */
static void test_the_same_money_counts_once(void **state)
{
    (void)state;
    struct ctl_plan p;
    propose_two(&p);
    assert_saves(&p, "144");
    struct ctl_plan_news n = *asked("infer", "{}");
    n.saving_microusd_per_hour = 4000000;
    ctl_plan_note(&p, &n, T0);
    assert_saves(&p, "96");
    n = *news(CTL_STEP_PROPOSED, "empty", 33, 3000000);
    n.text[CTL_STEP_CHANGE] = STR_LIT("retire");
    ctl_plan_note(&p, &n, T0);
    assert_saves(&p, "96");
    n.text[CTL_STEP_NAME] = STR_LIT("empty-too");
    ctl_plan_note(&p, &n, T0);
    assert_saves(&p, "144");
    ctl_plan_clear(&p);
}

/* What is written is read back to the same, and goes on as if nothing had happened. */
static void round_trip(struct ctl_plan *p, const char *what)
{
    struct arena *a = arena_new(0);
    struct kube_value status;
    struct err e = {0};
    struct buf out[2] = {BUF_INIT(1 << 20), BUF_INIT(1 << 20)};
    struct ctl_plan q = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct json_writer w = JSON_WRITER(&out[i], 0);
        jw_object(&w);
        ctl_plan_write(i == 0 ? p : &q, STR_LIT("plan-x"), 3, &w);
        jw_object_end(&w);
        if (i == 0) {
            assert_int_equal(kube_value_parse(a, buf_str(&out[0]), &status, &e), 0);
            ctl_plan_read(&q, status, T0);
        }
    }
    if (strcmp(out[0].ptr, out[1].ptr) != 0)
        fail_msg("%s: %s\n%s", what, out[0].ptr, out[1].ptr);
    ctl_plan_clear(p);
    *p = q;
    buf_clear(&out[0]);
    buf_clear(&out[1]);
    arena_free(a);
}

static void test_status_survives_a_restart(void **state)
{
    (void)state;
    struct ctl_plan p;
    char digest[17];
    propose_two(&p);
    struct ctl_plan_news full = *news(CTL_STEP_PROPOSED, "a", 11, 1000000);
    full.text[CTL_STEP_TEXT] = STR_LIT("a \"quoted\" line, \xc3\xa9");
    full.text[CTL_STEP_FROM] = STR_LIT("exclusive");
    ctl_plan_note(&p, &full, T0);
    round_trip(&p, "proposed");
    (void)snprintf(digest, sizeof digest, "%.*s", STR_ARG(digest_text(&p)));
    assert_int_equal(ctl_plan_review(&p, (struct str){0}, 0, T0), 0);
    assert_int_equal(ctl_plan_review(&p, str_from(digest), T0, T0), CTL_PLAN_IS_APPROVED);
    ctl_plan_note(&p, news(CTL_STEP_BEGUN, "a", 0, 0), T0);
    round_trip(&p, "approved");
    assert_int_equal(handed_out(&p, T0), 2);
    assert_int_equal(ctl_plan_review(&p, str_from(digest), T0, T0), 0);
    ctl_plan_note(&p, news(CTL_STEP_DONE, "a", 0, 0), T0);
    ctl_plan_note(&p, news(CTL_STEP_DONE, "b", 0, 0), T0);
    assert_int_equal(ctl_plan_review(&p, str_from(digest), T0, T0), CTL_PLAN_IS_COMPLETED);
    round_trip(&p, "completed");
    assert_int_equal(ctl_plan_review(&p, str_from(digest), T0, T0), 0);
    ctl_plan_clear(&p);
}

/* A status that somebody broke is no plan, and nothing worse. */
static void test_broken_status(void **state)
{
    (void)state;
    static const char *const bad[] = {"{}", "[]", "{\"phase\":5,\"steps\":{}}",
            "{\"phase\":\"Approved\",\"digest\":\"zz\",\"approvedAt\":\"yesterday\",\"steps\":[{}]"
            "}",
            "{\"steps\":[{\"subject\":{\"name\":\"a\"},\"state\":\"Nope\"},"
            "{\"subject\":[],\"state\":\"Done\"}]}"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct arena *a = arena_new(0);
        struct kube_value status = {0};
        struct err e = {0};
        struct ctl_plan p = {0};
        assert_int_equal(kube_value_parse(a, str_from(bad[i]), &status, &e), 0);
        ctl_plan_read(&p, status, T0);
        assert_int_equal(p.step_count, 0);
        (void)ctl_plan_review(&p, STR_LIT("0000000000000000"), T0, T0);
        assert_int_equal(handed_out(&p, T0), 0);
        ctl_plan_clear(&p);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_largest_saving_first_and_one_digest),
            cmocka_unit_test(test_approval_names_the_digest),
            cmocka_unit_test(test_steps_change_state_until_all_is_over),
            cmocka_unit_test(test_another_fact_ends_what_was_agreed),
            cmocka_unit_test(test_a_day_is_the_end_of_an_approval),
            cmocka_unit_test(test_a_word_is_good_for_one_plan),
            cmocka_unit_test(test_an_old_word_has_lapsed),
            cmocka_unit_test(test_what_is_not_proposed_any_more_goes),
            cmocka_unit_test(test_owners_take_their_time),
            cmocka_unit_test(test_what_needs_no_approval),
            cmocka_unit_test(test_no_more_than_the_limit),
            cmocka_unit_test(test_the_same_money_counts_once),
            cmocka_unit_test(test_status_survives_a_restart),
            cmocka_unit_test(test_broken_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
