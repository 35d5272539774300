/* os/exec.c - another program on the loop: its output by a pipe, its end by a pidfd.
 *
 * Below the purity line.  posix_spawn, in a process group of its own so that a time limit ends its
 * children too. */
#define _GNU_SOURCE /* pipe2, P_PIDFD */
#include "os/exec.h"

#include "base/arena.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct os_exec {
    struct os_loop *loop;
    pid_t pid;
    int pid_fd;
    struct os_fd ended; /* the pidfd */
    struct os_fd output_fd;
    struct os_timer limit;
    struct buf output;
    bool timed_out, too_much, output_ended, reaped;
    int exit_status;
    void (*done)(void *user, const struct os_exec_result *result);
    void *user;
};

#define SELF(member_ptr, member)                                                                   \
    ((struct os_exec *)((char *)(member_ptr)-offsetof(struct os_exec, member)))

static void close_output(struct os_exec *x)
{
    if (x->output_fd.events == 0)
        return;
    int fd = x->output_fd.fd;
    os_loop_fd_clear(x->loop, &x->output_fd);
    (void)close(fd);
}

static void kill_group(const struct os_exec *x)
{
    if (x->reaped || kill(-x->pid, SIGKILL) == 0)
        return;
    (void)kill(x->pid, SIGKILL);
}

static void release(struct os_exec *x)
{
    close_output(x);
    os_loop_fd_clear(x->loop, &x->ended);
    os_loop_timer_clear(x->loop, &x->limit);
    (void)close(x->pid_fd);
    if (!x->reaped) {
        kill_group(x);
        while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (x->output.ptr != NULL)
        explicit_bzero(x->output.ptr, x->output.len); /* credentials */
    buf_clear(&x->output);
    mem_free(x);
}

/* Calls back when the program has ended and its output too (or must not be waited for). */
static void finish_if_over(struct os_exec *x)
{
    if (!x->reaped || !(x->output_ended || x->timed_out || x->too_much))
        return;
    struct os_exec_result result = {.exit_status = x->exit_status, .output = buf_str(&x->output)};
    if (x->timed_out) {
        result.code = -ETIMEDOUT;
    } else if (x->too_much) {
        result.code = -E2BIG;
    } else if (x->exit_status != 0) {
        result.code = -ECHILD;
    }
    x->done(x->user, &result);
    release(x);
}

static void on_output(struct os_fd *w, unsigned events)
{
    (void)events;
    struct os_exec *x = SELF(w, output_fd);
    char chunk[16 << 10];
    ssize_t got = read(w->fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        buf_put(&x->output, (struct str){chunk, (size_t)got});
        explicit_bzero(chunk, (size_t)got);
        if (!x->output.overflow)
            return;
        x->too_much = true;
        kill_group(x);
    }
    x->output_ended = true;
    close_output(x);
    finish_if_over(x);
}

static void on_ended(struct os_fd *w, unsigned events)
{
    (void)events;
    struct os_exec *x = SELF(w, ended);
    int status = 0;
    pid_t got = waitpid(x->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    x->reaped = true;
    x->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    os_loop_fd_clear(x->loop, &x->ended);
    finish_if_over(x);
}

static void on_limit(struct os_timer *t)
{
    struct os_exec *x = SELF(t, limit);
    /* With the program gone, a child of it may still hold the pipe: not waited for either. */
    x->timed_out = true;
    kill_group(x);
    finish_if_over(x);
}

/* The file to run: `command` itself when it has a slash, else the first that may be executed below
 * `path`. */
static int find_program(const struct os_exec_spec *spec, char *ret_file, struct err *reterr)
{
    if (strchr(spec->command, '/') != NULL) {
        if (strlen(spec->command) >= PATH_MAX)
            return err_set(reterr, -ENAMETOOLONG, "program path longer than %d bytes", PATH_MAX);
        memcpy(ret_file, spec->command, strlen(spec->command) + 1);
        if (access(ret_file, X_OK) < 0)
            return err_set(reterr, -errno, "%s: %s", ret_file, strerror(errno));
        return 0;
    }
    struct str rest = str_from(spec->path != NULL ? spec->path : "/usr/local/bin:/usr/bin:/bin");
    struct str folder;
    while (str_split(&rest, ':', &folder)) {
        if (folder.len == 0 || folder.len + strlen(spec->command) + 2 > PATH_MAX)
            continue;
        memcpy(ret_file, folder.ptr, folder.len);
        ret_file[folder.len] = '/';
        memcpy(ret_file + folder.len + 1, spec->command, strlen(spec->command) + 1);
        struct stat st;
        if (access(ret_file, X_OK) == 0 && stat(ret_file, &st) == 0 && S_ISREG(st.st_mode))
            return 0;
    }
    return err_set(reterr, -ENOENT, "%.200s: no such program in PATH", spec->command);
}

/* Spawns the file with the pipe's end as its output. */
static int spawn(const struct os_exec_spec *spec, const char *file, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
    }
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, output, 1);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    r = posix_spawn(ret_pid, file, &actions, &attributes, (char *const *)spec->argv,
            (char *const *)spec->environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* Puts the program's two descriptors and its limit on the loop. */
static int watch(struct os_exec *x, int output, int64_t timeout_ns, struct err *reterr)
{
    int r = os_loop_fd_set(x->loop, &x->output_fd, output, OS_LOOP_READ, reterr);
    if (r < 0) {
        (void)close(output);
        return r;
    }
    r = os_loop_fd_set(x->loop, &x->ended, x->pid_fd, OS_LOOP_READ, reterr);
    if (r == 0)
        os_loop_timer_set(x->loop, &x->limit, os_loop_now_ns(x->loop) + timeout_ns);
    return r;
}

int os_exec_start(struct os_loop *loop, const struct os_exec_spec *spec, struct os_exec **ret_exec,
        struct err *reterr)
{
    assert(spec->done != NULL && spec->timeout_ns > 0);
    char file[PATH_MAX];
    int r = find_program(spec, file, reterr);
    if (r < 0)
        return r;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(reterr, -errno, "pipe: %s", strerror(errno));
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = 0;
    r = spawn(spec, file, ends[1], &pid);
    (void)close(ends[1]);
    if (r < 0) {
        (void)close(ends[0]);
        return err_set(reterr, r, "%s: %s", file, strerror(-r));
    }
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pid_fd < 0) {
        r = err_set(reterr, -errno, "pidfd_open: %s", strerror(errno));
        (void)close(ends[0]);
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r;
    }
    (void)fcntl(pid_fd, F_SETFD, FD_CLOEXEC);
    struct os_exec *x = mem_alloc(1, sizeof *x);
    *x = (struct os_exec){
            .loop = loop,
            .pid = pid,
            .pid_fd = pid_fd,
            .ended.ready = on_ended,
            .output_fd.ready = on_output,
            .limit.fire = on_limit,
            .output = BUF_INIT(OS_EXEC_OUTPUT_MAX),
            .done = spec->done,
            .user = spec->user,
    };
    r = watch(x, ends[0], spec->timeout_ns, reterr);
    if (r < 0) {
        release(x);
        return r;
    }
    *ret_exec = x;
    return 0;
}

void os_exec_cancel(struct os_exec *x)
{
    release(x);
}
