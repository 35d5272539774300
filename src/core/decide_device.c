/* core/decide_device.c - native caps: which GPU a pod gets, which GPU is relieved, which node goes.
 *
 * Pure.  Where usage is known a process and admission puts a pod on a GPU of our choice, no replica
 * counts are needed: each pod keeps a reserve of memory, and joins others only if together they
 * rarely ask for more than the GPU gives.  Moves are few: memory first, then conflicts, then one
 * node at a time that can be emptied. */
#include "core/decide-priv.h"
#include "place/online.h"
#include "place/pack.h"

#include <stdio.h>
#include <string.h>

/* TUNING (bench/genai, whole trace and subsets; docs/BENCHMARKS.md): see place/README.md. */
static const struct place_pack_rules pack_rules = {.join_ppm = 10000,
        .split_ppm = 60000,
        .capacity_permille = 1000,
        .split_memory_permille = 1120,
        .pods_max = 6};
static const int64_t empty_every_ns = 4 * 60 * NUM_NS_PER_SECOND;
enum {
    EMPTY_MOVES_MAX = 8,
    RESERVE_QUANTILE = 900,
    OWN_GROWTH = 400,
    HISTORY_LEAST = 60,
    SHAPE_STEP_MIB = 4096
};

/* The table of this run and where its rows come from. */
struct devices {
    struct decide_run *run;
    struct arena *a;
    uint16_t cluster; /* pods never leave theirs, so each is looked at by itself */
    struct place_pack pack;
    uint32_t *node_rows;  /* pack node -> picture node */
    uint32_t *first_gpu;  /* pack node -> its first pack GPU */
    uint32_t *pack_nodes; /* picture node -> pack node */
    uint32_t *pod_rows;   /* pack pod -> picture pod; CORE_NO_INDEX for a place kept for a move */
    uint32_t unsettled;   /* pods pending or terminating, moves under way */
};

static bool node_ours(const struct core_node_view *view)
{
    const struct core_node_fact *f = &view->fact;
    return view->live && f->caps.steer == CORE_STEER_DEVICE && f->caps.share == CORE_SHARE_GPU &&
           f->ready && !f->frozen && f->foreign.len == 0 && f->gpu_count > 0;
}

static void nodes_collect(struct devices *dv)
{
    const struct core_picture *pic = dv->run->pic;
    struct place_pack *pack = &dv->pack;

    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_view *view = &pic->nodes[i];
        dv->pack_nodes[i] = CORE_NO_INDEX;
        if (!node_ours(view) || view->fact.cluster != dv->cluster)
            continue;
        struct core_rollout_view rollout = core_picture_rollout(pic, i);
        uint32_t n = pack->node_count++;
        dv->pack_nodes[i] = n;
        dv->node_rows[n] = i;
        dv->first_gpu[n] = pack->gpu_count;
        pack->nodes[n] = (struct place_pack_node){.cpu_milli = view->fact.cpu_milli,
                .ram_mib = view->fact.memory_mib,
                .microusd_per_hour = view->fact.microusd_per_hour,
                .open = !view->fact.unschedulable && !rollout.active && !rollout.held};
        uint64_t usable = model_gpu_get(view->fact.gpu)->memory_usable_mib;
        for (uint32_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++) {
            pack->gpus[pack->gpu_count++] = (struct place_pack_gpu){.node = n,
                    .model = view->fact.gpu,
                    .limit_mib = decide_memory_limit(dv->run->policy, view->fact.gpu),
                    .alarm_mib =
                            (uint32_t)(usable * dv->run->policy->memory_alarm_permille / 1000)};
        }
    }
}

/* What to keep for a pod.  An estimate of growth never asks for more than half of a GPU: two pods
 * of unknown future may share; what a pod itself was seen to take always counts in full. */
