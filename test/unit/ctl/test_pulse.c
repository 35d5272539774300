/* ctl/pulse: rounds of readings against a scripted Prometheus. */
#define _GNU_SOURCE /* accept4, memmem */
#include "cluster.h"

#include "../net/http_script.h"
#include "ctl/pulse.h"

#define GUARD_NS INT64_C(20000000000)

struct bench {
    struct os_loop *loop;
    struct net_http *http;
    struct server server;
    struct ctl_pulse *pulse;
    struct cluster *c;
    struct os_timer guard;
    bool world_known;
    char token_file[64];
    const char *token; /* that the server takes */
    struct ctl_prometheus prometheus;
    const char *silent; /* requests with these words get no answer; NULL = none */
    unsigned got, synced, lost;
    uint32_t readings;
    uint16_t busy;
    uint32_t memory_mib;
};

static void out_of_time(struct os_timer *t)
{
    const struct bench *b = (const struct bench *)((char *)t - offsetof(struct bench, guard));
    fail_msg("nothing more within 20 s: %u rounds, %u requests", b->got, b->server.requests);
}

/* A busy GPU at 40 %, with 2 GiB used; other metrics are not there. */
static void route(struct server *s)
{
    struct bench *b = s->user;
    static char answer[1024];
    const char *value = strstr(s->last, "GPU_UTIL") != NULL  ? "40"
                        : strstr(s->last, "FB_USED") != NULL ? "2048"
                                                             : NULL;
    char series[512] = "", body[768];
    if (strstr(s->last, "/api/v1/query?") == NULL || strstr(s->last, "%5B61s%5D") == NULL)
        fail_msg("unexpected: %s", s->last);
    if (strstr(s->last, b->token) == NULL) {
        s->answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        s->after = AFTER_KEEP;
        return;
    }
    if (value != NULL) {
        (void)snprintf(series, sizeof series,
                "{\"metric\":{\"Hostname\":\"n1\",\"gpu\":\"0\",\"UUID\":\"GPU-1\"},\"values\":[["
                "1700000000,\"%s\"]]}",
                value);
    }
    (void)snprintf(body, sizeof body,
            "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[%s]}}",
            series);
    (void)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(body), body);
    s->answer = answer;
    s->after = AFTER_KEEP;
    if (b->silent != NULL && strstr(s->last, b->silent) != NULL) {
        s->answer = NULL;
        s->after = AFTER_SILENCE;
    }
}

static const struct ctl_world *world(void *user)
{
    const struct bench *b = user;
    return b->world_known ? &b->c->w : NULL;
}

static void got(void *user, struct ctl_history *h)
{
    struct bench *b = user;
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    b->got++;
    b->readings = 0;
    while (ctl_history_next(h, &cursor, &g)) {
        b->readings++;
        b->busy = g.all.busy_permille;
        b->memory_mib = g.all.memory_used_mib;
    }
}

static void synced(void *user, bool complete)
{
    struct bench *b = user;
    b->synced += complete;
    b->lost += !complete;
}

static void begin(struct bench *b, int64_t every_ns, int64_t lost_ns)
{
    struct err e = {0};
    assert_int_equal(os_loop_new(&b->loop, &e), 0);
    assert_int_equal(net_http_new(b->loop, &b->http, &e), 0);
    b->c = cluster_new();
    put_node(b->c, "n1", 2, "");
    build(b->c);
    server_start(&b->server, b->loop);
    b->server.route = route;
    b->server.user = b;
    (void)snprintf(b->token_file, sizeof b->token_file, "/tmp/slicewright-pulse-XXXXXX");
    int fd = mkstemp(b->token_file);
    assert_int_equal(dprintf(fd, "secret\n"), 7);
    (void)close(fd);
    b->token = "Authorization: Bearer secret\r\n";
    const struct ctl_prometheus_options where = {.url = b->server.url, .token_file = b->token_file};
    assert_int_equal(ctl_prometheus_open(&where, &b->prometheus, &e), 0);
    const struct ctl_pulse_options o = {.prometheus = &b->prometheus,
            .every_ns = every_ns,
            .lost_after_ns = lost_ns,
            .world = world,
            .got = got,
            .sync = synced,
            .user = b};
    assert_int_equal(ctl_pulse_start(b->http, &o, &b->pulse, &e), 0);
    b->guard.fire = out_of_time;
    os_loop_timer_set(b->loop, &b->guard, os_loop_now_ns(b->loop) + GUARD_NS);
}

