/* ctl/world_owner.c - owners: whose pods these are, what their template asks, and whether it is
 * ours to change.  No I/O. */
#include "base/num.h"
#include "base/quantity.h"
#include "ctl/names.h"
#include "ctl/world-priv.h"
#include "model/gpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Ready-made marks of schedulers that count GPUs by themselves. */
static const struct {
    const char *key, *who;
} queue_marks[] = {
        {"kueue.x-k8s.io/queue-name", "Kueue queue"},
        {"scheduling.k8s.io/group-name", "Volcano pod group"},
        {"volcano.sh/queue-name", "Volcano queue"},
        {"scheduling.x-k8s.io/pod-group", "pod group"},
        {"kai.scheduler/queue", "KAI queue"},
        {"runai/queue", "Run:ai queue"},
        {"yunikorn.apache.org/queue", "YuniKorn queue"},
};

static const struct {
    const char *key, *value, *who; /* value NULL = any */
} manager_marks[] = {
        {"argocd.argoproj.io/tracking-id", NULL, "Argo CD"},
        {"argocd.argoproj.io/instance", NULL, "Argo CD"},
        {"kustomize.toolkit.fluxcd.io/name", NULL, "Flux"},
        {"helm.toolkit.fluxcd.io/name", NULL, "Flux"},
        {"app.kubernetes.io/managed-by", "Helm", "Helm"},
};

bool world_reads_annotation(struct str key)
{
    if (str_starts(key, STR_LIT(CTL_DOMAIN)) || str_eq_c(key, CTL_ANNOTATION_SAFE_TO_EVICT) ||
            str_eq_c(key, CTL_ANNOTATION_NO_SCALE_DOWN) ||
            str_eq_c(key, CTL_ANNOTATION_DO_NOT_DISRUPT))
        return true;
    for (unsigned i = 0; i < sizeof queue_marks / sizeof queue_marks[0]; i++) {
        if (str_eq_c(key, queue_marks[i].key))
            return true;
    }
    for (unsigned i = 0; i < sizeof manager_marks / sizeof manager_marks[0]; i++) {
        if (str_eq_c(key, manager_marks[i].key))
            return true;
    }
    return false;
}

/* -- who owns a pod -----------------------------------------------------------------------------
 */

static const struct ctl_workload *workload_of(const struct ctl_snapshot *s, struct str uid)
{
    uint32_t i = uid.len == 0 ? MAP_NONE : map_str_find(&s->workload_by_uid, uid);
    return i == MAP_NONE ? NULL : &s->workloads[i];
}

/* From a ReplicaSet to its Deployment, from a Job to its CronJob; two steps at most. */
static const struct ctl_workload *topmost(
        const struct ctl_snapshot *s, const struct ctl_workload *w, struct kube_owner *ret_unknown)
{
    for (unsigned hop = 0; hop < 2 && w != NULL && w->owner.uid.len > 0; hop++) {
        const struct ctl_workload *up = workload_of(s, w->owner.uid);
        if (up == NULL) {
            *ret_unknown = w->owner;
            return NULL;
        }
        w = up;
    }
    return w;
}

static enum model_owner_kind kind_of(const struct ctl_workload *w)
{
    if (w == NULL)
        return MODEL_OWNER_BARE;
    switch (w->kind) {
    case CTL_DEPLOYMENTS:
    case CTL_REPLICASETS:
        return MODEL_OWNER_DEPLOYMENT;
    case CTL_STATEFULSETS:
        return MODEL_OWNER_STATEFULSET;
    case CTL_JOBS:
    case CTL_CRONJOBS:
        return MODEL_OWNER_JOB;
    case CTL_DAEMONSETS:
        return MODEL_OWNER_DAEMONSET;
    case CTL_NODES:
    case CTL_PODS:
    case CTL_BUDGETS:
    case CTL_QUOTAS:
    case CTL_CONFIGMAPS:
    case CTL_CLUSTER_POLICIES:
    case CTL_SLICES:
    case CTL_KIND_COUNT:
        break;
    }
    assert(false);
    return MODEL_OWNER_BARE;
}

