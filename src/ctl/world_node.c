/* ctl/world_node.c - nodes: which GPUs, whose partitioning, what price.  No I/O. */
#include "base/num.h"
#include "ctl/names.h"
#include "ctl/world-priv.h"
#include "mig/catalog.h"
#include "model/gpu.h"
#include "nvidia/plugin_config.h"

#include <errno.h>
#include <string.h>

/* Labels by which a node says that a cloud's own parts manage its GPUs: whatever is written there,
 * they write it back.  SOURCE: the clouds' documentation of GPU nodes. */
static const struct {
    const char *key, *value, *who; /* value NULL = any */
} managed_stacks[] = {
        {"cloud.google.com/gke-gpu-sharing-strategy", NULL, "GKE's GPU sharing"},
        {"cloud.google.com/gke-gpu-partition-size", NULL, "GKE's MIG partitioning"},
        {"cloud.google.com/gke-accelerator", NULL, "GKE's managed GPU stack"},
        {"eks.amazonaws.com/compute-type", "auto", "EKS Auto Mode"},
        {"kubernetes.azure.com/mig", NULL, "AKS' MIG node pool"},
};

/* Labels of node groups that an autoscaler resizes. */
static const char *const autoscaler_labels[] = {
        "karpenter.sh/nodepool",
        "eks.amazonaws.com/nodegroup",
        "cloud.google.com/gke-nodepool",
        "kubernetes.azure.com/agentpool",
        "node.cluster.x-k8s.io/machine-pool",
};

static const struct {
    const char *key, *value;
} spot_labels[] = {
        {"eks.amazonaws.com/capacityType", "SPOT"},
        {"karpenter.sh/capacity-type", "spot"},
        {"cloud.google.com/gke-spot", "true"},
        {"cloud.google.com/gke-preemptible", "true"},
        {"kubernetes.azure.com/scalesetpriority", "spot"},
        {"node.kubernetes.io/lifecycle", "spot"},
};

static int64_t nvidia_capacity(const struct kube_resources *r)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        if (str_starts(r->list[i].name, STR_LIT("nvidia.com/")))
            sum += num_max_i64(r->list[i].count, 0);
    }
    return sum;
}

static bool has_gpus(const struct world_builder *b, const struct ctl_node *n)
{
    return nvidia_capacity(&n->fields.capacity) > 0 ||
           ctl_labels_get(&n->labels, CTL_LABEL_GPU_PRODUCT).len > 0 ||
           map_str_find(&b->s->dra_nodes, n->name) != MAP_NONE;
}

/* -- what and how many --------------------------------------------------------------------------
 */

static const struct model_offer *offer_of(
        const struct world_builder *b, struct str instance, struct str region)
{
    const struct model_offer *found = NULL;
    if (b->o->prices == NULL || instance.len == 0)
        return NULL;
    for (uint32_t i = 0; i < b->o->prices->count; i++) {
        const struct model_offer *o = &b->o->prices->offers[i];
        if (!str_eq(o->instance, instance))
            continue;
        if (str_eq(o->region, region))
            return o;
        if (found == NULL)
            found = o;
    }
    return found;
}

/* The model by GFD's label, else by what the instance type is sold with. */
static bool find_model(const struct world_builder *b, const struct ctl_node *n, uint16_t *ret_gpu)
{
    const struct model_gpu *gpu = NULL;
    struct err ignored = {0};
    struct str product = ctl_labels_get(&n->labels, CTL_LABEL_GPU_PRODUCT);
    if (product.len > 0 && model_gpu_find(product, &gpu, &ignored) == 0) {
        *ret_gpu = (uint16_t)model_gpu_index(gpu);
        return true;
    }
    const struct model_offer *o =
            product.len > 0 ? NULL
                            : offer_of(b, ctl_labels_get(&n->labels, CTL_LABEL_INSTANCE_TYPE),
                                      (struct str){0});
    if (o == NULL)
        return false;
    *ret_gpu = o->gpu;
    return true;
}

static uint32_t physical_gpus(const struct world_builder *b, const struct ctl_node *n)
{
    uint64_t count = 0;
    struct str label = ctl_labels_get(&n->labels, CTL_LABEL_GPU_COUNT);
    if (label.len > 0 && str_to_u64(label, 1, CORE_GPUS_MAX, &count) == 0)
        return (uint32_t)count;
    const struct model_offer *o =
            offer_of(b, ctl_labels_get(&n->labels, CTL_LABEL_INSTANCE_TYPE), (struct str){0});
    if (o != NULL && o->gpus_per_node <= CORE_GPUS_MAX)
        return o->gpus_per_node;
    int64_t whole = kube_resources_get(&n->fields.capacity, STR_LIT("nvidia.com/gpu"));
    return whole >= 1 && whole <= CORE_GPUS_MAX ? (uint32_t)whole : 0;
}

