/* ctl/readings_proxy.c - readings of now, from exporters behind the API server; see readings.h.
 *
 * Below the purity line. */
#include "ctl/readings-priv.h"

#include "base/num.h"
#include "kube/client.h"
#include "os/loop.h"

#include <stdio.h>

enum { PARALLEL = 32, PATH_BYTES = 1024 };

struct round;

/* A request under way. */
struct get {
    struct round *round;
    struct kube_request *request; /* NULL = none */
    uint32_t exporter;
};

struct round {
    struct ctl_readings_round all;
    struct kube_client *client;
    uint32_t next, running;
    struct get gets[PARALLEL];
};

static void got(void *user, const struct kube_answer *answer)
{
    struct get *g = user;
    struct round *r = g->round;
    g->request = NULL;
    r->running--;
    bool done = answer->outcome == KUBE_DONE;
    ctl_readings_take(&r->all, g->exporter, answer->body, done ? NULL : &answer->err);
}

static int start(struct round *r, struct get *g, struct err *reterr)
{
    const struct ctl_exporter *x = &r->all.h->w->snapshot->exporters[r->next];
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/api/v1/namespaces/%.*s/pods/%.*s:9400/proxy/metrics",
            STR_ARG(x->namespace), STR_ARG(x->name));
    const struct kube_request_spec spec = {.method = "GET",
            .path = path,
            .timeout_ns = 10 * NUM_NS_PER_SECOND,
            .retry_max = 3,
            .gzip = true,
            .done = got,
            .user = g};
    g->exporter = r->next++;
    if (kube_client_start(r->client, &spec, &g->request, reterr) < 0)
        return reterr->code;
    r->running++;
    return 0;
}

/* Keeps some under way until all have answered. */
static int run(struct round *r, struct err *reterr)
{
    uint32_t count = r->all.h->w->snapshot->exporter_count;
    while (r->running > 0 || r->next < count) {
        for (unsigned i = 0; i < PARALLEL && r->next < count; i++) {
            if (r->gets[i].request == NULL && start(r, &r->gets[i], reterr) < 0)
                return reterr->code;
        }
        int rc = os_loop_turn(kube_client_loop(r->client), -1, reterr);
        if (rc < 0)
            return rc;
    }
    if (r->all.fatal.code != 0)
        *reterr = r->all.fatal;
    return r->all.fatal.code;
}

int ctl_readings_proxy(struct kube_client *client, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr)
{
    struct round r = {.all = {.h = h}, .client = client};
    for (unsigned i = 0; i < PARALLEL; i++)
        r.gets[i].round = &r;
    int rc = run(&r, reterr);
    for (unsigned i = 0; i < PARALLEL; i++) {
        if (r.gets[i].request != NULL)
            kube_client_cancel(r.gets[i].request);
    }
    if (rc == 0)
        *ret_result = r.all.result;
    return rc;
}
