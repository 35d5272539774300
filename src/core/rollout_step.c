/* core/rollout_step.c - what each kind of step writes, and what it waits to see.
 *
 * Pure.  A step is a level: seen means done, whoever did it and however often we asked.  A write is
 * issued only while its effect is not seen, no other write on the object is open, and its guards
 * agree. */
#include "core/core-priv.h"

#include <assert.h>
#include <string.h>

/* TUNING: the longest that each step may take before the rollout turns back; 0 = as long as it
 * needs.  Drain steps take the policy's drain timeout instead. */
static const int64_t step_deadline_ns[CORE_STEP_COUNT] = {
        [CORE_STEP_PUBLISH_PLUGIN] = CORE_MINUTES(15),
        [CORE_STEP_PUBLISH_MIG] = CORE_MINUTES(15),
        [CORE_STEP_PROPAGATE] = CORE_MINUTES(30),
        [CORE_STEP_CLAIM] = CORE_HOURS(1), /* it waits for budgets and windows */
        [CORE_STEP_EVICT] = 0,
        [CORE_STEP_WAIT_EMPTY] = 0,
        [CORE_STEP_SET_MIG] = CORE_MINUTES(15),
        [CORE_STEP_WAIT_MIG_STARTED] = CORE_MINUTES(10),
        [CORE_STEP_WAIT_MIG_DONE] = CORE_MINUTES(20), /* pending over 10 min is a known defect */
        [CORE_STEP_SET_PLUGIN] = CORE_MINUTES(15),
        [CORE_STEP_SET_POOL] = CORE_MINUTES(15),
        [CORE_STEP_WAIT_ALLOCATABLE] = CORE_MINUTES(15),
        [CORE_STEP_VERIFY] = CORE_MINUTES(10),
        [CORE_STEP_RELEASE] = 0,
        [CORE_STEP_WAIT_GONE] = CORE_HOURS(2),
};

static const int64_t DRAIN_DEFAULT_NS = CORE_MINUTES(30);
static const int64_t DRAIN_SETTLE_NS = CORE_MINUTES(5);
static const int64_t GUARD_POLL_NS = CORE_SECONDS(30);
/* The pending phase may be too short to be seen; after this long a "success" is believed, and the
 * allocatable counts decide. */
static const int64_t MIG_STARTED_NS = CORE_SECONDS(90);

/* What was set back so often, seen before or not, is not written again. */
enum { TAKEN_MAX = 3 };

/* ---- small questions ---- */

static const struct core_node_view *view_of(const struct core *c, uint32_t node)
{
    return &core_pic(c)->nodes[node];
}

/* Where this direction leads. */
static const struct core_setup *goal(const struct core_rollout *r)
{
    return r->direction == CORE_DIRECTION_FORWARD ? &r->to : &r->from;
}

static bool record_seen(const struct core_node_fact *f, const struct core_rollout *r)
{
    return str_eq(f->annotation, (struct str){r->record, r->record_len});
}

static int64_t deadline_of(const struct core *c, uint32_t node, const struct core_rollout *r)
{
    enum core_step_kind step = core_rollout_step(r);
    uint16_t cluster = view_of(c, node)->fact.cluster;
    /* What cannot be seen cannot be late: time counts from when the facts are complete again. */
    int64_t since = num_max_i64(r->step_since_mono_ns,
            num_max_i64(c->store.sync_since_mono_ns[cluster][CORE_SOURCE_NODES],
                    c->store.sync_since_mono_ns[cluster][CORE_SOURCE_PODS]));
    if (step == CORE_STEP_EVICT || step == CORE_STEP_WAIT_EMPTY) {
        const struct policy *p = core_pic(c)->policy;
        int64_t drain =
                p != NULL && p->drain_timeout_ns > 0 ? p->drain_timeout_ns : DRAIN_DEFAULT_NS;
        return since + drain + (step == CORE_STEP_WAIT_EMPTY ? DRAIN_SETTLE_NS : 0);
    }
    bool parts = step == CORE_STEP_WAIT_MIG_STARTED || step == CORE_STEP_WAIT_MIG_DONE ||
                 step == CORE_STEP_WAIT_ALLOCATABLE;
    if (parts && c->options.parts_timeout_ns > 0)
        return since + c->options.parts_timeout_ns;
    return step_deadline_ns[step] == 0 ? INT64_MAX : since + step_deadline_ns[step];
}

