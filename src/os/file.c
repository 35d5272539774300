/* os/file.c - whole files in and out.  Below the purity line. */
#define _GNU_SOURCE /* mkostemp */
#include "os/file.h"

#include "base/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZLIB_CONST /* next_in is const */
#include <zlib.h>

enum {
    CHUNK_BYTES = 64 * 1024,
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: the largest window, gzip header and check */
    MODE_BITS = 07777,
};

static int system_fault(const char *path, int code, struct err *reterr)
{
    assert(code > 0);
    return err_set(reterr, -code, "%s: %s", path, strerror(code));
}

static int size_fault(const char *path, size_t max_bytes, struct err *reterr)
{
    return err_set(reterr, -E2BIG, "%s: larger than %zu bytes", path, max_bytes);
}

static void scoped_close(int *fd)
{
    if (*fd > STDERR_FILENO)
        (void)close(*fd);
}

/* One read(2) that no signal cuts short; the count, 0 at the end, or a negative errno. */
static ssize_t read_some(int fd, void *into, size_t size)
{
    for (;;) {
        ssize_t got = read(fd, into, size);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return -errno;
    }
}

/* Bytes on their way from a file into a buffer. */
struct source {
    const char *path;
    int fd;
    unsigned char chunk[CHUNK_BYTES];
    size_t chunk_len;
    struct buf *out;
    struct err *reterr;
};

/* Fills the chunk: 1, 0 at the end, or a negative errno. */
static int refill(struct source *s)
{
    ssize_t got = read_some(s->fd, s->chunk, sizeof s->chunk);
    if (got < 0)
        return system_fault(s->path, (int)-got, s->reterr);
    s->chunk_len = (size_t)got;
    return got > 0;
}

/* Fills the chunk with at least `want` bytes unless the file ends before. */
static int refill_start(struct source *s, size_t want)
{
    s->chunk_len = 0;
    while (s->chunk_len < want) {
        ssize_t got = read_some(s->fd, s->chunk + s->chunk_len, sizeof s->chunk - s->chunk_len);
        if (got < 0)
            return system_fault(s->path, (int)-got, s->reterr);
        if (got == 0)
            break;
        s->chunk_len += (size_t)got;
    }
    return 0;
}

static int append(struct source *s, const unsigned char *bytes, size_t len)
{
    buf_put(s->out, (struct str){(const char *)bytes, len});
    return s->out->overflow ? size_fault(s->path, s->out->max, s->reterr) : 0;
}

static int copy_plain(struct source *s)
{
    int more = s->chunk_len > 0;
    while (more > 0) {
        int r = append(s, s->chunk, s->chunk_len);
        if (r < 0)
            return r;
        more = refill(s);
    }
    return more;
}

static int gzip_fault(const struct source *s, const char *what)
{
    return err_set(s->reterr, -EINVAL, "%s: broken gzip: %s", s->path, what);
}

/* Decompresses what `z` has as input; `*ret_status` is zlib's last word. */
static int inflate_chunk(struct source *s, z_stream *z, int *ret_status)
{
    unsigned char out[CHUNK_BYTES];
    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        *ret_status = inflate(z, Z_NO_FLUSH);
        if (*ret_status == Z_MEM_ERROR)
            return system_fault(s->path, ENOMEM, s->reterr);
        if (*ret_status != Z_OK && *ret_status != Z_STREAM_END && *ret_status != Z_BUF_ERROR)
            return gzip_fault(s, z->msg == NULL ? "bad data" : z->msg);
        int r = append(s, out, sizeof out - z->avail_out);
        if (r < 0)
            return r;
        if (*ret_status == Z_STREAM_END && z->avail_in > 0) {
            /* Another member follows; inflateReset keeps the input. */
            if (inflateReset(z) != Z_OK)
                return gzip_fault(s, "bad state");
        } else if (*ret_status == Z_STREAM_END) {
            return 0;
        }
    } while (z->avail_in > 0 || z->avail_out == 0);
    return 0;
}

static int copy_gzip_stream(struct source *s, z_stream *z)
{
    int status = Z_OK;
    int more = s->chunk_len > 0;
    while (more > 0) {
        if (status == Z_STREAM_END && inflateReset(z) != Z_OK)
            return gzip_fault(s, "bad state");
        z->next_in = s->chunk;
        z->avail_in = (uInt)s->chunk_len;
        int r = inflate_chunk(s, z, &status);
        if (r < 0)
            return r;
        more = refill(s);
    }
    if (more == 0 && status != Z_STREAM_END)
        return gzip_fault(s, "it ends too early");
    return more;
}

static int copy_gzip(struct source *s)
{
    z_stream z = {0};
    if (inflateInit2(&z, GZIP_WINDOW_BITS) != Z_OK)
        return system_fault(s->path, ENOMEM, s->reterr);
    int r = copy_gzip_stream(s, &z);
    (void)inflateEnd(&z);
    return r;
}

