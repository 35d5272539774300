/* test/diff/dra_validate_batch.c - the C side of dravalid: an object a line in, [{path, text}] out.
 */
#include "batch.h"

#include "base/json.h"
#include "dra/store.h"
#include "dra/validate.h"

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
    return batch_main(answer);
}
