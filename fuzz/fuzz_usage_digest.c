/* Digests, binary and text: any bytes give one line, or a digest that is written back as it was.
 * Bytes are also tried under a right checksum and version, or no mutation came past them. */
#include "usage/digest.h"

#include <assert.h>
#include <string.h>

enum { CHECKSUM_BYTES = 8, HEAD_BYTES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct err *e)
{
    assert(e->code < 0);
    assert(e->text[0] != '\0');
    assert(strchr(e->text, '\n') == NULL);
}

static void try_bytes(struct str bytes)
{
    struct usage_digest d;
    struct err e = {0};
    if (usage_digest_decode(bytes, &d, &e) < 0) {
        check_line(&e);
        return;
    }
    struct buf again = BUF_INIT(USAGE_DIGEST_BYTES_MAX);
    usage_digest_encode(&d, &again);
    assert(again.len == bytes.len);
    assert(memcmp(again.ptr, bytes.ptr, bytes.len) == 0);
    buf_clear(&again);

    struct usage_digest twice = d;
    struct usage_reserve_query q = {.quantile_permille = 990};
    usage_digest_merge(&twice, &d);
    (void)usage_memory_reserve(&twice.memory, &q);
    struct usage_memory_member members[2] = {{.owner = &d.memory}, {.owner = &twice.memory}};
    (void)usage_memory_risk_ppm(members, 2, 80000);
}

static void try_text(struct str text)
{
    struct usage_digest d;
    struct err e = {0};
    if (usage_digest_parse(text, &d, &e) < 0) {
        check_line(&e);
        return;
    }
    struct buf again = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    usage_digest_format(&d, &again);
    assert(again.len == text.len);
    assert(memcmp(again.ptr, text.ptr, text.len) == 0);
    buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[HEAD_BYTES] = {'S', 'W', 'U', 'D', 1};
    char bytes[USAGE_DIGEST_BYTES_MAX];
    struct str input = {(const char *)data, size};

    try_bytes(input);
    try_text(input);
    if (size >= HEAD_BYTES + CHECKSUM_BYTES && size <= sizeof(bytes)) {
        memcpy(bytes, data, size);
        memcpy(bytes, head, HEAD_BYTES);
        uint64_t sum = str_hash((struct str){bytes, size - CHECKSUM_BYTES}, 0);
        for (unsigned i = 0; i < CHECKSUM_BYTES; i++)
            bytes[size - CHECKSUM_BYTES + i] = (char)(sum >> 8 * i & 255);
        try_bytes((struct str){bytes, size});
    }
    return 0;
}
