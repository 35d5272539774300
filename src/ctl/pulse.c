/* ctl/pulse.c - see pulse.h.  Below the purity line; on the loop.
 *
 * What answers say is kept in words until the round ends, and joined to the world that is known
 * then: worlds come and go faster than slow exporters answer. */
#include "ctl/pulse.h"

#include "base/num.h"
#include "ctl/proxy.h"
#include "ctl/readings-priv.h"
#include "net/fetch.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    PARALLEL = 64,
    PROMETHEUS_PARALLEL = 2, /* answers of a large cluster are large */
    ROUNDS_UNTIL_LOST = 5,
};

static const int64_t EVERY_NS = 30 * NUM_NS_PER_SECOND;
static const int64_t EXPORTER_TIMEOUT_NS = 5 * NUM_NS_PER_SECOND;
static const int64_t PROXY_TIMEOUT_NS = 10 * NUM_NS_PER_SECOND; /* two servers to wait for */
static const int64_t SCRAPE_EVERY_MAX_NS = 60 * NUM_NS_PER_SECOND;
static const int64_t SETTLED_NS = 2 * NUM_NS_PER_SECOND; /* scrapes that old are in all answers */
static const int64_t NO_WORLD_NS = NUM_NS_PER_SECOND;    /* until the next look for one */

/* What one endpoint said. */
struct answer {
    struct str node;    /* of the exporter */
    const char *metric; /* of Prometheus; NULL = an exporter's */
    int64_t wall_ns;
    union {
        struct nvidia_dcgm scrape;
        struct net_prom prom;
    };
};

struct ctl_pulse {
    struct net_http *http;
    struct os_loop *loop;
    struct ctl_pulse_options options;
    struct os_timer tick;
    struct net_fetch *fetch; /* a round that is under way, or */
    struct ctl_proxy *proxy; /* one through the API server */
    struct arena *round;     /* its answers */
    struct str *nodes;       /* by target */
    struct answer *answers;
    uint32_t target_count, taken, answer_count;
    uint32_t first; /* exporter that the next round begins with */
    int64_t answered_mono_ns;
    bool told, complete;
    struct err why; /* the last thing that went wrong */
    struct ctl_pulse_stats stats;
};

/* -- the end of a round -------------------------------------------------------------------------
 */

static void tell_sync(struct ctl_pulse *p, bool complete)
{
    if (p->told && p->complete == complete)
        return;
    if (!complete)
        os_log_warn("pulse", "no readings of GPUs", OS_LOG_CSTR("why", p->why.text));
    if (complete && p->told && !p->complete)
        os_log_info("pulse", "readings of GPUs again");
    p->told = true;
    p->complete = complete;
    p->options.sync(p->options.user, complete);
}

static int join(struct ctl_history *h, const struct answer *x, struct err *reterr)
{
    if (x->metric != NULL)
        return ctl_history_add_prom(h, x->metric, &x->prom, reterr);
    uint32_t node = map_str_find(&h->w->node_index, x->node);
    return ctl_history_add_scrape(h, &x->scrape, node, x->wall_ns, reterr);
}

static void hand_over(struct ctl_pulse *p, const struct ctl_world *w)
{
    struct ctl_history *h = ctl_history_new(w);
    int rc = 0;
    for (uint32_t i = 0; i < p->answer_count && rc == 0; i++)
        rc = join(h, &p->answers[i], &p->why);
    if (rc < 0)
        os_log_warn("pulse", "readings left out", OS_LOG_CSTR("why", p->why.text));
    ctl_history_finish(h);
    if (h->count > 0) {
        p->answered_mono_ns = os_loop_now_ns(p->loop);
        p->stats.last_wall_ns = os_clock_wall_ns();
        p->stats.readings += h->count;
        p->options.got(p->options.user, h);
        tell_sync(p, true);
    } else {
        (void)err_set(&p->why, -ENODATA, "%u answers, none with a reading of a GPU that is known",
                p->answer_count);
    }
    (void)ctl_history_free(h);
}

