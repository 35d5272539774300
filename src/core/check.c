/* core/check.c - what must never be seen, looked for in every action and after every step.
 *
 * Pure.  Written apart from the machine that it watches: from the action, the facts and the record
 * on the node alone, as far as that goes.  A violation stops the simulator and freezes a live node.
 */
#include "core/core-priv.h"

#include <string.h>

static bool record_of(const struct core_node_fact *f, struct core_record *ret_record)
{
    if (f->annotation.len == 0)
        return false;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    return core_record_parse(a, f->annotation, ret_record, NULL) == 0;
}

static bool runs(const struct core_record *record)
{
    return record->state == CORE_RECORD_FORWARD || record->state == CORE_RECORD_UNDO;
}

/* ---- actions ---- */

/* A node that is to be retired disrupts only while somebody is on it. */
static bool empties(const struct core *c, const struct core_request *q)
{
    uint32_t node = core_picture_node(core_pic(c), q->action.target);
    return q->rollout->plan.kind == CORE_PLAN_RETIRE && node != CORE_NO_INDEX &&
           core_pic(c)->nodes[node].pod_count > 0;
}

static void check_budget(struct core *c, const struct core_request *q)
{
    const struct policy *p = core_pic(c)->policy;
    const struct core_rollout *r = q->rollout;
    if (p == NULL)
        return;
    if (q->action.kind == CORE_ACTION_POD_EVICT &&
            core_evictions_in_hour(c, q->action.cluster) >= p->max_evictions_per_hour)
        core_violate(c, CORE_REASON_CHECK_BUDGET, q->action.target);
    bool claims = r != NULL && core_rollout_step(r) == CORE_STEP_CLAIM && !r->adopted &&
                  r->direction == CORE_DIRECTION_FORWARD &&
                  (r->plan.kind == CORE_PLAN_CONFIG || empties(c, q));
    if (claims && r->try.attempt == 0 &&
            core_nodes_in_change(c, q->action.cluster) > p->max_nodes_in_change)
        core_violate(c, CORE_REASON_CHECK_BUDGET, q->action.target);
}

static void check_record(
        struct core *c, const struct core_node_fact *f, const struct core_action *a)
{
    uint32_t changes = CORE_PATCH_PLUGIN_CONFIG | CORE_PATCH_MIG_CONFIG | CORE_PATCH_POOL;
    bool closes = (a->node.fields & CORE_PATCH_CORDON) != 0 && a->node.cordon;
    bool writes_record =
            (a->node.fields & CORE_PATCH_ANNOTATION) != 0 && a->node.annotation.len > 0;
    if (((a->node.fields & changes) != 0 || closes) && f->annotation.len == 0 && !writes_record)
        core_violate(c, CORE_REASON_CHECK_NO_RECORD, f->uid);
}

static void check_two_plans(
        struct core *c, const struct core_node_fact *f, const struct core_action *a)
{
    struct core_record now;
    struct core_record next;
    bool claims = (a->node.fields & CORE_PATCH_ANNOTATION) != 0 && a->node.annotation.len > 0;
    if (!claims || !record_of(f, &now) || !runs(&now))
        return;
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    if (core_record_parse(arena, a->node.annotation, &next, NULL) == 0 && next.plan != now.plan)
        core_violate(c, CORE_REASON_CHECK_TWO_PLANS, f->uid);
}

static void check_node_patch(struct core *c, const struct core_request *q)
{
    const struct core_action *a = &q->action;
    uint32_t node = core_picture_node(core_pic(c), a->target);
    if (node == CORE_NO_INDEX)
        return;
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    check_record(c, f, a);
    check_two_plans(c, f, a);
    if ((a->node.fields & CORE_PATCH_MIG_CONFIG) != 0 && !core_in_window(c, NULL))
        core_violate(c, CORE_REASON_CHECK_WINDOW, f->uid);
    bool opens = (a->node.fields & CORE_PATCH_CORDON) != 0 && !a->node.cordon;
    if ((opens || (a->node.fields & CORE_PATCH_CORDON) != 0) && core_cordon_is_foreign(f))
        core_violate(c, CORE_REASON_CHECK_FOREIGN_UNDONE, f->uid);
    bool taints = (a->node.fields & CORE_PATCH_TAINTS) != 0;
    if (taints && ((a->node.pool_taint.len > 0 && f->pool_taint_refused.len > 0) ||
                          (a->node.startup_taint && f->startup_taint_refused.len > 0)))
        core_violate(c, CORE_REASON_CHECK_GUARD, f->uid);
    struct core_why why = {0};
    bool asked = q->rollout != NULL && core_rollout_active(q->rollout);
    if (asked && core_guard_step(c, node, q->rollout, true, &why) != CORE_REASON_NONE)
        core_violate(c, CORE_REASON_CHECK_GUARD, f->uid);
}

