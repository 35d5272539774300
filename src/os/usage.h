/* os/usage.h - what this process has used.  Below the purity line. */
#ifndef OS_USAGE_H
#define OS_USAGE_H

#include <stdint.h>

/* The largest resident set so far, in MiB, rounded up. */
uint64_t os_usage_peak_rss_mib(void);

#endif
