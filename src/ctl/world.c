/* ctl/world.c - see world.h.  No I/O. */
#include "base/num.h"
#include "ctl/names.h"
#include "ctl/world-priv.h"
#include "nvidia/mig_parted.h"

#include <stdlib.h>
#include <string.h>

uint64_t ctl_uid(struct str kubernetes_uid)
{
    uint64_t uid = str_hash(kubernetes_uid, 0);
    return uid != 0 ? uid : 1;
}

void ctl_world_find(struct ctl_world *w, enum ctl_finding_kind kind, const char *subject,
        const char *text, const char *advice)
{
    if (w->finding_count == w->finding_cap) {
        w->finding_cap = w->finding_cap == 0 ? 32 : w->finding_cap * 2;
        w->findings = mem_grow(w->findings, w->finding_cap, sizeof *w->findings);
    }
    w->findings[w->finding_count++] = (struct ctl_finding){kind, subject, text, advice};
}

void ctl_world_clear(struct ctl_world *w)
{
    mem_free(w->owners);
    mem_free(w->owner_notes);
    mem_free(w->findings);
    map_str_clear(&w->node_index);
    map_str_clear(&w->pod_index);
    map_u64_clear(&w->owner_index);
    map_u64_clear(&w->node_by_uid);
    *w = (struct ctl_world){0};
}

/* -- pods ---------------------------------------------------------------------------------------
 */

static enum core_pod_phase phase_of(const struct ctl_pod *p)
{
    switch (p->phase) {
    case KUBE_POD_SUCCEEDED:
    case KUBE_POD_FAILED:
        return CORE_POD_ENDED;
    case KUBE_POD_PENDING:
        return p->deleted_wall_ns != 0 ? CORE_POD_TERMINATING : CORE_POD_PENDING;
    case KUBE_POD_RUNNING:
    case KUBE_POD_UNKNOWN:
        break;
    }
    return p->deleted_wall_ns != 0 ? CORE_POD_TERMINATING : CORE_POD_RUNNING;
}

static struct str pool_of(const struct ctl_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->selector_count; i++) {
        if (str_eq_c(spec->selector[i].key, CTL_LABEL_POOL))
            return spec->selector[i].value;
    }
    return (struct str){0};
}

static void add_pod(struct world_builder *b, const struct ctl_pod *p)
{
    struct ctl_world *w = b->w;
    struct model_resource resource;
    if (p->spec.gpu_kinds == 0 || model_resource_parse(p->spec.gpu_resource, &resource) < 0)
        return; /* asks by a claim, or for a resource of NVIDIA's that is no GPU */
    uint32_t owner = world_owner_of_pod(b, p);
    uint32_t node = p->node.len == 0 ? MAP_NONE : map_str_find(&w->node_index, p->node);
    if (p->node.len > 0 && node == MAP_NONE)
        return; /* on a node that is left out */
    uint32_t row = w->pod_count++;
    w->pod_rows[row] = p;
    w->pods[row] = (struct core_fact){.kind = CORE_FACT_POD,
            .source = CORE_SOURCE_PODS,
            .version = p->version,
            .observed_wall_ns = b->o->wall_ns};
    w->pods[row].pod = (struct core_pod_fact){.uid = ctl_uid(p->uid),
            .owner = w->owners[owner].owner.uid,
            .node = node == MAP_NONE ? 0 : w->nodes[node].node.uid,
            .name = str_from(
                    arena_printf(w->a, "%.*s/%.*s", STR_ARG(p->namespace), STR_ARG(p->name))),
            .phase = phase_of(p),
            .unschedulable = p->unschedulable,
            .resource = resource,
            .count = p->spec.gpu_count,
            .pool = pool_of(&p->spec),
            .created_wall_ns = p->created_wall_ns,
            .started_wall_ns = p->started_wall_ns};
    (void)map_str_set(&w->pod_index, w->pods[row].pod.name, row);
}

/* -- configuration ------------------------------------------------------------------------------
 */

static void add_config(struct world_builder *b, enum core_config_map map,
        const struct ctl_config_key *from, struct str key, struct str text)
{
    struct core_fact *f = &b->w->configs[b->w->config_count++];
    *f = (struct core_fact){.kind = CORE_FACT_CONFIG,
            .source = CORE_SOURCE_CONFIG,
            .version = from->version,
            .observed_wall_ns = b->o->wall_ns};
    f->config = (struct core_config_fact){.map = map, .key = key, .text = text, .present = true};
}

/* mig-manager's configs lie in one key, by name; the core knows each as a file of its own. */
static void add_mig_configs(struct world_builder *b, const struct ctl_config_key *k,
        const struct nvidia_mig_parted *file)
{
    struct buf text = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    for (uint32_t i = 0; i < file->count; i++) {
        buf_reset(&text);
        nvidia_mig_parted_emit(&file->configs[i], 1, &text);
        add_config(
                b, CORE_CONFIG_MIG, k, file->configs[i].name, arena_str(b->w->a, buf_str(&text)));
    }
    buf_clear(&text);
}