int os_file_read(const char *path, size_t max_bytes, struct buf *ret_content, struct err *reterr)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    SCOPED(scoped_close) int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return system_fault(name, errno, reterr);

    static const unsigned char magic[] = {0x1F, 0x8B};
    struct buf content = BUF_INIT(max_bytes);
    SCOPED(mem_scoped_free) struct source *s = mem_alloc(1, sizeof *s);
    s->path = name;
    s->fd = fd;
    s->out = &content;
    s->reterr = reterr;
    int r = refill_start(s, sizeof magic);
    if (r == 0) {
        bool is_gzip = s->chunk_len >= sizeof magic && memcmp(s->chunk, magic, sizeof magic) == 0;
        r = is_gzip ? copy_gzip(s) : copy_plain(s);
    }
    if (r < 0) {
        buf_clear(&content);
        return r;
    }
    *ret_content = content;
    return 0;
}

/* All of `content`, or a negative errno. */
static int write_all(int fd, struct str content)
{
    while (content.len > 0) {
        size_t part = content.len < SSIZE_MAX ? content.len : SSIZE_MAX;
        ssize_t done = write(fd, content.ptr, part);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        content = (struct str){content.ptr + done, content.len - (size_t)done};
    }
    return 0;
}

/* Compresses in one go.  zlib's own header has no name, no time and a fixed system byte. */
static int gzip_content(
        const char *path, struct str content, struct buf *ret_packed, struct err *reterr)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                Z_DEFAULT_STRATEGY) != Z_OK)
        return system_fault(path, ENOMEM, reterr);
    unsigned char out[CHUNK_BYTES];
    struct buf packed = BUF_INIT(SIZE_MAX - 1);
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        if (z.avail_in == 0 && content.len > 0) {
            size_t part = content.len < UINT_MAX ? content.len : UINT_MAX;
            z.next_in = (const Bytef *)content.ptr;
            z.avail_in = (uInt)part;
            content = (struct str){content.ptr + part, content.len - part};
        }
        z.next_out = out;
        z.avail_out = sizeof out;
        status = deflate(&z, content.len == 0 ? Z_FINISH : Z_NO_FLUSH);
        assert(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
        buf_put(&packed, (struct str){(const char *)out, sizeof out - z.avail_out});
    }
    (void)deflateEnd(&z);
    *ret_packed = packed;
    return 0;
}

/* The mode for a new file: that of the one it replaces, else what the umask leaves. */
static mode_t new_mode(const char *target)
{
    struct stat st;
    if (stat(target, &st) == 0)
        return st.st_mode & MODE_BITS;
    mode_t mask = umask(0);
    (void)umask(mask);
    return 0666 & ~mask;
}

/* The folder is synced so that the rename itself survives a power cut; some filesystems cannot, and
 * then the file is there all the same. */
static void sync_folder(const char *target)
{
    SCOPED(mem_scoped_free) char *folder = mem_alloc(strlen(target) + 2, 1);
    const char *slash = strrchr(target, '/');
    if (slash == NULL) {
        folder[0] = '.';
    } else {
        memcpy(folder, target, slash == target ? 1 : (size_t)(slash - target));
    }
    SCOPED(scoped_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

/* Fills the temporary `fd` and gives it its name; a negative errno when something fails. */
static int commit_temporary(int fd, const char *temporary, const char *target, struct str content)
{
    int r = write_all(fd, content);
    if (r < 0)
        return r;
    if (fchmod(fd, new_mode(target)) < 0 || fsync(fd) < 0)
        return -errno;
    return rename(temporary, target) < 0 ? -errno : 0;
}

static int replace_file(const char *target, struct str content)
{
    static const char suffix[] = ".tmp-XXXXXX";
    size_t len = strlen(target);
    SCOPED(mem_scoped_free) char *temporary = mem_alloc(len + sizeof suffix, 1);
    memcpy(temporary, target, len);
    memcpy(temporary + len, suffix, sizeof suffix);
    SCOPED(scoped_close) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = commit_temporary(fd, temporary, target, content);
    if (r < 0) {
        (void)unlink(temporary);
    } else {
        sync_folder(target);
    }
    return r;
}

/* Writes into what is there already: a pipe, a terminal, /dev/null. */
static int write_in_place(const char *path, struct str content)
{
    SCOPED(scoped_close) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : write_all(fd, content);
}

static int write_path(const char *path, struct str content)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return -EISDIR;
    if (exists && !S_ISREG(st.st_mode))
        return write_in_place(path, content);
    if (!exists)
        return replace_file(path, content);
    char *target = realpath(path, NULL); /* the file that a symbolic link names */
    if (target == NULL)
        return -errno;
    int r = replace_file(target, content);
    free(target);
    return r;
}

int os_file_write(
        const char *path, struct str content, enum os_file_format format, struct err *reterr)
{
    bool is_stdout = strcmp(path, "-") == 0;
    const char *name = is_stdout ? "standard output" : path;
    struct buf packed = BUF_INIT(0);
    if (format == OS_FILE_GZIP) {
        int r = gzip_content(name, content, &packed, reterr);
        if (r < 0)
            return r;
        content = buf_str(&packed);
    }
    int r = is_stdout ? write_all(STDOUT_FILENO, content) : write_path(path, content);
    buf_clear(&packed);
    return r < 0 ? system_fault(name, -r, reterr) : 0;
}
