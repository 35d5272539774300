/* ctl/snapshot.c - see snapshot.h.  No I/O. */
#include "ctl/snapshot-priv.h"

#include "base/num.h"
#include "ctl/names.h"
#include "kube/split.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { SPEC_TEXT_MAX = 4096 };

static const struct ctl_kind_info kinds[CTL_KIND_COUNT] = {
        [CTL_NODES] = {"Node", "nodes", "", "/api/v1/nodes", false, true, "nothing can be planned"},
        [CTL_PODS] = {"Pod", "pods", "", "/api/v1/pods", false, true, "nothing can be planned"},
        [CTL_DEPLOYMENTS] = {"Deployment", "deployments", "apps", "/apis/apps/v1/deployments",
                false, false, "pods of Deployments are left alone: their template is not known"},
        [CTL_STATEFULSETS] = {"StatefulSet", "statefulsets", "apps", "/apis/apps/v1/statefulsets",
                false, false, "pods of StatefulSets are left alone: their template is not known"},
        [CTL_REPLICASETS] = {"ReplicaSet", "replicasets", "apps", "/apis/apps/v1/replicasets",
                false, false, "pods of Deployments are left alone: nobody tells whose they are"},
        [CTL_DAEMONSETS] = {"DaemonSet", "daemonsets", "apps", "/apis/apps/v1/daemonsets", false,
                false, "whether NVIDIA's DaemonSets tolerate a taint is not known"},
        [CTL_JOBS] = {"Job", "jobs", "batch", "/apis/batch/v1/jobs", false, false,
                "pods of Jobs are left alone: their template is not known"},
        [CTL_CRONJOBS] = {"CronJob", "cronjobs", "batch", "/apis/batch/v1/cronjobs", false, false,
                "Jobs of CronJobs are left alone: their template is not known"},
        [CTL_BUDGETS] = {"PodDisruptionBudget", "poddisruptionbudgets", "policy",
                "/apis/policy/v1/poddisruptionbudgets", false, false,
                "no eviction can be called safe"},
        [CTL_QUOTAS] = {"ResourceQuota", "resourcequotas", "", "/api/v1/resourcequotas", false,
                false, "a quota on GPUs may refuse what is proposed"},
        [CTL_CONFIGMAPS] = {"ConfigMap", "configmaps", "", "/api/v1/configmaps", false, false,
                "how nodes share GPUs today is read from their labels alone"},
        [CTL_CLUSTER_POLICIES] = {"ClusterPolicy", "clusterpolicies", "nvidia.com",
                "/apis/nvidia.com/v1/clusterpolicies", true, false,
                "whether the GPU Operator would take a configuration is not known"},
        [CTL_SLICES] = {"ResourceSlice", "resourceslices", "resource.k8s.io",
                "/apis/resource.k8s.io/v1/resourceslices", true, false,
                "a node whose GPUs a DRA driver holds may be taken for a free one"},
};

const struct ctl_kind_info *ctl_kind_info(enum ctl_kind k)
{
    assert(k < CTL_KIND_COUNT);
    return &kinds[k];
}

enum ctl_kind ctl_kind_find(struct str kind)
{
    enum ctl_kind k = 0;
    while (k < CTL_KIND_COUNT && !str_eq_c(kind, kinds[k].kind))
        k++;
    return k;
}

struct str ctl_labels_get_str(const struct ctl_labels *l, struct str key)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const struct str at = l->list[i].key;
        if (at.len == key.len && memcmp(at.ptr, key.ptr, key.len) == 0)
            return l->list[i].value;
    }
    return (struct str){0};
}

struct str ctl_labels_get(const struct ctl_labels *l, const char *key)
{
    return ctl_labels_get_str(l, str_from(key));
}

struct ctl_snapshot *ctl_snapshot_new(void)
{
    struct ctl_snapshot *s = mem_alloc(1, sizeof *s);
    s->a = arena_new((size_t)8 << 30);
    return s;
}

