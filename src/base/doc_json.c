/* base/doc_json.c - JSON into a doc tree, by yyjson.  Pure.
 *
 * yyjson keeps both members of a duplicate key and finds the first; here they are refused.  Numbers
 * are read as text, so that none is rounded.  Its reader does not recurse, so deep input is safe;
 * the copy into our tree recurses and checks the depth first. */
#include "base/doc.h"

#include "base/doc-priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <yyjson.h>

struct json_reader {
    struct arena *a;
    uint32_t node_count;
    struct err *reterr;
};

/* A copy of text[len] in the arena. */
static int copy_text(struct json_reader *r, const char *text, size_t len, struct str *ret_copy)
{
    if (!arena_fits(r->a, len + 1, 1))
        return err_set(r->reterr, -E2BIG, "too large for the memory that it may take");
    *ret_copy = arena_str(r->a, (struct str){text, len});
    return 0;
}

static int convert(struct json_reader *r, yyjson_val *value, struct doc *node, unsigned depth);

/* Makes room for the members of a container. */
static int alloc_members(
        struct json_reader *r, size_t count, unsigned depth, struct doc **ret_members)
{
    if (depth >= DOC_DEPTH_MAX)
        return err_set(r->reterr, -E2BIG, "nested deeper than %d", DOC_DEPTH_MAX);
    if (count > DOC_NODES_MAX - r->node_count)
        return err_set(r->reterr, -E2BIG, "more than %d values", DOC_NODES_MAX);
    if (!arena_fits(r->a, count, sizeof(struct doc)))
        return err_set(r->reterr, -E2BIG, "too large for the memory that it may take");
    r->node_count += (uint32_t)count;
    *ret_members = ARENA_ARRAY(r->a, struct doc, count);
    return 0;
}

static int convert_array(struct json_reader *r, yyjson_val *value, struct doc *node, unsigned depth)
{
    struct doc *members = NULL;
    size_t count = yyjson_arr_size(value);
    int e = alloc_members(r, count, depth, &members);
    if (e < 0)
        return e;
    yyjson_arr_iter it = yyjson_arr_iter_with(value);
    for (size_t i = 0; i < count; i++) {
        e = convert(r, yyjson_arr_iter_next(&it), &members[i], depth + 1);
        if (e < 0)
            return e;
    }
    node->kind = DOC_ARRAY;
    node->count = (uint32_t)count;
    node->first = members;
    return 0;
}

static int convert_object(
        struct json_reader *r, yyjson_val *value, struct doc *node, unsigned depth)
{
    struct doc *members = NULL;
    size_t count = yyjson_obj_size(value);
    int e = alloc_members(r, count, depth, &members);
    if (e < 0)
        return e;
    yyjson_obj_iter it = yyjson_obj_iter_with(value);
    for (size_t i = 0; i < count; i++) {
        yyjson_val *key = yyjson_obj_iter_next(&it);
        e = copy_text(r, yyjson_get_str(key), yyjson_get_len(key), &members[i].key);
        if (e == 0)
            e = convert(r, yyjson_obj_iter_get_val(key), &members[i], depth + 1);
        if (e < 0)
            return e;
    }
    const struct doc *before;
    const struct doc *again;
    if (doc_find_duplicate(members, (uint32_t)count, &before, &again)) {
        return err_set(r->reterr, -EINVAL,
                "key '%.*s' stands twice in one object (members %td and "
                "%td)",
                STR_ARG_SHORT(again->key), before - members + 1, again - members + 1);
    }
    node->kind = DOC_OBJECT;
    node->count = (uint32_t)count;
    node->first = members;
    return 0;
}

static int convert_scalar(struct json_reader *r, yyjson_val *value, struct doc *node)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        node->kind = DOC_NULL;
        node->text = STR_LIT("null");
        return 0;
    case YYJSON_TYPE_BOOL:
        node->kind = DOC_BOOL;
        node->boolean = yyjson_get_bool(value);
        node->text = node->boolean ? STR_LIT("true") : STR_LIT("false");
        return 0;
    case YYJSON_TYPE_STR:
        node->kind = DOC_STRING;
        return copy_text(r, yyjson_get_str(value), yyjson_get_len(value), &node->text);
    default:
        break;
    }
    assert(yyjson_is_raw(value));
    int e = copy_text(r, yyjson_get_raw(value), yyjson_get_len(value), &node->text);
    if (e == 0)
        doc_number_set(node, doc_number_classify(node->text));
    return e;
}

static int convert(struct json_reader *r, yyjson_val *value, struct doc *node, unsigned depth)
{
    if (yyjson_is_arr(value))
        return convert_array(r, value, node, depth);
    if (yyjson_is_obj(value))
        return convert_object(r, value, node, depth);
    return convert_scalar(r, value, node);
}

int doc_parse_json(struct arena *a, struct str input, size_t max_bytes, const struct doc **ret_doc,
        struct err *reterr)
{
    int e = doc_check_input(input, max_bytes, reterr);
    if (e < 0)
        return e;
    if (input.len == 0)
        return err_set(reterr, -EINVAL, "no content, expected a JSON value");
    yyjson_read_err fault;
    /* Without YYJSON_READ_INSITU the input is only read; yyjson's interface lacks the const. */
    union {
        const char *in;
        char *out;
    } text = {.in = input.ptr};
    yyjson_doc *parsed =
            yyjson_read_opts(text.out, input.len, YYJSON_READ_NUMBER_AS_RAW, NULL, &fault);
    if (parsed == NULL) {
        return err_set_at(
                reterr, -EINVAL, (uint32_t)fault.pos, "byte %zu: %s", fault.pos, fault.msg);
    }
    struct json_reader r = {.a = a, .node_count = 1, .reterr = reterr};
    struct doc *root = NULL;
    if (!arena_fits(a, 1, sizeof *root))
        e = err_set(reterr, -E2BIG, "too large for the memory that it may take");
    if (e == 0) {
        root = ARENA_NEW(a, struct doc);
        e = convert(&r, yyjson_doc_get_root(parsed), root, 0);
    }
    yyjson_doc_free(parsed);
    if (e == 0)
        *ret_doc = root;
    return e;
}
