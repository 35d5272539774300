/* core/decide_learn.c - what owners and pods were seen to use: the decider's memory.
 *
 * Pure.  A reading counts for a pod when it is the pod's own: alone on its GPU or instance, or per
 * process.  A reading of a shared GPU is split within bounds (usage/attribution.h); what stays
 * uncertain widens nothing but the trust's error, and so never tightens. */
#include "core/decide-priv.h"

#include "base/prng.h"

#include <assert.h>
#include <string.h>

enum { ATTRIBUTION_ERROR_MAX = 100, PRIOR_LEAST = 60 };

/* What an exporter says is up to its interval of 30 s old, and as much again where it is scraped:
 * so long after a pod went a reading may hold its part. */
enum { READING_AGE_SECONDS = 90 };

struct decide_owner *decide_owner_find(const struct core_decider *d, uint64_t uid)
{
    uint32_t row = map_u64_find(&d->owner_rows, uid);
    return row == MAP_NONE ? NULL : &d->owners[row];
}

struct decide_pod *decide_pod_find(const struct core_decider *d, uint64_t uid)
{
    uint32_t row = map_u64_find(&d->pod_rows, uid);
    return row == MAP_NONE ? NULL : &d->pods[row];
}

static struct decide_owner *owner_get(struct core_decider *d, uint64_t uid)
{
    struct decide_owner *found = decide_owner_find(d, uid);
    if (found != NULL)
        return found;
    assert(d->owners != NULL || d->owner_count == 0);
    uint32_t row = 0;
    while (row < d->owner_count && d->owners[row].uid != 0)
        row++;
    if (row == d->owner_count) {
        if (d->owner_count == d->owner_cap) {
            d->owner_cap = d->owner_cap > 0 ? 2 * d->owner_cap : 64;
            d->owners = mem_grow(d->owners, d->owner_cap, sizeof(*d->owners));
        }
        d->owner_count++;
    }
    assert(d->owners != NULL);
    memset(&d->owners[row], 0, sizeof(d->owners[row]));
    d->owners[row].uid = uid;
    d->owners[row].memory_version = ++d->memory_version;
    map_u64_set(&d->owner_rows, uid, row);
    return &d->owners[row];
}

static uint32_t pod_row_new(struct core_decider *d)
{
    if (d->pod_free_count > 0)
        return d->pod_free[--d->pod_free_count];
    if (d->pod_count == d->pod_cap) {
        d->pod_cap = d->pod_cap > 0 ? 2 * d->pod_cap : 256;
        d->pods = mem_grow(d->pods, d->pod_cap, sizeof(*d->pods));
        d->pod_free = mem_grow(d->pod_free, d->pod_cap, sizeof(*d->pod_free));
    }
    return d->pod_count++;
}

/* A StatefulSet's pod comes back under its name and goes on with its work: what was learned of the
 * one before holds for it.  Other owners' pods are interchangeable, siblings speak for them. */
static uint64_t name_of(const struct core_picture *pic, const struct core_pod_fact *pod)
{
    uint32_t owner = core_picture_owner(pic, pod->owner);
    if (owner == CORE_NO_INDEX || pic->owners[owner].fact.kind != MODEL_OWNER_STATEFULSET)
        return 0;
    return prng_mix(pod->owner, str_hash(pod->name, 0)) | 1;
}

static struct decide_pod *pod_get(
        struct core_decider *d, const struct core_picture *pic, const struct core_pod_fact *pod)
{
    struct decide_pod *found = decide_pod_find(d, pod->uid);
    if (found != NULL)
        return found;
    uint64_t name = name_of(pic, pod);
    uint32_t row = name != 0 ? map_u64_find(&d->pod_names, name) : MAP_NONE;
    if (row != MAP_NONE) {
        assert(d->pods != NULL);
        if (d->pods[row].uid != 0)
            map_u64_remove(&d->pod_rows, d->pods[row].uid);
        d->pods[row].ended = false;
    } else {
        row = pod_row_new(d);
        assert(d->pods != NULL);
        memset(&d->pods[row], 0, sizeof(d->pods[row]));
        d->pods[row].owner = pod->owner;
        d->pods[row].memory_version = ++d->memory_version;
        d->pods[row].name = name;
        if (name != 0)
            map_u64_set(&d->pod_names, name, row);
    }
    d->pods[row].uid = pod->uid;
    d->pods[row].node = 0;
    d->pods[row].gpu = UINT8_MAX;
    d->pods[row].memory_mib = 0;
    map_u64_set(&d->pod_rows, pod->uid, row);
    return &d->pods[row];
}

