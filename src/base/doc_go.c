/* base/doc_go.c - YAML into a doc tree as Go's reader does it, by libyaml's events.  Pure.
 *
 * Containers that are open stand in a stack of frames, finished nodes in a second one, as in
 * doc_yaml.c.  An alias is a copy of its node, which shares the children; `weight` counts the nodes
 * below it as often as they are repeated, so that a walk over the tree stays bounded. */
#include "base/doc_go.h"

#include "base/doc-priv.h"
#include "base/doc_go-priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    ANCHORS_MAX = 256,
    DOCUMENTS_MAX = 1024,
    FLOW_STYLE = YAML_FLOW_SEQUENCE_STYLE,
};
_Static_assert(
        (int)YAML_FLOW_SEQUENCE_STYLE == (int)YAML_FLOW_MAPPING_STYLE, "one number for both");

/* A node that is done while its container is open. */
struct item {
    struct doc node;
    uint32_t weight;
    bool merge; /* its key was << */
    bool alias;
};

struct frame {
    struct doc node;
    struct str anchor;
    uint32_t first; /* the stack's height below its members */
    bool flow;      /* in brackets */
    bool has_key, merge;
    struct str key;
    uint32_t key_line, key_column;
};

struct anchor {
    struct str name;
    struct item item;
};

struct reader {
    struct arena *a;
    struct err *reterr;
    struct doc_go *go;
    struct item *done; /* by mem_grow */
    uint32_t done_count, done_cap;
    uint32_t weight; /* of all nodes so far */
    unsigned depth;
    unsigned anchor_count;
    struct doc_go_document *documents; /* by mem_grow */
    uint32_t document_count, document_cap;
    uint32_t note_first; /* of the document that is open */
    struct frame frames[DOC_DEPTH_MAX];
    struct anchor anchors[ANCHORS_MAX];
};

static uint32_t line_of(yaml_mark_t mark)
{
    return (uint32_t)mark.line + 1;
}

static uint32_t column_of(yaml_mark_t mark)
{
    return (uint32_t)mark.column + 1;
}

__attribute__((format(printf, 4, 5))) static int fault(
        struct reader *r, yaml_mark_t mark, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set_at(r->reterr, code, (uint32_t)mark.index,
            "line %" PRIu32 ", column %" PRIu32 ": %s", line_of(mark), column_of(mark), text);
}

static void note_add(struct reader *r, struct doc_go_note note)
{
    if (r->go->note_count < DOC_GO_NOTES_MAX)
        r->go->notes[r->go->note_count++] = note;
}

/* A note on a scalar. */
static void note_scalar(struct reader *r, enum doc_go_note_kind kind, const struct doc *d)
{
    note_add(r, (struct doc_go_note){
                        .kind = kind, .line = d->line, .column = d->column, .text = d->text});
}

/* Copies into the arena, or fails at `mark`. */
static int text_keep(struct reader *r, yaml_mark_t mark, struct str text, struct str *ret_text)
{
    if (!arena_fits(r->a, text.len + 1, 1))
        return fault(r, mark, -E2BIG, "too large for the memory that it may take");
    *ret_text = arena_str(r->a, text);
    return 0;
}

/* True when the next node is the key of an object's member. */
static bool wants_key(const struct reader *r)
{
    const struct frame *f = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
    return f && f->node.kind == DOC_OBJECT && !f->has_key;
}

static int push_done(struct reader *r, yaml_mark_t mark, struct item item)
{
    r->weight += item.weight;
    if (item.weight > DOC_GO_NODES_MAX || r->weight > DOC_GO_NODES_MAX)
        return fault(r, mark, -E2BIG, "more than %d values", DOC_GO_NODES_MAX);
    item.node.key = (struct str){0};
    if (r->depth > 0 && r->frames[r->depth - 1].node.kind == DOC_OBJECT) {
        struct frame *f = &r->frames[r->depth - 1];
        assert(f->has_key);
        item.node.key = f->key;
        item.node.key_line = f->key_line;
        item.node.key_column = f->key_column;
        item.merge = f->merge;
        f->has_key = false;
    } else {
        item.merge = false;
    }
    if (r->done_count == r->done_cap) {
        r->done_cap = r->done_cap == 0 ? 64 : r->done_cap * 2;
        r->done = mem_grow(r->done, r->done_cap, sizeof *r->done);
    }
    r->done[r->done_count++] = item;
    return 0;
}

