/* net/http, net/fetch: what becomes of a request, against a server that does as the test says. */
#define _GNU_SOURCE /* accept4, memmem */
#include "test.h"

#include "base/buf.h"
#include "http_script.h"
#include "net/fetch.h"
#include "net/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------- one
 * test */

struct bench {
    struct os_loop *loop;
    struct net_http *http;
    struct server server;
    struct os_timer guard;
};

struct outcome {
    unsigned calls;
    struct net_result result;
    char body[256];
    char type[64];
    size_t streamed;
    int stop_after;
    unsigned head_status;
};

static void out_of_time(struct os_timer *t)
{
    (void)t;
    fail_msg("no answer within 20 s");
}

static struct bench bench_open(void)
{
    struct bench b = {.guard.fire = out_of_time};
    struct err e = {0};
    assert_int_equal(os_loop_new(&b.loop, &e), 0);
    assert_int_equal(net_http_new(b.loop, &b.http, &e), 0);
    return b;
}

static void bench_close(struct bench *b)
{
    os_loop_timer_clear(b->loop, &b->guard);
    server_stop(&b->server);
    net_http_free(b->http);
    os_loop_free(b->loop);
}

static void on_done(void *user, const struct net_result *result)
{
    struct outcome *o = user;
    o->calls++;
    o->result = *result;
    (void)snprintf(o->body, sizeof o->body, "%.*s", STR_ARG(result->body));
    (void)snprintf(o->type, sizeof o->type, "%.*s", STR_ARG(result->content_type));
}

static void on_head(void *user, unsigned status)
{
    ((struct outcome *)user)->head_status = status;
}

static int on_body(void *user, unsigned status, struct str chunk)
{
    struct outcome *o = user;
    assert_int_equal(status, o->head_status);
    o->streamed += chunk.len;
    return o->stop_after;
}

static struct net_request *start(
        struct bench *b, const struct net_request_spec *spec, struct outcome *o)
{
    struct net_request_spec copy = *spec;
    struct net_request *request = NULL;
    struct err e = {0};
    copy.done = on_done;
    copy.user = o;
    *o = (struct outcome){.stop_after = o->stop_after};
    if (copy.body_bytes_max == 0)
        copy.body_bytes_max = 1 << 20;
    int r = net_http_start(b->http, &copy, &request, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    return request;
}

static struct outcome perform(struct bench *b, const struct net_request_spec *spec)
{
    struct outcome o = {0};
    (void)start(b, spec, &o);
    os_loop_timer_set(b->loop, &b->guard, os_loop_now_ns(b->loop) + INT64_C(20000000000));
    while (o.calls == 0)
        assert_true(os_loop_turn(b->loop, -1, NULL) >= 0);
    assert_int_equal(o.calls, 1);
    return o;
}

static const char ok_answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
        "\r\nhello";

static void a_whole_answer(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_request_spec spec = {.method = "PATCH",
            .url = str_from(b.server.url),
            .headers = {{STR_LIT("X-Test"), STR_LIT("one")}},
            .header_count = 1,
            .body = STR_LIT("{\"a\":1}")};
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_DONE);
    assert_int_equal(o.result.status, 200);
    assert_string_equal(o.body, "hello");
    assert_string_equal(o.type, "text/plain");
    assert_int_equal(o.result.retry_after_ns, -1);
    assert_non_null(strstr(b.server.last, "PATCH /x HTTP/1.1\r\n"));
    assert_non_null(strstr(b.server.last, "\r\nX-Test: one\r\n"));
    assert_null(strstr(b.server.last, "Expect"));
    assert_non_null(strstr(b.server.last, "\r\n\r\n{\"a\":1}"));
    b.server.answer = "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_DONE);
    assert_int_equal(o.result.status, 429);
    assert_int_equal(o.result.retry_after_ns, INT64_C(7000000000));
    assert_int_equal(net_http_connections_opened(b.http), 1);
    bench_close(&b);
}

/* The heart of "unknown": a kept connection that closes under a write must not make two writes. */
static void a_write_is_sent_once(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_request_spec spec = {
            .method = "POST", .url = str_from(b.server.url), .body = STR_LIT("{}")};
    assert_int_equal(perform(&b, &spec).result.end, NET_END_DONE);
    b.server.answer = NULL;
    b.server.after = AFTER_CLOSE;
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_LOST);
    assert_int_equal(o.result.status, 0);
    assert_int_equal(b.server.requests, 2);
    bench_close(&b);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    server_stop(&b.server);
    struct net_request_spec spec = {
            .method = "POST", .url = str_from(b.server.url), .body = STR_LIT("{}")};
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_NOT_SENT);
    assert_int_equal(o.result.err.code, -ECONNREFUSED);
    spec.url = STR_LIT("https://no-such-host.invalid/");
    assert_int_equal(perform(&b, &spec).result.end, NET_END_NOT_SENT);
    bench_close(&b);
}

static void cut_in_the_answer(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    b.server.after = AFTER_CLOSE;
    struct net_request_spec spec = {.method = "GET", .url = str_from(b.server.url)};
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_LOST);
    assert_int_equal(o.result.status, 200);
    bench_close(&b);
}

static void limits_of_time(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.after = AFTER_SILENCE;
    struct net_request_spec spec = {
            .method = "GET", .url = str_from(b.server.url), .timeout_ns = 100000000};
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_LOST);
    assert_true(o.result.timed_out);
    assert_false(o.result.idle);
    b.server.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx";
    spec.timeout_ns = 0;
    spec.idle_timeout_ns = 100000000;
    o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_LOST);
    assert_true(o.result.idle);
    assert_int_equal(o.result.err.code, -ETIMEDOUT);
    bench_close(&b);
}

