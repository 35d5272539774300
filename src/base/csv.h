/* base/csv.h - reading CSV with a header line, strictly, one row at a time.
 *
 * Pure.  RFC 4180 quoting, so a quoted cell may hold line ends; LF or CRLF; a UTF-8 BOM is skipped.
 * Refused with the line: bytes that are not UTF-8, a quote within a plain cell or left open, NUL
 * and a lone CR in a plain cell, rows over CSV_LINE_BYTES_MAX or CSV_COLUMNS_MAX (-E2BIG). */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/err.h"
#include "base/str.h"

enum { CSV_COLUMNS_MAX = 64, CSV_LINE_BYTES_MAX = 1 << 20 };

struct csv {
    struct str rest;
    uint32_t line;      /* 1-based number of the line on which the row last read begins */
    uint32_t next_line; /* private */
    unsigned column_count;
    struct str header[CSV_COLUMNS_MAX];
    struct str cell[CSV_COLUMNS_MAX]; /* views into the input, or into `scratch` when unquoted:
                                       * valid until the next csv_next() */
    char *header_scratch;
    char *scratch; /* one line's worth; freed by csv_clear */
    size_t scratch_cap;
};

/* Reads the header.  `input` must outlive `c`.  -EINVAL on an empty input, a duplicate or empty
 * column name; then nothing is left to free. */
int csv_init(struct csv *c, struct str input, struct err *reterr);
void csv_clear(struct csv *c);

/* The index of column `name`; -ENOENT with a message that lists the columns that there are. */
int csv_column(const struct csv *c, const char *name, unsigned *ret_index, struct err *reterr);

/* Reads the next row: 1 = a row is in `cell`, 0 = end, negative = error ("line N: ...").
 * A row with another number of cells than the header is an error; blank lines are skipped. */
int csv_next(struct csv *c, struct err *reterr);

/* The cell as a number in [min, max]; on failure "line N, column NAME: 'x': expected ...". */
int csv_u64(const struct csv *c, unsigned column, uint64_t min, uint64_t max, uint64_t *ret_value,
        struct err *reterr);
int csv_i64(const struct csv *c, unsigned column, int64_t min, int64_t max, int64_t *ret_value,
        struct err *reterr);
int csv_fixed(const struct csv *c, unsigned column, unsigned decimals, int64_t min, int64_t max,
        int64_t *ret_value, struct err *reterr);

#endif
