/* A batch line of objects and claims through decoding, the allocator and the answer. */
#include "dra/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF_INIT(1 << 24);
    if (size <= 1 << 16)
        dra_batch_allocate_within((struct str){(const char *)data, size}, 20000, &out);
    buf_clear(&out);
    return 0;
}
