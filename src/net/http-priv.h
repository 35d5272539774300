/* net/http-priv.h - what http.c (requests) and pool.c (libcurl's multi handles) share. */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include "base/buf.h"
#include "net/http.h"

#include <curl/curl.h>

/* One libcurl multi handle with its connections.  net_http_renew() makes a new one; the old one
 * goes with its last request, and so do its connections: libcurl itself would put new requests on a
 * connection whose peer is dead. */
struct http_pool {
    struct net_http *http;
    CURLM *multi;
    struct os_timer timer;
    unsigned request_count;
    struct http_socket *sockets; /* that libcurl wants watched */
    struct http_pool *next;
};

struct net_http {
    struct os_loop *loop;
    struct http_pool *pools; /* the first is the current one */
    struct net_request *requests;
    unsigned request_count;
    unsigned depth;       /* > 0: within a call of libcurl, which may not be called then */
    struct os_timer kick; /* starts and ends what could not be at depth > 0 */
    unsigned open_count;
    uint64_t opened_count;
};

enum { HTTP_CONNECTION_MAX = 64 };

enum http_state {
    HTTP_WAITING, /* to be added to its pool */
    HTTP_RUNNING, /* libcurl has it */
    HTTP_OVER,    /* cancelled where libcurl could not be called: to be removed */
    HTTP_TOLD,    /* within `done` */
};

struct net_request {
    struct net_http *http;
    struct http_pool *pool;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct os_timer idle;
    enum http_state state;
    bool may_be_sent; /* a connection was there and the request was being written */
    bool stopped, over_limit, idled;
    unsigned status;
    char connection[HTTP_CONNECTION_MAX]; /* our end of it, "" before there is one */
    int64_t heard_ns;                     /* when a byte came on its connection, or the start */
    int64_t idle_timeout_ns;
    struct str body; /* of the request; owned */
    size_t body_sent;
    struct buf answer;
    size_t answer_bytes, answer_bytes_max;
    void (*on_head)(void *user, unsigned status);
    int (*on_body)(void *user, unsigned status, struct str chunk);
    void (*done)(void *user, const struct net_result *result);
    void *user;
    struct net_request *next, **link; /* in http->requests */
    char fault[CURL_ERROR_SIZE];
};

/* A new current pool. */
int http_pool_open(struct net_http *http, struct err *reterr);

/* Frees the pools that are not current and have no request. */
void http_pool_collect(struct net_http *http);
void http_pool_free(struct http_pool *pool);

/* Hands the request to libcurl, takes it back. */
CURLMcode http_pool_add(struct net_request *r);
void http_pool_remove(struct net_request *r);

/* A request has ended by libcurl's word; or is to be ended by ours (code CURL_LAST). */
void http_request_end(struct net_request *r, CURLcode code);

/* Starts what waits and drops what is over; called at depth 0. */
void http_requests_settle(struct net_http *http);

#endif
