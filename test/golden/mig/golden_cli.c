/* test/golden/mig/golden_cli.c - what `slicewright mig` prints and its exit codes.
 *
 * Each case is one command; its output, standard error included, is compared with NAME.txt beside
 * this file (SLICEWRIGHT_UPDATE=1 rewrites them). */
#define _GNU_SOURCE /* environ */
#include "test.h"

#include "base/buf.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct golden_case {
    const char *name, *arguments;
    int exit_code;
} cases[] = {
        {"help", "--help", 0},
        {"help_profiles", "profiles --help", 0},
        {"help_layouts", "layouts --help", 0},
        {"help_check", "check --help", 0},
        {"help_diff", "diff --help", 0},
        {"profiles_all", "profiles", 0},
        {"profiles_a100", "profiles --gpu A100-40GB", 0},
        {"profiles_rtx", "profiles --gpu RTX-PRO-6000", 0},
        {"profiles_names_only", "profiles --gpu RTX-PRO-6000D", 0},
        {"profiles_a30_json", "profiles --gpu A30 -o json", 0},
        {"layouts_count", "layouts --gpu A100-40GB --count", 0},
        {"layouts_h100_maximal", "layouts --gpu H100-80GB --maximal", 0},
        {"layouts_multisets", "layouts --gpu A100-40GB --maximal --multisets", 0},
        {"layouts_a30_json", "layouts --gpu A30 --maximal -o json", 0},
        {"layouts_some", "layouts --gpu A100-40GB --profiles 3g.20gb,14", 0},
        {"check_legal", "check --gpu A100-40GB 3g.20gb,2g.10gb,1g.5gb,1g.5gb", 0},
        {"check_in_use", "check --gpu A30 '2g.12gb@0*,1g.6gb'", 0},
        {"check_compute", "check --gpu A100-40GB 1c.3g.20gb,2c.3g.20gb,4g.20gb", 0},
        {"check_inferred", "check --gpu H200 1g.18gb+me,3g.71gb", 0},
        {"check_trap", "check --gpu A100-40GB '3g.20gb@0,2g.10gb,2x1g.5gb'", 1},
        {"check_cap", "check --gpu A100-40GB 8x1g.5gb", 1},
        {"check_start_json", "check --gpu A100-40GB 3g.20gb@2 -o json", 1},
        {"check_unknown", "check --gpu A100-40GB 3g.40gb", 2},
        {"check_ambiguous", "check --gpu A100 1g.5gb", 2},
        {"check_no_mig", "check --gpu L4 1g.5gb", 2},
        {"check_no_geometry", "check --gpu RTX-PRO-6000D 1g.42gb", 2},
        {"check_no_gpu", "check 1g.5gb", 2},
        {"check_no_layout", "check --gpu A30", 2},
        {"diff_keeps", "diff --gpu A100-40GB '1g.5gb@2*,1g.5gb@3' 3g.20gb,1g.5gb", 0},
        {"diff_json", "diff --gpu A30 '4g.24gb@0' 2g.12gb,2x1g.6gb --output=json", 0},
        {"diff_blocked", "diff --gpu A100-40GB '3g.20gb@0*' 4g.20gb,3g.20gb", 1},
        {"diff_assumed", "diff --gpu A100-40GB 3g.20gb,1g.5gb 7g.40gb", 0},
        {"diff_none", "diff --gpu A100-40GB none none", 0},
        {"diff_to_illegal", "diff --gpu A100-40GB none 3x3g.20gb", 1},
        {"diff_star_in_to", "diff --gpu A100-40GB none '3g.20gb*'", 2},
        {"bad_option", "check --gpux A30", 2},
        {"bad_format", "check --gpu A30 1g.6gb -o yaml", 2},
        {"bad_sub_verb", "chek", 2},
};

static const char *program;

/* Runs `command` in a shell, appends what it prints to `out` and returns its exit code. */
static int run_command(char *command, struct buf *out)
{
    char *arguments[] = {"sh", "-c", command, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status = -1;
    pid_t child;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    assert_int_equal(posix_spawnp(&child, "sh", &actions, NULL, arguments, environ), 0);
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    assert_int_equal(close(ends[1]), 0);
    char chunk[4096];
    ssize_t got;
    while ((got = read(ends[0], chunk, sizeof chunk)) > 0)
        buf_put(out, (struct str){chunk, (size_t)got});
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_case(const struct golden_case *c)
{
    char command[4096], golden[256];
    int n = snprintf(command, sizeof command, "'%s' mig %s", program, c->arguments);
    assert_true(n > 0 && (size_t)n < sizeof command);
    struct buf out = BUF_INIT(1 << 20);
    int code = run_command(command, &out);
    if (code != c->exit_code)
        print_error("%s: exit code %d, expected %d\n", command, code, c->exit_code);
    assert_int_equal(code, c->exit_code);
    n = snprintf(golden, sizeof golden, "test/golden/mig/%s.txt", c->name);
    assert_true(n > 0 && (size_t)n < sizeof golden);
    test_golden(golden, out.ptr, out.len);
    buf_clear(&out);
}

static void test_every_case(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_case(&cases[i]);
}

int main(void)
{
    program = getenv("SLICEWRIGHT_BIN");
    if (program == NULL || access(program, X_OK) != 0) {
        (void)puts("1..0 # SKIP the program is not built");
        return 77;
    }
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_every_case),
    };
    return cmocka_run_group_tests_name("mig cli", tests, NULL, NULL);
}
