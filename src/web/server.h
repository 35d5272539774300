/* web/server.h - a small HTTP server on the loop: metrics, health, a JSON API.
 *
 * Below the purity line; libmicrohttpd with external epoll, HTTP/1.1, no TLS (a service mesh or
 * kube-rbac-proxy adds it).  GET and HEAD only; bounded: connections (with all taken, the one that
 * has been idle longest goes), bytes of a request's head, and the time that a request may take to
 * arrive and its answer to leave.  On a loopback address only requests to a host called localhost
 * or by an address are answered, so that no page in a browser can rebind its name to us. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "os/loop.h"

struct web_server;

enum {
    WEB_ROUTES_MAX = 32,
    WEB_CONNECTIONS_MAX = 64,
    WEB_HEAD_BYTES_MAX = 16 << 10,
    WEB_BODY_BYTES_MAX = 64 << 20,
};

struct web_request {
    struct str path;  /* "/api/v1/nodes/gpu-1", decoded */
    const void *more; /* private: web_query() */
};

struct web_route {
    const char *path; /* exact, or a prefix when it ends in "/"; the longest that fits is taken */
    /* Appends the body, returns the HTTP status; *ret_type is "text/plain; charset=utf-8" unless
     * set (static). */
    unsigned (*get)(
            void *user, const struct web_request *request, struct buf *body, const char **ret_type);
};

struct web_server_options {
    const char *listen;             /* "ADDRESS:PORT", ":8080" (all), "127.0.0.1:0", "[::1]:0" */
    const struct web_route *routes; /* static */
    uint32_t route_count;
    void *user;
    int64_t request_ns; /* for a request to arrive and its answer to leave; 0 = 15 s.  A connection
                           that is kept has four times as long for the next one. */
};

/* -EINVAL for what is no address, -EADDRINUSE and the like, with one line that names it. */
int web_server_start(struct os_loop *loop, const struct web_server_options *options,
        struct web_server **ret_server, struct err *reterr);
void web_server_stop(struct web_server *s); /* not from a route; NULL is accepted */

uint16_t web_server_port(const struct web_server *s);

/* The value of ?key=, decoded, valid during the call; "" when absent. */
struct str web_query(const struct web_request *request, const char *key);

struct web_server_stats {
    uint64_t requests, refused, cut; /* answered by a route; by us (404, 405, 403); cut for time */
    uint32_t connections;            /* now */
};
struct web_server_stats web_server_stats(const struct web_server *s);

#endif
