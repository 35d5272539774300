/* net/http.c - requests: from a spec to libcurl and back.  Below the purity line.
 *
 * libcurl sends a request again by itself when a kept connection turns out to be closed; for a
 * request with a body that could make one write two, so its body is handed out once only. */
#include "net/http-priv.h"

#include "base/arena.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_NS INT64_C(10000000000)

enum {
    BUFFER_BYTES = 64 << 10,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_EVERY_S = 15,
    UNACKNOWLEDGED_MS = 60000,
};

static void on_kick(struct os_timer *t)
{
    http_requests_settle((struct net_http *)((char *)t - offsetof(struct net_http, kick)));
}

int net_http_new(struct os_loop *loop, struct net_http **ret_http, struct err *reterr)
{
    /* Counted by libcurl itself; pairs with the cleanup in net_http_free(). */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(reterr, -ENOMEM, "libcurl does not start");
    struct net_http *http = mem_alloc(1, sizeof *http);
    *http = (struct net_http){.loop = loop, .kick.fire = on_kick};
    int r = http_pool_open(http, reterr);
    if (r < 0) {
        mem_free(http);
        curl_global_cleanup();
        return r;
    }
    *ret_http = http;
    return 0;
}

static void request_free(struct net_request *r)
{
    struct net_http *http = r->http;
    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    http->request_count--;
    r->pool->request_count--;
    os_loop_timer_clear(http->loop, &r->idle);
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->headers);
    curl_slist_free_all(r->connect_to);
    if (r->body.ptr != NULL) {
        explicit_bzero((void *)(uintptr_t)r->body.ptr, r->body.len);
        mem_free((void *)(uintptr_t)r->body.ptr);
    }
    buf_clear(&r->answer);
    mem_free(r);
}

void net_http_free(struct net_http *http)
{
    if (http == NULL)
        return;
    assert(http->depth == 0);
    while (http->requests != NULL) {
        struct net_request *r = http->requests;
        if (r->state == HTTP_RUNNING)
            http_pool_remove(r);
        request_free(r);
    }
    while (http->pools != NULL) {
        struct http_pool *pool = http->pools;
        http->pools = pool->next;
        http_pool_free(pool);
    }
    os_loop_timer_clear(http->loop, &http->kick);
    mem_free(http);
    curl_global_cleanup();
}

void net_http_renew(struct net_http *http)
{
    /* Without memory for another pool the present one must do. */
    (void)http_pool_open(http, NULL);
    if (http->depth == 0)
        http_pool_collect(http);
}

struct os_loop *net_http_loop(struct net_http *http)
{
    return http->loop;
}

unsigned net_http_connection_count(const struct net_http *http)
{
    return http->open_count;
}

uint64_t net_http_connections_opened(const struct net_http *http)
{
    return http->opened_count;
}

/* -------------------------------------------------------------------------- libcurl's questions */

/* A connection is there and the request is about to be written.  A second time after body bytes
 * went out would be a second write. */
static int before_request(void *user, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer;
    (void)peer_port;
    struct net_request *r = user;
    if (r->body_sent > 0)
        return CURL_PREREQFUNC_ABORT;
    r->may_be_sent = true;
    if (local != NULL && local_port > 0)
        (void)snprintf(r->connection, sizeof r->connection, "%s %d", local, local_port);
    return CURL_PREREQFUNC_OK;
}

static size_t give_body(char *into, size_t size, size_t count, void *user)
{
    struct net_request *r = user;
    size_t room = size * count;
    size_t left = r->body.len - r->body_sent;
    size_t give = left < room ? left : room;
    if (give > 0)
        memcpy(into, r->body.ptr + r->body_sent, give);
    r->body_sent += give;
    return give;
}

