/* Rollout records: any bytes give one line, or a record that reads back equal when written. */
#include "core/annotation.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 << 20);
    struct core_record record;
    struct err e = {0};
    if (core_record_parse(a, (struct str){(const char *)data, size}, &record, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        struct core_record back;
        struct buf out = BUF_INIT(1 << 16);
        /* The originals' layouts are read, never written. */
        record.from.layout_count = 0;
        memset(record.from.layouts, 0, sizeof(record.from.layouts));
        if (core_record_write(&record, &out, NULL) == 0) {
            int rc = core_record_parse(a, buf_str(&out), &back, NULL);
            assert(rc == 0);
            assert(back.plan == record.plan && back.state == record.state);
            assert(memcmp(&back.to, &record.to, sizeof(back.to)) == 0);
            assert(memcmp(&back.from, &record.from, sizeof(back.from)) == 0);
        }
        buf_clear(&out);
    }
    (void)arena_free(a);
    return 0;
}
