/* base/json: the bytes that the writer writes. */
#include "test.h"

#include "base/json.h"

static void write_sample(struct json_writer *w)
{
    jw_object(w);
    jw_kv_cstr(w, "name", "a\"b\\c\n\x01");
    jw_kv_i64(w, "low", INT64_MIN);
    jw_kv_u64(w, "high", UINT64_MAX);
    jw_kv_bool(w, "yes", true);
    jw_kv_fixed(w, "saved", -12340, 4);
    jw_key(w, "nothing");
    jw_null(w);
    jw_key(w, "list");
    jw_array(w);
    jw_i64(w, 1);
    jw_object(w);
    jw_object_end(w);
    jw_array(w);
    jw_array_end(w);
    jw_array_end(w);
    jw_kv_str(w, "last", STR_LIT(""));
    jw_object_end(w);
}

static void writes_one_line(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    struct json_writer w = JSON_WRITER(&b, 0);
    write_sample(&w);
    assert_string_equal(b.ptr, "{\"name\":\"a\\\"b\\\\c\\n\\u0001\",\"low\":-9223372036854775808,"
                               "\"high\":18446744073709551615,\"yes\":true,\"saved\":-1.234,"
                               "\"nothing\":null,\"list\":[1,{},[]],\"last\":\"\"}");
    buf_clear(&b);
}

static void indents(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    struct json_writer w = JSON_WRITER(&b, 2);
    jw_object(&w);
    jw_key(&w, "a");
    jw_array(&w);
    jw_i64(&w, 1);
    jw_i64(&w, 2);
    jw_array_end(&w);
    jw_key(&w, "b");
    jw_object(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    assert_string_equal(b.ptr, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
    buf_clear(&b);
}

static void writes_exact_decimals(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        unsigned decimals;
        const char *want;
    } cases[] = {
            {12340, 4, "1.234"},
            {5, 3, "0.005"},
            {-5, 3, "-0.005"},
            {1000, 3, "1"},
            {0, 6, "0"},
            {7, 0, "7"},
            {INT64_MIN, 6, "-9223372036854.775808"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT(100);
        struct json_writer w = JSON_WRITER(&b, 0);
        jw_fixed(&w, cases[i].value, cases[i].decimals);
        assert_string_equal(b.ptr, cases[i].want);
        buf_clear(&b);
    }
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    json_escape(&b, (struct str){"\xC3\xA9\xFFx\xE2\x82\0\x7F", 8});
    assert_string_equal(b.ptr, "\xC3\xA9\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\\u0000\x7F");
    buf_clear(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(writes_one_line),
            cmocka_unit_test(indents),
            cmocka_unit_test(writes_exact_decimals),
            cmocka_unit_test(replaces_what_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
