/* Policies: any bytes give one line, or a policy that reads back equal when written; of all faults
 * that line is the first. */
#include "base/doc.h"
#include "policy/policy.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct faults {
    uint32_t count;
    char first[ERR_TEXT_MAX];
};

static void add(void *user, const char *text)
{
    struct faults *f = user;
    assert(text[0] != '\0' && strlen(text) < sizeof f->first && !strchr(text, '\n'));
    if (f->count++ == 0)
        memcpy(f->first, text, strlen(text) + 1);
}

/* e: what policy_parse() said of the text; code 0: nothing. */
static void check_faults(struct arena *a, struct str text, const struct err *e)
{
    struct faults faults = {0};
    const struct policy_fault_sink sink = {add, &faults};
    const struct doc *doc = NULL;
    struct err ignored;
    if (doc_parse_yaml(a, text, POLICY_TEXT_BYTES_MAX, &doc, &ignored) < 0)
        return;
    uint32_t count = policy_faults_find(doc, &sink);
    assert(count == faults.count && (count == 0) == (e->code == 0));
    assert(count == 0 || strcmp(faults.first, e->text) == 0);
}

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
        e.code = 0;
    }
    check_faults(a, (struct str){(const char *)data, size}, &e);
    arena_free(a);
    return 0;
}
