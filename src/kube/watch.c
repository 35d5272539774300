/* kube/watch.c - the reflector: list, watch, resume, list again.
 *
 * One request is under way at a time, or one timer runs.  The cache is never emptied in between: it
 * lags, and says so once that lasts. */
#include "kube/watch.h"

#include "base/arena.h"
#include "kube/item-priv.h"
#include "kube/split.h"
#include "kube/watch-priv.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BACKOFF_MIN_NS   INT64_C(800000000)
#define BACKOFF_MAX_NS   INT64_C(30000000000)
#define IDLE_NS          INT64_C(60000000000)
#define LOST_AFTER_NS    INT64_C(60000000000)
#define LIST_TIMEOUT_NS  INT64_C(120000000000)
#define WATCH_SLACK_NS   INT64_C(30000000000)
#define WATCH_HEALTHY_NS INT64_C(1000000000) /* a watch that ends sooner and empty is a failure */

enum {
    PAGE_SIZE = 500,
    WATCH_MIN_S = 300, /* the server ends a watch after so long, and up to as long again */
    VERSION_TEXT_MAX = 64,
    CONTINUE_TEXT_MAX = 2048,
    REFUSALS_MAX = 3, /* of a watch from one version, before a list */
};

enum watch_state {
    WATCH_RESTING, /* until the timer */
    WATCH_PAGES,
    WATCH_STREAMED_LIST, /* a watch that begins with all objects */
    WATCH_FOLLOWING,
    WATCH_DONE, /* list_only, and listed */
};

struct kube_watch {
    struct kube_client *client;
    struct os_loop *loop;
    struct kube_watch_options options; /* strings are copies, in `arena` */
    struct kube_watch_handler handler;
    struct arena *arena;
    struct kube_cache *cache;

    enum watch_state state;
    enum watch_state next; /* after the rest */
    enum kube_sync sync;
    struct kube_request *request;
    struct os_timer rest;
    struct os_timer lost; /* runs while nothing is followed */
    int64_t backoff_ns;
    int64_t began_ns;
    bool no_stream; /* the server does not have it */
    bool has_told;  /* sync was called at least once */
    int told_code;  /* of the reason that was told */
    bool expired;   /* an ERROR event said so */
    unsigned refusals;
    uint64_t events_before;

    char version[VERSION_TEXT_MAX];
    uint64_t version_number;
    struct buf next_page;
    struct kube_split split;
    struct item_parser parser;
    struct buf projection;
    struct err fault;  /* of this request, found while reading */
    struct err reason; /* the last failure */
    struct kube_watch_stats stats;
};

static void start_list(struct kube_watch *w);
static void start_watch(struct kube_watch *w, bool with_list);

/* ---------------------------------------------------------------------------------------- telling
 */

static void tell_sync(struct kube_watch *w, enum kube_sync sync)
{
    os_loop_timer_clear(w->loop, &w->lost);
    if (w->sync == sync && w->has_told && w->reason.code == w->told_code)
        return;
    w->sync = sync;
    w->has_told = true;
    w->told_code = w->reason.code;
    if (w->handler.sync != NULL)
        w->handler.sync(w->handler.user, sync, &w->reason);
}

static void on_lost(struct os_timer *t)
{
    struct kube_watch *w = (struct kube_watch *)((char *)t - offsetof(struct kube_watch, lost));
    tell_sync(w, KUBE_SYNC_LOST);
}

/* Nothing is followed from now on; said aloud when that lasts. */
static void note_broken(struct kube_watch *w)
{
    if ((w->sync == KUBE_SYNC_COMPLETE || !w->has_told) && !os_loop_timer_is_set(&w->lost))
        os_loop_timer_set(w->loop, &w->lost, os_loop_now_ns(w->loop) + w->options.lost_after_ns);
}

static void tell_gone(struct kube_watch *w, const struct kube_row *row)
{
    if (w->handler.changed != NULL)
        w->handler.changed(w->handler.user, KUBE_GONE, row, NULL);
}