/* -- which models its pods may go to ------------------------------------------------------------
 */

/* The nodes' values of a label, by row. */
static const struct str *column_of(struct world_builder *b, struct str key)
{
    struct ctl_world *w = b->w;
    uint32_t i = map_str_find(&b->column_index, key);
    if (i != MAP_NONE)
        return b->columns[i];
    struct str *values = ARENA_ARRAY(w->a, struct str, (size_t)w->node_count + 1);
    for (uint32_t n = 0; n < w->node_count; n++)
        values[n] = ctl_labels_get_str(&w->node_notes[n].node->labels, key);
    if (b->column_count == b->column_cap) {
        b->column_cap = b->column_cap == 0 ? 16 : b->column_cap * 2;
        b->columns = mem_grow(b->columns, b->column_cap, sizeof(*b->columns));
    }
    b->columns[b->column_count] = values;
    (void)map_str_set(&b->column_index, key, b->column_count++);
    return values;
}

static struct world_selector match_nodes(struct world_builder *b, const struct ctl_pod_spec *spec)
{
    struct ctl_world *w = b->w;
    const struct str *columns[KUBE_SELECTOR_MAX];
    struct world_selector m = {0};
    assert(spec->selector_count <= KUBE_SELECTOR_MAX);
    for (uint32_t i = 0; i < spec->selector_count; i++)
        columns[i] = column_of(b, spec->selector[i].key);
    for (uint32_t n = 0; n < w->node_count; n++) {
        uint64_t bit = w->nodes[n].node.gpu < 64 ? UINT64_C(1) << w->nodes[n].node.gpu : 0;
        bool matches = true;
        for (uint32_t i = 0; i < spec->selector_count && matches; i++) {
            const struct kube_pair *pair = &spec->selector[i];
            if (str_eq_c(pair->key, CTL_LABEL_POOL))
                continue;
            matches = str_eq(columns[i][n], pair->value);
            if (!matches)
                m.miss = pair;
        }
        *(matches ? &m.in : &m.out) |= bit;
    }
    return m;
}

/* Owners with the same selector are many: each is matched once. */
static struct world_selector selector_of(struct world_builder *b, const struct ctl_pod_spec *spec)
{
    struct buf key = BUF_INIT(1 << 16);
    for (uint32_t i = 0; i < spec->selector_count; i++) {
        buf_printf(&key, "%.*s=%.*s,", STR_ARG(spec->selector[i].key),
                STR_ARG(spec->selector[i].value));
    }
    uint32_t at = key.overflow ? MAP_NONE : map_str_find(&b->selector_index, buf_str(&key));
    struct world_selector m = at != MAP_NONE ? b->selectors[at] : match_nodes(b, spec);
    if (at == MAP_NONE && !key.overflow) {
        if (b->selector_count == b->selector_cap) {
            b->selector_cap = b->selector_cap == 0 ? 16 : b->selector_cap * 2;
            b->selectors = mem_grow(b->selectors, b->selector_cap, sizeof *b->selectors);
        }
        b->selectors[b->selector_count] = m;
        (void)map_str_set(&b->selector_index, buf_str(&key), b->selector_count++);
    }
    buf_clear(&key);
    return m;
}

/* A pod may go to the nodes that its selector names.  That can be said as a set of models only when
 * it names all nodes of a model or none. */
static const char *models_of(
        struct world_builder *b, const struct ctl_pod_spec *spec, uint64_t *ret_models)
{
    const struct world_selector m = selector_of(b, spec);
    const char *miss = m.miss == NULL
                               ? ""
                               : arena_printf(b->w->a, "%.*s=%.*s", STR_ARG_SHORT(m.miss->key),
                                         STR_ARG_SHORT(m.miss->value));
    if ((m.in & m.out) != 0) {
        return arena_printf(
                b->w->a, "selects nodes by %s, which only some nodes of a GPU model have", miss);
    }
    if (m.in == 0 && m.out != 0) {
        return arena_printf(b->w->a, "selects nodes by %s, which no node with a GPU has", miss);
    }
    *ret_models = m.out == 0 ? 0 : m.in;
    return NULL;
}

