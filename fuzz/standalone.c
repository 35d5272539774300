/* fuzz/standalone.c - runs a fuzz target over the files of a corpus, without libFuzzer.
 *
 * Not pure: reads the files.  Linked to each target in ordinary builds, so that the corpora are
 * regression tests under gcc; every file counts as one case of a TAP report. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 64 << 20, PATH_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a whole file into a block of exactly its size, so that ASan sees the first byte past it.
 * Returns 0 and a malloc'ed `ret_data`, or a negative errno. */
static int file_read(const char *path, uint8_t **ret_data, size_t *ret_size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f)
        return -errno;
    if (fstat(fileno(f), &st) != 0 || st.st_size > INPUT_BYTES_MAX) {
        (void)fclose(f);
        return -E2BIG;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size);
    assert(data || size == 0);
    size_t got = size > 0 ? fread(data, 1, size, f) : 0;
    (void)fclose(f);
    if (got != size) {
        free(data);
        return -EIO;
    }
    *ret_data = data;
    *ret_size = size;
    return 0;
}

/* Runs one input; returns 0 or a negative errno if it cannot be read.  A bug ends the process. */
static int input_run(const char *path, unsigned index, const char *name)
{
    uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(path, &data, &size);
    if (r < 0) {
        printf("not ok %u - %s # %s\n", index, name, strerror(-r));
        return r;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    printf("ok %u - %s\n", index, name);
    return 0;
}

static int entry_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Usage: TARGET CORPUS-FOLDER | TARGET FILE (to replay a finding) */
int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER|FILE\n", argv[0]);
        return 2;
    }
    struct stat st;
    if (stat(argv[1], &st) == 0 && S_ISREG(st.st_mode)) {
        printf("1..1\n");
        return input_run(argv[1], 1, argv[1]) < 0;
    }

    struct dirent **entries = NULL;
    int count = scandir(argv[1], &entries, entry_visible, alphasort);
    if (count <= 0) {
        printf("1..0 # SKIP no corpus in %s\n", argv[1]);
        free(entries);
        return 77;
    }
    printf("1..%d\n", count);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        assert(n > 0 && n < PATH_BYTES_MAX);
        failed |= input_run(path, (unsigned)i + 1, entries[i]->d_name) < 0;
        free(entries[i]);
    }
    free(entries);
    return failed;
}
