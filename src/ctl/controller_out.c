/* ctl/controller_out.c - what comes out of the core: actions begun, decisions told, sums kept.
 *
 * Below the purity line. */
#include "ctl/controller-priv.h"

#include "base/map.h"
#include "base/num.h"
#include "os/clock.h"
#include "os/log.h"
#include "place/problem.h"

#include <stdio.h>
#include <string.h>

enum { HTTP_UNPROCESSABLE = 422 };

/* -- actions ------------------------------------------------------------------------------------
 */

static void answer(struct ctl_controller *c, uint64_t action, enum core_outcome outcome)
{
    struct core_fact *f = ctl_feed_add(c->feed, CORE_FACT_OUTCOME, CORE_SOURCE_ACTIONS);
    f->outcome = (struct core_outcome_fact){.action = action,
            .outcome = outcome,
            .http_status = outcome == CORE_OUTCOME_REJECTED ? HTTP_UNPROCESSABLE : 0};
}

static void solve(struct ctl_controller *c, const struct core_action *a)
{
    const struct place_solution *solution = NULL;
    int64_t begin_ns = os_clock_mono_ns();
    if (place_solve(c->solutions, a->solve.problem, a->solve.seed, a->solve.iterations, &solution) <
            0) {
        answer(c, a->id, CORE_OUTCOME_REJECTED);
        return;
    }
    os_log_debug("controller", "solved",
            OS_LOG_I64("milliseconds", (os_clock_mono_ns() - begin_ns) / 1000000));
    struct core_fact *f = ctl_feed_add(c->feed, CORE_FACT_SOLUTION, CORE_SOURCE_ACTIONS);
    f->solution.action = a->id;
    f->solution.solution = solution;
}

void controller_perform(struct ctl_controller *c, const struct core_output *out)
{
    ctl_plans_step(c->plans, &c->now->w, out, os_clock_wall_ns());
    for (uint32_t i = 0; i < out->action_count; i++) {
        const struct core_action *a = &out->actions[i];
        switch (a->kind) {
        case CORE_ACTION_SOLVE:
            solve(c, a);
            break;
        case CORE_ACTION_OWNER_PATCH:
            answer(c, a->id, CORE_OUTCOME_DONE); /* it stands in a plan; its owner acts on it */
            break;
        case CORE_ACTION_POD_ASSIGN:
            answer(c, a->id, CORE_OUTCOME_REJECTED); /* no admission of ours */
            break;
        case CORE_ACTION_CONFIG_PUT:
        case CORE_ACTION_CONFIG_DELETE:
        case CORE_ACTION_NODE_PATCH:
        case CORE_ACTION_POD_EVICT:
            if (c->elector != NULL && !kube_elector_leads(c->elector))
                return; /* the loss is about to be told; the next leader goes on */
            if (a->kind == CORE_ACTION_POD_EVICT) {
                controller_evict(c, a);
            } else {
                ctl_actor_do(c->actor, a);
            }
            break;
        case CORE_ACTION_COUNT:
            break;
        }
    }
}

/* -- decisions ----------------------------------------------------------------------------------
 */

static void copy_name(char *to, struct str name)
{
    (void)snprintf(to, CTL_SUBJECT_MAX, "%.*s", STR_ARG(name));
}

/* Names what the decision is about, and the object that an Event about it belongs to. */
static void name_subjects(
        const struct ctl_world *w, struct ctl_decision *to, struct kube_event *event)
{
    const struct core_decision *d = &to->decision;
    uint32_t node = d->node == 0 ? MAP_NONE : map_u64_find(&w->node_by_uid, d->node);
    uint32_t owner = d->owner == 0 ? MAP_NONE : map_u64_find(&w->owner_index, d->owner);
    *event = (struct kube_event){0};
    to->node[0] = to->workload[0] = to->pod[0] = '\0';
    if (owner != MAP_NONE)
        copy_name(to->workload, w->owners[owner].owner.name);
    for (uint32_t i = 0; d->pod != 0 && i < w->pod_count; i++) {
        if (w->pods[i].pod.uid == d->pod)
            copy_name(to->pod, w->pods[i].pod.name);
    }
    if (node == MAP_NONE)
        return;
    const struct ctl_node *n = w->node_notes[node].node;
    copy_name(to->node, n->name);
    *event = (struct kube_event){
            .api_version = STR_LIT("v1"), .kind = STR_LIT("Node"), .name = n->name, .uid = n->uid};
}

static const char *event_reason(enum core_verdict v)
{
    switch (v) {
    case CORE_VERDICT_BEGUN:
        return "SharingChangeBegun";
    case CORE_VERDICT_DONE:
        return "SharingChanged";
    case CORE_VERDICT_UNDONE:
        return "SharingRolledBack";
    case CORE_VERDICT_ABANDONED:
        return "SharingAbandoned";
    case CORE_VERDICT_PROPOSED:
    case CORE_VERDICT_REFUSED:
    case CORE_VERDICT_COUNT:
        break;
    }
    return NULL;
}

static struct ctl_decision *keep(struct ctl_controller *c, const struct core_decision *d)
{
    uint32_t at = (c->kept_first + c->kept_count) % CTL_DECISIONS_KEPT;
    if (c->kept_count == CTL_DECISIONS_KEPT) {
        c->kept_first = (c->kept_first + 1) % CTL_DECISIONS_KEPT;
    } else {
        c->kept_count++;
    }
    struct controller_kept *k = &c->kept[at];
    mem_free(k->text);
    k->text = mem_alloc(d->text.len + 1, 1);
    if (d->text.len > 0)
        memcpy(k->text, d->text.ptr, d->text.len);
    k->row.decision = *d;
    k->row.decision.text = (struct str){k->text, d->text.len};
    return &k->row;
}