/* One reading of one pod; `error` is 0 for its own. */
struct reading {
    int64_t wall_ns, age_ns;
    uint8_t valid; /* CORE_VALID_* */
    uint32_t busy_permille, sm_permille, memory_mib;
    bool own;
};

/* The minute's highest reading counts, so that pods sampled at other seconds still compare. */
static void recent_add(struct decide_pod *pod, int64_t wall_ns, uint32_t busy)
{
    uint32_t minute = (uint32_t)(wall_ns / (60 * NUM_NS_PER_SECOND));
    uint32_t slot = minute % DECIDE_WINDOW;
    if (pod->recent_minute[slot] != minute)
        pod->recent[slot] = 0;
    pod->recent_minute[slot] = minute;
    pod->recent[slot] = (uint16_t)num_max_u32(pod->recent[slot], busy);
}

static void take(struct core_decider *d, const struct core_picture *pic,
        const struct core_pod_view *view, const struct reading *r)
{
    if (view->fact.owner == 0 || view->fact.phase == CORE_POD_ENDED)
        return;
    struct decide_owner *owner = owner_get(d, view->fact.owner);
    struct decide_pod *pod = pod_get(d, pic, &view->fact);
    if (pod->born_wall_ns == 0)
        pod->born_wall_ns = r->wall_ns - r->age_ns;

    if (r->valid & CORE_VALID_BUSY) {
        struct usage_sample sample = {.wall_ns = r->wall_ns,
                .busy_permille = r->busy_permille,
                .sm_permille = r->sm_permille,
                .valid = USAGE_VALID_BUSY,
                .weight = 1};
        if (r->valid & CORE_VALID_SM)
            sample.valid |= USAGE_VALID_SM;
        usage_digest_add(&owner->digest, &sample);
        owner->readings++;
        pod->busy.counts[usage_bin_of(r->busy_permille)]++;
        pod->busy.total++;
        recent_add(pod, r->wall_ns, r->busy_permille);
        pod->sampled_wall_ns = r->wall_ns;
    }
    if (r->valid & CORE_VALID_MEMORY) {
        if (usage_memory_observe(&owner->digest.memory, &pod->track, r->wall_ns - pod->born_wall_ns,
                    r->memory_mib))
            owner->memory_version = pod->memory_version = ++d->memory_version;
        pod->memory_mib = r->memory_mib;
    }
    if (r->own)
        usage_trust_exclusive(&owner->trust, r->wall_ns);
}

static int64_t age_at(const struct core_pod_fact *pod, int64_t wall_ns)
{
    int64_t since = pod->started_wall_ns > 0 ? pod->started_wall_ns : pod->created_wall_ns;
    return num_max_i64(0, wall_ns - since);
}

/* Busy time of the reference model (speed 1000) for a reading of the node's GPU. */
static uint32_t busy_reference(const struct core_picture *pic, uint32_t node, uint32_t busy)
{
    if (node == CORE_NO_INDEX)
        return busy;
    const struct model_gpu *gpu = model_gpu_get(pic->nodes[node].fact.gpu);
    return (uint32_t)num_min_i64(1000, num_muldiv_i64(busy, gpu->speed_permille, 1000));
}

static void take_own(struct core_decider *d, const struct core_picture *pic, uint32_t row,
        const struct core_fact *fact)
{
    const struct core_pod_view *view = &pic->pods[row];
    const struct core_sample_fact *s = &fact->sample;
    int64_t wall_ns = fact->observed_wall_ns;
    struct reading r = {.wall_ns = wall_ns,
            .age_ns = age_at(&view->fact, wall_ns),
            .valid = s->valid,
            .sm_permille = s->sm_permille,
            .memory_mib = s->memory_used_mib,
            .own = true};
    r.busy_permille = busy_reference(pic, view->node, s->busy_permille);
    if (s->start != UINT8_MAX) /* an instance's busy time says nothing of a whole GPU's */
        r.valid &= (uint8_t) ~(CORE_VALID_BUSY | CORE_VALID_SM);
    take(d, pic, view, &r);
}

