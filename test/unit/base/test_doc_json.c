/* base/doc: JSON, strictly. */
#include "test.h"

#include "base/doc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

static const struct doc *parse(struct arena *a, const char *text)
{
    struct err e = {0};
    const struct doc *d = NULL;
    int r = doc_parse_json(a, str_from(text), INPUT_BYTES_MAX, &d, &e);
    if (r != 0)
        fail_msg("%s: %s", text, e.text);
    return d;
}

static void reads_a_pod(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    const struct doc *d = parse(a, "{\"metadata\": {\"name\": \"p\\u00e9\\n\", \"labels\": {}},"
                                   " \"n\": [1, -2.50, true, null, \"\"]}\n");
    assert_int_equal(d->count, 2);
    assert_true(str_eq_c(doc_get(doc_get(d, "metadata"), "name")->text, "p\xC3\xA9\n"));
    assert_int_equal(doc_get(doc_get(d, "metadata"), "labels")->count, 0);
    const struct doc *n = doc_get(d, "n");
    assert_int_equal(n->count, 5);
    assert_int_equal(n->first[0].kind, DOC_INT);
    assert_int_equal(n->first[0].integer, 1);
    assert_int_equal(n->first[1].kind, DOC_REAL);
    assert_true(str_eq_c(n->first[1].text, "-2.50"));
    assert_int_equal(n->first[2].kind, DOC_BOOL);
    assert_true(n->first[2].boolean);
    assert_int_equal(n->first[3].kind, DOC_NULL);
    assert_int_equal(n->first[4].kind, DOC_STRING);
    assert_int_equal(n->first[4].line, 0);
    assert_int_equal(parse(a, "7")->integer, 7);
}

static void keeps_numbers_exact(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    assert_true(parse(a, "9223372036854775807")->integer == INT64_MAX);
    assert_true(parse(a, "-9223372036854775808")->integer == INT64_MIN);
    static const char *const reals[] = {"9223372036854775808", "-9223372036854775809",
            "123456789012345678901234567890", "1e999", "0.1", "1E2"};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        const struct doc *d = parse(a, reals[i]);
        assert_int_equal(d->kind, DOC_REAL);
        assert_true(str_eq_c(d->text, reals[i]));
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t pos;
        const char *part;
    } cases[] = {
            {"", 0, "no content"},
            {"{\"a\": 1, \"b\": 2, \"a\": 3}", 0,
                    "key 'a' stands twice in one object (members 1 and 3)"},
            {"{\"x\": [{\"a\": 1, \"\\u0061\": 3}]}", 0, "key 'a' stands twice"},
            {"[NaN]", 1, "byte 1: "},
            {"[Infinity]", 1, "byte 1: "},
            {"[1,]", 2, "byte 2: "},
            {"[1] 2", 4, "byte 4: "},
            {"[01]", 1, "byte "},
            {"[+1]", 1, "byte 1: "},
            {"// c\n1", 0, "byte 0: "},
            {"['a']", 1, "byte 1: "},
            {"[\"a\nb\"]", 3, "byte 3: "},
            {"[\"\xFF\"]", 2, "byte 2 is not UTF-8"},
            {"[\"\\ud800\"]", 2, "byte "},
            {"\xEF\xBB\xBF[]", 0, "byte 0: "},
            {"[", 1, "byte 1: "},
    };
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        const struct doc *d = NULL;
        int r = doc_parse_json(a, str_from(cases[i].text), INPUT_BYTES_MAX, &d, &e);
        if (r != -EINVAL || strstr(e.text, cases[i].part) == NULL)
            fail_msg("%s: %d %s", cases[i].text, r, e.text);
        assert_null(d);
        if (strcmp(cases[i].part, "byte ") != 0)
            assert_int_equal(e.pos, cases[i].pos);
    }
}

static void keeps_its_limits(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct err e = {0};
    const struct doc *d = NULL;
    assert_int_equal(doc_parse_json(a, STR_LIT("[1]"), 2, &d, &e), -E2BIG);
    char *text = malloc(2 * DEEP);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    struct str deep = {text, 2 * DEEP};
    assert_int_equal(doc_parse_json(a, deep, INPUT_BYTES_MAX, &d, &e), -E2BIG);
    assert_string_equal(e.text, "nested deeper than 64");
    deep = (struct str){text + DEEP - DOC_DEPTH_MAX, 2 * DOC_DEPTH_MAX};
    assert_int_equal(doc_parse_json(a, deep, INPUT_BYTES_MAX, &d, &e), 0);
    deep = (struct str){text + DEEP - DOC_DEPTH_MAX - 1, 2 * DOC_DEPTH_MAX + 2};
    assert_int_equal(doc_parse_json(a, deep, INPUT_BYTES_MAX, &d, &e), -E2BIG);

    memset(text, ',', 2 * DEEP);
    for (int i = 1; i < 2 * DEEP; i += 2)
        text[i] = '1';
    text[0] = '[';
    text[2 * DEEP - 2] = ' ';
    text[2 * DEEP - 1] = ']';
    SCOPED(arena_scoped_free) struct arena *small = arena_new(5000);
    struct str wide = {text, 2 * DEEP};
    assert_int_equal(doc_parse_json(small, wide, INPUT_BYTES_MAX, &d, &e), -E2BIG);
    assert_string_equal(e.text, "too large for the memory that it may take");
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_a_pod),
            cmocka_unit_test(keeps_numbers_exact),
            cmocka_unit_test(refuses),
            cmocka_unit_test(keeps_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
