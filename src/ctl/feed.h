/* ctl/feed.h - facts for a live core: what differs between a world and what was told before.
 *
 * No I/O.  The feed remembers of each object what the core knows (a hash of its fact) and tells
 * changes, objects that are gone, and losses and completions of sources, in an order that the core
 * may rely on: a loss before what is told after it, a completion after all its objects.  Versions
 * given to facts rise; the resourceVersion that a node's fact was made of can be asked for, so that
 * an action's precondition becomes one of the API's. */
#ifndef CTL_FEED_H
#define CTL_FEED_H

#include "core/fact.h"
#include "ctl/history.h"
#include "ctl/world.h"

struct ctl_feed;

/* What the core has been told of an object that actions name. */
struct ctl_object {
    struct str namespace, name, uid; /* of Kubernetes */
    uint64_t resource_version;       /* of the object that the last fact was made of */
    uint64_t version;                /* of that fact: what a precondition names */
};

struct ctl_feed *ctl_feed_new(void);
struct ctl_feed *ctl_feed_free(struct ctl_feed *f); /* NULL is accepted and returned */

/* Forgets what was told: the core is a new one.  Frozen nodes stay. */
void ctl_feed_restart(struct ctl_feed *f);

/* The core has been told facts by others, with versions up to this one. */
void ctl_feed_skip(struct ctl_feed *f, uint64_t version);

/* Compares and notes the facts.  A source that is not `synced` is told as lost, once, and nothing
 * of it is told until it is again (then everything of it).  NODES, PODS, OWNERS, CONFIG.  A node
 * that is in the snapshot but no longer in the world (its labels are missing while parts of the
 * operator start again) is told as not ready, not as gone. */
void ctl_feed_world(
        struct ctl_feed *f, const struct ctl_world *w, const bool synced[CORE_SOURCE_COUNT]);

/* Samples of readings newer than those told of the same GPU or instance, with their own times; of
 * the occupants some may be unknown to the core. */
void ctl_feed_readings(struct ctl_feed *f, const struct ctl_history *h);

/* METRICS, OFFERS or POLICY: tells the loss or completion if it is news, as the first always is. */
void ctl_feed_sync(struct ctl_feed *f, enum core_source source, bool complete);

/* A fact by the caller (outcome, solution, approval, policy, window, incident): kind, source and
 * version are set, the body is zero; valid until the next call.  Its views must last until the
 * step. */
struct core_fact *ctl_feed_add(
        struct ctl_feed *f, enum core_fact_kind kind, enum core_source source);

/* The facts noted since the last call, in order, stamped with the time unless they have one; valid
 * until the next call that adds, as are the texts: worlds may go. */
uint32_t ctl_feed_take(struct ctl_feed *f, int64_t wall_ns, const struct core_fact **ret_facts);

/* The object behind a uid of an action's target; false when it is not known (any more). */
bool ctl_feed_node(const struct ctl_feed *f, uint64_t uid, struct ctl_object *ret_object);
bool ctl_feed_pod(const struct ctl_feed *f, uint64_t uid, struct ctl_object *ret_object);

/* A check of the core failed on this node: its facts say `frozen` from now on. */
void ctl_feed_freeze(struct ctl_feed *f, uint64_t node);

#endif