struct ctl_snapshot *ctl_snapshot_free(struct ctl_snapshot *s)
{
    if (s == NULL)
        return NULL;
    map_str_clear(&s->dra_nodes);
    map_str_clear(&s->others);
    map_str_clear(&s->workload_by_uid);
    map_str_clear(&s->seen);
    mem_free(s->nodes);
    mem_free(s->pods);
    mem_free(s->workloads);
    mem_free(s->budgets);
    mem_free(s->quotas);
    mem_free(s->configs);
    mem_free(s->maps);
    mem_free(s->exporters);
    mem_free(s->stays);
    mem_free(s->other);
    (void)arena_free(s->a);
    mem_free(s);
    return NULL;
}

/* -- copying what is kept -----------------------------------------------------------------------
 */

/* A zeroed row at the end of a growing array; NULL past `max`. */
static void *row_add(void *rows_ptr, uint32_t *count, uint32_t *cap, size_t size, uint32_t max)
{
    if (*count >= max)
        return NULL;
    void *rows;
    memcpy(&rows, rows_ptr, sizeof rows);
    if (*count == *cap) {
        *cap = *cap == 0 ? 64 : *cap * 2;
        rows = mem_grow(rows, *cap, size);
        memcpy(rows_ptr, &rows, sizeof rows);
    }
    void *row = (char *)rows + (size_t)(*count)++ * size;
    memset(row, 0, size);
    return row;
}

#define ROW_ADD(s, field, max)                                                                     \
    row_add(&(s)->field##s, &(s)->field##_count, &(s)->field##_cap, sizeof *(s)->field##s, (max))

static struct str keep(struct ctl_snapshot *s, struct str text)
{
    if (text.len == 0)
        return (struct str){0};
    return arena_str(s->a, text);
}

static struct kube_owner keep_owner(struct ctl_snapshot *s, const struct kube_owner *o)
{
    return (struct kube_owner){
            keep(s, o->kind), keep(s, o->name), keep(s, o->uid), keep(s, o->api_version)};
}

/* Long values (last-applied configurations) are none that we read. */
static struct ctl_labels keep_labels(struct ctl_snapshot *s, struct kube_value map)
{
    uint32_t count = num_min_u32(kube_value_count(map), CTL_LABELS_MAX);
    struct kube_pair *list = ARENA_ARRAY(s->a, struct kube_pair, count + 1);
    uint32_t n = 0;
    KUBE_FOREACH(it, map)
    {
        struct str value = kube_value_str(it.value);
        if (n < count && value.len <= SPEC_TEXT_MAX)
            list[n++] = (struct kube_pair){keep(s, it.key), keep(s, value)};
    }
    return (struct ctl_labels){n, list};
}

static struct ctl_labels labels_join(
        struct ctl_snapshot *s, const struct ctl_labels *a, const struct ctl_labels *b)
{
    struct kube_pair *list = ARENA_ARRAY(s->a, struct kube_pair, (size_t)a->count + b->count + 1);
    if (a->count > 0)
        memcpy(list, a->list, a->count * sizeof *list);
    if (b->count > 0)
        memcpy(list + a->count, b->list, b->count * sizeof *list);
    return (struct ctl_labels){a->count + b->count, list};
}

static void keep_tolerations(struct ctl_snapshot *s, const struct kube_toleration *from,
        uint32_t count, const struct kube_toleration **ret_list)
{
    struct kube_toleration *list = ARENA_ARRAY(s->a, struct kube_toleration, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (struct kube_toleration){keep(s, from[i].key), keep(s, from[i].op),
                keep(s, from[i].value), keep(s, from[i].effect), from[i].seconds};
    }
    *ret_list = list;
}

/* -- what a pod asks for ------------------------------------------------------------------------
 */

static bool contains(struct str text, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, part, len) == 0)
            return true;
    }
    return false;
}

/* Servers that take the memory of a GPU when they start, whatever they need of it.  The image names
 * them, or the command does.  INVARIANT: no part holds one that stands before it. */
