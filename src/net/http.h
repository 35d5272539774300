/* net/http.h - an asynchronous HTTP client on the loop: HTTP/2, TLS from memory, streamed bodies.
 *
 * Below the purity line.  libcurl's multi interface; requests to one server share one HTTP/2
 * connection (up to 1000 streams, or what the server allows).  Single-threaded: callbacks come from
 * os_loop_turn().  No body, header value or key is ever logged or put into an error text. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/str.h"
#include "os/loop.h"

struct net_http;    /* a client: connections and requests */
struct net_request; /* one request in flight */

enum {
    NET_HEADERS_MAX = 16, /* that a request sends */
    NET_URL_BYTES_MAX = 16 << 10,
    NET_REQUESTS_MAX = 4096, /* in flight, of one client */
};

/* Copied by net_http_start(): the blobs may be freed after it. */
struct net_tls {
    struct str ca_pem;      /* "" = the system's authorities */
    struct str cert_pem;    /* client certificate, "" = none */
    struct str key_pem;     /* its key; never logged */
    struct str server_name; /* expected in the certificate and sent as SNI; "" = the URL's host */
    bool insecure;          /* nothing is verified; the caller warns */
};

/* What became of a request.  NOT_SENT: the server certainly has not seen it.  LOST: it may have. */
enum net_end {
    NET_END_DONE,     /* a whole answer, of whatever status */
    NET_END_NOT_SENT, /* name, connect, TLS or proxy */
    NET_END_LOST,     /* after the request may have been sent: cut, timed out, broken answer */
    NET_END_STOPPED,  /* the body callback said so, or the body was over its limit */
};

struct net_result {
    enum net_end end;
    unsigned status;         /* HTTP; 0 when no answer began */
    int64_t retry_after_ns;  /* Retry-After; -1 when absent (a date counts from now) */
    struct str content_type; /* of the answer, valid during the call; "" when absent */
    bool timed_out;          /* LOST or NOT_SENT by a limit of time of ours */
    bool idle;               /* LOST by idle_timeout_ns: the connection is silent */
    bool over_limit;         /* STOPPED by body_bytes_max */
    struct str body;         /* without on_body: the whole body, valid during the call */
    struct err err;          /* unless DONE: what happened, without secrets */
};

struct net_header {
    struct str name, value;
};

struct net_request_spec {
    const char *method; /* "GET" ... */
    struct str url;     /* "https://host:port/path?query" or http:// */
    struct net_header headers[NET_HEADERS_MAX];
    unsigned header_count;
    bool gzip;       /* the answer may come compressed; what is handed over is not */
    struct str body; /* copied; sent at most once: never again by itself on another connection */
    const struct net_tls *tls;  /* NULL = none set */
    struct str proxy;           /* http://, https:// or socks5:// URL; "" = none */
    int64_t connect_timeout_ns; /* 0 = 10 s */
    int64_t timeout_ns;         /* of the whole; 0 = none */
    int64_t idle_timeout_ns;    /* no byte of any answer on its connection for so long; 0 = none */
    size_t body_bytes_max;      /* of the answer, decompressed; with on_body 0 = no limit */
    /* The head of the answer is there (none of a redirect or a 1xx); may be NULL. */
    void (*on_head)(void *user, unsigned status);
    /* The body as it comes (after the status is known; also of error answers).  Not 0: stop.  NULL:
     * collected for `done`. */
    int (*on_body)(void *user, unsigned status, struct str chunk);
    /* Once, unless cancelled.  The request is gone after it. */
    void (*done)(void *user, const struct net_result *result);
    void *user;
};

int net_http_new(struct os_loop *loop, struct net_http **ret_http, struct err *reterr);

/* Cancels what is in flight (`done` is not called); not from a callback.  NULL is accepted. */
void net_http_free(struct net_http *http);

/* Everything in the spec is copied.  -E2BIG over a limit, -EINVAL for a malformed URL or a header
 * with a line break; nothing is called then.  `done` never comes from within this call. */
int net_http_start(struct net_http *http, const struct net_request_spec *spec,
        struct net_request **ret_request, struct err *reterr);

/* Ends the request without calling `done`; allowed in callbacks, its own too. */
void net_http_cancel(struct net_request *request);

/* Later requests open new connections; those in flight go on.  For a peer that is dead without
 * having said so, and for new certificates. */
void net_http_renew(struct net_http *http);

struct os_loop *net_http_loop(struct net_http *http);

/* Open connections, and all ever opened: for tests and metrics. */
unsigned net_http_connection_count(const struct net_http *http);
uint64_t net_http_connections_opened(const struct net_http *http);

/* Appends `s` escaped for a URL's query. */
struct buf;
void net_http_escape(struct buf *out, struct str s);

#endif
