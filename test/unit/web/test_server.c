/* web/server: asked by a real client (net/http) and by sockets that misbehave. */
#define _GNU_SOURCE /* memmem */
#include "test.h"

#include "net/http.h"
#include "web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

struct bench {
    struct os_loop *loop;
    struct net_http *http;
    struct web_server *server;
    struct os_timer guard;
    unsigned routed;
};

struct outcome {
    unsigned calls, status;
    enum net_end end;
    char type[64], body[256];
    size_t size;
};

static unsigned get_hello(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    struct bench *b = user;
    b->routed++;
    *ret_type = "application/json";
    buf_printf(body, "{\"path\":\"%.*s\",\"q\":\"%.*s\",\"none\":\"%.*s\"}", STR_ARG(request->path),
            STR_ARG(web_query(request, "q")), STR_ARG(web_query(request, "none")));
    return 200;
}

static unsigned get_nodes(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    (void)user;
    (void)ret_type;
    buf_printf(body, "node of %.*s", STR_ARG(request->path));
    return 404;
}

static unsigned get_large(
        void *user, const struct web_request *request, struct buf *body, const char **ret_type)
{
    (void)user;
    (void)ret_type;
    size_t lines = str_eq_c(request->path, "/large/over") ? 2 << 20 : 1 << 17;
    for (size_t i = 0; i < lines; i++)
        buf_puts(body, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
    return 200;
}

static const struct web_route routes[] = {
        {"/hello", get_hello},
        {"/api/", get_nodes},
        {"/api/v1/hello", get_hello},
        {"/large/", get_large},
};

static void out_of_time(struct os_timer *t)
{
    (void)t;
    fail_msg("nothing happened within 20 s");
}

static void bench_open_on(struct bench *b, const char *listen, int64_t request_ns)
{
    struct err e = {0};
    *b = (struct bench){.guard.fire = out_of_time};
    assert_int_equal(os_loop_new(&b->loop, &e), 0);
    assert_int_equal(net_http_new(b->loop, &b->http, &e), 0);
    const struct web_server_options options = {.listen = listen,
            .routes = routes,
            .route_count = sizeof routes / sizeof routes[0],
            .user = b,
            .request_ns = request_ns};
    if (web_server_start(b->loop, &options, &b->server, &e) < 0)
        fail_msg("%s", e.text);
}

static void bench_open(struct bench *b)
{
    bench_open_on(b, "127.0.0.1:0", 0);
}

static void bench_close(struct bench *b)
{
    os_loop_timer_clear(b->loop, &b->guard);
    web_server_stop(b->server);
    net_http_free(b->http);
    os_loop_free(b->loop);
}

static void turns_until(struct bench *b, const unsigned *counter, unsigned wanted)
{
    struct err e = {0};
    os_loop_timer_set(b->loop, &b->guard, os_loop_now_ns(b->loop) + 20 * (int64_t)SECOND);
    while (*counter < wanted)
        assert_true(os_loop_turn(b->loop, -1, &e) >= 0);
    os_loop_timer_clear(b->loop, &b->guard);
}

static void on_done(void *user, const struct net_result *r)
{
    struct outcome *o = user;
    o->calls++;
    o->status = r->status;
    o->end = r->end;
    o->size = r->body.len;
    (void)snprintf(o->type, sizeof o->type, "%.*s", STR_ARG(r->content_type));
    (void)snprintf(o->body, sizeof o->body, "%.*s", STR_ARG(r->body));
}

/* Asks for method and path and waits for the answer. */
static struct outcome ask(struct bench *b, const char *method, const char *path)
{
    char url[512];
    struct err e = {0};
    struct outcome o = {0};
    struct net_request *request = NULL;
    (void)snprintf(
            url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)web_server_port(b->server), path);
    const struct net_request_spec spec = {.method = method,
            .url = str_from(url),
            .body_bytes_max = 128u << 20,
            .done = on_done,
            .user = &o};
    assert_int_equal(net_http_start(b->http, &spec, &request, &e), 0);
    turns_until(b, &o.calls, 1);
    return o;
}

