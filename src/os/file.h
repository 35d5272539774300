/* os/file.h - whole files in and out; plain or gzip.
 *
 * Below the purity line.  Errors name the path and what the system said. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Reads the whole file `path` ("-" = standard input).  gzip (also several members in a row) is
 * recognised by its first bytes, not by the name, and comes out decompressed.
 *
 * max_bytes: the most that the content, decompressed, may have; more is -E2BIG, found without
 * holding more than that.  ret_content: an unused buffer; on success it holds the content, its
 * `max` is max_bytes, and the caller frees it by buf_clear().  On failure it is left as it was.
 * Returns 0, or a negative errno: -ENOENT, -EACCES, -EISDIR, -EINVAL for a broken gzip, ... */
int os_file_read(const char *path, size_t max_bytes, struct buf *ret_content, struct err *reterr);

enum os_file_format { OS_FILE_PLAIN, OS_FILE_GZIP };

/* Writes `content` to `path` so that a reader sees the old file or the new one, never a part: a
 * temporary in the same folder, fsync, rename, fsync of the folder.  The new file has the mode of
 * the old one, else 0666 less the umask.  A symbolic link is followed; a device or pipe is written
 * in place.  "-" = standard output.  The bytes of OS_FILE_GZIP depend on the content only.
 * Returns 0 or a negative errno; then `path` is as it was and no temporary is left. */
int os_file_write(
        const char *path, struct str content, enum os_file_format format, struct err *reterr);

#endif
