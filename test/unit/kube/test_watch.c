/* kube/watch, kube/client: a reflector against a scripted server: what it asks, and what it tells.
 */
#define _GNU_SOURCE /* accept4, memmem */
#include "test.h"

#include "../net/http_script.h"
#include "base/buf.h"
#include "kube/watch.h"
#include "os/clock.h"

#include <errno.h>

#define LONG_NS INT64_C(20000000000)

/* One request that must come, and what it gets. */
struct step {
    const char *asks; /* a part of the request line; "|" divides several */
    const char *answer;
    enum after after;
};

struct bench {
    struct os_loop *loop;
    struct arena *arena;
    struct server server;
    struct kube_config config;
    struct kube_client *client;
    struct kube_watch *watch;
    struct kube_watch_options options;
    const struct step *steps;
    unsigned step_count, step, pings;
    struct buf told; /* what the callbacks said */
    struct os_timer guard;
};

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

static void out_of_time(struct os_timer *t)
{
    const struct bench *b = (const struct bench *)((char *)t - offsetof(struct bench, guard));
    fail_msg("nothing more within 20 s; step %u of %u; told: %s", b->step, b->step_count,
            b->told.ptr);
}

static void route(struct server *s)
{
    struct bench *b = s->user;
    if (strstr(s->last, "GET /version ") != NULL) {
        b->pings++; /* on a connection of its own: HTTP/1.1 has no streams */
        s->answer = HEAD "{}";
        s->after = AFTER_CLOSE;
        return;
    }
    if (b->step == b->step_count) {
        s->answer = NULL; /* the end of the script: silence */
        s->after = AFTER_KEEP;
        return;
    }
    const struct step *step = &b->steps[b->step++];
    struct str part, rest = str_from(step->asks);
    while (str_split(&rest, '|', &part)) {
        char text[256];
        (void)snprintf(text, sizeof text, "%.*s", STR_ARG(part));
        bool must_not = text[0] == '!';
        if ((strstr(s->last, text + must_not) == NULL) != must_not)
            fail_msg("step %u: '%s' in: %s", b->step, text, s->last);
    }
    s->answer = step->answer;
    s->after = step->after;
}

/* Keeps the label `keep`; objects with the label `odd` cannot be read, those without `keep` are of
 * no interest. */
static int project(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    if (kube_item_label(item, "odd").len > 0)
        return -EINVAL;
    if (kube_item_label(item, "keep").len == 0)
        return -ENOENT;
    buf_put(row, kube_item_label(item, "keep"));
    return 0;
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct bench *b = user;
    assert_int_equal(item != NULL, change == KUBE_PUT);
    buf_printf(&b->told, "%s %.*s/%.*s=%.*s;", change == KUBE_PUT ? "put" : "gone",
            STR_ARG(row->namespace), STR_ARG(row->name), (int)row->size, (const char *)row->bytes);
}

static void told_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    struct bench *b = user;
    buf_printf(&b->told, "%s;", sync == KUBE_SYNC_COMPLETE ? "complete" : "lost");
    if (sync == KUBE_SYNC_LOST)
        assert_true(reason->code < 0 && reason->text[0] != '\0');
}

static void bench_open(struct bench *b, const struct step *steps, unsigned count)
{
    struct kube_client_options options = {.seed = 1};
    struct err e = {0};
    b->steps = steps;
    b->step_count = count;
    b->told = BUF_INIT(1 << 16);
    b->guard.fire = out_of_time;
    assert_int_equal(os_loop_new(&b->loop, &e), 0);
    server_start(&b->server, b->loop);
    b->server.route = route;
    b->server.user = b;
    b->arena = arena_new(0);
    b->server.url[strlen(b->server.url) - 2] = '\0'; /* without its "/x" */
    b->config = (struct kube_config){
            .server = str_from(b->server.url), .token.inline_bytes = STR_LIT("planted-secret")};
    assert_int_equal(kube_client_new(b->loop, &b->config, &options, &b->client, &e), 0);
    if (b->options.path == NULL)
        b->options.path = "/api/v1/pods";
    b->options.backoff_min_ns = 1000000;
    b->options.backoff_max_ns = 10000000;
    struct kube_watch_handler handler = {
            .project = project, .changed = changed, .sync = told_sync, .user = b};
    assert_int_equal(kube_watch_start(b->client, &b->options, &handler, &b->watch, &e), 0);
}