void world_builder_clear(struct world_builder *b)
{
    map_str_clear(&b->tolerated);
    map_str_clear(&b->selector_index);
    map_str_clear(&b->column_index);
    mem_free(b->selectors);
    mem_free(b->columns);
}

/* -- whether it is ours to change ---------------------------------------------------------------
 */

static struct str label_or_annotation(
        const struct ctl_labels *labels, const struct ctl_labels *annotations, const char *key)
{
    struct str value = ctl_labels_get(labels, key);
    return value.len > 0 ? value : ctl_labels_get(annotations, key);
}

/* What an owner's pods are known by: its template, or one of its pods where that is not known. */
struct sight {
    const struct ctl_pod_spec *spec;
    const struct ctl_labels *labels, *annotations;
    struct str namespace;
};

/* The quota on GPUs that governs a namespace, first the one that is used beyond its limit. */
static const struct ctl_quota *quota_of(const struct world_builder *b, struct str namespace)
{
    const struct ctl_quota *found = NULL;
    for (uint32_t i = 0; i < b->s->quota_count; i++) {
        const struct ctl_quota *q = &b->s->quotas[i];
        if (str_eq(q->namespace, namespace) && (found == NULL || (q->beyond && !found->beyond)))
            found = q;
    }
    return found;
}

static const char *foreign_queue(const struct world_builder *b, const struct sight *t)
{
    if (t->spec->scheduler.len > 0 && !str_eq_c(t->spec->scheduler, "default-scheduler")) {
        return arena_printf(b->w->a, "scheduled by '%.*s'", STR_ARG_SHORT(t->spec->scheduler));
    }
    for (unsigned i = 0; i < sizeof queue_marks / sizeof queue_marks[0]; i++) {
        struct str value = label_or_annotation(t->labels, t->annotations, queue_marks[i].key);
        if (value.len > 0) {
            return arena_printf(
                    b->w->a, "%s '%.*s' counts its GPUs", queue_marks[i].who, STR_ARG_SHORT(value));
        }
    }
    const struct ctl_quota *q = quota_of(b, t->namespace);
    if (q != NULL && q->beyond) {
        return arena_printf(b->w->a,
                "more %.*s is in use than ResourceQuota '%.*s' allows: a pod that goes may not "
                "come "
                "back",
                STR_ARG_SHORT(q->resource), STR_ARG_SHORT(q->name));
    }
    return NULL;
}

/* A quota counts what is asked for, so the template goes on asking for it; the pods may move: their
 * successors are let in as they go. */
static const char *fixed_why(const struct world_builder *b, struct str namespace)
{
    const struct ctl_quota *q = quota_of(b, namespace);
    return q == NULL ? NULL
                     : arena_printf(b->w->a, "ResourceQuota '%.*s' counts %.*s in its namespace",
                               STR_ARG_SHORT(q->name), STR_ARG_SHORT(q->resource));
}

static const char *foreign_why(struct world_builder *b, const struct sight *t, uint64_t *ret_models)
{
    const char *why = foreign_queue(b, t);
    if (why != NULL)
        return why;
    if (t->spec->claims)
        return "asks for GPUs by a resource claim";
    if (t->spec->gpu_kinds > 1)
        return "asks for several kinds of GPU resources at once";
    if (t->spec->gpu_containers > 1)
        return "several containers of a pod ask for GPUs";
    if (t->spec->affinity_required)
        return "requires node affinity, whose terms may name other nodes";
    return models_of(b, t->spec, ret_models);
}

static const char *managed_by(const struct ctl_workload *w)
{
    for (unsigned i = 0; w != NULL && i < sizeof manager_marks / sizeof manager_marks[0]; i++) {
        struct str value = label_or_annotation(&w->labels, &w->annotations, manager_marks[i].key);
        const char *want = manager_marks[i].value;
        if (value.len > 0 && (want == NULL || str_eq_c(value, want)))
            return manager_marks[i].who;
    }
    return NULL;
}

/* -- what is declared ---------------------------------------------------------------------------
 */

