/* cel/estimate-priv.h - ranges of sizes and costs that saturate instead of overflowing.
 *
 * Pure. */
#ifndef CEL_ESTIMATE_PRIV_H
#define CEL_ESTIMATE_PRIV_H

#include "cel/cel.h"

struct size {
    uint64_t min, max;
};

static inline uint64_t add64(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t mul64(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t factor64(uint64_t x, double y)
{
    double d = (double)x;
    if (d > 0 && y > 0 && d > 0x1p64 / y)
        return UINT64_MAX;
    d *= y;
    if (d >= 0x1p64)
        return UINT64_MAX;
    uint64_t whole = (uint64_t)d;
    return (double)whole < d ? whole + 1 : whole;
}

static inline struct size size_add(struct size a, struct size b)
{
    return (struct size){add64(a.min, b.min), add64(a.max, b.max)};
}

static inline struct size size_mul(struct size a, struct size b)
{
    return (struct size){mul64(a.min, b.min), mul64(a.max, b.max)};
}

static inline struct size size_union(struct size a, struct size b)
{
    return (struct size){a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

static inline struct cel_cost_range times(struct size s, double y)
{
    return (struct cel_cost_range){factor64(s.min, y), factor64(s.max, y)};
}

static inline struct cel_cost_range sum(struct cel_cost_range a, struct cel_cost_range b)
{
    return (struct cel_cost_range){add64(a.min, b.min), add64(a.max, b.max)};
}

static inline struct cel_cost_range fixed(uint64_t cost)
{
    return (struct cel_cost_range){cost, cost};
}

static inline struct size fixed_size(uint64_t n)
{
    return (struct size){n, n};
}

static const struct size unknown_size = {0, UINT64_MAX};

/* What is known of an expression's value: nothing, or a range of sizes. */
struct known {
    bool known;
    struct size size;
};

/* Sizes of the entries of a list or map. */
struct entry {
    bool known;
    bool list;
    struct size key, value;
};

#endif
