/* base/csv: rows, quotes, limits, and messages that name line and column. */
#include "test.h"

#include "base/csv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reads_rows(void **state)
{
    (void)state;
    struct csv c;
    struct err e = {0};
    assert_int_equal(csv_init(&c,
                             str_from("\xEF\xBB\xBFname,\"cpu \"\"milli\"\"\",gpu\r\n"
                                      "a,1,0.5\n"
                                      "\n"
                                      "\"b, \"\"x\"\"\n2\",,\"\"\r\n"
                                      "c,3,1"),
                             &e),
            0);
    assert_int_equal(c.column_count, 3);
    unsigned column = 9;
    assert_int_equal(csv_column(&c, "cpu \"milli\"", &column, &e), 0);
    assert_int_equal(column, 1);
    assert_int_equal(csv_next(&c, &e), 1);
    assert_int_equal(c.line, 2);
    assert_true(str_eq_c(c.cell[0], "a"));
    assert_int_equal(csv_next(&c, &e), 1);
    assert_int_equal(c.line, 4);
    assert_true(str_eq_c(c.cell[0], "b, \"x\"\n2"));
    assert_int_equal(c.cell[1].len, 0);
    assert_int_equal(c.cell[2].len, 0);
    assert_int_equal(csv_next(&c, &e), 1);
    assert_int_equal(c.line, 6);
    assert_true(str_eq_c(c.cell[2], "1"));
    assert_int_equal(csv_next(&c, &e), 0);
    assert_int_equal(csv_next(&c, &e), 0);
    assert_true(str_eq_c(c.header[1], "cpu \"milli\""));
    assert_int_equal(csv_column(&c, "memory", &column, &e), -ENOENT);
    assert_string_equal(e.text, "no column 'memory', there are: name, cpu \"milli\", gpu");
    csv_clear(&c);
}

static void reads_cells_as_numbers(void **state)
{
    (void)state;
    struct csv c;
    struct err e = {0};
    assert_int_equal(csv_init(&c, STR_LIT("u,i,f\n7,-7,0.25\n"), &e), 0);
    assert_int_equal(csv_next(&c, &e), 1);
    uint64_t u = 0;
    int64_t i = 0;
    assert_int_equal(csv_u64(&c, 0, 0, 7, &u, &e), 0);
    assert_int_equal(u, 7);
    assert_int_equal(csv_i64(&c, 1, -7, 0, &i, &e), 0);
    assert_int_equal(i, -7);
    assert_int_equal(csv_fixed(&c, 2, 4, 0, 10000, &i, &e), 0);
    assert_int_equal(i, 2500);
    assert_int_equal(csv_u64(&c, 1, 0, 9, &u, &e), -EINVAL);
    assert_string_equal(e.text, "line 2, column i: '-7': expected a whole number from 0 to 9");
    assert_int_equal(csv_i64(&c, 1, -5, 9, &i, &e), -ERANGE);
    assert_string_equal(e.text, "line 2, column i: '-7': expected a whole number from -5 to 9");
    assert_int_equal(csv_fixed(&c, 2, 1, 0, 1000, &i, &e), -EINVAL);
    assert_string_equal(e.text, "line 2, column f: '0.25': expected a number from 0 to 100 with at "
                                "most 1 digits after the point");
    csv_clear(&c);
}

static void refuses_headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
            {"", "no content, expected a header line"},
            {"\n\r\n", "no content, expected a header line"},
            {"a,,b\n", "line 1: column 2 has no name"},
            {"a,b,a\n", "line 1: columns 1 and 3 are both called 'a'"},
            {"a,\"b\n", "line 1: a quote is not closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct csv c;
        struct err e = {0};
        assert_int_equal(csv_init(&c, str_from(cases[i].text), &e), -EINVAL);
        assert_string_equal(e.text, cases[i].message);
        csv_clear(&c);
    }
}

static void refuses_rows(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        const char *message;
    } cases[] = {
            {"1\n", "line 2: 1 cells, expected 2 as in the header line"},
            {"\n1,2,3\n", "line 3: 3 cells, expected 2 as in the header line"},
            {"1,x\"y\"\n", "line 2: a quote within a cell without quotes"},
            {"1,\"x\"y\n", "line 2: expected a comma after a closing quote"},
            {"1,\"x\n\n\n", "line 2: a quote is not closed"},
            {"1,x\ry\n", "line 2: a carriage return within a cell without quotes"},
            {"1,\xFF\n", "line 2: not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[100];
        (void)snprintf(text, sizeof text, "a,b\n%s", cases[i].row);
        struct csv c;
        struct err e = {0};
        assert_int_equal(csv_init(&c, str_from(text), &e), 0);
        assert_int_equal(csv_next(&c, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].message);
        csv_clear(&c);
    }
    struct csv c;
    struct err e = {0};
    assert_int_equal(csv_init(&c, (struct str){"a\n\"x\0y\"\n", 8}, &e), 0);
    assert_int_equal(csv_next(&c, &e), -EINVAL);
    assert_string_equal(e.text, "line 2: a NUL byte");
    csv_clear(&c);
}

static void keeps_its_limits(void **state)
{
    (void)state;
    struct csv c;
    struct err e = {0};
    size_t size = CSV_LINE_BYTES_MAX + 10;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    text[0] = 'a';
    text[1] = '\n';
    text[2 + CSV_LINE_BYTES_MAX] = '\n'; /* as long as it may be */
    assert_int_equal(csv_init(&c, (struct str){text, 3 + CSV_LINE_BYTES_MAX}, &e), 0);
    assert_int_equal(csv_next(&c, &e), 1);
    assert_int_equal(c.cell[0].len, CSV_LINE_BYTES_MAX);
    csv_clear(&c);
    text[2 + CSV_LINE_BYTES_MAX] = 'x';
    assert_int_equal(csv_init(&c, (struct str){text, 3 + CSV_LINE_BYTES_MAX}, &e), 0);
    assert_int_equal(csv_next(&c, &e), -E2BIG);
    assert_string_equal(e.text, "line 2: longer than 1048576 bytes");
    csv_clear(&c);

    memset(text, ',', 2 * CSV_COLUMNS_MAX);
    assert_int_equal(csv_init(&c, (struct str){text, 2 * CSV_COLUMNS_MAX}, &e), -E2BIG);
    assert_string_equal(e.text, "line 1: more than 64 columns");
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_rows),
            cmocka_unit_test(reads_cells_as_numbers),
            cmocka_unit_test(refuses_headers),
            cmocka_unit_test(refuses_rows),
            cmocka_unit_test(keeps_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
