/* core/decide_out.c - intents and refusals: how a decision is written down, with its numbers.
 *
 * Pure.  Intents live until the next run; a refusal is told once until it changes, so that a guard
 * that says no every step does not fill the log. */
#include "core/decide-priv.h"

#include "base/prng.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct core_intent *decide_intent_new(struct core_decider *d, enum core_intent_kind kind,
        enum core_change change, enum core_reason reason)
{
    if (d->intent_count == d->intent_cap) {
        d->intent_cap = d->intent_cap > 0 ? 2 * d->intent_cap : 64;
        d->intents = mem_grow(d->intents, d->intent_cap, sizeof(*d->intents));
    }
    struct core_intent *intent = &d->intents[d->intent_count++];
    memset(intent, 0, sizeof(*intent));
    intent->kind = kind;
    intent->change = change;
    intent->reason = reason;
    intent->target.replicas = 1;
    intent->target.mig_replicas = 1;
    return intent;
}

void decide_why(struct core_intent *intent, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(intent->why, sizeof(intent->why), fmt, ap);
    va_end(ap);
}

void decide_evidence(struct core_intent *intent, const char *name, int64_t value)
{
    if (intent->evidence_count < CORE_EVIDENCE_MAX) {
        intent->evidence[intent->evidence_count++] =
                (struct core_evidence){.name = name, .value = value};
    }
}

struct core_intent *decide_node_intent(
        struct decide_run *run, uint32_t node, enum core_change change, enum core_reason reason)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct decide_node *state = &run->nodes[node];
    struct core_intent *intent = decide_intent_new(run->d, CORE_INTENT_NODE, change, reason);

    intent->cluster = view->fact.cluster;
    intent->node = view->fact.uid;
    intent->target.replicas = state->replicas > 0 ? state->replicas : 1;
    intent->target.mig = state->mode == DECIDE_MODE_MIG;
    if (state->mode == DECIDE_MODE_MIG && state->pool != CORE_NO_INDEX)
        intent->target.mig_replicas = decide_tier_replicas(run->pools[state->pool].tier);
    if (view->fact.pool.len < sizeof(intent->target.pool)) {
        memcpy(intent->target.pool, view->fact.pool.ptr ? view->fact.pool.ptr : "",
                view->fact.pool.len);
    }
    decide_layouts_now(run->pic, node, &intent->target);
    return intent;
}

static uint64_t refusal_key(enum core_change change, uint64_t subject)
{
    return prng_mix(subject, (uint64_t)change + 1);
}

struct core_decision *decide_refuse(struct core_decider *d, const struct core_now *now,
        enum core_change change, enum core_reason reason, uint64_t subject)
{
    uint64_t key = refusal_key(change, subject);

    if (map_u64_find(&d->told, key) == (uint32_t)reason)
        return NULL;
    if (d->refusal_count == DECIDE_REFUSALS_MAX)
        return NULL;
    map_u64_set(&d->told, key, (uint32_t)reason);
    struct core_decision *decision = &d->refusals[d->refusal_count++];
    memset(decision, 0, sizeof(*decision));
    decision->wall_ns = now->wall_ns;
    decision->change = change;
    decision->verdict = CORE_VERDICT_REFUSED;
    decision->reason = reason;
    return decision;
}

void decide_refusal_over(struct core_decider *d, enum core_change change, uint64_t subject)
{
    (void)map_u64_remove(&d->told, refusal_key(change, subject));
}

void decide_refusal_evidence(struct core_decision *decision, const char *name, int64_t value)
{
    if (decision->evidence_count < CORE_EVIDENCE_MAX) {
        decision->evidence[decision->evidence_count++] =
                (struct core_evidence){.name = name, .value = value};
    }
}
