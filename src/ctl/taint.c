/* ctl/taint.c - see taint.h.  No I/O. */
#include "ctl/taint.h"

#include "base/json.h"
#include "ctl/names.h"

#include <stdio.h>

/* "" = the taint is not there. */
static struct str wanted_value(const struct kube_taint *t, const struct ctl_taints *wanted)
{
    if (str_eq_c(t->key, CTL_TAINT_STARTUP))
        return wanted->startup ? STR_LIT("unconfigured") : (struct str){0};
    return wanted->pool;
}

static bool is_ours(const struct kube_taint *t)
{
    return str_eq_c(t->key, CTL_TAINT_STARTUP) || str_eq_c(t->key, CTL_TAINT_POOL);
}

bool ctl_taint_any(const struct kube_node *node)
{
    for (uint32_t i = 0; i < node->taint_count; i++) {
        if (is_ours(&node->taints[i]))
            return true;
    }
    return false;
}

/* A start-up taint that the node brought along may have any value. */
static bool stays(const struct kube_taint *t, const struct ctl_taints *wanted)
{
    struct str value = wanted_value(t, wanted);
    return value.len > 0 && (str_eq_c(t->key, CTL_TAINT_STARTUP) || str_eq(t->value, value));
}

static void put_replace(struct json_writer *w, const char *path, struct str value)
{
    jw_object(w);
    jw_kv_cstr(w, "op", "replace");
    jw_kv_cstr(w, "path", path);
    jw_kv_str(w, "value", value);
    jw_object_end(w);
}

static void put_taint(struct json_writer *w, const char *key, struct str value)
{
    jw_object(w);
    jw_kv_cstr(w, "key", key);
    jw_kv_str(w, "value", value);
    jw_kv_cstr(w, "effect", "NoSchedule");
    jw_object_end(w);
}

static void put_add(struct json_writer *w, bool first, const char *key, struct str value)
{
    jw_object(w);
    jw_kv_cstr(w, "op", "add");
    jw_kv_cstr(w, "path", first ? "/spec/taints" : "/spec/taints/-");
    jw_key(w, "value");
    if (first)
        jw_array(w);
    put_taint(w, key, value);
    if (first)
        jw_array_end(w);
    jw_object_end(w);
}

bool ctl_taint_patch(const struct ctl_node *node, const struct ctl_taints *wanted, struct buf *out)
{
    const struct kube_node *n = &node->fields;
    struct json_writer w = JSON_WRITER(out, 0);
    char text[40];
    bool pool = wanted->pool.len > 0, startup = wanted->startup, changes = false;
    /* The list, once there, stays a list however short it gets: the API server drops an empty one
     * only after the patch. */
    bool none = n->taint_count + n->taints_beyond == 0;
    jw_array(&w);
    put_replace(&w, "/metadata/uid", node->uid);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)node->version);
    put_replace(&w, "/metadata/resourceVersion", str_from(text));
    for (uint32_t i = n->taint_count; i-- > 0;) { /* from the end: what is before keeps its place */
        const struct kube_taint *t = &n->taints[i];
        if (!is_ours(t))
            continue;
        if (stays(t, wanted)) {
            pool &= !str_eq_c(t->key, CTL_TAINT_POOL);
            startup &= !str_eq_c(t->key, CTL_TAINT_STARTUP);
            continue;
        }
        (void)snprintf(text, sizeof text, "/spec/taints/%u", i);
        jw_object(&w);
        jw_kv_cstr(&w, "op", "remove");
        jw_kv_cstr(&w, "path", text);
        jw_object_end(&w);
        changes = true;
    }
    if (startup)
        put_add(&w, none, CTL_TAINT_STARTUP, STR_LIT("unconfigured"));
    if (pool)
        put_add(&w, none && !startup, CTL_TAINT_POOL, wanted->pool);
    jw_array_end(&w);
    return changes || startup || pool;
}
