/* Device-plugin configs: any bytes give findings or a config whose numbers are in range. */
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct str text = {(const char *)data, size};
    struct nvidia_lint lint = {0};
    struct nvidia_plugin_config c;
    struct err e = {0};
    struct buf out = BUF_INIT(1 << 20);
    const struct model_resource gpu = {.kind = MODEL_RESOURCE_GPU};
    int r = nvidia_plugin_config_parse(a, text, &c, &lint, &e);
    uint32_t replicas = nvidia_plugin_config_replicas(text, &gpu);
    assert((r == 0) == (replicas > 0));
    if (r < 0) {
        assert(e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        assert(lint.errors == 0 && replicas <= NVIDIA_REPLICAS_MAX);
        assert(!c.time_slicing.present || c.time_slicing.count > 0);
    }
    nvidia_lint_format(&lint, "fuzz", &out);
    assert(!out.overflow);
    buf_clear(&out);
    arena_free(a);
    return 0;
}
