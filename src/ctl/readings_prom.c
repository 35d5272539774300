/* ctl/readings_prom.c - readings of a span of time, from Prometheus; see readings.h.
 *
 * Below the purity line.  The span is asked for in pieces, each of one metric: a server refuses an
 * answer of too many points or samples, and ours has limits too.  A piece that was too much is
 * asked for again in halves, wave after wave. */
#include "base/num.h"
#include "ctl/readings.h"
#include "os/loop.h"

#include <errno.h>

enum {
    DAYS_MAX = 400,
    PARALLEL = 4,
    POINTS_MAX = 10000, /* of a series in an answer; Prometheus refuses more than 11,000 */
    /* Of all series in an answer; TUNING: some 50 MB of JSON, and a fifth of a second of ours. */
    SAMPLES_MAX = 2000000,
    PIECES_MAX = 20000,
};

static const int64_t PIECE_MAX_NS = 24 * NUM_NS_PER_HOUR;

/* What one query asks for: a metric over [start, end], both on whole steps. */
struct piece {
    uint32_t metric;
    int64_t start_ns, end_ns;
    bool unanswered;
};

struct round {
    struct ctl_history *h;
    const struct ctl_readings_options *o;
    struct ctl_readings_result result;
    struct piece *pieces;
    uint32_t count, cap;
    uint32_t first; /* of the wave that is being asked */
    uint32_t end;
    bool done;
    struct err fatal;
};

static const char *keep(const struct round *r, struct str text)
{
    return arena_printf(r->h->a, "%.*s", (int)num_min_u32((uint32_t)text.len, 300), text.ptr);
}

static void add_piece(struct round *r, uint32_t metric, int64_t start_ns, int64_t end_ns)
{
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 64 : r->cap * 2;
        r->pieces = mem_grow(r->pieces, r->cap, sizeof *r->pieces);
    }
    r->pieces[r->count++] = (struct piece){metric, start_ns, end_ns, false};
}

/* -- asking -------------------------------------------------------------------------------------
 */

/* The whole step speaks, not the moment at its end: the mean of what adds up, the most of memory.
 */
static void piece_url(struct buf *url, const struct ctl_readings_options *o, const struct piece *p)
{
    struct buf query = BUF_INIT(4096);
    const struct net_prom_range range = {p->start_ns, p->end_ns, o->step_ns};
    buf_printf(&query, "%s_over_time(%s[%llds])", p->metric == CTL_HISTORY_MEMORY ? "max" : "avg",
            ctl_history_metrics[p->metric], (long long)(o->step_ns / NUM_NS_PER_SECOND));
    net_prom_range_url(url, str_from(o->prometheus->options.url), buf_str(&query), &range);
    buf_clear(&query);
}

/* Why a piece has no answer; what was too much for the server or for us is asked for in halves. */
static void refused(struct round *r, struct piece *p, const struct err *why)
{
    int64_t step = r->o->step_ns;
    int64_t steps = (p->end_ns - p->start_ns) / step;
    bool too_much = why->code == -EMSGSIZE || why->code == -E2BIG;
    if (too_much && steps >= 1 && r->count + 2 <= PIECES_MAX) {
        int64_t middle = p->start_ns + steps / 2 * step;
        struct piece whole = *p;
        add_piece(r, whole.metric, whole.start_ns, middle);
        add_piece(r, whole.metric, middle + step, whole.end_ns);
        return;
    }
    p->unanswered = true;
    r->result.asked++;
    if (r->result.why == NULL)
        r->result.why = keep(r, str_from(why->text));
}

static void got(void *user, uint32_t target, struct str text, const struct err *err)
{
    struct round *r = user;
    struct piece *p = &r->pieces[r->first + target];
    struct net_prom answer;
    struct err e = {0};
    const char *metric = ctl_history_metrics[p->metric];
    struct arena *a = arena_new((size_t)4 << 30);
    /* Its own words, where it has some, say more than a status. */
    int rc = err == NULL || text.len > 0 ? net_prom_parse(a, text, &answer, &e) : err->code;
    if (err != NULL && (text.len == 0 || (rc != -EREMOTEIO && rc != -EMSGSIZE))) {
        refused(r, p, err);
    } else if (rc < 0) {
        (void)err_wrap(&e, "%s", metric);
        refused(r, p, &e);
    } else if (r->fatal.code == 0) {
        r->result.asked++;
        r->result.answered++;
        r->result.warned += answer.warning_count > 0;
        if (answer.warning_count > 0 && r->result.warning == NULL)
            r->result.warning = keep(r, answer.warnings[0]);
        (void)ctl_history_add_prom(r->h, metric, &answer, &r->fatal);
    }
    (void)arena_free(a);
    if (r->o->on_progress != NULL)
        r->o->on_progress(r->o->user, r->result.asked * 1000 / r->count);
}

