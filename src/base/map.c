/* base/map.c - hash maps that remember insertion order.  Pure; memory by mem_alloc.
 *
 * Entries stand in insertion order in plain arrays; a table of slots, at least twice as long as the
 * entries and probed linearly, holds entry numbers.  Removal marks the entry dead and leaves a
 * tombstone; both are swept out when the entry arrays are full, which is the only time that entries
 * move. */
#include "base/map.h"

#include "base/arena.h"

#include <assert.h>
#include <string.h>

#define SLOT_EMPTY     UINT32_C(0)
#define SLOT_TOMBSTONE UINT32_MAX

enum { ENTRY_CAP_MIN = 8, ENTRY_CAP_MAX = 1 << 29 };

/* Spreads every bit of the key over the low bits, which choose the slot. */
static uint64_t spread(uint64_t x)
{
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

/* Puts `entry` into the first empty slot of its run; the table has no tombstones. */
static void slot_put(uint32_t *slots, uint32_t slot_cap, uint64_t hash, uint32_t entry)
{
    uint32_t at = (uint32_t)hash & (slot_cap - 1);
    while (slots[at] != SLOT_EMPTY)
        at = (at + 1) & (slot_cap - 1);
    slots[at] = entry + 1;
}

/* The entry capacity after a sweep that leaves `live_count` entries: at least half of it is free,
 * so that sweeps are rare. */
static uint32_t swept_cap(uint32_t live_count)
{
    uint32_t cap = ENTRY_CAP_MIN;
    while (cap / 2 < live_count)
        cap *= 2;
    assert(cap <= ENTRY_CAP_MAX);
    return cap;
}

void map_u64_clear(struct map_u64 *m)
{
    mem_free(m->keys);
    mem_free(m->values);
    mem_free(m->slots);
    mem_free(m->live);
    *m = (struct map_u64){0};
}

/* The slot that holds `key`, or UINT32_MAX. */
static uint32_t u64_slot(const struct map_u64 *m, uint64_t key)
{
    if (m->slot_cap == 0)
        return UINT32_MAX;
    uint32_t at = (uint32_t)spread(key) & (m->slot_cap - 1);
    for (; m->slots[at] != SLOT_EMPTY; at = (at + 1) & (m->slot_cap - 1)) {
        uint32_t slot = m->slots[at];
        if (slot != SLOT_TOMBSTONE && m->keys[slot - 1] == key)
            return at;
    }
    return UINT32_MAX;
}

uint32_t map_u64_find(const struct map_u64 *m, uint64_t key)
{
    uint32_t at = u64_slot(m, key);
    return at == UINT32_MAX ? MAP_NONE : m->values[m->slots[at] - 1];
}

static void u64_sweep(struct map_u64 *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (m->live[i] == 0)
            continue;
        m->keys[count] = m->keys[i];
        m->values[count] = m->values[i];
        m->live[count] = 1;
        count++;
    }
    assert(count == m->live_count);
    m->entry_count = count;
    m->entry_cap = swept_cap(count);
    m->keys = mem_grow(m->keys, m->entry_cap, sizeof *m->keys);
    m->values = mem_grow(m->values, m->entry_cap, sizeof *m->values);
    m->live = mem_grow(m->live, m->entry_cap, sizeof *m->live);
    mem_free(m->slots);
    m->slot_cap = 2 * m->entry_cap;
    m->slots = mem_alloc(m->slot_cap, sizeof *m->slots);
    for (uint32_t i = 0; i < count; i++)
        slot_put(m->slots, m->slot_cap, spread(m->keys[i]), i);
}

uint32_t map_u64_set(struct map_u64 *m, uint64_t key, uint32_t value)
{
    assert(value != MAP_NONE);
    uint32_t at = u64_slot(m, key);
    if (at != UINT32_MAX) {
        uint32_t *place = &m->values[m->slots[at] - 1];
        uint32_t before = *place;
        *place = value;
        return before;
    }
    if (m->entry_count == m->entry_cap)
        u64_sweep(m);
    uint32_t entry = m->entry_count++;
    m->keys[entry] = key;
    m->values[entry] = value;
    m->live[entry] = 1;
    m->live_count++;
    slot_put(m->slots, m->slot_cap, spread(key), entry);
    return MAP_NONE;
}

