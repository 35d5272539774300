/* place/pack.c - sharing GPUs among pods whose usage is known one by one.  Pure.
 *
 * The search is small on purpose: one GPU or one node at a time, best fit, nothing moved that need
 * not be.  What was tried and what it gave on the genai trace: place/README.md, "Native packing".
 */
#include "place/pack.h"

#include "base/num.h"
#include "model/gpu.h"

#include <assert.h>
#include <string.h>

/* ---- the table ---- */

static void load_add(struct place_pack_load *load, const struct place_pack_pod *pod, uint32_t index)
{
    bool first = load->count == 0;
    assert(load->count < PLACE_PACK_GPU_PODS);
    load->pods[load->count++] = index;
    load->reserve_mib += pod->reserve_mib;
    load->used_mib += pod->used_mib;
    load->alone |= pod->alone;
    if (pod->busy == NULL) {
        load->dist_known = false;
    } else if (first) {
        load->busy = *pod->busy;
        load->dist_known = true;
    } else if (load->dist_known) {
        usage_dist_add(&load->busy, pod->busy, &load->busy);
    }
    for (unsigned i = 0; i < PLACE_PACK_WINDOW; i++) {
        uint16_t was = first ? 0 : load->recent[i];
        bool known = was != PLACE_PACK_UNKNOWN && pod->recent != NULL &&
                     pod->recent[i] != PLACE_PACK_UNKNOWN;
        load->recent[i] = known ? (uint16_t)num_min_u32(
                                          (uint32_t)was + pod->recent[i], PLACE_PACK_UNKNOWN - 1)
                                : PLACE_PACK_UNKNOWN;
    }
}

static void load_build(const struct place_pack *p, uint32_t gpu, struct place_pack_load *load)
{
    const struct place_pack_load *was = &p->loads[gpu];
    struct place_pack_load built = {0};
    for (uint32_t i = 0; i < was->count; i++)
        load_add(&built, &p->pods[was->pods[i]], was->pods[i]);
    *load = built;
}

void place_pack_prepare(struct place_pack *p, struct arena *a)
{
    p->loads = ARENA_ARRAY(a, struct place_pack_load, p->gpu_count + 1);
    for (uint32_t i = 0; i < p->pod_count; i++) {
        uint32_t gpu = p->pods[i].gpu;
        if (gpu == PLACE_PACK_NONE || p->loads[gpu].count == PLACE_PACK_GPU_PODS)
            continue;
        load_add(&p->loads[gpu], &p->pods[i], i);
    }
}

void place_pack_put(struct place_pack *p, uint32_t pod, uint32_t gpu)
{
    uint32_t from = p->pods[pod].gpu;
    if (from != PLACE_PACK_NONE) {
        struct place_pack_load *load = &p->loads[from];
        uint32_t kept = 0;
        for (uint32_t i = 0; i < load->count; i++) {
            if (load->pods[i] != pod)
                load->pods[kept++] = load->pods[i];
        }
        load->count = kept;
        load_build(p, from, load);
        p->nodes[p->gpus[from].node].cpu_milli += p->pods[pod].cpu_milli;
        p->nodes[p->gpus[from].node].ram_mib += p->pods[pod].ram_mib;
    }
    p->pods[pod].gpu = gpu;
    if (gpu == PLACE_PACK_NONE)
        return;
    struct place_pack_node *node = &p->nodes[p->gpus[gpu].node];
    node->cpu_milli -= num_min_u32(node->cpu_milli, p->pods[pod].cpu_milli);
    node->ram_mib -= num_min_u32(node->ram_mib, p->pods[pod].ram_mib);
    load_add(&p->loads[gpu], &p->pods[pod], pod);
}

/* ---- conflicts ---- */

/* In the recent minutes that are known of all: ppm of them in which the sum passes the GPU. */
static uint32_t conflict_recent(const uint16_t *sum, const uint16_t *add, uint32_t capacity)
{
    uint32_t known = 0;
    uint32_t above = 0;
    for (unsigned i = 0; i < PLACE_PACK_WINDOW; i++) {
        if (sum[i] == PLACE_PACK_UNKNOWN || (add != NULL && add[i] == PLACE_PACK_UNKNOWN))
            continue;
        known++;
        above += (uint32_t)sum[i] + (add != NULL ? add[i] : 0) > capacity;
    }
    /* Few slots say little: one of them is no percentage. */
    return known < PLACE_PACK_WINDOW / 4 ? 0 : above * 1000000 / PLACE_PACK_WINDOW;
}

