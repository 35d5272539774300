/* os/loop.c - epoll, a heap of timers and a signalfd.  Below the purity line. */
#include "os/loop.h"

#include "base/arena.h"
#include "os/clock.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 64 };

struct os_loop {
    int epoll;
    int64_t now_ns;
    bool stopped;
    uint32_t fd_count;

    struct os_timer **heap; /* 1-based: heap[0] is not used */
    size_t heap_len, heap_cap;
    uint64_t timer_order;

    struct os_fd signal_fd;
    struct os_signal *signals;
    sigset_t taken; /* signals that we blocked */

    /* The events of this turn that are not handled yet, so that clearing can drop them. */
    struct epoll_event events[EVENTS_A_TURN];
    int event_count, event_index;
};

static int system_fault(const char *what, struct err *reterr)
{
    int code = errno;
    return err_set(reterr, -code, "%s: %s", what, strerror(code));
}

int os_loop_new(struct os_loop **ret_loop, struct err *reterr)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return system_fault("epoll", reterr);
    struct os_loop *loop = mem_alloc(1, sizeof *loop);
    loop->epoll = epoll;
    loop->now_ns = os_clock_mono_ns();
    (void)sigemptyset(&loop->taken);
    *ret_loop = loop;
    return 0;
}

void os_loop_free(struct os_loop *loop)
{
    if (loop == NULL)
        return;
    assert(loop->signals == NULL);
    assert(loop->fd_count == 0);
    for (size_t i = 1; i <= loop->heap_len; i++)
        loop->heap[i]->heap_index = 0;
    (void)close(loop->epoll);
    mem_free(loop->heap);
    mem_free(loop);
}

int64_t os_loop_now_ns(const struct os_loop *loop)
{
    return loop->now_ns;
}

/* ------------------------------------------------------------------------------------------ fds */

