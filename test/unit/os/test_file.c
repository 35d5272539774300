/* os/file: whole files in and out, plain and gzip, and what stays when it fails. */
#include "test.h"

#include "base/prng.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 256, CONTENT_BYTES_MAX = 4 << 20 };

static char folder[PATH_BYTES];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/slicewright-test-XXXXXX",
            getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int drop_folder(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    if (d == NULL)
        return -1;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    (void)closedir(d);
    return rmdir(folder);
}

static unsigned count_files(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    unsigned count = 0;
    while (readdir(d) != NULL)
        count++;
    (void)closedir(d);
    return count - 2;
}

static const char *in_folder(const char *name, char *ret_path)
{
    (void)snprintf(ret_path, PATH_BYTES + 64, "%s/%s", folder, name);
    return ret_path;
}

static void put_raw(const char *path, struct str content)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(content.ptr, 1, content.len, f), content.len);
    assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, struct str want)
{
    struct buf b;
    struct err e = {0};
    if (os_file_read(path, CONTENT_BYTES_MAX, &b, &e) != 0)
        fail_msg("%s", e.text);
    assert_true(str_eq(buf_str(&b), want));
    buf_clear(&b);
}

/* Sizes around the chunk of the reader. */
static void comes_back_in_both_formats(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 65535, 65536, 65537, 300000};
    char path[PATH_BYTES + 64];
    char *bytes = malloc(300000);
    assert_non_null(bytes);
    struct prng p;
    prng_init(&p, 1);
    for (size_t i = 0; i < 300000; i++) /* half compressible */
        bytes[i] = (char)(i < 150000 ? prng_below(&p, 256) : 'a');
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct str content = {bytes, sizes[i]};
        struct err e = {0};
        in_folder("plain.gz", path); /* the name does not decide */
        assert_int_equal(os_file_write(path, content, OS_FILE_PLAIN, &e), 0);
        assert_content(path, content);
        in_folder("packed", path);
        assert_int_equal(os_file_write(path, content, OS_FILE_GZIP, &e), 0);
        assert_content(path, content);
    }
    free(bytes);
}

static void reads_members_in_a_row(void **state)
{
    (void)state;
    char path[PATH_BYTES + 64];
    in_folder("members.gz", path);
    struct err e = {0};
    struct buf all = BUF_INIT(100000);
    for (int i = 0; i < 2000; i++) { /* enough that members end at ends of chunks as well */
        assert_int_equal(os_file_write(path, STR_LIT("line\n"), OS_FILE_GZIP, &e), 0);
        size_t size = 0;
        char *member = test_file_read(path, &size);
        buf_put(&all, (struct str){member, size});
        free(member);
        i += 99;
    }
    put_raw(path, buf_str(&all));
    struct buf b;
    assert_int_equal(os_file_read(path, 1000, &b, &e), 0);
    assert_int_equal(b.len, 20 * 5);
    buf_clear(&b);
    buf_clear(&all);
}

static void packs_the_same_bytes_each_time(void **state)
{
    (void)state;
    char one[PATH_BYTES + 64];
    char two[PATH_BYTES + 64];
    struct err e = {0};
    in_folder("one", one);
    in_folder("two-with-another-name", two);
    assert_int_equal(os_file_write(one, STR_LIT("same"), OS_FILE_GZIP, &e), 0);
    assert_int_equal(os_file_write(two, STR_LIT("same"), OS_FILE_GZIP, &e), 0);
    size_t size = 0;
    char *bytes = test_file_read(one, &size);
    char *again = test_file_read(two, NULL);
    assert_memory_equal(bytes, again, size);
    assert_int_equal(bytes[4], 0); /* no time stamp */
    free(bytes);
    free(again);
}

static void keeps_the_limit(void **state)
{
    (void)state;
    char path[PATH_BYTES + 64];
    struct err e = {0};
    struct buf b = BUF_INIT(7);
    static char zeros[1 << 20];
    in_folder("bomb.gz", path);
    struct str content = {zeros, sizeof zeros};
    assert_int_equal(os_file_write(path, content, OS_FILE_GZIP, &e), 0);
    assert_int_equal(os_file_read(path, sizeof zeros - 1, &b, &e), -E2BIG);
    assert_non_null(strstr(e.text, "bomb.gz: larger than 1048575 bytes"));
    assert_int_equal(b.max, 7); /* untouched */
    assert_int_equal(os_file_read(path, sizeof zeros, &b, &e), 0);
    buf_clear(&b);
    in_folder("plain", path);
    assert_int_equal(os_file_write(path, STR_LIT("12345"), OS_FILE_PLAIN, &e), 0);
    assert_int_equal(os_file_read(path, 4, &b, &e), -E2BIG);
}

