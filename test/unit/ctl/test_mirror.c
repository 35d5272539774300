/* ctl/mirror: what is ready, in sync and seen, against a scripted API server. */
#define _GNU_SOURCE /* accept4, memmem */
#include "cluster.h"

#include "../net/http_script.h"
#include "ctl/mirror.h"

#define GUARD_NS INT64_C(20000000000)

enum { BODY_MAX = 1 << 14 };

struct bench {
    struct os_loop *loop;
    struct arena *a;
    struct server server;
    struct kube_config config;
    struct kube_client *client;
    struct ctl_mirror *mirror;
    struct os_timer guard;
    unsigned dirty;
    const char *refused; /* a part of paths: 403; NULL = none */
    const char *absent;  /* 404 */
    char answer[BODY_MAX + 256];
};

static void out_of_time(struct os_timer *t)
{
    (void)t;
    fail_msg("not done within 20 s");
}

/* -- the server ---------------------------------------------------------------------------------
 */

static const struct {
    const char *path, *items;
} lists[] = {
        {"/api/v1/nodes?",
                "{\"metadata\":{\"name\":\"n1\",\"uid\":\"n1\",\"resourceVersion\":\"41\","
                "\"labels\":{\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\"}},\"status\":{"
                "\"capacity\":{\"nvidia.com/gpu\":\"2\"}}}"},
        {"/api/v1/pods?",
                "{\"metadata\":{\"namespace\":\"ml\",\"name\":\"p\",\"uid\":\"p\","
                "\"resourceVersion\":\"42\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
                "\"name\":\"c\",\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]},"
                "\"status\":{\"phase\":\"Running\"}}"},
        {"/apis/apps/v1/daemonsets?",
                "{\"metadata\":{\"namespace\":\"op\",\"name\":\"nvidia-device-plugin-daemonset\","
                "\"uid\":\"ds\"},\"spec\":{}}"},
        {"/apis/nvidia.com/v1/clusterpolicies?",
                "{\"metadata\":{\"name\":\"p\",\"uid\":\"cp\"},\"spec\":{\"devicePlugin\":{"
                "\"config\":{\"name\":\"sharing\"}},\"migManager\":{\"config\":{\"name\":\"mig\"}}"
                "}}"},
        {"/namespaces/op/configmaps?limit=500&fieldSelector=metadata.name%3Dsharing",
                "{\"metadata\":{\"namespace\":\"op\",\"name\":\"sharing\",\"uid\":\"cm\","
                "\"resourceVersion\":\"43\"},\"data\":{\"ts-4\":\"version: v1\"}}"},
};

static void answer(struct bench *b, const char *status, const char *body)
{
    (void)snprintf(b->answer, sizeof b->answer,
            "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
            status, strlen(body), body);
    b->server.answer = b->answer;
    b->server.after = AFTER_KEEP;
}

/* No streaming lists; a watch is taken and says nothing. */
static void route(struct server *s)
{
    struct bench *b = s->user;
    char body[BODY_MAX];
    const char *items = "";
    if (b->refused != NULL && strstr(s->last, b->refused) != NULL) {
        answer(b, "403 Forbidden", "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}");
    } else if (b->absent != NULL && strstr(s->last, b->absent) != NULL) {
        answer(b, "404 Not Found", "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    } else if (strstr(s->last, "sendInitialEvents") != NULL) {
        answer(b, "422 Unprocessable Entity", "{\"kind\":\"Status\",\"reason\":\"Invalid\"}");
    } else if (strstr(s->last, "watch=1") != NULL) {
        s->answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        s->after = AFTER_KEEP;
    } else {
        for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
            if (strstr(s->last, lists[i].path) != NULL)
                items = lists[i].items;
        }
        (void)snprintf(body, sizeof body,
                "{\"metadata\":{\"resourceVersion\":\"50\"},\"items\":[%s]}", items);
        answer(b, "200 OK", body);
    }
}

static void dirty(void *user)
{
    struct bench *b = user;
    b->dirty++;
}

static void begin(struct bench *b)
{
    const struct kube_client_options client = {.qps_milli = 1000000, .burst = 1000, .seed = 1};
    const struct ctl_mirror_options o = {.dirty = dirty, .user = b};
    struct err e = {0};
    b->a = arena_new(0);
    assert_int_equal(os_loop_new(&b->loop, &e), 0);
    server_start(&b->server, b->loop);
    b->server.route = route;
    b->server.user = b;
    b->server.url[strlen(b->server.url) - strlen("/x")] = '\0';
    b->config = (struct kube_config){.server = str_from(b->server.url)};
    assert_int_equal(kube_client_new(b->loop, &b->config, &client, &b->client, &e), 0);
    assert_int_equal(ctl_mirror_start(b->client, &o, &b->mirror, &e), 0);
    b->guard.fire = out_of_time;
    os_loop_timer_set(b->loop, &b->guard, os_loop_now_ns(b->loop) + GUARD_NS);
}

