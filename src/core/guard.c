/* core/guard.c - may it be done now: asked right before each write, each answer a name.
 *
 * Pure.  A guard refuses, never fails.  `strict` asks without the planted bugs: the door audits
 * what left with it.  Questions that only demand can answer go to core_decider_guard(). */
#include "core/core-priv.h"

#include <string.h>

/* TUNING: how long the pod source must have shown a closed node as empty before its GPUs count as
 * free: a pod that was bound just before the cordon may be seen later than the cordon.  Watches lag
 * by seconds; half a minute is kept. */
static const int64_t SETTLE_NS = CORE_SECONDS(30);

/* A planted bug in a check breaks the guards that protect the same thing wholly, so that only the
 * check, which looks another way, can find what follows. */
static enum core_reason check_behind(enum core_reason guard)
{
    if (guard == CORE_REASON_GUARD_WINDOW)
        return CORE_REASON_CHECK_WINDOW;
    if (guard == CORE_REASON_GUARD_BUDGET_NODES || guard == CORE_REASON_GUARD_BUDGET_EVICTIONS)
        return CORE_REASON_CHECK_BUDGET;
    if (guard == CORE_REASON_GUARD_OWNER_MARK)
        return CORE_REASON_CHECK_FOREIGN_UNDONE;
    if (guard == CORE_REASON_GUARD_DOUBLE_BOOKING || guard == CORE_REASON_GUARD_CAPACITY_IN_USE)
        return CORE_REASON_CHECK_DOUBLE_OFFER;
    return CORE_REASON_NONE;
}

static bool on(const struct core *c, enum core_reason guard, bool strict)
{
    const bool *planted = c->options.plant_bug;
    if (!strict && planted[CORE_REASON_CHECK_GUARD])
        return false; /* all guards are off, so that only the audit of what left is there */
    return !planted[check_behind(guard)] && (strict || !planted[guard]);
}

static bool synced(const struct core *c, uint16_t cluster, enum core_source source)
{
    return core_pic(c)->sync[cluster][source];
}

/* ---- counting ---- */

uint32_t core_evictions_in_hour(const struct core *c, uint16_t cluster)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->eviction_count; i++) {
        const struct core_eviction *e = &c->evictions[i];
        if (e->cluster == cluster && e->mono_ns > c->now.mono_ns - CORE_HOURS(1))
            n += num_min_u32(e->count, UINT32_MAX / 2 - num_min_u32(n, UINT32_MAX / 2));
    }
    for (uint32_t i = 0; i < c->op_count; i++) {
        n += c->ops[i].state == CORE_OP_SENT && c->ops[i].kind == CORE_ACTION_POD_EVICT &&
             c->ops[i].cluster == cluster;
    }
    return n;
}

/* The time between two pods' creation, as the API server saw it. */
static int64_t older_by(int64_t newest_wall_ns, const struct core_pod_fact *p)
{
    return num_max_i64(newest_wall_ns, p->created_wall_ns) - p->created_wall_ns;
}

static int64_t newest_pod(const struct core_picture *pic, uint16_t cluster)
{
    int64_t newest = 0;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        if (pic->pods[i].live && pic->pods[i].fact.cluster == cluster)
            newest = num_max_i64(newest, pic->pods[i].fact.created_wall_ns);
    }
    return newest;
}

void core_evicted(struct core *c, uint16_t cluster, const struct core_evicted_fact *fact)
{
    int64_t age_ns = num_min_i64(num_max_i64(fact->age_ns, 0), CORE_HOURS(1));
    const struct core_eviction e = {
            c->now.mono_ns - age_ns, num_min_u32(fact->count, CORE_EVICTED_MAX), cluster};
    if (e.count > 0) {
        core_eviction_add(c, &e);
    } else {
        c->evictions_since_ns[cluster] = num_max_i64(c->evictions_since_ns[cluster], age_ns);
    }
}

