/* os/exec.h - runs another program and hands over what it prints.
 *
 * Below the purity line; on the loop, so nothing else waits.  For kubeconfig's exec plugins. */
#ifndef OS_EXEC_H
#define OS_EXEC_H

#include "base/str.h"
#include "os/loop.h"

enum { OS_EXEC_OUTPUT_MAX = 1 << 20 };

struct os_exec; /* one run */

struct os_exec_result {
    int code;          /* 0, or a negative errno: -ENOENT, -ETIMEDOUT, -E2BIG (output), -ECHILD */
    int exit_status;   /* of a program that ended; 128 + signal */
    struct str output; /* its standard output, valid during the call; never logged */
};

struct os_exec_spec {
    const char *command;        /* with a slash: that file; else looked up in `path` */
    const char *path;           /* the PATH to look in; NULL = "/usr/local/bin:/usr/bin:/bin" */
    const char *const *argv;    /* NULL-terminated, argv[0] included */
    const char *const *environ; /* NULL-terminated "NAME=value", all that the program gets */
    int64_t timeout_ns;         /* then it is killed with its process group */
    void (*done)(void *user, const struct os_exec_result *result);
    void *user;
};

/* Starts the program with standard input from /dev/null and standard error passed through.  The
 * spec is copied.  `done` is called once, from the loop, unless os_exec_cancel() came before; then
 * `*ret_exec` is gone. */
int os_exec_start(struct os_loop *loop, const struct os_exec_spec *spec, struct os_exec **ret_exec,
        struct err *reterr);

/* Kills the program; `done` is not called. */
void os_exec_cancel(struct os_exec *x);

#endif
