/* core/decide_hold.c - memory on shared GPUs: evict before a kill, close before it gets tight.
 *
 * Pure.  Pods land on a shared node without asking anybody, so memory is watched where they meet:
 * a node is held (cordoned) while another pod would more likely than not be one too many, and one
 * pod is moved away when the memory in use passes the policy's alarm.  Of pods that nothing is
 * known of the reading of their GPU tells; without one nothing is done to the node, either way.
 */
#include "core/decide-priv.h"

#include <stdio.h>

/* TUNING: the chance that the pods on a GPU and one more pass its memory, above which nobody else
 * is let in; what is added while no sibling is old enough to tell how far pods grow; and how long a
 * node stays closed after an alarm or a kill.  Kills on the genai trace from its first hour (seeds
 * 1 to 3 of all pods, 1 to 5 of 48, 60 and 64 of them) and GPUs of all pods: 50 % with nothing else
 * 33, 44; closed for an hour as well 22, 43; 25 % and 250 permille too 5, 52; 20 % and 300: 4, 59.
 * What is left are pairs that pass 80 GiB within a minute from below 75, hours after they met; the
 * policy's alarm is the lever there (kills of 40 runs and GPUs: 0.92 8, 54.0; 0.88 4, 54.6; 0.85
 * 17, 55.5: who is moved too often meets new neighbours). */
enum { HOLD_RISK_PPM = 250000, PRESSED_MINUTES = 60 };

static uint32_t minute_of(int64_t wall_ns)
{
    return (uint32_t)(wall_ns / (60 * NUM_NS_PER_SECOND));
}

void decide_press(struct core_decider *d, uint64_t node, int64_t wall_ns)
{
    if (node != 0)
        map_u64_set(&d->pressed, node, minute_of(wall_ns));
}

bool decide_pressed(const struct decide_run *run, uint32_t node)
{
    uint32_t minute = map_u64_find(&run->d->pressed, run->pic->nodes[node].fact.uid);
    return minute != MAP_NONE && minute_of(run->now->wall_ns) < minute + PRESSED_MINUTES;
}

uint32_t decide_hold_risk_limit(const struct policy *p)
{
    return p->memory_risk_ppm == 0 ? 0 : HOLD_RISK_PPM;
}

void decide_gpu_set_collect(
        const struct decide_run *run, uint32_t node, uint8_t gpu, struct decide_gpu_set *set)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    *set = (struct decide_gpu_set){.known = true};
    for (uint32_t i = 0; i < view->pod_count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[view->pods[i]];
        const struct decide_pod *mine = decide_pod_find(run->d, pod->fact.uid);
        uint8_t at = view->fact.gpu_count == 1 ? 0 : mine != NULL ? mine->gpu : UINT8_MAX;
        if (at == UINT8_MAX)
            set->known = false; /* it may be here: count it */
        if ((at == gpu || at == UINT8_MAX) && set->count < USAGE_SHARERS_MAX)
            set->pods[set->count++] = view->pods[i];
    }
}

static bool reading_fresh(const struct decide_run *run, const struct core_gpu_view *gpu)
{
    return (gpu->sample.valid & CORE_VALID_MEMORY) != 0 && gpu->observed_wall_ns != 0 &&
           run->now->wall_ns - gpu->observed_wall_ns <= run->policy->stale_after_ns;
}

/* ---- alarm ---- */

/* The pod whose eviction costs the least: the youngest that comes back. */
static uint32_t victim(const struct decide_run *run, const struct decide_gpu_set *set)
{
    uint32_t best = CORE_NO_INDEX;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct core_pod_view *pod = &run->pic->pods[set->pods[i]];
        if (pod->owner == CORE_NO_INDEX || pod->fact.phase != CORE_POD_RUNNING)
            continue;
        const struct core_owner_fact *o = &run->pic->owners[pod->owner].fact;
        if (o->kind == MODEL_OWNER_BARE || o->kind == MODEL_OWNER_DAEMONSET || o->foreign.len > 0)
            continue;
        if (best == CORE_NO_INDEX ||
                pod->fact.started_wall_ns > run->pic->pods[best].fact.started_wall_ns)
            best = set->pods[i];
    }
    return best;
}

