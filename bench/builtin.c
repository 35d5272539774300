/* bench/builtin.c - the built-in scenario over many seeds, against its baselines: one line a seed
 * and a verdict on each bar.
 *
 *   build/bench/builtin [--scenario default] [--policy balanced] [--caps operator] [--seeds 20]
 *                       [--days 7] [--jobs 2] [--owner-patch-delay 24]
 * Exit code 1 when a bar is missed. */
#include "base/num.h"
#include "cli/input.h"
#include "cli/option.h"
#include "jobs.h"
#include "report/format.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct options {
    struct cli_world_options world;
    uint64_t seeds, jobs;
};

static const struct cli_option options[] = {
        CLI_WORLD_SCENARIO(struct options, world.scenario, "default"),
        CLI_WORLD_POLICY(struct options, world.policy),
        CLI_WORLD_CAPS(struct options, world.caps, "operator"),
        {.name = "seeds",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seeds),
                .value_name = "N",
                .default_text = "20",
                .min = 1,
                .max = 10000,
                .help = "seeds 1..N"},
        CLI_WORLD_DAYS(struct options, world.days, "7"),
        CLI_WORLD_OWNER_PATCH_DELAY(struct options, world.owner_patch_delay, "24"),
        BENCH_OPTION_JOBS(struct options, jobs),
        {0},
};

/* What a seed came to; no pointers, it crosses processes. */
struct outcome {
    int64_t before_microusd, after_microusd;
    int64_t baseline_microusd[REPORT_BASELINES_MAX];
    bool baseline_rival[REPORT_BASELINES_MAX]; /* as harmless as ours in every field */
    char baseline_key[REPORT_BASELINES_MAX][32];
    uint32_t baseline_count;
    int64_t before_gpus_milli, after_gpus_milli;
    uint64_t kills, evictions, raises, unshares, unshares_latency, relayouts, outside_window;
    int64_t latency_before_ppm, latency_after_ppm;
    uint64_t violations;
};

static int64_t ppm(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : num_muldiv_i64((int64_t)part, 1000000, (int64_t)whole);
}

/* True when `b` is as harmless as `ours` in every field: only such a baseline is a rival. */
static bool harm_not_worse(const struct report_harm *b, const struct report_harm *ours)
{
    return b->memory_kills <= ours->memory_kills &&
           ppm(b->overloaded_samples, b->gpu_samples) <=
                   ppm(ours->overloaded_samples, ours->gpu_samples) &&
           ppm(b->latency_violations, b->latency_samples) <=
                   ppm(ours->latency_violations, ours->latency_samples) &&
           b->evictions <= ours->evictions && b->pending_ns_p95 <= ours->pending_ns_p95 &&
           b->neighbours_lost <= ours->neighbours_lost;
}

static void take_result(const struct report_result *r, struct outcome *o)
{
    o->before_microusd = r->before.cost_microusd_per_day;
    o->after_microusd = r->after.cost_microusd_per_day;
    o->before_gpus_milli = r->before.gpus_provisioned_mean_milli;
    o->after_gpus_milli = r->after.gpus_provisioned_mean_milli;
    o->baseline_count = r->baseline_count;
    for (uint32_t i = 0; i < r->baseline_count; i++) {
        o->baseline_microusd[i] = r->baselines[i].cost_microusd_per_day;
        o->baseline_rival[i] = harm_not_worse(&r->baselines[i].harm, &r->after.harm);
        (void)snprintf(o->baseline_key[i], sizeof o->baseline_key[i], "%s", r->baselines[i].key);
    }
    const struct report_harm *b = &r->before.harm, *a = &r->after.harm;
    o->kills = a->memory_kills;
    o->evictions = a->evictions;
    o->latency_before_ppm = ppm(b->latency_violations, b->latency_samples);
    o->latency_after_ppm = ppm(a->latency_violations, a->latency_samples);
    o->raises = r->totals.done[CORE_CHANGE_REPLICAS_RAISE];
    o->unshares = r->totals.done[CORE_CHANGE_UNSHARE];
    o->unshares_latency = r->totals.unshare_by_latency;
    o->relayouts = r->totals.done[CORE_CHANGE_MIG_RELAYOUT];
    o->outside_window = r->totals.mig_outside_window;
    o->violations = r->violations;
}