/* What a pod that showed `prior` (reference model) asks of a GPU of the speed, permille of it. */
static struct usage_prior prior_on(const struct usage_prior *prior, uint32_t speed_permille)
{
    struct usage_prior on = *prior;
    on.low = num_min_u32(1000, on.low * 1000 / speed_permille);
    on.high = num_min_u32(1000, (on.high * 1000 + speed_permille - 1) / speed_permille);
    return on;
}

/* The memory of an instance of the owner's resource on a GPU model, MiB; 0 when there is none. */
static uint32_t instance_memory(const struct core_owner_fact *owner, uint16_t gpu)
{
    const char *key = model_gpu_get(gpu)->mig_key;
    const struct mig_model *mig = key != NULL ? mig_model_find(key) : NULL;
    unsigned profile = 0;
    if (mig == NULL || owner->resource.kind != MODEL_RESOURCE_MIG_SHARED ||
            mig_profile_find(mig, str_from(owner->resource.profile), &profile, NULL) != 0)
        return 0;
    return mig->profiles[profile].memory_mib;
}

/* ---- who is on a device ---- */

static uint32_t second_of(int64_t wall_ns)
{
    return (uint32_t)(wall_ns / NUM_NS_PER_SECOND);
}

/* A pod holds nothing any more of the node where it was. */
static void pod_left(struct core_decider *d, const struct decide_pod *pod, int64_t wall_ns)
{
    if (pod->node != 0 && !pod->ended)
        (void)map_u64_set(&d->left, pod->node, second_of(wall_ns));
}

/* Whose part a reading holds, or may hold. */
struct sharers {
    uint32_t count;
    uint32_t pods[USAGE_SHARERS_MAX]; /* rows in the picture */
    bool sure[USAGE_SHARERS_MAX];     /* is there; else it may be on another device of the node */
    bool others;                      /* and, maybe, somebody who is not known */
};

static void sharers_add(struct sharers *h, uint32_t pod, bool sure)
{
    if (h->count == USAGE_SHARERS_MAX) {
        h->others = true;
        return;
    }
    h->pods[h->count] = pod;
    h->sure[h->count++] = sure;
}

/* Whether the one pod that is named has the device to itself can't be told by its name. */
static bool named_for_others(
        const struct core_picture *pic, uint32_t node, const struct core_pod_fact *pod)
{
    enum model_resource_kind kind = pod->resource.kind;
    return pic->nodes[node].fact.caps.occupant == CORE_KNOWN_NODE &&
           (kind == MODEL_RESOURCE_GPU_SHARED || kind == MODEL_RESOURCE_MIG_SHARED ||
                   core_picture_node_replicas(pic, node) != 1);
}

/* Adds the pods of the node that ask for the same as the named one and are not known to be on
 * another GPU. */
static void sharers_add_unnamed(const struct core_decider *d, const struct core_picture *pic,
        const struct core_sample_fact *s, uint32_t node, struct sharers *h)
{
    const struct core_node_view *view = &pic->nodes[node];
    uint32_t named = h->pods[0];
    h->others |= view->pods_beyond > 0;
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &pic->pods[view->pods[i]];
        const struct decide_pod *mine = decide_pod_find(d, pod->fact.uid);
        uint8_t at = view->fact.gpu_count == 1 ? s->gpu : mine != NULL ? mine->gpu : UINT8_MAX;
        if (view->pods[i] != named && (at == s->gpu || at == UINT8_MAX) &&
                model_resource_eq(&pod->fact.resource, &pic->pods[named].fact.resource))
            sharers_add(h, view->pods[i], at == s->gpu && s->start == UINT8_MAX);
    }
}

/* dcgm-exporter names one pod of those that share a device, unless it is told to name all. */
static void sharers_find(const struct core_decider *d, const struct core_picture *pic,
        const struct core_sample_fact *s, int64_t wall_ns, struct sharers *ret_sharers)
{
    uint32_t node = core_picture_node(pic, s->node);
    *ret_sharers = (struct sharers){0};
    for (uint32_t i = 0; s->occupants != NULL && i < s->occupant_count; i++) {
        uint32_t pod = core_picture_pod(pic, s->occupants[i]);
        if (pod == CORE_NO_INDEX) {
            ret_sharers->others = true;
        } else {
            sharers_add(ret_sharers, pod, true);
        }
    }
    if (ret_sharers->count != 1 || node == CORE_NO_INDEX)
        return;
    if (!named_for_others(pic, node, &pic->pods[ret_sharers->pods[0]].fact))
        return;
    sharers_add_unnamed(d, pic, s, node, ret_sharers);
    uint32_t left = map_u64_find(&d->left, s->node);
    ret_sharers->others |= left != MAP_NONE && second_of(wall_ns) < left + READING_AGE_SECONDS;
}

