/* net/pool.c - libcurl's multi handles on the loop.  Below the purity line.
 *
 * Settings that 7.88 needs (measured): multiplexing with up to 1000 streams a connection, or each
 * further watch opens one of its own. */
#include "net/http-priv.h"

#include "base/arena.h"

#include <assert.h>
#include <errno.h>

enum { STREAMS_MAX = 1000, CONNECTIONS_KEPT_MAX = 64 };

/* A descriptor that libcurl wants watched. */
struct http_socket {
    struct os_fd fd;
    struct http_pool *pool;
    struct http_socket *next, **link;
};

static struct http_socket *socket_of(struct os_fd *fd)
{
    return (struct http_socket *)((char *)fd - offsetof(struct http_socket, fd));
}

/* Reads libcurl's messages: the requests that have ended. */
static void take_messages(struct http_pool *pool)
{
    int left = 0;
    for (CURLMsg *m = curl_multi_info_read(pool->multi, &left); m != NULL;
            m = curl_multi_info_read(pool->multi, &left)) {
        if (m->msg != CURLMSG_DONE)
            continue;
        void *owner = NULL;
        CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
        http_request_end(owner, code);
    }
}

/* Lets libcurl act on a descriptor or on its timer, then does what waited for that. */
static void act(struct http_pool *pool, curl_socket_t fd, int events)
{
    struct net_http *http = pool->http;
    int running = 0;
    pool->request_count++; /* keeps the pool while messages are taken */
    http->depth++;
    (void)curl_multi_socket_action(pool->multi, fd, events, &running);
    http->depth--;
    take_messages(pool);
    pool->request_count--;
    http_requests_settle(http);
}

static void on_ready(struct os_fd *w, unsigned events)
{
    int bits = ((events & OS_LOOP_READ) ? CURL_CSELECT_IN : 0) |
               ((events & OS_LOOP_WRITE) ? CURL_CSELECT_OUT : 0);
    act(socket_of(w)->pool, w->fd, bits);
}

static void on_timer(struct os_timer *t)
{
    act((struct http_pool *)((char *)t - offsetof(struct http_pool, timer)), CURL_SOCKET_TIMEOUT,
            0);
}

static void socket_forget(struct http_socket *s)
{
    os_loop_fd_clear(s->pool->http->loop, &s->fd);
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    mem_free(s);
}

/* libcurl says what it wants to hear of a descriptor. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    (void)easy;
    struct http_pool *pool = user;
    struct http_socket *s = known;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            (void)curl_multi_assign(pool->multi, fd, NULL);
            socket_forget(s);
        }
        return 0;
    }
    unsigned events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= OS_LOOP_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= OS_LOOP_WRITE;
    if (s == NULL) {
        s = mem_alloc(1, sizeof *s);
        *s = (struct http_socket){.fd.ready = on_ready, .pool = pool, .next = pool->sockets};
        s->link = &pool->sockets;
        if (s->next != NULL)
            s->next->link = &s->next;
        pool->sockets = s;
        (void)curl_multi_assign(pool->multi, fd, s);
    }
    /* Past the descriptor limit the request ends by its own timeout. */
    (void)os_loop_fd_set(pool->http->loop, &s->fd, fd, events, NULL);
    return 0;
}

static int want_timer(CURLM *multi, long after_ms, void *user)
{
    (void)multi;
    struct http_pool *pool = user;
    struct os_loop *loop = pool->http->loop;
    if (after_ms < 0) {
        os_loop_timer_clear(loop, &pool->timer);
    } else {
        os_loop_timer_set(loop, &pool->timer, os_loop_now_ns(loop) + (int64_t)after_ms * 1000000);
    }
    return 0;
}

int http_pool_open(struct net_http *http, struct err *reterr)
{
    CURLM *multi = curl_multi_init();
    if (multi == NULL)
        return err_set(reterr, -ENOMEM, "libcurl does not start");
    struct http_pool *pool = mem_alloc(1, sizeof *pool);
    *pool = (struct http_pool){
            .http = http, .multi = multi, .timer.fire = on_timer, .next = http->pools};
    http->pools = pool;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT_MAX);
    return 0;
}

void http_pool_free(struct http_pool *pool)
{
    assert(pool->request_count == 0);
    struct net_http *http = pool->http;
    http->depth++;
    (void)curl_multi_cleanup(pool->multi);
    http->depth--;
    while (pool->sockets != NULL)
        socket_forget(pool->sockets);
    os_loop_timer_clear(http->loop, &pool->timer);
    mem_free(pool);
}

void http_pool_collect(struct net_http *http)
{
    if (http->pools == NULL)
        return;
    struct http_pool **at = &http->pools->next;
    while (*at != NULL) {
        struct http_pool *pool = *at;
        if (pool->request_count > 0) {
            at = &pool->next;
            continue;
        }
        *at = pool->next;
        http_pool_free(pool);
    }
}

CURLMcode http_pool_add(struct net_request *r)
{
    assert(r->http->depth == 0);
    r->http->depth++;
    CURLMcode code = curl_multi_add_handle(r->pool->multi, r->easy);
    r->http->depth--;
    return code;
}

void http_pool_remove(struct net_request *r)
{
    assert(r->http->depth == 0);
    r->http->depth++;
    (void)curl_multi_remove_handle(r->pool->multi, r->easy);
    r->http->depth--;
}
