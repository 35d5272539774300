/* base/num.h - checked and saturating integer arithmetic, ratios, units.
 *
 * Pure, header-only.  Money is int64 micro-USD, time int64 ns, memory uint64 bytes or uint32 MiB,
 * ratios permille.  No floating point in decisions. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define NUM_NS_PER_SECOND    INT64_C(1000000000)
#define NUM_NS_PER_HOUR      (3600 * NUM_NS_PER_SECOND)
#define NUM_MICROUSD_PER_USD INT64_C(1000000)

/* True when the exact result fits *ret; else false and *ret is not meaningful. */
static inline bool num_add_i64(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

static inline bool num_mul_i64(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* a * b / c in 128 bits, rounded toward zero.  c != 0; the quotient must fit. */
static inline int64_t num_muldiv_i64(int64_t a, int64_t b, int64_t c)
{
    assert(c != 0);
    int64_t product;
    if (num_mul_i64(a, b, &product) && product != INT64_MIN)
        return product / c; /* nearly always, and many times as fast */
    __int128 q = (__int128)a * b / c;
    assert(q >= INT64_MIN && q <= INT64_MAX);
    return (int64_t)q;
}

static inline int64_t num_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t num_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline uint32_t num_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t num_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ceil(a / b) for b > 0. */
static inline uint64_t num_ceildiv_u64(uint64_t a, uint64_t b)
{
    assert(b > 0);
    return a / b + (a % b != 0);
}

#endif
