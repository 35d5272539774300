/* ctl/observe.c - see observe.h.  No I/O. */
#include "ctl/observe.h"

#include "base/num.h"
#include "place/problem.h"
#include "policy/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    TODAY_STEPS_MAX = 16,
    TODAY_STEPS_MIN = 3, /* an answer to what the first asked, and what follows from it */
    SOLVES_MAX = 8,
    WINDOW_DAYS = 14,
    SUBJECTS_MAX = 4000000,
};

struct solved {
    uint64_t action;
    const struct place_solution *solution;
};

struct run {
    const struct ctl_observe_options *o;
    const struct ctl_world *w;
    struct arena *a;       /* of the result */
    struct arena *scratch; /* of the facts of one step */
    struct core *core;
    struct core_output out;
    struct core_fact *facts;
    uint32_t fact_count, fact_cap;
    uint64_t version, step;
    const char *violation; /* the first */
    uint64_t violation_uid;
    int64_t first_wall_ns;
    uint8_t *told;     /* by past pod: told as alive */
    uint8_t *pod_told; /* by pod of the world */
    struct creation {
        int64_t wall_ns;
        uint32_t pod;
    } * created; /* pods of the world that run, by creation */
    uint32_t created_count, created_next;
    struct solved solved[SOLVES_MAX];
    uint32_t solved_count;
    bool today;
    uint32_t epoch;
    bool resting;        /* nodes are told without our records: no rollout is taken up */
    struct map_u64 seen; /* subject and change -> decision */
    struct core_decision *decisions;
    uint32_t decision_count, decision_cap;
    struct map_u64 wished;
    struct ctl_wish *wishes;
    uint32_t wish_count, wish_cap;
};

static struct core_fact *add(struct run *r, enum core_fact_kind kind, enum core_source source)
{
    if (r->fact_count == r->fact_cap) {
        r->fact_cap = r->fact_cap == 0 ? 1024 : r->fact_cap * 2;
        r->facts = mem_grow(r->facts, r->fact_cap, sizeof *r->facts);
    }
    struct core_fact *f = &r->facts[r->fact_count++];
    memset(f, 0, sizeof *f);
    f->kind = kind;
    f->source = source;
    f->version = ++r->version;
    return f;
}

/* A fact of the world, with a version that rises with what was told before. */
static void add_row(struct run *r, const struct core_fact *row)
{
    struct core_fact *f = add(r, row->kind, row->source);
    uint64_t version = f->version;
    *f = *row;
    f->version = version;
}

static void add_policy(struct run *r, const struct policy *p, int64_t wall_ns)
{
    struct policy_span spans[256];
    add(r, CORE_FACT_POLICY, CORE_SOURCE_POLICY)->policy = p;
    uint32_t count = policy_windows_expand(
            p, wall_ns, wall_ns + WINDOW_DAYS * 24 * NUM_NS_PER_HOUR, spans, 256);
    for (uint32_t i = 0; i < count; i++) {
        add(r, CORE_FACT_WINDOW, CORE_SOURCE_POLICY)->window =
                (struct core_window_fact){spans[i].start_ns, spans[i].end_ns};
    }
}

static void add_objects(struct run *r)
{
    const struct ctl_world *w = r->w;
    for (uint32_t i = 0; i < w->owner_count; i++)
        add_row(r, &w->owners[i]);
    for (uint32_t i = 0; i < w->config_count; i++)
        add_row(r, &w->configs[i]);
    for (uint32_t i = 0; i < w->node_count; i++) {
        add_row(r, &w->nodes[i]);
        if (r->resting)
            r->facts[r->fact_count - 1].node.annotation = (struct str){0};
    }
}

static void add_syncs(struct run *r)
{
    for (enum core_source s = 0; s < CORE_SOURCE_ACTIONS; s++)
        add(r, CORE_FACT_SYNC, s)->sync_complete = true;
}

/* -- what came of a step ------------------------------------------------------------------------
 */

/* That it was asleep while it learned is no decision about anybody. */
static void keep_decision(struct run *r, const struct core_decision *d)
{
    if (d->reason == CORE_REASON_GUARD_SUSPENDED)
        return;
    uint64_t subject = d->owner != 0 ? d->owner : d->pod != 0 ? d->pod : d->node;
    uint64_t key = subject * 31 + (uint64_t)d->change + 1;
    uint32_t i = map_u64_find(&r->seen, key);
    if (i == MAP_NONE) {
        if (r->decision_count >= SUBJECTS_MAX)
            return;
        if (r->decision_count == r->decision_cap) {
            r->decision_cap = r->decision_cap == 0 ? 256 : r->decision_cap * 2;
            r->decisions = mem_grow(r->decisions, r->decision_cap, sizeof *r->decisions);
        }
        i = r->decision_count++;
        (void)map_u64_set(&r->seen, key, i);
    }
    r->decisions[i] = *d;
    r->decisions[i].text = arena_str(r->a, d->text);
}