static void check_two_open(struct core *c, const struct core_action *a)
{
    uint64_t object = a->target;
    if (a->kind == CORE_ACTION_CONFIG_PUT || a->kind == CORE_ACTION_CONFIG_DELETE)
        object = core_config_target(a->cluster, a->config.map, a->config.key);
    for (uint32_t i = 0; i < c->op_count; i++) {
        bool same_kind = a->kind != CORE_ACTION_SOLVE || c->ops[i].kind == CORE_ACTION_SOLVE;
        if (c->ops[i].state == CORE_OP_SENT && c->ops[i].target == object && same_kind)
            core_violate(c, CORE_REASON_CHECK_TWO_OPEN, object);
    }
}

void core_check_action(struct core *c, const struct core_request *q)
{
    const struct core_action *a = &q->action;
    struct core_why why = {0};
    check_two_open(c, a);
    check_budget(c, q);
    if (a->kind == CORE_ACTION_NODE_PATCH) {
        check_node_patch(c, q);
    } else if (a->kind == CORE_ACTION_CONFIG_DELETE) {
        if (core_key_in_use(c, a->cluster, a->config.map, a->config.key))
            core_violate(c, CORE_REASON_CHECK_KEY_IN_USE, 0);
    } else if (a->kind == CORE_ACTION_POD_EVICT) {
        uint32_t pod = core_picture_pod(core_pic(c), a->target);
        if (pod != CORE_NO_INDEX && core_guard_evict(c, pod, true, &why) != CORE_REASON_NONE)
            core_violate(c, CORE_REASON_CHECK_GUARD, a->target);
    } else if (a->kind == CORE_ACTION_OWNER_PATCH && q->intent != NULL) {
        uint32_t owner = core_picture_owner(core_pic(c), a->target);
        if (core_guard_owner(c, owner, q->intent, true, &why) != CORE_REASON_NONE)
            core_violate(c, CORE_REASON_CHECK_GUARD, a->target);
    } else if (a->kind == CORE_ACTION_POD_ASSIGN) {
        uint32_t pod = core_picture_pod(core_pic(c), a->target);
        if (pod != CORE_NO_INDEX &&
                core_guard_assign(c, pod, a->assign.node, true, &why) != CORE_REASON_NONE)
            core_violate(c, CORE_REASON_CHECK_GUARD, a->target);
    }
}

/* ---- state ---- */

static bool offers(const struct core_node_fact *f, enum model_resource_kind kind)
{
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        if (f->allocatable[i].resource.kind == kind && f->allocatable[i].count > 0)
            return true;
    }
    return false;
}

/* Device ids with and without replicas are different ids to kubelet: while pods of one kind hold
 * GPUs, the node must not offer the other kind.  Only where one config covers the node, and where
 * the config is ours. */
static bool double_offered(const struct core *c, uint32_t node)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_node_view *v = &pic->nodes[node];
    const struct core_node_fact *f = &v->fact;
    if (f->caps.share != CORE_SHARE_NODE_RESOURCE || f->plugin_config.len == 0 ||
            core_picture_config(pic, f->cluster, CORE_CONFIG_PLUGIN, f->plugin_config) ==
                    CORE_NO_INDEX)
        return false;
    bool whole = offers(f, MODEL_RESOURCE_GPU);
    bool shared = offers(f, MODEL_RESOURCE_GPU_SHARED);
    for (uint32_t i = 0; i < v->pod_count; i++) {
        enum model_resource_kind held = pic->pods[v->pods[i]].fact.resource.kind;
        if ((held == MODEL_RESOURCE_GPU && shared) || (held == MODEL_RESOURCE_GPU_SHARED && whole))
            return true;
    }
    return false;
}

void core_check_state(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_view *v = &pic->nodes[i];
        const struct core_rollout *r = &c->rollouts[i];
        if (!v->live)
            continue;
        if (v->pod_count > 0 && double_offered(c, i))
            core_violate(c, CORE_REASON_CHECK_DOUBLE_OFFER, v->fact.uid);
        const bool *sync = pic->sync[v->fact.cluster];
        bool complete =
                sync[CORE_SOURCE_NODES] && sync[CORE_SOURCE_PODS] && sync[CORE_SOURCE_CONFIG];
        if (complete && v->fact.unschedulable && !core_cordon_is_foreign(&v->fact) && !r->held &&
                !core_rollout_active(r))
            core_violate(c, CORE_REASON_CHECK_STUCK, v->fact.uid);
    }
}
