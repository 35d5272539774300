/* base/civil.h - civil time in UTC from nanoseconds since the Unix epoch, and durations as text.
 *
 * Pure.  Proleptic Gregorian calendar (algorithm: days_from_civil, H. Hinnant). */
#ifndef BASE_CIVIL_H
#define BASE_CIVIL_H

#include "base/err.h"
#include "base/str.h"

struct civil {
    int32_t year;
    uint8_t month;   /* 1..12 */
    uint8_t day;     /* 1..31 */
    uint8_t hour;    /* 0..23 */
    uint8_t minute;  /* 0..59 */
    uint8_t second;  /* 0..59 */
    uint8_t weekday; /* 0 = Sunday .. 6 */
};

struct civil civil_from_ns(int64_t wall_ns);

/* The inverse; the weekday is not looked at.  The fields must name a real date within int64
 * nanoseconds (1677-09-21 to 2262-04-11); anything else is a programmer's error. */
int64_t civil_to_ns(const struct civil *c);

/* "2026-11-22T18:14:00Z" into `ret_text` of at least 32 bytes; parts of a second are cut (toward
 * the past).  Returns ret_text. */
char *civil_format(int64_t wall_ns, char *ret_text);

/* RFC 3339 with Z or numeric offset, optional fraction of up to nine digits; a blank may stand for
 * the T.  Leap seconds (:60) are refused.  -EINVAL, or -ERANGE outside int64 nanoseconds. */
int civil_parse(struct str text, int64_t *ret_wall_ns, struct err *reterr);

/* "90s", "15m", "2h30m", "1d": units d h m s ms, each at most once, falling.  Range 0..36500d;
 * -EINVAL or -ERANGE.
 */
int civil_parse_duration(struct str text, int64_t *ret_ns, struct err *reterr);

/* The form of the above with every unit below its next ("1d2h30m", never "26h30m"; "0s") into
 * `ret_text` of at least 40 bytes; returns ret_text.  What is below a millisecond is cut; a
 * negative duration gets a '-' in front, which civil_parse_duration() does not read. */
char *civil_format_duration(int64_t ns, char *ret_text);

#endif
