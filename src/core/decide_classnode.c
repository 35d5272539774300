/* core/decide_classnode.c - class caps: nodes closed while memory is tight, and nodes emptied.
 *
 * Pure.  The scheduler keeps each class's memory and count on every GPU; what it cannot see is a
 * pod that outgrows its share, so memory in use is watched as on any shared node (decide_hold.c).
 * It also spreads pods over nodes and never moves them: a node whose pods all have room on others
 * is emptied, so that it can go.  GPUs need no change for it: one whose last claim ended is whole
 * again. */
#include "core/decide-priv.h"

#include <stdio.h>
#include <string.h>

/* TUNING: genai trace, dra caps: patience of pools 59.6 GPUs, none 53.4 and 29 evictions. */
enum { CLASS_PATIENCE = 4 };

/* The scheduler's own retries come first. */
static const int64_t patience_ns = 20 * NUM_NS_PER_SECOND;

/* Room of a node: what claims take of its GPUs, CPU and RAM. */
struct room {
    struct core_share_load gpus[CORE_GPUS_MAX];
    uint32_t gpu_count, cpu_free, ram_free;
    bool known; /* every pod's device is */
};

static void room_take_devices(struct room *room, const struct core_pod_fact *pod)
{
    struct core_share share;
    bool shared = core_share_parse(pod->pool, &share);
    if (pod->device_count == 0)
        room->known = false;
    for (uint32_t d = 0; d < pod->device_count; d++) {
        if (pod->devices[d].gpu >= room->gpu_count)
            continue;
        struct core_share_load *load = &room->gpus[pod->devices[d].gpu];
        if (shared) {
            core_share_take(load, &share);
        } else {
            load->whole = true;
        }
    }
}

static void room_count(const struct core_picture *pic, uint32_t node, struct room *ret)
{
    const struct core_node_view *view = &pic->nodes[node];
    *ret = (struct room){.gpu_count = num_min_u32(view->fact.gpu_count, CORE_GPUS_MAX),
            .cpu_free = view->fact.cpu_milli,
            .ram_free = view->fact.memory_mib,
            .known = view->pods_beyond == 0};
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[view->pods[i]];
        room_take_devices(ret, &pod->fact);
        if (pod->owner == CORE_NO_INDEX)
            continue;
        const struct core_owner_fact *o = &pic->owners[pod->owner].fact;
        ret->cpu_free -= num_min_u32(ret->cpu_free, o->cpu_milli);
        ret->ram_free -= num_min_u32(ret->ram_free, o->memory_mib);
    }
}

/* The first GPU with room for the class, as the scheduler's allocator goes; or CORE_NO_INDEX. */
static uint32_t first_gpu(const struct room *room, const struct core_share *share)
{
    for (uint32_t g = 0; g < room->gpu_count; g++) {
        if (core_share_fits(&room->gpus[g], share))
            return g;
    }
    return CORE_NO_INDEX;
}

/* Puts a pod's claim into the room; false, and nothing taken, when it does not fit. */
static bool room_take(struct room *room, const struct core_node_fact *node,
        const struct core_pod_fact *pod, const struct core_owner_fact *o)
{
    struct core_share share;
    uint32_t gpus[CORE_GPUS_MAX];
    uint32_t count = 0;
    bool shared = core_share_parse(pod->pool, &share);

    if ((o->gpu_models != 0 && (o->gpu_models >> node->gpu & 1) == 0) ||
            (shared && share.gpu != node->gpu))
        return false;
    if (!room->known || room->cpu_free < o->cpu_milli || room->ram_free < o->memory_mib)
        return false;
    if (shared) {
        uint32_t gpu = first_gpu(room, &share);
        if (gpu == CORE_NO_INDEX)
            return false;
        core_share_take(&room->gpus[gpu], &share);
    } else {
        for (uint32_t g = 0; g < room->gpu_count && count < pod->count; g++) {
            if (!room->gpus[g].whole && room->gpus[g].units == 0)
                gpus[count++] = g;
        }
        if (count < pod->count)
            return false;
        for (uint32_t k = 0; k < count; k++)
            room->gpus[gpus[k]].whole = true;
    }
    room->cpu_free -= o->cpu_milli;
    room->ram_free -= o->memory_mib;
    return true;
}

/* ---- memory ---- */

/* The owner whose next pod may come to the node and would take the most; its GPU there. */
static uint32_t newcomer(
        const struct decide_run *run, uint32_t node, const struct room *room, uint32_t *ret_gpu)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    uint32_t best = CORE_NO_INDEX;
    uint32_t best_mib = 0;
    for (uint32_t i = 0; i < run->pic->owner_count; i++) {
        const struct core_owner_view *view = &run->pic->owners[i];
        struct core_share share;
        if (!view->live || view->fact.cluster != f->cluster || view->fact.pool.len == 0 ||
                !core_share_parse(view->fact.pool, &share) || share.gpu != f->gpu)
            continue;
        uint32_t gpu = first_gpu(room, &share);
        if (gpu == CORE_NO_INDEX || room->gpus[gpu].units == 0)
            continue;
        const struct decide_owner *row = decide_owner_find(run->d, view->fact.uid);
        uint32_t mib = decide_reserve(run->policy, row, &view->fact, NULL).mib;
        if (best == CORE_NO_INDEX || mib > best_mib) {
            best = i;
            best_mib = mib;
            *ret_gpu = gpu;
        }
    }
    return best;
}