static void warn_value(struct ctl_world *w, struct str name, const char *key, struct str value,
        const char *expected)
{
    ctl_world_find(w, CTL_FINDING_WARNING, arena_printf(w->a, "owner %.*s", STR_ARG(name)),
            arena_printf(w->a, "%s: '%.*s' is ignored", key, STR_ARG_SHORT(value)), expected);
}

static enum model_class declared_class(
        const struct world_builder *b, const struct sight *t, struct str name)
{
    const struct policy *p = b->o->policy;
    enum model_class c = MODEL_CLASS_UNKNOWN;
    struct err e = {0};
    struct str value = label_or_annotation(t->labels, t->annotations, CTL_KEY_CLASS);
    if (value.len > 0) {
        if (model_class_parse(value, &c, &e) == 0)
            return c;
        warn_value(b->w, name, CTL_KEY_CLASS, value, arena_printf(b->w->a, "%s", e.text));
    }
    for (uint32_t i = 0; i < p->latency_label_count; i++) {
        const char *key = arena_str(b->w->a, p->latency_labels[i].key).ptr;
        if (str_eq(ctl_labels_get(t->labels, key), p->latency_labels[i].value))
            return MODEL_CLASS_LATENCY_SENSITIVE;
    }
    return MODEL_CLASS_UNKNOWN;
}

static void read_declared(
        const struct world_builder *b, const struct sight *t, struct core_owner_fact *f)
{
    struct err e = {0};
    struct quantity q;
    uint64_t number = 0;
    int64_t mib = 0;
    f->class_declared = declared_class(b, t, f->name);
    struct str value = label_or_annotation(t->labels, t->annotations, CTL_KEY_ISOLATION);
    if (value.len > 0 && model_isolation_parse(value, &f->isolation, &e) < 0) {
        f->isolation = MODEL_ISOLATION_EXCLUSIVE; /* what was meant may be the strictest */
        warn_value(b->w, f->name, CTL_KEY_ISOLATION, value, "taken as exclusive");
    }
    value = label_or_annotation(t->labels, t->annotations, CTL_KEY_MEMORY);
    if (value.len > 0) {
        if (quantity_parse(value, &q, &e) == 0 && quantity_scaled(&q, 0, &mib) && mib > 0) {
            f->declared_memory_mib =
                    (uint32_t)num_min_i64((mib >> 20) + (mib % (1 << 20) != 0), UINT32_MAX);
        } else {
            warn_value(b->w, f->name, CTL_KEY_MEMORY, value, "expected a quantity such as 10Gi");
        }
    }
    value = label_or_annotation(t->labels, t->annotations, CTL_KEY_SLO);
    if (value.len > 0) {
        if (str_to_u64(value, 1000, 1000000, &number) == 0) {
            f->slo_permille = (uint32_t)number;
        } else {
            warn_value(b->w, f->name, CTL_KEY_SLO, value, "expected 1000 to 1000000");
        }
    }
    value = label_or_annotation(t->labels, t->annotations, CTL_KEY_PREALLOCATES);
    f->preallocates = value.len > 0 ? str_eq_c(value, "true") : t->spec->preallocates_seen;
}

/* -- disruption ---------------------------------------------------------------------------------
 */

/* "3" or "25%" of `replicas`; percentages round up, as the disruption controller does. */
static uint32_t scaled(struct str text, uint32_t replicas)
{
    uint64_t value = 0;
    bool percent = str_ends(text, STR_LIT("%"));
    if (percent)
        text.len--;
    if (str_to_u64(text, 0, UINT32_MAX, &value) < 0)
        return 0;
    return percent ? (uint32_t)num_ceildiv_u64(value * replicas, 100) : (uint32_t)value;
}

bool world_budget_covers(
        const struct ctl_budget *bud, struct str namespace, const struct ctl_labels *labels)
{
    if (!str_eq(bud->namespace, namespace))
        return false;
    if (bud->selects_all)
        return true;
    for (uint32_t i = 0; i < bud->label_count; i++) {
        if (!str_eq(ctl_labels_get(labels, bud->labels[i].key.ptr), bud->labels[i].value))
            return false;
    }
    /* Expressions narrow it further; that it may cover is enough to be careful. */
    return bud->label_count > 0 || !bud->simple;
}

