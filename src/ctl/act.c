/* ctl/act.c - see act.h.  Below the purity line. */
#include "ctl/act.h"

#include "base/arena.h"
#include "base/num.h"
#include "ctl/act_body.h"
#include "ctl/names.h"
#include "ctl/taint.h"
#include "kube/write.h"
#include "nvidia/mig_parted.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_MAX_BYTES = 1024,
    VERSION_MAX = 32,
    HTTP_NOT_FOUND = 404,
    HTTP_CONFLICT = 409,
    HTTP_UNPROCESSABLE = 422,
    HTTP_UNAVAILABLE = 503,
};

/* An action whose answer is not in. */
struct flight {
    struct ctl_actor *actor;
    struct flight *next, *previous;
    struct kube_request *request; /* NULL: the answer is ours, and given by the timer */
    uint64_t action;
    enum core_action_kind kind;
    uint32_t local_status; /* of an answer of ours */
    char subject[160];     /* for the log */
    /* A MIG config is read, changed and written back. */
    bool removes;
    char key[NVIDIA_CONFIG_KEY_MAX];
    struct buf text;
};

struct ctl_actor {
    struct kube_client *client;
    struct os_loop *loop;
    struct ctl_actor_options o;
    struct flight *flights;
    uint32_t open;
    struct os_timer local;
    struct arena *maps_arena;
    struct ctl_actor_maps maps;
    struct ctl_actor_stats stats;
};

static void flight_free(struct flight *f)
{
    struct ctl_actor *a = f->actor;
    if (f->next != NULL)
        f->next->previous = f->previous;
    if (f->previous != NULL) {
        f->previous->next = f->next;
    } else {
        a->flights = f->next;
    }
    a->open--;
    buf_clear(&f->text);
    mem_free(f);
}

static void answer(struct flight *f, const struct core_outcome_fact *outcome)
{
    struct ctl_actor *a = f->actor;
    struct core_outcome_fact o = *outcome;
    uint64_t *counters[] = {
            [CORE_OUTCOME_DONE] = a->stats.done,
            [CORE_OUTCOME_REJECTED] = a->stats.rejected,
            [CORE_OUTCOME_UNKNOWN] = a->stats.unknown,
    };
    o.action = f->action;
    counters[o.outcome][f->kind]++;
    flight_free(f);
    a->o.outcome(a->o.user, &o);
}

/* Answers that no server gave. */
static void fire_local(struct os_timer *t)
{
    struct ctl_actor *a = (struct ctl_actor *)((char *)t - offsetof(struct ctl_actor, local));
    struct flight *next;
    for (struct flight *f = a->flights; f != NULL; f = next) {
        next = f->next;
        if (f->request != NULL)
            continue;
        const struct core_outcome_fact o = {
                .outcome = CORE_OUTCOME_REJECTED, .http_status = f->local_status};
        answer(f, &o);
    }
}

static void refuse(struct flight *f, uint32_t status, const char *why)
{
    f->request = NULL;
    f->local_status = status;
    os_log_warn("act", "not asked of the API server", OS_LOG_CSTR("subject", f->subject),
            OS_LOG_CSTR("action", core_action_name(f->kind)), OS_LOG_CSTR("why", why));
    os_loop_timer_set(f->actor->loop, &f->actor->local, os_loop_now_ns(f->actor->loop));
}

/* -- answers ------------------------------------------------------------------------------------
 */

static void outcome_of(const struct kube_answer *answer, struct core_outcome_fact *ret_outcome)
{
    *ret_outcome = (struct core_outcome_fact){.http_status = answer->http_status,
            .retry_after_ns = num_max_i64(answer->retry_after_ns, 0)};
    switch (answer->outcome) {
    case KUBE_DONE:
        ret_outcome->outcome = CORE_OUTCOME_DONE;
        return;
    case KUBE_REJECTED:
        ret_outcome->outcome = CORE_OUTCOME_REJECTED;
        if (answer->http_status == 0)
            ret_outcome->http_status = HTTP_UNAVAILABLE; /* it never got there */
        return;
    case KUBE_UNKNOWN:
        ret_outcome->outcome = CORE_OUTCOME_UNKNOWN;
        return;
    }
}

