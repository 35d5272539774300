/* test/diff/dra_extended_batch.c - the C side of dravalid/extended: {"classes", "pod"} a line in,
 * {"Requests": [{"Name", "Class", "Count"}]} or {"Error"} out. */
#include "batch.h"

#include "base/json.h"
#include "dra/extended.h"

static void put_requests(
        struct json_writer *w, const struct dra_store *s, const struct dra_claim *claim)
{
    jw_key(w, "Requests");
    jw_array(w);
    for (uint32_t i = 0; claim != NULL && i < claim->request_count; i++) {
        const struct dra_ask *ask = &claim->requests[i].asks[0];
        jw_object(w);
        jw_kv_str(w, "Name", dra_name(&s->names, claim->requests[i].name));
        jw_kv_str(w, "Class", dra_name(&s->names, ask->class_name));
        jw_kv_i64(w, "Count", ask->count);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static int load(struct dra_store *s, struct arena *a, struct str line, struct err *reterr)
{
    const struct doc *d = NULL;
    if (doc_parse_json(a, line, line.len + 1, &d, reterr) < 0)
        return reterr->code;
    const struct doc *classes = doc_get(d, "classes");
    for (uint32_t i = 0; classes != NULL && i < classes->count; i++) {
        if (dra_store_add_kind(s, DRA_KIND_CLASS, &classes->first[i], reterr) < 0)
            return reterr->code;
    }
    return dra_store_add_kind(s, DRA_KIND_POD, doc_get(d, "pod"), reterr);
}

static void answer(struct str line, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct dra_store *s = dra_store_new(0);
    struct err e = {0};
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    if (load(s, a, line, &e) < 0) {
        jw_kv_cstr(&w, "Error", e.text);
    } else {
        put_requests(&w, s, dra_extended_claim(s, s->pods.items[0]));
    }
    jw_object_end(&w);
    (void)dra_store_free(s);
    (void)arena_free(a);
}

int main(void)
{
    return batch_main(answer);
}
