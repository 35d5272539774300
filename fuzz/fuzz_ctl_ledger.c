/* The record of evictions of a Lease: any bytes give an error or rows that are written and read
 * again as the same. */
#include "ctl/ledger.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t NOW_NS = INT64_C(1) << 50;
    struct ctl_ledger l, again;
    struct core_evicted_fact a, b;
    struct err e = {0};
    if (ctl_ledger_read(&l, (struct str){(const char *)data, size}, NOW_NS, 0, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0');
        return 0;
    }
    struct buf text = BUF_INIT(1 << 16);
    ctl_ledger_write(&l, NOW_NS, &text);
    int rc = ctl_ledger_read(&again, buf_str(&text), NOW_NS, 0, &e);
    assert(rc == 0 && again.row_count == l.row_count);
    for (uint32_t i = 0; ctl_ledger_fact(&l, i, NOW_NS, &a); i++) {
        bool there = ctl_ledger_fact(&again, i, NOW_NS, &b);
        assert(there && a.age_ns == b.age_ns && a.count == b.count);
    }
    buf_clear(&text);
    return 0;
}
