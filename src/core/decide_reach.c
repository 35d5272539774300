/* core/decide_reach.c - what of the money that owners could save leaves the cluster.
 *
 * Pure.  GPUs that nobody asks for any more are money only when their whole node goes, or when a
 * pod that waits runs without another node.  What is freed beside a pod that stays is room, and
 * room is not promised as money: a forecast is held against the bill. */
#include "core/decide-priv.h"

enum { MILLI = 1000, PPM = 1000000 };

/* Nodes of a GPU model in a cluster. */
struct kind {
    uint16_t cluster, gpu;
    uint64_t gpus;                  /* of all nodes */
    int64_t microusd_per_hour;      /* likewise */
    uint32_t free_nodes;            /* that can go once the owners have gone elsewhere */
    int64_t free_microusd_per_hour; /* theirs */
    uint64_t free_gpus;             /* theirs */
    uint64_t moved_gpus;            /* that pods take which have to move from there */
    uint64_t room_gpus;             /* unused ones of nodes that stay */
    uint64_t need_milligpus;        /* what the owners take once they share */
    uint64_t room_milligpus;        /* what shared nodes have left for them */
    uint64_t waiting_gpus;          /* that their pods wait for */
    int64_t promised_microusd_per_hour, elsewhere_microusd_per_hour;
};

struct reach {
    struct decide_run *run;
    struct kind *kinds;
    uint32_t kind_count, kind_cap;
    uint32_t *owner_kind; /* by owner index: where its GPUs are freed; CORE_NO_INDEX = it stays */
};

static struct kind *kind_of(struct reach *r, uint16_t cluster, uint16_t gpu)
{
    for (uint32_t i = 0; i < r->kind_count; i++) {
        if (r->kinds[i].cluster == cluster && r->kinds[i].gpu == gpu)
            return &r->kinds[i];
    }
    if (r->kind_count == r->kind_cap)
        return NULL;
    struct kind *k = &r->kinds[r->kind_count++];
    *k = (struct kind){.cluster = cluster, .gpu = gpu};
    return k;
}

/* An owner of whole GPUs that is asked to share: its row, else NULL. */
static const struct decide_owner *leaving(const struct reach *r, uint32_t owner)
{
    const struct core_owner_view *view = &r->run->pic->owners[owner];
    const struct decide_owner *row =
            view->live ? decide_owner_find(r->run->d, view->fact.uid) : NULL;
    bool asked = row != NULL && row->way_set && row->way.technique != MODEL_TECHNIQUE_EXCLUSIVE &&
                 row->way_saving > 0;
    return asked && view->fact.resource.kind == MODEL_RESOURCE_GPU &&
                           core_owner_pointable(&view->fact) &&
                           !decide_way_shown(&row->way, &view->fact)
                   ? row
                   : NULL;
}

static void count_pods(struct reach *r)
{
    const struct core_picture *pic = r->run->pic;
    for (uint32_t i = 0; i < pic->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[i];
        if (!pod->live || pod->owner == CORE_NO_INDEX || leaving(r, pod->owner) == NULL)
            continue;
        uint32_t *at = &r->owner_kind[pod->owner];
        const struct decide_owner *row = leaving(r, pod->owner);
        uint16_t gpu = pod->node == CORE_NO_INDEX ? row->way.gpu : pic->nodes[pod->node].fact.gpu;
        struct kind *k = kind_of(r, pod->fact.cluster, gpu);
        if (k == NULL)
            continue;
        if (pod->node == CORE_NO_INDEX)
            k->waiting_gpus += decide_pod_waits(pod) ? pod->fact.count : 0;
        if (*at == CORE_NO_INDEX)
            *at = (uint32_t)(k - r->kinds);
    }
}

/* What the pods of an owner take of a GPU under its new way. */
static uint64_t way_milligpus(const struct decide_way *way)
{
    if (way->technique == MODEL_TECHNIQUE_MIG) {
        const struct mig_model *mig = mig_model_find(model_gpu_get(way->gpu)->mig_key);
        return (uint64_t)MILLI * mig->profiles[way->profile].units / mig->units /
               decide_tier_replicas(way->tier);
    }
    return MILLI / num_max_u32(1, way->replicas);
}

static void count_owners(struct reach *r)
{
    const struct core_picture *pic = r->run->pic;
    for (uint32_t i = 0; i < pic->owner_count; i++) {
        const struct decide_owner *row = leaving(r, i);
        if (row == NULL || row->way.gpu == DECIDE_NO_GPU)
            continue;
        struct kind *then = kind_of(r, pic->owners[i].fact.cluster, row->way.gpu);
        if (then == NULL)
            continue;
        if (r->owner_kind[i] == CORE_NO_INDEX)
            r->owner_kind[i] = (uint32_t)(then - r->kinds);
        struct kind *from = &r->kinds[r->owner_kind[i]];
        uint32_t pods = num_max_u32(pic->owners[i].fact.replicas, pic->owners[i].running_count);
        from->promised_microusd_per_hour += row->way_saving;
        if (from == then) {
            then->need_milligpus += pods * way_milligpus(&row->way);
        } else {
            from->elsewhere_microusd_per_hour += row->way_cost_now - row->way_saving;
        }
    }
}

