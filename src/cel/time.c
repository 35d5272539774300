/* cel/time.c - timestamps and durations: text, parts, arithmetic, and CEL's getters.
 *
 * Pure.  Reads what Go's time.Parse(time.RFC3339) and time.ParseDuration read. */
#include "cel/time-priv.h"

#include "cel/node-priv.h"
#include "cel/number-priv.h"

#include <string.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define DAY_SECONDS   INT64_C(86400)

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct cel_civil cel_time_civil(const struct cel_time *t)
{
    struct cel_civil c = {0};
    int64_t days = t->seconds / DAY_SECONDS;
    int64_t second = t->seconds % DAY_SECONDS;
    if (second < 0) {
        second += DAY_SECONDS;
        days--;
    }
    c.hour = (int)(second / 3600);
    c.minute = (int)(second / 60 % 60);
    c.second = (int)(second % 60);
    c.weekday = (int)(((days % 7) + 11) % 7);
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
    c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    c.year_day = (int)(days - days_from_civil(c.year, 1, 1));
    return c;
}

/* A reader over text that remembers whether all went well. */
struct reader {
    struct str rest;
    bool ok;
};

static bool skip(struct reader *r, char c)
{
    if (r->rest.len == 0 || r->rest.ptr[0] != c)
        return false;
    r->rest = (struct str){r->rest.ptr + 1, r->rest.len - 1};
    return true;
}

/* Exactly `count` digits. */
static int digits(struct reader *r, size_t count)
{
    int value = 0;
    if (r->rest.len < count) {
        r->ok = false;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        char c = r->rest.ptr[i];
        r->ok = r->ok && c >= '0' && c <= '9';
        value = 10 * value + (c - '0');
    }
    r->rest = (struct str){r->rest.ptr + count, r->rest.len - count};
    return r->ok ? value : 0;
}

/* An optional fraction of a second: '.' or ',' and digits; those past the ninth are cut. */
static int32_t fraction(struct reader *r)
{
    int32_t nanos = 0;
    int32_t unit = 100000000;
    size_t n = 1;
    if (r->rest.len < 2 || (r->rest.ptr[0] != '.' && r->rest.ptr[0] != ','))
        return 0;
    for (; n < r->rest.len && r->rest.ptr[n] >= '0' && r->rest.ptr[n] <= '9'; n++) {
        nanos += unit * (r->rest.ptr[n] - '0');
        unit /= 10;
    }
    if (n == 1)
        return 0;
    r->rest = (struct str){r->rest.ptr + n, r->rest.len - n};
    return nanos;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* "Z" or "+01:00", in seconds. */
static int64_t zone(struct reader *r)
{
    if (skip(r, 'Z'))
        return 0;
    bool west = skip(r, '-');
    r->ok = r->ok && (west || skip(r, '+'));
    int hours = digits(r, 2);
    r->ok = r->ok && skip(r, ':');
    int minutes = digits(r, 2);
    r->ok = r->ok && hours <= 24 && minutes <= 60;
    int64_t offset = 3600 * (int64_t)hours + 60 * (int64_t)minutes;
    return west ? -offset : offset;
}

bool cel_time_parse(struct str text, struct cel_time *ret_time)
{
    struct reader r = {text, true};
    int year = digits(&r, 4);
    r.ok = r.ok && skip(&r, '-');
    int month = digits(&r, 2);
    r.ok = r.ok && skip(&r, '-');
    int day = digits(&r, 2);
    r.ok = r.ok && skip(&r, 'T');
    bool short_hour = r.rest.len > 1 && r.rest.ptr[1] == ':'; /* Go lets one digit pass */
    int hour = digits(&r, short_hour ? 1 : 2);
    r.ok = r.ok && skip(&r, ':');
    int minute = digits(&r, 2);
    r.ok = r.ok && skip(&r, ':');
    int second = digits(&r, 2);
    int32_t nanos = r.ok ? fraction(&r) : 0;
    int64_t offset = r.ok ? zone(&r) : 0;
    if (!r.ok || r.rest.len > 0 || month < 1 || month > 12 || day < 1 ||
            day > days_in(year, month) || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t seconds = days_from_civil(year, month, day) * DAY_SECONDS + 3600 * (int64_t)hour +
                      60 * (int64_t)minute + second - offset;
    if (seconds < CEL_TIME_MIN || seconds > CEL_TIME_MAX)
        return false;
    *ret_time = (struct cel_time){seconds, nanos, (int32_t)offset};
    return true;
}

/* A unit at the front of `s`, longest first; 0 when there is none. */
static uint64_t duration_unit(struct str *s)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
            {"ns", 1},
            {"us", 1000},
            {"\xc2\xb5s", 1000},
            {"\xce\xbcs", 1000},
            {"ms", 1000000},
            {"s", 1000000000},
            {"m", UINT64_C(60000000000)},
            {"h", UINT64_C(3600000000000)},
    };
    size_t len = 0;
    while (len < s->len && s->ptr[len] != '.' && (s->ptr[len] < '0' || s->ptr[len] > '9'))
        len++;
    struct str name = {s->ptr, len};
    *s = (struct str){s->ptr + len, s->len - len};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (str_eq_c(name, units[i].name))
            return units[i].ns;
    }
    return 0;
}

