/* core/adopt.c - taking up what a controller before us left in a node's annotation.
 *
 * Pure.  Facts alone decide: the plan is derived again from the record, and steps whose effect is
 * there already are passed at once. */
#include "core/core-priv.h"

#include <string.h>

/* However old a hold is that we take up: the decider has to see the node before it can ask for it
 * again. */
static const int64_t ADOPTED_HOLD_NS = CORE_SECONDS(600);

bool core_cordon_is_foreign(const struct core_node_fact *node)
{
    static const char rest[] = "\"state\":\"rest\"";
    if (!node->unschedulable)
        return false;
    for (size_t i = 0; i + sizeof(rest) - 1 <= node->annotation.len; i++) {
        if (memcmp(node->annotation.ptr + i, rest, sizeof(rest) - 1) == 0)
            return true;
    }
    return node->annotation.len == 0;
}

/* Layouts of the originals are not in the record: the text behind their key has them. */
static void layouts_from_key(const struct core *c, uint32_t node, struct core_setup *from)
{
    struct core_setup now;
    core_setup_read(core_pic(c), node, &now);
    if (strcmp(now.mig_key, from->mig_key) == 0) {
        from->layout_count = now.layout_count;
        memcpy(from->layouts, now.layouts, sizeof(from->layouts));
        return;
    }
    core_setup_read_key(core_pic(c), node, from->mig_key, from);
}

static void intent_from_record(const struct core *c, uint32_t node,
        const struct core_record *record, struct core_intent *in)
{
    *in = (struct core_intent){.kind = CORE_INTENT_NODE,
            .change = record->change,
            .reason = record->reason,
            .cluster = core_pic(c)->nodes[node].fact.cluster,
            .node = core_pic(c)->nodes[node].fact.uid};
    in->target.replicas = record->to.replicas;
    in->target.mig_replicas = record->to.mig_replicas;
    memcpy(in->target.pool, record->to.pool, sizeof(in->target.pool));
    in->target.retire = record->state == CORE_RECORD_RETIRE;
    in->target.hold = record->state == CORE_RECORD_HOLD;
    in->target.mig = record->to.layout_count > 0;
    in->target.layout_count = record->to.layout_count;
    memcpy(in->target.layouts, record->to.layouts, sizeof(in->target.layouts));
}

/* Wall time in a record, on our monotonic clock: never in the past, never far off, whatever the
 * wall clock did in between. */
static int64_t mono_of(const struct core *c, int64_t wall_ns)
{
    int64_t left = 0;
    if (wall_ns > c->now.wall_ns && !__builtin_sub_overflow(wall_ns, c->now.wall_ns, &left))
        left = num_min_i64(left, CORE_HOURS(6));
    return c->now.mono_ns + left;
}

static void take_up_rollout(struct core *c, uint32_t node, const struct core_record *record)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    enum core_plan_kind kind =
            record->state == CORE_RECORD_RETIRE ? CORE_PLAN_RETIRE : CORE_PLAN_CONFIG;
    r->direction = CORE_DIRECTION_FORWARD;
    r->adopted = true;
    r->wrote = true;
    r->claimed = true;
    r->uncordons = record->cordon;
    if (record->retry_wall_ns != 0)
        r->retry_mono_ns = mono_of(c, record->retry_wall_ns);
    r->to = record->to;
    r->from = record->from;
    layouts_from_key(c, node, &r->from);
    core_plan_make(kind, &r->from, &r->to, &f->caps, &r->plan);
    if (record->state == CORE_RECORD_UNDO) {
        uint16_t clear = r->plan.clear_gpus;
        r->direction = CORE_DIRECTION_UNDO;
        r->turned = record->reason;
        core_plan_undo(&r->from, &r->to, f, clear, &r->plan);
    }
    if (f->unschedulable)
        r->closed_since_mono_ns = num_max_i64(c->now.mono_ns, 1);
    r->record_len = (uint32_t)num_min_i64((int64_t)f->annotation.len, CORE_ANNOTATION_MAX);
    memcpy(r->record, f->annotation.ptr, r->record_len);
    r->record[r->record_len] = 0;
    core_rollout_enter(c, r, 0);
}

/* Our mark with a text that we cannot read: nothing can be restored, so the node is given back. */
static void take_up_unreadable(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    r->direction = CORE_DIRECTION_ABANDON;
    r->change = CORE_CHANGE_RELEASE;
    r->turned = CORE_REASON_VERIFY_FAILED;
    r->adopted = true;
    r->wrote = true;
    r->claimed = true;
    r->uncordons = f->unschedulable;
    r->since_wall_ns = c->now.wall_ns;
    core_setup_read(core_pic(c), node, &r->from);
    r->to = r->from;
    core_plan_make(CORE_PLAN_RELEASE, &r->from, &r->to, &f->caps, &r->plan);
    core_rollout_enter(c, r, 0);
}

static void take_up(struct core *c, uint32_t node, const struct core_record *record)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    intent_from_record(c, node, record, &r->intent);
    r->change = record->change;
    r->reason = record->reason;
    r->plan_id = record->plan;
    r->since_wall_ns = record->since_wall_ns;
    r->tries = record->tries;
    size_t len = f->name.len < sizeof(r->name) - 1 ? f->name.len : sizeof(r->name) - 1;
    memset(r->name, 0, sizeof(r->name));
    memcpy(r->name, f->name.ptr, len);
    switch (record->state) {
    case CORE_RECORD_REST:
        r->retry_mono_ns = mono_of(c, record->retry_wall_ns);
        r->to = record->to;
        r->from = record->from;
        r->owes = r->to.mig_key[0] != 0 && r->from.mig_key[0] != 0;
        if (r->owes)
            layouts_from_key(c, node, &r->from);
        return;
    case CORE_RECORD_HOLD:
        r->held = true;
        r->uncordons = record->cordon;
        r->held_until_mono_ns =
                num_max_i64(mono_of(c, record->retry_wall_ns), c->now.mono_ns + ADOPTED_HOLD_NS);
        return;
    case CORE_RECORD_FORWARD:
    case CORE_RECORD_UNDO:
    case CORE_RECORD_RETIRE:
        take_up_rollout(c, node, record);
        return;
    case CORE_RECORD_STATE_COUNT:
        return;
    }
}

void core_adopt(struct core *c, uint32_t node)
{
    struct core_rollout *r = &c->rollouts[node];
    const struct core_picture *pic = core_pic(c);
    const struct core_node_fact *f = &pic->nodes[node].fact;
    const bool *sync = pic->sync[f->cluster];
    if (core_rollout_active(r) || f->annotation.len == 0)
        return;
    /* The plan rests on config texts and on who is on the node. */
    if (!sync[CORE_SOURCE_NODES] || !sync[CORE_SOURCE_PODS] || !sync[CORE_SOURCE_CONFIG])
        return;
    uint64_t hash = str_hash(f->annotation, 0);
    if (hash == r->adopted_annotation)
        return;
    r->adopted_annotation = hash;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct core_record record;
    if (core_record_parse(a, f->annotation, &record, NULL) < 0) {
        take_up_unreadable(c, node);
    } else {
        take_up(c, node, &record);
    }
}
