/* os/progress.c - a progress line on a terminal.  Below the purity line. */
#include "os/progress.h"

#include "base/buf.h"
#include "os/clock.h"

#include <inttypes.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 512 };

#define WIPE  "\r\033[K"
#define DIM   "\033[2m"
#define PLAIN "\033[0m"

void os_progress_init(struct os_progress *p, const char *label, bool color)
{
    *p = (struct os_progress){
            .label = label,
            .fd = STDERR_FILENO,
            .enabled = isatty(STDERR_FILENO) == 1,
            .color = color,
            .start_ns = os_clock_mono_ns(),
    };
}

static void put(struct os_progress *p, const struct buf *line)
{
    /* A terminal that is gone takes the progress line with it, not the run. */
    if (write(p->fd, line->ptr, line->len) < 0)
        p->enabled = false;
}

static void draw(struct os_progress *p, uint64_t done, uint64_t total, int64_t now_ns)
{
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    int64_t seconds = (now_ns - p->start_ns) / INT64_C(1000000000);
    buf_printf(&line, WIPE "%s%s", p->color ? DIM : "", p->label);
    if (total > 0) {
        uint64_t percent = (uint64_t)((unsigned __int128)done * 100 / total);
        buf_printf(&line, " %" PRIu64 "%%", percent < 100 ? percent : 100);
    } else {
        buf_printf(&line, " %" PRIu64, done);
    }
    buf_printf(&line, ", %" PRId64 " s%s", seconds, p->color ? PLAIN : "");
    put(p, &line);
    buf_clear(&line);
    p->drawn = true;
    p->drawn_ns = now_ns;
}

void os_progress_update(struct os_progress *p, uint64_t done, uint64_t total)
{
    if (!p->enabled)
        return;
    int64_t now_ns = os_clock_mono_ns();
    if (now_ns - p->start_ns < OS_PROGRESS_QUIET_NS)
        return;
    if (p->drawn && now_ns - p->drawn_ns < OS_PROGRESS_EVERY_NS)
        return;
    draw(p, done, total, now_ns);
}

void os_progress_end(struct os_progress *p)
{
    if (!p->enabled || !p->drawn)
        return;
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    buf_puts(&line, WIPE);
    put(p, &line);
    buf_clear(&line);
    p->drawn = false;
    p->enabled = false;
}