void decide_alarm_check(struct decide_run *run, uint32_t node, uint8_t gpu)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct core_gpu_view *g = &view->gpus[gpu];
    uint64_t usable = model_gpu_get(view->fact.gpu)->memory_usable_mib;
    uint32_t alarm = (uint32_t)(usable * run->policy->memory_alarm_permille / 1000);
    struct decide_gpu_set set;

    if (!reading_fresh(run, g) || g->sample.memory_used_mib <= alarm)
        return;
    decide_gpu_set_collect(run, node, gpu, &set);
    if (!set.known || set.count < 2)
        return;
    uint32_t row = victim(run, &set);
    if (row == CORE_NO_INDEX)
        return;
    const struct core_pod_view *pod = &run->pic->pods[row];
    /* A reading from before the last pod left or came says nothing of now. */
    if (pod->fact.started_wall_ns >= g->observed_wall_ns)
        return;
    decide_press(run->d, view->fact.uid, run->now->wall_ns);
    struct core_intent *i = decide_intent_new(
            run->d, CORE_INTENT_MOVE, CORE_CHANGE_POD_MOVE, CORE_REASON_MEMORY_ALARM);
    i->cluster = view->fact.cluster;
    i->pod = pod->fact.uid;
    i->owner = pod->fact.owner;
    i->gpu = UINT8_MAX;
    i->urgent = true;
    decide_why(i,
            "GPU %u holds %u MiB, alarm at %u of %u; its youngest pod of %u goes before one is "
            "killed",
            gpu, g->sample.memory_used_mib, alarm, (uint32_t)usable, set.count);
    decide_evidence(i, "memory_used_mib", g->sample.memory_used_mib);
    decide_evidence(i, "memory_alarm_mib", alarm);
    decide_evidence(i, "memory_usable_mib", (int64_t)usable);
    decide_evidence(i, "pods_on_gpu", set.count);
}

/* ---- hold ---- */

/* The owner of the node's pool whose next pod would take the most; its row in the picture. */
static uint32_t newcomer(const struct decide_run *run, uint32_t pool)
{
    uint32_t best = CORE_NO_INDEX;
    uint32_t best_mib = 0;
    for (uint32_t i = 0; i < run->pic->owner_count; i++) {
        const struct core_owner_view *view = &run->pic->owners[i];
        if (!view->live || view->fact.cluster != run->pools[pool].cluster ||
                !str_eq_c(view->fact.pool, run->pools[pool].name))
            continue;
        const struct decide_owner *row = decide_owner_find(run->d, view->fact.uid);
        uint32_t mib = decide_reserve(run->policy, row, &view->fact, NULL).mib;
        if (best == CORE_NO_INDEX || mib > best_mib) {
            best = i;
            best_mib = mib;
        }
    }
    return best;
}

static uint32_t reserve_mib(const struct decide_run *run, uint32_t pod)
{
    uint32_t owner = run->pic->pods[pod].owner;
    if (owner == CORE_NO_INDEX)
        return UINT32_MAX; /* nothing is known of it */
    const struct core_owner_fact *o = &run->pic->owners[owner].fact;
    return decide_reserve(run->policy, decide_owner_find(run->d, o->uid), o, NULL).mib;
}

/* Exporters name one pod of a shared GPU, so where the others are is not known, and each may be
 * here.  But a GPU has no more ids than replicas: with one more pod coming, the set is at most the
 * largest `replicas - 1` of them. */
static void bound_by_replicas(
        const struct decide_run *run, uint32_t node, struct decide_gpu_set *set)
{
    uint32_t most = num_max_u32(run->nodes[node].replicas, 1) - 1;
    while (!set->known && set->count > most) {
        uint32_t least = 0;
        for (uint32_t i = 1; i < set->count; i++) {
            if (reserve_mib(run, set->pods[i]) < reserve_mib(run, set->pods[least]))
                least = i;
        }
        set->pods[least] = set->pods[--set->count];
    }
}

/* Has landed, and no reading of the node is newer: the next one may say on which GPU.  Without
 * readings that is not waited for. */
static bool not_read_yet(const struct decide_run *run, uint32_t node, uint32_t pod)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct core_pod_fact *f = &run->pic->pods[pod].fact;
    int64_t read_ns = 0;
    if (run->now->wall_ns - f->created_wall_ns > run->policy->stale_after_ns)
        return false;
    for (uint32_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++)
        read_ns = num_max_i64(read_ns, view->gpus[g].observed_wall_ns);
    return f->started_wall_ns == 0 || f->started_wall_ns >= read_ns;
}