static bool sources_complete(const struct core *c, uint32_t node)
{
    uint16_t cluster = view_of(c, node)->fact.cluster;
    const bool *sync = core_pic(c)->sync[cluster];
    return sync[CORE_SOURCE_NODES] && sync[CORE_SOURCE_PODS];
}

/* ---- writes to the node ---- */

/* The patch of a step; only the fields that it names are written. */
static struct core_action node_patch(
        const struct core *c, uint32_t node, const struct core_rollout *r, uint32_t fields)
{
    const struct core_node_view *v = view_of(c, node);
    return (struct core_action){.kind = CORE_ACTION_NODE_PATCH,
            .cluster = v->fact.cluster,
            .target = v->fact.uid,
            .precondition = v->version,
            .reason = r->direction == CORE_DIRECTION_FORWARD ? r->reason : r->turned,
            .node = {.fields = fields,
                    .annotation = {r->record, r->record_len},
                    .plugin_config = str_from(goal(r)->plugin_key),
                    .mig_config = str_from(goal(r)->mig_key),
                    .pool = str_from(goal(r)->pool)}};
}

static bool may_write(struct core *c, uint32_t node, struct core_rollout *r)
{
    struct core_why why = {0};
    r->waits_on = core_guard_step(c, node, r, false, &why);
    if (r->waits_on == CORE_REASON_NONE)
        return true;
    core_wake(c, c->now.mono_ns + GUARD_POLL_NS);
    return false;
}

static void issue(struct core *c, struct core_rollout *r, const struct core_action *action)
{
    struct core_request request = {.action = *action,
            .plan = r->plan_id,
            .step = (uint32_t)core_rollout_step(r) << 2 | (uint32_t)r->direction,
            .rollout = r};
    request.action.evidence_count = num_min_u32(r->intent.evidence_count, CORE_EVIDENCE_MAX);
    memcpy(request.action.evidence, r->intent.evidence, sizeof(request.action.evidence));
    core_issue(c, &r->try, &request);
}

/* Accepted again and again, and never there: somebody writes the opposite.  The way back is tried
 * as long as any write. */
static bool set_back(const struct core_rollout *r, enum core_reason *ret_reason)
{
    if (r->direction != CORE_DIRECTION_FORWARD || r->try.unseen < TAKEN_MAX)
        return false;
    *ret_reason = CORE_REASON_GUARD_FOREIGN;
    return true;
}

/* Writes to the node until the effect is seen. */
static enum core_step_result write_node(struct core *c, uint32_t node, bool seen,
        const struct core_action *patch, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    if (seen)
        return core_try_settle(c, &r->try) ? CORE_STEP_DONE : CORE_STEP_WAIT;
    if (c->options.plant_bug[CORE_REASON_CHECK_TWO_OPEN])
        r->try.op = CORE_NO_INDEX; /* the planted bug: forgets what is open */
    if (c->taints[node].try.op != CORE_NO_INDEX)
        return CORE_STEP_WAIT; /* our write of its taints is under way */
    switch (core_try_poll(c, &r->try, view_of(c, node)->version)) {
    case CORE_TRY_GO:
        if (set_back(r, ret_reason))
            return CORE_STEP_FAIL;
        if (!may_write(c, node, r))
            return CORE_STEP_WAIT;
        r->wrote = true;
        r->claimed = true;
        issue(c, r, patch);
        return CORE_STEP_WAIT;
    case CORE_TRY_WAIT:
    case CORE_TRY_GONE: /* the fact that says so is on its way */
        return CORE_STEP_WAIT;
    case CORE_TRY_FATAL:
        *ret_reason = CORE_REASON_VERIFY_FAILED;
        return CORE_STEP_FAIL;
    }
    return CORE_STEP_WAIT;
}

/* ---- config keys ---- */

