/* dra/emit.h - an allocation in the API's form (status.allocation).  Pure. */
#ifndef DRA_EMIT_H
#define DRA_EMIT_H

#include "base/json.h"
#include "dra/allocate.h"

/* Writes one claim's AllocationResult. */
void dra_allocation_emit(struct json_writer *w, const struct dra_store *store,
        const struct dra_claim *claim, const struct dra_allocation *allocation,
        const struct dra_node *node);

/* The request's name in results: "r" or "r/s". */
void dra_request_name(struct buf *out, const struct dra_store *store,
        const struct dra_request *request, uint32_t ask);

#endif