/* An open node is not closed for pods that are on one GPU and could be on any: each that lands
 * would close it until the next reading shows where it is. */
static void leave_out_unread(
        const struct decide_run *run, uint32_t node, struct decide_gpu_set *set)
{
    uint32_t kept = 0;
    if (set->known || run->nodes[node].held)
        return;
    set->known = true;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct decide_pod *mine =
                decide_pod_find(run->d, run->pic->pods[set->pods[i]].fact.uid);
        bool placed = mine != NULL && mine->gpu != UINT8_MAX;
        if (!placed && not_read_yet(run, node, set->pods[i]))
            continue;
        set->known &= placed;
        set->pods[kept++] = set->pods[i];
    }
    set->count = kept;
}

enum decide_fit decide_fit_measured(
        struct decide_run *run, uint32_t node, uint8_t gpu, uint32_t need_mib)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    const struct core_gpu_view *g = &view->gpus[gpu];
    if (!reading_fresh(run, g))
        return DECIDE_FIT_UNKNOWN;
    if ((uint64_t)g->sample.memory_used_mib + need_mib <=
            decide_memory_limit(run->policy, view->fact.gpu))
        return DECIDE_FITS;
    decide_press(run->d, view->fact.uid, run->now->wall_ns);
    return DECIDE_FITS_NOT;
}

static void unread_tell(struct decide_run *run, uint32_t node)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    bool held = run->nodes[node].held;
    struct core_decision *r = decide_refuse(run->d, run->now,
            held ? CORE_CHANGE_RELEASE : CORE_CHANGE_HOLD, CORE_REASON_GUARD_STALE, f->uid);
    if (r == NULL)
        return;
    r->cluster = f->cluster;
    r->node = f->uid;
    r->text = str_from(arena_printf(run->d->scratch,
            "%.*s: what memory its pods need is not known, and no reading says what is in use: it "
            "stays %s",
            STR_ARG_SHORT(f->name), held ? "closed" : "open"));
    decide_refusal_evidence(r, "stale_after_ns", run->policy->stale_after_ns);
}

struct core_intent *decide_hold_intent(struct decide_run *run, uint32_t node, enum decide_fit fit)
{
    struct decide_node *s = &run->nodes[node];
    bool hold = fit == DECIDE_FITS_NOT || (fit == DECIDE_FIT_UNKNOWN && s->held);
    if (fit == DECIDE_FIT_UNKNOWN) {
        unread_tell(run, node);
    } else {
        uint64_t uid = run->pic->nodes[node].fact.uid;
        decide_refusal_over(run->d, CORE_CHANGE_HOLD, uid);
        decide_refusal_over(run->d, CORE_CHANGE_RELEASE, uid);
    }
    if (!hold && !s->held)
        return NULL;
    struct core_intent *i =
            decide_node_intent(run, node, hold ? CORE_CHANGE_HOLD : CORE_CHANGE_RELEASE,
                    hold ? CORE_REASON_GUARD_MEMORY : CORE_REASON_DEMAND_FALLS);
    i->target.hold = hold;
    i->urgent = true;
    s->taken |= hold != s->held;
    return i;
}

/* Why the node is held or released, in words and numbers. */
struct tightness {
    uint32_t owner; /* whose pod would come */
    uint32_t risk_ppm, allowed_ppm, used_mib;
    uint8_t gpu;
    bool pressed;
    bool measured; /* by what is in use: of some pod on the GPU nothing is known */
    bool unread;   /* of some GPU that is not known either */
};

/* What the next pod takes; when nothing is known of it, the part that its pool was made for. */
static uint32_t next_mib(const struct decide_run *run, uint32_t node, uint32_t owner)
{
    const struct core_owner_fact *o = &run->pic->owners[owner].fact;
    struct usage_reserve next =
            decide_reserve(run->policy, decide_owner_find(run->d, o->uid), o, NULL);
    uint32_t limit = decide_memory_limit(run->policy, run->pic->nodes[node].fact.gpu);
    return next.basis != USAGE_BASIS_NONE ? next.mib
                                          : limit / num_max_u32(run->nodes[node].replicas, 1);
}

