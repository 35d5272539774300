/* test/unit/cli/test_complete.c - what may stand next, from tables. */
#include "test.h"

#include "cli/option-priv.h"

#include <string.h>

static const char *const colors[] = {"red", "green", NULL};

static const struct cli_option options[] = {
        {.name = "loud", .letter = 'l', .kind = CLI_OPTION_FLAG, .help = "more of it"},
        {.name = "file", .letter = 'f', .kind = CLI_OPTION_FILE, .help = "a file\nwith lines"},
        {.name = "from", .kind = CLI_OPTION_TEXT, .help = "who"},
        {.name = "color",
                .letter = 'c',
                .kind = CLI_OPTION_CHOICE,
                .choices = colors,
                .help = "which"},
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "COLOR", .choices = colors},
        {.name = "FILE", .file = true, .optional = true, .repeated = true},
        {0},
};

static const struct cli_verb paint = {
        .name = "paint", .brief = "paints", .options = options, .arguments = arguments};
static const struct cli_verb bare = {.name = "bare", .brief = "has nothing"};
static const struct cli_verb inner = {.name = "inner",
        .brief = "a group",
        .verbs = (const struct cli_verb *const[]){&paint, NULL}};
static const struct cli_verb top = {
        .name = "top", .verbs = (const struct cli_verb *const[]){&paint, &inner, &bare, NULL}};

#define LOUD  "--loud\tmore of it\n"
#define FILE_ "--file\ta file\n"
#define FROM  "--from\twho\n"
#define COLOR "--color\twhich\n"
#define HELP  "--help\twhat it does, and its options\n"
#define RED   "red\t\n"
#define GREEN "green\t\n"

/* `line`: words parted by one space; it ends in the word that is completed. */
static void expect(const char *line, const char *wanted)
{
    char copy[128], *words[16];
    unsigned count = 0;
    struct buf out = BUF_INIT(1 << 12);
    assert_true(strlen(line) < sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *p = copy; p != NULL; count++) {
        assert_true(count < 16);
        words[count] = p;
        p = strchr(p, ' ');
        if (p != NULL)
            *p++ = '\0';
    }
    buf_puts(&out, "");
    cli_complete_write(&top, count, (const char *const *)words, &out);
    assert_string_equal(out.ptr, wanted);
    buf_clear(&out);
}

static void verbs(void **state)
{
    (void)state;
    expect("", "paint\tpaints\ninner\ta group\nbare\thas nothing\n"
               "help\twhat a verb does, and its options\n");
    expect("in", "inner\ta group\n");
    expect("x", "");
    expect("-", HELP);
    expect("x ", "");
    expect("inner ", "paint\tpaints\n");
    expect("help in", "inner\ta group\n");
    expect("help inner p", "paint\tpaints\n");
    expect("inner x --", "");
}

static void names_of_options(void **state)
{
    (void)state;
    expect("paint -", LOUD FILE_ FROM COLOR HELP);
    expect("inner paint --", LOUD FILE_ FROM COLOR HELP);
    expect("paint --f", FILE_ FROM);
    expect("paint --loud --from me --", FILE_ COLOR HELP);
    expect("paint -lc red --", FILE_ FROM HELP);
    expect("paint --color=red red --", LOUD FILE_ FROM HELP);
    expect("paint --unknown --l", LOUD);
    expect("paint --x", "");
    expect("bare ", HELP);
    expect("bare x", "");
}

static void values(void **state)
{
    (void)state;
    expect("paint --color ", RED GREEN);
    expect("paint --color g", GREEN);
    expect("paint --color=g", "--color=green\t\n");
    expect("paint -c ", RED GREEN);
    expect("paint -lc r", RED);
    expect("paint --color =", RED GREEN); /* as bash parts words */
    expect("paint --color = r", RED);
    expect("paint --color = red --l", LOUD);
    expect("paint --file ", ":files\n");
    expect("paint --file=x", ":files\n");
    expect("paint --from ", "");
    expect("paint --from -", "");
    expect("paint --loud=", "");
    expect("paint --x=", "");
}

static void positions(void **state)
{
    (void)state;
    expect("paint ", RED GREEN);
    expect("paint --loud r", RED);
    expect("paint red ", ":files\n");
    expect("paint red a b ", ":files\n");
    expect("paint -- ", RED GREEN);
    expect("paint -- -", "");
    expect("paint -- red -", ":files\n");
    expect("paint - ", ":files\n"); /* standard input is an argument */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(verbs),
            cmocka_unit_test(names_of_options),
            cmocka_unit_test(values),
            cmocka_unit_test(positions),
    };
    return cmocka_run_group_tests_name("cli/complete", tests, NULL, NULL);
}
