/* fuzz/fuzz_csv.c - any bytes as CSV: rows as wide as the header, or one line of error. */
#include "base/csv.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct err *e, int r)
{
    assert(e->code == r && strchr(e->text, '\n') == NULL);
    assert(strncmp(e->text, "line ", 5) == 0 || strncmp(e->text, "no ", 3) == 0);
}

static void read_cells(const struct csv *c)
{
    for (unsigned i = 0; i < c->column_count; i++) {
        struct err e = {0};
        uint64_t u;
        int64_t n;
        assert(str_utf8_prefix(c->cell[i]) == c->cell[i].len);
        int r = csv_u64(c, i, 5, 100, &u, &e);
        assert(r < 0 || (u >= 5 && u <= 100));
        r = csv_i64(c, i, -100, 100, &n, &e);
        assert(r < 0 || (n >= -100 && n <= 100));
        r = csv_fixed(c, i, 3, -1000, 1000, &n, &e);
        assert(r < 0 || (n >= -1000 && n <= 1000));
        if (r < 0)
            check_error(&e, r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv c;
    struct err e = {0};
    int r = csv_init(&c, (struct str){(const char *)data, size}, &e);
    if (r < 0) {
        check_error(&e, r);
        return 0;
    }
    uint32_t line = c.line;
    while ((r = csv_next(&c, &e)) == 1) {
        assert(c.line > line);
        line = c.line;
        read_cells(&c);
    }
    if (r < 0)
        check_error(&e, r);
    unsigned column;
    r = csv_column(&c, "no such column", &column, &e);
    assert(r < 0 || str_eq_c(c.header[column], "no such column"));
    csv_clear(&c);
    return 0;
}