static enum core_step_result put_key(struct core *c, uint32_t node, enum core_config_map map,
        const struct core_setup *setup, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    struct str key = str_from(map == CORE_CONFIG_MIG ? setup->mig_key : setup->plugin_key);
    /* Another rollout may be writing the same key. */
    uint64_t target = core_config_target(f->cluster, map, key);
    if (r->try.op == CORE_NO_INDEX && core_op_on_target(c, target, CORE_ACTION_CONFIG_PUT) != NULL)
        return CORE_STEP_WAIT;
    enum core_try_state state = core_try_poll(c, &r->try, 0);
    if (state == CORE_TRY_FATAL || state == CORE_TRY_GONE) {
        *ret_reason = CORE_REASON_VERIFY_FAILED;
        return CORE_STEP_FAIL;
    }
    if (state == CORE_TRY_WAIT)
        return CORE_STEP_WAIT;
    if (set_back(r, ret_reason))
        return CORE_STEP_FAIL;
    if (!may_write(c, node, r))
        return CORE_STEP_WAIT;
    struct buf text = BUF_INIT(1 << 16);
    int rc = 0;
    if (map == CORE_CONFIG_MIG) {
        rc = core_setup_mig_text(setup, f->gpu_count, &text);
    } else {
        core_setup_plugin_text(setup, &text);
    }
    struct core_action put = {.kind = CORE_ACTION_CONFIG_PUT,
            .cluster = f->cluster,
            .reason = r->reason,
            .config = {.map = map, .key = key, .text = buf_str(&text)}};
    if (rc == 0 && !text.overflow)
        issue(c, r, &put);
    bool bad = rc < 0 || text.overflow;
    buf_clear(&text);
    *ret_reason = CORE_REASON_GUARD_CAPS;
    return bad ? CORE_STEP_FAIL : CORE_STEP_WAIT;
}

static const struct core_config_view *key_view(
        const struct core *c, uint32_t node, enum core_config_map map, const char *key)
{
    uint32_t row =
            core_picture_config(core_pic(c), view_of(c, node)->fact.cluster, map, str_from(key));
    return row == CORE_NO_INDEX ? NULL : &core_pic(c)->configs[row];
}

static enum core_step_result publish_plugin(
        struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    if (key_view(c, node, CORE_CONFIG_PLUGIN, r->to.plugin_key) == NULL)
        return put_key(c, node, CORE_CONFIG_PLUGIN, &r->to, ret_reason);
    return core_try_settle(c, &r->try) ? CORE_STEP_DONE : CORE_STEP_WAIT;
}

/* The way back needs its key too, before anything moves. */
static enum core_step_result publish_mig(
        struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    bool back = r->from.mig_key[0] == 0 || r->from.layout_count > 0 ||
                key_view(c, node, CORE_CONFIG_MIG, r->from.mig_key) != NULL;
    if (!back)
        return put_key(c, node, CORE_CONFIG_MIG, &r->from, ret_reason);
    if (key_view(c, node, CORE_CONFIG_MIG, r->to.mig_key) != NULL)
        return core_try_settle(c, &r->try) ? CORE_STEP_DONE : CORE_STEP_WAIT;
    /* Two keys, one after the other. */
    const struct core_op *op = r->try.op == CORE_NO_INDEX ? NULL : &c->ops[r->try.op];
    uint64_t target = core_config_target(
            view_of(c, node)->fact.cluster, CORE_CONFIG_MIG, str_from(r->to.mig_key));
    if (op != NULL && op->target != target && !core_try_settle(c, &r->try))
        return CORE_STEP_WAIT;
    return put_key(c, node, CORE_CONFIG_MIG, &r->to, ret_reason);
}

static enum core_step_result propagate(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    int64_t ready = INT64_MIN;
    for (int map = 0; map < CORE_CONFIG_COUNT; map++) {
        bool plugin = map == CORE_CONFIG_PLUGIN;
        const char *key = plugin ? r->to.plugin_key : r->to.mig_key;
        if (key[0] == 0 || !(plugin ? r->plan.plugin_changes : r->plan.mig_changes))
            continue;
        const struct core_config_view *v = key_view(c, node, (enum core_config_map)map, key);
        if (v == NULL && ++r->taken >= TAKEN_MAX) {
            *ret_reason = CORE_REASON_GUARD_FOREIGN;
            return CORE_STEP_FAIL;
        }
        if (v == NULL)
            return CORE_STEP_BACK; /* somebody took it away: publish it again */
        ready = num_max_i64(ready, v->observed_mono_ns + c->options.propagation_ns);
    }
    if (c->now.mono_ns >= ready)
        return CORE_STEP_DONE;
    core_wake(c, ready);
    return CORE_STEP_WAIT;
}

