/* policy/cron.c - maintenance windows: cron fields, their spans in time, overlap.  Pure.
 *
 * Days are counted from 1970-01-01 (a Thursday), UTC.  A window lasts at most a day, so the span of
 * a day reaches into the next one and no further. */
#include "policy/policy.h"

#include "base/civil.h"
#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    MINUTES_PER_DAY = 24 * 60,
    DAYS_AHEAD = 400,
    CALENDAR_CYCLE_DAYS = 28 * 365 + 7, /* weekdays and leap years repeat after it (1901..2099) */
};

static const int64_t minute_ns = 60 * NUM_NS_PER_SECOND;
static const int64_t day_ns = 24 * NUM_NS_PER_HOUR;

struct cron_field {
    const char *what;
    unsigned min, max;
    const char *names; /* three letters each, the first stands for `min`; or NULL */
};

static bool name_number(const struct cron_field *f, struct str s, unsigned *ret_number)
{
    if (!f->names || s.len != 3)
        return false;
    for (unsigned i = 0; f->names[3 * i] != '\0'; i++) {
        bool same = true;
        for (unsigned k = 0; k < 3; k++) {
            char c = s.ptr[k];
            c = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            same = same && c == f->names[3 * i + k];
        }
        if (same) {
            *ret_number = f->min + i;
            return true;
        }
    }
    return false;
}

static int number_parse(
        const struct cron_field *f, struct str s, unsigned *ret_number, struct err *reterr)
{
    uint64_t value = 0;
    if (name_number(f, s, ret_number))
        return 0;
    if (str_to_u64(s, f->min, f->max, &value) < 0) {
        return err_set(reterr, -EINVAL, "'%.*s' is no %s, %u to %u", STR_ARG_SHORT(s), f->what,
                f->min, f->max);
    }
    *ret_number = (unsigned)value;
    return 0;
}

/* Cuts `s` at the first `sep`; false when there is none. */
static bool cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
    const char *at = s.len > 0 ? memchr(s.ptr, sep, s.len) : NULL;
    if (!at)
        return false;
    size_t head = (size_t)(at - s.ptr);
    *ret_head = (struct str){s.ptr, head};
    *ret_tail = (struct str){at + 1, s.len - head - 1};
    return true;
}

/* One of "*", "N", "N-M", each with an optional "/STEP"; adds its bits. */
static int part_parse(
        const struct cron_field *f, struct str part, uint64_t *bits, struct err *reterr)
{
    uint64_t step = 1;
    struct str range = part;
    struct str tail = {0};
    struct str head = {0};
    bool has_step = cut(part, '/', &range, &tail);
    if (has_step && str_to_u64(tail, 1, f->max, &step) < 0) {
        return err_set(reterr, -EINVAL, "'%.*s' is no step of %s, 1 to %u", STR_ARG_SHORT(tail),
                f->what, f->max);
    }
    unsigned low = f->min;
    unsigned high = f->max;
    if (!str_eq_c(range, "*")) {
        bool is_range = cut(range, '-', &head, &tail);
        int r = number_parse(f, is_range ? head : range, &low, reterr);
        high = low;
        if (r == 0 && is_range)
            r = number_parse(f, tail, &high, reterr);
        if (r < 0)
            return r;
        if (has_step && !is_range)
            high = f->max;
    }
    if (low > high)
        return err_set(reterr, -EINVAL, "%s '%.*s' runs backwards", f->what, STR_ARG_SHORT(range));
    for (uint64_t i = low; i <= high; i += step)
        *bits |= UINT64_C(1) << i;
    return 0;
}

static int field_parse(
        const struct cron_field *f, struct str text, uint64_t *ret_bits, struct err *reterr)
{
    uint64_t bits = 0;
    struct str head = {0};
    struct str tail = text;
    while (cut(tail, ',', &head, &tail)) {
        int r = part_parse(f, head, &bits, reterr);
        if (r < 0)
            return r;
    }
    int r = part_parse(f, tail, &bits, reterr);
    if (r == 0)
        *ret_bits = bits;
    return r;
}