/* Runs until the callbacks have said `want`, then a little more: nothing may follow. */
static void expect_told(struct bench *b, const char *want)
{
    os_loop_timer_set(b->loop, &b->guard, os_loop_now_ns(b->loop) + LONG_NS);
    while (b->told.len < strlen(want) || b->step < b->step_count)
        assert_true(os_loop_turn(b->loop, -1, NULL) >= 0);
    int64_t end = os_clock_mono_ns() + 30000000;
    while (os_clock_mono_ns() < end)
        assert_true(os_loop_turn(b->loop, 5000000, NULL) >= 0);
    assert_string_equal(b->told.ptr, want);
}

static void bench_close(struct bench *b)
{
    os_loop_timer_clear(b->loop, &b->guard);
    kube_watch_stop(b->watch);
    kube_client_free(b->client);
    server_stop(&b->server);
    os_loop_free(b->loop);
    arena_free(b->arena);
    buf_clear(&b->told);
}

#define META(name, uid, version, label)                                                            \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"s\",\"uid\":\"" uid                      \
    "\",\"resourceVersion\":\"" version "\",\"labels\":{" label "}}}"
#define POD(name, uid, version, keep) META(name, uid, version, "\"keep\":\"" keep "\"")
#define LIST(version, next, items)                                                                 \
    HEAD "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version                      \
         "\",\"continue\":\"" next "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version, more)                                                                    \
    EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"" more "}}")
#define INITIAL_END ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}"
#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"code\":" #code ",\"reason\":\"" reason "\",\"message\":\"no\"}"
#define REFUSAL(line, code, reason)                                                                \
    "HTTP/1.1 " line "\r\nConnection: close\r\n\r\n" STATUS(code, reason)

#define RUN(b, steps, want)                                                                        \
    do {                                                                                           \
        bench_open((b), (steps), sizeof(steps) / sizeof(steps)[0]);                                \
        expect_told((b), (want));                                                                  \
    } while (0)

static void a_streamed_list(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"GET /api/v1/pods?watch=1|sendInitialEvents=true|resourceVersionMatch=NotOlderThan|"
             "allowWatchBookmarks=true|!resourceVersion=|Authorization: Bearer planted-secret",
                    HEAD EVENT("ADDED", POD("a", "1", "5", "x"))
                            EVENT("ADDED", POD("b", "2", "3", "y")) BOOKMARK("9", INITIAL_END)
                                    EVENT("MODIFIED", POD("a", "1", "10", "x"))
                                            EVENT("MODIFIED", POD("a", "1", "11", "z"))
                                                    EVENT("DELETED", POD("b", "2", "12", "y")),
                    AFTER_CLOSE},
            {"watch=1|resourceVersion=12 |!sendInitialEvents", HEAD BOOKMARK("20", ""),
                    AFTER_CLOSE},
            {"watch=1|resourceVersion=20", HEAD, AFTER_KEEP},
    };
    struct bench b = {0};
    RUN(&b, steps, "put s/a=x;put s/b=y;complete;put s/a=z;gone s/b=y;");
    assert_int_equal(kube_watch_version(b.watch), 20);
    assert_int_equal(kube_watch_sync(b.watch), KUBE_SYNC_COMPLETE);
    bench_close(&b);
}

static void pages_then_a_watch(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"sendInitialEvents=true", REFUSAL("422 No", 422, "Invalid"), AFTER_CLOSE},
            {"GET /api/v1/pods?limit=500&labelSelector=a%3Db |",
                    LIST("7", "t/1", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"limit=500&labelSelector=a%3Db&continue=t%2F1 ",
                    LIST("7", "", POD("b", "2", "6", "y")), AFTER_CLOSE},
            {"watch=1|resourceVersion=7&labelSelector=a%3Db ", HEAD, AFTER_KEEP},
    };
    struct bench b = {.options.label_selector = "a=b"};
    RUN(&b, steps, "put s/a=x;put s/b=y;complete;");
    bench_close(&b);
}

/* b went, c came anew under its name, a stayed: told after the 410, and nothing of a. */
static void a_list_after_410(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit",
                    LIST("7", "",
                            POD("a", "1", "5", "x") "," POD("b", "2", "6", "y") "," POD(
                                    "c", "3", "6", "z")),
                    AFTER_CLOSE},
            {"resourceVersion=7", REFUSAL("410 Gone", 410, "Expired"), AFTER_CLOSE},
            {"limit|!continue", LIST("9", "", POD("a", "1", "5", "x") "," POD("c", "4", "8", "z")),
                    AFTER_CLOSE},
            {"resourceVersion=9", HEAD EVENT("ERROR", STATUS(410, "Expired")), AFTER_CLOSE},
            {"limit", LIST("11", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=11", HEAD, AFTER_KEEP},
    };
    struct bench b = {.options.no_stream = true};
    RUN(&b, steps,
            "put s/a=x;put s/b=y;put s/c=z;complete;gone s/c=z;put s/c=z;gone s/b=y;gone s/c=z;");
    assert_int_equal(kube_watch_stats(b.watch).expired, 2);
    bench_close(&b);
}