static void keep_action(struct run *r, const struct core_action *a)
{
    uint64_t key =
            (a->target != 0 ? a->target : str_hash(a->config.key, 1)) * 31 + (uint64_t)a->kind + 1;
    uint32_t i = map_u64_find(&r->wished, key);
    if (i == MAP_NONE) {
        if (r->wish_count == r->wish_cap) {
            r->wish_cap = r->wish_cap == 0 ? 64 : r->wish_cap * 2;
            r->wishes = mem_grow(r->wishes, r->wish_cap, sizeof *r->wishes);
        }
        i = r->wish_count++;
        (void)map_u64_set(&r->wished, key, i);
    }
    struct core_action *kept = &r->wishes[i].action;
    *kept = *a;
    switch (a->kind) {
    case CORE_ACTION_CONFIG_PUT:
    case CORE_ACTION_CONFIG_DELETE:
        kept->config.key = arena_str(r->a, a->config.key);
        kept->config.text = arena_str(r->a, a->config.text);
        return;
    case CORE_ACTION_NODE_PATCH:
        kept->node.plugin_config = arena_str(r->a, a->node.plugin_config);
        kept->node.mig_config = arena_str(r->a, a->node.mig_config);
        kept->node.pool = arena_str(r->a, a->node.pool);
        kept->node.pool_taint = arena_str(r->a, a->node.pool_taint);
        kept->node.annotation = arena_str(r->a, a->node.annotation);
        return;
    case CORE_ACTION_OWNER_PATCH:
        kept->owner.pool = arena_str(r->a, a->owner.pool);
        return;
    case CORE_ACTION_POD_EVICT:
    case CORE_ACTION_POD_ASSIGN:
    case CORE_ACTION_SOLVE:
    case CORE_ACTION_COUNT:
        return;
    }
}

/* Solved at once, told in the next step. */
static void solve(struct run *r, const struct core_action *a)
{
    if (r->solved_count == SOLVES_MAX)
        return;
    struct solved *s = &r->solved[r->solved_count++];
    *s = (struct solved){.action = a->id};
    if (place_solve(
                r->scratch, a->solve.problem, a->solve.seed, a->solve.iterations, &s->solution) < 0)
        s->solution = NULL;
}

static void take_output(struct run *r)
{
    arena_reset(r->scratch);
    r->solved_count = 0;
    for (uint32_t i = 0; i < r->out.action_count; i++) {
        if (r->out.actions[i].kind == CORE_ACTION_SOLVE) {
            solve(r, &r->out.actions[i]);
        } else if (r->today) {
            keep_action(r, &r->out.actions[i]);
        }
    }
    for (uint32_t i = 0; i < r->out.decision_count; i++)
        keep_decision(r, &r->out.decisions[i]);
}

static void add_solutions(struct run *r)
{
    for (uint32_t i = 0; i < r->solved_count; i++) {
        struct core_fact *f = add(r, CORE_FACT_SOLUTION, CORE_SOURCE_ACTIONS);
        f->solution.action = r->solved[i].action;
        f->solution.solution = r->solved[i].solution;
    }
}

/* Makes a step of the facts added so far. */
static void step(struct run *r, int64_t wall_ns)
{
    const struct core_now now = {wall_ns, wall_ns - r->first_wall_ns + NUM_NS_PER_SECOND, r->epoch};
    for (uint32_t i = 0; i < r->fact_count; i++)
        r->facts[i].observed_wall_ns = wall_ns;
    core_step(r->core, &now, r->facts, r->fact_count, &r->out);
    if (r->o->on_step != NULL) {
        const struct core_recording_step s = {.step = r->step,
                .now = now,
                .restart = r->step == 0,
                .digest_known = true,
                .digest = core_digest(r->core),
                .fact_count = r->fact_count,
                .facts = r->facts};
        r->o->on_step(r->o->user, &s);
    }
    if (r->violation == NULL && r->out.violation != NULL) {
        r->violation = r->out.violation;
        r->violation_uid = r->out.violation_uid;
    }
    r->step++;
    r->fact_count = 0;
    take_output(r);
}

/* -- history ------------------------------------------------------------------------------------
 */

static void tell_pod(struct run *r, uint32_t pod)
{
    if (r->pod_told[pod] != 0)
        return;
    r->pod_told[pod] = 1;
    add_row(r, &r->w->pods[pod]);
}

