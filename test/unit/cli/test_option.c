/* test/unit/cli/test_option.c - options, arguments and verbs from tables. */
#include "test.h"

#include "cli/option-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values {
    bool loud, quick;
    const char *file;
    uint64_t count;
    uint32_t output;
};

static const struct cli_option options[] = {
        {.name = "loud", .letter = 'l', .kind = CLI_OPTION_FLAG, CLI_AT(struct values, loud)},
        {.name = "quick", .letter = 'q', .kind = CLI_OPTION_FLAG, CLI_AT(struct values, quick)},
        {
                .name = "file",
                .letter = 'f',
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct values, file),
                .value_name = "FILE",
                .help = "a file\nwith lines",
        },
        {.name = "the-count",
                .letter = 'n',
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct values, count),
                .value_name = "N",
                .default_text = "7",
                .min = 1,
                .max = 9},
        CLI_OPTION_OUTPUT(struct values, output),
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "FROM"},
        {.name = "TO", .optional = true},
        {0},
};

static int run_code(const struct cli_call *call, struct err *reterr)
{
    const struct values *v = call->options;
    if (v->count == 9)
        return err_set(reterr, -EPROTO, "a check was violated");
    if (v->count == 8)
        return err_set(reterr, -ENODATA, "there is none");
    if (v->count == 6)
        return err_set(reterr, -EINVAL, "a bad file");
    return (int)v->count;
}

static const struct cli_verb verb = {
        .name = "walk",
        .brief = "walks",
        .options = options,
        .options_size = sizeof(struct values),
        .arguments = arguments,
        .run = run_code,
};

static const struct cli_verb program = {
        .name = "program",
        .brief = "a program",
        .verbs = (const struct cli_verb *const[]){&verb, NULL},
};

/* Splits `line` at blanks behind the word "walk" and parses it. */
static int parse(
        const char *line, struct values *ret_values, struct cli_call *ret_call, struct err *reterr)
{
    static char text[256];
    char *argv[16] = {"walk"};
    int argc = 1;
    *ret_values = (struct values){0};
    *ret_call = (struct cli_call){0};
    *reterr = (struct err){0};
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return cli_option_parse(&verb, ret_call, ret_values, argc, argv, reterr);
}

static void test_parse_takes_every_form(void **state)
{
    (void)state;
    static const char *const lines[] = {
            "a --loud --file x --the-count 3 -o json b",
            "-l -f x -n 3 --output=json a b",
            "-lfx -n3 a -o=json b",
            "a b -lf=x -n=3 -ojson",
            "--file=x --the-count=3 -l -o json -- a b",
    };
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct values v;
        struct cli_call call;
        struct err e;
        assert_int_equal(parse(lines[i], &v, &call, &e), 0);
        assert_true(v.loud);
        assert_false(v.quick);
        assert_string_equal(v.file, "x");
        assert_int_equal(v.count, 3);
        assert_int_equal(v.output, CLI_OUTPUT_JSON);
        assert_int_equal(call.argument_count, 2);
        assert_string_equal(call.arguments[0], "a");
        assert_string_equal(call.arguments[1], "b");
        assert_true(cli_option_given(&call, options, offsetof(struct values, loud)));
        assert_false(cli_option_given(&call, options, offsetof(struct values, quick)));
    }
}

static void test_defaults_and_environment(void **state)
{
    (void)state;
    struct values v;
    struct cli_call call;
    struct err e;
    assert_int_equal(parse("a -f x", &v, &call, &e), 0);
    assert_int_equal(v.count, 7);
    assert_int_equal(v.output, CLI_OUTPUT_TABLE);
    assert_int_equal(call.argument_count, 1);

    assert_int_equal(setenv("SLICEWRIGHT_THE_COUNT", "4", 1), 0);
    assert_int_equal(setenv("SLICEWRIGHT_FILE", "y", 1), 0);
    assert_int_equal(parse("a", &v, &call, &e), 0);
    assert_int_equal(v.count, 4);
    assert_string_equal(v.file, "y");
    assert_int_equal(parse("a -n 5 -f x", &v, &call, &e), 0);
    assert_int_equal(v.count, 5);
    assert_string_equal(v.file, "x");
    assert_int_equal(setenv("SLICEWRIGHT_THE_COUNT", "10", 1), 0);
    assert_int_equal(parse("a", &v, &call, &e), -EINVAL);
    assert_string_equal(e.text, "environment SLICEWRIGHT_THE_COUNT: --the-count: '10': expected a "
                                "whole number from 1 to 9");
    assert_int_equal(unsetenv("SLICEWRIGHT_THE_COUNT"), 0);
    assert_int_equal(unsetenv("SLICEWRIGHT_FILE"), 0);
}

static void test_refusals_say_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
            {"a -f x --lod", "unknown option --lod; did you mean --loud?"},
            {"a -f x --zebra", "unknown option --zebra"},
            {"a -f x -z", "unknown option -z"},
            {"a -f x -lz", "unknown option -z"},
            {"a -f x -quick", "unknown option -quick; did you mean --quick?"},
            {"a -f x --loud=1", "--loud takes no value"},
            {"a -f x -n", "--the-count needs a value: N"},
            {"a -f x -n 0", "--the-count: '0': expected a whole number from 1 to 9"},
            {"a -f x -o yaml", "--output: 'yaml': expected one of table, json"},
            {"a", "--file FILE is missing: expected a file"},
            {"-f x", "FROM is missing"},
            {"-f x a b c", "unexpected argument 'c': at most 2 expected"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct values v;
        struct cli_call call;
        struct err e;
        assert_int_equal(parse(cases[i].line, &v, &call, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].text);
    }
}

static void test_exit_codes(void **state)
{
    (void)state;
    static const struct {
        const char *count;
        int code;
    } cases[] = {{"1", 1}, {"3", 3}, {"9", CLI_EXIT_VIOLATION}, {"8", CLI_EXIT_NO},
            {"6", CLI_EXIT_BAD_INPUT}, {"0", CLI_EXIT_BAD_INPUT}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char count[8];
        (void)snprintf(count, sizeof count, "%s", cases[i].count);
        char *argv[] = {"./program", "walk", "-f", "x", "a", "-n", count};
        assert_int_equal(cli_verb_main(&program, 7, argv), cases[i].code);
    }
    char *unknown[] = {"./program", "wlak"}, *none[] = {"./program"};
    assert_int_equal(cli_verb_main(&program, 2, unknown), CLI_EXIT_BAD_INPUT);
    assert_int_equal(cli_verb_main(&program, 1, none), CLI_EXIT_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_parse_takes_every_form),
            cmocka_unit_test(test_defaults_and_environment),
            cmocka_unit_test(test_refusals_say_what_was_expected),
            cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