uint32_t map_u64_remove(struct map_u64 *m, uint64_t key)
{
    uint32_t at = u64_slot(m, key);
    if (at == UINT32_MAX)
        return MAP_NONE;
    uint32_t entry = m->slots[at] - 1;
    m->slots[at] = SLOT_TOMBSTONE;
    m->live[entry] = 0;
    m->live_count--;
    return m->values[entry];
}

static void str_key_free(struct str key)
{
    char *owned;
    memcpy(&owned, &key.ptr, sizeof owned); /* the map made the copy, so it may drop the const */
    mem_free(owned);
}

static struct str str_key_copy(struct str key)
{
    char *copy = mem_alloc(key.len + 1, 1);
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    return (struct str){copy, key.len};
}

void map_str_clear(struct map_str *m)
{
    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (m->live[i] != 0)
            str_key_free(m->keys[i]);
    }
    mem_free(m->keys);
    mem_free(m->values);
    mem_free(m->slots);
    mem_free(m->live);
    *m = (struct map_str){.seed = m->seed};
}

static uint64_t str_spread(const struct map_str *m, struct str key)
{
    return spread(str_hash(key, m->seed));
}

/* The slot that holds `key`, or UINT32_MAX. */
static uint32_t str_slot(const struct map_str *m, struct str key)
{
    if (m->slot_cap == 0)
        return UINT32_MAX;
    uint32_t at = (uint32_t)str_spread(m, key) & (m->slot_cap - 1);
    for (; m->slots[at] != SLOT_EMPTY; at = (at + 1) & (m->slot_cap - 1)) {
        uint32_t slot = m->slots[at];
        if (slot != SLOT_TOMBSTONE && str_eq(m->keys[slot - 1], key))
            return at;
    }
    return UINT32_MAX;
}

uint32_t map_str_find(const struct map_str *m, struct str key)
{
    uint32_t at = str_slot(m, key);
    return at == UINT32_MAX ? MAP_NONE : m->values[m->slots[at] - 1];
}

static void str_sweep(struct map_str *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (m->live[i] == 0)
            continue;
        m->keys[count] = m->keys[i];
        m->values[count] = m->values[i];
        m->live[count] = 1;
        count++;
    }
    assert(count == m->live_count);
    m->entry_count = count;
    m->entry_cap = swept_cap(count);
    m->keys = mem_grow(m->keys, m->entry_cap, sizeof *m->keys);
    m->values = mem_grow(m->values, m->entry_cap, sizeof *m->values);
    m->live = mem_grow(m->live, m->entry_cap, sizeof *m->live);
    mem_free(m->slots);
    m->slot_cap = 2 * m->entry_cap;
    m->slots = mem_alloc(m->slot_cap, sizeof *m->slots);
    for (uint32_t i = 0; i < count; i++)
        slot_put(m->slots, m->slot_cap, str_spread(m, m->keys[i]), i);
}

uint32_t map_str_set(struct map_str *m, struct str key, uint32_t value)
{
    assert(value != MAP_NONE);
    uint32_t at = str_slot(m, key);
    if (at != UINT32_MAX) {
        uint32_t *place = &m->values[m->slots[at] - 1];
        uint32_t before = *place;
        *place = value;
        return before;
    }
    if (m->entry_count == m->entry_cap)
        str_sweep(m);
    uint32_t entry = m->entry_count++;
    m->keys[entry] = str_key_copy(key);
    m->values[entry] = value;
    m->live[entry] = 1;
    m->live_count++;
    slot_put(m->slots, m->slot_cap, str_spread(m, key), entry);
    return MAP_NONE;
}

uint32_t map_str_remove(struct map_str *m, struct str key)
{
    uint32_t at = str_slot(m, key);
    if (at == UINT32_MAX)
        return MAP_NONE;
    uint32_t entry = m->slots[at] - 1;
    m->slots[at] = SLOT_TOMBSTONE;
    str_key_free(m->keys[entry]);
    m->keys[entry] = (struct str){NULL, 0};
    m->live[entry] = 0;
    m->live_count--;
    return m->values[entry];
}
