/* os/loop, os/exec: order of timers, what is cleared is not called, signals, programs and their
 * ends. */
#include "test.h"

#include "os/clock.h"
#include "os/exec.h"
#include "os/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { TIMERS = 200 };

struct probe {
    struct os_timer timer;
    struct os_fd fd;
    struct os_loop *loop;
    struct probe *other; /* to be cleared when this one is called */
    unsigned *log;
    unsigned *log_len;
    unsigned number;
};

static struct os_loop *make_loop(void)
{
    struct os_loop *loop = NULL;
    struct err e = {0};
    assert_int_equal(os_loop_new(&loop, &e), 0);
    return loop;
}

static void on_timer(struct os_timer *t)
{
    struct probe *p = (struct probe *)((char *)t - offsetof(struct probe, timer));
    p->log[(*p->log_len)++] = p->number;
    if (p->other != NULL)
        os_loop_timer_clear(p->loop, &p->other->timer);
}

static void on_fd(struct os_fd *w, unsigned events)
{
    struct probe *p = (struct probe *)((char *)w - offsetof(struct probe, fd));
    assert_true((events & OS_LOOP_READ) != 0);
    p->log[(*p->log_len)++] = p->number;
    os_loop_fd_clear(p->loop, w);
    if (p->other != NULL)
        os_loop_fd_clear(p->loop, &p->other->fd);
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    struct os_loop *loop = make_loop();
    static struct probe probes[TIMERS];
    unsigned log[TIMERS], len = 0;
    int64_t base = os_clock_mono_ns();
    for (unsigned i = 0; i < TIMERS; i++) {
        probes[i] = (struct probe){.timer.fire = on_timer,
                .loop = loop,
                .log = log,
                .log_len = &len,
                .number = (i * 73) % TIMERS / 2};
        os_loop_timer_set(loop, &probes[i].timer, base + (int64_t)probes[i].number * 10000);
    }
    /* Two of three are moved or cleared: the heap must stay in order. */
    for (unsigned i = 0; i < TIMERS; i += 3)
        os_loop_timer_clear(loop, &probes[i].timer);
    for (unsigned i = 1; i < TIMERS; i += 3)
        os_loop_timer_set(loop, &probes[i].timer, base + (int64_t)probes[i].number * 10000);
    assert_int_equal(os_loop_run(loop, NULL), 0);
    assert_int_equal(len, TIMERS - (TIMERS + 2) / 3);
    for (unsigned i = 1; i < len; i++)
        assert_true(log[i - 1] <= log[i]);
    os_loop_free(loop);
}

static void cleared_is_not_called(void **state)
{
    (void)state;
    struct os_loop *loop = make_loop();
    unsigned log[8], len = 0;
    struct probe a = {
            .timer.fire = on_timer, .loop = loop, .log = log, .log_len = &len, .number = 1};
    struct probe b = a;
    a.other = &b;
    b.number = 2;
    os_loop_timer_set(loop, &a.timer, 1);
    os_loop_timer_set(loop, &b.timer, 2);
    assert_int_equal(os_loop_run(loop, NULL), 0);
    assert_int_equal(len, 1);

    /* Two pipes that are ready in the same turn; whichever comes first clears the other. */
    int one[2], two[2];
    assert_int_equal(pipe(one), 0);
    assert_int_equal(pipe(two), 0);
    assert_int_equal(write(one[1], "x", 1), 1);
    assert_int_equal(write(two[1], "x", 1), 1);
    a.fd.ready = b.fd.ready = on_fd;
    b.other = &a;
    assert_int_equal(os_loop_fd_set(loop, &a.fd, one[0], OS_LOOP_READ, NULL), 0);
    assert_int_equal(os_loop_fd_set(loop, &b.fd, two[0], OS_LOOP_READ, NULL), 0);
    assert_int_equal(os_loop_run(loop, NULL), 0);
    assert_int_equal(len, 2);
    for (unsigned i = 0; i < 2; i++) {
        (void)close(one[i]);
        (void)close(two[i]);
    }
    os_loop_free(loop);
}

struct counted_signal {
    struct os_signal signal;
    unsigned count;
};

static void on_past(struct os_timer *t)
{
    struct probe *p = (struct probe *)((char *)t - offsetof(struct probe, timer));
    os_loop_timer_set(p->loop, t, 1);
}

/* A timer that is set for the past each time it fires keeps no other from firing. */
static void the_past_holds_nobody_up(void **state)
{
    (void)state;
    enum { TURNS = 1000 };
    struct os_loop *loop = make_loop();
    struct err e = {0};
    unsigned log[1], len = 0;
    struct probe again = {.timer.fire = on_past, .loop = loop};
    struct probe once = {
            .timer.fire = on_timer, .loop = loop, .log = log, .log_len = &len, .number = 1};
    os_loop_timer_set(loop, &again.timer, 1);
    os_loop_timer_set(loop, &once.timer, os_clock_mono_ns());
    for (unsigned i = 0; i < TURNS && len == 0; i++)
        assert_true(os_loop_turn(loop, -1, &e) >= 0);
    assert_int_equal(len, 1);
    os_loop_timer_clear(loop, &again.timer);
    os_loop_free(loop);
}

