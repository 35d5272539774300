/* sim/bounds.c - from lives to the items of place/bound.h, tick by tick.  Pure.
 *
 * Alive is what the owners wanted at the tick, whether or not it had a GPU.  The busy time of an
 * item is its mean over its life: any placement that does the work spends at least that.  `actual`
 * takes the memory that each replica came to use at most, and whole GPUs' memory; `policy` keeps
 * the policy's headroom and target utilization.  Both let one pod use an instance of its own. */
#include "sim/bounds.h"

#include "place/bound.h"
#include "sim/world-priv.h"

#include <assert.h>

/* TUNING: moments that stand for the run (a week: every 105 minutes), and the grid that demands are
 * rounded down to, so that replicas fall into classes of equals: 26 s of a default run
 * became 15 s, the bound 0.5 % (genai) to 3 % (default) weaker.  Rounding down keeps it valid. */
enum { TICKS = 96, MEMORY_GRID_MIB = 512, BUSY_GRID_PERMILLE = 20 };

struct bound_run {
    const struct sim_world *w;
    uint32_t type_count;
    uint32_t type_group[PLACE_BOUND_TYPES_MAX];
    uint16_t cluster;
    bool policy;
    struct place_bound_item *items;
};

/* Types of one cluster: one for each node group, as many as there may be. */
static uint32_t make_types(struct bound_run *r, struct place_bound_type *types)
{
    const struct sim_world *w = r->w;
    const struct policy *p = w->config->policy;
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->scenario->group_count && count < PLACE_BOUND_TYPES_MAX; i++) {
        const struct sim_group_spec *g = &w->scenario->groups[i];
        const struct model_gpu *gpu = model_gpu_get(g->gpu);
        if (g->cluster != r->cluster)
            continue;
        uint32_t memory = gpu->memory_usable_mib;
        if (r->policy)
            memory -= memory / 1000 * p->memory_headroom_permille;
        const struct mig_model *mig = gpu->mig_key != NULL ? mig_model_find(gpu->mig_key) : NULL;
        uint64_t gpus = (uint64_t)g->max * g->gpus_per_node;
        types[count] = (struct place_bound_type){
                .microusd_per_gpu_hour = num_max_i64(
                        sim_group_price(w, i, w->scenario->start_wall_ns) / g->gpus_per_node, 1),
                .memory_mib = memory,
                .busy_permille = r->policy ? p->target_utilization_permille : 1000,
                .count_max = gpus >= PLACE_BOUND_UNLIMITED ? PLACE_BOUND_UNLIMITED : (uint32_t)gpus,
                .mig = mig != NULL && mig->profile_count > 0 ? mig : NULL,
                .mig_shared = true};
        r->type_group[count++] = i;
    }
    r->type_count = count;
    return count;
}

static bool make_item(const struct bound_run *r, uint32_t life, struct place_bound_item *item)
{
    const struct sim_world *w = r->w;
    const struct sim_life *l = &w->lives[life];
    const struct sim_owner_spec *s = &w->scenario->owners[l->owner];
    uint32_t fastest = 1;
    uint32_t memory = num_max_u32(l->peak_mib, s->declared_memory_mib);
    *item = (struct place_bound_item){.id = life + 1,
            .memory_mib = memory - memory % MEMORY_GRID_MIB,
            .gpus = s->gpus_per_pod};
    for (uint32_t t = 0; t < r->type_count; t++) {
        const struct sim_group_spec *g = &w->scenario->groups[r->type_group[t]];
        bool model = s->gpu_models == 0 || (s->gpu_models >> g->gpu & 1) != 0;
        if (!model || g->gpus_per_node < s->gpus_per_pod)
            continue;
        item->types |= UINT32_C(1) << t;
        fastest = num_max_u32(fastest, model_gpu_get(g->gpu)->speed_permille);
    }
    uint32_t reference = s->demand.speed_permille > 0 ? s->demand.speed_permille : 1000;
    uint64_t mean = l->samples > 0 ? l->busy_sum / l->samples : 0;
    /* On the fastest GPU that it may use: less than on any other, so the bound holds. */
    item->busy_permille = (uint32_t)num_min_i64((int64_t)(mean * reference / fastest), 1000);
    item->busy_permille -= item->busy_permille % BUSY_GRID_PERMILLE;
    item->may_share = s->gpus_per_pod == 1 && s->isolation == MODEL_ISOLATION_NONE &&
                      (!r->policy || s->class_declared != MODEL_CLASS_LATENCY_SENSITIVE ||
                              w->config->policy->latency_treatment == MODEL_TECHNIQUE_TIME_SLICING);
    if (s->gpus_per_pod == 1 && s->isolation != MODEL_ISOLATION_EXCLUSIVE) {
        item->mig_compute_slices = 1;
        item->mig_memory_mib = item->memory_mib;
    }
    return item->types != 0;
}

static uint32_t alive_at(const struct bound_run *r, int64_t at_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->w->life_count && count < PLACE_BOUND_ITEMS_MAX; i++) {
        const struct sim_life *l = &r->w->lives[i];
        if (l->start_ns > at_ns || l->end_ns <= at_ns ||
                r->w->scenario->owners[l->owner].cluster != r->cluster)
            continue;
        count += make_item(r, i, &r->items[count]);
    }
    return count;
}

static void bound_cluster(struct bound_run *r, __int128 *gpus_micro, __int128 *cost)
{
    struct place_bound_type types[PLACE_BOUND_TYPES_MAX];
    const struct sim_world *w = r->w;
    if (make_types(r, types) == 0)
        return;
    struct place_bound *b = place_bound_new(types, r->type_count);
    int64_t from = w->config->measure_from_ns, step = (w->end_ns - from) / TICKS;
    for (int64_t i = 0; i < TICKS; i++) {
        struct place_bound_result res;
        uint32_t count = alive_at(r, from + step * i + step / 2);
        place_bound_solve(b, r->items, count, &res);
        *gpus_micro += (__int128)res.gpus * 1000000;
        *cost += res.cost_microusd_per_hour;
    }
    place_bound_free(b);
}

static void bound_one(const struct sim_world *w, bool policy, struct report_bound *ret_bound)
{
    __int128 gpus_micro = 0, cost = 0;
    struct bound_run r = {.w = w, .policy = policy};
    r.items = mem_alloc(num_min_u32(w->life_count, PLACE_BOUND_ITEMS_MAX) + 1, sizeof *r.items);
    for (uint16_t c = 0; c < w->scenario->cluster_count; c++) {
        r.cluster = c;
        bound_cluster(&r, &gpus_micro, &cost);
    }
    mem_free(r.items);
    *ret_bound = (struct report_bound){.known = true,
            .gpus_mean_milli = (int64_t)(gpus_micro / TICKS / 1000),
            .cost_microusd_per_day = (int64_t)(cost * 24 / TICKS)};
}

void sim_bounds(const struct sim_world *w, struct report_result *res)
{
    assert(w->regime == SIM_REGIME_ONE_GPU_A_POD);
    bound_one(w, true, &res->bound_policy);
    bound_one(w, false, &res->bound_actual);
}