static int anchor_keep(struct reader *r, yaml_mark_t mark, struct str name, const struct item *item)
{
    unsigned i = 0;
    if (name.len == 0)
        return 0;
    while (i < r->anchor_count && !str_eq(r->anchors[i].name, name))
        i++;
    if (i == ANCHORS_MAX)
        return fault(r, mark, -E2BIG, "more than %d anchors", ANCHORS_MAX);
    r->anchors[i] = (struct anchor){.name = name, .item = *item};
    r->anchor_count += i == r->anchor_count;
    return 0;
}

static void key_take(struct reader *r, const struct doc *d, yaml_mark_t mark)
{
    struct frame *f = &r->frames[r->depth - 1];
    f->key = d->text;
    if (d->kind == DOC_BOOL)
        f->key = d->boolean ? STR_LIT("true") : STR_LIT("false");
    if (d->kind == DOC_INT)
        f->key = str_from(arena_printf(r->a, "%" PRId64, d->integer));
    f->key_line = line_of(mark);
    f->key_column = column_of(mark);
    f->has_key = true;
    f->merge = false;
}

/* Gives a scalar with a tag the kind that the tag wants. */
static int tag_apply(struct reader *r, const yaml_event_t *event, struct doc *d)
{
    static const struct {
        const char *tag;
        unsigned kinds;
    } tags[] = {{"bool", 1u << DOC_BOOL}, {"int", 1u << DOC_INT},
            {"float", 1u << DOC_INT | 1u << DOC_REAL}, {"null", 1u << DOC_NULL}};
    const char *prefix = "tag:yaml.org,2002:";
    const char *tag = (const char *)event->data.scalar.tag;
    note_scalar(r, DOC_GO_TAG, d);
    if (strncmp(tag, prefix, strlen(prefix)) == 0) {
        tag += strlen(prefix);
        for (unsigned i = 0; i < sizeof tags / sizeof tags[0]; i++) {
            if (strcmp(tag, tags[i].tag) != 0)
                continue;
            doc_go_resolve(d);
            if (!(tags[i].kinds >> d->kind & 1)) {
                return fault(r, event->start_mark, -EINVAL, "'%.*s' cannot be read as a !!%s",
                        STR_ARG_SHORT(d->text), tag);
            }
            return 0;
        }
    }
    d->kind = DOC_STRING;
    return 0;
}

static int on_scalar(struct reader *r, const yaml_event_t *event)
{
    yaml_mark_t mark = event->start_mark;
    struct item item = {.weight = 1,
            .node = {.kind = DOC_STRING, .line = line_of(mark), .column = column_of(mark)}};
    struct doc *d = &item.node;
    struct str anchor = {0};
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    int e = text_keep(r, mark, text, &d->text);
    if (e == 0 && event->data.scalar.anchor)
        e = text_keep(r, mark, str_from((const char *)event->data.scalar.anchor), &anchor);
    if (e < 0)
        return e;
    bool plain = event->data.scalar.plain_implicit != 0;
    bool key = wants_key(r);
    bool in_flow = r->depth > 0 && r->frames[r->depth - 1].flow;
    if (in_flow && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && d->text.len > 0 &&
            memchr(d->text.ptr, '?', d->text.len)) {
        return fault(r, mark, -EINVAL, "'%.*s': '?' begins a key inside of brackets",
                STR_ARG_SHORT(d->text));
    }
    if (key && plain && str_eq_c(d->text, "<<")) {
        key_take(r, d, mark);
        r->frames[r->depth - 1].merge = true;
        note_scalar(r, DOC_GO_ALIAS, d);
        return 0;
    }
    if (event->data.scalar.tag) {
        e = tag_apply(r, event, d);
    } else if (plain) {
        enum doc_go_look look = doc_go_resolve(d);
        if (look != DOC_GO_LOOK_PLAIN)
            note_scalar(r, look == DOC_GO_LOOK_WORD ? DOC_GO_WORD : DOC_GO_NUMBER, d);
    }
    if (e == 0)
        e = anchor_keep(r, mark, anchor, &item);
    if (e < 0)
        return e;
    if (!key)
        return push_done(r, mark, item);
    if (d->kind == DOC_NULL)
        return fault(r, mark, -EINVAL, "a key is missing or null before the colon");
    key_take(r, d, mark);
    return 0;
}