static void done(void *user, const struct kube_answer *kube)
{
    struct flight *f = user;
    struct core_outcome_fact o;
    outcome_of(kube, &o);
    if (o.outcome == CORE_OUTCOME_DONE) {
        os_log_info("act", core_action_name(f->kind), OS_LOG_CSTR("subject", f->subject));
    } else {
        os_log_warn("act", core_action_name(f->kind), OS_LOG_CSTR("subject", f->subject),
                OS_LOG_CSTR("why", kube->err.text));
    }
    answer(f, &o);
}

/* -- nodes --------------------------------------------------------------------------------------
 */

/* What is about to be asked, before any byte of it leaves: with the answer's line it says when an
 * action was under way. */
static void tell_asked(const struct flight *f, const char *level)
{
    os_log_debug("act", "asked", OS_LOG_CSTR("action", core_action_name(f->kind)),
            OS_LOG_CSTR("subject", f->subject), OS_LOG_CSTR("level", level));
}

/* Starts a patch; what cannot be started is refused. */
static void patch(struct flight *f, enum kube_patch kind, const char *path, struct buf *body)
{
    struct err e = {0};
    const struct kube_write write = {.path = path,
            .body = buf_str(body),
            .manager = CTL_FIELD_MANAGER,
            .done = done,
            .user = f};
    if (body->overflow) {
        refuse(f, HTTP_UNPROCESSABLE, "it is too large");
    } else if (kube_write_patch(f->actor->client, kind, &write, &f->request, &e) < 0) {
        refuse(f, HTTP_UNAVAILABLE, e.text);
    }
}

static void patch_taints(
        struct flight *f, const struct core_action *a, const struct ctl_object *node)
{
    const struct ctl_taints wanted = {a->node.pool_taint, a->node.startup_taint};
    const struct ctl_node *seen = f->actor->o.node(f->actor->o.user, a->target);
    char path[PATH_MAX_BYTES];
    struct buf body = BUF_INIT(CTL_ACT_BODY_MAX);
    (void)snprintf(path, sizeof path, "/api/v1/nodes/%.*s", STR_ARG(node->name));
    if (seen == NULL || seen->version != node->resource_version) {
        refuse(f, HTTP_CONFLICT, "its taints were decided on an older state of the node");
    } else if (ctl_taint_patch(seen, &wanted, &body)) {
        char level[CTL_ACT_LEVEL_MAX];
        tell_asked(f, ctl_act_level(a, level));
        patch(f, KUBE_PATCH_JSON, path, &body);
    } else {
        refuse(f, HTTP_CONFLICT, "its taints are as they should be");
    }
    buf_clear(&body);
}

static void patch_node(struct flight *f, const struct core_action *a)
{
    struct ctl_object node;
    char path[PATH_MAX_BYTES];
    if (!ctl_feed_node(f->actor->o.feed, a->target, &node)) {
        refuse(f, HTTP_NOT_FOUND, "the node is gone");
        return;
    }
    (void)snprintf(f->subject, sizeof f->subject, "node %.*s", STR_ARG_SHORT(node.name));
    if (a->precondition != 0 && a->precondition != node.version) {
        refuse(f, HTTP_CONFLICT, "it was decided on an older state of the node");
        return;
    }
    if ((a->node.fields & CORE_PATCH_TAINTS) != 0) {
        patch_taints(f, a, &node);
        return;
    }
    struct buf body = BUF_INIT(CTL_ACT_BODY_MAX);
    ctl_act_node_body(a, &node, f->actor->o.node(f->actor->o.user, a->target), &body);
    (void)snprintf(path, sizeof path, "/api/v1/nodes/%.*s", STR_ARG(node.name));
    char level[CTL_ACT_LEVEL_MAX];
    tell_asked(f, ctl_act_level(a, level));
    patch(f, KUBE_PATCH_MERGE, path, &body);
    buf_clear(&body);
}

