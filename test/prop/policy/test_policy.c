/* Properties: a written policy reads back equal; windows agree with a naive walk over minutes. */
#include "test.h"

#include "base/civil.h"
#include "base/num.h"
#include "base/prng.h"
#include "policy/fields-priv.h"

#include <stdio.h>
#include <string.h>

static const int64_t minute_ns = 60 * NUM_NS_PER_SECOND;

/* A random cron of simple parts; at most 4 starts a day. */
static void cron_draw(struct prng *r, char *text, size_t size)
{
    char day[16] = "*";
    char week[16] = "*";
    char hours[24];
    if (prng_chance_ppm(r, 300000))
        (void)snprintf(day, sizeof day, "%u", 1 + (unsigned)prng_below(r, 31));
    if (prng_chance_ppm(r, 500000)) {
        (void)snprintf(week, sizeof week, "%u-%u", (unsigned)prng_below(r, 4),
                4 + (unsigned)prng_below(r, 4));
    }
    (void)snprintf(hours, sizeof hours, prng_chance_ppm(r, 300000) ? "%u/12" : "%u",
            (unsigned)prng_below(r, 24));
    (void)snprintf(text, size, "%u%s %s %s * %s", (unsigned)prng_below(r, 30),
            prng_chance_ppm(r, 300000) ? "-59/29" : "", hours, day, week);
}

static void policy_draw(struct arena *a, struct prng *r, struct policy *ret_policy)
{
    char cron[96];
    *ret_policy = *policy_preset(STR_LIT("balanced"));
    struct policy *p = ret_policy;
    for (unsigned i = 0; i < policy_field_count; i++) {
        const struct policy_field *f = &policy_fields[i];
        if (f->type == POLICY_TYPE_BOOL) {
            policy_field_set(f, p, (int64_t)prng_below(r, 2));
        } else if (f->type == POLICY_TYPE_ENUM) {
            policy_field_set(f, p, (int64_t)prng_below(r, 3));
        } else if (f->type < POLICY_TYPE_LABELS) {
            int64_t value = prng_between(r, f->min, f->max);
            if (f->type == POLICY_TYPE_DURATION)
                value -= value % 1000000; /* text has milliseconds */
            policy_field_set(f, p, value < f->min ? f->min : value);
        }
    }
    if (p->replicas_min > p->replicas_max)
        p->replicas_min = p->replicas_max;
    p->technique_count = (uint32_t)prng_below(r, 3);
    p->techniques[0] = prng_below(r, 2) ? MODEL_TECHNIQUE_MIG : MODEL_TECHNIQUE_TIME_SLICING;
    p->techniques[1] = p->techniques[0] == MODEL_TECHNIQUE_MIG ? MODEL_TECHNIQUE_TIME_SLICING
                                                               : MODEL_TECHNIQUE_MIG;
    for (unsigned i = 0; i < p->technique_count; i++)
        p->mode[p->techniques[i]] = (enum policy_mode)prng_below(r, 3);
    if (p->technique_count < 2)
        p->latency_treatment = MODEL_TECHNIQUE_EXCLUSIVE;
    p->node_selector_count = (uint32_t)prng_below(r, 4);
    for (uint32_t i = 0; i < p->node_selector_count; i++) {
        p->node_selector[i].key = str_from(arena_printf(a, "k%u.example/%u", i, i));
        p->node_selector[i].value =
                str_from(arena_printf(a, "%s", prng_below(r, 2) ? "true" : "1.5"));
    }
    p->window_count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t first = 0;
        uint32_t second = 0;
        struct policy_window w = {0};
        cron_draw(r, cron, sizeof cron);
        assert_int_equal(policy_cron_parse(str_from(arena_printf(a, "%s", cron)), &w, NULL), 0);
        w.duration_ns = minute_ns * prng_between(r, 1, 600);
        p->windows[p->window_count] = w;
        if (!policy_windows_overlap(p->windows, p->window_count + 1, &first, &second))
            p->window_count++;
    }
    p->name = STR_LIT("drawn.1");
}

static void prop_emit_parse(uint64_t seed)
{
    struct prng r;
    struct arena *a = arena_new(0);
    struct buf out = BUF_INIT(1 << 20);
    struct policy p;
    const struct policy *back = NULL;
    struct err e = {0};
    prng_init(&r, seed);
    policy_draw(a, &r, &p);
    policy_emit(&p, &out);
    assert_false(out.overflow);
    if (policy_parse(a, buf_str(&out), &back, &e) < 0)
        fail_msg("%s\n%s", e.text, out.ptr);
    assert_true(policy_eq(&p, back));
    struct buf again = BUF_INIT(1 << 20);
    policy_emit(back, &again);
    assert_true(str_eq(buf_str(&out), buf_str(&again)));
    buf_clear(&again);
    buf_clear(&out);
    arena_free(a);
}

/* Does a window of `w` begin at this minute, by the text of the cron man page? */
static bool naive_starts(const struct policy_window *w, int64_t wall_ns)
{
    struct civil c = civil_from_ns(wall_ns);
    bool month_day = w->days_of_month >> c.day & 1;
    bool week_day = w->days_of_week >> c.weekday & 1;
    bool day = w->day_of_month_any  ? week_day
               : w->day_of_week_any ? month_day
                                    : month_day || week_day;
    return day && (w->months >> c.month & 1) && (w->hours >> c.hour & 1) &&
           (w->minutes >> c.minute & 1);
}

static void prop_windows_agree_with_minutes(uint64_t seed)
{
    enum { MINUTES = 9 * 24 * 60, WARMUP = 24 * 60 };
    struct prng r;
    struct arena *a = arena_new(0);
    struct policy p;
    prng_init(&r, seed);
    policy_draw(a, &r, &p);
    int64_t begin = minute_ns * (int64_t)prng_between(&r, 29000000, 30000000);
    int64_t open_until = INT64_MIN;
    int64_t next_start = INT64_MIN; /* what the last answer promised; INT64_MIN = nothing */
    uint32_t started = 0;
    for (int64_t m = 0; m < MINUTES; m++) {
        int64_t now = begin + m * minute_ns;
        for (uint32_t i = 0; i < p.window_count; i++) {
            if (naive_starts(&p.windows[i], now)) {
                assert_true(open_until <= now); /* no overlap, as was checked */
                open_until = now + p.windows[i].duration_ns;
                started += m >= WARMUP;
                if (m > WARMUP && next_start != INT64_MIN)
                    assert_true(next_start == now);
            }
        }
        if (m < WARMUP || (m % 7 != 0 && open_until != now))
            continue;
        int64_t start = 0;
        int64_t end = 0;
        int got = policy_window_at(&p, now, &start, &end);
        assert_int_equal(got == 1, now < open_until);
        if (got == 1)
            assert_true(end == open_until && start <= now);
        next_start = got == 0 ? start : INT64_MIN;
    }
    struct policy_span spans[64];
    uint32_t count = policy_windows_expand(
            &p, begin + WARMUP * minute_ns, begin + MINUTES * minute_ns, spans, 64);
    for (uint32_t i = 1; i < count; i++)
        assert_true(spans[i].start_ns >= spans[i - 1].end_ns);
    bool open_before = count > 0 && spans[0].start_ns < begin + WARMUP * minute_ns;
    assert_int_equal(count - open_before, started);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(prop_emit_parse, 300),
            TEST_PROP(prop_windows_agree_with_minutes, 30),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
