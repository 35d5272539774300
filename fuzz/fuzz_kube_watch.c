/* Watch events of a streamed list: any bytes leave a cache that is what the callbacks said, and end
 * the request with one line or not at all.  The first byte says the chunk. */
#include "kube/fields.h"
#include "kube/watch-priv.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many objects the callbacks say there are; the last word of an object counts. */
struct heard {
    int64_t live;
    struct kube_watch *watch;
};

static int project(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    struct kube_pod pod;
    kube_pod_read(item, &pod);
    if (pod.phase == KUBE_POD_FAILED)
        return -ENOENT;
    buf_put(row, pod.spec.node);
    return 0;
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct heard *h = user;
    struct kube_row held;
    assert((change == KUBE_PUT) == (item != NULL));
    /* An event tells GONE while the row is still there. */
    assert(kube_cache_find(kube_watch_cache(h->watch), row->namespace, row->name, &held));
    h->live = (int64_t)kube_cache_count(kube_watch_cache(h->watch)) - (change == KUBE_GONE);
}

static void told_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    (void)user;
    assert(sync == KUBE_SYNC_COMPLETE || (reason->text[0] != '\0' && !strchr(reason->text, '\n')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct os_loop *loop;
    static struct kube_client *client;
    static struct kube_config config;
    if (client == NULL) {
        struct kube_client_options options = {.seed = 1};
        config.server = STR_LIT("https://127.0.0.1:1");
        os_log_set_level(OS_LOG_OFF);
        int made = os_loop_new(&loop, NULL);
        assert(made == 0);
        made = kube_client_new(loop, &config, &options, &client, NULL);
        assert(made == 0);
    }
    struct heard h = {0};
    struct kube_watch_options options = {.path = "/api/v1/pods", .item_bytes_max = 65536};
    struct kube_watch_handler handler = {
            .project = project, .changed = changed, .sync = told_sync, .user = &h};
    int started = kube_watch_start(client, &options, &handler, &h.watch, NULL);
    assert(started == 0);
    (void)os_loop_turn(loop, 0, NULL); /* makes the request; the next turn would send it */
    size_t step = size == 0 ? 1 : 1 + data[0];
    for (size_t at = 1; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        if (watch_take(h.watch, (struct str){(const char *)data + at, len}) != 0)
            break;
    }
    assert(h.live == kube_cache_count(kube_watch_cache(h.watch)));
    kube_watch_stop(h.watch);
    return 0;
}
