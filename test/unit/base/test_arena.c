/* base/arena: aligned, zeroed, reused, and ending the process past its cap. */
#include "test.h"

#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t size = 0; size < 3000; size += 7) {
            unsigned char *p = arena_alloc(a, 1, size);
            assert_non_null(p);
            assert_true((uintptr_t)p % alignof(max_align_t) == 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xAA, size);
            (void)arena_str(a, STR_LIT("odd"));
        }
        arena_reset(a);
        assert_int_equal(arena_used_bytes(a), 0);
    }
}

static void keeps_objects_apart(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct arena *a = arena_new(0);
    unsigned char *objects[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        objects[i] = arena_alloc(a, i * 17 + 1, 1);
        memset(objects[i], (int)(i % 251), i * 17 + 1);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        for (unsigned j = 0; j < i * 17 + 1; j++)
            assert_int_equal(objects[i][j], i % 251);
    }
    a = arena_free(a);
    assert_null(a);
    assert_null(arena_free(NULL));
}

static void takes_large_objects_after_reset(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    (void)arena_alloc(a, 1, 100);
    (void)arena_alloc(a, 1, 3 << 20);
    arena_reset(a);
    for (int i = 0; i < 4; i++) {
        char *p = arena_alloc(a, 1, 2 << 20);
        memset(p, 1, 2 << 20);
    }
    assert_true(arena_used_bytes(a) == 8u << 20);
}

/* An arena that lives as long as the process, with large objects of other sizes in each round. */
static void holds_no_more_from_round_to_round(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    size_t most = 0;
    for (size_t round = 0; round < 200; round++) {
        arena_reset(a);
        for (size_t i = 0; i < 5; i++) {
            (void)arena_alloc(a, 100 + i, 1);
            (void)arena_alloc(a, ((size_t)4 << 20) + round * 1000 + i * 77, 1);
        }
        most = arena_held_bytes(a) > most ? arena_held_bytes(a) : most;
    }
    assert_true(most < (size_t)40 << 20);
    arena_free(a);
}

static void copies_and_formats_text(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct str copy = arena_str(a, STR_LIT("node"));
    assert_string_equal(copy.ptr, "node");
    assert_int_equal(copy.len, 4);
    assert_int_equal(arena_str(a, (struct str){NULL, 0}).ptr[0], '\0');
    assert_string_equal(arena_printf(a, "%s-%d", "gpu", 7), "gpu-7");
    int *numbers = ARENA_ARRAY(a, int, 3);
    assert_int_equal(numbers[2], 0);
}

static void knows_what_fits(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(1000);
    assert_true(arena_fits(a, 9, 100));
    assert_false(arena_fits(a, 11, 100));
    assert_false(arena_fits(a, SIZE_MAX, 2));
    (void)arena_alloc(a, 9, 100);
    assert_false(arena_fits(a, 2, 100));
}

/* Runs `act` in a child and returns its exit status; its words on stderr go to `ret_text`. */
static int run_child(void (*act)(void), char *ret_text, size_t text_size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    (void)close(ends[1]);
    ssize_t got = read(ends[0], ret_text, text_size - 1);
    ret_text[got < 0 ? 0 : got] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void pass_cap(void)
{
    struct arena *a = arena_new(1000);
    for (int i = 0; i < 11; i++)
        (void)arena_alloc(a, 1, 100);
}

static void overflow_count(void)
{
    (void)mem_alloc(SIZE_MAX / 2, 3);
}

static void ends_the_process_with_one_line(void **state)
{
    (void)state;
    char text[256];
    assert_int_equal(run_child(pass_cap, text, sizeof text), 71);
    assert_string_equal(
            text, "slicewright: out of memory: an arena's cap would be passed (100 bytes)\n");
    assert_int_equal(run_child(overflow_count, text, sizeof text), 71);
    assert_non_null(strstr(text, "object count overflows"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(gives_zeroed_aligned_memory),
            cmocka_unit_test(keeps_objects_apart),
            cmocka_unit_test(takes_large_objects_after_reset),
            cmocka_unit_test(holds_no_more_from_round_to_round),
            cmocka_unit_test(copies_and_formats_text),
            cmocka_unit_test(knows_what_fits),
            cmocka_unit_test(ends_the_process_with_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