static void on_signal(struct os_signal *s, int number)
{
    assert_int_equal(number, SIGUSR1);
    ((struct counted_signal *)s)->count++;
}

static void signals_come_by_the_loop(void **state)
{
    (void)state;
    struct os_loop *loop = make_loop();
    struct counted_signal s = {.signal.fire = on_signal};
    assert_int_equal(os_loop_signal_set(loop, &s.signal, SIGUSR1, NULL), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(s.count, 0);
    assert_true(os_loop_turn(loop, 1000000000, NULL) > 0);
    assert_int_equal(s.count, 1);
    os_loop_signal_clear(loop, &s.signal);
    sigset_t blocked;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &blocked), 0);
    assert_false(sigismember(&blocked, SIGUSR1));
    os_loop_free(loop);
}

/* ------------------------------------------------------------------------------------- programs */

struct run {
    unsigned calls;
    int code, status;
    char output[64];
};

static void on_done(void *user, const struct os_exec_result *result)
{
    struct run *r = user;
    r->calls++;
    r->code = result->code;
    r->status = result->exit_status;
    size_t len = result->output.len < sizeof r->output ? result->output.len : sizeof r->output - 1;
    if (len > 0)
        memcpy(r->output, result->output.ptr, len);
    r->output[len] = '\0';
}

static struct run run_shell(const char *script, int64_t timeout_ns)
{
    struct os_loop *loop = make_loop();
    struct run r = {0};
    const char *argv[] = {"sh", "-c", script, NULL};
    const char *environ_of[] = {"GREETING=hello", NULL};
    struct os_exec_spec spec = {.command = "sh",
            .argv = argv,
            .environ = environ_of,
            .timeout_ns = timeout_ns,
            .done = on_done,
            .user = &r};
    struct os_exec *x = NULL;
    struct err e = {0};
    assert_int_equal(os_exec_start(loop, &spec, &x, &e), 0);
    assert_int_equal(os_loop_run(loop, &e), 0);
    assert_int_equal(r.calls, 1);
    os_loop_free(loop);
    return r;
}

#define LONG_NS INT64_C(20000000000)

static void a_program_gives_its_output(void **state)
{
    (void)state;
    struct run r = run_shell("printf '%s %s' \"$GREETING\" \"${HOME-unset}\"; cat", LONG_NS);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.output, "hello unset");
    r = run_shell("echo no; exit 7", LONG_NS);
    assert_int_equal(r.code, -ECHILD);
    assert_int_equal(r.status, 7);
    r = run_shell("kill -TERM $$", LONG_NS);
    assert_int_equal(r.status, 128 + SIGTERM);
}

static void a_program_has_limits(void **state)
{
    (void)state;
    int64_t began = os_clock_mono_ns();
    struct run r = run_shell("sleep 30 & sleep 30", 100000000);
    assert_int_equal(r.code, -ETIMEDOUT);
    r = run_shell(
            "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", LONG_NS);
    assert_int_equal(r.code, -E2BIG);
    assert_true(os_clock_mono_ns() - began < LONG_NS / 2);
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    struct os_loop *loop = make_loop();
    struct run r = {0};
    const char *argv[] = {"no-such-program", NULL};
    struct os_exec_spec spec = {.command = "no-such-program",
            .argv = argv,
            .environ = argv + 1,
            .timeout_ns = LONG_NS,
            .done = on_done,
            .user = &r};
    struct os_exec *x = NULL;
    struct err e = {0};
    assert_int_equal(os_exec_start(loop, &spec, &x, &e), -ENOENT);
    assert_string_equal(e.text, "no-such-program: no such program in PATH");
    spec.command = "/bin/sleep";
    const char *sleep_argv[] = {"sleep", "60", NULL};
    spec.argv = sleep_argv;
    assert_int_equal(os_exec_start(loop, &spec, &x, &e), 0);
    os_exec_cancel(x);
    assert_int_equal(os_loop_run(loop, NULL), 0); /* nothing is left on it */
    assert_int_equal(r.calls, 0);
    os_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(timers_fire_in_order),
            cmocka_unit_test(cleared_is_not_called),
            cmocka_unit_test(the_past_holds_nobody_up),
            cmocka_unit_test(signals_come_by_the_loop),
            cmocka_unit_test(a_program_gives_its_output),
            cmocka_unit_test(a_program_has_limits),
            cmocka_unit_test(a_program_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
