/* ctl/taint.h - the patch that brings our two taints of a node to what was decided.  No I/O. */
#ifndef CTL_TAINT_H
#define CTL_TAINT_H

#include "base/buf.h"
#include "ctl/snapshot.h"

/* What our taints should be.  pool "" = none. */
struct ctl_taints {
    struct str pool;
    bool startup;
};

/* True when one of them is there. */
bool ctl_taint_any(const struct kube_node *node);

/* Appends a JSON patch (RFC 6902) that changes our taints of `node` and leaves the others, whose
 * places it takes from `node`, as they are: it holds for this resourceVersion alone, which it
 * carries, so that a node that was changed meanwhile is a conflict.  False when there is nothing to
 * change. */
bool ctl_taint_patch(const struct ctl_node *node, const struct ctl_taints *wanted, struct buf *out);

#endif
