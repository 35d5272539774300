/* fuzz/fuzz_mig_text.c - layout text of any bytes on every model: parse, place, diff, write back.
 *
 * The first byte picks the model; the rest is FROM and TO, parted by a newline. */
#include "mig/diff.h"
#include "mig/text.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parses and places; whatever comes out is legal and reads back the same. */
static bool read_layout(const struct mig_model *m, struct str text, struct mig_wish *ret_wish,
        struct mig_layout *ret)
{
    struct err e = {0};
    if (mig_wish_parse(m, text, ret_wish, &e) < 0) {
        assert(e.code < 0 && e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
        assert(e.pos <= text.len);
        return false;
    }
    enum mig_rule rule = MIG_RULE_OK;
    if (mig_wish_place(ret_wish, ret, &rule, &e) < 0) {
        assert(rule != MIG_RULE_OK && e.text[0] != '\0');
        return false;
    }
    assert(mig_layout_is_legal(ret));

    struct buf out = BUF_INIT(1 << 16);
    mig_layout_format(ret, &out);
    struct mig_wish again;
    struct mig_layout back;
    int r = mig_wish_parse(m, buf_str(&out), &again, NULL);
    assert(r == 0);
    r = mig_wish_place(&again, &back, NULL, NULL);
    assert(r == 0);
    assert(mig_layout_eq(&back, ret));
    mig_layout_draw(ret, &out);
    assert(!out.overflow);
    buf_clear(&out);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct mig_model *m = mig_model_get(data[0] % mig_model_count());
    if (m->profile_count == 0)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1}, from_text = {0}, to_text = {0};
    (void)str_split(&rest, '\n', &from_text);
    (void)str_split(&rest, '\n', &to_text);

    struct mig_wish from_wish, to_wish;
    struct mig_layout from, to;
    struct mig_wish_parts parts;
    struct mig_diff diff;
    if (!read_layout(m, from_text, &from_wish, &from) || !read_layout(m, to_text, &to_wish, &to))
        return 0;
    int r = mig_wish_split(&to_wish, &parts, NULL, NULL);
    assert(r == 0);
    r = mig_diff(&from, &parts.fixed, &parts.add, &diff, NULL);
    assert((r == 0) == (diff.blocker_count == 0));
    assert(memcmp(&diff.target.counts, &to.counts, sizeof to.counts) == 0);
    return 0;
}