static const struct preallocator {
    const char *part, *why;
} preallocators[] = {
        {"vllm", "vLLM"},
        {"sglang", "SGLang"},
        {"tensorflow", "TensorFlow"},
        {"tensorrt-llm", "TensorRT-LLM"},
        {"trtllm", "TensorRT-LLM"},
        {"text-generation-inference", "text-generation-inference"},
        {"nvcr.io/nim", "NVIDIA NIM"},
        {"jax", "JAX"},
};

static const struct preallocator *preallocator_in(struct str text)
{
    for (unsigned i = 0; i < sizeof preallocators / sizeof preallocators[0]; i++) {
        if (contains(text, preallocators[i].part))
            return &preallocators[i];
    }
    return NULL;
}

static const struct preallocator *preallocator_in_list(struct kube_value list)
{
    KUBE_FOREACH(it, list)
    {
        const struct preallocator *p = preallocator_in(kube_value_str(it.value));
        if (p != NULL)
            return p;
    }
    return NULL;
}

/* The switches by which TensorFlow and JAX are told to take memory as they need it. */
static bool grows_by_choice(struct kube_value env)
{
    KUBE_FOREACH(it, env)
    {
        struct str name = kube_value_str(kube_value_get(it.value, "name"));
        struct str value = kube_value_str(kube_value_get(it.value, "value"));
        if (str_eq_c(name, "TF_FORCE_GPU_ALLOW_GROWTH") && str_eq_c(value, "true"))
            return true;
        if (str_eq_c(name, "XLA_PYTHON_CLIENT_PREALLOCATE") && str_eq_c(value, "false"))
            return true;
    }
    return false;
}

static const struct preallocator *preallocator_of(const struct kube_container *c)
{
    const struct preallocator *p = preallocator_in(c->image);
    if (p == NULL)
        p = preallocator_in_list(c->command);
    if (p == NULL)
        p = preallocator_in_list(c->args);
    return p != NULL && !grows_by_choice(c->env) ? p : NULL;
}

const char *snapshot_preallocator(const struct kube_container *c)
{
    const struct preallocator *p = preallocator_of(c);
    return p != NULL ? p->part : NULL;
}

static void see_preallocation(const struct kube_pod_spec *f, struct ctl_pod_spec *spec)
{
    for (uint32_t i = 0; i < f->container_count; i++) {
        const struct preallocator *p = preallocator_of(&f->containers[i]);
        if (p != NULL) {
            spec->preallocates_seen = true;
            spec->preallocates_why = p->why;
            return;
        }
    }
}

/* Where the pods may go. */
static void keep_placing(
        struct ctl_snapshot *s, const struct kube_pod_spec *f, struct ctl_pod_spec *ret_spec)
{
    struct kube_pair *selector = ARENA_ARRAY(s->a, struct kube_pair, f->selector_count + 1);
    for (uint32_t i = 0; i < f->selector_count; i++) {
        selector[i] =
                (struct kube_pair){keep(s, f->selector[i].key), keep(s, f->selector[i].value)};
    }
    ret_spec->selector = selector;
    ret_spec->selector_count = f->selector_count;
    /* More terms than are read are as good as terms that are not understood. */
    ret_spec->affinity_required |= f->selector_beyond > 0;
    ret_spec->toleration_count = f->toleration_count;
    keep_tolerations(s, f->tolerations, f->toleration_count, &ret_spec->tolerations);
}

