/* Regular expressions: what matches, where, and what is refused, as Go's regexp does. */
#include "cel/regex.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static void test_matches(void **state)
{
    static const struct {
        const char *pattern, *text;
        int start, end; /* -1: no match */
    } rows[] = {
            {"", "", 0, 0},
            {"a+?", "baa", 1, 2},
            {"a|ab", "ab", 0, 1},
            {"(a*)+", "b", 0, 0},
            {"^.*a100.*$", "nvidia a100-sxm4", 0, 16},
            {"$\\A", "b", -1, -1},
            {"(?i)straSSe", "STRASSE", 0, 7},
            {"(?i)k", "\xe2\x84\xaa", 0, 3}, /* KELVIN SIGN */
            {"\\bfoo\\b", "a foo b", 2, 5},
            {"(?m)^b$", "a\nb\nc", 2, 3},
            {".", "\n", -1, -1},
            {"(?s).", "\n", 0, 1},
            {"[^a-y]", "xyz", 2, 3},
            {"\\p{Greek}+", "abγδ", 2, 6},
            {"x{2,3}", "xxxx", 0, 3},
            {"x{2,", "x{2,", 0, 4},
            {"^(?i)?", "b", 0, 0},
            {"\\Qa.b\\E+", "a.bbb", 0, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *a = arena_new(0);
        const struct cel_regex *re = NULL;
        struct err e = {0};
        size_t start = 0;
        size_t end = 0;
        struct str text = str_from(rows[i].text);
        assert_int_equal(cel_regex_compile(a, str_from(rows[i].pattern), &re, &e), 0);
        bool found = cel_regex_find(re, text, 0, a, &start, &end);
        if (found != (rows[i].start >= 0) || cel_regex_match(re, text, a) != found ||
                (found && ((int)start != rows[i].start || (int)end != rows[i].end)))
            fail_msg("%s on %s: %d %zu-%zu", rows[i].pattern, rows[i].text, found, start, end);
        arena_free(a);
    }
}

static void test_refused(void **state)
{
    static const char *const patterns[] = {"(", ")", "[", "[b-a]", "*", "a**", "a{1001}", "a{3,1}",
            "(?=a)", "\\1", "\\", "(?P<>a)", "(a{100}){11}", "\\pX", "(?i-)", "\\C"};
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct arena *a = arena_new(0);
        const struct cel_regex *re = NULL;
        struct err e = {0};
        if (cel_regex_compile(a, str_from(patterns[i]), &re, &e) != -EINVAL)
            fail_msg("%s was accepted", patterns[i]);
        arena_free(a);
    }
}

/* Exponential for backtrackers. */
static void test_linear(void **state)
{
    struct arena *a = arena_new(0);
    const struct cel_regex *re = NULL;
    struct err e = {0};
    char text[2001];
    size_t start = 0;
    size_t end = 0;
    (void)state;
    memset(text, 'a', 2000);
    assert_int_equal(cel_regex_compile(a, STR_LIT("(a?){30}(a*)*b\\b"), &re, &e), 0);
    assert_false(cel_regex_find(re, (struct str){text, 2000}, 0, a, &start, &end));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_matches),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
