/* base/arena.c - memory of one episode, and malloc that does not return NULL.
 *
 * Pure but for the end of the process when memory is out.  Normally a list of blocks that grow;
 * under ASan a list of single allocations, so that an overrun of one object is seen. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SINGLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SINGLE 1
#endif
#endif
#ifndef ARENA_SINGLE
#define ARENA_SINGLE 0
#endif

enum {
    OUT_OF_MEMORY_STATUS = 71, /* EX_OSERR of sysexits.h */
    BLOCK_BYTES_MIN = 16 * 1024,
    BLOCK_BYTES_MAX = 1024 * 1024,
};

#define CAP_BYTES_DEFAULT ((size_t)1 << 30)

struct block {
    char *bytes;
    size_t size;
};

/* Invariant: blocks[0..at] hold live data, `fill` bytes of blocks[at] are taken, blocks past `at`
 * are empty and wait for reuse.  With ARENA_SINGLE each block is one allocation. */
struct arena {
    size_t cap_bytes;
    size_t used_bytes;
    struct block *blocks;
    size_t block_count, block_cap;
    size_t at, fill;
};

static _Noreturn void out_of_memory(const char *what, size_t bytes)
{
    (void)fprintf(stderr, "slicewright: out of memory: %s (%zu bytes)\n", what, bytes);
    _Exit(OUT_OF_MEMORY_STATUS);
}

/* count * size, at least 1. */
static size_t total_bytes(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory("object count overflows", count);
    return bytes == 0 ? 1 : bytes;
}

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes = total_bytes(count, size);
    void *ptr = calloc(1, bytes);
    if (ptr == NULL)
        out_of_memory("heap", bytes);
    return ptr;
}

void *mem_grow(void *ptr, size_t count, size_t size)
{
    size_t bytes = total_bytes(count, size);
    void *grown = realloc(ptr, bytes);
    if (grown == NULL)
        out_of_memory("heap", bytes);
    return grown;
}

void mem_free(void *ptr)
{
    free(ptr);
}

void mem_scoped_free(void *ptr_to_ptr)
{
    void *ptr;
    memcpy(&ptr, ptr_to_ptr, sizeof ptr);
    mem_free(ptr);
}

struct arena *arena_new(size_t cap_bytes)
{
    struct arena *a = mem_alloc(1, sizeof *a);
    a->cap_bytes = cap_bytes == 0 ? CAP_BYTES_DEFAULT : cap_bytes;
    return a;
}

static void free_blocks(struct arena *a)
{
    for (size_t i = 0; i < a->block_count; i++)
        mem_free(a->blocks[i].bytes);
    a->block_count = 0;
}

struct arena *arena_free(struct arena *a)
{
    if (a == NULL)
        return NULL;
    free_blocks(a);
    mem_free(a->blocks);
    mem_free(a);
    return NULL;
}

void arena_scoped_free(struct arena **a)
{
    *a = arena_free(*a);
}

void arena_reset(struct arena *a)
{
    if (ARENA_SINGLE)
        free_blocks(a);
    a->at = 0;
    a->fill = 0;
    a->used_bytes = 0;
}

static void append_block(struct arena *a, size_t size)
{
    if (a->block_count == a->block_cap) {
        a->block_cap = a->block_cap == 0 ? 16 : a->block_cap * 2;
        a->blocks = mem_grow(a->blocks, a->block_cap, sizeof *a->blocks);
    }
    a->blocks[a->block_count++] = (struct block){.bytes = mem_alloc(size, 1), .size = size};
}

static void replace_block(struct arena *a, size_t index, size_t size)
{
    assert(index < a->block_count && index > a->at);
    mem_free(a->blocks[index].bytes);
    a->blocks[index] = (struct block){.bytes = mem_alloc(size, 1), .size = size};
}

static size_t next_block_size(const struct arena *a, size_t bytes)
{
    size_t size = BLOCK_BYTES_MIN;
    while (size < BLOCK_BYTES_MAX && size < a->used_bytes)
        size *= 2;
    return size < bytes ? bytes : size;
}

static void *take_from_block(struct arena *a, size_t bytes, size_t align)
{
    size_t offset = (a->fill + align - 1) & ~(align - 1);
    if (a->block_count == 0 || offset > a->blocks[a->at].size ||
            bytes > a->blocks[a->at].size - offset) {
        size_t next = a->block_count == 0 ? 0 : a->at + 1;
        if (next == a->block_count) {
            append_block(a, next_block_size(a, bytes));
        } else if (a->blocks[next].size < bytes) {
            /* Kept beside a larger one, it would make an arena that is reset again and again grow
             * for ever. */
            replace_block(a, next, next_block_size(a, bytes));
        }
        a->at = next;
        offset = 0;
    }
    a->fill = offset + bytes;
    return memset(a->blocks[a->at].bytes + offset, 0, bytes);
}

static void *take(struct arena *a, size_t bytes, size_t align)
{
    if (bytes > a->cap_bytes - a->used_bytes)
        out_of_memory("an arena's cap would be passed", bytes);
    a->used_bytes += bytes;
    if (ARENA_SINGLE) {
        append_block(a, bytes);
        return a->blocks[a->block_count - 1].bytes;
    }
    return take_from_block(a, bytes, align);
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    return take(a, total_bytes(count, size), alignof(max_align_t));
}

bool arena_fits(const struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    return !__builtin_mul_overflow(count, size, &bytes) && bytes < a->cap_bytes - a->used_bytes;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = take(a, total_bytes(s.len + 1, 1), 1);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return (struct str){copy, s.len};
}

const char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(len >= 0);
    char *text = take(a, (size_t)len + 1, 1);
    (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

size_t arena_used_bytes(const struct arena *a)
{
    return a->used_bytes;
}

size_t arena_held_bytes(const struct arena *a)
{
    size_t held = 0;
    for (size_t i = 0; i < a->block_count; i++)
        held += a->blocks[i].size;
    return held;
}
