/* Patterns: the automaton and the machine give the same verdict, and a match that is found does not
 * begin later than any other. */
#include "base/prng.h"
#include "cel/regex.h"
#include "test.h"

#include <string.h>

static const char *piece(struct prng *r)
{
    static const char *const pieces[] = {"a", "b", ".", "[ab]", "[^a]", "(", ")", "|", "*", "+",
            "?", "^", "$", "\\A", "\\z", "{2}", "(?i)", "B", "(?:", "*?", "\\d", "é"};
    return pieces[prng_below(r, sizeof pieces / sizeof pieces[0])];
}

static void prop_automaton_agrees(uint64_t seed)
{
    struct prng r;
    prng_init(&r, seed);
    char pattern[80] = "";
    char text[16];
    for (unsigned i = (unsigned)prng_below(&r, 9); i-- > 0;)
        strcat(pattern, piece(&r));
    size_t len = (size_t)prng_below(&r, sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = "abAB1\n"[prng_below(&r, 6)];
    struct arena *a = arena_new(0);
    const struct cel_regex *re = NULL;
    struct err e = {0};
    struct str subject = {text, len};
    if (cel_regex_compile(a, str_from(pattern), &re, &e) == 0) {
        size_t start = 0;
        size_t end = 0;
        size_t other = 0;
        bool found = cel_regex_find(re, subject, 0, a, &start, &end);
        assert_int_equal(found, cel_regex_match(re, subject, a));
        for (size_t from = 0; found && from <= len; from++) {
            if (cel_regex_find(re, subject, from, a, &other, &end))
                assert_true(other >= start);
        }
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(prop_automaton_agrees, 20000),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