/* always: where its pods may go matters without GPUs too. */
static void keep_spec(struct ctl_snapshot *s, const struct kube_pod_spec *f, bool always,
        struct ctl_pod_spec *ret_spec)
{
    *ret_spec = (struct ctl_pod_spec){
            .cpu_milli = f->requests.cpu_milli,
            .memory_bytes = f->requests.memory_bytes,
            .scheduler = keep(s, f->scheduler),
            .priority_class = keep(s, f->priority_class),
            .affinity_required = f->affinity_required,
            .claims = f->claim_count + f->claims_beyond > 0,
            .gated = f->scheduling_gates > 0,
            .local_storage = f->local_storage,
            .gpu_containers = f->gpu_containers,
            .gpu_container = keep(s, f->gpu_container),
    };
    for (uint32_t i = 0; i < f->requests.count; i++) {
        const struct kube_resource *r = &f->requests.list[i];
        if (r->count <= 0 || !str_starts(r->name, STR_LIT("nvidia.com/")))
            continue;
        if (ret_spec->gpu_kinds++ == 0) {
            ret_spec->gpu_resource = keep(s, r->name);
            ret_spec->gpu_count = (uint32_t)num_min_i64(r->count, UINT32_MAX);
        }
    }
    if (ret_spec->gpu_kinds > 0 || always)
        keep_placing(s, f, ret_spec);
    if (ret_spec->gpu_kinds > 0)
        see_preallocation(f, ret_spec);
}
/* -- kinds --------------------------------------------------------------------------------------
 */

static int too_many(enum ctl_kind kind, uint32_t max, struct err *reterr)
{
    return err_set(reterr, -E2BIG, "more than %u %s", max, kinds[kind].plural);
}

static void keep_resources(struct ctl_snapshot *s, struct kube_resources *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        r->list[i].name = keep(s, r->list[i].name);
}

static int put_node(struct ctl_snapshot *s, const struct kube_item *item, struct err *reterr)
{
    struct ctl_node *n = ROW_ADD(s, node, CTL_NODES_MAX);
    if (n == NULL)
        return too_many(CTL_NODES, CTL_NODES_MAX, reterr);
    kube_node_read(item, &n->fields);
    n->name = keep(s, item->name);
    n->uid = keep(s, item->uid);
    n->version = item->version;
    n->fields.provider_id = keep(s, n->fields.provider_id);
    n->fields.internal_ip = keep(s, n->fields.internal_ip);
    keep_resources(s, &n->fields.capacity);
    keep_resources(s, &n->fields.allocatable);
    for (uint32_t i = 0; i < n->fields.taint_count; i++) {
        struct kube_taint *t = &n->fields.taints[i];
        *t = (struct kube_taint){keep(s, t->key), keep(s, t->value), keep(s, t->effect)};
    }
    n->labels = keep_labels(s, kube_item_at(item, "metadata.labels"));
    n->annotations = keep_labels(s, kube_item_at(item, "metadata.annotations"));
    return 0;
}

bool snapshot_is_exporter(const struct kube_item *item)
{
    static const char *const keys[] = {"app", "app.kubernetes.io/name"};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct str value = kube_item_label(item, keys[i]);
        if (str_eq_c(value, "nvidia-dcgm-exporter") || str_eq_c(value, "dcgm-exporter"))
            return true;
    }
    return false;
}

static int put_exporter(struct ctl_snapshot *s, const struct kube_item *item,
        const struct kube_pod *p, struct err *reterr)
{
    if (p->ip.len == 0 || p->spec.node.len == 0 || p->phase != KUBE_POD_RUNNING)
        return 0;
    struct ctl_exporter *e = ROW_ADD(s, exporter, CTL_NODES_MAX);
    if (e == NULL)
        return too_many(CTL_PODS, CTL_NODES_MAX, reterr);
    *e = (struct ctl_exporter){
            keep(s, p->spec.node), keep(s, p->ip), keep(s, item->namespace), keep(s, item->name)};
    return 0;
}

bool snapshot_pod_takes_room(const struct kube_pod *p)
{
    return p->spec.node.len > 0 && p->phase != KUBE_POD_SUCCEEDED && p->phase != KUBE_POD_FAILED;
}

void snapshot_put_other(
        struct ctl_snapshot *s, struct str node, int64_t cpu_milli, int64_t memory_bytes)
{
    uint32_t i = map_str_find(&s->others, node);
    if (i == MAP_NONE) {
        uint32_t count = s->others.live_count;
        i = count;
        (void)row_add(&s->other, &count, &s->other_cap, sizeof *s->other, UINT32_MAX);
        (void)map_str_set(&s->others, node, i);
    }
    s->other[i].cpu_milli += num_min_i64(cpu_milli, INT32_MAX);
    s->other[i].memory_bytes += num_min_i64(memory_bytes, INT64_MAX >> 24);
    s->other[i].pods++;
}

