/* report/format.c - see format.h. */
#include "report/format.h"

#include "base/num.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static uint64_t power_of_ten(unsigned exponent)
{
    uint64_t p = 1;
    for (unsigned i = 0; i < exponent; i++)
        p *= 10;
    return p;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value;
}

/* Writes `whole` with thousands separators at the end of text[size]; returns its start. */
static char *put_grouped(char *text, size_t size, uint64_t whole)
{
    char *p = text + size;
    *--p = '\0';
    unsigned digits = 0;
    do {
        if (digits > 0 && digits % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + whole % 10);
        whole /= 10;
        digits++;
    } while (whole > 0);
    assert(p >= text);
    return p;
}

char *report_decimal(char *text, int64_t value, unsigned scale, unsigned decimals)
{
    assert(decimals <= scale && scale <= 9);
    uint64_t cut = power_of_ten(scale - decimals);
    uint64_t rounded = (magnitude(value) + cut / 2) / cut;
    uint64_t unit = power_of_ten(decimals);
    char grouped[32];
    const char *whole = put_grouped(grouped, sizeof grouped, rounded / unit);
    const char *sign = value < 0 && rounded > 0 ? "-" : "";
    if (decimals == 0) {
        (void)snprintf(text, REPORT_TEXT_MAX, "%s%s", sign, whole);
    } else {
        (void)snprintf(text, REPORT_TEXT_MAX, "%s%s.%0*llu", sign, whole, (int)decimals,
                (unsigned long long)(rounded % unit));
    }
    return text;
}

char *report_money(char *text, int64_t microusd)
{
    bool large = magnitude(microusd) >= 100 * (uint64_t)NUM_MICROUSD_PER_USD;
    char number[REPORT_TEXT_MAX - 2];
    char plain[REPORT_TEXT_MAX];
    (void)report_decimal(plain, microusd, 6, large ? 0 : 2);
    bool negative = plain[0] == '-';
    (void)snprintf(number, sizeof number, "%.40s", negative ? plain + 1 : plain);
    (void)snprintf(text, REPORT_TEXT_MAX, "%s$%s", negative ? "-" : "", number);
    return text;
}

char *report_percent(char *text, int64_t part, int64_t whole, unsigned decimals)
{
    if (whole == 0) {
        (void)snprintf(text, REPORT_TEXT_MAX, "-");
        return text;
    }
    return report_decimal(text, num_muldiv_i64(part, 100 * 1000000, whole), 6, decimals);
}

char *report_change(char *text, int64_t before, int64_t after)
{
    if (before == 0) {
        (void)snprintf(text, REPORT_TEXT_MAX, "-");
        return text;
    }
    char number[REPORT_TEXT_MAX];
    (void)report_decimal(number, num_muldiv_i64(after - before, 100000, before), 3, 1);
    bool rises = number[0] != '-' && strcmp(number, "0.0") != 0;
    (void)snprintf(text, REPORT_TEXT_MAX, "%s%.40s %%", rises ? "+" : "", number);
    return text;
}

char *report_span(char *text, int64_t ns)
{
    char number[REPORT_TEXT_MAX];
    int64_t seconds = ns / NUM_NS_PER_SECOND;
    if (seconds < 120) {
        (void)snprintf(text, REPORT_TEXT_MAX, "%lld s", (long long)seconds);
    } else if (seconds < 2 * 3600) {
        (void)snprintf(text, REPORT_TEXT_MAX, "%lld min", (long long)(seconds + 30) / 60);
    } else if (seconds < 48 * 3600) {
        (void)snprintf(text, REPORT_TEXT_MAX, "%.40s h",
                report_decimal(number, seconds * 100 / 36, 4, 1) ? number : "");
    } else {
        (void)snprintf(text, REPORT_TEXT_MAX, "%.40s d",
                report_decimal(number, seconds * 100 / 864, 4, 1) ? number : "");
    }
    return text;
}

void report_html_escape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, s.ptr[i]);
        }
    }
}
