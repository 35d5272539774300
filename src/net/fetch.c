/* net/fetch.c - a round of GETs, some at a time. */
#include "net/fetch.h"

#include "base/arena.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define TIMEOUT_NS INT64_C(10000000000)

enum { PARALLEL = 32, BYTES_MAX = 64 << 20, HTTP_OK = 200 };

/* A GET under way; its index is the round's slot. */
struct get {
    struct net_fetch *round;
    struct net_request *request; /* NULL = the slot is free */
    uint32_t target;
};

struct net_fetch {
    struct net_http *http;
    struct os_loop *loop;
    struct net_fetch_spec spec;
    struct arena *arena; /* copies of the targets */
    struct net_fetch_target *targets;
    struct net_tls *tls;
    uint32_t next, running;
    struct os_timer pump;
    struct get gets[];
};

static void forget(struct net_fetch *f)
{
    os_loop_timer_clear(f->loop, &f->pump);
    for (uint32_t i = 0; i < f->spec.parallel; i++) {
        if (f->gets[i].request != NULL)
            net_http_cancel(f->gets[i].request);
    }
    arena_free(f->arena);
    mem_free(f);
}

void net_fetch_cancel(struct net_fetch *f)
{
    forget(f);
}

static void on_done(void *user, const struct net_result *result)
{
    struct get *g = user;
    struct net_fetch *f = g->round;
    g->request = NULL;
    f->running--;
    os_loop_timer_set(f->loop, &f->pump, os_loop_now_ns(f->loop));
    struct err fault = result->err;
    struct str url = f->targets[g->target].url;
    int shown = (int)(url.len < 200 ? url.len : 200);
    const char *query = memchr(url.ptr, '?', (size_t)shown);
    if (query != NULL)
        shown = (int)(query - url.ptr);
    if (result->end == NET_END_DONE && result->status == HTTP_OK) {
        f->spec.got(f->spec.user, g->target, result->body, NULL);
        return;
    }
    struct str text = {0};
    if (result->end == NET_END_DONE) {
        (void)err_set(&fault, -EREMOTEIO, "HTTP status %u", result->status);
        text = result->body;
    }
    (void)err_wrap(&fault, "%.*s", shown, url.ptr);
    f->spec.got(f->spec.user, g->target, text, &fault);
}

/* Starts the next target in slot `g`. */
static void start(struct net_fetch *f, struct get *g)
{
    g->target = f->next++;
    const struct net_fetch_target *t = &f->targets[g->target];
    struct buf bearer = BUF_INIT(1 << 20);
    struct net_request_spec spec = {
            .method = "GET",
            .url = t->url,
            .gzip = true,
            .tls = t->tls,
            .timeout_ns = f->spec.timeout_ns,
            .body_bytes_max = f->spec.bytes_max,
            .done = on_done,
            .user = g,
    };
    struct str accept = t->accept.len > 0 ? t->accept : STR_LIT("text/plain");
    spec.headers[spec.header_count++] = (struct net_header){STR_LIT("Accept"), accept};
    if (t->bearer.len > 0) {
        buf_puts(&bearer, "Bearer ");
        buf_put(&bearer, t->bearer);
        spec.headers[spec.header_count++] =
                (struct net_header){STR_LIT("Authorization"), buf_str(&bearer)};
    }
    struct err fault = {0};
    int r = net_http_start(f->http, &spec, &g->request, &fault);
    if (bearer.ptr != NULL)
        explicit_bzero(bearer.ptr, bearer.len);
    buf_clear(&bearer);
    if (r < 0) {
        g->request = NULL;
        f->spec.got(f->spec.user, g->target, (struct str){0}, &fault);
    } else {
        f->running++;
    }
}

static void on_pump(struct os_timer *t)
{
    struct net_fetch *f = (struct net_fetch *)((char *)t - offsetof(struct net_fetch, pump));
    for (uint32_t i = 0; i < f->spec.parallel && f->next < f->spec.target_count; i++) {
        while (f->gets[i].request == NULL && f->next < f->spec.target_count)
            start(f, &f->gets[i]);
    }
    if (f->running > 0 || f->next < f->spec.target_count)
        return;
    void (*done)(void *) = f->spec.done;
    void *user = f->spec.user;
    forget(f);
    done(user);
}

static void copy_targets(struct net_fetch *f, const struct net_fetch_target *from)
{
    uint32_t count = f->spec.target_count;
    f->targets = ARENA_ARRAY(f->arena, struct net_fetch_target, count + 1);
    f->tls = ARENA_ARRAY(f->arena, struct net_tls, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        f->targets[i] = (struct net_fetch_target){
                .url = arena_str(f->arena, from[i].url),
                .bearer = arena_str(f->arena, from[i].bearer),
                .accept = arena_str(f->arena, from[i].accept),
        };
        if (from[i].tls == NULL)
            continue;
        if (i > 0 && from[i].tls == from[i - 1].tls) { /* a round has many questions to one */
            f->targets[i].tls = f->targets[i - 1].tls;
            continue;
        }
        f->tls[i] = (struct net_tls){
                .ca_pem = arena_str(f->arena, from[i].tls->ca_pem),
                .cert_pem = arena_str(f->arena, from[i].tls->cert_pem),
                .key_pem = arena_str(f->arena, from[i].tls->key_pem),
                .server_name = arena_str(f->arena, from[i].tls->server_name),
                .insecure = from[i].tls->insecure,
        };
        f->targets[i].tls = &f->tls[i];
    }
}

int net_fetch_start(struct net_http *http, const struct net_fetch_spec *spec,
        struct net_fetch **ret_fetch, struct err *reterr)
{
    uint32_t parallel = spec->parallel == 0 ? PARALLEL : spec->parallel;
    if (parallel > NET_REQUESTS_MAX) {
        return err_set(reterr, -E2BIG, "%u fetches at a time; the limit is %d", parallel,
                NET_REQUESTS_MAX);
    }
    struct net_fetch *f = mem_alloc(1, sizeof *f + parallel * sizeof f->gets[0]);
    f->http = http;
    f->loop = net_http_loop(http);
    f->spec = *spec;
    f->spec.parallel = parallel;
    if (f->spec.timeout_ns == 0)
        f->spec.timeout_ns = TIMEOUT_NS;
    if (f->spec.bytes_max == 0)
        f->spec.bytes_max = BYTES_MAX;
    f->arena = arena_new(0);
    f->pump.fire = on_pump;
    copy_targets(f, spec->targets);
    for (uint32_t i = 0; i < parallel; i++)
        f->gets[i].round = f;
    os_loop_timer_set(f->loop, &f->pump, os_loop_now_ns(f->loop));
    *ret_fetch = f;
    return 0;
}
