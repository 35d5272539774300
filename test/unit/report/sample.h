/* A small result with hostile names, so that escaping is seen: for unit and golden tests. */
#ifndef TEST_REPORT_SAMPLE_H
#define TEST_REPORT_SAMPLE_H

#include "base/num.h"
#include "report/result.h"

static const struct report_point points[] = {
        {0, 10000, 9000, 700, 30000000},
        {NUM_NS_PER_HOUR, 12000, 11000, 900, 36000000},
        {2 * NUM_NS_PER_HOUR, 8000, 8000, 400, 24000000},
};

static struct report_run make_run(const char *key, const char *title, int64_t gpus_milli)
{
    return (struct report_run){
            .key = key,
            .title = title,
            .gpus_provisioned_mean_milli = gpus_milli,
            .gpus_provisioned_max = 12,
            .gpus_requested_mean_milli = 9333,
            .gpus_used_mean_milli = 667,
            .cost_microusd_per_day = gpus_milli * 70000,
            .harm = {.memory_kills = 3,
                    .overloaded_samples = 5,
                    .gpu_samples = 1000,
                    .latency_violations = 1,
                    .latency_samples = 400,
                    .evictions = 7,
                    .pending_ns_p95 = 61 * NUM_NS_PER_SECOND,
                    .neighbours_lost = 2},
            .point_count = 3,
            .points = points,
    };
}

static struct report_result make_result(void)
{
    static const struct report_map_slot slots[] = {
            {.start = 4,
                    .size = 4,
                    .profile = {"3g.20gb", 7},
                    .pod_count = 1,
                    .pods = {"<script>alert(1)</script>", 25},
                    .busy_permille = 420,
                    .memory_used_mib = 5000,
                    .memory_total_mib = 20096},
            {.start = 0, .size = 1, .profile = {"1g.5gb", 6}},
    };
    static const struct report_map_gpu map[] = {
            {.cluster = {"c\"1", 3},
                    .node = {"node<1>", 7},
                    .model = {"A100-40GB", 9},
                    .mode = {"MIG", 3},
                    .replicas = 1,
                    .units = 8,
                    .slot_count = 2,
                    .slots = slots},
    };
    static const struct core_decision log[] = {
            {.seq = 1,
                    .wall_ns = NUM_NS_PER_HOUR,
                    .change = CORE_CHANGE_SHARE,
                    .verdict = CORE_VERDICT_REFUSED,
                    .reason = CORE_REASON_GUARD_MEMORY,
                    .text = {"peak <99> & \"more\"", 18},
                    .saving_microusd_per_hour = 1500000},
    };
    struct report_result r = {
            .scenario = STR_LIT("a <b> & \"c\""),
            .caps = STR_LIT("operator"),
            .policy = STR_LIT("balanced"),
            .seed = UINT64_MAX,
            .duration_ns = 7 * 24 * NUM_NS_PER_HOUR,
            .before = make_run("before", "one GPU a pod", 10000),
            .after = make_run("after", "Slicewright", 6500),
            .baseline_count = 2,
            .bound_policy = {true, 5000, 350000000},
            .decisions = 1,
            .steps = 42,
            .log_count = 1,
            .log = log,
            .map_count = 1,
            .map = map,
            .wall_time_ns = 1234567890,
            .peak_rss_mib = 17,
    };
    r.baselines[0] = make_run("one_gpu_a_pod", "one GPU a pod", 10000);
    r.baselines[1] = make_run("static_timeslicing_x4", "time-slicing x4", 4000);
    return r;
}

#endif
