/* base/json, base/doc, base/csv: what we write is read back as it was. */
#include "test.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/doc.h"
#include "base/json.h"
#include "base/prng.h"

#include <string.h>
#include <yyjson.h>

enum { OUTPUT_BYTES_MAX = 1 << 22, TEXT_BYTES_MAX = 12, TREE_DEPTH_MAX = 6, MEMBERS_MAX = 6 };

/* Random text: mostly plain, sometimes what needs care in JSON, YAML and CSV. */
static struct str any_text(struct prng *p, struct arena *a)
{
    static const char *const parts[] = {"a", "b", " ", "\"", "\"\"", "\\", ",", "\n", "\r\n", ":",
            "#", "'", "{", "]", "\t", "\x01", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "0",
            "null", "true", "~", "<<", "&", "*", "!", "- ", "? ", "|", ">", "%", "@", "\x7F"};
    struct buf text = BUF_INIT(TEXT_BYTES_MAX * 4);
    uint64_t count = prng_below(p, TEXT_BYTES_MAX);
    for (uint64_t i = 0; i < count; i++)
        buf_puts(&text, parts[prng_below(p, sizeof parts / sizeof parts[0])]);
    struct str copy = arena_str(a, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* A random tree, built as the parsers build theirs. */
static void any_tree(struct prng *p, struct arena *a, struct doc *node, unsigned depth)
{
    *node = (struct doc){.key = node->key};
    uint64_t kind = prng_below(p, depth < TREE_DEPTH_MAX ? 8 : 5);
    switch (kind) {
    case 0:
        node->kind = DOC_NULL;
        return;
    case 1:
        node->kind = DOC_BOOL;
        node->boolean = prng_chance_ppm(p, 500000);
        return;
    case 2:
        node->kind = DOC_INT;
        node->integer = (int64_t)prng_u64(p) >> prng_below(p, 64);
        return;
    case 3:
    case 4:
        node->kind = DOC_STRING;
        node->text = any_text(p, a);
        return;
    default:
        break;
    }
    node->kind = kind == 5 ? DOC_ARRAY : DOC_OBJECT;
    node->count = (uint32_t)prng_below(p, MEMBERS_MAX);
    struct doc *members = ARENA_ARRAY(a, struct doc, node->count);
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->kind == DOC_OBJECT) {
            struct str text = any_text(p, a);
            members[i].key =
                    str_from(arena_printf(a, "%u%.*s", i, STR_ARG(text))); /* no two alike */
        }
        any_tree(p, a, &members[i], depth + 1);
    }
    node->first = members;
}

static void write_tree(struct json_writer *w, const struct doc *node)
{
    switch (node->kind) {
    case DOC_NULL:
        jw_null(w);
        break;
    case DOC_BOOL:
        jw_bool(w, node->boolean);
        break;
    case DOC_INT:
        jw_i64(w, node->integer);
        break;
    case DOC_REAL:
        fail();
        break;
    case DOC_STRING:
        jw_str(w, node->text);
        break;
    case DOC_ARRAY:
        jw_array(w);
        for (uint32_t i = 0; i < node->count; i++)
            write_tree(w, &node->first[i]);
        jw_array_end(w);
        break;
    case DOC_OBJECT:
        jw_object(w);
        for (uint32_t i = 0; i < node->count; i++) {
            jw_key_str(w, node->first[i].key);
            write_tree(w, &node->first[i]);
        }
        jw_object_end(w);
        break;
    }
}

static void assert_same_tree(const struct doc *have, const struct doc *want)
{
    assert_int_equal(have->kind, want->kind);
    assert_true(str_eq(have->key, want->key));
    assert_int_equal(have->boolean, want->boolean);
    assert_true(have->integer == want->integer);
    if (want->kind == DOC_STRING)
        assert_true(str_eq(have->text, want->text));
    assert_int_equal(have->count, want->count);
    for (uint32_t i = 0; i < want->count; i++)
        assert_same_tree(&have->first[i], &want->first[i]);
}

