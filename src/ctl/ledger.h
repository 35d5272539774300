/* ctl/ledger.h - the evictions of the last hour, as one leader leaves them to the next.
 *
 * Pure.  Kept in the leader's Lease and written there before an eviction is asked for, so that the
 * budget of the hour holds whoever leads.  Only ages are written: clocks differ.  Evictions of one
 * minute stand in one row, with the age of the last of them; what is uncertain is taken as younger.
 */
#ifndef CTL_LEDGER_H
#define CTL_LEDGER_H

#include "base/buf.h"
#include "base/err.h"
#include "core/fact.h"

enum { CTL_LEDGER_ROWS_MAX = 128 };

struct ctl_ledger_row {
    int64_t first_ns, last_ns; /* monotonic */
    uint32_t count;
};

struct ctl_ledger {
    int64_t since_ns; /* monotonic: evictions before it are not all here */
    struct ctl_ledger_row rows[CTL_LEDGER_ROWS_MAX];
    uint32_t row_count; /* oldest first */
};

/* An empty one, that begins now. */
void ctl_ledger_begin(struct ctl_ledger *l, int64_t now_ns);

/* One that was written age_ns ago: "AGE:COUNT,..." in seconds, the first the age of the record
 * itself with count 0.  -EINVAL and *l as it was where the text is something else. */
int ctl_ledger_read(
        struct ctl_ledger *l, struct str text, int64_t now_ns, int64_t age_ns, struct err *reterr);

void ctl_ledger_write(const struct ctl_ledger *l, int64_t now_ns, struct buf *out);

void ctl_ledger_add(struct ctl_ledger *l, int64_t now_ns);

/* One that was added at that time was refused. */
void ctl_ledger_take_back(struct ctl_ledger *l, int64_t added_ns);

/* Row i as the core is told: the record's own age first.  False where there are no more. */
bool ctl_ledger_fact(
        const struct ctl_ledger *l, uint32_t i, int64_t now_ns, struct core_evicted_fact *ret_fact);

#endif
