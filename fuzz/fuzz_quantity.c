/* Quantities: any text is refused with one line or has a text of its own that means the same. */
#include "base/quantity.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct quantity q = {0};
    struct quantity again = {0};
    struct err e = {0};
    char text[QUANTITY_TEXT_MAX];
    if (quantity_parse((struct str){(const char *)data, size}, &q, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
        return 0;
    }
    unsigned len = quantity_text(&q, text);
    assert(len < QUANTITY_TEXT_MAX && strlen(text) == len);
    int64_t value = 0;
    if (quantity_as_i64(&q, &value)) {
        struct quantity whole = quantity_from_i64(value, QUANTITY_DECIMAL_SI);
        assert(quantity_cmp(&q, &whole) == 0);
    }
    struct quantity twice = q;
    if (quantity_add(&twice, &q) && quantity_sub(&twice, &q))
        assert(quantity_cmp(&twice, &q) == 0);
    /* Past E there is no suffix: upstream prints such values without one. */
    struct quantity suffixes_end = quantity_from_scaled(1, 21, QUANTITY_DECIMAL_SI);
    struct quantity suffixes_begin = quantity_from_scaled(-1, 21, QUANTITY_DECIMAL_SI);
    if (q.format != QUANTITY_DECIMAL_EXPONENT &&
            (quantity_cmp(&q, &suffixes_end) >= 0 || quantity_cmp(&q, &suffixes_begin) <= 0))
        return 0;
    if (quantity_parse((struct str){text, len}, &again, &e) == 0)
        assert(quantity_cmp(&q, &again) == 0);
    (void)quantity_approximate(&q);
    return 0;
}
