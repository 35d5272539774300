/* Node labels as "key=value" lines: any bytes give one line, or what reads back when written. */
#include "nvidia/gfd.h"

#include <assert.h>
#include <string.h>

enum { LABELS_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t labels_split(struct str text, struct nvidia_label labels[LABELS_MAX])
{
    uint32_t count = 0;
    struct str line = {0};
    while (count < LABELS_MAX && str_split(&text, '\n', &line)) {
        struct str key = {0};
        struct str rest = line;
        if (str_split(&rest, '=', &key))
            labels[count++] = (struct nvidia_label){.key = key, .value = rest};
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nvidia_label labels[LABELS_MAX];
    struct nvidia_gfd gfd = {0};
    struct err e = {0};
    uint32_t count = labels_split((struct str){(const char *)data, size}, labels);
    if (nvidia_gfd_parse(labels, count, &gfd, &e) < 0) {
        assert(e.text[0] != '\0' && !strchr(e.text, '\n'));
        return 0;
    }
    struct arena *a = arena_new(0);
    struct nvidia_label written[NVIDIA_GFD_LABELS_MAX];
    struct nvidia_label again[NVIDIA_GFD_LABELS_MAX];
    struct nvidia_gfd back = {0};
    uint32_t n = nvidia_gfd_emit(&gfd, a, written);
    int r = nvidia_gfd_parse(written, n, &back, &e);
    assert(r == 0 && nvidia_gfd_emit(&back, a, again) == n);
    for (uint32_t i = 0; i < n; i++)
        assert(str_eq(written[i].value, again[i].value));
    arena_free(a);
    return 0;
}
