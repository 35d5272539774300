/* test/lib/test.h - what every test program shares: cmocka with its headers in the order it needs,
 * files and data, golden comparison, property tests.
 *
 * Not pure: reads the environment and files.  A test is a static function in a table given to
 * cmocka_run_group_tests(); one left out of its table fails the build (-Wunused-function). */
#ifndef TEST_LIB_TEST_H
#define TEST_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Where the file `relative` of this project lies ("data/x.csv", "test/golden/mig/a.json").
 *
 * Returns a malloc'ed path; the root is SLICEWRIGHT_ROOT (set by meson), else the current folder.
 */
char *test_root_path(const char *relative);

/* Where the file `relative` of the shared traces lies ("openb/openb_node_list_gpu_node.csv").
 *
 * Returns a malloc'ed path below SLICEWRIGHT_DATA (else ../shared/data beside the project's root);
 * NULL if that file is not there: then call test_data_missing(). */
char *test_data_path(const char *relative);

/* Says that the data is absent and leaves the running test as skipped.  Never returns. */
void test_data_missing(const char *relative) __attribute__((noreturn));

/* As test_data_path, but for a program that is of no use without the file: prints a TAP skip line
 * and ends the process with 77.  To be called before cmocka_run_group_tests(). */
char *test_data_path_or_exit(const char *relative);

/* Reads a whole file; fails the running test if that does not work.
 *
 * ret_size: may be NULL.  Returns a malloc'ed block with a NUL after its last byte. */
char *test_file_read(const char *path, size_t *ret_size);

/* Compares data[size] with the golden file `relative` of this project; fails the running test at
 * the first line that differs.  With SLICEWRIGHT_UPDATE=1 in the environment it rewrites the file
 * instead, for review by diff. */
void test_golden(const char *relative, const char *data, size_t size);

/* A property: `check` must hold for every seed.  It builds its input from the seed alone and uses
 * cmocka's assertions.  Enter it in a table of tests as TEST_PROP(check, cases).
 *
 * The first case runs with SLICEWRIGHT_SEED (default 1) itself, the others with seeds drawn from
 * it; SLICEWRIGHT_CASES overrides `cases`.  Whatever ends a case (an assertion, assert(), a
 * sanitizer) prints the line that runs this one case again. */
struct test_prop {
    const char *name;
    void (*check)(uint64_t seed);
    unsigned cases;
    bool passed; /* set by the runner */
};

/* A macro since a cmocka table entry wants the function's name and a pointer to its state. */
#define TEST_PROP(check_fn, case_count)                                                            \
    {                                                                                              \
        .name = #check_fn, .test_func = test_prop_run, .teardown_func = test_prop_end,             \
        .initial_state = &(struct test_prop)                                                       \
        {                                                                                          \
            .name = #check_fn, .check = (check_fn), .cases = (case_count)                          \
        }                                                                                          \
    }

void test_prop_run(void **state); /* for TEST_PROP only */
int test_prop_end(void **state);  /* for TEST_PROP only */

#endif
