/* kube/cache.c - rows of one allocation each, found by an open-addressing index.  Pure. */
#include "kube/cache.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SLOT_FREE = 0, SLOTS_MIN = 64 };

/* Projection, then uid, namespace and name, follow the struct. */
struct row {
    uint64_t version;
    uint32_t size;  /* of the projection */
    uint32_t round; /* the last list that had it */
    uint32_t hash;
    uint8_t namespace_len, name_len, uid_len;
    _Alignas(8) unsigned char bytes[];
};

struct kube_cache {
    uint64_t seed;
    struct row **rows; /* in order of arrival, with holes */
    uint32_t row_count, row_cap, live_count;
    uint32_t *slots; /* row index + 1; 0 = free.  Linear probing, backward-shift deletion */
    uint32_t slot_cap;
    uint32_t round;
    uint32_t sweep_at;
    struct row *swept; /* what the last sweep gave */
    size_t row_bytes;
};

struct kube_cache *kube_cache_new(uint64_t seed)
{
    struct kube_cache *c = mem_alloc(1, sizeof *c);
    c->seed = seed;
    return c;
}

void kube_cache_free(struct kube_cache *cache)
{
    if (cache == NULL)
        return;
    for (uint32_t i = 0; i < cache->row_count; i++)
        mem_free(cache->rows[i]);
    mem_free(cache->swept);
    mem_free(cache->rows);
    mem_free(cache->slots);
    mem_free(cache);
}

static size_t row_alloc_bytes(const struct row *r)
{
    return sizeof *r + r->size + r->uid_len + r->namespace_len + r->name_len;
}

static void view(const struct row *r, struct kube_row *ret_row)
{
    const char *text = (const char *)r->bytes + r->size;
    *ret_row = (struct kube_row){
            .uid = {text, r->uid_len},
            .namespace = {text + r->uid_len, r->namespace_len},
            .name = {text + r->uid_len + r->namespace_len, r->name_len},
            .version = r->version,
            .bytes = r->bytes,
            .size = r->size,
    };
}

static uint32_t hash_of(const struct kube_cache *c, struct str namespace, struct str name)
{
    uint64_t h = str_hash(name, str_hash(namespace, c->seed));
    return (uint32_t)(h ^ (h >> 32));
}

static bool is_key(const struct row *r, uint32_t hash, struct str namespace, struct str name)
{
    if (r->hash != hash)
        return false;
    struct kube_row v;
    view(r, &v);
    return str_eq(v.name, name) && str_eq(v.namespace, namespace);
}

/* The slot of the key, or the free one where it would go.  There is always a free one. */
static uint32_t slot_of(
        const struct kube_cache *c, uint32_t hash, struct str namespace, struct str name)
{
    uint32_t slot = hash & (c->slot_cap - 1);
    while (c->slots[slot] != SLOT_FREE &&
            !is_key(c->rows[c->slots[slot] - 1], hash, namespace, name))
        slot = (slot + 1) & (c->slot_cap - 1);
    return slot;
}

static void reindex(struct kube_cache *c, uint32_t slot_cap)
{
    mem_free(c->slots);
    c->slots = mem_alloc(slot_cap, sizeof *c->slots);
    c->slot_cap = slot_cap;
    for (uint32_t i = 0; i < c->row_count; i++) {
        uint32_t slot = c->rows[i]->hash & (slot_cap - 1);
        while (c->slots[slot] != SLOT_FREE)
            slot = (slot + 1) & (slot_cap - 1);
        c->slots[slot] = i + 1;
    }
}

/* Room for one more row: holes are closed first, then the arrays grow. */
static void make_room(struct kube_cache *c)
{
    bool compacted = false;
    if (c->row_count == c->row_cap && c->live_count < c->row_count - c->row_count / 4) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < c->row_count; i++) {
            if (c->rows[i] != NULL)
                c->rows[kept++] = c->rows[i];
        }
        c->row_count = kept;
        compacted = true;
    }
    if (c->row_count == c->row_cap) {
        c->row_cap = c->row_cap == 0 ? SLOTS_MIN : c->row_cap + c->row_cap / 2;
        c->rows = mem_grow(c->rows, c->row_cap, sizeof *c->rows);
    }
    uint32_t slot_cap = c->slot_cap == 0 ? SLOTS_MIN : c->slot_cap;
    while ((uint64_t)(c->live_count + 1) * 4 > (uint64_t)slot_cap * 3)
        slot_cap *= 2;
    if (slot_cap != c->slot_cap && !compacted && c->live_count != c->row_count) {
        /* Indexing walks rows without holes only. */
        uint32_t kept = 0;
        for (uint32_t i = 0; i < c->row_count; i++) {
            if (c->rows[i] != NULL)
                c->rows[kept++] = c->rows[i];
        }
        c->row_count = kept;
        compacted = true;
    }
    if (compacted || slot_cap != c->slot_cap)
        reindex(c, slot_cap);
}

static struct row *row_new(
        const struct kube_cache *c, const struct kube_item *item, struct str projection)
{
    size_t text = item->uid.len + item->namespace.len + item->name.len;
    struct row *r = mem_alloc(1, sizeof *r + projection.len + text);
    r->version = item->version;
    r->size = (uint32_t)projection.len;
    r->round = c->round;
    r->hash = hash_of(c, item->namespace, item->name);
    r->uid_len = (uint8_t)item->uid.len;
    r->namespace_len = (uint8_t)item->namespace.len;
    r->name_len = (uint8_t)item->name.len;
    unsigned char *at = r->bytes;
    const struct str parts[] = {projection, item->uid, item->namespace, item->name};
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return r;
}

