/* The text of a ConfigMap read as what was learned of owners: any bytes give an error or rows that
 * are written and read again as the same. */
#include "ctl/kept.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(const struct core_history_fact *a, const struct core_history_fact *b)
{
    assert(a->owner == b->owner && a->readings == b->readings);
    assert(a->error_permille == b->error_permille && a->error_permille <= 1000);
    assert(a->exclusive_wall_ns == b->exclusive_wall_ns);
    assert(a->attributed_wall_ns == b->attributed_wall_ns);
    assert(str_eq(a->digest, b->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(256 << 20);
    struct core_history_fact *owners, *again;
    uint32_t count = 0, count_again = 0;
    struct err e = {0};
    if (ctl_kept_parse(a, (struct str){(const char *)data, size}, &owners, &count, &e) == 0) {
        struct buf text = BUF_INIT(CTL_KEPT_BYTES_MAX + 1);
        uint32_t left_out = ctl_kept_write(owners, count, &text);
        assert(left_out == 0 && !text.overflow);
        int rc = ctl_kept_parse(a, buf_str(&text), &again, &count_again, &e);
        assert(rc == 0 && count_again == count);
        for (uint32_t i = 0; i < count; i++)
            assert_same(&owners[i], &again[i]);
        buf_clear(&text);
    } else {
        assert(e.code < 0 && e.text[0] != '\0');
    }
    (void)arena_free(a);
    return 0;
}
