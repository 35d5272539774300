/* CEL: verdicts, values, costs and errors; what upstream says about each was looked up. */
#include "cel/cel.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static bool labels_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    (void)map;
    if (!str_eq_c(key->text, "model"))
        return false;
    *ret_value = cel_string(STR_LIT("a100"));
    return true;
}

static void labels_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    (void)map;
    assert_int_equal(index, 0);
    *ret_key = cel_string(STR_LIT("model"));
    if (ret_value != NULL)
        *ret_value = cel_string(STR_LIT("a100"));
}

static const struct cel_map_ops labels_ops = {.find = labels_find, .entry = labels_entry};
static const struct cel_map_ops empty_ops = {
        .find = labels_find, .entry = labels_entry, .default_empty = true};

static const struct cel_decl_type text_type = {.kind = CEL_KIND_STRING, .max_elements = 64};
static const struct cel_decl_type any_type = {.kind = CEL_KIND_DYN, .max_elements = 64};
static const struct cel_decl_type map_type = {
        .kind = CEL_KIND_MAP, .max_elements = 32, .key = &text_type, .elem = &any_type};
static const struct cel_decl_field fields[] = {{"name", &text_type}, {"labels", &map_type}};
static const struct cel_decl_type object_type = {
        .kind = CEL_KIND_OBJECT, .name = "test.Object", .fields = fields, .field_count = 2};
static const struct cel_decl_var vars[] = {{"m", &map_type}, {"e", &map_type}, {"o", &object_type}};
static const struct cel_env env = {.vars = vars, .var_count = 3};
static const struct cel_env old_env = {
        .vars = vars, .var_count = 3, .options = CEL_OPTION_NO_INCLUDES};

struct outcome {
    int code;
    uint64_t cost;
    char text[ERR_TEXT_MAX]; /* the value, or the error */
};

static struct outcome evaluate(const char *expr, uint64_t limit)
{
    struct arena *a = arena_new(0);
    struct outcome out = {0};
    struct err e = {0};
    const struct cel_program *p = NULL;
    const struct cel_map labels = {&labels_ops, 1};
    const struct cel_map with_default = {&empty_ops, 1};
    const struct cel_value values[] = {cel_map(&labels), cel_map(&with_default), cel_map(&labels)};
    struct cel_run run = {values, a, limit};
    struct cel_value v = {0};
    out.code = cel_compile(&env, str_from(expr), a, &p, &e);
    if (out.code == 0)
        out.code = cel_eval(p, &run, &v, &out.cost, &e);
    if (out.code == 0) {
        struct buf text = BUF_INIT(ERR_TEXT_MAX - 1);
        cel_value_print(&text, v);
        strcpy(out.text, text.ptr);
        buf_clear(&text);
    } else {
        strcpy(out.text, e.text);
    }
    arena_free(a);
    return out;
}

struct row {
    const char *expr;
    const char *value;
    uint64_t cost;
};

static void check_rows(const struct row *rows, size_t count)
{
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        struct outcome out = evaluate(rows[i].expr, UINT64_MAX);
        if (out.code == 0 && strcmp(out.text, rows[i].value) == 0 && out.cost == rows[i].cost)
            continue;
        failed = true;
        print_error("%s: code %d, %s, cost %llu; wanted %s, cost %llu\n", rows[i].expr, out.code,
                out.text, (unsigned long long)out.cost, rows[i].value,
                (unsigned long long)rows[i].cost);
    }
    assert_false(failed);
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof(rows)[0])

