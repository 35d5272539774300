/* ctl/act_body.h - what an action's request says, as bytes.
 *
 * No I/O.  A body names a level, never a difference: sent twice it changes nothing more. */
#ifndef CTL_ACT_BODY_H
#define CTL_ACT_BODY_H

#include "core/action.h"
#include "ctl/feed.h"

enum { CTL_ACT_BODY_MAX = 2 << 20, CTL_ACT_LEVEL_MAX = 320 };

/* The merge patch of a NODE_PATCH: the object's uid and resourceVersion, so that another node of
 * the name or a newer state refuses it, and of the fields those that the action means; "" removes.
 *
 * seen: the node as it was seen last, NULL = not known.  Its labels are kept as
 * CTL_ANNOTATION_ORIGINAL with the first record, and that goes with the last one when they are the
 * same again. */
void ctl_act_node_body(const struct core_action *a, const struct ctl_object *node,
        const struct ctl_node *seen, struct buf *out);

/* The merge patch of one key of a ConfigMap's data; text NULL takes it away.  version: the
 * resourceVersion that it holds for, "" = any. */
void ctl_act_key_body(struct str key, const struct str *text, struct str version, struct buf *out);

/* mig-manager's file with the config `key` put in or, `ours` NULL, taken out; all others stay.
 *
 * file: "" = there is none yet.  ours: a file with that one config.
 * -ENOENT when there is nothing to take out; -EINVAL when one of them cannot be read. */
int ctl_act_mig_file(struct str file, struct str key, const struct str *ours, struct buf *out,
        struct err *reterr);

/* What of its object the action sets, as words: "cordon annotation", "plugin-config=KEY", "KEY". */
const char *ctl_act_level(const struct core_action *a, char text[static CTL_ACT_LEVEL_MAX]);

#endif
