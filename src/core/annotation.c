/* core/annotation.c - the rollout's record as JSON text, written and strictly read.  Pure. */
#include "core/annotation.h"

#include "base/doc.h"
#include "base/json.h"
#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { REPLICAS_MAX = 1 << 20, TRIES_MAX = 1 << 20 };

const char *core_record_state_name(enum core_record_state s)
{
    static const char *const names[CORE_RECORD_STATE_COUNT] = {
            [CORE_RECORD_FORWARD] = "forward",
            [CORE_RECORD_UNDO] = "undo",
            [CORE_RECORD_HOLD] = "hold",
            [CORE_RECORD_RETIRE] = "retire",
            [CORE_RECORD_REST] = "rest",
    };
    assert((unsigned)s < CORE_RECORD_STATE_COUNT);
    return names[s];
}

/* ---- writing ---- */

/* Layouts as runs of equal ones: [["7x1g.5gb",8]]. */
static void layouts_write(struct json_writer *w, const struct core_setup *s)
{
    jw_key(w, "layouts");
    jw_array(w);
    for (uint32_t i = 0; i < s->layout_count;) {
        uint32_t n = 1;
        while (i + n < s->layout_count && strcmp(s->layouts[i], s->layouts[i + n]) == 0)
            n++;
        jw_array(w);
        jw_cstr(w, s->layouts[i]);
        jw_u64(w, n);
        jw_array_end(w);
        i += n;
    }
    jw_array_end(w);
}

static void setup_write(
        struct json_writer *w, const char *key, const struct core_setup *s, bool layouts)
{
    jw_key(w, key);
    jw_object(w);
    jw_kv_u64(w, "replicas", s->replicas);
    jw_kv_u64(w, "mig_replicas", s->mig_replicas);
    jw_kv_cstr(w, "pool", s->pool);
    jw_kv_cstr(w, "plugin", s->plugin_key);
    jw_kv_cstr(w, "mig", s->mig_key);
    if (layouts)
        layouts_write(w, s);
    jw_object_end(w);
}

int core_record_write(const struct core_record *r, struct buf *out, struct err *reterr)
{
    struct buf text = BUF_INIT(CORE_ANNOTATION_MAX);
    struct json_writer w = JSON_WRITER(&text, 0);
    jw_object(&w);
    jw_kv_u64(&w, "v", 1);
    jw_key(&w, "plan");
    char plan[20];
    struct buf hex = BUF_INIT(sizeof(plan));
    buf_printf(&hex, "%016llx", (unsigned long long)r->plan);
    jw_str(&w, buf_str(&hex));
    buf_clear(&hex);
    jw_kv_cstr(&w, "state", core_record_state_name(r->state));
    jw_kv_cstr(&w, "change", core_change_name(r->change));
    jw_kv_cstr(&w, "reason", core_reason_name(r->reason));
    jw_kv_i64(&w, "since", r->since_wall_ns);
    jw_kv_u64(&w, "tries", r->tries);
    jw_kv_i64(&w, "retry", r->retry_wall_ns);
    jw_kv_bool(&w, "cordon", r->cordon);
    setup_write(&w, "to", &r->to, true);
    setup_write(&w, "from", &r->from, false);
    jw_object_end(&w);
    bool fits = !text.overflow;
    if (fits)
        buf_put(out, buf_str(&text));
    buf_clear(&text);
    if (!fits)
        return err_set(reterr, -E2BIG, "rollout record would pass %d bytes", CORE_ANNOTATION_MAX);
    return 0;
}

/* ---- reading ---- */

struct reader {
    struct err *err;
    int code; /* of the first fault */
};

static void fault(struct reader *r, const char *key, const char *expected)
{
    if (r->code == 0)
        r->code = err_set(r->err, -EINVAL, "rollout record: %s: expected %s", key, expected);
}

static int64_t read_int(
        struct reader *r, const struct doc *object, const char *key, int64_t min, int64_t max)
{
    const struct doc *d = doc_get(object, key);
    if (d == NULL || d->kind != DOC_INT || d->integer < min || d->integer > max) {
        fault(r, key, "a whole number in range");
        return min;
    }
    return d->integer;
}

static struct str read_text(
        struct reader *r, const struct doc *object, const char *key, size_t max_bytes)
{
    const struct doc *d = doc_get(object, key);
    if (d == NULL || d->kind != DOC_STRING || d->text.len > max_bytes ||
            (d->text.len > 0 && memchr(d->text.ptr, 0, d->text.len) != NULL)) {
        fault(r, key, "a short text");
        return (struct str){0};
    }
    return d->text;
}

static void read_chars(
        struct reader *r, const struct doc *object, const char *key, char *dst, size_t size)
{
    struct str s = read_text(r, object, key, size - 1);
    memset(dst, 0, size);
    if (s.len > 0)
        memcpy(dst, s.ptr, s.len);
}

