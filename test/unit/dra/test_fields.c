/* Fields that the API does not know, with path and line as `kubectl apply` and the file have them.
 */
#include "test.h"

#include "base/buf.h"
#include "dra/fields-priv.h"
#include "dra/fields.h"

#include <stdio.h>
#include <string.h>

#define REASON "strict decoding error: unknown field"

static void on_problem(void *context, uint32_t line, const char *path, const char *reason)
{
    buf_printf(context, "%u %s: %s\n", line, path, reason);
}

/* yaml: `expected` is what is told of it, a line each. */
static void check(const char *yaml, const char *expected)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    const struct doc *doc = NULL;
    struct err e = {0};
    struct buf out = BUF_INIT(1 << 16);
    if (doc_parse_yaml(arena, str_from(yaml), 1 << 20, &doc, &e))
        fail_msg("%s: %s", yaml, e.text);
    dra_fields_check(doc, on_problem, &out);
    assert_string_equal(out.len ? out.ptr : "", expected);
    buf_clear(&out);
}

#define HEAD(kind)      "apiVersion: resource.k8s.io/v1\nkind: " kind "\nmetadata: {name: x}\n"
#define CLAIM(requests) HEAD("ResourceClaim") "spec:\n  devices:\n    requests:\n" requests
#define DEVICE(rest)    HEAD("ResourceSlice") "spec:\n  devices:\n  - name: a\n" rest

static void test_every_depth(void **state)
{
    (void)state;
    check(CLAIM("    - name: r\n      exactly:\n        deviceClassName: c\n        cuont: 2\n"),
            "10 spec.devices.requests[0].exactly.cuont: " REASON ": did you mean 'count'?\n");
    check(CLAIM("    - name: r\n      exactly: {deviceClassName: c, count: 2}\n"), "");
    check(HEAD("DeviceClass") "spce: {}\n", "4 spce: " REASON ": did you mean 'spec'?\n");
    check("apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata:\n  labelz: {a: b}\n"
          "  ownerReferences: [{}, {nam: x}]\n",
            "4 metadata.labelz: " REASON ": did you mean 'labels'?\n"
            "5 metadata.ownerReferences[1].nam: " REASON ": did you mean 'name'?\n");
    check(DEVICE("    attributes:\n      model: {strnig: A}\n"),
            "8 spec.devices[0].attributes.model.strnig: " REASON ": did you mean 'string'?\n");
    check(HEAD("ResourceClaimTemplate") "spec: {metadata: {x: 1}, spec: {devices: {y: []}}}\n",
            "4 spec.metadata.x: " REASON "\n4 spec.spec.devices.y: " REASON "\n");
}

static void test_names_are_exact(void **state)
{
    (void)state;
    check(CLAIM("    - Name: r\n"),
            "7 spec.devices.requests[0].Name: " REASON ": did you mean 'name'?\n");
    check(CLAIM("    - {name: r, 'name ': null, '': 1}\n"),
            "7 spec.devices.requests[0].name : " REASON ": did you mean 'name'?\n"
            "7 spec.devices.requests[0].: " REASON "\n");
    check(HEAD("ResourceClaim") "spec: {devices: {count: 1}}\n",
            "4 spec.devices.count: " REASON "\n");
}

static void test_what_is_not_looked_into(void **state)
{
    (void)state;
    check(HEAD("DeviceClass") "spec:\n  config:\n  - opaque: {driver: d, parameters: {a: {b: "
                              "1}}}\n",
            "");
    check("apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata:\n"
          "  labels: {anything: x}\n  managedFields: [{fieldsV1: {'f:spec': {}}}]\n",
            "");
    check(DEVICE("    capacity: {m: {value: {x: 1}}}\n"), "");
    check(DEVICE("    attributes: [1]\n    taints: {key: k}\n    bindingConditions: null\n"), "");
}

static void test_kinds_and_versions(void **state)
{
    (void)state;
    check("apiVersion: v1\nkind: Pod\nspec: {x: 1}\n", "");
    check("apiVersion: example.com/v1\nkind: ResourceClaim\nx: 1\n", "");
    check("apiVersion: resource.k8s.io/v1beta1\nkind: ResourceClaim\nx: 1\n", "");
    check("kind: ResourceClaim\nx: 1\n", "");
    check("[1, 2]\n", "");
    check("apiVersion: resource.k8s.io/v1beta2\nkind: ResourceClaim\nx: 1\n", "3 x: " REASON "\n");
    check("apiVersion: resource.k8s.io/v1alpha3\nkind: DeviceTaintRule\nspec: {taints: {}}\n",
            "3 spec.taints: " REASON ": did you mean 'taint'?\n");
    check("apiVersion: v1\nkind: List\nx: 1\nitems:\n- {kind: Pod, x: 1}\n- 1\n"
          "- {apiVersion: resource.k8s.io/v1, kind: DeviceClass, x: 1}\n",
            "7 items[2].x: " REASON "\n");
}

static void test_long_names_are_cut(void **state)
{
    (void)state;
    char yaml[4096];
    char name[1025];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(yaml, sizeof yaml, DEVICE("    attributes: {%s: {%s: 1}}\n"), name, name);
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    const struct doc *doc = NULL;
    struct err e = {0};
    struct buf out = BUF_INIT(1 << 16);
    assert_int_equal(doc_parse_yaml(arena, str_from(yaml), 1 << 20, &doc, &e), 0);
    dra_fields_check(doc, on_problem, &out);
    assert_int_equal(out.len, strlen("7 spec.devices[0].attributes..: " REASON "\n") + 640);
    buf_clear(&out);
}

static void shape_is_sound(const struct dra_shape *shape, unsigned depth)
{
    if (!shape)
        return;
    assert_true(depth < 16);
    if (shape->kind != DRA_SHAPE_OBJECT) {
        assert_non_null(shape->of);
        shape_is_sound(shape->of, depth + 1);
        return;
    }
    for (size_t i = 0; shape->names[i]; i++) {
        assert_true(i == 0 || strcmp(shape->names[i - 1], shape->names[i]) < 0);
        shape_is_sound(shape->shapes[i], depth + 1);
    }
}

static void test_table_is_sound(void **state)
{
    (void)state;
    unsigned count = 0;
    for (const struct dra_root *root = dra_roots; root->version; root++) {
        shape_is_sound(root->shape, 0);
        count++;
    }
    assert_int_equal(count, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_every_depth),
            cmocka_unit_test(test_names_are_exact),
            cmocka_unit_test(test_what_is_not_looked_into),
            cmocka_unit_test(test_kinds_and_versions),
            cmocka_unit_test(test_long_names_are_cut),
            cmocka_unit_test(test_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
