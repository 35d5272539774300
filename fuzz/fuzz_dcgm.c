/* Scrapes: any bytes give one line, or rows whose readings are in range. */
#include "nvidia/dcgm.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct nvidia_dcgm s = {0};
    struct err e = {0};
    if (nvidia_dcgm_parse(a, (struct str){(const char *)data, size}, &s, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        for (uint32_t i = 0; i < s.count; i++) {
            const struct nvidia_dcgm_row *r = &s.rows[i];
            assert(r->uuid.len > 0 && r->timestamp_ms >= 0);
            for (unsigned m = 0; m <= NVIDIA_DCGM_DRAM_ACTIVE; m++)
                assert(r->value[m] <= 1000);
        }
    }
    arena_free(a);
    return 0;
}
