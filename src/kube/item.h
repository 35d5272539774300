/* kube/item.h - one object of the Kubernetes API as it passes by, and how to read it.
 *
 * A kube_item lives during the call that gets it: copy what is kept.  Readers never fail: what is
 * absent or of another type reads as the empty view, false, 0 or the given default. */
#ifndef KUBE_ITEM_H
#define KUBE_ITEM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum {
    KUBE_ITEM_BYTES_MAX = 8 << 20, /* etcd's own limit is about 1.5 MiB */
    KUBE_ITEM_DEPTH_MAX = 128,
    KUBE_NAME_MAX = 253,
    KUBE_UID_MAX = 64, /* the API server writes 36 */
};

/* A JSON value (yyjson_val) of an item; val is NULL when there is none. */
struct kube_value {
    const void *val;
};

struct kube_item {
    struct kube_value root;
    struct str namespace, name, uid; /* namespace "" for cluster-scoped kinds */
    struct str resource_version;
    uint64_t version; /* resource_version as a number; 0 when it is none */
};

/* Parses one object, for files, recordings and tests.  Views lie in `a` or in `text`, which must
 * both stay.  -EINVAL with the byte offset, -E2BIG over a limit. */
int kube_item_parse(
        struct arena *a, struct str text, struct kube_item *ret_item, struct err *reterr);

/* The same for any JSON, such as a List. */
int kube_value_parse(
        struct arena *a, struct str text, struct kube_value *ret_value, struct err *reterr);

/* An item of a List as an object of its own.  -EINVAL: it has no name, or no metadata. */
int kube_item_of(struct kube_value value, struct kube_item *ret_item, struct err *reterr);

/* The value at a path of keys with dots between ("spec.template.spec"); keys that have dots
 * themselves (labels) by kube_value_get(). */
struct kube_value kube_item_at(const struct kube_item *item, const char *path);
struct kube_value kube_value_at(struct kube_value v, const char *path);
struct kube_value kube_value_get(struct kube_value object, const char *key);
struct kube_value kube_value_get_str(struct kube_value object, struct str key);

bool kube_value_exists(struct kube_value v); /* there, and not null */
struct str kube_value_str(struct kube_value v);
bool kube_value_bool(struct kube_value v, bool otherwise);
int64_t kube_value_i64(struct kube_value v, int64_t otherwise);

/* A number of either JSON type, or a string ("5", "25%"), as written, into text[32]; "" else. */
enum { KUBE_SCALAR_MAX = 32 };
struct str kube_value_scalar(struct kube_value v, char *text);

/* Members of an array or object; KUBE_FOREACH(it, value) { it.key, it.value }. */
struct kube_iter {
    struct str key; /* of an object's member */
    struct kube_value value;
    const void *cur; /* private */
    uint64_t left;   /* private */
    bool object;     /* private */
};
struct kube_iter kube_iter_of(struct kube_value v);
bool kube_iter_next(struct kube_iter *it);
uint32_t kube_value_count(struct kube_value v);

#define KUBE_FOREACH(it, container)                                                                \
    for (struct kube_iter it = kube_iter_of(container); kube_iter_next(&(it));)

/* metadata.labels[key], metadata.annotations[key]; "" when absent (exists tells them apart). */
struct str kube_item_label(const struct kube_item *item, const char *key);
struct str kube_item_annotation(const struct kube_item *item, const char *key);

/* An RFC 3339 time at `path` in wall ns; 0 when absent or malformed. */
int64_t kube_item_time_ns(const struct kube_item *item, const char *path);

/* The JSON text of a value, compact, appended to `out`. */
struct buf;
void kube_value_write(struct kube_value v, struct buf *out);

#endif
