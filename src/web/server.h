/* web/server.h - a small HTTP server on the loop: metrics, health, a JSON API.
 *
 * Below the purity line; libmicrohttpd with external epoll, HTTP/1.1, no TLS (a service mesh or
 * kube-rbac-proxy adds it).  GET and HEAD only; bounded: connections, header bytes, idle time. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "os/loop.h"

struct web_server;

enum { WEB_ROUTES_MAX = 32, WEB_CONNECTIONS_MAX = 64 };

struct web_request {
    struct str path;  /* "/api/v1/nodes/gpu-1" */
    struct str query; /* of one key: web_query() */
    const void *more; /* private */
};

struct web_route {
    const char *path; /* exact, or a prefix when it ends in "/" */
    /* Appends the body, returns the HTTP status; *ret_type is "text/plain; charset=utf-8" unless
     * set (static). */
    unsigned (*get)(
            void *user, const struct web_request *request, struct buf *body, const char **ret_type);
};

struct web_server_options {
    const char *listen;             /* "ADDRESS:PORT", ":8080" (all), "127.0.0.1:0" */
    const struct web_route *routes; /* static */
    uint32_t route_count;
    void *user;
};

/* -EADDRINUSE and the like with one line that names the address. */
int web_server_start(struct os_loop *loop, const struct web_server_options *options,
        struct web_server **ret_server, struct err *reterr);
void web_server_stop(struct web_server *s); /* NULL is accepted */

uint16_t web_server_port(const struct web_server *s);

/* The value of ?key=, "" when absent. */
struct str web_query(const struct web_request *request, const char *key);

#endif
