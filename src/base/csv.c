/* base/csv.c - reading CSV strictly, one row at a time.  Pure; scratch memory by mem_grow.
 *
 * A row is read in two passes: find its end and check it, then cut it into cells.  So `scratch` is
 * big enough before the first cell points into it. */
#include "base/csv.h"

#include "base/arena.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { COLUMN_LIST_BYTES_MAX = 300 };

/* One row as it stands in the input. */
struct row {
    struct str text;     /* without its line end */
    size_t size;         /* with it */
    uint32_t line_count; /* line ends within quotes + 1 */
    bool has_escape;     /* a doubled quote */
};

/* Measures the row at the start of `rest`; quotes are only counted here, cut_quoted() checks where
 * they stand.  An open quote runs to the end of the input or to the limit. */
static void measure_row(struct str rest, struct row *ret_row)
{
    struct row row = {.line_count = 1};
    bool quoted = false;
    size_t i = 0;
    for (; i < rest.len && i <= CSV_LINE_BYTES_MAX; i++) {
        char c = rest.ptr[i];
        if (c == '"') {
            quoted = !quoted;
            row.has_escape = row.has_escape || (quoted && i > 0 && rest.ptr[i - 1] == '"');
        } else if (c == '\n') {
            if (!quoted)
                break;
            row.line_count++;
        }
    }
    row.size = i < rest.len ? i + 1 : i;
    row.text = (struct str){rest.ptr, i};
    if (i > 0 && i < rest.len && rest.ptr[i - 1] == '\r')
        row.text.len--;
    *ret_row = row;
}

/* Cuts a quoted cell from the start of `*rest`; doubled quotes are undone into `*scratch`. */
static int cut_quoted(
        struct csv *c, struct str *rest, char **scratch, struct str *ret_cell, struct err *reterr)
{
    const char *begin = rest->ptr + 1;
    const char *end = rest->ptr + rest->len;
    const char *from = begin;
    char *out = *scratch;
    bool escaped = false;
    for (;;) {
        size_t left = (size_t)(end - from);
        const char *quote = left == 0 ? NULL : memchr(from, '"', left);
        if (quote == NULL)
            return err_set(reterr, -EINVAL, "line %" PRIu32 ": a quote is not closed", c->line);
        bool doubled = quote + 1 < end && quote[1] == '"';
        if (!doubled && !escaped) {
            *ret_cell = (struct str){begin, (size_t)(quote - begin)};
            from = quote + 1;
            break;
        }
        size_t part = (size_t)(quote - from) + doubled; /* one of the two quotes */
        memcpy(out, from, part);
        out += part;
        escaped = true;
        from = quote + 1 + doubled;
        if (!doubled) {
            *ret_cell = (struct str){*scratch, (size_t)(out - *scratch)};
            *scratch = out;
            break;
        }
    }
    if (from < end && *from != ',') {
        return err_set(reterr, -EINVAL, "line %" PRIu32 ": expected a comma after a closing quote",
                c->line);
    }
    *rest = (struct str){from, (size_t)(end - from)};
    return 0;
}

/* Cuts a plain cell from the start of `*rest`. */
static int cut_plain(struct csv *c, struct str *rest, struct str *ret_cell, struct err *reterr)
{
    const char *comma = rest->len == 0 ? NULL : memchr(rest->ptr, ',', rest->len);
    size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->ptr);
    for (size_t i = 0; i < len; i++) {
        char byte = rest->ptr[i];
        if (byte == '"' || byte == '\r') {
            return err_set(reterr, -EINVAL, "line %" PRIu32 ": a %s within a cell without quotes",
                    c->line, byte == '"' ? "quote" : "carriage return");
        }
    }
    *ret_cell = (struct str){rest->ptr, len};
    *rest = (struct str){rest->ptr + len, rest->len - len};
    return 0;
}

/* Cuts a row into cell[]. */
static int cut_row(struct csv *c, const struct row *row, struct str *cell, unsigned *ret_count,
        struct err *reterr)
{
    if (row->has_escape && c->scratch_cap < row->text.len) {
        c->scratch = mem_grow(c->scratch, row->text.len, 1);
        c->scratch_cap = row->text.len;
    }
    struct str rest = row->text;
    char *scratch = c->scratch;
    unsigned count = 0;
    for (;;) {
        if (count == CSV_COLUMNS_MAX) {
            return err_set(reterr, -E2BIG, "line %" PRIu32 ": more than %d columns", c->line,
                    CSV_COLUMNS_MAX);
        }
        bool quoted = rest.len > 0 && rest.ptr[0] == '"';
        int r = quoted ? cut_quoted(c, &rest, &scratch, &cell[count], reterr)
                       : cut_plain(c, &rest, &cell[count], reterr);
        if (r < 0)
            return r;
        count++;
        if (rest.len == 0)
            break;
        rest.ptr++; /* the comma */
        rest.len--;
    }
    *ret_count = count;
    return 0;
}

