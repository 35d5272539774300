/* What the API server would refuse, with path, value and reason. */
#include "test.h"

#include "dra/store.h"
#include "dra/validate.h"

#include <string.h>

static void check(const char *yaml, const char *expected)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    const struct doc *doc = NULL;
    struct err e = {0};
    if (doc_parse_yaml(arena, str_from(yaml), 1 << 20, &doc, &e))
        fail_msg("%s: %s", yaml, e.text);
    int r = dra_validate(doc, NULL, NULL, &e);
    if (!expected && r)
        fail_msg("%s", e.text);
    if (expected && (!r || !strstr(e.text, expected)))
        fail_msg("%s\ngave: %s\nexpected: %s", yaml, r ? e.text : "no problem", expected);
}

#define SLICE(spec)                                                                                \
    "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {name: s}\nspec:\n"            \
    "  driver: e.x\n  pool: {name: p, generation: 1, resourceSliceCount: 1}\n" spec
#define CLAIM(devices)                                                                             \
    "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: c}\nspec:\n"            \
    "  devices:\n" devices

static void test_slices(void **state)
{
    (void)state;
    check(SLICE("  nodeName: n\n  devices: [{name: a}]\n"), NULL);
    check(SLICE("  devices: [{name: a}]\n"), "spec: Required value: exactly one of `nodeName`");
    check(SLICE("  nodeName: n\n  devices: [{name: A}]\n"),
            "line 8: spec.devices[0].name: Invalid value: \"A\": a lowercase RFC 1123 label");
    check(SLICE("  nodeName: n\n  devices: [{name: a}, {name: a}]\n"),
            "spec.devices[1]: Duplicate value: \"a\"");
    check(SLICE("  nodeName: n\n  devices: [{name: a, attributes: {k: {version: v1}}}]\n"),
            "spec.devices[0].attributes[k].version: Invalid value: \"v1\"");
    check(SLICE("  nodeName: n\n  devices: [{name: a, attributes: {k: {int: 1, bool: true}}}]\n"),
            "exactly one value must be specified");
    check(SLICE("  nodeName: n\n  devices: [{name: a, taints: [{key: k, effect: Never}]}]\n"),
            "taints[0].effect: Unsupported value: \"Never\"");
    check(SLICE("  nodeName: n\n  devices: [{name: a, nodeName: n}]\n"), "can only be set when");
    check(SLICE("  nodeName: n\n  devices: [{name: a, capacity: {m: {value: 1Q}}}]\n"),
            "spec.devices[0].capacity[m].value: Invalid value: \"1Q\"");
    check(SLICE("  nodeName: n\n  devices: [{name: a, allowMultipleAllocations: true, capacity: "
                "{m: "
                "{value: 10, requestPolicy: {default: 2, validRange: {min: 1, step: 3}}}}}]\n"),
            "default is not a multiple of the step");
    check(SLICE("  nodeName: n\n  devices: [{name: a}]\n"
                "  sharedCounters: [{name: s, counters: {c: {value: 1}}}]\n"),
            "only one of `sharedCounters` or `devices`");
}

static void test_claims(void **state)
{
    (void)state;
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x}}]\n"), NULL);
    check(CLAIM("    requests: [{name: r}]\n"), "exactly one of `exactly` or `firstAvailable`");
    check(CLAIM("    requests: [{name: r, exactly: {}}]\n"),
            "spec.devices.requests[0].exactly.deviceClassName: Required value");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x, allocationMode: Some}}]\n"),
            "Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\"");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x, count: -1}}]\n"),
            "count: Invalid value: -1: must be greater than zero");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x, selectors: [{cel: "
                "{expression: device.nme}}]}}]\n"),
            "selectors[0].cel.expression: Invalid value: \"device.nme\": compilation failed");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x}}]\n"
                "    constraints: [{requests: [q], matchAttribute: a/b}]\n"),
            "constraints[0].requests[0]: Invalid value: \"q\": must be the name of a request");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x}}]\n"
                "    constraints: [{matchAttribute: b}]\n"),
            "must include a domain");
    check(CLAIM("    requests: [{name: r, exactly: {deviceClassName: x, tolerations: [{key: -k, "
                "operator: Exists}]}}]\n"),
            "tolerations[0].key: Invalid value: \"-k\": must be a qualified name");
}

static void test_shape(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    const struct doc *doc = NULL;
    struct err e = {0};
    const char *yaml = SLICE("  nodeName: n\n  devices: [{name: a, attributes: {k: {int: x}}}]\n");
    assert_int_equal(doc_parse_yaml(arena, str_from(yaml), 1 << 20, &doc, &e), 0);
    struct dra_store *s = dra_store_new(0);
    assert_int_not_equal(dra_store_add(s, doc, &e), 0);
    assert_string_equal(e.text,
            "line 8: spec.devices[0].attributes[k].int: expected an integer of 64 "
            "bits, not a string");
    (void)dra_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_slices),
            cmocka_unit_test(test_claims),
            cmocka_unit_test(test_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
