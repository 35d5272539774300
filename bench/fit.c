/* bench/fit.c - the fitted generator beside the trace that it is fitted to: statistics and savings.
 *
 *   build/bench/fit --trace FILE [--seeds N] [--jobs N] [--policy PRESET]
 * Both sides are the world's demand minute by minute (a missing sample: the one before holds), and
 * both savings come from the same core, seed by seed, counted from hour 6, owners acting at once.
 *
 * A seed is no pair: of the trace it breaks the scheduler's ties only, and yet with operator caps
 * the trace's own saving differs by more than five points between a third of all pairs of seeds.
 * So means over the seeds are compared.  Exit code 1 unless they are within five points of each
 * other by more than two standard errors. */
#include "base/json.h"
#include "base/num.h"
#include "cli/input.h"
#include "cli/option.h"
#include "jobs.h"
#include "sim/record.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAGS = 5, QUANTILES = 7, SAVINGS = 2, LIFE_MIN = 500, POINTS_MAX = 5, ROWS_MAX = 64 };

struct options {
    struct cli_world_options world;
    const char *trace;
    uint64_t seeds, jobs;
};

static const struct cli_option options[] = {
        {.name = "trace",
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct options, trace),
                .value_name = "FILE",
                .help = "the trace (CSV, may be .gz)"},
        CLI_WORLD_POLICY(struct options, world.policy),
        {.name = "seeds",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seeds),
                .value_name = "N",
                .default_text = "30",
                .min = 2,
                .max = 1000,
                .help = "seeds 1..N"},
        BENCH_OPTION_JOBS(struct options, jobs),
        {0},
};

static const unsigned lags[LAGS] = {1, 2, 5, 30, 60};
static const unsigned quantiles[QUANTILES] = {100, 250, 500, 750, 900, 950, 990};

struct pods {
    const struct sim_trace_pod *pods;
    uint32_t count;
};

struct statistics {
    double busy_mean, idle_percent;
    uint32_t busy[QUANTILES], memory[QUANTILES], pod_mean[QUANTILES];
    uint32_t burst[QUANTILES], gap[QUANTILES]; /* samples */
    double autocorrelation[LAGS], cross;
};

/* What a seed came to; no pointers, it crosses processes. */
struct outcome {
    struct statistics fitted;
    double saving_percent[2][SAVINGS]; /* of the trace and the generator; operator, native */
};

struct numbers {
    uint32_t *items;
    size_t count, cap;
};

static void put(struct numbers *n, uint32_t value)
{
    if (n->count == n->cap) {
        n->cap = n->cap == 0 ? 1024 : n->cap * 2;
        n->items = mem_grow(n->items, n->cap, sizeof *n->items);
    }
    n->items[n->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void take_quantiles(struct numbers *n, uint32_t *ret_quantiles)
{
    if (n->count > 0)
        qsort(n->items, n->count, sizeof *n->items, by_value);
    for (unsigned i = 0; i < QUANTILES && n->count > 0; i++) {
        ret_quantiles[i] = n->items[num_min_i64(
                (int64_t)(n->count * quantiles[i] / 1000), (int64_t)n->count - 1)];
    }
    mem_free(n->items);
    *n = (struct numbers){0};
}

static double root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 60 && x > 0; i++)
        r = (r + x / r) / 2;
    return x > 0 ? r : 0;
}

static void levels(const struct pods *p, struct statistics *s)
{
    struct numbers busy = {0}, memory = {0}, means = {0};
    double sum = 0, idle = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t own = 0;
        for (uint32_t k = 0; k < p->pods[i].sample_count; k++) {
            const struct sim_trace_sample *x = &p->pods[i].samples[k];
            put(&busy, x->busy_permille);
            if (x->memory_mib != UINT32_MAX)
                put(&memory, x->memory_mib);
            own += x->busy_permille;
            idle += x->busy_permille == 0;
        }
        sum += (double)own;
        if (p->pods[i].sample_count > 0)
            put(&means, (uint32_t)(own / p->pods[i].sample_count));
    }
    s->busy_mean = busy.count > 0 ? sum / (double)busy.count / 10 : 0;
    s->idle_percent = busy.count > 0 ? idle * 100 / (double)busy.count : 0;
    take_quantiles(&busy, s->busy);
    take_quantiles(&memory, s->memory);
    take_quantiles(&means, s->pod_mean);
}