/* Reads the next row that is not blank: 1, 0 at the end, or negative. */
static int read_row(struct csv *c, unsigned *ret_count, struct str *cell, struct err *reterr)
{
    while (c->rest.len > 0) {
        struct row row;
        measure_row(c->rest, &row);
        c->line = c->next_line;
        if (row.text.len > CSV_LINE_BYTES_MAX) {
            return err_set(reterr, -E2BIG, "line %" PRIu32 ": longer than %d bytes", c->line,
                    CSV_LINE_BYTES_MAX);
        }
        if (row.text.len > 0 && memchr(row.text.ptr, '\0', row.text.len) != NULL)
            return err_set(reterr, -EINVAL, "line %" PRIu32 ": a NUL byte", c->line);
        if (str_utf8_prefix(row.text) != row.text.len)
            return err_set(reterr, -EINVAL, "line %" PRIu32 ": not UTF-8", c->line);
        if (row.text.len > 0) {
            int r = cut_row(c, &row, cell, ret_count, reterr);
            if (r < 0)
                return r;
        }
        c->next_line += row.line_count;
        c->rest = (struct str){c->rest.ptr + row.size, c->rest.len - row.size};
        if (row.text.len > 0)
            return 1;
    }
    return 0;
}

static int check_header(const struct csv *c, struct err *reterr)
{
    for (unsigned i = 0; i < c->column_count; i++) {
        if (c->header[i].len == 0) {
            return err_set(
                    reterr, -EINVAL, "line %" PRIu32 ": column %u has no name", c->line, i + 1);
        }
        for (unsigned j = 0; j < i; j++) {
            if (str_eq(c->header[i], c->header[j])) {
                return err_set(reterr, -EINVAL,
                        "line %" PRIu32 ": columns %u and %u are both called '%.*s'", c->line,
                        j + 1, i + 1, STR_ARG_SHORT(c->header[i]));
            }
        }
    }
    return 0;
}

int csv_init(struct csv *c, struct str input, struct err *reterr)
{
    static const struct str bom = STR_LIT("\xEF\xBB\xBF");
    *c = (struct csv){.rest = input, .next_line = 1};
    if (str_starts(input, bom))
        c->rest = (struct str){input.ptr + bom.len, input.len - bom.len};
    int r = read_row(c, &c->column_count, c->header, reterr);
    if (r == 0)
        r = err_set(reterr, -EINVAL, "no content, expected a header line");
    if (r > 0)
        r = check_header(c, reterr);
    if (r < 0) {
        csv_clear(c);
        return r;
    }
    /* Names with doubled quotes point into the scratch: it stays theirs, rows get a new one. */
    c->header_scratch = c->scratch;
    c->scratch = NULL;
    c->scratch_cap = 0;
    return 0;
}

void csv_clear(struct csv *c)
{
    mem_free(c->header_scratch);
    mem_free(c->scratch);
    *c = (struct csv){0};
}

int csv_column(const struct csv *c, const char *name, unsigned *ret_index, struct err *reterr)
{
    for (unsigned i = 0; i < c->column_count; i++) {
        if (str_eq_c(c->header[i], name)) {
            *ret_index = i;
            return 0;
        }
    }
    struct buf list = BUF_INIT(COLUMN_LIST_BYTES_MAX);
    for (unsigned i = 0; i < c->column_count && !list.overflow; i++)
        buf_printf(&list, "%s%.*s", i == 0 ? "" : ", ", STR_ARG_SHORT(c->header[i]));
    int r = err_set(reterr, -ENOENT, "no column '%s', there are: %.*s%s", name,
            STR_ARG(buf_str(&list)), list.overflow ? ", ..." : "");
    buf_clear(&list);
    return r;
}

int csv_next(struct csv *c, struct err *reterr)
{
    unsigned count = 0;
    int r = read_row(c, &count, c->cell, reterr);
    if (r > 0 && count != c->column_count) {
        return err_set(reterr, -EINVAL,
                "line %" PRIu32 ": %u cells, expected %u as in the header line", c->line, count,
                c->column_count);
    }
    return r;
}

/* The start of a message about a cell: "line N, column NAME: 'x'". */
#define CELL_FORMAT "line %" PRIu32 ", column %.*s: '%.*s': expected "
#define CELL_ARGS(c, column)                                                                       \
    (c)->line, STR_ARG_SHORT((c)->header[column]), STR_ARG_SHORT((c)->cell[column])

int csv_u64(const struct csv *c, unsigned column, uint64_t min, uint64_t max, uint64_t *ret_value,
        struct err *reterr)
{
    assert(column < c->column_count);
    int r = str_to_u64(c->cell[column], min, max, ret_value);
    if (r < 0) {
        return err_set(reterr, r, CELL_FORMAT "a whole number from %" PRIu64 " to %" PRIu64,
                CELL_ARGS(c, column), min, max);
    }
    return 0;
}

int csv_i64(const struct csv *c, unsigned column, int64_t min, int64_t max, int64_t *ret_value,
        struct err *reterr)
{
    assert(column < c->column_count);
    int r = str_to_i64(c->cell[column], min, max, ret_value);
    if (r < 0) {
        return err_set(reterr, r, CELL_FORMAT "a whole number from %" PRId64 " to %" PRId64,
                CELL_ARGS(c, column), min, max);
    }
    return 0;
}

int csv_fixed(const struct csv *c, unsigned column, unsigned decimals, int64_t min, int64_t max,
        int64_t *ret_value, struct err *reterr)
{
    assert(column < c->column_count);
    int r = str_to_fixed(c->cell[column], decimals, min, max, ret_value);
    if (r < 0) {
        char low[STR_FIXED_BYTES];
        char high[STR_FIXED_BYTES];
        return err_set(reterr, r,
                CELL_FORMAT "a number from %s to %s with at most %u digits after the point",
                CELL_ARGS(c, column), str_format_fixed(min, decimals, low),
                str_format_fixed(max, decimals, high), decimals);
    }
    return 0;
}
