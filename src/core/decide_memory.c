/* core/decide_memory.c - what pods may come to need of a GPU's memory: reserves, chances, replicas.
 *
 * Pure.  The answers cost a convolution over siblings' growth and are asked for in every step,
 * while what they rest on changes with few readings: each owner and pod carries the number of the
 * last change (decide_memory_changed), and an answer is kept as long as every number in it is the
 * same.
 */
#include "core/decide-priv.h"

#include "base/prng.h"

#include <string.h>

/* TUNING: what is added to an own peak while no sibling tells how pods grow. */
enum { OWN_GROWTH_PERMILLE = 300 };

/* TUNING: with no accepted risk, the largest sibling is reserved for each pod.  With risk, a pool
 * is dimensioned for pods that more likely than not fit together, since holds and alarms watch each
 * GPU (decide_hold.c): peaks rarely meet.  On the genai trace this gives 2 pods on 80 GiB; a tenth
 * instead of a half gives none. */
enum { DIMENSION_RISK_PPM = 500000, QUANTILE_PERMILLE = 900 };

uint32_t decide_memory_limit(const struct policy *p, uint16_t gpu)
{
    uint64_t usable = model_gpu_get(gpu)->memory_usable_mib;
    return (uint32_t)(usable * (1000 - num_min_u32(p->memory_headroom_permille, 1000)) / 1000);
}

uint32_t decide_memory_risk_limit(const struct policy *p)
{
    return p->memory_risk_ppm == 0 ? 0 : DIMENSION_RISK_PPM;
}

uint32_t decide_memory_quantile(const struct policy *p)
{
    return p->memory_risk_ppm == 0 ? 1000 : QUANTILE_PERMILLE;
}

struct usage_reserve decide_reserve(const struct policy *p, const struct decide_owner *row,
        const struct core_owner_fact *owner, const struct decide_pod *pod)
{
    static const struct usage_memory nothing;
    struct usage_reserve_query query = {.track = pod != NULL ? &pod->track : NULL,
            .quantile_permille = decide_memory_quantile(p),
            .declared_mib = owner->declared_memory_mib,
            .preallocates = owner->preallocates,
            .own_growth_permille = OWN_GROWTH_PERMILLE};
    return usage_memory_reserve(row != NULL ? &row->digest.memory : &nothing, &query);
}

/* ---- replicas ---- */

static bool borne_same(const struct decide_borne *a, const struct decide_borne *b)
{
    return a->version == b->version && a->limit_mib == b->limit_mib && a->most == b->most &&
           a->risk_limit_ppm == b->risk_limit_ppm && a->declared_mib == b->declared_mib &&
           a->preallocates == b->preallocates;
}

static void borne_reckon(const struct policy *p, const struct decide_owner *row,
        const struct core_owner_fact *owner, struct decide_borne *b)
{
    struct usage_memory_member members[DECIDE_REPLICAS_LIMIT + 1];

    b->reserve_mib = decide_reserve(p, row, owner, NULL).mib;
    b->replicas = (uint16_t)num_min_u32(b->most, b->limit_mib / num_max_u32(b->reserve_mib, 1));
    b->risk_ppm = b->next_ppm = 0;
    if (p->memory_risk_ppm == 0 || owner->preallocates)
        return;
    for (uint32_t r = 1; r <= b->most; r++) {
        members[r - 1] = (struct usage_memory_member){
                .owner = &row->digest.memory, .floor_mib = owner->declared_memory_mib};
        uint32_t risk = usage_memory_risk_ppm(members, r, b->limit_mib);
        if (risk > b->risk_limit_ppm) {
            b->next_ppm = risk;
            return;
        }
        b->risk_ppm = risk;
        b->replicas = (uint16_t)num_max_u32(b->replicas, r);
    }
}

const struct decide_borne *decide_memory_borne(const struct policy *p, struct decide_owner *row,
        const struct core_owner_fact *owner, uint16_t gpu)
{
    struct decide_borne *known = &row->borne[gpu % DECIDE_GPU_CACHE];
    struct decide_borne ask = {.version = row->memory_version,
            .limit_mib = decide_memory_limit(p, gpu),
            .most = num_min_u32(p->replicas_max, DECIDE_REPLICAS_LIMIT),
            .risk_limit_ppm = decide_memory_risk_limit(p),
            .declared_mib = owner->declared_memory_mib,
            .preallocates = owner->preallocates};
    if (!known->filled || !borne_same(known, &ask)) {
        *known = ask;
        known->filled = true;
        borne_reckon(p, row, owner, known);
    }
    return known;
}

