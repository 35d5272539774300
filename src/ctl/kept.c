/* ctl/kept.c - see kept.h.  No I/O. */
#include "ctl/kept.h"

#include "usage/digest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FORM "slicewright-history 1"

enum { LINE_MAX_BYTES = USAGE_DIGEST_TEXT_MAX + 128 };

uint32_t ctl_kept_shard(uint64_t owner)
{
    return (uint32_t)(owner % CTL_KEPT_SHARDS);
}

/* -- writing ------------------------------------------------------------------------------------
 */

static int by_readings(const void *a, const void *b)
{
    const struct core_history_fact *x = a, *y = b;
    if (x->readings != y->readings)
        return x->readings > y->readings ? -1 : 1;
    return (x->owner > y->owner) - (x->owner < y->owner);
}

static int by_uid(const void *a, const void *b)
{
    const struct core_history_fact *x = a, *y = b;
    return (x->owner > y->owner) - (x->owner < y->owner);
}

static void put_line(const struct core_history_fact *h, struct buf *out)
{
    buf_printf(out, "%016" PRIx64 " %" PRIu64 " %u %" PRId64 " %" PRId64 " %.*s\n", h->owner,
            h->readings, h->error_permille, h->exclusive_wall_ns, h->attributed_wall_ns,
            STR_ARG(h->digest));
}

uint32_t ctl_kept_write(struct core_history_fact *owners, uint32_t count, struct buf *out)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    size_t bytes = sizeof FORM;
    uint32_t kept = 0;
    if (count > 1)
        qsort(owners, count, sizeof *owners, by_readings);
    for (; kept < count && kept < CTL_KEPT_OWNERS_MAX; kept++) {
        buf_reset(&line);
        put_line(&owners[kept], &line);
        assert(!line.overflow);
        if (bytes + line.len > CTL_KEPT_BYTES_MAX)
            break;
        bytes += line.len;
    }
    buf_clear(&line);
    if (kept > 1)
        qsort(owners, kept, sizeof *owners, by_uid);
    buf_puts(out, FORM "\n");
    for (uint32_t i = 0; i < kept; i++)
        put_line(&owners[i], out);
    return count - kept;
}

/* -- reading ------------------------------------------------------------------------------------
 */

/* Takes a line off the text; false when no whole one is left. */
static bool next_line(struct str *rest, struct str *ret_line)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - rest->ptr);
    *ret_line = (struct str){rest->ptr, len};
    *rest = (struct str){end + 1, rest->len - len - 1};
    return true;
}

static int read_line(struct str line, struct core_history_fact *ret_history, struct err *reterr)
{
    enum { WORDS = 6 };
    struct str words[WORDS] = {{0}};
    struct core_history_fact h = {0};
    struct usage_digest digest;
    uint64_t error = 0;
    unsigned count = 0;
    while (count < WORDS - 1 && str_split(&line, ' ', &words[count]))
        count++;
    words[count] = line;
    if (str_to_hex64(words[0], &h.owner) < 0 || h.owner == 0) {
        return err_set(reterr, -EINVAL, "uid '%.*s': expected 16 digits", STR_ARG_SHORT(words[0]));
    }
    if (str_to_u64(words[1], 1, UINT64_MAX, &h.readings) < 0 ||
            str_to_u64(words[2], 0, 1000, &error) < 0 ||
            str_to_i64(words[3], 0, INT64_MAX, &h.exclusive_wall_ns) < 0 ||
            str_to_i64(words[4], 0, INT64_MAX, &h.attributed_wall_ns) < 0)
        return err_set(reterr, -EINVAL, "a number is missing or out of its range");
    h.error_permille = (uint32_t)error;
    h.digest = words[5];
    if (usage_digest_parse(h.digest, &digest, reterr) < 0)
        return -EINVAL;
    *ret_history = h;
    return 0;
}

int ctl_kept_parse(struct arena *a, struct str text, struct core_history_fact **ret_owners,
        uint32_t *ret_count, struct err *reterr)
{
    struct core_history_fact *owners;
    struct str line = {0}, rest = text;
    uint32_t lines = 0, count = 0;
    if (text.len > CTL_KEPT_BYTES_MAX) {
        return err_set(reterr, -E2BIG, "%zu bytes of history, the limit is %d", text.len,
                CTL_KEPT_BYTES_MAX);
    }
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    if (lines > CTL_KEPT_OWNERS_MAX + 1)
        return err_set(reterr, -E2BIG, "%u lines of history", lines);
    if (!next_line(&rest, &line) || !str_eq_c(line, FORM)) {
        return err_set(
                reterr, -ENOTSUP, "line 1: '%.*s': expected '" FORM "'", STR_ARG_SHORT(line));
    }
    owners = ARENA_ARRAY(a, struct core_history_fact, lines + 1);
    while (next_line(&rest, &line)) {
        if (read_line(line, &owners[count], reterr) < 0)
            return err_wrap(reterr, "line %u", count + 2);
        if (count > 0 && owners[count].owner <= owners[count - 1].owner)
            return err_set(reterr, -EINVAL, "line %u: not in order of uids", count + 2);
        count++;
    }
    if (rest.len > 0)
        return err_set(reterr, -EINVAL, "line %u: no end of line", count + 2);
    *ret_owners = owners;
    *ret_count = count;
    return 0;
}
