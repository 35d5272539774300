/* cel/value.h - the values that CEL expressions compute with.
 *
 * Pure.  A value is 16 bytes and borrowed: what it points to belongs to the program, to the
 * evaluation's arena or to the host, and is never changed. */
#ifndef CEL_VALUE_H
#define CEL_VALUE_H

#include "base/quantity.h"
#include "base/str.h"
#include "cel/semver.h"

enum cel_kind {
    CEL_KIND_ERROR, /* inside the evaluator only */
    CEL_KIND_NULL,
    CEL_KIND_BOOL,
    CEL_KIND_INT,
    CEL_KIND_UINT,
    CEL_KIND_DOUBLE,
    CEL_KIND_STRING,
    CEL_KIND_BYTES,
    CEL_KIND_LIST,
    CEL_KIND_MAP,
    CEL_KIND_TIMESTAMP,
    CEL_KIND_DURATION,
    CEL_KIND_TYPE,
    CEL_KIND_OPTIONAL,
    CEL_KIND_QUANTITY,
    CEL_KIND_SEMVER,
    CEL_KIND_OBJECT, /* types only: a declared object, whose values are maps */
    CEL_KIND_DYN,    /* types only */
    CEL_KIND_ANY,    /* types only */
    CEL_KIND_PARAM,  /* types only: a type parameter */
    CEL_KIND_COUNT,
};

struct cel_list;
struct cel_map;
struct cel_type;

struct cel_value {
    uint32_t kind; /* enum cel_kind */
    uint32_t size; /* STRING, BYTES: bytes; QUANTITY: 1 = result of add or sub */
    union {
        bool b;
        int64_t i; /* INT, DURATION (ns) */
        uint64_t u;
        double d;
        const char *s; /* STRING, BYTES */
        const struct cel_list *list;
        const struct cel_map *map;
        const struct cel_time *time;
        const struct cel_type *type;
        const struct cel_value *optional; /* NULL = none */
        const struct quantity *quantity;
        const struct cel_semver *semver;
        const struct cel_fault *fault;
    };
};

_Static_assert(sizeof(struct cel_value) == 16, "a value travels in two registers");

/* A point in time; CEL's range is years 1 to 9999. */
struct cel_time {
    int64_t seconds;
    int32_t nanos;
    int32_t offset; /* of the zone it was written in, seconds east; only string() shows it */
};

/* A list is an array of values. */
struct cel_list {
    const struct cel_value *items;
    uint32_t count;
};

/* The key of a look-up; programs hold theirs ready, so a host may compare `hash` first. */
struct cel_key {
    struct str text;
    uint64_t hash;  /* str_hash(text, 0) */
    uint32_t field; /* its index among the declared fields when it selects one, else UINT32_MAX */
};

/* A map, of ours or of the host.  A host embeds this struct in its own and hands out its address;
 * values are made on demand, so nothing is converted that no expression asks for. */
struct cel_map {
    const struct cel_map_ops *ops;
    uint32_t count; /* entries */
};

struct cel_map_ops {
    /* The value under a string key.  Returns false when there is none. */
    bool (*find)(const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value);
    /* Entry `index` < count, in an order that never changes; ret_value may be NULL. */
    void (*entry)(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
            struct cel_value *ret_value);
    /* Indexing, has() and ?-indexing with an unknown key find an empty map instead of nothing;
     * "in", size and iteration still see the real keys only. */
    bool default_empty;
};

static inline struct cel_value cel_bool(bool b)
{
    return (struct cel_value){.kind = CEL_KIND_BOOL, .b = b};
}

static inline struct cel_value cel_int(int64_t i)
{
    return (struct cel_value){.kind = CEL_KIND_INT, .i = i};
}

/* s.len < 2^32; the bytes are borrowed and must be UTF-8. */
static inline struct cel_value cel_string(struct str s)
{
    return (struct cel_value){.kind = CEL_KIND_STRING, .size = (uint32_t)s.len, .s = s.ptr};
}

static inline struct cel_value cel_list(const struct cel_list *list)
{
    return (struct cel_value){.kind = CEL_KIND_LIST, .list = list};
}

static inline struct cel_value cel_map(const struct cel_map *map)
{
    return (struct cel_value){.kind = CEL_KIND_MAP, .map = map};
}

static inline struct cel_value cel_quantity(const struct quantity *q)
{
    return (struct cel_value){.kind = CEL_KIND_QUANTITY, .quantity = q};
}

static inline struct cel_value cel_semver(const struct cel_semver *v)
{
    return (struct cel_value){.kind = CEL_KIND_SEMVER, .semver = v};
}

static inline struct str cel_value_str(struct cel_value v)
{
    return (struct str){v.s, v.size};
}

#endif
