/* base/map.h - open-addressing hash maps from a 64-bit id or a string to a uint32 index.
 *
 * Pure; memory by mem_alloc.  A per-map seed, because object names are chosen by strangers; the
 * order of a walk is insertion order (never hash order), so results do not depend on the seed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

#define MAP_NONE UINT32_MAX

/* Zero-initialise; `map_u64_clear` frees. */
struct map_u64 {
    uint64_t *keys;   /* entry -> key, in insertion order, holes after removal marked in live */
    uint32_t *values; /* entry -> value */
    uint32_t *slots;  /* hash slot -> entry + 1, 0 = empty, UINT32_MAX = tombstone */
    uint32_t entry_count, entry_cap, live_count, slot_cap;
    uint8_t *live;
};

void map_u64_clear(struct map_u64 *m);

/* The value under `key`, or MAP_NONE. */
uint32_t map_u64_find(const struct map_u64 *m, uint64_t key);

/* Sets the value under `key`; value != MAP_NONE.  Returns the value that stood there, or MAP_NONE. */
uint32_t map_u64_set(struct map_u64 *m, uint64_t key, uint32_t value);

/* Removes `key`; returns its value, or MAP_NONE when it was not there. */
uint32_t map_u64_remove(struct map_u64 *m, uint64_t key);

/* String keys are copied.  Zero-initialise; `map_str_clear` frees. */
struct map_str {
    struct str *keys;
    uint32_t *values;
    uint32_t *slots;
    uint32_t entry_count, entry_cap, live_count, slot_cap;
    uint64_t seed;
    uint8_t *live;
};

void map_str_clear(struct map_str *m);
uint32_t map_str_find(const struct map_str *m, struct str key);
uint32_t map_str_set(struct map_str *m, struct str key, uint32_t value);
uint32_t map_str_remove(struct map_str *m, struct str key);

#endif
