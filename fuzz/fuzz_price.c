/* Price files: any bytes give a book whose offers are sane, or one line. */
#include "model/gpu.h"
#include "model/price.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct model_price_book book = {0};
    struct err e = {0};
    if (model_price_book_parse(a, (struct str){(const char *)data, size}, &book, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        assert(book.count > 0);
        for (uint32_t i = 0; i < book.count; i++) {
            const struct model_offer *o = &book.offers[i];
            assert(o->gpu < model_gpu_count() && o->gpus_per_node > 0);
            assert(o->microusd_per_gpu_hour > 0);
            int64_t price = 0;
            assert(i > 8 || model_price_find(&book, o->gpu, o->region, o->purchase, &price) == 0);
        }
    }
    arena_free(a);
    return 0;
}
