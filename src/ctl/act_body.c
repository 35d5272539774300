/* ctl/act_body.c - see act_body.h.  No I/O. */
#include "ctl/act_body.h"

#include "base/arena.h"
#include "base/json.h"
#include "ctl/names.h"
#include "nvidia/mig_parted.h"

#include <errno.h>
#include <stdio.h>

static void put_text(struct json_writer *w, const char *key, struct str value)
{
    jw_key(w, key);
    if (value.len > 0) {
        jw_str(w, value);
    } else {
        jw_null(w);
    }
}

/* What the node's labels are, as CTL_ANNOTATION_ORIGINAL says it. */
static void original_of(const struct ctl_node *n, struct buf *out)
{
    static const char *const labels[] = {
            CTL_LABEL_PLUGIN_CONFIG, CTL_LABEL_MIG_CONFIG, CTL_LABEL_POOL};
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    for (unsigned i = 0; i < sizeof labels / sizeof labels[0]; i++)
        jw_kv_str(&w, labels[i], ctl_labels_get(&n->labels, labels[i]));
    jw_object_end(&w);
}

/* Our record goes on the node with the originals, and off it together with them when the labels are
 * what they were. */
static void put_annotations(
        struct json_writer *w, const struct core_action *a, const struct ctl_node *n)
{
    struct buf now = BUF_INIT(CTL_ACT_BODY_MAX);
    jw_key(w, "annotations");
    jw_object(w);
    put_text(w, CTL_ANNOTATION_ROLLOUT, a->node.annotation);
    if (n != NULL) {
        struct str kept = ctl_labels_get(&n->annotations, CTL_ANNOTATION_ORIGINAL);
        original_of(n, &now);
        if (a->node.annotation.len > 0 && kept.len == 0) {
            put_text(w, CTL_ANNOTATION_ORIGINAL, buf_str(&now));
        } else if (a->node.annotation.len == 0 && str_eq(kept, buf_str(&now))) {
            put_text(w, CTL_ANNOTATION_ORIGINAL, (struct str){0});
        }
    }
    jw_object_end(w);
    buf_clear(&now);
}

void ctl_act_node_body(const struct core_action *a, const struct ctl_object *node,
        const struct ctl_node *seen, struct buf *out)
{
    char version[24];
    const uint32_t fields = a->node.fields;
    struct json_writer w = JSON_WRITER(out, 0);
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)node->resource_version);
    jw_object(&w);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_str(&w, "uid", node->uid);
    jw_kv_cstr(&w, "resourceVersion", version);
    if ((fields & (CORE_PATCH_PLUGIN_CONFIG | CORE_PATCH_MIG_CONFIG | CORE_PATCH_POOL)) != 0) {
        jw_key(&w, "labels");
        jw_object(&w);
        if ((fields & CORE_PATCH_PLUGIN_CONFIG) != 0)
            put_text(&w, CTL_LABEL_PLUGIN_CONFIG, a->node.plugin_config);
        if ((fields & CORE_PATCH_MIG_CONFIG) != 0)
            put_text(&w, CTL_LABEL_MIG_CONFIG, a->node.mig_config);
        if ((fields & CORE_PATCH_POOL) != 0)
            put_text(&w, CTL_LABEL_POOL, a->node.pool);
        jw_object_end(&w);
    }
    if ((fields & CORE_PATCH_ANNOTATION) != 0)
        put_annotations(&w, a, seen);
    jw_object_end(&w);
    if ((fields & CORE_PATCH_CORDON) != 0) {
        jw_key(&w, "spec");
        jw_object(&w);
        jw_key(&w, "unschedulable");
        if (a->node.cordon) {
            jw_bool(&w, true);
        } else {
            jw_null(&w);
        }
        jw_object_end(&w);
    }
    jw_object_end(&w);
}

