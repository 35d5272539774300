/* base/err.c - filling in struct err.  Pure; no allocation. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Errors quote input: a line break or a terminal's escape sequence in it must not get through. */
static void one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
    }
}

__attribute__((format(printf, 4, 0))) static void set_text(
        struct err *e, int code, uint32_t pos, const char *fmt, va_list ap)
{
    e->code = code;
    e->pos = pos;
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    one_line(e->text);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    assert(code < 0);
    if (e == NULL)
        return code;
    va_list ap;
    va_start(ap, fmt);
    set_text(e, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

int err_set_at(struct err *e, int code, uint32_t pos, const char *fmt, ...)
{
    assert(code < 0);
    if (e == NULL)
        return code;
    va_list ap;
    va_start(ap, fmt);
    set_text(e, code, pos, fmt, ap);
    va_end(ap);
    return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return -EINVAL;
    assert(e->code < 0);
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    one_line(text);
    size_t used = len < 0 ? 0 : (size_t)len;
    static const char separator[] = ": ";
    size_t gap = sizeof separator - 1;
    if (used + gap >= sizeof text) {
        memcpy(e->text, text, sizeof e->text); /* the context alone fills the line */
        return e->code;
    }
    size_t room = sizeof e->text - 1 - used - gap;
    size_t kept = strnlen(e->text, sizeof e->text - 1);
    if (kept > room)
        kept = room;
    memmove(e->text + used + gap, e->text, kept);
    e->text[used + gap + kept] = '\0';
    memcpy(e->text, text, used);
    memcpy(e->text + used, separator, gap);
    return e->code;
}

const char *err_name(int code)
{
    switch (-code) {
    case EINVAL:
        return "EINVAL";
    case EEXIST:
        return "EEXIST";
    case ENOENT:
        return "ENOENT";
    case ENOSPC:
        return "ENOSPC";
    case EBUSY:
        return "EBUSY";
    case E2BIG:
        return "E2BIG";
    case ERANGE:
        return "ERANGE";
    case ENOTSUP:
        return "ENOTSUP";
    case EIO:
        return "EIO";
    case EACCES:
        return "EACCES";
    case EPERM:
        return "EPERM";
    case EISDIR:
        return "EISDIR";
    case ENOTDIR:
        return "ENOTDIR";
    case ENOMEM:
        return "ENOMEM";
    case EPIPE:
        return "EPIPE";
    case EROFS:
        return "EROFS";
    case EAGAIN:
        return "EAGAIN";
    default:
        return "E?";
    }
}