static enum kube_cache_verdict compare(
        const struct row *held, const struct kube_item *item, struct str projection)
{
    struct kube_row v;
    view(held, &v);
    if (!str_eq(v.uid, item->uid))
        return KUBE_CACHE_REPLACED;
    if (v.size == projection.len && (v.size == 0 || memcmp(v.bytes, projection.ptr, v.size) == 0))
        return KUBE_CACHE_SAME;
    return KUBE_CACHE_CHANGED;
}

int kube_cache_put(struct kube_cache *cache, const struct kube_item *item, struct str projection,
        enum kube_cache_verdict *ret_verdict, struct kube_row *ret_row)
{
    assert(item->name.len <= KUBE_NAME_MAX && item->namespace.len <= KUBE_NAME_MAX);
    assert(item->uid.len <= KUBE_UID_MAX);
    if (projection.len > KUBE_CACHE_ROW_BYTES_MAX || cache->live_count >= KUBE_CACHE_ROWS_MAX)
        return -E2BIG;
    make_room(cache);
    uint32_t hash = hash_of(cache, item->namespace, item->name);
    uint32_t slot = slot_of(cache, hash, item->namespace, item->name);
    enum kube_cache_verdict verdict = KUBE_CACHE_ADDED;
    if (cache->slots[slot] != SLOT_FREE) {
        struct row **held = &cache->rows[cache->slots[slot] - 1];
        verdict = compare(*held, item, projection);
        if (verdict == KUBE_CACHE_SAME) {
            (*held)->version = item->version;
            (*held)->round = cache->round;
        } else {
            struct row *made = row_new(cache, item, projection);
            cache->row_bytes -= row_alloc_bytes(*held);
            cache->row_bytes += row_alloc_bytes(made);
            mem_free(*held);
            *held = made;
        }
        view(*held, ret_row);
    } else {
        struct row *made = row_new(cache, item, projection);
        cache->rows[cache->row_count++] = made;
        cache->slots[slot] = cache->row_count;
        cache->live_count++;
        cache->row_bytes += row_alloc_bytes(made);
        view(made, ret_row);
    }
    *ret_verdict = verdict;
    return 0;
}

/* Empties a slot and moves back what had been pushed past it. */
static void slot_clear(struct kube_cache *c, uint32_t slot)
{
    uint32_t mask = c->slot_cap - 1;
    uint32_t hole = slot;
    for (uint32_t at = (slot + 1) & mask; c->slots[at] != SLOT_FREE; at = (at + 1) & mask) {
        uint32_t home = c->rows[c->slots[at] - 1]->hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            c->slots[hole] = c->slots[at];
            hole = at;
        }
    }
    c->slots[hole] = SLOT_FREE;
}

/* Takes the row of a slot out; the caller frees it. */
static struct row *take_out(struct kube_cache *c, uint32_t slot)
{
    uint32_t index = c->slots[slot] - 1;
    struct row *r = c->rows[index];
    slot_clear(c, slot);
    c->rows[index] = NULL;
    c->live_count--;
    c->row_bytes -= row_alloc_bytes(r);
    return r;
}

bool kube_cache_remove(
        struct kube_cache *cache, struct str namespace, struct str name, struct str uid)
{
    if (cache->slot_cap == 0)
        return false;
    uint32_t slot = slot_of(cache, hash_of(cache, namespace, name), namespace, name);
    if (cache->slots[slot] == SLOT_FREE)
        return false;
    struct kube_row v;
    view(cache->rows[cache->slots[slot] - 1], &v);
    if (uid.len > 0 && !str_eq(v.uid, uid))
        return false;
    mem_free(take_out(cache, slot));
    return true;
}

bool kube_cache_find(const struct kube_cache *cache, struct str namespace, struct str name,
        struct kube_row *ret_row)
{
    if (cache->slot_cap == 0)
        return false;
    uint32_t slot = slot_of(cache, hash_of(cache, namespace, name), namespace, name);
    if (cache->slots[slot] == SLOT_FREE)
        return false;
    view(cache->rows[cache->slots[slot] - 1], ret_row);
    return true;
}

uint32_t kube_cache_count(const struct kube_cache *cache)
{
    return cache->live_count;
}

size_t kube_cache_bytes(const struct kube_cache *cache)
{
    return cache->row_bytes + cache->row_cap * sizeof *cache->rows +
           cache->slot_cap * sizeof *cache->slots;
}

bool kube_cache_next(const struct kube_cache *cache, uint32_t *cursor, struct kube_row *ret_row)
{
    while (*cursor < cache->row_count) {
        const struct row *r = cache->rows[(*cursor)++];
        if (r != NULL) {
            view(r, ret_row);
            return true;
        }
    }
    return false;
}

void kube_cache_mark(struct kube_cache *cache)
{
    cache->round++;
    cache->sweep_at = 0;
}

bool kube_cache_sweep(struct kube_cache *cache, struct kube_row *ret_row)
{
    mem_free(cache->swept);
    cache->swept = NULL;
    while (cache->sweep_at < cache->row_count) {
        const struct row *r = cache->rows[cache->sweep_at++];
        if (r == NULL || r->round == cache->round)
            continue;
        struct kube_row v;
        view(r, &v);
        cache->swept = take_out(cache, slot_of(cache, r->hash, v.namespace, v.name));
        view(cache->swept, ret_row);
        return true;
    }
    return false;
}
