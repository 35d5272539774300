/* ctl/slim.h - an object of the API cut down to what ctl_snapshot_put() reads of it.
 *
 * No I/O.  A slim object is what a cache keeps: two objects that a snapshot cannot tell apart have
 * equal bytes, whatever heartbeats, status and managed fields say.  Namespace, name, uid and
 * resourceVersion are not in it; the row has them. */
#ifndef CTL_SLIM_H
#define CTL_SLIM_H

#include "ctl/snapshot.h"
#include "kube/cache.h"

/* Appends the slim object.  -ENOENT: a snapshot would keep nothing of it. */
int ctl_slim_write(enum ctl_kind kind, const struct kube_item *item, struct buf *out);

/* Puts what a row holds into the snapshot, as ctl_snapshot_put() would the whole object.  scratch:
 * is reset. */
int ctl_slim_put(struct ctl_snapshot *s, struct arena *scratch, enum ctl_kind kind,
        const struct kube_row *row, struct err *reterr);

#endif