/* A pod that is gone by now, as it must have been: it held what its owner asks for. */
static void tell_past_pod(struct run *r, uint32_t index)
{
    const struct ctl_past_pod *p = &r->o->history->pods[index];
    if (r->told[index] != 0 || p->owner == 0)
        return;
    r->told[index] = 1;
    if (p->pod != UINT32_MAX) {
        tell_pod(r, p->pod);
        return;
    }
    uint32_t owner = map_u64_find(&r->w->owner_index, p->owner);
    assert(owner != MAP_NONE);
    const struct core_owner_fact *o = &r->w->owners[owner].owner;
    struct core_fact *f = add(r, CORE_FACT_POD, CORE_SOURCE_PODS);
    f->pod = (struct core_pod_fact){.uid = p->uid,
            .owner = p->owner,
            .node = r->w->nodes[p->node].node.uid,
            .name = str_from(
                    arena_printf(r->a, "%.*s/%.*s", STR_ARG(p->namespace), STR_ARG(p->name))),
            .phase = CORE_POD_RUNNING,
            .resource = o->resource,
            .count = o->gpus_per_pod,
            .pool = o->pool,
            .created_wall_ns = p->first_wall_ns,
            .started_wall_ns = p->first_wall_ns,
            .device_count = 1,
            .devices = {{(uint8_t)p->gpu, (uint8_t)p->start}}};
}

static void tell_gone(struct run *r, int64_t wall_ns)
{
    const struct ctl_history *h = r->o->history;
    for (uint32_t i = 0; i < h->pod_count; i++) {
        if (r->told[i] != 1 || h->pods[i].pod != UINT32_MAX || h->pods[i].last_wall_ns >= wall_ns)
            continue;
        r->told[i] = 2;
        add(r, CORE_FACT_GONE, CORE_SOURCE_PODS)->gone = h->pods[i].uid;
    }
}

static void tell_reading(struct run *r, const struct ctl_gpu_reading *g)
{
    uint64_t *occupants = ARENA_ARRAY(r->scratch, uint64_t, g->occupant_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->occupant_count; i++) {
        tell_past_pod(r, g->occupants[i]);
        occupants[count++] = r->o->history->pods[g->occupants[i]].uid;
    }
    struct core_fact *f = add(r, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS);
    f->sample = ctl_history_sample(r->o->history, g);
    f->sample.occupant_count = count;
    f->sample.occupants = occupants;
}

static void tell_created(struct run *r, int64_t wall_ns)
{
    for (; r->created_next < r->created_count; r->created_next++) {
        if (r->created[r->created_next].wall_ns > wall_ns)
            return;
        tell_pod(r, r->created[r->created_next].pod);
    }
}

static void walk_history(struct run *r)
{
    const struct ctl_history *h = r->o->history;
    struct ctl_gpu_reading g;
    uint32_t cursor = 0, told_permille = 0;
    bool more = ctl_history_next(h, &cursor, &g);
    while (more) {
        int64_t wall_ns = g.all.wall_ns;
        add_solutions(r);
        tell_created(r, wall_ns);
        tell_gone(r, wall_ns);
        for (; more && g.all.wall_ns == wall_ns; more = ctl_history_next(h, &cursor, &g))
            tell_reading(r, &g);
        step(r, wall_ns);
        uint32_t permille = (uint32_t)((uint64_t)cursor * 1000 / h->count);
        if (r->o->on_progress != NULL && permille != told_permille)
            r->o->on_progress(r->o->user, permille);
        told_permille = permille;
    }
}

/* -- the whole ----------------------------------------------------------------------------------
 */

static int by_creation(const void *a, const void *b)
{
    const struct creation *x = a, *y = b;
    if (x->wall_ns != y->wall_ns)
        return x->wall_ns < y->wall_ns ? -1 : 1;
    return (x->pod > y->pod) - (x->pod < y->pod);
}

static void begin(struct run *r)
{
    const struct ctl_history *h = r->o->history;
    int64_t now = r->o->wall_ns;
    r->first_wall_ns = h != NULL && h->count > 0 ? num_min_i64(h->readings[0].wall_ns, now) : now;
    r->pod_told = mem_alloc((size_t)r->w->pod_count + 1, 1);
    r->told = mem_alloc(h != NULL ? (size_t)h->pod_count + 1 : 1, 1);
    r->created = mem_alloc((size_t)r->w->pod_count + 1, sizeof *r->created);
    for (uint32_t i = 0; i < r->w->pod_count; i++) {
        const struct core_pod_fact *p = &r->w->pods[i].pod;
        if (p->phase == CORE_POD_RUNNING)
            r->created[r->created_count++] = (struct creation){p->created_wall_ns, i};
    }
    if (r->created_count > 1)
        qsort(r->created, r->created_count, sizeof *r->created, by_creation);
    add_objects(r);
}

