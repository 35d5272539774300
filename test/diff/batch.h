/* The loop of the programs that answer a line for each line, for the twins that generate the cases.
 */
#ifndef TEST_DIFF_BATCH_H
#define TEST_DIFF_BATCH_H

#include "base/buf.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

/* Calls `answer` for each line of stdin, without its newline, and writes what it puts as one line
 * to stdout at once: the other side waits for it.  Returns main's exit status. */
static inline int batch_main(void (*answer)(struct str line, struct buf *out))
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    struct buf out = BUF_INIT((size_t)1 << 30);
    bool told = true;
    while (told && (len = getline(&line, &cap, stdin)) > 0) {
        buf_reset(&out);
        answer((struct str){line, (size_t)len - (line[len - 1] == '\n')}, &out);
        buf_putc(&out, '\n');
        told = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    }
    buf_clear(&out);
    free(line);
    return told ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