/* Whether the GPU has room for one more pod.  Where reserves are not known, what is in use counts,
 * and the share that the pod's class keeps for it. */
static enum decide_fit fit_of(
        struct decide_run *run, uint32_t node, uint8_t gpu, uint32_t owner, uint32_t *ret_risk)
{
    uint32_t allowed = decide_hold_risk_limit(run->policy);
    struct decide_gpu_set set;
    struct core_share share = {0};

    decide_gpu_set_collect(run, node, gpu, &set);
    if (!decide_reserves_known(run, &set, owner)) {
        (void)core_share_parse(run->pic->owners[owner].fact.pool, &share);
        return decide_fit_measured(run, node, gpu, share.memory_mib);
    }
    *ret_risk = decide_memory_risk_with(
            run, &set, owner, decide_memory_limit(run->policy, run->pic->nodes[node].fact.gpu));
    uint32_t most = run->nodes[node].held ? allowed - allowed / 5 : allowed;
    return *ret_risk > most ? DECIDE_FITS_NOT : DECIDE_FITS;
}

/* Closes a node while the pod that may come next would more likely than not be one too many. */
static void hold_check(struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    enum decide_fit fit = DECIDE_FITS;
    uint32_t risk = 0;
    struct room room;
    uint32_t gpu = 0;

    room_count(run->pic, node, &room);
    uint32_t owner = newcomer(run, node, &room, &gpu);
    if (owner != CORE_NO_INDEX) {
        fit = decide_pressed(run, node) ? DECIDE_FITS_NOT
                                        : fit_of(run, node, (uint8_t)gpu, owner, &risk);
    }
    struct core_intent *i = decide_hold_intent(run, node, fit);
    if (i == NULL)
        return;
    decide_why(i, "the next pod on GPU %u would pass its memory with %u ppm (allowed %u)", gpu,
            risk, decide_hold_risk_limit(run->policy));
    decide_evidence(i, "risk_ppm", risk);
    decide_evidence(i, "risk_allowed_ppm", decide_hold_risk_limit(run->policy));
    decide_evidence(i, "memory_limit_mib", decide_memory_limit(run->policy, f->gpu));
}

/* ---- concentration ---- */

/* A pod that waits and may use the model: it needs the room itself. */
static bool pod_waits(const struct decide_run *run, uint32_t row, const struct core_node_fact *f)
{
    const struct core_pod_view *pod = &run->pic->pods[row];
    struct core_share share;
    if (!pod->live || pod->fact.cluster != f->cluster || pod->node != CORE_NO_INDEX ||
            pod->fact.phase != CORE_POD_PENDING || pod->owner == CORE_NO_INDEX)
        return false;
    const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
    if (o->gpu_models != 0 && (o->gpu_models >> f->gpu & 1) == 0)
        return false;
    return !core_share_parse(pod->fact.pool, &share) || share.gpu == f->gpu;
}

/* The scheduler has had its time to find a place for it. */
static bool waits_long(const struct decide_run *run, uint32_t row)
{
    const struct core_pod_fact *pod = &run->pic->pods[row].fact;
    return pod->unschedulable && run->now->wall_ns - pod->created_wall_ns >= patience_ns;
}

/* A retiring node with room for a pod that waits stays. */
static bool take_back(struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    for (uint32_t i = 0; i < run->pic->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[i];
        struct room room;
        if (!pod_waits(run, i, f) || !waits_long(run, i))
            continue;
        const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
        room_count(run->pic, node, &room);
        if (!room_take(&room, f, &pod->fact, o))
            continue;
        struct core_intent *intent =
                decide_node_intent(run, node, CORE_CHANGE_RELEASE, CORE_REASON_PENDING_PODS);
        intent->pod = pod->fact.uid;
        intent->owner = o->uid;
        decide_why(intent, "a pod of %.*s waits and fits this retiring node", DECIDE_NAME(o->name));
        decide_evidence(intent, "pods_on_node", run->pic->nodes[node].pod_count);
        run->nodes[node].taken = true;
        return true;
    }
    return false;
}

/* Rooms of the open nodes of the cluster that have pods; the others take nothing. */
static struct room *rooms_elsewhere(
        const struct core_picture *pic, struct arena *scratch, uint32_t node)
{
    struct room *rooms = ARENA_ARRAY(scratch, struct room, pic->node_count + 1);
    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_view *view = &pic->nodes[i];
        struct core_rollout_view rollout = core_picture_rollout(pic, i);
        bool closed = view->fact.unschedulable || rollout.active || rollout.held;
        if (i != node && !closed && decide_class_node(view) && view->pod_count > 0 &&
                view->fact.cluster == pic->nodes[node].fact.cluster)
            room_count(pic, i, &rooms[i]);
    }
    return rooms;
}