static void end_round(struct ctl_pulse *p)
{
    const struct ctl_world *w = p->options.world(p->options.user);
    uint32_t exporters = p->target_count;
    p->fetch = NULL;
    p->proxy = NULL;
    if (p->taken < p->target_count || p->answer_count < p->target_count) {
        os_log_debug("pulse", "not all answered", OS_LOG_U64("asked", p->target_count),
                OS_LOG_U64("answered", p->answer_count), OS_LOG_CSTR("why", p->why.text));
    }
    /* Whom there was no time for is first in the next round. */
    p->first = exporters == 0 ? 0 : (p->first + p->taken) % exporters;
    if (w != NULL && p->answer_count > 0)
        hand_over(p, w);
    p->target_count = p->answer_count = 0;
}

/* -- answers ------------------------------------------------------------------------------------
 */

static struct answer *answer_add(struct ctl_pulse *p)
{
    p->stats.answered++;
    struct answer *x = &p->answers[p->answer_count++];
    *x = (struct answer){.wall_ns = os_clock_wall_ns()};
    return x;
}

/* A scrape's rows with their texts in the round's arena; what else parsing took is not kept. */
static struct nvidia_dcgm keep_rows(struct arena *a, const struct nvidia_dcgm *from)
{
    struct nvidia_dcgm_row *rows = ARENA_ARRAY(a, struct nvidia_dcgm_row, from->count + 1);
    for (uint32_t i = 0; i < from->count; i++) {
        struct nvidia_dcgm_row *r = &rows[i];
        *r = from->rows[i];
        struct str *texts[] = {&r->uuid, &r->model, &r->host, &r->gi_profile, &r->pod_namespace,
                &r->pod, &r->container, &r->pod_uid, &r->vgpu};
        for (unsigned t = 0; t < sizeof texts / sizeof texts[0]; t++)
            *texts[t] = texts[t]->len > 0 ? arena_str(a, *texts[t]) : (struct str){0};
    }
    return (struct nvidia_dcgm){.count = from->count, .rows = rows};
}

static void got_scrape(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct ctl_pulse *p = user;
    struct nvidia_dcgm scrape;
    p->taken++;
    if (err != NULL) {
        p->why = *err;
        return;
    }
    struct arena *a = arena_new((size_t)1 << 30);
    if (nvidia_dcgm_parse(a, text, &scrape, &p->why) < 0) {
        (void)err_wrap(&p->why, "exporter of node %.*s", STR_ARG(p->nodes[target]));
    } else {
        struct answer *x = answer_add(p);
        x->node = p->nodes[target];
        x->scrape = keep_rows(p->round, &scrape);
    }
    (void)arena_free(a);
}

/* The label's name where it is one that is read, else NULL. */
static const char *name_of(struct str label)
{
    for (unsigned i = 0; label.len > 0 && ctl_history_labels[i] != NULL; i++) {
        const char *name = ctl_history_labels[i];
        if (name[0] == label.ptr[0] && str_eq_c(label, name)) /* millions of them a minute */
            return name;
    }
    return NULL;
}

/* Likewise: the labels that are read, and the samples.  The whole answers of a large cluster are
 * hundreds of megabytes. */
static struct net_prom keep_series(struct arena *a, const struct net_prom *from)
{
    struct net_prom_series *series = ARENA_ARRAY(a, struct net_prom_series, from->count + 1);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct net_prom_series *s = &from->series[i];
        struct net_prom_sample *samples =
                ARENA_ARRAY(a, struct net_prom_sample, s->sample_count + 1);
        uint32_t count = 0;
        for (uint32_t l = 0; l < s->label_count; l++)
            count += name_of(s->labels[l].name) != NULL;
        struct net_prom_label *labels = ARENA_ARRAY(a, struct net_prom_label, count + 1);
        count = 0;
        for (uint32_t l = 0; l < s->label_count; l++) {
            const char *name = name_of(s->labels[l].name);
            if (name != NULL) {
                labels[count++] =
                        (struct net_prom_label){str_from(name), arena_str(a, s->labels[l].value)};
            }
        }
        if (s->sample_count > 0)
            memcpy(samples, s->samples, s->sample_count * sizeof *samples);
        series[i] = (struct net_prom_series){count, labels, s->sample_count, samples};
    }
    return (struct net_prom){.count = from->count, .series = series};
}