bool snapshot_asks_gpu(const struct kube_pod_spec *f)
{
    for (uint32_t i = 0; i < f->requests.count; i++) {
        const struct kube_resource *r = &f->requests.list[i];
        if (r->count > 0 && str_starts(r->name, STR_LIT("nvidia.com/")))
            return true;
    }
    return f->claim_count + f->claims_beyond > 0;
}

enum ctl_stay_why snapshot_stay_why(const struct kube_item *item, const struct kube_pod *p)
{
    struct kube_value marks = kube_item_at(item, "metadata.annotations");
    struct str safe = kube_value_str(kube_value_get(marks, CTL_ANNOTATION_SAFE_TO_EVICT));
    struct str keep = kube_value_str(kube_value_get(marks, CTL_ANNOTATION_DO_NOT_DISRUPT));
    /* DaemonSets' pods and the static ones, which their Node owns, go with the node. */
    if (str_eq_c(p->owner.kind, "DaemonSet") || str_eq_c(p->owner.kind, "Node") ||
            p->deleted_wall_ns != 0 || str_eq_c(safe, "true"))
        return CTL_STAY_NOT;
    if (str_eq_c(safe, "false") || str_eq_c(keep, "true"))
        return CTL_STAY_ANNOTATION;
    if (p->owner.kind.len == 0)
        return CTL_STAY_BARE;
    if (str_eq_c(item->namespace, "kube-system"))
        return CTL_STAY_SYSTEM;
    return p->spec.local_storage ? CTL_STAY_STORAGE : CTL_STAY_NOT;
}

int snapshot_put_stay(struct ctl_snapshot *s, const struct ctl_stay *stay, struct err *reterr)
{
    struct ctl_stay *row = ROW_ADD(s, stay, CTL_PODS_MAX);
    if (row == NULL)
        return too_many(CTL_PODS, CTL_PODS_MAX, reterr);
    *row = *stay;
    row->node = keep(s, stay->node);
    row->namespace = keep(s, stay->namespace);
    row->name = keep(s, stay->name);
    return 0;
}

static int put_pod(struct ctl_snapshot *s, const struct kube_item *item, struct err *reterr)
{
    struct kube_pod p;
    struct ctl_pod_spec spec;
    kube_pod_read(item, &p);
    enum ctl_stay_why stays =
            snapshot_pod_takes_room(&p) ? snapshot_stay_why(item, &p) : CTL_STAY_NOT;
    if (stays != CTL_STAY_NOT) {
        struct ctl_stay stay = {p.spec.node, item->namespace, item->name, stays, {0}};
        if (stays == CTL_STAY_SYSTEM)
            stay.labels = keep_labels(s, kube_item_at(item, "metadata.labels"));
        int rc = snapshot_put_stay(s, &stay, reterr);
        if (rc < 0)
            return rc;
    }
    if (!snapshot_asks_gpu(&p.spec)) {
        if (snapshot_pod_takes_room(&p)) {
            snapshot_put_other(
                    s, p.spec.node, p.spec.requests.cpu_milli, p.spec.requests.memory_bytes);
        }
        return snapshot_is_exporter(item) ? put_exporter(s, item, &p, reterr) : 0;
    }
    keep_spec(s, &p.spec, false, &spec);
    struct ctl_pod *row = ROW_ADD(s, pod, CTL_PODS_MAX);
    if (row == NULL)
        return too_many(CTL_PODS, CTL_PODS_MAX, reterr);
    *row = (struct ctl_pod){
            .namespace = keep(s, item->namespace),
            .name = keep(s, item->name),
            .uid = keep(s, item->uid),
            .node = keep(s, p.spec.node),
            .version = item->version,
            .owner = keep_owner(s, &p.owner),
            .phase = p.phase,
            .unschedulable = p.unschedulable,
            .created_wall_ns = p.created_wall_ns,
            .started_wall_ns = p.started_wall_ns,
            .deleted_wall_ns = p.deleted_wall_ns,
            .spec = spec,
            .labels = keep_labels(s, kube_item_at(item, "metadata.labels")),
            .annotations = keep_labels(s, kube_item_at(item, "metadata.annotations")),
    };
    return 0;
}

