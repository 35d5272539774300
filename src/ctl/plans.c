/* ctl/plans.c - see plans.h.  Below the purity line.
 *
 * What a plan is and how it lives is plan_steps.c's; here is the way to and from the API: two
 * watches, what the core said of which object, and a status written at most each two seconds with
 * the resourceVersion that it was made for. */
#include "ctl/plans.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/num.h"
#include "ctl/act.h"
#include "ctl/names.h"
#include "ctl/patch.h"
#include "ctl/plan_steps.h"
#include "ctl/plans-priv.h"
#include "kube/watch.h"
#include "kube/write.h"
#include "model/gpu.h"
#include "os/clock.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)CTL_PLAN_STEPS_MAX == (int)POLICY_PLAN_STEPS_MAX, "the schema's limit");

enum { PATH_BYTES = 512, GONE_EVERY_S = 60 };

static const int64_t WRITE_EVERY_NS = 2 * NUM_NS_PER_SECOND;

/* -- plans in memory ----------------------------------------------------------------------------
 */

static void plan_path(char *path, size_t size, struct str name, const char *sub)
{
    (void)snprintf(path, size, CTL_PLANS_PATH "/%.*s%s", STR_ARG(name), sub);
}

static struct ctl_plan_object *plan_find(struct ctl_plans *p, struct str name)
{
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        if (str_eq_c(name, o->name))
            return o;
    }
    return NULL;
}

static struct ctl_plan_object *plan_get(struct ctl_plans *p, struct str name, struct str policy)
{
    struct ctl_plan_object *o = plan_find(p, name);
    if (o != NULL)
        return o;
    o = mem_alloc(1, sizeof *o);
    *o = (struct ctl_plan_object){.owner = p, .next = p->plans};
    (void)snprintf(o->name, sizeof o->name, "%.*s", STR_ARG(name));
    (void)snprintf(o->policy, sizeof o->policy, "%.*s", STR_ARG(policy));
    p->plans = o;
    return o;
}

static void plan_drop(struct ctl_plans *p, struct ctl_plan_object *o)
{
    struct ctl_plan_object **at = &p->plans;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    if (o->request != NULL)
        kube_client_cancel(o->request);
    ctl_plan_clear(&o->plan);
    mem_free(o);
}

static void plans_forget(struct ctl_plans *p)
{
    while (p->plans != NULL)
        plan_drop(p, p->plans);
}

static void emit(struct ctl_plans *p, const struct ctl_plan_object *o, const char *reason,
        const char *action, struct str note)
{
    struct kube_row row;
    if (p->o.events == NULL || !kube_cache_find(kube_watch_cache(p->plan_watch), (struct str){0},
                                       str_from(o->name), &row))
        return;
    const struct kube_event event = {.api_version = STR_LIT(POLICY_API_VERSION),
            .kind = STR_LIT("SharingPlan"),
            .name = row.name,
            .uid = row.uid,
            .warning = strcmp(reason, "ApprovalIgnored") == 0,
            .reason = reason,
            .action = action,
            .note = note};
    kube_recorder_emit(p->o.events, &event);
}

static void hand_out(struct ctl_plans *p, const struct ctl_plan_object *o, int64_t wall_ns)
{
    for (uint32_t i = 0; i < o->plan.step_count; i++) {
        if (ctl_plan_holds(&o->plan, i, wall_ns))
            p->o.approved(p->o.user, o->plan.steps[i].digest, o->plan.approved_wall_ns);
    }
}

/* Brings one plan up to date with its object and the time. */
static void review(struct ctl_plans *p, struct ctl_plan_object *o, int64_t wall_ns)
{
    struct kube_row row;
    struct ctl_plan_row_view view = {0};
    if (kube_cache_find(kube_watch_cache(p->plan_watch), (struct str){0}, str_from(o->name), &row))
        view = ctl_plan_row_view(&row);
    unsigned news = ctl_plan_review(&o->plan, view.approve, view.given_wall_ns, wall_ns);
    if ((news & CTL_PLAN_IS_APPROVED) != 0) {
        os_log_info("plans", "approved", OS_LOG_CSTR("plan", o->name),
                OS_LOG_STR("digest", view.approve));
        emit(p, o, "PlanApproved", "Approve", view.approve);
        hand_out(p, o, wall_ns);
    }
    if ((news & CTL_PLAN_IS_REFUSED) != 0) {
        os_log_warn("plans", "another digest was approved", OS_LOG_CSTR("plan", o->name),
                OS_LOG_STR("digest", view.approve));
        emit(p, o, "ApprovalIgnored", "Approve", view.approve);
    }
    if ((news & CTL_PLAN_IS_COMPLETED) != 0)
        emit(p, o, "PlanCompleted", "Finish", STR_LIT("nothing is left to begin"));
    if ((news & CTL_PLAN_IS_EXPIRED) != 0)
        emit(p, o, "PlanExpired", "Expire", STR_LIT("approved, and not begun within a day"));
    if (o->plan.changed)
        ctl_plans_wake(p, 0);
}