static uint32_t reserve_mib(const struct decide_run *run, const struct core_owner_fact *o,
        const struct decide_pod *mine, uint32_t limit_mib)
{
    static const struct usage_memory nothing;
    const struct decide_owner *row = o != NULL ? decide_owner_find(run->d, o->uid) : NULL;
    struct usage_reserve_query query = {.track = mine != NULL ? &mine->track : NULL,
            .quantile_permille = run->policy->memory_risk_ppm == 0 ? 1000 : RESERVE_QUANTILE,
            .declared_mib = o != NULL ? o->declared_memory_mib : 0,
            .preallocates = o != NULL && o->preallocates,
            .own_growth_permille = OWN_GROWTH};
    struct usage_reserve r =
            usage_memory_reserve(row != NULL ? &row->digest.memory : &nothing, &query);
    uint32_t peak = mine != NULL ? mine->track.peak_mib : 0;
    if (run->policy->memory_risk_ppm == 0 || r.basis == USAGE_BASIS_NONE)
        return num_max_u32(peak, num_min_u32(r.mib, limit_mib));
    return num_max_u32(peak, num_min_u32(r.mib, limit_mib / 2));
}

/* May the pod share at all, and is enough known of it (or of its siblings)? */
static bool must_be_alone(const struct decide_run *run, const struct core_owner_fact *o)
{
    struct decide_judgement j = {0};
    const struct decide_owner *row = o != NULL ? decide_owner_find(run->d, o->uid) : NULL;
    if (o == NULL || row == NULL)
        return true;
    if (decide_judge_kind(run->d, run->policy, o) != CORE_REASON_NONE)
        return true;
    enum core_reason known = decide_judge_history(run->policy, run->now, row, &j);
    /* Aged readings freeze what is; they do not send pods apart. */
    return known == CORE_REASON_GUARD_HISTORY;
}

static const struct usage_dist *busy_dist(
        const struct devices *dv, const struct decide_owner *owner, const struct decide_pod *mine)
{
    struct usage_dist *dist = ARENA_NEW(dv->a, struct usage_dist);
    struct usage_histogram all;
    if (mine != NULL && mine->busy.total >= HISTORY_LEAST) {
        usage_dist_from(&mine->busy, USAGE_EDGE_MIDDLE, dist);
        return dist;
    }
    if (owner == NULL)
        return NULL;
    usage_digest_all(&owner->digest, USAGE_METRIC_BUSY, &all);
    usage_dist_from(&all, USAGE_EDGE_MIDDLE, dist);
    return dist;
}

static const uint16_t *recent_of(const struct devices *dv, const struct decide_pod *mine)
{
    uint32_t now_minute = (uint32_t)(dv->run->now->wall_ns / (60 * NUM_NS_PER_SECOND));
    if (mine == NULL)
        return NULL;
    uint16_t *recent = ARENA_ARRAY(dv->a, uint16_t, PLACE_PACK_WINDOW);
    for (uint32_t i = 0; i < PLACE_PACK_WINDOW; i++) {
        uint32_t minute = now_minute - i;
        bool known = mine->recent_minute[minute % DECIDE_WINDOW] == minute;
        recent[minute % PLACE_PACK_WINDOW] =
                known ? mine->recent[minute % DECIDE_WINDOW] : PLACE_PACK_UNKNOWN;
    }
    return recent;
}

static struct place_pack_pod *pod_add(struct devices *dv, uint32_t row, uint32_t gpu)
{
    const struct decide_run *run = dv->run;
    const struct core_pod_view *view = &run->pic->pods[row];
    const struct core_owner_fact *o =
            view->owner != CORE_NO_INDEX ? &run->pic->owners[view->owner].fact : NULL;
    const struct decide_pod *mine = decide_pod_find(run->d, view->fact.uid);
    const struct decide_owner *owner = o != NULL ? decide_owner_find(run->d, o->uid) : NULL;
    uint32_t limit = gpu != PLACE_PACK_NONE   ? dv->pack.gpus[gpu].limit_mib
                     : dv->pack.gpu_count > 0 ? dv->pack.gpus[0].limit_mib
                                              : 0;
    uint32_t index = dv->pack.pod_count++;
    struct place_pack_pod *pod = &dv->pack.pods[index];
    int64_t today = run->now->wall_ns / (24 * NUM_NS_PER_HOUR);
    uint32_t moves = mine != NULL && mine->move_day == today ? mine->moves : 0;

