/* kube/item.c - reading one object, by yyjson.  Pure. */
#include "kube/item-priv.h"

#include "base/buf.h"
#include "base/civil.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    POOL_ITEM_MAX = 128 << 10, /* larger items get memory of their own */
};

/* yyjson's readers take pointers to non-const and do not write. */
static yyjson_val *mut(struct kube_value v)
{
    return (yyjson_val *)(uintptr_t)v.val;
}

/* --------------------------------------------------------------------------------------- parsing
 */

static int parse_fault(const yyjson_read_err *fault, struct err *reterr)
{
    return err_set_at(reterr, -EINVAL, (uint32_t)fault->pos, "not JSON at byte %zu: %s", fault->pos,
            fault->msg);
}

int item_parser_parse(
        struct item_parser *p, struct str text, struct kube_value *ret_value, struct err *reterr)
{
    if (p->doc != NULL)
        yyjson_doc_free(p->doc);
    p->doc = NULL;
    yyjson_alc pool;
    const yyjson_alc *use = NULL;
    if (text.len <= POOL_ITEM_MAX) {
        size_t need = yyjson_read_max_memory_usage(text.len, 0);
        if (p->pool_bytes < need) {
            mem_free(p->pool);
            p->pool = mem_alloc(need * 2, 1);
            p->pool_bytes = need * 2;
        }
        if (yyjson_alc_pool_init(&pool, p->pool, p->pool_bytes))
            use = &pool;
    }
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, use, &fault);
    if (doc == NULL)
        return parse_fault(&fault, reterr);
    *ret_value = (struct kube_value){yyjson_doc_get_root(doc)};
    /* What the pool holds is not freed, only overwritten. */
    p->doc = use == NULL ? doc : NULL;
    return 0;
}

void item_parser_clear(struct item_parser *p)
{
    if (p->doc != NULL)
        yyjson_doc_free(p->doc);
    mem_free(p->pool);
    *p = (struct item_parser){0};
}

int item_from_value(struct kube_value value, struct kube_item *ret_item, struct err *reterr)
{
    struct kube_value meta = kube_value_get(value, "metadata");
    struct kube_item item = {
            .root = value,
            .namespace = kube_value_str(kube_value_get(meta, "namespace")),
            .name = kube_value_str(kube_value_get(meta, "name")),
            .uid = kube_value_str(kube_value_get(meta, "uid")),
            .resource_version = kube_value_str(kube_value_get(meta, "resourceVersion")),
    };
    if (item.name.len == 0)
        return err_set(reterr, -EINVAL, "an object without metadata.name");
    if (item.name.len > KUBE_NAME_MAX || item.namespace.len > KUBE_NAME_MAX ||
            item.uid.len > KUBE_UID_MAX)
        return err_set(reterr, -EINVAL, "an object whose name, namespace or uid is too long");
    if (str_to_u64(item.resource_version, 0, UINT64_MAX, &item.version) < 0)
        item.version = 0;
    *ret_item = item;
    return 0;
}

static void *arena_take(void *ctx, size_t size)
{
    struct arena *a = ctx;
    return arena_fits(a, size, 1) ? arena_alloc(a, size, 1) : NULL;
}

static void *arena_move(void *ctx, void *ptr, size_t old_size, size_t size)
{
    void *moved = arena_take(ctx, size);
    if (moved != NULL)
        memcpy(moved, ptr, old_size < size ? old_size : size);
    return moved;
}