static void read_layouts(struct reader *r, const struct doc *object, struct core_setup *s)
{
    const struct doc *list = doc_get(object, "layouts");
    if (list == NULL)
        return;
    if (list->kind != DOC_ARRAY) {
        fault(r, "layouts", "a list");
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct doc *run = &list->first[i];
        if (run->kind != DOC_ARRAY || run->count != 2 || run->first[0].kind != DOC_STRING ||
                run->first[0].text.len >= CORE_LAYOUT_TEXT_MAX || run->first[1].kind != DOC_INT ||
                run->first[1].integer < 1 ||
                run->first[1].integer > CORE_INTENT_LAYOUTS_MAX - s->layout_count) {
            fault(r, "layouts", "pairs of a layout and a count, 16 GPUs at most");
            return;
        }
        for (int64_t n = 0; n < run->first[1].integer; n++) {
            char *dst = s->layouts[s->layout_count++];
            if (run->first[0].text.len > 0)
                memcpy(dst, run->first[0].text.ptr, run->first[0].text.len);
        }
    }
}

static void read_setup(
        struct reader *r, const struct doc *root, const char *key, struct core_setup *s)
{
    const struct doc *object = doc_get(root, key);
    *s = (struct core_setup){0};
    if (object == NULL || object->kind != DOC_OBJECT) {
        fault(r, key, "an object");
        return;
    }
    s->replicas = (uint32_t)read_int(r, object, "replicas", 0, REPLICAS_MAX);
    s->mig_replicas = (uint32_t)read_int(r, object, "mig_replicas", 0, REPLICAS_MAX);
    read_chars(r, object, "pool", s->pool, sizeof(s->pool));
    read_chars(r, object, "plugin", s->plugin_key, sizeof(s->plugin_key));
    read_chars(r, object, "mig", s->mig_key, sizeof(s->mig_key));
    read_layouts(r, object, s);
}

static uint64_t read_plan(struct reader *r, const struct doc *root)
{
    uint64_t plan = 0;
    if (str_to_hex64(read_text(r, root, "plan", 16), &plan) < 0)
        fault(r, "plan", "16 hexadecimal digits");
    return plan;
}

static void read_words(struct reader *r, const struct doc *root, struct core_record *ret)
{
    struct str state = read_text(r, root, "state", 32);
    struct str change = read_text(r, root, "change", 64);
    struct str reason = read_text(r, root, "reason", 64);
    unsigned s = 0;
    while (s < CORE_RECORD_STATE_COUNT &&
            !str_eq_c(state, core_record_state_name((enum core_record_state)s)))
        s++;
    unsigned c = 0;
    while (c < CORE_CHANGE_COUNT && !str_eq_c(change, core_change_name((enum core_change)c)))
        c++;
    unsigned why = 0;
    while (why < CORE_REASON_COUNT && !str_eq_c(reason, core_reason_name((enum core_reason)why)))
        why++;
    if (s == CORE_RECORD_STATE_COUNT)
        fault(r, "state", "forward, undo, hold, retire or rest");
    if (c == CORE_CHANGE_COUNT)
        fault(r, "change", "the name of a change");
    if (why == CORE_REASON_COUNT)
        fault(r, "reason", "the name of a reason");
    if (r->code != 0)
        return;
    ret->state = (enum core_record_state)s;
    ret->change = (enum core_change)c;
    ret->reason = (enum core_reason)why;
}

int core_record_parse(
        struct arena *a, struct str text, struct core_record *ret_record, struct err *reterr)
{
    const struct doc *root;
    int rc = doc_parse_json(a, text, CORE_ANNOTATION_MAX, &root, reterr);
    if (rc < 0)
        return rc;
    if (root->kind != DOC_OBJECT)
        return err_set(reterr, -EINVAL, "rollout record: expected an object");
    struct reader r = {.err = reterr};
    struct core_record rec = {0};
    (void)read_int(&r, root, "v", 1, 1);
    rec.plan = read_plan(&r, root);
    read_words(&r, root, &rec);
    rec.since_wall_ns = read_int(&r, root, "since", INT64_MIN, INT64_MAX);
    rec.tries = (uint32_t)read_int(&r, root, "tries", 0, TRIES_MAX);
    rec.retry_wall_ns = read_int(&r, root, "retry", INT64_MIN, INT64_MAX);
    const struct doc *cordon = doc_get(root, "cordon");
    if (cordon == NULL || cordon->kind != DOC_BOOL) {
        fault(&r, "cordon", "true or false");
    } else {
        rec.cordon = cordon->boolean;
    }
    read_setup(&r, root, "to", &rec.to);
    read_setup(&r, root, "from", &rec.from);
    if (r.code == 0)
        *ret_record = rec;
    return r.code;
}
