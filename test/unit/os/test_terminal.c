/* os/log, os/progress, os/clock, os/usage: what reaches standard error, and when. */
#define _GNU_SOURCE /* posix_openpt, ptsname */
#include "test.h"

#include "base/num.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/progress.h"
#include "os/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int saved_stderr = -1;

/* Puts `fd` in the place of standard error. */
static void divert_stderr(int fd)
{
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void restore_stderr(void)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
}

/* What can be read from `fd` now. */
static void read_now(int fd, char *ret_text, size_t size)
{
    ssize_t got = read(fd, ret_text, size - 1);
    ret_text[got < 0 ? 0 : got] = '\0';
}

static void logs_fields_in_one_line(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    divert_stderr(ends[1]);
    os_log_info("kube", "watch resumed", OS_LOG_U64("rv", 12), OS_LOG_CSTR("node", "gpu-1"),
            OS_LOG_I64("delta", -3), OS_LOG_STR("why", STR_LIT("a \"b\"\n\xFF")));
    restore_stderr();
    char text[2000];
    read_now(ends[0], text, sizeof text);
    assert_memory_equal(text, "ts=20", 5);
    assert_string_equal(strchr(text, ' '),
            " level=info area=kube msg=\"watch resumed\" rv=12 node=gpu-1 delta=-3 "
            "why=\"a \\\"b\\\"\\n\xEF\xBF\xBD\"\n");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void drops_lines_below_the_level(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    enum os_log_level level = OS_LOG_OFF;
    assert_int_equal(os_log_level_parse(STR_LIT("warn"), &level), 0);
    assert_int_equal(os_log_level_parse(STR_LIT("loud"), &level), -EINVAL);
    assert_int_equal(level, OS_LOG_WARN);
    divert_stderr(ends[1]);
    os_log_debug("cli", "low"); /* info is where it starts */
    os_log_set_level(level);
    os_log_info("cli", "low");
    os_log_set_level(OS_LOG_OFF);
    os_log_error("cli", "off");
    os_log_set_level(OS_LOG_INFO);
    char huge[2 * OS_LOG_LINE_MAX];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    os_log_error("cli", "cut", OS_LOG_CSTR("text", huge), OS_LOG_I64("more", 1));
    restore_stderr();
    char text[4 * OS_LOG_LINE_MAX];
    read_now(ends[0], text, sizeof text);
    assert_non_null(strstr(text, "level=error area=cli msg=cut"));
    assert_true(strlen(text) <= OS_LOG_LINE_MAX);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line, with its end */
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* A pseudo-terminal in the place of standard error. */
static int open_terminal(int *ret_slave)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master < 0) {
        print_message("# no pseudo-terminal here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    *ret_slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(*ret_slave >= 0);
    return master;
}

static void draws_on_a_terminal_after_a_second(void **state)
{
    (void)state;
    int slave = -1;
    int master = open_terminal(&slave);
    divert_stderr(slave);
    struct os_progress p;
    os_progress_init(&p, "simulating", false);
    os_progress_update(&p, 1, 4);
    char early[100];
    read_now(master, early, sizeof early);
    p.start_ns -= 2 * OS_PROGRESS_QUIET_NS; /* as if it had begun two seconds ago: no sleep */
    os_progress_update(&p, 2, 4);
    os_progress_update(&p, 3, 4); /* too soon to draw again */
    char text[200];
    read_now(master, text, sizeof text);
    os_progress_end(&p);
    os_progress_end(&p);
    char end[100];
    read_now(master, end, sizeof end);
    restore_stderr();
    assert_string_equal(early, "");
    assert_string_equal(text, "\r\033[Ksimulating 50%, 2 s");
    assert_string_equal(end, "\r\033[K");
    (void)close(slave);
    (void)close(master);
}

static void is_silent_in_a_pipe(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    divert_stderr(ends[1]);
    struct os_progress p;
    os_progress_init(&p, "simulating", true);
    p.start_ns -= 2 * OS_PROGRESS_QUIET_NS;
    os_progress_update(&p, 1, 0);
    os_progress_end(&p);
    restore_stderr();
    char text[100];
    read_now(ends[0], text, sizeof text);
    assert_string_equal(text, "");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void reads_clocks_and_usage(void **state)
{
    (void)state;
    int64_t before = os_clock_mono_ns();
    assert_true(os_clock_mono_ns() >= before);
    assert_true(os_clock_wall_ns() > INT64_C(1700000000) * NUM_NS_PER_SECOND); /* after 2023 */
    uint64_t peak = os_usage_peak_rss_mib();
    assert_true(peak > 0 && peak < 65536);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(logs_fields_in_one_line),
            cmocka_unit_test(drops_lines_below_the_level),
            cmocka_unit_test(draws_on_a_terminal_after_a_second),
            cmocka_unit_test(is_silent_in_a_pipe),
            cmocka_unit_test(reads_clocks_and_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