static void test_routes(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    struct outcome o = ask(&b, "GET", "/hello?q=a%20b%26&x=1");
    assert_int_equal(o.status, 200);
    assert_string_equal(o.type, "application/json");
    assert_string_equal(o.body, "{\"path\":\"/hello\",\"q\":\"a b&\",\"none\":\"\"}");
    o = ask(&b, "GET", "/api/v1/nodes/gpu%2D1");
    assert_int_equal(o.status, 404);
    assert_string_equal(o.type, "text/plain; charset=utf-8");
    assert_string_equal(o.body, "node of /api/v1/nodes/gpu-1");
    assert_int_equal(ask(&b, "GET", "/api/v1/hello").status, 200);
    unsigned routed = b.routed;
    assert_int_equal(ask(&b, "GET", "/").status, 404);
    assert_int_equal(ask(&b, "GET", "/hello/").status, 404);
    assert_int_equal(ask(&b, "GET", "/hell").status, 404);
    assert_int_equal(ask(&b, "POST", "/hello").status, 405);
    assert_int_equal(ask(&b, "DELETE", "/hello").status, 405);
    assert_int_equal(b.routed, routed);
    assert_int_equal(web_server_stats(b.server).requests, 3);
    assert_int_equal(web_server_stats(b.server).refused, 5);
    bench_close(&b);
}

static void test_large_answers(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    assert_int_equal(ask(&b, "GET", "/large/").size, (size_t)64 << 17);
    struct outcome o = ask(&b, "GET", "/large/over");
    assert_int_equal(o.status, 500);
    assert_string_equal(o.body, "the answer is too long\n");
    bench_close(&b);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "8080", "127.0.0.1", "127.0.0.1:", ":70000", ":-1",
            "::1:80", "example.org:80", "[::1:80", "1.2.3.4.5:80", ":80x"};
    static const char *const good[] = {":0", "0.0.0.0:0", "localhost:0", "[::]:0", "[::1]:0"};
    struct bench b;
    bench_open(&b);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        struct web_server *s = NULL;
        const struct web_server_options options = {.listen = bad[i]};
        assert_int_equal(web_server_start(b.loop, &options, &s, &e), -EINVAL);
        assert_true(strstr(e.text, bad[i]) != NULL && strstr(e.text, "listen address") != NULL);
    }
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err e = {0};
        struct web_server *s = NULL;
        const struct web_server_options options = {.listen = good[i]};
        int r = web_server_start(b.loop, &options, &s, &e);
        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
            continue; /* no IPv6 here */
        if (r < 0)
            fail_msg("%s: %s", good[i], e.text);
        assert_true(web_server_port(s) > 0);
        web_server_stop(s);
    }
    char taken[32];
    struct err e = {0};
    struct web_server *s = NULL;
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", (unsigned)web_server_port(b.server));
    const struct web_server_options options = {.listen = taken};
    assert_int_equal(web_server_start(b.loop, &options, &s, &e), -EADDRINUSE);
    assert_non_null(strstr(e.text, taken));
    bench_close(&b);
}

/* -- clients that misbehave ---------------------------------------------------------------------
 */

static int raw_connect(const struct bench *b)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
            .sin_port = htons(web_server_port(b->server)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void raw_send(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turns the loop until the peer closed the connection or `wait` went by; what it said goes to
 * ret_text.  Returns true when it is closed. */
static bool raw_read(struct bench *b, int fd, int64_t wait_ns, char *ret_text, size_t size)
{
    struct err e = {0};
    size_t used = 0;
    int64_t end = 0;
    for (;;) {
        assert_true(os_loop_turn(b->loop, 10000000, &e) >= 0);
        if (end == 0)
            end = os_loop_now_ns(b->loop) + wait_ns;
        ssize_t n = recv(fd, ret_text + used, size - 1 - used, MSG_DONTWAIT);
        if (n > 0)
            used += (size_t)n;
        ret_text[used] = '\0';
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (os_loop_now_ns(b->loop) > end)
            return false;
    }
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    struct bench b;
    char text[4096];
    bench_open(&b);
    int fd = raw_connect(&b);
    raw_send(fd, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_true(raw_read(&b, fd, 5 * (int64_t)SECOND, text, sizeof text));
    assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(text, "Content-Length: 34\r\n"));
    const char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end + 4, "");
    (void)close(fd);
    bench_close(&b);
}

static void test_hosts_of_the_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *status;
    } cases[] = {{"localhost", "200"}, {"localhost:8080", "200"}, {"127.0.0.1:1", "200"},
            {"[::1]:80", "200"}, {"evil.example", "403"}, {"evil.example:8080", "403"},
            {"127.0.0.1.evil.example", "403"}};
    struct bench b;
    bench_open(&b);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[4096], want[64];
        int fd = raw_connect(&b);
        (void)snprintf(text, sizeof text,
                "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", cases[i].host);
        raw_send(fd, text);
        assert_true(raw_read(&b, fd, 5 * (int64_t)SECOND, text, sizeof text));
        (void)snprintf(want, sizeof want, "HTTP/1.1 %s ", cases[i].status);
        if (strncmp(text, want, strlen(want)) != 0)
            fail_msg("host %s: expected %s, got: %.60s", cases[i].host, cases[i].status, text);
        (void)close(fd);
    }
    bench_close(&b);
    /* On other addresses the names of a Service are fine. */
    bench_open_on(&b, "0.0.0.0:0", 0);
    char text[4096];
    int fd = raw_connect(&b);
    raw_send(fd, "GET /hello HTTP/1.1\r\nHost: slicewright.gpu.svc\r\nConnection: close\r\n\r\n");
    assert_true(raw_read(&b, fd, 5 * (int64_t)SECOND, text, sizeof text));
    assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
    (void)close(fd);
    bench_close(&b);
}

