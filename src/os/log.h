/* os/log.h - structured lines on standard error.
 *
 * Below the purity line; pure folders return reasons instead.  One line a call, in logfmt:
 *   ts=2026-11-22T18:14:00Z level=info area=kube msg="watch resumed" rv=12 node=gpu-1
 * Each line is one write(2), so lines of several threads do not mix.  A line is cut at
 * OS_LOG_LINE_MAX bytes.  Bytes that are not UTF-8, quotes and control characters are escaped.
 *
 *   os_log_info("kube", "watch resumed", OS_LOG_U64("rv", rv), OS_LOG_STR("node", name)); */
#ifndef OS_LOG_H
#define OS_LOG_H

#include "base/str.h"

enum { OS_LOG_LINE_MAX = 4096 };

enum os_log_level { OS_LOG_DEBUG, OS_LOG_INFO, OS_LOG_WARN, OS_LOG_ERROR, OS_LOG_OFF };

enum os_log_kind { OS_LOG_KIND_STR, OS_LOG_KIND_I64, OS_LOG_KIND_U64 };

/* One key and value; made by the macros below. */
struct os_log_field {
    const char *key;
    enum os_log_kind kind;
    struct str text;
    int64_t i64;
    uint64_t u64;
};

#define OS_LOG_STR(k, v)  ((struct os_log_field){.key = (k), .kind = OS_LOG_KIND_STR, .text = (v)})
#define OS_LOG_CSTR(k, v) OS_LOG_STR(k, str_from(v))
#define OS_LOG_I64(k, v)  ((struct os_log_field){.key = (k), .kind = OS_LOG_KIND_I64, .i64 = (v)})
#define OS_LOG_U64(k, v)  ((struct os_log_field){.key = (k), .kind = OS_LOG_KIND_U64, .u64 = (v)})

/* Lines below `level` are dropped; the start value is OS_LOG_INFO. */
void os_log_set_level(enum os_log_level level);

/* "debug", "info", "warn", "error" or "off"; -EINVAL for another word. */
int os_log_level_parse(struct str text, enum os_log_level *ret_level);

/* Use the macros.  field_count fields; the first is a filler and not written. */
void os_log_line(enum os_log_level level, const char *area, const char *message,
        const struct os_log_field *fields, unsigned field_count);

#define OS_LOG_AT(level, area, message, ...)                                                       \
    os_log_line((level), (area), (message),                                                        \
            (const struct os_log_field[]){{.key = ""}, ##__VA_ARGS__},                             \
            (unsigned)(sizeof((const struct os_log_field[]){{.key = ""}, ##__VA_ARGS__}) /         \
                       sizeof(struct os_log_field)))

#define os_log_debug(area, ...) OS_LOG_AT(OS_LOG_DEBUG, area, __VA_ARGS__)
#define os_log_info(area, ...)  OS_LOG_AT(OS_LOG_INFO, area, __VA_ARGS__)
#define os_log_warn(area, ...)  OS_LOG_AT(OS_LOG_WARN, area, __VA_ARGS__)
#define os_log_error(area, ...) OS_LOG_AT(OS_LOG_ERROR, area, __VA_ARGS__)

#endif