/* -- price --------------------------------------------------------------------------------------
 */

static enum model_purchase purchase_of(const struct ctl_node *n)
{
    for (unsigned i = 0; i < sizeof spot_labels / sizeof spot_labels[0]; i++) {
        if (str_eq_c(ctl_labels_get(&n->labels, spot_labels[i].key), spot_labels[i].value))
            return MODEL_PURCHASE_SPOT;
    }
    return MODEL_PURCHASE_ON_DEMAND;
}

static void price_node(const struct world_builder *b, const struct ctl_node *n,
        struct core_node_fact *f, struct ctl_node_note *note)
{
    const struct model_price_book *book = b->o->prices;
    struct str instance = ctl_labels_get(&n->labels, CTL_LABEL_INSTANCE_TYPE);
    int64_t per_gpu = 0;
    f->purchase = purchase_of(n);
    for (uint32_t i = 0; book != NULL && instance.len > 0 && i < book->count; i++) {
        const struct model_offer *o = &book->offers[i];
        bool here = str_eq(o->instance, instance) && o->purchase == f->purchase;
        if (here && (per_gpu == 0 || str_eq(o->region, f->region)))
            per_gpu = o->microusd_per_gpu_hour;
    }
    note->price = CTL_PRICE_INSTANCE;
    if (per_gpu == 0) {
        note->price = CTL_PRICE_MODEL;
        if (book == NULL || (model_price_find(book, f->gpu, f->region, f->purchase, &per_gpu) < 0 &&
                                    model_price_find(book, f->gpu, (struct str){0}, f->purchase,
                                            &per_gpu) < 0)) {
            note->price = CTL_PRICE_DEFAULT;
            per_gpu = b->o->price_default(f->gpu);
        }
    }
    f->microusd_per_hour = per_gpu * f->gpu_count;
}

/* -- whose --------------------------------------------------------------------------------------
 */

static bool is_ours(const struct ctl_node *n)
{
    return ctl_labels_get(&n->labels, CTL_LABEL_POOL).len > 0 ||
           ctl_labels_get(&n->annotations, CTL_ANNOTATION_ROLLOUT).len > 0;
}

static bool offers_more_than_gpus(const struct ctl_node *n, uint32_t gpu_count)
{
    return nvidia_capacity(&n->fields.capacity) > gpu_count ||
           kube_resources_get(&n->fields.capacity, STR_LIT("nvidia.com/gpu.shared")) > 0;
}

static bool offers_mig(const struct ctl_node *n)
{
    for (uint32_t i = 0; i < n->fields.capacity.count; i++) {
        const struct kube_resource *r = &n->fields.capacity.list[i];
        if (r->count > 0 && str_starts(r->name, STR_LIT("nvidia.com/mig-")))
            return true;
    }
    return false;
}

/* Who else partitions the node's GPUs; "" when nobody does. */
static struct str foreign_of(
        const struct world_builder *b, const struct ctl_node *n, uint32_t gpu_count)
{
    struct arena *a = b->w->a;
    if (map_str_find(&b->s->dra_nodes, n->name) != MAP_NONE)
        return STR_LIT("NVIDIA's DRA driver");
    for (unsigned i = 0; i < sizeof managed_stacks / sizeof managed_stacks[0]; i++) {
        struct str value = ctl_labels_get(&n->labels, managed_stacks[i].key);
        const char *want = managed_stacks[i].value;
        if (value.len > 0 && (want == NULL || str_eq_c(value, want)))
            return str_from(managed_stacks[i].who);
    }
    if (is_ours(n))
        return (struct str){0};
    if (str_eq_c(ctl_labels_get(&n->labels, "nvidia.com/gpu.sharing-strategy"), "mps"))
        return STR_LIT("MPS, set up by somebody else");
    struct str key = ctl_labels_get(&n->labels, CTL_LABEL_PLUGIN_CONFIG);
    bool shared =
            str_eq_c(ctl_labels_get(&n->labels, "nvidia.com/gpu.sharing-strategy"), "time-slicing");
    if (shared || (!offers_mig(n) && offers_more_than_gpus(n, gpu_count))) {
        struct str replicas = ctl_labels_get(&n->labels, "nvidia.com/gpu.replicas");
        return str_from(arena_printf(a, "time-slicing%s%.*s, set up by somebody else",
                replicas.len > 0 ? " x " : "", STR_ARG(replicas)));
    }
    if (offers_mig(n)) {
        struct str layout = ctl_labels_get(&n->labels, CTL_LABEL_MIG_CONFIG);
        return str_from(arena_printf(
                a, "MIG layout '%.*s', set up by somebody else", STR_ARG_SHORT(layout)));
    }
    if (key.len > 0 && !nvidia_config_key_is_made(key)) { /* a node that we gave back keeps ours */
        return str_from(arena_printf(
                a, "device-plugin configuration '%.*s', set by somebody else", STR_ARG_SHORT(key)));
    }
    return (struct str){0};
}

