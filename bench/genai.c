/* bench/genai.c - the genai trace through the production core: GPUs, harm and bound as one JSON
 * object.
 *
 *   build/bench/genai --trace FILE [--caps native|operator|dra] [--policy PRESET|FILE] [--seed N]
 *                     [--gpu MODEL] [--sample-pods N] [--measure-from HOURS]
 *                     [--owner-patch-delay HOURS] [--baselines]
 *   build/bench/genai --trace FILE --caps operator --table   all presets and baselines, one table
 */
#include "base/json.h"
#include "base/num.h"
#include "cli/input.h"
#include "cli/option.h"
#include "os/clock.h"
#include "report/format.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

struct options {
    struct cli_world_options world;
    const char *trace;
    bool baselines, table;
};

static const struct cli_option options[] = {
        {.name = "trace",
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct options, trace),
                .value_name = "FILE",
                .help = "the trace (CSV, may be .gz)"},
        CLI_WORLD_CAPS(struct options, world.caps, "native"),
        CLI_WORLD_POLICY(struct options, world.policy),
        CLI_WORLD_SEED(struct options, world.seed),
        CLI_WORLD_GPU(struct options, world.gpu),
        CLI_WORLD_GPUS_PER_NODE(struct options, world.gpus_per_node),
        CLI_WORLD_SAMPLE_PODS(struct options, world.sample_pods),
        CLI_WORLD_MEASURE_FROM(struct options, world.measure_from_hours, "6"),
        CLI_WORLD_OWNER_PATCH_DELAY(struct options, world.owner_patch_delay, "0"),
        {.name = "baselines",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, baselines),
                .help = "also run the static baselines"},
        {.name = "table",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, table),
                .help = "all presets and all baselines as one table"},
        {0},
};

static void put_run(struct json_writer *w, const struct report_run *run)
{
    const struct report_harm *h = &run->harm;
    jw_object(w);
    jw_kv_fixed(w, "gpus_mean", run->gpus_provisioned_mean_milli, 3);
    jw_kv_u64(w, "gpus_max", run->gpus_provisioned_max);
    jw_kv_u64(w, "memory_kills", h->memory_kills);
    int64_t hours = num_max_i64((int64_t)run->pod_hours_milli, 1);
    jw_kv_fixed(w, "kills_per_1000_pod_hours",
            num_muldiv_i64((int64_t)h->memory_kills, 1000000 * 1000, hours), 3);
    int64_t samples = num_max_i64((int64_t)h->gpu_samples, 1);
    jw_kv_fixed(w, "overloaded_sample_percent",
            num_muldiv_i64((int64_t)h->overloaded_samples, 1000000, samples), 4);
    jw_kv_u64(w, "evictions", h->evictions);
    jw_kv_i64(w, "pending_seconds_p95", h->pending_ns_p95 / NUM_NS_PER_SECOND);
    jw_object_end(w);
}

static void put_result(const struct options *o, const struct report_result *r, int64_t wall_ns)
{
    struct buf out = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&out, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "caps", cli_caps_choices[o->world.caps]);
    jw_kv_cstr(&w, "policy", o->world.policy);
    jw_kv_u64(&w, "seed", o->world.seed);
    if (r->before.pod_hours_milli > 0) { /* --table alone runs it */
        jw_key(&w, "before");
        put_run(&w, &r->before);
    }
    jw_key(&w, "after");
    put_run(&w, &r->after);
    for (uint32_t i = 0; i < r->baseline_count; i++) {
        jw_key(&w, r->baselines[i].key);
        put_run(&w, &r->baselines[i]);
    }
    if (r->bound_policy.known)
        jw_kv_fixed(&w, "bound_policy_gpus_mean", r->bound_policy.gpus_mean_milli, 3);
    if (r->bound_actual.known)
        jw_kv_fixed(&w, "bound_actual_gpus_mean", r->bound_actual.gpus_mean_milli, 3);
    jw_kv_u64(&w, "violations", r->violations);
    jw_kv_fixed(&w, "seconds", wall_ns / 1000000, 3);
    jw_object_end(&w);
    (void)puts(out.ptr);
    buf_clear(&out);
}

