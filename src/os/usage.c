/* os/usage.c - what this process has used.  Below the purity line. */
#include "os/usage.h"

#include <assert.h>
#include <sys/resource.h>

enum { KIB_PER_MIB = 1024 };

uint64_t os_usage_peak_rss_mib(void)
{
    struct rusage usage;
    int r = getrusage(RUSAGE_SELF, &usage);
    assert(r == 0);
    uint64_t peak_kib = (uint64_t)usage.ru_maxrss; /* Linux counts in KiB */
    return (peak_kib + KIB_PER_MIB - 1) / KIB_PER_MIB;
}