    dv->pod_rows[index] = row;
    *pod = (struct place_pack_pod){.id = view->fact.uid,
            .gpu = gpu,
            .reserve_mib = reserve_mib(run, o, mine, limit),
            .used_mib = mine != NULL ? mine->memory_mib : 0,
            .busy = busy_dist(dv, owner, mine),
            .recent = recent_of(dv, mine),
            .alone = view->fact.count != 1 || must_be_alone(run, o)};
    if (o != NULL) {
        pod->cpu_milli = o->cpu_milli;
        pod->ram_mib = o->memory_mib;
        pod->models = o->gpu_models;
    }
    pod->movable = view->fact.phase == CORE_POD_RUNNING && !view->evicting &&
                   view->fact.count == 1 && decide_pod_movable(run, row) &&
                   moves < run->policy->max_moves_per_pod_per_day;
    return pod;
}

/* Where a pod is, or is being put. */
static uint32_t gpu_of(const struct devices *dv, const struct core_pod_view *view)
{
    uint32_t node = view->node;
    uint32_t gpu = view->fact.device_count > 0 ? view->fact.devices[0].gpu : UINT32_MAX;
    if (node == CORE_NO_INDEX || gpu == UINT32_MAX) {
        const struct decide_pod *mine = decide_pod_find(dv->run->d, view->fact.uid);
        if (view->assigned_node != CORE_NO_INDEX) {
            node = view->assigned_node;
            gpu = view->assigned_gpu;
        } else if (node != CORE_NO_INDEX) {
            gpu = mine != NULL && mine->gpu != UINT8_MAX ? mine->gpu : 0;
        }
    }
    if (node == CORE_NO_INDEX || dv->pack_nodes[node] == CORE_NO_INDEX)
        return PLACE_PACK_NONE;
    uint32_t count = dv->run->pic->nodes[node].fact.gpu_count;
    return dv->first_gpu[dv->pack_nodes[node]] + (gpu < count ? gpu : 0);
}

/* A GPU of a pod that holds several whole ones: a stand-in that shares with nobody. */
static void keep_alone(struct devices *dv, uint32_t gpu)
{
    uint32_t index = dv->pack.pod_count++;
    dv->pod_rows[index] = CORE_NO_INDEX;
    dv->pack.pods[index] = (struct place_pack_pod){.gpu = gpu, .alone = true};
}

static void pods_collect(struct devices *dv)
{
    const struct core_picture *pic = dv->run->pic;

    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *view = &pic->pods[i];
        if (!view->live || view->fact.phase == CORE_POD_ENDED || view->fact.count == 0)
            continue;
        uint32_t gpu = gpu_of(dv, view);
        if (gpu == PLACE_PACK_NONE)
            continue;
        dv->unsettled += view->fact.phase != CORE_POD_RUNNING;
        (void)pod_add(dv, i, gpu);
        uint32_t node = dv->pack.gpus[gpu].node;
        dv->pack.nodes[node].cpu_milli -= num_min_u32(
                dv->pack.nodes[node].cpu_milli, dv->pack.pods[dv->pack.pod_count - 1].cpu_milli);
        dv->pack.nodes[node].ram_mib -= num_min_u32(
                dv->pack.nodes[node].ram_mib, dv->pack.pods[dv->pack.pod_count - 1].ram_mib);
        for (uint32_t k = 1; k < view->fact.device_count; k++)
            keep_alone(dv, dv->first_gpu[node] + view->fact.devices[k].gpu);
    }
    for (uint32_t i = 0; i < pic->move_count; i++) {
        const struct core_move_view *m = &pic->moves[i];
        uint32_t node = core_picture_node(pic, m->node);
        uint32_t owner = core_picture_owner(pic, m->owner);
        dv->unsettled++;
        if (node == CORE_NO_INDEX || owner == CORE_NO_INDEX || m->gpu == UINT8_MAX ||
                dv->pack_nodes[node] == CORE_NO_INDEX)
            continue;
        uint32_t gpu = dv->first_gpu[dv->pack_nodes[node]] + m->gpu;
        uint32_t index = dv->pack.pod_count++;
        dv->pod_rows[index] = CORE_NO_INDEX;
        dv->pack.pods[index] = (struct place_pack_pod){.gpu = gpu,
                .reserve_mib = reserve_mib(
                        dv->run, &pic->owners[owner].fact, NULL, dv->pack.gpus[gpu].limit_mib)};
    }
}

