/* base/doc_yaml.c - YAML into a doc tree, by libyaml's events.  Pure.
 *
 * Containers that are open stand in a stack of frames; nodes that are done but whose container is
 * still open stand in a second stack.  A container that closes takes its members off that stack
 * into the arena, where they are contiguous.
 *
 * INVARIANT: time stays near linear in the size of the input.  libyaml looks at every open flow
 * level for every token, so time grows with depth times size; the cap on depth, kept while events
 * come in, bounds that. */
#include "base/doc.h"

#include "base/doc-priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* A container that is not closed yet. */
struct frame {
    struct doc node; /* as it will stand in its own container */
    uint32_t first;  /* the stack's height below its members */
    bool has_key;    /* objects: the key of the next member is in key, key_line, key_column */
    struct str key;
    uint32_t key_line, key_column;
};

struct yaml_reader {
    struct arena *a;
    struct err *reterr;
    struct doc *done; /* by mem_grow */
    uint32_t done_count, done_cap;
    uint32_t node_count;
    unsigned depth;
    struct frame frames[DOC_DEPTH_MAX];
};

static uint32_t line_of(yaml_mark_t mark)
{
    return (uint32_t)mark.line + 1;
}

static uint32_t column_of(yaml_mark_t mark)
{
    return (uint32_t)mark.column + 1;
}

/* An error at `mark`: "line L, column C: ...". */
__attribute__((format(printf, 4, 5))) static int fault(
        struct yaml_reader *r, yaml_mark_t mark, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set_at(r->reterr, code, (uint32_t)mark.index,
            "line %" PRIu32 ", column %" PRIu32 ": %s", line_of(mark), column_of(mark), text);
}

static int too_large(struct yaml_reader *r, yaml_mark_t mark)
{
    return fault(r, mark, -E2BIG, "too large for the memory that it may take");
}

static bool is_any(struct str s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (str_eq_c(s, *words))
            return true;
    }
    return false;
}

/* Gives a plain scalar its kind by the core schema. */
static int resolve_plain(struct yaml_reader *r, yaml_mark_t mark, struct doc *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    if (is_any(node->text, nulls)) {
        node->kind = DOC_NULL;
        return 0;
    }
    if (is_any(node->text, trues) || is_any(node->text, falses)) {
        node->kind = DOC_BOOL;
        node->boolean = is_any(node->text, trues);
        return 0;
    }
    enum doc_number number = doc_number_classify(node->text);
    if (number == DOC_NUMBER_REFUSED) {
        return fault(r, mark, -EINVAL,
                "'%.*s' means different things to different readers, expected a decimal number or "
                "quotes",
                STR_ARG_SHORT(node->text));
    }
    if (number == DOC_NUMBER_NONE) {
        node->kind = DOC_STRING;
    } else {
        doc_number_set(node, number);
    }
    return 0;
}

/* Puts a finished node onto the stack, under the key that waits for it. */
static void push_done(struct yaml_reader *r, struct doc *node)
{
    if (r->depth > 0 && r->frames[r->depth - 1].node.kind == DOC_OBJECT) {
        struct frame *f = &r->frames[r->depth - 1];
        assert(f->has_key);
        node->key = f->key;
        node->key_line = f->key_line;
        node->key_column = f->key_column;
        f->has_key = false;
    }
    if (r->done_count == r->done_cap) {
        r->done_cap = r->done_cap == 0 ? 64 : r->done_cap * 2;
        r->done = mem_grow(r->done, r->done_cap, sizeof *r->done);
    }
    r->done[r->done_count++] = *node;
}

/* True when the next node is the key of an object's member. */
static bool wants_key(const struct yaml_reader *r)
{
    if (r->depth == 0)
        return false;
    const struct frame *f = &r->frames[r->depth - 1];
    return f->node.kind == DOC_OBJECT && !f->has_key;
}

static int on_key(struct yaml_reader *r, const yaml_event_t *event)
{
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct str key = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (plain && str_eq_c(key, "<<"))
        return fault(r, event->start_mark, -EINVAL, "merge keys (<<) are not read");
    if (plain && key.len == 0)
        return fault(r, event->start_mark, -EINVAL, "a key is missing before the colon");
    if (!arena_fits(r->a, key.len + 1, 1))
        return too_large(r, event->start_mark);
    struct frame *f = &r->frames[r->depth - 1];
    f->key = arena_str(r->a, key);
    f->key_line = line_of(event->start_mark);
    f->key_column = column_of(event->start_mark);
    f->has_key = true;
    return 0;
}

/* Counts a node that begins. */
static int count_node(struct yaml_reader *r, yaml_mark_t mark)
{
    if (r->node_count == DOC_NODES_MAX)
        return fault(r, mark, -E2BIG, "more than %d values", DOC_NODES_MAX);
    r->node_count++;
    return 0;
}

static int on_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
    if (event->data.scalar.anchor != NULL)
        return fault(r, event->start_mark, -EINVAL, "anchors (&) are not read");
    if (event->data.scalar.tag != NULL)
        return fault(r, event->start_mark, -EINVAL, "tags (!) are not read");
    if (wants_key(r))
        return on_key(r, event);
    int e = count_node(r, event->start_mark);
    if (e < 0)
        return e;
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (!arena_fits(r->a, text.len + 1, 1))
        return too_large(r, event->start_mark);
    struct doc node = {
            .kind = DOC_STRING,
            .line = line_of(event->start_mark),
            .column = column_of(event->start_mark),
            .text = arena_str(r->a, text),
    };
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        e = resolve_plain(r, event->start_mark, &node);
        if (e < 0)
            return e;
    }
    push_done(r, &node);
    return 0;
}

