/* dra/extended.h - a pod's extended resources as a claim.  Pure.
 *
 * Source: the scheduler's DynamicResources plugin (createRequestsAndMappings), 1.37. */
#ifndef DRA_EXTENDED_H
#define DRA_EXTENDED_H

#include "dra/store.h"

/* The class that answers for a resource name: deviceclass.resource.kubernetes.io/CLASS, or the one
 * whose extendedResourceName it is; of several the newest, then the first by name.  NULL: none. */
const struct dra_class *dra_extended_class(const struct dra_store *s, uint32_t resource);

/* The claim that the scheduler would make for the pod's extended resources; NULL when no resource
 * of it has a class.  Memory: the store's arena. */
const struct dra_claim *dra_extended_claim(struct dra_store *s, const struct dra_pod *pod);

#endif