/* The memory of an instance with several pods nears its end: none of their owners shares one for a
 * while.  What each took is not known. */
static void take_tight(const struct core_decider *d, const struct core_picture *pic,
        const struct core_sample_fact *s, const struct sharers *h, int64_t wall_ns)
{
    uint32_t node = core_picture_node(pic, s->node);
    if (node == CORE_NO_INDEX || pic->policy == NULL || (s->valid & CORE_VALID_MEMORY) == 0)
        return;
    for (uint32_t i = 0; i < h->count; i++) {
        uint32_t owner = pic->pods[h->pods[i]].owner;
        if (owner == CORE_NO_INDEX || !h->sure[i])
            continue;
        const struct core_owner_fact *o = &pic->owners[owner].fact;
        struct decide_owner *row = decide_owner_find(d, o->uid);
        uint64_t memory = instance_memory(o, pic->nodes[node].fact.gpu);
        if (row != NULL && memory > 0 &&
                (uint64_t)s->memory_used_mib * 1000 > memory * pic->policy->memory_alarm_permille)
            row->tight_wall_ns = wall_ns;
    }
}

/* Splits the busy time of a shared GPU over the pods on it; one that may be there may have taken
 * nothing.  Memory is not split: what a pod took is only known from its own readings and its
 * siblings'. */
static void take_shared(struct core_decider *d, const struct core_picture *pic,
        const struct core_sample_fact *s, const struct sharers *h, int64_t wall_ns)
{
    struct usage_prior priors[USAGE_SHARERS_MAX];
    struct usage_share shares[USAGE_SHARERS_MAX];
    uint32_t node = core_picture_node(pic, s->node);

    if (s->start != UINT8_MAX)
        take_tight(d, pic, s, h, wall_ns);
    if (!(s->valid & CORE_VALID_BUSY) || h->others || node == CORE_NO_INDEX ||
            s->start != UINT8_MAX) /* of an instance: as in take_own() */
        return;
    uint32_t speed = model_gpu_get(pic->nodes[node].fact.gpu)->speed_permille;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct decide_owner *owner = decide_owner_find(d, pic->pods[h->pods[i]].fact.owner);
        priors[i] = (struct usage_prior){0};
        if (owner != NULL) {
            struct usage_prior prior = usage_prior_busy(&owner->digest, wall_ns, PRIOR_LEAST);
            priors[i] = prior_on(&prior, speed);
        }
        if (!h->sure[i])
            priors[i].low = 0;
    }
    struct usage_attribution_query query = {.sum = s->busy_permille,
            .saturated = 950,
            .error_max = ATTRIBUTION_ERROR_MAX,
            .count = h->count,
            .priors = priors};
    (void)usage_attribute(&query, shares); /* how it came about shows in each share's bounds */
    for (uint32_t i = 0; i < h->count; i++) {
        const struct core_pod_view *view = &pic->pods[h->pods[i]];
        struct decide_owner *owner = decide_owner_find(d, view->fact.owner);
        if (!h->sure[i])
            continue;
        if (owner != NULL) { /* trust is in units of the reference, as what was learned is */
            struct usage_share share = shares[i];
            share.error = busy_reference(pic, node, share.error);
            usage_trust_attributed(&owner->trust, wall_ns, &share);
        }
        if (!shares[i].known)
            continue;
        struct reading r = {.wall_ns = wall_ns,
                .age_ns = age_at(&view->fact, wall_ns),
                .valid = CORE_VALID_BUSY,
                .busy_permille = busy_reference(pic, node, shares[i].value)};
        take(d, pic, view, &r);
    }
}

static bool usage_per_process(const struct core_picture *pic, uint64_t node)
{
    uint32_t row = core_picture_node(pic, node);
    return row != CORE_NO_INDEX && pic->nodes[row].fact.caps.usage == CORE_KNOWN_PROCESS;
}

