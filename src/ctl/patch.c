/* ctl/patch.c - see patch.h.  No I/O. */
#include "ctl/patch.h"

#include "base/json.h"
#include "base/num.h"
#include "ctl/names.h"

#include <string.h>

enum { TEXT_MAX = 16384 };

static void put_resources(struct json_writer *w, const char *key, const char *old,
        const char *new_name, uint32_t count)
{
    char number[STR_FIXED_BYTES];
    jw_key(w, key);
    jw_object(w);
    if (strcmp(old, new_name) != 0) {
        jw_key(w, old);
        jw_null(w);
    }
    jw_kv_cstr(w, new_name, str_format_fixed(count, 0, number));
    jw_object_end(w);
}

static void put_toleration(struct json_writer *w, const struct kube_toleration *t)
{
    const struct {
        const char *key;
        struct str value;
    } rows[] = {{"key", t->key}, {"operator", t->op}, {"value", t->value}, {"effect", t->effect}};
    jw_object(w);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value.len > 0)
            jw_kv_str(w, rows[i].key, rows[i].value);
    }
    if (t->seconds >= 0)
        jw_kv_i64(w, "tolerationSeconds", t->seconds);
    jw_object_end(w);
}

/* The whole list, which a strategic merge replaces: those of others, and ours where the policy
 * taints pools.  Left out where nothing changes. */
static void put_tolerations(struct json_writer *w, const struct ctl_pod_spec *spec, bool wanted)
{
    const struct kube_toleration ours = {.key = STR_LIT(CTL_TAINT_POOL),
            .op = STR_LIT("Exists"),
            .effect = STR_LIT("NoSchedule"),
            .seconds = -1};
    bool there = false;
    for (uint32_t i = 0; i < spec->toleration_count; i++)
        there |= str_eq(spec->tolerations[i].key, ours.key);
    if (there == wanted || spec->toleration_count == KUBE_TOLERATIONS_MAX)
        return; /* of so many, some may not have been read */
    jw_key(w, "tolerations");
    jw_array(w);
    for (uint32_t i = 0; i < spec->toleration_count; i++) {
        if (!str_eq(spec->tolerations[i].key, ours.key))
            put_toleration(w, &spec->tolerations[i]);
    }
    if (wanted)
        put_toleration(w, &ours);
    jw_array_end(w);
}

/* The template with the other resource, the pool's node selector, and what was asked at first. */
static void put_template(struct json_writer *w, const struct core_owner_fact *o,
        const struct ctl_workload *top, const struct core_action *action, bool taints)
{
    char old[MODEL_RESOURCE_NAME_MAX], new_name[MODEL_RESOURCE_NAME_MAX];
    char number[STR_FIXED_BYTES];
    jw_key(w, "template");
    jw_object(w);
    jw_key(w, "metadata");
    jw_object(w);
    jw_key(w, "annotations");
    jw_object(w);
    jw_kv_cstr(w, CTL_KEY_REQUEST, str_format_fixed(o->gpus_per_pod, 0, number));
    jw_object_end(w);
    jw_object_end(w);
    jw_key(w, "spec");
    jw_object(w);
    jw_key(w, "nodeSelector");
    jw_object(w);
    jw_key(w, CTL_LABEL_POOL);
    if (action->owner.pool.len > 0) {
        jw_str(w, action->owner.pool);
    } else {
        jw_null(w);
    }
    jw_object_end(w);
    put_tolerations(w, &top->spec, taints && action->owner.pool.len > 0);
    jw_key(w, "containers");
    jw_array(w);
    jw_object(w);
    jw_kv_str(w, "name", top->spec.gpu_container);
    jw_key(w, "resources");
    jw_object(w);
    (void)model_resource_format(&o->resource, old);
    (void)model_resource_format(&action->owner.resource, new_name);
    put_resources(w, "limits", old, new_name, num_max_u32(action->owner.count, 1));
    put_resources(w, "requests", old, new_name, num_max_u32(action->owner.count, 1));
    jw_object_end(w);
    jw_object_end(w);
    jw_array_end(w);
    jw_object_end(w);
    jw_object_end(w);
}

struct str ctl_patch_make(struct arena *a, const struct ctl_world *world, uint32_t owner,
        const struct core_action *action)
{
    const struct core_owner_fact *o = &world->owners[owner].owner;
    const struct ctl_workload *top = world->owner_notes[owner].workload;
    if (top == NULL || top->spec.gpu_container.len == 0 ||
            (top->kind != CTL_DEPLOYMENTS && top->kind != CTL_STATEFULSETS &&
                    top->kind != CTL_CRONJOBS))
        return (struct str){0};
    struct buf text = BUF_INIT(TEXT_MAX);
    struct json_writer w = JSON_WRITER(&text, 0);
    jw_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    if (top->kind == CTL_CRONJOBS) {
        jw_key(&w, "jobTemplate");
        jw_object(&w);
        jw_key(&w, "spec");
        jw_object(&w);
        put_template(&w, o, top, action, world->taint_pools);
        jw_object_end(&w);
        jw_object_end(&w);
    } else {
        put_template(&w, o, top, action, world->taint_pools);
    }
    jw_object_end(&w);
    jw_object_end(&w);
    struct str kept = {0};
    if (!text.overflow)
        kept = arena_str(a, buf_str(&text));
    buf_clear(&text);
    return kept;
}

/* Names and patch are JSON and DNS names: no quote can stand in them. */
struct str ctl_patch_command(
        struct arena *a, const struct ctl_world *w, uint32_t owner, struct str patch)
{
    const struct ctl_owner_note *n = &w->owner_notes[owner];
    if (patch.len == 0 || memchr(patch.ptr, '\'', patch.len) != NULL)
        return (struct str){0};
    return str_from(arena_printf(a, "kubectl -n %.*s patch %s %.*s --type strategic -p '%.*s'",
            STR_ARG(n->namespace), ctl_kind_info(n->workload->kind)->plural, STR_ARG(n->name),
            STR_ARG(patch)));
}

struct str ctl_patch_resource_text(
        struct arena *a, const struct model_resource *r, uint32_t count, struct str pool)
{
    char name[MODEL_RESOURCE_NAME_MAX];
    (void)model_resource_format(r, name);
    return str_from(arena_printf(a, "%s x %u%s%.*s", name, num_max_u32(count, 1),
            pool.len > 0 ? ", pool " : "", STR_ARG(pool)));
}
