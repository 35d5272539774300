/* test/lib/test.c - see test.h. */
#define _GNU_SOURCE /* program_invocation_name */
#include "test.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, REPLAY_BYTES_MAX = PATH_BYTES_MAX + 256 };

/* The sanitizers' runtime, where linked in: called before it ends the process. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* What to print if the process ends in the middle of a case; empty between cases.  Global since
 * signal handlers and death callbacks take no argument. */
static char replay_line[REPLAY_BYTES_MAX];

static char *path_join(const char *folder, const char *relative)
{
    size_t size = strlen(folder) + strlen(relative) + 2;
    char *path = malloc(size);
    assert(path);
    (void)snprintf(path, size, "%s/%s", folder, relative);
    return path;
}

/* The environment's value, or `fallback` if it is unset or empty. */
static const char *env_or(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && value[0] != '\0' ? value : fallback;
}

static uint64_t env_u64(const char *name, uint64_t fallback)
{
    const char *text = env_or(name, "");
    if (text[0] == '\0')
        return fallback;
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (errno != 0 || *end != '\0') {
        fprintf(stderr, "%s=%s is not a number\n", name, text);
        exit(2);
    }
    return value;
}

char *test_root_path(const char *relative)
{
    return path_join(env_or("SLICEWRIGHT_ROOT", "."), relative);
}

char *test_data_path(const char *relative)
{
    char *beside = test_root_path("../shared/data");
    char *path = path_join(env_or("SLICEWRIGHT_DATA", beside), relative);
    free(beside);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

void test_data_missing(const char *relative)
{
    print_message("# %s is not there; set SLICEWRIGHT_DATA\n", relative);
    skip();
    abort(); /* skip() does not return, but is not declared so */
}

char *test_data_path_or_exit(const char *relative)
{
    char *path = test_data_path(relative);
    if (!path) {
        printf("1..0 # SKIP %s is not there; set SLICEWRIGHT_DATA\n", relative);
        exit(77);
    }
    return path;
}

char *test_file_read(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    char *data = NULL;
    size_t size = 0;
    size_t room = 0;
    for (;;) {
        if (room - size < 2) {
            room = room > 0 ? 2 * room : 65536;
            data = realloc(data, room);
            assert(data);
        }
        size_t got = fread(data + size, 1, room - size - 1, f);
        if (got == 0)
            break;
        size += got;
    }
    bool broken = ferror(f) != 0;
    (void)fclose(f);
    if (broken)
        fail_msg("%s: read error", path);
    data[size] = '\0';
    if (ret_size)
        *ret_size = size;
    return data;
}

static void golden_write(const char *path, const char *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    bool ok = fwrite(data, 1, size, f) == size;
    ok = fclose(f) == 0 && ok;
    assert_true(ok);
}

/* The line of text[size] that holds the byte `at`, without its end. */
static void line_around(const char *text, size_t size, size_t at, const char **ret, int *ret_len)
{
    size_t begin = at;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    size_t end = at;
    while (end < size && text[end] != '\n' && end - begin < 400)
        end++;
    *ret = text + begin;
    *ret_len = (int)(end - begin);
}

void test_golden(const char *relative, const char *data, size_t size)
{
    char *path = test_root_path(relative);
    if (env_u64("SLICEWRIGHT_UPDATE", 0) != 0) {
        golden_write(path, data, size);
        free(path);
        return;
    }

    size_t want_size = 0;
    char *want = test_file_read(path, &want_size);
    free(path);
    size_t same = 0;
    unsigned line = 1;
    while (same < size && same < want_size && data[same] == want[same])
        line += data[same++] == '\n';
    if (same != size || same != want_size) {
        const char *text = NULL;
        int len = 0;
        line_around(want, want_size, same, &text, &len);
        print_error("%s:%u: want: %.*s\n", relative, line, len, text);
        line_around(data, size, same, &text, &len);
        print_error("%s:%u: have: %.*s\n", relative, line, len, text);
        fail_msg("differs from %s; SLICEWRIGHT_UPDATE=1 rewrites it", relative);
    }
    free(want);
}

/* splitmix64's output function (public domain, Sebastiano Vigna). */
static uint64_t seed_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Async-signal-safe. */
static void replay_print(void)
{
    ssize_t written = write(STDERR_FILENO, replay_line, strlen(replay_line));
    (void)written;
    replay_line[0] = '\0';
}

static void abort_caught(int signal_number)
{
    (void)signal_number; /* abort() ends the process once this returns */
    replay_print();
}

void test_prop_run(void **state)
{
    struct test_prop *prop = *state;
    uint64_t first = env_u64("SLICEWRIGHT_SEED", 1);
    uint64_t cases = env_u64("SLICEWRIGHT_CASES", prop->cases);
    (void)signal(SIGABRT, abort_caught);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(replay_print);

    print_message("# %s: %" PRIu64 " cases, seed %" PRIu64 "\n", prop->name, cases, first);
    prop->passed = false;
    for (uint64_t i = 0; i < cases; i++) {
        uint64_t seed = i == 0 ? first : seed_mix(first + i);
        (void)snprintf(replay_line, sizeof replay_line,
                "# %s, case %" PRIu64 ", replay: SLICEWRIGHT_SEED=%" PRIu64
                " SLICEWRIGHT_CASES=1 %s\n",
                prop->name, i, seed, program_invocation_name);
        prop->check(seed);
    }
    prop->passed = true;
}

int test_prop_end(void **state)
{
    const struct test_prop *prop = *state;
    if (!prop->passed)
        replay_print();
    replay_line[0] = '\0';
    (void)signal(SIGABRT, SIG_DFL);
    return 0;
}