static void arena_keep(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

int kube_value_parse(
        struct arena *a, struct str text, struct kube_value *ret_value, struct err *reterr)
{
    if (text.len > KUBE_ITEM_BYTES_MAX) {
        return err_set(reterr, -E2BIG, "an object of %zu bytes; the limit is %d", text.len,
                KUBE_ITEM_BYTES_MAX);
    }
    yyjson_alc alc = {.malloc = arena_take, .realloc = arena_move, .free = arena_keep, .ctx = a};
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, &alc, &fault);
    if (doc == NULL && fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return err_set(reterr, -E2BIG, "an object that needs more memory than it may have");
    if (doc == NULL)
        return parse_fault(&fault, reterr);
    *ret_value = (struct kube_value){yyjson_doc_get_root(doc)};
    return 0;
}

int kube_item_of(struct kube_value value, struct kube_item *ret_item, struct err *reterr)
{
    return item_from_value(value, ret_item, reterr);
}

int kube_item_parse(
        struct arena *a, struct str text, struct kube_item *ret_item, struct err *reterr)
{
    struct kube_value value = {0};
    int rc = kube_value_parse(a, text, &value, reterr);
    return rc < 0 ? rc : item_from_value(value, ret_item, reterr);
}

/* --------------------------------------------------------------------------------------- reading
 */

struct kube_value kube_value_get_str(struct kube_value object, struct str key)
{
    if (!yyjson_is_obj(mut(object)))
        return (struct kube_value){0};
    return (struct kube_value){
            yyjson_obj_getn(mut(object), key.ptr == NULL ? "" : key.ptr, key.len)};
}

struct kube_value kube_value_get(struct kube_value object, const char *key)
{
    return kube_value_get_str(object, str_from(key));
}

struct kube_value kube_value_at(struct kube_value v, const char *path)
{
    struct str rest = str_from(path), key;
    while (v.val != NULL && str_split(&rest, '.', &key))
        v = kube_value_get_str(v, key);
    return v;
}

struct kube_value kube_item_at(const struct kube_item *item, const char *path)
{
    return kube_value_at(item->root, path);
}

bool kube_value_exists(struct kube_value v)
{
    return v.val != NULL && !yyjson_is_null(mut(v));
}

struct str kube_value_str(struct kube_value v)
{
    if (!yyjson_is_str(mut(v)))
        return (struct str){0};
    return (struct str){yyjson_get_str(mut(v)), yyjson_get_len(mut(v))};
}

bool kube_value_bool(struct kube_value v, bool otherwise)
{
    return yyjson_is_bool(mut(v)) ? yyjson_get_bool(mut(v)) : otherwise;
}

int64_t kube_value_i64(struct kube_value v, int64_t otherwise)
{
    if (yyjson_is_sint(mut(v)))
        return yyjson_get_sint(mut(v));
    if (yyjson_is_uint(mut(v)) && yyjson_get_uint(mut(v)) <= (uint64_t)INT64_MAX)
        return (int64_t)yyjson_get_uint(mut(v));
    return otherwise;
}

struct str kube_value_scalar(struct kube_value v, char *text)
{
    int len = 0;
    text[0] = '\0';
    struct str s = kube_value_str(v);
    if (s.len > 0 && s.len < KUBE_SCALAR_MAX) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = '\0';
        len = (int)s.len;
    } else if (yyjson_is_uint(mut(v))) {
        len = snprintf(text, KUBE_SCALAR_MAX, "%" PRIu64, yyjson_get_uint(mut(v)));
    } else if (yyjson_is_sint(mut(v))) {
        len = snprintf(text, KUBE_SCALAR_MAX, "%" PRId64, yyjson_get_sint(mut(v)));
    }
    return (struct str){text, (size_t)len};
}

struct kube_iter kube_iter_of(struct kube_value v)
{
    if (!yyjson_is_ctn(mut(v)))
        return (struct kube_iter){0};
    return (struct kube_iter){
            .cur = unsafe_yyjson_get_first(mut(v)),
            .left = unsafe_yyjson_get_len(mut(v)),
            .object = yyjson_is_obj(mut(v)),
    };
}

bool kube_iter_next(struct kube_iter *it)
{
    if (it->left == 0)
        return false;
    yyjson_val *val = (yyjson_val *)(uintptr_t)it->cur;
    it->left--;
    it->key = (struct str){0};
    if (it->object) {
        it->key = (struct str){unsafe_yyjson_get_str(val), unsafe_yyjson_get_len(val)};
        val++; /* an object's value follows its key */
    }
    it->value = (struct kube_value){val};
    it->cur = it->left > 0 ? unsafe_yyjson_get_next(val) : NULL;
    return true;
}

uint32_t kube_value_count(struct kube_value v)
{
    if (!yyjson_is_ctn(mut(v)))
        return 0;
    size_t count = unsafe_yyjson_get_len(mut(v));
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

struct str kube_item_label(const struct kube_item *item, const char *key)
{
    return kube_value_str(kube_value_get(kube_item_at(item, "metadata.labels"), key));
}

struct str kube_item_annotation(const struct kube_item *item, const char *key)
{
    return kube_value_str(kube_value_get(kube_item_at(item, "metadata.annotations"), key));
}

int64_t kube_item_time_ns(const struct kube_item *item, const char *path)
{
    int64_t ns = 0;
    struct str text = kube_value_str(kube_item_at(item, path));
    return text.len > 0 && civil_parse(text, &ns, NULL) == 0 ? ns : 0;
}

void kube_value_write(struct kube_value v, struct buf *out)
{
    size_t len = 0;
    char *text = v.val == NULL ? NULL : yyjson_val_write(mut(v), YYJSON_WRITE_NOFLAG, &len);
    if (text == NULL) {
        buf_puts(out, "null");
        return;
    }
    buf_put(out, (struct str){text, len});
    mem_free(text);
}