bool decide_class_room(const struct core_picture *pic, struct arena *scratch, uint32_t node)
{
    const struct core_node_view *from = &pic->nodes[node];
    struct room *rooms = rooms_elsewhere(pic, scratch, node);

    for (int pass = 0; pass < 2; pass++) { /* whole GPUs first */
        for (uint32_t i = 0; i < from->pod_count; i++) {
            const struct core_pod_view *pod = &pic->pods[from->pods[i]];
            bool shared = pod->fact.resource.kind == MODEL_RESOURCE_GPU_SHARED;
            bool found = false;
            if (pod->owner == CORE_NO_INDEX)
                return false;
            if (shared != (pass == 1) || pod->fact.phase == CORE_POD_TERMINATING)
                continue;
            const struct core_owner_fact *o = &pic->owners[pod->owner].fact;
            for (uint32_t k = 0; k < pic->node_count && !found; k++)
                found = room_take(&rooms[k], &pic->nodes[k].fact, &pod->fact, o);
            if (!found)
                return false;
        }
    }
    return true;
}

/* The node of a kind with the fewest pods that all have room on others. */
static uint32_t spare_node(const struct decide_run *run, uint16_t cluster, uint16_t gpu)
{
    uint32_t best = CORE_NO_INDEX;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        const struct decide_node *s = &run->nodes[i];
        if (!decide_class_node(view) || view->fact.cluster != cluster || view->fact.gpu != gpu)
            continue;
        if ((s->closed && !s->held) || s->busy_rollout || s->taken || !s->movable || !s->settled ||
                view->pod_count == 0 || view->pods_beyond > 0)
            continue;
        if (best != CORE_NO_INDEX && run->pic->nodes[best].pod_count <= view->pod_count)
            continue;
        if (run->d->options.plant_bug[CORE_REASON_GUARD_ROOM] ||
                decide_class_room(run->pic, run->d->scratch, i))
            best = i;
    }
    return best;
}

/* A node of the kind is still on its way out, or a pod has not had time to find its place. */
static bool in_motion(const struct decide_run *run, const struct core_node_fact *f)
{
    for (uint32_t i = 0; i < run->pic->pod_count; i++) {
        if (pod_waits(run, i, f) && !waits_long(run, i))
            return true;
    }
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        if (view->live && view->fact.cluster == f->cluster && view->fact.gpu == f->gpu &&
                run->nodes[i].busy_rollout && view->pod_count > 0)
            return true;
    }
    return false;
}

static bool wanted(const struct decide_run *run, const struct core_node_fact *f)
{
    for (uint32_t i = 0; i < run->pic->pod_count; i++) {
        if (pod_waits(run, i, f))
            return true;
    }
    return false;
}

static void kind_shrink(struct decide_run *run, const struct core_node_fact *f)
{
    struct decide_pool key = {.cluster = f->cluster};
    uint32_t node = CORE_NO_INDEX;

    (void)snprintf(key.name, sizeof(key.name), "class-%u", f->gpu);
    struct decide_pool_memory *m = decide_pool_remember(run->d, &key);
    if (m == NULL || in_motion(run, f))
        return;
    if (!wanted(run, f))
        node = spare_node(run, f->cluster, f->gpu);
    if (node == CORE_NO_INDEX) {
        m->surplus_since_mono_ns = 0;
        return;
    }
    if (m->surplus_since_mono_ns == 0)
        m->surplus_since_mono_ns = run->now->mono_ns + 1;
    /* Nodes of a class fill up again by themselves: less patience than for pools. */
    int64_t after = decide_surplus_after(run, run->pic->nodes[node].pod_count / CLASS_PATIENCE);
    if (run->now->mono_ns - m->surplus_since_mono_ns >= after)
        decide_retire(run, node, "the same model", 0);
}

/* The first class node of its cluster and model. */
static bool first_of_kind(const struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    for (uint32_t k = 0; k < node; k++) {
        const struct core_node_fact *g = &run->pic->nodes[k].fact;
        if (decide_class_node(&run->pic->nodes[k]) && g->cluster == f->cluster && g->gpu == f->gpu)
            return false;
    }
    return true;
}

void decide_class_nodes(struct decide_run *run)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        struct core_rollout_view rollout = core_picture_rollout(run->pic, i);
        bool foreign_cordon =
                view->fact.unschedulable && !rollout.active && !rollout.held && !rollout.retiring;
        if (!decide_class_node(view) || rollout.frozen || foreign_cordon)
            continue;
        for (uint8_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++)
            decide_alarm_check(run, i, g);
        if (rollout.retiring) {
            (void)take_back(run, i);
        } else if (!rollout.active) {
            hold_check(run, i);
        }
    }
    if (!run->policy->scale_down)
        return;
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        if (decide_class_node(&run->pic->nodes[i]) && first_of_kind(run, i))
            kind_shrink(run, &run->pic->nodes[i].fact);
    }
}