/* Takes the state of a plan from its object, and on top of it what was noted before that. */
static void plan_load(struct ctl_plans *p, const struct kube_row *row)
{
    int64_t wall_ns = os_clock_wall_ns();
    const struct ctl_plan_row_view view = ctl_plan_row_view(row);
    struct ctl_plan_object *o = plan_get(p, row->name, view.policy);
    if (o->loaded)
        return;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct kube_value status;
    struct err e = {0};
    struct ctl_plan noted = o->plan;
    o->plan = (struct ctl_plan){0};
    o->loaded = true;
    if (kube_value_parse(a, view.status, &status, &e) == 0)
        ctl_plan_read(&o->plan, status, wall_ns);
    for (uint32_t i = 0; i < noted.step_count; i++) {
        const struct ctl_plan_step *s = &noted.steps[i];
        struct ctl_plan_news n = {.state = s->state,
                .digest = s->digest,
                .saving_microusd_per_hour = s->saving_microusd_per_hour};
        for (unsigned k = 0; k < CTL_STEP_TEXT_COUNT; k++)
            n.text[k] = str_from(s->text[k]);
        ctl_plan_note(&o->plan, &n, wall_ns);
    }
    ctl_plan_clear(&noted);
    hand_out(p, o, wall_ns);
    review(p, o, wall_ns);
}

static void plans_withdraw_others(struct ctl_plans *p)
{
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        if (p->governing == NULL || str_eq_c(p->governing->name, o->policy))
            continue;
        for (uint32_t i = 0; i < o->plan.step_count; i++)
            ctl_plan_withdraw(&o->plan, i);
    }
}

static void plans_load(struct ctl_plans *p)
{
    struct kube_row row;
    uint32_t cursor = 0;
    while (kube_cache_next(kube_watch_cache(p->plan_watch), &cursor, &row))
        plan_load(p, &row);
    plans_withdraw_others(p);
}

/* -- what the core said -------------------------------------------------------------------------
 */

/* The subject of a decision. */
struct subject {
    struct str kind, namespace, name;
    uint32_t owner; /* row, or MAP_NONE */
    uint64_t node;  /* where it is; of an owner 0 */
};

static const char *model_of_node(const struct ctl_world *w, uint64_t node)
{
    uint32_t row = node == 0 ? MAP_NONE : map_u64_find(&w->node_by_uid, node);
    return row == MAP_NONE ? "any" : model_gpu_get(w->nodes[row].node.gpu)->key;
}

/* Where its pods are, else the first model that it may have. */
static const char *model_of_owner(const struct ctl_world *w, uint32_t owner)
{
    const struct core_owner_fact *f = &w->owners[owner].owner;
    for (uint32_t i = 0; i < w->pod_count; i++) {
        if (w->pods[i].pod.owner == f->uid && w->pods[i].pod.node != 0)
            return model_of_node(w, w->pods[i].pod.node);
    }
    if (f->gpu_models == 0)
        return "any";
    return model_gpu_get((uint16_t)__builtin_ctzll(f->gpu_models))->key;
}

static bool subject_of_owner(const struct ctl_world *w, uint64_t uid, struct subject *ret_subject)
{
    uint32_t row = map_u64_find(&w->owner_index, uid);
    if (row == MAP_NONE)
        return false;
    const struct ctl_owner_note *n = &w->owner_notes[row];
    *ret_subject = (struct subject){
            .kind = str_from(n->kind), .namespace = n->namespace, .name = n->name, .owner = row};
    return true;
}