static int on_alias(struct reader *r, const yaml_event_t *event)
{
    yaml_mark_t mark = event->start_mark;
    struct str name = str_from((const char *)event->data.alias.anchor);
    for (unsigned i = 0; i < r->depth; i++) {
        if (str_eq(r->frames[i].anchor, name)) {
            return fault(
                    r, mark, -EINVAL, "the anchor '%.*s' contains itself", STR_ARG_SHORT(name));
        }
    }
    unsigned i = 0;
    while (i < r->anchor_count && !str_eq(r->anchors[i].name, name))
        i++;
    if (i == r->anchor_count)
        return fault(r, mark, -EINVAL, "no anchor '%.*s' before", STR_ARG_SHORT(name));
    struct item item = r->anchors[i].item;
    item.alias = true;
    note_add(r, (struct doc_go_note){.kind = DOC_GO_ALIAS,
                        .line = line_of(mark),
                        .column = column_of(mark),
                        .text = r->anchors[i].name});
    if (!wants_key(r))
        return push_done(r, mark, item);
    if (item.node.kind == DOC_ARRAY || item.node.kind == DOC_OBJECT || item.node.kind == DOC_NULL)
        return fault(r, mark, -EINVAL, "%s as a key", doc_kind_name(item.node.kind));
    key_take(r, &item.node, mark);
    return 0;
}

static int on_open(struct reader *r, const yaml_event_t *event, enum doc_kind kind)
{
    bool is_array = kind == DOC_ARRAY;
    yaml_mark_t mark = event->start_mark;
    const yaml_char_t *anchor =
            is_array ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    struct str name = {0};
    if (wants_key(r))
        return fault(r, mark, -EINVAL, "%s as a key, expected a string", doc_kind_name(kind));
    if (r->depth == DOC_DEPTH_MAX)
        return fault(r, mark, -E2BIG, "nested deeper than %d", DOC_DEPTH_MAX);
    if (anchor && text_keep(r, mark, str_from((const char *)anchor), &name) < 0)
        return -E2BIG;
    r->frames[r->depth++] = (struct frame){
            .node = {.kind = kind, .line = line_of(mark), .column = column_of(mark)},
            .anchor = name,
            .first = r->done_count,
            .flow = (is_array ? (int)event->data.sequence_start.style
                              : (int)event->data.mapping_start.style) == FLOW_STYLE,
    };
    return 0;
}

/* Counts, then copies, the members of `from` behind out[count]; out may be NULL. */
static int merge_from(struct reader *r, const struct item *from, struct doc *out, uint32_t *count)
{
    const struct doc *value = &from->node;
    bool list = value->kind == DOC_ARRAY && !from->alias;
    const struct doc *maps = list ? value->first : value;
    uint32_t map_count = list ? value->count : 1;
    for (uint32_t i = map_count; i > 0; i--) { /* earlier maps win, so they come last */
        const struct doc *map = &maps[i - 1];
        if (map->kind != DOC_OBJECT) {
            return err_set(r->reterr, -EINVAL,
                    "line %" PRIu32 ", column %" PRIu32 ": << takes a map or a list of maps",
                    value->key_line, value->key_column);
        }
        for (uint32_t k = 0; k < map->count; k++, ++*count) {
            if (out)
                out[*count] = map->first[k];
        }
    }
    return 0;
}

/* By key, then by place. */
static int compare_members(const void *left, const void *right)
{
    const struct doc *a = *(const struct doc *const *)left;
    const struct doc *b = *(const struct doc *const *)right;
    int order = str_cmp(a->key, b->key);
    return order != 0 ? order : (a > b) - (a < b);
}

/* Of members with one key keeps the last, in its place; returns how many are left. */
static uint32_t drop_duplicates(struct reader *r, struct doc *members, uint32_t count)
{
    if (count < 2)
        return count;
    SCOPED(mem_scoped_free) struct doc **sorted = mem_alloc(count, sizeof *sorted);
    SCOPED(mem_scoped_free) bool *dropped = mem_alloc(count, sizeof *dropped);
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &members[i];
    qsort(sorted, count, sizeof *sorted, compare_members);
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (!str_eq(sorted[i]->key, sorted[i + 1]->key))
            continue;
        dropped[sorted[i] - members] = true;
        note_add(r, (struct doc_go_note){.kind = DOC_GO_DUPLICATE,
                            .line = sorted[i]->key_line,
                            .column = sorted[i]->key_column,
                            .other_line = sorted[i + 1]->key_line,
                            .text = sorted[i]->key});
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!dropped[i])
            members[left++] = members[i];
    }
    return left;
}

