/* kube/watch.h - keeps a cache of one kind equal to the server, and tells of each change.
 *
 * A reflector: lists (a streaming list where the server has it, else pages), then watches from that
 * version; bookmarks move the version on.  410 or a compacted version lists again; anything else is
 * tried again with back-off (0.8 s doubling to 30 s, with jitter).  A watch may be quiet as long as
 * its connection is not: when no byte came on that for idle_timeout_ns (the client asks for one
 * before) the peer is taken for dead: new connection.  Items are cut from the stream and parsed one
 * by one, so no list is ever held.  After a list, what it lacked is reported as gone.
 *
 * Calls come from the loop.  Level-triggered: the last call about an object says how it is. */
#ifndef KUBE_WATCH_H
#define KUBE_WATCH_H

#include "kube/cache.h"
#include "kube/client.h"

struct kube_watch;

enum kube_change { KUBE_PUT, KUBE_GONE };

/* LOST: from here on the cache may lag without our knowing when.  At start nothing is known: LOST.
 */
enum kube_sync { KUBE_SYNC_LOST, KUBE_SYNC_COMPLETE };

struct kube_watch_handler {
    /* Appends to `row` (empty, or holding what the caller wants at 8-byte alignment from its start)
     * what is kept of the item.  Returns 0; -ENOENT: this object is of no interest (kept as
     * absent); another negative errno: unreadable, counted and logged by name, kept as absent.
     * NULL: nothing but the key is kept. */
    int (*project)(void *user, const struct kube_item *item, struct buf *row);

    /* A change.  KUBE_PUT: row is how it is now; item is the object (whole, this call only).
     * KUBE_GONE: row is how it was; item is NULL.  Not called when the projection is the same. */
    void (*changed)(void *user, enum kube_change change, const struct kube_row *row,
            const struct kube_item *item);

    /* COMPLETE after every item of a list was reported; LOST with the reason (one line) when the
     * server cannot be followed: a watch that broke and could not be resumed within lost_after_ns,
     * a refused list (401, 403, 404), at the start also no trust or no credentials.  LOST comes
     * again when it is for another reason (its code). */
    void (*sync)(void *user, enum kube_sync sync, const struct err *reason);
    void *user;
};

struct kube_watch_options {
    const char *path;           /* the collection: "/api/v1/pods", "/apis/apps/v1/daemonsets" */
    const char *label_selector; /* NULL = none */
    const char *field_selector;
    uint32_t page_size;      /* 0 = 500 */
    bool no_stream;          /* never ask for a streaming list */
    bool list_only;          /* one list, then rest; kube_watch_relist() lists again */
    size_t item_bytes_max;   /* 0 = KUBE_ITEM_BYTES_MAX */
    int64_t idle_timeout_ns; /* 0 = 60 s */
    int64_t lost_after_ns;   /* 0 = 60 s */
    int64_t backoff_min_ns, backoff_max_ns; /* 0 = 0.8 s, 30 s */
};

/* Strings of the options are copied.  Starts at once; nothing is called from within. */
int kube_watch_start(struct kube_client *client, const struct kube_watch_options *options,
        const struct kube_watch_handler *handler, struct kube_watch **ret_watch,
        struct err *reterr);

/* Stops and frees, with its cache; calls nothing; not from its own callbacks.  NULL is accepted. */
void kube_watch_stop(struct kube_watch *watch);

/* Lists again now. */
void kube_watch_relist(struct kube_watch *watch);

enum kube_sync kube_watch_sync(const struct kube_watch *watch);
const struct kube_cache *kube_watch_cache(const struct kube_watch *watch);
uint64_t kube_watch_version(const struct kube_watch *watch); /* last resourceVersion seen */

struct kube_watch_stats {
    uint64_t lists, watches, events, bookmarks, unreadable, expired, idle, bytes;
};
struct kube_watch_stats kube_watch_stats(const struct kube_watch *watch);

#endif
