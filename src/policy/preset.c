/* policy/preset.c - the three presets.  Pure: const data.
 *
 * What they have in common: latency-sensitive work is never time-sliced but by `aggressive`, MIG
 * changes happen in windows only, and peaks of memory fit unless a risk is stated.
 * TUNING: each value is a judgement of what a careful operator would accept, checked against the
 * real traces by bench/genai and the built-in scenario (docs/BENCHMARKS.md). */
#include "policy/policy.h"

#include "base/num.h"

#define MINUTES(n) ((n)*60 * NUM_NS_PER_SECOND)
#define HOURS(n)   ((n)*NUM_NS_PER_HOUR)

#define CLASS_LABEL                                                                                \
    {                                                                                              \
        {                                                                                          \
            .key = STR_LIT("sharing.slicewright.io/class"), .value = STR_LIT("latency-sensitive")  \
        }                                                                                          \
    }

/* "0 H * * *" */
#define DAILY(text, hour_bits, hours_long)                                                         \
    {                                                                                              \
        .cron = STR_LIT(text), .minutes = 1, .hours = (hour_bits), .days_of_month = 0xfffffffe,    \
        .months = 0x1ffe, .days_of_week = 0x7f, .day_of_month_any = true, .day_of_week_any = true, \
        .duration_ns = HOURS(hours_long)                                                           \
    }

/* For clusters whose owners want no surprise: one node at a time, by night, after a day of
 * history; MIG before time-slicing; nobody is evicted twice a day. */
static const struct policy conservative = {
        .name = STR_LIT("conservative"),
        .techniques = {MODEL_TECHNIQUE_MIG, MODEL_TECHNIQUE_TIME_SLICING},
        .technique_count = 2,
        .mode = {POLICY_MODE_APPLY, POLICY_MODE_APPLY, POLICY_MODE_APPLY},
        .replicas_min = 2,
        .replicas_max = 4,
        .replicas_instance_max = 1,
        .target_utilization_permille = 600,
        .percentile_permille = 999,
        .memory_headroom_permille = 100,
        .memory_risk_ppm = 0,
        .memory_alarm_permille = 850,
        .latency_labels = CLASS_LABEL,
        .latency_label_count = 1,
        .latency_treatment = MODEL_TECHNIQUE_EXCLUSIVE,
        .latency_slo_permille = 2000,
        .isolation = MODEL_ISOLATION_NONE,
        .min_history_ns = HOURS(24),
        .stale_after_ns = MINUTES(5),
        .dwell_ns = HOURS(6),
        .owner_dwell_ns = HOURS(72),
        .min_gain_permille = 200,
        .min_gain_microusd_per_hour = 500000,
        .max_nodes_in_change = 1,
        .max_evictions_per_hour = 6,
        .max_moves_per_pod_per_day = 1,
        .drain_timeout_ns = MINUTES(30),
        .windows = {DAILY("0 2 * * *", 1u << 2, 4)},
        .window_count = 1,
        .windows_cover_all = true,
        .scale_down = true,
        .surplus_after_ns = MINUTES(10),
        .spare_slots_permille = 250,
};

/* The default: what saves most without anybody noticing.  A memory risk of 50 ppm is a twentieth of
 * one kill in 1,000 pod-hours, which leaves room for what the estimate does not know. */
static const struct policy balanced = {
        .name = STR_LIT("balanced"),
        .techniques = {MODEL_TECHNIQUE_TIME_SLICING, MODEL_TECHNIQUE_MIG},
        .technique_count = 2,
        .mode = {POLICY_MODE_APPLY, POLICY_MODE_APPLY, POLICY_MODE_APPLY},
        .replicas_min = 2,
        .replicas_max = 8,
        .replicas_instance_max = 1,
        .target_utilization_permille = 800,
        .percentile_permille = 990,
        .memory_headroom_permille = 50,
        .memory_risk_ppm = 50,
        .memory_alarm_permille = 880,
        .latency_labels = CLASS_LABEL,
        .latency_label_count = 1,
        .latency_treatment = MODEL_TECHNIQUE_MIG,
        .latency_slo_permille = 2000,
        .isolation = MODEL_ISOLATION_NONE,
        .min_history_ns = HOURS(1),
        .stale_after_ns = MINUTES(10),
        .dwell_ns = MINUTES(30),
        .owner_dwell_ns = HOURS(24),
        .min_gain_permille = 50,
        .min_gain_microusd_per_hour = 100000,
        .max_nodes_in_change = 4,
        .max_evictions_per_hour = 30,
        .max_moves_per_pod_per_day = 4,
        .drain_timeout_ns = MINUTES(15),
        .windows = {DAILY("0 2 * * *", 1u << 2, 4)},
        .window_count = 1,
        .windows_cover_all = false,
        .scale_down = true,
        .surplus_after_ns = MINUTES(10),
        .spare_slots_permille = 100,
};

/* For development clusters and batch farms: interruptions are cheap, idle GPUs are not. */
static const struct policy aggressive = {
        .name = STR_LIT("aggressive"),
        .techniques = {MODEL_TECHNIQUE_TIME_SLICING, MODEL_TECHNIQUE_MIG},
        .technique_count = 2,
        .mode = {POLICY_MODE_APPLY, POLICY_MODE_APPLY, POLICY_MODE_APPLY},
        .replicas_min = 2,
        .replicas_max = 16,
        .replicas_instance_max = 1,
        .target_utilization_permille = 950,
        .percentile_permille = 950,
        .memory_headroom_permille = 20,
        .memory_risk_ppm = 1000,
        .memory_alarm_permille = 970,
        .latency_labels = CLASS_LABEL,
        .latency_label_count = 1,
        .latency_treatment = MODEL_TECHNIQUE_TIME_SLICING,
        .latency_slo_permille = 2000,
        .isolation = MODEL_ISOLATION_NONE,
        .min_history_ns = MINUTES(15),
        .stale_after_ns = MINUTES(15),
        .dwell_ns = MINUTES(10),
        .owner_dwell_ns = HOURS(6),
        .min_gain_permille = 10,
        .min_gain_microusd_per_hour = 10000,
        .max_nodes_in_change = 10,
        .max_evictions_per_hour = 120,
        .max_moves_per_pod_per_day = 12,
        .drain_timeout_ns = MINUTES(10),
        .windows = {DAILY("0 0,6,12,18 * * *", 1u | 1u << 6 | 1u << 12 | 1u << 18, 2)},
        .window_count = 1,
        .windows_cover_all = false,
        .scale_down = true,
        .surplus_after_ns = MINUTES(10),
        .spare_slots_permille = 50,
};

static const char *const names[] = {"conservative", "balanced", "aggressive", NULL};

const char *const *policy_preset_names(void)
{
    return names;
}

const struct policy *policy_preset(struct str name)
{
    static const struct policy *const presets[] = {&conservative, &balanced, &aggressive};
    for (unsigned i = 0; names[i]; i++) {
        if (str_eq_c(name, names[i]))
            return presets[i];
    }
    return NULL;
}
