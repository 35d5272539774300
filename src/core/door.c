/* core/door.c - the one way out of the core: every action and decision leaves here.
 *
 * Pure.  An action that leaves is audited (check.c), gets its id, and is remembered until its
 * effect is seen: an unknown outcome means look again, never "failed". */
#include "core/core-priv.h"

#include "base/prng.h"

#include <assert.h>
#include <string.h>

/* TUNING: how long each thing may take before we look at it differently.  The outcome of an API
 * write comes in milliseconds, its watch event in a second or two; ten times that and more is kept,
 * because acting twice costs more than waiting. */
static const int64_t OUTCOME_WAIT_NS = CORE_SECONDS(60);
static const int64_t SOLUTION_WAIT_NS = CORE_MINUTES(10);
static const int64_t EFFECT_WAIT_NS = CORE_SECONDS(60);
static const int64_t LOOK_NS = CORE_SECONDS(30);
static const int64_t CONFLICT_WAIT_NS = CORE_SECONDS(10);
static const int64_t BACKOFF_FIRST_NS = CORE_SECONDS(2);
static const int64_t BACKOFF_MAX_NS = CORE_MINUTES(2);

/* A server may ask for patience, not for ever. */
static const int64_t RETRY_AFTER_MAX_NS = CORE_MINUTES(10);

enum { ATTEMPTS_MAX = 12, HTTP_NOT_FOUND = 404, HTTP_CONFLICT = 409, HTTP_UNPROCESSABLE = 422 };

static const uint64_t FNV_BASIS = UINT64_C(14695981039346656037);
static const uint64_t FNV_PRIME = UINT64_C(1099511628211);

/* ---- digest ---- */

static void digest_u64(struct core *c, uint64_t value)
{
    if (c->digest == 0)
        c->digest = FNV_BASIS;
    for (int i = 0; i < 8; i++) {
        c->digest ^= value & 0xff;
        c->digest *= FNV_PRIME;
        value >>= 8;
    }
}

static void digest_str(struct core *c, struct str s)
{
    digest_u64(c, str_hash(s, 0) ^ s.len);
}

static void digest_evidence(struct core *c, const struct core_evidence *e, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        digest_str(c, str_from(e[i].name));
        digest_u64(c, (uint64_t)e[i].value);
    }
}

static void digest_action(struct core *c, const struct core_action *a)
{
    digest_u64(c, a->id);
    digest_u64(c, (uint64_t)a->kind);
    digest_u64(c, a->target);
    digest_u64(c, a->precondition);
    digest_u64(c, (uint64_t)a->deadline_mono_ns);
    digest_u64(c, (uint64_t)a->reason);
    digest_evidence(c, a->evidence, a->evidence_count);
    switch (a->kind) {
    case CORE_ACTION_CONFIG_PUT:
    case CORE_ACTION_CONFIG_DELETE:
        digest_u64(c, (uint64_t)a->config.map);
        digest_str(c, a->config.key);
        digest_str(c, a->config.text);
        return;
    case CORE_ACTION_NODE_PATCH:
        digest_u64(c, a->node.fields);
        digest_u64(c, a->node.cordon);
        digest_str(c, a->node.plugin_config);
        digest_str(c, a->node.mig_config);
        digest_str(c, a->node.pool);
        digest_str(c, a->node.annotation);
        digest_str(c, a->node.pool_taint);
        digest_u64(c, a->node.startup_taint);
        return;
    case CORE_ACTION_OWNER_PATCH:
        digest_u64(c, (uint64_t)a->owner.resource.kind);
        digest_str(c, str_from(a->owner.resource.profile));
        digest_u64(c, a->owner.count);
        digest_str(c, a->owner.pool);
        digest_u64(c, a->owner.gpu_models);
        return;
    case CORE_ACTION_POD_ASSIGN:
        digest_u64(c, a->assign.node);
        digest_u64(c, a->assign.gpu);
        return;
    case CORE_ACTION_SOLVE:
        digest_u64(c, a->solve.seed);
        digest_u64(c, a->solve.iterations);
        return;
    case CORE_ACTION_POD_EVICT:
    case CORE_ACTION_COUNT:
        return;
    }
}