static bool look_at_all(const struct world_builder *b, const struct kube_taint *taint)
{
    for (uint32_t i = 0; i < b->s->pod_count; i++) {
        const struct ctl_pod_spec *spec = &b->s->pods[i].spec;
        if (!world_tolerates(spec->tolerations, spec->toleration_count, taint))
            return false;
    }
    return true;
}

/* Pools have the same taint on all their nodes: each is looked at once. */
static bool all_tolerate(struct world_builder *b, const struct kube_taint *t)
{
    struct buf key = BUF_INIT(4096);
    buf_printf(&key, "%.*s=%.*s:%.*s", STR_ARG(t->key), STR_ARG(t->value), STR_ARG(t->effect));
    uint32_t known = key.overflow ? MAP_NONE : map_str_find(&b->tolerated, buf_str(&key));
    bool all = known != MAP_NONE ? known != 0 : look_at_all(b, t);
    if (known == MAP_NONE && !key.overflow)
        (void)map_str_set(&b->tolerated, buf_str(&key), all);
    buf_clear(&key);
    return all;
}

/* Why the node is outside of what the policy governs; NULL when it is inside. */
static const char *excluded_why(struct world_builder *b, const struct ctl_node *n)
{
    const struct policy *p = b->o->policy;
    for (uint32_t i = 0; i < p->node_selector_count; i++) {
        const struct policy_label *want = &p->node_selector[i];
        const char *key = arena_str(b->w->a, want->key).ptr;
        if (!str_eq(ctl_labels_get(&n->labels, key), want->value)) {
            return arena_printf(
                    b->w->a, "the policy's node selector wants %s=%.*s", key, STR_ARG(want->value));
        }
    }
    for (uint32_t i = 0; i < n->fields.taint_count; i++) {
        const struct kube_taint *t = &n->fields.taints[i];
        bool hard = str_eq_c(t->effect, "NoSchedule") || str_eq_c(t->effect, "NoExecute");
        if (!hard || str_starts(t->key, STR_LIT("nvidia.com/")) ||
                str_starts(t->key, STR_LIT("node.kubernetes.io/")) ||
                str_starts(t->key, STR_LIT(CTL_DOMAIN)))
            continue;
        if (!all_tolerate(b, t)) {
            return arena_printf(b->w->a,
                    "tainted %.*s:%.*s, which not every pod with a GPU tolerates", STR_ARG(t->key),
                    STR_ARG(t->effect));
        }
    }
    return NULL;
}

/* -- the fact -----------------------------------------------------------------------------------
 */

static void add_allocatable(const struct ctl_node *n, struct core_node_fact *f)
{
    const struct kube_resources *r = &n->fields.allocatable;
    for (uint32_t i = 0; i < r->count && f->allocatable_count < CORE_RESOURCES_MAX; i++) {
        struct core_resource_count *c = &f->allocatable[f->allocatable_count];
        if (r->list[i].count > 0 && model_resource_parse(r->list[i].name, &c->resource) == 0) {
            c->count = (uint32_t)num_min_i64(r->list[i].count, UINT32_MAX);
            f->allocatable_count++;
        }
    }
}

static uint32_t clamp_u32(int64_t value)
{
    return (uint32_t)num_min_i64(num_max_i64(value, 0), UINT32_MAX);
}

/* What pods without GPUs leave of the node. */
static void room_of(
        const struct world_builder *b, const struct ctl_node *n, struct core_node_fact *f)
{
    int64_t cpu = n->fields.allocatable.cpu_milli, memory = n->fields.allocatable.memory_bytes;
    uint32_t i = map_str_find(&b->s->others, n->name);
    if (i != MAP_NONE) {
        cpu -= b->s->other[i].cpu_milli;
        memory -= b->s->other[i].memory_bytes;
    }
    f->cpu_milli = clamp_u32(cpu);
    f->memory_mib = clamp_u32(memory >> 20);
}

