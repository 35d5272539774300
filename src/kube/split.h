/* kube/split.h - cuts the objects out of a list or a watch as the bytes come.
 *
 * Pure: memory for one item and for the rest of a list (its metadata), both bounded.  An object
 * that lies within one chunk is handed over in place.  Brackets are only counted here: what is cut
 * is parsed, and judged, by the one who gets it. */
#ifndef KUBE_SPLIT_H
#define KUBE_SPLIT_H

#include "base/buf.h"
#include "base/err.h"

enum { KUBE_SPLIT_REST_MAX = 1 << 20 };

enum kube_split_form {
    KUBE_SPLIT_LIST,   /* {"kind":"PodList","metadata":{...},"items":[{...},{...}]} */
    KUBE_SPLIT_EVENTS, /* {...}\n{...}\n */
};

struct kube_split {
    enum kube_split_form form;
    size_t item_bytes_max;
    /* An object, whole.  Not 0: stop; kube_split_feed() returns it. */
    int (*item)(void *user, struct str json);
    void *user;

    /* Private from here. */
    struct buf part; /* the beginning of an item that a chunk cut */
    struct buf rest; /* LIST: all but the items */
    uint64_t count;  /* items handed over */
    uint64_t offset; /* of the present chunk */
    unsigned depth;
    unsigned base; /* depth at which an item begins; 0 = not among the items */
    bool in_string, escaped, in_item, items_seen;
};

/* form, item_bytes_max, item and user are to be set; clear frees. */
void kube_split_init(struct kube_split *s, enum kube_split_form form, size_t item_bytes_max);
void kube_split_clear(struct kube_split *s);

/* Takes the next bytes.  Returns 0; what `item` returned; -E2BIG for an item or a rest over its
 * limit; -EINVAL for what is no object where one must be.  After an error only clear is allowed. */
int kube_split_feed(struct kube_split *s, struct str chunk, struct err *reterr);

/* The stream has ended.  0, or -EINVAL when that is in the middle of an object (EVENTS) or of the
 * list.
 */
int kube_split_end(const struct kube_split *s, struct err *reterr);

/* LIST: the list with its items taken out, after the end. */
struct str kube_split_rest(const struct kube_split *s);

#endif
