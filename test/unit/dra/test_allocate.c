/* The allocator through its batch form: outcomes, order, shares, the shape of kubernetes issue
 * 131730, and selectors by eval. */
#include "test.h"

#include "dra/batch.h"

#include <string.h>

enum { TEXT_MAX = 1 << 20 };

#define NODE    "\"node\":{\"metadata\":{\"name\":\"n\"}}"
#define CLASSES "\"classes\":[{\"metadata\":{\"name\":\"x\"}}]"
#define SLICE(devices)                                                                             \
    "\"slices\":[{\"metadata\":{\"name\":\"s\"},\"spec\":{\"driver\":\"e.x\",\"nodeName\":\"n\","  \
    "\"pool\":{\"name\":\"p\",\"resourceSliceCount\":1},\"devices\":[" devices "]}}]"
#define CLAIM(request)                                                                             \
    "\"claims\":[{\"metadata\":{\"name\":\"c\"},\"spec\":{\"devices\":{\"requests\":[" request     \
    "]}}}]"
#define EXACT(name, more) "{\"name\":\"" name "\",\"exactly\":{\"deviceClassName\":\"x\"" more "}}"

static void expect(const char *line, const char *part)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    dra_batch_allocate(str_from(line), &out);
    if (!out.ptr || !strstr(out.ptr, part))
        fail_msg("%s\ngave %s\nwithout %s", line, out.ptr ? out.ptr : "", part);
    buf_clear(&out);
}

static void test_outcomes(void **state)
{
    (void)state;
    expect("{" NODE "," CLASSES "," SLICE("{\"name\":\"a\"}") "," CLAIM(EXACT("r", "")) "}",
            "\"results\":[{\"request\":\"r\",\"driver\":\"e.x\",\"pool\":\"p\",\"device\":\"a\"}]");
    expect("{" NODE "," CLASSES
           "," SLICE("{\"name\":\"a\"}") "," CLAIM(EXACT("r", ",\"count\":2")) "}",
            "\"outcome\":\"no-fit\"");
    expect("{" NODE "," CLASSES
           "," SLICE("{\"name\":\"a\"},{\"name\":\"a\"}") "," CLAIM(EXACT("r", "")) "}",
            "\"outcome\":\"node-error\",\"message\":\"invalid resource pools were encountered");
    expect("{" NODE "," SLICE("{\"name\":\"a\"}") "," CLAIM(EXACT("r", "")) "}",
            "could not retrieve device class x");
    expect("{}", "node: expected an object");
    expect("nonsense", "\"outcome\":\"error\"");
}

static void test_share(void **state)
{
    (void)state;
    expect("{" NODE "," CLASSES
           "," SLICE("{\"name\":\"a\",\"allowMultipleAllocations\":true,\"capacity\":{\"m\":{"
                     "\"value\":\"10Gi\",\"requestPolicy\":{\"default\":\"1Gi\",\"validRange\":{"
                     "\"min\":\"1Gi\",\"step\":\"2Gi\"}}}}}") "," CLAIM(EXACT("r",
                   ",\"capacity\":{\"requests\":{\"m\":\"4Gi\"}}") "," EXACT("q", "")) "}",
            "\"consumedCapacity\":{\"m\":\"5Gi\"}}");
}

/* 16 of 30 wanted from one NUMA node that has 15: walking would take C(15, n) steps. */
static void test_hopeless_count(void **state)
{
    (void)state;
    struct buf line = BUF_INIT(TEXT_MAX);
    struct buf out = BUF_INIT(TEXT_MAX);
    buf_puts(&line, "{" NODE "," CLASSES ",\"slices\":[{\"metadata\":{\"name\":\"s\"},\"spec\":{"
                    "\"driver\":\"e.x\",\"nodeName\":\"n\",\"pool\":{\"name\":\"p\","
                    "\"resourceSliceCount\":1},\"devices\":[");
    for (unsigned i = 0; i < 30; i++) {
        buf_printf(&line, "%s{\"name\":\"d-%u\",\"attributes\":{\"numa\":{\"int\":%u}}}",
                i ? "," : "", i, i % 2);
    }
    buf_puts(&line,
            "]}}],\"claims\":[{\"metadata\":{\"name\":\"c\"},\"spec\":{\"devices\":{"
            "\"requests\":[" EXACT("r", ",\"count\":16") "],\"constraints\":[{"
                                                         "\"matchAttribute\":\"e.x/numa\"}]}}}]}");
    dra_batch_allocate_within(buf_str(&line), 1000, &out);
    assert_non_null(strstr(out.ptr, "\"outcome\":\"no-fit\""));
    assert_non_null(strstr(out.ptr, "\"pruned\":true"));
    buf_clear(&line);
    buf_clear(&out);
}