void decide_learn_sample(
        struct core_decider *d, const struct core_picture *pic, const struct core_fact *fact)
{
    const struct core_sample_fact *s = &fact->sample;
    struct sharers sharers;
    uint32_t row = CORE_NO_INDEX;

    for (uint32_t i = 0; s->occupants != NULL && i < s->occupant_count; i++) {
        struct decide_pod *pod = decide_pod_find(d, s->occupants[i]);
        if (pod != NULL)
            pod->gpu = s->gpu;
    }
    sharers_find(d, pic, s, fact->observed_wall_ns, &sharers);
    bool lone = s->occupant_count == 1 && sharers.count <= 1 && !sharers.others;
    decide_heat_take(d, s, sharers.count, fact->observed_wall_ns);
    if (s->scope != CORE_SAMPLE_PROCESS && usage_per_process(pic, s->node))
        return; /* each pod's own reading comes beside it */
    if (s->scope == CORE_SAMPLE_PROCESS || lone) {
        if (s->occupant_count == 1 && s->occupants != NULL)
            row = core_picture_pod(pic, s->occupants[0]);
    } else if (sharers.count > 0) {
        take_shared(d, pic, s, &sharers, fact->observed_wall_ns);
    }
    if (row != CORE_NO_INDEX)
        take_own(d, pic, row, fact);
}

void decide_learn_pod(struct core_decider *d, const struct core_picture *pic,
        const struct core_now *now, const struct core_fact *fact)
{
    const struct core_pod_fact *pod = &fact->pod;
    if (pod->owner == 0 || (pod->phase == CORE_POD_ENDED && !decide_pod_find(d, pod->uid)))
        return;
    struct decide_pod *row = pod_get(d, pic, pod);
    if (pod->device_count == 1)
        row->gpu = pod->devices[0].gpu;
    if (pod->node != 0)
        row->node = pod->node;
    if (pod->phase != CORE_POD_ENDED || row->ended)
        return;
    pod_left(d, row, now->wall_ns);
    struct decide_owner *owner = decide_owner_find(d, pod->owner);
    row->ended = true;
    if (owner == NULL)
        return;
    owner->pods_ended++;
    owner->life_sum_ns += age_at(pod, fact->observed_wall_ns);
}

void decide_learn_incident(
        struct core_decider *d, const struct core_picture *pic, const struct core_fact *fact)
{
    if (fact->incident.kind != CORE_INCIDENT_MEMORY_KILL || fact->incident.pod == 0)
        return;
    decide_press(d, fact->incident.node, fact->observed_wall_ns);
    uint32_t row = core_picture_pod(pic, fact->incident.pod);
    if (row == CORE_NO_INDEX || pic->pods[row].fact.owner == 0)
        return;
    struct decide_owner *owner = owner_get(d, pic->pods[row].fact.owner);
    owner->kills++;
    owner->kill_wall_ns = fact->observed_wall_ns;
}

/* Of the two that know an owner the one that was told more counts: they may have seen the same. */
void decide_learn_history(struct core_decider *d, const struct core_picture *pic,
        const struct core_history_fact *history)
{
    struct usage_digest digest;
    if (core_picture_owner(pic, history->owner) == CORE_NO_INDEX ||
            usage_digest_parse(history->digest, &digest, NULL) < 0)
        return;
    struct decide_owner *owner = owner_get(d, history->owner);
    if (owner->readings >= history->readings)
        return;
    owner->digest = digest;
    owner->readings = history->readings;
    owner->memory_version = ++d->memory_version;
    if (owner->trust.exclusive_wall_ns < history->exclusive_wall_ns) {
        owner->trust = (struct usage_trust){.error_permille = history->error_permille,
                .exclusive_wall_ns = history->exclusive_wall_ns,
                .attributed_wall_ns = history->attributed_wall_ns};
    }
}

bool core_decider_history(const struct core_decider *d, uint64_t owner, struct buf *text,
        struct core_history_fact *ret_history)
{
    const struct decide_owner *row = decide_owner_find(d, owner);
    if (row == NULL || row->readings == 0)
        return false;
    size_t at = text->len;
    usage_digest_format(&row->digest, text);
    if (text->overflow)
        return false;
    *ret_history = (struct core_history_fact){.owner = owner,
            .digest = {text->ptr + at, text->len - at},
            .readings = row->readings,
            .error_permille = row->trust.error_permille,
            .exclusive_wall_ns = row->trust.exclusive_wall_ns,
            .attributed_wall_ns = row->trust.attributed_wall_ns};
    return true;
}

