/* A deciding half for tests: wants what it is told to want, says yes to every guard question.
 * Linked in place of core/decide*.c. */
#ifndef TEST_CORE_SCRIPT_H
#define TEST_CORE_SCRIPT_H

#include "core/core.h"
#include "core/intent.h"

#include <stdlib.h>
#include <string.h>

enum { SCRIPT_MAX = 16 };

/* What the decider of every core made from now on wants, at each run. */
static struct core_intent script_intents[SCRIPT_MAX];
static uint32_t script_count;
/* What core_decider_guard() says of an intent that points an owner at a pool that is gone. */
static const char *script_gone_pool;

struct core_decider {
    uint64_t runs;
};

struct core_decider *core_decider_new(const struct core_options *options)
{
    (void)options;
    return calloc(1, sizeof(struct core_decider));
}

struct core_decider *core_decider_free(struct core_decider *d)
{
    free(d);
    return NULL;
}

void core_decider_learn(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_fact *fact)
{
    (void)d, (void)pic, (void)now, (void)fact;
}

void core_decider_run(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, struct core_decider_output *ret_output)
{
    (void)pic, (void)now;
    d->runs++;
    *ret_output = (struct core_decider_output){.intents = script_intents,
            .intent_count = script_count,
            .next_wake_mono_ns = INT64_MAX};
}

void core_decider_solved(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct place_solution *solution)
{
    (void)d, (void)pic, (void)now, (void)solution;
}

enum core_reason core_decider_guard(const struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_intent *intent,
        struct core_evidence evidence[CORE_EVIDENCE_MAX], uint32_t *ret_evidence_count)
{
    (void)d, (void)pic, (void)now, (void)evidence;
    *ret_evidence_count = 0;
    bool gone = script_gone_pool != NULL && intent->kind == CORE_INTENT_OWNER &&
                strcmp(intent->owner_target.pool, script_gone_pool) == 0;
    return gone ? CORE_REASON_GUARD_SOLUTION : CORE_REASON_NONE;
}

#endif