/* Runs of samples above 5 % busy, and between them. */
static void bursts(const struct pods *p, struct statistics *s)
{
    struct numbers burst = {0}, gap = {0};
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t length = 0;
        bool on = false, seen = false;
        for (uint32_t k = 0; k < p->pods[i].sample_count; k++) {
            bool busy = p->pods[i].samples[k].busy_permille > 50;
            if (k > 0 && busy != on) {
                if (on || seen)
                    put(on ? &burst : &gap, length);
                seen = seen || on;
                length = 0;
            }
            on = busy;
            length++;
        }
    }
    take_quantiles(&burst, s->burst);
    take_quantiles(&gap, s->gap);
}

static double mean_of(const struct sim_trace_pod *p)
{
    double sum = 0;
    for (uint32_t k = 0; k < p->sample_count; k++)
        sum += p->samples[k].busy_permille;
    return sum / p->sample_count;
}

static void autocorrelations(const struct pods *p, struct statistics *s)
{
    double sums[LAGS] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct sim_trace_pod *t = &p->pods[i];
        double variance = 0, mean = t->sample_count >= LIFE_MIN ? mean_of(t) : 0;
        for (uint32_t k = 0; k < t->sample_count && t->sample_count >= LIFE_MIN; k++)
            variance += (t->samples[k].busy_permille - mean) * (t->samples[k].busy_permille - mean);
        if (variance <= 0)
            continue;
        count++;
        for (unsigned l = 0; l < LAGS; l++) {
            double sum = 0;
            for (uint32_t k = lags[l]; k < t->sample_count; k++) {
                sum += (t->samples[k].busy_permille - mean) *
                       (t->samples[k - lags[l]].busy_permille - mean);
            }
            sums[l] += sum / variance;
        }
    }
    for (unsigned l = 0; l < LAGS && count > 0; l++)
        s->autocorrelation[l] = sums[l] / count;
}

/* Of two pods over the minutes in which both live. */
static bool correlation(
        const struct sim_trace_pod *a, const struct sim_trace_pod *b, double *ret_value)
{
    double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
    int64_t half = 28 * NUM_NS_PER_SECOND;
    for (uint32_t i = 0, k = 0; i < a->sample_count && k < b->sample_count;) {
        int64_t d = a->samples[i].at_ns - b->samples[k].at_ns;
        if (d > half) {
            k++;
            continue;
        }
        if (d < -half) {
            i++;
            continue;
        }
        double x = a->samples[i++].busy_permille, y = b->samples[k++].busy_permille;
        n += 1;
        sa += x;
        sb += y;
        saa += x * x;
        sbb += y * y;
        sab += x * y;
    }
    double va = saa - sa * sa / (n + (n == 0)), vb = sbb - sb * sb / (n + (n == 0));
    if (n < LIFE_MIN || va <= 0 || vb <= 0)
        return false;
    *ret_value = (sab - sa * sb / n) / (root(va) * root(vb));
    return true;
}

static void cross_correlation(const struct pods *p, struct statistics *s)
{
    double sum = 0, value = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        for (uint32_t k = i + 1; k < p->count; k++) {
            if (!correlation(&p->pods[i], &p->pods[k], &value))
                continue;
            sum += value;
            count++;
        }
    }
    s->cross = count > 0 ? sum / count : 0;
}

static void gather(const struct pods *p, struct statistics *s)
{
    levels(p, s);
    bursts(p, s);
    autocorrelations(p, s);
    cross_correlation(p, s);
}

static int savings(const struct sim_config *config, double *ret_percent, struct err *reterr)
{
    static const enum sim_caps caps[SAVINGS] = {SIM_CAPS_OPERATOR, SIM_CAPS_NATIVE};
    for (unsigned i = 0; i < SAVINGS; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)2 << 30);
        struct sim_config c = *config;
        struct report_result *r = ARENA_NEW(a, struct report_result);
        c.caps = caps[i];
        c.measure_from_ns = 6 * NUM_NS_PER_HOUR;
        c.skip_bounds = true;
        int rc = sim_run(&c, a, r, reterr);
        if (rc != 0)
            return rc;
        double before = (double)r->before.gpus_provisioned_mean_milli;
        ret_percent[i] = 100 * (before - (double)r->after.gpus_provisioned_mean_milli) / before;
    }
    return 0;
}