static int refuse_rewind(void *user, curl_off_t offset, int origin)
{
    const struct net_request *r = user;
    bool untouched = r->body_sent == 0 && offset == 0 && origin == SEEK_SET;
    return untouched ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* A byte of this answer says that its connection lives, and so for all that wait on it: a watch may
 * be quiet for hours. */
static void hear(struct net_request *r)
{
    int64_t now_ns = os_loop_now_ns(r->http->loop);
    if (r->heard_ns == now_ns)
        return;
    r->heard_ns = now_ns;
    for (struct net_request *q = r->http->requests; q != NULL; q = q->next) {
        if (q->idle_timeout_ns > 0 && q->pool == r->pool && q->connection[0] != '\0' &&
                strcmp(q->connection, r->connection) == 0)
            q->heard_ns = now_ns;
    }
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    struct net_request *r = user;
    size_t len = size * count;
    if (r->state == HTTP_OVER)
        return 0;
    hear(r);
    if (r->answer_bytes_max > 0 && len > r->answer_bytes_max - r->answer_bytes) {
        r->over_limit = true;
        r->stopped = true;
        return 0;
    }
    r->answer_bytes += len;
    struct str chunk = {bytes, len};
    if (r->on_body == NULL) {
        buf_put(&r->answer, chunk);
    } else if (r->on_body(r->user, r->status, chunk) != 0) {
        r->stopped = true;
    }
    return r->stopped || r->state == HTTP_OVER ? 0 : len;
}

/* One line of the head at a time; the last is empty. */
static size_t take_head(char *bytes, size_t size, size_t count, void *user)
{
    struct net_request *r = user;
    size_t len = size * count;
    if (r->state == HTTP_OVER)
        return 0;
    hear(r);
    if (len > 2 || (len > 0 && bytes[0] != '\r' && bytes[0] != '\n'))
        return len;
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && r->status == 0) {
        r->status = (unsigned)status;
        if (r->on_head != NULL)
            r->on_head(r->user, r->status);
    }
    return r->state == HTTP_OVER ? 0 : len;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct net_http *http = user;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    http->open_count++;
    http->opened_count++;
    /* What is written and never acknowledged ends the connection, whatever the peer's state. */
    unsigned limit_ms = UNACKNOWLEDGED_MS;
    if (address->family == AF_INET || address->family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
    return fd;
}

static int close_socket(void *user, curl_socket_t fd)
{
    struct net_http *http = user;
    assert(http->open_count > 0);
    http->open_count--;
    return close(fd);
}

/* ------------------------------------------------------------------------------------- starting */

static bool is_line(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t')
            return false;
    }
    return true;
}

static bool is_url(struct str s)
{
    if (!str_starts(s, STR_LIT("https://")) && !str_starts(s, STR_LIT("http://")))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7F)
            return false;
    }
    return true;
}

/* Limits and forms, before anything is made.  A value is never shown: it may be a secret. */
static int check(
        const struct net_http *http, const struct net_request_spec *spec, struct err *reterr)
{
    assert(spec->method != NULL && spec->done != NULL && spec->header_count <= NET_HEADERS_MAX);
    if (http->request_count >= NET_REQUESTS_MAX)
        return err_set(reterr, -E2BIG, "more than %d requests in flight", NET_REQUESTS_MAX);
    if (spec->url.len > NET_URL_BYTES_MAX) {
        return err_set(reterr, -E2BIG, "URL of %zu bytes; the limit is %d", spec->url.len,
                NET_URL_BYTES_MAX);
    }
    if (!is_url(spec->url))
        return err_set(reterr, -EINVAL, "a URL must begin with https:// or http://");
    for (unsigned i = 0; i < spec->header_count; i++) {
        if (!is_line(spec->headers[i].name) || !is_line(spec->headers[i].value))
            return err_set(reterr, -EINVAL, "header %u is not one line of text", i);
    }
    if (!is_line(spec->proxy))
        return err_set(reterr, -EINVAL, "the proxy URL is not one line of text");
    return 0;
}

