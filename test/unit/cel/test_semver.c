/* Versions: SemVer's own example of precedence, and what is refused. */
#include "cel/semver.h"
#include "test.h"

#include <errno.h>

static struct cel_semver parse(const char *text)
{
    struct cel_semver v = {0};
    struct err e = {0};
    if (cel_semver_parse(str_from(text), &v, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    return v;
}

static void test_order(void **state)
{
    static const char *const rising[] = {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
            "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0",
            "1.10.0", "2.0.0"};
    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof rising[0]; j++) {
            struct cel_semver a = parse(rising[i]);
            struct cel_semver b = parse(rising[j]);
            assert_int_equal(cel_semver_cmp(&a, &b), i < j ? -1 : i > j);
        }
    }
    struct cel_semver a = parse("1.0.0+a");
    struct cel_semver b = parse("1.0.0+b.1");
    assert_int_equal(cel_semver_cmp(&a, &b), 0);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01",
            "1.2.3-a..b", "1.2.3+", "1.2.3+a_b", "1.2.x", "18446744073709551616.0.0", "-1.0.0"};
    struct cel_semver v = {0};
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(cel_semver_parse(str_from(bad[i]), &v, &e), -EINVAL);
}

static void test_normalize(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
            {"v1.2", "1.2.0"}, {"1", "1.0.0"}, {"01.02.003-rc", "1.2.3-rc"}, {"00.0.0", "0.0.0"}};
    char text[64];
    size_t len = 0;
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(cel_semver_normalize(str_from(rows[i].from), text, &len, &e), 0);
        assert_true(str_eq_c((struct str){text, len}, rows[i].to));
    }
    assert_int_equal(cel_semver_normalize(STR_LIT("1.2-rc"), text, &len, &e), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_order),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_normalize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
