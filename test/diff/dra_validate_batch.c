/* test/diff/dra_validate_batch.c - the C side of dravalid: an object a line in, [{path, text}] out.
 */
#include "base/json.h"
#include "dra/store.h"
#include "dra/validate.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct json_writer *w, const char *path, const char *text)
{
    jw_object(w);
    jw_kv_cstr(w, "Path", path);
    jw_kv_cstr(w, "Text", text);
    jw_object_end(w);
}

static void on_problem(void *context, uint32_t line, const char *path, const char *reason)
{
    (void)line;
    put(context, path, reason);
}

static void answer(struct str line, struct buf *out)
{
    struct arena *a = arena_new(0);
    const struct doc *d = NULL;
    struct err e = {0};
    struct json_writer w = JSON_WRITER(out, 0);
    jw_array(&w);
    if (doc_parse_json(a, line, line.len + 1, &d, &e) < 0) {
        put(&w, "", e.text);
    } else {
        (void)dra_validate(d, on_problem, &w, &e);
    }
    jw_array_end(&w);
    (void)arena_free(a);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    struct buf out = BUF_INIT((size_t)1 << 30);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        buf_reset(&out);
        answer((struct str){line, (size_t)len - (line[len - 1] == '\n')}, &out);
        buf_putc(&out, '\n');
        if (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
            return EXIT_FAILURE;
    }
    buf_clear(&out);
    free(line);
    return EXIT_SUCCESS;
}
