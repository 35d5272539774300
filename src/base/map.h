/* base/map.h - open-addressing hash maps from a 64-bit id or a string to a uint32 index.
 *
 * Pure; memory by mem_alloc.  A per-map seed, because object names are chosen by strangers; the
 * order of a walk is insertion order (never hash order), so results do not depend on the seed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

#define MAP_NONE UINT32_MAX

/* Walks the entries of either map in insertion order: entry i has (map)->keys[i], ->values[i].
 * Removing while walking is fine; setting a new key may move entries. */
#define MAP_FOREACH(i, map)                                                                        \
    for (uint32_t i = 0; i < (map)->entry_count; i++)                                              \
        if ((map)->live[i] != 0)

/* Zero-initialise; `map_u64_clear` frees.  For ids that we make.
 * A key that is set again keeps its place; one that was removed and set again goes last. */
struct map_u64 {
    uint64_t *keys;   /* entry -> key, in insertion order, holes after removal marked in live */
    uint32_t *values; /* entry -> value */
    uint32_t *slots;  /* hash slot -> entry + 1, 0 = empty, UINT32_MAX = removed */
    uint32_t entry_count, entry_cap, live_count, slot_cap;
    uint8_t *live;
};

void map_u64_clear(struct map_u64 *m);

/* The value under `key`, or MAP_NONE. */
uint32_t map_u64_find(const struct map_u64 *m, uint64_t key);

/* Sets the value under `key`; value != MAP_NONE.  Returns the value that stood there, or MAP_NONE.
 */
uint32_t map_u64_set(struct map_u64 *m, uint64_t key, uint32_t value);

/* Removes `key`; returns its value, or MAP_NONE when it was not there. */
uint32_t map_u64_remove(struct map_u64 *m, uint64_t key);

/* String keys are copied.  Zero-initialise, set `seed` before the first key when strangers choose
 * the keys, never later; `map_str_clear` frees and keeps the seed.  Walks go as in map_u64. */
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