void ctl_act_key_body(struct str key, const struct str *text, struct str version, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    if (version.len > 0) {
        jw_key(&w, "metadata");
        jw_object(&w);
        jw_kv_str(&w, "resourceVersion", version);
        jw_object_end(&w);
    }
    jw_key(&w, "data");
    jw_object(&w);
    jw_key_str(&w, key);
    if (text != NULL) {
        jw_str(&w, *text);
    } else {
        jw_null(&w);
    }
    jw_object_end(&w);
    jw_object_end(&w);
}

int ctl_act_mig_file(struct str file, struct str key, const struct str *ours, struct buf *out,
        struct err *reterr)
{
    struct arena *a = arena_new((size_t)64 << 20);
    struct nvidia_mig_parted now = {0}, put = {0};
    int rc = file.len == 0 ? 0 : nvidia_mig_parted_parse(a, file, &now, NULL, reterr);
    if (rc == 0 && ours != NULL)
        rc = nvidia_mig_parted_parse(a, *ours, &put, NULL, reterr);
    if (rc == 0) {
        struct nvidia_mig_config *all = ARENA_ARRAY(a, struct nvidia_mig_config, now.count + 2);
        uint32_t count = 0;
        for (uint32_t i = 0; i < now.count; i++) {
            if (!str_eq(now.configs[i].name, key))
                all[count++] = now.configs[i];
        }
        bool was_there = count < now.count;
        for (uint32_t i = 0; i < put.count && i < 1; i++)
            all[count++] = put.configs[i];
        if (ours == NULL && !was_there) {
            rc = err_set(reterr, -ENOENT, "no config '%.*s'", STR_ARG_SHORT(key));
        } else {
            nvidia_mig_parted_emit(all, count, out);
        }
    }
    (void)arena_free(a);
    return rc;
}

/* "=KEY", or "-" where the label goes, as kubectl writes it. */
static void put_label(struct buf *b, const char *name, struct str value)
{
    buf_printf(b, "%s%s", b->len > 0 ? " " : "", name);
    if (value.len > 0) {
        buf_printf(b, "=%.*s", STR_ARG_SHORT(value));
    } else {
        buf_putc(b, '-');
    }
}

const char *ctl_act_level(const struct core_action *a, char text[static CTL_ACT_LEVEL_MAX])
{
    struct buf b = BUF_INIT(CTL_ACT_LEVEL_MAX - 1);
    if (a->kind == CORE_ACTION_CONFIG_PUT || a->kind == CORE_ACTION_CONFIG_DELETE) {
        buf_put(&b, a->config.key);
    } else if (a->kind == CORE_ACTION_NODE_PATCH) {
        if ((a->node.fields & CORE_PATCH_CORDON) != 0)
            buf_puts(&b, a->node.cordon ? "cordon" : "uncordon");
        if ((a->node.fields & CORE_PATCH_PLUGIN_CONFIG) != 0)
            put_label(&b, "plugin-config", a->node.plugin_config);
        if ((a->node.fields & CORE_PATCH_MIG_CONFIG) != 0)
            put_label(&b, "mig-config", a->node.mig_config);
        if ((a->node.fields & CORE_PATCH_POOL) != 0)
            put_label(&b, "pool", a->node.pool);
        if ((a->node.fields & CORE_PATCH_TAINTS) != 0) {
            put_label(&b, "pool-taint", a->node.pool_taint);
            put_label(
                    &b, "startup-taint", a->node.startup_taint ? STR_LIT("set") : (struct str){0});
        }
        if ((a->node.fields & CORE_PATCH_ANNOTATION) != 0) {
            buf_printf(
                    &b, "%srecord%s", b.len > 0 ? " " : "", a->node.annotation.len > 0 ? "" : "-");
        }
    }
    (void)snprintf(text, CTL_ACT_LEVEL_MAX, "%.*s", (int)b.len, b.len > 0 ? b.ptr : "");
    buf_clear(&b);
    return text;
}