/* Writer -> yyjson itself, doc_parse_json and, since JSON is YAML, doc_parse_yaml. */
static void json_comes_back(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    struct arena *a = arena_new(0);
    struct doc want = {0};
    any_tree(&p, a, &want, 0);
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, (unsigned)prng_below(&p, 3));
    write_tree(&w, &want);
    assert_false(out.overflow);
    assert_int_equal(w.depth, 0);

    yyjson_doc *strict = yyjson_read(out.ptr, out.len, 0);
    assert_non_null(strict);
    yyjson_doc_free(strict);

    const struct doc *have = NULL;
    struct err e = {0};
    assert_int_equal(doc_parse_json(a, buf_str(&out), OUTPUT_BYTES_MAX, &have, &e), 0);
    assert_same_tree(have, &want);

    if (memchr(out.ptr, 0x7F, out.len) == NULL) { /* YAML does not allow a plain DEL */
        int r = doc_parse_yaml(a, buf_str(&out), OUTPUT_BYTES_MAX, &have, &e);
        if (r != 0)
            fail_msg("%s in %s", e.text, out.ptr);
        assert_same_tree(have, &want);
    }
    buf_clear(&out);
    arena_free(a);
}

/* Random bytes, seen as a string, always come out as UTF-8 that yyjson takes. */
static void any_bytes_become_json(uint64_t seed)
{
    struct prng p;
    prng_init(&p, seed);
    char bytes[200];
    size_t len = (size_t)prng_below(&p, sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(prng_chance_ppm(&p, 500000) ? prng_below(&p, 256) : 'a');
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, 0);
    jw_str(&w, (struct str){bytes, len});
    assert_int_equal(str_utf8_prefix(buf_str(&out)), out.len);
    yyjson_doc *strict = yyjson_read(out.ptr, out.len, 0);
    assert_non_null(strict);
    if (str_utf8_prefix((struct str){bytes, len}) == len) {
        yyjson_val *root = yyjson_doc_get_root(strict);
        assert_int_equal(yyjson_get_len(root), len);
        assert_memory_equal(yyjson_get_str(root), bytes, len);
    }
    yyjson_doc_free(strict);
    buf_clear(&out);
}

static void put_cell(struct prng *p, struct buf *out, struct str text)
{
    bool needs_quotes = false;
    for (size_t i = 0; i < text.len; i++)
        needs_quotes = needs_quotes || strchr(",\"\r\n", text.ptr[i]) != NULL;
    if (!needs_quotes && prng_chance_ppm(p, 700000)) {
        buf_put(out, text);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, text.ptr[i]);
    }
    buf_putc(out, '"');
}

static void csv_comes_back(uint64_t seed)
{
    enum { ROWS = 30 };
    struct prng p;
    prng_init(&p, seed);
    struct arena *a = arena_new(0);
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    unsigned columns =
            (unsigned)prng_below(&p, 8) + 2; /* with one, an empty cell is a blank line */
    struct str want[ROWS][10];
    uint32_t lines[ROWS];
    uint32_t line = 1;
    for (unsigned r = 0; r < ROWS; r++) {
        lines[r] = line;
        for (unsigned c = 0; c < columns; c++) {
            want[r][c] = any_text(&p, a);
            if (r == 0) /* a name that is not empty and not there twice */
                want[r][c] = str_from(arena_printf(a, "%u%.*s", c, STR_ARG(want[r][c])));
            buf_puts(&out, c == 0 ? "" : ",");
            put_cell(&p, &out, want[r][c]);
            for (size_t i = 0; i < want[r][c].len; i++)
                line += want[r][c].ptr[i] == '\n';
        }
        buf_puts(&out, prng_chance_ppm(&p, 500000) ? "\r\n" : "\n");
        line++;
        if (prng_chance_ppm(&p, 100000)) {
            buf_putc(&out, '\n');
            line++;
        }
    }
    struct csv csv;
    struct err e = {0};
    assert_int_equal(csv_init(&csv, buf_str(&out), &e), 0);
    assert_int_equal(csv.column_count, columns);
    for (unsigned r = 0; r < ROWS; r++) {
        if (r > 0 && csv_next(&csv, &e) != 1)
            fail_msg("%s", e.text);
        assert_int_equal(csv.line, lines[r]);
        for (unsigned c = 0; c < columns; c++)
            assert_true(str_eq(r == 0 ? csv.header[c] : csv.cell[c], want[r][c]));
    }
    assert_int_equal(csv_next(&csv, &e), 0);
    for (unsigned c = 0; c < columns; c++) /* the header outlives the rows */
        assert_true(str_eq(csv.header[c], want[0][c]));
    csv_clear(&csv);
    buf_clear(&out);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(json_comes_back, 500),
            TEST_PROP(any_bytes_become_json, 1000),
            TEST_PROP(csv_comes_back, 200),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
