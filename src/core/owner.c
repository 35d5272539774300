/* core/owner.c - proposals to owners: which resource and pool their pods should ask for.
 *
 * Pure.  We propose once; the owner acts when it acts.  Until its template shows it, what the
 * change would save is `blocked`.  After a restart open proposals are made again: a proposal is a
 * level, so the world takes one that it knows already for the same one. */
#include "core/core-priv.h"

#include <string.h>

static struct core_owner_work *work_get(struct core *c, uint32_t owner)
{
    struct core_owner_work *w = &c->owners[owner];
    uint64_t uid = core_pic(c)->owners[owner].fact.uid;
    if (w->uid != uid) {
        core_try_drop(c, &w->try);
        *w = (struct core_owner_work){
                .uid = uid, .try.op = CORE_NO_INDEX, .begun_mono_ns = INT64_MIN};
    }
    return w;
}

static void show(struct core *c, uint32_t owner)
{
    const struct core_owner_work *w = &c->owners[owner];
    struct core_patch_view patch = {0};
    if (w->open) {
        patch = (struct core_patch_view){.open = true,
                .resource = w->resource,
                .count = w->count,
                .gpu_models = w->gpu_models,
                .since_mono_ns = w->since_mono_ns,
                .saving_microusd_per_hour = w->saving_microusd_per_hour};
        memcpy(patch.pool, w->pool, sizeof(patch.pool));
    }
    core_picture_patch_set(&c->store, owner, &patch);
}

static bool template_shows(const struct core_owner_fact *f, const struct core_owner_work *w)
{
    return model_resource_eq(&f->resource, &w->resource) && str_eq_c(f->pool, w->pool) &&
           (w->gpu_models == 0 || f->gpu_models == w->gpu_models);
}

static void log_owner(struct core *c, uint32_t owner, enum core_verdict verdict,
        enum core_reason reason, const struct core_intent *intent)
{
    const struct core_owner_work *w = &c->owners[owner];
    const struct core_owner_fact *f = &core_pic(c)->owners[owner].fact;
    struct core_decision d = {.cluster = f->cluster,
            .change = CORE_CHANGE_OWNER_POINT,
            .verdict = verdict,
            .reason = reason,
            .owner = f->uid,
            .from_value = (uint32_t)f->resource.kind,
            .to_value = (uint32_t)w->resource.kind,
            .saving_microusd_per_hour = w->saving_microusd_per_hour};
    if (intent != NULL) {
        d.evidence_count = num_min_u32(intent->evidence_count, CORE_EVIDENCE_MAX);
        memcpy(d.evidence, intent->evidence, sizeof(d.evidence));
    }
    core_log(c, &d, intent != NULL ? intent->why : NULL);
}

static void close_work(struct core *c, uint32_t owner)
{
    struct core_owner_work *w = &c->owners[owner];
    core_try_drop(c, &w->try);
    w->open = false;
    w->accepted = false;
    show(c, owner);
}

static void issue(struct core *c, uint32_t owner, const struct core_intent *intent)
{
    struct core_owner_work *w = &c->owners[owner];
    const struct core_owner_view *o = &core_pic(c)->owners[owner];
    struct core_request request = {.action = {.kind = CORE_ACTION_OWNER_PATCH,
                                           .cluster = o->fact.cluster,
                                           .target = o->fact.uid,
                                           .precondition = o->version,
                                           .reason = w->reason,
                                           .owner = {.resource = w->resource,
                                                   .count = w->count,
                                                   .pool = str_from(w->pool),
                                                   .gpu_models = w->gpu_models}},
            .plan = o->fact.uid,
            .step = (uint32_t)w->resource.kind,
            .intent = intent};
    core_issue(c, &w->try, &request);
}

static void advance(struct core *c, uint32_t owner)
{
    struct core_owner_work *w = &c->owners[owner];
    const struct core_owner_view *o = &core_pic(c)->owners[owner];
    if (template_shows(&o->fact, w)) {
        if (!core_try_settle(c, &w->try))
            return;
        log_owner(c, owner, CORE_VERDICT_DONE, w->reason, NULL);
        core_approval_spend(c, w->plan);
        close_work(c, owner);
        return;
    }
    if (w->accepted)
        return; /* the owner's turn, for as long as it takes */
    if (w->try.op != CORE_NO_INDEX && c->ops[w->try.op].state == CORE_OP_DONE) {
        core_try_drop(c, &w->try);
        w->accepted = true;
        log_owner(c, owner, CORE_VERDICT_PROPOSED, CORE_REASON_OWNER_MUST_ACT, NULL);
        return;
    }
    switch (core_try_poll(c, &w->try, o->version)) {
    case CORE_TRY_GO:
        if (core_pic(c)->sync[o->fact.cluster][CORE_SOURCE_OWNERS])
            issue(c, owner, NULL);
        return;
    case CORE_TRY_WAIT:
    case CORE_TRY_GONE:
        return;
    case CORE_TRY_FATAL:
        log_owner(c, owner, CORE_VERDICT_ABANDONED, CORE_REASON_VERIFY_FAILED, NULL);
        close_work(c, owner);
        return;
    }
}