static void add_configs(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    const struct ctl_operator *op = &b->s->operator;
    const struct ctl_config_key *mig = NULL;
    struct nvidia_mig_parted file = {0};
    for (uint32_t i = 0; i < b->s->config_count; i++) {
        const struct ctl_config_key *k = &b->s->configs[i];
        if (op->mig_config.len > 0 && str_eq(k->map, op->mig_config) &&
                str_eq_c(k->key, CTL_MIG_CONFIG_KEY))
            mig = k;
    }
    struct err e = {0};
    if (mig != NULL && nvidia_mig_parted_parse(w->a, mig->text, &file, NULL, &e) < 0) {
        ctl_world_find(w, CTL_FINDING_WARNING,
                arena_printf(w->a, "ConfigMap %.*s", STR_ARG_SHORT(mig->map)),
                arena_printf(
                        w->a, "mig-manager cannot read its %s: %s", CTL_MIG_CONFIG_KEY, e.text),
                "mend it: slicewright lint --live shows where");
        file = (struct nvidia_mig_parted){0};
    }
    w->configs = ARENA_ARRAY(w->a, struct core_fact, (size_t)b->s->config_count + file.count + 1);
    for (uint32_t i = 0; i < b->s->config_count; i++) {
        const struct ctl_config_key *k = &b->s->configs[i];
        if (op->plugin_config.len > 0 && str_eq(k->map, op->plugin_config))
            add_config(b, CORE_CONFIG_PLUGIN, k, k->key, k->text);
    }
    if (mig != NULL)
        add_mig_configs(b, mig, &file);
}

/* -- findings -----------------------------------------------------------------------------------
 */

static void find_operator(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    const struct ctl_operator *op = &b->s->operator;
    if (!b->o->seen[CTL_CLUSTER_POLICIES])
        return; /* reported as unseen */
    if (!op->present) {
        ctl_world_find(w, CTL_FINDING_WARNING, "cluster",
                "no ClusterPolicy of NVIDIA's GPU Operator",
                "nodes cannot be reconfigured from here: owner patches have no pool to go to "
                "before "
                "the device plugin takes its configuration from a node label");
        return;
    }
    if (op->plugin_config.len == 0) {
        ctl_world_find(w, CTL_FINDING_WARNING, "ClusterPolicy",
                "devicePlugin.config.name is not set: the device plugin reads no configuration",
                "name a ConfigMap there before any node is to share its GPUs");
    }
    if (op->plugin_config.len > 0 && nvidia_config_manager_acts_first(op->plugin_version)) {
        ctl_world_find(w, CTL_FINDING_WARNING, "ClusterPolicy",
                arena_printf(w->a,
                        "devicePlugin.version %.*s offers the default configuration first, "
                        "whenever a node's plugin starts",
                        STR_ARG_SHORT(op->plugin_version)),
                "a GPU that pods share is then offered whole for a moment: cordon a shared node "
                "before its plugin is restarted (k8s-device-plugin issue 1645)");
    }
    if (!str_eq_c(op->mig_strategy, "mixed") && op->mig_strategy.len > 0) {
        ctl_world_find(w, CTL_FINDING_WARNING, "ClusterPolicy",
                arena_printf(w->a, "mig.strategy is '%.*s'", STR_ARG_SHORT(op->mig_strategy)),
                "whole GPUs beside MIG instances on one node need 'mixed'");
    }
    if (!op->exporter_names_all) {
        ctl_world_find(w, CTL_FINDING_WARNING, "ClusterPolicy",
                "dcgmExporter.env has no " CTL_ENV_VIRTUAL_GPUS
                "=true: of the pods that share a GPU, readings name one",
                "set it before GPUs are shared: what a pod there uses is learned from readings "
                "that "
                "name all");
    }
}

/* Where GPUs are renamed or split, a node offers no nvidia.com/gpu, and Cluster Autoscaler waits
 * for it for ever.  SOURCE: kubernetes/autoscaler, processors/customresources: a node with a GPU
 * label is unready until that resource is there. */
static void find_autoscaler(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    uint32_t count = 0;
    struct str label = {0};
    for (uint32_t i = 0; i < w->node_count; i++) {
        count += w->node_notes[i].autoscaled;
        if (w->node_notes[i].autoscaled)
            label = w->node_notes[i].autoscaler;
    }
    if (count == 0)
        return;
    ctl_world_find(w, CTL_FINDING_WARNING,
            arena_printf(w->a, "%u node%s with %.*s", count, count == 1 ? "" : "s", STR_ARG(label)),
            "an autoscaler may resize their groups",
            "a shared or MIG node offers no nvidia.com/gpu: Cluster Autoscaler takes such a node "
            "for "
            "unready and may add another; keep groups of shared nodes out of it, or use Karpenter, "
            "and let a group's template carry the pool label");
}

