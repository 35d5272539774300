/* fuzz/fuzz_trace_genai.c - any bytes as a trace: refused, or pods whose times rise. */
#include "model/gpu.h"
#include "sim/scenario.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)1 << 28);
    const struct sim_scenario *s = NULL;
    const struct sim_trace_place place = {.gpu = 0, .gpus_per_node = 1, .sample_pods = 3};
    struct err e = {0};
    int rc = sim_scenario_genai(a, (struct str){(const char *)data, size}, &place, &s, &e);
    assert((rc == 0) == (s != NULL));
    assert(rc == 0 || (rc == e.code && e.text[0] != '\0'));
    for (uint32_t i = 0; s != NULL && i < s->owners[0].trace_count; i++) {
        const struct sim_trace_pod *p = &s->owners[0].trace[i];
        for (uint32_t k = 1; k < p->sample_count; k++)
            assert(p->samples[k].at_ns > p->samples[k - 1].at_ns);
        assert(p->start_ns < p->end_ns);
    }
    return 0;
}