static bool subject_of_pod(const struct ctl_world *w, uint64_t uid, struct subject *ret_subject)
{
    for (uint32_t i = 0; i < w->pod_count; i++) {
        if (w->pods[i].pod.uid != uid)
            continue;
        const struct ctl_pod *pod = w->pod_rows[i];
        *ret_subject = (struct subject){.kind = STR_LIT("Pod"),
                .namespace = pod->namespace,
                .name = pod->name,
                .owner = MAP_NONE,
                .node = w->pods[i].pod.node};
        return true;
    }
    return false;
}

static bool subject_of(
        const struct ctl_world *w, const struct core_decision *d, struct subject *ret_subject)
{
    if (d->change == CORE_CHANGE_OWNER_POINT)
        return subject_of_owner(w, d->owner, ret_subject);
    if (d->pod != 0)
        return subject_of_pod(w, d->pod, ret_subject);
    uint32_t row = d->node == 0 ? MAP_NONE : map_u64_find(&w->node_by_uid, d->node);
    if (row == MAP_NONE)
        return false;
    *ret_subject = (struct subject){.kind = STR_LIT("Node"),
            .name = w->node_notes[row].node->name,
            .owner = MAP_NONE,
            .node = d->node};
    return true;
}

/* "POLICY-MODEL" in small letters; a name that would be too long ends in its hash. */
static void name_of_plan(struct str policy, const char *model, char ret_name[CTL_PLAN_NAME_BYTES])
{
    char whole[2 * CTL_PLAN_NAME_BYTES];
    int len = snprintf(whole, sizeof whole, "%.*s-%s", STR_ARG(policy), model);
    for (int i = 0; i < len && i < (int)sizeof whole; i++) {
        if (whole[i] >= 'A' && whole[i] <= 'Z') {
            whole[i] = (char)(whole[i] - 'A' + 'a');
        } else if ((whole[i] < 'a' || whole[i] > 'z') && (whole[i] < '0' || whole[i] > '9') &&
                   whole[i] != '.') {
            whole[i] = '-';
        }
    }
    if (len < CTL_PLAN_NAME_BYTES) {
        memcpy(ret_name, whole, (size_t)len + 1);
    } else {
        (void)snprintf(ret_name, CTL_PLAN_NAME_BYTES, "%.200s-%016llx", whole,
                (unsigned long long)str_hash(str_from(whole), 0));
    }
}

static void note(struct ctl_plans *p, const struct ctl_world *w, const struct subject *s,
        const struct ctl_plan_news *news, int64_t wall_ns)
{
    char name[CTL_PLAN_NAME_BYTES];
    bool begins = news->state == CTL_STEP_PROPOSED ||
                  (news->state == CTL_STEP_OWNER_MUST_ACT && news->text[CTL_STEP_PATCH].len > 0);
    if (!begins) {
        /* Its pods may have come to another model since. */
        for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next)
            ctl_plan_note(&o->plan, news, wall_ns);
        return;
    }
    name_of_plan(p->governing->name,
            s->owner != MAP_NONE ? model_of_owner(w, s->owner) : model_of_node(w, s->node), name);
    struct ctl_plan_object *o = plan_get(p, str_from(name), p->governing->name);
    if (p->plans_complete && !o->loaded)
        o->loaded = true; /* there is no such object yet */
    ctl_plan_note(&o->plan, news, wall_ns);
}

static struct ctl_plan_news news_of(const struct subject *s, enum core_change change)
{
    struct ctl_plan_news n = {0};
    n.text[CTL_STEP_KIND] = s->kind;
    n.text[CTL_STEP_NAMESPACE] = s->namespace;
    n.text[CTL_STEP_NAME] = s->name;
    n.text[CTL_STEP_CHANGE] = str_from(core_change_name(change));
    return n;
}

/* The digest that waits for approval; 0 when none does. */
static uint64_t plan_digest(const struct core_decision *d)
{
    for (uint32_t i = 0; i < d->evidence_count; i++) {
        if (strcmp(d->evidence[i].name, "plan") == 0)
            return (uint64_t)d->evidence[i].value;
    }
    return 0;
}

/* False for decisions that are of no interest to a plan. */
static bool state_of(const struct core_decision *d, struct ctl_plan_news *n)
{
    switch (d->verdict) {
    case CORE_VERDICT_PROPOSED:
        n->digest = plan_digest(d);
        n->state = n->digest != 0 ? CTL_STEP_PROPOSED : CTL_STEP_OWNER_MUST_ACT;
        return n->digest != 0 || d->reason == CORE_REASON_OWNER_MUST_ACT;
    case CORE_VERDICT_BEGUN:
        n->state = CTL_STEP_BEGUN;
        return true;
    case CORE_VERDICT_DONE:
        n->state = CTL_STEP_DONE;
        return true;
    case CORE_VERDICT_UNDONE:
    case CORE_VERDICT_ABANDONED:
        n->state = CTL_STEP_FAILED;
        return true;
    case CORE_VERDICT_REFUSED:
        n->state = CTL_STEP_APPROVED;
        return true;
    case CORE_VERDICT_COUNT:
        break;
    }
    return false;
}

