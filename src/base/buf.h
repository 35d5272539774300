/* base/buf.h - a growing byte buffer with a cap, for text and files that we write.
 *
 * Memory from malloc; out of memory ends the process.  Content is always followed by a NUL that
 * `len` does not count. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

/* Initialise with BUF_INIT(max_bytes); free with buf_clear().  Once `max` would be passed, nothing
 * more is added and `overflow` stays true: check it once, at the end. */
struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_clear(struct buf *b);
void buf_reset(struct buf *b); /* keeps the memory, len = 0, overflow = false */

/* Whole or not at all; `s` is no view into `b`. */
void buf_put(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* A view of the content; valid until the next change. */
struct str buf_str(const struct buf *b);

#endif
