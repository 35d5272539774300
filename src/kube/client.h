/* kube/client.h - requests to one API server: credentials, rate limit, retries, and an outcome.
 *
 * On the loop, single-threaded.  A client owns its connections, its credentials (re-read and
 * rotated: token files each minute and on 401, certificate files when they change, exec plugins at
 * expiry and on 401) and a queue in order of arrival behind a token bucket.  Nothing that it logs
 * or returns as an error holds a token, password, key or body. */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include "kube/config.h"
#include "net/http.h"

struct kube_client;
struct kube_request;

enum {
    KUBE_PATH_MAX = 4096,
    KUBE_REASON_MAX = 64,
    KUBE_BODY_BYTES_MAX = 16 << 20, /* of an answer that is collected */
    KUBE_QUEUE_MAX = 16384,
};

/* What is known of a request afterwards.  UNKNOWN: look again, never take it for failed. */
enum kube_outcome {
    KUBE_DONE,     /* 2xx */
    KUBE_REJECTED, /* the server said no (http_status), or never saw it (http_status 0) */
    KUBE_UNKNOWN,  /* the connection was lost after the request may have been sent; or 5xx, which
                      may come after the write */
};

struct kube_answer {
    enum kube_outcome outcome;
    unsigned http_status;         /* 0 = no answer */
    char reason[KUBE_REASON_MAX]; /* of the Status object: "Conflict", "Expired", ... or "" */
    char cause[KUBE_REASON_MAX];  /* details.causes[0].reason, e.g. "DisruptionBudget" */
    int64_t retry_after_ns;       /* -1 = the server named none */
    struct str body;              /* 2xx, collected; valid during the call */
    bool idle;                    /* the server was silent for idle_timeout_ns */
    bool stopped;                 /* on_body said so, or the answer was over its limit */
    struct err err;               /* unless DONE: one line, e.g. "PATCH /api/v1/nodes/a: 409
                                     Conflict: ..." */
};

struct kube_request_spec {
    const char *method;
    const char *path;         /* "/api/v1/pods?limit=500", below the config's server */
    const char *content_type; /* of the body; NULL = application/json */
    struct str body;
    int64_t timeout_ns; /* of an attempt; 0 = 30 s; negative = none (watches) */
    /* Ends the request when not a byte of any answer came on its connection for so long; 0 = never.
     * A server that has nothing to say is asked for its version before that: quiet is not dead. */
    int64_t idle_timeout_ns;
    size_t body_bytes_max;       /* 0 = KUBE_BODY_BYTES_MAX; with on_body: no limit */
    unsigned retry_max;          /* 429 and 503 with Retry-After, before any byte was handed over */
    bool unlimited;              /* do not count against the rate limit (lease renewals) */
    bool gzip;                   /* let the server compress the answer */
    void (*on_head)(void *user); /* a 2xx has begun; may be NULL */
    /* Bodies of 2xx as they come; not 0 ends the request.  NULL: collected. */
    int (*on_body)(void *user, struct str chunk);
    void (*done)(void *user, const struct kube_answer *answer); /* once, unless cancelled */
    void *user;
};

struct kube_client_options {
    uint32_t qps_milli;     /* 0 = 20,000: 20 a second */
    uint32_t burst;         /* 0 = 40 */
    uint64_t seed;          /* of the jitter */
    const char *user_agent; /* NULL = "slicewright" */
};

/* config: must outlive the client (with its arena). */
int kube_client_new(struct os_loop *loop, const struct kube_config *config,
        const struct kube_client_options *options, struct kube_client **ret_client,
        struct err *reterr);

/* Cancels everything in flight; not from a callback.  NULL is accepted. */
void kube_client_free(struct kube_client *client);

/* Spec is copied (body too).  -E2BIG over a limit.  `done` never comes from within this call. */
int kube_client_start(struct kube_client *client, const struct kube_request_spec *spec,
        struct kube_request **ret_request, struct err *reterr);
void kube_client_cancel(struct kube_request *request); /* `done` is not called */

/* For a peer that stopped answering: later requests use new connections. */
void kube_client_renew(struct kube_client *client);

struct os_loop *kube_client_loop(struct kube_client *client);
const struct kube_config *kube_client_config(const struct kube_client *client);

/* A draw from the client's own seed, for jitter: uniform in [0, bound). */
uint64_t kube_client_draw(struct kube_client *client, uint64_t bound);

/* Counters for metrics. */
struct kube_client_stats {
    uint64_t requests, retries, throttled_ns, answers_429, answers_5xx, lost, logins, pings;
};
struct kube_client_stats kube_client_stats(const struct kube_client *client);

#endif