static void ended(void *user)
{
    struct round *r = user;
    r->done = true;
}

/* Asks for the pieces from `first` on, and waits for them. */
static int ask_wave(struct round *r, struct net_http *http, struct err *reterr)
{
    struct net_fetch *fetch = NULL;
    struct net_fetch_target *targets = mem_alloc(r->count - r->first, sizeof *targets);
    r->end = r->count;
    r->done = false;
    ctl_prometheus_refresh(r->o->prometheus);
    for (uint32_t i = r->first; i < r->end; i++) {
        struct buf url = BUF_INIT(NET_URL_BYTES_MAX);
        piece_url(&url, r->o, &r->pieces[i]);
        targets[i - r->first] =
                ctl_prometheus_target(r->o->prometheus, arena_str(r->h->a, buf_str(&url)));
        buf_clear(&url);
    }
    const struct net_fetch_spec spec = {.targets = targets,
            .target_count = r->end - r->first,
            .parallel = PARALLEL,
            .timeout_ns = 150 * NUM_NS_PER_SECOND, /* its own limit is 2 minutes */
            .bytes_max = NET_PROM_BYTES_MAX,
            .got = got,
            .done = ended,
            .user = r};
    int rc = net_fetch_start(http, &spec, &fetch, reterr);
    while (rc == 0 && !r->done) {
        rc = os_loop_turn(net_http_loop(http), -1, reterr);
        if (rc < 0)
            net_fetch_cancel(fetch);
        rc = rc < 0 ? rc : 0;
    }
    mem_free(targets);
    if (rc == 0 && r->fatal.code != 0) {
        *reterr = r->fatal;
        rc = r->fatal.code;
    }
    r->first = r->end;
    return rc;
}

/* -- the span -----------------------------------------------------------------------------------
 */

/* How long a piece may be: by points, and by the samples of all that may have a series. */
static int64_t piece_ns(const struct ctl_history *h, int64_t step_ns)
{
    uint64_t series = h->w->pod_count;
    for (uint32_t i = 0; i < h->w->node_count; i++)
        series += h->w->nodes[i].node.gpu_count;
    int64_t points = num_max_i64(SAMPLES_MAX / (int64_t)(series + 1), 1);
    points = num_min_i64(num_min_i64(points, POINTS_MAX), PIECE_MAX_NS / step_ns);
    return num_max_i64(points, 1) * step_ns;
}

/* Pieces side by side, on whole steps, so that the answers of all metrics fall on the same moments.
 */
static void cut_span(struct round *r)
{
    int64_t step = r->o->step_ns, piece = piece_ns(r->h, step);
    int64_t last = r->o->end_wall_ns / step * step;
    int64_t first = (r->o->end_wall_ns - r->o->span_ns) / step * step;
    for (int64_t start = first; start <= last; start += piece) {
        for (uint32_t m = 0; ctl_history_metrics[m] != NULL; m++)
            add_piece(r, m, start, num_min_i64(start + piece - step, last));
    }
}

int ctl_readings_range(struct net_http *http, struct ctl_history *h,
        const struct ctl_readings_options *options, struct ctl_readings_result *ret_result,
        struct err *reterr)
{
    struct round r = {.h = h, .o = options};
    int rc = 0;
    if (options->span_ns > DAYS_MAX * 24 * NUM_NS_PER_HOUR)
        return err_set(reterr, -E2BIG, "more than %d days of history", DAYS_MAX);
    cut_span(&r);
    if (r.count > PIECES_MAX) {
        mem_free(r.pieces);
        return err_set(reterr, -E2BIG,
                "%u queries for this much history: ask for less time or a longer step", r.count);
    }
    while (rc == 0 && r.first < r.count)
        rc = ask_wave(&r, http, reterr);
    for (uint32_t i = 0; i < r.count; i++) {
        const struct piece *p = &r.pieces[i];
        if (p->unanswered && p->metric == CTL_HISTORY_MEMORY)
            ctl_history_forget(h, p->start_ns, p->end_ns);
    }
    mem_free(r.pieces);
    if (rc == 0)
        *ret_result = r.result;
    return rc;
}
