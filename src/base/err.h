/* base/err.h - an error as a value: a code, a place and one line of text.
 *
 * Pure: no heap, no thread-local, works when memory is gone.  Three kinds of failure exist here:
 * a programmer's error is an assert, an expected "no" is a plain code or enum without text, and an
 * operating error is a negative errno plus this struct. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

enum { ERR_TEXT_MAX = 504 };

/* Zero-initialise.  `code` is 0 or a negative errno; `pos` is a byte offset for parsers, else 0;
 * `text` is one line, lower case, naming the value and what was expected, never "failed to". */
struct err {
    int code;
    uint32_t pos;
    char text[ERR_TEXT_MAX];
};

/* Fills `e` (may be NULL) and returns `code`, so that callers write `return err_set(...)`.
 * code: a negative errno.  Text past ERR_TEXT_MAX - 1 bytes is cut, control
 * characters (from quoted input) become '?'. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with the byte offset of the fault in the input. */
int err_set_at(struct err *e, int code, uint32_t pos, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of e's text and returns e->code.  With e == NULL returns -EINVAL. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A name for the errno behind `code` ("EINVAL"), for logs and JSON; "E?" if not known. */
const char *err_name(int code);

#endif
