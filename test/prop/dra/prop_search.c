/* test/prop/dra/prop_search.c - cutting branches changes no answer: random claims that are hard to
 * meet, once with proofs and once walked step by step as upstream does. */
#include "test.h"

#include "base/prng.h"
#include "dra/batch.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, STEPS_MAX = 3000000 };

static void put_device(struct prng *r, struct buf *out, unsigned i, unsigned values)
{
    buf_printf(out,
            "%s{\"name\":\"d-%u\",\"attributes\":{\"k\":{\"int\":%u},\"numa\":{\"int\":%u}}",
            i ? "," : "", i, (unsigned)prng_below(r, 3), (unsigned)prng_below(r, values));
    if (prng_chance_ppm(r, 500000)) {
        buf_printf(out,
                ",\"consumesCounters\":[{\"counterSet\":\"s-%u\",\"counters\":{\"c\":{"
                "\"value\":\"%u\"}}}]",
                (unsigned)prng_below(r, 2), 1 + (unsigned)prng_below(r, 3));
    }
    buf_puts(out, "}");
}

static void put_request(struct prng *r, struct buf *out, unsigned i)
{
    buf_printf(out,
            "%s{\"name\":\"r-%u\",\"exactly\":{\"deviceClassName\":\"x\",\"allocationMode\":"
            "\"ExactCount\",\"count\":%u,\"selectors\":[{\"cel\":{\"expression\":\"%s\"}}]}}",
            i ? "," : "", i, 1 + (unsigned)prng_below(r, 6),
            prng_chance_ppm(r, 500000) ? "true" : "device.attributes[\\\"e.x\\\"].k != 0");
}

/* A case as a batch line; `walk` turns the proofs off. */
static void make(uint64_t seed, bool walk, struct buf *out)
{
    struct prng r;
    prng_init(&r, seed);
    unsigned devices = 6 + (unsigned)prng_below(&r, 8);
    buf_printf(out,
            "{\"noPruning\":%s,\"node\":{\"metadata\":{\"name\":\"n\"}},\"classes\":[{"
            "\"metadata\":{\"name\":\"x\"}}],\"slices\":[{\"metadata\":{\"name\":\"c\"},"
            "\"spec\":{\"driver\":\"e.x\",\"nodeName\":\"n\",\"pool\":{\"name\":\"p\","
            "\"resourceSliceCount\":2},\"sharedCounters\":[",
            walk ? "true" : "false");
    for (unsigned i = 0; i < 2; i++) {
        buf_printf(out, "%s{\"name\":\"s-%u\",\"counters\":{\"c\":{\"value\":\"%u\"}}}",
                i ? "," : "", i, 2 + (unsigned)prng_below(&r, 6));
    }
    buf_puts(out,
            "]}},{\"metadata\":{\"name\":\"s\"},\"spec\":{\"driver\":\"e.x\",\"nodeName\":\"n\","
            "\"pool\":{\"name\":\"p\",\"resourceSliceCount\":2},\"devices\":[");
    for (unsigned i = 0; i < devices; i++)
        put_device(&r, out, i, 1 + (unsigned)(seed % 4));
    buf_puts(out, "]}}],\"claims\":[");
    unsigned claims = 1 + (unsigned)prng_below(&r, 2);
    for (unsigned c = 0; c < claims; c++) {
        buf_printf(out, "%s{\"metadata\":{\"name\":\"c-%u\"},\"spec\":{\"devices\":{\"requests\":[",
                c ? "," : "", c);
        unsigned requests = 1 + (unsigned)prng_below(&r, 2);
        for (unsigned i = 0; i < requests; i++)
            put_request(&r, out, i);
        buf_puts(out, "]");
        if (prng_chance_ppm(&r, 600000)) {
            buf_printf(out, ",\"constraints\":[{\"%s\":\"e.x/numa\"}]",
                    prng_chance_ppm(&r, 700000) ? "matchAttribute" : "distinctAttribute");
        }
        buf_puts(out, "}}}");
    }
    buf_puts(out, "]}");
}

/* The answer up to the counts of steps. */
static size_t answer_len(const struct buf *out)
{
    const char *steps = strstr(out->ptr, ",\"steps\":");
    assert_non_null(steps);
    return (size_t)(steps - out->ptr);
}

static unsigned cut_count;

static void check_same(uint64_t seed)
{
    struct buf line = BUF_INIT(TEXT_MAX);
    struct buf cut = BUF_INIT(TEXT_MAX);
    struct buf walked = BUF_INIT(TEXT_MAX);
    make(seed, false, &line);
    dra_batch_allocate_within(buf_str(&line), STEPS_MAX, &cut);
    buf_reset(&line);
    make(seed, true, &line);
    dra_batch_allocate_within(buf_str(&line), STEPS_MAX, &walked);
    cut_count += strstr(cut.ptr, "\"pruned\":true") != NULL;
    /* Where walking takes too long there is nothing to compare with. */
    if (!strstr(walked.ptr, "gave up after")) {
        if (answer_len(&cut) != answer_len(&walked) ||
                memcmp(cut.ptr, walked.ptr, answer_len(&cut)) != 0)
            fail_msg("%s\ncut:    %s\nwalked: %s", line.ptr, cut.ptr, walked.ptr);
    }
    buf_clear(&line);
    buf_clear(&cut);
    buf_clear(&walked);
}

static void test_cuts_happen(void **state)
{
    (void)state;
    assert_true(cut_count > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(check_same, 600),
            cmocka_unit_test(test_cuts_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