/* What a controller before us may have evicted in the hour that ends now, before the record that it
 * left begins: each such pod is going away still, or not made anew yet, or was made anew within the
 * hour.  Those are counted as if all had been evicted; one that was evicted twice counts once.  Our
 * clock may be wrong: ages are taken from the newest pod. */
static void take_over(struct core *c, uint16_t cluster)
{
    const struct core_picture *pic = core_pic(c);
    int64_t newest = newest_pod(pic, cluster);
    struct core_eviction e = {c->now.mono_ns, 1, cluster};
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_fact *p = &pic->pods[i].fact;
        if (!pic->pods[i].live || p->cluster != cluster || p->owner == 0)
            continue;
        bool going = p->phase == CORE_POD_TERMINATING;
        int64_t age_ns = older_by(newest, p);
        e.mono_ns = c->now.mono_ns - (going ? 0 : age_ns);
        if (going || (age_ns >= c->evictions_since_ns[cluster] && age_ns < CORE_HOURS(1)))
            core_eviction_add(c, &e);
    }
    e.mono_ns = c->now.mono_ns;
    for (uint32_t i = 0; i < pic->owner_count; i++) {
        const struct core_owner_view *o = &pic->owners[i];
        uint32_t there = o->running_count + o->pending_count;
        e.count = o->fact.replicas > there ? o->fact.replicas - there : 0;
        if (o->live && o->fact.cluster == cluster && e.count > 0)
            core_eviction_add(c, &e);
    }
}

void core_evictions_take_over(struct core *c)
{
    for (uint16_t cluster = 0; c->now.epoch > 1 && cluster < CORE_CLUSTERS_MAX; cluster++) {
        const bool *sync = core_pic(c)->sync[cluster];
        if (c->evictions_known[cluster] || !sync[CORE_SOURCE_PODS] || !sync[CORE_SOURCE_OWNERS])
            continue;
        c->evictions_known[cluster] = true;
        if (c->evictions_since_ns[cluster] < CORE_HOURS(1))
            take_over(c, cluster);
    }
}

/* A rollout counts from its claim until the node is given back; a retiring node only until it is
 * empty, because then it disrupts nothing any more. */
static bool in_change(const struct core *c, uint32_t node)
{
    const struct core_rollout *r = &c->rollouts[node];
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    if (!v->live || r->uid != v->fact.uid || !core_rollout_active(r) || !r->claimed)
        return false;
    return r->plan.kind != CORE_PLAN_RETIRE || v->pod_count > 0;
}

uint32_t core_nodes_in_change(const struct core *c, uint16_t cluster)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < core_pic(c)->node_count; i++)
        n += core_pic(c)->nodes[i].fact.cluster == cluster && in_change(c, i);
    return n;
}

bool core_in_window(const struct core *c, int64_t *ret_next_start_wall_ns)
{
    const struct core_picture *pic = core_pic(c);
    int64_t now = c->now.wall_ns;
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < pic->window_count; i++) {
        const struct core_window_fact *w = &pic->windows[i];
        if (w->start_wall_ns <= now && now < w->end_wall_ns)
            return true;
        if (w->start_wall_ns > now)
            next = num_min_i64(next, w->start_wall_ns);
    }
    if (ret_next_start_wall_ns != NULL)
        *ret_next_start_wall_ns = next;
    return false;
}

/* ---- who must go ---- */

bool core_pod_must_go(const struct core *c, const struct core_pod_view *pod, uint16_t clear_gpus)
{
    (void)c;
    if (clear_gpus == UINT16_MAX || pod->fact.device_count == 0)
        return clear_gpus != 0; /* devices not known: any of them may be meant */
    for (uint32_t i = 0; i < pod->fact.device_count; i++) {
        if (pod->fact.devices[i].gpu >= CORE_GPUS_MAX ||
                (clear_gpus >> pod->fact.devices[i].gpu & 1) != 0)
            return true;
    }
    return false;
}

