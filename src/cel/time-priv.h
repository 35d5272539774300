/* cel/time-priv.h - CEL's timestamps and durations as text and as parts.
 *
 * Pure.  A timestamp is a cel_time (years 1 to 9999), a duration int64 nanoseconds. */
#ifndef CEL_TIME_PRIV_H
#define CEL_TIME_PRIV_H

#include "base/buf.h"
#include "cel/value.h"

#define CEL_TIME_MIN INT64_C(-62135596800)
#define CEL_TIME_MAX INT64_C(253402300799)

/* Go's time.Parse(time.RFC3339): "2024-01-02T03:04:05.5+01:00"; false when it is none or out of
 * range. */
bool cel_time_parse(struct str text, struct cel_time *ret_time);

/* Go's time.ParseDuration: "1h30m", "-1.5s", "10us". */
bool cel_duration_parse(struct str text, int64_t *ret_ns);

/* RFC 3339 in its own zone, with as many decimals as needed. */
void cel_time_print(struct buf *out, const struct cel_time *t);

/* Seconds with as many decimals as needed, and "s". */
void cel_duration_print(struct buf *out, int64_t ns);

struct cel_civil {
    int64_t year;
    int month, day, hour, minute, second; /* month and day from 1 */
    int weekday, year_day;                /* from 0; 0 = Sunday */
};
struct cel_civil cel_time_civil(const struct cel_time *t);

/* t + ns and a - b; false out of range. */
bool cel_time_add(const struct cel_time *t, int64_t ns, struct cel_time *ret_time);
bool cel_time_subtract(const struct cel_time *a, const struct cel_time *b, int64_t *ret_ns);

#endif