/* A CronJob keeps its Jobs' template one level deeper. */
void snapshot_read_workload(
        enum ctl_kind kind, const struct kube_item *item, struct kube_workload *ret_workload)
{
    kube_workload_read(item, ret_workload);
    if (kind != CTL_CRONJOBS)
        return;
    struct kube_value template = kube_item_at(item, "spec.jobTemplate.spec.template");
    ret_workload->template_metadata = kube_value_get(template, "metadata");
    ret_workload->replicas = 0;
    kube_pod_spec_read(kube_value_get(template, "spec"), &ret_workload->spec);
}

static int put_workload(struct ctl_snapshot *s, enum ctl_kind kind, const struct kube_item *item,
        struct err *reterr)
{
    struct kube_workload f;
    struct ctl_workload *w = ROW_ADD(s, workload, CTL_WORKLOADS_MAX);
    if (w == NULL)
        return too_many(kind, CTL_WORKLOADS_MAX, reterr);
    snapshot_read_workload(kind, item, &f);
    w->kind = kind;
    w->namespace = keep(s, item->namespace);
    w->name = keep(s, item->name);
    w->uid = keep(s, item->uid);
    w->version = item->version;
    w->owner = keep_owner(s, &f.owner);
    w->replicas = f.suspended ? 0 : f.replicas;
    keep_spec(s, &f.spec, kind == CTL_DAEMONSETS, &w->spec);
    if (w->uid.len > 0)
        (void)map_str_set(&s->workload_by_uid, w->uid, s->workload_count - 1);
    if (w->spec.gpu_kinds == 0)
        return 0;
    struct ctl_labels own = keep_labels(s, kube_item_at(item, "metadata.labels"));
    struct ctl_labels of_template = keep_labels(s, kube_value_get(f.template_metadata, "labels"));
    w->labels = labels_join(s, &of_template, &own);
    own = keep_labels(s, kube_item_at(item, "metadata.annotations"));
    of_template = keep_labels(s, kube_value_get(f.template_metadata, "annotations"));
    w->annotations = labels_join(s, &of_template, &own);
    return 0;
}

static int put_budget(struct ctl_snapshot *s, const struct kube_item *item, struct err *reterr)
{
    struct kube_pdb f;
    struct ctl_budget *b = ROW_ADD(s, budget, CTL_WORKLOADS_MAX);
    if (b == NULL)
        return too_many(CTL_BUDGETS, CTL_WORKLOADS_MAX, reterr);
    kube_pdb_read(item, &f);
    struct ctl_labels labels = keep_labels(s, kube_value_get(f.selector, "matchLabels"));
    *b = (struct ctl_budget){
            .namespace = keep(s, item->namespace),
            .name = keep(s, item->name),
            .selects_all = f.selects_all,
            .simple = !kube_value_exists(kube_value_get(f.selector, "matchExpressions")),
            .label_count = labels.count,
            .labels = labels.list,
            .min_available = keep(s, str_from(f.min_available)),
            .max_unavailable = keep(s, str_from(f.max_unavailable)),
    };
    return 0;
}

bool snapshot_quota_counts(struct str resource)
{
    return contains(resource, "nvidia.com/");
}

