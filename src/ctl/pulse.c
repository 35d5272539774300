/* ctl/pulse.c - see pulse.h.  Below the purity line. */
#include "ctl/pulse.h"

#include "base/arena.h"
#include "base/num.h"
#include "net/fetch.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ROUNDS_TILL_LOST = 5, EXPORTER_PARALLEL = 32, TARGETS_MAX = 1 << 20 };

static const size_t ROUND_BYTES_MAX = (size_t)2 << 30;
static const int64_t EVERY_NS = 30 * NUM_NS_PER_SECOND, TIMEOUT_NS = 10 * NUM_NS_PER_SECOND,
                     WINDOW_MORE_NS = 60 * NUM_NS_PER_SECOND;

/* One endpoint of a round and what it said.  Texts wait until all are there: the world that they
 * are joined to is the one of the round's end. */
struct asked {
    struct str node; /* of an exporter */
    struct str text; /* "" = no answer */
    int64_t wall_ns;
};

struct ctl_pulse {
    struct net_http *http;
    struct os_loop *loop;
    struct ctl_pulse_options o;
    struct arena *own; /* the options' texts */
    struct os_timer timer;
    struct net_fetch *fetch; /* NULL = no round runs */
    struct arena *round;
    struct asked *asked;
    uint32_t count, answered;
    int64_t begun_ns, answer_mono_ns; /* answer: of the last round that had one */
    bool told, complete;
    const char *why; /* of the first of the round that did not answer */
    struct ctl_pulse_stats stats;
};

static int64_t every_ns(const struct ctl_pulse *p)
{
    return p->o.every_ns > 0 ? p->o.every_ns : EVERY_NS;
}

static void tell(struct ctl_pulse *p, bool complete)
{
    if (p->told && p->complete == complete)
        return;
    p->told = true;
    p->complete = complete;
    if (!complete) {
        os_log_warn("pulse", "readings are lost",
                OS_LOG_CSTR("why", p->why != NULL ? p->why : "no exporter is known"));
    }
    p->o.sync(p->o.user, complete);
}

/* -- joining ------------------------------------------------------------------------------------
 */

static void join_scrape(
        struct ctl_history *h, const struct asked *x, struct arena *a, struct err *reterr)
{
    struct nvidia_dcgm scrape;
    if (nvidia_dcgm_parse(a, x->text, &scrape, reterr) == 0) {
        (void)ctl_history_add_scrape(
                h, &scrape, map_str_find(&h->w->node_index, x->node), x->wall_ns, reterr);
    }
}

static void join_prom(struct ctl_history *h, uint32_t metric, const struct asked *x,
        struct arena *a, struct err *reterr)
{
    struct net_prom answer;
    if (net_prom_parse(a, x->text, &answer, reterr) == 0)
        (void)ctl_history_add_prom(h, ctl_history_metrics[metric], &answer, reterr);
}

/* What came in becomes a history of the world as it is now. */
static void hand_over(struct ctl_pulse *p, const struct ctl_world *w)
{
    struct ctl_history *h = ctl_history_new(w);
    struct arena *a = arena_new(ROUND_BYTES_MAX);
    uint32_t unread = 0;
    struct err first = {0};
    for (uint32_t i = 0; i < p->count; i++) {
        struct err e = {0};
        if (p->asked[i].text.len == 0)
            continue;
        arena_reset(a);
        if (p->o.prometheus.len > 0) {
            join_prom(h, i, &p->asked[i], a, &e);
        } else {
            join_scrape(h, &p->asked[i], a, &e);
        }
        if (e.code != 0 && unread++ == 0)
            first = e;
    }
    if (unread > 0) {
        os_log_warn("pulse", "answers that could not be read", OS_LOG_U64("count", unread),
                OS_LOG_CSTR("first", first.text));
    }
    ctl_history_finish(h);
    p->stats.readings += h->count;
    p->o.got(p->o.user, h);
    (void)ctl_history_free(h);
    (void)arena_free(a);
}

/* -- rounds -------------------------------------------------------------------------------------
 */

static void got(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct ctl_pulse *p = user;
    if (err != NULL) {
        if (p->why == NULL)
            p->why = arena_printf(p->round, "%s", err->text);
        return;
    }
    if (!arena_fits(p->round, text.len + 1, 1))
        return;
    p->asked[target].text = arena_str(p->round, text);
    p->asked[target].wall_ns = os_clock_wall_ns();
    p->answered++;
}

static void done(void *user)
{
    struct ctl_pulse *p = user;
    const struct ctl_world *w = p->o.world(p->o.user);
    int64_t now_ns = os_loop_now_ns(p->loop);
    int64_t limit = p->o.lost_after_ns > 0 ? p->o.lost_after_ns : ROUNDS_TILL_LOST * every_ns(p);
    p->fetch = NULL;
    p->stats.answered += p->answered;
    if (p->answered > 0) {
        p->answer_mono_ns = now_ns;
        p->stats.last_wall_ns = os_clock_wall_ns();
    }
    if (p->answered > 0 && w != NULL)
        hand_over(p, w);
    if (p->answered > 0) {
        tell(p, true);
    } else if (now_ns - p->answer_mono_ns >= limit) {
        tell(p, false);
    }
    os_loop_timer_set(p->loop, &p->timer, num_max_i64(p->begun_ns + every_ns(p), now_ns));
}