static uint32_t above_ppm(const struct usage_dist *dist, uint32_t capacity)
{
    uint64_t mass = 0;
    for (uint32_t i = capacity / USAGE_CELL_PERMILLE + 1; i <= dist->top; i++)
        mass += dist->p[i];
    return (uint32_t)(mass * 1000000 / USAGE_ONE);
}

uint32_t place_pack_conflict_ppm(const struct place_pack *p, uint32_t gpu, uint32_t pod)
{
    const struct place_pack_load *load = &p->loads[gpu];
    const struct place_pack_pod *joins = pod != PLACE_PACK_NONE ? &p->pods[pod] : NULL;
    uint32_t speed = model_gpu_get(p->gpus[gpu].model)->speed_permille;
    uint32_t capacity = p->rules.capacity_permille * speed / 1000;
    uint32_t history = 1000000;

    if (load->count + (joins != NULL) < 2)
        return 0;
    if (load->dist_known && joins == NULL) {
        history = above_ppm(&load->busy, capacity);
    } else if (load->dist_known && joins->busy != NULL) {
        struct usage_dist sum;
        usage_dist_add(&load->busy, joins->busy, &sum);
        history = above_ppm(&sum, capacity);
    }
    const uint16_t *add = joins != NULL ? joins->recent : NULL;
    if (joins != NULL && add == NULL)
        return history;
    return num_max_u32(history, conflict_recent(load->recent, add, capacity));
}

enum place_pack_no place_pack_fits(
        const struct place_pack *p, uint32_t pod, uint32_t gpu, uint32_t *ret_conflict_ppm)
{
    const struct place_pack_pod *joins = &p->pods[pod];
    const struct place_pack_load *load = &p->loads[gpu];
    const struct place_pack_node *node = &p->nodes[p->gpus[gpu].node];

    if (!node->open)
        return PLACE_PACK_CLOSED;
    if (joins->models != 0 && !(joins->models >> p->gpus[gpu].model & 1))
        return PLACE_PACK_MODEL;
    if (load->count > 0 && (load->alone || joins->alone))
        return PLACE_PACK_ALONE;
    if (load->count >= p->rules.pods_max)
        return PLACE_PACK_COUNT;
    if (node->cpu_milli < joins->cpu_milli || node->ram_mib < joins->ram_mib)
        return PLACE_PACK_HOST;
    if (load->count > 0 && load->reserve_mib + joins->reserve_mib > p->gpus[gpu].limit_mib)
        return PLACE_PACK_MEMORY;
    uint32_t conflict = place_pack_conflict_ppm(p, gpu, pod);
    *ret_conflict_ppm = conflict;
    return conflict > p->rules.join_ppm ? PLACE_PACK_BUSY : PLACE_PACK_OK;
}

uint32_t place_pack_best(const struct place_pack *p, uint32_t pod, uint32_t avoid_node)
{
    uint32_t best = PLACE_PACK_NONE;
    uint64_t best_left = UINT64_MAX;
    for (uint32_t g = 0; g < p->gpu_count; g++) {
        uint32_t conflict;
        uint64_t used = p->loads[g].reserve_mib + p->pods[pod].reserve_mib;
        if (p->gpus[g].node == avoid_node || p->loads[g].count == 0 || p->pods[pod].gpu == g)
            continue;
        if (used > p->gpus[g].limit_mib || p->gpus[g].limit_mib - used >= best_left)
            continue;
        if (place_pack_fits(p, pod, g, &conflict) != PLACE_PACK_OK)
            continue;
        best = g;
        best_left = p->gpus[g].limit_mib - used;
    }
    return best;
}

/* ---- relief ---- */

static uint32_t empty_gpu(const struct place_pack *p, uint32_t pod)
{
    for (uint32_t g = 0; g < p->gpu_count; g++) {
        uint32_t conflict;
        if (p->loads[g].count == 0 && place_pack_fits(p, pod, g, &conflict) == PLACE_PACK_OK)
            return g;
    }
    return PLACE_PACK_NONE;
}