static uint32_t pods_in_the_way(const struct core *c, uint32_t node, uint16_t clear_gpus)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    uint32_t n = v->pods_beyond;
    for (uint32_t i = 0; i < v->pod_count; i++)
        n += core_pod_must_go(c, &core_pic(c)->pods[v->pods[i]], clear_gpus);
    return n;
}

enum core_reason core_guard_empty(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    bool whole = r->plan.clear_gpus == UINT16_MAX;
    enum core_reason guard =
            whole ? CORE_REASON_GUARD_DOUBLE_BOOKING : CORE_REASON_GUARD_INSTANCE_IN_USE;
    if (r->plan.clear_gpus == 0 || !on(c, guard, strict))
        return CORE_REASON_NONE;
    uint32_t pods = pods_in_the_way(c, node, r->plan.clear_gpus);
    if (pods > 0) {
        core_why_add(why, "pods_remaining", pods);
        return guard;
    }
    bool closed = v->fact.unschedulable && r->closed_since_mono_ns != 0;
    if (!closed || c->now.mono_ns < r->closed_since_mono_ns + SETTLE_NS) {
        core_why_add(why, "closed_ns", closed ? c->now.mono_ns - r->closed_since_mono_ns : 0);
        return guard;
    }
    return CORE_REASON_NONE;
}

/* ---- nodes ---- */

enum model_technique core_change_technique(enum core_change change)
{
    switch (change) {
    case CORE_CHANGE_MIG_RELAYOUT:
        return MODEL_TECHNIQUE_MIG;
    case CORE_CHANGE_RETIRE:
    case CORE_CHANGE_POD_MOVE:
    case CORE_CHANGE_POD_ASSIGN:
        return MODEL_TECHNIQUE_EXCLUSIVE;
    case CORE_CHANGE_SHARE:
    case CORE_CHANGE_REPLICAS_RAISE:
    case CORE_CHANGE_REPLICAS_LOWER:
    case CORE_CHANGE_UNSHARE:
    case CORE_CHANGE_HOLD:
    case CORE_CHANGE_RELEASE:
    case CORE_CHANGE_OWNER_POINT:
    case CORE_CHANGE_TAINT:
    case CORE_CHANGE_COUNT:
        break;
    }
    return MODEL_TECHNIQUE_TIME_SLICING;
}

static enum core_reason guard_policy(
        const struct core *c, enum model_technique technique, uint64_t plan, bool strict)
{
    const struct policy *p = core_pic(c)->policy;
    if (p->suspend && on(c, CORE_REASON_GUARD_SUSPENDED, strict))
        return CORE_REASON_GUARD_SUSPENDED;
    if (!on(c, CORE_REASON_GUARD_MODE, strict) || p->mode[technique] == POLICY_MODE_APPLY)
        return CORE_REASON_NONE;
    if (p->mode[technique] == POLICY_MODE_RECOMMEND && core_approved(c, plan))
        return CORE_REASON_NONE;
    return CORE_REASON_GUARD_MODE;
}

static enum core_reason guard_sync(const struct core *c, uint16_t cluster, bool strict)
{
    static const enum core_source read[] = {
            CORE_SOURCE_NODES, CORE_SOURCE_PODS, CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG};
    if (!on(c, CORE_REASON_GUARD_SYNC, strict))
        return core_pic(c)->policy == NULL ? CORE_REASON_GUARD_SYNC : CORE_REASON_NONE;
    for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++) {
        if (!synced(c, cluster, read[i]))
            return CORE_REASON_GUARD_SYNC;
    }
    return core_pic(c)->policy == NULL ? CORE_REASON_GUARD_SYNC : CORE_REASON_NONE;
}