static void test_values(void **state)
{
    static const struct row rows[] = {
            {"1 + 2 * 3 - -4", "11", 3},
            {"7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1", "true", 6},
            {"1 < 2.5 && 2u > 1 && dyn(1) == 1.0", "true", 3},
            {"'a' + \"b\" + '''c''' + r'\\d'", "\"abc\\\\d\"", 3},
            {"b'\\xff' == bytes('a') || true", "true", 1},
            {"[1, 2].map(x, x * 2) == [2, 4]", "true", 30},
            {"m.model", "\"a100\"", 2},
            {"m['model'] == 'a100'", "true", 3},
            {"has(m.model) && !has(m.other)", "true", 3},
            {"'model' in m && !('other' in m)", "true", 5},
            {"m.exists(k, k == 'model')", "true", 8},
            {"m[?'other'].orValue(5)", "5", 1},
            {"e.other.size() == 0 && has(e.other)", "true", 5},
            {"!('other' in e)", "true", 3},
            {"cel.bind(x, [3, 1, 2].sort(), x[0])", "1", 31},
            {"string(timestamp('2024-02-29T23:00:00+02:00') + duration('1h'))",
                    "\"2024-03-01T00:00:00+02:00\"", 2},
            {"'%s: %d'.format([dyn('a'), dyn(1)])", "\"a: 1\"", 1},
            {"'%s: %d'.format(['a', 1])", "\"a: 1\"", 1},
            {"{'a-b': 1}.`a-b`", "1", 2},
            {"'äöü'.substring(1, 2)", "\"ö\"", 1},
            {"'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]", 1},
            {"quantity('1Gi').isGreaterThan(quantity('1000M'))", "true", 3},
            {"semver('1.2.3').isLessThan(semver('1.10.0'))", "true", 3},
            {"{'a': 1, 'b': 2}.transformList(k, v, v)", "[1, 2]", 27},
            {"string(1e6)", "\"1e+06\"", 0},
    };
    (void)state;
    CHECK_ROWS(rows);
}

