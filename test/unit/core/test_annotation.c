/* core/annotation: what is written is read again, and nothing else is. */
#include "test.h"

#include "core/annotation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct core_record sample(void)
{
    struct core_record r = {.plan = 0x0123456789abcdef,
            .state = CORE_RECORD_UNDO,
            .change = CORE_CHANGE_MIG_RELAYOUT,
            .reason = CORE_REASON_STATE_FAILED,
            .since_wall_ns = INT64_C(1772409600000000000),
            .tries = 3,
            .retry_wall_ns = INT64_C(1772409900000000000),
            .cordon = true,
            .to = {.replicas = 4,
                    .mig_replicas = 2,
                    .pool = "p\"x",
                    .plugin_key = "k",
                    .mig_key = "m",
                    .layout_count = 3},
            .from = {.replicas = 1, .mig_replicas = 1}};
    (void)snprintf(r.to.layouts[0], sizeof(r.to.layouts[0]), "7x1g.5gb");
    (void)snprintf(r.to.layouts[1], sizeof(r.to.layouts[1]), "7x1g.5gb");
    return r;
}

static int read(struct str text, struct core_record *r, struct err *e)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    return core_record_parse(a, text, r, e);
}

static void round_trip(void **state)
{
    (void)state;
    struct core_record in = sample();
    struct core_record out;
    struct buf text = BUF_INIT(4096);
    struct err e = {0};
    assert_int_equal(core_record_write(&in, &text, &e), 0);
    assert_int_equal(read(buf_str(&text), &out, &e), 0);
    assert_int_equal(out.plan, in.plan);
    assert_int_equal(out.state, in.state);
    assert_int_equal(out.change, in.change);
    assert_int_equal(out.reason, in.reason);
    assert_int_equal(out.since_wall_ns, in.since_wall_ns);
    assert_int_equal(out.retry_wall_ns, in.retry_wall_ns);
    assert_int_equal(out.tries, 3);
    assert_true(out.cordon);
    assert_int_equal(out.to.layout_count, 3);
    assert_string_equal(out.to.layouts[1], "7x1g.5gb");
    assert_string_equal(out.to.layouts[2], "");
    assert_string_equal(out.to.pool, "p\"x");
    assert_int_equal(out.from.replicas, 1);
    buf_clear(&text);
}

static void every_word_is_known_again(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(4096);
    for (int i = 0; i < CORE_REASON_COUNT; i++) {
        struct core_record in = sample();
        struct core_record out;
        in.reason = (enum core_reason)i;
        in.change = (enum core_change)(i % CORE_CHANGE_COUNT);
        in.state = (enum core_record_state)(i % CORE_RECORD_STATE_COUNT);
        buf_reset(&text);
        assert_int_equal(core_record_write(&in, &text, NULL), 0);
        assert_int_equal(read(buf_str(&text), &out, NULL), 0);
        assert_int_equal(out.reason, in.reason);
        assert_int_equal(out.change, in.change);
        assert_int_equal(out.state, in.state);
        assert_non_null(core_reason_text(in.reason));
    }
    buf_clear(&text);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct core_record in = sample();
    struct buf text = BUF_INIT(8192);
    struct err e = {0};
    in.to.layout_count = CORE_INTENT_LAYOUTS_MAX;
    for (int i = 0; i < CORE_INTENT_LAYOUTS_MAX; i++) {
        memset(in.to.layouts[i], '"', sizeof(in.to.layouts[i]) - 1); /* two bytes each */
        in.to.layouts[i][0] = (char)('a' + i);
    }
    buf_puts(&text, "before");
    assert_int_equal(core_record_write(&in, &text, &e), -E2BIG);
    assert_string_equal(text.ptr, "before");
    buf_clear(&text);
}

static void refuses_other_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "x", "[]", "{}", "{\"v\":2}", "{\"v\":1}",
            "{\"v\":1,\"plan\":\"0123456789ABCDEF\"}"};
    struct core_record r;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = {0};
        assert_true(read(str_from(bad[i]), &r, &e) < 0);
        assert_true(e.text[0] != 0);
    }
    /* Each character of a good text, made another one, is refused or still a record. */
    struct core_record in = sample();
    struct buf text = BUF_INIT(4096);
    assert_int_equal(core_record_write(&in, &text, NULL), 0);
    for (size_t i = 0; i < text.len; i++) {
        char was = text.ptr[i];
        text.ptr[i] = '~';
        (void)read(buf_str(&text), &r, NULL);
        text.ptr[i] = was;
    }
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(round_trip),
            cmocka_unit_test(every_word_is_known_again),
            cmocka_unit_test(refuses_what_does_not_fit),
            cmocka_unit_test(refuses_other_texts),
    };
    return cmocka_run_group_tests_name("core/annotation", tests, NULL, NULL);
}
