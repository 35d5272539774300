/* ctl/fetch.c - see fetch.h.  Below the purity line. */
#include "ctl/fetch.h"

#include "base/num.h"
#include "kube/watch.h"
#include "os/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_MAPS = 2, PATH_BYTES = 1024 };

struct fetch;

struct reading {
    struct fetch *f;
    enum ctl_kind kind;
    struct kube_watch *watch;
    bool ended, seen;
    struct err why;
};

struct fetch {
    struct ctl_snapshot *s;
    struct reading kinds[CTL_KIND_COUNT];
    uint32_t open;
    uint64_t objects;
    struct err fatal; /* a limit was passed */
    uint32_t configs_open;
    bool config_failed;
    struct err config_why;
};

/* -- collections --------------------------------------------------------------------------------
 */

/* Each object goes into the snapshot; the watch need keep none. */
static int project(void *user, const struct kube_item *item, struct buf *row)
{
    struct reading *r = user;
    (void)row;
    r->f->objects++;
    if (r->f->fatal.code == 0)
        (void)ctl_snapshot_put(r->f->s, r->kind, item, &r->f->fatal);
    return -ENOENT;
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    (void)user;
    (void)change;
    (void)row;
    (void)item;
}

static void sync(void *user, enum kube_sync state, const struct err *reason)
{
    struct reading *r = user;
    if (r->ended)
        return;
    r->ended = true;
    r->seen = state == KUBE_SYNC_COMPLETE;
    if (!r->seen && reason != NULL)
        r->why = *reason;
    r->f->open--;
}

static int start(
        struct fetch *f, struct kube_client *client, enum ctl_kind kind, struct err *reterr)
{
    struct reading *r = &f->kinds[kind];
    *r = (struct reading){.f = f, .kind = kind};
    const struct kube_watch_options options = {.path = ctl_kind_info(kind)->path,
            .list_only = true,
            .lost_after_ns = 15 * NUM_NS_PER_SECOND};
    const struct kube_watch_handler handler = {project, changed, sync, r};
    if (kube_watch_start(client, &options, &handler, &r->watch, reterr) < 0)
        return reterr->code;
    f->open++;
    return 0;
}

static int turn(struct os_loop *loop, int64_t deadline_ns, struct err *reterr)
{
    int64_t left = deadline_ns - os_loop_now_ns(loop);
    if (left <= 0)
        return err_set(reterr, -ETIMEDOUT, "the API server took too long: --timeout");
    int rc = os_loop_turn(loop, left, reterr);
    return rc < 0 ? rc : 0;
}

/* -- ConfigMaps ---------------------------------------------------------------------------------
 */

static void got_config(void *user, const struct kube_answer *answer)
{
    struct fetch *f = user;
    f->configs_open--;
    if (answer->outcome != KUBE_DONE) {
        f->config_failed = true;
        f->config_why = answer->err;
        return;
    }
    struct arena *a = arena_new((size_t)256 << 20);
    struct kube_item item;
    struct err e = {0};
    if (kube_item_parse(a, answer->body, &item, &e) < 0) {
        f->config_failed = true;
        f->config_why = e;
    } else if (f->fatal.code == 0) {
        (void)ctl_snapshot_put(f->s, CTL_CONFIGMAPS, &item, &f->fatal);
    }
    (void)arena_free(a);
}

struct str ctl_operator_namespace(const struct ctl_snapshot *s, const char *given)
{
    if (given != NULL)
        return str_from(given);
    for (uint32_t i = 0; i < s->workload_count; i++) {
        const struct ctl_workload *w = &s->workloads[i];
        if (w->kind == CTL_DAEMONSETS && str_starts(w->name, STR_LIT("nvidia-device-plugin")))
            return w->namespace;
    }
    return STR_LIT("gpu-operator");
}

static int ask_configs(struct fetch *f, struct kube_client *client,
        const struct ctl_fetch_options *options, struct err *reterr)
{
    const struct str names[CONFIG_MAPS] = {
            f->s->operator.plugin_config, f->s->operator.mig_config };
    struct str ns = ctl_operator_namespace(f->s, options->operator_namespace);
    for (unsigned i = 0; i < CONFIG_MAPS; i++) {
        char path[PATH_BYTES];
        struct kube_request *request;
        if (names[i].len == 0)
            continue;
        (void)snprintf(path, sizeof path, "/api/v1/namespaces/%.*s/configmaps/%.*s", STR_ARG(ns),
                STR_ARG(names[i]));
        const struct kube_request_spec spec = {
                .method = "GET", .path = path, .retry_max = 3, .done = got_config, .user = f};
        if (kube_client_start(client, &spec, &request, reterr) < 0)
            return reterr->code;
        f->configs_open++;
    }
    return 0;
}

/* -- the whole ----------------------------------------------------------------------------------
 */

static void say(struct fetch *f, struct ctl_fetch_result *result)
{
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++) {
        const struct reading *r = &f->kinds[k];
        /* What a cluster does not serve is seen to be absent. */
        bool absent = ctl_kind_info(k)->optional && r->why.code == -ENOENT;
        result->seen[k] = r->seen || absent;
        if (!result->seen[k] && k != CTL_CONFIGMAPS)
            result->why[k] = arena_printf(f->s->a, "%s", r->why.text);
    }
    result->seen[CTL_CONFIGMAPS] = !f->config_failed;
    if (f->config_failed)
        result->why[CTL_CONFIGMAPS] = arena_printf(f->s->a, "%s", f->config_why.text);
    result->objects = f->objects;
}

static int run(struct fetch *f, struct kube_client *client, const struct ctl_fetch_options *options,
        struct err *reterr)
{
    struct os_loop *loop = kube_client_loop(client);
    int64_t limit = options->timeout_ns > 0 ? options->timeout_ns : 120 * NUM_NS_PER_SECOND;
    int64_t deadline = os_loop_now_ns(loop) + limit;
    uint32_t started = 0;
    int rc = 0;
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT && rc == 0; k++) {
        if (k == CTL_CONFIGMAPS)
            continue; /* of all there are, two are asked for by name */
        rc = start(f, client, k, reterr);
        started++;
    }
    while (rc == 0 && f->open > 0 && f->fatal.code == 0) {
        rc = turn(loop, deadline, reterr);
        if (options->on_progress != NULL)
            options->on_progress(options->user, (started - f->open) * 1000 / (started + 1));
    }
    if (rc == 0)
        rc = ask_configs(f, client, options, reterr);
    while (rc == 0 && f->configs_open > 0)
        rc = turn(loop, deadline, reterr);
    if (rc == 0 && f->fatal.code != 0) {
        *reterr = f->fatal;
        rc = f->fatal.code;
    }
    return rc;
}

int ctl_fetch(struct kube_client *client, struct ctl_snapshot *s,
        const struct ctl_fetch_options *options, struct ctl_fetch_result *ret_result,
        struct err *reterr)
{
    struct fetch f = {.s = s};
    struct ctl_fetch_result result = {0};
    int rc = run(&f, client, options, reterr);
    if (rc == 0)
        say(&f, &result);
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT && rc == 0; k++) {
        if (ctl_kind_info(k)->vital && !result.seen[k]) {
            *reterr = f.kinds[k].why;
            rc = reterr->code < 0 ? reterr->code : -EIO;
        }
    }
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        kube_watch_stop(f.kinds[k].watch);
    if (rc == 0)
        *ret_result = result;
    return rc;
}
