/* ctl/slim.c - see slim.h.  No I/O.
 *
 * Most are JSON of the object's own shape, so that the snapshot's readers read them.  A pod without
 * GPUs is a few numbers: there may be a hundred thousand of those. */
#include "ctl/slim.h"

#include "base/json.h"
#include "base/num.h"
#include "ctl/names.h"
#include "ctl/snapshot-priv.h"
#include "ctl/world-priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { LABEL_VALUE_MAX = 4096 }; /* longer ones a snapshot leaves out */

/* A pod without GPUs; the node's name follows. */
struct slim_other {
    char mark;   /* OTHER_MARK; the others begin with a brace */
    uint8_t why; /* enum ctl_stay_why; none that is judged by labels */
    uint32_t cpu_milli;
    int64_t memory_bytes;
    char node[];
};
enum { OTHER_MARK = 'o' };

/* -- parts --------------------------------------------------------------------------------------
 */

static void put_str(struct json_writer *w, const char *key, struct str value)
{
    if (value.len > 0)
        jw_kv_str(w, key, value);
}

/* A member that is a string, if it is there. */
static void copy_str(struct json_writer *w, struct kube_value from, const char *key)
{
    put_str(w, key, kube_value_str(kube_value_get(from, key)));
}

/* The same of one that may be a number. */
static void copy_scalar(struct json_writer *w, struct kube_value from, const char *key)
{
    char text[KUBE_SCALAR_MAX];
    put_str(w, key, kube_value_scalar(kube_value_get(from, key), text));
}

static void copy_i64(struct json_writer *w, struct kube_value from, const char *key)
{
    struct kube_value v = kube_value_get(from, key);
    if (kube_value_exists(v))
        jw_kv_i64(w, key, kube_value_i64(v, 0));
}

static void copy_true(struct json_writer *w, struct kube_value from, const char *key)
{
    if (kube_value_bool(kube_value_get(from, key), false))
        jw_kv_bool(w, key, true);
}

/* A map of strings; all of it, or the keys that `reads` says. */
static void copy_map(struct json_writer *w, struct kube_value from, const char *key,
        bool (*reads)(struct str key))
{
    struct kube_value map = kube_value_get(from, key);
    bool any = false;
    KUBE_FOREACH(it, map)
    {
        struct str value = kube_value_str(it.value);
        if (value.len > LABEL_VALUE_MAX || (reads != NULL && !reads(it.key)))
            continue;
        if (!any) {
            jw_key(w, key);
            jw_object(w);
        }
        any = true;
        jw_key_str(w, it.key);
        jw_str(w, value);
    }
    if (any)
        jw_object_end(w);
}

static bool reads_resource(struct str name)
{
    return str_eq_c(name, "cpu") || str_eq_c(name, "memory") || str_eq_c(name, "pods") ||
           str_starts(name, STR_LIT("nvidia.com/"));
}

/* A resource list: what counts of it. */
static void copy_resources(struct json_writer *w, struct kube_value from, const char *key)
{
    char text[KUBE_SCALAR_MAX];
    struct kube_value list = kube_value_get(from, key);
    if (!kube_value_exists(list))
        return;
    jw_key(w, key);
    jw_object(w);
    KUBE_FOREACH(it, list)
    {
        struct str value = kube_value_str(it.value);
        if (!reads_resource(it.key))
            continue;
        jw_key_str(w, it.key);
        jw_str(w, value.len > 0 ? value : kube_value_scalar(it.value, text));
    }
    jw_object_end(w);
}

