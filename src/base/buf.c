/* base/buf.c - a growing byte buffer with a cap.  Pure; memory by mem_grow. */
#include "base/buf.h"

#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAP = 64 };

void buf_clear(struct buf *b)
{
    mem_free(b->ptr);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->ptr != NULL)
        b->ptr[0] = '\0';
}

/* Room for `more` bytes and the NUL; false, and overflow, when that passes `max`. */
static bool reserve(struct buf *b, size_t more)
{
    assert(b->len <= b->max);
    if (b->overflow || more > b->max - b->len) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (b->max < SIZE_MAX && cap > b->max + 1)
        cap = b->max + 1;
    b->ptr = mem_grow(b->ptr, cap, 1);
    b->cap = cap;
    return true;
}

void buf_put(struct buf *b, struct str s)
{
    if (!reserve(b, s.len))
        return;
    if (s.len > 0)
        memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
    b->ptr[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, str_from(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, (struct str){&c, 1});
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    size_t room = b->cap - b->len; /* 0 when there is no memory yet, else room for the NUL */
    int len = vsnprintf(room == 0 ? NULL : b->ptr + b->len, room, fmt, ap);
    assert(len >= 0);
    if (!reserve(b, (size_t)len)) {
        if (b->ptr != NULL)
            b->ptr[b->len] = '\0';
    } else {
        if ((size_t)len >= room)
            (void)vsnprintf(b->ptr + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr == NULL ? "" : b->ptr, b->len};
}
