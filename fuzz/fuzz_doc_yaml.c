/* fuzz/fuzz_doc_yaml.c - any bytes as YAML: a tree that keeps its promises, or one line of error.
 */
#include "base/doc.h"

#include <assert.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 16, ARENA_BYTES_MAX = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_node(const struct doc *node, unsigned depth)
{
    assert(depth <= DOC_DEPTH_MAX);
    assert(node->line > 0 && node->column > 0);
    if (node->kind == DOC_ARRAY || node->kind == DOC_OBJECT) {
        for (uint32_t i = 0; i < node->count; i++) {
            const struct doc *member = &node->first[i];
            assert((member->key_line > 0) == (node->kind == DOC_OBJECT));
            for (uint32_t j = 0; j < i && j < 50 && node->kind == DOC_OBJECT; j++)
                assert(!str_eq(node->first[j].key, member->key));
            check_node(member, depth + 1);
        }
        return;
    }
    assert(node->count == 0);
    assert(node->text.ptr[node->text.len] == '\0');
    assert(str_utf8_prefix(node->text) == node->text.len);
    int64_t value;
    if (node->kind == DOC_INT && node->text.ptr[0] != '+') {
        int r = str_to_i64(node->text, INT64_MIN, INT64_MAX, &value);
        assert(r == 0 && value == node->integer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct err e = {0};
    const struct doc *d = NULL;
    int r = doc_parse_yaml(a, (struct str){(const char *)data, size}, INPUT_BYTES_MAX, &d, &e);
    if (r == 0) {
        check_node(d, 0);
    } else {
        assert(d == NULL);
        assert(e.code == r && e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
    }
    arena_free(a);
    return 0;
}