static void used_collect(struct devices *dv)
{
    for (uint32_t n = 0; n < dv->pack.node_count; n++) {
        const struct core_node_view *view = &dv->run->pic->nodes[dv->node_rows[n]];
        for (uint32_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++) {
            const struct core_gpu_view *gpu = &view->gpus[g];
            bool fresh = (gpu->sample.valid & CORE_VALID_MEMORY) != 0 &&
                         dv->run->now->wall_ns - gpu->observed_wall_ns <=
                                 dv->run->policy->stale_after_ns;
            if (fresh)
                dv->pack.gpus[dv->first_gpu[n] + g].used_mib = gpu->sample.memory_used_mib;
        }
    }
}

static void devices_init(struct devices *dv, struct decide_run *run, uint16_t cluster)
{
    const struct core_picture *pic = run->pic;
    uint32_t gpus = 0;
    uint32_t pods = pic->pod_count * CORE_POD_DEVICES_MAX + pic->move_count + 1;

    for (uint32_t i = 0; i < pic->node_count; i++)
        gpus += node_ours(&pic->nodes[i]) ? pic->nodes[i].fact.gpu_count : 0;
    *dv = (struct devices){.run = run, .a = run->d->scratch, .cluster = cluster};
    dv->pack.rules = pack_rules;
    dv->pack.nodes = ARENA_ARRAY(dv->a, struct place_pack_node, pic->node_count + 1);
    dv->pack.gpus = ARENA_ARRAY(dv->a, struct place_pack_gpu, gpus + 1);
    dv->pack.pods = ARENA_ARRAY(dv->a, struct place_pack_pod, pods);
    dv->node_rows = ARENA_ARRAY(dv->a, uint32_t, pic->node_count + 1);
    dv->first_gpu = ARENA_ARRAY(dv->a, uint32_t, pic->node_count + 1);
    dv->pack_nodes = ARENA_ARRAY(dv->a, uint32_t, pic->node_count + 1);
    dv->pod_rows = ARENA_ARRAY(dv->a, uint32_t, pods);
}

/* ---- admission ---- */

static uint8_t gpu_index(const struct devices *dv, uint32_t gpu)
{
    return (uint8_t)(gpu - dv->first_gpu[dv->pack.gpus[gpu].node]);
}

static uint64_t node_uid(const struct devices *dv, uint32_t gpu)
{
    return dv->run->pic->nodes[dv->node_rows[dv->pack.gpus[gpu].node]].fact.uid;
}

static struct place_request request_of(const struct place_pack_pod *pod, uint32_t count)
{
    struct place_request r = {.cpu_milli = pod->cpu_milli,
            .memory_mib = pod->ram_mib,
            .cards = (uint8_t)num_min_u32(count, PLACE_CARDS_MAX),
            .whole = pod->alone,
            .models = pod->models};
    if (!r.whole)
        r.share = num_max_u32(1, pod->reserve_mib);
    return r;
}

struct veto {
    const struct devices *dv;
    uint32_t pod;
};

static bool veto_spot(void *context, const struct place_spot *spot)
{
    const struct veto *v = context;
    uint32_t conflict;
    uint32_t gpu = v->dv->first_gpu[spot->node] + (uint32_t)__builtin_ctz(spot->cards | 1u << 31);
    if (v->dv->pack.pods[v->pod].alone)
        return false;
    return place_pack_fits(&v->dv->pack, v->pod, gpu, &conflict) != PLACE_PACK_OK;
}

/* The board that admission places on: a card's share is its memory limit; what stands is booked.  A
 * card whose reserves outgrew it takes nothing new. */
static struct place_board *board_build(struct devices *dv)
{
    struct place_board_options options = {.policy = PLACE_POLICY_BEST};
    struct place_request *asks = ARENA_ARRAY(dv->a, struct place_request, dv->pack.pod_count + 1);
    uint32_t ask_count = 0;

