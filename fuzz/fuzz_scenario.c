/* fuzz/fuzz_scenario.c - any bytes as a scenario document: refused, or a scenario that holds. */
#include "sim/scenario.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)1 << 28);
    const struct sim_scenario *s = NULL;
    struct err e = {0};
    int rc = sim_scenario_parse(a, (struct str){(const char *)data, size}, &s, &e);
    assert((rc == 0) == (s != NULL));
    assert(rc == 0 || (rc == e.code && e.text[0] != '\0'));
    if (s != NULL)
        assert(sim_scenario_check(s, NULL) == 0);
    return 0;
}
