/* The item splitter: any bytes in any chunks give one line, or items that are whole; chunks do not
 * matter.  The first byte says the form, the second the chunk. */
#include "kube/split.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *user, struct str json)
{
    assert(json.len >= 2 && json.ptr[0] == '{' && json.len <= 4096);
    uint64_t *hash = user;
    *hash = str_hash(json, *hash);
    return 0;
}

static int run(enum kube_split_form form, struct str text, size_t step, uint64_t *ret_hash)
{
    struct kube_split s;
    struct err e = {0};
    kube_split_init(&s, form, 4096);
    s.item = take;
    s.user = ret_hash;
    int r = 0;
    for (size_t at = 0; at < text.len && r == 0; at += step) {
        size_t len = text.len - at < step ? text.len - at : step;
        r = kube_split_feed(&s, (struct str){text.ptr + at, len}, &e);
    }
    if (r == 0)
        r = kube_split_end(&s, &e);
    assert(r == e.code && (r == 0 || (e.text[0] != '\0' && !strchr(e.text, '\n'))));
    kube_split_clear(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum kube_split_form form = data[0] % 2 == 0 ? KUBE_SPLIT_LIST : KUBE_SPLIT_EVENTS;
    struct str text = {(const char *)data + 2, size - 2};
    uint64_t whole = 1, cut = 1;
    int a = run(form, text, text.len + 1, &whole);
    int b = run(form, text, 1 + data[1] % 64u, &cut);
    assert(a == b);
    assert(whole == cut);
    return 0;
}