    for (uint32_t i = 0; i < dv->pack.pod_count; i++) {
        if (dv->pack.pods[i].alone)
            continue;
        struct place_request ask = request_of(&dv->pack.pods[i], 1);
        ask.share = (ask.share / SHAPE_STEP_MIB + 1) * SHAPE_STEP_MIB; /* alike is common */
        asks[ask_count++] = ask;
    }
    const struct place_shape_rule rule = {.cover_permille = 950};
    place_shapes_common(dv->a, asks, ask_count, &rule, &options.shapes);
    struct place_board *board = place_board_new(&options);
    for (uint32_t n = 0; n < dv->pack.node_count; n++) {
        const struct core_node_fact *f = &dv->run->pic->nodes[dv->node_rows[n]].fact;
        struct place_node node = {.cpu_milli = f->cpu_milli,
                .memory_mib = f->memory_mib,
                .card_share = dv->pack.gpus[dv->first_gpu[n]].limit_mib,
                .card_count = (uint8_t)num_min_u32(f->gpu_count, PLACE_CARDS_MAX),
                .model = (uint8_t)f->gpu};
        bool used = false;
        for (uint32_t g = 0; g < node.card_count; g++)
            used |= dv->pack.loads[dv->first_gpu[n] + g].count > 0;
        node.cards_unusable = dv->pack.nodes[n].open ? 0 : UINT16_MAX;
        node.avoid = used ? 0 : 1;
        (void)place_board_node_add(board, &node);
    }
    for (uint32_t i = 0; i < dv->pack.pod_count; i++) {
        const struct place_pack_pod *pod = &dv->pack.pods[i];
        if (pod->gpu == PLACE_PACK_NONE)
            continue;
        struct place_request request = request_of(pod, 1);
        struct place_spot spot = {.node = dv->pack.gpus[pod->gpu].node,
                .cards = (uint16_t)(1u << gpu_index(dv, pod->gpu))};
        if (place_board_take(board, &request, &spot) == 0)
            continue;
        const struct place_node *node = place_board_node(board, spot.node);
        place_board_node_set(board, spot.node, node->cards_unusable | spot.cards, node->avoid);
    }
    return board;
}

static void assign(struct devices *dv, uint32_t pod, uint32_t gpu, uint32_t conflict_ppm)
{
    const struct core_pod_view *view = &dv->run->pic->pods[dv->pod_rows[pod]];
    const struct place_pack_load *load = &dv->pack.loads[gpu];
    struct core_intent *i = decide_intent_new(
            dv->run->d, CORE_INTENT_ASSIGN, CORE_CHANGE_POD_ASSIGN, CORE_REASON_PENDING_PODS);
    i->cluster = view->fact.cluster;
    i->pod = view->fact.uid;
    i->owner = view->fact.owner;
    i->node = node_uid(dv, gpu);
    i->gpu = gpu_index(dv, gpu);
    i->saving_microusd_per_hour =
            load->count > 0 ? dv->pack.nodes[dv->pack.gpus[gpu].node].microusd_per_hour : 0;
    decide_why(i,
            "joins %u pods: reserves %llu + %u of %u MiB, conflict %u ppm (allowed %u); alone it "
            "costs a GPU",
            load->count, (unsigned long long)load->reserve_mib, dv->pack.pods[pod].reserve_mib,
            dv->pack.gpus[gpu].limit_mib, conflict_ppm, dv->pack.rules.join_ppm);
    decide_evidence(i, "pods_on_gpu", load->count);
    decide_evidence(i, "reserve_there_mib", (int64_t)load->reserve_mib);
    decide_evidence(i, "reserve_mib", dv->pack.pods[pod].reserve_mib);
    decide_evidence(i, "memory_limit_mib", dv->pack.gpus[gpu].limit_mib);
    decide_evidence(i, "conflict_ppm", conflict_ppm);
    decide_evidence(i, "conflict_allowed_ppm", dv->pack.rules.join_ppm);
}

/* True when a move of this owner is under way: its next pod is promised a place already. */
static bool promised(const struct devices *dv, const struct core_pod_view *view)
{
    for (uint32_t i = 0; i < dv->run->pic->move_count; i++) {
        if (dv->run->pic->moves[i].owner == view->fact.owner)
            return true;
    }
    return false;
}

/* Of a GPU of the model, at the cheapest node of the cluster; 0 when there is none. */
static int64_t model_price(const struct devices *dv, uint16_t model)
{
    int64_t best = 0;
    for (uint32_t n = 0; n < dv->pack.node_count; n++) {
        const struct core_node_fact *f = &dv->run->pic->nodes[dv->node_rows[n]].fact;
        int64_t price = f->microusd_per_hour / f->gpu_count;
        if (f->gpu == model && (best == 0 || price < best))
            best = price;
    }
    return best;
}

