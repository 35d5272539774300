/* ctl/world_taint.c - may a taint of ours be set: who would be locked out that has to run.  No I/O.
 *
 * NVIDIA's DaemonSets tolerate what the ClusterPolicy says (daemonsets.tolerations; by the chart
 * nvidia.com/gpu alone).  On a node with another taint their running pods stay, and the next
 * restart of the device plugin is its last: no GPU is offered any more, and nothing that waits for
 * the plugin ends.  Both are looked at: the ClusterPolicy, which the Operator brings the DaemonSets
 * to, and the DaemonSets as they are, which it does not manage alone (node feature discovery is a
 * chart of its own).  A pool's taint has to be tolerated by all that select the pool as well. */
#include "base/map.h"
#include "ctl/fetch.h"
#include "ctl/names.h"
#include "ctl/world-priv.h"

static const struct str no_schedule = STR_LIT("NoSchedule");

bool world_tolerates(
        const struct kube_toleration *list, uint32_t count, const struct kube_taint *taint)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct kube_toleration *t = &list[i];
        if (t->effect.len > 0 && !str_eq(t->effect, taint->effect))
            continue;
        if (str_eq_c(t->op, "Exists")
                        ? t->key.len == 0 || str_eq(t->key, taint->key)
                        : str_eq(t->key, taint->key) && str_eq(t->value, taint->value))
            return true;
    }
    return false;
}

static bool spec_tolerates(const struct ctl_pod_spec *spec, const struct kube_taint *taint)
{
    return world_tolerates(spec->tolerations, spec->toleration_count, taint);
}

static struct str selected(const struct ctl_pod_spec *spec, const char *key)
{
    for (uint32_t i = 0; i < spec->selector_count; i++) {
        if (str_eq_c(spec->selector[i].key, key))
            return spec->selector[i].value;
    }
    return (struct str){0};
}

/* -- NVIDIA's parts -----------------------------------------------------------------------------
 */

static bool is_part(const struct ctl_workload *w, struct str operator_namespace)
{
    if (w->kind != CTL_DAEMONSETS)
        return false;
    if (str_eq(w->namespace, operator_namespace))
        return true;
    for (uint32_t i = 0; i < w->spec.selector_count; i++) {
        if (str_starts(w->spec.selector[i].key, STR_LIT("nvidia.com/gpu.deploy.")))
            return true;
    }
    return false;
}

/* Who of NVIDIA's parts does not tolerate the taint; "" when all do. */
static struct str parts_refuse(const struct world_builder *b, const struct kube_taint *taint)
{
    const struct ctl_operator *op = &b->s->operator;
    struct str ns = ctl_operator_namespace(b->s, NULL);
    if (!b->o->seen[CTL_CLUSTER_POLICIES] || !b->o->seen[CTL_DAEMONSETS] || !op->present)
        return STR_LIT("whoever is the device plugin here (no ClusterPolicy or DaemonSets seen)");
    if (!world_tolerates(op->tolerations, op->toleration_count, taint))
        return STR_LIT("the ClusterPolicy's daemonsets.tolerations");
    for (uint32_t i = 0; i < b->s->workload_count; i++) {
        const struct ctl_workload *w = &b->s->workloads[i];
        if (is_part(w, ns) && !spec_tolerates(&w->spec, taint)) {
            return str_from(arena_printf(
                    b->w->a, "DaemonSet %.*s/%.*s", STR_ARG(w->namespace), STR_ARG(w->name)));
        }
    }
    return (struct str){0};
}

/* -- a pool's own pods --------------------------------------------------------------------------
 */

/* The pod's template is not known, or it waits now: its own tolerations count. */
static bool counts(const struct world_builder *b, const struct ctl_pod *p)
{
    bool ended = p->phase == KUBE_POD_SUCCEEDED || p->phase == KUBE_POD_FAILED;
    return !ended && p->deleted_wall_ns == 0 &&
           (p->node.len == 0 || p->owner.uid.len == 0 ||
                   map_str_find(&b->s->workload_by_uid, p->owner.uid) == MAP_NONE);
}

static struct str members_refuse(const struct world_builder *b, const struct kube_taint *taint)
{
    for (uint32_t i = 0; i < b->s->workload_count; i++) {
        const struct ctl_workload *w = &b->s->workloads[i];
        bool lives = w->replicas > 0 || w->kind == CTL_CRONJOBS;
        if (lives && str_eq(selected(&w->spec, CTL_LABEL_POOL), taint->value) &&
                !spec_tolerates(&w->spec, taint)) {
            return str_from(arena_printf(b->w->a, "%s %.*s/%.*s", ctl_kind_info(w->kind)->kind,
                    STR_ARG(w->namespace), STR_ARG(w->name)));
        }
    }
    for (uint32_t i = 0; i < b->s->pod_count; i++) {
        const struct ctl_pod *p = &b->s->pods[i];
        if (counts(b, p) && str_eq(selected(&p->spec, CTL_LABEL_POOL), taint->value) &&
                !spec_tolerates(&p->spec, taint)) {
            return str_from(arena_printf(
                    b->w->a, "Pod %.*s/%.*s", STR_ARG(p->namespace), STR_ARG(p->name)));
        }
    }
    return (struct str){0};
}

/* -- nodes --------------------------------------------------------------------------------------
 */

static struct str pool_refused(const struct world_builder *b, struct str pool)
{
    const struct kube_taint taint = {STR_LIT(CTL_TAINT_POOL), pool, no_schedule};
    struct str who = parts_refuse(b, &taint);
    return who.len > 0 ? who : members_refuse(b, &taint);
}

void world_find_taints(struct world_builder *b)
{
    const struct kube_taint startup = {STR_LIT(CTL_TAINT_STARTUP), {0}, no_schedule};
    struct ctl_world *w = b->w;
    struct map_str known = {0};
    struct str *answers = ARENA_ARRAY(w->a, struct str, (size_t)w->node_count + 1);
    const struct policy *p = b->o->policy;
    struct str startup_refused = {0};
    if (p->taint_startup)
        startup_refused = parts_refuse(b, &startup);
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct core_node_fact *f = &w->nodes[i].node;
        const struct kube_node *n = &w->node_notes[i].node->fields;
        f->startup_taint_refused = startup_refused;
        for (uint32_t t = 0; t < n->taint_count; t++) {
            if (str_eq_c(n->taints[t].key, CTL_TAINT_STARTUP))
                f->startup_taint = true;
            if (str_eq_c(n->taints[t].key, CTL_TAINT_POOL))
                f->pool_taint = n->taints[t].value.len > 0 ? n->taints[t].value : STR_LIT("?");
        }
        if (!p->taint_pools || f->pool.len == 0)
            continue;
        uint32_t row = map_str_find(&known, f->pool);
        if (row == MAP_NONE) {
            answers[i] = pool_refused(b, f->pool);
            (void)map_str_set(&known, f->pool, i);
            row = i;
        }
        f->pool_taint_refused = answers[row];
    }
    map_str_clear(&known);
}