static void add_exporters(
        struct ctl_pulse *p, const struct ctl_snapshot *s, struct net_fetch_target *targets)
{
    for (uint32_t i = 0; i < p->count; i++) {
        const struct ctl_exporter *x = &s->exporters[i];
        bool v6 = memchr(x->ip.ptr, ':', x->ip.len) != NULL;
        p->asked[i].node = arena_str(p->round, x->node);
        targets[i].url = str_from(arena_printf(p->round, "http://%s%.*s%s:9400/metrics",
                v6 ? "[" : "", STR_ARG(x->ip), v6 ? "]" : ""));
    }
}

/* Samples with their own times, of a span that covers the last round: an instant value would carry
 * the time of the question and look fresh for five minutes. */
static void add_queries(struct ctl_pulse *p, struct net_fetch_target *targets)
{
    long long window = (every_ns(p) + WINDOW_MORE_NS) / NUM_NS_PER_SECOND;
    for (uint32_t i = 0; i < p->count; i++) {
        struct buf url = BUF_INIT(NET_URL_BYTES_MAX);
        net_prom_query_url(&url, p->o.prometheus,
                str_from(arena_printf(p->round, "%s[%llds]", ctl_history_metrics[i], window)), 0);
        targets[i] = (struct net_fetch_target){.url = arena_str(p->round, buf_str(&url)),
                .bearer = p->o.bearer,
                .accept = STR_LIT("application/json")};
        buf_clear(&url);
    }
}

static uint32_t target_count(const struct ctl_pulse *p, const struct ctl_world *w)
{
    uint32_t count = 0;
    if (p->o.prometheus.len == 0)
        return w == NULL ? 0 : num_min_u32(w->snapshot->exporter_count, TARGETS_MAX);
    while (ctl_history_metrics[count] != NULL)
        count++;
    return count;
}

static void begin_round(struct os_timer *t)
{
    struct ctl_pulse *p = (struct ctl_pulse *)((char *)t - offsetof(struct ctl_pulse, timer));
    const struct ctl_world *w = p->o.world(p->o.user);
    struct err e = {0};
    assert(p->fetch == NULL);
    arena_reset(p->round);
    p->begun_ns = os_loop_now_ns(p->loop);
    p->why = NULL;
    p->answered = 0;
    p->count = target_count(p, w);
    p->stats.rounds++;
    p->stats.asked += p->count;
    p->asked = ARENA_ARRAY(p->round, struct asked, (size_t)p->count + 1);
    struct net_fetch_target *targets =
            ARENA_ARRAY(p->round, struct net_fetch_target, (size_t)p->count + 1);
    if (p->o.prometheus.len > 0) {
        add_queries(p, targets);
    } else if (p->count > 0) {
        add_exporters(p, w->snapshot, targets);
    }
    const struct net_fetch_spec spec = {.targets = targets,
            .target_count = p->count,
            .parallel = EXPORTER_PARALLEL,
            .timeout_ns = num_min_i64(TIMEOUT_NS, every_ns(p)),
            .got = got,
            .done = done,
            .user = p};
    if (p->count > 0 && net_fetch_start(p->http, &spec, &p->fetch, &e) == 0)
        return;
    if (e.code != 0)
        p->why = arena_printf(p->round, "%s", e.text);
    p->fetch = NULL;
    done(p);
}

/* -- life ---------------------------------------------------------------------------------------
 */

int ctl_pulse_start(struct net_http *http, const struct ctl_pulse_options *options,
        struct ctl_pulse **ret_pulse, struct err *reterr)
{
    (void)reterr;
    struct ctl_pulse *p = mem_alloc(1, sizeof *p);
    p->http = http;
    p->loop = net_http_loop(http);
    p->o = *options;
    p->own = arena_new(1 << 20);
    p->o.prometheus = arena_str(p->own, options->prometheus);
    p->o.bearer = arena_str(p->own, options->bearer);
    p->round = arena_new(ROUND_BYTES_MAX);
    p->timer.fire = begin_round;
    p->answer_mono_ns = os_loop_now_ns(p->loop);
    os_loop_timer_set(p->loop, &p->timer, p->answer_mono_ns);
    *ret_pulse = p;
    return 0;
}

void ctl_pulse_stop(struct ctl_pulse *p)
{
    if (p == NULL)
        return;
    os_loop_timer_clear(p->loop, &p->timer);
    if (p->fetch != NULL)
        net_fetch_cancel(p->fetch);
    (void)arena_free(p->round);
    (void)arena_free(p->own);
    mem_free(p);
}

struct ctl_pulse_stats ctl_pulse_stats(const struct ctl_pulse *p)
{
    return p->stats;
}