static bool add_header(struct net_request *r, struct str name, struct str value)
{
    struct buf line = BUF_INIT(1 << 20);
    buf_put(&line, name);
    buf_puts(&line, ": ");
    buf_put(&line, value);
    struct curl_slist *list = line.overflow ? NULL : curl_slist_append(r->headers, line.ptr);
    if (line.ptr != NULL)
        explicit_bzero(line.ptr, line.len);
    buf_clear(&line);
    if (list != NULL)
        r->headers = list;
    return list != NULL;
}

static CURLcode set_blob(CURL *easy, CURLoption option, struct str bytes)
{
    struct curl_blob blob = {
            .data = (void *)(uintptr_t)bytes.ptr, .len = bytes.len, .flags = CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, &blob);
}

/* Another name in the certificate than in the URL: libcurl has no option for it, so the URL gets
 * that name, and the connection and the Host header get the URL's. */
static CURLcode set_server_name(struct net_request *r, struct str url, struct str name)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL, *changed = NULL;
    struct buf text = BUF_INIT(NET_URL_BYTES_MAX * 2);
    CURLcode code = CURLE_URL_MALFORMAT;
    buf_put(&text, url);
    if (curl_url_set(parts, CURLUPART_URL, text.ptr, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        buf_reset(&text);
        buf_printf(&text, "%s:%s", host, port);
        bool made = add_header(r, STR_LIT("Host"), buf_str(&text));
        buf_reset(&text);
        buf_printf(&text, "%.*s:%s:%s:%s", STR_ARG(name), port, host, port);
        r->connect_to = made ? curl_slist_append(NULL, text.ptr) : NULL;
        buf_reset(&text);
        buf_put(&text, name);
        if (r->connect_to != NULL &&
                curl_url_set(parts, CURLUPART_HOST, text.ptr, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_URL, &changed, 0) == CURLUE_OK) {
            (void)curl_easy_setopt(r->easy, CURLOPT_CONNECT_TO, r->connect_to);
            code = curl_easy_setopt(r->easy, CURLOPT_URL, changed);
        }
    }
    curl_free(host);
    curl_free(port);
    curl_free(changed);
    curl_url_cleanup(parts);
    buf_clear(&text);
    return code;
}

static CURLcode set_tls(struct net_request *r, struct str url, const struct net_tls *tls)
{
    CURL *e = r->easy;
    CURLcode code = CURLE_OK;
    if (tls->insecure) {
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (tls->ca_pem.len > 0) {
        /* Without these two the system's authorities would count beside the given one. */
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        code = set_blob(e, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    }
    if (code == CURLE_OK && tls->cert_pem.len > 0) {
        (void)curl_easy_setopt(e, CURLOPT_SSLCERTTYPE, "PEM");
        (void)curl_easy_setopt(e, CURLOPT_SSLKEYTYPE, "PEM");
        code = set_blob(e, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
        if (code == CURLE_OK)
            code = set_blob(e, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    }
    if (code == CURLE_OK && tls->server_name.len > 0)
        code = set_server_name(r, url, tls->server_name);
    return code;
}

static CURLcode set_url(struct net_request *r, const struct net_request_spec *spec)
{
    struct buf url = BUF_INIT(NET_URL_BYTES_MAX + 1);
    buf_put(&url, spec->url);
    CURLcode code = curl_easy_setopt(r->easy, CURLOPT_URL, url.ptr);
    buf_reset(&url);
    /* Also when empty: else libcurl would read the environment. */
    buf_put(&url, spec->proxy);
    buf_puts(&url, "");
    if (code == CURLE_OK)
        code = curl_easy_setopt(r->easy, CURLOPT_PROXY, url.ptr == NULL ? "" : url.ptr);
    buf_clear(&url);
    (void)curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "");
    return code;
}

/* The method, and a body that is read once. */
static void set_body(struct net_request *r, const struct net_request_spec *spec)
{
    CURL *e = r->easy;
    if (spec->body.len > 0) {
        char *copy = mem_alloc(spec->body.len, 1);
        memcpy(copy, spec->body.ptr, spec->body.len);
        r->body = (struct str){copy, spec->body.len};
        (void)curl_easy_setopt(e, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        (void)curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
        (void)curl_easy_setopt(e, CURLOPT_READDATA, r);
        (void)curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, refuse_rewind);
        (void)curl_easy_setopt(e, CURLOPT_SEEKDATA, r);
    }
    (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, spec->method);
}

static void set_callbacks(struct net_request *r)
{
    CURL *e = r->easy;
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->fault);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_head);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
    (void)curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r->http);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, r->http);
}

