/* base/civil.c - civil time and durations as text.  Pure.
 *
 * Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil and
 * civil_from_days); RFC 3339. */
#include "base/civil.h"

#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years */
    TEXT_BYTES = 32,
    DURATION_TEXT_BYTES = 40,
};

#define DURATION_NS_MAX (INT64_C(100) * 365 * SECONDS_PER_DAY * NUM_NS_PER_SECOND)

/* a / b and a - b * (a / b), rounded toward minus infinity; b > 0. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

/* Days from 1970-01-01; years begin in March, so that a leap day comes last. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - 719468;
}

struct civil civil_from_ns(int64_t wall_ns)
{
    int64_t seconds = floor_div(wall_ns, NUM_NS_PER_SECOND);
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int64_t second_of_day = floor_mod(seconds, SECONDS_PER_DAY);
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct civil){
            .year = (int32_t)(year_of_era + era * 400 + (month <= 2)),
            .month = (uint8_t)month,
            .day = (uint8_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
            .hour = (uint8_t)(second_of_day / 3600),
            .minute = (uint8_t)(second_of_day / 60 % 60),
            .second = (uint8_t)(second_of_day % 60),
            .weekday = (uint8_t)floor_mod(days + 4, 7), /* 1970-01-01 was a Thursday */
    };
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_in_month(int32_t year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    assert(month >= 1 && month <= 12);
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* The whole time in 128 bits: no date of a struct civil overflows it. */
static __int128 wide_ns(const struct civil *c)
{
    assert(c->month >= 1 && c->month <= 12);
    assert(c->day >= 1 && c->day <= days_in_month(c->year, c->month));
    assert(c->hour < 24 && c->minute < 60 && c->second < 60);
    int64_t days = days_from_civil(c->year, c->month, c->day);
    int64_t seconds = days * SECONDS_PER_DAY + c->hour * 3600 + c->minute * 60 + c->second;
    return (__int128)seconds * NUM_NS_PER_SECOND;
}

int64_t civil_to_ns(const struct civil *c)
{
    __int128 ns = wide_ns(c);
    assert(ns >= INT64_MIN && ns <= INT64_MAX);
    return (int64_t)ns;
}

char *civil_format(int64_t wall_ns, char *ret_text)
{
    struct civil c = civil_from_ns(wall_ns);
    (void)snprintf(ret_text, TEXT_BYTES, "%04d-%02u-%02uT%02u:%02u:%02uZ", (int)c.year, c.month,
            c.day, c.hour, c.minute, c.second);
    return ret_text;
}

/* A text that is being read from the left. */
struct scan {
    struct str rest;
    bool bad;
};

static char scan_peek(const struct scan *s)
{
    return s->rest.len > 0 ? s->rest.ptr[0] : '\0';
}

static void scan_skip(struct scan *s)
{
    assert(s->rest.len > 0);
    s->rest.ptr++;
    s->rest.len--;
}

static void scan_char(struct scan *s, char want)
{
    if (scan_peek(s) == want && s->rest.len > 0) {
        scan_skip(s);
    } else {
        s->bad = true;
    }
}

/* Exactly `count` digits. */
static unsigned scan_digits(struct scan *s, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        char c = scan_peek(s);
        if (c < '0' || c > '9') {
            s->bad = true;
            return 0;
        }
        value = value * 10 + (unsigned)(c - '0');
        scan_skip(s);
    }
    return value;
}

/* ".123" in nanoseconds, at most nine digits; 0 when there is none. */
static int64_t scan_fraction(struct scan *s)
{
    if (scan_peek(s) != '.')
        return 0;
    scan_skip(s);
    int64_t ns = 0;
    int64_t unit = NUM_NS_PER_SECOND;
    while (scan_peek(s) >= '0' && scan_peek(s) <= '9') {
        unit /= 10;
        if (unit == 0)
            break;
        ns += (scan_peek(s) - '0') * unit;
        scan_skip(s);
    }
    if (unit == NUM_NS_PER_SECOND)
        s->bad = true; /* a point without digits */
    return ns;
}

/* "Z", "+05:30": how many seconds local time is ahead of UTC. */
static int64_t scan_offset_seconds(struct scan *s)
{
    char sign = scan_peek(s);
    if (sign == 'Z' || sign == 'z') {
        scan_skip(s);
        return 0;
    }
    if (sign != '+' && sign != '-') {
        s->bad = true;
        return 0;
    }
    scan_skip(s);
    unsigned hours = scan_digits(s, 2);
    scan_char(s, ':');
    unsigned minutes = scan_digits(s, 2);
    if (hours > 23 || minutes > 59)
        s->bad = true;
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    return sign == '-' ? -seconds : seconds;
}

static bool civil_valid(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour < 24 && c->minute < 60 &&
           c->second < 60;
}

