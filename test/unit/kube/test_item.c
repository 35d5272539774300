/* kube/split, kube/item, kube/cache: items cut out of streams, read, kept and found again. */
#include "test.h"

#include "kube/cache.h"
#include "kube/split.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct cut {
    struct buf items; /* each followed by a line break */
    int stop_at;      /* the item that is refused; 0 = none */
    int count;
};

static int on_item(void *user, struct str json)
{
    struct cut *c = user;
    buf_put(&c->items, json);
    buf_putc(&c->items, '\n');
    return ++c->count == c->stop_at ? -ECANCELED : 0;
}

/* Feeds `text` in chunks of `step` bytes. */
static int run(enum kube_split_form form, const char *text, size_t step, struct cut *c, char *rest,
        struct err *e)
{
    struct kube_split s;
    kube_split_init(&s, form, 64);
    s.item = on_item;
    s.user = c;
    c->items = BUF_INIT(1 << 16);
    int r = 0;
    size_t len = strlen(text);
    for (size_t at = 0; at < len && r == 0; at += step)
        r = kube_split_feed(&s, (struct str){text + at, len - at < step ? len - at : step}, e);
    if (r == 0)
        r = kube_split_end(&s, e);
    (void)snprintf(rest, 256, "%.*s", STR_ARG(kube_split_rest(&s)));
    kube_split_clear(&s);
    return r;
}

static void items_are_cut(void **state)
{
    (void)state;
    static const struct {
        enum kube_split_form form;
        const char *text, *items, *rest;
    } table[] = {
            {KUBE_SPLIT_LIST,
                    "{\"kind\":\"L\",\"metadata\":{\"a\":[{}]},\"items\":[{\"a\":1}, "
                    "{\"b\":\"]}\"}]}",
                    "{\"a\":1}\n{\"b\":\"]}\"}\n",
                    "{\"kind\":\"L\",\"metadata\":{\"a\":[{}]},\"items\":[]}"},
            /* metadata after the items, as custom resources have it; an `items` that is no list of
               ours */
            {KUBE_SPLIT_LIST, "{ \"items\" : [ { } ] , \"metadata\":{\"items\":[{\"x\":1}]}}",
                    "{ }\n", "{ \"items\" : [] , \"metadata\":{\"items\":[{\"x\":1}]}}"},
            {KUBE_SPLIT_LIST, "{\"x\\\"items\":[{}],\"items\":null}", "",
                    "{\"x\\\"items\":[{}],\"items\":null}"},
            {KUBE_SPLIT_LIST, "{\"x\":\"items\",\"y\":[{}],\"items\":[]}", "",
                    "{\"x\":\"items\",\"y\":[{}],\"items\":[]}"},
            {KUBE_SPLIT_LIST, "{\"a,\\\"items\":[{}]}", "", "{\"a,\\\"items\":[{}]}"},
            {KUBE_SPLIT_EVENTS, "{\"a\":\"\\\\\"}\n{\"b\":{\"c\":[1,{}]}}\n\n",
                    "{\"a\":\"\\\\\"}\n{\"b\":{\"c\":[1,{}]}}\n", ""},
            {KUBE_SPLIT_EVENTS, "{\"\\\"{\":\"}\\\"\"}{}", "{\"\\\"{\":\"}\\\"\"}\n{}\n", ""},
            {KUBE_SPLIT_EVENTS, "", "", ""},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t step = 1; step < 40; step++) {
            struct cut c = {0};
            struct err e = {0};
            char rest[256];
            if (run(table[i].form, table[i].text, step, &c, rest, &e) < 0)
                fail_msg("%u by %zu: %s", i, step, e.text);
            assert_true(str_eq(buf_str(&c.items), str_from(table[i].items)));
            assert_string_equal(rest, table[i].rest);
            buf_clear(&c.items);
        }
    }
}

static void streams_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        enum kube_split_form form;
        const char *text, *words;
        int code;
    } table[] = {
            {KUBE_SPLIT_LIST, "[]", "byte 0: expected a list object", -EINVAL},
            {KUBE_SPLIT_LIST, "{\"items\":[1]}", "byte 10: expected an object", -EINVAL},
            {KUBE_SPLIT_LIST, "{\"items\":[{}],\"items\":[{}]}", "a second list of items", -EINVAL},
            {KUBE_SPLIT_LIST, "{\"items\":[{}", "before its end", -EINVAL},
            {KUBE_SPLIT_LIST, "{\"items\":[{\"a\"", "ended within item 0", -EINVAL},
            {KUBE_SPLIT_LIST, "", "before its end", -EINVAL},
            {KUBE_SPLIT_EVENTS, "{} x", "byte 3: expected an object", -EINVAL},
            {KUBE_SPLIT_EVENTS,
                    "{}{\"name\":\"n\",\"x\":\"0123456789012345678901234567890123456789012345\"}",
                    "item 1 ('n') is larger than 64 bytes", -E2BIG},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t step = 1; step < 40; step += 12) {
            struct cut c = {0};
            struct err e = {0};
            char rest[256];
            assert_int_equal(run(table[i].form, table[i].text, step, &c, rest, &e), table[i].code);
            if (strstr(e.text, table[i].words) == NULL)
                fail_msg("%u: '%s' does not say '%s'", i, e.text, table[i].words);
            buf_clear(&c.items);
        }
    }
    char deep[300] = "{\"a\":";
    memset(deep + 5, '[', 200);
    struct cut c = {0};
    struct err e = {0};
    char rest[256];
    assert_int_equal(run(KUBE_SPLIT_LIST, deep, 300, &c, rest, &e), -EINVAL);
    buf_clear(&c.items);
    c = (struct cut){.stop_at = 2};
    assert_int_equal(run(KUBE_SPLIT_EVENTS, "{}{}{}", 6, &c, rest, &e), -ECANCELED);
    assert_int_equal(c.count, 2);
    buf_clear(&c.items);
}