static void copy_tolerations(struct json_writer *w, struct kube_value from)
{
    static const char *const keys[] = {"key", "operator", "value", "effect"};
    struct kube_value list = kube_value_get(from, "tolerations");
    if (kube_value_count(list) == 0)
        return;
    jw_key(w, "tolerations");
    jw_array(w);
    KUBE_FOREACH(it, list)
    {
        jw_object(w);
        for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
            copy_str(w, it.value, keys[i]);
        copy_i64(w, it.value, "tolerationSeconds");
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void put_owner(struct json_writer *w, const struct kube_owner *o)
{
    if (o->uid.len == 0 && o->name.len == 0 && o->kind.len == 0)
        return;
    jw_key(w, "ownerReferences");
    jw_array(w);
    jw_object(w);
    put_str(w, "apiVersion", o->api_version);
    put_str(w, "kind", o->kind);
    put_str(w, "name", o->name);
    put_str(w, "uid", o->uid);
    jw_kv_bool(w, "controller", true);
    jw_object_end(w);
    jw_array_end(w);
}

static void copy_metadata(
        struct json_writer *w, const struct kube_item *item, const struct kube_owner *owner)
{
    struct kube_value meta = kube_item_at(item, "metadata");
    jw_key(w, "metadata");
    jw_object(w);
    copy_str(w, meta, "creationTimestamp");
    copy_str(w, meta, "deletionTimestamp");
    copy_map(w, meta, "labels", NULL);
    copy_map(w, meta, "annotations", world_reads_annotation);
    if (owner != NULL)
        put_owner(w, owner);
    jw_object_end(w);
}

/* -- pods and templates -------------------------------------------------------------------------
 */

static void copy_container(
        struct json_writer *w, struct kube_value from, const struct kube_container *c)
{
    struct kube_value resources = kube_value_get(from, "resources");
    jw_object(w);
    copy_str(w, from, "name");
    copy_str(w, from, "restartPolicy");
    const char *word = c != NULL ? snapshot_preallocator(c) : NULL;
    if (word != NULL)
        jw_kv_cstr(w, "image", word);
    if (kube_value_exists(resources)) {
        jw_key(w, "resources");
        jw_object(w);
        copy_resources(w, resources, "requests");
        copy_resources(w, resources, "limits");
        jw_object_end(w);
    }
    jw_object_end(w);
}

static void copy_containers(struct json_writer *w, struct kube_value spec, const char *key,
        const struct kube_pod_spec *read)
{
    struct kube_value list = kube_value_get(spec, key);
    uint32_t i = 0;
    if (kube_value_count(list) == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    KUBE_FOREACH(it, list)
    {
        bool is_read = read != NULL && i < read->container_count;
        copy_container(w, it.value, is_read ? &read->containers[i] : NULL);
        i++;
    }
    jw_array_end(w);
}

/* Lists whose length alone counts. */
static void put_count(struct json_writer *w, const char *key, uint32_t count)
{
    if (count == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        jw_object(w);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void put_affinity(struct json_writer *w)
{
    jw_key(w, "affinity");
    jw_object(w);
    jw_key(w, "nodeAffinity");
    jw_object(w);
    jw_key(w, "requiredDuringSchedulingIgnoredDuringExecution");
    jw_object(w);
    jw_object_end(w);
    jw_object_end(w);
    jw_object_end(w);
}

/* Any volume on the node's disk: that there is one is all that counts. */
static void put_volume(struct json_writer *w)
{
    jw_key(w, "volumes");
    jw_array(w);
    jw_object(w);
    jw_key(w, "hostPath");
    jw_object(w);
    jw_object_end(w);
    jw_object_end(w);
    jw_array_end(w);
}

static void copy_spec(
        struct json_writer *w, struct kube_value spec, const struct kube_pod_spec *read)
{
    struct kube_value resources = kube_value_get(spec, "resources");
    jw_key(w, "spec");
    jw_object(w);
    put_str(w, "nodeName", read->node);
    put_str(w, "schedulerName", read->scheduler);
    put_str(w, "priorityClassName", read->priority_class);
    put_count(w, "schedulingGates", num_min_u32(read->scheduling_gates, 1));
    put_count(w, "resourceClaims", num_min_u32(read->claim_count, 1));
    if (read->affinity_required)
        put_affinity(w);
    copy_map(w, spec, "nodeSelector", NULL);
    copy_tolerations(w, spec);
    copy_containers(w, spec, "containers", read);
    copy_containers(w, spec, "initContainers", NULL);
    if (kube_value_exists(resources)) {
        jw_key(w, "resources");
        jw_object(w);
        copy_resources(w, resources, "requests");
        jw_object_end(w);
    }
    copy_resources(w, spec, "overhead");
    if (read->local_storage)
        put_volume(w);
    jw_object_end(w);
}

static int write_other(const struct kube_pod *p, enum ctl_stay_why why, struct buf *out)
{
    struct slim_other row;
    memset(&row, 0, sizeof row); /* its bytes are compared */
    row.mark = OTHER_MARK;
    row.why = (uint8_t)why;
    row.cpu_milli = (uint32_t)num_min_i64(num_max_i64(p->spec.requests.cpu_milli, 0), INT32_MAX);
    row.memory_bytes = p->spec.requests.memory_bytes;
    if (!snapshot_pod_takes_room(p))
        return -ENOENT;
    buf_put(out, (struct str){(const char *)&row, sizeof row});
    buf_put(out, p->spec.node);
    return 0;
}

static void copy_pod_status(struct json_writer *w, const struct kube_item *item,
        const struct kube_pod *p, bool with_address)
{
    struct kube_value status = kube_item_at(item, "status");
    jw_key(w, "status");
    jw_object(w);
    copy_str(w, status, "phase");
    copy_str(w, status, "startTime");
    if (with_address)
        put_str(w, "podIP", p->ip);
    if (p->unschedulable) {
        jw_key(w, "conditions");
        jw_array(w);
        jw_object(w);
        jw_kv_cstr(w, "type", "PodScheduled");
        jw_kv_cstr(w, "status", "False");
        jw_kv_cstr(w, "reason", "Unschedulable");
        jw_object_end(w);
        jw_array_end(w);
    }
    jw_object_end(w);
}

static int write_pod(const struct kube_item *item, struct buf *out)
{
    struct kube_pod p;
    kube_pod_read(item, &p);
    bool exporter = snapshot_is_exporter(item);
    enum ctl_stay_why why = snapshot_stay_why(item, &p);
    bool whole = why == CTL_STAY_SYSTEM && snapshot_pod_takes_room(&p); /* by its labels */
    if (!exporter && !whole && !snapshot_asks_gpu(&p.spec))
        return write_other(&p, why, out);
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    copy_metadata(&w, item, &p.owner);
    copy_spec(&w, kube_item_at(item, "spec"), &p.spec);
    copy_pod_status(&w, item, &p, exporter);
    jw_object_end(&w);
    return 0;
}

/* -- owners -------------------------------------------------------------------------------------
 */

/* The template and the counts, at their own place in the kind. */
static void copy_workload_spec(struct json_writer *w, enum ctl_kind kind,
        const struct kube_item *item, const struct kube_workload *read)
{
    bool cron = kind == CTL_CRONJOBS;
    struct kube_value spec = kube_item_at(item, "spec");
    struct kube_value template =
            kube_value_at(spec, cron ? "jobTemplate.spec.template" : "template");
    copy_i64(w, spec, "replicas");
    copy_i64(w, spec, "parallelism");
    copy_true(w, spec, "suspend");
    if (cron) {
        jw_key(w, "jobTemplate");
        jw_object(w);
        jw_key(w, "spec");
        jw_object(w);
    }
    jw_key(w, "template");
    jw_object(w);
    jw_key(w, "metadata");
    jw_object(w);
    copy_map(w, read->template_metadata, "labels", NULL);
    copy_map(w, read->template_metadata, "annotations", world_reads_annotation);
    jw_object_end(w);
    copy_spec(w, kube_value_get(template, "spec"), &read->spec);
    jw_object_end(w);
    if (cron) {
        jw_object_end(w);
        jw_object_end(w);
    }
}

/* Of one without GPUs, whose it is: a ReplicaSet leads from its pods to a Deployment. */
static int write_workload(enum ctl_kind kind, const struct kube_item *item, struct buf *out)
{
    struct kube_workload read;
    struct json_writer w = JSON_WRITER(out, 0);
    snapshot_read_workload(kind, item, &read);
    bool gpus = snapshot_asks_gpu(&read.spec) || kind == CTL_DAEMONSETS;
    jw_object(&w);
    if (gpus) {
        copy_metadata(&w, item, &read.owner);
        jw_key(&w, "spec");
        jw_object(&w);
        copy_workload_spec(&w, kind, item, &read);
        jw_object_end(&w);
        jw_key(&w, "status");
        jw_object(&w);
        copy_i64(&w, kube_item_at(item, "status"), "desiredNumberScheduled");
        jw_object_end(&w);
    } else {
        jw_key(&w, "metadata");
        jw_object(&w);
        put_owner(&w, &read.owner);
        jw_object_end(&w);
    }
    jw_object_end(&w);
    return 0;
}

/* -- the other kinds ----------------------------------------------------------------------------
 */

static void copy_taints(struct json_writer *w, const struct kube_node *n)
{
    if (n->taint_count == 0)
        return;
    jw_key(w, "taints");
    jw_array(w);
    for (uint32_t i = 0; i < n->taint_count; i++) {
        jw_object(w);
        put_str(w, "key", n->taints[i].key);
        put_str(w, "value", n->taints[i].value);
        put_str(w, "effect", n->taints[i].effect);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void put_pair(struct json_writer *w, const char *list, const char *const *names,
        const char *type, struct str value)
{
    jw_key(w, list);
    jw_array(w);
    jw_object(w);
    jw_kv_cstr(w, names[0], type);
    jw_kv_str(w, names[1], value);
    jw_object_end(w);
    jw_array_end(w);
}

static int write_node(const struct kube_item *item, struct buf *out)
{
    static const char *const condition[] = {"type", "status"}, *const address[] = {
                                                                       "type", "address"};
    struct kube_node n;
    struct kube_value status = kube_item_at(item, "status");
    struct json_writer w = JSON_WRITER(out, 0);
    kube_node_read(item, &n);
    jw_object(&w);
    copy_metadata(&w, item, NULL);
    jw_key(&w, "spec");
    jw_object(&w);
    put_str(&w, "providerID", n.provider_id);
    if (n.unschedulable)
        jw_kv_bool(&w, "unschedulable", true);
    copy_taints(&w, &n);
    jw_object_end(&w);
    jw_key(&w, "status");
    jw_object(&w);
    copy_resources(&w, status, "capacity");
    copy_resources(&w, status, "allocatable");
    if (n.ready)
        put_pair(&w, "conditions", condition, "Ready", STR_LIT("True"));
    if (n.internal_ip.len > 0)
        put_pair(&w, "addresses", address, "InternalIP", n.internal_ip);
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

static int write_budget(const struct kube_item *item, struct buf *out)
{
    struct kube_value spec = kube_item_at(item, "spec");
    struct kube_value selector = kube_value_get(spec, "selector");
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    if (kube_value_exists(selector)) {
        jw_key(&w, "selector");
        jw_object(&w);
        copy_map(&w, selector, "matchLabels", NULL);
        struct kube_value terms = kube_value_get(selector, "matchExpressions");
        put_count(&w, "matchExpressions", num_min_u32(kube_value_count(terms), 1));
        jw_object_end(&w);
    }
    copy_scalar(&w, spec, "minAvailable");
    copy_scalar(&w, spec, "maxUnavailable");
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

/* Of what is used, only what is beyond the limit is kept: the rest changes with every pod, and that
 * there is a quota counts. */
static int write_quota(const struct kube_item *item, struct buf *out)
{
    struct kube_quota q;
    struct json_writer w = JSON_WRITER(out, 0);
    kube_quota_read(item, &q);
    bool any = false;
    for (uint32_t i = 0; i < q.count; i++)
        any |= snapshot_quota_counts(q.list[i].name);
    if (!any)
        return -ENOENT;
    jw_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    jw_key(&w, "hard");
    jw_object(&w);
    for (uint32_t i = 0; i < q.count; i++) {
        if (!snapshot_quota_counts(q.list[i].name))
            continue;
        jw_key_str(&w, q.list[i].name);
        jw_i64(&w, q.list[i].hard);
    }
    jw_object_end(&w);
    jw_object_end(&w);
    jw_key(&w, "status");
    jw_object(&w);
    jw_key(&w, "used");
    jw_object(&w);
    for (uint32_t i = 0; i < q.count; i++) {
        if (!snapshot_quota_counts(q.list[i].name) || q.list[i].used <= q.list[i].hard)
            continue;
        jw_key_str(&w, q.list[i].name);
        jw_i64(&w, q.list[i].used);
    }
    jw_object_end(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

static int write_config(const struct kube_item *item, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_key(&w, "labels");
    jw_object(&w);
    put_str(&w, CTL_LABEL_MANAGED_BY, kube_item_label(item, CTL_LABEL_MANAGED_BY));
    jw_object_end(&w);
    jw_object_end(&w);
    jw_key(&w, "data");
    jw_object(&w);
    KUBE_FOREACH(it, kube_item_at(item, "data"))
    {
        jw_key_str(&w, it.key);
        jw_str(&w, kube_value_str(it.value));
    }
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

static void copy_operand(struct json_writer *w, const struct kube_item *item, const char *part)
{
    struct kube_value of = kube_value_get(kube_item_at(item, "spec"), part);
    struct kube_value config = kube_value_get(of, "config");
    jw_key(w, part);
    jw_object(w);
    jw_key(w, "config");
    jw_object(w);
    copy_str(w, config, "name");
    copy_str(w, config, "default");
    jw_object_end(w);
    copy_str(w, of, "version");
    jw_object_end(w);
}

static void copy_exporter(struct json_writer *w, const struct kube_item *item)
{
    jw_key(w, "dcgmExporter");
    jw_object(w);
    jw_key(w, "env");
    jw_array(w);
    KUBE_FOREACH(it, kube_item_at(item, "spec.dcgmExporter.env"))
    {
        if (!str_eq_c(kube_value_str(kube_value_get(it.value, "name")), CTL_ENV_VIRTUAL_GPUS))
            continue;
        jw_object(w);
        copy_str(w, it.value, "name");
        copy_str(w, it.value, "value");
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_object_end(w);
}

static int write_operator(const struct kube_item *item, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    copy_operand(&w, item, "devicePlugin");
    copy_operand(&w, item, "migManager");
    jw_key(&w, "mig");
    jw_object(&w);
    copy_str(&w, kube_item_at(item, "spec.mig"), "strategy");
    jw_object_end(&w);
    copy_exporter(&w, item);
    jw_key(&w, "daemonsets");
    jw_object(&w);
    copy_tolerations(&w, kube_item_at(item, "spec.daemonsets"));
    jw_object_end(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

static int write_slice(const struct kube_item *item, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    struct kube_value spec = kube_item_at(item, "spec");
    if (!snapshot_slice_counts(spec))
        return -ENOENT;
    jw_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    copy_str(&w, spec, "driver");
    copy_str(&w, spec, "nodeName");
    jw_object_end(&w);
    jw_object_end(&w);
    return 0;
}

/* -- rows ---------------------------------------------------------------------------------------
 */

int ctl_slim_write(enum ctl_kind kind, const struct kube_item *item, struct buf *out)
{
    switch (kind) {
    case CTL_NODES:
        return write_node(item, out);
    case CTL_PODS:
        return write_pod(item, out);
    case CTL_DEPLOYMENTS:
    case CTL_STATEFULSETS:
    case CTL_REPLICASETS:
    case CTL_DAEMONSETS:
    case CTL_JOBS:
    case CTL_CRONJOBS:
        return write_workload(kind, item, out);
    case CTL_BUDGETS:
        return write_budget(item, out);
    case CTL_QUOTAS:
        return write_quota(item, out);
    case CTL_CONFIGMAPS:
        return write_config(item, out);
    case CTL_CLUSTER_POLICIES:
        return write_operator(item, out);
    case CTL_SLICES:
        return write_slice(item, out);
    case CTL_KIND_COUNT:
        break;
    }
    assert(false);
    return -ENOENT;
}

int ctl_slim_put(struct ctl_snapshot *s, struct arena *scratch, enum ctl_kind kind,
        const struct kube_row *row, struct err *reterr)
{
    struct str text = {row->bytes, row->size};
    if (kind == CTL_PODS && text.len >= sizeof(struct slim_other) && text.ptr[0] == OTHER_MARK) {
        const struct slim_other *o = row->bytes;
        struct str node = {o->node, text.len - sizeof *o};
        snapshot_put_other(s, node, o->cpu_milli, o->memory_bytes);
        s->taken[CTL_PODS]++;
        if (o->why == CTL_STAY_NOT)
            return 0;
        return snapshot_put_stay(s,
                &(struct ctl_stay){.node = node,
                        .namespace = row->namespace,
                        .name = row->name,
                        .why = (enum ctl_stay_why)o->why},
                reterr);
    }
    struct kube_item item = {.namespace = row->namespace,
            .name = row->name,
            .uid = row->uid,
            .version = row->version};
    arena_reset(scratch);
    int rc = kube_value_parse(scratch, text, &item.root, reterr);
    return rc < 0 ? rc : ctl_snapshot_put(s, kind, &item, reterr);
}
