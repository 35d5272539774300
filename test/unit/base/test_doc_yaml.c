/* base/doc: YAML, strictly. */
#include "test.h"

#include "base/buf.h"
#include "base/doc.h"

#include <errno.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

static const struct doc *parse(struct arena *a, const char *text)
{
    struct err e = {0};
    const struct doc *d = NULL;
    int r = doc_parse_yaml(a, str_from(text), INPUT_BYTES_MAX, &d, &e);
    if (r != 0)
        fail_msg("%s: %s", text, e.text);
    return d;
}

static void reads_a_policy(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    const struct doc *d = parse(a, "kind: SharingPolicy\n"
                                   "spec:\n"
                                   "  replicas: {min: 2, max: 8}\n"
                                   "  techniques:\n"
                                   "  - name: mig\n"
                                   "    mode: apply\n"
                                   "  - name: time-slicing\n"
                                   "  note: |\n"
                                   "    two\n"
                                   "    lines\n");
    assert_int_equal(d->kind, DOC_OBJECT);
    assert_int_equal(d->count, 2);
    assert_true(str_eq_c(doc_get(d, "kind")->text, "SharingPolicy"));
    const struct doc *spec = doc_get(d, "spec");
    const struct doc *max = doc_get(doc_get(spec, "replicas"), "max");
    assert_int_equal(max->kind, DOC_INT);
    assert_int_equal(max->integer, 8);
    assert_int_equal(max->line, 3);
    assert_int_equal(max->column, 27);
    assert_int_equal(max->key_line, 3);
    assert_int_equal(max->key_column, 22);
    const struct doc *techniques = doc_get(spec, "techniques");
    assert_int_equal(techniques->kind, DOC_ARRAY);
    assert_int_equal(techniques->count, 2);
    assert_true(str_eq_c(doc_get(&techniques->first[1], "name")->text, "time-slicing"));
    assert_int_equal(doc_get(&techniques->first[1], "name")->line, 7);
    assert_true(str_eq_c(doc_get(spec, "note")->text, "two\nlines\n"));
    assert_null(doc_get(spec, "nothing"));
    assert_null(doc_get(NULL, "x"));
    assert_null(doc_get(techniques, "x"));
}

static void gives_scalars_their_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum doc_kind kind;
        int64_t integer;
    } cases[] = {
            {"null", DOC_NULL, 0},
            {"~", DOC_NULL, 0},
            {"true", DOC_BOOL, 1},
            {"FALSE", DOC_BOOL, 0},
            {"yes", DOC_STRING, 0},
            {"on", DOC_STRING, 0},
            {"No", DOC_STRING, 0},
            {"'true'", DOC_STRING, 0},
            {"\"12\"", DOC_STRING, 0},
            {"12", DOC_INT, 12},
            {"-3", DOC_INT, -3},
            {"+4", DOC_INT, 4},
            {"0", DOC_INT, 0},
            {"-0", DOC_INT, 0},
            {"9223372036854775807", DOC_INT, INT64_MAX},
            {"-9223372036854775808", DOC_INT, INT64_MIN},
            {"9223372036854775808", DOC_REAL, 0},
            {"0.5", DOC_REAL, 0},
            {".5", DOC_REAL, 0},
            {"1e3", DOC_REAL, 0},
            {"1.e-3", DOC_REAL, 0},
            {"1_000", DOC_STRING, 0},
            {"12:30:45", DOC_STRING, 0},
            {"2026-11-22", DOC_STRING, 0},
            {"1.2.3", DOC_STRING, 0},
            {"1e", DOC_STRING, 0},
            {".", DOC_STRING, 0},
            {"90s", DOC_STRING, 0},
            {"0xyz", DOC_STRING, 0},
            {"2g.10gb", DOC_STRING, 0},
    };
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct doc *d = parse(a, cases[i].text);
        if (d->kind != cases[i].kind)
            fail_msg("%s is %s", cases[i].text, doc_kind_name(d->kind));
        assert_true(d->integer == (d->kind == DOC_INT ? cases[i].integer : 0));
        assert_int_equal(d->boolean, d->kind == DOC_BOOL && cases[i].integer == 1);
    }
    assert_true(str_eq_c(parse(a, "9223372036854775808")->text, "9223372036854775808"));
    assert_true(str_eq_c(parse(a, "+4")->text, "+4"));
    assert_true(str_eq_c(parse(a, "a: '%TAG'")->first[0].text, "%TAG"));
    assert_int_equal(doc_get(parse(a, "a:\nb: 1"), "a")->kind, DOC_NULL);
    assert_int_equal(parse(a, "\xEF\xBB\xBF"
                              "a: 1")
                             ->count,
            1);
    assert_int_equal(parse(a, "{\"a\": [1, {}], \"b\": []}")->count, 2);
    assert_int_equal(parse(a, "--- a\n...\n")->kind, DOC_STRING);
    assert_true(str_eq_c(parse(a, "\"<<\": 1")->first[0].key, "<<"));
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
            {"", "no content, expected a document"},
            {"# only a comment\n", "no content, expected a document"},
            {"a: 1\nb: 2\n\na: 3\n", "line 4, column 1: key 'a' stands already on line 1"},
            {"x:\n  '1': a\n  1: b\n", "line 3, column 3: key '1' stands already on line 2"},
            {"b: 0\na: 1\nb: 1\na: 2\n", "line 3, column 1: key 'b' stands already on line 1"},
            {"a: &x 1", "line 1, column 4: anchors (&) are not read"},
            {"&x a: 1", "line 1, column 1: anchors (&) are not read"},
            {"a: &x [1]", "line 1, column 4: anchors (&) are not read"},
            {"a: &x {b: 1}", "line 1, column 4: anchors (&) are not read"},
            {"a: *x", "line 1, column 4: aliases (*) are not read"},
            {"*x : 1", "line 1, column 1: aliases (*) are not read"},
            {"a: !!str 1", "line 1, column 4: tags (!) are not read"},
            {"a: ! 1", "line 1, column 4: tags (!) are not read"},
            {"!!map {a: 1}", "line 1, column 1: tags (!) are not read"},
            {"- !x [1]", "line 1, column 3: tags (!) are not read"},
            {"a:\n  <<: {b: 1}", "line 2, column 3: merge keys (<<) are not read"},
            {"--- a\n--- b\n", "line 2, column 1: a second document, expected one"},
            {"{[1]: 2}", "line 1, column 2: a list as a key, expected a string"},
            {"%TAG !e! tag:x,2000:\n---\na", "line 1, column 1: %TAG directives are not read"},
            {"a\n...\n%TAG !e! x:\n--- b", "line 3, column 1: %TAG directives are not read"},
            {"# c\r%TAG !e! x:\r--- b", "line 1, column 1: %TAG directives are not read"},
            {"a: [1", "line 2, column 1: did not find expected ',' or ']'"},
            {"a: \xFF", "byte 3 is not UTF-8"},
    };
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        const struct doc *d = NULL;
        int r = doc_parse_yaml(a, str_from(cases[i].text), INPUT_BYTES_MAX, &d, &e);
        assert_int_equal(r, -EINVAL);
        assert_int_equal(e.code, r);
        assert_null(d);
        if (strcmp(cases[i].message, "line 2, column 1: did not find expected ',' or ']'") == 0)
            continue; /* libyaml's own words and marks differ between its versions */
        assert_string_equal(e.text, cases[i].message);
    }
}

