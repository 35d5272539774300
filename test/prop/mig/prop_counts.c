/* test/prop/mig/prop_counts.c - the published counts of layouts and multisets, row by row.
 *
 * layout_counts.json was enumerated apart from this program, from NVIDIA's tables. */
#include "test.h"

#include "base/doc.h"
#include "mig/place.h"

#include <stdlib.h>
#include <string.h>

/* Which models and kinds of profile a row of the file is about; kinds NULL = all. */
static const struct row {
    const char *name;
    const char *models[8];
    const char *kinds[8];
} rows[] = {
        {"A100 five base profiles (1g,2g,3g,4g,7g)", {"A100-40GB", "A100-80GB"},
                {"1g", "2g", "3g", "4g", "7g"}},
        {"A100 base + 1g.10gb (double-memory 1g)", {"A100-40GB", "A100-80GB"},
                {"1g", "1g.x2", "2g", "3g", "4g", "7g"}},
        {"A100 base + 1g.5gb+me", {"A100-40GB", "A100-80GB"},
                {"1g", "1g+me", "2g", "3g", "4g", "7g"}},
        {"A100 all seven profiles", {"A100-40GB", "A100-80GB"}, {NULL}},
        {"H100 five base profiles",
                {"H100-80GB-SXM5", "H100-80GB-PCIe", "H100-NVL-94GB", "H200-141GB", "B200-180GB"},
                {"1g", "2g", "3g", "4g", "7g"}},
        {"H100 all seven profiles",
                {"H100-80GB-SXM5", "H100-80GB-PCIe", "H100-NVL-94GB", "H200-141GB", "B200-180GB"},
                {NULL}},
        {"A30 base (1g,2g,4g)", {"A30-24GB"}, {"1g", "2g", "4g"}},
        {"A30 all five profiles", {"A30-24GB"}, {NULL}},
        {"RTX PRO 6000 base (1g,2g,4g)", {"RTX-PRO-6000-Blackwell-96GB"}, {"1g", "2g", "4g"}},
        {"RTX PRO 6000 all eleven profiles", {"RTX-PRO-6000-Blackwell-96GB"}, {NULL}},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static uint16_t mask_of(const struct mig_model *m, const char *const *kinds)
{
    if (kinds[0] == NULL)
        return m->profiles_all;
    uint16_t mask = 0;
    for (unsigned i = 0; i < 8 && kinds[i] != NULL; i++) {
        int p = mig_profile_find_kind(m, kinds[i]);
        assert_true(p >= 0);
        mask |= (uint16_t)(1u << p);
    }
    return mask;
}

static uint64_t number(const struct doc *row, const char *key)
{
    const struct doc *d = doc_get(row, key);
    assert_non_null(d);
    assert_int_equal(d->kind, DOC_INT);
    return (uint64_t)d->integer;
}

/* "2x1g + 1x2g + 1x3g  [compute 7/7]", as the file writes it. */
static void put_multiset(
        const struct mig_model *m, const struct mig_counts *counts, struct buf *out)
{
    unsigned compute = 0;
    bool first = true;
    for (unsigned p = 0; p < m->profile_count; p++) {
        if (counts->n[p] == 0)
            continue;
        const char *kind = m->profiles[p].kind;
        buf_printf(out, "%s%ux%s", first ? "" : " + ", counts->n[p],
                strcmp(kind, "1g.x2") == 0 ? "1g.2x" : kind);
        compute += (unsigned)counts->n[p] * m->profiles[p].compute_slices;
        first = false;
    }
    buf_printf(out, "  [compute %u/%u]", compute, m->compute_slices);
}

/* Words of the file sort their parts by kind; ours come in catalog order, so compare the parts. */
static bool same_parts(struct str a, struct str b)
{
    struct str rest = a, part;
    size_t length = 0;
    while (str_split(&rest, ' ', &part)) {
        bool found = false;
        struct str other = b, word;
        while (str_split(&other, ' ', &word))
            found = found || str_eq(part, word);
        if (!found)
            return false;
        length += part.len + 1;
    }
    return length == b.len + 1;
}

static bool list_has(const struct doc *list, struct str text)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (same_parts(text, list->first[i].text))
            return true;
    }
    return false;
}

static void check_layouts(const struct mig_model *m, uint16_t mask, const struct doc *want)
{
    uint64_t count = 0, maximal = 0;
    struct mig_layout_iter it;
    mig_layout_iter_init(&it, m, mask);
    while (mig_layout_iter_next(&it)) {
        count++;
        maximal += mig_layout_is_maximal(&it.layout, mask);
    }
    assert_int_equal(count, number(want, "layouts"));
    assert_int_equal(maximal, number(want, "maximal_layouts"));
}

static void check_multisets(const struct mig_model *m, uint16_t mask, const struct doc *want)
{
    uint64_t count = 0, reachable = 0, maximal = 0;
    struct mig_multiset_iter it;
    mig_multiset_iter_init(&it, m, mask);
    while (mig_multiset_iter_next(&it)) {
        bool a = mig_multiset_has_maximal_layout(m, &it.counts, mask);
        bool b = mig_multiset_is_maximal(m, &it.counts, mask);
        assert_true(a || !b);
        count++;
        reachable += a;
        maximal += b;
        struct buf text = BUF_INIT(512);
        put_multiset(m, &it.counts, &text);
        assert_int_equal(list_has(doc_get(want, "listB"), buf_str(&text)), b);
        assert_int_equal(list_has(doc_get(want, "onlyA"), buf_str(&text)), a && !b);
        buf_clear(&text);
    }
    assert_int_equal(count, number(want, "multisets"));
    assert_int_equal(reachable, number(want, "maximal_multisets_A"));
    assert_int_equal(maximal, number(want, "maximal_multisets_B"));
    assert_int_equal(doc_get(want, "listB")->count, maximal);
    assert_int_equal(doc_get(want, "onlyA")->count, reachable - maximal);
}

static void test_every_row(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char *path = test_root_path("test/prop/mig/layout_counts.json");
    size_t size = 0;
    char *text = test_file_read(path, &size);
    const struct doc *file = NULL;
    struct err e = {0};
    assert_int_equal(doc_parse_json(a, (struct str){text, size}, 1 << 20, &file, &e), 0);
    assert_int_equal(file->count, ROW_COUNT); /* no row of the file is left out */
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        const struct doc *want = doc_get(file, rows[i].name);
        assert_non_null(want);
        for (unsigned k = 0; k < 8 && rows[i].models[k] != NULL; k++) {
            const struct mig_model *m = mig_model_find(rows[i].models[k]);
            assert_non_null(m);
            check_layouts(m, mask_of(m, rows[i].kinds), want);
            check_multisets(m, mask_of(m, rows[i].kinds), want);
        }
    }
    free(text);
    free(path);
    (void)arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_every_row),
    };
    return cmocka_run_group_tests_name("mig counts", tests, NULL, NULL);
}
