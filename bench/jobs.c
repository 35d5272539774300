/* bench/jobs.c - see jobs.h. */
#include "jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the processes share: the next run to take, how many are done, how many failed. */
struct shared {
    atomic_uint next, done, failed;
};

static void work(const struct bench_jobs *jobs, struct shared *shared, char *results)
{
    for (;;) {
        uint32_t index = atomic_fetch_add(&shared->next, 1);
        if (index >= jobs->count)
            return;
        if (jobs->run(index, results + index * jobs->result_size, jobs->context) != 0)
            (void)atomic_fetch_add(&shared->failed, 1);
        uint32_t done = atomic_fetch_add(&shared->done, 1) + 1;
        if (isatty(STDERR_FILENO))
            (void)fprintf(stderr, "\r%s: %u of %u", jobs->label, done, jobs->count);
    }
}

int bench_jobs_run(const struct bench_jobs *jobs, void **ret_results)
{
    assert(jobs->processes >= 1 && jobs->processes <= 64);
    size_t size = jobs->count * jobs->result_size + sizeof(struct shared);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct shared *shared = (struct shared *)(void *)memory;
    char *results = memory + sizeof(struct shared);
    int crashed = 0;
    for (uint32_t i = 0; i < jobs->processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            work(jobs, shared, results);
            _exit(0);
        }
        if (pid < 0)
            return -errno;
    }
    for (uint32_t i = 0; i < jobs->processes; i++) {
        int status = 0;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            crashed++;
    }
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
    *ret_results = results;
    /* A crashed worker took its run with it: what is not done counts as failed. */
    uint32_t missing = jobs->count - atomic_load(&shared->done);
    return (int)(atomic_load(&shared->failed) + missing) + (missing == 0 ? crashed : 0);
}

void bench_jobs_release(const struct bench_jobs *jobs, void *results)
{
    char *memory = (char *)results - sizeof(struct shared);
    (void)munmap(memory, jobs->count * jobs->result_size + sizeof(struct shared));
}