/* Without the feature no counter set is seen, yet "All" holds a device that consumes one: it fails
 * each time, after more steps than are walked unpruned. */
static void test_consumer_without_sets(void **state)
{
    (void)state;
    struct buf line = BUF_INIT(TEXT_MAX);
    struct buf out = BUF_INIT(TEXT_MAX);
    buf_puts(&line, "{\"features\":{\"PartitionableDevices\":false}," NODE "," CLASSES
                    ",\"slices\":[{\"metadata\":{\"name\":\"s\"},\"spec\":{"
                    "\"driver\":\"e.x\",\"nodeName\":\"n\",\"pool\":{\"name\":\"p\","
                    "\"resourceSliceCount\":1},\"devices\":[");
    for (unsigned i = 0; i < 12; i++)
        buf_printf(&line, "{\"name\":\"d-%u\"},", i);
    buf_puts(&line, "{\"name\":\"part\",\"consumesCounters\":[{\"counterSet\":\"c\",\"counters\":{"
                    "\"m\":{\"value\":\"1\"}}}]}]}}],\"claims\":[{\"metadata\":{\"name\":\"c\"},"
                    "\"spec\":{\"devices\":{\"requests\":[");
    buf_puts(&line,
            EXACT("r", ",\"count\":6") "," EXACT("q", ",\"allocationMode\":\"All\"") "]}}}]}");
    dra_batch_allocate_within(buf_str(&line), 100000, &out);
    assert_non_null(strstr(out.ptr, "\"outcome\":\"no-fit\""));
    assert_non_null(strstr(out.ptr, "\"pruned\":true"));
    buf_clear(&line);
    buf_clear(&out);
}

static void expect_eval(const char *expr, const char *part)
{
    struct buf line = BUF_INIT(TEXT_MAX);
    struct buf out = BUF_INIT(TEXT_MAX);
    buf_printf(&line,
            "{\"expr\":\"%s\",\"device\":{\"driver\":\"e.x\",\"attributes\":{\"a\":{"
            "\"int\":5},\"o.y/v\":{\"version\":\"1.2.3\"}},\"capacity\":{\"m\":{\"value\":"
            "\"8Gi\"}}}}",
            expr);
    dra_batch_eval(buf_str(&line), &out);
    if (!strstr(out.ptr, part))
        fail_msg("%s\ngave %s\nwithout %s", line.ptr, out.ptr, part);
    buf_clear(&line);
    buf_clear(&out);
}

static void test_eval(void **state)
{
    (void)state;
    expect_eval("device.driver == 'e.x'", "{\"outcome\":\"match\",\"cost\":");
    expect_eval("device.attributes['e.x'].a == 6", "\"no-match\"");
    expect_eval("device.attributes['o.y'].v.isGreaterThan(semver('1.2.0'))", "\"match\"");
    expect_eval("device.capacity['e.x'].m.compareTo(quantity('8Gi')) == 0", "\"match\"");
    expect_eval("'none' in device.attributes", "\"no-match\"");
    expect_eval("size(device.attributes) == 2 && size(device.capacity) == 1", "\"match\"");
    expect_eval("device.attributes['e.x'].b == 1", "\"runtime-error\"");
    expect_eval("device.name == 'x'", "\"compile-error\"");
    expect_eval("device.driver", "must evaluate to bool");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_outcomes),
            cmocka_unit_test(test_share),
            cmocka_unit_test(test_hopeless_count),
            cmocka_unit_test(test_consumer_without_sets),
            cmocka_unit_test(test_eval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
