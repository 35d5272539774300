/* test/prop/usage/prop_reserve.c - reserves on the real trace: does what is kept for a pod hold the
 * peak that it reaches later?  Each pod in turn is left out of what was learned. */
#include "test.h"

#include "base/csv.h"
#include "base/num.h"
#include "os/file.h"
#include "usage/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PODS_MAX = 128, ROWS_MAX = 1 << 18, BYTES_MAX = 64 << 20 };

static const char trace_name[] = "genai/gpu_util_96pods.csv.gz";

struct row {
    uint32_t pod, mib;
    int64_t time_ns;
};

static struct {
    uint32_t pods, rows;
    struct row row[ROWS_MAX];
    int64_t born_ns[PODS_MAX];
    uint32_t peak_mib[PODS_MAX];
    struct usage_memory alone[PODS_MAX]; /* what one pod teaches */
} trace;

static void trace_read(struct str text)
{
    struct csv c;
    struct err e = {0};
    uint64_t mib, pod;
    int64_t seconds;
    assert_int_equal(csv_init(&c, text, &e), 0);
    while (csv_next(&c, &e) > 0) {
        if (c.cell[3].len == 0)
            continue;
        struct str number = {c.cell[1].ptr + 4, c.cell[1].len - 4};
        assert_int_equal(str_to_u64(number, 0, PODS_MAX - 1, &pod), 0);
        assert_int_equal(csv_u64(&c, 3, 0, UINT64_MAX, &mib, &e), 0);
        assert_int_equal(csv_i64(&c, 0, 0, INT32_MAX, &seconds, &e), 0);
        assert_true(trace.rows < ROWS_MAX);
        struct row *row = &trace.row[trace.rows++];
        *row = (struct row){(uint32_t)pod, (uint32_t)num_ceildiv_u64(mib, 1 << 20),
                seconds * NUM_NS_PER_SECOND};
        if (trace.peak_mib[pod] == 0)
            trace.born_ns[pod] = row->time_ns;
        trace.peak_mib[pod] = num_max_u32(trace.peak_mib[pod], row->mib);
        trace.pods = num_max_u32(trace.pods, (uint32_t)pod + 1);
    }
    assert_int_equal(e.code, 0);
    csv_clear(&c);
}

static void learn_alone(void)
{
    static struct usage_memory_track tracks[PODS_MAX];
    memset(tracks, 0, sizeof(tracks));
    for (uint32_t i = 0; i < trace.rows; i++) {
        const struct row *r = &trace.row[i];
        usage_memory_observe(
                &trace.alone[r->pod], &tracks[r->pod], r->time_ns - trace.born_ns[r->pod], r->mib);
    }
}

static int load(void **state)
{
    (void)state;
    char *path = test_data_path_or_exit(trace_name);
    struct buf text = {.max = 0};
    struct err e = {0};
    int r = os_file_read(path, BYTES_MAX, &text, &e);
    free(path);
    if (r < 0)
        return r;
    trace_read(buf_str(&text));
    buf_clear(&text);
    learn_alone();
    return 0;
}

struct tally {
    uint32_t samples, samples_held, pods, pods_held;
    uint64_t kept_mib, peak_mib;
};

/* Walks one pod among what its siblings taught; its readings of the first `from_ns` are left out.
 */
static void walk(uint32_t pod, uint32_t quantile, int64_t from_ns, struct tally *t)
{
    struct usage_memory m = {.pods = 0};
    struct usage_memory_track track = {.age_ns = 0};
    struct usage_reserve_query q = {
            .track = &track, .quantile_permille = quantile, .own_growth_permille = 300};
    bool held = true;
    bool any = false;
    for (uint32_t i = 0; i < trace.pods; i++) {
        if (i != pod)
            usage_memory_merge(&m, &trace.alone[i]);
    }
    for (uint32_t i = 0; i < trace.rows; i++) {
        if (trace.row[i].pod != pod)
            continue;
        int64_t age = trace.row[i].time_ns - trace.born_ns[pod];
        usage_memory_observe(&m, &track, age, trace.row[i].mib);
        if (age < from_ns)
            continue;
        struct usage_reserve r = usage_memory_reserve(&m, &q);
        assert_true(r.mib >= track.peak_mib);
        bool holds = r.mib >= trace.peak_mib[pod];
        t->samples++;
        t->samples_held += holds;
        t->kept_mib += r.mib;
        t->peak_mib += trace.peak_mib[pod];
        held = held && holds;
        any = true;
    }
    t->pods += any;
    t->pods_held += any && held;
}

static void reserves_hold_later_peaks(void **state)
{
    (void)state;
    static const struct {
        uint32_t quantile, minutes, samples_least; /* permille of samples that must hold */
    } cases[] = {{1000, 0, 950}, {1000, 15, 990}, {990, 15, 980}, {950, 15, 930}, {900, 15, 880}};

    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct tally t = {.samples = 0};
        for (uint32_t pod = 0; pod < trace.pods; pod++)
            walk(pod, cases[c].quantile, cases[c].minutes * 60 * NUM_NS_PER_SECOND, &t);
        printf("# quantile %u, from minute %u: %u of %u pods never pass their reserve, "
               "%.2f %% of samples; kept %.3f of the later peak\n",
                cases[c].quantile, cases[c].minutes, t.pods_held, t.pods,
                100.0 * t.samples_held / t.samples, (double)t.kept_mib / (double)t.peak_mib);
        assert_true(
                (uint64_t)t.samples_held * 1000 >= (uint64_t)t.samples * cases[c].samples_least);
    }
}

static void first_sight_holds(void **state)
{
    (void)state;
    uint32_t held = 0;
    uint64_t kept = 0;
    uint64_t peaks = 0;
    for (uint32_t pod = 0; pod < trace.pods; pod++) {
        struct usage_memory m = {.pods = 0};
        struct usage_reserve_query q = {.quantile_permille = 990};
        for (uint32_t i = 0; i < trace.pods; i++) {
            if (i != pod)
                usage_memory_merge(&m, &trace.alone[i]);
        }
        struct usage_reserve r = usage_memory_reserve(&m, &q);
        assert_int_equal(r.basis, USAGE_BASIS_SIBLINGS);
        held += r.mib >= trace.peak_mib[pod];
        kept += r.mib;
        peaks += trace.peak_mib[pod];
    }
    printf("# first sight, quantile 990: %u of %u pods held; kept %.3f of the later peak\n", held,
            trace.pods, (double)kept / (double)peaks);
    assert_true(held + 2 >= trace.pods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(reserves_hold_later_peaks),
            cmocka_unit_test(first_sight_holds),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}
