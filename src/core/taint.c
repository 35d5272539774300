/* core/taint.c - our taints: a pool's nodes closed to others, new nodes closed until configured.
 *
 * Pure.  A taint is a level like any label: what it should be follows from the facts of now, so
 * nothing has to be remembered and a restart changes nothing.  It is set only where everybody who
 * has to run on the node tolerates it, and taken away again when that ends: NVIDIA's pods could not
 * come back to such a node, and its GPUs with them.  Outside of rollouts, which close a node by its
 * cordon; a taint is taken away beside one, never set. */
#include "core/core-priv.h"

#include <stdio.h>
#include <string.h>

/* TUNING: a node is new for so long; a taint that it brings along is lifted at the end of it
 * whatever is missing.  Drivers, toolkit and plugin take minutes to come up. */
static const int64_t NEW_NS = CORE_MINUTES(30);
/* TUNING: a node that is as its labels say counts as configured when nothing was wished of it for
 * so long: the decider wishes at every step. */
static const int64_t SETTLE_NS = CORE_SECONDS(30);
static const int64_t AGAIN_NS = CORE_MINUTES(10); /* after a write that was refused for good */

/* What the taints of a node should be, and why. */
struct level {
    struct str pool;
    bool startup;
    enum core_reason pool_why, startup_why;
};

static bool on(const struct core *c, enum core_reason guard)
{
    return !c->options.plant_bug[guard];
}

static bool acts(const struct policy *p, bool only_apply)
{
    for (uint32_t i = 0; i < p->technique_count; i++) {
        enum policy_mode mode = p->mode[p->techniques[i]];
        if (mode == POLICY_MODE_APPLY || (mode == POLICY_MODE_RECOMMEND && !only_apply))
            return true;
    }
    return false;
}

/* ---- pools ---- */

static void pool_level(const struct core *c, uint32_t node, struct level *l)
{
    const struct policy *p = core_pic(c)->policy;
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    bool there = f->pool_taint.len > 0;
    bool refused = f->pool_taint_refused.len > 0 && on(c, CORE_REASON_GUARD_TAINT);
    l->pool_why = CORE_REASON_POLICY;
    if (!p->taint_pools || f->pool.len == 0)
        return;
    if (refused) {
        l->pool_why = CORE_REASON_GUARD_TAINT;
        return;
    }
    if (there && str_eq(f->pool_taint, f->pool)) {
        l->pool = f->pool;
        return;
    }
    /* A rollout that runs may take the label away again. */
    if (!p->suspend && acts(p, false) && !f->excluded && !core_rollout_active(&c->rollouts[node]))
        l->pool = f->pool;
}

/* ---- new nodes ---- */

/* True when the node is as its labels say and offers it, and nobody is changing it. */
static bool at_rest(const struct core *c, uint32_t node)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    struct core_setup setup;
    core_setup_read(core_pic(c), node, &setup);
    return v->fact.ready && !core_rollout_active(&c->rollouts[node]) && setup.replicas > 0 &&
           core_setup_is_offered(&setup, &v->fact);
}

static bool is_new(const struct core *c, uint32_t node, const struct core_taint_work *t)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    return !t->lifted && v->pod_count == 0 && c->now.wall_ns - v->fact.created_wall_ns < NEW_NS / 2;
}

static void startup_level(struct core *c, uint32_t node, struct core_taint_work *t, struct level *l)
{
    const struct policy *p = core_pic(c)->policy;
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    bool refused = f->startup_taint_refused.len > 0 && on(c, CORE_REASON_GUARD_TAINT);
    bool asked = p->taint_startup && !p->suspend && !f->excluded && acts(p, true);
    l->startup_why = CORE_REASON_POLICY;
    /* Whoever took it away: it does not come back. */
    t->lifted |= t->startup_there && !f->startup_taint;
    t->startup_there = f->startup_taint;
    if (!f->startup_taint) {
        t->rests_since_mono_ns = t->closed_since_mono_ns = 0;
        l->startup = asked && !refused && is_new(c, node, t);
        if (asked && refused && is_new(c, node, t))
            l->startup_why = CORE_REASON_GUARD_TAINT;
        return;
    }
    bool rests = at_rest(c, node);
    if (t->closed_since_mono_ns == 0)
        t->closed_since_mono_ns = num_max_i64(c->now.mono_ns, 1);
    if (!rests) {
        t->rests_since_mono_ns = 0;
    } else if (t->rests_since_mono_ns == 0) {
        t->rests_since_mono_ns = num_max_i64(c->now.mono_ns, 1);
    }
    if (!asked)
        return;
    if (refused) {
        l->startup_why = CORE_REASON_GUARD_TAINT;
    } else if (rests && c->now.mono_ns >= t->rests_since_mono_ns + SETTLE_NS) {
        l->startup_why = CORE_REASON_CONFIGURED;
    } else if (c->now.mono_ns >= t->closed_since_mono_ns + NEW_NS) {
        l->startup_why = CORE_REASON_TIMEOUT;
    } else {
        l->startup = true;
        core_wake(c, t->closed_since_mono_ns + NEW_NS);
        if (rests)
            core_wake(c, t->rests_since_mono_ns + SETTLE_NS);
    }
}

/* ---- telling ---- */