/* ---- claim, drain ---- */

static enum core_step_result claim(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    bool seen = record_seen(f, r) && (!r->plan.cordons || f->unschedulable);
    bool forward = r->direction == CORE_DIRECTION_FORWARD;
    if (!seen && forward && f->annotation.len > 0 &&
            str_hash(f->annotation, 0) != r->found_annotation && !record_seen(f, r)) {
        /* A late write of the controller before us: its rollout is the node's, ours never was. */
        *ret_reason = CORE_REASON_RETRY;
        r->wrote = false;
        return CORE_STEP_FAIL;
    }
    uint32_t fields = CORE_PATCH_ANNOTATION | (r->plan.cordons ? CORE_PATCH_CORDON : 0u);
    if (c->options.plant_bug[CORE_REASON_CHECK_NO_RECORD])
        fields &= ~(uint32_t)CORE_PATCH_ANNOTATION;
    struct core_action patch = node_patch(c, node, r, fields);
    patch.node.cordon = true;
    enum core_step_result result = write_node(c, node, seen, &patch, ret_reason);
    if (result == CORE_STEP_DONE && r->plan.cordons && r->closed_since_mono_ns == 0)
        r->closed_since_mono_ns = num_max_i64(c->now.mono_ns, 1);
    return result;
}

static bool still_there(const struct core_pod_view *pod)
{
    return pod->fact.phase == CORE_POD_RUNNING || pod->fact.phase == CORE_POD_PENDING;
}

static enum core_step_result evict(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_view *v = view_of(c, node);
    uint32_t remaining = v->pods_beyond;
    if (!v->fact.unschedulable) {
        *ret_reason = CORE_REASON_GUARD_FOREIGN; /* somebody opened the node again */
        return CORE_STEP_FAIL;
    }
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct core_pod_view *pod = &core_pic(c)->pods[v->pods[i]];
        if (!still_there(pod) || !core_pod_must_go(c, pod, r->plan.clear_gpus))
            continue;
        remaining++;
        if (core_pod_evict(c, v->pods[i], r->reason, ret_reason) == CORE_STEP_FAIL)
            return CORE_STEP_FAIL;
        r->waits_on = *ret_reason;
    }
    *ret_reason = CORE_REASON_TIMEOUT;
    return remaining == 0 ? CORE_STEP_DONE : CORE_STEP_WAIT;
}

static enum core_step_result wait_empty(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_view *v = view_of(c, node);
    bool forward = r->direction == CORE_DIRECTION_FORWARD;
    if (!v->fact.unschedulable) {
        *ret_reason = CORE_REASON_GUARD_FOREIGN;
        return CORE_STEP_FAIL;
    }
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct core_pod_view *pod = &core_pic(c)->pods[v->pods[i]];
        if (forward && still_there(pod) && core_pod_must_go(c, pod, r->plan.clear_gpus))
            return CORE_STEP_BACK; /* bound before the cordon, seen after it */
    }
    struct core_why why = {0};
    r->waits_on = core_guard_empty(c, node, r, false, &why);
    if (r->waits_on == CORE_REASON_NONE)
        return CORE_STEP_DONE;
    core_wake(c, c->now.mono_ns + GUARD_POLL_NS);
    return CORE_STEP_WAIT;
}

/* ---- labels ---- */

static enum core_step_result set_label(
        struct core *c, uint32_t node, uint32_t field, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    struct str now = field == CORE_PATCH_MIG_CONFIG      ? f->mig_config
                     : field == CORE_PATCH_PLUGIN_CONFIG ? f->plugin_config
                                                         : f->pool;
    const char *want = field == CORE_PATCH_MIG_CONFIG      ? goal(r)->mig_key
                       : field == CORE_PATCH_PLUGIN_CONFIG ? goal(r)->plugin_key
                                                           : goal(r)->pool;
    const char *was = field == CORE_PATCH_MIG_CONFIG      ? r->from.mig_key
                      : field == CORE_PATCH_PLUGIN_CONFIG ? r->from.plugin_key
                                                          : r->from.pool;
    bool forward = r->direction == CORE_DIRECTION_FORWARD;
    if (forward && now.len > 0 && !str_eq_c(now, want) && !str_eq_c(now, was)) {
        /* Somebody else wrote it since we began.  None at all may be what we began with: `from`
         * then names the key that takes MIG off. */
        *ret_reason = CORE_REASON_GUARD_FOREIGN;
        return CORE_STEP_FAIL;
    }
    struct core_action patch = node_patch(c, node, r, field);
    return write_node(c, node, str_eq_c(now, want), &patch, ret_reason);
}