static void limits_of_size(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_request_spec spec = {
            .method = "GET", .url = str_from(b.server.url), .body_bytes_max = 5};
    assert_int_equal(perform(&b, &spec).result.end, NET_END_DONE);
    spec.body_bytes_max = 4;
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_STOPPED);
    assert_true(o.result.over_limit);
    assert_string_equal(o.result.err.text, "the answer is larger than 4 bytes");
    bench_close(&b);
}

static void a_stream_may_be_stopped(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_request_spec spec = {
            .method = "GET", .url = str_from(b.server.url), .on_head = on_head, .on_body = on_body};
    struct outcome o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_DONE);
    assert_int_equal(o.streamed, 5);
    o.stop_after = -EINVAL;
    (void)start(&b, &spec, &o);
    while (o.calls == 0)
        assert_true(os_loop_turn(b.loop, -1, NULL) >= 0);
    assert_int_equal(o.result.end, NET_END_STOPPED);
    assert_false(o.result.over_limit);
    bench_close(&b);
}

static void cancelled_is_not_told(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.after = AFTER_SILENCE;
    struct net_request_spec spec = {.method = "GET", .url = str_from(b.server.url)};
    struct outcome never = {0}, o = {0};
    net_http_cancel(start(&b, &spec, &never)); /* before it left */
    struct net_request *request = start(&b, &spec, &never);
    while (b.server.requests == 0)
        assert_true(os_loop_turn(b.loop, -1, NULL) >= 0);
    net_http_cancel(request); /* while it waits for its answer */
    b.server.answer = ok_answer;
    o = perform(&b, &spec);
    assert_int_equal(o.result.end, NET_END_DONE);
    assert_int_equal(never.calls, 0);
    bench_close(&b);
}

static void renewed_means_new_connections(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_request_spec spec = {.method = "GET", .url = str_from(b.server.url)};
    (void)perform(&b, &spec);
    (void)perform(&b, &spec);
    assert_int_equal(net_http_connections_opened(b.http), 1);
    net_http_renew(b.http);
    assert_int_equal(net_http_connection_count(b.http), 0);
    (void)perform(&b, &spec);
    assert_int_equal(net_http_connections_opened(b.http), 2);
    bench_close(&b);
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct net_request *request = NULL;
    struct err e = {0};
    struct net_request_spec spec = {
            .method = "GET", .url = STR_LIT("file:///etc/passwd"), .done = on_done};
    assert_int_equal(net_http_start(b.http, &spec, &request, &e), -EINVAL);
    spec.url = STR_LIT("http://127.0.0.1/a b");
    assert_int_equal(net_http_start(b.http, &spec, &request, &e), -EINVAL);
    spec.url = STR_LIT("http://127.0.0.1/");
    spec.headers[0] =
            (struct net_header){STR_LIT("Authorization"), STR_LIT("Bearer planted-secret\r\nX: y")};
    spec.header_count = 1;
    assert_int_equal(net_http_start(b.http, &spec, &request, &e), -EINVAL);
    assert_null(strstr(e.text, "planted-secret"));
    bench_close(&b);
}

static void escaped(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(100);
    net_http_escape(&out, STR_LIT("a=b,c in (d)/\xc3\xa9~"));
    assert_string_equal(out.ptr, "a%3Db%2Cc%20in%20%28d%29%2F%C3%A9~");
    buf_clear(&out);
}

/* ----------------------------------------------------------------------------------------- rounds
 */

struct round {
    unsigned got, good, done;
    char fault[ERR_TEXT_MAX];
};

static void on_got(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    r->got++;
    if (err == NULL && str_eq(text, STR_LIT("hello")))
        r->good |= 1u << target;
    if (err != NULL)
        (void)snprintf(r->fault, sizeof r->fault, "%s", err->text);
}

static void on_round(void *user)
{
    ((struct round *)user)->done++;
}

static void a_round_of_fetches(void **state)
{
    (void)state;
    struct bench b = bench_open();
    server_start(&b.server, b.loop);
    b.server.answer = ok_answer;
    struct net_fetch_target targets[5];
    for (unsigned i = 0; i < 5; i++)
        targets[i] = (struct net_fetch_target){
                .url = str_from(b.server.url), .bearer = STR_LIT("planted-secret")};
    targets[3].url = STR_LIT("gopher://x/?planted-secret");
    struct round r = {0};
    struct net_fetch_spec spec = {.targets = targets,
            .target_count = 5,
            .parallel = 2,
            .got = on_got,
            .done = on_round,
            .user = &r};
    struct net_fetch *f = NULL;
    assert_int_equal(net_fetch_start(b.http, &spec, &f, NULL), 0);
    while (r.done == 0)
        assert_true(os_loop_turn(b.loop, -1, NULL) >= 0);
    assert_int_equal(r.got, 5);
    assert_int_equal(r.good, 1 | 2 | 4 | 16);
    assert_non_null(strstr(b.server.last, "\r\nAuthorization: Bearer planted-secret\r\n"));
    assert_null(strstr(r.fault, "planted-secret"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_whole_answer),
            cmocka_unit_test(a_write_is_sent_once),
            cmocka_unit_test(nobody_listens),
            cmocka_unit_test(cut_in_the_answer),
            cmocka_unit_test(limits_of_time),
            cmocka_unit_test(limits_of_size),
            cmocka_unit_test(a_stream_may_be_stopped),
            cmocka_unit_test(cancelled_is_not_told),
            cmocka_unit_test(renewed_means_new_connections),
            cmocka_unit_test(bad_specs_are_refused),
            cmocka_unit_test(escaped),
            cmocka_unit_test(a_round_of_fetches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