static bool offers(const struct core_node_fact *f, enum model_resource_kind kind)
{
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        if (f->allocatable[i].resource.kind == kind && f->allocatable[i].count > 0)
            return true;
    }
    return false;
}

/* Device ids with and without replicas are different ids to kubelet: switched while pods held GPUs,
 * a node offers those again.  Whoever did it, its users should know. */
static void find_double_booked(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    struct double_booked {
        uint32_t pods;
        struct str first;
        bool shared; /* what the pods hold */
    } *nodes = ARENA_ARRAY(w->a, struct double_booked, (size_t)w->node_count + 1);
    for (uint32_t i = 0; i < w->pod_count; i++) {
        const struct core_pod_fact *p = &w->pods[i].pod;
        uint32_t n = map_u64_find(&w->node_by_uid, p->node);
        bool shared = p->resource.kind == MODEL_RESOURCE_GPU_SHARED;
        if (n == MAP_NONE || p->phase == CORE_POD_ENDED ||
                (!shared && p->resource.kind != MODEL_RESOURCE_GPU) ||
                !offers(&w->nodes[n].node, shared ? MODEL_RESOURCE_GPU : MODEL_RESOURCE_GPU_SHARED))
            continue;
        if (nodes[n].pods++ == 0)
            nodes[n] = (struct double_booked){1, p->name, shared};
    }
    for (uint32_t n = 0; n < w->node_count; n++) {
        const struct double_booked *d = &nodes[n];
        if (d->pods == 0)
            continue;
        ctl_world_find(w, CTL_FINDING_WARNING,
                arena_printf(w->a, "node %.*s", STR_ARG(w->nodes[n].node.name)),
                arena_printf(w->a, "it offers %s GPUs while %u pod%s (%.*s) hold%s %s ones",
                        d->shared ? "whole" : "shared", d->pods, d->pods == 1 ? "" : "s",
                        STR_ARG(d->first), d->pods == 1 ? "s" : "", d->shared ? "shared" : "whole"),
                "it was switched with pods on its GPUs, and GPUs that they hold are given to "
                "others "
                "as well: drain it");
    }
}

int ctl_world_build(struct arena *a, const struct ctl_snapshot *s,
        const struct ctl_world_options *options, struct ctl_world *ret_world, struct err *reterr)
{
    *ret_world = (struct ctl_world){.a = a, .snapshot = s};
    struct ctl_world *w = ret_world;
    w->taint_pools = options->policy->taint_pools;
    struct world_builder b = {.w = w, .s = s, .o = options};
    if (world_add_nodes(&b, reterr) < 0) {
        world_builder_clear(&b);
        ctl_world_clear(w);
        return reterr->code;
    }
    w->pods = ARENA_ARRAY(a, struct core_fact, (size_t)s->pod_count + 1);
    w->pod_rows = ARENA_ARRAY(a, const struct ctl_pod *, (size_t)s->pod_count + 1);
    for (uint32_t i = 0; i < s->pod_count; i++)
        add_pod(&b, &s->pods[i]);
    world_add_idle_owners(&b);
    world_finish_owners(&b);
    world_find_stays(&b);
    world_find_taints(&b);
    world_builder_clear(&b);
    add_configs(&b);
    find_operator(&b);
    find_autoscaler(&b);
    find_double_booked(&b);
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++) {
        if (!options->seen[k]) {
            ctl_world_find(w, CTL_FINDING_UNSEEN, ctl_kind_info(k)->plural,
                    options->why[k] != NULL ? options->why[k] : "were not read",
                    ctl_kind_info(k)->cost);
        }
    }
    return 0;
}

/* -- pods that are gone -------------------------------------------------------------------------
 */

/* The name without its last part, "-xxxxx"; empty when it has none. */
static struct str stem(struct str name)
{
    while (name.len > 0 && name.ptr[name.len - 1] != '-')
        name.len--;
    if (name.len > 0)
        name.len--;
    return name;
}

uint64_t ctl_world_owner_by_name(const struct ctl_world *w, struct str namespace, struct str pod)
{
    struct str one = stem(pod), two = stem(one);
    uint64_t found = 0;
    for (uint32_t i = 0; i < w->owner_count; i++) {
        const struct ctl_owner_note *n = &w->owner_notes[i];
        if (!str_eq(n->namespace, namespace) || n->workload == NULL)
            continue;
        /* A Deployment's pods carry the hash of their ReplicaSet too, a CronJob's its time. */
        bool twice = n->workload->kind == CTL_DEPLOYMENTS || n->workload->kind == CTL_CRONJOBS;
        if (str_eq(n->name, twice ? two : one))
            found = w->owners[i].owner.uid;
    }
    return found;
}