static void test_long_heads_are_refused(void **state)
{
    (void)state;
    struct bench b;
    char text[4096];
    bench_open(&b);
    int fd = raw_connect(&b);
    raw_send(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    for (unsigned i = 0; i < 2 * WEB_HEAD_BYTES_MAX / 64; i++) {
        static const char line[] =
                "X-Long: 0123456789012345678901234567890123456789012345678901\r\n";
        if (send(fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
            break;
    }
    assert_true(raw_read(&b, fd, 5 * (int64_t)SECOND, text, sizeof text));
    assert_int_equal(strncmp(text, "HTTP/1.1 4", 10), 0); /* 413, 414 or 431 by version */
    assert_int_equal(b.routed, 0);
    (void)close(fd);
    assert_int_equal(ask(&b, "GET", "/hello").status, 200);
    bench_close(&b);
}

static void test_what_is_no_http_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02",
            "GET /hello HTTP/9.9\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n"};
    struct bench b;
    char text[4096];
    bench_open_on(&b, "127.0.0.1:0", SECOND);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = raw_connect(&b);
        raw_send(fd, bad[i]);
        (void)shutdown(fd, SHUT_WR);
        if (!raw_read(&b, fd, 5 * (int64_t)SECOND, text, sizeof text))
            fail_msg("case %u stays open", i);
        (void)close(fd);
        assert_int_equal(b.routed, 0);
    }
    bench_close(&b);
}

/* A byte now and then keeps no connection open, and neither does an answer that nobody reads. */
static void test_slow_clients_are_cut(void **state)
{
    (void)state;
    struct bench b;
    char text[4096];
    bench_open_on(&b, "127.0.0.1:0", SECOND / 4);
    int dribbler = raw_connect(&b);
    int deaf = raw_connect(&b);
    raw_send(deaf, "GET /large/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    raw_send(dribbler, "GET /he");
    bool closed = false;
    for (unsigned i = 0; i < 100 && !closed; i++) {
        (void)send(dribbler, "l", 1, MSG_NOSIGNAL);
        closed = raw_read(&b, dribbler, SECOND / 50, text, sizeof text);
    }
    assert_true(closed);
    struct err e = {0};
    for (unsigned i = 0; i < 100 && web_server_stats(b.server).connections > 0; i++)
        assert_true(os_loop_turn(b.loop, 10000000, &e) >= 0);
    assert_int_equal(web_server_stats(b.server).connections, 0);
    assert_int_equal(web_server_stats(b.server).cut, 2);
    (void)close(dribbler);
    (void)close(deaf);
    bench_close(&b);
}

/* All places taken by idle connections: a probe is answered all the same. */
static void test_the_newest_gets_in(void **state)
{
    (void)state;
    enum { MANY = 3 * WEB_CONNECTIONS_MAX / 2 };
    struct bench b;
    struct err e = {0};
    int fds[MANY];
    bench_open(&b);
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = raw_connect(&b);
        raw_send(fds[i], "GET /hello HTT");
        assert_true(os_loop_turn(b.loop, 1000000, &e) >= 0);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ask(&b, "GET", "/hello").status, 200);
    assert_true(web_server_stats(b.server).connections <= WEB_CONNECTIONS_MAX);
    for (unsigned i = 0; i < MANY; i++)
        (void)close(fds[i]);
    bench_close(&b);
}

/* A connection that is kept serves many requests, and closing the server ends it. */
static void test_connections_are_kept(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(ask(&b, "GET", "/hello").status, 200);
    assert_int_equal(net_http_connections_opened(b.http), 1);
    assert_int_equal(web_server_stats(b.server).connections, 1);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_routes),
            cmocka_unit_test(test_large_answers),
            cmocka_unit_test(test_addresses),
            cmocka_unit_test(test_head_has_no_body),
            cmocka_unit_test(test_hosts_of_the_loopback),
            cmocka_unit_test(test_long_heads_are_refused),
            cmocka_unit_test(test_what_is_no_http_is_refused),
            cmocka_unit_test(test_slow_clients_are_cut),
            cmocka_unit_test(test_the_newest_gets_in),
            cmocka_unit_test(test_connections_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