static void drop(struct kube_watch *w, const struct kube_item *item)
{
    struct kube_row row;
    if (!kube_cache_find(w->cache, item->namespace, item->name, &row))
        return;
    tell_gone(w, &row);
    (void)kube_cache_remove(w->cache, item->namespace, item->name, (struct str){0});
}

/* --------------------------------------------------------------------------------------- objects
 */

/* An object as it is now. */
static int put(struct kube_watch *w, const struct kube_item *item)
{
    struct kube_row held;
    bool is_held = kube_cache_find(w->cache, item->namespace, item->name, &held);
    if (is_held && !str_eq(held.uid, item->uid))
        drop(w, item); /* another object under the name: the one before is gone */
    buf_reset(&w->projection);
    int r = w->handler.project == NULL ? 0
                                       : w->handler.project(w->handler.user, item, &w->projection);
    if (r == 0 && w->projection.overflow)
        r = -E2BIG;
    if (r < 0) {
        drop(w, item);
        if (r != -ENOENT) {
            w->stats.unreadable++;
            os_log_warn("kube", "object left out", OS_LOG_CSTR("path", w->options.path),
                    OS_LOG_STR("namespace", item->namespace), OS_LOG_STR("name", item->name),
                    OS_LOG_CSTR("reason", err_name(r)));
        }
        return 0;
    }
    enum kube_cache_verdict verdict;
    struct kube_row row;
    r = kube_cache_put(w->cache, item, buf_str(&w->projection), &verdict, &row);
    if (r < 0)
        return err_set(&w->fault, r, "more objects than the cache may hold");
    if (verdict != KUBE_CACHE_SAME && w->handler.changed != NULL)
        w->handler.changed(w->handler.user, KUBE_PUT, &row, item);
    return 0;
}

static void set_version(struct kube_watch *w, struct str version)
{
    if (version.len == 0 || version.len >= VERSION_TEXT_MAX)
        return;
    memcpy(w->version, version.ptr, version.len);
    w->version[version.len] = '\0';
    if (str_to_u64(version, 0, UINT64_MAX, &w->version_number) < 0)
        w->version_number = 0;
}

static int on_list_item(void *user, struct str json)
{
    struct kube_watch *w = user;
    struct kube_value value;
    struct kube_item item = {0};
    int r = item_parser_parse(&w->parser, json, &value, &w->fault);
    if (r == 0)
        r = item_from_value(value, &item, &w->fault);
    return r < 0 ? r : put(w, &item);
}

/* A list is whole: what it lacked is gone. */
static void finish_list(struct kube_watch *w)
{
    struct kube_row row;
    while (kube_cache_sweep(w->cache, &row))
        tell_gone(w, &row);
    w->backoff_ns = w->options.backoff_min_ns;
    w->refusals = 0;
    w->reason = (struct err){0};
    tell_sync(w, KUBE_SYNC_COMPLETE);
}

static int on_bookmark(struct kube_watch *w, struct kube_value object)
{
    struct kube_value meta = kube_value_get(object, "metadata");
    set_version(w, kube_value_str(kube_value_get(meta, "resourceVersion")));
    w->stats.bookmarks++;
    struct str end = kube_value_str(
            kube_value_get(kube_value_get(meta, "annotations"), "k8s.io/initial-events-end"));
    if (w->state == WATCH_STREAMED_LIST && str_eq_c(end, "true")) {
        w->state = WATCH_FOLLOWING;
        finish_list(w);
    }
    return 0;
}

/* The server ends a watch with a Status. */
static int on_error_event(struct kube_watch *w, struct kube_value status)
{
    struct str message = kube_value_str(kube_value_get(status, "message"));
    struct str reason = kube_value_str(kube_value_get(status, "reason"));
    int64_t code = kube_value_i64(kube_value_get(status, "code"), 0);
    w->expired = code == 410 || str_eq_c(reason, "Expired") || str_eq_c(reason, "Gone");
    return err_set(&w->fault, w->expired ? -ESTALE : -EIO, "watch of %s: %" PRId64 " %.*s: %.*s",
            w->options.path, code, STR_ARG_SHORT(reason),
            (int)(message.len < 200 ? message.len : 200), message.len == 0 ? "" : message.ptr);
}

