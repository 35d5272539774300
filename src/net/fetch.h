/* net/fetch.h - text from many endpoints at once, each with limits: exporters, Prometheus.
 *
 * Below the purity line.  One GET an endpoint, at most `parallel` at a time. */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include "net/http.h"

struct net_fetch; /* a round over a list of endpoints */

struct net_fetch_target {
    struct str url;
    const struct net_tls *tls; /* NULL = the system's */
    struct str bearer;         /* token; "" = none; never logged */
    struct str accept;         /* "" = text/plain */
};

struct net_fetch_spec {
    const struct net_fetch_target *targets; /* copied */
    uint32_t target_count;
    uint32_t parallel;  /* 0 = 32 */
    int64_t timeout_ns; /* of one; 0 = 10 s */
    size_t bytes_max;   /* of one; 0 = 64 MiB */
    /* One answer, its body valid during the call.  err NULL: of a 200; else it says why, and the
     * text is what the server wrote about it, often nothing. */
    void (*got)(void *user, uint32_t target, struct str text, const struct err *err);
    void (*done)(void *user); /* after the last `got`; the round is gone after it */
    void *user;
};

int net_fetch_start(struct net_http *http, const struct net_fetch_spec *spec,
        struct net_fetch **ret_fetch, struct err *reterr);
void net_fetch_cancel(struct net_fetch *f); /* calls nothing */

#endif