static enum core_reason guard_node_is_ours(
        const struct core *c, uint32_t node, const struct core_rollout *r, bool strict)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    if (f->frozen && on(c, CORE_REASON_GUARD_FROZEN, strict))
        return CORE_REASON_GUARD_FROZEN;
    if (c->now.mono_ns < r->retry_mono_ns && on(c, CORE_REASON_GUARD_FROZEN, strict))
        return CORE_REASON_GUARD_FROZEN;
    if (f->foreign.len > 0 && on(c, CORE_REASON_GUARD_FOREIGN, strict))
        return CORE_REASON_GUARD_FOREIGN;
    if (f->excluded && on(c, CORE_REASON_GUARD_SELECTOR, strict))
        return CORE_REASON_GUARD_SELECTOR;
    if (core_cordon_is_foreign(f) && on(c, CORE_REASON_GUARD_OWNER_MARK, strict))
        return CORE_REASON_GUARD_OWNER_MARK;
    if (r->plan.kind == CORE_PLAN_RETIRE && f->keeps.len > 0 &&
            on(c, CORE_REASON_GUARD_KEPT, strict))
        return CORE_REASON_GUARD_KEPT;
    return CORE_REASON_NONE;
}

/* A label that was there says neither what it said nor what it is to say. */
static bool label_moved(struct str now, const char *from, const char *to)
{
    return now.len > 0 && from[0] != 0 && !str_eq_c(now, from) && !str_eq_c(now, to);
}

enum core_reason core_guard_hand(const struct core *c, uint32_t node, const struct core_rollout *r)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    bool changes = r->plan.kind == CORE_PLAN_CONFIG || r->plan.kind == CORE_PLAN_RETIRE;
    if (r->direction != CORE_DIRECTION_FORWARD || !changes || r->reason == CORE_REASON_RESTORE)
        return CORE_REASON_NONE;
    bool moved = label_moved(f->mig_config, r->from.mig_key, r->to.mig_key) ||
                 label_moved(f->plugin_config, r->from.plugin_key, r->to.plugin_key);
    if ((f->foreign.len > 0 || moved) && on(c, CORE_REASON_GUARD_FOREIGN, false))
        return CORE_REASON_GUARD_FOREIGN;
    if (!r->claimed && core_cordon_is_foreign(f) && on(c, CORE_REASON_GUARD_OWNER_MARK, false))
        return CORE_REASON_GUARD_OWNER_MARK;
    return CORE_REASON_NONE;
}

/* Changes of others on this cluster's nodes or keys undo ours: nothing is begun for a while. */
static enum core_reason guard_fight(
        const struct core *c, uint16_t cluster, const struct core_rollout *r, struct core_why *why)
{
    const struct core_hand *hand = &c->hands[cluster];
    bool writes = r->plan.plugin_changes || r->plan.mig_changes;
    if (!writes || r->intent.urgent || r->reason == CORE_REASON_RESTORE ||
            c->now.mono_ns >= hand->until_mono_ns)
        return CORE_REASON_NONE;
    core_why_add(why, "changes_set_back", hand->count);
    core_why_add(why, "again_in_ns", hand->until_mono_ns - c->now.mono_ns);
    return CORE_REASON_GUARD_FOREIGN;
}

static enum core_reason guard_demand(
        const struct core *c, const struct core_intent *intent, bool strict, struct core_why *why)
{
    enum core_reason no = core_decider_guard(
            c->decider, core_pic(c), &c->now, intent, why->evidence, &why->count);
    return on(c, no, strict) ? no : CORE_REASON_NONE;
}

/* What the node's parts can express; a config that we cannot read is somebody's. */
static enum core_reason guard_caps(
        const struct core *c, uint32_t node, const struct core_rollout *r, bool strict)
{
    const struct core_node_caps *caps = &core_pic(c)->nodes[node].fact.caps;
    if (r->plan.kind != CORE_PLAN_CONFIG)
        return CORE_REASON_NONE;
    if (r->from.replicas == 0 && on(c, CORE_REASON_GUARD_FOREIGN, strict))
        return CORE_REASON_GUARD_FOREIGN;
    bool share = r->plan.plugin_changes && caps->share != CORE_SHARE_NODE_RESOURCE;
    bool mig = r->plan.mig_changes && caps->relayout == CORE_RELAYOUT_NONE;
    if ((share || mig) && on(c, CORE_REASON_GUARD_CAPS, strict))
        return CORE_REASON_GUARD_CAPS;
    return CORE_REASON_NONE;
}