static void set_limits(CURL *e, const struct net_request_spec *spec)
{
    int64_t connect_ns =
            spec->connect_timeout_ns > 0 ? spec->connect_timeout_ns : CONNECT_TIMEOUT_NS;
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ns / 1000000 + 1));
    if (spec->timeout_ns > 0)
        (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(spec->timeout_ns / 1000000 + 1));
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    (void)curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_S);
    if (spec->gzip)
        (void)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
}

static CURLcode configure(struct net_request *r, const struct net_request_spec *spec)
{
    set_callbacks(r);
    set_limits(r->easy, spec);
    set_body(r, spec);
    CURLcode code = set_url(r, spec);
    if (code == CURLE_OK && spec->tls != NULL)
        code = set_tls(r, spec->url, spec->tls);
    bool made = add_header(r, STR_LIT("Expect"), (struct str){0}); /* do not wait for a 100 */
    for (unsigned i = 0; i < spec->header_count; i++)
        made = made && add_header(r, spec->headers[i].name, spec->headers[i].value);
    if (code == CURLE_OK && !made)
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    return code;
}

static void on_idle(struct os_timer *t)
{
    struct net_request *r = (struct net_request *)((char *)t - offsetof(struct net_request, idle));
    struct net_http *http = r->http;
    int64_t due = r->heard_ns + r->idle_timeout_ns;
    if (due > os_loop_now_ns(http->loop)) {
        os_loop_timer_set(http->loop, t, due);
        return;
    }
    r->idled = true;
    http_request_end(r, CURL_LAST);
    http_requests_settle(http);
}

int net_http_start(struct net_http *http, const struct net_request_spec *spec,
        struct net_request **ret_request, struct err *reterr)
{
    int code = check(http, spec, reterr);
    if (code < 0)
        return code;
    struct net_request *r = mem_alloc(1, sizeof *r);
    *r = (struct net_request){
            .http = http,
            .pool = http->pools,
            .easy = curl_easy_init(),
            .idle.fire = on_idle,
            .idle_timeout_ns = spec->idle_timeout_ns,
            .heard_ns = os_loop_now_ns(http->loop),
            .answer = BUF_INIT(spec->body_bytes_max),
            .answer_bytes_max = spec->body_bytes_max,
            .on_head = spec->on_head,
            .on_body = spec->on_body,
            .done = spec->done,
            .user = spec->user,
            .next = http->requests,
            .link = &http->requests,
    };
    assert(r->easy != NULL); /* out of memory ends the process, here as elsewhere */
    if (r->next != NULL)
        r->next->link = &r->next;
    http->requests = r;
    http->request_count++;
    r->pool->request_count++;
    if (configure(r, spec) != CURLE_OK) {
        request_free(r);
        return err_set(reterr, -EINVAL,
                "libcurl does not take the request: check the URL, the proxy and the certificates");
    }
    if (r->idle_timeout_ns > 0)
        os_loop_timer_set(http->loop, &r->idle, r->heard_ns + r->idle_timeout_ns);
    os_loop_timer_set(http->loop, &http->kick, os_loop_now_ns(http->loop));
    *ret_request = r;
    return 0;
}

/* --------------------------------------------------------------------------------------- ending */