static void end(struct bench *b)
{
    ctl_pulse_stop(b->pulse);
    net_http_free(b->http);
    ctl_prometheus_clear(&b->prometheus);
    (void)unlink(b->token_file);
    server_stop(&b->server);
    os_loop_timer_clear(b->loop, &b->guard);
    os_loop_free(b->loop);
    cluster_free(b->c);
}

static void turn(struct bench *b)
{
    struct err e = {0};
    assert_true(os_loop_turn(b->loop, -1, &e) >= 0);
}

static void metrics_of_a_round_become_one_reading(void **state)
{
    (void)state;
    struct bench b = {.world_known = true};
    begin(&b, NUM_NS_PER_SECOND, 0);
    while (b.got < 1)
        turn(&b);
    assert_int_equal(b.server.requests, 5);
    assert_int_equal(b.readings, 1);
    assert_int_equal(b.busy, 400);
    assert_int_equal(b.memory_mib, 2048);
    assert_int_equal(b.synced, 1);
    while (b.got < 2)
        turn(&b);
    assert_int_equal(b.synced, 1);
    assert_int_equal(b.lost, 0);
    assert_int_equal(ctl_pulse_stats(b.pulse).rounds, 2);
    assert_int_equal(ctl_pulse_stats(b.pulse).answered, 10);
    end(&b);
}

/* No world, no round; and it is looked for again soon. */
static void a_round_waits_for_a_world(void **state)
{
    (void)state;
    struct bench b = {0};
    begin(&b, NUM_NS_PER_SECOND, 0);
    int64_t until_ns = os_loop_now_ns(b.loop) + NUM_NS_PER_SECOND / 5;
    struct err e = {0};
    while (os_loop_now_ns(b.loop) < until_ns)
        assert_true(os_loop_turn(b.loop, NUM_NS_PER_SECOND / 20, &e) >= 0);
    assert_int_equal(b.server.requests, 0);
    b.world_known = true;
    while (b.got < 1)
        turn(&b);
    end(&b);
}

/* One answer that never comes does not hold up the others; when none comes, they are lost. */
static void silence_is_waited_for_no_longer_than_a_round(void **state)
{
    (void)state;
    struct bench b = {.world_known = true, .silent = "SM_ACTIVE"};
    begin(&b, NUM_NS_PER_SECOND, 3 * NUM_NS_PER_SECOND / 2);
    while (b.got < 1)
        turn(&b);
    assert_int_equal(b.readings, 1);
    b.silent = "query";
    while (b.lost < 1)
        turn(&b);
    assert_int_equal(b.synced, 1);
    b.silent = NULL;
    while (b.synced < 2)
        turn(&b);
    assert_int_equal(b.lost, 1);
    end(&b);
}

/* A token that is taken no longer is read again from its file, without a restart. */
static void a_rotated_token_is_read_again(void **state)
{
    (void)state;
    struct bench b = {.world_known = true};
    begin(&b, NUM_NS_PER_SECOND, 3 * NUM_NS_PER_SECOND / 2);
    while (b.got < 1)
        turn(&b);
    b.token = "Authorization: Bearer another\r\n";
    while (b.lost < 1)
        turn(&b);
    FILE *f = fopen(b.token_file, "we");
    assert_non_null(f);
    assert_true(fputs("another", f) >= 0);
    assert_int_equal(fclose(f), 0);
    while (b.synced < 2)
        turn(&b);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(metrics_of_a_round_become_one_reading),
            cmocka_unit_test(a_round_waits_for_a_world),
            cmocka_unit_test(silence_is_waited_for_no_longer_than_a_round),
            cmocka_unit_test(a_rotated_token_is_read_again),
    };
    return cmocka_run_group_tests_name("ctl/pulse", tests, NULL, NULL);
}