static void got_prom(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct ctl_pulse *p = user;
    struct net_prom prom;
    struct arena *a = arena_new((size_t)4 << 30);
    p->taken++;
    /* Its own words, where it has some, say more than a status. */
    int rc = err == NULL || text.len > 0 ? net_prom_parse(a, text, &prom, &p->why) : err->code;
    if (err != NULL && (text.len == 0 || (rc != -EREMOTEIO && rc != -EMSGSIZE))) {
        p->why = *err;
    } else if (rc == 0) {
        struct answer *x = answer_add(p);
        x->metric = ctl_history_metrics[target];
        x->prom = keep_series(p->round, &prom);
    }
    (void)arena_free(a);
}

static void ended(void *user)
{
    end_round(user);
}

/* -- a round ------------------------------------------------------------------------------------
 */

/* A round's lists, in its arena. */
static struct net_fetch_target *targets_new(struct ctl_pulse *p, uint32_t count)
{
    p->target_count = count;
    p->taken = p->answer_count = 0;
    p->nodes = ARENA_ARRAY(p->round, struct str, count + 1);
    p->answers = ARENA_ARRAY(p->round, struct answer, count + 1);
    return ARENA_ARRAY(p->round, struct net_fetch_target, count + 1);
}

static void ask(struct ctl_pulse *p, struct net_fetch_spec *spec)
{
    spec->target_count = p->target_count;
    spec->done = ended;
    spec->user = p;
    p->stats.rounds++;
    p->stats.asked += p->target_count;
    if (net_fetch_start(p->http, spec, &p->fetch, &p->why) < 0) {
        p->fetch = NULL;
        os_log_warn("pulse", "cannot ask", OS_LOG_CSTR("why", p->why.text));
    }
}

/* Samples come with their own times, those since the last round at least: an instant value would
 * carry the time of the question, and look fresh for five minutes. */
static void ask_prometheus(struct ctl_pulse *p)
{
    uint32_t count = 0;
    long long span = (p->options.every_ns + SCRAPE_EVERY_MAX_NS) / NUM_NS_PER_SECOND;
    int64_t at_ns = os_clock_wall_ns() - SETTLED_NS;
    while (ctl_history_metrics[count] != NULL)
        count++;
    struct net_fetch_target *targets = targets_new(p, count);
    ctl_prometheus_refresh(p->options.prometheus);
    for (uint32_t i = 0; i < count; i++) {
        struct buf url = BUF_INIT(NET_URL_BYTES_MAX);
        const char *query = arena_printf(p->round, "%s[%llds]", ctl_history_metrics[i], span);
        net_prom_query_url(
                &url, str_from(p->options.prometheus->options.url), str_from(query), at_ns);
        targets[i] =
                ctl_prometheus_target(p->options.prometheus, arena_str(p->round, buf_str(&url)));
        buf_clear(&url);
    }
    struct net_fetch_spec spec = {.targets = targets,
            .parallel = PROMETHEUS_PARALLEL,
            .timeout_ns = p->options.every_ns,
            .bytes_max = NET_PROM_BYTES_MAX,
            .got = got_prom};
    ask(p, &spec);
}

static void ask_proxy(struct ctl_pulse *p, const struct ctl_snapshot *s)
{
    const struct ctl_proxy_spec spec = {.exporters = s->exporters,
            .count = s->exporter_count,
            .first = p->first % s->exporter_count,
            .timeout_ns = num_min_i64(p->options.every_ns, PROXY_TIMEOUT_NS),
            .got = got_scrape,
            .done = ended,
            .user = p};
    p->stats.rounds++;
    p->stats.asked += p->target_count;
    if (ctl_proxy_start(p->options.proxy, &spec, &p->proxy, &p->why) < 0)
        os_log_warn("pulse", "cannot ask", OS_LOG_CSTR("why", p->why.text));
}

