/* base/doc_go.h - YAML as Go programs read it: into the tree of base/doc.h, with notes on what
 * reads otherwise than it looks.
 *
 * Pure.  base/doc.h refuses what readers differ on; a linter must know what one reader makes of it.
 * This is sigs.k8s.io/yaml over go.yaml.in/yaml/v2: YAML 1.1 words (yes, on, y are true), octal,
 * hexadecimal and "_" in numbers, anchors, aliases, merge keys, tags on scalars; of equal keys the
 * last wins, and of several documents the program takes the first.
 *
 * Numbers: an integer within int64 is DOC_INT; every other is DOC_REAL with its text, also a larger
 * integer, ".inf" and ".nan" (which no Go reader can turn into JSON).
 * Differs on purpose: nested deeper than DOC_DEPTH_MAX, more than DOC_GO_NODES_MAX values with what
 * aliases repeat, and text that is not UTF-8 are refused; !!binary stays text.
 * Source: go.yaml.in/yaml/v2 v2.4.4 resolve.go, decode.go; sigs.k8s.io/yaml v1.6.0. */
#ifndef BASE_DOC_GO_H
#define BASE_DOC_GO_H

#include "base/doc.h"

enum { DOC_GO_NODES_MAX = 200000, DOC_GO_NOTES_MAX = 64 };

enum doc_go_note_kind {
    DOC_GO_DUPLICATE, /* the key stands again, on other_line, and this one is dropped */
    DOC_GO_ALIAS,     /* an alias or a merge key */
    DOC_GO_WORD,      /* yes, no, on, off, y, n: read as true or false */
    DOC_GO_NUMBER,    /* 010, 0x10, 1_000: read as another number than it looks */
    DOC_GO_TAG,
};

struct doc_go_note {
    enum doc_go_note_kind kind;
    uint32_t line, column;
    uint32_t other_line; /* of duplicates */
    struct str text;     /* the key, name or value */
};

struct doc_go_document {
    const struct doc *root; /* DOC_NULL when empty */
    uint32_t note_first, note_count;
};

/* What was read.  Notes past the maximum are dropped. */
struct doc_go {
    uint32_t count;
    const struct doc_go_document *documents;
    uint32_t note_count;
    struct doc_go_note notes[DOC_GO_NOTES_MAX];
    struct err tail; /* code != 0: what stopped the reading behind the first document */
};

/* Reads all documents.  Views lie in `a`.  Empty input has no document.
 * Returns 0; -EINVAL or -E2BIG when the first document cannot be read: "line L, column C: ...",
 * reterr->pos its byte offset. */
int doc_go_parse(struct arena *a, struct str input, size_t max_bytes, struct doc_go *ret_go,
        struct err *reterr);

/* True when Go's JSON decoder takes `d` for an int: also 4.0 and 4e0.  Null is none. */
bool doc_go_int(const struct doc *d, int64_t *ret_value);

/* True for the number .inf or .nan. */
bool doc_go_not_finite(const struct doc *d);

#endif
