/* os/progress.h - one line on a terminal that says how far a long run is.
 *
 * Below the purity line.  Nothing is written when standard error is no terminal, nor before a run
 * has lasted OS_PROGRESS_QUIET_NS; then the line is redrawn at most every OS_PROGRESS_EVERY_NS and
 * wiped by os_progress_end(), so the results stand alone. */
#ifndef OS_PROGRESS_H
#define OS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define OS_PROGRESS_QUIET_NS INT64_C(1000000000)
#define OS_PROGRESS_EVERY_NS INT64_C(100000000)

struct os_progress {
    const char *label; /* borrowed */
    int fd;
    bool enabled;
    bool color;
    bool drawn;
    int64_t start_ns;
    int64_t drawn_ns;
};

/* Starts the run's clock.  label: must outlive `p`.  color: false when the user set NO_COLOR (cli
 * reads the environment); the line is then plain text. */
void os_progress_init(struct os_progress *p, const char *label, bool color);

/* Says that `done` of `total` parts are done; cheap enough for a tight loop over steps that take a
 * microsecond or more.  total 0 = not known. */
void os_progress_update(struct os_progress *p, uint64_t done, uint64_t total);

/* Wipes the line.  Safe to call more than once. */
void os_progress_end(struct os_progress *p);

#endif