/* A label that this rollout wrote, and saw, says something else now: what is waited for follows the
 * labels. */
static bool label_lost(const struct core *c, uint32_t node)
{
    const struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    enum core_step_kind step = core_rollout_step(r);
    bool plugin = step == CORE_STEP_WAIT_ALLOCATABLE && r->plan.plugin_changes;
    bool waits = step == CORE_STEP_WAIT_ALLOCATABLE || step == CORE_STEP_WAIT_MIG_STARTED ||
                 step == CORE_STEP_WAIT_MIG_DONE;
    return r->direction == CORE_DIRECTION_FORWARD && waits &&
           ((r->plan.mig_changes && !str_eq_c(f->mig_config, r->to.mig_key)) ||
                   (plugin && !str_eq_c(f->plugin_config, r->to.plugin_key)));
}

static enum core_step_result wait_mig_started(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    if (str_eq_c(f->mig_state, "pending") || str_eq_c(f->mig_state, "rebooting"))
        return CORE_STEP_DONE;
    int64_t patience = c->options.parts_timeout_ns > 0
                               ? num_min_i64(MIG_STARTED_NS, c->options.parts_timeout_ns / 2)
                               : MIG_STARTED_NS;
    int64_t believed = r->step_since_mono_ns + patience;
    bool answered = str_eq_c(f->mig_state, "success") || str_eq_c(f->mig_state, "failed");
    if (answered && c->now.mono_ns >= believed)
        return CORE_STEP_DONE;
    if (c->now.mono_ns < believed)
        core_wake(c, believed);
    return CORE_STEP_WAIT;
}

static enum core_step_result wait_mig_done(
        const struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    const struct core_node_fact *f = &view_of(c, node)->fact;
    if (str_eq_c(f->mig_state, "failed")) {
        *ret_reason = CORE_REASON_STATE_FAILED;
        return CORE_STEP_FAIL;
    }
    return str_eq_c(f->mig_state, "success") ? CORE_STEP_DONE : CORE_STEP_WAIT;
}

static enum core_step_result verify(
        const struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    const struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    bool labels = str_eq_c(f->plugin_config, r->to.plugin_key) &&
                  str_eq_c(f->mig_config, r->to.mig_key) && str_eq_c(f->pool, r->to.pool);
    bool changed = r->plan.plugin_changes || r->plan.mig_changes;
    *ret_reason = CORE_REASON_VERIFY_FAILED;
    if (!labels)
        return CORE_STEP_FAIL; /* somebody's hand, after our writes were seen */
    if (!f->ready || (changed && !core_setup_is_offered(&r->to, f)))
        return CORE_STEP_WAIT;
    return CORE_STEP_DONE;
}

/* ---- the end ---- */

/* Abandoned: the plugin label should say what the node really offers, so that a config-manager
 * which comes back later changes nothing under the pods that will have arrived. */
static const char *settled_plugin_key(const struct core_node_fact *f, const struct core_rollout *r)
{
    bool at_to = str_eq_c(f->plugin_config, r->to.plugin_key);
    bool at_from = str_eq_c(f->plugin_config, r->from.plugin_key);
    if (r->direction != CORE_DIRECTION_ABANDON || r->adopted || at_to == at_from)
        return NULL;
    if (at_to && core_setup_is_offered(&r->from, f))
        return r->from.plugin_key;
    if (at_from && core_setup_is_offered(&r->to, f))
        return r->to.plugin_key;
    return NULL;
}