static void log_decision(const struct ctl_decision *kept)
{
    const struct core_decision *d = &kept->decision;
    const struct os_log_field fields[] = {{.key = ""}, OS_LOG_CSTR("node", kept->node),
            OS_LOG_CSTR("workload", kept->workload),
            OS_LOG_CSTR("change", core_change_name(d->change)),
            OS_LOG_CSTR("reason", core_reason_name(d->reason)), OS_LOG_STR("text", d->text)};
    os_log_line(d->verdict == CORE_VERDICT_REFUSED ? OS_LOG_DEBUG : OS_LOG_INFO, "decision",
            core_verdict_name(d->verdict), fields, sizeof fields / sizeof fields[0]);
}

static void tell_one(struct ctl_controller *c, const struct core_decision *d)
{
    struct kube_event event;
    struct ctl_decision *kept = keep(c, d);
    name_subjects(&c->now->w, kept, &event);
    c->stats.decisions[d->verdict][d->change]++;
    if (d->verdict == CORE_VERDICT_REFUSED)
        c->stats.refusals[d->reason]++;
    /* What nodes do later for the owners' sake saves the same money once more on paper. */
    if (d->verdict == CORE_VERDICT_DONE && d->change == CORE_CHANGE_OWNER_POINT)
        c->stats.forecast_microusd_per_hour += d->saving_microusd_per_hour;
    log_decision(kept);
    event.reason = event_reason(d->verdict);
    if (event.reason == NULL || event.kind.len == 0)
        return;
    event.warning = d->verdict == CORE_VERDICT_UNDONE || d->verdict == CORE_VERDICT_ABANDONED;
    event.action = core_change_name(d->change);
    event.note = d->text;
    kube_recorder_emit(c->events, &event);
}

void controller_tell(struct ctl_controller *c, const struct core_output *out)
{
    for (uint32_t i = 0; i < out->decision_count; i++)
        tell_one(c, &out->decisions[i]);
    core_totals_get(c->core, &c->stats.totals);
}

uint32_t ctl_controller_decision_count(const struct ctl_controller *c)
{
    return c->kept_count;
}

const struct ctl_decision *ctl_controller_decision(const struct ctl_controller *c, uint32_t index)
{
    return &c->kept[(c->kept_first + index) % CTL_DECISIONS_KEPT].row;
}

/* -- sums ---------------------------------------------------------------------------------------
 */

static bool is_shared(const struct core_node_fact *f)
{
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        enum model_resource_kind k = f->allocatable[i].resource.kind;
        if (k != MODEL_RESOURCE_GPU)
            return true;
    }
    return false;
}

void controller_survey(struct ctl_controller *c)
{
    const struct ctl_world *w = &c->now->w;
    struct ctl_controller_stats *s = &c->stats;
    s->nodes = w->node_count;
    s->owners = w->owner_count;
    s->nodes_shared = s->gpus_provisioned = s->gpus_requested = s->pods_pending = 0;
    s->cost_microusd_per_hour = 0;
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct core_node_fact *f = &w->nodes[i].node;
        s->gpus_provisioned += f->gpu_count;
        s->nodes_shared += is_shared(f);
        s->cost_microusd_per_hour += f->microusd_per_hour;
    }
    for (uint32_t i = 0; i < w->pod_count; i++) {
        const struct core_pod_fact *f = &w->pods[i].pod;
        uint32_t owner = map_u64_find(&w->owner_index, f->owner);
        if (f->phase == CORE_POD_ENDED || owner == MAP_NONE)
            continue;
        s->gpus_requested += w->owners[owner].owner.gpus_per_pod;
        s->pods_pending += f->phase == CORE_POD_PENDING;
    }
    if (s->first_cost_microusd_per_hour == 0)
        s->first_cost_microusd_per_hour = s->cost_microusd_per_hour;
}

void controller_take_use(struct ctl_controller *c, const struct ctl_history *h)
{
    /* A round may hold several readings of a device, in order of time: the last one counts. */
    struct map_u64 newest = {0};
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    uint64_t busy = 0;
    while (ctl_history_next(h, &cursor, &g)) {
        if ((g.all.valid & CORE_VALID_BUSY) != 0) {
            uint64_t device = (uint64_t)g.all.node << 16 | (uint64_t)g.all.gpu << 8 | g.all.start;
            (void)map_u64_set(&newest, device + 1, g.all.busy_permille);
        }
    }
    MAP_FOREACH (i, &newest)
        busy += newest.values[i];
    c->stats.gpus_used_milli = busy;
    c->stats.gpus_read = newest.live_count;
    map_u64_clear(&newest);
}

void ctl_controller_stats_get(
        const struct ctl_controller *c, struct ctl_controller_stats *ret_stats)
{
    *ret_stats = c->stats;
    ret_stats->leads = c->leads;
    ret_stats->ready = ctl_mirror_ready(c->mirror);
    ret_stats->holdup = c->holdup;
    ret_stats->acts = ctl_actor_stats(c->actor);
    ret_stats->plans = ctl_plans_stats(c->plans);
    ret_stats->mirror = ctl_mirror_stats(c->mirror);
    if (c->pulse != NULL)
        ret_stats->pulse = ctl_pulse_stats(c->pulse);
}

const struct ctl_world *ctl_controller_world(const struct ctl_controller *c)
{
    return c->now != NULL ? &c->now->w : NULL;
}

const struct core *ctl_controller_core(const struct ctl_controller *c)
{
    return c->core;
}
