/* bench/fit.c - the fitted generator beside the trace that it is fitted to: statistics and savings.
 *
 *   build/bench/fit --trace FILE [--seed N] [--policy PRESET]
 * Exit code 1 when the savings differ by five points or more. */
#include "base/json.h"
#include "base/num.h"
#include "cli/input.h"
#include "cli/option.h"
#include "sim/record.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAGS = 5, QUANTILES = 7, SAVINGS = 2, LIFE_MIN = 500, POINTS_MAX = 5 };

struct options {
    struct cli_world_options world;
    const char *trace;
};

static const struct cli_option options[] = {
        {.name = "trace",
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct options, trace),
                .value_name = "FILE",
                .help = "the trace (CSV, may be .gz)"},
        CLI_WORLD_POLICY(struct options, world.policy),
        CLI_WORLD_SEED(struct options, world.seed),
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
    double saving_percent[SAVINGS]; /* operator, native */
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

static int savings(const struct sim_config *config, struct statistics *s, struct err *reterr)
{
    static const enum sim_caps caps[SAVINGS] = {SIM_CAPS_OPERATOR, SIM_CAPS_NATIVE};
    for (unsigned i = 0; i < SAVINGS; i++) {
        SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)2 << 30);
        struct sim_config c = *config;
        struct report_result *r = ARENA_NEW(a, struct report_result);
        c.caps = caps[i];
        c.owner_patch_delay_ns = 0;
        c.measure_from_ns = 6 * NUM_NS_PER_HOUR;
        c.skip_bounds = true;
        int rc = sim_run(&c, a, r, reterr);
        if (rc != 0)
            return rc;
        double before = (double)r->before.gpus_provisioned_mean_milli;
        s->saving_percent[i] =
                100 * (before - (double)r->after.gpus_provisioned_mean_milli) / before;
    }
    return 0;
}

static int gather(const struct sim_config *config, const struct pods *p, struct statistics *s,
        struct err *reterr)
{
    levels(p, s);
    bursts(p, s);
    autocorrelations(p, s);
    cross_correlation(p, s);
    return savings(config, s, reterr);
}

static void row(const char *what, double trace, double fitted)
{
    (void)printf("%-34s %10.2f %10.2f\n", what, trace, fitted);
}

static void rows(const char *what, const uint32_t *trace, const uint32_t *fitted)
{
    for (unsigned i = 0; i < QUANTILES; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s, quantile %.2f", what, quantiles[i] / 1000.0);
        row(text, trace[i], fitted[i]);
    }
}

static void print(const struct statistics *t, const struct statistics *f)
{
    (void)printf("%-34s %10s %10s\n", "", "trace", "fitted");
    row("busy mean, percent", t->busy_mean, f->busy_mean);
    row("idle samples, percent", t->idle_percent, f->idle_percent);
    rows("busy permille", t->busy, f->busy);
    rows("pod's mean busy permille", t->pod_mean, f->pod_mean);
    rows("memory MiB", t->memory, f->memory);
    rows("burst length, samples", t->burst, f->burst);
    rows("gap length, samples", t->gap, f->gap);
    for (unsigned l = 0; l < LAGS; l++) {
        char text[64];
        (void)snprintf(text, sizeof text, "autocorrelation, lag %u", lags[l]);
        row(text, t->autocorrelation[l], f->autocorrelation[l]);
    }
    row("cross-correlation, mean", t->cross, f->cross);
    row("saving, operator caps, percent", t->saving_percent[0], f->saving_percent[0]);
    row("saving, native caps, percent", t->saving_percent[1], f->saving_percent[1]);
}

static int fit(const struct options *o, struct arena *a, struct err *reterr)
{
    struct sim_config trace, fitted;
    struct cli_world_options world = o->world;
    struct statistics t = {0}, f = {0};
    struct pods recorded;
    world.owner_patch_delay = "0";
    world.trace = arena_printf(a, "genai:%s", o->trace);
    int rc = cli_input_load(a, &world, &trace, reterr);
    world.trace = NULL;
    world.scenario = "fitted";
    if (rc == 0)
        rc = cli_input_load(a, &world, &fitted, reterr);
    if (rc == 0)
        rc = sim_demand_record(&fitted, a, &recorded.pods, &recorded.count, reterr);
    if (rc != 0)
        return rc;
    const struct sim_owner_spec *owner = &trace.scenario->owners[0];
    struct pods real = {owner->trace, owner->trace_count};
    rc = gather(&trace, &real, &t, reterr);
    if (rc == 0)
        rc = gather(&fitted, &recorded, &f, reterr);
    if (rc != 0)
        return rc;
    print(&t, &f);
    int off = 0;
    for (unsigned i = 0; i < SAVINGS; i++) {
        double d = t.saving_percent[i] - f.saving_percent[i];
        off += d >= POINTS_MAX || d <= -POINTS_MAX;
    }
    return off;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)4 << 30);
    return fit(call->options, a, reterr);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "fit",
            .summary = "The fitted generator beside the trace.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = run,
    };
    return cli_verb_main(&verb, argc, argv);
}
