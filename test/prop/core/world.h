/* A core in a twin cluster, driven step by step, killed and started again at will. */
#ifndef TEST_CORE_WORLD_H
#define TEST_CORE_WORLD_H

#include "script.h"
#include "twin.h"

enum { WORLD_STEP_S = 5 };

struct world {
    struct twin twin;
    struct core *core;
    struct core_options options;
    uint32_t epoch;
    uint64_t kills, actions;
    uint64_t verdicts[CORE_VERDICT_COUNT];
    enum core_reason last_reason;  /* of the last decision */
    enum core_reason turned;       /* why the last change that ended badly did */
    uint64_t last_plan;            /* digest that the last step proposed, 0 = none */
    struct core_coverage coverage; /* of the cores before this one */
    const char *violation;
    bool tell; /* print every action and decision */
};

static inline void world_show(const struct world *w, const struct core_output *out)
{
    long s = (long)(w->twin.mono / NUM_NS_PER_SECOND);
    for (uint32_t i = 0; i < out->decision_count; i++)
        printf("# %6ld %.*s\n", s, STR_ARG(out->decisions[i].text));
    for (uint32_t i = 0; i < out->action_count; i++) {
        const struct core_action *a = &out->actions[i];
        bool patch = a->kind == CORE_ACTION_NODE_PATCH;
        printf("# %6ld   %s of %llu, fields %x cordon %d: %.*s\n", s, core_action_name(a->kind),
                (unsigned long long)a->target, patch ? a->node.fields : 0, patch && a->node.cordon,
                STR_ARG(patch ? a->node.annotation : (struct str){0}));
    }
    if (out->violation != NULL) {
        printf("# %6ld violation: %s of %llu\n", s, out->violation,
                (unsigned long long)out->violation_uid);
    }
}

/* One step of five virtual seconds.  perform: carry the actions out (a kill before its writes does
 * not). */
static inline void world_step(struct world *w, bool perform)
{
    static struct core_fact facts[TWIN_QUEUE];
    struct twin *t = &w->twin;
    t->mono += TWIN_S(WORLD_STEP_S);
    twin_run(t);
    twin_tell_changes(t);
    uint32_t count = twin_due(t, facts);
    struct core_now now = {
            .wall_ns = TWIN_START_NS + t->mono, .mono_ns = t->mono, .epoch = w->epoch};
    struct core_output out;
    core_step(w->core, &now, facts, count, &out);
    if (w->tell)
        world_show(w, &out);
    if (out.violation != NULL && w->violation == NULL)
        w->violation = out.violation;
    w->last_plan = 0;
    for (uint32_t i = 0; i < out.decision_count; i++) {
        const struct core_decision *d = &out.decisions[i];
        for (uint32_t e = 0; d->verdict == CORE_VERDICT_PROPOSED && e < d->evidence_count; e++) {
            if (strcmp(d->evidence[e].name, "plan") == 0)
                w->last_plan = (uint64_t)d->evidence[e].value;
        }
        w->verdicts[out.decisions[i].verdict]++;
        w->last_reason = out.decisions[i].reason;
        if (d->verdict == CORE_VERDICT_UNDONE || d->verdict == CORE_VERDICT_ABANDONED)
            w->turned = d->reason;
    }
    for (uint32_t i = 0; i < out.action_count; i++) {
        w->actions++;
        if (perform)
            twin_act(t, &out.actions[i]);
    }
}

static inline void world_coverage(const struct world *w, struct core_coverage *sum)
{
    for (int s = 0; s < CORE_STEP_COUNT; s++) {
        for (int r = 0; r < CORE_ROLLOUT_STATE_COUNT; r++)
            sum->cells[s][r] += w->coverage.cells[s][r] + core_coverage_get(w->core)->cells[s][r];
    }
}

/* The controller dies; the next one knows nothing. */
static inline void world_restart(struct world *w)
{
    struct core_coverage sum = {0};
    world_coverage(w, &sum);
    w->coverage = sum;
    w->core = core_free(w->core);
    w->core = core_new(&w->options);
    w->epoch++;
    w->kills++;
    twin_tell_all(&w->twin);
}

static inline bool world_is_active(const struct world *w)
{
    struct core_rollout_status status;
    for (int i = 0; i < TWIN_NODES; i++) {
        if (core_rollout_status_get(w->core, w->twin.nodes[i].uid, &status))
            return true;
    }
    return false;
}

/* Runs until nothing has been in change for `quiet_s` seconds, or for `most_s` seconds. */
static inline void world_settle(struct world *w, uint32_t quiet_s, uint32_t most_s)
{
    uint32_t quiet = 0;
    for (uint32_t s = 0; s < most_s && quiet < quiet_s; s += WORLD_STEP_S) {
        world_step(w, true);
        quiet = world_is_active(w) ? 0 : quiet + WORLD_STEP_S;
    }
}

static inline void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->tell = getenv("WORLD_TELL") != NULL;
    twin_init(&w->twin, seed);
    w->epoch = 1;
    script_count = 0;
    script_gone_pool = NULL;
    w->core = core_new(&w->options);
    twin_tell_all(&w->twin);
}

static inline void world_clear(struct world *w)
{
    w->core = core_free(w->core);
    twin_clear(&w->twin);
}

/* What a decider may want of a node. */
static inline struct core_intent world_intent(
        uint64_t node, enum core_change change, uint32_t replicas)
{
    struct core_intent in = {.kind = CORE_INTENT_NODE,
            .change = change,
            .reason = CORE_REASON_COST,
            .node = node,
            .saving_microusd_per_hour = 1000000,
            .target = {.replicas = replicas, .mig_replicas = 1}};
    in.target.retire = change == CORE_CHANGE_RETIRE;
    in.target.hold = change == CORE_CHANGE_HOLD;
    (void)snprintf(in.target.pool, sizeof(in.target.pool), "%s", replicas > 1 ? "ts" : "");
    for (int g = 0; change == CORE_CHANGE_MIG_RELAYOUT && g < TWIN_GPUS; g++) {
        in.target.mig = true;
        in.target.layout_count = TWIN_GPUS;
        (void)snprintf(in.target.layouts[g], sizeof(in.target.layouts[g]), "7x1g.5gb");
    }
    return in;
}

#endif
