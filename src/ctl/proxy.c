/* ctl/proxy.c - see proxy.h.  Below the purity line; on the loop. */
#include "ctl/proxy.h"

#include "base/arena.h"

#include <assert.h>

enum { PARALLEL = 32 };

/* A request under way. */
struct get {
    struct ctl_proxy *round;
    struct kube_request *request; /* NULL = none */
    uint32_t target;
};

struct ctl_proxy {
    struct kube_client *client;
    struct ctl_proxy_spec spec;
    struct arena *a;
    const char **paths; /* by target */
    uint32_t next, running;
    struct get gets[PARALLEL];
};

static void release(struct ctl_proxy *p)
{
    (void)arena_free(p->a);
    mem_free(p);
}

static void got(void *user, const struct kube_answer *answer);

static int start(struct ctl_proxy *p, struct get *g, struct err *reterr)
{
    const struct kube_request_spec spec = {.method = "GET",
            .path = p->paths[p->next],
            .timeout_ns = p->spec.timeout_ns,
            .retry_max = 3,
            .unlimited = true,
            .gzip = true,
            .done = got,
            .user = g};
    if (kube_client_start(p->client, &spec, &g->request, reterr) < 0)
        return reterr->code;
    g->target = p->next++;
    p->running++;
    return 0;
}

/* Asks the next ones in the place of one that has answered; who cannot be asked has not. */
static void go_on(struct ctl_proxy *p, struct get *g)
{
    while (p->next < p->spec.count && g->request == NULL) {
        struct err e = {0};
        if (start(p, g, &e) < 0)
            p->spec.got(p->spec.user, p->next++, (struct str){0}, &e);
    }
}

static void got(void *user, const struct kube_answer *answer)
{
    struct get *g = user;
    struct ctl_proxy *p = g->round;
    g->request = NULL;
    p->running--;
    bool there = answer->outcome == KUBE_DONE;
    p->spec.got(p->spec.user, g->target, answer->body, there ? NULL : &answer->err);
    go_on(p, g);
    if (p->running > 0)
        return;
    struct ctl_proxy_spec spec = p->spec;
    release(p);
    spec.done(spec.user);
}

int ctl_proxy_start(struct kube_client *client, const struct ctl_proxy_spec *spec,
        struct ctl_proxy **ret_proxy, struct err *reterr)
{
    assert(spec->count > 0);
    struct ctl_proxy *p = mem_alloc(1, sizeof *p);
    p->client = client;
    p->spec = *spec;
    p->a = arena_new((size_t)1 << 30);
    p->paths = ARENA_ARRAY(p->a, const char *, spec->count);
    for (uint32_t i = 0; i < spec->count; i++) {
        const struct ctl_exporter *x = &spec->exporters[(spec->first + i) % spec->count];
        p->paths[i] = arena_printf(p->a, "/api/v1/namespaces/%.*s/pods/%.*s:9400/proxy/metrics",
                STR_ARG(x->namespace), STR_ARG(x->name));
    }
    int rc = 0;
    for (unsigned i = 0; i < PARALLEL; i++)
        p->gets[i].round = p;
    for (unsigned i = 0; i < PARALLEL && p->next < spec->count && rc == 0; i++)
        rc = start(p, &p->gets[i], reterr);
    if (p->running == 0) {
        release(p);
        return rc;
    }
    *ret_proxy = p;
    return 0;
}

void ctl_proxy_cancel(struct ctl_proxy *p)
{
    for (unsigned i = 0; i < PARALLEL; i++) {
        if (p->gets[i].request != NULL)
            kube_client_cancel(p->gets[i].request);
    }
    release(p);
}
