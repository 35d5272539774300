/* ctl/readings_proxy.c - readings of now, from exporters behind the API server; see readings.h.
 *
 * Below the purity line. */
#include "ctl/proxy.h"
#include "ctl/readings-priv.h"

#include "base/num.h"
#include "os/loop.h"

struct round {
    struct ctl_readings_round all;
    struct ctl_proxy *proxy; /* NULL = all have answered */
};

static void got(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    ctl_readings_take(&r->all, target, text, err);
}

static void ended(void *user)
{
    struct round *r = user;
    r->proxy = NULL;
}

int ctl_readings_proxy(struct kube_client *client, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr)
{
    struct round r = {.all = {.h = h}};
    const struct ctl_snapshot *s = h->w->snapshot;
    const struct ctl_proxy_spec spec = {.exporters = s->exporters,
            .count = s->exporter_count,
            .timeout_ns = 10 * NUM_NS_PER_SECOND,
            .got = got,
            .done = ended,
            .user = &r};
    if (spec.count > 0 && ctl_proxy_start(client, &spec, &r.proxy, reterr) < 0)
        return reterr->code;
    while (r.proxy != NULL) {
        int rc = os_loop_turn(kube_client_loop(client), -1, reterr);
        if (rc < 0) {
            ctl_proxy_cancel(r.proxy);
            return rc;
        }
    }
    if (r.all.fatal.code != 0) {
        *reterr = r.all.fatal;
        return r.all.fatal.code;
    }
    *ret_result = r.all.result;
    return 0;
}
