/* test/diff/dra_fields_batch.c - the C side of drafields: an object a line in, [{path, text}] out.
 */
#include "batch.h"

#include "base/json.h"
#include "dra/fields.h"

static void on_problem(void *context, uint32_t line, const char *path, const char *reason)
{
    struct json_writer *w = context;
    (void)line;
    jw_object(w);
    jw_kv_cstr(w, "Path", path);
    jw_kv_cstr(w, "Text", reason);
    jw_object_end(w);
}

static void answer(struct str line, struct buf *out)
{
    struct arena *a = arena_new(0);
    const struct doc *d = NULL;
    struct err e = {0};
    struct json_writer w = JSON_WRITER(out, 0);
    jw_array(&w);
    if (doc_parse_json(a, line, line.len + 1, &d, &e) < 0) {
        on_problem(&w, 0, "", e.text);
    } else {
        dra_fields_check(d, on_problem, &w);
    }
    jw_array_end(&w);
    (void)arena_free(a);
}

int main(void)
{
    return batch_main(answer);
}
