/* Policies: any bytes give one line, or a policy that reads back equal when written. */
#include "policy/policy.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    const struct policy *p = NULL;
    struct err e = {0};
    if (policy_parse(a, (struct str){(const char *)data, size}, &p, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        const struct policy *back = NULL;
        struct buf out = BUF_INIT(1 << 20);
        int64_t start = 0;
        int64_t end = 0;
        policy_emit(p, &out);
        assert(!out.overflow);
        int r = policy_parse(a, buf_str(&out), &back, &e);
        assert(r == 0 && policy_eq(p, back));
        (void)policy_window_at(p, INT64_C(1772409600000000000), &start, &end);
        buf_clear(&out);
    }
    arena_free(a);
    return 0;
}
