/* ctl/kept.h - what was learned of owners, as text to be kept in the cluster.
 *
 * No I/O.  A shard is the text of one ConfigMap: a first line that names the form, then a line an
 * owner: its uid as 16 hexadecimal digits, readings, error_permille, exclusive_wall_ns,
 * attributed_wall_ns, the digest (usage_digest_format()), with one space between.  Lines are sorted
 * by uid; an owner is in the shard that its uid says.  Others may write a ConfigMap: reading
 * believes nothing. */
#ifndef CTL_KEPT_H
#define CTL_KEPT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "core/fact.h"

enum {
    CTL_KEPT_SHARDS = 8,
    /* Of a shard's text; a ConfigMap takes 1 MiB.  170 owners fit at the most that a digest takes,
     * usually several times as many. */
    CTL_KEPT_BYTES_MAX = 960 << 10,
    CTL_KEPT_OWNERS_MAX = 1 << 16,
};

/* Which of the CTL_KEPT_SHARDS shards holds an owner: 0..CTL_KEPT_SHARDS - 1. */
uint32_t ctl_kept_shard(uint64_t owner);

/* Appends a shard's text.  Of what does not fit, owners with fewer readings are left out first.
 * Sorts `owners`.  Returns how many were left out. */
uint32_t ctl_kept_write(struct core_history_fact *owners, uint32_t count, struct buf *out);

/* Reads a shard's text, which must stay: views into it.  Returns 0; -EINVAL with "line L: ..." for
 * what is malformed, -E2BIG over a limit, -ENOTSUP for another form. */
int ctl_kept_parse(struct arena *a, struct str text, struct core_history_fact **ret_owners,
        uint32_t *ret_count, struct err *reterr);

#endif