static uint32_t epoll_bits(unsigned events)
{
    return ((events & OS_LOOP_READ) ? (uint32_t)EPOLLIN : 0u) |
           ((events & OS_LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0u);
}

int os_loop_fd_set(
        struct os_loop *loop, struct os_fd *w, int fd, unsigned events, struct err *reterr)
{
    assert(events != 0 && (events & ~(unsigned)(OS_LOOP_READ | OS_LOOP_WRITE)) == 0);
    assert(w->ready != NULL);
    if (w->events != 0 && w->fd == fd && w->events == events)
        return 0;
    if (w->events != 0 && w->fd != fd)
        os_loop_fd_clear(loop, w);
    if (w->events == 0 && loop->fd_count >= OS_LOOP_FDS_MAX)
        return err_set(reterr, -EMFILE, "more than %d descriptors watched", OS_LOOP_FDS_MAX);
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = w};
    if (epoll_ctl(loop->epoll, w->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
        return system_fault("epoll_ctl", reterr);
    if (w->events == 0)
        loop->fd_count++;
    w->fd = fd;
    w->events = events;
    return 0;
}

void os_loop_fd_clear(struct os_loop *loop, struct os_fd *w)
{
    if (w->events == 0)
        return;
    /* The owner may have closed it before: then the kernel has forgotten it by itself. */
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->events = 0;
    loop->fd_count--;
    for (int i = loop->event_index; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == w)
            loop->events[i].data.ptr = NULL;
    }
}

/* --------------------------------------------------------------------------------------- timers */

static bool is_before(const struct os_timer *a, const struct os_timer *b)
{
    if (a->deadline_mono_ns != b->deadline_mono_ns)
        return a->deadline_mono_ns < b->deadline_mono_ns;
    return a->order < b->order;
}

static void heap_place(struct os_loop *loop, size_t index, struct os_timer *t)
{
    loop->heap[index] = t;
    t->heap_index = index;
}

static void heap_up(struct os_loop *loop, size_t index, struct os_timer *t)
{
    while (index > 1 && is_before(t, loop->heap[index / 2])) {
        heap_place(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    heap_place(loop, index, t);
}

static void heap_down(struct os_loop *loop, size_t index, struct os_timer *t)
{
    for (;;) {
        size_t child = index * 2;
        if (child > loop->heap_len)
            break;
        if (child < loop->heap_len && is_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_before(loop->heap[child], t))
            break;
        heap_place(loop, index, loop->heap[child]);
        index = child;
    }
    heap_place(loop, index, t);
}

void os_loop_timer_set(struct os_loop *loop, struct os_timer *t, int64_t deadline_mono_ns)
{
    assert(t->fire != NULL);
    os_loop_timer_clear(loop, t);
    assert(loop->heap_len < OS_LOOP_TIMERS_MAX);
    if (loop->heap_len + 1 >= loop->heap_cap) {
        loop->heap_cap = loop->heap_cap == 0 ? 64 : loop->heap_cap * 2;
        loop->heap = mem_grow(loop->heap, loop->heap_cap, sizeof *loop->heap);
    }
    /* Not earlier than now: a timer that sets itself again for the past would stand before all that
     * are due, for ever. */
    t->deadline_mono_ns = deadline_mono_ns > loop->now_ns ? deadline_mono_ns : loop->now_ns;
    t->order = loop->timer_order++;
    loop->heap_len++;
    heap_up(loop, loop->heap_len, t);
}

void os_loop_timer_clear(struct os_loop *loop, struct os_timer *t)
{
    if (t->heap_index == 0)
        return;
    size_t index = t->heap_index;
    struct os_timer *last = loop->heap[loop->heap_len];
    loop->heap_len--;
    t->heap_index = 0;
    if (last == t)
        return;
    if (index > 1 && is_before(last, loop->heap[index / 2])) {
        heap_up(loop, index, last);
    } else {
        heap_down(loop, index, last);
    }
}

bool os_loop_timer_is_set(const struct os_timer *t)
{
    return t->heap_index != 0;
}

/* Fires what is due; a timer that is set again for a moment that has passed waits a turn. */
static int fire_due(struct os_loop *loop)
{
    int fired = 0;
    uint64_t order_end = loop->timer_order;
    while (loop->heap_len > 0 && !loop->stopped) {
        struct os_timer *t = loop->heap[1];
        if (t->deadline_mono_ns > loop->now_ns || t->order >= order_end)
            break;
        os_loop_timer_clear(loop, t);
        t->fire(t);
        fired++;
    }
    return fired;
}

/* -------------------------------------------------------------------------------------- signals */

static void signals_ready(struct os_fd *w, unsigned events)
{
    (void)events;
    struct os_loop *loop = (struct os_loop *)((char *)w - offsetof(struct os_loop, signal_fd));
    struct signalfd_siginfo info;
    if (read(w->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    for (struct os_signal *s = loop->signals; s != NULL; s = s->next) {
        if (s->number == (int)info.ssi_signo) {
            s->fire(s, s->number);
            return;
        }
    }
}

/* Makes the signalfd read exactly the signals that are set. */
static int signals_update(struct os_loop *loop, struct err *reterr)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    for (const struct os_signal *s = loop->signals; s != NULL; s = s->next)
        (void)sigaddset(&wanted, s->number);
    if (loop->signals == NULL) {
        if (loop->signal_fd.events != 0) {
            int fd = loop->signal_fd.fd;
            os_loop_fd_clear(loop, &loop->signal_fd);
            (void)close(fd);
        }
        return 0;
    }
    bool is_new = loop->signal_fd.events == 0;
    int fd = signalfd(is_new ? -1 : loop->signal_fd.fd, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return system_fault("signalfd", reterr);
    loop->signal_fd.ready = signals_ready;
    int r = os_loop_fd_set(loop, &loop->signal_fd, fd, OS_LOOP_READ, reterr);
    if (r < 0 && is_new)
        (void)close(fd);
    return r;
}

static void signal_forget(struct os_loop *loop, struct os_signal *s)
{
    struct os_signal **at = &loop->signals;
    while (*at != s) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = s->next;
    s->number = 0;
}

int os_loop_signal_set(struct os_loop *loop, struct os_signal *s, int number, struct err *reterr)
{
    assert(s->number == 0 && s->fire != NULL);
    sigset_t one, before;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    if (sigprocmask(SIG_BLOCK, &one, &before) < 0)
        return system_fault("sigprocmask", reterr);
    if (sigismember(&before, number) == 0)
        (void)sigaddset(&loop->taken, number);
    s->number = number;
    s->next = loop->signals;
    loop->signals = s;
    int r = signals_update(loop, reterr);
    if (r < 0)
        signal_forget(loop, s);
    return r;
}

void os_loop_signal_clear(struct os_loop *loop, struct os_signal *s)
{
    if (s->number == 0)
        return;
    int number = s->number;
    signal_forget(loop, s);
    (void)signals_update(loop, NULL);
    if (sigismember(&loop->taken, number) == 1) {
        sigset_t one;
        (void)sigemptyset(&one);
        (void)sigaddset(&one, number);
        (void)sigdelset(&loop->taken, number);
        (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
    }
}

/* ---------------------------------------------------------------------------------------- turns */

static int wait_ms(const struct os_loop *loop, int64_t wait_ns)
{
    if (loop->heap_len > 0) {
        int64_t until = loop->heap[1]->deadline_mono_ns - os_clock_mono_ns();
        if (until < 0)
            until = 0;
        if (wait_ns < 0 || until < wait_ns)
            wait_ns = until;
    }
    if (wait_ns < 0)
        return -1;
    /* Rounded up, so that a timer is not spun for. */
    int64_t ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    return ms > 3600000 ? 3600000 : (int)ms;
}

int os_loop_turn(struct os_loop *loop, int64_t wait_ns, struct err *reterr)
{
    assert(loop->event_index == loop->event_count); /* no turn within a turn */
    int count = epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN, wait_ms(loop, wait_ns));
    if (count < 0) {
        if (errno != EINTR)
            return system_fault("epoll_wait", reterr);
        count = 0;
    }
    loop->now_ns = os_clock_mono_ns();
    int called = 0;
    loop->event_count = count;
    for (loop->event_index = 0; loop->event_index < loop->event_count;) {
        struct epoll_event e = loop->events[loop->event_index++];
        struct os_fd *w = e.data.ptr;
        if (w == NULL)
            continue;
        unsigned events = ((e.events & (uint32_t)EPOLLIN) ? (unsigned)OS_LOOP_READ : 0u) |
                          ((e.events & (uint32_t)EPOLLOUT) ? (unsigned)OS_LOOP_WRITE : 0u);
        if (e.events & (uint32_t)(EPOLLERR | EPOLLHUP))
            events |= OS_LOOP_READ | OS_LOOP_WRITE;
        w->ready(w, events);
        called++;
    }
    return called + fire_due(loop);
}

int os_loop_run(struct os_loop *loop, struct err *reterr)
{
    loop->stopped = false;
    while (!loop->stopped && (loop->fd_count > 0 || loop->heap_len > 0)) {
        int r = os_loop_turn(loop, -1, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

void os_loop_stop(struct os_loop *loop)
{
    loop->stopped = true;
}