/* Refusals come by the thousand: they are news where a step is approved, other ends of a step where
 * there is one. */
static bool is_news(const struct ctl_plans *p, enum ctl_step_state state)
{
    if (state == CTL_STEP_PROPOSED)
        return true;
    for (const struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        for (uint32_t i = 0; i < o->plan.step_count; i++) {
            if (state != CTL_STEP_APPROVED || o->plan.steps[i].state == CTL_STEP_APPROVED)
                return true;
        }
    }
    return false;
}

static struct str replicas_text(struct arena *a, uint32_t replicas)
{
    return replicas <= 1 ? STR_LIT("exclusive")
                         : str_from(arena_printf(a, "%u replicas", replicas));
}

static bool is_of_replicas(enum core_change c)
{
    return c == CORE_CHANGE_SHARE || c == CORE_CHANGE_UNSHARE || c == CORE_CHANGE_REPLICAS_RAISE ||
           c == CORE_CHANGE_REPLICAS_LOWER;
}

static void take_decision(struct ctl_plans *p, const struct ctl_world *w,
        const struct core_decision *d, int64_t wall_ns)
{
    struct subject s;
    struct ctl_plan_news state = {0};
    if (!state_of(d, &state) || !is_news(p, state.state) || !subject_of(w, d, &s))
        return;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct ctl_plan_news n = news_of(&s, d->change);
    n.state = state.state;
    n.digest = state.digest;
    n.saving_microusd_per_hour = d->saving_microusd_per_hour;
    n.text[CTL_STEP_REASON] = str_from(core_reason_name(d->reason));
    n.text[CTL_STEP_TEXT] = d->text;
    if (is_of_replicas(d->change)) {
        n.text[CTL_STEP_FROM] = replicas_text(a, d->from_value);
        n.text[CTL_STEP_TO] = replicas_text(a, d->to_value);
    } else if (s.owner != MAP_NONE) {
        const struct core_owner_fact *f = &w->owners[s.owner].owner;
        if (n.state == CTL_STEP_PROPOSED)
            n.text[CTL_STEP_FROM] = ctl_patch_resource_text(a, &f->resource, 1, f->pool);
    }
    note(p, w, &s, &n, wall_ns);
    p->stats.steps_proposed += n.state == CTL_STEP_PROPOSED;
    p->stats.steps_done += n.state == CTL_STEP_DONE;
}

static void take_action(struct ctl_plans *p, const struct ctl_world *w,
        const struct core_action *action, int64_t wall_ns)
{
    struct subject s;
    if (action->kind != CORE_ACTION_OWNER_PATCH || !subject_of_owner(w, action->target, &s))
        return;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct ctl_plan_news n = news_of(&s, CORE_CHANGE_OWNER_POINT);
    const struct core_owner_fact *f = &w->owners[s.owner].owner;
    struct str patch = ctl_patch_make(a, w, s.owner, action);
    n.state = CTL_STEP_OWNER_MUST_ACT;
    n.text[CTL_STEP_REASON] = str_from(core_reason_name(action->reason));
    n.text[CTL_STEP_FROM] = ctl_patch_resource_text(a, &f->resource, 1, f->pool);
    n.text[CTL_STEP_TO] = ctl_patch_resource_text(
            a, &action->owner.resource, action->owner.count, action->owner.pool);
    n.text[CTL_STEP_PATCH] = patch;
    n.text[CTL_STEP_COMMAND] = ctl_patch_command(a, w, s.owner, patch);
    note(p, w, &s, &n, wall_ns);
}