/* The fastest model of the cluster that the owner may use; UINT16_MAX when there is none. */
static uint16_t fastest_model(const struct devices *dv, const struct core_owner_fact *o)
{
    uint16_t best = UINT16_MAX;
    for (uint32_t g = 0; g < dv->pack.gpu_count; g++) {
        uint16_t model = dv->pack.gpus[g].model;
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> model & 1) != 0;
        if (allowed && (best == UINT16_MAX || model_gpu_get(model)->speed_permille >
                                                      model_gpu_get(best)->speed_permille))
            best = model;
    }
    return best;
}

/* The cheapest model, by the work and not by the hour, that was not tried and does for the owner;
 * UINT16_MAX when there is none. */
static uint16_t cheapest_model(
        const struct devices *dv, const struct core_owner_fact *o, uint16_t fastest, uint64_t tried)
{
    const struct decide_run *run = dv->run;
    uint16_t best = UINT16_MAX;
    int64_t best_cost = INT64_MAX;
    for (uint32_t m = 0; m < model_gpu_count(); m++) {
        struct decide_models models = {fastest, (uint16_t)m};
        bool allowed = o->gpu_models == 0 || (o->gpu_models >> m & 1) != 0;
        int64_t price = allowed && (tried >> m & 1) == 0 ? model_price(dv, models.to) : 0;
        if (price == 0)
            continue;
        struct decide_judgement j = decide_judge_match(run->d, run->policy, run->now, o, &models);
        if (j.reason != CORE_REASON_NONE)
            continue;
        int64_t cost = decide_match_cost(run->d, o, price, j.slow_permille);
        if (cost < best_cost) {
            best_cost = cost;
            best = models.to;
        }
    }
    return best;
}

/* A pod that stays alone goes to the model on which its work costs least, where there is room on
 * one that does; else, and while little is known of it, where the board thinks best. */
static int put_pod(const struct devices *dv, struct place_board *board, struct place_ask *ask,
        const struct core_owner_fact *o, struct place_choice *ret_choice)
{
    uint64_t tried = 0;
    uint64_t models = ask->request.models;
    uint16_t fastest = ask->request.whole ? fastest_model(dv, o) : UINT16_MAX;

    while (fastest != UINT16_MAX) {
        uint16_t model = cheapest_model(dv, o, fastest, tried);
        if (model == UINT16_MAX)
            break;
        ask->request.models = UINT64_C(1) << model;
        if (place_board_put(board, ask, ret_choice) >= 0)
            return 0;
        tried |= UINT64_C(1) << model;
    }
    ask->request.models = models;
    return place_board_put(board, ask, ret_choice);
}

static void admit(struct devices *dv)
{
    const struct core_picture *pic = dv->run->pic;
    struct place_board *board = NULL;

    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *view = &pic->pods[i];
        if (!view->live || view->fact.cluster != dv->cluster)
            continue;
        if (view->fact.phase != CORE_POD_PENDING || view->node != CORE_NO_INDEX ||
                view->assigned_node != CORE_NO_INDEX || view->fact.count != 1)
            continue; /* several whole GPUs: the scheduler's own */
        if (view->owner == CORE_NO_INDEX || !core_owner_pointable(&pic->owners[view->owner].fact))
            continue;
        dv->unsettled++;
        if (promised(dv, view))
            continue;
        if (board == NULL)
            board = board_build(dv);
        struct place_pack_pod *pod = pod_add(dv, i, PLACE_PACK_NONE);
        uint32_t index = dv->pack.pod_count - 1;
        struct veto veto = {dv, index};
        struct place_ask ask = {
                .request = request_of(pod, view->fact.count), .veto = veto_spot, .context = &veto};
        struct place_choice choice;
        if (put_pod(dv, board, &ask, &pic->owners[view->owner].fact, &choice) < 0)
            continue; /* the autoscaler sees it as unschedulable */
        uint32_t gpu = dv->first_gpu[choice.spot.node] +
                       (uint32_t)__builtin_ctz(choice.spot.cards | 1u << 31);
        assign(dv, index, gpu, pod->alone ? 0 : place_pack_conflict_ppm(&dv->pack, gpu, index));
        if (dv->pack.loads[gpu].count < PLACE_PACK_GPU_PODS)
            place_pack_put(&dv->pack, index, gpu);
    }
    place_board_free(board);
}

