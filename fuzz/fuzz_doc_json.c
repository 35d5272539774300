/* fuzz/fuzz_doc_json.c - any bytes as JSON: what is read, written and read again is the same; or
 * one line of error. */
#include "base/doc.h"
#include "base/json.h"

#include <assert.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 16, ARENA_BYTES_MAX = 1 << 24, OUTPUT_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    case DOC_REAL: /* the writer has no number that is text: its text as a string will do */
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

static void check_same(const struct doc *have, const struct doc *want)
{
    bool real = want->kind == DOC_REAL;
    assert(have->kind == (real ? DOC_STRING : want->kind));
    assert(have->count == want->count && have->integer == want->integer);
    assert(have->boolean == want->boolean);
    assert(str_eq(have->key, want->key));
    assert(want->kind == DOC_INT || str_eq(have->text, want->text));
    for (uint32_t i = 0; i < want->count; i++)
        check_same(&have->first[i], &want->first[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct err e = {0};
    const struct doc *d = NULL;
    int r = doc_parse_json(a, (struct str){(const char *)data, size}, INPUT_BYTES_MAX, &d, &e);
    if (r == 0) {
        struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
        struct json_writer w = JSON_WRITER(&out, (unsigned)(size % 3));
        write_tree(&w, d);
        const struct doc *again = NULL;
        if (!out.overflow) {
            r = doc_parse_json(a, buf_str(&out), OUTPUT_BYTES_MAX, &again, &e);
            assert(r == 0);
            check_same(again, d);
        }
        buf_clear(&out);
    } else {
        assert(d == NULL);
        assert(e.code == r && e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
    }
    arena_free(a);
    return 0;
}
