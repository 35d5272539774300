/* place/pools.c - how many nodes the pools of one kind need for the owners in them.
 *
 * Pure.  Exclusive pods are fitted by size, largest first (exact while sizes divide each other, as
 * 1, 2, 4, 8 do).  MIG instances are cut from GPUs by repeating the best-filling multiset, exact
 * within one GPU on the mixes tried (test/prop/place). */
#include "place/pools-priv.h"

#include "base/num.h"
#include "base/prng.h"
#include "mig/place.h"

#include <assert.h>
#include <string.h>

static uint32_t add_signed(uint32_t value, uint32_t by, int sign)
{
    assert(sign == 1 || value >= by);
    return sign == 1 ? value + by : value - by;
}

static void load_apply(struct pool_load *load, const struct place_owner *owner, int sign)
{
    uint64_t pods = owner->pods;
    uint64_t cpu = pods * owner->cpu_milli;
    uint64_t ram = pods * owner->ram_mib;
    load->pods = sign == 1 ? load->pods + pods : load->pods - pods;
    load->cpu_milli = sign == 1 ? load->cpu_milli + cpu : load->cpu_milli - cpu;
    load->ram_mib = sign == 1 ? load->ram_mib + ram : load->ram_mib - ram;
}

void place_pools_apply(struct pool_kind *kind, const struct place_owner *owner,
        const struct place_option *option, int sign)
{
    assert(option->technique < MODEL_TECHNIQUE_COUNT);
    switch ((enum model_technique)option->technique) {
    case MODEL_TECHNIQUE_TIME_SLICING: {
        uint32_t *owners = &kind->by_replicas[option->tier][option->replicas_max];
        load_apply(&kind->shared[option->tier], owner, sign);
        *owners = add_signed(*owners, 1, sign);
        uint64_t size = (uint64_t)owner->pods * option->size_ppm;
        kind->size_ppm[option->tier] += sign == 1 ? size : -size;
        return;
    }
    case MODEL_TECHNIQUE_MIG: {
        uint32_t *count = &kind->mig_count[option->profile];
        load_apply(&kind->mig, owner, sign);
        uint32_t instances = (uint32_t)num_ceildiv_u64(owner->pods, option->replicas_max);
        *count = add_signed(*count, instances, sign);
        return;
    }
    case MODEL_TECHNIQUE_EXCLUSIVE: {
        uint32_t *count = &kind->by_gpus[owner->gpus_per_pod];
        load_apply(&kind->exclusive, owner, sign);
        *count = add_signed(*count, owner->pods, sign);
        return;
    }
    case MODEL_TECHNIQUE_COUNT:
        break;
    }
}

/* Nodes for whole-GPU pods and for GPUs that are cut into instances (the others of their nodes stay
 * whole): the largest first, each into the fullest node that still has room. */
static uint32_t nodes_whole(
        const struct place_kind *kind, const struct pool_kind *load, uint32_t cut_gpus)
{
    uint32_t free_count[PLACE_NODE_GPUS_MAX + 1] = {0}; /* nodes by free GPUs */
    uint32_t nodes = 0;
    uint32_t per_node = kind->gpus_per_node;

    for (uint32_t size = per_node; size >= 1; size--) {
        uint32_t left = load->by_gpus[size] + (size == 1 ? cut_gpus : 0);
        for (uint32_t room = size; room <= per_node && left > 0; room++) {
            uint32_t each = room / size;
            uint32_t use = num_min_u32(free_count[room], (left + each - 1) / each);
            uint32_t placed = num_min_u32(left, use * each);
            uint32_t last = placed - (use > 0 ? (use - 1) * each : 0);
            if (use == 0)
                continue;
            free_count[room] -= use;
            free_count[room - each * size] += use - 1;
            free_count[room - last * size] += 1;
            left -= placed;
        }
        if (left == 0)
            continue;
        uint32_t each = per_node / size;
        uint32_t fresh = (left + each - 1) / each;
        nodes += fresh;
        free_count[per_node - each * size] += fresh - 1;
        free_count[per_node - (left - (fresh - 1) * each) * size] += 1;
    }
    return nodes;
}

/* GPUs whose instances serve `want`, by repeating the multiset that serves the most of the rest. */
static uint32_t gpus_mig(const struct mig_model *model, const uint32_t *want)
{
    struct mig_layout empty;
    uint32_t left[MIG_PROFILES_MAX];
    uint32_t gpus = 0;

    mig_layout_init(&empty, model);
    for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
        left[i] = want[i];
    for (;;) {
        struct mig_fill fill = {.base = &empty};
        struct mig_layout filled;
        struct mig_counts served;
        uint32_t times = UINT32_MAX;
        for (unsigned i = 0; i < model->profile_count; i++)
            fill.demand.n[i] = (uint8_t)num_min_u32(left[i], MIG_INSTANCES_MAX);
        mig_place_fill(&fill, &filled, &served);
        for (unsigned i = 0; i < model->profile_count; i++) {
            if (served.n[i] > 0)
                times = num_min_u32(times, left[i] / served.n[i]);
        }
        if (times == UINT32_MAX)
            return gpus;
        assert(times > 0);
        gpus += times;
        for (unsigned i = 0; i < model->profile_count; i++)
            left[i] -= times * served.n[i];
    }
}

