/* Versions: "A\0B"; order is antisymmetric, and normal forms of what parses parse to the same. */
#include "cel/semver.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t length = zero == NULL ? size : (size_t)(zero - data);
    struct str first = {(const char *)data, length};
    struct str second = {(const char *)data + length, size - length};
    struct cel_semver a = {0};
    struct cel_semver b = {0};
    struct err e = {0};
    char text[300];
    if (second.len > 0)
        second = (struct str){second.ptr + 1, second.len - 1};
    if (size > 200)
        return 0;
    size_t len = 0;
    bool normal = cel_semver_normalize(first, text, &len, &e) == 0;
    assert(!normal || len <= first.len + CEL_SEMVER_NORMALIZE_EXTRA);
    if (cel_semver_parse(first, &a, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
        return 0;
    }
    assert(cel_semver_cmp(&a, &a) == 0);
    if (cel_semver_parse(second, &b, &e) == 0)
        assert(cel_semver_cmp(&a, &b) == -cel_semver_cmp(&b, &a));
    if (normal && cel_semver_parse((struct str){text, len}, &b, &e) == 0)
        assert(cel_semver_cmp(&a, &b) == 0);
    return 0;
}