static int on_event(void *user, struct str json)
{
    struct kube_watch *w = user;
    struct kube_value event;
    int r = item_parser_parse(&w->parser, json, &event, &w->fault);
    if (r < 0)
        return r;
    struct str type = kube_value_str(kube_value_get(event, "type"));
    struct kube_value object = kube_value_get(event, "object");
    if (str_eq_c(type, "ERROR"))
        return on_error_event(w, object);
    if (str_eq_c(type, "BOOKMARK"))
        return on_bookmark(w, object);
    struct kube_item item = {0};
    r = item_from_value(object, &item, &w->fault);
    if (r < 0)
        return r;
    w->stats.events++;
    if (str_eq_c(type, "DELETED")) {
        drop(w, &item);
    } else if (str_eq_c(type, "ADDED") || str_eq_c(type, "MODIFIED")) {
        r = put(w, &item);
    } else {
        return err_set(&w->fault, -EINVAL, "watch of %s: unknown event type '%.*s'",
                w->options.path, STR_ARG_SHORT(type));
    }
    /* Objects of a streamed list come in no order of versions: only its end bookmark counts. */
    if (r == 0 && w->state == WATCH_FOLLOWING)
        set_version(w, item.resource_version);
    w->backoff_ns = w->options.backoff_min_ns;
    return r;
}

int watch_take(struct kube_watch *w, struct str chunk)
{
    w->stats.bytes += chunk.len;
    return kube_split_feed(&w->split, chunk, &w->fault);
}

static int on_body(void *user, struct str chunk)
{
    return watch_take(user, chunk);
}

/* The server has taken the watch: from here on it is followed. */
static void on_head(void *user)
{
    struct kube_watch *w = user;
    if (w->state != WATCH_FOLLOWING)
        return;
    w->refusals = 0;
    if (w->sync == KUBE_SYNC_COMPLETE)
        os_loop_timer_clear(w->loop, &w->lost);
}

/* ------------------------------------------------------------------------------------ next steps
 */

static void rest(struct kube_watch *w, enum watch_state next, int64_t rest_ns)
{
    w->state = WATCH_RESTING;
    w->next = next;
    os_loop_timer_set(w->loop, &w->rest, os_loop_now_ns(w->loop) + rest_ns);
}

/* After a failure: later each time, with jitter, never before the server's own word. */
static void back_off(struct kube_watch *w, enum watch_state next, int64_t at_least_ns)
{
    note_broken(w);
    int64_t jitter = (int64_t)kube_client_draw(w->client, (uint64_t)w->backoff_ns + 1);
    int64_t rest_ns = w->backoff_ns + jitter;
    w->backoff_ns = w->backoff_ns > w->options.backoff_max_ns / 2 ? w->options.backoff_max_ns
                                                                  : w->backoff_ns * 2;
    rest(w, next, rest_ns > at_least_ns ? rest_ns : at_least_ns);
}

static void on_rest(struct os_timer *t)
{
    struct kube_watch *w = (struct kube_watch *)((char *)t - offsetof(struct kube_watch, rest));
    if (w->next == WATCH_FOLLOWING && w->sync == KUBE_SYNC_COMPLETE) {
        start_watch(w, false);
    } else {
        start_list(w);
    }
}

/* What a failed answer means in words, once: in the log and for the sync callback. */
static void note_failure(struct kube_watch *w, const struct kube_answer *answer)
{
    const struct err reason = w->fault.code != 0 ? w->fault : answer->err;
    bool news = strcmp(reason.text, w->reason.text) != 0;
    w->reason = reason;
    OS_LOG_AT(news ? OS_LOG_INFO : OS_LOG_DEBUG, "kube", "watch broken",
            OS_LOG_CSTR("path", w->options.path), OS_LOG_CSTR("reason", w->reason.text));
    if (answer->idle) {
        w->stats.idle++;
        kube_client_renew(w->client);
    }
}

