/* dra/batch.h - one JSON object in, one out: the allocator and selectors for other programs.
 *
 * Pure.  docs/dra.md, "Batch", has the fields. */
#ifndef DRA_BATCH_H
#define DRA_BATCH_H

#include "base/buf.h"

enum { DRA_BATCH_LINE_MAX = 64 << 20 };

/* Answers one line, appended to `out` without a line feed.  Bad input is answered too: outcome
 * "error" with the message. */
void dra_batch_allocate(struct str line, struct buf *out);
/* The same with an end to the search (outcome "unsupported"), for input that nobody vouches for. */
void dra_batch_allocate_within(struct str line, uint64_t steps, struct buf *out);
void dra_batch_eval(struct str line, struct buf *out);

#endif