static int put_quota(struct ctl_snapshot *s, const struct kube_item *item, struct err *reterr)
{
    struct kube_quota f;
    kube_quota_read(item, &f);
    uint32_t told = UINT32_MAX;
    bool beyond = false;
    for (uint32_t i = 0; i < f.count && !beyond; i++) {
        if (!snapshot_quota_counts(f.list[i].name))
            continue;
        beyond = f.list[i].used > f.list[i].hard;
        told = beyond || told == UINT32_MAX ? i : told;
    }
    if (told == UINT32_MAX)
        return 0;
    struct ctl_quota *q = ROW_ADD(s, quota, CTL_WORKLOADS_MAX);
    if (q == NULL)
        return too_many(CTL_QUOTAS, CTL_WORKLOADS_MAX, reterr);
    *q = (struct ctl_quota){
            keep(s, item->namespace), keep(s, item->name), keep(s, f.list[told].name), beyond};
    return 0;
}

static int put_config(struct ctl_snapshot *s, const struct kube_item *item, struct err *reterr)
{
    struct ctl_config_map *m = ROW_ADD(s, map, CTL_WORKLOADS_MAX);
    if (m == NULL)
        return too_many(CTL_CONFIGMAPS, CTL_WORKLOADS_MAX, reterr);
    *m = (struct ctl_config_map){keep(s, item->namespace), keep(s, item->name), item->version,
            str_eq_c(kube_item_label(item, CTL_LABEL_MANAGED_BY), "slicewright")};
    KUBE_FOREACH(it, kube_item_at(item, "data"))
    {
        struct ctl_config_key *c = ROW_ADD(s, config, CTL_WORKLOADS_MAX);
        if (c == NULL)
            return too_many(CTL_CONFIGMAPS, CTL_WORKLOADS_MAX, reterr);
        *c = (struct ctl_config_key){keep(s, item->namespace), keep(s, item->name), keep(s, it.key),
                keep(s, kube_value_str(it.value)), item->version};
    }
    return 0;
}

static bool exporter_names_all(const struct kube_item *item)
{
    KUBE_FOREACH(it, kube_item_at(item, "spec.dcgmExporter.env"))
    {
        if (str_eq_c(kube_value_str(kube_value_get(it.value, "name")), CTL_ENV_VIRTUAL_GPUS))
            return str_eq_c(kube_value_str(kube_value_get(it.value, "value")), "true");
    }
    return false;
}

static void put_operator(struct ctl_snapshot *s, const struct kube_item *item)
{
    struct kube_toleration list[KUBE_TOLERATIONS_MAX];
    uint32_t count = 0;
    KUBE_FOREACH(it, kube_item_at(item, "spec.daemonsets.tolerations"))
    {
        if (count < KUBE_TOLERATIONS_MAX) {
            list[count++] =
                    (struct kube_toleration){kube_value_str(kube_value_get(it.value, "key")),
                            kube_value_str(kube_value_get(it.value, "operator")),
                            kube_value_str(kube_value_get(it.value, "value")),
                            kube_value_str(kube_value_get(it.value, "effect")), -1};
        }
    }
    struct ctl_operator *o = &s->operator;
    *o = (struct ctl_operator){
            .present = true,
            .plugin_config =
                    keep(s, kube_value_str(kube_item_at(item, "spec.devicePlugin.config.name"))),
            .plugin_default =
                    keep(s, kube_value_str(kube_item_at(item, "spec.devicePlugin.config.default"))),
            .plugin_version =
                    keep(s, kube_value_str(kube_item_at(item, "spec.devicePlugin.version"))),
            .mig_config =
                    keep(s, kube_value_str(kube_item_at(item, "spec.migManager.config.name"))),
            .mig_default =
                    keep(s, kube_value_str(kube_item_at(item, "spec.migManager.config.default"))),
            .mig_strategy = keep(s, kube_value_str(kube_item_at(item, "spec.mig.strategy"))),
            .exporter_names_all = exporter_names_all(item),
            .toleration_count = count,
    };
    keep_tolerations(s, list, count, &o->tolerations);
}

bool snapshot_slice_counts(struct kube_value spec)
{
    return str_eq_c(kube_value_str(kube_value_get(spec, "driver")), "gpu.nvidia.com") &&
           kube_value_str(kube_value_get(spec, "nodeName")).len > 0;
}

