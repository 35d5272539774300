/* ctl/readings.c - readings of now, from exporters; see readings.h.  Below the purity line. */
#include "ctl/readings-priv.h"

#include "base/num.h"
#include "os/clock.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>

struct round {
    struct ctl_readings_round all;
    struct net_fetch *fetch;
    bool done;
};

static void note(struct ctl_readings_round *r, const struct err *why)
{
    if (r->result.why == NULL)
        r->result.why = arena_printf(r->h->a, "%s", why->text);
}

static void ended(void *user)
{
    struct round *r = user;
    r->done = true;
}

static int wait_for(struct round *r, struct net_http *http, struct err *reterr)
{
    while (!r->done) {
        int rc = os_loop_turn(net_http_loop(http), -1, reterr);
        if (rc < 0) {
            net_fetch_cancel(r->fetch);
            return rc;
        }
    }
    if (r->all.fatal.code != 0)
        *reterr = r->all.fatal;
    return r->all.fatal.code;
}

/* -- exporters ----------------------------------------------------------------------------------
 */

struct str ctl_readings_url(struct arena *a, const struct ctl_exporter *x)
{
    bool v6 = memchr(x->ip.ptr, ':', x->ip.len) != NULL;
    return str_from(arena_printf(
            a, "http://%s%.*s%s:9400/metrics", v6 ? "[" : "", STR_ARG(x->ip), v6 ? "]" : ""));
}

void ctl_readings_take(
        struct ctl_readings_round *r, uint32_t exporter, struct str text, const struct err *why)
{
    const struct ctl_exporter *x = &r->h->w->snapshot->exporters[exporter];
    struct nvidia_dcgm scrape;
    struct err e = {0};
    r->result.asked++;
    if (why != NULL) {
        note(r, why);
        return;
    }
    struct arena *a = arena_new((size_t)1 << 30);
    if (nvidia_dcgm_parse(a, text, &scrape, &e) < 0) {
        (void)err_wrap(&e, "exporter of node %.*s", STR_ARG(x->node));
        note(r, &e);
    } else if (r->fatal.code == 0) {
        r->result.answered++;
        (void)ctl_history_add_scrape(r->h, &scrape, map_str_find(&r->h->w->node_index, x->node),
                os_clock_wall_ns(), &r->fatal);
    }
    (void)arena_free(a);
}

static void got_scrape(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    ctl_readings_take(&r->all, target, text, err);
}

int ctl_readings_scrape(struct net_http *http, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr)
{
    const struct ctl_snapshot *s = h->w->snapshot;
    struct round r = {.all = {.h = h}};
    if (s->exporter_count == 0) {
        *ret_result = r.all.result;
        return 0;
    }
    struct net_fetch_target *targets = mem_alloc(s->exporter_count, sizeof *targets);
    for (uint32_t i = 0; i < s->exporter_count; i++) {
        targets[i].url = ctl_readings_url(h->a, &s->exporters[i]);
    }
    const struct net_fetch_spec spec = {.targets = targets,
            .target_count = s->exporter_count,
            .timeout_ns = 5 * NUM_NS_PER_SECOND,
            .got = got_scrape,
            .done = ended,
            .user = &r};
    int rc = net_fetch_start(http, &spec, &r.fetch, reterr);
    if (rc == 0)
        rc = wait_for(&r, http, reterr);
    mem_free(targets);
    if (rc == 0)
        *ret_result = r.all.result;
    return rc;
}