/* Looks for the GPU on which another pod is least welcome; a risk above `most` is one too many. */
static void worst_gpu(struct decide_run *run, uint32_t node, uint32_t most, struct tightness *t)
{
    const struct core_node_view *view = &run->pic->nodes[node];
    uint32_t limit = decide_memory_limit(run->policy, view->fact.gpu);

    for (uint8_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++) {
        struct decide_gpu_set set;
        decide_gpu_set_collect(run, node, g, &set);
        leave_out_unread(run, node, &set);
        if (set.count == 0 || (set.known && set.count >= run->nodes[node].replicas))
            continue; /* empty, or nobody can come */
        bound_by_replicas(run, node, &set);
        uint32_t risk = decide_memory_risk_with(run, &set, t->owner, limit);
        bool blind = risk > most && !decide_reserves_known(run, &set, t->owner);
        if (blind) {
            enum decide_fit fit = decide_fit_measured(run, node, g, next_mib(run, node, t->owner));
            t->unread |= fit == DECIDE_FIT_UNKNOWN;
            risk = fit == DECIDE_FITS_NOT ? 1000000 : 0;
        }
        if (risk > t->risk_ppm) {
            t->risk_ppm = risk;
            t->gpu = g;
            t->measured = blind;
            t->used_mib =
                    reading_fresh(run, &view->gpus[g]) ? view->gpus[g].sample.memory_used_mib : 0;
        }
    }
}

static void hold_explain(const struct decide_run *run, uint32_t node, const struct tightness *t,
        struct core_intent *i)
{
    const struct core_node_fact *f = &run->pic->nodes[node].fact;
    uint32_t limit = decide_memory_limit(run->policy, f->gpu);
    if (t->pressed) {
        decide_why(i, "memory or compute ran short on this node: nobody else for %d minutes",
                PRESSED_MINUTES);
    } else if (t->measured) {
        decide_why(i,
                "GPU %u holds %u of %u MiB, and of some of its pods nothing is known: no room for "
                "another",
                t->gpu, t->used_mib, limit);
    } else {
        decide_why(i,
                "another pod of %.*s on GPU %u would pass its memory with %u ppm (allowed %u); %u "
                "MiB in use now",
                DECIDE_NAME(run->pic->owners[t->owner].fact.name), t->gpu, t->risk_ppm,
                t->allowed_ppm, t->used_mib);
    }
    decide_evidence(i, "risk_ppm", t->risk_ppm);
    decide_evidence(i, "risk_allowed_ppm", t->allowed_ppm);
    decide_evidence(i, "memory_used_mib", t->used_mib);
    decide_evidence(i, "memory_limit_mib", limit);
}

static void hold_check(struct decide_run *run, uint32_t node)
{
    struct decide_node *s = &run->nodes[node];
    struct tightness t = {.owner = newcomer(run, s->pool),
            .allowed_ppm = decide_hold_risk_limit(run->policy),
            .pressed = decide_pressed(run, node)};
    /* A held node opens again only with some distance, so that it does not swing. */
    uint32_t most = s->held ? t.allowed_ppm - t.allowed_ppm / 5 : t.allowed_ppm;

    if (t.owner == CORE_NO_INDEX || s->taken)
        return;
    if (t.pressed) {
        t.risk_ppm = 1000000;
    } else {
        worst_gpu(run, node, most, &t);
    }
    enum decide_fit fit = t.risk_ppm > most ? DECIDE_FITS_NOT
                          : t.unread        ? DECIDE_FIT_UNKNOWN
                                            : DECIDE_FITS;
    struct core_intent *i = decide_hold_intent(run, node, fit);
    if (i != NULL)
        hold_explain(run, node, &t, i);
}

void decide_holds(struct decide_run *run)
{
    for (uint32_t i = 0; i < run->pic->node_count; i++) {
        const struct core_node_view *view = &run->pic->nodes[i];
        const struct decide_node *s = &run->nodes[i];
        if (!view->live || !s->usable || s->mode != DECIDE_MODE_SHARED || s->pool == CORE_NO_INDEX)
            continue;
        for (uint8_t g = 0; g < view->fact.gpu_count && g < CORE_GPUS_MAX; g++)
            decide_alarm_check(run, i, g);
        if (!s->busy_rollout && !s->retiring)
            hold_check(run, i);
    }
}
