/* kube/client.c - a queue of requests behind credentials and a token bucket, and what became of
 * each. */
#include "kube/client.h"

#include "base/arena.h"
#include "base/prng.h"
#include "kube/auth.h"
#include "kube/item-priv.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    QPS_MILLI = 20000,
    BURST = 40,
    ERROR_BODY_MAX = 64 << 10, /* of a Status */
    MESSAGE_SHOWN_MAX = 300,
    HTTP_UNAUTHORIZED = 401,
    HTTP_TOO_MANY = 429,
    HTTP_UNAVAILABLE = 503,
};

#define TIMEOUT_NS         INT64_C(30000000000)
#define RETRY_AFTER_MAX_NS INT64_C(120000000000)
#define CONNECT_TIMEOUT_NS INT64_C(10000000000)

enum request_state {
    REQUEST_QUEUED,
    REQUEST_SENT,
    REQUEST_RESTING, /* until Retry-After */
};

struct kube_request {
    struct kube_client *client;
    struct kube_request_spec spec; /* strings point behind the struct */
    enum request_state state;
    struct net_request *net;
    struct os_timer rest;
    unsigned retries;
    bool retried_login;
    bool handed_over; /* a byte of a 2xx went to the caller */
    int64_t queued_ns;
    struct buf answer;                 /* a collected 2xx, or the Status */
    struct kube_request *next, **link; /* in one of the client's lists */
    char text[];
};

/* A list with its end, so that requests leave in order. */
struct request_list {
    struct kube_request *first, **last;
};

struct kube_client {
    struct os_loop *loop;
    const struct kube_config *config;
    struct net_http *http;
    struct kube_auth auth;
    struct prng prng;
    const char *user_agent;
    uint32_t qps_milli, burst;
    int64_t tokens_nano; /* of one request: 1e9 is one */
    int64_t refilled_ns;
    struct request_list urgent, queue, others; /* others: sent or resting */
    uint32_t request_count;
    struct os_timer pump;
    struct os_timer ping;         /* runs while something waits that has an idle time-out */
    struct kube_request *pinging; /* NULL = none is under way */
    int64_t heard_ns;             /* when the server was last heard */
    struct item_parser parser;
    struct kube_client_stats stats;
};

/* --------------------------------------------------------------------------------------- lists */

static void list_add(struct request_list *l, struct kube_request *r)
{
    if (l->last == NULL)
        l->last = &l->first;
    r->next = NULL;
    r->link = l->last;
    *l->last = r;
    l->last = &r->next;
}

static void list_remove(struct request_list *l, struct kube_request *r)
{
    *r->link = r->next;
    if (r->next != NULL) {
        r->next->link = r->link;
    } else {
        l->last = r->link;
    }
    r->next = NULL;
    r->link = NULL;
}

static struct request_list *list_of(struct kube_request *r)
{
    if (r->state != REQUEST_QUEUED)
        return &r->client->others;
    return r->spec.unlimited ? &r->client->urgent : &r->client->queue;
}

static void move(struct kube_request *r, enum request_state state)
{
    list_remove(list_of(r), r);
    r->state = state;
    list_add(list_of(r), r);
}

static void request_free(struct kube_request *r)
{
    struct kube_client *c = r->client;
    list_remove(list_of(r), r);
    os_loop_timer_clear(c->loop, &r->rest);
    if (r->net != NULL)
        net_http_cancel(r->net);
    buf_clear(&r->answer);
    c->request_count--;
    mem_free(r);
}

static void wake(struct kube_client *c)
{
    os_loop_timer_set(c->loop, &c->pump, os_loop_now_ns(c->loop));
}

/* --------------------------------------------------------------------------------------- answers
 */

static void copy_reason(struct str text, char *ret_reason)
{
    size_t len = text.len < KUBE_REASON_MAX ? text.len : KUBE_REASON_MAX - 1;
    if (len > 0)
        memcpy(ret_reason, text.ptr, len);
    ret_reason[len] = '\0';
}

/* Reads reason and cause of a Status; returns its message, "" when the body is none. */
static struct str read_status(struct kube_client *c, struct str body, struct kube_answer *answer)
{
    struct kube_value status;
    if (item_parser_parse(&c->parser, body, &status, NULL) < 0 ||
            !str_eq_c(kube_value_str(kube_value_get(status, "kind")), "Status"))
        return (struct str){0};
    copy_reason(kube_value_str(kube_value_get(status, "reason")), answer->reason);
    KUBE_FOREACH(it, kube_value_at(status, "details.causes"))
    {
        copy_reason(kube_value_str(kube_value_get(it.value, "reason")), answer->cause);
        break;
    }
    int64_t seconds = kube_value_i64(kube_value_at(status, "details.retryAfterSeconds"), 0);
    if (answer->retry_after_ns < 0 && seconds > 0 && seconds <= 86400)
        answer->retry_after_ns = seconds * 1000000000;
    return kube_value_str(kube_value_get(status, "message"));
}