static bool is_there(const struct ctl_world *w, const struct ctl_plan_step *s)
{
    char key[KUBE_NAME_MAX + 80];
    struct str kind = str_from(s->text[CTL_STEP_KIND]);
    struct str namespace = str_from(s->text[CTL_STEP_NAMESPACE]);
    struct str name = str_from(s->text[CTL_STEP_NAME]);
    if (str_eq_c(kind, "Node"))
        return map_str_find(&w->node_index, name) != MAP_NONE;
    (void)snprintf(key, sizeof key, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(name));
    if (str_eq_c(kind, "Pod") && map_str_find(&w->pod_index, str_from(key)) != MAP_NONE)
        return true;
    for (uint32_t i = 0; i < w->owner_count; i++) {
        const struct ctl_owner_note *n = &w->owner_notes[i];
        if (str_eq(n->name, name) && str_eq(n->namespace, namespace) && str_eq_c(kind, n->kind))
            return true;
    }
    return false;
}

static void withdraw_gone(struct ctl_plans *p, const struct ctl_world *w)
{
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        for (uint32_t i = 0; i < o->plan.step_count; i++) {
            if (!is_there(w, &o->plan.steps[i]))
                ctl_plan_withdraw(&o->plan, i);
        }
    }
}

void ctl_plans_step(struct ctl_plans *p, const struct ctl_world *world,
        const struct core_output *output, int64_t wall_ns)
{
    if (!p->leads || p->governing == NULL)
        return;
    for (uint32_t i = 0; i < output->decision_count; i++)
        take_decision(p, world, &output->decisions[i], wall_ns);
    for (uint32_t i = 0; i < output->action_count; i++)
        take_action(p, world, &output->actions[i], wall_ns);
    int64_t now_ns = os_loop_now_ns(p->loop);
    if (now_ns >= p->gone_mono_ns) {
        p->gone_mono_ns = now_ns + GONE_EVERY_S * NUM_NS_PER_SECOND;
        withdraw_gone(p, world);
    }
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        if (o->loaded)
            review(p, o, wall_ns);
    }
}

/* -- writing ------------------------------------------------------------------------------------
 */

static void on_written(void *user, const struct kube_answer *answer)
{
    struct ctl_plan_object *o = user;
    struct ctl_plans *p = o->owner;
    o->request = NULL;
    if (answer->outcome == KUBE_DONE) {
        p->stats.writes++;
    } else {
        o->plan.changed = true; /* written again from what is known then */
        if (strcmp(answer->reason, "Conflict") == 0) {
            p->stats.conflicts++;
        } else {
            os_log_warn("plans", "a plan cannot be written", OS_LOG_CSTR("plan", o->name),
                    OS_LOG_CSTR("why", answer->err.text));
        }
    }
    ctl_plans_wake(p, WRITE_EVERY_NS);
}

static int write_start(struct ctl_plans *p, struct ctl_plan_object *o, const char *path,
        const struct buf *body, bool create)
{
    struct err e = {0};
    const struct kube_write write = {.path = path,
            .body = buf_str(body),
            .manager = CTL_FIELD_MANAGER,
            .done = on_written,
            .user = o};
    int r = body->overflow ? err_set(&e, -E2BIG, "it is too large")
            : create       ? kube_write_create(p->client, &write, &o->request, &e)
                           : kube_write_patch(p->client, KUBE_PATCH_MERGE, &write, &o->request, &e);
    o->next_mono_ns = os_loop_now_ns(p->loop) + WRITE_EVERY_NS;
    if (r < 0) {
        os_log_warn("plans", "a plan cannot be written", OS_LOG_CSTR("plan", o->name),
                OS_LOG_CSTR("why", e.text));
    }
    return r;
}

static void plan_create(struct ctl_plans *p, struct ctl_plan_object *o)
{
    struct kube_row policy;
    struct buf body = BUF_INIT(CTL_PLAN_STATUS_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", POLICY_API_VERSION);
    jw_kv_cstr(&w, "kind", "SharingPlan");
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "name", o->name);
    jw_key(&w, "labels");
    jw_object(&w);
    jw_kv_cstr(&w, CTL_LABEL_MANAGED_BY, "slicewright");
    jw_object_end(&w);
    if (kube_cache_find(
                kube_watch_cache(p->policy_watch), (struct str){0}, str_from(o->policy), &policy)) {
        jw_key(&w, "ownerReferences");
        jw_array(&w);
        jw_object(&w);
        jw_kv_cstr(&w, "apiVersion", POLICY_API_VERSION);
        jw_kv_cstr(&w, "kind", POLICY_KIND);
        jw_kv_str(&w, "name", policy.name);
        jw_kv_str(&w, "uid", policy.uid);
        jw_object_end(&w);
        jw_array_end(&w);
    }
    jw_object_end(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    jw_kv_cstr(&w, "policy", o->policy);
    jw_object_end(&w);
    jw_object_end(&w);
    (void)write_start(p, o, CTL_PLANS_PATH, &body, true);
    buf_clear(&body);
}

static void plan_write(struct ctl_plans *p, struct ctl_plan_object *o, const struct kube_row *row)
{
    char path[PATH_BYTES], version[32];
    const struct ctl_plan_row_view view = ctl_plan_row_view(row);
    struct buf body = BUF_INIT(2 * CTL_PLAN_STATUS_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)row->version);
    jw_object(&w);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "resourceVersion", version);
    jw_object_end(&w);
    jw_key(&w, "status");
    jw_object(&w);
    ctl_plan_write(&o->plan, row->name, view.generation, &w);
    jw_object_end(&w);
    jw_object_end(&w);
    plan_path(path, sizeof path, row->name, "/status");
    if (write_start(p, o, path, &body, false) == 0)
        o->plan.changed = false;
    buf_clear(&body);
}

