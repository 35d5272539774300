/* place/shape.h - what a pod asks for as a placement problem, and which asks are common.
 *
 * Pure.  A shape is a request with the number of pods that ask for just that; the common shapes are
 * what "still usable" is measured with (place/README.md). */
#ifndef PLACE_SHAPE_H
#define PLACE_SHAPE_H

#include "base/arena.h"

enum {
    PLACE_CARDS_MAX = 16,
    PLACE_MODELS_MAX = 64,
    PLACE_SHAPES_MAX = 256,
    PLACE_SHARE_MAX = 1 << 20, /* of one card: milli, or MiB up to 1 TiB */
};

/* A request: zero-initialise, then fill.  cards == 0 asks for no GPU.  With `whole` it takes
 * `cards` (any count up to PLACE_CARDS_MAX) untouched cards of one node; without, cards == 1 and
 * `share` (> 0) of that card. */
struct place_request {
    uint32_t cpu_milli, memory_mib;
    uint32_t share;
    uint8_t cards;
    bool whole;
    uint64_t models; /* bit m: model m allowed; 0 = any */
};

struct place_shape {
    struct place_request request;
    uint32_t count; /* pods that ask for it, > 0 */
};

bool place_request_eq(const struct place_request *a, const struct place_request *b);

/* Total order for sorting, 0 when equal: by CPU, share (whole above any), cards, models, memory. */
int place_request_cmp(const struct place_request *a, const struct place_request *b);

/* Which asks count as common. */
struct place_shape_rule {
    uint32_t cover_permille; /* take the most frequent until they cover this part, 1..1000 */
    bool ignore_memory;      /* asks that differ in memory_mib alone are one shape, of 0 MiB */
};

struct place_shape_list {
    const struct place_shape *shapes;
    uint32_t count;         /* 1..PLACE_SHAPES_MAX, or 0 without requests */
    uint32_t request_count; /* all that were looked at, the uncommon ones too */
};

/* The most frequent shapes that together cover the rule's part of the requests, most frequent
 * first (equals: the greater by place_request_cmp first), at most PLACE_SHAPES_MAX.  Model masks
 * make shapes distinct.  requests[count] is not changed; the result lives in `a`.
 * Cost: O(count log count). */
void place_shapes_common(struct arena *a, const struct place_request *requests, uint32_t count,
        const struct place_shape_rule *rule, struct place_shape_list *ret_list);

#endif