static void tell(struct core *c, uint32_t node, enum core_verdict verdict, enum core_reason reason,
        const char *what)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    struct core_decision d = {.cluster = f->cluster,
            .change = CORE_CHANGE_TAINT,
            .verdict = verdict,
            .reason = reason,
            .node = f->uid};
    d.text = str_from(arena_printf(c->step, "%.*s: taint %s (%s)", STR_ARG_SHORT(f->name), what,
            core_reason_name(reason)));
    core_log(c, &d, NULL);
}

/* Told once an hour: who would be locked out. */
static void tell_refusal(
        struct core *c, uint32_t node, struct core_refusal *last, const char *taint, struct str who)
{
    if (core_refusal_told(c, last, CORE_REASON_GUARD_TAINT, str_hash(who, 0)))
        return;
    tell(c, node, CORE_VERDICT_REFUSED, CORE_REASON_GUARD_TAINT,
            arena_printf(c->step, "%s not set: %.*s does not tolerate it and has to run there",
                    taint, STR_ARG_SHORT(who)));
}

static void tell_change(struct core *c, uint32_t node, struct core_taint_work *t)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    if (f->startup_taint != t->startup_was) {
        enum core_reason why = f->startup_taint ? CORE_REASON_POLICY : t->startup_why;
        tell(c, node,
                why == CORE_REASON_TIMEOUT       ? CORE_VERDICT_ABANDONED
                : why == CORE_REASON_GUARD_TAINT ? CORE_VERDICT_UNDONE
                                                 : CORE_VERDICT_DONE,
                why, f->startup_taint ? "startup set, until it is configured" : "startup lifted");
    }
    if (!str_eq_c(f->pool_taint, t->pool_was)) {
        bool there = f->pool_taint.len > 0;
        enum core_reason why = there ? CORE_REASON_POLICY : t->pool_why;
        tell(c, node, why == CORE_REASON_GUARD_TAINT ? CORE_VERDICT_UNDONE : CORE_VERDICT_DONE, why,
                there ? "pool set, as its label says" : "pool lifted");
    }
}

/* ---- writing ---- */

static void write(struct core *c, uint32_t node, struct core_taint_work *t, const struct level *l)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    const struct core_node_fact *f = &v->fact;
    /* A rollout's write goes first: one action a node. */
    if (c->now.mono_ns < t->again_mono_ns) {
        core_wake(c, t->again_mono_ns);
        return;
    }
    if (t->try.op == CORE_NO_INDEX && core_op_on_target(c, f->uid, CORE_ACTION_NODE_PATCH) != NULL)
        return;
    switch (core_try_poll(c, &t->try, v->version)) {
    case CORE_TRY_GO:
        break;
    case CORE_TRY_FATAL: /* refused for good: a rollout must not wait for it */
        core_try_drop(c, &t->try);
        t->again_mono_ns = c->now.mono_ns + AGAIN_NS;
        return;
    case CORE_TRY_GONE:
    case CORE_TRY_WAIT:
        return;
    }
    t->asked = true;
    t->startup_was = f->startup_taint;
    (void)snprintf(t->pool_was, sizeof(t->pool_was), "%.*s", STR_ARG(f->pool_taint));
    t->startup_why = l->startup_why;
    t->pool_why = l->pool_why;
    struct core_request request = {
            .action = {.kind = CORE_ACTION_NODE_PATCH,
                    .cluster = f->cluster,
                    .target = f->uid,
                    .precondition = v->version,
                    .reason = l->startup != f->startup_taint ? l->startup_why : l->pool_why,
                    .node = {.fields = CORE_PATCH_TAINTS,
                            .pool_taint = l->pool,
                            .startup_taint = l->startup}},
            .plan = f->uid,
            .step = (uint32_t)str_hash(l->pool, (uint64_t)l->startup)};
    core_issue(c, &t->try, &request);
}

void core_taint_advance(struct core *c, uint32_t node)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    struct core_taint_work *t = &c->taints[node];
    if (!v->live || t->uid != v->fact.uid) {
        core_try_drop(c, &t->try);
        *t = (struct core_taint_work){.uid = v->live ? v->fact.uid : 0, .try.op = CORE_NO_INDEX};
    }
    const bool *sync = v->live ? core_pic(c)->sync[v->fact.cluster] : NULL;
    if (sync == NULL || !sync[CORE_SOURCE_NODES] || !sync[CORE_SOURCE_PODS] ||
            core_pic(c)->policy == NULL || v->fact.frozen || v->fact.foreign.len > 0)
        return;
    struct level l = {0};
    pool_level(c, node, &l);
    startup_level(c, node, t, &l);
    if (l.pool_why == CORE_REASON_GUARD_TAINT)
        tell_refusal(c, node, &t->pool_refusal, "pool", v->fact.pool_taint_refused);
    if (l.startup_why == CORE_REASON_GUARD_TAINT)
        tell_refusal(c, node, &t->startup_refusal, "startup", v->fact.startup_taint_refused);
    if (!str_eq(l.pool, v->fact.pool_taint) || l.startup != v->fact.startup_taint) {
        write(c, node, t, &l);
    } else if (t->asked && core_try_settle(c, &t->try)) {
        tell_change(c, node, t);
        t->asked = false;
    }
}