/* "GET /api/v1/pods": what errors begin with.  A query may hold selectors: left out. */
static int wrap(const struct kube_request *r, struct err *e)
{
    return err_wrap(e, "%s %.*s", r->spec.method, (int)strcspn(r->spec.path, "?"), r->spec.path);
}

static int errno_of(unsigned status)
{
    switch (status) {
    case HTTP_UNAUTHORIZED:
    case 403:
        return -EACCES;
    case 404:
        return -ENOENT;
    case 409:
        return -EEXIST;
    case 410:
        return -ESTALE;
    case 413:
        return -E2BIG;
    case HTTP_TOO_MANY:
    case HTTP_UNAVAILABLE:
        return -EAGAIN;
    default:
        return status >= 500 ? -EIO : -EINVAL;
    }
}

static void describe_refusal(struct kube_request *r, struct kube_answer *answer)
{
    struct str message = read_status(r->client, buf_str(&r->answer), answer);
    int shown = (int)(message.len < MESSAGE_SHOWN_MAX ? message.len : MESSAGE_SHOWN_MAX);
    (void)err_set(&answer->err, errno_of(answer->http_status), "%u%s%s%s%.*s", answer->http_status,
            answer->reason[0] == '\0' ? "" : " ", answer->reason, shown == 0 ? "" : ": ", shown,
            message.len == 0 ? "" : message.ptr);
    (void)wrap(r, &answer->err);
}

static void tell(struct kube_request *r, const struct kube_answer *answer)
{
    void (*done)(void *, const struct kube_answer *) = r->spec.done;
    void *user = r->spec.user;
    /* Out of all lists first: `done` may free everything else. */
    struct buf held = r->answer;
    r->answer = (struct buf){0};
    r->net = NULL;
    request_free(r);
    done(user, answer);
    buf_clear(&held);
}

/* The request never left. */
static void tell_unsent(struct kube_request *r, const struct err *why)
{
    struct kube_answer answer = {.outcome = KUBE_REJECTED, .retry_after_ns = -1, .err = *why};
    (void)wrap(r, &answer.err);
    tell(r, &answer);
}

static void on_rest(struct os_timer *t)
{
    struct kube_request *r =
            (struct kube_request *)((char *)t - offsetof(struct kube_request, rest));
    move(r, REQUEST_QUEUED);
    wake(r->client);
}

/* Puts the request back, to leave again after a rest. */
static void try_again(struct kube_request *r, int64_t rest_ns)
{
    struct kube_client *c = r->client;
    r->net = NULL;
    buf_reset(&r->answer);
    c->stats.retries++;
    move(r, REQUEST_RESTING);
    os_loop_timer_set(c->loop, &r->rest, os_loop_now_ns(c->loop) + rest_ns);
}

/* True when the request was put back instead of being told. */
static bool was_put_back(struct kube_request *r, const struct net_result *result, int64_t after_ns)
{
    if (result->status == HTTP_UNAUTHORIZED && !r->retried_login &&
            kube_auth_refused(&r->client->auth)) {
        r->retried_login = true;
        try_again(r, 0);
        return true;
    }
    bool busy = result->status == HTTP_TOO_MANY || result->status == HTTP_UNAVAILABLE;
    if (!busy || after_ns < 0 || r->retries >= r->spec.retry_max || r->handed_over)
        return false;
    r->retries++;
    if (after_ns > RETRY_AFTER_MAX_NS)
        after_ns = RETRY_AFTER_MAX_NS;
    /* Up to a quarter later, so that not all come back at once. */
    int64_t jitter = (int64_t)kube_client_draw(r->client, (uint64_t)after_ns / 4 + 1);
    try_again(r, after_ns + jitter);
    return true;
}

static void tell_answer(struct kube_request *r, const struct net_result *result)
{
    struct kube_answer answer = {
            .http_status = result->status, .retry_after_ns = result->retry_after_ns};
    if (result->status >= 200 && result->status < 300) {
        answer.outcome = KUBE_DONE;
        answer.body = buf_str(&r->answer);
        tell(r, &answer);
        return;
    }
    describe_refusal(r, &answer);
    if (was_put_back(r, result, answer.retry_after_ns))
        return;
    answer.outcome = result->status >= 500 ? KUBE_UNKNOWN : KUBE_REJECTED;
    tell(r, &answer);
}