static struct core_node_caps caps_of(const struct world_builder *b, const struct model_gpu *gpu)
{
    bool mig = gpu->mig_key != NULL && b->s->operator.present;
    return (struct core_node_caps){CORE_SHARE_NODE_RESOURCE,
            mig ? CORE_RELAYOUT_GPU_REBUILD : CORE_RELAYOUT_NONE, mig && gpu->mig_mode_needs_reset,
            CORE_STEER_POOL, b->s->operator.exporter_names_all ? CORE_KNOWN_GPU : CORE_KNOWN_NODE,
            CORE_KNOWN_GPU};
}

static void add_node(struct world_builder *b, const struct ctl_node *n, uint16_t gpu)
{
    struct ctl_world *w = b->w;
    uint32_t row = w->node_count++;
    struct core_fact *fact = &w->nodes[row];
    struct ctl_node_note *note = &w->node_notes[row];
    *fact = (struct core_fact){.kind = CORE_FACT_NODE,
            .source = CORE_SOURCE_NODES,
            .version = n->version,
            .observed_wall_ns = b->o->wall_ns};
    struct core_node_fact *f = &fact->node;
    *f = (struct core_node_fact){.uid = ctl_uid(n->uid),
            .name = n->name,
            .region = ctl_labels_get(&n->labels, CTL_LABEL_REGION),
            .gpu = gpu,
            .gpu_count = physical_gpus(b, n),
            .caps = caps_of(b, model_gpu_get(gpu)),
            .ready = n->fields.ready,
            .unschedulable = n->fields.unschedulable,
            .frozen = str_eq_c(ctl_labels_get(&n->annotations, CTL_ANNOTATION_FREEZE), "true"),
            .plugin_config = ctl_labels_get(&n->labels, CTL_LABEL_PLUGIN_CONFIG),
            .mig_config = ctl_labels_get(&n->labels, CTL_LABEL_MIG_CONFIG),
            .mig_state = ctl_labels_get(&n->labels, CTL_LABEL_MIG_STATE),
            .pool = ctl_labels_get(&n->labels, CTL_LABEL_POOL),
            .annotation = ctl_labels_get(&n->annotations, CTL_ANNOTATION_ROLLOUT),
            .created_wall_ns = n->fields.created_wall_ns};
    f->foreign = foreign_of(b, n, f->gpu_count);
    *note = (struct ctl_node_note){.node = n, .excluded_why = excluded_why(b, n)};
    f->excluded = note->excluded_why != NULL;
    room_of(b, n, f);
    price_node(b, n, f, note);
    add_allocatable(n, f);
    for (unsigned i = 0; i < sizeof autoscaler_labels / sizeof autoscaler_labels[0]; i++) {
        if (ctl_labels_get(&n->labels, autoscaler_labels[i]).len > 0) {
            note->autoscaled = true;
            note->autoscaler = str_from(autoscaler_labels[i]);
        }
    }
    (void)map_str_set(&w->node_index, n->name, row);
    (void)map_u64_set(&w->node_by_uid, f->uid, row);
}

int world_add_nodes(struct world_builder *b, struct err *reterr)
{
    struct ctl_world *w = b->w;
    uint32_t max = b->s->node_count, with_gpus = 0;
    w->nodes = ARENA_ARRAY(w->a, struct core_fact, max + 1);
    w->node_notes = ARENA_ARRAY(w->a, struct ctl_node_note, max + 1);
    for (uint32_t i = 0; i < max; i++) {
        const struct ctl_node *n = &b->s->nodes[i];
        uint16_t gpu = 0;
        if (!has_gpus(b, n) || map_str_find(&w->node_index, n->name) != MAP_NONE)
            continue;
        with_gpus++;
        struct str product = ctl_labels_get(&n->labels, CTL_LABEL_GPU_PRODUCT);
        if (find_model(b, n, &gpu) && physical_gpus(b, n) > 0) {
            add_node(b, n, gpu);
            continue;
        }
        w->unknown_gpu_nodes++;
        ctl_world_find(w, CTL_FINDING_UNSEEN, arena_printf(w->a, "node %.*s", STR_ARG(n->name)),
                product.len > 0 ? arena_printf(w->a, "GPU product '%.*s' is not in the table",
                                          STR_ARG_SHORT(product))
                                : "no label nvidia.com/gpu.product, and its instance type is in "
                                  "no price file",
                "left out: its GPUs and its cost count nowhere");
    }
    if (w->node_count > 0)
        return 0;
    return err_set(reterr, -ENODATA,
            with_gpus > 0
                    ? "%u nodes have GPUs, none of a model that is known (label "
                      "nvidia.com/gpu.product)"
                    : "no node has GPUs (%u nodes: no nvidia.com resource in their capacity, no "
                      "label nvidia.com/gpu.product)",
            with_gpus > 0 ? with_gpus : b->s->node_count);
}