/* One node: does it go, and what would have to find room elsewhere? */
static void count_node(struct reach *r, uint32_t node)
{
    const struct core_node_view *view = &r->run->pic->nodes[node];
    const struct decide_node *s = &r->run->nodes[node];
    struct kind *k = kind_of(r, view->fact.cluster, view->fact.gpu);
    uint64_t left = 0, moved = 0;
    bool stays = !s->usable || s->retiring || view->fact.keeps.len > 0 || view->pods_beyond > 0;

    if (k == NULL)
        return;
    k->gpus += view->fact.gpu_count;
    k->microusd_per_hour += view->fact.microusd_per_hour;
    if (s->mode == DECIDE_MODE_SHARED && s->usable && !s->closed)
        k->room_milligpus += (uint64_t)s->room * MILLI / num_max_u32(1, s->replicas);
    if (s->mode != DECIDE_MODE_EXCLUSIVE)
        return;
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &r->run->pic->pods[view->pods[i]];
        if (pod->owner != CORE_NO_INDEX && leaving(r, pod->owner) != NULL) {
            left += pod->fact.count;
        } else {
            moved += pod->fact.count;
            stays |= !decide_pod_movable(r->run, view->pods[i]);
        }
    }
    if (left == 0)
        stays = true; /* nothing that is promised changes it */
    if (!stays) {
        k->free_nodes++;
        k->free_microusd_per_hour += view->fact.microusd_per_hour;
        k->free_gpus += view->fact.gpu_count;
        k->moved_gpus += moved;
    } else if (s->usable && !s->closed && view->fact.gpu_count > moved) {
        k->room_gpus += view->fact.gpu_count - moved;
    }
}

/* Of a kind's promise, in ppm. */
static uint32_t kind_ppm(const struct kind *k)
{
    if (k->promised_microusd_per_hour <= 0 || k->gpus == 0)
        return PPM;
    uint64_t need =
            k->need_milligpus > k->room_milligpus ? k->need_milligpus - k->room_milligpus : 0;
    uint64_t moved = k->moved_gpus > k->room_gpus ? k->moved_gpus - k->room_gpus : 0;
    int64_t come = num_muldiv_i64(k->microusd_per_hour, (int64_t)k->waiting_gpus, (int64_t)k->gpus);
    if (k->free_nodes > 0) {
        uint64_t per_node = num_max_u32(1, (uint32_t)(k->free_gpus / k->free_nodes));
        uint64_t kept = (need + MILLI * per_node - 1) / (MILLI * per_node) +
                        (moved + per_node - 1) / per_node;
        uint64_t gone = k->free_nodes > kept ? k->free_nodes - kept : 0;
        come += num_muldiv_i64(k->free_microusd_per_hour, (int64_t)gone, (int64_t)k->free_nodes);
    }
    come -= k->elsewhere_microusd_per_hour;
    if (come <= 0)
        return 0;
    int64_t ppm = num_muldiv_i64(come, PPM, k->promised_microusd_per_hour);
    return ppm > PPM ? PPM : (uint32_t)ppm;
}

uint32_t *decide_reach(struct decide_run *run)
{
    const struct core_picture *pic = run->pic;
    struct arena *a = run->d->scratch;
    struct reach r = {.run = run, .kind_cap = DECIDE_POOLS_MAX};
    r.kinds = ARENA_ARRAY(a, struct kind, r.kind_cap);
    r.owner_kind = ARENA_ARRAY(a, uint32_t, pic->owner_count + 1);
    for (uint32_t i = 0; i < pic->owner_count; i++)
        r.owner_kind[i] = CORE_NO_INDEX;
    count_pods(&r);
    count_owners(&r);
    for (uint32_t i = 0; i < pic->node_count; i++) {
        if (pic->nodes[i].live && pic->nodes[i].fact.caps.steer == CORE_STEER_POOL)
            count_node(&r, i);
    }
    uint32_t *ppm = ARENA_ARRAY(a, uint32_t, pic->owner_count + 1);
    for (uint32_t i = 0; i < pic->owner_count; i++) {
        uint32_t k = r.owner_kind[i];
        ppm[i] = k == CORE_NO_INDEX ? PPM : kind_ppm(&r.kinds[k]);
    }
    return ppm;
}
