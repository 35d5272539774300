/* kube/write.c - one request a change. */
#include "kube/write.h"

#include "base/json.h"
#include "kube/item.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { EVICTION_BYTES_MAX = 4096 };

/* "PATH?fieldManager=M&force=true..." */
static int put_path(const struct kube_write *w, bool is_apply, struct buf *path, struct err *reterr)
{
    char divider = '?';
    buf_puts(path, w->path);
    if (w->manager != NULL) {
        buf_printf(path, "%cfieldManager=", divider);
        net_http_escape(path, str_from(w->manager));
        divider = '&';
    }
    if (is_apply && w->force) {
        buf_printf(path, "%cforce=true", divider);
        divider = '&';
    }
    if (w->strict) {
        buf_printf(path, "%cfieldValidation=Strict", divider);
        divider = '&';
    }
    if (w->dry_run)
        buf_printf(path, "%cdryRun=All", divider);
    return path->overflow ? err_set(reterr, -E2BIG, "a path of more than %d bytes", KUBE_PATH_MAX)
                          : 0;
}

static int start(struct kube_client *client, const struct kube_write *w,
        struct kube_request_spec *spec, struct kube_request **ret_request, struct err *reterr)
{
    struct buf path = BUF_INIT(KUBE_PATH_MAX);
    bool is_apply = spec->content_type != NULL &&
                    strcmp(spec->content_type, "application/apply-patch+yaml") == 0;
    int r = put_path(w, is_apply, &path, reterr);
    if (r == 0) {
        spec->path = path.ptr;
        spec->body = w->body;
        spec->retry_max = w->retry_max;
        spec->done = w->done;
        spec->user = w->user;
        r = kube_client_start(client, spec, ret_request, reterr);
    }
    buf_clear(&path);
    return r;
}

int kube_write_patch(struct kube_client *client, enum kube_patch kind,
        const struct kube_write *write, struct kube_request **ret_request, struct err *reterr)
{
    static const char *const types[] = {
            [KUBE_PATCH_APPLY] = "application/apply-patch+yaml",
            [KUBE_PATCH_MERGE] = "application/merge-patch+json",
            [KUBE_PATCH_JSON] = "application/json-patch+json",
            [KUBE_PATCH_STRATEGIC] = "application/strategic-merge-patch+json",
    };
    assert(kind != KUBE_PATCH_APPLY || write->manager != NULL);
    struct kube_request_spec spec = {.method = "PATCH", .content_type = types[kind]};
    return start(client, write, &spec, ret_request, reterr);
}

int kube_write_create(struct kube_client *client, const struct kube_write *write,
        struct kube_request **ret_request, struct err *reterr)
{
    struct kube_request_spec spec = {.method = "POST"};
    return start(client, write, &spec, ret_request, reterr);
}

int kube_write_replace(struct kube_client *client, const struct kube_write *write,
        struct kube_request **ret_request, struct err *reterr)
{
    struct kube_request_spec spec = {.method = "PUT"};
    return start(client, write, &spec, ret_request, reterr);
}

/* Opens DeleteOptions with a uid precondition. */
static void put_delete_options(struct json_writer *w, struct str uid)
{
    if (uid.len == 0)
        return;
    jw_key(w, "preconditions");
    jw_object(w);
    jw_kv_str(w, "uid", uid);
    jw_object_end(w);
}

int kube_write_delete(struct kube_client *client, const struct kube_write *write, struct str uid,
        struct kube_request **ret_request, struct err *reterr)
{
    struct buf body = BUF_INIT(EVICTION_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "v1");
    jw_kv_cstr(&w, "kind", "DeleteOptions");
    put_delete_options(&w, uid);
    jw_object_end(&w);
    struct kube_write copy = *write;
    copy.body = buf_str(&body);
    copy.manager = NULL;
    copy.strict = false;
    struct kube_request_spec spec = {.method = "DELETE"};
    int r = start(client, &copy, &spec, ret_request, reterr);
    buf_clear(&body);
    return r;
}

int kube_write_evict(struct kube_client *client, const struct kube_eviction *eviction,
        struct kube_request **ret_request, struct err *reterr)
{
    struct buf body = BUF_INIT(EVICTION_BYTES_MAX), path = BUF_INIT(KUBE_PATH_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "policy/v1");
    jw_kv_cstr(&w, "kind", "Eviction");
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_str(&w, "name", eviction->name);
    jw_kv_str(&w, "namespace", eviction->namespace);
    jw_object_end(&w);
    jw_key(&w, "deleteOptions");
    jw_object(&w);
    if (eviction->grace_seconds >= 0)
        jw_kv_i64(&w, "gracePeriodSeconds", eviction->grace_seconds);
    put_delete_options(&w, eviction->uid);
    jw_object_end(&w);
    jw_object_end(&w);
    buf_printf(&path, "/api/v1/namespaces/%.*s/pods/%.*s/eviction", STR_ARG(eviction->namespace),
            STR_ARG(eviction->name));
    int r = -E2BIG;
    if (path.overflow || body.overflow) {
        (void)err_set(reterr, r, "an eviction with names of more than %d bytes", KUBE_NAME_MAX);
    } else {
        struct kube_write write = {
                .path = path.ptr,
                .body = buf_str(&body),
                .dry_run = eviction->dry_run,
                .done = eviction->done,
                .user = eviction->user,
        };
        r = kube_write_create(client, &write, ret_request, reterr);
    }
    buf_clear(&body);
    buf_clear(&path);
    return r;
}

/* True when fieldsV1 has all parts of the path ("metadata\nlabels\na.b/c"). */
static bool owns(struct kube_value fields, struct str path)
{
    char key[KUBE_NAME_MAX * 2 + 4];
    struct str part, rest = path;
    while (str_split(&rest, '\n', &part)) {
        if (part.len + 2 > sizeof key)
            return false;
        key[0] = 'f';
        key[1] = ':';
        memcpy(key + 2, part.ptr, part.len);
        fields = kube_value_get_str(fields, (struct str){key, part.len + 2});
        if (fields.val == NULL)
            return false;
    }
    return true;
}

void kube_write_field_managers(
        const struct kube_item *item, struct str path, struct str manager, struct buf *out)
{
    bool is_first = true;
    KUBE_FOREACH(it, kube_item_at(item, "metadata.managedFields"))
    {
        struct str name = kube_value_str(kube_value_get(it.value, "manager"));
        if (str_eq(name, manager) || !owns(kube_value_get(it.value, "fieldsV1"), path))
            continue;
        if (!is_first)
            buf_putc(out, ',');
        buf_put(out, name);
        is_first = false;
    }
}