static void refuses_broken_gzip(void **state)
{
    (void)state;
    char path[PATH_BYTES + 64];
    struct err e = {0};
    struct buf b;
    in_folder("whole.gz", path);
    struct str content = STR_LIT("some content that is long enough to be cut somewhere");
    assert_int_equal(os_file_write(path, content, OS_FILE_GZIP, &e), 0);
    size_t size = 0;
    char *bytes = test_file_read(path, &size);
    in_folder("broken.gz", path);
    for (size_t cut = 2; cut < size; cut++) {
        put_raw(path, (struct str){bytes, cut});
        assert_int_equal(os_file_read(path, 1000, &b, &e), -EINVAL);
        assert_non_null(strstr(e.text, "broken.gz: broken gzip: it ends too early"));
    }
    bytes[size - 6] ^= 1; /* the checksum */
    put_raw(path, (struct str){bytes, size});
    assert_int_equal(os_file_read(path, 1000, &b, &e), -EINVAL);
    assert_non_null(strstr(e.text, "incorrect data check"));
    bytes[size - 6] ^= 1;
    struct buf tail = BUF_INIT(1000);
    buf_put(&tail, (struct str){bytes, size});
    buf_puts(&tail, "tail");
    put_raw(path, buf_str(&tail));
    assert_int_equal(os_file_read(path, 1000, &b, &e), -EINVAL);
    buf_clear(&tail);
    free(bytes);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    char path[PATH_BYTES + 64];
    char want[2 * PATH_BYTES];
    struct err e = {0};
    struct buf b;
    in_folder("missing", path);
    assert_int_equal(os_file_read(path, 10, &b, &e), -ENOENT);
    (void)snprintf(want, sizeof want, "%s: No such file or directory", path);
    assert_string_equal(e.text, want);
    assert_int_equal(os_file_read(folder, 10, &b, &e), -EISDIR);
    assert_int_equal(os_file_write(folder, STR_LIT("x"), OS_FILE_PLAIN, &e), -EISDIR);
    in_folder("missing/file", path);
    assert_int_equal(os_file_write(path, STR_LIT("x"), OS_FILE_PLAIN, &e), -ENOENT);
    assert_int_equal(os_file_write("/dev/full", STR_LIT("x"), OS_FILE_PLAIN, &e), -ENOSPC);
    assert_int_equal(os_file_write("/dev/null", STR_LIT("x"), OS_FILE_PLAIN, &e), 0);
}

static void replaces_whole_files(void **state)
{
    (void)state;
    char path[PATH_BYTES + 64];
    char link_path[PATH_BYTES + 64];
    struct err e = {0};
    struct stat st;
    in_folder("target", path);
    in_folder("link", link_path);
    assert_int_equal(os_file_write(path, STR_LIT("old"), OS_FILE_PLAIN, &e), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("target", link_path), 0);
    unsigned files = count_files();
    assert_int_equal(os_file_write(link_path, STR_LIT("new"), OS_FILE_PLAIN, &e), 0);
    assert_content(path, STR_LIT("new"));
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(count_files(), files); /* no temporary is left */

    mode_t mask = umask(027);
    in_folder("fresh", path);
    assert_int_equal(os_file_write(path, STR_LIT("x"), OS_FILE_PLAIN, &e), 0);
    (void)umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

/* The write fails half-way, as on a full disk. */
static void leaves_the_old_file_when_it_fails(void **state)
{
    (void)state;
    enum { ROOM = 100000 };
    static char content[2 * ROOM];
    char path[PATH_BYTES + 64];
    struct err e = {0};
    in_folder("kept", path);
    assert_int_equal(os_file_write(path, STR_LIT("old"), OS_FILE_PLAIN, &e), 0);
    unsigned files = count_files();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {.rlim_cur = ROOM, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int r = os_file_write(path, (struct str){content, sizeof content}, OS_FILE_PLAIN, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_content(path, STR_LIT("old"));
    assert_int_equal(count_files(), files);
}

/* "-" in a child whose standard input and output are pipes; the input comes byte by byte. */
static void uses_standard_streams(void **state)
{
    (void)state;
    int to_child[2];
    int from_child[2];
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(from_child), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(to_child[0], STDIN_FILENO);
        (void)dup2(from_child[1], STDOUT_FILENO);
        (void)close(to_child[1]);
        struct buf b;
        if (os_file_read("-", 100, &b, NULL) < 0)
            _exit(1);
        int r = os_file_write("-", buf_str(&b), OS_FILE_PLAIN, NULL);
        buf_clear(&b);
        _exit(r < 0);
    }
    (void)close(to_child[0]);
    (void)close(from_child[1]);
    for (const char *c = "slice"; *c != '\0'; c++)
        assert_int_equal(write(to_child[1], c, 1), 1);
    (void)close(to_child[1]);
    char text[16] = "";
    assert_int_equal(read(from_child[0], text, sizeof text), 5);
    assert_string_equal(text, "slice");
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(from_child[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(comes_back_in_both_formats),
            cmocka_unit_test(reads_members_in_a_row),
            cmocka_unit_test(packs_the_same_bytes_each_time),
            cmocka_unit_test(keeps_the_limit),
            cmocka_unit_test(refuses_broken_gzip),
            cmocka_unit_test(says_what_is_wrong),
            cmocka_unit_test(replaces_whole_files),
            cmocka_unit_test(leaves_the_old_file_when_it_fails),
            cmocka_unit_test(uses_standard_streams),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