static enum core_reason guard_window(
        const struct core *c, const struct core_rollout *r, bool strict, struct core_why *why)
{
    bool needs = r->plan.mig_changes ||
                 (core_pic(c)->policy->windows_cover_all && r->plan.clear_gpus != 0);
    int64_t next = 0;
    if (!needs || !on(c, CORE_REASON_GUARD_WINDOW, strict) || core_in_window(c, &next))
        return CORE_REASON_NONE;
    core_why_add(why, "next_window_wall_ns", next);
    return CORE_REASON_GUARD_WINDOW;
}

/* Pods that would have to go and would not come back. */
static enum core_reason guard_bare(const struct core *c, uint32_t node,
        const struct core_rollout *r, bool strict, struct core_why *why)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_node_view *v = &pic->nodes[node];
    if (!on(c, CORE_REASON_GUARD_BARE_POD, strict))
        return CORE_REASON_NONE;
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[v->pods[i]];
        bool bare = pod->owner == CORE_NO_INDEX ||
                    pic->owners[pod->owner].fact.kind == MODEL_OWNER_BARE;
        if (bare && pod->fact.phase != CORE_POD_TERMINATING &&
                core_pod_must_go(c, pod, r->plan.clear_gpus)) {
            core_why_add(why, "pods_on_node", v->pod_count);
            return CORE_REASON_GUARD_BARE_POD;
        }
    }
    return CORE_REASON_NONE;
}

static enum core_reason guard_node_budget(const struct core *c, uint32_t node,
        const struct core_rollout *r, bool strict, struct core_why *why)
{
    uint16_t cluster = core_pic(c)->nodes[node].fact.cluster;
    uint32_t limit = core_pic(c)->policy->max_nodes_in_change;
    if (!on(c, CORE_REASON_GUARD_BUDGET_NODES, strict) || r->claimed ||
            r->plan.kind == CORE_PLAN_HOLD || r->plan.kind == CORE_PLAN_RELEASE)
        return CORE_REASON_NONE;
    uint32_t used = core_nodes_in_change(c, cluster);
    if (used < limit)
        return CORE_REASON_NONE;
    core_why_add(why, "nodes_in_change", used);
    core_why_add(why, "nodes_in_change_max", limit);
    return CORE_REASON_GUARD_BUDGET_NODES;
}

enum core_reason core_guard_claim(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why)
{
    uint16_t cluster = core_pic(c)->nodes[node].fact.cluster;
    enum core_reason no = guard_sync(c, cluster, strict);
    /* What is brought back was begun under the policy: a mode that has changed does not hold it. */
    if (no == CORE_REASON_NONE && r->plan.kind != CORE_PLAN_RELEASE &&
            r->reason != CORE_REASON_RESTORE) {
        no = guard_policy(
                c, core_change_technique(r->change), core_digest_node(c, node, r), strict);
    }
    if (no == CORE_REASON_NONE)
        no = guard_node_is_ours(c, node, r, strict);
    if (no == CORE_REASON_NONE)
        no = guard_fight(c, cluster, r, why);
    if (no == CORE_REASON_NONE)
        no = guard_caps(c, node, r, strict);
    if (no == CORE_REASON_NONE)
        no = guard_bare(c, node, r, strict, why);
    if (no == CORE_REASON_NONE)
        no = guard_window(c, r, strict, why);
    if (no == CORE_REASON_NONE)
        no = guard_node_budget(c, node, r, strict, why);
    if (no == CORE_REASON_NONE && r->intent.node == r->uid)
        no = guard_demand(c, &r->intent, strict, why);
    return no;
}