static void pod_row_free(struct core_decider *d, uint32_t row)
{
    if (d->pods[row].uid != 0)
        map_u64_remove(&d->pod_rows, d->pods[row].uid);
    if (d->pods[row].name != 0)
        map_u64_remove(&d->pod_names, d->pods[row].name);
    memset(&d->pods[row], 0, sizeof(d->pods[row]));
    d->pod_free[d->pod_free_count++] = row;
}

static void owner_forget(struct core_decider *d, uint64_t uid)
{
    uint32_t row = map_u64_remove(&d->owner_rows, uid);
    if (row == MAP_NONE)
        return;
    d->owners[row].uid = 0;
    for (uint32_t i = 0; i < d->pod_count; i++) { /* names that wait for pods to come */
        if (d->pods[i].owner == uid && d->pods[i].uid == 0 && d->pods[i].name != 0)
            pod_row_free(d, i);
    }
}

void decide_forget(struct core_decider *d, const struct core_now *now, const struct core_fact *fact)
{
    if (fact->source == CORE_SOURCE_OWNERS) {
        owner_forget(d, fact->gone);
        return;
    }
    if (fact->source == CORE_SOURCE_NODES) {
        (void)map_u64_remove(&d->pressed, fact->gone);
        (void)map_u64_remove(&d->left, fact->gone);
        decide_heat_forget(d, fact->gone);
        (void)map_u64_remove(&d->raising, fact->gone);
        (void)map_u64_remove(&d->entering, fact->gone);
        return;
    }
    uint32_t row =
            fact->source == CORE_SOURCE_PODS ? map_u64_find(&d->pod_rows, fact->gone) : MAP_NONE;
    if (row == MAP_NONE)
        return;
    pod_left(d, &d->pods[row], now->wall_ns);
    if (d->pods[row].name == 0 || decide_owner_find(d, d->pods[row].owner) == NULL) {
        pod_row_free(d, row);
        return;
    }
    map_u64_remove(&d->pod_rows, fact->gone);
    d->pods[row].uid = 0;
}

uint32_t decide_owner_peak(const struct decide_owner *row)
{
    return num_max_u32(row->peak_older, num_max_u32(row->peak_pods[0], row->peak_pods[1]));
}

/* A mean that forgets half of what it knows in about eight hours. */
static void mean_update(struct decide_owner *row, uint32_t pods, int64_t wall_ns)
{
    const int64_t memory_ns = 12 * NUM_NS_PER_HOUR;
    int64_t now = (int64_t)pods * 1000;
    int64_t was = row->pods_mean_milli;
    if (row->pods_mean_wall_ns == 0) {
        row->pods_mean_milli = (uint32_t)now;
        row->pods_mean_wall_ns = wall_ns;
        return;
    }
    int64_t passed = num_min_i64(memory_ns, wall_ns - row->pods_mean_wall_ns);
    if (passed < 5 * 60 * NUM_NS_PER_SECOND)
        return;
    row->pods_mean_milli = (uint32_t)(was + num_muldiv_i64(now - was, passed, memory_ns));
    row->pods_mean_wall_ns = wall_ns;
}

void decide_learn_counts(struct decide_run *run)
{
    int64_t half_day = run->now->wall_ns / (12 * NUM_NS_PER_HOUR);
    for (uint32_t i = 0; i < run->pic->owner_count; i++) {
        const struct core_owner_view *view = &run->pic->owners[i];
        struct decide_owner *row = view->live ? decide_owner_find(run->d, view->fact.uid) : NULL;
        if (row == NULL)
            continue;
        if (row->peak_half_day != half_day) {
            row->peak_older = row->peak_pods[1];
            row->peak_pods[1] = row->peak_pods[0];
            row->peak_pods[0] = 0;
            row->peak_half_day = half_day;
        }
        mean_update(row, view->running_count + view->pending_count, run->now->wall_ns);
        row->peak_pods[0] =
                num_max_u32(row->peak_pods[0], view->running_count + view->pending_count);
    }
}