static void flush_plans(struct ctl_plans *p)
{
    struct kube_row row;
    int64_t now_ns = os_loop_now_ns(p->loop);
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        if (!o->plan.changed || o->request != NULL || !o->loaded)
            continue;
        if (now_ns < o->next_mono_ns) {
            ctl_plans_wake(p, o->next_mono_ns - now_ns);
        } else if (kube_cache_find(kube_watch_cache(p->plan_watch), (struct str){0},
                           str_from(o->name), &row)) {
            plan_write(p, o, &row);
        } else if (o->plan.step_count > 0 && p->governing != NULL &&
                   str_eq_c(p->governing->name, o->policy)) {
            plan_create(p, o);
        }
    }
}

void ctl_plans_flush(struct ctl_plans *p)
{
    if (!p->leads)
        return;
    if (p->plans_complete)
        flush_plans(p);
    if (p->policies_complete)
        ctl_plans_flush_policies(p);
}

static void on_timer(struct os_timer *t)
{
    struct ctl_plans *p = (struct ctl_plans *)((char *)t - offsetof(struct ctl_plans, timer));
    ctl_plans_flush(p);
}

void ctl_plans_wake(struct ctl_plans *p, int64_t after_ns)
{
    int64_t at = os_loop_now_ns(p->loop) + after_ns;
    if (p->leads && (!os_loop_timer_is_set(&p->timer) || p->timer.deadline_mono_ns > at))
        os_loop_timer_set(p->loop, &p->timer, at);
}

/* -- the watch of plans -------------------------------------------------------------------------
 */

/* When the manager that owns spec.approve wrote it; 0 when managedFields do not say. */
static int64_t given_at(const struct kube_item *item)
{
    int64_t newest = 0;
    KUBE_FOREACH(it, kube_item_at(item, "metadata.managedFields"))
    {
        int64_t wall_ns = 0;
        struct kube_value fields = kube_value_get(it.value, "fieldsV1");
        struct str time = kube_value_str(kube_value_get(it.value, "time"));
        if (kube_value_exists(kube_value_get(kube_value_get(fields, "f:spec"), "f:approve")) &&
                civil_parse(time, &wall_ns, NULL) == 0)
            newest = num_max_i64(newest, wall_ns);
    }
    return newest;
}

static int project_plan(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    struct str approve = kube_value_str(kube_item_at(item, "spec.approve"));
    struct str policy = kube_value_str(kube_item_at(item, "spec.policy"));
    struct buf status = BUF_INIT(2 * CTL_PLAN_STATUS_BYTES_MAX);
    buf_puts(&status, "{}");
    if (kube_value_exists(kube_item_at(item, "status"))) {
        buf_reset(&status);
        kube_value_write(kube_item_at(item, "status"), &status);
    }
    const struct ctl_plan_row head = {
            .generation = kube_value_i64(kube_item_at(item, "metadata.generation"), 0),
            .given_wall_ns = approve.len > 0 ? given_at(item) : 0,
            .approve_len = (uint32_t)approve.len,
            .policy_len = (uint32_t)policy.len,
            .status_len = (uint32_t)status.len};
    buf_put(row, (struct str){(const char *)&head, sizeof head});
    buf_put(row, approve);
    buf_put(row, policy);
    buf_put(row, buf_str(&status));
    bool too_large = status.overflow;
    buf_clear(&status);
    return too_large ? -E2BIG : 0;
}