static int run_seed(uint32_t index, void *ret_result, const void *context)
{
    const struct options *o = context;
    struct cli_world_options world = o->world;
    world.seed = index + 1;
    struct arena *a = arena_new((size_t)8 << 30);
    struct sim_config config;
    struct err e = {0};
    struct report_result *result = ARENA_NEW(a, struct report_result);
    int rc = cli_input_load(a, &world, &config, &e);
    config.skip_bounds = true;
    if (rc == 0)
        rc = sim_run(&config, a, result, &e);
    if (rc < 0) {
        (void)fprintf(stderr, "builtin: seed %u: %s\n", index + 1, e.text);
    } else {
        take_result(result, ret_result);
    }
    (void)arena_free(a);
    return rc;
}

static void print_seed(uint32_t seed, const struct outcome *o)
{
    char t[5][REPORT_TEXT_MAX];
    int64_t ratio = num_muldiv_i64(o->after_microusd, 1000, num_max_i64(o->before_microusd, 1));
    (void)printf("%4u  %8s -> %8s  %5s  %5llu %6llu  %6s %6s", seed,
            report_money(t[0], o->before_microusd), report_money(t[1], o->after_microusd),
            report_decimal(t[2], ratio, 3, 3), (unsigned long long)o->kills,
            (unsigned long long)o->evictions, report_decimal(t[3], o->latency_before_ppm, 4, 2),
            report_decimal(t[4], o->latency_after_ppm, 4, 2));
    (void)printf("  %6llu %8llu %8llu %8llu %7llu  ", (unsigned long long)o->raises,
            (unsigned long long)o->unshares, (unsigned long long)o->unshares_latency,
            (unsigned long long)o->relayouts, (unsigned long long)o->outside_window);
    for (uint32_t i = 0; i < o->baseline_count; i++) {
        (void)printf(" %s=%s%s", o->baseline_key[i], report_money(t[0], o->baseline_microusd[i]),
                o->baseline_rival[i] ? "" : "(more harm)");
    }
    (void)putchar('\n');
}

/* Whether a seed meets the bars; says which it misses. */
static bool meets_bars(uint32_t seed, const struct outcome *o)
{
    struct {
        bool met;
        const char *text;
    } bars[] = {
            {o->after_microusd * 10 <= o->before_microusd * 7, "cost <= 0.70 x before"},
            {o->kills == 0, "no memory kill"},
            {o->latency_after_ppm <= o->latency_before_ppm + 1000,
                    "latency <= before + 0.1 points"},
            {o->raises >= 10, ">= 10 replica raises"},
            {o->unshares >= 10, ">= 10 returns to exclusive"},
            {2 * o->unshares_latency >= 10, "half of 10 returns by a latency-sensitive arrival"},
            {o->relayouts >= 5, ">= 5 MIG relayouts"},
            {o->outside_window == 0, "no MIG change outside its window"},
            {o->violations == 0, "no violation"},
    };
    bool all = true;
    for (unsigned i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        if (!bars[i].met)
            (void)printf("seed %u misses: %s\n", seed, bars[i].text);
        all = all && bars[i].met;
    }
    for (uint32_t i = 0; i < o->baseline_count; i++) {
        if (o->baseline_rival[i] && o->after_microusd >= o->baseline_microusd[i]) {
            (void)printf("seed %u misses: not below %s\n", seed, o->baseline_key[i]);
            all = false;
        }
    }
    return all;
}

static int bench(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    struct bench_jobs jobs = {
            .count = (uint32_t)o->seeds,
            .processes = (uint32_t)o->jobs,
            .result_size = sizeof(struct outcome),
            .run = run_seed,
            .context = o,
            .label = "builtin",
    };
    void *memory = NULL;
    int failed = bench_jobs_run(&jobs, &memory);
    if (failed < 0)
        return err_set(reterr, failed, "no processes: %s", strerror(-failed));
    const struct outcome *outcomes = memory;
    (void)puts("seed  cost/day before -> after  ratio kills  evict latency% before,after  raises "
               "unshare by-laten relayout outside  baselines");
    uint32_t met = 0;
    for (uint32_t i = 0; i < jobs.count; i++)
        print_seed(i + 1, &outcomes[i]);
    for (uint32_t i = 0; i < jobs.count; i++)
        met += meets_bars(i + 1, &outcomes[i]);
    (void)printf("%u of %u seeds meet every bar, %d failed\n", met, jobs.count, failed);
    bench_jobs_release(&jobs, memory);
    return failed == 0 && met == jobs.count ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "builtin",
            .summary = "The built-in scenario over many seeds, a verdict on each bar.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = bench,
    };
    return cli_verb_main(&verb, argc, argv);
}
