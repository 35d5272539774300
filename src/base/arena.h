/* base/arena.h - memory that lives as long as one episode and is freed at once.
 *
 * Out of memory, or past the cap, ends the process (status 71) with one line on stderr, so callers
 * check input limits first.  Under ASan every allocation is its own malloc, so overruns are seen.
 * arena.c, buf.c and map.c alone may call malloc among the pure modules. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena;

/* cap_bytes: the most that may be allocated in all; 0 = 1 GiB. */
struct arena *arena_new(size_t cap_bytes);

/* Frees everything; NULL is accepted.  Returns NULL, for `a = arena_free(a)`. */
struct arena *arena_free(struct arena *a);

/* Forgets everything allocated, keeps blocks for reuse. */
void arena_reset(struct arena *a);

/* Zeroed memory for `count` objects of `size` bytes, aligned for any type. */
void *arena_alloc(struct arena *a, size_t count, size_t size);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), 1, sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type)))

/* True when `count` objects of `size` bytes can be allocated without passing the cap (bytes lost to
 * alignment do not count): for parsers, which answer -E2BIG instead of ending the process. */
bool arena_fits(const struct arena *a, size_t count, size_t size);

/* A NUL-terminated copy of `s`, as a view (without the NUL). */
struct str arena_str(struct arena *a, struct str s);

/* Formatted text, NUL-terminated. */
const char *arena_printf(struct arena *a, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/* Bytes allocated since arena_new() or arena_reset(), without what alignment costs. */
size_t arena_used_bytes(const struct arena *a);

/* Bytes held from malloc, in use or for reuse. */
size_t arena_held_bytes(const struct arena *a);

/* malloc/realloc/calloc that end the process when memory is out; for modules with own lifetimes. */
void *mem_alloc(size_t count, size_t size); /* zeroed */
void *mem_grow(void *ptr, size_t count, size_t size);
void mem_free(void *ptr);

void arena_scoped_free(struct arena **a);
void mem_scoped_free(void *ptr_to_ptr);

/* Scoped ownership: SCOPED(arena_scoped_free) struct arena *a = NULL; */
#define SCOPED(fn) __attribute__((cleanup(fn)))

#endif