static int on_open(struct yaml_reader *r, const yaml_event_t *event, enum doc_kind kind)
{
    /* Both kinds of event begin with the same two members, but C gives no right to rely on it. */
    bool is_array = kind == DOC_ARRAY;
    const void *anchor =
            is_array ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    const void *tag = is_array ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    if (anchor != NULL)
        return fault(r, event->start_mark, -EINVAL, "anchors (&) are not read");
    if (tag != NULL)
        return fault(r, event->start_mark, -EINVAL, "tags (!) are not read");
    if (wants_key(r)) {
        return fault(r, event->start_mark, -EINVAL, "%s as a key, expected a string",
                doc_kind_name(kind));
    }
    if (r->depth == DOC_DEPTH_MAX)
        return fault(r, event->start_mark, -E2BIG, "nested deeper than %d", DOC_DEPTH_MAX);
    r->frames[r->depth++] = (struct frame){
            .node = {.kind = kind,
                    .line = line_of(event->start_mark),
                    .column = column_of(event->start_mark)},
            .first = r->done_count,
    };
    return count_node(r, event->start_mark);
}

static int on_close(struct yaml_reader *r, const yaml_event_t *event)
{
    assert(r->depth > 0);
    struct frame *f = &r->frames[--r->depth];
    assert(!f->has_key);
    uint32_t count = r->done_count - f->first;
    if (!arena_fits(r->a, count, sizeof(struct doc)))
        return too_large(r, event->start_mark);
    struct doc *members = ARENA_ARRAY(r->a, struct doc, count);
    if (count > 0)
        memcpy(members, &r->done[f->first], count * sizeof *members);
    r->done_count = f->first;
    const struct doc *before;
    const struct doc *again;
    if (f->node.kind == DOC_OBJECT && doc_find_duplicate(members, count, &before, &again)) {
        return err_set(r->reterr, -EINVAL,
                "line %" PRIu32 ", column %" PRIu32 ": key '%.*s' stands already on line %" PRIu32,
                again->key_line, again->key_column, STR_ARG_SHORT(again->key), before->key_line);
    }
    struct doc node = f->node;
    node.count = count;
    node.first = members;
    push_done(r, &node);
    return 0;
}

/* True when YAML lets a line begin at text[at]: after LF, CR, NEL, LS or PS (seen by their last
 * bytes, which may also end other characters: then a line more is looked at), or a byte order mark.
 */
static bool may_begin_line(struct str text, size_t at)
{
    static const char ends[] = "\n\r\x85\xA8\xA9\xBF";
    return at == 0 || memchr(ends, text.ptr[at - 1], sizeof ends - 1) != NULL;
}

/* libyaml compares every %TAG directive with every other before it gives an event, so they are
 * looked for beforehand.  Nothing else but a scalar that is the whole document, written at the left
 * margin, could hold such a line. */
static int refuse_tag_directives(struct yaml_reader *r, struct str input)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < input.len; i++) {
        struct str rest = {input.ptr + i, input.len - i};
        if (input.ptr[i] == '%' && may_begin_line(input, i) && str_starts(rest, STR_LIT("%TAG"))) {
            mark.index = i;
            return fault(r, mark, -EINVAL, "%%TAG directives are not read");
        }
        mark.line += input.ptr[i] == '\n';
    }
    return 0;
}

static int on_document(struct yaml_reader *r, const yaml_event_t *event)
{
    if (r->done_count > 0)
        return fault(r, event->start_mark, -EINVAL, "a second document, expected one");
    return 0;
}

static int on_event(struct yaml_reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(r, event);
    case YAML_ALIAS_EVENT:
        return fault(r, event->start_mark, -EINVAL, "aliases (*) are not read");
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(r, event, DOC_ARRAY);
    case YAML_MAPPING_START_EVENT:
        return on_open(r, event, DOC_OBJECT);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(r, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    assert(false); /* an event that does not exist */
    return 0;
}

/* What libyaml found. */
static int syntax_fault(struct yaml_reader *r, const yaml_parser_t *parser)
{
    const char *problem = parser->problem == NULL ? "no YAML" : parser->problem;
    if (parser->error == YAML_MEMORY_ERROR)
        return err_set(r->reterr, -E2BIG, "libyaml is out of memory");
    if (parser->error == YAML_READER_ERROR) {
        return err_set_at(r->reterr, -EINVAL, (uint32_t)parser->problem_offset, "byte %zu: %s",
                parser->problem_offset, problem);
    }
    return fault(r, parser->problem_mark, -EINVAL, "%s", problem);
}

static int run(struct yaml_reader *r, yaml_parser_t *parser)
{
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0)
            return syntax_fault(r, parser);
        int e = on_event(r, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (e < 0)
            return e;
    }
    if (r->done_count == 0)
        return err_set(r->reterr, -EINVAL, "no content, expected a document");
    return 0;
}

int doc_parse_yaml(struct arena *a, struct str input, size_t max_bytes, const struct doc **ret_doc,
        struct err *reterr)
{
    int e = doc_check_input(input, max_bytes, reterr);
    if (e < 0)
        return e;
    if (input.len == 0)
        return err_set(reterr, -EINVAL, "no content, expected a document");
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return err_set(reterr, -E2BIG, "libyaml is out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)input.ptr, input.len);

    struct yaml_reader r = {.a = a, .reterr = reterr};
    e = refuse_tag_directives(&r, input);
    if (e == 0)
        e = run(&r, &parser);
    if (e == 0 && !arena_fits(a, 1, sizeof(struct doc)))
        e = err_set(reterr, -E2BIG, "too large for the memory that it may take");
    if (e == 0) {
        assert(r.done_count == 1);
        struct doc *root = ARENA_NEW(a, struct doc);
        *root = r.done[0];
        *ret_doc = root;
    }
    mem_free(r.done);
    yaml_parser_delete(&parser);
    return e;
}
