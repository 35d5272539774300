/* os/clock.h - what time it is.  Below the purity line: pure folders are told the time. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds since the Unix epoch; may jump. */
int64_t os_clock_wall_ns(void);

/* Nanoseconds since some fixed moment; never runs backwards. */
int64_t os_clock_mono_ns(void);

#endif
