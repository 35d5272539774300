/* base/doc.h - one tree for YAML and JSON documents, read strictly.
 *
 * Pure: bytes in, tree out; memory from the caller's arena (-E2BIG when its cap would be passed).
 * YAML by libyaml's event API, JSON by yyjson.
 *
 * Plain YAML scalars follow the core schema of YAML 1.2, less what YAML 1.1 readers (kubectl) take
 * for something else: null ~ (and nothing) are null; true false (True TRUE ...) are booleans;
 * "yes", "on", "1_000" and "12:30" stay strings; 12 -3 +4 are integers; 0.5 1e3 are reals. Refused,
 * since readers differ on them: 0x1F 0o17 0b1 and leading zeros (010), .inf and .nan.  What is
 * quoted or a block is a string.
 *
 *  Refused with line and column: duplicate keys, aliases and anchors,
 * tags, merge keys, depth over DOC_DEPTH_MAX, more than DOC_NODES_MAX nodes, input over the given
 * size, several documents where one is asked for, bytes that are not UTF-8, NaN and infinities. */
#ifndef BASE_DOC_H
#define BASE_DOC_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { DOC_DEPTH_MAX = 64, DOC_NODES_MAX = 4000000 };

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INT, DOC_REAL, DOC_STRING, DOC_ARRAY, DOC_OBJECT };

/* Immutable; lives in the arena that it was parsed into. */
struct doc {
    enum doc_kind kind;
    uint32_t line;   /* 1-based; 0 when not known (JSON) */
    uint32_t column; /* 1-based; 0 when not known */
    bool boolean;
    int64_t integer; /* DOC_INT within int64; larger integers are DOC_REAL with their text */
    struct str text; /* scalar as written (unquoted), NUL-terminated; for every scalar kind */
    struct str key;  /* this node's key within its object, else empty */
    uint32_t key_line, key_column;
    uint32_t count;          /* children of arrays and objects */
    const struct doc *first; /* children are contiguous: first[0..count) */
};

/* Parses exactly one YAML document (JSON is accepted too, being YAML, with marks).
 * max_bytes: larger input is -E2BIG.  On failure `reterr` says "line L, column C: ...". */
int doc_parse_yaml(struct arena *a, struct str input, size_t max_bytes, const struct doc **ret_doc,
        struct err *reterr);

/* Parses exactly one JSON value, without marks; reterr->pos is the byte offset of a fault in the
 * syntax (0 for other faults, whose message names the key).  A UTF-8 BOM is refused. */
int doc_parse_json(struct arena *a, struct str input, size_t max_bytes, const struct doc **ret_doc,
        struct err *reterr);

/* The member `key` of an object, or NULL (also when `object` is NULL or no object).  Cost: linear
 * in the members. */
const struct doc *doc_get(const struct doc *object, const char *key);

/* A word for the kind, for messages: "a map", "a list", "a number", ... */
const char *doc_kind_name(enum doc_kind kind);

#endif