static void refuses_numbers_that_readers_differ_on(void **state)
{
    (void)state;
    static const char *const cases[] = {
            "0x1F", "0o17", "0b101", "010", "-010", "00", "010.5", ".inf", "-.Inf", ".NaN", "+0x1"};
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        const struct doc *d = NULL;
        int r = doc_parse_yaml(a, str_from(cases[i]), INPUT_BYTES_MAX, &d, &e);
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(e.text, "different things"));
    }
}

static int parse_repeated(struct arena *a, const char *part, unsigned count, struct err *reterr)
{
    struct buf text = BUF_INIT(INPUT_BYTES_MAX);
    for (unsigned i = 0; i < count; i++)
        buf_puts(&text, part);
    assert_false(text.overflow);
    const struct doc *d = NULL;
    int r = doc_parse_yaml(a, buf_str(&text), INPUT_BYTES_MAX, &d, reterr);
    buf_clear(&text);
    return r;
}

static void keeps_its_limits(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct err e = {0};
    const struct doc *d = NULL;
    assert_int_equal(doc_parse_yaml(a, STR_LIT("a: 1"), 3, &d, &e), -E2BIG);
    assert_string_equal(e.text, "4 bytes, expected at most 3");
    assert_int_equal(parse_repeated(a, "[", 500000, &e), -E2BIG);
    assert_string_equal(e.text, "line 1, column 65: nested deeper than 64");
    assert_int_equal(parse_repeated(a, "{a: ", 200000, &e), -E2BIG);
    assert_int_equal(parse_repeated(a, "- ", 200000, &e), -E2BIG);
    assert_int_equal(parse_repeated(a, "? ", 200000, &e), -EINVAL); /* a map as a key */

    SCOPED(arena_scoped_free) struct arena *small = arena_new(2000);
    assert_int_equal(parse_repeated(small, "- x\n", 10000, &e), -E2BIG);
    assert_non_null(strstr(e.text, "too large for the memory that it may take"));
}

static void takes_the_deepest_allowed(void **state)
{
    (void)state;
    char text[2 * DOC_DEPTH_MAX + 1];
    memset(text, '[', DOC_DEPTH_MAX);
    memset(text + DOC_DEPTH_MAX, ']', DOC_DEPTH_MAX);
    text[2 * DOC_DEPTH_MAX] = '\0';
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    const struct doc *d = parse(a, text);
    unsigned depth = 1;
    for (; d->count == 1; d = d->first)
        depth++;
    assert_int_equal(depth, DOC_DEPTH_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_a_policy),
            cmocka_unit_test(gives_scalars_their_kind),
            cmocka_unit_test(refuses),
            cmocka_unit_test(refuses_numbers_that_readers_differ_on),
            cmocka_unit_test(keeps_its_limits),
            cmocka_unit_test(takes_the_deepest_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