/* The configuration of one side, with a seed. */
static int load(const struct options *o, bool trace, uint64_t seed, struct arena *a,
        struct sim_config *ret_config, struct err *reterr)
{
    struct cli_world_options world = o->world;
    world.owner_patch_delay = "0";
    world.seed = seed;
    world.trace = trace ? arena_printf(a, "genai:%s", o->trace) : NULL;
    world.scenario = trace ? NULL : "fitted";
    return cli_input_load(a, &world, ret_config, reterr);
}

static int record(
        const struct sim_config *config, struct arena *a, struct statistics *s, struct err *reterr)
{
    struct pods pods;
    int rc = sim_demand_record(config, a, &pods.pods, &pods.count, reterr);
    if (rc == 0)
        gather(&pods, s);
    return rc;
}

static int run_seed(uint32_t index, void *ret_result, const void *context)
{
    const struct options *o = context;
    struct outcome *out = ret_result;
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)4 << 30);
    struct sim_config config;
    struct err e = {0};
    int rc = load(o, true, index + 1, a, &config, &e);
    if (rc == 0)
        rc = savings(&config, out->saving_percent[0], &e);
    if (rc == 0)
        rc = load(o, false, index + 1, a, &config, &e);
    if (rc == 0)
        rc = savings(&config, out->saving_percent[1], &e);
    if (rc == 0)
        rc = record(&config, a, &out->fitted, &e);
    if (rc != 0)
        (void)fprintf(stderr, "fit: seed %u: %s\n", index + 1, e.text);
    return rc;
}

/* -- printing ----------------------------------------------------------------------------------
 */

/* Statistics as rows of text and number, in one order. */
struct rows {
    unsigned count;
    struct {
        char what[64];
        double value;
    } row[ROWS_MAX];
};

static void add_row(struct rows *r, const char *what, double value)
{
    if (r->count == ROWS_MAX)
        abort();
    (void)snprintf(r->row[r->count].what, sizeof r->row[0].what, "%.63s", what);
    r->row[r->count++].value = value;
}

static void add_quantiles(struct rows *r, const char *what, const uint32_t *values)
{
    for (unsigned i = 0; i < QUANTILES; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s, quantile %.2f", what, quantiles[i] / 1000.0);
        add_row(r, text, values[i]);
    }
}

static void take_rows(const struct statistics *s, struct rows *ret_rows)
{
    *ret_rows = (struct rows){0};
    add_row(ret_rows, "busy mean, percent", s->busy_mean);
    add_row(ret_rows, "idle samples, percent", s->idle_percent);
    add_quantiles(ret_rows, "busy permille", s->busy);
    add_quantiles(ret_rows, "pod's mean busy permille", s->pod_mean);
    add_quantiles(ret_rows, "memory MiB", s->memory);
    add_quantiles(ret_rows, "burst length, samples", s->burst);
    add_quantiles(ret_rows, "gap length, samples", s->gap);
    for (unsigned l = 0; l < LAGS; l++) {
        char text[64];
        (void)snprintf(text, sizeof text, "autocorrelation, lag %u", lags[l]);
        add_row(ret_rows, text, s->autocorrelation[l]);
    }
    add_row(ret_rows, "cross-correlation, mean", s->cross);
}

/* The trace beside the generator: mean, least and most over the seeds. */
static void print_statistics(
        const struct statistics *trace, const struct outcome *outcomes, uint64_t seeds)
{
    struct rows t, f;
    take_rows(trace, &t);
    (void)printf("%-38s %10s %10s %10s %10s\n", "", "trace", "fitted", "least", "most");
    for (unsigned i = 0; i < t.count; i++) {
        double sum = 0, least = 0, most = 0;
        for (uint64_t k = 0; k < seeds; k++) {
            take_rows(&outcomes[k].fitted, &f);
            double x = f.row[i].value;
            sum += x;
            least = k == 0 || x < least ? x : least;
            most = k == 0 || x > most ? x : most;
        }
        (void)printf("%-38s %10.2f %10.2f %10.2f %10.2f\n", t.row[i].what, t.row[i].value,
                sum / (double)seeds, least, most);
    }
}

/* Of one side's saving over the seeds. */
struct spread {
    double mean, deviation; /* of one seed */
    uint64_t pairs_far;     /* pairs of seeds more than POINTS_MAX apart */
};

