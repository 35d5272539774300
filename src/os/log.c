/* os/log.c - structured lines on standard error.  Below the purity line. */
#include "os/log.h"

#include "base/buf.h"
#include "base/civil.h"
#include "base/json.h"
#include "os/clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

/* Process-wide, like standard error itself. */
static _Atomic enum os_log_level lowest_level = OS_LOG_INFO;

static const char *const level_names[] = {
        [OS_LOG_DEBUG] = "debug",
        [OS_LOG_INFO] = "info",
        [OS_LOG_WARN] = "warn",
        [OS_LOG_ERROR] = "error",
        [OS_LOG_OFF] = "off",
};

void os_log_set_level(enum os_log_level level)
{
    atomic_store(&lowest_level, level);
}

int os_log_level_parse(struct str text, enum os_log_level *ret_level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (str_eq_c(text, level_names[i])) {
            *ret_level = (enum os_log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* True when logfmt needs no quotes around `s`. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) /* also all non-ASCII */
            return false;
    }
    return s.len > 0;
}

static void put_value(struct buf *line, struct str value)
{
    if (is_bare(value)) {
        buf_put(line, value);
        return;
    }
    buf_putc(line, '"');
    json_escape(line, value);
    buf_putc(line, '"');
}

static void put_field(struct buf *line, const struct os_log_field *field)
{
    buf_printf(line, " %s=", field->key);
    switch (field->kind) {
    case OS_LOG_KIND_STR:
        put_value(line, field->text);
        break;
    case OS_LOG_KIND_I64:
        buf_printf(line, "%" PRId64, field->i64);
        break;
    case OS_LOG_KIND_U64:
        buf_printf(line, "%" PRIu64, field->u64);
        break;
    }
}

void os_log_line(enum os_log_level level, const char *area, const char *message,
        const struct os_log_field *fields, unsigned field_count)
{
    assert(level < OS_LOG_OFF);
    assert(field_count >= 1);
    if (level < atomic_load(&lowest_level))
        return;
    struct buf line = BUF_INIT(OS_LOG_LINE_MAX - 1);
    char time_text[32];
    buf_printf(&line, "ts=%s level=%s area=%s msg=", civil_format(os_clock_wall_ns(), time_text),
            level_names[level], area);
    put_value(&line, str_from(message));
    for (unsigned i = 1; i < field_count; i++)
        put_field(&line, &fields[i]);

    line.max = OS_LOG_LINE_MAX; /* a line that was cut gets its end all the same */
    line.overflow = false;
    buf_putc(&line, '\n');
    /* Nobody is left to tell when standard error is gone. */
    ssize_t written = write(STDERR_FILENO, line.ptr, line.len);
    (void)written;
    buf_clear(&line);
}