static uint32_t max_unavailable(
        const struct world_builder *b, const struct sight *t, uint32_t replicas)
{
    uint32_t least = b->o->seen[CTL_BUDGETS] ? UINT32_MAX : 0;
    for (uint32_t i = 0; i < b->s->budget_count; i++) {
        const struct ctl_budget *bud = &b->s->budgets[i];
        if (!world_budget_covers(bud, t->namespace, t->labels))
            continue;
        uint32_t may = 0;
        if (bud->max_unavailable.len > 0) {
            may = scaled(bud->max_unavailable, replicas);
        } else {
            uint32_t stay = scaled(bud->min_available, replicas);
            may = replicas > stay ? replicas - stay : 0;
        }
        least = num_min_u32(least, may);
    }
    return least;
}

/* -- rows ---------------------------------------------------------------------------------------
 */

static uint32_t row_new(struct world_builder *b, uint64_t uid)
{
    struct ctl_world *w = b->w;
    if (w->owner_count == b->owner_cap) {
        b->owner_cap = b->owner_cap == 0 ? 256 : b->owner_cap * 2;
        w->owners = mem_grow(w->owners, b->owner_cap, sizeof *w->owners);
        w->owner_notes = mem_grow(w->owner_notes, b->owner_cap, sizeof *w->owner_notes);
    }
    (void)map_u64_set(&w->owner_index, uid, w->owner_count);
    memset(&w->owners[w->owner_count], 0, sizeof *w->owners);
    memset(&w->owner_notes[w->owner_count], 0, sizeof *w->owner_notes);
    return w->owner_count++;
}

static uint32_t gpus_of(const struct sight *t, const struct model_resource *r)
{
    uint64_t original = 0;
    struct str kept = label_or_annotation(t->labels, t->annotations, CTL_KEY_REQUEST);
    if (str_to_u64(kept, 1, CORE_GPUS_MAX, &original) == 0)
        return (uint32_t)original;
    return r->kind == MODEL_RESOURCE_GPU ? num_max_u32(t->spec->gpu_count, 1) : 1;
}

struct owner_seed {
    uint64_t uid, version;
    const struct ctl_workload *workload;
    const char *kind, *unknown; /* unknown: why its template is not ours to change; NULL */
    struct str name;
    struct sight sight;
};

static uint32_t owner_add(struct world_builder *b, const struct owner_seed *seed)
{
    struct ctl_world *w = b->w;
    const struct sight *t = &seed->sight;
    uint32_t row = row_new(b, seed->uid);
    w->owner_notes[row] = (struct ctl_owner_note){.workload = seed->workload,
            .namespace = t->namespace,
            .name = seed->name,
            .kind = seed->kind,
            .managed_by = managed_by(seed->workload)};
    w->owners[row] = (struct core_fact){.kind = CORE_FACT_OWNER,
            .source = CORE_SOURCE_OWNERS,
            .version = seed->version,
            .observed_wall_ns = b->o->wall_ns};
    struct core_owner_fact *f = &w->owners[row].owner;
    *f = (struct core_owner_fact){.uid = seed->uid,
            .name = str_from(
                    arena_printf(w->a, "%.*s/%.*s", STR_ARG(t->namespace), STR_ARG(seed->name))),
            .kind = kind_of(seed->workload),
            .replicas = seed->workload != NULL
                                ? (uint32_t)num_min_i64(
                                          num_max_i64(seed->workload->replicas, 0), UINT32_MAX)
                                : 0,
            .cpu_milli = (uint32_t)num_min_i64(t->spec->cpu_milli, UINT32_MAX),
            .memory_mib = (uint32_t)num_min_i64(t->spec->memory_bytes >> 20, UINT32_MAX)};
    if (model_resource_parse(t->spec->gpu_resource, &f->resource) < 0)
        f->resource = (struct model_resource){.kind = MODEL_RESOURCE_NONE};
    f->gpus_per_pod = gpus_of(t, &f->resource);
    for (uint32_t i = 0; i < t->spec->selector_count; i++) {
        if (str_eq_c(t->spec->selector[i].key, CTL_LABEL_POOL))
            f->pool = t->spec->selector[i].value;
    }
    read_declared(b, t, f);
    const char *why = foreign_why(b, t, &f->gpu_models);
    if (why == NULL)
        why = seed->unknown;
    f->foreign = str_from(why);
    f->fixed = str_from(fixed_why(b, t->namespace));
    return row;
}