static void items_are_read(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct kube_item item;
    struct err e = {0};
    char text[KUBE_SCALAR_MAX];
    assert_int_equal(
            kube_item_parse(a,
                    STR_LIT("{\"metadata\":{\"name\":\"n\",\"namespace\":\"s\",\"uid\":\"u\","
                            "\"resourceVersion\":\"12\",\"labels\":{\"a.b/c\":\"d\"},"
                            "\"creationTimestamp\":\"2026-11-22T10:00:00Z\"},"
                            "\"spec\":{\"n\":-3,\"big\":18446744073709551615,\"on\":true,"
                            "\"half\":\"50%\",\"list\":[{\"k\":null},2],\"none\":null}}"),
                    &item, &e),
            0);
    assert_int_equal(item.version, 12);
    assert_true(str_eq_c(kube_item_label(&item, "a.b/c"), "d"));
    assert_int_equal(kube_item_time_ns(&item, "metadata.creationTimestamp"), 1795341600000000000);
    struct kube_value spec = kube_item_at(&item, "spec");
    assert_int_equal(kube_value_i64(kube_value_get(spec, "n"), 7), -3);
    assert_int_equal(kube_value_i64(kube_value_get(spec, "big"), 7), 7);
    assert_true(kube_value_bool(kube_value_get(spec, "on"), false));
    assert_false(kube_value_bool(kube_value_get(spec, "n"), false));
    assert_string_equal(kube_value_scalar(kube_value_get(spec, "half"), text).ptr, "50%");
    assert_string_equal(kube_value_scalar(kube_value_get(spec, "n"), text).ptr, "-3");
    assert_false(kube_value_exists(kube_value_get(spec, "none")));
    assert_int_equal(kube_value_at(spec, "n.deeper.still").val == NULL, true);
    unsigned members = 0;
    KUBE_FOREACH(it, spec)
    {
        members += it.key.len > 0;
    }
    assert_int_equal(members, 6);
    assert_int_equal(kube_value_count(kube_value_get(spec, "list")), 2);
    struct buf out = BUF_INIT(100);
    kube_value_write(kube_value_get(spec, "list"), &out);
    assert_string_equal(out.ptr, "[{\"k\":null},2]");
    buf_clear(&out);
    assert_int_equal(kube_item_parse(a, STR_LIT("{\"metadata\":{}}"), &item, &e), -EINVAL);
    assert_int_equal(kube_item_parse(a, STR_LIT("{\"metadata\""), &item, &e), -EINVAL);
    assert_int_equal(kube_item_parse(a, STR_LIT("[]"), &item, &e), -EINVAL);
    arena_free(a);
}

static struct kube_item item_of(
        const char *namespace, const char *name, const char *uid, uint64_t version)
{
    return (struct kube_item){.namespace = str_from(namespace),
            .name = str_from(name),
            .uid = str_from(uid),
            .version = version};
}

static enum kube_cache_verdict put(
        struct kube_cache *c, const struct kube_item *item, const char *bytes)
{
    enum kube_cache_verdict verdict;
    struct kube_row row;
    assert_int_equal(kube_cache_put(c, item, str_from(bytes), &verdict, &row), 0);
    assert_true(str_eq(row.name, item->name) && str_eq(row.uid, item->uid));
    assert_int_equal((uintptr_t)row.bytes % 8, 0);
    assert_int_equal(row.version, item->version);
    return verdict;
}

static void rows_are_kept(void **state)
{
    (void)state;
    struct kube_cache *c = kube_cache_new(7);
    struct kube_item a = item_of("x", "a", "1", 1), b = item_of("", "xa", "2", 2);
    assert_int_equal(put(c, &a, "one"), KUBE_CACHE_ADDED);
    assert_int_equal(put(c, &b, "two"), KUBE_CACHE_ADDED);
    a.version = 3;
    assert_int_equal(put(c, &a, "one"), KUBE_CACHE_SAME);
    assert_int_equal(put(c, &a, "more"), KUBE_CACHE_CHANGED);
    a.uid = STR_LIT("9");
    assert_int_equal(put(c, &a, "more"), KUBE_CACHE_REPLACED);
    assert_int_equal(kube_cache_count(c), 2);
    struct kube_row row;
    assert_false(kube_cache_find(c, STR_LIT("x"), STR_LIT("xa"), &row));
    assert_true(kube_cache_find(c, STR_LIT("x"), STR_LIT("a"), &row));
    assert_memory_equal(row.bytes, "more", 4);
    assert_false(kube_cache_remove(c, STR_LIT("x"), STR_LIT("a"), STR_LIT("1")));
    /* A list that has only xa: a is swept. */
    kube_cache_mark(c);
    assert_int_equal(put(c, &b, "two"), KUBE_CACHE_SAME);
    assert_true(kube_cache_sweep(c, &row));
    assert_true(str_eq_c(row.name, "a") && str_eq_c(row.uid, "9"));
    assert_false(kube_cache_sweep(c, &row));
    assert_true(kube_cache_remove(c, (struct str){0}, STR_LIT("xa"), STR_LIT("2")));
    assert_int_equal(kube_cache_count(c), 0);
    kube_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(items_are_cut),
            cmocka_unit_test(streams_that_are_wrong),
            cmocka_unit_test(items_are_read),
            cmocka_unit_test(rows_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