static void digest_decision(struct core *c, const struct core_decision *d)
{
    digest_u64(c, d->seq);
    digest_u64(c, (uint64_t)d->wall_ns);
    digest_u64(c, (uint64_t)d->change << 32 | (uint64_t)d->verdict << 16 | (uint64_t)d->reason);
    digest_u64(c, d->node);
    digest_u64(c, d->pod);
    digest_u64(c, d->owner);
    digest_u64(c, (uint64_t)d->from_value << 32 | d->to_value);
    digest_u64(c, (uint64_t)d->saving_microusd_per_hour);
    digest_str(c, d->text);
    digest_evidence(c, d->evidence, d->evidence_count);
}

/* ---- actions ---- */

static void *vec_grow(void *ptr, uint32_t *cap, uint32_t want, size_t size)
{
    if (want <= *cap)
        return ptr;
    *cap = *cap == 0 ? 32 : *cap * 2;
    assert(*cap >= want);
    return mem_grow(ptr, *cap, size);
}

uint64_t core_config_target(uint16_t cluster, enum core_config_map map, struct str key)
{
    return prng_mix(str_hash(key, 0), (uint64_t)cluster << 8 | (uint64_t)map) | 1;
}

/* The object of an action: config keys and solves have no uid, but one action at a time too. */
static uint64_t action_object(const struct core_action *a)
{
    switch (a->kind) {
    case CORE_ACTION_CONFIG_PUT:
    case CORE_ACTION_CONFIG_DELETE:
        return core_config_target(a->cluster, a->config.map, a->config.key);
    case CORE_ACTION_NODE_PATCH:
    case CORE_ACTION_POD_EVICT:
    case CORE_ACTION_OWNER_PATCH:
    case CORE_ACTION_POD_ASSIGN:
    case CORE_ACTION_SOLVE:
    case CORE_ACTION_COUNT:
        break;
    }
    return a->target;
}

const struct core_op *core_op_on_target(
        const struct core *c, uint64_t target, enum core_action_kind kind)
{
    for (uint32_t i = 0; i < c->op_count; i++) {
        if (c->ops[i].state != CORE_OP_FREE && c->ops[i].target == target && c->ops[i].kind == kind)
            return &c->ops[i];
    }
    return NULL;
}

static uint32_t op_open(struct core *c, const struct core_action *a)
{
    uint32_t row = 0;
    while (row < c->op_count && c->ops[row].state != CORE_OP_FREE)
        row++;
    if (row == c->op_count) {
        c->op_count++;
        c->ops = vec_grow(c->ops, &c->op_cap, c->op_count, sizeof(*c->ops));
    }
    c->ops[row] = (struct core_op){.state = CORE_OP_SENT,
            .kind = a->kind,
            .id = a->id,
            .target = action_object(a),
            .cluster = a->cluster,
            .precondition = a->precondition,
            .sent_mono_ns = c->now.mono_ns,
            .deadline_mono_ns = a->deadline_mono_ns};
    (void)map_u64_set(&c->op_by_id, a->id, row);
    return row;
}

static void op_close(struct core *c, uint32_t row)
{
    (void)map_u64_remove(&c->op_by_id, c->ops[row].id);
    c->ops[row] = (struct core_op){0};
}

static struct str keep(struct core *c, struct str s)
{
    return s.len == 0 ? (struct str){"", 0} : arena_str(c->step, s);
}

/* The views of an action live until the next step: copies in the step's arena. */
static void action_own(struct core *c, struct core_action *a)
{
    if (a->kind == CORE_ACTION_CONFIG_PUT || a->kind == CORE_ACTION_CONFIG_DELETE) {
        a->config.key = keep(c, a->config.key);
        a->config.text = keep(c, a->config.text);
    } else if (a->kind == CORE_ACTION_NODE_PATCH) {
        a->node.plugin_config = keep(c, a->node.plugin_config);
        a->node.mig_config = keep(c, a->node.mig_config);
        a->node.pool = keep(c, a->node.pool);
        a->node.pool_taint = keep(c, a->node.pool_taint);
        a->node.annotation = keep(c, a->node.annotation);
    } else if (a->kind == CORE_ACTION_OWNER_PATCH) {
        a->owner.pool = keep(c, a->owner.pool);
    }
}

void core_issue(struct core *c, struct core_try *try, const struct core_request *request)
{
    core_check_action(c, request);
    struct core_action a = request->action;
    uint64_t what = prng_mix(action_object(&a), (uint64_t)request->step << 32 | try->attempt);
    /* A controller that takes a plan up again counts its attempts anew: the epoch tells the ids
     * apart. */
    a.id = prng_mix(prng_mix(request->plan, c->now.epoch), what) | 1;
    a.deadline_mono_ns =
            c->now.mono_ns + (a.kind == CORE_ACTION_SOLVE ? SOLUTION_WAIT_NS : OUTCOME_WAIT_NS);
    action_own(c, &a);
    if (try->op != CORE_NO_INDEX)
        op_close(c, try->op);
    try->op = op_open(c, &a);
    core_wake(c, a.deadline_mono_ns);
    c->action_count++;
    c->actions = vec_grow(c->actions, &c->action_cap, c->action_count, sizeof(*c->actions));
    c->actions[c->action_count - 1] = a;
    digest_action(c, &a);
}