static uint32_t owner_of_workload(struct world_builder *b, const struct ctl_workload *top)
{
    uint64_t uid = ctl_uid(top->uid);
    uint32_t row = map_u64_find(&b->w->owner_index, uid);
    if (row != MAP_NONE)
        return row;
    struct owner_seed seed = {.uid = uid,
            .version = top->version,
            .workload = top,
            .kind = ctl_kind_info(top->kind)->kind,
            .name = top->name,
            .sight = {&top->spec, &top->labels, &top->annotations, top->namespace}};
    return owner_add(b, &seed);
}

uint32_t world_owner_of_pod(struct world_builder *b, const struct ctl_pod *p)
{
    struct kube_owner unknown = p->owner;
    const struct ctl_workload *top = topmost(b->s, workload_of(b->s, p->owner.uid), &unknown);
    if (top != NULL && (top->spec.gpu_kinds > 0 || top->spec.claims))
        return owner_of_workload(b, top);
    /* A pod of its own, or of a controller whose template is not read. */
    bool bare = unknown.uid.len == 0;
    uint64_t uid = bare ? ctl_uid(p->uid) ^ 1 : ctl_uid(unknown.uid);
    uint32_t row = map_u64_find(&b->w->owner_index, uid);
    if (row != MAP_NONE)
        return row;
    struct owner_seed seed = {.uid = uid,
            .version = p->version,
            .kind = bare ? "Pod" : arena_str(b->w->a, unknown.kind).ptr,
            .unknown = bare ? NULL
                            : arena_printf(b->w->a, "the template of its %.*s is not known",
                                      STR_ARG_SHORT(unknown.kind)),
            .name = bare ? p->name : unknown.name,
            .sight = {&p->spec, &p->labels, &p->annotations, p->namespace}};
    return owner_add(b, &seed);
}

void world_add_idle_owners(struct world_builder *b)
{
    for (uint32_t i = 0; i < b->s->workload_count; i++) {
        const struct ctl_workload *w = &b->s->workloads[i];
        bool template = w->kind == CTL_DEPLOYMENTS || w->kind == CTL_STATEFULSETS;
        bool waits = template && w->replicas > 0;
        bool rests = b->o->resting_owners && w->owner.uid.len == 0 &&
                     (template || w->kind == CTL_CRONJOBS);
        if ((waits || rests) && w->spec.gpu_kinds > 0)
            (void)owner_of_workload(b, w);
    }
}

/* Counts that need all pods; replicas of owners that state none are their pods. */
void world_finish_owners(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    for (uint32_t i = 0; i < w->pod_count; i++) {
        const struct core_pod_fact *p = &w->pods[i].pod;
        uint32_t row = map_u64_find(&w->owner_index, p->owner);
        assert(row != MAP_NONE);
        if (p->phase == CORE_POD_ENDED)
            continue;
        w->owner_notes[row].pods++;
        w->owner_notes[row].pending += p->phase == CORE_POD_PENDING;
    }
    for (uint32_t i = 0; i < w->owner_count; i++) {
        struct core_owner_fact *f = &w->owners[i].owner;
        const struct ctl_owner_note *note = &w->owner_notes[i];
        const struct ctl_workload *top = note->workload;
        if (top == NULL || f->kind == MODEL_OWNER_JOB)
            f->replicas = note->pods;
        struct sight t = {.namespace = note->namespace};
        if (top == NULL) {
            f->max_unavailable = 0;
            continue;
        }
        t = (struct sight){&top->spec, &top->labels, &top->annotations, top->namespace};
        f->max_unavailable = max_unavailable(b, &t, f->replicas);
    }
}
