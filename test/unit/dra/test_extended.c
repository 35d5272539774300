/* Extended resources as a claim: names, amounts, init containers, which class answers. */
#include "test.h"

#include "dra/extended.h"

#include <string.h>

static void add(struct dra_store *s, enum dra_kind kind, const char *yaml)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    const struct doc *doc = NULL;
    struct err e = {0};
    if (doc_parse_yaml(arena, str_from(yaml), 1 << 16, &doc, &e) ||
            dra_store_add_kind(s, kind, doc, &e))
        fail_msg("%s", e.text);
}

static void expect_request(const struct dra_store *s, const struct dra_claim *claim, unsigned i,
        const char *name, const char *class_name, int64_t count)
{
    const struct dra_ask *ask = &claim->requests[i].asks[0];
    assert_true(str_eq_c(dra_name(&s->names, claim->requests[i].name), name));
    assert_true(str_eq_c(dra_name(&s->names, ask->class_name), class_name));
    assert_int_equal(ask->count, count);
}

static void test_claim(void **state)
{
    (void)state;
    struct dra_store *s = dra_store_new(0);
    add(s, DRA_KIND_CLASS,
            "metadata: {name: old, creationTimestamp: 2026-01-01T00:00:00Z}\n"
            "spec: {extendedResourceName: e.x/gpu}\n");
    add(s, DRA_KIND_CLASS,
            "metadata: {name: new, creationTimestamp: 2026-02-01T00:00:00Z}\n"
            "spec: {extendedResourceName: e.x/gpu}\n");
    add(s, DRA_KIND_CLASS, "metadata: {name: fast}\nspec: {}\n");
    add(s, DRA_KIND_POD,
            "metadata: {name: p, namespace: t}\n"
            "spec:\n"
            "  initContainers:\n"
            "  - {name: i, resources: {requests: {e.x/gpu: 5, cpu: 1}}}\n"
            "  containers:\n"
            "  - {name: a, resources: {requests: {cpu: 1, e.x/gpu: 2, memory: 1Gi}}}\n"
            "  - {name: b, resources: {requests: {deviceclass.resource.kubernetes.io/fast: 1}}}\n");
    const struct dra_claim *claim = dra_extended_claim(s, s->pods.items[0]);
    assert_non_null(claim);
    assert_int_equal(claim->request_count, 3);
    expect_request(s, claim, 0, "container-0-request-1", "new", 3); /* 5 less the 2 that a has */
    expect_request(s, claim, 1, "container-1-request-1", "new", 2);
    expect_request(s, claim, 2, "container-2-request-0", "fast", 1);
    (void)dra_store_free(s);
}

/* A pod as people write it: limits alone are requests; a request has the last word. */
static void test_limits(void **state)
{
    (void)state;
    struct dra_store *s = dra_store_new(0);
    add(s, DRA_KIND_CLASS, "metadata: {name: gpu}\nspec: {extendedResourceName: e.x/gpu}\n");
    add(s, DRA_KIND_POD,
            "metadata: {name: p, namespace: t}\n"
            "spec:\n"
            "  containers:\n"
            "  - {name: a, resources: {limits: {memory: 1Gi, e.x/gpu: 2}, requests: {cpu: 1}}}\n"
            "  - {name: b, resources: {limits: {e.x/gpu: 3}, requests: {e.x/gpu: 3}}}\n");
    const struct dra_claim *claim = dra_extended_claim(s, s->pods.items[0]);
    assert_non_null(claim);
    assert_int_equal(claim->request_count, 2);
    expect_request(s, claim, 0, "container-0-request-1", "gpu", 2);
    expect_request(s, claim, 1, "container-1-request-0", "gpu", 3);
    (void)dra_store_free(s);
}

static void test_none(void **state)
{
    (void)state;
    struct dra_store *s = dra_store_new(0);
    add(s, DRA_KIND_POD,
            "metadata: {name: p}\nspec: {containers: [{resources: {requests: {cpu: 1}}}]}\n");
    assert_null(dra_extended_claim(s, s->pods.items[0]));
    (void)dra_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_claim),
            cmocka_unit_test(test_limits),
            cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