void net_http_cancel(struct net_request *request)
{
    struct net_http *http = request->http;
    if (request->state == HTTP_TOLD)
        return;
    if (http->depth == 0 && request->state == HTTP_RUNNING) {
        http_pool_remove(request);
        request->state = HTTP_WAITING;
    }
    if (request->state == HTTP_WAITING) {
        request_free(request);
        return;
    }
    request->state = HTTP_OVER;
    os_loop_timer_clear(http->loop, &request->idle);
    os_loop_timer_set(http->loop, &http->kick, os_loop_now_ns(http->loop));
}

void http_requests_settle(struct net_http *http)
{
    assert(http->depth == 0);
    struct net_request *next = NULL;
    for (struct net_request *r = http->requests; r != NULL; r = next) {
        next = r->next;
        if (r->state == HTTP_OVER) {
            http_pool_remove(r);
            request_free(r);
        } else if (r->state == HTTP_WAITING) {
            r->state = HTTP_RUNNING;
            if (http_pool_add(r) != CURLM_OK) {
                r->state = HTTP_WAITING;
                http_request_end(r, CURLE_FAILED_INIT);
                next = http->requests; /* `done` may have done anything */
            }
        }
    }
    http_pool_collect(http);
}

/* libcurl's own words where they hold no more than names and numbers. */
static const char *words_for(const struct net_request *r, CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return r->fault[0] != '\0' ? r->fault : curl_easy_strerror(code);
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_ABORTED_BY_CALLBACK:
        return "the connection was lost after the request was sent";
    case CURL_LAST:
        return "no answer within the time for a silent server";
    default:
        return curl_easy_strerror(code);
    }
}

static int errno_for(const struct net_request *r, const struct net_result *result, CURLcode code)
{
    if (result->timed_out)
        return -ETIMEDOUT;
    if (r->over_limit)
        return -E2BIG;
    if (r->stopped)
        return -ECANCELED;
    if (code == CURLE_COULDNT_CONNECT)
        return -ECONNREFUSED;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM)
        return -EPERM;
    return -EIO;
}

static void fill_result(struct net_request *r, CURLcode code, struct net_result *ret)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    char *type = NULL;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    (void)curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
    if (retry_after_s > 86400)
        retry_after_s = 86400;
    *ret = (struct net_result){
            .status = (unsigned)status,
            .retry_after_ns = retry_after_s > 0 ? (int64_t)retry_after_s * 1000000000 : -1,
            .content_type = str_from(type),
            .idle = r->idled,
            .timed_out = r->idled || code == CURLE_OPERATION_TIMEDOUT,
            .over_limit = r->over_limit,
    };
    if (code == CURLE_OK) {
        ret->end = NET_END_DONE;
    } else if (r->stopped) {
        ret->end = NET_END_STOPPED;
    } else {
        ret->end = r->may_be_sent ? NET_END_LOST : NET_END_NOT_SENT;
    }
    if (ret->end == NET_END_DONE) {
        ret->body = buf_str(&r->answer);
        return;
    }
    if (r->over_limit) {
        (void)err_set(
                &ret->err, -E2BIG, "the answer is larger than %zu bytes", r->answer_bytes_max);
    } else {
        (void)err_set(&ret->err, errno_for(r, ret, code), "%s", words_for(r, code));
    }
}

void http_request_end(struct net_request *r, CURLcode code)
{
    assert(r->http->depth == 0);
    if (r->state == HTTP_RUNNING) {
        http_pool_remove(r);
    } else if (r->state == HTTP_OVER) { /* cancelled within a callback of libcurl */
        http_pool_remove(r);
        request_free(r);
        return;
    }
    struct net_result result;
    fill_result(r, code, &result);
    /* `done` may start and cancel others, and must not find this one. */
    os_loop_timer_clear(r->http->loop, &r->idle);
    r->state = HTTP_TOLD;
    r->http->depth++; /* so that settling waits: r is still in the list */
    r->done(r->user, &result);
    r->http->depth--;
    request_free(r);
}

void net_http_escape(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            buf_putc(out, (char)c);
        } else {
            buf_putc(out, '%');
            buf_putc(out, hex[c >> 4]);
            buf_putc(out, hex[c & 15]);
        }
    }
}
