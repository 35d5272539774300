/* ctl/readings.c - see readings.h.  Below the purity line. */
#include "ctl/readings.h"

#include "base/num.h"
#include "os/clock.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>

enum { METRICS_MAX = 8, CHUNKS_MAX = 400, PARALLEL = 4 };

static const int64_t CHUNK_NS = 24 * NUM_NS_PER_HOUR;

struct round {
    struct ctl_history *h;
    struct net_fetch *fetch;
    const struct ctl_readings_options *o; /* NULL when scraping */
    struct ctl_readings_result result;
    uint32_t metrics;      /* asked in a chunk */
    const uint32_t *nodes; /* scraping: of each target */
    bool done;
    struct err fatal;
};

static void note(struct round *r, const struct err *why)
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
    if (r->fatal.code != 0)
        *reterr = r->fatal;
    return r->fatal.code;
}

/* -- Prometheus ---------------------------------------------------------------------------------
 */

static void got_range(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    struct net_prom answer;
    struct err e = {0};
    r->result.asked++;
    if (r->o->on_progress != NULL && target > 0)
        r->o->on_progress(r->o->user, r->result.asked * 1000 / (r->result.asked + target));
    if (err != NULL) {
        note(r, err);
        return;
    }
    struct arena *a = arena_new((size_t)4 << 30);
    const char *metric = ctl_history_metrics[target % r->metrics];
    if (net_prom_parse(a, text, &answer, &e) < 0) {
        (void)err_wrap(&e, "Prometheus: %s", metric);
        note(r, &e);
    } else if (r->fatal.code == 0) {
        r->result.answered++;
        (void)ctl_history_add_prom(r->h, metric, &answer, &r->fatal);
    }
    (void)arena_free(a);
}

/* The whole step speaks, not the moment at its end: the mean of what adds up, the most of memory.
 */
static void range_url(
        struct buf *url, const struct ctl_readings_options *o, uint32_t metric, int64_t start_ns)
{
    struct buf query = BUF_INIT(4096);
    int64_t end_ns = num_min_i64(start_ns + CHUNK_NS - o->step_ns, o->end_wall_ns);
    const struct net_prom_range range = {start_ns, end_ns, o->step_ns};
    buf_printf(&query, "%s_over_time(%s[%llds])", metric == 1 ? "max" : "avg",
            ctl_history_metrics[metric], (long long)(o->step_ns / NUM_NS_PER_SECOND));
    net_prom_range_url(url, o->prometheus, buf_str(&query), &range);
    buf_clear(&query);
}

int ctl_readings_range(struct net_http *http, struct ctl_history *h,
        const struct ctl_readings_options *options, struct ctl_readings_result *ret_result,
        struct err *reterr)
{
    struct round r = {.h = h, .o = options};
    while (ctl_history_metrics[r.metrics] != NULL)
        r.metrics++;
    int64_t chunks = num_max_i64((options->span_ns + CHUNK_NS - 1) / CHUNK_NS, 1);
    if (chunks > CHUNKS_MAX)
        return err_set(reterr, -E2BIG, "more than %d days of history", CHUNKS_MAX);
    uint32_t count = (uint32_t)chunks * r.metrics;
    struct net_fetch_target *targets = mem_alloc(count, sizeof *targets);
    /* On whole steps, so that the answers of all metrics fall on the same moments. */
    int64_t step = options->step_ns;
    int64_t start = (options->end_wall_ns - options->span_ns) / step * step;
    for (uint32_t i = 0; i < count; i++) {
        struct buf url = BUF_INIT(NET_URL_BYTES_MAX);
        range_url(&url, options, i % r.metrics, start + i / r.metrics * CHUNK_NS);
        targets[i] = (struct net_fetch_target){.url = arena_str(h->a, buf_str(&url)),
                .bearer = options->bearer,
                .accept = STR_LIT("application/json")};
        buf_clear(&url);
    }
    const struct net_fetch_spec spec = {.targets = targets,
            .target_count = count,
            .parallel = PARALLEL,
            .timeout_ns = 120 * NUM_NS_PER_SECOND,
            .bytes_max = NET_PROM_BYTES_MAX,
            .got = got_range,
            .done = ended,
            .user = &r};
    int rc = net_fetch_start(http, &spec, &r.fetch, reterr);
    if (rc == 0)
        rc = wait_for(&r, http, reterr);
    mem_free(targets);
    if (rc == 0)
        *ret_result = r.result;
    return rc;
}

/* -- exporters ----------------------------------------------------------------------------------
 */

static void got_scrape(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    struct nvidia_dcgm scrape;
    struct err e = {0};
    r->result.asked++;
    if (err != NULL) {
        note(r, err);
        return;
    }
    struct arena *a = arena_new((size_t)1 << 30);
    if (nvidia_dcgm_parse(a, text, &scrape, &e) < 0) {
        const struct ctl_exporter *x = &r->h->w->snapshot->exporters[target];
        (void)err_wrap(&e, "exporter of node %.*s", STR_ARG(x->node));
        note(r, &e);
    } else if (r->fatal.code == 0) {
        r->result.answered++;
        (void)ctl_history_add_scrape(
                r->h, &scrape, r->nodes[target], os_clock_wall_ns(), &r->fatal);
    }
    (void)arena_free(a);
}

int ctl_readings_scrape(struct net_http *http, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr)
{
    const struct ctl_snapshot *s = h->w->snapshot;
    struct round r = {.h = h};
    if (s->exporter_count == 0) {
        *ret_result = r.result;
        return 0;
    }
    struct net_fetch_target *targets = mem_alloc(s->exporter_count, sizeof *targets);
    uint32_t *nodes = mem_alloc(s->exporter_count, sizeof *nodes);
    for (uint32_t i = 0; i < s->exporter_count; i++) {
        const struct ctl_exporter *x = &s->exporters[i];
        bool v6 = memchr(x->ip.ptr, ':', x->ip.len) != NULL;
        nodes[i] = map_str_find(&h->w->node_index, x->node);
        targets[i].url = str_from(arena_printf(h->a, "http://%s%.*s%s:9400/metrics", v6 ? "[" : "",
                STR_ARG(x->ip), v6 ? "]" : ""));
    }
    r.nodes = nodes;
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
    mem_free(nodes);
    if (rc == 0)
        *ret_result = r.result;
    return rc;
}
