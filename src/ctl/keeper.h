/* ctl/keeper.h - what was learned of owners, kept in ConfigMaps of the controller's namespace.
 *
 * Below the purity line; on the loop.  The ConfigMaps "slicewright-history-0" to "-7" come with the
 * deployment; where they are not, or may not be written, nothing is kept and that is logged once.
 * Each is written once an hour, one after another, and all at the end (docs/adr/0005). */
#ifndef CTL_KEEPER_H
#define CTL_KEEPER_H

#include "ctl/kept.h"
#include "kube/client.h"

struct ctl_keeper;

struct ctl_keeper_options {
    const char *namespace;
    int64_t every_ns; /* of each shard; 0 = 1 h */
    /* Gives what is known of owners of the shard, rows and their texts in `a`; false: nothing is
     * known yet.  From the loop, or from ctl_keeper_save(). */
    bool (*collect)(void *user, struct arena *a, uint32_t shard,
            struct core_history_fact **ret_owners, uint32_t *ret_count);
    void *user;
};

struct ctl_keeper *ctl_keeper_new(
        struct kube_client *client, const struct ctl_keeper_options *options);
struct ctl_keeper *ctl_keeper_free(struct ctl_keeper *k); /* NULL is accepted and returned */

/* Reads all shards into `a`, running the loop until each has answered or some seconds are over; not
 * from a callback.  What cannot be read is logged and left out.  Writing begins after it.  Returns
 * how many owners *ret_owners has. */
uint32_t ctl_keeper_load(
        struct ctl_keeper *k, struct arena *a, struct core_history_fact **ret_owners);

/* Somebody else leads: no more is written until it is loaded again. */
void ctl_keeper_rest(struct ctl_keeper *k);

/* Writes all shards now, running the loop likewise; nothing before a load. */
void ctl_keeper_save(struct ctl_keeper *k);

#endif
