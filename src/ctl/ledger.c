/* ctl/ledger.c - see ledger.h.  Pure. */
#include "ctl/ledger.h"

#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { HOUR_S = 3600 };

static const int64_t ROW_NS = 60 * NUM_NS_PER_SECOND;

/* Rows of a minute each: an hour has 61 of its own, and what was read adds as many. */
static void forget(struct ctl_ledger *l, int64_t now_ns)
{
    uint32_t old = 0;
    while (old < l->row_count && l->rows[old].last_ns <= now_ns - NUM_NS_PER_HOUR)
        old++;
    l->row_count -= old;
    memmove(l->rows, l->rows + old, l->row_count * sizeof *l->rows);
}

void ctl_ledger_begin(struct ctl_ledger *l, int64_t now_ns)
{
    *l = (struct ctl_ledger){.since_ns = now_ns};
}

void ctl_ledger_add(struct ctl_ledger *l, int64_t now_ns)
{
    forget(l, now_ns);
    struct ctl_ledger_row *last = l->row_count == 0 ? NULL : &l->rows[l->row_count - 1];
    if (last == NULL || (now_ns - last->first_ns >= ROW_NS && l->row_count < CTL_LEDGER_ROWS_MAX)) {
        last = &l->rows[l->row_count++];
        *last = (struct ctl_ledger_row){.first_ns = now_ns};
    }
    last->last_ns = now_ns;
    last->count = num_min_u32(last->count + 1, CORE_EVICTED_MAX);
}

void ctl_ledger_take_back(struct ctl_ledger *l, int64_t added_ns)
{
    for (uint32_t i = l->row_count; i-- > 0;) {
        struct ctl_ledger_row *r = &l->rows[i];
        if (added_ns < r->first_ns || added_ns > r->last_ns)
            continue;
        r->count--;
        if (r->count == 0) {
            l->row_count--;
            memmove(r, r + 1, (l->row_count - i) * sizeof *r);
        }
        return;
    }
}

/* Rounded down: as if it were younger. */
static int64_t age_seconds(int64_t then_ns, int64_t now_ns)
{
    return num_max_i64(now_ns - then_ns, 0) / NUM_NS_PER_SECOND;
}

void ctl_ledger_write(const struct ctl_ledger *l, int64_t now_ns, struct buf *out)
{
    buf_printf(out, "%" PRId64 ":0", num_min_i64(age_seconds(l->since_ns, now_ns), HOUR_S));
    for (uint32_t i = 0; i < l->row_count; i++) {
        int64_t age = age_seconds(l->rows[i].last_ns, now_ns);
        if (age < HOUR_S)
            buf_printf(out, ",%" PRId64 ":%" PRIu32, age, l->rows[i].count);
    }
}

/* "AGE:COUNT"; ages do not rise from row to row. */
static bool read_row(struct str row, uint64_t older_s, uint64_t *ret_age_s, uint64_t *ret_count)
{
    struct str age;
    uint64_t age_s;
    if (!str_split(&row, ':', &age) || str_to_u64(age, 0, older_s, &age_s) < 0 ||
            str_to_u64(row, 0, CORE_EVICTED_MAX, ret_count) < 0)
        return false;
    *ret_age_s = age_s;
    return true;
}

int ctl_ledger_read(
        struct ctl_ledger *l, struct str text, int64_t now_ns, int64_t age_ns, struct err *reterr)
{
    struct ctl_ledger read;
    struct str row;
    uint64_t age_s = 0, count = 0, older_s = HOUR_S - 1;
    if (!str_split(&text, ',', &row) || !read_row(row, HOUR_S, &age_s, &count) || count != 0) {
        return err_set(reterr, -EINVAL, "\"%.*s\" is not \"SECONDS:0\", the age of the record",
                STR_ARG_SHORT(row));
    }
    ctl_ledger_begin(&read, now_ns - age_ns - (int64_t)age_s * NUM_NS_PER_SECOND);
    while (str_split(&text, ',', &row)) {
        if (read.row_count == CTL_LEDGER_ROWS_MAX || !read_row(row, older_s, &age_s, &count) ||
                count == 0) {
            return err_set(
                    reterr, -EINVAL, "\"%.*s\" is not \"SECONDS:EVICTIONS\"", STR_ARG_SHORT(row));
        }
        int64_t then_ns = now_ns - age_ns - (int64_t)age_s * NUM_NS_PER_SECOND;
        /* Nothing is added to it any more, or a row of many leaders would grow longer than a
         * minute. */
        read.rows[read.row_count++] =
                (struct ctl_ledger_row){then_ns - ROW_NS, then_ns, (uint32_t)count};
        older_s = age_s;
    }
    *l = read;
    return 0;
}

bool ctl_ledger_fact(
        const struct ctl_ledger *l, uint32_t i, int64_t now_ns, struct core_evicted_fact *ret_fact)
{
    if (i > l->row_count)
        return false;
    const struct ctl_ledger_row begin = {.last_ns = l->since_ns};
    const struct ctl_ledger_row *r = i == 0 ? &begin : &l->rows[i - 1];
    *ret_fact = (struct core_evicted_fact){num_max_i64(now_ns - r->last_ns, 0), r->count};
    return true;
}