/* What is left of a trouble when one pod goes. */
static bool cured_without(const struct place_pack *p, uint32_t gpu, uint32_t pod, int trouble)
{
    const struct place_pack_load *load = &p->loads[gpu];
    struct place_pack_load rest = {0};

    for (uint32_t i = 0; i < load->count; i++) {
        if (load->pods[i] != pod)
            load_add(&rest, &p->pods[load->pods[i]], load->pods[i]);
    }
    if (trouble == 2) {
        return p->gpus[gpu].used_mib - num_min_u32(p->gpus[gpu].used_mib, p->pods[pod].used_mib) <=
               p->gpus[gpu].alarm_mib;
    }
    if (rest.reserve_mib > p->gpus[gpu].limit_mib && rest.count > 1)
        return false;
    uint32_t speed = model_gpu_get(p->gpus[gpu].model)->speed_permille;
    uint32_t capacity = p->rules.capacity_permille * speed / 1000;
    if (rest.count < 2)
        return true;
    return rest.dist_known && above_ppm(&rest.busy, capacity) <= p->rules.split_ppm &&
           conflict_recent(rest.recent, NULL, capacity) <= p->rules.split_ppm;
}

/* The pod to take away: one that cures, preferring one that fits elsewhere, then the smallest. */
static bool relief_move(
        const struct place_pack *p, uint32_t gpu, int trouble, struct place_pack_move *ret)
{
    const struct place_pack_load *load = &p->loads[gpu];
    bool found = false;
    uint64_t best = UINT64_MAX;

    for (uint32_t i = 0; i < load->count; i++) {
        uint32_t pod = load->pods[i];
        if (!p->pods[pod].movable)
            continue;
        uint32_t to = place_pack_best(p, pod, p->gpus[gpu].node);
        uint64_t rank = p->pods[pod].reserve_mib;
        if (!cured_without(p, gpu, pod, trouble))
            rank += UINT64_C(1) << 40;
        if (to == PLACE_PACK_NONE)
            rank += UINT64_C(1) << 36;
        if (rank >= best)
            continue;
        best = rank;
        found = true;
        *ret = (struct place_pack_move){.pod = pod, .from = gpu, .to = to};
    }
    if (!found)
        return false;
    if (ret->to == PLACE_PACK_NONE)
        ret->to = empty_gpu(p, ret->pod);
    if (ret->to != PLACE_PACK_NONE) {
        ret->conflict_ppm = place_pack_conflict_ppm(p, ret->to, ret->pod);
        ret->reserve_mib = p->loads[ret->to].reserve_mib + p->pods[ret->pod].reserve_mib;
    }
    return true;
}

int place_pack_relieve(const struct place_pack *p, struct place_pack_move *ret_move)
{
    uint32_t worst = PLACE_PACK_NONE;
    int trouble = 0;
    uint64_t worst_excess = 0;

    for (uint32_t g = 0; g < p->gpu_count; g++) {
        const struct place_pack_load *load = &p->loads[g];
        uint64_t borne = (uint64_t)p->gpus[g].limit_mib * p->rules.split_memory_permille / 1000;
        if (load->count < 2)
            continue;
        int kind = 0;
        uint64_t excess = 0;
        if (p->gpus[g].used_mib > p->gpus[g].alarm_mib) {
            kind = 2;
            excess = p->gpus[g].used_mib - p->gpus[g].alarm_mib;
        } else if (load->reserve_mib > borne) {
            kind = 1;
            excess = load->reserve_mib - borne;
        } else {
            uint32_t conflict = place_pack_conflict_ppm(p, g, PLACE_PACK_NONE);
            if (conflict > p->rules.split_ppm && conflict < 1000000) {
                kind = 1;
                excess = (conflict - p->rules.split_ppm) / 100;
            }
        }
        if (kind > trouble || (kind == trouble && kind > 0 && excess > worst_excess)) {
            trouble = kind;
            worst = g;
            worst_excess = excess;
        }
    }
    if (trouble == 0 || !relief_move(p, worst, trouble, ret_move))
        return 0;
    return trouble;
}