static void a_cut_event_is_read_again(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit", LIST("7", "", ""), AFTER_CLOSE},
            {"resourceVersion=7",
                    HEAD EVENT("ADDED", POD("a", "1", "8", "x")) "{\"type\":\"ADDED\",\"obj",
                    AFTER_CLOSE},
            {"resourceVersion=8", "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", AFTER_CLOSE},
            {"resourceVersion=8", HEAD EVENT("ADDED", POD("b", "2", "9", "y")), AFTER_KEEP},
    };
    struct bench b = {.options.no_stream = true};
    RUN(&b, steps, "complete;put s/a=x;put s/b=y;");
    bench_close(&b);
}

static void what_is_left_out(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit",
                    LIST("7", "",
                            POD("a", "1", "5", "x") "," META(
                                    "b", "2", "5", "\"odd\":\"1\"") "," META("c", "3", "5", "")),
                    AFTER_CLOSE},
            {"resourceVersion=7",
                    HEAD EVENT("MODIFIED", META("a", "1", "8", ""))
                            EVENT("MODIFIED", POD("c", "3", "9", "w")),
                    AFTER_KEEP},
    };
    struct bench b = {.options.no_stream = true};
    RUN(&b, steps, "put s/a=x;complete;gone s/a=x;put s/c=w;");
    assert_int_equal(kube_watch_stats(b.watch).unreadable, 1);
    assert_int_equal(kube_cache_count(kube_watch_cache(b.watch)), 1);
    bench_close(&b);
}

static void refused_is_lost(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit", REFUSAL("403 No", 403, "Forbidden"), AFTER_CLOSE},
            {"limit", LIST("7", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=7", HEAD "garbage", AFTER_CLOSE},
            {"limit", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]", AFTER_CLOSE},
            {"limit", LIST("8", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=8", HEAD, AFTER_KEEP},
    };
    struct bench b = {.options.no_stream = true};
    RUN(&b, steps, "lost;put s/a=x;complete;lost;complete;");
    bench_close(&b);
}

/* Refused again is no news; refused for another reason is. */
static void each_reason_of_a_loss_is_told(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit", REFUSAL("403 No", 403, "Forbidden"), AFTER_CLOSE},
            {"limit", REFUSAL("403 No", 403, "Forbidden"), AFTER_CLOSE},
            {"limit", REFUSAL("404 No", 404, "NotFound"), AFTER_CLOSE},
            {"limit", LIST("7", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=7", HEAD, AFTER_KEEP},
    };
    struct bench b = {.options.no_stream = true};
    RUN(&b, steps, "lost;lost;put s/a=x;complete;");
    bench_close(&b);
}

static void silence_is_a_dead_peer(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit", LIST("7", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=7", HEAD, AFTER_KEEP},
            {"resourceVersion=7", HEAD EVENT("DELETED", POD("a", "1", "9", "x")), AFTER_KEEP},
    };
    struct bench b = {.options = {.no_stream = true, .idle_timeout_ns = 50000000}};
    RUN(&b, steps, "put s/a=x;complete;gone s/a=x;");
    assert_true(kube_watch_stats(b.watch).idle >= 1);
    assert_true(b.pings >= 1); /* it was asked first whether it lives */
    bench_close(&b);
}

/* Away for longer than lost_after_ns: said, and only a list makes it complete again. */
static void away_for_long_is_lost(void **state)
{
    (void)state;
    static const struct step steps[] = {
            {"limit", LIST("7", "", POD("a", "1", "5", "x")), AFTER_CLOSE},
            {"resourceVersion=7", REFUSAL("500 No", 500, "InternalError"), AFTER_CLOSE},
            {"limit", LIST("9", "", ""), AFTER_CLOSE},
            {"resourceVersion=9", HEAD, AFTER_KEEP},
    };
    struct bench b = {.options = {.no_stream = true, .lost_after_ns = 1}};
    RUN(&b, steps, "put s/a=x;complete;lost;gone s/a=x;complete;");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_streamed_list),
            cmocka_unit_test(pages_then_a_watch),
            cmocka_unit_test(a_list_after_410),
            cmocka_unit_test(a_cut_event_is_read_again),
            cmocka_unit_test(what_is_left_out),
            cmocka_unit_test(refused_is_lost),
            cmocka_unit_test(each_reason_of_a_loss_is_told),
            cmocka_unit_test(silence_is_a_dead_peer),
            cmocka_unit_test(away_for_long_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