static int on_close(struct reader *r, const yaml_event_t *event)
{
    assert(r->depth > 0);
    struct frame *f = &r->frames[--r->depth];
    const struct item *items = &r->done[f->first];
    uint32_t item_count = r->done_count - f->first;
    struct item item = {.node = f->node, .weight = 1};
    uint32_t count = 0;
    assert(!f->has_key);
    for (uint32_t i = 0; i < item_count; i++) {
        item.weight += items[i].weight;
        if (!items[i].merge) {
            count++;
        } else if (merge_from(r, &items[i], NULL, &count) < 0) {
            return -EINVAL;
        }
    }
    if (!arena_fits(r->a, count + 1, sizeof(struct doc)))
        return fault(r, event->start_mark, -E2BIG, "too large for the memory that it may take");
    struct doc *members = ARENA_ARRAY(r->a, struct doc, count);
    count = 0;
    for (uint32_t i = 0; i < item_count; i++) {
        if (items[i].merge) {
            (void)merge_from(r, &items[i], members, &count);
        } else {
            members[count++] = items[i].node;
        }
    }
    r->weight -= item.weight - 1; /* they come back as a part of this one */
    r->done_count = f->first;
    item.node.first = members;
    item.node.count = f->node.kind == DOC_OBJECT ? drop_duplicates(r, members, count) : count;
    int e = anchor_keep(r, event->start_mark, f->anchor, &item);
    return e < 0 ? e : push_done(r, event->start_mark, item);
}

/* Takes the document that has ended. */
static int on_document_end(struct reader *r, yaml_mark_t mark)
{
    assert(r->done_count == 1);
    if (r->document_count == DOCUMENTS_MAX)
        return fault(r, mark, -E2BIG, "more than %d documents", DOCUMENTS_MAX);
    if (!arena_fits(r->a, 1, sizeof(struct doc)))
        return fault(r, mark, -E2BIG, "too large for the memory that it may take");
    if (r->document_count == r->document_cap) {
        r->document_cap = r->document_cap == 0 ? 4 : r->document_cap * 2;
        r->documents = mem_grow(r->documents, r->document_cap, sizeof *r->documents);
    }
    struct doc *root = ARENA_NEW(r->a, struct doc);
    *root = r->done[0].node;
    r->documents[r->document_count++] = (struct doc_go_document){.root = root,
            .note_first = r->note_first,
            .note_count = r->go->note_count - r->note_first};
    r->done_count = 0;
    r->anchor_count = 0;
    return 0;
}

static int on_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        r->note_first = r->go->note_count;
        return 0;
    case YAML_DOCUMENT_END_EVENT:
        return on_document_end(r, event->start_mark);
    case YAML_ALIAS_EVENT:
        return on_alias(r, event);
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
        return 0;
    }
    assert(false); /* an event that does not exist */
    return 0;
}

static int run(struct reader *r, yaml_parser_t *parser)
{
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            const char *problem = parser->problem == NULL ? "no YAML" : parser->problem;
            return fault(r, parser->problem_mark, -EINVAL, "%s", problem);
        }
        int e = on_event(r, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (e < 0)
            return e;
    }
    return 0;
}

int doc_go_parse(struct arena *a, struct str input, size_t max_bytes, struct doc_go *ret_go,
        struct err *reterr)
{
    struct err own = {0};
    struct doc_go go = {0};
    yaml_parser_t parser;
    int e = doc_check_input(input, max_bytes, reterr);
    if (e < 0)
        return e;
    if (yaml_parser_initialize(&parser) == 0)
        return err_set(reterr, -E2BIG, "libyaml is out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)input.ptr, input.len);

    SCOPED(mem_scoped_free) struct reader *r = mem_alloc(1, sizeof *r);
    r->a = a;
    r->reterr = &own;
    r->go = &go;
    e = input.len == 0 ? 0 : run(r, &parser);
    yaml_parser_delete(&parser);
    bool room = arena_fits(a, r->document_count + 1, sizeof *r->documents);
    if (!room)
        e = err_set(&own, -E2BIG, "too large for the memory that it may take");
    if (room && (e == 0 || r->document_count > 0)) {
        struct doc_go_document *documents =
                ARENA_ARRAY(a, struct doc_go_document, r->document_count);
        if (r->document_count > 0)
            memcpy(documents, r->documents, r->document_count * sizeof *documents);
        go.tail = own;
        go.documents = documents;
        go.count = r->document_count;
        *ret_go = go;
        e = 0;
    } else if (reterr) {
        *reterr = own;
    }
    mem_free(r->documents);
    mem_free(r->done);
    return e;
}
