/* base/map against naive twins: every operation on random keys gives the same answer, and a walk
 * goes in the order of insertion. */
#include "test.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/prng.h"

#include <stdio.h>

enum { STEPS = 3000, KEYS_MAX = 400 };

/* The twin: a list that is searched from end to end. */
struct twin {
    uint64_t key[STEPS];
    uint32_t value[STEPS];
    unsigned count;
};

static unsigned twin_place(const struct twin *t, uint64_t key)
{
    unsigned i = 0;
    while (i < t->count && t->key[i] != key)
        i++;
    return i;
}

static uint32_t twin_find(const struct twin *t, uint64_t key)
{
    unsigned i = twin_place(t, key);
    return i == t->count ? MAP_NONE : t->value[i];
}

static uint32_t twin_set(struct twin *t, uint64_t key, uint32_t value)
{
    unsigned i = twin_place(t, key);
    uint32_t before = i == t->count ? MAP_NONE : t->value[i];
    if (i == t->count)
        t->key[t->count++] = key;
    t->value[i] = value;
    return before;
}

static uint32_t twin_remove(struct twin *t, uint64_t key)
{
    unsigned i = twin_place(t, key);
    if (i == t->count)
        return MAP_NONE;
    uint32_t before = t->value[i];
    for (; i + 1 < t->count; i++) {
        t->key[i] = t->key[i + 1];
        t->value[i] = t->value[i + 1];
    }
    t->count--;
    return before;
}

static void assert_same_walk_u64(const struct map_u64 *m, const struct twin *t)
{
    unsigned at = 0;
    MAP_FOREACH (i, m) {
        assert_true(at < t->count);
        assert_true(m->keys[i] == t->key[at]);
        assert_int_equal(m->values[i], t->value[at]);
        at++;
    }
    assert_int_equal(at, t->count);
    assert_int_equal(m->live_count, t->count);
}

static void u64_behaves_like_a_list(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    struct map_u64 m = {0};
    struct twin *t = mem_alloc(1, sizeof *t);
    uint64_t key_count = prng_below(&p, KEYS_MAX) + 1;
    /* Keys that differ in high bits only must spread as well. */
    uint64_t stride = UINT64_C(1) << prng_below(&p, 50);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t key = prng_below(&p, key_count) * stride;
        uint32_t value = (uint32_t)prng_below(&p, MAP_NONE);
        switch (prng_below(&p, 8)) {
        case 0:
        case 1:
        case 2:
            assert_int_equal(map_u64_set(&m, key, value), twin_set(t, key, value));
            break;
        case 3:
        case 4:
            assert_int_equal(map_u64_remove(&m, key), twin_remove(t, key));
            break;
        default:
            assert_int_equal(map_u64_find(&m, key), twin_find(t, key));
            break;
        }
        if (step % 256 == 0)
            assert_same_walk_u64(&m, t);
    }
    assert_same_walk_u64(&m, t);
    map_u64_clear(&m);
    mem_free(t);
}

/* The same through strings; the seed must not show. */
static void str_behaves_like_a_list(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    struct map_str m = {.seed = prng_u64(&p)};
    struct twin *t = mem_alloc(1, sizeof *t);
    uint64_t key_count = prng_below(&p, KEYS_MAX) + 1;
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t number = prng_below(&p, key_count);
        char text[32];
        int len = snprintf(text, sizeof text, "%x", (unsigned)number);
        struct str key = {text, (size_t)len};
        uint32_t value = (uint32_t)prng_below(&p, MAP_NONE);
        if (prng_chance_ppm(&p, 500000)) {
            assert_int_equal(map_str_set(&m, key, value), twin_set(t, number, value));
        } else if (prng_chance_ppm(&p, 500000)) {
            assert_int_equal(map_str_remove(&m, key), twin_remove(t, number));
        } else {
            assert_int_equal(map_str_find(&m, key), twin_find(t, number));
        }
    }
    unsigned at = 0;
    MAP_FOREACH (i, &m) {
        char text[32];
        (void)snprintf(text, sizeof text, "%x", (unsigned)t->key[at]);
        assert_true(str_eq_c(m.keys[i], text));
        assert_int_equal(m.values[i], t->value[at]);
        at++;
    }
    assert_int_equal(at, t->count);
    map_str_clear(&m);
    mem_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(u64_behaves_like_a_list, 60),
            TEST_PROP(str_behaves_like_a_list, 60),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
