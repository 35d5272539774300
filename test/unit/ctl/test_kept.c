/* ctl/kept: what was learned of owners, as a ConfigMap's text and back. */
#include "test.h"

#include "ctl/kept.h"
#include "usage/digest.h"

#include <errno.h>
#include <string.h>

enum { OWNERS_MAX = 2000 };

static const char *const form = "slicewright-history 1\n";

/* A digest with `samples` readings, spread so that it takes more room the more there are. */
static struct str digest_of(struct arena *a, unsigned samples)
{
    struct usage_digest d = {0};
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    for (unsigned i = 0; i < samples; i++) {
        const struct usage_sample s = {.wall_ns = (int64_t)i * 977 * 1000000000,
                .busy_permille = i * 37 % 1001,
                .sm_permille = i * 53 % 1001,
                .valid = USAGE_VALID_BUSY | USAGE_VALID_SM,
                .weight = 1};
        usage_digest_add(&d, &s);
    }
    usage_digest_format(&d, &text);
    assert_false(text.overflow);
    struct str kept = arena_str(a, buf_str(&text));
    buf_clear(&text);
    return kept;
}

static struct core_history_fact owner(uint64_t uid, uint64_t readings, struct str digest)
{
    return (struct core_history_fact){.owner = uid,
            .readings = readings,
            .digest = digest,
            .error_permille = 17,
            .exclusive_wall_ns = 1234567890123456789,
            .attributed_wall_ns = 0};
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(CTL_KEPT_BYTES_MAX);
    struct core_history_fact owners[] = {owner(0xfedcba9876543210, 3, digest_of(a, 3)),
            owner(8, 90000, digest_of(a, 5000)), owner(16, 1, digest_of(a, 1))};
    struct core_history_fact *read;
    struct err e = {0};
    uint32_t count = 0;
    assert_int_equal(ctl_kept_write(owners, 3, &text), 0);
    assert_int_equal(ctl_kept_parse(a, buf_str(&text), &read, &count, &e), 0);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < count; i++) { /* by uid now, both */
        assert_int_equal(read[i].owner, owners[i].owner);
        assert_int_equal(read[i].readings, owners[i].readings);
        assert_int_equal(read[i].error_permille, 17);
        assert_int_equal(read[i].exclusive_wall_ns, 1234567890123456789);
        assert_int_equal(read[i].attributed_wall_ns, 0);
        assert_true(str_eq(read[i].digest, owners[i].digest));
    }
    assert_int_equal(read[0].owner, 8);
    buf_reset(&text);
    assert_int_equal(ctl_kept_write(owners, 0, &text), 0);
    assert_string_equal(text.ptr, form);
    assert_int_equal(ctl_kept_parse(a, buf_str(&text), &read, &count, &e), 0);
    assert_int_equal(count, 0);
    buf_clear(&text);
    (void)arena_free(a);
}

static void the_best_known_fit_first(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(CTL_KEPT_BYTES_MAX);
    struct str digest = digest_of(a, 20000);
    struct core_history_fact *owners = ARENA_ARRAY(a, struct core_history_fact, OWNERS_MAX), *read;
    struct err e = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < OWNERS_MAX; i++)
        owners[i] = owner(8 + 8 * (uint64_t)i, i + 1, digest);
    uint32_t left_out = ctl_kept_write(owners, OWNERS_MAX, &text);
    assert_true(left_out > 0 && left_out < OWNERS_MAX - 150);
    assert_false(text.overflow);
    assert_true(text.len > CTL_KEPT_BYTES_MAX - 8192);
    assert_int_equal(ctl_kept_parse(a, buf_str(&text), &read, &count, &e), 0);
    assert_int_equal(count, OWNERS_MAX - left_out);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(read[i].readings, left_out + i + 1);
    buf_clear(&text);
    (void)arena_free(a);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct str digest = digest_of(a, 3);
    const char *good =
            arena_printf(a, "0000000000000008 3 17 5 6 %.*s\n", (int)digest.len, digest.ptr);
    const struct {
        int code;
        const char *text, *words;
    } cases[] = {
            {-ENOTSUP, "", "line 1: ''"},
            {-ENOTSUP, "slicewright-history 2\n", "line 1: 'slicewright-history 2': expected"},
            {-ENOTSUP, "slicewright-history 1", "line 1"},
            {-EINVAL, arena_printf(a, "%s%s%s", form, good, good), "line 3: not in order"},
            {-EINVAL, arena_printf(a, "%s%.*s", form, (int)strlen(good) - 1, good),
                    "line 2: no end of line"},
            {-EINVAL, arena_printf(a, "%s000000000000000G%s", form, good + 16), "line 2: uid"},
            {-EINVAL, arena_printf(a, "%s0000000000000000%s", form, good + 16), "line 2: uid"},
            {-EINVAL, arena_printf(a, "%s8%s", form, good + 16), "line 2: uid '8'"},
            {-EINVAL, arena_printf(a, "%s0000000000000008 0%s", form, good + 18),
                    "line 2: a number"},
            {-EINVAL, arena_printf(a, "%s0000000000000008 3 1001%s", form, good + 21),
                    "line 2: a number"},
            {-EINVAL, arena_printf(a, "%s0000000000000008 3 17 -5%s", form, good + 23),
                    "line 2: a number"},
            {-EINVAL, arena_printf(a, "%s0000000000000008 3 17 5 6\n", form),
                    "line 2: digest text"},
            {-EINVAL, arena_printf(a, "%s0000000000000008 3 17 5 6 AAAA\n", form), "line 2:"},
            {-EINVAL, arena_printf(a, "%s\n", form), "line 2: uid ''"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct core_history_fact *read;
        struct err e = {0};
        uint32_t count = 0;
        int rc = ctl_kept_parse(a, str_from(cases[i].text), &read, &count, &e);
        if (rc != cases[i].code || strstr(e.text, cases[i].words) == NULL)
            fail_msg("case %u: %d, %s", i, rc, e.text);
    }
    (void)arena_free(a);
}

static void a_shard_of_each(void **state)
{
    (void)state;
    bool seen[CTL_KEPT_SHARDS] = {0};
    for (uint64_t uid = 1; uid < 1000; uid += 3) {
        assert_true(ctl_kept_shard(uid) < CTL_KEPT_SHARDS);
        seen[ctl_kept_shard(uid)] = true;
    }
    for (unsigned i = 0; i < CTL_KEPT_SHARDS; i++)
        assert_true(seen[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(comes_back_as_it_was),
            cmocka_unit_test(the_best_known_fit_first),
            cmocka_unit_test(what_is_wrong_is_said),
            cmocka_unit_test(a_shard_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
