/* os/clock.c - the system's clocks.  Below the purity line. */
#include "os/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;
    int r = clock_gettime(clock, &now);
    assert(r == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t os_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t os_clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}
