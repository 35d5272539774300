/* ctl/ledger: never fewer evictions than there were in the hour, whoever wrote them down. */
#include "test.h"

#include "base/num.h"
#include "base/prng.h"
#include "ctl/ledger.h"

#include <errno.h>

enum { ADDED_MAX = 4096 };

static const int64_t T0 = INT64_C(5000) * NUM_NS_PER_SECOND;
static const int64_t MINUTE = 60 * NUM_NS_PER_SECOND;

static void assert_text(const struct ctl_ledger *l, int64_t now_ns, const char *want)
{
    struct buf out = BUF_INIT(1 << 16);
    ctl_ledger_write(l, now_ns, &out);
    assert_string_equal(out.ptr, want);
    buf_clear(&out);
}

static uint64_t counted(const struct ctl_ledger *l, int64_t now_ns)
{
    struct core_evicted_fact f;
    uint64_t n = 0;
    for (uint32_t i = 1; ctl_ledger_fact(l, i, now_ns, &f); i++) {
        assert_true(f.count > 0);
        n += f.age_ns < NUM_NS_PER_HOUR ? f.count : 0;
    }
    return n;
}

static void test_text(void **state)
{
    (void)state;
    struct ctl_ledger l;
    ctl_ledger_begin(&l, T0);
    assert_text(&l, T0, "0:0");
    ctl_ledger_add(&l, T0 + 3 * NUM_NS_PER_SECOND);
    ctl_ledger_add(&l, T0 + 10 * NUM_NS_PER_SECOND);
    ctl_ledger_add(&l, T0 + 5 * MINUTE);
    assert_text(&l, T0 + 5 * MINUTE + NUM_NS_PER_SECOND / 2, "300:0,290:2,0:1");
    ctl_ledger_take_back(&l, T0 + 5 * MINUTE);
    ctl_ledger_take_back(&l, T0 + 3 * NUM_NS_PER_SECOND);
    assert_text(&l, T0 + 5 * MINUTE, "300:0,290:1");
    ctl_ledger_take_back(&l, T0 + 2 * MINUTE); /* of nobody */
    assert_text(&l, T0 + 70 * MINUTE, "3600:0");
}

static void test_the_next_leader_reads_it(void **state)
{
    (void)state;
    struct ctl_ledger l, next;
    struct err e = {0};
    struct core_evicted_fact f;
    assert_int_equal(
            ctl_ledger_read(&next, STR_LIT("600:0,290:2,0:1"), T0, 30 * NUM_NS_PER_SECOND, &e), 0);
    assert_true(ctl_ledger_fact(&next, 0, T0, &f));
    assert_true(f.count == 0 && f.age_ns == 630 * NUM_NS_PER_SECOND);
    assert_true(ctl_ledger_fact(&next, 1, T0 + MINUTE, &f));
    assert_true(f.count == 2 && f.age_ns == 380 * NUM_NS_PER_SECOND);
    assert_true(ctl_ledger_fact(&next, 2, T0, &f));
    assert_true(f.count == 1 && f.age_ns == 30 * NUM_NS_PER_SECOND);
    assert_false(ctl_ledger_fact(&next, 3, T0, &f));
    static const char *const broken[] = {"", "x", "600", "600:", "600:1", ":0", "600:0,", "600:0,5",
            "600:0,5:0", "600:0,5:1,6:1", "600:0,3600:1", "3601:0", "-1:0", "600:0,5:1000000",
            "600:0, 5:1"};
    ctl_ledger_begin(&l, 77);
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++) {
        if (ctl_ledger_read(&l, str_from(broken[i]), T0, 0, &e) != -EINVAL || l.since_ns != 77)
            fail_msg("\"%s\" was read", broken[i]);
    }
}

/* Leaders that die and are followed at random: each counts at least what was done within the hour,
 * and at most what was done within an hour and a minute and a second for each who led. */
static void never_fewer_than_there_were(uint64_t seed)
{
    struct prng rng;
    static int64_t added[ADDED_MAX];
    struct ctl_ledger l;
    struct buf text = BUF_INIT(1 << 16);
    struct err e = {0};
    uint32_t count = 0;
    int64_t now = T0, led = 0;
    prng_init(&rng, seed);
    ctl_ledger_begin(&l, now);
    while (count < ADDED_MAX) {
        now += prng_between(&rng, 0, count % 512 < 256 ? NUM_NS_PER_SECOND : 2 * MINUTE);
        int64_t what = prng_between(&rng, 0, 9);
        if (what > 0) {
            added[count++] = now;
            ctl_ledger_add(&l, now);
            if (what == 9)
                ctl_ledger_take_back(&l, added[--count]);
        } else {
            int64_t wait = prng_between(&rng, 0, MINUTE);
            buf_reset(&text);
            ctl_ledger_write(&l, now, &text);
            now += wait;
            led += NUM_NS_PER_SECOND;
            assert_int_equal(ctl_ledger_read(&l, buf_str(&text), now, wait, &e), 0);
        }
        uint64_t least = 0, most = 0;
        for (uint32_t i = 0; i < count; i++) {
            least += added[i] > now - NUM_NS_PER_HOUR;
            most += added[i] > now - NUM_NS_PER_HOUR - MINUTE - led;
        }
        uint64_t n = counted(&l, now);
        if (n < least || n > most)
            fail_msg("%llu counted, of %llu to %llu", (unsigned long long)n,
                    (unsigned long long)least, (unsigned long long)most);
    }
    buf_clear(&text);
}

static void test_never_fewer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        never_fewer_than_there_were(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_text),
            cmocka_unit_test(test_the_next_leader_reads_it),
            cmocka_unit_test(test_never_fewer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
