/* os/loop.h - one thread's event loop: file descriptors, timers, signals.
 *
 * Below the purity line.  epoll and one heap of timers.  The callers own struct os_fd and struct
 * os_timer (embed them in what they serve); the loop keeps pointers until they are cleared.  A
 * callback may clear anything, itself too: what was cleared is not called any more, not even for an
 * event of the same turn.  Time is read once a turn. */
#ifndef OS_LOOP_H
#define OS_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct os_loop;

/* What a descriptor is ready for; an error or a hang-up is reported as both. */
enum { OS_LOOP_READ = 1, OS_LOOP_WRITE = 2 };

enum { OS_LOOP_FDS_MAX = 1 << 16, OS_LOOP_TIMERS_MAX = 1 << 20 };

/* Zero-initialise, set `ready`. */
struct os_fd {
    void (*ready)(struct os_fd *w, unsigned events);
    int fd;          /* private, while set */
    unsigned events; /* private; 0 = not set */
};

/* Zero-initialise, set `fire`. */
struct os_timer {
    void (*fire)(struct os_timer *t);
    int64_t deadline_mono_ns; /* private */
    uint64_t order;           /* private: equal deadlines fire in the order they were set */
    size_t heap_index;        /* private; 1-based, 0 = not set */
};

/* Zero-initialise, set `fire`; called from the loop, not from the signal handler. */
struct os_signal {
    void (*fire)(struct os_signal *s, int number);
    struct os_signal *next; /* private */
    int number;             /* private; 0 = not set */
};

/* Never NULL on success; -EMFILE and the like on failure. */
int os_loop_new(struct os_loop **ret_loop, struct err *reterr);

/* Nothing may be set any more except timers, which are forgotten.  NULL is accepted. */
void os_loop_free(struct os_loop *loop);

/* Watches `fd` for `events` (level-triggered), or changes what `w` watches for; one os_fd a
 * descriptor. */
int os_loop_fd_set(
        struct os_loop *loop, struct os_fd *w, int fd, unsigned events, struct err *reterr);
void os_loop_fd_clear(struct os_loop *loop, struct os_fd *w); /* fine when not set */

/* Fires once at `deadline_mono_ns` (os_clock_mono_ns()) or soon after; set again moves it. */
void os_loop_timer_set(struct os_loop *loop, struct os_timer *t, int64_t deadline_mono_ns);
void os_loop_timer_clear(struct os_loop *loop, struct os_timer *t); /* fine when not set */
bool os_loop_timer_is_set(const struct os_timer *t);

/* Takes over a signal (blocked for the process, read by signalfd) until cleared. */
int os_loop_signal_set(struct os_loop *loop, struct os_signal *s, int number, struct err *reterr);
void os_loop_signal_clear(struct os_loop *loop, struct os_signal *s);

/* The monotonic clock as read at the start of this turn. */
int64_t os_loop_now_ns(const struct os_loop *loop);

/* Runs turns until os_loop_stop(), or until nothing is set. */
int os_loop_run(struct os_loop *loop, struct err *reterr);
void os_loop_stop(struct os_loop *loop);

/* One turn: waits at most `wait_ns` (negative = as long as it takes), calls what is ready and due.
 * Returns how many callbacks ran, or a negative errno. */
int os_loop_turn(struct os_loop *loop, int64_t wait_ns, struct err *reterr);

#endif