/* Refused for good, as far as we know: nobody may take the cache for complete. */
static bool is_refusal(const struct kube_answer *answer)
{
    return answer->http_status == 401 || answer->http_status == 403 || answer->http_status == 404;
}

/* Waiting does not help: no trust, no credentials.  A rotation looks the same for a moment, so this
 * counts at the start only. */
static bool is_hopeless(const struct kube_watch *w, const struct kube_answer *answer)
{
    if (w->has_told || answer->outcome != KUBE_REJECTED || answer->http_status != 0)
        return false;
    int code = answer->err.code;
    return code != -ECONNREFUSED && code != -EIO && code != -ETIMEDOUT;
}

static void list_failed(struct kube_watch *w, const struct kube_answer *answer)
{
    note_failure(w, answer);
    bool is_expired = answer->http_status == 410 || w->expired;
    bool is_no_stream = w->state == WATCH_STREAMED_LIST && answer->http_status >= 400 &&
                        answer->http_status < 500 && answer->http_status != 429 &&
                        !is_refusal(answer) && !is_expired;
    if (is_no_stream) {
        /* The server does not know sendInitialEvents: pages then, at once. */
        w->no_stream = true;
        rest(w, WATCH_PAGES, 0);
        return;
    }
    if (is_expired) {
        w->stats.expired++;
        if (w->state == WATCH_PAGES && w->refusals++ < REFUSALS_MAX) {
            rest(w, WATCH_PAGES, 0); /* a token of continue grew old: from the start */
            return;
        }
    }
    if (is_refusal(answer) || is_hopeless(w, answer) || w->fault.code != 0)
        tell_sync(w, KUBE_SYNC_LOST);
    back_off(w, WATCH_PAGES, answer->retry_after_ns);
}

static void watch_failed(struct kube_watch *w, const struct kube_answer *answer)
{
    note_failure(w, answer);
    if (answer->http_status == 410 || w->expired) {
        w->stats.expired++;
        note_broken(w);
        rest(w, WATCH_PAGES, 0);
        return;
    }
    if (is_refusal(answer))
        tell_sync(w, KUBE_SYNC_LOST);
    /* What we read and could not take, we would read again; what the server refuses several times
     * (a version from its future, say) it will refuse again: list. */
    bool is_no = answer->http_status >= 400 && answer->http_status != 429;
    bool from_list = w->fault.code != 0 || (is_no && ++w->refusals >= REFUSALS_MAX);
    back_off(w, from_list ? WATCH_PAGES : WATCH_FOLLOWING, answer->retry_after_ns);
}

/* The server ended the watch as it does every few minutes. */
static void watch_ended(struct kube_watch *w)
{
    bool is_empty = w->stats.events + w->stats.bookmarks == w->events_before;
    note_broken(w);
    if (w->state == WATCH_STREAMED_LIST) {
        (void)err_set(&w->reason, -EPIPE, "%s: the streamed list ended early", w->options.path);
        back_off(w, WATCH_PAGES, 0);
    } else if (is_empty && os_loop_now_ns(w->loop) - w->began_ns < WATCH_HEALTHY_NS) {
        (void)err_set(&w->reason, -EPIPE, "%s: the watch ended at once", w->options.path);
        back_off(w, WATCH_FOLLOWING, 0);
    } else {
        rest(w, WATCH_FOLLOWING, 0);
    }
}

static void watch_done(void *user, const struct kube_answer *answer)
{
    struct kube_watch *w = user;
    w->request = NULL;
    struct kube_answer cut = *answer;
    bool is_whole = answer->outcome == KUBE_DONE && kube_split_end(&w->split, &cut.err) == 0;
    if (answer->outcome == KUBE_DONE && !is_whole)
        answer = &cut; /* in the middle of an event: to be resumed as any cut stream */
    kube_split_clear(&w->split);
    if (is_whole) {
        watch_ended(w);
    } else if (w->state == WATCH_STREAMED_LIST) {
        list_failed(w, answer);
    } else {
        watch_failed(w, answer);
    }
}

