/* sim/audit.c - what the world sees of its controller and must never see.  Pure.
 *
 * Counted apart from the core, from what happened here: a controller that forgets over a restart,
 * or counts what it believes instead of what it did, is seen.  After the policy has changed nothing
 * is judged by it until what was under way has ended.  Two of these checks stand where they arise:
 * double booking in node.c, a config key in use in act.c. */
#include "sim/world-priv.h"

#include "core/annotation.h"

static const int64_t POLICY_GRACE_NS = 2 * SIM_MINUTE;

/* A pod that was bound shortly before a node was claimed may not be known to the controller. */
static const int64_t NEWS_NS = 3 * SIM_MINUTE;

static bool judges(const struct sim_world *w)
{
    return w->policy_changed_ns == 0 || w->now_ns > w->policy_changed_ns + POLICY_GRACE_NS;
}

void sim_audit_eviction(struct sim_world *w, uint32_t pod)
{
    uint16_t cluster = w->owners[w->pods[pod].owner].spec->cluster;
    struct sim_evictions *e = &w->evictions[cluster];
    uint32_t old = 0;
    while (old < e->count && e->at_ns[old] <= w->now_ns - NUM_NS_PER_HOUR)
        old++;
    for (uint32_t i = old; i < e->count; i++)
        e->at_ns[i - old] = e->at_ns[i];
    e->count -= old;
    if (e->count == e->cap) {
        e->cap = e->cap == 0 ? 64 : e->cap * 2;
        e->at_ns = mem_grow(e->at_ns, e->cap, sizeof *e->at_ns);
    }
    e->at_ns[e->count++] = w->now_ns;
    if (w->owners[w->pods[pod].owner].spec->kind == MODEL_OWNER_BARE)
        sim_world_violate(w, "world-bare-pod-evicted", sim_uid(SIM_UID_POD, pod));
    if (judges(w) && e->count > w->config->policy->max_evictions_per_hour)
        sim_world_violate(w, "world-eviction-budget", sim_uid(SIM_UID_POD, pod));
}

/* Emptying a node disrupts as long as somebody is on it. */
static bool empties(const struct sim_world *w, const struct sim_node *n)
{
    for (uint32_t i = 0; i < n->pods.count; i++) {
        if (w->pods[n->pods.items[i]].bound_ns < n->claimed_ns - NEWS_NS)
            return true;
    }
    return false;
}

static bool in_change(const struct sim_world *w, const struct sim_node *n)
{
    return n->claim == SIM_CLAIM_CHANGE || (n->claim == SIM_CLAIM_RETIRE && empties(w, n));
}

void sim_audit_claim(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    enum sim_claim before = n->claim;
    struct core_record record;
    arena_reset(w->scratch);
    n->claim = SIM_CLAIM_NONE;
    if (n->annotation != NULL &&
            core_record_parse(w->scratch, str_from(n->annotation), &record, NULL) == 0) {
        bool runs = record.state == CORE_RECORD_FORWARD || record.state == CORE_RECORD_UNDO;
        n->claim = runs                                 ? SIM_CLAIM_CHANGE
                   : record.state == CORE_RECORD_RETIRE ? SIM_CLAIM_RETIRE
                                                        : SIM_CLAIM_NONE;
    }
    if (n->claim == before || n->claim == SIM_CLAIM_NONE)
        return;
    if (before == SIM_CLAIM_NONE)
        n->claimed_ns = w->now_ns;
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        const struct sim_node *o = &w->nodes[w->nodes_live.items[i]];
        count += o->cluster == n->cluster && in_change(w, o);
    }
    if (judges(w) && in_change(w, n) && count > w->config->policy->max_nodes_in_change)
        sim_world_violate(w, "world-node-budget", sim_uid(SIM_UID_NODE, node));
}

void sim_audit_mig(struct sim_world *w, uint32_t node, int64_t asked_wall_ns)
{
    int64_t start, end;
    if (!judges(w) || policy_window_at(w->config->policy, asked_wall_ns, &start, &end) == 1)
        return;
    w->mig_outside_window++;
    sim_world_violate(w, "world-mig-change-outside-window", sim_uid(SIM_UID_NODE, node));
}

void sim_audit_step(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        const struct sim_node *n = &w->nodes[node];
        if (n->unschedulable && n->annotation == NULL && n->ready && !n->reclaimed)
            sim_world_violate(w, "world-cordon-without-reason", sim_uid(SIM_UID_NODE, node));
    }
}
