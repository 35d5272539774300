/* base/prng.h - seeded random numbers that are the same on every machine.
 *
 * Pure.  xoshiro256** seeded by splitmix64 (public-domain algorithms of Blackman and Vigna).
 * Integer results only depend on the seed and the calls; the few real-valued helpers are for the
 * simulator's generators and use no libm call whose rounding differs between libcs. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

void prng_init(struct prng *p, uint64_t seed);

/* An independent stream for (seed, stream): so that one consumer's draws do not move another's. */
void prng_init_stream(struct prng *p, uint64_t seed, uint64_t stream);

uint64_t prng_u64(struct prng *p);

/* Uniform in [0, bound), unbiased; bound > 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);

/* Uniform in [min, max]. */
int64_t prng_between(struct prng *p, int64_t min, int64_t max);

/* True with probability ppm / 1,000,000. */
bool prng_chance_ppm(struct prng *p, uint32_t ppm);

/* Uniform in [0, 1) with 53 bits. */
double prng_unit(struct prng *p);

/* Approximately standard normal: the sum of 12 uniforms less 6 (exact on every machine). */
double prng_normal(struct prng *p);

/* A hash of two words, for ids and for draws that must not depend on call order. */
uint64_t prng_mix(uint64_t a, uint64_t b);

#endif