static int simulate(const struct options *o, const char *policy, bool baselines, struct arena *a,
        struct report_result **ret_result, struct err *reterr)
{
    struct cli_world_options world = o->world;
    world.trace = arena_printf(a, "genai:%s", o->trace);
    world.policy = policy;
    struct sim_config config;
    int rc = cli_input_load(a, &world, &config, reterr);
    if (rc < 0)
        return rc;
    config.skip_baselines = !baselines;
    config.skip_bounds = !baselines;
    struct report_result *result = ARENA_NEW(a, struct report_result);
    *ret_result = result;
    return sim_run(&config, a, result, reterr);
}

static int run_one(const struct options *o, struct arena *a, struct err *reterr)
{
    int64_t start_ns = os_clock_mono_ns();
    struct report_result *result = NULL;
    int rc = simulate(o, o->world.policy, o->baselines, a, &result, reterr);
    if (rc < 0)
        return rc;
    assert(result != NULL);
    put_result(o, result, os_clock_mono_ns() - start_ns);
    return 0;
}

static void print_row(const char *name, const struct report_run *run)
{
    char t[5][REPORT_TEXT_MAX];
    const struct report_harm *h = &run->harm;
    int64_t hours = num_max_i64((int64_t)run->pod_hours_milli, 1);
    (void)printf("%-24s %7s %7s %6llu %11s %10s %10llu %9s\n", name,
            report_decimal(t[0], run->gpus_provisioned_mean_milli, 3, 1),
            report_percent(t[1], run->gpus_used_mean_milli, run->gpus_provisioned_mean_milli, 1),
            (unsigned long long)h->memory_kills,
            report_decimal(t[2], num_muldiv_i64((int64_t)h->memory_kills, 1000000000, hours), 3, 2),
            report_percent(t[3], (int64_t)h->overloaded_samples, (int64_t)h->gpu_samples, 3),
            (unsigned long long)h->evictions, report_span(t[4], h->pending_ns_p95));
}

static int run_table(const struct options *o, struct arena *a, struct err *reterr)
{
    static const char *const presets[] = {"balanced", "conservative", "aggressive"};
    struct report_result *results[3] = {NULL};
    for (unsigned i = 0; i < 3; i++) {
        int rc = simulate(o, presets[i], i == 0, a, &results[i], reterr);
        if (rc < 0)
            return rc;
    }
    (void)printf("caps %s, GPU %s, from hour %llu\n%-24s %7s %7s %6s %11s %10s %10s %9s\n",
            cli_caps_choices[o->world.caps], o->world.gpu != NULL ? o->world.gpu : CLI_GPU_DEFAULT,
            (unsigned long long)o->world.measure_from_hours, "", "GPUs", "used %", "kills",
            "/1000 pod-h", "overload %", "evictions", "p95 wait");
    print_row("before", &results[0]->before);
    for (uint32_t i = 0; i < results[0]->baseline_count; i++)
        print_row(results[0]->baselines[i].key, &results[0]->baselines[i]);
    for (unsigned i = 0; i < 3; i++)
        print_row(presets[i], &results[i]->after);
    char t[REPORT_TEXT_MAX];
    if (results[0]->bound_policy.known) {
        (void)printf("%-24s %7s\n", "bound, policy's demands",
                report_decimal(t, results[0]->bound_policy.gpus_mean_milli, 3, 1));
    }
    if (results[0]->bound_actual.known) {
        (void)printf("%-24s %7s\n", "bound, true peaks",
                report_decimal(t, results[0]->bound_actual.gpus_mean_milli, 3, 1));
    }
    return 0;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    SCOPED(arena_scoped_free) struct arena *a = arena_new((size_t)8 << 30);
    return o->table ? run_table(o, a, reterr) : run_one(o, a, reterr);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "genai",
            .summary = "The genai trace through the production core.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = run,
    };
    return cli_verb_main(&verb, argc, argv);
}
