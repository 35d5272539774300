/* ctl/readings: exporters asked through the API server; what does not answer is said. */
#define _GNU_SOURCE /* memmem, accept4 */
#include "cluster.h"

#include "../net/http_script.h"
#include "ctl/pulse.h"
#include "ctl/readings.h"
#include "kube/client.h"

#define METRICS                                                                                    \
    "# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).\n"                                        \
    "# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n"                                                          \
    "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-0\",hostname=\"n1\"} 37\n"

enum { ANSWER_MAX = 4096 };

struct bench {
    struct os_loop *loop;
    struct server server;
    struct kube_config config;
    struct kube_client *client;
    struct cluster *c;
    char answer[ANSWER_MAX];
    unsigned asked_exporters, refused_without_token;
    unsigned rounds; /* of a pulse, with a reading of n1 alone */
};

static void say(struct bench *b, const char *status, const char *body)
{
    (void)snprintf(b->answer, sizeof b->answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
            status, strlen(body), body);
    b->server.answer = b->answer;
}

/* The exporter of n1 answers, that of n2 must not be read, that of n3 talks nonsense. */
static void route(struct server *s)
{
    struct bench *b = s->user;
    static const char begin[] = "GET /api/v1/namespaces/gpu-operator/pods/x-n";
    assert_memory_equal(s->last, begin, sizeof begin - 1);
    const char *rest = s->last + sizeof begin;
    static const char end[] = ":9400/proxy/metrics HTTP/1.1\r\n";
    assert_memory_equal(rest, end, sizeof end - 1);
    b->asked_exporters++;
    b->refused_without_token += strstr(s->last, "Bearer planted-secret") == NULL;
    switch (rest[-1]) {
    case '1':
        say(b, "200 OK", METRICS);
        break;
    case '2':
        say(b, "403 Forbidden",
                "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no pods/proxy\"}");
        break;
    default:
        say(b, "200 OK", "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"\n");
    }
}

/* A dcgm-exporter x-NODE. */
static void put_exporter(struct cluster *c, const char *node)
{
    buf_printf(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"gpu-operator\",\"name\":\"x-%s\","
            "\"uid\":\"x-%s\",\"labels\":{\"app\":\"nvidia-dcgm-exporter\"}},\"spec\":{"
            "\"nodeName\":\"%s\",\"containers\":[]},\"status\":{\"phase\":\"Running\","
            "\"podIP\":\"10.0.0.9\"}}\n",
            node, node, node);
}

static void bench_open(struct bench *b)
{
    const struct kube_client_options options = {.seed = 1};
    struct err e = {0};
    *b = (struct bench){0};
    assert_int_equal(os_loop_new(&b->loop, &e), 0);
    server_start(&b->server, b->loop);
    b->server.route = route;
    b->server.user = b;
    b->server.url[strlen(b->server.url) - 2] = '\0'; /* without its "/x" */
    b->config = (struct kube_config){
            .server = str_from(b->server.url), .token.inline_bytes = STR_LIT("planted-secret")};
    assert_int_equal(kube_client_new(b->loop, &b->config, &options, &b->client, &e), 0);
    b->c = cluster_new();
}

static void bench_close(struct bench *b)
{
    kube_client_free(b->client);
    server_stop(&b->server);
    os_loop_free(b->loop);
    cluster_free(b->c);
}

static void what_answers_is_read_and_the_rest_is_said(void **state)
{
    (void)state;
    struct bench b;
    struct ctl_readings_result result;
    struct ctl_gpu_reading g;
    struct err e = {0};
    uint32_t cursor = 0;
    bench_open(&b);
    for (unsigned i = 1; i <= 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};
        put_node(b.c, name, 1, "");
        put_exporter(b.c, name);
    }
    build(b.c);
    struct ctl_history *h = ctl_history_new(&b.c->w);
    if (ctl_readings_proxy(b.client, h, &result, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(b.asked_exporters, 3);
    assert_int_equal(b.refused_without_token, 0);
    assert_int_equal(result.asked, 3);
    assert_int_equal(result.answered, 1);
    assert_non_null(result.why);
    assert_null(strstr(result.why, "planted-secret"));
    ctl_history_finish(h);
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.busy_permille, 370);
    assert_false(ctl_history_next(h, &cursor, &g));
    (void)ctl_history_free(h);
    bench_close(&b);
}

/* More exporters than are asked at once. */
static void every_exporter_is_asked_once(void **state)
{
    (void)state;
    enum { MANY = 50 };
    struct bench b;
    struct ctl_readings_result result;
    struct err e = {0};
    bench_open(&b);
    put_node(b.c, "n1", 1, "");
    for (unsigned i = 0; i < MANY; i++) {
        buf_printf(&b.c->text,
                "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"gpu-operator\",\"name\":"
                "\"x-n1\",\"uid\":\"x-%u\",\"labels\":{\"app\":\"nvidia-dcgm-exporter\"}},"
                "\"spec\":{\"nodeName\":\"n1\",\"containers\":[]},\"status\":{\"phase\":"
                "\"Running\",\"podIP\":\"10.0.0.9\"}}\n",
                i);
    }
    build(b.c);
    assert_int_equal(b.c->s->exporter_count, MANY);
    struct ctl_history *h = ctl_history_new(&b.c->w);
    assert_int_equal(ctl_readings_proxy(b.client, h, &result, &e), 0);
    assert_int_equal(b.asked_exporters, MANY);
    assert_int_equal(result.asked, MANY);
    assert_int_equal(result.answered, MANY);
    assert_null(result.why);
    (void)ctl_history_free(h);
    bench_close(&b);
}

static void without_exporters_nobody_is_asked(void **state)
{
    (void)state;
    struct bench b;
    struct ctl_readings_result result;
    struct err e = {0};
    bench_open(&b);
    put_node(b.c, "n1", 1, "");
    build(b.c);
    struct ctl_history *h = ctl_history_new(&b.c->w);
    assert_int_equal(ctl_readings_proxy(b.client, h, &result, &e), 0);
    assert_int_equal(result.asked, 0);
    assert_int_equal(b.asked_exporters, 0);
    (void)ctl_history_free(h);
    bench_close(&b);
}

static const struct ctl_world *world(void *user)
{
    return &((struct bench *)user)->c->w;
}

static void got(void *user, struct ctl_history *h)
{
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    assert_true(ctl_history_next(h, &cursor, &g));
    assert_int_equal(g.all.busy_permille, 370);
    assert_false(ctl_history_next(h, &cursor, &g));
    ((struct bench *)user)->rounds++;
}

static void synced(void *user, bool complete)
{
    (void)user;
    assert_true(complete);
}

/* As the controller asks: again and again, whoever does not answer as well; and ended at any time.
 */
static void a_pulse_asks_by_it_again_and_again(void **state)
{
    (void)state;
    struct bench b;
    struct net_http *http;
    struct ctl_pulse *pulse;
    struct err e = {0};
    bench_open(&b);
    for (unsigned i = 1; i <= 3; i++) {
        char name[] = {'n', (char)('0' + i), '\0'};
        put_node(b.c, name, 1, "");
        put_exporter(b.c, name);
    }
    build(b.c);
    assert_int_equal(net_http_new(b.loop, &http, &e), 0);
    const struct ctl_pulse_options o = {.proxy = b.client,
            .every_ns = 20000000,
            .lost_after_ns = 100 * NUM_NS_PER_SECOND,
            .world = world,
            .got = got,
            .sync = synced,
            .user = &b};
    assert_int_equal(ctl_pulse_start(http, &o, &pulse, &e), 0);
    while (b.rounds < 5)
        assert_true(os_loop_turn(b.loop, -1, &e) >= 0);
    assert_int_equal(ctl_pulse_stats(pulse).asked, 3 * ctl_pulse_stats(pulse).rounds);
    assert_in_range(ctl_pulse_stats(pulse).answered, 5, ctl_pulse_stats(pulse).rounds);
    uint64_t begun = ctl_pulse_stats(pulse).rounds;
    while (ctl_pulse_stats(pulse).rounds == begun) /* until the next one is under way */
        assert_true(os_loop_turn(b.loop, -1, &e) >= 0);
    ctl_pulse_stop(pulse);
    net_http_free(http);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_answers_is_read_and_the_rest_is_said),
            cmocka_unit_test(every_exporter_is_asked_once),
            cmocka_unit_test(without_exporters_nobody_is_asked),
            cmocka_unit_test(a_pulse_asks_by_it_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