/* ---- moves ---- */

static void move_pod(struct devices *dv, const struct place_pack_move *move,
        enum core_reason reason, bool urgent, int64_t saving)
{
    uint32_t row = dv->pod_rows[move->pod];
    const struct core_pod_view *view = &dv->run->pic->pods[row];
    const struct place_pack_load *from = &dv->pack.loads[move->from];
    struct core_intent *i =
            decide_intent_new(dv->run->d, CORE_INTENT_MOVE, CORE_CHANGE_POD_MOVE, reason);
    i->cluster = view->fact.cluster;
    i->pod = view->fact.uid;
    i->owner = view->fact.owner;
    i->urgent = urgent;
    i->saving_microusd_per_hour = saving;
    i->gpu = UINT8_MAX;
    if (move->to != PLACE_PACK_NONE) {
        i->node = node_uid(dv, move->to);
        i->gpu = gpu_index(dv, move->to);
    }
    decide_why(i,
            "reserve %u MiB; there %llu of %u MiB after, conflict %u ppm; here %u pods reserve "
            "%llu, "
            "%u in use; saves %lld micro-USD/h",
            dv->pack.pods[move->pod].reserve_mib, (unsigned long long)move->reserve_mib,
            move->to != PLACE_PACK_NONE ? dv->pack.gpus[move->to].limit_mib : 0, move->conflict_ppm,
            from->count, (unsigned long long)from->reserve_mib, dv->pack.gpus[move->from].used_mib,
            (long long)saving);
    decide_evidence(i, "reserve_mib", dv->pack.pods[move->pod].reserve_mib);
    decide_evidence(i, "reserve_there_after_mib", (int64_t)move->reserve_mib);
    decide_evidence(i, "conflict_there_ppm", move->conflict_ppm);
    decide_evidence(i, "reserve_here_mib", (int64_t)from->reserve_mib);
    decide_evidence(i, "used_here_mib", dv->pack.gpus[move->from].used_mib);
    decide_evidence(i, "alarm_here_mib", dv->pack.gpus[move->from].alarm_mib);
}

static void empty_node(struct devices *dv)
{
    struct core_decider *d = dv->run->d;
    struct place_pack_move moves[EMPTY_MOVES_MAX];
    uint32_t node;

    if (!dv->run->policy->scale_down || dv->unsettled > 0)
        return;
    if (d->pack_mono_ns != INT64_MIN && dv->run->now->mono_ns - d->pack_mono_ns < empty_every_ns)
        return;
    uint32_t count = place_pack_empty(&dv->pack, dv->a, EMPTY_MOVES_MAX, moves, &node);
    if (count == 0)
        return;
    d->pack_mono_ns = dv->run->now->mono_ns;
    int64_t saving = dv->pack.nodes[node].microusd_per_hour / count;
    for (uint32_t i = 0; i < count; i++)
        move_pod(dv, &moves[i], CORE_REASON_SCALE_DOWN, false, saving);
}

static void cluster_devices(struct decide_run *run, uint16_t cluster)
{
    struct devices dv;
    struct place_pack_move move;

    devices_init(&dv, run, cluster);
    nodes_collect(&dv);
    if (dv.pack.node_count == 0)
        return;
    pods_collect(&dv);
    used_collect(&dv);
    place_pack_prepare(&dv.pack, dv.a);
    admit(&dv);
    int trouble = place_pack_relieve(&dv.pack, &move);
    if (trouble == 2) {
        move_pod(&dv, &move, CORE_REASON_MEMORY_ALARM, true, 0);
    } else if (trouble == 1 && dv.unsettled == 0) {
        move_pod(&dv, &move, CORE_REASON_BUSY_ALARM, true, 0);
    } else if (trouble == 0) {
        empty_node(&dv);
    }
}

void decide_devices(struct decide_run *run)
{
    for (unsigned c = 0; c < CORE_CLUSTERS_MAX; c++) {
        if (run->pic->cluster_known[c])
            cluster_devices(run, (uint16_t)c);
    }
}