void core_owners_advance(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    int64_t blocked = 0;
    for (uint32_t i = 0; i < pic->owner_count; i++) {
        struct core_owner_work *w = &c->owners[i];
        if (w->uid == 0 || !w->open)
            continue;
        if (!pic->owners[i].live || pic->owners[i].fact.uid != w->uid) {
            core_try_drop(c, &w->try);
            *w = (struct core_owner_work){.try.op = CORE_NO_INDEX, .begun_mono_ns = INT64_MIN};
            continue;
        }
        advance(c, i);
        if (w->open)
            blocked += num_max_i64(w->saving_microusd_per_hour, 0);
    }
    c->totals.blocked_microusd_per_hour = blocked;
}

static void refuse(struct core *c, uint32_t owner, const struct core_intent *intent,
        enum core_reason reason, const struct core_why *why)
{
    struct core_owner_work *w = work_get(c, owner);
    const struct core_owner_fact *f = &core_pic(c)->owners[owner].fact;
    bool proposed = core_proposes(c, core_owner_technique(f, intent), reason);
    uint64_t plan = proposed ? core_digest_owner(c, owner, intent) : 0;
    if (core_refusal_told(c, &w->refusal, reason, plan))
        return;
    struct core_decision d = {.cluster = intent->cluster,
            .change = CORE_CHANGE_OWNER_POINT,
            .verdict = proposed ? CORE_VERDICT_PROPOSED : CORE_VERDICT_REFUSED,
            .reason = reason,
            .owner = intent->owner,
            .saving_microusd_per_hour = intent->saving_microusd_per_hour,
            .evidence_count = why->count};
    memcpy(d.evidence, why->evidence, sizeof(d.evidence));
    if (proposed && d.evidence_count < CORE_EVIDENCE_MAX)
        d.evidence[d.evidence_count++] = (struct core_evidence){"plan", (int64_t)plan};
    core_log(c, &d, proposed ? intent->why : NULL);
}

void core_owner_intent(struct core *c, const struct core_intent *intent)
{
    uint32_t owner = core_picture_owner(core_pic(c), intent->owner);
    if (owner == CORE_NO_INDEX)
        return;
    struct core_owner_work *w = work_get(c, owner);
    const struct core_owner_fact *f = &core_pic(c)->owners[owner].fact;
    struct core_owner_work want = {.resource = intent->owner_target.resource,
            .gpu_models = intent->owner_target.gpu_models};
    memcpy(want.pool, intent->owner_target.pool, sizeof(want.pool));
    want.pool[sizeof(want.pool) - 1] = 0;
    bool same = w->open && model_resource_eq(&w->resource, &want.resource) &&
                strcmp(w->pool, want.pool) == 0 && w->gpu_models == want.gpu_models;
    /* Asked for what it has: that takes back what is open, else there is nothing to do. */
    if (same || (!w->open && template_shows(f, &want)))
        return;
    if (w->try.op != CORE_NO_INDEX && !core_try_settle(c, &w->try))
        return;
    struct core_why why = {0};
    enum core_reason no = core_guard_owner(c, owner, intent, false, &why);
    if (no != CORE_REASON_NONE) {
        refuse(c, owner, intent, no, &why);
        return;
    }
    core_try_drop(c, &w->try);
    w->open = true;
    w->accepted = false;
    w->resource = want.resource;
    w->count = intent->owner_target.count;
    memcpy(w->pool, want.pool, sizeof(w->pool));
    w->gpu_models = intent->owner_target.gpu_models;
    w->reason = intent->reason;
    w->saving_microusd_per_hour = intent->saving_microusd_per_hour;
    w->since_mono_ns = c->now.mono_ns;
    w->refusal = (struct core_refusal){0};
    w->plan = core_digest_owner(c, owner, intent);
    log_owner(c, owner, CORE_VERDICT_BEGUN, intent->reason, intent);
    issue(c, owner, intent);
    w->begun_mono_ns = c->now.mono_ns;
    show(c, owner);
}
