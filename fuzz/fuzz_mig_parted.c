/* mig-parted configs: any bytes give findings, or a file that reads back the same when written and
 * can be checked against every model. */
#include "nvidia/mig_parted.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct nvidia_mig_parted *file)
{
    struct arena *a = arena_new(256 << 20);
    struct buf out = BUF_INIT(16 << 20);
    struct buf again = BUF_INIT(16 << 20);
    struct nvidia_mig_parted back = {0};
    nvidia_mig_parted_emit(file->configs, file->count, &out);
    if (!out.overflow && out.len <= NVIDIA_MIG_TEXT_MAX) {
        int r = nvidia_mig_parted_parse(a, buf_str(&out), &back, NULL, NULL);
        assert(r == 0 && back.count == file->count);
        nvidia_mig_parted_emit(back.configs, back.count, &again);
        assert(str_eq(buf_str(&out), buf_str(&again)));
    }
    buf_clear(&out);
    buf_clear(&again);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(256 << 20);
    struct nvidia_mig_parted file = {0};
    struct err e = {0};
    if (nvidia_mig_parted_parse(a, (struct str){(const char *)data, size}, &file, NULL, &e) < 0) {
        assert(e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        check_written(&file);
        struct nvidia_lint lint = {0};
        for (uint32_t i = 0; i < file.count && i < 4; i++) {
            for (unsigned m = 0; m < mig_model_count(); m++)
                nvidia_mig_config_check(&file.configs[i], mig_model_get(m), 2, &lint);
        }
    }
    arena_free(a);
    return 0;
}
