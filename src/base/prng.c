/* base/prng.c - xoshiro256** 1.0 seeded by splitmix64.  Pure.
 *
 * Source: Blackman and Vigna, https://prng.di.unimi.it/xoshiro256starstar.c and splitmix64.c
 * (public domain); D. Lemire, "Fast random integer generation in an interval", 2019, for
 * prng_below. */
#include "base/prng.h"

#include <assert.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t finalise(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t prng_mix(uint64_t a, uint64_t b)
{
    return finalise((finalise(a + GOLDEN) ^ b) + GOLDEN);
}

void prng_init(struct prng *p, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += GOLDEN;
        p->s[i] = finalise(seed);
    }
    /* splitmix64 is a bijection of its counter, so four zeros in a row cannot come out. */
    assert((p->s[0] | p->s[1] | p->s[2] | p->s[3]) != 0);
}

void prng_init_stream(struct prng *p, uint64_t seed, uint64_t stream)
{
    prng_init(p, prng_mix(seed, stream));
}

static uint64_t rotate_left(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t prng_u64(struct prng *p)
{
    uint64_t *s = p->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t bound)
{
    assert(bound > 0);
    unsigned __int128 product = (unsigned __int128)prng_u64(p) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = -bound % bound; /* 2^64 mod bound */
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)prng_u64(p) * bound;
    }
    return (uint64_t)(product >> 64);
}

int64_t prng_between(struct prng *p, int64_t min, int64_t max)
{
    assert(min <= max);
    uint64_t count = (uint64_t)max - (uint64_t)min + 1;
    uint64_t offset = count == 0 ? prng_u64(p) : prng_below(p, count);
    return (int64_t)((uint64_t)min + offset);
}

bool prng_chance_ppm(struct prng *p, uint32_t ppm)
{
    return prng_below(p, 1000000) < ppm;
}

double prng_unit(struct prng *p)
{
    return (double)(prng_u64(p) >> 11) * 0x1.0p-53;
}

double prng_normal(struct prng *p)
{
    /* Summed as integers: one rounding, whatever the machine's registers or fused operations. */
    uint64_t sum = 0;
    for (unsigned i = 0; i < 12; i++)
        sum += prng_u64(p) >> 11;
    return (double)sum * 0x1.0p-53 - 6.0;
}
