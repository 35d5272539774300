/* base/map: what it finds, and the order of a walk. */
#include "test.h"

#include "base/map.h"

#include <stdio.h>

static void sets_finds_removes(void **state)
{
    (void)state;
    struct map_u64 m = {0};
    assert_int_equal(map_u64_find(&m, 1), MAP_NONE);
    assert_int_equal(map_u64_remove(&m, 1), MAP_NONE);
    assert_int_equal(map_u64_set(&m, 0, 10), MAP_NONE);
    assert_int_equal(map_u64_set(&m, UINT64_MAX, 11), MAP_NONE);
    assert_int_equal(map_u64_set(&m, 0, 12), 10);
    assert_int_equal(map_u64_find(&m, 0), 12);
    assert_int_equal(map_u64_remove(&m, 0), 12);
    assert_int_equal(map_u64_find(&m, 0), MAP_NONE);
    assert_int_equal(map_u64_find(&m, UINT64_MAX), 11);
    assert_int_equal(m.live_count, 1);
    map_u64_clear(&m);
    assert_int_equal(map_u64_find(&m, UINT64_MAX), MAP_NONE);
}

static void copies_string_keys(void **state)
{
    (void)state;
    struct map_str m = {.seed = 42};
    char key[] = "node-1";
    (void)map_str_set(&m, str_from(key), 1);
    (void)map_str_set(&m, STR_LIT(""), 2);
    (void)map_str_set(&m, (struct str){"a\0b", 3}, 3);
    key[0] = 'x';
    assert_int_equal(map_str_find(&m, STR_LIT("node-1")), 1);
    assert_int_equal(map_str_find(&m, str_from(key)), MAP_NONE);
    assert_int_equal(map_str_find(&m, str_from(NULL)), 2);
    assert_int_equal(map_str_find(&m, (struct str){"a\0b", 3}), 3);
    assert_int_equal(map_str_find(&m, STR_LIT("a")), MAP_NONE);
    map_str_clear(&m);
    assert_int_equal(m.seed, 42);
}

static void walks_in_order_of_insertion(void **state)
{
    (void)state;
    struct map_u64 m = {0};
    for (uint32_t i = 0; i < 100; i++)
        (void)map_u64_set(&m, (uint64_t)i * 7919 % 101, i);
    for (uint32_t i = 0; i < 100; i += 3)
        (void)map_u64_remove(&m, (uint64_t)i * 7919 % 101);
    (void)map_u64_set(&m, UINT64_C(7919) % 101, 1); /* set again: keeps its place */
    (void)map_u64_set(&m, 0, 1000);                 /* removed before: goes last */
    uint32_t previous = 0;
    unsigned count = 0;
    MAP_FOREACH (i, &m) {
        assert_true(m.values[i] > previous || count == 0);
        previous = m.values[i];
        count++;
    }
    assert_int_equal(count, m.live_count);
    assert_int_equal(previous, 1000);
    map_u64_clear(&m);
}

static void forgets_what_is_removed(void **state)
{
    (void)state;
    struct map_str m = {0};
    for (unsigned i = 0; i < 100000; i++) { /* one live key at a time: the map stays small */
        char key[16];
        int len = snprintf(key, sizeof key, "pod-%u", i);
        struct str view = {key, (size_t)len};
        assert_int_equal(map_str_set(&m, view, i), MAP_NONE);
        assert_int_equal(map_str_remove(&m, view), i);
    }
    assert_true(m.entry_cap <= 16);
    map_str_clear(&m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(sets_finds_removes),
            cmocka_unit_test(copies_string_keys),
            cmocka_unit_test(walks_in_order_of_insertion),
            cmocka_unit_test(forgets_what_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
