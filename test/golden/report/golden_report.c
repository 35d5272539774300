/* test/golden/report/golden_report.c - the table, the JSON and the page of one small result, word
 * for word.
 *
 * Each is compared with its file beside this one (SLICEWRIGHT_UPDATE=1 rewrites them, for review by
 * diff). */
#include "../../unit/report/sample.h"
#include "report/html.h"
#include "report/json.h"
#include "report/table.h"
#include "test.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const char *name, struct buf *made)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/test/golden/report/%s", getenv("SLICEWRIGHT_ROOT"), name);
    if (getenv("SLICEWRIGHT_UPDATE") != NULL) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(made->ptr, 1, made->len, out), made->len);
        assert_int_equal(fclose(out), 0);
    }
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    struct buf golden = BUF_INIT(1 << 20);
    for (int c = fgetc(in); c != EOF; c = fgetc(in))
        buf_putc(&golden, (char)c);
    assert_int_equal(fclose(in), 0);
    assert_string_equal(made->ptr, golden.ptr);
    buf_clear(&golden);
    buf_clear(made);
}

static void prints_the_table(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    report_table_write(&r, false, &out);
    check("table.txt", &out);
}

static void says_where_it_went_on_from(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    r.from = STR_LIT("run.gz");
    r.from_step = 1200;
    r.from_edits = 1;
    r.from_wall_ns = NUM_NS_PER_HOUR;
    report_table_write(&r, false, &out);
    check("from.txt", &out);
}

static void writes_the_json(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    report_json_write(&r, &out);
    check("result.json", &out);
}

static void writes_the_page(void **state)
{
    (void)state;
    struct report_result r = make_result();
    struct buf out = BUF_INIT(1 << 20);
    report_html_write(&r, &out);
    check("page.html", &out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(prints_the_table),
            cmocka_unit_test(says_where_it_went_on_from),
            cmocka_unit_test(writes_the_json),
            cmocka_unit_test(writes_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