static double saving_of(const struct outcome *o, unsigned side, unsigned caps)
{
    return o->saving_percent[side][caps];
}

static struct spread spread_of(
        const struct outcome *outcomes, uint64_t seeds, unsigned side, unsigned caps)
{
    struct spread s = {0};
    double square = 0;
    for (uint64_t k = 0; k < seeds; k++)
        s.mean += saving_of(&outcomes[k], side, caps) / (double)seeds;
    for (uint64_t k = 0; k < seeds; k++) {
        double x = saving_of(&outcomes[k], side, caps);
        square += (x - s.mean) * (x - s.mean);
        for (uint64_t j = 0; j < k; j++) {
            double d = x - saving_of(&outcomes[j], side, caps);
            s.pairs_far += d > POINTS_MAX || d < -POINTS_MAX;
        }
    }
    s.deviation = root(square / (double)(seeds - 1));
    return s;
}

/* Whether the means of both sides are surely near each other; prints how sure. */
static bool judge(
        const char *name, const struct spread *trace, const struct spread *fitted, uint64_t seeds)
{
    double pairs = (double)seeds * (double)(seeds - 1) / 2, n = (double)seeds;
    double difference = fitted->mean - trace->mean;
    double error =
            root((trace->deviation * trace->deviation + fitted->deviation * fitted->deviation) / n);
    double far = (difference < 0 ? -difference : difference) + 2 * error;
    (void)printf("%-9s mean      %10.2f %10.2f %10.2f +- %.2f%s\n", name, trace->mean, fitted->mean,
            difference, 2 * error, far > POINTS_MAX ? "  TOO FAR" : "");
    (void)printf("%-9s deviation %10.2f %10.2f\n", name, trace->deviation, fitted->deviation);
    (void)printf("%-9s two seeds more than %d apart, percent of pairs %6.1f %10.1f\n", name,
            POINTS_MAX, 100 * (double)trace->pairs_far / pairs,
            100 * (double)fitted->pairs_far / pairs);
    return far <= POINTS_MAX;
}

/* Returns how many savings are off. */
static unsigned print_savings(const struct outcome *outcomes, uint64_t seeds)
{
    static const char *const names[SAVINGS] = {"operator", "native"};
    unsigned off = 0;
    (void)puts("\nsaving, percent         trace     fitted difference");
    for (unsigned c = 0; c < SAVINGS; c++) {
        for (uint64_t k = 0; k < seeds; k++) {
            double trace = saving_of(&outcomes[k], 0, c), fitted = saving_of(&outcomes[k], 1, c);
            (void)printf("%-9s seed %-4llu %10.2f %10.2f %10.2f\n", names[c],
                    (unsigned long long)k + 1, trace, fitted, fitted - trace);
        }
        struct spread trace = spread_of(outcomes, seeds, 0, c);
        struct spread fitted = spread_of(outcomes, seeds, 1, c);
        off += !judge(names[c], &trace, &fitted, seeds);
    }
    (void)printf(
            "%u of %d mean savings may differ by more than %d points\n", off, SAVINGS, POINTS_MAX);
    return off;
}

static int fit(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)4 << 30);
    struct bench_jobs jobs = {
            .count = (uint32_t)o->seeds,
            .processes = (uint32_t)o->jobs,
            .result_size = sizeof(struct outcome),
            .run = run_seed,
            .context = o,
            .label = "fit",
    };
    struct sim_config config;
    struct statistics trace = {0};
    void *memory = NULL;
    int rc = load(o, true, 1, a, &config, reterr);
    if (rc == 0)
        rc = record(&config, a, &trace, reterr);
    if (rc != 0)
        return rc;
    int failed = bench_jobs_run(&jobs, &memory);
    if (failed < 0)
        return err_set(reterr, failed, "no processes: %s", strerror(-failed));
    if (failed == 0)
        print_statistics(&trace, memory, o->seeds);
    unsigned off = failed == 0 ? print_savings(memory, o->seeds) : 0;
    bench_jobs_release(&jobs, memory);
    return failed == 0 && off == 0 ? CLI_EXIT_OK : CLI_EXIT_NO;
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "fit",
            .summary = "The fitted generator beside the trace.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = fit,
    };
    return cli_verb_main(&verb, argc, argv);
}