/* ---- the chance that a set is too much ---- */

static bool risk_known(const struct decide_risk *kept, const struct decide_risk *ask)
{
    return kept->count == ask->count && kept->limit_mib == ask->limit_mib &&
           memcmp(kept->members, ask->members, ask->count * sizeof(ask->members[0])) == 0;
}

/* The chance for the members of `ask`, kept from an earlier time when nothing changed since. */
static uint32_t risk_of(
        struct core_decider *d, const struct usage_memory_member *members, struct decide_risk *ask)
{
    uint64_t hash = prng_mix(ask->count, ask->limit_mib);
    if (ask->count > DECIDE_RISK_MEMBERS)
        return usage_memory_risk_ppm(members, ask->count, ask->limit_mib);
    for (uint32_t i = 0; i < ask->count; i++) {
        hash = prng_mix(hash, ask->members[i].pod_version);
        hash = prng_mix(hash, ask->members[i].owner_version);
    }
    struct decide_risk *kept = &d->risks[hash % DECIDE_RISKS];
    if (!risk_known(kept, ask)) {
        ask->ppm = usage_memory_risk_ppm(members, ask->count, ask->limit_mib);
        *kept = *ask;
    }
    return kept->ppm;
}

uint32_t decide_memory_risk_with(const struct decide_run *run, const struct decide_gpu_set *set,
        uint32_t owner, uint32_t limit_mib)
{
    struct usage_memory_member members[USAGE_SHARERS_MAX + 1];
    static const struct usage_memory nothing;
    struct decide_risk ask = {.limit_mib = limit_mib};
    uint64_t reserve = 0;
    bool certain = run->policy->memory_risk_ppm == 0;

    for (uint32_t i = 0; i <= set->count; i++) {
        const struct core_pod_view *pod = i < set->count ? &run->pic->pods[set->pods[i]] : NULL;
        uint32_t of = pod != NULL ? pod->owner : owner;
        if (of == CORE_NO_INDEX)
            return 1000000;
        const struct core_owner_fact *o = &run->pic->owners[of].fact;
        const struct decide_owner *row = decide_owner_find(run->d, o->uid);
        const struct decide_pod *mine = pod != NULL ? decide_pod_find(run->d, pod->fact.uid) : NULL;
        if (certain)
            reserve += decide_reserve(run->policy, row, o, mine).mib;
        members[i] =
                (struct usage_memory_member){.owner = row != NULL ? &row->digest.memory : &nothing,
                        .track = mine != NULL ? &mine->track : NULL,
                        .floor_mib = o->declared_memory_mib,
                        .unripe_growth_permille = DECIDE_UNRIPE_GROWTH_PERMILLE};
        if (i < DECIDE_RISK_MEMBERS) {
            ask.members[i] = (struct decide_risk_member){
                    .owner_version = row != NULL ? row->memory_version : 0,
                    .pod_version = mine != NULL ? mine->memory_version : 0,
                    .floor_mib = o->declared_memory_mib};
        }
        ask.count++;
    }
    if (certain)
        return reserve <= limit_mib ? 0 : 1000000;
    return risk_of(run->d, members, &ask);
}

bool decide_reserves_known(
        const struct decide_run *run, const struct decide_gpu_set *set, uint32_t owner)
{
    for (uint32_t i = 0; i <= set->count; i++) {
        const struct core_pod_view *pod = i < set->count ? &run->pic->pods[set->pods[i]] : NULL;
        uint32_t of = pod != NULL ? pod->owner : owner;
        if (of == CORE_NO_INDEX)
            return false;
        const struct core_owner_fact *o = &run->pic->owners[of].fact;
        const struct decide_owner *row = decide_owner_find(run->d, o->uid);
        const struct decide_pod *mine = pod != NULL ? decide_pod_find(run->d, pod->fact.uid) : NULL;
        if (decide_reserve(run->policy, row, o, mine).basis == USAGE_BASIS_NONE)
            return false;
    }
    return true;
}