void core_eviction_add(struct core *c, const struct core_eviction *eviction)
{
    uint32_t old = 0;
    while (old < c->eviction_count && c->evictions[old].mono_ns <= c->now.mono_ns - CORE_HOURS(1))
        old++;
    c->eviction_count -= old;
    if (old > 0)
        memmove(c->evictions, c->evictions + old, c->eviction_count * sizeof(*c->evictions));
    c->eviction_count++;
    c->evictions =
            vec_grow(c->evictions, &c->eviction_cap, c->eviction_count, sizeof(*c->evictions));
    c->evictions[c->eviction_count - 1] = *eviction;
}

/* An eviction counts once the API took it, or may have: a refused one disrupted nobody. */
static void eviction_count(struct core *c, const struct core_op *op)
{
    const struct core_eviction e = {c->now.mono_ns, 1, op->cluster};
    if (op->kind == CORE_ACTION_POD_EVICT)
        core_eviction_add(c, &e);
}

void core_op_answer(struct core *c, const struct core_outcome_fact *outcome)
{
    uint32_t row = map_u64_find(&c->op_by_id, outcome->action);
    if (row == MAP_NONE || c->ops[row].state != CORE_OP_SENT)
        return;
    struct core_op *op = &c->ops[row];
    switch (outcome->outcome) {
    case CORE_OUTCOME_DONE:
        op->state = CORE_OP_DONE;
        break;
    case CORE_OUTCOME_REJECTED:
        op->state = CORE_OP_REJECTED;
        break;
    case CORE_OUTCOME_UNKNOWN:
        op->state = CORE_OP_UNKNOWN;
        break;
    }
    op->http_status = outcome->http_status;
    op->retry_after_ns = num_min_i64(num_max_i64(outcome->retry_after_ns, 0), RETRY_AFTER_MAX_NS);
    op->answered_mono_ns = c->now.mono_ns;
    if (op->state != CORE_OP_REJECTED)
        eviction_count(c, op);
}

void core_ops_expire(struct core *c)
{
    for (uint32_t i = 0; i < c->op_count; i++) {
        struct core_op *op = &c->ops[i];
        if (op->state != CORE_OP_SENT)
            continue;
        if (c->now.mono_ns < op->deadline_mono_ns) {
            core_wake(c, op->deadline_mono_ns);
            continue;
        }
        op->state = CORE_OP_UNKNOWN;
        op->answered_mono_ns = c->now.mono_ns;
        eviction_count(c, op);
    }
}

void core_try_drop(struct core *c, struct core_try *try)
{
    if (try->op != CORE_NO_INDEX)
        op_close(c, try->op);
    *try = (struct core_try){.op = CORE_NO_INDEX};
}

bool core_try_settle(struct core *c, struct core_try *try)
{
    if (try->op != CORE_NO_INDEX && c->ops[try->op].state == CORE_OP_SENT)
        return false;
    core_try_drop(c, try);
    return true;
}

static int64_t backoff(const struct core_try *try)
{
    uint32_t shift = num_min_u32(try->attempt, 6);
    return num_min_i64(BACKOFF_FIRST_NS << shift, BACKOFF_MAX_NS);
}

/* Closes the op of an attempt that came to nothing and says when the next may start. */
static enum core_try_state try_again(struct core *c, struct core_try *try, int64_t not_before)
{
    op_close(c, try->op);
    try->op = CORE_NO_INDEX;
    try->attempt++;
    try->not_before_mono_ns = not_before;
    if (try->attempt > ATTEMPTS_MAX)
        return CORE_TRY_FATAL;
    if (c->now.mono_ns >= not_before)
        return CORE_TRY_GO;
    core_wake(c, not_before);
    return CORE_TRY_WAIT;
}