/* Today is when the core's next regular decision is due: up to CTL_OBSERVE_DECIDE_NS after the last
 * reading. */
static int64_t today_ns(const struct run *r)
{
    const struct ctl_history *h = r->o->history;
    if (h == NULL || h->count == 0)
        return r->o->wall_ns;
    return num_max_i64(r->o->wall_ns, h->readings[h->count - 1].wall_ns + CTL_OBSERVE_DECIDE_NS);
}

static void today(struct run *r)
{
    int64_t now = today_ns(r);
    r->today = true;
    add_solutions(r);
    for (uint32_t i = 0; i < r->w->pod_count; i++)
        tell_pod(r, i);
    if (r->o->history != NULL)
        tell_gone(r, INT64_MAX);
    add_policy(r, r->o->policy, now);
    if (r->o->history == NULL || r->o->history->count == 0)
        add_syncs(r);
    step(r, now);
    for (uint32_t i = 1; i < TODAY_STEPS_MAX; i++) {
        if (i >= TODAY_STEPS_MIN && r->solved_count == 0)
            break;
        add_solutions(r);
        step(r, now + (int64_t)i * NUM_NS_PER_SECOND);
    }
}

static void run_clear(struct run *r)
{
    (void)arena_free(r->scratch);
    mem_free(r->facts);
    mem_free(r->pod_told);
    mem_free(r->told);
    mem_free(r->created);
    mem_free(r->decisions);
    mem_free(r->wishes);
    map_u64_clear(&r->seen);
    map_u64_clear(&r->wished);
}

/* What was seen, while nothing may be begun. */
static void learn(struct run *r)
{
    const struct ctl_history *h = r->o->history;
    struct policy asleep = *r->o->policy;
    asleep.suspend = true;
    if (h == NULL || h->count == 0)
        return;
    add_policy(r, &asleep, r->first_wall_ns);
    add_syncs(r);
    walk_history(r);
}

void ctl_observe_learn(struct core *core, uint32_t epoch, const struct ctl_observe_options *o,
        struct ctl_learned *ret_learned)
{
    struct run r = {.o = o,
            .w = o->world,
            .core = core,
            .epoch = epoch,
            .resting = true,
            .a = arena_new((size_t)1 << 30),
            .scratch = arena_new((size_t)1 << 30)};
    begin(&r);
    learn(&r);
    add_solutions(&r);
    tell_gone(&r, INT64_MAX);
    for (enum core_source s = 0; s < CORE_SOURCE_ACTIONS; s++)
        add(&r, CORE_FACT_SYNC, s)->sync_complete = false;
    step(&r, o->wall_ns);
    *ret_learned = (struct ctl_learned){.steps = r.step,
            .version = r.version,
            .mono_ns = o->wall_ns - r.first_wall_ns + NUM_NS_PER_SECOND};
    run_clear(&r);
    (void)arena_free(r.a);
}

void ctl_observe(struct arena *a, const struct ctl_observe_options *o,
        struct ctl_observation *ret_observation)
{
    const struct core_options options = {.seed = o->seed, .decide_every_ns = CTL_OBSERVE_DECIDE_NS};
    struct run r = {.o = o,
            .w = o->world,
            .a = a,
            .epoch = 1,
            .core = core_new(&options),
            .scratch = arena_new((size_t)1 << 30)};
    const struct ctl_history *h = o->history;
    begin(&r);
    learn(&r);
    today(&r);
    *ret_observation = (struct ctl_observation){.a = a,
            .steps = r.step,
            .digest = core_digest(r.core),
            .violation = r.violation,
            .violation_uid = r.violation_uid,
            .wish_count = r.wish_count,
            .decision_count = r.decision_count};
    struct ctl_wish *wishes = ARENA_ARRAY(a, struct ctl_wish, r.wish_count + 1);
    struct core_decision *decisions = ARENA_ARRAY(a, struct core_decision, r.decision_count + 1);
    if (r.wish_count > 0)
        memcpy(wishes, r.wishes, r.wish_count * sizeof *wishes);
    if (r.decision_count > 0)
        memcpy(decisions, r.decisions, r.decision_count * sizeof *decisions);
    ret_observation->wishes = wishes;
    ret_observation->decisions = decisions;
    if (h != NULL && h->count > 0) {
        ret_observation->history_ns = h->readings[h->count - 1].wall_ns - h->readings[0].wall_ns;
        ret_observation->readings = h->count;
    }
    (void)core_free(r.core);
    run_clear(&r);
}
