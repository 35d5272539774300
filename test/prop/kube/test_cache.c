/* kube/cache and kube/split against naive twins: random puts, removals and relists; random chunks.
 */
#include "test.h"

#include "base/prng.h"
#include "kube/cache.h"
#include "kube/split.h"

#include <stdio.h>
#include <string.h>

enum { NAMES = 60, STEPS = 600 };

/* The twin: one slot a name. */
struct twin {
    bool live, seen;
    unsigned uid, bytes;
    uint64_t version;
};

static struct kube_item item_of(unsigned name, unsigned uid, uint64_t version, char *text)
{
    /* Three namespaces, names that are prefixes of each other. */
    (void)snprintf(text, 64, "%u", uid);
    (void)snprintf(text + 16, 16, "n%u", name / 3);
    (void)snprintf(text + 32, 16, "%.*s", (int)(name % 3), "ab");
    return (struct kube_item){.uid = str_from(text),
            .name = str_from(text + 16),
            .namespace = str_from(text + 32),
            .version = version};
}

static void same(const struct kube_cache *c, const struct twin *twins)
{
    unsigned live = 0;
    char text[64];
    for (unsigned i = 0; i < NAMES; i++) {
        struct kube_item item = item_of(i, twins[i].uid, 0, text);
        struct kube_row row;
        bool found = kube_cache_find(c, item.namespace, item.name, &row);
        assert_int_equal(found, twins[i].live);
        if (!found)
            continue;
        live++;
        assert_true(str_eq(row.uid, item.uid));
        assert_int_equal(row.version, twins[i].version);
        assert_int_equal(row.size, twins[i].bytes);
    }
    assert_int_equal(kube_cache_count(c), live);
    uint32_t cursor = 0;
    struct kube_row row;
    while (kube_cache_next(c, &cursor, &row))
        live--;
    assert_int_equal(live, 0);
}

static void cache_is_as_its_twin(uint64_t seed)
{
    static const char bytes[16] = "0123456789abcde";
    struct prng p;
    prng_init(&p, seed);
    struct kube_cache *c = kube_cache_new(seed);
    struct twin twins[NAMES] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned name = (unsigned)prng_below(&p, NAMES);
        struct twin *t = &twins[name];
        char text[64];
        uint64_t what = prng_below(&p, 100);
        if (what < 60) {
            unsigned uid = t->live && !prng_chance_ppm(&p, 100000) ? t->uid : step + 1;
            unsigned size = (unsigned)prng_below(&p, 4);
            struct kube_item item = item_of(name, uid, step, text);
            enum kube_cache_verdict verdict;
            struct kube_row row;
            assert_int_equal(
                    kube_cache_put(c, &item, (struct str){bytes, size}, &verdict, &row), 0);
            enum kube_cache_verdict want = !t->live           ? KUBE_CACHE_ADDED
                                           : t->uid != uid    ? KUBE_CACHE_REPLACED
                                           : t->bytes == size ? KUBE_CACHE_SAME
                                                              : KUBE_CACHE_CHANGED;
            assert_int_equal(verdict, want);
            *t = (struct twin){true, true, uid, size, step};
        } else if (what < 95) {
            struct kube_item item = item_of(name, t->uid, 0, text);
            assert_int_equal(kube_cache_remove(c, item.namespace, item.name, item.uid), t->live);
            t->live = false;
        } else if (what < 97) {
            kube_cache_mark(c);
            for (unsigned i = 0; i < NAMES; i++)
                twins[i].seen = false;
        } else if (what == 99) {
            struct kube_row row;
            unsigned swept = 0, want = 0;
            while (kube_cache_sweep(c, &row))
                swept++;
            for (unsigned i = 0; i < NAMES; i++) {
                want += twins[i].live && !twins[i].seen;
                twins[i].live &= twins[i].seen;
            }
            assert_int_equal(swept, want);
            kube_cache_mark(c);
            for (unsigned i = 0; i < NAMES; i++)
                twins[i].seen = false;
        }
        if (step % 16 == 0)
            same(c, twins);
    }
    same(c, twins);
    kube_cache_free(c);
}

/* ------------------------------------------------------------------------------------------ split
 */

static void put_value(struct prng *p, struct buf *out, unsigned depth)
{
    static const char *const texts[] = {"\"\"", "\"a\\\"b\"", "\"{[\"", "\"\\\\\"", "17", "null",
            "\"items\"", "\"\xc3\xa9\\u0041]}\""};
    uint64_t kind = prng_below(p, depth > 4 ? 8 : 12);
    if (kind < 8) {
        buf_puts(out, texts[kind]);
        return;
    }
    bool is_object = kind < 10;
    uint64_t count = prng_below(p, 4);
    buf_putc(out, is_object ? '{' : '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        if (is_object)
            buf_printf(out, "%s :", texts[prng_below(p, 4)]);
        put_value(p, out, depth + 1);
    }
    buf_putc(out, is_object ? '}' : ']');
}

static int collect(void *user, struct str json)
{
    buf_put(user, json);
    buf_putc(user, '\n');
    return 0;
}

static void chunks_do_not_matter(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    struct buf text = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
    bool is_list = prng_below(&p, 2) == 0;
    uint64_t count = prng_below(&p, 6);
    if (is_list)
        buf_puts(&text, "{\"metadata\":{\"items\":[{}]} , \"items\": [");
    for (uint64_t i = 0; i < count; i++) {
        size_t from = text.len;
        buf_puts(&text, "{\"x\":");
        put_value(&p, &text, 0);
        buf_putc(&text, '}');
        buf_put(&want, (struct str){text.ptr + from, text.len - from});
        buf_putc(&want, '\n');
        buf_puts(&text, is_list ? (i + 1 < count ? " ," : "") : "\n");
    }
    if (is_list)
        buf_puts(&text, "],\"z\":1}");
    struct kube_split s;
    kube_split_init(&s, is_list ? KUBE_SPLIT_LIST : KUBE_SPLIT_EVENTS, 1 << 20);
    s.item = collect;
    s.user = &got;
    struct err e = {0};
    for (size_t at = 0; at < text.len;) {
        size_t step = 1 + (size_t)prng_below(&p, 30);
        if (step > text.len - at)
            step = text.len - at;
        assert_int_equal(kube_split_feed(&s, (struct str){text.ptr + at, step}, &e), 0);
        at += step;
    }
    assert_int_equal(kube_split_end(&s, &e), 0);
    assert_true(str_eq(buf_str(&got), buf_str(&want)));
    assert_int_equal(s.count, count);
    kube_split_clear(&s);
    buf_clear(&text);
    buf_clear(&want);
    buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(cache_is_as_its_twin, 200),
            TEST_PROP(chunks_do_not_matter, 2000),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