/* -- pods ---------------------------------------------------------------------------------------
 */

static void evict(struct flight *f, const struct core_action *a)
{
    struct ctl_object pod;
    struct err e = {0};
    if (!ctl_feed_pod(f->actor->o.feed, a->target, &pod)) {
        refuse(f, HTTP_NOT_FOUND, "the pod is gone");
        return;
    }
    (void)snprintf(f->subject, sizeof f->subject, "pod %.*s/%.*s", STR_ARG_SHORT(pod.namespace),
            STR_ARG_SHORT(pod.name));
    const struct kube_eviction eviction = {.namespace = pod.namespace,
            .name = pod.name,
            .uid = pod.uid,
            .grace_seconds = -1,
            .done = done,
            .user = f};
    tell_asked(f, "");
    if (kube_write_evict(f->actor->client, &eviction, &f->request, &e) < 0)
        refuse(f, HTTP_UNAVAILABLE, e.text);
}

/* -- configurations -----------------------------------------------------------------------------
 */

static bool map_path(struct flight *f, enum core_config_map map, char path[static PATH_MAX_BYTES])
{
    const struct ctl_actor_maps *m = &f->actor->maps;
    (void)snprintf(f->subject, sizeof f->subject, "ConfigMap %.*s/%.*s",
            STR_ARG_SHORT(m->namespace), STR_ARG_SHORT(m->map[map]));
    (void)snprintf(path, PATH_MAX_BYTES, "/api/v1/namespaces/%.*s/configmaps/%.*s",
            STR_ARG(m->namespace), STR_ARG(m->map[map]));
    if (m->map[map].len > 0 && m->namespace.len > 0)
        return true;
    refuse(f, HTTP_UNPROCESSABLE, "the ClusterPolicy names no ConfigMap of ours");
    return false;
}

/* One key of the map's data; text NULL takes it away.  version "" = whatever is there. */
static void patch_key(struct flight *f, const char *path, struct str key, const struct str *text,
        struct str version)
{
    struct buf body = BUF_INIT(CTL_ACT_BODY_MAX);
    ctl_act_key_body(key, text, version, &body);
    patch(f, KUBE_PATCH_MERGE, path, &body);
    buf_clear(&body);
}

static void got_mig_map(void *user, const struct kube_answer *kube)
{
    struct flight *f = user;
    char path[PATH_MAX_BYTES];
    f->request = NULL;
    if (kube->outcome != KUBE_DONE) {
        struct core_outcome_fact o;
        outcome_of(kube, &o);
        if (o.outcome == CORE_OUTCOME_UNKNOWN) { /* nothing was written */
            o.outcome = CORE_OUTCOME_REJECTED;
            o.http_status = HTTP_UNAVAILABLE;
        }
        answer(f, &o);
        return;
    }
    struct arena *a = arena_new((size_t)64 << 20);
    struct kube_item item;
    struct buf file = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    struct err e = {0};
    int rc = kube_item_parse(a, kube->body, &item, &e);
    if (rc == 0) {
        struct str now =
                kube_value_str(kube_value_get(kube_item_at(&item, "data"), CTL_MIG_CONFIG_KEY));
        const struct str ours = buf_str(&f->text);
        rc = ctl_act_mig_file(now, str_from(f->key), f->removes ? NULL : &ours, &file, &e);
    }
    if (rc < 0 || file.overflow) {
        refuse(f, rc == -ENOENT ? HTTP_NOT_FOUND : HTTP_UNPROCESSABLE,
                rc < 0 ? e.text : "the file would be too large");
    } else if (map_path(f, CORE_CONFIG_MIG, path)) {
        const struct str text = buf_str(&file);
        patch_key(f, path, STR_LIT(CTL_MIG_CONFIG_KEY), &text, item.resource_version);
    }
    buf_clear(&file);
    (void)arena_free(a);
}