static void on_done(void *user, const struct net_result *result)
{
    struct kube_request *r = user;
    struct kube_client *c = r->client;
    c->stats.answers_429 += result->status == HTTP_TOO_MANY;
    c->stats.answers_5xx += result->status >= 500;
    c->stats.lost += result->end == NET_END_LOST;
    r->net = NULL;
    if (result->end == NET_END_DONE) {
        tell_answer(r, result);
        return;
    }
    if (result->err.code == -EPERM) /* certificates that do not fit: a rotation, perhaps */
        (void)kube_auth_refused(&c->auth);
    struct kube_answer answer = {
            .outcome = result->end == NET_END_NOT_SENT ? KUBE_REJECTED : KUBE_UNKNOWN,
            .http_status = result->end == NET_END_NOT_SENT ? 0 : result->status,
            .retry_after_ns = -1,
            .idle = result->idle,
            .stopped = result->end == NET_END_STOPPED,
            .err = result->err,
    };
    (void)wrap(r, &answer.err);
    tell(r, &answer);
}

static void on_head(void *user, unsigned status)
{
    const struct kube_request *r = user;
    r->client->heard_ns = os_loop_now_ns(r->client->loop);
    if (status >= 200 && status < 300 && r->spec.on_head != NULL)
        r->spec.on_head(r->spec.user);
}

static int on_body(void *user, unsigned status, struct str chunk)
{
    struct kube_request *r = user;
    r->client->heard_ns = os_loop_now_ns(r->client->loop);
    bool good = status >= 200 && status < 300;
    if (good && r->spec.on_body != NULL) {
        r->handed_over = true;
        return r->spec.on_body(r->spec.user, chunk);
    }
    size_t max = good ? r->answer.max : ERROR_BODY_MAX;
    if (good && chunk.len > max - r->answer.len)
        return -E2BIG;
    if (chunk.len <= max && r->answer.len <= max - chunk.len)
        buf_put(&r->answer, chunk); /* of a Status only what fits */
    return 0;
}

/* --------------------------------------------------------------------------------- quiet servers
 *
 * A watch of what nobody changes may hear nothing for hours: the API server sends bookmarks only
 * where something happens.  What client-go learns from HTTP/2's PING is learned here from a small
 * request on the same connection (libcurl 7.88 pings only connections that nobody uses). */

enum { PINGS_A_TIMEOUT = 3 };

static void on_pong(void *user, const struct kube_answer *answer)
{
    struct kube_client *c = user;
    (void)answer;
    c->pinging = NULL;
}

/* The least idle time-out of what waits for an answer; 0 = none waits so. */
static int64_t least_idle_ns(const struct kube_client *c)
{
    int64_t least_ns = 0;
    for (const struct kube_request *r = c->others.first; r != NULL; r = r->next) {
        int64_t idle_ns = r->net != NULL ? r->spec.idle_timeout_ns : 0;
        if (idle_ns > 0 && (least_ns == 0 || idle_ns < least_ns))
            least_ns = idle_ns;
    }
    return least_ns;
}

static void on_ping(struct os_timer *t)
{
    struct kube_client *c = (struct kube_client *)((char *)t - offsetof(struct kube_client, ping));
    int64_t now_ns = os_loop_now_ns(c->loop);
    int64_t every_ns = least_idle_ns(c) / PINGS_A_TIMEOUT;
    if (every_ns == 0)
        return;
    int64_t due_ns = c->heard_ns + every_ns;
    if (due_ns > now_ns) {
        os_loop_timer_set(c->loop, t, due_ns);
        return;
    }
    os_loop_timer_set(c->loop, t, now_ns + every_ns);
    if (c->pinging != NULL)
        return;
    struct kube_request_spec spec = {.method = "GET",
            .path = "/version",
            .timeout_ns = every_ns,
            .unlimited = true,
            .done = on_pong,
            .user = c};
    c->stats.pings++;
    if (kube_client_start(c, &spec, &c->pinging, NULL) < 0)
        c->pinging = NULL;
}

static void expect_quiet(struct kube_client *c, int64_t idle_ns)
{
    int64_t at_ns = os_loop_now_ns(c->loop) + idle_ns / PINGS_A_TIMEOUT;
    if (idle_ns > 0 && (!os_loop_timer_is_set(&c->ping) || c->ping.deadline_mono_ns > at_ns))
        os_loop_timer_set(c->loop, &c->ping, at_ns);
}

