/* core/share.h - classes of shares: what a claim takes of a GPU where the scheduler shares GPUs.
 *
 * Pure.  Class caps (NVIDIA's DRA driver with ConsumableShares): a GPU offers its memory and a
 * number of units; a claim takes memory and units, and joins others as long as both suffice.  A
 * claim for a whole GPU takes it alone.  A class is a claim template that never changes, one a
 * model, size and count; owners are pointed to it by its name, which says it all.
 * SOURCE: KEP-5075 (consumable capacity), k8s-dra-driver-gpu --consumable-shares. */
#ifndef CORE_SHARE_H
#define CORE_SHARE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CORE_SHARE_NAME_MAX = 64, /* a Kubernetes name, with its end */
    CORE_SHARE_UNITS = 5040,  /* that a GPU offers: whole parts for 1 to 10, 12, 14, 15, 16 */
    CORE_SHARE_PODS_MAX = 64,
};

struct core_share {
    uint16_t gpu;        /* GPU table index */
    uint16_t pods;       /* the most of this class that a GPU takes, 2..CORE_SHARE_PODS_MAX */
    uint32_t memory_mib; /* of each, > 0 */
};

/* What the claims on a GPU take. */
struct core_share_load {
    uint64_t memory_mib;
    uint32_t units;
    bool whole; /* held by an exclusive claim */
};

/* "share-a100-80gb-20224m-r4" */
void core_share_name(const struct core_share *s, char ret_name[CORE_SHARE_NAME_MAX]);

/* False when `name` is no class of ours, or of a model that we do not know. */
bool core_share_parse(struct str name, struct core_share *ret_share);

/* Whether `text` begins with a GPU model's key in small letters, as names of ours spell it. */
bool core_share_key_leads(struct str text, const char *key);

bool core_share_fits(const struct core_share_load *load, const struct core_share *s);
void core_share_take(struct core_share_load *load, const struct core_share *s);

/* Pods of the class alone on a GPU: `pods`, or what its memory takes. */
uint32_t core_share_most(const struct core_share *s);

#endif