static void put_slice(struct ctl_snapshot *s, const struct kube_item *item)
{
    struct kube_value spec = kube_item_at(item, "spec");
    if (snapshot_slice_counts(spec))
        (void)map_str_set(&s->dra_nodes, kube_value_str(kube_value_get(spec, "nodeName")), 1);
}

int ctl_snapshot_put(struct ctl_snapshot *s, enum ctl_kind kind, const struct kube_item *item,
        struct err *reterr)
{
    if (item->name.len == 0)
        return err_set(reterr, -EINVAL, "a %s without a name", kinds[kind].kind);
    if (!s->each_once && item->uid.len > 0 && map_str_set(&s->seen, item->uid, 1) != MAP_NONE)
        return 0;
    s->taken[kind]++;
    switch (kind) {
    case CTL_NODES:
        return put_node(s, item, reterr);
    case CTL_PODS:
        return put_pod(s, item, reterr);
    case CTL_DEPLOYMENTS:
    case CTL_STATEFULSETS:
    case CTL_REPLICASETS:
    case CTL_DAEMONSETS:
    case CTL_JOBS:
    case CTL_CRONJOBS:
        return put_workload(s, kind, item, reterr);
    case CTL_BUDGETS:
        return put_budget(s, item, reterr);
    case CTL_QUOTAS:
        return put_quota(s, item, reterr);
    case CTL_CONFIGMAPS:
        return put_config(s, item, reterr);
    case CTL_CLUSTER_POLICIES:
        put_operator(s, item);
        return 0;
    case CTL_SLICES:
        put_slice(s, item);
        return 0;
    case CTL_KIND_COUNT:
        break;
    }
    assert(false);
    return 0;
}

/* -- files --------------------------------------------------------------------------------------
 */

struct file_reader {
    struct ctl_snapshot *s;
    struct arena *scratch;
    uint32_t ignored;
    struct err err;
};

static int take_object(void *user, struct str json)
{
    struct file_reader *r = user;
    struct kube_item item;
    arena_reset(r->scratch);
    if (kube_item_parse(r->scratch, json, &item, &r->err) < 0)
        return r->err.code;
    enum ctl_kind kind = ctl_kind_find(kube_value_str(kube_item_at(&item, "kind")));
    if (kind == CTL_KIND_COUNT) {
        r->ignored++;
        return 0;
    }
    return ctl_snapshot_put(r->s, kind, &item, &r->err);
}

static int read_as(struct file_reader *r, struct str text, enum kube_split_form form,
        uint64_t *ret_objects, struct err *reterr)
{
    struct kube_split split;
    kube_split_init(&split, form, KUBE_ITEM_BYTES_MAX);
    split.item = take_object;
    split.user = r;
    int rc = kube_split_feed(&split, text, reterr);
    if (rc < 0 && r->err.code != 0)
        *reterr = r->err;
    if (rc >= 0)
        rc = kube_split_end(&split, reterr);
    *ret_objects = split.count;
    kube_split_clear(&split);
    return rc;
}

/* A List has its objects under "items"; anything else is objects one after another. */
static bool looks_like_list(struct str text)
{
    struct str head = {text.ptr, text.len < 256 ? text.len : 256};
    return contains(head, "\"items\"") || contains(head, "List\"");
}

int ctl_snapshot_read(
        struct ctl_snapshot *s, struct str text, uint32_t *ret_ignored, struct err *reterr)
{
    struct file_reader r = {.s = s, .scratch = arena_new((size_t)1 << 30)};
    uint64_t objects = 0;
    text = str_trim(text);
    enum kube_split_form form = looks_like_list(text) ? KUBE_SPLIT_LIST : KUBE_SPLIT_EVENTS;
    int rc = read_as(&r, text, form, &objects, reterr);
    (void)arena_free(r.scratch);
    if (rc >= 0 && objects == 0) {
        rc = err_set(
                reterr, -EINVAL, "holds no objects: expected what 'kubectl get -o json' prints");
    }
    if (rc >= 0) {
        *ret_ignored = r.ignored;
        rc = 0;
    }
    return rc;
}