/* --------------------------------------------------------------------------------------- sending
 */

static void put_header(struct net_request_spec *spec, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    assert(spec->header_count < NET_HEADERS_MAX);
    spec->headers[spec->header_count++] = (struct net_header){str_from(name), value};
}

static void put_headers(const struct kube_request *r, struct net_request_spec *spec)
{
    const struct kube_client *c = r->client;
    put_header(spec, "Authorization", buf_str(&c->auth.authorization));
    put_header(spec, "Accept", STR_LIT("application/json"));
    put_header(spec, "User-Agent", str_from(c->user_agent));
    if (r->spec.body.len > 0)
        put_header(spec, "Content-Type", str_from(r->spec.content_type));
    put_header(spec, "Impersonate-User", c->config->as_user);
    put_header(spec, "Impersonate-Uid", c->config->as_uid);
    for (uint32_t i = 0; i < c->config->as_group_count; i++)
        put_header(spec, "Impersonate-Group", c->config->as_groups[i]);
}

static void send(struct kube_request *r)
{
    struct kube_client *c = r->client;
    struct buf url = BUF_INIT(NET_URL_BYTES_MAX);
    buf_put(&url, c->config->server);
    buf_puts(&url, r->spec.path);
    struct net_request_spec spec = {
            .method = r->spec.method,
            .url = buf_str(&url),
            .gzip = r->spec.gzip,
            .body = r->spec.body,
            .tls = &c->auth.tls,
            .proxy = c->config->proxy_url,
            .connect_timeout_ns = CONNECT_TIMEOUT_NS,
            .timeout_ns = r->spec.timeout_ns < 0 ? 0 : r->spec.timeout_ns,
            .idle_timeout_ns = r->spec.idle_timeout_ns,
            .on_head = on_head,
            .on_body = on_body,
            .done = on_done,
            .user = r,
    };
    put_headers(r, &spec);
    move(r, REQUEST_SENT);
    c->stats.requests++;
    struct err fault = {0};
    int code = net_http_start(c->http, &spec, &r->net, &fault);
    buf_clear(&url);
    if (code < 0) {
        r->net = NULL;
        tell_unsent(r, &fault);
        return;
    }
    expect_quiet(c, r->spec.idle_timeout_ns);
}

/* Takes a token, or says when there will be one (mono ns). */
static bool take_token(struct kube_client *c, int64_t *ret_when_ns)
{
    int64_t now_ns = os_loop_now_ns(c->loop);
    int64_t full = (int64_t)c->burst * 1000000000;
    int64_t passed_ns = now_ns - c->refilled_ns;
    /* Nano-tokens: ns * requests a second; a second of a full bucket at most. */
    int64_t most_ns = full / c->qps_milli * 1000 + 1000000000;
    if (passed_ns > most_ns)
        passed_ns = most_ns;
    c->tokens_nano += passed_ns * (int64_t)c->qps_milli / 1000;
    c->refilled_ns = now_ns;
    if (c->tokens_nano > full)
        c->tokens_nano = full;
    if (c->tokens_nano >= 1000000000) {
        c->tokens_nano -= 1000000000;
        return true;
    }
    *ret_when_ns = now_ns + (1000000000 - c->tokens_nano) * 1000 / c->qps_milli + 1;
    return false;
}

/* All that wait end with the reason why there are no credentials. */
static void refuse_all(struct kube_client *c)
{
    struct err why = c->auth.fault;
    for (uint32_t left = c->request_count; left > 0; left--) {
        struct kube_request *r = c->urgent.first != NULL ? c->urgent.first : c->queue.first;
        if (r == NULL)
            return;
        tell_unsent(r, &why);
    }
}

static void on_pump(struct os_timer *t)
{
    struct kube_client *c = (struct kube_client *)((char *)t - offsetof(struct kube_client, pump));
    if (c->urgent.first == NULL && c->queue.first == NULL)
        return;
    switch (kube_auth_get(&c->auth)) {
    case KUBE_AUTH_WAIT:
        return;
    case KUBE_AUTH_FAILED:
        refuse_all(c);
        return;
    case KUBE_AUTH_READY:
        break;
    }
    while (c->urgent.first != NULL)
        send(c->urgent.first);
    int64_t when_ns = 0;
    while (c->queue.first != NULL) {
        if (!take_token(c, &when_ns)) {
            os_loop_timer_set(c->loop, &c->pump, when_ns);
            return;
        }
        int64_t waited_ns = os_loop_now_ns(c->loop) - c->queue.first->queued_ns;
        c->stats.throttled_ns += waited_ns > 0 ? (uint64_t)waited_ns : 0u;
        send(c->queue.first);
    }
}