/* Errors that one side of a logical operator absorbs, in both orders. */
static void test_absorption(void **state)
{
    static const struct row rows[] = {
            {"1 / 0 == 1 || true", "true", 2},
            {"m.none == 1 && false", "false", 3},
            {"[1, 0].exists(x, 4 / x == 4)", "true", 0},
            {"[0, 1].all(x, 1 / x == 2)", "false", 0},
            {"true ? 1 : 1 / 0", "1", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome out = evaluate(rows[i].expr, UINT64_MAX);
        assert_int_equal(out.code, 0);
        assert_string_equal(out.text, rows[i].value);
    }
}

static void test_run_errors(void **state)
{
    static const struct {
        const char *expr, *text;
    } rows[] = {
            {"m.none", "no such key: none"},
            {"9223372036854775807 + 1", "integer overflow"},
            {"-(-9223372036854775807 - 1)", "integer overflow"},
            {"0u - 1u", "unsigned integer overflow"},
            {"5 % 0", "modulus by zero"},
            {"[1][dyn(3)]", "index out of bounds: 3"},
            {"dyn('a') < 1", "no such overload"},
            {"dyn(quantity('1')) == 1", "no such overload"},
            {"quantity('2') == quantity('1').add(1)", "no such overload"},
            {"optional.none().value()", "optional.none() dereference"},
            {"quantity(m.model)", "quantities must match"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome out = evaluate(rows[i].expr, UINT64_MAX);
        assert_int_equal(out.code, -EINVAL);
        assert_true(strncmp(out.text, rows[i].text, strlen(rows[i].text)) == 0);
    }
}

static void test_compile_errors(void **state)
{
    static const struct {
        const char *expr;
        int code;
        const char *text;
    } rows[] = {
            {"device.x", -EINVAL, "undeclared reference to 'device'"},
            {"o.other", -EINVAL, "undefined field 'other'"},
            {"1 + 'a'", -EINVAL, "found no matching overload for '_+_'"},
            {"[1, dyn('a')]", -EINVAL, "expected type 'int' but found 'dyn'"},
            {"{'a': 1}.`a`()", -EINVAL, "Syntax error"},
            {"[1, 'a']", -EINVAL, "expected type 'int' but found 'string'"},
            {"[1, dyn('a')]", -EINVAL, "expected type"},
            {"1 +", -EINVAL, "Syntax error"},
            {"'a", -EINVAL, "Syntax error"},
            {"has(m['a'])", -EINVAL, "invalid argument to has()"},
            {"'a'.matches('(')", -EINVAL, "invalid matches argument"},
            {"duration('1x')", -EINVAL, "invalid duration argument"},
            {"int('x')", -EINVAL, "program instantiation failed"},
            {"99999999999999999999", -EINVAL, "invalid int literal"},
            {"'%d'.format(['a'])", -EINVAL, "error during formatting"},
            {"url('http://a')", -ENOTSUP, "function 'url' is not supported"},
            {"ip('1.1.1.1').family() == 4", -ENOTSUP, "function 'ip' is not supported"},
            {"google.protobuf.Int64Value{value: 1} == 1", -ENOTSUP, "message literals"},
            {"timestamp(0).getHours('CET') == 1", -ENOTSUP, "function 'getHours'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome out = evaluate(rows[i].expr, UINT64_MAX);
        if (out.code != rows[i].code || strstr(out.text, rows[i].text) == NULL)
            fail_msg("%s: %d %s", rows[i].expr, out.code, out.text);
    }
}

static void test_caret(void **state)
{
    struct arena *a = arena_new(0);
    struct err e = {0};
    const struct cel_program *p = NULL;
    struct str text = STR_LIT("true &&\n  xé.y");
    struct buf out = BUF_INIT(1000);
    (void)state;
    assert_int_equal(cel_compile(&env, STR_LIT("true &&\n  x.y"), a, &p, &e), -EINVAL);
    cel_error_print(&out, STR_LIT("true &&\n  x.y"), &e);
    assert_string_equal(out.ptr, "ERROR: <input>:2:3: undeclared reference to 'x' (in container "
                                 "'')\n |   x.y\n | ..^");
    assert_int_equal(cel_compile(&env, text, a, &p, &e), -EINVAL);
    buf_clear(&out);
    arena_free(a);
}

/* Nesting and cost end in errors; memory is bounded by the arena. */
static void test_limits(void **state)
{
    char deep[1200];
    (void)state;
    memset(deep, '(', 300);
    deep[300] = '1';
    memset(deep + 301, ')', 300);
    deep[601] = '\0';
    assert_int_equal(evaluate(deep, UINT64_MAX).code, -E2BIG);
    assert_int_equal(evaluate("lists.range(1000).all(x, x >= 0)", 1000).code, -EDQUOT);
    assert_int_equal(evaluate("lists.range(1000).all(x, x >= 0)", 100000).code, 0);
    const char *doubling =
            "cel.bind(a, lists.range(100000), cel.bind(b, a + a + a + a + a + a + a, "
            "cel.bind(c, b + b + b + b + b + b + b, cel.bind(d, c + c + c + c + c + "
            "c + c, size(d + d + d + d + d + d + d + d)))))";
    struct outcome out = evaluate(doubling, UINT64_MAX);
    assert_int_equal(out.code, -E2BIG);
}

static void test_include_option(void **state)
{
    struct arena *a = arena_new(0);
    struct err e = {0};
    const struct cel_program *p = NULL;
    (void)state;
    assert_int_equal(cel_compile(&env, STR_LIT("m.model.includes('a')"), a, &p, &e), 0);
    assert_int_equal(cel_compile(&old_env, STR_LIT("m.model.includes('a')"), a, &p, &e), -EINVAL);
    arena_free(a);
}

static void test_estimate(void **state)
{
    static const struct {
        const char *expr;
        uint64_t max;
    } rows[] = {
            {"true", 0},
            {"m.model == 'a100'", 3},
            {"o.name.startsWith('abc')", 3},
            {"o.name.matches('a+')", 9},
            {"m.exists(k, k == 'model')", 194},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *a = arena_new(0);
        struct err e = {0};
        const struct cel_program *p = NULL;
        assert_int_equal(cel_compile(&env, str_from(rows[i].expr), a, &p, &e), 0);
        uint64_t max = cel_program_estimate(p, a).max;
        if (max != rows[i].max)
            fail_msg("%s: %llu", rows[i].expr, (unsigned long long)max);
        arena_free(a);
    }
}

static void test_explain(void **state)
{
    struct arena *a = arena_new(0);
    struct err e = {0};
    const struct cel_program *p = NULL;
    struct cel_reason reason = {0};
    const struct cel_map labels = {&labels_ops, 1};
    const struct cel_value values[] = {cel_map(&labels), cel_map(&labels), cel_map(&labels)};
    struct cel_run run = {values, a, UINT64_MAX};
    struct str text = STR_LIT("has(m.model) && (m.model == 'h100' || m.model == 'b200') && m.x");
    (void)state;
    assert_int_equal(cel_compile(&env, text, a, &p, &e), 0);
    assert_true(cel_explain(p, &run, &reason, &e));
    assert_int_equal(reason.code, 0);
    assert_string_equal(reason.values, "m.model = \"a100\"; m.model = \"a100\"");
    struct str part = {text.ptr + reason.start, reason.end - reason.start};
    assert_true(str_eq_c(part, "m.model == 'h100' || m.model == 'b200'"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_values),
            cmocka_unit_test(test_absorption),
            cmocka_unit_test(test_run_errors),
            cmocka_unit_test(test_compile_errors),
            cmocka_unit_test(test_caret),
            cmocka_unit_test(test_limits),
            cmocka_unit_test(test_include_option),
            cmocka_unit_test(test_estimate),
            cmocka_unit_test(test_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