static uint32_t gpus_mig_known(
        const struct mig_model *model, const uint32_t *want, struct pool_cuts *cuts)
{
    const size_t size = sizeof(cuts->rows[0].want);
    uint64_t hash = 0;
    if (cuts == NULL)
        return gpus_mig(model, want);
    if (cuts->rows[cuts->last].known && memcmp(cuts->rows[cuts->last].want, want, size) == 0)
        return cuts->rows[cuts->last].gpus;
    for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
        hash = prng_mix(hash, want[i]);
    unsigned row = (unsigned)(hash % POOL_CUTS);
    cuts->last = row;
    if (!cuts->rows[row].known || memcmp(cuts->rows[row].want, want, size) != 0) {
        cuts->rows[row].known = true;
        memcpy(cuts->rows[row].want, want, size);
        cuts->rows[row].gpus = gpus_mig(model, want);
    }
    return cuts->rows[row].gpus;
}

/* At least `nodes`, and enough for the CPU and RAM of the pods. */
static uint32_t nodes_for_host(
        const struct place_kind *kind, const struct pool_load *load, uint64_t nodes)
{
    if (kind->cpu_milli > 0) {
        nodes = (uint64_t)num_max_i64(
                (int64_t)nodes, (int64_t)num_ceildiv_u64(load->cpu_milli, kind->cpu_milli));
    }
    if (kind->ram_mib > 0) {
        nodes = (uint64_t)num_max_i64(
                (int64_t)nodes, (int64_t)num_ceildiv_u64(load->ram_mib, kind->ram_mib));
    }
    return (uint32_t)num_min_i64((int64_t)nodes, UINT32_MAX / 2);
}

/* Slots for `pods` and what is kept free for arrivals. */
static uint64_t with_spare(const struct place_problem *p, uint64_t pods)
{
    return pods + pods * p->spare_slots_permille / 1000;
}

static uint16_t pool_replicas(const struct pool_kind *load, unsigned tier)
{
    uint32_t hard = 0;
    for (uint32_t r = PLACE_REPLICAS_MAX; r >= 1; r--) {
        if (load->by_replicas[tier][r] > 0)
            hard = r;
    }
    return (uint16_t)place_pool_replicas(hard, load->shared[tier].pods, load->size_ppm[tier]);
}

uint32_t place_pool_replicas(uint32_t hard, uint64_t pods, uint64_t size_ppm)
{
    if (hard == 0 || size_ppm == 0)
        return hard;
    uint64_t by_busy = pods * 1000000 / size_ppm;
    return (uint32_t)num_max_i64(2, num_min_i64(hard, (int64_t)by_busy));
}

static void need_shared(const struct place_problem *p, const struct place_kind *kind,
        const struct pool_kind *load, struct place_pools *pools, int64_t *smooth)
{
    for (unsigned t = 0; t < PLACE_TIERS; t++) {
        uint16_t r = pool_replicas(load, t);
        pools->replicas[t] = r;
        if (r == 0)
            continue;
        uint64_t slots = (uint64_t)r * kind->gpus_per_node;
        uint64_t want = with_spare(p, load->shared[t].pods);
        pools->nodes_shared[t] =
                nodes_for_host(kind, &load->shared[t], num_ceildiv_u64(want, slots));
        *smooth += num_muldiv_i64(kind->microusd_per_hour, (int64_t)want, (int64_t)slots);
    }
}

void place_pools_need(const struct place_problem *p, const struct place_kind *kind,
        const struct pool_kind *load, struct place_pools *ret_pools, int64_t *ret_microusd,
        int64_t *ret_smooth)
{
    struct place_pools pools = {0};
    int64_t smooth = 0;
    int64_t whole = 0;

    for (uint32_t size = 1; size <= kind->gpus_per_node; size++)
        whole += (int64_t)load->by_gpus[size] * size;
    smooth += num_muldiv_i64(kind->microusd_per_hour, whole, kind->gpus_per_node);
    need_shared(p, kind, load, &pools, &smooth);
    uint32_t cut = 0;
    if (load->mig.pods > 0) {
        cut = (uint32_t)with_spare(
                p, gpus_mig_known(mig_model_get(kind->mig), load->mig_count, load->cuts));
        pools.nodes_mig =
                nodes_for_host(kind, &load->mig, num_ceildiv_u64(cut, kind->gpus_per_node));
        smooth += num_muldiv_i64(kind->microusd_per_hour, cut, kind->gpus_per_node);
        for (unsigned i = 0; i < MIG_PROFILES_MAX; i++)
            pools.mig_count[i] = load->mig_count[i];
    }
    uint32_t both = nodes_for_host(kind, &load->exclusive, nodes_whole(kind, load, cut));
    pools.nodes_exclusive = both > pools.nodes_mig ? both - pools.nodes_mig : 0;

    uint64_t nodes = (uint64_t)pools.nodes_exclusive + pools.nodes_mig;
    for (unsigned t = 0; t < PLACE_TIERS; t++)
        nodes += pools.nodes_shared[t];
    int64_t cost = num_muldiv_i64(kind->microusd_per_hour, (int64_t)nodes, 1);
    if (nodes > kind->nodes_max) { /* not to be had: dear enough that any other way wins */
        cost += num_muldiv_i64(kind->microusd_per_hour, (int64_t)(nodes - kind->nodes_max), 1) *
                1000;
    }
    *ret_pools = pools;
    *ret_microusd = cost;
    *ret_smooth = smooth;
}