static void auth_ready(void *user)
{
    wake(user);
}

static void auth_renewed(void *user)
{
    kube_client_renew(user);
}

/* ------------------------------------------------------------------------------------------- API
 */

int kube_client_new(struct os_loop *loop, const struct kube_config *config,
        const struct kube_client_options *options, struct kube_client **ret_client,
        struct err *reterr)
{
    struct kube_client *c = mem_alloc(1, sizeof *c);
    int r = net_http_new(loop, &c->http, reterr);
    if (r < 0) {
        mem_free(c);
        return r;
    }
    c->loop = loop;
    c->config = config;
    c->auth = (struct kube_auth){.loop = loop,
            .config = config,
            .ready = auth_ready,
            .renewed = auth_renewed,
            .user = c};
    c->pump.fire = on_pump;
    c->ping.fire = on_ping;
    c->qps_milli = options->qps_milli == 0 ? QPS_MILLI : options->qps_milli;
    c->burst = options->burst == 0 ? BURST : options->burst;
    c->tokens_nano = (int64_t)c->burst * 1000000000;
    c->refilled_ns = os_loop_now_ns(loop);
    c->user_agent = options->user_agent == NULL ? "slicewright" : options->user_agent;
    prng_init(&c->prng, options->seed);
    *ret_client = c;
    return 0;
}

void kube_client_free(struct kube_client *client)
{
    if (client == NULL)
        return;
    struct request_list *const lists[] = {&client->urgent, &client->queue, &client->others};
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (lists[i]->first != NULL)
            request_free(lists[i]->first);
    }
    kube_auth_clear(&client->auth);
    net_http_free(client->http);
    os_loop_timer_clear(client->loop, &client->pump);
    os_loop_timer_clear(client->loop, &client->ping);
    item_parser_clear(&client->parser);
    mem_free(client);
}

/* Copies a string behind the struct; `*at` moves on. */
static const char *keep(char **at, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = memcpy(*at, s, size);
    *at += size;
    return copy;
}

int kube_client_start(struct kube_client *client, const struct kube_request_spec *spec,
        struct kube_request **ret_request, struct err *reterr)
{
    assert(spec->path[0] == '/' && spec->done != NULL);
    if (client->request_count >= KUBE_QUEUE_MAX)
        return err_set(reterr, -E2BIG, "more than %d requests wait", KUBE_QUEUE_MAX);
    if (strlen(spec->path) > KUBE_PATH_MAX)
        return err_set(reterr, -E2BIG, "a path of more than %d bytes", KUBE_PATH_MAX);
    const char *type = spec->content_type == NULL ? "application/json" : spec->content_type;
    size_t size = strlen(spec->method) + strlen(spec->path) + strlen(type) + 3 + spec->body.len;
    struct kube_request *r = mem_alloc(1, sizeof *r + size);
    char *at = r->text;
    r->client = client;
    r->spec = *spec;
    r->spec.method = keep(&at, spec->method);
    r->spec.path = keep(&at, spec->path);
    r->spec.content_type = keep(&at, type);
    if (spec->body.len > 0)
        r->spec.body = (struct str){memcpy(at, spec->body.ptr, spec->body.len), spec->body.len};
    if (spec->timeout_ns == 0)
        r->spec.timeout_ns = TIMEOUT_NS;
    r->answer = BUF_INIT(spec->body_bytes_max == 0 ? KUBE_BODY_BYTES_MAX : spec->body_bytes_max);
    r->rest.fire = on_rest;
    r->state = REQUEST_QUEUED;
    r->queued_ns = os_loop_now_ns(client->loop);
    list_add(list_of(r), r);
    client->request_count++;
    wake(client);
    *ret_request = r;
    return 0;
}

void kube_client_cancel(struct kube_request *request)
{
    request_free(request);
}

void kube_client_renew(struct kube_client *client)
{
    net_http_renew(client->http);
}

struct os_loop *kube_client_loop(struct kube_client *client)
{
    return client->loop;
}

const struct kube_config *kube_client_config(const struct kube_client *client)
{
    return client->config;
}

uint64_t kube_client_draw(struct kube_client *client, uint64_t bound)
{
    return prng_below(&client->prng, bound);
}

struct kube_client_stats kube_client_stats(const struct kube_client *client)
{
    struct kube_client_stats stats = client->stats;
    stats.logins = client->auth.logins;
    return stats;
}
