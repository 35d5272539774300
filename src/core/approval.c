/* core/approval.c - plans that wait for a person: what is approved, and for how long it holds.
 *
 * Pure.  A plan's digest covers what would be done, what it starts from and whose pods it disturbs:
 * when one of these changes, the plan is another one and the approval is none of its.  An approval
 * is spent when its change is done, and lapses after a day. */
#include "core/core-priv.h"

#include "base/prng.h"

#include <string.h>

static const int64_t LAPSE_NS = CORE_HOURS(24);

enum { APPROVALS_MAX = 4096 };

/* ---- digests ---- */

static uint64_t mix_text(uint64_t h, struct str s)
{
    return prng_mix(h, str_hash(s, 0) ^ s.len);
}

/* Order must not matter, and each owner counts once, however many of its pods are there. */
static uint64_t disturbed(const struct core *c, uint32_t node, uint16_t clear_gpus)
{
    const struct core_node_view *v = &core_pic(c)->nodes[node];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v->pod_count; i++) {
        const struct core_pod_view *pod = &core_pic(c)->pods[v->pods[i]];
        bool again = false;
        for (uint32_t k = 0; k < i && !again; k++) {
            const struct core_pod_view *other = &core_pic(c)->pods[v->pods[k]];
            again = other->fact.owner == pod->fact.owner && core_pod_must_go(c, other, clear_gpus);
        }
        if (!again && core_pod_must_go(c, pod, clear_gpus))
            sum += prng_mix(pod->fact.owner, 1);
    }
    return sum;
}

uint64_t core_digest_node(const struct core *c, uint32_t node, const struct core_rollout *r)
{
    const struct core_node_fact *f = &core_pic(c)->nodes[node].fact;
    uint64_t h = prng_mix(r->uid, (uint64_t)r->change << 8 | (uint64_t)r->plan.kind);
    h = mix_text(h, f->plugin_config);
    h = mix_text(h, f->mig_config);
    h = mix_text(h, f->pool);
    h = mix_text(h, str_from(r->to.plugin_key));
    h = mix_text(h, str_from(r->to.mig_key));
    h = mix_text(h, str_from(r->to.pool));
    return prng_mix(h, disturbed(c, node, r->plan.clear_gpus));
}

uint64_t core_digest_owner(const struct core *c, uint32_t owner, const struct core_intent *intent)
{
    const struct core_owner_fact *f = &core_pic(c)->owners[owner].fact;
    const struct model_resource *to = &intent->owner_target.resource;
    uint64_t h = prng_mix(f->uid, CORE_CHANGE_OWNER_POINT);
    h = mix_text(prng_mix(h, (uint64_t)f->resource.kind), str_from(f->resource.profile));
    h = mix_text(h, f->pool);
    h = mix_text(prng_mix(h, (uint64_t)to->kind), str_from(to->profile));
    h = mix_text(h, str_from(intent->owner_target.pool));
    return prng_mix(prng_mix(h, intent->owner_target.count), intent->owner_target.gpu_models);
}

uint64_t core_digest_move(const struct core *c, uint32_t pod, const struct core_intent *intent)
{
    const struct core_pod_fact *f = &core_pic(c)->pods[pod].fact;
    uint64_t h = prng_mix(f->uid, CORE_CHANGE_POD_MOVE);
    return prng_mix(prng_mix(h, f->node), prng_mix(intent->node, intent->gpu));
}

/* ---- approvals ---- */

static uint32_t find(const struct core *c, uint64_t plan)
{
    uint32_t i = 0;
    while (i < c->approval_count && c->approvals[i].plan != plan)
        i++;
    return i;
}

void core_approve(struct core *c, uint64_t plan, int64_t given_wall_ns)
{
    /* Our clock may be wrong: an approval that we hear of is at most a day old, at least new. */
    int64_t age = num_min_i64(num_max_i64(c->now.wall_ns - given_wall_ns, 0), LAPSE_NS);
    uint32_t row = find(c, plan);
    if (row == c->approval_count && row == APPROVALS_MAX) {
        memmove(c->approvals, c->approvals + 1, (row - 1) * sizeof(*c->approvals));
        row--;
    } else if (row == c->approval_count) {
        if (row == c->approval_cap) {
            c->approval_cap = c->approval_cap == 0 ? 16 : c->approval_cap * 2;
            c->approvals = mem_grow(c->approvals, c->approval_cap, sizeof(*c->approvals));
        }
        c->approval_count++;
    }
    c->approvals[row] = (struct core_approval){plan, c->now.mono_ns - age};
}

bool core_approved(const struct core *c, uint64_t plan)
{
    uint32_t row = find(c, plan);
    return row < c->approval_count && c->now.mono_ns < c->approvals[row].given_mono_ns + LAPSE_NS;
}

void core_approval_spend(struct core *c, uint64_t plan)
{
    uint32_t row = find(c, plan);
    if (row == c->approval_count)
        return;
    c->approval_count--;
    memmove(c->approvals + row, c->approvals + row + 1,
            (c->approval_count - row) * sizeof(*c->approvals));
}

/* ---- telling ---- */

bool core_proposes(const struct core *c, enum model_technique technique, enum core_reason no)
{
    const struct policy *p = core_pic(c)->policy;
    return no == CORE_REASON_GUARD_MODE && p != NULL && p->mode[technique] == POLICY_MODE_RECOMMEND;
}

bool core_refusal_told(
        const struct core *c, struct core_refusal *last, enum core_reason no, uint64_t plan)
{
    bool told = last->reason == no && last->plan == plan && last->mono_ns != 0 &&
                c->now.mono_ns < last->mono_ns + CORE_HOURS(1);
    if (!told)
        *last = (struct core_refusal){no, plan, num_max_i64(c->now.mono_ns, 1)};
    return told;
}
