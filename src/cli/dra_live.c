/* cli/dra_live.c - the objects of a cluster for `slicewright dra`, listed once.
 *
 * Only reads: deploy/dra-readonly.yaml is all that it may do. */
#include "base/num.h"
#include "cli/connect.h"
#include "cli/dra.h"
#include "kube/watch.h"
#include "os/loop.h"

#include <errno.h>

enum { ARENA_BYTES = 1 << 30, LIMIT_S = 120, LOST_AFTER_S = 15 };

struct collection {
    const char *path;
    const char *field_selector;
    bool optional; /* a cluster that does not serve it has none */
};

#define RESOURCE_V1 "/apis/resource.k8s.io/v1/"

/* Of pods only those that the scheduler has yet to place: others hold what their claims say. */
static const struct collection collections[DRA_KIND_COUNT] = {
        [DRA_KIND_SLICE] = {.path = RESOURCE_V1 "resourceslices"},
        [DRA_KIND_CLASS] = {.path = RESOURCE_V1 "deviceclasses"},
        [DRA_KIND_CLAIM] = {.path = RESOURCE_V1 "resourceclaims"},
        [DRA_KIND_TEMPLATE] = {.path = RESOURCE_V1 "resourceclaimtemplates"},
        [DRA_KIND_RULE] = {.path = RESOURCE_V1 "devicetaintrules", .optional = true},
        [DRA_KIND_NODE] = {.path = "/api/v1/nodes"},
        [DRA_KIND_POD] = {.path = "/api/v1/pods",
                .field_selector = "spec.nodeName=,status.phase=Pending"},
};

struct reading;

struct list {
    struct reading *reading;
    enum dra_kind kind;
    struct kube_watch *watch;
    bool ended, seen;
    struct err why;
};

struct reading {
    struct dra_store *store;
    struct list lists[DRA_KIND_COUNT];
    uint32_t open;
    struct map_str uids; /* a list that broke off comes again */
    struct buf text;
    struct arena *scratch;
    struct err fatal; /* an object that cannot be taken in: without it every answer may be wrong */
};

/* Each object goes into the store; the watch need keep none. */
static int project(void *user, const struct kube_item *item, struct buf *row)
{
    struct list *list = user;
    struct reading *r = list->reading;
    const struct doc *doc = NULL;
    (void)row;
    bool leaving = list->kind == DRA_KIND_POD &&
                   kube_value_exists(kube_item_at(item, "metadata.deletionTimestamp"));
    if (r->fatal.code < 0 || leaving || map_str_find(&r->uids, item->uid) != MAP_NONE)
        return -ENOENT;
    (void)map_str_set(&r->uids, arena_str(r->store->arena, item->uid), 1);
    buf_reset(&r->text);
    arena_reset(r->scratch);
    kube_value_write(item->root, &r->text);
    int rc = doc_parse_json(r->scratch, buf_str(&r->text), KUBE_ITEM_BYTES_MAX, &doc, &r->fatal);
    if (rc == 0)
        rc = dra_store_add_kind(r->store, list->kind, doc, &r->fatal);
    if (rc < 0) {
        (void)err_wrap(&r->fatal, "%s %.*s%s%.*s", collections[list->kind].path,
                STR_ARG_SHORT(item->namespace), item->namespace.len > 0 ? "/" : "",
                STR_ARG_SHORT(item->name));
    }
    return -ENOENT;
}

static void sync(void *user, enum kube_sync state, const struct err *reason)
{
    struct list *list = user;
    if (list->ended)
        return;
    list->ended = true;
    list->seen = state == KUBE_SYNC_COMPLETE;
    if (!list->seen && reason != NULL)
        list->why = *reason;
    list->reading->open--;
}

static int lists_start(struct reading *r, struct kube_client *client, struct err *reterr)
{
    for (int k = 0; k < DRA_KIND_COUNT; k++) {
        struct list *list = &r->lists[k];
        *list = (struct list){.reading = r, .kind = (enum dra_kind)k};
        const struct kube_watch_options options = {.path = collections[k].path,
                .field_selector = collections[k].field_selector,
                .list_only = true,
                .lost_after_ns = LOST_AFTER_S * NUM_NS_PER_SECOND};
        const struct kube_watch_handler handler = {.project = project, .sync = sync, .user = list};
        if (kube_watch_start(client, &options, &handler, &list->watch, reterr) < 0)
            return reterr->code;
        r->open++;
    }
    return 0;
}

/* Every list was read, or its absence is no loss. */
static int lists_judge(const struct reading *r, struct err *reterr)
{
    for (int k = 0; k < DRA_KIND_COUNT; k++) {
        const struct list *list = &r->lists[k];
        if (list->seen || (collections[k].optional && list->why.code == -ENOENT))
            continue;
        *reterr = list->why;
        if (list->why.code == -ENOENT)
            return err_wrap(reterr, "resource.k8s.io/v1 (Kubernetes 1.34 or newer)");
        return list->why.code < 0 ? list->why.code
                                  : err_set(reterr, -EIO, "%s: no answer", collections[k].path);
    }
    return 0;
}

static int lists_read(struct reading *r, struct kube_client *client, struct err *reterr)
{
    struct os_loop *loop = kube_client_loop(client);
    int64_t deadline = os_loop_now_ns(loop) + LIMIT_S * NUM_NS_PER_SECOND;
    int rc = lists_start(r, client, reterr);
    while (rc >= 0 && r->open > 0 && r->fatal.code == 0) {
        int64_t left = deadline - os_loop_now_ns(loop);
        rc = left > 0 ? os_loop_turn(loop, left, reterr)
                      : err_set(reterr, -ETIMEDOUT, "the API server took more than %d s", LIMIT_S);
    }
    if (rc >= 0 && r->fatal.code < 0) {
        *reterr = r->fatal;
        rc = r->fatal.code;
    }
    rc = rc < 0 ? rc : lists_judge(r, reterr);
    for (int k = 0; k < DRA_KIND_COUNT; k++)
        kube_watch_stop(r->lists[k].watch);
    return rc;
}

int cli_dra_read_live(const struct cli_dra_options *o, struct dra_store *store,
        const char **ret_from, struct err *reterr)
{
    const struct cli_connect_options how = {o->kubeconfig, o->context, "slicewright-dra"};
    struct reading r = {.store = store, .text = BUF_INIT(KUBE_ITEM_BYTES_MAX)};
    struct kube_config config;
    struct kube_client *client = NULL;
    struct os_loop *loop = NULL;
    struct arena *a = arena_new(ARENA_BYTES);
    r.scratch = arena_new(ARENA_BYTES);
    int rc = os_loop_new(&loop, reterr);
    if (rc == 0)
        rc = cli_connect(a, loop, &how, &config, &client, reterr);
    if (rc == 0)
        rc = lists_read(&r, client, reterr);
    if (rc == 0)
        *ret_from = arena_printf(store->arena, "cluster %.*s", STR_ARG(config.context));
    kube_client_free(client);
    os_loop_free(loop);
    map_str_clear(&r.uids);
    buf_clear(&r.text);
    (void)arena_free(r.scratch);
    (void)arena_free(a);
    return rc;
}