static int read_rest(struct kube_watch *w)
{
    struct kube_value list;
    int r = item_parser_parse(&w->parser, kube_split_rest(&w->split), &list, &w->fault);
    if (r < 0)
        return r;
    struct kube_value meta = kube_value_get(list, "metadata");
    if (!kube_value_exists(meta))
        return err_set(&w->fault, -EINVAL, "%s: the answer is no list", w->options.path);
    set_version(w, kube_value_str(kube_value_get(meta, "resourceVersion")));
    struct str next = kube_value_str(kube_value_get(meta, "continue"));
    buf_reset(&w->next_page);
    buf_put(&w->next_page, next);
    if (w->next_page.overflow) {
        return err_set(&w->fault, -E2BIG, "%s: a continue token over %d bytes", w->options.path,
                CONTINUE_TEXT_MAX);
    }
    return 0;
}

static void list_done(void *user, const struct kube_answer *answer)
{
    struct kube_watch *w = user;
    w->request = NULL;
    bool is_whole = answer->outcome == KUBE_DONE && kube_split_end(&w->split, &w->fault) == 0 &&
                    read_rest(w) == 0;
    kube_split_clear(&w->split);
    if (!is_whole) {
        buf_reset(&w->next_page);
        list_failed(w, answer);
        return;
    }
    if (w->next_page.len > 0) {
        start_list(w);
        return;
    }
    finish_list(w);
    if (w->options.list_only) {
        w->state = WATCH_DONE;
    } else {
        start_watch(w, false);
    }
}

/* ------------------------------------------------------------------------------------- requests */

static void put_selectors(const struct kube_watch *w, struct buf *path)
{
    if (w->options.label_selector != NULL) {
        buf_puts(path, "&labelSelector=");
        net_http_escape(path, str_from(w->options.label_selector));
    }
    if (w->options.field_selector != NULL) {
        buf_puts(path, "&fieldSelector=");
        net_http_escape(path, str_from(w->options.field_selector));
    }
}

static void start_request(
        struct kube_watch *w, const struct buf *path, bool is_watch, int64_t timeout_ns)
{
    struct kube_request_spec spec = {
            .method = "GET",
            .path = path->ptr,
            .timeout_ns = timeout_ns,
            .idle_timeout_ns = w->options.idle_timeout_ns,
            .on_head = on_head,
            .on_body = on_body,
            .done = is_watch ? watch_done : list_done,
            .user = w,
    };
    kube_split_init(
            &w->split, is_watch ? KUBE_SPLIT_EVENTS : KUBE_SPLIT_LIST, w->options.item_bytes_max);
    w->split.item = is_watch ? on_event : on_list_item;
    w->split.user = w;
    w->fault = (struct err){0};
    w->expired = false;
    w->began_ns = os_loop_now_ns(w->loop);
    struct err fault = {0};
    int r = path->overflow
                    ? err_set(&fault, -E2BIG, "%s: the selectors are too long", w->options.path)
                    : kube_client_start(w->client, &spec, &w->request, &fault);
    if (r < 0) {
        kube_split_clear(&w->split);
        w->reason = fault;
        tell_sync(w, KUBE_SYNC_LOST);
        back_off(w, WATCH_PAGES, 0);
    }
}

/* A page, the first or the next; or a streamed list. */
static void start_list(struct kube_watch *w)
{
    bool is_first = w->next_page.len == 0;
    if (is_first) {
        kube_cache_mark(w->cache);
        w->stats.lists++;
    }
    if (is_first && !w->no_stream && !w->options.no_stream && !w->options.list_only) {
        start_watch(w, true);
        return;
    }
    w->state = WATCH_PAGES;
    struct buf path = BUF_INIT(KUBE_PATH_MAX);
    buf_printf(&path, "%s?limit=%u", w->options.path, w->options.page_size);
    put_selectors(w, &path);
    if (!is_first) {
        buf_puts(&path, "&continue=");
        net_http_escape(&path, buf_str(&w->next_page));
    }
    start_request(w, &path, false, LIST_TIMEOUT_NS);
    buf_clear(&path);
}