static void change_config(struct flight *f, const struct core_action *a)
{
    char path[PATH_MAX_BYTES];
    struct err e = {0};
    f->removes = a->kind == CORE_ACTION_CONFIG_DELETE;
    if (!map_path(f, a->config.map, path))
        return;
    if (a->config.key.len == 0 || a->config.key.len >= sizeof f->key) {
        refuse(f, HTTP_UNPROCESSABLE, "its key is no label value");
        return;
    }
    char level[CTL_ACT_LEVEL_MAX];
    tell_asked(f, ctl_act_level(a, level));
    if (a->config.map == CORE_CONFIG_PLUGIN) {
        patch_key(f, path, a->config.key, f->removes ? NULL : &a->config.text, (struct str){0});
        return;
    }
    memcpy(f->key, a->config.key.ptr, a->config.key.len);
    f->text = BUF_INIT(NVIDIA_MIG_TEXT_MAX);
    buf_put(&f->text, a->config.text);
    const struct kube_request_spec get = {
            .method = "GET", .path = path, .done = got_mig_map, .user = f};
    if (kube_client_start(f->actor->client, &get, &f->request, &e) < 0)
        refuse(f, HTTP_UNAVAILABLE, e.text);
}

/* -- the actor ----------------------------------------------------------------------------------
 */

void ctl_actor_do(struct ctl_actor *a, const struct core_action *action)
{
    struct flight *f = mem_alloc(1, sizeof *f);
    *f = (struct flight){
            .actor = a, .action = action->id, .kind = action->kind, .next = a->flights};
    if (a->flights != NULL)
        a->flights->previous = f;
    a->flights = f;
    a->open++;
    switch (action->kind) {
    case CORE_ACTION_CONFIG_PUT:
    case CORE_ACTION_CONFIG_DELETE:
        change_config(f, action);
        return;
    case CORE_ACTION_NODE_PATCH:
        patch_node(f, action);
        return;
    case CORE_ACTION_POD_EVICT:
        evict(f, action);
        return;
    case CORE_ACTION_OWNER_PATCH:
    case CORE_ACTION_POD_ASSIGN:
    case CORE_ACTION_SOLVE:
    case CORE_ACTION_COUNT:
        break;
    }
    assert(!"an action of the controller itself");
}

struct ctl_actor *ctl_actor_new(struct kube_client *client, const struct ctl_actor_options *options)
{
    struct ctl_actor *a = mem_alloc(1, sizeof *a);
    a->client = client;
    a->loop = kube_client_loop(client);
    a->o = *options;
    a->local.fire = fire_local;
    a->maps_arena = arena_new(1 << 20);
    return a;
}

struct ctl_actor *ctl_actor_free(struct ctl_actor *a)
{
    if (a == NULL)
        return NULL;
    while (a->flights != NULL) {
        if (a->flights->request != NULL)
            kube_client_cancel(a->flights->request);
        flight_free(a->flights);
    }
    os_loop_timer_clear(a->loop, &a->local);
    (void)arena_free(a->maps_arena);
    mem_free(a);
    return NULL;
}

void ctl_actor_maps_set(struct ctl_actor *a, const struct ctl_actor_maps *maps)
{
    arena_reset(a->maps_arena);
    a->maps.namespace = arena_str(a->maps_arena, maps->namespace);
    for (unsigned i = 0; i < CORE_CONFIG_COUNT; i++)
        a->maps.map[i] = arena_str(a->maps_arena, maps->map[i]);
}

uint32_t ctl_actor_open(const struct ctl_actor *a)
{
    return a->open;
}

struct ctl_actor_stats ctl_actor_stats(const struct ctl_actor *a)
{
    return a->stats;
}