int civil_parse(struct str text, int64_t *ret_wall_ns, struct err *reterr)
{
    struct scan s = {.rest = text};
    struct civil c = {0};
    c.year = (int32_t)scan_digits(&s, 4);
    scan_char(&s, '-');
    c.month = (uint8_t)scan_digits(&s, 2);
    scan_char(&s, '-');
    c.day = (uint8_t)scan_digits(&s, 2);
    char between = scan_peek(&s);
    if (between == 't' || between == ' ') {
        scan_skip(&s);
    } else {
        scan_char(&s, 'T');
    }
    c.hour = (uint8_t)scan_digits(&s, 2);
    scan_char(&s, ':');
    c.minute = (uint8_t)scan_digits(&s, 2);
    scan_char(&s, ':');
    c.second = (uint8_t)scan_digits(&s, 2);
    int64_t fraction_ns = scan_fraction(&s);
    int64_t offset_seconds = scan_offset_seconds(&s);
    if (s.bad || s.rest.len != 0 || !civil_valid(&c)) {
        return err_set(reterr, -EINVAL,
                "'%.*s': expected a time such as 2026-11-22T18:14:00Z (RFC 3339)",
                STR_ARG_SHORT(text));
    }
    __int128 ns = wide_ns(&c) + fraction_ns - (__int128)offset_seconds * NUM_NS_PER_SECOND;
    if (ns < INT64_MIN || ns > INT64_MAX) {
        return err_set(reterr, -ERANGE, "'%.*s': expected a time in the years 1678 to 2261",
                STR_ARG_SHORT(text));
    }
    *ret_wall_ns = (int64_t)ns;
    return 0;
}

static const struct duration_unit {
    const char *name;
    int64_t ns;
} duration_units[] = {
        {"d", SECONDS_PER_DAY *NUM_NS_PER_SECOND},
        {"h", NUM_NS_PER_HOUR},
        {"m", 60 * NUM_NS_PER_SECOND},
        {"s", NUM_NS_PER_SECOND},
        {"ms", NUM_NS_PER_SECOND / 1000},
};

enum { DURATION_UNIT_COUNT = sizeof duration_units / sizeof duration_units[0] };

/* The longest run of bytes at the start of `s` that are digits (or that are not). */
static struct str take_run(struct str *s, bool digits)
{
    size_t len = 0;
    while (len < s->len && (s->ptr[len] >= '0' && s->ptr[len] <= '9') == digits)
        len++;
    struct str run = {s->ptr, len};
    *s = (struct str){s->ptr + len, s->len - len};
    return run;
}

/* The unit called `name` at `from` or later, or DURATION_UNIT_COUNT. */
static unsigned find_unit(struct str name, unsigned from)
{
    while (from < DURATION_UNIT_COUNT && !str_eq_c(name, duration_units[from].name))
        from++;
    return from;
}

int civil_parse_duration(struct str text, int64_t *ret_ns, struct err *reterr)
{
    static const char expected[] =
            "expected a duration such as 90s, 15m or 2h30m (units d h m s ms, in this order)";
    struct str rest = text;
    int64_t total_ns = 0;
    unsigned unit = 0;
    if (text.len == 0)
        return err_set(reterr, -EINVAL, "'': %s", expected);
    while (rest.len > 0) {
        int64_t count;
        struct str number = take_run(&rest, true);
        unit = find_unit(take_run(&rest, false), unit);
        if (number.len == 0 || unit == DURATION_UNIT_COUNT)
            return err_set(reterr, -EINVAL, "'%.*s': %s", STR_ARG_SHORT(text), expected);
        int64_t part_ns = 0;
        if (str_to_i64(number, 0, INT64_MAX, &count) < 0 ||
                !num_mul_i64(count, duration_units[unit].ns, &part_ns) ||
                !num_add_i64(total_ns, part_ns, &total_ns) || total_ns > DURATION_NS_MAX) {
            return err_set(reterr, -ERANGE, "'%.*s': expected at most 100 years (36500d)",
                    STR_ARG_SHORT(text));
        }
        unit++;
    }
    *ret_ns = total_ns;
    return 0;
}

char *civil_format_duration(int64_t ns, char *ret_text)
{
    uint64_t left = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    uint64_t smallest = (uint64_t)duration_units[DURATION_UNIT_COUNT - 1].ns;
    size_t used = 0;
    if (left < smallest) {
        (void)snprintf(ret_text, DURATION_TEXT_BYTES, "0s");
        return ret_text;
    }
    if (ns < 0)
        ret_text[used++] = '-';
    for (unsigned i = 0; i < DURATION_UNIT_COUNT; i++) {
        uint64_t unit = (uint64_t)duration_units[i].ns;
        uint64_t count = left / unit;
        left %= unit;
        if (count == 0)
            continue;
        int len = snprintf(ret_text + used, DURATION_TEXT_BYTES - used, "%" PRIu64 "%s", count,
                duration_units[i].name);
        assert(len > 0 && (size_t)len < DURATION_TEXT_BYTES - used);
        used += (size_t)len;
    }
    return ret_text;
}