static void start_watch(struct kube_watch *w, bool with_list)
{
    w->state = with_list ? WATCH_STREAMED_LIST : WATCH_FOLLOWING;
    w->stats.watches++;
    w->events_before = w->stats.events + w->stats.bookmarks;
    uint64_t seconds = WATCH_MIN_S + kube_client_draw(w->client, WATCH_MIN_S);
    struct buf path = BUF_INIT(KUBE_PATH_MAX);
    buf_printf(&path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRIu64,
            w->options.path, seconds);
    if (with_list) {
        buf_puts(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    } else {
        buf_printf(&path, "&resourceVersion=%s", w->version);
    }
    put_selectors(w, &path);
    start_request(w, &path, true, (int64_t)seconds * 1000000000 + WATCH_SLACK_NS);
    buf_clear(&path);
}

/* ------------------------------------------------------------------------------------------- API
 */

static const char *copy(struct arena *a, const char *s)
{
    return s == NULL ? NULL : arena_str(a, str_from(s)).ptr;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

int kube_watch_start(struct kube_client *client, const struct kube_watch_options *options,
        const struct kube_watch_handler *handler, struct kube_watch **ret_watch, struct err *reterr)
{
    if (options->path == NULL || options->path[0] != '/')
        return err_set(reterr, -EINVAL, "a collection's path must begin with '/'");
    struct kube_watch *w = mem_alloc(1, sizeof *w);
    w->arena = arena_new(1 << 20);
    w->client = client;
    w->loop = kube_client_loop(client);
    w->handler = *handler;
    w->options = *options;
    w->options.path = copy(w->arena, options->path);
    w->options.label_selector = copy(w->arena, options->label_selector);
    w->options.field_selector = copy(w->arena, options->field_selector);
    w->options.page_size = options->page_size == 0 ? PAGE_SIZE : options->page_size;
    if (options->item_bytes_max == 0)
        w->options.item_bytes_max = KUBE_ITEM_BYTES_MAX;
    w->options.idle_timeout_ns = or_default(options->idle_timeout_ns, IDLE_NS);
    w->options.lost_after_ns = or_default(options->lost_after_ns, LOST_AFTER_NS);
    w->options.backoff_min_ns = or_default(options->backoff_min_ns, BACKOFF_MIN_NS);
    w->options.backoff_max_ns = or_default(options->backoff_max_ns, BACKOFF_MAX_NS);
    w->backoff_ns = w->options.backoff_min_ns;
    w->cache = kube_cache_new(kube_client_draw(client, UINT64_MAX));
    w->projection = BUF_INIT(KUBE_CACHE_ROW_BYTES_MAX);
    w->next_page = BUF_INIT(CONTINUE_TEXT_MAX);
    w->rest.fire = on_rest;
    w->lost.fire = on_lost;
    w->sync = KUBE_SYNC_LOST;
    rest(w, WATCH_PAGES, 0);
    *ret_watch = w;
    return 0;
}

void kube_watch_stop(struct kube_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->request != NULL) {
        kube_client_cancel(watch->request);
        kube_split_clear(&watch->split);
    }
    os_loop_timer_clear(watch->loop, &watch->rest);
    os_loop_timer_clear(watch->loop, &watch->lost);
    kube_cache_free(watch->cache);
    item_parser_clear(&watch->parser);
    buf_clear(&watch->projection);
    buf_clear(&watch->next_page);
    arena_free(watch->arena);
    mem_free(watch);
}

void kube_watch_relist(struct kube_watch *watch)
{
    if (watch->request != NULL) {
        kube_client_cancel(watch->request);
        watch->request = NULL;
        kube_split_clear(&watch->split);
    }
    buf_reset(&watch->next_page);
    rest(watch, WATCH_PAGES, 0);
}

enum kube_sync kube_watch_sync(const struct kube_watch *watch)
{
    return watch->sync;
}

const struct kube_cache *kube_watch_cache(const struct kube_watch *watch)
{
    return watch->cache;
}

uint64_t kube_watch_version(const struct kube_watch *watch)
{
    return watch->version_number;
}

struct kube_watch_stats kube_watch_stats(const struct kube_watch *watch)
{
    return watch->stats;
}