static enum core_step_result release(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &view_of(c, node)->fact;
    if (r->direction == CORE_DIRECTION_UNDO) {
        /* A label write whose outcome was unknown may have landed after we turned back. */
        struct core_plan back;
        core_plan_undo(&r->from, &r->to, f, r->plan.clear_gpus, &back);
        if (back.count > 1)
            return CORE_STEP_AGAIN;
    }
    struct core_action patch = node_patch(c, node, r, CORE_PATCH_ANNOTATION);
    bool open = !r->uncordons || !f->unschedulable;
    const char *plugin = settled_plugin_key(f, r);
    if (!open)
        patch.node.fields |= CORE_PATCH_CORDON;
    if (plugin != NULL) {
        patch.node.fields |= CORE_PATCH_PLUGIN_CONFIG;
        patch.node.plugin_config = str_from(plugin);
    }
    if (c->options.plant_bug[CORE_REASON_CHECK_STUCK])
        return CORE_STEP_DONE;
    return write_node(c, node, open && record_seen(f, r) && plugin == NULL, &patch, ret_reason);
}

static enum core_step_result wait_gone(struct core *c, uint32_t node)
{
    const struct core_node_view *v = view_of(c, node);
    for (uint32_t i = 0; i < v->pod_count; i++) {
        if (still_there(&core_pic(c)->pods[v->pods[i]]))
            return CORE_STEP_BACK;
    }
    return CORE_STEP_WAIT;
}

/* ---- dispatch ---- */

static enum core_step_result run(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    const struct core_rollout *r = &c->rollouts[node];
    switch (core_rollout_step(r)) {
    case CORE_STEP_PUBLISH_PLUGIN:
        return publish_plugin(c, node, ret_reason);
    case CORE_STEP_PUBLISH_MIG:
        return publish_mig(c, node, ret_reason);
    case CORE_STEP_PROPAGATE:
        return propagate(c, node, ret_reason);
    case CORE_STEP_CLAIM:
        return claim(c, node, ret_reason);
    case CORE_STEP_EVICT:
        return evict(c, node, ret_reason);
    case CORE_STEP_WAIT_EMPTY:
        return wait_empty(c, node, ret_reason);
    case CORE_STEP_SET_MIG:
        return set_label(c, node, CORE_PATCH_MIG_CONFIG, ret_reason);
    case CORE_STEP_WAIT_MIG_STARTED:
        return wait_mig_started(c, node);
    case CORE_STEP_WAIT_MIG_DONE:
        return wait_mig_done(c, node, ret_reason);
    case CORE_STEP_SET_PLUGIN:
        return set_label(c, node, CORE_PATCH_PLUGIN_CONFIG, ret_reason);
    case CORE_STEP_SET_POOL:
        return set_label(c, node, CORE_PATCH_POOL, ret_reason);
    case CORE_STEP_WAIT_ALLOCATABLE:
        return core_setup_is_offered(goal(r), &view_of(c, node)->fact) ? CORE_STEP_DONE
                                                                       : CORE_STEP_WAIT;
    case CORE_STEP_VERIFY:
        return verify(c, node, ret_reason);
    case CORE_STEP_RELEASE:
        return release(c, node, ret_reason);
    case CORE_STEP_WAIT_GONE:
        return wait_gone(c, node);
    case CORE_STEP_COUNT:
        break;
    }
    assert(core_rollout_step(r) != CORE_STEP_COUNT);
    return CORE_STEP_WAIT;
}

enum core_step_result core_step_run(struct core *c, uint32_t node, enum core_reason *ret_reason)
{
    struct core_rollout *r = &c->rollouts[node];
    if (!sources_complete(c, node) && !c->options.plant_bug[CORE_REASON_GUARD_SYNC])
        return CORE_STEP_WAIT;
    enum core_reason hand = core_guard_hand(c, node, r);
    if (hand == CORE_REASON_NONE && label_lost(c, node))
        hand = CORE_REASON_GUARD_FOREIGN;
    if (hand != CORE_REASON_NONE && core_rollout_step(r) != CORE_STEP_RELEASE) {
        *ret_reason = hand;
        return CORE_STEP_FAIL;
    }
    enum core_step_result result = run(c, node, ret_reason);
    if (result != CORE_STEP_WAIT)
        return result;
    int64_t deadline = deadline_of(c, node, r);
    if (c->now.mono_ns >= deadline) {
        *ret_reason = r->waits_on != CORE_REASON_NONE ? r->waits_on : CORE_REASON_TIMEOUT;
        return CORE_STEP_FAIL;
    }
    if (deadline != INT64_MAX)
        core_wake(c, deadline);
    return CORE_STEP_WAIT;
}