static void ask_exporters(struct ctl_pulse *p, const struct ctl_snapshot *s)
{
    uint32_t count = s->exporter_count;
    if (count == 0) {
        (void)err_set(&p->why, -ENOENT, "no pod of dcgm-exporter runs");
        return;
    }
    struct net_fetch_target *targets = targets_new(p, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct ctl_exporter *x = &s->exporters[(p->first + i) % count];
        targets[i].url = ctl_readings_url(p->round, x);
        p->nodes[i] = arena_str(p->round, x->node);
    }
    if (p->options.proxy != NULL) {
        ask_proxy(p, s);
        return;
    }
    struct net_fetch_spec spec = {.targets = targets,
            .parallel = PARALLEL,
            .timeout_ns = num_min_i64(p->options.every_ns, EXPORTER_TIMEOUT_NS),
            .got = got_scrape};
    ask(p, &spec);
}

static void cancel(struct ctl_pulse *p)
{
    if (p->fetch != NULL)
        net_fetch_cancel(p->fetch);
    if (p->proxy != NULL)
        ctl_proxy_cancel(p->proxy);
}

static void on_tick(struct os_timer *t)
{
    struct ctl_pulse *p = (struct ctl_pulse *)((char *)t - offsetof(struct ctl_pulse, tick));
    int64_t now_ns = os_loop_now_ns(p->loop);
    os_loop_timer_set(p->loop, &p->tick, now_ns + p->options.every_ns);
    if (p->fetch != NULL || p->proxy != NULL) {
        /* Whoever has not answered by now is left out of this round. */
        (void)err_set(&p->why, -ETIMEDOUT, "%u of %u did not answer within a round",
                p->target_count - p->taken, p->target_count);
        cancel(p);
        end_round(p);
    }
    if (now_ns - p->answered_mono_ns >= p->options.lost_after_ns)
        tell_sync(p, false);
    arena_reset(p->round);
    const struct ctl_world *w = p->options.world(p->options.user);
    if (w == NULL) {
        os_loop_timer_set(
                p->loop, &p->tick, now_ns + num_min_i64(p->options.every_ns, NO_WORLD_NS));
        return;
    }
    if (p->options.prometheus != NULL) {
        ask_prometheus(p);
    } else {
        ask_exporters(p, w->snapshot);
    }
}

/* -- life ---------------------------------------------------------------------------------------
 */

int ctl_pulse_start(struct net_http *http, const struct ctl_pulse_options *options,
        struct ctl_pulse **ret_pulse, struct err *reterr)
{
    (void)reterr;
    assert(options->world != NULL && options->got != NULL && options->sync != NULL);
    struct ctl_pulse *p = mem_alloc(1, sizeof *p);
    p->http = http;
    p->loop = net_http_loop(http);
    p->round = arena_new((size_t)4 << 30);
    p->options = *options;
    if (p->options.every_ns <= 0)
        p->options.every_ns = EVERY_NS;
    if (p->options.lost_after_ns <= 0)
        p->options.lost_after_ns = ROUNDS_UNTIL_LOST * p->options.every_ns;
    p->tick.fire = on_tick;
    p->answered_mono_ns = os_loop_now_ns(p->loop);
    os_loop_timer_set(p->loop, &p->tick, os_loop_now_ns(p->loop));
    *ret_pulse = p;
    return 0;
}

void ctl_pulse_stop(struct ctl_pulse *p)
{
    if (p == NULL)
        return;
    cancel(p);
    os_loop_timer_clear(p->loop, &p->tick);
    (void)arena_free(p->round);
    mem_free(p);
}

struct ctl_pulse_stats ctl_pulse_stats(const struct ctl_pulse *p)
{
    return p->stats;
}