/* One "12.5h" of a duration, as nanoseconds below 2^63. */
static bool duration_part(struct str *s, uint64_t *ret_ns)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    double scale = 1;
    size_t i = 0;
    bool seen = false;
    bool full = false;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++, seen = true) {
        if (whole > (UINT64_C(1) << 63) / 10)
            return false;
        whole = whole * 10 + (uint64_t)(s->ptr[i] - '0');
        if (whole > UINT64_C(1) << 63)
            return false;
    }
    if (i < s->len && s->ptr[i] == '.') {
        for (i++; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++, seen = true) {
            uint64_t next = part * 10 + (uint64_t)(s->ptr[i] - '0');
            full = full || part > (UINT64_MAX >> 1) / 10 || next > UINT64_C(1) << 63;
            if (!full) {
                part = next;
                scale *= 10;
            }
        }
    }
    *s = (struct str){s->ptr + i, s->len - i};
    uint64_t unit = seen ? duration_unit(s) : 0;
    if (unit == 0 || whole > (UINT64_C(1) << 63) / unit)
        return false;
    *ret_ns = whole * unit;
    if (part > 0)
        *ret_ns += (uint64_t)((double)part * ((double)unit / scale));
    return *ret_ns <= UINT64_C(1) << 63;
}

bool cel_duration_parse(struct str text, int64_t *ret_ns)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative || (text.len > 0 && text.ptr[0] == '+'))
        text = (struct str){text.ptr + 1, text.len - 1};
    if (str_eq_c(text, "0")) {
        *ret_ns = 0;
        return true;
    }
    uint64_t sum = 0;
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        uint64_t ns = 0;
        if (!duration_part(&text, &ns) || (sum += ns) > UINT64_C(1) << 63)
            return false;
    }
    if (!negative && sum > INT64_MAX)
        return false;
    *ret_ns = (int64_t)(negative ? -sum : sum);
    return true;
}

/* ".5" for 500000000; nothing for 0. */
static void print_fraction(struct buf *out, uint32_t nanos)
{
    char text[16];
    if (nanos == 0)
        return;
    buf_putc(out, '.');
    for (int i = 8; i >= 0; i--) {
        text[i] = (char)('0' + nanos % 10);
        nanos /= 10;
    }
    size_t len = 9;
    while (text[len - 1] == '0')
        len--;
    buf_put(out, (struct str){text, len});
}

void cel_time_print(struct buf *out, const struct cel_time *t)
{
    struct cel_time shown = {t->seconds + t->offset, t->nanos, 0};
    struct cel_civil c = cel_time_civil(&shown);
    buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)c.year, c.month, c.day, c.hour,
            c.minute, c.second);
    print_fraction(out, (uint32_t)t->nanos);
    if (t->offset == 0) {
        buf_putc(out, 'Z');
        return;
    }
    int minutes = t->offset / 60;
    buf_printf(out, "%c%02d:%02d", minutes < 0 ? '-' : '+', (minutes < 0 ? -minutes : minutes) / 60,
            (minutes < 0 ? -minutes : minutes) % 60);
}

void cel_duration_print(struct buf *out, int64_t ns)
{
    /* Go adds whole seconds and the rest as doubles before it prints. */
    int64_t whole = ns / NS_PER_SECOND;
    double seconds = (double)whole + (double)(ns % NS_PER_SECOND) / 1e9;
    cel_number_print_f(out, seconds);
    buf_putc(out, 's');
}

bool cel_time_add(const struct cel_time *t, int64_t ns, struct cel_time *ret_time)
{
    int64_t seconds = t->seconds + ns / NS_PER_SECOND;
    int64_t nanos = t->nanos + ns % NS_PER_SECOND;
    if (nanos < 0) {
        nanos += NS_PER_SECOND;
        seconds--;
    } else if (nanos >= NS_PER_SECOND) {
        nanos -= NS_PER_SECOND;
        seconds++;
    }
    if (seconds < CEL_TIME_MIN || seconds > CEL_TIME_MAX)
        return false;
    *ret_time = (struct cel_time){seconds, (int32_t)nanos, t->offset};
    return true;
}

bool cel_time_subtract(const struct cel_time *a, const struct cel_time *b, int64_t *ret_ns)
{
    int64_t ns;
    return !__builtin_mul_overflow(a->seconds - b->seconds, NS_PER_SECOND, &ns) &&
           !__builtin_add_overflow(ns, (int64_t)a->nanos - b->nanos, ret_ns);
}

static struct cel_value duration_getter(unsigned function, int64_t ns)
{
    switch (function) {
    case CEL_FN_GETHOURS:
        return cel_int(ns / (3600 * NS_PER_SECOND));
    case CEL_FN_GETMINUTES:
        return cel_int(ns / (60 * NS_PER_SECOND));
    case CEL_FN_GETSECONDS:
        return cel_int(ns / NS_PER_SECOND);
    default:
        return cel_int(ns / 1000000);
    }
}

struct cel_value cel_call_time(struct cel_state *s, uint16_t ov, struct cel_value v)
{
    unsigned function = cel_overloads[ov].function;
    (void)s;
    if (v.kind == CEL_KIND_DURATION)
        return duration_getter(function, v.i);
    struct cel_civil c = cel_time_civil(v.time);
    switch (function) {
    case CEL_FN_GETDATE:
        return cel_int(c.day);
    case CEL_FN_GETDAYOFMONTH:
        return cel_int(c.day - 1);
    case CEL_FN_GETDAYOFWEEK:
        return cel_int(c.weekday);
    case CEL_FN_GETDAYOFYEAR:
        return cel_int(c.year_day);
    case CEL_FN_GETFULLYEAR:
        return cel_int(c.year);
    case CEL_FN_GETHOURS:
        return cel_int(c.hour);
    case CEL_FN_GETMINUTES:
        return cel_int(c.minute);
    case CEL_FN_GETMONTH:
        return cel_int(c.month - 1);
    case CEL_FN_GETSECONDS:
        return cel_int(c.second);
    default:
        return cel_int(v.time->nanos / 1000000);
    }
}