/* In place nothing that pods hold may shrink. */
static enum core_reason guard_capacity(const struct core *c, uint32_t node,
        const struct core_rollout *r, bool strict, struct core_why *why)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_node_view *v = &pic->nodes[node];
    if (r->plan.clear_gpus != 0 || !on(c, CORE_REASON_GUARD_CAPACITY_IN_USE, strict))
        return CORE_REASON_NONE;
    struct core_resource_count want[CORE_RESOURCES_MAX];
    uint32_t wants = core_setup_expected(&r->to, v->fact.gpu_count, want);
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct model_resource *held = &pic->pods[v->pods[i]].fact.resource;
        uint32_t w = 0;
        while (w < wants && !model_resource_eq(&want[w].resource, held))
            w++;
        uint32_t offered = w < wants ? want[w].count : 0;
        uint32_t in_use = core_picture_held(pic, node, held);
        if (in_use > offered) {
            core_why_add(why, "in_use", in_use);
            core_why_add(why, "offered", offered);
            return CORE_REASON_GUARD_CAPACITY_IN_USE;
        }
    }
    return CORE_REASON_NONE;
}

enum core_reason core_guard_step(const struct core *c, uint32_t node, const struct core_rollout *r,
        bool strict, struct core_why *why)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    bool forward = r->direction == CORE_DIRECTION_FORWARD;
    enum core_step_kind step = core_rollout_step(r);
    enum core_reason no = guard_sync(c, f->cluster, strict);
    if (no != CORE_REASON_NONE)
        return no;
    if (core_cordon_is_foreign(f) && on(c, CORE_REASON_GUARD_OWNER_MARK, strict))
        return CORE_REASON_GUARD_OWNER_MARK;
    if (step == CORE_STEP_CLAIM && forward && !r->adopted)
        return core_guard_claim(c, node, r, strict, why);
    if (step == CORE_STEP_SET_MIG)
        no = guard_window(c, r, strict, why);
    if (no == CORE_REASON_NONE && (step == CORE_STEP_SET_MIG || step == CORE_STEP_SET_PLUGIN))
        no = core_guard_empty(c, node, r, strict, why);
    if (no == CORE_REASON_NONE && step == CORE_STEP_SET_PLUGIN && forward)
        no = guard_capacity(c, node, r, strict, why);
    return no;
}

/* ---- pods ---- */

/* Pods of the owner that are not there now, and those that are on their way out. */
static uint32_t owner_missing(const struct core *c, uint32_t owner)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_owner_view *o = &pic->owners[owner];
    uint32_t running = o->running_count;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *p = &pic->pods[i];
        if (p->live && p->owner == owner && p->evicting && p->fact.phase == CORE_POD_RUNNING)
            running--;
    }
    return o->fact.replicas > running ? o->fact.replicas - running : 0;
}

enum core_reason core_guard_evict(
        const struct core *c, uint32_t pod, bool strict, struct core_why *why)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_pod_view *p = &pic->pods[pod];
    uint16_t cluster = p->fact.cluster;
    enum core_reason no = guard_sync(c, cluster, strict);
    if (no != CORE_REASON_NONE)
        return no;
    bool bare = p->owner == CORE_NO_INDEX || pic->owners[p->owner].fact.kind == MODEL_OWNER_BARE;
    if (bare && on(c, CORE_REASON_GUARD_BARE_POD, strict))
        return CORE_REASON_GUARD_BARE_POD;
    uint32_t used = core_evictions_in_hour(c, cluster);
    uint32_t allowed = pic->policy->max_evictions_per_hour;
    if (used >= allowed && on(c, CORE_REASON_GUARD_BUDGET_EVICTIONS, strict)) {
        core_why_add(why, "evictions_in_hour", used);
        core_why_add(why, "evictions_allowed", allowed);
        return CORE_REASON_GUARD_BUDGET_EVICTIONS;
    }
    if (bare || !on(c, CORE_REASON_GUARD_PDB, strict) || p->fact.phase != CORE_POD_RUNNING)
        return CORE_REASON_NONE;
    uint32_t missing = owner_missing(c, p->owner);
    uint32_t limit = pic->owners[p->owner].fact.max_unavailable;
    if (limit == UINT32_MAX || missing < limit)
        return CORE_REASON_NONE;
    core_why_add(why, "pods_unavailable", missing);
    core_why_add(why, "pods_unavailable_max", limit);
    return CORE_REASON_GUARD_PDB;
}