int policy_cron_parse(struct str text, struct policy_window *ret_window, struct err *reterr)
{
    static const struct cron_field fields[5] = {
            {"minute", 0, 59, NULL},
            {"hour", 0, 23, NULL},
            {"day of month", 1, 31, NULL},
            {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
            {"day of week", 0, 7, "sunmontuewedthufrisat"},
    };
    uint64_t bits[5] = {0};
    bool any[5] = {0};
    struct str rest = str_trim(text);
    for (unsigned i = 0; i < 5; i++) {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\t')
            len++;
        struct str word = {rest.ptr, len};
        if (len == 0) {
            return err_set(reterr, -EINVAL,
                    "expected five fields: minute hour day-of-month month day-of-week");
        }
        int r = field_parse(&fields[i], word, &bits[i], reterr);
        if (r < 0)
            return r;
        any[i] = word.ptr[0] == '*'; /* as cron: a field that begins with a star is no limit */
        rest = str_trim((struct str){rest.ptr + len, rest.len - len});
    }
    if (rest.len > 0)
        return err_set(reterr, -EINVAL, "'%.*s' follows the fifth field", STR_ARG_SHORT(rest));
    struct policy_window w = {
            .cron = text,
            .minutes = bits[0],
            .hours = (uint32_t)bits[1],
            .days_of_month = (uint32_t)bits[2],
            .months = (uint32_t)bits[3],
            .days_of_week = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
            .day_of_month_any = any[2],
            .day_of_week_any = any[4],
    };
    if (__builtin_popcountll(w.minutes) * __builtin_popcount(w.hours) > POLICY_WINDOW_STARTS_MAX)
        return err_set(reterr, -EINVAL, "more than %d starts a day", POLICY_WINDOW_STARTS_MAX);
    *ret_window = w;
    return 0;
}

static int64_t day_of(int64_t wall_ns)
{
    return wall_ns / day_ns - (wall_ns % day_ns < 0);
}

/* True when the window has starts on day `day`. */
static bool day_matches(const struct policy_window *w, int64_t day)
{
    struct civil c = civil_from_ns(day * day_ns);
    if (!(w->months >> c.month & 1))
        return false;
    bool month_day = w->days_of_month >> c.day & 1;
    bool week_day = w->days_of_week >> c.weekday & 1;
    if (w->day_of_month_any || w->day_of_week_any)
        return month_day && week_day;
    return month_day || week_day;
}

/* The starts of a window within a day, in minutes from midnight, rising. */
struct starts {
    uint32_t count;
    uint16_t minutes[POLICY_WINDOW_STARTS_MAX];
};

static void starts_list(const struct policy_window *w, struct starts *ret_starts)
{
    ret_starts->count = 0;
    for (unsigned hour = 0; hour < 24; hour++) {
        if (!(w->hours >> hour & 1))
            continue;
        for (unsigned minute = 0; minute < 60; minute++) {
            if (!(w->minutes >> minute & 1))
                continue;
            assert(ret_starts->count < POLICY_WINDOW_STARTS_MAX);
            ret_starts->minutes[ret_starts->count++] = (uint16_t)(60 * hour + minute);
        }
    }
}

/* What policy_windows_overlap() works on. */
struct overlap {
    const struct policy_window *windows;
    uint32_t count;
    struct starts starts[POLICY_WINDOWS_MAX];
    uint32_t *ret_first, *ret_second;
};

/* Fills in the minutes of two days for a pair of masks of the windows that match each. */
static bool days_overlap(const struct overlap *o, const uint32_t matches[2])
{
    uint8_t owner[3 * MINUTES_PER_DAY] = {0}; /* window + 1 */
    for (uint32_t i = 0; i < 2 * o->count; i++) {
        unsigned day = i / o->count;
        uint32_t window = i % o->count;
        if (!(matches[day] >> window & 1))
            continue;
        const struct starts *starts = &o->starts[window];
        unsigned minutes = (unsigned)num_ceildiv_u64(
                (uint64_t)o->windows[window].duration_ns, (uint64_t)minute_ns);
        for (uint32_t k = 0; k < starts->count; k++) {
            uint8_t *at = &owner[day * MINUTES_PER_DAY + starts->minutes[k]];
            for (unsigned m = 0; m < minutes; m++) {
                if (at[m] != 0) {
                    *o->ret_first = at[m] - 1u;
                    *o->ret_second = window;
                    return true;
                }
                at[m] = (uint8_t)(window + 1);
            }
        }
    }
    return false;
}

bool policy_windows_overlap(const struct policy_window *windows, uint32_t count,
        uint32_t *ret_first, uint32_t *ret_second)
{
    /* Few pairs of (which windows match yesterday, which today) exist as a rule: each is looked at
     * once. */
    enum { SEEN_MAX = 256 };
    uint32_t seen[SEEN_MAX][2];
    unsigned seen_count = 0;
    struct overlap o = {
            .windows = windows, .count = count, .ret_first = ret_first, .ret_second = ret_second};
    assert(count <= POLICY_WINDOWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert(windows[i].duration_ns > 0 && windows[i].duration_ns <= day_ns);
        starts_list(&windows[i], &o.starts[i]);
    }

    uint32_t pair[2] = {0, 0};
    for (int64_t day = 0; day <= CALENDAR_CYCLE_DAYS; day++) {
        pair[0] = pair[1];
        pair[1] = 0;
        for (uint32_t i = 0; i < count; i++)
            pair[1] |= (uint32_t)day_matches(&windows[i], day) << i;
        bool known = (pair[0] | pair[1]) == 0;
        for (unsigned k = 0; k < seen_count && !known; k++)
            known = seen[k][0] == pair[0] && seen[k][1] == pair[1];
        if (known)
            continue;
        if (days_overlap(&o, pair))
            return true;
        if (seen_count < SEEN_MAX)
            memcpy(seen[seen_count++], pair, sizeof pair);
    }
    return false;
}

/* Takes the spans of one day that end after from_ns into ret_spans[max], sorted by start; keeps the
 * earliest when there are more. */
static uint32_t day_spans(const struct policy *p, int64_t day, int64_t from_ns,
        struct policy_span *ret_spans, uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->window_count; i++) {
        const struct policy_window *w = &p->windows[i];
        if (!day_matches(w, day))
            continue;
        struct starts starts;
        starts_list(w, &starts);
        for (uint32_t k = 0; k < starts.count; k++) {
            struct policy_span span = {.start_ns = day * day_ns + starts.minutes[k] * minute_ns};
            span.end_ns = span.start_ns + w->duration_ns;
            if (span.end_ns <= from_ns)
                continue;
            uint32_t at = count;
            while (at > 0 && ret_spans[at - 1].start_ns > span.start_ns)
                at--;
            if (at == max)
                continue;
            uint32_t moved = (count < max ? count : max - 1) - at;
            memmove(&ret_spans[at + 1], &ret_spans[at], moved * sizeof *ret_spans);
            ret_spans[at] = span;
            count += count < max;
        }
    }
    return count;
}

uint32_t policy_windows_expand(const struct policy *p, int64_t from_ns, int64_t to_ns,
        struct policy_span *ret_spans, uint32_t max)
{
    /* Yesterday's window may still be open.  The ends of int64 time are no days of ours. */
    int64_t first = num_max_i64(day_of(from_ns) - 1, day_of(INT64_MIN) + 1);
    int64_t last = num_min_i64(day_of(to_ns), day_of(from_ns) + DAYS_AHEAD);
    last = num_min_i64(last, day_of(INT64_MAX) - 2);
    uint32_t count = 0;
    for (int64_t day = first; day <= last && count < max; day++)
        count += day_spans(p, day, from_ns, ret_spans + count, max - count);
    while (count > 0 && ret_spans[count - 1].start_ns >= to_ns)
        count--;
    return count;
}

int policy_window_at(
        const struct policy *p, int64_t wall_ns, int64_t *ret_start_ns, int64_t *ret_end_ns)
{
    struct policy_span span = {0};
    if (policy_windows_expand(p, wall_ns, INT64_MAX, &span, 1) == 0)
        return -ENOENT;
    *ret_start_ns = span.start_ns;
    *ret_end_ns = span.end_ns;
    return span.start_ns <= wall_ns;
}
