/* fuzz/fuzz_civil.c - any bytes as a time and as a duration: what is read comes back from its own
 * text. */
#include "base/civil.h"
#include "base/num.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct err e = {0};
    int64_t ns;
    int64_t back = 0;
    char out[40];
    if (civil_parse(text, &ns, &e) == 0) {
        int r = civil_parse(str_from(civil_format(ns, out)), &back, &e);
        /* The first second of int64 is not whole: its text lies before the range. */
        assert(r == 0 ? ns - back >= 0 && ns - back < NUM_NS_PER_SECOND
                      : ns < INT64_MIN + NUM_NS_PER_SECOND);
    }
    if (civil_parse_duration(text, &ns, &e) == 0) {
        int r = civil_parse_duration(str_from(civil_format_duration(ns, out)), &back, &e);
        assert(r == 0 && back == ns);
    }
    return 0;
}