struct ctl_plan_row_view ctl_plan_row_view(const struct kube_row *row)
{
    const struct ctl_plan_row *head = row->bytes;
    const char *at = (const char *)row->bytes + sizeof *head;
    return (struct ctl_plan_row_view){.generation = head->generation,
            .given_wall_ns = head->given_wall_ns,
            .approve = {at, head->approve_len},
            .policy = {at + head->approve_len, head->policy_len},
            .status = {at + head->approve_len + head->policy_len, head->status_len}};
}

static void plan_changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct ctl_plans *p = user;
    (void)item;
    if (!p->leads || !p->plans_complete)
        return;
    struct ctl_plan_object *o = plan_find(p, row->name);
    if (change == KUBE_GONE) {
        if (o != NULL && o->plan.phase == CTL_PLAN_PROPOSED) {
            o->plan.changed = true; /* what is proposed is proposed still */
            ctl_plans_wake(p, 0);
        } else if (o != NULL) {
            plan_drop(p, o); /* what was agreed to is gone with it */
        }
        return;
    }
    if (o == NULL || !o->loaded) {
        plan_load(p, row);
    } else {
        review(p, o, os_clock_wall_ns());
    }
}

static void plan_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    struct ctl_plans *p = user;
    p->plans_complete = sync == KUBE_SYNC_COMPLETE;
    if (reason != NULL && reason->code != 0)
        os_log_warn("plans", "SharingPlans are not followed", OS_LOG_CSTR("why", reason->text));
    if (!p->plans_complete || !p->leads)
        return;
    plans_load(p);
    for (struct ctl_plan_object *o = p->plans; o != NULL; o = o->next)
        o->loaded = true; /* those without an object begin here */
    ctl_plans_wake(p, 0);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int ctl_plans_start(struct kube_client *client, const struct ctl_plans_options *options,
        struct ctl_plans **ret_plans, struct err *reterr)
{
    assert(options->policy_changed != NULL && options->policy_sync != NULL);
    assert(options->approved != NULL);
    struct ctl_plans *p = mem_alloc(1, sizeof *p);
    *p = (struct ctl_plans){.client = client,
            .loop = kube_client_loop(client),
            .o = *options,
            .timer.fire = on_timer};
    const struct kube_watch_options watch = {
            .path = CTL_PLANS_PATH, .lost_after_ns = options->lost_after_ns};
    const struct kube_watch_handler handler = {
            .project = project_plan, .changed = plan_changed, .sync = plan_sync, .user = p};
    int r = ctl_plans_follow_policies(p, reterr);
    if (r == 0)
        r = kube_watch_start(client, &watch, &handler, &p->plan_watch, reterr);
    if (r < 0) {
        ctl_plans_stop(p);
        return r;
    }
    *ret_plans = p;
    return 0;
}

void ctl_plans_stop(struct ctl_plans *p)
{
    if (p == NULL)
        return;
    os_loop_timer_clear(p->loop, &p->timer);
    plans_forget(p);
    kube_watch_stop(p->plan_watch);
    ctl_plans_unfollow_policies(p);
    mem_free(p);
}

void ctl_plans_lead(struct ctl_plans *p, bool leads)
{
    if (p->leads == leads)
        return;
    p->leads = leads;
    os_loop_timer_clear(p->loop, &p->timer);
    plans_forget(p);
    if (!leads)
        return;
    if (p->plans_complete)
        plans_load(p);
    p->policies_changed = true;
    ctl_plans_wake(p, 0);
}

void ctl_plans_restart(struct ctl_plans *p)
{
    int64_t wall_ns = os_clock_wall_ns();
    for (const struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        if (o->loaded)
            hand_out(p, o, wall_ns);
    }
}

void ctl_plans_governed(struct ctl_plans *p)
{
    plans_withdraw_others(p);
    ctl_plans_wake(p, 0);
}

struct ctl_plans_stats ctl_plans_stats(const struct ctl_plans *p)
{
    struct ctl_plans_stats s = p->stats;
    s.plans = kube_cache_count(kube_watch_cache(p->plan_watch));
    s.steps_approved = 0;
    for (const struct ctl_plan_object *o = p->plans; o != NULL; o = o->next) {
        for (uint32_t i = 0; i < o->plan.step_count; i++)
            s.steps_approved += o->plan.steps[i].state == CTL_STEP_APPROVED;
    }
    return s;
}