static void end(struct bench *b)
{
    ctl_mirror_stop(b->mirror);
    kube_client_free(b->client);
    server_stop(&b->server);
    os_loop_timer_clear(b->loop, &b->guard);
    os_loop_free(b->loop);
    (void)arena_free(b->a);
}

static void turn(struct bench *b)
{
    struct err e = {0};
    assert_true(os_loop_turn(b->loop, -1, &e) >= 0);
}

static void take(struct bench *b, struct ctl_snapshot **ret_s, struct ctl_fetch_result *ret_seen)
{
    struct err e = {0};
    if (ctl_mirror_snapshot(b->mirror, ret_s, ret_seen, &e) < 0)
        fail_msg("%s", e.text);
}

/* -- tests --------------------------------------------------------------------------------------
 */

static void all_kinds_make_it_ready(void **state)
{
    (void)state;
    struct bench b = {0};
    struct ctl_snapshot *s;
    struct ctl_fetch_result seen;
    begin(&b);
    assert_false(ctl_mirror_ready(b.mirror));
    assert_false(ctl_mirror_synced(b.mirror, CORE_SOURCE_NODES));
    while (!ctl_mirror_ready(b.mirror))
        turn(&b);
    assert_true(b.dirty > 0);
    for (enum core_source i = 0; i <= CORE_SOURCE_CONFIG; i++)
        assert_true(ctl_mirror_synced(b.mirror, i));
    take(&b, &s, &seen);
    assert_int_equal(s->node_count, 1);
    assert_int_equal(s->nodes[0].version, 41);
    assert_int_equal(s->pod_count, 1);
    assert_int_equal(s->config_count, 1);
    assert_int_equal(s->configs[0].version, 43);
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        assert_true(seen.seen[k]);
    assert_int_equal(ctl_mirror_version(b.mirror, CTL_PODS, STR_LIT("ml"), STR_LIT("p")), 42);
    assert_int_equal(ctl_mirror_version(b.mirror, CTL_PODS, STR_LIT("ml"), STR_LIT("q")), 0);
    assert_int_equal(
            ctl_mirror_version(b.mirror, CTL_CONFIGMAPS, STR_LIT("op"), STR_LIT("sharing")), 43);
    assert_int_equal(ctl_mirror_stats(b.mirror).objects, 5);
    (void)ctl_snapshot_free(s);
    end(&b);
}

/* A kind that we may not read counts as empty, and is said; one that is not served is none. */
static void what_is_refused_is_not_seen(void **state)
{
    (void)state;
    struct bench b = {.refused = "poddisruptionbudgets", .absent = "clusterpolicies"};
    struct ctl_snapshot *s;
    struct ctl_fetch_result seen;
    begin(&b);
    while (!ctl_mirror_ready(b.mirror))
        turn(&b);
    assert_true(ctl_mirror_synced(b.mirror, CORE_SOURCE_OWNERS));
    assert_true(ctl_mirror_synced(b.mirror, CORE_SOURCE_CONFIG));
    take(&b, &s, &seen);
    assert_false(seen.seen[CTL_BUDGETS]);
    assert_non_null(strstr(seen.why[CTL_BUDGETS], "403"));
    assert_true(seen.seen[CTL_CLUSTER_POLICIES]);
    assert_false(s->operator.present);
    assert_int_equal(s->config_count, 0);
    (void)ctl_snapshot_free(s);
    /* Both are there later. */
    uint64_t generation = ctl_mirror_generation(b.mirror);
    b.refused = b.absent = NULL;
    do {
        turn(&b);
        take(&b, &s, &seen);
        bool all = seen.seen[CTL_BUDGETS] && s->config_count == 1;
        (void)ctl_snapshot_free(s);
        if (all)
            break;
    } while (true);
    assert_true(ctl_mirror_generation(b.mirror) > generation);
    end(&b);
}

/* Without nodes there is nothing to go by. */
static void nodes_have_to_be_readable(void **state)
{
    (void)state;
    struct bench b = {.refused = "/api/v1/nodes"};
    begin(&b);
    while (!ctl_mirror_synced(b.mirror, CORE_SOURCE_CONFIG))
        turn(&b);
    assert_false(ctl_mirror_ready(b.mirror));
    assert_false(ctl_mirror_synced(b.mirror, CORE_SOURCE_NODES));
    b.refused = NULL;
    while (!ctl_mirror_ready(b.mirror))
        turn(&b);
    assert_true(ctl_mirror_synced(b.mirror, CORE_SOURCE_NODES));
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(all_kinds_make_it_ready),
            cmocka_unit_test(what_is_refused_is_not_seen),
            cmocka_unit_test(nodes_have_to_be_readable),
    };
    return cmocka_run_group_tests_name("ctl/mirror", tests, NULL, NULL);
}