static enum core_try_state rejected(struct core *c, struct core_try *try, uint64_t version)
{
    const struct core_op *op = &c->ops[try->op];
    int64_t now = c->now.mono_ns;
    if (op->http_status == HTTP_NOT_FOUND)
        return CORE_TRY_GONE;
    if (op->http_status == HTTP_UNPROCESSABLE)
        return CORE_TRY_FATAL;
    if (op->http_status == HTTP_CONFLICT) {
        /* Somebody wrote in between: read again first. */
        int64_t until = op->answered_mono_ns + CONFLICT_WAIT_NS;
        if (version > op->precondition || now >= until)
            return try_again(c, try, now);
        core_wake(c, until);
        return CORE_TRY_WAIT;
    }
    int64_t pause = num_max_i64(op->retry_after_ns, backoff(try));
    return try_again(c, try, op->answered_mono_ns + pause);
}

enum core_try_state core_try_poll(struct core *c, struct core_try *try, uint64_t version)
{
    int64_t now = c->now.mono_ns;
    if (try->op == CORE_NO_INDEX) {
        if (try->attempt > ATTEMPTS_MAX)
            return CORE_TRY_FATAL;
        if (now >= try->not_before_mono_ns)
            return CORE_TRY_GO;
        core_wake(c, try->not_before_mono_ns);
        return CORE_TRY_WAIT;
    }
    const struct core_op *op = &c->ops[try->op];
    int64_t until = INT64_MAX;
    switch (op->state) {
    case CORE_OP_SENT:
        return CORE_TRY_WAIT;
    case CORE_OP_REJECTED:
        return rejected(c, try, version);
    case CORE_OP_DONE:
        until = op->answered_mono_ns + EFFECT_WAIT_NS;
        break;
    case CORE_OP_UNKNOWN:
        until = op->answered_mono_ns + LOOK_NS;
        break;
    case CORE_OP_FREE:
        assert(op->state != CORE_OP_FREE);
    }
    if (now >= until) {
        try->unseen += op->state == CORE_OP_DONE;
        return try_again(c, try, now);
    }
    core_wake(c, until);
    return CORE_TRY_WAIT;
}

/* ---- decisions ---- */

static struct str object_name(const struct core *c, const struct core_decision *d)
{
    const struct core_picture *pic = core_pic(c);
    uint32_t node = core_picture_node(pic, d->node);
    uint32_t pod = core_picture_pod(pic, d->pod);
    uint32_t owner = core_picture_owner(pic, d->owner);
    if (pod != CORE_NO_INDEX)
        return pic->pods[pod].fact.name;
    if (owner != CORE_NO_INDEX && d->node == 0)
        return pic->owners[owner].fact.name;
    if (node != CORE_NO_INDEX)
        return pic->nodes[node].fact.name;
    return STR_LIT("an object that is gone");
}

static void totals_count(struct core_totals *t, const struct core_decision *d)
{
    t->decisions++;
    switch (d->verdict) {
    case CORE_VERDICT_BEGUN:
        t->begun[d->change]++;
        break;
    case CORE_VERDICT_DONE:
        t->done[d->change]++;
        break;
    case CORE_VERDICT_REFUSED:
    case CORE_VERDICT_PROPOSED:
        t->refused[d->change] += d->verdict == CORE_VERDICT_REFUSED;
        break;
    case CORE_VERDICT_UNDONE:
        t->undone++;
        break;
    case CORE_VERDICT_ABANDONED:
        t->abandoned++;
        break;
    case CORE_VERDICT_COUNT:
        break;
    }
}

void core_log(struct core *c, const struct core_decision *decision, const char *why)
{
    struct core_decision d = *decision;
    d.seq = ++c->decision_seq;
    d.wall_ns = c->now.wall_ns;
    if (d.text.len > 0) {
        d.text = keep(c, d.text); /* the decider's own line */
    } else {
        struct str name = object_name(c, &d);
        d.text = str_from(arena_printf(c->step, "%.*s: %s %s (%s): %s", STR_ARG(name),
                core_change_name(d.change), core_verdict_name(d.verdict),
                core_reason_name(d.reason),
                why != NULL && why[0] != 0 ? why : core_reason_text(d.reason)));
    }
    c->decision_count++;
    c->decisions =
            vec_grow(c->decisions, &c->decision_cap, c->decision_count, sizeof(*c->decisions));
    c->decisions[c->decision_count - 1] = d;
    totals_count(&c->totals, &d);
    digest_decision(c, &d);
}

void core_violate(struct core *c, enum core_reason check, uint64_t uid)
{
    if (c->options.checks_off)
        return;
    c->totals.violations++;
    if (c->violation != NULL)
        return;
    c->violation = core_reason_name(check);
    c->violation_uid = uid;
}
