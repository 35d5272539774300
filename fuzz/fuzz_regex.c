/* Regular expressions: "PATTERN\0TEXT" compiles or gives one line; the automaton and the machine
 * agree, and what is found lies inside the text. */
#include "cel/regex.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t length = zero == NULL ? size : (size_t)(zero - data);
    struct str pattern = {(const char *)data, length};
    struct str text = {(const char *)data + length, size - length};
    if (size > 500 || str_utf8_prefix(pattern) < pattern.len || str_utf8_prefix(text) < text.len)
        return 0;
    struct arena *a = arena_new(256 << 20);
    const struct cel_regex *re = NULL;
    struct err e = {0};
    if (cel_regex_compile(a, pattern, &re, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n'));
    } else {
        size_t start = 0;
        size_t end = 0;
        bool found = cel_regex_find(re, text, 0, a, &start, &end);
        assert(found == cel_regex_match(re, text, a));
        assert(!found || (start <= end && end <= text.len));
    }
    arena_free(a);
    return 0;
}
