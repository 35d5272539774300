/* Numbers as people read them. */
#include "report/format.h"
#include "test.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_decimal(void **state)
{
    (void)state;
    char t[REPORT_TEXT_MAX];
    assert_string_equal(report_decimal(t, 12345678, 3, 1), "12,345.7");
    assert_string_equal(report_decimal(t, 999949, 3, 1), "999.9");
    assert_string_equal(report_decimal(t, 999950, 3, 1), "1,000.0");
    assert_string_equal(report_decimal(t, -1500, 3, 1), "-1.5");
    assert_string_equal(report_decimal(t, -40, 3, 1), "0.0");
    assert_string_equal(report_decimal(t, 0, 3, 0), "0");
    assert_string_equal(report_decimal(t, INT64_MIN, 0, 0), "-9,223,372,036,854,775,808");
}

static void test_money(void **state)
{
    (void)state;
    char t[REPORT_TEXT_MAX];
    assert_string_equal(report_money(t, 7250000), "$7.25");
    assert_string_equal(report_money(t, 5210400000), "$5,210");
    assert_string_equal(report_money(t, -3100000), "-$3.10");
    assert_string_equal(report_money(t, 0), "$0.00");
}

static void test_percent_and_change(void **state)
{
    (void)state;
    char t[REPORT_TEXT_MAX];
    assert_string_equal(report_percent(t, 1, 3, 2), "33.33");
    assert_string_equal(report_percent(t, 1, 0, 2), "-");
    assert_string_equal(report_change(t, 300, 200), "-33.3 %");
    assert_string_equal(report_change(t, 200, 300), "+50.0 %");
    assert_string_equal(report_change(t, 200, 200), "0.0 %");
    assert_string_equal(report_change(t, 0, 5), "-");
}

static void test_span(void **state)
{
    (void)state;
    char t[REPORT_TEXT_MAX];
    assert_string_equal(report_span(t, 45 * NUM_NS_PER_SECOND), "45 s");
    assert_string_equal(report_span(t, 12 * 60 * NUM_NS_PER_SECOND), "12 min");
    assert_string_equal(report_span(t, 7 * NUM_NS_PER_HOUR / 2), "3.5 h");
    assert_string_equal(report_span(t, 7 * 24 * NUM_NS_PER_HOUR), "7.0 d");
}

static void test_escape(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(256);
    report_html_escape(&b, STR_LIT("<a href=\"x\">'&"));
    assert_string_equal(b.ptr, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    buf_clear(&b);
}

/* The text, read back, is the value rounded to what is shown. */
static void prop_decimal_reads_back(uint64_t seed)
{
    int64_t value = (int64_t)(seed >> 12) - (1LL << 50);
    unsigned decimals = (unsigned)(seed % 4);
    char t[REPORT_TEXT_MAX], plain[REPORT_TEXT_MAX];
    (void)report_decimal(t, value, 3, decimals);
    char *to = plain;
    for (const char *from = t; *from != '\0'; from++) {
        if (*from != ',' && *from != '.')
            *to++ = *from;
    }
    *to = '\0';
    long long cut = 1;
    for (unsigned i = decimals; i < 3; i++)
        cut *= 10;
    long long size = value < 0 ? -value : value;
    long long expected = (size + cut / 2) / cut;
    assert_int_equal(llabs(strtoll(plain, NULL, 10)), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_decimal),
            cmocka_unit_test(test_money),
            cmocka_unit_test(test_percent_and_change),
            cmocka_unit_test(test_span),
            cmocka_unit_test(test_escape),
            TEST_PROP(prop_decimal_reads_back, 2000),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
