/* bench/jobs.h - independent runs on several processes, results in shared memory. */
#ifndef BENCH_JOBS_H
#define BENCH_JOBS_H

#include "cli/option.h"

#include <stddef.h>
#include <stdint.h>

/* One run: fills `ret_result` (zeroed; of the size given to bench_jobs_run) and returns 0, or
 * prints what was wrong and returns non-zero. */
typedef int bench_job_fn(uint32_t index, void *ret_result, const void *context);

struct bench_jobs {
    uint32_t count;     /* runs, index 0..count-1 */
    uint32_t processes; /* 1..64 */
    size_t result_size; /* bytes of one result */
    bench_job_fn *run;
    const void *context;
    const char *label; /* for the progress line */
};

/* Runs all; `*ret_results` is count x result_size bytes, to be given to bench_jobs_release().
 * Returns how many runs failed, or a negative errno. */
int bench_jobs_run(const struct bench_jobs *jobs, void **ret_results);
void bench_jobs_release(const struct bench_jobs *jobs, void *results);

/* The option --jobs of every bench that runs seeds. */
#define BENCH_OPTION_JOBS(type, member)                                                            \
    {                                                                                              \
        .name = "jobs", .letter = 'j', .kind = CLI_OPTION_NUMBER, CLI_AT(type, member),            \
        .value_name = "N", .default_text = "2", .min = 1, .max = 64, .help = "processes"           \
    }

#endif