/* ---- emptying nodes ---- */

/* Moves for all pods of a node onto GPUs in use, largest reserve first; 0 when they do not fit. */
static uint32_t empty_plan(
        struct place_pack *trial, uint32_t node, uint32_t moves_max, struct place_pack_move *moves)
{
    uint32_t pods[PLACE_PACK_NODE_GPUS * PLACE_PACK_GPU_PODS];
    uint32_t count = 0;

    for (uint32_t g = 0; g < trial->gpu_count; g++) {
        if (trial->gpus[g].node != node)
            continue;
        for (uint32_t i = 0; i < trial->loads[g].count; i++) {
            uint32_t pod = trial->loads[g].pods[i];
            if (!trial->pods[pod].movable || count == moves_max)
                return 0;
            uint32_t at = count++;
            while (at > 0 && trial->pods[pods[at - 1]].reserve_mib < trial->pods[pod].reserve_mib) {
                pods[at] = pods[at - 1];
                at--;
            }
            pods[at] = pod;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = place_pack_best(trial, pods[i], node);
        if (to == PLACE_PACK_NONE)
            return 0;
        moves[i] = (struct place_pack_move){.pod = pods[i],
                .from = trial->pods[pods[i]].gpu,
                .to = to,
                .conflict_ppm = place_pack_conflict_ppm(trial, to, pods[i])};
        place_pack_put(trial, pods[i], to);
        moves[i].reserve_mib = trial->loads[to].reserve_mib;
    }
    return count;
}

struct victim {
    uint32_t node, pods;
    uint64_t reserve_mib;
};

static bool victim_before(
        const struct place_pack *p, const struct victim *a, const struct victim *b)
{
    if (a->pods != b->pods)
        return a->pods < b->pods;
    int64_t price_a = p->nodes[a->node].microusd_per_hour;
    int64_t price_b = p->nodes[b->node].microusd_per_hour;
    if (price_a != price_b)
        return price_a > price_b;
    if (a->reserve_mib != b->reserve_mib)
        return a->reserve_mib < b->reserve_mib;
    return a->node < b->node;
}

static uint32_t victims_sorted(const struct place_pack *p, struct victim *victims)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < p->node_count; n++) {
        struct victim v = {.node = n};
        bool fixed = !p->nodes[n].open || p->nodes[n].stays;
        for (uint32_t g = 0; g < p->gpu_count; g++) {
            if (p->gpus[g].node != n)
                continue;
            v.pods += p->loads[g].count;
            v.reserve_mib += p->loads[g].reserve_mib;
        }
        if (fixed || v.pods == 0 || v.pods > PLACE_PACK_NODE_GPUS)
            continue;
        uint32_t at = count++;
        while (at > 0 && victim_before(p, &v, &victims[at - 1])) {
            victims[at] = victims[at - 1];
            at--;
        }
        victims[at] = v;
    }
    return count;
}

static void table_copy(const struct place_pack *p, struct place_pack *trial)
{
    memcpy(trial->nodes, p->nodes, p->node_count * sizeof(*p->nodes));
    memcpy(trial->pods, p->pods, p->pod_count * sizeof(*p->pods));
    memcpy(trial->loads, p->loads, p->gpu_count * sizeof(*p->loads));
}

uint32_t place_pack_empty(const struct place_pack *p, struct arena *a, uint32_t moves_max,
        struct place_pack_move *ret_moves, uint32_t *ret_node)
{
    struct victim *victims = ARENA_ARRAY(a, struct victim, p->node_count + 1);
    struct place_pack trial = *p;
    uint32_t count = victims_sorted(p, victims);

    trial.nodes = ARENA_ARRAY(a, struct place_pack_node, p->node_count + 1);
    trial.pods = ARENA_ARRAY(a, struct place_pack_pod, p->pod_count + 1);
    trial.loads = ARENA_ARRAY(a, struct place_pack_load, p->gpu_count + 1);
    for (uint32_t i = 0; i < count; i++) {
        table_copy(p, &trial);
        uint32_t moves = empty_plan(&trial, victims[i].node, moves_max, ret_moves);
        if (moves > 0) {
            *ret_node = victims[i].node;
            return moves;
        }
    }
    return 0;
}
