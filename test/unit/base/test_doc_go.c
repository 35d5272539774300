/* base/doc_go: YAML as Go programs read it.  The expected readings are those of sigs.k8s.io/yaml,
 * which test/prop/nvidia/prop_parsers.c runs beside ours. */
#include "test.h"

#include "base/buf.h"
#include "base/doc_go.h"

#include <errno.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

/* Writes a tree as one line. */
static void put(const struct doc *d, struct buf *out)
{
    bool object = d->kind == DOC_OBJECT;
    int64_t value = 0;
    switch (d->kind) {
    case DOC_NULL:
        buf_puts(out, "null");
        return;
    case DOC_BOOL:
        buf_puts(out, d->boolean ? "true" : "false");
        return;
    case DOC_INT:
    case DOC_REAL:
        if (doc_go_int(d, &value)) {
            buf_printf(out, "%lld", (long long)value);
        } else {
            buf_printf(out, "%.*s", STR_ARG(d->text));
        }
        return;
    case DOC_STRING:
        buf_printf(out, "'%.*s'", STR_ARG(d->text));
        return;
    case DOC_ARRAY:
    case DOC_OBJECT:
        break;
    }
    buf_putc(out, object ? '{' : '[');
    for (uint32_t i = 0; i < d->count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        if (object)
            buf_printf(out, "%.*s:", STR_ARG(d->first[i].key));
        put(&d->first[i], out);
    }
    buf_putc(out, object ? '}' : ']');
}

static const struct {
    const char *text;
    const char *want; /* the first document; NULL = refused */
    unsigned notes;
} cases[] = {
        {"", "", 0},
        {"# only a comment\n", "", 0},
        {"---\n", "null", 0},
        {"[yes, No, on, OFF, y, n, yEs]", "[true,false,true,false,true,false,'yEs']", 6},
        {"[\"yes\", 'no', true, Null, ~]", "['yes','no',true,null,null]", 0},
        {"[010, 0x1F, 0o17, 0b101, 1_000, -0x10, 09]", "[8,31,15,5,1000,-16,9]", 6},
        {"[0x, 0o8, 0b2, 1__0, _1, 12:30, 1.2.3, 2020-01-01]",
                "['0x','0o8','0b2',10,'_1','12:30','1.2.3','2020-01-01']", 1},
        {"[4.0, 4e0, 40e-1, .4e1, 4., 1e3, -0.0, 4.5]", "[4,4,4,4,4,1000,0,4.5]", 0},
        {"[1e18, 1e19, 9223372036854775807, 9223372036854775808, 1e400]",
                "[1000000000000000000,1e19,9223372036854775807,9223372036854775808,'1e400']", 0},
        {"[4.00000000000000000001]", "[4]", 0},
        {"[.inf, -.INF, .nan, .infinity]", "[.inf,-.INF,.nan,'.infinity']", 0},
        {"{a: 1, b: 2, a: 3}", "{b:2,a:3}", 1},
        {"{yes: 1, 0x10: 2, true: 3}", "{16:2,true:3}", 3},
        {"{x: &a {k: 1}, w: *a, z: [*a, *a]}", "{x:{k:1},w:{k:1},z:[{k:1},{k:1}]}", 3},
        {"{x: &a 4, *a : 5}", "{x:4,4:5}", 1},
        {"{x: &a {k: 1, l: 2}, w: {<<: *a, k: 3}, z: {k: 3, <<: *a}}",
                "{x:{k:1,l:2},w:{l:2,k:3},z:{k:1,l:2}}", 6},
        {"{<<: [{a: 1, b: 1}, {a: 2, c: 2}]}", "{c:2,a:1,b:1}", 2},
        {"{<<: 4}", NULL, 0},
        {"{\"<<\": 4}", "{<<:4}", 0},
        {"{x: *a}", NULL, 0},
        {"&a [*a]", NULL, 0},
        {"{[a]: 1}", NULL, 0},
        {"{? : 1}", NULL, 0},
        {"[!!str 4, !!int \"4\", !!float 4, !x 4]", "['4',4,4,'4']", 4},
        {"[!!int x]", NULL, 0},
        {"a: 1\n---\nb: 2\n", "{a:1}", 0},
        {"a: 1\n---\n[\n", "{a:1}", 0},
        {"a: [\n", NULL, 0},
        {"a: \xff\n", NULL, 0},
};

static void reads_what_go_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
        struct buf out = BUF_INIT(4096);
        struct doc_go go = {0};
        struct err e = {0};
        int r = doc_go_parse(a, str_from(cases[i].text), INPUT_BYTES_MAX, &go, &e);
        if ((r == 0) != (cases[i].want != NULL))
            fail_msg("%s: %d %s", cases[i].text, r, e.text);
        if (r < 0) {
            assert_true(e.text[0] != '\0');
            continue;
        }
        if (go.count > 0)
            put(go.documents[0].root, &out);
        if (!str_eq_c(buf_str(&out), cases[i].want))
            fail_msg("%s: %.*s", cases[i].text, STR_ARG(buf_str(&out)));
        if (go.note_count != cases[i].notes)
            fail_msg("%s: %u notes", cases[i].text, go.note_count);
        buf_clear(&out);
    }
}

static void says_where(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct doc_go go = {0};
    struct err e = {0};
    const char *text = "a: 1\nb:\n  c: yes\na: 2\n--- # second\nx: 1\n--- [\n";
    assert_int_equal(doc_go_parse(a, str_from(text), INPUT_BYTES_MAX, &go, &e), 0);
    assert_int_equal(go.count, 2);
    assert_int_equal(go.tail.code, -EINVAL);
    assert_int_equal(go.documents[0].note_count, 2);
    assert_int_equal(go.documents[1].note_count, 0);
    assert_int_equal(go.notes[0].kind, DOC_GO_WORD);
    assert_int_equal(go.notes[0].line, 3);
    assert_int_equal(go.notes[0].column, 6);
    assert_int_equal(go.notes[1].kind, DOC_GO_DUPLICATE);
    assert_int_equal(go.notes[1].line, 1);
    assert_int_equal(go.notes[1].other_line, 4);
    assert_int_equal(go.documents[1].root->line, 6);
}

/* Aliases of aliases: 10^9 values from a few lines. */
static void bounds_what_aliases_repeat(void **state)
{
    (void)state;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct buf text = BUF_INIT(4096);
    struct doc_go go = {0};
    struct err e = {0};
    buf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&text, "%s*a%d", k > 0 ? ", " : "", i - 1);
        buf_puts(&text, "]\n");
    }
    assert_int_equal(doc_go_parse(a, buf_str(&text), INPUT_BYTES_MAX, &go, &e), -E2BIG);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_what_go_reads),
            cmocka_unit_test(says_where),
            cmocka_unit_test(bounds_what_aliases_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