enum core_reason core_guard_assign(
        const struct core *c, uint32_t pod, uint64_t node, bool strict, struct core_why *why)
{
    const struct core_picture *pic = core_pic(c);
    uint32_t row = core_picture_node(pic, node);
    enum core_reason no = guard_sync(c, pic->pods[pod].fact.cluster, strict);
    if (no != CORE_REASON_NONE)
        return no;
    if (row == CORE_NO_INDEX)
        return CORE_REASON_NODE_GONE;
    const struct core_node_fact *f = &pic->nodes[row].fact;
    if (f->caps.steer != CORE_STEER_DEVICE && on(c, CORE_REASON_GUARD_CAPS, strict))
        return CORE_REASON_GUARD_CAPS;
    if ((f->unschedulable || !f->ready) && on(c, CORE_REASON_GUARD_OWNER_MARK, strict)) {
        core_why_add(why, "ready", f->ready);
        core_why_add(why, "unschedulable", f->unschedulable);
        return CORE_REASON_GUARD_OWNER_MARK;
    }
    return CORE_REASON_NONE;
}

enum core_reason core_guard_move(
        const struct core *c, uint32_t pod, const struct core_intent *intent, bool strict)
{
    if (core_pic(c)->policy == NULL)
        return CORE_REASON_GUARD_SYNC;
    return guard_policy(c, core_change_technique(CORE_CHANGE_POD_MOVE),
            core_digest_move(c, pod, intent), strict);
}

/* ---- owners ---- */

static enum model_technique resource_technique(const struct model_resource *r)
{
    switch (r->kind) {
    case MODEL_RESOURCE_GPU_SHARED:
        return MODEL_TECHNIQUE_TIME_SLICING;
    case MODEL_RESOURCE_MIG:
    case MODEL_RESOURCE_MIG_SHARED:
        return MODEL_TECHNIQUE_MIG;
    case MODEL_RESOURCE_NONE:
    case MODEL_RESOURCE_GPU:
    case MODEL_RESOURCE_COUNT:
        break;
    }
    return MODEL_TECHNIQUE_EXCLUSIVE;
}

enum model_technique core_owner_technique(
        const struct core_owner_fact *owner, const struct core_intent *intent)
{
    enum model_technique to = resource_technique(&intent->owner_target.resource);
    return to == MODEL_TECHNIQUE_EXCLUSIVE ? resource_technique(&owner->resource) : to;
}

enum core_reason core_guard_owner(const struct core *c, uint32_t owner,
        const struct core_intent *intent, bool strict, struct core_why *why)
{
    const struct core_picture *pic = core_pic(c);
    const struct core_owner_view *o = &pic->owners[owner];
    const struct core_owner_work *w = &c->owners[owner];
    enum core_reason no = guard_sync(c, o->fact.cluster, strict);
    if (no == CORE_REASON_NONE) {
        no = guard_policy(c, core_owner_technique(&o->fact, intent),
                core_digest_owner(c, owner, intent), strict);
    }
    if (no != CORE_REASON_NONE)
        return no;
    if (!core_owner_pointable(&o->fact) && on(c, CORE_REASON_GUARD_FOREIGN, strict))
        return CORE_REASON_GUARD_FOREIGN;
    int64_t dwell = pic->policy->owner_dwell_ns;
    bool again = w->uid == o->fact.uid && w->begun_mono_ns != INT64_MIN &&
                 c->now.mono_ns < w->begun_mono_ns + dwell;
    if (again && !intent->urgent && on(c, CORE_REASON_GUARD_DWELL, strict)) {
        core_why_add(why, "since_last_ns", c->now.mono_ns - w->begun_mono_ns);
        core_why_add(why, "dwell_ns", dwell);
        return CORE_REASON_GUARD_DWELL;
    }
    return guard_demand(c, intent, strict, why);
}
