/* kube/cache.h - what is kept of the objects of one kind: a compact projection an object.
 *
 * A row is one allocation: key, uid, resourceVersion and the bytes that the caller's `project` made
 * of the item.  Memory follows what is kept, never the objects' size.  Rows are found by
 * namespace/name; walks go in no particular but repeatable order (insertion). */
#ifndef KUBE_CACHE_H
#define KUBE_CACHE_H

#include "base/buf.h"
#include "kube/item.h"

struct kube_cache;

enum { KUBE_CACHE_ROW_BYTES_MAX = 1 << 20, KUBE_CACHE_ROWS_MAX = 1 << 24 };

/* One object.  Views are valid until the row changes or goes. */
struct kube_row {
    struct str namespace, name, uid;
    uint64_t version;  /* resourceVersion */
    const void *bytes; /* the projection, aligned to 8 */
    size_t size;
};

/* What a put changed.  The newest word counts, whatever its resourceVersion: a server restored from
 * a backup counts from a lower one again. */
enum kube_cache_verdict {
    KUBE_CACHE_ADDED,
    KUBE_CACHE_CHANGED,  /* the projection's bytes differ */
    KUBE_CACHE_REPLACED, /* same name, another uid: the old object is gone */
    KUBE_CACHE_SAME,     /* nothing that is kept differs */
};

struct kube_cache *kube_cache_new(uint64_t seed);
void kube_cache_free(struct kube_cache *cache); /* NULL is accepted */

/* Takes the item with its projection.  -E2BIG past KUBE_CACHE_ROWS_MAX or KUBE_CACHE_ROW_BYTES_MAX.
 * ret_row: the row as it is now. */
int kube_cache_put(struct kube_cache *cache, const struct kube_item *item, struct str projection,
        enum kube_cache_verdict *ret_verdict, struct kube_row *ret_row);

/* Removes the row; false when it is not there, or has another uid (uid "" = any). */
bool kube_cache_remove(
        struct kube_cache *cache, struct str namespace, struct str name, struct str uid);

bool kube_cache_find(const struct kube_cache *cache, struct str namespace, struct str name,
        struct kube_row *ret_row);
uint32_t kube_cache_count(const struct kube_cache *cache);
size_t kube_cache_bytes(const struct kube_cache *cache); /* held for rows and index */

/* The next row: start with *cursor 0; false at the end.  Removing while walking is fine, putting is
 * not. */
bool kube_cache_next(const struct kube_cache *cache, uint32_t *cursor, struct kube_row *ret_row);

/* Marks all rows as not seen; put() marks the row seen; sweep() takes out one that was not seen and
 * gives it (valid until the next call), false when none is left.  For relists. */
void kube_cache_mark(struct kube_cache *cache);
bool kube_cache_sweep(struct kube_cache *cache, struct kube_row *ret_row);

#endif
