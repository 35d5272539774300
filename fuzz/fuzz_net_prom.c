/* Prometheus' answers: any bytes give one line, or series in order. */
#include "net/prom.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct net_prom p;
    struct err e = {0};
    if (net_prom_parse(a, (struct str){(const char *)data, size}, &p, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        for (uint32_t i = 0; i < p.count; i++) {
            const struct net_prom_series *s = &p.series[i];
            for (uint32_t k = 1; k < s->sample_count; k++)
                assert(s->samples[k].wall_ns > s->samples[k - 1].wall_ns);
            for (uint32_t k = 1; k < s->label_count; k++)
                assert(str_cmp(s->labels[k - 1].name, s->labels[k].name) < 0);
        }
    }
    arena_free(a);
    return 0;
}
